/* emit_host: numbers, names and hashes of a module for the node's own C code, and its ABI as bytes. */
#include "dmic.h"

#include "base/assert.h"

#include <stdarg.h>
#include <stdlib.h>

dmg_hash_t dmic_schema( uint16_t module, dmg_abi_fn_t const * call ) {
  static uint8_t buf[ DMG_SCHEMA_SZ_MAX ];
  dmg_bcs_wr_t wr = dmg_bcs_wr( buf, sizeof buf );
  dmg_schema_write( module, call, &wr );
  DMG_ASSERT( !wr.is_full );   /* part of an Abi of at most 64 KiB */
  return dmg_h( DMG_TAG_SCHEMA, dmg_bcs_wr_span( &wr ) );
}

static dmg_err_t hex_array( dmg_buf_t * out, char const * head, dmg_span_t bytes ) {
  DMG_TRY( dmg_buf_printf( out, "%s{", head ) );
  for( size_t i = 0; i<bytes.sz; i++ ) DMG_TRY( dmg_buf_printf( out, "%s0x%02x,", i%24 ? "" : "\n  ", bytes.p[ i ] ) );
  return dmg_buf_printf( out, "\n};\n" );
}

static dmg_err_t ids( dmg_buf_t * out, dmic_unit_t const * u ) {
  dmg_abi_t const * a = &u->abi;
  char mod[ 80 ], name[ 80 ];
  dmic_upper( a->name, mod, sizeof mod );
#define LIST( word, list, cnt )                                                                             \
  if( cnt ) {                                                                                               \
    DMG_TRY( dmg_buf_printf( out, "enum {\n" ) );                                                           \
    for( uint32_t i = 0; i<( cnt ); i++ ) {                                                                 \
      dmic_upper( ( list )[ i ].name, name, sizeof name );                                                  \
      DMG_TRY( dmg_buf_printf( out, "  DMG_%s_" word "_%s = %u,\n", mod, name, ( list )[ i ].id ) );        \
    }                                                                                                       \
    DMG_TRY( dmg_buf_printf( out, "};\n" ) );                                                               \
  }
  LIST( "ITEM",  a->items,   a->item_cnt )
  LIST( "CALL",  a->calls,   a->call_cnt )
  LIST( "QUERY", a->queries, a->query_cnt )
  LIST( "EVENT", a->events,  a->event_cnt )
  LIST( "FAULT", a->faults,  a->fault_cnt )
#undef LIST
  return DMG_OK;
}

dmg_err_t dmic_emit_host( dmic_unit_t const * u, dmg_buf_t * out ) {
  dmg_abi_t const * a = &u->abi;
  char up[ 80 ];
  dmic_upper( a->name, up, sizeof up );
  DMG_TRY( dmg_buf_printf( out, "/* %.*s_host: numbers, hashes and ABI of module %.*s %u.%u.%u.  Made from %.*s.dmi by dmic; do not edit. */\n"
    "#ifndef DMG_%s_HOST_H\n#define DMG_%s_HOST_H\n\n#include <stdint.h>\n\n#define DMG_%s_ID %uu\n#define DMG_%s_STORAGE_VERSION %uu\n\n",
    DMG_SPAN_F( a->name ), DMG_SPAN_F( a->name ), a->version.major, a->version.minor, a->version.patch, DMG_SPAN_F( a->name ), up, up, up, a->module, up, a->storage_version ) );
  DMG_TRY( ids( out, u ) );
  char head[ 300 ];
  snprintf( head, sizeof head, "\n/* H(\"dmg/abi/v1\", dmg_%.*s_abi) */\nstatic uint8_t const dmg_%.*s_abi_hash[ 32 ] __attribute__(( unused )) = ", DMG_SPAN_F( a->name ), DMG_SPAN_F( a->name ) );
  dmg_hash_t h = dmg_h( DMG_TAG_ABI, u->raw );
  DMG_TRY( hex_array( out, head, dmg_hash_span( &h ) ) );
  for( uint32_t i = 0; i<a->call_cnt; i++ ) {
    h = dmic_schema( a->module, a->calls+i );
    snprintf( head, sizeof head, "static uint8_t const dmg_%.*s_schema_%.*s[ 32 ] __attribute__(( unused )) = ", DMG_SPAN_F( a->name ), DMG_SPAN_F( a->calls[ i ].name ) );
    DMG_TRY( hex_array( out, head, dmg_hash_span( &h ) ) );
  }
  snprintf( head, sizeof head, "static uint8_t const dmg_%.*s_abi[ %zu ] __attribute__(( unused )) = ", DMG_SPAN_F( a->name ), u->raw.sz );
  DMG_TRY( hex_array( out, head, u->raw ) );
  return dmg_buf_printf( out, "\n#endif\n" );
}
