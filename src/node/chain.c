#include "node/chain_int.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"
#include "crypto/bls.h"
#include "crypto/kdf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void (* dmg_chain_hook)( dmg_chain_step_t step, uint64_t height, dmg_hash_t const * hash );
static void hook( dmg_chain_step_t step, uint64_t height, dmg_hash_t const * hash ) { if( dmg_chain_hook ) dmg_chain_hook( step, height, hash ); }

_Noreturn void dmg_chain_fatal( char const * what, dmg_err_t err ) {
  DMG_LOG_ERROR( "chain_stopped", "%s: %s; stopping at once", what, dmg_err_text( err ) );
  _exit( 1 );
}

uint64_t dmg_chain_clock_ms( dmg_chain_t const * chain ) {
  if( chain->pace.kind!=DMG_PACE_MANUAL ) return dmg_os_wall_ms()+(uint64_t)chain->clock_offset_ms;
  return chain->clock_min_ms>chain->head.block.time_ms ? chain->clock_min_ms : chain->head.block.time_ms;
}

uint64_t dmg_chain_now_ms( dmg_chain_t * chain ) {
  pthread_mutex_lock( &chain->lock );
  uint64_t now = dmg_chain_clock_ms( chain );
  pthread_mutex_unlock( &chain->lock );
  return now;
}

/* ---- Events ---- */

typedef struct { dmg_hash_t id; dmg_txpool_status_t status; } pending_t;

/* Called by the pool from inside its functions, so under `lock`. */
static void watch( void * ctx, dmg_hash_t const * id, dmg_txpool_status_t const * status ) {
  dmg_chain_t * chain = ctx;
  pending_t p = { .id = *id, .status = *status };
  if( chain->events.on_tx && dmg_buf_append( &chain->pending, &p, sizeof p ) ) DMG_LOG_WARN( "events_lost", "more than %zu bytes of events wait: a stream may miss a status", chain->pending.max );
}

void dmg_chain_flush_events( dmg_chain_t * chain ) {
  pthread_mutex_lock( &chain->sending );
  pthread_mutex_lock( &chain->lock );
  dmg_buf_t all = chain->pending;
  chain->pending = dmg_buf( DMG_CHAIN_EVENTS_SZ_MAX );
  pthread_mutex_unlock( &chain->lock );
  for( size_t at = 0; at+sizeof( pending_t )<=all.sz; at += sizeof( pending_t ) ) {
    pending_t p;
    dmg_query_tx_status_t status;
    memcpy( &p, all.p+at, sizeof p );
    dmg_chain_status( &p.status, &status );
    chain->events.on_tx( chain->events.ctx, &p.id, &status );
  }
  pthread_mutex_unlock( &chain->sending );
  dmg_buf_fini( &all );
}

/* ---- The head ---- */

static dmg_txpool_head_t pool_head( dmg_chain_t const * chain ) {
  return (dmg_txpool_head_t){ .height = chain->head.block.height, .time_ms = chain->head.block.time_ms, .price = chain->head.price, .params = chain->params };
}

void dmg_chain_drop_view( dmg_chain_t * chain ) {
  dmg_runtime_checker_close( chain->checker );
  dmg_view_close( chain->head_view );
  chain->checker   = NULL;
  chain->head_view = NULL;
}

dmg_err_t dmg_chain_adopt( dmg_chain_t * chain, dmg_chain_head_t const * head, dmg_exec_out_t const * writes ) {
  dmg_view_t * view;
  DMG_TRY( dmg_state_view( chain->state, &head->block.hash, &view ) );
  dmg_chain_drop_view( chain );
  chain->head_view = view;
  chain->head      = *head;
  if( writes ) dmg_head_cache_on_block( chain->head_cache, writes->writes, writes->write_cnt );
  else         dmg_head_cache_clear( chain->head_cache );
  dmg_arena_reset( chain->pool_arena );
  return dmg_runtime_params( view, chain->pool_arena, &chain->params, &chain->head.price );
}

dmg_err_t dmg_chain_new_pool( dmg_chain_t * chain ) {
  dmg_txpool_cfg_t cfg = dmg_txpool_cfg_default( &chain->chain_id );
  dmg_os_random( &cfg.hash_seed, sizeof cfg.hash_seed );
  cfg.watch_ctx = chain;
  cfg.watch     = watch;
  dmg_txpool_t * pool = dmg_txpool_new( &cfg );
  if( !pool ) return DMG_ERR_NOMEM;
  dmg_txpool_free( chain->pool );
  chain->pool = pool;
  dmg_txpool_head_t head = pool_head( chain );
  return dmg_txpool_set_head( pool, &chain->pool_state, &head, dmg_os_wall_ms() );
}

/* ---- Blocks ---- */

static dmg_block_ctx_t block_ctx( dmg_chain_t * chain, uint64_t height, uint64_t time_ms ) {
  dmg_block_ctx_t c = { .height = height, .time_ms = time_ms, .epoch = 0, .chain_id = chain->chain_id, .leader = chain->leader };
  c.has_reveal = dmg_solo_is_window_first( &chain->solo, height );
  dmg_solo_reveal( &chain->solo, height, c.reveal );
  return c;
}

/* dev_setBalance: the write set with some accounts' Free overridden; both stay ascending.  Adds what that puts into the
   supply to *io_off (F2.5). */
static void override_writes( dmg_chain_t * chain, dmg_view_t * view, dmg_exec_out_t * out, dmg_i128_t * io_off ) {
  struct { dmg_hash_t account; uint64_t sparks; } todo[ DMG_CHAIN_OVERRIDE_MAX ];
  pthread_mutex_lock( &chain->lock );
  uint32_t cnt = chain->override_cnt;
  memcpy( todo, chain->overrides, sizeof todo );
  chain->override_cnt   = 0;
  chain->override_taken = chain->override_seq;
  pthread_mutex_unlock( &chain->lock );
  if( !cnt ) return;
  dmg_write_t * writes = dmg_arena_calloc( chain->arena, out->write_cnt+cnt, sizeof *writes );
  if( !writes ) dmg_chain_fatal( "dev_setBalance", DMG_ERR_LIMIT );
  if( out->write_cnt ) memcpy( writes, out->writes, out->write_cnt*sizeof *writes );
  size_t n = out->write_cnt;
  for( uint32_t i = 0; i<cnt; i++ ) {
    uint8_t key[ DMG_KEY_MAX ], value[ DMG_COUNTER_V_MAX ];
    dmg_write_t w = { .is_delete = !todo[ i ].sparks };
    w.key = dmg_arena_dup( chain->arena, dmg_span( key, dmg_key_free( &todo[ i ].account, key ) ) );
    if( !w.key.p ) dmg_chain_fatal( "dev_setBalance", DMG_ERR_LIMIT );
    size_t at = 0;
    while( at<n && dmg_span_cmp( writes[ at ].key, w.key )<0 ) at++;
    /* What stands there after this block's transactions; its deposit stays whose it is. */
    dmg_deposit_rec_t deposit = { 0 };
    dmg_span_t old = { 0 };
    uint64_t old_sparks = 0;
    bool is_written = at<n && dmg_span_eq( writes[ at ].key, w.key );
    dmg_err_t err = DMG_OK;
    if( !is_written )                    err = dmg_view_get( view, w.key, chain->arena, &old );
    else if( writes[ at ].is_delete )    err = DMG_ERR_NOT_FOUND;
    else                                 old = writes[ at ].value;
    if( !err ) err = dmg_counter_parse( old, true, &deposit, &old_sparks );
    if( err && err!=DMG_ERR_NOT_FOUND ) dmg_chain_fatal( "dev_setBalance", err );
    *io_off += (dmg_i128_t)todo[ i ].sparks-(dmg_i128_t)old_sparks;
    w.value = dmg_arena_dup( chain->arena, dmg_span( value, dmg_counter_build( true, 1, &deposit, todo[ i ].sparks, value ) ) );
    if( !w.value.p ) dmg_chain_fatal( "dev_setBalance", DMG_ERR_LIMIT );
    if( !is_written ) { memmove( writes+at+1, writes+at, ( n-at )*sizeof *writes ); n++; }
    writes[ at ] = w;
  }
  out->writes    = writes;
  out->write_cnt = n;
}

typedef struct { dmg_header_t const * header; dmg_hash_t hash; dmg_hash_t const * tx_ids; uint32_t tx_cnt; dmg_exec_out_t * exec; dmg_view_t * view; } executed_t;

/* Repeated: no effect. */
static dmg_err_t append_receipts( dmg_chain_t * chain, executed_t const * x ) {
  dmg_span_t * receipts = DMG_ARENA_NEW( chain->arena, dmg_span_t, x->exec->tx_cnt+1 );
  if( !receipts ) return DMG_ERR_LIMIT;
  uint32_t cnt = 0;
  for( size_t i = 0; i<x->exec->tx_cnt; i++ ) receipts[ cnt++ ] = x->exec->txs[ i ].receipt;
  if( x->exec->system_receipt.sz ) receipts[ cnt++ ] = x->exec->system_receipt;
  return dmg_block_log_append_receipts( chain->log, &x->hash, receipts, cnt );
}

/* SIGN (C6.1), then the block, receipts and certificate on disk in one sync: after this the block is final (S8.1).  Header,
   body and votes are saved already. */
static dmg_err_t finalize( dmg_chain_t * chain, executed_t const * x, dmg_span_t body, dmg_solo_votes_t * out_votes ) {
  uint64_t height = x->header->height;
  DMG_TRY( dmg_solo_cast( &chain->solo, height, &x->hash, out_votes ) );
  hook( DMG_CHAIN_STEP_SIGNED, height, &x->hash );
  dmg_signed_header_t sh = { .header = *x->header };
  uint8_t header_bytes[ DMG_SIGNED_HEADER_SZ ], cert_bytes[ DMG_CERT_SZ ];
  memcpy( sh.sig, out_votes->propose, sizeof sh.sig );
  dmg_signed_header_encode( &sh, header_bytes );
  dmg_cert_encode( &out_votes->finalization, cert_bytes );
  DMG_TRY( dmg_block_log_append_block( chain->log, height, &x->hash, DMG_SPAN( header_bytes ), body ) );
  hook( DMG_CHAIN_STEP_BODY, height, &x->hash );
  DMG_TRY( append_receipts( chain, x ) );
  hook( DMG_CHAIN_STEP_RECEIPTS, height, &x->hash );
  DMG_TRY( dmg_block_log_append_final( chain->log, &x->hash, &x->header->parent_hash, DMG_SPAN( cert_bytes ) ) );
  hook( DMG_CHAIN_STEP_FINAL, height, &x->hash );
  if( chain->cfg.is_durable ) DMG_TRY( dmg_block_log_sync( chain->log ) );
  hook( DMG_CHAIN_STEP_SYNCED, height, &x->hash );
  return DMG_OK;
}

/* The state after a final block, and its place in the indexes. */
static dmg_err_t commit( dmg_chain_t * chain, executed_t const * x, dmg_hash_t * out_root ) {
  uint64_t height = x->header->height;
  dmg_read_t const * reads;
  size_t read_cnt;
  dmg_view_reads( x->view, &reads, &read_cnt );
  DMG_TRY( dmg_state_apply( chain->state, &x->header->parent_hash, &x->hash, height, x->exec->writes, x->exec->write_cnt, reads, read_cnt ) );
  dmg_err_t err;
  while( ( err = dmg_state_root( chain->state, &x->hash, out_root ) )==DMG_ERR_AGAIN ) dmg_os_sleep_ns( 100000 );
  DMG_TRY( err );
  dmg_kv_op_t * ops;
  size_t op_cnt;
  DMG_TRY( dmg_block_log_index( chain->log, &x->hash, x->tx_ids, x->tx_cnt, chain->arena, &ops, &op_cnt ) );
  DMG_TRY( dmg_state_finalize( chain->state, &x->hash, ops, op_cnt ) );
  hook( DMG_CHAIN_STEP_STATE, height, &x->hash );
  dmg_block_log_forget( chain->log, height );
  return DMG_OK;
}

static dmg_chain_head_t head_of( executed_t const * x, dmg_hash_t const * root, dmg_cert_t const * notarization ) {
  return (dmg_chain_head_t){ .block = { .height = x->header->height, .time_ms = x->header->time_ms, .hash = x->hash, .notarization = *notarization }, .root = *root, .is_empty = !x->tx_cnt };
}

typedef struct { dmg_at_block_t at; uint64_t time_ms; uint32_t tx_cnt; bool is_full; } made_t;

/* More than half of any limit: the rest of the pool may not have fitted. */
static bool is_full( dmg_txpool_limits_t const * limits, dmg_txpool_ref_t const * refs, size_t cnt ) {
  uint64_t gas = 0, intrinsic = 0, bytes = 0;
  for( size_t i = 0; i<cnt; i++ ) {
    gas       += refs[ i ].tx->gas;
    intrinsic += dmg_tx_intrinsic_gas( refs[ i ].tx, refs[ i ].tx->raw.sz );
    bytes     += refs[ i ].tx->raw.sz;
  }
  return gas>limits->gas_max/2 || intrinsic>limits->intrinsic_max/2 || bytes>limits->body_max/2 || cnt>limits->tx_max/2;
}

uint64_t dmg_chain_hold_ns( uint32_t tx_cnt, bool is_full ) { return is_full ? 0 : dmg_min_u64( (uint64_t)tx_cnt*100000u, 50000000u ); }

/* One block from what waits in the pool.  Under `writing`. */
static dmg_err_t make_block( dmg_chain_t * chain, uint64_t time_ms, made_t * out ) {
  dmg_arena_reset( chain->arena );
  uint64_t t0 = dmg_os_mono_ns();
  pthread_mutex_lock( &chain->lock );
  dmg_chain_head_t    parent = chain->head;
  dmg_txpool_head_t   before = pool_head( chain );
  dmg_txpool_limits_t limits = dmg_txpool_limits( &before );
  /* A dev genesis may set body_max to 4 MiB, and the block log takes 4 MiB with the header: a block that can be
     built but not stored would end the node. */
  if( limits.body_max>DMG_DEV_BODY_MAX ) limits.body_max = DMG_DEV_BODY_MAX;
  /* From here on a new transaction asks for a block of its own. */
  chain->has_work = false;
  dmg_txpool_ref_t *  refs   = DMG_ARENA_NEW( chain->arena, dmg_txpool_ref_t, limits.tx_max );
  size_t ref_cnt = refs ? dmg_txpool_build( chain->pool, &limits, refs, limits.tx_max ) : 0;
  pthread_mutex_unlock( &chain->lock );
  if( !refs ) return DMG_ERR_LIMIT;
  bool is_whole = is_full( &limits, refs, ref_cnt );
  uint64_t t1 = dmg_os_mono_ns();

  uint64_t height = parent.block.height+1;
  if( time_ms<=parent.block.time_ms ) time_ms = parent.block.time_ms+1;
  dmg_block_ctx_t ctx  = block_ctx( chain, height, time_ms );
  dmg_tx_t **     txs  = DMG_ARENA_NEW( chain->arena, dmg_tx_t *, ref_cnt+1 );
  dmg_view_t *    view = NULL;
  dmg_exec_out_t  exec;
  if( !txs ) return DMG_ERR_LIMIT;
  for( size_t i = 0; i<ref_cnt; i++ ) txs[ i ] = refs[ i ].tx;
  DMG_TRY( dmg_state_view( chain->state, &parent.block.hash, &view ) );
  dmg_err_t err = dmg_runtime_exec_block( chain->runtime, view, &ctx, txs, ref_cnt, DMG_EXEC_BUILD, chain->arena, &exec );
  if( err ) { dmg_view_close( view ); return err; }
  DMG_ASSERT( !exec.is_invalid );
  dmg_i128_t supply_off = parent.supply_off;
  override_writes( chain, view, &exec, &supply_off );
  uint64_t t2 = dmg_os_mono_ns();

  /* The body is what the executor took, in its order. */
  dmg_body_t  body     = { .tx_cnt = (uint32_t)exec.tx_cnt };
  dmg_hash_t * tx_ids  = DMG_ARENA_NEW( chain->arena, dmg_hash_t, exec.tx_cnt+1 );
  dmg_txpool_included_t * included = DMG_ARENA_NEW( chain->arena, dmg_txpool_included_t, exec.tx_cnt+1 );
  dmg_txpool_ref_t * left = DMG_ARENA_NEW( chain->arena, dmg_txpool_ref_t, ref_cnt+1 );
  body.txs = DMG_ARENA_NEW( chain->arena, dmg_span_t, exec.tx_cnt+1 );
  if( !tx_ids || !included || !left || !body.txs ) { dmg_view_close( view ); return DMG_ERR_LIMIT; }
  size_t left_cnt = 0, next = 0;
  for( size_t i = 0; i<exec.tx_cnt; i++ ) {
    dmg_exec_tx_t const * e = &exec.txs[ i ];
    dmg_tx_t const * tx = txs[ e->index ];
    for( ; next<e->index; next++ ) left[ left_cnt++ ] = refs[ next ];
    next = e->index+1;
    body.txs[ i ] = tx->raw;
    tx_ids[ i ]   = tx->id;
    included[ i ] = (dmg_txpool_included_t){ .id = tx->id, .sender = tx->sender, .lane = tx->lane, .nonce = tx->nonce, .receipt_status = e->status };
  }
  for( ; next<ref_cnt; next++ ) left[ left_cnt++ ] = refs[ next ];

  dmg_buf_t body_buf = dmg_buf( DMG_BODY_SZ_MAX );
  dmg_header_t header;
  dmg_solo_votes_t votes;
  dmg_chain_head_t head;
  dmg_hash_t root, body_hash = dmg_body_hash( &body );
  executed_t x = { .header = &header, .tx_ids = tx_ids, .tx_cnt = (uint32_t)exec.tx_cnt, .exec = &exec, .view = view };
  err = dmg_body_encode( &body, &body_buf );
  if( !err ) {
    dmg_solo_header( &chain->solo, &parent.block, time_ms, &body_hash, (uint32_t)body_buf.sz, &parent.root, &header, &x.hash );
    hook( DMG_CHAIN_STEP_BUILT, height, &x.hash );
    err = dmg_chain_votes_save( chain, &header, &x.hash, dmg_buf_span( &body_buf ) );
    hook( DMG_CHAIN_STEP_SAVED, height, &x.hash );
  }
  if( !err ) err = finalize( chain, &x, dmg_buf_span( &body_buf ), &votes );
  if( !err ) err = commit( chain, &x, &root );
  if( !err ) err = dmg_chain_votes_final( chain, height, &x.hash, &votes.finalization );
  dmg_buf_fini( &body_buf );
  dmg_view_close( view );
  DMG_TRY( err );
  head = head_of( &x, &root, &votes.notarization );
  head.supply_off = supply_off;
  uint64_t t3 = dmg_os_mono_ns();

  pthread_mutex_lock( &chain->lock );
  err = dmg_chain_adopt( chain, &head, &exec );
  if( !err ) {
    uint64_t now_ms = dmg_os_wall_ms();
    dmg_txpool_head_t after = pool_head( chain );
    dmg_txpool_on_block( chain->pool, &after, included, exec.tx_cnt, now_ms );
    err = dmg_txpool_on_left_out( chain->pool, &chain->pool_state, left, left_cnt, now_ms );
    dmg_txpool_on_final( chain->pool, tx_ids, exec.tx_cnt, now_ms );
  }
  dmg_txpool_release( chain->pool, refs, ref_cnt );
  dmg_txpool_stats_t stats;
  dmg_txpool_stats( chain->pool, &stats );
  /* Nothing fitted though something waits: only a change of the pool or of time can help. */
  if( exec.tx_cnt && stats.pooled_cnt ) chain->has_work = true;
  chain->override_done = chain->override_taken;
  chain->tx_cnt   += exec.tx_cnt;
  chain->block_cnt++;
  chain->build_ns  += t1-t0;
  chain->exec_ns   += t2-t1;
  chain->commit_ns += t3-t2;
  pthread_mutex_unlock( &chain->lock );
  DMG_TRY( err );

  if( exec.tx_cnt ) DMG_LOG_INFO( "block_final", "height=%lu txs=%zu gas=%lu build_us=%lu exec_us=%lu commit_us=%lu", (unsigned long)height, exec.tx_cnt, (unsigned long)exec.gas_used,
                                  (unsigned long)( ( t1-t0 )/1000 ), (unsigned long)( ( t2-t1 )/1000 ), (unsigned long)( ( t3-t2 )/1000 ) );
  else              DMG_LOG_DEBUG( "block_final", "height=%lu empty", (unsigned long)height );
  *out = (made_t){ .at = { .height = height, .hash = head.block.hash, .is_final = true }, .time_ms = time_ms, .tx_cnt = (uint32_t)exec.tx_cnt, .is_full = is_whole };
  return DMG_OK;
}

/* When the next block is due, monotonic ns; UINT64_MAX: not before something happens.  With `lock`. */
static uint64_t due_ns( dmg_chain_t const * chain ) {
  if( chain->mine_left ) return 0;
  switch( chain->pace.kind ) {
  case DMG_PACE_MANUAL: return UINT64_MAX;
  case DMG_PACE_MS:     return chain->last_block_ns+(uint64_t)chain->pace.pace_ms*1000000u;
  case DMG_PACE_AUTO:   break;
  }
  /* F2.5: at once for a transaction, and once more so that its effects are provable; else every second.  Under load a little later. */
  if( chain->override_cnt || !chain->head.block.height ) return 0;
  if( chain->has_work || !chain->head.is_empty ) return chain->last_block_ns+chain->hold_ns;
  return chain->last_block_ns+1000000000u;
}

static void * chain_thread( void * arg ) {
  dmg_chain_t * chain = arg;
  dmg_os_thread_name( "dmg-chain" );
  pthread_mutex_lock( &chain->lock );
  while( !chain->is_stopping ) {
    uint64_t due = due_ns( chain ), now = dmg_os_mono_ns();
    if( due>now ) {
      uint64_t wait_ns = due==UINT64_MAX ? 1000000000u : due-now;
      struct timespec until = { .tv_sec = (time_t)( ( now+wait_ns )/1000000000u ), .tv_nsec = (long)( ( now+wait_ns )%1000000000u ) };
      pthread_cond_timedwait( &chain->wake, &chain->lock, &until );
      continue;
    }
    bool is_mined = chain->mine_left>0;
    /* In manual mode the clock stands still between blocks (F2.2). */
    uint64_t time_ms = chain->pace.kind==DMG_PACE_MANUAL || ( is_mined && chain->mine_step_ms )
                         ? chain->head.block.time_ms+( chain->mine_step_ms ? chain->mine_step_ms : chain->params.v[ DMG_PARAM_PACE_MS ] )
                         : dmg_chain_clock_ms( chain );
    if( chain->pace.kind==DMG_PACE_MANUAL && time_ms<chain->clock_min_ms ) time_ms = chain->clock_min_ms;
    pthread_mutex_unlock( &chain->lock );

    atomic_store( &chain->making_ns, now );
    pthread_mutex_lock( &chain->writing );
    made_t made;
    dmg_err_t err = make_block( chain, time_ms, &made );
    pthread_mutex_unlock( &chain->writing );
    atomic_store( &chain->making_ns, 0 );
    if( err ) dmg_chain_fatal( "making a block", err );
    /* Not under `writing`: the receiver reads, and dev_revert holds readers back while it waits for `writing`. */
    dmg_chain_flush_events( chain );
    if( chain->events.on_block ) chain->events.on_block( chain->events.ctx, &made.at, made.time_ms, made.tx_cnt );

    pthread_mutex_lock( &chain->lock );
    chain->last_block_ns = dmg_os_mono_ns();
    chain->hold_ns       = dmg_chain_hold_ns( made.tx_cnt, made.is_full );
    if( is_mined && chain->mine_left ) {
      chain->mine_left--;
      /* In manual mode an empty block follows a mined batch, so that its state is provable (F2.5). */
      if( !chain->mine_left && chain->pace.kind==DMG_PACE_MANUAL && !chain->head.is_empty ) chain->mine_left = 1;
    }
    pthread_cond_broadcast( &chain->made );   /* dev_mine and dev_setBalance look whether theirs is there */
  }
  pthread_mutex_unlock( &chain->lock );
  return NULL;
}

/* ---- Opening ---- */

static dmg_span_t code_get( void * ctx, dmg_hash_t const * code_hash ) {
  dmg_chain_t const * chain = ctx;
  for( uint32_t m = 0; m<chain->cfg.module_cnt; m++ ) {
    dmg_hash_t h = dmg_code_hash( chain->cfg.modules[ m ].code );
    if( dmg_hash_eq( &h, code_hash ) ) return chain->cfg.modules[ m ].code;
  }
  return dmg_span( NULL, 0 );
}

static dmg_err_t open_genesis( dmg_chain_t * chain, char out_why[512] ) {
  dmg_span_t bytes = dmg_arena_dup( chain->genesis_arena, chain->cfg.genesis );
  if( !bytes.p ) return DMG_ERR_LIMIT;
  dmg_verdict_t v = dmg_genesis_decode( bytes, chain->genesis_arena, &chain->genesis );
  if( v.kind==DMG_VERDICT_LOCAL ) return v.err;
  if( v.kind==DMG_VERDICT_GOOD ) v = dmg_genesis_check( chain->genesis );
  if( v.kind!=DMG_VERDICT_GOOD ) {
    char text[ DMG_VERDICT_TEXT_MAX ];
    dmg_verdict_print( &v, text, sizeof text );
    snprintf( out_why, 512, "the genesis is refused: %s", text );
    return DMG_ERR_INVALID;
  }
  /* C2.7: solo runs only genesis kind dev. */
  if( chain->genesis->kind!=DMG_GENESIS_DEV || chain->genesis->validator_cnt!=1 ) {
    snprintf( out_why, 512, "a single validator runs only a genesis of kind dev with one validator; this one is %s with %u", dmg_genesis_kind_name( chain->genesis->kind ), chain->genesis->validator_cnt );
    return DMG_ERR_INVALID;
  }
  chain->chain_id = dmg_genesis_hash( bytes );
  chain->leader   = chain->genesis->validators[ 0 ].account;
  snprintf( chain->name, sizeof chain->name, "%.*s", (int)chain->genesis->name.sz, (char const *)chain->genesis->name.p );
  dmg_bls_key_t key;
  uint8_t key_bytes[ 96 ];
  if( !dmg_bls_public( chain->cfg.validator_secret, &key ) ) { snprintf( out_why, 512, "the validator's key is not a BLS secret" ); return DMG_ERR_INVALID; }
  dmg_bls_key_store( &key, key_bytes );
  if( memcmp( key_bytes, chain->genesis->validators[ 0 ].key, 96 ) ) { snprintf( out_why, 512, "the validator's key is not the one of this genesis" ); return DMG_ERR_INVALID; }
  return DMG_OK;
}

/* A parameter as genesis sets it: what holds until governance can move it. */
static uint64_t genesis_param( dmg_genesis_t const * genesis, dmg_param_t param ) {
  uint64_t value = dmg_param_desc[ param ].def;
  for( uint32_t i = 0; i<genesis->param_cnt; i++ ) {
    dmg_genesis_param_t const * g = &genesis->params[ i ];
    if( g->module==dmg_param_desc[ param ].module && g->key==dmg_param_desc[ param ].key ) (void)dmg_param_parse( param, g->value, genesis->kind==DMG_GENESIS_DEV, &value );   /* judged by dmg_genesis_check */
  }
  return value;
}

static dmg_err_t open_storage( dmg_chain_t * chain, char out_why[512] ) {
  dmg_open_why_t why = { "" };
  char path[ 2048 ];
  dmg_err_t err;
  snprintf( out_why, 512, "the store does not open" );
  if( chain->cfg.data_dir ) {
    snprintf( path, sizeof path, "%.1900s/db", chain->cfg.data_dir );
    dmg_kv_rocks_cfg_t kv = { .dir = path, .is_universal = true };
    chain->vfs = dmg_vfs_os();
    err = dmg_data_dir_open( chain->cfg.data_dir, "rocksdb", &chain->chain_id, &chain->data_dir, &why );
    if( !err ) err = dmg_kv_rocks_open( &kv, &chain->kv, &why );
  } else {
    err = dmg_vfs_mem( DMG_CHAIN_MEM_LOG_MAX, &chain->vfs );
    if( !err ) err = dmg_kv_mem_open( DMG_CHAIN_MEM_KV_MAX, &chain->kv );
  }
  if( !err ) {
    dmg_state_cfg_t cfg = { .genesis_hash = chain->chain_id, .tree_sz_max = chain->cfg.tree_sz_max, .threads = 1, .is_durable = chain->cfg.is_durable, .has_read_check = chain->cfg.data_dir!=NULL };
    err = dmg_state_open( &cfg, chain->kv, &chain->state, &why );
  }
  if( !err ) {
    snprintf( path, sizeof path, "%.1900s/blocks", chain->cfg.data_dir ? chain->cfg.data_dir : "/mem" );
    dmg_block_log_cfg_t cfg = { .dir = path, .genesis_hash = chain->chain_id, .segment_sz = chain->cfg.data_dir ? 0 : 16u<<20 };
    err = dmg_block_log_open( &cfg, chain->vfs, chain->kv, &chain->log, &why );
  }
  if( err && *why.text ) snprintf( out_why, 512, "%s", why.text );
  return err;
}

static dmg_err_t open_runtime( dmg_chain_t * chain, char out_why[512] ) {
  snprintf( out_why, 512, "the WASM engine does not start" );
  DMG_TRY( dmg_vm_open( NULL, &chain->vm ) );
  snprintf( out_why, 512, "the cache of compiled modules at %.300s does not open", chain->cfg.cache_dir );
  dmg_code_cache_cfg_t cache = { .vm = chain->vm, .dir = chain->cfg.cache_dir, .store = chain->cfg.data_dir ? chain->kv : NULL };
  DMG_TRY( dmg_code_cache_open( &cache, &chain->cache ) );
  snprintf( out_why, 512, "the runtime does not start" );
  dmg_runtime_cfg_t cfg = { .vm = chain->vm, .cache = chain->cache, .is_dev = chain->cfg.is_dev, .readers_max = 5 };   /* the pool keeps one */
  dmg_os_random( &cfg.hash_seed, sizeof cfg.hash_seed );
  return dmg_runtime_open( &cfg, &chain->runtime );
}

/* Executes a block again and commits it: what a crash between its steps left undone.  raw: signed header and body; not final
   yet: its votes are cast (again). */
static dmg_err_t replay( dmg_chain_t * chain, dmg_chain_head_t const * parent, dmg_hash_t const * hash, dmg_span_t raw, bool is_final, dmg_chain_head_t * out_head ) {
  dmg_signed_header_t sh;
  dmg_body_t * body;
  if( raw.sz<DMG_SIGNED_HEADER_SZ || dmg_signed_header_decode( dmg_span( raw.p, DMG_SIGNED_HEADER_SZ ), &sh ).kind!=DMG_VERDICT_GOOD
      || dmg_body_decode( dmg_span( raw.p+DMG_SIGNED_HEADER_SZ, raw.sz-DMG_SIGNED_HEADER_SZ ), chain->arena, &body ).kind!=DMG_VERDICT_GOOD ) return DMG_ERR_CORRUPT;
  dmg_hash_t body_hash = dmg_body_hash( body ), header_hash = dmg_header_hash( &sh.header );
  if( !dmg_hash_eq( &header_hash, hash ) || sh.header.height!=parent->block.height+1 || !dmg_hash_eq( &body_hash, &sh.header.body_hash ) ||
      !dmg_hash_eq( &sh.header.parent_hash, &parent->block.hash ) || !dmg_hash_eq( &sh.header.parent_state_root, &parent->root ) ) return DMG_ERR_CORRUPT;

  dmg_tx_t **  txs = DMG_ARENA_NEW( chain->arena, dmg_tx_t *, body->tx_cnt+1 );
  dmg_hash_t * ids = DMG_ARENA_NEW( chain->arena, dmg_hash_t, body->tx_cnt+1 );
  if( !txs || !ids ) return DMG_ERR_LIMIT;
  for( uint32_t i = 0; i<body->tx_cnt; i++ ) {
    dmg_verdict_t v = dmg_tx_decode( body->txs[ i ], chain->arena, &txs[ i ] );
    if( v.kind==DMG_VERDICT_LOCAL ) return v.err;
    if( v.kind==DMG_VERDICT_BAD ) return DMG_ERR_CORRUPT;
    ids[ i ] = txs[ i ]->id;
  }
  dmg_view_t * view;
  dmg_exec_out_t exec;
  dmg_hash_t root;
  dmg_solo_votes_t votes = { 0 };
  dmg_block_ctx_t ctx = block_ctx( chain, sh.header.height, sh.header.time_ms );
  DMG_TRY( dmg_state_view( chain->state, &parent->block.hash, &view ) );
  dmg_err_t err = dmg_runtime_exec_block( chain->runtime, view, &ctx, txs, body->tx_cnt, 0, chain->arena, &exec );
  if( !err && exec.is_invalid ) err = DMG_ERR_CORRUPT;
  executed_t x = { .header = &sh.header, .hash = *hash, .tx_ids = ids, .tx_cnt = body->tx_cnt, .exec = &exec, .view = view };
  if( !err && is_final )  err = append_receipts( chain, &x );   /* if the disk lost them */
  if( !err && !is_final ) err = finalize( chain, &x, dmg_span( raw.p+DMG_SIGNED_HEADER_SZ, raw.sz-DMG_SIGNED_HEADER_SZ ), &votes );
  if( !err ) err = commit( chain, &x, &root );
  if( !err && !is_final ) err = dmg_chain_votes_final( chain, sh.header.height, hash, &votes.finalization );
  dmg_view_close( view );
  DMG_TRY( err );
  *out_head = head_of( &x, &root, &votes.notarization );
  return DMG_OK;
}

/* What the next block says of a final one.  Below the safety file's floor (after an import) its FINALIZATION: C4.2 takes either. */
static dmg_err_t head_cert( dmg_chain_t * chain, dmg_chain_head_t * head ) {
  if( head->block.height>dmg_signer_safety( chain->signer )->floor ) return dmg_solo_notarization( &chain->solo, head->block.height, &head->block.hash, &head->block.notarization );
  dmg_hash_t hash, parent;
  dmg_buf_t cert = dmg_buf( 1024 );
  dmg_err_t err = dmg_block_log_final( chain->log, head->block.height, &hash, &parent, &cert );
  if( !err && dmg_cert_decode( dmg_buf_span( &cert ), &head->block.notarization ).kind!=DMG_VERDICT_GOOD ) err = DMG_ERR_CORRUPT;
  dmg_buf_fini( &cert );
  return err;
}

/* A final block of the log; its certificate is in its child. */
static dmg_err_t replay_final( dmg_chain_t * chain, dmg_chain_head_t * head ) {
  dmg_hash_t hash;
  dmg_buf_t buf = dmg_buf( DMG_BLOCK_LOG_RAW_MAX );
  dmg_arena_reset( chain->arena );
  dmg_err_t err = dmg_block_log_hash( chain->log, head->block.height+1, &hash );
  if( !err ) err = dmg_block_log_block( chain->log, &hash, &buf, NULL );
  if( !err ) err = replay( chain, head, &hash, dmg_buf_span( &buf ), true, head );
  dmg_buf_fini( &buf );
  return err;
}

/* The head as the state has it: its block says when it was made. */
static dmg_err_t state_head( dmg_chain_t * chain, dmg_chain_head_t * out ) {
  dmg_chain_head_t h = { .is_empty = true };
  DMG_TRY( dmg_state_head( chain->state, &h.block.height, &h.block.hash, &h.root ) );
  h.block.time_ms = chain->genesis->time_ms;
  if( h.block.height ) {
    dmg_buf_t buf = dmg_buf( DMG_BLOCK_LOG_RAW_MAX );
    dmg_signed_header_t sh;
    dmg_err_t err = dmg_block_log_block( chain->log, &h.block.hash, &buf, NULL );
    if( !err && ( buf.sz<DMG_SIGNED_HEADER_SZ || dmg_signed_header_decode( dmg_span( buf.p, DMG_SIGNED_HEADER_SZ ), &sh ).kind!=DMG_VERDICT_GOOD ) ) err = DMG_ERR_CORRUPT;
    h.is_empty = buf.sz==DMG_SIGNED_HEADER_SZ+DMG_BODY_EMPTY_SZ;
    dmg_buf_fini( &buf );
    DMG_TRY( err );
    h.block.time_ms = sh.header.time_ms;
  }
  *out = h;
  return DMG_OK;
}

static dmg_err_t not_replayed( dmg_chain_head_t const * head, dmg_err_t err, char out_why[512] ) {
  snprintf( out_why, 512, "the stored block %lu does not run on the state before it: %s; nothing was changed", (unsigned long)head->block.height+1, dmg_err_text( err ) );
  return err;
}

static dmg_err_t recover( dmg_chain_t * chain, char out_why[512] ) {
  dmg_chain_head_t head;
  dmg_hash_t hash;
  uint64_t tip = 0, replayed = 0;
  snprintf( out_why, 512, "the stored chain does not continue: a block or the state is damaged" );
  DMG_TRY( state_head( chain, &head ) );
  dmg_err_t err = dmg_block_log_tip( chain->log, &tip, &hash );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  if( head.block.height>tip && head.block.height ) { snprintf( out_why, 512, "the state is at height %lu but the block log ends at %lu: blocks are missing", (unsigned long)head.block.height, (unsigned long)tip ); return DMG_ERR_CORRUPT; }
  while( head.block.height<tip ) {
    err = replay_final( chain, &head );
    if( err ) return not_replayed( &head, err, out_why );
    replayed++;
  }
  if( head.block.height && !chain->unfinished.sz ) {
    snprintf( out_why, 512, "no vote for block %lu, the head; see the log", (unsigned long)head.block.height );
    DMG_TRY( head_cert( chain, &head ) );
  }
  /* C6.3: what was voted for is voted for again and finished; another at its height would convict us. */
  if( chain->unfinished.sz ) {
    dmg_arena_reset( chain->arena );
    err = replay( chain, &head, &chain->unfinished_hash, dmg_buf_span( &chain->unfinished ), false, &head );
    dmg_buf_fini( &chain->unfinished );
    if( err ) return not_replayed( &head, err, out_why );
    replayed++;
  }
  if( head.block.height ) DMG_LOG_INFO( "chain_opened", "height=%lu replayed=%lu", (unsigned long)head.block.height, (unsigned long)replayed );
  snprintf( out_why, 512, "the state does not read" );
  DMG_TRY( dmg_chain_adopt( chain, &head, NULL ) );
  snprintf( out_why, 512, "the modules of the state do not run on this node; see the log" );
  return dmg_runtime_prepare( chain->runtime, chain->head_view );
}

static dmg_err_t make_genesis( dmg_chain_t * chain, char out_why[512] ) {
  dmg_code_files_t files = { .ctx = chain, .get = code_get };
  dmg_exec_why_t why = { "" };
  dmg_write_t * writes;
  size_t cnt;
  dmg_hash_t root;
  dmg_err_t err = dmg_runtime_genesis( chain->runtime, chain->genesis, &files, chain->genesis_arena, &writes, &cnt, &why );
  if( err ) { snprintf( out_why, 512, "the genesis does not run: %s", *why.text ? why.text : dmg_err_text( err ) ); return err; }
  snprintf( out_why, 512, "the genesis state does not store" );
  return dmg_state_genesis( chain->state, &chain->chain_id, writes, cnt, &root );
}

dmg_err_t dmg_chain_open( dmg_chain_cfg_t const * cfg, dmg_chain_t ** out_chain, char out_why[512] ) {
  dmg_chain_t * chain = calloc( 1, sizeof *chain );
  snprintf( out_why, 512, "out of memory" );
  if( !chain ) return DMG_ERR_NOMEM;
  chain->cfg     = *cfg;
  chain->pace    = cfg->pace;
  chain->pending = dmg_buf( DMG_CHAIN_EVENTS_SZ_MAX );
  pthread_condattr_t attr;
  pthread_condattr_init( &attr );
  pthread_condattr_setclock( &attr, CLOCK_MONOTONIC );
  pthread_rwlock_init( &chain->readers, NULL );
  pthread_mutex_init( &chain->writing, NULL );
  pthread_mutex_init( &chain->sending, NULL );
  pthread_mutex_init( &chain->lock, NULL );
  pthread_cond_init( &chain->wake, &attr );
  pthread_cond_init( &chain->made, &attr );
  pthread_condattr_destroy( &attr );
  chain->genesis_arena = dmg_arena_new( (size_t)4*DMG_GENESIS_SZ_MAX );
  chain->arena         = dmg_arena_new( DMG_CHAIN_ARENA_MAX );
  chain->pool_arena    = dmg_arena_new( 1<<20 );
  dmg_chain_pool_fill( chain );
  uint64_t seed;
  dmg_os_random( &seed, sizeof seed );
  chain->head_cache    = dmg_head_cache_new( DMG_CHAIN_CACHE_MAX, seed );
  dmg_err_t err = chain->genesis_arena && chain->arena && chain->pool_arena && chain->head_cache ? DMG_OK : DMG_ERR_NOMEM;
  if( !err ) err = open_genesis( chain, out_why );
  if( !err ) err = open_storage( chain, out_why );
  if( !err ) err = dmg_chain_votes_open( chain, out_why );
  dmg_wipe( chain->cfg.validator_secret, sizeof chain->cfg.validator_secret );
  if( !err ) {
    dmg_safety_epoch_t epoch = { .anchor_ms = chain->genesis->time_ms, .skew_ms = genesis_param( chain->genesis, DMG_PARAM_SKEW_MS ) };
    dmg_solo_init( &chain->solo, chain->signer, genesis_param( chain->genesis, DMG_PARAM_WINDOW_VIEWS ), epoch );
    err = open_runtime( chain, out_why );
  }
  if( !err && dmg_state_head( chain->state, NULL, NULL, NULL )==DMG_ERR_NOT_FOUND ) err = make_genesis( chain, out_why );
  if( !err ) err = recover( chain, out_why );
  if( !err ) err = dmg_chain_new_pool( chain );
  if( err ) { dmg_chain_close( chain ); return err; }
  dmg_chain_query_fill( chain );
  if( cfg->is_dev ) dmg_chain_dev_fill( chain );
  *out_chain = chain;
  return DMG_OK;
}

void dmg_chain_events( dmg_chain_t * chain, dmg_query_events_t const * events ) { DMG_ASSERT( !chain->is_running ); chain->events = *events; }

dmg_err_t dmg_chain_start( dmg_chain_t * chain ) {
  pthread_attr_t attr;
  DMG_ASSERT( !chain->is_running );
  chain->last_block_ns = dmg_os_mono_ns();
  pthread_attr_init( &attr );
  /* vm.h: chains of nested runs need this stack. */
  pthread_attr_setstacksize( &attr, DMG_VM_THREAD_STACK_SZ+( 1u<<20 ) );
  int rc = pthread_create( &chain->thread, &attr, chain_thread, chain );
  pthread_attr_destroy( &attr );
  if( rc ) return DMG_ERR_NOMEM;
  chain->is_running = true;
  return DMG_OK;
}

void dmg_chain_stop( dmg_chain_t * chain ) {
  if( !chain->is_running ) return;
  pthread_mutex_lock( &chain->lock );
  chain->is_stopping = true;
  pthread_cond_broadcast( &chain->wake );
  pthread_cond_broadcast( &chain->made );
  pthread_mutex_unlock( &chain->lock );
  pthread_join( chain->thread, NULL );
  chain->is_running = false;
}

void dmg_chain_close( dmg_chain_t * chain ) {
  if( !chain ) return;
  DMG_ASSERT( !chain->is_running );
  for( uint32_t s = 0; s<DMG_CHAIN_SNAPSHOT_MAX; s++ ) if( chain->snapshots[ s ].is_used ) dmg_state_snapshot_free( chain->state, chain->snapshots[ s ].state );
  dmg_txpool_free( chain->pool );
  dmg_chain_drop_view( chain );
  dmg_runtime_close( chain->runtime );
  dmg_code_cache_close( chain->cache );
  dmg_vm_close( chain->vm );
  dmg_signer_close( chain->signer );
  dmg_wal_close( chain->wal );
  dmg_buf_fini( &chain->unfinished );
  dmg_block_log_close( chain->log );
  dmg_state_close( chain->state );
  dmg_kv_close( chain->kv );
  dmg_data_dir_close( chain->data_dir );
  dmg_vfs_free( chain->vfs );
  dmg_buf_fini( &chain->pending );
  dmg_head_cache_free( chain->head_cache );
  dmg_arena_free( chain->pool_arena );
  dmg_arena_free( chain->arena );
  dmg_arena_free( chain->genesis_arena );
  pthread_cond_destroy( &chain->made );
  pthread_cond_destroy( &chain->wake );
  pthread_mutex_destroy( &chain->lock );
  pthread_mutex_destroy( &chain->writing );
  pthread_mutex_destroy( &chain->sending );
  pthread_rwlock_destroy( &chain->readers );
  free( chain );
}

dmg_query_t const * dmg_chain_query( dmg_chain_t * chain ) { return &chain->query; }

bool dmg_chain_is_ready( dmg_chain_t * chain, dmg_buf_t * out_reasons ) {
  pthread_mutex_lock( &chain->lock );
  uint64_t age_ns = dmg_os_mono_ns()-chain->last_block_ns;
  bool is_ready = chain->pace.kind==DMG_PACE_MANUAL || age_ns<5000000000u+(uint64_t)chain->pace.pace_ms*1000000u;
  pthread_mutex_unlock( &chain->lock );
  /* A reason that does not fit changes nothing about the answer. */
  if( !is_ready ) (void)!dmg_buf_printf( out_reasons, "[\"the head is %lu s old\"]\n", (unsigned long)( age_ns/1000000000u ) );
  return is_ready;
}

dmg_err_t dmg_chain_metrics( dmg_chain_t * chain, dmg_buf_t * out ) {
  dmg_txpool_stats_t pool;
  dmg_state_stats_t state;
  dmg_block_log_stats_t log;
  dmg_state_stats( chain->state, &state );
  dmg_block_log_stats( chain->log, &log );
  pthread_mutex_lock( &chain->lock );
  dmg_txpool_stats( chain->pool, &pool );
  dmg_chain_head_t head = chain->head;
  uint64_t txs = chain->tx_cnt, blocks = chain->block_cnt, build = chain->build_ns, exec = chain->exec_ns, store = chain->commit_ns;
  pthread_mutex_unlock( &chain->lock );
  return dmg_buf_printf( out,
    "# TYPE demiurge_chain_height gauge\ndemiurge_chain_height{kind=\"head\"} %lu\ndemiurge_chain_height{kind=\"final\"} %lu\n"
    "# TYPE demiurge_blocks_total counter\ndemiurge_blocks_total %lu\n"
    "# TYPE demiurge_tx_total counter\ndemiurge_tx_total{result=\"included\"} %lu\ndemiurge_tx_total{result=\"rejected\"} %lu\ndemiurge_tx_total{result=\"replaced\"} %lu\ndemiurge_tx_total{result=\"expired\"} %lu\n"
    "# TYPE demiurge_txpool_txs gauge\ndemiurge_txpool_txs{state=\"pooled\"} %u\ndemiurge_txpool_txs{state=\"queued\"} %u\n"
    "# TYPE demiurge_block_stage_seconds_total counter\ndemiurge_block_stage_seconds_total{stage=\"build\"} %.6f\ndemiurge_block_stage_seconds_total{stage=\"execute\"} %.6f\ndemiurge_block_stage_seconds_total{stage=\"commit\"} %.6f\n"
    "# TYPE demiurge_state_keys gauge\ndemiurge_state_keys %lu\n# TYPE demiurge_state_tree_bytes gauge\ndemiurge_state_tree_bytes %lu\n"
    "# TYPE demiurge_read_check_failures_total counter\ndemiurge_read_check_failures_total %lu\n"
    "# TYPE demiurge_storage_bytes gauge\ndemiurge_storage_bytes{cf=\"blocks\"} %lu\n"
    "# TYPE demiurge_build_info gauge\ndemiurge_build_info{version=\"%s\"} 1\n",
    (unsigned long)head.block.height, (unsigned long)head.block.height, (unsigned long)blocks, (unsigned long)txs, (unsigned long)pool.rejected, (unsigned long)pool.replaced, (unsigned long)pool.expired,
    pool.pooled_cnt, pool.queued_cnt, (double)build/1e9, (double)exec/1e9, (double)store/1e9, (unsigned long)state.key_cnt, (unsigned long)state.tree_sz, (unsigned long)state.read_check_failures,
    (unsigned long)log.sz, DMG_VERSION );
}
