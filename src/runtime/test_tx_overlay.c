/* Block set and transaction overlay against a plain model: reads, rollback to nested marks, merged scans, commits. */
#include "base/test_rnd.h"
#include "runtime/tx_overlay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static dmg_ov_item_t const plain   = { .module = 9, .item = 1, .schema = 1 };
static dmg_ov_item_t const ordered = { .module = 9, .item = 2, .is_ordered = true, .schema = 1 };
static dmg_ov_item_t const counter = { .module = 9, .item = 3, .is_counter = true, .has_record = true, .schema = 1 };
static dmg_ov_item_t const paid    = { .module = 9, .item = 4, .has_record = true, .schema = 1 };

typedef struct { dmg_kv_t * kv; dmg_state_t * state; dmg_view_t * view; dmg_arena_t * block, * tx; dmg_block_set_t bs; dmg_ov_t ov; dmg_hash_t head; uint64_t height; } env_t;

static int
setup( void ** state ) {
  env_t * e = calloc( 1, sizeof( *e ) );
  uint8_t v[ 2 ] = { 1, 5 };
  dmg_write_t     w   = { .key = DMG_SPAN_STR( "\0\1\0\1" ), .value = DMG_SPAN( v ) };
  dmg_state_cfg_t cfg = { .secret = 3 };
  dmg_hash_t      root;
  e->block = dmg_arena_new( (size_t)1<<28 );
  e->tx    = dmg_arena_new( (size_t)1<<26 );
  assert_int_equal( dmg_kv_mem_open( 1u<<28, &e->kv ), DMG_OK );
  assert_int_equal( dmg_state_open( &cfg, e->kv, &e->state, NULL ), DMG_OK );
  assert_int_equal( dmg_state_genesis( e->state, &e->head, &w, 1, &root ), DMG_OK );
  assert_int_equal( dmg_state_view( e->state, &e->head, &e->view ), DMG_OK );
  assert_int_equal( dmg_bs_init( &e->bs, e->view, e->block, 77 ), DMG_OK );
  assert_int_equal( dmg_ov_init( &e->ov ), DMG_OK );
  dmg_ov_reset( &e->ov, &e->bs, e->tx );
  *state = e;
  return 0;
}
static int
teardown( void ** state ) {
  env_t * e = *state;
  dmg_ov_fini( &e->ov );
  dmg_view_close( e->view );
  dmg_state_close( e->state );
  dmg_kv_close( e->kv );
  dmg_arena_free( e->block );
  dmg_arena_free( e->tx );
  free( e );
  return 0;
}

/* The block's writes become the state, a new block begins. */
static void
next_block( env_t * e ) {
  dmg_write_t * w;
  size_t        n;
  dmg_hash_t    block = { { 0 } }, root;
  e->height++;
  memcpy( block.b, &e->height, 8 );
  assert_int_equal( dmg_bs_writes( &e->bs, e->block, &w, &n ), DMG_OK );
  for( size_t i=1; i<n; i++ ) assert_true( dmg_span_cmp( w[ i-1 ].key, w[ i ].key )<0 );
  assert_int_equal( dmg_state_apply( e->state, &e->head, &block, e->height, w, n, NULL, 0 ), DMG_OK );
  assert_int_equal( dmg_state_root( e->state, &block, &root ), DMG_OK );
  assert_int_equal( dmg_state_finalize( e->state, &block, NULL, 0 ), DMG_OK );
  dmg_view_close( e->view );
  e->head = block;
  assert_int_equal( dmg_state_view( e->state, &e->head, &e->view ), DMG_OK );
  dmg_arena_reset( e->block );
  assert_int_equal( dmg_bs_init( &e->bs, e->view, e->block, 77 ), DMG_OK );
}
static void
next_tx( env_t * e ) {
  dmg_arena_reset( e->tx );
  dmg_ov_reset( &e->ov, &e->bs, e->tx );
}

static dmg_span_t
key_of( dmg_ov_item_t const * item, uint8_t k, uint8_t out[ 6 ] ) {
  dmg_store_u16be( out, item->module );
  dmg_store_u16be( out+2, item->item );
  out[ 4 ] = k/64;
  out[ 5 ] = k%64;
  return dmg_span( out, 6 );
}
static dmg_ov_entry_t *
entry( env_t * e, dmg_ov_item_t const * item, uint8_t k ) {
  uint8_t          buf[ 6 ];
  dmg_ov_entry_t * out;
  assert_int_equal( dmg_ov_entry( &e->ov, key_of( item, k, buf ), item, &out ), DMG_OK );
  return out;
}

static void
test_stored_bytes_that_no_rule_wrote_are_corrupt( void ** state ) {
  env_t *          e = *state;
  dmg_ov_entry_t * out;
  dmg_ov_item_t    system = { .module = 1, .item = 1, .has_record = true };
  assert_int_equal( dmg_ov_entry( &e->ov, DMG_SPAN_STR( "\0\1\0\1" ), &system, &out ), DMG_ERR_CORRUPT );   /* no room for a record */
  system.has_record = false;
  system.is_counter = true;
  assert_int_equal( dmg_ov_entry( &e->ov, DMG_SPAN_STR( "\0\1\0\1" ), &system, &out ), DMG_ERR_CORRUPT );   /* a counter of one byte */
  system.is_counter = false;
  assert_int_equal( dmg_ov_entry( &e->ov, DMG_SPAN_STR( "\0\1\0\1" ), &system, &out ), DMG_OK );
  assert_int_equal( out->cur.body.sz, 1 );
}

static void
test_rollback_restores_nested_marks( void ** state ) {
  env_t *          e = *state;
  dmg_ov_entry_t * a = entry( e, &plain, 1 ), * c = entry( e, &counter, 1 );
  size_t m0 = dmg_ov_mark( &e->ov );
  assert_int_equal( dmg_ov_set( &e->ov, a, 1, DMG_SPAN_STR( "one" ) ), DMG_OK );
  assert_int_equal( dmg_ov_set_ctr( &e->ov, c, 10 ), DMG_OK );
  size_t m1 = dmg_ov_mark( &e->ov );
  assert_int_equal( dmg_ov_set( &e->ov, a, 1, DMG_SPAN_STR( "two" ) ), DMG_OK );
  assert_int_equal( dmg_ov_set( &e->ov, a, 1, DMG_SPAN_STR( "three" ) ), DMG_OK );
  assert_int_equal( dmg_ov_set_ctr( &e->ov, c, 0 ), DMG_OK );
  assert_false( c->cur.is_present );                    /* a counter at 0 is absent */
  dmg_ov_rollback( &e->ov, m1 );
  assert_true( dmg_span_eq( a->cur.body, DMG_SPAN_STR( "one" ) ) );
  assert_int_equal( c->cur.ctr, 10 );
  assert_int_equal( dmg_ov_delete( &e->ov, a ), DMG_OK );
  dmg_ov_rollback( &e->ov, m0 );
  assert_false( a->cur.is_present );
  assert_false( c->cur.is_present );
}

static void
test_bounds_survive_rollback( void ** state ) {
  env_t *          e = *state;
  dmg_ov_entry_t * c = entry( e, &counter, 1 );
  size_t m = dmg_ov_mark( &e->ov );
  dmg_ov_note_bound( c, 7 );
  assert_int_equal( dmg_ov_set_ctr( &e->ov, c, 7 ), DMG_OK );
  dmg_ov_note_bound( c, -5 );
  assert_int_equal( dmg_ov_set_ctr( &e->ov, c, 2 ), DMG_OK );
  dmg_ov_rollback( &e->ov, m );
  assert_int_equal( c->seen, DMG_OV_BOUND );
  assert_int_equal( c->lo, 0 );
  assert_int_equal( c->hi, 7 );
}

static void
test_records_stay_with_their_entry( void ** state ) {
  env_t *          e = *state;
  dmg_ov_entry_t * p = entry( e, &paid, 1 );
  assert_int_equal( dmg_ov_set( &e->ov, p, 1, DMG_SPAN_STR( "x" ) ), DMG_OK );
  assert_int_equal( dmg_ov_value_sz( &paid, &p->cur ), 42 );
  p->has_rec    = true;
  p->is_rec_new = true;
  memset( p->rec.payer, 0xaa, 32 );
  p->rec.amount = 99;
  assert_int_equal( dmg_ov_commit( &e->ov ), DMG_OK );
  next_block( e );
  next_tx( e );
  p = entry( e, &paid, 1 );
  assert_true( p->has_rec );
  assert_int_equal( p->rec.amount, 99 );
  assert_int_equal( dmg_ov_set( &e->ov, p, 1, DMG_SPAN_STR( "yz" ) ), DMG_OK );
  dmg_ov_settle( &e->ov );
  p->rec.amount = 1;
  dmg_ov_records_back( &e->ov );
  assert_int_equal( p->rec.amount, 99 );
  assert_int_equal( dmg_ov_commit( &e->ov ), DMG_OK );
  uint8_t    buf[ 6 ], want[ 43 ] = { 1 };
  dmg_span_t v;
  memset( want+1, 0xaa, 32 );
  want[ 33 ] = 99;
  want[ 41 ] = 'y';
  want[ 42 ] = 'z';
  assert_int_equal( dmg_bs_get( &e->bs, key_of( &paid, 1, buf ), &v ), DMG_OK );
  assert_true( dmg_span_eq( v, DMG_SPAN( want ) ) );
}

static void
test_writes_that_change_nothing_are_none( void ** state ) {
  env_t *          e = *state;
  dmg_ov_entry_t * a = entry( e, &plain, 3 );
  dmg_write_t *    w;
  size_t           n;
  assert_int_equal( dmg_ov_set( &e->ov, a, 1, DMG_SPAN_STR( "v" ) ), DMG_OK );
  assert_int_equal( dmg_ov_commit( &e->ov ), DMG_OK );
  next_tx( e );
  assert_int_equal( dmg_ov_delete( &e->ov, entry( e, &plain, 3 ) ), DMG_OK );
  assert_int_equal( dmg_ov_delete( &e->ov, entry( e, &plain, 4 ) ), DMG_OK );
  assert_int_equal( dmg_ov_commit( &e->ov ), DMG_OK );
  assert_int_equal( dmg_bs_writes( &e->bs, e->block, &w, &n ), DMG_OK );
  assert_int_equal( n, 0 );
}

/* ---- What is deleted costs a scan nothing (its deletion paid once, a scan is paid by what it gives) ---- */

static dmg_kv_vt_t counting;
static dmg_err_t (*real_next)( dmg_kv_iter_t *, dmg_span_t *, dmg_span_t * );
static size_t    step_cnt;
static dmg_err_t counted_next( dmg_kv_iter_t * it, dmg_span_t * key, dmg_span_t * value ) { step_cnt++; return real_next( it, key, value ); }

/* Steps of the store's iterators that `cnt` scans for the first entry take. */
static size_t
scans_cost( env_t * e, unsigned cnt, uint8_t first ) {
  uint8_t          buf[ 6 ];
  dmg_ov_scan_t    scan;
  dmg_ov_entry_t * x;
  step_cnt = 0;
  for( unsigned i=0; i<cnt; i++ ) {
    assert_int_equal( dmg_ov_scan_open( &e->ov, &ordered, dmg_span( key_of( &ordered, 0, buf ).p, 4 ), (dmg_span_t){ 0 }, &scan ), DMG_OK );
    assert_int_equal( dmg_ov_scan_next( &scan, &x ), DMG_OK );
    assert_true( dmg_span_eq( x->key, key_of( &ordered, first, buf ) ) );
    dmg_ov_scan_close( &scan );
  }
  return step_cnt;
}

static void
test_scans_do_not_walk_what_was_deleted( void ** state ) {
  enum { ALL = 250, GONE = 240, SCANS = 20, STEPS = 30 };
  env_t *      e = *state;
  uint8_t      buf[ 6 ];
  counting       = *e->kv->vt;
  real_next      = counting.iter_next;
  counting.iter_next = counted_next;
  e->kv->vt      = &counting;
  for( unsigned k=0; k<ALL; k++ ) assert_int_equal( dmg_ov_set( &e->ov, entry( e, &ordered, (uint8_t)k ), 1, DMG_SPAN_STR( "v" ) ), DMG_OK );
  assert_int_equal( dmg_ov_commit( &e->ov ), DMG_OK );
  next_block( e );
  next_tx( e );
  /* Deleted in this transaction; each is met once, then never again. */
  for( unsigned k=0; k<GONE; k++ ) assert_int_equal( dmg_ov_delete( &e->ov, entry( e, &ordered, (uint8_t)k ) ), DMG_OK );
  assert_true( scans_cost( e, 1, GONE )<=2*GONE );
  assert_true( scans_cost( e, SCANS, GONE )<=SCANS*STEPS );
  /* One that comes back in their midst parts the stretch, and joins it again. */
  size_t mark = dmg_ov_mark( &e->ov );
  assert_int_equal( dmg_ov_set( &e->ov, entry( e, &ordered, 100 ), 1, DMG_SPAN_STR( "w" ) ), DMG_OK );
  assert_true( scans_cost( e, SCANS, 100 )<=SCANS*STEPS );
  dmg_ov_rollback( &e->ov, mark );
  assert_true( scans_cost( e, SCANS, GONE )<=SCANS*STEPS );
  /* Deleted earlier in the block. */
  assert_int_equal( dmg_ov_commit( &e->ov ), DMG_OK );
  next_tx( e );
  assert_true( scans_cost( e, 1, GONE )<=2*GONE );
  next_tx( e );
  assert_true( scans_cost( e, SCANS, GONE )<=SCANS*STEPS );
  /* And what is there costs its step: all ten that are left. */
  dmg_ov_scan_t    scan;
  dmg_ov_entry_t * x;
  assert_int_equal( dmg_ov_scan_open( &e->ov, &ordered, dmg_span( key_of( &ordered, 0, buf ).p, 4 ), (dmg_span_t){ 0 }, &scan ), DMG_OK );
  for( unsigned k=GONE; k<ALL; k++ ) {
    assert_int_equal( dmg_ov_scan_next( &scan, &x ), DMG_OK );
    assert_true( dmg_span_eq( x->key, key_of( &ordered, (uint8_t)k, buf ) ) );
  }
  assert_int_equal( dmg_ov_scan_next( &scan, &x ), DMG_ERR_NOT_FOUND );
  dmg_ov_scan_close( &scan );
}

/* ---- Random, against a model ---- */

enum { KEYS = 192, GROUP = 64 };
typedef struct { bool is_in[ 3 ][ KEYS ]; uint64_t v[ 3 ][ KEYS ]; } model_t;   /* plain, ordered, counter */
static dmg_ov_item_t const * const items[ 3 ] = { &plain, &ordered, &counter };

static void
check_all( env_t * e, model_t const * m ) {
  for( unsigned i=0; i<3; i++ ) {
    for( unsigned k=0; k<KEYS; k++ ) {
      dmg_ov_entry_t * x = entry( e, items[ i ], (uint8_t)k );
      assert_int_equal( x->cur.is_present, m->is_in[ i ][ k ] );
      if( !m->is_in[ i ][ k ] ) continue;
      assert_int_equal( i==2 ? x->cur.ctr : dmg_load_u64le( x->cur.body.p ), m->v[ i ][ k ] );
    }
  }
}
static void
check_scan( env_t * e, model_t const * m ) {
  uint8_t       p[ 6 ], a[ 6 ];
  dmg_ov_scan_t scan;
  uint8_t       group  = (uint8_t)( rnd()%3 ), after = (uint8_t)( rnd()%KEYS );   /* after: also outside the prefix */
  bool          is_all = rnd()%4==0, has_after = rnd()%2;
  key_of( &ordered, (uint8_t)( group*GROUP ), p );
  dmg_span_t ak = has_after ? key_of( &ordered, after, a ) : (dmg_span_t){ 0 };
  assert_int_equal( dmg_ov_scan_open( &e->ov, &ordered, dmg_span( p, is_all ? 4 : 5 ), ak, &scan ), DMG_OK );
  unsigned stop = (unsigned)( rnd()%40 ), n = 0;
  for( unsigned k=is_all ? 0 : (unsigned)group*GROUP; k<( is_all ? KEYS : (unsigned)group*GROUP+GROUP ) && n<stop; k++ ) {
    if( !m->is_in[ 1 ][ k ] || ( has_after && k<=after ) ) continue;
    dmg_ov_entry_t * x;
    assert_int_equal( dmg_ov_scan_next( &scan, &x ), DMG_OK );
    uint8_t want[ 6 ];
    assert_true( dmg_span_eq( x->key, key_of( &ordered, (uint8_t)k, want ) ) );
    assert_int_equal( dmg_load_u64le( x->cur.body.p ), m->v[ 1 ][ k ] );
    n++;
  }
  dmg_ov_entry_t * x;
  if( n<stop ) assert_int_equal( dmg_ov_scan_next( &scan, &x ), DMG_ERR_NOT_FOUND );
  dmg_ov_scan_close( &scan );
}
/* A stretch of ordered keys gone, as a queue that is served, or back again. */
static void
change_stretch( env_t * e, model_t * m ) {
  unsigned from = (unsigned)( rnd()%KEYS ), cnt = (unsigned)( rnd()%60 );
  uint8_t  body[ 8 ];
  uint64_t v = rnd()%3 ? 0 : rnd()%1000+1;
  dmg_store_u64le( body, v );
  for( unsigned k=from; k<from+cnt && k<KEYS; k++ ) {
    dmg_ov_entry_t * x = entry( e, &ordered, (uint8_t)k );
    if( v ) assert_int_equal( dmg_ov_set( &e->ov, x, 1, DMG_SPAN( body ) ), DMG_OK );
    else assert_int_equal( dmg_ov_delete( &e->ov, x ), DMG_OK );
    m->is_in[ 1 ][ k ] = v!=0;
    m->v[ 1 ][ k ]     = v;
  }
}
static void
change_one( env_t * e, model_t * m ) {
  unsigned         i = (unsigned)( rnd()%3 );
  uint8_t          k = (uint8_t)( rnd()%KEYS );
  dmg_ov_entry_t * x = entry( e, items[ i ], k );
  uint64_t         v = rnd()%4 ? rnd()%1000+1 : 0;
  m->is_in[ i ][ k ] = v!=0;
  m->v[ i ][ k ]     = v;
  uint8_t body[ 8 ];
  dmg_store_u64le( body, v );
  if( i==2 ) assert_int_equal( dmg_ov_set_ctr( &e->ov, x, v ), DMG_OK );
  else if( v ) assert_int_equal( dmg_ov_set( &e->ov, x, 1, DMG_SPAN( body ) ), DMG_OK );
  else assert_int_equal( dmg_ov_delete( &e->ov, x ), DMG_OK );
}

static void
test_random_equals_a_plain_model( void ** state ) {
  env_t *      e   = *state;
  seed( 0x51ab );
  static model_t m, at_tx, marks[ 4 ];
  memset( &m, 0, sizeof( m ) );
  for( unsigned block=0; block<20; block++ ) {
    for( unsigned tx=0; tx<8; tx++ ) {
      size_t   mark[ 4 ];
      unsigned depth = 0;
      next_tx( e );
      at_tx = m;
      for( unsigned op=0; op<40; op++ ) {
        switch( rnd()%8 ) {
        case 0: if( depth<4 ) { mark[ depth ] = dmg_ov_mark( &e->ov ); marks[ depth++ ] = m; } break;
        case 1: if( depth ) { depth--; if( rnd()%2 ) { dmg_ov_rollback( &e->ov, mark[ depth ] ); m = marks[ depth ]; } } break;
        case 2: case 3: check_scan( e, &m ); break;
        case 4: change_stretch( e, &m ); break;
        default: change_one( e, &m );
        }
      }
      check_all( e, &m );
      check_scan( e, &m );
      if( rnd()%4 ) assert_int_equal( dmg_ov_commit( &e->ov ), DMG_OK );
      else m = at_tx;                                   /* dropped */
    }
    next_block( e );
  }
}

int
main( void ) {
  #define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = { T( test_stored_bytes_that_no_rule_wrote_are_corrupt ), T( test_rollback_restores_nested_marks ), T( test_bounds_survive_rollback ),
                                      T( test_records_stay_with_their_entry ), T( test_writes_that_change_nothing_are_none ), T( test_scans_do_not_walk_what_was_deleted ), T( test_random_equals_a_plain_model ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
