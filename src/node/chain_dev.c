/* chain_dev: the cheats of a development chain (F2.5). */
#include "node/chain_int.h"
#include "base/os.h"
#include "codec/abi.h"
#include "crypto/sig.h"
#include "types/schema.h"

#include <stdio.h>
#include <stdlib.h>

#define FORWARD_MAX_MS ( 100ull*365*86400000 )   /* 100 years: clocks stay far from overflow */

static dmg_err_t d_mine( void * ctx, uint32_t blocks, uint64_t step_ms, dmg_at_block_t * out_head ) {
  dmg_chain_t * chain = ctx;
  if( step_ms>FORWARD_MAX_MS/( blocks+1u ) ) return DMG_ERR_INVALID;
  pthread_mutex_lock( &chain->lock );
  chain->mine_left   += blocks;
  chain->mine_step_ms = step_ms;
  pthread_cond_signal( &chain->wake );
  while( chain->mine_left && !chain->is_stopping ) pthread_cond_wait( &chain->made, &chain->lock );
  *out_head = (dmg_at_block_t){ .height = chain->head.block.height, .hash = chain->head.block.hash, .is_final = true };
  bool is_done = !chain->mine_left;
  pthread_mutex_unlock( &chain->lock );
  return is_done ? DMG_OK : DMG_ERR_STOPPED;
}

static dmg_err_t d_set_pace( void * ctx, dmg_pace_t pace ) {
  dmg_chain_t * chain = ctx;
  pthread_mutex_lock( &chain->lock );
  chain->pace = pace;
  dmg_txpool_stats_t stats;
  dmg_txpool_stats( chain->pool, &stats );
  chain->has_work = stats.pooled_cnt>0;
  pthread_cond_signal( &chain->wake );
  pthread_mutex_unlock( &chain->lock );
  return DMG_OK;
}

static dmg_err_t d_set_time( void * ctx, uint64_t time_ms ) {
  dmg_chain_t * chain = ctx;
  dmg_err_t err = DMG_ERR_INVALID;
  pthread_mutex_lock( &chain->lock );
  uint64_t wall = dmg_os_wall_ms();
  if( time_ms>chain->head.block.time_ms && time_ms<=wall+FORWARD_MAX_MS ) {
    chain->clock_offset_ms = (int64_t)( time_ms-wall );
    chain->clock_min_ms    = time_ms;
    err = DMG_OK;
  }
  pthread_mutex_unlock( &chain->lock );
  return err;
}

static dmg_err_t d_increase_time( void * ctx, uint64_t ms ) {
  if( ms>FORWARD_MAX_MS ) return DMG_ERR_INVALID;
  return d_set_time( ctx, dmg_chain_now_ms( ctx )+ms );
}

/* The block log cannot forget what is on disk: the next start would find the blocks above again (block_log.h). */
static dmg_err_t d_snapshot( void * ctx, uint32_t * out_id ) {
  dmg_chain_t * chain = ctx;
  uint32_t id = 0;
  if( chain->cfg.data_dir ) return DMG_ERR_UNSUPPORTED;
  pthread_mutex_lock( &chain->writing );
  /* What snapshots and reverts around each of many tests need one for: the same block, the same chain. */
  while( id<DMG_CHAIN_SNAPSHOT_MAX && !( chain->snapshots[ id ].is_used && dmg_hash_eq( &chain->snapshots[ id ].head.block.hash, &chain->head.block.hash ) ) ) id++;
  bool has_one = id<DMG_CHAIN_SNAPSHOT_MAX;
  if( !has_one ) for( id = 0; id<DMG_CHAIN_SNAPSHOT_MAX && chain->snapshots[ id ].is_used; ) id++;
  dmg_err_t err = has_one ? DMG_OK : id<DMG_CHAIN_SNAPSHOT_MAX ? dmg_state_snapshot( chain->state, &chain->snapshots[ id ].state ) : DMG_ERR_LIMIT;
  if( has_one ) *out_id = id;
  else if( !err ) {
    pthread_mutex_lock( &chain->lock );
    chain->snapshots[ id ].head    = chain->head;
    chain->snapshots[ id ].is_used = true;
    pthread_mutex_unlock( &chain->lock );
    *out_id = id;
  }
  pthread_mutex_unlock( &chain->writing );
  return err;
}

static dmg_err_t restore( dmg_chain_t * chain, dmg_chain_snapshot_t const * snap ) {
  dmg_chain_drop_view( chain );
  DMG_TRY( dmg_state_restore( chain->state, snap->state ) );
  DMG_TRY( dmg_block_log_rewind( chain->log, snap->head.block.height ) );
  dmg_signer_forget( chain->signer );   /* in memory only: the blocks above are gone with all who knew them */
  DMG_TRY( dmg_chain_adopt( chain, &snap->head, NULL ) );
  return dmg_chain_new_pool( chain );
}

static dmg_err_t d_revert( void * ctx, uint32_t id ) {
  dmg_chain_t * chain = ctx;
  /* No view may be open and no transaction in the middle of its admission. */
  pthread_rwlock_wrlock( &chain->readers );
  pthread_mutex_lock( &chain->writing );
  pthread_mutex_lock( &chain->lock );
  dmg_err_t err = id<DMG_CHAIN_SNAPSHOT_MAX && chain->snapshots[ id ].is_used ? DMG_OK : DMG_ERR_NOT_FOUND;
  if( !err ) {
    uint64_t height = chain->snapshots[ id ].head.block.height;
    /* Half of it would be neither chain. */
    if(( err = restore( chain, &chain->snapshots[ id ] ) )) dmg_chain_fatal( "dev_revert", err );
    for( uint32_t s = 0; s<DMG_CHAIN_SNAPSHOT_MAX; s++ ) {
      if( !chain->snapshots[ s ].is_used || chain->snapshots[ s ].head.block.height<=height ) continue;
      dmg_state_snapshot_free( chain->state, chain->snapshots[ s ].state );
      chain->snapshots[ s ].is_used = false;
    }
    chain->has_work      = false;
    chain->clock_min_ms  = 0;
    chain->override_cnt  = 0;
    chain->override_done = chain->override_seq;   /* whoever waits for one waits no more */
    dmg_buf_clear( &chain->pending );
  }
  pthread_mutex_unlock( &chain->lock );
  pthread_mutex_unlock( &chain->writing );
  pthread_rwlock_unlock( &chain->readers );
  return err;
}

/* The write goes beside the executor's, so a chain on disk, which replays blocks after a crash, cannot have it. */
static dmg_err_t d_set_balance( void * ctx, dmg_hash_t const * account, uint64_t sparks ) {
  dmg_chain_t * chain = ctx;
  if( chain->cfg.data_dir ) return DMG_ERR_UNSUPPORTED;
  if( sparks>DMG_SUPPLY_SPARKS ) return DMG_ERR_INVALID;
  pthread_mutex_lock( &chain->lock );
  uint32_t i = 0;
  while( i<chain->override_cnt && !dmg_hash_eq( &chain->overrides[ i ].account, account ) ) i++;
  dmg_err_t err = i<DMG_CHAIN_OVERRIDE_MAX ? DMG_OK : DMG_ERR_FULL;
  if( !err ) {
    chain->overrides[ i ].account = *account;
    chain->overrides[ i ].sparks  = sparks;
    if( i==chain->override_cnt ) chain->override_cnt++;
    uint64_t mine = ++chain->override_seq;
    pthread_cond_signal( &chain->wake );
    /* In manual mode it waits for dev_mine; else it is in the state when this returns. */
    while( chain->pace.kind!=DMG_PACE_MANUAL && chain->override_done<mine && !chain->is_stopping ) {
      struct timespec t;
      clock_gettime( CLOCK_MONOTONIC, &t );
      t.tv_sec += 1;
      pthread_cond_timedwait( &chain->made, &chain->lock, &t );
    }
  }
  pthread_mutex_unlock( &chain->lock );
  return err;
}

/* A transfer from node1's account, unordered so that it never waits for a nonce. */
static dmg_err_t d_faucet( void * ctx, dmg_hash_t const * account, uint64_t sparks, dmg_hash_t * out_tx_id ) {
  dmg_chain_t * chain = ctx;
  dmg_dev_account_t const * from = &chain->cfg.dev_accounts[ DMG_DEV_NODE1 ];
  dmg_query_view_t view;
  dmg_span_t abi_raw;
  dmg_abi_t const * abi;
  dmg_hash_t schema;
  if( !sparks || sparks>DMG_AMOUNT_MAX ) return DMG_ERR_INVALID;
  dmg_arena_t * arena = dmg_arena_new( 4<<20 );
  if( !arena ) return DMG_ERR_NOMEM;
  dmg_buf_t raw = dmg_buf( DMG_TX_SZ_MAX ), body = dmg_buf( DMG_TX_SZ_MAX );
  dmg_err_t err = chain->query.view_open( chain, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view );
  if( !err ) {
    err = dmg_runtime_abi( chain->runtime, view.handle, DMG_MODULE_BALANCES, arena, &abi_raw );
    chain->query.view_close( chain, &view );
  }
  if( !err && dmg_abi_decode( abi_raw, arena, &abi ).kind!=DMG_VERDICT_GOOD ) err = DMG_ERR_CORRUPT;
  dmg_abi_fn_t const * fn = err ? NULL : dmg_abi_call_named( abi, DMG_SPAN_STR( "transfer" ) );
  if( !err && !fn ) err = DMG_ERR_UNSUPPORTED;
  if( !err ) err = dmg_schema_hash( DMG_MODULE_BALANCES, fn, &schema );
  if( !err ) {
    uint8_t args[ 64 ], sig[ 64 ] = { 0 };
    dmg_bcs_wr_t w = dmg_bcs_wr( args, sizeof args );
    dmg_bcs_wr_fixed( &w, account->b, 32 );
    dmg_bcs_wr_u64( &w, sparks );
    dmg_bcs_wr_uleb( &w, 0 );
    dmg_tx_call_t call = { .module = DMG_MODULE_BALANCES, .call = fn->id, .schema = schema, .args = dmg_bcs_wr_span( &w ) };
    dmg_tx_sig_t  s    = { .scheme = DMG_SIG_ED25519, .key = dmg_span( from->key, 32 ), .sig = dmg_span( sig, 64 ) };
    dmg_tx_t tx = { .version = DMG_TX_VERSION, .chain = chain->chain_id, .sender = from->address, .lane = DMG_TX_LANE_UNORDERED, .gas = 500000, .fee_kind = DMG_FEE_ENERGY_THEN_FEE,
                    .fee_max = DMG_SPARKS_PER_CGT, .calls = &call, .call_cnt = 1, .auth = DMG_TX_AUTH_KEYS, .sigs = &s, .sig_cnt = 1 };
    pthread_mutex_lock( &chain->lock );
    tx.expiry = chain->head.block.height+240;
    pthread_mutex_unlock( &chain->lock );
    if( chain->cfg.is_seeded ) {
      pthread_mutex_lock( &chain->lock );
      tx.nonce = chain->faucet_seq++;
      pthread_mutex_unlock( &chain->lock );
    } else dmg_os_random( &tx.nonce, sizeof tx.nonce );
    err = dmg_tx_body_encode( &tx, &body );
    if( !err ) {
      tx.id = dmg_tx_id( dmg_buf_span( &body ) );
      dmg_ed25519_sign( from->secret, dmg_hash_span( &tx.id ), sig );
      err = dmg_tx_encode( &tx, &raw );
    }
  }
  if( !err ) {
    dmg_query_submit_t item = { .raw = dmg_buf_span( &raw ) };
    chain->query.tx_submit( chain, &item, 1 );
    err        = item.err;
    *out_tx_id = item.id;
  }
  dmg_buf_fini( &body );
  dmg_buf_fini( &raw );
  dmg_arena_free( arena );
  return err;
}

static uint32_t wanted( dmg_chain_t const * chain ) { return chain->cfg.dev_account_cnt ? chain->cfg.dev_account_cnt : DMG_DEV_ACCOUNT_CNT; }
static uint32_t d_account_cnt( void * ctx ) { return wanted( ctx )+1; }
static void     d_account( void * ctx, uint32_t idx, char const ** out_name, dmg_hash_t * out_address ) {
  dmg_chain_t const * chain = ctx;
  uint32_t at = 0;
  for( ;; at++ ) if( dmg_dev_account_is_there( at, wanted( chain ) ) && !idx-- ) break;
  dmg_dev_account_t const * a = &chain->cfg.dev_accounts[ at ];
  *out_name    = a->name;
  *out_address = a->address;
}

void dmg_chain_dev_fill( dmg_chain_t * chain ) {
  chain->query_dev = (dmg_query_dev_t){ .mine = d_mine, .set_pace = d_set_pace, .increase_time = d_increase_time, .set_time = d_set_time, .snapshot = d_snapshot, .revert = d_revert,
                                        .set_balance = d_set_balance, .faucet = d_faucet, .account_cnt = d_account_cnt, .account = d_account };
  chain->query.dev = &chain->query_dev;
}
