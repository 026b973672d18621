#include "node/chain_int.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void (* dmg_chain_hook)( dmg_chain_step_t step, uint64_t height, dmg_hash_t const * hash );

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

dmg_txpool_head_t dmg_chain_pool_head( dmg_chain_t const * chain ) {
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
  /* What was seen of a chain that is not ours any more goes with its blocks (unlink_block); the head itself is the least. */
  if( dmg_hash_eq( &chain->tip, &chain->head.block.hash ) ) chain->tip = head->block.hash;
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
  dmg_txpool_head_t head = dmg_chain_pool_head( chain );
  return dmg_txpool_set_head( pool, &chain->pool_state, &head, dmg_os_wall_ms() );
}

/* ---- A chain of one ---- */

uint64_t dmg_chain_hold_ns( uint32_t tx_cnt, bool is_full ) { return is_full ? 0 : dmg_min_u64( (uint64_t)tx_cnt*100000u, 50000000u ); }

dmg_err_t dmg_chain_solo_finish( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_chain_made_t * out ) {
  uint64_t height = b->sh.header.height;
  dmg_solo_votes_t votes;
  uint64_t began = dmg_os_mono_ns();
  DMG_TRY( dmg_solo_cast( &chain->solo, height, &b->hash, &votes ) );
  b->vote_ns += dmg_os_mono_ns()-began;
  dmg_chain_step( DMG_CHAIN_STEP_SIGNED, height, &b->hash );
  memcpy( b->sh.sig, votes.propose, sizeof b->sh.sig );
  dmg_hash_t hash = b->hash;
  DMG_TRY( dmg_chain_block_commit( chain, b, &votes.finalization, &votes.notarization, out ) );
  return dmg_chain_votes_final( chain, height, &hash, &votes.finalization );
}

/* One block from what waits in the pool.  Under `writing`. */
static dmg_err_t make_block( dmg_chain_t * chain, uint64_t time_ms, dmg_chain_made_t * out ) {
  dmg_solo_parent_t const * parent = &chain->head.block;   /* written by this thread */
  dmg_chain_block_t * b;
  dmg_signed_header_t sh = { 0 };
  dmg_hash_t hash;
  if( time_ms<=parent->time_ms ) time_ms = parent->time_ms+1;
  dmg_solo_header( &chain->solo, parent, time_ms, &chain->head.root, &sh.header );
  DMG_TRY( dmg_chain_block_build( chain, &sh.header, false, NULL, 0, &b ) );
  sh.header.body_hash = b->sh.header.body_hash;
  sh.header.body_len  = b->sh.header.body_len;
  hash = dmg_header_hash( &sh.header );
  DMG_TRY( dmg_chain_block_attach( chain, b, &sh, &hash ) );
  dmg_chain_step( DMG_CHAIN_STEP_BUILT, sh.header.height, &hash );
  uint64_t began = dmg_os_mono_ns();
  DMG_TRY( dmg_chain_votes_save( chain, &sh.header, &hash, b->body ) );
  dmg_chain_step( DMG_CHAIN_STEP_SAVED, sh.header.height, &hash );
  b->vote_ns = dmg_os_mono_ns()-began;
  return dmg_chain_solo_finish( chain, b, out );
}

/* When the next block is due, monotonic ns; UINT64_MAX: not before something happens.  With `lock`. */
static uint64_t due_ns( dmg_chain_t const * chain ) {
  if( chain->mine_left ) return 0;
  switch( chain->pace.kind ) {
  case DMG_PACE_MANUAL: return UINT64_MAX;
  case DMG_PACE_MS:     return chain->last_block_ns+(uint64_t)chain->pace.pace_ms*1000000u;
  case DMG_PACE_AUTO:   break;
  }
  /* F2.5: at once for a transaction, and once more so that its effects are provable; else every second.  Under load a little later.  At once, too, when it starts: the state that it finds is
     proven by the next block. */
  if( chain->override_cnt || !chain->block_cnt || !chain->head.block.height ) return 0;
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
    dmg_chain_made_t made;
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

void dmg_chain_events( dmg_chain_t * chain, dmg_query_events_t const * events ) { DMG_ASSERT( !chain->is_running ); chain->events = *events; }

dmg_err_t dmg_chain_start( dmg_chain_t * chain ) {
  pthread_attr_t attr;
  DMG_ASSERT( !chain->is_running );
  chain->last_block_ns = dmg_os_mono_ns();
  /* Whoever is told that it runs asks for what it held before (due_ns).  Asked here: the thread changes the head. */
  bool is_awaited = chain->pace.kind==DMG_PACE_AUTO && chain->head.block.height;
  pthread_attr_init( &attr );
  /* vm.h: chains of nested runs need this stack. */
  pthread_attr_setstacksize( &attr, DMG_VM_THREAD_STACK_SZ+( 1u<<20 ) );
  int rc = pthread_create( &chain->thread, &attr, chain_thread, chain );
  pthread_attr_destroy( &attr );
  if( rc ) return DMG_ERR_NOMEM;
  chain->is_running = true;
  pthread_mutex_lock( &chain->lock );
  while( is_awaited && !chain->block_cnt ) pthread_cond_wait( &chain->made, &chain->lock );
  pthread_mutex_unlock( &chain->lock );
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
  while( chain->blocks ) dmg_chain_block_drop( chain, chain->blocks );
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
  if( !chain->cfg.kv )  dmg_kv_close( chain->kv );
  dmg_data_dir_close( chain->data_dir );
  if( !chain->cfg.vfs ) dmg_vfs_free( chain->vfs );
  dmg_buf_fini( &chain->pending );
  dmg_buf_fini( &chain->outbox );
  free( chain->keys );
  dmg_head_cache_free( chain->head_cache );
  dmg_arena_free( chain->pool_arena );
  dmg_arena_free( chain->spare );
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
  bool has_block = chain->last_block_ns>0;
  uint64_t age_ns = dmg_os_mono_ns()-chain->last_block_ns;
  bool is_ready = chain->pace.kind==DMG_PACE_MANUAL || ( has_block && age_ns<5000000000u+(uint64_t)chain->pace.pace_ms*1000000u );
  pthread_mutex_unlock( &chain->lock );
  /* A reason that does not fit changes nothing about the answer. */
  if( !is_ready && !has_block ) (void)!dmg_buf_printf( out_reasons, "[\"no block since this node started\"]\n" );
  else if( !is_ready ) (void)!dmg_buf_printf( out_reasons, "[\"the head is %lu s old\"]\n", (unsigned long)( age_ns/1000000000u ) );
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
    "# TYPE demiurge_chain_time_seconds gauge\ndemiurge_chain_time_seconds{kind=\"final\"} %.3f\n"
    "# TYPE demiurge_blocks_total counter\ndemiurge_blocks_total %lu\n"
    "# TYPE demiurge_tx_total counter\ndemiurge_tx_total{result=\"included\"} %lu\ndemiurge_tx_total{result=\"rejected\"} %lu\ndemiurge_tx_total{result=\"replaced\"} %lu\ndemiurge_tx_total{result=\"expired\"} %lu\n"
    "# TYPE demiurge_txpool_txs gauge\ndemiurge_txpool_txs{state=\"pooled\"} %u\ndemiurge_txpool_txs{state=\"queued\"} %u\n"
    "# TYPE demiurge_block_stage_seconds_total counter\ndemiurge_block_stage_seconds_total{stage=\"build\"} %.6f\ndemiurge_block_stage_seconds_total{stage=\"execute\"} %.6f\ndemiurge_block_stage_seconds_total{stage=\"commit\"} %.6f\n"
    "# TYPE demiurge_state_keys gauge\ndemiurge_state_keys %lu\n# TYPE demiurge_state_tree_bytes gauge\ndemiurge_state_tree_bytes %lu\n"
    "# TYPE demiurge_read_check_failures_total counter\ndemiurge_read_check_failures_total %lu\n"
    "# TYPE demiurge_storage_bytes gauge\ndemiurge_storage_bytes{cf=\"blocks\"} %lu\ndemiurge_storage_bytes{cf=\"state\"} %lu\n"
    "# TYPE demiurge_storage_memory_bytes gauge\ndemiurge_storage_memory_bytes %lu\n"
    "# TYPE demiurge_build_info gauge\ndemiurge_build_info{version=\"%s\"} 1\n",
    (unsigned long)head.block.height, (unsigned long)head.block.height, (double)head.block.time_ms/1e3, (unsigned long)blocks, (unsigned long)txs, (unsigned long)pool.rejected, (unsigned long)pool.replaced, (unsigned long)pool.expired,
    pool.pooled_cnt, pool.queued_cnt, (double)build/1e9, (double)exec/1e9, (double)store/1e9, (unsigned long)state.key_cnt, (unsigned long)state.tree_sz, (unsigned long)state.read_check_failures,
    (unsigned long)log.sz, (unsigned long)state.store_sz, (unsigned long)state.store_mem_sz, DMG_VERSION );
}
