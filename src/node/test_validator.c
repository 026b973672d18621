/* validator: several drivers with whole chains in one thread, on a clock and links of the test: what they agree on, what a kill
   leaves, what a wrong state does. */
#include "node/test_validator_util.h"

/* ---- Tests ---- */

static void test_four_finalize_what_any_of_them_is_given( void ** state ) {
  dmg_hash_t id[ 4 ], to = { { 42 } };
  make_world( 4, 1, 0 );
  start_all();
  run_to( 3, 20 );
  for( uint32_t i = 0; i<4; i++ ) {
    send( w.p[ i ].chain, &accounts[ 5+i ], &to, 100+i, 0, &id[ i ] );
    run_to( lowest()+4, 20 );   /* another leader's */
  }
  run_to( lowest()+6, 20 );   /* two windows: whoever leads has them all */
  all_agree();
  for( uint32_t i = 0; i<4; i++ ) {
    assert_int_equal( free_of( w.p[ i ].chain, &to ), 100+101+102+103 );
    for( uint32_t k = 0; k<4; k++ ) {
      dmg_query_tx_status_t s;
      dmg_query_t const * q = dmg_chain_query( w.p[ i ].chain );
      q->tx_status( q->ctx, &id[ k ], &s );
      assert_int_equal( s.state, DMG_TX_FINAL );
    }
  }
  /* Nobody was late and nobody was wrong: a block each 250 ms. */
  assert_true( w.now/1000<( height_of( &w.p[ 0 ] )+1 )*300+3000 );
  for( uint32_t i = 0; i<4; i++ ) {
    dmg_validator_info_t v;
    dmg_validator_info( w.p[ i ].v, &v );
    assert_int_equal( v.alarms+v.evidence+v.built_again, 0 );
  }
  assert_true( w.fetches>0 );
  assert_int_equal( w.syncs, 0 );
  end_world();
}

/* F0.4, F4.4: who reads the head sees what is notarized; a transaction there is included, then final. */
static void test_readers_see_what_is_notarized( void ** state ) {
  dmg_hash_t id, to = { { 51 } };
  make_world( 4, 15, 0 );
  start_all();
  run_to( 3, 20 );
  dmg_chain_t * c = w.p[ 1 ].chain;
  dmg_query_t const * q = dmg_chain_query( c );
  send( c, &accounts[ 6 ], &to, 7, 0, &id );
  dmg_query_tx_status_t s = { 0 };
  dmg_query_view_t view, last;
  dmg_query_chain_t info;
  dmg_query_block_t b;
  dmg_header_t h;
  dmg_span_t raw, receipt, v;
  uint8_t key[ DMG_KEY_MAX ];
  uint64_t sparks = 0;
  bool was_included = false;
  for( uint64_t end = w.now+20000000; s.state!=DMG_TX_FINAL && w.now<end; ) {
    moment();
    assert_int_equal( q->tx_status( q->ctx, &id, &s ), DMG_OK );
    q->chain( q->ctx, &info );
    assert_true( info.final.is_final && info.final.height<=info.head.height && info.head.is_final==( info.head.height==info.final.height ) );
    if( s.state!=DMG_TX_INCLUDED ) { assert_true( !was_included || s.state==DMG_TX_FINAL ); continue; }
    if( was_included ) continue;
    was_included = true;
    assert_false( info.head.is_final );
    assert_true( s.height>info.final.height && s.height<=info.head.height );
    assert_int_equal( q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view ), DMG_OK );
    assert_true( dmg_hash_eq( &view.at.hash, &info.head.hash ) && !view.at.is_final );
    assert_int_equal( q->view_get( q->ctx, &view, dmg_span( key, dmg_key_free( &to, key ) ), arena, &v ), DMG_OK );
    assert_int_equal( dmg_counter_parse( v, true, NULL, &sparks ), DMG_OK );
    assert_int_equal( sparks, 7 );
    assert_int_equal( q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_FINAL }, &last ), DMG_OK );
    assert_true( last.at.is_final && dmg_hash_eq( &last.at.hash, &info.final.hash ) );
    assert_int_equal( q->view_get( q->ctx, &last, dmg_span( key, dmg_key_free( &to, key ) ), arena, &v ), DMG_ERR_NOT_FOUND );
    dmg_query_proof_t proof;
    assert_int_equal( q->view_prove( q->ctx, &view, dmg_span( key, dmg_key_free( &to, key ) ), arena, &proof ), DMG_ERR_AGAIN );
    dmg_query_holding_t hold;
    assert_int_equal( q->holding( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &to, arena, &hold ), DMG_OK );
    assert_true( hold.free==7 && !hold.at.is_final );
    assert_int_equal( q->holding( q->ctx, &(dmg_at_t){ .kind = DMG_AT_FINAL }, &to, arena, &hold ), DMG_OK );
    assert_true( hold.free==0 && hold.at.is_final );
    q->view_close( q->ctx, &last );
    q->view_close( q->ctx, &view );
    dmg_at_t const at[ 3 ] = { { .kind = DMG_AT_HEAD }, { .kind = DMG_AT_HEIGHT, .height = info.head.height }, { .kind = DMG_AT_HASH, .hash = info.head.hash } };
    for( uint32_t i = 0; i<3; i++ ) {
      assert_int_equal( q->block( q->ctx, &at[ i ], arena, &b ), DMG_OK );
      assert_true( dmg_hash_eq( &b.at.hash, &info.head.hash ) && !b.at.is_final && !b.finality.sz );
      assert_int_equal( dmg_header_decode( dmg_span( b.signed_header.p, DMG_HEADER_SZ ), &h ).kind, DMG_VERDICT_GOOD );
      assert_int_equal( h.height, info.head.height );
    }
    assert_int_equal( q->block( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = info.head.height+1 }, arena, &b ), DMG_ERR_NOT_FOUND );
    assert_int_equal( q->tx( q->ctx, &id, arena, &raw, &receipt, &s ), DMG_OK );
    assert_true( s.state==DMG_TX_INCLUDED && receipt.sz>32 && !memcmp( receipt.p, id.b, 32 ) && s.receipt_status==receipt.p[ 32 ] );
  }
  assert_int_equal( s.state, DMG_TX_FINAL );
  assert_true( was_included );
  end_world();
}

/* S7.3: the same while each job is seen only 60 ms later, in the midst of frames: nobody waits for it, nothing is voted for before. */
static void test_jobs_that_take_their_time( void ** state ) {
  dmg_hash_t id[ 4 ], to = { { 46 } };
  make_world( 4, 11, 0 );
  w.lag_us = 60000;
  start_all();
  run_to( 3, 20 );
  for( uint32_t i = 0; i<4; i++ ) {
    send( w.p[ i ].chain, &accounts[ 5+i ], &to, 100+i, 0, &id[ i ] );
    run_to( lowest()+4, 20 );
  }
  stop_node( &w.p[ 3 ] );
  run_to( lowest()+24, 60 );
  start_node( &w.p[ 3 ] );   /* and by sync */
  run_to( height_of( &w.p[ 0 ] )+3, 60 );
  all_agree();
  for( uint32_t i = 0; i<4; i++ ) assert_int_equal( free_of( w.p[ i ].chain, &to ), 100+101+102+103 );
  assert_true( w.syncs>16 );
  end_world();
}

/* Reads of all kinds, beside threads that execute and commit. */
static atomic_bool is_reading;
static void * reader( void * arg ) {
  dmg_query_t const * q = dmg_chain_query( arg );
  dmg_arena_t * a = dmg_arena_new( 1<<20 );
  uint64_t last = 0;
  while( a && atomic_load( &is_reading ) ) {
    dmg_query_chain_t info;
    dmg_query_view_t view;
    dmg_query_holding_t h;
    dmg_query_block_t b;
    dmg_record_t record;
    dmg_set_t set;
    dmg_span_t v;
    uint8_t key[ DMG_KEY_MAX ];
    q->chain( q->ctx, &info );
    if( info.head.height<last ) return (void *)1;   /* I8 */
    last = info.head.height;
    (void)!q->epoch( q->ctx, info.epoch, &record, &set );
    (void)!q->holding( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &accounts[ 1 ].address, a, &h );
    (void)!q->block( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = last }, a, &b );
    if( !q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view ) ) {
      (void)!q->view_get( q->ctx, &view, dmg_span( key, dmg_key_free( &accounts[ 5 ].address, key ) ), a, &v );
      q->view_close( q->ctx, &view );
    }
    dmg_arena_reset( a );
    dmg_os_sleep_ns( 200000 );
  }
  dmg_arena_free( a );
  return NULL;
}

static void test_jobs_in_threads( void ** state ) {
  dmg_hash_t id[ 4 ], to = { { 48 } };
  pthread_t t;
  void * is_bad;
  make_world( 4, 12, 0 );
  w.is_threaded = true;
  lend_disks();   /* RocksDB is not instrumented: ThreadSanitizer would not know its locks */
  start_all();
  atomic_store( &is_reading, true );
  assert_int_equal( pthread_create( &t, NULL, reader, w.p[ 0 ].chain ), 0 );
  run_to( 2, 30 );
  for( uint32_t i = 0; i<4; i++ ) {
    send( w.p[ i ].chain, &accounts[ 5+i ], &to, 100+i, 0, &id[ i ] );
    run_to( lowest()+2, 30 );
  }
  stop_node( &w.p[ 3 ] );   /* in the midst of whatever its thread does */
  run_to( lowest()+20, 60 );
  start_node( &w.p[ 3 ] );
  run_to( height_of( &w.p[ 0 ] )+3, 60 );
  all_agree();
  atomic_store( &is_reading, false );
  pthread_join( t, &is_bad );
  assert_null( is_bad );
  for( uint32_t i = 0; i<4; i++ ) assert_int_equal( free_of( w.p[ i ].chain, &to ), 100+101+102+103 );
  end_world();
}

static void test_one_of_four_dies_comes_back_and_votes_again( void ** state ) {
  dmg_hash_t id, to = { { 43 } };
  make_world( 4, 2, 0 );
  lend_disks();
  start_all();
  run_to( 4, 20 );
  run_for( rnd( 600 ) );
  stop_node( &w.p[ 2 ] );
  /* Exactly a quorum goes on; what node 2 does not hear of is final before it is back. */
  send( w.p[ 0 ].chain, &accounts[ 6 ], &to, 777, 0, &id );
  run_to( lowest()+8, 60 );
  start_node( &w.p[ 2 ] );
  uint64_t at = height_of( &w.p[ 2 ] );
  assert_true( at>=3 );
  run_to( height_of( &w.p[ 0 ] )+4, 60 );
  all_agree();
  assert_int_equal( free_of( w.p[ 2 ].chain, &to ), 777 );
  /* Another stops: without node 2's votes nothing would be final now. */
  stop_node( &w.p[ 1 ] );
  run_to( lowest()+6, 60 );
  all_agree();
  end_world();
}

/* Until a block with a transfer is notarized and nobody has committed it. */
static dmg_chain_block_t const * run_to_notarized( void ) {
  dmg_chain_block_t const * x = NULL;
  for( uint64_t end = w.now+20000000; w.now<end && !x; ) {
    moment();
    for( uint32_t i = 0; i<4 && !x; i++ ) {
      dmg_cons_info_t c = info_of( &w.p[ i ] );
      for( x = w.p[ i ].chain->blocks; x && !( x->tx_cnt && x->sh.header.view==c.base_view && c.base_view>c.final_view ); x = x->next ) {}
    }
  }
  assert_non_null( x );
  return x;
}

static void test_all_die_at_once_and_go_on( void ** state ) {
  dmg_hash_t id[ 2 ], to = { { 47 } };
  make_world( 4, 3, 0 );
  lend_disks();
  start_all();
  for( uint32_t round = 0; round<2; round++ ) {
    run_to( lowest()+4, 60 );
    /* At the worst moment: a block with a transfer is notarized and its votes are cast, and nobody has committed it. */
    send( w.p[ round ].chain, &accounts[ 5+round ], &to, 9, 0, &id[ round ] );
    dmg_chain_block_t const * x = run_to_notarized();
    dmg_hash_t hash = x->hash;
    uint64_t h[ 4 ], height = x->sh.header.height;
    for( uint32_t i = 0; i<4; i++ ) { h[ i ] = height_of( &w.p[ i ] ); stop_node( &w.p[ i ] ); }
    for( uint32_t i = 0; i<4; i++ ) { start_node( &w.p[ i ] ); assert_true( height_of( &w.p[ i ] )>=h[ i ] ); stop_node( &w.p[ i ] ); }   /* I8: final heights never fall */
    start_all();
    run_to( height+1, 60 );
    dmg_hash_t is;
    assert_int_equal( dmg_block_log_hash( w.p[ 1 ].chain->log, height, &is ), DMG_OK );
    assert_memory_equal( is.b, hash.b, 32 );
    assert_int_equal( free_of( w.p[ 1 ].chain, &to ), 9*( round+1 ) );
  }
  run_to( lowest()+3, 60 );
  all_agree();
  for( uint32_t i = 0; i<4; i++ ) {
    dmg_validator_info_t v;
    dmg_validator_info( w.p[ i ].v, &v );
    assert_int_equal( v.alarms+v.evidence, 0 );
    assert_false( v.cons.is_observer );
  }
  end_world();
}

static void test_a_long_gap_is_synced( void ** state ) {
  make_world( 4, 4, 0 );
  for( uint32_t i = 0; i<3; i++ ) start_node( &w.p[ i ] );
  run_to( 60, 120 );
  assert_int_equal( w.syncs, 0 );
  start_node( &w.p[ 3 ] );
  run_to( height_of( &w.p[ 0 ] )+3, 60 );
  assert_true( w.syncs>20 );
  all_agree();
  stop_node( &w.p[ 0 ] );
  run_to( lowest()+4, 60 );
  end_world();
}

static bool is_kept( peer_t const * p, dmg_span_t evidence ) {
  char path[ 256 ], hex[ 65 ];
  dmg_hash_t h = dmg_sha256( evidence );
  dmg_buf_t got = dmg_buf( DMG_EVIDENCE_SZ_MAX );
  dmg_hex_encode( h.b, 32, hex );
  snprintf( path, sizeof path, "%s/evidence/%.32s.bin", p->chain->cfg.data_dir, hex );
  bool is = dmg_os_file_read( path, DMG_EVIDENCE_SZ_MAX, &got )==DMG_OK && dmg_span_eq( dmg_buf_span( &got ), evidence );
  dmg_buf_fini( &got );
  return is;
}

/* All die with a block that is notarized and not final: its leader signs and sends all of it again when it is back, the body too, though its vote for it goes first. */
static void test_a_leader_that_is_back_pushes_its_body_again( void ** state ) {
  dmg_hash_t id, to = { { 47 } };
  make_world( 4, 3, 0 );
  w.is_quick = true;
  lend_disks();
  start_all();
  run_to( 3, 60 );
  send( w.p[ 0 ].chain, &accounts[ 5 ], &to, 9, 0, &id );
  dmg_chain_block_t const * x = run_to_notarized();
  uint64_t view = x->sh.header.view;
  assert_in_range( view, 1, 63 );
  assert_int_equal( w.pushed[ view ], 1 );
  for( uint32_t i = 0; i<4; i++ ) stop_node( &w.p[ i ] );
  start_all();
  run_for( 8000 );
  assert_int_equal( w.pushed[ view ], 2 );
  end_world();
}

/* N7.1, N7.3: who leads tells its proposal once, who votes for it once; by all it is judged as its leader signed it, known or not. */
static void test_proposals_are_told_and_judged( void ** state ) {
  make_world( 4, 8, 0 );
  w.is_quick = true;
  start_all();
  run_to( 6, 60 );
  assert_in_range( w.told[ 1 ], 6, 9 );               /* with those that are not final yet */
  assert_in_range( w.told[ 0 ], 3*6, 3*9 );
  dmg_signed_header_t sh;
  assert_int_equal( dmg_signed_header_decode( DMG_SPAN( w.told_last ), &sh ).kind, DMG_VERDICT_GOOD );
  for( uint32_t k = 0; k<3; k++ ) {
    if( k==1 ) sh.sig[ 40 ] ^= 1;
    if( k==2 ) { sh.sig[ 40 ] ^= 1; sh.header.time_ms++; }
    dmg_hash_t hash = dmg_header_hash( &sh.header );
    for( uint32_t i = 0; i<4; i++ ) assert_int_equal( dmg_validator_judge_header( w.p[ i ].v, &sh, &hash ).kind, k ? DMG_VERDICT_BAD : DMG_VERDICT_GOOD );
  }
  /* One that was not there: it has the set and nothing else. */
  stop_node( &w.p[ 3 ] );
  run_to( 9, 60 );
  assert_int_equal( dmg_signed_header_decode( DMG_SPAN( w.told_last ), &sh ).kind, DMG_VERDICT_GOOD );
  start_node( &w.p[ 3 ] );
  dmg_hash_t hash = dmg_header_hash( &sh.header );
  assert_int_equal( dmg_validator_judge_header( w.p[ 3 ].v, &sh, &hash ).kind, DMG_VERDICT_GOOD );
  sh.sig[ 0 ] ^= 0x20;                                /* the other point of that x */
  assert_int_equal( dmg_validator_judge_header( w.p[ 3 ].v, &sh, &hash ).kind, DMG_VERDICT_BAD );
  /* Votes are said again while a view lasts, blocks are not. */
  stop_node( &w.p[ 2 ] );
  stop_node( &w.p[ 3 ] );
  run_for( 1000 );
  uint64_t told = w.told[ 0 ]+w.told[ 1 ];
  run_for( 8000 );
  assert_int_equal( w.told[ 0 ]+w.told[ 1 ], told );
  end_world();
}

/* C9.5: what gossip brings is judged, kept once a validator and not sent again by us (the mesh does that); what a link brings goes to the mesh. */
static void test_evidence_is_judged_and_kept( void ** state ) {
  static uint8_t b[ DMG_EVIDENCE_SZ_MAX ], f[ 1+DMG_EVIDENCE_SZ_MAX ];
  char dirs[ 2 ][ 32 ];
  make_world( 4, 6, 0 );
  start_all();
  /* Their chains are in memory; only evidence goes there. */
  for( uint32_t i = 0; i<2; i++ ) {
    snprintf( dirs[ i ], sizeof dirs[ i ], "/tmp/dmg-evidence-XXXXXX" );
    assert_non_null( mkdtemp( dirs[ i ] ) );
    w.p[ 2*i ].chain->cfg.data_dir = dirs[ i ];
  }
  run_to( 3, 60 );
  dmg_validator_t * v = w.p[ 0 ].v;
  dmg_span_t lie = pair_of( &w.p[ 1 ], w.p[ 0 ].chain, 0, 1, true, b );
  assert_int_equal( dmg_validator_take_evidence( v, lie ).kind, DMG_VERDICT_BAD );
  assert_false( is_kept( &w.p[ 0 ], lie ) );
  assert_int_equal( dmg_validator_take_evidence( v, dmg_span( b, 20 ) ).kind, DMG_VERDICT_BAD );
  assert_int_equal( dmg_validator_take_evidence( v, pair_of( &w.p[ 1 ], w.p[ 0 ].chain, 1, 1, false, b ) ).kind, DMG_VERDICT_LOCAL );   /* of an epoch that has not begun */
  assert_int_equal( v->evidence, 0 );
  dmg_span_t proof = pair_of( &w.p[ 1 ], w.p[ 0 ].chain, 0, 1, false, b );
  assert_int_equal( dmg_validator_take_evidence( v, proof ).kind, DMG_VERDICT_GOOD );
  assert_true( is_kept( &w.p[ 0 ], proof ) );
  assert_int_equal( dmg_validator_take_evidence( v, proof ).kind, DMG_VERDICT_LOCAL );
  assert_int_equal( dmg_validator_take_evidence( v, pair_of( &w.p[ 1 ], w.p[ 0 ].chain, 0, 2, false, b ) ).kind, DMG_VERDICT_LOCAL );
  assert_int_equal( v->evidence, 1 );
  assert_int_equal( w.evidences, 0 );
  proof = pair_of( &w.p[ 1 ], w.p[ 0 ].chain, 0, 1, false, b );
  f[ 0 ] = DMG_FRAME_EVIDENCE;
  memcpy( f+1, proof.p, proof.sz );
  for( unsigned k = 0; k<2; k++ ) post( 3, 2, TO_FRAME, NULL, dmg_span( f, 1+proof.sz ) );
  run_to( height_of( &w.p[ 2 ] )+2, 60 );
  assert_true( is_kept( &w.p[ 2 ], proof ) );
  assert_int_equal( w.evidences, 1 );
  all_agree();
  end_world();
  for( uint32_t i = 0; i<2; i++ ) {
    char cmd[ 128 ];
    snprintf( cmd, sizeof cmd, "rm -rf %s", dirs[ i ] );
    assert_int_equal( system( cmd ), 0 );
  }
}

static void test_an_epoch_ends_and_the_next_begins( void ** state ) {
  make_world( 4, 5, 240 );
  lend_disks();
  start_all();
  run_to( 100, 120 );
  stop_node( &w.p[ 3 ] );   /* over the seed's height .. */
  run_to( 130, 120 );
  start_node( &w.p[ 3 ] );
  run_to( 236, 120 );
  stop_node( &w.p[ 1 ] );   /* .. and over the boundary */
  run_to( 245, 120 );
  start_node( &w.p[ 1 ] );
  run_to( 252, 60 );
  all_agree();
  for( uint32_t i = 0; i<4; i++ ) {
    assert_int_equal( info_of( &w.p[ i ] ).epoch, 1 );
    assert_int_equal( w.p[ i ].chain->record.first_height, 241 );
  }
  /* All of them, in epoch 1. */
  for( uint32_t i = 0; i<4; i++ ) stop_node( &w.p[ i ] );
  start_all();
  run_to( lowest()+4, 60 );
  all_agree();
  for( uint32_t i = 0; i<4; i++ ) {
    dmg_buf_t h = dmg_buf( 1<<20 );
    assert_int_equal( dmg_validator_handover( w.p[ i ].v, 0, &h ), DMG_OK );
    assert_int_equal( dmg_validator_take_handover( w.p[ ( i+1 )%4 ].v, dmg_buf_span( &h ) ).kind, DMG_VERDICT_GOOD );
    h.p[ 400 ] ^= 1;   /* inside the certificate */
    assert_int_equal( dmg_validator_take_handover( w.p[ i ].v, dmg_buf_span( &h ) ).kind, DMG_VERDICT_BAD );
    dmg_buf_fini( &h );
  }
  end_world();
}

static void test_who_has_another_state_stops_and_the_others_go_on( void ** state ) {
  make_world( 4, 6, 0 );
  start_all();
  run_to( 3, 20 );
  w.p[ 3 ].v->head.root.b[ 0 ] ^= 1;
  uint64_t height = height_of( &w.p[ 3 ] ), end = w.now+5000000;
  dmg_err_t err = DMG_OK;
  w.hold = 8;
  while( !err && w.now<end ) {
    moment();
    err = turn( &w.p[ 3 ] );
  }
  assert_int_equal( err, DMG_ERR_CORRUPT );
  assert_int_equal( height_of( &w.p[ 3 ] ), height );
  dmg_validator_info_t before, after;
  dmg_validator_info( w.p[ 3 ].v, &before );
  /* It says no more, whatever it hears. */
  for( uint32_t i = 0; i<50; i++ ) { moment(); assert_int_equal( turn( &w.p[ 3 ] ), DMG_ERR_CORRUPT ); }
  dmg_validator_info( w.p[ 3 ].v, &after );
  assert_int_equal( after.signs, before.signs );
  stop_node( &w.p[ 3 ] );
  run_to( lowest()+6, 30 );
  all_agree();
  end_world();
}

/* C10.2 */
static void test_who_was_away_for_long_wants_a_checkpoint( void ** state ) {
  dmg_hash_t seen, other = { { 77 } };
  is_first_enough = true;
  make_world( 2, 14, 240 );
  is_first_enough = false;
  start_node( &w.p[ 0 ] );
  run_to( 250, 200 );
  assert_int_equal( dmg_block_log_hash( w.p[ 0 ].chain->log, 20, &seen ), DMG_OK );
  peer_t * p = &w.p[ 1 ];
  /* Nine days in an instant: its last block is genesis. */
  w.skip_ms = (uint64_t)9*86400000u-w.now/1000;
  p->checkpoint_err = DMG_ERR_INVALID;
  assert_true( try_start( p ) );   /* not yet */
  stop_node( p );
  w.skip_ms += w.now/1000+2000;
  assert_false( try_start( p ) );
  assert_non_null( strstr( why, "--checkpoint EPOCH:0xHASH" ) );
  char own[ 65 ];
  dmg_hash_t chain_id = dmg_genesis_hash( w.genesis );
  dmg_hex_encode( chain_id.b, 32, own );
  assert_non_null( strstr( why, own ) );
  /* One that the chain holds: it follows, and votes once it has it. */
  p->checkpoint = (dmg_checkpoint_t){ .is_set = true, .epoch = 0, .hash = seen };
  start_node( p );
  assert_true( info_of( p ).is_observer );
  run_to( height_of( &w.p[ 0 ] )+3, 60 );
  all_agree();
  assert_false( info_of( p ).is_observer );
  stop_node( p );
  run_for( 10 );   /* the others hear of that before it is back */
  /* One of another chain: it stops before it has a block of a later epoch. */
  p->checkpoint.hash = other;
  start_node( p );
  w.hold = 2;
  dmg_err_t err = DMG_OK;
  for( uint64_t end = w.now+60000000; !err && w.now<end; ) { moment(); err = turn( p ); }
  assert_int_equal( err, DMG_ERR_CHAIN );
  assert_true( height_of( p )<=240 );
  w.hold = 0;
  stop_node( p );
  end_world();
}

/* The same within an epoch: nobody hands over to it, and it is wanted, as of four one is down. */
static void test_who_has_met_its_checkpoint_votes( void ** state ) {
  dmg_hash_t seen;
  make_world( 4, 17, 0 );
  for( uint32_t i = 0; i<3; i++ ) start_node( &w.p[ i ] );
  run_to( 40, 60 );
  assert_int_equal( dmg_block_log_hash( w.p[ 0 ].chain->log, 20, &seen ), DMG_OK );
  w.skip_ms = (uint64_t)9*86400000u+1000;
  w.p[ 3 ].checkpoint = (dmg_checkpoint_t){ .is_set = true, .epoch = 0, .hash = seen };
  start_node( &w.p[ 3 ] );
  assert_true( info_of( &w.p[ 3 ] ).is_observer );
  run_to( height_of( &w.p[ 0 ] )+3, 60 );
  assert_false( info_of( &w.p[ 3 ] ).is_observer );
  stop_node( &w.p[ 0 ] );
  run_to( lowest()+5, 60 );
  all_agree();
  end_world();
}

/* A pushed body is its block's once that is known, and goes with it: of 256 of a mebibyte none would ever be given back. */
static void test_a_body_is_kept_once( void ** state ) {
  dmg_hash_t id, to = { { 42 } };
  make_world( 4, 19, 0 );
  start_all();
  run_to( 3, 20 );
  for( uint32_t k = 0; k<12; k++ ) {
    send( w.p[ k%4 ].chain, &accounts[ 5+k%4 ], &to, 100+k, k/4, &id );
    run_to( lowest()+5, 20 );
  }
  run_to( lowest()+6, 20 );
  assert_true( w.bodies>20 );
  for( uint32_t i = 0; i<4; i++ ) {
    uint32_t kept = 0;
    for( uint32_t k = 0; k<DMG_VALIDATOR_EARLY_MAX; k++ ) kept += w.p[ i ].v->early[ k ].bytes!=NULL;
    if( kept>3 ) fail_msg( "node %u keeps %u bodies of %lu that were pushed", i, kept, (unsigned long)w.bodies );   /* those that came behind a fetch */
    assert_true( w.p[ i ].v->body_sz<4096 );
  }
  end_world();
}

/* The leader's signature is no part of a header's hash, so whoever a block is got of may have changed it: what came with the proposal was verified. */
static void test_a_sync_does_not_spoil_signatures( void ** state ) {
  make_world( 4, 18, 0 );
  start_all();
  run_to( 5, 30 );
  peer_t * p = &w.p[ 3 ];
  w.hold = 8;                                         /* it hears, and commits nothing */
  uint64_t height = height_of( p );
  uint8_t good[ DMG_SIGNED_HEADER_SZ ], got[ DMG_SIGNED_HEADER_SZ ];
  dmg_hash_t hash;
  for( uint64_t end = w.now+5000000; height_of( &w.p[ 0 ] )<height+3 && w.now<end; ) moment();
  assert_int_equal( dmg_block_log_hash( w.p[ 0 ].chain->log, height+1, &hash ), DMG_OK );
  assert_int_equal( dmg_validator_header( p->v, &hash, good ), DMG_OK );
  dmg_signed_header_t sh;
  assert_int_equal( dmg_signed_header_decode( DMG_SPAN( good ), &sh ).kind, DMG_VERDICT_GOOD );
  dmg_buf_t body = dmg_buf( 1u<<20 );
  assert_int_equal( dmg_validator_body( w.p[ 0 ].v, &hash, &body ), DMG_OK );
  sh.sig[ 5 ] ^= 1;
  assert_int_equal( dmg_validator_sync( p->v, &sh, &hash, dmg_buf_span( &body ), NULL ), DMG_OK );
  assert_int_equal( dmg_validator_header( p->v, &hash, got ), DMG_OK );
  assert_memory_equal( got, good, sizeof good );
  dmg_buf_fini( &body );
  w.hold = 0;
  run_to( height_of( &w.p[ 0 ] )+2, 30 );
  assert_int_equal( dmg_validator_header( p->v, &hash, got ), DMG_OK );
  assert_memory_equal( got, good, sizeof good );      /* as it is stored */
  end_world();
}

/* A body of somebody else's, judged (C5.2, R4.3). */
static void test_false_bodies_are_refused( void ** state ) {
  dmg_hash_t id, to = { { 44 } };
  dmg_chain_block_t * b, * x;
  dmg_body_t * body;
  make_world( 1, 7, 0 );
  start_node( &w.p[ 0 ] );
  dmg_chain_t * c = w.p[ 0 ].chain;
  send( c, &accounts[ 6 ], &to, 5, 0, &id );
  dmg_signed_header_t sh = { .header = { .version = 1, .view = 1, .height = 1, .parent_hash = c->chain_id, .time_ms = (uint64_t)GENESIS_S*1000+250 } };
  pthread_mutex_lock( &c->writing );
  assert_int_equal( dmg_chain_block_build( c, &sh.header, false, NULL, 0, &b ), DMG_OK );
  assert_int_equal( b->tx_cnt, 1 );
  sh.header = b->sh.header;
  dmg_span_t good = dmg_arena_dup( arena, b->body );
  dmg_chain_block_drop( c, b );
  for( int k = 0; k<6; k++ ) {
    dmg_signed_header_t h = sh;
    dmg_buf_t buf = dmg_buf( 1<<20 );
    assert_int_equal( dmg_body_decode( good, arena, &body ).kind, DMG_VERDICT_GOOD );
    dmg_span_t txs[ 2 ] = { dmg_arena_dup( arena, body->txs[ 0 ] ), body->txs[ 0 ] };
    body->txs = txs;
    switch( k ) {
    case 1: ( (uint8_t *)(uintptr_t)txs[ 0 ].p )[ txs[ 0 ].sz-1 ] ^= 1; break;   /* a signature */
    case 2: body->tx_cnt = 2; break;                                             /* twice */
    case 3: h.header.height = 2; break;
    case 4: h.header.time_ms = (uint64_t)GENESIS_S*1000; break;
    case 5: h.header.leader = 1; break;
    }
    assert_int_equal( dmg_body_encode( body, &buf ), DMG_OK );
    h.header.body_hash = dmg_body_hash( body );
    h.header.body_len  = (uint32_t)buf.sz;
    dmg_hash_t hash = dmg_header_hash( &h.header );
    x = NULL;
    dmg_txpool_free( c->pool );   /* else it knows these bytes to be verified */
    c->pool = NULL;
    assert_int_equal( dmg_chain_new_pool( c ), DMG_OK );
    assert_int_equal( dmg_chain_block_check( c, &h, &hash, dmg_buf_span( &buf ), false, &x ).kind, k ? DMG_VERDICT_BAD : DMG_VERDICT_GOOD );
    if( !k ) {
      h.header.body_len++;
      dmg_hash_t other = dmg_header_hash( &h.header );
      assert_int_equal( dmg_chain_block_check( c, &h, &other, dmg_buf_span( &buf ), false, &x ).kind, DMG_VERDICT_BAD );
      dmg_chain_block_drop( c, dmg_chain_block_find( c, &hash ) );
      assert_null( c->blocks );
    }
    dmg_buf_fini( &buf );
  }
  pthread_mutex_unlock( &c->writing );
  end_world();
}

typedef struct { dmg_signed_header_t sh; dmg_hash_t hash; dmg_span_t raw; dmg_body_t * body; } stored_t;
static stored_t stored_block( dmg_chain_t * c, uint64_t height ) {
  stored_t s;
  dmg_buf_t buf = dmg_buf( DMG_BLOCK_LOG_RAW_MAX );
  assert_int_equal( dmg_block_log_hash( c->log, height, &s.hash ), DMG_OK );
  assert_int_equal( dmg_block_log_block( c->log, &s.hash, &buf, NULL ), DMG_OK );
  s.raw = dmg_arena_dup( arena, dmg_span( buf.p+DMG_SIGNED_HEADER_SZ, buf.sz-DMG_SIGNED_HEADER_SZ ) );
  assert_int_equal( dmg_signed_header_decode( dmg_span( buf.p, DMG_SIGNED_HEADER_SZ ), &s.sh ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( dmg_body_decode( s.raw, arena, &s.body ).kind, DMG_VERDICT_GOOD );
  dmg_buf_fini( &buf );
  return s;
}

static uint32_t bits( uint8_t const map[ DMG_BITMAP_SZ ] ) { uint32_t n = 0; for( unsigned i = 0; i<8*DMG_BITMAP_SZ; i++ ) n += map[ i/8 ]>>( i%8 )&1; return n; }

/* C8.2: each view of the chain and each skipped one is recorded, once, eight or more views later, by nearly all votes; a kill and a
   restart of all lose nothing but what nobody holds any more. */
static void test_who_voted_is_recorded( void ** state ) {
  make_world( 4, 9, 0 );
  lend_disks();
  start_all();
  run_to( 14, 30 );
  stop_node( &w.p[ 2 ] );
  run_to( 34, 60 );
  dmg_chain_attended_t was = w.p[ 0 ].chain->head.attended;
  assert_true( was.view>0 );
  stop_node( &w.p[ 0 ] );
  start_node( &w.p[ 0 ] );
  assert_true( w.p[ 0 ].chain->head.attended.epoch==was.epoch && w.p[ 0 ].chain->head.attended.view==was.view );   /* kept with the state */
  start_node( &w.p[ 2 ] );
  run_to( 50, 60 );
  all_agree();
  dmg_chain_t * c = w.p[ 0 ].chain;
  uint64_t last = 0, recorded = 0, nulls = 0, of_four = 0, view = 0;
  for( uint64_t h = 1; h<=50; h++ ) {
    stored_t s = stored_block( c, h );
    for( uint32_t i = 0; i<s.body->att_cnt; i++ ) {
      dmg_attendance_t const * a = &s.body->atts[ i ];
      assert_true( a->view>last && a->view+8<=s.sh.header.view );
      last = a->view;
      recorded++;
      nulls   += a->kind==DMG_VOTE_NULLIFY;
      of_four += bits( a->bitmap )==4;
    }
    view = s.sh.header.view;
    if( !dmg_hash_eq( &s.hash, &c->head.block.hash ) ) continue;
    assert_int_equal( c->head.attended.view, last );
  }
  printf( "recorded %lu of %lu views, %lu skipped, %lu by all\n", (unsigned long)recorded, (unsigned long)view-8, (unsigned long)nulls, (unsigned long)of_four );
  assert_true( last+12>=view );
  assert_true( recorded+12>=view-8 );   /* a start has only its log of what was voted before */
  assert_true( nulls>=4 && of_four>=10 );
  for( uint32_t i = 0; i<4; i++ ) {
    dmg_validator_info_t v;
    dmg_validator_info( w.p[ i ].v, &v );
    assert_int_equal( v.alarms+v.evidence+v.built_again, 0 );
  }
  end_world();
}

/* Given as a sync gives it, and committed. */
static void sync_now( peer_t * p, dmg_signed_header_t const * sh, dmg_hash_t const * hash, dmg_span_t body ) {
  assert_int_equal( dmg_validator_sync( p->v, sh, hash, body, NULL ), DMG_OK );
  for( uint64_t end = w.now+10000000; height_of( p )<sh->header.height && w.now<end; w.now += 50000 ) assert_int_equal( dmg_validator_turn( p->v, w.now, wall(), &p->wake_us ), DMG_OK );
}

/* A follower that syncs judges each body as a voter does (C5.2): each falsehood is refused, the truth taken. */
static void test_false_attendance_is_refused( void ** state ) {
  static char const * const lie[] = { "nothing", "a voter more", "a voter less", "another kind", "another view", "twice", "too young", "too old", "a bit past the set", "out of order", "nobody", "from a bystander" };
  uint32_t told = 0, skips = 0;
  make_world( 4, 10, 240 );
  for( uint32_t i = 0; i<3; i++ ) start_node( &w.p[ i ] );   /* node 3's windows are skipped */
  run_to( 61, 120 );
  start_node( &w.p[ 3 ] );
  dmg_chain_t * c = w.p[ 3 ].chain, * from = w.p[ 0 ].chain;
  for( uint64_t h = 1; h<=60; h++ ) {
    stored_t s = stored_block( from, h );
    dmg_attendance_t was[ 8 ] = { { 0 } };
    if( s.body->att_cnt ) memcpy( was, s.body->atts, s.body->att_cnt*sizeof *was );
    uint32_t cnt = s.body->att_cnt;
    if( cnt && cnt<7 && h>30 ) for( uint32_t k = 1; k<sizeof lie/sizeof *lie; k++ ) {
      dmg_attendance_t a[ 8 ];
      dmg_signed_header_t sh = s.sh;
      dmg_buf_t buf = dmg_buf( 1<<20 );
      memcpy( a, was, sizeof a );
      dmg_body_t body = *s.body;
      body.atts = a;
      dmg_attendance_t * x = &a[ cnt-1 ];
      switch( k ) {
      case 1:  x->bitmap[ 0 ] ^= (uint8_t)( ~x->bitmap[ 0 ]&15 ); if( x->bitmap[ 0 ]==was[ cnt-1 ].bitmap[ 0 ] ) continue; break;
      case 2:  x->bitmap[ 0 ] &= (uint8_t)( x->bitmap[ 0 ]-1 ); break;
      case 3:  x->kind ^= 1; break;
      case 4:  x->view--; if( x->view<=( cnt>1 ? a[ cnt-2 ].view : c->head.attended.view ) ) continue; break;
      case 5:  a[ cnt ] = *x; body.att_cnt++; break;
      case 6:  x->view = sh.header.view-7; break;
      case 7:  x->view = c->head.attended.view; break;
      case 8:  x->bitmap[ 0 ] |= 16; break;
      case 9:  if( cnt<2 ) continue; a[ 0 ] = was[ 1 ]; a[ 1 ] = was[ 0 ]; break;
      case 10: memset( x->bitmap, 0, sizeof x->bitmap ); break;
      case 11: a[ cnt-1 ].sig[ 20 ] ^= 1; break;
      }
      assert_int_equal( dmg_body_encode( &body, &buf ), DMG_OK );
      sh.header.body_hash = dmg_body_hash( &body );
      sh.header.body_len  = (uint32_t)buf.sz;
      dmg_hash_t hash = dmg_header_hash( &sh.header );
      dmg_chain_block_t * b = NULL;
      pthread_mutex_lock( &c->writing );
      dmg_verdict_t v = dmg_chain_block_check( c, &sh, &hash, dmg_buf_span( &buf ), false, &b );
      pthread_mutex_unlock( &c->writing );
      if( v.kind!=DMG_VERDICT_BAD ) fail_msg( "height %lu: %s: verdict %d", (unsigned long)h, lie[ k ], (int)v.kind );
      dmg_buf_fini( &buf );
      told++;
    }
    for( uint32_t i = 0; i<cnt; i++ ) skips += was[ i ].kind==DMG_VOTE_NULLIFY;
    sync_now( &w.p[ 3 ], &s.sh, &s.hash, s.raw );
    assert_int_equal( height_of( &w.p[ 3 ] ), h );
  }
  assert_true( told>100 && skips>=4 );
  /* Whoever recorded nothing for an epoch: the log says what stood at each view, over any distance. */
  stored_t next = stored_block( from, 61 );
  dmg_attendance_t all[ 64 ];
  uint32_t all_cnt = 0;
  for( uint64_t h = 1; h<=60; h++ ) {
    stored_t s = stored_block( from, h );
    for( uint32_t i = 0; i<s.body->att_cnt && all_cnt<64; i++ ) all[ all_cnt++ ] = s.body->atts[ i ];
  }
  assert_true( all_cnt>40 );
  c->head.attended.view = 0;
  for( uint32_t at = 0; at+8<=all_cnt; at += 5 ) for( uint32_t is_lie = 0; is_lie<2; is_lie++ ) {
    dmg_buf_t buf = dmg_buf( 1<<20 );
    dmg_body_t body = { .atts = &all[ at ], .att_cnt = 8 };
    if( is_lie ) all[ at+3 ].kind ^= 1;
    assert_int_equal( dmg_body_encode( &body, &buf ), DMG_OK );
    if( is_lie ) all[ at+3 ].kind ^= 1;
    dmg_signed_header_t sh = next.sh;
    dmg_chain_block_t * b = NULL;
    assert_int_equal( dmg_body_decode( dmg_buf_span( &buf ), arena, &next.body ).kind, DMG_VERDICT_GOOD );
    sh.header.body_hash = dmg_body_hash( next.body );
    sh.header.body_len  = (uint32_t)buf.sz;
    dmg_hash_t hash = dmg_header_hash( &sh.header );
    pthread_mutex_lock( &c->writing );
    memset( c->recent, 0, sizeof c->recent );
    assert_int_equal( dmg_chain_block_check( c, &sh, &hash, dmg_buf_span( &buf ), false, &b ).kind, is_lie ? DMG_VERDICT_BAD : DMG_VERDICT_GOOD );
    if( !is_lie ) dmg_chain_block_drop( c, b );
    pthread_mutex_unlock( &c->writing );
    dmg_buf_fini( &buf );
  }
  assert_int_equal( dmg_chain_attended_get( c, &c->head.attended ), DMG_OK );
  run_to( height_of( &w.p[ 0 ] )+3, 60 );
  all_agree();
  end_world();
}

/* Two branches above the head: each stands on its own parent's state; one becomes final, the other goes. */
static void test_a_branch_that_loses_is_dropped( void ** state ) {
  dmg_hash_t id, to = { { 45 } };
  dmg_chain_block_t * a[ 3 ], * b[ 2 ];
  dmg_chain_made_t made;
  make_world( 1, 8, 0 );
  start_node( &w.p[ 0 ] );
  dmg_chain_t * c = w.p[ 0 ].chain;
  send( c, &accounts[ 6 ], &to, 5, 0, &id );
  pthread_mutex_lock( &c->writing );
  dmg_hash_t tip_a = c->chain_id, tip_b = c->chain_id, root;
  for( uint32_t i = 0; i<3; i++ ) {
    for( uint32_t k = 0; k<2; k++ ) {
      if( k && i==2 ) continue;
      dmg_chain_block_t ** out = k ? &b[ i ] : &a[ i ];
      dmg_signed_header_t sh = { .sig = { 1 }, .header = { .version = 1, .view = 2*i+1+k, .parent_view = i ? 2*i-1+k : 0, .height = i+1, .parent_hash = k ? tip_b : tip_a, .time_ms = (uint64_t)GENESIS_S*1000+250*( i+1 )+k } };
      assert_int_equal( dmg_chain_block_build( c, &sh.header, k && !i, NULL, 0, out ), DMG_OK );
      sh.header = ( *out )->sh.header;
      dmg_hash_t hash = dmg_header_hash( &sh.header );
      assert_int_equal( dmg_chain_block_attach( c, *out, &sh, &hash ), DMG_OK );
      *( k ? &tip_b : &tip_a ) = hash;
    }
  }
  /* The transfer is in the first block of a, and in the second of b, whose first was empty; never twice on a branch. */
  assert_int_equal( a[ 0 ]->tx_cnt, 1 );
  assert_int_equal( a[ 1 ]->tx_cnt+a[ 2 ]->tx_cnt, 0 );
  assert_int_equal( a[ 1 ]->ref_cnt, 0 );   /* not even asked of the executor */
  assert_int_equal( b[ 0 ]->tx_cnt, 0 );
  assert_int_equal( b[ 1 ]->tx_cnt, 1 );
  assert_memory_not_equal( a[ 0 ]->root.b, b[ 0 ]->root.b, 32 );
  dmg_hash_t b0 = b[ 0 ]->hash, b1 = b[ 1 ]->hash, a0 = a[ 0 ]->hash;
  assert_int_equal( dmg_chain_block_commit( c, b[ 0 ], NULL, NULL, &made ), DMG_OK );
  assert_int_equal( made.at.height, 1 );
  assert_null( dmg_chain_block_find( c, &a0 ) );
  assert_ptr_equal( c->blocks, b[ 1 ] );
  assert_null( c->blocks->next );
  assert_int_equal( dmg_state_root( c->state, &a0, &root ), DMG_ERR_NOT_FOUND );
  /* The transfer is in the pool until its own branch is final. */
  dmg_query_tx_status_t s;
  c->query.tx_status( c, &id, &s );
  assert_int_equal( s.state, DMG_TX_POOLED );
  assert_int_equal( dmg_chain_block_commit( c, b[ 1 ], NULL, NULL, &made ), DMG_OK );
  assert_memory_equal( made.at.hash.b, b1.b, 32 );
  c->query.tx_status( c, &id, &s );
  assert_int_equal( s.state, DMG_TX_FINAL );
  assert_memory_equal( c->head.block.hash.b, b1.b, 32 );
  assert_int_equal( dmg_state_root( c->state, &b0, &root ), DMG_OK );
  pthread_mutex_unlock( &c->writing );
  assert_int_equal( free_of( c, &to ), 5 );
  end_world();
}

/* What finds no room among the verdicts that are owed is told to wait, as the core asks for nothing twice that it was not answered. */
static void test_no_verdict_is_owed_for_ever( void ** state ) {
  uint8_t const no_sig[ DMG_BLS_SIG_SZ ] = { 0 };
  make_world( 4, 7, 0 );
  start_node( &w.p[ 0 ] );
  run_for( 10 );
  dmg_validator_t * v = w.p[ 0 ].v;
  assert_int_equal( v->queue_cnt, 0 );
  assert_int_equal( v->pend_cnt, 0 );
  dmg_header_t h = { .version = 1, .view = 5, .height = 2, .parent_view = 4, .parent_hash = { { 9 } }, .body_len = 100 };
  for( uint32_t i = 0; i<=PEND_MAX; i++ ) { dmg_hash_t hash = { { 7, (uint8_t)i, (uint8_t)( i>>8 ) } }; dmg_val_on_check( v, &h, &hash, no_sig ); }
  assert_int_equal( v->queue_cnt, 1 );
  dmg_cons_event_t const * ev = &v->queue[ v->queue_at ].ev;
  assert_true( ev->kind==DMG_CONS_VERDICT && ev->verdict.verdict==DMG_CONS_WAIT && ev->verdict.hash.b[ 0 ]==7 && !ev->verdict.hash.b[ 1 ] && !ev->verdict.hash.b[ 2 ] );
  /* The same where a header finds no room. */
  uint32_t cnt = v->block_cnt;
  dmg_hash_t none = { { 8 } };
  v->block_cnt = DMG_VALIDATOR_BLOCK_MAX;
  dmg_val_on_check( v, &h, &none, no_sig );
  v->block_cnt = cnt;
  assert_int_equal( v->queue_cnt, 2 );
  ev = &v->queue[ ( v->queue_at+1 )%QUEUE_MAX ].ev;
  assert_true( ev->kind==DMG_CONS_VERDICT && ev->verdict.verdict==DMG_CONS_WAIT && ev->verdict.hash.b[ 0 ]==8 );
  end_world();
}

static void * in_thread( void * arg ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_a_branch_that_loses_is_dropped ),
    cmocka_unit_test( test_false_bodies_are_refused ),
    cmocka_unit_test( test_four_finalize_what_any_of_them_is_given ),
    cmocka_unit_test( test_readers_see_what_is_notarized ),
    cmocka_unit_test( test_jobs_that_take_their_time ),
    cmocka_unit_test( test_jobs_in_threads ),
    cmocka_unit_test( test_no_verdict_is_owed_for_ever ),
    cmocka_unit_test( test_one_of_four_dies_comes_back_and_votes_again ),
    cmocka_unit_test( test_all_die_at_once_and_go_on ),
    cmocka_unit_test( test_a_long_gap_is_synced ),
    cmocka_unit_test( test_who_voted_is_recorded ),
    cmocka_unit_test( test_false_attendance_is_refused ),
    cmocka_unit_test( test_a_leader_that_is_back_pushes_its_body_again ),
    cmocka_unit_test( test_proposals_are_told_and_judged ),
    cmocka_unit_test( test_evidence_is_judged_and_kept ), cmocka_unit_test( test_an_epoch_ends_and_the_next_begins ),
    cmocka_unit_test( test_who_has_another_state_stops_and_the_others_go_on ),
    cmocka_unit_test( test_who_was_away_for_long_wants_a_checkpoint ),
    cmocka_unit_test( test_who_has_met_its_checkpoint_votes ),
    cmocka_unit_test( test_a_sync_does_not_spoil_signatures ),
    cmocka_unit_test( test_a_body_is_kept_once ),
  };
  return (void *)(intptr_t)cmocka_run_group_tests( tests, setup, teardown );
}

int main( int argc, char ** argv ) { return in_deep_thread( in_thread, argc, argv ); }
