/* The chain's protocols over ports in memory: links, frames, bodies, transactions, fetch, sync, with peers that lie, flood, read slowly or leave. */
#include "network/test_chainnet_mem.h"

/* --- links ------------------------------------------------------------------------------------------------ */

static void test_four_validators_mesh_with_one_line_a_pair( void ** state ) {
  for( uint64_t seed = 1; seed<=8; seed++ ) {
    begin( seed, 0, 0 );
    /* All dial at once: slow enough that both sides of each pair do. */
    dmg_mem_net_faults( world, &(dmg_mem_faults_t){ .delay_us = 600000, .jitter_us = 300000 } );
    validators( 4 );
    RUN_UNTIL( is_mesh( 4 ), 20000 );
    run( 5000 );
    assert_true( is_mesh( 4 ) );
    for( unsigned i = 0; i<4; i++ ) {
      assert_int_equal( info_of( &nodes[ i ] ).conn_cnt, 3 );
      dmg_chainnet_peer_t peers[ 8 ];
      assert_int_equal( dmg_chainnet_peers( nodes[ i ].net, peers, 8 ), 3 );
      for( unsigned k = 0; k<3; k++ ) {
        assert_true( peers[ k ].is_link && peers[ k ].has_status );
        /* The line of the smaller id stays. */
        assert_int_equal( peers[ k ].is_outbound, dmg_net_peer_cmp( &nodes[ i ].port->self, &peers[ k ].peer )<0 );
      }
    }
    end();
  }
}

static void test_a_restart_gets_its_links_back( void ** state ) {
  begin( 2, 0, 0 );
  validators( 4 );
  RUN_UNTIL( is_mesh( 4 ), 5000 );
  node_end( &nodes[ 3 ] );
  RUN_UNTIL( links_of( &nodes[ 0 ] )==2 && links_of( &nodes[ 1 ] )==2 && links_of( &nodes[ 2 ] )==2, 5000 );
  node_t * again = node_add( 3, false );
  for( unsigned i = 0; i<3; i++ ) know( again, &nodes[ i ] );
  RUN_UNTIL( links_of( again )==3 && links_of( &nodes[ 0 ] )==3 && links_of( &nodes[ 1 ] )==3 && links_of( &nodes[ 2 ] )==3, 10000 );
  for( unsigned i = 0; i<3; i++ ) assert_int_equal( nodes[ i ].downs, 1 );
  end();
}

/* A host that dies says nothing: the old line is closed after 6 s without a frame. */
static void test_a_silent_link_goes_down( void ** state ) {
  begin( 3, 0, 0 );
  validators( 2 );
  RUN_UNTIL( is_mesh( 2 ), 5000 );
  nodes[ 1 ].is_idle = true;
  uint64_t from = dmg_mem_net_now( world );
  RUN_UNTIL( nodes[ 0 ].downs==1, 10000 );
  uint64_t took = dmg_mem_net_now( world )-from;
  assert_true( took>4900000 && took<7100000 );
  nodes[ 1 ].is_idle = false;
  RUN_UNTIL( is_mesh( 2 ), 10000 );
  end();
}

/* Executing a block may take our thread for seconds: what came meanwhile was heard. */
static void test_a_stall_of_our_own_is_nobodys_silence( void ** state ) {
  begin( 31, 0, 0 );
  validators( 2 );
  RUN_UNTIL( is_mesh( 2 ), 5000 );
  uint32_t from = nodes[ 0 ].frames;
  RUN_UNTIL( nodes[ 0 ].frames>from, 2000 );           /* just heard .. */
  run( 900 );
  send_hello( &nodes[ 0 ] );                           /* .. and just spoken */
  nodes[ 0 ].is_stalled = true;
  run( 5600 );
  nodes[ 0 ].is_stalled = false;
  run( 3000 );
  assert_int_equal( nodes[ 0 ].downs+nodes[ 1 ].downs, 0 );
  end();
}

/* N6.2: a connection that was accepted before its peer was known as a validator has too few streams for a line. */
static void test_a_connection_without_a_validators_share_is_no_line( void ** state ) {
  (void)state;
  begin( 33, 0, 0 );
  validators( 2 );
  for( unsigned i = 0; i<2; i++ ) dmg_mem_early( nodes[ i ].port, true );
  run( 8000 );
  uint64_t early = 0;
  for( unsigned i = 0; i<2; i++ ) {
    dmg_chainnet_info_t info = info_of( &nodes[ i ] );
    assert_int_equal( links_of( &nodes[ i ] ), 0 );
    for( uint32_t k = 0; k<DMG_CHAINNET_CLOSED_CNT; k++ ) {
      if( !strcmp( dmg_chainnet_closed_name( k ), "early" ) ) early += info.closed[ k ];
      else if( strcmp( dmg_chainnet_closed_name( k ), "remote" ) ) assert_int_equal( info.closed[ k ], 0 );
    }
  }
  assert_true( early>=2 );
  /* The next one is whole. */
  for( unsigned i = 0; i<2; i++ ) dmg_mem_early( nodes[ i ].port, false );
  RUN_UNTIL( is_mesh( 2 ), 10000 );
  run( 10000 );
  for( unsigned i = 0; i<2; i++ ) assert_int_equal( nodes[ i ].downs, 0 );
  end();
}

static void test_strangers_get_no_link( void ** state ) {
  begin( 4, 0, 0 );
  validators( 4 );
  node_t * stranger = node_add( -1, true );
  for( unsigned i = 0; i<4; i++ ) know( stranger, &nodes[ i ] );
  /* It takes itself for a validator. */
  dmg_chainnet_member_t lie[ VALIDATORS ];
  memcpy( lie, members, sizeof lie );
  lie[ 3 ].peer = stranger->port->self;
  assert_int_equal( dmg_chainnet_set_members( stranger->net, 0, lie, VALIDATORS, dmg_mem_net_now( world ) ), DMG_OK );
  RUN_UNTIL( is_mesh( 4 ), 10000 );
  run( 10000 );
  assert_true( is_mesh( 4 ) );
  assert_int_equal( stranger->ups, 0 );
  for( unsigned i = 0; i<4; i++ ) assert_int_equal( nodes[ i ].ups, 3 );
  assert_true( info_of( stranger ).conn_cnt==4 );   /* connected all the same: it may follow the chain */
  end();
}

static void test_another_chain_is_closed( void ** state ) {
  begin( 5, 0, 0 );
  validators( 2 );
  /* Our names, another genesis: as if four bytes of a hash collided. */
  store_t * other = store_new( 6, 0, 0 );
  other->genesis.b[ 0 ] = 1;
  uint8_t seed[ 32 ] = { 77 }, key[ 32 ];
  dmg_ed25519_public( seed, key );
  node_t * nd = &nodes[ node_cnt++ ];
  node_begin( nd, -1, seed, dmg_mem_port_open( world, key, setup.protos, DMG_CHAINNET_PROTO_CNT ), other, true, dmg_mem_net_now( world ) );
  know( nd, &nodes[ 0 ] );
  know( &nodes[ 0 ], nd );
  run( 3000 );
  assert_int_equal( info_of( nd ).conn_cnt, 0 );
  assert_int_equal( info_of( &nodes[ 0 ] ).conn_cnt, 1 );
  assert_true( nd->unreached>=1 && nd->reached==0 && strstr( nd->text, "another" ) );   /* chain, whoever of the two saw it first */
  uint64_t dials = info_of( nd ).conns_up;
  run( 200000 );
  assert_int_equal( info_of( nd ).conns_up, dials );  /* not dialled for 5 min */
  RUN_UNTIL( info_of( nd ).conns_up>dials, 200000 );
  /* Other names, as they are: no protocol in common. */
  dmg_chainnet_setup_t names;
  dmg_chainnet_setup( &other->genesis, 0, &names );
  assert_string_not_equal( names.version, setup.version );
  memset( seed, 78, 32 );
  dmg_ed25519_public( seed, key );
  node_t * far = &nodes[ node_cnt++ ];
  node_begin( far, -1, seed, dmg_mem_port_open( world, key, names.protos, DMG_CHAINNET_PROTO_CNT ), other, true, dmg_mem_net_now( world ) );
  know( far, &nodes[ 1 ] );
  run( 2000 );
  assert_int_equal( info_of( far ).conn_cnt, 0 );
  node_end( nd );
  node_end( far );
  store_free( other );
  end();
}

static void test_sets_change_and_places_stay( void ** state ) {
  begin( 7, 0, 0 );
  validators( 4 );
  RUN_UNTIL( is_mesh( 4 ), 5000 );
  uint32_t ups = nodes[ 0 ].ups;
  /* Epoch 1 without 3, in another order; 3 stays linked while epoch 0 is kept. */
  dmg_chainnet_member_t next[ 3 ] = { members[ 2 ], members[ 0 ], members[ 1 ] };
  for( unsigned i = 0; i<4; i++ ) assert_int_equal( dmg_chainnet_set_members( nodes[ i ].net, 1, next, 3, dmg_mem_net_now( world ) ), DMG_OK );
  run( 2000 );
  assert_true( is_mesh( 4 ) );
  for( uint32_t e = 2; e<4; e++ ) for( unsigned i = 0; i<4; i++ ) assert_int_equal( dmg_chainnet_set_members( nodes[ i ].net, e, next, 3, dmg_mem_net_now( world ) ), DMG_OK );
  run( 3000 );
  assert_int_equal( links_of( &nodes[ 3 ] ), 0 );
  for( unsigned i = 0; i<3; i++ ) {
    assert_int_equal( links_of( &nodes[ i ] ), 2 );
    assert_int_equal( nodes[ i ].downs, 1 );
  }
  assert_int_equal( nodes[ 0 ].ups, ups );          /* the others' links were not touched */
  /* A vote of epoch 3 is signed by place in that set. */
  uint8_t vote[ 1+DMG_VOTE_WIRE_SZ ];
  for( unsigned i = 0; i<3; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 3, 1, 0, 4 );
  vote_make( vote, 3, 1, 1 );                        /* node 0 is 1 there */
  uint32_t before = nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ];
  send_all( &nodes[ 0 ], DMG_SPAN( vote ) );
  vote_make( vote, 3, 1, 0 );
  send_all( &nodes[ 0 ], DMG_SPAN( vote ) );
  run( 100 );
  assert_int_equal( nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ], before+1 );
  assert_int_equal( info_of( &nodes[ 1 ] ).frames_bad, 1 );
  /* It comes back. */
  for( unsigned i = 0; i<4; i++ ) assert_int_equal( dmg_chainnet_set_members( nodes[ i ].net, 4, members, 4, dmg_mem_net_now( world ) ), DMG_OK );
  RUN_UNTIL( is_mesh( 4 ), 10000 );
  assert_int_equal( dmg_chainnet_set_members( nodes[ 0 ].net, 1, members, 4, dmg_mem_net_now( world ) ), DMG_ERR_INVALID );   /* three later ones are kept */
  assert_int_equal( dmg_chainnet_set_members( nodes[ 0 ].net, 9, members, 0, dmg_mem_net_now( world ) ), DMG_ERR_INVALID );
  end();
}

static void test_set_members_says_full_before_it_changes_anything( void ** state ) {
  begin( 8, 0, 0 );
  node_t * nd = node_add( 0, false );
  static dmg_chainnet_member_t many[ 2 ][ DMG_SET_MAX ];
  for( unsigned s = 0; s<2; s++ ) for( unsigned i = 0; i<DMG_SET_MAX; i++ ) {
    memset( many[ s ][ i ].key, 0, DMG_BLS_KEY_SZ );
    many[ s ][ i ].key[ 0 ] = (uint8_t)i;
    many[ s ][ i ].key[ 1 ] = (uint8_t)( 1+s );
  }
  assert_int_equal( dmg_chainnet_set_members( nd->net, 1, many[ 0 ], DMG_SET_MAX, 0 ), DMG_OK );
  assert_int_equal( dmg_chainnet_set_members( nd->net, 2, many[ 1 ], DMG_SET_MAX, 0 ), DMG_ERR_FULL );   /* 4+128+128 */
  many[ 1 ][ 0 ] = many[ 0 ][ 0 ]; many[ 1 ][ 1 ] = many[ 0 ][ 1 ]; many[ 1 ][ 2 ] = many[ 0 ][ 2 ]; many[ 1 ][ 3 ] = members[ 0 ];
  assert_int_equal( dmg_chainnet_set_members( nd->net, 2, many[ 1 ], DMG_SET_MAX, 0 ), DMG_OK );
  end();
}

/* --- frames ----------------------------------------------------------------------------------------------- */

static void test_frames_are_checked_before_the_core( void ** state ) {
  begin( 9, 0, 0 );
  validators( 4 );
  RUN_UNTIL( is_mesh( 4 ), 5000 );
  for( unsigned i = 0; i<4; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 5, 10, 8, 4 );   /* window 9..12, two more: up to 20 */
  for( unsigned i = 0; i<4; i++ ) for( uint32_t e = 4; e<7; e++ ) assert_int_equal( dmg_chainnet_set_members( nodes[ i ].net, e, members, 4, dmg_mem_net_now( world ) ), DMG_OK );
  run( 200 );
  struct { uint32_t epoch; uint64_t view; uint16_t signer; bool is_in; } const votes[] = {
    { 5, 10, 0, true }, { 5, 20, 0, true }, { 5, 21, 0, false }, { 5, UINT64_MAX, 0, false }, { 5, 1, 0, true },
    { 4, 3000, 0, true }, { 3, 10, 0, false }, { 6, 12, 0, true }, { 6, 13, 0, false }, { 7, 1, 0, false }, { 5, 10, 1, false }, { 5, 10, 127, false },
  };
  uint8_t vote[ 1+DMG_VOTE_WIRE_SZ ];
  for( unsigned k = 0; k<sizeof votes/sizeof votes[ 0 ]; k++ ) {
    uint32_t before = nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ];
    vote_make( vote, votes[ k ].epoch, votes[ k ].view, votes[ k ].signer );
    send_all( &nodes[ 0 ], DMG_SPAN( vote ) );
    run( 50 );
    if( nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ]-before!=votes[ k ].is_in ) fail_msg( "vote %u", k );
  }
  assert_int_equal( info_of( &nodes[ 1 ] ).frames_bad, 2 );
  /* Certificates are exempt from the view (N8.2), not from the epoch. */
  uint8_t cert[ 1+DMG_CERT_SZ ] = { DMG_FRAME_CERT };
  dmg_cert_t c = cert_of( DMG_VOTE_FINALIZE, 5, 1000000, test_genesis );
  dmg_cert_encode( &c, cert+1 );
  send_all( &nodes[ 0 ], DMG_SPAN( cert ) );
  dmg_store_u32le( cert+2, 9 );
  send_all( &nodes[ 0 ], DMG_SPAN( cert ) );
  run( 50 );
  assert_int_equal( nodes[ 1 ].by_kind[ DMG_FRAME_CERT ], 1 );
  /* What only a broken core would send is dropped there and counted: sizes by kind, kinds. */
  uint8_t junk[ 40 ] = { DMG_FRAME_HELLO };
  for( unsigned kind = 0; kind<DMG_FRAME_CNT; kind++ ) {
    if( kind==DMG_FRAME_VOTE || kind==DMG_FRAME_CERT || kind==DMG_FRAME_PROPOSAL ) continue;
    junk[ 0 ] = (uint8_t)kind;
    send_all( &nodes[ 0 ], DMG_SPAN( junk ) );
  }
  run( 50 );
  assert_int_equal( info_of( &nodes[ 1 ] ).frames_bad, 2+3 );   /* hello, handover, relayed; want, bundle, evidence are the core's to decode */
  assert_int_equal( nodes[ 1 ].by_kind[ DMG_FRAME_RELAYED ], 0 );
  end();
}

static void test_garbage_closes_the_link_for_a_minute( void ** state ) {
  begin( 10, 0, 0 );
  validators( 4 );
  RUN_UNTIL( is_mesh( 4 ), 5000 );
  uint8_t vote[ 1+DMG_VOTE_WIRE_SZ ];
  vote_make( vote, 0, 1, 2 );                        /* another's index */
  for( unsigned i = 0; i<63; i++ ) send_all( &nodes[ 0 ], DMG_SPAN( vote ) );
  run( 100 );
  assert_true( is_mesh( 4 ) );
  send_all( &nodes[ 0 ], DMG_SPAN( vote ) );
  run( 1000 );
  assert_int_equal( links_of( &nodes[ 0 ] ), 0 );
  assert_int_equal( links_of( &nodes[ 1 ] ), 2 );
  run( 50000 );
  assert_int_equal( links_of( &nodes[ 1 ] ), 2 );
  RUN_UNTIL( is_mesh( 4 ), 20000 );                  /* never longer: with exactly q alive each one counts */
  end();
}

static void test_the_core_closes_a_link( void ** state ) {
  begin( 11, 0, 0 );
  validators( 2 );
  RUN_UNTIL( is_mesh( 2 ), 5000 );
  for( unsigned p = 0; p<DMG_CHAINNET_PEER_MAX; p++ ) if( nodes[ 0 ].is_up[ p ] ) dmg_chainnet_close( nodes[ 0 ].net, (uint16_t)p, 20000000, dmg_mem_net_now( world ) );
  run( 15000 );
  assert_int_equal( links_of( &nodes[ 0 ] )+links_of( &nodes[ 1 ] ), 0 );
  RUN_UNTIL( is_mesh( 2 ), 15000 );
  end();
}

/* Losses, doubles, flipped bits: links stay up or come back, what passes the checks is well formed, nothing grows. */
static void test_faulty_links_are_lived_with( void ** state ) {
  for( uint64_t seed = 20; seed<24; seed++ ) {
    begin( seed, 0, 0 );
    validators( 4 );
    RUN_UNTIL( is_mesh( 4 ), 5000 );
    size_t heap = info_of( &nodes[ 0 ] ).heap_sz;
    dmg_mem_net_faults( world, &(dmg_mem_faults_t){ .delay_us = 20000, .jitter_us = 50000, .drop = 100, .twice = 100, .garbage = 200 } );
    uint64_t rng = seed;
    uint8_t frame[ 2000 ];
    for( unsigned round = 0; round<600; round++ ) {
      for( unsigned i = 0; i<4; i++ ) {
        vote_make( frame, 0, 1+dmg_rnd_u64( &rng )%12, (uint16_t)i );
        send_all( &nodes[ i ], dmg_span( frame, 1+DMG_VOTE_WIRE_SZ ) );
        frame[ 0 ] = DMG_FRAME_BUNDLE;
        for( unsigned k = 1; k<sizeof frame; k++ ) frame[ k ] = (uint8_t)dmg_rnd_u64( &rng );
        send_all( &nodes[ i ], dmg_span( frame, 1+dmg_rnd_u64( &rng )%( sizeof frame-1 ) ) );
      }
      run( 20 );
    }
    for( unsigned i = 0; i<4; i++ ) {
      assert_true( nodes[ i ].by_kind[ DMG_FRAME_VOTE ]>1000 );
      assert_true( info_of( &nodes[ i ] ).frames_bad>0 );
    }
    dmg_mem_net_faults( world, &(dmg_mem_faults_t){ .delay_us = 5000 } );
    run( 70000 );
    assert_true( is_mesh( 4 ) );
    assert_int_equal( info_of( &nodes[ 0 ] ).heap_sz, heap );
    end();
  }
}

/* N2.1, N8.3: what waits for one that reads 8 KB a second stays below the queue, the newest views and the newest hello and F are what it gets; others lose nothing. */
static void test_a_slow_reader_costs_only_itself( void ** state ) {
  begin( 30, 0, 0 );
  validators( 4 );
  RUN_UNTIL( is_mesh( 4 ), 5000 );
  dmg_mem_slow( nodes[ 3 ].port, 8192 );
  size_t most = 0;
  uint8_t vote[ 1+DMG_VOTE_WIRE_SZ ], cert[ 1+DMG_CERT_SZ ] = { DMG_FRAME_CERT };
  uint32_t before = nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ], hellos = nodes[ 3 ].by_kind[ DMG_FRAME_HELLO ];
  uint64_t view = 1;
  uint8_t bundle[ 2 ] = { DMG_FRAME_BUNDLE, 1 };       /* of the highest rank: stays whatever comes after it */
  for( unsigned s = 0; s<60; s++ ) {
    if( s==10 ) send_all( &nodes[ 0 ], DMG_SPAN( bundle ) );
    for( unsigned k = 0; k<200; k++ ) {
      vote_make( vote, 0, ++view, 0 );
      for( unsigned i = 0; i<4; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 0, view, 0, 4 );
      send_all( &nodes[ 0 ], DMG_SPAN( vote ) );
    }
    dmg_cert_t c = cert_of( DMG_VOTE_FINALIZE, 0, view, test_genesis );
    dmg_cert_encode( &c, cert+1 );
    send_all( &nodes[ 0 ], DMG_SPAN( cert ) );
    run( 1000 );
    if( dmg_mem_queued( nodes[ 0 ].port )>most ) most = dmg_mem_queued( nodes[ 0 ].port );
  }
  assert_true( most>400u<<10 );                       /* the queue was full */
  assert_true( most<=( 512u<<10 )+1024 );
  assert_int_equal( nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ]-before, 12000 );
  assert_int_equal( nodes[ 0 ].downs, 0 );
  assert_true( nodes[ 3 ].by_kind[ DMG_FRAME_HELLO ]>hellos );
  /* A low view finds no room.  What waits is read: the bundle, and of 70 hellos the few that were not replaced. */
  uint8_t old[ 20000 ] = { DMG_FRAME_PROPOSAL };
  dmg_store_u64le( old+10, 2 );
  uint64_t lost = info_of( &nodes[ 0 ] ).frames_dropped;
  send_all( &nodes[ 0 ], DMG_SPAN( old ) );
  assert_int_equal( info_of( &nodes[ 0 ] ).frames_dropped, lost+1 );
  for( unsigned i = 0; i<4; i++ ) nodes[ i ].is_idle = i!=3;
  uint32_t got = nodes[ 3 ].by_kind[ DMG_FRAME_HELLO ];
  run( 4000 );
  dmg_mem_slow( nodes[ 3 ].port, 1u<<20 );
  run( 1900 );
  assert_int_equal( nodes[ 3 ].by_kind[ DMG_FRAME_BUNDLE ], 1 );
  assert_true( nodes[ 3 ].by_kind[ DMG_FRAME_HELLO ]-got<5 );
  for( unsigned i = 0; i<4; i++ ) nodes[ i ].is_idle = false;
  dmg_mem_slow( nodes[ 3 ].port, 8192 );
  for( unsigned k = 0; k<3000; k++ ) { vote_make( vote, 0, ++view, 0 ); send_all( &nodes[ 0 ], DMG_SPAN( vote ) ); }
  assert_true( dmg_mem_queued( nodes[ 0 ].port )>300u<<10 );
  /* Finality passes: all that is stale leaves the queue at once (notify_drop).  A vote of the view that became final does not: it may be the one that
     makes it final for a peer, and who has just counted it here sent it a moment ago. */
  dmg_chainnet_set_view( nodes[ 0 ].net, 0, view+1, view, 4 );
  size_t rest = dmg_mem_queued( nodes[ 0 ].port );
  assert_true( rest<2000 );
  dmg_chainnet_set_view( nodes[ 0 ].net, 0, view+2, view+1, 4 );
  assert_true( dmg_mem_queued( nodes[ 0 ].port )+sizeof vote<=rest );
  end();
}

/* --- hostile peers below the machine ---------------------------------------------------------------------- */

/* A port of a validator's identity without a chainnet: it says what it likes. */
typedef struct { dmg_net_port_t * port; uint32_t conn; uint64_t stream; uint32_t downs, conn_downs, ups, ends; uint16_t end_code, answer_code; } raw_t;

static void raw_open( raw_t * r, unsigned index, uint32_t frame_max ) {
  static dmg_net_proto_t protos[ DMG_CHAINNET_PROTO_CNT ];
  memcpy( protos, setup.protos, sizeof protos );
  for( unsigned i = 0; i<DMG_CHAINNET_PROTO_CNT; i++ ) { protos[ i ].frame_max = frame_max; protos[ i ].request_max = frame_max; protos[ i ].queue_max = 64u<<20; }
  uint8_t key[ 32 ];
  dmg_ed25519_public( seeds[ index ], key );
  *r = (raw_t){ .port = dmg_mem_port_open( world, key, protos, DMG_CHAINNET_PROTO_CNT ) };
}

static void raw_pump( raw_t * r ) {
  dmg_net_ev_t evs[ 16 ];
  for( int urgent = 1; urgent>=0; urgent-- ) for( size_t n; ( n = dmg_net_poll( r->port, urgent, evs, 16 ) )>0; ) for( size_t i = 0; i<n; i++ ) {
    dmg_net_ev_t * ev = &evs[ i ];
    if( ev->kind==DMG_NET_CONN_UP )     { r->conn = ev->conn; r->ups++; }
    if( ev->kind==DMG_NET_CONN_DOWN )   r->conn_downs++;
    if( ev->kind==DMG_NET_NOTIFY_DOWN ) { r->downs++; r->end_code = ev->code; }
    if( ev->kind==DMG_NET_REQ_END )     { r->ends++; r->end_code = ev->code; }
    if( ev->kind==DMG_NET_CHUNK )       r->answer_code = ev->code;
    if( ev->kind==DMG_NET_NOTIFY_UP && !ev->code ) assert_int_equal( dmg_net_notify_answer( r->port, ev->id, 0 ), DMG_OK );
    dmg_net_release( r->port, ev );
  }
}

static void raw_run( raw_t * r, uint64_t ms ) { for( uint64_t t = 0; t<ms; t += 10 ) { run( 10 ); raw_pump( r ); } }

static void raw_connect( raw_t * r, node_t * to ) {
  assert_int_equal( dmg_net_dial( r->port, &to->port->self, (char const *[]){ "/mem" }, 1, false, &r->conn ), DMG_OK );
  raw_run( r, 100 );
}

static void raw_hello( raw_t * r, uint16_t proto ) {
  dmg_wire_hello_t hello = { .genesis = test_genesis };
  uint8_t b[ DMG_WIRE_HELLO_SZ ];
  dmg_wire_hello_encode( &hello, b );
  assert_int_equal( dmg_net_notify_open( r->port, r->conn, proto, DMG_SPAN( b ), &r->stream ), DMG_OK );
}

static void test_oversize_and_bad_hellos_end_the_stream( void ** state ) {
  begin( 40, 0, 0 );
  node_t * nd = node_add( 0, false );
  static uint8_t large[ 2u<<20 ];
  raw_t r;
  raw_open( &r, 1, sizeof large );
  raw_connect( &r, nd );
  /* Hellos that are none. */
  uint64_t id;
  uint8_t hello[ DMG_WIRE_HELLO_SZ+1 ] = { 0 };
  memcpy( hello, test_genesis.b, 32 );
  struct { size_t sz; uint8_t first; uint16_t code; } const bad[] = { { 0, 0x5e, DMG_WIRE_MALFORMED }, { 35, 0x5e, DMG_WIRE_MALFORMED }, { 37, 0x5e, DMG_WIRE_MALFORMED } };
  for( unsigned i = 0; i<3; i++ ) {
    hello[ 0 ] = bad[ i ].first;
    assert_int_equal( dmg_net_notify_open( r.port, r.conn, DMG_CHAINNET_CONS, dmg_span( hello, bad[ i ].sz ), &id ), DMG_OK );
    raw_run( &r, 100 );
    assert_int_equal( r.downs, i+1 );
    assert_int_equal( r.end_code, DMG_NET_END_REFUSED+bad[ i ].code );
  }
  assert_true( r.conn_downs==0 );
  raw_hello( &r, DMG_CHAINNET_CONS );
  raw_run( &r, 100 );
  assert_int_equal( links_of( nd ), 1 );
  assert_int_equal( dmg_net_notify_send( r.port, r.stream, 0, 0, dmg_span( large, DMG_FRAME_SZ_MAX+1 ) ), DMG_OK );
  raw_run( &r, 100 );
  assert_int_equal( r.downs, 4 );
  assert_int_equal( nd->frames, 0 );
  raw_hello( &r, DMG_CHAINNET_CONS );
  assert_int_equal( dmg_net_notify_send( r.port, r.stream, 0, 0, dmg_span( large, DMG_FRAME_SZ_MAX+1 ) ), DMG_OK );
  raw_run( &r, 100 );
  assert_int_equal( r.conn_downs, 1 );                /* twice in a minute */
  assert_int_equal( links_of( nd ), 0 );
  /* Another chain's hello closes at once. */
  raw_connect( &r, nd );
  hello[ 0 ] ^= 1;
  assert_int_equal( dmg_net_notify_open( r.port, r.conn, DMG_CHAINNET_CONS, dmg_span( hello, DMG_WIRE_HELLO_SZ ), &id ), DMG_OK );
  raw_run( &r, 100 );
  assert_int_equal( r.conn_downs, 2 );
  dmg_net_free( r.port );
  end();
}

static void test_a_flood_of_questions_is_told_to_slow_down( void ** state ) {
  begin( 41, 200, 0 );
  node_t * nd = node_add( 0, false );
  nd->height = 200;
  raw_t r;
  raw_open( &r, 1, 2u<<20 );
  raw_connect( &r, nd );
  raw_hello( &r, DMG_CHAINNET_CONS );
  raw_run( &r, 50 );
  uint8_t b[ DMG_WIRE_BODIES_REQ_SZ_MAX ];
  uint64_t id;
  uint32_t good = 0, slow = 0;
  for( unsigned i = 0; i<40; i++ ) {
    dmg_wire_headers_req_t q = { .hash = store->blocks[ 199 ].hash, .count = 512 };
    dmg_wire_headers_req_encode( &q, b );
    assert_int_equal( dmg_net_request( r.port, r.conn, DMG_CHAINNET_HEADERS, dmg_span( b, DMG_WIRE_HEADERS_REQ_SZ ), 5000, &id ), DMG_OK );
    raw_run( &r, 40 );
    if( r.answer_code==DMG_WIRE_DATA ) good++;
    if( r.answer_code==DMG_WIRE_SLOW_DOWN ) slow++;
  }
  assert_true( good>=16 && good<=18 );                 /* 8,192 in 10 s */
  assert_int_equal( good+slow, 40 );
  assert_int_equal( info_of( nd ).requests_slow, slow );
  for( unsigned i = 0; i<12; i++ ) {                   /* statuses: 5 in 15 s, theirs to us counts too */
    dmg_wire_status_t s = { .genesis = test_genesis };
    uint8_t st[ DMG_WIRE_STATUS_SZ ];
    dmg_wire_status_encode( &s, st );
    assert_int_equal( dmg_net_request( r.port, r.conn, DMG_CHAINNET_STATUS, DMG_SPAN( st ), 5000, &id ), DMG_OK );
    raw_run( &r, 40 );
    assert_int_equal( r.answer_code, i<5 ? DMG_WIRE_DATA : DMG_WIRE_SLOW_DOWN );
  }
  /* Questions that are none; ids of other protocols. */
  for( unsigned p = DMG_CHAINNET_STATUS; p<DMG_CHAINNET_PROTO_CNT; p++ ) {
    r.answer_code = 99;
    assert_int_equal( dmg_net_request( r.port, r.conn, (uint16_t)p, DMG_SPAN_STR( "?" ), 5000, &id ), DMG_OK );
    raw_run( &r, 40 );
    assert_int_equal( r.answer_code, DMG_WIRE_BAD_REQUEST );
  }
  assert_int_equal( links_of( nd ), 1 );
  dmg_net_free( r.port );
  end();
}

/* N11.1 dos_slow_peer: many that ask for much and read little hold bounded answers, and others are served. */
static void test_slow_askers_leave_room( void ** state ) {
  begin( 42, 300, 900000 );
  node_t * nd = node_add( 0, false );
  nd->height = 300;
  enum { SLOW = 12 };
  static raw_t r[ SLOW ];
  uint64_t id;
  for( unsigned i = 0; i<SLOW; i++ ) {
    uint8_t seed[ 32 ] = { 200, (uint8_t)i }, key[ 32 ];
    dmg_ed25519_public( seed, key );
    r[ i ] = (raw_t){ .port = dmg_mem_port_open( world, key, setup.protos, DMG_CHAINNET_PROTO_CNT ) };
    dmg_mem_slow( r[ i ].port, 1024 );
    raw_connect( &r[ i ], nd );
    uint8_t b[ DMG_WIRE_BODIES_REQ_SZ_MAX ];
    dmg_wire_bodies_req_t q = { .cnt = 6 };      /* 5.4 MB, more than a stream's queue */
    for( unsigned k = 0; k<6; k++ ) q.hashes[ k ] = store->blocks[ 7+50*k ].hash;
    size_t sz = dmg_wire_bodies_req_encode( &q, b );
    for( unsigned k = 0; k<2; k++ ) assert_int_equal( dmg_net_request( r[ i ].port, r[ i ].conn, DMG_CHAINNET_BODIES, dmg_span( b, sz ), 60000, &id ), DMG_OK );
    dmg_wire_headers_req_t h = { .hash = store->blocks[ 299 ].hash, .count = 300 };
    dmg_wire_headers_req_encode( &h, b );
    for( unsigned k = 0; k<2; k++ ) assert_int_equal( dmg_net_request( r[ i ].port, r[ i ].conn, DMG_CHAINNET_HEADERS, dmg_span( b, DMG_WIRE_HEADERS_REQ_SZ ), 60000, &id ), DMG_OK );
  }
  run( 1000 );
  assert_true( info_of( nd ).requests_slow>=SLOW );    /* two answers each */
  assert_true( dmg_mem_queued( nd->port )<=(size_t)SLOW*2*( 4u<<20 ) );
  node_t * f = node_add( -1, true );
  know( f, nd );
  RUN_UNTIL( f->height==300, 20000 );
  for( unsigned i = 0; i<SLOW; i++ ) dmg_net_free( r[ i ].port );
  end();
}

/* --- bodies ----------------------------------------------------------------------------------------------- */

static void body_of( uint32_t sz, dmg_buf_t * out, dmg_hash_t * out_hash ) {
  uint8_t * tx = calloc( 1, sz );
  dmg_span_t span = dmg_span( tx, sz );
  dmg_body_t body = { .txs = &span, .tx_cnt = 1 };
  *out = dmg_buf( 1u<<20 );
  assert_int_equal( dmg_body_encode( &body, out ), DMG_OK );
  *out_hash = dmg_body_hash( &body );
  free( tx );
}

static void test_a_leaders_body_reaches_all( void ** state ) {
  begin( 50, 0, 0 );
  validators( 4 );
  RUN_UNTIL( is_mesh( 4 ), 5000 );
  dmg_buf_t body;
  dmg_hash_t hash;
  body_of( 60000, &body, &hash );
  assert_int_equal( dmg_chainnet_push_body( nodes[ 0 ].net, 0, 1, &hash, dmg_buf_span( &body ) ), DMG_OK );   /* leads 1..4 */
  run( 200 );
  for( unsigned i = 1; i<4; i++ ) {
    assert_int_equal( nodes[ i ].pushed, 1 );
    assert_memory_equal( nodes[ i ].last_hash.b, hash.b, 32 );
    assert_int_equal( nodes[ i ].last_bytes_sz, body.sz );
  }
  /* A head once; not of one who does not lead the view; not far ahead; not below finality; not another than it says. */
  for( unsigned k = 0; k<3; k++ ) assert_int_equal( dmg_chainnet_push_body( nodes[ 0 ].net, 0, 1, &hash, dmg_buf_span( &body ) ), DMG_OK );
  run( 200 );
  assert_int_equal( nodes[ 1 ].pushed, 1 );
  assert_int_equal( dmg_chainnet_push_body( nodes[ 0 ].net, 0, 5, &hash, dmg_buf_span( &body ) ), DMG_OK );
  assert_int_equal( dmg_chainnet_push_body( nodes[ 1 ].net, 0, 13, &hash, dmg_buf_span( &body ) ), DMG_OK );
  run( 200 );
  assert_int_equal( nodes[ 2 ].pushed, 1 );
  assert_int_equal( info_of( &nodes[ 2 ] ).bodies_bad, 1 );
  hash.b[ 0 ] ^= 1;
  assert_int_equal( dmg_chainnet_push_body( nodes[ 1 ].net, 0, 5, &hash, dmg_buf_span( &body ) ), DMG_OK );
  run( 200 );
  assert_int_equal( nodes[ 2 ].pushed, 1 );
  assert_int_equal( info_of( &nodes[ 2 ] ).body_collisions, 1 );
  hash.b[ 0 ] ^= 1;
  for( unsigned i = 0; i<4; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 0, 7, 6, 4 );
  assert_int_equal( dmg_chainnet_push_body( nodes[ 1 ].net, 0, 5, &hash, dmg_buf_span( &body ) ), DMG_OK );
  assert_int_equal( dmg_chainnet_push_body( nodes[ 1 ].net, 0, 7, &hash, dmg_buf_span( &body ) ), DMG_OK );
  run( 200 );
  assert_int_equal( nodes[ 2 ].pushed, 2 );
  /* Signed by another than the leader; a length that is not the body's. */
  node_end( &nodes[ 2 ] );
  raw_t r;
  raw_open( &r, 2, 2u<<20 );
  raw_connect( &r, &nodes[ 3 ] );
  raw_hello( &r, DMG_CHAINNET_BODY );
  uint64_t bad = info_of( &nodes[ 3 ] ).bodies_bad;
  uint32_t pushed = nodes[ 3 ].pushed;
  for( unsigned k = 0; k<3; k++ ) {
    dmg_wire_head_t head = { .view = 9, .body_hash = hash, .body_len = (uint32_t)body.sz+( k==1 ) };
    dmg_wire_head_sign( &head, &test_genesis, seeds[ k==0 ? 1 : 2 ] );
    uint8_t * frame = malloc( DMG_WIRE_HEAD_SZ+body.sz );
    dmg_wire_head_encode( &head, frame );
    memcpy( frame+DMG_WIRE_HEAD_SZ, body.p, body.sz );
    assert_int_equal( dmg_net_notify_send( r.port, r.stream, 0, 0, dmg_span( frame, DMG_WIRE_HEAD_SZ+body.sz ) ), DMG_OK );
    free( frame );
    raw_run( &r, 50 );
  }
  assert_int_equal( info_of( &nodes[ 3 ] ).bodies_bad, bad+2 );
  assert_int_equal( nodes[ 3 ].pushed, pushed+1 );
  dmg_net_free( r.port );
  dmg_buf_fini( &body );
  static uint8_t large[ DMG_WIRE_BODY_SZ_MAX+1 ];
  assert_int_equal( dmg_chainnet_push_body( nodes[ 0 ].net, 0, 8, &hash, DMG_SPAN( large ) ), DMG_ERR_LIMIT );
  end();
}

/* --- fetch ------------------------------------------------------------------------------------------------ */

static dmg_fetch_t fetch_for( uint8_t what, uint32_t i ) {
  block_t const * b = &store->blocks[ i ];
  dmg_fetch_t f = { .what = what, .hash = b->hash, .body_hash = dmg_hash_load( b->header+206 ), .body_len = (uint32_t)b->body.sz, .epoch = b->epoch, .view = b->view };
  return f;
}

static void test_fetch_finds_the_one_who_has_it( void ** state ) {
  begin( 60, 100, 0 );
  validators( 4 );
  nodes[ 3 ].height = 100;                             /* the others have nothing */
  RUN_UNTIL( is_mesh( 4 ), 5000 );
  leaves_make( 0, 5 );
  for( unsigned what = 0; what<=DMG_FETCH_RUNS; what++ ) {
    dmg_fetch_t f = fetch_for( (uint8_t)what, 50 );
    f.root = leaves_root; f.first = 3; f.count = 64;
    uint64_t now = dmg_mem_net_now( world );
    assert_int_equal( dmg_chainnet_fetch( nodes[ 0 ].net, &f, NULL, now ), DMG_OK );
    assert_int_equal( dmg_chainnet_fetch( nodes[ 0 ].net, &f, NULL, now ), DMG_ERR_EXISTS );
    RUN_UNTIL( nodes[ 0 ].got==what+1u, 3000 );
    assert_memory_equal( nodes[ 0 ].last_hash.b, store->blocks[ 50 ].hash.b, 32 );
    dmg_hash_t want = dmg_sha256( what==DMG_FETCH_BODY ? dmg_buf_span( &store->blocks[ 50 ].body ) : DMG_SPAN( store->blocks[ 50 ].header ) );
    if( what==DMG_FETCH_RUNS ) { leaves_make( 3, 2 ); want = dmg_sha256( dmg_span( leaves, leaves_sz ) ); }
    if( what!=DMG_FETCH_PROPOSAL ) assert_memory_equal( nodes[ 0 ].last_got.b, want.b, 32 );
  }
  /* Nobody has it: told after 30 s, once. */
  dmg_fetch_t none = fetch_for( DMG_FETCH_BODY, 50 );
  none.hash.b[ 0 ] ^= 1;
  assert_int_equal( dmg_chainnet_fetch( nodes[ 0 ].net, &none, NULL, dmg_mem_net_now( world ) ), DMG_OK );
  run( 29000 );
  assert_int_equal( nodes[ 0 ].got_none, 0 );
  run( 42000 );
  assert_int_equal( nodes[ 0 ].got_none, 1 );
  /* Nobody has it at first. */
  for( unsigned i = 1; i<4; i++ ) nodes[ i ].height = 10;
  dmg_fetch_t late = fetch_for( DMG_FETCH_BODY, 50 );
  uint32_t so_far = nodes[ 0 ].got;
  assert_int_equal( dmg_chainnet_fetch( nodes[ 0 ].net, &late, NULL, dmg_mem_net_now( world ) ), DMG_OK );
  run( 5000 );
  nodes[ 2 ].height = 100;
  RUN_UNTIL( nodes[ 0 ].got==so_far+1, 3000 );
  for( unsigned i = 0; i<DMG_CHAINNET_FETCH_MAX; i++ ) {
    none.hash.b[ 1 ] = (uint8_t)i;
    assert_int_equal( dmg_chainnet_fetch( nodes[ 0 ].net, &none, NULL, dmg_mem_net_now( world ) ), DMG_OK );
  }
  none.hash.b[ 1 ] = 200;
  assert_int_equal( dmg_chainnet_fetch( nodes[ 0 ].net, &none, NULL, dmg_mem_net_now( world ) ), DMG_ERR_FULL );
  none.body_len = DMG_WIRE_BODY_SZ_MAX+1;
  assert_int_equal( dmg_chainnet_fetch( nodes[ 0 ].net, &none, NULL, dmg_mem_net_now( world ) ), DMG_ERR_LIMIT );
  run( 31000 );
  assert_int_equal( nodes[ 0 ].got_none, 1+DMG_CHAINNET_FETCH_MAX );
  assert_int_equal( info_of( &nodes[ 0 ] ).fetch_cnt, 0 );
  end();
}

static void test_fetch_survives_liars_and_leavers( void ** state ) {
  begin( 61, 100, 200000 );
  validators( 4 );
  for( unsigned i = 1; i<4; i++ ) nodes[ i ].height = 100;
  nodes[ 1 ].is_liar = nodes[ 2 ].is_liar = true;
  RUN_UNTIL( is_mesh( 4 ), 5000 );
  for( unsigned k = 0; k<6; k++ ) {
    dmg_fetch_t f = fetch_for( DMG_FETCH_BODY, 50+3*k+( 50+3*k )%3+1 );
    uint64_t first[ 4 ] = { 0 };
    for( unsigned p = 0; p<64; p++ ) if( nodes[ 0 ].is_up[ p ] ) first[ 0 ] |= (uint64_t)1<<p;
    assert_int_equal( dmg_chainnet_fetch( nodes[ 0 ].net, &f, first, dmg_mem_net_now( world ) ), DMG_OK );
    RUN_UNTIL( nodes[ 0 ].got==k+1, 20000 );
  }
  /* Each liar was asked once; their lines stay, as their votes count. */
  assert_true( info_of( &nodes[ 0 ] ).requests_bad>=1 && info_of( &nodes[ 0 ] ).requests_bad<=2 );
  assert_true( is_mesh( 4 ) );
  end();
}

/* --- transactions ----------------------------------------------------------------------------------------- */

static void send_tx( node_t * nd, char const * text, size_t sz ) {
  uint8_t * raw = calloc( 1, sz );
  memcpy( raw, text, strlen( text )<sz ? strlen( text ) : sz );
  assert_int_equal( dmg_chainnet_send_tx( nd->net, dmg_span( raw, sz ), dmg_mem_net_now( world ) ), DMG_OK );
  free( raw );
}

static void test_transactions_reach_everybody_once( void ** state ) {
  begin( 70, 0, 0 );
  validators( 4 );
  node_t * follower = node_add( -1, true );
  know( follower, &nodes[ 3 ] );                       /* it hears of them by one hop more */
  send_tx( &nodes[ 0 ], "early", 100 );                /* before anybody is there: waits */
  RUN_UNTIL( is_mesh( 4 ) && info_of( follower ).conn_cnt==1, 10000 );
  run( 200 );
  uint32_t early = 0;                                  /* the model has no IHAVE: who came later may not hear of it */
  for( unsigned i = 1; i<5; i++ ) early += nodes[ i ].tx_seen_cnt;
  assert_true( early>=1 );
  uint64_t forwarded = 0;
  for( unsigned i = 0; i<5; i++ ) { nodes[ i ].tx_seen_cnt = nodes[ i ].batches = 0; forwarded -= info_of( &nodes[ i ] ).txs_forwarded; }
  for( unsigned k = 0; k<300; k++ ) {
    char text[ 32 ];
    snprintf( text, sizeof text, "tx %u", k );
    send_tx( &nodes[ k%4 ], text, 300 );
  }
  send_tx( &nodes[ 1 ], "large", 65536 );
  run( 500 );
  for( unsigned i = 0; i<4; i++ ) {
    assert_int_equal( nodes[ i ].tx_twice, 0 );
    forwarded += info_of( &nodes[ i ] ).txs_forwarded;
    assert_int_equal( nodes[ i ].tx_seen_cnt, 300-75+( i==1 ? 0 : 1 ) );
    assert_true( nodes[ i ].batches<20 );              /* batched: 10 ms or 32 KiB */
  }
  assert_int_equal( forwarded, 2*301 );                /* N9.2: also straight to the next two leaders, whose nodes see it once all the same */
  assert_int_equal( follower->tx_seen_cnt, 301 );
  static uint8_t over[ 65537 ];
  assert_int_equal( dmg_chainnet_send_tx( nodes[ 0 ].net, DMG_SPAN( over ), 0 ), DMG_ERR_LIMIT );
  assert_int_equal( dmg_chainnet_send_tx( nodes[ 0 ].net, dmg_span( over, 0 ), 0 ), DMG_ERR_LIMIT );
  end();
}

static void test_bad_batches_are_rejected_and_not_forwarded( void ** state ) {
  begin( 71, 0, 0 );
  validators( 2 );
  node_t * follower = node_add( -1, true );
  know( follower, &nodes[ 1 ] );
  RUN_UNTIL( is_mesh( 2 ) && info_of( follower ).conn_cnt==1, 10000 );
  run( 100 );
  char topic[ DMG_WIRE_NAME_SZ ];
  dmg_wire_name( &test_genesis, 0, "tx", topic );
  assert_int_equal( dmg_net_publish( nodes[ 0 ].port, topic, DMG_SPAN_STR( "\x02\x01" "a" ) ), DMG_OK );   /* cut */
  assert_int_equal( dmg_net_publish( nodes[ 0 ].port, topic, DMG_SPAN_STR( "\x00" ) ), DMG_OK );           /* of none */
  send_tx( &nodes[ 0 ], "!bad", 50 );                  /* the pool says: can never have been right */
  run( 300 );
  assert_int_equal( dmg_mem_rejects( nodes[ 1 ].port ), 3 );
  assert_int_equal( info_of( &nodes[ 1 ] ).batches_bad, 3 );   /* the last by gossip or txfwd, whichever came first; by txfwd its sender is to blame */
  assert_in_range( info_of( &nodes[ 1 ] ).frames_bad, 0, 1 );
  assert_int_equal( follower->batches, 0 );
  /* Nobody judges: 64 wait at most, what is late is forgotten, then it goes on. */
  nodes[ 1 ].is_mute = true;
  for( unsigned k = 0; k<100; k++ ) {
    char text[ 16 ];
    snprintf( text, sizeof text, "m%u", k );
    send_tx( &nodes[ 0 ], text, 40 );
    run( 15 );
  }
  assert_int_equal( info_of( &nodes[ 1 ] ).batch_cnt, DMG_CHAINNET_BATCH_MAX );
  run( 6000 );
  uint32_t before = nodes[ 1 ].batches;
  assert_int_equal( info_of( &nodes[ 1 ] ).batch_cnt, 0 );
  dmg_chainnet_verdict( nodes[ 1 ].net, nodes[ 1 ].last_batch, DMG_NET_ACCEPT );   /* late: nothing */
  run( 100 );
  assert_int_equal( follower->batches, 0 );
  nodes[ 1 ].is_mute = false;
  send_tx( &nodes[ 0 ], "good", 40 );
  run( 200 );
  assert_int_equal( nodes[ 1 ].batches, before+1 );
  assert_int_equal( follower->tx_seen_cnt, 1 );
  end();
}

/* --- evidence --------------------------------------------------------------------------------------------- */

static void send_pair( node_t * nd, uint16_t who, uint64_t view, bool is_lie ) {
  static dmg_evidence_t e;
  static uint8_t b[ DMG_EVIDENCE_SZ_MAX ];
  memset( &e, 0, sizeof e );
  for( unsigned k = 0; k<2; k++ ) {
    dmg_side_t * s = k ? &e.b : &e.a;
    s->vote = (dmg_vote_stored_t){ .kind = DMG_VOTE_NOTARIZE, .view = view, .hash = { { (uint8_t)( k+1 ) } }, .signer = who };
    s->vote.sig[ 0 ] = is_lie ? 255 : 1;
  }
  size_t sz = dmg_evidence_encode( &e, b, sizeof b );
  assert_true( sz );
  dmg_chainnet_send_evidence( nd->net, dmg_span( b, sz ) );
}

/* N7.1, C9.5: by hops to those who have no link with who found it; once a validator; lies and what is none go no further, and cost their sender; a flood of them a bounded time. */
static void test_evidence_reaches_all_and_lies_nobody( void ** state ) {
  (void)state;
  begin( 78, 0, 0 );
  validators( 4 );
  node_t * f = node_add( -1, true ), * g = node_add( -1, true );
  know( f, &nodes[ 3 ] );
  know( g, f );
  send_pair( &nodes[ 0 ], 1, 1, false );              /* to nobody yet */
  RUN_UNTIL( is_mesh( 4 ) && info_of( g ).conn_cnt==1, 20000 );
  run( 2000 );
  assert_int_equal( f->weighed, 0 );
  send_pair( &nodes[ 0 ], 2, 5, false );
  run( 500 );
  for( unsigned i = 1; i<6; i++ ) { assert_int_equal( info_of( &nodes[ i ] ).evidence_in, 1 ); assert_int_equal( nodes[ i ].convicted, 4 ); }
  assert_int_equal( info_of( &nodes[ 0 ] ).evidence_in, 0 );
  /* More against the same: the first who hears of it leaves it there. */
  for( uint64_t v = 6; v<60; v++ ) send_pair( &nodes[ 1 ], 2, v, false );
  run( 100 );                                         /* too soon for a token: the lie below is looked at by one that these gave back */
  assert_int_equal( nodes[ 3 ].weighed, 1 );
  assert_true( info_of( &nodes[ 3 ] ).evidence_late>=54 );
  assert_int_equal( info_of( f ).evidence_late, 0 );
  assert_int_equal( dmg_mem_rejects( nodes[ 3 ].port ), 0 );
  /* None, and a lie. */
  dmg_chainnet_send_evidence( nodes[ 1 ].net, DMG_SPAN_STR( "no evidence at all" ) );
  send_pair( &nodes[ 1 ], 0, 7, true );
  run( 500 );
  assert_int_equal( info_of( &nodes[ 3 ] ).evidence_bad, 2 );
  assert_int_equal( dmg_mem_rejects( nodes[ 3 ].port ), 2 );
  assert_int_equal( info_of( f ).evidence_bad, 0 );
  assert_int_equal( f->weighed, 1 );
  /* A flood: ten are looked at in ten seconds; the ones against who is convicted took none of them. */
  run( 20000 );
  uint32_t before = nodes[ 3 ].weighed;
  for( uint64_t v = 8; v<108; v++ ) send_pair( &nodes[ 1 ], 0, v, true );
  run( 500 );
  assert_int_equal( nodes[ 3 ].weighed-before, 10 );
  assert_int_equal( f->weighed, 1 );
  /* Then true ones are heard again. */
  run( 2500 );
  send_pair( &nodes[ 0 ], 3, 9, false );
  run( 500 );
  for( unsigned i = 1; i<6; i++ ) assert_int_equal( nodes[ i ].convicted, 4|8 );
  end();
}

/* --- sync ------------------------------------------------------------------------------------------------- */

static node_t * follower_of( unsigned n ) {
  node_t * f = node_add( -1, true );
  for( unsigned i = 0; i<n; i++ ) know( f, &nodes[ i ] );
  return f;
}

static void test_a_follower_catches_up_and_follows( void ** state ) {
  begin( 80, 2500, 100000 );
  validators( 4 );
  for( unsigned i = 0; i<4; i++ ) { nodes[ i ].height = 2400; nodes[ i ].epoch_known = 3; }
  node_t * f = follower_of( 4 );
  RUN_UNTIL( f->height==2400 && f->synced, 60000 );
  assert_int_equal( f->synced, 1 );
  assert_int_equal( f->syncs, 2400 );
  assert_int_equal( f->epoch_known, 3 );
  assert_true( info_of( f ).heap_sz<( 32u<<20 ) );
  /* Then block by block, by topic final; the leader's at once, the others' copies are left unsaid.  It has each after F, and a question for header and body each. */
  uint64_t late_us = 0;
  for( uint32_t h = 2401; h<=2500; h++ ) {
    uint64_t from = dmg_mem_net_now( world );
    for( unsigned i = 0; i<4; i++ ) {
      nodes[ i ].height = h;
      dmg_signed_header_t sh;
      assert_int_equal( dmg_signed_header_decode( DMG_SPAN( store->blocks[ h-1 ].header ), &sh ).kind, DMG_VERDICT_GOOD );
      dmg_cert_t fin = fin_of( &store->blocks[ h-1 ] );
      fin.bitmap[ 0 ] = (uint8_t)i;                    /* each has formed its own */
      dmg_chainnet_send_final( nodes[ i ].net, &sh.header, &fin, i==h%4, dmg_mem_net_now( world ) );
    }
    while( f->height<h && dmg_mem_net_now( world )<from+250000 ) run( 1 );
    if( dmg_mem_net_now( world )-from>late_us ) late_us = dmg_mem_net_now( world )-from;
    run_to( from+250000 );
    assert_int_equal( f->height, h );
  }
  printf( "a follower is %llu ms late at most, by lines of 5 to 8 ms\n", (unsigned long long)late_us/1000 );
  assert_true( late_us<=5*( 8000+1000 ) );
  assert_int_equal( info_of( f ).finals_in, 100 );
  assert_true( info_of( f ).finals_late<10 );
  /* Two publish theirs: the second is not judged, not forwarded. */
  store_grow( store, 2501, 0 );
  dmg_signed_header_t sh;
  assert_int_equal( dmg_signed_header_decode( DMG_SPAN( store->blocks[ 2500 ].header ), &sh ).kind, DMG_VERDICT_GOOD );
  for( unsigned i = 0; i<2; i++ ) {
    dmg_cert_t fin = fin_of( &store->blocks[ 2500 ] );
    fin.bitmap[ 0 ] = (uint8_t)i;
    nodes[ i ].height = 2501;
    dmg_chainnet_send_final( nodes[ i ].net, &sh.header, &fin, true, dmg_mem_net_now( world ) );
  }
  uint64_t late = info_of( f ).finals_late;
  run( 500 );
  assert_int_equal( info_of( f ).finals_in, 101 );
  assert_true( info_of( f ).finals_late>late );
  assert_int_equal( f->height, 2501 );
  for( unsigned i = 0; i<5; i++ ) { assert_int_equal( info_of( &nodes[ i ] ).finals_bad, 0 ); assert_int_equal( dmg_mem_rejects( nodes[ i ].port ), 0 ); }
  end();
}

static void test_sync_survives_liars_leavers_and_pruners( void ** state ) {
  for( uint64_t seed = 81; seed<84; seed++ ) {
    begin( seed, 1500, 300000 );
    validators( 4 );
    for( unsigned i = 0; i<4; i++ ) { nodes[ i ].height = 1500; nodes[ i ].epoch_known = 1; }
    if( seed==82 ) nodes[ 0 ].is_header_liar = true;
    else nodes[ 0 ].is_liar = true;
    nodes[ 1 ].first_body = 1000;
    nodes[ 1 ].height     = 1400;
    node_t * f = follower_of( 4 );
    dmg_mem_net_faults( world, &(dmg_mem_faults_t){ .delay_us = 20000, .jitter_us = 10000, .rate = 4u<<20 } );
    RUN_UNTIL( f->height>300, 60000 );
    dmg_mem_cut( f->port, nodes[ 2 ].port, true );     /* only 3 has all of it */
    RUN_UNTIL( f->height==1500 && f->synced, 120000 );
    assert_int_equal( f->syncs, 1500 );
    assert_int_equal( info_of( f ).requests_bad, 1 );
    assert_true( info_of( &nodes[ 1 ] ).requests_in<200 );   /* who has not got the low ones is not asked for them on and on */
    dmg_chainnet_peer_t peers[ 8 ];
    size_t cnt = dmg_chainnet_peers( f->net, peers, 8 );
    for( size_t i = 0; i<cnt; i++ ) assert_false( dmg_net_peer_eq( &peers[ i ].peer, &nodes[ 0 ].port->self ) );
    /* Banned for a day, from its side too. */
    know( &nodes[ 0 ], f );
    if( seed==81 ) {
      run( 60000 );
      assert_int_equal( info_of( f ).requests_bad, 1 );
      cnt = dmg_chainnet_peers( f->net, peers, 8 );
      for( size_t i = 0; i<cnt; i++ ) assert_false( dmg_net_peer_eq( &peers[ i ].peer, &nodes[ 0 ].port->self ) );
      for( unsigned i = 0; i<4; i++ ) nodes[ i ].is_idle = true;   /* a day of hellos takes too long */
      nodes[ 0 ].is_liar = false;
      dmg_mem_net_advance( world, dmg_mem_net_now( world )+(uint64_t)24*3600*1000000 );
      bool is_back = false;
      for( unsigned s = 0; s<600 && !is_back; s++ ) {
        run( 1000 );
        cnt = dmg_chainnet_peers( f->net, peers, 8 );
        for( size_t i = 0; i<cnt; i++ ) is_back |= dmg_net_peer_eq( &peers[ i ].peer, &nodes[ 0 ].port->self );
      }
      assert_true( is_back );
    }
    end();
  }
}

static void test_sync_stops_where_it_cannot_go_on( void ** state ) {
  begin( 85, 300, 0 );
  validators( 4 );
  for( unsigned i = 0; i<4; i++ ) nodes[ i ].height = 300;
  node_t * f = follower_of( 4 );
  f->bad_state_at = 100;
  RUN_UNTIL( f->sync_bad, 20000 );
  assert_int_equal( f->height, 99 );
  run( 20000 );
  assert_int_equal( f->sync_bad, 1 );
  assert_int_equal( f->height, 99 );
  assert_false( info_of( f ).is_syncing );
  /* Its own final block is another one. */
  store_t * fork = store_new( 999, 50, 0 );
  node_t * g = follower_of( 4 );
  g->store  = fork;
  g->height = 50;
  RUN_UNTIL( g->sync_bad, 20000 );
  assert_non_null( strstr( g->text, "does not contain our final block" ) );
  node_end( g );
  end();
  store_free( fork );
}

static void test_a_false_finalization_moves_nobody( void ** state ) {
  begin( 86, 100, 0 );
  validators( 2 );
  nodes[ 0 ].height = nodes[ 1 ].height = 50;
  node_t * f = follower_of( 2 );
  RUN_UNTIL( f->height==50, 10000 );
  dmg_signed_header_t sh;
  assert_int_equal( dmg_signed_header_decode( DMG_SPAN( store->blocks[ 79 ].header ), &sh ).kind, DMG_VERDICT_GOOD );
  dmg_cert_t fin = fin_of( &store->blocks[ 79 ] );
  fin.sig[ 0 ] ^= 1;
  dmg_chainnet_send_final( nodes[ 0 ].net, &sh.header, &fin, true, dmg_mem_net_now( world ) );
  run( 500 );
  assert_int_equal( dmg_mem_rejects( f->port )+dmg_mem_rejects( nodes[ 1 ].port ), 2 );
  assert_int_equal( f->height, 50 );
  assert_false( info_of( f ).is_syncing );
  /* In a status: the peer is closed. */
  raw_t r;
  raw_open( &r, 3, 2u<<20 );
  raw_connect( &r, f );
  dmg_wire_status_t s = { .genesis = test_genesis, .final_view = fin.view, .height = 80, .hash = fin.hash, .fin = fin };
  uint8_t b[ DMG_WIRE_STATUS_SZ ];
  dmg_wire_status_encode( &s, b );
  uint64_t id;
  assert_int_equal( dmg_net_request( r.port, r.conn, DMG_CHAINNET_STATUS, DMG_SPAN( b ), 5000, &id ), DMG_OK );
  raw_run( &r, 200 );
  assert_int_equal( r.conn_downs, 1 );
  assert_int_equal( f->height, 50 );
  dmg_net_free( r.port );
  end();
}

static void test_a_validator_goes_where_it_is_sent( void ** state ) {
  begin( 87, 700, 0 );
  validators( 4 );
  for( unsigned i = 1; i<4; i++ ) nodes[ i ].height = 700;
  RUN_UNTIL( is_mesh( 4 ), 5000 );
  run( 3000 );
  assert_int_equal( nodes[ 0 ].syncs, 0 );             /* not by itself */
  dmg_cert_t fin = fin_of( &store->blocks[ 599 ] ), lower = fin_of( &store->blocks[ 300 ] );
  dmg_chainnet_sync_to( nodes[ 0 ].net, &fin, dmg_mem_net_now( world ) );
  dmg_chainnet_sync_to( nodes[ 0 ].net, &lower, dmg_mem_net_now( world ) );
  RUN_UNTIL( nodes[ 0 ].synced, 20000 );
  assert_int_equal( nodes[ 0 ].height, 600 );
  fin = fin_of( &store->blocks[ 400 ] );
  dmg_chainnet_sync_to( nodes[ 0 ].net, &fin, dmg_mem_net_now( world ) );
  run( 1000 );
  assert_int_equal( nodes[ 0 ].height, 600 );
  end();
}

static void test_sync_holds_what_the_window_allows( void ** state ) {
  big_every = 1;
  begin( 88, 45, 900000 );
  validators( 2 );
  nodes[ 0 ].height = nodes[ 1 ].height = 45;
  node_t * f = follower_of( 2 );
  f->is_slow = true;                                   /* 18 are given, none is taken */
  size_t base = info_of( f ).heap_sz, most = 0;
  for( unsigned k = 0; k<300; k++ ) {
    run( 20 );
    if( info_of( f ).heap_sz>most ) most = info_of( f ).heap_sz;
  }
  assert_int_equal( f->height, 18 );
  assert_true( most-base>( 14u<<20 ) && most-base<( 21u<<20 ) );   /* 16 MiB of bodies, their buffers a little more */
  f->is_slow = false;
  for( uint64_t h = 1; h<=18; h++ ) dmg_chainnet_sync_taken( f->net, h, true );
  RUN_UNTIL( f->height==45 && f->synced, 20000 );
  big_every = 50;
  end();
}

static void test_stop_says_when_it_is_done( void ** state ) {
  begin( 90, 0, 0 );
  validators( 2 );
  RUN_UNTIL( is_mesh( 2 ), 5000 );
  assert_int_equal( dmg_chainnet_stop( nodes[ 0 ].net, 1000 ), DMG_OK );
  nodes[ 0 ].is_idle = true;
  run( 500 );
  assert_int_equal( nodes[ 0 ].stopped, 1 );
  assert_int_equal( nodes[ 0 ].downs, 1 );
  assert_int_equal( nodes[ 1 ].downs, 1 );
  run( 2000 );
  assert_int_equal( nodes[ 0 ].ups, 1 );
  end();
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_four_validators_mesh_with_one_line_a_pair ),
    cmocka_unit_test( test_a_restart_gets_its_links_back ),
    cmocka_unit_test( test_a_silent_link_goes_down ),
    cmocka_unit_test( test_a_stall_of_our_own_is_nobodys_silence ),
    cmocka_unit_test( test_a_connection_without_a_validators_share_is_no_line ),
    cmocka_unit_test( test_strangers_get_no_link ),
    cmocka_unit_test( test_another_chain_is_closed ),
    cmocka_unit_test( test_sets_change_and_places_stay ),
    cmocka_unit_test( test_set_members_says_full_before_it_changes_anything ),
    cmocka_unit_test( test_frames_are_checked_before_the_core ),
    cmocka_unit_test( test_garbage_closes_the_link_for_a_minute ),
    cmocka_unit_test( test_the_core_closes_a_link ),
    cmocka_unit_test( test_faulty_links_are_lived_with ),
    cmocka_unit_test( test_a_slow_reader_costs_only_itself ),
    cmocka_unit_test( test_oversize_and_bad_hellos_end_the_stream ),
    cmocka_unit_test( test_a_flood_of_questions_is_told_to_slow_down ),
    cmocka_unit_test( test_slow_askers_leave_room ),
    cmocka_unit_test( test_a_leaders_body_reaches_all ),
    cmocka_unit_test( test_fetch_finds_the_one_who_has_it ),
    cmocka_unit_test( test_fetch_survives_liars_and_leavers ),
    cmocka_unit_test( test_transactions_reach_everybody_once ),
    cmocka_unit_test( test_bad_batches_are_rejected_and_not_forwarded ),
    cmocka_unit_test( test_evidence_reaches_all_and_lies_nobody ),
    cmocka_unit_test( test_a_follower_catches_up_and_follows ),
    cmocka_unit_test( test_sync_survives_liars_leavers_and_pruners ),
    cmocka_unit_test( test_sync_stops_where_it_cannot_go_on ),
    cmocka_unit_test( test_a_false_finalization_moves_nobody ),
    cmocka_unit_test( test_a_validator_goes_where_it_is_sent ),
    cmocka_unit_test( test_sync_holds_what_the_window_allows ),
    cmocka_unit_test( test_stop_says_when_it_is_done ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
