/* Bodies of proposals on the wire: forms, compact ones and what they lack, with leaders that lie, repeat, are silent. */
#include "network/test_chainnet_body.h"

static dmg_hash_t block_hash;
static pool_tx_t  pools[ VALIDATORS ][ TXS_MAX ];

/* All transactions but each of `lack` into a node's pool, of that age. */
static void pool_fill( unsigned i, uint64_t age_ms, uint32_t lack ) {
  nodes[ i ].pool     = pools[ i ];
  nodes[ i ].pool_cnt = 0;
  for( uint32_t k = 0; k<tx_cnt; k++ ) if( !lack || k%lack!=i%lack ) pools[ i ][ nodes[ i ].pool_cnt++ ] = (pool_tx_t){ .raw = txs[ k ], .age_ms = age_ms };
}

static void pools_fill( uint64_t age_ms, uint32_t lack ) { for( unsigned i = 0; i<node_cnt; i++ ) pool_fill( i, age_ms, i ? lack : 0 ); }

/* Into the store, as the block of that view. */
static void body_store( uint64_t view ) {
  block_t * b = &store->blocks[ store->cnt ];
  b->height = store->cnt+1;
  b->view   = view;
  b->body   = dmg_buf( 1u<<20 );
  assert_int_equal( dmg_buf_append( &b->body, body.p, body.sz ), DMG_OK );
  dmg_signed_header_t h = { .header = { .version = 1, .view = view, .height = b->height, .body_hash = body_hash, .body_len = (uint32_t)body.sz } };
  dmg_signed_header_encode( &h, b->header );
  block_hash = b->hash = dmg_header_hash( &h.header );
  uint32_t t = dmg_load_u32le( b->hash.b )%( 4*STORE_MAX );
  while( store->table[ t ] ) t = ( t+1 )%( 4*STORE_MAX );
  store->table[ t ] = (uint16_t)++store->cnt;
}

/* --- forms ------------------------------------------------------------------------------------------------ */

static void test_a_known_body_is_sent_as_short_ids( void ** state ) {
  mesh( 1, 16 );
  body_make( 1000, 220 );
  pools_fill( 500, 0 );
  push( 0, 1 );
  run( 100 );
  assert_int_equal( pushed_cnt(), 15 );
  dmg_chainnet_info_t i = info_of( &nodes[ 0 ] );
  assert_int_equal( i.bodies_by_out[ DMG_WIRE_COMPACT ], 1 );
  assert_int_equal( i.bodies_sz_out, 15*( DMG_WIRE_HEAD_SZ+8+1+2+2+6*1000+1 ) );   /* 92 KB instead of 3.5 MB */
  for( unsigned k = 1; k<16; k++ ) {
    assert_int_equal( nodes[ k ].looks, 1 );
    assert_int_equal( info_of( &nodes[ k ] ).bodies_rebuilt, 1 );
    assert_int_equal( info_of( &nodes[ k ] ).txs_missing, 0 );
    assert_int_equal( info_of( &nodes[ k ] ).requests_bad, 0 );
  }
  push( 0, 1 );                                          /* the same head again: not looked at */
  run( 100 );
  for( unsigned k = 1; k<16; k++ ) assert_int_equal( nodes[ k ].looks, 1 );
  end();
}

static void test_the_form_follows_from_what_is_missing( void ** state ) {
  mesh( 2, 4 );
  struct { uint32_t cnt, sz; uint64_t age; uint32_t lack; uint8_t form; } const cases[] = {
    { 16, 990, 0, 0, DMG_WIRE_FULL }, { 17, 990, 0, 1, DMG_WIRE_COMPACT },   /* 16 KiB */
    { 60, 1000, 199, 1, DMG_WIRE_COMPACT }, { 70, 1000, 199, 1, DMG_WIRE_SHREDS }, { 70, 1000, 200, 0, DMG_WIRE_COMPACT },
    { 900, 1000, 500, 0, DMG_WIRE_COMPACT }, { 900, 1000, 0, 0, DMG_WIRE_SHREDS },
  };
  for( unsigned c = 0; c<sizeof cases/sizeof cases[ 0 ]; c++ ) {
    body_make( cases[ c ].cnt, cases[ c ].sz );
    pools_fill( cases[ c ].age, cases[ c ].lack );
    uint64_t before = info_of( &nodes[ 0 ] ).bodies_by_out[ cases[ c ].form ];
    pushed_reset();
    push( 0, 1+c/2 );
    run( 100 );
    assert_int_equal( info_of( &nodes[ 0 ] ).bodies_by_out[ cases[ c ].form ], before+1 );
    assert_int_equal( pushed_cnt(), 3 );
    for( unsigned k = 1; k<4; k++ ) assert_int_equal( info_of( &nodes[ k ] ).txs_missing, 0 );   /* prefilled: less than 200 ms old */
  }
  /* Without stake nobody can say who relays. */
  for( unsigned i = 0; i<4; i++ ) members[ i ].weight = 0;
  for( unsigned i = 0; i<4; i++ ) assert_int_equal( dmg_chainnet_set_members( nodes[ i ].net, 0, members, 4, dmg_mem_net_now( world ) ), DMG_OK );
  body_make( 800, 1000 );
  pools_fill( 0, 0 );
  pushed_reset();
  push( 1, 5 );
  run( 100 );
  assert_int_equal( info_of( &nodes[ 1 ] ).bodies_by_out[ DMG_WIRE_COMPACT ], 1 );
  assert_int_equal( pushed_cnt(), 3 );
  end();
}

/* What others had to ask for counts as missing next time. */
static void test_pools_that_lack_much_bring_shards( void ** state ) {
  mesh( 3, 4 );
  for( unsigned c = 0; c<4; c++ ) {
    body_make( 800, 1000 );
    pools_fill( 500, 4 );                                /* each lacks 200 KB */
    pushed_reset();
    push( 0, 1+c );
    run( 300 );
    assert_int_equal( pushed_cnt(), 3 );
  }
  dmg_chainnet_info_t i = info_of( &nodes[ 0 ] );
  assert_true( i.bodies_by_out[ DMG_WIRE_COMPACT ]==2 && i.bodies_by_out[ DMG_WIRE_SHREDS ]==2 );   /* two shreds, then it is tried again */
  end();
}

/* --- what is missing -------------------------------------------------------------------------------------- */

static void test_missing_transactions_are_asked_of_the_leader( void ** state ) {
  mesh( 4, 16 );
  body_make( 1000, 220 );
  pools_fill( 500, 10 );
  push( 0, 1 );
  run( 60 );
  assert_int_equal( pushed_cnt(), 15 );
  for( unsigned k = 1; k<16; k++ ) assert_int_equal( info_of( &nodes[ k ] ).txs_missing, 100 );
  assert_int_equal( info_of( &nodes[ 0 ] ).requests_bad, 0 );
  end();
}

static void test_a_silent_leader_is_replaced_after_150_ms( void ** state ) {
  mesh( 5, 16 );
  body_make( 1000, 220 );
  for( unsigned i = 0; i<16; i++ ) pool_fill( i, 500, i%4==1 ? 10 : 0 );
  uint64_t at = dmg_mem_net_now( world );
  push( 0, 1 );
  nodes[ 0 ].is_stalled = true;                          /* it has spoken and reads no more */
  run( 100 );
  assert_int_equal( pushed_cnt(), 11 );
  run( 400 );
  assert_int_equal( pushed_cnt(), 15 );
  for( unsigned k = 1; k<16; k++ ) if( k%4==1 ) assert_true( nodes[ k ].pushed_us-at>150000 && nodes[ k ].pushed_us-at<500000 );
  end();
}

/* N8.7: two matches are none; a wrong match is a collision, unpunished, and the body comes by `bodies`. */
static void test_ids_that_meet( void ** state ) {
  mesh( 6, 4 );
  body_make( 1000, 220 );
  body_store( 1 );
  nodes[ 0 ].height = 1;                                 /* it has the block */
  pools_fill( 500, 0 );
  static uint8_t other[ 240 ] = { 1 };
  dmg_hash_t leaf = dmg_h( DMG_TAG_BODY_TX, txs[ 500 ] );
  pool_tx_t impostor = { .raw = DMG_SPAN( other ), .is_impostor = true, .leaf = leaf };
  pools[ 1 ][ nodes[ 1 ].pool_cnt++ ] = impostor;        /* beside the true one */
  pools[ 2 ][ 500 ] = impostor;                          /* in its place */
  push( 0, 1 );
  for( unsigned i = 1; i<4; i++ ) {                      /* the header came first */
    dmg_fetch_t f = { .what = DMG_FETCH_BODY, .hash = block_hash, .body_hash = body_hash, .body_len = (uint32_t)body.sz, .view = 1 };
    assert_int_equal( dmg_chainnet_fetch( nodes[ i ].net, &f, NULL, dmg_mem_net_now( world ) ), DMG_OK );
  }
  uint64_t asked = info_of( &nodes[ 0 ] ).requests_in;
  run( 100 );
  assert_int_equal( info_of( &nodes[ 1 ] ).txs_missing, 1 );
  assert_true( nodes[ 1 ].pushed==1 && nodes[ 3 ].pushed==1 && nodes[ 2 ].pushed==0 );
  assert_int_equal( info_of( &nodes[ 2 ] ).body_collisions, 1 );
  for( unsigned i = 1; i<4; i++ ) { assert_int_equal( nodes[ i ].got, 1 ); assert_int_equal( nodes[ i ].last_bytes_sz, body.sz ); }
  assert_true( info_of( &nodes[ 0 ] ).requests_in-asked<=2+3 );   /* one for its transaction, one for the body; statuses */
  assert_int_equal( info_of( &nodes[ 2 ] ).frames_bad+info_of( &nodes[ 2 ] ).requests_bad, 0 );
  end();
}

/* Headers travel before bodies: whoever wants the body of the present view waits for the push instead of asking for all of it. */
static void test_a_fetch_waits_for_the_push( void ** state ) {
  mesh( 7, 4 );
  body_make( 1000, 220 );
  body_store( 1 );
  nodes[ 0 ].height = 1;
  pools_fill( 500, 0 );
  dmg_fetch_t f = { .what = DMG_FETCH_BODY, .hash = block_hash, .body_hash = body_hash, .body_len = (uint32_t)body.sz, .view = 1 };
  uint64_t at = dmg_mem_net_now( world ), asked = info_of( &nodes[ 0 ] ).requests_in;
  for( unsigned i = 1; i<4; i++ ) assert_int_equal( dmg_chainnet_fetch( nodes[ i ].net, &f, NULL, at ), DMG_OK );
  run( 50 );
  push( 0, 1 );
  run( 50 );
  for( unsigned i = 1; i<4; i++ ) { assert_int_equal( nodes[ i ].got, 1 ); assert_int_equal( nodes[ i ].pushed, 1 ); }
  assert_int_equal( info_of( &nodes[ 0 ] ).requests_in, asked );
  /* No push: after 150 ms it asks.  A view that is past: at once. */
  body_make( 1000, 220 );
  body_store( 2 );
  nodes[ 0 ].height = 2;
  f = (dmg_fetch_t){ .what = DMG_FETCH_BODY, .hash = block_hash, .body_hash = body_hash, .body_len = (uint32_t)body.sz, .view = 2 };
  assert_int_equal( dmg_chainnet_fetch( nodes[ 1 ].net, &f, NULL, dmg_mem_net_now( world ) ), DMG_OK );
  run( 140 );
  assert_int_equal( nodes[ 1 ].got, 1 );
  run( 60 );
  assert_int_equal( nodes[ 1 ].got, 2 );
  dmg_chainnet_set_view( nodes[ 2 ].net, 0, 3, 0, 4 );
  assert_int_equal( dmg_chainnet_fetch( nodes[ 2 ].net, &f, NULL, dmg_mem_net_now( world ) ), DMG_OK );
  run( 40 );
  assert_int_equal( nodes[ 2 ].got, 2 );
  end();
}

/* --- a leader that says what it likes --------------------------------------------------------------------- */

typedef enum { IDS_TRUE, IDS_FALSE, IDS_ALIKE } ids_t;

/* A compact body of the test's under this head: its ids, of all transactions, under nonce. */
static dmg_buf_t compact_frame( dmg_wire_head_t head, uint64_t nonce, unsigned signer, ids_t what ) {
  static uint8_t          ids[ 6*TXS_MAX ];
  static dmg_span_t const none_prefilled[ TXS_MAX ];
  uint8_t key[ 16 ], b[ DMG_WIRE_HEAD_SZ ], none[ 2 ] = { 0, 0 };
  dmg_wire_short_key( &head.body_hash, nonce, key );
  for( uint32_t i = 0; i<tx_cnt; i++ ) {
    dmg_hash_t leaf = dmg_h( DMG_TAG_BODY_TX, txs[ i ] );
    uint8_t w[ 8 ];
    dmg_store_u64le( w, what==IDS_ALIKE ? 77 : dmg_wire_short_id( key, &leaf )^( what==IDS_FALSE ) );
    memcpy( ids+6*i, w, 6 );
  }
  dmg_wire_compact_t c = { .nonce = nonce, .lists = DMG_SPAN( none ), .ids = dmg_span( ids, 6*(size_t)tx_cnt ), .tx_cnt = tx_cnt };
  dmg_wire_head_sign( &head, &test_genesis, seeds[ signer ] );
  dmg_wire_head_encode( &head, b );
  dmg_buf_t f = dmg_buf( 3u<<20 );
  assert_int_equal( dmg_buf_append( &f, b, sizeof b ), DMG_OK );
  assert_int_equal( dmg_wire_compact_encode( &c, none_prefilled, &f ), DMG_OK );
  return f;
}

static dmg_wire_head_t head_of( uint64_t view ) { return (dmg_wire_head_t){ .view = view, .body_hash = body_hash, .body_len = (uint32_t)body.sz, .form = DMG_WIRE_COMPACT }; }

static void test_a_false_compact_body_costs_little( void ** state ) {
  raw_t r;
  raw_mesh( &r, 8, 4, 0 );
  body_make( 400, 220 );
  pools_fill( 500, 0 );
  node_t * nd = &nodes[ 1 ];
  size_t heap = info_of( nd ).heap_sz;
  dmg_buf_t f;
  dmg_wire_head_t h;
  /* Ids that nobody has: asked of the leader, who is silent, and of the others, who do not know it; then given up. */
  f = compact_frame( head_of( 1 ), 1, 0, IDS_FALSE );
  raw_send( &r, 1, 0, dmg_buf_span( &f ) );
  raw_run( &r, 1000 );
  assert_int_equal( nd->looks, 1 );
  assert_int_equal( info_of( nd ).txs_missing, 400 );
  assert_int_equal( r.req_cnt, 1 );
  for( unsigned k = 0; k<50; k++ ) raw_send( &r, 1, 0, dmg_buf_span( &f ) );   /* again: nothing is done for it */
  raw_run( &r, 1000 );
  assert_int_equal( nd->looks, 1 );
  assert_int_equal( r.req_cnt, 1 );
  dmg_buf_fini( &f );
  /* All ids the same, as of another head: no pool matches twice; a third head of that view is not looked at. */
  for( unsigned k = 0; k<2; k++ ) {
    h = head_of( 1 );
    h.body_hash.b[ 0 ] ^= (uint8_t)( 1+k );
    raw_give( &r, 1, 0, compact_frame( h, 2, 0, IDS_ALIKE ) );
    raw_run( &r, 800 );
  }
  assert_int_equal( nd->looks, 2 );
  assert_int_equal( info_of( nd ).frames_bad, 0 );
  assert_int_equal( nd->pushed, 0 );
  /* A far view; another's; signed by another; cut. */
  uint64_t dropped = info_of( nd ).frames_dropped;
  raw_give( &r, 1, 0, compact_frame( head_of( 13 ), 1, 0, IDS_TRUE ) );
  raw_run( &r, 50 );
  assert_int_equal( info_of( nd ).frames_dropped, dropped+1 );
  raw_give( &r, 1, 0, compact_frame( head_of( 5 ), 1, 0, IDS_TRUE ) );
  raw_give( &r, 1, 0, compact_frame( head_of( 2 ), 1, 1, IDS_TRUE ) );
  raw_run( &r, 50 );
  assert_int_equal( info_of( nd ).bodies_bad, 2 );
  f = compact_frame( head_of( 3 ), 1, 0, IDS_TRUE );
  raw_send( &r, 1, 0, dmg_span( f.p, f.sz-1 ) );          /* the head counts, its rest is nonsense */
  raw_run( &r, 50 );
  assert_int_equal( info_of( nd ).bodies_bad, 3 );
  dmg_buf_fini( &f );
  assert_int_equal( nd->looks, 2 );
  assert_true( info_of( nd ).heap_sz<=heap+( 1u<<20 ) );  /* what was given up is freed */
  /* A true one of view 4 gets through all the same. */
  raw_give( &r, 1, 0, compact_frame( head_of( 4 ), 9, 0, IDS_TRUE ) );
  raw_run( &r, 50 );
  assert_int_equal( nd->pushed, 1 );
  raw_end( &r );
}

static void test_false_answers_to_bodytx_are_passed_over( void ** state ) {
  raw_t r;
  raw_mesh( &r, 9, 4, 0 );
  body_make( 400, 220 );
  pools_fill( 500, 0 );
  pool_fill( 1, 500, 10 );
  dmg_buf_t f = compact_frame( head_of( 1 ), 1, 0, IDS_TRUE );
  for( unsigned i = 2; i<4; i++ ) raw_send( &r, i, 0, dmg_buf_span( &f ) );
  raw_run( &r, 50 );
  assert_int_equal( nodes[ 2 ].pushed+nodes[ 3 ].pushed, 2 );
  raw_send( &r, 1, 0, dmg_buf_span( &f ) );
  for( unsigned t = 0; t<20 && !r.req_cnt; t++ ) raw_run( &r, 5 );
  assert_int_equal( r.req_cnt, 1 );
  assert_int_equal( dmg_net_reply( r.port, r.reqs[ 0 ], DMG_WIRE_DATA, txs[ 0 ], false ), DMG_OK );   /* not the one asked for: another is asked at once */
  raw_run( &r, 50 );
  assert_int_equal( nodes[ 1 ].pushed, 1 );
  assert_int_equal( info_of( &nodes[ 1 ] ).bodies_bad, 1 );
  assert_int_equal( info_of( &nodes[ 1 ] ).frames_bad, 0 );
  dmg_buf_fini( &f );
  /* More transactions than were asked for. */
  dmg_wire_head_t h = head_of( 2 );
  h.body_hash.b[ 3 ] ^= 1;
  tx_cnt = 3;
  h.body_len = 1000;
  raw_give( &r, 1, 0, compact_frame( h, 1, 0, IDS_FALSE ) );
  raw_run( &r, 50 );
  assert_int_equal( r.req_cnt, 2 );
  raw_end( &r );
}

/* Views far ahead shall not take the room of the present one: 8 bodies in the making, the nearest stay. */
static void test_far_views_leave_room( void ** state ) {
  raw_t r;
  raw_mesh( &r, 10, 2, 0 );
  body_make( 100, 220 );
  size_t most = 0;
  for( uint64_t view = 4; view; view-- ) for( unsigned k = 0; k<2; k++ ) {
    dmg_wire_head_t h = head_of( view );
    h.body_hash.b[ 7 ] ^= (uint8_t)k;
    raw_give( &r, 1, 0, compact_frame( h, view, 0, IDS_FALSE ) );
    raw_run( &r, 10 );
    if( info_of( &nodes[ 1 ] ).heap_sz>most ) most = info_of( &nodes[ 1 ] ).heap_sz;
  }
  assert_int_equal( nodes[ 1 ].looks, 8 );
  dmg_chainnet_set_view( nodes[ 1 ].net, 0, 6, 5, 4 );   /* finality passes: all of it goes */
  assert_true( info_of( &nodes[ 1 ] ).heap_sz<most );
  raw_end( &r );
}

/* --- answers ---------------------------------------------------------------------------------------------- */

static void test_bodytx_and_txs_are_answered_within_limits( void ** state ) {
  raw_t r;
  raw_mesh( &r, 11, 4, 3 );
  body_make( 400, 220 );
  pools_fill( 500, 0 );
  push( 0, 1 );
  raw_run( &r, 50 );
  static dmg_wire_bodytx_req_t q;
  static dmg_wire_ids_req_t ids;
  static uint8_t b[ DMG_WIRE_BODYTX_REQ_SZ_MAX > DMG_WIRE_IDS_REQ_SZ_MAX ? DMG_WIRE_BODYTX_REQ_SZ_MAX : DMG_WIRE_IDS_REQ_SZ_MAX ];
  uint64_t id;
#define ASK( proto, sz ) do { r.chunks = 0; r.code = 99; assert_int_equal( dmg_net_request( r.port, r.conns[ 1 ], proto, dmg_span( b, sz ), 5000, &id ), DMG_OK ); raw_run( &r, 40 ); } while( 0 )
  q = (dmg_wire_bodytx_req_t){ .body_hash = body_hash, .cnt = 3, .idx = { 0, 5, 399 } };
  ASK( DMG_CHAINNET_BODYTX, dmg_wire_bodytx_req_encode( &q, b ) );   /* of one who rebuilt it */
  assert_true( r.chunks==3 && r.code==DMG_WIRE_DATA && r.last_sz==txs[ 399 ].sz );
  assert_memory_equal( r.last, txs[ 399 ].p, r.last_sz );
  q.idx[ 2 ] = 400;
  ASK( DMG_CHAINNET_BODYTX, dmg_wire_bodytx_req_encode( &q, b ) );
  assert_int_equal( r.code, DMG_WIRE_BAD_REQUEST );
  q.body_hash.b[ 0 ] ^= 1;
  ASK( DMG_CHAINNET_BODYTX, dmg_wire_bodytx_req_encode( &q, b ) );
  assert_int_equal( r.code, DMG_WIRE_NOT_HERE );
  ids.cnt = 2;
  ids.ids[ 0 ] = dmg_sha256( txs[ 7 ] );
  ids.ids[ 1 ] = (dmg_hash_t){ { 1 } };
  ASK( DMG_CHAINNET_TXREQ, dmg_wire_ids_req_encode( &ids, b ) );
  assert_true( r.chunks==2 && r.last_sz==1 && r.last[ 0 ]==0 );
  ids.cnt = 1;
  ASK( DMG_CHAINNET_TXREQ, dmg_wire_ids_req_encode( &ids, b ) );
  assert_true( r.last_sz==1+txs[ 7 ].sz && r.last[ 0 ]==1 && !memcmp( r.last+1, txs[ 7 ].p, txs[ 7 ].sz ) );
  /* 4,096 ids in 10 s. */
  uint32_t good = 0, slow = 0;
  ids.cnt = 256;
  for( unsigned k = 0; k<30; k++ ) {
    ASK( DMG_CHAINNET_TXREQ, dmg_wire_ids_req_encode( &ids, b ) );
    good += r.code==DMG_WIRE_DATA;
    slow += r.code==DMG_WIRE_SLOW_DOWN;
  }
  assert_true( good>=15 && good<=21 && good+slow==30 );
  raw_end( &r );
}

/* N9.2: 256 KiB/s a peer; more is dropped, not read on credit. */
static void test_forwarded_transactions_have_a_rate( void ** state ) {
  raw_t r;
  raw_mesh( &r, 12, 4, 3 );
  static uint8_t f[ 30000 ];
  uint32_t before = nodes[ 1 ].batches;
  for( unsigned k = 0; k<100; k++ ) {
    f[ 0 ] = 1; f[ 1 ] = 0xac; f[ 2 ] = 0xea; f[ 3 ] = 1;   /* one of 29,996 bytes */
    dmg_store_u32le( f+4, k );
    raw_send( &r, 1, 2, dmg_span( f, 4+29996 ) );
    raw_run( &r, 10 );
  }
  uint32_t got = nodes[ 1 ].batches-before;
  assert_true( got>=20 && got<=28 );                      /* 512 KiB at once, 256 KiB in the second */
  assert_int_equal( info_of( &nodes[ 1 ] ).frames_bad, 0 );
  raw_send( &r, 1, 2, DMG_SPAN_STR( "\x02\x01" "a" ) );
  raw_run( &r, 3000 );
  raw_send( &r, 1, 2, DMG_SPAN_STR( "\x02\x01" "a" ) );
  raw_run( &r, 50 );
  assert_true( info_of( &nodes[ 1 ] ).frames_bad>=1 );
  raw_end( &r );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_a_known_body_is_sent_as_short_ids ),
    cmocka_unit_test( test_the_form_follows_from_what_is_missing ),
    cmocka_unit_test( test_pools_that_lack_much_bring_shards ),
    cmocka_unit_test( test_missing_transactions_are_asked_of_the_leader ),
    cmocka_unit_test( test_a_silent_leader_is_replaced_after_150_ms ),
    cmocka_unit_test( test_ids_that_meet ),
    cmocka_unit_test( test_a_fetch_waits_for_the_push ),
    cmocka_unit_test( test_a_false_compact_body_costs_little ),
    cmocka_unit_test( test_false_answers_to_bodytx_are_passed_over ),
    cmocka_unit_test( test_far_views_leave_room ),
    cmocka_unit_test( test_bodytx_and_txs_are_answered_within_limits ),
    cmocka_unit_test( test_forwarded_transactions_have_a_rate ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
