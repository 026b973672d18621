/* bench_rs: Reed-Solomon of a body on one core (N14).  One line a figure; medians of 200. */
#include "network/rs.h"
#include "base/os.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 200 };

static int cmp( void const * a, void const * b ) {
  uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b;
  return x<y ? -1 : x>y;
}

static dmg_rs_t rs;

static void figure( char const * what, uint32_t k, uint32_t n, size_t body_sz, uint64_t * ns ) {
  qsort( ns, ROUNDS, sizeof *ns, cmp );
  printf( "rs/%s k=%u n=%u bytes=%zu   p50 %.3f ms   p99 %.3f ms\n", what, k, n, body_sz, (double)ns[ ROUNDS/2 ]*1e-6, (double)ns[ ROUNDS*99/100 ]*1e-6 );
}

static void run( uint32_t k, uint32_t n, size_t body_sz ) {
  size_t    shard_sz = ( body_sz/k+63 )/64*64;
  uint8_t * data = malloc( k*shard_sz ), * parity = malloc( ( n-k )*shard_sz ), * back = malloc( k*shard_sz );
  uint64_t  enc[ ROUNDS ], dec[ ROUNDS ];
  uint8_t   idx[ DMG_RS_K_MAX ];
  if( !data || !parity || !back ) exit( 1 );
  for( size_t i = 0; i<k*shard_sz; i++ ) data[ i ] = (uint8_t)( i*131+i/997 );
  for( uint32_t i = 0; i<k; i++ ) idx[ i ] = (uint8_t)( k+i%( n-k ) );   /* nothing but parity: the slowest case */
  for( unsigned r = 0; r<ROUNDS; r++ ) {
    rs.k = 0;                                                       /* tables each time, as a body may be the first of its epoch */
    uint64_t t = dmg_os_mono_ns();
    dmg_rs_init( &rs, k, n );
    dmg_rs_encode( &rs, shard_sz, data, parity );
    enc[ r ] = dmg_os_mono_ns()-t;
    t = dmg_os_mono_ns();
    dmg_rs_decode( &rs, shard_sz, idx, parity, back );
    dec[ r ] = dmg_os_mono_ns()-t;
  }
  if( memcmp( back, data, k*shard_sz ) ) { puts( "bench_rs: wrong data" ); exit( 1 ); }
  figure( "encode", k, n, body_sz, enc );
  figure( "decode", k, n, body_sz, dec );
  free( data );
  free( parity );
  free( back );
}

int main( void ) {
  run( 64, 128, 1u<<20 );
  run( 16, 32, 1u<<20 );
  run( 8, 16, 1u<<20 );
  run( 8, 16, 64u<<10 );
  return 0;
}
