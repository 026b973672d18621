#include "types/asset.h"
#include "base/assert.h"

#include <stdio.h>

char const * dmg_asset_kind_name( unsigned kind ) {
  static char const * const name[ DMG_ASSET_CNT ] = { "Cgt", "Currency", "Item", "Share", "Lp" };
  return kind<DMG_ASSET_CNT ? name[ kind ] : "unknown";
}

void dmg_amount_text( uint64_t sparks, char out[ DMG_AMOUNT_TEXT_SZ ] ) {
  char frac[ 16 ];
  snprintf( frac, sizeof frac, "%08llu", sparks%DMG_SPARKS_PER_CGT );
  size_t n = 8;
  while( n && frac[ n-1 ]=='0' ) n--;
  frac[ n ] = 0;
  snprintf( out, DMG_AMOUNT_TEXT_SZ, "%llu%s%s CGT", sparks/DMG_SPARKS_PER_CGT, n ? "." : "", frac );
}

void dmg_asset_read( dmg_bcs_rd_t * rd, dmg_asset_t * out ) {
  *out      = (dmg_asset_t){ 0 };
  out->kind = (uint8_t)dmg_bcs_rd_variant( rd, DMG_ASSET_CNT );
  if( out->kind!=DMG_ASSET_CGT ) dmg_bcs_rd_copy( rd, out->id.b, 32 );
}

void dmg_asset_write( dmg_bcs_wr_t * wr, dmg_asset_t const * asset ) {
  DMG_ASSERT( asset->kind<DMG_ASSET_CNT );
  dmg_bcs_wr_uleb( wr, asset->kind );
  if( asset->kind!=DMG_ASSET_CGT ) dmg_bcs_wr_fixed( wr, asset->id.b, 32 );
}

void dmg_asset_key( dmg_asset_t const * asset, uint8_t out[ DMG_ASSET_KEY_SZ ] ) {
  DMG_ASSERT( asset->kind<DMG_ASSET_CNT );
  out[ 0 ] = asset->kind;
  if( asset->kind==DMG_ASSET_CGT ) memset( out+1, 0, 32 );
  else                             memcpy( out+1, asset->id.b, 32 );
}
