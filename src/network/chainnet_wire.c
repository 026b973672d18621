#include "network/chainnet_wire.h"
#include "base/assert.h"
#include "codec/bcs.h"
#include "crypto/sig.h"

/* Where and why the reader stopped; what names the message. */
static dmg_verdict_t end( dmg_bcs_rd_t * rd, char const * what ) {
  dmg_bcs_bad_t bad = dmg_bcs_rd_end( rd );
  return bad ? dmg_verdict_bad( what, dmg_bcs_bad_text( bad ), rd->bad_off ) : dmg_verdict_good();
}

/* --- names ------------------------------------------------------------------------------------------------ */

void dmg_wire_name( dmg_hash_t const * genesis, uint32_t fork, char const * name, char out[ DMG_WIRE_NAME_SZ ] ) {
  uint8_t f[ 4 ];
  dmg_store_u32le( f, fork );
  dmg_hash_t h = dmg_h2( DMG_TAG_NET_ID, dmg_hash_span( genesis ), DMG_SPAN( f ) );   /* N4.1 */
  size_t n = strlen( name );
  DMG_ASSERT( n<=DMG_WIRE_NAME_SZ-1-strlen( "/dmg/00000000//1" ) );
  char * p = out;
  memcpy( p, "/dmg/", 5 );
  dmg_hex_encode( h.b, 4, p+5 );
  p += 13;
  *p++ = '/';
  memcpy( p, name, n );
  memcpy( p+n, n ? "/1" : "1", n ? 3 : 2 );
}

/* Multihash identity 0x00, 36 bytes: protobuf { 1: type 1 Ed25519, 2: key }. */
static uint8_t const peer_head[ 6 ] = { 0x00, 0x24, 0x08, 0x01, 0x12, 0x20 };

bool dmg_wire_peer_key( dmg_net_peer_t const * peer, uint8_t out_key[ 32 ] ) {
  if( peer->sz!=38 || memcmp( peer->b, peer_head, 6 ) ) return false;
  memcpy( out_key, peer->b+6, 32 );
  return true;
}

void dmg_wire_peer_of_key( uint8_t const key[ 32 ], dmg_net_peer_t * out ) {
  *out = (dmg_net_peer_t){ .sz = 38 };
  memcpy( out->b, peer_head, 6 );
  memcpy( out->b+6, key, 32 );
}

int dmg_net_peer_cmp( dmg_net_peer_t const * a, dmg_net_peer_t const * b ) { return dmg_span_cmp( dmg_span( a->b, a->sz ), dmg_span( b->b, b->sz ) ); }

/* --- validators ------------------------------------------------------------------------------------------- */

void dmg_wire_hello_encode( dmg_wire_hello_t const * hello, uint8_t out[ DMG_WIRE_HELLO_SZ ] ) {
  memcpy( out, hello->genesis.b, 32 );
  dmg_store_u32le( out+32, hello->epoch );
}

dmg_verdict_t dmg_wire_hello_decode( dmg_span_t bytes, dmg_wire_hello_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bytes );
  dmg_wire_hello_t h;
  dmg_bcs_rd_copy( &rd, h.genesis.b, 32 );
  h.epoch = dmg_bcs_rd_u32( &rd );
  dmg_verdict_t v = end( &rd, "hello" );
  if( !v.kind ) *out = h;
  return v;
}

static void head_write( dmg_bcs_wr_t * wr, dmg_wire_head_t const * head ) {
  dmg_bcs_wr_u32  ( wr, head->epoch );
  dmg_bcs_wr_u64  ( wr, head->view );
  dmg_bcs_wr_fixed( wr, head->body_hash.b, 32 );
  dmg_bcs_wr_u32  ( wr, head->body_len );
  dmg_bcs_wr_u8   ( wr, head->form );
  dmg_bcs_wr_u16  ( wr, head->k );
  dmg_bcs_wr_fixed( wr, head->shard_root.b, 32 );
}

void dmg_wire_head_encode( dmg_wire_head_t const * head, uint8_t out[ DMG_WIRE_HEAD_SZ ] ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_WIRE_HEAD_SZ );
  head_write( &wr, head );
  dmg_bcs_wr_fixed( &wr, head->sig, sizeof head->sig );
  DMG_ASSERT( !wr.is_full && wr.p==wr.end );
}

dmg_verdict_t dmg_wire_head_decode( dmg_span_t bytes, dmg_wire_head_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bytes );
  dmg_wire_head_t h;
  h.epoch    = dmg_bcs_rd_u32( &rd );
  h.view     = dmg_bcs_rd_u64( &rd );
  dmg_bcs_rd_copy( &rd, h.body_hash.b, 32 );
  h.body_len = dmg_bcs_rd_u32( &rd );
  h.form     = dmg_bcs_rd_u8 ( &rd );
  h.k        = dmg_bcs_rd_u16( &rd );
  dmg_bcs_rd_copy( &rd, h.shard_root.b, 32 );
  dmg_bcs_rd_copy( &rd, h.sig, sizeof h.sig );
  dmg_verdict_t v = end( &rd, "head" );
  if( v.kind ) return v;
  if( !h.view )                                  return dmg_verdict_bad( "head.view", "zero, which is the anchor", 4 );
  if( h.form>=DMG_WIRE_FORM_CNT )                return dmg_verdict_bad( "head.form", "not full, compact or shreds", 48 );
  bool is_shreds = h.form==DMG_WIRE_SHREDS;
  if( is_shreds ? !h.k || h.k>DMG_WIRE_SHARD_CNT_MAX/2 : h.k || !dmg_hash_is_zero( &h.shard_root ) ) return dmg_verdict_bad( "head.k", is_shreds ? "not 1 to 64" : "shards in another form", 49 );
  if( h.form && ( h.body_len<=DMG_BODY_EMPTY_SZ || h.body_len>DMG_WIRE_BODY_SZ_MAX ) ) return dmg_verdict_bad( "head.body_len", "not 4 to 1,048,576", 44 );
  *out = h;
  return v;
}

static dmg_hash_t head_hash( dmg_wire_head_t const * head, dmg_hash_t const * genesis ) {
  uint8_t b[ DMG_WIRE_HEAD_SIGNED_SZ ];
  dmg_bcs_wr_t wr = dmg_bcs_wr( b, sizeof b );
  head_write( &wr, head );
  DMG_ASSERT( !wr.is_full && wr.p==wr.end );
  return dmg_h2( DMG_TAG_NET_BODY, dmg_hash_span( genesis ), DMG_SPAN( b ) );
}

void dmg_wire_head_sign( dmg_wire_head_t * head, dmg_hash_t const * genesis, uint8_t const seed[ 32 ] ) {
  dmg_hash_t h = head_hash( head, genesis );
  dmg_ed25519_sign( seed, dmg_hash_span( &h ), head->sig );
}

bool dmg_wire_head_verify( dmg_wire_head_t const * head, dmg_hash_t const * genesis, dmg_net_peer_t const * leader ) {
  uint8_t key[ 32 ];
  dmg_hash_t h = head_hash( head, genesis );
  return dmg_wire_peer_key( leader, key ) && dmg_ed25519_verify( key, dmg_hash_span( &h ), head->sig );
}

static void relayed_write( dmg_bcs_wr_t * wr, dmg_wire_relayed_t const * r ) {
  dmg_bcs_wr_u32( wr, r->epoch );
  dmg_bcs_wr_u16( wr, r->origin );
  dmg_bcs_wr_u16( wr, r->target );
  dmg_bcs_wr_u64( wr, r->seq );
}

void dmg_wire_relayed_encode( dmg_wire_relayed_t const * r, uint8_t out[ DMG_WIRE_RELAYED_SZ ] ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_WIRE_RELAYED_SZ );
  relayed_write( &wr, r );
  dmg_bcs_wr_fixed( &wr, r->sig, sizeof r->sig );
  DMG_ASSERT( !wr.is_full && wr.p==wr.end );
}

dmg_verdict_t dmg_wire_relayed_decode( dmg_span_t bytes, dmg_wire_relayed_t * out ) {
  if( bytes.sz<=DMG_WIRE_RELAYED_SZ )                          return dmg_verdict_bad( "relayed", "no frame inside", bytes.sz );
  if( bytes.sz-DMG_WIRE_RELAYED_SZ>DMG_WIRE_RELAY_INNER_MAX )  return dmg_verdict_bad( "relayed.inner", "above 63 KiB", DMG_WIRE_RELAYED_SZ );
  dmg_bcs_rd_t rd = dmg_bcs_rd( dmg_span( bytes.p, DMG_WIRE_RELAYED_SZ ) );
  dmg_wire_relayed_t r;
  r.epoch  = dmg_bcs_rd_u32( &rd );
  r.origin = dmg_bcs_rd_u16( &rd );
  r.target = dmg_bcs_rd_u16( &rd );
  r.seq    = dmg_bcs_rd_u64( &rd );
  dmg_bcs_rd_copy( &rd, r.sig, sizeof r.sig );
  dmg_verdict_t v = end( &rd, "relayed" );
  if( v.kind ) return v;
  r.inner = dmg_span( bytes.p+DMG_WIRE_RELAYED_SZ, bytes.sz-DMG_WIRE_RELAYED_SZ );
  if( r.origin==r.target )                  return dmg_verdict_bad( "relayed.target", "its own origin", 6 );
  if( bytes.p[ DMG_WIRE_RELAYED_SZ ]==DMG_FRAME_RELAYED ) return dmg_verdict_bad( "relayed.inner", "relayed itself", DMG_WIRE_RELAYED_SZ );
  *out = r;
  return v;
}

static dmg_hash_t relayed_hash( dmg_wire_relayed_t const * r, dmg_hash_t const * genesis ) {
  uint8_t b[ 32+16 ];
  memcpy( b, genesis->b, 32 );
  dmg_bcs_wr_t wr = dmg_bcs_wr( b+32, 16 );
  relayed_write( &wr, r );
  DMG_ASSERT( !wr.is_full && wr.p==wr.end );
  return dmg_h2( DMG_TAG_NET_RELAY, DMG_SPAN( b ), r->inner );
}

void dmg_wire_relayed_sign( dmg_wire_relayed_t * r, dmg_hash_t const * genesis, uint8_t const seed[ 32 ] ) {
  dmg_hash_t h = relayed_hash( r, genesis );
  dmg_ed25519_sign( seed, dmg_hash_span( &h ), r->sig );
}

bool dmg_wire_relayed_verify( dmg_wire_relayed_t const * r, dmg_hash_t const * genesis, dmg_net_peer_t const * origin ) {
  uint8_t key[ 32 ];
  dmg_hash_t h = relayed_hash( r, genesis );
  return dmg_wire_peer_key( origin, key ) && dmg_ed25519_verify( key, dmg_hash_span( &h ), r->sig );
}

/* --- requests --------------------------------------------------------------------------------------------- */

/* A FINALIZATION for that block. */
static bool is_final_of( dmg_cert_t const * cert, uint32_t epoch, uint64_t view, dmg_hash_t const * hash ) {
  return cert->kind==DMG_VOTE_FINALIZE && cert->epoch==epoch && cert->view==view && view && dmg_hash_eq( &cert->hash, hash );
}

void dmg_wire_status_encode( dmg_wire_status_t const * s, uint8_t out[ DMG_WIRE_STATUS_SZ ] ) {
  uint8_t cert[ DMG_CERT_SZ ];
  dmg_cert_encode( &s->fin, cert );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_WIRE_STATUS_SZ );
  dmg_bcs_wr_fixed( &wr, s->genesis.b, 32 );
  dmg_bcs_wr_u32  ( &wr, s->fork );
  dmg_bcs_wr_u32  ( &wr, s->epoch );
  dmg_bcs_wr_u64  ( &wr, s->final_view );
  dmg_bcs_wr_u64  ( &wr, s->height );
  dmg_bcs_wr_fixed( &wr, s->hash.b, 32 );
  dmg_bcs_wr_fixed( &wr, cert, sizeof cert );
  dmg_bcs_wr_u16  ( &wr, s->roles );
  dmg_bcs_wr_u64  ( &wr, s->first_body );
  dmg_bcs_wr_u64  ( &wr, s->first_state );
  DMG_ASSERT( !wr.is_full && wr.p==wr.end );
}

dmg_verdict_t dmg_wire_status_decode( dmg_span_t bytes, dmg_wire_status_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bytes );
  dmg_wire_status_t s;
  dmg_bcs_rd_copy( &rd, s.genesis.b, 32 );
  s.fork        = dmg_bcs_rd_u32( &rd );
  s.epoch       = dmg_bcs_rd_u32( &rd );
  s.final_view  = dmg_bcs_rd_u64( &rd );
  s.height      = dmg_bcs_rd_u64( &rd );
  dmg_bcs_rd_copy( &rd, s.hash.b, 32 );
  dmg_span_t cert = dmg_bcs_rd_fixed( &rd, DMG_CERT_SZ );
  s.roles       = dmg_bcs_rd_u16( &rd );
  s.first_body  = dmg_bcs_rd_u64( &rd );
  s.first_state = dmg_bcs_rd_u64( &rd );
  dmg_verdict_t v = end( &rd, "status" );
  if( !v.kind ) v = dmg_cert_decode( cert, &s.fin );
  if( v.kind ) return v;
  if( !dmg_cert_is_zero( &s.fin ) && !is_final_of( &s.fin, s.epoch, s.final_view, &s.hash ) ) return dmg_verdict_bad( "status.final", "not the FINALIZATION of its block", 88 );
  *out = s;
  return v;
}

void dmg_wire_headers_req_encode( dmg_wire_headers_req_t const * req, uint8_t out[ DMG_WIRE_HEADERS_REQ_SZ ] ) {
  memcpy( out, req->hash.b, 32 );
  dmg_store_u16le( out+32, req->count );
}

dmg_verdict_t dmg_wire_headers_req_decode( dmg_span_t bytes, dmg_wire_headers_req_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bytes );
  dmg_wire_headers_req_t r;
  dmg_bcs_rd_copy( &rd, r.hash.b, 32 );
  r.count = dmg_bcs_rd_u16( &rd );
  dmg_verdict_t v = end( &rd, "headers" );
  if( !v.kind && ( !r.count || r.count>DMG_WIRE_HEADERS_MAX ) ) v = dmg_verdict_bad( "headers.count", "not 1 to 512", 32 );
  if( !v.kind ) *out = r;
  return v;
}

dmg_verdict_t dmg_wire_headers_decode( dmg_span_t chunk, dmg_span_t * out_raw, uint32_t * out_cnt ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( chunk );
  uint32_t cnt = dmg_bcs_rd_len( &rd, 1, DMG_WIRE_HEADERS_CHUNK );
  dmg_span_t raw = dmg_bcs_rd_fixed( &rd, (size_t)cnt*DMG_SIGNED_HEADER_SZ );
  dmg_verdict_t v = end( &rd, "headers" );
  for( uint32_t i = 0; !v.kind && i<cnt; i++ ) {
    dmg_signed_header_t h;
    v = dmg_signed_header_decode( dmg_span( raw.p+(size_t)i*DMG_SIGNED_HEADER_SZ, DMG_SIGNED_HEADER_SZ ), &h );
    if( v.kind ) v.idx = i;
  }
  if( v.kind ) return v;
  *out_raw = raw;
  *out_cnt = cnt;
  return v;
}

size_t dmg_wire_bodies_req_encode( dmg_wire_bodies_req_t const * req, uint8_t out[ DMG_WIRE_BODIES_REQ_SZ_MAX ] ) {
  DMG_ASSERT( req->cnt && req->cnt<=DMG_WIRE_BODIES_MAX );
  out[ 0 ] = (uint8_t)req->cnt;
  memcpy( out+1, req->hashes, 32*(size_t)req->cnt );
  return 1+32*(size_t)req->cnt;
}

dmg_verdict_t dmg_wire_bodies_req_decode( dmg_span_t bytes, dmg_wire_bodies_req_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bytes );
  uint32_t cnt = dmg_bcs_rd_len( &rd, 1, DMG_WIRE_BODIES_MAX );
  dmg_span_t raw = dmg_bcs_rd_fixed( &rd, 32u*(size_t)cnt );
  dmg_verdict_t v = end( &rd, "bodies" );
  if( v.kind ) return v;
  out->cnt = cnt;
  memcpy( out->hashes, raw.p, raw.sz );
  return v;
}

void dmg_wire_proposal_req_encode( dmg_wire_proposal_req_t const * req, uint8_t out[ DMG_WIRE_PROPOSAL_REQ_SZ ] ) {
  dmg_store_u32le( out, req->epoch );
  dmg_store_u64le( out+4, req->view );
  memcpy( out+12, req->hash.b, 32 );
}

dmg_verdict_t dmg_wire_proposal_req_decode( dmg_span_t bytes, dmg_wire_proposal_req_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bytes );
  dmg_wire_proposal_req_t r;
  r.epoch = dmg_bcs_rd_u32( &rd );
  r.view  = dmg_bcs_rd_u64( &rd );
  dmg_bcs_rd_copy( &rd, r.hash.b, 32 );
  dmg_verdict_t v = end( &rd, "proposal" );
  if( !v.kind ) *out = r;
  return v;
}

void dmg_wire_runs_req_encode( dmg_wire_runs_req_t const * req, uint8_t out[ DMG_WIRE_RUNS_REQ_SZ ] ) {
  memcpy( out, req->hash.b, 32 );
  dmg_store_u16le( out+32, req->first );
  out[ 34 ] = req->count;
}

dmg_verdict_t dmg_wire_runs_req_decode( dmg_span_t bytes, dmg_wire_runs_req_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bytes );
  dmg_wire_runs_req_t r;
  dmg_bcs_rd_copy( &rd, r.hash.b, 32 );
  r.first = dmg_bcs_rd_u16( &rd );
  r.count = dmg_bcs_rd_u8( &rd );
  dmg_verdict_t v = end( &rd, "runs" );
  if( !v.kind && ( !r.count || r.count>DMG_LEAVES_MAX ) ) v = dmg_verdict_bad( "runs.count", "not 1 to 64", 34 );
  if( !v.kind ) *out = r;
  return v;
}

void dmg_wire_epochs_req_encode( dmg_wire_epochs_req_t const * req, uint8_t out[ DMG_WIRE_EPOCHS_REQ_SZ ] ) {
  dmg_store_u32le( out, req->from );
  out[ 4 ] = req->count;
}

dmg_verdict_t dmg_wire_epochs_req_decode( dmg_span_t bytes, dmg_wire_epochs_req_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bytes );
  dmg_wire_epochs_req_t r;
  r.from  = dmg_bcs_rd_u32( &rd );
  r.count = dmg_bcs_rd_u8( &rd );
  dmg_verdict_t v = end( &rd, "epochs" );
  if( !v.kind && ( !r.count || r.count>DMG_WIRE_EPOCHS_MAX || r.from>UINT32_MAX-DMG_WIRE_EPOCHS_MAX ) ) v = dmg_verdict_bad( "epochs.count", "not 1 to 64", 4 );
  if( !v.kind ) *out = r;
  return v;
}

/* --- topics ----------------------------------------------------------------------------------------------- */

size_t dmg_wire_tx_sz( size_t raw_sz ) {
  size_t n = 1;
  for( size_t v = raw_sz; v>=0x80; v >>= 7 ) n++;
  return n+raw_sz;
}

dmg_verdict_t dmg_wire_txs_decode( dmg_span_t data, dmg_span_t * out, uint32_t * out_cnt ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( data );
  uint32_t cnt = dmg_bcs_rd_len( &rd, 1, DMG_WIRE_TX_BATCH_MAX );
  for( uint32_t i = 0; i<cnt && !rd.bad; i++ ) {
    out[ i ] = dmg_bcs_rd_bytes( &rd, 65536 );
    if( !out[ i ].sz ) dmg_bcs_rd_fail( &rd, DMG_BCS_LENGTH );
  }
  dmg_verdict_t v = end( &rd, "txs" );
  if( !v.kind && cnt>1 && data.sz>DMG_WIRE_TX_BATCH_SZ ) v = dmg_verdict_bad( "txs", "several above 32 KiB", 0 );
  if( !v.kind ) *out_cnt = cnt;
  return v;
}

dmg_verdict_t dmg_wire_block_decode( dmg_span_t data, dmg_wire_block_t * out ) {
  if( data.sz<DMG_SIGNED_HEADER_SZ ) return dmg_verdict_bad( "block", "shorter than a header", data.sz );
  dmg_span_t header = dmg_span( data.p, DMG_SIGNED_HEADER_SZ ), rest = dmg_span( data.p+header.sz, data.sz-header.sz );
  dmg_wire_block_t b = { .has_head = rest.sz>0 };
  dmg_verdict_t v = dmg_signed_header_decode( header, &b.sh );
  if( v.kind ) return v;
  if( b.has_head ) {
    if( rest.sz<DMG_WIRE_HEAD_SZ ) return dmg_verdict_bad( "block.head", "cut off", data.sz );
    v = dmg_wire_head_decode( dmg_span( rest.p, DMG_WIRE_HEAD_SZ ), &b.head );
    if( v.kind ) return v;
    dmg_header_t const * h = &b.sh.header;
    if( h->body_len<=DMG_BODY_EMPTY_SZ || b.head.epoch!=h->epoch || b.head.view!=h->view || b.head.body_len!=h->body_len || !dmg_hash_eq( &b.head.body_hash, &h->body_hash ) )
      return dmg_verdict_bad( "block.head", "not that of its header", DMG_SIGNED_HEADER_SZ );
    b.rest = dmg_span( rest.p+DMG_WIRE_HEAD_SZ, rest.sz-DMG_WIRE_HEAD_SZ );
    if( b.head.form==DMG_WIRE_SHREDS || ( b.head.form==DMG_WIRE_FULL && b.rest.sz!=h->body_len ) ) return dmg_verdict_bad( "block.body", "neither the body nor a compact one", DMG_SIGNED_HEADER_SZ+DMG_WIRE_HEAD_SZ );
  }
  b.hash = dmg_header_bytes_hash( dmg_span( data.p, DMG_HEADER_SZ ) );
  *out = b;
  return v;
}

void dmg_wire_final_encode( dmg_header_t const * header, dmg_cert_t const * fin, uint8_t out[ DMG_WIRE_FINAL_SZ ] ) {
  dmg_header_encode( header, out );
  dmg_cert_encode( fin, out+DMG_HEADER_SZ );
}

dmg_verdict_t dmg_wire_final_decode( dmg_span_t data, dmg_wire_final_t * out ) {
  if( data.sz!=DMG_WIRE_FINAL_SZ ) return dmg_verdict_bad( "final", "not 471 bytes", 0 );
  dmg_wire_final_t f;
  dmg_verdict_t v = dmg_header_decode( dmg_span( data.p, DMG_HEADER_SZ ), &f.header );
  if( !v.kind ) v = dmg_cert_decode( dmg_span( data.p+DMG_HEADER_SZ, DMG_CERT_SZ ), &f.fin );
  if( v.kind ) return v;
  f.hash = dmg_header_bytes_hash( dmg_span( data.p, DMG_HEADER_SZ ) );
  if( !is_final_of( &f.fin, f.header.epoch, f.header.view, &f.hash ) ) return dmg_verdict_bad( "final.cert", "not the FINALIZATION of its header", DMG_HEADER_SZ );
  *out = f;
  return v;
}
