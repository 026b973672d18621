/* Sealed secrets, the two AEADs, X25519, Argon2id. */
#include "crypto/seal.h"

#include "crypto/test_vectors.h"

static vec_t v;

static void aead( char const * name, bool is_x ) {
  static uint8_t out[ VEC_BYTES+16 ], bad[ VEC_BYTES ];
  for( vec_open( &v, name ); vec_next( &v, 6 ); ) {
    uint8_t const * key   = vec_fixed( &v, 0, 32 );
    uint8_t const * nonce = vec_fixed( &v, 1, is_x ? 24 : 12 );
    dmg_span_t aad = vec_span( &v, 2 ), msg = vec_span( &v, 3 ), sealed = vec_span( &v, 4 );
    bool is_valid = vec_num( &v, 5 );
    memset( out, 0x5a, sizeof( out ) );
    bool is_ok = is_x ? dmg_xchacha_open( key, nonce, aad, sealed, out ) : dmg_chacha_open( key, nonce, aad, sealed, out );
    assert_int_equal( is_ok, is_valid );
    if( !is_valid ) { assert_true( dmg_is_zero( out, sealed.sz-16 ) ); continue; }
    if( msg.sz ) assert_memory_equal( out, msg.p, msg.sz );
    if( is_x ) dmg_xchacha_seal( key, nonce, aad, msg, out ); else dmg_chacha_seal( key, nonce, aad, msg, out );
    assert_memory_equal( out, sealed.p, sealed.sz );
    /* In place, too. */
    is_ok = is_x ? dmg_xchacha_open( key, nonce, aad, dmg_span( out, sealed.sz ), out ) : dmg_chacha_open( key, nonce, aad, dmg_span( out, sealed.sz ), out );
    assert_true( is_ok );
    /* One bit of the sealed bytes. */
    memcpy( bad, sealed.p, sealed.sz );
    bad[ v.line_cnt%sealed.sz ] ^= 0x10;
    assert_false( is_x ? dmg_xchacha_open( key, nonce, aad, dmg_span( bad, sealed.sz ), out ) : dmg_chacha_open( key, nonce, aad, dmg_span( bad, sealed.sz ), out ) );
  }
  uint8_t const key[32] = { 0 }, nonce[24] = { 0 };
  for( size_t sz=0; sz<16; sz++ )
    assert_false( is_x ? dmg_xchacha_open( key, nonce, dmg_span( NULL, 0 ), dmg_span( bad, sz ), out ) : dmg_chacha_open( key, nonce, dmg_span( NULL, 0 ), dmg_span( bad, sz ), out ) );
}

static void test_chacha20_poly1305 ( void ** state ) { aead( "chacha20_poly1305",  false ); }
static void test_xchacha20_poly1305( void ** state ) { aead( "xchacha20_poly1305", true ); }

static void test_x25519( void ** state ) {
  size_t refused = 0;
  for( vec_open( &v, "x25519" ); vec_next( &v, 3 ); ) {
    uint8_t shared[32] = { 0xaa };
    uint8_t const * want = vec_fixed( &v, 2, 32 );
    bool is_ok = dmg_x25519_shared( vec_fixed( &v, 0, 32 ), vec_fixed( &v, 1, 32 ), shared );
    assert_int_equal( is_ok, !dmg_is_zero( want, 32 ) );
    if( is_ok ) assert_memory_equal( shared, want, 32 );
    else { assert_int_equal( shared[0], 0xaa ); refused++; }
  }
  assert_true( refused>5 );
  /* The two ways round. */
  uint8_t a[32] = { 1 }, b[32] = { 2 }, pa[32], pb[32], s1[32], s2[32];
  dmg_x25519_public( a, pa );
  dmg_x25519_public( b, pb );
  assert_true( dmg_x25519_shared( a, pb, s1 ) );
  assert_true( dmg_x25519_shared( b, pa, s2 ) );
  assert_memory_equal( s1, s2, 32 );
}

static void test_argon2id( void ** state ) {
  for( vec_open( &v, "peer_argon2id" ); vec_next( &v, 5 ); ) {
    uint8_t out[32];
    dmg_seal_cost_t cost = { .mem_kib = vec_num( &v, 2 ), .passes = vec_num( &v, 3 ) };
    assert_int_equal( dmg_argon2id( vec_span( &v, 0 ), vec_fixed( &v, 1, 16 ), cost, out, 32 ), DMG_OK );
    assert_memory_equal( out, vec_fixed( &v, 4, 32 ), 32 );
  }
  uint8_t const salt[16] = { 0 };
  uint8_t out[32];
  assert_int_equal( dmg_argon2id( DMG_SPAN_STR( "p" ), salt, ( dmg_seal_cost_t ){ 7, 1 }, out, 32 ), DMG_ERR_INVALID );
  assert_int_equal( dmg_argon2id( DMG_SPAN_STR( "p" ), salt, ( dmg_seal_cost_t ){ 8, 0 }, out, 32 ), DMG_ERR_INVALID );
  assert_int_equal( dmg_argon2id( DMG_SPAN_STR( "p" ), salt, ( dmg_seal_cost_t ){ 8, 1 }, out, 15 ), DMG_ERR_INVALID );
}

enum { SECRET = 33, SEALED = SECRET+DMG_SEAL_OVERHEAD_SZ };

static void test_seal_round_trip_and_tampering( void ** state ) {
  uint8_t secret[SECRET], random[ DMG_SEAL_RANDOM_SZ ], sealed[SEALED], bad[SEALED], out[SECRET];
  for( size_t i=0; i<SECRET; i++ ) secret[i] = (uint8_t)( i+1 );
  for( size_t i=0; i<sizeof( random ); i++ ) random[i] = (uint8_t)( 200-i );
  assert_int_equal( dmg_seal( DMG_SPAN_STR( "pass" ), DMG_SPAN_STR( "ed25519" ), DMG_SEAL_COST_MIN, random, DMG_SPAN( secret ), sealed ), DMG_OK );
  assert_memory_equal( sealed, "DMGSEAL1\0\0\1\0\1\0\0\0", 16 );
  assert_memory_equal( sealed+16, random, sizeof( random ) );
  assert_int_equal( dmg_seal_open( DMG_SPAN_STR( "pass" ), DMG_SPAN_STR( "ed25519" ), DMG_SPAN( sealed ), out ), DMG_OK );
  assert_memory_equal( out, secret, SECRET );

  assert_int_equal( dmg_seal_open( DMG_SPAN_STR( "Pass" ), DMG_SPAN_STR( "ed25519" ), DMG_SPAN( sealed ), out ), DMG_ERR_PERM );
  assert_true( dmg_is_zero( out, SECRET ) );
  assert_int_equal( dmg_seal_open( DMG_SPAN_STR( "pass" ), DMG_SPAN_STR( "bls" ), DMG_SPAN( sealed ), out ), DMG_ERR_PERM );
  assert_int_equal( dmg_seal_open( DMG_SPAN_STR( "pass" ), DMG_SPAN_STR( "ed25518" ), DMG_SPAN( sealed ), out ), DMG_ERR_PERM );
  /* One byte of each part: cost, salt, nonce, ciphertext, tag. */
  static uint8_t const part[] = { 9, 12, 16, 31, 32, 55, 56, SEALED-17, SEALED-16, SEALED-1 };
  for( size_t i=0; i<sizeof( part ); i++ ) {
    memcpy( bad, sealed, SEALED );
    bad[ part[i] ] ^= part[i]==12 ? 3 : 1;
    assert_int_equal( dmg_seal_open( DMG_SPAN_STR( "pass" ), DMG_SPAN_STR( "ed25519" ), DMG_SPAN( bad ), out ), DMG_ERR_PERM );
  }
}

static void test_seal_refuses_what_is_none_before_it_works( void ** state ) {
  uint8_t bytes[ DMG_SEAL_OVERHEAD_SZ+DMG_SEAL_SECRET_MAX+1 ] = "DMGSEAL1", out[ DMG_SEAL_SECRET_MAX+DMG_SEAL_OVERHEAD_SZ+1 ], random[ DMG_SEAL_RANDOM_SZ ] = { 0 };
  dmg_store_u32le( bytes+8, 65536 );
  dmg_store_u32le( bytes+12, 1 );
  for( size_t sz=0; sz<DMG_SEAL_OVERHEAD_SZ; sz++ )
    assert_int_equal( dmg_seal_open( DMG_SPAN_STR( "p" ), DMG_SPAN_STR( "c" ), dmg_span( bytes, sz ), out ), DMG_ERR_INVALID );
  assert_int_equal( dmg_seal_open( DMG_SPAN_STR( "p" ), DMG_SPAN_STR( "c" ), DMG_SPAN( bytes ), out ), DMG_ERR_INVALID );   /* one too long */
  /* Costs a hostile file may ask for. */
  static uint32_t const cost[][2] = { { 65535, 1 }, { 1048577, 1 }, { UINT32_MAX, 1 }, { 0, 1 }, { 65536, 0 }, { 65536, 17 }, { 65536, UINT32_MAX } };
  for( size_t i=0; i<sizeof( cost )/sizeof( *cost ); i++ ) {
    dmg_store_u32le( bytes+8, cost[i][0] );
    dmg_store_u32le( bytes+12, cost[i][1] );
    assert_int_equal( dmg_seal_open( DMG_SPAN_STR( "p" ), DMG_SPAN_STR( "c" ), dmg_span( bytes, 100 ), out ), DMG_ERR_INVALID );
    assert_int_equal( dmg_seal( DMG_SPAN_STR( "p" ), DMG_SPAN_STR( "c" ), ( dmg_seal_cost_t ){ cost[i][0], cost[i][1] }, random, DMG_SPAN_STR( "s" ), out ), DMG_ERR_INVALID );
  }
  bytes[7] = '2';
  assert_int_equal( dmg_seal_open( DMG_SPAN_STR( "p" ), DMG_SPAN_STR( "c" ), dmg_span( bytes, 100 ), out ), DMG_ERR_INVALID );
  assert_int_equal( dmg_seal( DMG_SPAN_STR( "p" ), DMG_SPAN_STR( "c" ), DMG_SEAL_COST_MIN, random, dmg_span( bytes, DMG_SEAL_SECRET_MAX+1 ), out ), DMG_ERR_LIMIT );
  assert_int_equal( dmg_seal( DMG_SPAN_STR( "p" ), dmg_span( bytes, 257 ), DMG_SEAL_COST_MIN, random, DMG_SPAN_STR( "s" ), out ), DMG_ERR_LIMIT );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_seal_refuses_what_is_none_before_it_works ),
    cmocka_unit_test( test_seal_round_trip_and_tampering ),
    cmocka_unit_test( test_chacha20_poly1305 ),
    cmocka_unit_test( test_xchacha20_poly1305 ),
    cmocka_unit_test( test_x25519 ),
    cmocka_unit_test( test_argon2id ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
