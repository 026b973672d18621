/* The core under a test's hand: C16's failures that need only the core, by their names, and the order of SAVE, SIGN, SEND. */
#include "wan.h"
#include "test_rig.h"

/* C6.1: SAVE, then SIGN, then SEND; and all a NOTARIZE rests on is in that SAVE (C6.2). */
static void test_a_vote_leaves_only_saved_and_signed( void ** state ) {
  up( not_leading( 4 ), 1000 );
  r.no_save = true;
  dmg_hash_t h = propose_1(), got;
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 1, NULL ), 0 );
  r.no_save = false;
  rig_restart( &r );   /* what was never saved is not known: the vote may be cast again, also for another block */
  link_all();
  h = propose_1();
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 1, &got ), 1 );
  assert_memory_equal( &got, &h, 32 );
  uint32_t at_vote = 0, at_prop = 0;
  for( uint32_t i = 0; i<r.wal_cnt; i++ ) { if( r.wal[ i ].kind==DMG_CONS_REC_VOTE ) at_vote = i+1; if( r.wal[ i ].kind==DMG_CONS_REC_PROPOSAL ) at_prop = i+1; }
  assert_true( at_prop && at_vote>at_prop && r.wal[ at_vote-1 ].seq==r.wal[ at_prop-1 ].seq );
  assert_memory_equal( &r.wal[ at_prop-1 ].block, &h, 32 );
}

static void test_unsigned_is_not_sent_and_refused_is_observed( void ** state ) {
  up( not_leading( 4 ), 1000 );
  r.no_sign = true;
  propose_1();
  assert_true( rig_saved( &r, DMG_CONS_REC_VOTE, DMG_VOTE_NOTARIZE, 1 ) );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 1, NULL ), 0 );
  r.no_sign = false;
  r.is_refusing = true;
  rig_tick( &r, 700000 );
  assert_int_equal( r.observes, 1 );
  assert_int_equal( rig_sent( &r, DMG_FRAME_VOTE ), 0 );
}

static void test_q_votes_notarize_and_finalize( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_hash_t h = propose_1();
  rig_vote( &r, other( 0 ), DMG_VOTE_NOTARIZE, 1, &h );
  assert_int_equal( cur(), 1 );                                            /* one short of q */
  rig_vote( &r, other( 0 ), DMG_VOTE_NOTARIZE, 1, &h );
  assert_int_equal( cur(), 1 );                                            /* a slot counts once */
  rig_vote( &r, other( 1 ), DMG_VOTE_NOTARIZE, 1, &h );
  assert_int_equal( cur(), 2 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_FINALIZE, 1, NULL ), 1 );
  for( unsigned k = 0; k<2; k++ ) rig_vote( &r, other( k ), DMG_VOTE_FINALIZE, 1, &h );
  assert_int_equal( rig_info( &r ).final_view, 1 );
  assert_int_equal( r.commits, 1 );
  assert_memory_equal( &r.commit_hash, &h, 32 );
}

/* C16 finalize_keeps_reason, C6.2: N(v,h) stands in the log before FINALIZE(v,h). */
static void test_finalize_keeps_reason( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_hash_t h = propose_1();
  finalize_1( &h );
  assert_true( rig_saved( &r, DMG_CONS_REC_CERT, DMG_VOTE_NOTARIZE, 1 ) );
  assert_true( rig_saved( &r, DMG_CONS_REC_VOTE, DMG_VOTE_FINALIZE, 1 ) );
  rig_restart( &r );
  assert_int_equal( cur(), 2 );   /* the view is clear after a crash */
}

/* C16 own_nullify_replay: q nullify, all crash after SAVE: replay puts the own vote into the tally. */
static void test_own_nullify_replay( void ** state ) {
  up( not_leading( 4 ), 1000 );
  r.no_sign = true;
  rig_tick( &r, 460000 );   /* t_prop */
  assert_true( rig_saved( &r, DMG_CONS_REC_VOTE, DMG_VOTE_NULLIFY, 1 ) && rig_saved( &r, DMG_CONS_REC_VOTE, DMG_VOTE_NULLIFY, 4 ) );
  r.no_sign = false;
  rig_restart( &r );
  link_all();
  rig_vote( &r, other( 0 ), DMG_VOTE_NULLIFY, 1, NULL );
  assert_int_equal( cur(), 1 );
  rig_vote( &r, other( 1 ), DMG_VOTE_NULLIFY, 1, NULL );
  assert_int_equal( cur(), 2 );   /* two of others and ours */
}

/* C16 nullified_then_notarized, finalize_after_timeout: N(v) is taken after an own NULLIFY(v), cur moves, no FINALIZE ever. */
static void test_nullified_then_notarized( void ** state ) {
  up( not_leading( 4 ), 1000 );
  rig_tick( &r, 460000 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 1, NULL ), 1 );
  dmg_hash_t h = { { 77 } };
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &h, others() );
  rig_send_cert( &r, other( 0 ), &n );
  assert_int_equal( cur(), 2 );
  rig_tick( &r, 5000000 );
  rig_send_cert( &r, other( 1 ), &n );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_FINALIZE, 1, NULL ), 0 );
  /* Far beyond the ring: the vote is forgotten with its view, which takes no vote any more. */
  for( uint64_t v = 200; v<600; v += 200 ) { dmg_cert_t x = rig_cert( &r, DMG_VOTE_NOTARIZE, v, &h, others() ); rig_send_cert( &r, other( 0 ), &x ); }
  assert_int_equal( cur(), 401 );
  rig_send_cert( &r, other( 1 ), &n );
  rig_restart( &r );
  link_all();
  rig_send_cert( &r, other( 1 ), &n );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_FINALIZE, 1, NULL ), 0 );
  assert_false( rig_saved( &r, DMG_CONS_REC_VOTE, DMG_VOTE_FINALIZE, 1 ) );
}

/* C4.4: no NULLIFY after an own FINALIZE, whatever the clock says; also after a restart. */
static void test_finalized_is_never_nullified( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_hash_t h = propose_1();
  finalize_1( &h );
  rig_restart( &r );
  link_all();
  rig_tick( &r, 20000000 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 1, NULL ), 0 );
  assert_true( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 2, NULL )>0 );
  assert_true( rig_sent_votes( &r, DMG_VOTE_FINALIZE, 1, NULL )>0 );   /* told again at every standstill */
}

/* C16 jump_over_gap (C4.1, C14.3): Z(v+3) alone moves nobody; with the rest it does. */
static void test_jump_over_gap( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_run_t z4 = rig_run( &r, 4, 1, others() ), z = rig_run( &r, 1, 2, others() ), z3 = rig_run( &r, 3, 1, 15 );
  rig_send_run( &r, other( 0 ), &z4 );
  assert_int_equal( cur(), 1 );
  rig_send_run( &r, other( 0 ), &z );
  assert_int_equal( cur(), 3 );
  rig_send_run( &r, other( 1 ), &z3 );
  assert_int_equal( cur(), 5 );
  assert_int_equal( rig_info( &r ).run_cnt, 1 );   /* merged */
  dmg_run_t low = rig_run( &r, 5, 1, 3 );           /* two of four are no quorum */
  rig_send_run( &r, other( 1 ), &low );
  assert_int_equal( cur(), 5 );
  assert_int_equal( rig_info( &r ).bad_frames, 1 );
}

/* C16 both_in_log: replay with N(v) and Z(v). */
static void test_both_in_log( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_hash_t h = { { 5 } };
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &h, others() );
  dmg_run_t  z = rig_run( &r, 1, 1, others() );
  rig_rec_t * x = &r.wal[ r.wal_cnt++ ];
  x->kind = DMG_CONS_REC_RUN; x->sz = dmg_run_encode( &z, x->bytes );
  x = &r.wal[ r.wal_cnt++ ];
  x->kind = DMG_CONS_REC_CERT; x->sz = DMG_CERT_SZ; dmg_cert_encode( &n, x->bytes );
  rig_restart( &r );
  assert_int_equal( cur(), 2 );
  assert_int_equal( rig_info( &r ).base_view, 1 );
}

/* C16 state_ahead_of_wal: the final height of the state is one floor with the log's. */
static void test_state_ahead_of_wal( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_hash_t h = { { 5 } };
  dmg_cert_t f = rig_cert( &r, DMG_VOTE_FINALIZE, 300, &h, others() );
  rig_rec_t * x = &r.wal[ r.wal_cnt++ ];
  x->kind = DMG_CONS_REC_FLOOR; x->sz = DMG_CONS_REC_FLOOR_SZ;
  dmg_store_u64le( x->bytes, 300 ); dmg_store_u64le( x->bytes+8, 250 ); memcpy( x->bytes+16, &h, 32 ); dmg_cert_encode( &f, x->bytes+48 );
  rig_restart( &r );
  assert_int_equal( cur(), 301 );
  assert_int_equal( rig_info( &r ).final_view, 300 );
  link_all();
  rig_tick( &r, 3000000 );
  assert_true( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 301, NULL )>0 );   /* no stall, nothing to wipe */
}

/* C16 fetch_beyond_leader: the base's block is asked of the certificate's signers that are linked. */
static void test_fetch_beyond_leader( void ** state ) {
  up( not_leading( 4 ), 1000 );
  uint32_t leader = rig_leader( &r, 1 );
  rig_link( &r, leader, false );
  dmg_hash_t h = { { 6 } };
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &h, others() );
  uint32_t from = 0;
  while( from==r.me || from==leader ) from++;
  rig_send_cert( &r, from, &n );
  assert_int_equal( r.fetches, 1 );
  assert_memory_equal( &r.fetch_hash, &h, 32 );
  assert_false( dmg_peers_has( &r.fetch_peers, leader ) );
  assert_true( dmg_peers_has( &r.fetch_peers, from ) );
  rig_tick( &r, 2100000 );
  assert_true( r.fetches>=2 );   /* again and again */
}

/* C16 skip_without_proof: no vote without Z of each skipped view. */
static void test_skip_without_proof( void ** state ) {
  up( not_leading( 8 ), 1000 );
  dmg_run_t z[ 3 ] = { rig_run( &r, 1, 2, others() ), rig_run( &r, 4, 1, others() ), rig_run( &r, 3, 1, others() ) };
  rig_send_run( &r, other( 0 ), &z[ 0 ] );
  rig_send_run( &r, other( 0 ), &z[ 2 ] );
  rig_send_run( &r, other( 0 ), &z[ 1 ] );
  assert_int_equal( cur(), 5 );
  dmg_hash_t h;
  size_t sz = rig_proposal( &r, 5, NULL, 1, r.wall_ms+1, z, 2, NULL, frame, &h );   /* 3 is left out */
  rig_frame( &r, rig_leader( &r, 5 ), DMG_FRAME_PROPOSAL, frame, sz );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 5, NULL ), 0 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 5, NULL ), 1 );          /* C5.3: invalid, at once */
  dmg_run_t whole = rig_run( &r, 1, 4, others() );
  sz = rig_proposal( &r, 5, NULL, 1, r.wall_ms+2, &whole, 1, NULL, frame, &h );
  rig_frame( &r, rig_leader( &r, 5 ), DMG_FRAME_PROPOSAL, frame, sz );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 5, NULL ), 1 );          /* allowed after an own NULLIFY (C4.3) */
  assert_int_equal( r.evidences, 1 );                                                /* E4: two headers of one view */
}

/* Found by the simulator: a log that ends with our header, as the disk was full before PROPOSE, holds no proposal: nobody was told of it, and the view's is built anew. */
static void test_a_header_that_was_not_signed_for_is_none( void ** state ) {
  rig_init( &r, 0, 1000 );
  uint32_t me = rig_leader( &r, 1 );
  rig_fini( &r );
  for( unsigned is_whole = 0; is_whole<2; is_whole++ ) {
    up( me, 1000 );
    rig_tick( &r, 300000 );
    assert_true( rig_saved( &r, DMG_CONS_REC_VOTE, DMG_VOTE_PROPOSE, 1 ) );
    dmg_hash_t old = r.last_header, sent;
    uint32_t at = 0;
    while( r.wal[ at ].kind!=DMG_CONS_REC_PROPOSAL ) at++;
    if( !is_whole ) r.wal_cnt = at+1;
    r.builds = 0;
    rig_restart( &r );
    link_all();
    rig_tick( &r, 300000 );
    assert_int_equal( r.builds, !is_whole );
    assert_true( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 1, &sent )>=1 );
    assert_int_equal( dmg_hash_eq( &sent, &old ), is_whole );
    if( !is_whole ) rig_fini( &r );
  }
}

/* Found with n = 1: an N that comes while a body is built raises the base, and the body of the old one would be invalid on the new: it is built again. */
static void test_a_body_belongs_to_its_parent( void ** state ) {
  rig_init( &r, 0, 1000 );
  uint64_t v = 4;   /* the last view of a window that another leads on */
  while( rig_leader( &r, v )==rig_leader( &r, v+1 ) ) v += 4;
  uint32_t me = rig_leader( &r, v+1 );
  rig_fini( &r );
  up( me, 1000 );
  r.no_build = true;
  dmg_run_t z = rig_run( &r, 1, (uint32_t)v+1, others() ), below = rig_run( &r, 1, (uint32_t)v-1, others() );
  rig_send_run( &r, other( 0 ), &z );
  assert_int_equal( cur(), v+2 );
  rig_tick( &r, 260000 );
  assert_int_equal( r.builds, 1 );
  assert_memory_equal( r.build_parent.b, r.cfg.anchor.hash.b, 32 );
  uint64_t old = r.build_id;
  dmg_hash_t h;
  size_t sz = rig_proposal( &r, v, NULL, 1, r.wall_ms-1, &below, 1, NULL, frame, &h );
  rig_frame( &r, rig_leader( &r, v ), DMG_FRAME_PROPOSAL, frame, sz );
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, v, &h, others() );
  rig_send_cert( &r, other( 0 ), &n );
  assert_int_equal( rig_info( &r ).base_view, v );
  dmg_cons_event_t built = { .kind = DMG_CONS_BUILT, .built = { .id = old, .is_ok = true, .body_hash = { { 9 } }, .body_len = 3 } };
  rig_event( &r, &built );
  rig_tick( &r, 20000 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, v+2, NULL ), 0 );
  assert_int_equal( rig_sent( &r, DMG_FRAME_PROPOSAL ), 0 );
  assert_int_equal( r.builds, 2 );
  assert_memory_equal( r.build_parent.b, h.b, 32 );
  built.built.id = r.build_id;
  rig_event( &r, &built );
  assert_int_equal( rig_sent( &r, DMG_FRAME_PROPOSAL ), 1 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, v+2, NULL ), 1 );
}

static void edit_reveal( dmg_header_t * h );

/* C3.1: the reveal of a window is checked with its first header; another one behind it is looked at, and refused. */
static void test_a_window_s_reveal_is_checked_once( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_hash_t h1 = propose_1(), h2;
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &h1, others() );
  rig_send_cert( &r, other( 0 ), &n );
  assert_int_equal( cur(), 2 );
  uint64_t pairing = sim_price_ns;
  dmg_bls_sig_t sig;
  uint8_t raw[ DMG_BLS_SIG_RAW_SZ ];
  sim_fake_sign( &r.secrets[ 0 ], DMG_BLS_VOTE, DMG_SPAN_STR( "x" ), raw );
  dmg_bls_key_t const * key = &r.secrets[ 0 ];
  assert_true( sim_fake.sig_load( raw, &sig ) && sim_fake.verify_same( &key, 1, DMG_BLS_VOTE, DMG_SPAN_STR( "x" ), &sig ) );
  pairing = sim_price_ns-pairing;
  size_t sz = rig_proposal( &r, 2, &n, 2, r.wall_ms+2, NULL, 0, NULL, frame, &h2 );
  uint64_t price = sim_price_ns;
  rig_frame( &r, rig_leader( &r, 2 ), DMG_FRAME_PROPOSAL, frame, sz );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 2, NULL ), 1 );
  assert_true( sim_price_ns-price>=pairing && sim_price_ns-price<2*pairing );   /* PROPOSE alone */
  n = rig_cert( &r, DMG_VOTE_NOTARIZE, 2, &h2, others() );
  rig_send_cert( &r, other( 0 ), &n );
  sz = rig_proposal( &r, 3, &n, 3, r.wall_ms+3, NULL, 0, edit_reveal, frame, &h2 );
  rig_frame( &r, rig_leader( &r, 3 ), DMG_FRAME_PROPOSAL, frame, sz );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 3, NULL ), 0 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 3, NULL ), 1 );
}

static void edit_height( dmg_header_t * h ) { h->height++; }
static void edit_epoch_root( dmg_header_t * h ) { h->next_epoch_root.b[ 0 ] = 1; }
static void edit_kind( dmg_header_t * h ) { h->kind = DMG_BLOCK_BOUNDARY; }
static void edit_closing( dmg_header_t * h ) { h->kind = DMG_BLOCK_CLOSING; }
static void edit_time( dmg_header_t * h ) { h->time_ms = 1000000; }
static void edit_reveal( dmg_header_t * h ) { h->reveal[ 0 ] ^= 1; }
static void edit_len( dmg_header_t * h ) { h->body_len = ( 1u<<20 )+1; }
static void edit_parent( dmg_header_t * h ) { h->parent_hash.b[ 5 ] ^= 1; }
static void edit_cert( dmg_header_t * h ) { h->parent_cert.bitmap[ 0 ] = 7; }
static void edit_just( dmg_header_t * h ) { h->just_root.b[ 0 ] = 1; }
static void edit_root( dmg_header_t * h ) { h->parent_state_root.b[ 0 ] ^= 1; }

/* C5.1, C5.3: each false clause is NULLIFY at once; what only lacks something waits. */
static void test_each_false_clause_is_invalid( void ** state ) {
  static struct { rig_edit_t edit; bool is_invalid; char const * name; } const t[] = {
    { edit_height, true, "height" }, { edit_epoch_root, true, "next_epoch_root" }, { edit_kind, true, "boundary early" }, { edit_closing, true, "closing early" }, { edit_time, true, "time" },
    { edit_reveal, true, "reveal" }, { edit_len, true, "body_len" }, { edit_parent, true, "anchor" }, { edit_cert, true, "parent_cert" }, { edit_root, true, "state root" },
    { edit_just, false, "just_root over runs that are not there" }, { NULL, false, "good" } };
  for( unsigned i = 0; i<sizeof t/sizeof *t; i++ ) {
    up( not_leading( 4 ), 1000 );
    dmg_hash_t h;
    size_t sz = rig_proposal( &r, 1, NULL, 1, r.wall_ms+1, NULL, 0, t[ i ].edit, frame, &h );
    rig_frame( &r, rig_leader( &r, 1 ), DMG_FRAME_PROPOSAL, frame, sz );
    if( ( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 1, NULL )==1 )!=t[ i ].is_invalid ) fail_msg( "%s", t[ i ].name );
    if( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 1, NULL )!=( t[ i ].edit==NULL ) ) fail_msg( "%s: NOTARIZE", t[ i ].name );
    if( ( r.alarms>0 )!=( t[ i ].edit==edit_root ) ) fail_msg( "%s: alarm", t[ i ].name );
    if( i+1<sizeof t/sizeof *t ) rig_fini( &r );
  }
}

/* C4.3: a time ahead of the clock by more than skew waits and is voted when it is due. */
static void test_future_time_waits( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_hash_t h;
  size_t sz = rig_proposal( &r, 1, NULL, 1, r.wall_ms+501+100, NULL, 0, NULL, frame, &h );
  rig_frame( &r, rig_leader( &r, 1 ), DMG_FRAME_PROPOSAL, frame, sz );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 1, NULL ), 0 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 1, NULL ), 0 );
  rig_tick( &r, 100000 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 1, NULL ), 0 );
  rig_tick( &r, 2000 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 1, NULL ), 1 );
}

/* C4.4: t_prop nullifies the whole window, t_notar only the view; a header that stands stops the first. */
static void test_timeouts_are_the_page_s( void ** state ) {
  up( not_leading( 4 ), 1000 );
  rig_tick( &r, 449000 );
  assert_int_equal( rig_sent( &r, DMG_FRAME_VOTE ), 0 );
  rig_tick( &r, 2000 );
  for( uint64_t v = 1; v<=4; v++ ) assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, v, NULL ), 1 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 5, NULL ), 0 );
  rig_fini( &r );
  up( not_leading( 4 ), 1000 );
  r.no_check = true;   /* an execution that does not end */
  propose_1();
  rig_tick( &r, 645000 );
  assert_int_equal( rig_sent( &r, DMG_FRAME_VOTE ), 0 );
  rig_tick( &r, 6000 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 1, NULL ), 1 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 2, NULL ), 0 );
}

/* C16 backoff_only_by_finality: windows that pass by N without F still lengthen the time-outs; F alone lowers them. */
static void test_backoff_only_by_finality( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_hash_t h = { { 8 } };
  r.no_save = true;   /* votes are of no interest here */
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 40, &h, others() );   /* window 9: lag 10, 8 steps */
  rig_send_cert( &r, other( 0 ), &n );
  assert_int_equal( rig_info( &r ).lag, 10 );
  uint64_t t = 450000;
  for( unsigned i = 0; i<8; i++ ) t += t/2;
  dmg_hash_t f_hash = { { 9 } };
  rig_tick( &r, t-10000 );
  r.no_save = false;
  rig_tick( &r, 1 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 41, NULL ), 0 );
  /* The F of view 36 (window 8) comes: lag 2, and the deadlines of the view at hand are long over. */
  dmg_cert_t f = rig_cert( &r, DMG_VOTE_FINALIZE, 36, &f_hash, others() );
  rig_send_cert( &r, other( 0 ), &f );
  assert_int_equal( rig_info( &r ).lag, 2 );
  rig_tick( &r, 2000 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 41, NULL ), 1 );
}

/* C16 resend_bounded (N8.3): an hour of standstill keeps each peer's egress within 64 KiB/s. */
static void test_resend_bounded( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_hash_t h = { { 8 } };
  /* As much to tell as there can be: 64 views notarized, own votes in all of them. */
  for( uint64_t v = 1; v<=64; v++ ) { rig_tick( &r, 700000 ); dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, v, &h, others() ); rig_send_cert( &r, other( 0 ), &n ); }
  memset( r.sent_bytes, 0, sizeof r.sent_bytes );
  uint64_t last[ RIG_N ] = { 0 }, worst = 0;
  for( unsigned s = 0; s<3600; s++ ) {
    rig_tick( &r, 1000000 );
    for( uint32_t p = 0; p<RIG_N; p++ ) { if( r.sent_bytes[ p ]-last[ p ]>worst ) worst = r.sent_bytes[ p ]-last[ p ]; last[ p ] = r.sent_bytes[ p ]; }
  }
  assert_true( worst<=128u<<10 );            /* a full bucket in one second */
  assert_true( last[ other( 0 ) ]/3600<=64u<<10 );
  assert_true( last[ other( 0 ) ]>100000 );        /* and something is told */
}

/* C16 suspect_still_counts (C2.6): one bad vote silences nobody for good: with exactly q alive the later good ones count. */
static void test_suspect_still_counts( void ** state ) {
  up( not_leading( 8 ), 1000 );
  uint32_t a = other( 0 ), b = other( 1 );
  dmg_hash_t h = propose_1();
  dmg_vote_t bad = { .kind = DMG_VOTE_NOTARIZE, .view = 1, .hash = h, .signer = (uint16_t)a, .sig = { 1, 2, 3 } };
  for( unsigned i = 0; i<48; i++ ) bad.sig[ 48+i ] = bad.sig[ i ]^0xff;
  uint8_t f[ DMG_VOTE_WIRE_SZ ];
  dmg_vote_encode( &bad, f );
  rig_frame( &r, a, DMG_FRAME_VOTE, f, sizeof f );
  rig_vote( &r, b, DMG_VOTE_NOTARIZE, 1, &h );
  assert_int_equal( cur(), 1 );
  assert_int_equal( rig_info( &r ).votes_bad, 1 );
  rig_vote( &r, a, DMG_VOTE_NOTARIZE, 1, &h );     /* the same slot, good now */
  assert_int_equal( cur(), 2 );
  rig_vote( &r, a, DMG_VOTE_FINALIZE, 1, &h );     /* a suspect's is checked singly, and counts */
  rig_vote( &r, b, DMG_VOTE_FINALIZE, 1, &h );
  assert_int_equal( rig_info( &r ).final_view, 1 );
  assert_int_equal( r.closes, 0 );
}

/* C2.6: the third bad vote closes the link. */
static void test_three_bad_votes_close_the_link( void ** state ) {
  up( not_leading( 8 ), 1000 );
  uint32_t a = other( 0 );
  rig_tick( &r, 460000 );   /* our own NULLIFY of 1..4 */
  for( uint64_t v = 1; v<=3; v++ ) {
    assert_int_equal( r.closes, 0 );
    dmg_vote_t bad = { .kind = DMG_VOTE_NULLIFY, .view = v, .signer = (uint16_t)a, .sig = { 1 } };
    for( unsigned i = 0; i<48; i++ ) bad.sig[ 48+i ] = bad.sig[ i ]^0xff;
    uint8_t f[ DMG_VOTE_WIRE_SZ ];
    dmg_vote_encode( &bad, f );
    rig_frame( &r, a, DMG_FRAME_VOTE, f, sizeof f );
    rig_vote( &r, other( 1 ), DMG_VOTE_NULLIFY, v, NULL );   /* ours, this and the bad one: it must be looked at */
    assert_int_equal( rig_info( &r ).votes_bad, v );
  }
  assert_int_equal( r.closes, 1 );
  assert_int_equal( cur(), 1 );
  for( uint64_t v = 1; v<=3; v++ ) rig_vote( &r, a, DMG_VOTE_NULLIFY, v, NULL );   /* not heard while closed */
  assert_int_equal( cur(), 1 );
  for( uint64_t v = 1; v<=3; v++ ) rig_vote( &r, other( 2 ), DMG_VOTE_NULLIFY, v, NULL );
  assert_int_equal( cur(), 4 );
  rig_link( &r, a, false );
  rig_tick( &r, 601000000 );
  rig_link( &r, a, true );   /* never longer than 10 min */
  uint64_t v = cur();
  rig_vote( &r, a, DMG_VOTE_NULLIFY, v, NULL );
  rig_vote( &r, other( 1 ), DMG_VOTE_NULLIFY, v, NULL );
  assert_int_equal( cur(), v+1 );
}

/* C16 votes_before_replay: no frame is taken from a link that is not up. */
static void test_frames_before_the_link_are_nothing( void ** state ) {
  rig_init( &r, not_leading( 4 ), 1000 );
  dmg_hash_t h = { { 1 } };
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &h, 15 );
  rig_send_cert( &r, other( 0 ), &n );
  assert_int_equal( cur(), 1 );
  rig_link( &r, other( 0 ), true );
  rig_send_cert( &r, other( 0 ), &n );   /* carries a bit of ours that we know nothing of */
  assert_int_equal( r.observes, 1 );      /* C6.5 */
  assert_true( r.alarms>=1 );
}

/* C6.5: no vote until q told hello, or the wait is over. */
static void test_every_start_waits( void ** state ) {
  rig_init( &r, not_leading( 4 ), 1000 );
  r.cfg.is_wait_off = false;
  rig_restart( &r );
  link_all();
  rig_tick( &r, 1000000 );
  assert_int_equal( rig_sent( &r, DMG_FRAME_VOTE ), 0 );
  dmg_hello_t hello = { .cur = 1 };
  uint8_t b[ DMG_HELLO_SZ ];
  dmg_hello_encode( &hello, b );
  rig_frame( &r, other( 0 ), DMG_FRAME_HELLO, b, sizeof b );
  assert_true( rig_info( &r ).is_waiting );
  rig_frame( &r, other( 1 ), DMG_FRAME_HELLO, b, sizeof b );
  assert_false( rig_info( &r ).is_waiting );
  rig_tick( &r, 460000 );
  assert_true( rig_sent( &r, DMG_FRAME_VOTE )>0 );
  rig_restart( &r );
  rig_tick( &r, 1990000 );
  assert_true( rig_info( &r ).is_waiting );
  rig_tick( &r, 20000 );
  assert_false( rig_info( &r ).is_waiting );
}

/* C16 no_hearsay_inactivity: what one peer says of a leader makes nobody skip it; only the own link's silence does. */
static void test_no_hearsay_inactivity( void ** state ) {
  uint32_t me = not_leading( 8 );
  up( me, 1000 );
  uint32_t leader = rig_leader( &r, 5 ), liar = 0;
  while( liar==me || liar==leader ) liar++;
  dmg_hello_t hello = { .cur = 1 };
  uint8_t b[ DMG_HELLO_SZ ];
  dmg_hello_encode( &hello, b );
  r.no_save = true;
  for( unsigned s = 0; s<7; s++ ) {
    rig_tick( &r, 1000000 );
    for( uint32_t i = 0; i<RIG_N; i++ ) if( i!=me ) rig_frame( &r, i, DMG_FRAME_HELLO, b, sizeof b );
    for( uint64_t v = 5; v<=8; v++ ) rig_vote( &r, liar, DMG_VOTE_NULLIFY, v, NULL );
  }
  rig_restart( &r );
  r.no_save = false;
  link_all();
  dmg_run_t z = rig_run( &r, 1, 4, others() );
  rig_send_run( &r, liar, &z );
  assert_int_equal( cur(), 5 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 5, NULL ), 0 );
  rig_fini( &r );
  /* Silence on its own link for 6 s, while q are heard, does. */
  up( me, 1000 );
  r.no_save = true;
  for( unsigned s = 0; s<7; s++ ) { rig_tick( &r, 1000000 ); for( uint32_t i = 0; i<RIG_N; i++ ) if( i!=me && i!=leader ) rig_frame( &r, i, DMG_FRAME_HELLO, b, sizeof b ); }
  r.no_save = false;
  z = rig_run( &r, 1, 4, others() );
  rig_send_run( &r, liar, &z );
  assert_int_equal( cur(), 5 );
  assert_true( rig_saved( &r, DMG_CONS_REC_VOTE, DMG_VOTE_NULLIFY, 5 ) && rig_saved( &r, DMG_CONS_REC_VOTE, DMG_VOTE_NULLIFY, 8 ) );
}

/* C4.10: E views past finality only an empty body. */
static void edit_full( dmg_header_t * h ) { h->body_len = 4; }
static void test_far_from_finality_bodies_are_empty( void ** state ) {
  for( unsigned k = 0; k<2; k++ ) {
    up( not_leading( 1 ), 1000 );
    uint64_t v = 16+k;   /* v - 0 > 16 only in the second round */
    dmg_run_t z = rig_run( &r, 1, (uint32_t)v-1, others() );
    rig_send_run( &r, other( 0 ), &z );
    assert_int_equal( cur(), v );
    if( rig_leader( &r, v )==r.me ) { rig_fini( &r ); rig_init( &r, ( r.me+1 )%RIG_N, 1000 ); link_all(); z = rig_run( &r, 1, (uint32_t)v-1, others() ); rig_send_run( &r, other( 0 ), &z ); }
    dmg_hash_t h;
    size_t sz = rig_proposal( &r, v, NULL, 1, r.wall_ms+1, &z, 1, edit_full, frame, &h );
    rig_frame( &r, rig_leader( &r, v ), DMG_FRAME_PROPOSAL, frame, sz );
    assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, v, NULL ), k==0 );
    if( !k ) rig_fini( &r );
  }
}

/* C4.7: what is wanted is sent: N, F, Z as a bundle without a base, the proposal as it came. */
static void test_wants_are_answered( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_hash_t h = propose_1();
  size_t prop_sz = 0;
  for( uint32_t i = 0; i<r.wal_cnt; i++ ) if( r.wal[ i ].kind==DMG_CONS_REC_PROPOSAL ) prop_sz = r.wal[ i ].sz;
  finalize_1( &h );
  dmg_run_t z = rig_run( &r, 2, 3, others() );
  rig_send_run( &r, other( 0 ), &z );
  dmg_want_t w = { .views = { 1, 3, 99999 }, .cnt = 3, .kinds = 15 };
  uint8_t b[ DMG_WANT_SZ_MAX ];
  uint32_t certs = rig_sent( &r, DMG_FRAME_CERT ), bundles = rig_sent( &r, DMG_FRAME_BUNDLE ), props = rig_sent( &r, DMG_FRAME_PROPOSAL );
  rig_frame( &r, other( 1 ), DMG_FRAME_WANT, b, dmg_want_encode( &w, b ) );
  assert_int_equal( rig_sent( &r, DMG_FRAME_CERT ), certs+1 );
  assert_int_equal( rig_sent( &r, DMG_FRAME_BUNDLE ), bundles+1 );
  assert_int_equal( rig_sent( &r, DMG_FRAME_PROPOSAL ), props+1 );
  rig_send_t const * s = &r.sends[ r.send_cnt-1 ];
  assert_true( dmg_peers_has( &s->peers, other( 1 ) ) && !dmg_peers_has( &s->peers, other( 0 ) ) );
  for( uint32_t i = 0; i<r.send_cnt; i++ ) if( r.sends[ i ].bytes[ 0 ]==DMG_FRAME_PROPOSAL ) assert_int_equal( r.sends[ i ].sz, prop_sz+1 );
  dmg_cert_t f = rig_cert( &r, DMG_VOTE_FINALIZE, 1, &h, others() );
  rig_send_cert( &r, other( 0 ), &f );
  certs = rig_sent( &r, DMG_FRAME_CERT );
  w.cnt = 1; w.kinds = 1u<<DMG_VOTE_FINALIZE;
  rig_frame( &r, other( 1 ), DMG_FRAME_WANT, b, dmg_want_encode( &w, b ) );
  assert_int_equal( rig_sent( &r, DMG_FRAME_CERT ), certs+1 );
}

/* Every frame that does not decode, or whose certificate does not hold, is counted against its sender and changes nothing. */
static void test_bad_frames_are_counted_and_dropped( void ** state ) {
  up( not_leading( 4 ), 1000 );
  uint8_t junk[ 700 ];
  memset( junk, 0xee, sizeof junk );
  uint64_t bad = 0;
  for( uint8_t kind = 0; kind<12; kind++ ) for( unsigned sz = 0; sz<sizeof junk; sz += 233 ) {
    /* Epochs that are not ours are no fault: those of 0xeeeeeeee are left out by the kinds that have one in front. */
    rig_frame( &r, other( 0 ), kind, junk, sz );
    dmg_cons_info_t i = rig_info( &r );
    assert_true( i.bad_frames>=bad && i.cur==1 && i.run_cnt==0 );
    bad = i.bad_frames;
  }
  assert_true( bad>=36 );
  dmg_hash_t h = { { 4 } };
  dmg_cert_t few = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &h, 3 ), odd = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &h, others() ), out = odd;
  odd.sig[ 9 ] ^= 1;
  out.bitmap[ 0 ] |= 16;   /* a signer past the set */
  dmg_cert_t const * t[] = { &few, &odd, &out };
  for( unsigned k = 0; k<3; k++ ) { rig_send_cert( &r, other( k ), t[ k ] ); assert_int_equal( rig_info( &r ).bad_frames, bad+k+1 ); assert_int_equal( cur(), 1 ); }
  /* A vote in another's name. */
  dmg_vote_t v = { .kind = DMG_VOTE_NULLIFY, .view = 1, .signer = (uint16_t)other( 1 ) };
  uint8_t b[ DMG_VOTE_WIRE_SZ ];
  dmg_vote_encode( &v, b );
  rig_frame( &r, other( 0 ), DMG_FRAME_VOTE, b, sizeof b );
  assert_int_equal( rig_info( &r ).bad_frames, bad+4 );
  /* A view beyond two windows is dropped, no fault. */
  rig_vote( &r, other( 0 ), DMG_VOTE_NULLIFY, 13, NULL );
  assert_int_equal( rig_info( &r ).drops, 1 );
  rig_vote( &r, other( 0 ), DMG_VOTE_NULLIFY, 12, NULL );
  assert_int_equal( rig_info( &r ).drops, 1 );
}

/* C8.2: above the last view recorded, at least 8 below the block that records it. */
static void test_attendance_is_due_by_place( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_attendance_t a = { .view = 5 };
  assert_true ( dmg_attendance_is_due( &a, 4, 13 ) );
  assert_false( dmg_attendance_is_due( &a, 4, 12 ) );
  assert_false( dmg_attendance_is_due( &a, 5, 13 ) );
  a.view = 0;          assert_false( dmg_attendance_is_due( &a, 0, 8 ) );
  a.view = UINT64_MAX; assert_false( dmg_attendance_is_due( &a, 0, 7 ) );
}

/* C6.5: a file that is new, imported or of another host waits its whole time, whoever has said hello. */
static void hello_from( uint32_t peer ) {
  uint8_t b[ DMG_HELLO_SZ ];
  dmg_hello_t h = { .cur = 1 };
  dmg_hello_encode( &h, b );
  rig_frame( &r, peer, DMG_FRAME_HELLO, b, sizeof b );
}
static void boot_as( bool is_listening, bool is_fresh, uint64_t from_ms ) {
  r.cfg.is_wait_off  = false;
  r.cfg.is_listening = is_listening;
  r.cfg.is_fresh     = is_fresh;
  r.cfg.from_ms      = from_ms;
  rig_restart( &r );
  link_all();
}
static void test_a_foreign_file_listens_first( void ** state ) {
  for( uint32_t is_foreign = 0; is_foreign<2; is_foreign++ ) {
    up( not_leading( 4 ), 1000 );
    boot_as( is_foreign, false, 0 );
    for( uint32_t i = 0; i<3; i++ ) hello_from( other( i ) );
    assert_int_equal( rig_info( &r ).is_waiting, is_foreign );
    rig_tick( &r, 1999000 );
    assert_int_equal( rig_sent( &r, DMG_FRAME_VOTE )==0, is_foreign );
    rig_tick( &r, 2000 );
    assert_false( rig_info( &r ).is_waiting );
    if( !is_foreign ) rig_fini( &r );
  }
}

/* C6.5: a new file whose clock was behind: from_ms rises to the highest F heard once that is executed; an older one's does not. */
static void test_from_ms_rises_to_the_f_heard( void ** state ) {
  for( uint32_t k = 0; k<3; k++ ) {   /* 0: new; 1: has signed since; 2: its clock was right */
    up( not_leading( 4 ), 1000 );
    uint64_t from = k==2 ? 5000000 : 900000;   /* the anchor is of 1,000,000 */
    boot_as( true, k!=1, from );
    r.no_check = true;
    dmg_hash_t h = propose_1();
    dmg_cert_t f = rig_cert( &r, DMG_VOTE_FINALIZE, 1, &h, others() );
    rig_send_cert( &r, other( 0 ), &f );
    for( uint32_t i = 0; i<3; i++ ) hello_from( other( i ) );
    rig_tick( &r, 4000000 );
    assert_int_equal( rig_info( &r ).is_waiting, k!=1 );   /* not executed: no vote, however long */
    assert_int_equal( rig_sent( &r, DMG_FRAME_VOTE )>0, k==1 );
    dmg_cons_event_t ev = { .kind = DMG_CONS_VERDICT, .verdict = { .view = 1, .hash = h, .verdict = DMG_CONS_VALID, .has_root = true, .root = rig_root( &r.cfg.anchor.root ) } };
    rig_event( &r, &ev );
    rig_tick( &r, 100000 );
    assert_false( rig_info( &r ).is_waiting );
    assert_int_equal( r.raised_ms>1000000, k==0 );
    assert_int_equal( rig_info( &r ).is_observer, k!=1 );
    rig_tick( &r, 5000000 );
    assert_int_equal( rig_sent( &r, DMG_FRAME_VOTE )>0, k==1 );
    if( k<2 ) rig_fini( &r );
  }
}

/* C6.5: our bit above our marks in any certificate, also one of no other use, or in a run that adds nothing: observe and alarm.  Not below them, not if it does not hold. */
static void test_own_bit_above_marks_ever( void ** state ) {
  for( uint32_t k = 0; k<5; k++ ) {
    up( not_leading( 4 ), 1000 );
    dmg_hash_t h = { { 5 } }, x = { { 6 } };
    dmg_cert_t f = rig_cert( &r, DMG_VOTE_FINALIZE, 40, &h, others() );
    rig_send_cert( &r, other( 0 ), &f );
    assert_int_equal( r.observes, 0 );
    dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 30, &x, k==1 ? others() : 15 );
    dmg_run_t  z = rig_run( &r, 20, 3, 15 );
    if( k==2 ) n.sig[ 3 ] ^= 1;
    if( k==3 ) rig_send_run( &r, other( 0 ), &z );
    else if( k==4 ) { z.sig[ 3 ] ^= 1; rig_send_run( &r, other( 0 ), &z ); }
    else rig_send_cert( &r, other( 0 ), &n );
    bool is_told = k==0 || k==3;
    assert_int_equal( r.observes, is_told );
    assert_int_equal( r.alarms, is_told );
    assert_int_equal( rig_info( &r ).is_observer, is_told );
    if( k<4 ) rig_fini( &r );
  }
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    T( test_a_vote_leaves_only_saved_and_signed ), T( test_unsigned_is_not_sent_and_refused_is_observed ), T( test_q_votes_notarize_and_finalize ), T( test_finalize_keeps_reason ),
    T( test_own_nullify_replay ), T( test_nullified_then_notarized ), T( test_finalized_is_never_nullified ), T( test_jump_over_gap ), T( test_both_in_log ), T( test_state_ahead_of_wal ),
    T( test_fetch_beyond_leader ), T( test_a_body_belongs_to_its_parent ), T( test_a_header_that_was_not_signed_for_is_none ), T( test_a_window_s_reveal_is_checked_once ),
    T( test_skip_without_proof ), T( test_each_false_clause_is_invalid ), T( test_future_time_waits ), T( test_timeouts_are_the_page_s ),
    T( test_backoff_only_by_finality ), T( test_resend_bounded ), T( test_suspect_still_counts ), T( test_three_bad_votes_close_the_link ), T( test_frames_before_the_link_are_nothing ),
    T( test_every_start_waits ), T( test_no_hearsay_inactivity ), T( test_far_from_finality_bodies_are_empty ),
    T( test_wants_are_answered ),
    T( test_bad_frames_are_counted_and_dropped ), T( test_attendance_is_due_by_place ),
    T( test_a_foreign_file_listens_first ), T( test_from_ms_rises_to_the_f_heard ), T( test_own_bit_above_marks_ever ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
