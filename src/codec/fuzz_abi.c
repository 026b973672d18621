/* The interface decoder: what it takes comes back byte for byte, and values are then judged by its types. */
#include "codec/abi.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t size );

static void must( bool fact ) { if( !fact ) abort(); }

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t size ) {
  static dmg_arena_t * arena;
  static uint8_t again[ DMG_ABI_SZ_MAX ], key[ DMG_KEY_MAX ], bcs[ DMG_KEY_MAX ];
  if( !arena ) { arena = dmg_arena_new( 64u<<20 ); must( arena ); }
  dmg_arena_reset( arena );
  /* The first two bytes cut the rest into an interface and values for it. */
  if( size<2 ) return 0;
  size_t cut = dmg_load_u16le( data );
  data += 2; size -= 2;
  if( cut>size ) cut = size;
  dmg_abi_t const * abi;
  if( dmg_abi_decode( dmg_span( data, cut ), arena, &abi ).kind!=DMG_VERDICT_GOOD ) return 0;
  dmg_bcs_wr_t w = dmg_bcs_wr( again, sizeof again );
  dmg_abi_write( abi, &w );
  must( !w.is_full && dmg_span_eq( dmg_bcs_wr_span( &w ), dmg_span( data, cut ) ) );
  must( abi->in_sz<=DMG_ABI_IO_MAX && abi->out_sz<=DMG_ABI_IO_MAX && abi->out_sz );

  dmg_span_t value = dmg_span( data+cut, size-cut );
  for( uint32_t i = 0; i<abi->call_cnt; i++ ) {
    dmg_type_t const * t = abi->calls[ i ].args;
    size_t off = 0;
    if( dmg_type_validate( t, value, &off )==DMG_BCS_GOOD ) must( value.sz>=t->sz_min && value.sz<=t->sz_max );
    else must( off<=value.sz );
  }
  for( uint32_t i = 0; i<abi->item_cnt; i++ ) {
    dmg_abi_item_t const * it = abi->items+i;
    for( uint32_t k = 0; k<it->mark_cnt; k++ )
      for( uint32_t p = 0; p<it->marks[ k ].path_cnt; p++ ) (void)dmg_abi_path( it, it->marks[ k ].paths[ p ], value, value );
    if( !dmg_key_split( it, value, NULL ) ) continue;
    must( dmg_key_is_prefix( it, value ) && value.sz>=it->key_sz_min && value.sz<=it->key_sz_max );
    dmg_bcs_wr_t b = dmg_bcs_wr( bcs, sizeof bcs ), k = dmg_bcs_wr( key, sizeof key );
    must( dmg_key_to_bcs( it, value, &b ) );
    dmg_bcs_rd_t r = dmg_bcs_rd( dmg_bcs_wr_span( &b ) );
    must( dmg_key_from_bcs( it, &r, &k ) && dmg_bcs_rd_end( &r )==DMG_BCS_GOOD && dmg_span_eq( dmg_bcs_wr_span( &k ), value ) );
  }
  return 0;
}
