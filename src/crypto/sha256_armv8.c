/* ARMv8 cryptography extension: one lane for streams, two for nodes, which hide each other's
   latency as in the SHA-NI kernel. */
#include "crypto/sha256_int.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#if defined(__clang__)
#define SHA2  "sha2"
#else
#define SHA2  "+crypto"   /* what arm_neon.h asks of the caller */
#endif
#define TARGET  __attribute__(( target( SHA2 ) ))
#define INLINE  __attribute__(( target( SHA2 ), always_inline )) static inline
#define UNROLL  _Pragma( "GCC unroll 16" )

typedef struct { uint32x4_t abcd, efgh; } state_t;

INLINE state_t state_load( uint32_t const h[8] ) { return (state_t){ .abcd = vld1q_u32( h ), .efgh = vld1q_u32( h+4 ) }; }

INLINE void rounds4( state_t * s, uint32x4_t wk ) {
  uint32x4_t abcd = s->abcd;
  s->abcd = vsha256hq_u32 ( abcd, s->efgh, wk );
  s->efgh = vsha256h2q_u32( s->efgh, abcd, wk );
}

INLINE void state_add( state_t * s, state_t const * t ) {
  s->abcd = vaddq_u32( s->abcd, t->abcd );
  s->efgh = vaddq_u32( s->efgh, t->efgh );
}

/* lanes blocks, one for each state; lane l's block at p + 64 l. */
INLINE void compress( state_t * s, uint8_t const * p, size_t lanes ) {
  uint32x4_t m[2][4];
  state_t    s0[2];
  UNROLL
  for( size_t l=0; l<lanes; l++ ) s0[l] = s[l];
  UNROLL
  for( size_t g=0; g<16; g++ ) {
    uint32x4_t k = vld1q_u32( dmg_sha256_k+4*g );
    UNROLL
    for( size_t l=0; l<lanes; l++ ) {
      if( g<4 ) m[l][g] = vreinterpretq_u32_u8( vrev32q_u8( vld1q_u8( p+64*l+16*g ) ) );
      else m[l][g&3] = vsha256su1q_u32( vsha256su0q_u32( m[l][g&3], m[l][(g+1)&3] ), m[l][(g+2)&3], m[l][(g+3)&3] );
      rounds4( &s[l], vaddq_u32( m[l][g&3], k ) );
    }
  }
  UNROLL
  for( size_t l=0; l<lanes; l++ ) state_add( &s[l], &s0[l] );
}

INLINE void node_group( state_t mid, uint8_t const * msgs, size_t lanes, uint8_t * out ) {
  state_t s[2], s0[2];
  UNROLL
  for( size_t l=0; l<lanes; l++ ) s[l] = mid;
  compress( s, msgs, lanes );
  UNROLL
  for( size_t l=0; l<lanes; l++ ) s0[l] = s[l];
  UNROLL
  for( size_t g=0; g<16; g++ ) {
    uint32x4_t wk = vld1q_u32( dmg_sha256_pad128_wk+4*g );
    UNROLL
    for( size_t l=0; l<lanes; l++ ) rounds4( &s[l], wk );
  }
  UNROLL
  for( size_t l=0; l<lanes; l++ ) {
    state_add( &s[l], &s0[l] );
    vst1q_u8( out+32*l,    vrev32q_u8( vreinterpretq_u8_u32( s[l].abcd ) ) );
    vst1q_u8( out+32*l+16, vrev32q_u8( vreinterpretq_u8_u32( s[l].efgh ) ) );
  }
}

TARGET static void blocks( uint32_t h[8], uint8_t const * p, size_t block_cnt ) {
  state_t s = state_load( h );
  for( ; block_cnt; block_cnt--, p+=64 ) compress( &s, p, 1 );
  vst1q_u32( h,   s.abcd );
  vst1q_u32( h+4, s.efgh );
}

TARGET static void nodes( uint32_t const mid[8], uint8_t const * msgs, size_t n, uint8_t * out ) {
  state_t m = state_load( mid );
  size_t i = 0;
  for( ; n-i>=2; i+=2 ) node_group( m, msgs+64*i, 2, out+32*i );
  if( n-i ) node_group( m, msgs+64*i, 1, out+32*i );
}

dmg_sha256_kernel_t const dmg_sha256_armv8 = { .name = "armv8", .blocks = blocks, .nodes = nodes };

#endif
