/* bench_body: bodies of proposals over a model of hosts (N14): bytes that a leader sends, virtual time until others have the body.  One line a figure.

     chainnet of each host --> uplink, one for all its connections --> delay of the pair --> downlink --> chainnet

   port_mem.h has a rate for each connection; here a host has one line each way, frames leave in the order they were given, class 1 first.  The clock is virtual: computing costs nothing, its time is
   printed beside. */
#include "network/chainnet_int.h"
#include "base/num.h"
#include "base/os.h"
#include "crypto/sig.h"

#include <stdio.h>
#include <stdlib.h>

enum { HOSTS_MAX = 128, TXS = 1000 };

typedef struct { uint32_t refs; size_t sz; uint8_t bytes[]; } bytes_t;
typedef enum { EV_WAKE, EV_UPLINK, EV_ARRIVED, EV_GIVEN } ev_kind_t;
typedef struct { uint64_t at, seq; uint8_t kind; uint16_t host; dmg_net_ev_t ev; bytes_t * data; } event_t;
typedef struct queued { struct queued * next; dmg_net_ev_t ev; uint16_t to; bytes_t * data; } queued_t;
typedef struct { uint16_t from, to; uint16_t proto; } stream_id_t;

typedef struct {
  dmg_net_port_t   port;                    /* first */
  unsigned         idx;
  dmg_chainnet_t * net;
  dmg_arena_t *    arena;
  queued_t *       in[ 2 ], ** in_end[ 2 ]; /* to be polled: common, urgent */
  queued_t *       out[ 2 ], ** out_end[ 2 ];
  bool             is_sending, is_silent;
  uint64_t         down_us, wake_us, got_us;
  uint32_t         pushed;
} host_t;

static host_t        hosts[ HOSTS_MAX ];
static unsigned      host_cnt;
static uint64_t      now, seq, rate;
static uint32_t      delays[ HOSTS_MAX ][ HOSTS_MAX ];
static event_t *     heap;
static size_t        heap_cnt, heap_cap;
static stream_id_t * streams;
static size_t        stream_cnt, stream_cap;
static dmg_chainnet_setup_t  setup;
static dmg_chainnet_member_t members[ HOSTS_MAX ];
static dmg_span_t    txs[ 16384 ];
static uint32_t      tx_cnt;
static uint64_t      tx_age_ms;

static void * need( void * p ) { if( !p ) { puts( "bench_body: no memory" ); exit( 1 ); } return p; }

static bool is_before( event_t const * a, event_t const * b ) { return a->at<b->at || ( a->at==b->at && a->seq<b->seq ); }

static void heap_put( event_t e ) {
  if( heap_cnt==heap_cap ) heap = need( realloc( heap, ( heap_cap = 2*heap_cap+1024 )*sizeof *heap ) );
  size_t i = heap_cnt++;
  e.seq = seq++;
  for( ; i && is_before( &e, &heap[ ( i-1 )/2 ] ); i = ( i-1 )/2 ) heap[ i ] = heap[ ( i-1 )/2 ];
  heap[ i ] = e;
}

static event_t heap_take( void ) {
  event_t top = heap[ 0 ], last = heap[ --heap_cnt ];
  size_t i = 0;
  for( size_t c; ( c = 2*i+1 )<heap_cnt; i = c ) {
    if( c+1<heap_cnt && is_before( &heap[ c+1 ], &heap[ c ] ) ) c++;
    if( !is_before( &heap[ c ], &last ) ) break;
    heap[ i ] = heap[ c ];
  }
  if( heap_cnt ) heap[ i ] = last;
  return top;
}

static bytes_t * bytes_new( dmg_span_t s ) {
  bytes_t * b = need( malloc( sizeof *b+s.sz ) );
  b->refs = 1;
  b->sz   = s.sz;
  if( s.sz ) memcpy( b->bytes, s.p, s.sz );
  return b;
}

static void bytes_free( bytes_t * b ) { if( b && !--b->refs ) free( b ); }

/* --- the port --------------------------------------------------------------------------------------------- */

static host_t * host( dmg_net_port_t * p ) { return (host_t *)p; }

/* A connection of hosts a < b has number a*HOSTS_MAX + b + 1. */
static uint32_t conn_of( unsigned a, unsigned b ) { return a<b ? a*HOSTS_MAX+b+1 : b*HOSTS_MAX+a+1; }
static unsigned other_of( unsigned self, uint32_t conn ) { unsigned a = ( conn-1 )/HOSTS_MAX, b = ( conn-1 )%HOSTS_MAX; return a==self ? b : a; }

static void uplink( host_t * h ) {
  for( int c = 1; c>=0 && !h->is_sending; c-- ) {
    queued_t * q = h->out[ c ];
    if( !q ) continue;
    if( !( h->out[ c ] = q->next ) ) h->out_end[ c ] = &h->out[ c ];
    h->is_sending = true;
    uint64_t done = now+( rate ? ( q->data->sz+60 )*1000000/rate : 0 );
    heap_put( (event_t){ .at = done, .kind = EV_UPLINK, .host = (uint16_t)h->idx } );
    heap_put( (event_t){ .at = done+delays[ h->idx ][ q->to ], .kind = EV_ARRIVED, .host = q->to, .ev = q->ev, .data = q->data } );
    free( q );
  }
}

static void send_to( host_t * h, unsigned to, dmg_net_ev_t ev, dmg_span_t data ) {
  queued_t * q = need( calloc( 1, sizeof *q ) );
  bool is_urgent = ev.proto==DMG_CHAINNET_CONS;
  ev.conn = conn_of( h->idx, to );
  ev.peer = h->port.self;
  *q = (queued_t){ .ev = ev, .to = (uint16_t)to, .data = bytes_new( data ) };
  *h->out_end[ is_urgent ] = q;
  h->out_end[ is_urgent ]  = &q->next;
  uplink( h );
}

static void give( host_t * h, dmg_net_ev_t ev, bytes_t * data ) {
  queued_t * q = need( calloc( 1, sizeof *q ) );
  bool is_urgent = ev.kind==DMG_NET_CONN_UP || ev.proto==DMG_CHAINNET_CONS;
  if( data ) ev.data = dmg_span( data->bytes, data->sz );
  *q = (queued_t){ .ev = ev, .data = data };
  q->ev.own = data;
  *h->in_end[ is_urgent ] = q;
  h->in_end[ is_urgent ]  = &q->next;
}

static size_t p_poll( dmg_net_port_t * p, bool is_urgent, dmg_net_ev_t * evs, size_t max ) {
  host_t * h = host( p );
  size_t cnt = 0;
  while( cnt<max && h->in[ is_urgent ] ) {
    queued_t * q = h->in[ is_urgent ];
    if( !( h->in[ is_urgent ] = q->next ) ) h->in_end[ is_urgent ] = &h->in[ is_urgent ];
    evs[ cnt++ ] = q->ev;
    free( q );
  }
  return cnt;
}
static void p_release( dmg_net_port_t * p, dmg_net_ev_t * ev ) { bytes_free( ev->own ); ev->own = NULL; ev->data = (dmg_span_t){ 0 }; }
static int  p_fd( dmg_net_port_t * p, bool u ) { return -1; }
static dmg_err_t p_dial( dmg_net_port_t * p, dmg_net_peer_t const * a, char const * const * b, size_t c, bool d, uint32_t * e ) { return DMG_ERR_UNAVAILABLE; }
static dmg_err_t p_close( dmg_net_port_t * p, uint32_t conn, uint16_t why ) { return DMG_ERR_UNAVAILABLE; }
static dmg_err_t p_tag( dmg_net_port_t * p, dmg_net_peer_t const * a, uint32_t t ) { return DMG_OK; }
static dmg_err_t p_pass( dmg_net_port_t * p, char const * ip, bool on ) { return DMG_OK; }
static dmg_err_t p_open( dmg_net_port_t * p, uint32_t conn, uint16_t proto, dmg_span_t hello, uint64_t * id ) {
  host_t * h = host( p );
  if( stream_cnt==stream_cap ) streams = need( realloc( streams, ( stream_cap = 2*stream_cap+1024 )*sizeof *streams ) );
  streams[ stream_cnt ] = (stream_id_t){ .from = (uint16_t)h->idx, .to = (uint16_t)other_of( h->idx, conn ), .proto = proto };
  *id = ++stream_cnt;
  send_to( h, streams[ *id-1 ].to, (dmg_net_ev_t){ .kind = DMG_NET_NOTIFY_UP, .proto = proto, .id = *id }, hello );
  return DMG_OK;
}
static dmg_err_t p_answer( dmg_net_port_t * p, uint64_t id, uint8_t code ) {
  if( code ) { printf( "bench_body: a hello was refused: %u\n", code ); exit( 1 ); }
  send_to( host( p ), streams[ id-1 ].from, (dmg_net_ev_t){ .kind = DMG_NET_NOTIFY_UP, .code = 1, .proto = streams[ id-1 ].proto, .id = id }, dmg_span( NULL, 0 ) );
  return DMG_OK;
}
static dmg_err_t p_send( dmg_net_port_t * p, uint64_t id, uint64_t rank, uint32_t key, dmg_span_t f ) {
  send_to( host( p ), streams[ id-1 ].to, (dmg_net_ev_t){ .kind = DMG_NET_NOTIFY, .proto = streams[ id-1 ].proto, .id = id }, f );
  return DMG_OK;
}
static dmg_err_t p_drop( dmg_net_port_t * p, uint64_t id, uint64_t below ) { return DMG_OK; }
static dmg_err_t p_request( dmg_net_port_t * p, uint32_t c, uint16_t proto, dmg_span_t r, uint32_t ms, uint64_t * id ) { return DMG_ERR_UNAVAILABLE; }
static dmg_err_t p_reply( dmg_net_port_t * p, uint64_t id, uint8_t code, dmg_span_t c, bool l ) { return DMG_ERR_UNAVAILABLE; }
static dmg_err_t p_cancel( dmg_net_port_t * p, uint64_t id ) { return DMG_OK; }
static dmg_err_t p_topic( dmg_net_port_t * p, dmg_net_topic_t const * t, bool j ) { return DMG_OK; }
static dmg_err_t p_publish( dmg_net_port_t * p, char const * t, dmg_span_t d ) { return DMG_OK; }
static dmg_err_t p_verdict( dmg_net_port_t * p, uint64_t id, dmg_net_verdict_t v ) { return DMG_OK; }
static dmg_err_t p_score( dmg_net_port_t * p, dmg_net_peer_t const * a, double s ) { return DMG_OK; }
static dmg_err_t p_text( dmg_net_port_t * p, dmg_net_text_t w, dmg_buf_t * o ) { return DMG_ERR_UNSUPPORTED; }
static dmg_err_t p_stop( dmg_net_port_t * p, uint32_t ms ) { return DMG_OK; }
static void p_free( dmg_net_port_t * p ) {}

static dmg_net_port_vt_t const vt = { .name = "bench", .poll = p_poll, .release = p_release, .fd = p_fd, .dial = p_dial, .close = p_close, .tag = p_tag, .pass = p_pass, .notify_open = p_open,
  .notify_answer = p_answer, .notify_send = p_send, .notify_drop = p_drop, .request = p_request, .reply = p_reply, .cancel = p_cancel, .topic = p_topic, .publish = p_publish, .verdict = p_verdict,
  .score = p_score, .text = p_text, .stop = p_stop, .free = p_free };

/* --- the chain -------------------------------------------------------------------------------------------- */

static void c_head( void * ctx, dmg_chainnet_head_t * out ) { *out = (dmg_chainnet_head_t){ 0 }; }
static dmg_err_t c_header( void * ctx, dmg_hash_t const * b, uint8_t out[ DMG_SIGNED_HEADER_SZ ] ) { return DMG_ERR_NOT_FOUND; }
static dmg_err_t c_body( void * ctx, dmg_hash_t const * b, dmg_buf_t * out ) { return DMG_ERR_NOT_FOUND; }
static dmg_err_t c_proposal( void * ctx, uint32_t e, uint64_t v, dmg_hash_t const * b, dmg_buf_t * out ) { return DMG_ERR_NOT_FOUND; }
static dmg_err_t c_handover( void * ctx, uint32_t e, dmg_buf_t * out ) { return DMG_ERR_NOT_FOUND; }
static dmg_verdict_t c_judge_header( void * ctx, dmg_signed_header_t const * header, dmg_hash_t const * hash ) { return dmg_verdict_local( DMG_ERR_NOT_FOUND ); }
static dmg_verdict_t c_judge( void * ctx, dmg_cert_t const * c ) { return dmg_verdict_local( DMG_ERR_NOT_FOUND ); }
static dmg_verdict_t c_take( void * ctx, dmg_span_t h ) { return dmg_verdict_local( DMG_ERR_NOT_FOUND ); }
static int  c_leader( void * ctx, uint32_t e, uint64_t v ) { return 0; }
static bool c_seed( void * ctx, uint32_t e, dmg_hash_t * out ) { *out = (dmg_hash_t){ { 5 } }; return true; }
static void c_each( void * ctx, void (*visit)( void * arg, dmg_hash_t const * leaf, dmg_span_t raw, uint64_t age_ms ), void * arg ) {
  for( uint32_t i = 0; i<tx_cnt && tx_age_ms; i++ ) { dmg_hash_t leaf = dmg_h( DMG_TAG_BODY_TX, txs[ i ] ); visit( arg, &leaf, txs[ i ], tx_age_ms ); }
}
static dmg_err_t c_tx( void * ctx, dmg_hash_t const * id, dmg_buf_t * out ) { return DMG_ERR_NOT_FOUND; }
static dmg_chainnet_chain_t const chain = { .head = c_head, .header = c_header, .body = c_body, .proposal = c_proposal, .handover = c_handover, .judge_final = c_judge, .take_handover = c_take, .take_evidence = c_take,
                                            .judge_header = c_judge_header, .leader = c_leader,
                                            .seed = c_seed, .each_tx = c_each, .tx = c_tx };

/* --- a world ---------------------------------------------------------------------------------------------- */

static void step( host_t * h ) {
  dmg_chainnet_out_t o;
  while( dmg_chainnet_next( h->net, now, &o ) ) if( o.kind==DMG_CHAINNET_PUSHED ) { h->pushed++; h->got_us = now; }
  uint64_t wake = dmg_chainnet_wake_us( h->net );
  if( wake==UINT64_MAX || ( h->wake_us>now && h->wake_us<=wake ) ) return;
  h->wake_us = wake>now ? wake : now+1;
  heap_put( (event_t){ .at = h->wake_us, .kind = EV_WAKE, .host = (uint16_t)h->idx } );
}

static void run_to( uint64_t until ) {
  while( heap_cnt && heap[ 0 ].at<=until ) {
    event_t e = heap_take();
    host_t * h = &hosts[ e.host ];
    now = e.at;
    if( e.kind==EV_UPLINK ) { h->is_sending = false; uplink( h ); continue; }
    if( e.kind==EV_ARRIVED ) {
      h->down_us = ( h->down_us>now ? h->down_us : now )+( rate && e.data ? ( e.data->sz+60 )*1000000/rate : 0 );
      e.at   = h->down_us;
      e.kind = EV_GIVEN;
      heap_put( e );
      continue;
    }
    if( h->is_silent ) { bytes_free( e.data ); continue; }
    if( e.kind==EV_GIVEN ) give( h, e.ev, e.data );
    step( h );
  }
  now = until;
}

static void world_begin( unsigned n, uint64_t bytes_per_s ) {
  dmg_hash_t genesis = { { 1 } };
  uint64_t rng = 42;
  dmg_chainnet_setup( &genesis, 0, &setup );
  host_cnt = n;
  now  = 1000000;
  rate = 0;
  heap_cnt = stream_cnt = 0;
  for( unsigned i = 0; i<n; i++ ) {
    host_t * h = &hosts[ i ];
    uint8_t seed[ 32 ] = { (uint8_t)i, 1 }, key[ 32 ];
    dmg_ed25519_public( seed, key );
    *h = (host_t){ .port.vt = &vt, .idx = i };
    for( unsigned c = 0; c<2; c++ ) { h->in_end[ c ] = &h->in[ c ]; h->out_end[ c ] = &h->out[ c ]; }
    dmg_wire_peer_of_key( key, &h->port.self );
    members[ i ] = (dmg_chainnet_member_t){ .peer = h->port.self, .weight = 1000 };
    members[ i ].key[ 0 ] = (uint8_t)( i+1 );
    for( unsigned k = 0; k<i; k++ ) delays[ i ][ k ] = delays[ k ][ i ] = 5000+(uint32_t)( dmg_rnd_u64( &rng )%50000 );
  }
  for( unsigned i = 0; i<n; i++ ) {
    host_t * h = &hosts[ i ];
    dmg_chainnet_cfg_t cfg = { .port = &h->port, .chain = &chain, .genesis = genesis, .seed = { (uint8_t)i, 1 }, .secret = { (uint8_t)i, 2, 3 } };
    h->arena = need( dmg_arena_new( 64u<<20 ) );
    h->net   = need( dmg_chainnet_new( h->arena, &cfg ) );
    if( dmg_chainnet_start( h->net, now ) || dmg_chainnet_set_members( h->net, 0, members, n, now ) ) exit( 1 );
    dmg_chainnet_set_view( h->net, 0, 1, 0, 4 );
    for( unsigned k = 0; k<n; k++ ) if( k!=i )
      give( h, (dmg_net_ev_t){ .kind = DMG_NET_CONN_UP, .conn = conn_of( i, k ), .code = dmg_net_peer_cmp( &h->port.self, &hosts[ k ].port.self )>0, .peer = hosts[ k ].port.self }, NULL );
  }
  for( unsigned i = 0; i<n; i++ ) step( &hosts[ i ] );
  run_to( now+500000 );
  for( unsigned i = 0; i<n; i++ ) {
    dmg_chainnet_info_t info;
    dmg_chainnet_info( hosts[ i ].net, &info );
    if( info.link_cnt!=n-1 ) { printf( "bench_body: host %u has %u links\n", i, info.link_cnt ); exit( 1 ); }
  }
  rate = bytes_per_s;
}

static void world_end( void ) {
  while( heap_cnt ) { event_t e = heap_take(); bytes_free( e.data ); }
  for( unsigned i = 0; i<host_cnt; i++ ) {
    host_t * h = &hosts[ i ];
    dmg_chainnet_fini( h->net );
    for( unsigned c = 0; c<2; c++ ) {
      while( h->in[ c ] )  { queued_t * q = h->in[ c ];  h->in[ c ]  = q->next; bytes_free( q->data ); free( q ); }
      while( h->out[ c ] ) { queued_t * q = h->out[ c ]; h->out[ c ] = q->next; bytes_free( q->data ); free( q ); }
    }
    dmg_arena_free( h->arena );
  }
}

static int cmp( void const * a, void const * b ) {
  uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b;
  return x<y ? -1 : x>y;
}

/* One body of cnt transactions of sz bytes, which all have for age_ms; 0: nobody has them. */
static void run( char const * what, unsigned n, uint32_t cnt, uint32_t sz, uint64_t age_ms, unsigned silent_pct, uint64_t bits_per_s ) {
  uint8_t * mem = need( malloc( (size_t)cnt*sz ) );
  uint64_t rng = 7, got[ HOSTS_MAX ], got_cnt = 0;
  for( size_t i = 0; i<(size_t)cnt*sz; i++ ) mem[ i ] = (uint8_t)dmg_rnd_u64( &rng );
  for( uint32_t i = 0; i<cnt; i++ ) txs[ i ] = dmg_span( mem+(size_t)i*sz, sz );
  tx_cnt    = cnt;
  tx_age_ms = age_ms;
  dmg_body_t b = { .txs = txs, .tx_cnt = cnt };
  dmg_buf_t body = dmg_buf( 1u<<20 );
  if( dmg_body_encode( &b, &body ) ) { puts( "bench_body: a body too large" ); exit( 1 ); }
  dmg_hash_t hash = dmg_body_hash( &b );
  world_begin( n, bits_per_s/8 );
  unsigned silent = n*silent_pct/100;
  for( unsigned i = 0; i<silent; i++ ) hosts[ n-1-i ].is_silent = true;
  uint64_t t0 = now, cpu = dmg_os_mono_ns();
  if( dmg_chainnet_push_body( hosts[ 0 ].net, 0, 1, &hash, dmg_buf_span( &body ) ) ) exit( 1 );
  run_to( now+4000000 );
  cpu = dmg_os_mono_ns()-cpu;
  dmg_chainnet_info_t info;
  dmg_chainnet_info( hosts[ 0 ].net, &info );
  uint64_t relayed = 0;
  for( unsigned i = 1; i<n; i++ ) {
    dmg_chainnet_info_t o;
    dmg_chainnet_info( hosts[ i ].net, &o );
    if( o.bodies_sz_out>relayed ) relayed = o.bodies_sz_out;
    if( hosts[ i ].pushed ) got[ got_cnt++ ] = hosts[ i ].got_us-t0;
  }
  qsort( got, got_cnt, sizeof *got, cmp );
  char const * form = info.bodies_by_out[ DMG_WIRE_SHREDS ] ? "shreds" : info.bodies_by_out[ DMG_WIRE_COMPACT ] ? "compact" : "full";
  printf( "body/%s n=%u bytes=%zu silent=%u%% mbit=%lu   %s   leader sends %lu (full: %lu)   a relay at most %lu   %lu of %u have it   p50 %.0f ms   p99 %.0f ms   (%.0f ms of CPU in all)\n", what, n, body.sz, silent_pct,
          (unsigned long)( bits_per_s/1000000 ), form, (unsigned long)info.bodies_sz_out, (unsigned long)( ( body.sz+DMG_WIRE_HEAD_SZ )*( n-1 ) ), (unsigned long)relayed, (unsigned long)got_cnt, n-1-silent,
          got_cnt ? (double)got[ got_cnt/2 ]*1e-3 : 0.0, got_cnt ? (double)got[ ( got_cnt*99+99 )/100-1 ]*1e-3 : 0.0, (double)cpu*1e-6 );
  world_end();
  dmg_buf_fini( &body );
  free( mem );
}

int main( void ) {
  static unsigned const sizes[] = { 4, 16, 128 };
  for( unsigned i = 0; i<3; i++ ) run( "transfers", sizes[ i ], TXS, 240, 500, 0, 100000000 );
  for( unsigned i = 0; i<3; i++ ) run( "new", sizes[ i ], TXS, 1040, 0, 0, 100000000 );
  for( unsigned i = 1; i<3; i++ ) for( uint64_t mbit = 100; mbit<=1000; mbit += 900 ) run( "new", sizes[ i ], TXS, 1040, 0, 30, mbit*1000000 );
  return 0;
}
