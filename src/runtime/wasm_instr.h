/* wasm_instr: rewrites a DM-1 module so that it counts its own gas and stack (R1.6).

     author's bytes --dmg_wasm_instrument( version )--> bytes for the engine

   The result is a pure function of (bytes, version) on every machine, and the version is consensus data.  It exports,
   beside memory, dm_entry, dm_in and dm_out:

     g       global i64: ticks left, 4 a gas          s    global i32: stack slots left
     dm:run  ( i32 kind, i32 id, i32 in_sz, i64 g, i32 s ) -> i64: puts every mutable global back to its first value, sets g
             and s, calls dm_entry, and is unreachable if g < 0 then

   Version 1:
     function entry   g -= ticks of the first basic block; s -= 8 + params + locals + greatest operand height + operations/16
                      (of code that is not dead); g < 0: unreachable; s < 0: unreachable
     basic block      starts at the function's begin, in a loop, then- and else-branch, behind the end of block and if, behind
                      br_if.  g -= the sum of its ticks; in a loop's header then g < 0: unreachable
     import call      g < 0: unreachable, unless nothing was charged since the last such test; also before call_indirect,
                      as a table may hold imports
     memory.copy/fill g -= n/16 (n as unsigned), g < 0: unreachable; its 40 ticks are in the block's sum
     exit             s += what the entry took; return is a branch to a block around the body
     dead code        (behind br, br_table, return, unreachable up to the next else or end) is left out, custom sections too

   Judging the end of dm:run: g < 0 is NO_GAS, else s < 0 NO_STACK, else what happened.

   Memory   about 2 MiB of scratch for the call
   Threads  any
   Spec     docs/spec/runtime.md R1.3, R1.6 */
#ifndef DMG_RUNTIME_WASM_INSTR_H
#define DMG_RUNTIME_WASM_INSTR_H

#include "runtime/wasm_check.h"

#define DMG_WASM_INSTR_VERSION       1u          /* the newest this code knows */
#define DMG_WASM_INSTR_SZ_MAX        1048576u    /* and at most 4 times the author's bytes */
#define DMG_WASM_INSTR_GROWTH_MAX    4u
#define DMG_WASM_SLOTS_FRAME         8u          /* slots of a frame beside its values */
#define DMG_WASM_OPS_A_SLOT          16u         /* operations whose values fit into one slot */

/* Checks, then rewrites.  *out_report is the verdict as dmg_wasm_check gives it, and also refuses a module whose
   rewritten form is too large; out_buf (replaced, max at least DMG_WASM_INSTR_SZ_MAX) holds it only when is_ok.
   NOMEM, VERSION (not known here), LIMIT (out_buf's max). */
DMG_MUST_USE dmg_err_t dmg_wasm_instrument( dmg_span_t wasm, uint32_t version, dmg_wasm_report_t * out_report, dmg_buf_t * out_buf );

#endif
