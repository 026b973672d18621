/* HMAC, HKDF, PBKDF2, mnemonics and derivation against published vectors and peers. */
#include "crypto/kdf.h"

#include "crypto/bech32.h"
#include "crypto/bip39_int.h"
#include "crypto/sig.h"
#include "crypto/test_vectors.h"

static vec_t v;

static void test_hmac( void ** state ) {
  for( int is_512=0; is_512<2; is_512++ )
    for( vec_open( &v, is_512 ? "hmac_sha512" : "hmac_sha256" ); vec_next( &v, 4 ); ) {
      uint8_t mac[64];
      if( is_512 ) dmg_hmac_sha512( vec_span( &v, 0 ), vec_span( &v, 1 ), mac );
      else         dmg_hmac_sha256( vec_span( &v, 0 ), vec_span( &v, 1 ), mac );
      size_t sz = is_512 ? 64 : 32;
      assert_int_equal( dmg_ct_eq( mac, vec_fixed( &v, 2, sz ), sz ), vec_num( &v, 3 ) );
    }
}

static void test_hkdf( void ** state ) {
  static uint8_t out[ 255*32+1 ];
  for( vec_open( &v, "hkdf_sha256" ); vec_next( &v, 6 ); ) {
    size_t    sz  = vec_num( &v, 3 );
    dmg_err_t err = sz<=sizeof( out ) ? dmg_hkdf_sha256( vec_span( &v, 1 ), vec_span( &v, 0 ), vec_span( &v, 2 ), out, sz ) : DMG_ERR_INVALID;
    assert_int_equal( err, vec_num( &v, 5 ) ? DMG_OK : DMG_ERR_INVALID );
    if( !err ) assert_memory_equal( out, vec_fixed( &v, 4, sz ), sz );
  }
  assert_int_equal( dmg_hkdf_sha256( dmg_span( NULL, 0 ), DMG_SPAN_STR( "k" ), dmg_span( NULL, 0 ), out, 0 ), DMG_ERR_INVALID );
  assert_int_equal( dmg_hkdf_sha256( dmg_span( NULL, 0 ), DMG_SPAN_STR( "k" ), dmg_span( NULL, 0 ), out, 8160 ), DMG_OK );
  assert_int_equal( dmg_hkdf_sha256( dmg_span( NULL, 0 ), DMG_SPAN_STR( "k" ), dmg_span( NULL, 0 ), out, 8161 ), DMG_ERR_INVALID );
}

static void test_pbkdf2( void ** state ) {
  for( vec_open( &v, "pbkdf2_sha512" ); vec_next( &v, 5 ); ) {
    static uint8_t out[ VEC_BYTES ];
    size_t sz = vec_num( &v, 3 );
    assert_true( sz<=sizeof( out ) );
    assert_int_equal( dmg_pbkdf2_sha512( vec_span( &v, 0 ), vec_span( &v, 1 ), vec_num( &v, 2 ), out, sz ), DMG_OK );
    assert_memory_equal( out, vec_fixed( &v, 4, sz ), sz );
  }
  uint8_t out[8];
  assert_int_equal( dmg_pbkdf2_sha512( DMG_SPAN_STR( "p" ), DMG_SPAN_STR( "s" ), 0, out, 8 ), DMG_ERR_INVALID );
}

/* ---- BIP-39 ---- */

static void test_bip39_vectors( void ** state ) {
  for( vec_open( &v, "bip39" ); vec_next( &v, 3 ); ) {
    char    words[ DMG_BIP39_TEXT_MAX ], canon[ DMG_BIP39_TEXT_MAX ];
    uint8_t seed[64];
    for( char * c=v.text[1]; *c; c++ ) if( *c=='_' ) *c = ' ';
    assert_int_equal( dmg_bip39_generate( vec_span( &v, 0 ), words ), DMG_OK );
    assert_string_equal( words, v.text[1] );
    assert_int_equal( dmg_bip39_check( dmg_span_cstr( words ), canon, NULL, NULL ), DMG_OK );
    assert_string_equal( canon, words );
    assert_int_equal( dmg_bip39_seed( dmg_span_cstr( words ), DMG_SPAN_STR( "TREZOR" ), seed ), DMG_OK );
    assert_memory_equal( seed, vec_fixed( &v, 2, 64 ), 64 );
  }
}

static dmg_err_t check( char const * text, char const ** why, size_t * word ) {
  *why  = NULL;
  *word = 99;
  return dmg_bip39_check( dmg_span_cstr( text ), NULL, why, word );
}

#define JUNK11 "test test test test test test test test test test test"

static void test_bip39_refusals_name_the_place( void ** state ) {
  char const * why;
  size_t       word;
  char         canon[ DMG_BIP39_TEXT_MAX ];
  assert_int_equal( check( "", &why, &word ), DMG_ERR_INVALID );
  assert_non_null( strstr( why, "number of words" ) );
  assert_int_equal( check( JUNK11, &why, &word ), DMG_ERR_INVALID );
  assert_non_null( strstr( why, "number of words" ) );
  for( size_t cnt=0; cnt<=24; cnt++ ) {
    char text[ 24*5+1 ] = "";
    for( size_t i=0; i<cnt; i++ ) memcpy( text+5*i, "test ", 6 );
    assert_int_equal( check( text, &why, &word ), DMG_ERR_INVALID );
    assert_non_null( strstr( why, cnt>=12 && cnt%3==0 ? "checksum" : "number of words" ) );
  }
  assert_int_equal( check( JUNK11 " test", &why, &word ), DMG_ERR_INVALID );
  assert_non_null( strstr( why, "checksum" ) );
  assert_int_equal( word, 0 );
  assert_int_equal( check( "test test tesst test", &why, &word ), DMG_ERR_INVALID );
  assert_non_null( strstr( why, "not in the English list" ) );
  assert_int_equal( word, 3 );
  assert_int_equal( check( "tes", &why, &word ), DMG_ERR_INVALID );   /* a prefix of words is none */
  assert_int_equal( word, 1 );
  assert_int_equal( check( "tests", &why, &word ), DMG_ERR_INVALID );
  assert_int_equal( word, 1 );
  assert_int_equal( check( "abandonabandonabandon", &why, &word ), DMG_ERR_INVALID );
  assert_int_equal( word, 1 );
  assert_int_equal( check( "t\xc3\xa9st", &why, &word ), DMG_ERR_INVALID );
  assert_int_equal( check( JUNK11 " " JUNK11 " " JUNK11, &why, &word ), DMG_ERR_INVALID );
  assert_non_null( strstr( why, "more than 24" ) );
  assert_int_equal( dmg_bip39_check( DMG_SPAN_STR( " \tTest test  test TEST test test test\ntest test test test junk\r\n" ), canon, NULL, NULL ), DMG_OK );
  assert_string_equal( canon, JUNK11 " junk" );
  char const nul[] = JUNK11 " junk\0";
  assert_int_equal( dmg_bip39_check( dmg_span( nul, sizeof( nul )-1 ), NULL, NULL, NULL ), DMG_ERR_INVALID );
}

static void test_bip39_every_entropy_size_and_bit( void ** state ) {
  uint32_t seed = vec_seed();
  for( size_t sz=0; sz<=40; sz++ ) {
    uint8_t   entropy[40];
    char      words[ DMG_BIP39_TEXT_MAX ];
    vec_fill( &seed, entropy, sizeof( entropy ) );
    bool      is_ok = sz>=16 && sz<=32 && sz%4==0;
    dmg_err_t err   = dmg_bip39_generate( dmg_span( entropy, sz ), words );
    assert_int_equal( err, is_ok ? DMG_OK : DMG_ERR_INVALID );
    if( err ) continue;
    size_t cnt = 1;
    for( char * c=words; *c; c++ ) cnt += *c==' ';
    assert_int_equal( cnt, sz*3/4 );
    assert_int_equal( dmg_bip39_check( dmg_span_cstr( words ), NULL, NULL, NULL ), DMG_OK );
    /* Swapping the last word for each other one: 2^(11-checksum bits) are good, ours among them. */
    char * last = strrchr( words, ' ' )+1;
    size_t good = 0;
    for( size_t w=0; w<2048; w++ ) {
      memcpy( last, dmg_bip39_words[w], 9 );
      good += !dmg_bip39_check( dmg_span_cstr( words ), NULL, NULL, NULL );
    }
    assert_in_range( good, 1, sz==16 ? 200 : 100 );
  }
  /* The longest possible text fits. */
  char longest[ DMG_BIP39_TEXT_MAX ] = "";
  for( int i=0; i<24; i++ ) memcpy( longest+9*i, i<23 ? "abstract " : "abstract", 9 );
  char const * why;
  size_t       word;
  (void)check( longest, &why, &word );
}

static void test_bip39_passphrase_is_ascii( void ** state ) {
  uint8_t seed[64], other[64], big[257];
  memset( big, 'x', sizeof( big ) );
  assert_int_equal( dmg_bip39_seed( DMG_SPAN_STR( JUNK11 " junk" ), DMG_SPAN_STR( "caf\xc3\xa9" ), seed ), DMG_ERR_INVALID );
  assert_int_equal( dmg_bip39_seed( DMG_SPAN_STR( JUNK11 " junk" ), DMG_SPAN( big ), seed ), DMG_ERR_INVALID );
  assert_int_equal( dmg_bip39_seed( DMG_SPAN_STR( JUNK11 " junk" ), dmg_span( big, 256 ), seed ), DMG_OK );
  assert_int_equal( dmg_bip39_seed( DMG_SPAN_STR( JUNK11 " test" ), dmg_span( NULL, 0 ), seed ), DMG_ERR_INVALID );
  assert_int_equal( dmg_bip39_seed( DMG_SPAN_STR( JUNK11 " junk" ), dmg_span( NULL, 0 ), seed ), DMG_OK );
  assert_int_equal( dmg_bip39_seed( DMG_SPAN_STR( " " JUNK11 "  JUNK " ), dmg_span( NULL, 0 ), other ), DMG_OK );
  assert_memory_equal( seed, other, 64 );
}

/* ---- Derivation ---- */

static size_t path_parse( char const * text, uint32_t * out ) {
  size_t cnt = 0;
  if( !strcmp( text, "-" ) ) return 0;
  for( char * end = (char *)(uintptr_t)text; ; end++ ) {
    out[cnt] = (uint32_t)strtoul( end, &end, 10 );
    if( *end=='\'' ) { out[cnt] |= DMG_HARDENED; end++; }
    cnt++;
    if( *end!='/' ) return cnt;
  }
}

static void test_slip10_and_bip32( void ** state ) {
  for( vec_open( &v, "peer_slip10" ); vec_next( &v, 5 ); ) {
    uint32_t path[16];
    uint8_t  secret[32], chain[32];
    bool     is_ed = !strcmp( v.text[0], "ed25519" );
    size_t   cnt   = path_parse( v.text[2], path );
    assert_int_equal( ( is_ed ? dmg_slip10_ed25519 : dmg_bip32_secp256k1 )( vec_span( &v, 1 ), path, cnt, secret, chain ), DMG_OK );
    assert_memory_equal( secret, vec_fixed( &v, 3, 32 ), 32 );
    assert_memory_equal( chain,  vec_fixed( &v, 4, 32 ), 32 );
  }
}

static void test_derivation_limits( void ** state ) {
  uint8_t  seed[65] = { 1 }, secret[32];
  uint32_t path[17];
  for( size_t i=0; i<17; i++ ) path[i] = DMG_HARDENED;
  assert_int_equal( dmg_slip10_ed25519( dmg_span( seed, 15 ), path, 1, secret, NULL ), DMG_ERR_INVALID );
  assert_int_equal( dmg_slip10_ed25519( dmg_span( seed, 65 ), path, 1, secret, NULL ), DMG_ERR_INVALID );
  assert_int_equal( dmg_slip10_ed25519( dmg_span( seed, 64 ), path, 17, secret, NULL ), DMG_ERR_INVALID );
  assert_int_equal( dmg_slip10_ed25519( dmg_span( seed, 64 ), path, 16, secret, NULL ), DMG_OK );
  assert_int_equal( dmg_bip32_secp256k1( dmg_span( seed, 64 ), path, 17, secret, NULL ), DMG_ERR_INVALID );
  path[2] = 5;
  assert_int_equal( dmg_slip10_ed25519( dmg_span( seed, 64 ), path, 3, secret, NULL ), DMG_ERR_INVALID );   /* not hardened */
  assert_int_equal( dmg_key_derive_ed25519( dmg_span( seed, 64 ), DMG_KEY_COIN_TEST, DMG_HARDENED, secret ), DMG_ERR_INVALID );
  assert_int_equal( dmg_key_derive_ed25519( dmg_span( seed, 64 ), DMG_HARDENED, 0, secret ), DMG_ERR_INVALID );
  assert_int_equal( dmg_key_derive_secp256k1( dmg_span( seed, 64 ), 1, DMG_HARDENED, secret ), DMG_ERR_INVALID );
}

/* M16.7: the dev chain's accounts, down to their addresses. */
static void test_dev_accounts( void ** state ) {
  uint8_t seed[64];
  assert_int_equal( dmg_bip39_seed( DMG_SPAN_STR( JUNK11 " junk" ), dmg_span( NULL, 0 ), seed ), DMG_OK );
  for( vec_open( &v, "peer_dev_accounts" ); vec_next( &v, 6 ); ) {
    uint8_t secret[32], init[ 3+32+7+8 ] = { 1, 0, 32 }, text[ DMG_ADDRESS_TEXT_SZ+1 ];
    assert_int_equal( dmg_key_derive_ed25519( DMG_SPAN( seed ), DMG_KEY_COIN_TEST, vec_num( &v, 0 ), secret ), DMG_OK );
    assert_memory_equal( secret, vec_fixed( &v, 1, 32 ), 32 );
    dmg_ed25519_public( secret, init+3 );
    assert_memory_equal( init+3, vec_fixed( &v, 2, 32 ), 32 );
    memcpy( init+35, ( uint8_t[] ){ 2, 1, 0, 1, 0, 1, 0 }, 7 );   /* level, weight, both thresholds; salt 0 (M1.2a) */
    dmg_hash_t address = dmg_h( DMG_TAG_ADDR, DMG_SPAN( init ) );
    assert_memory_equal( address.b, vec_fixed( &v, 3, 32 ), 32 );
    dmg_address_text( &address, (char *)text );
    assert_string_equal( (char *)text, v.text[4] );
    assert_int_equal( dmg_key_derive_secp256k1( DMG_SPAN( seed ), DMG_KEY_COIN_TEST, vec_num( &v, 0 ), secret ), DMG_OK );
    assert_memory_equal( secret, vec_fixed( &v, 5, 32 ), 32 );
  }
}

static void test_wipe_and_compare( void ** state ) {
  uint8_t a[40], b[40] = { 0 };
  memset( a, 7, sizeof( a ) );
  dmg_wipe( a, sizeof( a ) );
  assert_true( dmg_ct_eq( a, b, sizeof( a ) ) );
  for( size_t i=0; i<sizeof( a ); i++ ) {
    a[i] = 1;
    assert_false( dmg_ct_eq( a, b, sizeof( a ) ) );
    a[i] = 0;
  }
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_bip39_refusals_name_the_place ),
    cmocka_unit_test( test_bip39_every_entropy_size_and_bit ),
    cmocka_unit_test( test_bip39_passphrase_is_ascii ),
    cmocka_unit_test( test_bip39_vectors ),
    cmocka_unit_test( test_derivation_limits ),
    cmocka_unit_test( test_slip10_and_bip32 ),
    cmocka_unit_test( test_dev_accounts ),
    cmocka_unit_test( test_hmac ),
    cmocka_unit_test( test_hkdf ),
    cmocka_unit_test( test_pbkdf2 ),
    cmocka_unit_test( test_wipe_and_compare ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
