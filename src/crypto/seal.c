#include "crypto/seal.h"

#include "base/assert.h"
#include "crypto/kdf.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>

enum { OFF_MEM = 8, OFF_PASSES = 12, OFF_SALT = 16, OFF_NONCE = 32, TAG_SZ = 16 };
enum { MEM_KIB_MIN = 65536, MEM_KIB_MAX = 1048576, PASSES_MAX = 16, CONTEXT_MAX = 256 };
static char const magic[8] = { 'D', 'M', 'G', 'S', 'E', 'A', 'L', '1' };

static bool cost_ok( dmg_seal_cost_t cost ) {
  return cost.mem_kib>=MEM_KIB_MIN && cost.mem_kib<=MEM_KIB_MAX && cost.passes>=1 && cost.passes<=PASSES_MAX;
}

dmg_err_t dmg_argon2id( dmg_span_t pass, uint8_t const salt[16], dmg_seal_cost_t cost, uint8_t * out, size_t out_sz ) {
  if( cost.mem_kib<8 || cost.passes<1 || out_sz<16 || pass.sz>UINT32_MAX ) return DMG_ERR_INVALID;
  int rc = sodium_init();   /* picks its fast code; may run again */
  DMG_ASSERT( rc>=0 );
  if( crypto_pwhash( out, out_sz, pass.sz ? (char const *)pass.p : "", pass.sz, salt, cost.passes, (size_t)cost.mem_kib*1024, crypto_pwhash_ALG_ARGON2ID13 ) ) return DMG_ERR_NOMEM;
  return DMG_OK;
}

void dmg_xchacha_seal( uint8_t const key[32], uint8_t const nonce[24], dmg_span_t aad, dmg_span_t plain, uint8_t * out ) {
  unsigned long long sz = 0;
  crypto_aead_xchacha20poly1305_ietf_encrypt( out, &sz, plain.p, plain.sz, aad.p, aad.sz, NULL, nonce, key );
  DMG_ASSERT( sz==plain.sz+TAG_SZ );
}

bool dmg_xchacha_open( uint8_t const key[32], uint8_t const nonce[24], dmg_span_t aad, dmg_span_t sealed, uint8_t * out ) {
  if( sealed.sz<TAG_SZ ) return false;
  /* The tag is checked before the first byte is written. */
  return !crypto_aead_xchacha20poly1305_ietf_decrypt_detached( out, NULL, sealed.p, sealed.sz-TAG_SZ, sealed.p+sealed.sz-TAG_SZ, aad.p, aad.sz, nonce, key );
}

/* What the tag covers besides the secret: header and context. */
static dmg_span_t aad_of( uint8_t aad[ DMG_SEAL_HEADER_SZ+CONTEXT_MAX ], uint8_t const header[ DMG_SEAL_HEADER_SZ ], dmg_span_t context ) {
  memcpy( aad, header, DMG_SEAL_HEADER_SZ );
  if( context.sz ) memcpy( aad+DMG_SEAL_HEADER_SZ, context.p, context.sz );
  return dmg_span( aad, DMG_SEAL_HEADER_SZ+context.sz );
}

dmg_err_t dmg_seal( dmg_span_t pass, dmg_span_t context, dmg_seal_cost_t cost, uint8_t const random40[ DMG_SEAL_RANDOM_SZ ],
                    dmg_span_t secret, uint8_t * out ) {
  uint8_t aad[ DMG_SEAL_HEADER_SZ+CONTEXT_MAX ], head[ DMG_SEAL_HEADER_SZ ], key[32];
  if( !cost_ok( cost ) ) return DMG_ERR_INVALID;
  if( secret.sz>DMG_SEAL_SECRET_MAX || context.sz>CONTEXT_MAX ) return DMG_ERR_LIMIT;
  memcpy( head, magic, 8 );
  dmg_store_u32le( head+OFF_MEM, cost.mem_kib );
  dmg_store_u32le( head+OFF_PASSES, cost.passes );
  memcpy( head+OFF_SALT, random40, DMG_SEAL_RANDOM_SZ );
  DMG_TRY( dmg_argon2id( pass, head+OFF_SALT, cost, key, 32 ) );
  dmg_xchacha_seal( key, head+OFF_NONCE, aad_of( aad, head, context ), secret, out+DMG_SEAL_HEADER_SZ );
  memcpy( out, head, DMG_SEAL_HEADER_SZ );
  dmg_wipe( key, sizeof( key ) );
  return DMG_OK;
}

dmg_err_t dmg_seal_open( dmg_span_t pass, dmg_span_t context, dmg_span_t sealed, uint8_t * out ) {
  uint8_t aad[ DMG_SEAL_HEADER_SZ+CONTEXT_MAX ], key[32];
  if( sealed.sz<DMG_SEAL_OVERHEAD_SZ || sealed.sz>DMG_SEAL_OVERHEAD_SZ+DMG_SEAL_SECRET_MAX || memcmp( sealed.p, magic, 8 ) ) return DMG_ERR_INVALID;
  dmg_seal_cost_t cost = { .mem_kib = dmg_load_u32le( sealed.p+OFF_MEM ), .passes = dmg_load_u32le( sealed.p+OFF_PASSES ) };
  if( !cost_ok( cost ) ) return DMG_ERR_INVALID;
  if( context.sz>CONTEXT_MAX ) return DMG_ERR_PERM;
  DMG_TRY( dmg_argon2id( pass, sealed.p+OFF_SALT, cost, key, 32 ) );
  bool is_ok = dmg_xchacha_open( key, sealed.p+OFF_NONCE, aad_of( aad, sealed.p, context ),
                                 dmg_span( sealed.p+DMG_SEAL_HEADER_SZ, sealed.sz-DMG_SEAL_HEADER_SZ ), out );
  dmg_wipe( key, sizeof( key ) );
  return is_ok ? DMG_OK : DMG_ERR_PERM;
}

/* ---- OpenSSL: ChaCha20-Poly1305, X25519.  Failures other than a wrong tag are lack of memory. ---- */

static EVP_CIPHER_CTX * chacha( int is_seal, uint8_t const key[32], uint8_t const nonce[12], dmg_span_t aad ) {
  EVP_CIPHER_CTX * ctx = EVP_CIPHER_CTX_new();
  int sz, is_ok = ctx && EVP_CipherInit_ex( ctx, EVP_chacha20_poly1305(), NULL, key, nonce, is_seal )==1
               && ( !aad.sz || EVP_CipherUpdate( ctx, NULL, &sz, aad.p, (int)aad.sz )==1 );
  DMG_ASSERT( is_ok );
  return ctx;
}

void dmg_chacha_seal( uint8_t const key[32], uint8_t const nonce[12], dmg_span_t aad, dmg_span_t plain, uint8_t * out ) {
  DMG_ASSERT( aad.sz<=INT32_MAX && plain.sz<=INT32_MAX-TAG_SZ );
  EVP_CIPHER_CTX * ctx = chacha( 1, key, nonce, aad );
  int sz = 0, is_ok = ( !plain.sz || EVP_CipherUpdate( ctx, out, &sz, plain.p, (int)plain.sz )==1 ) && EVP_CipherFinal_ex( ctx, out+sz, &sz )==1
                   && EVP_CIPHER_CTX_ctrl( ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SZ, out+plain.sz )==1;
  DMG_ASSERT( is_ok );
  EVP_CIPHER_CTX_free( ctx );
}

bool dmg_chacha_open( uint8_t const key[32], uint8_t const nonce[12], dmg_span_t aad, dmg_span_t sealed, uint8_t * out ) {
  if( sealed.sz<TAG_SZ || sealed.sz>INT32_MAX || aad.sz>INT32_MAX ) return false;
  size_t  plain_sz = sealed.sz-TAG_SZ;
  uint8_t tag[TAG_SZ];
  memcpy( tag, sealed.p+plain_sz, TAG_SZ );
  EVP_CIPHER_CTX * ctx = chacha( 0, key, nonce, aad );
  int sz = 0, is_ok = EVP_CIPHER_CTX_ctrl( ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SZ, tag )==1
                   && ( !plain_sz || EVP_CipherUpdate( ctx, out, &sz, sealed.p, (int)plain_sz )==1 );
  DMG_ASSERT( is_ok );
  is_ok = EVP_CipherFinal_ex( ctx, out+sz, &sz )==1;
  EVP_CIPHER_CTX_free( ctx );
  /* OpenSSL writes as it goes: nothing unauthentic may stay behind. */
  if( !is_ok ) { dmg_wipe( out, plain_sz ); ERR_clear_error(); }
  return is_ok;
}

void dmg_x25519_public( uint8_t const secret[32], uint8_t out_key[32] ) {
  EVP_PKEY * pkey = EVP_PKEY_new_raw_private_key( EVP_PKEY_X25519, NULL, secret, 32 );
  size_t sz = 32;
  int is_ok = pkey && EVP_PKEY_get_raw_public_key( pkey, out_key, &sz )==1 && sz==32;
  DMG_ASSERT( is_ok );
  EVP_PKEY_free( pkey );
}

bool dmg_x25519_shared( uint8_t const secret[32], uint8_t const peer_key[32], uint8_t out_shared[32] ) {
  EVP_PKEY * own  = EVP_PKEY_new_raw_private_key( EVP_PKEY_X25519, NULL, secret, 32 );
  EVP_PKEY * peer = EVP_PKEY_new_raw_public_key( EVP_PKEY_X25519, NULL, peer_key, 32 );
  DMG_ASSERT( own && peer );
  EVP_PKEY_CTX * ctx = EVP_PKEY_CTX_new( own, NULL );
  size_t  sz = 32;
  uint8_t shared[32] = { 0 };
  int is_ok = ctx && EVP_PKEY_derive_init( ctx )==1 && EVP_PKEY_derive_set_peer( ctx, peer )==1;
  DMG_ASSERT( is_ok );
  /* Fails for a shared secret of zeros only. */
  is_ok = EVP_PKEY_derive( ctx, shared, &sz )==1 && sz==32;
  if( is_ok ) memcpy( out_shared, shared, 32 );
  else ERR_clear_error();
  dmg_wipe( shared, sizeof( shared ) );
  EVP_PKEY_CTX_free( ctx );
  EVP_PKEY_free( peer );
  EVP_PKEY_free( own );
  return is_ok;
}
