/* One transaction through prologue, calls and epilogue over a fake engine: every VOID, every failure status,
   nonces, rollback, deposits; the supply and the deposits' records are checked after every block. */
#include "runtime/test_exec_modules.h"

#include "types/merkle.h"

static uint64_t price( void ) { return 1700000; }

/* ---- The plain way ---- */

static void
test_transfer_moves_bills_and_names_deposits( void ** state ) {
  chain_t * c = *state;
  dmg_tx_t * tx = tx_transfer( c, &alice, &carol.address, 5000, (tx_opts_t){ .tip = 77 } );
  dmg_receipt_t * r = chain_tx( c, tx );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->call, 255 );
  assert_memory_equal( r->payer.b, alice.address.b, 32 );
  assert_int_equal( r->tip, 77 );
  /* R5.9 */
  uint64_t intrinsic = dmg_tx_intrinsic_gas( tx, tx->raw.sz );
  assert_int_equal( r->gas_billed, intrinsic+dmg_max_u64( r->gas_used, 300000 ) );
  assert_int_equal( r->gas_used, 8000+2000+2*3060+600+60+2*72+2*8000+8000 );   /* bob has no entry in topics yet: module, alice, carol are new */
  assert_int_equal( r->fee, ( r->gas_billed*price()+999999 )/1000000 );
  /* R5.8: account 36+1+40+25, auth 37+1+40+(1+33+1+2+1+8), both and carol's Free 85 by the sender; lane 0 is free of it */
  uint64_t account = 36+1+40+25, auth = 37+1+40+46, first = 85;
  assert_int_equal( r->held, 10000*( account+auth+first ) );
  assert_int_equal( r->returned, 0 );
  assert_int_equal( chain_free( c, &carol.address ), 5000 );
  assert_int_equal( chain_free( c, &alice.address ), ALICE_FREE-5000-r->fee-77-r->held );
  assert_int_equal( chain_held( c, &alice.address ), r->held );
  assert_int_equal( chain_free( c, &c->leader ), 77 );
  assert_int_equal( chain_burned( c ), r->fee-r->fee/5 );
  dmg_hash_t treasury = dmg_module_address( 2, 3 );
  assert_int_equal( chain_free( c, &treasury ), r->fee/5 );
  /* AccountCreated first, then Transferred */
  assert_int_equal( r->event_cnt, 2 );
  assert_int_equal( r->events[ 0 ].module, 1 );
  assert_int_equal( r->events[ 0 ].event, 256 );
  assert_memory_equal( r->events[ 0 ].data.p, alice.address.b, 32 );
  assert_int_equal( r->events[ 1 ].event, 1 );
}

static void
test_first_payment_costs_the_sender_85_bytes( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  dmg_receipt_t * r = chain_tx( c, tx_transfer( c, &alice, &carol.address, 1, (tx_opts_t){ .nonce = n } ) );
  assert_int_equal( r->held, 850000 );
  r = chain_tx( c, tx_transfer( c, &alice, &carol.address, 1, (tx_opts_t){ .nonce = n+1 } ) );
  assert_int_equal( r->held, 0 );
  uint8_t key[ DMG_KEY_MAX ];
  dmg_deposit_rec_t rec;
  uint64_t v;
  assert_int_equal( dmg_counter_parse( chain_get( c, key, dmg_key_free( &carol.address, key ) ), true, &rec, &v ), DMG_OK );
  assert_int_equal( v, 2 );
  assert_int_equal( rec.amount, 850000 );
  assert_memory_equal( rec.payer.b, alice.address.b, 32 );
}

static void
test_free_at_zero_returns_its_record( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  /* dave gets just enough for one transaction of his own: deposits of account and auth, the fee, 1 spark to pay. */
  tx_opts_t  o     = { .gas = 100000 };
  dmg_tx_t * probe = tx_transfer( c, &dave, &alice.address, 1, o );
  uint64_t   gas   = dmg_tx_intrinsic_gas( probe, probe->raw.sz )+100000;
  uint64_t   fee   = ( gas*price()+999999 )/1000000;
  uint64_t   own   = 10000*( 102+124 );
  chain_tx( c, tx_transfer( c, &alice, &dave.address, own+fee+1, (tx_opts_t){ .nonce = n++ } ) );
  assert_int_equal( chain_free( c, &dave.address ), own+fee+1 );
  uint64_t held = chain_held( c, &alice.address );
  /* He spends it all but what the bill leaves: not zero yet, as the bill is below the reserve. */
  dmg_receipt_t * r = chain_tx( c, tx_transfer( c, &dave, &alice.address, 1, o ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_true( r->fee<fee );
  uint64_t left = chain_free( c, &dave.address );
  assert_int_equal( left, fee-r->fee );
  assert_int_equal( r->returned, 0 );
  /* The rest goes as a tip: Free stands at 0, alice gets her 850,000 back. */
  tx_opts_t  o2 = { .gas = 20000, .nonce = 1, .no_init = true, .fee_max = left };
  chain_tx( c, tx_transfer( c, &alice, &dave.address, 1000000, (tx_opts_t){ .nonce = n++ } ) );
  left += 1000000;
  dmg_tx_call_t note = { .module = 1, .call = 8, .args = DMG_SPAN( no_args ) };
  o2.fee_max = left;
  dmg_tx_t * t2 = tx_make( c, &dave, &note, 1, &o2 );
  uint64_t used = 8100, billed = dmg_tx_intrinsic_gas( t2, t2->raw.sz )+dmg_max_u64( used, 15000 );
  uint64_t bill = ( billed*price()+999999 )/1000000;
  uint64_t reserve = ( ( dmg_tx_intrinsic_gas( t2, t2->raw.sz )+20000 )*price()+999999 )/1000000;
  assert_true( left>reserve );
  o2.tip = left-reserve;
  t2 = tx_make( c, &dave, &note, 1, &o2 );
  r = chain_tx( c, t2 );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( chain_free( c, &dave.address ), reserve-bill );     /* what the reserve did not need */
  /* limit = use: nothing of the reserve comes back */
  tx_opts_t o3 = { .gas = 8100, .nonce = 2, .no_init = true, .fee_max = DMG_SPARKS_PER_CGT };
  t2 = tx_make( c, &dave, &note, 1, &o3 );
  reserve = ( ( dmg_tx_intrinsic_gas( t2, t2->raw.sz )+8100 )*price()+999999 )/1000000;
  chain_tx( c, tx_transfer( c, &alice, &dave.address, reserve-chain_free( c, &dave.address ), (tx_opts_t){ .nonce = n++ } ) );
  held = chain_held( c, &alice.address );
  r = chain_tx( c, t2 );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->fee, reserve );
  assert_int_equal( r->returned, 850000 );
  uint8_t key[ DMG_KEY_MAX ];
  assert_null( chain_get( c, key, dmg_key_free( &dave.address, key ) ).p );
  assert_int_equal( chain_held( c, &alice.address ), held-850000 );
}

/* ---- VOID ---- */

static void
expect_void( chain_t * c, dmg_tx_t * tx, dmg_void_t reason ) {
  dmg_hash_t      root_before = c->root;
  uint64_t        free_before = chain_free( c, &tx->sender );
  dmg_receipt_t * r = chain_tx( c, tx );
  if( r->status!=DMG_STATUS_VOID || r->code!=reason ) fail_msg( "status %u code %u, wanted VOID %u", r->status, r->code, reason );
  assert_int_equal( r->gas_billed+r->gas_used+r->fee+r->tip+r->held+r->returned, 0 );
  assert_int_equal( r->call, 255 );
  assert_true( dmg_hash_is_zero( &r->payer ) );
  assert_int_equal( r->event_cnt+r->result_cnt, 0 );
  assert_int_equal( chain_free( c, &tx->sender ), free_before );
  (void)root_before;
}
static void edit_session( dmg_tx_t * t )  { t->auth = DMG_TX_AUTH_SESSION; t->init = NULL; }
static void edit_unsigned( dmg_tx_t * t ) { t->auth = DMG_TX_AUTH_UNSIGNED; t->init = NULL; t->sig_cnt = 0; }
static void edit_sponsor( dmg_tx_t * t )  { t->has_sponsor = true; t->sponsor = t->sender; }
static void edit_energy( dmg_tx_t * t )   { t->fee_kind = DMG_FEE_ENERGY_ONLY; t->fee_max = t->tip = 0; }

static void
test_void_names_each_reason( void ** state ) {
  chain_t * c = *state;
  #define T( ... ) tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ __VA_ARGS__ } )
  expect_void( c, T( .edit = edit_session ),  DMG_VOID_SESSION );
  expect_void( c, T( .edit = edit_unsigned ), DMG_VOID_UNSIGNED );
  expect_void( c, T( .edit = edit_sponsor ),  DMG_VOID_SPONSOR );
  expect_void( c, T( .edit = edit_energy ),   DMG_VOID_ENERGY );

  tx_opts_t     o = { 0 };
  dmg_tx_call_t call = call_transfer( c, &bob.address, 1 );
  call.module = 99;
  expect_void( c, tx_make( c, &alice, &call, 1, &o ), DMG_VOID_MODULE );
  call = call_transfer( c, &bob.address, 1 );
  call.call = 77;
  expect_void( c, tx_make( c, &alice, &call, 1, &o ), DMG_VOID_SCHEMA );
  call = call_transfer( c, &bob.address, 1 );
  call.schema = (dmg_hash_t){ { 9 } };
  expect_void( c, tx_make( c, &alice, &call, 1, &o ), DMG_VOID_SCHEMA );
  call = call_transfer( c, &bob.address, 1 );
  call.args.sz = 39;
  expect_void( c, tx_make( c, &alice, &call, 1, &o ), DMG_VOID_ARGS );
  call = call_transfer( c, &bob.address, UINT64_MAX );          /* no amount */
  expect_void( c, tx_make( c, &alice, &call, 1, &o ), DMG_VOID_ARGS );

  expect_void( c, T( .no_init = true ), DMG_VOID_ACCOUNT );
  person_t mallory = person( 9 );
  person_fix( &mallory );
  mallory.address = alice.address;                              /* his keys, her address */
  expect_void( c, tx_transfer( c, &mallory, &bob.address, 1, o ), DMG_VOID_ACCOUNT );
  expect_void( c, T( .sign = { &bob } ), DMG_VOID_KEYS );
  expect_void( c, T( .sign = { &alice, &bob } ), DMG_VOID_KEYS );   /* a stranger's signature only adds bytes */
  call = (dmg_tx_call_t){ .module = M_PROBE, .call = 2 };
  expect_void( c, tx_make( c, &alice, &call, 1, &o ), DMG_VOID_ROLE );

  expect_void( c, T( .lane = 1024 ), DMG_VOID_LANE );
  expect_void( c, T( .lane = 65534 ), DMG_VOID_LANE );
  expect_void( c, T( .lane = 65535, .expiry = c->height+1+481 ), DMG_VOID_LANE );
  expect_void( c, T( .nonce = 1 ), DMG_VOID_NONCE );
  expect_void( c, T( .fee_max = 1 ), DMG_VOID_FEE );
  expect_void( c, tx_transfer( c, &carol, &bob.address, 1, o ), DMG_VOID_BALANCE );
  /* one spark below reserve and deposits of the account, then exactly it */
  dmg_tx_t * t = T( .fee_max = UINT64_MAX, .tip = 0 );
  uint64_t need = ( ( dmg_tx_intrinsic_gas( t, t->raw.sz )+400000 )*price()+999999 )/1000000+10000*( 102+124 );
  expect_void( c, T( .fee_max = UINT64_MAX, .tip = ALICE_FREE-need+1 ), DMG_VOID_BALANCE );
  dmg_receipt_t * r = chain_tx( c, T( .fee_max = UINT64_MAX, .tip = ALICE_FREE-need ) );
  assert_int_equal( r->status, DMG_STATUS_FAULT );              /* all is reserved: nothing left to transfer */
  expect_void( c, T( .nonce = 0 ), DMG_VOID_NONCE );            /* the failed one used it */
  expect_void( c, T( .nonce = 1, .sign = { &alice, &bob } ), DMG_VOID_KEYS );
  #undef T
}

static void
test_fee_max_is_met_exactly( void ** state ) {
  chain_t *  c = *state;
  dmg_tx_t * t = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .tip = 5 } );
  uint64_t   need = ( ( dmg_tx_intrinsic_gas( t, t->raw.sz )+400000 )*price()+999999 )/1000000+5;
  expect_void( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .tip = 5, .fee_max = need-1 } ), DMG_VOID_FEE );
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .tip = 5, .fee_max = need } ) )->status, DMG_STATUS_OK );
}

static void
test_init_of_an_existing_account_is_ignored( void ** state ) {
  chain_t * c = *state;
  alice_arrives( c );
  dmg_receipt_t * r = chain_tx( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 1 } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->event_cnt, 1 );
}

/* Two keys of weight 1 each; use needs 1, owner 2. */
static void
test_thresholds_give_use_or_owner( void ** state ) {
  chain_t * c = *state;
  person_t  joint = person( 7 );
  joint.init = (dmg_account_init_t){ .auth_cnt = 2, .t_use = 1, .t_owner = 2,
                                     .auths = { { .scheme = 0, .level = 2, .weight = 1, .key = dmg_span( bob.key, 32 ) }, { .scheme = 0, .level = 2, .weight = 1, .key = dmg_span( carol.key, 32 ) } } };
  joint.address = dmg_address_of( &joint.init );
  chain_tx( c, tx_transfer( c, &alice, &joint.address, 100*DMG_SPARKS_PER_CGT, (tx_opts_t){ 0 } ) );
  tx_opts_t     one = { .sign = { &bob } }, two = { .sign = { &bob, &carol } };
  dmg_tx_call_t own = { .module = M_PROBE, .call = 3 };
  expect_void( c, tx_make( c, &joint, &own, 1, &one ), DMG_VOID_ROLE );
  assert_int_equal( chain_tx( c, tx_make( c, &joint, &own, 1, &two ) )->status, DMG_STATUS_OK );
  one.nonce = 1;
  assert_int_equal( chain_tx( c, tx_transfer( c, &joint, &bob.address, 1, one ) )->status, DMG_STATUS_OK );
  one.nonce = 2;
  expect_void( c, tx_make( c, &joint, &own, 1, &one ), DMG_VOID_ROLE );
  two.nonce = 2;
  dmg_receipt_t * r = chain_tx( c, tx_make( c, &joint, &own, 1, &two ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->gas_used, 12000+100 );                   /* several signatures: 4,000 more */
}

static void
test_msig_calls_need_one_authenticator( void ** state ) {
  chain_t * c = *state;
  person_t  joint = person( 8 );
  joint.init = (dmg_account_init_t){ .auth_cnt = 2, .t_use = 2, .t_owner = 2,
                                     .auths = { { .scheme = 0, .level = 2, .weight = 1, .key = dmg_span( bob.key, 32 ) }, { .scheme = 0, .level = 2, .weight = 1, .key = dmg_span( carol.key, 32 ) } } };
  joint.address = dmg_address_of( &joint.init );
  chain_tx( c, tx_transfer( c, &alice, &joint.address, 100*DMG_SPARKS_PER_CGT, (tx_opts_t){ 0 } ) );
  tx_opts_t     one = { .sign = { &carol } };
  dmg_tx_call_t both[ 2 ] = { { .module = 1, .call = 5 }, { .module = 1, .call = 8, .args = DMG_SPAN( no_args ) } };
  expect_void( c, tx_make( c, &joint, both, 2, &one ), DMG_VOID_KEYS );
  one.tip = 1;                          /* not what the other keys guard */
  expect_void( c, tx_make( c, &joint, both, 1, &one ), DMG_VOID_KEYS );
  one.tip = 0;
  assert_int_equal( chain_tx( c, tx_make( c, &joint, both, 1, &one ) )->status, DMG_STATUS_OK );
}

static void
test_key_of_the_future_does_not_sign_yet( void ** state ) {
  chain_t *    c = *state;
  alice_arrives( c );
  uint8_t      a[ 128 ];
  dmg_bcs_wr_t w = dmg_bcs_wr( a, sizeof( a ) );
  dmg_bcs_wr_u8( &w, DMG_SIG_ED25519 );
  dmg_bcs_wr_bytes( &w, DMG_SPAN( dave.key ) );
  dmg_bcs_wr_u8( &w, DMG_LEVEL_OWNER );
  dmg_bcs_wr_u16( &w, 1 );
  dmg_bcs_wr_bytes( &w, (dmg_span_t){ 0 } );
  dmg_bcs_wr_u64( &w, c->time_ms+3*250 );                       /* this block, one more, then the time itself */
  dmg_tx_call_t call = { .module = 1, .call = 1, .args = dmg_bcs_wr_span( &w ) };
  tx_opts_t     o = { .nonce = 1 };
  assert_int_equal( chain_tx( c, tx_make( c, &alice, &call, 1, &o ) )->status, DMG_STATUS_OK );
  expect_void( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 2, .sign = { &dave } } ), DMG_VOID_KEYS );
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 2, .sign = { &dave } } ) )->status, DMG_STATUS_OK );
}

/* ---- Nonces ---- */

static void
test_lanes_run_apart_and_other_lanes_cost( void ** state ) {
  chain_t * c = *state;
  alice_arrives( c );
  dmg_receipt_t * r = chain_tx( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .lane = 7 } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->held, 10000*( 38+1+40+8 ) );
  expect_void( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .lane = 7 } ), DMG_VOID_NONCE );
  r = chain_tx( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .lane = 7, .nonce = 1 } ) );
  assert_int_equal( r->held, 0 );
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .lane = 1023 } ) )->status, DMG_STATUS_OK );
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 1 } ) )->status, DMG_STATUS_OK );
}

static void
test_unordered_runs_once_and_seen_is_swept( void ** state ) {
  chain_t *  c = *state;
  alice_arrives( c );
  dmg_tx_t * t = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .lane = 65535, .nonce = 12345, .expiry = 30 } );
  uint8_t    key[ DMG_KEY_MAX ];
  size_t     key_sz = dmg_key_seen( 0, &t->id, key );
  assert_int_equal( chain_tx( c, t )->status, DMG_STATUS_OK );
  expect_void( c, t, DMG_VOID_SEEN );
  assert_int_equal( chain_get( c, key, key_sz ).sz, 1 );
  while( c->height<39 ) chain_block( c, NULL, 0, 0 );
  assert_int_equal( chain_get( c, key, key_sz ).sz, 1 );
  chain_block( c, NULL, 0, 0 );                                 /* height 40 = 40 x (0 + 1) */
  assert_null( chain_get( c, key, key_sz ).p );
}

static void
test_unordered_1001st_of_a_block_is_void( void ** state ) {
  chain_t *       c = *state;
  dmg_tx_t *      txs[ 12 ];
  dmg_exec_out_t  out;
  alice_arrives( c );
  /* the parameter's least bound is 10: this chain was made with it */
  chain_close( c );
  static uint8_t ten[ 8 ] = { 10 };
  dmg_genesis_param_t p = { .module = 1, .key = 11, .value = DMG_SPAN( ten ) };
  dmg_vm_t * vm = c->vm;
  chain_open_with( c, vm, NULL, mods, 4, &p, 1 );
  /* the first is VOID for a reason found after the count: it takes no place */
  tx_opts_t late = { .lane = 65535, .expiry = 50 };
  txs[ 0 ] = tx_transfer( c, &carol, &bob.address, 1, late );
  uint64_t reserve = ( ( dmg_tx_intrinsic_gas( txs[ 0 ], txs[ 0 ]->raw.sz )+400000 )*price()+999999 )/1000000;
  assert_int_equal( chain_tx( c, tx_transfer( c, &bob, &carol.address, reserve+1, (tx_opts_t){ 0 } ) )->status, DMG_STATUS_OK );
  for( unsigned i=1; i<12; i++ ) txs[ i ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .lane = 65535, .nonce = i, .expiry = 50 } );
  out = chain_block( c, txs, 12, 0 );
  assert_int_equal( out.txs[ 0 ].code, DMG_VOID_BALANCE );
  for( unsigned i=1; i<12; i++ ) assert_int_equal( out.txs[ i ].status, i<11 ? DMG_STATUS_OK : DMG_STATUS_VOID );
  assert_int_equal( out.txs[ 11 ].code, DMG_VOID_UNORDERED );
}

/* ---- Failures ---- */

static void
test_fault_pays_and_shows_its_payload( void ** state ) {
  chain_t *       c = *state;
  dmg_receipt_t * r = expect_fail( c, tx_transfer( c, &alice, &bob.address, 2*ALICE_FREE, (tx_opts_t){ 0 } ), DMG_STATUS_FAULT, 7 );
  assert_int_equal( r->module, 2 );
  assert_int_equal( r->call, 0 );
  assert_int_equal( r->result_cnt, 1 );
  assert_int_equal( r->results[ 0 ].sz, 16 );
  assert_int_equal( dmg_load_u64le( r->results[ 0 ].p+8 ), 2*ALICE_FREE );
  assert_int_equal( r->events[ 0 ].event, 256 );                /* AccountCreated survives */
  assert_int_equal( r->event_cnt, 2 );
}

static void
test_second_call_failing_reverts_the_first( void ** state ) {
  chain_t *     c = *state;
  alice_arrives( c );
  dmg_tx_call_t calls[ 2 ] = { call_transfer( c, &carol.address, 1000 ), call_transfer( c, &carol.address, 2*ALICE_FREE ) };
  tx_opts_t     o = { .nonce = 1 };
  dmg_receipt_t * r = expect_fail( c, tx_make( c, &alice, calls, 2, &o ), DMG_STATUS_FAULT, 7 );
  assert_int_equal( r->call, 1 );
  assert_int_equal( r->event_cnt, 1 );                          /* TxFailed alone */
  assert_int_equal( chain_free( c, &carol.address ), 0 );
  assert_int_equal( r->held, 0 );
}

static uint64_t g_result_then_trap( fake_t * f ) {
  if( dmg_load_u16le( fake_env( f )+26 ) ) fake_trap( f );      /* the second call */
  memcpy( f->mem+FAKE_OUT, "\3abc", 4 );
  return fake_done( 4 );
}
static void
test_results_are_billed_and_dropped_with_the_calls( void ** state ) {
  chain_t *     c = *state;
  alice_arrives( c );
  dmg_tx_call_t calls[ 2 ] = { call_run(), call_run() };
  tx_opts_t     o = { .nonce = 1 };
  probe_fn = g_result_then_trap;
  dmg_receipt_t * r = chain_tx( c, tx_make( c, &alice, calls, 1, &o ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->gas_used, 8000+100+2*4 );
  assert_int_equal( r->result_cnt, 1 );
  o.nonce = 2;
  r = expect_fail( c, tx_make( c, &alice, calls, 2, &o ), DMG_STATUS_TRAP, 0 );
  assert_int_equal( r->result_cnt, 0 );
  assert_int_equal( r->call, 1 );
}

static uint64_t g_trap( fake_t * f )  { HOST( f, PUT, 4, 0, 0, fake_put( f, FAKE_SCRATCH, "\1\0\0\0\0", 5 ), 5 ); fake_trap( f ); }
static uint64_t g_burn( fake_t * f )  { fake_burn( f, 1000000000 ); return ret_empty( f ); }
static uint64_t g_stack( fake_t * f ) { fake_stack( f ); }
static uint64_t g_no_result( fake_t * f ) { return fake_done( 0 ); }
static uint64_t g_bad_fault( fake_t * f ) { return fake_fault( 41 ); }
static uint64_t g_fault_out( fake_t * f ) { return fake_fault( 40 )+1; }

static void
test_each_failure_status_pays_and_drops( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  dmg_receipt_t * r = expect_fail( c, tx_run( c, &alice, g_trap, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_TRAP, 0 );
  assert_int_equal( r->module, M_PROBE );
  uint8_t key[ DMG_KEY_MAX ];
  assert_null( chain_get( c, key, dmg_key_prefix( M_PROBE, 4, key ) ).p );
  r = expect_fail( c, tx_run( c, &alice, g_burn, (tx_opts_t){ .nonce = n++, .gas = 100000 } ), DMG_STATUS_NO_GAS, 0 );
  assert_int_equal( r->gas_used, 100000 );                      /* the whole limit */
  r = expect_fail( c, tx_run( c, &alice, g_burn, (tx_opts_t){ .nonce = n++, .gas = 7999 } ), DMG_STATUS_NO_GAS, 0 );
  assert_int_equal( r->call, 255 );                             /* not even the prologue's part */
  expect_fail( c, tx_run( c, &alice, g_stack, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_NO_STACK, 0 );
  expect_fail( c, tx_run( c, &alice, g_no_result, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_HOST, DMG_HOST_RESULT );
  expect_fail( c, tx_run( c, &alice, g_bad_fault, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_HOST, DMG_HOST_RESULT );
  expect_fail( c, tx_run( c, &alice, g_fault_out, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_HOST, DMG_HOST_RESULT );
}

static uint64_t g_huge( fake_t * f ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( f->mem+FAKE_OUT, 16000 );
  dmg_bcs_wr_uleb( &wr, 9000 );
  return fake_done( 9002 );
}
static void
test_result_over_8_kib_is_refused( void ** state ) {
  chain_t *     c = *state;
  dmg_tx_call_t call = { .module = M_PROBE, .call = 4 };
  tx_opts_t     o = { 0 };
  probe_fn = g_huge;
  expect_fail( c, tx_make( c, &alice, &call, 1, &o ), DMG_STATUS_HOST, DMG_HOST_RESULT );
}

/* Each hostile use of a host function, by number. */
static unsigned hostile;
static uint64_t
g_hostile( fake_t * f ) {
  uint8_t big[ 6100 ] = { 1 };
  uint32_t s = FAKE_SCRATCH;
  fake_put( f, s, big, sizeof( big ) );
  switch( hostile ) {
  case 0:  HOST( f, GET, 1, 65533, 4, s, 4 ); break;                       /* key leaves memory */
  case 1:  HOST( f, GET, 1, 0xffffffffu, 4, s, 4 ); break;
  case 2:  HOST( f, GET, 1, s, 4, 65530, 100 ); break;
  case 3:  HOST( f, PUT, 1, s, 4, 65530, 0xffffffffu ); break;
  case 4:  HOST( f, CTR_GET, 2, s, 4, 65529 ); break;
  case 5:  HOST( f, GET, 9, s, 4, s, 4 ); break;                           /* undeclared item */
  case 6:  HOST( f, GET, 65537, s, 4, s, 4 ); break;
  case 7:  HOST( f, GET, 2, s, 4, s, 4 ); break;                           /* a counter is no value */
  case 8:  HOST( f, PUT, 2, s, 4, s, 9 ); break;
  case 9:  HOST( f, CTR_ADD, 1, s, 4, 1, 100 ); break;
  case 10: HOST( f, SCAN, 1, s, 0, s, 0, s, 100, 1 ); break;               /* not ordered */
  case 11: HOST( f, GET, 1, s, 3, s, 4 ); break;                           /* key length */
  case 12: HOST( f, GET, 4, s, 1, s, 4 ); break;
  case 13: HOST( f, SCAN, 3, s, 1, s, 0, s, 100, 1 ); break;               /* half a key field */
  case 14: HOST( f, PUT, 1, s, 4, s, 0 ); break;                           /* no schema byte */
  case 15: f->mem[ s ] = 2; HOST( f, PUT, 1, s, 4, s, 2 ); break;          /* another version */
  case 16: f->mem[ s+1 ] = 5; HOST( f, PUT, 1, s, 4, s, 2 ); break;        /* bytes<> shorter than it says */
  case 17: HOST( f, PUT, 1, s, 4, s, 6100 ); break;                        /* over max */
  case 18: HOST( f, CTR_ADD, 2, s, 4, 1, (uint64_t)1<<63 ); break;         /* max over 2^63-1 */
  case 19: HOST( f, EMIT, 9, s, 4 ); break;                                /* no such event */
  case 20: HOST( f, EMIT, 2, s, 3 ); break;
  case 21: HOST( f, EMIT, 1, s, 9000 ); break;
  case 22: HOST( f, CALL, M_PEER, 2, 0, 0, s, 0, s, 0 ); break;            /* not in the use list */
  case 23: HOST( f, CALL, 1, 8, 0, 0, s, 1, s, 0 ); break;
  case 24: HOST( f, CALL, 2, 9, 0, 0, s, 0, s, 0 ); break;
  case 25: HOST( f, CALL, 2, 1, 2, 0, s, 40, s, 0 ); break;                /* flags */
  case 26: HOST( f, CALL, 2, 1, 0, 0, s, 39, s, 0 ); break;                /* arguments */
  case 27: HOST( f, FAULT, s, 8193 ); break;
  case 28: HOST( f, AUTH, s, 7 ); break;
  case 29: HOST( f, VERIFY, 5, s, 32, s, 32, s, 64 ); break;
  case 30: HOST( f, SHA256, s, 70000, s ); break;
  case 31: HOST( f, SHA256, s, 1, 65505 ); break;
  case 32: HOST( f, SUB_ACCOUNT, 1, 65505 ); break;
  case 33: HOST( f, BEACON, 0, 65505 ); break;
  case 34: HOST( f, PUT, 3, s, 4, s, 6 ); break;                           /* u32 with a byte too many */
  case 35: HOST( f, CALLEE_FAULT, 65530, 7 ); break;
  }
  return ret_empty( f );
}
static void
test_hostile_use_of_host_functions_traps( void ** state ) {
  static uint8_t const want[] = {
    DMG_HOST_POINTER, DMG_HOST_POINTER, DMG_HOST_POINTER, DMG_HOST_POINTER, DMG_HOST_POINTER, DMG_HOST_ITEM, DMG_HOST_ITEM, DMG_HOST_ITEM, DMG_HOST_ITEM, DMG_HOST_ITEM,
    DMG_HOST_ITEM, DMG_HOST_KEY, DMG_HOST_KEY, DMG_HOST_KEY, DMG_HOST_VALUE, DMG_HOST_VALUE, DMG_HOST_VALUE, DMG_HOST_VALUE, DMG_HOST_PARAM, DMG_HOST_EVENT,
    DMG_HOST_EVENT, DMG_HOST_EVENT, DMG_HOST_USE, DMG_HOST_USE, DMG_HOST_USE, DMG_HOST_PARAM, DMG_HOST_ARGS, DMG_HOST_RESULT, DMG_HOST_PARAM, DMG_HOST_PARAM,
    DMG_HOST_POINTER, DMG_HOST_POINTER, DMG_HOST_POINTER, DMG_HOST_POINTER, DMG_HOST_VALUE, DMG_HOST_POINTER };
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  for( hostile=0; hostile<sizeof( want ); hostile++ ) {
    dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_hostile, (tx_opts_t){ .nonce = n++ } ) );
    if( r->status!=DMG_STATUS_HOST || r->code!=want[ hostile ] ) fail_msg( "case %u: %s code %u, wanted HOST %u", hostile, dmg_status_name( r->status ), r->code, want[ hostile ] );
  }
}

static void
test_theft_is_no_consent( void ** state ) {
  chain_t *     c = *state;
  uint64_t      n = alice_arrives( c );
  dmg_tx_call_t call = call_transfer( c, &bob.address, 10 );
  call.call = 2;                                                /* steal from bob */
  tx_opts_t     o = { .nonce = n };
  uint64_t      bobs = chain_free( c, &bob.address );
  dmg_receipt_t * r = expect_fail( c, tx_make( c, &alice, &call, 1, &o ), DMG_STATUS_NO_CONSENT, 0 );
  assert_int_equal( r->call, 255 );
  assert_int_equal( chain_free( c, &bob.address ), bobs );
}

static void
test_deposit_out_of_reach_drops_the_calls( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  /* the sender keeps enough for the bill and 849,999 of the 850,000 that a new receiver costs */
  tx_opts_t  o = { .nonce = n, .gas = 60000 };
  dmg_tx_t * t = tx_transfer( c, &alice, &carol.address, 1, o );
  uint64_t   reserve = ( ( dmg_tx_intrinsic_gas( t, t->raw.sz )+60000 )*price()+999999 )/1000000;
  uint64_t   have    = chain_free( c, &alice.address );
  /* used > 3/4 of the limit or not, the bill is known after one try on a preview */
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_preview_t   p;
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, t, NULL, c->arena, &p ), DMG_OK );
  dmg_view_close( view );
  assert_int_equal( p.tx.status, DMG_STATUS_OK );
  uint64_t bill = p.tx.fee;
  assert_true( bill<=reserve );
  uint64_t most = have-bill-850000;                             /* transferable in the best case */
  o.gas = 60000;
  assert_true( most<have-reserve );
  expect_fail( c, tx_transfer( c, &alice, &carol.address, most+1, o ), DMG_STATUS_DEPOSIT, 0 );
  assert_int_equal( chain_free( c, &carol.address ), 0 );
  have = chain_free( c, &alice.address );
  o.nonce++;
  dmg_receipt_t * r = chain_tx( c, tx_transfer( c, &alice, &carol.address, have-bill-850000, o ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->fee, bill );
  assert_int_equal( chain_free( c, &alice.address ), 0 );
}

static void
test_locked_coins_pay_nothing( void ** state ) {
  chain_t *     c = *state;
  uint64_t      n = alice_arrives( c );
  uint8_t       a[ 16 ];
  dmg_tx_call_t lock = { .module = 2, .call = 3, .args = DMG_SPAN( a ) };
  dmg_store_u64le( a, chain_free( c, &alice.address )-10*DMG_SPARKS_PER_CGT );
  dmg_store_u64le( a+8, c->time_ms+250*4 );
  tx_opts_t o = { .nonce = n++ };
  assert_int_equal( chain_tx( c, tx_make( c, &alice, &lock, 1, &o ) )->status, DMG_STATUS_OK );
  expect_void( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = n, .tip = 10*DMG_SPARKS_PER_CGT, .fee_max = 20*DMG_SPARKS_PER_CGT } ), DMG_VOID_BALANCE );
  chain_block( c, NULL, 0, 0 );
  /* at until_ms itself it is over (M0.6) */
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = n, .tip = 10*DMG_SPARKS_PER_CGT, .fee_max = 20*DMG_SPARKS_PER_CGT } ) )->status, DMG_STATUS_OK );
}

static void
test_posts_hold_or_revert( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  uint8_t   key[ DMG_KEY_MAX ], nowhere[ 8 ] = { 0, 99, 0, 1 };
  size_t    key_sz = dmg_key_free( &carol.address, key );
  uint8_t   v[ 49 ] = { 1 };
  memcpy( v+1, alice.address.b, 32 );
  dmg_store_u64le( v+33, 850000 );
  dmg_store_u64le( v+41, 70 );
  dmg_tx_post_t good[] = {
    { .kind = DMG_POST_SPENDS_MAX, .account = alice.address, .amount = 70+850000 },
    { .kind = DMG_POST_RECEIVES_MIN, .account = carol.address, .amount = 70 },
    { .kind = DMG_POST_OWNS, .account = carol.address },
    { .kind = DMG_POST_OWNS_NOT, .account = dave.address },
    { .kind = DMG_POST_OWNS_NOT, .account = alice.address, .asset = { .kind = DMG_ASSET_ITEM, .id = { { 1 } } } },
    { .kind = DMG_POST_VALUE, .key = dmg_span( key, key_sz ), .hash = dmg_h( DMG_TAG_STATE_VALUE, DMG_SPAN( v ) ) },
    { .kind = DMG_POST_VALUE, .key = dmg_span( nowhere, 8 ) },
    { .kind = DMG_POST_RESULT, .call = 0, .hash = dmg_result_hash( (dmg_span_t){ 0 } ) },
    { .kind = DMG_POST_ENERGY_MAX },
    { .kind = DMG_POST_FEE_MAX, .amount = 10000000 } };
  uint32_t   cnt = sizeof( good )/sizeof( *good );
  tx_opts_t  o   = { .nonce = n++, .posts = good, .post_cnt = cnt };
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &carol.address, 70, o ) )->status, DMG_STATUS_OK );

  dmg_tx_post_t bad[] = {
    { .kind = DMG_POST_SPENDS_MAX, .account = alice.address, .amount = 69 },
    { .kind = DMG_POST_RECEIVES_MIN, .account = carol.address, .amount = 71 },
    { .kind = DMG_POST_RECEIVES_MIN, .account = carol.address, .asset = { .kind = DMG_ASSET_CURRENCY, .id = { { 1 } } }, .amount = 1 },
    { .kind = DMG_POST_OWNS, .account = dave.address },
    { .kind = DMG_POST_OWNS_NOT, .account = carol.address },
    { .kind = DMG_POST_VALUE, .key = dmg_span( key, key_sz ) },
    { .kind = DMG_POST_RESULT, .call = 1, .hash = dmg_result_hash( (dmg_span_t){ 0 } ) },
    { .kind = DMG_POST_FEE_MAX, .amount = 1 },
    { .kind = DMG_POST_OUTCOME, .hash = { { 7 } } } };
  for( unsigned i=0; i<sizeof( bad )/sizeof( *bad ); i++ ) {
    dmg_tx_post_t two[ 2 ] = { { .kind = DMG_POST_ENERGY_MAX }, bad[ i ] };
    tx_opts_t     b = { .nonce = n++, .posts = two, .post_cnt = 2 };
    uint64_t      had = chain_free( c, &carol.address );
    expect_fail( c, tx_transfer( c, &alice, &carol.address, 70, b ), DMG_STATUS_POSTCONDITION, 1 );
    assert_int_equal( chain_free( c, &carol.address ), had );
  }
}

/* R4.10: a flow is what all counters that hold an account's asset did together, whichever module keeps them. */
static struct { dmg_hash_t const * who; int64_t delta[ 2 ]; } vault;
static uint64_t
g_vault( fake_t * f ) {
  uint32_t k = fake_put( f, FAKE_SCRATCH, vault.who->b, 32 );
  for( uint8_t i=0; i<2; i++ ) {
    fake_put( f, FAKE_SCRATCH+32, &i, 1 );
    if( vault.delta[ i ] && HOST( f, CTR_ADD, 5, k, 33, (uint64_t)vault.delta[ i ], DMG_AMOUNT_MAX ) ) fake_trap( f );
  }
  return ret_empty( f );
}
/* The status of alice's run with these moves and one post-condition about her CGT. */
static uint8_t
vault_status( chain_t * c, uint64_t * nonce, dmg_hash_t const * who, int64_t a, int64_t b, dmg_post_kind_t kind, uint64_t amount ) {
  dmg_tx_post_t post = { .kind = kind, .account = alice.address, .amount = amount };
  vault.who        = who;
  vault.delta[ 0 ] = a;
  vault.delta[ 1 ] = b;
  return chain_tx( c, tx_run( c, &alice, g_vault, (tx_opts_t){ .nonce = ( *nonce )++, .posts = &post, .post_cnt = 1 } ) )->status;
}
static void
test_flows_are_summed_over_all_counters( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  dmg_hash_t const * me = &alice.address;
  assert_int_equal( vault_status( c, &n, me, 5000, 5000, DMG_POST_RECEIVES_MIN, 10001 ), DMG_STATUS_POSTCONDITION );
  assert_int_equal( vault_status( c, &n, me, 5000, 5000, DMG_POST_RECEIVES_MIN, 10000 ), DMG_STATUS_OK );
  /* From one counter to the other: nothing spent, nothing received. */
  assert_int_equal( vault_status( c, &n, me, -600, 600, DMG_POST_SPENDS_MAX, 0 ), DMG_STATUS_OK );
  assert_int_equal( vault_status( c, &n, me, 600, -600, DMG_POST_SPENDS_MAX, 0 ), DMG_STATUS_OK );
  assert_int_equal( vault_status( c, &n, me, -600, 600, DMG_POST_RECEIVES_MIN, 1 ), DMG_STATUS_POSTCONDITION );
  assert_int_equal( vault_status( c, &n, me, 600, -600, DMG_POST_RECEIVES_MIN, 1 ), DMG_STATUS_POSTCONDITION );
  assert_int_equal( vault_status( c, &n, me, -400, -300, DMG_POST_SPENDS_MAX, 699 ), DMG_STATUS_POSTCONDITION );
  assert_int_equal( vault_status( c, &n, me, -400, -300, DMG_POST_SPENDS_MAX, 700 ), DMG_STATUS_OK );
  /* Another's: a transfer between his counters is none of his loss, less in their sum needs his consent. */
  assert_int_equal( vault_status( c, &n, &bob.address, 50, 0, DMG_POST_SPENDS_MAX, 0 ), DMG_STATUS_OK );
  assert_int_equal( vault_status( c, &n, &bob.address, -50, 50, DMG_POST_SPENDS_MAX, 0 ), DMG_STATUS_OK );
  assert_int_equal( vault_status( c, &n, &bob.address, 49, -50, DMG_POST_SPENDS_MAX, 0 ), DMG_STATUS_NO_CONSENT );
  /* The bill counts once, though two counters of the sender changed. */
  dmg_tx_post_t post  = { .kind = DMG_POST_SPENDS_MAX, .account = alice.address, .amount = 70+100 };
  dmg_tx_call_t calls[ 2 ] = { call_transfer( c, &bob.address, 70 ), call_run() };
  tx_opts_t     o     = { .nonce = n++, .posts = &post, .post_cnt = 1 };
  probe_fn         = g_vault;
  vault.who        = me;
  vault.delta[ 0 ] = -100;
  vault.delta[ 1 ] = 0;
  assert_int_equal( chain_tx( c, tx_make( c, &alice, calls, 2, &o ) )->status, DMG_STATUS_OK );
  post.amount--;
  o.nonce = n++;
  assert_int_equal( chain_tx( c, tx_make( c, &alice, calls, 2, &o ) )->status, DMG_STATUS_POSTCONDITION );
}

/* ---- Free entries that end (R5.8 steps 4 and 5) ---- */

static uint64_t pool_seed;
static uint64_t
g_empty_pool( fake_t * f ) {                                    /* all of an own sub-account to bob */
  uint8_t a[ 40 ];
  memcpy( a, bob.address.b, 32 );
  dmg_store_u64le( a+32, 5000 );
  if( HOST( f, CALL, 2, 1, 1, pool_seed, fake_put( f, FAKE_SCRATCH, a, 40 ), 40, FAKE_SCRATCH, 0 ) ) fake_trap( f );
  return ret_empty( f );
}
/* The calls of carol empty a pool whose record she paid, and the bill takes the last of her own Free, whose record alice
   paid.  What the calls ended gives back before the bill (step 1), so hers stands again whichever key is the lower. */
static void
sweep_two( chain_t * c, bool is_pool_first ) {
  dmg_hash_t pool;
  for( pool_seed=1; ; pool_seed++ ) {
    pool = dmg_module_address( M_PROBE, pool_seed );
    if( ( memcmp( pool.b, carol.address.b, 32 )<0 )==is_pool_first ) break;
  }
  alice_arrives( c );
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &carol.address, 100*DMG_SPARKS_PER_CGT, (tx_opts_t){ .nonce = 1 } ) )->status, DMG_STATUS_OK );
  assert_int_equal( chain_tx( c, tx_transfer( c, &carol, &pool, 5000, (tx_opts_t){ 0 } ) )->status, DMG_STATUS_OK );
  uint64_t        have = chain_free( c, &carol.address ), alice_held = chain_held( c, &alice.address );
  dmg_tx_call_t   calls[ 2 ] = { call_run(), call_transfer( c, &bob.address, 1 ) };
  tx_opts_t       o = { .nonce = 1 };
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_preview_t   p;
  probe_fn = g_empty_pool;
  dmg_tx_t * t = tx_make( c, &carol, calls, 2, &o );
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, t, NULL, c->arena, &p ), DMG_OK );
  dmg_view_close( view );
  assert_int_equal( p.tx.status, DMG_STATUS_OK );
  o.gas = p.tx.gas_used;                                        /* all of it is used, so the bill is the reserve */
  uint64_t bill = ( ( p.intrinsic+o.gas )*price()+999999 )/1000000;
  calls[ 1 ] = call_transfer( c, &bob.address, have-bill );
  dmg_receipt_t * r = chain_tx( c, tx_make( c, &carol, calls, 2, &o ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->fee, bill );
  assert_int_equal( chain_free( c, &pool ), 0 );
  assert_int_equal( chain_free( c, &carol.address ), 850000 );  /* of the pool's record */
  uint8_t           key[ DMG_KEY_MAX ];
  dmg_deposit_rec_t rec;
  uint64_t          v;
  assert_int_equal( dmg_counter_parse( chain_get( c, key, dmg_key_free( &carol.address, key ) ), true, &rec, &v ), DMG_OK );
  assert_int_equal( rec.amount, 850000 );
  assert_int_equal( chain_held( c, &alice.address ), alice_held );
}
static void test_an_emptied_pool_pays_back_before_the_bill_lower_key( void ** state ) { sweep_two( *state, true ); }
static void test_an_emptied_pool_pays_back_before_the_bill_higher_key( void ** state ) { sweep_two( *state, false ); }

/* ---- Deposits of modules' entries ---- */

static uint32_t val_sz;      /* bytes of the value probe.run writes under key 5; 0: delete */
static uint64_t
g_val( fake_t * f ) {
  uint8_t v[ 4096 ] = { 1 };
  uint32_t k = fake_put( f, FAKE_SCRATCH, "\0\0\0\5", 4 );
  if( !val_sz ) { HOST( f, DEL, 1, k, 4 ); return ret_empty( f ); }
  dmg_bcs_wr_t wr = dmg_bcs_wr( v+1, sizeof( v )-1 );
  static uint8_t const zeros[ 4000 ];
  dmg_bcs_wr_bytes( &wr, dmg_span( zeros, val_sz ) );
  uint32_t n = (uint32_t)dmg_bcs_wr_span( &wr ).sz+1;
  if( HOST( f, PUT, 1, k, 4, fake_put( f, FAKE_SCRATCH+8, v, n ), n ) ) fake_trap( f );
  return ret_empty( f );
}
static void
test_deposit_follows_who_makes_it_grow( void ** state ) {
  chain_t * c = *state;
  alice_arrives( c );
  assert_int_equal( chain_tx( c, tx_transfer( c, &bob, &alice.address, 1, (tx_opts_t){ 0 } ) )->status, DMG_STATUS_OK );
  uint64_t an = 1, bn = 1, held_a = chain_held( c, &alice.address ), held_b = chain_held( c, &bob.address );
  val_sz = 50;
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_val, (tx_opts_t){ .nonce = an++ } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->held, 10000*( 8+1+40+51 ) );
  val_sz = 50;                                                  /* equal: unchanged, whoever writes */
  r = chain_tx( c, tx_run( c, &bob, g_val, (tx_opts_t){ .nonce = bn++ } ) );
  assert_int_equal( r->held+r->returned, 0 );
  val_sz = 20;                                                  /* shorter: unchanged */
  r = chain_tx( c, tx_run( c, &bob, g_val, (tx_opts_t){ .nonce = bn++ } ) );
  assert_int_equal( r->held+r->returned, 0 );
  assert_int_equal( chain_held( c, &alice.address ), held_a+10000*100 );
  val_sz = 21;                                                  /* longer than before: bob takes it over, whole */
  r = chain_tx( c, tx_run( c, &bob, g_val, (tx_opts_t){ .nonce = bn++ } ) );
  assert_int_equal( r->held, 10000*( 8+1+40+22 ) );
  assert_int_equal( r->returned, 10000*100 );
  assert_int_equal( chain_held( c, &alice.address ), held_a );
  assert_int_equal( chain_held( c, &bob.address ), held_b+10000*71 );
  val_sz = 0;
  r = chain_tx( c, tx_run( c, &alice, g_val, (tx_opts_t){ .nonce = an++ } ) );
  assert_int_equal( r->returned, 10000*71 );
  assert_int_equal( chain_held( c, &bob.address ), held_b );
}

static int64_t ctr_delta;
static uint64_t
g_ctr( fake_t * f ) {
  uint32_t k = fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 );
  if( HOST( f, CTR_ADD, 2, k, 4, (uint64_t)ctr_delta, 1000 ) ) return fake_fault( 40 );
  HOST( f, CTR_GET, 2, k, 4, FAKE_SCRATCH+8 );
  return ret_empty( f );
}
static void
test_counters_keep_bounds_and_zero_is_absent( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  uint8_t   key[ 8 ] = { 2, 1, 0, 2, 0, 0, 0, 1 };
  ctr_delta = 1000;
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_ctr, (tx_opts_t){ .nonce = n++ } ) );
  assert_int_equal( r->held, 10000*( 8+1+40+8 ) );
  ctr_delta = 1;
  expect_fail( c, tx_run( c, &alice, g_ctr, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_FAULT, 40 );
  ctr_delta = -1001;
  expect_fail( c, tx_run( c, &alice, g_ctr, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_FAULT, 40 );
  ctr_delta = INT64_MIN;
  expect_fail( c, tx_run( c, &alice, g_ctr, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_FAULT, 40 );
  ctr_delta = -1000;
  r = chain_tx( c, tx_run( c, &alice, g_ctr, (tx_opts_t){ .nonce = n++ } ) );
  assert_int_equal( r->returned, 10000*57 );
  assert_null( chain_get( c, key, 8 ).p );
}

static void
test_deposit_module_is_paid_by_the_module( void ** state ) {
  chain_t *  c = *state;
  uint64_t   n = alice_arrives( c );
  dmg_hash_t self = dmg_module_address( M_PROBE, 0 );
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_own, (tx_opts_t){ .nonce = n++ } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->held, 10000*( 4+1+40+4 ) );
  assert_int_equal( chain_held( c, &self ), r->held );
  assert_int_equal( chain_free( c, &self ), ALICE_FREE-r->held );
}

int
main( void ) {
  #define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_transfer_moves_bills_and_names_deposits ), T( test_first_payment_costs_the_sender_85_bytes ), T( test_free_at_zero_returns_its_record ),
    T( test_void_names_each_reason ), T( test_fee_max_is_met_exactly ), T( test_init_of_an_existing_account_is_ignored ),
    T( test_thresholds_give_use_or_owner ), T( test_msig_calls_need_one_authenticator ), T( test_key_of_the_future_does_not_sign_yet ),
    T( test_lanes_run_apart_and_other_lanes_cost ), T( test_unordered_runs_once_and_seen_is_swept ), T( test_unordered_1001st_of_a_block_is_void ),
    T( test_fault_pays_and_shows_its_payload ), T( test_second_call_failing_reverts_the_first ), T( test_results_are_billed_and_dropped_with_the_calls ),
    T( test_each_failure_status_pays_and_drops ), T( test_result_over_8_kib_is_refused ), T( test_hostile_use_of_host_functions_traps ),
    T( test_theft_is_no_consent ), T( test_deposit_out_of_reach_drops_the_calls ), T( test_locked_coins_pay_nothing ), T( test_posts_hold_or_revert ),
    T( test_flows_are_summed_over_all_counters ), T( test_an_emptied_pool_pays_back_before_the_bill_lower_key ), T( test_an_emptied_pool_pays_back_before_the_bill_higher_key ),
    T( test_deposit_follows_who_makes_it_grow ), T( test_counters_keep_bounds_and_zero_is_absent ), T( test_deposit_module_is_paid_by_the_module ) };
  return cmocka_run_group_tests( tests, group_setup, group_teardown );
}
