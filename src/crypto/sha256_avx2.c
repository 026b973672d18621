/* AVX2, for x86-64 without SHA-NI: eight nodes at once, one a 32-bit lane.  Streams and single
   nodes stay portable: a lone message has no parallelism that 32-bit lanes could use. */
#include "crypto/sha256_int.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET  __attribute__(( target( "avx2" ) ))
#define INLINE  __attribute__(( target( "avx2" ), always_inline )) static inline

INLINE __m256i ror( __m256i x, int n ) { return _mm256_or_si256( _mm256_srli_epi32( x, n ), _mm256_slli_epi32( x, 32-n ) ); }
INLINE __m256i xor3( __m256i a, __m256i b, __m256i c ) { return _mm256_xor_si256( _mm256_xor_si256( a, b ), c ); }

INLINE __m256i be32( __m256i x ) {
  return _mm256_shuffle_epi8( x, _mm256_set_epi64x( 0x0c0d0e0f08090a0bll, 0x0405060700010203ll, 0x0c0d0e0f08090a0bll, 0x0405060700010203ll ) );
}

/* Rows to columns: out word j of lane i is in word i of lane j.  Its own inverse. */
INLINE void transpose( __m256i r[8] ) {
  __m256i a[8], b[8];
  for( int i=0; i<8; i+=2 ) {
    a[i]   = _mm256_unpacklo_epi32( r[i], r[i+1] );
    a[i+1] = _mm256_unpackhi_epi32( r[i], r[i+1] );
  }
  for( int i=0; i<8; i+=4 ) {
    b[i]   = _mm256_unpacklo_epi64( a[i],   a[i+2] );
    b[i+1] = _mm256_unpackhi_epi64( a[i],   a[i+2] );
    b[i+2] = _mm256_unpacklo_epi64( a[i+1], a[i+3] );
    b[i+3] = _mm256_unpackhi_epi64( a[i+1], a[i+3] );
  }
  for( int i=0; i<4; i++ ) {
    r[i]   = _mm256_permute2x128_si256( b[i], b[i+4], 0x20 );
    r[i+4] = _mm256_permute2x128_si256( b[i], b[i+4], 0x31 );
  }
}

INLINE void round1( __m256i s[8], __m256i wk ) {
  __m256i e = s[4], a = s[0];
  __m256i ch = _mm256_xor_si256( s[6], _mm256_and_si256( e, _mm256_xor_si256( s[5], s[6] ) ) );
  __m256i maj = _mm256_or_si256( _mm256_and_si256( a, s[1] ), _mm256_and_si256( s[2], _mm256_or_si256( a, s[1] ) ) );
  __m256i t1 = _mm256_add_epi32( _mm256_add_epi32( s[7], xor3( ror( e, 6 ), ror( e, 11 ), ror( e, 25 ) ) ), _mm256_add_epi32( ch, wk ) );
  __m256i t2 = _mm256_add_epi32( xor3( ror( a, 2 ), ror( a, 13 ), ror( a, 22 ) ), maj );
  s[7] = s[6]; s[6] = s[5]; s[5] = e; s[4] = _mm256_add_epi32( s[3], t1 );
  s[3] = s[2]; s[2] = s[1]; s[1] = a; s[0] = _mm256_add_epi32( t1, t2 );
}

/* Eight messages at msgs, eight results to out. */
TARGET static void nodes8( uint32_t const mid[8], uint8_t const * msgs, uint8_t * out ) {
  __m256i w[16], s[8], s0[8];
  for( size_t half=0; half<2; half++ ) {
    for( size_t l=0; l<8; l++ ) w[8*half+l] = be32( _mm256_loadu_si256( (__m256i const *)( msgs+64*l+32*half ) ) );
    transpose( w+8*half );
  }
  for( int i=0; i<8; i++ ) s[i] = s0[i] = _mm256_set1_epi32( (int)mid[i] );
  for( int t=0; t<64; t+=16 ) {
#pragma GCC unroll 16
    for( int i=0; i<16; i++ ) {
      if( t ) {
        __m256i x = w[(i+1)&15], y = w[(i+14)&15];
        w[i] = _mm256_add_epi32( _mm256_add_epi32( w[i], w[(i+9)&15] ),
                                 _mm256_add_epi32( xor3( ror( x, 7 ), ror( x, 18 ), _mm256_srli_epi32( x, 3 ) ),
                                                   xor3( ror( y, 17 ), ror( y, 19 ), _mm256_srli_epi32( y, 10 ) ) ) );
      }
      round1( s, _mm256_add_epi32( w[i], _mm256_set1_epi32( (int)dmg_sha256_k[t+i] ) ) );
    }
  }
  for( int i=0; i<8; i++ ) s[i] = s0[i] = _mm256_add_epi32( s[i], s0[i] );
  for( int t=0; t<64; t+=16 ) {
#pragma GCC unroll 16
    for( int i=0; i<16; i++ ) round1( s, _mm256_set1_epi32( (int)dmg_sha256_pad128_wk[t+i] ) );
  }
  for( int i=0; i<8; i++ ) s[i] = _mm256_add_epi32( s[i], s0[i] );
  transpose( s );
  for( size_t l=0; l<8; l++ ) _mm256_storeu_si256( (__m256i *)( out+32*l ), be32( s[l] ) );
}

static void blocks( uint32_t h[8], uint8_t const * p, size_t block_cnt ) { dmg_sha256_portable.blocks( h, p, block_cnt ); }

static void nodes( uint32_t const mid[8], uint8_t const * msgs, size_t n, uint8_t * out ) {
  enum { WORTH = 3 };   /* eight lanes cost what about three single nodes do */
  size_t i = 0;
  for( ; n-i>=8; i+=8 ) nodes8( mid, msgs+64*i, out+32*i );
  size_t rest = n-i;
  if( rest<WORTH ) { dmg_sha256_portable.nodes( mid, msgs+64*i, rest, out+32*i ); return; }
  uint8_t in[ 64*8 ] = { 0 }, res[ 32*8 ];
  memcpy( in, msgs+64*i, 64*rest );
  nodes8( mid, in, res );
  memcpy( out+32*i, res, 32*rest );
}

dmg_sha256_kernel_t const dmg_sha256_avx2 = { .name = "avx2", .blocks = blocks, .nodes = nodes };

#endif
