/* submit_pool: order, company, bounds and the end, against a fake node. */
#include "base/os.h"
#include "rpc/submit_pool.h"
#include "rpc/test_rpc_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { JOB_MAX = 4000, ADDERS = 4 };

static fake_t              fake;
static dmg_rpc_t *         rpc;
static dmg_submit_pool_t * pool;
static struct { dmg_submit_job_t job; char body[ 96 ]; atomic_bool is_done; char answer[ 256 ]; } jobs[ JOB_MAX ];
static atomic_uint         done_cnt, order_cnt;
static uint32_t            done_order[ JOB_MAX ];   /* with one thread */

static void done( void * ctx, dmg_submit_job_t * job ) {
  uint32_t i = 0;
  while( &jobs[ i ].job!=job ) i++;
  assert_false( jobs[ i ].is_done );
  size_t n = job->req.out.sz<sizeof jobs[ i ].answer ? job->req.out.sz : sizeof jobs[ i ].answer-1;
  if( n ) memcpy( jobs[ i ].answer, job->req.out.p, n );
  jobs[ i ].answer[ n ] = 0;
  dmg_buf_fini( &job->req.out );
  jobs[ i ].is_done = true;
  done_order[ atomic_fetch_add( &order_cnt, 1 ) ] = i;
  done_cnt++;
}

static void start( uint32_t threads, size_t sz_max, uint32_t cnt_max ) {
  fake_init( &fake );
  rpc = dmg_rpc_new( &fake.query, NULL );
  dmg_submit_pool_cfg_t cfg = { .threads = threads, .queue_sz_max = sz_max, .queue_cnt_max = cnt_max, .rpc = rpc, .done = done };
  pool = dmg_submit_pool_new( &cfg );
  assert_non_null( rpc );
  assert_non_null( pool );
  memset( jobs, 0, sizeof jobs );
  done_cnt = order_cnt = 0;
}

static void stop( void ) {
  fake.is_submit_held = false;
  dmg_submit_pool_stop( pool );
  dmg_submit_pool_free( pool );
  dmg_rpc_free( rpc );
  fake_fini( &fake );
}

/* Job i submits a transaction whose first bytes are i; sz 0: as short as can be, else filled up by blanks. */
static dmg_err_t add( uint32_t i, dmg_span_t filled ) {
  int n = snprintf( jobs[ i ].body, sizeof jobs[ i ].body, "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"tx_submit\",\"params\":[\"0x%04x\"]}", i, i );
  dmg_span_t body = dmg_span( (uint8_t *)jobs[ i ].body, (size_t)n );
  if( filled.sz ) {
    memset( (uint8_t *)(uintptr_t)filled.p, ' ', filled.sz );
    memcpy( (uint8_t *)(uintptr_t)filled.p, jobs[ i ].body, (size_t)n );
    body = filled;
  }
  jobs[ i ].job = (dmg_submit_job_t){ .req = { .body = body, .out = dmg_buf( DMG_RPC_ANSWER_MAX ) } };
  return dmg_submit_pool_add( pool, &jobs[ i ].job );
}
static void add_ok( uint32_t i ) { assert_int_equal( add( i, dmg_span( NULL, 0 ) ), DMG_OK ); }

static void wait_for( atomic_uint * what, unsigned cnt ) {
  for( int i = 0; i<5000 && *what<cnt; i++ ) dmg_os_sleep_ns( 1000000 );
  assert_int_equal( *what, cnt );
}

static void assert_answered( uint32_t i ) {
  char want[ 64 ];
  assert_true( jobs[ i ].is_done );
  snprintf( want, sizeof want, "\"id\":%u,\"result\":{\"id\":\"0x%04x", i, i );
  if( !strstr( jobs[ i ].answer, want ) ) fail_msg( "no %s in %s", want, jobs[ i ].answer );
}

/* What comes while the only thread works goes together afterwards, in order; a large body goes alone. */
static void test_small_ones_go_together( void ** state ) {
  static uint8_t large[ DMG_SUBMIT_JOIN_SZ_MAX ], half[ DMG_SUBMIT_JOIN_SZ_MAX/2 ];
  start( 1, 1<<20, 1000 );
  fake.is_submit_held = true;
  add_ok( 0 );
  wait_for( &fake.submit_calls, 1 );
  for( uint32_t i = 1; i<101; i++ ) add_ok( i );                              /* 64 and 36 */
  assert_int_equal( add( 101, dmg_span( large, sizeof large ) ), DMG_OK );    /* alone */
  add_ok( 102 );
  assert_int_equal( add( 103, dmg_span( half, sizeof half ) ), DMG_OK );      /* with 102 and 104 */
  add_ok( 104 );
  fake.is_submit_held = false;
  wait_for( &done_cnt, 105 );
  assert_int_equal( fake.submit_calls, 5 );
  for( uint32_t i = 0; i<105; i++ ) { assert_answered( i ); assert_int_equal( done_order[ i ], i ); }
  dmg_submit_pool_stats_t st;
  dmg_submit_pool_stats( pool, &st );
  assert_true( st.taken==105 && st.joined==103 && !st.waiting_cnt && !st.refused );
  stop();
}

static void test_a_full_queue_refuses_and_loses_nothing( void ** state ) {
  static uint8_t large[ 2 ][ 600 ];
  start( 1, 1000, 3 );
  fake.is_submit_held = true;
  add_ok( 0 );
  wait_for( &fake.submit_calls, 1 );
  add_ok( 1 );
  assert_int_equal( add( 2, dmg_span( large[ 0 ], 600 ) ), DMG_OK );
  assert_int_equal( add( 3, dmg_span( large[ 1 ], 600 ) ), DMG_ERR_FULL );    /* bytes */
  add_ok( 3 );
  assert_int_equal( add( 4, dmg_span( NULL, 0 ) ), DMG_ERR_FULL );            /* bodies */
  dmg_submit_pool_stats_t st;
  dmg_submit_pool_stats( pool, &st );
  assert_true( st.waiting_cnt==3 && st.refused==2 );
  fake.is_submit_held = false;
  wait_for( &done_cnt, 4 );
  for( uint32_t i = 0; i<4; i++ ) assert_answered( i );
  add_ok( 4 );                                                                /* room again */
  wait_for( &done_cnt, 5 );
  stop();
}

static void test_stop_finishes_what_waits( void ** state ) {
  start( 2, 1<<20, 1000 );
  fake.is_submit_held = true;
  for( uint32_t i = 0; i<200; i++ ) add_ok( i );
  fake.is_submit_held = false;
  dmg_submit_pool_stop( pool );
  for( uint32_t i = 0; i<200; i++ ) assert_answered( i );
  assert_int_equal( add( 200, dmg_span( NULL, 0 ) ), DMG_ERR_FULL );
  stop();
}

static void * adder( void * arg ) {
  for( uint32_t i = (uint32_t)(uintptr_t)arg; i<JOB_MAX; i += ADDERS ) while( add( i, dmg_span( NULL, 0 ) ) ) dmg_os_sleep_ns( 10000 );
  return NULL;
}

static void test_many_threads_add_and_work( void ** state ) {
  pthread_t t[ ADDERS ];
  start( 4, 4000, 20 );
  for( uintptr_t i = 0; i<ADDERS; i++ ) assert_int_equal( pthread_create( &t[ i ], NULL, adder, (void *)i ), 0 );
  for( int i = 0; i<ADDERS; i++ ) pthread_join( t[ i ], NULL );
  wait_for( &done_cnt, JOB_MAX );
  for( uint32_t i = 0; i<JOB_MAX; i++ ) assert_answered( i );
  assert_int_equal( fake.submit_cnt, JOB_MAX );
  stop();
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_small_ones_go_together ),
    cmocka_unit_test( test_a_full_queue_refuses_and_loses_nothing ),
    cmocka_unit_test( test_stop_finishes_what_waits ),
    cmocka_unit_test( test_many_threads_add_and_work ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
