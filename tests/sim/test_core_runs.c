/* Runs of nullified views in the core: lists that a proposal does not hold, fetched by leaf (C2.4, N9.1); pairings in slices (C11.2). */
#include "test_rig.h"

/* An answer of N9.1 `runs`: leaves first .. first+cnt-1 of all. */
static size_t leaves_of( dmg_run_t const * runs, uint32_t all, uint32_t first, uint32_t cnt, uint8_t out[ DMG_LEAVES_SZ_MAX ] ) {
  static dmg_hash_t hashes[ 128 ], work[ 128 ];
  static uint8_t b[ DMG_RUN_SZ_MAX ];
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_LEAVES_SZ_MAX );
  for( uint32_t i = 0; i<all; i++ ) hashes[ i ] = dmg_run_leaf( dmg_span( b, dmg_run_encode( &runs[ i ], b ) ) );
  dmg_leaves_head( all, cnt, &wr );
  for( uint32_t i = first; i<first+cnt; i++ ) {
    dmg_merkle_path_t path;
    memcpy( work, hashes, sizeof work );
    dmg_merkle_path( DMG_TAG_JUST_NODE, work, all, i, &path );
    dmg_bcs_wr_fixed( &wr, b, dmg_run_encode( &runs[ i ], b ) );
    dmg_merkle_path_write( &wr, &path );
  }
  assert_false( wr.is_full );
  return (size_t)( wr.p-out );
}
static void got_runs( dmg_hash_t const * h, uint32_t first, uint8_t const * p, size_t sz ) {
  dmg_cons_event_t ev = { .kind = DMG_CONS_GOT_RUNS, .got_runs = { .hash = *h, .first = first, .bytes = dmg_span( p, sz ) } };
  rig_event( &r, &ev );
}

/* C2.4, N9.1: the rest of a list that a proposal does not hold is got by leaves; no vote before all of it verifies as committed. */
static void test_runs_behind_a_prefix_are_fetched( void ** state ) {
  static uint8_t b[ DMG_LEAVES_SZ_MAX ];
  up( not_leading( 24 ), 1000 );
  dmg_run_t z[ 5 ], whole = rig_run( &r, 1, 20, others() );
  for( uint32_t i = 0; i<5; i++ ) z[ i ] = rig_run( &r, 4*i+1, 4, others() );   /* our bit above our marks would have us observe (C6.5) */
  rig_send_run( &r, other( 0 ), &whole );
  assert_int_equal( cur(), 21 );
  dmg_hash_t h, x = { { 1 } };
  r.sent_runs = 2;
  size_t sz = rig_proposal( &r, 21, NULL, 1, r.wall_ms+1, z, 5, NULL, frame, &h );
  rig_frame( &r, rig_leader( &r, 21 ), DMG_FRAME_PROPOSAL, frame, sz );
  assert_int_equal( r.leaf_fetches, 1 );
  assert_true( r.leaf_first==2 && dmg_hash_eq( &r.leaf_hash, &h ) );
  /* What is not it: another block's, another place, a byte, another number of leaves, other leaves. */
  size_t n = leaves_of( z, 5, 2, 3, b );
  got_runs( &x, 2, b, n );
  got_runs( &h, 3, b, n );
  b[ n-1 ] ^= 1; got_runs( &h, 2, b, n ); b[ n-1 ] ^= 1;
  b[ 0 ]++;      got_runs( &h, 2, b, n ); b[ 0 ]--;
  got_runs( &h, 2, b, n-1 );
  n = leaves_of( z, 5, 1, 3, b ); got_runs( &h, 2, b, n );
  n = leaves_of( z, 4, 2, 2, b ); got_runs( &h, 2, b, n );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 21, NULL ), 0 );
  uint8_t none[ DMG_LEAVES_SZ_MAX ];
  assert_int_equal( dmg_cons_runs( r.core, &h, 0, 64, none ), 0 );   /* not whole: nothing to serve */
  /* Asked again, of anybody, as nobody answered. */
  rig_tick( &r, 1100000 );
  assert_true( r.leaf_fetches>=2 );
  n = leaves_of( z, 5, 2, 1, b ); got_runs( &h, 2, b, n );
  uint32_t asked = r.leaf_fetches;
  rig_tick( &r, 1 );
  assert_true( r.leaf_first==3 && asked>=2 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 21, NULL ), 0 );
  n = leaves_of( z, 5, 3, 2, b ); got_runs( &h, 3, b, n );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 21, NULL ), 1 );
  assert_int_equal( r.alarms, 0 );
  /* And served to the next who asks. */
  n = leaves_of( z, 5, 1, 4, b );
  assert_int_equal( dmg_cons_runs( r.core, &h, 1, 64, none ), n );
  assert_memory_equal( none, b, n );
  assert_int_equal( dmg_cons_runs( r.core, &h, 5, 64, none ), 0 );
}

/* C5.3, C2.4: a false run behind, or in front, is found before the vote; so is a list whose number of leaves is a lie, which convicts nobody. */
static void test_false_runs_behind_a_prefix( void ** state ) {
  static uint8_t b[ DMG_LEAVES_SZ_MAX ];
  for( uint32_t bad = 0; bad<4; bad++ ) {
    up( not_leading( 24 ), 1000 );
    r.no_sign = true;   /* t_prop is of no interest */
    dmg_run_t z[ 5 ], whole = rig_run( &r, 1, 20, others() );
    for( uint32_t i = 0; i<5; i++ ) z[ i ] = rig_run( &r, 4*i+1, 4, others() );
    rig_send_run( &r, other( 0 ), &whole );
    if( bad==0 ) z[ 3 ].sig[ 0 ] ^= 1;                       /* does not verify, behind */
    if( bad==1 ) z[ 0 ].sig[ 0 ] ^= 1;                       /* does not verify, among those sent */
    if( bad==2 ) z[ 4 ] = rig_run( &r, 17, 3, others() );          /* ends too low */
    if( bad==3 ) z[ 3 ] = rig_run( &r, 14, 3, others() );          /* view 13 is left out */
    dmg_hash_t h;
    r.sent_runs = 2;
    size_t sz = rig_proposal( &r, 21, NULL, 1, r.wall_ms+1, z, 5, NULL, frame, &h );
    rig_frame( &r, rig_leader( &r, 21 ), DMG_FRAME_PROPOSAL, frame, sz );
    assert_int_equal( r.leaf_first, bad==1 ? 0 : 2 );
    got_runs( &h, r.leaf_first, b, leaves_of( z, 5, r.leaf_first, 5-r.leaf_first, b ) );
    rig_tick( &r, 1000 );
    assert_false( rig_saved( &r, DMG_CONS_REC_VOTE, DMG_VOTE_NOTARIZE, 21 ) );
    /* C5.3: invalid at once where a leaf that is committed shows it; else the time-out decides. */
    assert_int_equal( rig_saved( &r, DMG_CONS_REC_VOTE, DMG_VOTE_NULLIFY, 21 ), bad<2 );
    if( bad<3 ) rig_fini( &r );
  }
}

/* C2.4: a stall of 3,840 merged views: the leader's list is longer than 56 KiB, and voters get the rest from it (C16: no stall is too long). */
static void test_a_stall_of_any_length_is_justified( void ** state ) {
  static uint8_t b[ DMG_LEAVES_SZ_MAX ];
  static rig_t l;
  enum { RUNS = 60, VIEW = 64*RUNS+1 };
  up( 0, 1000000 );
  uint32_t lead = rig_leader( &r, VIEW );
  rig_fini( &r );
  up( ( lead+1 )%RIG_N, 1000000 );
  r.cfg.marks[ DMG_VOTE_NULLIFY ] = VIEW;   /* it signed what the runs say */
  rig_restart( &r );
  for( uint32_t i = 0; i<RIG_N; i++ ) if( i!=r.me ) rig_link( &r, i, true );
  rig_init( &l, lead, 1000000 );
  for( uint32_t i = 0; i<RIG_N; i++ ) if( i!=lead ) rig_link( &l, i, true );
  r.no_save = true;   /* own NULLIFYs of the windows passed are of no interest */
  for( uint32_t i = 0; i<RUNS; i++ ) {
    dmg_run_t mine = rig_run( &r, 64*i+1, 64, 15u&~( 1u<<r.me ) ), his = rig_run( &r, 64*i+1, 64, 15u&~( 1u<<lead ) );
    rig_send_run( &r, lead, &mine );
    rig_send_run( &l, r.me, &his );
  }
  assert_int_equal( cur(), VIEW );
  assert_int_equal( rig_info( &l ).cur, VIEW );
  rig_tick( &l, 10100000 );
  dmg_hash_t h = { { 0 } };
  for( uint32_t i = 0; i<l.send_cnt; i++ ) if( l.sends[ i ].bytes[ 0 ]==DMG_FRAME_PROPOSAL ) h = dmg_header_bytes_hash( dmg_span( l.sends[ i ].bytes+1, DMG_HEADER_SZ ) );
  dmg_span_t p = dmg_cons_proposal( l.core, &h );
  assert_non_null( p.p );
  assert_true( p.sz>50000 && p.sz<DMG_FRAME_SZ_MAX );
  r.no_save = false;
  r.wall_ms = l.wall_ms;
  rig_frame( &r, lead, DMG_FRAME_PROPOSAL, p.p, p.sz );
  for( uint32_t i = 0; i<100 && !r.leaf_fetches; i++ ) rig_tick( &r, 1000 );   /* slice by slice */
  assert_int_equal( r.leaf_first, DMG_RUNS_SZ_MAX/DMG_RUN_SZ_MAX );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, VIEW, NULL ), 0 );
  size_t n = dmg_cons_runs( l.core, &h, r.leaf_first, 64, b );
  assert_true( n>0 );
  static uint8_t all[ DMG_LEAVES_SZ_MAX ];
  dmg_leaves_t list;
  assert_int_equal( dmg_leaves_decode( dmg_span( all, dmg_cons_runs( l.core, &h, 0, 64, all ) ), &list ).kind, DMG_VERDICT_GOOD );   /* as many as fit */
  assert_true( list.leaf_cnt==RUNS && list.cnt>40 && list.cnt<RUNS );
  got_runs( &h, r.leaf_first, b, n );
  for( uint32_t i = 0; i<100 && !rig_sent_votes( &r, DMG_VOTE_NOTARIZE, VIEW, NULL ); i++ ) rig_tick( &r, 1000 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, VIEW, NULL ), 1 );
  assert_int_equal( r.alarms, 0 );
  rig_fini( &l );
}

/* C11.2: what a frame costs beyond a step's measure waits for the next turns; a frame behind it from the same peer is dropped meanwhile, others' votes are not; lies close the link. */
static void test_runs_are_verified_in_slices( void ** state ) {
  static uint8_t b[ DMG_BUNDLE_HEAD_MAX+DMG_RUNS_SZ_MAX ];
  up( not_leading( 4 ), 1000 );
  dmg_cert_t none = { 0 };
  size_t sz = dmg_bundle_head( &none, 10, b );
  for( uint32_t i = 0; i<10; i++ ) { dmg_run_t z = rig_run( &r, 64*i+1, 64, others() ); sz += dmg_run_encode( &z, b+sz ); }
  uint64_t now = r.now_us;
  rig_frame( &r, other( 0 ), DMG_FRAME_BUNDLE, b, sz );
  assert_int_equal( cur(), 65 );                          /* one run, and no more in this step */
  assert_int_equal( r.timer_us, now+1 );
  uint64_t drops = rig_info( &r ).drops;
  rig_frame( &r, other( 0 ), DMG_FRAME_BUNDLE, b, sz );
  assert_int_equal( rig_info( &r ).drops, drops+1 );
  assert_int_equal( cur(), 65 );
  for( uint32_t i = 2; i<=10; i++ ) { rig_tick( &r, 1 ); assert_int_equal( cur(), 64*i+1 ); }
  assert_true( r.timer_us>r.now_us+1 );
  /* Lies: each third closes the link, and what else it sends is not looked at. */
  dmg_run_t lie = rig_run( &r, 641, 64, others() );
  lie.sig[ 5 ] ^= 1;
  for( uint32_t i = 0; i<3; i++ ) rig_send_run( &r, other( 1 ), &lie );
  assert_int_equal( r.closes, 1 );
  assert_int_equal( rig_info( &r ).bad_frames, 3 );
  rig_send_run( &r, other( 1 ), &lie );
  assert_int_equal( rig_info( &r ).bad_frames, 3 );
  lie.sig[ 5 ] ^= 1;
  rig_send_run( &r, other( 2 ), &lie );
  assert_int_equal( cur(), 705 );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    T( test_runs_behind_a_prefix_are_fetched ),
    T( test_false_runs_behind_a_prefix ),
    T( test_a_stall_of_any_length_is_justified ),
    T( test_runs_are_verified_in_slices ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
