/* dmgn_sig.h from C: Ed25519, BLS, Keccak. */
#include "dmgn_sig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t const dst[] = "DMG-V1-TEST-BLS12381G1_XMD:SHA-256_SSWU_RO_";
#define DST_SZ (sizeof dst-1)

static void test_ed25519_single_and_batch_say_the_same( void ** state ) {
  (void)state;
  enum { CNT = 150 };                        /* two whole chunks and a part */
  static uint8_t key[ CNT ][ 32 ], sig[ CNT ][ 64 ], msg[ CNT ][ 8 ];
  dmgn_ed25519_item_t item[ CNT ];
  uint8_t seed[ 32 ] = { 0 }, ok[ (CNT+7)/8+1 ];
  for( size_t i = 0; i<CNT; i++ ) {
    seed[ 0 ] = (uint8_t)i;
    memset( msg[ i ], (int)i, sizeof msg[ i ] );
    dmgn_ed25519_public( seed, key[ i ] );
    dmgn_ed25519_sign( seed, msg[ i ], i%9, sig[ i ] );
    if( i%50==49 ) sig[ i ][ i%64 ] ^= 1;
    item[ i ] = (dmgn_ed25519_item_t){ .key = key[ i ], .sig = sig[ i ], .msg = i%9 ? msg[ i ] : NULL, .msg_sz = i%9 };
  }
  size_t const cnts[] = { 0, 1, 7, 8, 9, 63, 64, 65, 128, CNT };
  for( size_t c = 0; c<sizeof cnts/sizeof *cnts; c++ ) {
    size_t cnt = cnts[ c ], valid = 0;
    memset( ok, 0xa5, sizeof ok );
    size_t said = dmgn_ed25519_verify_batch( item, cnt, seed, ok );
    for( size_t i = 0; i<cnt; i++ ) {
      int bit = ok[ i/8 ]>>(i%8) & 1;
      assert_int_equal( bit, dmgn_ed25519_verify( key[ i ], item[ i ].msg, item[ i ].msg_sz, sig[ i ] ) );
      assert_int_equal( bit, i%50!=49 );
      valid += (size_t)bit;
    }
    assert_int_equal( said, valid );
    if( cnt%8 ) assert_int_equal( ok[ cnt/8 ]>>(cnt%8), 0 );   /* spare bits */
    assert_int_equal( ok[ (cnt+7)/8 ], 0xa5 );                 /* nothing past the end */
  }
  assert_int_equal( dmgn_ed25519_verify_batch( NULL, 0, seed, NULL ), 0 );
}

static void test_bls_signs_loads_and_sums( void ** state ) {
  (void)state;
  enum { CNT = 5 };
  uint8_t secret[ 32 ], ikm[ 32 ], bytes[ 96 ], again[ 96 ];
  dmgn_bls_key_t key[ CNT ], key_sum;
  dmgn_bls_sig_t sig[ CNT ], sum, other;
  dmgn_bls_key_t const * keys[ CNT ];
  dmgn_bls_sig_t const * sigs[ CNT ];
  uint8_t const msg[] = "message";
  for( size_t i = 0; i<CNT; i++ ) {
    memset( ikm, (int)i, sizeof ikm );
    assert_true( dmgn_bls_keygen( ikm, sizeof ikm, NULL, 0, secret ) );
    assert_true( dmgn_bls_public( secret, &key[ i ] ) );
    assert_true( dmgn_bls_sign( secret, dst, DST_SZ, msg, sizeof msg, &sig[ i ] ) );
    assert_true( dmgn_bls_verify( &key[ i ], dst, DST_SZ, msg, sizeof msg, &sig[ i ] ) );
    assert_false( dmgn_bls_verify( &key[ i ], dst, DST_SZ-1, msg, sizeof msg, &sig[ i ] ) );
    assert_false( dmgn_bls_verify( &key[ i ], dst, DST_SZ, msg, sizeof msg-1, &sig[ i ] ) );
    keys[ i ] = &key[ i ];
    sigs[ i ] = &sig[ i ];

    dmgn_bls_key_store( &key[ i ], bytes );
    dmgn_bls_key_t loaded;
    assert_true( dmgn_bls_key_load( bytes, &loaded ) );
    assert_memory_equal( &loaded, &key[ i ], sizeof loaded );
    dmgn_bls_sig_store( &sig[ i ], bytes );
    assert_true( dmgn_bls_sig_load( bytes, &other ) );
    dmgn_bls_sig_store_raw( &other, bytes );
    assert_true( dmgn_bls_sig_load_raw( bytes, &other ) );
    dmgn_bls_sig_store_raw( &sig[ i ], again );
    assert_memory_equal( bytes, again, 96 );
  }
  assert_true( dmgn_bls_sig_sum( sigs, CNT, &sum ) );
  assert_true( dmgn_bls_key_sum( keys, CNT, &key_sum ) );
  assert_true( dmgn_bls_verify( &key_sum, dst, DST_SZ, msg, sizeof msg, &sum ) );
  assert_true( dmgn_bls_verify_same( keys, CNT, dst, DST_SZ, msg, sizeof msg, &sum ) );
  assert_false( dmgn_bls_verify_same( keys, CNT-1, dst, DST_SZ, msg, sizeof msg, &sum ) );
  dmgn_bls_item_t item[ CNT ];
  dmgn_bls_signed_t many[ CNT ];
  for( size_t i = 0; i<CNT; i++ ) {
    item[ i ] = (dmgn_bls_item_t){ .key = keys[ i ], .msg = msg, .msg_sz = sizeof msg };
    many[ i ] = (dmgn_bls_signed_t){ .key = keys[ i ], .msg = msg, .msg_sz = sizeof msg, .sig = sigs[ i ] };
  }
  assert_true( dmgn_bls_verify_distinct( item, CNT, dst, DST_SZ, &sum ) );
  assert_false( dmgn_bls_verify_distinct( item, CNT-1, dst, DST_SZ, &sum ) );
  assert_true( dmgn_bls_verify_many( many, CNT, dst, DST_SZ, ikm ) );
  many[ 0 ].sig = sigs[ 1 ];
  many[ 1 ].sig = sigs[ 0 ];                 /* the plain sum would still be right */
  assert_false( dmgn_bls_verify_many( many, CNT, dst, DST_SZ, ikm ) );
}

static void test_bls_refusals_leave_the_output_untouched( void ** state ) {
  (void)state;
  uint8_t bytes[ 96 ] = { 0 }, secret[ 32 ];
  dmgn_bls_key_t key, key_was;
  dmgn_bls_sig_t sig, sig_was;
  memset( &key, 0x5a, sizeof key );
  memset( &sig, 0x5a, sizeof sig );
  key_was = key;
  sig_was = sig;
  assert_false( dmgn_bls_key_load( bytes, &key ) );
  assert_false( dmgn_bls_sig_load( bytes, &sig ) );
  assert_false( dmgn_bls_sig_load_raw( bytes, &sig ) );
  assert_false( dmgn_bls_sig_load_part( bytes, &sig ) );
  bytes[ 0 ] = 0xc0;                         /* the identity */
  assert_false( dmgn_bls_key_load( bytes, &key ) );
  assert_false( dmgn_bls_sig_load( bytes, &sig ) );
  memset( secret, 0, sizeof secret );
  assert_false( dmgn_bls_public( secret, &key ) );
  assert_false( dmgn_bls_sign( secret, dst, DST_SZ, NULL, 0, &sig ) );
  memset( secret, 0xff, sizeof secret );
  assert_false( dmgn_bls_public( secret, &key ) );
  assert_false( dmgn_bls_keygen( bytes, 31, NULL, 0, secret ) );
  assert_int_equal( secret[ 0 ], 0xff );
  assert_false( dmgn_bls_key_sum( NULL, 0, &key ) );
  assert_false( dmgn_bls_sig_sum( NULL, 0, &sig ) );
  assert_memory_equal( &key, &key_was, sizeof key );
  assert_memory_equal( &sig, &sig_was, sizeof sig );
}

static void test_keccak256_of_nothing( void ** state ) {
  (void)state;
  uint8_t hash[ 32 ];
  dmgn_keccak256( NULL, 0, hash );
  uint8_t const want[] = { 0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c };
  assert_memory_equal( hash, want, sizeof want );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_ed25519_single_and_batch_say_the_same ),
    cmocka_unit_test( test_bls_signs_loads_and_sums ),
    cmocka_unit_test( test_bls_refusals_leave_the_output_untouched ),
    cmocka_unit_test( test_keccak256_of_nothing ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
