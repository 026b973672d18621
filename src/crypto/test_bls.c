/* BLS: hash to curve and signatures of others, encodings that must be refused, aggregates, domains. */
#include "crypto/bls_int.h"

#include "crypto/test_vectors.h"

static vec_t v;

/* The secret 1 leaves the hashed point as it is, so a signature shows RFC 9380's vectors. */
static void test_hash_to_g1_of_rfc9380( void ** state ) {
  uint8_t const one[32] = { [31] = 1 };
  for( vec_open( &v, "bls_hash_to_g1" ); vec_next( &v, 3 ); ) {
    dmg_bls_sig_t sig;
    uint8_t       raw[96];
    assert_true( dmg_bls_sign_dst( one, vec_span( &v, 0 ), vec_span( &v, 1 ), &sig ) );
    dmg_bls_sig_store_raw( &sig, raw );
    assert_memory_equal( raw, vec_fixed( &v, 2, 96 ), 96 );
  }
}

static void test_signatures_of_the_reference( void ** state ) {
  dmg_span_t dst = DMG_SPAN_STR( "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_" );
  for( vec_open( &v, "bls_sign_g1" ); vec_next( &v, 3 ); ) {
    uint8_t const * secret = vec_fixed( &v, 0, 32 );
    dmg_bls_sig_t   sig, loaded;
    dmg_bls_key_t   key;
    uint8_t         bytes[48];
    assert_true( dmg_bls_sign_dst( secret, dst, vec_span( &v, 1 ), &sig ) );
    dmg_bls_sig_store( &sig, bytes );
    assert_memory_equal( bytes, vec_fixed( &v, 2, 48 ), 48 );
    assert_true( dmg_bls_public( secret, &key ) );
    assert_true( dmg_bls_sig_load( bytes, &loaded ) );
    assert_true( dmg_bls_verify_dst( &key, dst, vec_span( &v, 1 ), &loaded ) );
    assert_false( dmg_bls_verify( &key, DMG_BLS_TX, vec_span( &v, 1 ), &loaded ) );
  }
}

static void test_keygen_of_the_draft( void ** state ) {
  uint8_t secret[32] = { 0x55 };
  for( vec_open( &v, "bls_keygen" ); vec_next( &v, 2 ); ) {
    assert_true( dmg_bls_keygen( vec_span( &v, 0 ), secret ) );
    assert_memory_equal( secret, vec_fixed( &v, 1, 32 ), 32 );
  }
  uint8_t const ikm[31] = { 1 };
  memset( secret, 0x55, 32 );
  assert_false( dmg_bls_keygen( DMG_SPAN( ikm ), secret ) );   /* under 32 bytes */
  assert_int_equal( secret[0], 0x55 );
}

static void test_encodings( void ** state ) {
  for( vec_open( &v, "bls_encodings" ); vec_next( &v, 3 ); ) {
    bool is_key = !strcmp( v.text[0], "key" ), want = vec_num( &v, 2 );
    uint8_t const * bytes = vec_fixed( &v, 1, is_key ? 96 : 48 );
    dmg_bls_key_t   key;
    dmg_bls_sig_t   sig, again;
    uint8_t         out[96], raw[96];
    if( ( is_key ? dmg_bls_key_load( bytes, &key ) : dmg_bls_sig_load( bytes, &sig ) )!=want ) fail_msg( "vector %zu", v.line_cnt );
    if( !want ) continue;
    if( is_key ) dmg_bls_key_store( &key, out ); else dmg_bls_sig_store( &sig, out );
    assert_memory_equal( out, bytes, is_key ? 96 : 48 );
    if( is_key ) continue;
    dmg_bls_sig_store_raw( &sig, raw );
    assert_true( dmg_bls_sig_load_raw( raw, &again ) );
    dmg_bls_sig_store( &again, out );
    assert_memory_equal( out, bytes, 48 );
    dmg_bls_sig_t part;
    dmg_bls_sig_t const * one[ 1 ] = { &part };
    assert_true( dmg_bls_sig_load_part( raw, &part ) && dmg_bls_sig_sum( one, 1, &again ) );
    dmg_bls_sig_store( &again, out );
    assert_memory_equal( out, bytes, 48 );
    for( size_t i=0; i<96; i+=7 ) {   /* a point off the curve */
      raw[i] ^= 1;
      assert_false( dmg_bls_sig_load_raw( raw, &again ) );
      assert_false( dmg_bls_sig_load_part( raw, &again ) );
      raw[i] ^= 1;
    }
    raw[0] |= 0x80;   /* compressed, it says, and 96 bytes long */
    assert_false( dmg_bls_sig_load_raw( raw, &again ) );
    assert_false( dmg_bls_sig_load_part( raw, &again ) );
  }
}

static void test_equals_a_peer_under_our_dsts( void ** state ) {
  static char const * const use_name[] = { "VOTE", "REVEAL", "POP", "BINDING", "TX" };
  for( vec_open( &v, "peer_bls" ); vec_next( &v, 5 ); ) {
    dmg_bls_use_t use = 0;
    while( strcmp( use_name[use], v.text[0] ) ) use++;
    assert_true( use<DMG_BLS_USE_CNT );
    dmg_bls_key_t key;
    dmg_bls_sig_t sig;
    uint8_t       key_bytes[96], sig_bytes[48];
    uint8_t const * secret = vec_fixed( &v, 1, 32 );
    assert_true( dmg_bls_public( secret, &key ) );
    dmg_bls_key_store( &key, key_bytes );
    assert_memory_equal( key_bytes, vec_fixed( &v, 2, 96 ), 96 );
    assert_true( dmg_bls_sign( secret, use, vec_span( &v, 3 ), &sig ) );
    dmg_bls_sig_store( &sig, sig_bytes );
    assert_memory_equal( sig_bytes, vec_fixed( &v, 4, 48 ), 48 );
    /* Each use accepts its own signatures only. */
    for( dmg_bls_use_t u=0; u<DMG_BLS_USE_CNT; u++ )
      assert_int_equal( dmg_bls_verify_bytes( DMG_SPAN( key_bytes ), u, vec_span( &v, 3 ), DMG_SPAN( sig_bytes ) ), u==use );
  }
}

static void test_bad_secrets( void ** state ) {
  static uint8_t const order[32] = { 0x73, 0xed, 0xa7, 0x53, 0x29, 0x9d, 0x7d, 0x48, 0x33, 0x39, 0xd8, 0x08, 0x09, 0xa1, 0xd8, 0x05,
                                     0x53, 0xbd, 0xa4, 0x02, 0xff, 0xfe, 0x5b, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01 };
  uint8_t const zero[32] = { 0 };
  uint8_t last[32], ones[32];
  dmg_bls_key_t key;
  dmg_bls_sig_t sig;
  memcpy( last, order, 32 );
  last[31] = 0;
  memset( ones, 0xff, 32 );
  assert_false( dmg_bls_public( zero, &key ) );
  assert_false( dmg_bls_public( order, &key ) );
  assert_false( dmg_bls_public( ones, &key ) );
  assert_true ( dmg_bls_public( last, &key ) );
  assert_false( dmg_bls_sign( zero, DMG_BLS_VOTE, DMG_SPAN_STR( "x" ), &sig ) );
  assert_false( dmg_bls_sign( order, DMG_BLS_VOTE, DMG_SPAN_STR( "x" ), &sig ) );
}

enum { N = 9 };

static void test_aggregates( void ** state ) {
  static dmg_bls_key_t key[N], sum_key;
  static dmg_bls_sig_t same[N], distinct[N], agg_same, agg_distinct, part;
  dmg_bls_key_t const * keys[N];
  dmg_bls_sig_t const * sames[N], * distincts[N];
  dmg_bls_item_t        item[N];
  uint8_t               msg[N][77] = { { 0 } };
  dmg_span_t const      vote = DMG_SPAN( msg[0] );
  for( size_t i=0; i<N; i++ ) {
    uint8_t secret[32] = { 1, (uint8_t)i };
    msg[i][5] = (uint8_t)i;
    assert_true( dmg_bls_public( secret, &key[i] ) );
    assert_true( dmg_bls_sign( secret, DMG_BLS_VOTE, vote, &same[i] ) );
    assert_true( dmg_bls_sign( secret, DMG_BLS_VOTE, DMG_SPAN( msg[i] ), &distinct[i] ) );
    keys[i] = &key[i];
    sames[i] = &same[i];
    distincts[i] = &distinct[i];
    item[i] = (dmg_bls_item_t){ .key = &key[i], .msg = DMG_SPAN( msg[i] ) };
  }
  for( size_t n=1; n<=N; n++ ) {
    assert_true( dmg_bls_sig_sum( sames, n, &agg_same ) );
    assert_true( dmg_bls_sig_sum( distincts, n, &agg_distinct ) );
    assert_true( dmg_bls_key_sum( keys, n, &sum_key ) );
    assert_true( dmg_bls_verify_same( keys, n, DMG_BLS_VOTE, vote, &agg_same ) );
    assert_true( dmg_bls_verify( &sum_key, DMG_BLS_VOTE, vote, &agg_same ) );
    assert_true( dmg_bls_verify_distinct( item, n, DMG_BLS_VOTE, &agg_distinct ) );
    assert_false( dmg_bls_verify_same( keys, n, DMG_BLS_POP, vote, &agg_same ) );
    assert_false( dmg_bls_verify_distinct( item, n, DMG_BLS_TX, &agg_distinct ) );
    if( n==1 ) continue;
    assert_false( dmg_bls_verify_same( keys, n-1, DMG_BLS_VOTE, vote, &agg_same ) );   /* a signer not named */
    assert_true( dmg_bls_sig_sum( sames, n-1, &part ) );
    assert_false( dmg_bls_verify_same( keys, n, DMG_BLS_VOTE, vote, &part ) );         /* a name that did not sign */
    assert_false( dmg_bls_verify_distinct( item, n, DMG_BLS_VOTE, &agg_same ) );
    dmg_bls_item_t swap[N];
    memcpy( swap, item, sizeof( swap ) );
    swap[0].msg = item[1].msg;
    swap[1].msg = item[0].msg;
    assert_false( dmg_bls_verify_distinct( swap, n, DMG_BLS_VOTE, &agg_distinct ) );
  }
  assert_false( dmg_bls_sig_sum( sames, 0, &part ) );
  assert_false( dmg_bls_key_sum( keys, 0, &sum_key ) );
  assert_false( dmg_bls_verify_same( keys, 0, DMG_BLS_VOTE, vote, &agg_same ) );
  assert_false( dmg_bls_verify_distinct( item, 0, DMG_BLS_VOTE, &agg_same ) );
}

/* P + (-P): the sum is the identity, which would verify anything. */
static void test_sum_to_the_identity_is_refused( void ** state ) {
  uint8_t       secret[32] = { 3 }, bytes[96];
  dmg_bls_key_t a, b, sum;
  dmg_bls_sig_t s, t, agg;
  assert_true( dmg_bls_public( secret, &a ) );
  dmg_bls_key_store( &a, bytes );
  bytes[0] ^= 0x20;   /* the other y */
  assert_true( dmg_bls_key_load( bytes, &b ) );
  dmg_bls_key_t const * keys[2] = { &a, &b };
  assert_false( dmg_bls_key_sum( keys, 2, &sum ) );
  assert_true( dmg_bls_sign( secret, DMG_BLS_VOTE, DMG_SPAN_STR( "x" ), &s ) );
  assert_false( dmg_bls_verify_same( keys, 2, DMG_BLS_VOTE, DMG_SPAN_STR( "x" ), &s ) );
  dmg_bls_sig_store( &s, bytes );
  bytes[0] ^= 0x20;
  assert_true( dmg_bls_sig_load( bytes, &t ) );
  dmg_bls_sig_t const * sigs[2] = { &s, &t };
  assert_false( dmg_bls_sig_sum( sigs, 2, &agg ) );
}

/* Without proofs of possession a rogue key takes the whole aggregate: what POP is for (M15.7). */
static void test_rogue_key_has_no_proof( void ** state ) {
  uint8_t       honest[32] = { 4 }, evil[32] = { 5 }, bytes[96];
  dmg_bls_key_t hk, ek, minus, rogue;
  dmg_bls_sig_t forged, pop;
  assert_true( dmg_bls_public( honest, &hk ) );
  assert_true( dmg_bls_public( evil, &ek ) );
  dmg_bls_key_store( &hk, bytes );
  bytes[0] ^= 0x20;
  assert_true( dmg_bls_key_load( bytes, &minus ) );
  dmg_bls_key_t const * diff[2] = { &ek, &minus };
  assert_true( dmg_bls_key_sum( diff, 2, &rogue ) );
  assert_true( dmg_bls_sign( evil, DMG_BLS_VOTE, DMG_SPAN_STR( "x" ), &forged ) );
  dmg_bls_key_t const * both[2] = { &hk, &rogue };
  assert_true( dmg_bls_verify_same( both, 2, DMG_BLS_VOTE, DMG_SPAN_STR( "x" ), &forged ) );
  dmg_bls_key_store( &rogue, bytes );
  assert_true( dmg_bls_sign( evil, DMG_BLS_POP, DMG_SPAN( bytes ), &pop ) );
  assert_false( dmg_bls_verify( &rogue, DMG_BLS_POP, DMG_SPAN( bytes ), &pop ) );
}

static void test_garbage_is_false( void ** state ) {
  uint32_t seed = vec_seed();
  /* Good bytes, cut short or with one more. */
  uint8_t       secret[32] = { 6 }, good_key[97] = { 0 }, good_sig[49] = { 0 };
  dmg_bls_key_t k;
  dmg_bls_sig_t s;
  assert_true( dmg_bls_public( secret, &k ) );
  assert_true( dmg_bls_sign( secret, DMG_BLS_TX, DMG_SPAN_STR( "x" ), &s ) );
  dmg_bls_key_store( &k, good_key );
  dmg_bls_sig_store( &s, good_sig );
  for( size_t key_sz=0; key_sz<=97; key_sz++ )
    assert_int_equal( dmg_bls_verify_bytes( dmg_span( good_key, key_sz ), DMG_BLS_TX, DMG_SPAN_STR( "x" ), dmg_span( good_sig, 48 ) ), key_sz==96 );
  for( size_t sig_sz=0; sig_sz<=49; sig_sz++ )
    assert_int_equal( dmg_bls_verify_bytes( dmg_span( good_key, 96 ), DMG_BLS_TX, DMG_SPAN_STR( "x" ), dmg_span( good_sig, sig_sz ) ), sig_sz==48 );
  for( size_t t=0; t<300; t++ ) {
    size_t  key_sz = vec_rnd( &seed )%2 ? 96 : vec_rnd( &seed )%200, sig_sz = vec_rnd( &seed )%2 ? 48 : vec_rnd( &seed )%100;
    uint8_t * key = malloc( key_sz+!key_sz ), * sig = malloc( sig_sz+!sig_sz );
    vec_fill( &seed, key, key_sz );
    vec_fill( &seed, sig, sig_sz );
    if( key_sz ) key[0] = (uint8_t)( 0x80|( key[0]&0x1f ) );
    if( sig_sz ) sig[0] = (uint8_t)( 0x80|( sig[0]&0x1f ) );
    assert_false( dmg_bls_verify_bytes( dmg_span( key, key_sz ), DMG_BLS_TX, DMG_SPAN_STR( "x" ), dmg_span( sig, sig_sz ) ) );
    free( key );
    free( sig );
  }
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_garbage_is_false ),
    cmocka_unit_test( test_encodings ),
    cmocka_unit_test( test_bad_secrets ),
    cmocka_unit_test( test_sum_to_the_identity_is_refused ),
    cmocka_unit_test( test_rogue_key_has_no_proof ),
    cmocka_unit_test( test_keygen_of_the_draft ),
    cmocka_unit_test( test_hash_to_g1_of_rfc9380 ),
    cmocka_unit_test( test_signatures_of_the_reference ),
    cmocka_unit_test( test_equals_a_peer_under_our_dsts ),
    cmocka_unit_test( test_aggregates ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
