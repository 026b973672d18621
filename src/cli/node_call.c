/* node_call: one JSON-RPC call over HTTP, and what its failure means for the command. */
#include "cli/cmd_config.h"
#include "rpc/http_client.h"

#include <stdio.h>
#include <stdlib.h>

int dmg_cli_exit_of( int64_t code ) {
  switch( code ) {
  case -32003: case -32010: case -32011: case -32014: return DMG_EXIT_REFUSED;
  case -32001:                           return DMG_EXIT_NOT_FOUND;
  case -32002: case -32013:              return DMG_EXIT_UNAVAILABLE;
  case -32015:                           return DMG_EXIT_TIMEOUT;
  case -32700: case -32600: case -32602: case -32000: case -32601: case -32004: return DMG_EXIT_USAGE;
  default:                               return DMG_EXIT_INTERNAL;
  }
}

int dmg_cli_no_node( dmg_cli_t const * cli, dmg_err_t err, char const * why ) {
  if( err==DMG_ERR_TIMEOUT ) return dmg_cli_fail( cli, DMG_EXIT_TIMEOUT, "Timeout", "%s", why );
  if( err==DMG_ERR_INVALID ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "%s", why );
  return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "no node: %s (is `demiurge dev` running? --rpc names another)", why );
}

static int request( dmg_cli_t * cli, char const * method, dmg_span_t params, dmg_jv_t * out_result, dmg_cli_refusal_t * out ) {
  char why[ 256 ], json_why[ 160 ];
  int status;
  dmg_span_t body = dmg_cli_text( cli, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":%s,\"params\":%.*s}", dmg_cli_quote( cli, method ), DMG_SPAN_F( params ) );
  dmg_buf_clear( &cli->answer );
  dmg_err_t err = dmg_http_post_json( cli->rpc_url, body, cli->timeout_ms, &status, &cli->answer, why );
  if( err ) return dmg_cli_no_node( cli, err, why );
  dmg_jv_t root;
  bool is_object = dmg_json_parse( cli->json, dmg_buf_span( &cli->answer ), &root, json_why ) && dmg_jv_type( root )==DMG_JSON_OBJECT;
  /* What is no JSON-RPC a node refuses by a problem document (RFC 9457): another path, too many requests. */
  dmg_jv_t detail = is_object && dmg_jv_is_absent( dmg_jv_get( root, "jsonrpc" ) ) ? dmg_jv_get( root, "detail" ) : (dmg_jv_t){ 0 };
  if( !dmg_jv_is_absent( detail ) && dmg_jv_type( detail )==DMG_JSON_STRING )
    return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "%s answered HTTP %d: %.*s", cli->rpc_url, status, DMG_SPAN_F( dmg_jv_text( detail ) ) );
  if( !is_object )
    return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "%s answered HTTP %d and no JSON-RPC: is this a Demiurge node, and does the URL end in /rpc?", cli->rpc_url, status );
  dmg_jv_t error = dmg_jv_get( root, "error" );
  if( !dmg_jv_is_absent( error ) && dmg_jv_type( error )==DMG_JSON_OBJECT ) {
    dmg_span_t number_text = dmg_jv_text( dmg_cli_get( error, "code" ) ), message = dmg_jv_text( dmg_cli_get( error, "message" ) );
    dmg_jv_t data = dmg_jv_get( error, "data" );
    dmg_span_t name = dmg_jv_is_absent( data ) ? DMG_SPAN_STR( "Internal" ) : dmg_cli_str( data, "name" );
    char number[ 16 ] = "", name_text[ 64 ];
    snprintf( number, sizeof number, "%.*s", (int)( number_text.sz<15 ? number_text.sz : 15 ), (char const *)number_text.p );
    snprintf( name_text, sizeof name_text, "%.*s", (int)( name.sz<63 ? name.sz : 63 ), (char const *)name.p );
    out->code = dmg_cli_exit_of( strtol( number, NULL, 10 ) );
    snprintf( out->name, sizeof out->name, "%s", name_text );
    /* -32602 says where and what would be right (F4.1). */
    dmg_jv_t path = dmg_jv_is_absent( data ) ? (dmg_jv_t){ 0 } : dmg_jv_get( data, "path" );
    bool has_path = !dmg_jv_is_absent( path ) && dmg_jv_type( path )==DMG_JSON_STRING && dmg_jv_text( path ).sz<100;
    bool says_it = has_path && memmem( message.p, message.sz, dmg_jv_text( path ).p, dmg_jv_text( path ).sz );
    snprintf( out->message, sizeof out->message, "%.*s%s%.*s", DMG_SPAN_F( message ), has_path && !says_it ? " at " : "",
              has_path && !says_it ? (int)dmg_jv_text( path ).sz : 0, has_path ? (char const *)dmg_jv_text( path ).p : "" );
    return out->code;
  }
  *out_result = dmg_cli_get( root, "result" );
  return DMG_EXIT_OK;
}

/* --network: the node is on that chain, or nothing is asked of it. */
static int check_network( dmg_cli_t * cli ) {
  dmg_cli_refusal_t refusal = { 0 };
  dmg_jv_t r = { 0 };
  cli->is_network_good = true;
  if( !*cli->network ) return DMG_EXIT_OK;
  int code = request( cli, "chain_info", DMG_SPAN_STR( "{}" ), &r, &refusal );
  if( code ) return refusal.code ? dmg_cli_fail( cli, code, refusal.name, "%s", refusal.message ) : code;
  dmg_span_t is = dmg_cli_str( r, strncmp( cli->network, "demiurge:", 9 ) ? "kind" : "caip2" ), id = dmg_cli_str( r, "caip2" );
  if( dmg_span_eq( is, dmg_span_cstr( cli->network ) ) ) return DMG_EXIT_OK;
  return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "WrongNetwork", "%s is a node of %.*s, not of %s; nothing was done", cli->rpc_url, DMG_SPAN_F( id ), cli->network );
}

int dmg_cli_try( dmg_cli_t * cli, char const * method, dmg_span_t params, dmg_jv_t * out_result, dmg_cli_refusal_t * out ) {
  out->code = DMG_EXIT_OK;
  /* Only now: commands that ask no node must work with a broken configuration too. */
  int code = cli->rpc_url ? DMG_EXIT_OK : dmg_cli_config_rpc( cli );
  if( !code && !cli->is_network_good ) code = check_network( cli );
  return code ? code : request( cli, method, params, out_result, out );
}

int dmg_cli_call( dmg_cli_t * cli, char const * method, dmg_span_t params, dmg_jv_t * out_result ) {
  dmg_cli_refusal_t refusal;
  int code = dmg_cli_try( cli, method, params, out_result, &refusal );
  return code && refusal.code ? dmg_cli_fail( cli, refusal.code, refusal.name, "%s", refusal.message ) : code;
}
