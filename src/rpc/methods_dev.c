/* dev_*: cheats of a local development chain (F2.5); refused elsewhere by the dispatcher. */
#include "rpc/method.h"
#include "rpc/put.h"

static void put_head( dmg_rpc_call_t * call, dmg_at_block_t const * head ) {
  dmg_jw_open( call->out, '{' );
  dmg_rpc_put_at( call->out, head );
  dmg_jw_close( call->out, '}' );
}

static bool ok( dmg_rpc_call_t * call ) { dmg_jw_bool( call->out, true ); return true; }

bool dmg_rpc_do_dev_mine( dmg_rpc_call_t * call ) {
  dmg_at_block_t head;
  uint64_t blocks = call->arg[ 0 ].is_set ? call->arg[ 0 ].u64 : 1;
  if( !blocks || blocks>10000 ) return dmg_rpc_fail_param( call, "blocks", "1 to 10000" );
  dmg_err_t err = call->query->dev->mine( call->query->ctx, (uint32_t)blocks, call->arg[ 1 ].u64, &head );
  if( err ) return dmg_rpc_fail_err( call, err, "blocks" );
  put_head( call, &head );
  return true;
}

bool dmg_rpc_do_dev_set_blocks( dmg_rpc_call_t * call ) {
  dmg_span_t mode = call->arg[ 0 ].bytes;
  dmg_pace_t pace = { .kind = DMG_PACE_AUTO };
  if(      dmg_span_eq( mode, DMG_SPAN_STR( "auto" ) ) )   pace.kind = DMG_PACE_AUTO;
  else if( dmg_span_eq( mode, DMG_SPAN_STR( "manual" ) ) ) pace.kind = DMG_PACE_MANUAL;
  else if( mode.sz>2 && mode.sz<=7 && !memcmp( mode.p+mode.sz-2, "ms", 2 ) ) {
    pace.kind = DMG_PACE_MS;
    for( size_t i = 0; i<mode.sz-2; i++ ) {
      if( mode.p[ i ]<'0' || mode.p[ i ]>'9' ) return dmg_rpc_fail_param( call, "mode", "auto, manual or a pace like 250ms" );
      pace.pace_ms = pace.pace_ms*10+(uint32_t)( mode.p[ i ]-'0' );
    }
    if( pace.pace_ms<10 || pace.pace_ms>60000 ) return dmg_rpc_fail_param( call, "mode", "a pace from 10ms to 60000ms" );
  } else return dmg_rpc_fail_param( call, "mode", "auto, manual or a pace like 250ms" );
  dmg_err_t err = call->query->dev->set_pace( call->query->ctx, pace );
  return err ? dmg_rpc_fail_err( call, err, "pace" ) : ok( call );
}

bool dmg_rpc_do_dev_increase_time( dmg_rpc_call_t * call ) {
  dmg_err_t err = call->query->dev->increase_time( call->query->ctx, call->arg[ 0 ].u64 );
  return err ? dmg_rpc_fail( call, DMG_RPC_INVALID_INPUT, NULL, "time goes forward only, and at most 100 years at once" ) : ok( call );
}

bool dmg_rpc_do_dev_set_time( dmg_rpc_call_t * call ) {
  dmg_err_t err = call->query->dev->set_time( call->query->ctx, call->arg[ 0 ].u64 );
  return err ? dmg_rpc_fail( call, DMG_RPC_INVALID_INPUT, NULL, "time goes forward only: the time must lie after the head's, at most 100 years" ) : ok( call );
}

bool dmg_rpc_do_dev_snapshot( dmg_rpc_call_t * call ) {
  uint32_t id;
  dmg_err_t err = call->query->dev->snapshot( call->query->ctx, &id );
  if( err==DMG_ERR_UNSUPPORTED ) return dmg_rpc_fail( call, DMG_RPC_METHOD_DISABLED, NULL, "snapshots need the memory backend: start `demiurge dev` without --data" );
  if( err ) return dmg_rpc_fail_err( call, err, "snapshot" );
  dmg_jw_open( call->out, '{' );
  dmg_jw_knum( call->out, "id", id );
  dmg_jw_close( call->out, '}' );
  return true;
}

bool dmg_rpc_do_dev_revert( dmg_rpc_call_t * call ) {
  dmg_err_t err = call->query->dev->revert( call->query->ctx, (uint32_t)call->arg[ 0 ].u64 );
  return err ? dmg_rpc_fail_err( call, err, "snapshot" ) : ok( call );
}

bool dmg_rpc_do_dev_set_balance( dmg_rpc_call_t * call ) {
  dmg_err_t err = call->query->dev->set_balance( call->query->ctx, &call->arg[ 0 ].hash, call->arg[ 1 ].u64 );
  if( err==DMG_ERR_UNSUPPORTED ) return dmg_rpc_fail( call, DMG_RPC_METHOD_DISABLED, NULL, "setting a balance needs the memory backend: start `demiurge dev` without --data" );
  return err ? dmg_rpc_fail_err( call, err, "balance" ) : ok( call );
}

bool dmg_rpc_do_dev_faucet( dmg_rpc_call_t * call ) {
  dmg_hash_t id;
  uint64_t amount = call->arg[ 1 ].is_set ? call->arg[ 1 ].u64 : 1000ull*DMG_SPARKS_PER_CGT;
  dmg_err_t err = call->query->dev->faucet( call->query->ctx, &call->arg[ 0 ].hash, amount, &id );
  if( err ) return dmg_rpc_fail_err( call, err, "faucet" );
  dmg_jw_open( call->out, '{' );
  dmg_jw_khash( call->out, "id", &id );
  dmg_jw_close( call->out, '}' );
  return true;
}

bool dmg_rpc_do_dev_accounts( dmg_rpc_call_t * call ) {
  dmg_jw_t * w = call->out;
  dmg_jw_open( w, '{' );
  dmg_jw_key( w, "items" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<call->query->dev->account_cnt( call->query->ctx ); i++ ) {
    char const * name;
    dmg_hash_t address;
    call->query->dev->account( call->query->ctx, i, &name, &address );
    dmg_jw_open( w, '{' );
    dmg_jw_kcstr( w, "name", name );
    dmg_put_kaddress( w, "address", &address );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, '}' );
  return true;
}
