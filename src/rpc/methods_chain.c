/* chain_*: what chain this is, its blocks and their finality. */
#include "rpc/method.h"
#include "rpc/put.h"
#include "types/genesis.h"
#include "types/items.h"
#include "types/params.h"

#include <stdio.h>

/* The registry's entries, by ids (M1.9 #7). */
static bool put_modules( dmg_rpc_call_t * call, dmg_query_view_t const * view ) {
  dmg_jw_t * w = call->out;
  uint16_t ids[ 64 ];
  uint32_t cnt;
  dmg_err_t err = call->query->modules( call->query->ctx, view, ids, 64, &cnt );
  if( err ) return dmg_rpc_fail_err( call, err, "modules" );
  dmg_jw_key( w, "modules" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<cnt; i++ ) {
    uint8_t key[ DMG_KEY_MAX ];
    dmg_span_t bcs;
    dmg_item_module_t m;
    err = dmg_rpc_item( call, view, DMG_ITEM_MODULE, dmg_span( key, dmg_key_module( ids[ i ], key ) ), &bcs );
    if( !err ) err = dmg_item_module_get( bcs, &m );
    if( err ) return dmg_rpc_fail_err( call, err, "module" );
    dmg_jw_open( w, '{' );
    dmg_put_module( w, ids[ i ], &m );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  return true;
}

bool dmg_rpc_do_chain_info( dmg_rpc_call_t * call ) {
  dmg_query_chain_t c;
  dmg_jw_t * w = call->out;
  call->query->chain( call->query->ctx, &c );
  char hex[ 65 ], caip2[ 48 ];
  dmg_hex_encode( c.chain_id.b, 32, hex );
  snprintf( caip2, sizeof caip2, "demiurge:%.32s", hex );
  dmg_jw_open( w, '{' );
  dmg_jw_kcstr( w, "name", c.name );
  dmg_jw_kcstr( w, "kind", dmg_genesis_kind_name( c.kind ) );
  dmg_jw_khash( w, "chainId", &c.chain_id );
  dmg_jw_kcstr( w, "caip2", caip2 );
  dmg_jw_ku64 ( w, "genesisTimeMs", c.genesis_ms );
  dmg_jw_kcstr( w, "nodeVersion", DMG_VERSION );
  dmg_jw_khex ( w, "validatorKey", dmg_span( c.validator_key, sizeof c.validator_key ) );
  dmg_rpc_put_block( w, "head", &c.head );
  dmg_rpc_put_block( w, "final", &c.final );
  dmg_jw_ku64 ( w, "headTimeMs", c.head_ms );
  dmg_jw_ku64 ( w, "oldestHeight", c.oldest_height );
  dmg_jw_ku64 ( w, "price", c.price );
  dmg_jw_kbool( w, "isSupplyBroken", c.is_supply_broken );
  dmg_query_view_t view;
  dmg_err_t err = call->query->view_open( call->query->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view );
  if( err ) return dmg_rpc_fail_err( call, err, "head" );
  bool is_good = put_modules( call, &view );
  call->query->view_close( call->query->ctx, &view );
  dmg_jw_close( w, '}' );
  return is_good;
}

bool dmg_rpc_do_chain_head( dmg_rpc_call_t * call ) {
  dmg_query_chain_t c;
  dmg_jw_t * w = call->out;
  call->query->chain( call->query->ctx, &c );
  dmg_jw_open( w, '{' );
  dmg_rpc_put_block( w, "head", &c.head );
  dmg_rpc_put_block( w, "final", &c.final );
  dmg_jw_ku64( w, "timeMs", c.head_ms );
  dmg_jw_ku64( w, "price", c.price );
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_chain_stats( dmg_rpc_call_t * call ) {
  dmg_query_chain_t c;
  dmg_jw_t * w = call->out;
  call->query->chain( call->query->ctx, &c );
  dmg_jw_open( w, '{' );
  dmg_jw_ku64( w, "transactions", c.tx_cnt );
  dmg_jw_knum( w, "pooled", c.pooled_cnt );
  dmg_jw_ku64( w, "height", c.head.height );
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_chain_params( dmg_rpc_call_t * call ) {
  dmg_jw_t * w = call->out;
  dmg_query_view_t view;
  dmg_at_t at = call->arg[ 0 ].is_set ? call->arg[ 0 ].at : (dmg_at_t){ .kind = DMG_AT_HEAD };
  dmg_err_t err = call->query->view_open( call->query->ctx, &at, &view );
  if( err ) return dmg_rpc_fail_at( call, err, &at );
  dmg_jw_open( w, '{' );
  dmg_jw_key( w, "items" );
  dmg_jw_open( w, '[' );
  for( uint32_t p = 0; p<DMG_PARAM_CNT && !err; p++ ) {
    dmg_param_desc_t const * d = &dmg_param_desc[ p ];
    uint8_t key[ DMG_KEY_MAX ];
    dmg_span_t bcs;
    dmg_item_param_t item;
    uint64_t value = d->def;
    err = dmg_rpc_item( call, &view, DMG_ITEM_PARAM, dmg_span( key, dmg_key_param( d->module, d->key, key ) ), &bcs );
    if( !err && bcs.p ) {   /* a chain whose genesis does not name a parameter has the default */
      err = dmg_item_param_get( bcs, &item );
      if( !err && item.value.sz!=8 ) err = DMG_ERR_CORRUPT;
      if( !err ) value = dmg_load_u64le( item.value.p );
    }
    if( err ) break;
    dmg_jw_open( w, '{' );
    dmg_jw_knum ( w, "module", d->module );
    dmg_jw_knum ( w, "key", d->key );
    dmg_jw_kcstr( w, "name", d->name );
    dmg_jw_ku64 ( w, "value", value );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_rpc_put_at( w, &view.at );
  dmg_jw_close( w, '}' );
  call->query->view_close( call->query->ctx, &view );
  return err ? dmg_rpc_fail_err( call, err, "parameter" ) : true;
}

static bool get_block( dmg_rpc_call_t * call, dmg_at_t const * at, dmg_query_block_t * out ) {
  dmg_query_chain_t c;
  dmg_err_t err = call->query->block( call->query->ctx, at, call->arena, out );
  if( !err ) return true;
  call->query->chain( call->query->ctx, &c );
  bool is_genesis = at->kind==DMG_AT_HASH ? dmg_hash_eq( &at->hash, &c.chain_id ) : at->kind==DMG_AT_HEIGHT ? !at->height : !c.final.height;
  if( err==DMG_ERR_NOT_FOUND && is_genesis ) return dmg_rpc_fail( call, DMG_RPC_NOT_FOUND, NULL, "height 0 is the genesis, which has no header and no body; blocks begin at height 1" );
  return dmg_rpc_fail_err( call, err, "block" );
}

static bool get_block_arg( dmg_rpc_call_t * call, dmg_rpc_arg_t const * arg, dmg_query_block_t * out ) {
  return get_block( call, arg->is_set ? &arg->at : &(dmg_at_t){ .kind = DMG_AT_FINAL }, out );
}

static void put_finality( dmg_jw_t * w, dmg_span_t cert ) {
  dmg_jw_key( w, "finality" );
  if( cert.sz ) dmg_jw_hex( w, cert );
  else          dmg_jw_null( w );
}

bool dmg_rpc_do_chain_header( dmg_rpc_call_t * call ) {
  dmg_jw_t * w = call->out;
  dmg_query_block_t b;
  dmg_signed_header_t sh;
  if( !get_block_arg( call, &call->arg[ 0 ], &b ) ) return false;
  if( dmg_signed_header_decode( b.signed_header, &sh ).kind!=DMG_VERDICT_GOOD ) return dmg_rpc_fail_err( call, DMG_ERR_CORRUPT, "header" );
  dmg_jw_open( w, '{' );
  dmg_rpc_put_at( w, &b.at );
  dmg_jw_khex( w, "signedHeader", b.signed_header );
  put_finality( w, b.finality );
  dmg_jw_key( w, "fields" );
  dmg_put_header( w, &sh.header );
  dmg_jw_close( w, '}' );
  return true;
}

static uint64_t body_level( dmg_rpc_arg_t const * arg ) { return arg->is_set ? arg->u64 : DMG_RPC_BODY_LEVEL__IDS; }

bool dmg_rpc_put_block_answer( dmg_rpc_call_t * call, dmg_query_block_t const * b, uint64_t level ) {
  dmg_jw_t * w = call->out;
  dmg_signed_header_t sh;
  dmg_body_t * body;
  if( dmg_signed_header_decode( b->signed_header, &sh ).kind!=DMG_VERDICT_GOOD || dmg_body_decode( b->body, call->arena, &body ).kind!=DMG_VERDICT_GOOD )
    return dmg_rpc_fail_err( call, DMG_ERR_CORRUPT, "block" );
  dmg_jw_open( w, '{' );
  dmg_rpc_put_at( w, &b->at );
  dmg_jw_khex( w, "signedHeader", b->signed_header );
  put_finality( w, b->finality );
  dmg_jw_ku64( w, "timeMs", sh.header.time_ms );
  dmg_jw_knum( w, "txCount", body->tx_cnt );
  if( level>=DMG_RPC_BODY_LEVEL__IDS ) {
    dmg_jw_key( w, "ids" );
    dmg_jw_open( w, '[' );
    for( uint32_t i = 0; i<body->tx_cnt; i++ ) {
      dmg_tx_t * tx;
      if( dmg_tx_decode( body->txs[ i ], call->arena, &tx ).kind!=DMG_VERDICT_GOOD ) return dmg_rpc_fail_err( call, DMG_ERR_CORRUPT, "transaction" );
      dmg_jw_hex( w, dmg_hash_span( &tx->id ) );
    }
    dmg_jw_close( w, ']' );
  }
  if( level==DMG_RPC_BODY_LEVEL__FULL ) dmg_jw_khex( w, "body", b->body );
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_chain_block( dmg_rpc_call_t * call ) {
  dmg_query_block_t b;
  return get_block_arg( call, &call->arg[ 0 ], &b ) && dmg_rpc_put_block_answer( call, &b, body_level( &call->arg[ 1 ] ) );
}

bool dmg_rpc_do_chain_blocks( dmg_rpc_call_t * call ) {
  dmg_jw_t * w = call->out;
  uint64_t from = call->arg[ 0 ].u64, cnt = call->arg[ 1 ].is_set ? call->arg[ 1 ].u64 : 20;
  if( !cnt || cnt>100 ) return dmg_rpc_fail_param( call, "count", "1 to 100" );
  dmg_jw_open( w, '{' );
  dmg_jw_key( w, "items" );
  dmg_jw_open( w, '[' );
  uint64_t height = from;
  bool has_more = true;
  for( ; cnt && has_more && !w->is_full; cnt-- ) {
    dmg_query_block_t b;
    if( !dmg_rpc_in_time( call ) ) return false;
    dmg_rpc_charge( call, 1 );
    if( !get_block( call, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = height }, &b ) ) {
      if( call->fail.code!=DMG_RPC_NOT_FOUND || height==from ) return false;
      has_more = false;
    } else if( !dmg_rpc_put_block_answer( call, &b, body_level( &call->arg[ 2 ] ) ) ) return false;
    else height++;
  }
  dmg_jw_close( w, ']' );
  dmg_jw_key( w, "next" );
  if( has_more ) dmg_jw_u64( w, height );
  else           dmg_jw_null( w );
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_chain_finality( dmg_rpc_call_t * call ) {
  dmg_jw_t * w = call->out;
  dmg_query_block_t b;
  if( !get_block_arg( call, &call->arg[ 0 ], &b ) ) return false;
  dmg_jw_open( w, '{' );
  dmg_rpc_put_at( w, &b.at );
  put_finality( w, b.finality );
  dmg_jw_close( w, '}' );
  return true;
}

/* C7.1: what is known here: the running epoch, and the next one once its seed is final. */
bool dmg_rpc_do_chain_epoch( dmg_rpc_call_t * call ) {
  dmg_query_chain_t c;
  dmg_record_t r;
  dmg_set_t set;
  call->query->chain( call->query->ctx, &c );
  uint64_t epoch = call->arg[ 0 ].is_set ? call->arg[ 0 ].u64 : c.epoch;
  dmg_err_t err = epoch>UINT32_MAX ? DMG_ERR_NOT_FOUND : call->query->epoch( call->query->ctx, (uint32_t)epoch, &r, &set );
  if( err==DMG_ERR_NOT_FOUND ) return dmg_rpc_fail( call, DMG_RPC_NOT_FOUND, NULL, "the epoch is not known here: the running one is %u", c.epoch );
  if( err ) return dmg_rpc_fail_err( call, err, "epoch" );
  dmg_jw_t * w = call->out;
  dmg_jw_open( w, '{' );
  dmg_rpc_put_at( w, &c.head );
  dmg_jw_knum ( w, "epoch", r.epoch );
  dmg_jw_ku64 ( w, "firstHeight", r.first_height );
  dmg_jw_ku64 ( w, "lastHeight", r.last_height );
  dmg_jw_khash( w, "seed", &r.seed );
  dmg_jw_khash( w, "setHash", &r.set_hash );
  dmg_jw_key( w, "set" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<set.cnt; i++ ) {
    dmg_jw_open( w, '{' );
    dmg_jw_khex( w, "key", dmg_span( set.members[ i ].key, 96 ) );
    dmg_jw_ku64( w, "weight", set.members[ i ].weight );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, '}' );
  return true;
}
