#include "crypto/bech32.h"

#include "base/assert.h"

static char const letters[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

enum { HRP_MAX = 16, BYTES_MAX = 64, SYM_MAX = ( BYTES_MAX*8+4 )/5, SUM_SZ = 6 };
#define BECH32M_CONST (0x2bc830a3u)   /* BIP 350 */

/* One step of the checksum: the BCH code's remainder over GF(32), BIP 173. */
static uint32_t polymod( uint32_t c, uint8_t v ) {
  static uint32_t const gen[5] = { 0x3b6a57b2u, 0x26508e6du, 0x1ea119fau, 0x3d4233ddu, 0x2a1462b3u };
  uint32_t top = c>>25;
  c = ( c&0x1ffffffu )<<5 ^ v;
  for( int i=0; i<5; i++ ) if( top>>i&1 ) c ^= gen[i];
  return c;
}

static uint32_t polymod_hrp( char const * hrp, size_t hrp_sz ) {
  uint32_t c = 1;
  for( size_t i=0; i<hrp_sz; i++ ) c = polymod( c, (uint8_t)( hrp[i]>>5 ) );
  c = polymod( c, 0 );
  for( size_t i=0; i<hrp_sz; i++ ) c = polymod( c, (uint8_t)( hrp[i]&31 ) );
  return c;
}

dmg_err_t dmg_bech32m_encode( char const * hrp, dmg_span_t bytes, char * out_text, size_t text_cap ) {
  size_t hrp_sz = strlen( hrp );
  DMG_ASSERT( hrp_sz>=1 && hrp_sz<=HRP_MAX );
  DMG_ASSERT( bytes.sz>=1 && bytes.sz<=BYTES_MAX );
  size_t sym_cnt = ( bytes.sz*8+4 )/5;
  if( text_cap < hrp_sz+1+sym_cnt+SUM_SZ+1 ) return DMG_ERR_LIMIT;

  char * at = out_text;
  memcpy( at, hrp, hrp_sz );
  at += hrp_sz;
  *at++ = '1';
  uint32_t sum = polymod_hrp( hrp, hrp_sz ), bits = 0;
  size_t   have = 0, next = 0;
  for( size_t i=0; i<sym_cnt; i++ ) {
    if( have<5 ) { bits = bits<<8 | ( next<bytes.sz ? bytes.p[next] : 0u ); next++; have += 8; }
    have -= 5;
    uint8_t v = (uint8_t)( bits>>have&31 );
    sum = polymod( sum, v );
    *at++ = letters[v];
  }
  for( int i=0; i<SUM_SZ; i++ ) sum = polymod( sum, 0 );
  sum ^= BECH32M_CONST;
  for( int i=0; i<SUM_SZ; i++ ) *at++ = letters[ sum>>( 5*( SUM_SZ-1-i ) )&31 ];
  *at = 0;
  return DMG_OK;
}

static dmg_err_t refuse( char const ** out_why, char const * why ) {
  if( out_why ) *out_why = why;
  return DMG_ERR_INVALID;
}

dmg_err_t dmg_bech32m_decode( char const * hrp, dmg_span_t text, uint8_t * out, size_t out_sz, char const ** out_why ) {
  size_t hrp_sz = strlen( hrp );
  DMG_ASSERT( hrp_sz>=1 && hrp_sz<=HRP_MAX );
  DMG_ASSERT( out_sz>=1 && out_sz<=BYTES_MAX );
  size_t sym_cnt = ( out_sz*8+4 )/5, want_sz = hrp_sz+1+sym_cnt+SUM_SZ;

  bool has_lower = false, has_upper = false;
  for( size_t i=0; i<text.sz && i<=want_sz; i++ ) {
    has_lower |= text.p[i]>='a' && text.p[i]<='z';
    has_upper |= text.p[i]>='A' && text.p[i]<='Z';
  }
  for( size_t i=0; i<=hrp_sz; i++ ) {
    char c = (char)( i<text.sz ? text.p[i] : 0 );
    if( c>='A' && c<='Z' ) c = (char)( c-'A'+'a' );
    if( c!=( i<hrp_sz ? hrp[i] : '1' ) ) return refuse( out_why, "does not begin with its prefix and 1" );
  }
  if( text.sz<want_sz ) return refuse( out_why, "is too short" );
  if( text.sz>want_sz ) return refuse( out_why, "is too long" );
  if( has_lower && has_upper ) return refuse( out_why, "mixes upper and lower case" );

  uint8_t  bytes[ BYTES_MAX+1 ];
  uint32_t sum = polymod_hrp( hrp, hrp_sz ), bits = 0;
  size_t   have = 0, n = 0;
  for( size_t i=0; i<sym_cnt+SUM_SZ; i++ ) {
    char c = (char)text.p[ hrp_sz+1+i ];
    if( c>='A' && c<='Z' ) c = (char)( c-'A'+'a' );
    char const * at = c ? strchr( letters, c ) : NULL;
    if( !at ) return refuse( out_why, "has a character that addresses never use (such as b, i, o or 1)" );
    uint8_t v = (uint8_t)( at-letters );
    sum = polymod( sum, v );
    if( i>=sym_cnt ) continue;
    bits = bits<<5 | v;
    have += 5;
    if( have>=8 ) { have -= 8; bytes[n++] = (uint8_t)( bits>>have ); }
  }
  if( sum!=BECH32M_CONST ) return refuse( out_why, "has a wrong checksum: a character was mistyped" );
  /* Spare bits: zero, or the same bytes would have several texts. */
  if( bits&( ( 1u<<have )-1 ) ) return refuse( out_why, "has spare bits set" );
  DMG_ASSERT( n==out_sz );
  memcpy( out, bytes, out_sz );
  return DMG_OK;
}

void dmg_address_text( dmg_hash_t const * address, char out[ DMG_ADDRESS_TEXT_SZ+1 ] ) {
  dmg_err_t err = dmg_bech32m_encode( "dmg", dmg_hash_span( address ), out, DMG_ADDRESS_TEXT_SZ+1 );
  DMG_ASSERT( !err );
}

dmg_err_t dmg_address_parse( dmg_span_t text, dmg_hash_t * out, char const ** out_why ) {
  return dmg_bech32m_decode( "dmg", text, out->b, 32, out_why );
}
