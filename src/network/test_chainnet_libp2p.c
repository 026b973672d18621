/* The chain's protocols over libp2p: four validators and a follower in one process, on loopback. */
#include "network/test_chainnet_util.h"
#include "network/port_libp2p.h"
#include "base/os.h"

#include <poll.h>

enum { NODES = VALIDATORS+1, FOLLOWER = VALIDATORS };

static dmg_chainnet_setup_t setup;
static node_t               nodes[ NODES ];
static char                 addrs[ NODES ][ DMG_CHAINNET_ADDR_SZ_MAX ];
static store_t *            store;

static uint64_t now_us( void ) { return dmg_os_mono_ns()/1000; }

static void node_open( unsigned i, char const * listen ) {
  dmg_libp2p_cfg_t cfg;
  dmg_libp2p_cfg_init( &cfg );
  uint8_t seed[ 32 ];
  if( i<VALIDATORS ) memcpy( seed, seeds[ i ], 32 );
  else memset( seed, 99, 32 );
  memcpy( cfg.seed, seed, 32 );
  cfg.agent            = "demiurge/test";
  cfg.version          = i==FOLLOWER ? "another/0.1.0" : setup.version;   /* as a foreign implementation has it; `status` tells the chain */
  cfg.listen           = &listen;
  cfg.listen_cnt       = 1;
  cfg.protos           = setup.protos;
  cfg.proto_cnt        = DMG_CHAINNET_PROTO_CNT;
  cfg.gossip_id_prefix = DMG_SPAN( setup.gossip_prefix );
  cfg.is_private       = true;
  cfg.has_quic         = strstr( listen, "quic" )!=NULL;
  cfg.heartbeat_ms     = 100;
  char why[ 256 ];
  dmg_net_port_t * port;
  if( dmg_libp2p_open( &cfg, &port, why ) ) fail_msg( "open: %s", why );
  /* Its address, before the machine reads the port. */
  uint64_t end = now_us()+5000000;
  addrs[ i ][ 0 ] = '\0';
  while( !addrs[ i ][ 0 ] ) {
    if( now_us()>end ) fail_msg( "no address" );
    dmg_net_ev_t ev;
    if( !dmg_net_poll( port, true, &ev, 1 ) ) { poll( NULL, 0, 1 ); continue; }
    if( ev.kind==DMG_NET_LISTENING ) snprintf( addrs[ i ], sizeof addrs[ i ], "%.*s", DMG_SPAN_F( ev.addr ) );
    dmg_net_release( port, &ev );
  }
  node_t * nd = &nodes[ i ];
  node_begin( nd, i<VALIDATORS ? (int)i : -1, seed, port, store, i==FOLLOWER, now_us() );
  dmg_net_peer_t by_lib;
  uint8_t key[ 32 ];
  assert_true( dmg_wire_peer_key( &port->self, key ) );
  assert_int_equal( dmg_libp2p_peer_of_key( key, &by_lib ), DMG_OK );   /* our bytes of a peer id are the library's */
  assert_true( dmg_net_peer_eq( &by_lib, &port->self ) );
  if( i<VALIDATORS ) assert_int_equal( dmg_chainnet_set_members( nd->net, 0, members, VALIDATORS, now_us() ), DMG_OK );
  dmg_chainnet_set_view( nd->net, 0, 1, 0, 4 );
}

static void pump( void ) {
  struct pollfd fds[ 2*NODES ];
  unsigned fd_cnt = 0;
  uint64_t now = now_us(), wake = now+10000;
  for( unsigned i = 0; i<NODES; i++ ) {
    node_t * nd = &nodes[ i ];
    if( !nd->net ) continue;
    node_hello( nd, now );
    while( node_step( nd, now_us() ) ) {}
    if( dmg_chainnet_wake_us( nd->net )<wake ) wake = dmg_chainnet_wake_us( nd->net );
    for( unsigned u = 0; u<2; u++ ) fds[ fd_cnt++ ] = (struct pollfd){ .fd = dmg_net_fd( nd->port, u ), .events = POLLIN };
  }
  now = now_us();
  poll( fds, fd_cnt, wake>now ? (int)( ( wake-now )/1000+1 ) : 0 );
}

#define PUMP_UNTIL( cond ) do { \
    uint64_t end_ = now_us()+20000000; \
    while( !( cond ) ) { if( now_us()>end_ ) fail_msg( "waited in vain for %s", #cond ); pump(); } \
  } while( 0 )

static void pump_for( uint64_t ms ) { for( uint64_t end = now_us()+ms*1000; now_us()<end; ) pump(); }

static bool is_mesh( void ) {
  for( unsigned i = 0; i<VALIDATORS; i++ ) {
    unsigned cnt = 0;
    for( unsigned k = 0; k<DMG_CHAINNET_PEER_MAX; k++ ) cnt += nodes[ i ].is_up[ k ];
    dmg_chainnet_info_t info = info_of( &nodes[ i ] );
    if( cnt!=VALIDATORS-1 || info.link_cnt!=VALIDATORS-1 || info.conn_cnt!=VALIDATORS-1u+( i==0 ) ) return false;
  }
  return true;
}

static void talk_over( char const * listen ) {
  members_make();
  dmg_chainnet_setup( &test_genesis, 0, &setup );
  store = store_new( 5, 650, 500000 );
  for( unsigned i = 0; i<NODES; i++ ) node_open( i, listen );
  for( unsigned i = 0; i<VALIDATORS; i++ ) nodes[ i ].height = 600;
  for( unsigned i = 0; i<VALIDATORS; i++ ) for( unsigned k = 0; k<VALIDATORS; k++ )
    if( i!=k ) assert_int_equal( dmg_chainnet_add_peer( nodes[ i ].net, &nodes[ k ].port->self, (char const *[]){ addrs[ k ] }, 1 ), DMG_OK );
  assert_int_equal( dmg_chainnet_add_peer( nodes[ FOLLOWER ].net, &nodes[ 0 ].port->self, (char const *[]){ addrs[ 0 ] }, 1 ), DMG_OK );

  /* One line a pair, and the follower's. */
  PUMP_UNTIL( is_mesh() );

  /* Frames: 300 votes of each to all, none lost, in order. */
  uint64_t all[ 4 ];
  all_peers( all );
  uint32_t before[ VALIDATORS ];
  for( unsigned i = 0; i<VALIDATORS; i++ ) before[ i ] = nodes[ i ].by_kind[ DMG_FRAME_VOTE ];
  for( unsigned k = 0; k<300; k++ ) for( unsigned i = 0; i<VALIDATORS; i++ ) {
    uint8_t vote[ 1+DMG_VOTE_WIRE_SZ ];
    vote_make( vote, 0, 1+k%12, (uint16_t)i );
    dmg_chainnet_send( nodes[ i ].net, all, DMG_SPAN( vote ) );
  }
  PUMP_UNTIL( nodes[ 0 ].by_kind[ DMG_FRAME_VOTE ]-before[ 0 ]==900 && nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ]-before[ 1 ]==900
              && nodes[ 2 ].by_kind[ DMG_FRAME_VOTE ]-before[ 2 ]==900 && nodes[ 3 ].by_kind[ DMG_FRAME_VOTE ]-before[ 3 ]==900 );

  /* A body of the leader of views 1 to 4. */
  static uint8_t tx[ 60000 ];
  dmg_span_t txs[ 10 ];
  for( unsigned i = 0; i<10; i++ ) txs[ i ] = DMG_SPAN( tx );
  dmg_body_t body = { .txs = txs, .tx_cnt = 10 };
  dmg_hash_t hash = dmg_body_hash( &body );
  dmg_buf_t bytes = dmg_buf( 1u<<20 );
  assert_int_equal( dmg_body_encode( &body, &bytes ), DMG_OK );
  assert_int_equal( dmg_chainnet_push_body( nodes[ 0 ].net, 0, 2, &hash, dmg_buf_span( &bytes ) ), DMG_OK );
  PUMP_UNTIL( nodes[ 1 ].pushed && nodes[ 2 ].pushed && nodes[ 3 ].pushed );
  assert_memory_equal( nodes[ 3 ].last_hash.b, hash.b, 32 );
  assert_int_equal( nodes[ 3 ].last_bytes_sz, bytes.sz );
  dmg_buf_fini( &bytes );

  /* The follower has come to 600 by itself. */
  PUMP_UNTIL( nodes[ FOLLOWER ].height==600 && nodes[ FOLLOWER ].synced );
  assert_int_equal( nodes[ FOLLOWER ].syncs, 600 );

  /* Fetch: only one of them has it. */
  nodes[ 2 ].height = 650;
  leaves_make( 0, 5 );
  for( unsigned what = 0; what<=DMG_FETCH_RUNS; what++ ) {
    block_t const * b = &store->blocks[ 640 ];
    dmg_fetch_t f = { .what = (uint8_t)what, .hash = b->hash, .body_hash = dmg_hash_load( b->header+206 ), .body_len = (uint32_t)b->body.sz, .epoch = b->epoch, .view = b->view, .root = leaves_root, .count = 5 };
    assert_int_equal( dmg_chainnet_fetch( nodes[ 1 ].net, &f, NULL, now_us() ), DMG_OK );
    PUMP_UNTIL( nodes[ 1 ].got==what+1u );
  }
  assert_int_equal( nodes[ 1 ].got_none, 0 );

  /* Transactions sent to any reach all, the follower by a hop. */
  for( unsigned k = 0; k<40; k++ ) {
    uint8_t raw[ 500 ] = { 't', (uint8_t)k };
    assert_int_equal( dmg_chainnet_send_tx( nodes[ k%VALIDATORS ].net, DMG_SPAN( raw ), now_us() ), DMG_OK );
    if( k%10==9 ) pump_for( 30 );
  }
  PUMP_UNTIL( nodes[ FOLLOWER ].tx_seen_cnt==40 && nodes[ 0 ].tx_seen_cnt==30 && nodes[ 1 ].tx_seen_cnt==30 && nodes[ 2 ].tx_seen_cnt==30 && nodes[ 3 ].tx_seen_cnt==30 );
  for( unsigned i = 0; i<NODES; i++ ) assert_int_equal( nodes[ i ].tx_twice, 0 );

  /* Topic final: the follower hears of each block and gets it. */
  for( uint32_t h = 601; h<=610; h++ ) {
    for( unsigned i = 0; i<VALIDATORS; i++ ) {
      if( nodes[ i ].height<h ) nodes[ i ].height = h;
      dmg_signed_header_t sh;
      assert_int_equal( dmg_signed_header_decode( DMG_SPAN( store->blocks[ h-1 ].header ), &sh ).kind, DMG_VERDICT_GOOD );
      dmg_cert_t fin = fin_of( &store->blocks[ h-1 ] );
      fin.bitmap[ 0 ] = (uint8_t)i;
      dmg_chainnet_send_final( nodes[ i ].net, &sh.header, &fin, i==h%4, now_us() );
    }
    PUMP_UNTIL( nodes[ FOLLOWER ].height>=h );
  }

  /* A node ends: the others' links go down; it comes back at another address of its own dialling. */
  node_end( &nodes[ 3 ] );
  PUMP_UNTIL( nodes[ 0 ].downs==1 && nodes[ 1 ].downs==1 && nodes[ 2 ].downs==1 );
  node_open( 3, listen );
  for( unsigned k = 0; k<3; k++ ) assert_int_equal( dmg_chainnet_add_peer( nodes[ 3 ].net, &nodes[ k ].port->self, (char const *[]){ addrs[ k ] }, 1 ), DMG_OK );
  PUMP_UNTIL( is_mesh() );

  for( unsigned i = 0; i<NODES; i++ ) {
    dmg_chainnet_info_t info = info_of( &nodes[ i ] );
    assert_int_equal( info.frames_bad+info.bodies_bad+info.requests_bad+info.batches_bad+info.finals_bad, 0 );
    assert_int_equal( info.closed[ DMG_NET_WHY_STOP+1+DMG_CHAINNET_WHY_OTHER_CHAIN-DMG_NET_WHY_APP ], 0 );
  }
  assert_int_equal( dmg_chainnet_stop( nodes[ 0 ].net, 1000 ), DMG_OK );
  PUMP_UNTIL( nodes[ 0 ].stopped );
  for( unsigned i = 0; i<NODES; i++ ) node_end( &nodes[ i ] );
  store_free( store );
}

static void test_five_nodes_over_tcp( void ** state )  { talk_over( "/ip4/127.0.0.1/tcp/0" ); }
static void test_five_nodes_over_quic( void ** state ) { talk_over( "/ip4/127.0.0.1/udp/0/quic-v1" ); }

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_five_nodes_over_tcp ), cmocka_unit_test( test_five_nodes_over_quic ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
