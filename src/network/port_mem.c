#include "network/port_mem.h"
#include "network/chainnet_wire.h"
#include "base/assert.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>

enum { TOPICS_MAX = 8, PROTOS_MAX = 16, OFFENCES_MAX = 2 };
#define HANDSHAKE_US 8000000u
#define PING_US      45000000u   /* a ping each 15 s, two missed */

typedef struct mem_port mem_port_t;

/* An event on its way to a port, or (port NULL) a link whose turn to send comes, a request whose time is up, pings that miss.  from: index of the port it comes
   from; the port's own: it waits for no link. */
typedef struct item { struct item * next; uint64_t at, seq; mem_port_t * port; dmg_net_ev_t ev; uint8_t * bytes, * addr; struct link_s * link; unsigned from; bool is_urgent, is_ping; } item_t;

typedef struct frame { struct frame * next; struct stream_s * stream; uint64_t rank; uint32_t key; uint8_t cls; dmg_net_kind_t kind; uint16_t code; bool is_last; size_t sz; uint8_t bytes[]; } frame_t;

typedef struct link_s { frame_t * queue; uint64_t busy_us, last_us; bool is_pumping; } link_t;   /* one direction of a connection */

typedef struct conn_s { struct conn_s * next; uint32_t id; mem_port_t * ports[ 2 ]; link_t links[ 2 ]; bool is_up; uint8_t offences[ 2 ]; } conn_t;   /* 0 dialled; links[ i ]: from ports[ i ] */

typedef struct stream_s {
  struct stream_s * next;
  uint64_t id;
  conn_t * conn;
  uint8_t  from, proto;                /* opener's place in conn; proto: index of the opener */
  uint8_t  their_proto;
  bool     is_notify, is_open, is_told, is_answered, wants_room;   /* told: the other side knows of it */
  uint64_t deadline_us;
} stream_t;

struct mem_port {
  dmg_net_port_t  port;                /* first */
  dmg_mem_net_t * net;
  unsigned        idx;
  dmg_net_proto_t protos[ PROTOS_MAX ];
  char            ids[ PROTOS_MAX ][ 64 ];
  size_t          proto_cnt;
  char            topics[ TOPICS_MAX ][ 64 ];
  uint32_t        topic_max[ TOPICS_MAX ], topic_cnt, rejects;
  dmg_hash_t *    seen; size_t seen_cnt, seen_cap;
  bool            is_stopped, is_freed, is_hidden, is_early;
  uint64_t        rate;
  uint16_t        garble;
  uint32_t        mute;                /* bit a protocol */
  bool         (* is_dead )( void * ctx );
  void *          dead_ctx;
};

typedef struct { uint64_t id; mem_port_t * port; dmg_hash_t hash; uint8_t * data; size_t sz; char topic[ 64 ]; mem_port_t * from; } gossip_t;

struct dmg_mem_net {
  uint64_t         now, seq, rng, next_id;
  uint32_t         next_conn;
  dmg_mem_faults_t faults;
  mem_port_t *     ports[ DMG_MEM_PORTS_MAX ];
  unsigned         port_cnt;
  bool             cut[ DMG_MEM_PORTS_MAX ][ DMG_MEM_PORTS_MAX ], blocked[ DMG_MEM_PORTS_MAX ][ DMG_MEM_PORTS_MAX ];   /* blocked[ i ][ j ]: by i */
  bool             held[ DMG_MEM_PORTS_MAX ][ DMG_MEM_PORTS_MAX ];   /* [ from ][ to ] */
  uint64_t         held_us[ DMG_MEM_PORTS_MAX ][ DMG_MEM_PORTS_MAX ];
  uint32_t         delay_us[ DMG_MEM_PORTS_MAX ][ DMG_MEM_PORTS_MAX ];   /* 0: the net's */
  bool             has_ended;           /* a stream or connection: to be swept */
  item_t *         items;              /* by time, then sequence */
  conn_t *         conns;
  stream_t *       streams;
  gossip_t *       gossips; size_t gossip_cnt, gossip_cap;
};

static uint64_t rnd( dmg_mem_net_t * m ) { return dmg_rnd_u64( &m->rng ); }

static void * need( void * p ) { DMG_ASSERT( p ); return p; }
static mem_port_t * host( dmg_net_port_t * port ) { return (mem_port_t *)port; }
/* Nothing that a dead process wants is done. */
static bool is_dead( dmg_net_port_t * port ) { return host( port )->is_dead && host( port )->is_dead( host( port )->dead_ctx ); }

/* --- events in time --------------------------------------------------------------------------------------- */

static void item_put( dmg_mem_net_t * m, item_t * it ) {
  it->seq = m->seq++;
  item_t ** p = &m->items;
  while( *p && ( *p )->at<=it->at ) p = &( *p )->next;
  it->next = *p;
  *p = it;
}

static item_t * event( mem_port_t const * from, mem_port_t * to, uint64_t at, dmg_net_ev_t ev, dmg_span_t data, char const * addr, bool is_urgent ) {
  item_t * it = need( calloc( 1, sizeof *it ) );
  it->port = to;
  it->from = from->idx;
  it->at   = at;
  it->ev   = ev;
  it->is_urgent = is_urgent;
  if( data.sz ) { it->bytes = need( malloc( data.sz ) ); memcpy( it->bytes, data.p, data.sz ); }
  it->ev.data = dmg_span( it->bytes, data.sz );
  if( addr ) { it->addr = need( malloc( strlen( addr )+1 ) ); memcpy( it->addr, addr, strlen( addr )+1 ); it->ev.addr = dmg_span( it->addr, strlen( addr ) ); }
  item_put( to->net, it );
  return it;
}

static void item_free( item_t * it ) { free( it->bytes ); free( it->addr ); free( it ); }
static bool is_held( item_t const * it ) { return it->port && it->from!=it->port->idx && it->port->net->held[ it->from ][ it->port->idx ]; }

/* What is on its way to a port of a connection (id 0) or a stream of it does not come any more. */
static void items_purge( mem_port_t const * to, uint32_t conn, uint64_t id ) {
  for( item_t ** p = &to->net->items; *p; ) {
    item_t * it = *p;
    if( it->port!=to || it->ev.conn!=conn || ( id && it->ev.id!=id ) ) { p = &it->next; continue; }
    *p = it->next;
    item_free( it );
  }
}

static uint32_t delay( mem_port_t const * from, mem_port_t const * to ) {
  uint32_t us = to->net->delay_us[ from->idx ][ to->idx ];
  return us ? us : to->net->faults.delay_us;
}
static uint64_t soon( mem_port_t const * from, mem_port_t const * to ) {
  dmg_mem_net_t * m = to->net;
  uint64_t at = m->now+delay( from, to )+( m->faults.jitter_us ? rnd( m )%m->faults.jitter_us : 0 );
  /* What a datagram's loss is to a stream: it comes again, and all behind it waits. */
  if( m->faults.late && rnd( m )%1000<m->faults.late ) at += m->faults.late_us;
  return at;
}

/* Order on a link holds whatever the jitter.  from: the side that sends. */
static uint64_t arrives( conn_t * c, unsigned from ) {
  link_t * l = &c->links[ from ];
  uint64_t at = soon( c->ports[ from ], c->ports[ !from ] );
  if( at<l->last_us ) at = l->last_us;
  return l->last_us = at;
}

static bool is_urgent_proto( mem_port_t const * p, unsigned proto ) { return p->protos[ proto ].cls==DMG_NET_CLS_CONSENSUS; }

/* --- lookups ---------------------------------------------------------------------------------------------- */

static conn_t * conn_of( mem_port_t * p, uint32_t id, unsigned * out_side ) {
  for( conn_t * c = p->net->conns; c; c = c->next ) if( c->id==id && c->is_up && ( c->ports[ 0 ]==p || c->ports[ 1 ]==p ) ) {
    *out_side = c->ports[ 0 ]==p ? 0 : 1;
    return c;
  }
  return NULL;
}

static stream_t * stream_of( mem_port_t * p, uint64_t id ) {
  for( stream_t * s = p->net->streams; s; s = s->next ) if( s->id==id && s->is_open && ( s->conn->ports[ 0 ]==p || s->conn->ports[ 1 ]==p ) ) return s;
  return NULL;
}

static unsigned side_of( stream_t const * s, mem_port_t const * p ) { return s->conn->ports[ 0 ]==p ? 0 : 1; }
static uint16_t proto_at( stream_t const * s, unsigned side ) { return side==s->from ? s->proto : s->their_proto; }

static void stream_event( stream_t * s, unsigned to_side, uint64_t at, dmg_net_kind_t kind, uint16_t code, dmg_span_t data ) {
  mem_port_t * to = s->conn->ports[ to_side ];
  dmg_net_ev_t ev = { .kind = kind, .proto = proto_at( s, to_side ), .code = code, .conn = s->conn->id, .id = s->id, .peer = s->conn->ports[ !to_side ]->port.self };
  event( s->conn->ports[ !to_side ], to, at, ev, data, NULL, is_urgent_proto( to, ev.proto ) );
}

static size_t queued_of( stream_t const * s, link_t const * l ) {
  size_t sz = 0;
  for( frame_t * f = l->queue; f; f = f->next ) if( f->stream==s ) sz += f->sz+64;
  return sz;
}

static void queue_drop( link_t * l, stream_t const * s, uint64_t below, bool is_all ) {
  for( frame_t ** p = &l->queue; *p; ) {
    frame_t * f = *p;
    if( f->stream!=s || ( !is_all && f->rank>=below ) ) { p = &f->next; continue; }
    *p = f->next;
    free( f );
  }
}

/* Both sides' last event, once.  by: the side that ends it, 2: both see it for themselves.  Who does hears of it though nothing of the other comes any more. */
static void stream_end( stream_t * s, unsigned by, uint16_t code0, uint16_t code1 ) {
  if( !s->is_open ) return;
  conn_t * c = s->conn;
  dmg_mem_net_t * m = c->ports[ 0 ]->net;
  s->is_open   = false;
  m->has_ended = true;
  for( unsigned side = 0; side<2; side++ ) {
    queue_drop( &c->links[ side ], s, 0, true );
    if( side!=s->from && !s->is_told ) continue;
    mem_port_t * to = c->ports[ side ];
    bool is_own = ( by==side || by==2 ) && m->held[ c->ports[ !side ]->idx ][ to->idx ];
    if( is_own ) items_purge( to, c->id, s->id );
    dmg_net_ev_t ev = { .kind = s->is_notify ? DMG_NET_NOTIFY_DOWN : DMG_NET_REQ_END, .proto = proto_at( s, side ), .code = side==0 ? code0 : code1, .conn = c->id, .id = s->id, .peer = c->ports[ !side ]->port.self };
    event( is_own ? to : c->ports[ !side ], to, is_own ? m->now : arrives( c, !side ), ev, dmg_span( NULL, 0 ), NULL, is_urgent_proto( to, ev.proto ) );
  }
}

/* by: who ended it. */
static void stream_end_by( stream_t * s, unsigned by, uint16_t own, uint16_t other ) { stream_end( s, by, by==0 ? own : other, by==1 ? own : other ); }

static void topic_event( mem_port_t * to, mem_port_t * about, char const * topic, bool is_on, uint64_t at ) {
  dmg_net_ev_t ev = { .kind = DMG_NET_TOPIC_PEERS, .code = is_on, .peer = about->port.self };
  event( about, to, at, ev, dmg_span( NULL, 0 ), topic, false );
}

/* by: as in stream_end. */
static void conn_end( conn_t * c, unsigned by, uint16_t why0, uint16_t why1 ) {
  if( !c->is_up ) return;
  dmg_mem_net_t * m = c->ports[ 0 ]->net;
  for( stream_t * s = m->streams; s; s = s->next ) if( s->conn==c ) stream_end( s, by, DMG_NET_END_GONE, DMG_NET_END_GONE );
  c->is_up     = false;
  m->has_ended = true;
  for( unsigned side = 0; side<2; side++ ) {
    mem_port_t * p = c->ports[ side ], * q = c->ports[ !side ];
    bool is_own = ( by==side || by==2 ) && m->held[ q->idx ][ p->idx ];
    uint64_t at = is_own ? m->now : arrives( c, !side );
    event( is_own ? p : q, p, at, (dmg_net_ev_t){ .kind = DMG_NET_CONN_DOWN, .conn = c->id, .code = side ? why1 : why0, .peer = q->port.self }, dmg_span( NULL, 0 ), NULL, true );
  }
}

/* A side ends it for a reason of its own; the other hears REMOTE. */
static void conn_end_by( conn_t * c, unsigned by, uint16_t why ) { conn_end( c, by, by==0 ? why : DMG_NET_WHY_REMOTE, by==1 ? why : DMG_NET_WHY_REMOTE ); }

/* --- links ------------------------------------------------------------------------------------------------ */

static bool rnd_is( dmg_mem_net_t * m, uint16_t per_1000 ) { return per_1000 && rnd( m )%1000<per_1000; }
static bool is_link_held( conn_t const * c, unsigned from ) { return c->ports[ 0 ]->net->held[ c->ports[ from ]->idx ][ c->ports[ !from ]->idx ]; }

static void deliver( frame_t * f, unsigned from_side ) {
  stream_t * s = f->stream;
  dmg_mem_net_t * m = s->conn->ports[ 0 ]->net;
  uint64_t at = arrives( s->conn, from_side );
  mem_port_t * to = s->conn->ports[ !from_side ];
  bool is_garbled = f->kind==DMG_NET_NOTIFY && rnd_is( m, s->conn->ports[ from_side ]->garble );
  dmg_net_proto_t const * proto = &to->protos[ proto_at( s, !from_side ) ];
  if( f->sz>( f->kind==DMG_NET_REQ ? proto->request_max : proto->frame_max ) || ( is_garbled && rnd_is( m, 100 ) ) ) {
    stream_end_by( s, !from_side, DMG_NET_END_TOO_BIG, DMG_NET_END_RESET );
    if( ++s->conn->offences[ from_side ]==OFFENCES_MAX ) conn_end_by( s->conn, !from_side, DMG_NET_WHY_LIMIT );
    return;
  }
  if( f->kind==DMG_NET_NOTIFY_UP || f->kind==DMG_NET_REQ ) {
    /* in_max: what the other side has open of it beyond that is reset. */
    unsigned cnt = 0;
    for( stream_t * o = m->streams; o; o = o->next ) cnt += o->is_open && o->is_told && o->conn==s->conn && o->from==s->from && o->proto==s->proto;
    if( cnt>=proto->in_max ) { stream_end_by( s, !from_side, DMG_NET_END_LIMIT, DMG_NET_END_RESET ); return; }
    s->is_told = true;
  }
  unsigned times = 1;
  if( f->kind==DMG_NET_NOTIFY ) {
    if( rnd( m )%1000<m->faults.drop ) return;
    if( rnd( m )%1000<m->faults.twice ) times = 2;
    if( f->sz && ( is_garbled || rnd( m )%1000<m->faults.garbage ) ) f->bytes[ rnd( m )%f->sz ] ^= (uint8_t)( 1u<<( rnd( m )%8 ) );
  }
  while( times-- ) stream_event( s, !from_side, at, f->kind, f->code, dmg_span( f->bytes, f->sz ) );
  if( f->is_last ) stream_end( s, from_side, DMG_NET_END_OK, DMG_NET_END_OK );
}

static uint64_t rate_to( conn_t const * c, unsigned from_side ) {
  uint64_t r = c->ports[ !from_side ]->rate;
  return r ? r : c->ports[ 0 ]->net->faults.rate;
}

static void pump_at( conn_t * c, unsigned side, uint64_t at ) {
  if( c->links[ side ].is_pumping ) return;
  c->links[ side ].is_pumping = true;
  item_t * it = need( calloc( 1, sizeof *it ) );
  it->at   = at;
  it->link = &c->links[ side ];
  it->ev.conn = c->id;
  item_put( c->ports[ 0 ]->net, it );
}

/* The next frame of the lowest class, in the order of queueing. */
static void pump( dmg_mem_net_t * m, link_t * l, uint32_t id ) {
  conn_t * c = m->conns;
  while( c && c->id!=id ) c = c->next;
  if( !c ) return;   /* swept */
  l->is_pumping = false;
  unsigned side = l==&c->links[ 0 ] ? 0 : 1;
  if( is_link_held( c, side ) ) return;   /* until dmg_mem_hold lets go */
  frame_t ** best = NULL;
  for( frame_t ** p = &l->queue; *p; p = &( *p )->next ) if( !best || ( *p )->cls<( *best )->cls ) best = p;
  if( !best ) return;
  frame_t * f = *best;
  *best = f->next;
  uint64_t rate = rate_to( c, side );
  l->busy_us = m->now+( rate ? f->sz*1000000/rate : 0 );
  stream_t * s = f->stream;
  deliver( f, side );
  free( f );
  if( s->is_open && s->wants_room && queued_of( s, l )*2<=c->ports[ side ]->protos[ proto_at( s, side ) ].queue_max ) {
    s->wants_room = false;
    stream_event( s, side, m->now, DMG_NET_ROOM, 0, dmg_span( NULL, 0 ) );
  }
  if( l->queue ) pump_at( c, side, l->busy_us );
}

static dmg_err_t enqueue( stream_t * s, unsigned side, dmg_net_kind_t kind, uint16_t code, uint64_t rank, uint32_t key, bool is_last, dmg_span_t data ) {
  conn_t * c = s->conn;
  dmg_mem_net_t * m = c->ports[ 0 ]->net;
  link_t * l = &c->links[ side ];
  dmg_net_proto_t const * proto = &c->ports[ side ]->protos[ proto_at( s, side ) ];
  if( ( kind==DMG_NET_NOTIFY || kind==DMG_NET_CHUNK ) && c->ports[ side ]->mute>>proto_at( s, side )&1 ) return DMG_OK;
  bool is_notify = kind==DMG_NET_NOTIFY, is_dropping = is_notify && proto->cls<=DMG_NET_CLS_GOSSIP;
  if( is_notify && key ) for( frame_t ** p = &l->queue; *p; ) {
    frame_t * f = *p;
    if( f->stream==s && f->kind==kind && f->key==key ) { *p = f->next; free( f ); } else p = &f->next;
  }
  if( kind==DMG_NET_NOTIFY || kind==DMG_NET_CHUNK ) while( queued_of( s, l ) && queued_of( s, l )+data.sz+64>proto->queue_max ) {
    if( !is_dropping ) { s->wants_room = true; return DMG_ERR_FULL; }
    frame_t ** low = NULL;
    for( frame_t ** p = &l->queue; *p; p = &( *p )->next )
      if( ( *p )->stream==s && ( *p )->kind==kind && ( !low || ( proto->cls<=DMG_NET_CLS_BODIES && ( *p )->rank<( *low )->rank ) ) ) low = p;
    if( !low || ( proto->cls<=DMG_NET_CLS_BODIES && ( *low )->rank>rank ) ) return DMG_ERR_FULL;
    frame_t * f = *low;
    *low = f->next;
    free( f );
  }
  frame_t * f = need( malloc( sizeof *f+data.sz ) );
  *f = (frame_t){ .stream = s, .rank = rank, .key = key, .cls = (uint8_t)proto->cls, .kind = kind, .code = code, .is_last = is_last, .sz = data.sz };
  if( data.sz ) memcpy( f->bytes, data.p, data.sz );
  if( !rate_to( c, side ) && !l->queue && !is_link_held( c, side ) ) { deliver( f, side ); free( f ); return DMG_OK; }
  frame_t ** p = &l->queue;
  while( *p ) p = &( *p )->next;
  *p = f;
  pump_at( c, side, l->busy_us>m->now ? l->busy_us : m->now );
  return DMG_OK;
}

/* --- commands --------------------------------------------------------------------------------------------- */

static dmg_err_t port_dial( dmg_net_port_t * port, dmg_net_peer_t const * peer, char const * const * addrs, size_t addr_cnt, bool is_bulk, uint32_t * out_conn ) {
  if( is_dead( port ) ) return DMG_ERR_UNAVAILABLE;
  mem_port_t * p = host( port );
  dmg_mem_net_t * m = p->net;
  if( !addr_cnt ) return DMG_ERR_INVALID;
  if( p->is_stopped ) return DMG_ERR_UNAVAILABLE;
  mem_port_t * q = NULL;
  for( unsigned i = 0; i<m->port_cnt; i++ ) if( !m->ports[ i ]->is_freed && !m->ports[ i ]->is_hidden && dmg_net_peer_eq( &m->ports[ i ]->port.self, peer ) ) q = m->ports[ i ];
  uint32_t id = *out_conn = ++m->next_conn;
  uint64_t at = soon( p, q ? q : p )+delay( q ? q : p, p );
  char no_answer[ 256 ], nobody[ 256 ];
  snprintf( no_answer, sizeof no_answer, "%s: no answer in time", addrs[ 0 ] );
  snprintf( nobody, sizeof nobody, "%s: refused, nobody listens there", addrs[ 0 ] );
  if( q && ( m->held[ p->idx ][ q->idx ] || m->held[ q->idx ][ p->idx ] ) ) {
    event( p, p, m->now+HANDSHAKE_US, (dmg_net_ev_t){ .kind = DMG_NET_DIAL_FAILED, .conn = id, .peer = *peer }, dmg_span_cstr( no_answer ), NULL, true );
    return DMG_OK;
  }
  if( !q || q->is_stopped || m->cut[ p->idx ][ q->idx ] || m->blocked[ p->idx ][ q->idx ] || m->blocked[ q->idx ][ p->idx ] ) {
    event( p, p, at, (dmg_net_ev_t){ .kind = DMG_NET_DIAL_FAILED, .conn = id, .peer = *peer }, dmg_span_cstr( nobody ), NULL, true );
    return DMG_OK;
  }
  /* As gossipsub does: who joined what is told with the first connection of a pair, and nothing with the end of the last. */
  bool is_first = true;
  for( conn_t const * o = m->conns; o; o = o->next ) is_first = is_first && !( o->is_up && ( ( o->ports[ 0 ]==p && o->ports[ 1 ]==q ) || ( o->ports[ 0 ]==q && o->ports[ 1 ]==p ) ) );
  conn_t * c = need( calloc( 1, sizeof *c ) );
  *c = (conn_t){ .next = m->conns, .id = id, .ports = { p, q }, .is_up = true };
  m->conns = c;
  for( unsigned side = 0; side<2; side++ ) {
    c->links[ !side ].last_us = at;
    event( c->ports[ !side ], c->ports[ side ], at, (dmg_net_ev_t){ .kind = DMG_NET_CONN_UP, .conn = id, .code = (uint16_t)( side | ( side && q->is_early ? 0 : 4 ) ), .peer = c->ports[ !side ]->port.self }, dmg_span( NULL, 0 ), "/mem", true );
    mem_port_t * o = c->ports[ !side ];
    for( uint32_t t = 0; t<o->topic_cnt && is_first; t++ ) topic_event( c->ports[ side ], o, o->topics[ t ], true, at );
  }
  return DMG_OK;
}

static dmg_err_t port_close( dmg_net_port_t * port, uint32_t conn, uint16_t why ) {
  if( is_dead( port ) ) return DMG_OK;
  unsigned side;
  conn_t * c = conn_of( host( port ), conn, &side );
  if( !c ) return DMG_ERR_UNAVAILABLE;
  conn_end_by( c, side, why );
  return DMG_OK;
}

static dmg_err_t port_tag( dmg_net_port_t * port, dmg_net_peer_t const * peer, uint32_t tags ) {
  mem_port_t * p = host( port );
  dmg_mem_net_t * m = p->net;
  for( unsigned i = 0; i<m->port_cnt; i++ ) if( dmg_net_peer_eq( &m->ports[ i ]->port.self, peer ) ) m->blocked[ p->idx ][ i ] = tags&DMG_NET_TAG_BLOCKED;
  for( conn_t * c = m->conns; c; c = c->next ) for( unsigned side = 0; side<2; side++ )
    if( c->ports[ side ]==p && m->blocked[ p->idx ][ c->ports[ !side ]->idx ] ) conn_end_by( c, side, DMG_NET_WHY_BLOCKED );
  return DMG_OK;
}
static dmg_err_t port_pass( dmg_net_port_t * port, char const * ip, bool is_on )                { return DMG_OK; }

/* A stream of proto on a connection, its first bytes on the way. */
static dmg_err_t open_stream( dmg_net_port_t * port, uint32_t conn, uint16_t proto, dmg_span_t first, bool is_notify, uint32_t deadline_ms, uint64_t * out_id ) {
  if( is_dead( port ) ) return DMG_ERR_UNAVAILABLE;
  mem_port_t * p = host( port );
  dmg_mem_net_t * m = p->net;
  if( proto>=p->proto_cnt || p->protos[ proto ].is_notify!=is_notify ) return DMG_ERR_INVALID;
  if( first.sz>( is_notify ? p->protos[ proto ].frame_max : p->protos[ proto ].request_max ) ) return DMG_ERR_LIMIT;
  unsigned side;
  conn_t * c = conn_of( p, conn, &side );
  if( !c || p->is_stopped ) return DMG_ERR_UNAVAILABLE;
  stream_t * s = need( calloc( 1, sizeof *s ) );
  *s = (stream_t){ .next = m->streams, .id = ++m->next_id, .conn = c, .from = (uint8_t)side, .proto = (uint8_t)proto, .is_notify = is_notify, .is_open = true };
  m->streams = s;
  *out_id = s->id;
  mem_port_t * q = c->ports[ !side ];
  size_t k = 0;
  while( k<q->proto_cnt && strcmp( q->ids[ k ], p->ids[ proto ] ) ) k++;
  s->their_proto = (uint8_t)k;
  if( k==q->proto_cnt ) { stream_end_by( s, side, DMG_NET_END_UNSUPPORTED, 0 ); return DMG_OK; }
  if( deadline_ms ) {
    s->deadline_us = m->now+(uint64_t)deadline_ms*1000;
    item_t * it = need( calloc( 1, sizeof *it ) );
    it->at = s->deadline_us;
    it->ev.id = s->id;
    item_put( m, it );
  }
  return enqueue( s, side, is_notify ? DMG_NET_NOTIFY_UP : DMG_NET_REQ, 0, 0, 0, false, first );
}

static dmg_err_t port_notify_open( dmg_net_port_t * port, uint32_t conn, uint16_t proto, dmg_span_t hello, uint64_t * id ) { return open_stream( port, conn, proto, hello, true, 0, id ); }

static dmg_err_t port_notify_answer( dmg_net_port_t * port, uint64_t id, uint8_t code ) {
  if( is_dead( port ) ) return DMG_OK;
  stream_t * s = stream_of( host( port ), id );
  if( !s || s->is_answered ) return DMG_ERR_UNAVAILABLE;
  unsigned side = side_of( s, host( port ) );
  if( side==s->from ) return DMG_ERR_INVALID;
  s->is_answered = true;
  if( code ) stream_end_by( s, side, DMG_NET_END_OK, (uint16_t)( DMG_NET_END_REFUSED+code ) );
  else stream_event( s, !side, arrives( s->conn, side ), DMG_NET_NOTIFY_UP, 1, dmg_span( NULL, 0 ) );
  return DMG_OK;
}

static dmg_err_t port_notify_send( dmg_net_port_t * port, uint64_t id, uint64_t rank, uint32_t key, dmg_span_t frame ) {
  if( is_dead( port ) ) return DMG_OK;
  stream_t * s = stream_of( host( port ), id );
  if( !s ) return DMG_ERR_UNAVAILABLE;
  unsigned side = side_of( s, host( port ) );
  if( side!=s->from || !s->is_notify ) return DMG_ERR_INVALID;
  if( frame.sz>host( port )->protos[ s->proto ].frame_max ) return DMG_ERR_LIMIT;
  return enqueue( s, side, DMG_NET_NOTIFY, 0, rank, key, false, frame );
}

static dmg_err_t port_notify_drop( dmg_net_port_t * port, uint64_t id, uint64_t below ) {
  stream_t * s = stream_of( host( port ), id );
  if( !s ) return DMG_ERR_UNAVAILABLE;
  link_t * l = &s->conn->links[ side_of( s, host( port ) ) ];
  for( frame_t ** p = &l->queue; *p; ) {
    frame_t * f = *p;
    if( f->stream!=s || f->kind!=DMG_NET_NOTIFY || f->rank>=below ) { p = &f->next; continue; }
    *p = f->next;
    free( f );
  }
  return DMG_OK;
}

static dmg_err_t port_request( dmg_net_port_t * port, uint32_t conn, uint16_t proto, dmg_span_t request, uint32_t deadline_ms, uint64_t * id ) {
  return open_stream( port, conn, proto, request, false, deadline_ms, id );
}

static dmg_err_t port_reply( dmg_net_port_t * port, uint64_t id, uint8_t code, dmg_span_t chunk, bool is_last ) {
  if( is_dead( port ) ) return DMG_OK;
  stream_t * s = stream_of( host( port ), id );
  if( !s || s->is_answered ) return DMG_ERR_UNAVAILABLE;
  unsigned side = side_of( s, host( port ) );
  if( side==s->from ) return DMG_ERR_INVALID;
  if( chunk.sz>host( port )->protos[ s->their_proto ].frame_max ) return DMG_ERR_LIMIT;
  DMG_TRY( enqueue( s, side, DMG_NET_CHUNK, code, UINT64_MAX, 0, is_last, chunk ) );
  if( is_last ) s->is_answered = true;
  return DMG_OK;
}

static dmg_err_t port_cancel( dmg_net_port_t * port, uint64_t id ) {
  stream_t * s = stream_of( host( port ), id );
  if( !s ) return DMG_ERR_UNAVAILABLE;
  stream_end_by( s, side_of( s, host( port ) ), DMG_NET_END_CANCELLED, DMG_NET_END_RESET );
  return DMG_OK;
}

/* --- gossip ----------------------------------------------------------------------------------------------- */

static int topic_idx( mem_port_t const * p, char const * topic, size_t sz ) {
  for( uint32_t t = 0; t<p->topic_cnt; t++ ) if( strlen( p->topics[ t ] )==sz && !memcmp( p->topics[ t ], topic, sz ) ) return (int)t;
  return -1;
}

static dmg_err_t port_topic( dmg_net_port_t * port, dmg_net_topic_t const * topic, bool is_join ) {
  mem_port_t * p = host( port );
  int t = topic_idx( p, topic->name, strlen( topic->name ) );
  if( !is_join || t>=0 || p->topic_cnt==TOPICS_MAX || strlen( topic->name )>=sizeof p->topics[ 0 ] ) return DMG_ERR_INVALID;
  memcpy( p->topics[ p->topic_cnt ], topic->name, strlen( topic->name )+1 );
  p->topic_max[ p->topic_cnt++ ] = topic->data_max;
  for( conn_t * c = p->net->conns; c; c = c->next ) for( unsigned side = 0; side<2; side++ )
    if( c->is_up && c->ports[ side ]==p ) topic_event( c->ports[ !side ], p, topic->name, true, soon( p, c->ports[ !side ] ) );
  return DMG_OK;
}

static bool see( mem_port_t * p, dmg_hash_t const * h ) {
  for( size_t i = 0; i<p->seen_cnt; i++ ) if( dmg_hash_eq( &p->seen[ i ], h ) ) return false;
  if( p->seen_cnt==p->seen_cap ) p->seen = need( realloc( p->seen, ( p->seen_cap = 2*p->seen_cap+64 )*sizeof *p->seen ) );
  p->seen[ p->seen_cnt++ ] = *h;
  return true;
}

static void spread( mem_port_t * p, mem_port_t * except, char const * topic, dmg_hash_t const * h, dmg_span_t data ) {
  dmg_mem_net_t * m = p->net;
  for( conn_t * c = m->conns; c; c = c->next ) for( unsigned side = 0; side<2; side++ ) {
    mem_port_t * q = c->ports[ !side ];
    int t = c->is_up && c->ports[ side ]==p && q!=except ? topic_idx( q, topic, strlen( topic ) ) : -1;
    if( t<0 || data.sz>q->topic_max[ t ] || !see( q, h ) ) continue;
    if( m->gossip_cnt==m->gossip_cap ) m->gossips = need( realloc( m->gossips, ( m->gossip_cap = 2*m->gossip_cap+64 )*sizeof *m->gossips ) );
    gossip_t * g = &m->gossips[ m->gossip_cnt++ ];
    *g = (gossip_t){ .id = ++m->next_id, .port = q, .hash = *h, .data = need( malloc( data.sz+1 ) ), .sz = data.sz, .from = p };
    memcpy( g->data, data.p, data.sz );
    memcpy( g->topic, topic, strlen( topic )+1 );
    event( p, q, soon( p, q ), (dmg_net_ev_t){ .kind = DMG_NET_GOSSIP, .id = g->id, .peer = p->port.self }, data, topic, false );
  }
}

static dmg_err_t port_publish( dmg_net_port_t * port, char const * topic, dmg_span_t data ) {
  if( is_dead( port ) ) return DMG_OK;
  mem_port_t * p = host( port );
  int t = topic_idx( p, topic, strlen( topic ) );
  if( t<0 ) return DMG_ERR_INVALID;
  if( data.sz>p->topic_max[ t ] ) return DMG_ERR_LIMIT;
  dmg_hash_t h = dmg_h2( DMG_TAG_NET_GOSSIP, dmg_span_cstr( topic ), data );
  if( see( p, &h ) ) spread( p, NULL, topic, &h, data );
  return DMG_OK;
}

static dmg_err_t port_verdict( dmg_net_port_t * port, uint64_t id, dmg_net_verdict_t v ) {
  dmg_mem_net_t * m = host( port )->net;
  for( size_t i = 0; i<m->gossip_cnt; i++ ) {
    if( m->gossips[ i ].id!=id || m->gossips[ i ].port!=host( port ) ) continue;
    gossip_t g = m->gossips[ i ];
    m->gossips[ i ] = m->gossips[ --m->gossip_cnt ];
    if( v==DMG_NET_ACCEPT ) spread( g.port, g.from, g.topic, &g.hash, dmg_span( g.data, g.sz ) );
    if( v==DMG_NET_REJECT ) g.port->rejects++;
    free( g.data );
    return DMG_OK;
  }
  return DMG_ERR_UNAVAILABLE;
}

static dmg_err_t port_score( dmg_net_port_t * port, dmg_net_peer_t const * peer, double app ) { return DMG_OK; }
static dmg_err_t port_text ( dmg_net_port_t * port, dmg_net_text_t what, dmg_buf_t * out )    { return DMG_ERR_UNSUPPORTED; }

static dmg_err_t port_stop( dmg_net_port_t * port, uint32_t ms ) {
  if( is_dead( port ) ) return DMG_ERR_UNAVAILABLE;
  mem_port_t * p = host( port );
  if( p->is_stopped ) return DMG_ERR_UNAVAILABLE;
  p->is_stopped = true;
  for( conn_t * c = p->net->conns; c; c = c->next ) {
    if( c->ports[ 0 ]==p ) conn_end_by( c, 0, DMG_NET_WHY_STOP );
    if( c->ports[ 1 ]==p ) conn_end_by( c, 1, DMG_NET_WHY_STOP );
  }
  event( p, p, soon( p, p )+p->net->faults.delay_us+p->net->faults.jitter_us, (dmg_net_ev_t){ .kind = DMG_NET_STOPPED }, dmg_span( NULL, 0 ), NULL, true );
  return DMG_OK;
}

/* --- polling ---------------------------------------------------------------------------------------------- */

static size_t port_poll( dmg_net_port_t * port, bool is_urgent, dmg_net_ev_t * evs, size_t max ) {
  mem_port_t * p = host( port );
  size_t cnt = 0;
  for( item_t ** q = &p->net->items; *q && ( *q )->at<=p->net->now && cnt<max; ) {
    item_t * it = *q;
    if( it->port!=p || it->is_urgent!=is_urgent || is_held( it ) ) { q = &it->next; continue; }
    *q = it->next;
    evs[ cnt ] = it->ev;
    evs[ cnt ].t_us = it->at;
    evs[ cnt++ ].own = it;
  }
  return cnt;
}

static void port_release( dmg_net_port_t * port, dmg_net_ev_t * ev ) {
  if( ev->own ) item_free( ev->own );
  ev->own  = NULL;
  ev->data = ev->addr = (dmg_span_t){ 0 };
}

static int port_fd( dmg_net_port_t * port, bool is_urgent ) { return -1; }

static void port_free( dmg_net_port_t * port ) {
  mem_port_t * p = host( port );
  dmg_mem_net_t * m = p->net;
  for( conn_t * c = m->conns; c; c = c->next ) if( c->ports[ 0 ]==p || c->ports[ 1 ]==p ) conn_end( c, c->ports[ 0 ]==p ? 0 : 1, DMG_NET_WHY_IO, DMG_NET_WHY_IO );
  p->is_stopped = p->is_freed = true;
  for( item_t ** q = &m->items; *q; ) {
    item_t * it = *q;
    if( it->port!=p ) { q = &it->next; continue; }
    *q = it->next;
    item_free( it );
  }
  for( size_t i = 0; i<m->gossip_cnt; ) {
    if( m->gossips[ i ].port!=p ) { i++; continue; }
    free( m->gossips[ i ].data );
    m->gossips[ i ] = m->gossips[ --m->gossip_cnt ];
  }
  /* Its struct stays for connections that name it, until it is opened again or the net is freed. */
  free( p->seen );
  p->seen = NULL;
  p->seen_cnt = p->seen_cap = 0;
}

static dmg_net_port_vt_t const vt = {
  .name = "mem", .poll = port_poll, .release = port_release, .fd = port_fd, .dial = port_dial, .close = port_close, .tag = port_tag, .pass = port_pass,
  .notify_open = port_notify_open, .notify_answer = port_notify_answer, .notify_send = port_notify_send, .notify_drop = port_notify_drop,
  .request = port_request, .reply = port_reply, .cancel = port_cancel, .topic = port_topic, .publish = port_publish, .verdict = port_verdict,
  .score = port_score, .text = port_text, .stop = port_stop, .free = port_free,
};

/* --- the net ---------------------------------------------------------------------------------------------- */

dmg_mem_net_t * dmg_mem_net_new( uint64_t seed ) {
  dmg_mem_net_t * m = need( calloc( 1, sizeof *m ) );
  m->rng = seed;
  m->now = 1000000;
  return m;
}

void dmg_mem_net_free( dmg_mem_net_t * m ) {
  while( m->items ) { item_t * it = m->items; m->items = it->next; item_free( it ); }
  while( m->streams ) { stream_t * s = m->streams; m->streams = s->next; free( s ); }
  while( m->conns ) {
    conn_t * c = m->conns;
    m->conns = c->next;
    for( unsigned i = 0; i<2; i++ ) while( c->links[ i ].queue ) { frame_t * f = c->links[ i ].queue; c->links[ i ].queue = f->next; free( f ); }
    free( c );
  }
  for( size_t i = 0; i<m->gossip_cnt; i++ ) free( m->gossips[ i ].data );
  free( m->gossips );
  for( unsigned i = 0; i<m->port_cnt; i++ ) free( m->ports[ i ] );
  free( m );
}

void     dmg_mem_net_faults( dmg_mem_net_t * m, dmg_mem_faults_t const * faults ) { m->faults = *faults; }
uint64_t dmg_mem_net_now( dmg_mem_net_t const * m ) { return m->now; }
uint64_t dmg_mem_net_due( dmg_mem_net_t const * m ) {
  item_t const * it = m->items;
  while( it && is_held( it ) ) it = it->next;
  return it ? it->at : UINT64_MAX;
}
uint64_t dmg_mem_net_own_due( dmg_mem_net_t const * m ) {
  item_t const * it = m->items;
  while( it && it->port ) it = it->next;
  return it ? it->at : UINT64_MAX;
}
uint64_t dmg_mem_port_due( dmg_net_port_t const * port ) {
  mem_port_t const * p = (mem_port_t const *)port;
  item_t const * it = p->net->items;
  while( it && ( it->port!=p || is_held( it ) ) ) it = it->next;
  return it ? it->at : UINT64_MAX;
}

/* What ended and nothing names any more. */
static void sweep( dmg_mem_net_t * m ) {
  m->has_ended = false;
  for( stream_t ** p = &m->streams; *p; ) {
    stream_t * s = *p;
    if( s->is_open ) { p = &s->next; continue; }
    *p = s->next;
    free( s );
  }
  for( conn_t ** p = &m->conns; *p; ) {
    conn_t * c = *p;
    if( c->is_up ) { p = &c->next; continue; }
    DMG_ASSERT( !c->links[ 0 ].queue && !c->links[ 1 ].queue );
    *p = c->next;
    free( c );
  }
}

static void pings_miss( dmg_mem_net_t * m, unsigned i, unsigned j ) {
  if( !m->held[ i ][ j ] || m->now-m->held_us[ i ][ j ]<PING_US ) return;
  for( conn_t * c = m->conns; c; c = c->next )
    if( ( c->ports[ 0 ]->idx==i && c->ports[ 1 ]->idx==j ) || ( c->ports[ 0 ]->idx==j && c->ports[ 1 ]->idx==i ) ) conn_end( c, 2, DMG_NET_WHY_PING, DMG_NET_WHY_PING );
}

void dmg_mem_net_advance( dmg_mem_net_t * m, uint64_t now_us ) {
  if( now_us<m->now ) return;
  for( ;; ) {
    item_t ** q = &m->items;
    while( *q && ( *q )->at<=now_us && ( *q )->port ) q = &( *q )->next;
    item_t * it = *q;
    if( !it || it->at>now_us ) break;
    *q = it->next;
    if( it->at>m->now ) m->now = it->at;
    if( it->link ) pump( m, it->link, it->ev.conn );
    else if( it->is_ping ) pings_miss( m, it->from, it->ev.conn );
    else for( stream_t * s = m->streams; s; s = s->next ) if( s->id==it->ev.id ) { stream_end_by( s, s->from, DMG_NET_END_TIMEOUT, DMG_NET_END_RESET ); break; }
    item_free( it );
  }
  m->now = now_us;
  if( m->has_ended ) sweep( m );
}

dmg_net_port_t * dmg_mem_port_open( dmg_mem_net_t * m, uint8_t const key[ 32 ], dmg_net_proto_t const * protos, size_t proto_cnt ) {
  DMG_ASSERT( proto_cnt<=PROTOS_MAX );
  dmg_net_peer_t self;
  dmg_wire_peer_of_key( key, &self );
  /* A process that starts again has its place again: what is cut or slow stays so. */
  unsigned idx = 0;
  while( idx<m->port_cnt && !( m->ports[ idx ]->is_freed && dmg_net_peer_eq( &m->ports[ idx ]->port.self, &self ) ) ) idx++;
  DMG_ASSERT( idx<DMG_MEM_PORTS_MAX );
  mem_port_t * p = idx<m->port_cnt ? m->ports[ idx ] : need( malloc( sizeof *p ) );
  uint64_t rate = idx<m->port_cnt ? p->rate : 0;
  uint32_t mute = idx<m->port_cnt ? p->mute : 0;
  if( idx<m->port_cnt ) sweep( m );
  *p = (mem_port_t){ .port = { .vt = &vt, .self = self }, .net = m, .idx = idx, .proto_cnt = proto_cnt, .rate = rate, .mute = mute };
  memset( m->blocked[ idx ], 0, sizeof m->blocked[ idx ] );
  for( size_t i = 0; i<proto_cnt; i++ ) {
    DMG_ASSERT( strlen( protos[ i ].id )<sizeof p->ids[ 0 ] );
    p->protos[ i ] = protos[ i ];
    memcpy( p->ids[ i ], protos[ i ].id, strlen( protos[ i ].id )+1 );
    p->protos[ i ].id = p->ids[ i ];
  }
  m->ports[ idx ] = p;
  if( idx==m->port_cnt ) m->port_cnt++;
  return &p->port;
}

void dmg_mem_cut( dmg_net_port_t * a, dmg_net_port_t * b, bool is_cut ) {
  mem_port_t * p = host( a ), * q = host( b );
  p->net->cut[ p->idx ][ q->idx ] = p->net->cut[ q->idx ][ p->idx ] = is_cut;
  if( is_cut ) for( conn_t * c = p->net->conns; c; c = c->next )
    if( ( c->ports[ 0 ]==p && c->ports[ 1 ]==q ) || ( c->ports[ 0 ]==q && c->ports[ 1 ]==p ) ) conn_end( c, 2, DMG_NET_WHY_IO, DMG_NET_WHY_IO );
}

void dmg_mem_reset( dmg_net_port_t * a, dmg_net_port_t * b ) {
  mem_port_t * p = host( a ), * q = host( b );
  for( conn_t * c = p->net->conns; c; c = c->next )
    if( ( c->ports[ 0 ]==p && c->ports[ 1 ]==q ) || ( c->ports[ 0 ]==q && c->ports[ 1 ]==p ) ) conn_end( c, 2, DMG_NET_WHY_IO, DMG_NET_WHY_IO );
}

void dmg_mem_hold( dmg_net_port_t * from, dmg_net_port_t * to, bool is_on ) {
  mem_port_t * p = host( from ), * q = host( to );
  dmg_mem_net_t * m = p->net;
  if( m->held[ p->idx ][ q->idx ]==is_on ) return;
  m->held[ p->idx ][ q->idx ]    = is_on;
  m->held_us[ p->idx ][ q->idx ] = m->now;
  if( is_on ) {
    item_t * it = need( calloc( 1, sizeof *it ) );
    it->at      = m->now+PING_US;
    it->is_ping = true;
    it->from    = p->idx;
    it->ev.conn = q->idx;
    item_put( m, it );
    return;
  }
  for( conn_t * c = m->conns; c; c = c->next ) for( unsigned side = 0; side<2; side++ ) if( c->ports[ side ]==p && c->ports[ !side ]==q && c->links[ side ].queue ) pump_at( c, side, m->now );
}

void dmg_mem_net_calm( dmg_mem_net_t * m ) {
  memset( m->cut, 0, sizeof m->cut );
  memset( m->delay_us, 0, sizeof m->delay_us );
  for( unsigned i = 0; i<m->port_cnt; i++ ) {
    m->ports[ i ]->rate = 0;
    m->ports[ i ]->mute = 0;
    for( unsigned j = 0; j<m->port_cnt; j++ ) if( i!=j ) dmg_mem_hold( &m->ports[ i ]->port, &m->ports[ j ]->port, false );
  }
}

void dmg_mem_far( dmg_net_port_t * from, dmg_net_port_t * to, uint32_t delay_us ) { host( from )->net->delay_us[ host( from )->idx ][ host( to )->idx ] = delay_us; }
void dmg_mem_mute( dmg_net_port_t * port, uint32_t protos ) { host( port )->mute = protos; }
void dmg_mem_garble( dmg_net_port_t * port, uint16_t per_1000 ) { host( port )->garble = per_1000; }
void dmg_mem_hide( dmg_net_port_t * port, bool is_on ) { host( port )->is_hidden = is_on; }
void dmg_mem_die( dmg_net_port_t * port, bool (* ask)( void * ctx ), void * ctx ) { host( port )->is_dead = ask; host( port )->dead_ctx = ctx; }

void     dmg_mem_early( dmg_net_port_t * port, bool is_on ) { host( port )->is_early = is_on; }
void     dmg_mem_slow( dmg_net_port_t * port, uint64_t rate ) { host( port )->rate = rate; }
uint32_t dmg_mem_rejects( dmg_net_port_t const * port ) { return ( (mem_port_t const *)port )->rejects; }

size_t dmg_mem_queued( dmg_net_port_t const * port ) {
  size_t sz = 0;
  mem_port_t const * p = (mem_port_t const *)port;
  for( conn_t const * c = p->net->conns; c; c = c->next ) for( unsigned i = 0; i<2; i++ )
    if( c->ports[ i ]==p ) for( frame_t const * f = c->links[ i ].queue; f; f = f->next ) sz += f->sz+64;
  return sz;
}
