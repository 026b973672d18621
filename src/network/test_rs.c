/* Reed-Solomon against a field of its own: products by shift and xor, parity by definition, decoding by every kind of loss. */
#include "network/rs.h"
#include "base/num.h"
#include "crypto/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static uint8_t gf_mul( uint8_t a, uint8_t b ) {
  unsigned r = 0, x = a;
  for( ; b; b >>= 1, x = x<<1^( x&0x80 ? 0x11d : 0 ) ) if( b&1 ) r ^= x;
  return (uint8_t)r;
}

static uint8_t gf_inv( uint8_t a ) {
  unsigned b = 1;
  while( b<256 && gf_mul( a, (uint8_t)b )!=1 ) b++;
  assert_true( b<256 );
  return (uint8_t)b;
}

static dmg_rs_t rs;

static void fill( uint8_t * p, size_t sz, uint64_t * rng ) { for( size_t i = 0; i<sz; i++ ) p[ i ] = (uint8_t)dmg_rnd_u64( rng ); }

static void test_parity_is_what_the_header_says( void ** state ) {
  static struct { uint32_t k, n; } const shapes[] = { { 1, 2 }, { 8, 16 }, { 3, 16 }, { 33, 66 }, { 64, 128 }, { 40, 128 }, { 1, 128 } };
  uint64_t rng = 7;
  for( unsigned s = 0; s<sizeof shapes/sizeof shapes[ 0 ]; s++ ) {
    uint32_t k = shapes[ s ].k, n = shapes[ s ].n;
    size_t   sz = 64;
    uint8_t  data[ 64*64 ], parity[ 128*64 ];
    fill( data, k*sz, &rng );
    dmg_rs_init( &rs, k, n );
    dmg_rs_encode( &rs, sz, data, parity );
    for( uint32_t i = k; i<n; i++ ) {
      uint8_t c[ 64 ];
      for( uint32_t j = 0; j<k; j++ ) c[ j ] = gf_inv( (uint8_t)( i^j ) );
      for( size_t b = 0; b<sz; b++ ) {
        uint8_t want = 0;
        for( uint32_t j = 0; j<k; j++ ) want ^= gf_mul( c[ j ], data[ j*sz+b ] );
        assert_int_equal( parity[ ( i-k )*sz+b ], want );
      }
    }
  }
}

static void test_any_k_of_n_give_the_data( void ** state ) {
  uint64_t seed = 20261126, rng = seed;
  printf( "seed %llu\n", (unsigned long long)seed );
  static uint8_t all[ 128*4160 ], some[ 64*4160 ], back[ 64*4160 ];
  for( unsigned round = 0; round<60; round++ ) {
    uint32_t k = 1+(uint32_t)( dmg_rnd_u64( &rng )%64 ), n = k+1+(uint32_t)( dmg_rnd_u64( &rng )%k );
    size_t   sz = 64*( 1+dmg_rnd_u64( &rng )%65 );
    uint8_t  idx[ 128 ];
    fill( all, k*sz, &rng );
    dmg_rs_init( &rs, k, n );
    dmg_rs_encode( &rs, sz, all, all+k*sz );
    for( uint32_t i = 0; i<n; i++ ) idx[ i ] = (uint8_t)i;
    if( round%3 ) for( uint32_t i = n-1; i; i-- ) { uint32_t r = (uint32_t)( dmg_rnd_u64( &rng )%( i+1 ) ); uint8_t t = idx[ i ]; idx[ i ] = idx[ r ]; idx[ r ] = t; }
    else if( round%2 ) for( uint32_t i = 0; i<k; i++ ) idx[ i ] = (uint8_t)( n-1-i );   /* the most parity there can be */
    for( uint32_t i = 0; i<k; i++ ) memcpy( some+i*sz, all+idx[ i ]*sz, sz );
    dmg_rs_decode( &rs, sz, idx, some, back );
    assert_memory_equal( back, all, k*sz );
    some[ dmg_rnd_u64( &rng )%( k*sz ) ] ^= 1;
    dmg_rs_decode( &rs, sz, idx, some, back );
    assert_memory_not_equal( back, all, k*sz );
    dmg_rs_encode( &rs, sz, all, some );                 /* tables of the parity rows again */
    assert_memory_equal( some, all+k*sz, ( n-k )*sz );
  }
}

/* What nodes agree on: pinned. */
static void test_shards_of_a_known_body( void ** state ) {
  static uint8_t data[ 8*64 ], parity[ 8*64 ];
  for( size_t i = 0; i<sizeof data; i++ ) data[ i ] = (uint8_t)( i*7+i/64 );
  dmg_rs_init( &rs, 8, 16 );
  dmg_rs_encode( &rs, 64, data, parity );
  char hex[ 65 ];
  dmg_hash_t h = dmg_sha256( DMG_SPAN( parity ) );
  dmg_hex_encode( h.b, 32, hex );
  assert_string_equal( hex, "516105366c28d502df5657b1c03b424e30803034767aaca0b8d7ce27de63bb65" );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_parity_is_what_the_header_says ),
    cmocka_unit_test( test_any_k_of_n_give_the_data ),
    cmocka_unit_test( test_shards_of_a_known_body ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
