/* First byte picks an item; the rest is V.  What is read is written to the same bytes. */
#include "types/test_item_again.h"
#include "base/assert.h"

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
