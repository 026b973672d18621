#include "crypto/sig.h"

#include "base/assert.h"
#include "crypto/kdf.h"

#include <secp256k1.h>

bool dmg_secp256k1_verify( dmg_span_t key, dmg_span_t msg, dmg_span_t sig ) {
  secp256k1_pubkey          k;
  secp256k1_ecdsa_signature s;
  if( key.sz!=33 || sig.sz!=64 ) return false;
  if( !secp256k1_ec_pubkey_parse( secp256k1_context_static, &k, key.p, key.sz ) ) return false;
  if( !secp256k1_ecdsa_signature_parse_compact( secp256k1_context_static, &s, sig.p ) ) return false;   /* r or s >= n */
  /* M1.2b: either s; the library takes only the low one. */
  secp256k1_ecdsa_signature_normalize( secp256k1_context_static, &s, &s );
  dmg_hash_t e = dmg_sha256( msg );
  return secp256k1_ecdsa_verify( secp256k1_context_static, &s, e.b, &k )==1;
}

/* A context that may use secrets, blinded; NULL never. */
static secp256k1_context * signer( uint8_t const secret[32], dmg_span_t msg ) {
  secp256k1_context * ctx = secp256k1_context_create( SECP256K1_CONTEXT_NONE );
  DMG_ASSERT( ctx );
  /* Blinding changes timings and power only, not results, so a hash of the secret will do where no
     random source may be asked. */
  dmg_sha256_t sha;
  dmg_sha256_init( &sha );
  dmg_sha256_update( &sha, DMG_SPAN_STR( "blinding" ) );
  dmg_sha256_update( &sha, dmg_span( secret, 32 ) );
  dmg_sha256_update( &sha, msg );
  dmg_hash_t blind = dmg_sha256_final( &sha );
  int is_ok = secp256k1_context_randomize( ctx, blind.b );
  DMG_ASSERT( is_ok );
  dmg_wipe( &blind, sizeof( blind ) );
  dmg_wipe( &sha, sizeof( sha ) );
  return ctx;
}

bool dmg_secp256k1_public( uint8_t const secret[32], uint8_t out_key[33] ) {
  secp256k1_context * ctx = signer( secret, dmg_span( NULL, 0 ) );
  secp256k1_pubkey    k;
  bool is_ok = secp256k1_ec_pubkey_create( ctx, &k, secret )==1;
  if( is_ok ) {
    size_t sz = 33;
    secp256k1_ec_pubkey_serialize( ctx, out_key, &sz, &k, SECP256K1_EC_COMPRESSED );
    DMG_ASSERT( sz==33 );
  }
  secp256k1_context_destroy( ctx );
  return is_ok;
}

bool dmg_secp256k1_sign( uint8_t const secret[32], dmg_span_t msg, uint8_t out_sig[64] ) {
  secp256k1_context *       ctx = signer( secret, msg );
  secp256k1_ecdsa_signature s;
  dmg_hash_t e = dmg_sha256( msg );
  bool is_ok = secp256k1_ecdsa_sign( ctx, &s, e.b, secret, secp256k1_nonce_function_rfc6979, NULL )==1;
  if( is_ok ) secp256k1_ecdsa_signature_serialize_compact( ctx, out_sig, &s );
  secp256k1_context_destroy( ctx );
  return is_ok;
}
