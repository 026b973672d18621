/* addrman: places, floods from one group, tried and new, dialling, the file. */
#include "base/num.h"
#include "network/addrman.h"
#include "network/chainnet_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static dmg_arena_t *   arena;
static dmg_addrman_t * am;
static uint64_t const  T = 1790000000;

static int setup( void ** state ) {
  arena = dmg_arena_new( 16u<<20 );
  am    = dmg_addrman_new( arena, (uint8_t const[ 16 ]){ 7, 9 } );
  return !am;
}
static int teardown( void ** state ) { dmg_arena_free( arena ); return 0; }

static dmg_net_peer_t peer_of( uint32_t i ) {
  uint8_t key[ 32 ] = { 1 };
  dmg_net_peer_t p;
  dmg_store_u32le( key+4, i );
  dmg_wire_peer_of_key( key, &p );
  return p;
}
static dmg_maddr_t addr_of( uint32_t ip ) {
  char text[ 64 ];
  dmg_maddr_t a;
  snprintf( text, sizeof text, "/ip4/%u.%u.%u.%u/tcp/7370", ip>>24, ip>>16&255, ip>>8&255, ip&255 );
  assert_true( dmg_maddr_parse( text, &a ) );
  return a;
}
static bool add( uint32_t peer, uint32_t ip, uint32_t source_ip, uint64_t now_s ) {
  dmg_net_peer_t p = peer_of( peer );
  dmg_maddr_t a = addr_of( ip ), s = addr_of( source_ip );
  dmg_maddr_group_t g = dmg_maddr_group( &s );
  return dmg_addrman_add( am, &p, 1, &a, 1, &g, now_s );
}
static uint32_t new_cnt( void ) { uint32_t a, b; dmg_addrman_counts( am, &a, &b ); return a; }
static uint32_t tried_cnt( void ) { uint32_t a, b; dmg_addrman_counts( am, &a, &b ); return b; }
static bool any( void * ctx, dmg_addrman_peer_t const * p ) { return true; }
static bool none( void * ctx, dmg_addrman_peer_t const * p ) { ++*(uint32_t *)ctx; return false; }

static void test_heard_of_good_and_gone( void ** state ) {
  dmg_addrman_peer_t got;
  dmg_net_peer_t p = peer_of( 1 );
  assert_false( dmg_addrman_pick( am, false, 3, T, any, NULL, &got ) );
  assert_true( add( 1, 0x08080808, 0x01010101, T ) );
  assert_false( add( 1, 0x08080808, 0x02020202, T ) );       /* nothing new */
  assert_true( dmg_addrman_find( am, &p, &got ) && !got.is_tried && got.addr_cnt==1 );
  dmg_addrman_good( am, &p, T );
  assert_true( new_cnt()==0 && tried_cnt()==1 );
  assert_true( dmg_addrman_find( am, &p, &got ) && got.is_tried );
  /* A newer record moves it, an older does not. */
  dmg_maddr_t two[ 3 ] = { addr_of( 0x09090909 ), addr_of( 0x0a0b0c0d ), addr_of( 1 ) };
  dmg_maddr_group_t g = dmg_maddr_group( &two[ 0 ] );
  assert_false( dmg_addrman_add( am, &p, 1, two, 2, &g, T ) );
  assert_true( dmg_addrman_add( am, &p, 5, two, 3, &g, T ) );
  assert_true( dmg_addrman_find( am, &p, &got ) && got.is_tried && got.addr_cnt==2 && dmg_maddr_eq( &got.addrs[ 0 ], &two[ 0 ] ) );
  /* Dialled once, then not for a while, longer the more often in vain. */
  assert_true( dmg_addrman_pick( am, false, 1ull<<63, T, any, NULL, &got ) );
  assert_false( dmg_addrman_pick( am, false, 1ull<<63, T+4, any, NULL, &got ) );
  assert_true( dmg_addrman_pick( am, false, 0, T+5, any, NULL, &got ) );        /* new is empty: the other */
  assert_false( dmg_addrman_pick( am, true, 0, T+500, any, NULL, &got ) );
  for( unsigned i = 0; i<7; i++ ) dmg_addrman_failed( am, &p, false, T+10 );
  assert_false( dmg_addrman_pick( am, false, 0, T+10+299, any, NULL, &got ) );
  assert_true( dmg_addrman_pick( am, false, 0, T+10+300, any, NULL, &got ) );
  uint32_t asked = 0;
  assert_false( dmg_addrman_pick( am, false, 0, T+1000, none, &asked, &got ) );
  assert_int_equal( asked, 1 );
  /* In vain for a day: forgotten; of another chain: at once. */
  dmg_addrman_failed( am, &p, false, T+2000 );
  assert_int_equal( tried_cnt(), 1 );
  dmg_addrman_failed( am, &p, false, T+90000 );
  assert_int_equal( tried_cnt(), 0 );
  assert_true( add( 1, 0x08080808, 0x01010101, T ) );
  dmg_addrman_failed( am, &p, true, T );
  assert_int_equal( new_cnt(), 0 );
  dmg_addrman_good( am, &p, T );                              /* nobody */
  dmg_addrman_failed( am, &p, false, T );
  assert_false( dmg_addrman_add( am, &p, 9, two, 0, &g, T ) );
}

/* Eclipse: one source group that tells of everybody reaches 64 of 256 buckets; one group of addresses 8 of 64 in tried.  What was there stays. */
static void test_one_group_fills_a_part( void ** state ) {
  for( uint32_t i = 0; i<2000; i++ ) add( i, 0x20000000u+i*65536u, 0x01010000u+i*0x01000000u, T );   /* honest, from many */
  uint32_t honest = new_cnt();
  assert_true( honest>1800 );
  for( uint32_t i = 0; i<100000; i++ ) add( 1000000+i, i*40009u|0x01000000u, 0x63630000u+( i&0xffff ), T+1 );
  uint32_t theirs = new_cnt()-honest;
  assert_true( theirs<=64*64 && theirs>3000 );
  dmg_addrman_peer_t got;
  uint32_t kept = 0;
  for( uint32_t i = 0; i<2000; i++ ) { dmg_net_peer_t p = peer_of( i ); kept += dmg_addrman_find( am, &p, &got ); }
  assert_int_equal( kept, honest );
  /* A /16 of its own, all of them connected with: 8 buckets of tried. */
  for( uint32_t i = 0; i<60000; i++ ) if( add( 5000000+i, 0x40400000u+i, 0x50500000u+i*65536u, T+2 ) ) { dmg_net_peer_t p = peer_of( 5000000+i ); dmg_addrman_good( am, &p, T+2 ); }
  assert_true( tried_cnt()<=8*64 && tried_cnt()>400 );
}

static void test_a_place_is_given_up_by_who_is_not_there( void ** state ) {
  /* All of one group and one source: one bucket of 64. */
  for( uint32_t i = 0; i<2000; i++ ) add( i, 0x08080000u+i, 0x01010101, T );
  assert_int_equal( new_cnt(), 64 );
  for( uint32_t i = 0; i<2000; i++ ) { dmg_net_peer_t p = peer_of( i ); for( unsigned k = 0; k<3; k++ ) dmg_addrman_failed( am, &p, false, T ); }
  dmg_addrman_peer_t got;
  for( uint32_t i = 5000; i<7000; i++ ) add( i, 0x08080000u+i, 0x01010101, T );
  assert_int_equal( new_cnt(), 64 );
  uint32_t old = 0;
  for( uint32_t i = 0; i<2000; i++ ) { dmg_net_peer_t p = peer_of( i ); old += dmg_addrman_find( am, &p, &got ); }
  assert_int_equal( old, 0 );
  /* 30 days unheard of. */
  for( uint32_t i = 9000; i<11000; i++ ) add( i, 0x08080000u+i, 0x01010101, T+30*24*3600 );
  for( uint32_t i = 5000; i<7000; i++ ) { dmg_net_peer_t p = peer_of( i ); old += dmg_addrman_find( am, &p, &got ); }
  assert_int_equal( old, 0 );
  /* Tried: 4 hours without it, then it goes back to new. */
  teardown( NULL ); setup( NULL );
  uint32_t sum = 0;
  for( uint32_t i = 0; i<3000; i++ ) { add( i, 0x08080000u+i, 0x01010000u+i*65536u, T ); dmg_net_peer_t p = peer_of( i ); dmg_addrman_good( am, &p, T ); }
  uint32_t before = tried_cnt();
  assert_true( before<=8*64 && before>400 );
  for( uint32_t i = 3000; i<6000; i++ ) { add( i, 0x08080000u+i, 0x01010000u+i*65536u, T+4*3600 ); dmg_net_peer_t p = peer_of( i ); dmg_addrman_good( am, &p, T+4*3600 ); }
  for( uint32_t i = 0; i<3000; i++ ) { dmg_net_peer_t p = peer_of( i ); sum += dmg_addrman_find( am, &p, &got ) && got.is_tried; }
  assert_true( sum<before/8 && tried_cnt()<=8*64 && tried_cnt()>=before );
}

static void test_the_file_brings_all_back( void ** state ) {
  for( uint32_t i = 0; i<3000; i++ ) { add( i, 0x20000000u+i*65536u, 0x01010000u+i*0x01000000u, T ); if( i%3==0 ) { dmg_net_peer_t p = peer_of( i ); dmg_addrman_good( am, &p, T ); } }
  uint32_t news = new_cnt(), tried = tried_cnt();
  dmg_net_peer_t anchors[ 2 ] = { peer_of( 3 ), peer_of( 6 ) }, back[ 2 ];
  uint32_t back_cnt = 9;
  dmg_buf_t file = dmg_buf( 32u<<20 ), again = dmg_buf( 32u<<20 );
  assert_int_equal( dmg_addrman_save( am, anchors, 2, &file ), DMG_OK );
  teardown( NULL );
  arena = dmg_arena_new( 16u<<20 );
  am    = dmg_addrman_new( arena, (uint8_t const[ 16 ]){ 1 } );       /* another key: the file's counts */
  assert_int_equal( dmg_addrman_load( am, dmg_buf_span( &file ), back, &back_cnt ).kind, DMG_VERDICT_GOOD );
  assert_true( back_cnt==2 && dmg_net_peer_eq( &back[ 1 ], &anchors[ 1 ] ) );
  assert_true( new_cnt()==news && tried_cnt()==tried );
  assert_int_equal( dmg_addrman_save( am, back, 2, &again ), DMG_OK );
  assert_true( dmg_span_eq( dmg_buf_span( &file ), dmg_buf_span( &again ) ) );
  /* Cut, changed, or with a good checksum over nonsense: never taken, never a crash. */
  uint64_t rnd = 5;
  for( unsigned i = 0; i<300; i++ ) {
    teardown( NULL ); setup( NULL );
    dmg_buf_clear( &again );
    assert_int_equal( dmg_buf_append( &again, file.p, i<100 ? dmg_rnd_u64( &rnd )%file.sz : file.sz ), DMG_OK );
    if( i>=100 ) again.p[ dmg_rnd_u64( &rnd )%( i<200 ? 2000 : again.sz ) ] ^= (uint8_t)( 1u<<dmg_rnd_u64( &rnd )%8 );
    bool is_signed = i>=150 && again.sz>32;
    if( is_signed ) { dmg_hash_t h = dmg_sha256( dmg_span( again.p, again.sz-32 ) ); memcpy( again.p+again.sz-32, h.b, 32 ); }
    dmg_verdict_t v = dmg_addrman_load( am, dmg_buf_span( &again ), back, &back_cnt );
    if( !is_signed ) assert_int_equal( v.kind, DMG_VERDICT_BAD );
    dmg_addrman_peer_t got;
    (void)!dmg_addrman_pick( am, false, dmg_rnd_u64( &rnd ), T+1000, any, NULL, &got );
  }
  dmg_buf_fini( &file );
  dmg_buf_fini( &again );
}

/* Anything, in any order; counts and finds agree with a list. */
static void test_random_walks( void ** state ) {
  uint64_t rnd = 77;
  printf( "seed 77\n" );
  for( uint32_t step = 0; step<200000; step++ ) {
    uint64_t r = dmg_rnd_u64( &rnd ), now = T+step*20;
    uint32_t i = (uint32_t)( r%3000 );
    dmg_net_peer_t p = peer_of( i );
    switch( r>>32&7 ) {
      case 0: dmg_addrman_good( am, &p, now ); break;
      case 1: dmg_addrman_failed( am, &p, ( r>>40&31 )==0, now ); break;
      case 2: {
        dmg_maddr_t a = addr_of( (uint32_t)( r>>20 )|0x01000000u ), s = addr_of( (uint32_t)( r>>11 )|0x01000000u );
        dmg_maddr_group_t g = dmg_maddr_group( &s );
        dmg_addrman_add( am, &p, step, &a, 1, &g, now );
        break;
      }
      case 3: { dmg_addrman_peer_t got; (void)!dmg_addrman_pick( am, false, r, now, any, NULL, &got ); break; }
      default: add( i, (uint32_t)( i*2654435761u )|0x01000000u, (uint32_t)( r>>13 )|0x01000000u, now );
    }
  }
  uint32_t found = 0;
  dmg_addrman_peer_t got;
  for( uint32_t i = 0; i<3000; i++ ) { dmg_net_peer_t p = peer_of( i ); found += dmg_addrman_find( am, &p, &got ); }
  assert_int_equal( found, new_cnt()+tried_cnt() );
  assert_true( new_cnt() && tried_cnt() );
}

#define T_( f ) cmocka_unit_test_setup_teardown( f, setup, teardown )
int main( void ) {
  struct CMUnitTest const tests[] = { T_( test_heard_of_good_and_gone ), T_( test_one_group_fills_a_part ), T_( test_a_place_is_given_up_by_who_is_not_there ), T_( test_the_file_brings_all_back ), T_( test_random_walks ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
