/* wasm_int: what checker and instrumenter share: a reader of the binary format, the operations of profile DM-1
   with their ticks, and the parsed module.

     bytes --dmg_wasm_parse--> dmg_wasm_mod_t (indexes and offsets into the bytes, no copies)

   Pure C: no operating system, so that the same code runs in the browser. */
#ifndef DMG_RUNTIME_WASM_INT_H
#define DMG_RUNTIME_WASM_INT_H

#include "base/bytes.h"
#include "runtime/wasm_check.h"
#include "runtime/wasm_instr.h"

#define DMG_W_I32   0x7f
#define DMG_W_I64   0x7e
#define DMG_W_NONE  0x40   /* no result; as a value type: any, the operand of unreachable code */

/* Operations that code names. */
enum {
  DMG_W_UNREACHABLE = 0x00, DMG_W_NOP = 0x01, DMG_W_BLOCK = 0x02, DMG_W_LOOP = 0x03, DMG_W_IF = 0x04, DMG_W_ELSE = 0x05, DMG_W_END = 0x0b, DMG_W_BR = 0x0c,
  DMG_W_BR_IF = 0x0d, DMG_W_BR_TABLE = 0x0e, DMG_W_RETURN = 0x0f, DMG_W_CALL = 0x10, DMG_W_CALL_INDIRECT = 0x11, DMG_W_DROP = 0x1a, DMG_W_SELECT = 0x1b,
  DMG_W_LOCAL_GET = 0x20, DMG_W_LOCAL_SET = 0x21, DMG_W_LOCAL_TEE = 0x22, DMG_W_GLOBAL_GET = 0x23, DMG_W_GLOBAL_SET = 0x24, DMG_W_MEMORY_SIZE = 0x3f,
  DMG_W_I32_CONST = 0x41, DMG_W_I64_CONST = 0x42, DMG_W_I32_LT_S = 0x48, DMG_W_I64_LT_S = 0x53, DMG_W_I32_ADD = 0x6a, DMG_W_I32_SUB = 0x6b, DMG_W_I64_ADD = 0x7c,
  DMG_W_I64_SUB = 0x7d, DMG_W_I64_SHR_U = 0x88, DMG_W_I64_EXTEND_U = 0xad, DMG_W_PREFIX_BULK = 0xfc,
  DMG_W_SUB_COPY = 10, DMG_W_SUB_FILL = 11
};

/* Section ids. */
enum { DMG_W_SEC_CUSTOM = 0, DMG_W_SEC_TYPE, DMG_W_SEC_IMPORT, DMG_W_SEC_FUNC, DMG_W_SEC_TABLE, DMG_W_SEC_MEMORY, DMG_W_SEC_GLOBAL, DMG_W_SEC_EXPORT, DMG_W_SEC_START,
       DMG_W_SEC_ELEM, DMG_W_SEC_CODE, DMG_W_SEC_DATA, DMG_W_SEC_DATA_CNT, DMG_W_SEC_CNT };

/* A reader over p[ 0, sz ); off <= sz always. */
typedef struct { uint8_t const * p; uint32_t sz, off; } dmg_wasm_rd_t;

/* Each returns false and leaves off where the field began when the bytes end or the number is malformed.  LEB128 may
   be padded up to its longest form, unused bits must be zero (sign bits for signed ones). */
bool dmg_wasm_u8 ( dmg_wasm_rd_t * rd, uint8_t * out );
bool dmg_wasm_u32( dmg_wasm_rd_t * rd, uint32_t * out );
bool dmg_wasm_s32( dmg_wasm_rd_t * rd, int32_t * out );
bool dmg_wasm_s64( dmg_wasm_rd_t * rd, int64_t * out );

/* What follows the opcode. */
typedef enum { DMG_W_IMM_NONE, DMG_W_IMM_BLOCK, DMG_W_IMM_INDEX, DMG_W_IMM_BR_TABLE, DMG_W_IMM_INDIRECT, DMG_W_IMM_MEM, DMG_W_IMM_ZERO, DMG_W_IMM_I32, DMG_W_IMM_I64, DMG_W_IMM_BULK } dmg_wasm_imm_t;

/* Static facts of an opcode.  pop, push: operand types of plain operations (0: none); control flow, variables, calls,
   drop and select have neither here.  width_log2: natural alignment of a memory access. */
typedef struct { bool is_known; uint8_t imm, ticks, pop_cnt, pop[ 2 ], push, width_log2; } dmg_wasm_opinfo_t;
extern dmg_wasm_opinfo_t const dmg_wasm_opinfo[ 256 ];

/* One decoded operation.  imm: block type, index (label, function, type, local, global), constant (sign-extended),
   memory offset, number of br_table targets without the default; imm2: alignment.  For DMG_W_PREFIX_BULK sub says which. */
typedef struct { uint8_t code, sub; uint32_t off, end, table_off; uint64_t imm; uint32_t imm2; } dmg_wasm_op_t;

/* NULL and the reader behind the operation, or why not (a sentence's end, static) and the reader where it was. */
char const * dmg_wasm_op_read( dmg_wasm_rd_t * rd, dmg_wasm_op_t * out );
/* Ticks charged with the basic block (R1.6); for memory.copy and fill without the part by length. */
static inline uint32_t dmg_wasm_op_ticks( dmg_wasm_op_t const * op ) { return dmg_wasm_opinfo[ op->code ].ticks; }

typedef struct { uint8_t param_cnt, result, param[ DMG_WASM_PARAM_MAX ]; } dmg_wasm_type_t;                        /* result: a value type or NONE */
typedef struct { uint8_t type, is_mut; int64_t init; } dmg_wasm_global_t;
/* code_off: behind the locals.  height_max: greatest operand height, op_cnt: operations, both of code that is not dead
   (dead: behind a branch or unreachable, up to the end or else of its block). */
typedef struct { uint32_t body_off, body_sz, code_off; uint16_t type, local_cnt; uint32_t height_max, op_cnt; bool has_bulk; } dmg_wasm_func_t;

typedef struct {
  dmg_span_t bytes;
  uint32_t type_cnt, import_cnt, func_cnt, global_cnt, elem_cnt, data_cnt, export_cnt;
  dmg_wasm_type_t   types  [ DMG_WASM_TYPE_MAX ];
  uint16_t          import_type[ DMG_WASM_IMPORT_MAX ];
  uint8_t           import_dm1 [ DMG_WASM_IMPORT_MAX ];
  dmg_wasm_global_t globals[ DMG_WASM_GLOBAL_MAX ];
  dmg_wasm_func_t   funcs  [ DMG_WASM_FUNC_MAX ];         /* without the imports */
  bool     has_table, has_table_max;
  uint32_t table_min, table_max, memory_pages;
  uint32_t entry_func, in_global, out_global;             /* indexes exported as dm_entry, dm_in, dm_out */
  uint32_t sec_off[ DMG_W_SEC_CNT ], sec_sz[ DMG_W_SEC_CNT ];   /* content, 0 and 0 when absent */
  dmg_span_t abi, doc, src;
} dmg_wasm_mod_t;

/* R1.6: what a call of the function takes from s.  A slot stands for 128 bytes of the engine's stack.  Parameters, locals
   and operands alone do not bound a frame: an optimising compiler finds equal expressions and keeps their values alive
   across calls, in places that no operand or local stands for.  Each such value comes from an operation, hence the last
   term: 8 bytes an operation. */
static inline uint32_t dmg_wasm_func_slots( dmg_wasm_mod_t const * mod, dmg_wasm_func_t const * fn ) {
  return DMG_WASM_SLOTS_FRAME+mod->types[ fn->type ].param_cnt+fn->local_cnt+fn->height_max+fn->op_cnt/DMG_WASM_OPS_A_SLOT;
}

/* Checks everything; on a verdict other than OK mod is only partly filled.  mod is cleared first. */
DMG_MUST_USE dmg_err_t dmg_wasm_parse( dmg_span_t bytes, dmg_wasm_mod_t * mod, dmg_wasm_report_t * out_report );
/* Writes a verdict that is not OK.  fmt knows %u (uint32_t) and %s only. */
void dmg_wasm_refuse( dmg_wasm_report_t * report, uint32_t func_idx, uint32_t off, char const * fmt, ... );

/* dmg_wasm_instrument without counting anything: what metering costs is measured against it.  Never for a chain: such
   code does not end by itself. */
DMG_MUST_USE dmg_err_t dmg_wasm_rewrite_plain( dmg_span_t wasm, dmg_wasm_report_t * out_report, dmg_buf_t * out_buf );

#endif
