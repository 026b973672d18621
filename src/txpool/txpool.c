#include "txpool/txpool_int.h"
#include "types/receipt.h"

#include <stdlib.h>

dmg_txpool_cfg_t dmg_txpool_cfg_default( dmg_hash_t const * chain ) {
  return (dmg_txpool_cfg_t){ .chain = *chain, .cnt_max = 100000, .bytes_max = (size_t)256<<20, .sender_cnt_max = 2048, .sender_bytes_max = (size_t)8<<20,
                             .ticket_max = 8192, .status_max = 400000, .status_age_ms = (uint64_t)7*86400000 };
}

static uint32_t pow2_above( uint32_t n ) {
  uint32_t p = 16;
  while( p<n ) p *= 2;
  return p;
}

dmg_txpool_t * dmg_txpool_new( dmg_txpool_cfg_t const * cfg ) {
  DMG_ASSERT( cfg->cnt_max && cfg->cnt_max<=1u<<24 && cfg->status_max/2>=cfg->cnt_max && cfg->status_max<=1u<<28 && cfg->sender_cnt_max && cfg->ticket_max );
  dmg_txpool_t * pool = calloc( 1, sizeof *pool );
  if( !pool ) return NULL;
  pool->cfg        = *cfg;
  pool->generation = 1;
  dmg_params_default( &pool->head.params );
  pool->record_free = pool->aged_first = pool->aged_last = NONE;
  pool->id_mask     = pow2_above( cfg->status_max )-1;
  pool->sender_mask = pow2_above( cfg->cnt_max )-1;
  pool->lane_mask   = pool->sender_mask;
  pool->scratch     = dmg_arena_new( DMG_TX_DECODE_MEM_MAX );
  /* Pages of a large calloc cost nothing before they are used. */
  pool->records      = calloc( cfg->status_max, sizeof *pool->records );
  pool->id_heads     = malloc( ( (size_t)pool->id_mask+1 )*sizeof *pool->id_heads );
  pool->sender_heads = calloc( (size_t)pool->sender_mask+1, sizeof *pool->sender_heads );
  pool->lane_heads   = calloc( (size_t)pool->lane_mask+1, sizeof *pool->lane_heads );
  pool->by_cnt       = calloc( (size_t)dmg_min_u64( cfg->sender_cnt_max, cfg->cnt_max )+2, sizeof *pool->by_cnt );
  pool->live         = calloc( (size_t)cfg->cnt_max+1, sizeof *pool->live );   /* one more for the moment of a replacement */
  pool->heap         = calloc( cfg->cnt_max, sizeof *pool->heap );
  if( !pool->scratch || !pool->records || !pool->id_heads || !pool->sender_heads || !pool->lane_heads || !pool->by_cnt || !pool->live || !pool->heap ) { dmg_txpool_free( pool ); return NULL; }
  memset( pool->id_heads, 0xff, ( (size_t)pool->id_mask+1 )*sizeof *pool->id_heads );
  return pool;
}

void dmg_txpool_free( dmg_txpool_t * pool ) {
  if( !pool ) return;
  DMG_ASSERT( !pool->stats.ticket_cnt );
  pool->cfg.watch = NULL;
  while( pool->ring ) dmg_txpool_entry_out( pool, pool->ring->lanes->first, (change_t){ .kind = DMG_TXPOOL_DROPPED }, 0 );
  dmg_arena_free( pool->scratch );
  free( pool->records );
  free( pool->id_heads );
  free( pool->sender_heads );
  free( pool->lane_heads );
  free( pool->by_cnt );
  free( pool->live );
  free( pool->heap );
  free( pool );
}

/* --- admission ---------------------------------------------------------------------------------------- */

/* R4.1a: what waits or is in a block; what was refused or fell out may be sent again. */
static bool is_known( dmg_txpool_t const * pool, dmg_hash_t const * id, dmg_txpool_answer_t * out ) {
  uint32_t i = dmg_txpool_record_find( pool, id );
  if( i==NONE ) return false;
  uint8_t kind = pool->records[ i ].kind;
  if( kind!=DMG_TXPOOL_QUEUED && kind!=DMG_TXPOOL_POOLED && kind!=DMG_TXPOOL_INCLUDED && kind!=DMG_TXPOOL_FINAL ) return false;
  out->kind = DMG_TXPOOL_ADMIT_KNOWN;
  dmg_txpool_record_status( &pool->records[ i ], &out->status );
  return true;
}

static void rejected( dmg_txpool_t * pool, dmg_txpool_answer_t * out ) {
  DMG_ASSERT( out->why.reason );
  out->kind = DMG_TXPOOL_ADMIT_REJECTED;
  pool->stats.rejected++;
}

dmg_err_t dmg_txpool_ticket_new( dmg_span_t raw, dmg_arena_t * scratch, dmg_txpool_ticket_t ** out_ticket ) {
  dmg_tx_t * tx = NULL;
  dmg_arena_reset( scratch );
  dmg_verdict_t v = dmg_tx_decode( raw, scratch, &tx );
  if( v.kind==DMG_VERDICT_LOCAL ) return v.err;
  dmg_txpool_ticket_t * t = calloc( 1, sizeof *t );
  if( !t ) return DMG_ERR_NOMEM;
  if( v.kind==DMG_VERDICT_BAD ) t->why = (dmg_txpool_why_t){ .reason = raw.sz>DMG_TX_SZ_MAX ? DMG_TXPOOL_SIZE : DMG_TXPOOL_FORM, .form = v };
  else if( !( t->entry = dmg_txpool_entry_new( tx ) ) ) { free( t ); return DMG_ERR_NOMEM; }
  *out_ticket = t;
  return DMG_OK;
}

void dmg_txpool_ticket_free( dmg_txpool_t * pool, dmg_txpool_ticket_t * t ) {
  if( !t ) return;
  DMG_ASSERT( !t->is_out || pool->stats.ticket_cnt );
  if( t->is_out ) pool->stats.ticket_cnt--;
  if( t->entry )  dmg_txpool_entry_unref( t->entry );
  free( t );
}

dmg_err_t dmg_txpool_admit_check( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_txpool_ticket_t * t, uint64_t now_ms, dmg_txpool_answer_t * out ) {
  dmg_txpool_answer_t a = { .kind = DMG_TXPOOL_ADMIT_VERIFY };
  entry_t * e = t->entry, * replaced;
  DMG_ASSERT( !t->is_out );
  if( !e ) { a.why = t->why; rejected( pool, &a ); goto answered; }
  a.id = e->tx.id;
  if( !dmg_txpool_judge_early( pool, &e->tx, &a.why ) ) { rejected( pool, &a ); goto answered; }
  if( is_known( pool, &e->tx.id, &a ) ) goto answered;
  if( pool->stats.ticket_cnt>=pool->cfg.ticket_max ) return DMG_ERR_FULL;
  DMG_TRY( dmg_txpool_judge( pool, state, e, &t->learnt, &a.why ) );
  if( a.why.reason || !dmg_txpool_judge_room( pool, e, &t->learnt, false, now_ms, &replaced, &a.why ) ) { rejected( pool, &a ); goto answered; }
  t->is_out = true;
  pool->stats.ticket_cnt++;
answered:
  *out = a;
  return DMG_OK;
}

dmg_hash_t const * dmg_txpool_ticket_sender( dmg_txpool_ticket_t const * ticket ) { return ticket->entry ? &ticket->entry->tx.sender : NULL; }

size_t dmg_txpool_sig_jobs( dmg_tx_t const * tx, dmg_sig_job_t * out_jobs ) {
  for( uint32_t i = 0; out_jobs && i<tx->sig_cnt; i++ ) {
    dmg_tx_sig_t const * s = &tx->sigs[ i ];
    out_jobs[ i ] = (dmg_sig_job_t){ .scheme = (dmg_sig_scheme_t)s->scheme, .key = s->key, .msg = dmg_hash_span( &tx->id ),
                                     .sig = { .sig = s->sig, .auth_data = s->auth_data, .client_data = s->client_data } };
  }
  return tx->sig_cnt;
}

size_t dmg_txpool_ticket_jobs( dmg_txpool_ticket_t const * ticket, dmg_sig_job_t * out_jobs ) { return dmg_txpool_sig_jobs( &ticket->entry->tx, out_jobs ); }

/* The entry's ref is the caller's; entry_in takes one of its own. */
static dmg_err_t take_in( dmg_txpool_t * pool, entry_t * e, learnt_t const * learnt, uint64_t now_ms, dmg_txpool_answer_t * a ) {
  entry_t * replaced;
  if( !dmg_txpool_judge_room( pool, e, learnt, true, now_ms, &replaced, &a->why ) ) { rejected( pool, a ); return DMG_OK; }
  /* The lane must not go with the one that leaves it, nor what follows be told of a gap: the newcomer steps in first,
     behind it.  For that moment the pool may hold one more. */
  e->ref_cnt++;
  dmg_err_t err = dmg_txpool_entry_in( pool, e, learnt->lane_head, now_ms );
  if( err ) { e->ref_cnt--; return err; }
  if( replaced ) dmg_txpool_entry_out( pool, replaced, (change_t){ .kind = DMG_TXPOOL_REPLACED, .by = &e->tx.id }, now_ms );
  a->kind = DMG_TXPOOL_ADMIT_OK;
  dmg_txpool_record_status( &pool->records[ e->record ], &a->status );
  return DMG_OK;
}

dmg_err_t dmg_txpool_admit_finish( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_txpool_ticket_t * ticket, bool is_valid, uint64_t now_ms, dmg_txpool_answer_t * out ) {
  entry_t * e = ticket->entry, * replaced;
  dmg_txpool_answer_t a = { .id = e->tx.id };
  DMG_ASSERT( ticket->is_out && pool->stats.ticket_cnt );
  ticket->is_out = false;
  pool->stats.ticket_cnt--;
  if( !dmg_txpool_judge_early( pool, &e->tx, &a.why ) ) { rejected( pool, &a ); goto answered; }
  if( is_known( pool, &e->tx.id, &a ) ) goto answered;   /* a copy came in meanwhile */
  /* Others of this sender may have come in since; a new head makes all of it doubtful. */
  if( ticket->learnt.generation==pool->generation ) dmg_txpool_judge_again( pool, e, &ticket->learnt, &a.why );
  else DMG_TRY( dmg_txpool_judge( pool, state, e, &ticket->learnt, &a.why ) );
  /* R4.1: signatures come last, so that verified one by one or many together a transaction hears the same reason. */
  if( !a.why.reason && !is_valid && dmg_txpool_judge_room( pool, e, &ticket->learnt, false, now_ms, &replaced, &a.why ) ) a.why.reason = DMG_TXPOOL_SIGNATURE;
  if( a.why.reason ) { rejected( pool, &a ); goto answered; }
  DMG_TRY( take_in( pool, e, &ticket->learnt, now_ms, &a ) );
answered:
  *out = a;
  return DMG_OK;
}

dmg_err_t dmg_txpool_admit( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_span_t raw, uint64_t now_ms, dmg_txpool_answer_t * out ) {
  dmg_txpool_ticket_t * t = NULL;
  DMG_TRY( dmg_txpool_ticket_new( raw, pool->scratch, &t ) );
  DMG_ASSERT( t );
  dmg_err_t err = dmg_txpool_admit_check( pool, state, t, now_ms, out );
  if( !err && out->kind==DMG_TXPOOL_ADMIT_VERIFY ) {
    dmg_sig_job_t jobs[ DMG_TX_SIG_MAX ];
    size_t n = dmg_txpool_ticket_jobs( t, jobs );
    bool is_valid = true;
    for( size_t i = 0; i<n && is_valid; i++ ) is_valid = dmg_sig_verify( jobs[ i ].scheme, jobs[ i ].key, jobs[ i ].msg, &jobs[ i ].sig );
    err = dmg_txpool_admit_finish( pool, state, t, is_valid, now_ms, out );
  }
  dmg_txpool_ticket_free( pool, t );
  return err;
}

/* --- heads -------------------------------------------------------------------------------------------- */

static void expire( dmg_txpool_t * pool, uint64_t from, uint64_t now_ms ) {
  uint64_t height = pool->head.height, n = height>from ? height-from : 0;
  if( n>WHEEL_SZ ) n = WHEEL_SZ;
  for( uint64_t k = 0; k<n; k++ ) {
    for( entry_t * e = pool->wheel[ ( height-k )&( WHEEL_SZ-1 ) ], * next; e; e = next ) {
      next = e->expiry_next;
      /* After a step back a list may hold two heights. */
      if( e->tx.expiry<=height ) dmg_txpool_entry_out( pool, e, (change_t){ .kind = DMG_TXPOOL_EXPIRED_AT, .height = e->tx.expiry }, now_ms );
    }
  }
}

static void head_set( dmg_txpool_t * pool, dmg_txpool_head_t const * head, uint64_t now_ms ) {
  uint64_t was = pool->head.height;
  pool->head = *head;
  pool->generation++;
  expire( pool, was, now_ms );
  dmg_txpool_age( pool, now_ms );
}

static dmg_err_t lanes_reread( dmg_txpool_t * pool, dmg_txpool_state_t const * state, uint64_t now_ms ) {
  /* A lane that loses all it has vanishes, with its sender if it was the last: what comes next is read before. */
  uint32_t senders = pool->stats.sender_cnt;
  sender_t * s = pool->ring;
  for( uint32_t i = 0; i<senders; i++ ) {
    sender_t * next = s->ring_next;
    for( lane_t * l = s->lanes, * next_lane; l; l = next_lane ) {
      next_lane = l->next;
      if( l->no==DMG_TX_LANE_UNORDERED ) continue;
      uint64_t head;
      DMG_TRY( state->lane( state->ctx, &s->address, l->no, &head ) );
      dmg_txpool_lane_move( pool, l, head, now_ms );
    }
    s = next;
  }
  return DMG_OK;
}

dmg_err_t dmg_txpool_set_head( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_txpool_head_t const * head, uint64_t now_ms ) {
  uint64_t was = pool->head.height;
  head_set( pool, head, now_ms );
  if( head->height<was ) dmg_txpool_forget_above( pool, head->height );
  return lanes_reread( pool, state, now_ms );
}

static void include( dmg_txpool_t * pool, dmg_txpool_included_t const * in, uint32_t index, uint64_t now_ms ) {
  bool is_void = in->receipt_status==DMG_STATUS_VOID;   /* R4.3: uses no nonce */
  lane_t * lane = in->lane==DMG_TX_LANE_UNORDERED ? NULL : dmg_txpool_lane_find( pool, dmg_txpool_sender_find( pool, &in->sender ), in->lane );
  if( lane && !is_void && in->nonce>=lane->head ) lane->head = in->nonce+1;
  change_t change = is_void ? (change_t){ .kind = DMG_TXPOOL_DROPPED, .reason = DMG_TXPOOL_VOID }
                            : (change_t){ .kind = DMG_TXPOOL_INCLUDED, .receipt_status = in->receipt_status, .index = index, .height = pool->head.height };
  uint32_t  r = dmg_txpool_record_make( pool, &in->id );
  entry_t * e = pool->records[ r ].entry;
  if( e ) dmg_txpool_entry_out( pool, e, change, now_ms );
  else    dmg_txpool_record_set( pool, r, change, now_ms );
  if( is_void || !lane ) return;
  /* One of ours with that nonce lost its place to another; the lane may have gone with e. */
  lane = dmg_txpool_lane_find( pool, dmg_txpool_sender_find( pool, &in->sender ), in->lane );
  entry_t * other = dmg_txpool_lane_at( lane, in->nonce );
  if( other ) {
    dmg_txpool_entry_out( pool, other, (change_t){ .kind = DMG_TXPOOL_REPLACED, .by = &in->id }, now_ms );
    lane = dmg_txpool_lane_find( pool, dmg_txpool_sender_find( pool, &in->sender ), in->lane );
  }
  if( lane ) dmg_txpool_lane_move( pool, lane, lane->head, now_ms );
}

void dmg_txpool_on_block( dmg_txpool_t * pool, dmg_txpool_head_t const * head, dmg_txpool_included_t const * txs, size_t cnt, uint64_t now_ms ) {
  uint64_t was = pool->head.height;
  pool->head = *head;
  pool->generation++;
  for( size_t i = 0; i<cnt; i++ ) include( pool, &txs[ i ], (uint32_t)i, now_ms );
  expire( pool, was, now_ms );
  dmg_txpool_age( pool, now_ms );
}

void dmg_txpool_on_final( dmg_txpool_t * pool, dmg_hash_t const * ids, size_t cnt, uint64_t now_ms ) {
  for( size_t i = 0; i<cnt; i++ ) {
    uint32_t r = dmg_txpool_record_find( pool, &ids[ i ] );
    if( r==NONE || pool->records[ r ].kind!=DMG_TXPOOL_INCLUDED ) continue;   /* forgotten, or VOID */
    record_t const * rec = &pool->records[ r ];
    dmg_txpool_record_set( pool, r, (change_t){ .kind = DMG_TXPOOL_FINAL, .receipt_status = rec->receipt_status, .index = rec->index, .height = rec->height }, now_ms );
  }
}

static dmg_err_t take_back( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_span_t raw, uint64_t now_ms ) {
  dmg_tx_t * tx = NULL;
  dmg_arena_reset( pool->scratch );
  dmg_verdict_t v = dmg_tx_decode( raw, pool->scratch, &tx );
  if( v.kind==DMG_VERDICT_LOCAL ) return v.err;
  if( v.kind ) return DMG_ERR_INVALID;   /* it was in a block of ours */
  uint32_t r = dmg_txpool_record_find( pool, &tx->id );
  if( r!=NONE && pool->records[ r ].entry ) return DMG_OK;
  entry_t * e = dmg_txpool_entry_new( tx );
  if( !e ) return DMG_ERR_NOMEM;
  dmg_txpool_answer_t a = { 0 };
  learnt_t  learnt = { 0 };
  dmg_err_t err = DMG_OK;
  if( dmg_txpool_judge_early( pool, &e->tx, &a.why ) ) err = dmg_txpool_judge( pool, state, e, &learnt, &a.why );
  if( !err && !a.why.reason ) err = take_in( pool, e, &learnt, now_ms, &a );
  if( !err && a.why.reason ) {
    r = dmg_txpool_record_make( pool, &e->tx.id );
    change_t change = a.why.reason==DMG_TXPOOL_EXPIRED ? (change_t){ .kind = DMG_TXPOOL_EXPIRED_AT, .height = e->tx.expiry } : (change_t){ .kind = DMG_TXPOOL_DROPPED, .reason = a.why.reason };
    dmg_txpool_record_set( pool, r, change, now_ms );
  }
  dmg_txpool_entry_unref( e );
  return err;
}

dmg_err_t dmg_txpool_on_retract( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_txpool_head_t const * head, dmg_span_t const * raws, size_t cnt, uint64_t now_ms ) {
  head_set( pool, head, now_ms );
  DMG_TRY( lanes_reread( pool, state, now_ms ) );
  for( size_t i = 0; i<cnt; i++ ) DMG_TRY( take_back( pool, state, raws[ i ], now_ms ) );
  return DMG_OK;
}

/* --- questions ---------------------------------------------------------------------------------------- */

void dmg_txpool_status( dmg_txpool_t const * pool, dmg_hash_t const * id, dmg_txpool_status_t * out ) {
  uint32_t r = dmg_txpool_record_find( pool, id );
  if( r==NONE ) *out = (dmg_txpool_status_t){ .kind = DMG_TXPOOL_UNKNOWN };
  else          dmg_txpool_record_status( &pool->records[ r ], out );
}

bool dmg_txpool_get( dmg_txpool_t const * pool, dmg_hash_t const * id, dmg_tx_t const ** out_tx ) {
  uint32_t r = dmg_txpool_record_find( pool, id );
  if( r==NONE || !pool->records[ r ].entry ) return false;
  *out_tx = &pool->records[ r ].entry->tx;
  return true;
}

bool dmg_txpool_is_verified( dmg_txpool_t const * pool, dmg_hash_t const * id, dmg_span_t raw ) {
  dmg_tx_t const * tx;
  return dmg_txpool_get( pool, id, &tx ) && dmg_span_eq( tx->raw, raw );
}

void dmg_txpool_each( dmg_txpool_t const * pool, uint64_t now_ms, dmg_txpool_visit_t visit, void * ctx ) {
  for( uint32_t i = 0; i<pool->cnt; i++ ) {
    live_t const * l = &pool->live[ i ];
    visit( ctx, &l->leaf, l->entry->tx.raw, now_ms>l->in_ms ? now_ms-l->in_ms : 0 );
  }
}

uint64_t dmg_txpool_next_nonce( dmg_txpool_t const * pool, dmg_hash_t const * sender, uint16_t lane_no, uint64_t state_next ) {
  lane_t const * lane = dmg_txpool_lane_find( pool, dmg_txpool_sender_find( pool, sender ), lane_no );
  if( !lane || lane_no==DMG_TX_LANE_UNORDERED ) return state_next;
  uint64_t next = lane->head;
  for( entry_t const * e = lane->first; e && !e->is_queued; e = e->lane_next ) next = e->tx.nonce+1;
  return next;
}

size_t dmg_txpool_of_sender( dmg_txpool_t const * pool, dmg_hash_t const * sender, dmg_hash_t * out_ids, size_t max ) {
  sender_t const * s = dmg_txpool_sender_find( pool, sender );
  size_t n = 0;
  if( s ) for( lane_t const * l = s->lanes; l; l = l->next ) for( entry_t const * e = l->first; e && n<max; e = e->lane_next ) out_ids[ n++ ] = e->tx.id;
  return n;
}

void dmg_txpool_stats( dmg_txpool_t const * pool, dmg_txpool_stats_t * out ) {
  *out = pool->stats;
  out->pooled_cnt = pool->cnt-pool->stats.queued_cnt;
}
