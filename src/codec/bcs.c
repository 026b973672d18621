#include "codec/bcs.h"
#include "base/assert.h"

char const * dmg_bcs_bad_text( dmg_bcs_bad_t bad ) {
  static char const * const text[] = {
    [ DMG_BCS_GOOD ] = "well formed", [ DMG_BCS_SHORT ] = "truncated", [ DMG_BCS_TRAILING ] = "trailing bytes",
    [ DMG_BCS_ULEB ] = "a length or tag that is not minimal ULEB128 of 32 bits", [ DMG_BCS_BOOL ] = "a bool other than 0 or 1",
    [ DMG_BCS_OPTION ] = "an option tag other than 0 or 1", [ DMG_BCS_VARIANT ] = "an unknown enum tag",
    [ DMG_BCS_LENGTH ] = "a length out of bounds", [ DMG_BCS_UTF8 ] = "text that is not UTF-8",
    [ DMG_BCS_ORDER ] = "entries out of order or twice", [ DMG_BCS_VALUE ] = "a value out of bounds" };
  return (unsigned)bad<sizeof text/sizeof *text ? text[ bad ] : "malformed";
}

void dmg_bcs_rd_fail( dmg_bcs_rd_t * rd, dmg_bcs_bad_t bad ) {
  DMG_ASSERT( bad!=DMG_BCS_GOOD );
  if( rd->bad ) return;
  rd->bad     = bad;
  rd->bad_off = (size_t)( rd->p-rd->start );
  rd->p       = rd->end;
}

dmg_bcs_bad_t dmg_bcs_rd_end( dmg_bcs_rd_t * rd ) {
  if( rd->p!=rd->end ) dmg_bcs_rd_fail( rd, DMG_BCS_TRAILING );
  return rd->bad;
}

dmg_span_t dmg_bcs_rd_fixed( dmg_bcs_rd_t * rd, size_t sz ) {
  if( rd->bad || sz>(size_t)( rd->end-rd->p ) ) { dmg_bcs_rd_fail( rd, DMG_BCS_SHORT ); return dmg_span( NULL, 0 ); }
  dmg_span_t s = dmg_span( rd->p, sz );
  if( sz ) rd->p += sz;
  return s;
}

void dmg_bcs_rd_copy( dmg_bcs_rd_t * rd, void * out, size_t sz ) {
  dmg_span_t s = dmg_bcs_rd_fixed( rd, sz );
  if( !s.p )    memset( out, 0, sz );
  else if( sz ) memcpy( out, s.p, sz );
}

uint8_t    dmg_bcs_rd_u8  ( dmg_bcs_rd_t * rd ) { uint8_t    v = 0; dmg_bcs_rd_copy( rd, &v, sizeof v ); return v; }
uint16_t   dmg_bcs_rd_u16 ( dmg_bcs_rd_t * rd ) { uint16_t   v = 0; dmg_bcs_rd_copy( rd, &v, sizeof v ); return v; }
uint32_t   dmg_bcs_rd_u32 ( dmg_bcs_rd_t * rd ) { uint32_t   v = 0; dmg_bcs_rd_copy( rd, &v, sizeof v ); return v; }
uint64_t   dmg_bcs_rd_u64 ( dmg_bcs_rd_t * rd ) { uint64_t   v = 0; dmg_bcs_rd_copy( rd, &v, sizeof v ); return v; }

static bool rd_flag( dmg_bcs_rd_t * rd, dmg_bcs_bad_t bad ) {
  if( rd->p<rd->end && *rd->p>1 ) { dmg_bcs_rd_fail( rd, bad ); return false; }
  return dmg_bcs_rd_u8( rd );
}
bool dmg_bcs_rd_bool  ( dmg_bcs_rd_t * rd ) { return rd_flag( rd, DMG_BCS_BOOL ); }
bool dmg_bcs_rd_option( dmg_bcs_rd_t * rd ) { return rd_flag( rd, DMG_BCS_OPTION ); }

uint32_t dmg_bcs_rd_uleb( dmg_bcs_rd_t * rd ) {
  uint64_t v = 0;
  uint8_t const * at = rd->p;
  for( unsigned shift = 0; shift<35; shift += 7 ) {
    uint8_t b = dmg_bcs_rd_u8( rd );
    if( rd->bad ) return 0;
    v |= (uint64_t)( b&0x7f )<<shift;
    if( b&0x80 ) continue;
    /* A last group of zero bits says what a shorter form says. */
    if( ( shift && !b ) || v>UINT32_MAX ) break;
    return (uint32_t)v;
  }
  rd->p = at;
  dmg_bcs_rd_fail( rd, DMG_BCS_ULEB );
  return 0;
}

uint32_t dmg_bcs_rd_len( dmg_bcs_rd_t * rd, uint32_t min, uint32_t max ) {
  uint8_t const * at = rd->p;
  uint32_t n = dmg_bcs_rd_uleb( rd );
  if( rd->bad ) return 0;
  if( n<min || n>max ) { rd->p = at; dmg_bcs_rd_fail( rd, DMG_BCS_LENGTH ); return 0; }
  return n;
}

uint32_t dmg_bcs_rd_variant( dmg_bcs_rd_t * rd, uint32_t cnt ) {
  uint8_t const * at = rd->p;
  uint32_t v = dmg_bcs_rd_uleb( rd );
  if( rd->bad ) return 0;
  if( v>=cnt ) { rd->p = at; dmg_bcs_rd_fail( rd, DMG_BCS_VARIANT ); return 0; }
  return v;
}

dmg_span_t dmg_bcs_rd_bytes( dmg_bcs_rd_t * rd, uint32_t max ) { return dmg_bcs_rd_fixed( rd, dmg_bcs_rd_len( rd, 0, max ) ); }

dmg_span_t dmg_bcs_rd_str( dmg_bcs_rd_t * rd, uint32_t max ) {
  dmg_span_t s = dmg_bcs_rd_bytes( rd, max );
  if( !rd->bad && !dmg_utf8_is_valid( s ) ) { rd->p = s.p; dmg_bcs_rd_fail( rd, DMG_BCS_UTF8 ); return dmg_span( NULL, 0 ); }
  return s;
}

void dmg_bcs_wr_fixed( dmg_bcs_wr_t * wr, void const * p, size_t sz ) {
  if( wr->is_full || sz>(size_t)( wr->end-wr->p ) ) { wr->is_full = true; return; }
  if( sz ) { memcpy( wr->p, p, sz ); wr->p += sz; }
}
void dmg_bcs_wr_u8  ( dmg_bcs_wr_t * wr, uint8_t v )    { dmg_bcs_wr_fixed( wr, &v, sizeof v ); }
void dmg_bcs_wr_u16 ( dmg_bcs_wr_t * wr, uint16_t v )   { dmg_bcs_wr_fixed( wr, &v, sizeof v ); }
void dmg_bcs_wr_u32 ( dmg_bcs_wr_t * wr, uint32_t v )   { dmg_bcs_wr_fixed( wr, &v, sizeof v ); }
void dmg_bcs_wr_u64 ( dmg_bcs_wr_t * wr, uint64_t v )   { dmg_bcs_wr_fixed( wr, &v, sizeof v ); }
void dmg_bcs_wr_u128( dmg_bcs_wr_t * wr, dmg_u128_t v ) { dmg_bcs_wr_fixed( wr, &v, sizeof v ); }
void dmg_bcs_wr_bool( dmg_bcs_wr_t * wr, bool v )       { dmg_bcs_wr_u8( wr, v ); }

void dmg_bcs_wr_uleb( dmg_bcs_wr_t * wr, uint32_t v ) {
  for( ; v>=0x80; v >>= 7 ) dmg_bcs_wr_u8( wr, (uint8_t)( v|0x80 ) );
  dmg_bcs_wr_u8( wr, (uint8_t)v );
}

void dmg_bcs_wr_bytes( dmg_bcs_wr_t * wr, dmg_span_t bytes ) {
  DMG_ASSERT( bytes.sz<=UINT32_MAX );
  dmg_bcs_wr_uleb( wr, (uint32_t)bytes.sz );
  dmg_bcs_wr_fixed( wr, bytes.p, bytes.sz );
}

bool dmg_utf8_is_valid( dmg_span_t text ) {
  if( !text.sz ) return true;   /* p may be NULL, which takes no offset */
  uint8_t const * p = text.p, * end = p+text.sz;
  while( p<end ) {
    uint32_t c = *p++, more, least;
    if( c<0x80 ) continue;
    if(      c>>5==0x06 ) { more = 1; least = 0x80;    c &= 0x1f; }
    else if( c>>4==0x0e ) { more = 2; least = 0x800;   c &= 0x0f; }
    else if( c>>3==0x1e ) { more = 3; least = 0x10000; c &= 0x07; }
    else return false;
    if( (size_t)( end-p )<more ) return false;
    for( ; more; more-- ) { if( *p>>6!=2 ) return false; c = c<<6|( *p++&0x3f ); }
    if( c<least || c>0x10ffff || ( c>=0xd800 && c<=0xdfff ) ) return false;
  }
  return true;
}
