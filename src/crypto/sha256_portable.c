/* The kernel of every machine without a better one, of wasm32, and the yardstick of the others. */
#include "crypto/sha256_int.h"

static inline uint32_t ror( uint32_t x, unsigned n ) { return x>>n | x<<(32-n); }

/* One round with the names turned by the caller instead of moved: t1 lands in h, d grows. */
#define ROUND( a, b, c, d, e, f, g, h, wk ) do {                                                            \
    uint32_t t1_ = h+( ror( e, 6 )^ror( e, 11 )^ror( e, 25 ) )+( g^( e&( f^g ) ) )+( wk );                  \
    d += t1_;                                                                                               \
    h  = t1_+( ror( a, 2 )^ror( a, 13 )^ror( a, 22 ) )+( ( a&b )|( c&( a|b ) ) );                           \
  } while(0)

#define ROUNDS8( at ) do {                                                                                  \
    ROUND( a, b, c, d, e, f, g, hh, at( 0 ) ); ROUND( hh, a, b, c, d, e, f, g, at( 1 ) );                   \
    ROUND( g, hh, a, b, c, d, e, f, at( 2 ) ); ROUND( f, g, hh, a, b, c, d, e, at( 3 ) );                   \
    ROUND( e, f, g, hh, a, b, c, d, at( 4 ) ); ROUND( d, e, f, g, hh, a, b, c, at( 5 ) );                   \
    ROUND( c, d, e, f, g, hh, a, b, at( 6 ) ); ROUND( b, c, d, e, f, g, hh, a, at( 7 ) );                   \
  } while(0)

static void blocks( uint32_t h[8], uint8_t const * p, size_t block_cnt ) {
  for( ; block_cnt; block_cnt--, p+=64 ) {
    uint32_t w[64];
    for( size_t t=0; t<16; t++ ) w[t] = dmg_load_u32be( p+4*t );
    for( size_t t=16; t<64; t++ ) {
      uint32_t x = w[t-15], y = w[t-2];
      w[t] = w[t-16]+( ror( x, 7 )^ror( x, 18 )^x>>3 )+w[t-7]+( ror( y, 17 )^ror( y, 19 )^y>>10 );
    }
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], hh = h[7];
    for( size_t t=0; t<64; t+=8 ) {
#define AT( i ) dmg_sha256_k[t+i]+w[t+i]
      ROUNDS8( AT );
#undef AT
    }
    h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += hh;
  }
}

static void nodes( uint32_t const mid[8], uint8_t const * msgs, size_t n, uint8_t * out ) {
  for( size_t i=0; i<n; i++ ) {
    uint32_t s[8];
    memcpy( s, mid, 32 );
    blocks( s, msgs+64*i, 1 );
    /* The pad block is always the same, so its schedule comes from the table. */
    uint32_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], hh = s[7];
    for( size_t t=0; t<64; t+=8 ) {
#define AT( i ) dmg_sha256_pad128_wk[t+i]
      ROUNDS8( AT );
#undef AT
    }
    s[0] += a; s[1] += b; s[2] += c; s[3] += d; s[4] += e; s[5] += f; s[6] += g; s[7] += hh;
    dmg_sha256_store( out+32*i, s );
  }
}

dmg_sha256_kernel_t const dmg_sha256_portable = { .name = "portable", .blocks = blocks, .nodes = nodes };
