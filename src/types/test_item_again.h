/* test_item_again: what is read by an item's codec is written again; for the fuzzer and the golden vectors. */
#ifndef DMG_TYPES_TEST_ITEM_AGAIN_H
#define DMG_TYPES_TEST_ITEM_AGAIN_H

#include "types/items.h"

#define AGAIN( type, fn ) do { type v; if( fn##_get( bcs, &v ) ) return SIZE_MAX; return fn##_put( &v, out ); } while(0)

/* The bytes of V read by its item and written to out (DMG_ITEM_CODE_MAX); SIZE_MAX: refused. */
static size_t item_again( dmg_item_t item, dmg_span_t bcs, uint8_t * out ) {
  uint64_t n;
  switch( item ) {
    case DMG_ITEM_ACCOUNT: AGAIN( dmg_item_account_t, dmg_item_account );
    case DMG_ITEM_AUTH:    AGAIN( dmg_item_auth_t, dmg_item_auth );
    case DMG_ITEM_MSIG:    AGAIN( dmg_item_msig_t, dmg_item_msig );
    case DMG_ITEM_PARAM:   AGAIN( dmg_item_param_t, dmg_item_param );
    case DMG_ITEM_MODULE:  AGAIN( dmg_item_module_t, dmg_item_module );
    case DMG_ITEM_SCHEMA:  AGAIN( dmg_item_schema_t, dmg_item_schema );
    case DMG_ITEM_TOPIC: case DMG_ITEM_RECEIPTS: AGAIN( dmg_mmr_t, dmg_item_mmr );
    case DMG_ITEM_BEACON:  AGAIN( dmg_hash_t, dmg_item_hash );
    case DMG_ITEM_BLOCK:   AGAIN( dmg_item_block_t, dmg_item_block );
    case DMG_ITEM_PLEDGE:  AGAIN( dmg_item_pledge_t, dmg_item_pledge );
    case DMG_ITEM_VM:      AGAIN( dmg_item_vm_t, dmg_item_vm );
    case DMG_ITEM_LOCK:    AGAIN( dmg_item_lock_t, dmg_item_lock );
    case DMG_ITEM_VESTING: AGAIN( dmg_item_vesting_t, dmg_item_vesting );
    case DMG_ITEM_BUCKET:  AGAIN( dmg_item_bucket_t, dmg_item_bucket );
    case DMG_ITEM_CODE: { dmg_span_t c; if( dmg_item_code_get( bcs, &c ) ) return SIZE_MAX; return dmg_item_code_put( c, out ); }
    case DMG_ITEM_SEEN: return bcs.sz ? SIZE_MAX : 0;
    case DMG_ITEM_LANE: case DMG_ITEM_FREE: case DMG_ITEM_HELD: case DMG_ITEM_HOLD: case DMG_ITEM_BURNED: case DMG_ITEM_MSIG_SEQ:
      return dmg_item_u64_get( bcs, &n ) ? SIZE_MAX : dmg_item_u64_put( n, out );
    case DMG_ITEM_CNT: break;
  }
  return SIZE_MAX;
}
#undef AGAIN

#endif
