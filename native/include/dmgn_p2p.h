/* p2p: libp2p links to other nodes, by rust-libp2p: TCP (Noise, yamux) and
   QUIC, identify, ping, gossipsub, and our own notify and request/response
   streams on a chosen connection.

      commands --> bounded queue --> thread "dmg-p2p" <--> sockets
      poll <-- urgent ring (class 1, links) <--'  |
      poll <-- common ring (all else) <-----------'    an eventfd each

      notify    opener: hello, frame, frame ..        uv length | bytes, each
                peer:   one byte, 0 accepts; ignored by nobody, waited for by nobody
      request   asker:  uv length | bytes, FIN        more than that resets the stream
                peer:   (code u8 | uv length | bytes)+, FIN       given up: one byte 2, FIN

   Memory    Bytes that go in are copied.  Bytes of an event live until its
             dmgn_p2p_release; a ring counts them until then.
   Threads   Commands from any thread.  poll of one ring: one thread at a
             time.  No callbacks: C never runs on the library's thread.
   Failure   Commands answer at once; what they lead to comes as events, and
             every request and every accepted notify_open has exactly one
             last event (REQ_END, NOTIFY_DOWN), every CONN_UP one CONN_DOWN,
             every accepted dial one CONN_UP or DIAL_FAILED.  A panic inside
             one connection ends it (CONN_DOWN, DMGN_WHY_PANIC); anywhere
             else on the thread it aborts the process.
   Order     Events of one stream come in order.  CONN_UP is the first event
             of its connection in either ring that is polled after the urgent
             one; events of streams may still come after CONN_DOWN.
   Bounds    Every number is a field of dmgn_p2p_cfg_t.  A ring that is full
             stops the streams that feed it from being read, until their
             window stops the sender; gossip is then IGNOREd, news that C can
             do without (IDENTIFIED, RTT, TOPIC_PEERS, SLOW_PEER, SELF_ADDR,
             REFUSED) is dropped and counted.  Last events always fit.
   Safety    Ed25519 peer ids only.  Frames above their limit, lengths not in
             shortest form, bytes after a request: the stream is reset, the
             second time in offence_ms the connection ends.  Streams or
             openings above a muxer's limit, its frames above 256 KiB and
             unread bytes above its window end the connection at once.
   Spec      docs/spec/network.md N2, N3, N4.2, N6, N7.
   Not here  Contents of frames, verdicts, whom to dial, dial back-off, bans,
             kad, mDNS, UPnP, WebSocket. */
#ifndef DMGN_P2P_H
#define DMGN_P2P_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dmgn_p2p dmgn_p2p_t;

typedef struct { uint8_t len, b[ 42 ]; } dmgn_peer_t;             /* a libp2p peer id, its multihash; len 0: none */
typedef struct { uint8_t const * p; size_t n; } dmgn_buf_t;

typedef enum {
  DMGN_P2P_OK      =  0,
  DMGN_P2P_FULL    = -1,   /* a queue is full, nothing was taken; class 4 and answers: ROOM tells when there is room again */
  DMGN_P2P_GONE    = -2,   /* no such connection or stream, or stopping */
  DMGN_P2P_TOO_BIG = -3,   /* above the frame's, request's or topic's limit */
  DMGN_P2P_ARG     = -4    /* an argument that can never be right */
} dmgn_p2p_rc_t;

/* ---- settings: nothing has a default; start says which field is wrong ---- */

typedef struct {
  char const * id;              /* "/dmg/<net8>/<name>/1" */
  uint8_t      cls;             /* 1 consensus 2 bodies 3 gossip 4 bulk: drop rule and priority, see notify_send */
  uint8_t      is_notify;
  uint8_t      in_max, out_max; /* streams of it on a connection that the peer, that we opened */
  uint32_t     frame_max;       /* bytes of a notify frame or of a chunk of an answer */
  uint32_t     request_max;     /* bytes of a request */
  uint32_t     queue_max;       /* bytes that wait on a stream each way, with 64 to 128 a frame */
  uint32_t     first_ms, next_ms; /* hello, request and first chunk; further chunks and a peer that does not read an answer */
  uint32_t     frames_per_s, frames_burst; /* inbound notify: above, frames wait unread; 0: no limit */
} dmgn_p2p_proto_t;

typedef struct { uint32_t streams, window, opens_per_s; } dmgn_p2p_mux_t;   /* window >= 256 KiB * streams */

typedef struct {
  uint32_t conns_max;           /* open and inbound handshakes */
  uint32_t in_max, out_max;     /* open ones of untagged peers, by who dialled */
  uint32_t peer_conns_max, vip_conns_max; /* of one peer; of one tagged validator, operator or sync */
  uint32_t pending_in_max, dials_max;     /* handshakes at once, inbound and ours (dial answers FULL) */
  uint32_t accepts_per_s, accepts_burst;  /* inbound; 0: no limit */
  uint32_t net_accepts_per_s, net_accepts_burst; /* of one IPv4 /24 or IPv6 /56; 0: no limit */
  uint32_t ip_conns_max, net_conns_max;   /* inbound of one IPv4 or IPv6 /64; of one /24 or /48; 0: no limit */
  dmgn_p2p_mux_t mux_in, mux_out, mux_vip; /* yamux: untagged inbound, untagged outbound, tagged */
  uint32_t quic_streams, quic_stream_bytes, quic_conn_bytes; /* quic_streams 0: no QUIC at all */
  uint32_t offence_ms;
  uint32_t handshake_ms, idle_ms, ping_ms, ping_misses;
  uint32_t commands_max;        /* commands queued */
  uint32_t command_bytes_max;   /* bytes of publish queued */
  uint32_t urgent_bytes, common_bytes, info_bytes, gossip_bytes; /* rings; of the common one for news, for gossip */
  uint32_t control_events_max;  /* link events C has not polled: above, nobody new is let in */
  uint64_t memory_max;          /* all that is counted: above, nothing is read */
  uint32_t pressure_low_pct, pressure_high_pct; /* of memory_max: PRESSURE each second */
  uint64_t process_memory_max;  /* resident bytes of the process: above, nobody new is let in; 0: no limit */
  uint64_t bulk_bytes_per_s;    /* of class 4, all connections together: above, it waits; 0: no limit */
} dmgn_p2p_limits_t;

typedef struct {
  dmgn_buf_t id_prefix;         /* message id: first 20 bytes of SHA-256( prefix | uv topic length | topic | data ) */
  uint32_t mesh_n, mesh_low, mesh_high, mesh_outbound_min, lazy;
  double   factor;
  uint32_t heartbeat_ms, history, history_gossip, fanout_ms, backoff_ms, unsubscribe_backoff_ms;
  uint32_t iwant_max, duplicates_ms, idontwant_min;
  uint32_t rpc_max, control_max, messages_max, subscriptions_max;  /* of one RPC: bytes, control bytes, messages, subscriptions */
  uint32_t peer_messages_per_s, peer_bytes_per_s;                  /* above: IGNOREd */
  uint32_t queue_len, publish_queue_ms, forward_queue_ms;
  uint32_t verdict_ms;          /* what C has not judged by then is IGNOREd */
  double   gossip_threshold, publish_threshold, graylist_threshold, px_threshold, graft_threshold;
  double   topic_cap, ip_weight, ip_threshold, behaviour_weight, behaviour_threshold, behaviour_decay;
  double   slow_weight, slow_threshold, slow_decay;
  uint32_t decay_ms, retain_ms;
  double   decay_to_zero;
} dmgn_p2p_gossip_t;

typedef struct {
  char const * name;
  uint32_t data_max;
  double   weight;
  double   mesh_time_weight, mesh_time_cap;          uint32_t mesh_time_quantum_ms;     /* P1 */
  double   first_weight, first_decay, first_cap;                                        /* P2 */
  double   mesh_weight, mesh_decay, mesh_cap, mesh_threshold; uint32_t mesh_window_ms, mesh_activation_ms;  /* P3 */
  double   mesh_failure_weight, mesh_failure_decay;                                     /* P3b */
  double   invalid_weight, invalid_decay;                                               /* P4 */
} dmgn_p2p_topic_t;

typedef struct {
  uint8_t seed[ 32 ];                     /* Ed25519 node identity */
  char const * agent, * version;          /* what identify says */
  char const * const * listen;            /* multiaddresses, "/ip4/0.0.0.0/tcp/7370" */
  size_t listen_cnt;
  dmgn_p2p_proto_t const * protos;        /* an event's proto is an index here */
  size_t proto_cnt;                       /* <= 64 */
  dmgn_p2p_limits_t limits;
  dmgn_p2p_gossip_t gossip;
} dmgn_p2p_cfg_t;

/* ---- events ---- */

typedef enum {                  /* U urgent ring, C common ring, P the ring of the protocol's class */
  DMGN_EV_LISTENING,            /* U addr; code 0 up, 1 down: data says why */
  DMGN_EV_CONN_UP,              /* U conn peer addr; code bit 0: they dialled, bit 1: QUIC, bit 2: made with a tagged peer's share (mux_vip), which it keeps */
  DMGN_EV_CONN_DOWN,            /* U conn peer; code DMGN_WHY_.. or that of dmgn_p2p_close; data: the cause */
  DMGN_EV_DIAL_FAILED,          /* U conn peer; data: the cause, "/ip4/192.0.2.1/tcp/1: no answer in time; .." where it is the addresses' */
  DMGN_EV_IDENTIFIED,           /* C conn peer; data: lines "agent ..", "version ..", "listen ..", "protocol ..", printable */
  DMGN_EV_RTT,                  /* C conn peer; id: microseconds of a ping */
  DMGN_EV_NOTIFY_UP,            /* P conn proto id peer; code 0 theirs: data is the hello, answer it; code 1 ours was accepted */
  DMGN_EV_NOTIFY,               /* P conn proto id peer data: a frame */
  DMGN_EV_NOTIFY_DOWN,          /* P conn proto id peer; code DMGN_END_.. */
  DMGN_EV_ROOM,                 /* C conn proto id peer: half of the queue is free again */
  DMGN_EV_REQ,                  /* P conn proto id peer data: a request; reply to id */
  DMGN_EV_CHUNK,                /* P conn proto id peer data; code: of the chunk */
  DMGN_EV_REQ_END,              /* P conn proto id peer; code DMGN_END_..; of requests both ways */
  DMGN_EV_GOSSIP,               /* C id peer data; addr: the topic; id wants a verdict */
  DMGN_EV_TOPIC_PEERS,          /* C peer; addr: the topic; code 1 joined, 0 left */
  DMGN_EV_SLOW_PEER,            /* C peer: its gossip queue overflowed */
  DMGN_EV_FOUND,                /* not in this version */
  DMGN_EV_SELF_ADDR,            /* C conn peer; addr: ours as they see it */
  DMGN_EV_REFUSED,              /* C addr, peer if known; code: which limit, data: in words; id: how many since the last (10 a second at most) */
  DMGN_EV_PRESSURE,             /* U code: percent reached, 0 below; id: bytes counted; conn: who holds most */
  DMGN_EV_STOPPED               /* U nothing comes after what both rings hold now */
} dmgn_p2p_kind_t;

enum {                          /* CONN_DOWN; from 256 on the codes of dmgn_p2p_close */
  DMGN_WHY_REMOTE = 0, DMGN_WHY_IO = 1, DMGN_WHY_IDLE = 2, DMGN_WHY_PING = 3, DMGN_WHY_LIMIT = 4,
  DMGN_WHY_BLOCKED = 5, DMGN_WHY_PANIC = 6, DMGN_WHY_STOP = 7, DMGN_WHY_APP = 256
};

enum {                          /* NOTIFY_DOWN, REQ_END */
  DMGN_END_OK = 0,              /* ended between frames; an answer: all of it, and its FIN */
  DMGN_END_GONE = 1,            /* the connection is */
  DMGN_END_RESET = 2, DMGN_END_TIMEOUT = 3, DMGN_END_TOO_BIG = 4, DMGN_END_PROTOCOL = 5, DMGN_END_UNSUPPORTED = 6,
  DMGN_END_LIMIT = 7,           /* our own out_max or the connection's streams */
  DMGN_END_CANCELLED = 8,       /* by dmgn_p2p_cancel */
  DMGN_END_REFUSED = 256        /* + the answer byte to a hello */
};

enum { DMGN_TAG_VALIDATOR = 1, DMGN_TAG_OPERATOR = 2, DMGN_TAG_SYNC = 4, DMGN_TAG_BLOCKED = 8 };
enum { DMGN_ACCEPT = 0, DMGN_IGNORE = 1, DMGN_REJECT = 2 };
enum { DMGN_TEXT_METRICS = 0, DMGN_TEXT_LOG = 1, DMGN_TEXT_SCORES = 2, DMGN_TEXT_MESH = 3 };

typedef struct {
  dmgn_p2p_kind_t kind;
  uint16_t        proto, code;
  uint32_t        conn;         /* never reused */
  uint64_t        id, t_us;     /* stream, request or message, never reused; monotonic microseconds of the event */
  dmgn_peer_t     peer;
  dmgn_buf_t      data, addr;
  void *          own;
} dmgn_p2p_ev_t;

/* dmgn_p2p_start: listen and serve.  NULL and a message in err (terminated,
   cut to err_sz) for a setting that is wrong or an address that cannot be
   listened on, as where somebody else does; cfg is copied.  LISTENING tells the addresses, ports chosen
   by the kernel among them. */
dmgn_p2p_t * dmgn_p2p_start( dmgn_p2p_cfg_t const * cfg, char * err, size_t err_sz );

/* dmgn_p2p_stop: take no more commands, close listeners, let class 1 leave
   for up to ms, close all connections, then STOPPED. */
dmgn_p2p_rc_t dmgn_p2p_stop( dmgn_p2p_t * p2p, uint32_t grace_ms );

/* dmgn_p2p_free: after STOPPED at once; before it, cuts everything.  Events
   not yet released stay valid.  NULL is fine. */
void dmgn_p2p_free( dmgn_p2p_t * p2p );

dmgn_peer_t dmgn_p2p_self( dmgn_p2p_t const * p2p );

/* A peer id from the 32 bytes of its key, and as text ("12D3Koo..") both
   ways; text: bytes written without the terminator, 0 if out_sz is too
   small; parse: 0 or DMGN_P2P_ARG. */
dmgn_peer_t   dmgn_peer_of_key( uint8_t const key[32] );
size_t        dmgn_peer_text ( dmgn_peer_t const * peer, char * out, size_t out_sz );
dmgn_p2p_rc_t dmgn_peer_parse( char const * name, dmgn_peer_t * out_peer );

/* Readable while the ring holds events. */
int dmgn_p2p_fd( dmgn_p2p_t const * p2p, int urgent );

/* dmgn_p2p_poll: up to max events, 0 if there are none; never waits.
   dmgn_p2p_release: once for each of them, empties it. */
size_t dmgn_p2p_poll( dmgn_p2p_t * p2p, int urgent, dmgn_p2p_ev_t * out_evs, size_t max );
void   dmgn_p2p_release( dmgn_p2p_ev_t * ev );

/* dmgn_p2p_text: metrics (Prometheus), the last 1,024 lines of the log,
   gossip scores and meshes.  Bytes of the whole text; out holds what fits,
   terminated.  Scores and meshes ask the library's thread for up to 1 s. */
size_t dmgn_p2p_text( dmgn_p2p_t * p2p, int what, char * out, size_t out_sz );

/* dmgn_p2p_dial: connect to a peer at these addresses (<= 16; QUIC first,
   TCP 250 ms later), other peers there are refused.  A bulk connection is
   dialled though others exist; otherwise only one dial of a peer is under
   way, a second is DIAL_FAILED. */
dmgn_p2p_rc_t dmgn_p2p_dial ( dmgn_p2p_t * p2p, dmgn_peer_t const * peer, char const * const * addrs, size_t addr_cnt,
                              int is_bulk, uint32_t * out_conn );
dmgn_p2p_rc_t dmgn_p2p_close( dmgn_p2p_t * p2p, uint32_t conn, uint16_t why );   /* why: DMGN_WHY_APP and above */

/* dmgn_p2p_tag: DMGN_TAG_.. together, 0 forgets the peer; BLOCKED closes its
   connections.  dmgn_p2p_pass: connections from this address skip the gate's
   rates and address limits (validators). */
dmgn_p2p_rc_t dmgn_p2p_tag ( dmgn_p2p_t * p2p, dmgn_peer_t const * peer, uint32_t tags );
dmgn_p2p_rc_t dmgn_p2p_pass( dmgn_p2p_t * p2p, char const * ip, int is_on );

/* dmgn_p2p_notify_open: open a stream and send hello; id may be sent to at
   once.  dmgn_p2p_notify_answer: to the hello of a NOTIFY_UP with code 0,
   once; 0 accepts, other codes end the stream. */
dmgn_p2p_rc_t dmgn_p2p_notify_open  ( dmgn_p2p_t * p2p, uint32_t conn, uint16_t proto, dmgn_buf_t hello, uint64_t * out_id );
dmgn_p2p_rc_t dmgn_p2p_notify_answer( dmgn_p2p_t * p2p, uint64_t id, uint8_t code );

/* dmgn_p2p_notify_send: queue a frame.  When queue_max is reached, class 1
   and 2 drop the lowest rank, among equals the oldest (FULL if that is this
   frame), class 3 the oldest, class 4 answers FULL.  key, if not 0: a frame
   with the same key that still waits is replaced.  Frames leave in the order
   of queueing; class 2 to 4 let class 1 of their connection pass every 16 KiB.
   dmgn_p2p_notify_drop: forget waiting frames below a rank. */
dmgn_p2p_rc_t dmgn_p2p_notify_send( dmgn_p2p_t * p2p, uint64_t id, uint64_t rank, uint32_t key, dmgn_buf_t frame );
dmgn_p2p_rc_t dmgn_p2p_notify_drop( dmgn_p2p_t * p2p, uint64_t id, uint64_t below_rank );

/* dmgn_p2p_request: ask; CHUNKs and one REQ_END follow, within deadline_ms.
   dmgn_p2p_reply: a chunk of an answer to a REQ, the last one ends it; an
   answer never loses a chunk, so FULL in every class: wait for ROOM.
   dmgn_p2p_cancel: reset a request, answer or notify stream; its last event
   follows. */
dmgn_p2p_rc_t dmgn_p2p_request( dmgn_p2p_t * p2p, uint32_t conn, uint16_t proto, dmgn_buf_t request, uint32_t deadline_ms, uint64_t * out_id );
dmgn_p2p_rc_t dmgn_p2p_reply  ( dmgn_p2p_t * p2p, uint64_t id, uint8_t code, dmgn_buf_t chunk, int is_last );
dmgn_p2p_rc_t dmgn_p2p_cancel ( dmgn_p2p_t * p2p, uint64_t id );

/* Gossip.  dmgn_p2p_verdict: once for each GOSSIP; ACCEPT forwards it.
   dmgn_p2p_score: the application's part (P5) of a connected peer's score. */
dmgn_p2p_rc_t dmgn_p2p_topic  ( dmgn_p2p_t * p2p, dmgn_p2p_topic_t const * topic, int join );
dmgn_p2p_rc_t dmgn_p2p_publish( dmgn_p2p_t * p2p, char const * topic, dmgn_buf_t data );
dmgn_p2p_rc_t dmgn_p2p_verdict( dmgn_p2p_t * p2p, uint64_t id, int verdict );
dmgn_p2p_rc_t dmgn_p2p_score  ( dmgn_p2p_t * p2p, dmgn_peer_t const * peer, double app );

#ifdef __cplusplus
}
#endif
#endif
