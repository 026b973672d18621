/* peer_record: where a peer listens, signed by itself: libp2p's peer record in its signed envelope (RFC 0002, 0003), under the domain that go and js know.

     envelope   1: key { 1: 1 Ed25519, 2: key[32] }   2: type 0x0301   3: record   5: sig[64] over ( uv 18 | "libp2p-peer-record" | uv 2 | 0x0301 | uv n | record )
     record     1: peer id[38]   2: seq, higher is newer   3*: { 1: multiaddress }

   Fields stand in this order and once; what libp2p implementations write.  Addresses of kinds we do not know (maddr.h) are skipped.

   Memory    flat values
   Failure   verdicts; a record that is not signed by the peer it names is BAD
   Bounds    DMG_PEER_RECORD_SZ_MAX bytes, DMG_PEER_RECORD_ADDRS addresses kept
   Spec      docs/spec/network.md N9.1 */
#ifndef DMG_NETWORK_PEER_RECORD_H
#define DMG_NETWORK_PEER_RECORD_H

#include "base/verdict.h"
#include "network/maddr.h"
#include "network/net_port.h"

enum { DMG_PEER_RECORD_SZ_MAX = 512, DMG_PEER_RECORD_ADDRS = 4 };

typedef struct { dmg_net_peer_t peer; uint64_t seq; uint32_t addr_cnt; dmg_maddr_t addrs[ DMG_PEER_RECORD_ADDRS ]; } dmg_peer_record_t;

/* peer is that of the seed; seq not 0.  Bytes written. */
size_t        dmg_peer_record_sign  ( dmg_peer_record_t const * record, uint8_t const seed[ 32 ], uint8_t out[ DMG_PEER_RECORD_SZ_MAX ] );
dmg_verdict_t dmg_peer_record_decode( dmg_span_t envelope, dmg_peer_record_t * out );

#endif
