/* test_exec_chain: a chain in memory for the executor's tests: interfaces made by hand, a genesis, blocks of
   transactions, and the invariants that hold after every one of them. */
#ifndef DMG_RUNTIME_TEST_EXEC_CHAIN_H
#define DMG_RUNTIME_TEST_EXEC_CHAIN_H

#include "codec/abi.h"
#include "runtime/exec.h"
#include "storage/state.h"
#include "types/items.h"
#include "types/params.h"
#include "types/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static dmg_arena_t * test_arena;    /* types and files of the whole program */
static dmg_kv_t * (*test_kv_open)( void );   /* a store of the program's choice; NULL: in memory */

/* ---- Types by hand ---- */

static dmg_type_t *
ty( dmg_type_kind_t kind, uint32_t n ) {
  dmg_type_t * t = DMG_ARENA_NEW( test_arena, dmg_type_t, 1 );
  t->kind = kind;
  t->n    = n;
  assert_true( dmg_type_measure( t ) );
  return t;
}
/* "a:address,b:amount": letters of the kinds below. */
static dmg_type_t *
ty_letter( char c ) {
  switch( c ) {
  case 'B': return ty( DMG_TYPE_BOOL, 0 );
  case 'b': return ty( DMG_TYPE_U8, 0 );
  case 'h': return ty( DMG_TYPE_U16, 0 );
  case 'w': return ty( DMG_TYPE_U32, 0 );
  case 'q': return ty( DMG_TYPE_U64, 0 );
  case 'a': return ty( DMG_TYPE_ADDRESS, 0 );
  case 'H': return ty( DMG_TYPE_HASH, 0 );
  case 'm': return ty( DMG_TYPE_AMOUNT, 0 );
  case 's': return ty( DMG_TYPE_BYTES, 64 );
  case 'L': return ty( DMG_TYPE_BYTES, 8192 );
  case 'K': return ty( DMG_TYPE_BYTES, 8000 );
  case 'X': return ty( DMG_TYPE_BYTES, 20000 );
  }
  fail_msg( "no type %c", c );
  return NULL;
}
/* A struct without a name: one field a letter, named f0, f1, .. */
static dmg_type_t *
ty_fields( char const * letters ) {
  size_t        n      = strlen( letters );
  dmg_type_t *  t      = DMG_ARENA_NEW( test_arena, dmg_type_t, 1 );
  dmg_field_t * fields = DMG_ARENA_NEW( test_arena, dmg_field_t, n );
  for( size_t i=0; i<n; i++ ) {
    char * name = dmg_arena_alloc( test_arena, 4 );
    snprintf( name, 4, "f%zu", i%10 );
    fields[ i ] = (dmg_field_t){ .name = dmg_span( name, 2 ), .type = ty_letter( letters[ i ] ) };
  }
  t->kind      = DMG_TYPE_STRUCT;
  t->fields    = fields;
  t->field_cnt = (uint32_t)n;
  assert_true( dmg_type_measure( t ) );
  return t;
}
static dmg_type_t const * const *
ty_keys( char const * letters ) {
  dmg_type_t const ** keys = DMG_ARENA_NEW( test_arena, dmg_type_t const *, strlen( letters ) );
  for( size_t i=0; letters[ i ]; i++ ) keys[ i ] = ty_letter( letters[ i ] );
  return keys;
}

/* ---- Interfaces by hand ---- */

typedef struct { dmg_abi_t abi; dmg_abi_item_t items[ 32 ]; dmg_abi_fn_t calls[ 8 ], queries[ 8 ], hooks[ 4 ]; dmg_abi_event_t events[ 8 ]; dmg_abi_fault_t faults[ 8 ]; dmg_abi_use_t uses[ 4 ]; } iface_t;

static iface_t *
iface_new( uint16_t module, char const * name ) {
  iface_t * f = DMG_ARENA_NEW( test_arena, iface_t, 1 );
  f->abi = (dmg_abi_t){ .module = module, .name = dmg_span_cstr( name ), .version = { 0, 1, 0 }, .storage_version = 1, .reads_to = 1, .pages = 1, .host = DMG_SPAN_STR( "dm1" ),
                        .uses = f->uses, .items = f->items, .faults = f->faults, .calls = f->calls, .queries = f->queries, .events = f->events, .hooks = f->hooks };
  return f;
}
static dmg_abi_item_t *
iface_item( iface_t * f, uint16_t id, char const * name, dmg_item_kind_t kind, char const * keys, dmg_type_t const * value, dmg_deposit_t deposit ) {
  dmg_abi_item_t * it = &f->items[ f->abi.item_cnt++ ];
  *it = (dmg_abi_item_t){ .id = id, .name = dmg_span_cstr( name ), .kind = kind, .keys = ty_keys( keys ), .key_cnt = (uint32_t)strlen( keys ), .value = value,
                          .max = value ? (uint32_t)value->sz_max : 8, .deposit = deposit };
  return it;
}
static void
item_mark( dmg_abi_item_t * it, dmg_mark_kind_t kind, char const * a, char const * b ) {
  dmg_abi_mark_t * marks = DMG_ARENA_NEW( test_arena, dmg_abi_mark_t, 2 );
  dmg_span_t *     paths = DMG_ARENA_NEW( test_arena, dmg_span_t, 2 );
  for( uint32_t i=0; i<it->mark_cnt; i++ ) marks[ i ] = it->marks[ i ];
  if( a ) paths[ 0 ] = dmg_span_cstr( a );
  if( b ) paths[ 1 ] = dmg_span_cstr( b );
  marks[ it->mark_cnt ] = (dmg_abi_mark_t){ .kind = kind, .paths = paths, .path_cnt = ( a!=NULL )+( b!=NULL ) };
  it->marks = marks;
  it->mark_cnt++;
}
static void
iface_call( iface_t * f, uint16_t id, char const * name, char const * args, char ret, uint16_t auth ) {
  f->calls[ f->abi.call_cnt++ ] = (dmg_abi_fn_t){ .id = id, .name = dmg_span_cstr( name ), .args = ty_fields( args ), .ret = ret ? ty_letter( ret ) : NULL, .auth = auth, .gas = 1000 };
}
static void
iface_query( iface_t * f, uint16_t id, char const * name, char const * args, char ret ) {
  f->queries[ f->abi.query_cnt++ ] = (dmg_abi_fn_t){ .id = id, .name = dmg_span_cstr( name ), .args = ty_fields( args ), .ret = ret ? ty_letter( ret ) : NULL, .gas = 1000 };
}
static void
iface_hook( iface_t * f, uint16_t id, char const * name, char const * args ) {
  f->hooks[ f->abi.hook_cnt++ ] = (dmg_abi_fn_t){ .id = id, .name = dmg_span_cstr( name ), .args = ty_fields( args ) };
}
static void
iface_event( iface_t * f, uint16_t id, char const * name, char const * fields, uint32_t topic_cnt ) {
  static uint8_t const first[ 4 ] = { 0, 1, 2, 3 };
  f->events[ f->abi.event_cnt++ ] = (dmg_abi_event_t){ .id = id, .name = dmg_span_cstr( name ), .fields = ty_fields( fields ), .topics = first, .topic_cnt = topic_cnt };
}
static void
iface_fault( iface_t * f, uint16_t id, char const * name, char const * fields ) {
  f->faults[ f->abi.fault_cnt++ ] = (dmg_abi_fault_t){ .id = id, .name = dmg_span_cstr( name ), .fields = ty_fields( fields ) };
}
static void
iface_use( iface_t * f, char const * name, char const * call, char const * query ) {
  dmg_span_t * names = DMG_ARENA_NEW( test_arena, dmg_span_t, 2 );
  if( call )  names[ 0 ] = dmg_span_cstr( call );
  if( query ) names[ 1 ] = dmg_span_cstr( query );
  f->uses[ f->abi.use_cnt++ ] = (dmg_abi_use_t){ .name = dmg_span_cstr( name ), .version = { 0, 1, 0 }, .calls = names, .call_cnt = call!=NULL, .queries = names+1, .query_cnt = query!=NULL };
}
/* Items that native code knows, in their frozen form. */
static void
iface_natives( iface_t * f ) {
  static char const * const keys[ DMG_ITEM_CNT ] = {
    [ DMG_ITEM_ACCOUNT ] = "a", [ DMG_ITEM_AUTH ] = "ab", [ DMG_ITEM_LANE ] = "ah", [ DMG_ITEM_SEEN ] = "qH", [ DMG_ITEM_MSIG ] = "aw", [ DMG_ITEM_PARAM ] = "hh",
    [ DMG_ITEM_MODULE ] = "h", [ DMG_ITEM_CODE ] = "H", [ DMG_ITEM_SCHEMA ] = "hh", [ DMG_ITEM_TOPIC ] = "bH", [ DMG_ITEM_BEACON ] = "h", [ DMG_ITEM_BLOCK ] = "",
    [ DMG_ITEM_RECEIPTS ] = "", [ DMG_ITEM_PLEDGE ] = "aH", [ DMG_ITEM_VM ] = "", [ DMG_ITEM_MSIG_SEQ ] = "a", [ DMG_ITEM_FREE ] = "a", [ DMG_ITEM_HELD ] = "a", [ DMG_ITEM_HOLD ] = "abH", [ DMG_ITEM_LOCK ] = "ab",
    [ DMG_ITEM_VESTING ] = "aw", [ DMG_ITEM_BUCKET ] = "b", [ DMG_ITEM_BURNED ] = "b" };
  for( unsigned i=0; i<DMG_ITEM_CNT; i++ ) {
    dmg_item_desc_t const * d = &dmg_item_desc[ i ];
    if( d->module!=f->abi.module ) continue;
    dmg_type_t const * value = d->kind==DMG_ITEM_COUNTER ? NULL : i==DMG_ITEM_LOCK ? ty_fields( "mq" ) : i==DMG_ITEM_SEEN ? ty_fields( "" ) : i==DMG_ITEM_AUTH ? ty_fields( "bsbhsq" ) : ty_letter( 'L' );
    dmg_abi_item_t *   it    = iface_item( f, d->item, d->name, (dmg_item_kind_t)d->kind, keys[ i ], value, d->has_deposit ? DMG_DEPOSIT_PAYER : DMG_DEPOSIT_NONE );
    item_mark( it, DMG_MARK_NATIVE, NULL, NULL );
    if( i==DMG_ITEM_FREE ) item_mark( it, DMG_MARK_HOLDS, "0", "cgt" );
  }
}
/* "FAKE", entry, ABI */
static dmg_span_t
iface_file( iface_t * f, uint8_t entry ) {
  uint8_t * file = dmg_arena_alloc( test_arena, 5+DMG_ABI_SZ_MAX );
  memcpy( file, "FAKE", 4 );
  file[ 4 ] = entry;
  dmg_bcs_wr_t wr = dmg_bcs_wr( file+5, DMG_ABI_SZ_MAX );
  for( uint32_t i=0; i<f->abi.item_cnt; i++ ) assert_true( dmg_abi_item_measure( &f->items[ i ] ) );
  dmg_abi_write( &f->abi, &wr );
  assert_false( wr.is_full );
  dmg_abi_t const * abi;
  dmg_verdict_t v = dmg_abi_decode( dmg_bcs_wr_span( &wr ), test_arena, &abi );
  if( v.kind!=DMG_VERDICT_GOOD ) fail_msg( "abi of module %u: %s at %zu", f->abi.module, v.text, v.off );
  return dmg_span( file, 5+dmg_bcs_wr_span( &wr ).sz );
}

/* ---- A chain ---- */

#define ALICE_FREE ( 1000000ull*DMG_SPARKS_PER_CGT )

typedef struct { dmg_hash_t address; uint8_t key[ 32 ]; dmg_account_init_t init; } person_t;
static person_t
person( unsigned n ) {
  person_t p;
  memset( p.key, (int)( 0x40+n ), 32 );
  p.key[ 0 ] = (uint8_t)n;
  return p;
}
static void
person_fix( person_t * p ) {           /* after it has its final place: init borrows the key */
  p->init    = dmg_account_init_plain( DMG_SIG_ED25519, dmg_span( p->key, 32 ) );
  p->address = dmg_address_of( &p->init );
}

typedef struct {
  dmg_kv_t *      kv;
  dmg_state_t *   state;
  dmg_vm_t *      vm;
  dmg_code_cache_t * cache;
  dmg_runtime_t * rt;
  dmg_arena_t *   arena;      /* of the last block */
  dmg_arena_t *   txs;        /* of transactions, for the life of the chain */
  dmg_hash_t      id, head;
  uint64_t        height, time_ms;
  dmg_hash_t      leader;
  bool            is_checked; /* invariants after every block */
  dmg_hash_t      root;
} chain_t;

typedef struct { uint16_t id; dmg_span_t file; dmg_span_t config; } module_t;
typedef struct { module_t const * mods; size_t cnt; } files_t;
static dmg_span_t
files_get( void * ctx, dmg_hash_t const * hash ) {
  files_t const * f = ctx;
  for( size_t i=0; i<f->cnt; i++ ) {
    dmg_hash_t h = dmg_code_hash( f->mods[ i ].file );
    if( dmg_hash_eq( &h, hash ) ) return f->mods[ i ].file;
  }
  return (dmg_span_t){ 0 };
}

static dmg_view_t *
chain_view( chain_t * c ) {
  dmg_view_t * view;
  assert_int_equal( dmg_state_view( c->state, &c->head, &view ), DMG_OK );
  return view;
}
/* V of a key; p NULL if absent.  Lives in c->txs. */
static dmg_span_t
chain_get( chain_t * c, uint8_t const * key, size_t key_sz ) {
  dmg_view_t * view = chain_view( c );
  dmg_span_t   v    = { 0 };
  dmg_err_t    err  = dmg_view_get( view, dmg_span( key, key_sz ), c->txs, &v );
  if( !err ) v = dmg_arena_dup( c->txs, v );
  else { assert_int_equal( err, DMG_ERR_NOT_FOUND ); v = (dmg_span_t){ 0 }; }
  dmg_view_close( view );
  return v;
}
static uint64_t
chain_free( chain_t * c, dmg_hash_t const * a ) {
  uint8_t  key[ DMG_KEY_MAX ];
  uint64_t n;
  assert_int_equal( dmg_counter_parse( chain_get( c, key, dmg_key_free( a, key ) ), true, NULL, &n ), DMG_OK );
  return n;
}
__attribute__(( unused )) static uint64_t
chain_held( chain_t * c, dmg_hash_t const * a ) {
  uint8_t  key[ DMG_KEY_MAX ];
  uint64_t n;
  assert_int_equal( dmg_counter_parse( chain_get( c, key, dmg_key_held( a, key ) ), false, NULL, &n ), DMG_OK );
  return n;
}
__attribute__(( unused )) static uint64_t
chain_burned( chain_t * c ) {
  uint8_t  key[ DMG_KEY_MAX ];
  uint64_t n;
  assert_int_equal( dmg_counter_parse( chain_get( c, key, dmg_key_burned( 0, key ) ), false, NULL, &n ), DMG_OK );
  return n;
}

/* M2.6 and R8.3: Free + Held + Burned is the supply; Held is the sum of holds; storage holds are the records' amounts. */
static bool test_has_record( uint16_t module, uint16_t item );   /* by the test program */
static void
chain_check( chain_t * c ) {
  dmg_view_t * view = chain_view( c );
  dmg_iter_t * it;
  dmg_span_t   key, v;
  dmg_u128_t   supply = 0, held = 0, holds = 0, storage = 0, records = 0;
  static dmg_hash_t const zero = { 0 };
  assert_int_equal( dmg_view_iter( view, (dmg_span_t){ 0 }, (dmg_span_t){ 0 }, false, &it ), DMG_OK );
  while( !dmg_iter_next( it, &key, &v ) ) {
    uint16_t          module = dmg_load_u16be( key.p ), item = dmg_load_u16be( key.p+2 );
    uint64_t          n;
    dmg_deposit_rec_t rec;
    uint8_t           schema;
    dmg_span_t        bcs;
    assert_int_equal( dmg_value_parse( v, test_has_record( module, item ), &schema, &rec, &bcs ), DMG_OK );
    assert_int_equal( schema, 1 );
    records += rec.amount;
    if( module==2 && item==1 ) { assert_int_equal( dmg_counter_parse( v, true, NULL, &n ), DMG_OK ); assert_true( n ); supply += n; }
    if( module==2 && item==7 ) { assert_int_equal( dmg_counter_parse( v, false, NULL, &n ), DMG_OK ); supply += n; }
    if( module==2 && item==2 ) { assert_int_equal( dmg_counter_parse( v, false, NULL, &n ), DMG_OK ); assert_true( n ); supply += n; held += n; }
    if( module==2 && item==3 ) {
      assert_int_equal( dmg_counter_parse( v, false, NULL, &n ), DMG_OK );
      assert_true( n );
      holds += n;
      if( key.p[ 36 ]==DMG_HOLD_STORAGE && !memcmp( key.p+37, zero.b, 32 ) ) storage += n;
    }
  }
  dmg_iter_close( it );
  dmg_view_close( view );
  assert_true( supply==DMG_SUPPLY_SPARKS );
  assert_true( held==holds );
  assert_true( storage==records );
}

static dmg_block_ctx_t
chain_ctx( chain_t * c ) {
  dmg_block_ctx_t ctx = { .height = c->height+1, .time_ms = c->time_ms+250, .chain_id = c->id, .leader = c->leader, .has_reveal = ( c->height%4 )==0 };
  memset( ctx.reveal, (int)( c->height+1 ), sizeof( ctx.reveal ) );
  return ctx;
}
static void
chain_apply( chain_t * c, dmg_exec_out_t const * out ) {
  dmg_hash_t block = dmg_h2( DMG_TAG_BLOCK, dmg_hash_span( &c->head ), dmg_hash_span( &out->receipts_root ) );
  assert_int_equal( dmg_state_apply( c->state, &c->head, &block, c->height+1, out->writes, out->write_cnt, NULL, 0 ), DMG_OK );
  assert_int_equal( dmg_state_root( c->state, &block, &c->root ), DMG_OK );
  assert_int_equal( dmg_state_finalize( c->state, &block, NULL, 0 ), DMG_OK );
  c->head     = block;
  c->height  += 1;
  c->time_ms += 250;
  if( c->is_checked ) chain_check( c );
}
/* Executes and commits a block; out lives until the next one. */
static dmg_exec_out_t
chain_block( chain_t * c, dmg_tx_t * const * txs, size_t cnt, uint32_t flags ) {
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_exec_out_t  out;
  dmg_arena_reset( c->arena );
  assert_int_equal( dmg_runtime_exec_block( c->rt, view, &ctx, txs, cnt, flags, c->arena, &out ), DMG_OK );
  if( !out.is_invalid ) chain_apply( c, &out );
  dmg_view_close( view );
  return out;
}
/* One transaction alone; its receipt. */
static dmg_receipt_t *
chain_tx( chain_t * c, dmg_tx_t * tx ) {
  dmg_exec_out_t out = chain_block( c, &tx, 1, 0 );
  if( out.is_invalid ) fail_msg( "block invalid: %s", out.why.text );
  assert_int_equal( out.tx_cnt, 1 );
  dmg_receipt_t * r;
  dmg_verdict_t   v = dmg_receipt_decode( out.txs[ 0 ].receipt, c->arena, &r );
  assert_int_equal( v.kind, DMG_VERDICT_GOOD );
  assert_int_equal( r->status, out.txs[ 0 ].status );
  assert_memory_equal( r->id.b, tx->id.b, 32 );
  return r;
}

/* Genesis over mods; persons' balances are the modules' business. */
static void
chain_open_with( chain_t * c, dmg_vm_t * vm, dmg_code_cache_t * cache, module_t const * mods, size_t mod_cnt, dmg_genesis_param_t * params, uint32_t param_cnt ) {
  *c = (chain_t){ .vm = vm, .cache = cache, .time_ms = 1764000000000, .is_checked = true };
  c->arena = dmg_arena_new( (size_t)1<<30 );
  c->txs   = dmg_arena_new( (size_t)1<<30 );
  memset( c->leader.b, 0x77, 32 );
  dmg_genesis_module_t gm[ 16 ];
  for( size_t i=0; i<mod_cnt; i++ ) {
    gm[ i ] = (dmg_genesis_module_t){ .id = mods[ i ].id, .code = dmg_code_hash( mods[ i ].file ) };
    if( !mods[ i ].config.p ) continue;
    gm[ i ].config = DMG_ARENA_NEW( c->txs, dmg_span_t, 1 );
    gm[ i ].config[ 0 ] = mods[ i ].config;
    gm[ i ].config_cnt  = 1;
  }
  dmg_genesis_validator_t validator = { .account = c->leader, .bucket = 5 };
  dmg_genesis_t genesis = { .version = 1, .name = DMG_SPAN_STR( "exec test" ), .kind = DMG_GENESIS_DEV, .time_ms = c->time_ms, .instr_version = 1, .host_api = 1,
                            .params = params, .param_cnt = param_cnt, .modules = gm, .module_cnt = (uint32_t)mod_cnt, .validators = &validator, .validator_cnt = 1 };
  dmg_buf_t buf = dmg_buf( DMG_GENESIS_SZ_MAX );
  assert_int_equal( dmg_genesis_encode( &genesis, &buf ), DMG_OK );
  c->id = c->head = dmg_genesis_hash( dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );

  if( test_kv_open ) c->kv = test_kv_open();
  else assert_int_equal( dmg_kv_mem_open( (uint64_t)1<<30, &c->kv ), DMG_OK );
  dmg_state_cfg_t scfg = { .genesis_hash = c->id, .secret = 1 };
  assert_int_equal( dmg_state_open( &scfg, c->kv, &c->state, NULL ), DMG_OK );
  dmg_runtime_cfg_t rcfg = { .vm = c->vm, .cache = c->cache, .hash_seed = 42 };
  assert_int_equal( dmg_runtime_open( &rcfg, &c->rt ), DMG_OK );
  files_t          files = { mods, mod_cnt };
  dmg_code_files_t code  = { &files, files_get };
  dmg_write_t *    writes;
  size_t           cnt;
  dmg_exec_why_t   why;
  dmg_err_t        err = dmg_runtime_genesis( c->rt, &genesis, &code, c->arena, &writes, &cnt, &why );
  if( err ) fail_msg( "genesis: %s: %s", dmg_err_text( err ), why.text );
  assert_int_equal( dmg_state_genesis( c->state, &c->id, writes, cnt, &c->root ), DMG_OK );
  chain_check( c );
}
static void
chain_close( chain_t * c ) {
  dmg_runtime_close( c->rt );
  dmg_state_close( c->state );
  dmg_kv_close( c->kv );
  dmg_arena_free( c->arena );
  dmg_arena_free( c->txs );
}

/* ---- Transactions ---- */

typedef struct {
  uint16_t            lane;
  uint64_t            nonce, gas, expiry, fee_max, tip;
  bool                no_init;          /* AccountInit is given unless */
  person_t const *    sign[ 4 ];        /* default: the sender alone */
  dmg_tx_post_t *     posts;
  uint32_t            post_cnt;
  void (*edit)( dmg_tx_t * tx );        /* last touch before encoding */
} tx_opts_t;

/* Filled by the test program: schema hash of a call. */
static dmg_hash_t test_schema( uint16_t module, uint16_t call );

static dmg_tx_t *
tx_encode( chain_t * c, dmg_tx_t const * tx ) {
  dmg_buf_t buf = dmg_buf( DMG_TX_SZ_MAX );
  assert_int_equal( dmg_tx_encode( tx, &buf ), DMG_OK );
  dmg_span_t raw = dmg_arena_dup( c->txs, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  dmg_tx_t *    out;
  dmg_verdict_t v = dmg_tx_decode( raw, c->txs, &out );
  if( v.kind!=DMG_VERDICT_GOOD ) fail_msg( "tx: %s %s", v.field, v.text );
  return out;
}
static dmg_tx_t *
tx_make( chain_t * c, person_t const * from, dmg_tx_call_t * calls, uint32_t call_cnt, tx_opts_t const * o ) {
  static uint8_t const no_sig[ 64 ] = { 0 };
  dmg_tx_sig_t sigs[ 4 ];
  uint32_t     sig_cnt = 0;
  for( unsigned i=0; i<4; i++ ) {
    person_t const * p = i==0 && !o->sign[ 0 ] ? from : o->sign[ i ];
    if( p ) sigs[ sig_cnt++ ] = (dmg_tx_sig_t){ .scheme = DMG_SIG_ED25519, .key = dmg_span( p->key, 32 ), .sig = DMG_SPAN( no_sig ) };
  }
  dmg_tx_t tx = { .version = 1, .fee_kind = DMG_FEE_ENERGY_THEN_FEE, .lane = o->lane, .chain = c->id, .sender = from->address, .nonce = o->nonce,
                  .expiry = o->expiry ? o->expiry : c->height+100, .gas = o->gas ? o->gas : 400000, .fee_max = o->fee_max ? o->fee_max : DMG_SPARKS_PER_CGT, .tip = o->tip,
                  .calls = calls, .call_cnt = call_cnt, .posts = o->posts, .post_cnt = o->post_cnt, .auth = DMG_TX_AUTH_KEYS, .init = o->no_init ? NULL : &from->init,
                  .sigs = sigs, .sig_cnt = sig_cnt };
  for( uint32_t i=0; i<call_cnt; i++ ) if( dmg_hash_is_zero( &calls[ i ].schema ) ) calls[ i ].schema = test_schema( calls[ i ].module, calls[ i ].call );
  if( o->edit ) o->edit( &tx );
  return tx_encode( c, &tx );
}

#endif
