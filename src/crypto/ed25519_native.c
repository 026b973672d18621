#include "crypto/sig.h"

#include "dmgn_sig.h"

/* Our item is the adapter's under another name, so a batch crosses without a copy. */
_Static_assert( sizeof( dmg_ed25519_item_t )==sizeof( dmgn_ed25519_item_t ), "item size" );
_Static_assert( offsetof( dmg_ed25519_item_t, key )==offsetof( dmgn_ed25519_item_t, key ), "item key" );
_Static_assert( offsetof( dmg_ed25519_item_t, sig )==offsetof( dmgn_ed25519_item_t, sig ), "item sig" );
_Static_assert( offsetof( dmg_ed25519_item_t, msg.p )==offsetof( dmgn_ed25519_item_t, msg ), "item msg" );
_Static_assert( offsetof( dmg_ed25519_item_t, msg.sz )==offsetof( dmgn_ed25519_item_t, msg_sz ), "item msg_sz" );

void dmg_ed25519_public( uint8_t const secret[32], uint8_t out_key[32] ) { dmgn_ed25519_public( secret, out_key ); }

void dmg_ed25519_sign( uint8_t const secret[32], dmg_span_t msg, uint8_t out_sig[64] ) { dmgn_ed25519_sign( secret, msg.p, msg.sz, out_sig ); }

bool dmg_ed25519_verify( uint8_t const key[32], dmg_span_t msg, uint8_t const sig[64] ) { return dmgn_ed25519_verify( key, msg.p, msg.sz, sig ); }

size_t dmg_ed25519_verify_batch( dmg_ed25519_item_t const * items, size_t item_cnt, uint8_t const seed[32], uint8_t * out_ok ) {
  return dmgn_ed25519_verify_batch( (dmgn_ed25519_item_t const *)(void const *)items, item_cnt, seed, out_ok );
}
