/* A chainnet against a peer that says what the input says: streams, frames, questions, answers, gossip, time.  It must neither assert nor grow. */
#include "network/chainnet.h"
#include "network/port_mem.h"
#include "network/rs.h"
#include "codec/bcs.h"
#include "base/assert.h"
#include "crypto/sig.h"

enum { BLOCKS = 8, ASKED_MAX = 16 };

static dmg_hash_t genesis = { { 1 } };
static uint8_t    headers[ BLOCKS ][ DMG_SIGNED_HEADER_SZ ];
static dmg_hash_t hashes[ BLOCKS ];
static uint8_t    body[ 40 ];

static void chain_make( void ) {
  if( hashes[ 0 ].b[ 0 ] ) return;
  uint8_t tx[ 30 ] = { 7 };
  dmg_span_t txs[ 1 ] = { DMG_SPAN( tx ) };
  dmg_body_t b = { .txs = txs, .tx_cnt = 1 };
  dmg_buf_t buf = dmg_buf( sizeof body );
  DMG_ASSERT( dmg_body_encode( &b, &buf )==DMG_OK );
  memcpy( body, buf.p, buf.sz );
  for( uint32_t i = 0; i<BLOCKS; i++ ) {
    dmg_signed_header_t h = { .header = { .version = 1, .view = i+1, .height = i+1, .parent_hash = i ? hashes[ i-1 ] : genesis, .body_hash = dmg_body_hash( &b ), .body_len = (uint32_t)buf.sz } };
    dmg_signed_header_encode( &h, headers[ i ] );
    hashes[ i ] = dmg_header_hash( &h.header );
  }
  dmg_buf_fini( &buf );
}

/* The node has the first four; the input may bring it the others. */
static uint64_t height;
static void head( void * ctx, dmg_chainnet_head_t * out ) {
  *out = (dmg_chainnet_head_t){ .final_view = height, .height = height, .hash = height ? hashes[ height-1 ] : genesis, .roles = DMG_ROLE_BODIES };
}
static dmg_err_t header( void * ctx, dmg_hash_t const * block, uint8_t out[ DMG_SIGNED_HEADER_SZ ] ) {
  for( uint32_t i = 0; i<height; i++ ) if( dmg_hash_eq( block, &hashes[ i ] ) ) { memcpy( out, headers[ i ], DMG_SIGNED_HEADER_SZ ); return DMG_OK; }
  return DMG_ERR_NOT_FOUND;
}
static dmg_err_t body_get( void * ctx, dmg_hash_t const * block, dmg_buf_t * out ) {
  uint8_t h[ DMG_SIGNED_HEADER_SZ ];
  DMG_TRY( header( ctx, block, h ) );
  return dmg_buf_append( out, body, dmg_load_u32le( h+238 ) );
}
static dmg_err_t runs( void * ctx, dmg_hash_t const * block, uint32_t first, uint32_t count, dmg_buf_t * out ) { return DMG_ERR_NOT_FOUND; }
static dmg_err_t proposal( void * ctx, uint32_t epoch, uint64_t view, dmg_hash_t const * block, dmg_buf_t * out ) {
  uint8_t h[ DMG_SIGNED_HEADER_SZ ];
  DMG_TRY( header( ctx, block, h ) );
  return dmg_buf_append( out, h, sizeof h );
}
static dmg_err_t handover( void * ctx, uint32_t epoch, dmg_buf_t * out ) { return epoch<3 ? dmg_buf_append( out, "handover", 8 ) : DMG_ERR_NOT_FOUND; }
static dmg_verdict_t judge( void * ctx, dmg_cert_t const * c ) {
  return c->epoch ? dmg_verdict_local( DMG_ERR_NOT_FOUND ) : c->sig[ 0 ]&1 ? dmg_verdict_bad( "cert", "odd", 0 ) : dmg_verdict_good();
}
static dmg_verdict_t judge_header( void * ctx, dmg_signed_header_t const * sh, dmg_hash_t const * hash ) { return sh->sig[ 0 ]&1 ? dmg_verdict_bad( "header", "odd", 0 ) : dmg_verdict_good(); }
static dmg_verdict_t take( void * ctx, dmg_span_t h ) { return h.sz%2 ? dmg_verdict_bad( "handover", "odd", 0 ) : dmg_verdict_local( DMG_ERR_AGAIN ); }
static int leader( void * ctx, uint32_t epoch, uint64_t view ) { return (int)( view%2 ); }

static bool seed_of( void * ctx, uint32_t epoch, dmg_hash_t * out ) { *out = genesis; return true; }
static uint8_t const pooled[ 2 ][ 30 ] = { { 7 }, { 9, 1 } };
static void each_tx( void * ctx, void (*visit)( void * arg, dmg_hash_t const * leaf, dmg_span_t raw, uint64_t age_ms ), void * arg ) {
  for( unsigned i = 0; i<2; i++ ) {
    dmg_hash_t h = dmg_h( DMG_TAG_BODY_TX, DMG_SPAN( pooled[ i ] ) );
    visit( arg, &h, DMG_SPAN( pooled[ i ] ), 500 );
  }
}
static dmg_err_t tx( void * ctx, dmg_hash_t const * id, dmg_buf_t * out ) { return id->b[ 0 ]&1 ? dmg_buf_append( out, pooled[ 0 ], 30 ) : DMG_ERR_NOT_FOUND; }

static dmg_chainnet_chain_t const chain = { .head = head, .header = header, .body = body_get, .proposal = proposal, .runs = runs, .handover = handover, .judge_final = judge, .take_handover = take, .take_evidence = take, .judge_header = judge_header,
                                            .leader = leader, .seed = seed_of, .each_tx = each_tx, .tx = tx };

typedef struct { uint8_t const * p; size_t sz; } in_t;
static uint8_t take_u8( in_t * in ) { if( !in->sz ) return 0; in->sz--; return *in->p++; }
static dmg_span_t take_bytes( in_t * in ) {
  size_t n = take_u8( in );
  n |= (size_t)take_u8( in )<<8;
  if( n>in->sz ) n = in->sz;
  dmg_span_t s = dmg_span( in->p, n );
  in->p  += n;
  in->sz -= n;
  return s;
}

typedef struct { dmg_mem_net_t * world; dmg_net_port_t * mine, * theirs; dmg_chainnet_t * net; uint32_t conn; uint64_t streams[ 4 ], asked[ ASKED_MAX ]; uint32_t asked_cnt; bool is_up[ DMG_CHAINNET_PEER_MAX ]; } rig_t;

static void step( rig_t * r, uint64_t ms ) {
  dmg_mem_net_advance( r->world, dmg_mem_net_now( r->world )+ms*1000 );
  dmg_chainnet_out_t o;
  while( dmg_chainnet_next( r->net, dmg_mem_net_now( r->world ), &o ) ) switch( o.kind ) {
    case DMG_CHAINNET_LINK:  DMG_ASSERT( o.is_up!=r->is_up[ o.peer ] ); r->is_up[ o.peer ] = o.is_up; break;
    case DMG_CHAINNET_FRAME: DMG_ASSERT( r->is_up[ o.peer ] && o.bytes.sz && o.bytes.sz<=DMG_FRAME_SZ_MAX ); break;
    case DMG_CHAINNET_TXS:   dmg_chainnet_verdict( r->net, o.id, o.tx_cnt%2 ? DMG_NET_ACCEPT : DMG_NET_IGNORE ); break;
    case DMG_CHAINNET_SYNC:
      DMG_ASSERT( o.height==height+1 && dmg_hash_eq( &o.hash, &hashes[ height ] ) && o.bytes.sz>3 );   /* whatever was said: only the chain */
      height++;
      dmg_chainnet_sync_taken( r->net, o.height, true );
      break;
    default: break;
  }
  dmg_net_ev_t evs[ 16 ];
  for( int urgent = 1; urgent>=0; urgent-- ) for( size_t n; ( n = dmg_net_poll( r->theirs, urgent, evs, 16 ) )>0; ) for( size_t i = 0; i<n; i++ ) {
    if( evs[ i ].kind==DMG_NET_REQ && r->asked_cnt<ASKED_MAX ) r->asked[ r->asked_cnt++ ] = evs[ i ].id;
    if( evs[ i ].kind==DMG_NET_NOTIFY_UP && !evs[ i ].code ) (void)!dmg_net_notify_answer( r->theirs, evs[ i ].id, 0 );
    if( evs[ i ].kind==DMG_NET_CONN_DOWN ) r->conn = 0;
    dmg_net_release( r->theirs, &evs[ i ] );
  }
}

/* Heads as they should be, of a view that the other side leads, and what the input puts behind them. */
static dmg_wire_head_t head_of( uint8_t arg, uint8_t form ) {
  dmg_wire_head_t h = { .view = 1+2*( arg%4u ), .body_hash = dmg_hash_load( headers[ 0 ]+206 ), .body_len = dmg_load_u32le( headers[ 0 ]+238 ), .form = form };
  if( arg&4 ) h.body_hash.b[ 0 ] ^= 1;
  return h;
}

static void head_sign( dmg_wire_head_t * h ) {
  uint8_t seed[ 32 ] = { 2 };
  dmg_wire_head_sign( h, &genesis, seed );
}

static void send_body( rig_t * r, in_t * in, uint8_t arg ) {
  uint8_t b[ 4096 ];
  dmg_wire_head_t h = head_of( arg, arg&8 ? DMG_WIRE_COMPACT : DMG_WIRE_FULL );
  head_sign( &h );
  dmg_wire_head_encode( &h, b );
  dmg_span_t rest = take_bytes( in );
  size_t sz = rest.sz<sizeof b-DMG_WIRE_HEAD_SZ ? rest.sz : sizeof b-DMG_WIRE_HEAD_SZ;
  if( sz ) memcpy( b+DMG_WIRE_HEAD_SZ, rest.p, sz );
  if( arg&16 ) {                                       /* one that the pool completes */
    uint8_t key[ 16 ], id[ 8 ];
    dmg_hash_t leaf = dmg_h( DMG_TAG_BODY_TX, dmg_span( body+4, 30 ) );
    dmg_bcs_wr_t wr = dmg_bcs_wr( b+DMG_WIRE_HEAD_SZ, 64 );
    dmg_wire_short_key( &h.body_hash, arg, key );
    dmg_store_u64le( id, dmg_wire_short_id( key, &leaf ) );
    dmg_bcs_wr_u64( &wr, arg );
    dmg_bcs_wr_bytes( &wr, dmg_span( body, 2 ) );
    dmg_bcs_wr_uleb( &wr, 1 );
    dmg_bcs_wr_fixed( &wr, id, 6 );
    dmg_bcs_wr_uleb( &wr, 0 );
    sz = dmg_bcs_wr_span( &wr ).sz;
  }
  (void)!dmg_net_notify_send( r->theirs, r->streams[ DMG_CHAINNET_BODY ], 0, 0, dmg_span( b, DMG_WIRE_HEAD_SZ+sz ) );
}

static void send_shard( rig_t * r, in_t * in, uint8_t arg ) {
  static dmg_rs_t rs;
  static uint8_t  mem[ 16*64 ];
  dmg_hash_t leaves[ 16 ];
  dmg_merkle_t t;
  dmg_wire_shard_t s = { .head = head_of( arg, DMG_WIRE_SHREDS ) };
  memset( mem, 0, sizeof mem );
  memcpy( mem, body, s.head.body_len );
  dmg_rs_init( &rs, 8, 16 );
  dmg_rs_encode( &rs, 64, mem, mem+8*64 );
  if( arg&32 ) mem[ take_u8( in ) ] ^= take_u8( in );
  dmg_merkle_init( &t );
  for( unsigned i = 0; i<16; i++ ) { leaves[ i ] = dmg_h( DMG_TAG_NET_SHRED_LEAF, dmg_span( mem+64*i, 64 ) ); dmg_merkle_add( &t, DMG_TAG_NET_SHRED_NODE, &leaves[ i ] ); }
  s.head.k          = arg&64 ? take_u8( in )%65 : 8;
  s.head.shard_root = dmg_merkle_end( &t, DMG_TAG_NET_SHRED_NODE );
  head_sign( &s.head );
  unsigned first = take_u8( in )%16, cnt = take_u8( in )%17;
  for( unsigned i = first; i<first+cnt; i++ ) {
    dmg_hash_t work[ 16 ];
    memcpy( work, leaves, sizeof work );
    s.index = (uint16_t)( i%16 );
    s.bytes = dmg_span( mem+64*s.index, 64 );
    dmg_merkle_path( DMG_TAG_NET_SHRED_NODE, work, 16, s.index, &s.path );
    dmg_buf_t f = dmg_buf( 4096 );
    dmg_err_t err = dmg_wire_shard_encode( &s, &f );
    if( arg&128 ) f.p[ take_u8( in )%f.sz ] ^= take_u8( in );
    if( !err ) (void)!dmg_net_notify_send( r->theirs, r->streams[ DMG_CHAINNET_SHRED ], 0, 0, dmg_buf_span( &f ) );
    dmg_buf_fini( &f );
  }
}

static void command( rig_t * r, in_t * in ) {
  uint8_t op = take_u8( in ), arg = take_u8( in );
  dmg_err_t err = DMG_OK;
  uint64_t id, now = dmg_mem_net_now( r->world );
  char topic[ DMG_WIRE_NAME_SZ ];
  dmg_cert_t fin = { .kind = DMG_VOTE_FINALIZE, .view = 1+arg%BLOCKS, .hash = hashes[ arg%BLOCKS ] };
  switch( op%14 ) {
    case 0: err = dmg_net_notify_open( r->theirs, r->conn, arg%4, take_bytes( in ), &r->streams[ arg%4 ] ); break;
    case 1: {                                        /* a hello as it should be */
      uint8_t b[ DMG_WIRE_HELLO_SZ ];
      dmg_wire_hello_encode( &(dmg_wire_hello_t){ .genesis = genesis }, b );
      err = dmg_net_notify_open( r->theirs, r->conn, arg%4, DMG_SPAN( b ), &r->streams[ arg%4 ] );
      break;
    }
    case 2: err = dmg_net_notify_send( r->theirs, r->streams[ arg%4 ], 0, 0, take_bytes( in ) ); break;
    case 3: err = dmg_net_request( r->theirs, r->conn, (uint16_t)( DMG_CHAINNET_STATUS+arg%7 ), take_bytes( in ), 1000, &id ); break;
    case 4: case 5: if( r->asked_cnt ) err = dmg_net_reply( r->theirs, r->asked[ arg%r->asked_cnt ], op%14==4 ? 0 : take_u8( in ), take_bytes( in ), arg>=128 ); break;
    case 6:
      dmg_wire_name( &genesis, 0, arg%3==0 ? "tx" : arg%3==1 ? "final" : "block", topic );
      err = dmg_net_publish( r->theirs, topic, take_bytes( in ) );
      break;
    case 7: step( r, arg*20u ); break;
    case 8: {                                        /* answers as they should be, to what it may have asked */
      static uint8_t b[ 1+BLOCKS*DMG_SIGNED_HEADER_SZ ];
      uint32_t cnt = 1+arg%BLOCKS;
      b[ 0 ] = (uint8_t)cnt;
      for( uint32_t i = 0; i<cnt; i++ ) memcpy( b+1+i*DMG_SIGNED_HEADER_SZ, headers[ cnt-1-i ], DMG_SIGNED_HEADER_SZ );
      dmg_buf_t buf = dmg_buf( 4096 );
      if( arg<128 ) err = dmg_wire_body_encode( dmg_span( body, dmg_load_u32le( headers[ 0 ]+238 ) ), &buf );
      if( r->asked_cnt ) err = dmg_net_reply( r->theirs, r->asked[ take_u8( in )%r->asked_cnt ], 0, arg<128 ? dmg_buf_span( &buf ) : dmg_span( b, 1+cnt*DMG_SIGNED_HEADER_SZ ), take_u8( in )&1 );
      dmg_buf_fini( &buf );
      break;
    }
    case 9:  dmg_chainnet_sync_to( r->net, &fin, now ); break;
    case 10: {
      dmg_fetch_t f = { .what = arg%3, .hash = hashes[ arg%BLOCKS ], .body_hash = dmg_hash_load( headers[ 0 ]+206 ), .body_len = dmg_load_u32le( headers[ 0 ]+238 ), .view = 1 };
      err = dmg_chainnet_fetch( r->net, &f, NULL, now );
      break;
    }
    case 12: send_body( r, in, arg ); break;
    case 13: send_shard( r, in, arg ); break;
    default:
      if( !r->conn ) err = dmg_net_dial( r->theirs, &r->mine->self, (char const *[]){ "/mem" }, 1, false, &r->conn );
      else if( arg%4==0 ) err = dmg_net_close( r->theirs, r->conn, DMG_NET_WHY_APP );
  }
  (void)err;
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );
int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  chain_make();
  height = 4;
  dmg_chainnet_setup_t setup;
  dmg_chainnet_setup( &genesis, 0, &setup );
  dmg_chainnet_member_t members[ 2 ] = { 0 };
  uint8_t seed[ 2 ][ 32 ] = { { 1 }, { 2 } }, key[ 32 ];
  rig_t r = { .world = dmg_mem_net_new( 1 ) };
  for( unsigned i = 0; i<2; i++ ) {
    dmg_ed25519_public( seed[ i ], key );
    dmg_wire_peer_of_key( key, &members[ i ].peer );
    memset( members[ i ].key, (int)( i+1 ), DMG_BLS_KEY_SZ );
    members[ i ].weight = 1;
    dmg_net_port_t * port = dmg_mem_port_open( r.world, key, setup.protos, DMG_CHAINNET_PROTO_CNT );
    if( i ) r.theirs = port;
    else    r.mine = port;
  }
  dmg_arena_t * arena = dmg_arena_new( 64u<<20 );
  dmg_chainnet_cfg_t cfg = { .port = r.mine, .chain = &chain, .genesis = genesis, .is_follower = sz && data[ 0 ]&1 };
  r.net = dmg_chainnet_new( arena, &cfg );
  DMG_ASSERT( r.net && dmg_chainnet_start( r.net, dmg_mem_net_now( r.world ) )==DMG_OK );
  DMG_ASSERT( dmg_chainnet_set_members( r.net, 0, members, 2, 0 )==DMG_OK );
  for( unsigned t = 0; t<2; t++ ) {
    dmg_net_topic_t topic = { .data_max = 1u<<20 };
    char name[ DMG_WIRE_NAME_SZ ];
    dmg_wire_name( &genesis, 0, t ? "tx" : "final", name );
    topic.name = name;
    DMG_ASSERT( dmg_net_topic( r.theirs, &topic, true )==DMG_OK );
  }
  in_t in = { data, sz };
  take_u8( &in );
  DMG_ASSERT( dmg_net_dial( r.theirs, &r.mine->self, (char const *[]){ "/mem" }, 1, false, &r.conn )==DMG_OK );
  step( &r, 1 );
  while( in.sz ) { command( &r, &in ); step( &r, 0 ); }
  step( &r, 100 );
  dmg_chainnet_info_t info;
  dmg_chainnet_info( r.net, &info );
  DMG_ASSERT( info.heap_sz<( 40u<<20 ) && info.conn_cnt<=4 );
  dmg_chainnet_fini( r.net );
  dmg_net_free( r.mine );
  dmg_net_free( r.theirs );
  dmg_mem_net_free( r.world );
  dmg_arena_free( arena );
  return 0;
}
