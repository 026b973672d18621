/* Addresses as text: a peer's vectors, every single error, borders. */
#include "crypto/bech32.h"

#include "crypto/test_vectors.h"

static void test_equals_a_peer( void ** state ) {
  static vec_t v;
  for( vec_open( &v, "peer_bech32" ); vec_next( &v, 2 ); ) {
    char       text[ DMG_ADDRESS_TEXT_SZ+1 ], upper[ DMG_ADDRESS_TEXT_SZ+1 ];
    dmg_hash_t address = dmg_hash_load( vec_fixed( &v, 0, 32 ) ), back;
    dmg_address_text( &address, text );
    assert_string_equal( text, v.text[1] );
    assert_int_equal( dmg_address_parse( dmg_span_cstr( text ), &back, NULL ), DMG_OK );
    assert_memory_equal( back.b, address.b, 32 );
    for( size_t i=0; i<sizeof( text ); i++ ) upper[i] = (char)( text[i]>='a' && text[i]<='z' ? text[i]-'a'+'A' : text[i] );
    assert_int_equal( dmg_address_parse( dmg_span_cstr( upper ), &back, NULL ), DMG_OK );
    assert_memory_equal( back.b, address.b, 32 );
  }
}

/* Each wrong byte at each place, each swap of neighbours, each length. */
static void test_every_single_error_is_refused( void ** state ) {
  dmg_hash_t   address = { { 1, 2, 3, 0xff } }, out = { { 0x77 } };
  char         good[ DMG_ADDRESS_TEXT_SZ+1 ], text[ DMG_ADDRESS_TEXT_SZ+8 ];
  char const * why;
  dmg_address_text( &address, good );
  for( size_t i=0; i<DMG_ADDRESS_TEXT_SZ; i++ ) {
    for( unsigned c=0; c<256; c++ ) {
      if( (char)c==good[i] ) continue;
      memcpy( text, good, DMG_ADDRESS_TEXT_SZ );
      text[i] = (char)c;
      why = NULL;
      assert_int_equal( dmg_address_parse( dmg_span( text, DMG_ADDRESS_TEXT_SZ ), &out, &why ), DMG_ERR_INVALID );
      assert_non_null( why );
    }
    if( i && good[i]!=good[i-1] ) {
      memcpy( text, good, DMG_ADDRESS_TEXT_SZ );
      text[i] = good[i-1];
      text[i-1] = good[i];
      assert_int_equal( dmg_address_parse( dmg_span( text, DMG_ADDRESS_TEXT_SZ ), &out, NULL ), DMG_ERR_INVALID );
    }
  }
  memset( text, 'q', sizeof( text ) );
  memcpy( text, good, DMG_ADDRESS_TEXT_SZ );
  for( size_t sz=0; sz<sizeof( text ); sz++ )
    if( sz!=DMG_ADDRESS_TEXT_SZ ) assert_int_equal( dmg_address_parse( dmg_span( text, sz ), &out, NULL ), DMG_ERR_INVALID );
  assert_int_equal( out.b[0], 0x77 );   /* untouched all along */
}

static void test_reasons_tell_apart( void ** state ) {
  dmg_hash_t   address = { { 9 } }, out;
  char         text[ DMG_ADDRESS_TEXT_SZ+1 ];
  char const * why = NULL;
  dmg_address_text( &address, text );
  assert_int_equal( dmg_address_parse( dmg_span( text, 61 ), &out, &why ), DMG_ERR_INVALID );
  assert_string_equal( why, "is too short" );
  text[10] = (char)( text[10]>='a' ? text[10]-'a'+'A' : 'Q' );
  assert_int_equal( dmg_address_parse( dmg_span_cstr( text ), &out, &why ), DMG_ERR_INVALID );
  assert_string_equal( why, "mixes upper and lower case" );
  dmg_address_text( &address, text );
  memcpy( text, "DMG", 3 );
  assert_int_equal( dmg_address_parse( dmg_span_cstr( text ), &out, &why ), DMG_ERR_INVALID );
  assert_string_equal( why, "mixes upper and lower case" );
  memcpy( text, "dmg", 3 );
  text[10] = 'i';
  assert_int_equal( dmg_address_parse( dmg_span_cstr( text ), &out, &why ), DMG_ERR_INVALID );
  assert_string_equal( why, "has a character that addresses never use (such as b, i, o or 1)" );
  assert_int_equal( dmg_address_parse( DMG_SPAN_STR( "cosmos1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq" ), &out, &why ), DMG_ERR_INVALID );
  assert_string_equal( why, "does not begin with its prefix and 1" );
}

/* 32 bytes are 51 characters and one bit; the four bits left over must be zero even under a good
   checksum, which this test makes by trying all of them. */
static void test_spare_bits_and_other_checksums_are_refused( void ** state ) {
  static char const letters[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
  dmg_hash_t   address = { { 0 } }, out;
  char         text[ DMG_ADDRESS_TEXT_SZ+1 ];
  char const * why;
  size_t       spare = 0, sum = 0;
  dmg_address_text( &address, text );
  uint32_t gen[5] = { 0x3b6a57b2u, 0x26508e6du, 0x1ea119fau, 0x3d4233ddu, 0x2a1462b3u };
  for( unsigned last=0; last<32; last++ )
    for( int is_old=0; is_old<2; is_old++ ) {   /* BIP 173's constant 1: the older bech32 */
      uint8_t  sym[ 7+52+6 ] = { 3, 3, 3, 0, 'd'&31, 'm'&31, 'g'&31 };
      uint32_t c = 1;
      sym[ 7+51 ] = (uint8_t)last;
      for( size_t i=0; i<sizeof( sym ); i++ ) {
        uint32_t top = c>>25;
        c = ( c&0x1ffffffu )<<5^sym[i];
        for( int b=0; b<5; b++ ) if( top>>b&1 ) c ^= gen[b];
      }
      c ^= is_old ? 1u : 0x2bc830a3u;
      text[ 4+51 ] = letters[last];
      for( int i=0; i<6; i++ ) text[ 4+52+i ] = letters[ c>>( 5*( 5-i ) )&31 ];
      why = "";
      dmg_err_t err = dmg_address_parse( dmg_span_cstr( text ), &out, &why );
      assert_int_equal( err, !is_old && last%16==0 ? DMG_OK : DMG_ERR_INVALID );
      spare += strstr( why, "spare" )!=NULL;
      sum   += strstr( why, "checksum" )!=NULL;
    }
  assert_int_equal( spare, 30 );
  assert_int_equal( sum, 32 );
}

static void test_other_sizes_and_prefixes( void ** state ) {
  uint8_t bytes[64], back[64];
  char    text[128];
  for( size_t i=0; i<64; i++ ) bytes[i] = (uint8_t)( i*37+1 );
  for( size_t sz=1; sz<=64; sz++ ) {
    size_t text_sz = 5+1+( sz*8+4 )/5+6;
    assert_int_equal( dmg_bech32m_encode( "other", dmg_span( bytes, sz ), text, text_sz ), DMG_ERR_LIMIT );
    assert_int_equal( dmg_bech32m_encode( "other", dmg_span( bytes, sz ), text, text_sz+1 ), DMG_OK );
    assert_int_equal( strlen( text ), text_sz );
    assert_int_equal( dmg_bech32m_decode( "other", dmg_span_cstr( text ), back, sz, NULL ), DMG_OK );
    assert_memory_equal( back, bytes, sz );
    assert_int_equal( dmg_bech32m_decode( "othes", dmg_span_cstr( text ), back, sz, NULL ), DMG_ERR_INVALID );
  }
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_every_single_error_is_refused ),
    cmocka_unit_test( test_spare_bits_and_other_checksums_are_refused ),
    cmocka_unit_test( test_reasons_tell_apart ),
    cmocka_unit_test( test_equals_a_peer ),
    cmocka_unit_test( test_other_sizes_and_prefixes ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
