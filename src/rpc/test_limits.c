/* limits: what calls cost and who is refused when (F3.2-F3.5), with clocks that stand still until the test moves them. */
#include "rpc/jsonrpc.h"
#include "rpc/method.h"
#include "rpc/test_rpc_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define MS ( (uint64_t)1000000 )
#define S  ( 1000*MS )

static fake_t         fake;
static dmg_rpc_t *    rpc;
static uint64_t       now, now_step;      /* step: how far each look at the clock moves it */
static uint64_t       cpu, cpu_step;
static uint32_t       lag;
static dmg_rpc_bill_t bill;
static char           text[ DMG_RPC_ANSWER_MAX+1 ];
static char           sent[ 4096 ];
static uint32_t       sent_cnt;
static bool           is_socket_full;
static dmg_rpc_from_t const stranger = { .who = { .key = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1 } } }, operator_ = { .who = { .is_free = true } };

static uint64_t clock_now( void * ctx ) { assert_ptr_equal( ctx, &fake ); return now += now_step; }
static uint64_t clock_cpu( void * ctx ) { return cpu += cpu_step; }
static uint32_t fake_lag( void * ctx ) { return lag; }
static int      ws_send( void * ctx, uint64_t ws, dmg_span_t t ) {
  if( is_socket_full ) return 1;
  snprintf( sent, sizeof sent, "%.*s", DMG_SPAN_F( t ) );
  sent_cnt++;
  return 0;
}

static int setup( void ** state ) {
  fake_init( &fake );
  fake.query.lag = fake_lag;
  now      = 100*S;
  now_step = cpu_step = 0;
  lag      = 0;
  is_socket_full = false;
  rpc = dmg_rpc_new( &fake.query, &(dmg_rpc_limits_t){ .cost = { .rate = 300, .burst = 3000, .all_rate = 80000 }, .clock_ctx = &fake, .now_ns = clock_now, .cpu_ns = clock_cpu } );
  return !rpc;
}
static int teardown( void ** state ) {
  dmg_rpc_free( rpc );
  fake_fini( &fake );
  return 0;
}

/* As the HTTP server does it; "" if it was not read. */
static char * ask_as( dmg_rpc_from_t const * from, char const * body ) {
  dmg_buf_t out = dmg_buf( DMG_RPC_ANSWER_MAX );
  text[ 0 ] = 0;
  if( dmg_rpc_admit( rpc, from, &bill ) ) return text;
  if( dmg_rpc_handle( rpc, dmg_span_cstr( body ), from, &out, &bill ) ) memcpy( text, out.p, out.sz );
  text[ out.sz ] = 0;
  dmg_buf_fini( &out );
  return text;
}
#define CALL( method, params ) "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":" params "}"
#define HEAD    CALL( "chain_head", "{}" )
#define PARAMS  CALL( "chain_params", "{}" )
#define SUPPLY  CALL( "balances_supply", "{}" )

static void assert_has( char const * answer, char const * part ) { if( !strstr( answer, part ) ) fail_msg( "no %s in %.2000s", part, answer ); }

static void test_each_entry_of_a_batch_is_charged( void ** state ) {
  assert_has( ask_as( &stranger, HEAD ), "\"result\"" );
  assert_int_equal( bill.units, 1 );
  assert_true( bill.is_counted );
  assert_int_equal( bill.left.left, 2999 );
  assert_int_equal( bill.retry_ms, 0 );
  ask_as( &stranger, "[" HEAD "," HEAD "," PARAMS "]" );
  assert_int_equal( bill.units, 1+1+8 );
  assert_int_equal( bill.left.left, 2999-10 );
}

static void test_a_client_that_asks_too_much_waits( void ** state ) {
  for( int i = 0; i<75; i++ ) assert_has( ask_as( &stranger, SUPPLY ), "\"result\"" );   /* 40 each */
  assert_int_equal( bill.left.left, 0 );
  assert_string_equal( ask_as( &stranger, HEAD ), "" );  /* not even read */
  assert_int_equal( bill.units, 0 );
  assert_int_equal( bill.retry_ms, 4 );
  now += 100*MS;                                         /* 30 units */
  char * a = ask_as( &stranger, "[" HEAD "," SUPPLY "," HEAD "]" );
  assert_has( a, "\"code\":-32005,\"message\":\"balances_supply costs 40 units, 29 are left; 300 a second come back, up to 3000\"" );
  assert_has( a, "\"data\":{\"name\":\"LimitExceeded\",\"limit\":3000,\"cost\":40,\"retryAfterMs\":37}" );
  assert_int_equal( bill.units, 3 );                     /* the refusal cost one */
  assert_int_equal( bill.retry_ms, 37 );
  assert_int_equal( bill.left.left, 27 );
  for( int i = 0; i<75; i++ ) assert_has( ask_as( &operator_, SUPPLY ), "\"result\"" );  /* who is free is not counted */
  assert_int_equal( bill.units, 40 );
  assert_false( bill.is_counted );
}

static void test_refusals_are_not_free( void ** state ) {
  static char const * const bad[] = { "{", "[]", "[1]", "{}", CALL( "nope", "{}" ), CALL( "chain_head", "{\"x\":1}" ), CALL( "chain_head", "7" ) };
  uint32_t was = 3000;
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    assert_has( ask_as( &stranger, bad[ i ] ), "\"error\"" );
    assert_int_equal( bill.units, 1 );
    assert_int_equal( bill.left.left, --was );
  }
  ask_as( &stranger, "[1,2,3]" );
  assert_int_equal( bill.units, 3 );
  static char big[ 64<<10 ];                             /* reading costs, whatever it is */
  memset( big, ' ', sizeof big-1 );
  ask_as( &stranger, big );
  assert_int_equal( bill.units, 1+3 );
}

static void test_work_beyond_the_list_is_charged( void ** state ) {
  ask_as( &stranger, CALL( "state_get", "[\"0x0001000e\"]" ) );
  assert_int_equal( bill.units, 2 );
  ask_as( &stranger, CALL( "state_get", "{\"key\":\"0x0001000e\",\"proof\":\"tree\"}" ) );
  assert_int_equal( bill.units, 4 );
  ask_as( &stranger, CALL( "state_getMany", "[[\"0x0001000e\",\"0x0001000e\",\"0x0001000e\"]]" ) );
  assert_int_equal( bill.units, 1+3 );
  fake.big_sz = 1<<20;                                   /* 2 MiB of hex: 128 */
  ask_as( &stranger, CALL( "state_get", "[\"0x00020009\"]" ) );
  assert_int_equal( bill.units, 2+128 );
  cpu_step = 5*MS;                                       /* 500 units by the clock of the CPU */
  uint32_t before = bill.left.left;
  ask_as( &stranger, HEAD );
  assert_int_equal( bill.units, 500 );
  assert_int_equal( bill.left.left, before-500 );
  ask_as( &operator_, HEAD );
  assert_int_equal( bill.units, 1 );                     /* nobody looks at the clock for who is free */
}

static void test_class_c_goes_first_then_b_and_never_a( void ** state ) {
  static struct { uint32_t lag; char const * good, * bad; } const tab[] = { { 0, "ABC", "" }, { 1, "ABC", "" }, { 2, "AB", "C" }, { 3, "AB", "C" }, { 4, "A", "BC" }, { 1000, "A", "BC" } };
  char const * const of[] = { HEAD, PARAMS, SUPPLY };
  for( size_t i = 0; i<sizeof tab/sizeof *tab; i++ ) {
    lag = tab[ i ].lag;
    for( char const * c = tab[ i ].good; *c; c++ ) assert_has( ask_as( &stranger, of[ *c-'A' ] ), "\"result\"" );
    for( char const * c = tab[ i ].bad; *c; c++ ) {
      assert_has( ask_as( &stranger, of[ *c-'A' ] ), "\"code\":-32002" );
      assert_has( text, "\"reason\":\"overloaded\",\"retryAfterMs\":1000" );
      assert_int_equal( bill.retry_ms, 1000 );
      assert_has( ask_as( &operator_, of[ *c-'A' ] ), "\"result\"" );
    }
  }
  dmg_buf_t out = dmg_buf( 1<<20 );
  assert_int_equal( dmg_rpc_metrics( rpc, &out ), DMG_OK );
  memcpy( text, out.p, out.sz );
  text[ out.sz ] = 0;
  assert_has( text, "demiurge_rpc_refused_total{class=\"A\"} 0\ndemiurge_rpc_refused_total{class=\"B\"} 2\ndemiurge_rpc_refused_total{class=\"C\"} 4\n" );
  dmg_buf_fini( &out );
}

/* Each request as long as the clock moves at each look. */
static void busy( uint64_t each_ns, int cnt ) {
  now_step = each_ns;
  for( int i = 0; i<cnt; i++ ) { dmg_buf_t out = dmg_buf( 1<<16 ); bill = (dmg_rpc_bill_t){ 0 }; (void)dmg_rpc_handle( rpc, DMG_SPAN_STR( "{" ), &operator_, &out, &bill ); dmg_buf_fini( &out ); }
  now_step = 0;
}

static void test_a_late_loop_refuses_too( void ** state ) {
  now += 10*S;
  busy( 0, 100 );
  now += 2*S;
  busy( 60*MS, 20 );                                     /* over 50 ms, for longer than a second */
  assert_has( ask_as( &stranger, SUPPLY ), "-32002" );
  assert_has( ask_as( &stranger, PARAMS ), "\"result\"" );
  busy( 210*MS, 12 );
  assert_has( ask_as( &stranger, PARAMS ), "-32002" );
  assert_has( ask_as( &stranger, HEAD ), "\"result\"" );
  now += 3*S;                                            /* what was is forgotten */
  assert_has( ask_as( &stranger, SUPPLY ), "\"result\"" );
  now += 2*S;
  busy( 1, 1000 );
  busy( 60*MS, 5 );                                      /* under one in a hundred */
  now += S;
  busy( 1, 1 );
  assert_has( ask_as( &stranger, SUPPLY ), "\"result\"" );
}

static void test_all_together_may_be_too_much( void ** state ) {
  dmg_rpc_from_t from = stranger;
  int refused = 0;
  for( int i = 0; i<250 && !refused; i++ ) {
    from.who.key[ 15 ] = (uint8_t)i;
    for( int k = 0; k<70; k++ ) if( strstr( ask_as( &from, SUPPLY ), "all clients together" ) ) {
      assert_has( text, "\"code\":-32002" );
      assert_has( text, "\"reason\":\"overloaded\",\"cost\":40,\"retryAfterMs\":1" );
      refused++;
      break;
    } else if( !*text ) { refused++; break; }
  }
  assert_true( refused );
}

static void test_calls_end_in_time( void ** state ) {
  now_step = 3*S;                                        /* each look at the clock is 3 s later */
  char * a = ask_as( &operator_, "[" HEAD "," HEAD "," HEAD "," HEAD "," HEAD "]" );
  int good = 0, late = 0;
  for( char * p = a; ( p = strstr( p, "\"result\"" ) ); p++ ) good++;
  for( char * p = a; ( p = strstr( p, "\"code\":-32015" ) ); p++ ) late++;
  assert_int_equal( good, 3 );
  assert_int_equal( late, 2 );
  assert_has( a, "\"data\":{\"name\":\"Timeout\",\"limitMs\":10000}" );
  a = ask_as( &operator_, CALL( "state_getMany", "[[\"0x0001000e\",\"0x0001000e\",\"0x0001000e\",\"0x0001000e\",\"0x0001000e\"]]" ) );
  assert_has( a, "\"code\":-32015" );
  assert_false( strstr( a, "result" ) );
  a = ask_as( &operator_, CALL( "chain_blocks", "{\"from\":\"1\",\"count\":7}" ) );
  assert_has( a, "\"code\":-32015" );
  assert_int_equal( fake.open_views, 0 );
}

static void test_streams_of_who_is_in_debt_wait( void ** state ) {
  dmg_rpc_from_t from = stranger;
  dmg_query_events_t node = dmg_rpc_events( rpc );
  from.ws  = 5;
  sent_cnt = 0;
  dmg_rpc_ws_set( rpc, &(dmg_rpc_ws_t){ .send = ws_send } );
  assert_has( ask_as( &from, CALL( "sub_open", "[\"heads\"]" ) ), "\"result\"" );
  assert_int_equal( bill.units, 10 );
  dmg_rpc_ws_room( rpc, 5 );
  fake.head = 8;
  node.on_block( node.ctx, &(dmg_at_block_t){ .height = 8, .is_final = true }, 1, 0 );
  assert_int_equal( sent_cnt, 1 );
  assert_has( ask_as( &from, HEAD ), "\"result\"" );
  assert_int_equal( bill.left.left, 3000-10-1-1 );       /* the item cost one */
  cpu_step = 30*S;                                       /* one call, as dear as can be */
  ask_as( &from, HEAD );
  cpu_step = 0;
  assert_true( bill.left.is_spent );
  fake.head = 9;
  node.on_block( node.ctx, &(dmg_at_block_t){ .height = 9, .is_final = true }, 1, 0 );
  assert_int_equal( sent_cnt, 1 );
  now += 50*MS;
  fake.head = 10;
  node.on_block( node.ctx, &(dmg_at_block_t){ .height = 10, .is_final = true }, 1, 0 );
  assert_int_equal( sent_cnt, 2 );                       /* the newest, and that one was left out */
  assert_has( sent, "\"height\":\"10\"" );
  assert_has( sent, "\"skipped\":\"1\"" );
  dmg_rpc_ws_gone( rpc, 5 );
}

static void test_an_item_is_paid_when_it_is_sent( void ** state ) {
  dmg_rpc_from_t from = stranger;
  dmg_query_events_t node = dmg_rpc_events( rpc );
  from.ws  = 5;
  sent_cnt = 0;
  dmg_rpc_ws_set( rpc, &(dmg_rpc_ws_t){ .send = ws_send } );
  ask_as( &from, CALL( "sub_open", "[\"heads\"]" ) );
  dmg_rpc_ws_room( rpc, 5 );
  is_socket_full = true;
  fake.head = 8;
  node.on_block( node.ctx, &(dmg_at_block_t){ .height = 8, .is_final = true }, 1, 0 );
  for( int i = 0; i<5; i++ ) dmg_rpc_ws_room( rpc, 5 );
  ask_as( &from, HEAD );
  assert_int_equal( bill.left.left, 3000-10-1 );
  is_socket_full = false;
  dmg_rpc_ws_room( rpc, 5 );
  assert_int_equal( sent_cnt, 1 );
  ask_as( &from, HEAD );
  assert_int_equal( bill.left.left, 3000-10-1-1-1 );
  dmg_rpc_ws_gone( rpc, 5 );
}

static void test_prices_are_told( void ** state ) {
  char * a = ask_as( &stranger, CALL( "rpc_limits", "{}" ) );
  assert_has( a, "\"unitsPerSecond\":300,\"unitsBurst\":3000,\"isCounted\":true" );
  assert_has( a, "{\"method\":\"tx_submit\",\"class\":\"A\",\"cost\":11}" );
  assert_has( ask_as( &operator_, CALL( "rpc_limits", "{}" ) ), "\"isCounted\":false" );
}

int main( void ) {
#define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_each_entry_of_a_batch_is_charged ), T( test_a_client_that_asks_too_much_waits ), T( test_refusals_are_not_free ), T( test_work_beyond_the_list_is_charged ),
    T( test_class_c_goes_first_then_b_and_never_a ), T( test_a_late_loop_refuses_too ), T( test_all_together_may_be_too_much ), T( test_calls_end_in_time ), T( test_streams_of_who_is_in_debt_wait ),
    T( test_an_item_is_paid_when_it_is_sent ), T( test_prices_are_told ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
