/* The RocksDB backend on a disk that fails: a write that cannot be made ends the process (S8.6), bytes that changed on disk are CORRUPT, never "absent";
   a folder in use or with a broken catalogue is refused with what would be right.  And a stored record at the longest key. */
#include "storage/state_int.h"
#include "base/log.h"
#include "base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { KEYS = 4000, VALUE_SZ = 100 };

static char dir[ 64 ];

static void dir_new( void ) { snprintf( dir, sizeof dir, "/tmp/dmg_kvb_XXXXXX" ); assert_non_null( mkdtemp( dir ) ); }
static void dir_drop( void ) {
  char cmd[ 128 ];
  snprintf( cmd, sizeof cmd, "rm -rf '%s'", dir );
  assert_int_equal( system( cmd ), 0 );
}
static dmg_err_t open_rocks( dmg_kv_t ** out, dmg_open_why_t * out_why ) {
  dmg_kv_rocks_cfg_t cfg = { .dir = dir, .is_universal = true };
  return dmg_kv_rocks_open( &cfg, out, out_why );
}
static void value_of( uint32_t i, uint8_t out[ VALUE_SZ ] ) { for( int b = 0; b<VALUE_SZ; b++ ) out[ b ] = (uint8_t)( ( i*7919u+(uint32_t)b*( i+3u ) )>>3 ); }

/* ---- A full disk ---- */

/* The child: one durable write after the other, each told through the pipe once it is OK, until the disk takes no more. */
static void write_till_full( int told, int log ) {
  dmg_log_setup( log, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT );
  signal( SIGXFSZ, SIG_IGN );
  dmg_kv_t * kv = NULL;
  if( open_rocks( &kv, NULL ) ) _exit( 3 );
  struct rlimit lim = { .rlim_cur = 256*1024, .rlim_max = 256*1024 };
  if( setrlimit( RLIMIT_FSIZE, &lim ) ) _exit( 4 );
  static uint8_t big[ 8192 ];
  for( uint32_t i = 0; i<1000; i++ ) {
    uint8_t key[ 4 ];
    dmg_store_u32be( key, i );
    memset( big, (int)i, sizeof big );
    dmg_kv_op_t op = { .cf = DMG_KV_META, .key = DMG_SPAN( key ), .value = DMG_SPAN( big ) };
    if( dmg_kv_write( kv, &op, 1, true ) ) _exit( 5 );
    if( write( told, &i, sizeof i )!=sizeof i ) _exit( 6 );
  }
  _exit( 7 );
}

/* First of the program: RocksDB's threads do not come along through a fork. */
static void test_write_that_cannot_be_made_ends_the_process( void ** st ) {
  dir_new();
  int told[ 2 ];
  char log_path[ 80 ];
  snprintf( log_path, sizeof log_path, "%s.log", dir );
  int log = open( log_path, O_CREAT|O_RDWR|O_TRUNC, 0600 );
  assert_true( log>=0 && !pipe( told ) );
  pid_t child = fork();
  if( !child ) { close( told[ 0 ] ); write_till_full( told[ 1 ], log ); }
  assert_true( child>0 );
  close( told[ 1 ] );
  uint32_t i, cnt = 0;
  while( read( told[ 0 ], &i, sizeof i )==(ssize_t)sizeof i ) assert_int_equal( i, cnt++ );
  close( told[ 0 ] );
  int status;
  assert_int_equal( waitpid( child, &status, 0 ), child );
  assert_true( WIFEXITED( status ) );
  assert_int_equal( WEXITSTATUS( status ), 1 );
  assert_true( cnt>=1 && cnt<100 );
  char text[ 1024 ] = "";
  assert_true( pread( log, text, sizeof text-1, 0 )>0 );
  assert_non_null( strstr( text, "store_write_failed" ) );
  assert_non_null( strstr( text, "stopping at once" ) );
  close( log );
  unlink( log_path );

  /* What was told is there; of the one that failed nothing is known, but of the next nothing was begun. */
  dmg_kv_t * kv;
  assert_int_equal( open_rocks( &kv, NULL ), DMG_OK );
  for( uint32_t k = 0; k<cnt+2; k++ ) {
    uint8_t key[ 4 ];
    dmg_store_u32be( key, k );
    dmg_kv_val_t v;
    dmg_err_t err = dmg_kv_get( kv, DMG_KV_META, NULL, DMG_SPAN( key ), &v );
    if( k<cnt )    assert_int_equal( err, DMG_OK );
    if( k==cnt+1 ) assert_int_equal( err, DMG_ERR_NOT_FOUND );
    if( err ) continue;
    assert_int_equal( v.v.sz, 8192 );
    for( size_t b = 0; b<v.v.sz; b++ ) assert_int_equal( v.v.p[ b ], k&255u );
    dmg_kv_val_release( &v );
  }
  dmg_kv_close( kv );
  dir_drop();
}

/* ---- Bytes that changed ---- */

typedef struct { uint32_t at; uint8_t key[ 4 ], value[ VALUE_SZ ]; } run_t;
static dmg_err_t run_next( void * ctx, dmg_kv_op_t * out ) {
  run_t * r = ctx;
  if( r->at==KEYS ) return DMG_ERR_NOT_FOUND;
  dmg_store_u32be( r->key, r->at );
  value_of( r->at++, r->value );
  *out = (dmg_kv_op_t){ .cf = DMG_KV_ORD, .key = DMG_SPAN( r->key ), .value = DMG_SPAN( r->value ) };
  return DMG_OK;
}

/* Flips a bit in the middle of the largest file that ends so. */
static void damage( char const * suffix, double where ) {
  char path[ 400 ] = "", best[ 400 ] = "";
  off_t best_sz = 0;
  DIR * d = opendir( dir );
  assert_non_null( d );
  for( struct dirent * e; ( e = readdir( d ) ); ) {
    struct stat s;
    snprintf( path, sizeof path, "%s/%s", dir, e->d_name );
    if( !strstr( e->d_name, suffix ) || stat( path, &s ) || s.st_size<=best_sz ) continue;
    best_sz = s.st_size;
    memcpy( best, path, sizeof best );
  }
  closedir( d );
  assert_true( best_sz>8 );
  int fd = open( best, O_RDWR );
  uint8_t b = 0;
  off_t at = (off_t)( (double)best_sz*where );
  assert_true( fd>=0 && pread( fd, &b, 1, at )==1 );
  b ^= 4;
  assert_true( pwrite( fd, &b, 1, at )==1 );
  close( fd );
}

static void test_changed_bytes_are_corrupt_and_nothing_else_is_wrong( void ** st ) {
  dir_new();
  dmg_kv_t * kv;
  assert_int_equal( open_rocks( &kv, NULL ), DMG_OK );
  run_t run = { .at = 0 };
  assert_int_equal( dmg_kv_bulk_apply( kv, DMG_KV_ORD, run_next, &run ), DMG_OK );
  dmg_kv_close( kv );
  damage( ".sst", 0.3 );
  /* It logs every read that failed. */
  int quiet = open( "/dev/null", O_WRONLY );
  dmg_log_setup( quiet, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT );
  assert_int_equal( open_rocks( &kv, NULL ), DMG_OK );
  unsigned corrupt_cnt = 0;
  for( uint32_t i = 0; i<KEYS; i++ ) {
    uint8_t key[ 4 ], want[ VALUE_SZ ];
    dmg_store_u32be( key, i );
    value_of( i, want );
    dmg_kv_val_t v;
    dmg_err_t err = dmg_kv_get( kv, DMG_KV_ORD, NULL, DMG_SPAN( key ), &v );
    if( err ) { assert_int_equal( err, DMG_ERR_CORRUPT ); corrupt_cnt++; continue; }
    assert_true( dmg_span_eq( v.v, DMG_SPAN( want ) ) );
    dmg_kv_val_release( &v );
  }
  assert_true( corrupt_cnt>=1 && corrupt_cnt<KEYS/2 );   /* one block of 4 KiB */

  /* Several at once: the whole call fails and pins nothing (ASan counts). */
  static dmg_span_t   keys[ KEYS ];
  static uint8_t      raw[ KEYS ][ 4 ];
  static dmg_kv_val_t vals[ KEYS ];
  static bool         found[ KEYS ];
  for( uint32_t i = 0; i<KEYS; i++ ) { dmg_store_u32be( raw[ i ], i ); keys[ i ] = DMG_SPAN( raw[ i ] ); }
  assert_int_equal( dmg_kv_get_many( kv, DMG_KV_ORD, NULL, keys, KEYS, vals, found ), DMG_ERR_CORRUPT );

  /* A walk ends with the error, it does not look like the end of the column. */
  dmg_kv_iter_t * it;
  assert_int_equal( dmg_kv_iter_open( kv, DMG_KV_ORD, NULL, dmg_span( NULL, 0 ), dmg_span( NULL, 0 ), false, &it ), DMG_OK );
  dmg_err_t err = DMG_OK;
  uint32_t cnt = 0;
  for( dmg_span_t k, v; !( err = dmg_kv_iter_next( it, &k, &v ) ); cnt++ ) assert_int_equal( dmg_load_u32be( k.p ), cnt );
  assert_int_equal( err, DMG_ERR_CORRUPT );
  assert_true( cnt<KEYS );
  dmg_kv_iter_close( it );
  dmg_kv_close( kv );
  dmg_log_setup( 2, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT );
  close( quiet );
  dir_drop();
}

static void test_folder_in_use_or_broken_says_what_would_be_right( void ** st ) {
  dir_new();
  dmg_kv_t * kv, * other = NULL;
  dmg_open_why_t why;
  assert_int_equal( open_rocks( &kv, &why ), DMG_OK );
  assert_int_equal( open_rocks( &other, &why ), DMG_ERR_LOCKED );
  assert_non_null( strstr( why.text, "another process uses it" ) );
  assert_null( other );
  dmg_kv_close( kv );
  damage( "MANIFEST-", 0.5 );
  assert_int_equal( open_rocks( &other, &why ), DMG_ERR_CORRUPT );
  assert_non_null( strstr( why.text, dir ) );
  assert_non_null( strstr( why.text, DMG_STORE_REPAIR ) );
  assert_null( other );
  dir_drop();
  /* What only the operating system can name is not all that is said. */
  dir_new();
  char lock[ 80 ];
  snprintf( lock, sizeof lock, "%s/LOCK", dir );
  assert_int_equal( mkdir( lock, 0700 ), 0 );
  assert_int_equal( open_rocks( &other, &why ), DMG_ERR_IO );
  assert_non_null( strstr( why.text, lock ) );
  assert_non_null( strstr( why.text, "; the operating system refuses it: look at that path, at its disk (df)" ) );
  assert_null( other );
  dir_drop();
}

/* ---- The longest key ---- */

/* 127 is the last length in one byte, 128 the only one in two. */
static void test_stored_record_at_the_longest_key( void ** st ) {
  static size_t const key_sz[] = { DMG_STATE_KEY_MIN, 127, 128 }, value_sz[] = { 1, DMG_STORED_VH_MIN-1, DMG_STORED_VH_MIN, 300 };
  static uint8_t key[ 129 ], value[ 300 ], buf[ 1+2+129+32+300 ];
  for( size_t i = 0; i<sizeof key; i++ )   key[ i ]   = (uint8_t)( i*37 );
  for( size_t i = 0; i<sizeof value; i++ ) value[ i ] = (uint8_t)( i*11+1 );
  for( size_t k = 0; k<3; k++ ) for( size_t v = 0; v<4; v++ ) {
    size_t sz = dmg_stored_write( dmg_span( key, key_sz[ k ] ), dmg_span( value, value_sz[ v ] ), buf );
    assert_int_equal( sz, dmg_stored_sz( key_sz[ k ], value_sz[ v ] ) );
    dmg_stored_t s;
    assert_int_equal( dmg_stored_parse( dmg_span( buf, sz ), &s ), DMG_OK );
    assert_true( dmg_span_eq( s.key, dmg_span( key, key_sz[ k ] ) ) && dmg_span_eq( s.value, dmg_span( value, value_sz[ v ] ) ) );
    assert_int_equal( s.vh!=NULL, value_sz[ v ]>=DMG_STORED_VH_MIN );
    /* Every cut is CORRUPT, or (cut in the value) the record of a shorter value of the same kind. */
    for( size_t cut = 0; cut<sz; cut++ ) {
      dmg_err_t err = dmg_stored_parse( dmg_span( buf, cut ), &s );
      size_t head = sz-value_sz[ v ];
      bool is_shorter = cut>head && ( cut-head>=DMG_STORED_VH_MIN )==( value_sz[ v ]>=DMG_STORED_VH_MIN );
      assert_int_equal( err, is_shorter ? DMG_OK : DMG_ERR_CORRUPT );
    }
  }
  /* Two bytes for a length that fits one, a second byte other than 1, and 129. */
  dmg_stored_t s;
  size_t sz = dmg_stored_write( dmg_span( key, 128 ), dmg_span( value, 9 ), buf );
  assert_int_equal( buf[ 1 ], 0x80 );
  assert_int_equal( buf[ 2 ], 1 );
  for( unsigned b = 0; b<256; b++ ) {
    buf[ 2 ] = (uint8_t)b;
    assert_int_equal( dmg_stored_parse( dmg_span( buf, sz ), &s ), b==1 ? DMG_OK : DMG_ERR_CORRUPT );
  }
  buf[ 2 ] = 1;
  buf[ 1 ] = 0x81;
  assert_int_equal( dmg_stored_parse( dmg_span( buf, sz ), &s ), DMG_ERR_CORRUPT );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_write_that_cannot_be_made_ends_the_process ),
    cmocka_unit_test( test_changed_bytes_are_corrupt_and_nothing_else_is_wrong ),
    cmocka_unit_test( test_folder_in_use_or_broken_says_what_would_be_right ),
    cmocka_unit_test( test_stored_record_at_the_longest_key ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
