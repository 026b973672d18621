#include "crypto/sig.h"

#include "base/assert.h"
#include "crypto/kdf.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

/* A refusal of OpenSSL is a verdict, unless memory ran out: that must not become "invalid". */
static bool refused( void ) {
  bool is_oom = false;
  for( unsigned long e; ( e = ERR_get_error() ); ) is_oom |= ERR_GET_REASON( e )==ERR_R_MALLOC_FAILURE;
  DMG_ASSERT( !is_oom );
  return false;
}

/* INTEGER of a big-endian 32-byte number: minimal, one zero byte before a set top bit. */
static uint8_t * der_int( uint8_t * at, uint8_t const n[32] ) {
  size_t skip = 0;
  while( skip<31 && !n[skip] ) skip++;
  size_t sz = 32-skip, pad = n[skip]>>7;
  *at++ = 2;
  *at++ = (uint8_t)( sz+pad );
  if( pad ) *at++ = 0;
  memcpy( at, n+skip, sz );
  return at+sz;
}

static EVP_PKEY * key_load( dmg_span_t key ) {
  EVP_PKEY *     pkey = NULL;
  EVP_PKEY_CTX * ctx  = EVP_PKEY_CTX_new_from_name( NULL, "EC", NULL );
  DMG_ASSERT( ctx );
  char       group[] = "P-256";
  OSSL_PARAM param[] = {
    OSSL_PARAM_construct_utf8_string( OSSL_PKEY_PARAM_GROUP_NAME, group, 0 ),
    OSSL_PARAM_construct_octet_string( OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)key.p, key.sz ),
    OSSL_PARAM_construct_end() };
  int is_ok = EVP_PKEY_fromdata_init( ctx )==1 && EVP_PKEY_fromdata( ctx, &pkey, EVP_PKEY_PUBLIC_KEY, param )==1;
  EVP_PKEY_CTX_free( ctx );
  return is_ok ? pkey : NULL;
}

bool dmg_p256_verify_digest( dmg_span_t key, dmg_hash_t const * e, dmg_span_t sig ) {
  uint8_t der[72];
  if( key.sz!=33 || sig.sz!=64 || ( key.p[0]!=2 && key.p[0]!=3 ) ) return false;
  EVP_PKEY * pkey = key_load( key );   /* x >= p and points off the curve end here */
  if( !pkey ) return refused();

  uint8_t * end = der_int( der_int( der+2, sig.p ), sig.p+32 );
  der[0] = 0x30;
  der[1] = (uint8_t)( end-der-2 );

  EVP_PKEY_CTX * ctx = EVP_PKEY_CTX_new( pkey, NULL );
  DMG_ASSERT( ctx );
  int rc = EVP_PKEY_verify_init( ctx );
  DMG_ASSERT( rc==1 );
  rc = EVP_PKEY_verify( ctx, der, (size_t)( end-der ), e->b, 32 );   /* r, s in 1..n-1 are checked inside */
  EVP_PKEY_CTX_free( ctx );
  EVP_PKEY_free( pkey );
  return rc==1 ? true : refused();
}

bool dmg_p256_verify( dmg_span_t key, dmg_span_t msg, dmg_span_t sig ) {
  dmg_hash_t e = dmg_sha256( msg );
  return dmg_p256_verify_digest( key, &e, sig );
}

/* ---- Signing: for the CLI and tests.  OpenSSL 3.0 has no deterministic nonces, so k is made here
   by RFC 6979 and the two lines of ECDSA are written out over its constant-time field. ---- */

typedef struct { EC_GROUP * group; BN_CTX * bn; BIGNUM * d; } signer_t;

static void signer_fini( signer_t * s ) {
  BN_clear_free( s->d );
  BN_CTX_free( s->bn );
  EC_GROUP_free( s->group );
}

/* False: the secret is 0 or not below the order. */
static bool signer_init( signer_t * s, uint8_t const secret[32] ) {
  s->group = EC_GROUP_new_by_curve_name( NID_X9_62_prime256v1 );
  s->bn    = BN_CTX_secure_new();
  s->d     = BN_bin2bn( secret, 32, BN_secure_new() );
  DMG_ASSERT( s->group && s->bn && s->d );
  BN_set_flags( s->d, BN_FLG_CONSTTIME );
  if( !BN_is_zero( s->d ) && BN_cmp( s->d, EC_GROUP_get0_order( s->group ) )<0 ) return true;
  signer_fini( s );
  return false;
}

bool dmg_p256_public( uint8_t const secret[32], uint8_t out_key[33] ) {
  signer_t s;
  if( !signer_init( &s, secret ) ) return false;
  EC_POINT * q = EC_POINT_new( s.group );
  DMG_ASSERT( q );
  int rc = EC_POINT_mul( s.group, q, s.d, NULL, NULL, s.bn );
  DMG_ASSERT( rc==1 );
  size_t sz = EC_POINT_point2oct( s.group, q, POINT_CONVERSION_COMPRESSED, out_key, 33, s.bn );
  DMG_ASSERT( sz==33 );
  EC_POINT_free( q );
  signer_fini( &s );
  return true;
}

/* RFC 6979 section 3.2 for SHA-256 and a 256-bit order: the state {K, V} and its step. */
typedef struct { uint8_t k[32], v[32]; } nonce_t;

static void nonce_mix( nonce_t * n, uint8_t mark, uint8_t const * seed, size_t seed_sz ) {
  uint8_t msg[33+64];
  memcpy( msg, n->v, 32 );
  msg[32] = mark;
  if( seed_sz ) memcpy( msg+33, seed, seed_sz );
  dmg_hmac_sha256( dmg_span( n->k, 32 ), dmg_span( msg, 33+seed_sz ), n->k );
  dmg_hmac_sha256( dmg_span( n->k, 32 ), dmg_span( n->v, 32 ), n->v );
  dmg_wipe( msg, sizeof( msg ) );
}

bool dmg_p256_sign( uint8_t const secret[32], dmg_span_t msg, uint8_t out_sig[64] ) {
  signer_t s;
  if( !signer_init( &s, secret ) ) return false;
  BIGNUM const * order = EC_GROUP_get0_order( s.group );
  dmg_hash_t     digest = dmg_sha256( msg );
  EC_POINT *     p   = EC_POINT_new( s.group );
  BIGNUM *       e   = BN_bin2bn( digest.b, 32, NULL );
  BIGNUM *       r   = BN_new();
  BIGNUM *       sum = BN_secure_new();
  BIGNUM *       inv = BN_secure_new();
  BIGNUM *       two = BN_new();
  BN_MONT_CTX *  mont = BN_MONT_CTX_new();
  DMG_ASSERT( p && e && r && sum && inv && two && mont );
  int is_ok = BN_MONT_CTX_set( mont, order, s.bn ) && BN_copy( two, order ) && BN_sub_word( two, 2 ) && BN_nnmod( e, e, order, s.bn );
  DMG_ASSERT( is_ok );

  /* seed = int2octets( d ) || bits2octets( e ) */
  uint8_t seed[64];
  nonce_t n;
  memcpy( seed, secret, 32 );
  is_ok = BN_bn2binpad( e, seed+32, 32 )==32;
  DMG_ASSERT( is_ok );
  memset( n.k, 0, 32 );
  memset( n.v, 1, 32 );
  nonce_mix( &n, 0, seed, 64 );
  nonce_mix( &n, 1, seed, 64 );

  for( ;; nonce_mix( &n, 0, NULL, 0 ) ) {
    dmg_hmac_sha256( dmg_span( n.k, 32 ), dmg_span( n.v, 32 ), n.v );
    BIGNUM * k = BN_bin2bn( n.v, 32, BN_secure_new() );
    DMG_ASSERT( k );
    BN_set_flags( k, BN_FLG_CONSTTIME );
    bool is_done = false;
    if( !BN_is_zero( k ) && BN_cmp( k, order )<0 ) {
      /* r = x( kG ) mod n;  s = ( e + r d ) / k, with 1/k = k^(n-2) in constant time */
      is_ok = EC_POINT_mul( s.group, p, k, NULL, NULL, s.bn ) && EC_POINT_get_affine_coordinates( s.group, p, r, NULL, s.bn )
           && BN_nnmod( r, r, order, s.bn ) && BN_mod_mul( sum, r, s.d, order, s.bn ) && BN_mod_add( sum, sum, e, order, s.bn )
           && BN_mod_exp_mont_consttime( inv, k, two, order, s.bn, mont ) && BN_mod_mul( sum, sum, inv, order, s.bn );
      DMG_ASSERT( is_ok );
      is_done = !BN_is_zero( r ) && !BN_is_zero( sum );
    }
    BN_clear_free( k );
    if( is_done ) break;
  }
  is_ok = BN_bn2binpad( r, out_sig, 32 )==32 && BN_bn2binpad( sum, out_sig+32, 32 )==32;
  DMG_ASSERT( is_ok );

  dmg_wipe( seed, sizeof( seed ) );
  dmg_wipe( &n, sizeof( n ) );
  BN_MONT_CTX_free( mont );
  BN_free( two );
  BN_clear_free( inv );
  BN_clear_free( sum );
  BN_free( r );
  BN_free( e );
  EC_POINT_free( p );
  signer_fini( &s );
  return true;
}
