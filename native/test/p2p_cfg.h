/* p2p_cfg: settings for tests and benchmarks of dmgn_p2p.h, with the defaults of the design's network page (N2.1, N6.1, N7). */
#ifndef P2P_CFG_H
#define P2P_CFG_H

#include "dmgn_p2p.h"

#include <string.h>

enum { P_CONS, P_BODY, P_TX, P_BULK, P_STATUS, P_FETCH, P_CNT };

static dmgn_p2p_proto_t const p2p_protos[ P_CNT ] = {
  [ P_CONS ]   = { .id = "/dmg/00000000/cons/1",   .cls = 1, .is_notify = 1, .in_max = 2, .out_max = 2, .frame_max = 64<<10, .queue_max = 512<<10, .first_ms = 5000, .next_ms = 10000 },
  [ P_BODY ]   = { .id = "/dmg/00000000/body/1",   .cls = 2, .is_notify = 1, .in_max = 2, .out_max = 2, .frame_max = 1<<20, .queue_max = 4<<20, .first_ms = 5000, .next_ms = 10000 },
  [ P_TX ]     = { .id = "/dmg/00000000/txfwd/1",  .cls = 3, .is_notify = 1, .in_max = 2, .out_max = 2, .frame_max = 65<<10, .queue_max = 256<<10, .first_ms = 5000, .next_ms = 10000 },
  [ P_BULK ]   = { .id = "/dmg/00000000/bulk/1",   .cls = 4, .is_notify = 1, .in_max = 2, .out_max = 2, .frame_max = 256<<10, .queue_max = 1<<20, .first_ms = 5000, .next_ms = 10000 },
  [ P_STATUS ] = { .id = "/dmg/00000000/status/1", .cls = 1, .in_max = 2, .out_max = 2, .frame_max = 65<<10, .request_max = 65<<10, .queue_max = 512<<10, .first_ms = 5000, .next_ms = 10000 },
  [ P_FETCH ]  = { .id = "/dmg/00000000/bodies/1", .cls = 4, .in_max = 2, .out_max = 2, .frame_max = 1<<20, .request_max = 65<<10, .queue_max = 2<<20, .first_ms = 5000, .next_ms = 10000 },
};

static inline void p2p_cfg_init( dmgn_p2p_cfg_t * cfg, uint8_t seed, char const * const * listen, size_t listen_cnt ) {
  memset( cfg, 0, sizeof *cfg );
  memset( cfg->seed, seed, sizeof cfg->seed );
  cfg->agent      = "dmg-test";
  cfg->version    = "/dmg/00000000/1";
  cfg->listen     = listen;
  cfg->listen_cnt = listen_cnt;
  cfg->protos     = p2p_protos;
  cfg->proto_cnt  = P_CNT;
  cfg->limits     = (dmgn_p2p_limits_t){
    .conns_max = 800, .in_max = 192, .out_max = 48, .peer_conns_max = 2, .vip_conns_max = 3, .pending_in_max = 64, .dials_max = 16,
    .accepts_per_s = 300, .accepts_burst = 300,
    .mux_in = { 16, 4<<20, 200 }, .mux_out = { 64, 16<<20, 200 }, .mux_vip = { 128, 32<<20, 400 },
    .quic_streams = 64, .quic_stream_bytes = 2<<20, .quic_conn_bytes = 8<<20,
    .offence_ms = 60000, .handshake_ms = 8000, .idle_ms = 60000, .ping_ms = 15000, .ping_misses = 2,
    .commands_max = 4096, .command_bytes_max = 16<<20, .urgent_bytes = 8<<20, .common_bytes = 32<<20, .info_bytes = 1<<20, .gossip_bytes = 4<<20,
    .control_events_max = 4096, .memory_max = 512<<20, .pressure_low_pct = 75, .pressure_high_pct = 90,
  };
  cfg->gossip = (dmgn_p2p_gossip_t){
    .id_prefix = { (uint8_t const *)"prefix", 6 }, .mesh_n = 8, .mesh_low = 6, .mesh_high = 12, .mesh_outbound_min = 3, .lazy = 6, .factor = 0.25,
    .heartbeat_ms = 500, .history = 12, .history_gossip = 6, .fanout_ms = 60000, .backoff_ms = 60000, .unsubscribe_backoff_ms = 10000,
    .iwant_max = 2000, .duplicates_ms = 120000, .idontwant_min = 1024, .rpc_max = 256<<10, .control_max = 16<<10, .messages_max = 64,
    .subscriptions_max = 100, .peer_messages_per_s = 400, .peer_bytes_per_s = 4<<20, .queue_len = 48, .publish_queue_ms = 2000,
    .forward_queue_ms = 1000, .verdict_ms = 5000,
    .gossip_threshold = -500, .publish_threshold = -1000, .graylist_threshold = -2500, .px_threshold = 1000, .graft_threshold = 3.5,
    .topic_cap = 500, .ip_weight = -100, .ip_threshold = 5, .behaviour_weight = -10, .behaviour_threshold = 6, .behaviour_decay = 0.999,
    .slow_weight = -2, .slow_threshold = 4, .slow_decay = 0.2, .decay_ms = 1000, .retain_ms = 6*3600*1000, .decay_to_zero = 0.01,
  };
}

static inline dmgn_p2p_topic_t p2p_topic( char const * name, uint32_t data_max ) {
  return (dmgn_p2p_topic_t){ .name = name, .data_max = data_max, .weight = 0.5, .mesh_time_weight = 1.0/3600, .mesh_time_cap = 3600, .mesh_time_quantum_ms = 1000,
                             .first_weight = 5, .first_decay = 0.999, .first_cap = 100, .mesh_decay = 0.5, .mesh_cap = 10, .mesh_threshold = 1, .mesh_window_ms = 10,
                             .mesh_activation_ms = 1000, .mesh_failure_decay = 0.5, .invalid_weight = -1000, .invalid_decay = 0.999 };
}

#endif
