/* First byte picks the decoder of chainnet_wire.h.  What decodes encodes to the same bytes; a body to the same body. */
#include "network/chainnet_wire.h"
#include "network/chainnet_wire_peers.h"
#include "base/assert.h"

static uint8_t    out[ 1u<<14 ];
static dmg_span_t txs[ DMG_WIRE_TX_BATCH_MAX ];

static void same( dmg_span_t in, size_t sz ) { DMG_ASSERT( dmg_span_eq( in, dmg_span( out, sz ) ) ); }

static void body( dmg_span_t in ) {
  static dmg_buf_t raw, chunk, again;
  raw.max = again.max = DMG_WIRE_BODY_SZ_MAX;
  chunk.max = 4u<<20;
  bool is_found;
  if( dmg_wire_body_decode( in, &is_found, &raw ).kind || !is_found ) return;
  DMG_ASSERT( raw.sz && raw.sz<=DMG_WIRE_BODY_SZ_MAX && raw.sz==dmg_load_u32le( in.p+1 ) );
  dmg_buf_clear( &chunk );
  DMG_ASSERT( dmg_wire_body_encode( dmg_buf_span( &raw ), &chunk )==DMG_OK );
  DMG_ASSERT( !dmg_wire_body_decode( dmg_buf_span( &chunk ), &is_found, &again ).kind && dmg_span_eq( dmg_buf_span( &raw ), dmg_buf_span( &again ) ) );
}

static void batch( dmg_span_t in ) {
  uint32_t cnt;
  if( dmg_wire_txs_decode( in, txs, &cnt ).kind ) return;
  size_t sz = cnt<0x80 ? 1 : 2;
  for( uint32_t i = 0; i<cnt; i++ ) {
    DMG_ASSERT( txs[ i ].sz && txs[ i ].p>=in.p && txs[ i ].p+txs[ i ].sz<=in.p+in.sz );
    sz += dmg_wire_tx_sz( txs[ i ].sz );
  }
  DMG_ASSERT( sz==in.sz );
}

static void compact( dmg_span_t in ) {
  static dmg_span_t slots[ DMG_BODY_TX_MAX ];
  static dmg_buf_t  again;
  again.max = 8u<<20;
  dmg_wire_compact_t c;
  if( dmg_wire_compact_decode( in, &c, slots ).kind ) return;
  for( uint32_t i = 0; i<c.tx_cnt; i++ ) DMG_ASSERT( !slots[ i ].p || ( slots[ i ].sz && slots[ i ].p>=in.p && slots[ i ].p+slots[ i ].sz<=in.p+in.sz ) );
  dmg_buf_clear( &again );
  DMG_ASSERT( dmg_wire_compact_encode( &c, slots, &again )==DMG_OK && dmg_span_eq( in, dmg_buf_span( &again ) ) );
}

static void shard( dmg_span_t in ) {
  static dmg_buf_t again;
  again.max = 4u<<20;
  dmg_wire_shard_t s;
  if( dmg_wire_shard_decode( in, &s ).kind ) return;
  DMG_ASSERT( s.bytes.sz%64==0 && s.bytes.sz*s.head.k>=s.head.body_len );
  dmg_buf_clear( &again );
  DMG_ASSERT( dmg_wire_shard_encode( &s, &again )==DMG_OK && dmg_span_eq( in, dmg_buf_span( &again ) ) );
}

static void block( dmg_span_t in ) {
  uint8_t again[ DMG_SIGNED_HEADER_SZ+DMG_WIRE_HEAD_SZ ];
  dmg_wire_block_t b;
  if( dmg_wire_block_decode( in, &b ).kind ) return;
  size_t sz = DMG_SIGNED_HEADER_SZ+( b.has_head ? DMG_WIRE_HEAD_SZ : 0 );
  dmg_signed_header_encode( &b.sh, again );
  if( b.has_head ) dmg_wire_head_encode( &b.head, again+DMG_SIGNED_HEADER_SZ );
  DMG_ASSERT( !memcmp( again, in.p, sz ) && in.sz==sz+b.rest.sz && ( b.has_head ? b.rest.p==in.p+sz : !b.rest.sz ) );
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );
int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  if( !sz ) return 0;
  dmg_span_t in = dmg_span( data+1, sz-1 );
  dmg_wire_hello_t hello; dmg_wire_head_t head; dmg_wire_status_t status; dmg_wire_headers_req_t headers; dmg_wire_proposal_req_t proposal; dmg_wire_epochs_req_t epochs; dmg_wire_runs_req_t runs; dmg_wire_final_t fin;
  static dmg_wire_bodies_req_t bodies; static dmg_wire_bodytx_req_t bodytx; static dmg_wire_ids_req_t ids;
  dmg_span_t raw;
  uint32_t   cnt;
  switch( data[ 0 ]%18 ) {
    case 0: if( !dmg_wire_hello_decode( in, &hello ).kind )           { dmg_wire_hello_encode( &hello, out );           same( in, DMG_WIRE_HELLO_SZ ); } break;
    case 1: if( !dmg_wire_head_decode( in, &head ).kind )             { dmg_wire_head_encode( &head, out );             same( in, DMG_WIRE_HEAD_SZ ); } break;
    case 2: if( !dmg_wire_status_decode( in, &status ).kind )         { dmg_wire_status_encode( &status, out );         same( in, DMG_WIRE_STATUS_SZ ); } break;
    case 3: if( !dmg_wire_headers_req_decode( in, &headers ).kind )   { dmg_wire_headers_req_encode( &headers, out );   same( in, DMG_WIRE_HEADERS_REQ_SZ ); } break;
    case 4: if( !dmg_wire_proposal_req_decode( in, &proposal ).kind ) { dmg_wire_proposal_req_encode( &proposal, out ); same( in, DMG_WIRE_PROPOSAL_REQ_SZ ); } break;
    case 5: if( !dmg_wire_epochs_req_decode( in, &epochs ).kind )     { dmg_wire_epochs_req_encode( &epochs, out );     same( in, DMG_WIRE_EPOCHS_REQ_SZ ); } break;
    case 6: if( !dmg_wire_bodies_req_decode( in, &bodies ).kind )     same( in, dmg_wire_bodies_req_encode( &bodies, out ) ); break;
    case 7: if( !dmg_wire_final_decode( in, &fin ).kind )             { dmg_wire_final_encode( &fin.header, &fin.fin, out ); same( in, DMG_WIRE_FINAL_SZ ); } break;
    case 8: if( !dmg_wire_headers_decode( in, &raw, &cnt ).kind )     DMG_ASSERT( cnt && cnt<=DMG_WIRE_HEADERS_CHUNK && raw.sz==cnt*DMG_SIGNED_HEADER_SZ ); break;
    case 9: {
      dmg_wire_relayed_t r;
      if( dmg_wire_relayed_decode( in, &r ).kind ) break;
      dmg_wire_relayed_encode( &r, out );
      DMG_ASSERT( !memcmp( out, in.p, DMG_WIRE_RELAYED_SZ ) && r.inner.p==in.p+DMG_WIRE_RELAYED_SZ && r.inner.sz==in.sz-DMG_WIRE_RELAYED_SZ );
      break;
    }
    case 10: {
      dmg_wire_peerinfo_t p;
      if( dmg_wire_peerinfo_decode( in, &p ).kind ) break;
      for( uint32_t i = 0; i<p.record_cnt; i++ ) DMG_ASSERT( p.records[ i ].sz<=DMG_PEER_RECORD_SZ_MAX && p.records[ i ].p>=in.p && p.records[ i ].p+p.records[ i ].sz<=in.p+in.sz );
      static uint8_t told[ DMG_WIRE_PEERINFO_SENT_MAX ];
      dmg_wire_peerinfo_t q;
      size_t n = dmg_wire_peerinfo_encode( &p, told );
      DMG_ASSERT( !dmg_wire_peerinfo_decode( dmg_span( told, n ), &q ).kind && q.record_cnt==p.record_cnt && q.rpc_cnt==p.rpc_cnt );
      break;
    }
    case 11: compact( in ); break;
    case 12: shard( in ); break;
    case 13: if( !dmg_wire_bodytx_req_decode( in, &bodytx ).kind )    same( in, dmg_wire_bodytx_req_encode( &bodytx, out ) ); break;
    case 14: if( !dmg_wire_ids_req_decode( in, &ids ).kind )          same( in, dmg_wire_ids_req_encode( &ids, out ) ); break;
    case 15: if( !dmg_wire_runs_req_decode( in, &runs ).kind )         { dmg_wire_runs_req_encode( &runs, out );         same( in, DMG_WIRE_RUNS_REQ_SZ ); } break;
    case 16: block( in ); break;
    default: if( sz%2 ) body( in ); else batch( in );
  }
  return 0;
}
