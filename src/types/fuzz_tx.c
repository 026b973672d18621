/* What decodes encodes to the same bytes; memory stays within its bound; each signature names a scheme. */
#include "types/tx.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );
int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  static dmg_arena_t * arena;
  if( !arena ) arena = dmg_arena_new( DMG_TX_DECODE_MEM_MAX );
  dmg_arena_reset( arena );
  dmg_tx_t * tx = NULL;
  dmg_verdict_t v = dmg_tx_decode( dmg_span( data, sz ), arena, &tx );
  char text[ DMG_VERDICT_TEXT_MAX ];
  dmg_verdict_print( &v, text, sizeof text );
  DMG_ASSERT( v.kind!=DMG_VERDICT_LOCAL && ( v.kind==DMG_VERDICT_GOOD )==( tx!=NULL ) );
  DMG_ASSERT( v.kind==DMG_VERDICT_GOOD || v.off<=sz );
  if( !tx ) return 0;
  static dmg_buf_t buf = { .max = DMG_TX_SZ_MAX };
  dmg_buf_clear( &buf );
  DMG_ASSERT( dmg_tx_encode( tx, &buf )==DMG_OK );
  DMG_ASSERT( dmg_span_eq( dmg_buf_span( &buf ), dmg_span( data, sz ) ) );
  dmg_buf_clear( &buf );
  DMG_ASSERT( dmg_tx_body_encode( tx, &buf )==DMG_OK );
  DMG_ASSERT( dmg_span_eq( dmg_buf_span( &buf ), tx->body ) );
  DMG_ASSERT( dmg_tx_intrinsic_gas( tx, sz )>=6000 );
  return 0;
}
