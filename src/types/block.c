#include "types/block.h"
#include "types/fields_int.h"
#include "types/merkle.h"
#include "types/tx.h"
#include "base/assert.h"

/* --- fixed forms -------------------------------------------------------------------------------------- */

static void read_cert( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_cert_t * c ) {
  F( "cert.kind",   c->kind  = dmg_bcs_rd_u8( rd ) );
  F( "cert.epoch",  c->epoch = dmg_bcs_rd_u32( rd ) );
  F( "cert.view",   c->view  = dmg_bcs_rd_u64( rd ) );
  F( "cert.hash",   dmg_bcs_rd_copy( rd, c->hash.b, 32 ) );
  F( "cert.bitmap", dmg_bcs_rd_copy( rd, c->bitmap, DMG_BITMAP_SZ ) );
  F( "cert.sig",    dmg_bcs_rd_copy( rd, c->sig, DMG_BLS_SIG_SZ ) );
}

static void write_cert( dmg_bcs_wr_t * wr, dmg_cert_t const * c ) {
  dmg_bcs_wr_u8   ( wr, c->kind );
  dmg_bcs_wr_u32  ( wr, c->epoch );
  dmg_bcs_wr_u64  ( wr, c->view );
  dmg_bcs_wr_fixed( wr, c->hash.b, 32 );
  dmg_bcs_wr_fixed( wr, c->bitmap, DMG_BITMAP_SZ );
  dmg_bcs_wr_fixed( wr, c->sig, DMG_BLS_SIG_SZ );
}

static bool cert_kind_is_known( uint8_t kind ) { return kind==DMG_VOTE_NOTARIZE || kind==DMG_VOTE_FINALIZE; }

static void read_header( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_header_t * h ) {
  F( "version",           h->version     = dmg_bcs_rd_u16( rd ) );
  F( "kind",              h->kind        = dmg_bcs_rd_u8( rd ) );
  F( "leader",            h->leader      = dmg_bcs_rd_u16( rd ) );
  F( "epoch",             h->epoch       = dmg_bcs_rd_u32( rd ) );
  F( "view",              h->view        = dmg_bcs_rd_u64( rd ) );
  F( "height",            h->height      = dmg_bcs_rd_u64( rd ) );
  F( "parent_hash",       dmg_bcs_rd_copy( rd, h->parent_hash.b, 32 ) );
  F( "parent_view",       h->parent_view = dmg_bcs_rd_u64( rd ) );
  read_cert( rd, at, &h->parent_cert );
  F( "just_root",         dmg_bcs_rd_copy( rd, h->just_root.b, 32 ) );
  F( "body_hash",         dmg_bcs_rd_copy( rd, h->body_hash.b, 32 ) );
  F( "body_len",          h->body_len    = dmg_bcs_rd_u32( rd ) );
  F( "parent_state_root", dmg_bcs_rd_copy( rd, h->parent_state_root.b, 32 ) );
  F( "next_epoch_root",   dmg_bcs_rd_copy( rd, h->next_epoch_root.b, 32 ) );
  F( "time_ms",           h->time_ms     = dmg_bcs_rd_u64( rd ) );
  F( "reveal",            dmg_bcs_rd_copy( rd, h->reveal, DMG_BLS_SIG_SZ ) );
}

static dmg_verdict_t header_judge( dmg_header_t const * h ) {
  if( h->version!=DMG_BLOCK_VERSION )                return dmg_verdict_bad( "version", "not 1", 0 );
  if( h->kind>=DMG_BLOCK_KIND_CNT )                  return dmg_verdict_bad( "kind", "an unknown kind", 2 );
  if( !cert_kind_is_known( h->parent_cert.kind ) )   return dmg_verdict_bad( "cert.kind", "an unknown kind", 65 );
  return dmg_verdict_good();
}

static void write_header( dmg_bcs_wr_t * wr, dmg_header_t const * h ) {
  dmg_bcs_wr_u16  ( wr, h->version );
  dmg_bcs_wr_u8   ( wr, h->kind );
  dmg_bcs_wr_u16  ( wr, h->leader );
  dmg_bcs_wr_u32  ( wr, h->epoch );
  dmg_bcs_wr_u64  ( wr, h->view );
  dmg_bcs_wr_u64  ( wr, h->height );
  dmg_bcs_wr_fixed( wr, h->parent_hash.b, 32 );
  dmg_bcs_wr_u64  ( wr, h->parent_view );
  write_cert( wr, &h->parent_cert );
  dmg_bcs_wr_fixed( wr, h->just_root.b, 32 );
  dmg_bcs_wr_fixed( wr, h->body_hash.b, 32 );
  dmg_bcs_wr_u32  ( wr, h->body_len );
  dmg_bcs_wr_fixed( wr, h->parent_state_root.b, 32 );
  dmg_bcs_wr_fixed( wr, h->next_epoch_root.b, 32 );
  dmg_bcs_wr_u64  ( wr, h->time_ms );
  dmg_bcs_wr_fixed( wr, h->reveal, DMG_BLS_SIG_SZ );
}

void dmg_cert_encode( dmg_cert_t const * cert, uint8_t out[ DMG_CERT_SZ ] ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_CERT_SZ );
  write_cert( &wr, cert );
  DMG_ASSERT( !wr.is_full && wr.p==wr.end );
}

void dmg_header_encode( dmg_header_t const * header, uint8_t out[ DMG_HEADER_SZ ] ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_HEADER_SZ );
  write_header( &wr, header );
  DMG_ASSERT( !wr.is_full && wr.p==wr.end );
}

void dmg_signed_header_encode( dmg_signed_header_t const * sh, uint8_t out[ DMG_SIGNED_HEADER_SZ ] ) {
  dmg_header_encode( &sh->header, out );
  memcpy( out+DMG_HEADER_SZ, sh->sig, DMG_BLS_SIG_SZ );
}

dmg_verdict_t dmg_cert_decode( dmg_span_t bytes, dmg_cert_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t  f = { 0 };
  dmg_cert_t   c;
  read_cert( rd, &f, &c );
  dmg_verdict_t v = dmg_fields_end( rd, &f );
  if( !v.kind && !cert_kind_is_known( c.kind ) ) v = dmg_verdict_bad( "cert.kind", "an unknown kind", 0 );
  if( !v.kind ) *out = c;
  return v;
}

dmg_verdict_t dmg_header_decode( dmg_span_t bytes, dmg_header_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t  f = { 0 };
  dmg_header_t h;
  read_header( rd, &f, &h );
  dmg_verdict_t v = dmg_fields_end( rd, &f );
  if( !v.kind ) v = header_judge( &h );
  if( !v.kind ) *out = h;
  return v;
}

dmg_verdict_t dmg_signed_header_decode( dmg_span_t bytes, dmg_signed_header_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t  f = { 0 }, * at = &f;
  dmg_signed_header_t sh;
  read_header( rd, at, &sh.header );
  F( "sig", dmg_bcs_rd_copy( rd, sh.sig, DMG_BLS_SIG_SZ ) );
  dmg_verdict_t v = dmg_fields_end( rd, at );
  if( !v.kind ) v = header_judge( &sh.header );
  if( !v.kind ) *out = sh;
  return v;
}

bool dmg_bitmap_is_within( uint8_t const bitmap[ DMG_BITMAP_SZ ], uint32_t n ) {
  for( uint32_t i = n; i<8*DMG_BITMAP_SZ; i++ ) if( bitmap[ i/8 ]>>( i%8 )&1 ) return false;
  return true;
}

bool dmg_cert_is_zero( dmg_cert_t const * cert ) {
  uint8_t bytes[ DMG_CERT_SZ ];
  dmg_cert_encode( cert, bytes );
  return dmg_is_zero( bytes, sizeof bytes );
}

dmg_hash_t dmg_header_bytes_hash( dmg_span_t header ) {
  DMG_ASSERT( header.sz==DMG_HEADER_SZ );
  return dmg_h( DMG_TAG_BLOCK, header );
}

dmg_hash_t dmg_header_hash( dmg_header_t const * header ) {
  uint8_t bytes[ DMG_HEADER_SZ ];
  dmg_header_encode( header, bytes );
  return dmg_header_bytes_hash( DMG_SPAN( bytes ) );
}

void dmg_vote_msg( dmg_vote_kind_t kind, dmg_hash_t const * chain, uint32_t epoch, uint64_t view, dmg_hash_t const * hash, uint8_t out[ DMG_VOTE_MSG_SZ ] ) {
  out[ 0 ] = (uint8_t)kind;
  memcpy( out+1, chain->b, 32 );
  dmg_store_u32le( out+33, epoch );
  dmg_store_u64le( out+37, view );
  memcpy( out+45, hash->b, 32 );
}

void dmg_reveal_msg( dmg_hash_t const * chain, uint32_t epoch, uint64_t window, uint8_t out[ DMG_REVEAL_MSG_SZ ] ) {
  memcpy( out, chain->b, 32 );
  dmg_store_u32le( out+32, epoch );
  dmg_store_u64le( out+36, window );
}

dmg_hash_t dmg_beacon_first( dmg_hash_t const * genesis ) { return dmg_h( DMG_TAG_RAND_BEACON, dmg_hash_span( genesis ) ); }
dmg_hash_t dmg_beacon_next( dmg_hash_t const * prev, uint8_t const reveal[ DMG_BLS_SIG_SZ ] ) {
  return dmg_h2( DMG_TAG_RAND_BEACON, dmg_hash_span( prev ), dmg_span( reveal, DMG_BLS_SIG_SZ ) );
}

/* --- body --------------------------------------------------------------------------------------------- */

static void read_attendance( dmg_bcs_rd_t * rd, dmg_field_at_t * at, uint32_t i, dmg_attendance_t * a ) {
  F_AT( "attendance.view",   i, a->view = dmg_bcs_rd_u64( rd ) );
  F_AT( "attendance.kind",   i, a->kind = dmg_bcs_rd_u8( rd ) );
  if( !rd->bad && a->kind>DMG_VOTE_NULLIFY ) F_AT( "attendance.kind", i, dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ) );
  F_AT( "attendance.bitmap", i, dmg_bcs_rd_copy( rd, a->bitmap, DMG_BITMAP_SZ ) );
  F_AT( "attendance.sig",    i, dmg_bcs_rd_copy( rd, a->sig, DMG_BLS_SIG_SZ ) );
}

dmg_verdict_t dmg_body_decode( dmg_span_t bytes, dmg_arena_t * arena, dmg_body_t ** out ) {
  if( bytes.sz>DMG_BODY_SZ_MAX ) return dmg_verdict_bad( "size", "more than 4194304 bytes", DMG_BODY_SZ_MAX );
  dmg_body_t * b = DMG_ARENA_NEW( arena, dmg_body_t, 1 );
  if( !b ) return dmg_verdict_local( DMG_ERR_NOMEM );
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t  f = { 0 }, * at = &f;
  F( "attendance", b->att_cnt = dmg_bcs_rd_len( rd, 0, DMG_BODY_ATT_MAX ) );
  b->atts = DMG_ARENA_NEW( arena, dmg_attendance_t, b->att_cnt );
  if( !b->atts ) return dmg_verdict_local( DMG_ERR_NOMEM );
  for( uint32_t i = 0; i<b->att_cnt && !rd->bad; i++ ) read_attendance( rd, at, i, &b->atts[ i ] );
  size_t off = dmg_bcs_rd_off( rd );
  uint32_t evidence_cnt;
  F( "evidence", evidence_cnt = dmg_bcs_rd_len( rd, 0, 4 ) );
  if( evidence_cnt ) return dmg_verdict_bad( "evidence", "not known to this version", off );
  F( "txs", b->tx_cnt = dmg_bcs_rd_len( rd, 0, DMG_BODY_TX_MAX ) );
  /* A list cannot have more elements than bytes are left: memory is bounded by the input, not by what it claims. */
  if( !rd->bad && b->tx_cnt>dmg_bcs_rd_left( rd ) ) F( "txs", dmg_bcs_rd_fail( rd, DMG_BCS_SHORT ) );
  if( rd->bad ) return dmg_fields_end( rd, at );
  b->txs = DMG_ARENA_NEW( arena, dmg_span_t, b->tx_cnt );
  if( !b->txs ) return dmg_verdict_local( DMG_ERR_NOMEM );
  for( uint32_t i = 0; i<b->tx_cnt; i++ ) F_AT( "txs", i, b->txs[ i ] = dmg_bcs_rd_bytes( rd, DMG_TX_SZ_MAX ) );
  dmg_verdict_t v = dmg_fields_end( rd, at );
  if( !v.kind ) *out = b;
  return v;
}

static void write_attendances( dmg_bcs_wr_t * wr, dmg_body_t const * body ) {
  dmg_bcs_wr_uleb( wr, body->att_cnt );
  for( uint32_t i = 0; i<body->att_cnt; i++ ) {
    dmg_attendance_t const * a = &body->atts[ i ];
    dmg_bcs_wr_u64  ( wr, a->view );
    dmg_bcs_wr_u8   ( wr, a->kind );
    dmg_bcs_wr_fixed( wr, a->bitmap, DMG_BITMAP_SZ );
    dmg_bcs_wr_fixed( wr, a->sig, DMG_BLS_SIG_SZ );
  }
}

size_t dmg_body_tx_sz( size_t raw_sz ) { return dmg_bcs_uleb_sz( (uint32_t)raw_sz )+raw_sz; }
size_t dmg_body_sz( uint32_t tx_cnt, size_t txs_sz ) { return 1+1+dmg_bcs_uleb_sz( tx_cnt )+txs_sz; }

dmg_err_t dmg_body_encode( dmg_body_t const * body, dmg_buf_t * buf ) {
  if( body->att_cnt>DMG_BODY_ATT_MAX || body->tx_cnt>DMG_BODY_TX_MAX ) return DMG_ERR_INVALID;
  for( uint32_t i = 0; i<body->att_cnt; i++ ) if( body->atts[ i ].kind>DMG_VOTE_NULLIFY ) return DMG_ERR_INVALID;
  size_t sz = 0;
  for( uint32_t i = 0; i<body->tx_cnt; i++ ) {
    if( body->txs[ i ].sz>DMG_TX_SZ_MAX ) return DMG_ERR_INVALID;
    sz += dmg_body_tx_sz( body->txs[ i ].sz );
  }
  sz = dmg_body_sz( body->tx_cnt, sz )+(size_t)DMG_ATTENDANCE_SZ*body->att_cnt;
  if( sz>DMG_BODY_SZ_MAX ) return DMG_ERR_INVALID;
  uint8_t * p;
  DMG_TRY( dmg_buf_grow( buf, sz, &p ) );
  dmg_bcs_wr_t wr = dmg_bcs_wr( p, sz );
  write_attendances( &wr, body );
  dmg_bcs_wr_uleb( &wr, 0 );   /* evidence */
  dmg_bcs_wr_uleb( &wr, body->tx_cnt );
  for( uint32_t i = 0; i<body->tx_cnt; i++ ) dmg_bcs_wr_bytes( &wr, body->txs[ i ] );
  DMG_ASSERT( !wr.is_full && wr.p==wr.end );
  return DMG_OK;
}

dmg_hash_t dmg_body_hash( dmg_body_t const * body ) {
  uint8_t atts[ 1+DMG_BODY_ATT_MAX*DMG_ATTENDANCE_SZ ], no_evidence = 0;
  dmg_bcs_wr_t wr = dmg_bcs_wr( atts, sizeof atts );
  write_attendances( &wr, body );
  DMG_ASSERT( !wr.is_full );
  dmg_hash_t part[ 3 ];
  part[ 0 ] = dmg_h( DMG_TAG_BODY_ATT, dmg_bcs_wr_span( &wr ) );
  part[ 1 ] = dmg_h( DMG_TAG_BODY_EV, dmg_span( &no_evidence, 1 ) );
  part[ 2 ] = dmg_merkle_root( DMG_TAG_BODY_TX, DMG_TAG_BODY_NODE, body->txs, body->tx_cnt );
  return dmg_h( DMG_TAG_BODY, dmg_span( part, sizeof part ) );
}
