/* jsonrpc: what a client may send wrong, and what it gets for it; every method against a fake node. */
#include "base/test_rnd.h"
#include "crypto/bech32.h"
#include "rpc/json.h"
#include "rpc/jsonrpc.h"
#include "rpc/method.h"
#include "rpc/test_rpc_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NOBODY "dmg1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0ssqdc3c"   /* nobody's */

static fake_t      fake;
static dmg_rpc_t * rpc;
static char        text[ DMG_RPC_ANSWER_MAX+1 ];
static char        alice[ 80 ];

static int setup( void ** state ) {
  fake_init( &fake );
  rpc = dmg_rpc_new( &fake.query, NULL );
  dmg_hash_t a = fake_id( 1 );
  dmg_address_text( &a, alice );
  return !rpc;
}
static int teardown( void ** state ) {
  dmg_rpc_free( rpc );
  fake_fini( &fake );
  return 0;
}

/* Answer of one body as text; "" for none. */
static char * ask_span( dmg_span_t body ) {
  dmg_buf_t out = dmg_buf( DMG_RPC_ANSWER_MAX );
  bool has = fake_ask( rpc, body, 0, &out );
  assert_true( has==( out.sz>0 ) );
  assert_true( out.sz<=DMG_RPC_ANSWER_MAX );
  if( out.sz ) memcpy( text, out.p, out.sz );
  text[ out.sz ] = 0;
  dmg_buf_fini( &out );
  assert_int_equal( fake.open_views, 0 );
  return text;
}
static char * ask( char const * body ) { return ask_span( dmg_span_cstr( body ) ); }

__attribute__(( format( printf, 2, 3 ) ))
static char * call( char const * method, char const * fmt, ... ) {
  static char body[ 8192 ], params[ 8000 ];
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( params, sizeof params, fmt, ap );
  va_end( ap );
  snprintf( body, sizeof body, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":%s,\"id\":1}", method, params );
  return ask( body );
}

static void assert_has( char const * answer, char const * part ) {
  if( !strstr( answer, part ) ) fail_msg( "no %s in %.2000s", part, answer );
}

/* --- The envelope --- */

static void test_what_is_not_json_is_a_parse_error_with_its_place( void ** state ) {
  char const * bad[] = { "", " ", "{", "nul", "{\"a\":1,\"a\":2}", "[1,]", "{\"a\":01}", "\"\\ud800\"", "\xff", "{} x", "\"a\nb\"", "NaN", "+1" };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    char * a = ask( bad[ i ] );
    assert_has( a, "\"code\":-32700" );
    assert_has( a, "\"id\":null" );
    assert_has( a, " at byte " );
    assert_has( a, "\"name\":\"Parse\"" );
  }
}

static void test_json_past_a_limit_is_named_so( void ** state ) {
  char deep[ 200 ] = "";
  for( int i = 0; i<33; i++ ) deep[ i ] = '[';
  for( int i = 33; i<66; i++ ) deep[ i ] = ']';
  assert_has( ask( deep ), "\"code\":-32005" );
  deep[ 32 ] = '1';
  deep[ 65 ] = 0;
  memmove( deep+33, deep+33, 33 );
  assert_has( ask( deep ), "\"code\":-32600" );        /* 32 deep: JSON, but no request */
}

static void test_what_is_not_a_request_is_refused( void ** state ) {
  char const * bad[] = { "1", "null", "\"x\"", "{}", "{\"jsonrpc\":\"1.0\",\"method\":\"chain_head\",\"id\":1}", "{\"jsonrpc\":2,\"method\":\"chain_head\",\"id\":1}", "{\"jsonrpc\":\"2.0\",\"id\":1}",
    "{\"method\":\"chain_head\",\"id\":1}", "{\"jsonrpc\":\"2.0\",\"method\":7,\"id\":1}", "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"params\":3,\"id\":1}", "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"params\":null,\"id\":1}",
    "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"id\":{}}", "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"id\":[]}", "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"id\":true}",
    "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"id\":1,\"extra\":2}", "[]", "[1]", "[[]]" };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    char * a = ask( bad[ i ] );
    if( !strstr( a, "\"code\":-32600" ) ) fail_msg( "%s gave %s", bad[ i ], a );
  }
  assert_int_equal( *ask( "[]" ), '{' );
  assert_int_equal( *ask( "[1]" ), '[' );
}

static void test_ids_come_back_as_they_were( void ** state ) {
  assert_has( ask( "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"id\":9007199254740993}" ), "\"id\":9007199254740993," );
  assert_has( ask( "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"id\":-1.50e+3}" ), "\"id\":-1.50e+3," );
  assert_has( ask( "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"id\":\"a\\\"b\"}" ), "\"id\":\"a\\\"b\"," );
  assert_has( ask( "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"id\":null}" ), "\"id\":null," );
  assert_has( ask( "{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":5}" ), "\"id\":5," );
  char body[ 400 ], id[ 200 ];
  for( int n = DMG_RPC_ID_SZ_MAX; n<=DMG_RPC_ID_SZ_MAX+1; n++ ) {
    memset( id, 'i', sizeof id );
    id[ n ] = 0;
    snprintf( body, sizeof body, "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"id\":\"%s\"}", id );
    char * a = ask( body );
    if( n==DMG_RPC_ID_SZ_MAX ) assert_has( a, id );
    else { assert_has( a, "\"code\":-32600" ); assert_has( a, "\"id\":null" ); }
  }
}

static void test_large_numbers_are_exact_strings( void ** state ) {
  fake.head = 9007199254740993u;                        /* 2^53 + 1 */
  assert_has( call( "chain_head", "{}" ), "\"height\":\"9007199254740993\"" );
}

static void test_unknown_methods_are_named_and_hostile_names_are_not( void ** state ) {
  char * a = call( "chain_hed", "{}" );
  assert_has( a, "\"code\":-32601" );
  assert_has( a, "there is no method chain_hed" );
  assert_has( a, "\"name\":\"MethodNotFound\"" );
  assert_has( call( "chain_hea", "{}" ), "-32601" );
  assert_has( call( "chain_headd", "{}" ), "-32601" );
  assert_has( call( "", "{}" ), "-32601" );
  assert_has( call( "a\\nb", "{}" ), "no method of that name" );
  assert_has( call( "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"
                   "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbcxxx", "{}" ), "no method of that name" );
  /* Every name of the table is found, by bisection. */
  for( uint32_t i = 0; i<DMG_RPC_METHOD_CNT; i++ ) {
    if( strstr( call( dmg_rpc_method_tab[ i ].name, "[]" ), "-32601" ) ) fail_msg( "%s is not found", dmg_rpc_method_tab[ i ].name );
    if( i ) assert_true( strcmp( dmg_rpc_method_tab[ i-1 ].name, dmg_rpc_method_tab[ i ].name )<0 );
  }
}

static void test_unknown_parameters_are_named_and_hostile_names_are_not( void ** state ) {
  char * a = call( "state_get", "{\"kee\":\"0x00010001\"}" );
  assert_has( a, "\"code\":-32602" );
  assert_has( a, "\"path\":\"kee\"" );
  assert_has( a, "it takes: key, at, proof" );
  assert_has( call( "chain_head", "{\"x\":1}" ), "it takes: none" );
  assert_has( call( "state_get", "{\"k\\\"e\":1}" ), "has no parameter of that name" );
  assert_has( call( "state_get", "{\"a_name_that_is_longer_than_forty_bytes_xxxxx\":1}" ), "has no parameter of that name" );
  assert_has( call( "state_get", "{\"k\\\\e\":1}" ), "has no parameter of that name" );
  assert_has( call( "state_get", "{\"\":1}" ), "has no parameter of that name" );
  assert_has( call( "state_get", "[\"0x00010001\",\"head\",\"tree\",1]" ), "takes at most 3 parameters, got 4" );
}

static void test_parameters_of_another_form_say_what_was_expected( void ** state ) {
  char const * bad[] = { "{}", "[]", "[null]", "{\"key\":null}", "{\"key\":1}", "{\"key\":\"0x0\"}", "{\"key\":\"00010001\"}", "{\"key\":\"0x0001000g\"}", "{\"key\":\"0x0001\"}", "{\"key\":\"0x\"}", "[1]",
    "{\"key\":\"0x00010001\",\"at\":\"tail\"}", "{\"key\":\"0x00010001\",\"at\":{}}", "{\"key\":\"0x00010001\",\"at\":{\"height\":7}}", "{\"key\":\"0x00010001\",\"at\":{\"height\":\"07\"}}",
    "{\"key\":\"0x00010001\",\"at\":{\"height\":\"18446744073709551616\"}}", "{\"key\":\"0x00010001\",\"at\":{\"height\":\"1\",\"hash\":\"0x\"}}", "{\"key\":\"0x00010001\",\"at\":{\"hash\":\"0x00\"}}",
    "{\"key\":\"0x00010001\",\"at\":[\"1\"]}", "{\"key\":\"0x00010001\",\"proof\":\"all\"}", "{\"key\":\"0x00010001\",\"proof\":true}" };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    char * a = call( "state_get", "%s", bad[ i ] );
    if( !strstr( a, "\"code\":-32602" ) || !strstr( a, "\"path\":\"" ) || !strstr( a, "\"expected\":\"" ) || !strstr( a, "\"got\":\"" ) ) fail_msg( "%s gave %s", bad[ i ], a );
  }
  assert_has( call( "state_get", "{\"key\":\"0x00010001\",\"proof\":\"all\"}" ), "\"path\":\"proof\",\"expected\":\"tree or full\",\"got\":\"string all\"" );
  assert_has( call( "state_get", "{\"key\":\"0x00010001\",\"proof\":\"a\\\\b\"}" ), "\"got\":\"string\"" );
  assert_has( call( "state_get", "{}" ), "got nothing" );
  assert_has( call( "state_get", "{\"key\":{}}" ), "got object" );
}

static void test_batches_and_notifications( void ** state ) {
  assert_string_equal( ask( "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\"}" ), "" );
  assert_string_equal( ask( "{\"jsonrpc\":\"2.0\",\"method\":\"state_get\"}" ), "" );
  assert_string_equal( ask( "[{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\"},{\"jsonrpc\":\"2.0\",\"method\":\"nope\"}]" ), "" );
  char * a = ask( "[{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"id\":1},{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\"},1,{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":2},{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\"}]" );
  assert_int_equal( a[ 0 ], '[' );
  assert_has( a, "\"id\":1,\"result\"" );
  assert_has( a, "-32600" );
  assert_has( a, "-32601" );
  dmg_json_t * json = dmg_json_new();
  dmg_jv_t root;
  char why[ 160 ];
  assert_true( dmg_json_parse( json, dmg_span_cstr( a ), &root, why ) );
  assert_int_equal( dmg_jv_cnt( root ), 3 );
  dmg_json_free( json );
}

static char * batch( uint32_t cnt, char const * request ) {
  static char many[ 1<<20 ];
  size_t n = 0;
  many[ n++ ] = '[';
  for( uint32_t i = 0; i<cnt; i++ ) n += (size_t)snprintf( many+n, sizeof many-n, "%s%s", i ? "," : "", request );
  many[ n++ ] = ']';
  return ask_span( dmg_span( many, n ) );
}

static void test_a_batch_has_at_most_100_calls( void ** state ) {
  char const * request = "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\",\"id\":1}";
  assert_int_equal( *batch( 100, request ), '[' );
  char * a = batch( 101, request );
  assert_has( a, "\"code\":-32005" );
  assert_has( a, "\"id\":null" );
}

/* F3.5: 8 MiB; what no longer fits says so, one by one, and the batch stays whole. */
static void test_an_answer_past_8_mib_is_an_error_in_its_place( void ** state ) {
  fake.big_sz = 5<<20;                                  /* 10 MiB of hex */
  char * a = call( "state_get", "{\"key\":\"0x00020009\"}" );
  assert_has( a, "\"code\":-32005" );
  assert_has( a, "\"id\":1" );
  fake.big_sz = 3<<20;
  assert_has( call( "state_get", "{\"key\":\"0x00020009\"}" ), "\"value\":\"0x0000" );
  /* The longest id, all of it escaped. */
  char request[ 1200 ], id[ 1000 ] = "";
  for( size_t i = 0; i<DMG_RPC_ID_SZ_MAX; i++ ) snprintf( id+6*i, sizeof id-6*i, "\\u0001" );
  snprintf( request, sizeof request, "{\"jsonrpc\":\"2.0\",\"method\":\"state_get\",\"params\":[\"0x00020009\"],\"id\":\"%s\"}", id );
  dmg_json_t * json = dmg_json_new();
  /* The second would leave no room for the errors of the others, the third not even for its own. */
  static struct { size_t big_sz; uint32_t good; } const batches[] = { { 3<<20, 1 }, { ( ( 8<<20 )-60000 )/2, 0 }, { ( ( 8<<20 )-1200 )/2, 0 } };
  for( size_t b = 0; b<3; b++ ) {
    fake.big_sz = batches[ b ].big_sz;
    a = batch( 100, request );
    assert_int_equal( *a, '[' );
    dmg_jv_t root;
    char why[ 160 ];
    assert_true( dmg_json_parse( json, dmg_span_cstr( a ), &root, why ) );
    assert_int_equal( dmg_jv_cnt( root ), 100 );
    uint32_t good = 0;
    for( dmg_jv_t e = dmg_jv_first( root ); !dmg_jv_is_absent( e ); e = dmg_jv_next( root, e ) ) {
      good += !dmg_jv_is_absent( dmg_jv_get( e, "result" ) );
      assert_int_equal( dmg_jv_text( dmg_jv_get( e, "id" ) ).sz, DMG_RPC_ID_SZ_MAX );
    }
    assert_int_equal( good, batches[ b ].good );
  }
  dmg_json_free( json );
}

static void test_an_error_text_is_cut_between_characters( void ** state ) {
  dmg_rpc_call_t c = { 0 };
  char many[ 400 ];
  for( size_t shift = 0; shift<4; shift++ ) {
    for( size_t i = 0; i<sizeof many; i++ ) many[ i ] = i<shift ? 'x' : "\xf0\x9f\x98\x80"[ ( i-shift )%4 ];
    many[ sizeof many-1 ] = 0;
    dmg_rpc_fail( &c, DMG_RPC_INTERNAL, NULL, "%s", many );
    size_t n = strlen( c.fail.text );
    assert_true( n>=316 && n<=319 );
    assert_true( dmg_utf8_is_valid( dmg_span( c.fail.text, n ) ) );
  }
  dmg_rpc_fail_data( &c, "\"a\":1" );
  dmg_rpc_fail_data( &c, "\"b\":%01020d", 0 );           /* too long: left out */
  dmg_rpc_fail_data( &c, "\"c\":3" );
  assert_string_equal( c.fail.data, "\"a\":1,\"c\":3" );
}

/* --- Methods --- */

static void test_values_are_read_by_name_and_by_position( void ** state ) {
  char const * v = "\"value\":\"0x01020706";
  uint8_t key[ 4 ] = { 0, 9, 0, 1 };
  fake_put( &fake, key, 4, false, DMG_SPAN_STR( "\x02\x07\x06" ) );
  assert_has( call( "state_get", "{\"key\":\"0x00090001\"}" ), v );
  assert_has( call( "state_get", "[\"0x00090001\"]" ), v );
  assert_has( call( "state_get", "[\"0x00090001\",\"final\"]" ), v );
  assert_has( call( "state_get", "[\"0x00090002\",null]" ), "\"value\":null" );
  assert_has( call( "state_get", "[\"0x00090002\",{\"height\":\"8\"}]" ), "\"code\":-32001" );
  assert_has( call( "state_get", "[\"0x00090001\",{\"hash\":\"0x0700000000000000000000000000000000000000000000000000000000000001\"}]" ), "\"at\":{\"height\":\"7\"," );
  fake.oldest = 3;
  char * a = call( "state_get", "[\"0x00090001\",{\"height\":\"2\"}]" );
  assert_has( a, "\"code\":-32002" );
  assert_has( a, "\"reason\":\"pruned\",\"from\":\"3\"" );
  assert_has( call( "state_get", "[\"0x00090001\",{\"height\":\"8\"}]" ), "there is no block 8 yet: the head is at height 7" );
  /* The block is there and its state is not: 3 as the oldest would be no answer to who asks for 5. */
  fake.state_oldest = 6;
  a = call( "state_get", "[\"0x00090001\",{\"height\":\"5\"}]" );
  assert_has( a, "the state after that block is not held any more" );
  assert_has( a, "\"data\":{\"name\":\"Unavailable\",\"reason\":\"pruned\"}" );
  assert_has( call( "balances_get", "{\"account\":\"dmg1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0ssqdc3c\",\"at\":{\"height\":\"5\"}}" ), "the state after that block is not held any more" );
  assert_has( call( "chain_params", "[{\"height\":\"5\"}]" ), "the state after that block is not held any more" );
  assert_has( call( "state_get", "[\"0x00090001\",{\"height\":\"2\"}]" ), "block: pruned; the oldest height kept is 3" );
  assert_has( call( "state_get", "[\"0x00090001\",{\"height\":\"6\"}]" ), v );
  fake.state_oldest = 0;
  a = call( "state_getMany", "{\"keys\":[\"0x00090001\",\"0x00090002\"]}" );
  assert_has( a, v );
  assert_has( a, "{\"key\":\"0x00090002\",\"value\":null}" );
  assert_has( call( "state_getMany", "{\"keys\":[\"0x00090001\",7]}" ), "\"path\":\"keys\"" );
}

static void test_lists_are_paged( void ** state ) {
  uint8_t key[ 5 ] = { 0, 9, 0, 1 };
  for( uint8_t i = 0; i<5; i++ ) { key[ 4 ] = i; fake_put( &fake, key, 5, false, DMG_SPAN_STR( "v" ) ); }
  char * a = call( "state_list", "{\"prefix\":\"0x00090001\",\"limit\":2}" );
  assert_has( a, "\"next\":\"0x0009000101\"" );
  a = call( "state_list", "{\"prefix\":\"0x00090001\",\"limit\":2,\"after\":\"0x0009000103\"}" );
  assert_has( a, "\"key\":\"0x0009000104\"" );
  assert_has( a, "\"next\":null" );
  assert_has( call( "state_list", "{\"prefix\":\"0x\"}" ), "\"path\":\"prefix\"" );
  assert_has( call( "state_list", "{\"prefix\":\"0x00\",\"limit\":0}" ), "\"path\":\"limit\"" );
  assert_has( call( "state_list", "{\"prefix\":\"0x00\",\"limit\":1001}" ), "\"path\":\"limit\"" );
}

/* F0.5: with a proof the default is the highest final block whose child is final. */
static void test_proofs_stand_one_below_the_tip( void ** state ) {
  char * a = call( "state_get", "{\"key\":\"0x00090001\",\"proof\":\"full\"}" );
  assert_has( a, "\"at\":{\"height\":\"6\"," );
  assert_has( a, "\"proof\":{\"chain\":\"0xab00000000000000000000000000000000000000000000000000000000000000\",\"height\":\"6\",\"header\":\"0x" );
  assert_has( a, "\"tree\":\"0x74726565\"" );
  assert_has( a, "\"finality\":\"0x02" );
  assert_null( strstr( call( "state_get", "{\"key\":\"0x00090001\",\"proof\":\"tree\"}" ), "finality" ) );
  assert_has( call( "state_get", "{\"key\":\"0x00090001\",\"at\":\"head\",\"proof\":\"tree\"}" ), "\"code\":-32013" );
  assert_has( call( "balances_get", "{\"account\":\"%s\",\"proof\":\"full\"}", alice ), "\"key\":\"0x00020001" );
  fake.head = 0;
  assert_has( call( "state_get", "{\"key\":\"0x00090001\",\"proof\":\"full\"}" ), "\"code\":-32013" );
}

static void test_accounts_are_text_or_caip_10_of_this_chain( void ** state ) {
  char * a = call( "account_resolve", "[\"%s\"]", alice );
  assert_has( a, alice );
  assert_has( call( "account_resolve", "[\"demiurge:ab000000000000000000000000000000:%s\"]", alice ), alice );
  char const * form[] = { "demiurge:ac000000000000000000000000000000:%s", "demiurge:%s", "demiurge:ab000000000000000000000000000000%s", "x%s", "%sx", "demiurge:ab000000000000000000000000000000:" };
  for( size_t i = 0; i<sizeof form/sizeof *form; i++ ) {
    char ref[ 200 ];
    size_t n = strcspn( form[ i ], "%" );
    snprintf( ref, sizeof ref, "%.*s%s%s", (int)n, form[ i ], form[ i ][ n ] ? alice : "", form[ i ][ n ] ? form[ i ]+n+2 : "" );
    if( !strstr( call( "account_resolve", "[\"%s\"]", ref ), "\"code\":-32602" ) ) fail_msg( "took %s", ref );
  }
}

static void test_accounts_and_balances( void ** state ) {
  char * a = call( "account_get", "[\"%s\"]", alice );
  assert_has( a, "\"exists\":true,\"kind\":\"user\"" );
  assert_has( a, "\"label\":\"a \\\"key\\\"\"" );
  assert_has( a, "\"nonce\":\"3\"" );
  /* M2.2: the largest live lock; the other one ended with the block's time. */
  assert_has( a, "\"balances\":{\"free\":\"50\",\"held\":\"5\",\"locked\":\"20\",\"spendable\":\"30\"}" );
  assert_has( call( "balances_get", "[\"%s\"]", alice ), "\"spendable\":\"30\"" );
  a = call( "account_get", "[\"" NOBODY "\"]" );
  assert_has( a, "\"exists\":false" );
  assert_has( a, "\"free\":\"0\"" );
  a = call( "balances_supply", "{}" );
  assert_has( a, "\"issued\":\"1300000000000000000\",\"burned\":\"1000\"" );
  assert_has( a, "\"circulating\":\"1299999999999999000\"" );
  uint8_t k[ DMG_KEY_MAX ];
  fake_put_counter( &fake, k, dmg_key_burned( 1, k ), false, UINT64_MAX );
  assert_has( call( "balances_supply", "{}" ), "\"code\":-32603" );
}

static void test_chain_methods( void ** state ) {
  char * a = call( "chain_info", "{}" );
  assert_has( a, "\"kind\":\"dev\"" );
  assert_has( a, "\"caip2\":\"demiurge:ab000000000000000000000000000000\"" );
  assert_has( a, "\"modules\":[{\"id\":2,\"name\":\"balances\",\"version\":\"0.1.0\"" );
  assert_has( call( "chain_params", "{}" ), "\"name\":\"block_gas\",\"value\":\"513\"" );
  assert_has( call( "chain_params", "{}" ), "\"name\":\"block_txs\",\"value\":\"10000\"" );
  a = call( "chain_header", "{}" );
  assert_has( a, "\"at\":{\"height\":\"7\"" );
  assert_has( a, "\"timeMs\":\"7000\"" );
  fake.txs_a_block = 2;
  assert_has( call( "chain_block", "{}" ), "\"txCount\":2,\"ids\":[\"0x" );
  assert_null( strstr( text, "\"body\"" ) );
  assert_has( call( "chain_block", "{\"body\":\"full\"}" ), "\"body\":\"0x" );
  assert_null( strstr( call( "chain_block", "{\"body\":\"none\"}" ), "\"ids\"" ) );
  assert_has( call( "chain_block", "{\"body\":\"some\"}" ), "\"got\":\"string some\"" );
  assert_has( call( "chain_finality", "{\"at\":{\"height\":\"2\"}}" ), "\"finality\":\"0x02" );
  assert_has( call( "chain_blocks", "{\"from\":\"3\",\"count\":2}" ), "\"next\":\"5\"" );
  assert_has( call( "chain_blocks", "{\"from\":\"6\",\"count\":9}" ), "\"next\":null" );
  assert_has( call( "chain_blocks", "{\"from\":\"8\"}" ), "\"code\":-32001" );
  assert_has( call( "chain_blocks", "{\"from\":\"1\",\"count\":101}" ), "\"path\":\"count\"" );
  assert_has( call( "chain_stats", "{}" ), "\"height\":\"7\"" );
  assert_has( call( "chain_blocks", "{\"from\":\"18446744073709551615\"}" ), "\"code\":-32001" );
}

static void test_the_genesis_is_no_block_and_says_so( void ** state ) {
  char const * says = "height 0 is the genesis";
  assert_has( call( "chain_header", "{\"at\":{\"height\":\"0\"}}" ), says );
  assert_has( call( "chain_block", "{\"at\":{\"hash\":\"0xab00000000000000000000000000000000000000000000000000000000000000\"}}" ), says );
  assert_has( call( "chain_blocks", "{\"from\":\"0\"}" ), says );
  fake.head = 0;
  assert_has( call( "chain_header", "{}" ), says );
}

static void test_module_methods( void ** state ) {
  assert_has( call( "state_module", "{\"module\":\"balances\"}" ), "\"id\":2,\"name\":\"balances\"" );
  assert_has( call( "state_module", "{\"module\":2}" ), "\"activatedAt\":\"4\"" );
  assert_has( call( "state_module", "{\"module\":3}" ), "there is no module 3" );
  assert_has( call( "state_module", "{\"module\":\"blances\"}" ), "there are: balances" );
  assert_has( call( "state_module", "{\"module\":2.5}" ), "\"code\":-32602" );
  assert_has( call( "state_dmi", "{\"module\":2}" ), "\"abi\":\"0x01" );
  /* The fake's query answers its arguments: 32 bytes, of which an amount takes 8. */
  char want[ 160 ];
  snprintf( want, sizeof want, "\"result\":\"0x%064d\",\"value\":\"0\"", 0 );
  char hex[ 80 ];
  snprintf( hex, sizeof hex, "0x%064d", 0 );
  assert_has( call( "state_query", "{\"module\":2,\"query\":\"get\",\"args\":\"%s\"}", hex ), want );
  assert_has( call( "state_query", "{\"module\":2,\"query\":1,\"args\":[\"%s\"]}", alice ), "\"result\":\"0x01010101" );
  assert_has( call( "state_query", "{\"module\":2,\"query\":1,\"args\":{\"account\":\"%s\"}}", alice ), "\"result\":\"0x01010101" );
  assert_has( call( "state_query", "{\"module\":2,\"query\":1,\"args\":{}}" ), "\"path\":\"args.account\",\"expected\":\"an account, dmg1..\",\"got\":\"nothing\"" );
  assert_has( call( "state_query", "{\"module\":2,\"query\":1,\"args\":{\"account\":7}}" ), "\"path\":\"args.account\",\"expected\":\"an account, dmg1..\",\"got\":\"7\"" );
  assert_has( call( "state_query", "{\"module\":2,\"query\":1,\"args\":{\"\\u0001\\\"\":7}}" ), "\"path\":\"args.\\u0001\\\"\",\"expected\":\"one of account\"" );
  assert_has( call( "state_query", "{\"module\":2,\"query\":1,\"args\":[\"%s\",1]}", alice ), "\"path\":\"args[1]\",\"expected\":\"1 arguments\"" );
  assert_has( call( "state_query", "{\"module\":2,\"query\":1,\"args\":\"0x0102\"}" ), "do not decode: truncated at byte 0" );
  assert_has( call( "state_query", "{\"module\":2,\"query\":1,\"args\":\"0x010\"}" ), "an object, an array or 0x hex of BCS" );
  assert_has( call( "state_query", "{\"module\":2,\"query\":1,\"args\":5}" ), "\"code\":-32602" );
  assert_has( call( "state_code", "[\"balances\"]" ), "\"code\":\"0x0061736d\"" );
  assert_has( call( "state_code", "[\"balances\"]" ), "\"codeHash\":\"0xc0c0" );
  assert_has( call( "state_query", "{\"module\":2,\"query\":\"transfer\",\"args\":\"0x\"}" ), "has no such query" );
  assert_has( call( "state_query", "{\"module\":2,\"query\":65537,\"args\":\"0x\"}" ), "has no such query" );
  fake.err = DMG_ERR_INVALID;
  fake.why_name = "balances.TooPoor";
  char * a = call( "state_query", "{\"module\":2,\"query\":\"get\",\"args\":[\"%s\"]}", alice );
  assert_has( a, "\"code\":-32010,\"message\":\"no, because\",\"data\":{\"name\":\"balances.TooPoor\"}" );
  a = call( "tx_schema", "{\"module\":\"balances\",\"call\":\"transfer\"}" );
  assert_has( a, "\"args\":[{\"name\":\"to\",\"type\":\"address\"},{\"name\":\"amount\",\"type\":\"amount\"}]" );
  assert_has( call( "tx_schema", "{\"module\":\"balances\",\"call\":\"transfr\"}" ), "has no such call" );
}

static void test_the_epoch_of_one_validator( void ** state ) {
  char * a = call( "chain_epoch", "{}" );
  assert_has( a, "\"epoch\":0,\"firstHeight\":\"1\",\"lastHeight\":\"18446744073709551615\"" );
  assert_has( a, "\"weight\":\"1\"" );
  assert_has( call( "chain_epoch", "[0]" ), "\"epoch\":0" );
  assert_has( call( "chain_epoch", "[1]" ), "\"code\":-32001" );
}

static void test_assets_are_what_is_free_and_held( void ** state ) {
  assert_has( call( "account_assets", "[\"%s\"]", alice ), "\"items\":[{\"asset\":{\"kind\":\"Cgt\"},\"amount\":\"55\",\"free\":\"50\",\"held\":\"5\",\"locked\":\"20\",\"spendable\":\"30\"}]" );
  assert_has( call( "account_assets", "[\"" NOBODY "\"]" ), "\"items\":[]" );
}

/* {"kind", "key", "sig"} of secret n.. over the message under a tag. */
static char const * message_sig( dmg_sig_scheme_t scheme, uint8_t n, dmg_tag_t tag, char const * message, int spoil ) {
  static char out[ 4 ][ 400 ];
  static int at;
  uint8_t secret[ 32 ], key[ 33 ], sig[ 64 ];
  char key_hex[ 67 ], sig_hex[ 129 ];
  memset( secret, n, 32 );
  dmg_hash_t h = dmg_h( tag, dmg_span_cstr( message ) );
  if( scheme==DMG_SIG_ED25519 ) { dmg_ed25519_public( secret, key ); dmg_ed25519_sign( secret, dmg_hash_span( &h ), sig ); }
  else if( !dmg_secp256k1_public( secret, key ) || !dmg_secp256k1_sign( secret, dmg_hash_span( &h ), sig ) ) fail();
  sig[ 40 ] ^= (uint8_t)spoil;
  dmg_hex_encode( key, scheme==DMG_SIG_ED25519 ? 32 : 33, key_hex );
  dmg_hex_encode( sig, 64, sig_hex );
  at = ( at+1 )%4;
  snprintf( out[ at ], sizeof out[ at ], "{\"kind\":\"%s\",\"key\":\"0x%s\",\"sig\":\"0x%s\"}", scheme==DMG_SIG_ED25519 ? "Ed25519" : "Secp256k1", key_hex, sig_hex );
  return out[ at ];
}

static void test_messages_are_judged_by_the_keys_on_chain( void ** state ) {
  char bob[ 80 ];
  dmg_hash_t b = fake_id( 2 );
  dmg_address_text( &b, bob );
#define JUDGE( fmt, ... ) call( "account_verifyMessage", "{\"account\":\"%s\",\"message\":\"0x6869\",\"sigs\":[" fmt "]}", bob, __VA_ARGS__ )
#define ED( n ) message_sig( DMG_SIG_ED25519, n, DMG_TAG_MESSAGE, "hi", 0 )
#define SE( n ) message_sig( DMG_SIG_SECP256K1, n, DMG_TAG_MESSAGE, "hi", 0 )
  assert_has( JUDGE( "%s,%s", ED( 1 ), SE( 1 ) ), "\"isValid\":true,\"weight\":3,\"needed\":3}" );
  assert_has( JUDGE( "%s,%s", SE( 1 ), ED( 1 ) ), "\"isValid\":true" );
  assert_has( JUDGE( "%s", ED( 1 ) ), "\"isValid\":false,\"weight\":2,\"needed\":3,\"why\":\"the keys weigh less" );
  assert_has( JUDGE( "%s,%s", ED( 1 ), ED( 1 ) ), "\"isValid\":false,\"weight\":2,\"needed\":3,\"why\":\"a key is not" );
  assert_has( JUDGE( "%s", ED( 2 ) ), "\"isValid\":false,\"weight\":0" );                    /* not active yet */
  assert_has( JUDGE( "%s,%s,%s", ED( 1 ), SE( 1 ), ED( 3 ) ), "\"isValid\":false,\"weight\":3" );   /* a stranger's beside enough of ours */
  assert_has( JUDGE( "%s,%s", ED( 1 ), message_sig( DMG_SIG_SECP256K1, 1, DMG_TAG_MESSAGE, "hi", 1 ) ), "\"isValid\":false,\"weight\":2,\"needed\":3,\"why\":\"a signature does not hold" );
  assert_has( JUDGE( "%s,%s", ED( 1 ), message_sig( DMG_SIG_SECP256K1, 1, DMG_TAG_MESSAGE, "ho", 0 ) ), "does not hold" );
  assert_has( JUDGE( "%s,%s", ED( 1 ), message_sig( DMG_SIG_SECP256K1, 1, DMG_TAG_TX, "hi", 0 ) ), "does not hold" );      /* a transaction's signature is none of a message */
  assert_has( call( "account_verifyMessage", "{\"account\":\"" NOBODY "\",\"message\":\"0x6869\",\"sigs\":[%s]}", ED( 1 ) ), "\"isValid\":false,\"weight\":0,\"why\":\"the account has no keys" );
  assert_has( JUDGE( "%s", "" ), "1 to 16 signatures" );
  assert_has( JUDGE( "%s", "1" ), "\"path\":\"sigs[0]\",\"expected\":\"an object\"" );
  assert_has( JUDGE( "%s,{\"kind\":\"Rsa\"}", ED( 1 ) ), "\"path\":\"sigs[1].kind\"" );
  assert_has( JUDGE( "%s", "{\"kind\":\"Bls\",\"key\":\"0x00\"}" ), "\"path\":\"sigs[0].sig\"" );
  assert_has( JUDGE( "%s", "{\"kind\":\"Bls\",\"keys\":\"0x00\"}" ), "\"path\":\"sigs[0].keys\",\"expected\":\"only kind, key, sig, authData, clientData\"" );
  assert_has( JUDGE( "%s", "{\"kind\":\"Bls\",\"key\":\"0x00\",\"sig\":\"0x00\",\"authData\":\"0x00\"}" ), "\"path\":\"sigs[0].authData\"" );
  assert_has( JUDGE( "%s", "{\"kind\":\"WebAuthn\",\"key\":\"0x00\",\"sig\":\"0x00\"}" ), "\"path\":\"sigs[0].authData\"" );
}

static void test_messages_by_p256_webauthn_and_bls( void ** state ) {
  static char const alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  char carol[ 80 ], p256[ 900 ], bls[ 900 ], passkey[ 2000 ], b64[ 44 ] = { 0 }, client[ 160 ], hex[ 3 ][ 400 ];
  uint8_t one[ 32 ], two[ 32 ], key[ 96 ], sig[ 64 ], signed_[ 69 ] = { 0 };
  dmg_hash_t c = fake_id( 3 ), h = dmg_h( DMG_TAG_MESSAGE, DMG_SPAN_STR( "hi" ) );
  dmg_address_text( &c, carol );
  memset( one, 1, 32 );
  memset( two, 2, 32 );

  assert_true( dmg_p256_public( one, key ) && dmg_p256_sign( one, dmg_hash_span( &h ), sig ) );
  dmg_hex_encode( key, 33, hex[ 0 ] );
  dmg_hex_encode( sig, 64, hex[ 1 ] );
  snprintf( p256, sizeof p256, "{\"kind\":\"P256\",\"key\":\"0x%s\",\"sig\":\"0x%s\"}", hex[ 0 ], hex[ 1 ] );

  dmg_bls_key_t bls_key;
  dmg_bls_sig_t bls_sig;
  assert_true( dmg_bls_public( one, &bls_key ) && dmg_bls_sign( one, DMG_BLS_TX, dmg_hash_span( &h ), &bls_sig ) );
  dmg_bls_key_store( &bls_key, key );
  dmg_bls_sig_store( &bls_sig, sig );
  dmg_hex_encode( key, 96, hex[ 0 ] );
  dmg_hex_encode( sig, 48, hex[ 1 ] );
  snprintf( bls, sizeof bls, "{\"kind\":\"Bls\",\"key\":\"0x%s\",\"sig\":\"0x%s\"}", hex[ 0 ], hex[ 1 ] );

  for( unsigned bit = 0, n = 0; n<43; n++, bit += 6 ) {
    unsigned v = (unsigned)h.b[ bit/8 ]<<8|( bit/8+1<32 ? h.b[ bit/8+1 ] : 0u );
    b64[ n ] = alphabet[ v>>( 10-bit%8 )&63 ];
  }
  snprintf( client, sizeof client, "{\"type\":\"webauthn.get\",\"challenge\":\"%s\",\"origin\":\"https://x\"}", b64 );
  dmg_hash_t client_hash = dmg_sha256( dmg_span_cstr( client ) );
  signed_[ 32 ] = 1;                                     /* UP */
  memcpy( signed_+37, client_hash.b, 32 );
  assert_true( dmg_p256_public( two, key ) && dmg_p256_sign( two, DMG_SPAN( signed_ ), sig ) );
  char key_hex[ 67 ], sig_hex[ 129 ], auth_hex[ 75 ], client_hex[ 321 ];
  dmg_hex_encode( key, 33, key_hex );
  dmg_hex_encode( sig, 64, sig_hex );
  dmg_hex_encode( signed_, 37, auth_hex );
  dmg_hex_encode( (uint8_t const *)client, strlen( client ), client_hex );
  snprintf( passkey, sizeof passkey, "{\"kind\":\"WebAuthn\",\"key\":\"0x%s\",\"sig\":\"0x%s\",\"authData\":\"0x%s\",\"clientData\":\"0x%s\"}", key_hex, sig_hex, auth_hex, client_hex );

  assert_has( call( "account_verifyMessage", "{\"account\":\"%s\",\"message\":\"0x6869\",\"sigs\":[%s,%s,%s]}", carol, passkey, bls, p256 ), "\"isValid\":true,\"weight\":3" );
  assert_has( call( "account_verifyMessage", "{\"account\":\"%s\",\"message\":\"0x6868\",\"sigs\":[%s,%s,%s]}", carol, passkey, bls, p256 ), "\"isValid\":false,\"weight\":0" );
}

static void test_transactions( void ** state ) {
  char hex[ 1100 ], id[ 65 ], done[ 320 ];
  dmg_hex_encode( fake.raw, fake.raw_sz, hex );
  dmg_hex_encode( fake.raw_id.b, 32, id );
  assert_has( call( "tx_submit", "[\"0x%s\"]", hex ), "\"status\":{\"kind\":\"pooled\"}" );
  assert_has( text, id );
  fake.err = DMG_ERR_INVALID;
  char * a = call( "tx_submit", "[\"0x%s\"]", hex );
  assert_has( a, "\"code\":-32003,\"message\":\"no, because\",\"data\":{\"name\":\"TxRejected\",\"reason\":\"nonce\"}" );
  assert_has( call( "tx_estimate", "[\"0x%s\"]", hex ), "\"code\":-32003" );
  fake.err = DMG_ERR_FULL;
  assert_has( call( "tx_submit", "[\"0x%s\"]", hex ), "\"code\":-32003" );
  fake.err = DMG_ERR_STOPPED;
  assert_has( call( "tx_submit", "[\"0x%s\"]", hex ), "\"code\":-32603" );
  fake.err = DMG_OK;
  a = call( "tx_estimate", "[\"0x%s\"]", hex );
  assert_has( a, "\"status\":\"FAULT\",\"error\":\"the module refused the call\",\"gas\":\"120\"" );
  assert_has( call( "tx_estimate", "[\"0x00\"]" ), "not a transaction: " );
  a = call( "tx_decode", "[\"0x%s\"]", hex );
  assert_has( a, "\"fee\":{\"kind\":\"EnergyThenFee\",\"max\":\"9\",\"tip\":\"0\"}" );
  assert_has( a, "\"post\":[{\"kind\":\"SpendsMax\"" );
  assert_has( a, "{\"kind\":\"Currency\",\"value\":\"0x00" );
  assert_has( a, "\"auth\":{\"kind\":\"Keys\",\"hasInit\":false,\"sigs\":[{\"kind\":\"Ed25519\"" );

  assert_has( call( "tx_get", "[\"0x%s\"]", id ), "\"code\":-32001" );
  fake_set_tx( &fake, fake.raw_id, (dmg_query_tx_status_t){ .state = DMG_TX_POOLED } );
  assert_has( call( "tx_get", "[\"0x%s\"]", id ), "\"receipt\":null" );
  assert_has( call( "tx_receipt", "[\"0x%s\"]", id ), "not in a block yet" );
  fake_set_tx( &fake, fake.raw_id, (dmg_query_tx_status_t){ .state = DMG_TX_FINAL, .height = 5, .index = 2, .receipt_status = DMG_STATUS_FAULT } );
  assert_has( call( "tx_get", "[\"0x%s\"]", id ), "\"status\":{\"kind\":\"final\",\"height\":\"5\",\"index\":2,\"ok\":false,\"error\":\"FAULT\"}" );
  a = call( "tx_receipt", "[\"0x%s\"]", id );
  assert_has( a, "\"at\":{\"height\":\"5\"" );
  assert_has( a, "\"status\":\"FAULT\",\"call\":0,\"module\":2,\"code\":7" );
  snprintf( done, sizeof done, "\"calls\":[{\"module\":2,\"call\":1,\"moduleName\":\"balances\",\"name\":\"transfer\",\"args\":{\"to\":\"%s\",\"amount\":\"30\"},\"data\":\"0x0101", alice );
  assert_has( a, done );
  assert_has( a, "\"events\":[{\"module\":2,\"event\":1,\"moduleName\":\"balances\",\"name\":\"Counted\",\"fields\":{\"sum\":\"9\"},\"data\":\"0x0900000000000000\"}]" );
  fake.state_oldest = 6;                                 /* states go long before blocks do */
  a = call( "tx_receipt", "[\"0x%s\"]", id );
  assert_has( a, done );
  fake.state_oldest = 0;
  assert_int_equal( fake.open_views, 0 );

  fake.status_err = DMG_ERR_CORRUPT;                     /* never "unknown" */
  a = call( "tx_status", "[[\"0x%s\"]]", id );
  assert_has( a, "\"error\":{\"code\":-32603" );
  fake.status_err = DMG_OK;
  fake_set_tx( &fake, fake_id( 2 ), (dmg_query_tx_status_t){ .state = DMG_TX_EXPIRED, .height = 6 } );
  fake_set_tx( &fake, fake_id( 3 ), (dmg_query_tx_status_t){ .state = DMG_TX_REPLACED, .by = fake_id( 4 ) } );
  fake_set_tx( &fake, fake_id( 5 ), (dmg_query_tx_status_t){ .state = DMG_TX_DROPPED, .reason = "void" } );
  static char ids[ 101*70 ];
  size_t n = 0;
  for( unsigned i = 0; i<101; i++ ) {
    dmg_hash_t h = fake_id( (uint8_t)i );
    dmg_hex_encode( h.b, 32, id );
    n += (size_t)snprintf( ids+n, sizeof ids-n, "%s\"0x%s\"", i ? "," : "", id );
    if( i==99 ) {
      a = call( "tx_status", "[[%s]]", ids );
      assert_has( a, "{\"kind\":\"unknown\"}" );
      assert_has( a, "{\"kind\":\"expired\",\"at\":\"6\"}" );
      assert_has( a, "{\"kind\":\"replaced\",\"by\":\"0x0404" );
      assert_has( a, "{\"kind\":\"dropped\",\"reason\":\"void\"}" );
    }
  }
  assert_has( call( "tx_status", "[[%s]]", ids ), "\"code\":-32005" );
  assert_has( call( "tx_status", "[[1]]" ), "\"path\":\"ids\"" );
  assert_has( call( "tx_nonces", "[\"%s\",[0,1023]]", alice ), "{\"lane\":1023,\"state\":\"1023\",\"next\":\"1024\"}" );
  assert_has( call( "tx_nonces", "[\"%s\",[1024]]", alice ), "\"path\":\"lanes\"" );
  assert_has( call( "tx_nonces", "[\"%s\",[]]", alice ), "\"path\":\"lanes\"" );
}

static void test_previews_tell_what_would_happen( void ** state ) {
  char calls[ 400 ];
  snprintf( calls, sizeof calls, "[{\"module\":\"balances\",\"call\":\"transfer\",\"args\":{\"to\":\"%s\",\"amount\":\"30\"}}]", alice );
  char * a = call( "tx_preview", "{\"calls\":%s,\"from\":\"%s\"}", calls, alice );
  assert_has( a, "\"status\":\"FAULT\",\"error\":{\"name\":\"balances.TooPoor\",\"text\":\"the module refused the call\",\"call\":0}" );
  assert_false( fake.was_billed );
  assert_has( a, "\"asset\":{\"kind\":\"Cgt\"},\"out\":\"30\",\"in\":\"0\"}" );
  assert_has( a, "\"asset\":{\"kind\":\"Cgt\"},\"out\":\"0\",\"in\":\"30\"}" );
  char says[ 160 ];
  snprintf( says, sizeof says, "\"says\":[\"Send 30 to %s\"]", alice );
  assert_has( a, says );
  assert_has( a, "\"events\":[{\"module\":2,\"event\":1,\"moduleName\":\"balances\",\"name\":\"Counted\",\"fields\":{\"sum\":\"9\"},\"data\":\"0x0900000000000000\"}]" );
  assert_has( a, "\"asset\":{\"kind\":\"Cgt\"},\"amount\":\"30\"}],\"outcomeHash\"" );   /* bounds: of the sender alone */
  assert_has( a, "\"outcomeHash\":\"0x0c0c" );
  assert_has( a, "\"stack\":[]" );
  fake.is_good_preview = true;
  static char hex[ 2*2048+1 ], stack[ 16*sizeof hex ];
  dmg_hex_encode( fake.raw, fake.raw_sz, hex );
  a = call( "tx_preview", "[\"0x%s\"]", hex );
  assert_has( a, "\"status\":\"OK\",\"error\":null" );
  assert_true( fake.was_billed );
  size_t n = 0;
  for( int i = 0; i<16; i++ ) {
    if( i==2 ) assert_has( call( "tx_preview", "{\"tx\":\"0x%s\",\"stack\":[%s]}", hex, stack ), "\"stack\":[\"OK\",\"OK\"]" );
    n += (size_t)snprintf( stack+n, sizeof stack-n, "%s\"0x00\"", i ? "," : "" );
    if( i==14 ) assert_has( call( "tx_preview", "{\"tx\":\"0x%s\",\"stack\":[%s]}", hex, stack ), "\"status\":\"OK\"" );
  }
  assert_has( call( "tx_preview", "{\"tx\":\"0x%s\",\"stack\":[%s]}", hex, stack ), "at most 15" );
  assert_has( call( "tx_preview", "{\"tx\":\"0x%s\",\"stack\":[\"00\"]}", hex ), "\"path\":\"stack\"" );
  assert_has( call( "tx_preview", "{}" ), "either tx, or calls and from" );
  assert_has( call( "tx_preview", "{\"tx\":\"0x%s\",\"calls\":%s}", hex, calls ), "either tx, or calls and from" );
  assert_has( call( "tx_preview", "{\"calls\":%s}", calls ), "\"path\":\"from\"" );
  assert_has( call( "tx_preview", "{\"tx\":\"0x%s\",\"from\":\"%s\"}", hex, alice ), "\"path\":\"from\"" );
  assert_has( call( "tx_preview", "{\"tx\":\"0x00\"}" ), "not a transaction" );
  fake.err = DMG_ERR_INVALID;
  assert_has( call( "tx_preview", "[\"0x%s\"]", hex ), "\"code\":-32003" );
}

static void test_transactions_are_built_from_json( void ** state ) {
  char calls[ 400 ];
  snprintf( calls, sizeof calls, "[{\"module\":2,\"call\":1,\"args\":[\"%s\",\"30\"]}]", alice );
#define BUILD( options ) call( "tx_build", "{\"from\":\"%s\",\"calls\":%s,\"options\":" options "}", alice, calls )
  char * a = BUILD( "{}" );                              /* the run fails */
  assert_has( a, "\"code\":-32010,\"message\":\"the transaction would fail: the module refused the call\",\"data\":{\"name\":\"balances.TooPoor\"}" );
  fake.is_good_preview = true;
  a = BUILD( "{}" );
  /* lane 0 goes on at 1; expiry 7 + 480; gas as previewed; fee twice ceil( ( 6000 + 120 ) 1.7 ) */
  assert_has( a, "\"lane\":0,\"nonce\":\"1\",\"expiry\":\"487\",\"gas\":\"120\",\"maxFee\":\"20808\",\"isNew\":false,\"says\":[\"Send 30 to dmg1" );
  fake.is_good_preview = false;                          /* nothing is run when both are given */
  a = BUILD( "{\"lane\":5,\"nonce\":\"9\",\"expiry\":\"99\",\"gas\":\"1000\",\"maxFee\":\"77\",\"tip\":\"3\",\"post\":[{\"kind\":\"FeeMax\",\"amount\":\"8\"},"
             "{\"kind\":\"Value\",\"key\":\"0x00010001\",\"valueHash\":\"0x0000000000000000000000000000000000000000000000000000000000000000\"},"
             "{\"kind\":\"Result\",\"call\":0,\"hash\":\"0x0000000000000000000000000000000000000000000000000000000000000000\"},"
             "{\"kind\":\"Owns\",\"account\":\"dmg1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0ssqdc3c\",\"asset\":{\"kind\":\"Item\",\"value\":\"0x0000000000000000000000000000000000000000000000000000000000000001\"}}]}" );
  assert_has( a, "\"lane\":5,\"nonce\":\"9\",\"expiry\":\"99\",\"gas\":\"1000\",\"maxFee\":\"77\"" );
  /* what it made decodes to what was asked for */
  static char body[ 4096 ];
  char const * from = strstr( a, "\"body\":\"0x" )+10;
  size_t sz = strcspn( from, "\"" );
  snprintf( body, sizeof body, "%.*s0001", (int)sz, from );   /* auth: Keys, no init, then one signature */
  char sig[ 2*( 1+32+64 )+1 ];
  memset( sig, '0', sizeof sig );
  sig[ sizeof sig-1 ] = 0;
  snprintf( body+strlen( body )-4, 5, "0000" );
  a = call( "tx_decode", "[\"0x%s01%s\"]", body, sig );
  assert_has( a, "\"lane\":5,\"nonce\":\"9\",\"expiry\":\"99\",\"gas\":\"1000\",\"fee\":{\"kind\":\"EnergyThenFee\",\"max\":\"77\",\"tip\":\"3\"}" );
  assert_has( a, "{\"kind\":\"FeeMax\",\"amount\":\"8\"}" );
  assert_has( a, "{\"kind\":\"Value\",\"key\":\"0x00010001\"" );
  assert_has( a, "{\"kind\":\"Owns\",\"account\":\"dmg1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0ssqdc3c\",\"asset\":{\"kind\":\"Item\",\"value\":\"0x0000000000000000000000000000000000000000000000000000000000000001\"}}" );
  /* an account that is not on chain brings its keys */
  assert_has( call( "tx_build", "{\"from\":\"" NOBODY "\",\"calls\":%s,\"options\":{\"gas\":\"1\",\"maxFee\":\"1\"}}", calls ), "\"isNew\":true" );

  struct { char const * options, * path; } const bad[] = { { "{\"lane\":1024}", "options.lane" }, { "{\"lane\":\"1\"}", "options.lane" }, { "{\"nonce\":1}", "options.nonce" }, { "{\"lane\":65535}", "options.nonce" },
    { "{\"gass\":\"1\"}", "options.gass" }, { "{\"post\":{}}", "options.post" }, { "{\"post\":[1]}", "options.post[0]" }, { "{\"post\":[{}]}", "options.post[0].kind" }, { "{\"post\":[{\"kind\":\"FeeMax\"}]}", "options.post[0].amount" },
    { "{\"post\":[{\"kind\":\"FeeMax\",\"amount\":\"1\",\"call\":1}]}", "options.post[0].call" }, { "{\"post\":[{\"kind\":\"FeeMax\",\"amount\":1}]}", "options.post[0].amount" },
    { "{\"post\":[{\"kind\":\"Owns\",\"account\":\"x\",\"asset\":{}}]}", "options.post[0].account" }, { "{\"post\":[{\"kind\":\"Result\",\"call\":32,\"hash\":\"0x00\"}]}", "options.post[0].hash" } };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    char want[ 80 ];
    snprintf( want, sizeof want, "\"code\":-32602" );
    a = call( "tx_build", "{\"from\":\"%s\",\"calls\":%s,\"options\":%s}", alice, calls, bad[ i ].options );
    assert_has( a, want );
    snprintf( want, sizeof want, "\"path\":\"%s\"", bad[ i ].path );
    assert_has( a, want );
  }
  struct { char const * calls, * says; } const wrong[] = { { "[]", "1 to 32 calls" }, { "[1]", "calls[0]" }, { "[{\"module\":2}]", "calls[0].call" }, { "[{\"call\":1}]", "calls[0].module" }, { "[{\"module\":9,\"call\":1,\"args\":[]}]", "-32001" },
    { "[{\"module\":2,\"call\":\"burn\",\"args\":[]}]", "has no such call" }, { "[{\"module\":2,\"call\":1}]", "calls[0].args" }, { "[{\"module\":2,\"call\":1,\"args\":{\"to\":1}}]", "\"path\":\"calls[0].args.to\"" },
    { "[{\"module\":2,\"call\":1,\"args\":[],\"gas\":1}]", "\"path\":\"calls[0].gas\"" } };
  for( size_t i = 0; i<sizeof wrong/sizeof *wrong; i++ ) assert_has( call( "tx_build", "{\"from\":\"%s\",\"calls\":%s}", alice, wrong[ i ].calls ), wrong[ i ].says );
}

#define SUBMIT( id, hex ) "{\"jsonrpc\":\"2.0\"," id "\"method\":\"tx_submit\",\"params\":{\"tx\":\"" hex "\"}}"
#define POOLED( id, first ) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{\"id\":\"0x" first "000000000000000000000000000000000000000000000000000000000000\",\"status\":{\"kind\":\"pooled\"}}}"

/* R4.2: neighbours are submitted in one call, each has its own answer in its place, and calls between them see what came before. */
static void test_submits_of_a_batch_go_together( void ** state ) {
  fake.submit_calls = fake.submit_cnt = 0;
  char * a = ask( "[" SUBMIT( "\"id\":1,", "0x0101" ) "," SUBMIT( "\"id\":2,", "0xbb02" ) "," SUBMIT( "\"id\":3,", "zz" ) "," SUBMIT( "\"id\":{}," , "0x01" ) "," SUBMIT( "\"id\":4,", "0x0104" ) ","
                  "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"chain_head\"}," SUBMIT( "", "0x0106" ) "," SUBMIT( "\"id\":7,", "0x0107" ) "]" );
  assert_int_equal( fake.submit_calls, 2 );
  assert_int_equal( fake.submit_cnt, 5 );
  char const * in_order[] = { "[" POOLED( "1", "0101" ), "\"id\":2,\"error\":{\"code\":-32003,\"message\":\"a signature is not valid\",\"data\":{\"name\":\"TxRejected\",\"reason\":\"signature\"}}",
                              "\"id\":3,\"error\":{\"code\":-32602", "\"id\":null,\"error\":{\"code\":-32600", POOLED( "4", "0104" ), "\"id\":5,\"result\":{\"head\"", POOLED( "7", "0107" ) "]" };
  for( size_t i = 0; i<sizeof in_order/sizeof *in_order; i++ ) {
    assert_has( a, in_order[ i ] );
    a = strstr( a, in_order[ i ] )+strlen( in_order[ i ] );
  }
  assert_string_equal( a, "" );
  assert_string_equal( ask( "[" SUBMIT( "", "0x0101" ) "," SUBMIT( "", "0x0102" ) "]" ), "" );
  assert_int_equal( fake.submit_cnt, 7 );
  a = batch( 100, SUBMIT( "\"id\":9,", "0x0101" ) );
  assert_int_equal( fake.submit_calls, 4 );
  assert_int_equal( fake.submit_cnt, 107 );
}

static void test_bodies_are_submitted_together( void ** state ) {
  static char const * const body[] = {
    SUBMIT( "\"id\":1,", "0x0101" ), "[{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"chain_head\"}," SUBMIT( "\"id\":3,", "0x0103" ) "," SUBMIT( "\"id\":4,", "0xbb" ) "]", "[", "[]",
    SUBMIT( "", "0x0105" ), "[" SUBMIT( "\"id\":6,", "0x0106" ) ",{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"nope\"}," SUBMIT( "\"id\":8,", "0x0108" ) "]" };
  static char const * const want[] = { POOLED( "1", "0101" ), "\"id\":4,\"error\":{\"code\":-32003", "-32700", "-32600", "", "\"id\":8,\"result\":{\"id\":\"0x0108" };
  enum { N = sizeof body/sizeof *body };
  dmg_rpc_request_t req[ N ];
  for( int is_overload = 0; is_overload<2; is_overload++ ) {
    fake.submit_calls = fake.submit_cnt = 0;
    for( size_t i = 0; i<N; i++ ) req[ i ] = (dmg_rpc_request_t){ .body = dmg_span_cstr( body[ i ] ), .out = dmg_buf( DMG_RPC_ANSWER_MAX ), .is_overload = is_overload };
    dmg_rpc_handle_many( rpc, req, N );
    assert_int_equal( fake.submit_calls, is_overload ? 0 : 2 );   /* the last body's second waits for what stands before it */
    assert_int_equal( fake.submit_cnt, is_overload ? 0 : 6 );
    for( size_t i = 0; i<N; i++ ) {
      if( req[ i ].out.sz ) memcpy( text, req[ i ].out.p, req[ i ].out.sz );
      text[ req[ i ].out.sz ] = 0;
      bool is_form = i==2 || i==3;
      if( !*want[ i ] )                      assert_string_equal( text, "" );
      else if( !is_overload || is_form )     assert_has( text, want[ i ] );
      else assert_has( text, "\"error\":{\"code\":-32002,\"message\":\"tx_submit: overloaded, try again later\",\"data\":{\"name\":\"Unavailable\",\"reason\":\"overloaded\"}}" );
      if( is_overload && i==5 ) { assert_has( text, "\"id\":6," ); assert_has( text, "-32601" ); assert_has( text, "\"id\":8," ); }
      dmg_buf_fini( &req[ i ].out );
    }
  }
  assert_true( dmg_rpc_is_slow( dmg_span_cstr( body[ 1 ] ) ) );
  assert_false( dmg_rpc_is_slow( DMG_SPAN_STR( "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tx_status\"}" ) ) );
  assert_false( dmg_rpc_is_slow( dmg_span( NULL, 0 ) ) );
}

static void test_dev_methods_check_their_arguments( void ** state ) {
  static char const * const bad[][ 2 ] = { { "dev_mine", "[0]" }, { "dev_mine", "[10001]" }, { "dev_mine", "[-1]" }, { "dev_mine", "[\"1\"]" }, { "dev_mine", "[1,1]" }, { "dev_setBlocks", "[]" }, { "dev_setBlocks", "[\"automatic\"]" },
    { "dev_setBlocks", "[\"ms\"]" }, { "dev_setBlocks", "[\"9ms\"]" }, { "dev_setBlocks", "[\"60001ms\"]" }, { "dev_setBlocks", "[\"2x0ms\"]" }, { "dev_setBlocks", "[\"99999999999ms\"]" }, { "dev_increaseTime", "[1000]" }, { "dev_setTime", "[]" },
    { "dev_revert", "[\"0\"]" }, { "dev_revert", "[4294967296]" }, { "dev_setBalance", "[\"nobody\",\"1\"]" }, { "dev_setBalance", "[\"" NOBODY "\"]" }, { "dev_faucet", "[\"" NOBODY "\",1]" } };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    char * a = call( bad[ i ][ 0 ], "%s", bad[ i ][ 1 ] );
    if( !strstr( a, "\"code\":-32602" ) ) fail_msg( "%s %s gave %s", bad[ i ][ 0 ], bad[ i ][ 1 ], a );
  }
  assert_int_equal( fake.dev_calls, 0 );
  assert_has( call( "dev_mine", "{}" ), "\"height\":\"8\"" );
  assert_has( call( "dev_mine", "[10000,\"5\"]" ), "\"height\":\"10008\"" );
  assert_has( call( "dev_setBlocks", "[\"manual\"]" ), "true" );
  assert_int_equal( fake.pace.kind, DMG_PACE_MANUAL );
  assert_has( call( "dev_setBlocks", "[\"60000ms\"]" ), "true" );
  assert_int_equal( fake.pace.pace_ms, 60000 );
  assert_has( call( "dev_snapshot", "{}" ), "\"id\":3" );
  assert_has( call( "dev_revert", "[3]" ), "true" );
  assert_has( call( "dev_revert", "[4]" ), "\"code\":-32001" );
  assert_has( call( "dev_accounts", "{}" ), "\"name\":\"alice\"" );
  assert_has( call( "dev_faucet", "[\"%s\"]", alice ), "\"id\":\"0x0909" );
  fake.err = DMG_ERR_UNSUPPORTED;
  assert_has( call( "dev_snapshot", "{}" ), "\"code\":-32004" );
  fake.err = DMG_ERR_INVALID;
  assert_has( call( "dev_setTime", "[\"1\"]" ), "time goes forward only" );
  fake.query.dev = NULL;
  assert_has( call( "dev_mine", "{}" ), "\"code\":-32004" );
}

/* Its examples are this node's to run: nothing but the chain may object. */
static void test_discover_describes_every_method_by_a_good_example( void ** state ) {
  static char doc[ 1<<20 ];
  snprintf( doc, sizeof doc, "%s", call( "rpc.discover", "{}" ) );
  dmg_json_t * json = dmg_json_new();
  dmg_jv_t root, methods;
  char why[ 160 ];
  if( !dmg_json_parse( json, dmg_span_cstr( doc ), &root, why ) ) fail_msg( "%s: %s", why, doc );
  methods = dmg_jv_get( dmg_jv_get( root, "result" ), "methods" );
  assert_true( dmg_jv_cnt( methods )>=40 );
  for( dmg_jv_t m = dmg_jv_first( methods ); !dmg_jv_is_absent( m ); m = dmg_jv_next( methods, m ) ) {
    dmg_span_t name = dmg_jv_text( dmg_jv_get( m, "name" ) );
    dmg_jv_t examples = dmg_jv_get( m, "examples" );
    assert_int_equal( dmg_jv_cnt( examples ), 1 );
    dmg_jv_t params = dmg_jv_get( dmg_jv_first( examples ), "params" );
    dmg_buf_t body = dmg_buf( 65536 );
    dmg_jw_t w = dmg_jw( &body );
    dmg_jw_open( &w, '{' );
    dmg_jw_kcstr( &w, "jsonrpc", "2.0" );
    dmg_jw_knum( &w, "id", 1 );
    dmg_jw_key( &w, "method" );
    dmg_jw_str( &w, name );
    dmg_jw_key( &w, "params" );
    dmg_jw_open( &w, '{' );
    for( dmg_jv_t p = dmg_jv_first( params ); !dmg_jv_is_absent( p ); p = dmg_jv_next( params, p ) ) {
      char key[ 40 ];
      snprintf( key, sizeof key, "%.*s", (int)dmg_jv_text( dmg_jv_get( p, "name" ) ).sz, (char const *)dmg_jv_text( dmg_jv_get( p, "name" ) ).p );
      dmg_jw_key( &w, key );
      dmg_jw_value( &w, dmg_jv_get( p, "value" ) );
    }
    dmg_jw_close( &w, '}' );
    dmg_jw_close( &w, '}' );
    char * a = ask_span( dmg_buf_span( &body ) );
    if( strstr( a, "\"code\":-326" ) || strstr( a, "\"code\":-32004" ) ) fail_msg( "the example of %.*s gives %s", DMG_SPAN_F( name ), a );
    dmg_buf_fini( &body );
  }
  dmg_json_free( json );
  fake.query.dev = NULL;
  assert_null( strstr( call( "rpc.discover", "{}" ), "dev_mine" ) );
  assert_has( call( "rpc_limits", "{}" ), "\"batch\":100,\"answerBytes\":8388608" );
}

static void test_streams_need_a_socket( void ** state ) {
  assert_has( call( "sub_open", "{\"topic\":\"heads\"}" ), "need a WebSocket" );
  assert_has( call( "sub_list", "{}" ), "\"items\":[]" );
}

static void test_metrics_count_by_method_and_outcome( void ** state ) {
  call( "chain_head", "{}" );
  call( "chain_head", "{}" );
  call( "state_get", "{}" );
  call( "nope", "{}" );
  dmg_buf_t out = dmg_buf( 65536 );
  assert_int_equal( dmg_rpc_metrics( rpc, &out ), DMG_OK );
  snprintf( text, sizeof text, "%.*s", DMG_SPAN_F( out ) );
  dmg_buf_fini( &out );
  assert_has( text, "demiurge_rpc_requests_total{method=\"chain_head\",code=\"ok\"} 2\n" );
  assert_has( text, "demiurge_rpc_requests_total{method=\"state_get\",code=\"failed\"} 1\n" );
  assert_has( text, "demiurge_rpc_invalid_total 1\n" );
}

/* Broken requests: an answer that is JSON, no view left open. */
static void test_random_requests_get_a_whole_answer( void ** state ) {
  static char const * const from[] = {
    "{\"jsonrpc\":\"2.0\",\"method\":\"state_get\",\"params\":{\"key\":\"0x00010001\",\"at\":{\"height\":\"7\"},\"proof\":\"full\"},\"id\":1}",
    "[{\"jsonrpc\":\"2.0\",\"method\":\"tx_status\",\"params\":[[\"0x0000000000000000000000000000000000000000000000000000000000000000\"]],\"id\":\"a\"},{\"jsonrpc\":\"2.0\",\"method\":\"chain_blocks\",\"params\":[\"1\",3],\"id\":2}]",
    "{\"jsonrpc\":\"2.0\",\"method\":\"account_get\",\"params\":[\"" NOBODY "\",\"head\"],\"id\":null}",
    "{\"jsonrpc\":\"2.0\",\"method\":\"tx_schema\",\"params\":{\"module\":2,\"call\":\"transfer\"},\"id\":-1}" };
  seed_any();
  dmg_json_t * json = dmg_json_new();
  for( int round = 0; round<8000; round++ ) {
    char body[ 400 ];
    size_t sz = strlen( from[ round%4 ] );
    memcpy( body, from[ round%4 ], sz );
    for( int m = 0; m<1+round/4%3; m++ ) {
      uint64_t r = rnd();
      size_t at = ( r>>33 )%sz;
      switch( r>>20&3 ) {
      case 0: body[ at ] = (char)( r>>24 ); break;
      case 1: body[ at ] = "0129azAF\"{}[],:x-"[ ( r>>24 )%17 ]; break;
      case 2: memmove( body+at, body+at+1, sz-at-1 ); sz--; break;
      default: { size_t other = ( r>>48 )%sz; char t = body[ at ]; body[ at ] = body[ other ]; body[ other ] = t; }
      }
    }
    char * a = ask_span( dmg_span( body, sz ) );
    dmg_jv_t root;
    char why[ 160 ];
    if( *a && !dmg_json_parse( json, dmg_span_cstr( a ), &root, why ) ) fail_msg( "%.*s gave %s: %s", (int)sz, body, a, why );
  }
  dmg_json_free( json );
}

#define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )

int main( void ) {
  struct CMUnitTest const tests[] = {
    T( test_what_is_not_json_is_a_parse_error_with_its_place ),
    T( test_json_past_a_limit_is_named_so ),
    T( test_what_is_not_a_request_is_refused ),
    T( test_ids_come_back_as_they_were ),
    T( test_large_numbers_are_exact_strings ),
    T( test_unknown_methods_are_named_and_hostile_names_are_not ),
    T( test_unknown_parameters_are_named_and_hostile_names_are_not ),
    T( test_parameters_of_another_form_say_what_was_expected ),
    T( test_batches_and_notifications ),
    T( test_a_batch_has_at_most_100_calls ),
    T( test_an_answer_past_8_mib_is_an_error_in_its_place ),
    T( test_an_error_text_is_cut_between_characters ),
    T( test_values_are_read_by_name_and_by_position ),
    T( test_lists_are_paged ),
    T( test_proofs_stand_one_below_the_tip ),
    T( test_accounts_are_text_or_caip_10_of_this_chain ),
    T( test_accounts_and_balances ),
    T( test_chain_methods ),
    T( test_the_genesis_is_no_block_and_says_so ),
    T( test_module_methods ), T( test_the_epoch_of_one_validator ), T( test_assets_are_what_is_free_and_held ), T( test_messages_are_judged_by_the_keys_on_chain ), T( test_messages_by_p256_webauthn_and_bls ),
    T( test_transactions ), T( test_previews_tell_what_would_happen ), T( test_transactions_are_built_from_json ),
    T( test_submits_of_a_batch_go_together ),
    T( test_bodies_are_submitted_together ),
    T( test_dev_methods_check_their_arguments ),
    T( test_discover_describes_every_method_by_a_good_example ),
    T( test_streams_need_a_socket ),
    T( test_metrics_count_by_method_and_outcome ),
    T( test_random_requests_get_a_whole_answer ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
