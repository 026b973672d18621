/* state_*, account_*, balances_*: reads of the state, with proofs (F0.4, F0.5). */
#include "base/assert.h"
#include "crypto/bech32.h"
#include "crypto/sig.h"
#include "rpc/abi_json.h"
#include "rpc/method.h"
#include "rpc/put.h"
#include "types/items.h"
#include "types/schema.h"

#include <stdio.h>

static dmg_at_t wanted( dmg_rpc_arg_t const * at ) { return at->is_set ? at->at : (dmg_at_t){ .kind = DMG_AT_HEAD }; }

static bool open_view( dmg_rpc_call_t * call, dmg_rpc_arg_t const * at, dmg_query_view_t * out ) {
  dmg_at_t want = wanted( at );
  dmg_err_t err = call->query->view_open( call->query->ctx, &want, out );
  return err ? dmg_rpc_fail_at( call, err, &want ) : true;
}

/* With a proof the default is final (F0.4).  F0.5: at `final` the node answers for the highest height whose child is final; solo that is one below the tip. */
static bool open_proven( dmg_rpc_call_t * call, dmg_rpc_arg_t const * at, dmg_query_view_t * out ) {
  if( at->is_set && at->at.kind!=DMG_AT_FINAL ) return open_view( call, at, out );
  dmg_query_chain_t c;
  call->query->chain( call->query->ctx, &c );
  if( !c.final.height ) {
    dmg_rpc_fail( call, DMG_RPC_PROOF_UNAVAILABLE, NULL, "a state is proven by the next final header; there is none yet, ask again after the next block" );
    return false;
  }
  dmg_at_t want = { .kind = DMG_AT_HEIGHT, .height = c.final.height-1 };
  dmg_err_t err = call->query->view_open( call->query->ctx, &want, out );
  return err ? dmg_rpc_fail_at( call, err, &want ) : true;
}

static bool open_for( dmg_rpc_call_t * call, dmg_rpc_arg_t const * at, dmg_rpc_arg_t const * proof, dmg_query_view_t * out ) {
  return proof->is_set ? open_proven( call, at, out ) : open_view( call, at, out );
}

/* The proof that arg asks for; none, if it is not set. */
static bool put_proof( dmg_rpc_call_t * call, dmg_query_view_t const * view, dmg_span_t key, dmg_rpc_arg_t const * arg ) {
  if( !arg->is_set ) return true;
  dmg_rpc_charge( call, 2 );
  dmg_query_proof_t proof;
  dmg_jw_t * w = call->out;
  dmg_err_t err = call->query->view_prove( call->query->ctx, view, key, call->arena, &proof );
  if( err==DMG_ERR_AGAIN ) return dmg_rpc_fail( call, DMG_RPC_PROOF_UNAVAILABLE, NULL, "the state after block %lu is proven by block %lu, which is not final yet", (unsigned long)view->at.height, (unsigned long)view->at.height+1 );
  if( err==DMG_ERR_NOT_FOUND || err==DMG_ERR_PRUNED ) return dmg_rpc_fail( call, DMG_RPC_PROOF_UNAVAILABLE, NULL, "proofs of height %lu are not held any more", (unsigned long)view->at.height );
  if( err ) return dmg_rpc_fail_err( call, err, "proof" );
  dmg_query_chain_t chain;
  call->query->chain( call->query->ctx, &chain );
  dmg_jw_key( w, "proof" );
  dmg_jw_open( w, '{' );
  dmg_jw_khex( w, "chain", dmg_hash_span( &chain.chain_id ) );
  dmg_jw_ku64( w, "height", proof.height );
  dmg_jw_khex( w, "header", proof.header );
  dmg_jw_khex( w, "tree", proof.tree );
  if( arg->u64==DMG_RPC_PROOF_LEVEL__FULL ) {
    dmg_jw_key( w, "finality" );
    if( proof.finality.sz ) dmg_jw_hex( w, proof.finality );
    else                    dmg_jw_null( w );
    if( proof.link_cnt ) {
      dmg_jw_key( w, "links" );
      dmg_jw_open( w, '[' );
      for( uint32_t i = 0; i<proof.link_cnt; i++ ) dmg_jw_hex( w, proof.links[ i ] );
      dmg_jw_close( w, ']' );
    }
  }
  dmg_jw_close( w, '}' );
  return true;
}

static void close_view( dmg_rpc_call_t * call, dmg_query_view_t * view ) { call->query->view_close( call->query->ctx, view ); }

static dmg_err_t get( dmg_rpc_call_t * call, dmg_query_view_t const * view, dmg_span_t key, dmg_span_t * out ) {
  *out = dmg_span( NULL, 0 );
  dmg_err_t err = call->query->view_get( call->query->ctx, view, key, call->arena, out );
  return err==DMG_ERR_NOT_FOUND ? DMG_OK : err;
}

dmg_err_t dmg_rpc_item( dmg_rpc_call_t * call, dmg_query_view_t const * view, dmg_item_t item, dmg_span_t key, dmg_span_t * out_bcs ) {
  dmg_span_t v;
  *out_bcs = dmg_span( NULL, 0 );
  DMG_TRY( get( call, view, key, &v ) );
  return v.sz ? dmg_value_bcs( item, v, out_bcs ) : DMG_OK;
}

static bool put_value( dmg_rpc_call_t * call, dmg_query_view_t const * view, char const * name, dmg_span_t key ) {
  dmg_span_t value;
  dmg_err_t err = get( call, view, key, &value );
  if( err ) return dmg_rpc_fail_err( call, err, "key" );
  dmg_jw_key( call->out, name );
  if( value.sz ) dmg_jw_hex( call->out, value );
  else           dmg_jw_null( call->out );
  return true;
}

static bool key_is_good( dmg_rpc_call_t * call, dmg_span_t key, char const * path ) {
  return key.sz>=4 && key.sz<=DMG_KEY_MAX ? true : dmg_rpc_fail_param( call, path, "0x hex of 4 to 128 bytes" );
}

bool dmg_rpc_do_state_get( dmg_rpc_call_t * call ) {
  dmg_span_t key = call->arg[ 0 ].bytes;
  dmg_query_view_t view;
  if( !key_is_good( call, key, "key" ) ) return false;
  if( !open_for( call, &call->arg[ 1 ], &call->arg[ 2 ], &view ) ) return false;
  dmg_jw_t * w = call->out;
  dmg_jw_open( w, '{' );
  dmg_rpc_put_at( w, &view.at );
  bool is_good = put_value( call, &view, "value", key ) && put_proof( call, &view, key, &call->arg[ 2 ] );
  dmg_jw_close( w, '}' );
  close_view( call, &view );
  return is_good;
}

bool dmg_rpc_do_state_get_many( dmg_rpc_call_t * call ) {
  dmg_jv_t keys = call->arg[ 0 ].json;
  dmg_query_view_t view;
  if( dmg_jv_cnt( keys )>DMG_RPC_ITEMS_MAX ) return dmg_rpc_fail( call, DMG_RPC_LIMIT_EXCEEDED, NULL, "at most %u keys, got %u", DMG_RPC_ITEMS_MAX, dmg_jv_cnt( keys ) );
  if( !open_view( call, &call->arg[ 1 ], &view ) ) return false;
  dmg_rpc_charge( call, dmg_jv_cnt( keys ) );
  dmg_jw_t * w = call->out;
  bool is_good = true;
  dmg_jw_open( w, '{' );
  dmg_rpc_put_at( w, &view.at );
  dmg_jw_key( w, "items" );
  dmg_jw_open( w, '[' );
  for( dmg_jv_t e = dmg_jv_first( keys ); is_good && !dmg_jv_is_absent( e ); e = dmg_jv_next( keys, e ) ) {
    uint8_t key[ DMG_KEY_MAX ];
    size_t sz = 0;
    if( !dmg_jv_hex( e, key, sizeof key, &sz ) || sz<4 ) { is_good = dmg_rpc_fail_param( call, "keys", "0x hex of 4 to 128 bytes each" ); break; }
    dmg_jw_open( w, '{' );
    dmg_jw_khex( w, "key", dmg_span( key, sz ) );
    is_good = dmg_rpc_in_time( call ) && put_value( call, &view, "value", dmg_span( key, sz ) );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, '}' );
  close_view( call, &view );
  return is_good;
}

bool dmg_rpc_do_state_list( dmg_rpc_call_t * call ) {
  dmg_span_t prefix = call->arg[ 0 ].bytes, after = call->arg[ 2 ].bytes, * keys, * values;
  uint64_t limit = call->arg[ 1 ].is_set ? call->arg[ 1 ].u64 : 100;
  dmg_query_view_t view;
  if( !prefix.sz || prefix.sz>DMG_KEY_MAX ) return dmg_rpc_fail_param( call, "prefix", "0x hex of 1 to 128 bytes" );
  if( !limit || limit>DMG_RPC_ITEMS_MAX )   return dmg_rpc_fail_param( call, "limit", "1 to 1000" );
  if( after.sz>DMG_KEY_MAX )                return dmg_rpc_fail_param( call, "after", "a key of at most 128 bytes" );
  if( !open_view( call, &call->arg[ 3 ], &view ) ) return false;
  dmg_jw_t * w = call->out;
  uint32_t cnt = 0;
  keys   = DMG_ARENA_NEW( call->arena, dmg_span_t, limit );
  values = DMG_ARENA_NEW( call->arena, dmg_span_t, limit );
  dmg_err_t err = keys && values ? call->query->view_list( call->query->ctx, &view, prefix, after, (uint32_t)limit, call->arena, keys, values, &cnt ) : DMG_ERR_LIMIT;
  dmg_rpc_charge( call, cnt/10 );
  dmg_jw_open( w, '{' );
  dmg_rpc_put_at( w, &view.at );
  dmg_jw_key( w, "items" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<cnt; i++ ) {
    dmg_jw_open( w, '{' );
    dmg_jw_khex( w, "key", keys[ i ] );
    dmg_jw_khex( w, "value", values[ i ] );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_key( w, "next" );
  if( cnt==limit ) dmg_jw_hex( w, keys[ cnt-1 ] );
  else             dmg_jw_null( w );
  dmg_jw_close( w, '}' );
  close_view( call, &view );
  return err ? dmg_rpc_fail_err( call, err, "list" ) : true;
}

bool dmg_rpc_module_id( dmg_rpc_call_t * call, dmg_query_view_t const * view, dmg_jv_t ref, uint16_t * out_id, dmg_abi_t const ** out_abi ) {
  uint16_t ids[ 64 ];
  uint32_t cnt, number = 0;
  bool is_number = dmg_jv_u32( ref, &number );
  dmg_err_t err = call->query->modules( call->query->ctx, view, ids, 64, &cnt );
  if( err ) return dmg_rpc_fail_err( call, err, "modules" );
  char known[ 200 ] = "";
  for( uint32_t i = 0; i<cnt; i++ ) {
    if( is_number && number!=ids[ i ] ) continue;
    dmg_span_t raw;
    dmg_abi_t const * abi;
    err = call->query->module_abi( call->query->ctx, view, ids[ i ], call->arena, &raw );
    if( err ) return dmg_rpc_fail_err( call, err, "module" );
    if( dmg_abi_decode( raw, call->arena, &abi ).kind!=DMG_VERDICT_GOOD ) return dmg_rpc_fail_err( call, DMG_ERR_CORRUPT, "interface of a module" );
    if( is_number || dmg_span_eq( abi->name, dmg_jv_text( ref ) ) ) { *out_id = ids[ i ]; *out_abi = abi; return true; }
    snprintf( known+strlen( known ), sizeof known-strlen( known ), "%s%.*s", i ? ", " : "", DMG_SPAN_F( abi->name ) );
  }
  if( is_number ) return dmg_rpc_fail( call, DMG_RPC_NOT_FOUND, NULL, "there is no module %u", number );
  return dmg_rpc_fail( call, DMG_RPC_NOT_FOUND, NULL, "there is no module of that name; there are: %s", known );
}

bool dmg_rpc_do_state_module( dmg_rpc_call_t * call ) {
  dmg_query_view_t view;
  uint16_t id;
  dmg_abi_t const * abi;
  if( !open_view( call, &call->arg[ 1 ], &view ) ) return false;
  bool is_good = dmg_rpc_module_id( call, &view, call->arg[ 0 ].json, &id, &abi );
  if( is_good ) {
    uint8_t key[ DMG_KEY_MAX ];
    dmg_span_t bcs;
    dmg_item_module_t m;
    dmg_err_t err = dmg_rpc_item( call, &view, DMG_ITEM_MODULE, dmg_span( key, dmg_key_module( id, key ) ), &bcs );
    if( !err ) err = dmg_item_module_get( bcs, &m );
    if( err ) is_good = dmg_rpc_fail_err( call, err, "module" );
    else {
      dmg_jw_t * w = call->out;
      dmg_jw_open( w, '{' );
      dmg_rpc_put_at( w, &view.at );
      dmg_put_module( w, id, &m );
      dmg_jw_ku64 ( w, "activatedAt", m.activated_at );
      dmg_jw_close( w, '}' );
    }
  }
  close_view( call, &view );
  return is_good;
}

bool dmg_rpc_do_state_dmi( dmg_rpc_call_t * call ) {
  dmg_query_view_t view;
  uint16_t id;
  dmg_abi_t const * abi;
  dmg_span_t raw;
  if( !open_view( call, &call->arg[ 1 ], &view ) ) return false;
  bool is_good = dmg_rpc_module_id( call, &view, call->arg[ 0 ].json, &id, &abi );
  if( is_good ) {
    dmg_err_t err = call->query->module_abi( call->query->ctx, &view, id, call->arena, &raw );
    if( err ) is_good = dmg_rpc_fail_err( call, err, "module" );
    else {
      dmg_jw_t * w = call->out;
      dmg_jw_open( w, '{' );
      dmg_rpc_put_at( w, &view.at );
      dmg_jw_knum( w, "id", id );
      dmg_jw_khex( w, "abi", raw );
      dmg_jw_close( w, '}' );
    }
  }
  close_view( call, &view );
  return is_good;
}

bool dmg_rpc_do_state_code( dmg_rpc_call_t * call ) {
  dmg_query_view_t view;
  uint16_t id;
  dmg_abi_t const * abi;
  if( !open_view( call, &call->arg[ 1 ], &view ) ) return false;
  bool is_good = dmg_rpc_module_id( call, &view, call->arg[ 0 ].json, &id, &abi );
  if( is_good ) {
    uint8_t key[ DMG_KEY_MAX ];
    dmg_span_t bcs, code;
    dmg_item_module_t m;
    dmg_err_t err = dmg_rpc_item( call, &view, DMG_ITEM_MODULE, dmg_span( key, dmg_key_module( id, key ) ), &bcs );
    if( !err ) err = dmg_item_module_get( bcs, &m );
    if( !err ) err = dmg_rpc_item( call, &view, DMG_ITEM_CODE, dmg_span( key, dmg_key_code( &m.code, key ) ), &bcs );
    if( !err ) err = dmg_item_code_get( bcs, &code );
    if( err ) is_good = dmg_rpc_fail_err( call, err, "code" );
    else {
      dmg_jw_t * w = call->out;
      dmg_jw_open( w, '{' );
      dmg_rpc_put_at( w, &view.at );
      dmg_jw_knum ( w, "id", id );
      dmg_jw_khash( w, "codeHash", &m.code );
      dmg_jw_khex ( w, "code", code );
      dmg_jw_close( w, '}' );
    }
  }
  close_view( call, &view );
  return is_good;
}

static bool account_ref( void * ctx, dmg_span_t text, dmg_hash_t * out ) { return dmg_rpc_account_parse( ctx, text, out ); }

bool dmg_rpc_args( dmg_rpc_call_t * call, dmg_abi_fn_t const * fn, dmg_jv_t json, char const * path, dmg_span_t * out ) {
  if( !dmg_jv_is_absent( json ) && dmg_jv_type( json )==DMG_JSON_STRING ) {
    size_t max = dmg_jv_text( json ).sz/2, sz = 0, off = 0;
    uint8_t * p = dmg_arena_alloc( call->arena, max );
    if( !p ) return dmg_rpc_fail_err( call, DMG_ERR_LIMIT, "arguments" );
    if( !dmg_jv_hex( json, p, max, &sz ) ) return dmg_rpc_fail_value( call, path, "an object, an array or 0x hex of BCS", json, NULL );
    dmg_bcs_bad_t bad = dmg_type_validate( fn->args, dmg_span( p, sz ), &off );
    if( bad ) return dmg_rpc_fail( call, DMG_RPC_INVALID_PARAMS, NULL, "%s: the arguments of %.*s do not decode: %s at byte %zu", call->method->name, DMG_SPAN_F( fn->name ), dmg_bcs_bad_text( bad ), off );
    *out = dmg_span( p, sz );
    return true;
  }
  dmg_abi_json_ref_t ref = { account_ref, call };
  dmg_abi_json_bad_t bad;
  size_t max = fn->args->sz_max<DMG_ABI_IO_MAX ? (size_t)fn->args->sz_max : DMG_ABI_IO_MAX;
  uint8_t * p = dmg_arena_alloc( call->arena, max+1 );
  if( !p ) return dmg_rpc_fail_err( call, DMG_ERR_LIMIT, "arguments" );
  dmg_bcs_wr_t wr = dmg_bcs_wr( p, max+1 );
  if( dmg_abi_json_args( fn->args, json, &ref, &wr, &bad ) ) { *out = dmg_bcs_wr_span( &wr ); return true; }
  char at[ 300 ];
  snprintf( at, sizeof at, "%s%s%s", path, *bad.path && *bad.path!='[' ? "." : "", bad.path );
  return dmg_rpc_fail_value( call, at, bad.expected, json, bad.got );
}

bool dmg_rpc_do_state_query( dmg_rpc_call_t * call ) {
  dmg_query_view_t view;
  uint16_t id = 0;
  dmg_abi_t const * abi = NULL;
  dmg_abi_fn_t const * fn = NULL;
  dmg_span_t args, result;
  dmg_query_why_t why = { .name = "" };
  uint32_t number;
  if( !open_view( call, &call->arg[ 3 ], &view ) ) return false;
  bool is_good = dmg_rpc_module_id( call, &view, call->arg[ 0 ].json, &id, &abi );
  if( is_good ) {
    dmg_jv_t ref = call->arg[ 1 ].json;
    DMG_ASSERT( abi );
    fn = dmg_jv_u32( ref, &number ) ? ( number<=UINT16_MAX ? dmg_abi_query( abi, (uint16_t)number ) : NULL ) : dmg_abi_query_named( abi, dmg_jv_text( ref ) );
    if( !fn ) is_good = dmg_rpc_fail( call, DMG_RPC_NOT_FOUND, NULL, "module %.*s has no such query", DMG_SPAN_F( abi->name ) );
  }
  if( is_good ) is_good = dmg_rpc_args( call, fn, call->arg[ 2 ].json, "args", &args );
  if( is_good ) {
    dmg_err_t err = call->query->module_query( call->query->ctx, &view, id, fn->id, args, call->arena, &result, &why );
    if( err==DMG_ERR_INVALID ) is_good = dmg_rpc_fail( call, DMG_RPC_CHAIN_REFUSED, why.name, "%s", why.text );
    else if( err==DMG_ERR_NOT_FOUND && *why.text ) is_good = dmg_rpc_fail( call, DMG_RPC_NOT_FOUND, NULL, "%s", why.text );
    else if( err )             is_good = dmg_rpc_fail_err( call, err, "query" );
  }
  if( is_good ) {
    dmg_jw_t * w = call->out;
    dmg_jw_open( w, '{' );
    dmg_rpc_put_at( w, &view.at );
    dmg_jw_khex( w, "result", result );
    dmg_jw_key( w, "value" );
    if( fn->ret ) { dmg_bcs_rd_t rd = dmg_bcs_rd( result ); dmg_abi_json_print( fn->ret, &rd, w ); }
    else dmg_jw_null( w );
    dmg_jw_close( w, '}' );
  }
  close_view( call, &view );
  return is_good;
}

static void put_holding( dmg_jw_t * w, dmg_query_holding_t const * h ) {
  dmg_jw_ku64( w, "free", h->free );
  dmg_jw_ku64( w, "held", h->held );
  dmg_jw_ku64( w, "locked", h->locked );
  dmg_jw_ku64( w, "spendable", h->spendable );
}

static void put_holding_at( dmg_rpc_call_t * call, dmg_query_holding_t const * h ) {
  dmg_rpc_put_at( call->out, &h->at );
  dmg_put_kaddress( call->out, "address", &call->arg[ 0 ].hash );
  put_holding( call->out, h );
}

static dmg_err_t get_holding( dmg_rpc_call_t * call, dmg_at_t const * at, dmg_hash_t const * account, dmg_query_holding_t * out ) {
  return call->query->holding( call->query->ctx, at, account, call->arena, out );
}
static dmg_at_t at_block( dmg_at_block_t const * block ) { return (dmg_at_t){ .kind = DMG_AT_HASH, .hash = block->hash }; }

static bool put_proven_holding( dmg_rpc_call_t * call ) {
  dmg_query_view_t view;
  dmg_query_holding_t h;
  uint8_t key[ DMG_KEY_MAX ];
  dmg_jw_t * w = call->out;
  if( !open_proven( call, &call->arg[ 1 ], &view ) ) return false;
  dmg_at_t at = at_block( &view.at );
  dmg_span_t free_key = dmg_span( key, dmg_key_free( &call->arg[ 0 ].hash, key ) );
  dmg_err_t err = get_holding( call, &at, &call->arg[ 0 ].hash, &h );
  bool is_good = err ? dmg_rpc_fail_err( call, err, "account" ) : true;
  if( is_good ) {
    put_holding_at( call, &h );
    dmg_jw_khex( w, "key", free_key );
    is_good = put_value( call, &view, "value", free_key ) && put_proof( call, &view, free_key, &call->arg[ 2 ] );
  }
  close_view( call, &view );
  return is_good;
}

bool dmg_rpc_do_balances_get( dmg_rpc_call_t * call ) {
  dmg_query_holding_t h;
  dmg_jw_open( call->out, '{' );
  if( call->arg[ 2 ].is_set ) { if( !put_proven_holding( call ) ) return false; }
  else {
    dmg_at_t at = wanted( &call->arg[ 1 ] );
    dmg_err_t err = get_holding( call, &at, &call->arg[ 0 ].hash, &h );
    if( err ) return dmg_rpc_fail_at( call, err, &at );
    put_holding_at( call, &h );
  }
  dmg_jw_close( call->out, '}' );
  return true;
}

bool dmg_rpc_do_balances_supply( dmg_rpc_call_t * call ) {
  dmg_query_view_t view;
  if( !open_view( call, &call->arg[ 0 ], &view ) ) return false;
  dmg_jw_t * w = call->out;
  uint8_t key[ DMG_KEY_MAX ];
  dmg_span_t v;
  uint64_t burned = 0, buckets = 0;
  dmg_err_t err = DMG_OK;
  for( unsigned cause = 0; cause<256 && !err; cause++ ) {
    uint64_t part = 0;
    err = get( call, &view, dmg_span( key, dmg_key_burned( (uint8_t)cause, key ) ), &v );
    if( !err ) err = dmg_counter_parse( v, false, NULL, &part );
    if( __builtin_add_overflow( burned, part, &burned ) ) err = DMG_ERR_CORRUPT;
  }
  for( uint8_t bucket = 0; bucket<DMG_BUCKET_CNT && !err; bucket++ ) {
    uint64_t part = 0;
    dmg_hash_t pool = dmg_module_address( DMG_MODULE_BALANCES, 1u+bucket );
    err = get( call, &view, dmg_span( key, dmg_key_free( &pool, key ) ), &v );
    if( !err ) err = dmg_counter_parse( v, true, NULL, &part );
    if( __builtin_add_overflow( buckets, part, &buckets ) ) err = DMG_ERR_CORRUPT;
  }
  if( !err && ( burned>DMG_SUPPLY_SPARKS || buckets>DMG_SUPPLY_SPARKS-burned ) ) err = DMG_ERR_CORRUPT;
  dmg_jw_open( w, '{' );
  dmg_rpc_put_at( w, &view.at );
  dmg_jw_ku64( w, "issued", DMG_SUPPLY_SPARKS );
  dmg_jw_ku64( w, "burned", burned );
  dmg_jw_ku64( w, "buckets", buckets );
  dmg_jw_ku64( w, "circulating", DMG_SUPPLY_SPARKS-burned-buckets );
  dmg_jw_close( w, '}' );
  close_view( call, &view );
  return err ? dmg_rpc_fail_err( call, err, "supply" ) : true;
}

dmg_err_t dmg_rpc_put_account( dmg_rpc_call_t * call, dmg_query_view_t const * view, dmg_hash_t const * account ) {
  static char const * const kind[] = { "user", "pool", "module" };
  dmg_jw_t * w = call->out;
  uint8_t key[ DMG_KEY_MAX ];
  dmg_span_t bcs;
  dmg_query_holding_t h;
  dmg_at_t at = at_block( &view->at );
  uint64_t lane0 = 0;
  dmg_item_account_t a = { 0 };
  dmg_err_t err = dmg_rpc_item( call, view, DMG_ITEM_ACCOUNT, dmg_span( key, dmg_key_account( account, key ) ), &bcs );
  bool exists = !err && bcs.p;
  if( exists ) err = dmg_item_account_get( bcs, &a );
  if( !err ) err = dmg_rpc_item( call, view, DMG_ITEM_LANE, dmg_span( key, dmg_key_lane( account, 0, key ) ), &bcs );
  if( !err && bcs.p ) err = dmg_item_u64_get( bcs, &lane0 );
  if( !err ) err = get_holding( call, &at, account, &h );
  if( !err ) {
    dmg_put_kaddress( w, "address", account );
    dmg_jw_kbool( w, "exists", exists );
    if( exists ) {
      dmg_jw_kcstr( w, "kind", a.kind<3 ? kind[ a.kind ] : "unknown" );
      dmg_jw_ku64( w, "killEpoch", a.kill_epoch );
      dmg_jw_knum( w, "authEpoch", a.auth_epoch );
      dmg_jw_key( w, "thresholds" );
      dmg_jw_open( w, '{' );
      dmg_jw_knum( w, "use", a.t_use );
      dmg_jw_knum( w, "owner", a.t_owner );
      dmg_jw_close( w, '}' );
      dmg_jw_ku64( w, "createdMs", a.created_ms );
    }
    dmg_jw_key( w, "auths" );
    dmg_jw_open( w, '[' );
    for( uint8_t slot = 0; slot<DMG_AUTH_SLOT_MAX && exists && !err; slot++ ) {
      dmg_item_auth_t auth;
      err = dmg_rpc_item( call, view, DMG_ITEM_AUTH, dmg_span( key, dmg_key_auth( account, slot, key ) ), &bcs );
      if( err || !bcs.p ) continue;
      err = dmg_item_auth_get( bcs, &auth );
      if( err ) break;
      dmg_jw_open( w, '{' );
      dmg_jw_knum ( w, "slot", slot );
      dmg_jw_kcstr( w, "scheme", dmg_scheme_name( auth.scheme ) );
      dmg_jw_khex ( w, "key", auth.key );
      dmg_jw_kcstr( w, "level", auth.level==DMG_LEVEL_OWNER ? "owner" : "use" );
      dmg_jw_knum ( w, "weight", auth.weight );
      dmg_jw_key( w, "label" );
      dmg_jw_str  ( w, auth.label );
      dmg_jw_close( w, '}' );
    }
    dmg_jw_close( w, ']' );
    dmg_jw_key( w, "balances" );
    dmg_jw_open( w, '{' );
    put_holding( w, &h );
    dmg_jw_close( w, '}' );
    dmg_jw_ku64( w, "nonce", lane0 );
  }
  return err;
}

bool dmg_rpc_do_account_get( dmg_rpc_call_t * call ) {
  dmg_query_view_t view;
  if( !open_view( call, &call->arg[ 1 ], &view ) ) return false;
  dmg_jw_open( call->out, '{' );
  dmg_rpc_put_at( call->out, &view.at );
  dmg_err_t err = dmg_rpc_put_account( call, &view, &call->arg[ 0 ].hash );
  dmg_jw_close( call->out, '}' );
  close_view( call, &view );
  return err ? dmg_rpc_fail_err( call, err, "account" ) : true;
}

bool dmg_rpc_do_account_resolve( dmg_rpc_call_t * call ) {
  dmg_jw_open( call->out, '{' );
  dmg_put_kaddress( call->out, "address", &call->arg[ 0 ].hash );
  dmg_jw_close( call->out, '}' );
  return true;
}

bool dmg_rpc_do_account_assets( dmg_rpc_call_t * call ) {
  dmg_query_holding_t h;
  dmg_jw_t * w = call->out;
  dmg_at_t at = wanted( &call->arg[ 1 ] );
  dmg_err_t err = get_holding( call, &at, &call->arg[ 0 ].hash, &h );
  if( err ) return dmg_rpc_fail_at( call, err, &at );
  dmg_jw_open( w, '{' );
  dmg_rpc_put_at( w, &h.at );
  dmg_put_kaddress( w, "address", &call->arg[ 0 ].hash );
  dmg_jw_key( w, "items" );
  dmg_jw_open( w, '[' );
  if( h.free || h.held ) {
    dmg_jw_open( w, '{' );
    dmg_jw_key( w, "asset" );
    dmg_put_asset( w, &(dmg_asset_t){ .kind = DMG_ASSET_CGT } );
    dmg_jw_ku64( w, "amount", h.free+h.held );
    put_holding( w, &h );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, '}' );
  return true;
}

/* --- Messages --- */

typedef struct { unsigned scheme; dmg_span_t key; dmg_sig_t sig; bool is_used; } message_sig_t;

static bool bytes_at( dmg_rpc_call_t * call, char const * path, char const * name, dmg_jv_t v, size_t max, dmg_span_t * out ) {
  char at[ 64 ], want[ 64 ];
  uint8_t * p = dmg_arena_alloc( call->arena, max );
  size_t sz = 0;
  if( !p ) return dmg_rpc_fail_err( call, DMG_ERR_LIMIT, "signatures" );
  snprintf( at, sizeof at, "%s.%s", path, name );
  snprintf( want, sizeof want, "0x hex of at most %zu bytes", max );
  if( dmg_jv_is_absent( v ) || !dmg_jv_hex( v, p, max, &sz ) ) return dmg_rpc_fail_value( call, at, want, v, NULL );
  *out = dmg_span( p, sz );
  return true;
}

static bool message_sig( dmg_rpc_call_t * call, dmg_jv_t json, uint32_t idx, message_sig_t * out ) {
  static char const * const names[] = { "kind", "key", "sig", "authData", "clientData" };
  dmg_jv_t m[ 5 ];
  char path[ 32 ], at[ 64 ];
  snprintf( path, sizeof path, "sigs[%u]", idx );
  if( !dmg_rpc_members( call, path, json, names, 5, m ) ) return false;
  out->scheme = 0;
  while( out->scheme<DMG_SIG_SCHEME_CNT && ( dmg_jv_is_absent( m[ 0 ] ) || !dmg_jv_eq_str( m[ 0 ], dmg_scheme_name( out->scheme ) ) ) ) out->scheme++;
  snprintf( at, sizeof at, "%s.kind", path );
  if( out->scheme==DMG_SIG_SCHEME_CNT ) return dmg_rpc_fail_value( call, at, "Ed25519, Secp256k1, P256, WebAuthn or Bls", m[ 0 ], NULL );
  if( !bytes_at( call, path, "key", m[ 1 ], DMG_SIG_KEY_MAX, &out->key ) || !bytes_at( call, path, "sig", m[ 2 ], DMG_SIG_SZ_MAX, &out->sig.sig ) ) return false;
  for( int i = 3; i<5; i++ ) {
    snprintf( at, sizeof at, "%s.%s", path, names[ i ] );
    if( out->scheme!=DMG_SIG_WEBAUTHN && !dmg_jv_is_absent( m[ i ] ) ) return dmg_rpc_fail_value( call, at, "nothing: it belongs to WebAuthn", m[ i ], NULL );
  }
  return out->scheme!=DMG_SIG_WEBAUTHN || ( bytes_at( call, path, names[ 3 ], m[ 3 ], DMG_SIG_AUTH_DATA_MAX, &out->sig.auth_data ) && bytes_at( call, path, names[ 4 ], m[ 4 ], DMG_SIG_CLIENT_DATA_MAX, &out->sig.client_data ) );
}

/* As the prologue weighs the keys of a transaction: active ones, each once, owner level counts for use too. */
static dmg_err_t weigh( dmg_rpc_call_t * call, dmg_query_view_t const * view, dmg_hash_t const * digest, message_sig_t * sigs, uint32_t cnt, uint32_t * out_weight, char const ** out_why ) {
  uint8_t key[ DMG_KEY_MAX ];
  dmg_span_t bcs;
  dmg_item_block_t block = { 0 };
  DMG_TRY( dmg_rpc_item( call, view, DMG_ITEM_BLOCK, dmg_span( key, dmg_key_block( key ) ), &bcs ) );
  if( bcs.p ) DMG_TRY( dmg_item_block_get( bcs, &block ) );
  for( uint8_t slot = 0; slot<DMG_AUTH_SLOT_MAX; slot++ ) {
    dmg_item_auth_t auth;
    DMG_TRY( dmg_rpc_item( call, view, DMG_ITEM_AUTH, dmg_span( key, dmg_key_auth( &call->arg[ 0 ].hash, slot, key ) ), &bcs ) );
    if( !bcs.p ) continue;
    DMG_TRY( dmg_item_auth_get( bcs, &auth ) );
    if( auth.active_from_ms>block.time_ms ) continue;
    for( uint32_t i = 0; i<cnt; i++ ) {
      message_sig_t * s = &sigs[ i ];
      if( s->is_used || s->scheme!=auth.scheme || !dmg_span_eq( s->key, auth.key ) ) continue;
      s->is_used = true;
      dmg_rpc_charge( call, dmg_scheme_gas( auth.scheme )/DMG_RPC_UNIT_GAS );
      if( dmg_sig_verify( auth.scheme, auth.key, dmg_hash_span( digest ), &s->sig ) ) { *out_weight += auth.weight; break; }
      *out_why = "a signature does not hold over H(\"dmg/message/v1\", message)";
      break;
    }
  }
  for( uint32_t i = 0; i<cnt && !*out_why; i++ ) if( !sigs[ i ].is_used ) *out_why = "a key is not, or not yet, one of the account's, or stands here twice";
  return DMG_OK;
}

bool dmg_rpc_do_account_verify_message( dmg_rpc_call_t * call ) {
  dmg_jv_t list = call->arg[ 2 ].json;
  message_sig_t sigs[ DMG_TX_SIG_MAX ] = { 0 };
  uint32_t cnt = dmg_jv_cnt( list ), i = 0, weight = 0;
  char const * why = NULL;
  dmg_query_view_t view;
  if( !cnt || cnt>DMG_TX_SIG_MAX ) return dmg_rpc_fail_param( call, "sigs", "1 to 16 signatures" );
  for( dmg_jv_t e = dmg_jv_first( list ); !dmg_jv_is_absent( e ); e = dmg_jv_next( list, e ), i++ ) if( !message_sig( call, e, i, &sigs[ i ] ) ) return false;
  if( !open_view( call, &call->arg[ 3 ], &view ) ) return false;
  /* A log-in or a transaction signs under another tag: neither can be passed off as a message (F9.6). */
  dmg_hash_t digest = dmg_h( DMG_TAG_MESSAGE, call->arg[ 1 ].bytes );
  uint8_t key[ DMG_KEY_MAX ];
  dmg_span_t bcs;
  dmg_item_account_t a = { 0 };
  dmg_err_t err = dmg_rpc_item( call, &view, DMG_ITEM_ACCOUNT, dmg_span( key, dmg_key_account( &call->arg[ 0 ].hash, key ) ), &bcs );
  if( !err && bcs.p ) {
    err = dmg_item_account_get( bcs, &a );
    if( !err ) err = weigh( call, &view, &digest, sigs, cnt, &weight, &why );
    if( !why && weight<a.t_use ) why = "the keys weigh less than the account asks for";
  } else why = "the account has no keys on chain: its first transaction brings them";
  if( !err ) {
    dmg_jw_t * w = call->out;
    dmg_jw_open( w, '{' );
    dmg_rpc_put_at( w, &view.at );
    dmg_put_kaddress( w, "address", &call->arg[ 0 ].hash );
    dmg_jw_kbool( w, "isValid", !why );
    dmg_jw_knum ( w, "weight", weight );
    if( bcs.p ) dmg_jw_knum ( w, "needed", a.t_use );
    if( why )  dmg_jw_kcstr( w, "why", why );
    dmg_jw_close( w, '}' );
  }
  close_view( call, &view );
  return err ? dmg_rpc_fail_err( call, err, "account" ) : true;
}
