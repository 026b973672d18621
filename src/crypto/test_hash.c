/* SHA-256 kernels against OpenSSL, tags against their text, S1's vectors. */
#include "crypto/sha256_int.h"

#include "base/cpu.h"
#include "crypto/test_vectors.h"

#include <openssl/evp.h>

static uint32_t seed = 1;

static uint32_t rnd( void ) { return vec_rnd( &seed ); }

static dmg_hash_t oracle( dmg_span_t a, dmg_span_t b, dmg_span_t c ) {
  dmg_hash_t   out;
  EVP_MD_CTX * ctx = EVP_MD_CTX_new();
  assert_true( EVP_DigestInit_ex( ctx, EVP_sha256(), NULL ) );
  if( a.sz ) assert_true( EVP_DigestUpdate( ctx, a.p, a.sz ) );
  if( b.sz ) assert_true( EVP_DigestUpdate( ctx, b.p, b.sz ) );
  if( c.sz ) assert_true( EVP_DigestUpdate( ctx, c.p, c.sz ) );
  assert_true( EVP_DigestFinal_ex( ctx, out.b, NULL ) );
  EVP_MD_CTX_free( ctx );
  return out;
}

static dmg_hash_t oracle_tagged( char const * tag, dmg_span_t msg ) {
  dmg_hash_t t = oracle( dmg_span_cstr( tag ), dmg_span( NULL, 0 ), dmg_span( NULL, 0 ) );
  return oracle( dmg_hash_span( &t ), dmg_hash_span( &t ), msg );
}

static void assert_hash( dmg_hash_t got, dmg_hash_t want ) { assert_memory_equal( got.b, want.b, 32 ); }

static void assert_hex( dmg_hash_t got, char const * want ) {
  char hex[65];
  dmg_hex_encode( got.b, 32, hex );
  assert_string_equal( hex, want );
}

static void test_kernels_equal_openssl_on_every_length( void ** state ) {
  static uint8_t msg[1025];
  for( size_t i=0; i<sizeof( msg ); i++ ) msg[i] = (uint8_t)rnd();
  for( size_t k=0; dmg_sha256_kernel( dmg_cpu_flags(), k ); k++ ) {
    /* The dispatcher serves the kernel that these flags allow; walk down by taking flags away. */
    uint32_t flags = dmg_cpu_flags();
    while( dmg_sha256_kernel( flags, 0 )!=dmg_sha256_kernel( dmg_cpu_flags(), k ) ) flags &= flags-1;
    dmg_crypto_init( flags );
    assert_string_equal( dmg_sha256_kernel_name(), dmg_sha256_kernel( dmg_cpu_flags(), k )->name );
    for( size_t sz=0; sz<=1024; sz++ ) {
      size_t off = sz%2;   /* odd addresses too */
      assert_hash( dmg_sha256( dmg_span( msg+off, sz ) ), oracle( dmg_span( msg+off, sz ), dmg_span( NULL, 0 ), dmg_span( NULL, 0 ) ) );
      assert_hash( dmg_h( DMG_TAG_STATE_VALUE, dmg_span( msg, sz ) ), oracle_tagged( "dmg/state/value/v1", dmg_span( msg, sz ) ) );
    }
  }
  dmg_crypto_init( dmg_cpu_flags() );
}

static void test_nodes_equal_openssl_for_every_lane_count( void ** state ) {
  enum { N = 40 };
  static uint8_t msgs[64*N+1];
  uint8_t outs[32*N+1], in_place[64*N];
  for( size_t i=0; i<sizeof( msgs ); i++ ) msgs[i] = (uint8_t)rnd();
  for( size_t k=0; dmg_sha256_kernel( dmg_cpu_flags(), k ); k++ ) {
    dmg_sha256_kernel_t const * kernel = dmg_sha256_kernel( dmg_cpu_flags(), k );
    for( size_t n=0; n<=N; n++ ) {
      memset( outs, 0xaa, sizeof( outs ) );
      memcpy( in_place, msgs+1, sizeof( in_place ) );
      kernel->nodes( dmg_tag_midstate[ DMG_TAG_MMR_NODE ], msgs+1, n, outs+1 );
      kernel->nodes( dmg_tag_midstate[ DMG_TAG_MMR_NODE ], in_place, n, in_place );
      for( size_t i=0; i<n; i++ ) {
        dmg_hash_t want = oracle_tagged( "dmg/mmr/node/v1", dmg_span( msgs+1+64*i, 64 ) );
        assert_memory_equal( outs+1+32*i, want.b, 32 );
        assert_memory_equal( in_place+32*i, want.b, 32 );
      }
      for( size_t i=1+32*n; i<sizeof( outs ); i++ ) assert_int_equal( outs[i], 0xaa );   /* nothing past the end */
      if( n ) assert_memory_equal( in_place+64*n-32, msgs+1+64*n-32, n>1 ? 32 : 0 );
    }
  }
}

static void test_stream_equals_whole_for_random_cuts( void ** state ) {
  static uint8_t msg[1024];
  seed = vec_seed();
  vec_fill( &seed, msg, sizeof( msg ) );
  for( size_t t=0; t<2000; t++ ) {
    size_t sz = rnd()%( sizeof( msg )+1 ), at = 0;
    dmg_sha256_t plain, tagged, fork;
    dmg_sha256_init( &plain );
    dmg_h_init( &tagged, DMG_TAG_TX );
    while( at<sz ) {
      size_t piece = rnd()%( rnd()%2 ? 200 : 4 );
      if( piece>sz-at ) piece = sz-at;
      dmg_sha256_update( &plain,  dmg_span( msg+at, piece ) );
      dmg_sha256_update( &tagged, dmg_span( msg+at, piece ) );
      at += piece;
    }
    fork = plain;
    assert_hash( dmg_sha256_final( &plain ), dmg_sha256( dmg_span( msg, sz ) ) );
    assert_hash( dmg_sha256_final( &fork ),  dmg_sha256( dmg_span( msg, sz ) ) );
    assert_hash( dmg_sha256_final( &tagged ), dmg_h( DMG_TAG_TX, dmg_span( msg, sz ) ) );
    size_t cut = sz ? rnd()%sz : 0;
    assert_hash( dmg_h2( DMG_TAG_TX, dmg_span( msg, cut ), dmg_span( msg+cut, sz-cut ) ), dmg_h( DMG_TAG_TX, dmg_span( msg, sz ) ) );
  }
}

static void test_tag_table_is_current( void ** state ) {
  uint8_t const zero[64] = { 0 };
  for( dmg_tag_t t=0; t<DMG_TAG_CNT; t++ ) {
    /* Kernel-free: the midstate is one compression of the doubled tag from the initial state. */
    dmg_hash_t d = oracle( dmg_span_cstr( dmg_tag_text( t ) ), dmg_span( NULL, 0 ), dmg_span( NULL, 0 ) );
    uint8_t    block[64];
    uint32_t   h[8];
    memcpy( block, d.b, 32 );
    memcpy( block+32, d.b, 32 );
    memcpy( h, dmg_sha256_iv, 32 );
    dmg_sha256_portable.blocks( h, block, 1 );
    assert_memory_equal( h, dmg_tag_midstate[t], 32 );
    assert_hash( dmg_h( t, DMG_SPAN( zero ) ), oracle_tagged( dmg_tag_text( t ), DMG_SPAN( zero ) ) );
    for( dmg_tag_t u=0; u<t; u++ ) assert_string_not_equal( dmg_tag_text( t ), dmg_tag_text( u ) );
  }
}

/* NIST's vectors, on every kernel. */
static void test_nist_vectors( void ** state ) {
  static vec_t v;
  for( uint32_t flags = dmg_cpu_flags(); ; flags &= flags-1 ) {
    dmg_crypto_init( flags );
    for( vec_open( &v, "sha256" ); vec_next( &v, 2 ); ) assert_memory_equal( dmg_sha256( vec_span( &v, 0 ) ).b, vec_fixed( &v, 1, 32 ), 32 );
    /* Monte Carlo: each of 1,000 messages is the last three digests. */
    dmg_hash_t md[3];
    vec_open( &v, "sha256_monte" );
    assert_true( vec_next( &v, 1 ) );
    md[2] = dmg_hash_load( vec_fixed( &v, 0, 32 ) );
    while( vec_next( &v, 1 ) ) {
      md[0] = md[1] = md[2];
      for( int i=0; i<1000; i++ ) {
        dmg_hash_t next = dmg_sha256( dmg_span( md, 96 ) );
        md[0] = md[1];
        md[1] = md[2];
        md[2] = next;
      }
      assert_memory_equal( md[2].b, vec_fixed( &v, 0, 32 ), 32 );
    }
    if( !flags ) break;
  }
  dmg_crypto_init( dmg_cpu_flags() );
}

static void test_keccak_and_blake2b_equal_a_peer( void ** state ) {
  static vec_t v;
  for( vec_open( &v, "peer_hashes" ); vec_next( &v, 3 ); ) {
    assert_memory_equal( dmg_keccak256 ( vec_span( &v, 0 ) ).b, vec_fixed( &v, 1, 32 ), 32 );
    assert_memory_equal( dmg_blake2b256( vec_span( &v, 0 ) ).b, vec_fixed( &v, 2, 32 ), 32 );
  }
}

/* S1's fixed vectors: paths, value hashes, leaf, and the three roots written out as nodes. */
static void test_state_vectors_of_s1( void ** state ) {
  static struct { char const * k; char const * v; char const * path; char const * vh; } const row[3] = {
    { "00020001616c696365",   "012a00000000000000", "7c13c73cc997ba7f5b08bd2062624925979d253495f547fade6ce50674025c70", "d7e9c89a13a1cb4963a64e50cc48910271df8ea296666441c11842f041e641e9" },
    { "00020001626f62",       "010700000000000000", "1bdfe7d865524cb44aafed53cd5bd0a7f2c5bce06a298fea1c1a440c9d25b6d5", "89ea13c2c6904589d5ae5a60c55bf6642546bacc3fa3fc5065bc3e6f504559f9" },
    { "000500016974656d3132", "0173776f7264",       "7ba1b4091dcaaa3e691450dff30ca37f444694149618135f3806cca6d4b1e650", "3ab9061a9916fb8363ebf45143a71810e491772649e8da481d714cea98a71aa0" } };
  dmg_hash_t leaf[3], zero = { { 0 } };
  for( size_t i=0; i<3; i++ ) {
    uint8_t k[32], v[32];
    size_t  k_sz = strlen( row[i].k )/2, v_sz = strlen( row[i].v )/2;
    assert_int_equal( dmg_hex_decode( row[i].k, 2*k_sz, k, k_sz ), DMG_OK );
    assert_int_equal( dmg_hex_decode( row[i].v, 2*v_sz, v, v_sz ), DMG_OK );
    dmg_hash_t path = dmg_h( DMG_TAG_STATE_KEY, dmg_span( k, k_sz ) ), vh = dmg_h( DMG_TAG_STATE_VALUE, dmg_span( v, v_sz ) );
    assert_hex( path, row[i].path );
    assert_hex( vh, row[i].vh );
    leaf[i] = dmg_h_node( DMG_TAG_STATE_LEAF, &path, &vh );
  }
  assert_hex( leaf[0], "9123c6b69d4f299de0a2790091569f0c7542af21ddf2406ed570b055d8df571f" );
  /* K1 01111100.., K2 00011011..: they part at bit 1. */
  dmg_hash_t n = dmg_h_node( DMG_TAG_STATE_NODE, &leaf[1], &leaf[0] );
  assert_hex( dmg_h_node( DMG_TAG_STATE_NODE, &n, &zero ), "1bd7cd704889e276e0c182c9e70cdd48b194475fd6cb6d88a3e4274214a946a3" );
  /* K1 01111 1.., K3 01111 0..: they share five bits. */
  n = dmg_h_node( DMG_TAG_STATE_NODE, &leaf[2], &leaf[0] );
  for( int d=0; d<3; d++ ) n = dmg_h_node( DMG_TAG_STATE_NODE, &zero, &n );
  n = dmg_h_node( DMG_TAG_STATE_NODE, &leaf[1], &n );
  assert_hex( dmg_h_node( DMG_TAG_STATE_NODE, &n, &zero ), "eeb9b90d87e916b59d8d19b4f76527c755bac6370b60261c8c748f5fe09606af" );
}

/* The vectors of the reference implementation: key 00..0f, messages 00, 00 01, .. */
static void test_siphash_equals_its_authors_vectors( void ** state ) {
  (void)state;
  uint8_t key[ 16 ], msg[ 32 ];
  for( unsigned i = 0; i<16; i++ ) key[ i ] = (uint8_t)i;
  for( unsigned i = 0; i<32; i++ ) msg[ i ] = (uint8_t)i;
  assert_true( dmg_siphash24( key, dmg_span( msg, 0 ) )==0x726fdb47dd0e0e31ull );
  assert_true( dmg_siphash24( key, dmg_span( msg, 15 ) )==0xa129ca6149be45e5ull );
  assert_true( dmg_siphash24( key, dmg_span( msg, 32 ) )==0x7127512f72f27cceull );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_kernels_equal_openssl_on_every_length ),
    cmocka_unit_test( test_nodes_equal_openssl_for_every_lane_count ),
    cmocka_unit_test( test_stream_equals_whole_for_random_cuts ),
    cmocka_unit_test( test_tag_table_is_current ),
    cmocka_unit_test( test_nist_vectors ),
    cmocka_unit_test( test_keccak_and_blake2b_equal_a_peer ),
    cmocka_unit_test( test_state_vectors_of_s1 ),
    cmocka_unit_test( test_siphash_equals_its_authors_vectors ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
