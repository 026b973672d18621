/* First byte picks an item; the rest is V.  What is read is written to the same bytes. */
#include "types/items.h"
#include "base/assert.h"

#define AGAIN( type, fn ) do { type v; if( fn##_get( bcs, &v ) ) return SIZE_MAX; return fn##_put( &v, out ); } while(0)

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

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );
int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  if( !sz ) return 0;
  dmg_item_desc_t const * d = &dmg_item_desc[ data[ 0 ]%DMG_ITEM_CNT ];
  dmg_span_t v = dmg_span( data+1, sz-1 ), bcs;
  uint8_t    schema;
  dmg_deposit_rec_t deposit;
  uint64_t   n;
  char       text[ 300 ];
  dmg_key_print( v, text, sizeof text );
  if( !dmg_counter_parse( v, d->has_deposit, &deposit, &n ) && v.sz ) {
    uint8_t out[ DMG_COUNTER_V_MAX ];
    DMG_ASSERT( dmg_span_eq( v, dmg_span( out, dmg_counter_build( d->has_deposit, v.p[ 0 ], &deposit, n, out ) ) ) );
  }
  if( dmg_value_parse( v, d->has_deposit, &schema, &deposit, &bcs ) ) return 0;
  static uint8_t out[ 1+DMG_DEPOSIT_SZ+DMG_ITEM_CODE_MAX ];
  size_t head = dmg_value_sz( d->has_deposit, 0 ), got = item_again( (dmg_item_t)( d-dmg_item_desc ), bcs, out+head );
  if( got==SIZE_MAX ) return 0;
  DMG_ASSERT( dmg_span_eq( v, dmg_span( out, dmg_value_build( d->has_deposit, schema, &deposit, dmg_span( out+head, got ), out ) ) ) );
  return 0;
}
