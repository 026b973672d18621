/* chain_crash: the process ends between any two steps of a block; the next start finishes the block whose votes were saved,
   never another one at its height (C6, S8.1), and the chain goes on.  Crashes during recovery too. */
#include "node/test_chain_util.h"
#include "node/chain_int.h"

#include <sys/wait.h>

enum { CRASHED = 42, HEIGHT = 3 };

static dmg_chain_step_t crash_step;
static char             note_path[ 128 ];

static void crash( dmg_chain_step_t step, uint64_t height, dmg_hash_t const * hash ) {
  if( step!=crash_step || height!=HEIGHT ) return;
  dmg_err_t err = dmg_os_file_replace( note_path, dmg_hash_span( hash ), 0600 );
  _exit( err ? 1 : CRASHED );
}

/* argv: dir, step, 1 to make blocks.  A process of its own: RocksDB's threads do not survive a fork. */
static int child_main( char ** argv ) {
  if( setup( NULL ) ) return 1;
  crash_step = (dmg_chain_step_t)strtoul( argv[ 3 ], NULL, 10 );
  snprintf( note_path, sizeof note_path, "%.100s.note", argv[ 2 ] );
  dmg_chain_hook = crash;
  dmg_chain_t * chain = open_chain( argv[ 2 ], DMG_PACE_MANUAL, 1764000000000u );
  dmg_at_block_t head;
  dmg_hash_t id, to = { { 9 } };
  dmg_query_t const * q = dmg_chain_query( chain );
  if( *argv[ 4 ]=='1' ) {
    if( q->dev->mine( q->ctx, HEIGHT-1, 0, &head ) ) return 2;
    send( chain, &accounts[ 0 ], &to, 777, 0, &id );
    (void)!q->dev->mine( q->ctx, 1, 0, &head );
  }
  return 3;   /* it should have crashed */
}

static void run_child( char const * dir, dmg_chain_step_t step, bool makes_blocks ) {
  char number[ 12 ];
  snprintf( number, sizeof number, "%d", (int)step );
  pid_t pid = fork();
  assert_true( pid>=0 );
  if( !pid ) { execl( "/proc/self/exe", "test_chain_crash", "--crash-child", dir, number, makes_blocks ? "1" : "0", NULL ); _exit( 127 ); }
  int status;
  assert_int_equal( waitpid( pid, &status, 0 ), pid );
  assert_true( WIFEXITED( status ) );
  assert_int_equal( WEXITSTATUS( status ), CRASHED );
}

static dmg_hash_t noted( char const * dir ) {
  dmg_buf_t buf;
  dmg_hash_t h;
  snprintf( note_path, sizeof note_path, "%.100s.note", dir );
  assert_int_equal( dmg_os_file_read( note_path, 32, &buf ), DMG_OK );
  assert_int_equal( buf.sz, 32 );
  memcpy( h.b, buf.p, 32 );
  dmg_buf_fini( &buf );
  return h;
}

/* The folder holds a whole chain with this block at HEIGHT (NULL: nothing at HEIGHT yet), and it goes on. */
static void check_folder( char const * dir, dmg_hash_t const * want ) {
  dmg_chain_t * chain = open_chain( dir, DMG_PACE_MANUAL, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_query_chain_t info;
  dmg_query_block_t block;
  dmg_at_block_t head;
  dmg_header_t header, next;
  dmg_cert_t cert;
  dmg_span_t * receipts;
  uint32_t receipt_cnt;
  dmg_hash_t to = { { 9 } };
  q->chain( q->ctx, &info );
  assert_int_equal( info.head.height, want ? HEIGHT : HEIGHT-1 );
  assert_int_equal( free_of( chain, &to ), want ? 777 : 0 );
  if( want ) {
    assert_memory_equal( info.head.hash.b, want->b, 32 );
    assert_int_equal( q->block( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = HEIGHT }, arena, &block ), DMG_OK );
    assert_int_equal( dmg_header_decode( dmg_span( block.signed_header.p, DMG_HEADER_SZ ), &header ).kind, DMG_VERDICT_GOOD );
    dmg_hash_t hash = dmg_header_hash( &header );
    assert_memory_equal( hash.b, want->b, 32 );
    assert_int_equal( dmg_cert_decode( block.finality, &cert ).kind, DMG_VERDICT_GOOD );
    assert_memory_equal( cert.hash.b, want->b, 32 );
    assert_int_equal( q->receipts( q->ctx, HEIGHT, arena, &receipts, &receipt_cnt ), DMG_OK );
    assert_true( receipt_cnt>=1 );
  }
  assert_int_equal( q->dev->mine( q->ctx, 1, 0, &head ), DMG_OK );
  assert_int_equal( q->block( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = info.head.height+1 }, arena, &block ), DMG_OK );
  assert_int_equal( dmg_header_decode( dmg_span( block.signed_header.p, DMG_HEADER_SZ ), &next ).kind, DMG_VERDICT_GOOD );
  assert_memory_equal( next.parent_hash.b, info.head.hash.b, 32 );
  close_chain( chain );
}

static void clear( char const * dir ) {
  char cmd[ 160 ];
  snprintf( cmd, sizeof cmd, "rm -rf %s %s.note", dir, dir );
  assert_int_equal( system( cmd ), 0 );
}

static void test_a_crash_after_any_step_is_finished( void ** state ) {
  for( int step = 0; step<DMG_CHAIN_STEP_CNT; step++ ) {
    char dir[] = "/tmp/dmg-crash-XXXXXX";
    assert_non_null( mkdtemp( dir ) );
    run_child( dir, (dmg_chain_step_t)step, true );
    dmg_hash_t hash = noted( dir );
    /* Built, but nothing of it on disk: nobody can know of it.  From the first sync on it is this block or none. */
    check_folder( dir, step==DMG_CHAIN_STEP_BUILT ? NULL : &hash );
    clear( dir );
  }
}

static void test_crashes_during_recovery_are_finished_too( void ** state ) {
  char dir[] = "/tmp/dmg-crash-XXXXXX";
  assert_non_null( mkdtemp( dir ) );
  run_child( dir, DMG_CHAIN_STEP_SAVED, true );
  dmg_hash_t hash = noted( dir );
  for( int step = DMG_CHAIN_STEP_SIGNED; step<DMG_CHAIN_STEP_CNT; step++ ) {
    if( step==DMG_CHAIN_STEP_SYNCED ) continue;   /* after FINAL it is final: only the state is left */
    run_child( dir, (dmg_chain_step_t)step, false );
    dmg_hash_t again = noted( dir );
    assert_memory_equal( again.b, hash.b, 32 );
  }
  check_folder( dir, &hash );
  clear( dir );
}

int main( int argc, char ** argv ) {
  if( argc>1 && !strcmp( argv[ 1 ], DMG_COMPILE_CHILD_VERB ) ) return dmg_compile_child_main( argc, argv );
  if( argc==5 && !strcmp( argv[ 1 ], "--crash-child" ) ) return child_main( argv );
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_a_crash_after_any_step_is_finished ),
    cmocka_unit_test( test_crashes_during_recovery_are_finished_too ),
  };
  return cmocka_run_group_tests( tests, setup, teardown );
}
