#include "runtime/exec_int.h"

#include "base/assert.h"
#include "runtime/wasm_instr.h"
#include "types/schema.h"

#define INIT_GAS   20000000000ull   /* of one hook run: wide, but it ends (M16.6) */
#define HOST_API   1                /* "dm1" */

typedef struct {
  dmg_exec_t               x;
  dmg_genesis_t const *    genesis;
  dmg_code_files_t const * files;
  dmg_exec_why_t *         why;
} genesis_t;

static dmg_err_t
put( genesis_t * g, dmg_item_t item, uint8_t const * key, size_t key_sz, dmg_span_t bcs ) {
  dmg_ov_item_t const * desc = &dmg_native_item[ item ];
  size_t    sz = dmg_value_sz( desc->has_record, bcs.sz );
  uint8_t * v  = dmg_arena_alloc( g->x.tx_arena, sz );
  if( !v ) return DMG_ERR_NOMEM;
  dmg_value_build( desc->has_record, desc->schema, NULL, bcs, v );   /* record {zero, 0} (M16.6) */
  return dmg_bs_put( &g->x.bs, dmg_span( key, key_sz ), dmg_span( v, sz ), desc->is_ordered );
}

/* ---- Interfaces together (R3.1) ---- */

static dmg_mod_t const *
set_named( dmg_mod_set_t const * set, dmg_span_t name ) {
  for( uint32_t i=0; i<set->cnt; i++ ) if( dmg_span_eq( set->mods[ i ].code->abi->name, name ) ) return &set->mods[ i ];
  return NULL;
}

/* use name ^a.b.c: same major, at least that version; for major 0 the minor is the major. */
static bool
version_meets( dmg_semver_t have, dmg_semver_t want ) {
  if( have.major!=want.major ) return false;
  if( !want.major && have.minor!=want.minor ) return false;
  if( have.minor!=want.minor ) return have.minor>want.minor;
  return have.patch>=want.patch;
}

static bool
use_is_met( genesis_t * g, dmg_abi_t const * abi, dmg_abi_use_t const * use ) {
  dmg_mod_t const * mod = set_named( &g->x.w->set, use->name );
  if( !mod || !version_meets( mod->code->abi->version, use->version ) ) {
    dmg_why( g->why, "module %u uses %.*s ^%u.%u.%u, which the genesis does not have", abi->module, DMG_SPAN_F( use->name ),
             use->version.major, use->version.minor, use->version.patch );
    return false;
  }
  for( uint32_t i=0; i<use->call_cnt; i++ )
    if( !dmg_abi_call_named( mod->code->abi, use->calls[ i ] ) ) { dmg_why( g->why, "module %u uses call %.*s of module %u, which it lacks", abi->module, DMG_SPAN_F( use->calls[ i ] ), mod->id ); return false; }
  for( uint32_t i=0; i<use->query_cnt; i++ )
    if( !dmg_abi_query_named( mod->code->abi, use->queries[ i ] ) ) { dmg_why( g->why, "module %u uses query %.*s of module %u, which it lacks", abi->module, DMG_SPAN_F( use->queries[ i ] ), mod->id ); return false; }
  return true;
}

/* Takes away modules that call no remaining one, until none is left: what stays lies on a circle. */
static bool
is_acyclic( dmg_mod_set_t const * set ) {
  bool     gone[ DMG_GENESIS_MODULE_MAX ] = { false };
  uint32_t left = set->cnt;
  for( bool moved = true; moved && left; ) {
    moved = false;
    for( uint32_t i=0; i<set->cnt; i++ ) {
      if( gone[ i ] ) continue;
      bool              is_leaf = true;
      dmg_abi_t const * abi     = set->mods[ i ].code->abi;
      for( uint32_t u=0; u<abi->use_cnt; u++ ) {
        dmg_mod_t const * to = set_named( set, abi->uses[ u ].name );
        if( to && abi->uses[ u ].call_cnt && !gone[ to-set->mods ] ) is_leaf = false;
      }
      if( is_leaf ) { gone[ i ] = true; left--; moved = true; }
    }
  }
  return !left;
}

static dmg_err_t
interfaces_check( genesis_t * g ) {
  dmg_mod_set_t const * set = &g->x.w->set;
  for( uint32_t i=0; i<set->cnt; i++ ) {
    dmg_abi_t const * abi = set->mods[ i ].code->abi;
    for( uint32_t u=0; u<abi->use_cnt; u++ ) if( !use_is_met( g, abi, &abi->uses[ u ] ) ) return DMG_ERR_INVALID;
    for( uint32_t h=0; h<abi->hook_cnt; h++ )
      if( abi->hooks[ h ].id!=DMG_HOOK_INIT && abi->hooks[ h ].id!=DMG_HOOK_CHECK ) {
        dmg_why( g->why, "module %u: hook %u is not run by this version, only init and check are", abi->module, abi->hooks[ h ].id );
        return DMG_ERR_INVALID;
      }
    for( uint32_t k=0; k<i; k++ )
      if( dmg_span_eq( set->mods[ k ].code->abi->name, abi->name ) ) { dmg_why( g->why, "modules %u and %u have the same name", set->mods[ k ].id, abi->module ); return DMG_ERR_INVALID; }
  }
  if( !is_acyclic( set ) ) { dmg_why( g->why, "the modules' calls form a circle" ); return DMG_ERR_INVALID; }
  return DMG_OK;
}

/* ---- Native records ---- */

static dmg_err_t
module_load( genesis_t * g, dmg_genesis_module_t const * m ) {
  dmg_span_t file = g->files->get( g->files->ctx, &m->code );
  if( !file.p ) { dmg_why( g->why, "the code file of module %u is missing", m->id ); return DMG_ERR_INVALID; }
  dmg_hash_t is = dmg_code_hash( file );
  if( !dmg_hash_eq( &is, &m->code ) ) { dmg_why( g->why, "the code file of module %u has another hash than the genesis names", m->id ); return DMG_ERR_INVALID; }
  dmg_mod_set_t * set = &g->x.w->set;
  dmg_mod_t *     mod = &set->mods[ set->cnt ];
  mod->id     = m->id;
  mod->status = DMG_MODULE_ACTIVE;
  mod->self   = dmg_module_address( m->id, 0 );
  DMG_TRY( dmg_reg_code( g->x.rt, &m->code, file, g->genesis->instr_version, &mod->code, g->why ) );
  set->cnt++;                               /* pinned */
  if( mod->code->abi->module!=m->id ) { dmg_why( g->why, "the code given for module %u says that it is module %u", m->id, mod->code->abi->module ); return DMG_ERR_INVALID; }

  uint8_t   key[ DMG_KEY_MAX ];
  uint8_t * bcs = dmg_arena_alloc( g->x.tx_arena, DMG_ITEM_CODE_MAX );
  if( !bcs ) return DMG_ERR_NOMEM;
  return put( g, DMG_ITEM_CODE, key, dmg_key_code( &m->code, key ), dmg_span( bcs, dmg_item_code_put( file, bcs ) ) );
}

static dmg_err_t
module_record( genesis_t * g, dmg_mod_t const * mod ) {
  dmg_abi_t const * abi = mod->code->abi;
  dmg_item_module_t rec = { .name = abi->name, .version = abi->version, .code = mod->code->hash, .abi = mod->code->abi_hash,
                            .storage_version = abi->storage_version, .status = DMG_MODULE_ACTIVE };
  if( abi->name.sz>DMG_MODULE_NAME_MAX || abi->use_cnt>DMG_MODULE_DEP_MAX ) {
    dmg_why( g->why, "module %u: its name passes %u bytes or it uses more than %u modules", mod->id, DMG_MODULE_NAME_MAX, DMG_MODULE_DEP_MAX );
    return DMG_ERR_INVALID;
  }
  for( uint32_t u=0; u<abi->use_cnt; u++ ) {
    rec.deps[ rec.dep_cnt   ].module  = set_named( &g->x.w->set, abi->uses[ u ].name )->id;
    rec.deps[ rec.dep_cnt++ ].version = abi->uses[ u ].version;
  }
  uint8_t key[ DMG_KEY_MAX ], buf[ DMG_ITEM_MODULE_MAX ];
  DMG_TRY( put( g, DMG_ITEM_MODULE, key, dmg_key_module( mod->id, key ), dmg_span( buf, dmg_item_module_put( &rec, buf ) ) ) );
  for( uint32_t i=0; i<abi->call_cnt; i++ ) {
    dmg_item_schema_t accepted = { .cnt = 1 };
    uint8_t           bcs[ DMG_ITEM_SCHEMA_MAX ];
    DMG_TRY( dmg_schema_hash( mod->id, &abi->calls[ i ], &accepted.hashes[ 0 ] ) );
    DMG_TRY( put( g, DMG_ITEM_SCHEMA, key, dmg_key_schema( mod->id, abi->calls[ i ].id, key ), dmg_span( bcs, dmg_item_schema_put( &accepted, bcs ) ) ) );
  }
  return DMG_OK;
}

static dmg_err_t
params_write( genesis_t * g ) {
  dmg_params_default( &g->x.params );
  for( uint32_t i=0; i<g->genesis->param_cnt; i++ ) {
    dmg_genesis_param_t const * p = &g->genesis->params[ i ];
    dmg_param_t which;
    uint64_t    value;
    uint8_t     key[ DMG_KEY_MAX ], buf[ DMG_ITEM_PARAM_MAX ];
    if( !dmg_param_find( p->module, p->key, &which ) || !dmg_param_parse( which, p->value, g->genesis->kind==DMG_GENESIS_DEV, &value ) ) {
      dmg_why( g->why, "parameter %u of module %u is unknown, or its value is not 8 bytes inside the bounds", p->key, p->module );
      return DMG_ERR_INVALID;
    }
    g->x.params.v[ which ] = value;
    dmg_item_param_t param = { .value = p->value };
    DMG_TRY( put( g, DMG_ITEM_PARAM, key, dmg_key_param( p->module, p->key, key ), dmg_span( buf, dmg_item_param_put( &param, buf ) ) ) );
  }
  return DMG_OK;
}

/* System's own values: what block 1 reads. */
static dmg_err_t
values_write( genesis_t * g ) {
  uint8_t          key[ DMG_KEY_MAX ], buf[ 128 ];
  dmg_item_vm_t    vm     = { .instr_version = g->genesis->instr_version, .host_api = g->genesis->host_api };
  dmg_item_block_t block  = { .time_ms = g->genesis->time_ms, .price = g->x.params.v[ DMG_PARAM_PRICE_FLOOR ] };
  dmg_hash_t       beacon = dmg_h( DMG_TAG_RAND_BEACON, dmg_hash_span( &g->x.ctx->chain_id ) );   /* M1.5: b(0) */
  DMG_TRY( put( g, DMG_ITEM_VM, key, dmg_key_vm( key ), dmg_span( buf, dmg_item_vm_put( &vm, buf ) ) ) );
  DMG_TRY( put( g, DMG_ITEM_BLOCK, key, dmg_key_block( key ), dmg_span( buf, dmg_item_block_put( &block, buf ) ) ) );
  return put( g, DMG_ITEM_BEACON, key, dmg_key_beacon( 0, key ), dmg_span( buf, dmg_item_hash_put( &beacon, buf ) ) );
}

/* ---- Hooks ---- */

static dmg_err_t
hook_run( genesis_t * g, dmg_mod_t const * mod, dmg_hook_t hook, dmg_span_t args, uint32_t part ) {
  dmg_exec_t *         x  = &g->x;
  char const *         at = hook==DMG_HOOK_INIT ? "init" : "check";
  dmg_abi_fn_t const * fn = dmg_abi_hook( mod->code->abi, (uint16_t)hook );
  size_t               off;
  dmg_bcs_bad_t        bad = dmg_type_validate( fn->args, args, &off );
  if( bad ) { dmg_why( g->why, "module %u, config part %u: %s, at byte %zu", mod->id, part, dmg_bcs_bad_text( bad ), off ); return DMG_ERR_INVALID; }
  uint64_t used;
  dmg_exec_begin( x, NULL, 0 );
  x->tx.is_unlimited = true;
  DMG_TRY( dmg_exec_hook( x, mod, hook, args, INIT_GAS, &used ) );
  if( x->tx.status!=DMG_STATUS_OK ) {
    char                    hex[ 129 ] = "";
    dmg_abi_fault_t const * fault      = x->tx.status==DMG_STATUS_FAULT ? dmg_abi_fault( mod->code->abi, (uint16_t)x->tx.code ) : NULL;
    if( x->tx.result_cnt ) dmg_hex_encode( x->tx.results[ 0 ].p, dmg_min_u64( x->tx.results[ 0 ].sz, 64 ), hex );
    dmg_why( g->why, "module %u, %s, part %u: %s (code %u %.*s %s)", x->tx.module, at, part, dmg_status_text( x->tx.status ), x->tx.code,
             fault ? (int)fault->name.sz : 0, fault ? (char const *)fault->name.p : "", hex );
    return DMG_ERR_INVALID;
  }
  return dmg_ov_commit( x->ov );   /* no deposits: records {zero, 0}; no events: genesis is no block */
}

static dmg_err_t
hooks_run( genesis_t * g ) {
  for( uint32_t i=0; i<g->genesis->module_cnt; i++ ) {
    dmg_genesis_module_t const * m   = &g->genesis->modules[ i ];
    dmg_mod_t const *            mod = &g->x.w->set.mods[ i ];
    if( m->config_cnt && !dmg_abi_hook( mod->code->abi, DMG_HOOK_INIT ) ) { dmg_why( g->why, "module %u takes no config: it has no hook init", m->id ); return DMG_ERR_INVALID; }
    for( uint32_t part=0; part<m->config_cnt; part++ ) DMG_TRY( hook_run( g, mod, DMG_HOOK_INIT, m->config[ part ], part ) );
  }
  for( uint32_t i=0; i<g->x.w->set.cnt; i++ ) {
    dmg_mod_t const * mod = &g->x.w->set.mods[ i ];
    if( dmg_abi_hook( mod->code->abi, DMG_HOOK_CHECK ) ) DMG_TRY( hook_run( g, mod, DMG_HOOK_CHECK, (dmg_span_t){ 0 }, 0 ) );
  }
  return DMG_OK;
}

/* M16.1: 13 B CGT to the spark, whatever the modules think. */
static dmg_err_t
supply_check( genesis_t * g ) {
  dmg_u128_t sum = 0;
  for( size_t i=0; i<g->x.bs.slot_cnt; i++ ) {
    dmg_bs_entry_t const * e = g->x.bs.slots[ i ];
    if( !e || !e->cur.p || dmg_load_u16be( e->key.p )!=DMG_MODULE_BALANCES ) continue;
    uint16_t item    = dmg_load_u16be( e->key.p+2 );
    bool     is_free = item==dmg_native_item[ DMG_ITEM_FREE ].item;
    if( !is_free && item!=dmg_native_item[ DMG_ITEM_HELD ].item && item!=dmg_native_item[ DMG_ITEM_BURNED ].item ) continue;
    uint64_t n;
    DMG_TRY( dmg_counter_parse( e->cur, is_free, NULL, &n ) );
    sum += n;
  }
  if( sum==DMG_SUPPLY_SPARKS ) return DMG_OK;
  bool       is_over = sum>DMG_SUPPLY_SPARKS;
  dmg_u128_t diff    = is_over ? sum-DMG_SUPPLY_SPARKS : DMG_SUPPLY_SPARKS-sum;
  dmg_why( g->why, "balances sum to %llu sparks %s than 13,000,000,000 CGT", (unsigned long long)diff, is_over ? "more" : "less" );
  return DMG_ERR_INVALID;
}

static dmg_err_t
genesis_run( genesis_t * g ) {
  if( g->genesis->instr_version<1 || g->genesis->instr_version>DMG_WASM_INSTR_VERSION || g->genesis->host_api!=HOST_API ) {
    dmg_why( g->why, "instrumenter %u or host API %u is not known here, %u and %u are", g->genesis->instr_version, g->genesis->host_api, DMG_WASM_INSTR_VERSION, HOST_API );
    return DMG_ERR_INVALID;
  }
  DMG_TRY( params_write( g ) );
  for( uint32_t i=0; i<g->genesis->module_cnt; i++ ) DMG_TRY( module_load( g, &g->genesis->modules[ i ] ) );
  if( !dmg_reg_find( &g->x.w->set, DMG_MODULE_SYSTEM ) || !dmg_reg_find( &g->x.w->set, DMG_MODULE_BALANCES ) ) {
    dmg_why( g->why, "modules 1 (System) and 2 (Balances) are needed" );
    return DMG_ERR_INVALID;
  }
  DMG_TRY( interfaces_check( g ) );
  DMG_TRY( dmg_reg_insts( g->x.w ) );
  for( uint32_t i=0; i<g->x.w->set.cnt; i++ ) DMG_TRY( module_record( g, &g->x.w->set.mods[ i ] ) );
  DMG_TRY( values_write( g ) );
  DMG_TRY( hooks_run( g ) );
  return supply_check( g );
}

dmg_err_t
dmg_runtime_genesis( dmg_runtime_t * rt, dmg_genesis_t const * genesis, dmg_code_files_t const * files, dmg_arena_t * arena, dmg_write_t ** out_writes, size_t * out_cnt,
                     dmg_exec_why_t * out_why ) {
  *out_why = (dmg_exec_why_t){ 0 };
  dmg_verdict_t v = dmg_genesis_check( genesis );
  if( v.kind==DMG_VERDICT_LOCAL ) return v.err;
  if( v.kind==DMG_VERDICT_BAD ) { dmg_verdict_print( &v, out_why->text, sizeof( out_why->text ) ); return DMG_ERR_INVALID; }

  dmg_buf_t buf = dmg_buf( DMG_GENESIS_SZ_MAX );
  dmg_err_t err = dmg_genesis_encode( genesis, &buf );
  dmg_block_ctx_t ctx = { .time_ms = genesis->time_ms };
  if( !err ) ctx.chain_id = dmg_genesis_hash( dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  if( err ) return err;

  dmg_worker_t * w = dmg_worker_main( rt );
  genesis_t g = { .genesis = genesis, .files = files, .why = out_why };
  g.x = (dmg_exec_t){ .rt = rt, .w = w, .set = &w->set, .ctx = &ctx, .arena = arena, .ov = &w->ov, .tx_arena = w->tx_arena, .is_lockless = true };
  err = dmg_bs_init( &g.x.bs, NULL, arena, rt->cfg.hash_seed );
  if( !err ) err = genesis_run( &g );
  if( !err ) err = dmg_bs_writes( &g.x.bs, arena, out_writes, out_cnt );
  dmg_worker_give( rt, w );
  return err;
}
