/* head_cache: against a table of what the state says, over random blocks; it is bounded, and forgets what it cannot know. */
#include "base/test_rnd.h"
#include "node/head_cache.h"
#include "types/items.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

enum { ACCOUNTS = 60, BLOCKS = 3000, WRITES = 24 };

typedef struct { uint32_t keys; uint64_t sparks, held, next; bool has_lock; } truth_t;   /* keys: how many authenticators, changed with each write */

/* Few sets: neighbours push one another out. */
static dmg_hash_t address( uint32_t i ) {
  dmg_hash_t h = { { (uint8_t)i, (uint8_t)( i>>8 ), 7 } };
  return h;
}

static dmg_txpool_account_t account_of( truth_t const * t, uint32_t i ) {
  dmg_txpool_account_t a = { .is_user = true, .t_use = (uint16_t)i, .t_owner = 1, .auth_cnt = t->keys%( DMG_AUTH_SLOT_MAX+1 ) };
  for( uint32_t k = 0; k<a.auth_cnt; k++ ) a.auths[ k ] = (dmg_txpool_auth_t){ .key_sz = 32, .weight = (uint16_t)t->keys, .key = { (uint8_t)k, (uint8_t)i } };
  return a;
}

static uint8_t key_room[ WRITES ][ DMG_KEY_MAX ], value_room[ WRITES ][ DMG_COUNTER_V_MAX ];

static dmg_write_t counter_write( uint32_t at, size_t key_sz, bool has_deposit, uint64_t sparks ) {
  dmg_write_t w = { .is_delete = !sparks, .key = dmg_span( key_room[ at ], key_sz ) };
  if( sparks ) w.value = dmg_span( value_room[ at ], dmg_counter_build( has_deposit, 1, NULL, sparks, value_room[ at ] ) );
  return w;
}
static dmg_write_t free_write( uint32_t at, dmg_hash_t const * a, uint64_t sparks ) { return counter_write( at, dmg_key_free( a, key_room[ at ] ), true, sparks ); }
static dmg_write_t held_write( uint32_t at, dmg_hash_t const * a, uint64_t sparks ) { return counter_write( at, dmg_key_held( a, key_room[ at ] ), false, sparks ); }
static dmg_write_t other_write( uint32_t at, size_t key_sz ) { return (dmg_write_t){ .key = dmg_span( key_room[ at ], key_sz ), .value = DMG_SPAN_STR( "\1x" ) }; }

static void test_it_says_what_the_state_says( void ** state ) {
  static truth_t truth[ ACCOUNTS ];
  memset( truth, 0, sizeof truth );
  dmg_head_cache_t * c = dmg_head_cache_new( 16, seed_any() );
  uint32_t account_hits = 0, free_hits = 0, lane_hits = 0;
  for( uint32_t b = 0; b<BLOCKS; b++ ) {
    for( uint32_t q = 0; q<20; q++ ) {
      uint32_t i = rnd_below( rnd_below( 2 ) ? 6 : ACCOUNTS );
      dmg_hash_t a = address( i );
      truth_t const * t = &truth[ i ];
      dmg_txpool_account_t got, want = account_of( t, i );
      uint64_t sparks, held;
      if( dmg_head_cache_account( c, &a, &got ) ) {
        account_hits++;
        assert_true( got.auth_cnt==want.auth_cnt && got.t_use==want.t_use && got.is_user );
        for( uint32_t k = 0; k<want.auth_cnt; k++ ) assert_true( got.auths[ k ].weight==want.auths[ k ].weight && !memcmp( got.auths[ k ].key, want.auths[ k ].key, 32 ) );
      } else if( rnd_below( 4 ) ) dmg_head_cache_put_account( c, &a, &want );
      if( dmg_head_cache_holding( c, &a, &sparks, &held ) ) { free_hits++; assert_false( t->has_lock ); assert_int_equal( sparks, t->sparks ); assert_int_equal( held, t->held ); }
      else if( !t->has_lock ) dmg_head_cache_put_holding( c, &a, t->sparks, t->held, rnd_below( 2 ) );
      if( dmg_head_cache_lane( c, &a, &sparks ) ) { lane_hits++; assert_int_equal( sparks, t->next ); }
      else dmg_head_cache_put_lane( c, &a, t->next );
    }
    dmg_write_t w[ WRITES ];
    uint32_t cnt = rnd_below( WRITES );
    for( uint32_t k = 0; k<cnt; k++ ) {
      uint32_t i = rnd_below( ACCOUNTS );
      dmg_hash_t a = address( i );
      truth_t * t = &truth[ i ];
      switch( rnd_below( 8 ) ) {
      case 0:  t->keys++; w[ k ] = other_write( k, dmg_key_account( &a, key_room[ k ] ) ); break;
      case 1:  t->keys++; w[ k ] = other_write( k, dmg_key_auth( &a, (uint8_t)rnd_below( 16 ), key_room[ k ] ) ); break;
      case 2:  t->has_lock = rnd_below( 2 ); w[ k ] = other_write( k, dmg_key_lock( &a, 3, key_room[ k ] ) ); w[ k ].is_delete = !t->has_lock; break;
      case 3: {
        uint16_t lane = rnd_below( 2 )<<8;
        uint64_t next = rnd_below( 4 ) ? 1+rnd_below( 1000 ) : 0;
        w[ k ] = (dmg_write_t){ .is_delete = !next, .key = dmg_span( key_room[ k ], dmg_key_lane( &a, lane, key_room[ k ] ) ), .value = dmg_span( value_room[ k ], dmg_counter_build( true, 1, NULL, next, value_room[ k ] ) ) };
        if( !lane ) t->next = next;   /* another lane is not its business */
        break;
      }
      case 4:  t->held = rnd_below( 3 ) ? 1+rnd_below( 1000 ) : 0; w[ k ] = held_write( k, &a, t->held ); break;
      case 5:  w[ k ] = other_write( k, dmg_key_block( key_room[ k ] ) ); break;
      default: t->sparks = rnd_below( 3 ) ? 1+rnd_below( 1000 ) : 0; w[ k ] = free_write( k, &a, t->sparks ); break;
      }
    }
    dmg_head_cache_on_block( c, w, cnt );
    if( rnd_below( 500 )==0 ) {   /* another chain */
      for( uint32_t i = 0; i<ACCOUNTS; i++ ) truth[ i ].sparks += 5;
      dmg_head_cache_clear( c );
    }
  }
  print_message( "%u hits of accounts, %u of Free\n", account_hits, free_hits );
  assert_true( account_hits>1000 && free_hits>1000 && lane_hits>1000 );
  dmg_head_cache_free( c );
}

/* A value that does not read is forgotten, not taken for a number. */
static void test_a_damaged_value_is_not_known( void ** state ) {
  dmg_head_cache_t * c = dmg_head_cache_new( 16, 1 );
  dmg_hash_t a = address( 1 );
  uint64_t sparks, held;
  for( int is_held = 0; is_held<2; is_held++ ) {
    dmg_head_cache_put_holding( c, &a, 7, 8, true );
    assert_true( dmg_head_cache_holding( c, &a, &sparks, &held ) );
    dmg_write_t w = is_held ? held_write( 0, &a, 9 ) : free_write( 0, &a, 9 );
    dmg_head_cache_on_block( c, &w, 1 );
    assert_true( dmg_head_cache_holding( c, &a, &sparks, &held ) );
    assert_int_equal( sparks, is_held ? 7 : 9 );
    assert_int_equal( held, is_held ? 9 : 8 );
    w.value.sz--;
    dmg_head_cache_on_block( c, &w, 1 );
    assert_false( dmg_head_cache_holding( c, &a, &sparks, &held ) );
    w.key.sz = 10;
    dmg_head_cache_on_block( c, &w, 1 );
  }
  dmg_head_cache_free( c );
  dmg_head_cache_free( NULL );
}

/* Whoever asks for balances of all the world pushes out no sender. */
static void test_readers_take_no_place_of_senders( void ** state ) {
  enum { CNT = 16, ASKED = 1000 };
  dmg_head_cache_t * c = dmg_head_cache_new( CNT, 1 );
  dmg_txpool_account_t got, keys = { .auth_cnt = 1, .auths[ 0 ].key_sz = 32 };
  uint64_t sparks, held;
  uint32_t known = 0, known_after = 0, read = 0;
  for( uint32_t i = 0; i<10; i++ ) { dmg_hash_t a = address( i ); dmg_head_cache_put_account( c, &a, &keys ); }
  for( uint32_t i = 0; i<10; i++ ) { dmg_hash_t a = address( i ); known += dmg_head_cache_account( c, &a, &got ); }
  for( uint32_t i = 10; i<ASKED; i++ ) { dmg_hash_t a = address( i ); dmg_head_cache_put_holding( c, &a, i, 0, false ); }
  for( uint32_t i = 0; i<10; i++ ) { dmg_hash_t a = address( i ); known_after += dmg_head_cache_account( c, &a, &got ); }
  for( uint32_t i = 10; i<ASKED; i++ ) { dmg_hash_t a = address( i ); read += dmg_head_cache_holding( c, &a, &sparks, &held ); }
  assert_int_equal( known_after, known );
  assert_true( known>=8 );
  assert_int_equal( read, CNT-known );   /* readers have what is left */
  /* Senders take any place, and a full house of them leaves none. */
  for( uint32_t i = ASKED; i<2*ASKED; i++ ) { dmg_hash_t a = address( i ); dmg_head_cache_put_account( c, &a, &keys ); assert_true( dmg_head_cache_account( c, &a, &got ) ); }
  for( uint32_t i = 10; i<ASKED; i++ ) {
    dmg_hash_t a = address( i );
    dmg_head_cache_put_holding( c, &a, i, 0, false );
    assert_false( dmg_head_cache_holding( c, &a, &sparks, &held ) );
  }
  /* What is known of a sender is kept whoever asked. */
  dmg_hash_t last = address( 2*ASKED-1 );
  dmg_head_cache_put_holding( c, &last, 5, 6, false );
  assert_true( dmg_head_cache_holding( c, &last, &sparks, &held ) );
  dmg_head_cache_free( c );
}

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_it_says_what_the_state_says ), cmocka_unit_test( test_a_damaged_value_is_not_known ), cmocka_unit_test( test_readers_take_no_place_of_senders ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
