#include "runtime/exec_int.h"
#include "base/assert.h"
#include "types/asset.h"

/* A sentence for whoever asked. */
static void
explain( dmg_exec_t const * x, dmg_exec_why_t * why ) {
  dmg_exec_run_t const * tx = &x->tx;
  switch( (dmg_status_t)tx->status ) {
  case DMG_STATUS_OK:            return;
  case DMG_STATUS_VOID: {
    char have[ DMG_AMOUNT_TEXT_SZ ], want[ DMG_AMOUNT_TEXT_SZ ];
    dmg_amount_text( tx->void_have, have );
    dmg_amount_text( tx->void_want, want );
    if( tx->code==DMG_VOID_FEE || tx->code==DMG_VOID_BALANCE ) dmg_why( why, "%s: %s, at least %s is needed", dmg_void_text( tx->code ), have, want );
    else                                                       dmg_why( why, "%s", dmg_void_text( tx->code ) );
    return;
  }
  case DMG_STATUS_FAULT: {
    dmg_mod_t const *       mod   = dmg_reg_find( x->set, tx->module );
    dmg_abi_fault_t const * fault = mod ? dmg_abi_fault( mod->code->abi, (uint16_t)tx->code ) : NULL;
    if( fault ) dmg_why( why, "call %u: %.*s answers %.*s", tx->call, DMG_SPAN_F( mod->code->abi->name ), DMG_SPAN_F( fault->name ) );
    else dmg_why( why, "call %u: fault %u of module %u", tx->call, tx->code, tx->module );
    return;
  }
  case DMG_STATUS_POSTCONDITION: dmg_why( why, "post-condition %u does not hold", tx->code ); return;
  case DMG_STATUS_TRAP: case DMG_STATUS_NO_GAS: case DMG_STATUS_NO_STACK: case DMG_STATUS_HOST:
    dmg_why( why, "%s in module %u (code %u)", dmg_status_text( tx->status ), tx->module, tx->code );
    return;
  default:                       dmg_why( why, "%s", dmg_status_text( tx->status ) ); return;
  }
}

static dmg_err_t
preview_run( dmg_exec_t * x, dmg_tx_t const * tx, uint32_t index, dmg_preview_t * out ) {
  dmg_exec_begin( x, tx, index );
  DMG_TRY( dmg_exec_tx( x ) );
  out->tx = (dmg_exec_tx_t){ .id = tx->id, .status = x->tx.status, .code = x->tx.code, .gas_used = x->tx.used, .gas_billed = x->tx.billed, .fee = x->tx.fee, .tip = x->tx.tip };
  if( x->tx.status==DMG_STATUS_VOID ) out->reason = (dmg_void_t)x->tx.code;
  explain( x, &out->why );
  out->intrinsic  = dmg_tx_intrinsic_gas( tx, tx->raw.sz );
  out->price      = x->price;
  out->gas_to_set = x->tx.used+( x->tx.used+4 )/5;   /* R6.1 */
  out->fee_at_set = dmg_fee_of( out->intrinsic+out->gas_to_set, x->price )+tx->tip;
  DMG_TRY( dmg_outcome_hash( x, &out->outcome ) );
  out->flows    = DMG_ARENA_NEW( x->arena, dmg_flow_t, x->tx.flow_cnt );
  out->flow_cnt = x->tx.flow_cnt;
  if( !out->flows ) return DMG_ERR_NOMEM;
  if( out->flow_cnt ) memcpy( out->flows, x->tx.flows, out->flow_cnt*sizeof( *out->flows ) );   /* assets are static bytes */
  return dmg_exec_receipt( x, &out->tx.receipt );
}

/* Each on the state that those before it leave. */
static dmg_err_t
preview_stack( dmg_exec_t * x, dmg_tx_t * const * txs, size_t tx_cnt, dmg_preview_t * out ) {
  dmg_exec_out_t sums = { 0 };
  dmg_span_t     receipt;
  dmg_err_t      err  = DMG_OK;
  x->out = &sums;
  for( size_t i=0; i<tx_cnt && !err; i++ ) {
    dmg_tx_t asked = *txs[ i ];   /* x holds on to it until the commit */
    if( asked.gas>x->params.v[ DMG_PARAM_BLOCK_GAS ] ) asked.gas = x->params.v[ DMG_PARAM_BLOCK_GAS ];
    err = preview_run( x, &asked, (uint32_t)i, &out[ i ] );
    if( !err && i+1<tx_cnt && x->tx.status!=DMG_STATUS_VOID ) err = dmg_exec_commit( x, &receipt );
    x->tx.tx = NULL;
  }
  x->out = NULL;
  return err;
}

dmg_err_t
dmg_runtime_preview_stack( dmg_runtime_t * rt, dmg_view_t * view, dmg_block_ctx_t const * ctx, dmg_tx_t * const * txs, size_t tx_cnt, dmg_preview_opts_t const * opts, dmg_arena_t * arena,
                           dmg_preview_t * out ) {
  static dmg_preview_opts_t const none = { 0 };
  dmg_worker_t * w;
  dmg_exec_t     x;
  DMG_ASSERT( tx_cnt && tx_cnt<=DMG_PREVIEW_STACK_MAX );
  dmg_preview_t res[ DMG_PREVIEW_STACK_MAX ] = { 0 };
  DMG_TRY( dmg_worker_take( rt, &w ) );
  dmg_err_t err = dmg_exec_open( &x, rt, w, view, ctx, arena );
  if( !err ) {
    x.opts = opts ? opts : &none;
    err = preview_stack( &x, txs, tx_cnt, res );
  }
  dmg_worker_give( rt, w );
  if( !err ) memcpy( out, res, tx_cnt*sizeof( *out ) );
  return err;
}

dmg_err_t
dmg_runtime_preview( dmg_runtime_t * rt, dmg_view_t * view, dmg_block_ctx_t const * ctx, dmg_tx_t const * tx, dmg_preview_opts_t const * opts, dmg_arena_t * arena, dmg_preview_t * out ) {
  dmg_tx_t * one = (dmg_tx_t *)(uintptr_t)tx;   /* not written to */
  return dmg_runtime_preview_stack( rt, view, ctx, &one, 1, opts, arena, out );
}
