/* The executor over the real engine and the real modules (DMG_TEST_MODULES): what test_exec_tx, _calls and _block show with a fake engine, shown
   end to end for the calls people make; the supply and the deposits' records are checked after every block. */
#pragma GCC diagnostic ignored "-Wunused-function"   /* of the helpers below this program needs a part */
#include "runtime/test_exec_chain.h"
#include "base/os.h"
#include "crypto/sig.h"
#include "runtime/code_cache.h"
#include "runtime/vm.h"
#include "runtime/wasm_check.h"

#include <unistd.h>

enum { SYSTEM = 1, BALANCES = 2 };
enum { ADD_AUTH = 1, ROTATE, REMOVE_AUTH, SET_THRESHOLDS, MSIG_PROPOSE, MSIG_APPROVE, MSIG_CANCEL, NOTE, CLOSE_ACCOUNT };
enum { TRANSFER = 1, TRANSFER_ALL, TRANSFER_MANY, BURN };
enum { FAULT_NOT_FOUND = 1, FAULT_INSUFFICIENT = 7, FAULT_EXPIRED = 10, FAULT_LOCKED = 12, FAULT_BAD_PROOF = 33 };

static dmg_vm_t *         vm;
static dmg_code_cache_t * cache;
static char               cache_dir[ 64 ];
static dmg_buf_t          wasm[ 2 ];
static dmg_abi_t const *  abis[ 2 ];
static module_t           mods[ 2 ];
static person_t           alice, bob, carol, dave, joint;
static uint8_t            secrets[ 8 ][ 32 ];
static uint64_t           most_gas[ 2 ][ 16 ];   /* the most that a call here has used, for the person who sets its `gas` line */

static dmg_hash_t
test_schema( uint16_t module, uint16_t call ) {
  dmg_hash_t h;
  assert_int_equal( dmg_schema_hash( module, dmg_abi_call( abis[ module-1 ], call ), &h ), DMG_OK );
  return h;
}
static bool
test_has_record( uint16_t module, uint16_t item ) {
  dmg_item_desc_t const * d = dmg_item_find( module, item );
  if( d ) return d->has_deposit;
  return dmg_abi_item( abis[ module-1 ], item )->deposit!=DMG_DEPOSIT_NONE;
}

static void
real_person( person_t * p, unsigned n ) {
  memset( secrets[ n ], (int)( 0x50+n ), 32 );
  dmg_ed25519_public( secrets[ n ], p->key );
  person_fix( p );
}

/* Buckets: all in the last one, from which alice, bob, dave, joint get their million; dave has a part that vests. */
static void
configs_make( void ) {
  uint8_t *    m = dmg_arena_alloc( test_arena, 4096 );
  dmg_bcs_wr_t w = dmg_bcs_wr( m, 1024 );
  dmg_bcs_wr_uleb( &w, 0 );
  mods[ 0 ].config = dmg_bcs_wr_span( &w );
  w = dmg_bcs_wr( m+1024, 3072 );
  dmg_bcs_wr_uleb( &w, 6 );
  for( uint8_t i=0; i<6; i++ ) {
    dmg_bcs_wr_u8( &w, i );
    dmg_bcs_wr_u64( &w, i==5 ? DMG_SUPPLY_SPARKS : 0 );
    dmg_bcs_wr_uleb( &w, 0 );
  }
  person_t const * rich[ 4 ] = { &alice, &bob, &dave, &joint };
  dmg_bcs_wr_uleb( &w, 4 );
  for( unsigned i=0; i<4; i++ ) {
    dmg_bcs_wr_fixed( &w, rich[ i ]->address.b, 32 );
    dmg_bcs_wr_u8( &w, 5 );
    dmg_bcs_wr_u64( &w, ALICE_FREE );
  }
  dmg_bcs_wr_uleb( &w, 1 );
  dmg_bcs_wr_fixed( &w, dave.address.b, 32 );
  dmg_bcs_wr_u8( &w, 5 );
  dmg_bcs_wr_u64( &w, 1000 );
  dmg_bcs_wr_u8( &w, 0 );
  dmg_bcs_wr_uleb( &w, 1 );
  dmg_bcs_wr_u64( &w, 1764000001000u );
  dmg_bcs_wr_u16( &w, 10000 );
  assert_false( w.is_full );
  mods[ 1 ].config = dmg_bcs_wr_span( &w );
}

static int
group_setup( void ** state ) {
  static char const * const name[ 2 ] = { "system", "balances" };
  test_arena = dmg_arena_new( 64u<<20 );
  for( unsigned i=0; i<2; i++ ) {
    char              path[ 1024 ];
    dmg_wasm_report_t report;
    snprintf( path, sizeof( path ), "%s/%s.wasm", DMG_TEST_MODULES, name[ i ] );
    if( dmg_os_file_read( path, 1<<20, &wasm[ i ] ) ) { fprintf( stderr, "no %s: build the target modules\n", path ); return 1; }
    assert_int_equal( dmg_wasm_check( dmg_buf_span( &wasm[ i ] ), &report ), DMG_OK );
    assert_int_equal( dmg_abi_decode( report.abi, test_arena, &abis[ i ] ).kind, DMG_VERDICT_GOOD );
    mods[ i ] = (module_t){ .id = (uint16_t)( i+1 ), .file = dmg_buf_span( &wasm[ i ] ) };
  }
  real_person( &alice, 1 ); real_person( &bob, 2 ); real_person( &carol, 3 ); real_person( &dave, 4 );
  joint.init = (dmg_account_init_t){ .auth_cnt = 2, .t_use = 2, .t_owner = 2,
                                     .auths = { { .scheme = 0, .level = 2, .weight = 1, .key = dmg_span( bob.key, 32 ) }, { .scheme = 0, .level = 2, .weight = 1, .key = dmg_span( carol.key, 32 ) } } };
  joint.address = dmg_address_of( &joint.init );
  configs_make();
  snprintf( cache_dir, sizeof( cache_dir ), "/tmp/dmg-exec-wasm-XXXXXX" );
  assert_non_null( mkdtemp( cache_dir ) );
  assert_int_equal( dmg_vm_open( NULL, &vm ), DMG_OK );
  dmg_code_cache_cfg_t cfg = { .vm = vm, .dir = cache_dir, .is_inline = true };
  assert_int_equal( dmg_code_cache_open( &cfg, &cache ), DMG_OK );
  return 0;
}
static int
group_teardown( void ** state ) {
  char cmd[ 128 ];
  for( unsigned m=0; m<2; m++ )
    for( uint32_t i=0; i<abis[ m ]->call_cnt; i++ ) {
      dmg_abi_fn_t const * fn = &abis[ m ]->calls[ i ];
      if( fn->id>=16 || !most_gas[ m ][ fn->id ] ) continue;
      print_message( "gas %.*s %.*s: %lu used at most, line %lu\n", DMG_SPAN_F( abis[ m ]->name ), DMG_SPAN_F( fn->name ),
                     (unsigned long)most_gas[ m ][ fn->id ], (unsigned long)fn->gas );
    }
  dmg_code_cache_close( cache );
  dmg_vm_close( vm );
  for( unsigned i=0; i<2; i++ ) dmg_buf_fini( &wasm[ i ] );
  dmg_arena_free( test_arena );
  snprintf( cmd, sizeof( cmd ), "rm -rf %s", cache_dir );
  return system( cmd );
}
static int
setup( void ** state ) {
  static chain_t c;
  dmg_vm_signals_restore();   /* cmocka replaced the engine's handlers (vm.h) */
  chain_open_with( &c, vm, cache, mods, 2, NULL, 0 );
  *state = &c;
  return 0;
}
static int
teardown( void ** state ) {
  chain_close( *state );
  return 0;
}
/* cmocka sets its handlers before each test's body as well. */
#define BEGIN chain_t * c = *state; dmg_vm_signals_restore()

/* ---- Calls ---- */

static uint8_t args_mem[ 8192 ];
static dmg_bcs_wr_t args_begin( void ) { return dmg_bcs_wr( args_mem, sizeof( args_mem ) ); }
static dmg_tx_call_t
args_end( chain_t * c, dmg_bcs_wr_t * w, uint16_t module, uint16_t call ) {
  assert_false( w->is_full );
  return (dmg_tx_call_t){ .module = module, .call = call, .schema = test_schema( module, call ), .args = dmg_arena_dup( c->txs, dmg_bcs_wr_span( w ) ) };
}
static dmg_tx_call_t
pay( chain_t * c, dmg_hash_t const * to, uint64_t amount ) {
  dmg_bcs_wr_t w = args_begin();
  dmg_bcs_wr_fixed( &w, to->b, 32 );
  dmg_bcs_wr_u64( &w, amount );
  dmg_bcs_wr_uleb( &w, 0 );
  return args_end( c, &w, BALANCES, TRANSFER );
}
static dmg_tx_call_t
to_only( chain_t * c, uint16_t module, uint16_t call, dmg_hash_t const * to ) {
  dmg_bcs_wr_t w = args_begin();
  dmg_bcs_wr_fixed( &w, to->b, 32 );
  return args_end( c, &w, module, call );
}
static dmg_tx_call_t
note( chain_t * c ) {
  dmg_bcs_wr_t w = args_begin();
  dmg_bcs_wr_uleb( &w, 2 );
  dmg_bcs_wr_fixed( &w, "hi", 2 );
  return args_end( c, &w, SYSTEM, NOTE );
}
/* Key {scheme, bytes} and its proof of possession for account. */
static void
key_and_proof( chain_t * c, dmg_bcs_wr_t * w, dmg_hash_t const * account, unsigned n, bool is_good ) {
  uint8_t msg[ 32+32+34 ], sig[ 64 ];
  memcpy( msg, c->id.b, 32 );
  memcpy( msg+32, account->b, 32 );
  msg[ 64 ] = 0;
  msg[ 65 ] = 32;
  dmg_ed25519_public( secrets[ n ], msg+66 );
  dmg_hash_t h = dmg_h( DMG_TAG_AUTH_POP, DMG_SPAN( msg ) );
  dmg_ed25519_sign( secrets[ n ], dmg_hash_span( &h ), sig );
  sig[ 5 ] ^= is_good ? 0 : 1;
  dmg_bcs_wr_fixed( w, msg+64, 34 );
  dmg_bcs_wr_uleb( w, 64 );
  dmg_bcs_wr_fixed( w, sig, 64 );
}
static dmg_tx_call_t
add_auth( chain_t * c, dmg_hash_t const * account, unsigned n, bool is_good ) {
  dmg_bcs_wr_t w = args_begin();
  key_and_proof( c, &w, account, n, is_good );
  dmg_bcs_wr_u8( &w, 2 );
  dmg_bcs_wr_u16( &w, 1 );
  dmg_bcs_wr_uleb( &w, 0 );
  return args_end( c, &w, SYSTEM, ADD_AUTH );
}
static dmg_tx_call_t
propose( chain_t * c, dmg_tx_call_t const * calls, uint32_t cnt, uint8_t level ) {
  dmg_bcs_wr_t w = args_begin();
  dmg_bcs_wr_uleb( &w, cnt );
  for( uint32_t i=0; i<cnt; i++ ) {
    dmg_bcs_wr_u16( &w, calls[ i ].module );
    dmg_bcs_wr_u16( &w, calls[ i ].call );
    dmg_bcs_wr_fixed( &w, calls[ i ].schema.b, 32 );
    dmg_bcs_wr_uleb( &w, (uint32_t)calls[ i ].args.sz );
    dmg_bcs_wr_fixed( &w, calls[ i ].args.p, calls[ i ].args.sz );
  }
  dmg_bcs_wr_u8( &w, level );
  return args_end( c, &w, SYSTEM, MSIG_PROPOSE );
}
static dmg_tx_call_t
approve( chain_t * c, uint32_t id ) {
  dmg_bcs_wr_t w = args_begin();
  dmg_bcs_wr_u32( &w, id );
  return args_end( c, &w, SYSTEM, MSIG_APPROVE );
}

/* R5.6: a `gas` line is an upper bound. */
static void
gas_note( dmg_tx_t const * tx, dmg_receipt_t const * r ) {
  uint64_t used = r->gas_used-dmg_min_u64( r->gas_used, dmg_tx_frame_gas( tx ) ), lines = 0;
  if( r->status!=DMG_STATUS_OK ) return;
  for( uint32_t i=0; i<tx->call_cnt; i++ ) {
    if( tx->calls[ i ].module==SYSTEM && tx->calls[ i ].call==MSIG_APPROVE ) return;   /* it runs other calls, on their own lines */
    lines += dmg_abi_call( abis[ tx->calls[ i ].module-1 ], tx->calls[ i ].call )->gas;
  }
  if( tx->call_cnt==1 && used>most_gas[ tx->calls[ 0 ].module-1 ][ tx->calls[ 0 ].call ] ) most_gas[ tx->calls[ 0 ].module-1 ][ tx->calls[ 0 ].call ] = used;
  if( used>lines ) fail_msg( "module %u call %u used %lu gas, its line says %lu", tx->calls[ 0 ].module, tx->calls[ 0 ].call, (unsigned long)used, (unsigned long)lines );
}

static dmg_receipt_t *
run( chain_t * c, person_t const * from, dmg_tx_call_t * calls, uint32_t cnt, tx_opts_t o ) {
  if( !o.gas ) o.gas = 1000000;
  if( !o.fee_max ) o.fee_max = 10*DMG_SPARKS_PER_CGT;
  dmg_tx_t *      tx = tx_make( c, from, calls, cnt, &o );
  dmg_receipt_t * r  = chain_tx( c, tx );
  gas_note( tx, r );
  return r;
}
static dmg_receipt_t *
run1( chain_t * c, person_t const * from, dmg_tx_call_t call, uint64_t nonce ) { return run( c, from, &call, 1, (tx_opts_t){ .nonce = nonce } ); }
static void
expect( dmg_receipt_t const * r, dmg_status_t status, uint32_t code ) {
  if( r->status!=status || r->code!=code ) fail_msg( "%s code %u module %u, wanted %s code %u", dmg_status_name( r->status ), r->code, r->module, dmg_status_name( status ), code );
}
static bool
has_entry( chain_t * c, uint8_t const * key, size_t sz ) { return chain_get( c, key, sz ).p!=NULL; }
static bool
has_event( dmg_receipt_t const * r, uint16_t module, uint16_t event ) {
  for( uint32_t i=0; i<r->event_cnt; i++ ) if( r->events[ i ].module==module && r->events[ i ].event==event ) return true;
  return false;
}

/* ---- Balances ---- */

static void
test_transfer_and_its_failure( void ** state ) {
  BEGIN;
  dmg_receipt_t * r = run1( c, &alice, pay( c, &carol.address, 2*ALICE_FREE ), 0 );
  expect( r, DMG_STATUS_FAULT, FAULT_INSUFFICIENT );
  assert_int_equal( r->module, BALANCES );
  assert_int_equal( r->results[ 0 ].sz, 16 );
  assert_int_equal( dmg_load_u64le( r->results[ 0 ].p+8 ), 2*ALICE_FREE );
  assert_true( r->fee>0 );
  assert_int_equal( chain_free( c, &alice.address ), ALICE_FREE-r->fee-r->held );
  assert_int_equal( chain_free( c, &carol.address ), 0 );

  uint64_t before = chain_free( c, &alice.address );
  r = run1( c, &alice, pay( c, &carol.address, 12345 ), 1 );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( r->held, 850000 );
  assert_int_equal( chain_free( c, &carol.address ), 12345 );
  assert_int_equal( chain_free( c, &alice.address ), before-12345-r->fee-r->held );
  assert_true( has_event( r, BALANCES, TRANSFER ) );
  /* To oneself: nothing but the fee; amount 0: BadArgument. */
  before = chain_free( c, &alice.address );
  r = run1( c, &alice, pay( c, &alice.address, 5 ), 2 );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( chain_free( c, &alice.address ), before-r->fee );
  expect( run1( c, &alice, pay( c, &carol.address, 0 ), 3 ), DMG_STATUS_FAULT, 6 );
}

static void
test_transfer_all_leaves_what_the_reserve_returns( void ** state ) {
  BEGIN;
  dmg_receipt_t * r = run1( c, &alice, to_only( c, BALANCES, TRANSFER_ALL, &bob.address ), 0 );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( r->results[ 0 ].sz, 8 );
  uint64_t sum = dmg_load_u64le( r->results[ 0 ].p );
  assert_int_equal( chain_free( c, &bob.address ), ALICE_FREE+sum );
  assert_int_equal( chain_free( c, &alice.address )+sum+r->fee+r->held, ALICE_FREE );
  /* To an address without Free the receiver's deposit stays behind for it. */
  r = run1( c, &bob, to_only( c, BALANCES, TRANSFER_ALL, &carol.address ), 0 );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( chain_free( c, &carol.address ), dmg_load_u64le( r->results[ 0 ].p ) );
}

static void
test_transfer_many_is_all_or_none( void ** state ) {
  BEGIN;
  for( unsigned is_bad=0; is_bad<2; is_bad++ ) {
    dmg_bcs_wr_t w = args_begin();
    dmg_bcs_wr_uleb( &w, 3 );
    for( uint8_t i=0; i<3; i++ ) {
      dmg_hash_t to = { { 0xc0, i } };
      dmg_bcs_wr_fixed( &w, to.b, 32 );
      dmg_bcs_wr_u64( &w, is_bad && i==2 ? ALICE_FREE : 100u+i );
    }
    dmg_receipt_t * r = run1( c, &alice, args_end( c, &w, BALANCES, TRANSFER_MANY ), is_bad );
    expect( r, is_bad ? DMG_STATUS_FAULT : DMG_STATUS_OK, is_bad ? FAULT_INSUFFICIENT : 0 );
    for( uint8_t i=0; i<3; i++ ) { dmg_hash_t to = { { 0xc0, i } }; assert_int_equal( chain_free( c, &to ), 100u+i ); }
    if( !is_bad ) assert_true( r->held>=3*850000 );
  }
}

static void
test_burn_is_gone( void ** state ) {
  BEGIN;
  uint8_t      key[ DMG_KEY_MAX ];
  uint64_t     n;
  dmg_bcs_wr_t w = args_begin();
  dmg_bcs_wr_u64( &w, 777 );
  expect( run1( c, &alice, args_end( c, &w, BALANCES, BURN ), 0 ), DMG_STATUS_OK, 0 );
  assert_int_equal( dmg_counter_parse( chain_get( c, key, dmg_key_burned( 1, key ) ), false, NULL, &n ), DMG_OK );
  assert_int_equal( n, 777 );
}

static void
test_no_gas_takes_the_whole_limit_and_nothing_else( void ** state ) {
  BEGIN;
  /* Every limit below what the call uses: no effect, the limit is billed. */
  dmg_receipt_t * r = run1( c, &alice, pay( c, &bob.address, 1 ), 0 );
  expect( r, DMG_STATUS_OK, 0 );
  uint64_t full = r->gas_used, nonce = 1;
  uint64_t bobs = chain_free( c, &bob.address );
  r = run1( c, &alice, pay( c, &bob.address, 1 ), nonce++ );
  full = r->gas_used;   /* topics are not new any more */
  bobs++;
  for( uint64_t gas=8000; gas<full; gas += ( full-8000 )/13+1 ) {
    dmg_tx_call_t call = pay( c, &bob.address, 1 );
    dmg_tx_t *    tx   = tx_make( c, &alice, &call, 1, &(tx_opts_t){ .nonce = nonce++, .gas = gas } );
    uint64_t      before = chain_free( c, &alice.address );
    r = chain_tx( c, tx );
    expect( r, DMG_STATUS_NO_GAS, 0 );
    assert_int_equal( r->gas_billed, gas+dmg_tx_intrinsic_gas( tx, tx->raw.sz ) );
    assert_int_equal( chain_free( c, &alice.address ), before-r->fee );
    assert_int_equal( chain_free( c, &bob.address ), bobs );
  }
  dmg_tx_call_t call = pay( c, &bob.address, 1 );
  expect( run( c, &alice, &call, 1, (tx_opts_t){ .nonce = nonce, .gas = full } ), DMG_STATUS_OK, 0 );   /* exactly what it uses */
}

/* ---- System ---- */

static void
test_note_does_nothing( void ** state ) {
  BEGIN;
  dmg_receipt_t * r = run1( c, &alice, note( c ), 0 );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( chain_free( c, &alice.address ), ALICE_FREE-r->fee-r->held );
  r = run1( c, &alice, note( c ), 1 );
  assert_int_equal( r->event_cnt, 0 );
}

static void
test_keys_come_rotate_and_go( void ** state ) {
  BEGIN;
  uint8_t key[ DMG_KEY_MAX ];
  expect( run1( c, &alice, add_auth( c, &alice.address, 3, false ), 0 ), DMG_STATUS_FAULT, FAULT_BAD_PROOF );
  expect( run1( c, &alice, add_auth( c, &bob.address, 3, true ), 1 ), DMG_STATUS_FAULT, FAULT_BAD_PROOF );   /* a proof for another account */
  dmg_receipt_t * r = run1( c, &alice, add_auth( c, &alice.address, 3, true ), 2 );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( r->results[ 0 ].p[ 0 ], 1 );
  assert_true( r->held>0 );
  /* carol's key signs for alice now; then slot 0 becomes dave's and alice's own key is void. */
  dmg_tx_call_t call = note( c );
  expect( run( c, &alice, &call, 1, (tx_opts_t){ .nonce = 3, .sign = { &carol } } ), DMG_STATUS_OK, 0 );
  dmg_bcs_wr_t w = args_begin();
  dmg_bcs_wr_u8( &w, 0 );
  key_and_proof( c, &w, &alice.address, 4, true );
  expect( run1( c, &alice, args_end( c, &w, SYSTEM, ROTATE ), 4 ), DMG_STATUS_OK, 0 );
  expect( run1( c, &alice, note( c ), 5 ), DMG_STATUS_VOID, DMG_VOID_KEYS );
  call = note( c );
  expect( run( c, &alice, &call, 1, (tx_opts_t){ .nonce = 5, .sign = { &dave } } ), DMG_STATUS_OK, 0 );
  /* Slot 1 goes, its deposit returns. */
  w = args_begin();
  dmg_bcs_wr_u8( &w, 1 );
  call = args_end( c, &w, SYSTEM, REMOVE_AUTH );
  uint64_t paid = r->held;
  r = run( c, &alice, &call, 1, (tx_opts_t){ .nonce = 6, .sign = { &dave } } );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( r->returned, paid );
  assert_false( has_entry( c, key, dmg_key_auth( &alice.address, 1, key ) ) );
}

/* ---- Proposals ---- */

static void
test_msig_runs_at_its_threshold_as_the_account( void ** state ) {
  BEGIN;
  uint8_t       key[ DMG_KEY_MAX ];
  dmg_hash_t    to = { { 0xd0 } };
  dmg_tx_call_t calls[ 2 ] = { pay( c, &to, 4321 ), note( c ) }, call = propose( c, calls, 2, 1 );
  tx_opts_t     by_bob = { .sign = { &bob } }, by_carol = { .sign = { &carol } };
  dmg_receipt_t * r = run( c, &joint, &call, 1, by_bob );
  expect( r, DMG_STATUS_OK, 0 );
  assert_true( has_entry( c, key, dmg_key_msig( &joint.address, 0, key ) ) );
  /* The one who proposed does not reach it alone. */
  by_bob.nonce = 1;
  call = approve( c, 0 );
  r = run( c, &joint, &call, 1, by_bob );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( r->results[ 0 ].p[ 0 ], 0 );
  assert_int_equal( chain_free( c, &to ), 0 );
  by_carol.nonce = 2;
  /* What it would take is known before: the keys of the preview approve, unverified, and its calls run. */
  dmg_preview_t      p;
  dmg_view_t *       view = chain_view( c );
  dmg_block_ctx_t    ctx  = chain_ctx( c );
  dmg_preview_opts_t opts = { .is_owner = true, .is_any_nonce = true, .is_free = true };
  dmg_tx_t *         t    = tx_make( c, &joint, &call, 1, &by_carol );
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, t, &opts, c->txs, &p ), DMG_OK );
  dmg_view_close( view );
  r = chain_tx( c, t );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( r->gas_used, p.tx.gas_used );
  assert_int_equal( r->results[ 0 ].p[ 0 ], 1 );
  assert_int_equal( chain_free( c, &to ), 4321 );
  assert_true( has_event( r, BALANCES, TRANSFER ) );
  assert_false( has_entry( c, key, dmg_key_msig( &joint.address, 0, key ) ) );
  by_carol.nonce = 3;
  expect( run( c, &joint, &call, 1, by_carol ), DMG_STATUS_FAULT, FAULT_NOT_FOUND );   /* once only */
}

static void
test_msig_fault_leaves_it_open( void ** state ) {
  BEGIN;
  uint8_t       key[ DMG_KEY_MAX ];
  dmg_hash_t    to = { { 0xd1 } };
  dmg_tx_call_t calls[ 2 ] = { pay( c, &to, 1 ), pay( c, &to, 2*ALICE_FREE ) }, call = propose( c, calls, 2, 1 );
  expect( run( c, &joint, &call, 1, (tx_opts_t){ .sign = { &bob } } ), DMG_STATUS_OK, 0 );
  call = approve( c, 0 );
  dmg_receipt_t * r = run( c, &joint, &call, 1, (tx_opts_t){ .nonce = 1, .sign = { &carol } } );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( r->results[ 0 ].p[ 0 ], 1 );
  assert_false( has_event( r, BALANCES, TRANSFER ) );
  assert_int_equal( chain_free( c, &to ), 0 );   /* the first call went back too */
  assert_true( has_entry( c, key, dmg_key_msig( &joint.address, 0, key ) ) );
  /* When the coins are there it runs. */
  dmg_tx_call_t fill = pay( c, &joint.address, ALICE_FREE-10*DMG_SPARKS_PER_CGT );
  expect( run( c, &bob, &fill, 1, (tx_opts_t){ 0 } ), DMG_STATUS_OK, 0 );
  fill = pay( c, &joint.address, ALICE_FREE-10*DMG_SPARKS_PER_CGT );
  expect( run( c, &alice, &fill, 1, (tx_opts_t){ 0 } ), DMG_STATUS_OK, 0 );
  r = run( c, &joint, &call, 1, (tx_opts_t){ .nonce = 2, .sign = { &bob } } );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( chain_free( c, &to ), 2*ALICE_FREE+1 );
  /* A key change voids what is open. */
  call = propose( c, calls, 1, 1 );
  expect( run( c, &joint, &call, 1, (tx_opts_t){ .nonce = 3, .sign = { &bob } } ), DMG_STATUS_OK, 0 );
  call = add_auth( c, &joint.address, 1, true );
  expect( run( c, &joint, &call, 1, (tx_opts_t){ .nonce = 4, .sign = { &bob, &carol } } ), DMG_STATUS_OK, 0 );
  call = approve( c, 1 );
  expect( run( c, &joint, &call, 1, (tx_opts_t){ .nonce = 5, .sign = { &carol } } ), DMG_STATUS_FAULT, FAULT_EXPIRED );
}

static void
test_msig_needs_owners_for_an_owner_call( void ** state ) {
  BEGIN;
  /* Level use cannot run a call for owners: it stays open, nothing happens. */
  dmg_tx_call_t inner = add_auth( c, &joint.address, 1, true ), call = propose( c, &inner, 1, 1 );
  uint8_t       key[ DMG_KEY_MAX ];
  expect( run( c, &joint, &call, 1, (tx_opts_t){ .sign = { &bob } } ), DMG_STATUS_OK, 0 );
  call = approve( c, 0 );
  expect( run( c, &joint, &call, 1, (tx_opts_t){ .nonce = 1, .sign = { &carol } } ), DMG_STATUS_OK, 0 );
  assert_false( has_entry( c, key, dmg_key_auth( &joint.address, 2, key ) ) );
  call = propose( c, &inner, 1, 2 );
  expect( run( c, &joint, &call, 1, (tx_opts_t){ .nonce = 2, .sign = { &bob } } ), DMG_STATUS_OK, 0 );
  call = approve( c, 1 );
  expect( run( c, &joint, &call, 1, (tx_opts_t){ .nonce = 3, .sign = { &carol } } ), DMG_STATUS_OK, 0 );
  assert_true( has_entry( c, key, dmg_key_auth( &joint.address, 2, key ) ) );
}

/* ---- Closing ---- */

/* Nothing of the account is left but its entry, which costs nobody anything. */
static void
expect_closed( chain_t * c, dmg_hash_t const * who ) {
  uint8_t            key[ DMG_KEY_MAX ], schema;
  dmg_deposit_rec_t  rec;
  dmg_span_t         bcs;
  dmg_item_account_t account;
  assert_int_equal( chain_free( c, who ), 0 );
  assert_int_equal( chain_held( c, who ), 0 );
  for( uint8_t slot=0; slot<16; slot++ ) assert_false( has_entry( c, key, dmg_key_auth( who, slot, key ) ) );
  for( uint16_t lane=0; lane<10; lane++ ) assert_false( has_entry( c, key, dmg_key_lane( who, lane, key ) ) );
  for( uint32_t id=0; id<4; id++ ) assert_false( has_entry( c, key, dmg_key_msig( who, id, key ) ) );
  assert_false( has_entry( c, key, dmg_key_msig_seq( who, key ) ) );
  assert_int_equal( dmg_value_parse( chain_get( c, key, dmg_key_account( who, key ) ), true, &schema, &rec, &bcs ), DMG_OK );
  assert_int_equal( rec.amount, 0 );
  assert_int_equal( dmg_item_account_get( bcs, &account ), DMG_OK );
  assert_int_equal( account.kill_epoch, 1 );
  assert_int_equal( account.t_owner, 65535 );
}

static void
test_close_pays_everything_to_another( void ** state ) {
  BEGIN;
  dmg_tx_call_t call;
  dmg_hash_t    to = { { 0xe0 } };
  /* A further key, two further lanes, an open proposal. */
  expect( run1( c, &alice, add_auth( c, &alice.address, 3, true ), 0 ), DMG_STATUS_OK, 0 );
  call = note( c );
  expect( run( c, &alice, &call, 1, (tx_opts_t){ .lane = 7 } ), DMG_STATUS_OK, 0 );
  call = propose( c, &call, 1, 1 );
  expect( run( c, &alice, &call, 1, (tx_opts_t){ .lane = 3 } ), DMG_STATUS_OK, 0 );
  uint64_t before = chain_free( c, &alice.address ), held = chain_held( c, &alice.address );
  assert_true( held>0 );
  call = to_only( c, SYSTEM, CLOSE_ACCOUNT, &alice.address );
  expect( run1( c, &alice, call, 1 ), DMG_STATUS_FAULT, 6 );   /* to itself */
  before = chain_free( c, &alice.address );
  dmg_receipt_t * r = run1( c, &alice, to_only( c, SYSTEM, CLOSE_ACCOUNT, &to ), 2 );
  expect( r, DMG_STATUS_OK, 0 );
  assert_true( has_event( r, SYSTEM, CLOSE_ACCOUNT ) );
  assert_int_equal( r->returned, held );
  assert_int_equal( r->held, 0 );
  assert_true( r->fee>0 );
  assert_int_equal( chain_free( c, &to ), before+held-r->fee );
  uint8_t key[ DMG_KEY_MAX ];
  assert_true( has_entry( c, key, dmg_key_topic( DMG_TOPIC_ACCOUNT, &to, key ) ) );   /* the receiver is told */
  expect_closed( c, &alice.address );
  /* For ever: no key, and its AccountInit does not open it again, on any lane. */
  call = pay( c, &alice.address, 5*DMG_SPARKS_PER_CGT );
  expect( run1( c, &bob, call, 0 ), DMG_STATUS_OK, 0 );
  expect( run1( c, &alice, note( c ), 0 ), DMG_STATUS_VOID, DMG_VOID_KEYS );
  expect( run1( c, &alice, note( c ), 3 ), DMG_STATUS_VOID, DMG_VOID_KEYS );
}

static void
test_close_with_the_first_transaction( void ** state ) {
  BEGIN;
  dmg_receipt_t * r = run1( c, &alice, to_only( c, SYSTEM, CLOSE_ACCOUNT, &bob.address ), 0 );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( r->held, r->returned );
  assert_int_equal( chain_free( c, &bob.address ), 2*ALICE_FREE-r->fee );
  expect_closed( c, &alice.address );
}

/* Who has nothing cannot close; asked what would come of it, the runtime answers, it does not fail. */
static void
test_close_previewed_by_who_cannot_pay_deposits( void ** state ) {
  BEGIN;
  dmg_preview_opts_t opts  = { .is_owner = true, .is_any_nonce = true, .is_free = true };
  dmg_tx_call_t      close = to_only( c, SYSTEM, CLOSE_ACCOUNT, &bob.address );
  dmg_tx_t *         t     = tx_make( c, &carol, &close, 1, &(tx_opts_t){ 0 } );
  dmg_view_t *       view  = chain_view( c );
  dmg_block_ctx_t    ctx   = chain_ctx( c );
  dmg_preview_t      p;
  dmg_receipt_t *    r;
  assert_int_equal( chain_free( c, &carol.address ), 0 );
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, t, &opts, c->txs, &p ), DMG_OK );
  assert_int_equal( p.tx.status, DMG_STATUS_OK );
  assert_int_equal( p.flow_cnt, 0 );
  assert_int_equal( dmg_receipt_decode( p.tx.receipt, c->arena, &r ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( r->held, 0 );
  assert_int_equal( r->returned, 0 );
  /* As it would really be: not at all. */
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, t, NULL, c->txs, &p ), DMG_OK );
  assert_int_equal( p.reason, DMG_VOID_BALANCE );
  assert_non_null( strstr( p.why.text, ": 0 CGT, at least 0.0" ) );
  t = tx_make( c, &carol, &close, 1, &(tx_opts_t){ .fee_max = 1 } );
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, t, NULL, c->txs, &p ), DMG_OK );
  assert_int_equal( p.reason, DMG_VOID_FEE );
  assert_non_null( strstr( p.why.text, ": 0.00000001 CGT, at least 0.0" ) );
  dmg_view_close( view );
}

static void
expect_refused( chain_t * c, person_t const * who, dmg_receipt_t const * r, uint8_t why, uint64_t before ) {
  uint8_t key[ DMG_KEY_MAX ];
  expect( r, DMG_STATUS_FAULT, FAULT_LOCKED );
  assert_int_equal( r->module, SYSTEM );
  assert_int_equal( r->results[ 0 ].sz, 3 );
  assert_int_equal( r->results[ 0 ].p[ 0 ], why );
  assert_int_equal( r->results[ 0 ].p[ 1 ], BALANCES );
  assert_false( has_event( r, SYSTEM, CLOSE_ACCOUNT ) );
  assert_true( has_event( r, SYSTEM, 260 ) );
  assert_true( has_entry( c, key, dmg_key_auth( &who->address, 0, key ) ) );
  assert_int_equal( chain_free( c, &who->address ), before-r->fee-r->held );
}

static void
test_close_is_refused_while_something_is_held( void ** state ) {
  BEGIN;
  dmg_hash_t to = { { 0xe1 } };
  /* alice holds the deposit of another's Free entry. */
  expect( run1( c, &alice, pay( c, &to, 1 ), 0 ), DMG_STATUS_OK, 0 );
  uint64_t before = chain_free( c, &alice.address ), held = chain_held( c, &alice.address );
  dmg_receipt_t * r = run1( c, &alice, to_only( c, SYSTEM, CLOSE_ACCOUNT, &bob.address ), 1 );
  expect_refused( c, &alice, r, 0, before );
  assert_int_equal( r->call, 0 );
  assert_int_equal( chain_held( c, &alice.address ), held );
  assert_int_equal( chain_free( c, &bob.address ), ALICE_FREE );
  expect( run1( c, &alice, note( c ), 2 ), DMG_STATUS_OK, 0 );
  /* A leader is paid at the block's end. */
  dmg_hash_t leader = c->leader;
  c->leader = bob.address;
  before    = chain_free( c, &bob.address );
  r = run1( c, &bob, to_only( c, SYSTEM, CLOSE_ACCOUNT, &alice.address ), 0 );
  c->leader = leader;
  expect_refused( c, &bob, r, 1, before );
  /* The same when the transaction itself makes such a deposit, before or after. */
  dmg_hash_t    other = { { 0xe2 } };
  dmg_tx_call_t calls[ 2 ] = { to_only( c, SYSTEM, CLOSE_ACCOUNT, &alice.address ), pay( c, &other, 1 ) };
  before = chain_free( c, &bob.address );
  r = run( c, &bob, calls, 2, (tx_opts_t){ .nonce = 1 } );
  expect_refused( c, &bob, r, 0, before );
  assert_int_equal( chain_free( c, &other ), 0 );
  /* dave has coins that have not vested yet; once claimed he may go. */
  before = chain_free( c, &dave.address );
  r = run1( c, &dave, to_only( c, SYSTEM, CLOSE_ACCOUNT, &bob.address ), 0 );
  expect_refused( c, &dave, r, 1, before );
  while( c->time_ms<1764000002000u ) chain_block( c, NULL, 0, 0 );
  dmg_tx_call_t claim[ 2 ] = { { .module = BALANCES, .call = 5, .schema = test_schema( BALANCES, 5 ) }, to_only( c, SYSTEM, CLOSE_ACCOUNT, &bob.address ) };
  r = run( c, &dave, claim, 2, (tx_opts_t){ .nonce = 1 } );
  expect( r, DMG_STATUS_OK, 0 );
  expect_closed( c, &dave.address );
}

static void
test_close_and_more_in_one_transaction( void ** state ) {
  BEGIN;
  /* Keys added after closing go as well; coins moved before are moved; a post-condition that fails keeps all. */
  dmg_tx_call_t calls[ 3 ] = { pay( c, &bob.address, 100 ), to_only( c, SYSTEM, CLOSE_ACCOUNT, &bob.address ), add_auth( c, &alice.address, 3, true ) };
  dmg_tx_post_t post = { .kind = DMG_POST_FEE_MAX, .amount = 1 };
  dmg_receipt_t * r  = run( c, &alice, calls, 3, (tx_opts_t){ .posts = &post, .post_cnt = 1 } );
  expect( r, DMG_STATUS_POSTCONDITION, 0 );
  assert_int_equal( chain_free( c, &bob.address ), ALICE_FREE );
  assert_true( chain_held( c, &alice.address )>0 );
  uint64_t spent = r->fee;
  r = run( c, &alice, calls, 3, (tx_opts_t){ .nonce = 1 } );
  expect( r, DMG_STATUS_OK, 0 );
  assert_int_equal( chain_free( c, &bob.address ), 2*ALICE_FREE-spent-r->fee );
  expect_closed( c, &alice.address );
  /* By proposal, inside the approval. */
  dmg_tx_call_t close = to_only( c, SYSTEM, CLOSE_ACCOUNT, &bob.address ), call = propose( c, &close, 1, 2 );
  expect( run( c, &joint, &call, 1, (tx_opts_t){ .sign = { &bob } } ), DMG_STATUS_OK, 0 );
  call = approve( c, 0 );
  expect( run( c, &joint, &call, 1, (tx_opts_t){ .nonce = 1, .sign = { &carol } } ), DMG_STATUS_OK, 0 );
  expect_closed( c, &joint.address );
}

static void
test_close_without_gas_for_its_native_half_does_nothing( void ** state ) {
  BEGIN;
  dmg_receipt_t * r = run1( c, &bob, to_only( c, SYSTEM, CLOSE_ACCOUNT, &carol.address ), 0 );
  expect( r, DMG_STATUS_OK, 0 );
  dmg_tx_call_t call = to_only( c, SYSTEM, CLOSE_ACCOUNT, &carol.address );
  r = run( c, &alice, &call, 1, (tx_opts_t){ .gas = r->gas_used-20000 } );
  expect( r, DMG_STATUS_NO_GAS, 0 );
  expect( run1( c, &alice, note( c ), 1 ), DMG_STATUS_OK, 0 );
}

static void
test_close_pays_for_each_entry_it_removes( void ** state ) {
  BEGIN;
  uint64_t used[ 3 ];
  for( uint16_t lanes=0; lanes<3; lanes++ ) {
    if( lanes ) { chain_close( c ); chain_open_with( c, vm, cache, mods, 2, NULL, 0 ); }
    expect( run1( c, &bob, note( c ), 0 ), DMG_STATUS_OK, 0 );
    for( uint16_t k=1; k<=lanes; k++ ) {
      dmg_tx_call_t call = note( c );
      expect( run( c, &bob, &call, 1, (tx_opts_t){ .lane = k } ), DMG_STATUS_OK, 0 );
    }
    dmg_receipt_t * r = run1( c, &bob, to_only( c, SYSTEM, CLOSE_ACCOUNT, &alice.address ), 1 );
    expect( r, DMG_STATUS_OK, 0 );
    used[ lanes ] = r->gas_used;
  }
  assert_int_equal( used[ 1 ]-used[ 0 ], 3060 );
  assert_int_equal( used[ 2 ]-used[ 1 ], 3060 );
}

int
main( void ) {
  struct CMUnitTest const tests[] = {
#define T( f ) cmocka_unit_test_setup_teardown( f, setup, teardown )
    T( test_transfer_and_its_failure ), T( test_transfer_all_leaves_what_the_reserve_returns ), T( test_transfer_many_is_all_or_none ), T( test_burn_is_gone ),
    T( test_no_gas_takes_the_whole_limit_and_nothing_else ), T( test_note_does_nothing ), T( test_keys_come_rotate_and_go ),
    T( test_msig_runs_at_its_threshold_as_the_account ), T( test_msig_fault_leaves_it_open ), T( test_msig_needs_owners_for_an_owner_call ),
    T( test_close_pays_everything_to_another ), T( test_close_with_the_first_transaction ), T( test_close_previewed_by_who_cannot_pay_deposits ), T( test_close_is_refused_while_something_is_held ),
    T( test_close_and_more_in_one_transaction ), T( test_close_without_gas_for_its_native_half_does_nothing ),
    T( test_close_pays_for_each_entry_it_removes ),
#undef T
  };
  return cmocka_run_group_tests( tests, group_setup, group_teardown );
}
