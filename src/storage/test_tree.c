/* The RAM tree against a naive one (S16.1): equal roots and proofs after each update, for random,
   clustered and ground paths, forced depths, growth in mid stream, undo and old roots. */
#include "storage/tree_int.h"
#include "base/assert.h"
#include "base/test_rnd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static dmg_hash_t rnd_hash( void ) { dmg_hash_t h; for( int i=0; i<4; i++ ) dmg_store_u64le( h.b+8*i, rnd() ); return h; }

/* ---- The naive tree: a sorted array, everything by recursion (S1.3) ---- */

typedef struct { dmg_hash_t path, vh; } kv_t;
typedef struct { kv_t * e; size_t cnt; } naive_t;

static size_t naive_find( naive_t const * n, dmg_hash_t const * path, bool * out_is_there ) {
  size_t a = 0, b = n->cnt;
  while( a<b ) {
    size_t m = ( a+b )/2;
    if( dmg_hash_cmp( &n->e[ m ].path, path )<0 ) a = m+1;
    else                                          b = m;
  }
  *out_is_there = a<n->cnt && dmg_hash_eq( &n->e[ a ].path, path );
  return a;
}
static void naive_put( naive_t * n, dmg_hash_t const * path, dmg_hash_t const * vh ) {
  bool is_there;
  size_t a = naive_find( n, path, &is_there );
  if( !is_there ) {
    n->e = realloc( n->e, ( n->cnt+1 )*sizeof *n->e );
    memmove( n->e+a+1, n->e+a, ( n->cnt-a )*sizeof *n->e );
    n->cnt++;
  }
  n->e[ a ] = (kv_t){ *path, *vh };
}
static void naive_delete( naive_t * n, dmg_hash_t const * path ) {
  bool is_there;
  size_t a = naive_find( n, path, &is_there );
  if( !is_there ) return;
  n->cnt--;
  memmove( n->e+a, n->e+a+1, ( n->cnt-a )*sizeof *n->e );
}
static dmg_hash_t naive_hash( kv_t const * e, size_t n, unsigned depth ) {
  if( !n ) return (dmg_hash_t){ { 0 } };
  if( n==1 ) return dmg_state_leaf( &e->path, &e->vh );
  size_t k = 0;
  while( k<n && !dmg_state_bit( &e[ k ].path, depth ) ) k++;
  dmg_hash_t a = naive_hash( e, k, depth+1 ), b = naive_hash( e+k, n-k, depth+1 );
  return dmg_state_node( &a, &b );
}
static dmg_hash_t naive_root( naive_t const * n ) { return naive_hash( n->e, n->cnt, 0 ); }

/* ---- Paths of several shapes ---- */

typedef enum { RANDOM, CLUSTERED, SHARED_255, SHAPES } shape_t;

static dmg_hash_t make_path( shape_t shape, uint64_t i ) {
  uint64_t keep = rnd_state;
  rnd_state = i*77+(uint64_t)shape;
  dmg_hash_t p = rnd_hash();
  rnd_state = keep;
  if( shape==CLUSTERED ) { p.b[0] = (uint8_t)( i%3 ); p.b[1] = 0x55; p.b[2] = (uint8_t)( i%5 ); }
  if( shape==SHARED_255 ) {                  /* all under one path but for a few bits at the end, and some in the middle */
    memset( p.b, 0xa5, 32 );
    p.b[31] = (uint8_t)i;
    p.b[30] = (uint8_t)( i>>8 );
    p.b[ i%7 ] ^= (uint8_t)( i>>16 );
  }
  return p;
}

typedef struct { dmg_tree_op_t * op; uint32_t cnt; dmg_tree_undo_t undo; dmg_hash_t root_before; kv_t * before; size_t before_cnt; } step_t;

/* Fills ops with cnt different paths, sorted. */
static void make_ops( shape_t shape, uint64_t range, uint32_t cnt, unsigned delete_pct, naive_t * n, step_t * s ) {
  dmg_tree_op_t * raw = calloc( cnt ? cnt : 1, sizeof *raw );
  dmg_hash_t * vh = calloc( cnt ? cnt : 1, sizeof *vh );
  uint32_t * order = calloc( cnt ? cnt : 1, sizeof *order );
  for( uint32_t i=0; i<cnt; i++ ) {
    raw[ i ].path      = make_path( shape, rnd()%range );
    raw[ i ].is_delete = rnd()%100<delete_pct;
    vh[ i ]            = rnd_hash();
    raw[ i ].leaf      = dmg_state_leaf( &raw[ i ].path, vh+i );
  }
  assert_int_equal( dmg_tree_sort( &raw->path, sizeof *raw, cnt, order ), DMG_OK );
  s->op  = calloc( cnt ? cnt : 1, sizeof *s->op );
  s->cnt = 0;
  for( uint32_t i=0; i<cnt; i++ ) {
    dmg_tree_op_t const * o = raw+order[ i ];
    if( s->cnt && dmg_hash_eq( &s->op[ s->cnt-1 ].path, &o->path ) ) continue;
    if( s->cnt ) assert_true( dmg_hash_cmp( &s->op[ s->cnt-1 ].path, &o->path )<0 );
    s->op[ s->cnt++ ] = *o;
    if( o->is_delete ) naive_delete( n, &o->path );
    else               naive_put( n, &o->path, vh+order[ i ] );
  }
  free( raw ); free( vh ); free( order );
}

static void proof_bytes( dmg_tree_proof_t const * p, dmg_hash_t const * path, naive_t const * n, uint8_t * out, size_t * out_sz ) {
  memset( out, 0, 36 );
  out[0] = 1;
  out[1] = !p->has_leaf ? 1 : dmg_hash_eq( &p->leaf_path, path ) ? 0 : 2;
  dmg_store_u16le( out+2, (uint16_t)p->depth );
  size_t sz = 4+( p->depth+7 )/8;
  if( out[1]==2 ) {
    bool is_there;
    size_t a = naive_find( n, &p->leaf_path, &is_there );
    assert_true( is_there );
    memcpy( out+sz, n->e+a, 64 );
    sz += 64;
  }
  for( unsigned i=0; i<p->depth; i++ ) {
    dmg_hash_t const * s = p->sibling+p->depth-1-i;
    if( dmg_hash_is_zero( s ) ) continue;
    out[ 4+i/8 ] |= (uint8_t)( 1u<<( i%8 ) );
    memcpy( out+sz, s->b, 32 );
    sz += 32;
  }
  *out_sz = sz;
}

/* Proofs of some paths there and not there, judged by the verifier against the naive root. */
static void assert_proofs( dmg_tree_t const * t, naive_t const * n, dmg_tree_past_t const * past, size_t past_cnt, shape_t shape, uint64_t range, int tries ) {
  dmg_hash_t root = naive_root( n ), got;
  assert_int_equal( dmg_tree_root_before( t, past, past_cnt, &got ), DMG_OK );
  assert_memory_equal( got.b, root.b, 32 );
  static dmg_tree_proof_t p;
  static uint8_t bytes[ DMG_STATE_SINGLE_SZ_MAX ];
  for( int i=0; i<tries; i++ ) {
    dmg_hash_t path = make_path( shape, rnd()%range );
    if( rnd()%4==0 ) path.b[ rnd()%32 ] ^= (uint8_t)( 1u<<( rnd()%8 ) );
    bool is_there;
    size_t a = naive_find( n, &path, &is_there ), sz;
    assert_int_equal( dmg_tree_prove( t, past, past_cnt, &path, &p ), DMG_OK );
    proof_bytes( &p, &path, n, bytes, &sz );
    assert_int_equal( dmg_state_proof_check_path( &root, &path, is_there ? &n->e[ a ].vh : NULL, dmg_span( bytes, sz ) ), DMG_STATE_PROOF_GOOD );
  }
}

static void step_fini( step_t * s ) { free( s->op ); free( s->before ); dmg_tree_undo_fini( &s->undo ); *s = (step_t){ 0 }; }

/* One random run: updates, sometimes reverted, roots and proofs now and up to six updates back. */
static void run( shape_t shape, uint64_t range, uint32_t op_max, int depth_fixed, int rounds, int tries ) {
  dmg_tree_cfg_t cfg = { .sz_max = 1u<<28, .depth_fixed = depth_fixed };
  dmg_tree_t * t;
  assert_int_equal( dmg_tree_new( &cfg, &t ), DMG_OK );
  naive_t n = { 0 };
  enum { KEEP = 6 };
  step_t step[ KEEP ] = { 0 };
  int kept = 0;
  for( int r=0; r<rounds; r++ ) {
    if( kept==KEEP ) { step_fini( step ); memmove( step, step+1, ( KEEP-1 )*sizeof *step ); step[ KEEP-1 ] = (step_t){ 0 }; kept--; }
    step_t * s = step+kept;
    s->root_before = dmg_tree_root( t );
    s->before      = malloc( ( n.cnt+1 )*sizeof *n.e );
    s->before_cnt  = n.cnt;
    if( n.cnt ) memcpy( s->before, n.e, n.cnt*sizeof *n.e );
    make_ops( shape, range, (uint32_t)( rnd()%( op_max+1 ) ), r>rounds*2/3 ? 80 : 20, &n, s );
    assert_int_equal( dmg_tree_update( t, s->op, s->cnt, &s->undo ), DMG_OK );
    kept++;
    dmg_hash_t root = naive_root( &n ), got = dmg_tree_root( t );
    assert_memory_equal( got.b, root.b, 32 );
    assert_int_equal( dmg_tree_key_cnt( t ), n.cnt );
    for( uint32_t i=0; i<s->cnt; i++ ) {
      naive_t b = { s->before, s->before_cnt };
      bool was_there;
      size_t a = naive_find( &b, &s->op[ i ].path, &was_there );
      assert_int_equal( s->op[ i ].was_there, was_there );
      if( !was_there ) continue;
      dmg_hash_t leaf = dmg_state_leaf( &b.e[ a ].path, &b.e[ a ].vh );
      assert_memory_equal( leaf.b, s->op[ i ].old_leaf.b, 32 );
    }
    dmg_hash_t leaf, path = make_path( shape, rnd()%range );
    bool is_there;
    naive_find( &n, &path, &is_there );
    assert_int_equal( dmg_tree_get( t, &path, &leaf ), is_there );

    assert_proofs( t, &n, NULL, 0, shape, range, tries );
    for( int back=1; back<=kept; back+=2 ) {
      dmg_tree_past_t past[ KEEP ];
      for( int i=0; i<back; i++ ) past[ i ] = (dmg_tree_past_t){ step[ kept-back+i ].op, step[ kept-back+i ].cnt, &step[ kept-back+i ].undo };
      naive_t then = { step[ kept-back ].before, step[ kept-back ].before_cnt };
      assert_proofs( t, &then, past, (size_t)back, shape, range, 1+tries/4 );
    }
    /* Some updates are taken back, one or two. */
    for( int back=0; back<2 && kept && rnd()%5==0; back++ ) {
      s = step+--kept;
      assert_int_equal( dmg_tree_revert( t, s->op, s->cnt ), DMG_OK );
      got = dmg_tree_root( t );
      assert_memory_equal( got.b, s->root_before.b, 32 );
      n.e   = realloc( n.e, ( s->before_cnt+1 )*sizeof *n.e );
      n.cnt = s->before_cnt;
      if( n.cnt ) memcpy( n.e, s->before, n.cnt*sizeof *n.e );
      assert_int_equal( dmg_tree_key_cnt( t ), n.cnt );
      step_fini( s );
    }
  }
  for( int i=0; i<KEEP; i++ ) step_fini( step+i );
  free( n.e );
  dmg_tree_free( t );
}

static void test_empty_tree_has_zero_root_and_proves_absence( void ** st ) {
  for( int d=0; d<=12; d+=4 ) {
    dmg_tree_cfg_t cfg = { .sz_max = 1u<<26, .depth_fixed = d };
    dmg_tree_t * t;
    assert_int_equal( dmg_tree_new( &cfg, &t ), DMG_OK );
    dmg_hash_t root = dmg_tree_root( t );
    assert_true( dmg_hash_is_zero( &root ) );
    naive_t n = { 0 };
    assert_proofs( t, &n, NULL, 0, RANDOM, 5, 3 );
    dmg_tree_free( t );
  }
}

static void test_small_trees_of_every_shape_and_depth_equal_naive( void ** st ) {
  seed( 1 );
  for( int shape=0; shape<SHAPES; shape++ ) for( int d=-1; d<=12; d++ ) run( (shape_t)shape, 40, 12, d, 10, 3 );
}

static void test_flooded_buckets_equal_naive( void ** st ) {
  seed( 2 );
  run( SHARED_255, 3000, 500, 0, 9, 1 );
  run( CLUSTERED, 3000, 700, 3, 9, 1 );
  run( SHARED_255, 1u<<18, 400, -1, 8, 1 );
}

static void test_growth_in_mid_stream_equals_naive( void ** st ) {
  seed( 3 );
  run( RANDOM, 4000, 700, -1, 10, 1 );
}

static void test_ten_thousand_keys_equal_naive( void ** st ) {
  seed( 4 );
  run( RANDOM, 10000, 9000, -1, 2, 1 );
}

static void test_growth_step_by_step_keeps_the_root( void ** st ) {
  /* 2^15 buckets are split 4,096 an update, while single keys come and go. */
  seed( 5 );
  dmg_tree_cfg_t cfg = { .sz_max = 1u<<28, .depth_fixed = -1, .key_hint = 5u<<13 };
  dmg_tree_t * t, * u;
  assert_int_equal( dmg_tree_new( &cfg, &t ), DMG_OK );
  uint32_t cnt = ( 5u<<13 )+1, * order = malloc( cnt*sizeof *order );
  dmg_tree_op_t * raw = calloc( cnt, sizeof *raw ), * op = calloc( cnt, sizeof *op );
  for( uint32_t i=0; i<cnt; i++ ) { raw[ i ].path = make_path( RANDOM, i ); raw[ i ].leaf = rnd_hash(); }
  assert_int_equal( dmg_tree_sort( &raw->path, sizeof *raw, cnt, order ), DMG_OK );
  for( uint32_t i=0; i<cnt; i++ ) op[ i ] = raw[ order[ i ] ];
  dmg_tree_undo_t undo[ 4 ] = { 0 };
  assert_int_equal( dmg_tree_update( t, op, cnt, NULL ), DMG_OK );
  dmg_hash_t root[ 5 ];
  dmg_tree_op_t one[ 4 ][ 2 ];
  memset( one, 0, sizeof one );
  for( int i=0; i<4; i++ ) {
    root[ i ] = dmg_tree_root( t );
    one[ i ][0].path = op[ 100*i ].path;
    one[ i ][0].is_delete = true;
    one[ i ][1].path = op[ 30000+i ].path;
    one[ i ][1].leaf = rnd_hash();
    assert_int_equal( dmg_tree_update( t, one[ i ], 2, undo+i ), DMG_OK );
  }
  root[4] = dmg_tree_root( t );
  /* The same set in a tree that never grew. */
  cfg.depth_fixed = 10;
  assert_int_equal( dmg_tree_new( &cfg, &u ), DMG_OK );
  assert_int_equal( dmg_tree_update( u, op, cnt, NULL ), DMG_OK );
  for( int i=0; i<4; i++ ) assert_int_equal( dmg_tree_update( u, one[ i ], 2, NULL ), DMG_OK );
  dmg_hash_t got = dmg_tree_root( u );
  assert_memory_equal( got.b, root[4].b, 32 );
  dmg_tree_past_t past[ 4 ];
  for( int i=0; i<4; i++ ) past[ i ] = (dmg_tree_past_t){ one[ i ], 2, undo+i };
  for( int i=0; i<4; i++ ) {
    assert_int_equal( dmg_tree_root_before( t, past+i, (size_t)( 4-i ), &got ), DMG_OK );
    assert_memory_equal( got.b, root[ i ].b, 32 );
  }
  for( int i=4; i--; ) {
    assert_int_equal( dmg_tree_revert( t, one[ i ], 2 ), DMG_OK );
    got = dmg_tree_root( t );
    assert_memory_equal( got.b, root[ i ].b, 32 );
    dmg_tree_undo_fini( undo+i );
  }
  dmg_tree_free( t );
  dmg_tree_free( u );
  free( raw ); free( op ); free( order );
}

static void test_full_tree_says_so_and_stays_refused( void ** st ) {
  dmg_tree_cfg_t cfg = { .sz_max = 300000, .depth_fixed = 2 };
  dmg_tree_t * t;
  assert_int_equal( dmg_tree_new( &cfg, &t ), DMG_OK );
  dmg_err_t err = DMG_OK;
  dmg_tree_op_t op = { 0 };
  for( int i=0; i<1000 && !err; i++ ) { op.path = make_path( RANDOM, (uint64_t)i ); err = dmg_tree_update( t, &op, 1, NULL ); }
  assert_int_equal( err, DMG_ERR_FULL );
  assert_int_equal( dmg_tree_update( t, &op, 1, NULL ), DMG_ERR_FULL );
  dmg_tree_proof_t p;
  assert_int_equal( dmg_tree_prove( t, NULL, 0, &op.path, &p ), DMG_ERR_FULL );
  dmg_tree_free( t );
}

static void test_sort_orders_ties_of_the_first_eight_bytes( void ** st ) {
  seed( 6 );
  enum { N = 2000 };
  static dmg_hash_t p[ N ];
  static uint32_t order[ N ];
  for( int i=0; i<N; i++ ) { p[ i ] = rnd_hash(); if( i%3 ) memset( p[ i ].b, i%2, 8+rnd()%20 ); }
  assert_int_equal( dmg_tree_sort( p, sizeof *p, N, order ), DMG_OK );
  for( int i=1; i<N; i++ ) assert_true( dmg_hash_cmp( p+order[ i-1 ], p+order[ i ] )<=0 );
  assert_int_equal( dmg_tree_sort( p, sizeof *p, 0, order ), DMG_OK );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_empty_tree_has_zero_root_and_proves_absence ),
    cmocka_unit_test( test_small_trees_of_every_shape_and_depth_equal_naive ),
    cmocka_unit_test( test_flooded_buckets_equal_naive ),
    cmocka_unit_test( test_growth_in_mid_stream_equals_naive ),
    cmocka_unit_test( test_ten_thousand_keys_equal_naive ),
    cmocka_unit_test( test_growth_step_by_step_keeps_the_root ),
    cmocka_unit_test( test_full_tree_says_so_and_stays_refused ),
    cmocka_unit_test( test_sort_orders_ties_of_the_first_eight_bytes ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
