/* What decodes encodes to the same bytes. */
#include "types/receipt.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );
int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  static dmg_arena_t * arena;
  if( !arena ) arena = dmg_arena_new( 1<<20 );
  dmg_arena_reset( arena );
  dmg_receipt_t * r = NULL;
  dmg_verdict_t v = dmg_receipt_decode( dmg_span( data, sz ), arena, &r );
  DMG_ASSERT( v.kind!=DMG_VERDICT_LOCAL && ( v.kind==DMG_VERDICT_GOOD )==( r!=NULL ) );
  if( !r ) return 0;
  static dmg_buf_t buf = { .max = DMG_RECEIPT_BCS_MAX };
  dmg_buf_clear( &buf );
  DMG_ASSERT( dmg_receipt_encode( r, &buf )==DMG_OK );
  DMG_ASSERT( dmg_span_eq( dmg_buf_span( &buf ), dmg_span( data, sz ) ) );
  return 0;
}
