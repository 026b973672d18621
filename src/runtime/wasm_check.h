/* wasm_check: is a module of profile DM-1?  Our word alone counts, engine and compiler have none (R1.4).

     author's bytes --> dmg_wasm_check --> report { is_ok | text, function, offset ; imports, memory, dm_in, dm_out, abi }

   It validates the whole module as the WebAssembly specification does (types of every operand on every path, dead code
   too), refuses what the profile leaves out and what passes a limit.

   Memory   about 400 KiB of scratch for the call; the report borrows spans of the module's bytes
   Threads  any
   Failure  NOMEM only; a refused module is a verdict in the report
   Bounds   time linear in the file, which is at most DMG_WASM_FILE_SZ_MAX
   Spec     docs/spec/runtime.md R1.4 */
#ifndef DMG_RUNTIME_WASM_CHECK_H
#define DMG_RUNTIME_WASM_CHECK_H

#include "base/bytes.h"
#include "runtime/dm1.h"

/* R1.4: against compile bombs. */
#define DMG_WASM_FILE_SZ_MAX      262144u
#define DMG_WASM_FUNC_MAX         2000u     /* imports apart */
#define DMG_WASM_BODY_SZ_MAX      65536u
#define DMG_WASM_BLOCK_MAX        2000u     /* a function; counted: block, loop, if, br_if, br_table */
#define DMG_WASM_BLOCK_ALL_MAX    20000u    /* a module */
#define DMG_WASM_LOCAL_MAX        256u      /* parameters apart */
#define DMG_WASM_PARAM_MAX        16u
#define DMG_WASM_NESTING_MAX      128u
#define DMG_WASM_BR_TABLE_MAX     512u      /* default apart */
#define DMG_WASM_TYPE_MAX         256u
#define DMG_WASM_SEGMENT_MAX      256u      /* element segments; data segments */
#define DMG_WASM_GLOBAL_MAX       64u
#define DMG_WASM_IMPORT_MAX       64u
#define DMG_WASM_TABLE_MAX        1024u
#define DMG_WASM_PAGES_MAX        16u
#define DMG_WASM_ABI_SZ_MAX       65536u    /* section dm:abi (R2.2) */

#define DMG_WASM_NO_FUNC          UINT32_MAX

/* is_ok, else: text says what is wrong and what would be right; off is the byte offset in the file; func_idx the
   function's index (imports counted first) or NO_FUNC.  The rest holds only when is_ok.
   imports: bit k is set when function k of DMG_DM1_TABLE is imported. */
typedef struct {
  bool       is_ok;
  char       text[ 160 ];
  uint32_t   func_idx, off;
  uint32_t   memory_pages, dm_in, dm_out, func_cnt;
  uint64_t   imports;
  dmg_span_t abi, doc, src;   /* contents of dm:abi, dm:doc, dm:src; the last two may be absent (p NULL) */
} dmg_wasm_report_t;

DMG_MUST_USE dmg_err_t dmg_wasm_check( dmg_span_t wasm, dmg_wasm_report_t * out_report );

#endif
