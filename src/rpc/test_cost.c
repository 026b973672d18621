/* cost: what a client gets in which time, and who pays when the table is full; the clock is an argument. */
#include "rpc/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define S ( (uint64_t)1000000000 )

static dmg_cost_t *    cost;
static dmg_cost_left_t left;

static int setup( void ** state ) {
  cost = dmg_cost_new( &(dmg_cost_cfg_t){ .rate = 300, .burst = 3000, .all_rate = 80000 }, 12345 );
  return !cost;
}
static int teardown( void ** state ) { dmg_cost_free( cost ); return 0; }

static dmg_cost_who_t v4( uint32_t n ) {
  uint8_t a[ 16 ] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (uint8_t)( n>>24 ), (uint8_t)( n>>16 ), (uint8_t)( n>>8 ), (uint8_t)n };
  return dmg_cost_who( a, false, false );
}
static dmg_cost_who_t v6( uint8_t net, uint8_t host ) {
  uint8_t a[ 16 ] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, net, 0, 0, 0, 0, 0, 0, 0, host };
  return dmg_cost_who( a, false, false );
}

static void test_a_burst_then_the_rate( void ** state ) {
  dmg_cost_who_t a = v4( 0x0a000001 );
  for( int i = 0; i<300; i++ ) assert_int_equal( dmg_cost_take( cost, &a, 5*S, 10, &left ), DMG_COST_GRANTED );
  assert_int_equal( left.left, 0 );
  assert_int_equal( left.full_s, 10 );
  assert_false( left.is_spent );
  assert_int_equal( dmg_cost_take( cost, &a, 5*S, 1, &left ), DMG_COST_OF_CLIENT );
  assert_int_equal( left.retry_ms, 4 );                  /* 1/300 s, rounded up */
  assert_int_equal( dmg_cost_take( cost, &a, 5*S+3*S/1000, 1, &left ), DMG_COST_OF_CLIENT );
  assert_int_equal( dmg_cost_take( cost, &a, 5*S+4*S/1000, 1, &left ), DMG_COST_GRANTED );
  uint32_t got = 0;
  for( uint64_t t = 6*S; t<16*S; t += S/1000 ) if( dmg_cost_take( cost, &a, t, 1, &left )==DMG_COST_GRANTED ) got++;
  assert_in_range( got, 3000, 3000+300+1 );              /* ten seconds' worth, and what was saved up before */
  assert_int_equal( dmg_cost_take( cost, &a, 16*S, 3001, &left ), DMG_COST_OF_CLIENT );   /* never: more than can be saved up */
}

static void test_what_is_less_than_a_unit_adds_up( void ** state ) {
  dmg_cost_who_t a = v4( 7 );
  assert_int_equal( dmg_cost_take( cost, &a, S, 3000, &left ), DMG_COST_GRANTED );
  uint64_t t = S;
  for( ; t<2*S; t += 997 ) dmg_cost_settle( cost, &a, t, 0, &left );   /* asked for all the time */
  assert_in_range( left.left, 299, 300 );
}

static void test_debt_is_one_burst_deep( void ** state ) {
  dmg_cost_who_t a = v4( 9 );
  dmg_cost_settle( cost, &a, S, 1000000, &left );
  assert_int_equal( left.left, 0 );
  assert_int_equal( left.full_s, 20 );
  assert_true( left.is_spent );
  assert_int_equal( dmg_cost_take( cost, &a, 11*S, 1, &left ), DMG_COST_OF_CLIENT );
  assert_int_equal( dmg_cost_take( cost, &a, 11*S+4*S/1000, 1, &left ), DMG_COST_GRANTED );
}

static void test_who_shares_a_bucket( void ** state ) {
  dmg_cost_who_t a = v6( 1, 1 ), same = v6( 1, 2 ), other = v6( 2, 1 );
  assert_int_equal( dmg_cost_take( cost, &a, S, 3000, &left ), DMG_COST_GRANTED );
  assert_int_equal( dmg_cost_take( cost, &same, S, 1, &left ), DMG_COST_OF_CLIENT );    /* a /64 is one client */
  assert_int_equal( dmg_cost_take( cost, &other, S, 1, &left ), DMG_COST_GRANTED );
  dmg_cost_who_t b = v4( 0x0a000001 ), c = v4( 0x0a000002 );
  assert_int_equal( dmg_cost_take( cost, &b, S, 3000, &left ), DMG_COST_GRANTED );
  assert_int_equal( dmg_cost_take( cost, &c, S, 1, &left ), DMG_COST_GRANTED );         /* an IPv4 address is */
}

static void test_who_is_free( void ** state ) {
  uint8_t const unix_[ 16 ] = { 0 }, v6_loop[ 16 ] = { [ 15 ] = 1 }, v4_loop[ 16 ] = { [ 10 ] = 0xff, 0xff, 127, 9, 9, 9 }, v6_near[ 16 ] = { [ 15 ] = 2 }, v4_near[ 16 ] = { [ 10 ] = 0xff, 0xff, 128, 0, 0, 1 };
  assert_true( dmg_cost_who( unix_, true, false ).is_free );
  assert_true( dmg_cost_who( unix_, true, true ).is_free );
  assert_true( dmg_cost_who( v6_loop, false, false ).is_free );
  assert_true( dmg_cost_who( v4_loop, false, false ).is_free );
  assert_false( dmg_cost_who( v6_loop, false, true ).is_free );
  assert_false( dmg_cost_who( v4_loop, false, true ).is_free );
  assert_false( dmg_cost_who( v6_near, false, false ).is_free );
  assert_false( dmg_cost_who( v4_near, false, false ).is_free );
  assert_false( dmg_cost_who( unix_, false, false ).is_free );
}

static void test_all_together_get_no_more_than_their_share( void ** state ) {
  uint64_t granted = 0;
  bool was_refused = false;
  for( uint32_t i = 0; i<1000; i++ ) {                   /* in one second, each with its burst */
    dmg_cost_who_t a = v4( i );
    for( int k = 0; k<3; k++ ) {
      dmg_cost_verdict_t v = dmg_cost_take( cost, &a, S+i*S/1000, 1000, &left );
      if( v==DMG_COST_GRANTED ) granted += 1000;
      else { assert_int_equal( v, DMG_COST_OF_ALL ); assert_in_range( left.retry_ms, 1, 13 ); was_refused = true; }
    }
  }
  assert_true( was_refused );
  assert_in_range( granted, 79000, 88000 );              /* 80,000 and a tenth saved up */
  /* Refused of all, the client's own bucket was not touched. */
  dmg_cost_who_t a = v4( 999999 );
  while( dmg_cost_take( cost, &a, 2*S, 100, &left )==DMG_COST_GRANTED ) ;
  uint32_t before = left.left;
  assert_int_equal( dmg_cost_take( cost, &a, 2*S, 100, &left ), DMG_COST_OF_ALL );
  assert_int_equal( left.left, before );
}

/* Ten times as many addresses as places, all in debt: what the table holds is unchanged for those in it, the rest share. */
static void test_a_full_table_shares_and_forgets_nobody( void ** state ) {
  dmg_cost_free( cost );
  cost = dmg_cost_new( &(dmg_cost_cfg_t){ .rate = 300, .burst = 3000 }, 99 );
  assert_non_null( cost );
  dmg_cost_who_t first = v4( 0 );
  dmg_cost_settle( cost, &first, S, 5000, &left );
  uint64_t granted = 0;
  for( uint32_t i = 1; i<10*DMG_COST_CLIENT_MAX; i++ ) {
    dmg_cost_who_t a = v4( i );
    if( dmg_cost_take( cost, &a, S, 3000, &left )==DMG_COST_GRANTED ) granted++;
  }
  assert_in_range( granted, DMG_COST_CLIENT_MAX*9/10, DMG_COST_CLIENT_MAX+DMG_COST_SET_CNT );
  assert_int_equal( dmg_cost_take( cost, &first, S, 1, &left ), DMG_COST_OF_CLIENT );
  assert_int_equal( left.full_s, 17 );                   /* its debt stands: 2,000, and 3,000 to fill */
  /* Once they are full again there is room for others. */
  dmg_cost_who_t late = v4( 0xdeadbeef );
  assert_int_equal( dmg_cost_take( cost, &late, 100*S, 3000, &left ), DMG_COST_GRANTED );
}

static void test_time_never_goes_back( void ** state ) {
  dmg_cost_who_t a = v4( 5 );
  assert_int_equal( dmg_cost_take( cost, &a, 9*S, 3000, &left ), DMG_COST_GRANTED );
  assert_int_equal( dmg_cost_take( cost, &a, 8*S, 1, &left ), DMG_COST_OF_CLIENT );     /* another thread's older look at the clock */
  assert_int_equal( dmg_cost_take( cost, &a, UINT64_MAX, 3000, &left ), DMG_COST_GRANTED );
}

int main( void ) {
#define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_a_burst_then_the_rate ), T( test_what_is_less_than_a_unit_adds_up ), T( test_debt_is_one_burst_deep ), T( test_who_shares_a_bucket ), T( test_who_is_free ),
    T( test_all_together_get_no_more_than_their_share ), T( test_a_full_table_shares_and_forgets_nobody ), T( test_time_never_goes_back ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
