/* Peers whose answers are false or longer than they may be: each costs one look, and who asked goes on elsewhere. */
#include "network/chainnet_int.h"
#include "network/test_chainnet_mem.h"

/* A port without a chainnet: status as it should be, all else as the test says. */
typedef struct { dmg_net_port_t * port; uint32_t conn, downs, asked[ DMG_CHAINNET_PROTO_CNT ], status_chunks; } raw_t;
static void (* raw_answer)( raw_t * r, dmg_net_ev_t const * ev );

static void raw_open( raw_t * r, uint8_t const seed[ 32 ] ) {
  uint8_t key[ 32 ];
  dmg_ed25519_public( seed, key );
  *r = (raw_t){ .port = dmg_mem_port_open( world, key, setup.protos, DMG_CHAINNET_PROTO_CNT ), .status_chunks = 1 };
}

static void raw_status( raw_t * r, uint64_t id ) {
  uint8_t b[ DMG_WIRE_STATUS_SZ ];
  dmg_wire_status_t s = { .genesis = test_genesis, .hash = test_genesis };
  dmg_wire_status_encode( &s, b );
  for( unsigned i = 0; i<r->status_chunks; i++ ) assert_int_equal( dmg_net_reply( r->port, id, DMG_WIRE_DATA, DMG_SPAN( b ), i+1==r->status_chunks ), DMG_OK );
}

static void raw_pump( raw_t * r ) {
  dmg_net_ev_t ev;
  for( unsigned u = 0; u<2; u++ ) while( dmg_net_poll( r->port, !u, &ev, 1 ) ) {
    if( ev.kind==DMG_NET_CONN_UP )   r->conn = ev.conn;
    if( ev.kind==DMG_NET_CONN_DOWN ) r->downs++;
    if( ev.kind==DMG_NET_NOTIFY_UP && !ev.code ) assert_int_equal( dmg_net_notify_answer( r->port, ev.id, 0 ), DMG_OK );
    if( ev.kind==DMG_NET_REQ ) {
      r->asked[ ev.proto ]++;
      if( ev.proto==DMG_CHAINNET_STATUS ) raw_status( r, ev.id );
      else if( raw_answer )               raw_answer( r, &ev );
    }
    dmg_net_release( r->port, &ev );
  }
}
static void raw_run( raw_t * r, unsigned ms ) { for( unsigned t = 0; t<ms; t += 10 ) { run( 10 ); raw_pump( r ); } }

static void raw_dial( raw_t * r, node_t * to ) {
  assert_int_equal( dmg_net_dial( r->port, &to->port->self, (char const *[]){ "/mem" }, 1, false, &r->conn ), DMG_OK );
  raw_run( r, 50 );
}

/* --- what has one chunk ----------------------------------------------------------------------------------- */

static void test_a_status_has_one_chunk( void ** state ) {
  (void)state;
  for( unsigned chunks = 1; chunks<=2; chunks++ ) {
    begin( 401, 0, 0 );
    node_t * nd = node_add( -1, true );
    raw_t r;
    raw_open( &r, (uint8_t const[ 32 ]){ 0xab } );
    r.status_chunks = chunks;
    raw_answer = NULL;
    raw_dial( &r, nd );
    raw_run( &r, 2000 );
    assert_int_equal( info_of( nd ).requests_bad, chunks-1 );
    assert_int_equal( r.downs, chunks-1 );
    dmg_net_free( r.port );
    end();
  }
}

/* --- what is false ---------------------------------------------------------------------------------------- */

/* 1 MiB in some 60 bytes, which is no body: unpacked, hashed, and once more for each that follows. */
static void false_bodies( raw_t * r, dmg_net_ev_t const * ev ) {
  if( ev->proto!=DMG_CHAINNET_BODIES ) return;
  static uint8_t zero[ DMG_WIRE_BODY_SZ_MAX ];
  dmg_buf_t chunk = dmg_buf( 2u<<20 );
  assert_int_equal( dmg_wire_body_encode( DMG_SPAN( zero ), &chunk ), DMG_OK );
  for( unsigned i = 0; i<50; i++ ) if( dmg_net_reply( r->port, ev->id, DMG_WIRE_DATA, dmg_buf_span( &chunk ), false )!=DMG_OK ) break;
  dmg_buf_fini( &chunk );
}

static void test_a_false_answer_is_the_last_of_it( void ** state ) {
  (void)state;
  begin( 402, 100, 0 );
  for( unsigned i = 0; i<3; i++ ) { node_add( (int)i, false ); nodes[ i ].height = i ? 100 : 10; }
  for( unsigned i = 0; i<3; i++ ) for( unsigned k = 0; k<3; k++ ) if( i!=k ) know( &nodes[ i ], &nodes[ k ] );
  RUN_UNTIL( is_mesh( 3 ), 5000 );
  raw_t r;
  raw_open( &r, seeds[ 3 ] );
  raw_answer = false_bodies;
  raw_dial( &r, &nodes[ 0 ] );
  raw_run( &r, 200 );
  block_t const * b = &store->blocks[ 51 ];
  dmg_fetch_t f = { .what = DMG_FETCH_BODY, .hash = b->hash, .body_hash = dmg_hash_load( b->header+206 ), .body_len = (uint32_t)b->body.sz, .epoch = b->epoch, .view = b->view };
  dmg_chainnet_peer_t peers[ 8 ];
  size_t cnt = dmg_chainnet_peers( nodes[ 0 ].net, peers, 8 );
  uint64_t first[ 4 ] = { 0 };
  for( size_t i = 0; i<cnt; i++ ) if( dmg_net_peer_eq( &peers[ i ].peer, &r.port->self ) && peers[ i ].validator>=0 ) first[ peers[ i ].validator/64 ] |= (uint64_t)1<<( peers[ i ].validator%64 );
  assert_true( first[ 0 ]|first[ 1 ]|first[ 2 ]|first[ 3 ] );
  dmg_wire_hello_t hello = { .genesis = test_genesis };
  uint8_t h[ DMG_WIRE_HELLO_SZ ];
  uint64_t id;
  dmg_wire_hello_encode( &hello, h );
  assert_int_equal( dmg_net_notify_open( r.port, r.conn, DMG_CHAINNET_CONS, DMG_SPAN( h ), &id ), DMG_OK );
  raw_run( &r, 200 );
  assert_int_equal( dmg_chainnet_fetch( nodes[ 0 ].net, &f, first, dmg_mem_net_now( world ) ), DMG_OK );
  for( unsigned t = 0; t<100 && !nodes[ 0 ].got; t++ ) raw_run( &r, 10 );
  assert_int_equal( r.asked[ DMG_CHAINNET_BODIES ], 1 );
  assert_int_equal( nodes[ 0 ].got, 1 );               /* of another, at once */
  raw_run( &r, 1000 );
  assert_int_equal( info_of( &nodes[ 0 ] ).requests_bad, 1 );
  assert_int_equal( r.downs, 0 );                      /* C2.6: its votes count */
  dmg_net_free( r.port );
  end();
}

/* --- what is said again ----------------------------------------------------------------------------------- */

/* One transaction in the same bytes, when what it wanted is there: in a quiet network nothing else had come between. */
static void test_a_batch_is_judged_again_later( void ** state ) {
  (void)state;
  begin( 404, 0, 0 );
  validators( 4 );
  RUN_UNTIL( is_mesh( 4 ), 5000 );
  uint8_t tx[ 200 ] = "again";
  for( unsigned round = 0; round<2; round++ ) {
    assert_int_equal( dmg_chainnet_send_tx( nodes[ 0 ].net, DMG_SPAN( tx ), dmg_mem_net_now( world ) ), DMG_OK );
    run( 1000 );
    assert_int_equal( nodes[ 1 ].batches, 1 );           /* by gossip and txfwd, seen once; at once again: known */
  }
  run( 15000 );
  assert_int_equal( dmg_chainnet_send_tx( nodes[ 0 ].net, DMG_SPAN( tx ), dmg_mem_net_now( world ) ), DMG_OK );
  run( 1000 );
  assert_int_equal( nodes[ 1 ].batches, 2 );
  end();
}

/* Nobody is there for a while: a batch waits for whoever comes, as at the start. */
static void test_a_batch_waits_while_nobody_is_there( void ** state ) {
  (void)state;
  begin( 405, 0, 0 );
  node_t * nd = node_add( 0, false ), * f = node_add( -1, true );
  know( f, nd );
  RUN_UNTIL( info_of( f ).conn_cnt==1, 3000 );
  run( 500 );
  for( unsigned round = 1; round<=2; round++ ) {
    dmg_mem_cut( f->port, nd->port, true );
    RUN_UNTIL( !info_of( f ).conn_cnt, 3000 );
    uint8_t tx[ 100 ] = { (uint8_t)round };
    assert_int_equal( dmg_chainnet_send_tx( f->net, DMG_SPAN( tx ), dmg_mem_net_now( world ) ), DMG_OK );
    run( 2000 );
    assert_int_equal( info_of( f ).txs_out, round-1 );
    dmg_mem_cut( f->port, nd->port, false );
    RUN_UNTIL( info_of( f ).conn_cnt==1, 60000 );
    run( 500 );
    assert_int_equal( nd->tx_seen_cnt, round );
  }
  end();
}

/* --- a sync that was cut off ------------------------------------------------------------------------------ */

/* Its FINALIZATION is true and of a committed block, its height is not: what was asked for on its word is not waited for, or the next sync would take it for a false answer to its own question. */
static void test_a_height_that_is_not_so_costs_nobody_else( void ** state ) {
  (void)state;
  begin( 408, 900, 0 );
  validators( 2 );
  for( unsigned i = 0; i<2; i++ ) { nodes[ i ].height = 500; nodes[ i ].told_height = 1000000; }
  node_t * f = node_add( -1, true );
  f->is_bare = true;
  f->height  = 600;
  for( unsigned i = 0; i<2; i++ ) know( f, &nodes[ i ] );
  dmg_mem_slow( f->port, 200000 );                     /* the eight chunks of the answer come one after the other */
  RUN_UNTIL( f->net->sync.stage==SYNC_BACK, 10000 );
  RUN_UNTIL( f->net->sync.stage==SYNC_IDLE, 10000 );
  for( unsigned i = 0; i<SYNC_REQ_MAX; i++ ) assert_false( f->net->sync.reqs[ i ].is_used );
  assert_int_equal( f->sync_bad, 0 );
  end();
}

/* Of a sync's blocks the last has a certificate: who was stopped before it goes on from what is committed, not from genesis; and is not told backward by one that is behind. */
static void test_a_sync_goes_on_from_what_is_committed( void ** state ) {
  (void)state;
  begin( 406, 900, 0 );
  validators( 2 );
  nodes[ 0 ].height = nodes[ 1 ].height = 500;
  node_t * f = node_add( -1, true );
  f->is_bare = true;
  f->height  = 600;
  for( unsigned i = 0; i<2; i++ ) know( f, &nodes[ i ] );
  run( 15000 );
  assert_int_equal( f->syncs, 0 );
  assert_int_equal( f->sync_bad, 0 );
  assert_int_equal( f->height, 600 );
  nodes[ 0 ].height = nodes[ 1 ].height = 900;
  RUN_UNTIL( f->height==900, 30000 );
  assert_int_equal( f->syncs, 300 );
  assert_int_equal( f->sync_bad, 0 );
  end();
  /* Another block at a height that is committed here is another chain all the same (C9.5). */
  begin( 407, 500, 0 );
  validators( 2 );
  nodes[ 0 ].height = nodes[ 1 ].height = 500;
  store_t * fork = store_new( 999, 600, 0 );
  node_t * g = node_add( -1, true );
  g->store   = fork;
  g->is_bare = true;
  g->height  = 600;
  for( unsigned i = 0; i<2; i++ ) know( g, &nodes[ i ] );
  RUN_UNTIL( g->sync_bad, 20000 );
  assert_non_null( strstr( g->text, "does not contain our final block" ) );
  node_end( g );
  end();
  store_free( fork );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_a_status_has_one_chunk ),
    cmocka_unit_test( test_a_false_answer_is_the_last_of_it ),
    cmocka_unit_test( test_a_batch_is_judged_again_later ),
    cmocka_unit_test( test_a_batch_waits_while_nobody_is_there ),
    cmocka_unit_test( test_a_sync_goes_on_from_what_is_committed ),
    cmocka_unit_test( test_a_height_that_is_not_so_costs_nobody_else ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
