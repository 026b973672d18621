/* What answers cost who gives them: bodies of a mebibyte that pack to nothing, or to themselves. */
#include "network/test_chainnet_mem.h"

enum { STRANGERS = 12, BODY_SZ = 1u<<20 };

/* Asks for as many bodies as a question may, two questions at a time; after "slow down" it waits the second that it says. */
typedef struct { dmg_net_port_t * port; uint32_t conn, conn_downs, open, slow, bodies; uint64_t sz, wait_us; } asker_t;
static uint32_t ask_cnt = DMG_WIRE_BODIES_MAX;   /* bodies a question */
static asker_t askers[ STRANGERS ];

static bool     is_random;
static uint32_t body_calls;
static dmg_err_t mebibyte( void * ctx, dmg_hash_t const * block, dmg_buf_t * out ) {
  (void)ctx; (void)block;
  static uint8_t b[ BODY_SZ ];
  static uint64_t rng = 1;
  if( is_random && !b[ 0 ] ) for( size_t i = 0; i<BODY_SZ; i++ ) b[ i ] = (uint8_t)( 1|dmg_rnd_u64( &rng ) );
  if( !is_random ) memset( b, 0, sizeof b );
  body_calls++;
  return dmg_buf_append( out, b, sizeof b );
}

static node_t * serving( int index ) {
  node_t * nd = node_add( index, false );
  chains[ ( chain_cnt-1 )%64 ].body = mebibyte;
  return nd;
}

static void asker_begin( asker_t * a, uint8_t const seed[ 32 ], node_t * to ) {
  uint8_t key[ 32 ];
  dmg_ed25519_public( seed, key );
  *a = (asker_t){ .port = dmg_mem_port_open( world, key, setup.protos, DMG_CHAINNET_PROTO_CNT ) };
  assert_int_equal( dmg_net_dial( a->port, &to->port->self, (char const *[]){ "/mem" }, 1, false, &a->conn ), DMG_OK );
}

static void asker_pump( asker_t * a, bool asks ) {
  dmg_net_ev_t ev;
  uint64_t id, now = dmg_mem_net_now( world );
  for( unsigned u = 0; u<2; u++ ) while( dmg_net_poll( a->port, !u, &ev, 1 ) ) {
    if( ev.kind==DMG_NET_CONN_DOWN ) a->conn_downs++;
    if( ev.kind==DMG_NET_REQ_END && a->open ) a->open--;
    if( ev.kind==DMG_NET_CHUNK && ev.code==DMG_WIRE_SLOW_DOWN ) { a->slow++; a->wait_us = now+1000000; }
    if( ev.kind==DMG_NET_CHUNK && ev.code==DMG_WIRE_DATA ) { a->bodies++; a->sz += ev.data.sz; }
    dmg_net_release( a->port, &ev );
  }
  dmg_wire_bodies_req_t q = { .cnt = ask_cnt };
  uint8_t b[ DMG_WIRE_BODIES_REQ_SZ_MAX ];
  size_t sz = dmg_wire_bodies_req_encode( &q, b );
  while( asks && a->open<2 && now>=a->wait_us && dmg_net_request( a->port, a->conn, DMG_CHAINNET_BODIES, dmg_span( b, sz ), 60000, &id )==DMG_OK ) a->open++;
}

/* One millisecond a round; the most bodies that were read for one call's time. */
static uint32_t serve_for( node_t * nd, unsigned ms, unsigned asker_cnt ) {
  uint32_t most = 0;
  for( unsigned t = 0; t<ms; t++ ) {
    uint64_t now = dmg_mem_net_now( world )+1000;
    dmg_mem_net_advance( world, now );
    uint32_t before = body_calls;
    node_hello( nd, now );
    while( node_step( nd, now ) ) {}
    if( body_calls-before>most ) most = body_calls-before;
    for( unsigned i = 0; i<asker_cnt; i++ ) asker_pump( &askers[ i ], true );
  }
  return most;
}

/* N6.1: 16 MiB a second, and two seconds of that at once. */
static void test_answers_are_paid_for( void ** state ) {
  (void)state;
  begin( 500, 0, 0 );
  is_random  = true;
  body_calls = 0;
  node_t * nd = serving( 0 );
  asker_begin( &askers[ 0 ], seeds[ 1 ], nd );            /* a validator: its own limit is all there is */
  run( 100 );
  serve_for( nd, 5000, 1 );
  asker_t const * a = &askers[ 0 ];
  printf( "%u bodies, %u times slow\n", a->bodies, a->slow );
  assert_int_equal( a->conn_downs, 0 );
  assert_true( a->sz>(uint64_t)70<<20 );
  /* Two questions that began in time bring 64 each, and are paid for before the next. */
  assert_true( a->sz<=( (uint64_t)32+5*16+2*64 )<<20 );
  assert_true( a->slow>0 );
  dmg_net_free( askers[ 0 ].port );
  end();
}

/* A question takes 33 bytes a body, a body of small packing some milliseconds of the thread that votes. */
static void test_a_long_answer_lets_others_in( void ** state ) {
  (void)state;
  begin( 501, 0, 0 );
  is_random  = false;
  body_calls = 0;
  node_t * nd = serving( 0 );
  for( unsigned i = 0; i<STRANGERS; i++ ) {
    uint8_t seed[ 32 ] = { 0xcc, (uint8_t)i };
    asker_begin( &askers[ i ], seed, nd );
  }
  run( 100 );
  uint32_t most = serve_for( nd, 10000, STRANGERS ), all = body_calls;
  printf( "%u bodies in 10 s, at most %u in a call\n", all, most );
  assert_true( most<=2*STRANGERS+1 );                     /* as many questions come at once: one each, then one a turn */
  assert_in_range( all, 300, 32+320+2*STRANGERS+2 );      /* 32 MiB a second for all strangers, unpacked */
  /* A validator's questions are not theirs to crowd out. */
  asker_t v;
  asker_begin( &v, seeds[ 1 ], nd );
  serve_for( nd, 100, STRANGERS );
  asker_pump( &v, true );
  for( unsigned t = 0; t<10; t++ ) { serve_for( nd, 100, STRANGERS ); asker_pump( &v, false ); }
  assert_int_equal( v.bodies, 2*DMG_WIRE_BODIES_MAX );
  dmg_net_free( v.port );
  for( unsigned i = 0; i<STRANGERS; i++ ) dmg_net_free( askers[ i ].port );
  end();
}

/* What there is for all strangers is used up: those whose questions are short wait for their turn like the rest, and nobody is told that he asked too often. */
static void test_strangers_take_turns( void ** state ) {
  (void)state;
  begin( 502, 0, 0 );
  is_random = false;
  ask_cnt   = 4;
  node_t * nd = serving( 0 );
  for( unsigned i = 0; i<STRANGERS; i++ ) {
    uint8_t seed[ 32 ] = { 0xcd, (uint8_t)i };
    asker_begin( &askers[ i ], seed, nd );
  }
  run( 100 );
  serve_for( nd, 10000, STRANGERS );
  uint32_t least = UINT32_MAX, most = 0;
  for( unsigned i = 0; i<STRANGERS; i++ ) {
    asker_t const * a = &askers[ i ];
    assert_int_equal( a->slow, 0 );
    if( a->bodies<least ) least = a->bodies;
    if( a->bodies>most )  most  = a->bodies;
    dmg_net_free( a->port );
  }
  printf( "%u to %u bodies each\n", least, most );
  assert_true( most<=least+least/4 );
  ask_cnt = DMG_WIRE_BODIES_MAX;
  end();
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_answers_are_paid_for ),
    cmocka_unit_test( test_a_long_answer_lets_others_in ),
    cmocka_unit_test( test_strangers_take_turns ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
