/* Checker, instrumenter and engine against the counting interpreter (R8.2): what the checker takes, the engine takes once
   instrumented, and both machines end alike, with equal ticks, slots, host calls and output.

   First byte: 0 the rest is a file, 1 the body of dm_entry in a good file, 2 choices for the generator. */
#include "runtime/test_wasm_gen.h"
#include "runtime/test_wasm_pair.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t size );

static dmg_vm_t *     vm;
static dmg_vm_host_fn table[ DMG_DM1_CNT ];

static void must( bool fact ) { if( !fact ) abort(); }

static void run_both( dmg_span_t wasm, uint8_t const * data, size_t size ) {
  static t_interp_t it;
  dmg_wasm_report_t report;
  dmg_buf_t bytes = dmg_buf( DMG_WASM_INSTR_SZ_MAX ), artifact = dmg_buf( DMG_VM_ARTIFACT_SZ_MAX );
  must( !dmg_wasm_instrument( wasm, 1, &report, &bytes ) );
  if( !report.is_ok ) { dmg_buf_fini( &bytes ); return; }
  must( bytes.sz<=wasm.sz*DMG_WASM_INSTR_GROWTH_MAX );
  dmg_vm_code_t * code;
  dmg_vm_inst_t * inst;
  must( !dmg_vm_compile( vm, dmg_buf_span( &bytes ), &artifact ) );
  must( !dmg_vm_load_bytes( vm, dmg_buf_span( &artifact ), &code ) );
  must( !dmg_vm_inst_new( code, table, &inst ) );
  must( t_interp_init( &it, wasm, t_host_interp ) );
  uint32_t seed = 0;
  for( size_t i = 0; i<size && i<4; i++ ) seed = seed<<8|data[ size-1-i ];
  int64_t const budget[ 3 ] = { 20000, seed%3000, seed%100 };
  for( int i = 0; i<3; i++ ) {
    dmg_vm_entry_t e = { .kind = seed%3, .id = seed%11, .in_sz = seed%7, .ticks = budget[ i ], .slots = i==1 ? (int32_t)( seed%300 ) : DMG_VM_SLOTS_MAX };
    dmg_vm_result_t r;
    char text[ 400 ];
    if( !t_pair_agrees( &it, inst, e, &r, text ) ) { fprintf( stderr, "%s\n", text ); abort(); }
  }
  t_interp_fini( &it );
  dmg_vm_inst_free( inst );
  dmg_vm_code_free( code );
  dmg_buf_fini( &bytes );
  dmg_buf_fini( &artifact );
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t size ) {
  if( !vm ) { t_host_fill( table ); must( !dmg_vm_open( NULL, &vm ) ); }
  if( !size ) return 0;
  t_mod_t m;
  switch( data[ 0 ]%3 ) {
  case 0:
    run_both( dmg_span( data+1, size-1 ), data, size );
    return 0;
  case 1: {
    t_init( &m );
    uint32_t entry = t_type( &m, "iii", 'I' ), other = t_type( &m, "i", 'i' );
    t_import( &m, "dm1", "log", t_type( &m, "ii", 'i' ) );
    t_import( &m, "dm1", "ctr_add", t_type( &m, "iiiII", 'i' ) );
    t_entry( &m, t_func( &m, entry, data+1, size-1 ) );
    t_func( &m, other, (uint8_t const[]){ 0, 0x20, 0, 0x41, 3, 0x6c, 0x0b }, 7 );
    t_global( &m, 0x7f, true, 1 );
    t_global( &m, 0x7e, true, 1 );
    m.table = 6;
    t_elem( &m, 1, (uint32_t const[]){ 0, 1, 2, 3 }, 4 );
    t_data( &m, 0, "\1\2\3\4\5\6\7\10", 8 );
    break;
  }
  default: {
    t_choice_t c = { .bytes = data+1, .bytes_sz = size-1 };
    t_gen_module( &m, &c );
    break;
  }
  }
  run_both( t_done( &m ), data, size );
  t_fini( &m );
  return 0;
}
