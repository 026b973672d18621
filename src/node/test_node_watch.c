#include "node/node_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define S    ( (uint64_t)1000000 )
#define WALL ( (uint64_t)1790000000000 )

static void test_quantiles_are_of_the_last_minute( void ** state ) {
  dmg_watch_t w = { 0 };
  dmg_watch_seen_t s = dmg_watch_get( &w, 5*S, 0 );
  assert_int_equal( s.p50_ms, 0 );                            /* none */
  for( uint32_t i = 0; i<100; i++ ) dmg_watch_block( &w, 10*S+i, WALL, WALL-100+i );   /* 100 .. 1 ms */
  dmg_watch_block( &w, 10*S+100, WALL, WALL+5 );              /* as good as none: 1 */
  dmg_watch_block( &w, 10*S+101, WALL, WALL-60001 );          /* was fetched: left out */
  s = dmg_watch_get( &w, 11*S, 0 );
  assert_int_equal( s.p50_ms, 50 );
  assert_int_equal( s.p99_ms, 99 );
  s = dmg_watch_get( &w, 10*S+60*S+99, 0 );                   /* one is left */
  assert_int_equal( s.p50_ms, 1 );
  s = dmg_watch_get( &w, 80*S, 0 );
  assert_int_equal( s.p50_ms+s.p99_ms, 0 );
  for( uint32_t i = 0; i<1000; i++ ) dmg_watch_block( &w, 100*S+i, WALL, WALL-( i<744 ? 9 : 7 ) );   /* only the last 256 */
  assert_int_equal( dmg_watch_get( &w, 101*S, 0 ).p99_ms, 7 );
}

/* A validator was away for 40 s: the 160 blocks of that time become final here at once. */
static void test_what_a_node_catches_up_with_is_no_finality( void ** state ) {
  dmg_watch_t w = { 0 };
  dmg_watch_behind( &w, WALL );
  for( uint64_t i = 0; i<160; i++ ) dmg_watch_block( &w, 10*S+i*1000, WALL+500, WALL-40000+i*250 );
  assert_int_equal( dmg_watch_get( &w, 11*S, 0 ).p50_ms, 0 );
  /* It follows: what is proposed from now on counts. */
  for( uint64_t i = 1; i<=20; i++ ) dmg_watch_block( &w, 11*S+i*250000, WALL+i*250+180, WALL+i*250 );
  assert_int_equal( dmg_watch_get( &w, 17*S, 0 ).p50_ms, 180 );
  assert_int_equal( dmg_watch_get( &w, 17*S, 0 ).p99_ms, 180 );
}

static void test_rate_is_of_the_last_seconds( void ** state ) {
  dmg_watch_t w = { 0 };
  assert_true( dmg_watch_get( &w, S, 5 ).rate<0.001 );
  for( uint64_t t = 0; t<=100; t++ ) dmg_watch_height( &w, 1*S+t*S/5, t*2 );   /* ten a second */
  double r = dmg_watch_get( &w, 1*S+100*S/5, 200 ).rate;
  assert_true( r>9.9 && r<10.1 );
  for( uint64_t t = 1; t<=12; t++ ) dmg_watch_height( &w, 21*S+t*S, 200 );     /* stands */
  assert_true( dmg_watch_get( &w, 33*S, 200 ).rate<0.001 );
}

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_quantiles_are_of_the_last_minute ), cmocka_unit_test( test_what_a_node_catches_up_with_is_no_finality ), cmocka_unit_test( test_rate_is_of_the_last_seconds ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
