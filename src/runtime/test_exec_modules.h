/* test_exec_modules: what the executor's tests share: a chain of four modules over a fake engine, whose calls do
   what a test says (probe_fn, peer_fn, query_fn, peer_query_fn), and makers of transactions for it. */
#ifndef DMG_RUNTIME_TEST_EXEC_MODULES_H
#define DMG_RUNTIME_TEST_EXEC_MODULES_H

#include "runtime/test_exec_fake.h"
#include "runtime/test_exec_chain.h"
#include "runtime/exec_int.h"

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
  item_mark( iface_item( p, 5, "vault", DMG_ITEM_COUNTER, "ab", NULL, DMG_DEPOSIT_MODULE ), DMG_MARK_HOLDS, "0", "cgt" );   /* CGT of an account beside Free */
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
static inline uint64_t
alice_arrives( chain_t * c ) {
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ 0 } ) )->status, DMG_STATUS_OK );
  return 1;   /* next nonce */
}
static uint64_t ret_empty( fake_t * f ) { f->mem[ FAKE_OUT ] = 0; return fake_done( 1 ); }   /* bytes<8192>, empty */
/* Writes the probe's entry `own`. */
static inline uint64_t g_own( fake_t * f ) { HOST( f, PUT, 4, 0, 0, fake_put( f, FAKE_SCRATCH, "\1\7\0\0\0", 5 ), 5 ); return ret_empty( f ); }

/* The transaction ends so, pays, and TxFailed says it. */
static inline dmg_receipt_t *
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

#endif
