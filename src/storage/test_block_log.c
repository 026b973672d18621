/* The block log: reading back, rotation, pruning, refusals; then a crash at every step, a failure at
   every step and a flipped bit in every byte (S16.3, S16.4), on files in RAM. */
#include "storage/block_log.h"
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/test_rnd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <cmocka.h>

#define S( text ) DMG_SPAN_STR( text )

/* ---- Deterministic blocks: contents follow from (height, fork) ---- */

typedef struct { uint8_t b[ 1500 ]; size_t sz; } body_t;

static dmg_hash_t hash_of( uint64_t height, unsigned fork ) { uint64_t x[ 2 ] = { height, fork }; return dmg_sha256( dmg_span( x, 16 ) ); }
static body_t body_of( uint64_t height, unsigned fork ) {
  body_t b;
  uint64_t keep = rnd_state;
  rnd_state = height*31+fork;
  b.sz = 20+rnd()%( sizeof b.b-20 );
  for( size_t i=0; i<b.sz; i++ ) b.b[ i ] = (uint8_t)( rnd()%( height%2 ? 3 : 256 ) );   /* some compress, some do not */
  rnd_state = keep;
  return b;
}
static dmg_err_t put_block( dmg_block_log_t * log, uint64_t height, unsigned fork ) {
  dmg_hash_t h = hash_of( height, fork );
  body_t b = body_of( height, fork );
  return dmg_block_log_append_block( log, height, &h, dmg_span( b.b, 10 ), dmg_span( b.b+10, b.sz-10 ) );
}
static dmg_err_t put_receipts( dmg_block_log_t * log, uint64_t height ) {
  dmg_hash_t h = hash_of( height, 0 );
  body_t b = body_of( height, 9 );
  dmg_span_t item[ 3 ] = { dmg_span( b.b, 7 ), dmg_span( b.b, 0 ), dmg_span( b.b+7, b.sz-7 ) };
  return dmg_block_log_append_receipts( log, &h, item, 3 );
}
static dmg_err_t put_final( dmg_block_log_t * log, uint64_t height ) {
  dmg_hash_t h = hash_of( height, 0 ), p = hash_of( height-1, 0 );
  return dmg_block_log_append_final( log, &h, &p, height%3 ? S( "certificate" ) : S( "" ) );
}

/* What the state's commit does: index and head in one write. */
static dmg_err_t commit( dmg_block_log_t * log, dmg_kv_t * kv, uint64_t height ) {
  dmg_arena_t * arena = dmg_arena_new( 1u<<20 );
  dmg_hash_t h = hash_of( height, 0 ), tx[ 2 ] = { hash_of( height, 100 ), hash_of( height, 101 ) };
  dmg_kv_op_t * op, all[ 16 ];
  size_t cnt;
  dmg_err_t err = dmg_block_log_index( log, &h, tx, 2, arena, &op, &cnt );
  if( !err ) {
    uint8_t be[ 8 ];
    dmg_store_u64be( be, height );
    memcpy( all, op, cnt*sizeof *op );
    all[ cnt++ ] = (dmg_kv_op_t){ .cf = DMG_KV_META, .key = S( "height" ), .value = DMG_SPAN( be ) };
    all[ cnt++ ] = (dmg_kv_op_t){ .cf = DMG_KV_META, .key = S( "hash" ), .value = dmg_hash_span( &h ) };
    err = dmg_kv_write( kv, all, cnt, true );
    dmg_block_log_forget( log, height );
  }
  dmg_arena_free( arena );
  return err;
}

static void assert_block( dmg_block_log_t * log, uint64_t height, unsigned fork ) {
  dmg_buf_t buf = dmg_buf( 1u<<23 );
  dmg_hash_t h = hash_of( height, fork );
  body_t b = body_of( height, fork );
  uint64_t at;
  assert_int_equal( dmg_block_log_block( log, &h, &buf, &at ), DMG_OK );
  assert_int_equal( at, height );
  assert_true( dmg_span_eq( dmg_buf_span( &buf ), dmg_span( b.b, b.sz ) ) );
  uint8_t head[ sizeof b.b+1 ];
  for( size_t sz = 1; sz<=b.sz; sz += 1+b.sz/3 ) {
    assert_int_equal( dmg_block_log_head( log, &h, head, sz ), DMG_OK );
    assert_memory_equal( head, b.b, sz );
  }
  dmg_buf_fini( &buf );
}
static void assert_final( dmg_block_log_t * log, uint64_t height, bool is_committed ) {
  dmg_hash_t h = hash_of( height, 0 ), p = hash_of( height-1, 0 ), got, parent;
  dmg_buf_t buf = dmg_buf( 1u<<23 );
  assert_block( log, height, 0 );
  assert_int_equal( dmg_block_log_hash( log, height, &got ), DMG_OK );
  assert_memory_equal( got.b, h.b, 32 );
  assert_int_equal( dmg_block_log_final( log, height, &got, &parent, &buf ), DMG_OK );
  assert_memory_equal( got.b, h.b, 32 );
  assert_memory_equal( parent.b, p.b, 32 );
  assert_true( dmg_span_eq( dmg_buf_span( &buf ), height%3 ? S( "certificate" ) : S( "" ) ) );
  dmg_buf_clear( &buf );
  body_t b = body_of( height, 9 );
  uint32_t index;
  assert_int_equal( dmg_block_log_receipt( log, &h, 1, &buf ), DMG_OK );
  assert_int_equal( buf.sz, 0 );
  assert_int_equal( dmg_block_log_receipt( log, &h, 0, &buf ), DMG_OK );
  assert_int_equal( dmg_block_log_receipt( log, &h, 2, &buf ), DMG_OK );
  assert_true( dmg_span_eq( dmg_buf_span( &buf ), dmg_span( b.b, b.sz ) ) );
  assert_int_equal( dmg_block_log_receipt( log, &h, 3, &buf ), DMG_ERR_NOT_FOUND );
  dmg_buf_fini( &buf );
  uint64_t at;
  assert_int_equal( dmg_block_log_height( log, &h, &at ), DMG_OK );
  assert_int_equal( at, height );
  dmg_hash_t tx = hash_of( height, 101 );
  assert_int_equal( dmg_block_log_tx( log, &tx, &at, &index ), is_committed ? DMG_OK : DMG_ERR_NOT_FOUND );
  if( is_committed ) { assert_int_equal( at, height ); assert_int_equal( index, 1 ); }
}

/* ---- Environment ---- */

static dmg_block_log_cfg_t const CFG = { .dir = "d/blocks", .genesis_hash = { { 5 } }, .segment_sz = 8192 };

typedef struct { dmg_vfs_t * vfs; dmg_kv_t * kv; dmg_block_log_t * log; } env_t;

static void env_open( env_t * e, bool has_crash ) {
  *e = (env_t){ 0 };
  dmg_open_why_t why;
  assert_int_equal( dmg_vfs_mem( 1u<<28, &e->vfs ), DMG_OK );
  if( has_crash ) dmg_vfs_mem_off_at( e->vfs, UINT64_MAX-1 );
  assert_int_equal( dmg_kv_mem_open( 1u<<28, &e->kv ), DMG_OK );
  assert_int_equal( dmg_block_log_open( &CFG, e->vfs, e->kv, &e->log, &why ), DMG_OK );
}
static void env_reopen( env_t * e ) {
  dmg_open_why_t why;
  dmg_block_log_close( e->log );
  assert_int_equal( dmg_block_log_open( &CFG, e->vfs, e->kv, &e->log, &why ), DMG_OK );
}
static void env_close( env_t * e ) {
  dmg_block_log_close( e->log );
  dmg_kv_close( e->kv );
  dmg_vfs_free( e->vfs );
}

/* ---- Plain use ---- */

static void test_crc32c_has_the_known_value( void ** st ) {
  assert_int_equal( dmg_crc32c( 0, S( "123456789" ) ), 0xe3069283u );
  uint8_t b[ 100 ];
  for( int i=0; i<100; i++ ) b[ i ] = (uint8_t)( i*7 );
  for( size_t n=0; n<=100; n++ ) {
    assert_int_equal( dmg_crc32c( 0, dmg_span( b, n ) ), dmg_crc32c_portable( 0, dmg_span( b, n ) ) );
    assert_int_equal( dmg_crc32c( dmg_crc32c( 0, dmg_span( b, n/3 ) ), dmg_span( b+n/3, n-n/3 ) ), dmg_crc32c( 0, dmg_span( b, n ) ) );
  }
}

static void test_blocks_come_back_over_segments_and_restarts( void ** st ) {
  env_t e;
  env_open( &e, false );
  uint64_t tip;
  dmg_hash_t hash;
  assert_int_equal( dmg_block_log_tip( e.log, &tip, &hash ), DMG_ERR_NOT_FOUND );
  enum { N = 60 };
  for( uint64_t h=1; h<=N; h++ ) {
    assert_int_equal( put_block( e.log, h, 0 ), DMG_OK );
    assert_int_equal( put_block( e.log, h, 0 ), DMG_OK );
    assert_int_equal( put_block( e.log, h, 1 ), DMG_OK );
    assert_block( e.log, h, 1 );
    assert_int_equal( put_receipts( e.log, h ), DMG_OK );
    assert_int_equal( put_final( e.log, h ), DMG_OK );
    assert_int_equal( put_final( e.log, h ), DMG_OK );
    assert_int_equal( dmg_block_log_sync( e.log ), DMG_OK );
    assert_final( e.log, h, false );
    if( h<N ) assert_int_equal( commit( e.log, e.kv, h ), DMG_OK );
    if( h%7==0 ) env_reopen( &e );
    assert_int_equal( dmg_block_log_tip( e.log, &tip, &hash ), DMG_OK );
    assert_int_equal( tip, h );
    assert_int_equal( put_final( e.log, h ), DMG_OK );
    assert_int_equal( dmg_block_log_append_final( e.log, &(dmg_hash_t){ { 1 } }, &hash, S( "" ) ), DMG_ERR_NOT_FOUND );
  }
  /* A block above the tip is there after a restart, one that skips a height cannot be final. */
  assert_int_equal( put_block( e.log, N+2, 0 ), DMG_OK );
  assert_int_equal( put_final( e.log, N+2 ), DMG_ERR_INVALID );
  env_reopen( &e );
  for( uint64_t h=1; h<=N; h++ ) assert_final( e.log, h, h<N );
  assert_block( e.log, N+2, 0 );
  dmg_block_log_stats_t stats;
  dmg_block_log_stats( e.log, &stats );
  assert_true( stats.segment_cnt>10 );
  assert_int_equal( stats.bad_cnt, 0 );
  assert_int_equal( stats.cut_sz, 0 );

  /* Pruning drops whole segments from below. */
  assert_int_equal( dmg_block_log_oldest( e.log ), 1 );
  assert_int_equal( dmg_block_log_prune( e.log, 30 ), DMG_OK );
  uint64_t oldest = dmg_block_log_oldest( e.log );
  assert_true( oldest>10 && oldest<=30 );
  dmg_block_log_stats_t after;
  dmg_block_log_stats( e.log, &after );
  assert_true( after.segment_cnt<stats.segment_cnt );
  dmg_buf_t buf = dmg_buf( 1u<<20 );
  hash = hash_of( 1, 0 );
  assert_int_equal( dmg_block_log_block( e.log, &hash, &buf, NULL ), DMG_ERR_PRUNED );
  for( int round=0; round<2; round++ ) {
    for( uint64_t h=oldest; h<=N; h++ ) assert_final( e.log, h, h<N );
    env_reopen( &e );
    assert_int_equal( dmg_block_log_oldest( e.log ), oldest );
  }
  dmg_buf_fini( &buf );
  env_close( &e );
}

static void test_receipts_of_many_parts_come_back( void ** st ) {
  env_t e;
  env_open( &e, false );
  assert_int_equal( put_block( e.log, 1, 0 ), DMG_OK );
  dmg_hash_t h = hash_of( 1, 0 );
  enum { N = 5 };
  size_t const part = DMG_BLOCK_LOG_RAW_MAX;
  /* Sizes around the borders of parts; the third ends exactly one. */
  size_t sz[ N ] = { 100, part-500, part+380-4*( N+1 )+20-20, 3*part/2, 1 };
  dmg_span_t item[ N ];
  for( int i=0; i<N; i++ ) {
    uint8_t * p = malloc( sz[ i ] );
    for( size_t j=0; j<sz[ i ]; j++ ) p[ j ] = (uint8_t)( j*j>>8^(size_t)i );
    item[ i ] = dmg_span( p, sz[ i ] );
  }
  for( int cnt=3; cnt<=N; cnt+=2 ) {
    if( cnt==N ) { h = hash_of( 2, 0 ); assert_int_equal( put_block( e.log, 2, 0 ), DMG_OK ); }
    assert_int_equal( dmg_block_log_append_receipts( e.log, &h, item, (uint32_t)cnt ), DMG_OK );
    env_reopen( &e );
    for( int i=0; i<cnt; i++ ) {
      dmg_buf_t buf = dmg_buf( 1u<<24 );
      assert_int_equal( dmg_block_log_receipt( e.log, &h, (uint32_t)i, &buf ), DMG_OK );
      assert_true( dmg_span_eq( dmg_buf_span( &buf ), item[ i ] ) );
      dmg_buf_fini( &buf );
    }
    dmg_arena_t * arena = dmg_arena_new( 1u<<26 );
    dmg_span_t * all;
    uint32_t all_cnt;
    assert_int_equal( dmg_block_log_receipts( e.log, &h, arena, &all, &all_cnt ), DMG_OK );
    assert_int_equal( all_cnt, cnt );
    for( int i=0; i<cnt; i++ ) assert_true( dmg_span_eq( all[ i ], item[ i ] ) );
    dmg_arena_free( arena );
  }
  for( int i=0; i<N; i++ ) free( (void *)item[ i ].p );
  env_close( &e );
}

/* A header without its body, packed or not, over zstd's blocks; of what is bad nothing or what was appended, as far as it is asked for. */
static void test_the_head_of_a_block_comes_alone( void ** st ) {
  env_t e;
  seed( 23 );
  dmg_block_log_cfg_t cfg = CFG;
  cfg.segment_sz = 8u<<20;
  memset( &e, 0, sizeof e );
  dmg_open_why_t why;
  assert_int_equal( dmg_vfs_mem( 1u<<28, &e.vfs ), DMG_OK );
  assert_int_equal( dmg_kv_mem_open( 1u<<28, &e.kv ), DMG_OK );
  assert_int_equal( dmg_block_log_open( &cfg, e.vfs, e.kv, &e.log, &why ), DMG_OK );
  static uint8_t raw[ 2 ][ 1u<<20 ], out[ 300000 ];
  for( size_t i=0; i<sizeof raw[ 0 ]; i++ ) { raw[ 0 ][ i ] = (uint8_t)rnd(); raw[ 1 ][ i ] = (uint8_t)( rnd()%7 ); }   /* one packs, one does not */
  for( uint64_t k=0; k<2; k++ ) {
    dmg_hash_t h = hash_of( 1+k, 0 );
    assert_int_equal( dmg_block_log_append_block( e.log, 1+k, &h, dmg_span( raw[ k ], 410 ), dmg_span( raw[ k ]+410, sizeof raw[ k ]-410 ) ), DMG_OK );
    for( size_t sz=1; sz<=sizeof out; sz=sz*3+7 ) {
      memset( out, 0, sizeof out );
      assert_int_equal( dmg_block_log_head( e.log, &h, out, sz ), DMG_OK );
      assert_memory_equal( out, raw[ k ], sz );
    }
  }
  dmg_hash_t none = hash_of( 9, 0 ), small = hash_of( 3, 0 );
  assert_int_equal( dmg_block_log_head( e.log, &none, out, 1 ), DMG_ERR_NOT_FOUND );
  assert_int_equal( put_block( e.log, 3, 0 ), DMG_OK );
  int fd = open( "/dev/null", O_WRONLY );
  dmg_log_setup( fd, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT );
  assert_int_equal( dmg_block_log_head( e.log, &small, out, body_of( 3, 0 ).sz+1 ), DMG_ERR_CORRUPT );
  /* Flips in the first two MiB of the file: never more than was asked for, never a crash. */
  unsigned bad = 0;
  for( unsigned i=0; i<400; i++ ) {
    uint64_t bit = i<300 ? 8*( 64+rnd()%600 )+rnd()%8 : 8*( 64+rnd()%1300000 )+rnd()%8;
    assert_true( dmg_vfs_mem_flip( e.vfs, "d/blocks/0000000000000000.blk", bit ) );
    for( uint64_t k=0; k<2; k++ ) {
      dmg_hash_t h = hash_of( 1+k, 0 );
      dmg_err_t err = dmg_block_log_head( e.log, &h, out, 410 );
      assert_true( !err || err==DMG_ERR_CORRUPT );
      bad += err || memcmp( out, raw[ k ], 410 );
    }
    assert_true( dmg_vfs_mem_flip( e.vfs, "d/blocks/0000000000000000.blk", bit ) );
  }
  assert_true( bad>30 );
  dmg_log_setup( 2, DMG_LOG_LEVEL_WARN, DMG_LOG_FORMAT_TEXT );
  close( fd );
  env_close( &e );
}

static void test_bounds_are_refused( void ** st ) {
  env_t e;
  env_open( &e, false );
  uint8_t * big = calloc( 1, DMG_BLOCK_LOG_RAW_MAX+1 );
  dmg_hash_t h = hash_of( 1, 0 );
  assert_int_equal( dmg_block_log_append_block( e.log, 1, &h, S( "" ), dmg_span( big, DMG_BLOCK_LOG_RAW_MAX+1 ) ), DMG_ERR_LIMIT );
  assert_int_equal( dmg_block_log_append_block( e.log, 1, &h, S( "x" ), dmg_span( big, DMG_BLOCK_LOG_RAW_MAX ) ), DMG_ERR_LIMIT );
  assert_int_equal( dmg_block_log_append_block( e.log, 1, &h, S( "" ), dmg_span( big, DMG_BLOCK_LOG_RAW_MAX ) ), DMG_OK );
  assert_int_equal( put_receipts( e.log, 7 ), DMG_ERR_NOT_FOUND );
  assert_int_equal( put_final( e.log, 7 ), DMG_ERR_NOT_FOUND );
  dmg_block_log_close( e.log );
  dmg_block_log_cfg_t cfg = CFG;
  cfg.live_sz_max = DMG_BLOCK_LOG_RAW_MAX+3000;
  dmg_open_why_t why;
  assert_int_equal( dmg_block_log_open( &cfg, e.vfs, e.kv, &e.log, &why ), DMG_OK );
  uint64_t i = 1;
  dmg_err_t err;
  while( !( err = put_block( e.log, 1, (unsigned)i ) ) ) i++;
  assert_int_equal( err, DMG_ERR_FULL );
  assert_true( i>2 && i<100 );
  /* Finality makes room again. */
  assert_int_equal( dmg_block_log_append_final( e.log, &h, &h, S( "" ) ), DMG_OK );
  assert_int_equal( put_block( e.log, 1, (unsigned)i ), DMG_OK );
  free( big );
  env_close( &e );
}

static void test_open_refuses_other_chain_newer_format_and_gaps( void ** st ) {
  env_t e;
  env_open( &e, false );
  for( uint64_t h=1; h<=70; h++ ) assert_int_equal( put_block( e.log, h, 0 ), DMG_OK );
  dmg_block_log_close( e.log );
  e.log = NULL;
  dmg_open_why_t why;
  dmg_block_log_cfg_t cfg = CFG;
  cfg.genesis_hash.b[0] = 6;
  assert_int_equal( dmg_block_log_open( &cfg, e.vfs, e.kv, &e.log, &why ), DMG_ERR_CHAIN );
  assert_non_null( strstr( why.text, "belongs to genesis 0500" ) );
  assert_non_null( strstr( why.text, "storage.path" ) );
  char const * first = "d/blocks/0000000000000000.blk";
  assert_true( dmg_vfs_mem_flip( e.vfs, first, 8*20 ) );
  assert_int_equal( dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why ), DMG_ERR_CORRUPT );
  assert_non_null( strstr( why.text, first ) );
  assert_true( dmg_vfs_mem_flip( e.vfs, first, 8*20 ) );
  /* A header of format 2 with a good checksum. */
  dmg_file_t * f;
  uint8_t head[ 64 ];
  size_t got;
  assert_int_equal( dmg_vfs_open( e.vfs, first, false, &f ), DMG_OK );
  assert_int_equal( dmg_file_pread( f, head, 64, 0, &got ), DMG_OK );
  dmg_store_u32le( head+8, 2 );
  dmg_store_u32le( head+60, dmg_crc32c( 0, dmg_span( head, 60 ) ) );
  assert_int_equal( dmg_file_pwrite( f, head, 64, 0 ), DMG_OK );
  dmg_file_close( f );
  assert_int_equal( dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why ), DMG_ERR_VERSION );
  assert_non_null( strstr( why.text, "01.2" ) );
  assert_int_equal( dmg_vfs_unlink( e.vfs, "d/blocks/0000000000000001.blk" ), DMG_OK );
  assert_int_equal( dmg_vfs_unlink( e.vfs, first ), DMG_OK );
  assert_int_equal( dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why ), DMG_OK );     /* pruned from below */
  dmg_block_log_close( e.log );
  e.log = NULL;
  assert_int_equal( dmg_vfs_unlink( e.vfs, "d/blocks/0000000000000003.blk" ), DMG_OK );
  assert_int_equal( dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why ), DMG_ERR_CORRUPT );
  assert_non_null( strstr( why.text, "lacks segment 0000000000000003" ) );
  env_close( &e );
}

static void test_rewind_forgets_what_is_above( void ** st ) {
  env_t e;
  env_open( &e, false );
  dmg_kv_snap_t * snap = NULL;
  for( uint64_t h=1; h<=8; h++ ) {
    assert_int_equal( put_block( e.log, h, 0 ), DMG_OK );
    assert_int_equal( put_receipts( e.log, h ), DMG_OK );
    assert_int_equal( put_final( e.log, h ), DMG_OK );
    assert_int_equal( commit( e.log, e.kv, h ), DMG_OK );
    if( h==4 ) assert_int_equal( dmg_kv_snap_open( e.kv, &snap ), DMG_OK );
  }
  assert_int_equal( dmg_block_log_rewind( e.log, 4 ), DMG_ERR_NOT_FOUND );
  for( int round=0; round<2; round++ ) {
    assert_int_equal( dmg_kv_restore( e.kv, snap ), DMG_OK );
    assert_int_equal( dmg_block_log_rewind( e.log, 4 ), DMG_OK );
    uint64_t tip;
    dmg_hash_t hash;
    assert_int_equal( dmg_block_log_tip( e.log, &tip, &hash ), DMG_OK );
    assert_int_equal( tip, 4 );
    for( uint64_t h=1; h<=4; h++ ) assert_final( e.log, h, true );
    assert_int_equal( dmg_block_log_hash( e.log, 5, &hash ), DMG_ERR_NOT_FOUND );
    for( uint64_t h=5; h<=7; h++ ) {
      assert_int_equal( put_block( e.log, h, 0 ), DMG_OK );
      assert_int_equal( put_receipts( e.log, h ), DMG_OK );
      assert_int_equal( put_final( e.log, h ), DMG_OK );
      assert_int_equal( commit( e.log, e.kv, h ), DMG_OK );
      assert_final( e.log, h, true );
    }
  }
  dmg_kv_snap_close( e.kv, snap );
  env_close( &e );
}

/* ---- Crashes ---- */

typedef struct { uint64_t block, final, committed; } mark_t;   /* heights synced or committed for sure */

/* A chain with a fork block now and then, blocks one ahead of finality. */
static dmg_err_t scenario( env_t * e, uint64_t from, uint64_t to, mark_t * m ) {
  for( uint64_t h=from; h<=to; h++ ) {
    DMG_TRY( put_block( e->log, h, 0 ) );
    if( h%3==0 ) DMG_TRY( put_block( e->log, h, 1 ) );
    if( h%2 ) { DMG_TRY( dmg_block_log_sync( e->log ) ); m->block = h; }
    DMG_TRY( put_receipts( e->log, h ) );
    DMG_TRY( put_final( e->log, h ) );
    DMG_TRY( dmg_block_log_sync( e->log ) );
    m->block = m->final = h;
    if( h%4 ) continue;                          /* commits lag behind */
    for( uint64_t c=m->committed+1; c<=h; c++ ) { DMG_TRY( commit( e->log, e->kv, c ) ); m->committed = c; }
  }
  return DMG_OK;
}

static void assert_recovered( env_t * e, mark_t const * m, uint64_t * out_tip ) {
  uint64_t tip = 0;
  dmg_hash_t hash;
  dmg_err_t err = dmg_block_log_tip( e->log, &tip, &hash );
  assert_true( err==DMG_OK || !m->final );
  assert_true( tip>=m->final );
  for( uint64_t h=1; h<=tip; h++ ) assert_final( e->log, h, h<=m->committed );
  if( m->block>tip ) assert_block( e->log, m->block, 0 );
  dmg_block_log_stats_t stats;
  dmg_block_log_stats( e->log, &stats );
  assert_int_equal( stats.bad_cnt, 0 );
  *out_tip = tip;
}

static void test_crash_at_every_step_loses_nothing_synced( void ** st ) {
  seed( 21 );
  dmg_log_setup( 2, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT );
  env_t e;
  mark_t m = { 0 };
  env_open( &e, true );
  assert_int_equal( scenario( &e, 1, 12, &m ), DMG_OK );
  uint64_t steps = dmg_vfs_mem_steps( e.vfs );
  env_close( &e );
  for( uint64_t s=0; s<steps; s++ ) {
    /* The log's own opening is among the steps. */
    e = (env_t){ 0 };
    m = (mark_t){ 0 };
    dmg_open_why_t why;
    assert_int_equal( dmg_vfs_mem( 1u<<28, &e.vfs ), DMG_OK );
    dmg_vfs_mem_off_at( e.vfs, s );
    assert_int_equal( dmg_kv_mem_open( 1u<<28, &e.kv ), DMG_OK );
    dmg_err_t err = dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why );
    if( !err ) err = scenario( &e, 1, 12, &m );
    assert_int_equal( err, DMG_ERR_STOPPED );
    if( e.log ) assert_int_equal( dmg_block_log_sync( e.log ), DMG_ERR_STOPPED );
    dmg_block_log_close( e.log );
    e.log = NULL;
    dmg_vfs_mem_crash( e.vfs, rnd() );
    /* A second crash at a step of the recovery, then a recovery to the end. */
    dmg_vfs_mem_off_at( e.vfs, rnd()%4 );
    err = dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why );
    assert_true( !err || err==DMG_ERR_STOPPED );
    dmg_block_log_close( e.log );
    e.log = NULL;
    dmg_vfs_mem_crash( e.vfs, rnd() );
    assert_int_equal( dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why ), DMG_OK );
    uint64_t tip;
    assert_recovered( &e, &m, &tip );
    assert_int_equal( scenario( &e, tip+1, tip+6, &m ), DMG_OK );
    for( uint64_t h=1; h<=tip+6; h++ ) assert_final( e.log, h, h<=m.committed );
    env_reopen( &e );
    for( uint64_t h=1; h<=tip+6; h++ ) assert_final( e.log, h, h<=m.committed );
    dmg_block_log_stats_t stats;
    dmg_block_log_stats( e.log, &stats );
    assert_int_equal( stats.cut_sz, 0 );         /* the first open left nothing behind the end */
    env_close( &e );
  }
  dmg_log_setup( 2, DMG_LOG_LEVEL_WARN, DMG_LOG_FORMAT_TEXT );
}

static void test_lagging_commit_keeps_what_it_needs( void ** st ) {
  env_t e;
  env_open( &e, false );
  for( uint64_t h=1; h<=40; h++ ) {
    assert_int_equal( put_block( e.log, h, 0 ), DMG_OK );
    assert_int_equal( put_receipts( e.log, h ), DMG_OK );
    assert_int_equal( put_final( e.log, h ), DMG_OK );
  }
  for( uint64_t c=1; c<=40; c+=13 ) {
    for( uint64_t h=c; h<c+13 && h<40; h++ ) assert_int_equal( commit( e.log, e.kv, h ), DMG_OK );
    env_reopen( &e );
    for( uint64_t h=1; h<=40; h++ ) assert_final( e.log, h, h<c+13 && h<40 );
  }
  env_close( &e );
}

static void test_state_ahead_of_its_blocks_is_refused( void ** st ) {
  env_t e;
  env_open( &e, false );
  for( uint64_t h=1; h<=3; h++ ) {
    assert_int_equal( put_block( e.log, h, 0 ), DMG_OK );
    assert_int_equal( put_receipts( e.log, h ), DMG_OK );
    assert_int_equal( put_final( e.log, h ), DMG_OK );
    assert_int_equal( commit( e.log, e.kv, h ), DMG_OK );
  }
  dmg_block_log_close( e.log );
  e.log = NULL;
  dmg_file_t * f;
  dmg_open_why_t why;
  assert_int_equal( dmg_vfs_open( e.vfs, "d/blocks/0000000000000000.blk", false, &f ), DMG_OK );
  assert_int_equal( dmg_file_truncate( f, 200 ), DMG_OK );
  dmg_file_close( f );
  assert_int_equal( dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why ), DMG_ERR_CORRUPT );
  assert_non_null( strstr( why.text, "at height 3" ) );
  env_close( &e );
}

static void test_torn_tail_is_cut_once( void ** st ) {
  env_t e;
  env_open( &e, false );
  assert_int_equal( put_block( e.log, 1, 0 ), DMG_OK );
  assert_int_equal( dmg_block_log_sync( e.log ), DMG_OK );
  dmg_block_log_stats_t stats;
  dmg_block_log_stats( e.log, &stats );
  uint64_t end = stats.sz;
  assert_int_equal( put_block( e.log, 2, 0 ), DMG_OK );
  assert_int_equal( put_block( e.log, 3, 0 ), DMG_OK );
  dmg_block_log_stats( e.log, &stats );
  dmg_block_log_close( e.log );
  assert_true( dmg_vfs_mem_flip( e.vfs, "d/blocks/0000000000000000.blk", 8*( end+80 ) ) );
  dmg_open_why_t why;
  for( int round=0; round<2; round++ ) {
    dmg_block_log_stats_t got;
    assert_int_equal( dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why ), DMG_OK );
    dmg_block_log_stats( e.log, &got );
    assert_int_equal( got.sz, end );
    assert_int_equal( got.cut_sz, round ? 0 : stats.sz-end );
    assert_int_equal( got.bad_cnt, 0 );
    assert_block( e.log, 1, 0 );
    if( !round ) dmg_block_log_close( e.log );
  }
  env_close( &e );
}

static void test_bad_record_that_was_synced_is_a_hole( void ** st ) {
  env_t e;
  env_open( &e, false );
  for( uint64_t h=1; h<=4; h++ ) { assert_int_equal( put_block( e.log, h, 0 ), DMG_OK ); assert_int_equal( dmg_block_log_sync( e.log ), DMG_OK ); }
  dmg_block_log_close( e.log );
  e.log = NULL;
  /* One bit of the second record: it is counted and absent, the others are served. */
  char const * path = "d/blocks/0000000000000000.blk";
  dmg_file_t * f;
  uint8_t head[ 68 ];
  size_t got;
  assert_int_equal( dmg_vfs_open( e.vfs, path, false, &f ), DMG_OK );
  assert_int_equal( dmg_file_pread( f, head, 68, 64, &got ), DMG_OK );
  dmg_file_close( f );
  uint64_t second = 64+( ( 68u+dmg_load_u32le( head+48 )+7u )&~7u );
  assert_true( dmg_vfs_mem_flip( e.vfs, path, 8*( second+100 ) ) );
  dmg_open_why_t why;
  for( int round=0; round<2; round++ ) {
    assert_int_equal( dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why ), DMG_OK );
    dmg_block_log_stats_t stats;
    dmg_block_log_stats( e.log, &stats );
    assert_int_equal( stats.bad_cnt, 1 );
    assert_int_equal( stats.cut_sz, 0 );
    dmg_hash_t h = hash_of( 2, 0 );
    dmg_buf_t buf = dmg_buf( 1u<<20 );
    assert_int_equal( dmg_block_log_block( e.log, &h, &buf, NULL ), DMG_ERR_NOT_FOUND );
    for( uint64_t i=1; i<=4; i++ ) if( i!=2 ) assert_block( e.log, i, 0 );
    dmg_block_log_close( e.log );
    e.log = NULL;
  }
  env_close( &e );
}

static void test_failure_at_every_step_is_told_and_final( void ** st ) {
  env_t e;
  mark_t m = { 0 };
  dmg_open_why_t why;
  env_open( &e, true );
  assert_int_equal( scenario( &e, 1, 8, &m ), DMG_OK );
  uint64_t steps = dmg_vfs_mem_steps( e.vfs );
  env_close( &e );
  for( uint64_t s=0; s<steps; s++ ) {
    e = (env_t){ 0 };
    m = (mark_t){ 0 };
    assert_int_equal( dmg_vfs_mem( 1u<<28, &e.vfs ), DMG_OK );
    dmg_vfs_mem_off_at( e.vfs, UINT64_MAX-1 );
    dmg_vfs_mem_fail_at( e.vfs, s, DMG_ERR_FULL );
    assert_int_equal( dmg_kv_mem_open( 1u<<28, &e.kv ), DMG_OK );
    dmg_err_t err = dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why );
    if( !err ) {
      err = scenario( &e, 1, 8, &m );
      assert_int_equal( err, DMG_ERR_FULL );
      /* No retry: what failed once fails for ever. */
      assert_int_equal( put_block( e.log, 99, 0 ), DMG_ERR_FULL );
      assert_int_equal( dmg_block_log_sync( e.log ), DMG_ERR_FULL );
    } else {
      assert_int_equal( err, DMG_ERR_FULL );
      assert_string_not_equal( why.text, "" );
    }
    dmg_block_log_close( e.log );
    e.log = NULL;
    assert_int_equal( dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why ), DMG_OK );
    uint64_t tip;
    assert_recovered( &e, &m, &tip );
    env_close( &e );
  }
}

static void test_flipped_bit_is_never_served( void ** st ) {
  seed( 22 );
  env_t e;
  mark_t m = { 0 };
  env_open( &e, false );
  assert_int_equal( scenario( &e, 1, 5, &m ), DMG_OK );
  dmg_block_log_close( e.log );
  e.log = NULL;
  int fd = open( "/dev/null", O_WRONLY );        /* thousands of lines about bad records */
  dmg_log_setup( fd, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT );
  char const * path = "d/blocks/0000000000000000.blk";
  uint64_t refused = 0, lost = 0;
  for( uint64_t byte=0; dmg_vfs_mem_flip( e.vfs, path, 8*byte ); byte++ ) {
    assert_true( dmg_vfs_mem_flip( e.vfs, path, 8*byte ) );
    uint64_t bit = 8*byte+rnd()%8;
    /* A copy of the file comes back after each try, as open may cut. */
    dmg_file_t * f;
    uint64_t sz;
    size_t got;
    assert_int_equal( dmg_vfs_open( e.vfs, path, false, &f ), DMG_OK );
    assert_int_equal( dmg_file_size( f, &sz ), DMG_OK );
    uint8_t * copy = malloc( sz );
    assert_int_equal( dmg_file_pread( f, copy, sz, 0, &got ), DMG_OK );
    assert_true( dmg_vfs_mem_flip( e.vfs, path, bit ) );
    dmg_open_why_t why;
    dmg_err_t err = dmg_block_log_open( &CFG, e.vfs, e.kv, &e.log, &why );
    if( err ) { assert_true( err==DMG_ERR_CORRUPT || err==DMG_ERR_VERSION || err==DMG_ERR_CHAIN ); refused++; }
    else {
      for( uint64_t h=1; h<=5; h++ ) {
        dmg_hash_t hash = hash_of( h, 0 );
        dmg_buf_t buf = dmg_buf( 1u<<20 );
        if( dmg_block_log_block( e.log, &hash, &buf, NULL ) ) lost++;
        else { body_t b = body_of( h, 0 ); assert_true( dmg_span_eq( dmg_buf_span( &buf ), dmg_span( b.b, b.sz ) ) ); }
        dmg_buf_clear( &buf );
        if( !dmg_block_log_receipt( e.log, &hash, 2, &buf ) ) { body_t b = body_of( h, 9 ); assert_true( dmg_span_eq( dmg_buf_span( &buf ), dmg_span( b.b+7, b.sz-7 ) ) ); }
        dmg_buf_fini( &buf );
      }
      dmg_block_log_close( e.log );
      e.log = NULL;
    }
    assert_int_equal( dmg_file_truncate( f, sz ), DMG_OK );
    assert_int_equal( dmg_file_pwrite( f, copy, sz, 0 ), DMG_OK );
    dmg_file_close( f );
    free( copy );
  }
  assert_true( refused>=64 );
  assert_true( lost>0 );
  dmg_log_setup( 2, DMG_LOG_LEVEL_WARN, DMG_LOG_FORMAT_TEXT );
  close( fd );
  env_close( &e );
}

/* ---- Threads: any of them reads what stands in older segments while one appends (a TSan build judges it, too) ---- */

typedef struct { dmg_block_log_t * log; atomic_ulong tip, reads, wrong; atomic_bool is_over; } crowd_t;

static void * crowd_main( void * ctx ) {
  crowd_t * c = ctx;
  dmg_buf_t buf = dmg_buf( 1u<<20 );
  for( uint64_t i = 1; !atomic_load( &c->is_over ); i = i*31+7 ) {
    uint64_t height = 1+i%atomic_load( &c->tip );
    dmg_hash_t h = hash_of( height, 0 );
    dmg_buf_clear( &buf );
    atomic_fetch_add( dmg_block_log_block( c->log, &h, &buf, NULL ) || buf.sz<20 ? &c->wrong : &c->reads, 1 );
  }
  dmg_buf_fini( &buf );
  return NULL;
}

static void test_readers_of_old_segments_beside_the_writer( void ** st ) {
  enum { READERS = 3, HEIGHTS = 1200 };
  env_t e;
  env_open( &e, false );
  static crowd_t c;
  c = (crowd_t){ .log = e.log };
  pthread_t reader[ READERS ];
  for( uint64_t h=1; h<=HEIGHTS; h++ ) {
    assert_int_equal( put_block( e.log, h, 0 ), DMG_OK );
    assert_int_equal( put_receipts( e.log, h ), DMG_OK );
    assert_int_equal( put_final( e.log, h ), DMG_OK );
    assert_int_equal( dmg_block_log_sync( e.log ), DMG_OK );
    assert_int_equal( commit( e.log, e.kv, h ), DMG_OK );
    atomic_store( &c.tip, h );
    if( h==20 ) for( int i=0; i<READERS; i++ ) assert_int_equal( pthread_create( &reader[ i ], NULL, crowd_main, &c ), 0 );
  }
  atomic_store( &c.is_over, true );
  for( int i=0; i<READERS; i++ ) pthread_join( reader[ i ], NULL );
  assert_int_equal( c.wrong, 0 );
  assert_true( c.reads>100 );
  env_close( &e );   /* dmg_vfs_free asserts that no file is open */
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_crc32c_has_the_known_value ),
    cmocka_unit_test( test_open_refuses_other_chain_newer_format_and_gaps ),
    cmocka_unit_test( test_the_head_of_a_block_comes_alone ),
    cmocka_unit_test( test_bounds_are_refused ),
    cmocka_unit_test( test_crash_at_every_step_loses_nothing_synced ),
    cmocka_unit_test( test_lagging_commit_keeps_what_it_needs ),
    cmocka_unit_test( test_state_ahead_of_its_blocks_is_refused ),
    cmocka_unit_test( test_torn_tail_is_cut_once ),
    cmocka_unit_test( test_bad_record_that_was_synced_is_a_hole ),
    cmocka_unit_test( test_failure_at_every_step_is_told_and_final ),
    cmocka_unit_test( test_flipped_bit_is_never_served ),
    cmocka_unit_test( test_blocks_come_back_over_segments_and_restarts ),
    cmocka_unit_test( test_receipts_of_many_parts_come_back ),
    cmocka_unit_test( test_rewind_forgets_what_is_above ),
    cmocka_unit_test( test_readers_of_old_segments_beside_the_writer ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
