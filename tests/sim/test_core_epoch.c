/* Epochs in the core: how one ends, what is kept of the next one, what a crash on the way leaves (C7). */
#include "test_rig.h"

/* An epoch of two blocks ends by a closing one: the last block's header is held, its parent's is not. */
static void end_unjudged( void ) {
  dmg_record_t next = r.cfg.record;
  next.epoch = 1; next.first_height = 3; next.last_height = 3;
  next_root = dmg_record_hash( &next );
  dmg_hash_t unknown = { { 77 } }, b;
  dmg_cert_t n1 = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &unknown, others() );
  size_t sz = rig_proposal( &r, 2, &n1, 2, r.wall_ms+1, NULL, 0, edit_boundary, frame, &b );
  rig_frame( &r, rig_leader( &r, 2 ), DMG_FRAME_PROPOSAL, frame, sz );
  assert_int_equal( r.checks, 0 );
  dmg_header_t closing = { .version = 1, .kind = DMG_BLOCK_CLOSING, .leader = (uint16_t)rig_leader( &r, 3 ), .view = 3, .height = 2, .parent_hash = b, .parent_view = 2,
    .parent_cert = rig_cert( &r, DMG_VOTE_NOTARIZE, 2, &b, others() ), .body_hash = b, .next_epoch_root = next_root, .time_ms = r.wall_ms+2 };
  dmg_hash_t h = dmg_header_hash( &closing );
  dmg_cert_t f = rig_cert( &r, DMG_VOTE_FINALIZE, 3, &h, others() );
  sz = dmg_handover_encode( &closing, &f, &next, &r.set, &r.set, frame );
  rig_frame( &r, other( 0 ), DMG_FRAME_HANDOVER, frame, sz );
}

/* Found by twins (seed 1033828761): the last block's header was held, its parent's was not, and it became final through a closing one; nobody asked for its state. */
static void test_an_epoch_ends_though_its_last_block_was_not_judged( void ** state ) {
  up( not_leading( 4 ), 2 );   /* an epoch of two blocks */
  end_unjudged();
  assert_int_equal( r.dones, 1 );
  assert_int_equal( r.checks, 1 );
  assert_int_equal( rig_info( &r ).epoch, 1 );
}

/* Found by the simulator (seed 600035151): a crash behind the handover, before its block was executed; the log is replayed in the epoch that is over, and its votes
   are not signed again: the safety file is in the next one and would refuse. */
static void test_no_vote_of_an_epoch_that_is_over( void ** state ) {
  up( not_leading( 4 ), 2 );
  rig_tick( &r, 460000 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 4, NULL ), 1 );
  end_unjudged();
  assert_int_equal( rig_info( &r ).epoch, 1 );
  r.cfg.marks_epoch = 1;
  r.no_check = r.is_refusing = true;
  rig_restart( &r );
  link_all();
  rig_tick( &r, 3000000 );
  assert_int_equal( rig_info( &r ).epoch, 0 );
  assert_int_equal( r.observes, 0 );
}

/* C16 closing_is_no_fork, C7: F of B and F of a closing block above it raise no alarm; the handover is made once. */
static void test_closing_is_no_fork( void ** state ) {
  up( not_leading( 4 ), 1 );   /* an epoch of one block */
  dmg_record_t next = r.cfg.record;
  next.epoch = 1; next.first_height = 2; next.last_height = 2; next.seed.b[ 0 ] = 9;
  next_root = dmg_record_hash( &next );
  dmg_hash_t b, h;
  size_t sz = rig_proposal( &r, 1, NULL, 1, r.wall_ms+1, NULL, 0, edit_boundary, frame, &b );
  rig_frame( &r, rig_leader( &r, 1 ), DMG_FRAME_PROPOSAL, frame, sz );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 1, NULL ), 0 );   /* the record of e+1 is not known yet: wait */
  tell_next( &next, &r.set );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 1, NULL ), 1 );
  finalize_1( &b );
  /* A closing block at view 2, judged and notarized before B is final. */
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &b, 15 );
  dmg_signed_header_t sh = { .header = { .version = 1, .kind = DMG_BLOCK_CLOSING, .leader = (uint16_t)rig_leader( &r, 2 ), .view = 2, .height = 1, .parent_hash = b, .parent_view = 1, .parent_cert = n,
    .body_hash = b, .parent_state_root = rig_root( &r.cfg.anchor.root ), .next_epoch_root = next_root, .time_ms = r.wall_ms+2 } };
  uint8_t rv[ DMG_REVEAL_MSG_SZ ], raw[ 96 ], msg[ DMG_VOTE_MSG_SZ ];
  dmg_reveal_msg( &r.cfg.chain_id, 0, 0, rv );
  sim_fake_sign( &r.secrets[ sh.header.leader ], DMG_BLS_REVEAL, DMG_SPAN( rv ), raw );
  memcpy( sh.header.reveal, raw, 48 );
  h = dmg_header_hash( &sh.header );
  dmg_vote_msg( DMG_VOTE_PROPOSE, &r.cfg.chain_id, 0, 2, &h, msg );
  sim_fake_sign( &r.secrets[ sh.header.leader ], DMG_BLS_VOTE, DMG_SPAN( msg ), raw );
  memcpy( sh.sig, raw, 48 );
  dmg_cert_t none = { 0 };
  sz = dmg_proposal_head( &sh, &none, 0, frame );
  rig_frame( &r, sh.header.leader, DMG_FRAME_PROPOSAL, frame, sz );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 2, NULL ), 1 );
  dmg_cert_t f2 = rig_cert( &r, DMG_VOTE_FINALIZE, 2, &h, others() ), f1 = rig_cert( &r, DMG_VOTE_FINALIZE, 1, &b, others() );
  rig_send_cert( &r, other( 0 ), &f2 );
  assert_int_equal( r.dones, 1 );
  assert_int_equal( rig_info( &r ).epoch, 1 );      /* B was executed long ago */
  rig_send_cert( &r, other( 0 ), &f1 );
  rig_send_cert( &r, other( 1 ), &f2 );
  assert_int_equal( r.alarms, 0 );
  assert_int_equal( r.dones, 1 );
  assert_true( rig_sent( &r, DMG_FRAME_HANDOVER )>=1 );
  assert_int_equal( rig_info( &r ).cur, 1 );
  /* The handover is in the log before any vote of e+1 (C6.2); a restart in e finds it and goes on. */
  assert_true( rig_saved( &r, DMG_CONS_REC_EPOCH, 0, 0 ) );
  rig_restart( &r );
  assert_int_equal( rig_info( &r ).epoch, 1 );
  /* A crash behind the handover: the log is replayed from e, and the votes of e+1 in it are known when that is entered again. */
  link_all();
  uint32_t before = r.wal_cnt;
  rig_tick( &r, 460000 );
  assert_true( r.wal_cnt>before && r.wal[ r.wal_cnt-1 ].epoch==1 && r.wal[ r.wal_cnt-1 ].kind==DMG_CONS_REC_VOTE );
  uint64_t marks = rig_info( &r ).marks[ DMG_VOTE_NULLIFY ];
  assert_true( marks>0 );
  r.cfg.marks_epoch = 1;
  before = r.wal_cnt;
  rig_restart( &r );
  link_all();
  assert_int_equal( rig_info( &r ).epoch, 1 );
  assert_int_equal( rig_info( &r ).marks[ DMG_VOTE_NULLIFY ], marks );
  assert_true( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 1, NULL )>0 );   /* signed again, told at link-up */
  rig_tick( &r, 300000 );
  assert_int_equal( r.wal_cnt, before );                               /* and not cast again */
}

/* The first to enter leads on: its proposal in e+1 comes before we are there, and is taken then. */
static void test_the_next_epoch_s_frames_wait( void ** state ) {
  up( not_leading( 4 ), 1 );
  dmg_record_t next = r.cfg.record;
  next.epoch = 1; next.first_height = 2; next.last_height = 9;
  next_root = dmg_record_hash( &next );
  tell_next( &next, &r.set );
  dmg_hash_t b;
  size_t sz = rig_proposal( &r, 1, NULL, 1, r.wall_ms+1, NULL, 0, edit_boundary, frame, &b );
  rig_frame( &r, rig_leader( &r, 1 ), DMG_FRAME_PROPOSAL, frame, sz );
  finalize_1( &b );
  /* NULLIFY votes of e+1 by two others: with ours at t_prop they clear view 1. */
  for( unsigned k = 0; k<2; k++ ) {
    dmg_vote_t v = { .kind = DMG_VOTE_NULLIFY, .epoch = 1, .view = 1, .signer = (uint16_t)other( k ) };
    uint8_t msg[ DMG_VOTE_MSG_SZ ], w[ DMG_VOTE_WIRE_SZ ];
    dmg_vote_msg( DMG_VOTE_NULLIFY, &r.cfg.chain_id, 1, 1, &v.hash, msg );
    sim_fake_sign( &r.secrets[ other( k ) ], DMG_BLS_VOTE, DMG_SPAN( msg ), v.sig );
    dmg_vote_encode( &v, w );
    for( unsigned n = 0; n<20; n++ ) rig_frame( &r, other( k ), DMG_FRAME_VOTE, w, sizeof w );   /* 16 are kept */
  }
  assert_int_equal( rig_info( &r ).epoch, 0 );
  assert_int_equal( rig_info( &r ).drops, 8 );
  dmg_cert_t f = rig_cert( &r, DMG_VOTE_FINALIZE, 1, &b, others() );
  rig_send_cert( &r, other( 0 ), &f );
  assert_int_equal( rig_info( &r ).epoch, 1 );
  rig_tick( &r, 460000 );
  assert_int_equal( cur(), 2 );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    T( test_an_epoch_ends_though_its_last_block_was_not_judged ),
    T( test_no_vote_of_an_epoch_that_is_over ),
    T( test_closing_is_no_fork ),
    T( test_the_next_epoch_s_frames_wait ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
