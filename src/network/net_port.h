/* net_port: the network as the chain's protocols see it, one function table (N1.1).

     cons, sync, gossip .. --> commands --> dmg_net_port_t --> port_libp2p.c  sockets
              ^                                  |        `--> tests/sim      links of a simulator
              `-------- events <-- poll ---------'

     notify    a one-way stream: hello, answered by one byte (0 accepts; nobody waits for it), frames
     request   one question, an answer of chunks {code, bytes}
     gossip    a topic's messages; each event wants one verdict

   Memory   bytes that go in are copied; bytes of an event live until dmg_net_release
   Threads  one thread, the network's
   Failure  commands answer at once: FULL a queue is full (nothing was taken), UNAVAILABLE no such connection or
            stream or the port is stopping, LIMIT above a protocol's or topic's size, INVALID never right.  What they
            lead to comes as events: a dial has one CONN_UP or DIAL_FAILED, a CONN_UP one CONN_DOWN, an accepted
            notify_open one NOTIFY_DOWN, a request one REQ_END, a REQ one REQ_END; also after CONN_DOWN
   Order    events of one stream are in order; urgent ones (links, class 1) are polled first
   Bounds   set by who opens the port; ids and connections are never reused
   Spec     docs/spec/network.md N2, N4.2, N7 */
#ifndef DMG_NETWORK_NET_PORT_H
#define DMG_NETWORK_NET_PORT_H

#include "base/bytes.h"

enum {
  DMG_NET_PROTOS_MAX = 64,
  DMG_NET_ADDRS_MAX  = 16,   /* of one dial */
  DMG_NET_PEER_SZ    = 42
};

/* A libp2p peer id: its multihash; sz 0: none.  38 bytes for an Ed25519 key. */
typedef struct { uint8_t sz, b[ DMG_NET_PEER_SZ ]; } dmg_net_peer_t;

/* N2.1: priority, and what goes when the queue of a stream is full. */
typedef enum { DMG_NET_CLS_CONSENSUS = 1, DMG_NET_CLS_BODIES = 2, DMG_NET_CLS_GOSSIP = 3, DMG_NET_CLS_BULK = 4 } dmg_net_class_t;

typedef struct {
  char const *    id;                    /* "/dmg/<net8>/<name>/1" */
  dmg_net_class_t cls;
  bool            is_notify;
  uint8_t         in_max, out_max;       /* streams of it on a connection that the peer, that we opened */
  uint32_t        frame_max;             /* bytes of a frame or chunk */
  uint32_t        request_max;           /* bytes of a request */
  uint32_t        queue_max;             /* bytes waiting on a stream each way */
  uint32_t        first_ms, next_ms;     /* hello, request, first chunk; next chunk */
  uint32_t        frames_per_s, frames_burst; /* inbound notify: above, frames wait unread; 0: no limit */
} dmg_net_proto_t;

#define DMG_NET_EV_TABLE( X ) \
  X( LISTENING )   /* addr; code 0 up, 1 down: data says why */ \
  X( CONN_UP )     /* conn peer addr; code bit 0: they dialled, bit 1: QUIC, bit 2: made with the share of a tagged peer, which it keeps */ \
  X( CONN_DOWN )   /* conn peer; code dmg_net_why_t or that of dmg_net_close */ \
  X( DIAL_FAILED ) /* conn peer; data: the cause, "/ip4/192.0.2.1/tcp/1: no answer in time; .." where it is the addresses' */ \
  X( IDENTIFIED )  /* conn peer; data: lines "agent ..", "version ..", "listen ..", "protocol .." */ \
  X( RTT )         /* conn peer; id: microseconds */ \
  X( NOTIFY_UP )   /* conn proto id peer; code 0 theirs: data is the hello, answer it; code 1 ours was accepted */ \
  X( NOTIFY )      /* conn proto id peer data */ \
  X( NOTIFY_DOWN ) /* conn proto id peer; code dmg_net_end_t */ \
  X( ROOM )        /* conn proto id peer: after FULL, half of the queue is free */ \
  X( REQ )         /* conn proto id peer data: reply to id */ \
  X( CHUNK )       /* conn proto id peer data; code: of the chunk */ \
  X( REQ_END )     /* conn proto id peer; code dmg_net_end_t */ \
  X( GOSSIP )      /* id peer data; addr: the topic; id wants a verdict */ \
  X( TOPIC_PEERS ) /* peer; addr: the topic; code 1 joined, 0 left; of a peer whose last connection ended nothing is told */ \
  X( SLOW_PEER )   /* peer */ \
  X( FOUND )       /* peer addr: discovery */ \
  X( SELF_ADDR )   /* conn peer; addr: ours as they see it */ \
  X( REFUSED )     /* addr; code: which limit, data: in words; id: how many since the last */ \
  X( PRESSURE )    /* code: percent of memory, 0 below; id: bytes; conn: who holds most */ \
  X( STOPPED )     /* the last one, but for what is waiting */

typedef enum {
#define DMG_NET_EV_ENUM( name ) DMG_NET_##name,
  DMG_NET_EV_TABLE( DMG_NET_EV_ENUM )
#undef DMG_NET_EV_ENUM
  DMG_NET_EV_CNT
} dmg_net_kind_t;

/* Why a connection went down; from DMG_NET_WHY_APP on: as said to dmg_net_close. */
typedef enum {
  DMG_NET_WHY_REMOTE = 0, DMG_NET_WHY_IO = 1, DMG_NET_WHY_IDLE = 2, DMG_NET_WHY_PING = 3, DMG_NET_WHY_LIMIT = 4,
  DMG_NET_WHY_BLOCKED = 5, DMG_NET_WHY_PANIC = 6, DMG_NET_WHY_STOP = 7, DMG_NET_WHY_APP = 256
} dmg_net_why_t;

/* How a stream ended.  An answer that QUIC carried may look whole though it was cut between two chunks: its contents
   must tell. */
typedef enum {
  DMG_NET_END_OK = 0, DMG_NET_END_GONE = 1, DMG_NET_END_RESET = 2, DMG_NET_END_TIMEOUT = 3, DMG_NET_END_TOO_BIG = 4,
  DMG_NET_END_PROTOCOL = 5, DMG_NET_END_UNSUPPORTED = 6, DMG_NET_END_LIMIT = 7, DMG_NET_END_CANCELLED = 8,
  DMG_NET_END_REFUSED = 256       /* + the answer to our hello */
} dmg_net_end_t;

enum { DMG_NET_TAG_VALIDATOR = 1, DMG_NET_TAG_OPERATOR = 2, DMG_NET_TAG_SYNC = 4, DMG_NET_TAG_BLOCKED = 8 };

/* N1.4: REJECT needs proof that the sender is at fault. */
typedef enum { DMG_NET_ACCEPT = 0, DMG_NET_IGNORE = 1, DMG_NET_REJECT = 2 } dmg_net_verdict_t;

typedef enum { DMG_NET_TEXT_METRICS = 0, DMG_NET_TEXT_LOG = 1, DMG_NET_TEXT_SCORES = 2, DMG_NET_TEXT_MESH = 3 } dmg_net_text_t;

typedef struct {
  dmg_net_kind_t kind;
  uint16_t       proto;      /* index among the protocols the port was opened with */
  uint16_t       code;
  uint32_t       conn;
  uint64_t       id;         /* stream, request or message */
  uint64_t       t_us;       /* monotonic time of the event */
  dmg_net_peer_t peer;
  dmg_span_t     data, addr;
  void *         own;        /* the port's */
} dmg_net_ev_t;

/* N7.4: a topic's part in a peer's score. */
typedef struct {
  char const * name;
  uint32_t     data_max;
  double       weight;
  double       mesh_time_weight, mesh_time_cap;                      uint32_t mesh_time_quantum_ms;                    /* P1 */
  double       first_weight, first_decay, first_cap;                                                                   /* P2 */
  double       mesh_weight, mesh_decay, mesh_cap, mesh_threshold;    uint32_t mesh_window_ms, mesh_activation_ms;      /* P3 */
  double       mesh_failure_weight, mesh_failure_decay;                                                                /* P3b */
  double       invalid_weight, invalid_decay;                                                                          /* P4 */
} dmg_net_topic_t;

typedef struct dmg_net_port dmg_net_port_t;

typedef struct {
  char const * name;
  size_t    (*poll)         ( dmg_net_port_t *, bool is_urgent, dmg_net_ev_t * evs, size_t max );
  void      (*release)      ( dmg_net_port_t *, dmg_net_ev_t * );
  int       (*fd)           ( dmg_net_port_t *, bool is_urgent );
  dmg_err_t (*dial)         ( dmg_net_port_t *, dmg_net_peer_t const *, char const * const * addrs, size_t addr_cnt, bool is_bulk, uint32_t * conn );
  dmg_err_t (*close)        ( dmg_net_port_t *, uint32_t conn, uint16_t why );
  dmg_err_t (*tag)          ( dmg_net_port_t *, dmg_net_peer_t const *, uint32_t tags );
  dmg_err_t (*pass)         ( dmg_net_port_t *, char const * ip, bool is_on );
  dmg_err_t (*notify_open)  ( dmg_net_port_t *, uint32_t conn, uint16_t proto, dmg_span_t hello, uint64_t * id );
  dmg_err_t (*notify_answer)( dmg_net_port_t *, uint64_t id, uint8_t code );
  dmg_err_t (*notify_send)  ( dmg_net_port_t *, uint64_t id, uint64_t rank, uint32_t key, dmg_span_t frame );
  dmg_err_t (*notify_drop)  ( dmg_net_port_t *, uint64_t id, uint64_t below_rank );
  dmg_err_t (*request)      ( dmg_net_port_t *, uint32_t conn, uint16_t proto, dmg_span_t request, uint32_t deadline_ms, uint64_t * id );
  dmg_err_t (*reply)        ( dmg_net_port_t *, uint64_t id, uint8_t code, dmg_span_t chunk, bool is_last );
  dmg_err_t (*cancel)       ( dmg_net_port_t *, uint64_t id );
  dmg_err_t (*topic)        ( dmg_net_port_t *, dmg_net_topic_t const *, bool is_join );
  dmg_err_t (*publish)      ( dmg_net_port_t *, char const * topic, dmg_span_t data );
  dmg_err_t (*verdict)      ( dmg_net_port_t *, uint64_t id, dmg_net_verdict_t );
  dmg_err_t (*score)        ( dmg_net_port_t *, dmg_net_peer_t const *, double app );
  dmg_err_t (*text)         ( dmg_net_port_t *, dmg_net_text_t, dmg_buf_t * );
  dmg_err_t (*stop)         ( dmg_net_port_t *, uint32_t ms );
  void      (*free)         ( dmg_net_port_t * );
} dmg_net_port_vt_t;

/* First member of every port's own struct. */
struct dmg_net_port { dmg_net_port_vt_t const * vt; dmg_net_peer_t self; };

/* "CONN_UP", .. */
char const * dmg_net_kind_name( dmg_net_kind_t kind );

/* Up to max events, 0 if none; never waits.  Release each of them once; a released one is empty and may be released again. */
static inline size_t dmg_net_poll( dmg_net_port_t * port, bool is_urgent, dmg_net_ev_t * out_evs, size_t max ) { return port->vt->poll( port, is_urgent, out_evs, max ); }
static inline void   dmg_net_release( dmg_net_port_t * port, dmg_net_ev_t * ev ) { port->vt->release( port, ev ); }
/* A descriptor that is readable while events wait; -1: the port has none (its clock is the caller's). */
static inline int    dmg_net_fd( dmg_net_port_t * port, bool is_urgent ) { return port->vt->fd( port, is_urgent ); }

/* Connect to a peer at one of these multiaddresses; a bulk connection though others exist (N2.3). */
DMG_MUST_USE static inline dmg_err_t dmg_net_dial( dmg_net_port_t * port, dmg_net_peer_t const * peer, char const * const * addrs, size_t addr_cnt,
                                                   bool is_bulk, uint32_t * out_conn ) { return port->vt->dial( port, peer, addrs, addr_cnt, is_bulk, out_conn ); }
DMG_MUST_USE static inline dmg_err_t dmg_net_close( dmg_net_port_t * port, uint32_t conn, uint16_t why ) { return port->vt->close( port, conn, why ); }
/* DMG_NET_TAG_.. together; 0 forgets the peer, BLOCKED closes its connections. */
DMG_MUST_USE static inline dmg_err_t dmg_net_tag( dmg_net_port_t * port, dmg_net_peer_t const * peer, uint32_t tags ) { return port->vt->tag( port, peer, tags ); }
/* Connections from this address skip rates and address limits (validators). */
DMG_MUST_USE static inline dmg_err_t dmg_net_pass( dmg_net_port_t * port, char const * ip, bool is_on ) { return port->vt->pass( port, ip, is_on ); }

/* Open a stream; it may be sent to at once.  The other side answers the hello of its NOTIFY_UP, once. */
DMG_MUST_USE static inline dmg_err_t dmg_net_notify_open( dmg_net_port_t * port, uint32_t conn, uint16_t proto, dmg_span_t hello, uint64_t * out_id ) {
  return port->vt->notify_open( port, conn, proto, hello, out_id );
}
DMG_MUST_USE static inline dmg_err_t dmg_net_notify_answer( dmg_net_port_t * port, uint64_t id, uint8_t code ) { return port->vt->notify_answer( port, id, code ); }
/* N2.1: a full queue drops the lowest rank, then the oldest (FULL: that was this frame); class 3 the oldest; class 4 says
   FULL.  key not 0: replaces a waiting frame of that key.  notify_drop: forget waiting frames below a rank. */
DMG_MUST_USE static inline dmg_err_t dmg_net_notify_send( dmg_net_port_t * port, uint64_t id, uint64_t rank, uint32_t key, dmg_span_t frame ) {
  return port->vt->notify_send( port, id, rank, key, frame );
}
DMG_MUST_USE static inline dmg_err_t dmg_net_notify_drop( dmg_net_port_t * port, uint64_t id, uint64_t below_rank ) { return port->vt->notify_drop( port, id, below_rank ); }

/* Ask; reply with chunks, FULL: wait for ROOM; cancel any stream. */
DMG_MUST_USE static inline dmg_err_t dmg_net_request( dmg_net_port_t * port, uint32_t conn, uint16_t proto, dmg_span_t request, uint32_t deadline_ms, uint64_t * out_id ) {
  return port->vt->request( port, conn, proto, request, deadline_ms, out_id );
}
DMG_MUST_USE static inline dmg_err_t dmg_net_reply ( dmg_net_port_t * port, uint64_t id, uint8_t code, dmg_span_t chunk, bool is_last ) { return port->vt->reply( port, id, code, chunk, is_last ); }
DMG_MUST_USE static inline dmg_err_t dmg_net_cancel( dmg_net_port_t * port, uint64_t id ) { return port->vt->cancel( port, id ); }

/* Join or leave a topic; publish; judge a GOSSIP, once; the application's part of a connected peer's score. */
DMG_MUST_USE static inline dmg_err_t dmg_net_topic  ( dmg_net_port_t * port, dmg_net_topic_t const * topic, bool is_join ) { return port->vt->topic( port, topic, is_join ); }
DMG_MUST_USE static inline dmg_err_t dmg_net_publish( dmg_net_port_t * port, char const * topic, dmg_span_t data ) { return port->vt->publish( port, topic, data ); }
DMG_MUST_USE static inline dmg_err_t dmg_net_verdict( dmg_net_port_t * port, uint64_t id, dmg_net_verdict_t verdict ) { return port->vt->verdict( port, id, verdict ); }
DMG_MUST_USE static inline dmg_err_t dmg_net_score  ( dmg_net_port_t * port, dmg_net_peer_t const * peer, double app ) { return port->vt->score( port, peer, app ); }

/* Appends metrics (Prometheus), log, scores or meshes. */
DMG_MUST_USE static inline dmg_err_t dmg_net_text( dmg_net_port_t * port, dmg_net_text_t what, dmg_buf_t * out ) { return port->vt->text( port, what, out ); }
/* No more commands; class 1 leaves for up to ms, connections close, STOPPED. */
DMG_MUST_USE static inline dmg_err_t dmg_net_stop( dmg_net_port_t * port, uint32_t ms ) { return port->vt->stop( port, ms ); }
/* After STOPPED at once, before it cuts everything.  NULL: nothing. */
static inline void dmg_net_free( dmg_net_port_t * port ) { if( port ) port->vt->free( port ); }

#endif
