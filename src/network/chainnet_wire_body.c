/* Compact bodies, shards, and what is asked for when they lack something (N8.6-N8.8). */
#include "network/chainnet_wire.h"
#include "base/assert.h"
#include "codec/bcs.h"

static dmg_verdict_t end( dmg_bcs_rd_t * rd, char const * what ) {
  dmg_bcs_bad_t bad = dmg_bcs_rd_end( rd );
  return bad ? dmg_verdict_bad( what, dmg_bcs_bad_text( bad ), rd->bad_off ) : dmg_verdict_good();
}

/* --- compact ---------------------------------------------------------------------------------------------- */

void dmg_wire_short_key( dmg_hash_t const * body_hash, uint64_t nonce, uint8_t out_key[ 16 ] ) {
  uint8_t b[ 8 ];
  dmg_store_u64le( b, nonce );
  dmg_hash_t h = dmg_h2( DMG_TAG_NET_SHORT, dmg_hash_span( body_hash ), DMG_SPAN( b ) );
  memcpy( out_key, h.b, 16 );
}

dmg_err_t dmg_wire_compact_encode( dmg_wire_compact_t const * c, dmg_span_t const * txs, dmg_buf_t * out ) {
  uint32_t id_cnt = (uint32_t)( c->ids.sz/DMG_WIRE_SHORT_SZ ), pre_cnt = c->tx_cnt-id_cnt;
  DMG_ASSERT( c->tx_cnt && c->tx_cnt<=DMG_BODY_TX_MAX && id_cnt<=c->tx_cnt && c->ids.sz==(size_t)id_cnt*DMG_WIRE_SHORT_SZ && c->lists.sz<=DMG_WIRE_LISTS_SZ_MAX );
  size_t sz = 8+dmg_bcs_uleb_sz( (uint32_t)c->lists.sz )+c->lists.sz+dmg_bcs_uleb_sz( id_cnt )+c->ids.sz+dmg_bcs_uleb_sz( pre_cnt );
  uint32_t cnt = 0;
  for( uint32_t i = 0; i<c->tx_cnt; i++ ) if( txs[ i ].p ) { sz += 2+dmg_wire_tx_sz( txs[ i ].sz ); cnt++; }
  DMG_ASSERT( cnt==pre_cnt );
  uint8_t * p;
  DMG_TRY( dmg_buf_grow( out, sz, &p ) );
  dmg_bcs_wr_t wr = dmg_bcs_wr( p, sz );
  dmg_bcs_wr_u64  ( &wr, c->nonce );
  dmg_bcs_wr_bytes( &wr, c->lists );
  dmg_bcs_wr_uleb ( &wr, id_cnt );
  dmg_bcs_wr_fixed( &wr, c->ids.p, c->ids.sz );
  dmg_bcs_wr_uleb ( &wr, pre_cnt );
  for( uint32_t i = 0; i<c->tx_cnt; i++ ) if( txs[ i ].p ) {
    dmg_bcs_wr_u16  ( &wr, (uint16_t)i );
    dmg_bcs_wr_bytes( &wr, txs[ i ] );
  }
  DMG_ASSERT( !wr.is_full && wr.p==wr.end );
  return DMG_OK;
}

dmg_verdict_t dmg_wire_compact_decode( dmg_span_t bytes, dmg_wire_compact_t * out, dmg_span_t * out_txs ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bytes );
  dmg_wire_compact_t c;
  c.nonce = dmg_bcs_rd_u64( &rd );
  c.lists = dmg_bcs_rd_bytes( &rd, DMG_WIRE_LISTS_SZ_MAX );
  uint32_t id_cnt = dmg_bcs_rd_len( &rd, 0, DMG_BODY_TX_MAX );
  c.ids   = dmg_bcs_rd_fixed( &rd, (size_t)id_cnt*DMG_WIRE_SHORT_SZ );
  uint32_t pre_cnt = dmg_bcs_rd_len( &rd, 0, DMG_BODY_TX_MAX-id_cnt );
  c.tx_cnt = id_cnt+pre_cnt;
  for( uint32_t i = 0; i<c.tx_cnt; i++ ) out_txs[ i ] = dmg_span( NULL, 0 );
  for( uint32_t i = 0, next = 0; i<pre_cnt && !rd.bad; i++ ) {
    uint32_t at = dmg_bcs_rd_u16( &rd );
    if( at<next )           dmg_bcs_rd_fail( &rd, DMG_BCS_ORDER );
    else if( at>=c.tx_cnt ) dmg_bcs_rd_fail( &rd, DMG_BCS_VALUE );
    dmg_span_t raw = dmg_bcs_rd_bytes( &rd, DMG_WIRE_PREFILLED_TX_MAX );
    if( !rd.bad && !raw.sz ) dmg_bcs_rd_fail( &rd, DMG_BCS_LENGTH );
    if( rd.bad ) break;
    out_txs[ at ] = raw;
    next = at+1;
  }
  dmg_verdict_t v = end( &rd, "compact" );
  if( !v.kind && !c.tx_cnt ) v = dmg_verdict_bad( "compact", "no transaction", 0 );
  if( !v.kind ) *out = c;
  return v;
}

/* --- shards ----------------------------------------------------------------------------------------------- */

dmg_err_t dmg_wire_shard_encode( dmg_wire_shard_t const * s, dmg_buf_t * out ) {
  uint8_t b[ DMG_WIRE_HEAD_SZ+2+DMG_MERKLE_PATH_BCS_MAX ];
  dmg_wire_head_encode( &s->head, b );
  dmg_bcs_wr_t wr = dmg_bcs_wr( b+DMG_WIRE_HEAD_SZ, sizeof b-DMG_WIRE_HEAD_SZ );
  dmg_bcs_wr_u16( &wr, s->index );
  dmg_merkle_path_write( &wr, &s->path );
  DMG_ASSERT( !wr.is_full );
  DMG_TRY( dmg_buf_append( out, b, DMG_WIRE_HEAD_SZ+dmg_bcs_wr_span( &wr ).sz ) );
  return dmg_buf_append( out, s->bytes.p, s->bytes.sz );
}

dmg_verdict_t dmg_wire_shard_decode( dmg_span_t bytes, dmg_wire_shard_t * out ) {
  if( bytes.sz<DMG_WIRE_HEAD_SZ ) return dmg_verdict_bad( "shard", "shorter than its head", bytes.sz );
  dmg_verdict_t v = dmg_wire_head_decode( dmg_span( bytes.p, DMG_WIRE_HEAD_SZ ), &out->head );
  if( v.kind ) return v;
  if( out->head.form!=DMG_WIRE_SHREDS ) return dmg_verdict_bad( "head.form", "not shreds", 48 );
  dmg_bcs_rd_t rd = dmg_bcs_rd( dmg_span( bytes.p+DMG_WIRE_HEAD_SZ, bytes.sz-DMG_WIRE_HEAD_SZ ) );
  out->index = dmg_bcs_rd_u16( &rd );
  if( out->index>=DMG_WIRE_SHARD_CNT_MAX ) dmg_bcs_rd_fail( &rd, DMG_BCS_VALUE );
  dmg_merkle_path_read( &rd, &out->path );
  out->bytes = dmg_bcs_rd_fixed( &rd, dmg_wire_shard_sz( out->head.body_len, out->head.k ) );
  return end( &rd, "shard" );
}

/* --- requests --------------------------------------------------------------------------------------------- */

size_t dmg_wire_bodytx_req_encode( dmg_wire_bodytx_req_t const * req, uint8_t out[ DMG_WIRE_BODYTX_REQ_SZ_MAX ] ) {
  DMG_ASSERT( req->cnt && req->cnt<=DMG_WIRE_BODYTX_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_WIRE_BODYTX_REQ_SZ_MAX );
  dmg_bcs_wr_fixed( &wr, req->body_hash.b, 32 );
  dmg_bcs_wr_uleb ( &wr, req->cnt );
  for( uint32_t i = 0; i<req->cnt; i++ ) dmg_bcs_wr_u16( &wr, req->idx[ i ] );
  DMG_ASSERT( !wr.is_full );
  return dmg_bcs_wr_span( &wr ).sz;
}

dmg_verdict_t dmg_wire_bodytx_req_decode( dmg_span_t bytes, dmg_wire_bodytx_req_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bytes );
  dmg_bcs_rd_copy( &rd, out->body_hash.b, 32 );
  out->cnt = dmg_bcs_rd_len( &rd, 1, DMG_WIRE_BODYTX_MAX );
  for( uint32_t i = 0, next = 0; i<out->cnt && !rd.bad; i++ ) {
    out->idx[ i ] = dmg_bcs_rd_u16( &rd );
    if( rd.bad ) break;
    if( out->idx[ i ]<next )               dmg_bcs_rd_fail( &rd, DMG_BCS_ORDER );
    if( out->idx[ i ]>=DMG_BODY_TX_MAX )   dmg_bcs_rd_fail( &rd, DMG_BCS_VALUE );
    next = out->idx[ i ]+1u;
  }
  return end( &rd, "bodytx" );
}

size_t dmg_wire_ids_req_encode( dmg_wire_ids_req_t const * req, uint8_t out[ DMG_WIRE_IDS_REQ_SZ_MAX ] ) {
  DMG_ASSERT( req->cnt && req->cnt<=DMG_WIRE_IDS_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_WIRE_IDS_REQ_SZ_MAX );
  dmg_bcs_wr_uleb ( &wr, req->cnt );
  dmg_bcs_wr_fixed( &wr, req->ids, 32*(size_t)req->cnt );
  DMG_ASSERT( !wr.is_full );
  return dmg_bcs_wr_span( &wr ).sz;
}

dmg_verdict_t dmg_wire_ids_req_decode( dmg_span_t bytes, dmg_wire_ids_req_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bytes );
  out->cnt = dmg_bcs_rd_len( &rd, 1, DMG_WIRE_IDS_MAX );
  dmg_span_t raw = dmg_bcs_rd_fixed( &rd, 32*(size_t)out->cnt );
  dmg_verdict_t v = end( &rd, "txs" );
  if( !v.kind ) memcpy( out->ids, raw.p, raw.sz );
  return v;
}
