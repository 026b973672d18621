/* C8.2: what bodies record of who voted, judged over the chain that they stand on; the sets it is judged by.

     tree above the head --> final blocks in the log (recent ones remembered)      which block stood at a view, or none
     votes of that view  --> the body's aggregate, by the set of its epoch          the last view recorded, kept per branch */
#include "node/chain_int.h"
#include "base/assert.h"

#include <stdlib.h>

dmg_keys_t const * dmg_chain_keys( dmg_chain_t * chain, uint32_t epoch ) {
  if( !chain->keys && !( chain->keys = calloc( 1, sizeof *chain->keys ) ) ) return NULL;
  if( chain->has_keys ) { chain->keys->epoch = epoch; return chain->keys; }   /* sets do not change before Staking: each epoch's is the one of genesis */
  chain->has_keys = dmg_keys_init( chain->keys, &dmg_cons_bls, &chain->chain_id, epoch, &chain->set );
  return chain->has_keys ? chain->keys : NULL;
}

/* ---- Which block stood at a view ---- */

dmg_err_t dmg_chain_header_stored( dmg_chain_t * chain, dmg_hash_t const * hash, uint8_t out[ DMG_SIGNED_HEADER_SZ ] ) {
  DMG_TRY( dmg_block_log_head( chain->log, hash, out, DMG_SIGNED_HEADER_SZ ) );
  dmg_hash_t is = dmg_header_bytes_hash( dmg_span( out, DMG_HEADER_SZ ) );
  return dmg_hash_eq( &is, hash ) ? DMG_OK : DMG_ERR_CORRUPT;
}

/* Of a final block: its view, and into the ring of the newest. */
static dmg_err_t final_at( dmg_chain_t * chain, uint64_t height, dmg_chain_recent_t * out ) {
  dmg_chain_recent_t * r = &chain->recent[ height%DMG_CHAIN_RECENT_CNT ];
  if( r->height!=height ) {
    dmg_signed_header_t sh;
    dmg_hash_t hash;
    uint8_t bytes[ DMG_SIGNED_HEADER_SZ ];
    DMG_TRY( dmg_block_log_hash( chain->log, height, &hash ) );
    DMG_TRY( dmg_chain_header_stored( chain, &hash, bytes ) );
    if( dmg_signed_header_decode( DMG_SPAN( bytes ), &sh ).kind ) return DMG_ERR_CORRUPT;
    *r = (dmg_chain_recent_t){ .height = height, .view = sh.header.view, .hash = hash };
  }
  *out = *r;
  return DMG_OK;
}

void dmg_chain_recent_put( dmg_chain_t * chain, dmg_chain_block_t const * b ) {
  chain->recent[ b->sh.header.height%DMG_CHAIN_RECENT_CNT ] = (dmg_chain_recent_t){ .height = b->sh.header.height, .view = b->sh.header.view, .hash = b->hash };
}

/* What stood at view on the chain that h stands on; zero: the view was skipped.  Views and heights ascend together, so below the
   head it is found by doubling steps and halves: about 2 log2 of the distance. */
static dmg_err_t block_at( dmg_chain_t * chain, dmg_header_t const * h, uint64_t view, dmg_hash_t * out ) {
  dmg_hash_t at = h->parent_hash, zero = { 0 };
  uint64_t at_view = h->parent_view;   /* 0: the anchor */
  for( dmg_chain_block_t const * b; at_view>view && ( b = dmg_chain_block_find( chain, &at ) ); ) { at = b->sh.header.parent_hash; at_view = b->sh.header.parent_view; }
  if( at_view<=view ) { *out = at_view==view ? at : zero; return DMG_OK; }
  /* The head, a block of the same epoch as h: its last block has children in the next one only. */
  DMG_ASSERT( dmg_hash_eq( &at, &chain->head.block.hash ) && chain->record.epoch==h->epoch );
  dmg_chain_recent_t r;
  uint64_t first = chain->record.first_height, hi = chain->head.block.height, lo;
  for( uint64_t step = 1; ; step *= 2 ) {
    lo = hi-first>step ? hi-step : first;
    DMG_TRY( final_at( chain, lo, &r ) );
    if( r.view<=view || lo==first ) break;
    hi = lo;
  }
  if( r.view>view ) { *out = zero; return DMG_OK; }   /* below the epoch's first block */
  while( hi-lo>1 ) {   /* view of lo <= view < view of hi */
    uint64_t mid = lo+( hi-lo )/2;
    DMG_TRY( final_at( chain, mid, &r ) );
    if( r.view<=view ) lo = mid; else hi = mid;
  }
  DMG_TRY( final_at( chain, lo, &r ) );
  *out = r.view==view ? r.hash : zero;
  return DMG_OK;
}

/* ---- The last view recorded ---- */

uint64_t dmg_chain_attended_view( dmg_chain_attended_t const * a, dmg_header_t const * child ) { return child->parent_view && a->epoch==child->epoch ? a->view : 0; }

dmg_verdict_t dmg_chain_attend( dmg_chain_t * chain, dmg_header_t const * h, dmg_body_t const * body, dmg_chain_attended_t const * parent, dmg_chain_attended_t * out ) {
  dmg_chain_attended_t got = { .epoch = h->epoch, .view = dmg_chain_attended_view( parent, h ) };
  if( body->att_cnt && !chain->cfg.is_several ) return dmg_verdict_bad( "attendance", "a chain of one records none", 0 );   /* C2.7 */
  dmg_keys_t const * keys = body->att_cnt ? dmg_chain_keys( chain, h->epoch ) : NULL;
  if( body->att_cnt && !keys ) return dmg_verdict_local( DMG_ERR_NOMEM );
  for( uint32_t i = 0; i<body->att_cnt; i++ ) {
    dmg_hash_t block;
    dmg_attendance_t const * a = &body->atts[ i ];
    if( !dmg_attendance_is_due( a, got.view, h->view ) ) return dmg_verdict_bad( "attendance.view", "not above the last one recorded and 8 below the block's", i );
    dmg_err_t err = block_at( chain, h, a->view, &block );
    if( err ) return dmg_verdict_local( err );
    if( !dmg_attendance_verify( keys, a, &block ) ) return dmg_verdict_bad( "attendance", "not the votes of the view on this chain", i );
    got.view = a->view;
  }
  *out = got;
  return dmg_verdict_good();
}

/* Beside the state that it follows from, as Staking's item of it will be in the state (C5.4). */
dmg_err_t dmg_chain_attended_put( dmg_chain_block_t const * b, dmg_arena_t * arena, dmg_kv_op_t * out ) {
  uint8_t * bytes = dmg_arena_alloc( arena, 12 );
  if( !bytes ) return DMG_ERR_LIMIT;
  dmg_store_u32le( bytes, b->attended.epoch );
  dmg_store_u64le( bytes+4, b->attended.view );
  *out = (dmg_kv_op_t){ .cf = DMG_KV_META, .key = DMG_SPAN_STR( DMG_CHAIN_META_ATTENDED ), .value = dmg_span( bytes, 12 ) };
  return DMG_OK;
}

dmg_err_t dmg_chain_attended_get( dmg_chain_t * chain, dmg_chain_attended_t * out ) {
  dmg_kv_val_t val;
  *out = (dmg_chain_attended_t){ 0 };
  dmg_err_t err = dmg_kv_get( chain->kv, DMG_KV_META, NULL, DMG_SPAN_STR( DMG_CHAIN_META_ATTENDED ), &val );
  if( err ) return err==DMG_ERR_NOT_FOUND ? DMG_OK : err;
  if( val.v.sz==12 ) *out = (dmg_chain_attended_t){ .epoch = dmg_load_u32le( val.v.p ), .view = dmg_load_u64le( val.v.p+4 ) };
  else               err = DMG_ERR_CORRUPT;
  dmg_kv_val_release( &val );
  return err;
}
