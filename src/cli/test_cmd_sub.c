/* cmd_sub against a node that says what each test wants, connection by connection: what is asked of it, what is told, and how the command ends. */
#include "cli/cli.h"
#include "rpc/http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define CHAIN "0x0101010101010101010101010101010101010101010101010101010101010101"
#define OTHER "0x0202020202020202020202020202020202020202020202020202020202020202"
#define IS_CHAIN( id ) "{\"id\":1,\"result\":{\"chainId\":\"" id "\",\"modules\":[{\"id\":2,\"name\":\"balances\"}]}}"
#define OPENED( seq, cursor ) "{\"id\":2,\"result\":{\"subscription\":\"1\",\"seq\":" seq ",\"cursor\":\"" cursor "\",\"retainedFrom\":\"0\"}}"
#define ITEM( seq, cursor, item ) "{\"method\":\"sub_item\",\"params\":{\"subscription\":\"1\",\"seq\":\"" seq "\",\"cursor\":\"" cursor "\",\"at\":{\"height\":\"" seq "\"},\"state\":\"final\",\"item\":" item "}}"
#define STOP( reason ) "{\"method\":\"sub_stop\",\"params\":{\"subscription\":\"1\",\"reason\":\"" reason "\",\"cursor\":\"zz\"}}"
#define GAP( members ) "{\"method\":\"sub_gap\",\"params\":{\"subscription\":\"1\"," members ",\"reason\":\"pruned\"}}"
#define ERROR( code, name ) "{\"id\":2,\"error\":{\"code\":" code ",\"message\":\"no\",\"data\":{\"name\":\"" name "\"}}}"

/* ---- The node ---- */

enum { STEP_MAX = 64 };
/* A step is a message, or GONE, BROKEN, SILENT; NULL ends a connection as GONE does, two of them all connections. */
#define GONE   "!gone"
#define BROKEN "!broken"
#define SILENT "!silent"
static char const * const * script;
static char asked[ 16384 ];      /* all requests, a line each */
static uint32_t connected;

static dmg_cli_t cli;
static char url[] = "http://h:1/rpc";

int dmg_cli_exit_of( int64_t code ) { return code==-32001 ? DMG_EXIT_NOT_FOUND : code==-32002 ? DMG_EXIT_UNAVAILABLE : DMG_EXIT_USAGE; }
int dmg_cli_try( dmg_cli_t * c, char const * method, dmg_span_t params, dmg_jv_t * out, dmg_cli_refusal_t * refusal ) { return DMG_EXIT_INTERNAL; }
int dmg_cli_call( dmg_cli_t * c, char const * method, dmg_span_t params, dmg_jv_t * out ) {
  dmg_jv_t root;
  char why[ 160 ];
  assert_string_equal( method, "chain_info" );
  assert_true( dmg_json_parse( c->json, DMG_SPAN_STR( IS_CHAIN( CHAIN ) ), &root, why ) );
  *out = dmg_cli_get( root, "result" );
  c->rpc_url = url;
  return DMG_EXIT_OK;
}
dmg_err_t dmg_http_post_json( char const * u, dmg_span_t body, uint32_t timeout_ms, int * out_status, dmg_buf_t * out, char out_why[256] ) { return DMG_ERR_UNAVAILABLE; }
dmg_err_t dmg_http_get( char const * u, uint32_t timeout_ms, int * out_status, dmg_buf_t * out, char out_why[256] ) { return DMG_ERR_UNAVAILABLE; }

dmg_err_t dmg_ws_open( char const * u, uint32_t timeout_ms, dmg_ws_client_t ** out, char out_why[256] ) {
  assert_string_equal( u, "ws://h:1/ws" );
  connected++;
  if( !*script ) { snprintf( out_why, 256, "refused" ); return DMG_ERR_UNAVAILABLE; }
  *out = (dmg_ws_client_t *)&cli;   /* nothing looks at it */
  return DMG_OK;
}
dmg_err_t dmg_ws_send( dmg_ws_client_t * ws, dmg_span_t text, uint32_t timeout_ms ) {
  size_t n = strlen( asked );
  snprintf( asked+n, sizeof asked-n, "%.*s\n", DMG_SPAN_F( text ) );
  return DMG_OK;
}
dmg_err_t dmg_ws_recv( dmg_ws_client_t * ws, uint32_t timeout_ms, dmg_span_t * out ) {
  char const * step = *script;
  if( !step ) return DMG_ERR_UNAVAILABLE;
  script++;
  if( !strcmp( step, GONE ) )   return DMG_ERR_UNAVAILABLE;
  if( !strcmp( step, BROKEN ) ) return DMG_ERR_IO;
  if( !strcmp( step, SILENT ) ) return DMG_ERR_TIMEOUT;
  *out = dmg_span_cstr( step );
  return DMG_OK;
}
/* The rest of this connection is not heard. */
void dmg_ws_close( dmg_ws_client_t * ws ) { while( *script ) script++; script++; }

/* ---- The command ---- */

typedef struct { char const * arg[ 4 ], * opt[ 8 ], * fields; dmg_cli_out_t out; bool has_out, is_quiet; } how_t;
static char out_text[ 65536 ], err_text[ 65536 ];

static void slurp( int fd, char * to, size_t sz ) {
  assert_int_equal( lseek( fd, 0, SEEK_SET ), 0 );
  ssize_t n = read( fd, to, sz-1 );
  assert_true( n>=0 );
  to[ n ] = 0;
  close( fd );
}

/* Runs `sub` against the script; what it printed is in out_text and err_text. */
static int run( char const * const * steps, how_t how ) {
  script = steps;
  cli = (dmg_cli_t){ .cmd = &dmg_cmds_sub[ 0 ], .arena = dmg_arena_new( 64<<20 ), .json = dmg_json_new_answer(), .own = dmg_json_new_answer(), .timeout_ms = 400, .out = how.out, .is_quiet = how.is_quiet };
  cli.is_json = how.has_out && ( how.out==DMG_CLI_JSON || how.out==DMG_CLI_JSONL );
  while( cli.arg_cnt<4 && how.arg[ cli.arg_cnt ] ) { cli.arg[ cli.arg_cnt ] = how.arg[ cli.arg_cnt ]; cli.arg_cnt++; }
  for( uint32_t i = 0; how.opt[ i ]; i += 2 )
    for( uint32_t o = 0; cli.cmd->opt[ o ].name; o++ ) if( !strcmp( cli.cmd->opt[ o ].name, how.opt[ i ] ) ) cli.opt_value[ o ] = how.opt[ i+1 ];
  if( how.has_out ) cli.flag[ DMG_CLI_FLAG_OUT ] = "given";
  cli.flag[ DMG_CLI_FLAG_FIELDS ] = how.fields;
  dmg_cli_use( &cli );
  *asked = 0;
  connected = 0;
  char name[ 2 ][ 32 ] = { "/tmp/test_cmd_sub.XXXXXX", "/tmp/test_cmd_sub.XXXXXX" };
  int to[ 2 ] = { mkstemp( name[ 0 ] ), mkstemp( name[ 1 ] ) }, was[ 2 ];
  assert_true( to[ 0 ]>=0 && to[ 1 ]>=0 );
  fflush( stdout );
  for( int i = 0; i<2; i++ ) { unlink( name[ i ] ); was[ i ] = dup( i+1 ); assert_true( dup2( to[ i ], i+1 )>=0 ); }
  int code = cli.cmd->run( &cli );
  fflush( stdout );
  for( int i = 0; i<2; i++ ) { assert_true( dup2( was[ i ], i+1 )>=0 ); close( was[ i ] ); }
  slurp( to[ 0 ], out_text, sizeof out_text );
  slurp( to[ 1 ], err_text, sizeof err_text );
  dmg_json_free( cli.json );
  dmg_json_free( cli.own );
  dmg_arena_free( cli.arena );
  return code;
}
typedef char const * step_t;
#define RUN( how, ... ) run( (step_t const[]){ __VA_ARGS__, NULL, NULL, NULL }, how )
#define BEGIN IS_CHAIN( CHAIN )
static how_t const blocks = { .arg = { "blocks" }, .opt = { "--count", "2" }, .out = DMG_CLI_TEXT };

static void assert_has( char const * text, char const * part ) { if( !strstr( text, part ) ) fail_msg( "no \"%s\" in: %s", part, text ); }
static void assert_hasnt( char const * text, char const * part ) { if( strstr( text, part ) ) fail_msg( "\"%s\" in: %s", part, text ); }

/* ---- Tests ---- */

static void test_a_pipe_gets_lines_of_json( void ** state ) {
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), ITEM( "5", "c5", "{\"txCount\":1}" ), ITEM( "6", "c6", "{\"txCount\":0}" ) ), DMG_EXIT_OK );
  assert_string_equal( out_text, "{\"event\":\"item\",\"seq\":\"5\",\"cursor\":\"c5\",\"at\":{\"height\":\"5\"},\"state\":\"final\",\"item\":{\"txCount\":1}}\n"
                                 "{\"event\":\"item\",\"seq\":\"6\",\"cursor\":\"c6\",\"at\":{\"height\":\"6\"},\"state\":\"final\",\"item\":{\"txCount\":0}}\n" );
  assert_string_equal( err_text, "" );
  assert_string_equal( asked, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"chain_info\",\"params\":{}}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"sub_open\",\"params\":{\"topic\":\"blocks\"}}\n" );
}

static void test_filters_are_asked_for( void ** state ) {
  static char const alice[] = "dmg1km557djcuchxft0q266vxqs8jzvkra9qnmd5kckld6h86jhuzyrqs6lff0";
  char want[ 256 ];
  static struct { how_t how; char const * want; } const t[] = {
    { { .arg = { "events" }, .opt = { "--module", "balances" } }, "\"topic\":\"events\",\"filter\":{\"module\":\"balances\"}}" }, { { .arg = { "events" }, .opt = { "--module", "2" } }, "\"filter\":{\"module\":2}}" },
    { { .arg = { "events" }, .opt = { "--module", "a\"b" } }, "\"filter\":{\"module\":\"a\\\"b\"}}" }, { { .arg = { "blocks" }, .opt = { "--body", "full", "--finality", "head" } }, "\"filter\":{\"body\":\"full\"},\"finality\":\"head\"}" },
    { { .arg = { "heads" }, .opt = { "--cursor", "c9" } }, "\"topic\":\"heads\",\"cursor\":\"c9\"}" },
    { { .arg = { "tx", "0xAA0101010101010101010101010101010101010101010101010101010101010B" } }, "\"filter\":{\"ids\":[\"0xaa0101010101010101010101010101010101010101010101010101010101010b\"]}}" } };
  for( size_t i = 0; i<sizeof t/sizeof *t; i++ ) {
    assert_int_equal( RUN( t[ i ].how, BEGIN ), DMG_EXIT_UNAVAILABLE );   /* it goes then, before it answered */
    assert_has( asked, t[ i ].want );
  }
  RUN( ( (how_t){ .arg = { "account" }, .opt = { "--account", alice } } ), BEGIN );
  snprintf( want, sizeof want, "\"topic\":\"account\",\"filter\":{\"account\":\"%s\"}}", alice );
  assert_has( asked, want );
}

/* The place is sub_open's cursor before there is a row, then the last row's. */
static void test_a_lost_connection_goes_on_where_it_broke( void ** state ) {
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), GONE, NULL, BEGIN, OPENED( "\"4\"", "c4" ), ITEM( "5", "c5", "{}" ), GONE, NULL, BEGIN, GONE, NULL, BEGIN, OPENED( "\"5\"", "c5" ), ITEM( "6", "c6", "{}" ) ), DMG_EXIT_OK );
  char const * second = strstr( strstr( asked, "sub_open" )+1, "sub_open" ), * third = strstr( second+1, "sub_open" ), * fourth = strstr( third+1, "sub_open" );
  assert_memory_equal( second, "sub_open\",\"params\":{\"topic\":\"blocks\",\"cursor\":\"c4\"}", 51 );
  assert_memory_equal( third, "sub_open\",\"params\":{\"topic\":\"blocks\",\"cursor\":\"c5\"}", 51 );
  assert_memory_equal( fourth, "sub_open\",\"params\":{\"topic\":\"blocks\",\"cursor\":\"c5\"}", 51 );
  assert_int_equal( connected, 4 );
  assert_has( err_text, "the connection is lost" );
}

static void test_a_node_that_stays_away_ends_it( void ** state ) {
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), GONE, NULL, NULL ), DMG_EXIT_UNAVAILABLE );
  assert_has( err_text, "refused, for 0 s now; go on later with --cursor c4" );
  assert_true( connected>3 );
  assert_int_equal( RUN( blocks, NULL ), DMG_EXIT_UNAVAILABLE );   /* one that never was there is not waited for */
  assert_int_equal( connected, 1 );
  assert_string_equal( err_text, "demiurge: refused\n" );
}

static void test_another_chain_is_not_told( void ** state ) {
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), GONE, NULL, IS_CHAIN( OTHER ), OPENED( "\"4\"", "c4" ), ITEM( "5", "c5", "{}" ) ), DMG_EXIT_REFUSED );
  assert_string_equal( out_text, "" );
  assert_has( err_text, "a node of another chain" );
  assert_int_equal( RUN( blocks, "{\"id\":1,\"result\":{}}" ), DMG_EXIT_REFUSED );
}

static void test_a_gap_is_told_and_remembered( void ** state ) {
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), GAP( "\"from\":\"5\",\"to\":\"9\"" ), GONE, NULL, BEGIN, OPENED( "\"4\"", "c4" ), GAP( "\"from\":\"5\",\"to\":\"9\"" ), ITEM( "10", "ca", "{}" ),
                         ITEM( "11", "cb", "{}" ) ), DMG_EXIT_PARTIAL );
  assert_memory_equal( out_text, "{\"event\":\"gap\",\"from\":\"5\",\"to\":\"9\",\"reason\":\"pruned\"}\n{\"event\":\"item\",\"seq\":\"10\"", 73 );
  assert_null( strstr( strstr( out_text, "gap" )+1, "gap" ) );   /* told again after the new connection, and not by us */
  assert_has( err_text, "items are missing" );
  how_t how = { .arg = { "events" }, .opt = { "--module", "2", "--count", "1" } };
  assert_int_equal( RUN( how, BEGIN, OPENED( "null", "c4" ), GAP( "\"fromHeight\":\"5\",\"toHeight\":\"9\"" ), ITEM( "77", "ca", "{}" ) ), DMG_EXIT_PARTIAL );
  assert_memory_equal( out_text, "{\"event\":\"gap\",\"fromHeight\":\"5\",\"toHeight\":\"9\",\"reason\":\"pruned\"}\n{\"event\":\"item\",\"seq\":\"77\"", 84 );   /* how many there were nobody knows */
  how = (how_t){ .arg = { "blocks" }, .opt = { "--count", "1" }, .out = DMG_CLI_JSON, .has_out = true };
  assert_int_equal( RUN( how, BEGIN, OPENED( "\"4\"", "c4" ), GAP( "\"from\":\"5\",\"to\":\"9\"" ), ITEM( "10", "ca", "{}" ) ), DMG_EXIT_PARTIAL );
  assert_memory_equal( out_text, "{\"items\":[{\"event\":\"gap\",", 25 );
  assert_has( err_text, "{\"error\":{\"name\":\"PartFailed\"" );
}

static void test_a_seq_that_jumps_is_a_gap( void ** state ) {
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), ITEM( "6", "c6", "{}" ), ITEM( "7", "c7", "{}" ) ), DMG_EXIT_PARTIAL );
  assert_memory_equal( out_text, "{\"event\":\"gap\",\"from\":\"5\",\"to\":\"5\",\"reason\":\"lost\"}\n", 52 );
  how_t how = { .arg = { "events" }, .opt = { "--module", "2", "--count", "2" } };
  assert_int_equal( RUN( how, BEGIN, OPENED( "null", "c4" ), ITEM( "0", "c6", "{}" ), ITEM( "1", "c7", "{}" ) ), DMG_EXIT_OK );   /* null: the first has 0 */
  assert_int_equal( RUN( how, BEGIN, OPENED( "null", "c4" ), ITEM( "1", "c6", "{}" ), ITEM( "2", "c7", "{}" ) ), DMG_EXIT_PARTIAL );
  assert_int_equal( RUN( how, BEGIN, OPENED( "\"7\"", "c4" ), ITEM( "8", "c6", "{}" ), GONE, NULL, BEGIN, OPENED( "\"8\"", "c6" ), ITEM( "10", "c7", "{}" ) ), DMG_EXIT_PARTIAL );   /* lost in between */
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), ITEM( "5", "c5", "{}" ), ITEM( "3", "c3", "{}" ) ), DMG_EXIT_OK );   /* dev_revert */
  assert_int_equal( RUN( how, BEGIN, OPENED( "\"7\"", "c4" ), ITEM( "8", "c6", "{}" ), GONE, NULL, BEGIN, OPENED( "\"9\"", "c6" ), ITEM( "10", "c7", "{}" ) ), DMG_EXIT_PARTIAL );   /* whatever the new node thinks */
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), GAP( "\"from\":\"5\",\"to\":\"9\"" ), ITEM( "12", "cc", "{}" ), ITEM( "13", "cd", "{}" ) ), DMG_EXIT_PARTIAL );
  assert_has( out_text, "{\"event\":\"gap\",\"from\":\"10\",\"to\":\"11\",\"reason\":\"lost\"}" );                                                     /* behind the one that was told */
  how = (how_t){ .arg = { "heads" }, .opt = { "--count", "1" } };
  assert_int_equal( RUN( how, BEGIN, OPENED( "\"4\"", "c4" ), ITEM( "9", "c9", "{}" ) ), DMG_EXIT_OK );                             /* heads skips */
}

/* Where rows are not whole JSON, a gap is no row; -q does not hide it. */
static void test_a_gap_beside_other_rows( void ** state ) {
  how_t const how[] = { { .arg = { "blocks" }, .opt = { "--count", "1" }, .out = DMG_CLI_CSV, .has_out = true, .is_quiet = true }, { .arg = { "blocks" }, .opt = { "--count", "1" }, .fields = "seq,item.x", .is_quiet = true },
                        { .arg = { "blocks" }, .opt = { "--count", "1" }, .has_out = true, .is_quiet = true }, { .arg = { "blocks" }, .opt = { "--count", "1" }, .out = DMG_CLI_JSONL, .has_out = true, .fields = "seq,item.x" } };
  char const * const want[] = { "event,seq,cursor,at,state,item\nitem,10,ca,\"{\"\"height\"\":\"\"10\"\"}\",final,{}\n", "10\t\n", "height 10         ", "{\"seq\":\"10\",\"item.x\":null}\n" };
  for( size_t i = 0; i<4; i++ ) {
    assert_int_equal( RUN( how[ i ], BEGIN, OPENED( "\"4\"", "c4" ), GAP( "\"from\":\"5\",\"to\":\"9\"" ), ITEM( "10", "ca", "{}" ) ), DMG_EXIT_PARTIAL );
    assert_memory_equal( out_text, want[ i ], strlen( want[ i ] ) );
    assert_has( err_text, "gap: items 5 to 9 are missing (pruned)" );
  }
}

/* Rows of csv have the same columns, whatever each item has. */
static void test_columns_stay( void ** state ) {
  how_t how = { .arg = { "heads" }, .opt = { "--count", "2" }, .out = DMG_CLI_CSV, .has_out = true };
  assert_int_equal( RUN( how, BEGIN, OPENED( "\"4\"", "c4" ), ITEM( "5", "c5", "1,\"skipped\":\"3\"" ), ITEM( "6", "c6", "2" ) ), DMG_EXIT_OK );
  assert_string_equal( out_text, "event,seq,cursor,at,state,item\nitem,5,c5,\"{\"\"height\"\":\"\"5\"\"}\",final,1\nitem,6,c6,\"{\"\"height\"\":\"\"6\"\"}\",final,2\n" );
}

static void test_stops_end_or_pass( void ** state ) {
  static struct { char const * stop; int code; char const * says; } const t[] = {
    { STOP( "denied" ), DMG_EXIT_KEY, "denied; --cursor c5 goes on" }, { STOP( "limit" ), DMG_EXIT_INTERNAL, "more than it can tell; --cursor c5" }, { STOP( "internal" ), DMG_EXIT_INTERNAL, "internal; --cursor c5" },
    { STOP( "whim" ), DMG_EXIT_INTERNAL, "whim" } };
  for( size_t i = 0; i<4; i++ ) {
    assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), ITEM( "5", "c5", "{}" ), t[ i ].stop, ITEM( "6", "c6", "{}" ) ), t[ i ].code );
    assert_has( err_text, t[ i ].says );
    assert_hasnt( out_text, "c6" );
    assert_int_equal( connected, 1 );
  }
  static char const * const passing[] = { STOP( "drain" ), STOP( "slow" ), STOP( "closed" ) };
  for( size_t i = 0; i<3; i++ ) {
    assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), ITEM( "5", "c5", "{}" ), passing[ i ], NULL, BEGIN, OPENED( "\"5\"", "c5" ), ITEM( "6", "c6", "{}" ) ), DMG_EXIT_OK );
    assert_has( err_text, "the node ends the stream: " );
    assert_has( asked, "\"cursor\":\"c5\"" );
    assert_hasnt( out_text, "stop" );
  }
}

static void test_a_refusal_has_its_exit_code( void ** state ) {
  assert_int_equal( RUN( blocks, BEGIN, ERROR( "-32001", "NotFound" ) ), DMG_EXIT_NOT_FOUND );
  assert_int_equal( RUN( blocks, BEGIN, ERROR( "-32602", "InvalidParams" ) ), DMG_EXIT_USAGE );
  assert_int_equal( RUN( blocks, BEGIN, ERROR( "-32002", "Unavailable" ) ), DMG_EXIT_UNAVAILABLE );
  assert_int_equal( connected, 1 );
  assert_string_equal( err_text, "demiurge: no\n" );
  /* But one that told something before may be busy for a while. */
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), GONE, NULL, BEGIN, ERROR( "-32002", "Unavailable" ), NULL, BEGIN, ERROR( "-32005", "LimitExceeded" ), NULL, BEGIN, OPENED( "\"4\"", "c4" ), ITEM( "5", "c5", "{}" ),
                         ITEM( "6", "c6", "{}" ) ), DMG_EXIT_OK );
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), GONE, NULL, BEGIN, ERROR( "-32602", "InvalidParams" ) ), DMG_EXIT_USAGE );
}

#define TX_A "0x0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
#define TX_B "0x0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
#define STATUS( seq, cursor, id, kind ) ITEM( seq, cursor, "{\"id\":\"" id "\",\"status\":{\"kind\":\"" kind "\"}}" )

/* A new connection tells all statuses again: none is told twice, and none counts twice as over. */
static void test_statuses_are_told_once( void ** state ) {
  how_t how = { .arg = { "tx", TX_A, TX_B }, .has_out = true };
  assert_int_equal( RUN( how, BEGIN, OPENED( "\"0\"", "c0" ), STATUS( "1", "c1", TX_A, "final" ), STATUS( "2", "c2", TX_B, "pooled" ), GONE, NULL, BEGIN, OPENED( "\"2\"", "c2" ), STATUS( "3", "c3", TX_A, "final" ),
                         STATUS( "4", "c4", TX_B, "pooled" ),
                         STATUS( "5", "c5", TX_B, "dropped" ), STATUS( "6", "c6", TX_B, "final" ) ), DMG_EXIT_OK );
  assert_string_equal( out_text, TX_A " final\n" TX_B " pooled\n" TX_B " dropped\n" );
  /* What was over may begin again (F4.4: VOID, then sent again). */
  assert_int_equal( RUN( how, BEGIN, OPENED( "\"0\"", "c0" ), STATUS( "1", "c1", TX_A, "dropped" ), STATUS( "2", "c2", TX_A, "pooled" ), STATUS( "3", "c3", TX_B, "final" ), STATUS( "4", "c4", TX_A, "final" ) ), DMG_EXIT_OK );
  assert_has( out_text, TX_B " final\n" TX_A " final\n" );
}

#define ACCOUNT( seq, height, free ) ITEM( seq, "c" seq, "{\"at\":{\"height\":\"" height "\"},\"address\":\"dmg1x\",\"exists\":false,\"balances\":{\"free\":\"" free "\",\"held\":\"0\",\"locked\":\"5\"},\"nonce\":\"3\"}" )

static void test_an_account_is_told_when_it_changed( void ** state ) {
  how_t how = { .arg = { "account" }, .opt = { "--account", "dmg1km557djcuchxft0q266vxqs8jzvkra9qnmd5kckld6h86jhuzyrqs6lff0", "--count", "2" }, .has_out = true };
  assert_int_equal( RUN( how, BEGIN, OPENED( "\"0\"", "c0" ), ACCOUNT( "1", "7", "150000000" ), GONE, NULL, BEGIN, OPENED( "\"1\"", "c1" ), ACCOUNT( "2", "9", "150000000" ), ACCOUNT( "3", "9", "1" ) ), DMG_EXIT_OK );
  assert_string_equal( out_text, "height 1          dmg1x  free 1.5 CGT  locked 0.00000005 CGT  nonce 3  (not on chain yet)\nheight 3          dmg1x  free 0.00000001 CGT  locked 0.00000005 CGT  nonce 3  (not on chain yet)\n" );
}

/* One that says nothing is asked; one that does not answer is gone. */
static void test_silence_is_asked_about( void ** state ) {
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), SILENT, "{\"id\":3,\"result\":{}}", SILENT, "{\"id\":3,\"result\":{}}", ITEM( "5", "c5", "{}" ), SILENT, ITEM( "6", "c6", "{}" ) ), DMG_EXIT_OK );
  assert_int_equal( connected, 1 );
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), SILENT, SILENT, ITEM( "5", "cx", "{}" ), NULL, BEGIN, OPENED( "\"4\"", "c4" ), ITEM( "5", "c5", "{}" ), ITEM( "6", "c6", "{}" ) ), DMG_EXIT_OK );
  assert_int_equal( connected, 2 );
  assert_has( err_text, "says nothing" );
  assert_int_equal( RUN( blocks, SILENT ), DMG_EXIT_UNAVAILABLE );
}

static void test_what_cannot_be_read_ends_it( void ** state ) {
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), "{\"a\":" ), DMG_EXIT_UNAVAILABLE );
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), "{\"method\":\"sub_item\",\"params\":{\"seq\":\"5\"}}" ), DMG_EXIT_UNAVAILABLE );
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), "{\"method\":\"sub_item\",\"params\":7}" ), DMG_EXIT_UNAVAILABLE );
  assert_int_equal( RUN( blocks, BEGIN, OPENED( "\"4\"", "c4" ), "[]" ), DMG_EXIT_UNAVAILABLE );
  /* A message past the limit breaks each connection at the same place: not for ever. */
  char const * steps[ 4*32+2 ] = { NULL };
  for( int i = 0; i<31; i++ ) { steps[ 4*i ] = BEGIN; steps[ 4*i+1 ] = OPENED( "\"4\"", "c4" ); steps[ 4*i+2 ] = BROKEN; }
  assert_int_equal( run( steps, blocks ), DMG_EXIT_UNAVAILABLE );
  assert_int_equal( connected, 10 );
  assert_has( err_text, "is before it" );
}

static void test_a_long_row_is_whole_and_plain( void ** state ) {
  static char item[ 20000 ];
  size_t n = (size_t)snprintf( item, sizeof item, "{\"method\":\"sub_item\",\"params\":{\"seq\":\"5\",\"cursor\":\"c5\",\"at\":{\"height\":\"5\",\"hash\":\"0x\\u001b[31m\\n\"},\"state\":\"included\",\"item\":{\"txCount\":200,\"ids\":[" );
  for( int i = 0; i<200; i++ ) n += (size_t)snprintf( item+n, sizeof item-n, "%s\"0x%064d\"", i ? "," : "", i );
  snprintf( item+n, sizeof item-n, "]}}}" );
  how_t how = { .arg = { "blocks" }, .opt = { "--count", "1" }, .has_out = true };
  assert_int_equal( RUN( how, BEGIN, OPENED( "\"4\"", "c4" ), item ), DMG_EXIT_OK );
  assert_has( out_text, "height 5          0x?[31m?  200 transactions 0x0000" );
  assert_has( out_text, "000199  (not final yet)\n" );
  assert_int_equal( strlen( out_text ), strlen( "height 5          0x?[31m?  200 transactions" )+200*67+strlen( "  (not final yet)\n" ) );
}

static void test_events_in_words( void ** state ) {
  how_t how = { .arg = { "events" }, .opt = { "--module", "2", "--count", "2" }, .has_out = true };
  assert_int_equal( RUN( how, BEGIN, OPENED( "null", "c" ), ITEM( "0", "c0", "{\"tx\":3,\"idx\":1,\"module\":2,\"event\":1,\"name\":\"Paid\",\"fields\":{\"a\":\"1\"},\"data\":\"0x01\"}" ),
                         ITEM( "1", "c1", "{\"tx\":4,\"idx\":1,\"module\":9,\"event\":1,\"name\":null,\"fields\":null,\"data\":\"0x01\"}" ) ), DMG_EXIT_OK );
  assert_string_equal( out_text, "height 0          tx 3  balances.Paid {\"a\":\"1\"}\nheight 1          tx 4  9.1 0x01\n" );
}

static void test_usage( void ** state ) {
  static how_t const bad[] = { { .arg = { "nothing" } }, { .arg = { "events" } }, { .arg = { "events" }, .opt = { "--module", "2", "--account", "alice" } }, { .arg = { "heads" }, .opt = { "--body", "full" } }, { .arg = { "blocks", TX_A } },
    { .arg = { "tx" } }, { .arg = { "tx", "0x0a" } }, { .arg = { "account" } }, { .arg = { "heads" }, .opt = { "--count", "0" } }, { .arg = { "heads" }, .fields = "seq,height" }, { .arg = { "heads" }, .opt = { "--cursor", "a b" } },
    { .arg = { "blocks" }, .out = DMG_CLI_JSON, .has_out = true } };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    assert_int_equal( RUN( bad[ i ], BEGIN ), DMG_EXIT_USAGE );
    assert_int_equal( connected, 0 );
  }
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_a_pipe_gets_lines_of_json ), cmocka_unit_test( test_filters_are_asked_for ), cmocka_unit_test( test_a_lost_connection_goes_on_where_it_broke ), cmocka_unit_test( test_a_node_that_stays_away_ends_it ),
    cmocka_unit_test( test_another_chain_is_not_told ), cmocka_unit_test( test_a_gap_is_told_and_remembered ), cmocka_unit_test( test_a_seq_that_jumps_is_a_gap ), cmocka_unit_test( test_a_gap_beside_other_rows ),
    cmocka_unit_test( test_columns_stay ), cmocka_unit_test( test_stops_end_or_pass ), cmocka_unit_test( test_a_refusal_has_its_exit_code ), cmocka_unit_test( test_statuses_are_told_once ), cmocka_unit_test( test_an_account_is_told_when_it_changed ),
    cmocka_unit_test( test_silence_is_asked_about ), cmocka_unit_test( test_what_cannot_be_read_ends_it ), cmocka_unit_test( test_a_long_row_is_whole_and_plain ), cmocka_unit_test( test_events_in_words ), cmocka_unit_test( test_usage ) };
  setenv( "DEMIURGE_KEYS", "/nonexistent", 1 );
  dmg_crypto_init( 0 );
  return cmocka_run_group_tests( tests, NULL, NULL );
}
