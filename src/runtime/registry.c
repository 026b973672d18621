#include "runtime/exec_int.h"

#include "base/assert.h"
#include "base/log.h"
#include "runtime/code_cache.h"
#include "runtime/wasm_check.h"
#include "runtime/wasm_instr.h"
#include "types/schema.h"

#include <stdlib.h>

dmg_mod_t const *
dmg_reg_find( dmg_mod_set_t const * set, uint16_t module ) {
  for( uint32_t i=0; i<set->cnt && set->mods[ i ].id<=module; i++ )
    if( set->mods[ i ].id==module ) return &set->mods[ i ];
  return NULL;
}

/* Native code reads these items by itself (R4.5): their form is frozen. */
static bool
natives_match( dmg_mod_code_t const * code, dmg_exec_why_t * why ) {
  uint16_t module = code->abi->module;
  if( module!=DMG_MODULE_SYSTEM && module!=DMG_MODULE_BALANCES ) return true;
  for( unsigned i=0; i<DMG_ITEM_CNT; i++ ) {
    dmg_ov_item_t const * native = &dmg_native_item[ i ];
    if( native->module!=module ) continue;
    dmg_abi_item_t const * abi = dmg_abi_item( code->abi, native->item );
    if( !abi ) { dmg_why( why, "module %u: native item %u (%s) is missing", module, native->item, dmg_item_desc[ i ].name ); return false; }
    dmg_ov_item_t const * own = &code->items[ abi-code->abi->items ];
    if( own->is_counter!=native->is_counter || own->is_ordered!=native->is_ordered || own->has_record!=native->has_record
        || own->holds_cgt!=native->holds_cgt || own->schema!=native->schema ) {
      dmg_why( why, "module %u: native item %u (%s) is declared in another form than this host knows", module, native->item, dmg_item_desc[ i ].name );
      return false;
    }
  }
  return true;
}

static bool
holds_cgt( dmg_abi_item_t const * item ) {
  dmg_abi_mark_t const * mark = dmg_abi_mark( item, DMG_MARK_HOLDS );
  return mark && item->kind==DMG_ITEM_COUNTER && mark->path_cnt==2 && item->key_cnt>=1 && item->keys[ 0 ]->kind==DMG_TYPE_ADDRESS
      && dmg_span_eq( mark->paths[ 0 ], DMG_SPAN_STR( "0" ) ) && dmg_span_eq( mark->paths[ 1 ], DMG_SPAN_STR( "cgt" ) );
}

static void
items_fill( dmg_mod_code_t * code ) {
  for( uint32_t i=0; i<code->abi->item_cnt; i++ ) {
    dmg_abi_item_t const * abi = &code->abi->items[ i ];
    code->items[ i ] = (dmg_ov_item_t){ .module = code->abi->module, .item = abi->id, .is_counter = abi->kind==DMG_ITEM_COUNTER, .is_ordered = abi->kind==DMG_ITEM_ORDERED,
                                        .has_record = abi->deposit!=DMG_DEPOSIT_NONE, .deposit = (uint8_t)abi->deposit, .holds_cgt = holds_cgt( abi ),
                                        .schema = code->abi->storage_version, .abi = abi };
  }
}

/* File --> code; everything of it hangs on code->arena. */
static dmg_err_t
code_fill( dmg_runtime_t * rt, dmg_mod_code_t * code, dmg_span_t file, uint16_t instr_version, dmg_exec_why_t * why ) {
  dmg_wasm_report_t report;
  DMG_TRY( dmg_wasm_check( file, &report ) );
  if( !report.is_ok ) { dmg_why( why, "code refused: %.*s, at byte %u", 160, report.text, report.off ); return DMG_ERR_INVALID; }
  code->abi_raw = dmg_arena_dup( code->arena, report.abi );
  if( !code->abi_raw.p ) return DMG_ERR_NOMEM;
  dmg_verdict_t v = dmg_abi_decode( code->abi_raw, code->arena, &code->abi );
  if( v.kind==DMG_VERDICT_LOCAL ) return v.err;
  if( v.kind==DMG_VERDICT_BAD ) { dmg_why( why, "section dm:abi refused: %s %s, at byte %zu", v.field, v.text, v.off ); return DMG_ERR_INVALID; }
  dmg_abi_t const * abi = code->abi;
  uint64_t mem_sz = (uint64_t)report.memory_pages*DMG_VM_PAGE_SZ;
  if( abi->pages!=report.memory_pages ) { dmg_why( why, "memory has %u pages, the ABI says %u", report.memory_pages, abi->pages ); return DMG_ERR_INVALID; }
  /* R1.12: the host derives the sizes itself and checks that both lie inside memory. */
  if( (uint64_t)report.dm_in+abi->in_sz>mem_sz || (uint64_t)report.dm_out+abi->out_sz>mem_sz ) {
    dmg_why( why, "dm_in (%u bytes) or dm_out (%u bytes) lies outside memory", abi->in_sz, abi->out_sz );
    return DMG_ERR_INVALID;
  }
  if( !dmg_span_eq( abi->host, DMG_SPAN_STR( DMG_DM1_MODULE ) ) ) { dmg_why( why, "host API %.*s is not known, dm1 is", (int)dmg_min_u64( abi->host.sz, 64 ), (char const *)abi->host.p ); return DMG_ERR_INVALID; }
  code->items = DMG_ARENA_NEW( code->arena, dmg_ov_item_t, abi->item_cnt );
  if( !code->items ) return DMG_ERR_NOMEM;
  items_fill( code );
  if( !natives_match( code, why ) ) return DMG_ERR_INVALID;
  code->abi_hash = dmg_abi_hash( code->abi_raw );
  return dmg_code_cache_get( rt->cfg.cache, &code->hash, file, instr_version, &code->vm );
}

/* Pins what it finds. */
static dmg_mod_code_t const *
code_find( dmg_runtime_t * rt, dmg_hash_t const * hash ) {
  dmg_mod_code_t * found = NULL;
  pthread_mutex_lock( &rt->lock );
  for( uint32_t i=0; i<rt->code_cnt && !found; i++ ) if( dmg_hash_eq( &rt->codes[ i ]->hash, hash ) ) found = rt->codes[ i ];
  if( found ) {
    found->pin_cnt++;
    found->used = ++rt->use_seq;
  }
  pthread_mutex_unlock( &rt->lock );
  return found;
}

void
dmg_reg_code_free( dmg_runtime_t * rt, dmg_mod_code_t * code ) {
  dmg_vm_code_free( code->vm );
  dmg_code_cache_drop( rt->cfg.cache, &code->hash, code->instr_version );
  dmg_arena_free( code->arena );
}

static void
insts_drop( dmg_worker_t * w, uint32_t idx ) {
  for( unsigned k=0; k<2; k++ ) {
    dmg_vm_inst_free( w->insts[ idx ][ k ] );
    w->insts[ idx ][ k ] = NULL;
  }
}

/* A place in the table: a free one, else that of the code unused longest, which goes with its instances.  Under rt->lock;
   a worker that runs looks at no instances but of codes that it pins.  false: all are in use. */
static bool
place_find( dmg_runtime_t * rt, uint32_t * out_idx ) {
  if( rt->code_cnt<DMG_CODE_CNT_MAX ) { *out_idx = rt->code_cnt++; return true; }
  dmg_mod_code_t * least = NULL;
  for( uint32_t i=0; i<rt->code_cnt; i++ ) {
    dmg_mod_code_t * c = rt->codes[ i ];
    if( !c->pin_cnt && ( !least || c->used<least->used ) ) least = c;
  }
  if( !least ) return false;
  *out_idx = least->idx;
  insts_drop( rt->main, least->idx );
  for( uint32_t i=0; i<rt->reader_cnt; i++ ) insts_drop( rt->readers[ i ], least->idx );
  dmg_reg_code_free( rt, least );
  return true;
}

static dmg_err_t
code_load( dmg_runtime_t * rt, dmg_hash_t const * hash, dmg_span_t file, uint16_t instr_version, dmg_mod_code_t const ** out, dmg_exec_why_t * why ) {
  dmg_arena_t * arena = dmg_arena_new( 8u<<20 );
  if( !arena ) return DMG_ERR_NOMEM;
  dmg_mod_code_t * code = DMG_ARENA_NEW( arena, dmg_mod_code_t, 1 );
  dmg_err_t        err  = code ? DMG_OK : DMG_ERR_NOMEM;
  if( !err ) {
    code->arena         = arena;
    code->hash          = *hash;
    code->instr_version = instr_version;
    code->pin_cnt       = 1;
    err = code_fill( rt, code, file, instr_version, why );
  }
  if( !err ) {
    pthread_mutex_lock( &rt->lock );
    if( place_find( rt, &code->idx ) ) {
      code->used = ++rt->use_seq;
      rt->codes[ code->idx ] = code;
    } else err = DMG_ERR_FULL;
    pthread_mutex_unlock( &rt->lock );
  }
  if( err ) {
    if( code && code->vm ) dmg_reg_code_free( rt, code );
    else dmg_arena_free( arena );
    return err;
  }
  *out = code;
  return DMG_OK;
}

dmg_err_t
dmg_reg_code( dmg_runtime_t * rt, dmg_hash_t const * hash, dmg_span_t file, uint16_t instr_version, dmg_mod_code_t const ** out, dmg_exec_why_t * why ) {
  dmg_mod_code_t const * code = code_find( rt, hash );
  if( code ) { *out = code; return DMG_OK; }
  if( !file.p ) return DMG_ERR_NOT_FOUND;
  pthread_mutex_lock( &rt->compile_lock );
  dmg_err_t err = DMG_OK;
  code = code_find( rt, hash );             /* another thread may have been first */
  if( code ) *out = code;
  else err = code_load( rt, hash, file, instr_version, out, why );
  pthread_mutex_unlock( &rt->compile_lock );
  return err;
}

void
dmg_reg_set_drop( dmg_runtime_t * rt, dmg_mod_set_t * set ) {
  for( uint32_t i=0; i<set->cnt; i++ ) {
    dmg_mod_code_t * code = rt->codes[ set->mods[ i ].code->idx ];
    DMG_ASSERT( code==set->mods[ i ].code && code->pin_cnt );
    code->pin_cnt--;
  }
  set->cnt = 0;
}

static dmg_err_t
code_from_state( dmg_runtime_t * rt, dmg_block_set_t * bs, dmg_hash_t const * hash, dmg_mod_code_t const ** out ) {
  dmg_err_t err = dmg_reg_code( rt, hash, (dmg_span_t){ 0 }, 0, out, NULL );
  if( err!=DMG_ERR_NOT_FOUND ) return err;
  uint8_t        key[ DMG_KEY_MAX ];
  dmg_span_t     bcs, file;
  dmg_item_vm_t  vm;
  dmg_exec_why_t why = { 0 };
  DMG_TRY( dmg_nat_get( bs, DMG_ITEM_VM, key, dmg_key_vm( key ), &bcs ) );
  DMG_TRY( dmg_item_vm_get( bcs, &vm ) );
  if( vm.instr_version>DMG_WASM_INSTR_VERSION ) {
    DMG_LOG_ERROR( "instr_version", "the state wants instrumenter %u, this node has %u: update it", vm.instr_version, DMG_WASM_INSTR_VERSION );
    return DMG_ERR_UNSUPPORTED;
  }
  DMG_TRY( dmg_nat_get( bs, DMG_ITEM_CODE, key, dmg_key_code( hash, key ), &bcs ) );
  DMG_TRY( dmg_item_code_get( bcs, &file ) );
  dmg_hash_t is = dmg_code_hash( file );
  if( !dmg_hash_eq( &is, hash ) ) return DMG_ERR_CORRUPT;
  err = dmg_reg_code( rt, hash, file, vm.instr_version, out, &why );
  if( err==DMG_ERR_INVALID ) {
    DMG_LOG_ERROR( "code_refused", "the state holds a code that this node refuses: %s", why.text );
    return DMG_ERR_CORRUPT;
  }
  return err;
}

static dmg_err_t
set_add( dmg_runtime_t * rt, dmg_block_set_t * bs, dmg_span_t key, dmg_mod_set_t * set ) {
  dmg_item_module_t rec;
  dmg_span_t        bcs;
  if( key.sz!=6 ) return DMG_ERR_CORRUPT;
  DMG_TRY( dmg_nat_get( bs, DMG_ITEM_MODULE, key.p, key.sz, &bcs ) );
  DMG_TRY( dmg_item_module_get( bcs, &rec ) );
  if( set->cnt==DMG_GENESIS_MODULE_MAX ) return DMG_ERR_LIMIT;
  dmg_mod_t * mod = &set->mods[ set->cnt ];
  mod->id     = dmg_load_u16be( key.p+4 );
  mod->status = rec.status;
  mod->self   = dmg_module_address( mod->id, 0 );
  DMG_TRY( code_from_state( rt, bs, &rec.code, &mod->code ) );
  set->cnt++;                               /* pinned: whatever comes, the set lets it go */
  return mod->code->abi->module==mod->id ? DMG_OK : DMG_ERR_CORRUPT;
}

dmg_err_t
dmg_reg_set( dmg_runtime_t * rt, dmg_block_set_t * bs, dmg_mod_set_t * out_set ) {
  DMG_ASSERT( !out_set->cnt );
  uint8_t      prefix[ DMG_KEY_MAX ];
  dmg_iter_t * it;
  dmg_span_t   key;
  DMG_TRY( dmg_view_iter( bs->view, dmg_span( prefix, dmg_key_prefix( DMG_MODULE_SYSTEM, dmg_native_item[ DMG_ITEM_MODULE ].item, prefix ) ), (dmg_span_t){ 0 }, false, &it ) );
  dmg_err_t err;
  while( !( err = dmg_iter_next( it, &key, NULL ) ) ) {
    err = set_add( rt, bs, key, out_set );
    if( err==DMG_ERR_NOT_FOUND ) err = DMG_ERR_CORRUPT;   /* only the iterator may end the loop with it */
    if( err ) break;
  }
  dmg_iter_close( it );
  return err==DMG_ERR_NOT_FOUND ? DMG_OK : err;
}

dmg_err_t
dmg_reg_insts( dmg_worker_t * w ) {
  for( uint32_t i=0; i<w->set.cnt; i++ ) {
    dmg_mod_code_t const * code = w->set.mods[ i ].code;
    for( unsigned k=0; k<2; k++ ) {
      dmg_vm_inst_t ** slot = &w->insts[ code->idx ][ k ];
      if( !*slot ) DMG_TRY( dmg_vm_inst_new( code->vm, dmg_host_table, slot ) );
    }
  }
  return DMG_OK;
}

dmg_vm_inst_t *
dmg_reg_inst( dmg_worker_t const * w, dmg_mod_code_t const * code, bool is_query ) {
  dmg_vm_inst_t * inst = w->insts[ code->idx ][ is_query ];
  DMG_ASSERT( inst );
  return inst;
}
