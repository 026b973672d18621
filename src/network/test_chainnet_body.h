/* A world of test_chainnet_mem.h's validators for bodies of proposals: the body of the test, and a validator that the test plays itself. */
#ifndef DMG_NETWORK_TEST_CHAINNET_BODY_H
#define DMG_NETWORK_TEST_CHAINNET_BODY_H

#define VALIDATORS_N 16
#include "network/test_chainnet_mem.h"
#include "network/chainnet_int.h"

enum { TXS_MAX = 5000 };

/* The body of the test. */
static dmg_span_t txs[ TXS_MAX ];
static uint32_t   tx_cnt;
static uint8_t *  tx_mem;
static dmg_buf_t  body;
static dmg_hash_t body_hash;

/* All n of a set, linked; each leads four views, in turn. */
static void mesh( uint64_t seed, unsigned n ) {
  begin( seed, 0, 0 );
  member_cnt = n;
  validators( n );
  RUN_UNTIL( is_mesh( n ), 5000 );
}

/* cnt transactions of about sz bytes and the body of them, until the next. */
static void body_make( uint32_t cnt, uint32_t sz ) {
  dmg_buf_fini( &body );
  free( tx_mem );
  tx_mem = malloc( (size_t)cnt*( sz+40 ) );
  tx_cnt = cnt;
  for( uint32_t i = 0, at = 0; i<cnt; i++ ) {
    uint32_t n = sz+i%37;
    for( uint32_t k = 0; k<n; k++ ) tx_mem[ at+k ] = (uint8_t)dmg_rnd_u64( &store->seed );
    txs[ i ] = dmg_span( tx_mem+at, n );
    at += n;
  }
  dmg_body_t b = { .txs = txs, .tx_cnt = cnt };
  body = dmg_buf( 1u<<20 );
  assert_int_equal( dmg_body_encode( &b, &body ), DMG_OK );
  body_hash = dmg_body_hash( &b );
}

static void push( unsigned i, uint64_t view ) { assert_int_equal( dmg_chainnet_push_body( nodes[ i ].net, 0, view, &body_hash, dmg_buf_span( &body ) ), DMG_OK ); }

static unsigned pushed_cnt( void ) {
  unsigned cnt = 0;
  for( unsigned i = 0; i<node_cnt; i++ ) if( nodes[ i ].net && nodes[ i ].pushed && dmg_hash_eq( &nodes[ i ].last_hash, &body_hash ) ) { assert_int_equal( nodes[ i ].last_bytes_sz, body.sz ); cnt++; }
  return cnt;
}

static void pushed_reset( void ) { for( unsigned i = 0; i<node_cnt; i++ ) nodes[ i ].pushed = nodes[ i ].looks = 0; }

/* --- a validator by hand ---------------------------------------------------------------------------------- */

typedef struct { dmg_net_port_t * port; uint32_t conns[ VALIDATORS ]; uint64_t streams[ VALIDATORS ][ 3 ], cons[ VALIDATORS ]; uint64_t reqs[ 64 ]; uint32_t req_cnt, chunks; uint16_t code; uint8_t last[ 300 ]; size_t last_sz; } raw_t;

static void raw_pump( raw_t * r ) {
  dmg_net_ev_t evs[ 16 ];
  for( int urgent = 1; urgent>=0; urgent-- ) for( size_t n; ( n = dmg_net_poll( r->port, urgent, evs, 16 ) )>0; ) for( size_t i = 0; i<n; i++ ) {
    dmg_net_ev_t * ev = &evs[ i ];
    if( ev->kind==DMG_NET_NOTIFY_UP && !ev->code ) assert_int_equal( dmg_net_notify_answer( r->port, ev->id, 0 ), DMG_OK );
    if( ev->kind==DMG_NET_REQ && ev->proto==DMG_CHAINNET_BODYTX && r->req_cnt<64 ) r->reqs[ r->req_cnt++ ] = ev->id;
    if( ev->kind==DMG_NET_CHUNK ) { r->chunks++; r->code = ev->code; r->last_sz = ev->data.sz<sizeof r->last ? ev->data.sz : sizeof r->last; if( r->last_sz ) memcpy( r->last, ev->data.p, r->last_sz ); }
    dmg_net_release( r->port, ev );
  }
}

static void raw_run( raw_t * r, uint64_t ms ) {
  uint8_t hello[ 1+DMG_HELLO_SZ ] = { DMG_FRAME_HELLO };
  dmg_hello_encode( &(dmg_hello_t){ .cur = 1 }, hello+1 );
  for( uint64_t t = 0; t<ms; t += 5 ) {
    if( t%1000==0 ) for( unsigned i = 0; i<node_cnt; i++ ) if( r->conns[ i ] ) (void)!dmg_net_notify_send( r->port, r->cons[ i ], 0, 0, DMG_SPAN( hello ) );
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

/* Sent and freed. */
static void raw_give( raw_t * r, unsigned to, unsigned side, dmg_buf_t frame ) {
  raw_send( r, to, side, dmg_buf_span( &frame ) );
  dmg_buf_fini( &frame );
}

/* All n of a set, linked, with r as one of them. */
static void raw_mesh( raw_t * r, uint64_t seed, unsigned n, unsigned index ) {
  begin( seed, 0, 0 );
  member_cnt = n;
  validators_but( n, (int)index );
  raw_open( r, index );
  for( unsigned t = 0; !is_mesh( n ); t++ ) { assert_true( t<50 ); raw_run( r, 100 ); }
  raw_run( r, 100 );
}

static void raw_end( raw_t * r ) {
  dmg_net_free( r->port );
  end();
}

#endif
