#include "network/peer_record.h"
#include "base/assert.h"
#include "crypto/sig.h"
#include "network/chainnet_wire.h"

static char const domain[] = "libp2p-peer-record";
static uint8_t const type[ 2 ] = { 0x03, 0x01 };

enum { KEY_SZ = 36, ENVELOPE_SZ = 2+KEY_SZ+2+2+3+2+64, PAYLOAD_MAX = DMG_PEER_RECORD_SZ_MAX-ENVELOPE_SZ };

/* --- protobuf, as little as these need -------------------------------------------------------------------- */

typedef struct { uint8_t * p, * end; } wr_t;

static void wr_bytes( wr_t * w, void const * p, size_t sz ) {
  DMG_ASSERT( sz<=(size_t)( w->end-w->p ) );
  memcpy( w->p, p, sz );
  w->p += sz;
}
static void wr_uv( wr_t * w, uint64_t v ) {
  do {
    uint8_t b = (uint8_t)( ( v&127 )|( v>127 ? 128 : 0 ) );
    wr_bytes( w, &b, 1 );
    v >>= 7;
  } while( v );
}
static void wr_field( wr_t * w, unsigned no, void const * p, size_t sz ) {
  wr_uv( w, no<<3|2 );
  wr_uv( w, sz );
  wr_bytes( w, p, sz );
}

typedef struct { uint8_t const * p, * end; bool is_bad; } rd_t;

static uint64_t rd_uv( rd_t * r ) {
  uint64_t v = 0;
  for( unsigned shift = 0; shift<64; shift += 7 ) {
    if( r->p==r->end ) break;
    uint8_t b = *r->p++;
    if( shift==63 && b>1 ) break;
    v |= (uint64_t)( b&127 )<<shift;
    if( b<128 ) {
      if( !b && shift ) break;                       /* not the shortest form */
      return v;
    }
  }
  r->is_bad = true;
  return 0;
}
static dmg_span_t rd_field( rd_t * r, unsigned no ) {
  uint64_t tag = rd_uv( r ), sz = rd_uv( r );
  if( r->is_bad || tag!=( no<<3|2 ) || sz>(uint64_t)( r->end-r->p ) ) { r->is_bad = true; return dmg_span( NULL, 0 ); }
  dmg_span_t s = dmg_span( r->p, (size_t)sz );
  r->p += sz;
  return s;
}

/* --- what is signed --------------------------------------------------------------------------------------- */

static size_t signed_bytes( dmg_span_t payload, uint8_t out[ PAYLOAD_MAX+64 ] ) {
  wr_t w = { out, out+PAYLOAD_MAX+64 };
  wr_uv( &w, sizeof domain-1 );
  wr_bytes( &w, domain, sizeof domain-1 );
  wr_uv( &w, sizeof type );
  wr_bytes( &w, type, sizeof type );
  wr_uv( &w, payload.sz );
  wr_bytes( &w, payload.p, payload.sz );
  return (size_t)( w.p-out );
}

size_t dmg_peer_record_sign( dmg_peer_record_t const * rec, uint8_t const seed[ 32 ], uint8_t out[ DMG_PEER_RECORD_SZ_MAX ] ) {
  DMG_ASSERT( rec->seq && rec->addr_cnt<=DMG_PEER_RECORD_ADDRS );
  uint8_t payload[ PAYLOAD_MAX ], text[ PAYLOAD_MAX+64 ], key[ KEY_SZ ] = { 0x08, 0x01, 0x12, 0x20 }, sig[ 64 ];
  wr_t w = { payload, payload+sizeof payload };
  wr_field( &w, 1, rec->peer.b, rec->peer.sz );
  wr_uv( &w, 2<<3 );
  wr_uv( &w, rec->seq );
  for( uint32_t i = 0; i<rec->addr_cnt; i++ ) {
    uint8_t info[ DMG_MADDR_SZ_MAX+2 ];
    wr_t a = { info, info+sizeof info };
    wr_field( &a, 1, rec->addrs[ i ].b, rec->addrs[ i ].sz );
    wr_field( &w, 3, info, (size_t)( a.p-info ) );
  }
  dmg_span_t p = dmg_span( payload, (size_t)( w.p-payload ) );
  dmg_ed25519_public( seed, key+4 );
  dmg_ed25519_sign( seed, dmg_span( text, signed_bytes( p, text ) ), sig );
  w = (wr_t){ out, out+DMG_PEER_RECORD_SZ_MAX };
  wr_field( &w, 1, key, sizeof key );
  wr_field( &w, 2, type, sizeof type );
  wr_field( &w, 3, p.p, p.sz );
  wr_field( &w, 5, sig, sizeof sig );
  return (size_t)( w.p-out );
}

dmg_verdict_t dmg_peer_record_decode( dmg_span_t envelope, dmg_peer_record_t * out ) {
  if( envelope.sz>DMG_PEER_RECORD_SZ_MAX ) return dmg_verdict_bad( "record", "above 512 bytes", envelope.sz );
  rd_t r = { envelope.p, envelope.p+envelope.sz, false };
  dmg_span_t key = rd_field( &r, 1 ), kind = rd_field( &r, 2 ), payload = rd_field( &r, 3 ), sig = rd_field( &r, 5 );
  if( r.is_bad || r.p!=r.end )                                                          return dmg_verdict_bad( "record", "no signed envelope", (size_t)( r.p-envelope.p ) );
  static uint8_t const head[ 4 ] = { 0x08, 0x01, 0x12, 0x20 };
  if( key.sz!=KEY_SZ || memcmp( key.p, head, 4 ) || sig.sz!=64 )                        return dmg_verdict_bad( "record.key", "not of Ed25519", 0 );
  if( kind.sz!=sizeof type || memcmp( kind.p, type, sizeof type ) || payload.sz>PAYLOAD_MAX ) return dmg_verdict_bad( "record.type", "no peer record", 0 );
  dmg_peer_record_t rec = { 0 };
  rd_t p = { payload.p, payload.p+payload.sz, false };
  dmg_span_t peer = rd_field( &p, 1 );
  if( rd_uv( &p )!=2<<3 ) p.is_bad = true;
  rec.seq = rd_uv( &p );
  while( !p.is_bad && p.p!=p.end ) {
    dmg_span_t info = rd_field( &p, 3 );
    if( p.is_bad ) break;
    rd_t a = { info.p, info.p+info.sz, false };
    dmg_span_t addr = rd_field( &a, 1 );
    if( a.is_bad || a.p!=a.end ) p.is_bad = true;
    else if( rec.addr_cnt<DMG_PEER_RECORD_ADDRS && dmg_maddr_decode( addr, &rec.addrs[ rec.addr_cnt ] ) ) rec.addr_cnt++;
  }
  if( p.is_bad || !rec.seq )                                                            return dmg_verdict_bad( "record.payload", "malformed", 0 );
  dmg_wire_peer_of_key( key.p+4, &rec.peer );
  if( !dmg_span_eq( peer, dmg_span( rec.peer.b, rec.peer.sz ) ) )                       return dmg_verdict_bad( "record.peer", "signed by another", 0 );
  uint8_t text[ PAYLOAD_MAX+64 ];
  if( !dmg_ed25519_verify( key.p+4, dmg_span( text, signed_bytes( payload, text ) ), sig.p ) ) return dmg_verdict_bad( "record.sig", "does not verify", 0 );
  *out = rec;
  return dmg_verdict_good();
}
