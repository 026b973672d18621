/* Opening a chain: genesis, store, runtime; what a crash left undone is done. */
#include "node/chain_int.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"
#include "crypto/bls.h"
#include "crypto/kdf.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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
  dmg_genesis_t const * g = chain->genesis;
  /* C2.7: solo runs only genesis kind dev, and no other mode does. */
  if( !chain->cfg.is_several && ( g->kind!=DMG_GENESIS_DEV || g->validator_cnt!=1 ) ) {
    snprintf( out_why, 512, "a single validator runs only a genesis of kind dev with one validator; this one is %s with %u", dmg_genesis_kind_name( g->kind ), g->validator_cnt );
    return DMG_ERR_INVALID;
  }
  if( chain->cfg.is_several && ( g->kind==DMG_GENESIS_DEV || !g->validator_cnt ) ) {
    snprintf( out_why, 512, "a node runs a genesis of kind test or main with validators; this one is %s with %u (`demiurge dev` runs a chain of kind dev)", dmg_genesis_kind_name( g->kind ), g->validator_cnt );
    return DMG_ERR_INVALID;
  }
  chain->chain_id = dmg_genesis_hash( bytes );
  snprintf( chain->name, sizeof chain->name, "%.*s", DMG_SPAN_F( chain->genesis->name ) );
  uint8_t index[ DMG_SET_MAX ];
  dmg_epoch_set( g, &chain->set, index );
  for( uint32_t i = 0; i<chain->set.cnt; i++ ) chain->leaders[ i ] = g->validators[ index[ i ] ].account;
  if( chain->cfg.is_several && dmg_is_zero( chain->cfg.validator_secret, sizeof chain->cfg.validator_secret ) ) return DMG_OK;   /* a follower */
  dmg_bls_key_t key;
  uint8_t key_bytes[ DMG_BLS_KEY_SZ ];
  if( !dmg_bls_public( chain->cfg.validator_secret, &key ) ) { snprintf( out_why, 512, "the validator's key is not a BLS secret" ); return DMG_ERR_INVALID; }
  dmg_bls_key_store( &key, key_bytes );
  if( dmg_set_find( &chain->set, key_bytes )<0 ) { snprintf( out_why, 512, "the validator's key is not one of this genesis" ); return DMG_ERR_INVALID; }
  return DMG_OK;
}

static dmg_err_t open_storage( dmg_chain_t * chain, char out_why[512] ) {
  dmg_open_why_t why = { "" };
  char path[ 2048 ];
  dmg_err_t err;
  snprintf( out_why, 512, "the store does not open" );
  if( chain->cfg.vfs ) {
    chain->vfs = chain->cfg.vfs;
    chain->kv  = chain->cfg.kv;
    err = DMG_OK;
  } else if( chain->cfg.data_dir ) {
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
  dmg_code_cache_cfg_t cache = { .vm = chain->vm, .dir = chain->cfg.cache_dir, .store = chain->cfg.data_dir && !chain->cfg.vfs ? chain->kv : NULL };
  DMG_TRY( dmg_code_cache_open( &cache, &chain->cache ) );
  snprintf( out_why, 512, "the runtime does not start" );
  dmg_runtime_cfg_t cfg = { .vm = chain->vm, .cache = chain->cache, .is_dev = chain->cfg.is_dev, .readers_max = 5 };   /* the pool keeps one */
  dmg_os_random( &cfg.hash_seed, sizeof cfg.hash_seed );
  return dmg_runtime_open( &cfg, &chain->runtime );
}

/* Executes a block again and commits it: what a crash between its steps left undone.  raw: signed header and body; not final
   yet: its votes are cast (again). */
static dmg_err_t replay( dmg_chain_t * chain, dmg_hash_t const * hash, dmg_span_t raw, bool is_final ) {
  dmg_signed_header_t sh;
  dmg_chain_block_t * b;
  dmg_chain_made_t made;
  if( raw.sz<DMG_SIGNED_HEADER_SZ || dmg_signed_header_decode( dmg_span( raw.p, DMG_SIGNED_HEADER_SZ ), &sh ).kind!=DMG_VERDICT_GOOD ) return DMG_ERR_CORRUPT;
  dmg_hash_t is = dmg_header_hash( &sh.header );
  if( !dmg_hash_eq( &is, hash ) || !dmg_hash_eq( &sh.header.parent_hash, &chain->head.block.hash ) || !dmg_hash_eq( &sh.header.parent_state_root, &chain->head.root ) ) return DMG_ERR_CORRUPT;
  dmg_verdict_t v = dmg_chain_block_check( chain, &sh, hash, dmg_span( raw.p+DMG_SIGNED_HEADER_SZ, raw.sz-DMG_SIGNED_HEADER_SZ ), true, &b );
  if( v.kind ) return v.kind==DMG_VERDICT_LOCAL ? v.err : DMG_ERR_CORRUPT;
  return is_final ? dmg_chain_block_commit( chain, b, NULL, NULL, &made ) : dmg_chain_solo_finish( chain, b, &made );
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

/* The final block above the head; its certificate is in the log. */
static dmg_err_t replay_final( dmg_chain_t * chain ) {
  dmg_hash_t hash;
  dmg_buf_t buf = dmg_buf( DMG_BLOCK_LOG_RAW_MAX );
  dmg_err_t err = dmg_block_log_hash( chain->log, chain->head.block.height+1, &hash );
  if( !err ) err = dmg_block_log_block( chain->log, &hash, &buf, NULL );
  if( !err ) err = replay( chain, &hash, dmg_buf_span( &buf ), true );
  dmg_buf_fini( &buf );
  return err;
}

/* The head as the state has it: its block says when it was made. */
static dmg_err_t state_head( dmg_chain_t * chain, dmg_chain_head_t * out ) {
  dmg_chain_head_t h = { .is_empty = true };
  DMG_TRY( dmg_state_head( chain->state, &h.block.height, &h.block.hash, &h.root ) );
  DMG_TRY( dmg_chain_attended_get( chain, &h.attended ) );
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

static dmg_err_t not_replayed( dmg_chain_t const * chain, dmg_err_t err, char out_why[512] ) {
  snprintf( out_why, 512, "the stored block %lu does not run on the state before it: %s; nothing was changed", (unsigned long)chain->head.block.height+1, dmg_err_text( err ) );
  return err;
}

/* NOT_FOUND: epoch 0, or no seed yet. */
static dmg_err_t record_get( dmg_chain_t * chain, dmg_span_t key, dmg_record_t * out ) {
  dmg_kv_val_t val;
  DMG_TRY( dmg_kv_get( chain->kv, DMG_KV_META, NULL, key, &val ) );
  dmg_verdict_t v = dmg_record_decode( val.v, out );
  dmg_kv_val_release( &val );
  return v.kind ? DMG_ERR_CORRUPT : DMG_OK;
}

static dmg_err_t open_epoch( dmg_chain_t * chain ) {
  chain->record = dmg_epoch_first( chain->genesis, &chain->chain_id, &chain->set );
  dmg_err_t err = record_get( chain, DMG_SPAN_STR( DMG_CHAIN_META_EPOCH ), &chain->record );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  err = record_get( chain, DMG_SPAN_STR( DMG_CHAIN_META_NEXT ), &chain->next_record );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  chain->has_next_record = !err;
  return DMG_OK;
}

static dmg_err_t recover( dmg_chain_t * chain, char out_why[512] ) {
  dmg_chain_head_t head;
  dmg_hash_t hash;
  uint64_t tip = 0, replayed = 0;
  snprintf( out_why, 512, "the stored chain does not continue: a block or the state is damaged" );
  DMG_TRY( state_head( chain, &head ) );
  DMG_TRY( open_epoch( chain ) );
  dmg_err_t err = dmg_block_log_tip( chain->log, &tip, &hash );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  if( head.block.height>tip && head.block.height ) { snprintf( out_why, 512, "the state is at height %lu but the block log ends at %lu: blocks are missing", (unsigned long)head.block.height, (unsigned long)tip ); return DMG_ERR_CORRUPT; }
  snprintf( out_why, 512, "the state does not read" );
  DMG_TRY( dmg_chain_adopt( chain, &head, NULL ) );
  while( chain->head.block.height<tip ) {
    err = replay_final( chain );
    if( err ) return not_replayed( chain, err, out_why );
    replayed++;
  }
  if( !chain->cfg.is_several && chain->head.block.height && !chain->unfinished.sz ) {
    snprintf( out_why, 512, "no vote for block %lu, the head; see the log", (unsigned long)chain->head.block.height );
    DMG_TRY( head_cert( chain, &chain->head ) );
  }
  /* C6.3: what was voted for is voted for again and finished; another at its height would convict us. */
  if( chain->unfinished.sz ) {
    err = replay( chain, &chain->unfinished_hash, dmg_buf_span( &chain->unfinished ), false );
    dmg_buf_fini( &chain->unfinished );
    if( err ) return not_replayed( chain, err, out_why );
    replayed++;
  }
  if( chain->head.block.height ) DMG_LOG_INFO( "chain_opened", "height=%lu replayed=%lu", (unsigned long)chain->head.block.height, (unsigned long)replayed );
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
  chain->outbox  = dmg_buf( DMG_CHAIN_OUTBOX_SZ_MAX );
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
  chain->pool_arena    = dmg_arena_new( 1<<20 );
  dmg_chain_pool_fill( chain );
  uint64_t seed;
  dmg_os_random( &seed, sizeof seed );
  chain->head_cache    = dmg_head_cache_new( DMG_CHAIN_CACHE_MAX, seed );
  dmg_err_t err = chain->genesis_arena && chain->pool_arena && chain->head_cache ? DMG_OK : DMG_ERR_NOMEM;
  if( !err ) err = open_genesis( chain, out_why );
  if( !err ) err = open_storage( chain, out_why );
  if( !err ) err = dmg_chain_votes_open( chain, out_why );
  dmg_wipe( chain->cfg.validator_secret, sizeof chain->cfg.validator_secret );
  if( !err ) {
    dmg_safety_epoch_t epoch = { .anchor_ms = chain->genesis->time_ms, .skew_ms = dmg_genesis_param( chain->genesis, DMG_PARAM_SKEW_MS ) };
    chain->window_views = dmg_genesis_param( chain->genesis, DMG_PARAM_WINDOW_VIEWS );
    if( !cfg->is_several ) dmg_solo_init( &chain->solo, chain->signer, chain->window_views, epoch );
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
