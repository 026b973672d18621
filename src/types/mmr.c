#include "types/mmr.h"
#include "base/assert.h"

uint64_t dmg_mmr_append( dmg_mmr_t * mmr, dmg_hash_t const * leaf ) {
  DMG_ASSERT( mmr->count<UINT64_MAX );
  uint32_t   n = dmg_mmr_peak_cnt( mmr );
  dmg_hash_t h = *leaf;
  for( uint64_t c = mmr->count; c&1; c >>= 1 ) h = dmg_h_node( DMG_TAG_MMR_NODE, &mmr->peaks[ --n ], &h );
  mmr->peaks[ n ] = h;
  return mmr->count++;
}

dmg_hash_t dmg_mmr_root( dmg_mmr_t const * mmr ) {
  uint8_t count[ 8 ];
  dmg_store_u64le( count, mmr->count );
  return dmg_h2( DMG_TAG_MMR_ROOT, DMG_SPAN( count ), dmg_span( mmr->peaks, (size_t)32*dmg_mmr_peak_cnt( mmr ) ) );
}

void dmg_mmr_read( dmg_bcs_rd_t * rd, dmg_mmr_t * out ) {
  out->count = dmg_bcs_rd_u64( rd );
  uint32_t n = dmg_mmr_peak_cnt( out );
  dmg_bcs_rd_len( rd, n, n );
  dmg_bcs_rd_copy( rd, out->peaks, (size_t)32*n );
  if( rd->bad ) out->count = 0;
}

void dmg_mmr_write( dmg_bcs_wr_t * wr, dmg_mmr_t const * mmr ) {
  uint32_t n = dmg_mmr_peak_cnt( mmr );
  dmg_bcs_wr_u64  ( wr, mmr->count );
  dmg_bcs_wr_uleb ( wr, n );
  dmg_bcs_wr_fixed( wr, mmr->peaks, (size_t)32*n );
}
