/* holding: read from a state with locks of all kinds; what is live is told by the time. */
#include "node/holding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

enum { ENTRY_MAX = 32 };

typedef struct {
  uint8_t       key[ ENTRY_MAX ][ DMG_KEY_MAX ], value[ ENTRY_MAX ][ 64 ];
  dmg_write_t   w[ ENTRY_MAX ];
  size_t        cnt;
  dmg_kv_t *    kv;
  dmg_state_t * state;
  dmg_view_t *  view;
  dmg_arena_t * arena;
} world_t;

static dmg_hash_t const who = { { 0x40, 1 } }, nobody = { { 0x40, 2 } }, before = { { 0x40, 0, 0xff } }, block = { { 9 } };

static void add( world_t * t, size_t key_sz, size_t value_sz ) {
  t->w[ t->cnt ] = (dmg_write_t){ .key = dmg_span( t->key[ t->cnt ], key_sz ), .value = dmg_span( t->value[ t->cnt ], value_sz ) };
  t->cnt++;
}
static void add_lock( world_t * t, dmg_hash_t const * account, uint8_t reason, uint64_t amount, uint64_t until_ms ) {
  uint8_t bcs[ DMG_ITEM_LOCK_MAX ];
  dmg_item_lock_t lock = { amount, until_ms };
  add( t, dmg_key_lock( account, reason, t->key[ t->cnt ] ), dmg_value_build( false, 1, NULL, dmg_span( bcs, dmg_item_lock_put( &lock, bcs ) ), t->value[ t->cnt ] ) );
}
static void add_free( world_t * t, dmg_hash_t const * account, uint64_t sparks ) { add( t, dmg_key_free( account, t->key[ t->cnt ] ), dmg_counter_build( true, 1, NULL, sparks, t->value[ t->cnt ] ) ); }
static void add_held( world_t * t, dmg_hash_t const * account, uint64_t sparks ) { add( t, dmg_key_held( account, t->key[ t->cnt ] ), dmg_counter_build( false, 1, NULL, sparks, t->value[ t->cnt ] ) ); }

static int by_key( void const * a, void const * b ) { return dmg_span_cmp( ( (dmg_write_t const *)a )->key, ( (dmg_write_t const *)b )->key ); }

static void open_world( world_t * t ) {
  dmg_hash_t root;
  dmg_state_cfg_t cfg = { .genesis_hash = { { 7 } }, .tree_sz_max = 1u<<26 };
  qsort( t->w, t->cnt, sizeof *t->w, by_key );
  assert_int_equal( dmg_kv_mem_open( 1u<<26, &t->kv ), DMG_OK );
  assert_int_equal( dmg_state_open( &cfg, t->kv, &t->state, NULL ), DMG_OK );
  assert_int_equal( dmg_state_genesis( t->state, &block, t->w, t->cnt, &root ), DMG_OK );
  assert_int_equal( dmg_state_view( t->state, &block, &t->view ), DMG_OK );
  t->arena = dmg_arena_new( 1<<20 );
}
static void close_world( world_t * t ) {
  dmg_view_close( t->view );
  dmg_state_close( t->state );
  dmg_kv_close( t->kv );
  dmg_arena_free( t->arena );
}

static void test_the_largest_live_lock_counts( void ** state ) {
  static world_t t;
  dmg_holding_t h;
  add_free( &t, &who, 100 );
  add_held( &t, &who, 7 );
  add_lock( &t, &who, 0, 30, 1000 );
  add_lock( &t, &who, 3, 80, 2000 );
  add_lock( &t, &who, 7, 10, UINT64_MAX );
  /* Neighbours in key order are not his. */
  add_lock( &t, &before, 7, 999, UINT64_MAX );
  add_lock( &t, &(dmg_hash_t){ { 0x40, 3 } }, 0, 999, UINT64_MAX );
  open_world( &t );
  assert_int_equal( dmg_holding_read( t.view, t.arena, &who, &h ), DMG_OK );
  assert_int_equal( h.free, 100 );
  assert_int_equal( h.held, 7 );
  assert_int_equal( h.lock_cnt, 3 );
  static struct { uint64_t now_ms, locked; } const at[] = { { 0, 80 }, { 999, 80 }, { 1000, 80 }, { 1999, 80 }, { 2000, 10 }, { UINT64_MAX-1, 10 }, { UINT64_MAX, 0 } };
  for( size_t i = 0; i<sizeof at/sizeof *at; i++ ) assert_int_equal( dmg_holding_locked( &h, at[ i ].now_ms ), at[ i ].locked );
  assert_int_equal( dmg_spendable( 100, 80 ), 20 );
  assert_int_equal( dmg_spendable( 80, 80 ), 0 );
  assert_int_equal( dmg_spendable( 79, 80 ), 0 );
  assert_int_equal( dmg_holding_read( t.view, t.arena, &nobody, &h ), DMG_OK );
  assert_true( !h.free && !h.held && !h.lock_cnt );
  close_world( &t );
}

static void test_all_eight_places_are_read( void ** state ) {
  static world_t t;
  dmg_holding_t h;
  for( uint8_t r = 0; r<DMG_BALANCES_LOCK_MAX; r++ ) add_lock( &t, &who, r, 1+r, UINT64_MAX );
  open_world( &t );
  assert_int_equal( dmg_holding_read( t.view, t.arena, &who, &h ), DMG_OK );
  assert_int_equal( h.lock_cnt, DMG_BALANCES_LOCK_MAX );
  assert_int_equal( dmg_holding_locked( &h, 0 ), DMG_BALANCES_LOCK_MAX );
  assert_int_equal( h.free, 0 );
  close_world( &t );
}

static void test_a_damaged_entry_is_an_error( void ** state ) {
  for( int which = 0; which<3; which++ ) {
    world_t * t = calloc( 1, sizeof *t );
    dmg_holding_t h = { .free = 0x77 };
    add_free( t, &who, 100 );
    add_held( t, &who, 7 );
    add_lock( t, &who, 5, 30, 1000 );
    t->w[ which ].value.sz--;
    open_world( t );
    assert_int_equal( dmg_holding_read( t->view, t->arena, &who, &h ), DMG_ERR_CORRUPT );
    assert_int_equal( h.free, 0x77 );
    close_world( t );
    free( t );
  }
}

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_the_largest_live_lock_counts ), cmocka_unit_test( test_all_eight_places_are_read ), cmocka_unit_test( test_a_damaged_entry_is_an_error ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
