#include "dmic.h"

/* A section: id u8, size ULEB128 of at most 5 bytes, payload; a custom one (id 0) begins with its name. */
static bool uleb( dmg_span_t in, size_t * off, uint32_t * out ) {
  uint64_t v = 0;
  for( unsigned shift = 0; shift<35; shift += 7 ) {
    if( *off>=in.sz ) return false;
    uint8_t b = in.p[ ( *off )++ ];
    v |= (uint64_t)( b&0x7f )<<shift;
    if( b&0x80 ) continue;
    if( v>UINT32_MAX ) return false;
    *out = (uint32_t)v;
    return true;
  }
  return false;
}

static dmg_err_t put_uleb( dmg_buf_t * out, uint32_t v ) {
  uint8_t b[ 5 ];
  dmg_bcs_wr_t w = dmg_bcs_wr( b, sizeof b );
  dmg_bcs_wr_uleb( &w, v );
  dmg_span_t s = dmg_bcs_wr_span( &w );
  return dmg_buf_append( out, s.p, s.sz );
}

dmg_err_t dmic_embed( dmg_span_t wasm, dmg_span_t abi, dmg_buf_t * out ) {
  static uint8_t const magic[ 8 ] = { 0, 'a', 's', 'm', 1, 0, 0, 0 };
  static char const name[] = "dm:abi";
  uint32_t const name_sz = sizeof name-1;
  if( wasm.sz<8 || memcmp( wasm.p, magic, 8 ) ) return DMG_ERR_INVALID;
  DMG_TRY( dmg_buf_append( out, wasm.p, 8 ) );
  for( size_t off = 8; off<wasm.sz; ) {
    size_t from = off++;
    uint32_t sz, n;
    if( !uleb( wasm, &off, &sz ) || sz>wasm.sz-off ) return DMG_ERR_INVALID;
    size_t body = off, end = off+sz;
    bool is_old = false;
    if( !wasm.p[ from ] ) {
      dmg_span_t in = dmg_span( wasm.p, end );
      if( !uleb( in, &body, &n ) || n>end-body ) return DMG_ERR_INVALID;
      is_old = dmg_span_eq( dmg_span( wasm.p+body, n ), dmg_span( name, name_sz ) );
    }
    if( !is_old ) DMG_TRY( dmg_buf_append( out, wasm.p+from, end-from ) );
    off = end;
  }
  DMG_TRY( dmg_buf_append( out, "", 1 ) );
  DMG_TRY( put_uleb( out, (uint32_t)( 1+name_sz+abi.sz ) ) );
  DMG_TRY( put_uleb( out, name_sz ) );
  DMG_TRY( dmg_buf_append( out, name, name_sz ) );
  return dmg_buf_append( out, abi.p, abi.sz );
}
