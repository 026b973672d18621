#include "crypto/bech32.h"

#include "base/assert.h"

static char const letters[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

enum { HRP_MAX = 16, BYTES_MAX = 64, SYM_MAX = ( BYTES_MAX*8+4 )/5, SUM_SZ = 6 };
#define BECH32M_CONST (0x2bc830a3u)   /* BIP 350 */

/* The five generators of the BCH code over GF(32) (BIP 173), summed up for each value of the five bits that a step pushes out. */
#define GEN( i ) ( ( (i)&1 ? 0x3b6a57b2u : 0 )^( (i)&2 ? 0x26508e6du : 0 )^( (i)&4 ? 0x1ea119fau : 0 )^( (i)&8 ? 0x3d4233ddu : 0 )^( (i)&16 ? 0x2a1462b3u : 0 ) )
#define GEN_4( i ) GEN( i ), GEN( (i)+1 ), GEN( (i)+2 ), GEN( (i)+3 )
static uint32_t const gen[ 32 ] = { GEN_4( 0 ), GEN_4( 4 ), GEN_4( 8 ), GEN_4( 12 ), GEN_4( 16 ), GEN_4( 20 ), GEN_4( 24 ), GEN_4( 28 ) };

/* One step of the checksum: the code's remainder. */
static uint32_t polymod( uint32_t c, uint8_t v ) { return ( ( c&0x1ffffffu )<<5 ^ v ) ^ gen[ c>>25&31 ]; }

/* What a character is: its value, or none; and its case. */
enum { VALUE = 31, IS_LOWER = 32, IS_UPPER = 64, IS_SYMBOL = 128 };
#define DIGIT( c, v )         [ c ] = IS_SYMBOL|( v )
#define LETTER( lo, up, v )   [ lo ] = IS_SYMBOL|IS_LOWER|( v ), [ up ] = IS_SYMBOL|IS_UPPER|( v )
#define FOREIGN( lo, up )     [ lo ] = IS_LOWER, [ up ] = IS_UPPER
static uint8_t const kind[ 256 ] = {
  LETTER( 'q', 'Q', 0 ), LETTER( 'p', 'P', 1 ), LETTER( 'z', 'Z', 2 ), LETTER( 'r', 'R', 3 ), LETTER( 'y', 'Y', 4 ), DIGIT( '9', 5 ), LETTER( 'x', 'X', 6 ), DIGIT( '8', 7 ),
  LETTER( 'g', 'G', 8 ), LETTER( 'f', 'F', 9 ), DIGIT( '2', 10 ), LETTER( 't', 'T', 11 ), LETTER( 'v', 'V', 12 ), LETTER( 'd', 'D', 13 ), LETTER( 'w', 'W', 14 ), DIGIT( '0', 15 ),
  LETTER( 's', 'S', 16 ), DIGIT( '3', 17 ), LETTER( 'j', 'J', 18 ), LETTER( 'n', 'N', 19 ), DIGIT( '5', 20 ), DIGIT( '4', 21 ), LETTER( 'k', 'K', 22 ), LETTER( 'h', 'H', 23 ),
  LETTER( 'c', 'C', 24 ), LETTER( 'e', 'E', 25 ), DIGIT( '6', 26 ), LETTER( 'm', 'M', 27 ), LETTER( 'u', 'U', 28 ), LETTER( 'a', 'A', 29 ), DIGIT( '7', 30 ), LETTER( 'l', 'L', 31 ),
  FOREIGN( 'b', 'B' ), FOREIGN( 'i', 'I' ), FOREIGN( 'o', 'O' ),
};

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

  for( size_t i=0; i<=hrp_sz; i++ ) {
    char c = (char)( i<text.sz ? text.p[i] : 0 );
    if( c>='A' && c<='Z' ) c = (char)( c-'A'+'a' );
    if( c!=( i<hrp_sz ? hrp[i] : '1' ) ) return refuse( out_why, "does not begin with its prefix and 1" );
  }
  if( text.sz<want_sz ) return refuse( out_why, "is too short" );
  if( text.sz>want_sz ) return refuse( out_why, "is too long" );

  uint8_t  bytes[ BYTES_MAX+1 ], any = 0, all = IS_SYMBOL;
  uint32_t sum = polymod_hrp( hrp, hrp_sz ), bits = 0;
  size_t   have = 0, n = 0;
  for( size_t i=0; i<hrp_sz; i++ ) any |= kind[ text.p[i] ];
  for( size_t i=0; i<sym_cnt+SUM_SZ; i++ ) {
    uint8_t k = kind[ text.p[ hrp_sz+1+i ] ];
    any |= k;
    all &= k;
    sum = polymod( sum, k&VALUE );
    if( i>=sym_cnt ) continue;
    bits = bits<<5 | ( k&VALUE );
    have += 5;
    if( have>=8 ) { have -= 8; bytes[n++] = (uint8_t)( bits>>have ); }
  }
  if( any&IS_LOWER && any&IS_UPPER ) return refuse( out_why, "mixes upper and lower case" );
  if( !all ) return refuse( out_why, "has a character that addresses never use (such as b, i, o or 1)" );
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
