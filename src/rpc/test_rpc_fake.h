/* test_rpc_fake: a node that is a table: a chain of empty or small blocks, some items, one module, dev functions that count.

   fake_t f; fake_init( &f ); ... dmg_rpc_new( &f.query ) ... fake_fini( &f ).  Any thread. */
#ifndef DMG_RPC_TEST_RPC_FAKE_H
#define DMG_RPC_TEST_RPC_FAKE_H

#include "base/os.h"
#include "crypto/bls.h"
#include "rpc/jsonrpc.h"
#include "rpc/query.h"
#include "types/block.h"
#include "types/items.h"
#include "types/params.h"
#include "types/receipt.h"
#include "types/tx.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { FAKE_KV_MAX = 64, FAKE_TX_MAX = 128 };

typedef struct { uint8_t key[ DMG_KEY_MAX ]; size_t key_sz; uint8_t value[ 512 ]; size_t value_sz; } fake_kv_t;

typedef struct {
  pthread_mutex_t lock;
  uint64_t        head, oldest;
  uint8_t         fork;                       /* hashes differ by it */
  uint32_t        txs_a_block;
  fake_kv_t       kv[ FAKE_KV_MAX ];
  uint32_t        kv_cnt;
  struct { dmg_hash_t id; dmg_query_tx_status_t status; } tx[ FAKE_TX_MAX ];
  uint32_t        tx_cnt;
  dmg_err_t       status_err;                 /* what reading a status answers */
  uint8_t         raw[ 512 ];                 /* a transaction */
  size_t          raw_sz;
  dmg_hash_t      raw_id;
  uint8_t         abi[ 1024 ];
  size_t          abi_sz;
  atomic_size_t   big_sz;                     /* of the value under 0x00020009 */
  bool            is_good_preview, was_billed;
  _Atomic uint64_t state_oldest;               /* of the states still held */
  uint64_t        known_from;                  /* before this block account 1 is in no topic */
  void         (* _Atomic on_read)( void );    /* once, after a block was read */
  _Atomic uint64_t free_sparks;                /* of account 1; 0: 50 */
  dmg_err_t       err;                        /* what submit, query, preview and dev functions answer */
  char const *    why_name;
  atomic_int      open_views;
  atomic_uint     dev_calls;
  atomic_uint     submit_calls, submit_cnt;   /* begun calls of tx_submit; transactions of those that are done */
  atomic_bool     is_submit_held;             /* tx_submit waits */
  dmg_pace_t      pace;
  dmg_query_t     query;
  dmg_query_dev_t dev;
} fake_t;

static inline dmg_hash_t fake_hash( fake_t * f, uint64_t height ) {
  dmg_hash_t h = { { 0 } };
  if( !height ) { h.b[ 0 ] = 0xab; return h; }
  dmg_store_u64le( h.b, height );
  h.b[ 31 ] = (uint8_t)( 1+f->fork );
  return h;
}

static inline dmg_hash_t fake_id( uint8_t n ) {
  dmg_hash_t h;
  memset( h.b, n, 32 );
  return h;
}

static inline dmg_at_block_t fake_at( fake_t * f, uint64_t height ) { return (dmg_at_block_t){ .height = height, .hash = fake_hash( f, height ), .is_final = true }; }

static inline void fake_q_chain( void * ctx, dmg_query_chain_t * out ) {
  fake_t * f = ctx;
  memset( out, 0, sizeof *out );
  pthread_mutex_lock( &f->lock );
  memcpy( out->name, "dev", 4 );
  out->kind          = 2;
  out->chain_id      = fake_hash( f, 0 );
  out->head          = fake_at( f, f->head );
  out->final         = out->head;
  out->head_ms       = 1000*f->head;
  out->final_ms      = out->head_ms;
  out->oldest_height = f->oldest;
  out->price         = 1700000;
  pthread_mutex_unlock( &f->lock );
}

static inline dmg_err_t fake_q_epoch( void * ctx, uint32_t epoch, dmg_record_t * out_record, dmg_set_t * out_set ) {
  if( epoch ) return DMG_ERR_NOT_FOUND;
  *out_record = (dmg_record_t){ .first_height = 1, .last_height = UINT64_MAX };
  *out_set    = (dmg_set_t){ .cnt = 1, .members = { { .weight = 1 } } };
  return DMG_OK;
}

static inline dmg_err_t fake_locate( fake_t * f, dmg_at_t const * at, dmg_at_block_t * out ) {
  dmg_err_t err = DMG_OK;
  pthread_mutex_lock( &f->lock );
  uint64_t h = f->head;
  if( at->kind==DMG_AT_PENDING ) err = DMG_ERR_UNSUPPORTED;
  if( at->kind==DMG_AT_HEIGHT ) h = at->height;
  if( at->kind==DMG_AT_HASH ) {
    h = dmg_load_u64le( at->hash.b );
    dmg_hash_t want = fake_hash( f, h ), zero = fake_hash( f, 0 );
    if( dmg_hash_eq( &at->hash, &zero ) )       h = 0;
    else if( !dmg_hash_eq( &at->hash, &want ) ) h = UINT64_MAX;
  }
  if( h>f->head )               err = DMG_ERR_NOT_FOUND;
  else if( h && h<f->oldest )   err = DMG_ERR_PRUNED;
  else if( !err )               *out = fake_at( f, h );
  pthread_mutex_unlock( &f->lock );
  return err;
}

static inline dmg_err_t fake_q_block( void * ctx, dmg_at_t const * at, dmg_arena_t * arena, dmg_query_block_t * out ) {
  fake_t * f = ctx;
  dmg_query_block_t b = { 0 };
  DMG_TRY( fake_locate( f, at, &b.at ) );
  if( !b.at.height ) return DMG_ERR_NOT_FOUND;
  dmg_signed_header_t sh = { .header = { .version = 1, .height = b.at.height, .view = b.at.height, .time_ms = 1000*b.at.height } };
  dmg_span_t txs[ 8 ];
  dmg_body_t body = { .txs = txs, .tx_cnt = f->txs_a_block };
  for( uint32_t i = 0; i<body.tx_cnt; i++ ) txs[ i ] = dmg_span( f->raw, f->raw_sz );
  dmg_buf_t buf = dmg_buf( DMG_BODY_SZ_MAX );
  uint8_t cert[ DMG_CERT_SZ ] = { 2 }, header[ DMG_SIGNED_HEADER_SZ ];
  dmg_signed_header_encode( &sh, header );
  dmg_err_t err = dmg_body_encode( &body, &buf );
  b.signed_header = dmg_arena_dup( arena, DMG_SPAN( header ) );
  b.body          = dmg_arena_dup( arena, dmg_buf_span( &buf ) );
  b.finality      = dmg_arena_dup( arena, DMG_SPAN( cert ) );
  dmg_buf_fini( &buf );
  if( !err && ( !b.signed_header.p || !b.body.p || !b.finality.p ) ) err = DMG_ERR_LIMIT;
  if( !err ) *out = b;
  void (* hook)( void ) = atomic_exchange( &f->on_read, NULL );
  if( hook ) hook();
  return err;
}

static inline dmg_err_t fake_receipt( fake_t * f, dmg_arena_t * arena, dmg_span_t * out ) {
  dmg_event_t event = { .module = 2, .event = 1, .data = DMG_SPAN_STR( "\x09\0\0\0\0\0\0\0" ) };
  dmg_receipt_t r = { .id = f->raw_id, .status = DMG_STATUS_FAULT, .call = 0, .module = 2, .code = 7, .events = &event, .event_cnt = 1, .gas_used = 9, .gas_billed = 10, .fee = 11 };
  dmg_buf_t buf = dmg_buf( 4096 );
  dmg_err_t err = dmg_receipt_encode( &r, &buf );
  *out = dmg_arena_dup( arena, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return err;
}

static inline dmg_err_t fake_q_tx_status( void * ctx, dmg_hash_t const * id, dmg_query_tx_status_t * out ) {
  fake_t * f = ctx;
  *out = (dmg_query_tx_status_t){ .state = DMG_TX_UNKNOWN };
  pthread_mutex_lock( &f->lock );
  for( uint32_t i = 0; i<f->tx_cnt; i++ ) if( dmg_hash_eq( &f->tx[ i ].id, id ) ) *out = f->tx[ i ].status;
  pthread_mutex_unlock( &f->lock );
  return f->status_err;
}

/* What the node knows of a transaction from now on. */
static inline void fake_set_tx( fake_t * f, dmg_hash_t id, dmg_query_tx_status_t status ) {
  pthread_mutex_lock( &f->lock );
  uint32_t i = 0;
  while( i<f->tx_cnt && !dmg_hash_eq( &f->tx[ i ].id, &id ) ) i++;
  if( i==f->tx_cnt && f->tx_cnt<FAKE_TX_MAX ) f->tx_cnt++;
  f->tx[ i ].id     = id;
  f->tx[ i ].status = status;
  pthread_mutex_unlock( &f->lock );
}

static inline dmg_err_t fake_q_tx( void * ctx, dmg_hash_t const * id, dmg_arena_t * arena, dmg_span_t * out_raw, dmg_span_t * out_receipt, dmg_query_tx_status_t * out_status ) {
  fake_t * f = ctx;
  fake_q_tx_status( f, id, out_status );
  if( out_status->state==DMG_TX_UNKNOWN ) return DMG_ERR_NOT_FOUND;
  *out_raw     = dmg_span( f->raw, f->raw_sz );
  *out_receipt = dmg_span( NULL, 0 );
  return out_status->state==DMG_TX_FINAL ? fake_receipt( f, arena, out_receipt ) : DMG_OK;
}

static inline dmg_err_t fake_refuse( fake_t * f, dmg_query_why_t * why ) {
  snprintf( why->text, sizeof why->text, "no, because" );
  why->name = f->why_name;
  return f->err;
}

/* 0xbb.. is refused; the id of what is not f->raw is its first 32 bytes. */
static inline void fake_q_submit( void * ctx, dmg_query_submit_t * items, size_t cnt ) {
  fake_t * f = ctx;
  f->submit_calls++;
  while( f->is_submit_held ) dmg_os_sleep_ns( 1000000 );
  f->submit_cnt += (uint32_t)cnt;
  for( size_t i = 0; i<cnt; i++ ) {
    dmg_query_submit_t * it = &items[ i ];
    it->err    = f->err ? fake_refuse( f, &it->why ) : DMG_OK;
    it->id     = f->raw_id;
    it->status = (dmg_query_tx_status_t){ .state = DMG_TX_POOLED };
    if( !dmg_span_eq( it->raw, dmg_span( f->raw, f->raw_sz ) ) ) {
      memset( it->id.b, 0, 32 );
      memcpy( it->id.b, it->raw.p, it->raw.sz<32 ? it->raw.sz : 32 );
    }
    if( !f->err && it->raw.sz && it->raw.p[ 0 ]==0xbb ) {
      it->err = DMG_ERR_INVALID;
      it->why = (dmg_query_why_t){ .text = "a signature is not valid", .name = "signature" };
    }
  }
}

/* Account 1 gives 30 to account 2; the last fails unless is_good. */
static inline dmg_err_t fake_q_preview( void * ctx, dmg_span_t const * raws, uint32_t cnt, bool is_billed, dmg_arena_t * arena, dmg_query_preview_t * out, dmg_at_block_t * out_at, dmg_query_why_t * why ) {
  fake_t * f = ctx;
  if( f->err ) return fake_refuse( f, why );
  f->was_billed = is_billed;
  *out_at = fake_at( f, f->head );
  for( uint32_t i = 0; i<cnt; i++ ) {
    out[ i ] = (dmg_query_preview_t){ .status = f->is_good_preview ? DMG_STATUS_OK : DMG_STATUS_FAULT, .gas_used = 100, .gas_to_set = 120, .fee_at_set = 5, .intrinsic = 6000, .price = 1700000, .outcome = fake_id( 0x0c ), .flow_cnt = 2 };
    out[ i ].flows = DMG_ARENA_NEW( arena, dmg_query_flow_t, 2 );
    if( !out[ i ].flows ) return DMG_ERR_LIMIT;
    out[ i ].flows[ 0 ] = (dmg_query_flow_t){ .account = fake_id( 1 ), .asset = DMG_SPAN_STR( "\0" ), .out = 30 };
    out[ i ].flows[ 1 ] = (dmg_query_flow_t){ .account = fake_id( 2 ), .asset = DMG_SPAN_STR( "\0" ), .in = 30 };
    snprintf( out[ i ].why.text, sizeof out[ i ].why.text, "the module refused the call" );
    DMG_TRY( fake_receipt( f, arena, &out[ i ].receipt ) );
  }
  return DMG_OK;
}

static inline dmg_err_t fake_q_nonce( void * ctx, dmg_hash_t const * account, uint16_t lane, uint64_t * out_state, uint64_t * out_next ) {
  *out_state = lane;
  *out_next  = lane+1u;
  return DMG_OK;
}

/* Block h has h%3 events Counted of module 2 and, every fifth, one Paid that names account 1. */
static inline uint64_t fake_counted( uint64_t height ) { uint64_t n = 0; for( uint64_t h = 1; h<=height; h++ ) n += h%3; return n; }
static inline uint64_t fake_paid   ( uint64_t height ) { return height/5; }
static inline dmg_err_t fake_q_receipts( void * ctx, uint64_t height, dmg_arena_t * arena, dmg_span_t ** out_receipts, uint32_t * out_cnt ) {
  fake_t * f = ctx;
  dmg_at_block_t at;
  DMG_TRY( fake_locate( f, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = height }, &at ) );
  dmg_event_t event[ 3 ];
  uint8_t sum[ 2 ][ 8 ] = { { 0 } }, paid[ 40 ] = { 0 };
  uint32_t n = 0;
  for( ; n<height%3; n++ ) {
    dmg_store_u64le( sum[ n ], 10*height+n );
    event[ n ] = (dmg_event_t){ .module = 2, .event = 1, .data = DMG_SPAN( sum[ n ] ) };
  }
  memset( paid, 1, 32 );
  if( height%5==0 ) event[ n++ ] = (dmg_event_t){ .module = 2, .event = 2, .data = DMG_SPAN( paid ) };
  dmg_receipt_t r[ 2 ] = { { .id = f->raw_id, .call = DMG_RECEIPT_CALL_NONE }, { .id = f->raw_id, .call = DMG_RECEIPT_CALL_NONE, .events = event, .event_cnt = n } };
  *out_receipts = DMG_ARENA_NEW( arena, dmg_span_t, 2 );
  if( !*out_receipts ) return DMG_ERR_LIMIT;
  *out_cnt = 2;
  for( int i = 0; i<2; i++ ) {
    dmg_buf_t buf = dmg_buf( 4096 );
    dmg_err_t err = dmg_receipt_encode( &r[ i ], &buf );
    ( *out_receipts )[ i ] = dmg_arena_dup( arena, dmg_buf_span( &buf ) );
    dmg_buf_fini( &buf );
    DMG_TRY( err );
  }
  return DMG_OK;
}

/* The count of a topic in the state after a block. */
static inline dmg_err_t fake_topic( dmg_query_view_t const * view, dmg_span_t key, dmg_arena_t * arena, dmg_span_t * out ) {
  uint8_t k[ DMG_KEY_MAX ], bcs[ DMG_MMR_BCS_MAX ], value[ DMG_MMR_BCS_MAX+1 ];
  dmg_hash_t module = dmg_topic_module_id( 2 ), account = fake_id( 1 );
  dmg_mmr_t mmr = { 0 };
  uint64_t known_from = ( (fake_t *)view->handle )->known_from;
  bool is_module = dmg_span_eq( key, dmg_span( k, dmg_key_topic( DMG_TOPIC_MODULE, &module, k ) ) );
  if( !is_module && !dmg_span_eq( key, dmg_span( k, dmg_key_topic( DMG_TOPIC_ACCOUNT, &account, k ) ) ) ) return DMG_ERR_NOT_FOUND;
  mmr.count = is_module ? fake_counted( view->at.height )+fake_paid( view->at.height ) : fake_paid( view->at.height )-fake_paid( known_from && known_from<=view->at.height ? known_from-1 : known_from ? view->at.height : 0 );
  if( !mmr.count ) return DMG_ERR_NOT_FOUND;
  *out = dmg_arena_dup( arena, dmg_span( value, dmg_value_build( false, 1, NULL, dmg_span( bcs, dmg_item_mmr_put( &mmr, bcs ) ), value ) ) );
  return out->p ? DMG_OK : DMG_ERR_LIMIT;
}

static inline dmg_err_t fake_q_view_open( void * ctx, dmg_at_t const * at, dmg_query_view_t * out ) {
  fake_t * f = ctx;
  dmg_query_view_t v = { .handle = f };
  DMG_TRY( fake_locate( f, at, &v.at ) );
  if( v.at.height<f->state_oldest ) return DMG_ERR_PRUNED;
  atomic_fetch_add( &f->open_views, 1 );
  *out = v;
  return DMG_OK;
}
static inline void fake_q_view_close( void * ctx, dmg_query_view_t * view ) { atomic_fetch_sub( &( (fake_t *)ctx )->open_views, 1 ); }

static inline dmg_err_t fake_q_view_get( void * ctx, dmg_query_view_t const * view, dmg_span_t key, dmg_arena_t * arena, dmg_span_t * out ) {
  fake_t * f = ctx;
  if( f->big_sz && dmg_span_eq( key, DMG_SPAN_STR( "\0\2\0\x09" ) ) ) {
    uint8_t * p = dmg_arena_calloc( arena, 1, f->big_sz );
    *out = dmg_span( p, f->big_sz );
    return p ? DMG_OK : DMG_ERR_LIMIT;
  }
  if( !fake_topic( view, key, arena, out ) ) return DMG_OK;
  uint8_t k[ DMG_KEY_MAX ], value[ 64 ], sparks[ 8 ];
  dmg_hash_t a = fake_id( 1 );
  dmg_store_u64le( sparks, f->free_sparks );
  if( f->free_sparks && dmg_span_eq( key, dmg_span( k, dmg_key_free( &a, k ) ) ) ) {
    *out = dmg_arena_dup( arena, dmg_span( value, dmg_value_build( true, 1, NULL, DMG_SPAN( sparks ), value ) ) );
    return DMG_OK;
  }
  for( uint32_t i = 0; i<f->kv_cnt; i++ ) {
    fake_kv_t const * kv = &f->kv[ i ];
    if( dmg_span_eq( key, dmg_span( kv->key, kv->key_sz ) ) ) { *out = dmg_span( kv->value, kv->value_sz ); return DMG_OK; }
  }
  return DMG_ERR_NOT_FOUND;
}

/* Free, Held and the locks that lie in the table. */
static inline dmg_err_t fake_q_holding( void * ctx, dmg_at_t const * at, dmg_hash_t const * account, dmg_arena_t * arena, dmg_query_holding_t * out ) {
  uint8_t k[ DMG_KEY_MAX ], schema;
  dmg_span_t v, bcs;
  dmg_query_view_t view;
  dmg_query_holding_t h = { 0 };
  dmg_item_block_t block = { 0 };
  dmg_item_lock_t lock;
  DMG_TRY( fake_q_view_open( ctx, at, &view ) );
  h.at = view.at;
  if( !fake_q_view_get( ctx, &view, dmg_span( k, dmg_key_free( account, k ) ), arena, &v ) && dmg_counter_parse( v, true, NULL, &h.free ) ) abort();
  if( !fake_q_view_get( ctx, &view, dmg_span( k, dmg_key_held( account, k ) ), arena, &v ) && dmg_counter_parse( v, false, NULL, &h.held ) ) abort();
  if( !fake_q_view_get( ctx, &view, dmg_span( k, dmg_key_block( k ) ), arena, &v ) && ( dmg_value_parse( v, false, &schema, NULL, &bcs ) || dmg_item_block_get( bcs, &block ) ) ) abort();
  for( uint8_t r = 0; r<DMG_BALANCES_LOCK_MAX; r++ ) {
    if( fake_q_view_get( ctx, &view, dmg_span( k, dmg_key_lock( account, r, k ) ), arena, &v ) ) continue;
    if( dmg_value_parse( v, false, &schema, NULL, &bcs ) || dmg_item_lock_get( bcs, &lock ) ) abort();
    if( block.time_ms<lock.until_ms && lock.amount>h.locked ) h.locked = lock.amount;
  }
  h.spendable = h.free>h.locked ? h.free-h.locked : 0;
  fake_q_view_close( ctx, &view );
  *out = h;
  return DMG_OK;
}

static inline dmg_err_t fake_q_view_list( void * ctx, dmg_query_view_t const * view, dmg_span_t prefix, dmg_span_t after, uint32_t max, dmg_arena_t * arena, dmg_span_t * out_keys,
                                          dmg_span_t * out_values, uint32_t * out_cnt ) {
  fake_t * f = ctx;
  uint32_t cnt = 0;
  for( uint32_t i = 0; i<f->kv_cnt && cnt<max; i++ ) {
    dmg_span_t key = dmg_span( f->kv[ i ].key, f->kv[ i ].key_sz );
    if( key.sz<prefix.sz || memcmp( key.p, prefix.p, prefix.sz ) || dmg_span_cmp( key, after )<=0 ) continue;
    out_keys[ cnt ]     = key;
    out_values[ cnt++ ] = dmg_span( f->kv[ i ].value, f->kv[ i ].value_sz );
  }
  *out_cnt = cnt;
  return DMG_OK;
}

static inline dmg_err_t fake_q_view_prove( void * ctx, dmg_query_view_t const * view, dmg_span_t key, dmg_arena_t * arena, dmg_query_proof_t * out ) {
  fake_t * f = ctx;
  dmg_query_block_t child;
  dmg_err_t err = fake_q_block( f, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = view->at.height+1 }, arena, &child );
  if( err ) return err==DMG_ERR_NOT_FOUND ? DMG_ERR_AGAIN : err;
  *out = (dmg_query_proof_t){ .height = view->at.height, .header = dmg_span( child.signed_header.p, DMG_HEADER_SZ ), .tree = DMG_SPAN_STR( "tree" ), .finality = child.finality };
  return DMG_OK;
}

static inline dmg_err_t fake_q_module_query( void * ctx, dmg_query_view_t const * view, uint16_t module, uint16_t query, dmg_span_t args, dmg_arena_t * arena, dmg_span_t * out, dmg_query_why_t * why ) {
  fake_t * f = ctx;
  if( f->err ) return fake_refuse( f, why );
  *out = args;
  return DMG_OK;
}
static inline dmg_err_t fake_q_module_abi( void * ctx, dmg_query_view_t const * view, uint16_t module, dmg_arena_t * arena, dmg_span_t * out ) {
  fake_t * f = ctx;
  *out = dmg_span( f->abi, f->abi_sz );
  return module==2 ? DMG_OK : DMG_ERR_NOT_FOUND;
}
static inline dmg_err_t fake_q_modules( void * ctx, dmg_query_view_t const * view, uint16_t * out_ids, uint32_t max, uint32_t * out_cnt ) {
  out_ids[ 0 ] = 2;
  *out_cnt = 1;
  return DMG_OK;
}

static inline dmg_err_t fake_dev( void * ctx ) { atomic_fetch_add( &( (fake_t *)ctx )->dev_calls, 1 ); return ( (fake_t *)ctx )->err; }
static inline dmg_err_t fake_d_mine( void * ctx, uint32_t blocks, uint64_t step_ms, dmg_at_block_t * out ) {
  fake_t * f = ctx;
  pthread_mutex_lock( &f->lock );
  f->head += blocks;
  *out = fake_at( f, f->head );
  pthread_mutex_unlock( &f->lock );
  return fake_dev( f );
}
static inline dmg_err_t fake_d_pace    ( void * ctx, dmg_pace_t pace ) { ( (fake_t *)ctx )->pace = pace; return fake_dev( ctx ); }
static inline dmg_err_t fake_d_time    ( void * ctx, uint64_t ms ) { return fake_dev( ctx ); }
static inline dmg_err_t fake_d_snapshot( void * ctx, uint32_t * out_id ) { *out_id = 3; return fake_dev( ctx ); }
static inline dmg_err_t fake_d_revert  ( void * ctx, uint32_t id ) { return id==3 ? fake_dev( ctx ) : DMG_ERR_NOT_FOUND; }
static inline dmg_err_t fake_d_balance ( void * ctx, dmg_hash_t const * account, uint64_t sparks ) { return fake_dev( ctx ); }
static inline dmg_err_t fake_d_faucet  ( void * ctx, dmg_hash_t const * account, uint64_t sparks, dmg_hash_t * out_id ) { *out_id = fake_id( 9 ); return fake_dev( ctx ); }
static inline uint32_t  fake_d_account_cnt( void * ctx ) { return 1; }
static inline void      fake_d_account ( void * ctx, uint32_t idx, char const ** out_name, dmg_hash_t * out_address ) { *out_name = "alice"; *out_address = fake_id( 1 ); }

static inline void fake_put( fake_t * f, uint8_t const * key, size_t key_sz, bool has_deposit, dmg_span_t bcs ) {
  fake_kv_t * kv = &f->kv[ f->kv_cnt++ ];
  memcpy( kv->key, key, key_sz );
  kv->key_sz   = key_sz;
  kv->value_sz = dmg_value_build( has_deposit, 1, NULL, bcs, kv->value );
}
static inline void fake_put_counter( fake_t * f, uint8_t const * key, size_t key_sz, bool has_deposit, uint64_t v ) {
  uint8_t bcs[ 8 ];
  dmg_store_u64le( bcs, v );
  fake_put( f, key, key_sz, has_deposit, DMG_SPAN( bcs ) );
}

/* balances with call transfer( to, amount ) and query get( account ). */
static inline void fake_make_abi( fake_t * f ) {
  dmg_type_t address = { .kind = DMG_TYPE_ADDRESS }, amount = { .kind = DMG_TYPE_AMOUNT };
  (void)dmg_type_measure( &address );
  (void)dmg_type_measure( &amount );
  dmg_field_t to[ 2 ] = { { DMG_SPAN_STR( "to" ), &address }, { DMG_SPAN_STR( "amount" ), &amount } }, who[ 1 ] = { { DMG_SPAN_STR( "account" ), &address } };
  dmg_type_t transfer = { .kind = DMG_TYPE_STRUCT, .fields = to, .field_cnt = 2 }, get = { .kind = DMG_TYPE_STRUCT, .fields = who, .field_cnt = 1 };
  (void)dmg_type_measure( &transfer );
  (void)dmg_type_measure( &get );
  dmg_abi_fn_t call  = { .id = 1, .name = DMG_SPAN_STR( "transfer" ), .args = &transfer, .auth = 1u<<DMG_ROLE_OWNER|1u<<DMG_ROLE_USE, .gas = 9, .says = DMG_SPAN_STR( "Send {amount} to {to}" ) };
  dmg_abi_fn_t query = { .id = 1, .name = DMG_SPAN_STR( "get" ), .args = &get, .ret = &amount, .gas = 9 };
  dmg_field_t sum[ 1 ] = { { DMG_SPAN_STR( "sum" ), &amount } };
  dmg_type_t counted = { .kind = DMG_TYPE_STRUCT, .fields = sum, .field_cnt = 1 }, none = { .kind = DMG_TYPE_STRUCT };
  (void)dmg_type_measure( &counted );
  (void)dmg_type_measure( &none );
  dmg_field_t paid_f[ 2 ] = { { DMG_SPAN_STR( "who" ), &address }, { DMG_SPAN_STR( "sum" ), &amount } };
  dmg_type_t paid = { .kind = DMG_TYPE_STRUCT, .fields = paid_f, .field_cnt = 2 };
  (void)dmg_type_measure( &paid );
  static uint8_t const first[ 1 ] = { 0 };
  dmg_abi_event_t event[ 2 ] = { { .id = 1, .name = DMG_SPAN_STR( "Counted" ), .fields = &counted }, { .id = 2, .name = DMG_SPAN_STR( "Paid" ), .fields = &paid, .topics = first, .topic_cnt = 1 } };
  dmg_abi_fault_t fault = { .id = 7, .name = DMG_SPAN_STR( "TooPoor" ), .fields = &none };
  dmg_abi_t abi = { .events = event, .event_cnt = 2, .faults = &fault, .fault_cnt = 1, .module = 2, .name = DMG_SPAN_STR( "balances" ), .version = { 0, 1, 0 }, .storage_version = 1, .reads_to = 1, .pages = 1,
    .host = DMG_SPAN_STR( "dm1" ), .calls = &call, .call_cnt = 1,
                    .queries = &query, .query_cnt = 1 };
  dmg_bcs_wr_t wr = dmg_bcs_wr( f->abi, sizeof f->abi );
  dmg_abi_write( &abi, &wr );
  f->abi_sz = (size_t)( wr.p-wr.start );
}

static inline void fake_make_tx( fake_t * f ) {
  static uint8_t const zero[ 64 ];
  uint8_t args[ 40 ] = { 0 };
  memset( args, 1, 32 );
  dmg_store_u64le( args+32, 30 );
  dmg_tx_call_t call = { .module = 2, .call = 1, .args = DMG_SPAN( args ) };
  dmg_tx_post_t post[ 4 ] = { { .kind = DMG_POST_SPENDS_MAX, .amount = 5 }, { .kind = DMG_POST_OWNS, .asset = { .kind = DMG_ASSET_CURRENCY } }, { .kind = DMG_POST_FEE_MAX, .amount = 7 }, { .kind = DMG_POST_OUTCOME } };
  dmg_tx_sig_t sig = { .scheme = DMG_SIG_ED25519, .key = dmg_span( zero, 32 ), .sig = dmg_span( zero, 64 ) };
  dmg_tx_t tx = { .version = 1, .fee_kind = DMG_FEE_ENERGY_THEN_FEE, .nonce = 7, .expiry = 100, .gas = 20000, .fee_max = 9, .calls = &call, .call_cnt = 1, .posts = post, .post_cnt = 4, .sigs = &sig, .sig_cnt = 1 };
  dmg_buf_t body = dmg_buf( sizeof f->raw ), raw = dmg_buf( sizeof f->raw );
  if( dmg_tx_body_encode( &tx, &body ) || dmg_tx_encode( &tx, &raw ) ) abort();
  memcpy( f->raw, raw.p, raw.sz );
  f->raw_sz = raw.sz;
  f->raw_id = dmg_tx_id( dmg_buf_span( &body ) );
  dmg_buf_fini( &body );
  dmg_buf_fini( &raw );
}

/* Account fake_id( 2 ): use asks for weight 3; slot 0 Ed25519 and slot 1 secp256k1 of secret 01.. weigh 2 and 1, slot 2 Ed25519 of secret 02.. weighs 5 but only from 9000 ms on.
   Account fake_id( 3 ): P-256 and BLS of secret 01.., WebAuthn of secret 02.., one each of the three asked for. */
static inline void fake_keys( fake_t * f ) {
  uint8_t k[ DMG_KEY_MAX ], v[ 512 ], key[ 3 ][ 33 ], one[ 32 ], two[ 32 ];
  memset( one, 1, 32 );
  memset( two, 2, 32 );
  dmg_ed25519_public( one, key[ 0 ] );
  if( !dmg_secp256k1_public( one, key[ 1 ] ) ) abort();
  dmg_ed25519_public( two, key[ 2 ] );
  dmg_hash_t a = fake_id( 2 );
  fake_put( f, k, dmg_key_account( &a, k ), true, dmg_span( v, dmg_item_account_put( &(dmg_item_account_t){ .t_use = 3, .t_owner = 3, .created_ms = 500 }, v ) ) );
  dmg_item_auth_t auth[ 3 ] = { { .scheme = DMG_SIG_ED25519, .key = dmg_span( key[ 0 ], 32 ), .level = DMG_LEVEL_OWNER, .weight = 2 }, { .scheme = DMG_SIG_SECP256K1, .key = dmg_span( key[ 1 ], 33 ), .level = DMG_LEVEL_USE, .weight = 1 },
                                { .scheme = DMG_SIG_ED25519, .key = dmg_span( key[ 2 ], 32 ), .level = DMG_LEVEL_OWNER, .weight = 5, .active_from_ms = 9000 } };
  for( uint8_t i = 0; i<3; i++ ) fake_put( f, k, dmg_key_auth( &a, i, k ), true, dmg_span( v, dmg_item_auth_put( &auth[ i ], v ) ) );

  dmg_bls_key_t bls;
  a = fake_id( 3 );
  if( !dmg_p256_public( one, key[ 0 ] ) || !dmg_p256_public( two, key[ 1 ] ) || !dmg_bls_public( one, &bls ) ) abort();
  uint8_t bls_key[ 96 ];
  dmg_bls_key_store( &bls, bls_key );
  fake_put( f, k, dmg_key_account( &a, k ), true, dmg_span( v, dmg_item_account_put( &(dmg_item_account_t){ .t_use = 3, .t_owner = 3 }, v ) ) );
  dmg_item_auth_t other[ 3 ] = { { .scheme = DMG_SIG_P256, .key = dmg_span( key[ 0 ], 33 ) }, { .scheme = DMG_SIG_WEBAUTHN, .key = dmg_span( key[ 1 ], 33 ) }, { .scheme = DMG_SIG_BLS, .key = DMG_SPAN( bls_key ) } };
  for( uint8_t i = 0; i<3; i++ ) {
    other[ i ].level = DMG_LEVEL_OWNER;
    other[ i ].weight = 1;
    fake_put( f, k, dmg_key_auth( &a, i, k ), true, dmg_span( v, dmg_item_auth_put( &other[ i ], v ) ) );
  }
}

/* Head 7; account fake_id( 1 ) with 50 free, 5 held, 20 locked until 8000 ms, 30 locked until 7000 ms (over), one key, lane 0 at 3. */
static inline void fake_init( fake_t * f ) {
  memset( f, 0, sizeof *f );
  pthread_mutex_init( &f->lock, NULL );
  f->head     = 7;
  f->oldest   = 1;
  f->why_name = "nonce";
  fake_make_abi( f );
  fake_make_tx( f );
  uint8_t k[ DMG_KEY_MAX ], v[ 512 ];
  dmg_hash_t a = fake_id( 1 );
  fake_put( f, k, dmg_key_account( &a, k ), true, dmg_span( v, dmg_item_account_put( &(dmg_item_account_t){ .t_use = 1, .t_owner = 1, .created_ms = 500 }, v ) ) );
  dmg_item_auth_t auth = { .scheme = DMG_SIG_ED25519, .key = DMG_SPAN( a.b ), .level = DMG_LEVEL_OWNER, .weight = 1, .label = DMG_SPAN_STR( "a \"key\"" ) };
  fake_put( f, k, dmg_key_auth( &a, 0, k ), true, dmg_span( v, dmg_item_auth_put( &auth, v ) ) );
  fake_put_counter( f, k, dmg_key_lane( &a, 0, k ), true, 3 );
  fake_keys( f );
  fake_put( f, k, dmg_key_param( dmg_param_desc[ 0 ].module, dmg_param_desc[ 0 ].key, k ), false, dmg_span( v, dmg_item_param_put( &(dmg_item_param_t){ .value = DMG_SPAN_STR( "\1\2\0\0\0\0\0\0" ) }, v ) ) );
  dmg_hash_t code = fake_id( 0xc0 );
  fake_put( f, k, dmg_key_code( &code, k ), true, dmg_span( v, dmg_item_code_put( DMG_SPAN_STR( "\0asm" ), v ) ) );
  dmg_item_module_t m = { .code = code, .name = DMG_SPAN_STR( "balances" ), .version = { 0, 1, 0 }, .storage_version = 1, .activated_at = 4 };
  fake_put( f, k, dmg_key_module( 2, k ), false, dmg_span( v, dmg_item_module_put( &m, v ) ) );
  fake_put( f, k, dmg_key_block( k ), false, dmg_span( v, dmg_item_block_put( &(dmg_item_block_t){ .height = 7, .time_ms = 7000 }, v ) ) );
  fake_put_counter( f, k, dmg_key_free( &a, k ), true, 50 );
  fake_put_counter( f, k, dmg_key_held( &a, k ), false, 5 );
  fake_put( f, k, dmg_key_lock( &a, 0, k ), false, dmg_span( v, dmg_item_lock_put( &(dmg_item_lock_t){ .amount = 20, .until_ms = 8000 }, v ) ) );
  fake_put( f, k, dmg_key_lock( &a, 1, k ), false, dmg_span( v, dmg_item_lock_put( &(dmg_item_lock_t){ .amount = 30, .until_ms = 7000 }, v ) ) );
  fake_put_counter( f, k, dmg_key_burned( 0, k ), false, 1000 );
  f->dev = (dmg_query_dev_t){ .mine = fake_d_mine, .set_pace = fake_d_pace, .increase_time = fake_d_time, .set_time = fake_d_time, .snapshot = fake_d_snapshot, .revert = fake_d_revert, .set_balance = fake_d_balance,
                              .faucet = fake_d_faucet, .account_cnt = fake_d_account_cnt, .account = fake_d_account };
  f->query = (dmg_query_t){ .ctx = f, .chain = fake_q_chain, .block = fake_q_block, .epoch = fake_q_epoch,
                            .receipts = fake_q_receipts, .tx = fake_q_tx, .tx_status = fake_q_tx_status, .tx_submit = fake_q_submit, .tx_preview = fake_q_preview, .nonce = fake_q_nonce,
                            .holding = fake_q_holding, .view_open = fake_q_view_open, .view_get = fake_q_view_get, .view_list = fake_q_view_list, .view_prove = fake_q_view_prove, .module_query = fake_q_module_query,
                            .module_abi = fake_q_module_abi, .modules = fake_q_modules, .view_close = fake_q_view_close, .dev = &f->dev };
}

/* As a client whom nobody counts. */
static inline bool fake_ask( dmg_rpc_t * rpc, dmg_span_t body, uint64_t ws, dmg_buf_t * out ) {
  dmg_rpc_bill_t bill = { 0 };
  return dmg_rpc_handle( rpc, body, &(dmg_rpc_from_t){ .ws = ws, .who.is_free = true }, out, &bill );
}

static inline void fake_fini( fake_t * f ) { pthread_mutex_destroy( &f->lock ); }

#endif
