/* merkle, mmr: against the plain definition written as recursion; forged paths are refused. */
#include "types/merkle.h"
#include "types/mmr.h"
#include "types/items.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

#define LEAVES 70
static dmg_tag_t const tag = DMG_TAG_BODY_NODE;

static void leaves_make( dmg_hash_t * out, size_t cnt ) {
  for( size_t i = 0; i<cnt; i++ ) { uint8_t b[ 4 ]; dmg_store_u32le( b, (uint32_t)i ); out[ i ] = dmg_h( DMG_TAG_BODY_TX, DMG_SPAN( b ) ); }
}

/* C2.4 from its top: the left subtree is the largest power of two below cnt, the rest stands right. */
static dmg_hash_t root_plain( dmg_hash_t const * h, size_t cnt ) {
  if( !cnt )   return (dmg_hash_t){ 0 };
  if( cnt==1 ) return h[ 0 ];
  size_t half = 1;
  while( 2*half<cnt ) half *= 2;
  dmg_hash_t l = root_plain( h, half ), r = root_plain( h+half, cnt-half );
  return dmg_h_node( tag, &l, &r );
}

static void test_root_equals_the_plain_definition( void ** state ) {
  dmg_hash_t h[ LEAVES ];
  leaves_make( h, LEAVES );
  dmg_merkle_t tree;
  dmg_merkle_init( &tree );
  for( size_t n = 0; n<=LEAVES; n++ ) {
    dmg_hash_t want = root_plain( h, n ), stream = dmg_merkle_end( &tree, tag );
    assert_true( dmg_hash_eq( &stream, &want ) );
    if( n<LEAVES ) dmg_merkle_add( &tree, tag, &h[ n ] );
  }
}

static void test_paths_verify_only_at_their_place( void ** state ) {
  dmg_hash_t h[ LEAVES ], copy[ LEAVES ];
  leaves_make( h, LEAVES );
  for( size_t n = 1; n<=33; n++ ) {
    dmg_hash_t root = root_plain( h, n );
    for( size_t i = 0; i<n; i++ ) {
      dmg_merkle_path_t path;
      memcpy( copy, h, sizeof copy );
      dmg_merkle_path( tag, copy, n, i, &path );
      assert_true( dmg_merkle_verify( tag, &root, &h[ i ], i, n, &path ) );
      assert_false( dmg_merkle_verify( tag, &root, &h[ i+1 ], i, n, &path ) );
      if( n>1 ) {
        assert_false( dmg_merkle_verify( tag, &root, &h[ i ], ( i+1 )%n, n, &path ) );
        dmg_merkle_path_t bent = path;
        bent.steps[ 0 ].is_left ^= 1;
        assert_false( dmg_merkle_verify( tag, &root, &h[ i ], i, n, &bent ) );
        bent = path;
        bent.steps[ path.cnt-1 ].sibling.b[ 0 ] ^= 1;
        assert_false( dmg_merkle_verify( tag, &root, &h[ i ], i, n, &bent ) );
        bent = path;
        bent.cnt--;
        assert_false( dmg_merkle_verify( tag, &root, &h[ i ], i, n, &bent ) );
      }
      assert_false( dmg_merkle_verify( tag, &root, &h[ i ], n, n, &path ) );
      uint8_t out[ DMG_MERKLE_PATH_BCS_MAX ];
      dmg_bcs_wr_t wr = dmg_bcs_wr( out, sizeof out );
      dmg_merkle_path_write( &wr, &path );
      dmg_bcs_rd_t rd = dmg_bcs_rd( dmg_bcs_wr_span( &wr ) );
      dmg_merkle_path_t back;
      dmg_merkle_path_read( &rd, &back );
      assert_int_equal( dmg_bcs_rd_end( &rd ), DMG_BCS_GOOD );
      assert_true( dmg_merkle_verify( tag, &root, &h[ i ], i, n, &back ) );
    }
  }
}

static void test_path_of_65535_leaves_has_16_steps( void ** state ) {
  static dmg_hash_t h[ DMG_MERKLE_LEAF_MAX ], copy[ DMG_MERKLE_LEAF_MAX ];
  dmg_merkle_t tree;
  dmg_merkle_init( &tree );
  for( uint32_t i = 0; i<DMG_MERKLE_LEAF_MAX; i++ ) { dmg_store_u32le( h[ i ].b, i ); dmg_merkle_add( &tree, tag, &h[ i ] ); }
  dmg_hash_t root = dmg_merkle_end( &tree, tag );
  memcpy( copy, h, sizeof copy );
  dmg_merkle_path_t path;
  dmg_merkle_path( tag, copy, DMG_MERKLE_LEAF_MAX, 12345, &path );
  assert_int_equal( path.cnt, DMG_MERKLE_PATH_MAX );
  assert_true( dmg_merkle_verify( tag, &root, &h[ 12345 ], 12345, DMG_MERKLE_LEAF_MAX, &path ) );
}

static void test_path_read_refuses_17_steps_and_odd_sides( void ** state ) {
  uint8_t bytes[ 1+17*33 ] = { 17 };
  dmg_merkle_path_t path;
  dmg_bcs_rd_t rd = dmg_bcs_rd( DMG_SPAN( bytes ) );
  dmg_merkle_path_read( &rd, &path );
  assert_int_equal( rd.bad, DMG_BCS_LENGTH );
  assert_int_equal( path.cnt, 0 );
  bytes[ 0 ] = 1;
  bytes[ 1 ] = 2;
  rd = dmg_bcs_rd( dmg_span( bytes, 34 ) );
  dmg_merkle_path_read( &rd, &path );
  assert_int_equal( rd.bad, DMG_BCS_BOOL );
}

static void test_mmr_root_equals_peaks_of_the_plain_tree( void ** state ) {
  dmg_hash_t h[ LEAVES ];
  leaves_make( h, LEAVES );
  dmg_mmr_t mmr = { 0 };
  for( size_t n = 0; n<LEAVES; n++ ) {
    assert_int_equal( dmg_mmr_append( &mmr, &h[ n ] ), n );
    /* Peaks by their definition: full trees over the leaves, tallest first. */
    size_t at = 0, peak = 0;
    for( unsigned bit = 7; bit--; ) {
      size_t sz = (size_t)1<<bit;
      if( !( ( n+1 )&sz ) ) continue;
      dmg_hash_t layer[ LEAVES ];
      memcpy( layer, h+at, sz*sizeof *layer );
      for( size_t c = sz; c>1; c /= 2 ) for( size_t i = 0; i<c/2; i++ ) layer[ i ] = dmg_h_node( DMG_TAG_MMR_NODE, &layer[ 2*i ], &layer[ 2*i+1 ] );
      assert_true( dmg_hash_eq( &layer[ 0 ], &mmr.peaks[ peak ] ) );
      peak++;
      at += sz;
    }
    assert_int_equal( peak, dmg_mmr_peak_cnt( &mmr ) );
  }
}

static void test_mmr_read_refuses_peaks_that_do_not_fit_count( void ** state ) {
  uint8_t out[ DMG_MMR_BCS_MAX ];
  dmg_mmr_t mmr = { .count = UINT64_MAX }, back;
  size_t sz = dmg_item_mmr_put( &mmr, out );
  assert_int_equal( sz, DMG_MMR_BCS_MAX );
  assert_int_equal( dmg_item_mmr_get( dmg_span( out, sz ), &back ), DMG_OK );
  assert_true( back.count==UINT64_MAX );
  out[ 0 ] = 0xfe;
  back.count = 5;
  assert_int_equal( dmg_item_mmr_get( dmg_span( out, sz ), &back ), DMG_ERR_CORRUPT );
  assert_int_equal( back.count, 5 );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_root_equals_the_plain_definition ),
    cmocka_unit_test( test_paths_verify_only_at_their_place ),
    cmocka_unit_test( test_path_of_65535_leaves_has_16_steps ),
    cmocka_unit_test( test_path_read_refuses_17_steps_and_odd_sides ),
    cmocka_unit_test( test_mmr_root_equals_peaks_of_the_plain_tree ),
    cmocka_unit_test( test_mmr_read_refuses_peaks_that_do_not_fit_count ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
