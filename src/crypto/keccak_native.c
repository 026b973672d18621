#include "crypto/hash.h"

#include "dmgn_sig.h"

dmg_hash_t dmg_keccak256( dmg_span_t msg ) {
  dmg_hash_t out;
  dmgn_keccak256( msg.p, msg.sz, out.b );
  return out;
}
