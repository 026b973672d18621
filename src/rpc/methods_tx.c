/* tx_*: submitting, following and reading transactions (F4.2, F4.4). */
#include "rpc/abi_json.h"
#include "rpc/method.h"
#include "rpc/put.h"
#include "types/schema.h"

#include <stdio.h>

static bool fail_rejected( dmg_rpc_call_t * call, dmg_query_why_t const * why ) {
  dmg_rpc_fail( call, DMG_RPC_TX_REJECTED, NULL, "%s", why->text );
  dmg_rpc_fail_data( call, "\"reason\":\"%s\"", why->name );
  return false;
}

/* F3.3: 10 a signature, of which the method's cost holds one. */
static void charge_signatures( dmg_rpc_call_t * call ) {
  dmg_tx_t * tx;
  if( !call->who.is_free && dmg_tx_decode( call->arg[ 0 ].bytes, call->arena, &tx ).kind==DMG_VERDICT_GOOD && tx->sig_cnt ) dmg_rpc_charge( call, 10*( (uint64_t)tx->sig_cnt-1u ) );
}

bool dmg_rpc_do_tx_submit( dmg_rpc_call_t * call ) {
  charge_signatures( call );
  dmg_query_submit_t one = { .raw = call->arg[ 0 ].bytes };
  dmg_query_submit_t const * it = call->submitted;
  if( !it ) {
    call->query->tx_submit( call->query->ctx, &one, 1 );
    it = &one;
  }
  if( it->err==DMG_ERR_INVALID || it->err==DMG_ERR_FULL ) return fail_rejected( call, &it->why );
  if( it->err ) return dmg_rpc_fail_err( call, it->err, "transaction" );
  dmg_jw_open( call->out, '{' );
  dmg_jw_khash( call->out, "id", &it->id );
  dmg_jw_key( call->out, "status" );
  dmg_put_status( call->out, &it->status );
  dmg_jw_close( call->out, '}' );
  return true;
}

bool dmg_rpc_do_tx_status( dmg_rpc_call_t * call ) {
  dmg_jv_t ids = call->arg[ 0 ].json;
  dmg_jw_t * w = call->out;
  if( dmg_jv_cnt( ids )>100 ) return dmg_rpc_fail( call, DMG_RPC_LIMIT_EXCEEDED, NULL, "at most 100 ids, got %u", dmg_jv_cnt( ids ) );
  dmg_jw_open( w, '{' );
  dmg_jw_key( w, "items" );
  dmg_jw_open( w, '[' );
  for( dmg_jv_t e = dmg_jv_first( ids ); !dmg_jv_is_absent( e ); e = dmg_jv_next( ids, e ) ) {
    dmg_hash_t id;
    dmg_query_tx_status_t status;
    if( !dmg_jv_hash( e, &id ) ) return dmg_rpc_fail_param( call, "ids", "0x hex of 32 bytes each" );
    dmg_err_t err = call->query->tx_status( call->query->ctx, &id, &status );
    if( err ) return dmg_rpc_fail_err( call, err, "status" );
    dmg_jw_open( w, '{' );
    dmg_jw_khash( w, "id", &id );
    dmg_jw_key( w, "status" );
    dmg_put_status( w, &status );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, '}' );
  return true;
}

static bool decode( dmg_rpc_call_t * call, dmg_span_t raw, dmg_tx_t ** out ) {
  dmg_verdict_t v = dmg_tx_decode( raw, call->arena, out );
  if( v.kind==DMG_VERDICT_GOOD ) return true;
  char text[ DMG_VERDICT_TEXT_MAX ];
  dmg_verdict_print( &v, text, sizeof text );
  return dmg_rpc_fail( call, DMG_RPC_INVALID_INPUT, NULL, "not a transaction: %s", text );
}

bool dmg_rpc_do_tx_get( dmg_rpc_call_t * call ) {
  dmg_jw_t * w = call->out;
  dmg_span_t raw, receipt;
  dmg_query_tx_status_t status;
  dmg_tx_t * tx;
  dmg_err_t err = call->query->tx( call->query->ctx, &call->arg[ 0 ].hash, call->arena, &raw, &receipt, &status );
  if( err ) return dmg_rpc_fail_err( call, err, "transaction" );
  if( !decode( call, raw, &tx ) ) return false;
  dmg_jw_open( w, '{' );
  dmg_jw_khash( w, "id", &call->arg[ 0 ].hash );
  dmg_jw_khex( w, "tx", raw );
  dmg_jw_key( w, "status" );
  dmg_put_status( w, &status );
  dmg_jw_key( w, "receipt" );
  if( receipt.sz ) dmg_jw_hex( w, receipt );
  else             dmg_jw_null( w );
  dmg_jw_key( w, "fields" );
  dmg_put_tx( w, tx );
  dmg_jw_close( w, '}' );
  return true;
}

/* A call with its arguments by the module's interface, as dmg_rpc_put_event does it. */
static void put_call( dmg_rpc_abis_t * abis, dmg_tx_call_t const * c ) {
  dmg_jw_t * w = abis->call->out;
  dmg_abi_t const * abi = dmg_rpc_abi_of( abis, c->module );
  dmg_abi_fn_t const * fn = abi ? dmg_abi_call( abi, c->call ) : NULL;
  dmg_jw_open( w, '{' );
  dmg_jw_knum( w, "module", c->module );
  dmg_jw_knum( w, "call", c->call );
  if( abi ) { dmg_jw_key( w, "moduleName" ); dmg_jw_str( w, abi->name ); }
  if( fn && !dmg_type_validate( fn->args, c->args, NULL ) ) {
    dmg_bcs_rd_t rd = dmg_bcs_rd( c->args );
    dmg_jw_key( w, "name" );
    dmg_jw_str( w, fn->name );
    dmg_jw_key( w, "args" );
    dmg_abi_json_print( fn->args, &rd, w );
  }
  dmg_jw_khex( w, "data", c->args );
  dmg_jw_close( w, '}' );
}

/* Calls and events by the interfaces of the state after their block; where that is not held any more, by those of the head. */
static bool put_deeds( dmg_rpc_call_t * call, uint64_t height, dmg_tx_t const * tx, dmg_receipt_t const * r ) {
  dmg_jw_t * w = call->out;
  dmg_query_view_t view;
  dmg_err_t err = call->query->view_open( call->query->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = height }, &view );
  if( err ) err = call->query->view_open( call->query->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view );
  if( err ) return dmg_rpc_fail_err( call, err, "head" );
  dmg_rpc_abis_t abis = { .call = call, .view = &view };
  dmg_jw_key( w, "calls" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<tx->call_cnt; i++ ) put_call( &abis, &tx->calls[ i ] );
  dmg_jw_close( w, ']' );
  dmg_jw_key( w, "events" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<r->event_cnt; i++ ) dmg_rpc_put_event( &abis, &r->events[ i ], NULL );
  dmg_jw_close( w, ']' );
  call->query->view_close( call->query->ctx, &view );
  return true;
}

bool dmg_rpc_do_tx_receipt( dmg_rpc_call_t * call ) {
  dmg_jw_t * w = call->out;
  dmg_span_t raw, receipt;
  dmg_query_tx_status_t status;
  dmg_query_block_t block;
  dmg_receipt_t * r;
  dmg_tx_t * tx;
  dmg_err_t err = call->query->tx( call->query->ctx, &call->arg[ 0 ].hash, call->arena, &raw, &receipt, &status );
  if( err ) return dmg_rpc_fail_err( call, err, "transaction" );
  if( !receipt.sz ) return dmg_rpc_fail( call, DMG_RPC_NOT_FOUND, NULL, "the transaction is not in a block yet: no receipt" );
  err = call->query->block( call->query->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = status.height }, call->arena, &block );
  if( err ) return dmg_rpc_fail_err( call, err, "block" );
  if( dmg_receipt_decode( receipt, call->arena, &r ).kind!=DMG_VERDICT_GOOD ) return dmg_rpc_fail_err( call, DMG_ERR_CORRUPT, "receipt" );
  if( dmg_tx_decode( raw, call->arena, &tx ).kind!=DMG_VERDICT_GOOD ) return dmg_rpc_fail_err( call, DMG_ERR_CORRUPT, "transaction" );
  dmg_jw_open( w, '{' );
  dmg_rpc_put_at( w, &block.at );
  dmg_jw_knum( w, "index", status.index );
  dmg_put_kaddress( w, "sender", &tx->sender );
  if( !put_deeds( call, status.height, tx, r ) ) return false;
  dmg_jw_khex( w, "receipt", receipt );
  dmg_jw_key( w, "fields" );
  dmg_put_receipt( w, r );
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_tx_estimate( dmg_rpc_call_t * call ) {
  dmg_jw_t * w = call->out;
  dmg_query_preview_t p;
  dmg_query_why_t why = { .name = "" };
  dmg_at_block_t at;
  dmg_tx_t * tx;
  if( !decode( call, call->arg[ 0 ].bytes, &tx ) ) return false;
  dmg_err_t err = call->query->tx_preview( call->query->ctx, &call->arg[ 0 ].bytes, 1, false, call->arena, &p, &at, &why );
  if( err==DMG_ERR_INVALID ) return fail_rejected( call, &why );
  if( err ) return dmg_rpc_fail_err( call, err, "transaction" );
  dmg_jw_open( w, '{' );
  dmg_rpc_charge( call, p.gas_used/DMG_RPC_UNIT_GAS );
  dmg_jw_kcstr( w, "status", dmg_status_name( p.status ) );
  if( p.status!=DMG_STATUS_OK ) dmg_jw_kcstr( w, "error", p.why.text );
  dmg_jw_ku64( w, "gas", p.gas_to_set );
  dmg_jw_ku64( w, "gasUsed", p.gas_used );
  dmg_jw_ku64( w, "intrinsic", p.intrinsic );
  dmg_jw_ku64( w, "price", p.price );
  dmg_jw_ku64( w, "energy", 0 );
  dmg_jw_ku64( w, "fee", p.fee_at_set );
  dmg_jw_khex( w, "receipt", p.receipt );
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_tx_decode( dmg_rpc_call_t * call ) {
  dmg_tx_t * tx;
  if( !decode( call, call->arg[ 0 ].bytes, &tx ) ) return false;
  dmg_put_tx( call->out, tx );
  return true;
}

bool dmg_rpc_do_tx_schema( dmg_rpc_call_t * call ) {
  dmg_query_view_t view;
  uint16_t id;
  dmg_abi_t const * abi;
  uint32_t number;
  dmg_jv_t ref = call->arg[ 1 ].json;
  dmg_err_t err = call->query->view_open( call->query->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view );
  if( err ) return dmg_rpc_fail_err( call, err, "block" );
  bool is_good = dmg_rpc_module_id( call, &view, call->arg[ 0 ].json, &id, &abi );
  call->query->view_close( call->query->ctx, &view );
  if( !is_good ) return false;
  dmg_abi_fn_t const * fn = dmg_jv_u32( ref, &number ) ? ( number<=UINT16_MAX ? dmg_abi_call( abi, (uint16_t)number ) : NULL ) : dmg_abi_call_named( abi, dmg_jv_text( ref ) );
  if( !fn ) return dmg_rpc_fail( call, DMG_RPC_NOT_FOUND, NULL, "module %.*s has no such call", DMG_SPAN_F( abi->name ) );
  dmg_hash_t schema;
  err = dmg_schema_hash( id, fn, &schema );
  if( err ) return dmg_rpc_fail_err( call, err, "schema" );
  dmg_jw_t * w = call->out;
  dmg_jw_open( w, '{' );
  dmg_jw_knum( w, "module", id );
  dmg_jw_knum( w, "call", fn->id );
  dmg_jw_key( w, "name" );
  dmg_jw_str( w, fn->name );
  dmg_jw_khash( w, "schema", &schema );
  dmg_jw_key( w, "says" );
  dmg_jw_str( w, fn->says );
  dmg_jw_ku64( w, "gas", fn->gas );
  dmg_jw_key( w, "args" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<fn->args->field_cnt; i++ ) {
    char text[ 256 ];
    dmg_abi_json_type_text( fn->args->fields[ i ].type, text, sizeof text );
    dmg_jw_open( w, '{' );
    dmg_jw_key( w, "name" );
    dmg_jw_str( w, fn->args->fields[ i ].name );
    dmg_jw_kcstr( w, "type", text );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_tx_nonces( dmg_rpc_call_t * call ) {
  dmg_jw_t * w = call->out;
  dmg_jv_t lanes = call->arg[ 1 ].json;
  uint32_t lane[ 64 ] = { 0 }, cnt = 1;
  if( call->arg[ 1 ].is_set ) {
    if( !dmg_jv_cnt( lanes ) || dmg_jv_cnt( lanes )>64 ) return dmg_rpc_fail_param( call, "lanes", "1 to 64 lanes" );
    cnt = 0;
    for( dmg_jv_t e = dmg_jv_first( lanes ); !dmg_jv_is_absent( e ); e = dmg_jv_next( lanes, e ) )
      if( !dmg_jv_u32( e, &lane[ cnt ] ) || lane[ cnt++ ]>=DMG_TX_LANE_CNT ) return dmg_rpc_fail_param( call, "lanes", "numbers from 0 to 1023" );
  }
  dmg_jw_open( w, '{' );
  dmg_put_kaddress( w, "address", &call->arg[ 0 ].hash );
  dmg_jw_key( w, "lanes" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<cnt; i++ ) {
    uint64_t state, next;
    dmg_err_t err = call->query->nonce( call->query->ctx, &call->arg[ 0 ].hash, (uint16_t)lane[ i ], &state, &next );
    if( err ) return dmg_rpc_fail_err( call, err, "nonce" );
    dmg_jw_open( w, '{' );
    dmg_jw_knum( w, "lane", lane[ i ] );
    dmg_jw_ku64( w, "state", state );
    dmg_jw_ku64( w, "next", next );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_tx_pool( dmg_rpc_call_t * call ) {
  dmg_query_chain_t c;
  call->query->chain( call->query->ctx, &c );
  dmg_jw_open( call->out, '{' );
  dmg_jw_knum( call->out, "total", c.pooled_cnt );
  dmg_jw_close( call->out, '}' );
  return true;
}
