/* What is read prints to text that reads the same; walking stays inside the value; forms agree with their texts. */
#include "base/assert.h"
#include "rpc/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );

/* Nodes of a value, a key counting as one; forms are tried on each. */
static uint32_t walk( dmg_jv_t v ) {
  uint64_t u64;
  uint32_t u32, cnt = 0, seen = 0;
  uint8_t bytes[ 32 ];
  size_t bytes_sz;
  bool is_string = dmg_jv_type( v )==DMG_JSON_STRING, is_number = dmg_jv_type( v )==DMG_JSON_NUMBER;
  DMG_ASSERT( !dmg_jv_u64( v, &u64 ) || is_string );
  DMG_ASSERT( !dmg_jv_u32( v, &u32 ) || is_number );
  DMG_ASSERT( !dmg_jv_hex( v, bytes, sizeof bytes, &bytes_sz ) || ( is_string && dmg_jv_text( v ).sz==2+2*bytes_sz ) );
  if( dmg_jv_type( v )<DMG_JSON_ARRAY ) { DMG_ASSERT( !dmg_jv_cnt( v ) ); return 1; }
  for( dmg_jv_t e = dmg_jv_first( v ); !dmg_jv_is_absent( e ); e = dmg_jv_next( v, e ), seen++ ) {
    if( dmg_jv_type( v )==DMG_JSON_OBJECT ) { DMG_ASSERT( dmg_jv_type( e )==DMG_JSON_STRING ); cnt += 1+walk( dmg_jv_member( e ) ); }
    else cnt += walk( e );
  }
  DMG_ASSERT( seen==dmg_jv_cnt( v ) );
  return cnt+1;
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  static dmg_json_t * json;
  static dmg_buf_t one = { .max = 8u<<20 }, two = { .max = 8u<<20 };
  if( !json ) json = dmg_json_new();
  dmg_jv_t root;
  char why[ 160 ];
  if( !dmg_json_parse( json, dmg_span( data, sz ), &root, why ) ) { DMG_ASSERT( strlen( why )>0 ); return 0; }
  uint32_t nodes = walk( root );
  DMG_ASSERT( nodes<=DMG_JSON_NODES_MAX );
  dmg_buf_clear( &one );
  dmg_jw_t w = dmg_jw( &one );
  dmg_jw_value( &w, root );
  DMG_ASSERT( !w.is_full );
  bool is_good = dmg_json_parse( json, dmg_buf_span( &one ), &root, why );
  DMG_ASSERT( is_good && walk( root )==nodes );
  dmg_buf_clear( &two );
  w = dmg_jw( &two );
  dmg_jw_value( &w, root );
  DMG_ASSERT( dmg_span_eq( dmg_buf_span( &one ), dmg_buf_span( &two ) ) );
  return 0;
}
