/* The core at its edges: what does not decode, does not belong together, is full, comes twice, or is of another epoch. */
#include "wan.h"
#include "test_rig.h"
#include "consensus/evidence.h"

static uint32_t leader_of( uint64_t view ) { rig_init( &r, 0, 1000 ); uint32_t l = rig_leader( &r, view ); rig_fini( &r ); return l; }
static dmg_record_t next_record( void ) {
  dmg_record_t n = r.cfg.record;
  n.epoch = 1; n.first_height = n.last_height = r.cfg.record.last_height+1; n.seed.b[ 0 ] = 9;
  next_root = dmg_record_hash( &n );
  return n;
}

/* --- start ------------------------------------------------------------------------------------------------- */

/* All its memory comes from the arena in _new: with less than that there is no core, wherever it ends. */
static void test_new_wants_all_its_memory( void ** state ) {
  rig_init( &r, 0, 1000 );
  dmg_cons_record_t one = { .kind = DMG_CONS_REC_VOTE, .epoch = 1, .payload = dmg_span( frame, 40000 ) };
  dmg_cons_restored_t restored = { .records = &one, .cnt = 1 };
  r.cfg.runs_max = 1; r.cfg.n_max = 4;
  dmg_arena_t * all = dmg_arena_new( (size_t)64<<20 );
  assert_non_null( dmg_cons_new( all, &r.cfg, &restored ) );
  size_t need = dmg_arena_used( all );
  dmg_arena_free( all );
  for( size_t sz = 512; sz<need; sz += sz>need-200000 ? 509 : 4001 ) {
    dmg_arena_t * a = dmg_arena_new( sz );
    if( dmg_cons_new( a, &r.cfg, &restored ) ) fail_msg( "a core in %zu of %zu bytes", sz, need );
    dmg_arena_free( a );
  }
}

static bool is_core( dmg_cons_cfg_t const * cfg ) {
  dmg_arena_t * a = dmg_arena_new( (size_t)512<<20 );
  bool is = dmg_cons_new( a, cfg, NULL )!=NULL;
  dmg_arena_free( a );
  return is;
}
static void test_new_refuses_what_does_not_belong_together( void ** state ) {
  rig_init( &r, 0, 1000 );
  dmg_cons_cfg_t c = r.cfg;
  assert_true( is_core( &c ) );
  c.record.version = 2;       assert_false( is_core( &c ) ); c = r.cfg;
  c.record.n = 3;             assert_false( is_core( &c ) ); c = r.cfg;
  c.record.weight++;          assert_false( is_core( &c ) ); c = r.cfg;
  c.record.set_hash.b[ 3 ]++; assert_false( is_core( &c ) ); c = r.cfg;
  c.n_max = 3;                assert_false( is_core( &c ) ); c = r.cfg;
  c.n_max = DMG_SET_MAX+1;    assert_false( is_core( &c ) ); c = r.cfg;
  c.runs_max = UINT16_MAX+1;  assert_false( is_core( &c ) ); c = r.cfg;
  c.runs_max = c.n_max = 0;   assert_true ( is_core( &c ) ); c = r.cfg;   /* the defaults */
  dmg_set_t set = r.set;
  memset( set.members[ 0 ].key, 0, DMG_BLS_KEY_SZ );   /* does not load */
  c.set = &set;
  c.record.set_hash = dmg_set_hash( &set );
  assert_false( is_core( &c ) );
}

/* Records that do not read, or are of no epoch near, are skipped, and what stands behind them counts. */
static void test_a_record_that_does_not_read_is_skipped( void ** state ) {
  up( 0, 1000 );
  rig_restart( &r );
  uint64_t fresh = dmg_cons_digest( r.core );
  dmg_hash_t h = { { 5 } };
  dmg_cert_t f = rig_cert( &r, DMG_VOTE_FINALIZE, 1, &h, others() );
  static struct { uint8_t kind; uint32_t epoch; size_t sz; uint8_t first; } const t[] = { { DMG_CONS_REC_VOTE, 0, 40, 0 }, { DMG_CONS_REC_VOTE, 0, 41, 9 }, { DMG_CONS_REC_VOTE, 0, 41, 0 }, { DMG_CONS_REC_CERT, 0, 3, 0 },
    { DMG_CONS_REC_RUN, 0, 7, 0 }, { DMG_CONS_REC_FLOOR, 0, 9, 0 }, { DMG_CONS_REC_FLOOR, 0, DMG_CONS_REC_FLOOR_SZ, 0 }, { DMG_CONS_REC_EPOCH, 0, 11, 0 }, { DMG_CONS_REC_PROPOSAL, 0, 11, 0 }, { 77, 0, 11, 0 },
    { DMG_CONS_REC_CERT, 5, DMG_CERT_SZ, 0 } };
  for( unsigned i = 0; i<sizeof t/sizeof *t; i++ ) {
    rig_rec_t * x = &r.wal[ r.wal_cnt++ ];
    *x = (rig_rec_t){ .kind = t[ i ].kind, .epoch = t[ i ].epoch, .sz = t[ i ].sz };
    x->bytes[ 0 ] = t[ i ].first;
    if( t[ i ].kind==DMG_CONS_REC_FLOOR && t[ i ].sz==DMG_CONS_REC_FLOOR_SZ ) memset( x->bytes+48, 0xee, DMG_CERT_SZ );
    if( t[ i ].epoch ) dmg_cert_encode( &f, x->bytes );
  }
  rig_restart( &r );
  assert_true( dmg_cons_digest( r.core )==fresh );
  rig_rec_t * x = &r.wal[ r.wal_cnt++ ];
  *x = (rig_rec_t){ .kind = DMG_CONS_REC_CERT, .sz = DMG_CERT_SZ };
  dmg_cert_encode( &f, x->bytes );
  rig_restart( &r );
  assert_int_equal( rig_info( &r ).final_view, 1 );
}

/* --- certificates ------------------------------------------------------------------------------------------- */

static void test_what_is_notarized_is_told( void ** state ) {
  up( 0, 1000 );
  dmg_hash_t a = { { 1 } }, b = { { 2 } };
  rig_vote( &r, other( 0 ), DMG_VOTE_NOTARIZE, 3, &a );   /* the ring holds views 1 .. 4 now */
  assert_false( dmg_cons_is_notarized( r.core, 3, &a ) );
  assert_true ( dmg_cons_is_notarized( r.core, 999, &a ) );   /* not told any more, or not yet */
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 3, &a, others() ), f = rig_cert( &r, DMG_VOTE_FINALIZE, 2, &b, others() );
  rig_send_cert( &r, other( 0 ), &n );
  assert_true ( dmg_cons_is_notarized( r.core, 3, &a ) );
  assert_false( dmg_cons_is_notarized( r.core, 3, &b ) );
  rig_send_cert( &r, other( 0 ), &f );
  assert_true ( dmg_cons_is_notarized( r.core, 2, &a ) );     /* closed */
}

/* More than a third lies: each contradiction of certificates is told with evidence that the judge takes, and no rule picks a side (C9.5). */
static void test_contradicting_certificates_are_told( void ** state ) {
  static dmg_keys_t keys;
  static dmg_schedule_t schedule;
  dmg_hash_t a = { { 1 } }, b = { { 2 } };
  enum { N = DMG_VOTE_NOTARIZE, F = DMG_VOTE_FINALIZE, Z = 9 };
  static struct { uint8_t x, y; bool is_same; uint32_t alarms, evidences; } const t[] = { { N, N, false, 1, 1 }, { F, F, false, 1, 1 }, { N, F, false, 0, 1 }, { F, N, false, 1, 1 }, { Z, F, true, 1, 1 },
    { F, Z, true, 1, 1 }, { N, N, true, 0, 0 }, { N, F, true, 0, 0 } };
  for( unsigned i = 0; i<sizeof t/sizeof *t; i++ ) {
    up( 0, 1000 );
    dmg_cert_t x = rig_cert( &r, t[ i ].x%9, 5, &a, others() ), y = rig_cert( &r, t[ i ].y%9, 5, t[ i ].is_same ? &a : &b, others() );
    dmg_run_t z = rig_run( &r, 1, t[ i ].x==Z ? 5 : 6, others() );
    if( t[ i ].x==Z ) rig_send_run( &r, other( 0 ), &z ); else rig_send_cert( &r, other( 0 ), &x );
    uint32_t was = r.evidences;
    dmg_cert_t lie = y;
    lie.sig[ 0 ] ^= 1;
    if( !t[ i ].is_same ) {                                    /* one that does not hold contradicts nothing, and is its sender's lie */
      for( unsigned k = 0; k<3; k++ ) rig_send_cert( &r, other( 2 ), &lie );
      assert_int_equal( r.alarms+r.evidences, was );
      assert_int_equal( r.closes, 1 );
    }
    if( t[ i ].y==Z ) rig_send_run( &r, other( 1 ), &z ); else rig_send_cert( &r, other( 1 ), &y );
    if( r.alarms!=t[ i ].alarms || r.evidences!=t[ i ].evidences ) fail_msg( "case %u: %u alarms, %u evidences", i, r.alarms, r.evidences );
    if( r.evidences ) {
      uint8_t accused[ DMG_BITMAP_SZ ] = { 0 };
      assert_true( dmg_keys_init( &keys, &sim_fake, &r.cfg.chain_id, 0, &r.set ) );
      dmg_schedule_init( &schedule, &r.cfg.record.seed, &r.set );
      dmg_evidence_epoch_t ep = { .keys = &keys, .schedule = &schedule, .record = &r.cfg.record, .anchor = r.cfg.anchor };
      assert_int_equal( dmg_evidence_judge( dmg_span( r.evidence, r.evidence_sz ), &ep, accused ).kind, DMG_VERDICT_GOOD );
      assert_int_equal( accused[ 0 ], others() );
    }
    if( i+1<sizeof t/sizeof *t ) rig_fini( &r );
  }
}

/* E1-E3 among votes and against certificates, whichever comes first; a vote that does not verify accuses nobody. */
static void test_votes_against_what_is_held( void ** state ) {
  dmg_hash_t a = { { 1 } }, b = { { 2 } };
  enum { N = DMG_VOTE_NOTARIZE, Z = DMG_VOTE_NULLIFY, F = DMG_VOTE_FINALIZE };
  static struct { uint8_t x, y; bool is_same, is_fault; } const t[] = { { N, N, false, true }, { F, F, false, true }, { F, N, false, true }, { N, F, false, true }, { Z, F, true, true }, { F, Z, true, true }, { N, F, true, false }, { N, Z, true, false } };
  for( unsigned i = 0; i<sizeof t/sizeof *t; i++ ) for( unsigned form = 0; form<3; form++ ) {   /* 1: the second in a certificate or run; 2: the first does not verify */
    up( 0, 1000 );
    uint32_t who = other( 0 );
    dmg_hash_t const * hy = t[ i ].y==Z ? NULL : t[ i ].is_same ? &a : &b;
    if( form==2 ) {
      dmg_vote_t bad = { .kind = t[ i ].x, .view = 2, .hash = t[ i ].x==Z ? (dmg_hash_t){ { 0 } } : a, .signer = (uint16_t)who, .sig = { 1 } };
      for( unsigned k = 0; k<48; k++ ) bad.sig[ 48+k ] = bad.sig[ k ]^0xff;
      uint8_t w[ DMG_VOTE_WIRE_SZ ];
      dmg_vote_encode( &bad, w );
      rig_frame( &r, who, DMG_FRAME_VOTE, w, sizeof w );
    } else rig_vote( &r, who, t[ i ].x, 2, t[ i ].x==Z ? NULL : &a );
    if( form!=1 ) { rig_vote( &r, who, t[ i ].y, 2, hy ); rig_vote( &r, who, t[ i ].y, 2, hy ); }
    else if( t[ i ].y==Z ) { dmg_run_t z = rig_run( &r, 2, 1, others() ); rig_send_run( &r, other( 1 ), &z ); }
    else { dmg_cert_t c = rig_cert( &r, t[ i ].y, 2, hy, others() ); rig_send_cert( &r, other( 1 ), &c ); }
    bool is_told = t[ i ].is_fault && form!=2;
    if( r.evidences!=is_told ) fail_msg( "case %u, form %u: %u told", i, form, r.evidences );
    if( i+1<sizeof t/sizeof *t || form<2 ) rig_fini( &r );
  }
}

/* C11.1: full: the farthest runs go and are wanted; those at or below the base make room first. */
static void test_runs_are_full( void ** state ) {
  rig_init( &r, 0, 1000000 );
  r.cfg.runs_max = 4;
  rig_restart( &r );
  for( uint32_t i = 1; i<RIG_N; i++ ) rig_link( &r, i, true );
  dmg_run_t far[ 4 ], near = rig_run( &r, 1, 64, others() ), beyond = rig_run( &r, 3000, 3, others() );
  for( uint32_t i = 0; i<4; i++ ) { far[ i ] = rig_run( &r, 200+100*i, 3, others() ); rig_send_run( &r, 1, &far[ i ] ); }
  assert_int_equal( rig_info( &r ).run_cnt, 4 );
  assert_int_equal( r.alarms, 0 );
  rig_send_run( &r, 1, &beyond );                       /* farther than all: dropped */
  assert_int_equal( rig_info( &r ).run_cnt, 4 );
  assert_int_equal( r.alarms, 1 );
  rig_send_run( &r, 1, &near );                         /* it justifies the next proposal: the farthest goes */
  assert_int_equal( rig_info( &r ).run_cnt, 4 );
  assert_int_equal( cur(), 65 );
  assert_int_equal( r.alarms, 1 );                      /* once */
  uint32_t wants = rig_sent( &r, DMG_FRAME_WANT );
  rig_tick( &r, 1100000 );
  assert_true( rig_sent( &r, DMG_FRAME_WANT )>wants );
  /* A base above: what it covers makes room, and nothing is dropped. */
  dmg_hash_t h = { { 8 } };
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 250, &h, others() );
  rig_send_cert( &r, 1, &n );
  uint64_t drops = rig_info( &r ).drops;
  rig_send_run( &r, 1, &beyond );
  assert_int_equal( rig_info( &r ).run_cnt, 4 );
  assert_int_equal( rig_info( &r ).drops, drops );
  assert_int_equal( cur(), 251 );
}

/* The vote log's records wait for a driver that does not answer: what finds no place is decided again, and no vote is lost with the view's. */
static void test_a_driver_that_never_signs( void ** state ) {
  up( 0, 1000 );
  r.no_sign = true;
  uint64_t v = 0;
  for( ; !rig_info( &r ).drops && v<600; v = cur() ) {
    dmg_hash_t h = { { 8 } };
    rig_tick( &r, 460000 );
    dmg_cert_t f = rig_cert( &r, DMG_VOTE_FINALIZE, cur()+3, &h, others() );
    rig_send_cert( &r, other( 0 ), &f );
  }
  assert_in_range( v, 240, 300 );   /* 256 wait */
  assert_int_equal( rig_sent( &r, DMG_FRAME_VOTE ), 0 );
  r.no_sign = false;
  rig_restart( &r );
  link_all();
  rig_tick( &r, 700000 );
  assert_true( rig_sent_votes( &r, DMG_VOTE_NULLIFY, cur(), NULL )>0 );
}

/* --- epochs -------------------------------------------------------------------------------------------------- */

/* C7.4: each clause of a handover; the last of them is good. */
static void test_each_false_handover_is_refused( void ** state ) {
  for( unsigned k = 0; k<=9; k++ ) {
    up( 0, 1 );
    dmg_record_t next = next_record();
    dmg_set_t set = r.set;
    dmg_header_t b = { .version = 1, .kind = k==0 ? DMG_BLOCK_NORMAL : DMG_BLOCK_BOUNDARY, .leader = (uint16_t)rig_leader( &r, 1 ), .view = 1, .height = 1, .parent_hash = r.cfg.anchor.hash, .time_ms = r.wall_ms+1, .next_epoch_root = next_root };
    if( k==1 ) b.next_epoch_root.b[ 0 ] ^= 1;
    if( k==2 ) { next.epoch = 2; b.next_epoch_root = dmg_record_hash( &next ); }
    if( k==3 ) { next.set_hash.b[ 0 ] ^= 1; b.next_epoch_root = dmg_record_hash( &next ); }
    if( k==4 ) b.epoch = 1;
    dmg_hash_t h = dmg_header_hash( &b ), x = { { 4 } };
    dmg_cert_t f = rig_cert( &r, k==5 ? DMG_VOTE_NOTARIZE : DMG_VOTE_FINALIZE, k==6 ? 2 : 1, k==7 ? &x : &h, k==8 ? 3 : others() );
    size_t sz = dmg_handover_encode( &b, &f, &next, &r.set, &set, frame );
    uint64_t bad = rig_info( &r ).bad_frames;
    rig_frame( &r, 1, DMG_FRAME_HANDOVER, frame, sz );
    if( r.dones!=( k==9 ) ) fail_msg( "clause %u: done %u times", k, r.dones );
    if( rig_info( &r ).bad_frames-bad!=( k!=9 && k!=4 ) ) fail_msg( "clause %u: whose fault is it", k );
    if( k<9 ) rig_fini( &r );
  }
  rig_frame( &r, 1, DMG_FRAME_HANDOVER, frame, 100 );   /* cut */
  /* A version that is not known stops whoever hears of it, by an alarm. */
  rig_fini( &r );
  up( 0, 1 );
  dmg_record_t next = next_record();
  next.version = 2;
  dmg_header_t b = { .version = 1, .kind = DMG_BLOCK_BOUNDARY, .view = 1, .height = 1, .next_epoch_root = next_root };
  dmg_hash_t h = dmg_header_hash( &b );
  dmg_cert_t f = rig_cert( &r, DMG_VOTE_FINALIZE, 1, &h, others() );
  rig_frame( &r, 1, DMG_FRAME_HANDOVER, frame, dmg_handover_encode( &b, &f, &next, &r.set, &r.set, frame ) );
  assert_int_equal( r.alarms, 1 );
  assert_int_equal( r.dones, 0 );
}

/* While B is not executed the core is silent in e, serves the handover, and asks for B; with its state it enters e+1. */
static void test_done_and_not_executed( void ** state ) {
  up( leader_of( 1 ) ? 0 : 1, 1 );
  dmg_record_t next = next_record();
  tell_next( &next, &r.set );
  tell_next( &next, &r.set );   /* again: nothing */
  r.no_check = true;
  dmg_hash_t b = propose( 1, NULL, 1, edit_boundary );
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &b, others() ), f = rig_cert( &r, DMG_VOTE_FINALIZE, 1, &b, others() );
  rig_send_cert( &r, other( 0 ), &n );
  rig_send_cert( &r, other( 0 ), &f );
  assert_int_equal( r.dones, 1 );
  assert_int_equal( rig_info( &r ).is_done, true );
  uint32_t told = rig_sent( &r, DMG_FRAME_HANDOVER ), votes = rig_sent( &r, DMG_FRAME_VOTE );
  rig_vote( &r, other( 0 ), DMG_VOTE_NULLIFY, 3, NULL );
  rig_tick( &r, 6000000 );
  assert_true( rig_sent( &r, DMG_FRAME_HANDOVER )>=told+2*3 );   /* at each standstill, to each */
  assert_int_equal( rig_sent( &r, DMG_FRAME_VOTE ), votes );
  assert_int_equal( rig_info( &r ).epoch, 0 );
  dmg_cons_event_t ev = { .kind = DMG_CONS_VERDICT, .verdict = { .view = 1, .hash = b, .verdict = DMG_CONS_VALID, .has_root = true, .root = rig_root( &r.cfg.anchor.root ) } };
  r.no_check = false;
  rig_event( &r, &ev );
  assert_int_equal( rig_info( &r ).epoch, 1 );
  /* Frames of the epoch that is over are answered with its end, once a second. */
  told = rig_sent( &r, DMG_FRAME_HANDOVER );
  for( unsigned i = 0; i<5; i++ ) { rig_vote( &r, other( 0 ), DMG_VOTE_NULLIFY, 3, NULL ); rig_send_cert( &r, other( 0 ), &n ); rig_frame( &r, other( 0 ), DMG_FRAME_PROPOSAL, frame, 500 ); }
  assert_in_range( rig_sent( &r, DMG_FRAME_HANDOVER ), told, told+1 );
  rig_tick( &r, 1100000 );
  dmg_run_t z = rig_run( &r, 1, 1, others() );
  rig_send_run( &r, other( 0 ), &z );
  assert_true( rig_sent( &r, DMG_FRAME_HANDOVER )>told );
}

/* B itself is unknown: it is asked for by its hash until it comes. */
static void test_done_without_the_boundary( void ** state ) {
  up( leader_of( 1 ) ? 0 : 1, 1 );
  dmg_record_t next = next_record();
  dmg_hash_t b, h;
  size_t b_sz = rig_proposal( &r, 1, NULL, 1, r.wall_ms+1, NULL, 0, edit_boundary, frame, &b );
  static uint8_t ho[ DMG_HANDOVER_SZ_MAX ];
  dmg_header_t closing = { .version = 1, .kind = DMG_BLOCK_CLOSING, .leader = (uint16_t)rig_leader( &r, 3 ), .view = 3, .height = 1, .parent_hash = b, .parent_view = 1,
    .parent_cert = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &b, others() ), .body_hash = b, .next_epoch_root = next_root, .time_ms = r.wall_ms+2 };
  h = dmg_header_hash( &closing );
  dmg_cert_t f = rig_cert( &r, DMG_VOTE_FINALIZE, 3, &h, others() );
  rig_frame( &r, other( 0 ), DMG_FRAME_HANDOVER, ho, dmg_handover_encode( &closing, &f, &next, &r.set, &r.set, ho ) );
  assert_int_equal( r.dones, 1 );
  uint32_t asked = r.fetches;
  assert_true( asked>=1 && dmg_hash_eq( &r.fetch_hash, &b ) );
  rig_tick( &r, 2500000 );
  assert_true( r.fetches>asked );
  dmg_cons_event_t ev = { .kind = DMG_CONS_GOT, .got = { .proposal = dmg_span( frame, b_sz ) } };
  rig_event( &r, &ev );
  assert_int_equal( rig_info( &r ).epoch, 1 );
  assert_memory_equal( rig_info( &r ).anchor.b, b.b, 32 );
}

/* A next set that is larger than configured, or whose keys do not load, is told, and nobody votes by it. */
static void test_a_next_set_that_cannot_be( void ** state ) {
  dmg_record_t next;
  dmg_set_t set;
  up( leader_of( 1 ) ? 0 : 1, 1 );
  set = r.set;
  for( uint32_t i = 4; i<9; i++ ) { set.members[ i ] = set.members[ 3 ]; memset( set.members[ i ].key, 0xf0+(int)i, DMG_BLS_KEY_SZ ); }
  set.cnt = 9;   /* of 8 */
  next = r.cfg.record;
  next.epoch = 1; next.n = 9; next.weight = 9; next.set_hash = dmg_set_hash( &set );
  tell_next( &next, &set );
  assert_int_equal( r.alarms, 1 );
  rig_fini( &r );
  up( leader_of( 1 ) ? 0 : 1, 1 );
  set = r.set;
  memset( set.members[ 0 ].key, 0, DMG_BLS_KEY_SZ );
  next = next_record();
  next.set_hash = dmg_set_hash( &set );
  next_root = dmg_record_hash( &next );
  tell_next( &next, &set );
  dmg_hash_t b = propose( 1, NULL, 1, edit_boundary );
  dmg_cert_t f = rig_cert( &r, DMG_VOTE_FINALIZE, 1, &b, others() );
  rig_send_cert( &r, other( 0 ), &f );
  assert_int_equal( r.observes, 1 );
  assert_int_equal( r.alarms, 1 );
  uint32_t votes = rig_sent( &r, DMG_FRAME_VOTE );
  rig_tick( &r, 3000000 );
  assert_int_equal( rig_sent( &r, DMG_FRAME_VOTE ), votes );
}

/* C7.3: who leads behind a boundary that is not final proposes closing headers, the second on the first, both naming B. */
static void test_a_leader_closes( void ** state ) {
  up( leader_of( 1 ), 1 );
  dmg_record_t next = next_record();
  rig_tick( &r, 260000 );
  assert_int_equal( r.builds, 0 );   /* the last block needs the record of e+1 */
  tell_next( &next, &r.set );
  rig_tick( &r, 1000 );
  assert_int_equal( r.builds, 1 );
  dmg_header_t at[ 3 ];
  for( uint32_t v = 1; v<=3; v++ ) {
    dmg_hash_t h = { { 0 } };
    rig_tick( &r, 251000 );
    for( uint32_t i = 0; i<r.send_cnt; i++ ) {
      dmg_signed_header_t sh;
      if( r.sends[ i ].bytes[ 0 ]!=DMG_FRAME_PROPOSAL || dmg_signed_header_decode( dmg_span( r.sends[ i ].bytes+1, DMG_SIGNED_HEADER_SZ ), &sh ).kind || sh.header.view!=v ) continue;
      at[ v-1 ] = sh.header;
      h = dmg_header_hash( &sh.header );
    }
    assert_false( dmg_hash_is_zero( &h ) );
    for( unsigned k = 0; k<2; k++ ) rig_vote( &r, other( k ), DMG_VOTE_NOTARIZE, v, &h );
    assert_int_equal( cur(), v+1 );
  }
  dmg_hash_t b = dmg_header_hash( &at[ 0 ] );
  assert_int_equal( at[ 0 ].kind, DMG_BLOCK_BOUNDARY );
  for( unsigned i = 1; i<3; i++ ) {
    assert_int_equal( at[ i ].kind, DMG_BLOCK_CLOSING );
    assert_int_equal( at[ i ].height, 1 );
    assert_int_equal( at[ i ].body_len, 0 );
    assert_memory_equal( at[ i ].body_hash.b, b.b, 32 );
    assert_memory_equal( at[ i ].next_epoch_root.b, next_root.b, 32 );
  }
  assert_int_equal( r.builds, 1 );
}

/* --- signatures ------------------------------------------------------------------------------------------------ */

/* What does not load, is of another epoch, of nobody, or short of q, verifies as nothing. */
static void test_signatures_that_are_none( void ** state ) {
  static dmg_keys_t k;
  up( 0, 1000 );
  assert_true( dmg_keys_init( &k, &sim_fake, &r.cfg.chain_id, 0, &r.set ) );
  dmg_hash_t h = { { 3 } }, zero = { { 0 } };
  uint8_t msg[ DMG_VOTE_MSG_SZ ];
  dmg_vote_t v = { .kind = DMG_VOTE_NOTARIZE, .view = 2, .hash = h, .signer = 1 };
  dmg_vote_msg( DMG_VOTE_NOTARIZE, &r.cfg.chain_id, 0, 2, &h, msg );
  sim_fake_sign( &r.secrets[ 1 ], DMG_BLS_VOTE, DMG_SPAN( msg ), v.sig );
  dmg_vote_stored_t s = { .kind = v.kind, .view = 2, .hash = h, .signer = 1 };
  memcpy( s.sig, v.sig, sizeof s.sig );
  dmg_vote_t x = v;          assert_true ( dmg_vote_verify( &k, &x ) );
  x.epoch = 1;               assert_false( dmg_vote_verify( &k, &x ) ); x = v;
  x.signer = 4;              assert_false( dmg_vote_verify( &k, &x ) ); x = v;
  x.view = 3;                assert_false( dmg_vote_verify( &k, &x ) ); x = v;
  x.sig[ 50 ] ^= 1;          assert_false( dmg_vote_verify( &k, &x ) );
  dmg_vote_stored_t y = s;   assert_true ( dmg_vote_stored_verify( &k, &y ) );
  y.signer = 2;              assert_false( dmg_vote_stored_verify( &k, &y ) );
  memset( y.sig, 0, 48 );    assert_false( dmg_vote_stored_verify( &k, &y ) );
  dmg_cert_t c = rig_cert( &r, DMG_VOTE_FINALIZE, 2, &h, 7 ), d = c;
  assert_true( dmg_cert_verify( &k, &d ) );
  d.epoch = 1;               assert_false( dmg_cert_verify( &k, &d ) ); d = c;
  d.view = 0;                assert_false( dmg_cert_verify( &k, &d ) ); d = c;
  d.bitmap[ 0 ] |= 0x10;     assert_false( dmg_cert_verify( &k, &d ) ); d = c;   /* a bit of nobody */
  memset( d.sig, 0, 48 );    assert_false( dmg_cert_verify( &k, &d ) );
  uint8_t none[ DMG_BITMAP_SZ ] = { 0 }, wide[ DMG_BITMAP_SZ ] = { 0x1f };
  assert_false( dmg_aggregate_verify( &k, DMG_VOTE_FINALIZE, 2, &h, none, c.sig ) );
  assert_false( dmg_aggregate_verify( &k, DMG_VOTE_FINALIZE, 2, &h, wide, c.sig ) );
  dmg_run_t run = rig_run( &r, 1, 3, 7 ), z = run;
  assert_true( dmg_run_verify( &k, &z ) );
  z.epoch = 1;               assert_false( dmg_run_verify( &k, &z ) ); z = run;
  z.first = 2;               assert_false( dmg_run_verify( &k, &z ) ); z = run;
  z.bitmaps[ 1 ][ 0 ] = 3;   assert_false( dmg_run_verify( &k, &z ) ); z = run;
  memset( z.sig, 0, 48 );    assert_false( dmg_run_verify( &k, &z ) );
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 2, &h, 3 );
  dmg_attendance_t a = { .view = 2, .kind = DMG_VOTE_NOTARIZE };
  memcpy( a.bitmap, n.bitmap, sizeof a.bitmap );
  memcpy( a.sig, n.sig, sizeof a.sig );
  assert_true ( dmg_attendance_verify( &k, &a, &h ) );      /* any weight */
  assert_false( dmg_attendance_verify( &k, &a, &zero ) );   /* the view was skipped */
  a.sig[ 0 ] ^= 1;
  assert_false( dmg_attendance_verify( &k, &a, &h ) );
}

/* --- frames ------------------------------------------------------------------------------------------------- */

/* Our key on a link is another life of ours: a vote of it above our marks is C6.5's alarm, one that does not verify is nothing. */
static void test_our_own_key_on_a_link( void ** state ) {
  for( unsigned k = 0; k<3; k++ ) {
    up( 0, 1000 );
    rig_link( &r, 0, true );
    dmg_hash_t h = { { 3 } };
    if( k==1 ) rig_tick( &r, 460000 );   /* our own NULLIFY of 1 .. 4: nothing new in it */
    if( k==2 ) {
      dmg_vote_t bad = { .kind = DMG_VOTE_NOTARIZE, .view = 9, .hash = h, .sig = { 1 } };
      for( unsigned i = 0; i<48; i++ ) bad.sig[ 48+i ] = bad.sig[ i ]^0xff;
      uint8_t w[ DMG_VOTE_WIRE_SZ ];
      dmg_vote_encode( &bad, w );
      rig_frame( &r, 0, DMG_FRAME_VOTE, w, sizeof w );
    } else rig_vote( &r, 0, k ? DMG_VOTE_NULLIFY : DMG_VOTE_NOTARIZE, 1, k ? NULL : &h );
    assert_int_equal( r.observes, k==0 );
    assert_int_equal( r.alarms, k==0 );
    if( k<2 ) rig_fini( &r );
  }
}

/* Frames that are no frames, votes of others' names, views far ahead, epochs to come. */
static void test_frames_that_lead_nowhere( void ** state ) {
  up( 0, 1000 );
  dmg_hash_t h = { { 3 } };
  uint64_t bad = rig_info( &r ).bad_frames;
  dmg_cons_event_t empty = { .kind = DMG_CONS_MSG, .msg = { .peer = 1, .frame = dmg_span( frame, 0 ) } };
  rig_event( &r, &empty );
  static uint8_t large[ DMG_FRAME_SZ_MAX+1 ];
  dmg_cons_event_t big = { .kind = DMG_CONS_MSG, .msg = { .peer = 1, .frame = DMG_SPAN( large ) } };
  rig_event( &r, &big );
  for( uint8_t kind = 0; kind<12; kind++ ) rig_frame( &r, 1, kind, frame, kind==DMG_FRAME_HELLO ? 3 : 0 );
  assert_true( rig_info( &r ).bad_frames>=bad+12 );
  /* Signed by one, sent by another. */
  dmg_vote_t v = { .kind = DMG_VOTE_NOTARIZE, .view = 1, .hash = h, .signer = 2 };
  uint8_t w[ DMG_VOTE_WIRE_SZ ], msg[ DMG_VOTE_MSG_SZ ];
  dmg_vote_msg( DMG_VOTE_NOTARIZE, &r.cfg.chain_id, 0, 1, &h, msg );
  sim_fake_sign( &r.secrets[ 2 ], DMG_BLS_VOTE, DMG_SPAN( msg ), v.sig );
  dmg_vote_encode( &v, w );
  bad = rig_info( &r ).bad_frames;
  rig_frame( &r, 1, DMG_FRAME_VOTE, w, sizeof w );
  assert_int_equal( rig_info( &r ).bad_frames, bad+1 );
  /* Far ahead: two windows beyond cur's are taken, no more (C1.3). */
  uint64_t drops = rig_info( &r ).drops;
  rig_vote( &r, 1, DMG_VOTE_NOTARIZE, 12, &h );
  assert_int_equal( rig_info( &r ).drops, drops );
  rig_vote( &r, 1, DMG_VOTE_NOTARIZE, 13, &h );
  assert_int_equal( rig_info( &r ).drops, drops+1 );
  /* Two epochs ahead: nothing can be known of it. */
  v.epoch = 2; v.signer = 1;
  dmg_vote_encode( &v, w );
  rig_frame( &r, 1, DMG_FRAME_VOTE, w, sizeof w );
  dmg_cert_t c = rig_cert( &r, DMG_VOTE_FINALIZE, 1, &h, others() );
  c.epoch = 2;
  rig_send_cert( &r, 1, &c );
  dmg_run_t z = rig_run( &r, 1, 1, others() );
  z.epoch = 1;
  rig_send_run( &r, 1, &z );
  assert_int_equal( cur(), 1 );
  assert_int_equal( rig_info( &r ).final_view, 0 );
  /* Who is an epoch ahead is told where we are, once a second. */
  dmg_hello_t hello = { .epoch = 1, .cur = 1 };
  uint8_t hb[ DMG_HELLO_SZ ];
  dmg_hello_encode( &hello, hb );
  uint32_t told = rig_sent( &r, DMG_FRAME_HELLO );
  for( unsigned i = 0; i<5; i++ ) rig_frame( &r, 1, DMG_FRAME_HELLO, hb, sizeof hb );
  assert_int_equal( rig_sent( &r, DMG_FRAME_HELLO ), told+1 );
  assert_int_equal( r.closes, 0 );
}

/* --- proposals ------------------------------------------------------------------------------------------------ */

static size_t make( uint64_t view, dmg_cert_t const * parent, uint64_t height, uint64_t add_ms, rig_edit_t edit, dmg_hash_t * h ) { return rig_proposal( &r, view, parent, height, r.wall_ms+add_ms, NULL, 0, edit, frame, h ); }
static void edit_sound_leader( dmg_header_t * h ) { h->leader ^= 1; }
static void edit_no_leader( dmg_header_t * h ) { h->leader = 9; }
static void edit_view_0( dmg_header_t * h ) { h->view = 0; }
static void edit_self( dmg_header_t * h ) { h->parent_view = h->view; }
static void edit_cert_view( dmg_header_t * h ) { h->parent_cert.view++; }
static void edit_parent_hash( dmg_header_t * h ) { h->parent_hash.b[ 1 ] ^= 1; }
static void edit_cert_sig( dmg_header_t * h ) { h->parent_cert.sig[ 1 ] ^= 1; }
static void edit_no_reveal( dmg_header_t * h ) { memset( h->reveal, 0, sizeof h->reveal ); }

/* Not of the view's leader, or not signed: of no effect, and the sender's fault. */
static void test_proposals_that_are_none( void ** state ) {
  up( not_leading( 4 ), 1000 );
  static rig_edit_t const edits[] = { edit_sound_leader, edit_no_leader, edit_view_0, NULL, NULL };
  dmg_hash_t h;
  for( unsigned i = 0; i<5; i++ ) {
    size_t sz = make( 1, NULL, 1, 1, edits[ i ], &h );
    if( i==3 ) frame[ DMG_HEADER_SZ+4 ] ^= 1;
    if( i==4 ) memset( frame+DMG_HEADER_SZ, 0, DMG_BLS_SIG_SZ );
    uint64_t bad = rig_info( &r ).bad_frames;
    rig_frame( &r, other( 0 ), DMG_FRAME_PROPOSAL, frame, sz );
    if( rig_info( &r ).bad_frames!=bad+1 ) fail_msg( "lie %u is not counted", i );
    assert_int_equal( r.checks, 0 );
  }
  /* The same from who was asked for it. */
  uint64_t bad = rig_info( &r ).bad_frames;
  dmg_cons_event_t ev = { .kind = DMG_CONS_GOT, .got = { .proposal = dmg_span( frame, 200 ) } };
  rig_event( &r, &ev );
  assert_int_equal( rig_info( &r ).bad_frames, bad+1 );
  assert_int_equal( rig_sent( &r, DMG_FRAME_VOTE ), 0 );
}

/* C5.1 above a parent: what the header says of it is false, so the view is nullified at once. */
static void test_false_words_about_a_parent( void ** state ) {
  static rig_edit_t const edits[] = { edit_self, edit_cert_view, edit_parent_hash, edit_cert_sig, edit_no_reveal, NULL };
  for( unsigned i = 0; i<6; i++ ) {
    up( not_leading( 4 ), 1000 );
    dmg_hash_t a = propose( 1, NULL, 1, NULL ), h;
    dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &a, others() );
    rig_send_cert( &r, other( 0 ), &n );
    assert_int_equal( cur(), 2 );
    size_t sz = make( 2, &n, 2, 3, edits[ i ], &h );
    rig_frame( &r, rig_leader( &r, 2 ), DMG_FRAME_PROPOSAL, frame, sz );
    if( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 2, NULL )!=( i<5 ) ) fail_msg( "word %u", i );
    assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 2, NULL ), i==5 );
    if( i<5 ) rig_fini( &r );
  }
}

static dmg_hash_t boundary;
static unsigned closing_lie;
static void edit_closing( dmg_header_t * h ) {
  h->kind = closing_lie==0 ? DMG_BLOCK_NORMAL : DMG_BLOCK_CLOSING;
  h->height = closing_lie==1 ? 2 : 1;
  h->body_len = closing_lie==2 ? 3 : 0;
  h->body_hash = boundary;
  h->body_hash.b[ 3 ] ^= closing_lie==3;
  h->next_epoch_root = next_root;
  h->next_epoch_root.b[ 3 ] ^= closing_lie==4;
  if( closing_lie==5 ) h->time_ms = 1000000;
}
/* C7.3: each clause of a closing header, on the boundary and on a closing one. */
static void test_each_false_closing_is_invalid( void ** state ) {
  for( unsigned on = 2; on<=3; on++ ) for( unsigned lie = 0; lie<=6; lie++ ) {
    up( not_leading( 4 ), 1 );
    dmg_record_t next = next_record();
    tell_next( &next, &r.set );
    boundary = propose( 1, NULL, 1, edit_boundary );
    dmg_hash_t at = boundary;
    dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &at, others() );
    rig_send_cert( &r, other( 0 ), &n );
    for( uint64_t v = 2; v<=on; v++ ) {
      closing_lie = v==on ? lie : 9;
      size_t sz = make( v, &n, 2, v+1, edit_closing, &at );
      rig_frame( &r, rig_leader( &r, v ), DMG_FRAME_PROPOSAL, frame, sz );
      if( v<on ) { n = rig_cert( &r, DMG_VOTE_NOTARIZE, v, &at, others() ); rig_send_cert( &r, other( 0 ), &n ); }
    }
    if( rig_sent_votes( &r, DMG_VOTE_NULLIFY, on, NULL )!=( lie<6 ) || rig_sent_votes( &r, DMG_VOTE_NOTARIZE, on, NULL )!=( lie==6 ) ) fail_msg( "lie %u on view %u", lie, on-1 );
    if( on<3 || lie<6 ) rig_fini( &r );
  }
}

/* What the runtime says: INVALID is NULLIFY at once, WAIT is asked again, of an unknown block it is nothing. */
static void test_what_the_runtime_says( void ** state ) {
  up( not_leading( 4 ), 1000 );
  r.no_check = true;
  dmg_hash_t h = propose( 1, NULL, 1, NULL );
  assert_int_equal( r.checks, 1 );
  dmg_cons_event_t ev = { .kind = DMG_CONS_VERDICT, .verdict = { .view = 1, .hash = { { 99 } }, .verdict = DMG_CONS_INVALID } };
  rig_event( &r, &ev );
  ev.verdict.hash = h;
  ev.verdict.verdict = DMG_CONS_WAIT;
  rig_event( &r, &ev );
  assert_int_equal( rig_sent( &r, DMG_FRAME_VOTE ), 0 );
  rig_tick( &r, 640000 );
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &h, others() );
  rig_send_cert( &r, other( 0 ), &n );
  assert_int_equal( r.checks, 2 );   /* it is the base now */
  rig_fini( &r );
  up( not_leading( 4 ), 1000 );
  r.no_check = true;
  h = propose( 1, NULL, 1, NULL );
  ev.verdict.hash = h;
  ev.verdict.verdict = DMG_CONS_INVALID;
  rig_event( &r, &ev );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 1, NULL ), 1 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NULLIFY, 2, NULL ), 0 );
}

/* Two headers of a view are kept and told of; a third only where a certificate names it. */
static void test_a_third_header_of_a_view( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_hash_t h[ 3 ];
  size_t sz = 0;
  uint64_t drops = rig_info( &r ).drops;
  for( unsigned i = 0; i<3; i++ ) { sz = make( 1, NULL, 1, 1+i, NULL, &h[ i ] ); rig_frame( &r, rig_leader( &r, 1 ), DMG_FRAME_PROPOSAL, frame, sz ); }
  assert_int_equal( rig_info( &r ).drops, drops+1 );
  assert_int_equal( r.evidences, 1 );
  assert_int_equal( r.checks, 1 );
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &h[ 2 ], others() );
  rig_send_cert( &r, other( 0 ), &n );
  assert_true( r.fetches>=1 && dmg_hash_eq( &r.fetch_hash, &h[ 2 ] ) );
  dmg_cons_event_t ev = { .kind = DMG_CONS_GOT, .got = { .proposal = dmg_span( frame, sz ) } };
  rig_event( &r, &ev );
  assert_int_equal( r.checks, 2 );
  assert_memory_equal( r.last_header.b, h[ 2 ].b, 32 );
  assert_true( rig_info( &r ).has_base_header && rig_info( &r ).has_base_root );
}

/* The leader signs no run: who sends its header with fewer of them is not the last word, and with all of them there is nothing left to fetch. */
static void test_a_header_comes_again_with_more_runs( void ** state ) {
  rig_init( &r, 0, 1000 );
  uint32_t me = ( rig_leader( &r, 21 )+1 )%RIG_N;
  rig_fini( &r );
  up( me, 1000 );
  dmg_run_t z[ 5 ], whole = rig_run( &r, 1, 20, others() );
  for( uint32_t i = 0; i<5; i++ ) z[ i ] = rig_run( &r, 4*i+1, 4, others() );
  rig_send_run( &r, other( 0 ), &whole );
  dmg_hash_t h;
  static uint32_t const sent[] = { 2, 1, 2, 5 };
  for( unsigned i = 0; i<4; i++ ) {
    r.sent_runs = sent[ i ];
    size_t sz = rig_proposal( &r, 21, NULL, 1, r.wall_ms+1, z, 5, NULL, frame, &h );
    rig_frame( &r, i ? other( 0 ) : rig_leader( &r, 21 ), DMG_FRAME_PROPOSAL, frame, sz );
    rig_tick( &r, 1 );
    assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 21, NULL ), i==3 );
    assert_int_equal( r.leaf_first, 2 );
  }
}

/* A proposal ahead of cur is looked at, and voted for once its view is entered; the F that it carries counts, a false one is told by nobody's vote. */
static void test_a_proposal_ahead_and_the_f_it_carries( void ** state ) {
  up( not_leading( 4 ), 1000 );
  dmg_hash_t a = propose( 1, NULL, 1, NULL ), b;
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &a, others() ), f = rig_cert( &r, DMG_VOTE_FINALIZE, 1, &a, others() );
  for( unsigned is_lie = 2; is_lie--; ) {
    dmg_signed_header_t sh;
    dmg_cert_t fin = f;
    (void)make( 2, &n, 2, 2+is_lie, NULL, &b );
    assert_int_equal( dmg_signed_header_decode( dmg_span( frame, DMG_SIGNED_HEADER_SZ ), &sh ).kind, DMG_VERDICT_GOOD );
    fin.sig[ 0 ] ^= (uint8_t)is_lie;
    size_t sz = dmg_proposal_head( &sh, &fin, 0, frame );
    uint64_t bad = rig_info( &r ).bad_frames;
    rig_frame( &r, rig_leader( &r, 2 ), DMG_FRAME_PROPOSAL, frame, sz );
    assert_int_equal( rig_info( &r ).bad_frames, bad+is_lie );
    assert_int_equal( rig_info( &r ).final_view, is_lie ? 0 : 1 );
  }
  assert_int_equal( cur(), 2 );   /* its parent_cert is a base */
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 2, NULL ), 1 );
  dmg_cert_t n2 = rig_cert( &r, DMG_VOTE_NOTARIZE, 2, &b, others() );
  dmg_hash_t c;
  size_t sz = make( 3, &n2, 3, 9, NULL, &c );
  rig_frame( &r, rig_leader( &r, 3 ), DMG_FRAME_PROPOSAL, frame, sz );
  assert_int_equal( cur(), 3 );
  /* One without any certificate to move us: view 7 while cur is 3. */
  dmg_run_t z = rig_run( &r, 1, 6, others() );
  dmg_hash_t d;
  sz = rig_proposal( &r, 7, NULL, 1, r.wall_ms+1, &z, 1, NULL, frame, &d );
  rig_frame( &r, rig_leader( &r, 7 ), DMG_FRAME_PROPOSAL, frame, sz );
  assert_int_equal( r.alarms, 1 );   /* its run nullifies the final view: more than a third lies */
}

/* C9.1: what a peer says against others goes to the node's disk, so it is judged first, and one proof of each validator and epoch is enough: neither lies nor repetitions fill it. */
static size_t pair_of( uint32_t who, uint64_t view, bool is_lie, uint32_t epoch, uint8_t * out ) {
  dmg_evidence_t e = { 0 };
  for( unsigned k = 0; k<2; k++ ) {
    dmg_side_t * s = k ? &e.b : &e.a;
    uint8_t msg[ DMG_VOTE_MSG_SZ ], raw[ DMG_BLS_SIG_RAW_SZ ];
    s->vote = (dmg_vote_stored_t){ .kind = DMG_VOTE_NOTARIZE, .epoch = epoch, .view = view, .hash = { { (uint8_t)( k+1 ) } }, .signer = (uint16_t)who };
    dmg_vote_msg( DMG_VOTE_NOTARIZE, &r.cfg.chain_id, epoch, view, &s->vote.hash, msg );
    sim_fake_sign( &r.secrets[ who ], DMG_BLS_VOTE, DMG_SPAN( msg ), raw );
    memcpy( s->vote.sig, raw, DMG_BLS_SIG_SZ );
    s->vote.sig[ 0 ] ^= is_lie;
  }
  return dmg_evidence_encode( &e, out, DMG_EVIDENCE_SZ_MAX );
}
static void test_evidence_of_others_is_judged( void ** state ) {
  static uint8_t b[ DMG_EVIDENCE_SZ_MAX ];
  up( 0, 1000 );
  for( uint64_t v = 1; v<=50; v++ ) rig_frame( &r, 1, DMG_FRAME_EVIDENCE, b, pair_of( 2, v, false, 0, b ) );
  assert_int_equal( r.evidences, 1 );
  rig_frame( &r, 1, DMG_FRAME_EVIDENCE, b, pair_of( 3, 7, false, 1, b ) );   /* of an epoch that nothing is known of here */
  assert_int_equal( r.evidences, 1 );
  assert_int_equal( rig_info( &r ).bad_frames, 0 );
  rig_frame( &r, 1, DMG_FRAME_EVIDENCE, b, 20 );
  assert_int_equal( rig_info( &r ).bad_frames, 1 );
  /* Found here: not told twice either, and nobody else is let off. */
  dmg_hash_t x = { { 1 } }, y = { { 2 } };
  for( uint32_t who = 2; who<4; who++ ) { rig_vote( &r, who, DMG_VOTE_NOTARIZE, 3, &x ); rig_vote( &r, who, DMG_VOTE_NOTARIZE, 3, &y ); }
  assert_int_equal( r.evidences, 2 );
  for( uint64_t v = 1; v<=50; v++ ) rig_frame( &r, 1, DMG_FRAME_EVIDENCE, b, pair_of( 3, v, false, 0, b ) );
  assert_int_equal( r.evidences, 2 );
  assert_int_equal( r.closes, 0 );
  /* Lies: the third closes the link. */
  for( uint64_t v = 1; v<=50; v++ ) rig_frame( &r, 3, DMG_FRAME_EVIDENCE, b, pair_of( 1, v, true, 0, b ) );
  assert_int_equal( r.evidences, 2 );
  assert_int_equal( r.closes, 1 );
  rig_frame( &r, 2, DMG_FRAME_EVIDENCE, b, pair_of( 1, 9, false, 0, b ) );
  assert_int_equal( r.evidences, 3 );
}

/* C11.2: lists that wait are many, of far views and long: the view at hand finds room, whoever came first; and what had to go for it is looked at again when its own view is
   at hand, as its leader does not send it again. */
static void lists_of( uint64_t view, uint32_t first_sz, dmg_run_t out[ 4 ] ) {
  uint64_t v = 1;
  for( uint32_t i = 0; i<4; i++ ) {
    uint32_t cnt = i==0 ? first_sz : i<3 ? 64 : (uint32_t)( view-v );
    out[ i ] = rig_run( &r, v, cnt, others() );
    v += cnt;
  }
}
static void test_far_lists_do_not_crowd_out_the_view_at_hand( void ** state ) {
  rig_init( &r, 0, 1000000 );
  uint32_t lead = 0, me = 0;
  for( uint64_t v = 201; v<=212; v++ ) lead |= 1u<<rig_leader( &r, v );
  while( lead>>me&1 ) me++;
  rig_fini( &r );
  up( me, 1000000 );
  for( uint32_t i = 0; i<4; i++ ) { dmg_run_t z = rig_run( &r, 64*i+1, i<3 ? 64 : 8, others() ); rig_send_run( &r, other( 0 ), &z ); }
  assert_int_equal( cur(), 201 );
  dmg_hash_t h, far = { { 0 } };
  dmg_run_t z[ 4 ];
  size_t sz;
  for( uint32_t i = 0; i<16; i++ ) {
    uint64_t v = 212-i/2;
    lists_of( v, 40+i, z );
    sz = rig_proposal( &r, v, NULL, 1, r.wall_ms+1+i%2, z, 4, NULL, frame, &h );
    if( i==0 ) far = h;
    rig_frame( &r, rig_leader( &r, v ), DMG_FRAME_PROPOSAL, frame, sz );
  }
  assert_int_equal( cur(), 201 );
  uint64_t drops = rig_info( &r ).drops;
  lists_of( 201, 39, z );
  sz = rig_proposal( &r, 201, NULL, 1, r.wall_ms+1, z, 4, NULL, frame, &h );
  rig_frame( &r, rig_leader( &r, 201 ), DMG_FRAME_PROPOSAL, frame, sz );
  assert_int_equal( rig_info( &r ).drops, drops+1 );   /* one of 212 */
  for( uint32_t i = 0; i<4; i++ ) rig_tick( &r, 1 );
  assert_int_equal( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 201, NULL ), 1 );
  /* The list that went: at its view it is verified, and voted for. */
  dmg_run_t on = rig_run( &r, 201, 11, others() );
  rig_send_run( &r, other( 1 ), &on );
  rig_tick( &r, 200 );
  assert_int_equal( cur(), 212 );
  dmg_hash_t got;
  rig_tick( &r, 300000 );
  assert_true( rig_sent_votes( &r, DMG_VOTE_NOTARIZE, 212, &got )>0 );
  assert_memory_equal( got.b, far.b, sizeof got.b );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    T( test_new_wants_all_its_memory ), T( test_new_refuses_what_does_not_belong_together ), T( test_a_record_that_does_not_read_is_skipped ), T( test_what_is_notarized_is_told ),
    T( test_contradicting_certificates_are_told ), T( test_votes_against_what_is_held ), T( test_runs_are_full ), T( test_a_driver_that_never_signs ), T( test_each_false_handover_is_refused ),
    T( test_done_and_not_executed ), T( test_done_without_the_boundary ), T( test_a_next_set_that_cannot_be ), T( test_a_leader_closes ), T( test_signatures_that_are_none ),
    T( test_our_own_key_on_a_link ), T( test_frames_that_lead_nowhere ), T( test_evidence_of_others_is_judged ), T( test_far_lists_do_not_crowd_out_the_view_at_hand ), T( test_proposals_that_are_none ),
    T( test_false_words_about_a_parent ), T( test_each_false_closing_is_invalid ), T( test_what_the_runtime_says ), T( test_a_third_header_of_a_view ), T( test_a_header_comes_again_with_more_runs ),
    T( test_a_proposal_ahead_and_the_f_it_carries ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
