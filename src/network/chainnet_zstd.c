/* Bodies in answers: u8 1, raw_len u32, zstd frame; or u8 0. */
#include "network/chainnet_wire.h"
#include "base/assert.h"

#include <zstd.h>

enum { HEAD = 5, LEVEL = 1 };

dmg_err_t dmg_wire_body_encode( dmg_span_t body, dmg_buf_t * out ) {
  uint8_t * p;
  if( !body.p ) {
    DMG_TRY( dmg_buf_grow( out, 1, &p ) );
    p[ 0 ] = 0;
    return DMG_OK;
  }
  if( body.sz>DMG_WIRE_BODY_SZ_MAX ) return DMG_ERR_LIMIT;
  size_t bound = ZSTD_compressBound( body.sz );
  DMG_TRY( dmg_buf_grow( out, HEAD+bound, &p ) );
  size_t n = ZSTD_compress( p+HEAD, bound, body.p, body.sz, LEVEL );
  if( ZSTD_isError( n ) ) {
    out->sz -= HEAD+bound;
    return DMG_ERR_NOMEM;   /* the only way to fail with room for the bound */
  }
  p[ 0 ] = 1;
  dmg_store_u32le( p+1, (uint32_t)body.sz );
  out->sz -= bound-n;
  return DMG_OK;
}

dmg_verdict_t dmg_wire_body_decode( dmg_span_t chunk, bool * out_is_found, dmg_buf_t * out_raw ) {
  if( chunk.sz==1 && !chunk.p[ 0 ] ) {
    *out_is_found = false;
    dmg_buf_clear( out_raw );
    return dmg_verdict_good();
  }
  if( chunk.sz<HEAD || chunk.p[ 0 ]!=1 ) return dmg_verdict_bad( "body", "neither found nor absent", 0 );
  uint32_t raw_sz = dmg_load_u32le( chunk.p+1 );
  /* N11.1 dos_zstd_bomb: nothing is unpacked beyond the length stated, which has a limit. */
  if( !raw_sz || raw_sz>DMG_WIRE_BODY_SZ_MAX ) return dmg_verdict_bad( "body.raw_len", "not 1 to 1,048,576", 1 );
  dmg_span_t z = dmg_span( chunk.p+HEAD, chunk.sz-HEAD );
  if( ZSTD_findFrameCompressedSize( z.p, z.sz )!=z.sz ) return dmg_verdict_bad( "body.zstd", "not one frame", HEAD );
  dmg_buf_clear( out_raw );
  uint8_t * p;
  dmg_err_t err = dmg_buf_grow( out_raw, raw_sz, &p );
  if( err ) return dmg_verdict_local( err );
  /* A context of its own: what can run out of memory does so here, so that all else is the sender's fault (N1.4). */
  ZSTD_DCtx * dctx = ZSTD_createDCtx();
  if( !dctx ) { dmg_buf_clear( out_raw ); return dmg_verdict_local( DMG_ERR_NOMEM ); }
  size_t n = ZSTD_decompressDCtx( dctx, p, raw_sz, z.p, z.sz );
  ZSTD_freeDCtx( dctx );
  if( ZSTD_isError( n ) || n!=raw_sz ) {
    dmg_buf_clear( out_raw );
    return dmg_verdict_bad( "body.zstd", "does not unpack", HEAD );
  }
  *out_is_found = true;
  return dmg_verdict_good();
}
