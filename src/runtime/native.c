#include "runtime/exec_int.h"

#include "base/assert.h"

/* Frozen per host API: a code of module 1 or 2 that declares one of these otherwise is refused (registry.c). */
#define ITEM( NAME, mod, num, KIND, has_dep, text )                                                                        \
  [ DMG_ITEM_##NAME ] = { .module = mod, .item = num, .is_counter = ( KIND )==DMG_ITEM_COUNTER,                            \
                          .is_ordered = ( KIND )==DMG_ITEM_ORDERED, .has_record = has_dep,                               \
                          .deposit = ( has_dep ) ? DMG_DEPOSIT_PAYER : DMG_DEPOSIT_NONE, .holds_cgt = DMG_ITEM_##NAME==DMG_ITEM_FREE, .schema = 1 },
dmg_ov_item_t const dmg_native_item[ DMG_ITEM_CNT ] = { DMG_ITEM_TABLE( ITEM ) };

dmg_err_t
dmg_nat_get( dmg_block_set_t * bs, dmg_item_t item, uint8_t const * key, size_t key_sz, dmg_span_t * out_bcs ) {
  dmg_span_t v;
  *out_bcs = (dmg_span_t){ 0 };
  DMG_TRY( dmg_bs_get( bs, dmg_span( key, key_sz ), &v ) );
  return v.p ? dmg_value_bcs( item, v, out_bcs ) : DMG_OK;
}

dmg_err_t
dmg_nat_entry( dmg_exec_t * x, dmg_item_t item, uint8_t const * key, size_t key_sz, dmg_ov_entry_t ** out ) {
  return dmg_ov_entry( x->ov, dmg_span( key, key_sz ), &dmg_native_item[ item ], out );
}

dmg_err_t
dmg_nat_free( dmg_exec_t * x, dmg_hash_t const * account, dmg_ov_entry_t ** out ) {
  uint8_t key[ DMG_KEY_MAX ];
  return dmg_nat_entry( x, DMG_ITEM_FREE, key, dmg_key_free( account, key ), out );
}

dmg_err_t
dmg_nat_credit( dmg_exec_t * x, dmg_ov_entry_t * entry, uint64_t amount ) {
  if( !amount ) return DMG_OK;
  /* Supply bounds every sum of CGT below 2^63: more means that the state is not ours. */
  if( entry->cur.ctr>DMG_AMOUNT_MAX || amount>DMG_AMOUNT_MAX-entry->cur.ctr ) return DMG_ERR_CORRUPT;
  return dmg_ov_set_ctr( x->ov, entry, entry->cur.ctr+amount );
}

dmg_err_t
dmg_nat_debit( dmg_exec_t * x, dmg_ov_entry_t * entry, uint64_t amount ) {
  if( !amount ) return DMG_OK;
  if( amount>entry->cur.ctr ) return DMG_ERR_CORRUPT;
  return dmg_ov_set_ctr( x->ov, entry, entry->cur.ctr-amount );
}

dmg_err_t
dmg_nat_spendable( dmg_exec_t * x, dmg_hash_t const * account, uint64_t * out ) {
  dmg_ov_entry_t * e;
  DMG_TRY( dmg_nat_free( x, account, &e ) );
  uint64_t have = e->cur.ctr, locked = 0;
  if( have && !x->is_lockless ) {
    for( unsigned reason=0; reason<DMG_BALANCES_LOCK_MAX; reason++ ) {
      uint8_t          key[ DMG_KEY_MAX ];
      dmg_ov_entry_t * l;
      dmg_item_lock_t  lock;
      DMG_TRY( dmg_nat_entry( x, DMG_ITEM_LOCK, key, dmg_key_lock( account, (uint8_t)reason, key ), &l ) );
      if( !l->cur.is_present ) continue;
      DMG_TRY( dmg_item_lock_get( l->cur.body, &lock ) );
      if( x->ctx->time_ms<lock.until_ms ) locked = dmg_max_u64( locked, lock.amount );   /* M2.2: they overlap */
    }
  }
  *out = have>locked ? have-locked : 0;
  return DMG_OK;
}

/* Held and Hold(account, storage, zero) of an account. */
static dmg_err_t
storage_hold( dmg_exec_t * x, dmg_hash_t const * account, dmg_ov_entry_t ** out_held, dmg_ov_entry_t ** out_hold ) {
  static dmg_hash_t const zero = { 0 };
  uint8_t key[ DMG_KEY_MAX ];
  DMG_TRY( dmg_nat_entry( x, DMG_ITEM_HELD, key, dmg_key_held( account, key ), out_held ) );
  return dmg_nat_entry( x, DMG_ITEM_HOLD, key, dmg_key_hold( account, DMG_HOLD_STORAGE, &zero, key ), out_hold );
}

dmg_err_t
dmg_nat_pay( dmg_exec_t * x, dmg_hash_t const * account, uint64_t amount, bool * out_ok ) {
  *out_ok = true;
  if( !amount ) return DMG_OK;
  uint64_t have;
  DMG_TRY( dmg_nat_spendable( x, account, &have ) );
  if( have<amount ) { *out_ok = false; return DMG_OK; }
  dmg_ov_entry_t * own, * held, * hold;
  DMG_TRY( dmg_nat_free( x, account, &own ) );
  DMG_TRY( storage_hold( x, account, &held, &hold ) );
  DMG_TRY( dmg_nat_debit( x, own, amount ) );
  DMG_TRY( dmg_nat_credit( x, held, amount ) );
  DMG_TRY( dmg_nat_credit( x, hold, amount ) );
  x->tx.held += amount;
  return DMG_OK;
}

dmg_err_t
dmg_nat_return( dmg_exec_t * x, dmg_hash_t const * account, uint64_t amount ) {
  if( !amount ) return DMG_OK;
  dmg_ov_entry_t * own, * held, * hold;
  DMG_TRY( dmg_nat_free( x, account, &own ) );
  DMG_TRY( storage_hold( x, account, &held, &hold ) );
  DMG_TRY( dmg_nat_debit( x, held, amount ) );
  DMG_TRY( dmg_nat_debit( x, hold, amount ) );
  DMG_TRY( dmg_nat_credit( x, own, amount ) );
  x->tx.returned += amount;
  return DMG_OK;
}
