#include "node/reach.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

#define S ( (uint64_t)1000000 )

static dmg_reach_t reach;

static dmg_net_peer_t peer_of( unsigned i ) { return (dmg_net_peer_t){ .sz = 38, .b = { (uint8_t)i, (uint8_t)( i>>8 ) } }; }

/* Down each 5 s for an hour: the times of the log, in seconds. */
static void test_the_log_has_it_with_growing_distance( void ** state ) {
  reach = (dmg_reach_t){ 0 };
  dmg_net_peer_t peer = peer_of( 1 );
  dmg_reach_peer_t * p = dmg_reach_ask( &reach, &peer, "/ip4/192.0.2.1/tcp/1/p2p/A" );
  dmg_reach_taken( p, false );
  assert_false( dmg_reach_up( p ) );                         /* that it works is no news */
  uint64_t const want[] = { 100, 160, 760, 1360, 1960, 2560, 3160 };
  unsigned told = 0;
  for( uint64_t s = 100; s<3700; s += 5 ) if( dmg_reach_down( p, "refused", s*S ) ) { assert_true( told<7 ); assert_int_equal( s, want[ told++ ] ); }
  assert_int_equal( told, 7 );
  assert_int_equal( p->fail_cnt, 720 );
  assert_int_equal( p->state, DMG_REACH_DOWN );
  assert_true( dmg_reach_up( p ) );
  assert_false( dmg_reach_up( p ) );
  assert_int_equal( p->fail_cnt, 0 );
  assert_string_equal( p->why, "" );
  /* One that comes and goes: once a minute. */
  told = 0;
  for( uint64_t s = 4000; s<4600; s += 2 ) { told += dmg_reach_down( p, "closed", s*S ); (void)dmg_reach_up( p ); }
  assert_int_equal( told, 10 );
}

static void test_who_asks_gets_the_answer_to_his_own_question( void ** state ) {
  reach = (dmg_reach_t){ 0 };
  dmg_net_peer_t peer = peer_of( 1 ), other = peer_of( 2 );
  dmg_reach_peer_t * p = dmg_reach_ask( &reach, &peer, "/ip4/192.0.2.1/tcp/1/p2p/A" );
  (void)dmg_reach_down( p, "an earlier try", S );
  assert_int_equal( p->state, DMG_REACH_ASKED );
  dmg_reach_taken( p, false );
  assert_int_equal( p->state, DMG_REACH_DIALLING );
  (void)dmg_reach_up( p );
  assert_int_equal( p->state, DMG_REACH_UP );
  assert_ptr_equal( dmg_reach_ask( &reach, &peer, "/ip4/192.0.2.2/tcp/1/p2p/A" ), p );
  assert_string_equal( p->addr, "/ip4/192.0.2.2/tcp/1/p2p/A" );
  dmg_reach_taken( p, true );
  assert_int_equal( p->state, DMG_REACH_WAS_UP );
  assert_null( dmg_reach_find( &reach, &other ) );
}

static void test_a_full_table_takes_nobody_more( void ** state ) {
  reach = (dmg_reach_t){ 0 };
  for( unsigned i = 0; i<DMG_REACH_MAX; i++ ) { dmg_net_peer_t peer = peer_of( i+1 ); assert_non_null( dmg_reach_ask( &reach, &peer, "" ) ); }
  dmg_net_peer_t one = peer_of( 999 ), first = peer_of( 1 );
  assert_null( dmg_reach_ask( &reach, &one, "" ) );
  assert_non_null( dmg_reach_ask( &reach, &first, "" ) );
}

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_the_log_has_it_with_growing_distance ), cmocka_unit_test( test_who_asks_gets_the_answer_to_his_own_question ),
                                      cmocka_unit_test( test_a_full_table_takes_nobody_more ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
