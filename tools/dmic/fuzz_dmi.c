/* The compiler on any text: no crash, mistakes have a place, and what compiles is an interface that nodes take. */
#include "dmic.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t size );

static void must( bool fact ) { if( !fact ) abort(); }

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t size ) {
  static dmg_arena_t * arena;
  if( !arena ) { arena = dmg_arena_new( 64u<<20 ); must( arena ); }
  dmg_arena_reset( arena );
  if( size>16384 ) return 0;
  dmic_t d = { .arena = arena, .out_err = dmg_buf( 1u<<20 ) };
  dmic_unit_t * u = dmic_compile( &d, "fuzz.dmi", dmg_span( data, size ) );
  must( d.is_nomem || !u==( d.err_cnt>0 ) );
  must( !d.err_cnt==!d.out_err.sz );
  if( u ) {
    dmg_abi_t const * abi;
    must( dmg_abi_decode( u->raw, arena, &abi ).kind!=DMG_VERDICT_BAD );
    dmg_err_t (* const emit[])( dmic_unit_t const *, dmg_buf_t * ) = { dmic_emit_guest, dmic_emit_host, dmic_emit_ts, dmic_emit_json };
    for( size_t i = 0; i<sizeof emit/sizeof *emit; i++ ) {
      dmg_buf_t out = dmg_buf( 16u<<20 );
      (void)!emit[ i ]( u, &out );
      dmg_buf_fini( &out );
    }
  }
  dmg_buf_fini( &d.out_err );
  d = (dmic_t){ .arena = arena, .out_err = dmg_buf( 1u<<20 ) };
  dmic_service_t * s = dmic_service( &d, "fuzz.dmi", dmg_span( data, size ) );
  must( d.is_nomem || !s==( d.err_cnt>0 ) );
  if( s ) {
    dmg_err_t (* const emit[])( dmic_service_t const *, dmg_buf_t * ) = { dmic_emit_rpc_h, dmic_emit_rpc_c, dmic_emit_rpc_ts, dmic_emit_rpc_md };
    for( size_t i = 0; i<sizeof emit/sizeof *emit; i++ ) {
      dmg_buf_t out = dmg_buf( 16u<<20 );
      (void)!emit[ i ]( s, &out );
      dmg_buf_fini( &out );
    }
  }
  dmg_buf_fini( &d.out_err );
  return 0;
}
