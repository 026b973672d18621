#include "network/port_libp2p.h"
#include "base/assert.h"

#include "dmgn_p2p.h"

#include <stdlib.h>

typedef struct { dmg_net_port_t port; dmgn_p2p_t * p2p; } libp2p_t;

/* The two headers say the same. */
_Static_assert( (int)DMG_NET_STOPPED==DMGN_EV_STOPPED && (int)DMG_NET_FOUND==DMGN_EV_FOUND && (int)DMG_NET_NOTIFY==DMGN_EV_NOTIFY, "kinds" );
_Static_assert( (int)DMG_NET_WHY_STOP==DMGN_WHY_STOP && (int)DMG_NET_WHY_APP==DMGN_WHY_APP, "reasons" );
_Static_assert( (int)DMG_NET_END_CANCELLED==DMGN_END_CANCELLED && (int)DMG_NET_END_REFUSED==DMGN_END_REFUSED, "ends" );
_Static_assert( (int)DMG_NET_TAG_BLOCKED==DMGN_TAG_BLOCKED && (int)DMG_NET_REJECT==DMGN_REJECT && (int)DMG_NET_TEXT_MESH==DMGN_TEXT_MESH, "tags, verdicts, texts" );
_Static_assert( sizeof( dmg_net_peer_t )==sizeof( dmgn_peer_t ) && sizeof( dmg_net_topic_t )==sizeof( dmgn_p2p_topic_t ), "layouts" );

static dmgn_p2p_t * host( dmg_net_port_t * port ) { return ( (libp2p_t *)port )->p2p; }

static dmg_err_t err_of( dmgn_p2p_rc_t rc ) {
  switch( rc ) {
  case DMGN_P2P_OK:      return DMG_OK;
  case DMGN_P2P_FULL:    return DMG_ERR_FULL;
  case DMGN_P2P_GONE:    return DMG_ERR_UNAVAILABLE;
  case DMGN_P2P_TOO_BIG: return DMG_ERR_LIMIT;
  case DMGN_P2P_ARG:     break;
  }
  DMG_ASSERT( rc==DMGN_P2P_ARG );
  return DMG_ERR_INVALID;
}

static dmgn_buf_t in( dmg_span_t span ) { return (dmgn_buf_t){ span.p, span.sz }; }

static dmgn_peer_t peer_in( dmg_net_peer_t const * peer ) {
  dmgn_peer_t out;
  memcpy( &out, peer, sizeof out );
  return out;
}

/* --- Events --- */

enum { POLL_MAX = 64 };

static size_t port_poll( dmg_net_port_t * port, bool is_urgent, dmg_net_ev_t * evs, size_t max ) {
  dmgn_p2p_ev_t raw[ POLL_MAX ];
  size_t n = dmgn_p2p_poll( host( port ), is_urgent, raw, max<POLL_MAX ? max : POLL_MAX );
  for( size_t i=0; i<n; i++ ) {
    dmgn_p2p_ev_t const * r = &raw[ i ];
    DMG_ASSERT( r->kind<=DMGN_EV_STOPPED );
    evs[ i ] = (dmg_net_ev_t){ .kind = (dmg_net_kind_t)r->kind, .proto = r->proto, .code = r->code, .conn = r->conn, .id = r->id, .t_us = r->t_us,
                               .data = { r->data.p, r->data.n }, .addr = { r->addr.p, r->addr.n }, .own = r->own };
    memcpy( &evs[ i ].peer, &r->peer, sizeof r->peer );
  }
  return n;
}

static void port_release( dmg_net_port_t * port, dmg_net_ev_t * ev ) {
  dmgn_p2p_ev_t raw = { .own = ev->own };
  dmgn_p2p_release( &raw );
  ev->own  = NULL;
  ev->data = ev->addr = (dmg_span_t){ 0 };
}

static int port_fd( dmg_net_port_t * port, bool is_urgent ) { return dmgn_p2p_fd( host( port ), is_urgent ); }

/* --- Commands --- */

static dmg_err_t port_dial( dmg_net_port_t * port, dmg_net_peer_t const * peer, char const * const * addrs, size_t addr_cnt, bool is_bulk, uint32_t * conn ) {
  dmgn_peer_t p = peer_in( peer );
  return err_of( dmgn_p2p_dial( host( port ), &p, addrs, addr_cnt, is_bulk, conn ) );
}
static dmg_err_t port_close( dmg_net_port_t * port, uint32_t conn, uint16_t why ) { return err_of( dmgn_p2p_close( host( port ), conn, why ) ); }
static dmg_err_t port_tag( dmg_net_port_t * port, dmg_net_peer_t const * peer, uint32_t tags ) {
  dmgn_peer_t p = peer_in( peer );
  return err_of( dmgn_p2p_tag( host( port ), &p, tags ) );
}
static dmg_err_t port_pass( dmg_net_port_t * port, char const * ip, bool is_on ) { return err_of( dmgn_p2p_pass( host( port ), ip, is_on ) ); }
static dmg_err_t port_notify_open( dmg_net_port_t * port, uint32_t conn, uint16_t proto, dmg_span_t hello, uint64_t * id ) {
  return err_of( dmgn_p2p_notify_open( host( port ), conn, proto, in( hello ), id ) );
}
static dmg_err_t port_notify_answer( dmg_net_port_t * port, uint64_t id, uint8_t code ) { return err_of( dmgn_p2p_notify_answer( host( port ), id, code ) ); }
static dmg_err_t port_notify_send( dmg_net_port_t * port, uint64_t id, uint64_t rank, uint32_t key, dmg_span_t frame ) {
  return err_of( dmgn_p2p_notify_send( host( port ), id, rank, key, in( frame ) ) );
}
static dmg_err_t port_notify_drop( dmg_net_port_t * port, uint64_t id, uint64_t below_rank ) { return err_of( dmgn_p2p_notify_drop( host( port ), id, below_rank ) ); }
static dmg_err_t port_request( dmg_net_port_t * port, uint32_t conn, uint16_t proto, dmg_span_t request, uint32_t deadline_ms, uint64_t * id ) {
  return err_of( dmgn_p2p_request( host( port ), conn, proto, in( request ), deadline_ms, id ) );
}
static dmg_err_t port_reply( dmg_net_port_t * port, uint64_t id, uint8_t code, dmg_span_t chunk, bool is_last ) {
  return err_of( dmgn_p2p_reply( host( port ), id, code, in( chunk ), is_last ) );
}
static dmg_err_t port_cancel( dmg_net_port_t * port, uint64_t id ) { return err_of( dmgn_p2p_cancel( host( port ), id ) ); }
static dmg_err_t port_topic( dmg_net_port_t * port, dmg_net_topic_t const * topic, bool is_join ) {
  dmgn_p2p_topic_t t = { .name = topic->name, .data_max = topic->data_max, .weight = topic->weight, .mesh_time_weight = topic->mesh_time_weight,
    .mesh_time_cap = topic->mesh_time_cap, .mesh_time_quantum_ms = topic->mesh_time_quantum_ms, .first_weight = topic->first_weight,
    .first_decay = topic->first_decay, .first_cap = topic->first_cap, .mesh_weight = topic->mesh_weight, .mesh_decay = topic->mesh_decay,
    .mesh_cap = topic->mesh_cap, .mesh_threshold = topic->mesh_threshold, .mesh_window_ms = topic->mesh_window_ms,
    .mesh_activation_ms = topic->mesh_activation_ms, .mesh_failure_weight = topic->mesh_failure_weight,
    .mesh_failure_decay = topic->mesh_failure_decay, .invalid_weight = topic->invalid_weight, .invalid_decay = topic->invalid_decay };
  return err_of( dmgn_p2p_topic( host( port ), &t, is_join ) );
}
static dmg_err_t port_publish( dmg_net_port_t * port, char const * topic, dmg_span_t data ) { return err_of( dmgn_p2p_publish( host( port ), topic, in( data ) ) ); }
static dmg_err_t port_verdict( dmg_net_port_t * port, uint64_t id, dmg_net_verdict_t verdict ) { return err_of( dmgn_p2p_verdict( host( port ), id, (int)verdict ) ); }
static dmg_err_t port_score( dmg_net_port_t * port, dmg_net_peer_t const * peer, double app ) {
  dmgn_peer_t p = peer_in( peer );
  return err_of( dmgn_p2p_score( host( port ), &p, app ) );
}

static dmg_err_t port_text( dmg_net_port_t * port, dmg_net_text_t what, dmg_buf_t * out ) {
  /* It may grow between the two calls: what then does not fit is cut. */
  size_t sz = dmgn_p2p_text( host( port ), (int)what, NULL, 0 )+1;
  char * text = malloc( sz );
  if( !text ) return DMG_ERR_NOMEM;
  size_t whole = dmgn_p2p_text( host( port ), (int)what, text, sz );
  dmg_err_t err = dmg_buf_append( out, text, whole<sz ? whole : sz-1 );
  free( text );
  return err;
}

static dmg_err_t port_stop( dmg_net_port_t * port, uint32_t ms ) { return err_of( dmgn_p2p_stop( host( port ), ms ) ); }
static void port_free( dmg_net_port_t * port ) {
  dmgn_p2p_free( host( port ) );
  free( port );
}

static dmg_net_port_vt_t const port_vt = {
  .name = "libp2p", .poll = port_poll, .release = port_release, .fd = port_fd, .dial = port_dial, .close = port_close, .tag = port_tag, .pass = port_pass,
  .notify_open = port_notify_open, .notify_answer = port_notify_answer, .notify_send = port_notify_send, .notify_drop = port_notify_drop,
  .request = port_request, .reply = port_reply, .cancel = port_cancel, .topic = port_topic, .publish = port_publish, .verdict = port_verdict,
  .score = port_score, .text = port_text, .stop = port_stop, .free = port_free,
};

/* --- Settings --- */

void dmg_libp2p_cfg_init( dmg_libp2p_cfg_t * out_cfg ) {
  *out_cfg = (dmg_libp2p_cfg_t){
    /* N6.1 */
    .conns_max = 800, .in_max = 192, .out_max = 48, .peer_conns_max = 2, .vip_conns_max = 3, .pending_in_max = 64, .dials_max = 16, .accepts_per_s = 300,
    /* N6.2 */
    .mux_in = { 16, 4<<20, 200 }, .mux_out = { 64, 16<<20, 200 }, .mux_vip = { 128, 32<<20, 400 },
    /* N3.1, N7.3 */
    .handshake_ms = 8000, .idle_ms = 60000, .ping_ms = 15000, .heartbeat_ms = 500, .verdict_ms = 5000,
    /* N2.7 */
    .memory_max = 512<<20,
  };
}

static dmgn_p2p_mux_t mux( dmg_libp2p_mux_t m ) { return (dmgn_p2p_mux_t){ .streams = m.streams, .window = m.window_sz, .opens_per_s = m.opens_per_s }; }

dmg_err_t dmg_libp2p_open( dmg_libp2p_cfg_t const * cfg, dmg_net_port_t ** out_port, char out_why[256] ) {
  out_why[ 0 ] = '\0';
  if( cfg->proto_cnt>DMG_NET_PROTOS_MAX ) return DMG_ERR_INVALID;
  dmgn_p2p_proto_t protos[ DMG_NET_PROTOS_MAX ];
  for( size_t i=0; i<cfg->proto_cnt; i++ ) {
    dmg_net_proto_t const * p = &cfg->protos[ i ];
    protos[ i ] = (dmgn_p2p_proto_t){ .id = p->id, .cls = (uint8_t)p->cls, .is_notify = p->is_notify, .in_max = p->in_max, .out_max = p->out_max,
      .frame_max = p->frame_max, .request_max = p->request_max, .queue_max = p->queue_max, .first_ms = p->first_ms, .next_ms = p->next_ms,
      .frames_per_s = p->frames_per_s, .frames_burst = p->frames_burst };
  }
  dmgn_p2p_cfg_t raw = {
    .agent = cfg->agent, .version = cfg->version, .listen = cfg->listen, .listen_cnt = cfg->listen_cnt, .protos = protos, .proto_cnt = cfg->proto_cnt,
    .limits = {
      .conns_max = cfg->conns_max, .in_max = cfg->in_max, .out_max = cfg->out_max, .peer_conns_max = cfg->peer_conns_max, .vip_conns_max = cfg->vip_conns_max,
      .pending_in_max = cfg->pending_in_max, .dials_max = cfg->dials_max,
      /* N6.1 gate */
      .accepts_per_s = cfg->accepts_per_s, .accepts_burst = cfg->accepts_per_s,
      .net_accepts_per_s = cfg->is_private ? 0 : 5, .net_accepts_burst = 20, .ip_conns_max = cfg->is_private ? 0 : 8, .net_conns_max = cfg->is_private ? 0 : 32,
      .mux_in = mux( cfg->mux_in ), .mux_out = mux( cfg->mux_out ), .mux_vip = mux( cfg->mux_vip ),
      /* N6.2 */
      .quic_streams = cfg->has_quic ? 64 : 0, .quic_stream_bytes = 2<<20, .quic_conn_bytes = 8<<20,
      .offence_ms = 60000, .handshake_ms = cfg->handshake_ms, .idle_ms = cfg->idle_ms, .ping_ms = cfg->ping_ms, .ping_misses = 2,
      /* N2.6 */
      .commands_max = 4096, .command_bytes_max = 16<<20, .urgent_bytes = 8<<20, .common_bytes = 32<<20, .info_bytes = 1<<20, .gossip_bytes = 8<<20,
      .control_events_max = 4096, .memory_max = cfg->memory_max, .pressure_low_pct = 75, .pressure_high_pct = 90, .process_memory_max = cfg->process_memory_max,
      .bulk_bytes_per_s = cfg->bulk_per_s,
    },
    .gossip = {
      .id_prefix = in( cfg->gossip_id_prefix ),
      /* N7.3 */
      .mesh_n = 8, .mesh_low = 6, .mesh_high = 12, .mesh_outbound_min = 3, .lazy = 6, .factor = 0.25, .heartbeat_ms = cfg->heartbeat_ms, .history = 12,
      .history_gossip = 6, .fanout_ms = 60000, .backoff_ms = 60000, .unsubscribe_backoff_ms = 10000, .iwant_max = 2000, .duplicates_ms = 120000, .idontwant_min = 1024,
      /* N6.1, N7.5 */
      .rpc_max = 256<<10, .control_max = 16<<10, .messages_max = 64, .subscriptions_max = 100, .peer_messages_per_s = 400, .peer_bytes_per_s = 4<<20,
      .queue_len = 48, .publish_queue_ms = 2000, .forward_queue_ms = 1000, .verdict_ms = cfg->verdict_ms,
      /* N7.4 */
      .gossip_threshold = -500, .publish_threshold = -1000, .graylist_threshold = -2500, .px_threshold = 1000, .graft_threshold = 3.5, .topic_cap = 500,
      .ip_weight = cfg->is_private ? 0 : -100, .ip_threshold = 5, .behaviour_weight = -10, .behaviour_threshold = 6, .behaviour_decay = 0.99872,
      .slow_weight = -2, .slow_threshold = 4, .slow_decay = 0.99872, .decay_ms = 1000, .retain_ms = 6*3600*1000, .decay_to_zero = 0.01,
    },
  };
  memcpy( raw.seed, cfg->seed, sizeof raw.seed );
  libp2p_t * self = malloc( sizeof *self );
  if( !self ) return DMG_ERR_NOMEM;
  dmgn_p2p_t * p2p = dmgn_p2p_start( &raw, out_why, 256 );
  if( !p2p ) {
    free( self );
    return DMG_ERR_INVALID;
  }
  *self = (libp2p_t){ .port = { .vt = &port_vt }, .p2p = p2p };
  dmgn_peer_t peer = dmgn_p2p_self( p2p );
  memcpy( &self->port.self, &peer, sizeof peer );
  *out_port = &self->port;
  return DMG_OK;
}

/* --- Peer ids --- */

dmg_err_t dmg_libp2p_peer_of_key( uint8_t const key[32], dmg_net_peer_t * out_peer ) {
  dmgn_peer_t peer = dmgn_peer_of_key( key );
  if( !peer.len ) return DMG_ERR_INVALID;
  memcpy( out_peer, &peer, sizeof peer );
  return DMG_OK;
}

dmg_err_t dmg_libp2p_peer_text( dmg_net_peer_t const * peer, char out_text[DMG_LIBP2P_TEXT_SZ] ) {
  dmgn_peer_t p = peer_in( peer );
  return dmgn_peer_text( &p, out_text, DMG_LIBP2P_TEXT_SZ ) ? DMG_OK : DMG_ERR_INVALID;
}

dmg_err_t dmg_libp2p_peer_parse( char const * text, dmg_net_peer_t * out_peer ) {
  dmgn_peer_t peer;
  DMG_TRY( err_of( dmgn_peer_parse( text, &peer ) ) );
  memcpy( out_peer, &peer, sizeof peer );
  return DMG_OK;
}
