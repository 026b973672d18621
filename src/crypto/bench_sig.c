/* bench_sig: microseconds a signature, per scheme, one core, 32-byte messages; beside OpenSSL's
   Ed25519 in the same run.  Gas prices (R5.1, M1.2b) lean on these figures. */
#include "base/cpu.h"
#include "base/os.h"
#include "crypto/bls.h"
#include "crypto/sig.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5, TIMES = 256 };

static uint8_t key[TIMES][96], sig[TIMES][64], msg[TIMES][32], seed[32], ok[TIMES/8];
static dmg_sig_job_t job[TIMES];

static int cmp( void const * a, void const * b ) {
  double x = *(double const *)a, y = *(double const *)b;
  return ( x>y )-( x<y );
}

static void line( char const * what, double * us ) {
  qsort( us, ROUNDS, sizeof( *us ), cmp );
  printf( "sig/verify %s  %.1f us (min %.1f max %.1f)\n", what, us[ROUNDS/2], us[0], us[ROUNDS-1] );
}

static bool make( dmg_sig_scheme_t scheme ) {
  bool is_ok = true;
  for( size_t i=0; i<TIMES; i++ ) {
    uint8_t secret[32] = { 1, (uint8_t)i };
    memset( msg[i], (int)i, 32 );
    dmg_span_t m = DMG_SPAN( msg[i] );
    if( scheme==DMG_SIG_ED25519 )        { dmg_ed25519_public( secret, key[i] ); dmg_ed25519_sign( secret, m, sig[i] ); }
    else if( scheme==DMG_SIG_SECP256K1 ) is_ok &= dmg_secp256k1_public( secret, key[i] ) && dmg_secp256k1_sign( secret, m, sig[i] );
    else if( scheme==DMG_SIG_P256 )      is_ok &= dmg_p256_public( secret, key[i] ) && dmg_p256_sign( secret, m, sig[i] );
    else {
      dmg_bls_key_t k;
      dmg_bls_sig_t s;
      is_ok &= dmg_bls_public( secret, &k ) && dmg_bls_sign( secret, DMG_BLS_TX, m, &s );
      dmg_bls_key_store( &k, key[i] );
      dmg_bls_sig_store( &s, sig[i] );
    }
    job[i] = (dmg_sig_job_t){ .scheme = scheme, .key = dmg_span( key[i], dmg_sig_key_sz( scheme ) ), .msg = m,
                              .sig = { .sig = dmg_span( sig[i], dmg_sig_sz( scheme ) ) } };
  }
  return is_ok;
}

int main( void ) {
  static dmg_sig_scheme_t const scheme[] = { DMG_SIG_ED25519, DMG_SIG_SECP256K1, DMG_SIG_P256, DMG_SIG_BLS };
  double us[ROUNDS];
  size_t bad = 0;
  dmg_crypto_init( dmg_cpu_flags() );
  for( size_t s=0; s<4; s++ ) {
    if( !make( scheme[s] ) ) return 1;
    for( size_t r=0; r<ROUNDS; r++ ) {
      uint64_t t0 = dmg_os_mono_ns();
      for( size_t i=0; i<TIMES; i++ ) bad += !dmg_sig_verify( job[i].scheme, job[i].key, job[i].msg, &job[i].sig );
      us[r] = (double)( dmg_os_mono_ns()-t0 )/1e3/TIMES;
    }
    line( dmg_sig_scheme_text( scheme[s] ), us );
    if( scheme[s]!=DMG_SIG_ED25519 ) continue;
    for( size_t r=0; r<ROUNDS; r++ ) {
      uint64_t t0 = dmg_os_mono_ns();
      bad += TIMES-dmg_sig_verify_many( job, TIMES, seed, ok );
      us[r] = (double)( dmg_os_mono_ns()-t0 )/1e3/TIMES;
    }
    line( "ed25519 batch=64", us );
    for( size_t r=0; r<ROUNDS; r++ ) {
      uint64_t t0 = dmg_os_mono_ns();
      for( size_t i=0; i<TIMES; i++ ) {
        EVP_PKEY *   k   = EVP_PKEY_new_raw_public_key( EVP_PKEY_ED25519, NULL, key[i], 32 );
        EVP_MD_CTX * ctx = EVP_MD_CTX_new();
        bad += EVP_DigestVerifyInit( ctx, NULL, NULL, NULL, k )!=1 || EVP_DigestVerify( ctx, sig[i], 64, msg[i], 32 )!=1;
        EVP_MD_CTX_free( ctx );
        EVP_PKEY_free( k );
      }
      us[r] = (double)( dmg_os_mono_ns()-t0 )/1e3/TIMES;
    }
    line( "ed25519 openssl (other rule)", us );
  }
  return bad ? 1 : 0;
}
