#include "types/receipt.h"
#include "types/fields_int.h"
#include "types/merkle.h"
#include "base/assert.h"

char const * dmg_status_name( unsigned status ) {
  static char const * const name[] = {
#define NAME( name, text ) #name,
    DMG_STATUS_TABLE( NAME )
#undef NAME
  };
  return status<DMG_STATUS_CNT ? name[ status ] : "UNKNOWN";
}

char const * dmg_status_text( unsigned status ) {
  static char const * const texts[] = {
#define TEXT( name, text ) text,
    DMG_STATUS_TABLE( TEXT )
#undef TEXT
  };
  return status<DMG_STATUS_CNT ? texts[ status ] : "an unknown status";
}

static void read_head( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_receipt_t * r ) {
  F( "id",         dmg_bcs_rd_copy( rd, r->id.b, 32 ) );
  F( "status",     r->status     = (uint8_t)dmg_bcs_rd_variant( rd, DMG_STATUS_CNT ) );
  F( "call",       r->call       = dmg_bcs_rd_u8( rd ) );
  F( "module",     r->module     = dmg_bcs_rd_u16( rd ) );
  F( "code",       r->code       = dmg_bcs_rd_u32( rd ) );
  F( "gas_used",   r->gas_used   = dmg_bcs_rd_u64( rd ) );
  F( "gas_billed", r->gas_billed = dmg_bcs_rd_u64( rd ) );
  F( "payer",      dmg_bcs_rd_copy( rd, r->payer.b, 32 ) );
  F( "energy",     r->energy     = dmg_bcs_rd_u64( rd ) );
  F( "fee",        r->fee        = dmg_bcs_rd_u64( rd ) );
  F( "tip",        r->tip        = dmg_bcs_rd_u64( rd ) );
  F( "held",       r->held       = dmg_bcs_rd_u64( rd ) );
  F( "returned",   r->returned   = dmg_bcs_rd_u64( rd ) );
}

dmg_verdict_t dmg_receipt_decode( dmg_span_t bytes, dmg_arena_t * arena, dmg_receipt_t ** out ) {
  if( bytes.sz>DMG_RECEIPT_BCS_MAX ) return dmg_verdict_bad( "size", "more than a receipt can have", DMG_RECEIPT_BCS_MAX );
  dmg_receipt_t * r = DMG_ARENA_NEW( arena, dmg_receipt_t, 1 );
  if( !r ) return dmg_verdict_local( DMG_ERR_NOMEM );
  dmg_bcs_rd_t reader = dmg_bcs_rd( bytes ), * rd = &reader;
  dmg_field_at_t  f = { 0 }, * at = &f;
  read_head( rd, at, r );
  F( "results", r->result_cnt = dmg_bcs_rd_len( rd, 0, DMG_RECEIPT_RESULT_MAX ) );
  r->results = DMG_ARENA_NEW( arena, dmg_span_t, r->result_cnt );
  if( !r->results ) return dmg_verdict_local( DMG_ERR_NOMEM );
  for( uint32_t i = 0; i<r->result_cnt; i++ ) F_AT( "results", i, r->results[ i ] = dmg_bcs_rd_bytes( rd, DMG_RESULT_SZ_MAX ) );
  F( "events", r->event_cnt = dmg_bcs_rd_len( rd, 0, DMG_RECEIPT_EVENT_MAX ) );
  r->events = DMG_ARENA_NEW( arena, dmg_event_t, r->event_cnt );
  if( !r->events ) return dmg_verdict_local( DMG_ERR_NOMEM );
  for( uint32_t i = 0; i<r->event_cnt; i++ ) {
    F_AT( "events.module", i, r->events[ i ].module = dmg_bcs_rd_u16( rd ) );
    F_AT( "events.event",  i, r->events[ i ].event  = dmg_bcs_rd_u16( rd ) );
    F_AT( "events.data",   i, r->events[ i ].data   = dmg_bcs_rd_bytes( rd, DMG_EVENT_DATA_MAX ) );
  }
  dmg_verdict_t v = dmg_fields_end( rd, at );
  if( !v.kind ) *out = r;
  return v;
}

static void write_event( dmg_bcs_wr_t * wr, dmg_event_t const * e ) {
  dmg_bcs_wr_u16  ( wr, e->module );
  dmg_bcs_wr_u16  ( wr, e->event );
  dmg_bcs_wr_bytes( wr, e->data );
}

dmg_err_t dmg_receipt_encode( dmg_receipt_t const * r, dmg_buf_t * buf ) {
  if( r->status>=DMG_STATUS_CNT || r->result_cnt>DMG_RECEIPT_RESULT_MAX || r->event_cnt>DMG_RECEIPT_EVENT_MAX ) return DMG_ERR_INVALID;
  size_t cap = 32+1+1+2+4+8*7+32+1+2;
  for( uint32_t i = 0; i<r->result_cnt; i++ ) { if( r->results[ i ].sz>DMG_RESULT_SZ_MAX ) return DMG_ERR_INVALID; cap += 2+r->results[ i ].sz; }
  for( uint32_t i = 0; i<r->event_cnt; i++ )  { if( r->events[ i ].data.sz>DMG_EVENT_DATA_MAX ) return DMG_ERR_INVALID; cap += 6+r->events[ i ].data.sz; }
  size_t    before = buf->sz;
  uint8_t * p;
  DMG_TRY( dmg_buf_grow( buf, cap, &p ) );
  dmg_bcs_wr_t wr = dmg_bcs_wr( p, cap );
  dmg_bcs_wr_fixed( &wr, r->id.b, 32 );
  dmg_bcs_wr_uleb ( &wr, r->status );
  dmg_bcs_wr_u8   ( &wr, r->call );
  dmg_bcs_wr_u16  ( &wr, r->module );
  dmg_bcs_wr_u32  ( &wr, r->code );
  dmg_bcs_wr_u64  ( &wr, r->gas_used );
  dmg_bcs_wr_u64  ( &wr, r->gas_billed );
  dmg_bcs_wr_fixed( &wr, r->payer.b, 32 );
  dmg_bcs_wr_u64  ( &wr, r->energy );
  dmg_bcs_wr_u64  ( &wr, r->fee );
  dmg_bcs_wr_u64  ( &wr, r->tip );
  dmg_bcs_wr_u64  ( &wr, r->held );
  dmg_bcs_wr_u64  ( &wr, r->returned );
  dmg_bcs_wr_uleb ( &wr, r->result_cnt );
  for( uint32_t i = 0; i<r->result_cnt; i++ ) dmg_bcs_wr_bytes( &wr, r->results[ i ] );
  dmg_bcs_wr_uleb ( &wr, r->event_cnt );
  for( uint32_t i = 0; i<r->event_cnt; i++ ) write_event( &wr, &r->events[ i ] );
  DMG_ASSERT( !wr.is_full );
  buf->sz = before+(size_t)( wr.p-wr.start );
  return DMG_OK;
}

dmg_hash_t dmg_receipts_root( dmg_span_t const * receipts, size_t cnt ) { return dmg_merkle_root( DMG_TAG_RECEIPT, DMG_TAG_RECEIPT_NODE, receipts, cnt ); }
dmg_hash_t dmg_receipt_leaf( dmg_span_t receipt ) { return dmg_h( DMG_TAG_RECEIPT, receipt ); }
dmg_hash_t dmg_result_hash( dmg_span_t result )   { return dmg_h( DMG_TAG_RESULT, result ); }

dmg_hash_t dmg_receipts_log_leaf( uint64_t height, dmg_hash_t const * receipts_root ) {
  uint8_t h[ 8 ];
  dmg_store_u64le( h, height );
  return dmg_h2( DMG_TAG_RECEIPTS, DMG_SPAN( h ), dmg_hash_span( receipts_root ) );
}

dmg_hash_t dmg_event_leaf( uint64_t height, uint32_t tx, uint16_t idx, dmg_event_t const * event ) {
  uint8_t head[ 8+4+2+2+2+5 ];
  dmg_bcs_wr_t wr = dmg_bcs_wr( head, sizeof head );
  dmg_bcs_wr_u64 ( &wr, height );
  dmg_bcs_wr_u32 ( &wr, tx );
  dmg_bcs_wr_u16 ( &wr, idx );
  dmg_bcs_wr_u16 ( &wr, event->module );
  dmg_bcs_wr_u16 ( &wr, event->event );
  dmg_bcs_wr_uleb( &wr, (uint32_t)event->data.sz );
  DMG_ASSERT( !wr.is_full && event->data.sz<=DMG_EVENT_DATA_MAX );
  return dmg_h2( DMG_TAG_EVENT, dmg_bcs_wr_span( &wr ), event->data );
}
