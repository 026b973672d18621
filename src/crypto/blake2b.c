#include "crypto/hash.h"

#include "base/assert.h"

#include <sodium.h>

dmg_hash_t dmg_blake2b256( dmg_span_t msg ) {
  dmg_hash_t out;
  int rc = crypto_generichash_blake2b( out.b, 32, msg.p, msg.sz, NULL, 0 );
  DMG_ASSERT( !rc );
  return out;
}
