#include "base/test_rnd.h"
#include "types/state_proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

/* The fixed vectors of S1 and S12.4. */
static char const * const K_HEX[ 3 ]    = { "00020001616c696365", "00020001626f62", "000500016974656d3132" };
static char const * const V_HEX[ 3 ]    = { "012a00000000000000", "010700000000000000", "0173776f7264" };
static char const * const PATH_HEX[ 3 ] = { "7c13c73cc997ba7f5b08bd2062624925979d253495f547fade6ce50674025c70",
  "1bdfe7d865524cb44aafed53cd5bd0a7f2c5bce06a298fea1c1a440c9d25b6d5", "7ba1b4091dcaaa3e691450dff30ca37f444694149618135f3806cca6d4b1e650" };
static char const * const VH_HEX[ 3 ]   = { "d7e9c89a13a1cb4963a64e50cc48910271df8ea296666441c11842f041e641e9",
  "89ea13c2c6904589d5ae5a60c55bf6642546bacc3fa3fc5065bc3e6f504559f9", "3ab9061a9916fb8363ebf45143a71810e491772649e8da481d714cea98a71aa0" };
static char const * const ROOT_HEX[ 3 ] = { "9123c6b69d4f299de0a2790091569f0c7542af21ddf2406ed570b055d8df571f",
  "1bd7cd704889e276e0c182c9e70cdd48b194475fd6cb6d88a3e4274214a946a3", "eeb9b90d87e916b59d8d19b4f76527c755bac6370b60261c8c748f5fe09606af" };
#define PRESENT_HEX "0100060011b1a3a89041eb4201fbd0711450f8eb70f0bd77aaef2edcf46c946e0470acd4f9653c9e7374c96557045ac7fdcd61b62025c0e567e0d9bc023b9cffdaade795fb"
#define ABSENT_HEX  "01010300038ad9a7a0a7b27c4b347a8097dfbfb2747e357713713d1fe5f99928cb4c9f81c4653c9e7374c96557045ac7fdcd61b62025c0e567e0d9bc023b9cffdaade795fb"
#define STREAM_HEX  "01100d0000000100000000000000efcc9c00b1a3a89041eb4201fbd0711450f8eb70f0bd77aaef2edcf46c946e0470acd4f9"
#define ABSENT_KEY_HEX "000200017832"

typedef struct { uint8_t b[ 65536 ]; size_t sz; } bytes_t;

static bytes_t unhex( char const * hex ) {
  static bytes_t out;
  out.sz = strlen( hex )/2;
  assert_int_equal( dmg_hex_decode( hex, strlen( hex ), out.b, out.sz ), DMG_OK );
  return out;
}
static dmg_hash_t unhash( char const * hex ) { bytes_t b = unhex( hex ); assert_int_equal( b.sz, 32 ); return dmg_hash_load( b.b ); }
static dmg_span_t span( bytes_t const * b ) { return dmg_span( b->b, b->sz ); }

static void assert_hash( dmg_hash_t got, char const * hex ) {
  char text[ 65 ];
  dmg_hex_encode( got.b, 32, text );
  assert_string_equal( text, hex );
}

/* ---- A naive tree, to make proofs: sorted leaves, everything by recursion ---- */

typedef dmg_state_answer_t leaf_t;

static int leaf_cmp( void const * a, void const * b ) { return dmg_hash_cmp( &( (leaf_t const *)a )->path, &( (leaf_t const *)b )->path ); }

static size_t split( leaf_t const * l, size_t n, unsigned depth ) {
  size_t k = 0;
  while( k<n && !dmg_state_bit( &l[ k ].path, depth ) ) k++;
  return k;
}
static dmg_hash_t naive_root( leaf_t const * l, size_t n, unsigned depth ) {
  if( !n ) return (dmg_hash_t){ { 0 } };
  if( n==1 ) return dmg_state_leaf( &l->path, &l->vh );
  size_t k = split( l, n, depth );
  dmg_hash_t a = naive_root( l, k, depth+1 ), b = naive_root( l+k, n-k, depth+1 );
  return dmg_state_node( &a, &b );
}
static bytes_t naive_prove( leaf_t const * l, size_t n, dmg_hash_t const * path ) {
  static bytes_t out;
  dmg_hash_t sib[ 256 ];
  unsigned depth = 0;
  while( n>1 ) {
    size_t k = split( l, n, depth );
    if( dmg_state_bit( path, depth ) ) { sib[ depth ] = naive_root( l, k, depth+1 ); l += k; n -= k; }
    else                               { sib[ depth ] = naive_root( l+k, n-k, depth+1 ); n = k; }
    depth++;
  }
  memset( &out, 0, sizeof out );
  out.b[0] = 1;
  out.b[1] = !n ? 1 : dmg_hash_eq( &l->path, path ) ? 0 : 2;
  dmg_store_u16le( out.b+2, (uint16_t)depth );
  out.sz = 4+( depth+7 )/8;
  if( out.b[1]==2 ) { memcpy( out.b+out.sz, l, 64 ); out.sz += 64; }
  for( unsigned i=0; i<depth; i++ ) {
    dmg_hash_t const * s = sib+depth-1-i;
    if( dmg_hash_is_zero( s ) ) continue;
    out.b[ 4+i/8 ] |= (uint8_t)( 1u<<( i%8 ) );
    memcpy( out.b+out.sz, s->b, 32 );
    out.sz += 32;
  }
  return out;
}

typedef struct { uint8_t ops[ 8192 ]; size_t op_cnt; uint8_t hashes[ 65536 ]; size_t hash_cnt; uint8_t others[ 65536 ]; size_t other_cnt; } stream_t;

static void stream_op( stream_t * s, unsigned op ) { s->ops[ s->op_cnt/4 ] |= (uint8_t)( op<<( 2*( s->op_cnt%4 ) ) ); s->op_cnt++; }
static bool meets( dmg_state_range_t const * q, size_t cnt, dmg_hash_t const * lo, dmg_hash_t const * hi ) {
  for( size_t i=0; i<cnt; i++ ) if( dmg_hash_cmp( &q[ i ].hi, lo )>=0 && dmg_hash_cmp( &q[ i ].lo, hi )<=0 ) return true;
  return false;
}
static void naive_stream( stream_t * s, leaf_t const * l, size_t n, unsigned depth, dmg_hash_t lo, dmg_hash_t hi, dmg_state_range_t const * q, size_t cnt ) {
  if( !n ) { stream_op( s, 0 ); return; }
  if( !meets( q, cnt, &lo, &hi ) ) {
    dmg_hash_t h = naive_root( l, n, depth );
    stream_op( s, 1 );
    memcpy( s->hashes+32*s->hash_cnt++, h.b, 32 );
    return;
  }
  if( n==1 ) {
    stream_op( s, 2 );
    if( !meets( q, cnt, &l->path, &l->path ) ) memcpy( s->others+64*s->other_cnt++, l, 64 );
    return;
  }
  stream_op( s, 3 );
  size_t k = split( l, n, depth );
  dmg_hash_t mid_hi = hi, mid_lo = lo;
  mid_hi.b[ depth/8 ] &= (uint8_t)~( 0x80u>>( depth%8 ) );
  mid_lo.b[ depth/8 ] |= (uint8_t)( 0x80u>>( depth%8 ) );
  naive_stream( s, l, k, depth+1, lo, mid_hi, q, cnt );
  naive_stream( s, l+k, n-k, depth+1, mid_lo, hi, q, cnt );
}
static bytes_t naive_prove_stream( leaf_t const * l, size_t n, dmg_state_range_t const * q, size_t cnt ) {
  static bytes_t out;
  static stream_t s;
  memset( &s, 0, sizeof s );
  memset( &out, 0, sizeof out );
  dmg_hash_t lo = { { 0 } }, hi;
  memset( hi.b, 0xff, 32 );
  naive_stream( &s, l, n, 0, lo, hi, q, cnt );
  out.b[0] = 1; out.b[1] = 16;
  dmg_store_u32le( out.b+2, (uint32_t)s.op_cnt );
  dmg_store_u32le( out.b+6, (uint32_t)s.hash_cnt );
  dmg_store_u32le( out.b+10, (uint32_t)s.other_cnt );
  out.sz = 14;
  memcpy( out.b+out.sz, s.ops, ( s.op_cnt+3 )/4 ); out.sz += ( s.op_cnt+3 )/4;
  memcpy( out.b+out.sz, s.hashes, 32*s.hash_cnt ); out.sz += 32*s.hash_cnt;
  memcpy( out.b+out.sz, s.others, 64*s.other_cnt ); out.sz += 64*s.other_cnt;
  return out;
}

static void spec_leaves( leaf_t out[ 3 ] ) {
  for( int i=0; i<3; i++ ) {
    bytes_t k = unhex( K_HEX[ i ] );
    out[ i ].path = dmg_state_path( span( &k ) );
    bytes_t v = unhex( V_HEX[ i ] );
    out[ i ].vh = dmg_state_value_hash( span( &v ) );
  }
}

/* ---- Vectors ---- */

static void test_vectors_of_paths_and_roots( void ** st ) {
  leaf_t l[ 3 ];
  spec_leaves( l );
  for( int i=0; i<3; i++ ) { assert_hash( l[ i ].path, PATH_HEX[ i ] ); assert_hash( l[ i ].vh, VH_HEX[ i ] ); }
  assert_hash( dmg_state_leaf( &l[0].path, &l[0].vh ), ROOT_HEX[0] );
  assert_int_equal( dmg_state_shared_bits( &l[0].path, &l[2].path ), 5 );
  assert_int_equal( dmg_state_shared_bits( &l[0].path, &l[0].path ), 256 );
  for( size_t n=1; n<=3; n++ ) {
    leaf_t s[ 3 ];
    memcpy( s, l, sizeof s );
    qsort( s, n, sizeof *s, leaf_cmp );
    assert_hash( naive_root( s, n, 0 ), ROOT_HEX[ n-1 ] );
  }
}

static void test_vector_present_is_good( void ** st ) {
  dmg_hash_t root = unhash( ROOT_HEX[2] );
  bytes_t k = unhex( K_HEX[0] ), v = unhex( V_HEX[0] ), p = unhex( PRESENT_HEX );
  dmg_span_t value = span( &v );
  assert_int_equal( dmg_state_proof_check( &root, span( &k ), &value, span( &p ) ), DMG_STATE_PROOF_GOOD );
  assert_int_equal( dmg_state_proof_check( &root, span( &k ), NULL, span( &p ) ), DMG_STATE_PROOF_CLAIM );
  v.b[1] ^= 1;
  assert_int_equal( dmg_state_proof_check( &root, span( &k ), &value, span( &p ) ), DMG_STATE_PROOF_ROOT );
}

static void test_vector_absent_is_good( void ** st ) {
  dmg_hash_t root = unhash( ROOT_HEX[2] );
  bytes_t k = unhex( ABSENT_KEY_HEX ), p = unhex( ABSENT_HEX );
  assert_int_equal( dmg_state_proof_check( &root, span( &k ), NULL, span( &p ) ), DMG_STATE_PROOF_GOOD );
  k = unhex( K_HEX[0] );
  assert_int_not_equal( dmg_state_proof_check( &root, span( &k ), NULL, span( &p ) ), DMG_STATE_PROOF_GOOD );
}

static void test_vector_stream_is_good( void ** st ) {
  dmg_hash_t root = unhash( ROOT_HEX[2] );
  leaf_t l[ 3 ];
  spec_leaves( l );
  leaf_t a[ 2 ] = { l[1], l[0] };
  dmg_state_range_t q[ 2 ] = { { l[1].path, l[1].path }, { l[0].path, l[0].path } };
  bytes_t p = unhex( STREAM_HEX );
  assert_int_equal( dmg_state_proof_check_stream( &root, q, 2, a, 2, span( &p ) ), DMG_STATE_PROOF_GOOD );
  assert_int_not_equal( dmg_state_proof_check_stream( &root, q, 2, a, 1, span( &p ) ), DMG_STATE_PROOF_GOOD );
  assert_int_not_equal( dmg_state_proof_check_stream( &root, q, 1, a, 1, span( &p ) ), DMG_STATE_PROOF_GOOD );
  /* Our prover makes the same bytes. */
  qsort( l, 3, sizeof *l, leaf_cmp );
  bytes_t made = naive_prove_stream( l, 3, q, 2 );
  assert_true( dmg_span_eq( span( &made ), span( &p ) ) );
}

/* ---- Refusals ---- */

static void test_single_every_changed_bit_is_refused( void ** st ) {
  dmg_hash_t root = unhash( ROOT_HEX[2] );
  leaf_t l[ 3 ];
  spec_leaves( l );
  qsort( l, 3, sizeof *l, leaf_cmp );
  /* Present, empty slot and other leaf. */
  bytes_t k = unhex( ABSENT_KEY_HEX );
  dmg_hash_t empty_path = dmg_state_path( span( &k ) ), other_path = l[0].path;
  other_path.b[31] ^= 1;
  struct { dmg_hash_t path; dmg_hash_t const * vh; } claim[ 3 ] = { { l[1].path, &l[1].vh }, { empty_path, NULL }, { other_path, NULL } };
  for( int c=0; c<3; c++ ) {
    bytes_t p = naive_prove( l, 3, &claim[ c ].path );
    assert_int_equal( p.b[1], c );
    assert_int_equal( dmg_state_proof_check_path( &root, &claim[ c ].path, claim[ c ].vh, span( &p ) ), DMG_STATE_PROOF_GOOD );
    for( size_t bit=0; bit<8*p.sz; bit++ ) {
      p.b[ bit/8 ] ^= (uint8_t)( 1u<<( bit%8 ) );
      assert_int_not_equal( dmg_state_proof_check_path( &root, &claim[ c ].path, claim[ c ].vh, span( &p ) ), DMG_STATE_PROOF_GOOD );
      assert_int_not_equal( dmg_state_proof_check_path( &root, &claim[ c ].path, claim[ c ].vh ? NULL : &l[1].vh, span( &p ) ), DMG_STATE_PROOF_GOOD );
      p.b[ bit/8 ] ^= (uint8_t)( 1u<<( bit%8 ) );
    }
    for( size_t sz=0; sz<p.sz; sz++ ) assert_int_not_equal( dmg_state_proof_check_path( &root, &claim[ c ].path, claim[ c ].vh, dmg_span( p.b, sz ) ), DMG_STATE_PROOF_GOOD );
    p.sz++;
    assert_int_equal( dmg_state_proof_check_path( &root, &claim[ c ].path, claim[ c ].vh, span( &p ) ), DMG_STATE_PROOF_LENGTH );
  }
}

static void test_single_refuses_forms_that_fold_right( void ** st ) {
  /* The key alone: depth 0.  The same root must not be shown by a deeper or zero-padded form. */
  leaf_t l[ 3 ];
  spec_leaves( l );
  dmg_hash_t root = dmg_state_leaf( &l[0].path, &l[0].vh );
  uint8_t p[ 4+32+32 ] = { 1, 0, 0, 0 };
  assert_int_equal( dmg_state_proof_check_path( &root, &l[0].path, &l[0].vh, dmg_span( p, 4 ) ), DMG_STATE_PROOF_GOOD );
  /* Depth 1 with an empty lowest sibling, over the root that such a fold gives. */
  dmg_hash_t z = { { 0 } }, bad_root = dmg_state_node( &root, &z );
  p[2] = 1;
  assert_int_equal( dmg_state_proof_check_path( &bad_root, &l[0].path, &l[0].vh, dmg_span( p, 5 ) ), DMG_STATE_PROOF_FORM );
  /* The same as an explicit sibling of zeros. */
  p[4] = 1;
  memset( p+5, 0, 32 );
  assert_int_equal( dmg_state_proof_check_path( &bad_root, &l[0].path, &l[0].vh, dmg_span( p, 37 ) ), DMG_STATE_PROOF_FORM );
  /* Depth 257. */
  dmg_store_u16le( p+2, 257 );
  assert_int_equal( dmg_state_proof_check_path( &root, &l[0].path, &l[0].vh, dmg_span( p, 37 ) ), DMG_STATE_PROOF_DEPTH );
  /* A spare bit. */
  dmg_store_u16le( p+2, 1 );
  p[4] = 3;
  assert_int_equal( dmg_state_proof_check_path( &root, &l[0].path, &l[0].vh, dmg_span( p, 37 ) ), DMG_STATE_PROOF_SPARE );
  /* Absent by an other leaf that is the key itself. */
  uint8_t o[ 68 ] = { 1, 2, 0, 0 };
  memcpy( o+4, l[0].path.b, 32 );
  memcpy( o+36, l[0].vh.b, 32 );
  assert_int_equal( dmg_state_proof_check_path( &root, &l[0].path, NULL, dmg_span( o, 68 ) ), DMG_STATE_PROOF_CLAIM );
  assert_int_equal( dmg_state_proof_check_path( &root, &l[1].path, NULL, dmg_span( o, 68 ) ), DMG_STATE_PROOF_GOOD );
  assert_int_equal( dmg_state_proof_check_path( &root, &l[1].path, NULL, dmg_span( NULL, 0 ) ), DMG_STATE_PROOF_LENGTH );
  o[0] = 2;
  assert_int_equal( dmg_state_proof_check_path( &root, &l[1].path, NULL, dmg_span( o, 68 ) ), DMG_STATE_PROOF_VERSION );
}

static void test_stream_every_changed_bit_is_refused( void ** st ) {
  dmg_hash_t root = unhash( ROOT_HEX[2] );
  leaf_t l[ 3 ];
  spec_leaves( l );
  qsort( l, 3, sizeof *l, leaf_cmp );
  dmg_state_range_t q[ 3 ] = { { l[0].path, l[0].path }, { l[1].path, l[1].path } };
  q[1].hi.b[31] ^= 0xff;                      /* a short range above K3 */
  if( dmg_hash_cmp( &q[1].lo, &q[1].hi )>0 ) { dmg_hash_t t = q[1].lo; q[1].lo = q[1].hi; q[1].hi = t; }
  q[2].lo = q[2].hi = l[2].path;
  q[2].lo.b[31] ^= 1; q[2].hi = q[2].lo;      /* beside K1: an `other` */
  bytes_t p = naive_prove_stream( l, 3, q, 3 );
  assert_int_equal( dmg_load_u32le( p.b+10 ), 1 );
  assert_int_equal( dmg_state_proof_check_stream( &root, q, 3, l, 2, span( &p ) ), DMG_STATE_PROOF_GOOD );
  for( size_t bit=0; bit<8*p.sz; bit++ ) {
    p.b[ bit/8 ] ^= (uint8_t)( 1u<<( bit%8 ) );
    assert_int_not_equal( dmg_state_proof_check_stream( &root, q, 3, l, 2, span( &p ) ), DMG_STATE_PROOF_GOOD );
    p.b[ bit/8 ] ^= (uint8_t)( 1u<<( bit%8 ) );
  }
  for( size_t sz=0; sz<p.sz; sz++ ) assert_int_not_equal( dmg_state_proof_check_stream( &root, q, 3, l, 2, dmg_span( p.b, sz ) ), DMG_STATE_PROOF_GOOD );
  /* Unsorted or touching ranges, unsorted answers, bounds. */
  dmg_state_range_t swapped[ 3 ] = { q[1], q[0], q[2] };
  assert_int_equal( dmg_state_proof_check_stream( &root, swapped, 3, l, 2, span( &p ) ), DMG_STATE_PROOF_CLAIM );
  leaf_t back[ 2 ] = { l[1], l[0] };
  assert_int_equal( dmg_state_proof_check_stream( &root, q, 3, back, 2, span( &p ) ), DMG_STATE_PROOF_CLAIM );
  assert_int_equal( dmg_state_proof_check_stream( &root, q, DMG_STATE_STREAM_RANGES_MAX+1, l, 2, span( &p ) ), DMG_STATE_PROOF_LIMIT );
}

static void test_stream_refuses_branch_over_lone_leaf( void ** st ) {
  leaf_t l[ 3 ];
  spec_leaves( l );
  dmg_hash_t leaf = dmg_state_leaf( &l[1].path, &l[1].vh ), z = { { 0 } }, root = dmg_state_node( &leaf, &z );   /* K2 begins with 0 */
  dmg_state_range_t q = { l[1].path, l[1].path };
  /* BRANCH LEAF EMPTY */
  uint8_t p[ 15 ] = { 1, 16, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3|2<<2|0<<4 };
  assert_int_equal( dmg_state_proof_check_stream( &root, &q, 1, l+1, 1, dmg_span( p, 15 ) ), DMG_STATE_PROOF_FORM );
  /* The empty tree: one op, no answer. */
  uint8_t e[ 15 ] = { 1, 16, 1 };
  assert_int_equal( dmg_state_proof_check_stream( &z, &q, 1, NULL, 0, dmg_span( e, 15 ) ), DMG_STATE_PROOF_GOOD );
  assert_int_equal( dmg_state_proof_check_stream( &root, &q, 1, NULL, 0, dmg_span( e, 15 ) ), DMG_STATE_PROOF_ROOT );
}

static void test_stream_of_branches_only_ends_at_depth_256( void ** st ) {
  /* 300 BRANCH ops along the queried path: refused, without recursing past 256. */
  static uint8_t p[ 14+75 ];
  memset( p, 0xff, sizeof p );
  p[0] = 1; p[1] = 16;
  dmg_store_u32le( p+2, 300 );
  dmg_store_u32le( p+6, 0 );
  dmg_store_u32le( p+10, 0 );
  dmg_hash_t z = { { 0 } };
  dmg_state_range_t q = { z, z };
  assert_int_equal( dmg_state_proof_check_stream( &z, &q, 1, NULL, 0, dmg_span( p, sizeof p ) ), DMG_STATE_PROOF_FORM );
}

/* A stream by hand: ops as text (E H L B), then hashes and others. */
static bytes_t stream_of( char const * ops, dmg_hash_t const * hashes, size_t hash_cnt, leaf_t const * others, size_t other_cnt ) {
  static bytes_t out;
  memset( &out, 0, sizeof out );
  size_t n = strlen( ops );
  out.b[0] = 1; out.b[1] = 16;
  dmg_store_u32le( out.b+2, (uint32_t)n );
  dmg_store_u32le( out.b+6, (uint32_t)hash_cnt );
  dmg_store_u32le( out.b+10, (uint32_t)other_cnt );
  for( size_t i=0; i<n; i++ ) out.b[ 14+i/4 ] |= (uint8_t)( ( ops[ i ]=='E' ? 0 : ops[ i ]=='H' ? 1 : ops[ i ]=='L' ? 2 : 3 )<<( 2*( i%4 ) ) );
  out.sz = 14+( n+3 )/4;
  if( hash_cnt )  { memcpy( out.b+out.sz, hashes, 32*hash_cnt );  out.sz += 32*hash_cnt; }
  if( other_cnt ) { memcpy( out.b+out.sz, others, 64*other_cnt ); out.sz += 64*other_cnt; }
  return out;
}

static void test_stream_refuses_hidden_missing_and_extra_answers( void ** st ) {
  /* Two keys, one a half: root = node( leaf a, leaf b ). */
  leaf_t a = { .path = { { 0x10 } }, .vh = { { 1 } } }, b = { .path = { { 0x90 } }, .vh = { { 2 } } };
  dmg_hash_t ha = dmg_state_leaf( &a.path, &a.vh ), hb = dmg_state_leaf( &b.path, &b.vh ), root = dmg_state_node( &ha, &hb );
  dmg_state_range_t at_a = { a.path, a.path }, all = { .lo = { { 0 } } };
  memset( all.hi.b, 0xff, 32 );
  leaf_t both[ 3 ] = { a, b, b };
  bytes_t p = stream_of( "BLL", NULL, 0, NULL, 0 );
  assert_int_equal( dmg_state_proof_check_stream( &root, &all, 1, both, 2, span( &p ) ), DMG_STATE_PROOF_GOOD );
  p = stream_of( "BLH", &hb, 1, NULL, 0 );
  assert_int_equal( dmg_state_proof_check_stream( &root, &at_a, 1, both, 1, span( &p ) ), DMG_STATE_PROOF_GOOD );
  /* A hash where the question reaches hides an answer: the whole tree, and one half. */
  p = stream_of( "H", &root, 1, NULL, 0 );
  assert_int_equal( dmg_state_proof_check_stream( &root, &at_a, 1, NULL, 0, span( &p ) ), DMG_STATE_PROOF_CLAIM );
  p = stream_of( "BLH", &hb, 1, NULL, 0 );
  assert_int_equal( dmg_state_proof_check_stream( &root, &all, 1, both, 1, span( &p ) ), DMG_STATE_PROOF_CLAIM );
  /* An answer passed off as a leaf that nobody asked for. */
  p = stream_of( "BLL", NULL, 0, &b, 1 );
  assert_int_equal( dmg_state_proof_check_stream( &root, &all, 1, both, 1, span( &p ) ), DMG_STATE_PROOF_CLAIM );
  /* The other leaf is told in full only where the question reaches. */
  assert_int_equal( dmg_state_proof_check_stream( &root, &at_a, 1, both, 1, span( &p ) ), DMG_STATE_PROOF_FORM );
  /* An answer that no leaf stands for: after the last, and before. */
  leaf_t three[ 3 ] = { a, b, { .path = { { 0xf0 } }, .vh = { { 3 } } } };
  p = stream_of( "BLL", NULL, 0, NULL, 0 );
  assert_int_equal( dmg_state_proof_check_stream( &root, &all, 1, three, 3, span( &p ) ), DMG_STATE_PROOF_CLAIM );
  three[2] = b; three[1] = (leaf_t){ .path = { { 0x20 } } };
  assert_int_not_equal( dmg_state_proof_check_stream( &root, &all, 1, three, 3, span( &p ) ), DMG_STATE_PROOF_GOOD );
  /* An answer outside the question. */
  p = stream_of( "BLH", &hb, 1, NULL, 0 );
  assert_int_equal( dmg_state_proof_check_stream( &root, &at_a, 1, both, 2, span( &p ) ), DMG_STATE_PROOF_CLAIM );
  /* An empty half as a hash of zeros, over the root that such bytes fold to. */
  leaf_t a2 = { .path = { { 0x50 } }, .vh = { { 4 } } };
  dmg_hash_t h2 = dmg_state_leaf( &a2.path, &a2.vh ), left = dmg_state_node( &ha, &h2 ), z = { { 0 } }, lop = dmg_state_node( &left, &z );
  leaf_t pair[ 2 ] = { a, a2 };
  dmg_state_range_t half = { .lo = { { 0 } } };
  memset( half.hi.b, 0xff, 32 );
  half.hi.b[0] = 0x7f;
  p = stream_of( "BBLLE", NULL, 0, NULL, 0 );
  assert_int_equal( dmg_state_proof_check_stream( &lop, &half, 1, pair, 2, span( &p ) ), DMG_STATE_PROOF_GOOD );
  p = stream_of( "BBLLH", &z, 1, NULL, 0 );
  assert_int_equal( dmg_state_proof_check_stream( &lop, &half, 1, pair, 2, span( &p ) ), DMG_STATE_PROOF_FORM );
  /* The lists end together: nothing is left over in any of them. */
  struct { char const * ops; size_t hashes, others; } left_over[] = { { "BLL", 1, 0 }, { "BLL", 0, 1 }, { "BLLE", 0, 0 }, { "BL", 0, 0 } };
  for( size_t i=0; i<sizeof left_over/sizeof *left_over; i++ ) {
    p = stream_of( left_over[ i ].ops, &hb, left_over[ i ].hashes, &b, left_over[ i ].others );
    assert_int_equal( dmg_state_proof_check_stream( &root, &all, 1, both, 2, span( &p ) ), DMG_STATE_PROOF_FORM );
  }
  /* A leaf that stands in the wrong half of a root someone made up. */
  dmg_hash_t twisted = dmg_state_node( &hb, &ha );
  p = stream_of( "BLL", NULL, 0, both, 2 );
  dmg_state_range_t ends[ 2 ] = { { .lo = { { 0 } }, .hi = { { 0 } } }, { all.hi, all.hi } };
  leaf_t swapped[ 2 ] = { b, a };
  p = stream_of( "BLL", NULL, 0, swapped, 2 );
  assert_int_equal( dmg_state_proof_check_stream( &twisted, ends, 2, NULL, 0, span( &p ) ), DMG_STATE_PROOF_CLAIM );
}

static void test_single_refuses_other_leaf_off_the_way( void ** st ) {
  /* root = node( leaf b, leaf a ) with b in the wrong half: no tree has it, and it shows nothing about 0x20.. */
  leaf_t a = { .path = { { 0x10 } }, .vh = { { 1 } } }, b = { .path = { { 0x90 } }, .vh = { { 2 } } };
  dmg_hash_t ha = dmg_state_leaf( &a.path, &a.vh ), hb = dmg_state_leaf( &b.path, &b.vh ), root = dmg_state_node( &hb, &ha ), path = { { 0x20 } };
  uint8_t p[ 5+64+32 ] = { 1, 2, 1, 0, 1 };
  memcpy( p+5, &b, 64 );
  memcpy( p+69, ha.b, 32 );
  assert_int_equal( dmg_state_proof_check_path( &root, &path, NULL, DMG_SPAN( p ) ), DMG_STATE_PROOF_CLAIM );
}

/* ---- Random trees ---- */

static void test_random_trees_prove_what_they_hold( void ** st ) {
  seed( 20261125 );
  for( int round=0; round<40; round++ ) {
    leaf_t l[ 120 ];
    size_t n = rnd()%121;
    for( size_t i=0; i<n; i++ ) {
      for( int b=0; b<32; b++ ) { l[ i ].path.b[ b ] = (uint8_t)rnd(); l[ i ].vh.b[ b ] = (uint8_t)rnd(); }
      if( i && rnd()%4==0 ) {                  /* share all but the last bits with an earlier one */
        unsigned keep = 200+(unsigned)( rnd()%56 );
        dmg_hash_t o = l[ rnd()%i ].path;
        o.b[ keep/8 ] ^= (uint8_t)( 0x80u>>( keep%8 ) );
        l[ i ].path = o;
      }
    }
    qsort( l, n, sizeof *l, leaf_cmp );
    size_t m = 0;
    for( size_t i=0; i<n; i++ ) if( !m || leaf_cmp( l+m-1, l+i ) ) l[ m++ ] = l[ i ];
    n = m;
    dmg_hash_t root = naive_root( l, n, 0 );
    for( size_t i=0; i<n; i++ ) {
      bytes_t p = naive_prove( l, n, &l[ i ].path );
      assert_int_equal( dmg_state_proof_check_path( &root, &l[ i ].path, &l[ i ].vh, span( &p ) ), DMG_STATE_PROOF_GOOD );
      assert_int_not_equal( dmg_state_proof_check_path( &root, &l[ i ].path, &l[ ( i+1 )%n ].vh, span( &p ) ), n==1 ? DMG_STATE_PROOF_ROOT : DMG_STATE_PROOF_GOOD );
      dmg_hash_t gone = l[ i ].path;
      gone.b[ rnd()%32 ] ^= (uint8_t)( 1u<<( rnd()%8 ) );
      leaf_t key = { .path = gone };
      if( bsearch( &key, l, n, sizeof *l, leaf_cmp ) ) continue;
      p = naive_prove( l, n, &gone );
      assert_int_equal( dmg_state_proof_check_path( &root, &gone, NULL, span( &p ) ), DMG_STATE_PROOF_GOOD );
      assert_int_not_equal( dmg_state_proof_check_path( &root, &l[ i ].path, NULL, span( &p ) ), DMG_STATE_PROOF_GOOD );
    }
    /* Ranges: random bounds, sorted; answers are what lies inside. */
    dmg_state_range_t q[ 4 ];
    size_t q_cnt = 1+rnd()%4;
    dmg_hash_t bound[ 8 ];
    for( size_t i=0; i<2*q_cnt; i++ ) for( int b=0; b<32; b++ ) bound[ i ].b[ b ] = (uint8_t)rnd();
    qsort( bound, 2*q_cnt, sizeof *bound, leaf_cmp );
    for( size_t i=0; i<q_cnt; i++ ) q[ i ] = (dmg_state_range_t){ bound[ 2*i ], bound[ 2*i+1 ] };
    leaf_t a[ 120 ];
    size_t a_cnt = 0;
    for( size_t i=0; i<n; i++ ) if( meets( q, q_cnt, &l[ i ].path, &l[ i ].path ) ) a[ a_cnt++ ] = l[ i ];
    bytes_t p = naive_prove_stream( l, n, q, q_cnt );
    assert_int_equal( dmg_state_proof_check_stream( &root, q, q_cnt, a, a_cnt, span( &p ) ), DMG_STATE_PROOF_GOOD );
    if( a_cnt ) {
      assert_int_not_equal( dmg_state_proof_check_stream( &root, q, q_cnt, a+1, a_cnt-1, span( &p ) ), DMG_STATE_PROOF_GOOD );
      a[ rnd()%a_cnt ].vh.b[ 0 ] ^= 1;
      assert_int_not_equal( dmg_state_proof_check_stream( &root, q, q_cnt, a, a_cnt, span( &p ) ), DMG_STATE_PROOF_GOOD );
    }
  }
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_vectors_of_paths_and_roots ),
    cmocka_unit_test( test_vector_present_is_good ),
    cmocka_unit_test( test_vector_absent_is_good ),
    cmocka_unit_test( test_vector_stream_is_good ),
    cmocka_unit_test( test_single_every_changed_bit_is_refused ),
    cmocka_unit_test( test_single_refuses_forms_that_fold_right ),
    cmocka_unit_test( test_stream_every_changed_bit_is_refused ),
    cmocka_unit_test( test_stream_refuses_branch_over_lone_leaf ),
    cmocka_unit_test( test_stream_of_branches_only_ends_at_depth_256 ),
    cmocka_unit_test( test_stream_refuses_hidden_missing_and_extra_answers ),
    cmocka_unit_test( test_single_refuses_other_leaf_off_the_way ),
    cmocka_unit_test( test_random_trees_prove_what_they_hold ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
