/* port_libp2p: the port on real sockets, by native/p2p, and the limits the node runs it with.

     dmg_libp2p_cfg_t --> dmg_libp2p_open --> dmg_net_port_t

   Memory   everything the library counts is below memory_max (N2.7)
   Threads  its own one inside; the port is used by one thread
   Failure  open: INVALID with out_why for a setting or address that is wrong; NOMEM
   Bounds   N6.1, N7.3, N7.5: the numbers stand in dmg_libp2p_cfg_init
   Spec     docs/spec/network.md N2, N3, N6, N7 */
#ifndef DMG_NETWORK_PORT_LIBP2P_H
#define DMG_NETWORK_PORT_LIBP2P_H

#include "network/net_port.h"

typedef struct { uint32_t streams, window_sz, opens_per_s; } dmg_libp2p_mux_t;

typedef struct {
  uint8_t                 seed[ 32 ];       /* Ed25519 node identity (N5.7) */
  char const *            agent;            /* "demiurge/0.1.0" */
  char const *            version;          /* "/dmg/<net8>/1" */
  char const * const *    listen;           /* multiaddresses */
  size_t                  listen_cnt;
  dmg_net_proto_t const * protos;
  size_t                  proto_cnt;        /* up to DMG_NET_PROTOS_MAX */
  dmg_span_t              gossip_id_prefix; /* N7.2: SHA-256 of the tag, twice */
  bool                    is_private;       /* N10.1 net.private: no limits by address */
  bool                    has_quic;         /* N1.3 */
  /* Set by dmg_libp2p_cfg_init, to be changed by who knows why. */
  uint32_t                conns_max, in_max, out_max, peer_conns_max, vip_conns_max, pending_in_max, dials_max, accepts_per_s;
  dmg_libp2p_mux_t        mux_in, mux_out, mux_vip;
  uint32_t                handshake_ms, idle_ms, ping_ms, heartbeat_ms, verdict_ms;
  uint64_t                memory_max, process_memory_max;
  uint64_t                bulk_per_s;       /* bytes of class 4 that are sent in a second, all peers together (N2.3); 0: no limit */
} dmg_libp2p_cfg_t;

/* All zero but the numbers of the design. */
void dmg_libp2p_cfg_init( dmg_libp2p_cfg_t * out_cfg );

/* cfg is copied.  LISTENING tells the addresses. */
DMG_MUST_USE dmg_err_t dmg_libp2p_open( dmg_libp2p_cfg_t const * cfg, dmg_net_port_t ** out_port, char out_why[256] );

/* A peer id of an Ed25519 key; as text both ways ("12D3Koo..", DMG_LIBP2P_TEXT_SZ with the final zero).  INVALID: not
   one. */
enum { DMG_LIBP2P_TEXT_SZ = 64 };
DMG_MUST_USE dmg_err_t dmg_libp2p_peer_of_key( uint8_t const key[32], dmg_net_peer_t * out_peer );
DMG_MUST_USE dmg_err_t dmg_libp2p_peer_text( dmg_net_peer_t const * peer, char out_text[DMG_LIBP2P_TEXT_SZ] );
DMG_MUST_USE dmg_err_t dmg_libp2p_peer_parse( char const * text, dmg_net_peer_t * out_peer );

#endif
