/* sub: a stream of the node on stdout (F5), over a WebSocket; a lost connection is taken up again where it broke. */
#include "base/os.h"
#include "cli/cli.h"
#include "rpc/http_client.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
  dmg_cli_t * cli;
  dmg_json_t * json;         /* reader of messages */
  char const * url;
  char         params[ 16384 ];
  char         cursor[ 128 ];
  uint64_t     left;         /* items to come; UINT64_MAX: no end */
  uint32_t     open_cnt;     /* tx: ids that are not over yet */
  bool         is_tx, is_first;
  dmg_buf_t    list;         /* -o json: the items so far */
} sub_t;

/* Absent of what is absent: a node's message may lack anything. */
static dmg_jv_t get( dmg_jv_t object, char const * key ) { return dmg_jv_is_absent( object ) ? object : dmg_jv_get( object, key ); }
static dmg_span_t member_text( dmg_jv_t object, char const * key ) {
  dmg_jv_t v = get( object, key );
  return dmg_jv_is_absent( v ) ? dmg_span( NULL, 0 ) : dmg_jv_text( v );
}

static void text_row( sub_t * s, dmg_jv_t params, dmg_jv_t item ) {
  char line[ 512 ];
  dmg_span_t hash = member_text( item, "hash" ), height = member_text( item, "height" ), cnt = member_text( item, "txCount" ), skipped = member_text( params, "skipped" );
  if( s->is_tx ) {
    dmg_span_t id = member_text( item, "id" ), kind = member_text( get( item, "status" ), "kind" ), at = member_text( get( item, "status" ), "height" );
    snprintf( line, sizeof line, "%.*s %.*s%s%.*s", (int)id.sz, (char const *)id.p, (int)kind.sz, (char const *)kind.p, at.sz ? " at height " : "", (int)at.sz, (char const *)at.p );
  } else
    snprintf( line, sizeof line, "height %-10.*s %.*s  %.*s transactions%s%.*s",
      (int)height.sz, (char const *)height.p, (int)hash.sz, (char const *)hash.p, (int)cnt.sz, (char const *)cnt.p, skipped.sz ? ", skipped " : "", (int)skipped.sz, (char const *)skipped.p );
  dmg_cli_plain( line );
  printf( "%s\n", line );
}

/* One item as a row {event, seq, cursor, at, state, item}; gaps and stops are rows too, where rows are data. */
static int row( sub_t * s, char const * event, dmg_jv_t params ) {
  static char const * const key[] = { "seq", "cursor", "at", "state", "item", "from", "to", "reason", "skipped" };
  dmg_cli_t * cli = s->cli;
  bool is_item = !strcmp( event, "item" );
  if( !dmg_cli_is_data( cli ) ) {
    if( is_item ) text_row( s, params, get( params, "item" ) );
    else          dmg_cli_say( cli, "%s: %.*s", event, (int)member_text( params, "reason" ).sz, (char const *)member_text( params, "reason" ).p );
    return DMG_EXIT_OK;
  }
  dmg_buf_t buf = dmg_buf( DMG_WS_MSG_MAX );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_open( &w, '{' );
  dmg_jw_kcstr( &w, "event", event );
  for( size_t i = 0; i<sizeof key/sizeof *key; i++ ) {
    dmg_jv_t v = get( params, key[ i ] );
    if( dmg_jv_is_absent( v ) ) continue;
    dmg_jw_key( &w, key[ i ] );
    dmg_jw_value( &w, v );
  }
  dmg_jw_close( &w, '}' );
  int code = DMG_EXIT_OK;
  if( cli->out==DMG_CLI_JSON ) {
    if( dmg_buf_printf( &s->list, "%s%.*s", s->list.sz ? "," : "", (int)buf.sz, (char const *)buf.p ) ) code = dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "more than %zu bytes of items: -o jsonl has no bound", s->list.max );
  } else {
    char why[ 160 ];
    dmg_jv_t v;
    if( dmg_json_parse( cli->own, dmg_buf_span( &buf ), &v, why ) ) code = dmg_cli_print_row( cli, v, s->is_first );
    s->is_first = false;
  }
  dmg_buf_fini( &buf );
  return code;
}

/* DMG_OK: go on; NOT_FOUND: all that was asked for is here; else the connection is of no more use. */
static dmg_err_t take( sub_t * s, dmg_span_t message, int * out_code ) {
  dmg_jv_t root;
  char why[ 160 ];
  if( !dmg_json_parse( s->json, message, &root, why ) || dmg_jv_type( root )!=DMG_JSON_OBJECT ) { *out_code = dmg_cli_fail( s->cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "the node's message is no JSON" ); return DMG_ERR_CORRUPT; }
  dmg_jv_t method = get( root, "method" ), params = get( root, "params" ), error = get( root, "error" );
  if( !dmg_jv_is_absent( error ) && dmg_jv_type( error )==DMG_JSON_OBJECT ) {
    dmg_span_t text = member_text( error, "message" ), name = member_text( dmg_jv_is_absent( get( error, "data" ) ) ? error : get( error, "data" ), "name" );
    *out_code = dmg_cli_fail( s->cli, DMG_EXIT_USAGE, name.sz ? dmg_cli_dup( s->cli, name ) : "InvalidParams", "%.*s", (int)text.sz, (char const *)text.p );
    return DMG_ERR_INVALID;
  }
  if( dmg_jv_is_absent( method ) || dmg_jv_is_absent( params ) || dmg_jv_type( params )!=DMG_JSON_OBJECT ) return DMG_OK;   /* the answer of sub_open */
  dmg_span_t cursor = member_text( params, "cursor" );
  if( cursor.sz && cursor.sz<sizeof s->cursor && !memchr( cursor.p, '"', cursor.sz ) ) snprintf( s->cursor, sizeof s->cursor, "%.*s", (int)cursor.sz, (char const *)cursor.p );
  bool is_item = dmg_jv_eq_str( method, "sub_item" ), is_stop = dmg_jv_eq_str( method, "sub_stop" );
  if( !is_item && !is_stop && !dmg_jv_eq_str( method, "sub_gap" ) ) return DMG_OK;
  *out_code = row( s, is_item ? "item" : is_stop ? "stop" : "gap", params );
  if( fflush( stdout ) ) *out_code = DMG_EXIT_INTERNAL;
  if( *out_code ) return DMG_ERR_STOPPED;
  if( is_stop ) return DMG_ERR_UNAVAILABLE;   /* drained or too slow: open again */
  if( !is_item ) return DMG_OK;
  if( s->is_tx ) {
    dmg_span_t kind = member_text( get( get( params, "item" ), "status" ), "kind" );
    static char const * const over[] = { "final", "dropped", "expired", "replaced" };
    for( size_t i = 0; i<4; i++ ) if( dmg_span_eq( kind, dmg_span_cstr( over[ i ] ) ) && s->open_cnt ) s->open_cnt--;
    if( !s->open_cnt ) return DMG_ERR_NOT_FOUND;
  }
  if( s->left!=UINT64_MAX && !--s->left ) return DMG_ERR_NOT_FOUND;
  return DMG_OK;
}

/* Reads one connection to its end. */
static dmg_err_t follow( sub_t * s, int * out_code, uint64_t * io_last_ns ) {
  dmg_cli_t * cli = s->cli;
  dmg_ws_client_t * ws;
  char why[ 256 ];
  dmg_span_t message;
  dmg_err_t err = dmg_ws_open( s->url, cli->timeout_ms, &ws, why );
  if( err ) return err;
  dmg_span_t request = dmg_cli_text( cli, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub_open\",\"params\":{%s%s%s%s}}", s->params, *s->cursor ? ",\"cursor\":\"" : "", s->cursor, *s->cursor ? "\"" : "" );
  err = dmg_ws_send( ws, request, cli->timeout_ms );
  while( !err ) {
    err = dmg_ws_recv( ws, 60000, &message );
    if( err==DMG_ERR_TIMEOUT ) { err = DMG_OK; continue; }   /* the library answers pings; nothing happened */
    if( !err ) { *io_last_ns = dmg_os_mono_ns(); err = take( s, message, out_code ); }
  }
  dmg_ws_close( ws );
  return err;
}

static int sub( dmg_cli_t * cli ) {
  static sub_t s;
  char const * topic = cli->arg[ 0 ], * count = dmg_cli_opt( cli, "--count" ), * cursor = dmg_cli_opt( cli, "--cursor" ), * finality = dmg_cli_opt( cli, "--finality" );
  dmg_jv_t r;
  s = (sub_t){ .cli = cli, .left = UINT64_MAX, .is_tx = !strcmp( topic, "tx" ), .is_first = true, .open_cnt = cli->arg_cnt-1, .list = dmg_buf( 64<<20 ), .json = dmg_json_new() };
  if( !s.json ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" );
  if( count && ( !dmg_cli_number( count, UINT64_MAX-1, &s.left ) || !s.left ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--count wants a number from 1, not %.40s", count );
  if( cli->out==DMG_CLI_JSON && !count && !s.is_tx ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a stream has no end and so is no document: -o jsonl, or --count N" );
  if( s.is_tx==( cli->arg_cnt<2 ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", s.is_tx ? "which transactions? demiurge sub tx ID.." : "only tx takes ids" );
  if( cursor && ( strlen( cursor )>=sizeof s.cursor || strspn( cursor, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_" )!=strlen( cursor ) ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--cursor is the cursor of an item" );
  if( cursor ) snprintf( s.cursor, sizeof s.cursor, "%s", cursor );
  size_t n = (size_t)snprintf( s.params, sizeof s.params, "\"topic\":%s", dmg_cli_quote( cli, topic ) );
  if( finality ) n += (size_t)snprintf( s.params+n, sizeof s.params-n, ",\"finality\":\"%s\"", finality );
  for( uint32_t i = 1; i<cli->arg_cnt; i++ ) {
    char const * id = cli->arg[ i ];
    if( strlen( id )!=66 || strncmp( id, "0x", 2 ) || strspn( id+2, "0123456789abcdefABCDEF" )!=64 ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a transaction id is 0x and 64 hex digits, not \"%.80s\"", id );
    n += (size_t)snprintf( s.params+n, sizeof s.params-n, "%s\"%s\"%s", i==1 ? ",\"filter\":{\"ids\":[" : ",", id, i+1==cli->arg_cnt ? "]}" : "" );
  }
  /* Is there a node, and is it on the network that was named? */
  int code = dmg_cli_call( cli, "chain_info", DMG_SPAN_STR( "{}" ), &r );
  if( code ) return code;
  size_t len = strlen( cli->rpc_url );
  bool is_good = !strncmp( cli->rpc_url, "http", 4 ) && len>4 && !strcmp( cli->rpc_url+len-4, "/rpc" );
  if( !is_good ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s does not end with /rpc, so it is unknown where its streams are", cli->rpc_url );
  s.url = (char const *)dmg_cli_text( cli, "ws%.*s/ws", (int)( len-8 ), cli->rpc_url+4 ).p;

  uint64_t last_ns = dmg_os_mono_ns();
  for( bool is_told = false; ; ) {
    uint64_t before = last_ns;
    dmg_err_t err = follow( &s, &code, &last_ns );
    if( err==DMG_ERR_NOT_FOUND ) break;
    if( code ) return code;
    if( last_ns!=before ) is_told = false;
    if( dmg_os_mono_ns()-last_ns>(uint64_t)cli->timeout_ms*1000000u ) return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "%s is gone, for %u s now%s%s", s.url, cli->timeout_ms/1000, *s.cursor ? "; --cursor " : "", s.cursor );
    if( !is_told ) dmg_cli_say( cli, "the connection is lost; trying again" );
    is_told = true;
    dmg_os_sleep_ns( 200000000u );
  }
  if( cli->out==DMG_CLI_JSON ) code = dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"items\":[%.*s]}", (int)s.list.sz, (char const *)s.list.p ) );
  dmg_buf_fini( &s.list );
  dmg_json_free( s.json );
  return code;
}

dmg_cli_cmd_t const dmg_cmds_sub[] = {
  { "sub", "TOPIC [ID..]", 1, DMG_CLI_ARG_MAX, "follow a stream: heads, or tx with ids, until Ctrl-C",
    "  TOPIC  heads: each new block, the newest if you are slow; tx: up to 99 transactions, until all are over\n"
    "  A row has event, seq, cursor, at, state, item: --fields item.height,item.hash\n  A lost connection is opened again at the last cursor, for as long as --timeout.",
    sub, 0, { { "--count", "N", "end after so many items" }, { "--cursor", "CURSOR", "go on after this item" }, { "--finality", "head|final", "final: each item once, when it is (default); head: as soon as it is in a block" } } },
  { 0 }
};
