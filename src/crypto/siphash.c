#include "crypto/hash.h"

#include <sodium.h>

uint64_t dmg_siphash24( uint8_t const key[ 16 ], dmg_span_t msg ) {
  uint8_t out[ 8 ];
  (void)crypto_shorthash_siphash24( out, msg.p, msg.sz, key );   /* cannot fail */
  return dmg_load_u64le( out );
}
