/* Nodes of tests: a chain model and what came out of a chainnet, over any port.

   A store of blocks is shared; a node holds the first `height` of them.  Certificates are fake: the signature is a hash (C12.1). */
#ifndef DMG_NETWORK_TEST_CHAINNET_UTIL_H
#define DMG_NETWORK_TEST_CHAINNET_UTIL_H

#include "network/chainnet.h"
#include "base/assert.h"
#include "base/num.h"
#include "crypto/sig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#ifndef VALIDATORS_N
#define VALIDATORS_N 4
#endif
enum { VALIDATORS = VALIDATORS_N, STORE_MAX = 4096, FRAMES_KEPT = 64, HASHES_KEPT = 4096 };

typedef struct { dmg_hash_t hash; uint8_t header[ DMG_SIGNED_HEADER_SZ ]; dmg_buf_t body; uint32_t epoch; uint64_t view, height; } block_t;
typedef struct { dmg_hash_t genesis; block_t blocks[ STORE_MAX ]; uint32_t cnt; uint16_t table[ 4*STORE_MAX ]; uint64_t seed; } store_t;   /* blocks[ h-1 ]; table: index+1 */

typedef struct { uint16_t peer; uint32_t sz; uint8_t head[ 64 ]; } seen_frame_t;
typedef struct { dmg_span_t raw; uint64_t age_ms; bool is_impostor; dmg_hash_t leaf; } pool_tx_t;   /* an impostor says it is of another leaf: as if short ids met */

typedef struct {
  dmg_net_port_t *  port;
  dmg_arena_t *     arena;
  dmg_chainnet_t *  net;
  store_t *         store;
  uint64_t          height;
  uint32_t          epoch_known, first_epoch_served;
  uint8_t           seed[ 32 ];
  int               index;                  /* as a validator, -1 */
  /* what to do */
  uint64_t          first_body, bad_state_at, told_height;   /* told_height: of its head, beside a true FINALIZATION; 0: as it is */
  bool              is_liar, is_header_liar, is_mute, is_idle, is_slow, is_stalled, is_bare;   /* serves wrong bodies, headers; leaves txs unjudged; sends no hello; leaves SYNC untaken; its thread does something else; has no FINALIZATION of its blocks */
  /* what happened */
  bool              is_up[ DMG_CHAINNET_PEER_MAX ];
  uint32_t          convicted, weighed;     /* of evidence */
  uint32_t          paired;                 /* headers judged */
  uint32_t          ups, downs, frames, pushed, got, got_none, txs, batches, syncs, synced, sync_bad, stopped, reached, unreached;
  pool_tx_t *       pool; uint32_t pool_cnt, looks;   /* of the test's memory */
  uint64_t          pushed_us;
  uint32_t          by_kind[ DMG_FRAME_CNT ];
  seen_frame_t      kept[ FRAMES_KEPT ];
  dmg_hash_t        last_hash, last_got;
  dmg_hash_t        tx_seen[ HASHES_KEPT ]; uint32_t tx_seen_cnt, tx_twice;
  uint32_t          last_bytes_sz;
  uint64_t          hello_us, last_batch;
  char              text[ DMG_CHAINNET_WHY_SZ ];
} node_t;

static uint32_t big_every = 50;
static bool     is_private;                 /* N10.1, of nodes that begin now */
static dmg_hash_t const test_genesis = { { 0x5e, 0xed } };
static dmg_chainnet_member_t members[ VALIDATORS ];
static uint8_t seeds[ VALIDATORS ][ 32 ];

static void members_make( void ) {
  for( unsigned i = 0; i<VALIDATORS; i++ ) {
    uint8_t key[ 32 ];
    memset( seeds[ i ], (int)( 17+i ), 32 );
    dmg_ed25519_public( seeds[ i ], key );
    dmg_wire_peer_of_key( key, &members[ i ].peer );
    memset( members[ i ].key, (int)( 0xa0+i ), DMG_BLS_KEY_SZ );
    members[ i ].weight = 100;
  }
}

/* --- the chain -------------------------------------------------------------------------------------------- */

static void fake_sign( dmg_cert_t * c ) {
  uint8_t b[ 13 ] = { c->kind };
  dmg_store_u32le( b+1, c->epoch );
  dmg_store_u64le( b+5, c->view );
  dmg_hash_t h = dmg_h2( DMG_TAG_MESSAGE, DMG_SPAN( b ), dmg_hash_span( &c->hash ) );
  memcpy( c->sig, h.b, 32 );
}

static dmg_cert_t cert_of( uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t hash ) {
  dmg_cert_t c = { .kind = kind, .epoch = epoch, .view = view, .hash = hash };
  fake_sign( &c );
  return c;
}

static dmg_cert_t fin_of( block_t const * b ) { return cert_of( DMG_VOTE_FINALIZE, b->epoch, b->view, b->hash ); }

static block_t const * store_find( store_t const * s, dmg_hash_t const * hash ) {
  for( uint32_t at = dmg_load_u32le( hash->b )%( 4*STORE_MAX ); s->table[ at ]; at = ( at+1 )%( 4*STORE_MAX ) )
    if( dmg_hash_eq( &s->blocks[ s->table[ at ]-1 ].hash, hash ) ) return &s->blocks[ s->table[ at ]-1 ];
  return NULL;
}

/* Grows to cnt blocks: a third empty, epochs of 1,000, each big_every-th body of about big_sz bytes. */
static void store_grow( store_t * s, uint32_t cnt, uint32_t big_sz ) {
  for( ; s->cnt<cnt; s->cnt++ ) {
    block_t * b = &s->blocks[ s->cnt ], * parent = s->cnt ? &s->blocks[ s->cnt-1 ] : NULL;
    static uint8_t bytes[ 1u<<20 ];
    dmg_span_t txs[ 32 ];
    dmg_body_t body = { .txs = txs };
    bool is_big = s->cnt%big_every==( big_every>7 ? 7 : 0 ) && big_sz;
    uint32_t n = is_big ? 1+big_sz/60000 : s->cnt%3 ? 1+(uint32_t)( dmg_rnd_u64( &s->seed )%4 ) : 0, at = 0;
    for( uint32_t i = 0; i<n; i++ ) {
      uint32_t sz = is_big ? big_sz/n : 20+(uint32_t)( dmg_rnd_u64( &s->seed )%200 );
      for( uint32_t k = 0; k<sz; k++ ) bytes[ at+k ] = (uint8_t)( k<16 || sz>1000 ? dmg_rnd_u64( &s->seed ) : k );
      txs[ body.tx_cnt++ ] = dmg_span( bytes+at, sz );
      at += sz;
    }
    b->body = dmg_buf( 1u<<20 );
    assert_int_equal( dmg_body_encode( &body, &b->body ), DMG_OK );
    b->epoch  = s->cnt/1000;
    b->height = s->cnt+1;
    b->view   = s->cnt%1000*2+1+s->cnt%2;         /* some views are skipped */
    dmg_signed_header_t h = { .header = { .version = 1, .leader = (uint16_t)( ( b->view-1 )/4%VALIDATORS ), .epoch = b->epoch, .view = b->view, .height = b->height, .parent_hash = parent ? parent->hash : s->genesis,
                                          .body_hash = dmg_body_hash( &body ), .body_len = (uint32_t)b->body.sz, .time_ms = 1000+s->cnt } };
    if( parent && parent->epoch==b->epoch ) {
      h.header.parent_view = parent->view;
      h.header.parent_cert = cert_of( DMG_VOTE_NOTARIZE, parent->epoch, parent->view, parent->hash );
    }
    dmg_signed_header_encode( &h, b->header );
    b->hash = dmg_header_hash( &h.header );
    uint32_t t = dmg_load_u32le( b->hash.b )%( 4*STORE_MAX );
    while( s->table[ t ] ) t = ( t+1 )%( 4*STORE_MAX );
    s->table[ t ] = (uint16_t)( s->cnt+1 );
  }
}

static store_t * store_new( uint64_t seed, uint32_t cnt, uint32_t big_sz ) {
  store_t * s = calloc( 1, sizeof *s );
  s->genesis = test_genesis;
  s->seed    = seed;
  store_grow( s, cnt, big_sz );
  return s;
}

static void store_free( store_t * s ) {
  for( uint32_t i = 0; i<s->cnt; i++ ) dmg_buf_fini( &s->blocks[ i ].body );
  free( s );
}

static void chain_head( void * ctx, dmg_chainnet_head_t * out ) {
  node_t * nd = ctx;
  *out = (dmg_chainnet_head_t){ .hash = test_genesis, .epoch_known = nd->epoch_known, .roles = DMG_ROLE_BODIES, .first_body = nd->first_body };
  if( !nd->height ) return;
  block_t const * b = &nd->store->blocks[ nd->height-1 ];
  out->tip_height = b->height;
  out->tip_hash   = b->hash;
  if( nd->is_bare ) return;
  out->epoch      = b->epoch;
  out->final_view = b->view;
  out->height     = nd->told_height ? nd->told_height : b->height;
  out->hash       = b->hash;
  out->fin        = fin_of( b );
}

static block_t const * held( node_t * nd, dmg_hash_t const * hash ) {
  block_t const * b = store_find( nd->store, hash );
  return b && b->height<=nd->height ? b : NULL;
}

static dmg_err_t chain_header( void * ctx, dmg_hash_t const * hash, uint8_t out[ DMG_SIGNED_HEADER_SZ ] ) {
  block_t const * b = held( ctx, hash );
  if( !b ) return DMG_ERR_NOT_FOUND;
  memcpy( out, b->header, DMG_SIGNED_HEADER_SZ );
  if( ( (node_t *)ctx )->is_header_liar ) out[ 306 ] ^= 1;   /* its time */
  return DMG_OK;
}

static dmg_err_t chain_body( void * ctx, dmg_hash_t const * hash, dmg_buf_t * out ) {
  node_t * nd = ctx;
  block_t const * b = held( nd, hash );
  if( !b ) return DMG_ERR_NOT_FOUND;
  if( b->height<nd->first_body ) return DMG_ERR_PRUNED;
  DMG_TRY( dmg_buf_append( out, b->body.p, b->body.sz ) );
  if( nd->is_liar ) out->p[ out->sz-1 ] ^= 1;
  return DMG_OK;
}

static dmg_err_t chain_proposal( void * ctx, uint32_t epoch, uint64_t view, dmg_hash_t const * hash, dmg_buf_t * out ) {
  block_t const * b = held( ctx, hash );
  if( !b || b->epoch!=epoch || b->view!=view ) return DMG_ERR_NOT_FOUND;
  dmg_signed_header_t h;
  if( dmg_signed_header_decode( DMG_SPAN( b->header ), &h ).kind ) return DMG_ERR_CORRUPT;
  uint8_t p[ DMG_PROPOSAL_HEAD_MAX ];
  dmg_cert_t none = { 0 };
  return dmg_buf_append( out, p, dmg_proposal_head( &h, &none, 0, p ) );
}

/* Five runs under some root, for every block that is held. */
static uint8_t    leaves[ DMG_LEAVES_SZ_MAX ];
static size_t     leaves_sz;
static dmg_hash_t leaves_root;
__attribute__(( unused )) static void leaves_make( uint32_t first, uint32_t cnt ) {
  dmg_hash_t hashes[ 5 ], work[ 5 ];
  uint8_t runs[ 5 ][ DMG_RUN_SZ_MAX ];
  size_t  sz[ 5 ];
  dmg_merkle_t tree;
  dmg_merkle_init( &tree );
  for( uint32_t i = 0; i<5; i++ ) {
    dmg_run_t r = { .first = 10*i+1, .cnt = 3+i };
    sz[ i ] = dmg_run_encode( &r, runs[ i ] );
    hashes[ i ] = dmg_run_leaf( dmg_span( runs[ i ], sz[ i ] ) );
    dmg_merkle_add( &tree, DMG_TAG_JUST_NODE, &hashes[ i ] );
  }
  leaves_root = dmg_merkle_end( &tree, DMG_TAG_JUST_NODE );
  dmg_bcs_wr_t wr = dmg_bcs_wr( leaves, sizeof leaves );
  dmg_leaves_head( 5, cnt, &wr );
  for( uint32_t i = first; i<first+cnt; i++ ) {
    dmg_merkle_path_t path;
    memcpy( work, hashes, sizeof work );
    dmg_merkle_path( DMG_TAG_JUST_NODE, work, 5, i, &path );
    dmg_bcs_wr_fixed( &wr, runs[ i ], sz[ i ] );
    dmg_merkle_path_write( &wr, &path );
  }
  leaves_sz = (size_t)( wr.p-leaves );
}
static dmg_err_t chain_runs( void * ctx, dmg_hash_t const * hash, uint32_t first, uint32_t count, dmg_buf_t * out ) {
  node_t * nd = ctx;
  if( !held( ctx, hash ) || first>=5 ) return DMG_ERR_NOT_FOUND;
  leaves_make( first, count<5-first ? count : 5-first );
  if( nd->is_liar ) leaves[ leaves_sz-1 ] ^= 1;
  return dmg_buf_append( out, leaves, leaves_sz );
}

/* Fake: "handover" and its epoch, padded as a real one is long. */
static dmg_err_t chain_handover( void * ctx, uint32_t epoch, dmg_buf_t * out ) {
  node_t * nd = ctx;
  if( epoch>=nd->epoch_known || epoch<nd->first_epoch_served ) return DMG_ERR_NOT_FOUND;
  uint8_t b[ 588 ] = { 'h' };
  dmg_store_u32le( b+1, epoch );
  return dmg_buf_append( out, b, sizeof b );
}

static dmg_verdict_t chain_take_handover( void * ctx, dmg_span_t handover ) {
  node_t * nd = ctx;
  if( handover.sz!=588 || handover.p[ 0 ]!='h' ) return dmg_verdict_bad( "handover", "none", 0 );
  if( dmg_load_u32le( handover.p+1 )!=nd->epoch_known ) return dmg_verdict_local( DMG_ERR_AGAIN );
  nd->epoch_known++;
  return dmg_verdict_good();
}

static dmg_verdict_t chain_judge_final( void * ctx, dmg_cert_t const * cert ) {
  node_t * nd = ctx;
  if( cert->epoch>nd->epoch_known ) return dmg_verdict_local( DMG_ERR_NOT_FOUND );
  dmg_cert_t c = *cert;
  fake_sign( &c );
  return memcmp( &c.sig, cert->sig, sizeof c.sig ) ? dmg_verdict_bad( "cert", "does not verify", 0 ) : dmg_verdict_good();
}

/* A first signature byte of 255 is a lie. */
static dmg_verdict_t chain_judge_header( void * ctx, dmg_signed_header_t const * sh, dmg_hash_t const * hash ) {
  ( (node_t *)ctx )->paired++;
  return sh->sig[ 0 ]==255 ? dmg_verdict_bad( "header", "a signature that does not hold", 0 ) : dmg_verdict_good();
}

/* A first signature byte of 255 is a lie; one proof each signer. */
static dmg_verdict_t chain_take_evidence( void * ctx, dmg_span_t bytes ) {
  node_t * nd = ctx;
  static dmg_evidence_t e;
  assert_int_equal( dmg_evidence_decode( bytes, &e ).kind, DMG_VERDICT_GOOD );
  uint32_t bit = 1u<<e.a.vote.signer%32;
  if( nd->convicted&bit ) return dmg_verdict_local( DMG_ERR_EXISTS );
  nd->weighed++;
  if( e.a.vote.sig[ 0 ]==255 ) return dmg_verdict_bad( "side", "a signature that does not hold", 0 );
  nd->convicted |= bit;
  return dmg_verdict_good();
}

static int chain_leader( void * ctx, uint32_t epoch, uint64_t view ) { return (int)( ( view-1 )/4%VALIDATORS ); }

static bool chain_seed( void * ctx, uint32_t epoch, dmg_hash_t * out ) { *out = (dmg_hash_t){ { 0x77, (uint8_t)epoch } }; return true; }

/* The pool: transactions with their age. */
static void chain_each_tx( void * ctx, void (*visit)( void * arg, dmg_hash_t const * leaf, dmg_span_t raw, uint64_t age_ms ), void * arg ) {
  node_t * nd = ctx;
  nd->looks++;
  for( uint32_t i = 0; i<nd->pool_cnt; i++ ) {
    dmg_hash_t leaf = dmg_h( DMG_TAG_BODY_TX, nd->pool[ i ].raw );
    visit( arg, nd->pool[ i ].is_impostor ? &nd->pool[ i ].leaf : &leaf, nd->pool[ i ].raw, nd->pool[ i ].age_ms );
  }
}

static dmg_err_t chain_tx( void * ctx, dmg_hash_t const * id, dmg_buf_t * out ) {
  node_t * nd = ctx;
  for( uint32_t i = 0; i<nd->pool_cnt; i++ ) {
    dmg_hash_t h = dmg_sha256( nd->pool[ i ].raw );
    if( dmg_hash_eq( &h, id ) ) return dmg_buf_append( out, nd->pool[ i ].raw.p, nd->pool[ i ].raw.sz );
  }
  return DMG_ERR_NOT_FOUND;
}

/* --- nodes ------------------------------------------------------------------------------------------------ */

static dmg_chainnet_chain_t chains[ 64 ];
static unsigned chain_cnt;

/* index: as a validator or -1; the port is given by the caller, opened for this key. */
static void node_begin( node_t * nd, int index, uint8_t const seed[ 32 ], dmg_net_port_t * port, store_t * store, bool is_follower, uint64_t now_us ) {
  *nd = (node_t){ .index = index, .port = port, .store = store };
  memcpy( nd->seed, seed, 32 );
  dmg_chainnet_chain_t * chain = &chains[ chain_cnt++%64 ];
  *chain = (dmg_chainnet_chain_t){ .ctx = nd, .head = chain_head, .header = chain_header, .body = chain_body, .proposal = chain_proposal, .runs = chain_runs, .handover = chain_handover,
                                   .judge_final = chain_judge_final, .take_handover = chain_take_handover, .take_evidence = chain_take_evidence, .judge_header = chain_judge_header,
                                   .leader = chain_leader, .seed = chain_seed, .each_tx = chain_each_tx, .tx = chain_tx };
  dmg_chainnet_cfg_t cfg = { .port = port, .chain = chain, .genesis = store ? store->genesis : test_genesis, .is_follower = is_follower, .is_private = is_private, .wall_ms = 1790000000000u+now_us/1000, .agent = "test" };
  memcpy( cfg.seed, seed, 32 );
  memcpy( cfg.secret, seed, 32 );
  cfg.secret[ 31 ] ^= (uint8_t)index;
  nd->arena = dmg_arena_new( 64u<<20 );
  nd->net   = dmg_chainnet_new( nd->arena, &cfg );
  assert_non_null( nd->net );
  assert_int_equal( dmg_chainnet_start( nd->net, now_us ), DMG_OK );
}

static void node_end( node_t * nd ) {
  if( !nd->net ) return;
  dmg_chainnet_fini( nd->net );
  dmg_net_free( nd->port );
  dmg_arena_free( nd->arena );
  nd->net = NULL;
}

static void on_txs( node_t * nd, dmg_chainnet_out_t const * o ) {
  nd->batches++;
  nd->last_batch = o->id;
  dmg_net_verdict_t v = DMG_NET_IGNORE;
  for( uint32_t i = 0; i<o->tx_cnt; i++ ) {
    nd->txs++;
    if( o->txs[ i ].p[ 0 ]=='!' ) { v = DMG_NET_REJECT; continue; }   /* can never have been right */
    dmg_hash_t h = dmg_sha256( o->txs[ i ] );
    uint32_t k = 0;
    while( k<nd->tx_seen_cnt && !dmg_hash_eq( &nd->tx_seen[ k ], &h ) ) k++;
    if( k<nd->tx_seen_cnt ) { nd->tx_twice++; continue; }
    if( k<HASHES_KEPT ) nd->tx_seen[ nd->tx_seen_cnt++ ] = h;
    if( v==DMG_NET_IGNORE ) v = DMG_NET_ACCEPT;
  }
  if( !nd->is_mute ) dmg_chainnet_verdict( nd->net, o->id, v );
}

static void on_sync( node_t * nd, dmg_chainnet_out_t const * o ) {
  nd->syncs++;
  block_t const * b = &nd->store->blocks[ o->height-1 ];
  assert_true( o->height<=nd->store->cnt );
  assert_memory_equal( o->hash.b, b->hash.b, 32 );
  assert_true( dmg_span_eq( o->header, DMG_SPAN( b->header ) ) );
  assert_true( dmg_span_eq( o->bytes, dmg_buf_span( &b->body ) ) );
  assert_int_equal( o->height, nd->height+1 );
  if( o->is_last ) { dmg_cert_t f = fin_of( b ); assert_memory_equal( f.sig, o->fin.sig, sizeof f.sig ); }
  if( nd->bad_state_at==o->height ) { dmg_chainnet_sync_taken( nd->net, o->height, false ); return; }
  nd->height = o->height;
  if( !nd->is_slow ) dmg_chainnet_sync_taken( nd->net, o->height, true );
}

/* One thing for the node; false: none. */
static bool node_step( node_t * nd, uint64_t now_us ) {
  dmg_chainnet_out_t o;
  if( !dmg_chainnet_next( nd->net, now_us, &o ) ) return false;
  switch( o.kind ) {
    case DMG_CHAINNET_LINK:
      assert_true( o.peer<DMG_CHAINNET_PEER_MAX );
      assert_true( nd->is_up[ o.peer ]!=o.is_up );   /* up and down in turn */
      nd->is_up[ o.peer ] = o.is_up;
      if( o.is_up ) nd->ups++; else nd->downs++;
      break;
    case DMG_CHAINNET_FRAME: {
      assert_true( nd->is_up[ o.peer ] );
      seen_frame_t * f = &nd->kept[ nd->frames++%FRAMES_KEPT ];
      *f = (seen_frame_t){ .peer = o.peer, .sz = (uint32_t)o.bytes.sz };
      memcpy( f->head, o.bytes.p, o.bytes.sz<64 ? o.bytes.sz : 64 );
      nd->by_kind[ o.bytes.p[ 0 ] ]++;
      break;
    }
    case DMG_CHAINNET_PUSHED:
      nd->pushed++;
      nd->pushed_us = now_us;
      nd->last_hash = o.head.body_hash;
      nd->last_bytes_sz = (uint32_t)o.bytes.sz;
      break;
    case DMG_CHAINNET_GOT:
      if( o.bytes.p ) { nd->got++; nd->last_got = dmg_sha256( o.bytes ); } else nd->got_none++;
      nd->last_hash = o.hash;
      nd->last_bytes_sz = (uint32_t)o.bytes.sz;
      break;
    case DMG_CHAINNET_TXS:      on_txs( nd, &o ); break;
    case DMG_CHAINNET_SYNC:     on_sync( nd, &o ); break;
    case DMG_CHAINNET_SYNCED:   nd->synced++; assert_int_equal( o.height, nd->height ); break;
    case DMG_CHAINNET_SYNC_BAD: nd->sync_bad++; snprintf( nd->text, sizeof nd->text, "%s", o.text ); break;
    case DMG_CHAINNET_REACH:
      if( o.is_up ) nd->reached++; else nd->unreached++;
      snprintf( nd->text, sizeof nd->text, "%s", o.text );
      break;
    case DMG_CHAINNET_STOPPED:  nd->stopped++; break;
    default: fail();
  }
  return true;
}

static void all_peers( uint64_t out[ 4 ] ) { memset( out, 0xff, 32 ); }

static void send_hello( node_t * nd ) {
  uint8_t b[ 1+DMG_HELLO_SZ ] = { DMG_FRAME_HELLO };
  dmg_hello_encode( &(dmg_hello_t){ .cur = 1 }, b+1 );
  uint64_t all[ 4 ];
  all_peers( all );
  dmg_chainnet_send( nd->net, all, DMG_SPAN( b ) );
}

/* The core's second (C4.4), or its link would be closed as silent. */
static void node_hello( node_t * nd, uint64_t now_us ) {
  if( nd->index<0 || nd->is_idle || now_us<nd->hello_us ) return;
  nd->hello_us = now_us+1000000;
  send_hello( nd );
}

static inline void vote_make( uint8_t out[ 1+DMG_VOTE_WIRE_SZ ], uint32_t epoch, uint64_t view, uint16_t signer ) {
  dmg_vote_t v = { .kind = DMG_VOTE_NOTARIZE, .epoch = epoch, .view = view, .hash = { { 9 } }, .signer = signer };
  out[ 0 ] = DMG_FRAME_VOTE;
  dmg_vote_encode( &v, out+1 );
}

static dmg_chainnet_info_t info_of( node_t * nd ) {
  dmg_chainnet_info_t i;
  dmg_chainnet_info( nd->net, &i );
  return i;
}

#endif
