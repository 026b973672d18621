/* test_abi_gen: a random valid value of a type, from the same stream of choices as test_wasm_gen.h. */
#ifndef DMG_RUNTIME_TEST_ABI_GEN_H
#define DMG_RUNTIME_TEST_ABI_GEN_H

#include "codec/abi.h"
#include "runtime/test_wasm_gen.h"

static inline uint64_t t_gen_u64( t_choice_t * c ) {
  uint64_t n = t_pick( c, 256 );
  for( uint32_t k = t_pick( c, 8 ); k; k-- ) n = n<<8|t_pick( c, 256 );
  return n;
}
static inline uint32_t t_gen_len( t_choice_t * c, uint32_t max ) {
  uint32_t n = t_pick( c, 4 ) ? t_pick( c, 5 ) : t_pick( c, 70 );
  return n<max ? n : max;
}

static inline void t_gen_value( t_choice_t * c, dmg_type_t const * t, dmg_bcs_wr_t * wr ) {
  uint8_t  b[ 80 ] = { 0 };
  uint32_t n;
  switch( t->kind ) {
  case DMG_TYPE_BOOL: dmg_bcs_wr_u8( wr, (uint8_t)t_pick( c, 2 ) ); return;
  case DMG_TYPE_U8: case DMG_TYPE_I8: dmg_bcs_wr_u8( wr, (uint8_t)t_pick( c, 256 ) ); return;
  case DMG_TYPE_U16: case DMG_TYPE_I16: dmg_bcs_wr_u16( wr, (uint16_t)t_gen_u64( c ) ); return;
  case DMG_TYPE_U32: case DMG_TYPE_I32: dmg_bcs_wr_u32( wr, (uint32_t)t_gen_u64( c ) ); return;
  case DMG_TYPE_U64: case DMG_TYPE_I64: dmg_bcs_wr_u64( wr, t_gen_u64( c ) ); return;
  case DMG_TYPE_U128: case DMG_TYPE_I128: dmg_bcs_wr_u64( wr, t_gen_u64( c ) ); dmg_bcs_wr_u64( wr, t_gen_u64( c ) ); return;
  case DMG_TYPE_AMOUNT: dmg_bcs_wr_u64( wr, t_gen_u64( c )>>1 ); return;
  case DMG_TYPE_ADDRESS: case DMG_TYPE_HASH:
    memset( b, (int)t_pick( c, 4 ), 32 );                       /* few, so that they meet again */
    dmg_bcs_wr_fixed( wr, b, 32 );
    return;
  case DMG_TYPE_ASSET:
    n = t_pick( c, DMG_ASSET_CNT );
    dmg_bcs_wr_uleb( wr, n );
    if( n ) dmg_bcs_wr_fixed( wr, b, 32 );
    return;
  case DMG_TYPE_FIXED: for( n = 0; n<t->n; n++ ) dmg_bcs_wr_u8( wr, (uint8_t)t_pick( c, 256 ) ); return;
  case DMG_TYPE_BYTES: case DMG_TYPE_STR:
    n = t_gen_len( c, t->n );
    for( uint32_t k = 0; k<n; k++ ) b[ k ] = (uint8_t)t_pick( c, t->kind==DMG_TYPE_STR ? 128 : 256 );
    dmg_bcs_wr_bytes( wr, dmg_span( b, n ) );
    return;
  case DMG_TYPE_LIST:
    n = t_gen_len( c, t->n );
    dmg_bcs_wr_uleb( wr, n );
    while( n-- ) t_gen_value( c, t->elem, wr );
    return;
  case DMG_TYPE_MAP: dmg_bcs_wr_uleb( wr, 0 ); return;
  case DMG_TYPE_OPTION:
    n = t_pick( c, 2 );
    dmg_bcs_wr_u8( wr, (uint8_t)n );
    if( n ) t_gen_value( c, t->elem, wr );
    return;
  case DMG_TYPE_STRUCT:
    for( n = 0; n<t->field_cnt; n++ ) if( !t->is_open || t->fields[ n ].name.sz ) t_gen_value( c, t->fields[ n ].type, wr );
    if( t->is_open ) dmg_bcs_wr_uleb( wr, 0 );                  /* later fields: all default */
    return;
  case DMG_TYPE_ENUM:
    n = t_pick( c, t->variant_cnt );
    dmg_bcs_wr_uleb( wr, n );
    if( t->variants[ n ].type ) t_gen_value( c, t->variants[ n ].type, wr );
    return;
  case DMG_TYPE_CNT: return;
  }
}

#endif
