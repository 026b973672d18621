#include "crypto/kdf.h"

#include "base/assert.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <secp256k1.h>

void dmg_wipe( void * p, size_t sz ) { OPENSSL_cleanse( p, sz ); }

bool dmg_ct_eq( void const * a, void const * b, size_t sz ) { return !CRYPTO_memcmp( a, b, sz ); }

static void hmac( EVP_MD const * md, dmg_span_t key, dmg_span_t msg, uint8_t * out, unsigned want_sz ) {
  unsigned sz = 0;
  DMG_ASSERT( key.sz<=INT32_MAX );
  /* A key of no bytes still wants a pointer. */
  uint8_t * p = HMAC( md, key.sz ? key.p : (uint8_t const *)"", (int)key.sz, msg.p, msg.sz, out, &sz );
  DMG_ASSERT( p && sz==want_sz );
}

void dmg_hmac_sha256( dmg_span_t key, dmg_span_t msg, uint8_t out[32] ) {
  uint8_t mac[32];   /* out may be key or msg */
  hmac( EVP_sha256(), key, msg, mac, 32 );
  memcpy( out, mac, 32 );
  dmg_wipe( mac, sizeof( mac ) );
}

void dmg_hmac_sha512( dmg_span_t key, dmg_span_t msg, uint8_t out[64] ) {
  uint8_t mac[64];
  hmac( EVP_sha512(), key, msg, mac, 64 );
  memcpy( out, mac, 64 );
  dmg_wipe( mac, sizeof( mac ) );
}

static OSSL_PARAM octets( char const * key, dmg_span_t bytes ) {
  static char const none[1];
  return OSSL_PARAM_construct_octet_string( key, (void *)(uintptr_t)( bytes.sz ? (void const *)bytes.p : none ), bytes.sz );
}

dmg_err_t dmg_hkdf_sha256( dmg_span_t salt, dmg_span_t ikm, dmg_span_t info, uint8_t * out, size_t out_sz ) {
  if( !out_sz || out_sz>(size_t)255*32 ) return DMG_ERR_INVALID;
  EVP_KDF *     kdf = EVP_KDF_fetch( NULL, "HKDF", NULL );
  EVP_KDF_CTX * ctx = kdf ? EVP_KDF_CTX_new( kdf ) : NULL;
  EVP_KDF_free( kdf );
  if( !ctx ) return DMG_ERR_NOMEM;
  char       md[] = "SHA256";
  OSSL_PARAM param[5], * at = param;
  *at++ = OSSL_PARAM_construct_utf8_string( OSSL_KDF_PARAM_DIGEST, md, 0 );
  *at++ = octets( OSSL_KDF_PARAM_KEY, ikm );
  *at++ = octets( OSSL_KDF_PARAM_SALT, salt );
  *at++ = octets( OSSL_KDF_PARAM_INFO, info );
  *at   = OSSL_PARAM_construct_end();
  int rc = EVP_KDF_derive( ctx, out, out_sz, param );
  EVP_KDF_CTX_free( ctx );
  if( rc==1 ) return DMG_OK;
  ERR_clear_error();
  return DMG_ERR_NOMEM;
}

dmg_err_t dmg_pbkdf2_sha512( dmg_span_t pass, dmg_span_t salt, uint32_t rounds, uint8_t * out, size_t out_sz ) {
  if( !rounds || rounds>INT32_MAX || pass.sz>INT32_MAX || salt.sz>INT32_MAX || !out_sz || out_sz>INT32_MAX ) return DMG_ERR_INVALID;
  if( PKCS5_PBKDF2_HMAC( pass.sz ? (char const *)pass.p : "", (int)pass.sz, salt.sz ? salt.p : (uint8_t const *)"", (int)salt.sz,
                         (int)rounds, EVP_sha512(), (int)out_sz, out )==1 ) return DMG_OK;
  ERR_clear_error();
  return DMG_ERR_NOMEM;
}

/* ---- SLIP-0010 and BIP-32: one ladder of HMAC-SHA512, two curves ---- */

enum { SEED_MIN = 16, SEED_MAX = 64, DEPTH_MAX = 16 };

/* I = HMAC-SHA512( chain, 0x00 || secret || index BE ); left half the child (or its tweak). */
typedef struct { uint8_t secret[32], chain[32]; } hd_t;

static void hd_child( hd_t const * at, uint8_t const data33[33], uint32_t index, uint8_t out[64] ) {
  uint8_t msg[37];
  memcpy( msg, data33, 33 );
  dmg_store_u32be( msg+33, index );
  dmg_hmac_sha512( dmg_span( at->chain, 32 ), dmg_span( msg, sizeof( msg ) ), out );
  dmg_wipe( msg, sizeof( msg ) );
}

static void hd_out( hd_t * at, uint8_t out_secret[32], uint8_t * out_chain ) {
  memcpy( out_secret, at->secret, 32 );
  if( out_chain ) memcpy( out_chain, at->chain, 32 );
  dmg_wipe( at, sizeof( *at ) );
}

dmg_err_t dmg_slip10_ed25519( dmg_span_t seed, uint32_t const * indexes, size_t index_cnt, uint8_t out_secret[32], uint8_t out_chain[32] ) {
  if( seed.sz<SEED_MIN || seed.sz>SEED_MAX || index_cnt>DEPTH_MAX ) return DMG_ERR_INVALID;
  for( size_t i=0; i<index_cnt; i++ ) if( !( indexes[i]&DMG_HARDENED ) ) return DMG_ERR_INVALID;   /* Ed25519 has no other */

  hd_t    at;
  uint8_t mac[64], data[33];
  dmg_hmac_sha512( DMG_SPAN_STR( "ed25519 seed" ), seed, mac );
  memcpy( &at, mac, 64 );
  for( size_t i=0; i<index_cnt; i++ ) {
    data[0] = 0;
    memcpy( data+1, at.secret, 32 );
    hd_child( &at, data, indexes[i], mac );
    memcpy( &at, mac, 64 );
  }
  dmg_wipe( mac, sizeof( mac ) );
  dmg_wipe( data, sizeof( data ) );
  hd_out( &at, out_secret, out_chain );
  return DMG_OK;
}

dmg_err_t dmg_bip32_secp256k1( dmg_span_t seed, uint32_t const * indexes, size_t index_cnt, uint8_t out_secret[32], uint8_t out_chain[32] ) {
  if( seed.sz<SEED_MIN || seed.sz>SEED_MAX || index_cnt>DEPTH_MAX ) return DMG_ERR_INVALID;
  secp256k1_context * ctx = secp256k1_context_create( SECP256K1_CONTEXT_NONE );
  if( !ctx ) return DMG_ERR_NOMEM;

  hd_t      at;
  uint8_t   mac[64], data[33];
  dmg_err_t err = DMG_OK;
  dmg_hmac_sha512( DMG_SPAN_STR( "Bitcoin seed" ), seed, mac );
  memcpy( &at, mac, 64 );
  if( !secp256k1_ec_seckey_verify( ctx, at.secret ) ) err = DMG_ERR_INVALID;   /* once in 2^127 seeds */
  for( size_t i=0; i<index_cnt && !err; i++ ) {
    if( indexes[i]&DMG_HARDENED ) {
      data[0] = 0;
      memcpy( data+1, at.secret, 32 );
    } else {
      secp256k1_pubkey pub;
      size_t           sz = 33;
      int is_ok = secp256k1_ec_pubkey_create( ctx, &pub, at.secret ) && secp256k1_ec_pubkey_serialize( ctx, data, &sz, &pub, SECP256K1_EC_COMPRESSED );
      DMG_ASSERT( is_ok );
    }
    hd_child( &at, data, indexes[i], mac );
    /* child = I_L + parent mod n; out of range once in 2^127: no such key. */
    if( !secp256k1_ec_seckey_tweak_add( ctx, at.secret, mac ) ) err = DMG_ERR_INVALID;
    memcpy( at.chain, mac+32, 32 );
  }
  secp256k1_context_destroy( ctx );
  dmg_wipe( mac, sizeof( mac ) );
  dmg_wipe( data, sizeof( data ) );
  if( err ) dmg_wipe( &at, sizeof( at ) );
  else hd_out( &at, out_secret, out_chain );
  return err;
}

dmg_err_t dmg_key_derive_ed25519( dmg_span_t seed, uint32_t coin, uint32_t account, uint8_t out_secret[32] ) {
  if( ( coin|account )&DMG_HARDENED ) return DMG_ERR_INVALID;
  uint32_t const path[5] = { 44|DMG_HARDENED, coin|DMG_HARDENED, account|DMG_HARDENED, DMG_HARDENED, DMG_HARDENED };
  return dmg_slip10_ed25519( seed, path, 5, out_secret, NULL );
}

dmg_err_t dmg_key_derive_secp256k1( dmg_span_t seed, uint32_t coin, uint32_t account, uint8_t out_secret[32] ) {
  if( ( coin|account )&DMG_HARDENED ) return DMG_ERR_INVALID;
  uint32_t const path[5] = { 44|DMG_HARDENED, coin|DMG_HARDENED, account|DMG_HARDENED, 0, 0 };
  return dmg_bip32_secp256k1( seed, path, 5, out_secret, NULL );
}
