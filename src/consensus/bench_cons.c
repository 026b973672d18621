/* bench_cons: what agreement's signatures cost, one core, with the node's own objects (C17): a vote signed, votes taken and aggregated at q, a certificate
   checked, by how many signed.  Sets have at most 128 members (C1): 86 is q of 128; the page's row of 342 signers cannot be made. */
#include "base/cpu.h"
#include "base/os.h"
#include "consensus/cons.h"
#include "consensus/just.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 7 };

static dmg_set_t  set;
static dmg_keys_t keys;
static uint8_t    secrets[ DMG_SET_MAX ][ DMG_BLS_SECRET_SZ ], raws[ DMG_SET_MAX ][ DMG_BLS_SIG_RAW_SZ ];
static dmg_hash_t chain_id = { { 1 } }, block = { { 2 } };
static uint8_t    msg[ DMG_VOTE_MSG_SZ ];

static int cmp( void const * a, void const * b ) { double x = *(double const *)a, y = *(double const *)b; return ( x>y )-( x<y ); }

/* Medians of rounds; each runs f times times. */
static void line( char const * what, unsigned times, bool (*f)( uint32_t cnt ), uint32_t cnt ) {
  double us[ ROUNDS ];
  bool ok = true;
  for( unsigned r = 0; r<ROUNDS; r++ ) {
    uint64_t t0 = dmg_os_mono_ns();
    for( unsigned i = 0; i<times; i++ ) ok &= f( cnt );
    us[ r ] = (double)( dmg_os_mono_ns()-t0 )/1e3/times;
  }
  if( !ok ) { fprintf( stderr, "bench_cons: %s is wrong\n", what ); exit( 1 ); }
  qsort( us, ROUNDS, sizeof us[ 0 ], cmp );
  printf( "cons/%s signers=%u  %.1f us (min %.1f max %.1f)\n", what, cnt, us[ ROUNDS/2 ], us[ 0 ], us[ ROUNDS-1 ] );
}

static bool sign( uint32_t cnt ) {
  dmg_bls_sig_t sig;
  return dmg_bls_sign( secrets[ 0 ], DMG_BLS_VOTE, DMG_SPAN( msg ), &sig );
}

static bool load_raw( uint32_t cnt ) { dmg_bls_sig_t s; return dmg_bls_sig_load_raw( raws[ 0 ], &s ); }

static bool verify( uint32_t cnt ) {
  dmg_bls_key_t const * kp[ DMG_SET_MAX ];
  dmg_bls_sig_t s;
  for( uint32_t i = 0; i<cnt; i++ ) kp[ i ] = &keys.points[ i ];
  return dmg_bls_sig_load_raw( raws[ 0 ], &s ) && dmg_bls_verify_same( kp, 1, DMG_BLS_VOTE, DMG_SPAN( msg ), &s );
}

static dmg_cert_t cert;

/* As cons_tally.c does at q: each vote's point, their sum and its subgroup, one pairing. */
static bool aggregate( uint32_t cnt ) {
  static dmg_bls_sig_t sigs[ DMG_SET_MAX ];
  dmg_bls_sig_t const * sp[ DMG_SET_MAX ];
  dmg_bls_key_t const * kp[ DMG_SET_MAX ];
  dmg_bls_sig_t sum;
  for( uint32_t i = 0; i<cnt; i++ ) { if( !dmg_bls_sig_load_part( raws[ i ], &sigs[ i ] ) ) return false; sp[ i ] = &sigs[ i ]; kp[ i ] = &keys.points[ i ]; }
  if( !dmg_bls_sig_sum( sp, cnt, &sum ) || !dmg_bls_verify_same( kp, cnt, DMG_BLS_VOTE, DMG_SPAN( msg ), &sum ) ) return false;
  cert = (dmg_cert_t){ .kind = DMG_VOTE_NOTARIZE, .view = 7, .hash = block };
  for( uint32_t i = 0; i<cnt; i++ ) cert.bitmap[ i/8 ] |= (uint8_t)( 1u<<i%8 );
  dmg_bls_sig_store( &sum, cert.sig );
  return true;
}

static bool check( uint32_t cnt ) { return dmg_cert_verify( &keys, &cert ); }

int main( void ) {
  dmg_crypto_init( dmg_cpu_flags() );
  for( uint32_t i = 0; i<DMG_SET_MAX; i++ ) {
    uint8_t ikm[ 32 ] = { 3, (uint8_t)i };
    dmg_bls_key_t key;
    dmg_bls_sig_t sig;
    dmg_vote_msg( DMG_VOTE_NOTARIZE, &chain_id, 0, 7, &block, msg );
    if( !dmg_bls_keygen( DMG_SPAN( ikm ), secrets[ i ] ) || !dmg_bls_public( secrets[ i ], &key ) || !dmg_bls_sign( secrets[ i ], DMG_BLS_VOTE, DMG_SPAN( msg ), &sig ) ) return 1;
    dmg_bls_key_store( &key, set.members[ i ].key );
    set.members[ i ].weight = 1;
    dmg_bls_sig_store_raw( &sig, raws[ i ] );
  }
  /* Whoever signs signs alike: the order of members does not matter to what is measured. */
  line( "sign", 256, sign, 1 );
  line( "vote_load", 1024, load_raw, 1 );
  uint32_t const sizes[][ 2 ] = { { 4, 3 }, { 16, 11 }, { 100, 67 }, { 128, 86 } };
  for( unsigned k = 0; k<4; k++ ) {
    set.cnt = sizes[ k ][ 0 ];
    if( !dmg_keys_init( &keys, &dmg_cons_bls, &chain_id, 0, &set ) ) return 1;
    if( !k ) line( "vote_check", 64, verify, 1 );
    line( "aggregate_at_q", 32, aggregate, sizes[ k ][ 1 ] );
    line( "cert_check", 64, check, sizes[ k ][ 1 ] );
  }
  return 0;
}
