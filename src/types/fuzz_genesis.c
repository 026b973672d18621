/* What decodes encodes to the same bytes; the check ends in a verdict. */
#include "types/genesis.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );
int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  static dmg_arena_t * arena;
  if( !arena ) arena = dmg_arena_new( (size_t)16<<20 );
  dmg_arena_reset( arena );
  dmg_genesis_t * g = NULL;
  dmg_verdict_t v = dmg_genesis_decode( dmg_span( data, sz ), arena, &g );
  DMG_ASSERT( v.kind!=DMG_VERDICT_LOCAL && ( v.kind==DMG_VERDICT_GOOD )==( g!=NULL ) );
  if( !g ) return 0;
  static dmg_buf_t buf = { .max = DMG_GENESIS_SZ_MAX };
  dmg_buf_clear( &buf );
  DMG_ASSERT( dmg_genesis_encode( g, &buf )==DMG_OK );
  DMG_ASSERT( dmg_span_eq( dmg_buf_span( &buf ), dmg_span( data, sz ) ) );
  v = dmg_genesis_check( g );
  DMG_ASSERT( v.kind!=DMG_VERDICT_LOCAL );
  return 0;
}
