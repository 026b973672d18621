/* Pairs of validators without a line (N8.4): frames through others, and what false origins, relays and targets can do with that. */
#include "network/test_chainnet_mem.h"

static void to( node_t * nd, unsigned peer, dmg_span_t frame ) {
  uint64_t mask[ 4 ] = { (uint64_t)1<<peer };
  dmg_chainnet_send( nd->net, mask, frame );
}

/* A relayed frame by hand; sz of it. */
static size_t relayed_make( uint8_t out[ DMG_FRAME_SZ_MAX ], uint16_t origin, uint16_t target, uint64_t seq, uint8_t const signer[ 32 ], dmg_span_t inner ) {
  dmg_wire_relayed_t r = { .origin = origin, .target = target, .seq = seq, .inner = inner };
  dmg_wire_relayed_sign( &r, &test_genesis, signer );
  out[ 0 ] = DMG_FRAME_RELAYED;
  dmg_wire_relayed_encode( &r, out+1 );
  memcpy( out+1+DMG_WIRE_RELAYED_SZ, inner.p, inner.sz );
  return 1+DMG_WIRE_RELAYED_SZ+inner.sz;
}

static uint8_t frame[ DMG_FRAME_SZ_MAX+16 ], vote[ 1+DMG_VOTE_WIRE_SZ ];

static void four( uint64_t seed ) {
  begin( seed, 0, 0 );
  validators( 4 );
  RUN_UNTIL( is_mesh( 4 ), 5000 );
}

/* Exactly a quorum is alive, and two of the three have no link. */
static void test_a_cut_pair_hears_each_other_by_the_third( void ** state ) {
  for( uint64_t seed = 200; seed<204; seed++ ) {
    four( seed );
    node_end( &nodes[ 3 ] );
    dmg_mem_cut( nodes[ 0 ].port, nodes[ 1 ].port, true );
    RUN_UNTIL( !nodes[ 0 ].is_up[ 1 ] && !nodes[ 1 ].is_up[ 0 ] && !nodes[ 2 ].is_up[ 3 ], 1000 );
    uint64_t from = dmg_mem_net_now( world );
    /* Not before a second has gone by, even where the other were quicker. */
    vote_make( vote, 0, 1, 0 );
    to( &nodes[ 2 ], 1, dmg_span( frame, relayed_make( frame, 0, 1, 1, seeds[ 0 ], DMG_SPAN( vote ) ) ) );
    run( 200 );
    assert_false( nodes[ 1 ].is_up[ 0 ] );
    RUN_UNTIL( nodes[ 0 ].is_up[ 1 ] && nodes[ 1 ].is_up[ 0 ], 4000 );
    assert_true( dmg_mem_net_now( world )-from>900000 );
    run( 1000 );
    for( unsigned i = 0; i<2; i++ ) {
      assert_int_equal( info_of( &nodes[ i ] ).relayed_cnt, 1 );
      assert_int_equal( info_of( &nodes[ i ] ).link_cnt, 1 );
      assert_int_equal( links_of( &nodes[ i ] ), 2 );
    }
    assert_int_equal( info_of( &nodes[ 2 ] ).relayed_cnt, 0 );
    /* Ten views of votes, each to each, once each. */
    uint32_t before[ 3 ];
    for( unsigned i = 0; i<3; i++ ) before[ i ] = nodes[ i ].by_kind[ DMG_FRAME_VOTE ];
    for( uint64_t view = 1; view<=10; view++ ) {
      for( unsigned i = 0; i<3; i++ ) { vote_make( vote, 0, view, (uint16_t)i ); send_all( &nodes[ i ], DMG_SPAN( vote ) ); }
      run( 200 );
    }
    for( unsigned i = 0; i<3; i++ ) assert_int_equal( nodes[ i ].by_kind[ DMG_FRAME_VOTE ]-before[ i ], 20 );
    for( unsigned i = 0; i<3; i++ ) assert_int_equal( info_of( &nodes[ i ] ).frames_bad, 0 );
    /* It stays, by the core's hellos; and a line takes over without a word. */
    uint32_t ups = nodes[ 0 ].ups, downs = nodes[ 0 ].downs;
    run( 20000 );
    dmg_mem_cut( nodes[ 0 ].port, nodes[ 1 ].port, false );
    RUN_UNTIL( info_of( &nodes[ 0 ] ).link_cnt==2 && info_of( &nodes[ 1 ] ).link_cnt==2, 12000 );
    run( 3000 );
    assert_int_equal( nodes[ 0 ].ups, ups );
    assert_int_equal( nodes[ 0 ].downs, downs );
    assert_int_equal( info_of( &nodes[ 0 ] ).relayed_cnt, 0 );
    uint32_t forwarded = (uint32_t)info_of( &nodes[ 2 ] ).frames_forwarded;
    send_all( &nodes[ 0 ], DMG_SPAN( vote ) );
    run( 3000 );
    assert_int_equal( info_of( &nodes[ 2 ] ).frames_forwarded, forwarded );
    end();
  }
}

/* Among four, both others relay: what comes twice is told once; where one relay dies the other goes on. */
static void test_two_relays_and_one_dies( void ** state ) {
  four( 210 );
  dmg_mem_cut( nodes[ 0 ].port, nodes[ 1 ].port, true );
  RUN_UNTIL( nodes[ 0 ].downs==1 && nodes[ 0 ].is_up[ 1 ] && nodes[ 1 ].downs==1 && nodes[ 1 ].is_up[ 0 ], 5000 );
  run( 500 );
  uint32_t before = nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ], by2 = (uint32_t)info_of( &nodes[ 2 ] ).frames_forwarded, by3 = (uint32_t)info_of( &nodes[ 3 ] ).frames_forwarded;
  vote_make( vote, 0, 1, 0 );
  for( unsigned i = 0; i<10; i++ ) { to( &nodes[ 0 ], 1, DMG_SPAN( vote ) ); run( 30 ); }
  assert_int_equal( nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ]-before, 10 );
  assert_true( info_of( &nodes[ 2 ] ).frames_forwarded>=by2+10 && info_of( &nodes[ 3 ] ).frames_forwarded>=by3+10 );
  node_end( &nodes[ 2 ] );
  run( 2000 );
  assert_true( nodes[ 0 ].is_up[ 1 ] && nodes[ 1 ].is_up[ 0 ] );
  before = nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ];
  to( &nodes[ 0 ], 1, DMG_SPAN( vote ) );
  run( 100 );
  assert_int_equal( nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ]-before, 1 );
  /* And the other: nothing is heard for 6 s. */
  dmg_mem_cut( nodes[ 3 ].port, nodes[ 1 ].port, true );
  uint64_t from = dmg_mem_net_now( world );
  RUN_UNTIL( !nodes[ 0 ].is_up[ 1 ], 10000 );
  assert_true( dmg_mem_net_now( world )-from>4500000 );
  end();
}

static void test_only_true_origins_are_heard( void ** state ) {
  four( 220 );
  vote_make( vote, 0, 1, 0 );
  uint32_t votes = nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ];
  /* 2 as a relay of what 0 signed: heard once, in any order of 64, and no more. */
  uint64_t const seqs[] = { 100, 100, 99, 99, 101, 38, 37, 1, 1000, 999, 101 };
  bool const     is_new[] = { 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0 };
  for( unsigned i = 0; i<sizeof seqs/sizeof *seqs; i++ ) {
    size_t sz = relayed_make( frame, 0, 1, seqs[ i ], seeds[ 0 ], DMG_SPAN( vote ) );
    to( &nodes[ 2 ], 1, dmg_span( frame, sz ) );
    run( 30 );
    votes += is_new[ i ];
    if( nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ]!=votes ) fail_msg( "seq %u of the row", i );
  }
  assert_int_equal( nodes[ 1 ].kept[ ( nodes[ 1 ].frames-1 )%FRAMES_KEPT ].peer<4, 1 );
  assert_int_equal( info_of( &nodes[ 1 ] ).frames_bad, 0 );
  /* Signed by another, for another, of another chain, a bit changed: each the relay's fault. */
  size_t sz = relayed_make( frame, 0, 1, 2000, seeds[ 2 ], DMG_SPAN( vote ) );
  to( &nodes[ 2 ], 1, dmg_span( frame, sz ) );
  unsigned const at[] = { 1, 5, 9, 17, 80, 81, 120 };   /* epoch, origin, seq, signature, inner; target below */
  for( unsigned i = 0; i<sizeof at/sizeof *at; i++ ) {
    sz = relayed_make( frame, 0, 1, 2001+i, seeds[ 0 ], DMG_SPAN( vote ) );
    frame[ at[ i ] ] ^= at[ i ]==5 ? 3 : 1;
    to( &nodes[ 2 ], 1, dmg_span( frame, sz ) );
  }
  run( 100 );
  assert_int_equal( nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ], votes );
  /* The changed epoch is that of a set not known: dropped. */
  assert_int_equal( info_of( &nodes[ 1 ] ).frames_bad, 7 );
  assert_true( nodes[ 1 ].is_up[ 2 ] && nodes[ 1 ].is_up[ 0 ] );
  /* 64 of them close the relay, not the origin. */
  for( unsigned i = 0; i<64; i++ ) { frame[ 17 ] ^= (uint8_t)( i+1 ); frame[ 9 ] = (uint8_t)i; to( &nodes[ 2 ], 1, dmg_span( frame, sz ) ); run( 5 ); }
  RUN_UNTIL( !nodes[ 1 ].is_up[ 2 ], 1000 );
  assert_true( nodes[ 1 ].is_up[ 0 ] );
  run( 10000 );
  assert_false( nodes[ 1 ].is_up[ 2 ] );               /* not through others either */
  end();
}

static void test_a_relay_takes_them_from_their_origin_only( void ** state ) {
  four( 230 );
  vote_make( vote, 0, 1, 0 );
  uint32_t votes = nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ];
  /* 2 gives 3 what 0 signed for 1: good, but 2 is no origin. */
  size_t sz = relayed_make( frame, 0, 1, 5, seeds[ 0 ], DMG_SPAN( vote ) );
  to( &nodes[ 2 ], 3, dmg_span( frame, sz ) );
  run( 50 );
  assert_int_equal( info_of( &nodes[ 3 ] ).frames_bad, 1 );
  assert_int_equal( info_of( &nodes[ 3 ] ).frames_forwarded, 0 );
  /* 0 itself may; but not with a false signature, not for itself, not to nobody, not one inside another, not empty. */
  to( &nodes[ 0 ], 3, dmg_span( frame, sz ) );
  run( 50 );
  assert_int_equal( info_of( &nodes[ 3 ] ).frames_forwarded, 1 );
  assert_int_equal( nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ], votes+1 );
  frame[ 20 ] ^= 1;
  to( &nodes[ 0 ], 3, dmg_span( frame, sz ) );
  sz = relayed_make( frame, 0, 0, 6, seeds[ 0 ], DMG_SPAN( vote ) );
  to( &nodes[ 0 ], 3, dmg_span( frame, sz ) );
  sz = relayed_make( frame, 0, 4, 7, seeds[ 0 ], DMG_SPAN( vote ) );
  to( &nodes[ 0 ], 3, dmg_span( frame, sz ) );
  static uint8_t twice[ DMG_FRAME_SZ_MAX ];
  sz = relayed_make( frame, 0, 1, 8, seeds[ 0 ], DMG_SPAN( vote ) );
  sz = relayed_make( twice, 0, 1, 9, seeds[ 0 ], dmg_span( frame, sz ) );
  to( &nodes[ 0 ], 3, dmg_span( twice, sz ) );
  to( &nodes[ 0 ], 3, dmg_span( twice, 1+DMG_WIRE_RELAYED_SZ ) );
  run( 50 );
  assert_int_equal( info_of( &nodes[ 3 ] ).frames_bad, 6 );
  assert_int_equal( info_of( &nodes[ 3 ] ).frames_forwarded, 1 );
  /* To whom the relay has no line: dropped, nobody's fault. */
  node_end( &nodes[ 1 ] );
  run( 500 );
  sz = relayed_make( frame, 0, 1, 10, seeds[ 0 ], DMG_SPAN( vote ) );
  to( &nodes[ 0 ], 3, dmg_span( frame, sz ) );
  run( 50 );
  assert_int_equal( info_of( &nodes[ 3 ] ).frames_bad, 6 );
  assert_int_equal( info_of( &nodes[ 3 ] ).frames_forwarded, 1 );
  end();
}

static void test_what_is_inside_is_the_origins( void ** state ) {
  four( 240 );
  uint32_t votes = nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ];
  /* 0 sends votes of 2's: 0 is counted, 3 who relayed is not, 2 neither. */
  vote_make( vote, 0, 1, 2 );
  for( uint64_t i = 0; i<64; i++ ) {
    size_t sz = relayed_make( frame, 0, 1, i+1, seeds[ 0 ], DMG_SPAN( vote ) );
    to( &nodes[ 0 ], 3, dmg_span( frame, sz ) );
    run( 30 );
  }
  assert_int_equal( nodes[ 1 ].by_kind[ DMG_FRAME_VOTE ], votes );
  assert_int_equal( info_of( &nodes[ 1 ] ).frames_bad, 64 );
  RUN_UNTIL( !nodes[ 1 ].is_up[ 0 ], 1000 );
  assert_true( nodes[ 1 ].is_up[ 3 ] && nodes[ 1 ].is_up[ 2 ] );
  end();
}

static void test_sizes_and_floods( void ** state ) {
  four( 250 );
  static uint8_t big[ DMG_WIRE_RELAY_INNER_MAX+1 ] = { DMG_FRAME_BUNDLE };
  uint32_t bundles = nodes[ 1 ].by_kind[ DMG_FRAME_BUNDLE ];
  size_t sz = relayed_make( frame, 0, 1, 1, seeds[ 0 ], dmg_span( big, DMG_WIRE_RELAY_INNER_MAX ) );
  to( &nodes[ 0 ], 2, dmg_span( frame, sz ) );
  run( 50 );
  assert_int_equal( nodes[ 1 ].by_kind[ DMG_FRAME_BUNDLE ], bundles+1 );
  sz = relayed_make( frame, 0, 1, 2, seeds[ 0 ], DMG_SPAN( big ) );
  to( &nodes[ 0 ], 2, dmg_span( frame, sz ) );
  run( 50 );
  assert_int_equal( nodes[ 1 ].by_kind[ DMG_FRAME_BUNDLE ], bundles+1 );
  assert_int_equal( info_of( &nodes[ 2 ] ).frames_bad, 1 );
  /* One that is too long to be relayed is dropped by the origin. */
  dmg_mem_cut( nodes[ 0 ].port, nodes[ 1 ].port, true );
  RUN_UNTIL( nodes[ 0 ].downs==1 && nodes[ 0 ].is_up[ 1 ], 5000 );
  uint64_t dropped = info_of( &nodes[ 0 ] ).frames_dropped;
  to( &nodes[ 0 ], 1, DMG_SPAN( big ) );
  assert_int_equal( info_of( &nodes[ 0 ] ).frames_dropped, dropped+1 );
  dmg_mem_cut( nodes[ 0 ].port, nodes[ 1 ].port, false );
  RUN_UNTIL( is_mesh( 4 ), 12000 );
  run( 5000 );
  /* 2,000 votes and as many whole bundles in ten seconds: 100 at once and 50 a second; a bundle takes 16 of them. */
  for( unsigned kind = 0; kind<2; kind++ ) {
    uint64_t before = info_of( &nodes[ 2 ] ).frames_forwarded;
    vote_make( vote, 0, 1, 0 );
    for( uint64_t i = 0; i<2000; i++ ) {
      sz = relayed_make( frame, 0, 1, 100000*( kind+1 )+i, seeds[ 0 ], kind ? dmg_span( big, DMG_WIRE_RELAY_INNER_MAX ) : DMG_SPAN( vote ) );
      to( &nodes[ 0 ], 2, dmg_span( frame, sz ) );
      run( 5 );
    }
    uint64_t cnt = info_of( &nodes[ 2 ] ).frames_forwarded-before;
    if( kind ) assert_true( cnt>=30 && cnt<=38 );
    else       assert_true( cnt>=580 && cnt<=605 );
    run( 3000 );
  }
  assert_int_equal( nodes[ 1 ].downs, 1 );
  assert_true( is_mesh( 4 ) );
  end();
}

/* Sets change: who is in no set of ours any more has no link by others either. */
static void test_who_leaves_the_sets_is_not_relayed( void ** state ) {
  four( 260 );
  dmg_mem_cut( nodes[ 0 ].port, nodes[ 3 ].port, true );
  RUN_UNTIL( nodes[ 0 ].downs==1 && nodes[ 0 ].is_up[ 3 ] && nodes[ 3 ].is_up[ 0 ], 5000 );
  for( uint32_t e = 1; e<4; e++ ) for( unsigned i = 0; i<4; i++ ) assert_int_equal( dmg_chainnet_set_members( nodes[ i ].net, e, members, 3, dmg_mem_net_now( world ) ), DMG_OK );
  run( 500 );
  assert_false( nodes[ 0 ].is_up[ 3 ] );
  assert_int_equal( links_of( &nodes[ 3 ] ), 0 );
  assert_int_equal( info_of( &nodes[ 0 ] ).relayed_cnt+info_of( &nodes[ 3 ] ).relayed_cnt, 0 );
  run( 5000 );
  assert_int_equal( links_of( &nodes[ 3 ] ), 0 );
  end();
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_a_cut_pair_hears_each_other_by_the_third ), cmocka_unit_test( test_two_relays_and_one_dies ), cmocka_unit_test( test_only_true_origins_are_heard ),
    cmocka_unit_test( test_a_relay_takes_them_from_their_origin_only ), cmocka_unit_test( test_what_is_inside_is_the_origins ), cmocka_unit_test( test_sizes_and_floods ),
    cmocka_unit_test( test_who_leaves_the_sets_is_not_relayed ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
