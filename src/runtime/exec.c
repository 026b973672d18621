#include "runtime/exec_int.h"

#include "base/assert.h"
#include "runtime/code_cache.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TX_ARENA_SZ_MAX   ( (size_t)1<<30 )   /* one transaction: its reads and writes are bounded by R1.10 and gas */
#define MSIG_APPROVE      6                   /* System's call that may run the calls of a proposal (M1.9 F) */

char const *
dmg_void_word( uint32_t reason ) {
  switch( reason ) {
#define CASE( name, number, word, text ) case number: return word;
  DMG_VOID_TABLE( CASE )
#undef CASE
  default: return "";
  }
}

char const *
dmg_void_text( uint32_t reason ) {
  switch( reason ) {
#define CASE( name, number, word, text ) case number: return text;
  DMG_VOID_TABLE( CASE )
#undef CASE
  default: return "";
  }
}

void
dmg_why( dmg_exec_why_t * why, char const * fmt, ... ) {
  if( !why ) return;
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( why->text, sizeof( why->text ), fmt, ap );
  va_end( ap );
}

/* ---- Runtime and workers ---- */

static void
worker_free( dmg_worker_t * w ) {
  if( !w ) return;
  for( unsigned i=0; i<DMG_CODE_CNT_MAX; i++ ) {
    dmg_vm_inst_free( w->insts[ i ][ 0 ] );
    dmg_vm_inst_free( w->insts[ i ][ 1 ] );
  }
  dmg_ov_fini( &w->ov );
  dmg_buf_fini( &w->buf );
  dmg_arena_free( w->tx_arena );
  free( w->events );
  free( w );
}

static dmg_err_t
worker_new( dmg_worker_t ** out ) {
  dmg_worker_t * w = calloc( 1, sizeof( *w ) );
  if( !w ) return DMG_ERR_NOMEM;
  w->tx_arena = dmg_arena_new( TX_ARENA_SZ_MAX );
  w->events   = calloc( DMG_RECEIPT_EVENT_MAX, sizeof( *w->events ) );
  w->buf      = dmg_buf( DMG_RECEIPT_BCS_MAX );
  if( !w->tx_arena || !w->events || dmg_ov_init( &w->ov ) ) { worker_free( w ); return DMG_ERR_NOMEM; }
  *out = w;
  return DMG_OK;
}

dmg_err_t
dmg_runtime_open( dmg_runtime_cfg_t const * cfg, dmg_runtime_t ** out ) {
  DMG_ASSERT( cfg->vm );
  dmg_runtime_t * rt = calloc( 1, sizeof( *rt ) );
  if( !rt ) return DMG_ERR_NOMEM;
  rt->cfg = *cfg;
  if( !rt->cfg.readers_max ) rt->cfg.readers_max = 4;
  if( rt->cfg.readers_max>DMG_READER_MAX ) rt->cfg.readers_max = DMG_READER_MAX;
  pthread_mutex_init( &rt->lock, NULL );
  pthread_mutex_init( &rt->compile_lock, NULL );
  pthread_cond_init( &rt->reader_free, NULL );
  if( worker_new( &rt->main ) ) { dmg_runtime_close( rt ); return DMG_ERR_NOMEM; }
  *out = rt;
  return DMG_OK;
}

void
dmg_runtime_close( dmg_runtime_t * rt ) {
  if( !rt ) return;
  worker_free( rt->main );
  for( uint32_t i=0; i<rt->reader_cnt; i++ ) {
    DMG_ASSERT( !rt->readers[ i ]->is_busy );
    worker_free( rt->readers[ i ] );
  }
  for( uint32_t i=0; i<rt->code_cnt; i++ ) dmg_reg_code_free( rt, rt->codes[ i ] );
  pthread_cond_destroy( &rt->reader_free );
  pthread_mutex_destroy( &rt->compile_lock );
  pthread_mutex_destroy( &rt->lock );
  free( rt );
}

dmg_err_t
dmg_worker_take( dmg_runtime_t * rt, dmg_worker_t ** out ) {
  dmg_err_t err = DMG_OK;
  pthread_mutex_lock( &rt->lock );
  for(;;) {
    dmg_worker_t * w = NULL;
    for( uint32_t i=0; i<rt->reader_cnt && !w; i++ ) if( !rt->readers[ i ]->is_busy ) w = rt->readers[ i ];
    if( !w && rt->reader_cnt<rt->cfg.readers_max ) {
      err = worker_new( &w );
      if( !err ) rt->readers[ rt->reader_cnt++ ] = w;
    }
    if( w ) { w->is_busy = true; *out = w; break; }
    if( err ) break;
    pthread_cond_wait( &rt->reader_free, &rt->lock );
  }
  pthread_mutex_unlock( &rt->lock );
  return err;
}

dmg_worker_t *
dmg_worker_main( dmg_runtime_t * rt ) {
  pthread_mutex_lock( &rt->lock );
  DMG_ASSERT( !rt->main->is_busy );
  rt->main->is_busy = true;
  pthread_mutex_unlock( &rt->lock );
  return rt->main;
}

void
dmg_worker_give( dmg_runtime_t * rt, dmg_worker_t * w ) {
  dmg_ov_reset( &w->ov, NULL, NULL );           /* before the arena, which who comes next may use for something else */
  dmg_arena_reset( w->tx_arena );
  pthread_mutex_lock( &rt->lock );
  dmg_reg_set_drop( rt, &w->set );
  w->is_busy = false;
  pthread_cond_signal( &rt->reader_free );
  pthread_mutex_unlock( &rt->lock );
}

/* ---- Opening a state ---- */

static dmg_err_t
params_load( dmg_block_set_t * bs, dmg_params_t * out ) {
  dmg_params_default( out );
  for( unsigned i=0; i<DMG_PARAM_CNT; i++ ) {
    uint8_t          key[ DMG_KEY_MAX ];
    dmg_span_t       bcs;
    dmg_item_param_t param;
    DMG_TRY( dmg_nat_get( bs, DMG_ITEM_PARAM, key, dmg_key_param( dmg_param_desc[ i ].module, dmg_param_desc[ i ].key, key ), &bcs ) );
    if( !bcs.p ) continue;
    DMG_TRY( dmg_item_param_get( bcs, &param ) );
    /* Bounds were judged when it was set, by genesis kind; here only the form matters. */
    if( param.value.sz!=8 ) return DMG_ERR_CORRUPT;
    out->v[ i ] = dmg_load_u64le( param.value.p );
  }
  return DMG_OK;
}

static dmg_err_t
price_load( dmg_block_set_t * bs, uint64_t * out ) {
  uint8_t          key[ DMG_KEY_MAX ];
  dmg_span_t       bcs;
  dmg_item_block_t block;
  DMG_TRY( dmg_nat_get( bs, DMG_ITEM_BLOCK, key, dmg_key_block( key ), &bcs ) );
  DMG_TRY( dmg_item_block_get( bcs, &block ) );
  *out = block.price;
  return DMG_OK;
}

/* No lock of coins anywhere: true for every account at once, so the prologue need not look (M2.2). */
static dmg_err_t
lockless_load( dmg_view_t * view, bool * out ) {
  uint8_t      prefix[ DMG_KEY_MAX ];
  dmg_iter_t * it;
  dmg_span_t   key;
  DMG_TRY( dmg_view_iter( view, dmg_span( prefix, dmg_key_prefix( DMG_MODULE_BALANCES, dmg_native_item[ DMG_ITEM_LOCK ].item, prefix ) ), (dmg_span_t){ 0 }, false, &it ) );
  dmg_err_t err = dmg_iter_next( it, &key, NULL );
  dmg_iter_close( it );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  *out = err==DMG_ERR_NOT_FOUND;
  return DMG_OK;
}

/* The modules of the state under view; enough for whoever runs nothing. */
static dmg_err_t
modules_open( dmg_exec_t * x, dmg_runtime_t * rt, dmg_worker_t * w, dmg_view_t * view, dmg_block_ctx_t const * ctx, dmg_arena_t * arena ) {
  *x = (dmg_exec_t){ .rt = rt, .w = w, .set = &w->set, .ctx = ctx, .arena = arena, .ov = &w->ov, .tx_arena = w->tx_arena };
  DMG_TRY( dmg_bs_init( &x->bs, view, arena, rt->cfg.hash_seed ) );
  return dmg_reg_set( rt, &x->bs, &w->set );
}

dmg_err_t
dmg_exec_open( dmg_exec_t * x, dmg_runtime_t * rt, dmg_worker_t * w, dmg_view_t * view, dmg_block_ctx_t const * ctx, dmg_arena_t * arena ) {
  DMG_TRY( modules_open( x, rt, w, view, ctx, arena ) );
  DMG_TRY( dmg_reg_insts( w ) );
  DMG_TRY( params_load( &x->bs, &x->params ) );
  DMG_TRY( price_load( &x->bs, &x->price ) );
  return lockless_load( view, &x->is_lockless );
}

/* A worker that only looks: interfaces and schema hashes.  The transaction arena serves as the block's.
   On success the caller gives *out_w back. */
static dmg_err_t
look_open( dmg_runtime_t * rt, dmg_view_t * view, dmg_exec_t * x, dmg_worker_t ** out_w ) {
  static dmg_block_ctx_t const ctx = { .height = 1 };
  DMG_TRY( dmg_worker_take( rt, out_w ) );
  dmg_err_t err = modules_open( x, rt, *out_w, view, &ctx, ( *out_w )->tx_arena );
  if( err ) dmg_worker_give( rt, *out_w );
  return err;
}

void
dmg_exec_begin( dmg_exec_t * x, dmg_tx_t const * tx, uint32_t index ) {
  dmg_ov_reset( x->ov, &x->bs, x->tx_arena );   /* first: it looks at the entries, which are in the arena */
  dmg_arena_reset( x->tx_arena );
  memset( &x->tx, 0, sizeof( x->tx ) );
  x->tx.events = x->w->events;
  x->tx.index  = index;
  x->tx.call   = DMG_RECEIPT_CALL_NONE;
  x->tx.stack  = DMG_VM_SLOTS_MAX;
  x->tx.role   = DMG_ROLE_HOOK;
  if( !tx ) return;
  x->tx.tx        = tx;
  x->tx.id        = tx->id;
  x->tx.sender    = tx->sender;
  x->tx.payer     = tx->sender;
  x->tx.intrinsic = dmg_tx_intrinsic_gas( tx, tx->raw.sz );
}

/* ---- A transaction ---- */

/* The calls of a proposal that has just reached its threshold (M1.9 F): as the account, on the approver's
   gas; any fault leaves it open. */
static dmg_err_t
msig_run( dmg_exec_t * x, dmg_span_t args, bool * out_go_on ) {
  uint8_t          key[ DMG_KEY_MAX ];
  dmg_ov_entry_t * e;
  dmg_item_msig_t  msig;
  *out_go_on = true;
  DMG_ASSERT( args.sz==4 );   /* id u32, held against the interface */
  DMG_TRY( dmg_nat_entry( x, DMG_ITEM_MSIG, key, dmg_key_msig( &x->tx.sender, dmg_load_u32le( args.p ), key ), &e ) );
  if( !e->cur.is_present ) return DMG_OK;
  DMG_TRY( dmg_item_msig_get( e->cur.body, &msig ) );
  dmg_role_t role  = msig.level==DMG_LEVEL_OWNER ? DMG_ROLE_OWNER : DMG_ROLE_USE, was = x->tx.role;
  size_t     mark  = dmg_ov_mark( x->ov );
  uint32_t   events = x->tx.event_cnt, event_sz = x->tx.event_sz;
  bool       ok    = true;
  x->tx.role = role;
  for( uint32_t i=0; i<msig.call_cnt && ok && *out_go_on; i++ ) {
    dmg_tx_call_t const * c = &msig.calls[ i ];
    dmg_frame_spec_t      spec = { .kind = 0, .args = c->args, .role = role, .actor = x->tx.sender };
    dmg_void_t            r;
    dmg_frame_res_t       res;
    DMG_TRY( dmg_call_check( x, c->module, c->call, &c->schema, c->args, &spec.mod, &spec.fn, &r ) );
    if( r || !dmg_abi_allows( spec.fn, role ) ) { ok = false; break; }
    DMG_TRY( dmg_frame_run( x, NULL, &spec, &res ) );
    if( res.end==DMG_FRAME_FAIL ) *out_go_on = false;
    if( res.end!=DMG_FRAME_OK )   ok = false;
  }
  x->tx.role = was;
  if( !*out_go_on ) return DMG_OK;
  if( ok ) return dmg_ov_delete( x->ov, e );
  dmg_ov_rollback( x->ov, mark );
  x->tx.event_cnt = events;
  x->tx.event_sz  = event_sz;
  return DMG_OK;
}

/* One top call; false in *out_go_on ends the transaction with x->tx.status set. */
static dmg_err_t
call_run( dmg_exec_t * x, uint32_t i, bool * out_go_on ) {
  dmg_tx_call_t const * c    = &x->tx.tx->calls[ i ];
  dmg_mod_t const *     mod  = dmg_reg_find( x->set, c->module );
  dmg_frame_spec_t      spec = { .mod = mod, .kind = 0, .fn = dmg_abi_call( mod->code->abi, c->call ), .args = c->args, .role = x->tx.role, .actor = x->tx.sender };
  dmg_frame_res_t       res;
  x->tx.call_idx = (uint16_t)i;
  *out_go_on     = false;
  DMG_TRY( dmg_frame_run( x, NULL, &spec, &res ) );
  if( res.end==DMG_FRAME_FAIL ) return DMG_OK;
  if( res.end==DMG_FRAME_FAULT ) {
    x->tx.status       = DMG_STATUS_FAULT;
    x->tx.module       = mod->id;
    x->tx.code         = res.fault;
    x->tx.results[ 0 ] = res.out;       /* the payload is what the caller gets to see */
    x->tx.result_cnt   = 1;
    return DMG_OK;
  }
  if( res.out.sz>DMG_RESULT_SZ_MAX ) {
    x->tx.status = DMG_STATUS_HOST;
    x->tx.module = mod->id;
    x->tx.code   = DMG_HOST_RESULT;
    return DMG_OK;
  }
  x->tx.ticks -= (int64_t)res.out.sz*DMG_GAS_RESULT_B*DMG_GAS_TICKS;
  if( x->tx.ticks<0 ) {
    x->tx.status = DMG_STATUS_NO_GAS;
    x->tx.module = mod->id;
    return DMG_OK;
  }
  dmg_span_t result = dmg_arena_dup( x->tx_arena, res.out );
  if( !result.p ) return DMG_ERR_NOMEM;
  x->tx.results[ x->tx.result_cnt++ ] = result;
  *out_go_on = true;
  if( mod->id==DMG_MODULE_SYSTEM && c->call==MSIG_APPROVE && result.sz==1 && result.p[ 0 ]==1 ) return msig_run( x, c->args, out_go_on );
  return DMG_OK;
}

static dmg_err_t
calls_run( dmg_exec_t * x, size_t mark ) {
  dmg_tx_t const * tx = x->tx.tx;
  x->tx.ticks = (int64_t)tx->gas*DMG_GAS_TICKS-(int64_t)dmg_tx_frame_gas( tx )*DMG_GAS_TICKS;
  if( x->tx.ticks<0 ) { x->tx.status = DMG_STATUS_NO_GAS; return DMG_OK; }
  for( uint32_t i=0; i<tx->call_cnt; i++ ) {
    bool go_on;
    DMG_TRY( call_run( x, i, &go_on ) );
    if( go_on ) continue;
    x->tx.call = (uint8_t)i;
    dmg_ov_rollback( x->ov, mark );
    x->tx.event_cnt = x->tx.event_sz = 0;
    if( x->tx.status!=DMG_STATUS_FAULT ) x->tx.result_cnt = 0;
    return DMG_OK;
  }
  return DMG_OK;
}

dmg_err_t
dmg_exec_tx( dmg_exec_t * x ) {
  dmg_void_t reason;
  DMG_TRY( dmg_prologue( x, &reason ) );
  if( reason ) {
    dmg_tx_t const * tx   = x->tx.tx;
    uint64_t         have = x->tx.void_have, want = x->tx.void_want;
    dmg_exec_begin( x, tx, x->tx.index );   /* no write, charge or reward (R4.3) */
    x->tx.status    = DMG_STATUS_VOID;
    x->tx.code      = (uint32_t)reason;
    x->tx.void_have = have;
    x->tx.void_want = want;
    return DMG_OK;
  }
  DMG_TRY( dmg_epilogue_arm( x ) );
  size_t mark = dmg_ov_mark( x->ov );
  DMG_TRY( calls_run( x, mark ) );
  return dmg_epilogue( x, mark );
}

dmg_err_t
dmg_exec_hook( dmg_exec_t * x, dmg_mod_t const * mod, dmg_hook_t hook, dmg_span_t args, uint64_t gas, uint64_t * out_used ) {
  dmg_frame_spec_t spec = { .mod = mod, .kind = 2, .fn = dmg_abi_hook( mod->code->abi, (uint16_t)hook ), .args = args, .role = DMG_ROLE_HOOK, .actor = mod->self };
  DMG_ASSERT( spec.fn );
  dmg_frame_res_t res;
  x->tx.payer = mod->self;
  x->tx.ticks = (int64_t)gas*DMG_GAS_TICKS;
  DMG_TRY( dmg_frame_run( x, NULL, &spec, &res ) );
  *out_used = ( gas*DMG_GAS_TICKS-(uint64_t)( x->tx.ticks<0 ? 0 : x->tx.ticks )+DMG_GAS_TICKS-1 )/DMG_GAS_TICKS;
  if( res.end==DMG_FRAME_FAULT ) {
    x->tx.status       = DMG_STATUS_FAULT;
    x->tx.module       = mod->id;
    x->tx.code         = res.fault;
    x->tx.results[ 0 ] = res.out;
    x->tx.result_cnt   = 1;
  }
  return DMG_OK;
}

/* ---- Blocks ---- */

typedef struct { dmg_hash_t const ** slots; size_t cnt; uint64_t seed; } id_set_t;

static dmg_err_t
id_set_init( id_set_t * set, size_t id_cnt, uint64_t seed, dmg_arena_t * arena ) {
  set->cnt  = 16;
  set->seed = seed;
  while( set->cnt<2*id_cnt ) set->cnt *= 2;
  set->slots = DMG_ARENA_NEW( arena, dmg_hash_t const *, set->cnt );
  return set->slots ? DMG_OK : DMG_ERR_NOMEM;
}

/* false: it is there already. */
static bool
id_set_add( id_set_t * set, dmg_hash_t const * id ) {
  size_t i = (size_t)( ( ( dmg_load_u64le( id->b )^set->seed )*0x9e3779b97f4a7c15ull )>>20 )&( set->cnt-1 );
  while( set->slots[ i ] ) {
    if( dmg_hash_eq( set->slots[ i ], id ) ) return false;
    i = ( i+1 )&( set->cnt-1 );
  }
  set->slots[ i ] = id;
  return true;
}

/* Rules of one transaction in a block; sums go on in *gas and *intrinsic only if it fits. */
static bool
fits( dmg_params_t const * params, dmg_block_ctx_t const * ctx, dmg_tx_t const * tx, size_t index, size_t cnt, uint64_t * gas, uint64_t * intrinsic, dmg_exec_why_t * why ) {
  if( !dmg_hash_eq( &tx->chain, &ctx->chain_id ) ) { dmg_why( why, "transaction %zu names another chain id", index ); return false; }
  if( tx->expiry<ctx->height ) {
    dmg_why( why, "transaction %zu expired at height %llu, the block has %llu", index, (unsigned long long)tx->expiry, (unsigned long long)ctx->height );
    return false;
  }
  uint64_t tx_max = params->v[ DMG_PARAM_BLOCK_TXS ], gas_max = params->v[ DMG_PARAM_BLOCK_GAS ], intrinsic_max = params->v[ DMG_PARAM_BLOCK_INTRINSIC ];
  if( cnt>=tx_max ) { dmg_why( why, "more than %llu transactions", (unsigned long long)tx_max ); return false; }
  uint64_t own = dmg_tx_intrinsic_gas( tx, tx->raw.sz );
  if( tx->gas>gas_max-*gas ) { dmg_why( why, "gas limits sum to more than %llu at transaction %zu", (unsigned long long)gas_max, index ); return false; }
  if( own>intrinsic_max-*intrinsic ) { dmg_why( why, "intrinsic gas sums to more than %llu at transaction %zu", (unsigned long long)intrinsic_max, index ); return false; }
  *gas       += tx->gas;
  *intrinsic += own;
  return true;
}

dmg_err_t
dmg_runtime_params( dmg_view_t * view, dmg_arena_t * scratch, dmg_params_t * out_params, uint64_t * out_price ) {
  dmg_block_set_t bs;
  DMG_TRY( dmg_bs_init( &bs, view, scratch, 0 ) );
  DMG_TRY( params_load( &bs, out_params ) );
  return price_load( &bs, out_price );
}

typedef struct {
  dmg_tx_t * const * txs;
  size_t             tx_cnt;
  bool               is_build;
  id_set_t           ids;
} block_t;

/* Executes txs[ i ]; *out_is_in false: left out of a block that is being built. */
static dmg_err_t
block_tx( dmg_exec_t * x, block_t * b, size_t i, dmg_exec_out_t * out, bool * out_is_in ) {
  dmg_tx_t const * tx = b->txs[ i ];
  *out_is_in = false;
  uint64_t gas = out->gas_limits, intrinsic = out->intrinsic;
  bool     ok  = fits( &x->params, x->ctx, tx, i, out->tx_cnt, &gas, &intrinsic, &out->why );
  if( ok && !id_set_add( &b->ids, &tx->id ) ) {
    dmg_why( &out->why, "transaction %zu occurs twice", i );
    ok = false;
  }
  if( !ok ) { out->is_invalid = !b->is_build; return DMG_OK; }
  dmg_exec_begin( x, tx, (uint32_t)out->tx_cnt );
  DMG_TRY( dmg_exec_tx( x ) );
  if( b->is_build && x->tx.status==DMG_STATUS_VOID ) return DMG_OK;
  dmg_exec_tx_t * t = &out->txs[ out->tx_cnt ];
  DMG_TRY( dmg_exec_commit( x, &t->receipt ) );
  t->index      = (uint32_t)i;
  t->id         = tx->id;
  t->status     = x->tx.status;
  t->code       = x->tx.code;
  t->gas_used   = x->tx.used;
  t->gas_billed = x->tx.billed;
  t->fee        = x->tx.fee;
  t->tip        = x->tx.tip;
  out->gas_limits = gas;
  out->intrinsic  = intrinsic;
  out->tx_cnt++;
  *out_is_in = true;
  return DMG_OK;
}

static dmg_err_t
block_run( dmg_exec_t * x, block_t * b, dmg_exec_out_t * out ) {
  x->out = out;
  DMG_TRY( id_set_init( &b->ids, b->tx_cnt, x->rt->cfg.hash_seed, x->arena ) );
  out->txs = DMG_ARENA_NEW( x->arena, dmg_exec_tx_t, b->tx_cnt );
  dmg_span_t * receipts = DMG_ARENA_NEW( x->arena, dmg_span_t, b->tx_cnt );
  if( !out->txs || !receipts ) return DMG_ERR_NOMEM;
  for( size_t i=0; i<b->tx_cnt; i++ ) {
    bool is_in;
    DMG_TRY( block_tx( x, b, i, out, &is_in ) );
    if( out->is_invalid ) return DMG_OK;
    if( is_in ) receipts[ out->tx_cnt-1 ] = out->txs[ out->tx_cnt-1 ].receipt;
  }
  DMG_TRY( dmg_block_end( x, receipts, out->tx_cnt ) );
  out->why = (dmg_exec_why_t){ 0 };
  return dmg_bs_writes( &x->bs, x->arena, &out->writes, &out->write_cnt );
}

dmg_err_t
dmg_runtime_exec_block( dmg_runtime_t * rt, dmg_view_t * parent, dmg_block_ctx_t const * ctx, dmg_tx_t * const * txs, size_t tx_cnt, uint32_t flags,
                        dmg_arena_t * arena, dmg_exec_out_t * out ) {
  DMG_ASSERT( ctx->height>=1 );
  dmg_worker_t * w = dmg_worker_main( rt );
  dmg_exec_t     x;
  block_t        b   = { .txs = txs, .tx_cnt = tx_cnt, .is_build = flags&DMG_EXEC_BUILD };
  dmg_exec_out_t res = { 0 };
  dmg_err_t      err = dmg_exec_open( &x, rt, w, parent, ctx, arena );
  if( !err ) err = block_run( &x, &b, &res );
  dmg_worker_give( rt, w );
  if( err ) return err;
  if( res.is_invalid ) res = (dmg_exec_out_t){ .is_invalid = true, .why = res.why };
  *out = res;
  return DMG_OK;
}

/* ---- Read-only ---- */

dmg_err_t
dmg_runtime_prepare( dmg_runtime_t * rt, dmg_view_t * view ) {
  dmg_arena_t *   arena = dmg_arena_new( 16u<<20 );
  dmg_worker_t *  w     = dmg_worker_main( rt ), * reader = NULL;
  dmg_block_ctx_t ctx   = { .height = 1 };
  dmg_exec_t      x;
  dmg_err_t       err   = arena ? DMG_OK : DMG_ERR_NOMEM;
  if( !err ) err = dmg_exec_open( &x, rt, w, view, &ctx, arena );
  dmg_worker_give( rt, w );
  if( !err ) err = dmg_worker_take( rt, &reader );
  if( !err ) err = dmg_exec_open( &x, rt, reader, view, &ctx, arena );
  if( reader ) dmg_worker_give( rt, reader );
  dmg_arena_free( arena );
  return err ? err : dmg_code_cache_sync( rt->cfg.cache );
}

static void
answer_fill( dmg_exec_t const * x, dmg_frame_res_t const * res, dmg_answer_t * out ) {
  switch( res->end ) {
  case DMG_FRAME_OK: out->kind = DMG_ANSWER_OK; out->value = res->out; break;
  case DMG_FRAME_FAULT:
    out->kind  = DMG_ANSWER_FAULT;
    out->fault = res->fault;
    out->value = res->out;
    dmg_why( &out->why, "the query answered fault %u", res->fault );
    break;
  case DMG_FRAME_FAIL:
    out->kind  = DMG_ANSWER_FAILED;
    out->fault = x->tx.status;
    dmg_why( &out->why, "the query did not end: %s in module %u (code %u)", dmg_status_text( x->tx.status ), x->tx.module, x->tx.code );
    break;
  }
}

static dmg_err_t
query_run( dmg_exec_t * x, uint16_t module, uint16_t query, dmg_span_t args, uint64_t gas, dmg_answer_t * out ) {
  dmg_mod_t const * mod = dmg_reg_find( x->set, module );
  if( !mod ) { out->kind = DMG_ANSWER_NO_MODULE; dmg_why( &out->why, "module %u is not active", module ); return DMG_OK; }
  dmg_abi_fn_t const * fn = dmg_abi_query( mod->code->abi, query );
  if( !fn ) { out->kind = DMG_ANSWER_NO_QUERY; dmg_why( &out->why, "module %u has no query %u", module, query ); return DMG_OK; }
  size_t        off;
  dmg_bcs_bad_t bad = dmg_type_validate( fn->args, args, &off );
  if( bad ) { out->kind = DMG_ANSWER_ARGS; dmg_why( &out->why, "arguments: %s, at byte %zu", dmg_bcs_bad_text( bad ), off ); return DMG_OK; }

  uint64_t max = x->params.v[ DMG_PARAM_BLOCK_GAS ];
  if( !gas || gas>max ) gas = max;
  dmg_exec_begin( x, NULL, 0 );
  x->tx.role  = DMG_ROLE_UNSIGNED;
  x->tx.ticks = (int64_t)gas*DMG_GAS_TICKS;
  dmg_frame_spec_t spec = { .mod = mod, .kind = 1, .fn = fn, .args = args, .role = DMG_ROLE_UNSIGNED };
  dmg_frame_res_t  res;
  DMG_TRY( dmg_frame_run( x, NULL, &spec, &res ) );
  answer_fill( x, &res, out );
  int64_t left  = x->tx.ticks<0 ? 0 : x->tx.ticks;
  out->gas_used = ( gas*DMG_GAS_TICKS-(uint64_t)left+DMG_GAS_TICKS-1 )/DMG_GAS_TICKS;
  if( !out->value.sz ) { out->value = (dmg_span_t){ 0 }; return DMG_OK; }
  out->value = dmg_arena_dup( x->arena, out->value );
  return out->value.p ? DMG_OK : DMG_ERR_NOMEM;
}

dmg_err_t
dmg_runtime_query( dmg_runtime_t * rt, dmg_view_t * view, dmg_block_ctx_t const * ctx, uint16_t module, uint16_t query, dmg_span_t args, uint64_t gas, dmg_arena_t * arena,
                   dmg_answer_t * out ) {
  dmg_worker_t * w;
  dmg_exec_t     x;
  dmg_answer_t   res = { 0 };
  DMG_TRY( dmg_worker_take( rt, &w ) );
  dmg_err_t err = dmg_exec_open( &x, rt, w, view, ctx, arena );
  if( !err ) err = query_run( &x, module, query, args, gas, &res );
  dmg_worker_give( rt, w );
  if( !err ) *out = res;
  return err;
}

/* The hash that SCHEMA wants; zero: no such call. */
static dmg_err_t
schema_wanted( dmg_exec_t * x, uint16_t module, uint16_t call, dmg_hash_t * out ) {
  uint8_t           key[ DMG_KEY_MAX ];
  dmg_span_t        bcs;
  dmg_item_schema_t accepted;
  DMG_TRY( dmg_nat_get( &x->bs, DMG_ITEM_SCHEMA, key, dmg_key_schema( module, call, key ), &bcs ) );
  if( !bcs.p ) return DMG_OK;
  DMG_TRY( dmg_item_schema_get( bcs, &accepted ) );
  if( accepted.cnt ) *out = accepted.hashes[ 0 ];
  return DMG_OK;
}

static dmg_err_t
check_run( dmg_exec_t * x, uint16_t module, uint16_t call, dmg_hash_t const * schema, dmg_span_t args, dmg_call_check_t * out ) {
  dmg_mod_t const *    mod = NULL;
  dmg_abi_fn_t const * fn  = NULL;
  DMG_TRY( dmg_call_check( x, module, call, schema, args, &mod, &fn, &out->reason ) );
  mod = dmg_reg_find( x->set, module );   /* a refusal sets neither */
  fn  = mod ? dmg_abi_call( mod->code->abi, call ) : NULL;
  if( fn ) {
    out->gas_line = fn->gas;
    out->auth     = fn->auth;
  }
  switch( out->reason ) {
  case DMG_VOID_MODULE: dmg_why( &out->why, "module %u is absent or not active", module ); break;
  case DMG_VOID_SCHEMA:
    if( !fn ) { dmg_why( &out->why, "module %u has no call %u", module, call ); break; }
    DMG_TRY( schema_wanted( x, module, call, &out->want ) );
    dmg_why( &out->why, "the schema hash of call %u of module %u is not accepted: the interface has changed, fetch it again", call, module );
    break;
  case DMG_VOID_ARGS: {
    size_t        off;
    DMG_ASSERT( fn );
    dmg_bcs_bad_t bad = dmg_type_validate( fn->args, args, &off );
    dmg_why( &out->why, "arguments of call %u of module %u: %s, at byte %zu", call, module, dmg_bcs_bad_text( bad ), off );
    break;
  }
  default: break;
  }
  return DMG_OK;
}

struct dmg_call_checker { dmg_runtime_t * rt; dmg_worker_t * w; dmg_exec_t x; };

dmg_err_t
dmg_runtime_checker_open( dmg_runtime_t * rt, dmg_view_t * view, dmg_call_checker_t ** out_checker ) {
  dmg_call_checker_t * c = calloc( 1, sizeof( *c ) );
  if( !c ) return DMG_ERR_NOMEM;
  c->rt = rt;
  dmg_err_t err = look_open( rt, view, &c->x, &c->w );
  if( err ) { free( c ); return err; }
  *out_checker = c;
  return DMG_OK;
}

dmg_err_t
dmg_runtime_checker_check( dmg_call_checker_t * c, uint16_t module, uint16_t call, dmg_hash_t const * schema, dmg_span_t args, dmg_call_check_t * out ) {
  dmg_call_check_t res = { 0 };
  DMG_TRY( check_run( &c->x, module, call, schema, args, &res ) );
  *out = res;
  return DMG_OK;
}

void
dmg_runtime_checker_close( dmg_call_checker_t * c ) {
  if( !c ) return;
  dmg_worker_give( c->rt, c->w );
  free( c );
}

dmg_err_t
dmg_runtime_check_call( dmg_runtime_t * rt, dmg_view_t * view, uint16_t module, uint16_t call, dmg_hash_t const * schema, dmg_span_t args, dmg_call_check_t * out ) {
  dmg_call_checker_t * c;
  DMG_TRY( dmg_runtime_checker_open( rt, view, &c ) );
  dmg_err_t err = dmg_runtime_checker_check( c, module, call, schema, args, out );
  dmg_runtime_checker_close( c );
  return err;
}

dmg_err_t
dmg_runtime_abi( dmg_runtime_t * rt, dmg_view_t * view, uint16_t module, dmg_arena_t * arena, dmg_span_t * out_abi ) {
  dmg_worker_t * w;
  dmg_exec_t     x;
  DMG_TRY( look_open( rt, view, &x, &w ) );
  dmg_mod_t const * mod = dmg_reg_find( x.set, module );
  dmg_span_t        abi = mod ? dmg_arena_dup( arena, mod->code->abi_raw ) : (dmg_span_t){ 0 };
  dmg_worker_give( rt, w );
  if( !mod )   return DMG_ERR_NOT_FOUND;
  if( !abi.p ) return DMG_ERR_NOMEM;
  *out_abi = abi;
  return DMG_OK;
}

dmg_err_t
dmg_runtime_modules( dmg_runtime_t * rt, dmg_view_t * view, uint16_t * out_ids, uint32_t max, uint32_t * out_cnt ) {
  dmg_worker_t * w;
  dmg_exec_t     x;
  DMG_TRY( look_open( rt, view, &x, &w ) );
  dmg_err_t err = x.set->cnt>max ? DMG_ERR_LIMIT : DMG_OK;
  if( !err ) {
    for( uint32_t i=0; i<x.set->cnt; i++ ) out_ids[ i ] = x.set->mods[ i ].id;
    *out_cnt = x.set->cnt;
  }
  dmg_worker_give( rt, w );
  return err;
}
