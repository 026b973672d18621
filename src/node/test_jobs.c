/* jobs: in order whoever runs them, bounded, and nothing lost or half done at a stop. */
#include "node/jobs.h"
#include "base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct { dmg_job_t job; uint32_t id, ran_as; pthread_t by; } thing_t;

static uint32_t ran;             /* the jobs' */
static atomic_uint told, gate;   /* gate: a job waits until this is past its id */
static thing_t things[ DMG_JOBS_MAX+1 ];

static void run( dmg_job_t * job ) {
  thing_t * t = (thing_t *)job;
  t->ran_as = ++ran;
  t->by     = pthread_self();
}
static void run_gated( dmg_job_t * job ) {
  while( atomic_load( &gate )<=( (thing_t *)job )->id ) dmg_os_sleep_ns( 100000 );
  run( job );
}
static void on_done( void * ctx ) { atomic_fetch_add( (atomic_uint *)ctx, 1 ); }

static dmg_jobs_t * make( bool is_threaded, uint64_t lag_us, void (* fn)( dmg_job_t * ) ) {
  dmg_jobs_cfg_t cfg = { .is_threaded = is_threaded, .name = "dmg-jobs-test", .stack_sz = 1<<20, .lag_us = lag_us, .on_done = on_done, .ctx = &told };
  dmg_jobs_t * j;
  ran = 0;
  atomic_store( &told, 0 );
  atomic_store( &gate, 0 );
  for( uint32_t i = 0; i<=DMG_JOBS_MAX; i++ ) things[ i ] = (thing_t){ .job = { .run = fn }, .id = i };
  assert_int_equal( dmg_jobs_new( &cfg, &j ), DMG_OK );
  return j;
}
static thing_t * wait_for( dmg_jobs_t * j ) {
  for( ;; ) {
    dmg_job_t * job = dmg_jobs_take( j, 0 );
    if( job ) return (thing_t *)job;
    dmg_os_sleep_ns( 100000 );
  }
}

static void test_inline_runs_at_once_and_gives_back_later( void ** state ) {
  dmg_jobs_t * j = make( false, 500, run );
  assert_int_equal( dmg_jobs_wake_us( j ), UINT64_MAX );
  assert_int_equal( dmg_jobs_post( j, &things[ 0 ].job, 1000 ), DMG_OK );
  assert_int_equal( dmg_jobs_post( j, &things[ 1 ].job, 1200 ), DMG_OK );
  assert_int_equal( things[ 1 ].ran_as, 2 );
  assert_true( pthread_equal( things[ 1 ].by, pthread_self() ) );
  assert_int_equal( dmg_jobs_wake_us( j ), 1500 );
  assert_null( dmg_jobs_take( j, 1499 ) );
  assert_ptr_equal( dmg_jobs_take( j, 1500 ), &things[ 0 ] );
  assert_null( dmg_jobs_take( j, 1699 ) );
  assert_int_equal( dmg_jobs_cnt( j ), 1 );
  dmg_jobs_stop( j );
  assert_ptr_equal( dmg_jobs_take( j, 0 ), &things[ 1 ] );   /* at a stop whenever it is asked */
  assert_true( things[ 1 ].job.is_run );
  dmg_jobs_free( j );
}

static void test_a_thread_runs_them_in_order( void ** state ) {
  dmg_jobs_t * j = make( true, 0, run );
  for( uint32_t round = 0; round<20; round++ ) {
    for( uint32_t i = 0; i<DMG_JOBS_MAX; i++ ) assert_int_equal( dmg_jobs_post( j, &things[ i ].job, 0 ), DMG_OK );
    for( uint32_t i = 0; i<DMG_JOBS_MAX; i++ ) {
      thing_t * t = wait_for( j );
      assert_ptr_equal( t, &things[ i ] );
      assert_true( t->job.is_run && t->ran_as==round*DMG_JOBS_MAX+i+1 );
      assert_false( pthread_equal( t->by, pthread_self() ) );
    }
  }
  dmg_jobs_stop( j );
  assert_int_equal( atomic_load( &told ), 20*DMG_JOBS_MAX );
  dmg_jobs_free( j );
}

static void test_full_is_refused( void ** state ) {
  dmg_jobs_t * j = make( true, 0, run_gated );
  for( uint32_t i = 0; i<DMG_JOBS_MAX; i++ ) assert_int_equal( dmg_jobs_post( j, &things[ i ].job, 0 ), DMG_OK );
  assert_int_equal( dmg_jobs_post( j, &things[ DMG_JOBS_MAX ].job, 0 ), DMG_ERR_FULL );
  atomic_store( &gate, 1 );
  assert_ptr_equal( wait_for( j ), &things[ 0 ] );
  assert_int_equal( dmg_jobs_post( j, &things[ DMG_JOBS_MAX ].job, 0 ), DMG_OK );
  atomic_store( &gate, DMG_JOBS_MAX+1 );
  for( uint32_t i = 1; i<=DMG_JOBS_MAX; i++ ) assert_ptr_equal( wait_for( j ), &things[ i ] );
  dmg_jobs_stop( j );
  dmg_jobs_free( j );
}

static void * open_gate( void * arg ) {
  dmg_os_sleep_ns( 20000000 );
  atomic_store( &gate, 1 );
  return NULL;
}

static void test_a_stop_ends_the_running_one_and_begins_no_other( void ** state ) {
  dmg_jobs_t * j = make( true, 0, run_gated );
  pthread_t t;
  for( uint32_t i = 0; i<3; i++ ) assert_int_equal( dmg_jobs_post( j, &things[ i ].job, 0 ), DMG_OK );
  dmg_os_sleep_ns( 5000000 );   /* the first one is begun */
  assert_int_equal( pthread_create( &t, NULL, open_gate, NULL ), 0 );
  dmg_jobs_stop( j );
  pthread_join( t, NULL );
  for( uint32_t i = 0; i<3; i++ ) {
    assert_ptr_equal( dmg_jobs_take( j, 0 ), &things[ i ] );
    assert_int_equal( things[ i ].job.is_run, i==0 );
  }
  assert_null( dmg_jobs_take( j, 0 ) );
  dmg_jobs_free( j );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_inline_runs_at_once_and_gives_back_later ),
    cmocka_unit_test( test_a_thread_runs_them_in_order ),
    cmocka_unit_test( test_full_is_refused ),
    cmocka_unit_test( test_a_stop_ends_the_running_one_and_begins_no_other ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
