/* test_wasm_interp: a counting interpreter of DM-1 modules, the reference for ticks, slots and ends (R8.2).

   It runs the author's bytes, not the instrumented ones, and counts as the header wasm_instr.h says in words: at the
   start of each basic block it adds up the block by reading ahead.  Slow and plain on purpose. */
#ifndef DMG_RUNTIME_TEST_WASM_INTERP_H
#define DMG_RUNTIME_TEST_WASM_INTERP_H

#include "runtime/wasm_instr.h"
#include "runtime/wasm_int.h"
#include "runtime/vm.h"
#include "base/assert.h"

#include <stdlib.h>

/* What a branch does: where to, down to which height of values, with how many results. */
typedef struct { uint32_t target, height, arity; bool is_loop; } t_label_t;

typedef enum { T_RUN, T_TRAP, T_STOP } t_state_t;

typedef struct t_interp t_interp_t;
/* As dmg_vm_host_fn, with the function's number; charges by it->g. */
typedef int ( * t_host_t )( t_interp_t * it, void * frame, uint8_t dm1, uint64_t const * args, uint64_t * out_ret );

struct t_interp {
  dmg_wasm_mod_t mod;
  t_host_t   host;
  void *     frame;
  uint8_t *  mem;
  uint32_t   mem_sz;
  uint64_t   global[ DMG_WASM_GLOBAL_MAX ];
  uint32_t   table[ DMG_WASM_TABLE_MAX ];      /* function, UINT32_MAX: null */
  int64_t    g;
  int32_t    s;
  int        host_code;
  uint32_t * else_of, * end_of, * sum_of;      /* by offset in the file; sum_of: UINT32_MAX not known yet */
  uint64_t * val;         /* locals and operands of all frames */
  t_label_t * label;      /* of all frames */
  uint32_t   val_cnt, label_cnt;
};

#define T_VAL_MAX   ( 1u<<19 )
#define T_LABEL_MAX ( 1u<<18 )   /* 128 in each of the 2,048 frames that fit into the slots */

static inline dmg_wasm_op_t t_op( t_interp_t const * it, uint32_t off, uint32_t end ) {
  dmg_wasm_rd_t rd = { .p = it->mod.bytes.p, .sz = end, .off = off };
  dmg_wasm_op_t op;
  DMG_ASSERT( !dmg_wasm_op_read( &rd, &op ) );
  return op;
}

/* Finds the end and else of each block of a body. */
static inline void t_match( t_interp_t * it, dmg_wasm_func_t const * fn ) {
  uint32_t open[ DMG_WASM_NESTING_MAX+1 ], cnt = 0, end = fn->body_off+fn->body_sz;
  for( uint32_t off = fn->code_off; off<end; ) {
    dmg_wasm_op_t op = t_op( it, off, end );
    if( op.code==DMG_W_BLOCK || op.code==DMG_W_LOOP || op.code==DMG_W_IF ) open[ cnt++ ] = off;
    if( op.code==DMG_W_ELSE ) it->else_of[ open[ cnt-1 ] ] = off;
    if( op.code==DMG_W_END && cnt ) it->end_of[ open[ --cnt ] ] = off;
    off = op.end;
  }
}

static inline void t_load_image( t_interp_t * it ) {
  dmg_wasm_mod_t const * m = &it->mod;
  memset( it->mem, 0, it->mem_sz );
  for( uint32_t i = 0; i<m->global_cnt; i++ ) it->global[ i ] = m->globals[ i ].type==DMG_W_I32 ? (uint32_t)m->globals[ i ].init : (uint64_t)m->globals[ i ].init;
  for( uint32_t i = 0; i<DMG_WASM_TABLE_MAX; i++ ) it->table[ i ] = UINT32_MAX;
  for( int is_data = 0; is_data<2; is_data++ ) {
    uint8_t sec = is_data ? DMG_W_SEC_DATA : DMG_W_SEC_ELEM;
    if( !m->sec_off[ sec ] ) continue;
    dmg_wasm_rd_t rd = { .p = m->bytes.p, .sz = m->sec_off[ sec ]+m->sec_sz[ sec ], .off = m->sec_off[ sec ] };
    uint32_t cnt = 0, n = 0, v = 0;
    int32_t  at = 0;
    uint8_t  b;
    DMG_ASSERT( dmg_wasm_u32( &rd, &cnt ) );
    while( cnt-- ) {
      DMG_ASSERT( dmg_wasm_u32( &rd, &v ) && dmg_wasm_u8( &rd, &b ) && dmg_wasm_s32( &rd, &at ) && dmg_wasm_u8( &rd, &b ) && dmg_wasm_u32( &rd, &n ) );
      if( is_data ) { memcpy( it->mem+(uint32_t)at, rd.p+rd.off, n ); rd.off += n; continue; }
      for( uint32_t k = 0; k<n; k++ ) { DMG_ASSERT( dmg_wasm_u32( &rd, &v ) ); it->table[ (uint32_t)at+k ] = v; }
    }
  }
}

/* false: the module is not of profile DM-1. */
static inline bool t_interp_init( t_interp_t * it, dmg_span_t wasm, t_host_t host ) {
  dmg_wasm_report_t report;
  memset( it, 0, sizeof *it );
  DMG_ASSERT( !dmg_wasm_parse( wasm, &it->mod, &report ) );
  if( !report.is_ok ) return false;
  it->host    = host;
  it->mem_sz  = it->mod.memory_pages*65536u;
  it->mem     = malloc( it->mem_sz );
  it->else_of = calloc( wasm.sz, 4 );
  it->end_of  = calloc( wasm.sz, 4 );
  it->sum_of  = malloc( wasm.sz*4 );
  it->val     = malloc( T_VAL_MAX*8 );
  it->label   = malloc( T_LABEL_MAX*sizeof *it->label );
  DMG_ASSERT( it->label && it->mem && it->else_of && it->end_of && it->sum_of && it->val );
  memset( it->sum_of, 0xff, wasm.sz*4 );
  for( uint32_t i = 0; i<it->mod.func_cnt; i++ ) t_match( it, &it->mod.funcs[ i ] );
  return true;
}
static inline void t_interp_fini( t_interp_t * it ) { free( it->mem ); free( it->else_of ); free( it->end_of ); free( it->sum_of ); free( it->val ); free( it->label ); }

/* The ticks of the basic block that starts at off. */
static inline uint32_t t_block_sum( t_interp_t * it, dmg_wasm_func_t const * fn, uint32_t off ) {
  if( it->sum_of[ off ]!=UINT32_MAX ) return it->sum_of[ off ];
  uint32_t sum = 0, end = fn->body_off+fn->body_sz;
  /* Ends that close a loop opened before or in this block do not end it, so know whose end each is. */
  uint8_t  kind[ DMG_WASM_NESTING_MAX+1 ];
  uint32_t cnt = 0;
  for( uint32_t o = fn->code_off; o<off; ) {
    dmg_wasm_op_t op = t_op( it, o, end );
    if( op.code==DMG_W_BLOCK || op.code==DMG_W_LOOP || op.code==DMG_W_IF ) kind[ cnt++ ] = op.code;
    if( op.code==DMG_W_END && cnt ) cnt--;
    o = op.end;
  }
  for( uint32_t o = off; o<end; ) {
    dmg_wasm_op_t op = t_op( it, o, end );
    sum += dmg_wasm_op_ticks( &op );
    if( op.code==DMG_W_LOOP || op.code==DMG_W_IF || op.code==DMG_W_ELSE || op.code==DMG_W_BR || op.code==DMG_W_BR_IF || op.code==DMG_W_BR_TABLE || op.code==DMG_W_RETURN || op.code==DMG_W_UNREACHABLE ) break;
    if( op.code==DMG_W_BLOCK ) kind[ cnt++ ] = op.code;
    if( op.code==DMG_W_END && ( !cnt || kind[ --cnt ]!=DMG_W_LOOP ) ) break;
    o = op.end;
  }
  return it->sum_of[ off ] = sum;
}

static inline uint64_t t_pop( t_interp_t * it ) { DMG_ASSERT( it->val_cnt ); return it->val[ --it->val_cnt ]; }
static inline void     t_push( t_interp_t * it, uint64_t v ) { DMG_ASSERT( it->val_cnt<T_VAL_MAX ); it->val[ it->val_cnt++ ] = v; }

/* i32 numeric, comparison: a, b as unsigned; false: trap */
static inline bool t_num32( uint8_t c, uint32_t a, uint32_t b, uint64_t * out ) {
  int32_t x = (int32_t)a, y = (int32_t)b;
  uint32_t r;
  switch( c ) {
  case 0x46: r = a==b; break; case 0x47: r = a!=b; break; case 0x48: r = x<y; break; case 0x49: r = a<b; break; case 0x4a: r = x>y; break;
  case 0x4b: r = a>b; break; case 0x4c: r = x<=y; break; case 0x4d: r = a<=b; break; case 0x4e: r = x>=y; break; case 0x4f: r = a>=b; break;
  case 0x6a: r = a+b; break; case 0x6b: r = a-b; break; case 0x6c: r = a*b; break;
  case 0x6d: if( !b || ( x==INT32_MIN && y==-1 ) ) return false; r = (uint32_t)( x/y ); break;
  case 0x6e: if( !b ) return false; r = a/b; break;
  case 0x6f: if( !b ) return false; r = y==-1 ? 0 : (uint32_t)( x%y ); break;
  case 0x70: if( !b ) return false; r = a%b; break;
  case 0x71: r = a&b; break; case 0x72: r = a|b; break; case 0x73: r = a^b; break;
  case 0x74: r = a<<( b&31 ); break; case 0x75: r = (uint32_t)( x>>( b&31 ) ); break; case 0x76: r = a>>( b&31 ); break;
  case 0x77: r = a<<( b&31 ) | a>>( -b&31 ); break; case 0x78: r = a>>( b&31 ) | a<<( -b&31 ); break;
  default: DMG_ASSERT( !"an i32 operation" ); r = 0;
  }
  *out = r;
  return true;
}
static inline bool t_num64( uint8_t c, uint64_t a, uint64_t b, uint64_t * out ) {
  int64_t x = (int64_t)a, y = (int64_t)b;
  uint64_t r;
  switch( c ) {
  case 0x51: r = a==b; break; case 0x52: r = a!=b; break; case 0x53: r = x<y; break; case 0x54: r = a<b; break; case 0x55: r = x>y; break;
  case 0x56: r = a>b; break; case 0x57: r = x<=y; break; case 0x58: r = a<=b; break; case 0x59: r = x>=y; break; case 0x5a: r = a>=b; break;
  case 0x7c: r = a+b; break; case 0x7d: r = a-b; break; case 0x7e: r = a*b; break;
  case 0x7f: if( !b || ( x==INT64_MIN && y==-1 ) ) return false; r = (uint64_t)( x/y ); break;
  case 0x80: if( !b ) return false; r = a/b; break;
  case 0x81: if( !b ) return false; r = y==-1 ? 0 : (uint64_t)( x%y ); break;
  case 0x82: if( !b ) return false; r = a%b; break;
  case 0x83: r = a&b; break; case 0x84: r = a|b; break; case 0x85: r = a^b; break;
  case 0x86: r = a<<( b&63 ); break; case 0x87: r = (uint64_t)( x>>( b&63 ) ); break; case 0x88: r = a>>( b&63 ); break;
  case 0x89: r = a<<( b&63 ) | a>>( -b&63 ); break; case 0x8a: r = a>>( b&63 ) | a<<( -b&63 ); break;
  default: DMG_ASSERT( !"an i64 operation" ); r = 0;
  }
  *out = r;
  return true;
}
static inline uint64_t t_un( uint8_t c, uint64_t a ) {
  uint32_t w = (uint32_t)a;
  switch( c ) {
  case 0x45: return !w;  case 0x50: return !a;
  case 0x67: return w ? (uint32_t)__builtin_clz( w ) : 32;    case 0x68: return w ? (uint32_t)__builtin_ctz( w ) : 32;    case 0x69: return (uint32_t)__builtin_popcount( w );
  case 0x79: return a ? (uint32_t)__builtin_clzll( a ) : 64;  case 0x7a: return a ? (uint32_t)__builtin_ctzll( a ) : 64;  case 0x7b: return (uint32_t)__builtin_popcountll( a );
  case 0xa7: return w;  case 0xac: return (uint64_t)(int64_t)(int32_t)w;  case 0xad: return w;
  case 0xc0: return (uint32_t)(int32_t)(int8_t)w;  case 0xc1: return (uint32_t)(int32_t)(int16_t)w;
  case 0xc2: return (uint64_t)(int64_t)(int8_t)a;  case 0xc3: return (uint64_t)(int64_t)(int16_t)a;  case 0xc4: return (uint64_t)(int64_t)(int32_t)a;
  default: DMG_ASSERT( !"a unary operation" ); return 0;
  }
}
static inline uint32_t t_access_sz( uint8_t c ) { return 1u<<dmg_wasm_opinfo[ c ].width_log2; }
static inline uint64_t t_widen( uint8_t c, uint64_t v ) {
  switch( c ) {
  case 0x2c: return (uint32_t)(int32_t)(int8_t)v;  case 0x2e: return (uint32_t)(int32_t)(int16_t)v;
  case 0x30: return (uint64_t)(int64_t)(int8_t)v;  case 0x32: return (uint64_t)(int64_t)(int16_t)v;  case 0x34: return (uint64_t)(int64_t)(int32_t)v;
  default:   return v;
  }
}

static inline t_state_t t_plain( t_interp_t * it, dmg_wasm_op_t const * op ) {
  uint8_t c = op->code;
  dmg_wasm_opinfo_t const * info = &dmg_wasm_opinfo[ c ];
  if( c==DMG_W_I32_CONST ) { t_push( it, (uint32_t)op->imm ); return T_RUN; }
  if( c==DMG_W_I64_CONST ) { t_push( it, op->imm ); return T_RUN; }
  if( c==DMG_W_MEMORY_SIZE ) { t_push( it, it->mod.memory_pages ); return T_RUN; }
  if( info->imm==DMG_W_IMM_MEM ) {
    uint64_t v = info->pop_cnt==2 ? t_pop( it ) : 0, at = ( t_pop( it )&UINT32_MAX )+op->imm, sz = t_access_sz( c );
    if( at+sz>it->mem_sz ) return T_TRAP;
    if( info->pop_cnt==2 ) { memcpy( it->mem+at, &v, sz ); return T_RUN; }
    memcpy( &v, it->mem+at, sz );
    t_push( it, t_widen( c, v ) );
    return T_RUN;
  }
  if( info->pop_cnt==1 ) { t_push( it, t_un( c, t_pop( it ) ) ); return T_RUN; }
  uint64_t b = t_pop( it ), a = t_pop( it ), r = 0;
  bool is_32 = info->pop[ 0 ]==DMG_W_I32;
  if( !( is_32 ? t_num32( c, (uint32_t)a, (uint32_t)b, &r ) : t_num64( c, a, b, &r ) ) ) return T_TRAP;
  t_push( it, r );
  return T_RUN;
}

static inline t_state_t t_bulk( t_interp_t * it, uint8_t sub ) {
  uint64_t n = t_pop( it )&UINT32_MAX, src = t_pop( it ), dst = t_pop( it )&UINT32_MAX;
  it->g -= (int64_t)( n/16 );
  if( it->g<0 ) return T_TRAP;
  if( dst+n>it->mem_sz ) return T_TRAP;
  if( sub==DMG_W_SUB_FILL ) { memset( it->mem+dst, (int)( src&0xff ), n ); return T_RUN; }
  src &= UINT32_MAX;
  if( src+n>it->mem_sz ) return T_TRAP;
  memmove( it->mem+dst, it->mem+src, n );
  return T_RUN;
}

static inline t_state_t t_call( t_interp_t * it, uint32_t func );

static inline t_state_t t_host_call( t_interp_t * it, uint32_t func ) {
  if( it->g<0 ) return T_TRAP;
  uint64_t args[ DMG_WASM_PARAM_MAX ], ret = 0;
  uint32_t n = it->mod.types[ it->mod.import_type[ func ] ].param_cnt;
  for( uint32_t k = n; k--; ) args[ k ] = t_pop( it );
  int rc = it->host( it, it->frame, it->mod.import_dm1[ func ], args, &ret );
  if( rc ) { it->host_code = rc; return T_STOP; }
  t_push( it, (uint32_t)ret );
  return T_RUN;
}

static inline t_state_t t_body( t_interp_t * it, dmg_wasm_func_t const * fn, uint64_t * local, t_label_t * label, uint32_t base ) {
  uint32_t end = fn->body_off+fn->body_sz, pc = fn->code_off, cnt = 0;
  uint32_t arity = it->mod.types[ fn->type ].result!=DMG_W_NONE;
  for(;;) {
    dmg_wasm_op_t op = t_op( it, pc, end );
    uint32_t br = UINT32_MAX;   /* label to branch to */
    t_state_t st = T_RUN;
    pc = op.end;
    switch( op.code ) {
    case DMG_W_UNREACHABLE: return T_TRAP;
    case DMG_W_NOP: break;
    case DMG_W_BLOCK: case DMG_W_LOOP: case DMG_W_IF: {
      bool is_true = op.code!=DMG_W_IF || ( t_pop( it )&UINT32_MAX );
      bool is_loop = op.code==DMG_W_LOOP;
      label[ cnt++ ] = (t_label_t){ .target = is_loop ? pc : t_op( it, it->end_of[ op.off ], end ).end, .height = it->val_cnt, .arity = op.imm!=DMG_W_NONE && !is_loop, .is_loop = is_loop };
      if( !is_true ) {
        if( it->else_of[ op.off ] ) pc = t_op( it, it->else_of[ op.off ], end ).end;
        else { pc = label[ --cnt ].target; }
      }
      if( op.code!=DMG_W_BLOCK ) it->g -= t_block_sum( it, fn, pc );
      if( is_loop && it->g<0 ) return T_TRAP;
      break;
    }
    case DMG_W_ELSE:   /* the then-branch is done */
      pc = label[ --cnt ].target;
      it->g -= t_block_sum( it, fn, pc );
      break;
    case DMG_W_END:
      if( !cnt ) return T_RUN;
      if( !label[ --cnt ].is_loop ) it->g -= t_block_sum( it, fn, pc );
      break;
    case DMG_W_BR: br = (uint32_t)op.imm; break;
    case DMG_W_BR_IF:
      if( t_pop( it )&UINT32_MAX ) br = (uint32_t)op.imm;
      else it->g -= t_block_sum( it, fn, pc );
      break;
    case DMG_W_BR_TABLE: {
      uint64_t i = t_pop( it )&UINT32_MAX;
      dmg_wasm_rd_t rd = { .p = it->mod.bytes.p, .sz = end, .off = op.table_off };
      for( uint64_t k = 0; k<=( i<op.imm ? i : op.imm ); k++ ) DMG_ASSERT( dmg_wasm_u32( &rd, &br ) );
      break;
    }
    case DMG_W_RETURN: br = cnt; break;
    case DMG_W_CALL: st = t_call( it, (uint32_t)op.imm ); break;
    case DMG_W_CALL_INDIRECT: {
      if( it->g<0 ) return T_TRAP;
      uint64_t i = t_pop( it )&UINT32_MAX;
      if( i>=it->mod.table_min || it->table[ i ]==UINT32_MAX ) return T_TRAP;
      uint32_t f = it->table[ i ];
      dmg_wasm_type_t const * want = &it->mod.types[ op.imm ], * is = &it->mod.types[ f<it->mod.import_cnt ? it->mod.import_type[ f ] : it->mod.funcs[ f-it->mod.import_cnt ].type ];
      if( want->param_cnt!=is->param_cnt || want->result!=is->result || memcmp( want->param, is->param, is->param_cnt ) ) return T_TRAP;
      st = t_call( it, f );
      break;
    }
    case DMG_W_DROP: t_pop( it ); break;
    case DMG_W_SELECT: {
      uint64_t c = t_pop( it )&UINT32_MAX, y = t_pop( it ), x = t_pop( it );
      t_push( it, c ? x : y );
      break;
    }
    case DMG_W_LOCAL_GET:  t_push( it, local[ op.imm ] ); break;
    case DMG_W_LOCAL_SET:  local[ op.imm ] = t_pop( it ); break;
    case DMG_W_LOCAL_TEE:  local[ op.imm ] = it->val[ it->val_cnt-1 ]; break;
    case DMG_W_GLOBAL_GET: t_push( it, it->global[ op.imm ] ); break;
    case DMG_W_GLOBAL_SET: it->global[ op.imm ] = t_pop( it ); break;
    case DMG_W_PREFIX_BULK: st = t_bulk( it, op.sub ); break;
    default: st = t_plain( it, &op ); break;
    }
    if( st!=T_RUN ) return st;
    if( br==UINT32_MAX ) continue;
    uint32_t height = br==cnt ? base : label[ cnt-1-br ].height, n = br==cnt ? arity : label[ cnt-1-br ].arity;
    memmove( it->val+height, it->val+it->val_cnt-n, n*8 );
    it->val_cnt = height+n;
    if( br==cnt ) return T_RUN;
    t_label_t const * l = &label[ cnt-1-br ];
    pc  = l->target;
    cnt = cnt-1-br+( l->is_loop ? 1 : 0 );
    it->g -= t_block_sum( it, fn, pc );
    if( l->is_loop && it->g<0 ) return T_TRAP;
  }
}

static inline t_state_t t_call( t_interp_t * it, uint32_t func ) {
  if( func<it->mod.import_cnt ) {
    return t_host_call( it, func );
  }
  dmg_wasm_func_t const * fn = &it->mod.funcs[ func-it->mod.import_cnt ];
  uint32_t params = it->mod.types[ fn->type ].param_cnt;
  /* The arguments become the first locals where they stand. */
  uint32_t base = it->val_cnt-params;
  for( uint32_t k = 0; k<fn->local_cnt; k++ ) t_push( it, 0 );
  int32_t slots = (int32_t)( 8+params+fn->local_cnt+fn->height_max+fn->op_cnt/16 );
  it->g -= t_block_sum( it, fn, fn->code_off );
  it->s -= slots;
  if( it->g<0 || it->s<0 ) return T_TRAP;
  t_label_t * label = it->label+it->label_cnt;
  it->label_cnt += DMG_WASM_NESTING_MAX;
  DMG_ASSERT( it->label_cnt<=T_LABEL_MAX );
  t_state_t st = t_body( it, fn, it->val+base, label, it->val_cnt );
  if( st!=T_RUN ) return st;
  it->label_cnt -= DMG_WASM_NESTING_MAX;
  it->s += slots;
  uint32_t n = it->mod.types[ fn->type ].result!=DMG_W_NONE;
  if( n ) it->val[ base ] = it->val[ it->val_cnt-1 ];
  it->val_cnt = base+n;
  return st;
}

/* As dmg_vm_run; the output stays in mem at dm_out. */
static inline dmg_vm_result_t t_run( t_interp_t * it, dmg_vm_entry_t const * e ) {
  t_load_image( it );
  it->g       = e->ticks;
  it->s       = e->slots;
  it->frame   = e->frame;
  it->val_cnt = it->label_cnt = 0;
  t_push( it, e->kind );
  t_push( it, e->id );
  t_push( it, e->in_sz );
  t_state_t st = t_call( it, it->mod.entry_func );
  dmg_vm_result_t r = { .ticks_left = it->g, .slots_left = it->s };
  uint32_t out_off = (uint32_t)it->mod.globals[ it->mod.out_global ].init;
  if( it->g<0 )          r.end = DMG_VM_NO_GAS;
  else if( st==T_STOP ) { r.end = DMG_VM_HOST_STOP; r.host_code = (uint32_t)it->host_code; }
  else if( st==T_TRAP )  r.end = it->s<0 ? DMG_VM_NO_STACK : DMG_VM_TRAP;
  else {
    uint64_t ret = t_pop( it );
    r.end    = (uint32_t)ret<=it->mem_sz-out_off ? DMG_VM_DONE : DMG_VM_TRAP;
    r.status = r.end==DMG_VM_DONE ? (uint32_t)( ret>>32 ) : 0;
    r.out_sz = r.end==DMG_VM_DONE ? (uint32_t)ret : 0;
  }
  return r;
}

#endif
