/* Bodies of proposals on the wire: forms, compact ones and what they lack, shards and relays, with leaders and relays that lie, repeat, are silent. */
#define VALIDATORS_N 16
#include "network/test_chainnet_util.h"
#include "network/chainnet_int.h"
#include "network/port_mem.h"

enum { TXS_MAX = 5000 };

static dmg_mem_net_t *      world;
static dmg_chainnet_setup_t setup;
static node_t               nodes[ VALIDATORS ];
static unsigned             node_cnt;
static store_t *            store;
static uint64_t             rng;
static pool_tx_t            pools[ VALIDATORS ][ TXS_MAX ];
/* The body of the test. */
static dmg_span_t           txs[ TXS_MAX ];
static uint32_t             tx_cnt;
static uint8_t *            tx_mem;
static dmg_buf_t            body;
static dmg_hash_t           body_hash, block_hash;

/* --- the rig ---------------------------------------------------------------------------------------------- */

static void begin( uint64_t seed ) {
  printf( "seed %llu\n", (unsigned long long)seed );
  members_make();
  dmg_chainnet_setup( &test_genesis, 0, &setup );
  world    = dmg_mem_net_new( seed );
  node_cnt = 0;
  store    = store_new( seed, 0, 0 );
  rng      = seed;
  dmg_mem_net_faults( world, &(dmg_mem_faults_t){ .delay_us = 5000, .jitter_us = 3000 } );
}

static void end( void ) {
  for( unsigned i = 0; i<node_cnt; i++ ) node_end( &nodes[ i ] );
  dmg_mem_net_free( world );
  store_free( store );
  dmg_buf_fini( &body );
  free( tx_mem );
  tx_mem = NULL;
}

static void run_to( uint64_t until ) {
  for( ;; ) {
    uint64_t now = dmg_mem_net_now( world ), next = UINT64_MAX;
    bool is_busy = false;
    for( unsigned i = 0; i<node_cnt; i++ ) {
      if( !nodes[ i ].net || nodes[ i ].is_stalled ) continue;
      node_hello( &nodes[ i ], now );
      while( node_step( &nodes[ i ], now ) ) is_busy = true;
      uint64_t wake = dmg_chainnet_wake_us( nodes[ i ].net );
      if( wake<next ) next = wake;
      if( !nodes[ i ].is_idle && nodes[ i ].hello_us<next ) next = nodes[ i ].hello_us;
    }
    if( dmg_mem_net_due( world )<next ) next = dmg_mem_net_due( world );
    if( is_busy && next<=now ) continue;
    if( next<=now ) next = now+100;
    if( next>until ) break;
    dmg_mem_net_advance( world, next );
  }
  dmg_mem_net_advance( world, until );
  for( unsigned i = 0; i<node_cnt; i++ ) if( nodes[ i ].net && !nodes[ i ].is_stalled ) while( node_step( &nodes[ i ], until ) ) {}
}

static void run( uint64_t ms ) { run_to( dmg_mem_net_now( world )+ms*1000 ); }

#define RUN_UNTIL( cond, ms ) do { \
    uint64_t end_ = dmg_mem_net_now( world )+(uint64_t)( ms )*1000; \
    while( !( cond ) ) { if( dmg_mem_net_now( world )>=end_ ) fail_msg( "waited in vain for %s", #cond ); run( 5 ); } \
  } while( 0 )

/* Validators 0 .. n-1 of a set of set_cnt; all but those of the mask, whose port a test plays itself. */
static void validators( unsigned n, uint32_t raw_mask, unsigned set_cnt ) {
  for( unsigned i = 0; i<n; i++ ) {
    uint8_t key[ 32 ];
    node_t * nd = &nodes[ node_cnt++ ];
    *nd = (node_t){ .index = (int)i };
    if( raw_mask>>i&1 ) continue;
    dmg_ed25519_public( seeds[ i ], key );
    node_begin( nd, (int)i, seeds[ i ], dmg_mem_port_open( world, key, setup.protos, DMG_CHAINNET_PROTO_CNT ), store, false, dmg_mem_net_now( world ) );
    assert_int_equal( dmg_chainnet_set_members( nd->net, 0, members, set_cnt, dmg_mem_net_now( world ) ), DMG_OK );
    dmg_chainnet_set_view( nd->net, 0, 1, 0, 4 );
  }
  for( unsigned i = 0; i<n; i++ ) for( unsigned k = 0; k<n; k++ )
    if( i!=k && nodes[ i ].net && nodes[ k ].net ) assert_int_equal( dmg_chainnet_add_peer( nodes[ i ].net, &nodes[ k ].port->self, (char const *[]){ "/mem" }, 1 ), DMG_OK );
}

static bool is_mesh( void ) {
  unsigned cnt = 0;
  for( unsigned i = 0; i<node_cnt; i++ ) cnt += nodes[ i ].net!=NULL;
  for( unsigned i = 0; i<node_cnt; i++ ) if( nodes[ i ].net && info_of( &nodes[ i ] ).link_cnt<cnt-1 ) return false;
  return true;
}

/* cnt transactions of about sz bytes and the body of them; in the store as a block that nobody holds. */
static void body_make( uint32_t cnt, uint32_t sz ) {
  dmg_buf_fini( &body );
  free( tx_mem );
  tx_mem = malloc( (size_t)cnt*( sz+40 ) );
  tx_cnt = cnt;
  for( uint32_t i = 0, at = 0; i<cnt; i++ ) {
    uint32_t n = sz+i%37;
    for( uint32_t k = 0; k<n; k++ ) tx_mem[ at+k ] = (uint8_t)dmg_rnd_u64( &rng );
    txs[ i ] = dmg_span( tx_mem+at, n );
    at += n;
  }
  dmg_body_t b = { .txs = txs, .tx_cnt = cnt };
  body = dmg_buf( 1u<<20 );
  assert_int_equal( dmg_body_encode( &b, &body ), DMG_OK );
  body_hash = dmg_body_hash( &b );
}

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

/* All transactions but each of `lack` into a node's pool, of that age. */
static void pool_fill( unsigned i, uint64_t age_ms, uint32_t lack ) {
  nodes[ i ].pool     = pools[ i ];
  nodes[ i ].pool_cnt = 0;
  for( uint32_t k = 0; k<tx_cnt; k++ ) if( !lack || k%lack!=i%lack ) pools[ i ][ nodes[ i ].pool_cnt++ ] = (pool_tx_t){ .raw = txs[ k ], .age_ms = age_ms };
}

static void pools_fill( uint64_t age_ms, uint32_t lack ) { for( unsigned i = 0; i<node_cnt; i++ ) pool_fill( i, age_ms, i ? lack : 0 ); }

static void push( unsigned i, uint64_t view ) { assert_int_equal( dmg_chainnet_push_body( nodes[ i ].net, 0, view, &body_hash, dmg_buf_span( &body ) ), DMG_OK ); }

static unsigned pushed_cnt( void ) {
  unsigned cnt = 0;
  for( unsigned i = 0; i<node_cnt; i++ ) if( nodes[ i ].net && nodes[ i ].pushed && dmg_hash_eq( &nodes[ i ].last_hash, &body_hash ) ) { assert_int_equal( nodes[ i ].last_bytes_sz, body.sz ); cnt++; }
  return cnt;
}

static void pushed_reset( void ) { for( unsigned i = 0; i<node_cnt; i++ ) nodes[ i ].pushed = nodes[ i ].looks = 0; }

/* --- forms ------------------------------------------------------------------------------------------------ */

static void test_a_known_body_is_sent_as_short_ids( void ** state ) {
  (void)state;
  begin( 1 );
  validators( 16, 0, 16 );
  RUN_UNTIL( is_mesh(), 5000 );
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
  (void)state;
  begin( 2 );
  validators( 4, 0, 4 );
  RUN_UNTIL( is_mesh(), 5000 );
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
  (void)state;
  begin( 3 );
  validators( 4, 0, 4 );
  RUN_UNTIL( is_mesh(), 5000 );
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
  (void)state;
  begin( 4 );
  validators( 16, 0, 16 );
  RUN_UNTIL( is_mesh(), 5000 );
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
  (void)state;
  begin( 5 );
  validators( 16, 0, 16 );
  RUN_UNTIL( is_mesh(), 5000 );
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
  (void)state;
  begin( 6 );
  validators( 4, 0, 4 );
  RUN_UNTIL( is_mesh(), 5000 );
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
  (void)state;
  begin( 7 );
  validators( 4, 0, 4 );
  RUN_UNTIL( is_mesh(), 5000 );
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

typedef struct { dmg_net_port_t * port; uint32_t conns[ VALIDATORS ]; uint64_t streams[ VALIDATORS ][ 3 ], cons[ VALIDATORS ]; uint64_t reqs[ 64 ]; uint32_t req_cnt, chunks, conn_downs; uint16_t code; uint8_t last[ 300 ]; size_t last_sz; } raw_t;

static void raw_pump( raw_t * r ) {
  dmg_net_ev_t evs[ 16 ];
  for( int urgent = 1; urgent>=0; urgent-- ) for( size_t n; ( n = dmg_net_poll( r->port, urgent, evs, 16 ) )>0; ) for( size_t i = 0; i<n; i++ ) {
    dmg_net_ev_t * ev = &evs[ i ];
    if( ev->kind==DMG_NET_NOTIFY_UP && !ev->code ) assert_int_equal( dmg_net_notify_answer( r->port, ev->id, 0 ), DMG_OK );
    if( ev->kind==DMG_NET_CONN_DOWN ) r->conn_downs++;
    if( ev->kind==DMG_NET_REQ && ev->proto==DMG_CHAINNET_BODYTX && r->req_cnt<64 ) r->reqs[ r->req_cnt++ ] = ev->id;
    if( ev->kind==DMG_NET_CHUNK ) { r->chunks++; r->code = ev->code; r->last_sz = ev->data.sz<sizeof r->last ? ev->data.sz : sizeof r->last; if( r->last_sz ) memcpy( r->last, ev->data.p, r->last_sz ); }
    dmg_net_release( r->port, ev );
  }
}

static void raw_run( raw_t * r, uint64_t ms ) {
  uint8_t hello[ 1+DMG_HELLO_SZ ] = { DMG_FRAME_HELLO };
  dmg_hello_encode( &(dmg_hello_t){ .cur = 1 }, hello+1 );
  for( uint64_t t = 0; t<ms; t += 5 ) {
    if( t%1000==0 ) for( unsigned i = 0; i<node_cnt; i++ ) if( r->conns[ i ] ) { dmg_err_t err = dmg_net_notify_send( r->port, r->cons[ i ], 0, 0, DMG_SPAN( hello ) ); (void)err; }
    run( 5 );
    raw_pump( r );
  }
}

static void raw_open( raw_t * r, unsigned index ) {
  static dmg_net_proto_t protos[ DMG_CHAINNET_PROTO_CNT ];
  memcpy( protos, setup.protos, sizeof protos );
  for( unsigned i = 0; i<DMG_CHAINNET_PROTO_CNT; i++ ) { protos[ i ].frame_max = protos[ i ].request_max = 3u<<20; protos[ i ].queue_max = 64u<<20; }
  uint8_t key[ 32 ], b[ DMG_WIRE_HELLO_SZ ];
  dmg_ed25519_public( seeds[ index ], key );
  *r = (raw_t){ .port = dmg_mem_port_open( world, key, protos, DMG_CHAINNET_PROTO_CNT ) };
  dmg_wire_hello_encode( &(dmg_wire_hello_t){ .genesis = test_genesis }, b );
  for( unsigned i = 0; i<node_cnt; i++ ) if( nodes[ i ].net ) assert_int_equal( dmg_net_dial( r->port, &nodes[ i ].port->self, (char const *[]){ "/mem" }, 1, false, &r->conns[ i ] ), DMG_OK );
  raw_run( r, 50 );
  for( unsigned i = 0; i<node_cnt; i++ ) if( nodes[ i ].net ) {
    assert_int_equal( dmg_net_notify_open( r->port, r->conns[ i ], DMG_CHAINNET_CONS, DMG_SPAN( b ), &r->cons[ i ] ), DMG_OK );
    for( uint16_t p = 0; p<3; p++ ) assert_int_equal( dmg_net_notify_open( r->port, r->conns[ i ], (uint16_t)( DMG_CHAINNET_BODY+p ), DMG_SPAN( b ), &r->streams[ i ][ p ] ), DMG_OK );
  }
  raw_run( r, 100 );
}

static void raw_send( raw_t * r, unsigned to, unsigned side, dmg_span_t frame ) {
  assert_int_equal( dmg_net_notify_send( r->port, r->streams[ to ][ side ], 0, 0, frame ), DMG_OK );
}

/* A compact body of the test's: all ids under nonce, but what edit does to head and parts. */
static dmg_buf_t compact_frame( dmg_wire_head_t * head, uint64_t nonce, unsigned signer, bool is_prefilled, int edit ) {
  static uint8_t    ids[ 6*TXS_MAX ];
  static dmg_span_t pre[ TXS_MAX ];
  uint8_t key[ 16 ], b[ DMG_WIRE_HEAD_SZ ], none[ 2 ] = { 0, 0 };
  dmg_wire_short_key( &head->body_hash, nonce, key );
  for( uint32_t i = 0; i<tx_cnt; i++ ) {
    dmg_hash_t leaf = dmg_h( DMG_TAG_BODY_TX, txs[ i ] );
    uint8_t w[ 8 ];
    dmg_store_u64le( w, edit==2 ? 77 : dmg_wire_short_id( key, &leaf )^( edit==1 ) );   /* 1: wrong ids; 2: all the same */
    memcpy( ids+6*i, w, 6 );
    pre[ i ] = is_prefilled ? txs[ i ] : dmg_span( NULL, 0 );
  }
  dmg_wire_compact_t c = { .nonce = nonce, .lists = DMG_SPAN( none ), .ids = dmg_span( ids, is_prefilled ? 0 : 6*(size_t)tx_cnt ), .tx_cnt = tx_cnt };
  dmg_wire_head_sign( head, &test_genesis, seeds[ signer ] );
  dmg_wire_head_encode( head, b );
  dmg_buf_t f = dmg_buf( 3u<<20 );
  assert_int_equal( dmg_buf_append( &f, b, sizeof b ), DMG_OK );
  assert_int_equal( dmg_wire_compact_encode( &c, pre, &f ), DMG_OK );
  return f;
}

static dmg_wire_head_t head_of( uint64_t view ) { return (dmg_wire_head_t){ .view = view, .body_hash = body_hash, .body_len = (uint32_t)body.sz, .form = DMG_WIRE_COMPACT }; }

static void test_a_false_compact_body_costs_little( void ** state ) {
  (void)state;
  begin( 8 );
  validators( 4, 1, 4 );                                 /* 0 is ours; it leads 1 to 4 */
  raw_t r;
  raw_open( &r, 0 );
  RUN_UNTIL( is_mesh(), 5000 );
  raw_run( &r, 100 );
  body_make( 400, 220 );
  pools_fill( 500, 0 );
  node_t * nd = &nodes[ 1 ];
  size_t heap = info_of( nd ).heap_sz;
  dmg_buf_t f;
  dmg_wire_head_t h;
  /* Ids that nobody has: asked of the leader, who is silent, and of the others, who do not know it; then given up. */
  h = head_of( 1 );
  f = compact_frame( &h, 1, 0, false, 1 );
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
    f = compact_frame( &h, 2, 0, false, 2 );
    raw_send( &r, 1, 0, dmg_buf_span( &f ) );
    dmg_buf_fini( &f );
    raw_run( &r, 800 );
  }
  assert_int_equal( nd->looks, 2 );
  assert_int_equal( info_of( nd ).frames_bad, 0 );
  assert_int_equal( nd->pushed, 0 );
  /* Far, past and others' views; signed by another; cut, grown, of nothing. */
  uint64_t dropped = info_of( nd ).frames_dropped;
  h = head_of( 13 );
  f = compact_frame( &h, 1, 0, false, 0 );
  raw_send( &r, 1, 0, dmg_buf_span( &f ) );
  raw_run( &r, 50 );
  assert_int_equal( info_of( nd ).frames_dropped, dropped+1 );
  dmg_buf_fini( &f );
  h = head_of( 5 );
  f = compact_frame( &h, 1, 0, false, 0 );
  raw_send( &r, 1, 0, dmg_buf_span( &f ) );
  dmg_buf_fini( &f );
  h = head_of( 2 );
  f = compact_frame( &h, 1, 1, false, 0 );
  raw_send( &r, 1, 0, dmg_buf_span( &f ) );
  dmg_buf_fini( &f );
  raw_run( &r, 50 );
  assert_int_equal( info_of( nd ).bodies_bad, 2 );
  h = head_of( 3 );
  f = compact_frame( &h, 1, 0, false, 0 );
  raw_send( &r, 1, 0, dmg_span( f.p, f.sz-1 ) );          /* the head counts, its rest is nonsense */
  raw_run( &r, 50 );
  assert_int_equal( info_of( nd ).bodies_bad, 3 );
  dmg_buf_fini( &f );
  assert_int_equal( nd->looks, 2 );
  assert_true( info_of( nd ).heap_sz<=heap+( 1u<<20 ) );  /* what was given up is freed */
  /* A true one of view 4 gets through all the same. */
  h = head_of( 4 );
  f = compact_frame( &h, 9, 0, false, 0 );
  raw_send( &r, 1, 0, dmg_buf_span( &f ) );
  raw_run( &r, 50 );
  assert_int_equal( nd->pushed, 1 );
  dmg_buf_fini( &f );
  dmg_net_free( r.port );
  end();
}

static void test_false_answers_to_bodytx_are_passed_over( void ** state ) {
  (void)state;
  begin( 9 );
  validators( 4, 1, 4 );
  raw_t r;
  raw_open( &r, 0 );
  RUN_UNTIL( is_mesh(), 5000 );
  raw_run( &r, 100 );
  body_make( 400, 220 );
  pools_fill( 500, 0 );
  pool_fill( 1, 500, 10 );
  dmg_wire_head_t h = head_of( 1 );
  dmg_buf_t f = compact_frame( &h, 1, 0, false, 0 );
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
  h = head_of( 2 );
  h.body_hash.b[ 3 ] ^= 1;
  tx_cnt = 3;
  h.body_len = 1000;
  f = compact_frame( &h, 1, 0, false, 1 );
  raw_send( &r, 1, 0, dmg_buf_span( &f ) );
  raw_run( &r, 50 );
  assert_int_equal( r.req_cnt, 2 );
  dmg_buf_fini( &f );
  dmg_net_free( r.port );
  end();
}

/* Views far ahead shall not take the room of the present one: 8 bodies in the making, the nearest stay. */
static void test_far_views_leave_room( void ** state ) {
  (void)state;
  begin( 10 );
  validators( 2, 1, 1 );                                 /* a set of one: validator 0 leads all */
  for( unsigned i = 1; i<2; i++ ) assert_int_equal( dmg_chainnet_set_members( nodes[ i ].net, 0, members, 2, dmg_mem_net_now( world ) ), DMG_OK );
  raw_t r;
  raw_open( &r, 0 );
  raw_run( &r, 100 );
  body_make( 100, 220 );
  size_t most = 0;
  for( uint64_t view = 4; view; view-- ) for( unsigned k = 0; k<2; k++ ) {
    dmg_wire_head_t h = head_of( view );
    h.body_hash.b[ 7 ] ^= (uint8_t)k;
    dmg_buf_t f = compact_frame( &h, view, 0, false, 1 );
    raw_send( &r, 1, 0, dmg_buf_span( &f ) );
    dmg_buf_fini( &f );
    raw_run( &r, 10 );
    if( info_of( &nodes[ 1 ] ).heap_sz>most ) most = info_of( &nodes[ 1 ] ).heap_sz;
  }
  assert_int_equal( nodes[ 1 ].looks, 8 );
  dmg_chainnet_set_view( nodes[ 1 ].net, 0, 6, 5, 4 );   /* finality passes: all of it goes */
  assert_true( info_of( &nodes[ 1 ] ).heap_sz<most );
  dmg_net_free( r.port );
  end();
}

/* --- answers ---------------------------------------------------------------------------------------------- */

static void test_bodytx_and_txs_are_answered_within_limits( void ** state ) {
  (void)state;
  begin( 11 );
  validators( 4, 8, 4 );
  raw_t r;
  raw_open( &r, 3 );
  RUN_UNTIL( is_mesh(), 5000 );
  raw_run( &r, 100 );
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
  dmg_net_free( r.port );
  end();
}

/* N9.2: 256 KiB/s a peer; more is dropped, not read on credit. */
static void test_forwarded_transactions_have_a_rate( void ** state ) {
  (void)state;
  begin( 12 );
  validators( 4, 8, 4 );
  raw_t r;
  raw_open( &r, 3 );
  RUN_UNTIL( is_mesh(), 5000 );
  raw_run( &r, 100 );
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
  dmg_net_free( r.port );
  end();
}

/* --- shards ----------------------------------------------------------------------------------------------- */

static void test_shares_follow_the_stake( void ** state ) {
  (void)state;
  static set_t s;
  /* Four equal: 16 shards, four each; any third has four. */
  s = (set_t){ .cnt = 4, .weights = { 5, 5, 5, 5 } };
  shred_shares( &s );
  assert_true( s.k==8 && s.n==16 );
  for( unsigned i = 0; i<4; i++ ) assert_int_equal( s.share[ i ], 4 );
  /* 10/17 x 16 = 9.41, 6/17 x 16 = 5.65, 1/17 x 16 = 0.94: 9 5 0, then the largest rests: 2 and 1. */
  s = (set_t){ .cnt = 3, .weights = { 10, 6, 1 } };
  shred_shares( &s );
  assert_true( s.share[ 0 ]==9 && s.share[ 1 ]==6 && s.share[ 2 ]==1 && s.k==8 );
  for( unsigned i = 0; i<DMG_SET_MAX; i++ ) s.weights[ i ] = 1;
  s.cnt = DMG_SET_MAX;
  shred_shares( &s );
  assert_true( s.k==64 && s.n==128 && s.share[ 0 ]==1 && s.share[ 127 ]==1 );
  s.cnt = 100;
  shred_shares( &s );                                    /* 28 have two; 33 of them hold 28 x 2 + 5 = 61 */
  assert_true( s.k==64 && s.share[ 0 ]==2 && s.share[ 27 ]==2 && s.share[ 28 ]==1 );
  s.cnt = 65;                                            /* 63 have two: a third, 21, holds 42 */
  shred_shares( &s );
  assert_true( s.k==64 && s.n==128 );
  s = (set_t){ .cnt = 2, .weights = { UINT64_MAX, 1 } };
  shred_shares( &s );
  assert_true( s.total==0 && s.k==0 );
  /* Against all subsets, on random stakes: k is the largest that a third's silence leaves. */
  uint64_t seed = 99;
  printf( "seed %llu\n", (unsigned long long)seed );
  for( unsigned round = 0; round<300; round++ ) {
    uint32_t cnt = 1+(uint32_t)( dmg_rnd_u64( &seed )%12 ), most = 0;
    s = (set_t){ .cnt = cnt };
    for( uint32_t i = 0; i<cnt; i++ ) s.weights[ i ] = 1+( round%3 ? dmg_rnd_u64( &seed )%100 : i%4==0 ? 1000 : dmg_rnd_u64( &seed )%200 );
    shred_shares( &s );
    uint32_t full = s.n/2, sum = 0;
    for( uint32_t i = 0; i<cnt; i++ ) sum += s.share[ i ];
    assert_true( sum==s.n && full>=8 );
    for( uint32_t m = 0; m<1u<<cnt; m++ ) {
      uint64_t w = 0;
      uint32_t v = 0;
      for( uint32_t i = 0; i<cnt; i++ ) if( m>>i&1 ) { w += s.weights[ i ]; v += s.share[ i ]; }
      if( 3*w<s.total && v>most ) most = v;
    }
    assert_int_equal( shred_third( &s ), most );
    assert_int_equal( s.k, full );                       /* up to 64 members none needs less */
  }
  /* 100 of half a shard, of whom 50 get one, and 26 of three: 49 and six of the others are less than a third and hold 67 of 128. */
  s = (set_t){ .cnt = 126 };
  for( uint32_t i = 0; i<126; i++ ) s.weights[ i ] = i<100 ? 1 : 6;
  shred_shares( &s );
  assert_true( s.share[ 49 ]==1 && s.share[ 50 ]==0 && s.share[ 125 ]==3 );
  assert_int_equal( shred_third( &s ), 67 );
  assert_true( s.n==128 && s.k==61 );
}

/* A leader's own shards, as it likes them: edit 1 parity of nothing, 2 a body of another hash. */
typedef struct { dmg_wire_head_t head; uint8_t mem[ 16*131072 ]; dmg_hash_t leaves[ 16 ]; size_t sz; } shards_t;

static void shards_make( shards_t * s, uint64_t view, int edit ) {
  static dmg_rs_t rs;
  s->sz = dmg_wire_shard_sz( (uint32_t)body.sz, 8 );
  memset( s->mem, 0, sizeof s->mem );
  memcpy( s->mem, body.p, body.sz );
  dmg_rs_init( &rs, 8, 16 );
  dmg_rs_encode( &rs, s->sz, s->mem, s->mem+8*s->sz );
  if( edit==1 ) memset( s->mem+12*s->sz, 0x55, 4*s->sz );
  if( edit==2 ) { s->mem[ 100 ] ^= 1; dmg_rs_encode( &rs, s->sz, s->mem, s->mem+8*s->sz ); }
  dmg_merkle_t t;
  dmg_merkle_init( &t );
  for( unsigned i = 0; i<16; i++ ) { s->leaves[ i ] = dmg_h( DMG_TAG_NET_SHRED_LEAF, dmg_span( s->mem+i*s->sz, s->sz ) ); dmg_merkle_add( &t, DMG_TAG_NET_SHRED_NODE, &s->leaves[ i ] ); }
  s->head = (dmg_wire_head_t){ .view = view, .body_hash = body_hash, .body_len = (uint32_t)body.sz, .form = DMG_WIRE_SHREDS, .k = 8, .shard_root = dmg_merkle_end( &t, DMG_TAG_NET_SHRED_NODE ) };
  dmg_wire_head_sign( &s->head, &test_genesis, seeds[ 0 ] );
}

static dmg_buf_t shard_frame( shards_t * s, unsigned i ) {
  dmg_hash_t work[ 16 ];
  dmg_wire_shard_t w = { .head = s->head, .index = (uint16_t)i, .bytes = dmg_span( s->mem+i*s->sz, s->sz ) };
  memcpy( work, s->leaves, sizeof work );
  dmg_merkle_path( DMG_TAG_NET_SHRED_NODE, work, 16, i, &w.path );
  dmg_buf_t f = dmg_buf( 1u<<20 );
  assert_int_equal( dmg_wire_shard_encode( &w, &f ), DMG_OK );
  return f;
}

/* By Python's hashlib and a field by shift and xor: who relays; the root over the shards of 300 bytes. */
static void test_relays_and_roots_are_these( void ** state ) {
  (void)state;
  begin( 19 );
  validators( 2, 0, 4 );
  assert_int_equal( dmg_chainnet_set_members( nodes[ 1 ].net, 3, members, 4, dmg_mem_net_now( world ) ), DMG_OK );
  uint8_t relays[ DMG_WIRE_SHARD_CNT_MAX ];
  uint8_t const want[ 16 ] = { 1, 0, 0, 0, 0, 3, 2, 3, 3, 1, 1, 3, 2, 1, 2, 2 };
  assert_true( shred_relays( nodes[ 1 ].net, set_of( nodes[ 1 ].net, 3 ), 9, relays ) );
  assert_memory_equal( relays, want, 16 );
  uint8_t bytes[ 300 ];
  for( unsigned i = 0; i<300; i++ ) bytes[ i ] = (uint8_t)( i*7+3 );
  body = dmg_buf( 1u<<20 );
  assert_int_equal( dmg_buf_append( &body, bytes, sizeof bytes ), DMG_OK );
  static shards_t s;
  shards_make( &s, 1, 0 );
  char hex[ 65 ];
  dmg_hex_encode( s.head.shard_root.b, 32, hex );
  assert_string_equal( hex, "b7f5153ffb79ea746980e2104dadfa812ec29ff86142de16d5b8f2aee037f9d5" );
  end();
}

static void test_shards_bring_a_large_body( void ** state ) {
  (void)state;
  for( unsigned n = 4; n<=16; n += 12 ) {
    begin( 20+n );
    validators( n, 0, n );
    RUN_UNTIL( is_mesh(), 5000 );
    body_make( 1000, 1020 );
    push( 0, 1 );
    run( 100 );
    assert_int_equal( pushed_cnt(), n-1 );
    uint64_t relayed = 0, in = 0;
    uint32_t k = n<8 ? 8 : n;
    for( unsigned i = 1; i<n; i++ ) {
      relayed += info_of( &nodes[ i ] ).shards_relayed;
      in      += info_of( &nodes[ i ] ).shards_in;
      assert_int_equal( info_of( &nodes[ i ] ).bodies_by_in[ DMG_WIRE_SHREDS ], 1 );
      assert_int_equal( info_of( &nodes[ i ] ).shards_bad, 0 );
    }
    uint32_t own = 2*k/n;
    assert_int_equal( relayed, 2*k-own );
    assert_int_equal( in, (uint64_t)( 2*k )*( n-1 ) );   /* each shard once to everybody */
    uint64_t sz = DMG_WIRE_HEAD_SZ+2+1+33*( k==8 ? 4 : 5 )+dmg_wire_shard_sz( (uint32_t)body.sz, k );
    assert_int_equal( info_of( &nodes[ 0 ] ).bodies_sz_out, sz*( 2*k-own+own*( n-1 ) ) );
    push( 0, 1 );                                        /* again: late or twice, dropped, nothing relayed */
    run( 100 );
    for( unsigned i = 1; i<n; i++ ) relayed -= info_of( &nodes[ i ] ).shards_relayed;
    assert_int_equal( relayed, 0 );
    end();
  }
}

static void test_silent_relays_are_lived_with( void ** state ) {
  (void)state;
  begin( 40 );
  validators( 16, 0, 16 );
  RUN_UNTIL( is_mesh(), 5000 );
  body_make( 1000, 1020 );
  for( unsigned i = 11; i<16; i++ ) nodes[ i ].is_stalled = true;   /* 5 of 16: just below a third */
  push( 0, 1 );
  run( 100 );
  assert_int_equal( pushed_cnt(), 10 );
  /* And with frames lost and broken beside. */
  for( unsigned i = 11; i<16; i++ ) nodes[ i ].is_stalled = false;
  run( 3000 );
  dmg_mem_net_faults( world, &(dmg_mem_faults_t){ .delay_us = 5000, .jitter_us = 3000, .drop = 40, .garbage = 20 } );
  for( unsigned i = 12; i<16; i++ ) nodes[ i ].is_stalled = true;
  body_make( 1000, 1020 );
  pushed_reset();
  push( 0, 2 );
  run( 100 );
  assert_true( pushed_cnt()>=10 );
  end();
}

/* Who relays which shard of a view, as the nodes see it. */
static void relays_of( uint64_t view, uint8_t out[ DMG_WIRE_SHARD_CNT_MAX ] ) { assert_true( shred_relays( nodes[ 1 ].net, set_of( nodes[ 1 ].net, 0 ), view, out ) ); }

static void test_false_shards_are_told_from_true_ones( void ** state ) {
  (void)state;
  begin( 50 );
  validators( 4, 1, 4 );
  raw_t r;
  raw_open( &r, 0 );
  RUN_UNTIL( is_mesh(), 5000 );
  raw_run( &r, 100 );
  body_make( 900, 1000 );
  static shards_t s;
  uint8_t relays[ DMG_WIRE_SHARD_CNT_MAX ];
  uint64_t bad = 0;
  node_t * nd = &nodes[ 1 ];
  shards_make( &s, 1, 0 );
  relays_of( 1, relays );
  unsigned mine = 0, others = 0, leaders = 0;
  while( relays[ mine ]!=1 ) mine++;
  while( relays[ others ]!=2 ) others++;
  while( relays[ leaders ]!=0 ) leaders++;
#define SEND( frame_ ) do { dmg_buf_t f_ = frame_; raw_send( &r, 1, 1, dmg_buf_span( &f_ ) ); dmg_buf_fini( &f_ ); raw_run( &r, 30 ); } while( 0 )
  /* Another relay's, from the leader; a byte wrong; another index; another's path; another k; signed by another. */
  SEND( shard_frame( &s, others ) );
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  dmg_buf_t f = shard_frame( &s, mine );
  f.p[ f.sz-1 ] ^= 1;
  SEND( f );
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  f = shard_frame( &s, mine );
  unsigned second = mine+1;
  while( second<16 && relays[ second ]!=1 ) second++;
  assert_true( second<16 );
  dmg_store_u16le( f.p+DMG_WIRE_HEAD_SZ, (uint16_t)second );
  SEND( f );
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  f = shard_frame( &s, mine );
  dmg_store_u16le( f.p+DMG_WIRE_HEAD_SZ, 16 );
  SEND( f );
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  f = shard_frame( &s, mine );
  SEND( ( f.sz--, f ) );                                  /* shorter than a shard of this body */
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  static shards_t t;
  shards_make( &t, 2, 0 );
  t.head.k = 4;
  dmg_wire_head_sign( &t.head, &test_genesis, seeds[ 0 ] );
  t.sz = dmg_wire_shard_sz( (uint32_t)body.sz, 4 )<=131072 ? t.sz : t.sz;
  f = shard_frame( &t, mine );
  SEND( f );                                              /* its shards would be twice as large */
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  shards_make( &t, 2, 0 );
  dmg_wire_head_sign( &t.head, &test_genesis, seeds[ 1 ] );
  SEND( shard_frame( &t, mine ) );
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  assert_int_equal( info_of( nd ).shards_relayed, 0 );
  /* The true ones: relayed once each, however often they come. */
  SEND( shard_frame( &s, mine ) );
  SEND( shard_frame( &s, mine ) );
  assert_int_equal( info_of( nd ).shards_relayed, 1 );
  assert_int_equal( info_of( &nodes[ 2 ] ).shards_in, 1 );
  SEND( shard_frame( &s, leaders ) );
  assert_int_equal( info_of( nd ).shards_relayed, 1 );
  assert_int_equal( info_of( nd ).shards_bad, bad );
  for( unsigned i = 0; i<16; i++ ) for( unsigned to = 1; to<4; to++ ) if( relays[ i ]==to || !relays[ i ] ) {
    f = shard_frame( &s, i );
    raw_send( &r, to, 1, dmg_buf_span( &f ) );
    dmg_buf_fini( &f );
  }
  raw_run( &r, 100 );
  assert_int_equal( pushed_cnt(), 3 );
  assert_int_equal( info_of( nd ).shards_bad, bad );
  dmg_net_free( r.port );
  end();
}

/* A leader sends one shard each of eight bodies, and no more: those of the next leader come all the same once the eight are past their time. */
static void test_bodies_begun_and_left_make_room( void ** state ) {
  (void)state;
  begin( 52 );
  validators( 4, 1, 4 );
  raw_t r;
  raw_open( &r, 0 );
  RUN_UNTIL( is_mesh(), 5000 );
  raw_run( &r, 100 );
  body_make( 900, 1000 );
  static shards_t s;
  uint8_t relays[ DMG_WIRE_SHARD_CNT_MAX ];
  for( uint64_t view = 1; view<=4; view++ ) for( unsigned k = 0; k<2; k++ ) {
    relays_of( view, relays );
    unsigned mine = 0;
    while( relays[ mine ]!=2 ) mine++;
    shards_make( &s, view, 0 );
    s.head.body_hash.b[ 7 ] ^= (uint8_t)k;
    dmg_wire_head_sign( &s.head, &test_genesis, seeds[ 0 ] );
    dmg_buf_t f = shard_frame( &s, mine );
    raw_send( &r, 2, 1, dmg_buf_span( &f ) );
    dmg_buf_fini( &f );
    raw_run( &r, 30 );
  }
  assert_int_equal( info_of( &nodes[ 2 ] ).shards_bad, 0 );
  raw_run( &r, 600 );
  for( unsigned i = 1; i<4; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 0, 5, 0, 4 );
  body_make( 800, 1000 );
  pushed_reset();
  push( 1, 5 );
  raw_run( &r, 1000 );
  assert_int_equal( nodes[ 3 ].pushed, 1 );
  assert_int_equal( nodes[ 2 ].pushed, 1 );
  dmg_net_free( r.port );
  end();
}

/* N8.8: the decoder encodes again: whichever k came, all find the same root false. */
static void test_a_root_over_no_code_word_is_found_by_all( void ** state ) {
  (void)state;
  for( int edit = 1; edit<=2; edit++ ) {
    begin( 60+(uint64_t)edit );
    validators( 4, 1, 4 );
    raw_t r;
    raw_open( &r, 0 );
    RUN_UNTIL( is_mesh(), 5000 );
    raw_run( &r, 100 );
    body_make( 900, 1000 );
    static shards_t s;
    shards_make( &s, 1, edit );
    uint8_t relays[ DMG_WIRE_SHARD_CNT_MAX ];
    relays_of( 1, relays );
    for( unsigned i = 0; i<16; i++ ) for( unsigned to = 1; to<4; to++ ) if( relays[ i ]==to || !relays[ i ] ) {
      dmg_buf_t f = shard_frame( &s, i );
      raw_send( &r, to, 1, dmg_buf_span( &f ) );
      dmg_buf_fini( &f );
    }
    raw_run( &r, 200 );
    assert_int_equal( pushed_cnt(), 0 );
    for( unsigned i = 1; i<4; i++ ) {
      assert_int_equal( info_of( &nodes[ i ] ).bodies_bad, 1 );
      assert_int_equal( info_of( &nodes[ i ] ).frames_bad, 1 );   /* the leader's: its signature stands on it */
    }
    dmg_net_free( r.port );
    end();
  }
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
    cmocka_unit_test( test_shares_follow_the_stake ),
    cmocka_unit_test( test_relays_and_roots_are_these ),
    cmocka_unit_test( test_shards_bring_a_large_body ),
    cmocka_unit_test( test_silent_relays_are_lived_with ),
    cmocka_unit_test( test_false_shards_are_told_from_true_ones ),
    cmocka_unit_test( test_bodies_begun_and_left_make_room ), cmocka_unit_test( test_a_root_over_no_code_word_is_found_by_all ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
