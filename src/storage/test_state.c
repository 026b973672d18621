/* The state with its overlays: random fork trees against whole copies of a map (S16.1), proofs now
   and in the ring, reopening, the read check, dev snapshots; on memory and RocksDB. */
#include "storage/state.h"
#include "types/state_proof.h"
#include "base/assert.h"
#include "base/test_rnd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- Model: every block has its whole map ---- */

enum { KEYS = 48, VALUE_MAX = 90, BLOCKS_MAX = 700 };

typedef struct { uint16_t sz; uint8_t b[ VALUE_MAX ]; } cell_t;      /* sz 0: absent */
typedef struct { dmg_hash_t hash, root; uint64_t height; int parent; bool is_live, is_final; cell_t cell[ KEYS ]; } block_t;

static block_t * blk;
static int blk_cnt;

/* Keys of several lengths, some prefixes of others, ascending by index. */
static dmg_span_t key_of( int i ) {
  static _Thread_local uint8_t buf[ KEYS ][ 8 ];
  uint8_t * k = buf[ i ];
  k[0] = 0; k[1] = (uint8_t)( 1+i/16 ); k[2] = 0; k[3] = (uint8_t)( i/4%4*80 );
  k[4] = (uint8_t)( i%4==3 ? 0xff : i%4 ); k[5] = 0xff; k[6] = 0xff;
  return dmg_span( k, i%4==0 ? 4u : i%4==3 ? 7u : 5u );
}

static dmg_hash_t hash_of( uint64_t i ) { return dmg_sha256( dmg_span( &i, 8 ) ); }

typedef struct { dmg_hash_t path, vh; } leaf_t;
static int leaf_cmp( void const * a, void const * b ) { return memcmp( a, b, 32 ); }
static dmg_hash_t naive_hash( leaf_t const * e, size_t n, unsigned depth ) {
  if( !n ) return (dmg_hash_t){ { 0 } };
  if( n==1 ) return dmg_state_leaf( &e->path, &e->vh );
  size_t k = 0;
  while( k<n && !dmg_state_bit( &e[ k ].path, depth ) ) k++;
  dmg_hash_t a = naive_hash( e, k, depth+1 ), b = naive_hash( e+k, n-k, depth+1 );
  return dmg_state_node( &a, &b );
}
static dmg_hash_t naive_root( cell_t const * c ) {
  leaf_t e[ KEYS ];
  size_t n = 0;
  for( int i=0; i<KEYS; i++ ) if( c[ i ].sz ) e[ n++ ] = (leaf_t){ dmg_state_path( key_of( i ) ), dmg_state_value_hash( dmg_span( c[ i ].b, c[ i ].sz ) ) };
  qsort( e, n, sizeof *e, leaf_cmp );
  return naive_hash( e, n, 0 );
}

static size_t make_writes( cell_t * cell, dmg_write_t * w, bool has_deletes ) {
  size_t n = 0;
  uint64_t density = rnd()%4;
  for( int i=0; i<KEYS; i++ ) {
    if( rnd()%( 1+3*density )!=0 || !density ) continue;
    bool is_delete = has_deletes && rnd()%3==0;
    if( is_delete ) cell[ i ].sz = 0;
    else {
      cell[ i ].sz = (uint16_t)( 1+rnd()%VALUE_MAX );
      for( int b=0; b<cell[ i ].sz; b++ ) cell[ i ].b[ b ] = (uint8_t)rnd();
    }
    w[ n++ ] = (dmg_write_t){ .key = key_of( i ), .value = dmg_span( cell[ i ].b, cell[ i ].sz ), .is_delete = is_delete };
  }
  return n;
}

/* ---- Environment ---- */

typedef struct { bool is_rocks; char dir[ 64 ]; dmg_kv_t * kv; dmg_state_t * state; } env_t;

static dmg_state_cfg_t const CFG = { .genesis_hash = { { 7 } }, .secret = 99, .has_read_check = true, .tree_sz_max = 1u<<28, .gap_walk_min = 1 };

static void env_open_kv( env_t * e ) {
  dmg_kv_rocks_cfg_t cfg = { .dir = e->dir, .is_universal = true };
  dmg_open_why_t why;
  if( e->is_rocks ) assert_int_equal( dmg_kv_rocks_open( &cfg, &e->kv, &why ), DMG_OK );
  else              assert_int_equal( dmg_kv_mem_open( 1u<<28, &e->kv ), DMG_OK );
}
static void env_open( env_t * e, bool is_rocks ) {
  *e = (env_t){ .is_rocks = is_rocks };
  if( is_rocks ) { snprintf( e->dir, sizeof e->dir, "/tmp/dmg_state_XXXXXX" ); assert_non_null( mkdtemp( e->dir ) ); }
  env_open_kv( e );
  dmg_open_why_t why;
  assert_int_equal( dmg_state_open( &CFG, e->kv, &e->state, &why ), DMG_OK );
  blk = calloc( BLOCKS_MAX, sizeof *blk );
  blk_cnt = 0;
}
static void env_reopen( env_t * e ) {
  dmg_state_close( e->state );
  if( e->is_rocks ) { dmg_kv_close( e->kv ); env_open_kv( e ); }
  dmg_open_why_t why;
  assert_int_equal( dmg_state_open( &CFG, e->kv, &e->state, &why ), DMG_OK );
  assert_string_equal( why.text, "" );
}
static void env_close( env_t * e ) {
  dmg_state_close( e->state );
  dmg_kv_close( e->kv );
  free( blk );
  if( !e->is_rocks ) return;
  char cmd[ 128 ];
  snprintf( cmd, sizeof cmd, "rm -rf '%s'", e->dir );
  assert_int_equal( system( cmd ), 0 );
}

static void genesis( env_t * e ) {
  dmg_write_t w[ KEYS ];
  block_t * b = blk+blk_cnt++;
  *b = (block_t){ .hash = hash_of( 1000 ), .parent = -1, .is_final = true };
  size_t n = make_writes( b->cell, w, false );
  assert_int_equal( dmg_state_genesis( e->state, &b->hash, w, n, &b->root ), DMG_OK );
  dmg_hash_t want = naive_root( b->cell );
  assert_memory_equal( b->root.b, want.b, 32 );
}

static int apply( env_t * e, int parent ) {
  DMG_ASSERT( blk_cnt<BLOCKS_MAX );
  dmg_write_t w[ KEYS ];
  int i = blk_cnt++;
  block_t * b = blk+i;
  *b = blk[ parent ];
  b->hash = hash_of( 1000u+(uint64_t)i );
  b->parent = parent;
  b->height = blk[ parent ].height+1;
  b->is_live = true;
  b->is_final = false;
  /* Execution reads some keys first, and hands on what it saw. */
  dmg_view_t * v;
  dmg_read_t const * reads;
  size_t read_cnt;
  dmg_arena_t * arena = dmg_arena_new( 1u<<20 );
  assert_int_equal( dmg_state_view( e->state, &blk[ parent ].hash, &v ), DMG_OK );
  for( int j=0; j<6; j++ ) {
    dmg_span_t value;
    int k = (int)( rnd()%KEYS );
    dmg_err_t err = dmg_view_get( v, key_of( k ), arena, &value );
    assert_int_equal( err, blk[ parent ].cell[ k ].sz ? DMG_OK : DMG_ERR_NOT_FOUND );
  }
  dmg_view_reads( v, &reads, &read_cnt );
  size_t n = make_writes( b->cell, w, true );
  assert_int_equal( dmg_state_apply( e->state, &blk[ parent ].hash, &b->hash, b->height, w, n, reads, read_cnt ), DMG_OK );
  assert_int_equal( dmg_state_apply( e->state, &blk[ parent ].hash, &b->hash, b->height, w, n, NULL, 0 ), DMG_OK );
  dmg_view_close( v );
  dmg_arena_free( arena );
  b->root = naive_root( b->cell );
  return i;
}

static void assert_view( dmg_view_t * v, cell_t const * cell ) {
  dmg_arena_t * arena = dmg_arena_new( 1u<<22 );
  for( int i=0; i<KEYS; i++ ) {
    dmg_span_t value;
    dmg_err_t err = dmg_view_get( v, key_of( i ), arena, &value );
    assert_int_equal( err, cell[ i ].sz ? DMG_OK : DMG_ERR_NOT_FOUND );
    if( !err ) assert_true( dmg_span_eq( value, dmg_span( cell[ i ].b, cell[ i ].sz ) ) );
  }
  /* Iteration: a random prefix and cursor, both ways. */
  for( int r=0; r<4; r++ ) {
    dmg_span_t any = key_of( (int)( rnd()%KEYS ) ), prefix = dmg_span( any.p, rnd()%6<3 ? rnd()%( any.sz+1 ) : 0 );
    dmg_span_t after = rnd()%2 ? key_of( (int)( rnd()%KEYS ) ) : dmg_span( NULL, 0 );
    bool is_reverse = rnd()%2, has_value = rnd()%2;
    dmg_iter_t * it;
    assert_int_equal( dmg_view_iter( v, prefix, after, is_reverse, &it ), DMG_OK );
    for( int j=0; j<KEYS; j++ ) {
      int i = is_reverse ? KEYS-1-j : j;
      dmg_span_t k = key_of( i ), key, value;
      if( !cell[ i ].sz || k.sz<prefix.sz || ( prefix.sz && memcmp( k.p, prefix.p, prefix.sz ) ) ) continue;
      if( after.sz && ( is_reverse ? dmg_span_cmp( k, after )>=0 : dmg_span_cmp( k, after )<=0 ) ) continue;
      assert_int_equal( dmg_iter_next( it, &key, has_value ? &value : NULL ), DMG_OK );
      assert_true( dmg_span_eq( key, k ) );
      if( has_value ) assert_true( dmg_span_eq( value, dmg_span( cell[ i ].b, cell[ i ].sz ) ) );
    }
    dmg_span_t key;
    assert_int_equal( dmg_iter_next( it, &key, NULL ), DMG_ERR_NOT_FOUND );
    assert_int_equal( dmg_iter_next( it, &key, NULL ), DMG_ERR_NOT_FOUND );
    dmg_iter_close( it );
  }
  dmg_arena_free( arena );
}

static void assert_proof( env_t * e, block_t const * b ) {
  dmg_arena_t * arena = dmg_arena_new( 1u<<20 );
  dmg_buf_t proof = dmg_buf( DMG_STATE_SINGLE_SZ_MAX );
  int i = (int)( rnd()%KEYS );
  bool is_present;
  dmg_span_t value;
  assert_int_equal( dmg_state_prove( e->state, &b->hash, key_of( i ), arena, &proof, &is_present, &value ), DMG_OK );
  assert_int_equal( is_present, b->cell[ i ].sz!=0 );
  dmg_span_t want = dmg_span( b->cell[ i ].b, b->cell[ i ].sz );
  if( is_present ) assert_true( dmg_span_eq( value, want ) );
  assert_int_equal( dmg_state_proof_check( &b->root, key_of( i ), is_present ? &want : NULL, dmg_buf_span( &proof ) ), DMG_STATE_PROOF_GOOD );
  dmg_buf_fini( &proof );
  dmg_arena_free( arena );
}

static int pick_live( int head ) {
  int live[ BLOCKS_MAX ], n = 0;
  live[ n++ ] = head;
  for( int i=0; i<blk_cnt; i++ ) if( blk[ i ].is_live ) live[ n++ ] = i;
  return live[ rnd()%(unsigned)n ];
}

static void model_finalize( int b, int * head ) {
  for( int i=b; !blk[ i ].is_final; i = blk[ i ].parent ) { blk[ i ].is_final = true; blk[ i ].is_live = false; }
  *head = b;
  for( int i=0; i<blk_cnt; i++ ) {
    if( !blk[ i ].is_live ) continue;
    int j = i;
    while( j>=0 && !blk[ j ].is_final ) j = blk[ j ].parent;
    if( j!=b ) blk[ i ].is_live = false;
  }
}

static void run_forks( bool is_rocks, int steps ) {
  env_t e;
  env_open( &e, is_rocks );
  genesis( &e );
  int head = 0;
  uint64_t oldest = 0;                        /* the lowest final height still held */
  enum { PINS = 5 };
  struct { dmg_view_t * v; int b; } pin[ PINS ] = { 0 };
  for( int s=0; s<steps && blk_cnt<BLOCKS_MAX-1; s++ ) {
    switch( rnd()%12 ) {
    case 0: case 1: case 2: case 3: case 4: apply( &e, pick_live( head ) ); break;
    case 5: case 6: {
      int b = pick_live( head );
      dmg_hash_t root;
      assert_int_equal( dmg_state_root( e.state, &blk[ b ].hash, &root ), DMG_OK );
      assert_memory_equal( root.b, blk[ b ].root.b, 32 );
      break;
    }
    case 7: {
      int b = pick_live( head );
      assert_int_equal( dmg_state_finalize( e.state, &blk[ b ].hash, NULL, 0 ), DMG_OK );
      if( b!=head ) model_finalize( b, &head );
      dmg_hash_t hash, root;
      uint64_t height;
      assert_int_equal( dmg_state_head( e.state, &height, &hash, &root ), DMG_OK );
      assert_int_equal( height, blk[ head ].height );
      assert_memory_equal( hash.b, blk[ head ].hash.b, 32 );
      assert_memory_equal( root.b, blk[ head ].root.b, 32 );
      if( height>DMG_STATE_RING && height-DMG_STATE_RING>oldest ) oldest = height-DMG_STATE_RING;
      break;
    }
    case 8: {                                  /* a view on anything held, kept open for a while */
      int p = (int)( rnd()%PINS );
      dmg_view_close( pin[ p ].v );
      pin[ p ].v = NULL;
      int b = rnd()%2 ? pick_live( head ) : (int)( rnd()%(unsigned)blk_cnt );
      dmg_err_t err = dmg_state_view( e.state, &blk[ b ].hash, &pin[ p ].v );
      bool is_held = blk[ b ].is_live || ( blk[ b ].is_final && blk[ b ].height>=oldest );
      assert_int_equal( err, is_held ? DMG_OK : DMG_ERR_NOT_FOUND );
      if( err ) break;
      pin[ p ].b = b;
      break;
    }
    case 9: {
      int p = (int)( rnd()%PINS );
      if( pin[ p ].v ) assert_view( pin[ p ].v, blk[ pin[ p ].b ].cell );
      break;
    }
    case 10: {                                 /* proofs of final blocks, recent ones too */
      for( int t=0; t<4; t++ ) {
        int b = t ? (int)( rnd()%(unsigned)blk_cnt ) : head;
        if( blk[ b ].is_final && blk[ b ].height>=oldest ) assert_proof( &e, blk+b );
      }
      break;
    }
    default:
      if( rnd()%4==0 ) {
        int b = pick_live( head );
        dmg_err_t err = dmg_state_drop( e.state, &blk[ b ].hash );
        assert_int_equal( err, b==head ? DMG_ERR_PRUNED : DMG_OK );
        if( b==head ) break;
        blk[ b ].is_live = false;
        for( int i=b+1; i<blk_cnt; i++ ) if( blk[ i ].is_live && !blk[ blk[ i ].parent ].is_live && !blk[ blk[ i ].parent ].is_final ) blk[ i ].is_live = false;
      } else if( rnd()%8==0 ) {                /* restart: live blocks and the ring are gone */
        for( int p=0; p<PINS; p++ ) { dmg_view_close( pin[ p ].v ); pin[ p ].v = NULL; }
        env_reopen( &e );
        for( int i=0; i<blk_cnt; i++ ) blk[ i ].is_live = false;
        oldest = blk[ head ].height;
        dmg_view_t * v;
        assert_int_equal( dmg_state_view( e.state, &blk[ head ].hash, &v ), DMG_OK );
        assert_view( v, blk[ head ].cell );
        dmg_view_close( v );
      }
      break;
    }
  }
  dmg_state_stats_t stats;
  dmg_state_stats( e.state, &stats );
  assert_int_equal( stats.read_check_failures, 0 );
  for( int p=0; p<PINS; p++ ) dmg_view_close( pin[ p ].v );
  env_close( &e );
}

static void test_fork_trees_equal_whole_copies( void ** st ) {
  for( uint64_t i=1; i<=6; i++ ) { seed( i ); run_forks( false, 700 ); }
}
static void test_fork_trees_equal_whole_copies_on_rocksdb( void ** st ) {
  seed( 77 );
  run_forks( true, 300 );
}

static void test_long_chain_keeps_the_last_128_readable( void ** st ) {
  seed( 11 );
  env_t e;
  env_open( &e, false );
  genesis( &e );
  int head = 0;
  for( int i=0; i<DMG_STATE_RING+20; i++ ) {
    int b = apply( &e, head );
    assert_int_equal( dmg_state_finalize( e.state, &blk[ b ].hash, NULL, 0 ), DMG_OK );
    model_finalize( b, &head );
  }
  for( int i=0; i<blk_cnt; i++ ) {
    dmg_view_t * v = NULL;
    dmg_err_t err = dmg_state_view( e.state, &blk[ i ].hash, &v );
    assert_int_equal( err, blk[ i ].height+DMG_STATE_RING>=blk[ head ].height ? DMG_OK : DMG_ERR_NOT_FOUND );
    if( err ) continue;
    assert_view( v, blk[ i ].cell );
    dmg_view_close( v );
    assert_proof( &e, blk+i );
    dmg_hash_t root;
    assert_int_equal( dmg_state_root( e.state, &blk[ i ].hash, &root ), DMG_OK );
    assert_memory_equal( root.b, blk[ i ].root.b, 32 );
  }
  env_close( &e );
}

static void test_apply_refuses_what_has_no_live_parent( void ** st ) {
  env_t e;
  env_open( &e, false );
  dmg_hash_t none = hash_of( 5 ), root;
  dmg_view_t * v;
  assert_int_equal( dmg_state_head( e.state, NULL, NULL, NULL ), DMG_ERR_NOT_FOUND );
  assert_int_equal( dmg_state_apply( e.state, &none, &none, 1, NULL, 0, NULL, 0 ), DMG_ERR_NOT_FOUND );
  assert_int_equal( dmg_state_view( e.state, &none, &v ), DMG_ERR_NOT_FOUND );
  genesis( &e );
  assert_int_equal( dmg_state_genesis( e.state, &none, NULL, 0, &root ), DMG_ERR_EXISTS );
  assert_int_equal( dmg_state_apply( e.state, &none, &none, 1, NULL, 0, NULL, 0 ), DMG_ERR_NOT_FOUND );
  assert_int_equal( dmg_state_root( e.state, &none, &root ), DMG_ERR_NOT_FOUND );
  int b = apply( &e, 0 );
  assert_int_equal( dmg_state_finalize( e.state, &blk[ b ].hash, NULL, 0 ), DMG_OK );
  assert_int_equal( dmg_state_apply( e.state, &blk[0].hash, &none, 1, NULL, 0, NULL, 0 ), DMG_ERR_PRUNED );
  assert_int_equal( dmg_state_drop( e.state, &blk[0].hash ), DMG_ERR_NOT_FOUND );
  /* Keys that no state can hold. */
  assert_int_equal( dmg_state_view( e.state, &blk[ b ].hash, &v ), DMG_OK );
  dmg_span_t value;
  uint8_t key[ 129 ] = { 0 };
  assert_int_equal( dmg_view_get( v, dmg_span( key, 3 ), NULL, &value ), DMG_ERR_LIMIT );
  assert_int_equal( dmg_view_get( v, dmg_span( key, 129 ), NULL, &value ), DMG_ERR_LIMIT );
  assert_int_equal( dmg_view_get( v, dmg_span( key, 128 ), NULL, &value ), DMG_ERR_NOT_FOUND );
  dmg_view_close( v );
  env_close( &e );
}

static void test_too_many_views_are_refused( void ** st ) {
  env_t e;
  env_open( &e, false );
  genesis( &e );
  static dmg_view_t * v[ DMG_STATE_VIEWS_MAX+1 ];
  for( int i=0; i<DMG_STATE_VIEWS_MAX; i++ ) assert_int_equal( dmg_state_view( e.state, &blk[0].hash, v+i ), DMG_OK );
  assert_int_equal( dmg_state_view( e.state, &blk[0].hash, v+DMG_STATE_VIEWS_MAX ), DMG_ERR_FULL );
  for( int i=0; i<DMG_STATE_VIEWS_MAX; i++ ) dmg_view_close( v[ i ] );
  env_close( &e );
}

/* Readers that hold a view of each of many heights: the one too many is refused, the chain goes on. */
static void test_readers_leave_the_chain_its_snapshots( void ** st ) {
  env_t e;
  env_open( &e, false );
  genesis( &e );
  static dmg_view_t * v[ DMG_KV_SNAPS_MAX ];
  dmg_state_snap_t * snap;
  dmg_view_t * own;
  int at = 0, cnt = 0;
  while( cnt<DMG_KV_SNAPS_MAX && !dmg_state_view_read( e.state, &blk[ at ].hash, v+cnt ) ) {
    cnt++;
    at = apply( &e, at );
    assert_int_equal( dmg_state_finalize( e.state, &blk[ at ].hash, NULL, 0 ), DMG_OK );
  }
  assert_int_equal( cnt, DMG_KV_SNAPS_MAX-DMG_STATE_SNAPS_KEPT );
  assert_int_equal( dmg_state_view_read( e.state, &blk[ at ].hash, v+cnt ), DMG_ERR_FULL );
  assert_int_equal( dmg_state_snapshot( e.state, &snap ), DMG_ERR_LIMIT );
  for( int i = 0; i<20; i++ ) {
    assert_int_equal( dmg_state_view( e.state, &blk[ at ].hash, &own ), DMG_OK );
    dmg_view_close( own );
    at = apply( &e, at );
    assert_int_equal( dmg_state_finalize( e.state, &blk[ at ].hash, NULL, 0 ), DMG_OK );
  }
  dmg_view_close( v[ 0 ] );
  assert_int_equal( dmg_state_view_read( e.state, &blk[ at ].hash, v ), DMG_OK );
  for( int i = 0; i<cnt; i++ ) dmg_view_close( v[ i ] );
  env_close( &e );
}

static void test_full_overlays_leave_room_for_empty_blocks( void ** st ) {
  env_t e = { 0 };
  env_open_kv( &e );
  dmg_state_cfg_t cfg = CFG;
  cfg.overlay_sz_max = 300000;
  dmg_open_why_t why;
  assert_int_equal( dmg_state_open( &cfg, e.kv, &e.state, &why ), DMG_OK );
  blk = calloc( BLOCKS_MAX, sizeof *blk );
  blk_cnt = 0;
  genesis( &e );
  uint8_t * big = calloc( 1, 100000 );
  dmg_write_t w = { .key = key_of( 0 ), .value = dmg_span( big, 100000 ) };
  dmg_hash_t parent = blk[0].hash;
  dmg_err_t err;
  uint64_t h = 1;
  for( ;; h++ ) {
    dmg_hash_t b = hash_of( h );
    if(( err = dmg_state_apply( e.state, &parent, &b, h, &w, 1, NULL, 0 ) )) break;
    parent = b;
  }
  assert_int_equal( err, DMG_ERR_FULL );
  assert_int_equal( h, 3 );
  w.value.sz = 10;
  for( ; h<100; h++ ) { dmg_hash_t b = hash_of( h ); assert_int_equal( dmg_state_apply( e.state, &parent, &b, h, &w, 1, NULL, 0 ), DMG_OK ); parent = b; }
  assert_int_equal( dmg_state_finalize( e.state, &parent, NULL, 0 ), DMG_OK );
  dmg_state_stats_t stats;
  dmg_state_stats( e.state, &stats );
  assert_int_equal( stats.overlay_cnt, 0 );
  assert_int_equal( stats.overlay_sz, 0 );
  free( big );
  env_close( &e );
}

static void test_changed_value_on_disk_stops_the_root( void ** st ) {
  seed( 13 );
  env_t e;
  env_open( &e, false );
  genesis( &e );
  int k = 0;
  while( !blk[0].cell[ k ].sz ) k++;
  /* The disk turns one bit of a value. */
  dmg_hash_t path = dmg_state_path( key_of( k ) );
  dmg_kv_val_t val;
  assert_int_equal( dmg_kv_get( e.kv, DMG_KV_STATE, NULL, dmg_hash_span( &path ), &val ), DMG_OK );
  uint8_t bad[ 1024 ];
  size_t sz = val.v.sz;
  memcpy( bad, val.v.p, sz );
  bad[ sz-1 ] ^= 1;
  dmg_kv_val_release( &val );
  dmg_kv_op_t op = { .cf = DMG_KV_STATE, .key = dmg_hash_span( &path ), .value = dmg_span( bad, sz ) };
  assert_int_equal( dmg_kv_write( e.kv, &op, 1, false ), DMG_OK );

  dmg_arena_t * arena = dmg_arena_new( 1u<<20 );
  dmg_view_t * v;
  dmg_span_t value;
  assert_int_equal( dmg_state_view( e.state, &blk[0].hash, &v ), DMG_OK );
  assert_int_equal( dmg_view_get( v, key_of( k ), arena, &value ), DMG_OK );
  dmg_read_t const * reads;
  size_t read_cnt;
  dmg_view_reads( v, &reads, &read_cnt );
  assert_int_equal( read_cnt, 1 );
  dmg_hash_t b = hash_of( 1 ), root;
  assert_int_equal( dmg_state_apply( e.state, &blk[0].hash, &b, 1, NULL, 0, reads, read_cnt ), DMG_OK );
  assert_int_equal( dmg_state_root( e.state, &b, &root ), DMG_ERR_CORRUPT );
  dmg_view_close( v );
  /* A proof of it is not given out either, and a reopened state has another root. */
  dmg_buf_t proof = dmg_buf( 10000 );
  bool is_present;
  assert_int_equal( dmg_state_prove( e.state, &blk[0].hash, key_of( k ), arena, &proof, &is_present, &value ), DMG_ERR_CORRUPT );
  assert_int_equal( proof.sz, 0 );
  /* A lost key shows as a read of nothing. */
  op.is_delete = true;
  assert_int_equal( dmg_kv_write( e.kv, &op, 1, false ), DMG_OK );
  dmg_state_close( e.state );
  dmg_open_why_t why;
  assert_int_equal( dmg_state_open( &CFG, e.kv, &e.state, &why ), DMG_ERR_CORRUPT );
  assert_non_null( strstr( why.text, DMG_STORE_REPAIR ) );
  e.state = NULL;
  dmg_buf_fini( &proof );
  dmg_arena_free( arena );
  env_close( &e );
}

static void test_open_refuses_other_chain_and_newer_format( void ** st ) {
  env_t e;
  env_open( &e, false );
  genesis( &e );
  dmg_state_close( e.state );
  dmg_state_cfg_t cfg = CFG;
  cfg.genesis_hash.b[0] = 8;
  dmg_open_why_t why;
  assert_int_equal( dmg_state_open( &cfg, e.kv, &e.state, &why ), DMG_ERR_CHAIN );
  assert_non_null( strstr( why.text, "belongs to genesis 07000000" ) );
  assert_non_null( strstr( why.text, "storage.path" ) );
  dmg_kv_op_t op = { .cf = DMG_KV_META, .key = DMG_SPAN_STR( "format" ), .value = dmg_span( "\2\0\1\0", 4 ) };
  assert_int_equal( dmg_kv_write( e.kv, &op, 1, false ), DMG_OK );
  assert_int_equal( dmg_state_open( &CFG, e.kv, &e.state, &why ), DMG_ERR_VERSION );
  assert_non_null( strstr( why.text, "2.1" ) );
  assert_non_null( strstr( why.text, "1.0" ) );
  op.is_delete = true;
  assert_int_equal( dmg_kv_write( e.kv, &op, 1, false ), DMG_OK );
  assert_int_equal( dmg_state_open( &CFG, e.kv, &e.state, &why ), DMG_ERR_CORRUPT );
  e.state = NULL;
  env_close( &e );
}

static void test_dev_snapshot_restores_the_committed_state( void ** st ) {
  seed( 14 );
  env_t e;
  env_open( &e, false );
  genesis( &e );
  int head = 0, at = 0;
  dmg_state_snap_t * snap = NULL;
  for( int i=0; i<10; i++ ) {
    int b = apply( &e, head );
    assert_int_equal( dmg_state_finalize( e.state, &blk[ b ].hash, NULL, 0 ), DMG_OK );
    model_finalize( b, &head );
    if( i==4 ) { at = head; assert_int_equal( dmg_state_snapshot( e.state, &snap ), DMG_OK ); }
  }
  apply( &e, head );
  for( int round=0; round<2; round++ ) {
    assert_int_equal( dmg_state_restore( e.state, snap ), DMG_OK );
    dmg_view_t * v;
    assert_int_equal( dmg_state_view( e.state, &blk[ at ].hash, &v ), DMG_OK );
    assert_view( v, blk[ at ].cell );
    dmg_view_close( v );
    assert_int_equal( dmg_state_view( e.state, &blk[ head ].hash, &v ), DMG_ERR_NOT_FOUND );
    int b = apply( &e, at );
    assert_int_equal( dmg_state_finalize( e.state, &blk[ b ].hash, NULL, 0 ), DMG_OK );
    assert_proof( &e, blk+b );
    head = b;
  }
  dmg_state_snapshot_free( e.state, snap );
  env_close( &e );
}

/* ---- Threads: readers beside the writer (a TSan build judges it) ---- */

typedef struct { env_t * e; bool is_stopping; uint64_t proofs, seed; } reader_t;

static void * reader_main( void * ctx ) {
  reader_t * r = ctx;
  dmg_arena_t * arena = dmg_arena_new( 1u<<22 );
  dmg_buf_t proof = dmg_buf( DMG_STATE_SINGLE_SZ_MAX );
  while( !__atomic_load_n( &r->is_stopping, __ATOMIC_RELAXED ) || !r->proofs ) {   /* one at least, however late it got a core */
    uint64_t height;
    dmg_hash_t block, root;
    DMG_ASSERT( !dmg_state_head( r->e->state, &height, &block, &root ) );
    dmg_view_t * v;
    if( dmg_state_view( r->e->state, &block, &v ) ) continue;
    dmg_span_t key = key_of( (int)( r->seed++*7%KEYS ) ), value, got = { 0 };
    bool is_present;
    dmg_buf_clear( &proof );
    dmg_arena_reset( arena );
    dmg_err_t err = dmg_state_prove( r->e->state, &block, key, arena, &proof, &is_present, &value );
    if( !err ) {
      DMG_ASSERT( !dmg_state_proof_check( &root, key, is_present ? &value : NULL, dmg_buf_span( &proof ) ) );
      err = dmg_view_get( v, key, arena, &got );
      DMG_ASSERT( err==( is_present ? DMG_OK : DMG_ERR_NOT_FOUND ) );
      DMG_ASSERT( !is_present || dmg_span_eq( got, value ) );
      r->proofs++;
    } else DMG_ASSERT( err==DMG_ERR_NOT_FOUND );   /* 128 blocks later it is no longer held */
    dmg_iter_t * it;
    bool is_reverse = r->seed%2;
    DMG_ASSERT( !dmg_view_iter( v, dmg_span( NULL, 0 ), dmg_span( NULL, 0 ), is_reverse, &it ) );
    for( int i=0; i<KEYS; i++ ) {                  /* what one reader learned of gaps never hides a key from another */
      dmg_span_t k = key_of( is_reverse ? KEYS-1-i : i );
      err = dmg_view_get( v, k, arena, &got );
      if( err==DMG_ERR_NOT_FOUND ) continue;
      DMG_ASSERT( !err && !dmg_iter_next( it, &key, &value ) );
      DMG_ASSERT( dmg_span_eq( key, k ) && dmg_span_eq( got, value ) );
    }
    DMG_ASSERT( dmg_iter_next( it, &key, &value )==DMG_ERR_NOT_FOUND );
    dmg_iter_close( it );
    dmg_view_close( v );
  }
  dmg_buf_fini( &proof );
  dmg_arena_free( arena );
  return NULL;
}

static void readers_beside_writer( bool is_rocks, int blocks ) {
  env_t e;
  env_open( &e, is_rocks );
  genesis( &e );
  reader_t r[ 2 ] = { { .e = &e, .seed = 1 }, { .e = &e, .seed = 1000 } };
  pthread_t thread[ 2 ];
  for( int i=0; i<2; i++ ) assert_int_equal( pthread_create( thread+i, NULL, reader_main, r+i ), 0 );
  int head = 0;
  for( int i=0; i<blocks; i++ ) {
    int b = apply( &e, head ), side = rnd()%3==0 ? apply( &e, head ) : -1;
    dmg_hash_t root;
    if( side>=0 ) assert_int_equal( dmg_state_root( e.state, &blk[ side ].hash, &root ), DMG_OK );
    assert_int_equal( dmg_state_finalize( e.state, &blk[ b ].hash, NULL, 0 ), DMG_OK );
    model_finalize( b, &head );
  }
  for( int i=0; i<2; i++ ) {
    __atomic_store_n( &r[ i ].is_stopping, true, __ATOMIC_RELAXED );
    pthread_join( thread[ i ], NULL );
    assert_true( r[ i ].proofs>0 );
  }
  env_close( &e );
}

static void test_readers_beside_the_writer_see_whole_blocks( void ** st ) {
  seed( 15 );
  readers_beside_writer( false, 300 );
  readers_beside_writer( true, 60 );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_apply_refuses_what_has_no_live_parent ),
    cmocka_unit_test( test_open_refuses_other_chain_and_newer_format ),
    cmocka_unit_test( test_changed_value_on_disk_stops_the_root ),
    cmocka_unit_test( test_too_many_views_are_refused ), cmocka_unit_test( test_readers_leave_the_chain_its_snapshots ),
    cmocka_unit_test( test_full_overlays_leave_room_for_empty_blocks ),
    cmocka_unit_test( test_fork_trees_equal_whole_copies ),
    cmocka_unit_test( test_long_chain_keeps_the_last_128_readable ),
    cmocka_unit_test( test_dev_snapshot_restores_the_committed_state ),
    cmocka_unit_test( test_fork_trees_equal_whole_copies_on_rocksdb ),
    cmocka_unit_test( test_readers_beside_the_writer_see_whole_blocks ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
