/* The module checker: any bytes as a file, or as the body of a function in a good file; whatever it says, it says again. */
#include "runtime/test_wasm.h"
#include "runtime/wasm_check.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t size );

static void must( bool fact ) { if( !fact ) abort(); }

static void judge( dmg_span_t wasm ) {
  static dmg_wasm_report_t a, b;
  must( !dmg_wasm_check( wasm, &a ) && !dmg_wasm_check( wasm, &b ) );
  must( a.is_ok==b.is_ok && !strcmp( a.text, b.text ) && a.off==b.off && a.func_idx==b.func_idx );
  must( a.is_ok==!a.text[ 0 ] );
  must( a.off<=wasm.sz );
  if( !a.is_ok ) return;
  uint32_t mem_sz = a.memory_pages*65536u;
  must( a.memory_pages>=1 && a.memory_pages<=DMG_WASM_PAGES_MAX && a.dm_in<mem_sz && a.dm_out<mem_sz && a.func_cnt<=DMG_WASM_FUNC_MAX );
  must( a.abi.p>=wasm.p && a.abi.p+a.abi.sz<=wasm.p+wasm.sz && a.abi.sz<=DMG_WASM_ABI_SZ_MAX );
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t size ) {
  if( !size ) return 0;
  if( data[ 0 ]&1 ) { judge( dmg_span( data+1, size-1 ) ); return 0; }
  t_mod_t m;
  t_init( &m );
  uint32_t entry = t_type( &m, "iii", 'I' ), other = t_type( &m, "", 0 );
  t_import( &m, "dm1", "log", t_type( &m, "ii", 'i' ) );
  t_entry( &m, t_func( &m, entry, data+1, size-1 ) );
  t_func( &m, other, (uint8_t const[]){ 0, 0x0b }, 2 );
  t_global( &m, 0x7f, true, 1 );
  t_global( &m, 0x7e, true, 1 );
  m.table = 4;
  judge( t_done( &m ) );
  t_fini( &m );
  return 0;
}
