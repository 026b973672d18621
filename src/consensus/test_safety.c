/* The safety file as a value: bytes drawn by C6.4, rules against a model that remembers every vote, the table of starts. */
#include "consensus/safety.h"
#include "base/crc32c.h"
#include "base/test_rnd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static dmg_hash_t const chain = { { 1 } }, a = { { 0xaa, 1, 2, 3, 4, 5, 6, 7, 8 } }, b = { { 0xbb } }, none;
/* Begins as a, so that eight bytes do not tell them apart. */
static dmg_hash_t const a2 = { { 0xaa, 1, 2, 3, 4, 5, 6, 7, 9 } };
static uint8_t const key[ DMG_BLS_KEY_SZ ] = { 7, 7 }, host[ DMG_SAFETY_HOST_SZ ] = { 9 };
static dmg_safety_epoch_t const any = { 0 };

static dmg_safety_t fresh( void ) {
  dmg_safety_t s;
  dmg_safety_init( &s, &chain, key, host, 0 );
  return s;
}
static dmg_safety_answer_t vote( dmg_safety_t * s, dmg_vote_kind_t kind, uint64_t view, dmg_hash_t const * hash ) {
  bool is_new;
  return dmg_safety_vote( s, &(dmg_safety_vote_t){ kind, s->epoch, view, *hash }, &any, &is_new );
}
#define N DMG_VOTE_NOTARIZE
#define Z DMG_VOTE_NULLIFY
#define F DMG_VOTE_FINALIZE
#define P DMG_VOTE_PROPOSE

static bool is_equal( dmg_safety_t const * x, dmg_safety_t const * y ) {
  uint8_t p[ DMG_SAFETY_SLOT_SZ ], q[ DMG_SAFETY_SLOT_SZ ];
  dmg_safety_encode( x, p );
  dmg_safety_encode( y, q );
  return !memcmp( p, q, sizeof p );
}

/* ---- Rules ---- */

static void test_each_pair_of_votes_of_a_view( void ** state ) {
  struct { dmg_vote_kind_t first, then; bool same, other; } const rows[] = {   /* may `then` follow, with the same hash, with another */
    { N, N, true, false }, { N, Z, true, true }, { N, F, true, false }, { N, P, true, true },
    { Z, N, true, true },  { Z, Z, true, true }, { Z, F, false, false }, { Z, P, true, true },
    { F, N, true, false }, { F, Z, false, false }, { F, F, true, false }, { F, P, true, true },
    { P, N, true, true },  { P, Z, true, true }, { P, F, true, true }, { P, P, true, false } };
  for( size_t i = 0; i<sizeof rows/sizeof *rows; i++ )
    for( int is_other = 0; is_other<2; is_other++ ) {
      dmg_safety_t s = fresh(), before;
      dmg_hash_t const * h1 = rows[ i ].first==Z ? &none : &a, * h2 = rows[ i ].then==Z ? &none : is_other ? &b : &a;
      assert_int_equal( vote( &s, rows[ i ].first, 5, h1 ), DMG_SAFETY_OK );
      before = s;
      bool allowed = is_other ? rows[ i ].other : rows[ i ].same;
      assert_int_equal( vote( &s, rows[ i ].then, 5, h2 ), allowed ? DMG_SAFETY_OK : DMG_SAFETY_CONFLICT );
      if( !allowed ) assert_true( is_equal( &s, &before ) );
      /* Another view is another matter. */
      assert_int_equal( vote( &s, rows[ i ].then, 6, h2 ), DMG_SAFETY_OK );
      assert_int_equal( vote( &s, rows[ i ].then, 4, h2 ), DMG_SAFETY_OK );
    }
}

static void test_a_proposal_is_known_beyond_its_eight_bytes_while_it_is_the_highest( void ** state ) {
  dmg_safety_t s = fresh();
  assert_int_equal( vote( &s, P, 5, &a ), DMG_SAFETY_OK );
  assert_int_equal( vote( &s, P, 5, &a2 ), DMG_SAFETY_CONFLICT );
  assert_int_equal( vote( &s, P, 5, &a ), DMG_SAFETY_OK );
}

static void test_the_same_vote_again_changes_nothing( void ** state ) {
  dmg_safety_t s = fresh();
  bool is_new;
  dmg_safety_vote_t v = { N, 0, 3, a };
  assert_int_equal( dmg_safety_vote( &s, &v, &any, &is_new ), DMG_SAFETY_OK );
  assert_true( is_new );
  dmg_safety_t before = s;
  assert_int_equal( dmg_safety_vote( &s, &v, &any, &is_new ), DMG_SAFETY_OK );
  assert_false( is_new );
  assert_true( is_equal( &s, &before ) );
}

static void test_full_the_lowest_goes_and_the_floor_stands_there( void ** state ) {
  dmg_safety_t s = fresh();
  for( uint64_t v = 100; v<100+DMG_SAFETY_OPEN_MAX; v++ ) assert_int_equal( vote( &s, N, v, &a ), DMG_SAFETY_OK );
  assert_int_equal( s.floor, 0 );
  /* Below all of them there is no room: its entry would be the one to go. */
  assert_int_equal( vote( &s, N, 99, &a ), DMG_SAFETY_FULL );
  assert_int_equal( vote( &s, N, 164, &a ), DMG_SAFETY_OK );
  assert_int_equal( s.floor, 100 );
  assert_int_equal( vote( &s, N, 100, &a ), DMG_SAFETY_FLOOR );
  assert_int_equal( vote( &s, N, 101, &a ), DMG_SAFETY_OK );
  assert_int_equal( vote( &s, N, 101, &b ), DMG_SAFETY_CONFLICT );
  assert_int_equal( vote( &s, N, 0, &a ), DMG_SAFETY_FORM );
  /* A gap is filled in order. */
  dmg_safety_t g = fresh();
  for( uint64_t v = 64; v; v-- ) assert_int_equal( vote( &g, Z, 2*v, &none ), DMG_SAFETY_OK );
  assert_int_equal( vote( &g, Z, 5, &none ), DMG_SAFETY_OK );
  assert_int_equal( g.floor, 2 );
  assert_int_equal( g.open[ 0 ].view, 4 );
  assert_int_equal( g.open[ 1 ].view, 5 );
}

static void test_epochs( void ** state ) {
  dmg_safety_t s = fresh();
  bool is_new;
  assert_int_equal( vote( &s, F, 9, &a ), DMG_SAFETY_OK );
  assert_int_equal( dmg_safety_vote( &s, &(dmg_safety_vote_t){ F, 2, 3, b }, &any, &is_new ), DMG_SAFETY_OK );
  assert_true( is_new );
  assert_int_equal( s.epoch, 2 );
  assert_int_equal( s.floor, 0 );
  assert_int_equal( s.open_cnt, 1 );
  assert_int_equal( s.marks[ F ].view, 3 );
  assert_int_equal( s.marks[ N ].view, 0 );
  assert_int_equal( dmg_safety_vote( &s, &(dmg_safety_vote_t){ F, 1, 10, a }, &any, &is_new ), DMG_SAFETY_EPOCH );
  /* A refused vote does not bring a later epoch either. */
  assert_int_equal( dmg_safety_vote( &s, &(dmg_safety_vote_t){ Z, 3, 1, a }, &any, &is_new ), DMG_SAFETY_FORM );
  assert_int_equal( s.epoch, 2 );
}

static void test_from_ms_waits_for_an_epoch_that_began_later( void ** state ) {
  dmg_safety_t s;
  bool is_new;
  dmg_safety_init( &s, &chain, key, host, 1000000 );
  dmg_safety_vote_t v = { N, 4, 1, a };
  dmg_safety_epoch_t e = { .anchor_ms = 1000000+2*500, .skew_ms = 500 };
  assert_int_equal( dmg_safety_vote( &s, &v, &e, &is_new ), DMG_SAFETY_FROM );
  e.anchor_ms++;
  assert_int_equal( dmg_safety_vote( &s, &v, &e, &is_new ), DMG_SAFETY_OK );
  /* A clock that was behind: from_ms rises, never falls, and 0 stays 0. */
  dmg_safety_raise_from( &s, 5 );
  assert_int_equal( s.from_ms, 1000000 );
  dmg_safety_raise_from( &s, 1000002 );
  assert_int_equal( dmg_safety_vote( &s, &v, &e, &is_new ), DMG_SAFETY_FROM );
  s = fresh();
  dmg_safety_raise_from( &s, 77 );
  assert_int_equal( s.from_ms, 0 );
  e.skew_ms = UINT64_MAX/2;
  dmg_safety_init( &s, &chain, key, host, 2 );
  assert_int_equal( dmg_safety_vote( &s, &v, &e, &is_new ), DMG_SAFETY_FROM );   /* no wrap */
}

static void test_an_observer_comes_back_with_a_later_epoch( void ** state ) {
  dmg_safety_t s = fresh();
  bool is_new;
  dmg_safety_epoch_t e = { .anchor_ms = 900, .skew_ms = 10 };
  dmg_safety_vote_t v = { N, 0, 8, a };
  dmg_safety_observe( &s, 1000 );
  dmg_safety_observe( &s, 999 );
  assert_int_equal( s.from_ms, 1000 );
  assert_int_equal( dmg_safety_vote( &s, &v, &e, &is_new ), DMG_SAFETY_OBSERVER );
  /* Not in the epoch it fell in, whatever its anchor's time says. */
  e.anchor_ms = 5000;
  assert_int_equal( dmg_safety_vote( &s, &v, &e, &is_new ), DMG_SAFETY_OBSERVER );
  v.epoch = 1;
  assert_int_equal( dmg_safety_vote( &s, &v, &e, &is_new ), DMG_SAFETY_OK );
  assert_true( is_new );
  assert_false( s.is_observer );
  v.epoch = 1;
  v.view  = 9;
  assert_int_equal( dmg_safety_vote( &s, &v, &e, &is_new ), DMG_SAFETY_OK );
}

static void test_import_only_raises( void ** state ) {
  dmg_safety_t s = fresh(), t = fresh(), before;
  dmg_safety_export_t x;
  for( uint64_t v = 10; v<20; v++ ) assert_int_equal( vote( &s, N, v, &a ), DMG_SAFETY_OK );
  assert_int_equal( vote( &s, F, 14, &a ), DMG_SAFETY_OK );
  dmg_safety_export( &s, &x );
  assert_int_equal( vote( &t, N, 30, &b ), DMG_SAFETY_OK );
  assert_int_equal( vote( &t, N, 17, &b ), DMG_SAFETY_OK );
  assert_true( dmg_safety_import( &t, &x, 5 ) );
  assert_int_equal( t.floor, 19 );
  assert_int_equal( t.marks[ N ].view, 30 );
  assert_int_equal( t.marks[ F ].view, 14 );
  assert_int_equal( t.from_ms, 0 );
  for( uint64_t v = 1; v<=19; v++ ) assert_int_equal( vote( &t, N, v, &a ), DMG_SAFETY_FLOOR );
  assert_int_equal( vote( &t, N, 30, &a ), DMG_SAFETY_CONFLICT );
  before = t;
  assert_true( dmg_safety_import( &t, &x, 5 ) );
  assert_true( is_equal( &t, &before ) );
  /* An earlier epoch lowers nothing; a later one closes what it says. */
  t.epoch = 1;
  before  = t;
  assert_true( dmg_safety_import( &t, &x, 5 ) );
  assert_true( is_equal( &t, &before ) );
  x.epoch = 2;
  assert_true( dmg_safety_import( &t, &x, 5 ) );
  assert_int_equal( t.epoch, 2 );
  assert_int_equal( t.floor, 19 );
  assert_int_equal( t.open_cnt, 0 );
  assert_int_equal( t.marks[ N ].view, 19 );
  /* Nothing known: nobody signs what the past may have signed. */
  dmg_safety_t empty = fresh(), u = fresh();
  dmg_safety_export( &empty, &x );
  assert_true( dmg_safety_import( &u, &x, 777 ) );
  assert_int_equal( u.from_ms, 777 );
  /* Marks into a file that has none: it knows what the other knew. */
  dmg_safety_init( &u, &chain, key, host, 888 );
  dmg_safety_export( &s, &x );
  assert_true( dmg_safety_import( &u, &x, 999 ) );
  assert_int_equal( u.from_ms, 0 );
  x.from_ms = 555;
  assert_true( dmg_safety_import( &u, &x, 999 ) );
  assert_int_equal( u.from_ms, 555 );
  x.key[ 3 ] ^= 1;
  assert_false( dmg_safety_import( &u, &x, 999 ) );
  x.key[ 3 ] ^= 1;
  x.chain_id = a;
  assert_false( dmg_safety_import( &u, &x, 999 ) );
}

/* Who lost the past does not know it again by an import: the export may be older than what was lost. */
static void test_an_import_does_not_lower_what_an_observer_waits_for( void ** state ) {
  dmg_safety_t lost = fresh(), s;
  dmg_safety_export_t x;
  bool is_new;
  assert_int_equal( vote( &lost, N, 7, &a ), DMG_SAFETY_OK );
  dmg_safety_export( &lost, &x );
  x.from_ms = 10;
  dmg_safety_init( &s, &chain, key, host, 0 );           /* as open makes it of two bad slots */
  dmg_safety_observe( &s, 1000000 );
  assert_true( dmg_safety_import( &s, &x, 1000005 ) );
  assert_int_equal( s.from_ms, 1000000 );
  /* Epoch 1 began after the export and before the loss: what was signed there nobody knows. */
  dmg_safety_vote_t v = { N, 1, 1, b };
  dmg_safety_epoch_t e = { .anchor_ms = 500000 };
  assert_int_equal( dmg_safety_vote( &s, &v, &e, &is_new ), DMG_SAFETY_OBSERVER );
  e.anchor_ms = 1000001;
  assert_int_equal( dmg_safety_vote( &s, &v, &e, &is_new ), DMG_SAFETY_OK );
}

/* A model of nothing but memory: every vote ever allowed, and the pairs of C9.1. */
enum { LOG_MAX = 4000 };
static bool is_slashable( dmg_safety_vote_t const * x, dmg_safety_vote_t const * y ) {
  if( x->epoch!=y->epoch || x->view!=y->view ) return false;
  bool differs = !dmg_hash_eq( &x->hash, &y->hash );
  unsigned k = 1u<<x->kind|1u<<y->kind;
  if( x->kind==y->kind && x->kind!=Z ) return differs;                              /* E1 E3 E4 */
  return k==( 1u<<Z|1u<<F ) || ( k==( 1u<<N|1u<<F ) && differs );                    /* E2 E3 */
}

static void test_random_requests_never_give_a_slashable_pair( void ** state ) {
  seed( 20261125 );
  static dmg_safety_vote_t log[ LOG_MAX ];
  for( int round = 0; round<30; round++ ) {
    dmg_safety_t s = fresh();
    size_t cnt = 0, refused = 0;
    uint64_t width = 1+rnd()%100;
    for( int i = 0; i<LOG_MAX; i++ ) {
      dmg_safety_vote_t v = { (dmg_vote_kind_t)( rnd()%4 ), s.epoch, 1+(uint64_t)i/20+rnd()%width, none };
      if( !( rnd()%500 ) ) v.epoch++;
      if( !( rnd()%100 ) && v.epoch ) v.epoch--;
      if( v.kind!=Z ) v.hash = rnd()%4 ? a : b;
      bool is_new, is_bad = false;
      dmg_safety_answer_t answer = dmg_safety_vote( &s, &v, &any, &is_new );
      for( size_t j = 0; j<cnt && !is_bad; j++ ) is_bad = is_slashable( log+j, &v );
      if( !answer ) { assert_false( is_bad ); log[ cnt++ ] = v; }
      /* And it refuses for a reason only. */
      if( answer==DMG_SAFETY_CONFLICT ) { assert_true( is_bad ); refused++; }
      if( answer==DMG_SAFETY_FLOOR ) assert_true( v.view<=s.floor );
      if( answer==DMG_SAFETY_FULL ) assert_int_equal( s.open_cnt, DMG_SAFETY_OPEN_MAX );
      /* What is on disk is what is known. */
      uint8_t slot[ DMG_SAFETY_SLOT_SZ ];
      dmg_safety_t back;
      if( !( rnd()%16 ) ) {
        dmg_safety_encode( &s, slot );
        dmg_verdict_t d = dmg_safety_decode( DMG_SPAN( slot ), &back );
        assert_int_equal( d.kind, DMG_VERDICT_GOOD );
        s = back;
      }
    }
    assert_true( refused>10 );
  }
}

/* ---- Bytes ---- */

static void test_bytes_are_drawn_as_in_C6_4( void ** state ) {
  dmg_safety_t s = fresh();
  uint8_t slot[ DMG_SAFETY_SLOT_SZ ], want[ DMG_SAFETY_SLOT_SZ ] = { 0 };
  bool is_new;
  s.seq = 0x1122334455667788u;
  s.from_ms = 99;
  dmg_safety_epoch_t late = { .anchor_ms = 100 };
  assert_int_equal( dmg_safety_vote( &s, &(dmg_safety_vote_t){ P, 6, 3, a }, &late, &is_new ), DMG_SAFETY_OK );
  assert_int_equal( dmg_safety_vote( &s, &(dmg_safety_vote_t){ N, 6, 3, b }, &late, &is_new ), DMG_SAFETY_OK );
  assert_int_equal( dmg_safety_vote( &s, &(dmg_safety_vote_t){ Z, 6, 4, none }, &late, &is_new ), DMG_SAFETY_OK );
  memcpy( want, "DMGSAFE1\1\0\0", 11 );
  memcpy( want+16, chain.b, 32 );
  memcpy( want+48, key, 96 );
  memcpy( want+144, "\x88\x77\x66\x55\x44\x33\x22\x11\6", 9 );
  want[ 160 ] = 3; memcpy( want+168, b.b, 32 );                 /* NOTARIZE */
  want[ 200 ] = 4;                                              /* NULLIFY */
  want[ 280 ] = 3; memcpy( want+288, a.b, 32 );                 /* PROPOSE */
  memcpy( want+328, host, 16 );
  want[ 344 ] = 3; want[ 352 ] = 1|8; memcpy( want+353, b.b, 32 ); memcpy( want+385, a.b, 8 );
  want[ 393 ] = 4; want[ 401 ] = 2;
  want[ 3480 ] = 99;
  dmg_store_u32le( want+4092, dmg_crc32c_portable( 0, dmg_span( want, 4092 ) ) );
  dmg_safety_encode( &s, slot );
  assert_memory_equal( slot, want, sizeof slot );
}

static void crc_mend( uint8_t slot[ DMG_SAFETY_SLOT_SZ ] ) { dmg_store_u32le( slot+4092, dmg_crc32c( 0, dmg_span( slot, 4092 ) ) ); }

static void test_decode_takes_one_form_only( void ** state ) {
  dmg_safety_t s = fresh(), back;
  uint8_t slot[ DMG_SAFETY_SLOT_SZ ], bad[ DMG_SAFETY_SLOT_SZ ];
  assert_int_equal( vote( &s, P, 3, &a ), DMG_SAFETY_OK );
  assert_int_equal( vote( &s, N, 4, &a ), DMG_SAFETY_OK );
  assert_int_equal( vote( &s, Z, 5, &none ), DMG_SAFETY_OK );
  dmg_safety_encode( &s, slot );
  assert_int_equal( dmg_safety_decode( DMG_SPAN( slot ), &back ).kind, DMG_VERDICT_GOOD );
  assert_true( is_equal( &s, &back ) );
  assert_int_equal( dmg_safety_decode( dmg_span( slot, 4095 ), &back ).kind, DMG_VERDICT_BAD );
  for( size_t n = 0; n<sizeof slot; n++ ) {
    memcpy( bad, slot, sizeof bad );
    bad[ n ] ^= (uint8_t)( 1u<<n%8 );
    assert_int_equal( dmg_safety_decode( DMG_SPAN( bad ), &back ).kind, DMG_VERDICT_BAD );
  }
  struct { size_t at; uint8_t to; char const * field; } const rows[] = {
    { 8, 2, "format" }, { 10, 2, "mode" }, { 11, 1, "zero" }, { 158, 1, "zero" }, { 3488, 1, "zero" }, { 4091, 1, "zero" },
    { 248, 1, "marks.hash" },                  /* no FINALIZE yet, but a hash of one */
    { 209, 1, "marks.hash" },                  /* NULLIFY has none */
    { 344, 4, "open.view" }, { 393, 3, "open.view" }, { 320, 3, "open.view" }, { 320, 9, "open.view" },
    { 352, 0, "open.flags" }, { 352, 16, "open.flags" }, { 450, 2|4, "open.flags" },
    { 353, 1, "open.hash" }, { 434, 1, "open.propose_hash" },
    { 280, 2, "open.view" },                   /* the mark of PROPOSE below an entry of it */
    { 600, 1, "open.view" } };                 /* something behind the last entry */
  for( size_t i = 0; i<sizeof rows/sizeof *rows; i++ ) {
    memcpy( bad, slot, sizeof bad );
    bad[ rows[ i ].at ] = rows[ i ].to;
    crc_mend( bad );
    dmg_verdict_t v = dmg_safety_decode( DMG_SPAN( bad ), &back );
    assert_int_equal( v.kind, DMG_VERDICT_BAD );
    assert_string_equal( v.field, rows[ i ].field );
  }
}

static void test_the_newer_of_two_slots( void ** state ) {
  dmg_safety_t s = fresh(), out;
  uint8_t slot[ 2 ][ DMG_SAFETY_SLOT_SZ ], torn[ DMG_SAFETY_SLOT_SZ ] = { 1 };
  dmg_span_t both[ 2 ] = { DMG_SPAN( slot[ 0 ] ), DMG_SPAN( slot[ 1 ] ) };
  uint8_t other[ DMG_BLS_KEY_SZ ] = { 0 };
  s.seq = 6; s.floor = 6; dmg_safety_encode( &s, slot[ 0 ] );
  s.seq = 7; s.floor = 7; dmg_safety_encode( &s, slot[ 1 ] );
  assert_int_equal( dmg_safety_choose( both, &chain, key, &out ), 2 );
  assert_int_equal( out.floor, 7 );
  s.seq = 8; s.floor = 8; dmg_safety_encode( &s, slot[ 0 ] );
  assert_int_equal( dmg_safety_choose( both, &chain, key, &out ), 2 );
  assert_int_equal( out.floor, 8 );
  both[ 0 ] = DMG_SPAN( torn );
  assert_int_equal( dmg_safety_choose( both, &chain, key, &out ), 1 );
  assert_int_equal( out.floor, 7 );
  both[ 1 ] = DMG_SPAN( torn );
  out.floor = 55;
  assert_int_equal( dmg_safety_choose( both, &chain, key, &out ), 0 );
  assert_int_equal( out.floor, 55 );
  /* A write between them is missing. */
  both[ 0 ] = DMG_SPAN( slot[ 0 ] );
  both[ 1 ] = DMG_SPAN( slot[ 1 ] );
  s.seq = 10; dmg_safety_encode( &s, slot[ 0 ] );
  assert_int_equal( dmg_safety_choose( both, &chain, key, &out ), 1 );
  assert_int_equal( out.seq, 10 );
  /* A slot in the other's place, another chain, another key. */
  s.seq = 8; dmg_safety_encode( &s, slot[ 1 ] );
  assert_int_equal( dmg_safety_choose( both, &chain, key, &out ), 1 );
  assert_int_equal( dmg_safety_choose( both, &a, key, &out ), 0 );
  assert_int_equal( dmg_safety_choose( both, &chain, other, &out ), 0 );
}

/* ---- Starts ---- */

static void test_each_row_of_the_table( void ** state ) {
  struct { bool is_good, is_covered; uint32_t slots; dmg_safety_start_t start; } const rows[] = {
    { true,  true,  2, DMG_SAFETY_START_VOTE },    { true,  true,  1, DMG_SAFETY_START_VOTE },    { true,  true,  0, DMG_SAFETY_START_OBSERVE },
    { true,  false, 2, DMG_SAFETY_START_FILE },    { true,  false, 1, DMG_SAFETY_START_OBSERVE }, { true,  false, 0, DMG_SAFETY_START_OBSERVE },
    { false, true,  2, DMG_SAFETY_START_FILE },    { false, true,  1, DMG_SAFETY_START_OBSERVE }, { false, true,  0, DMG_SAFETY_START_OBSERVE },
    { false, false, 2, DMG_SAFETY_START_FILE },    { false, false, 1, DMG_SAFETY_START_OBSERVE }, { false, false, 0, DMG_SAFETY_START_OBSERVE } };
  for( size_t i = 0; i<sizeof rows/sizeof *rows; i++ ) assert_int_equal( dmg_safety_start( rows[ i ].is_good, rows[ i ].is_covered, rows[ i ].slots ), rows[ i ].start );
}

static void test_what_the_log_has_of_the_file( void ** state ) {
  dmg_safety_t s = fresh();
  dmg_safety_vote_t const votes[] = { { N, 0, 4, a }, { P, 0, 5, b }, { N, 0, 5, b }, { F, 0, 5, b }, { Z, 0, 6, none } };
  size_t const cnt = sizeof votes/sizeof *votes;
  dmg_safety_merge_t m;
  bool is_new;
  for( size_t i = 0; i<cnt; i++ ) assert_int_equal( dmg_safety_vote( &s, votes+i, &any, &is_new ), DMG_SAFETY_OK );
  /* All of them; each alone missing; missing below the floor. */
  for( size_t skip = 0; skip<=cnt; skip++ )
    for( uint64_t floor = 0; floor<=6; floor++ ) {
      dmg_safety_merge_init( &m, &s );
      for( size_t i = 0; i<cnt; i++ ) if( i!=skip ) dmg_safety_merge_vote( &m, votes+i );
      dmg_safety_merge_floor( &m, 0, floor );
      dmg_safety_merge_floor( &m, 0, 0 );   /* floors only rise */
      assert_int_equal( dmg_safety_merge_is_covered( &m ), skip==cnt || votes[ skip ].view<=floor );
      assert_false( m.has_conflict );
      assert_true( is_equal( &m.merged, &s ) );
    }
  /* A vote of the log alone is taken down: it may have been signed. */
  dmg_safety_merge_init( &m, &s );
  dmg_safety_merge_vote( &m, &(dmg_safety_vote_t){ N, 0, 7, a } );
  assert_int_equal( vote( &m.merged, N, 7, &b ), DMG_SAFETY_CONFLICT );
  assert_int_equal( vote( &m.file, N, 7, &b ), DMG_SAFETY_OK );
  /* So is one of a view that the file knows other votes of: the log has more, not less. */
  dmg_safety_merge_init( &m, &s );
  for( size_t i = 0; i<cnt; i++ ) dmg_safety_merge_vote( &m, votes+i );
  dmg_safety_merge_vote( &m, &(dmg_safety_vote_t){ F, 0, 4, a } );
  assert_true( dmg_safety_merge_is_covered( &m ) );
  assert_int_equal( vote( &m.merged, Z, 4, &none ), DMG_SAFETY_CONFLICT );
  /* A log of a later epoch is past the file; a floor of an earlier one says nothing of it. */
  dmg_safety_merge_init( &m, &s );
  dmg_safety_merge_floor( &m, 1, 0 );
  assert_true( dmg_safety_merge_is_covered( &m ) );
  s.epoch = 3;
  dmg_safety_merge_init( &m, &s );
  dmg_safety_merge_floor( &m, 2, 1000 );
  assert_false( dmg_safety_merge_is_covered( &m ) );
  /* Two histories that are not one. */
  s.epoch = 0;
  dmg_safety_merge_init( &m, &s );
  dmg_safety_merge_vote( &m, &(dmg_safety_vote_t){ N, 0, 5, a } );
  assert_true( m.has_conflict );
}

static void test_a_mark_whose_entry_went_is_looked_for_too( void ** state ) {
  dmg_safety_t s = fresh();
  dmg_safety_merge_t m;
  assert_int_equal( vote( &s, P, 1, &a ), DMG_SAFETY_OK );
  for( uint64_t v = 2; v<=65; v++ ) assert_int_equal( vote( &s, Z, v, &none ), DMG_SAFETY_OK );
  assert_int_equal( s.floor, 1 );
  dmg_safety_merge_init( &m, &s );
  for( uint64_t v = 2; v<=65; v++ ) dmg_safety_merge_vote( &m, &(dmg_safety_vote_t){ Z, 0, v, none } );
  assert_false( dmg_safety_merge_is_covered( &m ) );
  dmg_safety_merge_vote( &m, &(dmg_safety_vote_t){ P, 0, 1, a } );
  assert_true( dmg_safety_merge_is_covered( &m ) );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_each_pair_of_votes_of_a_view ),
    cmocka_unit_test( test_a_proposal_is_known_beyond_its_eight_bytes_while_it_is_the_highest ),
    cmocka_unit_test( test_the_same_vote_again_changes_nothing ),
    cmocka_unit_test( test_full_the_lowest_goes_and_the_floor_stands_there ),
    cmocka_unit_test( test_epochs ),
    cmocka_unit_test( test_from_ms_waits_for_an_epoch_that_began_later ),
    cmocka_unit_test( test_an_observer_comes_back_with_a_later_epoch ),
    cmocka_unit_test( test_import_only_raises ),
    cmocka_unit_test( test_an_import_does_not_lower_what_an_observer_waits_for ),
    cmocka_unit_test( test_random_requests_never_give_a_slashable_pair ),
    cmocka_unit_test( test_bytes_are_drawn_as_in_C6_4 ),
    cmocka_unit_test( test_decode_takes_one_form_only ),
    cmocka_unit_test( test_the_newer_of_two_slots ),
    cmocka_unit_test( test_each_row_of_the_table ),
    cmocka_unit_test( test_what_the_log_has_of_the_file ),
    cmocka_unit_test( test_a_mark_whose_entry_went_is_looked_for_too ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
