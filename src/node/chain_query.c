/* chain_query: the read side of a chain, as rpc's table (rpc/query.h).

   Reads pin a view of a final block or the head and never wait for the block being made. */
#include "base/os.h"
#include "node/chain_int.h"
#include "types/block.h"
#include "types/state_proof.h"

#include <stdio.h>

#define DMG_CHAIN_BLOCK_NS 250000000ull

/* Between the two no dev_revert happens: what is read in one go is of one chain.  May be nested. */
static void reading  ( dmg_chain_t * chain ) { pthread_rwlock_rdlock( &chain->readers ); }
static void read_done( dmg_chain_t * chain ) { pthread_rwlock_unlock( &chain->readers ); }

static uint64_t param( dmg_chain_t * chain, dmg_param_t p ) {
  pthread_mutex_lock( &chain->lock );
  uint64_t v = chain->params.v[ p ];
  pthread_mutex_unlock( &chain->lock );
  return v;
}

static void q_chain( void * ctx, dmg_query_chain_t * out ) {
  dmg_chain_t * chain = ctx;
  dmg_txpool_stats_t pool;
  memset( out, 0, sizeof *out );
  pthread_mutex_lock( &chain->lock );
  out->head    = (dmg_at_block_t){ .height = chain->head.block.height, .hash = chain->head.block.hash, .is_final = true };
  out->head_ms = chain->head.block.time_ms;
  out->price   = chain->head.price;
  out->final    = out->head;
  out->final_ms = out->head_ms;
  dmg_chain_block_t const * tip = dmg_chain_tip_block( chain );
  if( tip ) {
    out->head    = (dmg_at_block_t){ .height = tip->sh.header.height, .hash = tip->hash };
    out->head_ms = tip->sh.header.time_ms;
    out->price   = tip->exec.price_next;
  }
  out->epoch   = chain->record.epoch;
  out->tx_cnt  = chain->tx_cnt;
  out->is_supply_broken = chain->head.supply_off!=0;
  dmg_txpool_stats( chain->pool, &pool );
  pthread_mutex_unlock( &chain->lock );
  out->pooled_cnt    = pool.pooled_cnt;
  out->oldest_height = dmg_block_log_oldest( chain->log );
  out->chain_id      = chain->chain_id;
  out->kind          = chain->genesis->kind;
  out->genesis_ms    = chain->genesis->time_ms;
  memcpy( out->name, chain->name, sizeof out->name );
  memcpy( out->validator_key, chain->genesis->validators[ 0 ].key, 96 );
}

/* C2.7: a lone validator's epoch 0 does not end. */
static dmg_err_t q_epoch( void * ctx, uint32_t epoch, dmg_record_t * out_record, dmg_set_t * out_set ) {
  dmg_chain_t * chain = ctx;
  dmg_err_t err = DMG_OK;
  pthread_mutex_lock( &chain->lock );
  if( epoch==chain->record.epoch )                                     *out_record = chain->record;
  else if( chain->has_next_record && epoch==chain->next_record.epoch ) *out_record = chain->next_record;
  else err = DMG_ERR_NOT_FOUND;
  pthread_mutex_unlock( &chain->lock );
  if( !err && !chain->cfg.is_several ) out_record->last_height = UINT64_MAX;
  *out_set = chain->set;
  return err;
}

/* The block of an `at`: final, or notarized above the head.  NOT_FOUND; UNSUPPORTED: pending. */
static dmg_err_t locate( dmg_chain_t * chain, dmg_at_t const * at, dmg_at_block_t * out ) {
  pthread_mutex_lock( &chain->lock );
  dmg_at_block_t head = { .height = chain->head.block.height, .hash = chain->head.block.hash, .is_final = true };
  dmg_chain_block_t const * x = at->kind==DMG_AT_HEAD ? dmg_chain_tip_block( chain ) : at->kind==DMG_AT_HEIGHT ? dmg_chain_tip_height( chain, at->height ) : at->kind==DMG_AT_HASH ? dmg_chain_tip_hash( chain, &at->hash ) : NULL;
  if( x ) *out = (dmg_at_block_t){ .height = x->sh.header.height, .hash = x->hash };
  pthread_mutex_unlock( &chain->lock );
  if( x ) return DMG_OK;
  dmg_at_block_t b = head;
  dmg_hash_t at_height;
  switch( at->kind ) {
  case DMG_AT_HEAD: case DMG_AT_FINAL: break;
  case DMG_AT_PENDING: return DMG_ERR_UNSUPPORTED;
  case DMG_AT_HEIGHT:
    if( at->height>head.height ) return DMG_ERR_NOT_FOUND;
    b.height = at->height;
    if( !b.height ) b.hash = chain->chain_id;
    else if( b.height!=head.height ) DMG_TRY( dmg_block_log_hash( chain->log, b.height, &b.hash ) );
    break;
  case DMG_AT_HASH:
    b.hash = at->hash;
    if( dmg_hash_eq( &b.hash, &head.hash ) ) break;
    if( dmg_hash_eq( &b.hash, &chain->chain_id ) ) { b.height = 0; break; }
    DMG_TRY( dmg_block_log_height( chain->log, &b.hash, &b.height ) );
    /* Known is not final: a block stored but not finished has no place in the chain. */
    if( b.height>head.height || dmg_block_log_hash( chain->log, b.height, &at_height ) || !dmg_hash_eq( &at_height, &b.hash ) ) return DMG_ERR_NOT_FOUND;
    break;
  }
  *out = b;
  return DMG_OK;
}

static dmg_err_t take( dmg_arena_t * arena, dmg_buf_t * buf, dmg_err_t err, dmg_span_t * out ) {
  if( !err ) {
    *out = dmg_arena_dup( arena, dmg_buf_span( buf ) );
    if( !out->p ) err = DMG_ERR_LIMIT;
  }
  dmg_buf_fini( buf );
  return err;
}

/* Signed header, body and certificate of the final block at a height. */
static dmg_err_t stored( dmg_chain_t * chain, uint64_t height, dmg_arena_t * arena, dmg_query_block_t * out ) {
  dmg_buf_t raw = dmg_buf( DMG_BLOCK_LOG_RAW_MAX ), cert = dmg_buf( 4096 );
  dmg_hash_t hash, parent;
  dmg_span_t bytes;
  DMG_TRY( take( arena, &cert, dmg_block_log_final( chain->log, height, &hash, &parent, &cert ), &out->finality ) );
  DMG_TRY( take( arena, &raw, dmg_block_log_block( chain->log, &hash, &raw, NULL ), &bytes ) );
  if( bytes.sz<DMG_SIGNED_HEADER_SZ ) return DMG_ERR_CORRUPT;
  out->signed_header = dmg_span( bytes.p, DMG_SIGNED_HEADER_SZ );
  out->body          = dmg_span( bytes.p+DMG_SIGNED_HEADER_SZ, bytes.sz-DMG_SIGNED_HEADER_SZ );
  return DMG_OK;
}

/* The same of a block above the head; NOT_FOUND: it is final by now, or lost. */
static dmg_err_t unfinal( dmg_chain_t * chain, dmg_hash_t const * hash, dmg_arena_t * arena, dmg_query_block_t * out ) {
  uint8_t header[ DMG_SIGNED_HEADER_SZ ];
  pthread_mutex_lock( &chain->lock );
  dmg_chain_block_t const * b = dmg_chain_tip_hash( chain, hash );
  if( b ) {
    dmg_signed_header_encode( &b->sh, header );
    out->body = dmg_arena_dup( arena, b->body );
  }
  pthread_mutex_unlock( &chain->lock );
  if( !b ) return DMG_ERR_NOT_FOUND;
  out->signed_header = dmg_arena_dup( arena, DMG_SPAN( header ) );
  out->finality      = dmg_span( NULL, 0 );
  return out->signed_header.p && out->body.p ? DMG_OK : DMG_ERR_LIMIT;
}

static dmg_err_t q_block( void * ctx, dmg_at_t const * at, dmg_arena_t * arena, dmg_query_block_t * out ) {
  dmg_query_block_t b = { 0 };
  dmg_err_t err = DMG_OK;
  reading( ctx );
  for( unsigned i = 0; i<2; i++ ) {
    err = locate( ctx, at, &b.at );
    /* The anchor is no block: it has no header (M16.6). */
    if( !err ) err = !b.at.is_final ? unfinal( ctx, &b.at.hash, arena, &b ) : b.at.height ? stored( ctx, b.at.height, arena, &b ) : DMG_ERR_NOT_FOUND;
    if( err!=DMG_ERR_NOT_FOUND || b.at.is_final ) break;   /* else: it moved between the two looks */
  }
  read_done( ctx );
  if( !err ) *out = b;
  return err;
}

static dmg_err_t receipt_at( dmg_chain_t * chain, uint64_t height, uint32_t index, dmg_arena_t * arena, dmg_span_t * out ) {
  dmg_buf_t buf = dmg_buf( DMG_RECEIPT_BCS_MAX );
  dmg_hash_t hash;
  DMG_TRY( dmg_block_log_hash( chain->log, height, &hash ) );
  DMG_TRY( take( arena, &buf, dmg_block_log_receipt( chain->log, &hash, index, &buf ), out ) );
  return out->sz>32 ? DMG_OK : DMG_ERR_CORRUPT;
}

static dmg_err_t q_receipts( void * ctx, uint64_t height, dmg_arena_t * arena, dmg_span_t ** out_receipts, uint32_t * out_cnt ) {
  dmg_chain_t * chain = ctx;
  dmg_hash_t hash;
  reading( chain );
  dmg_err_t err = dmg_block_log_hash( chain->log, height, &hash );
  if( !err ) err = dmg_block_log_receipts( chain->log, &hash, arena, out_receipts, out_cnt );
  read_done( chain );
  return err;
}

void dmg_chain_status( dmg_txpool_status_t const * s, dmg_query_tx_status_t * out ) {
  static dmg_tx_state_t const state[] = { [ DMG_TXPOOL_UNKNOWN ] = DMG_TX_UNKNOWN, [ DMG_TXPOOL_QUEUED ] = DMG_TX_QUEUED, [ DMG_TXPOOL_POOLED ] = DMG_TX_POOLED,
    [ DMG_TXPOOL_INCLUDED ] = DMG_TX_INCLUDED, [ DMG_TXPOOL_FINAL ] = DMG_TX_FINAL, [ DMG_TXPOOL_REPLACED ] = DMG_TX_REPLACED, [ DMG_TXPOOL_EXPIRED_AT ] = DMG_TX_EXPIRED, [ DMG_TXPOOL_DROPPED ] = DMG_TX_DROPPED };
  *out = (dmg_query_tx_status_t){ .state = state[ s->kind ], .height = s->height, .index = s->index, .receipt_status = s->receipt_status, .by = s->by };
  if( s->kind==DMG_TXPOOL_DROPPED ) snprintf( out->reason, sizeof out->reason, "%s", dmg_txpool_reason_word( s->reason ) );
}

/* FINAL, from the block log; UNKNOWN if it is not there.  The receipt goes to arena. */
static dmg_err_t stored_status( dmg_chain_t * chain, dmg_hash_t const * id, dmg_arena_t * arena, dmg_query_tx_status_t * out, dmg_span_t * out_receipt ) {
  dmg_query_tx_status_t s = { .state = DMG_TX_FINAL };
  *out = (dmg_query_tx_status_t){ .state = DMG_TX_UNKNOWN };
  dmg_err_t err = dmg_block_log_tx( chain->log, id, &s.height, &s.index );
  if( !err ) err = receipt_at( chain, s.height, s.index, arena, out_receipt );
  if( err==DMG_ERR_NOT_FOUND || err==DMG_ERR_PRUNED ) return DMG_OK;
  if( err ) return err;
  s.receipt_status = out_receipt->p[ 32 ];   /* R4.14: id[32], status */
  *out = s;
  return DMG_OK;
}

/* In a notarized block above the head (F4.4): its status.  With `lock`. */
static dmg_chain_block_t const * is_included( dmg_chain_t * chain, dmg_hash_t const * id, dmg_query_tx_status_t * out ) {
  uint32_t index;
  dmg_chain_block_t const * b = dmg_chain_tip_tx( chain, id, &index );
  if( b ) *out = (dmg_query_tx_status_t){ .state = DMG_TX_INCLUDED, .height = b->sh.header.height, .index = index, .receipt_status = b->included[ index ].receipt_status };
  return b;
}

/* The pool remembers for a while, the block log as long as blocks are kept. */
static dmg_err_t q_tx_status( void * ctx, dmg_hash_t const * id, dmg_query_tx_status_t * out ) {
  dmg_chain_t * chain = ctx;
  dmg_txpool_status_t s;
  dmg_span_t receipt;
  pthread_mutex_lock( &chain->lock );
  dmg_txpool_status( chain->pool, id, &s );
  dmg_chain_status( &s, out );
  if( out->state==DMG_TX_UNKNOWN || out->state==DMG_TX_QUEUED || out->state==DMG_TX_POOLED ) (void)is_included( chain, id, out );
  pthread_mutex_unlock( &chain->lock );
  if( out->state!=DMG_TX_UNKNOWN ) return DMG_OK;
  dmg_arena_t * arena = dmg_arena_new( (size_t)2*DMG_RECEIPT_BCS_MAX );
  if( !arena ) return DMG_ERR_NOMEM;
  reading( chain );
  dmg_err_t err = stored_status( chain, id, arena, out, &receipt );
  read_done( chain );
  dmg_arena_free( arena );
  return err;
}

/* NOT_FOUND: in no final block. */
static dmg_err_t stored_tx( dmg_chain_t * chain, dmg_hash_t const * id, dmg_arena_t * arena, dmg_span_t * out_raw, dmg_span_t * out_receipt, dmg_query_tx_status_t * out_status ) {
  dmg_query_block_t b;
  dmg_body_t * body;
  dmg_span_t receipt = { 0 };
  DMG_TRY( stored_status( chain, id, arena, out_status, &receipt ) );
  if( out_status->state!=DMG_TX_FINAL ) return DMG_ERR_NOT_FOUND;
  DMG_TRY( stored( chain, out_status->height, arena, &b ) );
  dmg_verdict_t v = dmg_body_decode( b.body, arena, &body );
  if( v.kind==DMG_VERDICT_LOCAL ) return v.err;
  if( v.kind!=DMG_VERDICT_GOOD || out_status->index>=body->tx_cnt ) return DMG_ERR_CORRUPT;
  *out_raw     = body->txs[ out_status->index ];
  *out_receipt = receipt;
  return DMG_OK;
}

/* NOT_FOUND: in none that is notarized and not final. */
static dmg_err_t included_tx( dmg_chain_t * chain, dmg_hash_t const * id, dmg_arena_t * arena, dmg_span_t * out_raw, dmg_span_t * out_receipt, dmg_query_tx_status_t * out_status ) {
  dmg_span_t bytes = { 0 }, receipt = { 0 };
  dmg_query_tx_status_t status;
  dmg_body_t * body;
  pthread_mutex_lock( &chain->lock );
  dmg_chain_block_t const * b = is_included( chain, id, &status );
  if( b ) {
    bytes   = dmg_arena_dup( arena, b->body );
    receipt = dmg_arena_dup( arena, b->exec.txs[ status.index ].receipt );
  }
  pthread_mutex_unlock( &chain->lock );
  if( !b ) return DMG_ERR_NOT_FOUND;
  if( !bytes.p || !receipt.p ) return DMG_ERR_LIMIT;
  dmg_verdict_t v = dmg_body_decode( bytes, arena, &body );
  if( v.kind ) return v.kind==DMG_VERDICT_LOCAL ? v.err : DMG_ERR_CORRUPT;
  *out_raw     = body->txs[ status.index ];
  *out_receipt = receipt;
  *out_status  = status;
  return DMG_OK;
}

static dmg_err_t tx_of( dmg_chain_t * chain, dmg_hash_t const * id, dmg_arena_t * arena, dmg_span_t * out_raw, dmg_span_t * out_receipt, dmg_query_tx_status_t * out_status ) {
  dmg_err_t err = stored_tx( chain, id, arena, out_raw, out_receipt, out_status );
  if( err==DMG_ERR_NOT_FOUND ) err = included_tx( chain, id, arena, out_raw, out_receipt, out_status );
  if( err!=DMG_ERR_NOT_FOUND ) return err;
  dmg_tx_t const * tx;
  dmg_span_t raw = { 0 };
  pthread_mutex_lock( &chain->lock );
  bool is_waiting = dmg_txpool_get( chain->pool, id, &tx );
  if( is_waiting ) raw = dmg_arena_dup( arena, tx->raw );
  pthread_mutex_unlock( &chain->lock );
  /* It may have gone from the pool into a block between the two looks. */
  if( !is_waiting ) return stored_tx( chain, id, arena, out_raw, out_receipt, out_status );
  if( !raw.p ) return DMG_ERR_LIMIT;
  DMG_TRY( q_tx_status( chain, id, out_status ) );
  *out_raw     = raw;
  *out_receipt = dmg_span( NULL, 0 );
  return DMG_OK;
}

static dmg_err_t q_tx( void * ctx, dmg_hash_t const * id, dmg_arena_t * arena, dmg_span_t * out_raw, dmg_span_t * out_receipt, dmg_query_tx_status_t * out_status ) {
  reading( ctx );
  dmg_err_t err = tx_of( ctx, id, arena, out_raw, out_receipt, out_status );
  read_done( ctx );
  return err;
}

static dmg_err_t q_view_open( void * ctx, dmg_at_t const * at, dmg_query_view_t * out ) {
  dmg_chain_t * chain = ctx;
  dmg_at_block_t where;
  dmg_view_t * view;
  dmg_err_t err = DMG_OK;
  reading( chain );
  for( unsigned i = 0; i<2; i++ ) {
    err = locate( chain, at, &where );
    if( err ) break;
    err = dmg_state_view_read( chain->state, &where.hash, &view );
    if( err!=DMG_ERR_NOT_FOUND ) break;
    /* A final block is known, so its state is no longer held; another one was lost between the two looks. */
    if( where.is_final ) { err = DMG_ERR_PRUNED; break; }
  }
  if( err ) { read_done( chain ); return err; }
  *out = (dmg_query_view_t){ .at = where, .handle = view };
  return DMG_OK;
}
static void q_view_close( void * ctx, dmg_query_view_t * view ) {
  dmg_view_close( view->handle );
  view->handle = NULL;
  read_done( ctx );
}
static dmg_err_t q_view_get( void * ctx, dmg_query_view_t const * view, dmg_span_t key, dmg_arena_t * arena, dmg_span_t * out ) { return dmg_view_get( view->handle, key, arena, out ); }

/* The time of a view's block, as the chain wrote it; before block 1: 0. */
static dmg_err_t view_ms( dmg_view_t * view, dmg_arena_t * arena, uint64_t * out ) {
  uint8_t key[ DMG_KEY_MAX ];
  dmg_span_t v, bcs;
  dmg_item_block_t block;
  dmg_err_t err = dmg_view_get( view, dmg_span( key, dmg_key_block( key ) ), arena, &v );
  *out = 0;
  if( err==DMG_ERR_NOT_FOUND ) return DMG_OK;
  DMG_TRY( err );
  DMG_TRY( dmg_value_bcs( DMG_ITEM_BLOCK, v, &bcs ) );
  DMG_TRY( dmg_item_block_get( bcs, &block ) );
  *out = block.time_ms;
  return DMG_OK;
}

static bool is_head( dmg_chain_t const * chain, dmg_hash_t const * block ) { return dmg_hash_eq( block, &chain->head.block.hash ); }

static dmg_err_t q_holding( void * ctx, dmg_at_t const * at, dmg_hash_t const * account, dmg_arena_t * arena, dmg_query_holding_t * out ) {
  dmg_chain_t * chain = ctx;
  dmg_query_view_t view;
  dmg_holding_t h;
  uint64_t now_ms = 0;
  dmg_query_holding_t known = { .at.is_final = true };
  /* Head and cache change together, under the lock. */
  pthread_mutex_lock( &chain->lock );
  bool is_known = ( ( at->kind==DMG_AT_HEAD && !dmg_chain_tip_block( chain ) ) || at->kind==DMG_AT_FINAL || ( at->kind==DMG_AT_HASH && is_head( chain, &at->hash ) ) ) && dmg_chain_known_holding( chain, account, &known.free, &known.held );
  known.at.height = chain->head.block.height;
  known.at.hash   = chain->head.block.hash;
  pthread_mutex_unlock( &chain->lock );
  known.spendable = known.free;
  if( is_known ) { *out = known; return DMG_OK; }

  DMG_TRY( q_view_open( chain, at, &view ) );
  dmg_err_t err = dmg_holding_read( view.handle, arena, account, &h );
  if( !err && h.lock_cnt ) err = view_ms( view.handle, arena, &now_ms );
  /* Of who has nothing nothing is kept: addresses cost an asker nothing. */
  if( !err && !h.lock_cnt && ( h.free || h.held ) ) {
    pthread_mutex_lock( &chain->lock );
    if( is_head( chain, &view.at.hash ) ) dmg_head_cache_put_holding( chain->head_cache, account, h.free, h.held, false );
    pthread_mutex_unlock( &chain->lock );
  }
  if( !err ) {
    uint64_t locked = dmg_holding_locked( &h, now_ms );
    *out = (dmg_query_holding_t){ .at = view.at, .free = h.free, .held = h.held, .locked = locked, .spendable = dmg_spendable( h.free, locked ) };
  }
  q_view_close( chain, &view );
  return err;
}

static dmg_err_t q_view_list( void * ctx, dmg_query_view_t const * view, dmg_span_t prefix, dmg_span_t after, uint32_t max, dmg_arena_t * arena,
                              dmg_span_t * out_keys, dmg_span_t * out_values, uint32_t * out_cnt ) {
  dmg_iter_t * it;
  uint32_t cnt = 0;
  DMG_TRY( dmg_view_iter( view->handle, prefix, after, false, &it ) );
  dmg_err_t err = DMG_OK;
  while( cnt<max ) {
    dmg_span_t key, value;
    err = dmg_iter_next( it, &key, &value );
    if( err ) break;
    out_keys[ cnt ]   = dmg_arena_dup( arena, key );
    out_values[ cnt ] = dmg_arena_dup( arena, value );
    if( !out_keys[ cnt ].p || !out_values[ cnt ].p ) { err = DMG_ERR_LIMIT; break; }
    cnt++;
  }
  dmg_iter_close( it );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  *out_cnt = cnt;
  return DMG_OK;
}

/* F0.5: from a header without a FINALIZATION, whose child is at this height, up to the first with one. */
static dmg_err_t prove_final( dmg_chain_t * chain, uint64_t height, dmg_arena_t * arena, dmg_query_proof_t * io ) {
  pthread_mutex_lock( &chain->lock );
  uint64_t head = chain->head.block.height;
  pthread_mutex_unlock( &chain->lock );
  for( uint32_t cnt = 0; !io->finality.sz && height<=head && cnt<DMG_QUERY_LINK_MAX; height++ ) {
    dmg_query_block_t b;
    DMG_TRY( stored( chain, height, arena, &b ) );
    io->links[ cnt++ ] = dmg_span( b.signed_header.p, DMG_HEADER_SZ );
    io->finality       = b.finality;
    if( b.finality.sz ) io->link_cnt = cnt;   /* else they lead nowhere */
  }
  return DMG_OK;
}

/* S1.4: the state after h is proven by header h+1. */
static dmg_err_t q_view_prove( void * ctx, dmg_query_view_t const * view, dmg_span_t key, dmg_arena_t * arena, dmg_query_proof_t * out ) {
  dmg_chain_t * chain = ctx;
  dmg_query_block_t child;
  pthread_mutex_lock( &chain->lock );
  bool has_child = view->at.height<chain->head.block.height;
  pthread_mutex_unlock( &chain->lock );
  if( !has_child || !view->at.is_final ) return DMG_ERR_AGAIN;
  DMG_TRY( stored( chain, view->at.height+1, arena, &child ) );
  dmg_buf_t tree = dmg_buf( DMG_STATE_SINGLE_SZ_MAX );
  bool is_present;
  dmg_span_t value;
  *out = (dmg_query_proof_t){ .height = view->at.height, .header = dmg_span( child.signed_header.p, DMG_HEADER_SZ ), .finality = child.finality };
  DMG_TRY( prove_final( chain, view->at.height+2, arena, out ) );
  return take( arena, &tree, dmg_state_prove( chain->state, &view->at.hash, key, arena, &tree, &is_present, &value ), &out->tree );
}

/* A past state is asked as in its own block; the head as in the next one. */
static dmg_block_ctx_t read_ctx( dmg_chain_t * chain, uint64_t height ) {
  dmg_block_ctx_t c = { .height = height ? height : 1, .chain_id = chain->chain_id, .leader = chain->leaders[ 0 ] };
  pthread_mutex_lock( &chain->lock );
  c.time_ms = chain->head.block.time_ms;
  pthread_mutex_unlock( &chain->lock );
  return c;
}

static dmg_err_t q_module_query( void * ctx, dmg_query_view_t const * view, uint16_t module, uint16_t query, dmg_span_t args, dmg_arena_t * arena, dmg_span_t * out, dmg_query_why_t * why ) {
  dmg_chain_t * chain = ctx;
  dmg_answer_t answer;
  dmg_block_ctx_t c = read_ctx( chain, view->at.height );
  DMG_TRY( dmg_runtime_query( chain->runtime, view->handle, &c, module, query, args, param( chain, DMG_PARAM_TX_GAS ), arena, &answer ) );
  if( answer.kind==DMG_ANSWER_OK ) { *out = answer.value; return DMG_OK; }
  snprintf( why->text, sizeof why->text, "%s", answer.why.text );
  why->name = "";
  return answer.kind==DMG_ANSWER_NO_MODULE || answer.kind==DMG_ANSWER_NO_QUERY ? DMG_ERR_NOT_FOUND : DMG_ERR_INVALID;
}
static dmg_err_t q_module_abi( void * ctx, dmg_query_view_t const * view, uint16_t module, dmg_arena_t * arena, dmg_span_t * out ) {
  return dmg_runtime_abi( ( (dmg_chain_t *)ctx )->runtime, view->handle, module, arena, out );
}
static dmg_err_t q_modules( void * ctx, dmg_query_view_t const * view, uint16_t * out_ids, uint32_t max, uint32_t * out_cnt ) {
  return dmg_runtime_modules( ( (dmg_chain_t *)ctx )->runtime, view->handle, out_ids, max, out_cnt );
}

static dmg_err_t preview_out( dmg_preview_t const * p, dmg_arena_t * arena, dmg_query_preview_t * out ) {
  *out = (dmg_query_preview_t){ .status = p->tx.status, .gas_used = p->tx.gas_used, .gas_to_set = p->gas_to_set, .fee_at_set = p->fee_at_set,
                                .intrinsic = p->intrinsic, .price = p->price, .receipt = p->tx.receipt, .outcome = p->outcome, .flow_cnt = (uint32_t)p->flow_cnt };
  snprintf( out->why.text, sizeof out->why.text, "%s", p->why.text );
  out->why.name = "";
  out->flows    = DMG_ARENA_NEW( arena, dmg_query_flow_t, p->flow_cnt );
  if( !out->flows ) return DMG_ERR_LIMIT;
  for( size_t i = 0; i<p->flow_cnt; i++ ) out->flows[ i ] = (dmg_query_flow_t){ p->flows[ i ].account, p->flows[ i ].asset, p->flows[ i ].out, p->flows[ i ].in };
  return DMG_OK;
}

static dmg_err_t q_tx_preview( void * ctx, dmg_span_t const * raws, uint32_t cnt, bool is_billed, dmg_arena_t * arena, dmg_query_preview_t * out, dmg_at_block_t * out_at, dmg_query_why_t * why ) {
  dmg_chain_t * chain = ctx;
  dmg_tx_t * tx[ DMG_QUERY_STACK_MAX ];
  dmg_query_view_t view;
  dmg_preview_t p[ DMG_QUERY_STACK_MAX ];
  uint64_t gas = param( chain, DMG_PARAM_TX_GAS );
  for( uint32_t i = 0; i<cnt; i++ ) {
    dmg_verdict_t verdict = dmg_tx_decode( raws[ i ], arena, &tx[ i ] );
    if( verdict.kind==DMG_VERDICT_LOCAL ) return verdict.err;
    if( verdict.kind==DMG_VERDICT_BAD ) { dmg_verdict_print( &verdict, why->text, sizeof why->text ); why->name = "form"; return DMG_ERR_INVALID; }
    /* An estimate asks before gas is known: give it all that a transaction may have. */
    if( !is_billed && !tx[ i ]->gas ) tx[ i ]->gas = gas;
  }
  DMG_TRY( q_view_open( ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view ) );
  dmg_block_ctx_t c = read_ctx( chain, view.at.height+1 );
  c.time_ms = dmg_chain_now_ms( chain );
  dmg_preview_opts_t opts = { .is_owner = true, .is_any_nonce = true, .is_free = !is_billed };
  *out_at = view.at;
  dmg_err_t err = dmg_runtime_preview_stack( chain->runtime, view.handle, &c, tx, cnt, &opts, arena, p );
  q_view_close( ctx, &view );
  DMG_TRY( err );
  for( uint32_t i = 0; i<cnt; i++ ) {
    if( p[ i ].tx.status==DMG_STATUS_VOID ) {
      if( i+1<cnt ) snprintf( why->text, sizeof why->text, "transaction %u of the stack: %.200s", i, p[ i ].why.text );
      else          snprintf( why->text, sizeof why->text, "%s", p[ i ].why.text );
      why->name = dmg_void_word( p[ i ].reason );
      return DMG_ERR_INVALID;
    }
    DMG_TRY( preview_out( &p[ i ], arena, &out[ i ] ) );
  }
  return DMG_OK;
}

/* F3.2: by how many block times (250 ms) the block in the making is late. */
static uint32_t q_lag( void * ctx ) {
  uint64_t since = atomic_load( &( (dmg_chain_t *)ctx )->making_ns ), now = dmg_os_mono_ns();
  return since && now>since ? (uint32_t)( ( now-since )/DMG_CHAIN_BLOCK_NS ) : 0;
}

void dmg_chain_query_fill( dmg_chain_t * chain ) {
  dmg_query_t * q = &chain->query;
  q->ctx          = chain;
  q->chain        = q_chain;
  q->block        = q_block;
  q->epoch        = q_epoch;
  q->receipts     = q_receipts;
  q->tx           = q_tx;
  q->tx_status    = q_tx_status;
  q->tx_preview   = q_tx_preview;
  q->holding      = q_holding;
  q->view_open    = q_view_open;
  q->view_get     = q_view_get;
  q->view_list    = q_view_list;
  q->view_prove   = q_view_prove;
  q->module_query = q_module_query;
  q->module_abi   = q_module_abi;
  q->modules      = q_modules;
  q->view_close   = q_view_close;
  q->lag          = q_lag;
}
