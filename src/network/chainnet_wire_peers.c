#include "network/chainnet_wire_peers.h"
#include "base/assert.h"
#include "codec/bcs.h"

size_t dmg_wire_peerinfo_encode( dmg_wire_peerinfo_t const * info, uint8_t out[ DMG_WIRE_PEERINFO_SENT_MAX ] ) {
  DMG_ASSERT( info->agent.sz<=DMG_WIRE_AGENT_MAX && info->rpc_cnt<=DMG_WIRE_RPC_MAX && info->record_cnt<=DMG_WIRE_RECORDS_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_WIRE_PEERINFO_SENT_MAX );
  dmg_bcs_wr_bytes( &wr, info->agent );
  dmg_bcs_wr_u16( &wr, info->roles );
  dmg_bcs_wr_uleb( &wr, 0 );                         /* snapshots */
  dmg_bcs_wr_uleb( &wr, info->rpc_cnt );
  for( uint32_t i = 0; i<info->rpc_cnt; i++ ) dmg_bcs_wr_bytes( &wr, info->rpc[ i ] );
  dmg_bcs_wr_uleb( &wr, info->record_cnt );
  for( uint32_t i = 0; i<info->record_cnt; i++ ) dmg_bcs_wr_bytes( &wr, info->records[ i ] );
  dmg_bcs_wr_uleb( &wr, 0 );                         /* bindings */
  DMG_ASSERT( !wr.is_full );
  return (size_t)( wr.p-out );
}

dmg_verdict_t dmg_wire_peerinfo_decode( dmg_span_t bytes, dmg_wire_peerinfo_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bytes );
  dmg_wire_peerinfo_t p = { 0 };
  p.agent = dmg_bcs_rd_str( &rd, DMG_WIRE_AGENT_MAX );
  p.roles = dmg_bcs_rd_u16( &rd );
  for( uint32_t i = 0, n = dmg_bcs_rd_len( &rd, 0, DMG_WIRE_SNAPSHOTS_MAX ); i<n && !rd.bad; i++ ) (void)dmg_bcs_rd_fixed( &rd, 8+32+4+8 );
  p.rpc_cnt = dmg_bcs_rd_len( &rd, 0, DMG_WIRE_RPC_MAX );
  for( uint32_t i = 0; i<p.rpc_cnt && !rd.bad; i++ ) p.rpc[ i ] = dmg_bcs_rd_str( &rd, DMG_WIRE_RPC_SZ_MAX );
  p.record_cnt = dmg_bcs_rd_len( &rd, 0, DMG_WIRE_RECORDS_MAX );
  for( uint32_t i = 0; i<p.record_cnt && !rd.bad; i++ ) p.records[ i ] = dmg_bcs_rd_bytes( &rd, DMG_PEER_RECORD_SZ_MAX );
  for( uint32_t i = 0, n = dmg_bcs_rd_len( &rd, 0, DMG_WIRE_BINDINGS_MAX ); i<n && !rd.bad; i++ ) (void)dmg_bcs_rd_bytes( &rd, DMG_WIRE_BINDING_SZ_MAX );
  dmg_bcs_bad_t bad = dmg_bcs_rd_end( &rd );
  if( bad ) return dmg_verdict_bad( "peerinfo", dmg_bcs_bad_text( bad ), rd.bad_off );
  *out = p;
  return dmg_verdict_good();
}
