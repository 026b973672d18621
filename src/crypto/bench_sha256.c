/* bench_sha256: ns for a tagged 64-byte hash (a node of the state tree), per kernel and count of
   messages, beside OpenSSL's EVP in the same run; and plain hashing of long messages. */
#include "crypto/sha256_int.h"

#include "base/cpu.h"
#include "base/os.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum { NODES = 1024, ROUNDS = 7 };

static uint8_t    msgs[64*NODES];
static dmg_hash_t outs[NODES];

static int cmp( void const * a, void const * b ) {
  double x = *(double const *)a, y = *(double const *)b;
  return ( x>y )-( x<y );
}

static void line( char const * what, char const * kernel, size_t n, double * ns ) {
  qsort( ns, ROUNDS, sizeof( *ns ), cmp );
  printf( "sha256/%s kernel=%s n=%zu  %.1f ns (min %.1f max %.1f)\n", what, kernel, n, ns[ROUNDS/2], ns[0], ns[ROUNDS-1] );
}

int main( void ) {
  uint32_t flags = dmg_cpu_flags();
  uint32_t const * mid = dmg_tag_midstate[ DMG_TAG_STATE_NODE ];
  double ns[ROUNDS];
  for( size_t i=0; i<sizeof( msgs ); i++ ) msgs[i] = (uint8_t)( i*31+i/64 );
  static size_t const cnts[] = { 1, 2, 4, 8, NODES };

  for( size_t k=0; dmg_sha256_kernel( flags, k ); k++ ) {
    dmg_sha256_kernel_t const * kernel = dmg_sha256_kernel( flags, k );
    for( size_t c=0; c<sizeof( cnts )/sizeof( *cnts ); c++ ) {
      size_t n = cnts[c], times = 65536/n;
      for( size_t r=0; r<ROUNDS; r++ ) {
        uint64_t t0 = dmg_os_mono_ns();
        for( size_t i=0; i<times; i++ ) kernel->nodes( mid, msgs, n, (uint8_t *)outs );
        ns[r] = (double)( dmg_os_mono_ns()-t0 )/(double)( times*n );
      }
      line( "node", kernel->name, n, ns );
    }
    for( size_t r=0; r<ROUNDS; r++ ) {
      uint32_t h[8];
      memcpy( h, mid, 32 );
      uint64_t t0 = dmg_os_mono_ns();
      for( size_t i=0; i<16; i++ ) kernel->blocks( h, msgs, NODES );
      ns[r] = (double)( dmg_os_mono_ns()-t0 )/( 16.0*NODES );
    }
    line( "block", kernel->name, NODES, ns );
  }

  EVP_MD_CTX * ctx = EVP_MD_CTX_new();
  EVP_MD *     md  = EVP_MD_fetch( NULL, "SHA256", NULL );
  uint8_t      tag[64] = { 1 };
  for( int is_fetched=0; is_fetched<2; is_fetched++ ) {
    for( size_t r=0; r<ROUNDS; r++ ) {
      uint64_t t0 = dmg_os_mono_ns();
      for( size_t i=0; i<16384; i++ ) {
        EVP_DigestInit_ex2( ctx, is_fetched ? md : EVP_sha256(), NULL );
        EVP_DigestUpdate( ctx, tag, 64 );
        EVP_DigestUpdate( ctx, msgs+64*( i%NODES ), 64 );
        EVP_DigestFinal_ex( ctx, outs[i%NODES].b, NULL );
      }
      ns[r] = (double)( dmg_os_mono_ns()-t0 )/16384.0;
    }
    line( "node", is_fetched ? "openssl-evp-fetched" : "openssl-evp", 1, ns );
  }
  EVP_MD_free( md );
  EVP_MD_CTX_free( ctx );
  return 0;
}
