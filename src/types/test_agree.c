/* agree: what is refused at each bound, and by which name.  That good bytes are right is tests/conformance's (vectors/agree.json). */
#include "types/agree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static void test_votes_refuse_form( void ** state ) {
  dmg_vote_t v = { .kind = DMG_VOTE_FINALIZE, .view = 1, .hash = { { 1 } }, .signer = 127 }, got;
  uint8_t b[ DMG_VOTE_WIRE_SZ+1 ] = { 0 };
  dmg_vote_encode( &v, b );
  for( size_t sz = 0; sz<=DMG_VOTE_WIRE_SZ+1; sz++ ) assert_int_equal( dmg_vote_decode( dmg_span( b, sz ), &got ).kind==DMG_VERDICT_GOOD, sz==DMG_VOTE_WIRE_SZ );
  static struct { size_t at; uint8_t v; char const * field; } const bad[] = { { 0, 3, "kind" }, { 5, 0, "view" }, { 0, 1, "hash" }, { 45, 128, "signer" }, { 46, 1, "signer" } };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    uint8_t was = b[ bad[ i ].at ];
    b[ bad[ i ].at ] = bad[ i ].v;
    assert_string_equal( dmg_vote_decode( dmg_span( b, DMG_VOTE_WIRE_SZ ), &got ).field, bad[ i ].field );
    b[ bad[ i ].at ] = was;
  }
  uint8_t s[ DMG_VOTE_STORED_SZ ] = { 3, 0, 0, 0, 0, 1 };
  dmg_vote_stored_t st;
  assert_int_equal( dmg_vote_stored_decode( DMG_SPAN( s ), &st ).kind, DMG_VERDICT_GOOD );   /* PROPOSE is stored, never on the wire */
  s[ 0 ] = 4;
  assert_string_equal( dmg_vote_stored_decode( DMG_SPAN( s ), &st ).field, "kind" );
}

static void test_runs_have_1_to_64_views( void ** state ) {
  dmg_run_t run = { .first = 1 }, got;
  uint8_t b[ DMG_RUN_SZ_MAX+64 ];
  for( uint32_t k = 1; k<=64; k++ ) {
    run.cnt = k;
    size_t sz = dmg_run_encode( &run, b );
    assert_int_equal( sz, DMG_RUN_SZ( k ) );
    assert_int_equal( dmg_run_decode( dmg_span( b, sz ), &got ).kind, DMG_VERDICT_GOOD );
    assert_int_equal( got.cnt, k );
    assert_int_equal( dmg_run_decode( dmg_span( b, sz-1 ), &got ).kind, DMG_VERDICT_BAD );
  }
  memset( b, 0, sizeof b );
  b[ 4 ] = 1;
  b[ 12 ] = 0;
  assert_string_equal( dmg_run_decode( dmg_span( b, 61 ), &got ).text, "a length out of bounds" );
  b[ 12 ] = 65;
  assert_string_equal( dmg_run_decode( dmg_span( b, 61+16*65 ), &got ).text, "a length out of bounds" );
  b[ 12 ] = 1;
  b[ 4 ] = 0;
  assert_string_equal( dmg_run_decode( dmg_span( b, 77 ), &got ).text, "a value out of bounds" );   /* view 0 is the anchor */
  memset( b+4, 0xff, 8 );
  assert_string_equal( dmg_run_decode( dmg_span( b, 77 ), &got ).text, "a value out of bounds" );   /* the last view would wrap */
}

static void test_sets_ascend_and_weigh( void ** state ) {
  dmg_set_t set = { .cnt = 2 }, got;
  uint8_t b[ DMG_SET_SZ_MAX ];
  set.members[ 0 ].key[ 95 ] = 1; set.members[ 0 ].weight = 1;
  set.members[ 1 ].key[ 95 ] = 2; set.members[ 1 ].weight = UINT64_MAX-1;
  size_t sz = dmg_set_encode( &set, b );
  assert_int_equal( dmg_set_decode( dmg_span( b, sz ), &got ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( dmg_set_find( &got, set.members[ 1 ].key ), 1 );
  uint8_t none[ DMG_BLS_KEY_SZ ] = { 9 };
  assert_int_equal( dmg_set_find( &got, none ), -1 );
  set.members[ 1 ].weight = UINT64_MAX;   /* the sum passes 64 bits */
  sz = dmg_set_encode( &set, b );
  assert_string_equal( dmg_set_decode( dmg_span( b, sz ), &got ).field, "set.weight" );
  set.members[ 1 ].weight = 0;
  sz = dmg_set_encode( &set, b );
  assert_string_equal( dmg_set_decode( dmg_span( b, sz ), &got ).field, "set.weight" );
  set.members[ 1 ].weight = 5;
  set.members[ 1 ].key[ 95 ] = 1;
  sz = dmg_set_encode( &set, b );
  assert_string_equal( dmg_set_decode( dmg_span( b, sz ), &got ).text, "entries out of order or twice" );
  b[ 0 ] = 0;
  assert_int_equal( dmg_set_decode( dmg_span( b, 1 ), &got ).kind, DMG_VERDICT_BAD );
  /* C1.1: floor( 2 W / 3 ) + 1, without wrapping. */
  static struct { uint64_t w, q; } const q[] = { { 1, 1 }, { 3, 3 }, { 4, 3 }, { 7, 5 }, { 100, 67 }, { UINT64_MAX, 12297829382473034411u } };
  for( unsigned i = 0; i<6; i++ ) assert_int_equal( dmg_set_quorum( q[ i ].w ), q[ i ].q );
}

static dmg_record_t record( void ) {
  return (dmg_record_t){ .version = 1, .epoch = 1, .first_height = 1, .last_height = 10, .weight = 4, .n = 4, .pace_ms = 250, .window = 4, .delta_ms = 200, .cap_ms = 30000, .empty_lag = 16,
                         .body_max = 1u<<20, .body_soft = 1u<<17, .skew_ms = 500 };
}

/* C1.3's bounds, each at its edge. */
static void test_records_keep_their_bounds( void ** state ) {
  static struct { size_t at; unsigned sz; uint64_t good, bad; char const * field; } const t[] = {
    { 0, 2, 1, 2, "record.version" }, { 6, 8, 10, 11, "record.last_height" }, { 6, 8, 1, 0, "record.last_height" }, { 86, 8, 1, 0, "record.weight" }, { 94, 2, 128, 129, "record.n" }, { 94, 2, 1, 0, "record.n" },
    { 96, 2, 100, 99, "record.pace" }, { 96, 2, 2000, 2001, "record.pace" }, { 98, 1, 4, 5, "record.window" }, { 98, 1, 1, 0, "record.window" }, { 99, 2, 50, 49, "record.delta" },
    { 99, 2, 2000, 2001, "record.delta" }, { 101, 4, 5000, 4999, "record.cap" }, { 101, 4, 120000, 120001, "record.cap" }, { 105, 1, 8, 7, "record.empty_lag" }, { 105, 1, 16, 17, "record.empty_lag" },
    { 106, 4, 1u<<20, ( 1u<<20 )+1, "record.body_max" }, { 110, 4, 1u<<20, ( 1u<<20 )+1, "record.body_soft" }, { 114, 2, 100, 99, "record.skew" }, { 114, 2, 2000, 2001, "record.skew" } };
  dmg_record_t r = record(), got;
  uint8_t b[ DMG_RECORD_SZ ];
  for( size_t i = 0; i<sizeof t/sizeof *t; i++ ) for( unsigned k = 0; k<2; k++ ) {
    dmg_record_encode( &r, b );
    uint64_t v = k ? t[ i ].bad : t[ i ].good;
    memcpy( b+t[ i ].at, &v, t[ i ].sz );
    dmg_verdict_t verdict = dmg_record_decode( DMG_SPAN( b ), &got );
    if( k ? strcmp( verdict.field, t[ i ].field )!=0 : verdict.kind!=DMG_VERDICT_GOOD ) fail_msg( "%s %s: %s", t[ i ].field, k ? "bad" : "good", verdict.field );
  }
  /* cap >= 4 (T + 2 Delta): 4 x ( 2000 + 4000 ). */
  r.pace_ms = 2000; r.delta_ms = 2000; r.cap_ms = 24000;
  dmg_record_encode( &r, b );
  assert_int_equal( dmg_record_decode( DMG_SPAN( b ), &got ).kind, DMG_VERDICT_GOOD );
  r.cap_ms = 23999;
  dmg_record_encode( &r, b );
  assert_string_equal( dmg_record_decode( DMG_SPAN( b ), &got ).field, "record.cap" );
}

static dmg_set_t some_set( uint32_t seed, uint32_t of ) {
  dmg_set_t s = { 0 };
  for( uint32_t i = 0; i<of; i++ ) {
    seed = seed*1664525+1013904223;
    if( seed>>30==0 && s.cnt ) continue;
    memset( s.members[ s.cnt ].key, (int)i+1, DMG_BLS_KEY_SZ );
    s.members[ s.cnt++ ].weight = 1+( seed>>28&3 );
  }
  return s;
}

/* Any two sets: the handover from one names the other, in 588 bytes if they are equal. */
static void test_handovers_carry_any_change( void ** state ) {
  static uint8_t b[ DMG_HANDOVER_SZ_MAX ];
  static dmg_set_t got;
  for( uint32_t i = 0; i<400; i++ ) {
    dmg_set_t prev = some_set( i, 1+i%127 ), next = some_set( i%5 ? i*7+1 : i, 1+( i%5 ? i*3%127 : i%127 ) );
    dmg_record_t r = record();
    r.set_hash = dmg_set_hash( &next ); r.n = (uint16_t)next.cnt; r.weight = dmg_set_weight( &next );
    dmg_header_t h = { .version = 1, .kind = DMG_BLOCK_BOUNDARY, .next_epoch_root = dmg_record_hash( &r ) };
    dmg_cert_t f = { .kind = DMG_VOTE_FINALIZE };
    size_t sz = dmg_handover_encode( &h, &f, &r, &prev, &next, b );
    if( i%5==0 ) assert_int_equal( sz, 588 );
    dmg_handover_t ho;
    assert_int_equal( dmg_handover_decode( dmg_span( b, sz ), &ho ).kind, DMG_VERDICT_GOOD );
    assert_int_equal( dmg_handover_set( &ho, &prev, &got ).kind, DMG_VERDICT_GOOD );
    dmg_hash_t hash = dmg_set_hash( &got );
    assert_memory_equal( &hash, &r.set_hash, 32 );
    if( ho.set_kind!=0 ) {
      /* On another set the same bytes name another one, or none: the hash tells. */
      dmg_set_t wrong = prev;
      wrong.members[ 0 ].weight += 1000000;
      if( ho.set_kind==1 ) assert_int_equal( dmg_handover_set( &ho, &wrong, &got ).kind==DMG_VERDICT_GOOD && memcmp( &wrong.members[ 0 ], &next.members[ 0 ], sizeof wrong.members[ 0 ] )==0, 0 );
      assert_int_equal( dmg_handover_decode( dmg_span( b, sz-1 ), &ho ).kind==DMG_VERDICT_GOOD && dmg_handover_set( &ho, &prev, &got ).kind==DMG_VERDICT_GOOD, 0 );
    }
  }
}

static void test_wants_and_hellos( void ** state ) {
  dmg_want_t w = { .views = { 3, 9 }, .cnt = 2, .kinds = 15 }, got;
  uint8_t b[ DMG_WANT_SZ_MAX ];
  size_t sz = dmg_want_encode( &w, b );
  assert_int_equal( dmg_want_decode( dmg_span( b, sz ), &got ).kind, DMG_VERDICT_GOOD );
  b[ 9 ] = 3;
  assert_string_equal( dmg_want_decode( dmg_span( b, sz ), &got ).text, "entries out of order or twice" );
  b[ 9 ] = 9;
  for( unsigned k = 0; k<18; k += 16 ) { b[ sz-1 ] = (uint8_t)k; assert_string_equal( dmg_want_decode( dmg_span( b, sz ), &got ).field, "kinds" ); }
  w.cnt = 64;
  for( unsigned i = 0; i<64; i++ ) w.views[ i ] = i;
  sz = dmg_want_encode( &w, b );
  assert_int_equal( dmg_want_decode( dmg_span( b, sz ), &got ).kind, DMG_VERDICT_GOOD );
  b[ 0 ] = 65;
  assert_string_equal( dmg_want_decode( dmg_span( b, sz ), &got ).field, "views" );
  dmg_hello_t h = { .cur = 5, .final_view = 5 }, hello;
  uint8_t hb[ DMG_HELLO_SZ ];
  dmg_hello_encode( &h, hb );
  assert_string_equal( dmg_hello_decode( DMG_SPAN( hb ), &hello ).field, "cur" );   /* cur is above what is final */
}

/* A list of runs is bounded by its bytes: 56 KiB and not one run more. */
static void test_bundles_are_bounded( void ** state ) {
  static uint8_t b[ DMG_BUNDLE_HEAD_MAX+DMG_RUNS_SZ_MAX+DMG_RUN_SZ_MAX ];
  dmg_run_t run = { .cnt = 1 };
  dmg_cert_t none = { 0 };
  for( uint32_t extra = 0; extra<2; extra++ ) {
    uint32_t cnt = DMG_RUNS_SZ_MAX/DMG_RUN_SZ( 1 )+extra;
    size_t sz = dmg_bundle_head( &none, cnt, b );
    for( uint32_t i = 0; i<cnt; i++ ) { run.first = i+1; sz += dmg_run_encode( &run, b+sz ); }
    dmg_bundle_t got;
    dmg_verdict_t v = dmg_bundle_decode( dmg_span( b, sz ), &got );
    assert_int_equal( v.kind==DMG_VERDICT_GOOD, extra==0 );
    if( extra ) continue;
    uint64_t at = 0;
    while( dmg_runs_next( &got.runs, &run, NULL ) ) assert_int_equal( run.first, ++at );
    assert_int_equal( at, cnt );
    /* More claimed than there is. */
    (void)dmg_bundle_head( &none, cnt-1, b );
    assert_int_equal( dmg_bundle_decode( dmg_span( b, sz ), &got ).kind, DMG_VERDICT_BAD );
  }
}

static void test_evidence_refuses_form( void ** state ) {
  static dmg_evidence_t e, got;
  static uint8_t b[ DMG_EVIDENCE_SZ_MAX+8 ];
  e.a.kind = DMG_SIDE_RUN; e.a.run.first = 5; e.a.run.cnt = 3; e.a.run_view = 7;
  e.b.kind = DMG_SIDE_CERT; e.b.cert.view = 7; e.b.cert.kind = DMG_VOTE_FINALIZE;
  size_t sz = dmg_evidence_encode( &e, b, sizeof b );
  assert_int_equal( dmg_evidence_decode( dmg_span( b, sz ), &got ).kind, DMG_VERDICT_GOOD );
  for( size_t k = 0; k<sz; k++ ) assert_int_equal( dmg_evidence_decode( dmg_span( b, k ), &got ).kind, DMG_VERDICT_BAD );
  e.a.run_view = 8;
  sz = dmg_evidence_encode( &e, b, sizeof b );
  assert_string_equal( dmg_evidence_decode( dmg_span( b, sz ), &got ).field, "side.view" );
  assert_int_equal( dmg_evidence_encode( &e, b, 100 ), 0 );   /* no room */
  assert_string_equal( dmg_evidence_decode( dmg_span( b, DMG_EVIDENCE_SZ_MAX+1 ), &got ).field, "size" );
}

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_votes_refuse_form ), cmocka_unit_test( test_runs_have_1_to_64_views ), cmocka_unit_test( test_sets_ascend_and_weigh ),
    cmocka_unit_test( test_records_keep_their_bounds ), cmocka_unit_test( test_handovers_carry_any_change ), cmocka_unit_test( test_wants_and_hellos ), cmocka_unit_test( test_bundles_are_bounded ),
    cmocka_unit_test( test_evidence_refuses_form ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
