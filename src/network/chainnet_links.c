/* Validators' lines and their streams: cons/1, and beside it body/1, shred/1, txfwd/1 (N8). */
#include "network/chainnet_int.h"

enum { HELLO_SZ = 28 };

/* --- members ---------------------------------------------------------------------------------------------- */

int member_of_peer( net_t const * n, dmg_net_peer_t const * peer ) {
  if( !peer->sz ) return -1;
  for( int i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) if( n->members[ i ].is_used && dmg_net_peer_eq( &n->members[ i ].peer, peer ) ) return i;
  return -1;
}

set_t * set_of( net_t * n, uint32_t epoch ) {
  for( unsigned s = 0; s<SET_CNT; s++ ) if( n->sets[ s ].is_used && n->sets[ s ].epoch==epoch ) return &n->sets[ s ];
  return NULL;
}

static int index_in( net_t * n, uint32_t epoch, int member ) {
  set_t * s = set_of( n, epoch );
  return s ? n->members[ member ].idx[ s-n->sets ] : -1;
}

static void stream_end( net_t * n, stream_t * s ) {
  if( s->state==STREAM_NONE ) return;
  (void)!dmg_net_cancel( n->port, s->id );   /* gone already */
  *s = (stream_t){ 0 };
}

static void link_set( net_t * n, member_t * m, bool is_up ) {
  if( m->is_link==is_up ) return;
  m->is_link = is_up;
  n->is_links_dirty = true;
}

/* By its line: we may send, and one of the two said yes to the other's hello.  Through others (N8.4): is_via.  From there to a line is no news. */
void link_judge( net_t * n, member_t * m ) {
  bool is_direct = m->line>=0 && m->cons_out.state!=STREAM_NONE && ( m->cons_out.state==STREAM_UP || m->cons_in.state==STREAM_UP );
  if( is_direct && !m->is_direct ) { m->heard_us = n->now_us; m->backoff_us = 0; m->is_via = false; net_wake( n, n->now_us+SILENT_US ); }
  if( !is_direct && m->is_direct ) { m->apart_us = n->now_us; net_wake( n, n->now_us+RELAY_AFTER_US ); }
  m->is_direct = is_direct;
  link_set( n, m, is_direct || m->is_via );
}

static void line_drop( net_t * n, member_t * m ) {
  m->cons_out = m->cons_in = (stream_t){ 0 };
  memset( m->side_out, 0, sizeof m->side_out );
  memset( m->side_in, 0, sizeof m->side_in );
  m->line = -1;
  link_judge( n, m );
}

bool is_shut( net_t const * n, member_t const * m ) { return m->closed_until_us>n->now_us; }

static void open_streams( net_t * n, member_t * m ) {
  if( m->line<0 || n->is_stopping || n->conns[ m->line ].is_closing ) return;
  uint64_t at = dmg_max_u64( m->retry_us, m->closed_until_us );
  if( at>n->now_us ) { net_wake( n, at ); return; }
  dmg_wire_hello_t hello = { .genesis = n->cfg.genesis, .epoch = n->epoch };
  uint8_t b[ DMG_WIRE_HELLO_SZ ];
  dmg_wire_hello_encode( &hello, b );
  uint32_t conn = n->conns[ m->line ].conn;
  if( m->cons_out.state==STREAM_NONE ) {
    if( dmg_net_notify_open( n->port, conn, DMG_CHAINNET_CONS, DMG_SPAN( b ), &m->cons_out.id )==DMG_OK ) m->cons_out.state = STREAM_OPEN;
    else net_wake( n, m->retry_us = n->now_us+SEC );
  }
  for( unsigned i = 0; i<SIDE_CNT; i++ ) {
    stream_t * s = &m->side_out[ i ];
    if( s->state!=STREAM_NONE ) continue;
    if( m->side_retry_us<=n->now_us && dmg_net_notify_open( n->port, conn, (uint16_t)( DMG_CHAINNET_BODY+i ), DMG_SPAN( b ), &s->id )==DMG_OK ) { s->state = STREAM_OPEN; continue; }
    if( m->side_retry_us<=n->now_us ) m->side_retry_us = n->now_us+SEC;
    net_wake( n, m->side_retry_us );
  }
  link_judge( n, m );
}

/* N8.1: of two lines the one dialled by the smaller peer id stays; of two dialled by the same the newer, as its dialler has lost the older. */
bool is_better( net_t const * n, conn_t const * a, conn_t const * b ) {
  bool is_self_smaller = dmg_net_peer_cmp( &n->port->self, &a->peer )<0;
  if( a->is_outbound!=b->is_outbound ) return a->is_outbound==is_self_smaller;
  return a->up_us>b->up_us || ( a->up_us==b->up_us && a->conn>b->conn );
}

/* The streams go, the connection stays. */
static void line_leave( net_t * n, member_t * m ) {
  if( m->line<0 ) return;
  stream_end( n, &m->cons_out );
  stream_end( n, &m->cons_in );
  for( unsigned i = 0; i<SIDE_CNT; i++ ) { stream_end( n, &m->side_out[ i ] ); stream_end( n, &m->side_in[ i ] ); }
  n->conns[ m->line ].member = -1;
  line_drop( n, m );
}

static void line_take( net_t * n, int i, int member ) {
  member_t * m = &n->members[ member ];
  conn_t * c = &n->conns[ i ];
  /* N6.2: a connection keeps the streams it was made with.  One that came before its peer was known as a validator (while we started, or before its set) has 16: fewer than
     a line and its requests take, so the port would end it some seconds later.  The next one is a validator's. */
  if( !c->is_outbound && !c->has_share ) { conn_close( n, c, DMG_CHAINNET_WHY_EARLY ); return; }
  c->member = (int16_t)member;
  if( m->line>=0 ) {
    conn_t * old = &n->conns[ m->line ];
    if( !is_better( n, c, old ) ) { conn_close( n, c, DMG_CHAINNET_WHY_SECOND_LINE ); return; }
    line_drop( n, m );
    conn_close( n, old, DMG_CHAINNET_WHY_SECOND_LINE );
  }
  m->line     = (int16_t)i;
  m->retry_us = m->side_retry_us = 0;
  open_streams( n, m );
}

void links_conn_up( net_t * n, int i ) {
  int member = n->self>=0 ? member_of_peer( n, &n->conns[ i ].peer ) : -1;
  if( member>=0 && member!=n->self ) line_take( n, i, member );
}

void links_conn_down( net_t * n, int i ) {
  int member = n->conns[ i ].member;
  if( member<0 || n->members[ member ].line!=i ) return;
  line_drop( n, &n->members[ member ] );
}

/* Lines and streams as the sets are now. */
static void links_again( net_t * n ) {
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) {
    conn_t * c = &n->conns[ i ];
    if( !c->is_used || c->is_closing ) continue;
    int member = n->self>=0 ? member_of_peer( n, &c->peer ) : -1;
    if( member==n->self ) member = -1;
    if( member==c->member && ( member<0 || n->members[ member ].line==i ) ) continue;
    if( c->member>=0 && n->members[ c->member ].line==i ) line_leave( n, &n->members[ c->member ] );
    c->member = -1;
    if( member>=0 ) line_take( n, i, member );
  }
}

/* The host of "/ip4/<host>/.." or "/ip6/<host>/.."; false: a name or something else. */
static bool host_of( char const * addr, char out[ 48 ] ) {
  if( strncmp( addr, "/ip4/", 5 ) && strncmp( addr, "/ip6/", 5 ) ) return false;
  size_t sz = strcspn( addr+5, "/" );
  if( !sz || sz>=48 ) return false;
  memcpy( out, addr+5, sz );
  out[ sz ] = '\0';
  return true;
}

void member_pass( net_t * n, member_t * m, bool is_on ) {
  if( m->passed[ 0 ] && !is_on ) {
    (void)!dmg_net_pass( n->port, m->passed, false );
    m->passed[ 0 ] = '\0';
  }
  int k = is_on && !m->passed[ 0 ] ? known_find( n, &m->peer ) : -1;
  for( uint32_t a = 0; k>=0 && a<n->known[ k ].addr_cnt && !m->passed[ 0 ]; a++ )
    if( host_of( n->known[ k ].addrs[ a ], m->passed ) ) (void)!dmg_net_pass( n->port, m->passed, true );   /* refused: it has to pass the gate like others */
}

static void member_forget( net_t * n, int i ) {
  member_t * m = &n->members[ i ];
  relay_end( n, m );
  line_leave( n, m );
  member_pass( n, m, false );
  if( m->peer.sz ) (void)!dmg_net_tag( n->port, &m->peer, 0 );
  m->peer = (dmg_net_peer_t){ 0 };
  if( !m->is_told ) m->is_used = false;          /* else once the node knows that the link is down */
}

dmg_err_t dmg_chainnet_set_members( dmg_chainnet_t * n, uint32_t epoch, dmg_chainnet_member_t const * members, uint32_t cnt, uint64_t now_us ) {
  if( !cnt || cnt>DMG_SET_MAX ) return DMG_ERR_INVALID;
  if( now_us>n->now_us ) n->now_us = now_us;
  unsigned s = 0;
  set_t * old = set_of( n, epoch );
  if( old ) s = (unsigned)( old-n->sets );
  else for( unsigned k = 0; k<SET_CNT; k++ ) {
    if( !n->sets[ k ].is_used ) { s = k; break; }
    if( n->sets[ k ].epoch<n->sets[ s ].epoch ) s = k;
  }
  if( n->sets[ s ].is_used && n->sets[ s ].epoch>epoch ) return DMG_ERR_INVALID;   /* three later ones are kept */

  /* Does it fit?  Who stands in another set keeps its place; one that is only waiting for its LINK down does not count as free. */
  uint32_t free_cnt = 0, new_cnt = 0;
  bool is_kept[ DMG_CHAINNET_PEER_MAX ] = { false };
  for( int i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) {
    member_t * m = &n->members[ i ];
    for( unsigned k = 0; k<SET_CNT; k++ ) if( m->is_used && k!=s && m->idx[ k ]>=0 ) is_kept[ i ] = true;
    free_cnt += !m->is_used || ( !is_kept[ i ] && !m->is_told );
  }
  int16_t slot[ DMG_SET_MAX ];
  for( uint32_t i = 0; i<cnt; i++ ) {
    slot[ i ] = -1;
    for( int k = 0; k<DMG_CHAINNET_PEER_MAX; k++ ) if( n->members[ k ].is_used && !memcmp( n->members[ k ].key, members[ i ].key, DMG_BLS_KEY_SZ ) ) slot[ i ] = (int16_t)k;
    if( slot[ i ]<0 ) new_cnt++;
    else if( !is_kept[ slot[ i ] ] && !n->members[ slot[ i ] ].is_told ) free_cnt--;
  }
  if( new_cnt>free_cnt ) return DMG_ERR_FULL;

  for( int i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) n->members[ i ].idx[ s ] = -1;
  for( uint32_t i = 0; i<cnt; i++ ) if( slot[ i ]>=0 ) n->members[ slot[ i ] ].idx[ s ] = (int16_t)i;
  for( int i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) {
    member_t * m = &n->members[ i ];
    if( m->is_used && m->idx[ 0 ]<0 && m->idx[ 1 ]<0 && m->idx[ 2 ]<0 ) member_forget( n, i );
  }
  n->sets[ s ] = (set_t){ .is_used = true, .epoch = epoch, .cnt = cnt };
  int at = 0;
  for( uint32_t i = 0; i<cnt; i++ ) {
    if( slot[ i ]<0 ) {
      while( n->members[ at ].is_used ) at++;
      slot[ i ] = (int16_t)at;
      n->members[ at ] = (member_t){ .is_used = true, .line = -1, .idx = { -1, -1, -1 }, .relays = { -1, -1 }, .apart_us = n->now_us };
      memcpy( n->members[ at ].key, members[ i ].key, DMG_BLS_KEY_SZ );
      n->members[ at ].idx[ s ] = (int16_t)i;
    }
    member_t * m = &n->members[ slot[ i ] ];
    n->sets[ s ].members[ i ] = slot[ i ];
    n->sets[ s ].weights[ i ] = members[ i ].weight;
    if( members[ i ].peer.sz && !dmg_net_peer_eq( &m->peer, &members[ i ].peer ) ) {
      relay_end( n, m );
      m->relay_seq = m->relay_seen = 0;          /* another key counts by itself */
      line_leave( n, m );
      member_pass( n, m, false );
      if( m->peer.sz ) (void)!dmg_net_tag( n->port, &m->peer, 0 );
      m->peer = members[ i ].peer;
    }
  }
  shred_shares( &n->sets[ s ] );
  n->self = (int16_t)member_of_peer( n, &n->port->self );
  for( int i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) {
    member_t * m = &n->members[ i ];
    if( !m->is_used || !m->peer.sz || i==n->self ) continue;
    if( n->self<0 ) relay_end( n, m );
    (void)!dmg_net_tag( n->port, &m->peer, n->self>=0 ? DMG_NET_TAG_VALIDATOR : 0 );   /* costs it the larger share, no more */
    member_pass( n, m, n->self>=0 );
  }
  links_again( n );
  net_wake( n, n->now_us );
  return DMG_OK;
}

void dmg_chainnet_set_view( dmg_chainnet_t * n, uint32_t epoch, uint64_t cur, uint64_t final_view, uint32_t window ) {
  if( n->cfg.is_follower && ( epoch<n->epoch || ( epoch==n->epoch && final_view<n->final_view ) ) ) return;   /* it knows better by F (sync_goal): its core stands still */
  bool is_moved = epoch!=n->epoch || final_view>n->final_view;
  n->epoch      = epoch;
  n->cur        = cur;
  n->final_view = final_view;
  n->window     = window ? window : 1;
  if( !is_moved ) return;
  /* N8.3: stale views leave the queue.  The final one stays: an own FINALIZE that completes it here was queued in this very turn, and a peer that misses
     it has no finality before the next block's. */
  for( int i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) {
    member_t * m = &n->members[ i ];
    if( !m->is_used ) continue;
    if( m->cons_out.state ) (void)!dmg_net_notify_drop( n->port, m->cons_out.id, final_view );
    for( unsigned k = 0; k<SIDE_CNT; k++ ) if( m->side_out[ k ].state ) (void)!dmg_net_notify_drop( n->port, m->side_out[ k ].id, final_view );
  }
  body_view( n );
}

bool links_tell( net_t * n, dmg_chainnet_out_t * out ) {
  if( !n->is_links_dirty ) return false;
  for( int i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) {
    member_t * m = &n->members[ i ];
    if( !m->is_used || m->is_told==m->is_link ) continue;
    /* Each change is told before the next event is read, and none brings a link down and another up: a hello has to be accepted between. */
    m->is_told = m->is_link;
    out->kind  = DMG_CHAINNET_LINK;
    out->peer  = (uint16_t)i;
    out->is_up = m->is_told;
    memcpy( out->key, m->key, sizeof out->key );
    if( !m->is_told && m->idx[ 0 ]<0 && m->idx[ 1 ]<0 && m->idx[ 2 ]<0 ) m->is_used = false;
    return true;
  }
  n->is_links_dirty = false;
  return false;
}

/* --- frames in -------------------------------------------------------------------------------------------- */

/* Two windows past the end of cur's (C1.3); of the epoch after ours from view 1. */
uint64_t view_max( net_t const * n, uint32_t epoch ) {
  uint64_t cur = epoch==n->epoch ? n->cur : 1, l = n->window;
  uint64_t end = cur ? ( cur-1 )/l*l+l : l;
  return end>UINT64_MAX-2*l ? UINT64_MAX : end+2*l;
}

bool is_epoch_near( net_t const * n, uint32_t epoch ) {
  return epoch<=n->epoch ? n->epoch-epoch<=1 : epoch-n->epoch==1;
}

/* N8.2: size, epoch, signer, view; certificates are exempt from the view.  What the core decodes anyway is left to it. */
frame_judge_t frame_judge( net_t * n, int member, dmg_span_t f ) {
  if( !f.sz || f.p[ 0 ]>=DMG_FRAME_CNT ) return FRAME_BAD;
  switch( f.p[ 0 ] ) {
    case DMG_FRAME_HELLO: return f.sz==1+HELLO_SZ ? FRAME_GOOD : FRAME_BAD;
    case DMG_FRAME_VOTE: {
      if( f.sz!=1+DMG_VOTE_WIRE_SZ ) return FRAME_BAD;
      uint32_t epoch = dmg_load_u32le( f.p+2 );
      uint64_t view  = dmg_load_u64le( f.p+6 );
      uint16_t signer = dmg_load_u16le( f.p+46 );
      if( !is_epoch_near( n, epoch ) ) return FRAME_STALE;
      int idx = index_in( n, epoch, member );
      if( idx<0 ) return FRAME_STALE;              /* that epoch's set is not known here, or it is not in it */
      if( signer!=idx ) return FRAME_BAD;
      return epoch>=n->epoch && view>view_max( n, epoch ) ? FRAME_STALE : FRAME_GOOD;
    }
    case DMG_FRAME_CERT:
      if( f.sz!=1+DMG_CERT_SZ ) return FRAME_BAD;
      return is_epoch_near( n, dmg_load_u32le( f.p+2 ) ) ? FRAME_GOOD : FRAME_STALE;
    case DMG_FRAME_PROPOSAL: {
      if( f.sz<1+DMG_SIGNED_HEADER_SZ+DMG_CERT_SZ+1 ) return FRAME_BAD;
      uint32_t epoch = dmg_load_u32le( f.p+6 );
      if( !is_epoch_near( n, epoch ) ) return FRAME_STALE;
      return epoch>=n->epoch && dmg_load_u64le( f.p+10 )>view_max( n, epoch ) ? FRAME_STALE : FRAME_GOOD;
    }
    case DMG_FRAME_EVIDENCE: return f.sz<=1+DMG_EVIDENCE_SZ_MAX ? FRAME_GOOD : FRAME_BAD;
    case DMG_FRAME_HANDOVER: return f.sz>=1+DMG_HANDOVER_HEAD_SZ+1 && f.sz<=1+DMG_HANDOVER_SZ_MAX ? FRAME_GOOD : FRAME_BAD;
    case DMG_FRAME_RELAYED:  return FRAME_BAD;     /* inside another one; else it is chainnet_relay.c's */
    default:                 return FRAME_GOOD;    /* want, bundle */
  }
}

void frame_bad( net_t * n, member_t * m ) {
  n->stat.frames_bad++;
  if( n->now_us-m->bad_us>60*SEC ) { m->bad_us = n->now_us; m->bad_cnt = 0; }
  if( ++m->bad_cnt<BAD_FRAMES_MAX ) return;
  m->bad_cnt = 0;
  m->closed_until_us = n->now_us+BAD_FRAMES_CLOSE_US;
  relay_end( n, m );
  if( m->line>=0 ) conn_close( n, &n->conns[ m->line ], DMG_CHAINNET_WHY_FALSE_DATA );
}

/* --- streams ---------------------------------------------------------------------------------------------- */

static uint8_t hello_judge( net_t * n, int i, dmg_span_t data ) {
  dmg_wire_hello_t hello;
  if( dmg_wire_hello_decode( data, &hello ).kind )           return DMG_WIRE_MALFORMED;
  if( !dmg_hash_eq( &hello.genesis, &n->cfg.genesis ) )      return DMG_WIRE_OTHER_CHAIN;
  int member = n->conns[ i ].member;
  if( member<0 || is_shut( n, &n->members[ member ] ) )      return DMG_WIRE_NO_VALIDATOR;
  if( n->members[ member ].line!=i )                         return DMG_WIRE_TWICE;
  return DMG_WIRE_OK;
}

static void on_theirs( net_t * n, int i, dmg_net_ev_t const * ev ) {
  uint8_t answer = hello_judge( n, i, ev->data );
  if( dmg_net_notify_answer( n->port, ev->id, answer )!=DMG_OK || answer ) {
    if( answer==DMG_WIRE_OTHER_CHAIN ) conn_close( n, &n->conns[ i ], DMG_CHAINNET_WHY_OTHER_CHAIN );
    return;
  }
  member_t * m = &n->members[ n->conns[ i ].member ];
  stream_t * s = ev->proto==DMG_CHAINNET_CONS ? &m->cons_in : &m->side_in[ ev->proto-DMG_CHAINNET_BODY ];
  stream_end( n, s );                              /* a newer one: they lost the other */
  *s = (stream_t){ .id = ev->id, .state = STREAM_UP };
  link_judge( n, m );
}

static void on_down( net_t * n, member_t * m, dmg_net_ev_t const * ev ) {
  if( m->cons_out.state && m->cons_out.id==ev->id ) {
    /* They do not take us (yet), or the stream broke: again in 1 to 5 s. */
    m->cons_out   = (stream_t){ 0 };
    m->backoff_us = m->backoff_us ? dmg_min_u64( 5*SEC, 2*m->backoff_us ) : SEC;
    net_wake( n, m->retry_us = n->now_us+net_jitter( n, m->backoff_us ) );
    if( ev->code==DMG_NET_END_REFUSED+DMG_WIRE_OTHER_CHAIN && m->line>=0 ) conn_close( n, &n->conns[ m->line ], DMG_CHAINNET_WHY_OTHER_CHAIN );
  }
  if( m->cons_in.state && m->cons_in.id==ev->id ) m->cons_in = (stream_t){ 0 };
  for( unsigned i = 0; i<SIDE_CNT; i++ ) {
    if( m->side_out[ i ].state && m->side_out[ i ].id==ev->id ) {
      m->side_out[ i ] = (stream_t){ 0 };
      net_wake( n, m->side_retry_us = n->now_us+net_jitter( n, SEC ) );
    }
    if( m->side_in[ i ].state && m->side_in[ i ].id==ev->id ) m->side_in[ i ] = (stream_t){ 0 };
  }
  link_judge( n, m );
}

bool links_event( net_t * n, dmg_net_ev_t const * ev, dmg_chainnet_out_t * out ) {
  int i = conn_find( n, ev->conn );
  if( i<0 || ev->proto>DMG_CHAINNET_TXFWD ) return false;
  if( ev->kind==DMG_NET_NOTIFY_UP && !ev->code ) { on_theirs( n, i, ev ); return false; }
  int member = n->conns[ i ].member;
  if( member<0 || n->members[ member ].line!=i ) return false;
  member_t * m = &n->members[ member ];
  if( ev->kind==DMG_NET_NOTIFY_DOWN ) { on_down( n, m, ev ); return false; }
  if( ev->kind==DMG_NET_NOTIFY_UP ) {
    if( m->cons_out.state && m->cons_out.id==ev->id ) m->cons_out.state = STREAM_UP;
    for( unsigned k = 0; k<SIDE_CNT; k++ ) if( m->side_out[ k ].state && m->side_out[ k ].id==ev->id ) m->side_out[ k ].state = STREAM_UP;
    link_judge( n, m );
    return false;
  }
  if( is_shut( n, m ) ) return false;
  if( ev->proto!=DMG_CHAINNET_CONS ) {
    stream_t const * s = &m->side_in[ ev->proto-DMG_CHAINNET_BODY ];
    if( !s->state || s->id!=ev->id ) return false;
    return ev->proto==DMG_CHAINNET_BODY ? body_frame( n, member, ev->data, out ) : ev->proto==DMG_CHAINNET_SHRED ? shred_frame( n, member, ev->data, out ) : fwd_frame( n, member, ev->data, out );
  }
  if( !m->is_direct || !m->cons_in.state || m->cons_in.id!=ev->id ) { n->stat.frames_dropped++; return false; }
  /* Others' frames say nothing of its own core. */
  if( ev->data.sz && ev->data.p[ 0 ]==DMG_FRAME_RELAYED ) return relay_in( n, member, ev->data, out );
  m->heard_us = n->now_us;
  switch( frame_judge( n, member, ev->data ) ) {
    case FRAME_BAD:   frame_bad( n, m ); return false;
    case FRAME_STALE: n->stat.frames_dropped++; return false;
    case FRAME_GOOD:  break;
  }
  n->stat.frames_in++;
  out->kind  = DMG_CHAINNET_FRAME;
  out->peer  = (uint16_t)member;
  out->bytes = ev->data;
  return true;
}

/* --- out -------------------------------------------------------------------------------------------------- */

/* N2.1: rank by view; the newest hello and FINALIZATION replace the waiting one; these, bundles and handovers are never dropped for votes. */
void frame_rank( dmg_span_t f, uint64_t * rank, uint32_t * key ) {
  *rank = UINT64_MAX;
  *key  = 0;
  switch( f.p[ 0 ] ) {
    case DMG_FRAME_HELLO:    *key = 1; break;
    case DMG_FRAME_CERT:     if( f.p[ 1 ]==DMG_VOTE_FINALIZE ) *key = 2; else *rank = dmg_load_u64le( f.p+6 ); break;
    case DMG_FRAME_VOTE:     *rank = dmg_load_u64le( f.p+6 ); break;
    case DMG_FRAME_PROPOSAL: *rank = dmg_load_u64le( f.p+10 ); break;
    case DMG_FRAME_BUNDLE:
    case DMG_FRAME_HANDOVER: break;
    default:                 *rank = UINT64_MAX-1; break;   /* want, evidence: few, and no view of their own */
  }
}

void dmg_chainnet_send( dmg_chainnet_t * n, uint64_t const peers[ DMG_CHAINNET_PEER_MAX/64 ], dmg_span_t frame ) {
  DMG_ASSERT( frame.sz && frame.sz<=DMG_FRAME_SZ_MAX && frame.p[ 0 ]<DMG_FRAME_CNT );
  DMG_ASSERT( ( frame.p[ 0 ]!=DMG_FRAME_VOTE || frame.sz==1+DMG_VOTE_WIRE_SZ ) && ( frame.p[ 0 ]!=DMG_FRAME_CERT || frame.sz==1+DMG_CERT_SZ ) );
  DMG_ASSERT( frame.p[ 0 ]!=DMG_FRAME_PROPOSAL || frame.sz>DMG_SIGNED_HEADER_SZ );
  uint64_t rank;
  uint32_t key;
  frame_rank( frame, &rank, &key );
  for( uint32_t i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) {
    member_t * m = &n->members[ i ];
    if( !bit_get( peers, i ) || !m->is_used || !m->is_link ) continue;
    if( !m->is_direct ) { relay_send( n, (int)i, frame ); continue; }
    if( dmg_net_notify_send( n->port, m->cons_out.id, rank, key, frame )==DMG_OK ) n->stat.frames_out++;
    else n->stat.frames_dropped++;                 /* N8.3: the core's timers send again */
  }
}

void dmg_chainnet_close( dmg_chainnet_t * n, uint16_t peer, uint64_t for_us, uint64_t now_us ) {
  DMG_ASSERT( peer<DMG_CHAINNET_PEER_MAX );
  if( now_us>n->now_us ) n->now_us = now_us;
  member_t * m = &n->members[ peer ];
  if( !m->is_used ) return;
  m->closed_until_us = n->now_us+for_us;
  relay_end( n, m );
  if( m->line>=0 ) conn_close( n, &n->conns[ m->line ], DMG_CHAINNET_WHY_CORE );
}

void links_tick( net_t * n ) {
  for( int i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) {
    member_t * m = &n->members[ i ];
    if( !m->is_used || m->line<0 ) continue;
    open_streams( n, m );
    if( !m->is_direct ) continue;
    /* N3.1: hello comes every second.  After a long piece of work of our own it may still wait in the port: silent is who was so until we had read all. */
    if( n->idle_us>m->heard_us && n->idle_us-m->heard_us>=SILENT_US ) conn_close( n, &n->conns[ m->line ], DMG_CHAINNET_WHY_SILENT );
    net_wake( n, dmg_max_u64( m->heard_us+SILENT_US, n->now_us+SEC/4 ) );
  }
}
