/* BIP-39: entropy of 16..32 bytes in steps of 4, then entropy/32 bits of its SHA-256 as checksum,
   cut into words of 11 bits, highest bit first. */
#include "crypto/bip39_int.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"

enum { ENTROPY_MAX = 32, ROUNDS = 2048, PASS_MAX = 256 };

static bool entropy_sz_ok( size_t sz ) { return sz>=16 && sz<=ENTROPY_MAX && sz%4==0; }

/* Bits [at, at+cnt) of p, highest first; cnt <= 11. */
static unsigned bits_get( uint8_t const * p, size_t at, size_t cnt ) {
  unsigned v = 0;
  for( size_t i=at; i<at+cnt; i++ ) v = v<<1 | ( p[i/8]>>( 7-i%8 )&1u );
  return v;
}

dmg_err_t dmg_bip39_generate( dmg_span_t entropy, char out[ DMG_BIP39_TEXT_MAX ] ) {
  if( !entropy_sz_ok( entropy.sz ) ) return DMG_ERR_INVALID;
  uint8_t    all[ ENTROPY_MAX+1 ];
  dmg_hash_t sum = dmg_sha256( entropy );
  memcpy( all, entropy.p, entropy.sz );
  all[entropy.sz] = sum.b[0];
  size_t word_cnt = entropy.sz*3/4;
  char * at = out;
  for( size_t i=0; i<word_cnt; i++ ) {
    char const * word = dmg_bip39_words[ bits_get( all, 11*i, 11 ) ];
    size_t sz = strlen( word );
    if( i ) *at++ = ' ';
    memcpy( at, word, sz );
    at += sz;
  }
  *at = 0;
  dmg_wipe( all, sizeof( all ) );
  return DMG_OK;
}

/* Index of a word of sz characters, or -1. */
static int word_find( char const * word, size_t sz ) {
  size_t lo = 0, hi = 2048;
  /* A zero byte would end the comparison below too early. */
  for( size_t i=0; i<sz; i++ ) if( word[i]<'a' || word[i]>'z' ) return -1;
  while( lo<hi ) {
    size_t mid = ( lo+hi )/2;
    int    c   = strncmp( dmg_bip39_words[mid], word, sz );
    if( !c && dmg_bip39_words[mid][sz] ) c = 1;   /* longer than ours */
    if( !c ) return (int)mid;
    if( c<0 ) lo = mid+1; else hi = mid;
  }
  return -1;
}

static bool is_blank( uint8_t c ) { return c==' ' || ( c>=9 && c<=13 ); }

dmg_err_t dmg_bip39_check( dmg_span_t text, char out_text[ DMG_BIP39_TEXT_MAX ], char const ** out_why, size_t * out_word ) {
  char const * why  = NULL;
  uint8_t      all[ ENTROPY_MAX+1 ] = { 0 };
  char         canon[ DMG_BIP39_TEXT_MAX ];
  size_t       cnt = 0, bad = 0, sz = 0;

  for( size_t i=0; !why; cnt++ ) {
    while( i<text.sz && is_blank( text.p[i] ) ) i++;
    if( i==text.sz ) break;
    char   word[9];
    size_t word_sz = 0;
    for( ; i<text.sz && !is_blank( text.p[i] ); i++ ) {
      uint8_t c = text.p[i];
      if( c>='A' && c<='Z' ) c = (uint8_t)( c-'A'+'a' );
      if( word_sz<sizeof( word ) ) word[word_sz++] = (char)c;
    }
    int idx = word_sz<sizeof( word ) ? word_find( word, word_sz ) : -1;
    if( cnt==DMG_BIP39_WORD_MAX ) why = "has more than 24 words";
    else if( idx<0 ) { why = "has a word that is not in the English list"; bad = cnt+1; }
    else {
      for( size_t b=0; b<11; b++ ) if( (unsigned)idx>>( 10-b )&1 ) all[ ( 11*cnt+b )/8 ] |= (uint8_t)( 0x80u>>( 11*cnt+b )%8 );
      if( cnt ) canon[sz++] = ' ';
      memcpy( canon+sz, word, word_sz );
      sz += word_sz;
    }
    dmg_wipe( word, sizeof( word ) );
  }
  canon[sz] = 0;
  if( !why && ( cnt<12 || cnt%3 ) ) why = "has a number of words other than 12, 15, 18, 21 or 24";
  if( !why ) {
    size_t     entropy_sz = cnt*4/3, sum_bits = cnt/3;
    dmg_hash_t sum = dmg_sha256( dmg_span( all, entropy_sz ) );
    if( bits_get( all, 8*entropy_sz, sum_bits )!=bits_get( sum.b, 0, sum_bits ) ) why = "has a wrong checksum: a word is wrong or out of place";
  }
  if( !why && out_text ) memcpy( out_text, canon, sz+1 );
  dmg_wipe( all, sizeof( all ) );
  dmg_wipe( canon, sizeof( canon ) );
  if( !why ) return DMG_OK;
  if( out_why )  *out_why  = why;
  if( out_word ) *out_word = bad;
  return DMG_ERR_INVALID;
}

dmg_err_t dmg_bip39_seed( dmg_span_t mnemonic, dmg_span_t passphrase, uint8_t out_seed[ DMG_BIP39_SEED_SZ ] ) {
  char    words[ DMG_BIP39_TEXT_MAX ];
  uint8_t salt[ 8+PASS_MAX ];
  if( passphrase.sz>PASS_MAX ) return DMG_ERR_INVALID;
  for( size_t i=0; i<passphrase.sz; i++ ) if( passphrase.p[i]>=0x80 ) return DMG_ERR_INVALID;
  DMG_TRY( dmg_bip39_check( mnemonic, words, NULL, NULL ) );
  memcpy( salt, "mnemonic", 8 );
  if( passphrase.sz ) memcpy( salt+8, passphrase.p, passphrase.sz );
  dmg_err_t err = dmg_pbkdf2_sha512( dmg_span_cstr( words ), dmg_span( salt, 8+passphrase.sz ), ROUNDS, out_seed, DMG_BIP39_SEED_SZ );
  dmg_wipe( words, sizeof( words ) );
  dmg_wipe( salt, sizeof( salt ) );
  return err;
}
