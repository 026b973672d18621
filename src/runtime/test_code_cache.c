/* code_cache and compile_child: real modules through the child, a damaged file made anew, a child that fails or is killed,
   a module that the checker refuses.

   The child is this same program with the verb; what it does is chosen by the environment variable DMG_TEST_CHILD. */
#include "base/os.h"
#include "runtime/code_cache.h"
#include "runtime/compile_child.h"
#include "runtime/vm.h"
#include "runtime/wasm_check.h"
#include "runtime/wasm_instr.h"
#include "types/genesis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <unistd.h>

static dmg_vm_t * vm;
static char       dir[ 64 ];
static dmg_buf_t  wasm[ 2 ];
static dmg_hash_t hash[ 2 ];

static int group_setup( void ** state ) {
  static char const * const name[ 2 ] = { "system", "balances" };
  for( unsigned i = 0; i<2; i++ ) {
    char path[ 1024 ];
    snprintf( path, sizeof path, "%s/%s.wasm", DMG_TEST_MODULES, name[ i ] );
    if( dmg_os_file_read( path, 1<<20, &wasm[ i ] ) ) { fprintf( stderr, "no %s: build the target modules\n", path ); return 1; }
    hash[ i ] = dmg_code_hash( dmg_buf_span( &wasm[ i ] ) );
  }
  return dmg_vm_open( NULL, &vm );
}
static int group_teardown( void ** state ) {
  for( unsigned i = 0; i<2; i++ ) dmg_buf_fini( &wasm[ i ] );
  dmg_vm_close( vm );
  return 0;
}
static int setup( void ** state ) {
  unsetenv( "DMG_TEST_CHILD" );
  snprintf( dir, sizeof dir, "/tmp/dmg-code-cache-XXXXXX" );
  return mkdtemp( dir ) ? 0 : 1;
}
static int teardown( void ** state ) {
  char cmd[ 128 ];
  unsetenv( "DMG_TEST_CHILD" );
  snprintf( cmd, sizeof cmd, "rm -rf %s", dir );
  return system( cmd );
}

static dmg_code_cache_t * open_cache( void ) {
  dmg_code_cache_cfg_t cfg = { .vm = vm, .dir = dir };
  dmg_code_cache_t * cache;
  assert_int_equal( dmg_code_cache_open( &cfg, &cache ), DMG_OK );
  return cache;
}
static dmg_err_t get( unsigned i ) {
  dmg_code_cache_t * cache = open_cache();
  dmg_vm_code_t * code = NULL;
  dmg_err_t err = dmg_code_cache_get( cache, &hash[ i ], dmg_buf_span( &wasm[ i ] ), 1, &code );
  if( !err ) assert_non_null( code );
  else       assert_null( code );
  dmg_vm_code_free( code );
  dmg_code_cache_close( cache );
  return err;
}
/* How many artifacts there are; the path of the last one seen. */
static unsigned files( char out_path[ 512 ] ) {
  DIR * d = opendir( dir );
  unsigned n = 0;
  assert_non_null( d );
  for( struct dirent * e; ( e = readdir( d ) ); ) {
    if( e->d_name[ 0 ]=='.' ) continue;
    n++;
    if( out_path ) snprintf( out_path, 512, "%s/%s", dir, e->d_name );
  }
  closedir( d );
  return n;
}

static void test_modules_compile_in_the_child_once( void ** state ) {
  char path[ 512 ];
  struct stat st;
  dmg_vm_signals_restore();
  assert_int_equal( get( 0 ), DMG_OK );
  assert_int_equal( files( path ), 1 );
  assert_int_equal( stat( path, &st ), 0 );
  assert_int_equal( st.st_mode&0777, 0600 );
  assert_int_equal( get( 1 ), DMG_OK );
  assert_int_equal( files( NULL ), 2 );
  /* From here a compiler would fail: both come from their files. */
  setenv( "DMG_TEST_CHILD", "kill", 1 );
  assert_int_equal( get( 0 ), DMG_OK );
  assert_int_equal( get( 1 ), DMG_OK );
}

/* The child's artifact is the one this process would make. */
static void test_child_and_process_make_the_same( void ** state ) {
  dmg_buf_t instrumented = dmg_buf( DMG_WASM_INSTR_SZ_MAX ), a = dmg_buf( DMG_VM_ARTIFACT_SZ_MAX ), b = dmg_buf( DMG_VM_ARTIFACT_SZ_MAX );
  dmg_wasm_report_t report;
  dmg_vm_signals_restore();
  assert_int_equal( dmg_wasm_instrument( dmg_buf_span( &wasm[ 1 ] ), 1, &report, &instrumented ), DMG_OK );
  assert_true( report.is_ok );
  assert_int_equal( dmg_compile_in_child( dmg_buf_span( &instrumented ), &a ), DMG_OK );
  assert_int_equal( dmg_vm_compile( vm, dmg_buf_span( &instrumented ), &b ), DMG_OK );
  assert_true( dmg_span_eq( dmg_buf_span( &a ), dmg_buf_span( &b ) ) );
  dmg_buf_fini( &instrumented );
  dmg_buf_fini( &a );
  dmg_buf_fini( &b );
}

static void test_damaged_file_is_compiled_again( void ** state ) {
  char path[ 512 ];
  dmg_buf_t good, now, bad = dmg_buf( (size_t)64<<20 );
  dmg_vm_signals_restore();
  assert_int_equal( get( 1 ), DMG_OK );
  assert_int_equal( files( path ), 1 );
  assert_int_equal( dmg_os_file_read( path, (size_t)64<<20, &good ), DMG_OK );
  /* magic, the sum, the last byte of the artifact; a cut header, nothing after the header */
  size_t const flip[ 3 ] = { 0, 8, good.sz-1 }, cut[ 2 ] = { 39, 40 };
  for( unsigned i = 0; i<5; i++ ) {
    bad.sz = 0;
    assert_int_equal( dmg_buf_append( &bad, good.p, i<3 ? good.sz : cut[ i-3 ] ), DMG_OK );
    if( i<3 ) bad.p[ flip[ i ] ] ^= 0x10;
    assert_int_equal( dmg_os_file_replace( path, dmg_buf_span( &bad ), 0600 ), DMG_OK );
    assert_int_equal( get( 1 ), DMG_OK );
    assert_int_equal( files( NULL ), 1 );
    assert_int_equal( dmg_os_file_read( path, (size_t)64<<20, &now ), DMG_OK );
    assert_true( dmg_span_eq( dmg_buf_span( &now ), dmg_buf_span( &good ) ) );
    dmg_buf_fini( &now );
  }
  dmg_buf_fini( &bad );
  dmg_buf_fini( &good );
}

/* With a store, what a file says of itself counts for nothing. */
static void test_sums_stand_in_the_store( void ** state ) {
  dmg_kv_t * kv;
  dmg_code_cache_t * cache;
  dmg_vm_code_t * code;
  char path[ 512 ], other[ 512 ];
  dmg_buf_t bytes;
  dmg_vm_signals_restore();
  assert_int_equal( dmg_kv_mem_open( 1<<20, &kv ), DMG_OK );
  dmg_code_cache_cfg_t cfg = { .vm = vm, .dir = dir, .store = kv };
#define GET( i, want ) do { assert_int_equal( dmg_code_cache_get( cache, &hash[ i ], dmg_buf_span( &wasm[ i ] ), 1, &code ), want ); \
                            if( want==DMG_OK ) dmg_vm_code_free( code ); } while(0)
#define REOPEN() do { dmg_code_cache_close( cache ); assert_int_equal( dmg_code_cache_open( &cfg, &cache ), DMG_OK ); } while(0)
  /* A file whose sum never came to the store, as after a crash between the two. */
  assert_int_equal( dmg_code_cache_open( &cfg, &cache ), DMG_OK );
  GET( 1, DMG_OK );
  assert_int_equal( files( other ), 1 );
  setenv( "DMG_TEST_CHILD", "kill", 1 );
  GET( 1, DMG_OK );                           /* this process made it */
  REOPEN();
  GET( 1, DMG_ERR_UNAVAILABLE );
  unsetenv( "DMG_TEST_CHILD" );
  GET( 1, DMG_OK );
  assert_int_equal( dmg_code_cache_sync( cache ), DMG_OK );
  REOPEN();
  setenv( "DMG_TEST_CHILD", "kill", 1 );
  GET( 1, DMG_OK );                           /* from here a compiler would fail */
  /* A good artifact of another module, with its own good sum, in the first one's file. */
  unsetenv( "DMG_TEST_CHILD" );
  assert_int_equal( dmg_os_file_read( other, (size_t)64<<20, &bytes ), DMG_OK );
  assert_int_equal( unlink( other ), 0 );
  GET( 0, DMG_OK );
  assert_int_equal( dmg_code_cache_sync( cache ), DMG_OK );
  assert_int_equal( files( path ), 1 );
  assert_int_equal( dmg_os_file_replace( path, dmg_buf_span( &bytes ), 0600 ), DMG_OK );
  setenv( "DMG_TEST_CHILD", "kill", 1 );
  REOPEN();
  GET( 0, DMG_ERR_UNAVAILABLE );
  dmg_buf_fini( &bytes );
  dmg_code_cache_close( cache );
  dmg_kv_close( kv );
}

/* No room for any: what is held stays, what was dropped goes, and its sum with it. */
static void test_held_artifacts_are_not_evicted( void ** state ) {
  dmg_kv_t * kv;
  dmg_code_cache_t * cache;
  dmg_vm_code_t * code;
  dmg_kv_stats_t stats;
  dmg_vm_signals_restore();
  assert_int_equal( dmg_kv_mem_open( 1<<20, &kv ), DMG_OK );
  dmg_code_cache_cfg_t cfg = { .vm = vm, .dir = dir, .store = kv, .sz_max = 1 };
  assert_int_equal( dmg_code_cache_open( &cfg, &cache ), DMG_OK );
  GET( 0, DMG_OK );
  GET( 0, DMG_OK );
  GET( 1, DMG_OK );
  assert_int_equal( files( NULL ), 2 );
  dmg_code_cache_drop( cache, &hash[ 0 ], 1 );
  dmg_code_cache_drop( cache, &hash[ 1 ], 1 );
  assert_int_equal( dmg_code_cache_sync( cache ), DMG_OK );
  dmg_kv_stats( kv, &stats );
  assert_int_equal( stats.keys[ DMG_KV_META ], 2 );
  dmg_code_cache_drop( cache, &hash[ 0 ], 1 );   /* got twice, so held until now */
  dmg_buf_t more = dmg_buf( 1<<20 );          /* a third code: 1 with a section that nobody reads */
  assert_int_equal( dmg_buf_append( &more, wasm[ 1 ].p, wasm[ 1 ].sz ), DMG_OK );
  assert_int_equal( dmg_buf_append( &more, "\0\7\6dm:doc", 9 ), DMG_OK );
  dmg_hash_t h = dmg_code_hash( dmg_buf_span( &more ) );
  assert_int_equal( dmg_code_cache_get( cache, &h, dmg_buf_span( &more ), 1, &code ), DMG_OK );
  dmg_vm_code_free( code );
  assert_int_equal( files( NULL ), 1 );
  assert_int_equal( dmg_code_cache_sync( cache ), DMG_OK );
  dmg_kv_stats( kv, &stats );
  assert_int_equal( stats.keys[ DMG_KV_META ], 1 );
  dmg_buf_fini( &more );
  dmg_code_cache_close( cache );
  dmg_kv_close( kv );
}

static void test_failing_child_is_unavailable( void ** state ) {
  static char const * const way[] = { "kill", "exit", "silent", "abort" };
  dmg_vm_signals_restore();
  for( unsigned i = 0; i<sizeof way/sizeof *way; i++ ) {
    setenv( "DMG_TEST_CHILD", way[ i ], 1 );
    dmg_err_t err = get( 0 );
    if( err!=DMG_ERR_UNAVAILABLE ) fail_msg( "%s: %s", way[ i ], dmg_err_name( err ) );
    assert_int_equal( files( NULL ), 0 );
  }
  /* A local failure is no judgement: the next try works. */
  unsetenv( "DMG_TEST_CHILD" );
  assert_int_equal( get( 0 ), DMG_OK );
}

/* An artifact that is none fails to load and is a local matter, too; it is not taken from the cache either. */
static void test_garbage_from_the_child_does_not_load( void ** state ) {
  dmg_vm_signals_restore();
  setenv( "DMG_TEST_CHILD", "garbage", 1 );
  assert_int_equal( get( 0 ), DMG_ERR_UNAVAILABLE );
  assert_int_equal( files( NULL ), 0 );
  unsetenv( "DMG_TEST_CHILD" );
  assert_int_equal( get( 0 ), DMG_OK );
}

static void test_refused_module_is_invalid_without_a_child( void ** state ) {
  dmg_code_cache_t * cache = open_cache();
  dmg_vm_code_t * code = NULL;
  dmg_vm_signals_restore();
  setenv( "DMG_TEST_CHILD", "kill", 1 );   /* would be UNAVAILABLE */
  dmg_span_t const bad[] = { DMG_SPAN_STR( "" ), DMG_SPAN_STR( "no wasm" ), dmg_span( wasm[ 0 ].p, wasm[ 0 ].sz-1 ), dmg_span( wasm[ 0 ].p, 8 ) };
  for( unsigned i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    dmg_hash_t h = dmg_code_hash( bad[ i ] );
    assert_int_equal( dmg_code_cache_get( cache, &h, bad[ i ], 1, &code ), DMG_ERR_INVALID );
    assert_null( code );
  }
  assert_int_equal( files( NULL ), 0 );
  dmg_code_cache_close( cache );
}

/* What the sandbox is for: inside it opening a file or a socket, or a second GiB, ends the child (not under sanitizers). */
static void test_child_is_confined( void ** state ) {
  static char const * const way[] = { "then-open", "then-socket", "then-exec", "then-memory" };
  dmg_vm_signals_restore();
  if( DMG_SANITIZED ) skip();
  for( unsigned i = 0; i<sizeof way/sizeof *way; i++ ) {
    setenv( "DMG_TEST_CHILD", way[ i ], 1 );
    dmg_err_t err = get( 1 );
    if( err!=DMG_ERR_UNAVAILABLE ) fail_msg( "%s: %s", way[ i ], dmg_err_name( err ) );
  }
  unsetenv( "DMG_TEST_CHILD" );
  assert_int_equal( get( 1 ), DMG_OK );
}

/* ---- The child ---- */

static char const * child_way;

/* Takes the place of libc's: the real child ends with it once its artifact is written, inside the sandbox.  What hostile code
   there would try next: where nothing stops it, the child has ended well. */
_Noreturn void
_exit( int status ) {
  char * const none[] = { NULL };
  char const * w = child_way ? child_way : "";
  if( !strcmp( w, "then-open" ) )   (void)!open( "/etc/passwd", O_RDONLY );
  if( !strcmp( w, "then-socket" ) ) (void)!socket( AF_INET, SOCK_STREAM, 0 );
  if( !strcmp( w, "then-exec" ) )   execve( "/bin/true-is-not-here", none, none );
  if( !strcmp( w, "then-memory" ) && mmap( NULL, (size_t)1<<30, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0 )==MAP_FAILED ) status = 5;
  for(;;) syscall( SYS_exit_group, status );
}

static int child( int argc, char ** argv ) {
  child_way = getenv( "DMG_TEST_CHILD" );
  char const * w = child_way ? child_way : "";
  bool is_mute = !strcmp( w, "silent" ), is_garbage = !strcmp( w, "garbage" );
  if( !strcmp( w, "kill" ) )  raise( SIGKILL );
  if( !strcmp( w, "abort" ) ) { signal( SIGABRT, SIG_DFL ); raise( SIGABRT ); }
  if( !strcmp( w, "exit" ) )  return 3;
  if( !is_mute && !is_garbage ) return dmg_compile_child_main( argc, argv );
  for( char b[ 4096 ]; read( 0, b, sizeof b )>0; ) {}
  return is_garbage && dmg_os_write_all( 3, "garbage", 7 ) ? 1 : 0;
}

int main( int argc, char ** argv ) {
  if( argc>1 && !strcmp( argv[ 1 ], DMG_COMPILE_CHILD_VERB ) ) return child( argc, argv );
  signal( SIGPIPE, SIG_IGN );   /* as the node does: a child may end before it has read */
  struct CMUnitTest const tests[] = {
#define T( f ) cmocka_unit_test_setup_teardown( f, setup, teardown )
    T( test_modules_compile_in_the_child_once ), T( test_child_and_process_make_the_same ), T( test_damaged_file_is_compiled_again ), T( test_sums_stand_in_the_store ), T( test_held_artifacts_are_not_evicted ),
    T( test_failing_child_is_unavailable ),
    T( test_garbage_from_the_child_does_not_load ), T( test_refused_module_is_invalid_without_a_child ), T( test_child_is_confined ),
#undef T
  };
  return cmocka_run_group_tests( tests, group_setup, group_teardown );
}
