/* Connections, dialling, events and ticks; the rest is in chainnet_*.c. */
#include "base/num.h"
#include "network/chainnet_int.h"

#include <stdlib.h>

enum { POLL_URGENT = 32, POLL_COMMON = 16 /* together what evs holds */, BODY_MEM = 8u<<20 };

/* --- the port's settings ---------------------------------------------------------------------------------- */

#define PROTO( name, class, ... ) { .cls = DMG_NET_CLS_##class, .in_max = 2, .out_max = 2, .first_ms = 5000, .next_ms = 10000, __VA_ARGS__ }

void dmg_chainnet_setup( dmg_hash_t const * genesis, uint32_t fork, dmg_chainnet_setup_t * out ) {
  static char const * const names[ DMG_CHAINNET_PROTO_CNT ] = { "cons", "body", "shred", "txfwd", "status", "headers", "bodies", "proposal", "epochs", "peerinfo", "runs", "bodytx", "txs" };
  static dmg_net_proto_t const protos[ DMG_CHAINNET_PROTO_CNT ] = {
    [ DMG_CHAINNET_CONS ]     = PROTO( cons,     CONSENSUS, .is_notify = true, .frame_max = DMG_FRAME_SZ_MAX, .queue_max = 512u<<10, .frames_per_s = 400, .frames_burst = 512 ),   /* N8.2 */
    [ DMG_CHAINNET_BODY ]     = PROTO( body,     BODIES,    .is_notify = true, .frame_max = DMG_WIRE_HEAD_SZ+DMG_WIRE_BODY_SZ_MAX, .queue_max = 4u<<20, .frames_per_s = 20, .frames_burst = 40 ),
    [ DMG_CHAINNET_SHRED ]    = PROTO( shred,    BODIES,    .is_notify = true, .frame_max = DMG_WIRE_SHARD_FRAME_MAX, .queue_max = 4u<<20, .frames_per_s = 800, .frames_burst = 1024 ),
    [ DMG_CHAINNET_TXFWD ]    = PROTO( txfwd,    GOSSIP,    .is_notify = true, .frame_max = DMG_WIRE_TX_SZ_MAX+2, .queue_max = 256u<<10, .frames_per_s = 100, .frames_burst = 200 ),
    [ DMG_CHAINNET_STATUS ]   = PROTO( status,   GOSSIP,    .frame_max = DMG_WIRE_STATUS_SZ, .request_max = DMG_WIRE_STATUS_SZ, .queue_max = 4u<<10 ),
    [ DMG_CHAINNET_HEADERS ]  = PROTO( headers,  BULK,      .frame_max = DMG_WIRE_HEADERS_CHUNK_SZ, .request_max = DMG_WIRE_HEADERS_REQ_SZ, .queue_max = 1u<<20 ),
    [ DMG_CHAINNET_BODIES ]   = PROTO( bodies,   BULK,      .frame_max = DMG_WIRE_BODY_CHUNK_MAX, .request_max = DMG_WIRE_BODIES_REQ_SZ_MAX, .queue_max = 4u<<20 ),
    [ DMG_CHAINNET_PROPOSAL ] = PROTO( proposal, BODIES,    .frame_max = DMG_FRAME_SZ_MAX, .request_max = DMG_WIRE_PROPOSAL_REQ_SZ, .queue_max = 256u<<10 ),
    [ DMG_CHAINNET_PEERINFO ] = PROTO( peerinfo, GOSSIP,    .frame_max = DMG_WIRE_PEERINFO_SZ_MAX, .request_max = 1, .queue_max = 256u<<10 ),
    [ DMG_CHAINNET_RUNS ]     = PROTO( runs,     BODIES,    .frame_max = DMG_LEAVES_SZ_MAX, .request_max = DMG_WIRE_RUNS_REQ_SZ, .queue_max = 256u<<10 ),
    [ DMG_CHAINNET_EPOCHS ]   = PROTO( epochs,   BULK,      .frame_max = DMG_HANDOVER_SZ_MAX, .request_max = DMG_WIRE_EPOCHS_REQ_SZ, .queue_max = 1u<<20 ),
    [ DMG_CHAINNET_BODYTX ]   = PROTO( bodytx,   BODIES,    .frame_max = DMG_WIRE_PREFILLED_TX_MAX, .request_max = DMG_WIRE_BODYTX_REQ_SZ_MAX, .queue_max = 2u<<20 ),
    [ DMG_CHAINNET_TXREQ ]    = PROTO( txs,      GOSSIP,    .frame_max = 1+DMG_WIRE_PREFILLED_TX_MAX, .request_max = DMG_WIRE_IDS_REQ_SZ_MAX, .queue_max = 256u<<10 ),
  };
  memset( out, 0, sizeof *out );
  for( unsigned i = 0; i<DMG_CHAINNET_PROTO_CNT; i++ ) {
    dmg_wire_name( genesis, fork, names[ i ], out->names[ i ] );
    out->protos[ i ]    = protos[ i ];
    out->protos[ i ].id = out->names[ i ];
  }
  dmg_wire_name( genesis, fork, "", out->version );
  dmg_hash_t tag = dmg_sha256( dmg_span_cstr( dmg_tag_text( DMG_TAG_NET_GOSSIP ) ) );   /* N7.2 */
  memcpy( out->gossip_prefix, tag.b, 32 );
  memcpy( out->gossip_prefix+32, tag.b, 32 );
}

/* --- small things ----------------------------------------------------------------------------------------- */

uint64_t net_rand( net_t * n ) { return dmg_rnd_u64( &n->rng ); }   /* jitter only, nothing depends on its being secret */

uint64_t net_jitter( net_t * n, uint64_t us ) { return us-us/4+net_rand( n )%( us/2+1 ); }

void net_wake( net_t * n, uint64_t at_us ) {
  /* Not now: what is due is being done, and what cannot be done at once shall not spin. */
  if( at_us<n->now_us+1000 ) at_us = n->now_us+1000;
  if( at_us<n->wake_us ) n->wake_us = at_us;
}

/* Token bucket: units a 10 s, up to burst. */
static void bucket_fill( bucket_t * b, uint64_t now_us, uint64_t per_10s, uint64_t burst ) {
  if( !b->us ) *b = (bucket_t){ .level = burst*SEC, .us = now_us ? now_us : 1 };
  uint64_t dt = dmg_min_u64( now_us>b->us ? now_us-b->us : 0, 100*SEC );
  b->level = dmg_min_u64( burst*SEC, b->level+dt*per_10s/10 );
  if( now_us>b->us ) b->us = now_us;
}

bool bucket_take( bucket_t * b, uint64_t now_us, uint64_t units, uint64_t per_10s, uint64_t burst ) {
  bucket_fill( b, now_us, per_10s, burst );
  if( b->level<units*SEC ) return false;
  b->level -= units*SEC;
  return true;
}

void bucket_pay( bucket_t * b, uint64_t now_us, uint64_t units, uint64_t per_10s, uint64_t burst ) {
  bucket_fill( b, now_us, per_10s, burst );
  uint64_t owed = units*SEC>b->level ? units*SEC-b->level : 0;
  b->level -= units*SEC-owed;
  b->us    += owed/per_10s*10;                     /* nothing comes in before it is paid */
}

dmg_verdict_t body_judge( net_t * n, dmg_span_t body, dmg_hash_t const * body_hash ) {
  dmg_body_t * b;
  dmg_verdict_t v = dmg_body_decode( body, n->scratch, &b );
  if( !v.kind ) {
    dmg_hash_t h = dmg_body_hash( b );
    if( !dmg_hash_eq( &h, body_hash ) ) v = dmg_verdict_bad( "body", "of another hash", 0 );
  }
  dmg_arena_reset( n->scratch );
  return v;
}

/* --- birth and death -------------------------------------------------------------------------------------- */

dmg_chainnet_t * dmg_chainnet_new( dmg_arena_t * arena, dmg_chainnet_cfg_t const * cfg ) {
  DMG_ASSERT( cfg->chain->leader && cfg->chain->judge_header && cfg->chain->seed && cfg->chain->each_tx && cfg->chain->tx && cfg->chain->take_evidence );
  net_t * n = DMG_ARENA_NEW( arena, net_t, 1 );
  if( !n ) return NULL;
  n->sync.skeleton = DMG_ARENA_NEW( arena, stretch_t, SKELETON_MAX );
  n->sync.headers  = dmg_arena_alloc( arena, (size_t)HEADERS_MAX*DMG_SIGNED_HEADER_SZ );
  n->scratch       = dmg_arena_new( BODY_MEM );
  n->am            = dmg_addrman_new( arena, cfg->secret+16 );
  if( !n->am || !n->sync.skeleton || !n->sync.headers || !n->scratch ) {
    dmg_arena_free( n->scratch );
    return NULL;
  }
  n->cfg     = *cfg;
  n->port    = cfg->port;
  n->chain   = cfg->chain;
  n->rng     = dmg_load_u64le( cfg->secret );
  n->wake_us = UINT64_MAX;
  n->self    = -1;
  n->relay_seq = cfg->wall_ms<<20;
  n->window  = 4;
  n->raw     = dmg_buf( DMG_WIRE_BODY_SZ_MAX );
  n->chunk   = dmg_buf( DMG_WIRE_BODY_SZ_MAX+DMG_WIRE_BODY_CHUNK_MAX );
  n->own_slots = dmg_buf( DMG_BODY_TX_MAX*sizeof( slot_t ) );
  n->shred_mem = dmg_buf( 4*( (size_t)DMG_WIRE_BODY_SZ_MAX+64*DMG_RS_N_MAX ) );
  n->frame     = dmg_buf( DMG_WIRE_BLOCK_SZ_MAX-DMG_SIGNED_HEADER_SZ );
  for( unsigned i = 0; i<TELLING_MAX; i++ ) n->telling[ i ].msg = dmg_buf( DMG_WIRE_BLOCK_SZ_MAX );
  n->short_odd = dmg_load_u64le( cfg->secret+8 )|1;
  if( !n->cfg.body_max ) n->cfg.body_max = DMG_WIRE_BODY_SZ_MAX;
  for( unsigned i = 0; i<WINDOW; i++ ) n->sync.slots[ i ].buf = dmg_buf( DMG_WIRE_BODY_SZ_MAX );
  dmg_wire_name( &cfg->genesis, cfg->fork, "tx", n->topic_tx );
  dmg_wire_name( &cfg->genesis, cfg->fork, "final", n->topic_final );
  dmg_wire_name( &cfg->genesis, cfg->fork, "block", n->topic_block );
  dmg_wire_name( &cfg->genesis, cfg->fork, "evidence", n->topic_evidence );
  return n;
}

dmg_err_t dmg_chainnet_start( dmg_chainnet_t * n, uint64_t now_us ) {
  /* N7.4; decay to a hundredth in an hour or 10 min, a second's tick. */
  dmg_net_topic_t topic = { .mesh_time_weight = 1.0/3600, .mesh_time_cap = 3600, .mesh_time_quantum_ms = 1000, .first_cap = 100, .mesh_decay = 0.5, .mesh_cap = 10,
                            .mesh_threshold = 1, .mesh_window_ms = 10, .mesh_activation_ms = 1000, .mesh_failure_decay = 0.5, .invalid_weight = -1000, .invalid_decay = 0.99872 };
  topic.name = n->topic_tx;
  topic.data_max = DMG_WIRE_TX_SZ_MAX+2;
  topic.weight = 0.1;
  topic.first_weight = 0.5;
  topic.first_decay = 0.99235;
  DMG_TRY( dmg_net_topic( n->port, &topic, true ) );
  topic.name = n->topic_final;
  topic.data_max = 4096;
  topic.weight = 0.5;
  topic.first_weight = 5;
  topic.first_decay = 0.99872;
  DMG_TRY( dmg_net_topic( n->port, &topic, true ) );
  topic.name = n->topic_block;
  topic.data_max = DMG_WIRE_BLOCK_SZ_MAX;
  DMG_TRY( dmg_net_topic( n->port, &topic, true ) );
  topic.name = n->topic_evidence;
  topic.data_max = DMG_EVIDENCE_SZ_MAX;
  topic.weight = 0.2;
  DMG_TRY( dmg_net_topic( n->port, &topic, true ) );
  n->now_us     = now_us;
  n->start_us   = now_us;
  n->wake_us    = now_us;
  n->is_started = true;
  return DMG_OK;
}

void dmg_chainnet_fini( dmg_chainnet_t * n ) {
  if( n->is_ev_held ) n->ev_pos--;
  while( n->ev_pos<n->ev_cnt ) dmg_net_release( n->port, &n->evs[ n->ev_pos++ ] );
  n->is_ev_held = false;
  sync_fini( n );
  body_fini( n );
  block_fini( n );
  dmg_buf_fini( &n->raw );
  dmg_buf_fini( &n->chunk );
  dmg_arena_free( n->scratch );
  n->scratch = NULL;
}

dmg_err_t dmg_chainnet_stop( dmg_chainnet_t * n, uint32_t ms ) {
  n->is_stopping = true;
  return dmg_net_stop( n->port, ms );
}

/* --- peers with addresses --------------------------------------------------------------------------------- */

int known_find( net_t const * n, dmg_net_peer_t const * peer ) {
  for( int i = 0; i<DMG_CHAINNET_KNOWN_MAX; i++ ) if( n->known[ i ].is_used && dmg_net_peer_eq( &n->known[ i ].peer, peer ) ) return i;
  return -1;
}

int known_get( net_t * n, dmg_net_peer_t const * peer ) {
  int i = known_find( n, peer );
  if( i>=0 ) return i;
  for( i = 0; i<DMG_CHAINNET_KNOWN_MAX; i++ ) if( !n->known[ i ].is_used ) {
    n->known[ i ] = (known_t){ .is_used = true, .peer = *peer };
    return i;
  }
  return -1;
}

void known_keep( net_t * n, int k, uint8_t kind ) {
  known_t * w = &n->known[ k ];
  w->kind      = kind;
  w->is_feeler = false;
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) {
    conn_t * c = &n->conns[ i ];
    if( !c->is_used || !dmg_net_peer_eq( &c->peer, &w->peer ) ) continue;
    c->is_feeler = false;
    if( c->known<0 ) { c->known = (int16_t)k; w->conn_cnt++; }
  }
}

dmg_err_t dmg_chainnet_add_peer( dmg_chainnet_t * n, dmg_net_peer_t const * peer, char const * const * addrs, size_t addr_cnt ) {
  uint8_t key[ 32 ];
  if( !dmg_wire_peer_key( peer, key ) || dmg_net_peer_eq( peer, &n->port->self ) ) return DMG_ERR_INVALID;
  for( size_t i = 0; i<addr_cnt; i++ ) if( !addrs[ i ][ 0 ] || strlen( addrs[ i ] )>=DMG_CHAINNET_ADDR_SZ_MAX ) return DMG_ERR_INVALID;
  int k = known_get( n, peer );
  if( k<0 ) return DMG_ERR_FULL;
  known_t * w = &n->known[ k ];
  for( size_t i = 0; i<addr_cnt; i++ ) {
    uint32_t j = 0;
    while( j<w->addr_cnt && strcmp( w->addrs[ j ], addrs[ i ] ) ) j++;
    if( j<w->addr_cnt ) continue;
    if( j==DMG_CHAINNET_ADDR_MAX ) return DMG_ERR_FULL;
    memcpy( w->addrs[ j ], addrs[ i ], strlen( addrs[ i ] )+1 );
    w->addr_cnt++;
  }
  known_keep( n, k, KNOWN_CONFIG );
  w->own_cnt = w->addr_cnt;
  int member = member_of_peer( n, peer );
  if( member>=0 && n->self>=0 ) member_pass( n, &n->members[ member ], true );
  /* N8.1: both sides dial; the one whose line would stay goes first, so that most pairs need no second. */
  if( !w->dial_us ) w->dial_us = n->now_us+( dmg_net_peer_cmp( &n->port->self, peer )>0 ? SEC/2 : 0 );
  net_wake( n, w->dial_us );
  return DMG_OK;
}

dmg_err_t dmg_chainnet_dial( dmg_chainnet_t * n, dmg_net_peer_t const * peer, char const * addr, uint64_t now_us, bool * out_is_up ) {
  if( now_us>n->now_us ) n->now_us = now_us;
  *out_is_up = false;
  bool is_up = false;
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX && !is_up; i++ ) {
    conn_t const * c = &n->conns[ i ];
    is_up = c->is_used && c->has_status && !c->is_closing && dmg_net_peer_eq( &c->peer, peer );
  }
  int k = known_find( n, peer );
  if( is_up && k>=0 && n->known[ k ].kind==KNOWN_CONFIG ) { *out_is_up = true; return DMG_OK; }
  if( k>=0 ) {
    /* To the end of the own ones, where it is dialled alone; what its record says is known again by the next one. */
    known_t * w = &n->known[ k ];
    uint32_t cnt = 0;
    for( uint32_t a = 0; a<w->own_cnt; a++ ) if( strcmp( w->addrs[ a ], addr ) ) memmove( w->addrs[ cnt++ ], w->addrs[ a ], sizeof *w->addrs );
    w->own_cnt    = w->addr_cnt = (uint32_t)dmg_min_u64( cnt, DMG_CHAINNET_ADDR_MAX-1 );
    w->record_seq = 0;
  }
  DMG_TRY( dmg_chainnet_add_peer( n, peer, &addr, 1 ) );
  known_t * w = &n->known[ known_find( n, peer ) ];
  w->is_due     = false;   /* what came before the wish is no answer to it */
  w->is_up      = *out_is_up = is_up;
  if( is_up ) return DMG_OK;
  w->is_again   = w->is_dialling;
  w->is_alone   = true;
  w->dial_us    = n->now_us;
  w->backoff_us = 0;
  net_wake( n, n->now_us );
  return DMG_OK;
}

/* N6.1: back-off 5 s to 5 min, of validators 1 to 5 s, +-25 %. */
void dial_later( net_t * n, known_t * w ) {
  bool is_validator = member_of_peer( n, &w->peer )>=0;
  uint64_t low = is_validator ? SEC : 5*SEC, high = is_validator ? 5*SEC : 300*SEC;
  w->backoff_us = w->backoff_us ? dmg_min_u64( high, 2*w->backoff_us ) : low;
  w->dial_us    = n->now_us+net_jitter( n, w->backoff_us );
}

static void dial_tick( net_t * n ) {
  for( int i = 0; i<DMG_CHAINNET_KNOWN_MAX; i++ ) {
    known_t * w = &n->known[ i ];
    if( !w->is_used || !w->addr_cnt || w->conn_cnt || w->is_dialling || n->is_stopping ) continue;
    if( w->dial_us>n->now_us ) { net_wake( n, w->dial_us ); continue; }
    char const * addrs[ DMG_CHAINNET_ADDR_MAX ];
    uint32_t cnt = 0;
    for( uint32_t a = w->is_alone ? w->own_cnt-1 : 0; a<( w->is_alone ? w->own_cnt : w->addr_cnt ); a++ ) addrs[ cnt++ ] = w->addrs[ a ];
    switch( dmg_net_dial( n->port, &w->peer, addrs, cnt, false, &w->dial_conn ) ) {
      case DMG_OK:       w->is_dialling = true; w->is_alone = false; continue;
      case DMG_ERR_FULL: w->dial_us = n->now_us+SEC/4; break;   /* 16 dials are under way */
      default:                                                  /* an address that is none */
        w->is_alone = false;
        dial_later( n, w );
        peers_unreached( n, w, DMG_SPAN_STR( "one of its addresses is of no kind that is dialled here" ) );
        peers_dialled( n, w );
        if( !w->is_used ) continue;
    }
    net_wake( n, w->dial_us );
  }
}

/* --- connections ------------------------------------------------------------------------------------------ */

int conn_find( net_t const * n, uint32_t conn ) {
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) if( n->conns[ i ].is_used && n->conns[ i ].conn==conn ) return i;
  return -1;
}

void conn_close( net_t * n, conn_t * c, uint16_t why ) {
  if( c->is_closing ) return;
  /* FULL: the queue of commands is; what sent us here comes again. */
  c->is_closing = dmg_net_close( n->port, c->conn, why )!=DMG_ERR_FULL;
}

void conn_false( net_t * n, conn_t * c ) {
  n->stat.requests_bad++;
  if( c->is_closing ) return;
  if( c->member>=0 ) {
    /* C2.6: with exactly q alive every valid vote counts, so its line stays. */
    n->members[ c->member ].false_until_us = n->now_us+FALSE_REST_US;
    return;
  }
  ban_t * b = &n->bans[ 0 ];
  for( unsigned i = 0; i<BANS_MAX; i++ ) if( n->bans[ i ].until_us<b->until_us ) b = &n->bans[ i ];
  if( b->peer.sz ) (void)!dmg_net_tag( n->port, &b->peer, 0 );   /* the oldest makes room */
  *b  = (ban_t){ .peer = c->peer, .until_us = n->now_us+BAN_US };
  (void)!dmg_net_tag( n->port, &c->peer, DMG_NET_TAG_BLOCKED );
  if( c->known>=0 ) { n->known[ c->known ].dial_us = b->until_us; n->known[ c->known ].backoff_us = 0; }
  net_wake( n, b->until_us );
  conn_close( n, c, DMG_CHAINNET_WHY_FALSE_DATA );
}

void conn_other_chain( net_t * n, conn_t * c ) {
  if( !c->other_us ) {
    if( c->known>=0 ) n->known[ c->known ].dial_us = n->now_us+OTHER_CHAIN_US;
    dmg_addrman_failed( n->am, &c->peer, true, 0 );
    /* Who dialled waits until identify has told of whom it is; who was dialled lets it, or all the other learns is that the connection ended. */
    c->other_us = n->now_us+SEC;
  }
  if( ( c->is_outbound && c->version[ 0 ] ) || c->other_us<=n->now_us ) conn_close( n, c, DMG_CHAINNET_WHY_OTHER_CHAIN );
  /* Not closed yet, as it waits or the queue of commands is full. */
  if( !c->is_closing ) net_wake( n, c->other_us>n->now_us ? c->other_us : n->now_us+SEC/20 );
}

static void bans_tick( net_t * n ) {
  for( unsigned i = 0; i<BANS_MAX; i++ ) {
    ban_t * b = &n->bans[ i ];
    if( !b->peer.sz ) continue;
    if( b->until_us>n->now_us ) { net_wake( n, b->until_us ); continue; }
    (void)!dmg_net_tag( n->port, &b->peer, 0 );
    *b = (ban_t){ 0 };
  }
}

static void copy_text( char * out, size_t cap, dmg_span_t text ) {
  size_t sz = text.sz<cap-1 ? text.sz : cap-1;
  if( sz ) memcpy( out, text.p, sz );
  for( size_t i = 0; i<sz; i++ ) if( text.p[ i ]<0x20 || text.p[ i ]>=0x7f ) out[ i ] = '?';
  out[ sz ] = '\0';
}

static void on_conn_up( net_t * n, dmg_net_ev_t const * ev ) {
  int i = 0;
  while( i<DMG_CHAINNET_CONN_MAX && n->conns[ i ].is_used ) i++;
  int known = known_find( n, &ev->peer );
  if( known>=0 && n->known[ known ].is_dialling && n->known[ known ].dial_conn==ev->conn ) n->known[ known ].is_dialling = n->known[ known ].is_again = n->known[ known ].is_alone = false;
  if( i==DMG_CHAINNET_CONN_MAX ) {
    (void)!dmg_net_close( n->port, ev->conn, DMG_CHAINNET_WHY_FULL );
    return;
  }
  conn_t * c = &n->conns[ i ];
  *c = (conn_t){ .is_used = true, .is_outbound = !( ev->code&1 ), .conn = ev->conn, .peer = ev->peer, .known = (int16_t)known, .member = -1, .up_us = n->now_us, .has_share = ev->code&4 };
  copy_text( c->addr, sizeof c->addr, ev->addr );
  n->conn_cnt++;
  n->stat.conns_up++;
  if( known>=0 ) {
    known_t * w = &n->known[ known ];
    w->conn_cnt++;
  }
  c->status_us = n->now_us;
  net_wake( n, n->now_us );
  peers_conn_up( n, i );
  gossip_conn_up( n, i );
  links_conn_up( n, i );
}

char const * dmg_chainnet_closed_name( uint32_t place ) {
  static char const * const names[ DMG_CHAINNET_CLOSED_CNT ] = { "remote", "io", "idle", "ping", "limit", "blocked", "panic", "stop", "other_chain", "second_line", "core", "false_data", "silent", "full", "feeler", "early" };
  DMG_ASSERT( place<DMG_CHAINNET_CLOSED_CNT );
  return names[ place ];
}

char const * dmg_chainnet_refused_name( uint32_t code ) {
  static char const * const names[ DMG_CHAINNET_REFUSED_CNT ] = { "other", "stopping", "memory", "total", "pending", "rate", "net_rate", "per_ip", "per_net", "blocked", "per_peer", "kind", "events" };
  DMG_ASSERT( code<DMG_CHAINNET_REFUSED_CNT );
  return names[ code ];
}

static void count_closed( net_t * n, uint16_t why ) {
  if( why<=DMG_NET_WHY_STOP ) n->stat.closed[ why ]++;
  else if( why>=DMG_NET_WHY_APP && why<DMG_CHAINNET_WHY_END ) n->stat.closed[ DMG_NET_WHY_STOP+1+why-DMG_NET_WHY_APP ]++;
}

static void on_conn_down( net_t * n, int i, uint16_t code ) {
  conn_t * c = &n->conns[ i ];
  links_conn_down( n, i );
  serve_conn_down( n, i );
  fetch_conn_down( n, i );
  body_conn_down( n, i );
  sync_conn_down( n, i );
  if( c->known>=0 ) {
    known_t * w = &n->known[ c->known ];
    DMG_ASSERT( w->conn_cnt );
    /* One that lasted is dialled soon again; one that broke at once is not hammered. */
    if( !--w->conn_cnt && w->dial_us<=n->now_us ) {
      if( n->now_us-c->up_us<5*SEC && !c->is_closing ) dial_later( n, w );
      else w->dial_us = n->now_us+net_jitter( n, SEC/2 );
    }
    if( !w->conn_cnt ) peers_lost( n, c, code );
    net_wake( n, w->dial_us );
  }
  peers_conn_down( n, i );
  gossip_conn_down( n, i );
  c->is_used = false;
  n->conn_cnt--;
}

/* A foreign implementation says what it likes there (js-libp2p "ipfs/0.1.0"): only a name of the form of ours says another chain. */
bool conn_names_other( net_t const * n, conn_t const * c ) {
  char own[ DMG_WIRE_NAME_SZ ];
  dmg_wire_name( &n->cfg.genesis, n->cfg.fork, "", own );
  return !strncmp( c->version, "/dmg/", 5 ) && strcmp( c->version, own );
}

/* What stands in the line of that name; empty: there is none. */
static dmg_span_t line_of( dmg_span_t lines, char const * name ) {
  size_t name_sz = strlen( name );
  for( size_t at = 0; at<lines.sz; ) {
    uint8_t const * line = lines.p+at, * end = memchr( line, '\n', lines.sz-at );
    size_t sz = end ? (size_t)( end-line ) : lines.sz-at;
    if( sz>name_sz && !memcmp( line, name, name_sz ) && line[ name_sz ]==' ' ) return dmg_span( line+name_sz+1, sz-name_sz-1 );
    at += sz+1;
  }
  return dmg_span( NULL, 0 );
}

static void on_identified( net_t * n, conn_t * c, dmg_span_t lines ) {
  copy_text( c->agent, sizeof c->agent, line_of( lines, "agent" ) );
  copy_text( c->version, sizeof c->version, line_of( lines, "version" ) );
  if( c->other_us || conn_names_other( n, c ) ) conn_other_chain( n, c );
}

/* --- the loop --------------------------------------------------------------------------------------------- */

/* true: out holds something, with bytes of the event. */
static bool on_event( net_t * n, dmg_net_ev_t const * ev, dmg_chainnet_out_t * out ) {
  switch( ev->kind ) {
    case DMG_NET_GOSSIP:
    case DMG_NET_TOPIC_PEERS: return gossip_event( n, ev, out );
    case DMG_NET_CONN_UP:     on_conn_up( n, ev ); return false;
    case DMG_NET_LISTENING: {
      char addr[ DMG_CHAINNET_ADDR_SZ_MAX ];
      copy_text( addr, sizeof addr, ev->addr );
      if( !ev->code ) dmg_chainnet_listens( n, addr, false );
      return false;
    }
    case DMG_NET_STOPPED:     n->is_stopped_due = true; return false;
    case DMG_NET_REFUSED:     n->stat.refused[ ev->code<DMG_CHAINNET_REFUSED_CNT ? ev->code : 0 ] += ev->id; return false;
    case DMG_NET_CONN_DOWN:   count_closed( n, ev->code ); break;
    case DMG_NET_DIAL_FAILED: {
      int k = known_find( n, &ev->peer );
      if( k<0 || !n->known[ k ].is_dialling || n->known[ k ].dial_conn!=ev->conn ) return false;
      known_t * w = &n->known[ k ];
      w->is_dialling = false;
      if( w->is_again ) w->dial_us = n->now_us;
      else { dial_later( n, w ); if( !w->conn_cnt ) peers_unreached( n, w, ev->data ); }
      w->is_again = false;
      net_wake( n, w->dial_us );
      peers_dialled( n, w );
      return false;
    }
    case DMG_NET_REQ_END:
      if( serve_end( n, ev ) ) return false;
      break;
    default: break;
  }
  int i = conn_find( n, ev->conn );
  if( i<0 ) return false;
  conn_t * c = &n->conns[ i ];
  switch( ev->kind ) {
    case DMG_NET_CONN_DOWN:   on_conn_down( n, i, ev->code ); return false;
    case DMG_NET_IDENTIFIED:  on_identified( n, c, ev->data ); return false;
    case DMG_NET_RTT:         c->rtt_us = ev->id; return false;
    case DMG_NET_PRESSURE:    /* N2.7 */
      if( ev->code>=90 && c->member<0 ) conn_close( n, c, DMG_CHAINNET_WHY_FULL );
      return false;
    case DMG_NET_NOTIFY_UP:
    case DMG_NET_NOTIFY:
    case DMG_NET_NOTIFY_DOWN: return links_event( n, ev, out );
    case DMG_NET_REQ:         serve_req( n, ev ); return false;
    case DMG_NET_ROOM:        serve_room( n, ev ); return false;
    case DMG_NET_CHUNK: {
      if( c->is_closing ) return false;
      bool is_mine = false, is_out = fetch_chunk( n, i, ev, out, &is_mine );
      if( !is_mine ) is_out = body_chunk( n, i, ev, out, &is_mine );
      if( !is_mine && !peers_chunk( n, i, ev ) ) sync_chunk( n, i, ev );
      return is_out;
    }
    case DMG_NET_REQ_END:
      if( !fetch_end( n, i, ev ) && !body_end( n, i, ev ) && !peers_end( n, i, ev ) ) sync_end( n, i, ev );
      return false;
    default: return false;
  }
}

static void tick( net_t * n ) {
  n->wake_us = UINT64_MAX;
  if( n->is_stopping ) return;
  bans_tick( n );
  dial_tick( n );
  links_tick( n );
  relay_tick( n );
  peers_tick( n );
  body_tick( n );
  fetch_tick( n );
  serve_tick( n );
  gossip_tick( n );
  sync_tick( n );
}

bool dmg_chainnet_next( dmg_chainnet_t * n, uint64_t now_us, dmg_chainnet_out_t * out ) {
  if( !n->is_started ) return false;
  if( now_us>n->now_us ) n->now_us = now_us;
  if( n->is_ev_held ) {
    dmg_net_release( n->port, &n->evs[ n->ev_pos-1 ] );
    n->is_ev_held = false;
  }
  for( ;; ) {
    memset( out, 0, sizeof *out );
    if( links_tell( n, out ) || fetch_tell( n, out ) || sync_tell( n, out ) || peers_tell( n, out ) ) return true;
    if( n->now_us>=n->wake_us ) { tick( n ); continue; }
    if( n->ev_pos==n->ev_cnt ) {
      n->ev_pos = 0;
      n->ev_cnt = (uint32_t)dmg_net_poll( n->port, true, n->evs, POLL_URGENT );
      if( !n->ev_cnt ) {
        /* What the common ring tells of a peer came after its CONN_UP, which may have come since: it has its turn before. */
        dmg_net_ev_t common[ POLL_COMMON ];
        size_t cnt = dmg_net_poll( n->port, false, common, POLL_COMMON );
        if( cnt ) n->ev_cnt = (uint32_t)dmg_net_poll( n->port, true, n->evs, POLL_URGENT );
        memcpy( n->evs+n->ev_cnt, common, cnt*sizeof *common );
        n->ev_cnt += (uint32_t)cnt;
      }
      if( !n->ev_cnt ) { n->idle_us = n->now_us; break; }
    }
    dmg_net_ev_t * ev = &n->evs[ n->ev_pos++ ];
    if( on_event( n, ev, out ) ) { n->is_ev_held = true; return true; }
    dmg_net_release( n->port, ev );
  }
  /* STOPPED is the last of the urgent ring, what the common one held has been read too. */
  if( !n->is_stopped_due ) return false;
  n->is_stopped_due = false;
  out->kind = DMG_CHAINNET_STOPPED;
  return true;
}

/* Events that were read from the port and not handed out yet make none of its descriptors readable. */
uint64_t dmg_chainnet_wake_us( dmg_chainnet_t const * n ) {
  bool is_more = n->ev_pos<n->ev_cnt || n->is_links_dirty || n->is_fetch_done || n->sync.is_dirty || n->is_reach_due || n->is_stopped_due;
  return is_more && n->is_started ? 0 : n->wake_us;
}

/* --- to show ---------------------------------------------------------------------------------------------- */

void dmg_chainnet_info( dmg_chainnet_t const * n, dmg_chainnet_info_t * out ) {
  *out = n->stat;
  out->conn_cnt  = n->conn_cnt;
  out->batch_cnt = n->batch_wait_cnt;
  out->in_cnt = out->relayed_cnt = out->link_cnt = out->known_cnt = out->fetch_cnt = 0;
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) out->in_cnt += n->conns[ i ].is_used && !n->conns[ i ].is_outbound;
  for( int i = 0; i<DMG_CHAINNET_PEER_MAX; i++ )  {
    out->link_cnt    += n->members[ i ].is_used && n->members[ i ].is_direct;
    out->relayed_cnt += n->members[ i ].is_used && n->members[ i ].is_via;
  }
  for( int i = 0; i<DMG_CHAINNET_KNOWN_MAX; i++ ) out->known_cnt += n->known[ i ].is_used;
  for( int i = 0; i<DMG_CHAINNET_FETCH_MAX; i++ ) out->fetch_cnt += n->fetches[ i ].is_used;
  dmg_addrman_counts( n->am, &out->new_cnt, &out->tried_cnt );
  out->is_syncing  = n->sync.stage!=SYNC_IDLE;
  out->sync_height = n->sync.height;
  out->sync_goal   = n->sync.top_height;
  out->heap_sz     = n->raw.cap+n->chunk.cap+BODY_MEM+body_heap( n )+block_heap( n );
  for( unsigned i = 0; i<WINDOW; i++ ) out->heap_sz += n->sync.slots[ i ].buf.cap;
}

uint64_t dmg_chainnet_behind( dmg_chainnet_t const * n ) { return n->sync.stage!=SYNC_IDLE && n->sync.top_height>n->sync.height ? n->sync.top_height-n->sync.height : 0; }

uint32_t dmg_chainnet_conn_cnt( dmg_chainnet_t const * n ) { return n->conn_cnt; }

size_t dmg_chainnet_peers( dmg_chainnet_t const * n, dmg_chainnet_peer_t * out, size_t max ) {
  size_t cnt = 0;
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) {
    conn_t const * c = &n->conns[ i ];
    if( !c->is_used ) continue;
    if( cnt<max ) {
      dmg_chainnet_peer_t * p = &out[ cnt ];
      *p = (dmg_chainnet_peer_t){ .peer = c->peer, .conn = c->conn, .is_outbound = c->is_outbound, .has_status = c->has_status, .validator = c->member,
                                  .rtt_us = c->rtt_us, .height = c->height, .final_view = c->final_view, .roles = c->roles };
      p->is_link = c->member>=0 && n->members[ c->member ].is_direct && n->members[ c->member ].line==i;
      memcpy( p->addr, c->addr, sizeof p->addr );
      memcpy( p->agent, c->agent, sizeof p->agent );
    }
    cnt++;
  }
  return cnt;
}
