/* test_chain_util: a dev chain inside a test program: the real modules (DMG_TEST_MODULES), the ten accounts, transfers.

   Failure  cmocka's assertions */
#ifndef DMG_NODE_TEST_CHAIN_UTIL_H
#define DMG_NODE_TEST_CHAIN_UTIL_H

#include "base/os.h"
#include "crypto/sig.h"
#include "node/chain.h"
#include "runtime/compile_child.h"
#include "runtime/vm.h"
#include "types/block.h"
#include "types/items.h"
#include "types/schema.h"
#include "types/receipt.h"
#include "types/state_proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__(( unused )) static dmg_dev_account_t accounts[ DMG_DEV_KEY_CNT ];
__attribute__(( unused )) static dmg_buf_t         wasm[ 2 ];
__attribute__(( unused )) static dmg_dev_module_t  modules[ 2 ];
__attribute__(( unused )) static char              cache_dir[ 64 ];
/* One a thread. */
__attribute__(( unused )) static _Thread_local dmg_arena_t * arena;

__attribute__(( unused )) static int setup( void ** state ) {
  static char const * const file[ 2 ] = { "system", "balances" };
  for( int m = 0; m<2; m++ ) {
    char path[ 1024 ];
    snprintf( path, sizeof path, "%s/%s.wasm", DMG_TEST_MODULES, file[ m ] );
    if( dmg_os_file_read( path, 1<<20, &wasm[ m ] ) ) { fprintf( stderr, "no %s: build the target modules\n", path ); return 1; }
    modules[ m ] = (dmg_dev_module_t){ .id = (uint16_t)( m+1 ), .code = dmg_buf_span( &wasm[ m ] ) };
  }
  snprintf( cache_dir, sizeof cache_dir, "/tmp/dmg-test-cache-%u", (unsigned)getuid() );
  arena = dmg_arena_new( 64<<20 );
  return dmg_dev_accounts( accounts );
}
__attribute__(( unused )) static int teardown( void ** state ) {
  dmg_buf_fini( &wasm[ 0 ] );
  dmg_buf_fini( &wasm[ 1 ] );
  dmg_arena_free( arena );
  return 0;
}

__attribute__(( unused )) static dmg_chain_t * open_chain_told( char const * data_dir, dmg_pace_kind_t pace, uint64_t time_ms, dmg_query_events_t const * events ) {
  dmg_vm_signals_restore();   /* cmocka replaced the engine's handlers (vm.h) */
  dmg_dev_genesis_cfg_t gcfg = { .time_ms = time_ms, .name = "dev", .modules = modules, .module_cnt = 2 };
  dmg_chain_cfg_t cfg = { .modules = modules, .module_cnt = 2, .data_dir = data_dir, .cache_dir = cache_dir, .is_durable = data_dir!=NULL, .pace = { .kind = pace }, .is_dev = true, .dev_accounts = accounts,
                          .tree_sz_max = 64<<20 };
  uint8_t key[ 96 ];
  char why[ 512 ];
  dmg_chain_t * chain;
  assert_int_equal( dmg_dev_genesis( &gcfg, accounts, arena, &cfg.genesis ), DMG_OK );
  dmg_dev_validator( cfg.validator_secret, key );
  dmg_err_t err = dmg_chain_open( &cfg, &chain, why );
  if( err ) fail_msg( "open: %s: %s", dmg_err_name( err ), why );
  if( events ) dmg_chain_events( chain, events );
  assert_int_equal( dmg_chain_start( chain ), DMG_OK );
  return chain;
}
__attribute__(( unused )) static dmg_chain_t * open_chain( char const * data_dir, dmg_pace_kind_t pace, uint64_t time_ms ) { return open_chain_told( data_dir, pace, time_ms, NULL ); }
__attribute__(( unused )) static void close_chain( dmg_chain_t * chain ) {
  dmg_chain_stop( chain );
  dmg_chain_close( chain );
}

__attribute__(( unused )) static uint64_t free_of( dmg_chain_t * chain, dmg_hash_t const * account ) {
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_query_view_t view;
  uint8_t key[ DMG_KEY_MAX ];
  dmg_span_t v;
  uint64_t sparks = 0, held = 0;
  assert_int_equal( q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_FINAL }, &view ), DMG_OK );
  if( !q->view_get( q->ctx, &view, dmg_span( key, dmg_key_free( account, key ) ), arena, &v ) ) assert_int_equal( dmg_counter_parse( v, true, NULL, &sparks ), DMG_OK );
  if( !q->view_get( q->ctx, &view, dmg_span( key, dmg_key_held( account, key ) ), arena, &v ) ) assert_int_equal( dmg_counter_parse( v, false, NULL, &held ), DMG_OK );
  /* Told from the state, then (if it is the head's) from what was kept, the same. */
  for( int i = 0; i<2; i++ ) {
    dmg_query_holding_t h;
    assert_int_equal( q->holding( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HASH, .hash = view.at.hash }, account, arena, &h ), DMG_OK );
    assert_true( dmg_hash_eq( &h.at.hash, &view.at.hash ) && h.at.height==view.at.height && h.at.is_final );
    assert_int_equal( h.free, sparks );
    assert_int_equal( h.spendable, sparks );
    assert_true( h.held==held && !h.locked );
  }
  q->view_close( q->ctx, &view );
  return sparks;
}

__attribute__(( unused )) static uint64_t transfer_gas = 300000;

/* A signed transfer; nonce on lane 0. */
__attribute__(( unused )) static dmg_span_t transfer( dmg_chain_t * chain, dmg_dev_account_t const * from, dmg_hash_t const * to, uint64_t amount, uint64_t nonce, dmg_hash_t * out_id ) {
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_query_chain_t info;
  dmg_query_view_t view;
  dmg_span_t raw;
  dmg_abi_t const * abi;
  dmg_hash_t schema;
  q->chain( q->ctx, &info );
  assert_int_equal( q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view ), DMG_OK );
  assert_int_equal( q->module_abi( q->ctx, &view, DMG_MODULE_BALANCES, arena, &raw ), DMG_OK );
  q->view_close( q->ctx, &view );
  assert_int_equal( dmg_abi_decode( raw, arena, &abi ).kind, DMG_VERDICT_GOOD );
  dmg_abi_fn_t const * fn = dmg_abi_call_named( abi, DMG_SPAN_STR( "transfer" ) );
  assert_int_equal( dmg_schema_hash( DMG_MODULE_BALANCES, fn, &schema ), DMG_OK );
  uint8_t args[ 64 ], sig[ 64 ] = { 0 };
  dmg_bcs_wr_t w = dmg_bcs_wr( args, sizeof args );
  dmg_bcs_wr_fixed( &w, to->b, 32 );
  dmg_bcs_wr_u64( &w, amount );
  dmg_bcs_wr_uleb( &w, 0 );
  dmg_tx_call_t call = { .module = DMG_MODULE_BALANCES, .call = fn->id, .schema = schema, .args = dmg_bcs_wr_span( &w ) };
  dmg_tx_sig_t  s    = { .scheme = DMG_SIG_ED25519, .key = dmg_span( from->key, 32 ), .sig = dmg_span( sig, 64 ) };
  dmg_tx_t tx = { .version = 1, .chain = info.chain_id, .sender = from->address, .nonce = nonce, .expiry = info.head.height+400, .gas = transfer_gas, .fee_kind = DMG_FEE_ENERGY_THEN_FEE,
                  .fee_max = DMG_SPARKS_PER_CGT, .calls = &call, .call_cnt = 1, .auth = DMG_TX_AUTH_KEYS, .sigs = &s, .sig_cnt = 1 };
  dmg_buf_t buf = dmg_buf( DMG_TX_SZ_MAX );
  assert_int_equal( dmg_tx_body_encode( &tx, &buf ), DMG_OK );
  *out_id = dmg_tx_id( dmg_buf_span( &buf ) );
  dmg_ed25519_sign( from->secret, dmg_hash_span( out_id ), sig );
  buf.sz = 0;
  assert_int_equal( dmg_tx_encode( &tx, &buf ), DMG_OK );
  dmg_span_t out = dmg_arena_dup( arena, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return out;
}

__attribute__(( unused )) static dmg_query_tx_status_t wait_final( dmg_chain_t * chain, dmg_hash_t const * id ) {
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_query_tx_status_t s;
  for( int i = 0; i<5000; i++ ) {
    q->tx_status( q->ctx, id, &s );
    if( s.state==DMG_TX_FINAL || s.state==DMG_TX_DROPPED || s.state==DMG_TX_EXPIRED ) break;
    dmg_os_sleep_ns( 1000000 );
  }
  return s;
}

__attribute__(( unused )) static dmg_err_t submit( dmg_chain_t * chain, dmg_span_t raw, dmg_query_submit_t * it ) {
  dmg_query_t const * q = dmg_chain_query( chain );
  *it = (dmg_query_submit_t){ .raw = raw, .why = { .name = "" } };
  q->tx_submit( q->ctx, it, 1 );
  return it->err;
}

__attribute__(( unused )) static void send( dmg_chain_t * chain, dmg_dev_account_t const * from, dmg_hash_t const * to, uint64_t amount, uint64_t nonce, dmg_hash_t * out_id ) {
  dmg_query_submit_t it;
  dmg_err_t err = submit( chain, transfer( chain, from, to, amount, nonce, out_id ), &it );
  if( err ) fail_msg( "submit: %s: %s (%s)", dmg_err_name( err ), it.why.text, it.why.name );
  assert_memory_equal( it.id.b, out_id->b, 32 );
}

#endif
