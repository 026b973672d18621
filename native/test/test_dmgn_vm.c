/* dmgn_vm.h from C: Wasmtime's C API is reachable, and a trap is a value. */
#include "dmgn_vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* (module (func (export "f") (param i32) (result i32)
     local.get 0  i32.eqz  if unreachable end  local.get 0  i32.extend8_s)) */
static uint8_t const wasm[] = {
  0, 'a', 's', 'm', 1, 0, 0, 0,
  1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f,
  3, 2, 1, 0,
  7, 5, 1, 1, 'f', 0, 0,
  10, 14, 1, 12, 0, 0x20, 0, 0x45, 0x04, 0x40, 0x00, 0x0b, 0x20, 0, 0xc0, 0x0b,
};

static wasm_config_t * node_config( void ) {
  wasm_config_t * config = wasm_config_new();
  dmgn_vm_config_backtrace_off( config );
  dmgn_vm_config_address_map_set( config, false );
  dmgn_vm_config_table_lazy_init_set( config, false );
  dmgn_vm_config_proposals( config, DMGN_VM_MUTABLE_GLOBAL|DMGN_VM_SIGN_EXTENSION|DMGN_VM_BULK_MEMORY );
  wasmtime_config_native_unwind_info_set( config, false );
  wasmtime_config_max_wasm_stack_set( config, (size_t)2<<20 );
  return config;
}

static void test_code_runs_and_traps_as_a_value( void ** state ) {
  (void)state;
  char err[ 200 ] = "";
  wasm_engine_t * engine = dmgn_vm_engine_new( node_config(), err, sizeof err );
  assert_non_null( engine );
  wasmtime_module_t * module = NULL;
  assert_null( wasmtime_module_new( engine, wasm, sizeof wasm, &module ) );
  wasmtime_store_t * store = wasmtime_store_new( engine, NULL, NULL );
  wasmtime_context_t * ctx = wasmtime_store_context( store );
  wasmtime_instance_t instance;
  wasm_trap_t * trap = NULL;
  assert_null( wasmtime_instance_new( ctx, module, NULL, 0, &instance, &trap ) );
  wasmtime_extern_t f;
  assert_true( wasmtime_instance_export_get( ctx, &instance, "f", 1, &f ) );
  for( int i = 0; i<1000; i++ ) {
    wasmtime_val_raw_t v[ 1 ] = { { .i32 = 0x1ff } };
    assert_null( wasmtime_func_call_unchecked( ctx, &f.of.func, v, 1, &trap ) );
    assert_null( trap );
    assert_int_equal( v[ 0 ].i32, -1 );
    v[ 0 ].i32 = 0;
    assert_null( wasmtime_func_call_unchecked( ctx, &f.of.func, v, 1, &trap ) );
    assert_non_null( trap );
    wasmtime_trap_code_t code;
    assert_true( wasmtime_trap_code( trap, &code ) );
    assert_int_equal( code, WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED );
    wasm_trap_delete( trap );
    trap = NULL;
  }
  wasmtime_store_delete( store );
  wasmtime_module_delete( module );
  wasm_engine_delete( engine );
}

static void test_contradiction_is_told( void ** state ) {
  (void)state;
  wasm_config_t * config = wasm_config_new();
  wasmtime_config_max_wasm_stack_set( config, 0 );
  char err[ 200 ] = "";
  assert_null( dmgn_vm_engine_new( config, err, sizeof err ) );
  assert_non_null( strstr( err, "stack" ) );
}

static void test_engine_key_follows_the_settings( void ** state ) {
  (void)state;
  uint8_t key[ 3 ][ 32 ];
  for( int i = 0; i<3; i++ ) {
    wasm_config_t * config = node_config();
    if( i==2 ) wasmtime_config_memory_guard_size_set( config, (uint64_t)1<<20 );
    wasm_engine_t * engine = dmgn_vm_engine_new( config, NULL, 0 );
    assert_non_null( engine );
    dmgn_vm_engine_key( engine, key[ i ] );
    wasm_engine_delete( engine );
  }
  assert_memory_equal( key[ 0 ], key[ 1 ], 32 );
  assert_memory_not_equal( key[ 0 ], key[ 2 ], 32 );
  assert_int_equal( strncmp( dmgn_vm_version(), "48.", 3 ), 0 );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_code_runs_and_traps_as_a_value ),
    cmocka_unit_test( test_contradiction_is_told ),
    cmocka_unit_test( test_engine_key_follows_the_settings ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
