/* Topic block: a follower has a block when its F comes; voters tell what a leader did not; lies go no further (N7.1, N7.3). */
#include "network/test_chainnet_mem.h"
#include "network/chainnet_int.h"

enum { HOP_US = 8000+1000 };   /* a line's longest delay, and a tick */

static node_t * f;

/* Four validators at genesis and a follower of two of them; blocks of big_sz now and then. */
static void meet( uint64_t seed, uint32_t big_sz ) {
  begin( seed, 200, big_sz );
  validators( 4 );
  f = node_add( -1, true );
  assert_int_equal( dmg_chainnet_set_members( f->net, 0, members, 4, 0 ), DMG_OK );
  for( unsigned i = 0; i<2; i++ ) know( f, &nodes[ i ] );
  RUN_UNTIL( is_mesh( 4 ) && info_of( f ).conn_cnt==2, 20000 );
  run( 2000 );
}

static unsigned leader_of( block_t const * b ) { return (unsigned)( ( b->view-1 )/4%4 ); }
static dmg_span_t header_of( block_t const * b ) { return DMG_SPAN( b->header ); }

/* Its leader has it proposed, or a voter votes for it; all views go on. */
static void propose( block_t const * b, bool is_told ) {
  node_t * l = &nodes[ leader_of( b ) ];
  dmg_hash_t hash = dmg_hash_load( b->header+206 );
  for( unsigned i = 0; i<4; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 0, b->view, b->view-1, 4 );   /* not the follower's: it goes by F */
  if( b->body.sz>DMG_BODY_EMPTY_SZ ) assert_int_equal( dmg_chainnet_push_body( l->net, 0, b->view, &hash, dmg_buf_span( &b->body ) ), DMG_OK );
  if( is_told ) dmg_chainnet_send_block( l->net, header_of( b ), true, dmg_mem_net_now( world ) );
}

static void finalize( block_t const * b ) {
  dmg_signed_header_t sh;
  dmg_cert_t fin = fin_of( b );
  assert_int_equal( dmg_signed_header_decode( header_of( b ), &sh ).kind, DMG_VERDICT_GOOD );
  for( unsigned i = 0; i<4; i++ ) nodes[ i ].height = b->height;
  dmg_chainnet_send_final( nodes[ 0 ].net, &sh.header, &fin, true, dmg_mem_net_now( world ) );
}

/* How long the follower takes to have b from now on. */
static uint64_t follow_us( block_t const * b ) {
  uint64_t from = dmg_mem_net_now( world );
  while( f->height<b->height && dmg_mem_net_now( world )<from+1000000 ) run( 1 );
  assert_int_equal( f->height, b->height );
  return dmg_mem_net_now( world )-from;
}

/* By the follower, ever. */
static bool was_asked( unsigned proto ) {
  bool is = false;
  for( unsigned k = 0; k<4; k++ ) for( int c = 0; c<DMG_CHAINNET_CONN_MAX; c++ ) {
    conn_t const * q = &nodes[ k ].net->conns[ c ];
    is |= q->is_used && dmg_net_peer_eq( &q->peer, &f->port->self ) && q->in[ proto ].us;
  }
  return is;
}

static void test_a_follower_has_a_block_when_its_finality_comes( void ** state ) {
  (void)state;
  meet( 90, 60000 );
  uint64_t late_us = 0;
  uint32_t full = 0, big = 0;
  for( uint32_t h = 0; h<60; h++ ) {
    block_t const * b = &store->blocks[ h ];
    propose( b, true );
    run( 60 );
    finalize( b );
    uint64_t us = follow_us( b );
    if( us>late_us ) late_us = us;
    full += b->body.sz>DMG_BODY_EMPTY_SZ;
    big  += b->body.sz>16384;
    run( 40 );
  }
  dmg_chainnet_info_t i = info_of( f );
  printf( "%u bodies, %u of them compact; F to block %llu us at most\n", full, big, (unsigned long long)late_us );
  assert_int_equal( i.blocks_in, 60 );
  assert_int_equal( i.blocks_used, full );
  assert_true( big>0 && full<60 );
  assert_true( late_us<=2*HOP_US );                   /* of a final that took two hops; a question would be another two each */
  assert_int_equal( f->pushed, 0 );
  assert_false( was_asked( DMG_CHAINNET_HEADERS ) || was_asked( DMG_CHAINNET_BODIES ) );
  for( unsigned k = 0; k<5; k++ ) { assert_int_equal( info_of( &nodes[ k ] ).blocks_bad, 0 ); assert_int_equal( dmg_mem_rejects( nodes[ k ].port ), 0 ); }
  end();
}

/* Of compact bodies the pool's part is there, the rest is asked for by place; if F comes meanwhile, that is waited for. */
static void test_a_follower_asks_for_what_its_pool_lacks( void ** state ) {
  (void)state;
  static pool_tx_t pool[ 64 ], half[ 64 ];
  big_every = 1;
  meet( 95, 60000 );
  big_every = 50;
  for( uint32_t h = 0; h<4; h++ ) {
    block_t const * b = &store->blocks[ h ];
    dmg_arena_t * arena = dmg_arena_new( 8u<<20 );
    dmg_body_t * body;
    assert_int_equal( dmg_body_decode( dmg_buf_span( &b->body ), arena, &body ).kind, DMG_VERDICT_GOOD );
    assert_in_range( body->tx_cnt, 2, 64 );
    for( uint32_t i = 0; i<body->tx_cnt; i++ ) pool[ i ] = half[ i ] = (pool_tx_t){ .raw = body->txs[ i ], .age_ms = 500 };
    for( unsigned i = 0; i<4; i++ ) { nodes[ i ].pool = pool; nodes[ i ].pool_cnt = body->tx_cnt; }
    f->pool     = half;
    f->pool_cnt = body->tx_cnt/2;
    propose( b, true );
    run( h%2 ? 60 : 10 );
    finalize( b );
    assert_true( follow_us( b )<6*HOP_US );
    run( 40 );
    for( unsigned i = 0; i<5; i++ ) nodes[ i ].pool_cnt = 0;
    dmg_arena_free( arena );
  }
  assert_true( was_asked( DMG_CHAINNET_BODYTX ) );
  assert_false( was_asked( DMG_CHAINNET_HEADERS ) || was_asked( DMG_CHAINNET_BODIES ) );
  assert_int_equal( info_of( f ).blocks_used, 4 );
  assert_int_equal( f->pushed, 0 );
  for( unsigned i = 0; i<4; i++ ) assert_int_equal( nodes[ i ].net->miss_sz, 0 );   /* N8.6: bodies go on as compact ones, whatever followers lack */
  end();
}

/* One that heard of some of them only, or whose compact bodies lack something, asks for the rest. */
static void test_what_was_not_heard_is_asked_for( void ** state ) {
  (void)state;
  meet( 91, 60000 );
  for( uint32_t h = 0; h<40; h++ ) {
    block_t const * b = &store->blocks[ h ];
    propose( b, h%3!=0 );
    run( 60 );
    if( h%4==3 ) continue;                            /* final by its child */
    finalize( b );
    assert_true( follow_us( b )<20*HOP_US );
    run( 40 );
  }
  assert_true( info_of( f ).blocks_in<30 && info_of( f ).blocks_used>10 );
  assert_int_equal( info_of( f ).requests_bad, 0 );
  end();
}

static void test_voters_tell_what_the_leader_did_not( void ** state ) {
  (void)state;
  meet( 92, 0 );
  block_t const * b = &store->blocks[ 1 ];
  propose( b, false );
  run( 60 );
  unsigned last = leader_of( b ) ? 0 : 1;
  for( unsigned i = 0; i<4; i++ ) if( i!=leader_of( b ) && i!=last ) dmg_chainnet_send_block( nodes[ i ].net, header_of( b ), false, dmg_mem_net_now( world ) );
  run( 100 );
  dmg_chainnet_send_block( nodes[ last ].net, header_of( b ), false, dmg_mem_net_now( world ) );
  run( 180 );
  assert_int_equal( info_of( f ).blocks_in, 0 );
  run( 60 );
  assert_int_equal( info_of( f ).blocks_in, 1 );
  dmg_hash_t hash = dmg_hash_load( b->header+206 );
  assert_non_null( kept_find( f->net, &hash ) );      /* with its body, as the leader pushed it */
  uint64_t out = 0;
  for( unsigned i = 0; i<4; i++ ) out += info_of( &nodes[ i ] ).blocks_out;
  assert_true( out>=1 && out<=2 );                    /* those who had not heard the first one's yet */
  run( 100 );
  assert_int_equal( info_of( &nodes[ last ] ).blocks_out, 0 );
  /* Final meanwhile: nobody says it any more. */
  b = &store->blocks[ 2 ];
  propose( b, false );
  for( unsigned i = 0; i<4; i++ ) dmg_chainnet_send_block( nodes[ i ].net, header_of( b ), false, dmg_mem_net_now( world ) );
  run( 200 );
  for( unsigned i = 0; i<4; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 0, b->view+1, b->view, 4 );
  run( 500 );
  assert_int_equal( info_of( f ).blocks_in, 1 );
  end();
}

/* --- lies ------------------------------------------------------------------------------------------------- */

static dmg_buf_t msg;

/* Block b as its leader would tell it, for a test to spoil. */
static void msg_make( block_t const * b ) {
  uint8_t head[ DMG_WIRE_HEAD_SZ ];
  dmg_wire_head_t w = { .epoch = b->epoch, .view = b->view, .body_hash = dmg_hash_load( b->header+206 ), .body_len = (uint32_t)b->body.sz };
  dmg_wire_head_sign( &w, &test_genesis, seeds[ leader_of( b ) ] );
  dmg_wire_head_encode( &w, head );
  dmg_buf_fini( &msg );
  msg = dmg_buf( 1u<<20 );
  assert_int_equal( dmg_buf_append( &msg, b->header, sizeof b->header ), DMG_OK );
  assert_int_equal( dmg_buf_append( &msg, head, sizeof head ), DMG_OK );
  assert_int_equal( dmg_buf_append( &msg, b->body.p, b->body.sz ), DMG_OK );
}

/* From the follower's port, to who is beside it. */
static void tell( dmg_span_t data ) {
  assert_int_equal( dmg_net_publish( f->port, f->net->topic_block, data ), DMG_OK );
  run( 60 );
}

static void expect( uint64_t in, uint64_t late, uint64_t bad ) {
  uint64_t sum[ 3 ] = { 0 };
  for( unsigned i = 0; i<4; i++ ) { sum[ 0 ] += info_of( &nodes[ i ] ).blocks_in; sum[ 1 ] += info_of( &nodes[ i ] ).blocks_late; sum[ 2 ] += info_of( &nodes[ i ] ).blocks_bad; }
  assert_int_equal( sum[ 0 ], in );
  assert_int_equal( sum[ 1 ], late );
  assert_int_equal( sum[ 2 ], bad );
}

static uint32_t paired( void ) { return nodes[ 0 ].paired+nodes[ 1 ].paired+nodes[ 2 ].paired+nodes[ 3 ].paired; }

static void test_lies_go_no_further_than_their_neighbours( void ** state ) {
  (void)state;
  meet( 93, 0 );
  block_t const * b = &store->blocks[ 1 ];            /* view 4 */
  assert_true( b->body.sz>DMG_BODY_EMPTY_SZ );
  uint64_t bad = 0;
  /* Two neighbours; each says REJECT, and nobody else hears of it. */
  #define LIE( change ) do { msg_make( b ); change; tell( dmg_buf_span( &msg ) ); expect( 0, 0, bad += 2 ); } while( 0 )
  LIE( msg.sz = 100 );
  LIE( msg.sz = DMG_SIGNED_HEADER_SZ+50 );
  LIE( msg.p[ 2 ] = 9 );                              /* kind */
  LIE( msg.p[ 3 ] ^= 1 );                             /* another's turn */
  LIE( msg.p[ DMG_SIGNED_HEADER_SZ+4 ] ^= 1 );        /* head of another view */
  LIE( msg.p[ DMG_SIGNED_HEADER_SZ+12 ] ^= 1 );       /* .. of another body */
  LIE( msg.p[ DMG_SIGNED_HEADER_SZ+83 ] ^= 1 );       /* .. signed by nobody */
  LIE( msg.sz-- );
  assert_int_equal( paired(), 0 );                    /* so far without a pairing */
  LIE( msg.p[ 362 ] = 255 );                          /* a header that its leader did not sign */
  LIE( msg.p[ msg.sz-1 ] ^= 1 );                      /* a body of another hash */
  dmg_wire_head_t w = { .epoch = b->epoch, .view = b->view, .body_hash = dmg_hash_load( b->header+206 ), .body_len = (uint32_t)b->body.sz, .form = DMG_WIRE_COMPACT };
  dmg_wire_head_sign( &w, &test_genesis, seeds[ leader_of( b ) ] );
  LIE( dmg_wire_head_encode( &w, msg.p+DMG_SIGNED_HEADER_SZ ) );   /* no compact body */
  assert_int_equal( paired(), 6 );
  for( unsigned i = 0; i<4; i++ ) assert_int_equal( dmg_mem_rejects( nodes[ i ].port ), i<2 ? bad/2 : 0 );
  /* The truth, to all; what differs in unsigned bytes only is the same one.  Said by four, to those who have it. */
  msg_make( b );
  tell( dmg_buf_span( &msg ) );
  expect( 4, 0, bad );
  msg.sz = DMG_SIGNED_HEADER_SZ;
  tell( dmg_buf_span( &msg ) );
  expect( 4, 2, bad );
  /* A second one of the view, by a leader who proposes twice; a third is not looked at. */
  for( unsigned k = 1; k<=2; k++ ) {
    uint32_t before = paired();
    msg.p[ 306 ]++;                                   /* its time */
    tell( dmg_buf_span( &msg ) );
    expect( 8, k==1 ? 2 : 4, bad );
    assert_int_equal( paired()-before, k==1 ? 4 : 0 );
  }
  /* Far views, and what is final: nobody's fault. */
  msg_make( &store->blocks[ 151 ] );
  tell( dmg_buf_span( &msg ) );
  expect( 8, 6, bad );
  for( unsigned i = 0; i<5; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 0, 30, 29, 4 );
  msg_make( &store->blocks[ 4 ] );
  tell( dmg_buf_span( &msg ) );
  expect( 8, 8, bad );
  dmg_buf_fini( &msg );
  end();
}

/* Nobody signs the ids of a compact body: a neighbour's false ones cost a follower its questions, and no more. */
static void test_false_ids_cost_a_question( void ** state ) {
  (void)state;
  meet( 94, 60000 );
  uint32_t h = 0;
  while( store->blocks[ h ].body.sz<=16384 ) {
    propose( &store->blocks[ h ], true );
    run( 20 );
    finalize( &store->blocks[ h ] );
    (void)follow_us( &store->blocks[ h++ ] );
  }
  block_t const * b = &store->blocks[ h ];
  node_t * liar = node_add( -1, true );
  know( f, liar );
  run( 3000 );
  static dmg_span_t gone[ DMG_BODY_TX_MAX ];
  dmg_body_t * body;
  dmg_arena_t * arena = dmg_arena_new( 8u<<20 );
  assert_int_equal( dmg_body_decode( dmg_buf_span( &b->body ), arena, &body ).kind, DMG_VERDICT_GOOD );
  uint8_t ids[ 6*32 ] = { 1, 2, 3 }, lists[ 2 ] = { 0 };
  assert_true( body->tx_cnt<=32 );
  for( unsigned i = 0; i<body->tx_cnt; i++ ) ids[ 6*i ] = (uint8_t)i;
  dmg_wire_compact_t c = { .lists = DMG_SPAN( lists ), .ids = dmg_span( ids, 6*(size_t)body->tx_cnt ), .tx_cnt = body->tx_cnt };
  dmg_wire_head_t w = { .epoch = b->epoch, .view = b->view, .body_hash = dmg_hash_load( b->header+206 ), .body_len = (uint32_t)b->body.sz, .form = DMG_WIRE_COMPACT };
  dmg_wire_head_sign( &w, &test_genesis, seeds[ leader_of( b ) ] );
  msg_make( b );
  msg.sz = DMG_SIGNED_HEADER_SZ+DMG_WIRE_HEAD_SZ;
  dmg_wire_head_encode( &w, msg.p+DMG_SIGNED_HEADER_SZ );
  assert_int_equal( dmg_wire_compact_encode( &c, gone, &msg ), DMG_OK );
  for( unsigned i = 0; i<node_cnt; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 0, b->view, b->view-1, 4 );
  assert_int_equal( dmg_net_publish( liar->port, liar->net->topic_block, dmg_buf_span( &msg ) ), DMG_OK );
  run( 60 );
  propose( b, true );                                 /* heard, by its hash */
  run( 60 );
  finalize( b );
  assert_true( follow_us( b )<1000000 );
  assert_int_equal( info_of( f ).blocks_bad, 0 );
  dmg_arena_free( arena );
  dmg_buf_fini( &msg );
  end();
}

/* Who has the body by its leader's push knows a spoilt one, too: one that it forwarded would be its fault with all who have not. */
static void test_a_spoilt_body_goes_no_further( void ** state ) {
  (void)state;
  meet( 96, 0 );
  block_t const * b = &store->blocks[ 1 ];
  node_t * g = node_add( -1, true );
  assert_int_equal( dmg_chainnet_set_members( g->net, 0, members, 4, 0 ), DMG_OK );
  for( unsigned i = 2; i<4; i++ ) know( g, &nodes[ i ] );
  run( 3000 );
  propose( b, false );
  run( 60 );
  msg_make( b );
  msg.p[ msg.sz-1 ] ^= 1;
  tell( dmg_buf_span( &msg ) );
  expect( 0, 0, 2 );
  assert_int_equal( dmg_mem_rejects( g->port ), 0 );
  msg_make( b );
  tell( dmg_buf_span( &msg ) );
  expect( 4, 0, 2 );
  assert_int_equal( info_of( g ).blocks_in, 1 );
  dmg_buf_fini( &msg );
  end();
}

/* A leader has pushed the body for another view, or with a head of another length: those who vote leave that head out, or all would think each other liars. */
static void test_voters_leave_out_what_is_of_another_view( void ** state ) {
  (void)state;
  meet( 97, 0 );
  block_t const * b = &store->blocks[ 1 ];            /* view 4, led by node 0 as view 3 */
  unsigned l = leader_of( b );
  dmg_hash_t hash = dmg_hash_load( b->header+206 );
  for( unsigned i = 0; i<4; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 0, b->view-1, b->view-2, 4 );
  assert_int_equal( dmg_chainnet_push_body( nodes[ l ].net, 0, b->view-1, &hash, dmg_buf_span( &b->body ) ), DMG_OK );
  run( 60 );
  for( unsigned i = 0; i<4; i++ ) if( i!=l ) dmg_chainnet_send_block( nodes[ i ].net, header_of( b ), false, dmg_mem_net_now( world ) );
  run( 500 );
  assert_int_equal( info_of( f ).blocks_in, 1 );
  for( unsigned i = 0; i<5; i++ ) { assert_int_equal( info_of( &nodes[ i ] ).blocks_bad, 0 ); assert_int_equal( dmg_mem_rejects( nodes[ i ].port ), 0 ); }
  assert_null( kept_find( f->net, &hash ) );
  end();
}

/* A header that somebody stripped of its body and sent ahead keeps nobody from the body; it is paid for once. */
static void test_a_header_alone_keeps_nobody_from_its_body( void ** state ) {
  (void)state;
  meet( 98, 0 );
  block_t const * b = &store->blocks[ 1 ];
  dmg_hash_t hash = dmg_hash_load( b->header+206 );
  for( unsigned i = 0; i<5; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 0, b->view, b->view-1, 4 );
  node_t * liar = node_add( -1, true );
  know( f, liar );
  run( 3000 );
  msg_make( b );
  msg.sz = DMG_SIGNED_HEADER_SZ;
  assert_int_equal( dmg_net_publish( liar->port, liar->net->topic_block, dmg_buf_span( &msg ) ), DMG_OK );
  run( 60 );
  expect( 4, 0, 0 );
  assert_int_equal( paired()+f->paired, 5 );
  msg_make( b );
  msg.p[ 370 ] ^= 1;                                  /* its signature, with a body: another header of that hash */
  uint64_t was = info_of( f ).blocks_late;
  assert_int_equal( dmg_net_publish( liar->port, liar->net->topic_block, dmg_buf_span( &msg ) ), DMG_OK );
  run( 60 );
  assert_int_equal( info_of( f ).blocks_late, was+1 );
  propose( b, true );
  run( 60 );
  assert_non_null( kept_find( f->net, &hash ) );
  assert_int_equal( paired()+f->paired, 5 );
  dmg_buf_fini( &msg );
  end();
}

/* While nothing becomes final: what was forgotten is not new; and false signatures cost ten pairings a second, whoever sends them, and true ones none. */
static void test_old_headers_and_false_ones_cost_little( void ** state ) {
  (void)state;
  meet( 99, 0 );
  for( unsigned i = 0; i<5; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 0, 200, 0, 4 );
  for( unsigned h = 0; h<100; h++ ) {                 /* views to 200 */
    msg_make( &store->blocks[ h ] );
    msg.sz = DMG_SIGNED_HEADER_SZ;
    tell( dmg_buf_span( &msg ) );
  }
  expect( 400, 0, 0 );
  for( unsigned h = 0; h<30; h++ ) if( store->blocks[ h ].body.sz>DMG_BODY_EMPTY_SZ ) {   /* gone from the 64 */
    msg_make( &store->blocks[ h ] );
    tell( dmg_buf_span( &msg ) );
  }
  assert_int_equal( paired(), 400 );
  uint64_t bad = 0;
  for( unsigned i = 0; i<4; i++ ) bad += dmg_mem_rejects( nodes[ i ].port );
  assert_int_equal( bad, 0 );
  msg_make( &store->blocks[ 100 ] );
  msg.sz = DMG_SIGNED_HEADER_SZ;
  msg.p[ 362 ] = 255;
  for( unsigned k = 0; k<400; k++ ) {                 /* in 400 ms */
    msg.p[ 370 ] = (uint8_t)k;
    msg.p[ 371 ] = (uint8_t)( k>>8 );
    assert_int_equal( dmg_net_publish( f->port, f->net->topic_block, dmg_buf_span( &msg ) ), DMG_OK );
    run( 1 );
  }
  run( 60 );
  assert_in_range( paired()-400, 2*100, 2*110 );      /* two neighbours */
  run( 3000 );
  msg.p[ 362 ] = 0;
  tell( dmg_buf_span( &msg ) );
  for( unsigned i = 0; i<4; i++ ) assert_int_equal( info_of( &nodes[ i ] ).blocks_in, 101 );
  dmg_buf_fini( &msg );
  end();
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_a_follower_has_a_block_when_its_finality_comes ),
    cmocka_unit_test( test_a_follower_asks_for_what_its_pool_lacks ),
    cmocka_unit_test( test_what_was_not_heard_is_asked_for ),
    cmocka_unit_test( test_voters_tell_what_the_leader_did_not ),
    cmocka_unit_test( test_lies_go_no_further_than_their_neighbours ),
    cmocka_unit_test( test_false_ids_cost_a_question ),
    cmocka_unit_test( test_a_spoilt_body_goes_no_further ),
    cmocka_unit_test( test_voters_leave_out_what_is_of_another_view ),
    cmocka_unit_test( test_a_header_alone_keeps_nobody_from_its_body ),
    cmocka_unit_test( test_old_headers_and_false_ones_cost_little ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
