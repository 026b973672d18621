/* First byte picks: header, signed header, certificate, body, Merkle path.  What decodes encodes to the same bytes. */
#include "types/block.h"
#include "types/merkle.h"
#include "base/assert.h"

static void body( dmg_span_t in ) {
  static dmg_arena_t * arena;
  if( !arena ) arena = dmg_arena_new( 1<<20 );
  dmg_arena_reset( arena );
  dmg_body_t * b = NULL;
  dmg_verdict_t v = dmg_body_decode( in, arena, &b );
  DMG_ASSERT( v.kind!=DMG_VERDICT_LOCAL && ( v.kind==DMG_VERDICT_GOOD )==( b!=NULL ) );
  if( !b ) return;
  static dmg_buf_t buf = { .max = DMG_BODY_SZ_MAX };
  dmg_buf_clear( &buf );
  DMG_ASSERT( dmg_body_encode( b, &buf )==DMG_OK );
  DMG_ASSERT( dmg_span_eq( dmg_buf_span( &buf ), in ) );
  (void)dmg_body_hash( b );
}

static void path( dmg_span_t in ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( in );
  dmg_merkle_path_t p;
  dmg_merkle_path_read( &rd, &p );
  if( dmg_bcs_rd_end( &rd ) ) return;
  uint8_t out[ DMG_MERKLE_PATH_BCS_MAX ];
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, sizeof out );
  dmg_merkle_path_write( &wr, &p );
  DMG_ASSERT( dmg_span_eq( dmg_bcs_wr_span( &wr ), in ) );
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );
int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  if( !sz ) return 0;
  dmg_span_t in = dmg_span( data+1, sz-1 );
  uint8_t    out[ DMG_SIGNED_HEADER_SZ ];
  dmg_header_t        h;
  dmg_signed_header_t sh;
  dmg_cert_t          c;
  switch( data[ 0 ]%5 ) {
    case 0: if( !dmg_header_decode( in, &h ).kind )         { dmg_header_encode( &h, out );         DMG_ASSERT( dmg_span_eq( in, dmg_span( out, DMG_HEADER_SZ ) ) ); } break;
    case 1: if( !dmg_signed_header_decode( in, &sh ).kind ) { dmg_signed_header_encode( &sh, out ); DMG_ASSERT( dmg_span_eq( in, dmg_span( out, DMG_SIGNED_HEADER_SZ ) ) ); } break;
    case 2: if( !dmg_cert_decode( in, &c ).kind )           { dmg_cert_encode( &c, out );           DMG_ASSERT( dmg_span_eq( in, dmg_span( out, DMG_CERT_SZ ) ) ); } break;
    case 3: body( in ); break;
    case 4: path( in ); break;
  }
  return 0;
}
