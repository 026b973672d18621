/* SHA-NI: one lane for streams, four lanes for nodes.  A lane's two rounds instruction has a
   latency of 4 and a throughput of 2 cycles or better, so one lane alone leaves most of the unit
   idle; four independent lanes fill it. */
#include "crypto/sha256_int.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET  __attribute__(( target( "sha,ssse3,sse4.1" ) ))
#define INLINE  __attribute__(( target( "sha,ssse3,sse4.1" ), always_inline )) static inline
#define UNROLL  _Pragma( "GCC unroll 16" )

/* The instructions want the state as ABEF and CDGH, highest word first. */
typedef struct { __m128i abef, cdgh; } state_t;

INLINE state_t state_load( uint32_t const h[8] ) {
  __m128i dcba = _mm_loadu_si128( (__m128i const *)h );
  __m128i hgfe = _mm_loadu_si128( (__m128i const *)( h+4 ) );
  __m128i cdab = _mm_shuffle_epi32( dcba, 0xb1 );
  __m128i efgh = _mm_shuffle_epi32( hgfe, 0x1b );
  return (state_t){ .abef = _mm_alignr_epi8( cdab, efgh, 8 ), .cdgh = _mm_blend_epi16( efgh, cdab, 0xf0 ) };
}

INLINE void state_split( state_t s, __m128i * dcba, __m128i * hgfe ) {
  __m128i feba = _mm_shuffle_epi32( s.abef, 0x1b );
  __m128i dchg = _mm_shuffle_epi32( s.cdgh, 0xb1 );
  *dcba = _mm_blend_epi16( feba, dchg, 0xf0 );
  *hgfe = _mm_alignr_epi8( dchg, feba, 8 );
}

INLINE __m128i be32_mask( void ) { return _mm_set_epi64x( 0x0c0d0e0f08090a0bll, 0x0405060700010203ll ); }

INLINE void rounds4( state_t * s, __m128i wk ) {
  s->cdgh = _mm_sha256rnds2_epu32( s->cdgh, s->abef, wk );
  s->abef = _mm_sha256rnds2_epu32( s->abef, s->cdgh, _mm_shuffle_epi32( wk, 0x0e ) );
}

/* lanes blocks, one for each state; lane l's block at p + stride l. */
INLINE void compress( state_t * s, uint8_t const * p, size_t stride, size_t lanes ) {
  __m128i m[4][4];
  state_t s0[4];
  UNROLL
  for( size_t l=0; l<lanes; l++ ) s0[l] = s[l];
  UNROLL
  for( size_t g=0; g<16; g++ ) {
    __m128i k = _mm_load_si128( (__m128i const *)( dmg_sha256_k+4*g ) );
    UNROLL
    for( size_t l=0; l<lanes; l++ ) {
      if( g<4 ) m[l][g] = _mm_shuffle_epi8( _mm_loadu_si128( (__m128i const *)( p+stride*l+16*g ) ), be32_mask() );
      else {
        __m128i w = _mm_sha256msg1_epu32( m[l][g&3], m[l][(g+1)&3] );
        w = _mm_add_epi32( w, _mm_alignr_epi8( m[l][(g+3)&3], m[l][(g+2)&3], 4 ) );
        m[l][g&3] = _mm_sha256msg2_epu32( w, m[l][(g+3)&3] );
      }
      rounds4( &s[l], _mm_add_epi32( m[l][g&3], k ) );
    }
  }
  UNROLL
  for( size_t l=0; l<lanes; l++ ) {
    s[l].abef = _mm_add_epi32( s[l].abef, s0[l].abef );
    s[l].cdgh = _mm_add_epi32( s[l].cdgh, s0[l].cdgh );
  }
}

INLINE void compress_pad( state_t * s, size_t lanes ) {
  state_t s0[4];
  UNROLL
  for( size_t l=0; l<lanes; l++ ) s0[l] = s[l];
  UNROLL
  for( size_t g=0; g<16; g++ ) {
    __m128i wk = _mm_load_si128( (__m128i const *)( dmg_sha256_pad128_wk+4*g ) );
    UNROLL
    for( size_t l=0; l<lanes; l++ ) rounds4( &s[l], wk );
  }
  UNROLL
  for( size_t l=0; l<lanes; l++ ) {
    s[l].abef = _mm_add_epi32( s[l].abef, s0[l].abef );
    s[l].cdgh = _mm_add_epi32( s[l].cdgh, s0[l].cdgh );
  }
}

INLINE void node_group( state_t mid, uint8_t const * msgs, size_t lanes, uint8_t * out ) {
  state_t s[4];
  UNROLL
  for( size_t l=0; l<lanes; l++ ) s[l] = mid;
  compress( s, msgs, 64, lanes );
  compress_pad( s, lanes );
  UNROLL
  for( size_t l=0; l<lanes; l++ ) {
    __m128i dcba, hgfe;
    state_split( s[l], &dcba, &hgfe );
    _mm_storeu_si128( (__m128i *)( out+32*l ),    _mm_shuffle_epi8( dcba, be32_mask() ) );
    _mm_storeu_si128( (__m128i *)( out+32*l+16 ), _mm_shuffle_epi8( hgfe, be32_mask() ) );
  }
}

TARGET static void blocks( uint32_t h[8], uint8_t const * p, size_t block_cnt ) {
  state_t s = state_load( h );
  for( ; block_cnt; block_cnt--, p+=64 ) compress( &s, p, 0, 1 );
  __m128i dcba, hgfe;
  state_split( s, &dcba, &hgfe );
  _mm_storeu_si128( (__m128i *)h,       dcba );
  _mm_storeu_si128( (__m128i *)( h+4 ), hgfe );
}

TARGET static void nodes( uint32_t const mid[8], uint8_t const * msgs, size_t n, uint8_t * out ) {
  state_t m = state_load( mid );
  size_t i = 0;
  for( ; n-i>=4; i+=4 ) node_group( m, msgs+64*i, 4, out+32*i );
  if( n-i>=2 ) { node_group( m, msgs+64*i, 2, out+32*i ); i += 2; }
  if( n-i ) node_group( m, msgs+64*i, 1, out+32*i );
}

dmg_sha256_kernel_t const dmg_sha256_shani = { .name = "sha-ni", .blocks = blocks, .nodes = nodes };

#endif
