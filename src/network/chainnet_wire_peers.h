/* chainnet_wire_peers: what peers tell of themselves and of others (N9.1), byte by byte.

     peerinfo/1  request empty; answer, one chunk:
                 agent str<=64 | roles u16 | snapshots list<=4 { height u64, root[32], parts u32, bytes u64 } | rpc list<=4 of str<=128
                 | records list<=16 of bytes<=512 (peer_record.h) | bindings list<=128 of bytes<=1024

   There are no snapshots and no bindings yet: encoders write none, decoders skip them.

   Memory    spans into the input; encoders write into caller memory
   Failure   verdicts; records are not looked into
   Spec      docs/spec/network.md N9.1 */
#ifndef DMG_NETWORK_CHAINNET_WIRE_PEERS_H
#define DMG_NETWORK_CHAINNET_WIRE_PEERS_H

#include "network/peer_record.h"

enum { DMG_WIRE_AGENT_MAX = 64, DMG_WIRE_SNAPSHOTS_MAX = 4, DMG_WIRE_RPC_MAX = 4, DMG_WIRE_RPC_SZ_MAX = 128, DMG_WIRE_RECORDS_MAX = 16, DMG_WIRE_BINDINGS_MAX = 128, DMG_WIRE_BINDING_SZ_MAX = 1024,
       DMG_WIRE_PEERINFO_SZ_MAX = 144<<10 };

typedef struct {
  dmg_span_t agent; uint16_t roles;
  dmg_span_t rpc[ DMG_WIRE_RPC_MAX ]; uint32_t rpc_cnt;
  dmg_span_t records[ DMG_WIRE_RECORDS_MAX ]; uint32_t record_cnt;
} dmg_wire_peerinfo_t;

/* Bytes written; out has room for DMG_WIRE_PEERINFO_SENT_MAX. */
enum { DMG_WIRE_PEERINFO_SENT_MAX = 1+DMG_WIRE_AGENT_MAX+2+1+1+DMG_WIRE_RPC_MAX*( 2+DMG_WIRE_RPC_SZ_MAX )+1+DMG_WIRE_RECORDS_MAX*( 2+DMG_PEER_RECORD_SZ_MAX )+1 };
size_t        dmg_wire_peerinfo_encode( dmg_wire_peerinfo_t const * info, uint8_t out[ DMG_WIRE_PEERINFO_SENT_MAX ] );
dmg_verdict_t dmg_wire_peerinfo_decode( dmg_span_t bytes, dmg_wire_peerinfo_t * out );

#endif
