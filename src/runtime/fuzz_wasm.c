/* Any bytes: the checker decides without a crash; what it accepts the instrumenter rewrites within its bounds, twice the same. */
#include "base/assert.h"
#include "runtime/wasm_instr.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  dmg_wasm_report_t report, again;
  dmg_span_t wasm = dmg_span( data, sz );
  if( dmg_wasm_check( wasm, &report ) ) return 0;
  dmg_buf_t one = dmg_buf( DMG_WASM_INSTR_SZ_MAX ), two = dmg_buf( DMG_WASM_INSTR_SZ_MAX );
  if( !dmg_wasm_instrument( wasm, DMG_WASM_INSTR_VERSION, &again, &one ) ) {
    DMG_ASSERT( report.is_ok || !again.is_ok );
    if( again.is_ok ) {
      DMG_ASSERT( one.sz<=DMG_WASM_INSTR_SZ_MAX && one.sz<=DMG_WASM_INSTR_GROWTH_MAX*sz );
      dmg_err_t err = dmg_wasm_instrument( wasm, DMG_WASM_INSTR_VERSION, &again, &two );
      DMG_ASSERT( !err && dmg_span_eq( dmg_buf_span( &one ), dmg_buf_span( &two ) ) );
    }
  }
  dmg_buf_fini( &one );
  dmg_buf_fini( &two );
  return 0;
}
