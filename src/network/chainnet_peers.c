/* Who else there is: peerinfo, the tables of addrman.h, whom to dial (N9.1, N10). */
#include "base/num.h"
#include "network/chainnet_int.h"

#include <stdio.h>

enum { ASK_MS = 5000, ASK_FIRST_US = 200000 };

static uint64_t wall_s( net_t const * n ) { return ( n->cfg.wall_ms+( n->now_us-n->start_us )/1000 )/1000; }

/* N10.1: what others say is dialled and passed on. */
static bool is_fit_addr( net_t const * n, dmg_maddr_t const * a ) {
  dmg_maddr_class_t class = dmg_maddr_class( a );
  return n->cfg.is_private ? class!=DMG_MADDR_NOBODY : class==DMG_MADDR_PUBLIC;
}

/* --- ourselves -------------------------------------------------------------------------------------------- */

void dmg_chainnet_listens( dmg_chainnet_t * n, char const * addr, bool is_configured ) {
  char text[ DMG_CHAINNET_ADDR_SZ_MAX ];
  dmg_maddr_t a;
  char const * id = strstr( addr, "/p2p/" );
  size_t sz = id ? (size_t)( id-addr ) : strlen( addr );
  if( sz>=sizeof text || n->own_cnt==DMG_PEER_RECORD_ADDRS ) return;
  memcpy( text, addr, sz );
  text[ sz ] = '\0';
  if( !dmg_maddr_parse( text, &a ) || ( !is_configured && !is_fit_addr( n, &a ) ) ) return;
  for( uint32_t i = 0; i<n->own_cnt; i++ ) if( dmg_maddr_eq( &n->own[ i ], &a ) ) return;
  n->own[ n->own_cnt++ ] = a;
  dmg_peer_record_t r = { .peer = n->port->self, .seq = n->cfg.wall_ms+n->own_cnt, .addr_cnt = n->own_cnt };
  memcpy( r.addrs, n->own, sizeof r.addrs );
  n->own_record_sz = dmg_peer_record_sign( &r, n->cfg.seed, n->own_record );
}

void peers_serve( net_t * n, int conn, uint64_t id ) {
  uint8_t b[ DMG_WIRE_PEERINFO_SENT_MAX ];
  dmg_chainnet_head_t head;
  memset( &head, 0, sizeof head );
  n->chain->head( n->chain->ctx, &head );
  char const * agent = n->cfg.agent ? n->cfg.agent : "";
  dmg_wire_peerinfo_t p = { .agent = dmg_span( agent, dmg_min_u64( strlen( agent ), DMG_WIRE_AGENT_MAX ) ), .roles = head.roles };
  if( n->own_record_sz ) p.records[ p.record_cnt++ ] = dmg_span( n->own_record, n->own_record_sz );
  uint32_t start = (uint32_t)( net_rand( n )%DMG_CHAINNET_CONN_MAX );
  for( uint32_t k = 0; k<DMG_CHAINNET_CONN_MAX && p.record_cnt<DMG_WIRE_RECORDS_MAX; k++ ) {
    conn_t const * c = &n->conns[ ( start+k )%DMG_CHAINNET_CONN_MAX ];
    if( c->is_used && c->record_sz && !dmg_net_peer_eq( &c->peer, &n->conns[ conn ].peer ) ) p.records[ p.record_cnt++ ] = dmg_span( c->record, c->record_sz );
  }
  dmg_err_t err = dmg_net_reply( n->port, id, DMG_WIRE_DATA, dmg_span( b, dmg_wire_peerinfo_encode( &p, b ) ), true );
  if( err ) (void)!dmg_net_cancel( n->port, id );   /* they ask again */
}

/* --- others' records -------------------------------------------------------------------------------------- */

/* Where one that we dial says it is: behind what the configuration knows. */
static void known_record( net_t * n, int k, dmg_peer_record_t const * r, dmg_maddr_t const * addrs, uint32_t cnt ) {
  known_t * w = &n->known[ k ];
  if( r->seq<=w->record_seq || w->kind==KNOWN_FOUND ) return;
  w->record_seq = r->seq;
  w->addr_cnt   = w->own_cnt;
  for( uint32_t i = 0; i<cnt && w->addr_cnt<DMG_CHAINNET_ADDR_MAX; i++ ) {
    char text[ DMG_MADDR_TEXT_SZ ];
    dmg_maddr_text( &addrs[ i ], text );
    uint32_t j = 0;
    while( j<w->addr_cnt && strcmp( w->addrs[ j ], text ) ) j++;
    if( j==w->addr_cnt ) memcpy( w->addrs[ w->addr_cnt++ ], text, sizeof text );
  }
  int member = member_of_peer( n, &w->peer );
  if( member>=0 && n->self>=0 ) member_pass( n, &n->members[ member ], true );
}

/* N8.1: a validator is dialled by validators wherever it says it is. */
static int known_member( net_t * n, dmg_net_peer_t const * peer ) {
  int member = n->self>=0 ? member_of_peer( n, peer ) : -1, k = known_find( n, peer );
  if( member<0 || member==n->self ) return k;
  if( k>=0 && n->known[ k ].kind!=KNOWN_FOUND ) return k;
  if( k<0 ) {
    k = known_get( n, peer );
    if( k<0 ) return -1;
    n->known[ k ].dial_us = n->now_us+( dmg_net_peer_cmp( &n->port->self, peer )>0 ? SEC/2 : 0 );
    net_wake( n, n->known[ k ].dial_us );
  }
  known_keep( n, k, KNOWN_MEMBER );
  return k;
}

/* false: it is none, which who passes it on has to know. */
static bool on_record( net_t * n, conn_t * c, dmg_span_t envelope ) {
  dmg_peer_record_t r;
  if( dmg_peer_record_decode( envelope, &r ).kind ) return false;
  if( dmg_net_peer_eq( &r.peer, &n->port->self ) ) return true;
  dmg_maddr_t fit[ DMG_PEER_RECORD_ADDRS ];
  uint32_t cnt = 0;
  for( uint32_t i = 0; i<r.addr_cnt; i++ ) if( is_fit_addr( n, &r.addrs[ i ] ) ) fit[ cnt++ ] = r.addrs[ i ];
  bool is_own = dmg_net_peer_eq( &r.peer, &c->peer );
  if( is_own && cnt==r.addr_cnt ) {                  /* what is not fit to be dialled is not passed on */
    c->record_sz = cnt ? (uint16_t)envelope.sz : 0;
    if( cnt ) memcpy( c->record, envelope.p, envelope.sz );
  }
  if( !cnt ) return true;
  (void)dmg_addrman_add( n->am, &r.peer, r.seq, fit, cnt, &c->group, wall_s( n ) );
  if( is_own && c->is_outbound ) dmg_addrman_good( n->am, &r.peer, wall_s( n ) );
  int k = known_member( n, &r.peer );
  if( k>=0 ) known_record( n, k, &r, fit, cnt );
  return true;
}

bool peers_chunk( net_t * n, int conn, dmg_net_ev_t const * ev ) {
  conn_t * c = &n->conns[ conn ];
  if( !c->is_asking_peers || ev->id!=c->peers_id ) return false;
  dmg_wire_peerinfo_t p;
  if( ev->code!=DMG_WIRE_DATA ) return true;
  /* One chunk: more would have us verify records for as long as the answer lasts. */
  if( c->has_peers || dmg_wire_peerinfo_decode( ev->data, &p ).kind ) { conn_false( n, c ); return true; }
  c->has_peers = true;
  for( uint32_t i = 0; i<p.record_cnt; i++ ) if( !on_record( n, c, p.records[ i ] ) ) { conn_false( n, c ); break; }
  net_wake( n, n->out_us );
  return true;
}

bool peers_end( net_t * n, int conn, dmg_net_ev_t const * ev ) {
  conn_t * c = &n->conns[ conn ];
  if( !c->is_asking_peers || ev->id!=c->peers_id ) return false;
  c->is_asking_peers = false;
  net_wake( n, c->peers_us );
  return true;
}

/* --- connections ------------------------------------------------------------------------------------------ */

static uint32_t out_cnt( net_t const * n ) {
  uint32_t cnt = 0;
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) cnt += n->conns[ i ].is_used && n->conns[ i ].is_outbound && !n->conns[ i ].is_closing && !n->conns[ i ].is_feeler;
  for( int i = 0; i<DMG_CHAINNET_KNOWN_MAX; i++ ) cnt += n->known[ i ].is_used && n->known[ i ].kind==KNOWN_FOUND && !n->known[ i ].conn_cnt && !n->known[ i ].is_feeler;
  return cnt;
}

static bool group_of( char const * addr, dmg_maddr_group_t * out ) {
  char text[ DMG_CHAINNET_ADDR_SZ_MAX ];
  dmg_maddr_t a;
  char const * id = strstr( addr, "/p2p/" );
  size_t sz = id ? (size_t)( id-addr ) : strlen( addr );
  if( sz>=sizeof text ) return false;
  memcpy( text, addr, sz );
  text[ sz ] = '\0';
  if( !dmg_maddr_parse( text, &a ) ) return false;
  *out = dmg_maddr_group( &a );
  return true;
}

void peers_conn_up( net_t * n, int conn ) {
  conn_t * c = &n->conns[ conn ];
  known_t const * w = c->known>=0 ? &n->known[ c->known ] : NULL;
  if( !group_of( c->addr, &c->group ) && w && w->addr_cnt ) (void)group_of( w->addrs[ 0 ], &c->group );
  c->is_feeler = c->is_outbound && w && w->is_feeler;
  c->peers_us  = n->now_us+net_jitter( n, ASK_FIRST_US );
}

/* Two who found each other at once have two connections; validators' lines are links.c's. */
static void one_of_two( net_t * n, int conn ) {
  conn_t * c = &n->conns[ conn ];
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX && !c->is_closing; i++ ) {
    conn_t * o = &n->conns[ i ];
    if( i==conn || !o->is_used || o->is_closing || !o->has_status || o->member>=0 || c->member>=0 || !dmg_net_peer_eq( &o->peer, &c->peer ) ) continue;
    conn_close( n, is_better( n, c, o ) ? o : c, DMG_CHAINNET_WHY_SECOND_LINE );
  }
}

void peers_status( net_t * n, int conn ) {
  conn_t * c = &n->conns[ conn ];
  if( c->known>=0 ) { n->known[ c->known ].backoff_us = 0; peers_reached( n, &n->known[ c->known ] ); }
  if( c->is_outbound ) dmg_addrman_good( n->am, &c->peer, wall_s( n ) );
  one_of_two( n, conn );
  if( c->is_feeler && !c->is_closing ) {
    c->is_feeler = false;                            /* it may fill a gap */
    if( out_cnt( n )>OUT_TARGET ) conn_close( n, c, DMG_CHAINNET_WHY_FEELER );
  }
  net_wake( n, c->peers_us );
}

/* One that came from a table is forgotten with its connection. */
static void found_end( known_t * w ) { if( w->kind==KNOWN_FOUND && !w->conn_cnt && !w->is_dialling ) w->is_used = false; }

void peers_conn_down( net_t * n, int conn ) {
  conn_t * c = &n->conns[ conn ];
  if( c->is_outbound && !c->has_status && !c->is_closing ) dmg_addrman_failed( n->am, &c->peer, false, wall_s( n ) );
  if( c->known>=0 ) found_end( &n->known[ c->known ] );
  net_wake( n, n->out_us );
}

void peers_dialled( net_t * n, known_t * w ) {
  dmg_addrman_failed( n->am, &w->peer, false, wall_s( n ) );
  found_end( w );
}

/* --- how it went, for the node ----------------------------------------------------------------------------- */

void peers_reached( net_t * n, known_t * w ) {
  if( w->kind!=KNOWN_CONFIG || w->is_up ) return;
  w->is_up   = w->is_due = n->is_reach_due = true;
  w->why[ 0 ] = '\0';
}

void peers_unreached( net_t * n, known_t * w, dmg_span_t why ) {
  if( w->kind!=KNOWN_CONFIG ) return;
  w->is_up  = false;
  w->is_due = n->is_reach_due = true;
  snprintf( w->why, sizeof w->why, "%.*s", (int)dmg_min_u64( why.sz, sizeof w->why-1 ), why.sz ? (char const *)why.p : "" );
}

/* Of one that ended before it was known to be of our chain: who they are said so themselves, or nobody did. */
static void lost_early( net_t const * n, conn_t const * c, uint16_t code, char out[ DMG_CHAINNET_WHY_SZ ] ) {
  char own[ DMG_WIRE_NAME_SZ ];
  char const * id = strstr( c->addr, "/p2p/" );
  int sz = (int)( id ? (size_t)( id-c->addr ) : strlen( c->addr ) );
  dmg_wire_name( &n->cfg.genesis, n->cfg.fork, "", own );
  char what[ 128 ];
  if( conn_names_other( n, c ) )                                                                snprintf( what, sizeof what, "a node of another chain: its network is %.13s, ours %.13s", c->version, own );
  else if( code==DMG_CHAINNET_WHY_OTHER_CHAIN && c->version[ 0 ] && strcmp( c->version, own ) ) snprintf( what, sizeof what, "no node of a chain: it calls itself %s", c->version );
  else if( code==DMG_CHAINNET_WHY_OTHER_CHAIN ) snprintf( what, sizeof what, "a node of another chain or fork; our network is %.13s", own );
  else if( code==DMG_NET_WHY_REMOTE )           snprintf( what, sizeof what, "it closed the connection before it told its chain: it is of another one, or full" );
  else if( code==DMG_CHAINNET_WHY_SILENT )      snprintf( what, sizeof what, "it did not tell its chain" );
  else                                          snprintf( what, sizeof what, "the connection ended before it told its chain" );
  snprintf( out, DMG_CHAINNET_WHY_SZ, "%.*s: %s", sz, c->addr, what );
}

void peers_lost( net_t * n, conn_t const * c, uint16_t code ) {
  /* They dialled, and were not let in or come again; or we closed one of two. */
  if( n->is_stopping || ( !c->has_status && !c->is_outbound ) || code==DMG_CHAINNET_WHY_SECOND_LINE || code==DMG_CHAINNET_WHY_FEELER || code==DMG_CHAINNET_WHY_EARLY ) return;
  static char const * const ends[] = { [ DMG_NET_WHY_REMOTE ] = "it closed it", [ DMG_NET_WHY_IO ] = "the line broke", [ DMG_NET_WHY_IDLE ] = "nothing went over it", [ DMG_NET_WHY_PING ] = "it did not answer any more",
                                       [ DMG_NET_WHY_LIMIT ] = "it went above a limit", [ DMG_NET_WHY_BLOCKED ] = "it is blocked, as it sent false data", [ DMG_NET_WHY_PANIC ] = "a fault of our own" };
  char why[ DMG_CHAINNET_WHY_SZ ];
  if( !c->has_status )                         lost_early( n, c, code, why );
  else if( code<sizeof ends/sizeof *ends )     snprintf( why, sizeof why, "the connection ended: %s", ends[ code ] );
  else if( code==DMG_CHAINNET_WHY_FALSE_DATA ) snprintf( why, sizeof why, "the connection ended: it sent false data" );
  else if( code==DMG_CHAINNET_WHY_SILENT )     snprintf( why, sizeof why, "the connection ended: it said nothing for seconds" );
  else                                         snprintf( why, sizeof why, "the connection ended: we closed it" );
  peers_unreached( n, &n->known[ c->known ], dmg_span_cstr( why ) );
}

bool peers_tell( net_t * n, dmg_chainnet_out_t * out ) {
  if( !n->is_reach_due ) return false;
  for( int i = 0; i<DMG_CHAINNET_KNOWN_MAX; i++ ) {
    known_t * w = &n->known[ i ];
    if( !w->is_used || !w->is_due ) continue;
    w->is_due  = false;
    out->kind  = DMG_CHAINNET_REACH;
    out->who   = w->peer;
    out->is_up = w->is_up;
    out->text  = w->why;
    return true;
  }
  n->is_reach_due = false;
  return false;
}

/* --- whom to dial ----------------------------------------------------------------------------------------- */

static bool has_conn( net_t const * n, dmg_net_peer_t const * peer ) {
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) if( n->conns[ i ].is_used && dmg_net_peer_eq( &n->conns[ i ].peer, peer ) ) return true;
  return false;
}

static bool is_fit( void * ctx, dmg_addrman_peer_t const * p ) {
  net_t const * n = ctx;
  if( known_find( n, &p->peer )>=0 || has_conn( n, &p->peer ) ) return false;
  for( unsigned i = 0; i<BANS_MAX; i++ ) if( dmg_net_peer_eq( &n->bans[ i ].peer, &p->peer ) ) return false;
  bool is_any = false;
  for( uint32_t i = 0; i<p->addr_cnt; i++ ) is_any = is_any || is_fit_addr( n, &p->addrs[ i ] );   /* of a file, perhaps of another setting */
  if( !is_any || n->cfg.is_private ) return is_any;
  dmg_maddr_group_t g = dmg_maddr_group( &p->addrs[ 0 ] );
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) if( n->conns[ i ].is_used && n->conns[ i ].is_outbound && dmg_maddr_group_eq( &n->conns[ i ].group, &g ) ) return false;
  for( int i = 0; i<DMG_CHAINNET_KNOWN_MAX; i++ ) {
    dmg_maddr_group_t o;
    if( n->known[ i ].is_used && n->known[ i ].kind==KNOWN_FOUND && !n->known[ i ].conn_cnt && group_of( n->known[ i ].addrs[ 0 ], &o ) && dmg_maddr_group_eq( &o, &g ) ) return false;
  }
  return true;
}

static bool dial_found( net_t * n, dmg_addrman_peer_t const * p, bool is_feeler ) {
  int k = known_get( n, &p->peer );
  if( k<0 ) return false;
  known_t * w = &n->known[ k ];
  w->kind      = KNOWN_FOUND;
  w->is_feeler = is_feeler;
  w->dial_us   = n->now_us;
  for( uint32_t i = 0; i<p->addr_cnt; i++ ) if( is_fit_addr( n, &p->addrs[ i ] ) ) dmg_maddr_text( &p->addrs[ i ], w->addrs[ w->addr_cnt++ ] );
  net_wake( n, n->now_us );
  return true;
}

/* The anchors of the last life first (N10.3): an attacker who had us restarted does not choose. */
static bool dial_anchor( net_t * n ) {
  while( n->anchor_cnt ) {
    dmg_addrman_peer_t p;
    if( dmg_addrman_find( n->am, &n->anchors[ --n->anchor_cnt ], &p ) && is_fit( n, &p ) ) return dial_found( n, &p, false );
  }
  return false;
}

static uint32_t target( net_t * n ) {
  dmg_chainnet_head_t head;
  memset( &head, 0, sizeof head );
  n->chain->head( n->chain->ctx, &head );
  if( head.height!=n->stall_height || !n->stall_us || !n->conn_cnt ) { n->stall_height = head.height; n->stall_us = n->now_us; }
  return OUT_TARGET+( n->now_us-n->stall_us>=STALL_US ? 4 : 0 );
}

static void ask( net_t * n, conn_t * c, bool is_few ) {
  if( c->peers_asks<8 ) c->peers_asks++;           /* 2, 4, 8 .. seconds: who is new knows more soon */
  c->peers_us = n->now_us+net_jitter( n, dmg_min_u64( is_few ? PEERINFO_EVERY_US/4 : PEERINFO_EVERY_US, SEC<<c->peers_asks ) );
  c->has_peers = false;
  c->is_asking_peers = dmg_net_request( n->port, c->conn, DMG_CHAINNET_PEERINFO, dmg_span( NULL, 0 ), ASK_MS, &c->peers_id )==DMG_OK;
}

/* Who does not say of which chain it is takes a place; a validator's line has its own time (N3.1). */
static void nameless_close( net_t * n, conn_t * c ) {
  if( c->up_us+NAMELESS_US>n->now_us ) { net_wake( n, c->up_us+NAMELESS_US ); return; }
  /* What it said may wait to be read, as may a full queue of commands. */
  if( n->idle_us>=c->up_us+NAMELESS_US ) conn_close( n, c, DMG_CHAINNET_WHY_SILENT );
  if( !c->is_closing ) { net_wake( n, n->now_us+SEC/20 ); return; }
  if( c->is_outbound ) dmg_addrman_failed( n->am, &c->peer, false, wall_s( n ) );
  if( c->known>=0 ) dial_later( n, &n->known[ c->known ] );
}

void peers_tick( net_t * n ) {
  dmg_addrman_peer_t p;
  bool is_few = out_cnt( n )<OUT_TARGET;
  if( n->out_us<=n->now_us ) {
    bool is_dialled = dial_anchor( n ) || ( out_cnt( n )<target( n ) && dmg_addrman_pick( n->am, false, net_rand( n ), wall_s( n ), is_fit, n, &p ) && dial_found( n, &p, false ) );
    n->out_us = n->now_us+net_jitter( n, is_dialled ? SEC/4 : 2*SEC );
    for( int i = 0; i<DMG_CHAINNET_KNOWN_MAX; i++ ) {
      known_t * w = &n->known[ i ];
      /* Left our sets. */
      if( w->is_used && w->kind==KNOWN_MEMBER && !w->conn_cnt && !w->is_dialling && ( n->self<0 || member_of_peer( n, &w->peer )<0 ) ) w->is_used = false;
    }
  }
  net_wake( n, n->out_us );
  if( !n->feeler_us ) n->feeler_us = n->now_us+net_jitter( n, FEELER_EVERY_US );
  if( n->feeler_us<=n->now_us ) {
    n->feeler_us = n->now_us+net_jitter( n, FEELER_EVERY_US );
    if( dmg_addrman_pick( n->am, true, net_rand( n ), wall_s( n ), is_fit, n, &p ) ) (void)dial_found( n, &p, true );
  }
  net_wake( n, n->feeler_us );
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) {
    conn_t * c = &n->conns[ i ];
    if( !c->is_used || c->is_closing ) continue;
    if( c->other_us ) { conn_other_chain( n, c ); continue; }
    if( !c->has_status && c->member<0 ) nameless_close( n, c );
    if( !c->has_status || c->is_asking_peers ) continue;
    if( c->peers_us<=n->now_us ) ask( n, c, is_few );
    net_wake( n, c->peers_us );
  }
}

/* --- the file --------------------------------------------------------------------------------------------- */

dmg_verdict_t dmg_chainnet_peers_load( dmg_chainnet_t * n, dmg_span_t file ) { return dmg_addrman_load( n->am, file, n->anchors, &n->anchor_cnt ); }

dmg_err_t dmg_chainnet_peers_save( dmg_chainnet_t const * n, dmg_buf_t * out ) {
  /* Anchors: those we dialled that have lasted longest. */
  conn_t const * best[ DMG_ADDRMAN_ANCHORS ] = { 0 };
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) {
    conn_t const * c = &n->conns[ i ];
    if( !c->is_used || !c->is_outbound || !c->has_status || c->is_closing ) continue;
    for( unsigned k = 0; k<DMG_ADDRMAN_ANCHORS; k++ ) if( !best[ k ] || c->up_us<best[ k ]->up_us ) {
      for( unsigned m = DMG_ADDRMAN_ANCHORS-1; m>k; m-- ) best[ m ] = best[ m-1 ];
      best[ k ] = c;
      break;
    }
  }
  dmg_net_peer_t anchors[ DMG_ADDRMAN_ANCHORS ];
  uint32_t cnt = 0;
  for( unsigned k = 0; k<DMG_ADDRMAN_ANCHORS && best[ k ]; k++ ) anchors[ cnt++ ] = best[ k ]->peer;
  return dmg_addrman_save( n->am, anchors, cnt, out );
}
