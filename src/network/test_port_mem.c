/* port_mem: what its links do when they are silent, late or far, and what a process that dies leaves. */
#include "network/port_mem.h"
#include "crypto/sig.h"
#include "network/chainnet_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static dmg_net_proto_t const protos[ 2 ] = {
  { .id = "/t/votes", .cls = DMG_NET_CLS_CONSENSUS, .is_notify = true, .in_max = 1, .out_max = 1, .frame_max = 1024, .request_max = 64, .queue_max = 4096 },
  { .id = "/t/ask", .cls = DMG_NET_CLS_BULK, .in_max = 4, .out_max = 4, .frame_max = 1024, .request_max = 64, .queue_max = 65536, .first_ms = 10000, .next_ms = 10000 } };

static dmg_mem_net_t *  net;
static dmg_net_port_t * port[ 3 ];   /* the third: one test's */
static uint64_t         stream;
static uint32_t         conn;
static unsigned         seen[ 3 ][ DMG_NET_EV_CNT ];
static uint16_t         code[ 3 ][ DMG_NET_EV_CNT ];
static uint64_t         at[ 3 ][ DMG_NET_EV_CNT ];
static uint8_t          first_byte;

static dmg_net_port_t * open_port( uint8_t i ) {
  uint8_t seed[ 32 ] = { i }, key[ 32 ];
  dmg_ed25519_public( seed, key );
  return dmg_mem_port_open( net, key, protos, 2 );
}

/* All that can be polled by then, counted. */
static void run( uint64_t us ) {
  uint64_t end = dmg_mem_net_now( net )+us;
  for( ;; ) {
    uint64_t due = dmg_mem_net_due( net );
    bool is_end = due>end;
    dmg_mem_net_advance( net, is_end ? end : due );
    for( unsigned i = 0; i<3; i++ ) for( unsigned urgent = 0; urgent<2 && port[ i ]; urgent++ ) {
      dmg_net_ev_t ev;
      while( dmg_net_poll( port[ i ], urgent, &ev, 1 ) ) {
        seen[ i ][ ev.kind ]++;
        code[ i ][ ev.kind ] = ev.code;
        at[ i ][ ev.kind ]   = dmg_mem_net_now( net );
        if( ev.kind==DMG_NET_NOTIFY ) first_byte = ev.data.p[ 0 ];
        if( ev.kind==DMG_NET_NOTIFY_UP && ev.code==0 ) assert_int_equal( dmg_net_notify_answer( port[ i ], ev.id, 0 ), DMG_OK );
        dmg_net_release( port[ i ], &ev );
      }
    }
    if( is_end ) return;
  }
}

static void send( uint8_t byte ) { assert_int_equal( dmg_net_notify_send( port[ 0 ], stream, 0, 0, dmg_span( &byte, 1 ) ), DMG_OK ); }

static void dial( void ) {
  char const * addr[ 1 ] = { "/mem/1" };
  assert_int_equal( dmg_net_dial( port[ 0 ], &port[ 1 ]->self, addr, 1, false, &conn ), DMG_OK );
}

static int begin( void ** state ) {
  net = dmg_mem_net_new( 1 );
  dmg_mem_net_faults( net, &(dmg_mem_faults_t){ .delay_us = 1000 } );
  port[ 0 ] = open_port( 1 );
  port[ 1 ] = open_port( 2 );
  memset( seen, 0, sizeof seen );
  dial();
  run( 10000 );
  assert_int_equal( seen[ 1 ][ DMG_NET_CONN_UP ], 1 );
  assert_int_equal( dmg_net_notify_open( port[ 0 ], conn, 0, DMG_SPAN_STR( "hello" ), &stream ), DMG_OK );
  run( 10000 );
  assert_int_equal( seen[ 0 ][ DMG_NET_NOTIFY_UP ], 1 );
  return 0;
}
static int end( void ** state ) {
  for( unsigned i = 0; i<2; i++ ) dmg_net_free( port[ i ] );
  dmg_mem_net_free( net );
  return 0;
}

static void test_what_is_held_comes_when_let_go( void ** state ) {
  dmg_mem_hold( port[ 0 ], port[ 1 ], true );
  for( uint8_t i = 0; i<10; i++ ) send( i );
  run( 20000000 );
  assert_int_equal( seen[ 1 ][ DMG_NET_NOTIFY ], 0 );
  assert_int_equal( seen[ 0 ][ DMG_NET_CONN_DOWN ]+seen[ 1 ][ DMG_NET_CONN_DOWN ], 0 );
  /* 4,096 bytes of queue at 65 each: N2.1's rule holds while nothing moves. */
  for( unsigned i = 0; i<100; i++ ) (void)!dmg_net_notify_send( port[ 0 ], stream, 0, 0, DMG_SPAN_STR( "x" ) );
  assert_true( dmg_mem_queued( port[ 0 ] )<=4096 );
  dmg_mem_hold( port[ 0 ], port[ 1 ], false );
  run( 10000 );
  assert_int_equal( seen[ 1 ][ DMG_NET_NOTIFY ], 4096/65 );
}

static void test_a_silent_direction_ends_by_pings_on_both_sides( void ** state ) {
  dmg_mem_hold( port[ 1 ], port[ 0 ], true );
  send( 7 );
  run( 10000 );
  assert_int_equal( seen[ 1 ][ DMG_NET_NOTIFY ], 1 );   /* the other direction carries */
  uint64_t id;
  assert_int_equal( dmg_net_request( port[ 0 ], conn, 1, DMG_SPAN_STR( "?" ), 5000, &id ), DMG_OK );
  run( 6000000 );
  assert_int_equal( seen[ 0 ][ DMG_NET_REQ_END ], 1 );  /* its time is up, whatever the link does */
  assert_int_equal( code[ 0 ][ DMG_NET_REQ_END ], DMG_NET_END_TIMEOUT );
  run( 40000000 );
  for( unsigned i = 0; i<2; i++ ) {
    assert_int_equal( seen[ i ][ DMG_NET_CONN_DOWN ], 1 );
    assert_int_equal( code[ i ][ DMG_NET_CONN_DOWN ], DMG_NET_WHY_PING );
    assert_int_equal( seen[ i ][ DMG_NET_NOTIFY_DOWN ], 1 );
  }
  dial();
  run( 9000000 );
  assert_int_equal( seen[ 0 ][ DMG_NET_DIAL_FAILED ], 1 );
  dmg_mem_hold( port[ 1 ], port[ 0 ], false );
  dial();
  run( 10000 );
  assert_int_equal( seen[ 0 ][ DMG_NET_CONN_UP ], 2 );
  assert_int_equal( seen[ 0 ][ DMG_NET_CONN_DOWN ], 1 );
}

static void test_what_is_late_delays_what_is_behind_it( void ** state ) {
  dmg_mem_net_faults( net, &(dmg_mem_faults_t){ .delay_us = 1000, .late = 1000, .late_us = 300000 } );
  send( 1 );
  dmg_mem_net_faults( net, &(dmg_mem_faults_t){ .delay_us = 1000 } );
  send( 2 );
  run( 200000 );
  assert_int_equal( seen[ 1 ][ DMG_NET_NOTIFY ], 0 );
  run( 200000 );
  assert_int_equal( seen[ 1 ][ DMG_NET_NOTIFY ], 2 );
  assert_int_equal( first_byte, 2 );
  dmg_mem_far( port[ 0 ], port[ 1 ], 50000 );
  uint64_t sent = dmg_mem_net_now( net );
  send( 3 );
  run( 200000 );
  assert_int_equal( at[ 1 ][ DMG_NET_NOTIFY ]-sent, 50000 );
}

static bool yes( void * ctx ) { return *(bool *)ctx; }

static void test_who_dies_does_nothing_more_and_comes_back_in_its_place( void ** state ) {
  bool is_dead = false;
  dmg_mem_die( port[ 0 ], yes, &is_dead );
  send( 1 );
  is_dead = true;
  send( 2 );
  run( 10000 );
  assert_int_equal( seen[ 1 ][ DMG_NET_NOTIFY ], 1 );
  dmg_mem_cut( port[ 0 ], port[ 1 ], true );
  for( unsigned i = 0; i<3*DMG_MEM_PORTS_MAX; i++ ) { dmg_net_free( port[ 0 ] ); port[ 0 ] = open_port( 1 ); }
  dial();
  run( 10000 );
  assert_int_equal( seen[ 0 ][ DMG_NET_DIAL_FAILED ], 1 );   /* the cut is the place's */
  dmg_mem_net_calm( net );
  dial();
  run( 10000 );
  assert_int_equal( seen[ 0 ][ DMG_NET_CONN_UP ], 2 );
}

static void test_a_garbled_frame_is_another( void ** state ) {
  dmg_mem_garble( port[ 0 ], 1000 );
  unsigned bad = 0, cnt = 0;
  for( unsigned i = 0; i<200 && !seen[ 1 ][ DMG_NET_NOTIFY_DOWN ]; i++ ) { send( 0x55 ); run( 5000 ); cnt++; bad += first_byte!=0x55; }
  assert_int_equal( code[ 1 ][ DMG_NET_NOTIFY_DOWN ], DMG_NET_END_TOO_BIG );
  assert_true( cnt>1 && bad==cnt );
}

static void test_of_two_with_one_id_the_hidden_one_is_not_dialled( void ** state ) {
  char const * addr[ 1 ] = { "/mem/0" };
  uint32_t id;
  port[ 2 ] = open_port( 2 );
  assert_true( dmg_net_peer_eq( &port[ 2 ]->self, &port[ 1 ]->self ) );
  dmg_mem_hide( port[ 2 ], true );
  dial();
  run( 10000 );
  assert_int_equal( seen[ 1 ][ DMG_NET_CONN_UP ], 2 );
  assert_int_equal( seen[ 2 ][ DMG_NET_CONN_UP ], 0 );
  dmg_mem_hide( port[ 2 ], false );
  dial();
  run( 10000 );
  assert_int_equal( seen[ 1 ][ DMG_NET_CONN_UP ], 2 );
  assert_int_equal( seen[ 2 ][ DMG_NET_CONN_UP ], 1 );
  /* It dials as the other, too, and once gone it takes nothing with it. */
  assert_int_equal( dmg_net_dial( port[ 2 ], &port[ 0 ]->self, addr, 1, false, &id ), DMG_OK );
  run( 10000 );
  assert_int_equal( seen[ 0 ][ DMG_NET_CONN_UP ], 4 );
  dmg_net_free( port[ 2 ] );
  port[ 2 ] = NULL;
  run( 10000 );
  assert_int_equal( seen[ 0 ][ DMG_NET_CONN_DOWN ], 2 );
  dial();
  run( 10000 );
  assert_int_equal( seen[ 1 ][ DMG_NET_CONN_UP ], 3 );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test_setup_teardown( test_what_is_held_comes_when_let_go, begin, end ),
    cmocka_unit_test_setup_teardown( test_a_silent_direction_ends_by_pings_on_both_sides, begin, end ),
    cmocka_unit_test_setup_teardown( test_what_is_late_delays_what_is_behind_it, begin, end ),
    cmocka_unit_test_setup_teardown( test_who_dies_does_nothing_more_and_comes_back_in_its_place, begin, end ),
    cmocka_unit_test_setup_teardown( test_a_garbled_frame_is_another, begin, end ),
    cmocka_unit_test_setup_teardown( test_of_two_with_one_id_the_hidden_one_is_not_dialled, begin, end ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
