#include "node/holding.h"

static dmg_err_t counter( dmg_view_t * view, dmg_arena_t * arena, dmg_span_t key, bool has_deposit, uint64_t * out ) {
  dmg_span_t v;
  dmg_err_t err = dmg_view_get( view, key, arena, &v );
  *out = 0;
  if( err==DMG_ERR_NOT_FOUND ) return DMG_OK;
  DMG_TRY( err );
  return dmg_counter_parse( v, has_deposit, NULL, out );
}

/* One scan: most accounts have no lock, and eight look-ups of what is not there cost more. */
static dmg_err_t read_locks( dmg_view_t * view, dmg_hash_t const * account, dmg_holding_t * out ) {
  uint8_t prefix[ DMG_KEY_MAX ];
  dmg_iter_t * it;
  dmg_span_t key, v, bcs;
  DMG_TRY( dmg_view_iter( view, dmg_span( prefix, dmg_key_lock( account, 0, prefix )-1 ), dmg_span( NULL, 0 ), false, &it ) );
  dmg_err_t err = DMG_OK;
  while( out->lock_cnt<DMG_BALANCES_LOCK_MAX && !( err = dmg_iter_next( it, &key, &v ) ) ) {
    err = dmg_value_bcs( DMG_ITEM_LOCK, v, &bcs );
    if( !err ) err = dmg_item_lock_get( bcs, &out->locks[ out->lock_cnt ] );
    if( err ) break;
    out->lock_cnt++;
  }
  dmg_iter_close( it );
  return err==DMG_ERR_NOT_FOUND ? DMG_OK : err;
}

dmg_err_t dmg_holding_read( dmg_view_t * view, dmg_arena_t * arena, dmg_hash_t const * account, dmg_holding_t * out ) {
  uint8_t key[ DMG_KEY_MAX ];
  dmg_holding_t h = { 0 };
  DMG_TRY( counter( view, arena, dmg_span( key, dmg_key_free( account, key ) ), true, &h.free ) );
  DMG_TRY( counter( view, arena, dmg_span( key, dmg_key_held( account, key ) ), false, &h.held ) );
  DMG_TRY( read_locks( view, account, &h ) );
  *out = h;
  return DMG_OK;
}

uint64_t dmg_holding_locked( dmg_holding_t const * h, uint64_t now_ms ) {
  uint64_t most = 0;
  for( uint32_t i = 0; i<h->lock_cnt; i++ ) if( now_ms<h->locks[ i ].until_ms && h->locks[ i ].amount>most ) most = h->locks[ i ].amount;
  return most;
}
