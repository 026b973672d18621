/* fuzz_safety: any bytes as a slot: what decodes encodes to the same bytes, and still refuses what it forbids. */
#include "consensus/safety.h"
#include "base/assert.h"
#include "base/crc32c.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  uint8_t slot[ DMG_SAFETY_SLOT_SZ ] = "DMGSAFE1\1", again[ DMG_SAFETY_SLOT_SZ ];
  dmg_safety_t s;
  if( !sz ) return 0;
  if( data[ 0 ]&1 ) (void)dmg_safety_decode( dmg_span( data+1, sz-1 ), &s );
  /* The head and the checksum are given, so that the fuzzer gets past them. */
  memcpy( slot+10, data+1, sz-1<sizeof slot-14 ? sz-1 : sizeof slot-14 );
  dmg_store_u32le( slot+4092, dmg_crc32c( 0, dmg_span( slot, 4092 ) ) );
  if( dmg_safety_decode( DMG_SPAN( slot ), &s ).kind ) return 0;
  dmg_safety_encode( &s, again );
  DMG_ASSERT( !memcmp( slot, again, sizeof slot ) );
  dmg_safety_epoch_t const epoch = { .anchor_ms = UINT64_MAX };
  for( uint32_t i = 0; i<s.open_cnt; i++ ) {
    dmg_safety_t t = s;
    dmg_safety_vote_t v = { .kind = DMG_VOTE_FINALIZE, .epoch = s.epoch, .view = s.open[ i ].view, .hash = s.open[ i ].hash };
    bool is_new;
    v.hash.b[ 0 ] ^= 1;
    dmg_safety_answer_t answer = dmg_safety_vote( &t, &v, &epoch, &is_new );
    DMG_ASSERT( answer || !( s.open[ i ].flags&7 ) );
  }
  return 0;
}
