/* The executor over a fake engine: every VOID, every failure status, rollback, deposits, limits; the supply and
   the deposits' records are checked after every block. */
#include "runtime/test_exec_fake.h"
#include "runtime/test_exec_chain.h"
#include "runtime/exec_int.h"

#include "types/merkle.h"

enum { ENTRY_SYSTEM, ENTRY_BALANCES, ENTRY_PROBE, ENTRY_PEER };
enum { M_PROBE = 0x0201, M_PEER = 0x0202 };
#define ROLES_USER   0x03   /* owner, use */
#define ROLES_MODULE 0x08

/* ---- Guests ---- */

static uint64_t (*probe_fn)( fake_t * f );   /* what probe.run does in this test */
static uint64_t (*peer_fn) ( fake_t * f );
static uint64_t (*query_fn)( fake_t * f );   /* probe.look */
static uint64_t (*peer_query_fn)( fake_t * f );

static uint64_t
system_entry( fake_t * f, uint32_t kind, uint32_t id, uint32_t in_sz ) {
  fake_burn( f, 100 );
  if( kind==0 && id==1 ) {                  /* set_auth: the sender's slot 1 as given */
    uint8_t key[ 33 ], v[ 256 ] = { 1 };
    memcpy( key, fake_env( f )+128, 32 );
    key[ 32 ] = 1;
    memcpy( v+1, fake_args( f ), in_sz-256 );
    HOST( f, PUT, 2, fake_put( f, FAKE_SCRATCH, key, 33 ), 33, fake_put( f, FAKE_SCRATCH+64, v, in_sz-255 ), in_sz-255 );
  }
  return fake_done( 0 );
}

static uint64_t
balances_transfer( fake_t * f, dmg_span_t from, dmg_span_t to, uint64_t amount ) {
  uint32_t k1 = fake_put( f, FAKE_SCRATCH, from.p, 32 ), k2 = fake_put( f, FAKE_SCRATCH+32, to.p, 32 );
  if( HOST( f, CTR_ADD, 1, k1, 32, (uint64_t)-(int64_t)amount, DMG_AMOUNT_MAX )==DMG_DM_BOUND ) {
    uint8_t payload[ 16 ];
    HOST( f, CTR_GET, 1, k1, 32, FAKE_SCRATCH+64 );
    memcpy( payload, f->mem+FAKE_SCRATCH+64, 8 );
    dmg_store_u64le( payload+8, amount );
    HOST( f, FAULT, fake_put( f, FAKE_SCRATCH+80, payload, 16 ), 16 );
    return fake_fault( 7 );
  }
  if( HOST( f, CTR_ADD, 1, k2, 32, amount, DMG_AMOUNT_MAX ) ) fake_trap( f );
  uint8_t ev[ 72 ];
  memcpy( ev, from.p, 32 );
  memcpy( ev+32, to.p, 32 );
  dmg_store_u64le( ev+64, amount );
  if( HOST( f, EMIT, 1, fake_put( f, FAKE_SCRATCH+128, ev, 72 ), 72 ) ) fake_trap( f );
  return fake_done( 0 );
}

static uint64_t
balances_entry( fake_t * f, uint32_t kind, uint32_t id, uint32_t in_sz ) {
  uint8_t const * a = fake_args( f );
  fake_burn( f, 2000 );
  if( kind==2 && id==DMG_HOOK_INIT ) {      /* bytes: n times address, amount */
    uint32_t n = ( in_sz-256-2 )/40;
    a += 2;
    for( uint32_t i=0; i<n; i++, a += 40 )
      if( HOST( f, CTR_ADD, 1, fake_put( f, FAKE_SCRATCH, a, 32 ), 32, dmg_load_u64le( a+32 ), DMG_AMOUNT_MAX ) ) return fake_fault( 1 );
    return fake_done( 0 );
  }
  if( kind==1 ) {                           /* get: Free */
    HOST( f, CTR_GET, 1, (uint32_t)( a-f->mem ), 32, FAKE_OUT );
    return fake_done( 8 );
  }
  dmg_span_t actor = dmg_span( fake_env( f )+128, 32 );
  switch( id ) {
  case 1: return balances_transfer( f, actor, dmg_span( a, 32 ), dmg_load_u64le( a+32 ) );
  case 2: return balances_transfer( f, dmg_span( a, 32 ), actor, dmg_load_u64le( a+32 ) );   /* steal */
  case 3: {                                                                                  /* lock( amount, until ) */
    uint8_t key[ 33 ], v[ 17 ] = { 1 };
    memcpy( key, actor.p, 32 );
    key[ 32 ] = 0;
    memcpy( v+1, a, 16 );
    if( HOST( f, PUT, 4, fake_put( f, FAKE_SCRATCH, key, 33 ), 33, fake_put( f, FAKE_SCRATCH+40, v, 17 ), 17 ) ) fake_trap( f );
    return fake_done( 0 );
  }
  }
  fake_trap( f );
}

static uint64_t
probe_entry( fake_t * f, uint32_t kind, uint32_t id, uint32_t in_sz ) {
  fake_burn( f, 100 );
  if( kind==1 ) return query_fn( f );
  return probe_fn ? probe_fn( f ) : fake_done( 0 );
}
static uint64_t
peer_entry( fake_t * f, uint32_t kind, uint32_t id, uint32_t in_sz ) {
  fake_burn( f, 100 );
  if( kind==1 ) return peer_query_fn( f );
  return peer_fn ? peer_fn( f ) : fake_done( 0 );
}

/* ---- Interfaces ---- */

static iface_t * ifaces[ 4 ];
static module_t  mods[ 4 ];
static person_t  alice, bob, carol, dave;

static dmg_hash_t
test_schema( uint16_t module, uint16_t call ) {
  for( unsigned i=0; i<4; i++ ) {
    if( ifaces[ i ]->abi.module!=module ) continue;
    dmg_abi_fn_t const * fn = NULL;
    for( uint32_t k=0; k<ifaces[ i ]->abi.call_cnt; k++ ) if( ifaces[ i ]->calls[ k ].id==call ) fn = &ifaces[ i ]->calls[ k ];
    dmg_hash_t h = { { 1 } };
    if( fn ) assert_int_equal( dmg_schema_hash( module, fn, &h ), DMG_OK );
    return h;
  }
  return (dmg_hash_t){ { 1 } };
}
static bool
test_has_record( uint16_t module, uint16_t item ) {
  dmg_item_desc_t const * d = dmg_item_find( module, item );
  if( d ) return d->has_deposit;
  for( unsigned i=0; i<4; i++ ) {
    if( ifaces[ i ]->abi.module!=module ) continue;
    for( uint32_t k=0; k<ifaces[ i ]->abi.item_cnt; k++ ) if( ifaces[ i ]->items[ k ].id==item ) return ifaces[ i ]->items[ k ].deposit!=DMG_DEPOSIT_NONE;
  }
  return false;
}

static void
ifaces_make( void ) {
  iface_t * s = ifaces[ 0 ] = iface_new( DMG_MODULE_SYSTEM, "system" );
  iface_natives( s );
  iface_event( s, 256, "AccountCreated", "a", 1 );
  iface_event( s, 260, "TxFailed", "b", 0 );
  iface_call( s, 1, "set_auth", "bsbhsq", 0, ROLES_USER );
  iface_call( s, 5, "msig_propose", "", 0, ROLES_USER );
  iface_call( s, 8, "note", "s", 0, ROLES_USER );

  iface_t * b = ifaces[ 1 ] = iface_new( DMG_MODULE_BALANCES, "balances" );
  iface_natives( b );
  iface_fault( b, 1, "NotFound", "" );
  iface_fault( b, 7, "InsufficientBalance", "mm" );
  iface_event( b, 1, "Transferred", "aam", 2 );
  iface_event( b, 256, "FeeTaken", "mmm", 0 );
  iface_call( b, 1, "transfer", "am", 0, ROLES_USER|ROLES_MODULE );
  iface_call( b, 2, "steal", "am", 0, ROLES_USER );
  iface_call( b, 3, "lock", "mq", 0, ROLES_USER );
  iface_query( b, 1, "get", "a", 'q' );
  iface_hook( b, DMG_HOOK_INIT, "init", "L" );

  iface_t * p = ifaces[ 2 ] = iface_new( M_PROBE, "probe" );
  iface_item( p, 1, "vals", DMG_ITEM_MAP, "w", ty( DMG_TYPE_BYTES, 6000 ), DMG_DEPOSIT_PAYER );
  iface_item( p, 2, "ctrs", DMG_ITEM_COUNTER, "w", NULL, DMG_DEPOSIT_PAYER );
  iface_item( p, 3, "list", DMG_ITEM_ORDERED, "hh", ty( DMG_TYPE_U32, 0 ), DMG_DEPOSIT_PAYER );
  iface_item( p, 4, "own", DMG_ITEM_VALUE, "", ty( DMG_TYPE_U32, 0 ), DMG_DEPOSIT_MODULE );
  iface_fault( p, 40, "Plain", "" );
  iface_event( p, 1, "Big", "aK", 1 );
  iface_event( p, 2, "Small", "w", 0 );
  iface_call( p, 1, "run", "L", 'L', ROLES_USER|ROLES_MODULE );
  iface_call( p, 2, "self_only", "", 0, ROLES_MODULE );
  iface_call( p, 3, "owner_only", "", 0, 0x01 );
  iface_call( p, 4, "huge", "", 'X', ROLES_USER );
  iface_query( p, 1, "look", "", 'L' );
  static dmg_span_t balances_calls[ 2 ] = { DMG_SPAN_STR( "transfer" ), DMG_SPAN_STR( "lock" ) };
  iface_use( p, "balances", "transfer", "get" );
  p->uses[ 0 ].calls    = balances_calls;
  p->uses[ 0 ].call_cnt = 2;
  iface_use( p, "peer", "run", "seek" );

  iface_t * r = ifaces[ 3 ] = iface_new( M_PEER, "peer" );
  iface_item( r, 1, "vals", DMG_ITEM_MAP, "w", ty( DMG_TYPE_BYTES, 6000 ), DMG_DEPOSIT_PAYER );
  iface_fault( r, 33, "Refused", "w" );
  iface_event( r, 1, "Seen", "w", 0 );
  iface_call( r, 1, "run", "L", 'L', ROLES_USER|ROLES_MODULE );
  iface_call( r, 2, "unused", "", 0, ROLES_USER );
  iface_query( r, 1, "seek", "", 'L' );
  iface_use( r, "probe", NULL, "look" );
}

static int
group_setup( void ** state ) {
  test_arena = dmg_arena_new( 64u<<20 );
  fake_entries[ ENTRY_SYSTEM ]   = system_entry;
  fake_entries[ ENTRY_BALANCES ] = balances_entry;
  fake_entries[ ENTRY_PROBE ]    = probe_entry;
  fake_entries[ ENTRY_PEER ]     = peer_entry;
  ifaces_make();
  alice = person( 1 ); bob = person( 2 ); carol = person( 3 ); dave = person( 4 );
  person_fix( &alice ); person_fix( &bob ); person_fix( &carol ); person_fix( &dave );
  dmg_hash_t pool = dmg_module_address( 2, 1 );
  uint8_t * c = dmg_arena_alloc( test_arena, 2+4*40 );
  dmg_bcs_wr_t wr = dmg_bcs_wr( c, 2+4*40 );
  dmg_bcs_wr_uleb( &wr, 160 );       /* two bytes of length */
  dmg_hash_t who[ 4 ] = { alice.address, bob.address, pool, dmg_module_address( M_PROBE, 0 ) };
  uint64_t   sum[ 4 ] = { ALICE_FREE, ALICE_FREE, DMG_SUPPLY_SPARKS-3*ALICE_FREE, ALICE_FREE };
  for( unsigned i=0; i<4; i++ ) {
    dmg_bcs_wr_fixed( &wr, who[ i ].b, 32 );
    dmg_bcs_wr_u64( &wr, sum[ i ] );
  }
  assert_false( wr.is_full );
  for( unsigned i=0; i<4; i++ ) mods[ i ] = (module_t){ .id = ifaces[ i ]->abi.module, .file = iface_file( ifaces[ i ], (uint8_t)i ) };
  mods[ 1 ].config = dmg_bcs_wr_span( &wr );
  return 0;
}
static int group_teardown( void ** state ) { dmg_arena_free( test_arena ); return 0; }

static int
setup( void ** state ) {
  static chain_t c;
  dmg_vm_t *     vm;
  probe_fn = peer_fn = query_fn = NULL;
  assert_int_equal( dmg_vm_open( NULL, &vm ), DMG_OK );
  chain_open_with( &c, vm, NULL, mods, 4, NULL, 0 );
  *state = &c;
  return 0;
}
static int
teardown( void ** state ) {
  chain_t * c  = *state;
  dmg_vm_t * vm = c->vm;
  chain_close( c );
  dmg_vm_close( vm );
  return 0;
}

/* ---- Makers ---- */

static dmg_tx_call_t
call_transfer( chain_t * c, dmg_hash_t const * to, uint64_t amount ) {
  uint8_t * a = dmg_arena_alloc( c->txs, 40 );
  memcpy( a, to->b, 32 );
  dmg_store_u64le( a+32, amount );
  return (dmg_tx_call_t){ .module = 2, .call = 1, .args = dmg_span( a, 40 ) };
}
static dmg_tx_t *
tx_transfer( chain_t * c, person_t const * from, dmg_hash_t const * to, uint64_t amount, tx_opts_t o ) {
  dmg_tx_call_t call = call_transfer( c, to, amount );
  return tx_make( c, from, &call, 1, &o );
}
static uint8_t const no_args[ 1 ] = { 0 };   /* bytes<8192>: empty */
static dmg_tx_call_t call_run( void ) { return (dmg_tx_call_t){ .module = M_PROBE, .call = 1, .args = DMG_SPAN( no_args ) }; }
static dmg_tx_t *
tx_run( chain_t * c, person_t const * from, uint64_t (*fn)( fake_t * ), tx_opts_t o ) {
  dmg_tx_call_t call = call_run();
  probe_fn = fn;
  if( !o.gas ) o.gas = 40000000;
  if( !o.fee_max ) o.fee_max = 10*DMG_SPARKS_PER_CGT;
  return tx_make( c, from, &call, 1, &o );
}
/* A first transaction for alice, so that the later ones of a test have no entries of the prologue. */
static uint64_t
alice_arrives( chain_t * c ) {
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ 0 } ) )->status, DMG_STATUS_OK );
  return 1;   /* next nonce */
}
static uint64_t ret_empty( fake_t * f ) { f->mem[ FAKE_OUT ] = 0; return fake_done( 1 ); }   /* bytes<8192>, empty */
static uint64_t price( void ) { return 1700000; }

/* ---- Tests: the plain way ---- */

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

static dmg_receipt_t *
expect_fail( chain_t * c, dmg_tx_t * t, dmg_status_t status, uint32_t code ) {
  uint64_t        before = chain_free( c, &t->sender );
  dmg_receipt_t * r      = chain_tx( c, t );
  if( r->status!=status || r->code!=code ) fail_msg( "%s code %u, wanted %s code %u", dmg_status_name( r->status ), r->code, dmg_status_name( status ), code );
  assert_true( r->fee>0 );
  assert_int_equal( chain_free( c, &t->sender ), before-r->fee-r->tip-r->held );
  assert_true( r->event_cnt>=1 );                               /* TxFailed last (R4.14) */
  assert_int_equal( r->events[ r->event_cnt-1 ].event, 260 );
  assert_int_equal( r->events[ r->event_cnt-1 ].data.p[ 0 ], status );
  return r;
}

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

static uint64_t g_own( fake_t * f ) { HOST( f, PUT, 4, 0, 0, fake_put( f, FAKE_SCRATCH, "\1\7\0\0\0", 5 ), 5 ); return ret_empty( f ); }
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

/* ---- Nested calls ---- */

static uint64_t peer_writes_and_faults( fake_t * f ) {
  uint32_t k = fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 );
  HOST( f, PUT, 1, k, 4, fake_put( f, FAKE_SCRATCH+8, "\1\0", 2 ), 2 );
  HOST( f, EMIT, 1, k, 4 );
  HOST( f, FAULT, fake_put( f, FAKE_SCRATCH+16, "\x2a\0\0\0", 4 ), 4 );
  return fake_fault( 33 );
}
static uint64_t g_calls_faulting_peer( fake_t * f ) {
  HOST( f, EMIT, 2, fake_put( f, FAKE_SCRATCH, "\1\0\0\0", 4 ), 4 );
  int32_t r = HOST( f, CALL, M_PEER, 1, 0, 0, fake_put( f, FAKE_SCRATCH, "", 1 ), 1, FAKE_SCRATCH+64, 100 );
  if( r!=-256-33 ) fake_trap( f );
  if( HOST( f, CALLEE_FAULT, FAKE_SCRATCH, 16 )!=4 || f->mem[ FAKE_SCRATCH ]!=0x2a ) fake_trap( f );
  HOST( f, PUT, 4, 0, 0, fake_put( f, FAKE_SCRATCH, "\1\7\0\0\0", 5 ), 5 );
  return ret_empty( f );
}
static void
test_callees_fault_rolls_back_and_the_caller_goes_on( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  uint8_t   key[ 8 ] = { 2, 2, 0, 1, 0, 0, 0, 1 }, own[ 4 ] = { 2, 1, 0, 4 };
  peer_fn = peer_writes_and_faults;
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_calls_faulting_peer, (tx_opts_t){ .nonce = n } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->event_cnt, 1 );                          /* the callee's is gone */
  assert_int_equal( r->events[ 0 ].module, M_PROBE );
  assert_null( chain_get( c, key, 8 ).p );
  assert_non_null( chain_get( c, own, 4 ).p );
}

static uint64_t peer_traps( fake_t * f ) { fake_trap( f ); }
static uint64_t peer_burns( fake_t * f ) { fake_burn( f, 1000000000 ); return ret_empty( f ); }
static uint64_t g_calls_peer( fake_t * f ) {
  int32_t r = HOST( f, CALL, M_PEER, 1, 0, 0, fake_put( f, FAKE_SCRATCH, "", 1 ), 1, FAKE_SCRATCH+64, 100 );
  if( r<0 ) fake_trap( f );
  return ret_empty( f );
}
static void
test_callees_trap_ends_the_transaction( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  peer_fn = peer_traps;
  dmg_receipt_t * r = expect_fail( c, tx_run( c, &alice, g_calls_peer, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_TRAP, 0 );
  assert_int_equal( r->module, M_PEER );                        /* the innermost */
  peer_fn = peer_burns;
  r = expect_fail( c, tx_run( c, &alice, g_calls_peer, (tx_opts_t){ .nonce = n++, .gas = 200000 } ), DMG_STATUS_NO_GAS, 0 );
  assert_int_equal( r->gas_used, 200000 );
}

/* AS_SELF pays out of the module's own account, AS_ACTOR out of the actor's. */
static uint32_t pay_flags;
static uint64_t pay_seed;
static uint64_t g_pays( fake_t * f ) {
  uint8_t a[ 40 ];
  memcpy( a, carol.address.b, 32 );
  dmg_store_u64le( a+32, 5 );
  int32_t r = HOST( f, CALL, 2, 1, pay_flags, pay_seed, fake_put( f, FAKE_SCRATCH, a, 40 ), 40, 0, 0 );
  return r==0 ? ret_empty( f ) : r==-256-7 ? fake_fault( 40 ) : ( fake_trap( f ), 0 );
}
static void
test_call_as_self_and_as_actor( void ** state ) {
  chain_t *  c = *state;
  uint64_t   n = alice_arrives( c );
  dmg_hash_t self = dmg_module_address( M_PROBE, 0 );
  pay_flags = 1; pay_seed = 0;
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_pays, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
  assert_int_equal( chain_free( c, &self ), ALICE_FREE-5 );     /* consent: a frame of the module */
  pay_flags = 0;
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_pays, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
  assert_int_equal( chain_free( c, &carol.address ), 10 );
  pay_flags = 1; pay_seed = 9;                                  /* an empty pool */
  expect_fail( c, tx_run( c, &alice, g_pays, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_FAULT, 40 );
}

static uint64_t g_locks_as_self( fake_t * f ) {
  int32_t r = HOST( f, CALL, 2, 3, 1, 0, fake_put( f, FAKE_SCRATCH, "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0", 16 ), 16, 0, 0 );
  return r==DMG_DM_ROLE ? ret_empty( f ) : ( fake_trap( f ), 0 );
}
static uint64_t g_calls_absent( fake_t * f ) {
  int32_t r = HOST( f, CALL, 0x7777, 1, 0, 0, FAKE_SCRATCH, 0, 0, 0 );
  return r==DMG_DM_NO_MODULE ? ret_empty( f ) : ( fake_trap( f ), 0 );
}
static void
test_call_needs_the_role_and_the_module( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_locks_as_self, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_calls_absent, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
}

/* The module's own account ends at the balance it had, but its record is another. */
static uint64_t g_pays_and_deletes_own( fake_t * f ) {
  uint8_t a[ 40 ];
  memcpy( a, bob.address.b, 32 );
  HOST( f, CTR_GET, 2, fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 ), 4, FAKE_SCRATCH+8 );
  dmg_store_u64le( a+32, pay_seed );
  if( HOST( f, CALL, 2, 1, 1, 0, fake_put( f, FAKE_SCRATCH, a, 40 ), 40, 0, 0 ) ) fake_trap( f );
  if( pay_flags ) HOST( f, DEL, 4, 0, 0 );
  return ret_empty( f );
}
static void
test_record_changes_even_if_the_balance_comes_back( void ** state ) {
  chain_t *  c = *state;
  uint64_t   n = alice_arrives( c );
  dmg_hash_t self = dmg_module_address( M_PROBE, 0 );
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_own, (tx_opts_t){ .nonce = n++ } ) )->held, 490000 );
  pay_flags = 0;
  pay_seed  = chain_free( c, &self );
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_pays_and_deletes_own, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
  assert_int_equal( chain_free( c, &self ), 0 );
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &self, 490000, (tx_opts_t){ .nonce = n++ } ) )->held, 850000 );
  pay_flags = 1;
  pay_seed  = 490000;
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_pays_and_deletes_own, (tx_opts_t){ .nonce = n++ } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->returned, 850000+490000 );
  assert_int_equal( chain_free( c, &self ), 490000 );
  uint8_t           key[ DMG_KEY_MAX ];
  dmg_deposit_rec_t rec;
  uint64_t          v;
  assert_int_equal( dmg_counter_parse( chain_get( c, key, dmg_key_free( &self, key ) ), true, &rec, &v ), DMG_OK );
  assert_int_equal( rec.amount, 0 );
}

static uint64_t q_writes( fake_t * f ) { HOST( f, PUT, 4, 0, 0, fake_put( f, FAKE_SCRATCH, "\1\7\0\0\0", 5 ), 5 ); return ret_empty( f ); }
static uint64_t q_reads( fake_t * f ) {
  int32_t n = HOST( f, GET, 4, 0, 0, FAKE_OUT+1, 16 );
  f->mem[ FAKE_OUT ] = n<0 ? 0 : (uint8_t)n;
  return fake_done( 1u+f->mem[ FAKE_OUT ] );
}
static uint64_t peer_queries_probe( fake_t * f ) {
  int32_t n = HOST( f, QUERY, M_PROBE, 1, 0, 0, 0, 0, FAKE_OUT, 100 );
  if( n<0 ) fake_trap( f );
  return fake_done( (uint32_t)n );
}
static uint64_t g_writes_then_peer_queries( fake_t * f ) {
  HOST( f, PUT, 4, 0, 0, fake_put( f, FAKE_SCRATCH, "\1\7\0\0\0", 5 ), 5 );
  int32_t n = HOST( f, CALL, M_PEER, 1, 0, 0, fake_put( f, FAKE_SCRATCH, "", 1 ), 1, FAKE_OUT, 100 );
  if( n!=6 ) fake_trap( f );
  return fake_done( 6 );
}
static void
test_query_enters_a_module_on_the_stack_and_sees_its_writes( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  query_fn = q_reads;
  peer_fn  = peer_queries_probe;
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_writes_then_peer_queries, (tx_opts_t){ .nonce = n++ } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_memory_equal( r->results[ 0 ].p, "\5\1\7\0\0\0", 6 );
  query_fn = q_writes;
  expect_fail( c, tx_run( c, &alice, g_writes_then_peer_queries, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_HOST, DMG_HOST_READ_ONLY );
}

static int32_t reentry;
static uint64_t q_asks_peer( fake_t * f ) {
  int32_t n = HOST( f, QUERY, M_PEER, 1, 0, 0, 0, 0, FAKE_OUT, 100 );
  if( n<0 ) fake_trap( f );
  return fake_done( (uint32_t)n );
}
static uint64_t q_asks_probe( fake_t * f ) {
  reentry = HOST( f, QUERY, M_PROBE, 1, 0, 0, 0, 0, FAKE_OUT, 100 );
  return ret_empty( f );
}
static void
test_query_of_a_busy_module_is_reentrant( void ** state ) {
  chain_t *       c = *state;
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_answer_t    a;
  query_fn      = q_asks_peer;
  peer_query_fn = q_asks_probe;
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, M_PROBE, 1, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_OK );
  assert_int_equal( reentry, DMG_DM_REENTRANT );
  dmg_view_close( view );
}

/* Nine modules in a row, each asking the next: the ninth is one too deep. */
enum { ENTRY_LINK = 7, M_LINK = 0x0300, LINKS = 9 };
static int32_t  deepest;
static uint32_t deepest_id;
static uint64_t
link_entry( fake_t * f, uint32_t kind, uint32_t id, uint32_t in_sz ) {
  fake_burn( f, 10 );
  dmg_frame_t const * frame = f->frame;
  uint32_t            own   = frame->spec.mod->id;
  if( own==M_LINK+LINKS-1 ) return ret_empty( f );
  int32_t n = HOST( f, QUERY, own+1, 1, 0, 0, 0, 0, FAKE_OUT, 100 );
  if( n<0 && !deepest ) { deepest = n; deepest_id = own; }
  return ret_empty( f );
}
static void
test_nesting_stops_at_eight( void ** state ) {
  chain_t *  c = *state;
  module_t   many[ 4+LINKS ];
  dmg_vm_t * engine = c->vm;
  chain_close( c );
  fake_entries[ ENTRY_LINK ] = link_entry;
  memcpy( many, mods, sizeof( mods ) );
  for( unsigned i=0; i<LINKS; i++ ) {
    char * name = dmg_arena_alloc( test_arena, 8 ), * next = dmg_arena_alloc( test_arena, 8 );
    snprintf( name, 8, "link%u", i );
    snprintf( next, 8, "link%u", i+1 );
    iface_t * l = iface_new( (uint16_t)( M_LINK+i ), name );
    iface_query( l, 1, "next", "", 'L' );
    if( i+1<LINKS ) iface_use( l, next, NULL, "next" );
    many[ 4+i ] = (module_t){ .id = (uint16_t)( M_LINK+i ), .file = iface_file( l, ENTRY_LINK ) };
  }
  chain_open_with( c, engine, NULL, many, 4+LINKS, NULL, 0 );
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_answer_t    a;
  deepest = 0;
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, M_LINK, 1, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_OK );
  assert_int_equal( deepest, DMG_DM_DEPTH );
  assert_int_equal( deepest_id, M_LINK+7 );                     /* the eighth frame asked */
  deepest = 0;
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, M_LINK+1, 1, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( deepest, 0 );
  dmg_view_close( view );
}

static uint64_t g_small_buffer( fake_t * f ) {
  int32_t r = HOST( f, CALL, M_PEER, 1, 0, 0, fake_put( f, FAKE_SCRATCH, "", 1 ), 1, FAKE_SCRATCH+64, 1 );
  if( r!=DMG_DM_SMALL_BUFFER ) fake_trap( f );
  return ret_empty( f );
}
static uint64_t peer_big( fake_t * f ) {
  uint32_t k = fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 );
  HOST( f, PUT, 1, k, 4, fake_put( f, FAKE_SCRATCH+8, "\1\0", 2 ), 2 );
  memcpy( f->mem+FAKE_OUT, "\1\7", 2 );
  return fake_done( 2 );
}
static void
test_result_larger_than_the_buffer_did_not_happen( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  uint8_t   key[ 8 ] = { 2, 2, 0, 1, 0, 0, 0, 1 };
  peer_fn = peer_big;
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_small_buffer, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
  assert_null( chain_get( c, key, 8 ).p );
}

/* ---- Limits (R1.10) ---- */

static int32_t  first_refusal;
static uint32_t times;
static uint64_t g_many_reads( fake_t * f ) {
  uint32_t k = fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 );
  times = 0;
  while( ( first_refusal = HOST( f, CTR_GET, 2, k, 4, FAKE_SCRATCH+8 ) )>=0 ) times++;
  return ret_empty( f );
}
static uint64_t g_many_writes( fake_t * f ) {
  uint32_t k = fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 );
  times = 0;
  while( ( first_refusal = HOST( f, CTR_ADD, 2, k, 4, 1, 100000 ) )>=0 ) times++;
  return ret_empty( f );
}
static uint64_t g_many_bytes( fake_t * f ) {
  uint8_t v[ 6003 ] = { 1, 0xf0, 0x2e };                        /* ULEB128 of 6,000 */
  uint32_t k = fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 ), p = fake_put( f, FAKE_SCRATCH+8, v, 6003 );
  times = 0;
  while( ( first_refusal = HOST( f, PUT, 1, k, 4, p, 6003 ) )>=0 ) times++;
  return ret_empty( f );
}
static uint64_t g_many_events( fake_t * f ) {
  times = 0;
  while( ( first_refusal = HOST( f, EMIT, 2, FAKE_SCRATCH, 4 ) )>=0 ) times++;
  return ret_empty( f );
}
static uint64_t g_big_events( fake_t * f ) {
  uint8_t v[ 8002 ];
  memcpy( v, alice.address.b, 32 );
  dmg_bcs_wr_t wr = dmg_bcs_wr( v+32, 7970 );
  static uint8_t const zeros[ 7968 ];
  dmg_bcs_wr_bytes( &wr, dmg_span( zeros, 7968 ) );
  fake_put( f, FAKE_SCRATCH, v, 8002 );
  times = 0;
  while( ( first_refusal = HOST( f, EMIT, 1, FAKE_SCRATCH, 8002 ) )>=0 ) times++;
  return ret_empty( f );
}
static void
test_limits_of_a_transaction( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  struct { uint64_t (*fn)( fake_t * ); uint32_t times; uint32_t events; } const cases[] = {
    { g_many_reads,  2048, 0 },
    { g_many_writes, 1024, 0 },
    { g_many_bytes,  262144/( 6003+8 ), 0 },
    { g_many_events, 256, 256 },
    { g_big_events,  65536/8002, 8 } };
  for( unsigned i=0; i<5; i++ ) {
    dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, cases[ i ].fn, (tx_opts_t){ .nonce = n++ } ) );
    if( r->status!=DMG_STATUS_OK ) fail_msg( "case %u: %s %u", i, dmg_status_name( r->status ), r->code );
    assert_int_equal( first_refusal, DMG_DM_LIMIT );
    assert_int_equal( times, cases[ i ].times );
    assert_int_equal( r->event_cnt, cases[ i ].events );
  }
}
static void
test_events_leave_room_for_account_created( void ** state ) {
  chain_t * c = *state;
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_many_events, (tx_opts_t){ 0 } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( times, 255 );
  assert_int_equal( r->event_cnt, 256 );
}

/* ---- Scan ---- */

static uint32_t list_op;      /* 0 fill evens, 1 delete 4, add 3, scan */
static uint64_t g_list( fake_t * f ) {
  uint8_t key[ 4 ] = { 0, 1, 0, 0 }, v[ 5 ] = { 1 };
  if( !list_op ) {
    for( uint8_t i=0; i<10; i += 2 ) {
      key[ 3 ] = i; v[ 1 ] = i;
      if( HOST( f, PUT, 3, fake_put( f, FAKE_SCRATCH, key, 4 ), 4, fake_put( f, FAKE_SCRATCH+8, v, 5 ), 5 ) ) fake_trap( f );
    }
    key[ 1 ] = 2;                                               /* under another prefix */
    HOST( f, PUT, 3, fake_put( f, FAKE_SCRATCH, key, 4 ), 4, fake_put( f, FAKE_SCRATCH+8, v, 5 ), 5 );
    return ret_empty( f );
  }
  key[ 3 ] = 4;
  if( HOST( f, DEL, 3, fake_put( f, FAKE_SCRATCH, key, 4 ), 4 ) ) fake_trap( f );
  if( HOST( f, DEL, 3, FAKE_SCRATCH, 4 )!=DMG_DM_ABSENT ) fake_trap( f );
  key[ 3 ] = 3; v[ 1 ] = 33;
  HOST( f, PUT, 3, fake_put( f, FAKE_SCRATCH, key, 4 ), 4, fake_put( f, FAKE_SCRATCH+8, v, 5 ), 5 );
  key[ 3 ] = 6; v[ 1 ] = 66;
  HOST( f, PUT, 3, fake_put( f, FAKE_SCRATCH, key, 4 ), 4, fake_put( f, FAKE_SCRATCH+8, v, 5 ), 5 );
  key[ 3 ] = 0;
  uint32_t p = fake_put( f, FAKE_SCRATCH, key, 4 );
  int32_t  n = HOST( f, SCAN, 3, p, 2, p, 4, FAKE_OUT+1, 1000, 64 );     /* prefix (1), after (1,0) */
  if( n<0 ) fake_trap( f );
  f->mem[ FAKE_OUT ] = (uint8_t)n;
  /* in two steps, by max and by room: the same */
  uint8_t all[ 200 ], two[ 200 ];
  memcpy( all, f->mem+FAKE_OUT+1, (size_t)n );
  uint32_t at = 0;
  for(;;) {
    int32_t m = HOST( f, SCAN, 3, p, 2, p, 4, FAKE_SCRATCH+64, at ? 12 : 1000, 1 );
    if( m<=0 ) break;
    memcpy( two+at, f->mem+FAKE_SCRATCH+64, (size_t)m );
    memcpy( f->mem+p, two+at+1, 4 );
    at += (uint32_t)m;
  }
  if( at!=(uint32_t)n || memcmp( all, two, at ) ) fake_trap( f );
  fake_put( f, p, key, 4 );
  if( HOST( f, SCAN, 3, p, 2, p, 4, FAKE_SCRATCH+64, 11, 9 )!=DMG_DM_SMALL_BUFFER ) fake_trap( f );
  return fake_done( 1+(uint32_t)n );
}
static void
test_scan_merges_own_writes_block_and_state( void ** state ) {
  static uint8_t const want[] = { 4, 0, 1, 0, 2, 5, 0, 1, 2, 0, 0, 0, 4, 0, 1, 0, 3, 5, 0, 1, 33, 0, 0, 0, 4, 0, 1, 0, 6, 5, 0, 1, 66, 0, 0, 0, 4, 0, 1, 0, 8, 5, 0, 1, 8, 0, 0, 0 };
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  list_op = 0;
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_list, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
  list_op = 1;
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_list, (tx_opts_t){ .nonce = n++ } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->results[ 0 ].sz, 1+sizeof( want ) );
  assert_memory_equal( r->results[ 0 ].p+1, want, sizeof( want ) );
}

/* ---- Blocks ---- */

static void
expect_invalid( chain_t * c, dmg_tx_t * const * txs, size_t cnt ) {
  uint64_t h = c->height;
  dmg_exec_out_t out = chain_block( c, txs, cnt, 0 );
  assert_true( out.is_invalid );
  assert_true( out.why.text[ 0 ]!=0 );
  assert_null( out.writes );
  assert_int_equal( c->height, h );
}
static void edit_chain( dmg_tx_t * t ) { t->chain.b[ 0 ] ^= 1; }

static void
test_block_rules_make_it_invalid( void ** state ) {
  chain_t *  c = *state;
  dmg_tx_t * txs[ 500 ];
  txs[ 0 ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .edit = edit_chain } );
  expect_invalid( c, txs, 1 );
  chain_block( c, NULL, 0, 0 );
  chain_block( c, NULL, 0, 0 );
  txs[ 0 ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .expiry = c->height } );
  expect_invalid( c, txs, 1 );
  txs[ 0 ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .expiry = c->height+1 } );
  assert_int_equal( chain_tx( c, txs[ 0 ] )->status, DMG_STATUS_OK );
  txs[ 0 ] = txs[ 1 ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 1 } );
  expect_invalid( c, txs, 2 );
  /* 160M of limits is allowed, one more is not */
  for( unsigned i=0; i<4; i++ ) txs[ i ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 1+i, .gas = 40000000, .fee_max = UINT64_MAX } );
  txs[ 4 ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 5, .gas = 1, .fee_max = UINT64_MAX } );
  expect_invalid( c, txs, 5 );
  assert_false( chain_block( c, txs, 4, 0 ).is_invalid );
}

static void
test_build_leaves_out_and_equals_execution( void ** state ) {
  chain_t *  c = *state;
  dmg_tx_t * txs[ 8 ] = {
    tx_transfer( c, &alice, &carol.address, 9, (tx_opts_t){ 0 } ),
    tx_transfer( c, &alice, &carol.address, 9, (tx_opts_t){ .nonce = 5 } ),       /* VOID */
    tx_transfer( c, &alice, &carol.address, 2*ALICE_FREE, (tx_opts_t){ .nonce = 1 } ),   /* fails, pays, stays */
    tx_transfer( c, &bob, &carol.address, 9, (tx_opts_t){ .edit = edit_chain } ),
    tx_transfer( c, &bob, &carol.address, 9, (tx_opts_t){ .gas = 1000000000 } ),   /* does not fit */
    tx_transfer( c, &bob, &dave.address, 9, (tx_opts_t){ 0 } ) };
  txs[ 6 ] = txs[ 0 ];                                                            /* twice */
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_exec_out_t  a, b;
  assert_int_equal( dmg_runtime_exec_block( c->rt, view, &ctx, txs, 7, DMG_EXEC_BUILD, c->arena, &a ), DMG_OK );
  assert_false( a.is_invalid );
  assert_int_equal( a.tx_cnt, 3 );
  assert_int_equal( a.txs[ 1 ].index, 2 );
  assert_int_equal( a.txs[ 2 ].index, 5 );
  dmg_tx_t * in[ 3 ] = { txs[ 0 ], txs[ 2 ], txs[ 5 ] };
  assert_int_equal( dmg_runtime_exec_block( c->rt, view, &ctx, in, 3, 0, c->arena, &b ), DMG_OK );
  assert_int_equal( a.write_cnt, b.write_cnt );
  for( size_t i=0; i<a.write_cnt; i++ ) {
    assert_true( dmg_span_eq( a.writes[ i ].key, b.writes[ i ].key ) );
    assert_true( dmg_span_eq( a.writes[ i ].value, b.writes[ i ].value ) );
    if( i ) assert_true( dmg_span_cmp( a.writes[ i-1 ].key, a.writes[ i ].key )<0 );
  }
  assert_true( dmg_hash_eq( &a.receipts_root, &b.receipts_root ) );
  dmg_view_close( view );
}

static void
test_block_end_writes_values_receipts_and_beacon( void ** state ) {
  chain_t *  c = *state;
  uint8_t    key[ DMG_KEY_MAX ], schema;
  dmg_span_t bcs;
  dmg_tx_t * txs[ 2 ] = { tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ 0 } ), tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 1 } ) };
  dmg_exec_out_t out = chain_block( c, txs, 2, 0 );
  dmg_item_block_t block;
  assert_int_equal( dmg_value_parse( chain_get( c, key, dmg_key_block( key ) ), false, &schema, NULL, &bcs ), DMG_OK );
  assert_int_equal( dmg_item_block_get( bcs, &block ), DMG_OK );
  assert_int_equal( block.height, 1 );
  assert_int_equal( block.tx_cnt, 2 );
  assert_int_equal( block.price, 1700000 );                     /* the floor holds it */
  dmg_span_t leaves[ 3 ] = { out.txs[ 0 ].receipt, out.txs[ 1 ].receipt, out.system_receipt };
  dmg_hash_t root = dmg_receipts_root( leaves, 3 );
  assert_true( dmg_hash_eq( &root, &out.receipts_root ) );
  assert_true( dmg_hash_eq( &root, &block.receipts_root ) );
  dmg_receipt_t * sys;
  assert_int_equal( dmg_receipt_decode( out.system_receipt, c->arena, &sys ).kind, DMG_VERDICT_GOOD );
  assert_true( dmg_hash_is_zero( &sys->id ) );
  assert_int_equal( sys->event_cnt, 1 );
  assert_int_equal( dmg_load_u64le( sys->events[ 0 ].data.p ), out.fee_burned );
  /* M1.5: b(0) of the genesis; height 1 has a reveal here */
  dmg_hash_t b0 = dmg_h( DMG_TAG_RAND_BEACON, dmg_hash_span( &c->id ) ), is;
  uint8_t    reveal[ 48 ];
  memset( reveal, 1, 48 );
  dmg_hash_t b1 = dmg_h2( DMG_TAG_RAND_BEACON, dmg_hash_span( &b0 ), DMG_SPAN( reveal ) );
  assert_int_equal( dmg_value_parse( chain_get( c, key, dmg_key_beacon( 1, key ) ), false, &schema, NULL, &bcs ), DMG_OK );
  assert_int_equal( dmg_item_hash_get( bcs, &is ), DMG_OK );
  assert_true( dmg_hash_eq( &is, &b1 ) );
  out = chain_block( c, NULL, 0, 0 );
  assert_true( dmg_hash_eq( &out.beacon, &b1 ) );
  assert_null( out.system_receipt.p );
  assert_true( dmg_hash_is_zero( &out.receipts_root ) );
  /* item 15 holds both blocks' roots */
  dmg_mmr_t mmr, mine;
  assert_int_equal( dmg_value_parse( chain_get( c, key, dmg_key_receipts( key ) ), false, &schema, NULL, &bcs ), DMG_OK );
  assert_int_equal( dmg_item_mmr_get( bcs, &mmr ), DMG_OK );
  dmg_mmr_init( &mine );
  dmg_hash_t l1 = dmg_receipts_log_leaf( 1, &root ), l2 = dmg_receipts_log_leaf( 2, &out.receipts_root );
  dmg_mmr_append( &mine, &l1 );
  dmg_mmr_append( &mine, &l2 );
  dmg_hash_t ra = dmg_mmr_root( &mmr ), rb = dmg_mmr_root( &mine );
  assert_true( dmg_hash_eq( &ra, &rb ) );
}

static void
test_topics_take_known_accounts_once( void ** state ) {
  chain_t *  c = *state;
  uint8_t    key[ DMG_KEY_MAX ], schema;
  dmg_span_t bcs;
  dmg_mmr_t  mmr;
  dmg_receipt_t * r = chain_tx( c, tx_transfer( c, &alice, &alice.address, 0, (tx_opts_t){ 0 } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( dmg_value_parse( chain_get( c, key, dmg_key_topic( 2, &alice.address, key ) ), false, &schema, NULL, &bcs ), DMG_OK );
  assert_int_equal( dmg_item_mmr_get( bcs, &mmr ), DMG_OK );
  assert_int_equal( mmr.count, 2 );                             /* AccountCreated, Transferred once */
  dmg_mmr_t  mine = { 0 };
  dmg_hash_t l0 = dmg_event_leaf( 1, 0, 0, &r->events[ 0 ] ), l1 = dmg_event_leaf( 1, 0, 1, &r->events[ 1 ] );
  dmg_mmr_append( &mine, &l0 );
  dmg_mmr_append( &mine, &l1 );
  dmg_hash_t ra = dmg_mmr_root( &mmr ), rb = dmg_mmr_root( &mine );
  assert_true( dmg_hash_eq( &ra, &rb ) );
  dmg_hash_t mod = dmg_topic_module_id( 2 );
  assert_non_null( chain_get( c, key, dmg_key_topic( 1, &mod, key ) ).p );
  /* 0 sparks to a stranger make no entry of his, so no topic either */
  r = chain_tx( c, tx_transfer( c, &alice, &dave.address, 0, (tx_opts_t){ .nonce = 1 } ) );
  assert_int_equal( r->event_cnt, 1 );
  assert_null( chain_get( c, key, dmg_key_topic( 2, &dave.address, key ) ).p );
}

static void
test_new_topics_can_exhaust_the_limit( void ** state ) {
  chain_t * c = *state;
  uint64_t used = 8000+2000+2*3060+660+2*72+3*8000;
  dmg_receipt_t * r = expect_fail( c, tx_transfer( c, &alice, &carol.address, 5, (tx_opts_t){ .gas = used-1 } ), DMG_STATUS_NO_GAS, 0 );
  assert_int_equal( r->gas_used, used-1 );
  assert_int_equal( chain_free( c, &carol.address ), 0 );
  r = chain_tx( c, tx_transfer( c, &alice, &carol.address, 5, (tx_opts_t){ .nonce = 1, .gas = used } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  /* the first block made alice's topic (AccountCreated, TxFailed) and Balances' (FeeTaken) */
  assert_int_equal( r->gas_used, used-2*4000 );
}

static void
test_price_follows_use_and_keeps_the_floor( void ** state ) {
  chain_t *  c = *state;
  dmg_tx_t * txs[ 4 ];
  dmg_exec_out_t out;
  for( unsigned i=0; i<4; i++ ) txs[ i ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = i, .gas = 40000000, .fee_max = UINT64_MAX } );
  out = chain_block( c, txs, 4, 0 );                            /* billed 4 x 30M: over 2 T, so u = 2 T and p rises by 1/256 */
  assert_int_equal( out.price_next, 1700000+1700000/256 );
  uint64_t p = out.price_next;
  txs[ 0 ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 4 } );
  out = chain_block( c, txs, 1, 0 );
  dmg_i128_t d = (dmg_i128_t)p*( 300000-25200000 )/( (dmg_i128_t)256*25200000 );
  assert_int_equal( out.price_next, dmg_max_u64( 1700000, (uint64_t)( (dmg_i128_t)p+d ) ) );
  assert_int_equal( out.txs[ 0 ].fee, ( out.txs[ 0 ].gas_billed*p+999999 )/1000000 );
  for( unsigned i=0; i<3; i++ ) out = chain_block( c, NULL, 0, 0 );
  assert_int_equal( out.price_next, 1700000 );
}

/* ---- Read-only ---- */

static void
test_query_answers_or_says_why( void ** state ) {
  chain_t *       c = *state;
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_answer_t    a;
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, 2, 1, dmg_hash_span( &alice.address ), 100000, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_OK );
  assert_int_equal( a.value.sz, 8 );
  assert_int_equal( dmg_load_u64le( a.value.p ), ALICE_FREE );
  assert_int_equal( a.gas_used, 2000+4060 );
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, 2, 1, dmg_hash_span( &alice.address ), 6059, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_FAILED );
  assert_int_equal( a.fault, DMG_STATUS_NO_GAS );
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, 9, 1, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_NO_MODULE );
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, 2, 9, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_NO_QUERY );
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, 2, 1, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_ARGS );
  query_fn = q_writes;
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, M_PROBE, 1, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_FAILED );
  assert_int_equal( a.fault, DMG_STATUS_HOST );
  dmg_view_close( view );
}

static void
test_check_call_tells_admission( void ** state ) {
  chain_t *        c = *state;
  dmg_view_t *     view = chain_view( c );
  dmg_tx_call_t    call = call_transfer( c, &bob.address, 1 );
  dmg_hash_t       schema = test_schema( 2, 1 ), other = { { 3 } };
  dmg_call_check_t r;
  assert_int_equal( dmg_runtime_check_call( c->rt, view, 2, 1, &schema, call.args, &r ), DMG_OK );
  assert_int_equal( r.reason, DMG_VOID_NONE );
  assert_int_equal( r.gas_line, 1000 );
  assert_int_equal( r.auth, ROLES_USER|ROLES_MODULE );
  assert_int_equal( dmg_runtime_check_call( c->rt, view, 2, 1, &other, call.args, &r ), DMG_OK );
  assert_int_equal( r.reason, DMG_VOID_SCHEMA );
  assert_true( dmg_hash_eq( &r.want, &schema ) );
  assert_int_equal( dmg_runtime_check_call( c->rt, view, 2, 99, &other, call.args, &r ), DMG_OK );
  assert_int_equal( r.reason, DMG_VOID_SCHEMA );
  assert_true( dmg_hash_is_zero( &r.want ) );
  assert_int_equal( dmg_runtime_check_call( c->rt, view, 5, 1, &schema, call.args, &r ), DMG_OK );
  assert_int_equal( r.reason, DMG_VOID_MODULE );
  assert_int_equal( dmg_runtime_check_call( c->rt, view, 2, 1, &schema, DMG_SPAN_STR( "x" ), &r ), DMG_OK );
  assert_int_equal( r.reason, DMG_VOID_ARGS );
  assert_true( r.why.text[ 0 ]!=0 );
  uint16_t ids[ 4 ];
  uint32_t cnt;
  assert_int_equal( dmg_runtime_modules( c->rt, view, ids, 4, &cnt ), DMG_OK );
  assert_int_equal( cnt, 4 );
  assert_int_equal( ids[ 3 ], M_PEER );
  assert_int_equal( dmg_runtime_modules( c->rt, view, ids, 3, &cnt ), DMG_ERR_LIMIT );
  dmg_span_t abi;
  assert_int_equal( dmg_runtime_abi( c->rt, view, M_PROBE, c->arena, &abi ), DMG_OK );
  assert_true( dmg_span_eq( abi, dmg_span( mods[ 2 ].file.p+5, mods[ 2 ].file.sz-5 ) ) );
  assert_int_equal( dmg_runtime_abi( c->rt, view, 77, c->arena, &abi ), DMG_ERR_NOT_FOUND );
  dmg_view_close( view );
}

static void
test_preview_equals_execution( void ** state ) {
  chain_t *       c = *state;
  dmg_tx_t *      t = tx_transfer( c, &alice, &carol.address, 5000, (tx_opts_t){ .tip = 7 } );
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_preview_t   p, f;
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, t, NULL, c->txs, &p ), DMG_OK );
  /* without a fee, a nonce or keys: the same use */
  dmg_tx_t * loose = tx_transfer( c, &alice, &carol.address, 5000, (tx_opts_t){ .nonce = 99, .no_init = true, .fee_max = 1, .sign = { &dave } } );
  dmg_preview_opts_t opts = { .is_owner = true, .is_any_nonce = true, .is_free = true };
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, loose, &opts, c->txs, &f ), DMG_OK );
  assert_int_equal( f.tx.status, DMG_STATUS_OK );
  assert_int_equal( f.tx.gas_used, p.tx.gas_used );
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, loose, NULL, c->txs, &f ), DMG_OK );
  assert_int_equal( f.reason, DMG_VOID_ACCOUNT );
  assert_true( f.why.text[ 0 ]!=0 );
  dmg_view_close( view );
  assert_int_equal( p.gas_to_set, p.tx.gas_used+( p.tx.gas_used+4 )/5 );
  assert_int_equal( p.flow_cnt, 2 );
  uint64_t out = 0, in = 0;
  for( size_t i=0; i<2; i++ ) { out += p.flows[ i ].out; in += p.flows[ i ].in; }
  assert_int_equal( in, 5000 );
  dmg_exec_out_t o = chain_block( c, &t, 1, 0 );
  assert_true( dmg_span_eq( o.txs[ 0 ].receipt, p.tx.receipt ) );
  dmg_receipt_t * r;
  assert_int_equal( dmg_receipt_decode( p.tx.receipt, c->arena, &r ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( out, 5000+r->held );
  /* the outcome it names can be demanded */
  dmg_tx_post_t  post = { .kind = DMG_POST_OUTCOME };
  view = chain_view( c );
  ctx  = chain_ctx( c );
  tx_opts_t o2 = { .nonce = 1 };
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, tx_transfer( c, &alice, &carol.address, 3, o2 ), NULL, c->txs, &p ), DMG_OK );
  dmg_view_close( view );
  post.hash   = p.outcome;
  o2.posts    = &post;
  o2.post_cnt = 1;
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &carol.address, 3, o2 ) )->status, DMG_STATUS_OK );
  o2.nonce = 2;
  expect_fail( c, tx_transfer( c, &alice, &carol.address, 4, o2 ), DMG_STATUS_POSTCONDITION, 0 );
}

/* ---- Threads ---- */

typedef struct { chain_t * c; dmg_view_t * view; dmg_block_ctx_t ctx; dmg_tx_t * tx; unsigned good; } reader_t;
static void *
reader_main( void * arg ) {
  reader_t *    r     = arg;
  dmg_arena_t * arena = dmg_arena_new( 64u<<20 );
  for( unsigned i=0; i<40; i++ ) {
    dmg_answer_t  a;
    dmg_preview_t p;
    dmg_arena_reset( arena );
    if( dmg_runtime_query( r->c->rt, r->view, &r->ctx, 2, 1, dmg_hash_span( &bob.address ), 0, arena, &a ) || a.kind!=DMG_ANSWER_OK || dmg_load_u64le( a.value.p )!=ALICE_FREE ) continue;
    if( dmg_runtime_preview( r->c->rt, r->view, &r->ctx, r->tx, NULL, arena, &p ) || p.tx.status!=DMG_STATUS_OK ) continue;
    r->good++;
  }
  dmg_arena_free( arena );
  return NULL;
}
/* More readers than the runtime lets run at once, beside blocks that change what they read: each keeps its own view. */
static void
test_readers_run_beside_blocks( void ** state ) {
  chain_t * c = *state;
  reader_t  r[ 6 ];
  pthread_t threads[ 6 ];
  dmg_tx_t * tx = tx_transfer( c, &alice, &carol.address, 1, (tx_opts_t){ 0 } );
  for( unsigned i=0; i<6; i++ ) {
    r[ i ] = (reader_t){ .c = c, .view = chain_view( c ), .ctx = chain_ctx( c ), .tx = tx };
    assert_int_equal( pthread_create( &threads[ i ], NULL, reader_main, &r[ i ] ), 0 );
  }
  for( unsigned i=0; i<10; i++ ) assert_int_equal( chain_tx( c, tx_transfer( c, &bob, &alice.address, 5, (tx_opts_t){ .nonce = i } ) )->status, DMG_STATUS_OK );
  for( unsigned i=0; i<6; i++ ) {
    pthread_join( threads[ i ], NULL );
    assert_int_equal( r[ i ].good, 40 );
    dmg_view_close( r[ i ].view );
  }
}

/* ---- Environment ---- */

static uint8_t seen_env[ 256 ];
static uint64_t g_env( fake_t * f ) {
  memcpy( seen_env, fake_env( f ), 256 );
  if( HOST( f, AUTH, fake_put( f, FAKE_SCRATCH, alice.address.b, 32 ), DMG_ROLE_OWNER )!=1 ) fake_trap( f );
  if( HOST( f, AUTH, FAKE_SCRATCH, DMG_ROLE_USE )!=1 ) fake_trap( f );
  if( HOST( f, AUTH, FAKE_SCRATCH, DMG_ROLE_SESSION )!=0 ) fake_trap( f );
  if( HOST( f, AUTH, fake_put( f, FAKE_SCRATCH, bob.address.b, 32 ), DMG_ROLE_USE )!=0 ) fake_trap( f );
  if( HOST( f, SUB_ACCOUNT, 5, FAKE_SCRATCH )!=32 ) fake_trap( f );
  dmg_hash_t want = dmg_module_address( M_PROBE, 5 );
  if( memcmp( f->mem+FAKE_SCRATCH, want.b, 32 ) ) fake_trap( f );
  if( HOST( f, BEACON, 0, FAKE_SCRATCH )!=32 ) fake_trap( f );
  if( HOST( f, BEACON, dmg_load_u64le( seen_env ), FAKE_SCRATCH )!=DMG_DM_ABSENT ) fake_trap( f );      /* this block's own is not past */
  if( HOST( f, BEACON, UINT64_MAX, FAKE_SCRATCH )!=DMG_DM_ABSENT ) fake_trap( f );
  if( HOST( f, SHA256, FAKE_SCRATCH, 0, FAKE_SCRATCH )!=32 || f->mem[ FAKE_SCRATCH ]!=0xe3 ) fake_trap( f );
  if( HOST( f, KECCAK256, FAKE_SCRATCH, 0, FAKE_SCRATCH )!=32 || f->mem[ FAKE_SCRATCH ]!=0xc5 ) fake_trap( f );
  if( HOST( f, BLAKE2B, FAKE_SCRATCH, 0, FAKE_SCRATCH )!=32 || f->mem[ FAKE_SCRATCH ]!=0x0e ) fake_trap( f );
  if( HOST( f, VERIFY, 0, FAKE_SCRATCH, 32, FAKE_SCRATCH, 32, FAKE_SCRATCH, 64 )!=0 ) fake_trap( f );
  HOST( f, LOG, FAKE_SCRATCH, 4 );
  return ret_empty( f );
}
static void
test_environment_is_as_drawn( void ** state ) {
  chain_t *  c = *state;
  dmg_tx_t * t = tx_run( c, &alice, g_env, (tx_opts_t){ 0 } );
  assert_int_equal( chain_tx( c, t )->status, DMG_STATUS_OK );
  dmg_hash_t self = dmg_module_address( M_PROBE, 0 );
  assert_int_equal( dmg_load_u64le( seen_env ), 1 );
  assert_int_equal( dmg_load_u64le( seen_env+8 ), c->time_ms );
  assert_int_equal( seen_env[ 20 ], 0 );
  assert_int_equal( seen_env[ 21 ], DMG_ROLE_OWNER );
  assert_int_equal( dmg_load_u16le( seen_env+22 ), 0 );
  assert_int_equal( dmg_load_u16le( seen_env+24 ), 1 );
  assert_int_equal( dmg_load_u64le( seen_env+32 ), 10000 );
  assert_true( dmg_is_zero( seen_env+40, 24 ) );
  assert_memory_equal( seen_env+64, c->id.b, 32 );
  assert_memory_equal( seen_env+96, self.b, 32 );
  assert_memory_equal( seen_env+128, alice.address.b, 32 );
  assert_memory_equal( seen_env+160, alice.address.b, 32 );
  assert_true( dmg_is_zero( seen_env+192, 32 ) );
  assert_memory_equal( seen_env+224, t->id.b, 32 );
}

static int32_t beacons[ 4 ];
static uint64_t g_beacons( fake_t * f ) {
  uint64_t h = dmg_load_u64le( fake_env( f ) );
  for( unsigned i=0; i<4; i++ ) beacons[ i ] = HOST( f, BEACON, (uint64_t[]){ h, h-1, h-4096, h-4097 }[ i ], FAKE_SCRATCH );
  return ret_empty( f );
}
static void
test_beacon_ring_holds_4096_past_blocks( void ** state ) {
  chain_t * c = *state;
  c->is_checked = false;
  while( c->height<4098 ) chain_block( c, NULL, 0, 0 );
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_beacons, (tx_opts_t){ 0 } ) )->status, DMG_STATUS_OK );
  assert_int_equal( beacons[ 0 ], DMG_DM_ABSENT );
  assert_int_equal( beacons[ 1 ], 32 );
  assert_int_equal( beacons[ 2 ], 32 );
  assert_int_equal( beacons[ 3 ], DMG_DM_ABSENT );
}

/* ---- Random ---- */

static uint64_t rnd_state;
static uint64_t rnd( void ) { rnd_state ^= rnd_state<<13; rnd_state ^= rnd_state>>7; rnd_state ^= rnd_state<<17; return rnd_state; }
static uint64_t
g_random( fake_t * f ) {
  for( unsigned i=0; i<6; i++ ) {
    uint8_t  key[ 4 ] = { 0, 0, 0, (uint8_t)( rnd()%4 ) }, v[ 70 ] = { 1 };
    uint32_t k = fake_put( f, FAKE_SCRATCH, key, 4 );
    uint8_t  sz = (uint8_t)( rnd()%60 );
    v[ 1 ] = sz;
    switch( rnd()%6 ) {
    case 0: HOST( f, PUT, 1, k, 4, fake_put( f, FAKE_SCRATCH+8, v, sz+2u ), sz+2u ); break;
    case 1: HOST( f, DEL, 1, k, 4 ); break;
    case 2: HOST( f, CTR_ADD, 2, k, 4, 3, 10 ); break;
    case 3: HOST( f, CTR_ADD, 2, k, 4, (uint64_t)-3, 10 ); break;
    case 4: pay_flags = rnd()%2; pay_seed = 0; {
      uint8_t a[ 40 ];
      memcpy( a, ( rnd()%2 ? &carol : &dave )->address.b, 32 );
      dmg_store_u64le( a+32, rnd()%1000 );
      HOST( f, CALL, 2, 1, pay_flags, 0, fake_put( f, FAKE_SCRATCH+8, a, 40 ), 40, 0, 0 );
      break;
    }
    case 5: if( rnd()%8==0 ) fake_trap( f ); if( rnd()%8==0 ) return fake_fault( 40 ); break;
    }
  }
  return ret_empty( f );
}
/* What a builder leaves in its block must replay, from the same parent, to the same bytes.  g_random draws while it runs, so
   each run starts from the same draw. */
static void
build_equals_replay( chain_t * c, dmg_tx_t * const * txs, size_t cnt ) {
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_exec_out_t  a, b;
  dmg_tx_t *      in[ 6 ];
  uint64_t        draw = rnd_state;
  assert_int_equal( dmg_runtime_exec_block( c->rt, view, &ctx, txs, cnt, DMG_EXEC_BUILD, c->arena, &a ), DMG_OK );
  assert_true( a.tx_cnt<=6 );
  for( size_t i=0; i<a.tx_cnt; i++ ) in[ i ] = txs[ a.txs[ i ].index ];
  rnd_state = draw;
  assert_int_equal( dmg_runtime_exec_block( c->rt, view, &ctx, in, a.tx_cnt, 0, c->arena, &b ), DMG_OK );
  rnd_state = draw;
  assert_false( b.is_invalid );
  assert_int_equal( a.tx_cnt, b.tx_cnt );
  for( size_t i=0; i<a.tx_cnt; i++ ) assert_true( dmg_span_eq( a.txs[ i ].receipt, b.txs[ i ].receipt ) );
  assert_int_equal( a.write_cnt, b.write_cnt );
  for( size_t i=0; i<a.write_cnt; i++ ) {
    assert_true( dmg_span_eq( a.writes[ i ].key, b.writes[ i ].key ) );
    assert_true( dmg_span_eq( a.writes[ i ].value, b.writes[ i ].value ) );
  }
  assert_true( dmg_hash_eq( &a.receipts_root, &b.receipts_root ) );
  dmg_view_close( view );
}
static void
test_random_blocks_keep_the_sums( void ** state ) {
  chain_t * c = *state;
  uint64_t  nonces[ 4 ] = { 0 };
  person_t * people[ 4 ] = { &alice, &bob, &carol, &dave };
  char const * env = getenv( "DMG_SEED" );
  uint64_t seed = env ? strtoull( env, NULL, 0 ) : 0x1234567;
  rnd_state = seed|1;
  printf( "seed %#llx\n", (unsigned long long)seed );
  unsigned ok = 0, total = 0;
  for( unsigned b=0; b<60; b++ ) {
    dmg_tx_t * txs[ 6 ];
    person_t * who[ 6 ];
    unsigned   cnt = 1+(unsigned)( rnd()%6 );
    uint64_t   next[ 4 ];
    memcpy( next, nonces, sizeof( next ) );
    for( unsigned i=0; i<cnt; i++ ) {
      unsigned  p = (unsigned)( rnd()%4 );
      tx_opts_t o = { .nonce = next[ p ]++, .tip = rnd()%100, .gas = 60000+rnd()%400000, .fee_max = DMG_SPARKS_PER_CGT };
      who[ i ] = people[ p ];
      if( rnd()%2 ) txs[ i ] = tx_transfer( c, people[ p ], &people[ rnd()%4 ]->address, rnd()%3 ? rnd()%1000000 : rnd()%( 2*ALICE_FREE ), o );
      else txs[ i ] = tx_run( c, people[ p ], g_random, o );
    }
    probe_fn = g_random;
    build_equals_replay( c, txs, cnt );
    dmg_exec_out_t out = chain_block( c, txs, cnt, 0 );          /* checks supply and deposits */
    if( out.is_invalid ) fail_msg( "%s", out.why.text );
    for( unsigned i=0; i<cnt; i++ ) {
      total++;
      ok += out.txs[ i ].status==DMG_STATUS_OK;
      if( out.txs[ i ].status!=DMG_STATUS_VOID ) for( unsigned p=0; p<4; p++ ) if( people[ p ]==who[ i ] ) nonces[ p ]++;
    }
  }
  assert_true( ok>total/4 );
}

/* ---- Genesis ---- */

static void
test_genesis_refuses_what_does_not_fit( void ** state ) {
  chain_t *      c = *state;
  dmg_exec_why_t why;
  dmg_write_t *  writes;
  size_t         cnt;
  uint8_t        cut[ 2+40 ] = { 40 };
  dmg_genesis_module_t gm[ 4 ];
  dmg_span_t     config = mods[ 1 ].config;
  for( unsigned i=0; i<4; i++ ) gm[ i ] = (dmg_genesis_module_t){ .id = mods[ i ].id, .code = dmg_code_hash( mods[ i ].file ) };
  dmg_genesis_validator_t v = { .account = c->leader, .bucket = 5 };
  dmg_genesis_t g = { .version = 1, .name = DMG_SPAN_STR( "x" ), .kind = DMG_GENESIS_DEV, .time_ms = 1, .instr_version = 1, .host_api = 1, .modules = gm, .module_cnt = 4, .validators = &v, .validator_cnt = 1 };
  files_t          files = { mods, 4 };
  dmg_code_files_t code  = { &files, files_get };
  #define REFUSED( part ) do {                                                                                         \
      assert_int_equal( dmg_runtime_genesis( c->rt, &g, &code, c->arena, &writes, &cnt, &why ), DMG_ERR_INVALID );     \
      if( !strstr( why.text, part ) ) fail_msg( "why: %s", why.text ); } while(0)
  REFUSED( "less than" );                                       /* nobody has anything */
  gm[ 1 ].config     = &config;
  gm[ 1 ].config_cnt = 1;
  assert_int_equal( dmg_runtime_genesis( c->rt, &g, &code, c->arena, &writes, &cnt, &why ), DMG_OK );
  config = DMG_SPAN( cut );
  REFUSED( "config part 0" );
  gm[ 1 ].config_cnt = 0;
  gm[ 2 ].config     = &config;
  gm[ 2 ].config_cnt = 1;
  REFUSED( "no hook init" );
  gm[ 2 ].config_cnt = 0;
  g.module_cnt = 3;
  REFUSED( "uses peer" );
  g.module_cnt = 4;
  files.cnt = 3;
  REFUSED( "missing" );
  files.cnt = 4;
  gm[ 3 ].id = 0x0203;
  REFUSED( "says that it is" );
  gm[ 3 ].id = M_PEER;
  g.module_cnt = 1;
  REFUSED( "Balances" );
  g.module_cnt = 4;
  g.host_api = 2;
  REFUSED( "host_api" );
  #undef REFUSED
}

int
main( void ) {
  #define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_void_names_each_reason ), T( test_fee_max_is_met_exactly ), T( test_init_of_an_existing_account_is_ignored ), T( test_thresholds_give_use_or_owner ),
    T( test_msig_calls_need_one_authenticator ), T( test_lanes_run_apart_and_other_lanes_cost ), T( test_unordered_runs_once_and_seen_is_swept ),
    T( test_unordered_1001st_of_a_block_is_void ), T( test_hostile_use_of_host_functions_traps ), T( test_each_failure_status_pays_and_drops ),
    T( test_result_over_8_kib_is_refused ), T( test_fault_pays_and_shows_its_payload ), T( test_second_call_failing_reverts_the_first ), T( test_theft_is_no_consent ),
    T( test_deposit_out_of_reach_drops_the_calls ), T( test_locked_coins_pay_nothing ), T( test_posts_hold_or_revert ), T( test_limits_of_a_transaction ),
    T( test_events_leave_room_for_account_created ), T( test_transfer_moves_bills_and_names_deposits ), T( test_first_payment_costs_the_sender_85_bytes ),
    T( test_free_at_zero_returns_its_record ), T( test_deposit_follows_who_makes_it_grow ), T( test_counters_keep_bounds_and_zero_is_absent ),
    T( test_deposit_module_is_paid_by_the_module ), T( test_callees_fault_rolls_back_and_the_caller_goes_on ), T( test_callees_trap_ends_the_transaction ),
    T( test_call_as_self_and_as_actor ), T( test_query_enters_a_module_on_the_stack_and_sees_its_writes ), T( test_result_larger_than_the_buffer_did_not_happen ),
    T( test_scan_merges_own_writes_block_and_state ), T( test_block_rules_make_it_invalid ), T( test_build_leaves_out_and_equals_execution ),
    T( test_block_end_writes_values_receipts_and_beacon ), T( test_topics_take_known_accounts_once ), T( test_new_topics_can_exhaust_the_limit ),
    T( test_price_follows_use_and_keeps_the_floor ), T( test_query_answers_or_says_why ), T( test_check_call_tells_admission ), T( test_preview_equals_execution ),
    T( test_readers_run_beside_blocks ), T( test_key_of_the_future_does_not_sign_yet ), T( test_results_are_billed_and_dropped_with_the_calls ),
    T( test_call_needs_the_role_and_the_module ), T( test_record_changes_even_if_the_balance_comes_back ), T( test_query_of_a_busy_module_is_reentrant ),
    T( test_nesting_stops_at_eight ), T( test_beacon_ring_holds_4096_past_blocks ), T( test_environment_is_as_drawn ), T( test_genesis_refuses_what_does_not_fit ), T( test_random_blocks_keep_the_sums ) };
  return cmocka_run_group_tests( tests, group_setup, group_teardown );
}
