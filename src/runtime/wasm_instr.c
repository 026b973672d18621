#include "runtime/wasm_instr.h"
#include "runtime/wasm_int.h"
#include "base/assert.h"

#include <stdlib.h>

/* Basic blocks of a body: its begin; behind each counted operation; else and end of each block. */
#define SUM_MAX ( 1+3*DMG_WASM_BLOCK_MAX )

typedef struct {
  dmg_wasm_mod_t mod;
  /* output */
  uint32_t sz, max;
  bool     is_full;
  /* one body */
  uint32_t sums[ SUM_MAX ], sum_cnt, sum_next, depth;
  uint8_t  op_of[ DMG_WASM_NESTING_MAX ];
  bool     is_tested;         /* g >= 0 is known here */
  bool     is_plain;          /* nothing is counted: the other side of a comparison (wasm_int.h) */
  uint32_t g, s, tmp;         /* indexes of our globals and of the local for lengths */
  uint8_t  out[ DMG_WASM_INSTR_SZ_MAX ];
} instr_t;

/* ---- Output ---- */

static void put_u8( instr_t * in, uint8_t b ) {
  if( in->sz>=in->max ) { in->is_full = true; return; }
  in->out[ in->sz++ ] = b;
}
static void put_bytes( instr_t * in, uint8_t const * p, size_t sz ) {
  if( sz>in->max-in->sz ) { in->is_full = true; return; }
  memcpy( in->out+in->sz, p, sz );
  in->sz += (uint32_t)sz;
}
static void put_u32( instr_t * in, uint32_t v ) {
  for( ; v>0x7f; v >>= 7 ) put_u8( in, (uint8_t)( v|0x80 ) );
  put_u8( in, (uint8_t)v );
}
/* Serves i32 constants too: both forms are the shortest signed LEB128 of the value. */
static void put_s64( instr_t * in, int64_t v ) {
  for(;;) {
    uint8_t b = (uint8_t)( v&0x7f );
    v >>= 7;
    if( ( !v && !( b&0x40 ) ) || ( v==-1 && ( b&0x40 ) ) ) { put_u8( in, b ); return; }
    put_u8( in, b|0x80 );
  }
}
static void put_op_u32( instr_t * in, uint8_t op, uint32_t v ) { put_u8( in, op ); put_u32( in, v ); }
static void put_op_s64( instr_t * in, uint8_t op, int64_t v )  { put_u8( in, op ); put_s64( in, v ); }
static void put_name( instr_t * in, char const * name ) {
  put_u32( in, (uint32_t)strlen( name ) );
  put_bytes( in, (uint8_t const *)name, strlen( name ) );
}

/* A sized thing: five bytes are kept for its size, close() moves the content up behind the shortest form. */
static uint32_t open_sized( instr_t * in ) {
  static uint8_t const hole[ 5 ];
  put_bytes( in, hole, 5 );
  return in->sz;
}
static void close_sized( instr_t * in, uint32_t start ) {
  if( in->is_full ) return;
  uint32_t content_sz = in->sz-start, len = 1;
  while( content_sz>>( 7*len ) ) len++;
  memmove( in->out+start-5+len, in->out+start, content_sz );
  in->sz = start-5;
  put_u32( in, content_sz );
  in->sz += content_sz;
}

/* ---- What is added ---- */

/* global < 0: unreachable */
static void put_negative_test( instr_t * in, uint32_t global, uint8_t const_op, uint8_t lt_op ) {
  put_op_u32( in, DMG_W_GLOBAL_GET, global );
  put_op_s64( in, const_op, 0 );
  put_u8( in, lt_op );
  put_u8( in, DMG_W_IF );
  put_u8( in, DMG_W_NONE );
  put_u8( in, DMG_W_UNREACHABLE );
  put_u8( in, DMG_W_END );
}

static void put_test( instr_t * in ) {
  if( in->is_plain ) return;
  put_negative_test( in, in->g, DMG_W_I64_CONST, DMG_W_I64_LT_S );
  in->is_tested = true;
}

/* The next basic block starts here: g -= its ticks. */
static void put_charge( instr_t * in ) {
  DMG_ASSERT( in->sum_next<in->sum_cnt );
  uint32_t ticks = in->sums[ in->sum_next++ ];
  /* Control may come here from elsewhere, so what was tested before is not known. */
  in->is_tested = false;
  if( !ticks || in->is_plain ) return;
  put_op_u32( in, DMG_W_GLOBAL_GET, in->g );
  put_op_s64( in, DMG_W_I64_CONST, ticks );
  put_u8( in, DMG_W_I64_SUB );
  put_op_u32( in, DMG_W_GLOBAL_SET, in->g );
}

static void put_slots( instr_t * in, uint8_t op, uint32_t slots ) {
  if( in->is_plain ) return;
  put_op_u32( in, DMG_W_GLOBAL_GET, in->s );
  put_op_s64( in, DMG_W_I32_CONST, slots );
  put_u8( in, op );
  put_op_u32( in, DMG_W_GLOBAL_SET, in->s );
}

static void put_slots_test( instr_t * in ) {
  if( !in->is_plain ) put_negative_test( in, in->s, DMG_W_I32_CONST, DMG_W_I32_LT_S );
}

/* The length of memory.copy or fill is on top of the stack and stays there. */
static void put_bulk_charge( instr_t * in ) {
  if( in->is_plain ) return;
  put_op_u32( in, DMG_W_LOCAL_SET, in->tmp );
  put_op_u32( in, DMG_W_GLOBAL_GET, in->g );
  put_op_u32( in, DMG_W_LOCAL_GET, in->tmp );
  put_u8( in, DMG_W_I64_EXTEND_U );
  put_op_s64( in, DMG_W_I64_CONST, 4 );
  put_u8( in, DMG_W_I64_SHR_U );
  put_u8( in, DMG_W_I64_SUB );
  put_op_u32( in, DMG_W_GLOBAL_SET, in->g );
  put_test( in );
  put_op_u32( in, DMG_W_LOCAL_GET, in->tmp );
}

/* ---- Bodies ---- */

static dmg_wasm_op_t op_next( dmg_wasm_rd_t * rd ) {
  dmg_wasm_op_t op;
  char const * why = dmg_wasm_op_read( rd, &op );
  DMG_ASSERT( !why );   /* the checker has read the same bytes */
  return op;
}

/* What an operation does to the flow: leaves (what follows is dead), or starts a new basic block behind itself. */
static bool op_leaves( uint8_t code ) { return code==DMG_W_BR || code==DMG_W_BR_TABLE || code==DMG_W_RETURN || code==DMG_W_UNREACHABLE; }
static bool op_opens ( uint8_t code ) { return code==DMG_W_BLOCK || code==DMG_W_LOOP || code==DMG_W_IF; }

/* Behind a leaving operation: reads up to the else or end of the innermost open block and returns that. */
static dmg_wasm_op_t dead_skip( dmg_wasm_rd_t * rd ) {
  for( uint32_t inner = 0;; ) {
    dmg_wasm_op_t op = op_next( rd );
    if( op_opens( op.code ) ) inner++;
    else if( !inner && ( op.code==DMG_W_ELSE || op.code==DMG_W_END ) ) return op;
    else if( op.code==DMG_W_END ) inner--;
  }
}

static void depth_push( instr_t * in, uint8_t code ) {
  DMG_ASSERT( in->depth<DMG_WASM_NESTING_MAX );
  in->op_of[ in->depth++ ] = code;
}

/* The ticks of each basic block, in the order in which the second pass meets their starts. */
static void body_sum( instr_t * in, dmg_wasm_rd_t rd ) {
  in->sum_cnt = 1;
  in->sums[ 0 ] = 0;
  in->depth = 0;
  for( bool is_dead = false;; ) {
    dmg_wasm_op_t op = is_dead ? dead_skip( &rd ) : op_next( &rd );
    bool starts = false;
    in->sums[ in->sum_cnt-1 ] += dmg_wasm_op_ticks( &op );
    if( op_opens( op.code ) ) {
      depth_push( in, op.code );
      starts = op.code!=DMG_W_BLOCK;
    } else if( op.code==DMG_W_END ) {
      if( !in->depth ) return;
      /* Nothing branches to a loop's end: the block that falls out of it goes on. */
      starts = in->op_of[ --in->depth ]!=DMG_W_LOOP || is_dead;
    } else starts = op.code==DMG_W_ELSE || op.code==DMG_W_BR_IF;
    is_dead = op_leaves( op.code );
    if( starts ) {
      DMG_ASSERT( in->sum_cnt<SUM_MAX );
      in->sums[ in->sum_cnt++ ] = 0;
    }
  }
}

static void put_br_table( instr_t * in, dmg_wasm_rd_t rd, dmg_wasm_op_t const * op ) {
  put_op_u32( in, DMG_W_BR_TABLE, (uint32_t)op->imm );
  rd.off = op->table_off;
  for( uint32_t i = 0; i<=op->imm; i++ ) {
    uint32_t label = 0;
    bool is_read = dmg_wasm_u32( &rd, &label );
    DMG_ASSERT( is_read );
    put_u32( in, label );
  }
}

/* One operation that is not dead, with what R1.6 puts before and behind it.  The end of the function is not for here. */
static void put_op( instr_t * in, dmg_wasm_rd_t const * rd, dmg_wasm_op_t const * op, bool was_dead ) {
  switch( op->code ) {
  case DMG_W_BLOCK: case DMG_W_LOOP: case DMG_W_IF:
    put_u8( in, op->code );
    put_u8( in, (uint8_t)op->imm );
    depth_push( in, op->code );
    if( op->code==DMG_W_BLOCK ) return;
    put_charge( in );
    if( op->code==DMG_W_LOOP ) put_test( in );
    return;
  case DMG_W_ELSE:
    put_u8( in, op->code );
    put_charge( in );
    return;
  case DMG_W_END:
    put_u8( in, op->code );
    if( in->op_of[ --in->depth ]!=DMG_W_LOOP || was_dead ) put_charge( in );
    return;
  case DMG_W_BR:
    put_op_u32( in, op->code, (uint32_t)op->imm );
    return;
  case DMG_W_BR_IF:
    put_op_u32( in, op->code, (uint32_t)op->imm );
    put_charge( in );
    return;
  case DMG_W_BR_TABLE:
    put_br_table( in, *rd, op );
    return;
  case DMG_W_RETURN:   /* to the block around the body, so that s is given back */
    put_op_u32( in, DMG_W_BR, in->depth );
    return;
  case DMG_W_CALL:
    if( op->imm<in->mod.import_cnt ) {
      /* A host function that returns has left g >= 0, so the test stays good behind it. */
      if( !in->is_tested ) put_test( in );
    } else in->is_tested = false;
    put_op_u32( in, op->code, (uint32_t)op->imm );
    return;
  case DMG_W_CALL_INDIRECT:
    /* The table may hold host functions. */
    if( !in->is_tested ) put_test( in );
    in->is_tested = false;
    put_op_u32( in, op->code, (uint32_t)op->imm );
    put_u8( in, 0 );
    return;
  case DMG_W_PREFIX_BULK:
    put_bulk_charge( in );
    put_u8( in, op->code );
    put_u8( in, op->sub );
    put_u8( in, 0 );
    if( op->sub==DMG_W_SUB_COPY ) put_u8( in, 0 );
    return;
  default:
    put_u8( in, op->code );
    switch( (dmg_wasm_imm_t)dmg_wasm_opinfo[ op->code ].imm ) {
    case DMG_W_IMM_INDEX: put_u32( in, (uint32_t)op->imm );                          return;
    case DMG_W_IMM_MEM:   put_u32( in, op->imm2 ); put_u32( in, (uint32_t)op->imm ); return;
    case DMG_W_IMM_ZERO:  put_u8( in, 0 );                                           return;
    case DMG_W_IMM_I32: case DMG_W_IMM_I64: put_s64( in, (int64_t)op->imm );         return;
    default:                                                                         return;
    }
  }
}

static void put_body( instr_t * in, dmg_wasm_func_t const * fn ) {
  dmg_wasm_type_t const * type = &in->mod.types[ fn->type ];
  dmg_wasm_rd_t rd = { .p = in->mod.bytes.p, .sz = fn->body_off+fn->body_sz, .off = fn->code_off };
  body_sum( in, rd );
  in->sum_next = in->depth = 0;
  in->tmp = type->param_cnt+(uint32_t)fn->local_cnt;

  uint32_t start = open_sized( in );
  /* The author's runs of locals as they are, and one of ours. */
  dmg_wasm_rd_t locals = { .p = rd.p, .sz = rd.sz, .off = fn->body_off };
  uint32_t runs = 0;
  bool is_read = dmg_wasm_u32( &locals, &runs );
  DMG_ASSERT( is_read );
  put_u32( in, runs+( fn->has_bulk ? 1 : 0 ) );
  for( uint32_t i = 0; i<runs; i++ ) {
    uint32_t n = 0;
    uint8_t  t = 0;
    is_read = dmg_wasm_u32( &locals, &n ) && dmg_wasm_u8( &locals, &t );
    DMG_ASSERT( is_read );
    put_u32( in, n );
    put_u8( in, t );
  }
  if( fn->has_bulk ) { put_u32( in, 1 ); put_u8( in, DMG_W_I32 ); }

  uint32_t slots = dmg_wasm_func_slots( &in->mod, fn );
  put_charge( in );
  put_slots( in, DMG_W_I32_SUB, slots );
  put_test( in );
  put_slots_test( in );

  put_u8( in, DMG_W_BLOCK );
  put_u8( in, type->result );
  for( bool is_dead = false;; ) {
    dmg_wasm_op_t op = is_dead ? dead_skip( &rd ) : op_next( &rd );
    if( op.code==DMG_W_END && !in->depth ) break;
    put_op( in, &rd, &op, is_dead );
    is_dead = op_leaves( op.code );
    if( in->is_full ) return;
  }
  DMG_ASSERT( in->sum_next==in->sum_cnt );   /* both passes saw the same basic blocks */
  put_u8( in, DMG_W_END );
  put_slots( in, DMG_W_I32_ADD, slots );
  put_u8( in, DMG_W_END );
  close_sized( in, start );
}

/* dm:run( kind, id, in_sz, g, s ) -> i64 */
static void put_run( instr_t * in ) {
  uint32_t start = open_sized( in );
  put_u32( in, 0 );
  for( uint32_t i = 0; i<in->mod.global_cnt; i++ ) {
    dmg_wasm_global_t const * g = &in->mod.globals[ i ];
    if( !g->is_mut ) continue;
    put_op_s64( in, g->type==DMG_W_I32 ? DMG_W_I32_CONST : DMG_W_I64_CONST, g->init );
    put_op_u32( in, DMG_W_GLOBAL_SET, i );
  }
  put_op_u32( in, DMG_W_LOCAL_GET, 3 );
  put_op_u32( in, DMG_W_GLOBAL_SET, in->g );
  put_op_u32( in, DMG_W_LOCAL_GET, 4 );
  put_op_u32( in, DMG_W_GLOBAL_SET, in->s );
  for( uint32_t i = 0; i<3; i++ ) put_op_u32( in, DMG_W_LOCAL_GET, i );
  put_op_u32( in, DMG_W_CALL, in->mod.entry_func );
  /* The last basic block before the return was charged and not tested. */
  put_test( in );
  put_u8( in, DMG_W_END );
  close_sized( in, start );
}

/* ---- Sections ---- */

static uint32_t sec_open( instr_t * in, uint8_t id ) { put_u8( in, id ); return open_sized( in ); }

static void put_copied( instr_t * in, uint8_t id ) {
  if( !in->mod.sec_off[ id ] ) return;
  uint32_t start = sec_open( in, id );
  put_bytes( in, in->mod.bytes.p+in->mod.sec_off[ id ], in->mod.sec_sz[ id ] );
  close_sized( in, start );
}

static void put_types( instr_t * in ) {
  uint32_t start = sec_open( in, DMG_W_SEC_TYPE );
  put_u32( in, in->mod.type_cnt+1 );
  for( uint32_t i = 0; i<in->mod.type_cnt; i++ ) {
    dmg_wasm_type_t const * t = &in->mod.types[ i ];
    put_op_u32( in, 0x60, t->param_cnt );
    put_bytes( in, t->param, t->param_cnt );
    put_u8( in, t->result!=DMG_W_NONE );
    if( t->result!=DMG_W_NONE ) put_u8( in, t->result );
  }
  static uint8_t const run[] = { 0x60, 5, DMG_W_I32, DMG_W_I32, DMG_W_I32, DMG_W_I64, DMG_W_I32, 1, DMG_W_I64 };
  put_bytes( in, run, sizeof run );
  close_sized( in, start );
}

static void put_funcs( instr_t * in ) {
  uint32_t start = sec_open( in, DMG_W_SEC_FUNC );
  put_u32( in, in->mod.func_cnt+1 );
  for( uint32_t i = 0; i<in->mod.func_cnt; i++ ) put_u32( in, in->mod.funcs[ i ].type );
  put_u32( in, in->mod.type_cnt );
  close_sized( in, start );
}

static void put_table( instr_t * in ) {
  if( !in->mod.has_table ) return;
  uint32_t start = sec_open( in, DMG_W_SEC_TABLE );
  put_u8( in, 1 );
  put_u8( in, 0x70 );
  put_op_u32( in, 1, in->mod.table_min );   /* nothing can grow it */
  put_u32( in, in->mod.table_min );
  close_sized( in, start );
}

static void put_memory( instr_t * in ) {
  uint32_t start = sec_open( in, DMG_W_SEC_MEMORY );
  put_u8( in, 1 );
  put_op_u32( in, 1, in->mod.memory_pages );
  put_u32( in, in->mod.memory_pages );
  close_sized( in, start );
}

static void put_global( instr_t * in, uint8_t type, uint8_t is_mut, int64_t init ) {
  put_u8( in, type );
  put_u8( in, is_mut );
  put_op_s64( in, type==DMG_W_I32 ? DMG_W_I32_CONST : DMG_W_I64_CONST, init );
  put_u8( in, DMG_W_END );
}
static void put_globals( instr_t * in ) {
  uint32_t start = sec_open( in, DMG_W_SEC_GLOBAL );
  put_u32( in, in->mod.global_cnt+2 );
  for( uint32_t i = 0; i<in->mod.global_cnt; i++ ) put_global( in, in->mod.globals[ i ].type, in->mod.globals[ i ].is_mut, in->mod.globals[ i ].init );
  put_global( in, DMG_W_I64, 1, 0 );
  put_global( in, DMG_W_I32, 1, 0 );
  close_sized( in, start );
}

static void put_export( instr_t * in, char const * name, uint8_t kind, uint32_t idx ) {
  put_name( in, name );
  put_op_u32( in, kind, idx );
}
static void put_exports( instr_t * in ) {
  uint32_t start = sec_open( in, DMG_W_SEC_EXPORT );
  put_u32( in, 7 );
  put_export( in, "memory",   2, 0 );
  put_export( in, "dm_entry", 0, in->mod.entry_func );
  put_export( in, "dm_in",    3, in->mod.in_global );
  put_export( in, "dm_out",   3, in->mod.out_global );
  put_export( in, "g",        3, in->g );
  put_export( in, "s",        3, in->s );
  put_export( in, "dm:run",   0, in->mod.import_cnt+in->mod.func_cnt );
  close_sized( in, start );
}

static void put_code( instr_t * in ) {
  uint32_t start = sec_open( in, DMG_W_SEC_CODE );
  put_u32( in, in->mod.func_cnt+1 );
  for( uint32_t i = 0; i<in->mod.func_cnt && !in->is_full; i++ ) put_body( in, &in->mod.funcs[ i ] );
  put_run( in );
  close_sized( in, start );
}

static void put_module( instr_t * in ) {
  static uint8_t const head[ 8 ] = { 0, 'a', 's', 'm', 1, 0, 0, 0 };
  put_bytes( in, head, 8 );
  put_types( in );
  put_copied( in, DMG_W_SEC_IMPORT );
  put_funcs( in );
  put_table( in );
  put_memory( in );
  put_globals( in );
  put_exports( in );
  put_copied( in, DMG_W_SEC_ELEM );
  put_code( in );
  put_copied( in, DMG_W_SEC_DATA );
}

static dmg_err_t rewrite( dmg_span_t wasm, bool is_plain, dmg_wasm_report_t * out_report, dmg_buf_t * out_buf ) {
  instr_t * in = malloc( sizeof *in );
  if( !in ) return DMG_ERR_NOMEM;
  dmg_wasm_report_t report;
  dmg_err_t err = dmg_wasm_parse( wasm, &in->mod, &report );
  if( err || !report.is_ok ) goto out;

  uint64_t max = (uint64_t)wasm.sz*DMG_WASM_INSTR_GROWTH_MAX;
  in->max      = max<DMG_WASM_INSTR_SZ_MAX ? (uint32_t)max : DMG_WASM_INSTR_SZ_MAX;
  in->sz       = 0;
  in->is_full  = false;
  in->is_plain = is_plain;
  in->g        = in->mod.global_cnt;
  in->s        = in->mod.global_cnt+1;
  put_module( in );
  if( in->is_full ) {
    dmg_wasm_refuse( &report, DMG_WASM_NO_FUNC, 0, "with its metering the module passes %u bytes (4 times its size, at most 1 MiB)", in->max );
    goto out;
  }
  dmg_buf_clear( out_buf );
  err = dmg_buf_append( out_buf, in->out, in->sz );
out:
  free( in );
  if( !err ) *out_report = report;
  return err;
}

dmg_err_t dmg_wasm_instrument( dmg_span_t wasm, uint32_t version, dmg_wasm_report_t * out_report, dmg_buf_t * out_buf ) {
  return version==1 ? rewrite( wasm, false, out_report, out_buf ) : DMG_ERR_VERSION;
}
dmg_err_t dmg_wasm_rewrite_plain( dmg_span_t wasm, dmg_wasm_report_t * out_report, dmg_buf_t * out_buf ) { return rewrite( wasm, true, out_report, out_buf ); }
