/* num: checked arithmetic, 128-bit products, numbers from a seed.

   Nothing wraps or saturates unless its name says so (M0.5). */
#ifndef DMG_BASE_NUM_H
#define DMG_BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>

typedef unsigned __int128 dmg_u128_t;
typedef __int128          dmg_i128_t;

/* true: the sum (difference, product) is in *out; false: it does not fit, *out untouched. */
static inline bool dmg_add_u64( uint64_t a, uint64_t b, uint64_t * out ) { uint64_t r; if( __builtin_add_overflow( a, b, &r ) ) return false; *out = r; return true; }
static inline bool dmg_sub_u64( uint64_t a, uint64_t b, uint64_t * out ) { if( b>a ) return false; *out = a-b; return true; }
static inline bool dmg_mul_u64( uint64_t a, uint64_t b, uint64_t * out ) { uint64_t r; if( __builtin_mul_overflow( a, b, &r ) ) return false; *out = r; return true; }

/* floor( a b / d ) and ceil( a b / d ) with a 128-bit product, d > 0; false if the result passes u64. */
static inline bool dmg_mul_div_floor( uint64_t a, uint64_t b, uint64_t d, uint64_t * out ) {
  dmg_u128_t r = (dmg_u128_t)a*b/d;
  if( r>UINT64_MAX ) return false;
  *out = (uint64_t)r;
  return true;
}
static inline bool dmg_mul_div_ceil( uint64_t a, uint64_t b, uint64_t d, uint64_t * out ) {
  dmg_u128_t p = (dmg_u128_t)a*b, r = p/d+( p%d!=0 );
  if( r>UINT64_MAX ) return false;
  *out = (uint64_t)r;
  return true;
}

/* splitmix64: the next number of the row that *state stands in.  For jitter, tests and simulators: whoever sees a few knows all. */
static inline uint64_t dmg_rnd_u64( uint64_t * state ) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = ( z^( z>>30 ) )*0xbf58476d1ce4e5b9u;
  z = ( z^( z>>27 ) )*0x94d049bb133111ebu;
  return z^( z>>31 );
}

static inline uint64_t dmg_min_u64( uint64_t a, uint64_t b ) { return a<b ? a : b; }
static inline uint64_t dmg_max_u64( uint64_t a, uint64_t b ) { return a>b ? a : b; }

#endif
