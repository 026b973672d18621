#include "types/schema.h"
#include "base/assert.h"

#include <stdlib.h>

dmg_err_t dmg_schema_hash( uint16_t module, dmg_abi_fn_t const * call, dmg_hash_t * out ) {
  uint8_t * buf = malloc( DMG_SCHEMA_SZ_MAX );
  if( !buf ) return DMG_ERR_NOMEM;
  dmg_bcs_wr_t wr = dmg_bcs_wr( buf, DMG_SCHEMA_SZ_MAX );
  dmg_schema_write( module, call, &wr );
  DMG_ASSERT( !wr.is_full );   /* a part of an Abi, and that fits in 64 KiB */
  *out = dmg_h( DMG_TAG_SCHEMA, dmg_bcs_wr_span( &wr ) );
  free( buf );
  return DMG_OK;
}

dmg_hash_t dmg_abi_hash( dmg_span_t raw ) { return dmg_h( DMG_TAG_ABI, raw ); }
