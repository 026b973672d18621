/* Compact bodies, shards and the questions about them, byte by byte: every cut, every bound, vectors by another hand (Python's hashlib, GF(2^8) by shift and xor). */
#include "network/chainnet_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static dmg_span_t slots[ DMG_BODY_TX_MAX ];

static dmg_hash_t hash_of( uint8_t b ) { dmg_hash_t h; memset( h.b, b, 32 ); return h; }

/* In memory of just that size, so that a read past it is seen. */
static dmg_verdict_t compact( uint8_t const * p, size_t sz, dmg_wire_compact_t * out ) {
  uint8_t * tight = malloc( sz ? sz : 1 );
  memcpy( tight, p, sz );
  dmg_verdict_t v = dmg_wire_compact_decode( dmg_span( tight, sz ), out, slots );
  free( tight );
  return v;
}

static void test_a_compact_body_is_drawn_so( void ** state ) {
  uint8_t const bytes[] = {
    8, 7, 6, 5, 4, 3, 2, 1,                 /* nonce */
    2, 0, 0,                                /* lists: no attendance, no evidence */
    2,  1, 2, 3, 4, 5, 6,  7, 8, 9, 10, 11, 12,
    2,  0, 0, 1, 'a',  3, 0, 2, 'b', 'c',   /* the first and the last of four */
  };
  dmg_wire_compact_t c;
  assert_int_equal( dmg_wire_compact_decode( DMG_SPAN( bytes ), &c, slots ).kind, DMG_VERDICT_GOOD );
  assert_true( c.nonce==0x0102030405060708u && c.tx_cnt==4 && c.lists.sz==2 && c.ids.sz==12 );
  assert_true( dmg_span_eq( slots[ 0 ], DMG_SPAN_STR( "a" ) ) && !slots[ 1 ].p && !slots[ 2 ].p && dmg_span_eq( slots[ 3 ], DMG_SPAN_STR( "bc" ) ) );
  dmg_buf_t out = dmg_buf( 1000 );
  assert_int_equal( dmg_wire_compact_encode( &c, slots, &out ), DMG_OK );
  assert_true( dmg_span_eq( dmg_buf_span( &out ), DMG_SPAN( bytes ) ) );
  dmg_buf_fini( &out );
  for( size_t n = 0; n<sizeof bytes; n++ ) assert_int_equal( compact( bytes, n, &c ).kind, DMG_VERDICT_BAD );
  /* Ascending, inside, not empty; none at all. */
  struct { size_t at; uint8_t to; } const bad[] = { { 29, 0 }, { 29, 4 }, { 30, 1 }, { 31, 0 }, { 27, 0 } };
  for( unsigned i = 0; i<sizeof bad/sizeof bad[ 0 ]; i++ ) {
    uint8_t b[ sizeof bytes ];
    memcpy( b, bytes, sizeof b );
    b[ bad[ i ].at ] = bad[ i ].to;
    if( compact( b, sizeof b, &c ).kind!=DMG_VERDICT_BAD ) fail_msg( "case %u", i );
  }
  uint8_t const none[] = { 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0 };
  assert_int_equal( compact( none, sizeof none, &c ).kind, DMG_VERDICT_BAD );
}

static void test_a_compact_body_has_at_most_10000( void ** state ) {
  static uint8_t b[ 80000 ];
  dmg_wire_compact_t c;
  for( uint32_t ids = 9999; ids<=10001; ids++ ) for( unsigned pre = 0; pre<2; pre++ ) {
    dmg_bcs_wr_t wr = dmg_bcs_wr( b, sizeof b );
    dmg_bcs_wr_u64( &wr, 1 );
    dmg_bcs_wr_bytes( &wr, DMG_SPAN_STR( "xx" ) );
    dmg_bcs_wr_uleb( &wr, ids );
    wr.p += 6*(size_t)ids;
    dmg_bcs_wr_uleb( &wr, pre );
    if( pre ) { dmg_bcs_wr_u16( &wr, 0 ); dmg_bcs_wr_bytes( &wr, DMG_SPAN_STR( "t" ) ); }
    bool is_good = compact( b, dmg_bcs_wr_span( &wr ).sz, &c ).kind==DMG_VERDICT_GOOD;
    assert_int_equal( is_good, ids+pre<=10000 );
  }
}

static void test_short_ids_are_these( void ** state ) {
  uint8_t key[ 16 ];
  dmg_hash_t h = hash_of( 9 ), leaf = dmg_h( DMG_TAG_BODY_TX, DMG_SPAN_STR( "abc" ) );
  dmg_wire_short_key( &h, 7, key );
  assert_true( dmg_wire_short_id( key, &leaf )==0x6e3371a2032cull );
}

static void test_shards_are_drawn_so( void ** state ) {
  dmg_wire_shard_t s = { .head = { .view = 5, .body_hash = hash_of( 3 ), .body_len = 1000, .form = DMG_WIRE_SHREDS, .k = 8, .shard_root = hash_of( 4 ) }, .index = 15 }, back;
  s.path.cnt = 2;
  s.path.steps[ 0 ] = (dmg_merkle_step_t){ 1, hash_of( 1 ) };
  s.path.steps[ 1 ] = (dmg_merkle_step_t){ 0, hash_of( 2 ) };
  uint8_t bytes[ 128 ] = { 9 };
  assert_int_equal( dmg_wire_shard_sz( 1000, 8 ), 128 );   /* 125, rounded up to 64 */
  assert_int_equal( dmg_wire_shard_sz( 1024, 8 ), 128 );
  assert_int_equal( dmg_wire_shard_sz( 1025, 8 ), 192 );
  assert_int_equal( dmg_wire_shard_sz( 4, 64 ), 64 );
  s.bytes = DMG_SPAN( bytes );
  dmg_buf_t b = dmg_buf( 4096 );
  assert_int_equal( dmg_wire_shard_encode( &s, &b ), DMG_OK );
  assert_int_equal( b.sz, DMG_WIRE_HEAD_SZ+2+1+2*33+128 );
  assert_int_equal( dmg_wire_shard_decode( dmg_buf_span( &b ), &back ).kind, DMG_VERDICT_GOOD );
  assert_true( back.index==15 && back.path.cnt==2 && dmg_span_eq( back.bytes, s.bytes ) && back.head.k==8 );
  for( size_t n = 0; n<b.sz; n++ ) {
    uint8_t * tight = malloc( n ? n : 1 );
    memcpy( tight, b.p, n );
    assert_int_equal( dmg_wire_shard_decode( dmg_span( tight, n ), &back ).kind, DMG_VERDICT_BAD );
    free( tight );
  }
  /* Forms and numbers that do not go together. */
  struct { size_t at; uint8_t to; } const bad[] = { { 48, 0 }, { 48, 1 }, { 48, 3 }, { 49, 0 }, { 49, 65 }, { 49, 7 }, { 45, 0 }, { 46, 0x20 }, { DMG_WIRE_HEAD_SZ, 128 }, { DMG_WIRE_HEAD_SZ+2, 17 }, { DMG_WIRE_HEAD_SZ+3, 2 } };
  for( unsigned i = 0; i<sizeof bad/sizeof bad[ 0 ]; i++ ) {
    uint8_t was = b.p[ bad[ i ].at ];
    b.p[ bad[ i ].at ] = bad[ i ].to;
    if( dmg_wire_shard_decode( dmg_buf_span( &b ), &back ).kind!=DMG_VERDICT_BAD ) fail_msg( "case %u", i );
    b.p[ bad[ i ].at ] = was;
  }
  dmg_buf_fini( &b );
}

static void test_questions_are_drawn_so( void ** state ) {
  static uint8_t b[ DMG_WIRE_IDS_REQ_SZ_MAX > DMG_WIRE_BODYTX_REQ_SZ_MAX ? DMG_WIRE_IDS_REQ_SZ_MAX+33 : DMG_WIRE_BODYTX_REQ_SZ_MAX+3 ];
  static dmg_wire_bodytx_req_t q, r;
  static dmg_wire_ids_req_t    i, j;
  q = (dmg_wire_bodytx_req_t){ .body_hash = hash_of( 8 ), .cnt = 3, .idx = { 0, 258, 9999 } };
  size_t sz = dmg_wire_bodytx_req_encode( &q, b );
  uint8_t const tail[] = { 3, 0, 0, 2, 1, 0x0f, 0x27 };
  assert_int_equal( sz, 32+sizeof tail );
  assert_memory_equal( b+32, tail, sizeof tail );
  assert_int_equal( dmg_wire_bodytx_req_decode( dmg_span( b, sz ), &r ).kind, DMG_VERDICT_GOOD );
  assert_true( r.cnt==3 && r.idx[ 1 ]==258 );
  for( size_t n = 0; n<sz; n++ ) assert_int_equal( dmg_wire_bodytx_req_decode( dmg_span( b, n ), &r ).kind, DMG_VERDICT_BAD );
  b[ 35 ] = 0; b[ 36 ] = 0;                              /* 0 twice */
  assert_int_equal( dmg_wire_bodytx_req_decode( dmg_span( b, sz ), &r ).kind, DMG_VERDICT_BAD );
  b[ 35 ] = 2; b[ 37 ] = 0x10;                           /* 10,000 */
  assert_int_equal( dmg_wire_bodytx_req_decode( dmg_span( b, sz ), &r ).kind, DMG_VERDICT_BAD );
  q.cnt = DMG_WIRE_BODYTX_MAX;
  for( uint32_t k = 0; k<q.cnt; k++ ) q.idx[ k ] = (uint16_t)( 2*k );
  sz = dmg_wire_bodytx_req_encode( &q, b );
  assert_int_equal( sz, DMG_WIRE_BODYTX_REQ_SZ_MAX );
  assert_int_equal( dmg_wire_bodytx_req_decode( dmg_span( b, sz ), &r ).kind, DMG_VERDICT_GOOD );
  i.cnt = DMG_WIRE_IDS_MAX;
  for( uint32_t k = 0; k<i.cnt; k++ ) i.ids[ k ] = hash_of( (uint8_t)k );
  sz = dmg_wire_ids_req_encode( &i, b );
  assert_int_equal( sz, DMG_WIRE_IDS_REQ_SZ_MAX );
  assert_int_equal( dmg_wire_ids_req_decode( dmg_span( b, sz ), &j ).kind, DMG_VERDICT_GOOD );
  assert_memory_equal( i.ids, j.ids, sizeof i.ids );
  assert_int_equal( dmg_wire_ids_req_decode( dmg_span( b, sz-1 ), &j ).kind, DMG_VERDICT_BAD );
  b[ 0 ] = 0;
  assert_int_equal( dmg_wire_ids_req_decode( dmg_span( b, 1 ), &j ).kind, DMG_VERDICT_BAD );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_a_compact_body_is_drawn_so ),
    cmocka_unit_test( test_a_compact_body_has_at_most_10000 ),
    cmocka_unit_test( test_short_ids_are_these ),
    cmocka_unit_test( test_shards_are_drawn_so ),
    cmocka_unit_test( test_questions_are_drawn_so ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
