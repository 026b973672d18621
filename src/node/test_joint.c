/* A driver and its network in one: what users of a follower give it reaches others, however long nobody is there; what is said of validators is judged. */
#include "network/port_mem.h"
#include "node/joint.h"
#include "node/test_validator_util.h"

enum { TXS = 150 };

static dmg_chainnet_setup_t setup_net;
static dmg_mem_net_t *      net;
static dmg_net_port_t *     own, * other;
static dmg_chain_t *        chain;
static dmg_joint_t *        j;

static dmg_net_port_t * port_open( uint8_t id ) {
  uint8_t seed[ 32 ] = { id }, key[ 32 ];
  dmg_ed25519_public( seed, key );
  return dmg_mem_port_open( net, key, setup_net.protos, DMG_CHAINNET_PROTO_CNT );
}

static void turns( uint64_t ms ) {
  for( uint64_t end = dmg_mem_net_now( net )+ms*1000; dmg_mem_net_now( net )<end; ) {
    uint64_t now = dmg_mem_net_now( net )+1000, wake;
    dmg_mem_net_advance( net, now );
    for( unsigned i = 0; i<64 && dmg_joint_take( j, now ); i++ ) {}
    assert_int_equal( dmg_joint_turn( j, now, (uint64_t)GENESIS_S*1000+now/1000, &wake ), DMG_OK );
  }
}

/* Transactions that came in batches of the topic. */
static uint32_t count_txs( dmg_net_port_t * port ) {
  uint32_t cnt = 0, n;
  static dmg_span_t txs[ DMG_CHAINNET_TXS_MAX ];
  dmg_net_ev_t ev;
  for( int u = 1; u>=0; u-- ) while( dmg_net_poll( port, u, &ev, 1 ) ) {
    if( ev.kind==DMG_NET_GOSSIP ) {
      assert_int_equal( dmg_wire_txs_decode( ev.data, txs, &n ).kind, DMG_VERDICT_GOOD );
      cnt += n;
      assert_int_equal( dmg_net_verdict( port, ev.id, DMG_NET_ACCEPT ), DMG_OK );
    }
    dmg_net_release( port, &ev );
  }
  return cnt;
}

/* A follower and a foreign port, not connected yet. */
static void begin( void ) {
  make_world( 4, 1, 0 );
  dmg_chain_cfg_t cfg = { .genesis = w.genesis, .modules = modules, .module_cnt = 2, .cache_dir = cache_dir, .is_several = true, .tree_sz_max = 64<<20 };
  dmg_vm_signals_restore();
  dmg_err_t err = dmg_chain_open( &cfg, &chain, why );
  if( err ) fail_msg( "%s", why );
  net = dmg_mem_net_new( 7 );
  dmg_mem_net_faults( net, &(dmg_mem_faults_t){ .delay_us = 5000 } );
  dmg_chainnet_setup( &chain->chain_id, 0, &setup_net );
  own   = port_open( 1 );
  other = port_open( 9 );
  dmg_joint_cfg_t jcfg = { .chain = chain, .port = own, .seed = { 1 }, .secret = { 2 }, .is_private = true };
  assert_int_equal( dmg_joint_open( &jcfg, 0, (uint64_t)GENESIS_S*1000, &j, why ), DMG_OK );
  assert_int_equal( dmg_joint_start( j, 0 ), DMG_OK );
}

static void end( void ) {
  dmg_joint_close( j );
  dmg_net_free( own );
  dmg_net_free( other );
  dmg_mem_net_free( net );
  dmg_chain_close( chain );
  end_world();
}

/* The foreign port joins a topic and meets the follower. */
static void meet( char const * name, uint32_t data_max, char out_topic[ DMG_WIRE_NAME_SZ ] ) {
  uint32_t conn;
  dmg_wire_name( &chain->chain_id, 0, name, out_topic );
  assert_int_equal( dmg_net_topic( other, &(dmg_net_topic_t){ .name = out_topic, .data_max = data_max }, true ), DMG_OK );
  assert_int_equal( dmg_net_dial( other, &own->self, (char const *[]){ "/mem" }, 1, false, &conn ), DMG_OK );
}

static void test_transactions_of_a_follower_wait_for_peers( void ** state ) {
  char topic[ DMG_WIRE_NAME_SZ ];
  begin();
  chain->on_outbox = n_txs;   /* somebody is told, as in a node */
  chain->on_outbox_ctx = &w.p[ 0 ];
  /* More than a batch, in some turns. */
  size_t sz = 0;
  dmg_hash_t id, to = { { 42 } };
  for( uint32_t i = 0; i<TXS; i++ ) {
    dmg_query_submit_t it;
    dmg_span_t raw = transfer( chain, &accounts[ 5+i%4 ], &to, 1+i, i/4, &id );
    sz += raw.sz;
    assert_int_equal( submit( chain, raw, &it ), DMG_OK );
    if( i%10==9 ) turns( 20 );
  }
  assert_true( sz>DMG_WIRE_TX_BATCH_SZ );
  turns( 1000 );
  meet( "tx", 1u<<20, topic );
  turns( 2000 );
  assert_int_equal( count_txs( other ), TXS );
  end();
}

/* C9.5: a follower judges and keeps what is said of validators, too. */
static void test_evidence_is_judged_and_goes_out( void ** state ) {
  static uint8_t b[ DMG_EVIDENCE_SZ_MAX ];
  char topic[ DMG_WIRE_NAME_SZ ];
  begin();
  meet( "evidence", DMG_EVIDENCE_SZ_MAX, topic );
  turns( 2000 );
  assert_int_equal( dmg_net_publish( other, topic, pair_of( &w.p[ 1 ], chain, 0, 3, true, b ) ), DMG_OK );
  for( uint64_t view = 1; view<3; view++ ) assert_int_equal( dmg_net_publish( other, topic, pair_of( &w.p[ 2 ], chain, 0, view, false, b ) ), DMG_OK );
  turns( 200 );
  dmg_validator_info_t info;
  dmg_chainnet_info_t seen;
  dmg_validator_info( dmg_joint_validator( j ), &info );
  dmg_chainnet_info( dmg_joint_net( j ), &seen );
  assert_int_equal( info.evidence, 1 );
  assert_int_equal( seen.evidence_in, 1 );
  assert_int_equal( seen.evidence_late, 1 );
  assert_int_equal( seen.evidence_bad, 1 );
  assert_int_equal( dmg_mem_rejects( own ), 1 );
  /* What a link brings, or is found here, goes out. */
  uint8_t f[ 1+DMG_EVIDENCE_SZ_MAX ] = { DMG_FRAME_EVIDENCE };
  dmg_span_t proof = pair_of( &w.p[ 3 ], chain, 0, 1, false, f+1 );
  dmg_validator_link( dmg_joint_validator( j ), 0, true, w.p[ 0 ].key );
  dmg_validator_frame( dmg_joint_validator( j ), 0, dmg_span( f, 1+proof.sz ) );
  turns( 100 );
  dmg_net_ev_t ev;
  uint32_t told = 0;
  while( dmg_net_poll( other, false, &ev, 1 ) ) {
    told += ev.kind==DMG_NET_GOSSIP && dmg_span_eq( ev.addr, dmg_span_cstr( topic ) ) && dmg_span_eq( ev.data, proof );
    dmg_net_release( other, &ev );
  }
  assert_int_equal( told, 1 );
  end();
}

static void * in_thread( void * arg ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_transactions_of_a_follower_wait_for_peers ), cmocka_unit_test( test_evidence_is_judged_and_goes_out ) };
  return (void *)(intptr_t)cmocka_run_group_tests( tests, setup, teardown );
}

int main( int argc, char ** argv ) { return in_deep_thread( in_thread, argc, argv ); }
