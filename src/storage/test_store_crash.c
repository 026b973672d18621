/* The data folder, and kill -9 of a process that commits blocks on RocksDB and real files: what it
   said was committed is there, the root is right, the chain goes on (S16.3).
   DMG_CRASH_ROUNDS sets how many kills (5). */
#include "storage/block_log.h"
#include "storage/data_dir.h"
#include "storage/state.h"
#include "types/state_proof.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"
#include "base/num.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { KEYS = 200, WRITES = 25 };
static dmg_hash_t const GENESIS = { { 3 } };
static char dir[ 64 ];

static void dir_new( void ) { snprintf( dir, sizeof dir, "/tmp/dmg_crash_XXXXXX" ); assert_non_null( mkdtemp( dir ) ); }
static void dir_drop( void ) { char cmd[ 128 ]; snprintf( cmd, sizeof cmd, "rm -rf '%s'", dir ); assert_int_equal( system( cmd ), 0 ); }

/* ---- A chain whose every block follows from its height ---- */

static uint64_t mix( uint64_t z ) { return dmg_rnd_u64( &z ); }
static dmg_hash_t hash_of( uint64_t height ) { return dmg_sha256( dmg_span( &height, 8 ) ); }

typedef struct { uint8_t key[ WRITES ][ 8 ]; uint8_t value[ WRITES ][ 120 ]; dmg_write_t w[ WRITES ]; uint32_t cnt; } block_t;

static int write_cmp( void const * a, void const * b ) { return dmg_span_cmp( ( (dmg_write_t const *)a )->key, ( (dmg_write_t const *)b )->key ); }

static void block_of( uint64_t height, block_t * b ) {
  b->cnt = 0;
  for( uint32_t i=0; i<WRITES; i++ ) {
    uint64_t r = mix( height*1000+i );
    dmg_store_u64be( b->key[ i ], r%KEYS+( (uint64_t)7<<48 ) );
    uint32_t sz = 1+(uint32_t)( r>>20 )%120;
    for( uint32_t j=0; j<sz; j++ ) b->value[ i ][ j ] = (uint8_t)mix( r+j );
    b->w[ b->cnt++ ] = (dmg_write_t){ .key = dmg_span( b->key[ i ], 8 ), .value = dmg_span( b->value[ i ], sz ), .is_delete = height && ( r>>40 )%4==0 };
  }
  qsort( b->w, b->cnt, sizeof *b->w, write_cmp );
  uint32_t n = 0;
  for( uint32_t i=0; i<b->cnt; i++ ) if( !n || write_cmp( b->w+n-1, b->w+i ) ) b->w[ n++ ] = b->w[ i ];
  b->cnt = n;
}

typedef struct { dmg_data_dir_t * lock; dmg_kv_t * kv; dmg_state_t * state; dmg_block_log_t * log; } store_t;

static dmg_err_t store_open( store_t * s, dmg_open_why_t * why ) {
  char path[ 100 ];
  *s = (store_t){ 0 };
  DMG_TRY( dmg_data_dir_open( dir, "rocksdb", &GENESIS, &s->lock, why ) );
  snprintf( path, sizeof path, "%s/db", dir );
  dmg_kv_rocks_cfg_t kv = { .dir = path, .is_universal = true };
  DMG_TRY( dmg_kv_rocks_open( &kv, &s->kv, why ) );
  dmg_state_cfg_t cfg = { .genesis_hash = GENESIS, .is_durable = true, .has_read_check = true };
  DMG_TRY( dmg_state_open( &cfg, s->kv, &s->state, why ) );
  snprintf( path, sizeof path, "%s/blocks", dir );
  dmg_block_log_cfg_t log = { .dir = path, .genesis_hash = GENESIS, .segment_sz = 16384 };
  return dmg_block_log_open( &log, dmg_vfs_os(), s->kv, &s->log, why );
}
static void store_close( store_t * s ) {
  dmg_block_log_close( s->log );
  dmg_state_close( s->state );
  dmg_kv_close( s->kv );
  dmg_data_dir_close( s->lock );
}

static dmg_err_t commit( store_t * s, uint64_t h ) {
  static block_t b;
  block_of( h, &b );
  dmg_hash_t hash = hash_of( h ), parent = hash_of( h-1 ), root, tx = mix( h )%2 ? hash : parent;
  tx.b[0] ^= 1;
  dmg_arena_t * arena = dmg_arena_new( 1u<<20 );
  dmg_kv_op_t * op;
  size_t cnt;
  dmg_err_t err = dmg_block_log_index( s->log, &hash, &tx, 1, arena, &op, &cnt );
  if( !err ) err = dmg_state_apply( s->state, &parent, &hash, h, b.w, b.cnt, NULL, 0 );
  if( !err ) err = dmg_state_root( s->state, &hash, &root );
  if( !err ) err = dmg_state_finalize( s->state, &hash, op, cnt );
  if( !err ) dmg_block_log_forget( s->log, h );
  dmg_arena_free( arena );
  return err;
}

static dmg_err_t make( store_t * s, uint64_t h ) {
  static block_t b;
  block_of( h, &b );
  dmg_hash_t hash = hash_of( h ), parent = hash_of( h-1 );
  dmg_span_t receipt = b.w[0].key;
  DMG_TRY( dmg_block_log_append_block( s->log, h, &hash, dmg_hash_span( &hash ), dmg_span( b.value, sizeof b.value ) ) );
  DMG_TRY( dmg_block_log_sync( s->log ) );
  DMG_TRY( dmg_block_log_append_receipts( s->log, &hash, &receipt, 1 ) );
  DMG_TRY( dmg_block_log_append_final( s->log, &hash, &parent, dmg_span( NULL, 0 ) ) );
  DMG_TRY( dmg_block_log_sync( s->log ) );
  return commit( s, h );
}

/* Recovery as a node does it: final blocks that the state lacks are executed again. */
static dmg_err_t recover( store_t * s, uint64_t * out_height ) {
  uint64_t height, tip;
  dmg_hash_t hash, root;
  dmg_err_t err = dmg_state_head( s->state, &height, &hash, NULL );
  if( err==DMG_ERR_NOT_FOUND ) {
    static block_t b;
    block_of( 0, &b );
    hash = hash_of( 0 );
    DMG_TRY( dmg_state_genesis( s->state, &hash, b.w, b.cnt, &root ) );
    height = 0;
  } else if( err ) return err;
  err = dmg_block_log_tip( s->log, &tip, &hash );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  while( !err && height<tip ) DMG_TRY( commit( s, ++height ) );
  *out_height = height;
  return DMG_OK;
}

static _Noreturn void child( int fd ) {
  dmg_log_setup( 2, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT );
  store_t s;
  dmg_open_why_t why;
  uint64_t h;
  dmg_err_t err = store_open( &s, &why );
  if( err ) { fprintf( stderr, "child: %s: %s\n", dmg_err_name( err ), why.text ); _exit( 3 ); }
  err = recover( &s, &h );
  while( !err ) {
    if( write( fd, &h, 8 )!=8 ) _exit( 4 );
    err = make( &s, ++h );
  }
  fprintf( stderr, "child: height %lu: %s\n", (unsigned long)h, dmg_err_name( err ) );
  _exit( 5 );
}

/* The state after height, by a plain map. */
static dmg_hash_t model_root( uint64_t height, uint64_t * out_keys ) {
  static struct { bool is_there; uint8_t value[ 120 ]; size_t sz; } cell[ KEYS ];
  memset( cell, 0, sizeof cell );
  static block_t b;
  for( uint64_t h=0; h<=height; h++ ) {
    block_of( h, &b );
    for( uint32_t i=0; i<b.cnt; i++ ) {
      uint64_t k = dmg_load_u64be( b.w[ i ].key.p )&0xffff;
      cell[ k ].is_there = !b.w[ i ].is_delete;
      cell[ k ].sz = b.w[ i ].value.sz;
      memcpy( cell[ k ].value, b.w[ i ].value.p, b.w[ i ].value.sz );
    }
  }
  /* The root of the same set in a fresh memory store. */
  dmg_kv_t * kv;
  dmg_state_t * s;
  dmg_state_cfg_t cfg = { .secret = 1, .tree_sz_max = 1u<<26 };
  static uint8_t key[ KEYS ][ 8 ];
  dmg_write_t w[ KEYS ];
  size_t n = 0;
  for( uint64_t k=0; k<KEYS; k++ ) {
    if( !cell[ k ].is_there ) continue;
    dmg_store_u64be( key[ k ], k+( (uint64_t)7<<48 ) );
    w[ n++ ] = (dmg_write_t){ .key = dmg_span( key[ k ], 8 ), .value = dmg_span( cell[ k ].value, cell[ k ].sz ) };
  }
  dmg_hash_t root, any = { { 1 } };
  assert_int_equal( dmg_kv_mem_open( 1u<<26, &kv ), DMG_OK );
  assert_int_equal( dmg_state_open( &cfg, kv, &s, NULL ), DMG_OK );
  assert_int_equal( dmg_state_genesis( s, &any, w, n, &root ), DMG_OK );
  dmg_state_close( s );
  dmg_kv_close( kv );
  *out_keys = n;
  return root;
}

static void test_kill_9_loses_nothing_committed( void ** st ) {
#ifdef __SANITIZE_THREAD__
  skip();   /* TSan does not bear threads in the child of a process with threads */
#endif
  char const * env = getenv( "DMG_CRASH_ROUNDS" );
  int rounds = env ? (int)strtoul( env, NULL, 10 ) : 5;
  uint64_t seed = 31, acked = 0;
  print_message( "seed %lu rounds %d\n", (unsigned long)seed, rounds );
  dir_new();
  for( int r=0; r<rounds; r++ ) {
    int fd[ 2 ];
    assert_int_equal( pipe( fd ), 0 );
    pid_t pid = fork();
    assert_true( pid>=0 );
    if( !pid ) { close( fd[0] ); child( fd[1] ); }
    close( fd[1] );
    /* After some blocks, then at any microsecond. */
    uint64_t h, until = 1+mix( seed++ )%12, n = 0;
    while( n<until && read( fd[0], &h, 8 )==8 ) { acked = h; n++; }
    assert_true( n==until );
    dmg_os_sleep_ns( mix( seed++ )%3000000u );
    kill( pid, SIGKILL );
    while( read( fd[0], &h, 8 )==8 ) acked = h;
    close( fd[0] );
    int status;
    assert_int_equal( waitpid( pid, &status, 0 ), pid );
    assert_true( WIFSIGNALED( status ) );

    store_t s;
    dmg_open_why_t why;
    dmg_err_t err = store_open( &s, &why );
    if( err ) print_message( "%s: %s\n", dmg_err_name( err ), why.text );
    assert_int_equal( err, DMG_OK );
    uint64_t at, height, keys;
    assert_int_equal( dmg_state_head( s.state, &at, NULL, NULL ), DMG_OK );
    assert_int_equal( recover( &s, &height ), DMG_OK );
    assert_true( at>=acked );
    assert_true( height>=at && height<=at+1 );
    dmg_hash_t root, want = model_root( height, &keys ), hash = hash_of( height );
    assert_int_equal( dmg_state_root( s.state, &hash, &root ), DMG_OK );
    assert_memory_equal( root.b, want.b, 32 );
    dmg_state_stats_t stats;
    dmg_state_stats( s.state, &stats );
    assert_int_equal( stats.key_cnt, keys );
    dmg_buf_t buf = dmg_buf( 1u<<20 );
    for( uint64_t i=1; i<=height; i++ ) {
      dmg_hash_t b = hash_of( i ), got;
      assert_int_equal( dmg_block_log_hash( s.log, i, &got ), DMG_OK );
      assert_memory_equal( got.b, b.b, 32 );
      dmg_buf_clear( &buf );
      assert_int_equal( dmg_block_log_block( s.log, &b, &buf, NULL ), DMG_OK );
      assert_int_equal( dmg_block_log_receipt( s.log, &b, 0, &buf ), DMG_OK );
    }
    dmg_buf_fini( &buf );
    for( int i=0; i<3; i++ ) assert_int_equal( make( &s, ++height ), DMG_OK );
    acked = height;
    store_close( &s );
  }
  print_message( "height %lu\n", (unsigned long)acked );
  dir_drop();
}

/* ---- The folder ---- */

static void test_folder_in_use_names_the_process( void ** st ) {
  dir_new();
  dmg_data_dir_t * a, * b;
  dmg_open_why_t why;
  char pid[ 24 ];
  assert_int_equal( dmg_data_dir_open( dir, "rocksdb", &GENESIS, &a, &why ), DMG_OK );
  assert_int_equal( dmg_data_dir_open( dir, "rocksdb", &GENESIS, &b, &why ), DMG_ERR_LOCKED );
  snprintf( pid, sizeof pid, "process %d", (int)getpid() );
  assert_non_null( strstr( why.text, pid ) );
  dmg_data_dir_close( a );
  assert_int_equal( dmg_data_dir_open( dir, "rocksdb", &GENESIS, &b, &why ), DMG_OK );
  dmg_data_dir_close( b );
  dir_drop();
}

static void assert_store( char const * line, dmg_err_t want, char const * text ) {
  char path[ 100 ];
  snprintf( path, sizeof path, "%s/STORE", dir );
  assert_int_equal( dmg_os_file_replace( path, dmg_span_cstr( line ), 0600 ), DMG_OK );
  dmg_data_dir_t * d = NULL;
  dmg_open_why_t why;
  assert_int_equal( dmg_data_dir_open( dir, "rocksdb", &GENESIS, &d, &why ), want );
  if( text && !strstr( why.text, text ) ) print_message( "%s\n", why.text );
  if( text ) assert_non_null( strstr( why.text, text ) );
  dmg_data_dir_close( d );
}

static void test_folder_of_someone_else_is_refused( void ** st ) {
  dir_new();
#define Z "0000000000000000000000000000000000000000000000000000000000"
  assert_store( "demiurge-store 2.0 rocksdb 030000" Z "\n", DMG_OK, NULL );
  assert_store( "demiurge-store 2.9 rocksdb 030000" Z "\n", DMG_OK, NULL );
  assert_store( "demiurge-store 2.0 rocksdb 040000" Z "\n", DMG_ERR_CHAIN, "belongs to genesis 0400" );
  assert_store( "demiurge-store 2.0 memory 030000" Z "\n", DMG_ERR_VERSION, "backend memory" );
  assert_store( "demiurge-store 3.1 anything else\n", DMG_ERR_VERSION, "format 3.1, this program reads 2.0; use a newer" );
  assert_store( "demiurge-store 1.0 rocksdb 030000" Z "\n", DMG_ERR_VERSION, "keeps no record of what its validator signed" );
  assert_store( "demiurge-store 4294967298.0 rocksdb 030000" Z "\n", DMG_ERR_VERSION, "format 4294967298.0" );   /* not 2 */
  assert_store( "demiurge-store -1.0 x\n", DMG_ERR_CORRUPT, "does not say" );
  assert_store( "demiurge-store 1.\n", DMG_ERR_CORRUPT, "does not say" );
  assert_store( "", DMG_ERR_CORRUPT, "STORE" );
  assert_store( "demiurge-store 2.0 rocksdb 0300" Z "\n", DMG_ERR_CORRUPT, "damaged" );
  assert_store( "demiurge-store 2.0 rocksdb 030000" Z " \n", DMG_ERR_CORRUPT, "damaged" );
  dir_drop();
}

static void test_store_without_its_name_is_refused( void ** st ) {
  dir_new();
  char path[ 100 ];
  snprintf( path, sizeof path, "%s/db", dir );
  assert_int_equal( dmg_os_mkdirs( path ), DMG_OK );
  snprintf( path, sizeof path, "%s/db/CURRENT", dir );
  assert_int_equal( dmg_os_file_replace( path, DMG_SPAN_STR( "x" ), 0600 ), DMG_OK );
  dmg_data_dir_t * d;
  dmg_open_why_t why;
  assert_int_equal( dmg_data_dir_open( dir, "rocksdb", &GENESIS, &d, &why ), DMG_ERR_CORRUPT );
  dir_drop();
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_folder_in_use_names_the_process ),
    cmocka_unit_test( test_folder_of_someone_else_is_refused ),
    cmocka_unit_test( test_store_without_its_name_is_refused ),
    cmocka_unit_test( test_kill_9_loses_nothing_committed ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
