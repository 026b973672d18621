/* The bytes of chainnet_wire.h: names by another hand, every length and bound, vectors. */
#include "network/chainnet_wire.h"
#include "crypto/sig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static dmg_hash_t hash_of( uint8_t b ) { dmg_hash_t h; memset( h.b, b, 32 ); return h; }

static bool is_bad( dmg_verdict_t v, char const * field ) { return v.kind==DMG_VERDICT_BAD && !strcmp( v.field, field ); }

static void test_names_hold_the_chain( void ** state ) {
  char name[ DMG_WIRE_NAME_SZ ];
  dmg_hash_t g = hash_of( 7 );
  /* By Python's hashlib: t = sha256(b"dmg/net/id/v1"); sha256(t + t + b"\x07"*32 + u32 fork) */
  dmg_wire_name( &g, 0, "cons", name );
  assert_string_equal( name, "/dmg/a298f7b2/cons/1" );
  dmg_wire_name( &g, 1, "cons", name );
  assert_string_equal( name, "/dmg/96d82fc6/cons/1" );
  dmg_wire_name( &g, 0, "", name );
  assert_string_equal( name, "/dmg/a298f7b2/1" );
}

static void test_peer_ids_hold_their_key( void ** state ) {
  uint8_t key[ 32 ], back[ 32 ];
  for( unsigned i = 0; i<32; i++ ) key[ i ] = (uint8_t)i;
  dmg_net_peer_t p, q;
  dmg_wire_peer_of_key( key, &p );
  assert_int_equal( p.sz, 38 );
  assert_true( dmg_wire_peer_key( &p, back ) );
  assert_memory_equal( key, back, 32 );
  for( unsigned i = 0; i<6; i++ ) {
    q = p;
    q.b[ i ] ^= 1;
    assert_false( dmg_wire_peer_key( &q, back ) );
  }
  q = p;
  q.sz = 37;
  assert_false( dmg_wire_peer_key( &q, back ) );
  assert_true( dmg_net_peer_cmp( &q, &p )<0 && dmg_net_peer_cmp( &p, &q )>0 && dmg_net_peer_cmp( &p, &p )==0 );
  q = p;
  q.b[ 37 ]++;
  assert_true( dmg_net_peer_cmp( &p, &q )<0 && !dmg_net_peer_eq( &p, &q ) );
}

/* A decoder with input cut, and grown by a byte: never GOOD, whatever the length. */
#define ONLY_WHOLE( decode, bytes, sz ) do { \
    uint8_t copy_[ 600 ] = { 0 }; \
    memcpy( copy_, bytes, sz ); \
    for( size_t n_ = 0; n_<=( sz )+1; n_++ ) { \
      uint8_t * tight_ = malloc( n_ ? n_ : 1 ); \
      memcpy( tight_, copy_, n_ ); \
      dmg_verdict_t v_ = decode; \
      if( ( v_.kind==DMG_VERDICT_GOOD )!=( n_==( sz ) ) ) fail_msg( "%zu of %zu bytes: kind %d", n_, (size_t)( sz ), (int)v_.kind ); \
      free( tight_ ); \
    } \
  } while( 0 )
#define CUT dmg_span( tight_, n_ )

static void test_hello_and_head( void ** state ) {
  dmg_wire_hello_t h = { .genesis = hash_of( 3 ), .epoch = 0x01020304 }, h2;
  uint8_t b[ 600 ];
  dmg_wire_hello_encode( &h, b );
  assert_int_equal( b[ 32 ], 4 );
  ONLY_WHOLE( dmg_wire_hello_decode( CUT, &h2 ), b, DMG_WIRE_HELLO_SZ );
  assert_int_equal( h2.epoch, h.epoch );

  uint8_t seed[ 32 ] = { 5 }, key[ 32 ];
  dmg_ed25519_public( seed, key );
  dmg_net_peer_t leader, other;
  dmg_wire_peer_of_key( key, &leader );
  key[ 0 ] ^= 1;
  dmg_wire_peer_of_key( key, &other );
  dmg_hash_t genesis = hash_of( 1 ), elsewhere = hash_of( 2 );
  dmg_wire_head_t head = { .epoch = 2, .view = 77, .body_hash = hash_of( 9 ), .body_len = 1234 }, back;
  dmg_wire_head_sign( &head, &genesis, seed );
  dmg_wire_head_encode( &head, b );
  ONLY_WHOLE( dmg_wire_head_decode( CUT, &back ), b, DMG_WIRE_HEAD_SZ );
  assert_int_equal( dmg_wire_head_decode( dmg_span( b, DMG_WIRE_HEAD_SZ ), &back ).kind, DMG_VERDICT_GOOD );
  assert_true( dmg_wire_head_verify( &back, &genesis, &leader ) );
  assert_false( dmg_wire_head_verify( &back, &elsewhere, &leader ) );
  assert_false( dmg_wire_head_verify( &back, &genesis, &other ) );
  /* Every bit counts. */
  for( unsigned i = 0; i<DMG_WIRE_HEAD_SZ; i++ ) {
    b[ i ] ^= 0x10;
    if( dmg_wire_head_decode( dmg_span( b, DMG_WIRE_HEAD_SZ ), &back ).kind==DMG_VERDICT_GOOD ) assert_false( dmg_wire_head_verify( &back, &genesis, &leader ) );
    b[ i ] ^= 0x10;
  }
  b[ 48 ] = DMG_WIRE_FORM_CNT;
  assert_true( is_bad( dmg_wire_head_decode( dmg_span( b, DMG_WIRE_HEAD_SZ ), &back ), "head.form" ) );
  b[ 48 ] = 0; b[ 49 ] = 1;
  assert_true( is_bad( dmg_wire_head_decode( dmg_span( b, DMG_WIRE_HEAD_SZ ), &back ), "head.k" ) );
  b[ 49 ] = 0; b[ 60 ] = 1;
  assert_true( is_bad( dmg_wire_head_decode( dmg_span( b, DMG_WIRE_HEAD_SZ ), &back ), "head.k" ) );
  b[ 60 ] = 0;
  memset( b+4, 0, 8 );
  assert_true( is_bad( dmg_wire_head_decode( dmg_span( b, DMG_WIRE_HEAD_SZ ), &back ), "head.view" ) );
}

static void test_relayed_frames( void ** state ) {
  static uint8_t inner[ DMG_WIRE_RELAY_INNER_MAX+1 ] = { DMG_FRAME_VOTE, 7 }, b[ DMG_WIRE_RELAYED_SZ+sizeof inner ];
  uint8_t seed[ 32 ] = { 5 }, key[ 32 ];
  dmg_ed25519_public( seed, key );
  dmg_net_peer_t origin;
  dmg_wire_peer_of_key( key, &origin );
  dmg_hash_t genesis = hash_of( 1 ), elsewhere = hash_of( 2 );
  dmg_wire_relayed_t r = { .epoch = 0x01020304, .origin = 0x0506, .target = 0x0708, .seq = 0x1122334455667788, .inner = dmg_span( inner, 2 ) }, back;
  dmg_wire_relayed_sign( &r, &genesis, seed );
  dmg_wire_relayed_encode( &r, b );
  memcpy( b+DMG_WIRE_RELAYED_SZ, inner, sizeof inner );
  size_t sz = DMG_WIRE_RELAYED_SZ+2;
  for( size_t k = 0; k<=DMG_WIRE_RELAYED_SZ; k++ ) assert_true( is_bad( dmg_wire_relayed_decode( dmg_span( b, k ), &back ), "relayed" ) );
  assert_int_equal( dmg_wire_relayed_decode( dmg_span( b, sz ), &back ).kind, DMG_VERDICT_GOOD );
  assert_true( back.epoch==r.epoch && back.origin==r.origin && back.target==r.target && back.seq==r.seq && dmg_span_eq( back.inner, r.inner ) );
  assert_true( dmg_wire_relayed_verify( &back, &genesis, &origin ) );
  assert_false( dmg_wire_relayed_verify( &back, &elsewhere, &origin ) );
  for( size_t i = 0; i<sz; i++ ) {                      /* every bit counts */
    b[ i ] ^= 0x20;
    if( !dmg_wire_relayed_decode( dmg_span( b, sz ), &back ).kind ) assert_false( dmg_wire_relayed_verify( &back, &genesis, &origin ) );
    b[ i ] ^= 0x20;
  }
  /* By Python's hashlib: t = sha256(b"dmg/net/relay/v1"); sha256(t + t + b"\x01"*32 + the 16 bytes + b"\x01\x07"); the signature is over that. */
  uint8_t hash[ 32 ];
  assert_int_equal( dmg_hex_decode( "9c15a27b98d61724998d893f96435992aed6dd71479a9e05e3de463f5248bc28", 64, hash, 32 ), DMG_OK );
  assert_true( dmg_ed25519_verify( key, DMG_SPAN( hash ), r.sig ) );
  assert_int_equal( dmg_wire_relayed_decode( dmg_span( b, DMG_WIRE_RELAYED_SZ+DMG_WIRE_RELAY_INNER_MAX ), &back ).kind, DMG_VERDICT_GOOD );
  assert_true( is_bad( dmg_wire_relayed_decode( DMG_SPAN( b ), &back ), "relayed.inner" ) );
  b[ DMG_WIRE_RELAYED_SZ ] = DMG_FRAME_RELAYED;
  assert_true( is_bad( dmg_wire_relayed_decode( dmg_span( b, sz ), &back ), "relayed.inner" ) );
  b[ DMG_WIRE_RELAYED_SZ ] = 0;
  memcpy( b+6, b+4, 2 );
  assert_true( is_bad( dmg_wire_relayed_decode( dmg_span( b, sz ), &back ), "relayed.target" ) );
}

static dmg_cert_t final_cert( uint32_t epoch, uint64_t view, dmg_hash_t hash ) {
  return (dmg_cert_t){ .kind = DMG_VOTE_FINALIZE, .epoch = epoch, .view = view, .hash = hash, .bitmap = { 7 } };
}

static void test_status_carries_its_own_proof( void ** state ) {
  dmg_wire_status_t s = { .genesis = hash_of( 1 ), .fork = 2, .epoch = 3, .final_view = 400, .height = 350, .hash = hash_of( 4 ), .fin = final_cert( 3, 400, hash_of( 4 ) ),
                          .roles = 0x8003, .first_body = 11, .first_state = 12 }, back;
  uint8_t b[ 600 ], again[ DMG_WIRE_STATUS_SZ ];
  dmg_wire_status_encode( &s, b );
  ONLY_WHOLE( dmg_wire_status_decode( CUT, &back ), b, DMG_WIRE_STATUS_SZ );
  assert_int_equal( dmg_wire_status_decode( dmg_span( b, DMG_WIRE_STATUS_SZ ), &back ).kind, DMG_VERDICT_GOOD );
  dmg_wire_status_encode( &back, again );
  assert_memory_equal( b, again, DMG_WIRE_STATUS_SZ );
  assert_true( back.height==350 && back.first_body==11 && back.first_state==12 && back.roles==0x8003 );
  /* One of another epoch, view, hash or kind is none; of nothing final: zero. */
  dmg_wire_status_t t;
  t = s; t.fin.epoch++;               dmg_wire_status_encode( &t, b ); assert_true( is_bad( dmg_wire_status_decode( dmg_span( b, DMG_WIRE_STATUS_SZ ), &back ), "status.final" ) );
  t = s; t.fin.view--;                dmg_wire_status_encode( &t, b ); assert_true( is_bad( dmg_wire_status_decode( dmg_span( b, DMG_WIRE_STATUS_SZ ), &back ), "status.final" ) );
  t = s; t.fin.hash.b[ 0 ] ^= 1;      dmg_wire_status_encode( &t, b ); assert_true( is_bad( dmg_wire_status_decode( dmg_span( b, DMG_WIRE_STATUS_SZ ), &back ), "status.final" ) );
  t = s; t.fin.kind = DMG_VOTE_NOTARIZE; dmg_wire_status_encode( &t, b ); assert_true( is_bad( dmg_wire_status_decode( dmg_span( b, DMG_WIRE_STATUS_SZ ), &back ), "status.final" ) );
  t = s; t.fin.kind = DMG_VOTE_NULLIFY;  dmg_wire_status_encode( &t, b ); assert_int_equal( dmg_wire_status_decode( dmg_span( b, DMG_WIRE_STATUS_SZ ), &back ).kind, DMG_VERDICT_BAD );
  t = s; t.fin = (dmg_cert_t){ 0 };   dmg_wire_status_encode( &t, b ); assert_int_equal( dmg_wire_status_decode( dmg_span( b, DMG_WIRE_STATUS_SZ ), &back ).kind, DMG_VERDICT_GOOD );
  t = s; t.final_view = 0; t.fin.view = 0; dmg_wire_status_encode( &t, b ); assert_true( is_bad( dmg_wire_status_decode( dmg_span( b, DMG_WIRE_STATUS_SZ ), &back ), "status.final" ) );
}

static void test_questions_have_bounds( void ** state ) {
  uint8_t b[ DMG_WIRE_BODIES_REQ_SZ_MAX+64 ] = { 0 };
  dmg_wire_headers_req_t h = { .hash = hash_of( 1 ), .count = 512 }, h2;
  dmg_wire_headers_req_encode( &h, b );
  ONLY_WHOLE( dmg_wire_headers_req_decode( CUT, &h2 ), b, DMG_WIRE_HEADERS_REQ_SZ );
  h.count = 513; dmg_wire_headers_req_encode( &h, b ); assert_true( is_bad( dmg_wire_headers_req_decode( dmg_span( b, DMG_WIRE_HEADERS_REQ_SZ ), &h2 ), "headers.count" ) );
  h.count = 0;   dmg_wire_headers_req_encode( &h, b ); assert_true( is_bad( dmg_wire_headers_req_decode( dmg_span( b, DMG_WIRE_HEADERS_REQ_SZ ), &h2 ), "headers.count" ) );

  dmg_wire_proposal_req_t p = { .epoch = 1, .view = 2, .hash = hash_of( 3 ) }, p2;
  dmg_wire_proposal_req_encode( &p, b );
  ONLY_WHOLE( dmg_wire_proposal_req_decode( CUT, &p2 ), b, DMG_WIRE_PROPOSAL_REQ_SZ );
  dmg_wire_runs_req_t n = { .hash = hash_of( 3 ), .first = 744, .count = 64 }, n2;
  dmg_wire_runs_req_encode( &n, b );
  ONLY_WHOLE( dmg_wire_runs_req_decode( CUT, &n2 ), b, DMG_WIRE_RUNS_REQ_SZ );
  assert_true( n2.first==744 && n2.count==64 && dmg_hash_eq( &n2.hash, &n.hash ) );
  for( unsigned k = 0; k<2; k++ ) {
    b[ 34 ] = k ? 65 : 0;
    assert_int_equal( dmg_wire_runs_req_decode( dmg_span( b, DMG_WIRE_RUNS_REQ_SZ ), &n2 ).kind, DMG_VERDICT_BAD );
  }

  dmg_wire_epochs_req_t e = { .from = UINT32_MAX-64, .count = 64 }, e2;
  dmg_wire_epochs_req_encode( &e, b );
  ONLY_WHOLE( dmg_wire_epochs_req_decode( CUT, &e2 ), b, DMG_WIRE_EPOCHS_REQ_SZ );
  e.from++;             dmg_wire_epochs_req_encode( &e, b ); assert_int_equal( dmg_wire_epochs_req_decode( dmg_span( b, 5 ), &e2 ).kind, DMG_VERDICT_BAD );
  e.from = 0; e.count = 65; dmg_wire_epochs_req_encode( &e, b ); assert_int_equal( dmg_wire_epochs_req_decode( dmg_span( b, 5 ), &e2 ).kind, DMG_VERDICT_BAD );
  e.count = 0;          dmg_wire_epochs_req_encode( &e, b ); assert_int_equal( dmg_wire_epochs_req_decode( dmg_span( b, 5 ), &e2 ).kind, DMG_VERDICT_BAD );

  static dmg_wire_bodies_req_t q, q2;
  q.cnt = 64;
  for( unsigned i = 0; i<64; i++ ) q.hashes[ i ] = hash_of( (uint8_t)i );
  size_t sz = dmg_wire_bodies_req_encode( &q, b );
  assert_int_equal( sz, DMG_WIRE_BODIES_REQ_SZ_MAX );
  assert_int_equal( dmg_wire_bodies_req_decode( dmg_span( b, sz ), &q2 ).kind, DMG_VERDICT_GOOD );
  assert_memory_equal( &q, &q2, sizeof q );
  assert_int_equal( dmg_wire_bodies_req_decode( dmg_span( b, sz-1 ), &q2 ).kind, DMG_VERDICT_BAD );
  assert_int_equal( dmg_wire_bodies_req_decode( dmg_span( b, sz+1 ), &q2 ).kind, DMG_VERDICT_BAD );
  b[ 0 ] = 65;
  assert_int_equal( dmg_wire_bodies_req_decode( dmg_span( b, sz+32 ), &q2 ).kind, DMG_VERDICT_BAD );
  b[ 0 ] = 0;
  assert_int_equal( dmg_wire_bodies_req_decode( dmg_span( b, 1 ), &q2 ).kind, DMG_VERDICT_BAD );
}

static void test_header_chunks( void ** state ) {
  static uint8_t b[ DMG_WIRE_HEADERS_CHUNK_SZ+DMG_SIGNED_HEADER_SZ ];
  dmg_signed_header_t sh = { .header = { .version = 1, .view = 1, .height = 1 } };
  for( unsigned i = 0; i<65; i++ ) dmg_signed_header_encode( &sh, b+1+(size_t)i*DMG_SIGNED_HEADER_SZ );
  dmg_span_t raw;
  uint32_t cnt;
  b[ 0 ] = 64;
  assert_int_equal( dmg_wire_headers_decode( dmg_span( b, DMG_WIRE_HEADERS_CHUNK_SZ ), &raw, &cnt ).kind, DMG_VERDICT_GOOD );
  assert_true( cnt==64 && raw.sz==64*DMG_SIGNED_HEADER_SZ && raw.p==b+1 );
  assert_int_equal( dmg_wire_headers_decode( dmg_span( b, DMG_WIRE_HEADERS_CHUNK_SZ-1 ), &raw, &cnt ).kind, DMG_VERDICT_BAD );
  b[ 0 ] = 65;
  assert_int_equal( dmg_wire_headers_decode( dmg_span( b, sizeof b ), &raw, &cnt ).kind, DMG_VERDICT_BAD );
  b[ 0 ] = 0;
  assert_int_equal( dmg_wire_headers_decode( dmg_span( b, 1 ), &raw, &cnt ).kind, DMG_VERDICT_BAD );
  b[ 0 ] = 2;
  b[ 1+DMG_SIGNED_HEADER_SZ ] = 9;                   /* the second's version */
  dmg_verdict_t v = dmg_wire_headers_decode( dmg_span( b, 1+2*DMG_SIGNED_HEADER_SZ ), &raw, &cnt );
  assert_true( v.kind==DMG_VERDICT_BAD && v.idx==1 );
}

static void test_bodies_unpack_to_what_they_say( void ** state ) {
  static uint8_t raw[ DMG_WIRE_BODY_SZ_MAX+1 ];
  for( unsigned i = 0; i<sizeof raw; i++ ) raw[ i ] = (uint8_t)( i%7 ? i>>8 : i*2654435761u>>24 );
  dmg_buf_t chunk = dmg_buf( 4u<<20 ), back = dmg_buf( DMG_WIRE_BODY_SZ_MAX );
  bool is_found = true;
  size_t const sizes[] = { 1, 3, 100, 65536, DMG_WIRE_BODY_SZ_MAX };
  for( unsigned i = 0; i<5; i++ ) {
    dmg_buf_clear( &chunk );
    assert_int_equal( dmg_wire_body_encode( dmg_span( raw, sizes[ i ] ), &chunk ), DMG_OK );
    assert_true( chunk.sz<=DMG_WIRE_BODY_CHUNK_MAX );
    assert_int_equal( dmg_wire_body_decode( dmg_buf_span( &chunk ), &is_found, &back ).kind, DMG_VERDICT_GOOD );
    assert_true( is_found && dmg_span_eq( dmg_buf_span( &back ), dmg_span( raw, sizes[ i ] ) ) );
  }
  assert_int_equal( dmg_wire_body_encode( DMG_SPAN( raw ), &chunk ), DMG_ERR_LIMIT );
  dmg_buf_clear( &chunk );
  assert_int_equal( dmg_wire_body_encode( dmg_span( NULL, 0 ), &chunk ), DMG_OK );
  assert_int_equal( dmg_wire_body_decode( dmg_buf_span( &chunk ), &is_found, &back ).kind, DMG_VERDICT_GOOD );
  assert_false( is_found );
  /* dos_zstd_bomb: another length than the frame's, cut, two frames, bytes behind, a length past the limit. */
  dmg_buf_clear( &chunk );
  assert_int_equal( dmg_wire_body_encode( dmg_span( raw, 5000 ), &chunk ), DMG_OK );
  uint8_t bad[ 12000 ];
  size_t sz = chunk.sz;
  struct { int len_add; int cut; bool is_twice; uint8_t first; } const cases[] = { { 5000, 0, true, 1 }, { 1, 0, false, 1 }, { -1, 0, false, 1 }, { 0, -1, false, 1 }, { 0, 1, false, 1 }, { 0, 0, true, 1 },
    { 0, 0, false, 0 }, { 0, 0, false, 2 }, { 2000000, 0, false, 1 }, { -5000, 0, false, 1 } };
  for( unsigned i = 0; i<sizeof cases/sizeof cases[ 0 ]; i++ ) {
    memset( bad, 0, sizeof bad );
    memcpy( bad, chunk.p, sz );
    size_t n = (size_t)( (long)sz+cases[ i ].cut );
    if( cases[ i ].is_twice ) { memcpy( bad+sz, chunk.p+5, sz-5 ); n = 2*sz-5; }
    dmg_store_u32le( bad+1, (uint32_t)( 5000+cases[ i ].len_add ) );
    bad[ 0 ] = cases[ i ].first;
    if( dmg_wire_body_decode( dmg_span( bad, n ), &is_found, &back ).kind!=DMG_VERDICT_BAD ) fail_msg( "case %u", i );
  }
  assert_int_equal( dmg_wire_body_decode( dmg_span( bad, 0 ), &is_found, &back ).kind, DMG_VERDICT_BAD );
  dmg_buf_fini( &chunk );
  dmg_buf_fini( &back );
}

static void test_batches( void ** state ) {
  static dmg_span_t out[ DMG_WIRE_TX_BATCH_MAX ];
  uint32_t cnt;
  assert_int_equal( dmg_wire_txs_decode( DMG_SPAN_STR( "\x02\x01" "a\x02" "bc" ), out, &cnt ).kind, DMG_VERDICT_GOOD );
  assert_true( cnt==2 && out[ 1 ].sz==2 && out[ 1 ].p[ 0 ]=='b' );
  assert_int_equal( dmg_wire_txs_decode( DMG_SPAN_STR( "" ), out, &cnt ).kind, DMG_VERDICT_BAD );
  assert_int_equal( dmg_wire_txs_decode( DMG_SPAN_STR( "\x00" ), out, &cnt ).kind, DMG_VERDICT_BAD );
  assert_int_equal( dmg_wire_txs_decode( DMG_SPAN_STR( "\x01\x00" ), out, &cnt ).kind, DMG_VERDICT_BAD );             /* an empty one */
  assert_int_equal( dmg_wire_txs_decode( DMG_SPAN_STR( "\x01\x81\x00" "a" ), out, &cnt ).kind, DMG_VERDICT_BAD );     /* not the shortest length */
  assert_int_equal( dmg_wire_txs_decode( DMG_SPAN_STR( "\x01\x01" "ab" ), out, &cnt ).kind, DMG_VERDICT_BAD );
  static uint8_t b[ DMG_WIRE_TX_SZ_MAX+10 ];
  /* One of 64 KiB alone; with another: above 32 KiB. */
  uint8_t const head[] = { 1, 0x80, 0x80, 0x04 };
  memcpy( b, head, 4 );
  assert_int_equal( dmg_wire_txs_decode( dmg_span( b, 4+65536 ), out, &cnt ).kind, DMG_VERDICT_GOOD );
  b[ 0 ] = 2; b[ 4+65536 ] = 1;
  assert_true( is_bad( dmg_wire_txs_decode( dmg_span( b, 4+65536+2 ), out, &cnt ), "txs" ) );
  b[ 0 ] = 1; b[ 1 ] = 0x81;
  assert_int_equal( dmg_wire_txs_decode( dmg_span( b, 4+65537 ), out, &cnt ).kind, DMG_VERDICT_BAD );
  /* 512, not 513. */
  b[ 0 ] = 0x80; b[ 1 ] = 0x04;
  for( unsigned i = 0; i<513; i++ ) { b[ 2+2*i ] = 1; b[ 3+2*i ] = 9; }
  assert_int_equal( dmg_wire_txs_decode( dmg_span( b, 2+2*512 ), out, &cnt ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( cnt, 512 );
  b[ 0 ] = 0x81;
  assert_int_equal( dmg_wire_txs_decode( dmg_span( b, 2+2*513 ), out, &cnt ).kind, DMG_VERDICT_BAD );
  assert_true( dmg_wire_tx_sz( 127 )==128 && dmg_wire_tx_sz( 128 )==130 && dmg_wire_tx_sz( 65536 )==65539 );
}

static void test_final_binds_header_and_certificate( void ** state ) {
  dmg_header_t h = { .version = 1, .epoch = 2, .view = 30, .height = 25 };
  dmg_cert_t c = final_cert( 2, 30, dmg_header_hash( &h ) );
  uint8_t b[ 600 ];
  dmg_wire_final_t f;
  dmg_wire_final_encode( &h, &c, b );
  ONLY_WHOLE( dmg_wire_final_decode( CUT, &f ), b, DMG_WIRE_FINAL_SZ );
  assert_int_equal( dmg_wire_final_decode( dmg_span( b, DMG_WIRE_FINAL_SZ ), &f ).kind, DMG_VERDICT_GOOD );
  assert_true( dmg_hash_eq( &f.hash, &c.hash ) && f.header.height==25 );
  for( unsigned i = 0; i<DMG_HEADER_SZ+45; i++ ) {     /* any bit of the header; kind, epoch, view, hash of the certificate */
    b[ i ] ^= 1;
    assert_int_equal( dmg_wire_final_decode( dmg_span( b, DMG_WIRE_FINAL_SZ ), &f ).kind, DMG_VERDICT_BAD );
    b[ i ] ^= 1;
  }
}

/* A header alone, with a body, with a compact one; nothing between, and no head of another block. */
static void test_block_binds_header_and_head( void ** state ) {
  static uint8_t b[ 1024 ];
  dmg_signed_header_t sh = { .header = { .version = 1, .epoch = 2, .view = 30, .height = 25, .body_hash = hash_of( 5 ), .body_len = 40 } };
  dmg_wire_head_t head = { .epoch = 2, .view = 30, .body_hash = hash_of( 5 ), .body_len = 40 }, t;
  dmg_hash_t hash = dmg_header_hash( &sh.header );
  enum { HEADED = DMG_SIGNED_HEADER_SZ+DMG_WIRE_HEAD_SZ };
  dmg_wire_block_t k;
  dmg_signed_header_encode( &sh, b );
  #define HEAD( change ) ( t = head, change, dmg_wire_head_encode( &t, b+DMG_SIGNED_HEADER_SZ ), dmg_wire_block_decode( dmg_span( b, HEADED+40 ), &k ) )
  assert_int_equal( HEAD( t.view += 0 ).kind, DMG_VERDICT_GOOD );
  assert_true( k.has_head && dmg_hash_eq( &k.hash, &hash ) && k.head.view==30 && k.rest.p==b+HEADED && k.rest.sz==40 );
  assert_true( is_bad( HEAD( t.epoch++ ), "block.head" ) && is_bad( HEAD( t.view-- ), "block.head" ) && is_bad( HEAD( t.body_len-- ), "block.head" ) && is_bad( HEAD( t.body_hash.b[ 31 ] ^= 1 ), "block.head" ) );
  assert_true( is_bad( HEAD( ( t.form = DMG_WIRE_SHREDS, t.k = 8, t.shard_root = hash_of( 1 ) ) ), "block.body" ) );
  /* Every cut: the header alone, and of a full body only the whole; of a compact one what follows is for its own decoder. */
  assert_int_equal( HEAD( t.view += 0 ).kind, DMG_VERDICT_GOOD );
  for( size_t n = 0; n<=HEADED+41; n++ ) assert_int_equal( dmg_wire_block_decode( dmg_span( b, n ), &k ).kind, n==DMG_SIGNED_HEADER_SZ || n==HEADED+40 ? DMG_VERDICT_GOOD : DMG_VERDICT_BAD );
  assert_int_equal( HEAD( t.form = DMG_WIRE_COMPACT ).kind, DMG_VERDICT_GOOD );
  for( size_t n = 0; n<=HEADED+41; n++ ) assert_int_equal( dmg_wire_block_decode( dmg_span( b, n ), &k ).kind, n==DMG_SIGNED_HEADER_SZ || n>=HEADED ? DMG_VERDICT_GOOD : DMG_VERDICT_BAD );
  /* An empty body needs no head. */
  sh.header.body_len = DMG_BODY_EMPTY_SZ;
  dmg_signed_header_encode( &sh, b );
  assert_true( is_bad( HEAD( t.body_len = DMG_BODY_EMPTY_SZ ), "block.head" ) );
  assert_int_equal( dmg_wire_block_decode( dmg_span( b, DMG_SIGNED_HEADER_SZ ), &k ).kind, DMG_VERDICT_GOOD );
  assert_false( k.has_head );
}

/* What is on the wire: a changed byte here is another protocol.  The sum was made by Python (hashlib, cryptography) from the drawings of the header. */
static void test_vectors( void ** state ) {
  static uint8_t all[ 8192 ];
  size_t at = 0;
  dmg_wire_hello_encode( &(dmg_wire_hello_t){ .genesis = hash_of( 1 ), .epoch = 2 }, all+at );
  at += DMG_WIRE_HELLO_SZ;
  dmg_wire_head_t head = { .epoch = 3, .view = 4, .body_hash = hash_of( 5 ), .body_len = 6 };
  dmg_hash_t g = hash_of( 1 );
  uint8_t seed[ 32 ] = { 8 };
  dmg_wire_head_sign( &head, &g, seed );
  dmg_wire_head_encode( &head, all+at );
  at += DMG_WIRE_HEAD_SZ;
  dmg_wire_status_t s = { .genesis = hash_of( 1 ), .fork = 2, .epoch = 3, .final_view = 400, .height = 350, .hash = hash_of( 4 ), .fin = final_cert( 3, 400, hash_of( 4 ) ),
                          .roles = 3, .first_body = 11, .first_state = 12 };
  dmg_wire_status_encode( &s, all+at );
  at += DMG_WIRE_STATUS_SZ;
  dmg_wire_headers_req_encode( &(dmg_wire_headers_req_t){ .hash = hash_of( 1 ), .count = 512 }, all+at );
  at += DMG_WIRE_HEADERS_REQ_SZ;
  dmg_wire_bodies_req_t q = { .hashes = { hash_of( 1 ), hash_of( 2 ) }, .cnt = 2 };
  at += dmg_wire_bodies_req_encode( &q, all+at );
  dmg_wire_proposal_req_encode( &(dmg_wire_proposal_req_t){ .epoch = 1, .view = 2, .hash = hash_of( 3 ) }, all+at );
  at += DMG_WIRE_PROPOSAL_REQ_SZ;
  dmg_wire_epochs_req_encode( &(dmg_wire_epochs_req_t){ .from = 9, .count = 64 }, all+at );
  at += DMG_WIRE_EPOCHS_REQ_SZ;
  dmg_header_t h = { .version = 1, .epoch = 2, .view = 30, .height = 25 };
  dmg_cert_t c = final_cert( 2, 30, dmg_header_hash( &h ) );
  dmg_wire_final_encode( &h, &c, all+at );
  at += DMG_WIRE_FINAL_SZ;
  assert_int_equal( at, 1017 );
  dmg_hash_t sum = dmg_sha256( dmg_span( all, at ) );
  char hex[ 65 ];
  dmg_hex_encode( sum.b, 32, hex );
  assert_string_equal( hex, "de09baea28c5d3cbe6b954e9181fa625a6c92a6a6650b8fcbd74a23889ffdc08" );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_names_hold_the_chain ),
    cmocka_unit_test( test_peer_ids_hold_their_key ),
    cmocka_unit_test( test_hello_and_head ),
    cmocka_unit_test( test_relayed_frames ),
    cmocka_unit_test( test_status_carries_its_own_proof ),
    cmocka_unit_test( test_questions_have_bounds ),
    cmocka_unit_test( test_header_chunks ),
    cmocka_unit_test( test_bodies_unpack_to_what_they_say ),
    cmocka_unit_test( test_batches ),
    cmocka_unit_test( test_final_binds_header_and_certificate ),
    cmocka_unit_test( test_block_binds_header_and_head ),
    cmocka_unit_test( test_vectors ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
