#include "runtime/vm.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"

#include <dmgn_vm.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define IMPORT_MAX  64
#define RESERVE_SZ  ( (uint64_t)4<<30 )
#define GUARD_SZ    ( (uint64_t)32<<20 )

struct dmg_vm {
  wasm_engine_t * engine;
  bool            is_bounds_checked;
  atomic_uint     code_cnt;
};

struct dmg_vm_code {
  dmg_vm_t *          vm;
  wasmtime_module_t * module;
  atomic_uint         inst_cnt;
  uint32_t            import_cnt;
  uint8_t             import[ IMPORT_MAX ];   /* dmg_dm1_t */
  /* The first image of the memory, taken from the first instance: its bytes up to the last that is not zero. */
  pthread_mutex_t     lock;
  bool                has_image;
  uint8_t *           image;
  uint32_t            image_sz;
};

typedef struct { dmg_vm_inst_t * inst; dmg_vm_host_fn fn; char const * params; uint32_t param_cnt; } import_t;

struct dmg_vm_inst {
  dmg_vm_code_t *      code;
  wasmtime_store_t *   store;
  wasmtime_context_t * ctx;
  wasmtime_func_t      run;
  wasmtime_global_t    g, s;
  dmg_vm_mem_t         mem;
  uint32_t             in_off, out_off;
  bool                 is_busy;
  /* Ticks left while a host function runs: read from g at its first question, written back once when it returns. */
  bool                 has_ticks, is_ticks_changed;
  int64_t              ticks;
  void *               frame;
  uint32_t             host_code;
  bool                 is_host_stopped;
  dmg_buf_t            out;
  import_t             import[ IMPORT_MAX ];
};

static struct { char const * name; char const * params; } const dm1_fn[ DMG_DM1_CNT ] = {
#define X( name_, text_, params_ ) [ DMG_DM1_##name_ ] = { text_, params_ },
  DMG_DM1_TABLE( X )
#undef X
};

/* ---- Errors of the engine ---- */

static void error_log( char const * event, wasmtime_error_t * error ) {
  wasm_byte_vec_t text;
  wasmtime_error_message( error, &text );
  DMG_LOG_ERROR( event, "%.*s", (int)( text.size<1000 ? text.size : 1000 ), text.data );
  wasm_byte_vec_delete( &text );
  wasmtime_error_delete( error );
}

/* R1.6: what the engine calls a trap must be one of those that DM-1 code can cause; all else is a bug here or there. */
static bool trap_is_of_module( wasm_trap_t const * trap ) {
  wasmtime_trap_code_t code;
  if( !wasmtime_trap_code( trap, &code ) ) return false;
  switch( code ) {
  case WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS: case WASMTIME_TRAP_CODE_TABLE_OUT_OF_BOUNDS: case WASMTIME_TRAP_CODE_INDIRECT_CALL_TO_NULL:
  case WASMTIME_TRAP_CODE_BAD_SIGNATURE: case WASMTIME_TRAP_CODE_INTEGER_OVERFLOW: case WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO:
  case WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED:
    return true;
  default:
    return false;
  }
}

/* ---- Engine ---- */

static int const engine_signal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
#define ENGINE_SIGNAL_CNT ( sizeof engine_signal/sizeof *engine_signal )
static struct sigaction engine_action[ ENGINE_SIGNAL_CNT ];
static pthread_once_t   engine_action_once = PTHREAD_ONCE_INIT;

/* Right after the first engine was made; later ones find the handlers in place. */
static void signals_save( void ) {
  for( size_t i = 0; i<ENGINE_SIGNAL_CNT; i++ ) sigaction( engine_signal[ i ], NULL, &engine_action[ i ] );
}
void dmg_vm_signals_restore( void ) {
  if( DMG_SANITIZED ) return;
  pthread_once( &engine_action_once, signals_save );
  for( size_t i = 0; i<ENGINE_SIGNAL_CNT; i++ ) sigaction( engine_signal[ i ], &engine_action[ i ], NULL );
}

static bool reservation_works( void ) {
  void * p = mmap( NULL, RESERVE_SZ+2*GUARD_SZ, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0 );
  if( p==MAP_FAILED ) return false;
  munmap( p, RESERVE_SZ+2*GUARD_SZ );
  return true;
}

dmg_err_t dmg_vm_open( dmg_vm_cfg_t const * cfg, dmg_vm_t ** out_vm ) {
  dmg_vm_t * vm = calloc( 1, sizeof *vm );
  if( !vm ) return DMG_ERR_NOMEM;
  /* R1.2: sanitizers own the signal handlers and much of the address space. */
  vm->is_bounds_checked = ( cfg && cfg->is_bounds_checked ) || DMG_SANITIZED || !reservation_works();

  wasm_config_t * c = wasm_config_new();
  DMG_ASSERT( c );
  dmgn_vm_config_proposals( c, DMGN_VM_MUTABLE_GLOBAL|DMGN_VM_SIGN_EXTENSION|DMGN_VM_BULK_MEMORY );
  dmgn_vm_config_backtrace_off( c );
  dmgn_vm_config_address_map_set( c, false );
  dmgn_vm_config_table_lazy_init_set( c, false );   /* the first indirect call costs what later ones do */
  wasmtime_config_strategy_set( c, WASMTIME_STRATEGY_CRANELIFT );
  wasmtime_config_cranelift_opt_level_set( c, WASMTIME_OPT_LEVEL_SPEED );
  wasmtime_config_consume_fuel_set( c, false );
  wasmtime_config_epoch_interruption_set( c, false );
  wasmtime_config_debug_info_set( c, false );
  wasmtime_config_native_unwind_info_set( c, false );
  wasmtime_config_max_wasm_stack_set( c, DMG_VM_WASM_STACK_SZ );
  wasmtime_config_memory_may_move_set( c, false );
  wasmtime_config_memory_reservation_for_growth_set( c, 0 );
  wasmtime_config_memory_init_cow_set( c, false );  /* we keep the image, and memory stays plain pages */
  wasmtime_config_memory_reservation_set( c, vm->is_bounds_checked ? 0 : RESERVE_SZ );
  wasmtime_config_memory_guard_size_set ( c, vm->is_bounds_checked ? 0 : GUARD_SZ );
  if( DMG_SANITIZED ) wasmtime_config_signals_based_traps_set( c, false );

  char err[ 256 ] = "";
  vm->engine = dmgn_vm_engine_new( c, err, sizeof err );
  if( !vm->engine ) {
    DMG_LOG_ERROR( "vm_engine_refused", "%s", err );
    free( vm );
    return DMG_ERR_UNSUPPORTED;
  }
  pthread_once( &engine_action_once, signals_save );
  *out_vm = vm;
  return DMG_OK;
}

void dmg_vm_close( dmg_vm_t * vm ) {
  if( !vm ) return;
  DMG_ASSERT( !atomic_load( &vm->code_cnt ) );
  wasm_engine_delete( vm->engine );
  free( vm );
}

dmg_hash_t dmg_vm_engine_key( dmg_vm_t const * vm ) {
  dmg_hash_t key;
  dmgn_vm_engine_key( vm->engine, key.b );
  return key;
}

/* ---- Code ---- */

dmg_err_t dmg_vm_compile( dmg_vm_t * vm, dmg_span_t instrumented, dmg_buf_t * out_artifact ) {
  wasmtime_module_t * module = NULL;
  wasmtime_error_t *  error  = wasmtime_module_new( vm->engine, instrumented.p, instrumented.sz, &module );
  if( error ) { error_log( "vm_compile_failed", error ); return DMG_ERR_INVALID; }
  wasm_byte_vec_t bytes;
  error = wasmtime_module_serialize( module, &bytes );
  wasmtime_module_delete( module );
  if( error ) { error_log( "vm_serialize_failed", error ); return DMG_ERR_INVALID; }
  dmg_err_t err = dmg_buf_append( out_artifact, bytes.data, bytes.size );
  wasm_byte_vec_delete( &bytes );
  return err;
}

static bool name_is( wasm_name_t const * name, char const * text ) { return name->size==strlen( text ) && !memcmp( name->data, text, name->size ); }

static dmg_err_t imports_resolve( dmg_vm_code_t * code ) {
  wasm_importtype_vec_t types;
  wasmtime_module_imports( code->module, &types );
  dmg_err_t err = types.size<=IMPORT_MAX ? DMG_OK : DMG_ERR_INVALID;
  for( size_t i = 0; !err && i<types.size; i++ ) {
    uint8_t k = 0;
    while( k<DMG_DM1_CNT && !name_is( wasm_importtype_name( types.data[ i ] ), dm1_fn[ k ].name ) ) k++;
    if( k==DMG_DM1_CNT || !name_is( wasm_importtype_module( types.data[ i ] ), DMG_DM1_MODULE ) ) err = DMG_ERR_INVALID;
    else code->import[ i ] = k;
  }
  code->import_cnt = err ? 0 : (uint32_t)types.size;
  wasm_importtype_vec_delete( &types );
  if( err ) DMG_LOG_ERROR( "vm_code_invalid", "an artifact imports what dm1 does not have" );
  return err;
}

static dmg_err_t code_new( dmg_vm_t * vm, wasmtime_module_t * module, dmg_vm_code_t ** out_code ) {
  dmg_vm_code_t * code = calloc( 1, sizeof *code );
  if( !code ) { wasmtime_module_delete( module ); return DMG_ERR_NOMEM; }
  code->vm     = vm;
  code->module = module;
  pthread_mutex_init( &code->lock, NULL );
  atomic_fetch_add( &vm->code_cnt, 1 );
  dmg_err_t err = imports_resolve( code );
  if( err ) { dmg_vm_code_free( code ); return err; }
  *out_code = code;
  return DMG_OK;
}

dmg_err_t dmg_vm_load_bytes( dmg_vm_t * vm, dmg_span_t artifact, dmg_vm_code_t ** out_code ) {
  wasmtime_module_t * module = NULL;
  wasmtime_error_t *  error  = wasmtime_module_deserialize( vm->engine, artifact.p, artifact.sz, &module );
  if( error ) { error_log( "vm_artifact_refused", error ); return DMG_ERR_VERSION; }
  return code_new( vm, module, out_code );
}

dmg_err_t dmg_vm_load( dmg_vm_t * vm, char const * path, dmg_hash_t const * key, dmg_vm_code_t ** out_code ) {
  dmg_buf_t bytes;
  DMG_TRY( dmg_os_file_read( path, DMG_VM_ARTIFACT_SZ_MAX, &bytes ) );
  dmg_hash_t got = dmg_sha256( dmg_buf_span( &bytes ) );
  dmg_buf_fini( &bytes );
  /* R1.7: machine code runs with all our rights, so nothing is mapped whose bytes we did not write. */
  if( !dmg_hash_eq( &got, key ) ) {
    DMG_LOG_ERROR( "vm_artifact_corrupt", "%s has not the bytes that were written", path );
    return DMG_ERR_CORRUPT;
  }
  wasmtime_module_t * module = NULL;
  wasmtime_error_t *  error  = wasmtime_module_deserialize_file( vm->engine, path, &module );
  if( error ) { error_log( "vm_artifact_refused", error ); return DMG_ERR_VERSION; }
  return code_new( vm, module, out_code );
}

void dmg_vm_code_free( dmg_vm_code_t * code ) {
  if( !code ) return;
  DMG_ASSERT( !atomic_load( &code->inst_cnt ) );
  atomic_fetch_sub( &code->vm->code_cnt, 1 );
  wasmtime_module_delete( code->module );
  pthread_mutex_destroy( &code->lock );
  free( code->image );
  free( code );
}

/* ---- Instances ---- */

static int64_t ticks_read( dmg_vm_inst_t const * inst ) {
  wasmtime_val_t v;
  wasmtime_global_get( inst->ctx, &inst->g, &v );
  return v.of.i64;
}
static void ticks_write( dmg_vm_inst_t * inst ) {
  wasmtime_val_t v = { .kind = WASMTIME_I64, .of = { .i64 = inst->ticks } };
  wasmtime_error_t * error = wasmtime_global_set( inst->ctx, &inst->g, &v );
  DMG_ASSERT( !error );
}

/* The bridge from the engine to one host function. */
static wasm_trap_t * host_call( void * env, wasmtime_caller_t * caller, wasmtime_val_raw_t * raw, size_t raw_cnt ) {
  import_t const * im = env;
  dmg_vm_inst_t * inst = im->inst;
  uint64_t args[ DMG_DM1_PARAM_MAX ], ret = 0;
  for( uint32_t k = 0; k<im->param_cnt; k++ ) args[ k ] = im->params[ k ]=='i' ? (uint32_t)raw[ k ].i32 : (uint64_t)raw[ k ].i64;
  inst->has_ticks = inst->is_ticks_changed = false;
  int rc = im->fn( inst->frame, inst->mem, args, &ret );
  if( inst->is_ticks_changed ) ticks_write( inst );
  inst->has_ticks = false;
  if( __builtin_expect( rc, 0 ) ) {
    inst->is_host_stopped = true;
    inst->host_code       = (uint32_t)rc;
    return wasmtime_trap_new_code( WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED );
  }
  raw[ 0 ].i32 = (int32_t)(uint32_t)ret;
  return NULL;
}

static wasm_functype_t * functype_of( char const * params ) {
  wasm_valtype_vec_t ps, rs;
  size_t n = strlen( params );
  DMG_ASSERT( n<=DMG_DM1_PARAM_MAX );
  wasm_valtype_vec_new_uninitialized( &ps, n );
  for( size_t k = 0; k<n; k++ ) ps.data[ k ] = wasm_valtype_new( params[ k ]=='i' ? WASM_I32 : WASM_I64 );
  wasm_valtype_t * r = wasm_valtype_new( WASM_I32 );
  wasm_valtype_vec_new( &rs, 1, &r );
  return wasm_functype_new( &ps, &rs );
}

static bool export_get( dmg_vm_inst_t * inst, wasmtime_instance_t const * wi, char const * name, wasmtime_extern_kind_t kind, wasmtime_extern_t * out ) {
  if( wasmtime_instance_export_get( inst->ctx, wi, name, strlen( name ), out ) && out->kind==kind ) return true;
  DMG_LOG_ERROR( "vm_code_invalid", "an artifact does not export %s", name );
  return false;
}

static uint32_t global_u32( dmg_vm_inst_t const * inst, wasmtime_global_t const * global ) {
  wasmtime_val_t v;
  wasmtime_global_get( inst->ctx, global, &v );
  return (uint32_t)v.of.i32;
}

static dmg_err_t exports_bind( dmg_vm_inst_t * inst, wasmtime_instance_t const * wi ) {
  wasmtime_extern_t mem, run, g, s, in, out;
  if( !export_get( inst, wi, "memory", WASMTIME_EXTERN_MEMORY, &mem ) || !export_get( inst, wi, "dm:run", WASMTIME_EXTERN_FUNC, &run ) ||
      !export_get( inst, wi, "g", WASMTIME_EXTERN_GLOBAL, &g )        || !export_get( inst, wi, "s", WASMTIME_EXTERN_GLOBAL, &s ) ||
      !export_get( inst, wi, "dm_in", WASMTIME_EXTERN_GLOBAL, &in )   || !export_get( inst, wi, "dm_out", WASMTIME_EXTERN_GLOBAL, &out ) ) return DMG_ERR_INVALID;
  inst->run = run.of.func;
  inst->g   = g.of.global;
  inst->s   = s.of.global;
  size_t sz = wasmtime_memory_data_size( inst->ctx, &mem.of.memory );
  if( !sz || sz>(size_t)DMG_VM_PAGES_MAX*DMG_VM_PAGE_SZ ) { DMG_LOG_ERROR( "vm_code_invalid", "an artifact has %zu bytes of memory", sz ); return DMG_ERR_INVALID; }
  inst->mem     = (dmg_vm_mem_t){ .base = wasmtime_memory_data( inst->ctx, &mem.of.memory ), .sz = (uint32_t)sz };
  inst->in_off  = global_u32( inst, &in.of.global );
  inst->out_off = global_u32( inst, &out.of.global );
  if( inst->in_off>=sz || inst->out_off>=sz ) { DMG_LOG_ERROR( "vm_code_invalid", "dm_in or dm_out of an artifact is outside memory" ); return DMG_ERR_INVALID; }
  inst->out = dmg_buf( sz );
  return DMG_OK;
}

/* Memory after instantiation is the first image; all instances of a code share one copy. */
static dmg_err_t image_take( dmg_vm_code_t * code, dmg_vm_mem_t mem ) {
  dmg_err_t err = DMG_OK;
  pthread_mutex_lock( &code->lock );
  if( !code->has_image ) {
    uint32_t sz = mem.sz;
    while( sz && !mem.base[ sz-1 ] ) sz--;
    code->image = malloc( sz ? sz : 1 );
    if( code->image ) {
      memcpy( code->image, mem.base, sz );
      code->image_sz  = sz;
      code->has_image = true;
    } else err = DMG_ERR_NOMEM;
  }
  pthread_mutex_unlock( &code->lock );
  return err;
}

dmg_err_t dmg_vm_inst_new( dmg_vm_code_t * code, dmg_vm_host_fn const * table, dmg_vm_inst_t ** out_inst ) {
  dmg_vm_inst_t * inst = calloc( 1, sizeof *inst );
  if( !inst ) return DMG_ERR_NOMEM;
  inst->code = code;
  atomic_fetch_add( &code->inst_cnt, 1 );
  dmg_err_t err = DMG_ERR_NOMEM;
  inst->store = wasmtime_store_new( code->vm->engine, NULL, NULL );
  if( !inst->store ) goto fail;
  inst->ctx = wasmtime_store_context( inst->store );

  wasmtime_extern_t externs[ IMPORT_MAX ];
  for( uint32_t i = 0; i<code->import_cnt; i++ ) {
    uint8_t k = code->import[ i ];
    DMG_ASSERT( table[ k ] );
    inst->import[ i ] = (import_t){ .inst = inst, .fn = table[ k ], .params = dm1_fn[ k ].params, .param_cnt = (uint32_t)strlen( dm1_fn[ k ].params ) };
    externs[ i ] = (wasmtime_extern_t){ .kind = WASMTIME_EXTERN_FUNC };
    wasm_functype_t * type = functype_of( dm1_fn[ k ].params );
    wasmtime_func_new_unchecked( inst->ctx, type, host_call, &inst->import[ i ], NULL, &externs[ i ].of.func );
    wasm_functype_delete( type );
  }
  wasmtime_instance_t wi;
  wasm_trap_t * trap = NULL;
  wasmtime_error_t * error = wasmtime_instance_new( inst->ctx, code->module, externs, code->import_cnt, &wi, &trap );
  if( error ) { error_log( "vm_instance_failed", error ); goto fail; }
  DMG_ASSERT( !trap );   /* no start function, no segment out of range: the checker saw to it */
  err = exports_bind( inst, &wi );
  if( !err ) err = image_take( code, inst->mem );
  if( err ) goto fail;
  *out_inst = inst;
  return DMG_OK;
fail:
  dmg_vm_inst_free( inst );
  return err;
}

void dmg_vm_inst_free( dmg_vm_inst_t * inst ) {
  if( !inst ) return;
  DMG_ASSERT( !inst->is_busy );
  if( inst->store ) wasmtime_store_delete( inst->store );
  dmg_buf_fini( &inst->out );
  atomic_fetch_sub( &inst->code->inst_cnt, 1 );
  free( inst );
}

dmg_vm_mem_t dmg_vm_mem    ( dmg_vm_inst_t const * inst ) { return inst->mem; }
uint32_t     dmg_vm_in_off ( dmg_vm_inst_t const * inst ) { return inst->in_off; }
uint32_t     dmg_vm_out_off( dmg_vm_inst_t const * inst ) { return inst->out_off; }
bool         dmg_vm_is_busy( dmg_vm_inst_t const * inst ) { return inst->is_busy; }
dmg_span_t   dmg_vm_out    ( dmg_vm_inst_t const * inst ) { return dmg_buf_span( &inst->out ); }

void dmg_vm_reset( dmg_vm_inst_t * inst ) {
  DMG_ASSERT( !inst->is_busy );
  dmg_vm_code_t const * code = inst->code;
  memcpy( inst->mem.base, code->image, code->image_sz );
  memset( inst->mem.base+code->image_sz, 0, inst->mem.sz-code->image_sz );
}

int64_t dmg_vm_ticks( dmg_vm_inst_t const * inst ) { return inst->has_ticks ? inst->ticks : ticks_read( inst ); }
int32_t dmg_vm_slots( dmg_vm_inst_t const * inst ) { return (int32_t)global_u32( inst, &inst->s ); }

bool dmg_vm_charge( dmg_vm_inst_t * inst, int64_t ticks ) {
  DMG_ASSERT( inst->is_busy );
  DMG_ASSERT( ticks>=0 );
  if( !inst->has_ticks ) {
    inst->ticks     = ticks_read( inst );
    inst->has_ticks = true;
  }
  int64_t left;
  inst->ticks            = __builtin_sub_overflow( inst->ticks, ticks, &left ) ? INT64_MIN : left;
  inst->is_ticks_changed = true;
  return inst->ticks>=0;
}

/* R1.6: the globals judge, the engine's own view never does. */
static dmg_vm_end_t end_judge( dmg_vm_inst_t const * inst, dmg_vm_result_t const * r, bool is_trap ) {
  if( r->ticks_left<0 )        return DMG_VM_NO_GAS;
  if( !is_trap )               return DMG_VM_DONE;
  if( inst->is_host_stopped )  return DMG_VM_HOST_STOP;
  if( r->slots_left<0 )        return DMG_VM_NO_STACK;
  return DMG_VM_TRAP;
}

dmg_vm_result_t dmg_vm_run( dmg_vm_inst_t * inst, dmg_vm_entry_t const * entry ) {
  DMG_ASSERT( !inst->is_busy );
  DMG_ASSERT( entry->ticks>=0 );
  DMG_ASSERT( entry->slots>=0 && entry->slots<=DMG_VM_SLOTS_MAX );
  inst->is_busy         = true;
  inst->frame           = entry->frame;
  inst->is_host_stopped = false;
  inst->host_code       = 0;
  dmg_buf_clear( &inst->out );

  wasmtime_val_raw_t raw[ 5 ];
  raw[ 0 ].i32 = (int32_t)entry->kind;
  raw[ 1 ].i32 = (int32_t)entry->id;
  raw[ 2 ].i32 = (int32_t)entry->in_sz;
  raw[ 3 ].i64 = entry->ticks;
  raw[ 4 ].i32 = entry->slots;
  wasm_trap_t * trap = NULL;
  wasmtime_error_t * error = wasmtime_func_call_unchecked( inst->ctx, &inst->run, raw, 5, &trap );
  if( error ) error_log( "vm_run_failed", error );
  DMG_ASSERT( !error );
  if( trap ) {
    bool is_known = trap_is_of_module( trap );
    DMG_ASSERT( is_known );
    wasm_trap_delete( trap );
  }

  dmg_vm_result_t r = { .ticks_left = ticks_read( inst ), .slots_left = dmg_vm_slots( inst ) };
  r.end = end_judge( inst, &r, trap!=NULL );
  if( r.end==DMG_VM_HOST_STOP ) r.host_code = inst->host_code;
  if( r.end==DMG_VM_DONE ) {
    uint64_t ret = (uint64_t)raw[ 0 ].i64;
    r.status = (uint32_t)( ret>>32 );
    r.out_sz = (uint32_t)ret;
    if( r.out_sz>inst->mem.sz-inst->out_off ) {
      r.end    = DMG_VM_TRAP;
      r.status = r.out_sz = 0;
    } else {
      dmg_err_t err = dmg_buf_append( &inst->out, inst->mem.base+inst->out_off, r.out_sz );
      DMG_ASSERT( !err );
    }
  }
  inst->is_busy = false;
  dmg_vm_reset( inst );
  return r;
}
