/* Envelopes and multiaddresses: what decodes as an address is the same as text and back. */
#include "base/assert.h"
#include "network/peer_record.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );
int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  dmg_peer_record_t r;
  dmg_maddr_t a, b;
  char text[ DMG_MADDR_TEXT_SZ ];
  (void)!dmg_peer_record_decode( dmg_span( data, sz ), &r ).kind;
  if( dmg_maddr_decode( dmg_span( data, sz ), &a ) ) {
    dmg_maddr_text( &a, text );
    DMG_ASSERT( dmg_maddr_parse( text, &b ) && dmg_maddr_eq( &a, &b ) );
    (void)dmg_maddr_class( &a );
    DMG_ASSERT( dmg_maddr_group( &a ).sz<=7 );
  }
  if( sz<sizeof text && !memchr( data, 0, sz ) ) {
    memcpy( text, data, sz );
    text[ sz ] = 0;
    if( dmg_maddr_parse( text, &a ) ) DMG_ASSERT( dmg_maddr_decode( dmg_span( a.b, a.sz ), &b ) && dmg_maddr_eq( &a, &b ) );
  }
  return 0;
}
