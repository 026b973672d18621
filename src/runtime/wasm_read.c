#include "runtime/wasm_int.h"

bool dmg_wasm_u8( dmg_wasm_rd_t * rd, uint8_t * out ) {
  if( rd->off>=rd->sz ) return false;
  *out = rd->p[ rd->off++ ];
  return true;
}

bool dmg_wasm_u32( dmg_wasm_rd_t * rd, uint32_t * out ) {
  uint32_t v = 0;
  for( uint32_t i = 0; i<5; i++ ) {
    if( rd->sz-rd->off<=i ) return false;
    uint8_t b = rd->p[ rd->off+i ];
    if( i==4 && b>0x0f ) return false;   /* more than 32 bits, or no end */
    v |= (uint32_t)( b&0x7f )<<( 7*i );
    if( !( b&0x80 ) ) { rd->off += i+1; *out = v; return true; }
  }
  return false;
}

/* Signed LEB128 of bits bits in at most max bytes; the unused bits of the last byte must repeat the sign. */
static bool leb_signed( dmg_wasm_rd_t * rd, uint32_t bits, uint32_t max, int64_t * out ) {
  uint64_t v = 0;
  for( uint32_t i = 0; i<max; i++ ) {
    if( rd->sz-rd->off<=i ) return false;
    uint8_t b = rd->p[ rd->off+i ];
    uint32_t shift = 7*i;
    v |= (uint64_t)( b&0x7f )<<shift;
    if( b&0x80 ) continue;
    if( i==max-1 ) {
      uint32_t used = bits-shift;                               /* bits of the last byte that count: 4 or 1 */
      uint8_t  top  = (uint8_t)( 0x7f&( 0xffu<<( used-1 ) ) );  /* sign bit and all above */
      if( ( b&top )!=0 && ( b&top )!=top ) return false;
    }
    if( shift+7<64 && ( b&0x40 ) ) v |= ~(uint64_t)0<<( shift+7 );
    rd->off += i+1;
    *out = (int64_t)v;
    return true;
  }
  return false;
}
bool dmg_wasm_s64( dmg_wasm_rd_t * rd, int64_t * out ) { return leb_signed( rd, 64, 10, out ); }
bool dmg_wasm_s32( dmg_wasm_rd_t * rd, int32_t * out ) {
  int64_t v;
  if( !leb_signed( rd, 32, 5, &v ) ) return false;
  *out = (int32_t)v;
  return true;
}

/* R1.6: ticks.  I and L are the value types i32 and i64. */
#define I DMG_W_I32
#define L DMG_W_I64
#define CTL( imm_, ticks_ )             { .is_known = true, .imm = ( imm_ ), .ticks = ( ticks_ ) }
#define CONST( imm_, r )                { .is_known = true, .imm = ( imm_ ), .ticks = 1, .push = ( r ) }
#define UN( a, r )                      { .is_known = true, .ticks = 1, .pop_cnt = 1, .pop = { a }, .push = ( r ) }
#define BIN( a, r, ticks_ )             { .is_known = true, .ticks = ( ticks_ ), .pop_cnt = 2, .pop = { a, a }, .push = ( r ) }
#define LOAD( r, w )                    { .is_known = true, .imm = DMG_W_IMM_MEM, .ticks = 2, .pop_cnt = 1, .pop = { I }, .push = ( r ), .width_log2 = ( w ) }
#define STORE( a, w )                   { .is_known = true, .imm = DMG_W_IMM_MEM, .ticks = 3, .pop_cnt = 2, .pop = { I, a }, .width_log2 = ( w ) }
dmg_wasm_opinfo_t const dmg_wasm_opinfo[ 256 ] = {
  [ 0x00 ] = CTL( DMG_W_IMM_NONE, 0 ),       /* unreachable */
  [ 0x01 ] = CTL( DMG_W_IMM_NONE, 0 ),       /* nop */
  [ 0x02 ] = CTL( DMG_W_IMM_BLOCK, 0 ),      /* block */
  [ 0x03 ] = CTL( DMG_W_IMM_BLOCK, 0 ),      /* loop */
  [ 0x04 ] = CTL( DMG_W_IMM_BLOCK, 2 ),      /* if */
  [ 0x05 ] = CTL( DMG_W_IMM_NONE, 0 ),       /* else */
  [ 0x0b ] = CTL( DMG_W_IMM_NONE, 0 ),       /* end */
  [ 0x0c ] = CTL( DMG_W_IMM_INDEX, 2 ),      /* br */
  [ 0x0d ] = CTL( DMG_W_IMM_INDEX, 2 ),      /* br_if */
  [ 0x0e ] = CTL( DMG_W_IMM_BR_TABLE, 8 ),   /* br_table */
  [ 0x0f ] = CTL( DMG_W_IMM_NONE, 2 ),       /* return */
  [ 0x10 ] = CTL( DMG_W_IMM_INDEX, 16 ),     /* call */
  [ 0x11 ] = CTL( DMG_W_IMM_INDIRECT, 32 ),  /* call_indirect */
  [ 0x1a ] = CTL( DMG_W_IMM_NONE, 0 ),       /* drop */
  [ 0x1b ] = CTL( DMG_W_IMM_NONE, 1 ),       /* select */
  [ 0x20 ] = CTL( DMG_W_IMM_INDEX, 1 ),      /* local.get */
  [ 0x21 ] = CTL( DMG_W_IMM_INDEX, 1 ),      /* local.set */
  [ 0x22 ] = CTL( DMG_W_IMM_INDEX, 1 ),      /* local.tee */
  [ 0x23 ] = CTL( DMG_W_IMM_INDEX, 2 ),      /* global.get */
  [ 0x24 ] = CTL( DMG_W_IMM_INDEX, 2 ),      /* global.set */
  [ 0x28 ] = LOAD( I, 2 ), [ 0x29 ] = LOAD( L, 3 ),
  [ 0x2c ] = LOAD( I, 0 ), [ 0x2d ] = LOAD( I, 0 ), [ 0x2e ] = LOAD( I, 1 ), [ 0x2f ] = LOAD( I, 1 ),
  [ 0x30 ] = LOAD( L, 0 ), [ 0x31 ] = LOAD( L, 0 ), [ 0x32 ] = LOAD( L, 1 ), [ 0x33 ] = LOAD( L, 1 ), [ 0x34 ] = LOAD( L, 2 ), [ 0x35 ] = LOAD( L, 2 ),
  [ 0x36 ] = STORE( I, 2 ), [ 0x37 ] = STORE( L, 3 ),
  [ 0x3a ] = STORE( I, 0 ), [ 0x3b ] = STORE( I, 1 ), [ 0x3c ] = STORE( L, 0 ), [ 0x3d ] = STORE( L, 1 ), [ 0x3e ] = STORE( L, 2 ),
  [ 0x3f ] = CONST( DMG_W_IMM_ZERO, I ),     /* memory.size */
  [ 0x41 ] = CONST( DMG_W_IMM_I32, I ), [ 0x42 ] = CONST( DMG_W_IMM_I64, L ),
  [ 0x45 ] = UN( I, I ), [ 0x46 ... 0x4f ] = BIN( I, I, 1 ),                        /* i32: eqz, comparisons */
  [ 0x50 ] = UN( L, I ), [ 0x51 ... 0x5a ] = BIN( L, I, 1 ),                        /* i64 */
  [ 0x67 ... 0x69 ] = UN( I, I ),                                                   /* clz ctz popcnt */
  [ 0x6a ... 0x6b ] = BIN( I, I, 1 ), [ 0x6c ] = BIN( I, I, 2 ),                    /* add sub, mul */
  [ 0x6d ... 0x70 ] = BIN( I, I, 24 ), [ 0x71 ... 0x78 ] = BIN( I, I, 1 ),          /* div rem, bits and shifts */
  [ 0x79 ... 0x7b ] = UN( L, L ),
  [ 0x7c ... 0x7d ] = BIN( L, L, 1 ), [ 0x7e ] = BIN( L, L, 2 ),
  [ 0x7f ... 0x82 ] = BIN( L, L, 40 ), [ 0x83 ... 0x8a ] = BIN( L, L, 1 ),
  [ 0xa7 ] = UN( L, I ), [ 0xac ... 0xad ] = UN( I, L ),                            /* wrap, extend */
  [ 0xc0 ... 0xc1 ] = UN( I, I ), [ 0xc2 ... 0xc4 ] = UN( L, L ),                   /* sign-extension */
  [ 0xfc ] = { .is_known = true, .imm = DMG_W_IMM_BULK, .ticks = 40 },              /* memory.copy, fill: three i32; other subs are refused */
};
#undef I
#undef L

/* Which family a foreign opcode belongs to, for the message. */
static char const * foreign( uint8_t code ) {
  if( code==0x40 ) return "memory.grow is refused: memory has its final size from the start";
  if( code==0x2a || code==0x2b || code==0x38 || code==0x39 || code==0x43 || code==0x44 || ( code>=0x5b && code<=0x66 ) || ( code>=0x8b && code<=0xbf ) )
    return "floating point is refused: results must be the same on every machine";
  switch( code ) {
  case 0x12: case 0x13: case 0x14: case 0x15:                      return "tail calls and typed calls are refused";
  case 0x06: case 0x07: case 0x08: case 0x09: case 0x0a: case 0x18: case 0x19: case 0x1f: return "exceptions are refused";
  case 0x1c: case 0x25: case 0x26: case 0xd0: case 0xd1: case 0xd2: return "reference types are refused";
  case 0xfb:                                                       return "GC operations are refused";
  case 0xfd:                                                       return "SIMD is refused";
  case 0xfe:                                                       return "threads and atomics are refused";
  default:                                                         return "unknown opcode";
  }
}

static char const cut[] = "the bytes end inside an operation, or a number is malformed";

char const * dmg_wasm_op_read( dmg_wasm_rd_t * rd, dmg_wasm_op_t * out ) {
  dmg_wasm_rd_t r = *rd;
  dmg_wasm_op_t op = { .off = r.off };
  if( !dmg_wasm_u8( &r, &op.code ) ) return cut;
  dmg_wasm_opinfo_t const * info = &dmg_wasm_opinfo[ op.code ];
  if( !info->is_known ) return foreign( op.code );

  uint8_t  b;
  uint32_t v;
  int32_t  s;
  int64_t  l;
  switch( (dmg_wasm_imm_t)info->imm ) {
  case DMG_W_IMM_NONE:
    break;
  case DMG_W_IMM_BLOCK:
    if( !dmg_wasm_u8( &r, &b ) ) return cut;
    if( b==0x7d || b==0x7c ) return "floating point is refused: results must be the same on every machine";
    if( b!=DMG_W_NONE && b!=DMG_W_I32 && b!=DMG_W_I64 ) return "a block has no result or one i32 or i64 (multi-value and reference types are refused)";
    op.imm = b;
    break;
  case DMG_W_IMM_INDEX:
    if( !dmg_wasm_u32( &r, &v ) ) return cut;
    op.imm = v;
    break;
  case DMG_W_IMM_BR_TABLE:
    if( !dmg_wasm_u32( &r, &v ) ) return cut;
    if( v>DMG_WASM_BR_TABLE_MAX ) return "br_table has at most 512 targets";
    op.imm = v;
    op.table_off = r.off;
    for( uint32_t i = 0; i<=op.imm; i++ ) if( !dmg_wasm_u32( &r, &v ) ) return cut;
    break;
  case DMG_W_IMM_INDIRECT:
    if( !dmg_wasm_u32( &r, &v ) ) return cut;
    op.imm = v;
    if( !dmg_wasm_u32( &r, &v ) ) return cut;
    if( v ) return "there is one table, number 0";
    break;
  case DMG_W_IMM_MEM:
    if( !dmg_wasm_u32( &r, &op.imm2 ) || !dmg_wasm_u32( &r, &v ) ) return cut;
    if( op.imm2>info->width_log2 ) return "the alignment is larger than the access";
    op.imm = v;
    break;
  case DMG_W_IMM_ZERO:
    if( !dmg_wasm_u32( &r, &v ) ) return cut;
    if( v ) return "there is one memory, number 0";
    break;
  case DMG_W_IMM_I32:
    if( !dmg_wasm_s32( &r, &s ) ) return cut;
    op.imm = (uint64_t)(int64_t)s;
    break;
  case DMG_W_IMM_I64:
    if( !dmg_wasm_s64( &r, &l ) ) return cut;
    op.imm = (uint64_t)l;
    break;
  case DMG_W_IMM_BULK:
    if( !dmg_wasm_u32( &r, &v ) ) return cut;
    if( v<8 ) return "floating point is refused: results must be the same on every machine";
    if( v!=DMG_W_SUB_COPY && v!=DMG_W_SUB_FILL ) return "of bulk memory only memory.copy and memory.fill are allowed";
    op.sub = (uint8_t)v;
    for( uint32_t i = 0; i<( op.sub==DMG_W_SUB_COPY ? 2u : 1u ); i++ ) {
      if( !dmg_wasm_u32( &r, &v ) ) return cut;
      if( v ) return "there is one memory, number 0";
    }
    break;
  }
  op.end = r.off;
  *rd  = r;
  *out = op;
  return NULL;
}
