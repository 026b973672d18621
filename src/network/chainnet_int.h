/* chainnet_int: the tables of chainnet.h's machine, shared by its files.

     conn    a connection of the port            known   a peer id with addresses, and its dialling
     member  a validator (the core's peer index) set     an epoch's members in order
     serve   a request of a peer in answer       fetch   an object we look for           sync    chainnet_sync.c
     build   a body in the making                kept    a body of a proposal, for bodytx
     told    a block of topic block              telling one that waits to be published there */
#ifndef DMG_NETWORK_CHAINNET_INT_H
#define DMG_NETWORK_CHAINNET_INT_H

#include "network/addrman.h"
#include "network/chainnet.h"
#include "network/chainnet_wire_peers.h"
#include "network/rs.h"
#include "base/assert.h"

#define SEC                  ( (uint64_t)1000000 )
#define SET_CNT              3
#define STATUS_EVERY_US      ( 10*SEC )
#define OTHER_CHAIN_US       ( 300*SEC )
#define BAN_US               ( 24*3600*SEC )   /* N7.4 */
#define SILENT_US            ( 6*SEC )                   /* N3.1, C4.4 */
#define NAMELESS_US          ( 30*SEC )                  /* without a status */
#define BAD_FRAMES_MAX       64                          /* in a minute, then the connection closes .. */
#define BAD_FRAMES_CLOSE_US  ( 60*SEC )                  /* .. for so long */
#define FALSE_REST_US        ( 600*SEC )                 /* a validator that gave false data: not asked */
#define BANS_MAX             64
#define OUT_TARGET           8                           /* N10.3 */
#define FEELER_EVERY_US      ( 120*SEC )
#define PEERINFO_EVERY_US    ( 120*SEC )                 /* .. a quarter of that while we have fewer than that */
#define STALL_US             ( 30*SEC )                  /* no finality though peers are up: four more, of other groups */
#define RELAY_AFTER_US       SEC                         /* N8.4: so long without a line .. */
#define RELAY_CNT            2                           /* .. and frames go by so many others */
#define RELAY_RATE           50                          /* tokens a second of an origin; a frame takes one each started 4 KiB */
#define RELAY_BURST          100
#define SERVE_MAX            1024
#define SERVE_GO_SZ          ( 1u<<20 )                  /* of an answer in one go: then whatever else waits has its turn */
#define SERVE_CONN_S         ( 16u<<20 )                 /* N6.1: bytes of answers a second of a connection, twice that at once */
#define SERVE_STRANGERS_S    ( 32u<<20 )                 /* bytes, unpacked, a second that a validator reads for all who are none, as much at once */
#define SERVE_CONN_MAX       2                           /* answers at once of a connection; of a validator's line: in_max of each protocol */
#define OUT_PER_PROTO        2                           /* N9.3 */
#define HEADERS_MAX          DMG_WIRE_HEADERS_MAX
#define SKELETON_MAX         65536                       /* stretches of 512: 33 million blocks */
#define WINDOW               128                         /* blocks of a stretch whose bodies are asked for or held */
#define WINDOW_SZ_MAX        ( 16u<<20 )
#define UNTAKEN_MAX          64                          /* given to the node: it commits as many with one sync (S8.8) */
#define GROUP_MAX            16                          /* bodies of one request */
#define GROUP_SZ_MAX         ( 4u<<20 )
#define SYNC_REQ_MAX         16

typedef struct { uint64_t level, us; } bucket_t;         /* level: millionths of a unit that were left at us, which is ahead where some are owed */

typedef enum { STREAM_NONE, STREAM_OPEN, STREAM_UP } stream_state_t;
typedef struct { uint64_t id; uint8_t state; } stream_t;

typedef struct {
  bool           is_used, is_outbound, is_closing, has_share;   /* has_share: was made with a validator's number of streams */
  uint32_t       conn;
  dmg_net_peer_t peer;
  int16_t        known, member;
  uint64_t       up_us, rtt_us;
  char           addr[ DMG_CHAINNET_ADDR_SZ_MAX ], agent[ 64 ];
  /* status */
  bool           has_status, is_asking_status, is_status_told;   /* told: the question at work has its answer */
  uint64_t       status_id, status_us;      /* status_us: next question */
  uint32_t       epoch;
  uint64_t       height, final_view, first_body;
  uint16_t       roles;
  char           version[ DMG_WIRE_NAME_SZ ];   /* what identify says, the network's name (N4.1); "" not known */
  uint64_t       other_us;                  /* it is of another chain: closed then; 0: it is not */
  /* our requests and theirs */
  uint8_t        out_cnt[ DMG_CHAINNET_PROTO_CNT ], serve_cnt;
  uint64_t       rest_us;                   /* not asked before: it was slow or had nothing */
  bucket_t       in[ DMG_CHAINNET_PROTO_CNT ], in_bytes;
  uint64_t       slow_until_us;
  uint32_t       slow_ignored;
  bool           has_tx_topic;              /* its peer has joined it */
  /* chainnet_peers.c */
  bool           is_feeler, is_asking_peers, has_peers;   /* has: the answer came, its end did not */
  uint8_t        peers_asks;
  uint64_t       peers_id, peers_us;        /* peerinfo: our question, the next one */
  dmg_maddr_group_t group;                  /* sz 0: its address is of no kind we know */
  uint16_t       record_sz;                 /* its own record, verified, to pass on; 0: none */
  uint8_t        record[ DMG_PEER_RECORD_SZ_MAX ];
} conn_t;

/* Who asked for it: the configuration or the user, for good; a validator's record, while it is in our sets; a table, for one dial. */
enum { KNOWN_CONFIG, KNOWN_MEMBER, KNOWN_FOUND };

typedef struct {
  bool           is_used;
  dmg_net_peer_t peer;
  char           addrs[ DMG_CHAINNET_ADDR_MAX ][ DMG_CHAINNET_ADDR_SZ_MAX ];
  uint32_t       addr_cnt, conn_cnt;
  bool           is_dialling;
  uint32_t       dial_conn;
  uint64_t       dial_us, backoff_us;
  uint8_t        kind;                      /* KNOWN_.. */
  bool           is_feeler;
  uint32_t       own_cnt;                   /* addresses of the configuration, the first ones; the others are of its record .. */
  uint64_t       record_seq;                /* .. with this seq */
  /* KNOWN_CONFIG: what became of the last try, for the node. */
  bool           is_up, is_due;             /* due: REACH was not told yet */
  bool           is_again, is_alone;        /* a user's dial waits: for the end of one that is under way, which says nothing; at the last own address alone */
  char           why[ DMG_CHAINNET_WHY_SZ ];
} known_t;

typedef struct { uint32_t epoch; uint64_t view, ids[ 2 ]; uint8_t cnt; } pushed_t;   /* heads by the first bytes of their hash */

#define SIDE_CNT 3                          /* body/1, shred/1, txfwd/1: proto - DMG_CHAINNET_BODY */

typedef struct {
  bool           is_used;
  dmg_net_peer_t peer;
  uint8_t        key[ DMG_BLS_KEY_SZ ];
  int16_t        idx[ SET_CNT ];            /* in sets[], -1: not there */
  int16_t        line;                      /* conn index, -1 */
  stream_t       cons_out, cons_in, side_out[ SIDE_CNT ], side_in[ SIDE_CNT ];
  bool           is_link, is_told;          /* link as it is, as the node knows it: by the line, or through others */
  bool           is_direct, is_via;         /* N8.4: which of the two; not both */
  uint64_t       apart_us, probe_us, via_us;/* without a line since; next probe; last heard through others */
  int16_t        relays[ RELAY_CNT ];       /* members that take frames for it, -1 */
  uint64_t       relay_seq, relay_seen;     /* its highest seq here, and which of the 64 up to that came */
  bucket_t       relay_in;                  /* what it may have us forward */
  uint64_t       retry_us, backoff_us, side_retry_us;
  uint64_t       closed_until_us, heard_us, false_until_us;
  char           passed[ 48 ];              /* address whose connections pass the gate (N6.1) */
  uint32_t       bad_cnt;
  uint64_t       bad_us;
  pushed_t       pushed[ 16 ];              /* N8.5: at most two heads a view */
  bucket_t       fwd_out, fwd_in;           /* N9.2 */
} member_t;

typedef struct {
  bool     is_used;
  uint32_t epoch, cnt;
  int16_t  members[ DMG_SET_MAX ];
  uint64_t weights[ DMG_SET_MAX ], total;   /* total 0: not told */
  /* N8.8: any k of n shards give a body, of which a member relays share; k 0: no shreds in this epoch. */
  uint32_t k, n;
  uint8_t  share[ DMG_SET_MAX ];
} set_t;

typedef union { dmg_wire_bodies_req_t bodies; dmg_wire_bodytx_req_t bodytx; dmg_wire_ids_req_t ids; } serve_mem_t;

#define BUILDS_MAX 32
#define OPEN_MAX   8                        /* of them with memory */
#define KEPT_MAX   16
#define ASKS_MAX   3

/* A transaction's place in a compact body.  hits: of the pool that have its id; twice: the body itself has that id again. */
typedef struct { uint64_t id; uint32_t off, sz; uint8_t hits; bool is_twice, is_here; } slot_t;

typedef struct { bool is_used; int16_t conn; uint64_t id; uint32_t pos; dmg_buf_t list; } ask_t;   /* list: u16 indexes */

typedef enum { BUILD_NONE, BUILD_OPEN, BUILD_DONE, BUILD_FAILED } build_state_t;
typedef struct {
  uint8_t         state;
  dmg_wire_head_t head;
  uint64_t        id, born_us;
  int16_t         leader;                   /* member */
  dmg_buf_t       bytes;                    /* compact: the lists, then transactions as they came; shreds: shards as they came */
  /* compact */
  uint8_t         key[ 16 ];
  dmg_buf_t       slots;                    /* slot_t x tx_cnt */
  uint32_t        lists_sz, tx_cnt, missing, ask_cnt;
  uint64_t        next_us;
  ask_t           asks[ ASKS_MAX ];
  uint64_t        tried[ ( DMG_CHAINNET_CONN_MAX+63 )/64 ];
  /* shreds */
  uint8_t         relays[ DMG_WIRE_SHARD_CNT_MAX ], order[ DMG_WIRE_SHARD_CNT_MAX/2 ];   /* relay of a shard: place in the set */
  uint64_t        have[ DMG_WIRE_SHARD_CNT_MAX/64 ], relayed[ DMG_WIRE_SHARD_CNT_MAX/64 ];
  uint32_t        have_cnt;
} build_t;

typedef struct { uint32_t off, sz; } place_t;
typedef struct { bool is_used, is_own; dmg_hash_t hash; uint64_t stamp, asked_sz; uint32_t tx_cnt; dmg_buf_t body, places; } kept_t;

typedef struct {
  bool       is_used, is_due;               /* due: goes on with the next tick */
  uint8_t    proto;
  uint16_t   conn;
  uint64_t   id;
  dmg_hash_t cursor;                        /* HEADERS: the next one */
  uint32_t   left, pos, epoch;              /* left: HEADERS, EPOCHS; pos: of what is in mem */
  serve_mem_t * mem;
  uint64_t   view;
} serve_t;

typedef struct {
  bool        is_used, is_asked, is_done;   /* done: nobody had it, to be told */
  dmg_fetch_t f;
  uint64_t    peers[ DMG_CHAINNET_PEER_MAX/64 ];
  uint64_t    end_us, next_us, req_id;
  int16_t     conn;
  uint64_t    tried[ ( DMG_CHAINNET_CONN_MAX+63 )/64 ];
} fetch_t;

typedef enum { SYNC_IDLE, SYNC_BACK, SYNC_HEADERS, SYNC_UP } sync_stage_t;
typedef enum { BODY_NONE, BODY_ASKED, BODY_HELD } body_state_t;
typedef struct { dmg_hash_t hash; uint32_t cnt; } stretch_t;   /* top of it, blocks */

typedef struct {
  bool     is_used;
  uint8_t  proto;
  int16_t  conn;
  uint64_t id;
  uint16_t blocks[ GROUP_MAX ];             /* BODIES: indexes in the stretch */
  uint32_t cnt, pos;
} sync_req_t;

typedef struct { uint16_t block; uint8_t state; dmg_buf_t buf; uint32_t charged; uint64_t tried[ ( DMG_CHAINNET_CONN_MAX+63 )/64 ]; } body_slot_t;

typedef struct {
  uint8_t      stage;
  bool         is_stuck;                    /* SYNC_BAD was or is to be told */
  bool         is_bad_due, is_synced_due, is_dirty;
  char const * text;
  dmg_cert_t   goal;                        /* highest judged FINALIZATION; zero: none */
  bool         has_goal;
  dmg_cert_t   at;                          /* what this run goes to */
  dmg_hash_t   base;                        /* our final block when it began */
  uint64_t     goal_height, at_height;      /* as told, 0: not at all */
  uint64_t     base_height, top_height, low_height;   /* top, low: 0 until a header is here */
  stretch_t *  skeleton; uint32_t skeleton_cnt;
  dmg_hash_t   expect;                      /* BACK, HEADERS: hash of the next header */
  uint8_t *    headers; uint32_t header_cnt; /* of the lowest stretch, top first */
  uint32_t     given, taken;                /* blocks of the stretch, from below */
  size_t       held_sz;
  body_slot_t  slots[ WINDOW ];             /* block i of the stretch: i mod WINDOW */
  sync_req_t   reqs[ SYNC_REQ_MAX ];
  uint64_t     next_us;
  uint64_t     height;                      /* last taken */
  uint64_t     epochs_us;
  uint64_t     tried[ ( DMG_CHAINNET_CONN_MAX+63 )/64 ];   /* BACK, HEADERS: who did not answer */
} sync_t;

#define TOLD_MAX    64
#define TELLING_MAX 4
typedef struct { bool is_used, has_head; uint32_t epoch; uint64_t view; dmg_hash_t hash; uint8_t header[ DMG_SIGNED_HEADER_SZ ]; } told_t;
typedef struct { uint64_t us; uint32_t epoch; uint64_t view; dmg_hash_t hash; dmg_buf_t msg; } telling_t;   /* us 0: none */

typedef struct { uint64_t id, us; } batch_t;
#define HEARD_MAX 256
#define HEARD_US ( 10*SEC )
typedef struct { dmg_hash_t hash; uint64_t id, us; uint8_t verdict; bool is_judged; } heard_t;   /* a batch of transactions by gossip or txfwd: id of its TXS */
typedef struct { dmg_net_peer_t peer; uint64_t until_us; } ban_t;   /* sz 0: free */

struct dmg_chainnet {
  dmg_chainnet_cfg_t cfg;
  dmg_net_port_t *   port;
  dmg_chainnet_chain_t const * chain;
  dmg_arena_t *      scratch;               /* decoding bodies; heap, freed by fini */
  uint64_t           rng, now_us, wake_us;
  uint64_t           idle_us;               /* when the port last had nothing to read */
  bool               is_started, is_stopping, is_stopped_due;
  char               topic_tx[ DMG_WIRE_NAME_SZ ], topic_final[ DMG_WIRE_NAME_SZ ], topic_block[ DMG_WIRE_NAME_SZ ], topic_evidence[ DMG_WIRE_NAME_SZ ];
  bucket_t           evidence;              /* verified; of all peers, as their ids cost nothing */
  uint32_t           tx_peers;              /* connections whose peer has joined topic tx */

  conn_t             conns[ DMG_CHAINNET_CONN_MAX ];
  uint32_t           conn_cnt;
  known_t            known[ DMG_CHAINNET_KNOWN_MAX ];
  bool               is_reach_due;
  member_t           members[ DMG_CHAINNET_PEER_MAX ];
  set_t              sets[ SET_CNT ];
  int16_t            self;                  /* own member, -1 */
  bool               is_links_dirty;
  ban_t              bans[ BANS_MAX ];

  uint32_t           epoch, window;
  uint64_t           cur, final_view;

  serve_t            serves[ SERVE_MAX ];
  serve_mem_t        serve_mem[ SERVE_MAX ];
  uint32_t           serve_due_cnt, serve_at;   /* at: whose turn it is */
  bucket_t           strangers;
  fetch_t            fetches[ DMG_CHAINNET_FETCH_MAX ]; bool is_fetch_done;
  dmg_buf_t          raw, chunk;            /* an answer's body; a chunk in the making */

  build_t            builds[ BUILDS_MAX ];
  kept_t             kept[ KEPT_MAX ]; uint64_t kept_stamp;
  uint16_t           short_table[ 32768 ]; uint64_t short_odd;   /* slots by id; odd: nobody aims at a place */
  dmg_span_t         compact_txs[ DMG_BODY_TX_MAX ];
  dmg_buf_t          own_slots;
  uint64_t           miss_sz;               /* N8.6: what a validator lacked of our last compact body */
  dmg_wire_bodytx_req_t ask_req; uint8_t ask_bytes[ DMG_WIRE_BODYTX_REQ_SZ_MAX ];
  dmg_rs_t           rs;
  dmg_buf_t          shred_mem;             /* data and parity of one body */

  uint8_t            batch[ DMG_WIRE_TX_SZ_MAX+8 ];
  size_t             batch_sz; uint32_t batch_cnt; uint64_t batch_us; bool is_batch_fwd;
  batch_t            batches[ DMG_CHAINNET_BATCH_MAX ]; uint32_t batch_wait_cnt;
  dmg_span_t         txs[ DMG_CHAINNET_TXS_MAX ];
  heard_t            heard[ HEARD_MAX ]; uint32_t heard_at;
  uint32_t           best_epoch; uint64_t best_view;   /* of topic final */
  uint8_t            final_wait[ DMG_WIRE_FINAL_SZ ]; uint32_t final_epoch; uint64_t final_wait_view, final_us;   /* us 0: none */

  told_t             told[ TOLD_MAX ];
  bucket_t           pairings;              /* of headers there, that were in vain; of all peers */
  telling_t          telling[ TELLING_MAX ];
  dmg_buf_t          frame; dmg_hash_t frame_hash;     /* the last body pushed, as a frame of body/1, if topic block takes it; by the body's hash */

  dmg_addrman_t *    am;
  dmg_maddr_t        own[ DMG_PEER_RECORD_ADDRS ]; uint32_t own_cnt;
  uint8_t            own_record[ DMG_PEER_RECORD_SZ_MAX ]; size_t own_record_sz;   /* 0: nothing to tell */
  uint64_t           start_us;              /* cfg.wall_ms was then */
  dmg_net_peer_t     anchors[ DMG_ADDRMAN_ANCHORS ]; uint32_t anchor_cnt;          /* of the peer file, dialled first */
  uint64_t           out_us, feeler_us;     /* next look for one to dial */
  uint64_t           stall_height, stall_us;/* finality stands there since */
  uint64_t           relay_seq;             /* of our own relayed frames: rises over restarts (cfg.wall_ms) */
  uint8_t            relay_buf[ DMG_FRAME_SZ_MAX ];

  sync_t             sync;

  dmg_net_ev_t       evs[ 48 ]; uint32_t ev_cnt, ev_pos;
  bool               is_ev_held;            /* evs[ ev_pos-1 ] is in out */
  dmg_chainnet_info_t stat;
};
typedef struct dmg_chainnet net_t;

/* chainnet.c */
uint64_t net_rand   ( net_t * n );
uint64_t net_jitter ( net_t * n, uint64_t us );                       /* +-25 % */
void     net_wake   ( net_t * n, uint64_t at_us );
int      conn_find  ( net_t const * n, uint32_t conn );               /* -1 */
void     conn_close ( net_t * n, conn_t * c, uint16_t why );
void     conn_other_chain( net_t * n, conn_t * c );                     /* closed within a second, and not dialled for a while */
bool     conn_names_other( net_t const * n, conn_t const * c );         /* as identify has it */
void     conn_false ( net_t * n, conn_t * c );                        /* false data: banned for a day; a validator is not asked for 10 min */
int      known_find ( net_t const * n, dmg_net_peer_t const * peer );
void     dial_later ( net_t * n, known_t * w );                         /* its back-off grows */
void     known_keep ( net_t * n, int k, uint8_t kind );                 /* its connections, too, a feeler's as well */
int      known_get  ( net_t * n, dmg_net_peer_t const * peer );       /* adds; -1: full */
bool     bucket_take( bucket_t * b, uint64_t now_us, uint64_t units, uint64_t per_10s, uint64_t burst );
void     bucket_pay ( bucket_t * b, uint64_t now_us, uint64_t units, uint64_t per_10s, uint64_t burst );   /* after the fact: what is not there is owed */
/* Does it hash to that?  GOOD, BAD, LOCAL.  Its length is the header's matter: who serves a body that its leader gave a false one does not lie. */
dmg_verdict_t body_judge( net_t * n, dmg_span_t body, dmg_hash_t const * body_hash );

static inline bool bit_get( uint64_t const * w, uint32_t i ) { return w[ i/64 ]>>( i%64 )&1; }
static inline void bit_set( uint64_t * w, uint32_t i ) { w[ i/64 ] |= (uint64_t)1<<( i%64 ); }

/* chainnet_links.c */
uint64_t view_max   ( net_t const * n, uint32_t epoch );                /* the farthest view that is let in */
void links_conn_up  ( net_t * n, int conn );
void links_conn_down( net_t * n, int conn );
bool links_event    ( net_t * n, dmg_net_ev_t const * ev, dmg_chainnet_out_t * out );
bool links_tell     ( net_t * n, dmg_chainnet_out_t * out );
void links_tick     ( net_t * n );
int  member_of_peer ( net_t const * n, dmg_net_peer_t const * peer );
void member_pass    ( net_t * n, member_t * m, bool is_on );           /* its known address past the gate */

typedef enum { FRAME_GOOD, FRAME_STALE, FRAME_BAD } frame_judge_t;
set_t *       set_of    ( net_t * n, uint32_t epoch );                 /* NULL: not known */
bool          is_epoch_near( net_t const * n, uint32_t epoch );
frame_judge_t frame_judge( net_t * n, int member, dmg_span_t frame );
void          frame_bad ( net_t * n, member_t * m );                   /* counted; too many close it for a minute */
bool          is_shut   ( net_t const * n, member_t const * m );
void          link_judge( net_t * n, member_t * m );
/* N2.1: rank and key of a frame. */
void          frame_rank( dmg_span_t frame, uint64_t * out_rank, uint32_t * out_key );

/* chainnet_relay.c */
bool relay_in   ( net_t * n, int from, dmg_span_t frame, dmg_chainnet_out_t * out );   /* a RELAYED frame on from's line */
void relay_send ( net_t * n, int target, dmg_span_t frame );
void relay_tick ( net_t * n );
void relay_end  ( net_t * n, member_t * m );                           /* no more through others */
/* chainnet_body.c */
typedef enum { HEAD_NEW, HEAD_AGAIN, HEAD_STALE, HEAD_BAD } head_judge_t;
/* N8.5: of the leader of an open view and signed by it.  from: who must be that leader, -1 anybody; *out_leader: member, -1: STALE before it was looked for. */
head_judge_t head_judge( net_t * n, int from, dmg_span_t bytes, dmg_wire_head_t const * head, int * out_leader, uint64_t * out_id );
bool     body_frame    ( net_t * n, int member, dmg_span_t frame, dmg_chainnet_out_t * out );
bool     body_chunk    ( net_t * n, int conn, dmg_net_ev_t const * ev, dmg_chainnet_out_t * out, bool * out_is_mine );
bool     body_end      ( net_t * n, int conn, dmg_net_ev_t const * ev );
void     body_tick     ( net_t * n );
void     body_conn_down( net_t * n, int conn );
void     body_view     ( net_t * n );                                 /* finality or the epoch moved */
void     body_fini     ( net_t * n );
size_t   body_heap     ( net_t const * n );
/* Until when fetches wait for what is being put together; 0: it is not. */
uint64_t body_pending  ( net_t const * n, dmg_hash_t const * body_hash );
/* What topic block brought of a body: this head is signed by leader.  BAD: not what its form says; the body comes, if at all, into kept. */
dmg_verdict_t body_told( net_t * n, int leader, dmg_wire_head_t const * head, dmg_span_t raw, dmg_span_t rest );
/* When a fetch of this body may begin; 0: now. */
uint64_t body_hold     ( net_t * n, dmg_fetch_t const * f, uint64_t born_us );
build_t * build_find   ( net_t * n, uint64_t id );
build_t * build_new    ( net_t * n, dmg_wire_head_t const * head, uint64_t id, int leader );   /* NULL: nearer views need the room */
void     build_close   ( net_t * n, build_t * b, build_state_t state );
kept_t * kept_find     ( net_t * n, dmg_hash_t const * hash );
/* Judges a body and keeps it.  is_own: its hash is right. */
dmg_verdict_t kept_put ( net_t * n, dmg_hash_t const * hash, dmg_span_t body, bool is_own, kept_t ** out );
/* PUSHED, by this head's form; a follower's waits for its F. */
bool     body_out      ( net_t * n, dmg_wire_head_t const * head, int leader, kept_t const * kept, dmg_chainnet_out_t * out );

/* chainnet_shred.c */
uint32_t shred_third   ( set_t const * s );                           /* the most shards that members of less than a third of the stake hold together */
void     shred_shares  ( set_t * s );                                 /* after its weights changed */
bool     shred_relays  ( net_t * n, set_t const * s, uint64_t view, uint8_t out[ DMG_WIRE_SHARD_CNT_MAX ] );   /* false: no seed */
bool     shred_frame   ( net_t * n, int member, dmg_span_t frame, dmg_chainnet_out_t * out );
dmg_err_t shred_push   ( net_t * n, set_t const * s, dmg_wire_head_t head, dmg_span_t body );

/* chainnet_fwd.c */
void     fwd_batch     ( net_t * n, dmg_span_t batch, uint32_t cnt ); /* to the next two leaders */
bool     fwd_frame     ( net_t * n, int member, dmg_span_t frame, dmg_chainnet_out_t * out );
bool     fwd_verdict   ( net_t * n, uint64_t id, dmg_net_verdict_t v );
/* The same batch comes by gossip and by txfwd: the node sees it once, and what it said of one holds for the other, or a leader would not pass on what it
   was told before.  For HEARD_US: a user may send again what was too early, in the same bytes.  NULL: new, and noted under id. */
heard_t const * fwd_heard( net_t * n, dmg_span_t batch, uint64_t id );

/* Of two connections with a peer the one that stays (N8.1). */
bool is_better  ( net_t const * n, conn_t const * a, conn_t const * b );

/* chainnet_peers.c */
void peers_conn_up  ( net_t * n, int conn );
void peers_status   ( net_t * n, int conn );                           /* it is of our chain */
void peers_conn_down( net_t * n, int conn );
void peers_dialled  ( net_t * n, known_t * w );                        /* in vain; one of a table is forgotten */
void peers_reached  ( net_t * n, known_t * w );                        /* these two: REACH, of one that was added */
void peers_unreached( net_t * n, known_t * w, dmg_span_t why );
void peers_lost     ( net_t * n, conn_t const * c, uint16_t code );    /* its known has no other connection */
bool peers_tell     ( net_t * n, dmg_chainnet_out_t * out );
void peers_serve    ( net_t * n, int conn, uint64_t id );
bool peers_chunk    ( net_t * n, int conn, dmg_net_ev_t const * ev );  /* false: not ours */
bool peers_end      ( net_t * n, int conn, dmg_net_ev_t const * ev );
void peers_tick     ( net_t * n );

/* chainnet_serve.c */
void serve_req      ( net_t * n, dmg_net_ev_t const * ev );
void serve_room     ( net_t * n, dmg_net_ev_t const * ev );
bool serve_end      ( net_t * n, dmg_net_ev_t const * ev );
void serve_conn_down( net_t * n, int conn );
void serve_tick     ( net_t * n );

/* chainnet_fetch.c */
bool fetch_chunk    ( net_t * n, int conn, dmg_net_ev_t const * ev, dmg_chainnet_out_t * out, bool * out_is_mine );
bool fetch_end      ( net_t * n, int conn, dmg_net_ev_t const * ev );
bool fetch_tell     ( net_t * n, dmg_chainnet_out_t * out );
void fetch_tick     ( net_t * n );
void fetch_kept     ( net_t * n, dmg_hash_t const * body_hash );       /* the body is here */
void fetch_conn_down( net_t * n, int conn );
void status_own     ( net_t * n, uint8_t out[ DMG_WIRE_STATUS_SZ ] );
void status_theirs  ( net_t * n, int conn, dmg_wire_status_t const * status );
/* A connection to ask: links of peers first, then any that may have it; not in tried, not above OUT_PER_PROTO; -1. */
int  pick_conn      ( net_t * n, uint8_t proto, uint64_t const * peers, uint64_t const * tried, uint64_t height );

/* chainnet_gossip.c */
bool gossip_event   ( net_t * n, dmg_net_ev_t const * ev, dmg_chainnet_out_t * out );
void gossip_tick    ( net_t * n );
void gossip_conn_up ( net_t * n, int conn );
void gossip_conn_down( net_t * n, int conn );

/* chainnet_block.c */
dmg_net_verdict_t block_heard( net_t * n, dmg_span_t data );           /* of topic block */
void block_frame    ( net_t * n, dmg_hash_t const * body_hash, dmg_span_t frame );   /* body/1, ours or the leader's */
uint8_t const * block_told( net_t * n, dmg_hash_t const * hash );/* signed header; NULL: not heard */
void block_tick     ( net_t * n );
void block_fini     ( net_t * n );
size_t block_heap   ( net_t const * n );

/* chainnet_sync.c */
void sync_status    ( net_t * n, int conn, dmg_wire_status_t const * status );
void sync_goal      ( net_t * n, dmg_cert_t const * fin, uint64_t height );   /* judged; height 0: not known */
bool sync_chunk     ( net_t * n, int conn, dmg_net_ev_t const * ev );
bool sync_end       ( net_t * n, int conn, dmg_net_ev_t const * ev );
bool sync_tell      ( net_t * n, dmg_chainnet_out_t * out );
void sync_tick      ( net_t * n );
void sync_conn_down ( net_t * n, int conn );
void sync_fini      ( net_t * n );

#endif
