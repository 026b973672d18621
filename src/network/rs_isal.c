#include "network/rs.h"
#include "base/assert.h"

#include <isa-l/erasure_code.h>

/* A piece of all shards at a time, so that what is read k times stays in the second cache. */
enum { PIECE = 2048 };

void dmg_rs_init( dmg_rs_t * rs, uint32_t k, uint32_t n ) {
  DMG_ASSERT( k && k<=DMG_RS_K_MAX && n>k && n<=DMG_RS_N_MAX && k*( n-k )<=DMG_RS_K_MAX*( DMG_RS_N_MAX-DMG_RS_K_MAX ) );
  if( rs->k==k && rs->n==n ) return;
  rs->k = k;
  rs->n = n;
  gf_gen_cauchy1_matrix( rs->matrix, (int)n, (int)k );
  rs->is_ready = false;
}

/* out_cnt shards at out[], each a row of coefficients over the k of in[]. */
static void apply( dmg_rs_t * rs, size_t shard_sz, uint32_t out_cnt, uint8_t const * const * in, uint8_t * const * out ) {
  unsigned char * from[ DMG_RS_K_MAX ], * to[ DMG_RS_N_MAX ];
  for( size_t at = 0; at<shard_sz; at += PIECE ) {
    size_t sz = shard_sz-at<PIECE ? shard_sz-at : PIECE;
    for( uint32_t i = 0; i<rs->k; i++ ) { uint8_t const * p = in[ i ]+at; memcpy( &from[ i ], &p, sizeof p ); }   /* the library only reads them */
    for( uint32_t i = 0; i<out_cnt; i++ ) to[ i ] = out[ i ]+at;
    ec_encode_data( (int)sz, (int)rs->k, (int)out_cnt, rs->tables, from, to );
  }
}

void dmg_rs_encode( dmg_rs_t * rs, size_t shard_sz, uint8_t const * data, uint8_t * parity ) {
  uint8_t const * in [ DMG_RS_K_MAX ] = { 0 };
  uint8_t *       out[ DMG_RS_N_MAX ];
  uint32_t k = rs->k, m = rs->n-k;
  if( !rs->is_ready ) ec_init_tables( (int)k, (int)m, rs->matrix+(size_t)k*k, rs->tables );
  rs->is_ready = true;
  for( uint32_t i = 0; i<k; i++ ) in[ i ] = data+i*shard_sz;
  for( uint32_t i = 0; i<m; i++ ) out[ i ] = parity+i*shard_sz;
  apply( rs, shard_sz, m, in, out );
}

void dmg_rs_decode( dmg_rs_t * rs, size_t shard_sz, uint8_t const * idx, uint8_t const * shards, uint8_t * data ) {
  uint8_t const * in [ DMG_RS_K_MAX ] = { 0 };
  uint8_t *       out[ DMG_RS_N_MAX ];
  bool            has[ DMG_RS_K_MAX ] = { false };
  uint32_t        k = rs->k, lost = 0;
  for( uint32_t i = 0; i<k; i++ ) {
    DMG_ASSERT( idx[ i ]<rs->n );
    memcpy( rs->square+(size_t)i*k, rs->matrix+(size_t)idx[ i ]*k, k );
    in[ i ] = shards+i*shard_sz;
    if( idx[ i ]>=k ) continue;
    DMG_ASSERT( !has[ idx[ i ] ] );
    has[ idx[ i ] ] = true;
    memcpy( data+idx[ i ]*shard_sz, in[ i ], shard_sz );
  }
  int rc = gf_invert_matrix( rs->square, rs->inverse, (int)k );
  DMG_ASSERT( !rc );                               /* rows of a Cauchy matrix and the identity, all different */
  for( uint32_t d = 0; d<k; d++ ) if( !has[ d ] ) {
    memcpy( rs->rows+(size_t)lost*k, rs->inverse+(size_t)d*k, k );
    out[ lost++ ] = data+d*shard_sz;
  }
  if( !lost ) return;
  ec_init_tables( (int)k, (int)lost, rs->rows, rs->tables );
  rs->is_ready = false;
  apply( rs, shard_sz, lost, in, out );
}
