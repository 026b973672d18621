/* Schedule and covers: the shares of a cycle, what a canonical cover is. */
#include "consensus/just.h"
#include "consensus/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static dmg_set_t set_of( uint64_t const * weights, uint32_t n ) {
  dmg_set_t s = { .cnt = n };
  for( uint32_t i = 0; i<n; i++ ) { s.members[ i ].key[ 0 ] = (uint8_t)( i+1 ); s.members[ i ].weight = weights[ i ]; }
  return s;
}

static void count( dmg_set_t const * set, uint32_t * out ) {
  static dmg_schedule_t s;
  static uint8_t cycle[ DMG_CYCLE_WINDOWS ];
  dmg_hash_t seed = { { 7 } };
  dmg_schedule_init( &s, &seed, set );
  dmg_schedule_cycle( &s, 3, cycle );
  memset( out, 0, DMG_SET_MAX*sizeof *out );
  for( unsigned i = 0; i<DMG_CYCLE_WINDOWS; i++ ) { assert_true( cycle[ i ]<set->cnt ); out[ cycle[ i ] ]++; }
}

/* C3.3: floor of the share, what is left to the largest remainders, ties to the lower index. */
static void test_shares_are_exact( void ** state ) {
  uint32_t got[ DMG_SET_MAX ];
  dmg_set_t even = set_of( (uint64_t[]){ 5, 5, 5 }, 3 );
  count( &even, got );   /* 4096 = 3 x 1365 + 1 */
  assert_int_equal( got[ 0 ], 1366 ); assert_int_equal( got[ 1 ], 1365 ); assert_int_equal( got[ 2 ], 1365 );
  dmg_set_t uneven = set_of( (uint64_t[]){ 1, 2, 4, 4 }, 4 );   /* 372.36 744.72 1489.45 1489.45: two left, to .72 and the first .45 */
  count( &uneven, got );
  assert_int_equal( got[ 0 ], 372 ); assert_int_equal( got[ 1 ], 745 ); assert_int_equal( got[ 2 ], 1490 ); assert_int_equal( got[ 3 ], 1489 );
  /* Weights near 2^64 do not wrap. */
  dmg_set_t big = set_of( (uint64_t[]){ UINT64_MAX/4, UINT64_MAX/4, UINT64_MAX/4, UINT64_MAX/4 }, 4 );
  count( &big, got );
  for( unsigned i = 0; i<4; i++ ) assert_int_equal( got[ i ], 1024 );
  dmg_set_t one = set_of( (uint64_t[]){ 9 }, 1 );
  count( &one, got );
  assert_int_equal( got[ 0 ], 4096 );
}

static void test_cycles_and_seeds_differ( void ** state ) {
  static dmg_schedule_t a, b;
  dmg_set_t set = set_of( (uint64_t[]){ 3, 3, 3, 3 }, 4 );
  dmg_hash_t s0 = { { 0 } }, s1 = { { 1 } };
  dmg_schedule_init( &a, &s0, &set );
  dmg_schedule_init( &b, &s1, &set );
  unsigned same_seed = 0, same_cycle = 0;
  for( uint64_t k = 0; k<4096; k++ ) {
    same_seed  += dmg_schedule_leader( &a, k )==dmg_schedule_leader( &b, k );
    same_cycle += dmg_schedule_leader( &a, k )==dmg_schedule_leader( &a, k+4096 );
  }
  /* A quarter by chance; the cache holds two cycles and may not mix them up. */
  assert_in_range( same_seed, 900, 1150 );
  assert_in_range( same_cycle, 900, 1150 );
  uint32_t l = dmg_schedule_leader( &a, 5 );
  (void)dmg_schedule_leader( &a, 5+2*4096 );
  assert_int_equal( dmg_schedule_leader( &a, 5 ), l );
}

/* The shuffle again, written from C3.3 with its own stream reader. */
static void test_shuffle_is_the_page_s( void ** state ) {
  static dmg_schedule_t s;
  static uint8_t got[ DMG_CYCLE_WINDOWS ], want[ DMG_CYCLE_WINDOWS ];
  dmg_set_t set = set_of( (uint64_t[]){ 10, 20, 30 }, 3 );
  dmg_hash_t seed;
  for( unsigned i = 0; i<32; i++ ) seed.b[ i ] = (uint8_t)( 3*i );
  dmg_schedule_init( &s, &seed, &set );
  dmg_schedule_cycle( &s, 1, got );
  unsigned at = 0;
  /* 682.67, 1365.33, 2048: one window is left, to the first. */
  for( unsigned i = 0; i<683; i++ )  want[ at++ ] = 0;
  for( unsigned i = 0; i<1365; i++ ) want[ at++ ] = 1;
  for( unsigned i = 0; i<2048; i++ ) want[ at++ ] = 2;
  uint32_t word = 0;
  for( unsigned j = 4095; j>=1; j-- ) {
    uint64_t x, bound = 0x100000000u-0x100000000u%( j+1 );
    do {
      uint8_t m[ 40 ];
      memcpy( m, seed.b, 32 );
      dmg_store_u32le( m+32, 1 );
      dmg_store_u32le( m+36, word/8 );
      dmg_hash_t h = dmg_h( DMG_TAG_SHUFFLE, DMG_SPAN( m ) );
      x = dmg_load_u32le( h.b+(size_t)4*( word++%8 ) );
    } while( x>=bound );
    unsigned r = (unsigned)( x%( j+1 ) );
    uint8_t t = want[ j ]; want[ j ] = want[ r ]; want[ r ] = t;
  }
  assert_memory_equal( got, want, sizeof got );
}

static void test_cover_is_canonical( void ** state ) {
  static struct { uint64_t parent, view, first[ 4 ], last[ 4 ]; unsigned cnt; bool is_good; } const t[] = {
    { 4, 5,  { 0 }, { 0 }, 0, true },                            /* none if view = parent_view+1 */
    { 4, 5,  { 5 }, { 5 }, 1, false },
    { 4, 8,  { 0 }, { 0 }, 0, false },
    { 4, 8,  { 5 }, { 7 }, 1, true },
    { 4, 8,  { 2 }, { 7 }, 1, true },                            /* begins below the parent */
    { 4, 8,  { 6 }, { 7 }, 1, false },                           /* first > parent_view+1 */
    { 4, 8,  { 5 }, { 6 }, 1, false },                           /* ends early */
    { 4, 8,  { 5 }, { 8 }, 1, false },                           /* and late */
    { 4, 8,  { 5, 6 }, { 5, 7 }, 2, true },
    { 4, 8,  { 5, 7 }, { 5, 7 }, 2, false },                     /* a gap */
    { 4, 8,  { 5, 5 }, { 6, 7 }, 2, false },                     /* first not ascending */
    { 4, 8,  { 5, 6 }, { 7, 7 }, 2, false },                     /* last not ascending */
    { 4, 8,  { 3, 5 }, { 4, 7 }, 2, false },                     /* last <= parent_view */
    { 4, 9,  { 4, 6, 7 }, { 6, 7, 8 }, 3, true },                /* overlapping */
    { 0, 2,  { 1 }, { 1 }, 1, true } };
  for( unsigned i = 0; i<sizeof t/sizeof *t; i++ ) {
    dmg_cover_t c = dmg_cover( t[ i ].parent, t[ i ].view );
    bool ok = true;
    for( unsigned k = 0; k<t[ i ].cnt; k++ ) ok &= dmg_cover_add( &c, t[ i ].first[ k ], t[ i ].last[ k ] );
    if( ( ok && dmg_cover_end( &c ) )!=t[ i ].is_good ) fail_msg( "cover %u", i );
  }
}

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_shares_are_exact ), cmocka_unit_test( test_cycles_and_seeds_differ ), cmocka_unit_test( test_shuffle_is_the_page_s ),
                                      cmocka_unit_test( test_cover_is_canonical ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
