/* sub_log: streams of blocks, events and accounts over a fake node; what a reader misses, resumes, cannot pay for. */
#include "base/os.h"
#include "crypto/bech32.h"
#include "rpc/jsonrpc.h"
#include "rpc/test_rpc_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { WAIT_MS = 5000, SENT_MAX = 4096 };

static fake_t             fake;
static dmg_rpc_t *        rpc;
static dmg_query_events_t node;
static char               alice[ 80 ];
static pthread_mutex_t    lock = PTHREAD_MUTEX_INITIALIZER;
static char *             sent[ SENT_MAX ];
static uint32_t           sent_cnt, told, room;
static bool               was_full;

static int ws_send( void * ctx, uint64_t ws, dmg_span_t text ) {
  pthread_mutex_lock( &lock );
  bool is_full = !room;
  if( is_full ) was_full = true;
  else {
    room--;
    assert_true( sent_cnt<SENT_MAX );
    sent[ sent_cnt++ ] = strndup( (char const *)text.p, text.sz );
  }
  pthread_mutex_unlock( &lock );
  return is_full;
}

static void begin( dmg_rpc_limits_t const * limits ) {
  sent_cnt = told = 0;
  room     = UINT32_MAX;
  was_full = false;
  fake_init( &fake );
  dmg_hash_t a = fake_id( 1 );
  dmg_address_text( &a, alice );
  rpc = dmg_rpc_new( &fake.query, limits );
  assert_non_null( rpc );
  dmg_rpc_ws_set( rpc, &(dmg_rpc_ws_t){ .send = ws_send } );
  node = dmg_rpc_events( rpc );
}
static int setup( void ** state ) { begin( NULL ); return 0; }
static int teardown( void ** state ) {
  dmg_rpc_free( rpc );
  for( uint32_t i = 0; i<sent_cnt; i++ ) free( sent[ i ] );
  fake_fini( &fake );
  return 0;
}

__attribute__(( format( printf, 1, 2 ) )) static char const * ask( char const * fmt, ... ) {
  static char body[ 2048 ], text[ 4096 ];
  char params[ 1024 ];
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( params, sizeof params, fmt, ap );
  va_end( ap );
  snprintf( body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub_open\",\"params\":%s}", params );
  dmg_buf_t out = dmg_buf( DMG_RPC_ANSWER_MAX );
  assert_true( fake_ask( rpc, dmg_span_cstr( body ), 9, &out ) );
  memcpy( text, out.p, out.sz );
  text[ out.sz ] = 0;
  dmg_buf_fini( &out );
  return text;
}
static void answered( void ) { dmg_rpc_ws_room( rpc, 9 ); }

static void block( void ) {
  pthread_mutex_lock( &fake.lock );
  dmg_at_block_t at = fake_at( &fake, ++fake.head );
  pthread_mutex_unlock( &fake.lock );
  node.on_block( node.ctx, &at, 1000*at.height, 0 );
}

/* The next message, which must come. */
static char const * hear( void ) {
  for( int i = 0; i<WAIT_MS; i++ ) {
    pthread_mutex_lock( &lock );
    char const * text = told<sent_cnt ? sent[ told ] : NULL;
    if( text ) told++;
    pthread_mutex_unlock( &lock );
    if( text ) return text;
    dmg_os_sleep_ns( 1000000 );
  }
  fail_msg( "nothing came" );
  return "";
}
/* Nothing comes; what had to be was heard before, so this short wait can only miss a mistake, never invent one. */
static void quiet( void ) {
  dmg_os_sleep_ns( 20000000 );
  pthread_mutex_lock( &lock );
  uint32_t more = sent_cnt-told;
  pthread_mutex_unlock( &lock );
  if( more ) fail_msg( "unexpected: %s", sent[ told ] );
}
static char const * assert_has( char const * text, char const * part ) { if( !strstr( text, part ) ) fail_msg( "no %s in %.1500s", part, text ); return text; }
static void cursor_of( char const * text, char out[ 72 ] ) {
  char const * p = strstr( text, "\"cursor\":\"" );
  assert_non_null( p );
  snprintf( out, 72, "%.71s", p+10 );
}

static void test_every_block_is_told_once( void ** state ) {
  assert_has( ask( "[\"blocks\"]" ), "\"seq\":\"7\"" );
  block();
  quiet();                                               /* the answer is not out yet */
  answered();
  char const * a = hear();
  assert_has( a, "\"method\":\"sub_item\"" );
  assert_has( a, "\"seq\":\"8\"" );
  assert_has( a, "\"state\":\"final\",\"item\":{\"at\":{\"height\":\"8\"" );
  assert_has( a, "\"ids\":[]" );
  for( int i = 0; i<20; i++ ) block();
  for( int i = 9; i<=28; i++ ) { char want[ 32 ]; snprintf( want, sizeof want, "\"seq\":\"%d\"", i ); assert_has( hear(), want ); }
  quiet();
}

static void test_bodies_as_asked_for( void ** state ) {
  fake.txs_a_block = 1;
  ask( "{\"topic\":\"blocks\",\"filter\":{\"body\":\"full\"}}" );
  answered();
  block();
  char const * a = assert_has( hear(), "\"body\":\"0x0000" );
  assert_has( a, "\"txCount\":1" );
  ask( "{\"topic\":\"blocks\",\"filter\":{\"body\":\"none\"}}" );
  answered();
  block();
  (void)hear();
  a = hear();
  if( strstr( a, "\"body\"" ) ) a = sent[ told-2 ];
  if( strstr( a, "\"ids\"" ) ) fail_msg( "%s", a );
}

static void test_a_full_socket_loses_nothing( void ** state ) {
  ask( "[\"blocks\"]" );
  answered();
  pthread_mutex_lock( &lock );
  room = 2;
  pthread_mutex_unlock( &lock );
  for( int i = 0; i<10; i++ ) block();
  assert_has( hear(), "\"seq\":\"8\"" );
  assert_has( hear(), "\"seq\":\"9\"" );
  for( int i = 0; i<WAIT_MS; i++ ) { pthread_mutex_lock( &lock ); bool is_full = was_full; pthread_mutex_unlock( &lock ); if( is_full ) break; dmg_os_sleep_ns( 1000000 ); }
  quiet();
  pthread_mutex_lock( &lock );
  room = UINT32_MAX;
  pthread_mutex_unlock( &lock );
  dmg_rpc_ws_room( rpc, 9 );
  for( int i = 10; i<=17; i++ ) { char want[ 32 ]; snprintf( want, sizeof want, "\"seq\":\"%d\"", i ); assert_has( hear(), want ); }
  quiet();
}

static void test_blocks_resume_at_a_cursor( void ** state ) {
  char cursor[ 72 ];
  ask( "[\"blocks\"]" );
  answered();
  block();
  cursor_of( hear(), cursor );
  for( int i = 0; i<5; i++ ) { block(); (void)hear(); }
  assert_has( ask( "{\"topic\":\"blocks\",\"cursor\":\"%s\"}", cursor ), "\"seq\":\"8\"" );
  answered();
  for( int i = 9; i<=13; i++ ) { char want[ 32 ]; snprintf( want, sizeof want, "\"seq\":\"%d\"", i ); assert_has( hear(), want ); }
  /* What is not kept any more is a gap. */
  pthread_mutex_lock( &fake.lock );
  fake.oldest = 11;
  pthread_mutex_unlock( &fake.lock );
  ask( "{\"topic\":\"blocks\",\"cursor\":\"%s\"}", cursor );
  answered();
  assert_has( hear(), "\"method\":\"sub_gap\"" );
  assert_has( sent[ told-1 ], "\"from\":\"9\",\"to\":\"10\",\"reason\":\"pruned\"" );
  for( int i = 11; i<=13; i++ ) { char want[ 32 ]; snprintf( want, sizeof want, "\"seq\":\"%d\"", i ); assert_has( hear(), want ); }
  quiet();
  /* Another topic's cursor, and a spoilt one. */
  assert_has( ask( "{\"topic\":\"heads\",\"cursor\":\"%s\"}", cursor ), "\"path\":\"cursor\"" );
  cursor[ 20 ] = cursor[ 20 ]=='A' ? 'B' : 'A';
  assert_has( ask( "{\"topic\":\"blocks\",\"cursor\":\"%s\"}", cursor ), "\"path\":\"cursor\"" );
}

static void test_events_of_a_module_have_their_mmr_position( void ** state ) {
  char want[ 400 ];
  uint64_t seq = fake_counted( 7 )+fake_paid( 7 );       /* so many before */
  snprintf( want, sizeof want, "\"seq\":\"%lu\"", (unsigned long)seq-1 );
  assert_has( ask( "{\"topic\":\"events\",\"filter\":{\"module\":\"balances\"}}" ), want );
  answered();
  for( uint64_t h = 8; h<=25; h++ ) {
    block();
    for( uint32_t k = 0; k<h%3; k++, seq++ ) {
      char const * a = hear();
      snprintf( want, sizeof want, "\"seq\":\"%lu\"", (unsigned long)seq );
      assert_has( a, want );
      snprintf( want, sizeof want, "\"at\":{\"height\":\"%lu\"", (unsigned long)h );
      assert_has( a, want );
      snprintf( want, sizeof want, "\"item\":{\"tx\":1,\"idx\":%u,\"module\":2,\"event\":1,\"moduleName\":\"balances\",\"name\":\"Counted\",\"fields\":{\"sum\":\"%lu\"},\"data\":\"0x", k, (unsigned long)( 10*h+k ) );
      assert_has( a, want );
    }
    if( h%5==0 ) { snprintf( want, sizeof want, "\"seq\":\"%lu\"", (unsigned long)seq++ ); assert_has( assert_has( hear(), want ), "\"name\":\"Paid\"" ); }
  }
  quiet();
}

static void test_events_that_name_an_account( void ** state ) {
  assert_has( ask( "{\"topic\":\"events\",\"filter\":{\"account\":\"%s\"}}", alice ), "\"seq\":\"0\"" );   /* one, at height 5 */
  answered();
  for( int i = 0; i<10; i++ ) block();                   /* 8..17 */
  assert_has( assert_has( hear(), "\"seq\":\"1\"" ), "\"at\":{\"height\":\"10\"" );
  assert_has( assert_has( hear(), "\"seq\":\"2\"" ), "\"fields\":{\"who\":\"dmg1qy" );
  quiet();
  /* An account without any event yet: the first will have 0. */
  assert_has( ask( "{\"topic\":\"events\",\"filter\":{\"account\":\"dmg1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0ssqdc3c\"}}" ), "\"seq\":null" );
}

/* R4.15: an event may name an account that the chain does not know: it is not in its topic. */
static void test_events_before_the_account_was_known_are_not_told( void ** state ) {
  fake.known_from = 15;
  assert_has( ask( "{\"topic\":\"events\",\"filter\":{\"account\":\"%s\"}}", alice ), "\"seq\":null" );
  answered();
  for( int i = 0; i<14; i++ ) block();                   /* 8..21: named at 10, 15, 20 */
  assert_has( assert_has( hear(), "\"seq\":\"0\"" ), "\"at\":{\"height\":\"15\"" );
  assert_has( assert_has( hear(), "\"seq\":\"1\"" ), "\"at\":{\"height\":\"20\"" );
  quiet();
}

/* Each event's cursor goes on right behind it, whether the counts of its block's state are held or not. */
static void test_events_resume_between_two_of_a_block( void ** state ) {
  char cursor[ 64 ][ 72 ];
  char seq[ 64 ][ 40 ];
  uint32_t cnt = 0;
  ask( "{\"topic\":\"events\",\"filter\":{\"module\":2}}" );
  answered();
  for( int i = 0; i<13; i++ ) block();                   /* 8..20 */
  for( uint64_t h = 8; h<=20; h++ )
    for( uint32_t k = 0; k<h%3+( h%5==0 ); k++ ) {
      char const * a = hear();
      cursor_of( a, cursor[ cnt ] );
      snprintf( seq[ cnt++ ], 40, "%.*s", (int)( strchr( strstr( a, "\"seq\"" ), ',' )-strstr( a, "\"seq\"" ) ), strstr( a, "\"seq\"" ) );
    }
  quiet();
  for( int is_held = 1; is_held>=0; is_held-- ) {
    if( !is_held ) fake.state_oldest = 20;               /* as 128 blocks later */
    for( uint32_t i = 0; i<cnt; i++ ) {
      char const * a = ask( "{\"topic\":\"events\",\"filter\":{\"module\":2},\"cursor\":\"%s\"}", cursor[ i ] );
      assert_has( a, seq[ i ] );
      char id[ 24 ];
      snprintf( id, sizeof id, "%.*s", (int)strcspn( strstr( a, "\"subscription\":\"" )+16, "\"" ), strstr( a, "\"subscription\":\"" )+16 );
      answered();
      for( uint32_t k = i+1; k<cnt; k++ ) assert_has( hear(), seq[ k ] );
      quiet();
      char body[ 200 ];
      snprintf( body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub_close\",\"params\":[\"%s\"]}", id );
      dmg_buf_t out = dmg_buf( DMG_RPC_ANSWER_MAX );
      assert_true( fake_ask( rpc, dmg_span_cstr( body ), 9, &out ) );
      dmg_buf_fini( &out );
      assert_has( hear(), "sub_stop" );
    }
    if( is_held ) assert_has( ask( "{\"topic\":\"events\",\"filter\":{\"module\":1},\"cursor\":\"%s\"}", cursor[ 0 ] ), "\"code\":-32001" );   /* no such module here */
    assert_has( ask( "{\"topic\":\"events\",\"filter\":{\"account\":\"%s\"},\"cursor\":\"%s\"}", alice, cursor[ 0 ] ), "\"path\":\"cursor\"" );   /* another topic */
  }
}

static void test_an_account_is_told_when_it_changes( void ** state ) {
  assert_has( ask( "{\"topic\":\"account\",\"filter\":{\"account\":\"%s\"}}", alice ), "\"seq\":\"0\"" );
  answered();
  assert_has( assert_has( hear(), "\"seq\":\"1\"" ), "\"item\":{\"at\":{\"height\":\"7\"" );
  assert_has( sent[ 0 ], "\"balances\":{\"free\":\"50\"" );
  for( int i = 0; i<3; i++ ) block();
  quiet();
  fake.free_sparks = 51;
  block();
  assert_has( assert_has( hear(), "\"seq\":\"2\"" ), "\"balances\":{\"free\":\"51\"" );
  for( int i = 0; i<3; i++ ) block();
  quiet();
}

static void test_filters_are_strict( void ** state ) {
  static char const * const bad[][ 2 ] = {
    { "[\"events\"]", "{module: name or id} or {account: ..}" }, { "{\"topic\":\"events\",\"filter\":{}}", "{module: name or id} or {account: ..}" }, { "{\"topic\":\"events\",\"filter\":{\"module\":2,\"account\":\"x\"}}", "{module: name or id}" },
    { "{\"topic\":\"events\",\"filter\":{\"module\":[]}}", "filter.module" }, { "{\"topic\":\"events\",\"filter\":{\"module\":9}}", "-32001" }, { "{\"topic\":\"events\",\"filter\":{\"account\":\"x\"}}", "filter.account" },
    { "{\"topic\":\"blocks\",\"filter\":{\"body\":\"all\"}}", "filter.body" }, { "{\"topic\":\"blocks\",\"filter\":{\"bodies\":1}}", "filter.bodies" }, { "{\"topic\":\"blocks\",\"filter\":{\"module\":2}}", "\"path\":\"filter\"" },
    { "[\"account\"]", "{account: ..}" }, { "{\"topic\":\"heads\",\"filter\":{\"body\":\"full\"}}", "heads has no filter" }, { "[\"pending\"]", "heads, tx, blocks, events or account" } };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    char const * a = ask( "%s", bad[ i ][ 0 ] );
    assert_has( a, "\"error\"" );
    assert_has( a, bad[ i ][ 1 ] );
  }
}

static void test_revert_takes_blocks_back( void ** state ) {
  ask( "[\"blocks\"]" );
  answered();
  for( int i = 0; i<3; i++ ) block();
  for( int i = 0; i<3; i++ ) (void)hear();               /* 8, 9, 10 */
  pthread_mutex_lock( &fake.lock );
  fake.head = 8;
  fake.fork++;
  pthread_mutex_unlock( &fake.lock );
  block();                                               /* another 9 */
  assert_has( hear(), "\"seq\":\"9\"" );
  block();
  assert_has( hear(), "\"seq\":\"10\"" );
  quiet();
}

static void revert_now( void ) {
  pthread_mutex_lock( &fake.lock );
  fake.head = 8;
  fake.fork++;
  pthread_mutex_unlock( &fake.lock );
  block();
}

/* The chain goes back while the pump has a block of the old one in its hands. */
static void test_a_block_taken_back_while_it_is_read_is_not_told( void ** state ) {
  ask( "[\"blocks\"]" );
  answered();
  for( int i = 0; i<2; i++ ) block();
  for( int i = 0; i<2; i++ ) (void)hear();               /* 8, 9 */
  fake.on_read = revert_now;
  block();                                               /* 10, and then another 9 */
  assert_has( hear(), "\"seq\":\"9\"" );
  block();
  assert_has( hear(), "\"seq\":\"10\"" );
  quiet();
}

/* Sockets that come and go while the pump reads for them. */
static void * opener( void * arg ) {
  uint64_t ws = 100+(uint64_t)(uintptr_t)arg;
  for( int i = 0; i<100; i++ ) {
    dmg_buf_t out = dmg_buf( DMG_RPC_ANSWER_MAX );
    fake_ask( rpc, i%2 ? DMG_SPAN_STR( "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub_open\",\"params\":[\"blocks\"]}" ) :
      DMG_SPAN_STR( "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub_open\",\"params\":{\"topic\":\"events\",\"filter\":{\"module\":2}}}" ), ws, &out );
    dmg_buf_fini( &out );
    dmg_rpc_ws_room( rpc, ws );
    if( i%3==0 ) dmg_rpc_ws_gone( rpc, ws );
  }
  dmg_rpc_ws_gone( rpc, ws );
  return NULL;
}
static void test_sockets_come_and_go_meanwhile( void ** state ) {
  pthread_t t[ 3 ];
  pthread_mutex_lock( &lock );
  room = 3000;
  pthread_mutex_unlock( &lock );
  for( uintptr_t i = 0; i<3; i++ ) pthread_create( &t[ i ], NULL, opener, (void *)i );
  for( int i = 0; i<50; i++ ) block();
  for( int i = 0; i<3; i++ ) pthread_join( t[ i ], NULL );
  dmg_rpc_drain( rpc );
  assert_int_equal( fake.open_views, 0 );
}

static _Atomic uint64_t stopped_ns = 5000000000u;
static uint64_t stopped( void * ctx ) { return stopped_ns; }

static void test_who_cannot_pay_waits_at_its_place( void ** state ) {
  teardown( NULL );
  begin( &(dmg_rpc_limits_t){ .cost = { .rate = 10, .burst = 20 }, .now_ns = stopped, .cpu_ns = stopped } );
  dmg_rpc_from_t from = { .ws = 9, .who = { .key = { [ 10 ] = 0xff, 0xff, 10, 0, 0, 1 } } };
  dmg_rpc_bill_t bill = { 0 };
  dmg_buf_t out = dmg_buf( DMG_RPC_ANSWER_MAX );
  assert_true( dmg_rpc_handle( rpc, DMG_SPAN_STR( "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub_open\",\"params\":[\"blocks\"]}" ), &from, &out, &bill ) );
  dmg_buf_fini( &out );
  assert_int_equal( bill.left.left, 10 );
  answered();
  for( int i = 8; i<=37; i++ ) {                         /* 10 saved up, 20 of debt */
    char want[ 32 ];
    block();
    snprintf( want, sizeof want, "\"seq\":\"%d\"", i );
    assert_has( hear(), want );
  }
  block();
  quiet();
  out = dmg_buf( DMG_RPC_ANSWER_MAX );                   /* another socket's stream, whose answer is not out yet */
  assert_true( fake_ask( rpc, DMG_SPAN_STR( "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub_open\",\"params\":[\"blocks\"]}" ), 10, &out ) );
  dmg_buf_fini( &out );
  block();
  quiet();
  stopped_ns += 500000000;                               /* five */
  block();
  for( int i = 38; i<=40; i++ ) { char want[ 32 ]; snprintf( want, sizeof want, "\"seq\":\"%d\"", i ); assert_has( hear(), want ); }
  quiet();
}

int main( void ) {
#define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_every_block_is_told_once ), T( test_bodies_as_asked_for ), T( test_a_full_socket_loses_nothing ), T( test_blocks_resume_at_a_cursor ), T( test_events_of_a_module_have_their_mmr_position ),
    T( test_events_that_name_an_account ), T( test_events_before_the_account_was_known_are_not_told ), T( test_events_resume_between_two_of_a_block ),
    T( test_an_account_is_told_when_it_changes ), T( test_filters_are_strict ), T( test_revert_takes_blocks_back ),
    T( test_a_block_taken_back_while_it_is_read_is_not_told ),
    T( test_sockets_come_and_go_meanwhile ), T( test_who_cannot_pay_waits_at_its_place ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
