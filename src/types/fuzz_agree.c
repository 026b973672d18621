/* First byte picks the decoder of types/agree.h.  What decodes encodes to the same bytes. */
#include "types/agree.h"
#include "base/assert.h"

static uint8_t out[ 1u<<17 ];

static void same( dmg_span_t in, size_t sz ) { DMG_ASSERT( dmg_span_eq( in, dmg_span( out, sz ) ) ); }

static size_t put_runs( size_t at, dmg_runs_t runs ) {
  dmg_run_t run;
  dmg_span_t raw;
  while( dmg_runs_next( &runs, &run, &raw ) ) { DMG_ASSERT( raw.sz==DMG_RUN_SZ( run.cnt ) ); at += dmg_run_encode( &run, out+at ); }
  return at;
}

static void handover( dmg_span_t in ) {
  static dmg_set_t prev, next;
  dmg_handover_t h;
  if( dmg_handover_decode( in, &h ).kind ) return;
  prev.cnt = 4;
  for( uint32_t i = 0; i<4; i++ ) { memset( prev.members[ i ].key, (int)( 16*i+16 ), DMG_BLS_KEY_SZ ); prev.members[ i ].weight = 1+i; }
  if( dmg_handover_set( &h, &prev, &next ).kind ) return;
  DMG_ASSERT( next.cnt>=1 && next.cnt<=DMG_SET_MAX );
  (void)dmg_handover_encode( &h.header, &h.fin, &h.record, &prev, &next, out );
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );
int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  if( !sz ) return 0;
  dmg_span_t in = dmg_span( data+1, sz-1 );
  dmg_vote_t v; dmg_vote_stored_t s; dmg_run_t run; dmg_record_t rec; dmg_hello_t hello; dmg_want_t want; dmg_bundle_t bundle; dmg_proposal_t p;
  static dmg_set_t set;
  static dmg_evidence_t ev;
  switch( data[ 0 ]%11 ) {
    case 0:  if( !dmg_vote_decode( in, &v ).kind )        { dmg_vote_encode( &v, out );        same( in, DMG_VOTE_WIRE_SZ ); } break;
    case 1:  if( !dmg_vote_stored_decode( in, &s ).kind ) { dmg_vote_stored_encode( &s, out ); same( in, DMG_VOTE_STORED_SZ ); } break;
    case 2:  if( !dmg_run_decode( in, &run ).kind )       same( in, dmg_run_encode( &run, out ) ); break;
    case 3:  if( !dmg_set_decode( in, &set ).kind )       { DMG_ASSERT( dmg_set_weight( &set )>0 ); same( in, dmg_set_encode( &set, out ) ); } break;
    case 4:  if( !dmg_record_decode( in, &rec ).kind )    { dmg_record_encode( &rec, out );    same( in, DMG_RECORD_SZ ); } break;
    case 5:  if( !dmg_hello_decode( in, &hello ).kind )   { dmg_hello_encode( &hello, out );   same( in, DMG_HELLO_SZ ); } break;
    case 6:  if( !dmg_want_decode( in, &want ).kind )     same( in, dmg_want_encode( &want, out ) ); break;
    case 7:  if( !dmg_bundle_decode( in, &bundle ).kind ) same( in, put_runs( dmg_bundle_head( &bundle.base, bundle.runs.cnt, out ), bundle.runs ) ); break;
    case 8:  if( !dmg_proposal_decode( in, &p ).kind )    same( in, put_runs( dmg_proposal_head( &p.header, &p.fin, p.runs.cnt, out ), p.runs ) ); break;
    case 9:  handover( in ); break;
    case 10: if( !dmg_evidence_decode( in, &ev ).kind )   same( in, dmg_evidence_encode( &ev, out, sizeof out ) ); break;
  }
  return 0;
}
