/* chain_pool: transactions on their way into the pool, and what the pool asks of the state.

     tx_submit( items ) --> decode --> check under the lock --> signatures of all together --> finish under the lock, in order

   Several threads may be in tx_submit; only check and finish, some microseconds a transaction, exclude one another. */
#include "node/chain_int.h"
#include "base/assert.h"
#include "base/os.h"

#include <stdio.h>
#include <stdlib.h>

enum { SLICE_MAX = 256 };   /* transactions that are checked, verified and finished together: bounds memory and how long the lock is held */

/* ---- What the pool asks ---- */

/* Absent: *out empty and OK. */
static dmg_err_t pool_get( dmg_chain_t * chain, dmg_item_t item, dmg_span_t key, dmg_span_t * out_bcs ) {
  dmg_span_t v;
  *out_bcs = dmg_span( NULL, 0 );
  dmg_err_t err = dmg_view_get( chain->head_view, key, chain->pool_arena, &v );
  if( err==DMG_ERR_NOT_FOUND ) return DMG_OK;
  DMG_TRY( err );
  return dmg_value_bcs( item, v, out_bcs );
}

static dmg_err_t read_account( dmg_chain_t * chain, dmg_hash_t const * address, dmg_txpool_account_t * out ) {
  uint8_t key[ DMG_KEY_MAX ];
  dmg_span_t bcs;
  dmg_item_account_t account;
  dmg_arena_reset( chain->pool_arena );
  DMG_TRY( pool_get( chain, DMG_ITEM_ACCOUNT, dmg_span( key, dmg_key_account( address, key ) ), &bcs ) );
  if( !bcs.sz ) return DMG_ERR_NOT_FOUND;
  DMG_TRY( dmg_item_account_get( bcs, &account ) );
  *out = (dmg_txpool_account_t){ .is_user = account.kind==DMG_ACCOUNT_USER, .t_use = account.t_use, .t_owner = account.t_owner };
  for( uint8_t slot = 0; slot<DMG_AUTH_SLOT_MAX; slot++ ) {
    dmg_item_auth_t auth;
    DMG_TRY( pool_get( chain, DMG_ITEM_AUTH, dmg_span( key, dmg_key_auth( address, slot, key ) ), &bcs ) );
    if( !bcs.sz ) continue;
    DMG_TRY( dmg_item_auth_get( bcs, &auth ) );
    dmg_txpool_auth_t * a = &out->auths[ out->auth_cnt++ ];
    *a = (dmg_txpool_auth_t){ .scheme = auth.scheme, .level = auth.level, .key_sz = (uint8_t)auth.key.sz, .weight = auth.weight, .active_from_ms = auth.active_from_ms };
    memcpy( a->key, auth.key.p, auth.key.sz );
  }
  return DMG_OK;
}

/* For debug builds: the cache says what the state says. */
static bool is_account( dmg_chain_t * chain, dmg_hash_t const * address, dmg_txpool_account_t const * a ) {
  dmg_txpool_account_t b;
  if( read_account( chain, address, &b ) || a->is_user!=b.is_user || a->t_use!=b.t_use || a->t_owner!=b.t_owner || a->auth_cnt!=b.auth_cnt ) return false;
  for( uint32_t i = 0; i<b.auth_cnt; i++ ) {
    dmg_txpool_auth_t const * x = &a->auths[ i ], * y = &b.auths[ i ];
    if( x->scheme!=y->scheme || x->level!=y->level || x->weight!=y->weight || x->active_from_ms!=y->active_from_ms || !dmg_span_eq( dmg_span( x->key, x->key_sz ), dmg_span( y->key, y->key_sz ) ) ) return false;
  }
  return true;
}

static dmg_err_t pool_account( void * ctx, dmg_hash_t const * address, dmg_txpool_account_t * out ) {
  dmg_chain_t * chain = ctx;
  if( dmg_head_cache_account( chain->head_cache, address, out ) ) { DMG_DASSERT( is_account( chain, address, out ) ); return DMG_OK; }
  DMG_TRY( read_account( chain, address, out ) );
  dmg_head_cache_put_account( chain->head_cache, address, out );
  return DMG_OK;
}

static dmg_err_t read_lane( dmg_chain_t * chain, dmg_hash_t const * address, uint16_t lane, uint64_t * out_next ) {
  uint8_t key[ DMG_KEY_MAX ];
  dmg_span_t bcs;
  dmg_arena_reset( chain->pool_arena );
  DMG_TRY( pool_get( chain, DMG_ITEM_LANE, dmg_span( key, dmg_key_lane( address, lane, key ) ), &bcs ) );
  if( !bcs.sz ) { *out_next = 0; return DMG_OK; }
  return dmg_item_u64_get( bcs, out_next );
}

static bool is_lane( dmg_chain_t * chain, dmg_hash_t const * address, uint64_t next ) {
  uint64_t now;
  return !read_lane( chain, address, 0, &now ) && now==next;
}

static dmg_err_t pool_lane( void * ctx, dmg_hash_t const * address, uint16_t lane, uint64_t * out_next ) {
  dmg_chain_t * chain = ctx;
  if( !lane && dmg_head_cache_lane( chain->head_cache, address, out_next ) ) { DMG_DASSERT( is_lane( chain, address, *out_next ) ); return DMG_OK; }
  DMG_TRY( read_lane( chain, address, lane, out_next ) );
  /* Of who has none yet nothing is kept: addresses cost an asker nothing. */
  if( !lane && *out_next ) dmg_head_cache_put_lane( chain->head_cache, address, *out_next );
  return DMG_OK;
}

static dmg_err_t pool_seen( void * ctx, uint64_t expiry, dmg_hash_t const * id, bool * out_is_seen ) {
  dmg_chain_t * chain = ctx;
  uint8_t key[ DMG_KEY_MAX ];
  dmg_span_t v;
  dmg_arena_reset( chain->pool_arena );
  dmg_err_t err = dmg_view_get( chain->head_view, dmg_span( key, dmg_key_seen( expiry/DMG_SEEN_BUCKET_BLOCKS, id, key ) ), chain->pool_arena, &v );
  *out_is_seen = err==DMG_OK;
  return err==DMG_ERR_NOT_FOUND ? DMG_OK : err;
}

/* For debug builds, as is_account. */
static bool is_holding( dmg_chain_t * chain, dmg_hash_t const * address, uint64_t free, uint64_t held ) {
  dmg_holding_t h;
  dmg_arena_reset( chain->pool_arena );
  return !dmg_holding_read( chain->head_view, chain->pool_arena, address, &h ) && !h.lock_cnt && h.free==free && h.held==held;
}

bool dmg_chain_known_holding( dmg_chain_t * chain, dmg_hash_t const * address, uint64_t * out_free, uint64_t * out_held ) {
  if( !dmg_head_cache_holding( chain->head_cache, address, out_free, out_held ) ) return false;
  DMG_DASSERT( is_holding( chain, address, *out_free, *out_held ) );
  return true;
}

static dmg_err_t pool_spendable( void * ctx, dmg_hash_t const * address, uint64_t * out_sparks ) {
  dmg_chain_t * chain = ctx;
  dmg_holding_t h;
  uint64_t held;
  if( dmg_chain_known_holding( chain, address, out_sparks, &held ) ) return DMG_OK;
  dmg_arena_reset( chain->pool_arena );
  DMG_TRY( dmg_holding_read( chain->head_view, chain->pool_arena, address, &h ) );
  *out_sparks = dmg_spendable( h.free, dmg_holding_locked( &h, chain->head.block.time_ms ) );
  if( !h.lock_cnt ) dmg_head_cache_put_holding( chain->head_cache, address, h.free, h.held, true );
  return DMG_OK;
}

static dmg_err_t pool_check_call( void * ctx, dmg_tx_call_t const * call, dmg_txpool_call_t * out ) {
  dmg_chain_t * chain = ctx;
  dmg_call_check_t check;
  if( !chain->checker ) DMG_TRY( dmg_runtime_checker_open( chain->runtime, chain->head_view, &chain->checker ) );
  DMG_TRY( dmg_runtime_checker_check( chain->checker, call->module, call->call, &call->schema, call->args, &check ) );
  *out = (dmg_txpool_call_t){ .want_schema = check.want, .gas_line = check.gas_line, .auth = check.auth };
  switch( check.reason ) {
  case DMG_VOID_NONE:   out->reason = DMG_TXPOOL_NONE;   break;
  case DMG_VOID_MODULE: out->reason = DMG_TXPOOL_MODULE; break;
  case DMG_VOID_SCHEMA: out->reason = DMG_TXPOOL_SCHEMA; break;
  default:              out->reason = DMG_TXPOOL_ARGS;   break;
  }
  return DMG_OK;
}

/* ---- Submitting ---- */

/* is_waiting: not decided; is_open: its signatures are being verified. */
typedef struct { dmg_txpool_ticket_t * ticket; dmg_txpool_answer_t answer; size_t job, job_cnt; bool is_waiting, is_open; } entry_t;

static bool is_same_sender( entry_t const * a, entry_t const * b ) {
  dmg_hash_t const * x = dmg_txpool_ticket_sender( a->ticket ), * y = dmg_txpool_ticket_sender( b->ticket );
  return x && y && dmg_hash_eq( x, y );
}

/* An answer that one of its sender standing before it can still turn: a first transaction brings the keys, a replacement
   frees what it replaces, what is known may be replaced, a copy may become known.  All but what R4.1 tells before that. */
static bool may_turn( entry_t const * e, size_t i ) {
  dmg_txpool_answer_t const * a = &e[ i ].answer;
  dmg_txpool_reason_t r = a->why.reason;
  if( a->kind==DMG_TXPOOL_ADMIT_REJECTED && ( r==DMG_TXPOOL_SIZE || r==DMG_TXPOOL_FORM || r==DMG_TXPOOL_CHAIN || r==DMG_TXPOOL_EXPIRED || r==DMG_TXPOOL_TOO_FAR ) ) return false;
  for( size_t k = 0; k<i; k++ ) if( e[ k ].is_open && is_same_sender( &e[ k ], &e[ i ] ) ) return true;
  return false;
}

/* R4.1: all steps but the signatures for what waits; returns the sum of the jobs.  What may turn, and after it all of that
   sender, stays waiting: so each hears what it would hear alone and in this order. */
static size_t check_all( dmg_chain_t * chain, dmg_query_submit_t * items, entry_t * e, size_t cnt ) {
  size_t   job_cnt = 0, held_cnt = 0;
  uint16_t held[ SLICE_MAX ];
  uint64_t now_ms = dmg_os_wall_ms();
  pthread_mutex_lock( &chain->lock );
  for( size_t i = 0; i<cnt; i++ ) {
    bool is_held = false;
    for( size_t k = 0; k<held_cnt && e[ i ].is_waiting && !is_held; k++ ) is_held = is_same_sender( &e[ held[ k ] ], &e[ i ] );
    if( !e[ i ].is_waiting || is_held ) continue;
    e[ i ].is_waiting = false;
    items[ i ].err = dmg_txpool_admit_check( chain->pool, &chain->pool_state, e[ i ].ticket, now_ms, &e[ i ].answer );
    if( items[ i ].err ) continue;
    if( e[ i ].answer.kind==DMG_TXPOOL_ADMIT_VERIFY ) {
      e[ i ].is_open = true;
      e[ i ].job     = job_cnt;
      e[ i ].job_cnt = dmg_txpool_ticket_jobs( e[ i ].ticket, NULL );
      job_cnt       += e[ i ].job_cnt;
    } else if( may_turn( e, i ) ) {
      e[ i ].is_waiting  = true;
      held[ held_cnt++ ] = (uint16_t)i;
    }
  }
  pthread_mutex_unlock( &chain->lock );
  return job_cnt;
}

/* R4.2: the signatures of all that is open; bit j of ok: job j is good. */
static void verify_all( entry_t const * e, size_t cnt, dmg_sig_job_t * jobs, size_t job_cnt, uint8_t * ok ) {
  uint8_t seed[ 32 ];
  for( size_t i = 0; i<cnt; i++ ) if( e[ i ].is_open ) (void)dmg_txpool_ticket_jobs( e[ i ].ticket, jobs+e[ i ].job );
  dmg_os_random( seed, sizeof seed );
  (void)dmg_sig_verify_many( jobs, job_cnt, seed, ok );
}

/* For the others.  Full: they do not hear of it, and it waits until we lead.  With `lock`. */
static void to_outbox( dmg_chain_t * chain, dmg_span_t raw ) {
  uint8_t * p;
  if( chain->outbox.sz+4+raw.sz>DMG_CHAIN_OUTBOX_SZ_MAX || dmg_buf_grow( &chain->outbox, 4+raw.sz, &p ) ) return;
  dmg_store_u32le( p, (uint32_t)raw.sz );
  memcpy( p+4, raw.p, raw.sz );
}

static void finish_all( dmg_chain_t * chain, dmg_query_submit_t * items, entry_t * e, size_t cnt, uint8_t const * ok, bool is_foreign ) {
  uint64_t now_ms = dmg_os_wall_ms();
  bool is_pooled = false;
  pthread_mutex_lock( &chain->lock );
  for( size_t i = 0; i<cnt; i++ ) {
    if( !e[ i ].is_open ) continue;
    bool is_valid = true;
    for( size_t j = e[ i ].job; j<e[ i ].job+e[ i ].job_cnt; j++ ) is_valid = is_valid && ok[ j/8 ]>>( j%8 )&1;
    e[ i ].is_open = false;
    items[ i ].err = dmg_txpool_admit_finish( chain->pool, &chain->pool_state, e[ i ].ticket, is_valid, now_ms, &e[ i ].answer );
    if( chain->on_outbox && !is_foreign && !items[ i ].err && e[ i ].answer.kind==DMG_TXPOOL_ADMIT_OK ) to_outbox( chain, items[ i ].raw );
    is_pooled = is_pooled || ( !items[ i ].err && e[ i ].answer.kind==DMG_TXPOOL_ADMIT_OK && e[ i ].answer.status.kind==DMG_TXPOOL_POOLED );
  }
  if( is_pooled && !chain->has_work ) {
    chain->has_work = true;
    pthread_cond_signal( &chain->wake );
  }
  pthread_mutex_unlock( &chain->lock );
}

/* Check, verify, finish; false: nothing waits any more. */
static bool submit_round( dmg_chain_t * chain, dmg_query_submit_t * items, entry_t * e, size_t cnt, bool is_foreign ) {
  bool is_left = false;
  size_t job_cnt = check_all( chain, items, e, cnt );
  if( job_cnt ) {
    dmg_sig_job_t * jobs = malloc( job_cnt*sizeof *jobs+( job_cnt+7 )/8 );
    if( jobs ) {
      uint8_t * ok = (uint8_t *)( jobs+job_cnt );
      verify_all( e, cnt, jobs, job_cnt, ok );
      finish_all( chain, items, e, cnt, ok, is_foreign );
      free( jobs );
    } else for( size_t i = 0; i<cnt; i++ ) if( e[ i ].is_open ) { e[ i ].is_open = false; items[ i ].err = DMG_ERR_NOMEM; }
  }
  for( size_t i = 0; i<cnt; i++ ) is_left = is_left || e[ i ].is_waiting;
  return is_left;
}

static void answer( entry_t const * e, dmg_query_submit_t * out ) {
  if( out->err==DMG_ERR_FULL ) { snprintf( out->why.text, sizeof out->why.text, "too many transactions are being checked, try again later" ); out->why.name = "pool"; }
  if( out->err ) return;
  if( e->answer.kind==DMG_TXPOOL_ADMIT_REJECTED ) {
    dmg_txpool_reason_t r = e->answer.why.reason;
    dmg_txpool_why_print( &e->answer.why, out->why.text, sizeof out->why.text );
    out->why.name = dmg_txpool_reason_word( r );
    out->err      = r==DMG_TXPOOL_FULL || r==DMG_TXPOOL_SENDER_FULL ? DMG_ERR_FULL : DMG_ERR_INVALID;
    out->is_false = r==DMG_TXPOOL_SIZE || r==DMG_TXPOOL_FORM || r==DMG_TXPOOL_CHAIN || r==DMG_TXPOOL_SIGNATURE;
    return;
  }
  out->is_known = e->answer.kind==DMG_TXPOOL_ADMIT_KNOWN;
  out->id = e->answer.id;
  dmg_chain_status( &e->answer.status, &out->status );
}

static void submit_slice( dmg_chain_t * chain, dmg_query_submit_t * items, size_t cnt, bool is_foreign ) {
  entry_t *     e       = calloc( cnt, sizeof *e );
  dmg_arena_t * scratch = dmg_arena_new( DMG_TXPOOL_SCRATCH_MAX );
  for( size_t i = 0; i<cnt; i++ ) {
    items[ i ].err = e && scratch ? dmg_txpool_ticket_new( items[ i ].raw, scratch, &e[ i ].ticket ) : DMG_ERR_NOMEM;
    if( e ) e[ i ].is_waiting = !items[ i ].err;
  }
  dmg_arena_free( scratch );
  if( !e ) return;
  /* Two rounds take all but what is made to defeat them; the rest goes one by one, so that work stays linear. */
  if( submit_round( chain, items, e, cnt, is_foreign ) && submit_round( chain, items, e, cnt, is_foreign ) )
    for( size_t i = 0; i<cnt; i++ ) if( e[ i ].is_waiting ) (void)submit_round( chain, &items[ i ], &e[ i ], 1, is_foreign );
  pthread_mutex_lock( &chain->lock );
  for( size_t i = 0; i<cnt; i++ ) dmg_txpool_ticket_free( chain->pool, e[ i ].ticket );
  pthread_mutex_unlock( &chain->lock );
  for( size_t i = 0; i<cnt; i++ ) answer( &e[ i ], &items[ i ] );
  free( e );
}

void dmg_chain_submit( dmg_chain_t * chain, dmg_query_submit_t * items, size_t cnt, bool is_foreign ) {
  pthread_rwlock_rdlock( &chain->readers );
  for( size_t at = 0; at<cnt; at += SLICE_MAX ) submit_slice( chain, items+at, cnt-at<SLICE_MAX ? cnt-at : SLICE_MAX, is_foreign );
  pthread_rwlock_unlock( &chain->readers );
  if( chain->on_outbox && !is_foreign ) chain->on_outbox( chain->on_outbox_ctx );
  dmg_chain_flush_events( chain );
}

static void q_tx_submit( void * ctx, dmg_query_submit_t * items, size_t cnt ) { dmg_chain_submit( ctx, items, cnt, false ); }

void dmg_chain_each_tx( dmg_chain_t * chain, dmg_txpool_visit_t visit, void * arg ) {
  pthread_mutex_lock( &chain->lock );
  dmg_txpool_each( chain->pool, dmg_os_wall_ms(), visit, arg );
  pthread_mutex_unlock( &chain->lock );
}

dmg_err_t dmg_chain_tx( dmg_chain_t * chain, dmg_hash_t const * id, dmg_buf_t * out ) {
  dmg_tx_t const * tx;
  pthread_mutex_lock( &chain->lock );
  dmg_err_t err = dmg_txpool_get( chain->pool, id, &tx ) ? dmg_buf_append( out, tx->raw.p, tx->raw.sz ) : DMG_ERR_NOT_FOUND;
  pthread_mutex_unlock( &chain->lock );
  return err;
}

static dmg_err_t q_nonce( void * ctx, dmg_hash_t const * account, uint16_t lane, uint64_t * out_state, uint64_t * out_next ) {
  dmg_chain_t * chain = ctx;
  pthread_mutex_lock( &chain->lock );
  dmg_err_t err = pool_lane( chain, account, lane, out_state );
  if( !err ) *out_next = dmg_txpool_next_nonce( chain->pool, account, lane, *out_state );
  pthread_mutex_unlock( &chain->lock );
  return err;
}

void dmg_chain_pool_fill( dmg_chain_t * chain ) {
  chain->pool_state      = (dmg_txpool_state_t){ .ctx = chain, .account = pool_account, .lane = pool_lane, .seen = pool_seen, .spendable = pool_spendable, .check_call = pool_check_call };
  chain->query.tx_submit = q_tx_submit;
  chain->query.nonce     = q_nonce;
}
