/* wasm_instr: bytes pinned; ticks, slots and ends equal to a counting interpreter's on random programs (R8.2). */
#include "runtime/test_wasm_gen.h"
#include "runtime/test_wasm_pair.h"
#include "base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

static dmg_vm_t * vm;

static dmg_vm_host_fn table[ DMG_DM1_CNT ];

static int setup( void ** state ) {
  t_host_fill( table );
  return dmg_vm_open( NULL, &vm );
}
static int teardown( void ** state ) { dmg_vm_close( vm ); return 0; }

static dmg_vm_inst_t * inst_of( dmg_span_t wasm, dmg_vm_code_t ** out_code ) {
  dmg_wasm_report_t report;
  dmg_buf_t bytes = dmg_buf( DMG_WASM_INSTR_SZ_MAX ), artifact = dmg_buf( DMG_VM_ARTIFACT_SZ_MAX );
  assert_int_equal( dmg_wasm_instrument( wasm, 1, &report, &bytes ), DMG_OK );
  if( !report.is_ok ) fail_msg( "%s (function %u, offset %u)", report.text, report.func_idx, report.off );
  dmg_vm_inst_t * inst;
  assert_int_equal( dmg_vm_compile( vm, dmg_buf_span( &bytes ), &artifact ), DMG_OK );
  assert_int_equal( dmg_vm_load_bytes( vm, dmg_buf_span( &artifact ), out_code ), DMG_OK );
  assert_int_equal( dmg_vm_inst_new( *out_code, table, &inst ), DMG_OK );
  dmg_buf_fini( &bytes );
  dmg_buf_fini( &artifact );
  return inst;
}

static void compare( uint64_t seed, t_interp_t * it, dmg_vm_inst_t * inst, int64_t ticks, int32_t slots, dmg_vm_result_t * out ) {
  dmg_vm_entry_t e = { .kind = (uint32_t)seed%3, .id = (uint32_t)( seed>>8 )%11, .in_sz = 5, .ticks = ticks, .slots = slots };
  char text[ 400 ];
  if( !t_pair_agrees( it, inst, e, out, text ) ) fail_msg( "seed %llu %s", (unsigned long long)seed, text );
}

static void test_random_programs_end_as_the_interpreter_says( void ** state ) {
  dmg_vm_signals_restore();
  char const * given = getenv( "DMG_TEST_SEED" );
  uint64_t seed0 = given ? strtoull( given, NULL, 10 ) : dmg_os_wall_ms()*1000+1, ends[ 5 ] = { 0 };
  uint32_t cnt = getenv( "DMG_TEST_CNT" ) ? (uint32_t)strtoul( getenv( "DMG_TEST_CNT" ), NULL, 10 ) : given ? 1 : DMG_SANITIZED ? 60 : 150;
  print_message( "seed %llu (DMG_TEST_SEED repeats one program)\n", (unsigned long long)seed0 );
  for( uint32_t i = 0; i<cnt; i++ ) {
    uint64_t seed = seed0+i;
    t_choice_t c = { .state = seed*0x9e3779b97f4a7c15u|1 };
    t_mod_t m;
    dmg_span_t wasm = t_gen_module( &m, &c );
    static t_interp_t it;
    if( !t_interp_init( &it, wasm, t_host_interp ) ) {
      dmg_wasm_report_t r;
      assert_int_equal( dmg_wasm_check( wasm, &r ), DMG_OK );
      fail_msg( "seed %llu: %s (function %u, offset %u)", (unsigned long long)seed, r.text, r.func_idx, r.off );
    }
    dmg_vm_code_t * code;
    dmg_vm_inst_t * inst = inst_of( wasm, &code );
    dmg_vm_result_t full, part;
    compare( seed, &it, inst, 30000, DMG_VM_SLOTS_MAX, &full );
    ends[ full.end ]++;
    compare( seed, &it, inst, 3000, 100, &part );
    /* R8.2: exhaustion at every tick, for programs short enough; at some ticks for all. */
    int64_t used = 30000-full.ticks_left;
    if( used<1500 && i<40 ) for( int64_t t = 0; t<=used; t++ ) compare( seed, &it, inst, t, DMG_VM_SLOTS_MAX, &part );
    else for( int k = 0; k<20; k++ ) compare( seed, &it, inst, t_pick( &c, 1u<<30 )%( used<1 ? 1 : used+1 ), (int32_t)t_pick( &c, 400 ), &part );
    dmg_vm_inst_free( inst );
    dmg_vm_code_free( code );
    t_interp_fini( &it );
    t_fini( &m );
  }
  print_message( "done %lu trap %lu no gas %lu no stack %lu host stop %lu\n", ends[ DMG_VM_DONE ], ends[ DMG_VM_TRAP ], ends[ DMG_VM_NO_GAS ], ends[ DMG_VM_NO_STACK ], ends[ DMG_VM_HOST_STOP ] );
}

/* A module whose dm_entry has this body, with log as function 0. */
static dmg_span_t small( t_mod_t * m, void const * body, size_t sz ) {
  t_init( m );
  t_import( m, "dm1", "log", t_type( m, "ii", 'i' ) );
  t_entry( m, t_func( m, t_type( m, "iii", 'I' ), body, sz ) );
  return t_done( m );
}

static void test_version_1_writes_exactly_these_bytes( void ** state ) {
  /* log( 0, 1 ); return id as i64 */
  uint8_t const body[] = { 0, 0x41, 0, 0x41, 1, 0x10, 0, 0x1a, 0x20, 1, 0xad, 0x0f, 0x0b };
  uint8_t const want[] = {
    0, 'a', 's', 'm', 1, 0, 0, 0,
    0x01, 0x17, 3, 0x60, 2, 0x7f, 0x7f, 1, 0x7f, 0x60, 3, 0x7f, 0x7f, 0x7f, 1, 0x7e, 0x60, 5, 0x7f, 0x7f, 0x7f, 0x7e, 0x7f, 1, 0x7e,
    0x02, 0x0b, 1, 3, 'd', 'm', '1', 3, 'l', 'o', 'g', 0, 0,
    0x03, 0x03, 2, 1, 2,
    0x05, 0x04, 1, 1, 1, 1,
    0x06, 0x18, 4, 0x7f, 0, 0x41, 0x80, 0x08, 0x0b, 0x7f, 0, 0x41, 0x80, 0x80, 0x02, 0x0b, 0x7e, 1, 0x42, 0, 0x0b, 0x7f, 1, 0x41, 0, 0x0b,
    0x07, 0x37, 7, 6, 'm', 'e', 'm', 'o', 'r', 'y', 2, 0, 8, 'd', 'm', '_', 'e', 'n', 't', 'r', 'y', 0, 1, 5, 'd', 'm', '_', 'i', 'n', 3, 0, 6, 'd', 'm', '_', 'o', 'u', 't', 3, 1,
    1, 'g', 3, 2, 1, 's', 3, 3, 6, 'd', 'm', ':', 'r', 'u', 'n', 0, 2,
    0x0a, 0x56, 2,
    0x38, 0,
    0x23, 2, 0x42, 22, 0x7d, 0x24, 2,                            /* g -= 22: two consts, call, get, extend, return */
    0x23, 3, 0x41, 13, 0x6b, 0x24, 3,                            /* s -= 8 + 3 + 0 + 2 */
    0x23, 2, 0x42, 0, 0x53, 0x04, 0x40, 0x00, 0x0b,              /* g < 0 */
    0x23, 3, 0x41, 0, 0x48, 0x04, 0x40, 0x00, 0x0b,              /* s < 0 */
    0x02, 0x7e, 0x41, 0, 0x41, 1, 0x10, 0, 0x1a, 0x20, 1, 0xad, 0x0c, 0, 0x0b,   /* tested at the entry, so not again before the call */
    0x23, 3, 0x41, 13, 0x6a, 0x24, 3, 0x0b,
    0x1b, 0,
    0x20, 3, 0x24, 2, 0x20, 4, 0x24, 3, 0x20, 0, 0x20, 1, 0x20, 2, 0x10, 1, 0x23, 2, 0x42, 0, 0x53, 0x04, 0x40, 0x00, 0x0b, 0x0b,
  };
  t_mod_t m;
  dmg_wasm_report_t r;
  dmg_buf_t out = dmg_buf( DMG_WASM_INSTR_SZ_MAX );
  assert_int_equal( dmg_wasm_instrument( small( &m, body, sizeof body ), 1, &r, &out ), DMG_OK );
  if( !r.is_ok ) fail_msg( "%s", r.text );
  for( size_t i = 0; i<out.sz && i<sizeof want; i++ ) if( out.p[ i ]!=want[ i ] ) fail_msg( "byte %zu is %02x, pinned %02x", i, out.p[ i ], want[ i ] );
  assert_int_equal( out.sz, sizeof want );
  dmg_buf_fini( &out );
  t_fini( &m );
}

static void test_version_1_is_pinned_over_many_modules( void ** state ) {
  /* Instrumented bytes are consensus data: a new hash here means a new instr_version. */
  dmg_sha256_t in, out_sha;
  dmg_sha256_init( &in );
  dmg_sha256_init( &out_sha );
  dmg_buf_t out = dmg_buf( DMG_WASM_INSTR_SZ_MAX );
  for( uint64_t seed = 1; seed<=200; seed++ ) {
    t_choice_t c = { .state = seed*0x9e3779b97f4a7c15u|1 };
    t_mod_t m;
    dmg_wasm_report_t r;
    dmg_span_t wasm = t_gen_module( &m, &c );
    assert_int_equal( dmg_wasm_instrument( wasm, 1, &r, &out ), DMG_OK );
    assert_true( r.is_ok );
    dmg_sha256_update( &in, wasm );
    dmg_sha256_update( &out_sha, dmg_buf_span( &out ) );
    t_fini( &m );
  }
  dmg_buf_fini( &out );
  dmg_hash_t hi = dmg_sha256_final( &in ), ho = dmg_sha256_final( &out_sha );
  char ti[ 65 ], to[ 65 ];
  dmg_hex_encode( hi.b, 32, ti );
  dmg_hex_encode( ho.b, 32, to );
  assert_string_equal( ti, "30737ce05ad6c346bbbb3c72229649c85a9b364c726d537a8fc6506b7882e221" );    /* the generator itself: change both together */
  assert_string_equal( to, "5166276248de2fae7743eb475e84831beb5ccf7b8c4d6e39446a50a9f1dbcee6" );
}

static void test_unknown_versions_and_refused_modules_give_no_bytes( void ** state ) {
  uint8_t const good[] = { 0, 0x42, 0, 0x0b }, bad[] = { 0, 0x41, 0, 0x0b };
  t_mod_t m;
  dmg_wasm_report_t r;
  dmg_buf_t out = dmg_buf( DMG_WASM_INSTR_SZ_MAX );
  dmg_span_t wasm = small( &m, good, sizeof good );
  assert_int_equal( dmg_wasm_instrument( wasm, 0, &r, &out ), DMG_ERR_VERSION );
  assert_int_equal( dmg_wasm_instrument( wasm, 2, &r, &out ), DMG_ERR_VERSION );
  t_fini( &m );
  assert_int_equal( dmg_wasm_instrument( small( &m, bad, sizeof bad ), 1, &r, &out ), DMG_OK );
  assert_false( r.is_ok );
  assert_int_equal( out.sz, 0 );
  t_fini( &m );
}

static void test_a_module_that_grows_too_much_is_refused( void ** state ) {
  /* An empty function is 4 bytes in the file and becomes 40: some of them fit beside a large body, many do not. */
  dmg_buf_t out = dmg_buf( DMG_WASM_INSTR_SZ_MAX );
  uint8_t const empty[] = { 0, 0x0b };
  for( int is_many = 0; is_many<2; is_many++ ) {
    uint8_t body[ 1000 ];
    memset( body, 0x01, sizeof body );
    body[ 0 ] = 0;
    memcpy( body+sizeof body-3, (uint8_t const[]){ 0x42, 0, 0x0b }, 3 );
    t_mod_t m;
    t_init( &m );
    t_entry( &m, t_func( &m, t_type( &m, "iii", 'I' ), body, sizeof body ) );
    uint32_t v = t_type( &m, "", 0 );
    for( int i = 0; i<( is_many ? 200 : 50 ); i++ ) t_func( &m, v, empty, sizeof empty );
    dmg_wasm_report_t r;
    dmg_span_t wasm = t_done( &m );
    assert_int_equal( dmg_wasm_instrument( wasm, 1, &r, &out ), DMG_OK );
    assert_int_equal( r.is_ok, !is_many );
    if( is_many ) assert_non_null( strstr( r.text, "with its metering the module passes" ) );
    else          assert_true( out.sz>2*wasm.sz && out.sz<=4*wasm.sz );
    t_fini( &m );
  }
  dmg_buf_fini( &out );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_version_1_writes_exactly_these_bytes ),
    cmocka_unit_test( test_version_1_is_pinned_over_many_modules ),
    cmocka_unit_test( test_unknown_versions_and_refused_modules_give_no_bytes ),
    cmocka_unit_test( test_a_module_that_grows_too_much_is_refused ),
    cmocka_unit_test( test_random_programs_end_as_the_interpreter_says ),
  };
  return cmocka_run_group_tests( tests, setup, teardown );
}
