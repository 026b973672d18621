/* link: what a link does to packets, counted; topo: which topologies and commands are refused, and with what words. */
#include "lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C( 1000000 )

static link_t l;
static uint64_t out[ 2 ];

static void test_a_free_link_only_delays( void ** state ) {
  link_init( &l, &(link_cfg_t){ .delay_ns = 40*MS }, 1 );
  for( uint64_t t = 0; t<100; t++ ) { assert_int_equal( link_send( &l, t, 1500, out ), 1 ); assert_int_equal( out[ 0 ], t+40*MS ); }
}

static void test_a_rate_is_kept_and_the_queue_is_bounded( void ** state ) {
  uint64_t got = 0, last = 0, worst = 0;
  link_init( &l, &(link_cfg_t){ .rate_bps = 100000000, .queue_ns = 100*MS }, 1 );
  for( uint64_t t = 0; t<1000*MS; t += 80000 )   /* 150 Mbit/s offered */
    if( link_send( &l, t, 1500, out ) ) { got += 1500; last = out[ 0 ]; if( out[ 0 ]-t>worst ) worst = out[ 0 ]-t; }
  assert_in_range( got*8*1000/( last/MS ), 99990000, 100010000 );
  assert_in_range( worst, 99*MS, 101*MS );
  assert_true( l.stat.queued_out>3000 );
}

/* RFC 8289: a standing queue is brought down to about the target. */
static void test_codel_keeps_a_standing_queue_short( void ** state ) {
  uint64_t wait[ 2 ];
  for( int codel = 0; codel<2; codel++ ) {
    uint64_t sum = 0, cnt = 0;
    link_init( &l, &(link_cfg_t){ .rate_bps = 100000000, .queue_ns = 100*MS, .is_codel = codel }, 1 );
    for( uint64_t t = 0; t<20000*MS; t += 118000 )   /* 1.7 % above the rate */
      if( link_send( &l, t, 1500, out ) && t>10000*MS ) { sum += out[ 0 ]-t; cnt++; }
    wait[ codel ] = sum/cnt;
  }
  assert_in_range( wait[ 0 ], 95*MS, 101*MS );
  assert_in_range( wait[ 1 ], MS, 20*MS );
}

static void test_shares_are_kept( void ** state ) {
  uint32_t none = 0, two = 0;
  link_init( &l, &(link_cfg_t){ .loss_ppm = 10000, .duplicate_ppm = 50000 }, 7 );
  for( uint64_t t = 0; t<1000000; t++ ) { unsigned n = link_send( &l, t, 100, out ); none += !n; two += n==2; }
  assert_in_range( none, 9500, 10500 );
  assert_in_range( two, 48000, 51000 );
  assert_int_equal( l.stat.lost, none );
}

static void test_jitter_keeps_the_order_and_reordering_does_not( void ** state ) {
  for( int reorder = 0; reorder<2; reorder++ ) {
    uint64_t last = 0, sum = 0;
    uint32_t back = 0;
    link_init( &l, &(link_cfg_t){ .delay_ns = 50*MS, .jitter_ns = 5*MS, .reorder_ppm = reorder ? 100000 : 0 }, 3 );
    for( uint64_t i = 0; i<10000; i++ ) {
      uint64_t t = i*100*MS;
      link_send( &l, t, 100, out );
      sum += out[ 0 ]-t;
      if( i%2 ) { uint64_t first = out[ 0 ]; link_send( &l, t, 100, out ); back += out[ 0 ]<first; }
      assert_true( reorder || out[ 0 ]>=last );
      last = out[ 0 ];
    }
    if( reorder ) assert_in_range( back, 300, 700 );
    else { assert_int_equal( back, 0 ); assert_in_range( sum/10000, 49*MS, 51*MS ); }
  }
}

static void test_a_seed_is_a_history( void ** state ) {
  link_t m;
  uint64_t other[ 2 ];
  link_cfg_t c = { .delay_ns = 10*MS, .jitter_ns = 3*MS, .loss_ppm = 100000, .duplicate_ppm = 100000, .reorder_ppm = 100000, .rate_bps = 50000000, .queue_ns = 20*MS, .is_codel = true };
  link_init( &l, &c, 9 );
  link_init( &m, &c, 9 );
  for( uint64_t t = 0; t<500*MS; t += 100000 ) {
    unsigned n = link_send( &l, t, 1000, out );
    assert_int_equal( n, link_send( &m, t, 1000, other ) );
    for( unsigned i = 0; i<n; i++ ) assert_int_equal( out[ i ], other[ i ] );
  }
}

static lab_t lab;
static char  said[ 500 ];

static bool reads( char const * text ) {
  dmg_buf_t why = dmg_buf( 4096 );
  memset( &lab, 0, sizeof lab );
  bool is_ok = topo_read( &lab, "t.toml", dmg_span_cstr( text ), &why );
  snprintf( said, sizeof said, "%.*s", DMG_SPAN_F( why ) );
  for( uint32_t i = 0; i<lab.host_cnt; i++ ) for( char ** a = lab.host[ i ].run; *a; a++ ) free( *a );
  dmg_buf_fini( &why );
  return is_ok;
}
static bool does( char const * text ) {
  dmg_buf_t why = dmg_buf( 4096 );
  bool is_ok = lab_do( &lab, text, &why );
  snprintf( said, sizeof said, "%.*s", DMG_SPAN_F( why ) );
  dmg_buf_fini( &why );
  return is_ok;
}
#define THREE "[[host]]\nname = \"a\"\ncity = \"eu\"\n[[host]]\nname = \"b\"\ncity = \"us\"\n[[host]]\nname = \"c\"\ncity = \"us\"\nrate_mbit = 10\n"

static void test_a_topology_is_read( void ** state ) {
  assert_true( reads( "seed = 4\n[link]\nloss = 0.01\n" THREE "[[between]]\nsides = \"city:eu>city:us\"\ndelay_ms = 45.5\naqm = \"codel\"\n[[at]]\ns = 9\ndo = \"heal\"\n[[at]]\ns = 2.5\ndo = \"cut a|b,c\"\n" ) );
  assert_int_equal( lab.host_cnt, 3 );
  assert_int_equal( lab.host[ 2 ].idx, 2 );
  assert_int_equal( lab.host[ 2 ].up.cfg.rate_bps, 10000000 );
  assert_int_equal( lab.link[ 0 ][ 2 ].cfg.delay_ns, 45500000 );
  assert_true( lab.link[ 0 ][ 2 ].cfg.is_codel );
  assert_int_equal( lab.link[ 2 ][ 0 ].cfg.delay_ns, 0 );
  assert_int_equal( lab.link[ 2 ][ 0 ].cfg.loss_ppm, 10000 );
  assert_int_equal( lab.at[ 0 ].at_ns, 2500000000u );
}

static void test_what_is_no_topology_is_refused( void ** state ) {
  static char const * const wrong[][ 2 ] = {
    { "", "no [[host]]" }, { "x = 1\n" THREE, "t.toml:1:5: x: no such table" }, { "[[host]]\ncity = \"eu\"\n", "host[0] has no name" }, { THREE "[[host]]\nname = \"a\"\n", "two hosts of one name" },
    { THREE "[link]\ndelay = 3\n", "a link has no \"delay\"; it has delay_ms" }, { THREE "[link]\nloss = 2\n", "loss wants a share from 0 to 1" }, { THREE "[link]\ndelay_ms = -1\n", "delay_ms wants milliseconds" },
    { THREE "[[between]]\ndelay_ms = 3\n", "sides = \"a|b\" is missing" }, { THREE "[[between]]\nsides = \"a|d\"\n", "no host \"d\"" }, { THREE "[[at]]\ns = 1\ndo = \"cut a\"\n", "names no two sides" },
    { THREE "[[at]]\ns = 1\n", "at[0] has no do" }, { THREE "[[at]]\ns = \"soon\"\ndo = \"heal\"\n", "seconds since the start" }, { "[[host]]\nname = \"A b\"\n", "a name has" }, { "a =", "t.toml:1:" } };
  for( size_t i = 0; i<sizeof wrong/sizeof *wrong; i++ ) {
    assert_false( reads( wrong[ i ][ 0 ] ) );
    if( !strstr( said, wrong[ i ][ 1 ] ) ) fail_msg( "\"%s\" lacks \"%s\"", said, wrong[ i ][ 1 ] );
  }
}

static void test_commands( void ** state ) {
  assert_true( reads( THREE ) );
  assert_true( does( "cut a|b,c" ) );
  assert_true( lab.link[ 0 ][ 1 ].cfg.is_down && lab.link[ 2 ][ 0 ].cfg.is_down && !lab.link[ 1 ][ 2 ].cfg.is_down );
  assert_true( does( "join a>city:us" ) );
  assert_true( !lab.link[ 0 ][ 1 ].cfg.is_down && lab.link[ 1 ][ 0 ].cfg.is_down );
  assert_true( does( "link *|* delay_ms=20 loss=0.5" ) );
  assert_true( lab.link[ 1 ][ 2 ].cfg.delay_ns==20*MS && lab.link[ 2 ][ 1 ].cfg.loss_ppm==500000 );
  assert_true( does( "heal" ) );
  assert_false( lab.link[ 1 ][ 0 ].cfg.is_down );
  lab_t const before = lab;
  static char const * const wrong[] = { "", "burn a|b", "cut", "cut a", "cut a|x", "cut a|b delay_ms=1", "link a|b delay_ms", "link a|b delay_ms=40 loss=3" };
  for( size_t i = 0; i<sizeof wrong/sizeof *wrong; i++ ) { assert_false( does( wrong[ i ] ) ); assert_true( *said ); assert_memory_equal( &before, &lab, sizeof lab ); }
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_a_free_link_only_delays ), cmocka_unit_test( test_a_rate_is_kept_and_the_queue_is_bounded ), cmocka_unit_test( test_codel_keeps_a_standing_queue_short ),
    cmocka_unit_test( test_shares_are_kept ), cmocka_unit_test( test_jitter_keeps_the_order_and_reordering_does_not ), cmocka_unit_test( test_a_seed_is_a_history ),
    cmocka_unit_test( test_a_topology_is_read ), cmocka_unit_test( test_what_is_no_topology_is_refused ), cmocka_unit_test( test_commands ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
