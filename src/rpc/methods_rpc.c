/* rpc_*: what the interface is, and what it asks of a client. */
#include "rpc/rpc_int.h"

/* An Example Pairing: params as name and value each.  Its result is left out: it depends on the chain. */
static bool put_example( dmg_jw_t * w, dmg_json_t * json, dmg_method_t const * m ) {
  dmg_jv_t params;
  char why[ 160 ];
  if( !dmg_json_parse( json, dmg_span_cstr( m->example ), &params, why ) ) return false;
  dmg_jw_key( w, "examples" );
  dmg_jw_open( w, '[' );
  dmg_jw_open( w, '{' );
  dmg_jw_kcstr( w, "name", m->name );
  dmg_jw_key( w, "params" );
  dmg_jw_open( w, '[' );
  for( dmg_jv_t k = dmg_jv_first( params ); !dmg_jv_is_absent( k ); k = dmg_jv_next( params, k ) ) {
    dmg_jw_open( w, '{' );
    dmg_jw_key( w, "name" );
    dmg_jw_str( w, dmg_jv_text( k ) );
    dmg_jw_key( w, "value" );
    dmg_jw_value( w, dmg_jv_member( k ) );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, '}' );
  dmg_jw_close( w, ']' );
  return true;
}

static bool put_method( dmg_jw_t * w, dmg_json_t * json, dmg_method_t const * m ) {
  dmg_jw_open( w, '{' );
  dmg_jw_kcstr( w, "name", m->name );
  dmg_jw_kcstr( w, "summary", m->summary );
  dmg_jw_kcstr( w, "paramStructure", "either" );
  dmg_jw_key( w, "params" );
  dmg_jw_open( w, '[' );
  for( uint32_t p = 0; p<DMG_RPC_PARAM_MAX && m->param[ p ].name; p++ ) {
    dmg_jw_open( w, '{' );
    dmg_jw_kcstr( w, "name", m->param[ p ].name );
    dmg_jw_kcstr( w, "description", m->param[ p ].text );
    dmg_jw_kbool( w, "required", m->param[ p ].is_needed );
    dmg_jw_key( w, "schema" );
    dmg_jw_raw( w, dmg_span_cstr( m->param[ p ].schema ) );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_key( w, "result" );
  dmg_jw_open( w, '{' );
  dmg_jw_kcstr( w, "name", "result" );
  dmg_jw_key( w, "schema" );
  dmg_jw_raw( w, dmg_span_cstr( m->result ) );
  dmg_jw_close( w, '}' );
  dmg_jw_kcstr( w, "x-class", (char[]){ m->class, 0 } );
  dmg_jw_knum( w, "x-cost", m->cost );
  bool is_good = put_example( w, json, m );
  dmg_jw_close( w, '}' );
  return is_good;
}

bool dmg_rpc_do_rpc_discover( dmg_rpc_call_t * call ) {
  dmg_jw_t * w = call->out;
  dmg_json_t * json = dmg_json_new();       /* the call's own reader holds its id */
  dmg_jw_open( w, '{' );
  dmg_jw_kcstr( w, "openrpc", "1.3.2" );
  dmg_jw_key( w, "info" );
  dmg_jw_open( w, '{' );
  dmg_jw_kcstr( w, "title", "Demiurge" );
  dmg_jw_kcstr( w, "version", DMG_VERSION );
  dmg_jw_close( w, '}' );
  dmg_jw_key( w, "methods" );
  dmg_jw_open( w, '[' );
  bool is_good = json;
  for( uint32_t i = 0; i<DMG_RPC_METHOD_CNT && is_good; i++ ) {
    dmg_method_t const * m = &dmg_rpc_method_tab[ i ];
    if( m->is_dev && !call->query->dev ) continue;
    is_good = put_method( w, json, m );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_key( w, "components" );
  dmg_jw_open( w, '{' );
  dmg_jw_key( w, "schemas" );
  dmg_jw_open( w, '{' );
  dmg_jw_raw( w, dmg_span_cstr( dmg_rpc_schemas ) );
  dmg_jw_close( w, '}' );
  dmg_jw_close( w, '}' );
  dmg_jw_close( w, '}' );
  dmg_json_free( json );
  return is_good ? true : dmg_rpc_fail_err( call, DMG_ERR_NOMEM, "document" );
}

bool dmg_rpc_do_rpc_limits( dmg_rpc_call_t * call ) {
  dmg_jw_t * w = call->out;
  dmg_jw_open( w, '{' );
  dmg_jw_knum( w, "batch", DMG_RPC_BATCH_MAX );
  dmg_jw_knum( w, "answerBytes", DMG_RPC_ANSWER_MAX );
  dmg_jw_knum( w, "bodyBytes", 1<<20 );
  dmg_jw_knum( w, "jsonDepth", DMG_JSON_DEPTH_MAX );
  dmg_jw_knum( w, "jsonTokens", DMG_JSON_NODES_MAX );
  dmg_jw_knum( w, "page", DMG_RPC_ITEMS_MAX );
  dmg_jw_knum( w, "idBytes", DMG_RPC_ID_SZ_MAX );
  dmg_jw_knum( w, "subscriptions", DMG_RPC_SUB_PER_WS_MAX );
  dmg_jw_knum( w, "subscriptionIds", DMG_RPC_SUB_ID_MAX );
  dmg_jw_knum( w, "webSocketMessageBytes", 256<<10 );
  dmg_jw_knum( w, "queryMs", call->rpc->limits.query_ms );
  dmg_jw_knum( w, "unitsPerSecond", call->rpc->limits.cost.rate );
  dmg_jw_knum( w, "unitsBurst", call->rpc->limits.cost.burst );
  dmg_jw_kbool( w, "isCounted", dmg_rpc_is_counted( call->rpc, &call->who ) );
  dmg_jw_key( w, "prices" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<DMG_RPC_METHOD_CNT; i++ ) {
    dmg_method_t const * m = &dmg_rpc_method_tab[ i ];
    if( m->is_dev && !call->query->dev ) continue;
    dmg_jw_open( w, '{' );
    dmg_jw_kcstr( w, "method", m->name );
    dmg_jw_kcstr( w, "class", (char[]){ m->class, 0 } );
    dmg_jw_knum ( w, "cost", m->cost );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, '}' );
  return true;
}
