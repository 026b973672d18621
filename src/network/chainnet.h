/* chainnet: the chain's protocols over the port, as one pure state machine: links to validators, status, bodies, transactions, sync.

     sockets <-- net_port --> [ chainnet ] -- dmg_chainnet_next --> LINK FRAME BODY GOT TXS SYNC ..  --> node: core, pool, store
                                   ^  `---- dmg_chainnet_chain_t (asked at once: what do you hold?) ---^
                                   `---- send, push_body, fetch, send_tx, verdict, sync_taken .. <------- node

   It reads no clock, file or random source: time is an argument, commands to the port are its actions.  The driver's loop, in one thread:

     do { while( dmg_chainnet_next( net, mono_us(), &out ) ) handle( &out ); poll( the port's two fds, until dmg_chainnet_wake_us ); } while( .. )

   Links     Each validator of the sets of epochs e-1 .. e+1 that has a peer id (N8.1) gets a line: both sides dial, the one of the smaller id first; of two lines
             that of the smaller id's dialling stays.  On it each side opens cons/1, body/1, shred/1 and txfwd/1.  LINK{up}: frames can flow; one LINK{down} follows each.
             peer is the core's peer index: it stays with its validator as long as that is in one of the sets.
   Who       A connection's peer id is proven by the transport; peer id -> consensus key stands in the chain's records (genesis, Staking), signed with the key's proof
             of possession, and arrives by dmg_chainnet_set_members.  Nothing a peer says changes it.
   Frames    checked before FRAME: size, kind, epoch within one of ours, a vote's signer is this peer's index and its view at most two windows ahead (N8.2); no BLS.
             Queued by N2.1: rank by view; hello and FINALIZATION replace the older one; full: lowest rank goes first.
   Relayed   a pair that has no line for a second (N8.4) sends by two others, signed by the origin's node identity; its probes, one a second, make it a link once the
             other's are heard, and 6 s without any end that.  A line that comes takes over without a word; one that goes is told as down first.
   Peers     tell each other their signed records and those of whom they are connected with (peerinfo); what is heard goes into addrman.h's tables.  Outbound connections are
             kept at OUT_TARGET, in groups of their own, from there; a feeler each two minutes; validators are dialled where they say they are.
   Status    asked at link-up of every connection and each 10 s: another chain is closed (WHY_OTHER_CHAIN) and not dialled for 5 min.
   Bodies    a proposal's leader pushes its body: full up to 16 KiB; compact (short ids, and what it got less than 200 ms ago) while little is expected to be
             missing; else in shards of which any half suffice, relayed by stake.  Rebuilt from the pool (each_tx) and bodytx, or decoded: PUSHED.  A fetch of the
             same body waits for that.  The last 16 are kept for who asks bodytx.
   Fetch     one object by hash, asked of one peer after another until it comes and its hash is right, or FETCH_MS have passed.
   Blocks    are told to all by topic block as they are proposed: by the leader, by who votes for one 300 ms later if it was not heard by then.  A follower keeps the last
             ones, header and body, and has them when their F comes.
   Sync      to a FINALIZATION that the chain's judge accepts: handovers forward, headers by hash backward to our final block (a hash each 512 is kept), then upward
             by stretches of 512: headers again, bodies from many peers, SYNC in height order.  A follower goes to the highest F of statuses and topic final;
             a validator only where dmg_chainnet_sync_to sends it.

   Memory    what dmg_chainnet_new takes from the arena (about 18 MiB), 8 MiB to decode bodies in, 16 MiB of bodies while syncing, 16 kept ones, 8 in the making and a workspace of 4 MiB, 640 KiB of blocks to be told, 32 KiB of
             outgoing batch; spans of `out` live until the next call
   Threads   one at a time
   Failure   commands: UNAVAILABLE nobody to send to, FULL, LIMIT too large; a peer's nonsense is counted, costs it its stream, score or connection
   Bounds    DMG_CHAINNET_* below; answers to a peer at most N6.1 a second, two at once; what waits for a peer is the port's queues
   Bans      false data: a day, 64 peers at most; a validator keeps its line and is not asked for 10 min, as each vote may be needed
   Spec      docs/spec/network.md N4, N8, N9
   Not here  sentries, kad, snapshots, light clients (absent.md) */
#ifndef DMG_NETWORK_CHAINNET_H
#define DMG_NETWORK_CHAINNET_H

#include "base/arena.h"
#include "network/chainnet_wire.h"

#define DMG_CHAINNET_PEER_MAX    256   /* validators of the sets at hand; DMG_CONS_PEER_MAX */
#define DMG_CHAINNET_CONN_MAX    800   /* N6.1 */
#define DMG_CHAINNET_KNOWN_MAX   512   /* peers by id with addresses: validators' and the configuration's */
#define DMG_CHAINNET_ADDR_MAX    4     /* of a known peer */
#define DMG_CHAINNET_ADDR_SZ_MAX 128   /* with the final zero */
#define DMG_CHAINNET_WHY_SZ      256   /* of why a peer is not reached */
#define DMG_CHAINNET_FETCH_MAX   64    /* at once */
#define DMG_CHAINNET_BATCH_MAX   64    /* batches of transactions that wait for a verdict */
#define DMG_CHAINNET_TXS_MAX     DMG_WIRE_TX_BATCH_MAX
#define DMG_CHAINNET_FETCH_MS    30000

/* From DMG_NET_WHY_APP on: why we closed a connection. */
typedef enum {
  DMG_CHAINNET_WHY_OTHER_CHAIN = DMG_NET_WHY_APP, DMG_CHAINNET_WHY_SECOND_LINE, DMG_CHAINNET_WHY_CORE, DMG_CHAINNET_WHY_FALSE_DATA, DMG_CHAINNET_WHY_SILENT, DMG_CHAINNET_WHY_FULL, DMG_CHAINNET_WHY_FEELER, DMG_CHAINNET_WHY_EARLY, DMG_CHAINNET_WHY_END
} dmg_chainnet_why_t;

/* Reasons counted in dmg_chainnet_info_t: the port's, then ours.  "false_data"; by place. */
#define DMG_CHAINNET_CLOSED_CNT  ( DMG_NET_WHY_STOP+1+DMG_CHAINNET_WHY_END-DMG_NET_WHY_APP )
#define DMG_CHAINNET_REFUSED_CNT 13   /* codes of DMG_NET_REFUSED are below: which limit of the gate (N6.1) */
char const * dmg_chainnet_closed_name( uint32_t place );
char const * dmg_chainnet_refused_name( uint32_t code );

/* --- the port it runs on ---------------------------------------------------------------------------------- */

typedef enum {
  DMG_CHAINNET_CONS, DMG_CHAINNET_BODY, DMG_CHAINNET_SHRED, DMG_CHAINNET_TXFWD,   /* notify: a line's */
  DMG_CHAINNET_STATUS, DMG_CHAINNET_HEADERS, DMG_CHAINNET_BODIES, DMG_CHAINNET_PROPOSAL, DMG_CHAINNET_EPOCHS, DMG_CHAINNET_PEERINFO, DMG_CHAINNET_RUNS, DMG_CHAINNET_BODYTX, DMG_CHAINNET_TXREQ,
  DMG_CHAINNET_PROTO_CNT
} dmg_chainnet_proto_t;

/* What the port must be opened with: protocols in this order; names live in out. */
typedef struct {
  dmg_net_proto_t protos[ DMG_CHAINNET_PROTO_CNT ];
  char            names[ DMG_CHAINNET_PROTO_CNT ][ DMG_WIRE_NAME_SZ ];
  char            version[ DMG_WIRE_NAME_SZ ];   /* identify: "/dmg/<net8>/1" */
  uint8_t         gossip_prefix[ 64 ];           /* N7.2: SHA-256 of the tag, twice */
} dmg_chainnet_setup_t;
void dmg_chainnet_setup( dmg_hash_t const * genesis, uint32_t fork, dmg_chainnet_setup_t * out );

/* --- what it asks of the chain ---------------------------------------------------------------------------- */

typedef struct {
  uint32_t   epoch;                       /* of final_view */
  uint32_t   epoch_known;                 /* the newest epoch whose set final() can judge by */
  uint64_t   final_view, height;          /* of the highest final block that is committed; 0, 0: genesis */
  dmg_hash_t hash;                        /* its hash; genesis hash at height 0 */
  dmg_cert_t fin;                         /* its FINALIZATION; zero at height 0 */
  uint64_t   tip_height;                  /* the highest committed block, where that is above: final by a descendant whose FINALIZATION is not here, as in the middle of a sync .. */
  dmg_hash_t tip_hash;                    /* .. and its hash */
  uint16_t   roles;                       /* DMG_ROLE_.. */
  uint64_t   first_body, first_state;     /* lowest heights kept */
} dmg_chainnet_head_t;

/* Called inside dmg_chainnet_next and the commands, answered at once; they must not call back.  Bytes are appended to out.
   OK, NOT_FOUND, PRUNED; all else is told to the asker as a server error. */
typedef struct {
  void *     ctx;
  void      (*head)    ( void * ctx, dmg_chainnet_head_t * out );
  dmg_err_t (*header)  ( void * ctx, dmg_hash_t const * block, uint8_t out[ DMG_SIGNED_HEADER_SZ ] );   /* any block held, final or not */
  dmg_err_t (*body)    ( void * ctx, dmg_hash_t const * block, dmg_buf_t * out );
  dmg_err_t (*proposal)( void * ctx, uint32_t epoch, uint64_t view, dmg_hash_t const * block, dmg_buf_t * out );
  dmg_err_t (*runs)    ( void * ctx, dmg_hash_t const * block, uint32_t first, uint32_t count, dmg_buf_t * out );   /* leaves, as many as fit into DMG_LEAVES_SZ_MAX */
  dmg_err_t (*handover)( void * ctx, uint32_t epoch, dmg_buf_t * out );                                 /* the one that ends the epoch */
  /* A certificate by the set of its epoch: GOOD weighs enough and verifies; BAD; LOCAL: we cannot say (epoch unknown, memory). */
  dmg_verdict_t (*judge_final)( void * ctx, dmg_cert_t const * cert );
  /* PROPOSE by the leader that a header names: GOOD, BAD; LOCAL: we cannot say. */
  dmg_verdict_t (*judge_header)( void * ctx, dmg_signed_header_t const * header, dmg_hash_t const * hash );
  /* C9.5: GOOD: proven, the first against somebody in its epoch, and kept; LOCAL: nobody new, or not to be judged here; BAD. */
  dmg_verdict_t (*take_evidence)( void * ctx, dmg_span_t evidence );
  /* C7.4 of our newest known epoch: GOOD and its set is known now, BAD, LOCAL. */
  dmg_verdict_t (*take_handover)( void * ctx, dmg_span_t handover );
  /* Index in the epoch's set of a view's leader; -1: not known. */
  int       (*leader)  ( void * ctx, uint32_t epoch, uint64_t view );
  /* The seed of an epoch's record, which shuffles relays (N8.8); false: not known. */
  bool      (*seed)    ( void * ctx, uint32_t epoch, dmg_hash_t * out );
  /* Each transaction that waits here, in any order, with its leaf in a body's tree (C2.5) and how long it has been here; visit does not call back (N8.7). */
  void      (*each_tx) ( void * ctx, void (*visit)( void * arg, dmg_hash_t const * leaf, dmg_span_t raw, uint64_t age_ms ), void * arg );
  /* The one that waits here under this id. */
  dmg_err_t (*tx)      ( void * ctx, dmg_hash_t const * id, dmg_buf_t * out );
} dmg_chainnet_chain_t;

/* --- configuration ---------------------------------------------------------------------------------------- */

typedef struct {
  dmg_net_port_t *             port;        /* opened with dmg_chainnet_setup's protocols; not owned */
  dmg_chainnet_chain_t const * chain;       /* lives as long */
  dmg_hash_t                   genesis;
  uint32_t                     fork;
  uint8_t                      seed[ 32 ];  /* node identity, for heads of bodies (N5.7) */
  uint8_t                      secret[ 32 ];/* feeds jitter; random in the node, fixed in tests */
  uint64_t                     wall_ms;     /* Unix ms at now_us of start: dates the own record and the peer file, and relayed frames count from it (N8.4) */
  bool                         is_private;  /* N10.1: addresses of any class and group are dialled and told; else public ones in groups of their own */
  char const *                 agent;       /* what peerinfo says; NULL: "" */
  uint32_t                     body_max;    /* record's; 0: DMG_WIRE_BODY_SZ_MAX */
  bool                         is_follower; /* syncs by itself to the highest F it hears of */
} dmg_chainnet_cfg_t;

typedef struct dmg_chainnet dmg_chainnet_t;

/* NULL: the arena is full.  Joins the topics; FULL and others of the port. */
dmg_chainnet_t * dmg_chainnet_new( dmg_arena_t * arena, dmg_chainnet_cfg_t const * cfg );
DMG_MUST_USE dmg_err_t dmg_chainnet_start( dmg_chainnet_t * net, uint64_t now_us );
/* Frees what is not the arena's. */
void             dmg_chainnet_fini( dmg_chainnet_t * net );

/* --- peers ------------------------------------------------------------------------------------------------ */

/* N10.1: a peer to be connected with: the configuration's, or a validator's address.  Adds addresses; FULL, INVALID. */
DMG_MUST_USE dmg_err_t dmg_chainnet_add_peer( dmg_chainnet_t * net, dmg_net_peer_t const * peer, char const * const * addrs, size_t addr_cnt );

/* A user's wish: dialled now whatever its back-off says, at this address alone, later at it and the others that are known; REACH tells what becomes of it.  A fifth address of
   one takes the place of the last.  out_is_up: it is connected, and kept from now on if it was not; nothing is dialled.  FULL, INVALID. */
DMG_MUST_USE dmg_err_t dmg_chainnet_dial( dmg_chainnet_t * net, dmg_net_peer_t const * peer, char const * addr, uint64_t now_us, bool * out_is_up );

/* N9.1: where we listen, for our record: "/ip4/192.0.2.1/tcp/7370".  What is not fit to be told (N10.1) is left out unless is_configured. */
void dmg_chainnet_listens( dmg_chainnet_t * net, char const * addr, bool is_configured );
/* The peer file (addrman.h), before start; and what it should be now.  BAD: it is left alone, nothing is known. */
dmg_verdict_t dmg_chainnet_peers_load( dmg_chainnet_t * net, dmg_span_t file );
DMG_MUST_USE dmg_err_t dmg_chainnet_peers_save( dmg_chainnet_t const * net, dmg_buf_t * out );

typedef struct { dmg_net_peer_t peer; uint8_t key[ DMG_BLS_KEY_SZ ]; uint64_t weight; } dmg_chainnet_member_t;
/* The set of an epoch, in its order (index = signer); sz 0: peer id unknown; weights 0: no shreds.  Replaces what was said of that epoch; sets of three epochs are kept, the
   lowest goes.  Links of who is in none of them go down.  FULL: more than DMG_CHAINNET_PEER_MAX in all. */
DMG_MUST_USE dmg_err_t dmg_chainnet_set_members( dmg_chainnet_t * net, uint32_t epoch, dmg_chainnet_member_t const * members, uint32_t cnt, uint64_t now_us );
/* Where we are: bounds what is let in (N8.2) and drops stale frames from queues (N8.3).  After each step of the core that moved it; a follower's is moved by each F it hears, too. */
void dmg_chainnet_set_view( dmg_chainnet_t * net, uint32_t epoch, uint64_t cur, uint64_t final_view, uint32_t window );

/* --- what comes out --------------------------------------------------------------------------------------- */

typedef enum {
  DMG_CHAINNET_LINK,    /* peer is_up key: the core's LINK */
  DMG_CHAINNET_FRAME,   /* peer bytes: the core's MSG */
  DMG_CHAINNET_PUSHED,  /* peer head bytes: a body that hashes to head.body_hash, from the leader of head.view; its header may still be on the way */
  DMG_CHAINNET_GOT,     /* what hash bytes: of dmg_chainnet_fetch; bytes.p NULL: nobody had it in time */
  DMG_CHAINNET_TXS,     /* id txs tx_cnt: dmg_chainnet_verdict( id ) within 4 s */
  DMG_CHAINNET_SYNC,    /* height hash header bytes is_last fin: the next block to execute and commit; dmg_chainnet_sync_taken */
  DMG_CHAINNET_SYNCED,  /* height: no higher F is known now; once for each catching up */
  DMG_CHAINNET_REACH,   /* who is_up text: of one that was added: a connection of our chain, or why the last try failed or the last one ended; each time */
  DMG_CHAINNET_SYNC_BAD,/* text: what peers agree on does not fit our own chain: for the log, sync stops */
  DMG_CHAINNET_STOPPED  /* after dmg_chainnet_stop: the port is done */
} dmg_chainnet_out_kind_t;

typedef enum { DMG_FETCH_HEADER, DMG_FETCH_BODY, DMG_FETCH_PROPOSAL, DMG_FETCH_RUNS } dmg_fetch_what_t;

typedef struct {
  uint8_t         kind;
  uint16_t        peer;
  bool            is_up, is_last;
  uint8_t         what;
  uint8_t         key[ DMG_BLS_KEY_SZ ];
  uint64_t        id, height;
  uint32_t        first;               /* GOT of RUNS */
  dmg_hash_t      hash;
  dmg_wire_head_t head;
  dmg_cert_t      fin;                 /* SYNC: zero but for the last: that block's FINALIZATION */
  dmg_span_t      bytes, header;       /* header: signed, 410 */
  dmg_span_t const * txs; uint32_t tx_cnt;
  char const *    text;
  dmg_net_peer_t  who;
} dmg_chainnet_out_t;

/* The next thing for the node; false: nothing now.  Reads the port, carries out what is due. */
bool     dmg_chainnet_next   ( dmg_chainnet_t * net, uint64_t now_us, dmg_chainnet_out_t * out );
/* When next wants to be called though no event came; 0: at once, it has more; UINT64_MAX: never. */
uint64_t dmg_chainnet_wake_us( dmg_chainnet_t const * net );

/* --- commands --------------------------------------------------------------------------------------------- */

/* The core's SEND: to the peers of the bit mask (dmg_peers_t.w) that have a link. */
void dmg_chainnet_send( dmg_chainnet_t * net, uint64_t const peers[ DMG_CHAINNET_PEER_MAX/64 ], dmg_span_t frame );
/* The core's CLOSE. */
void dmg_chainnet_close( dmg_chainnet_t * net, uint16_t peer, uint64_t for_us, uint64_t now_us );
/* An own proposal's body, to all links in the form that fits (N8.6); not the empty one.  LIMIT; INVALID: it is none. */
DMG_MUST_USE dmg_err_t dmg_chainnet_push_body( dmg_chainnet_t * net, uint32_t epoch, uint64_t view, dmg_hash_t const * body_hash, dmg_span_t body );

/* RUNS: leaves from first on, at most count <= 64, under root, the just_root of block hash; out.first says which.  HEADER, PROPOSAL: by block hash (PROPOSAL: epoch, view too);
   BODY: by block hash, checked against body_hash (body_len only says LIMIT above 1 MiB: it is the header's word).  peers: whom to ask first, NULL nobody.  One GOT
   follows.  EXISTS: is asked for; FULL. */
typedef struct { uint8_t what; dmg_hash_t hash, body_hash; uint32_t body_len, epoch; uint64_t view; dmg_hash_t root; uint32_t first, count; } dmg_fetch_t;
DMG_MUST_USE dmg_err_t dmg_chainnet_fetch( dmg_chainnet_t * net, dmg_fetch_t const * fetch, uint64_t const peers[ DMG_CHAINNET_PEER_MAX/64 ], uint64_t now_us );

/* A transaction of our own users, admitted by the pool: leaves with the next batch (10 ms or 32 KiB, N9.2), by gossip and, from a validator, to the next two leaders.  Those from TXS are forwarded by their verdict, not by this.
   LIMIT: above 64 KiB. */
DMG_MUST_USE dmg_err_t dmg_chainnet_send_tx( dmg_chainnet_t * net, dmg_span_t raw, uint64_t now_us );
/* Of TXS: REJECT one of them can never have been right (form, chain, signature); ACCEPT at least one was admitted; IGNORE all else (N1.4, N7.1).  Late: nothing. */
void dmg_chainnet_verdict( dmg_chainnet_t * net, uint64_t id, dmg_net_verdict_t verdict );

/* A block became final here: topic final.  is_first: we lead the next view; others wait 50-150 ms and leave it if it was heard (N7.3). */
void dmg_chainnet_send_final( dmg_chainnet_t * net, dmg_header_t const * header, dmg_cert_t const * fin, bool is_first, uint64_t now_us );

/* A proposal's signed header: topic block.  is_first: it is ours, its body was pushed before; others, who voted for it, wait 300 ms and leave it if it was heard, or its view is final
   (N7.3).  With the body, unless that is empty, too large, or not the last one pushed here. */
void dmg_chainnet_send_block( dmg_chainnet_t * net, dmg_span_t header, bool is_first, uint64_t now_us );

/* Proof against a validator, found here: topic evidence. */
void dmg_chainnet_send_evidence( dmg_chainnet_t * net, dmg_span_t evidence );

/* Go to this block, final by fin (judged by the caller: the core's COMMIT of a block whose ancestors are missing).  A lower one than the present goal: nothing. */
void dmg_chainnet_sync_to( dmg_chainnet_t * net, dmg_cert_t const * fin, uint64_t now_us );
/* Of SYNC, in order: it is committed (or was there); false: it cannot be (its state is wrong): sync stops, SYNC_BAD. */
void dmg_chainnet_sync_taken( dmg_chainnet_t * net, uint64_t height, bool is_ok );

/* No more of all that; links leave. */
DMG_MUST_USE dmg_err_t dmg_chainnet_stop( dmg_chainnet_t * net, uint32_t ms );

/* --- to show ---------------------------------------------------------------------------------------------- */

typedef struct {
  uint32_t conn_cnt, in_cnt, link_cnt, relayed_cnt, new_cnt, tried_cnt, known_cnt, fetch_cnt, batch_cnt;
  uint64_t conns_up, frames_in, frames_out, frames_bad, frames_dropped, frames_forwarded, bodies_bad, requests_in, requests_slow, requests_bad;
  uint64_t txs_in, txs_out, batches_bad, finals_in, finals_late, finals_bad, evidence_in, evidence_late, evidence_bad;
  uint64_t blocks_in, blocks_out, blocks_late, blocks_bad, blocks_used;   /* of topic block; used: bodies of a sync for which nobody was asked */
  /* Bodies of proposals by dmg_wire_form_t: pushed, complete here.  rebuilt: of the pool alone; txs_missing: of compact bodies, not in the pool; sz_out: bytes of frames with bodies or shards; collisions: rebuilt to another hash (N8.7). */
  uint64_t bodies_by_out[ DMG_WIRE_FORM_CNT ], bodies_by_in[ DMG_WIRE_FORM_CNT ], bodies_rebuilt, txs_missing, body_collisions, shards_in, shards_relayed, shards_bad, txs_forwarded, bodies_sz_out;
  /* Connections that ended, by reason; that were not let in, by the gate's latest reason (it tells 10 times a second at most, with a count). */
  uint64_t closed[ DMG_CHAINNET_CLOSED_CNT ], refused[ DMG_CHAINNET_REFUSED_CNT ];
  bool     is_syncing;
  uint64_t sync_height, sync_goal;     /* goal 0: not known yet */
  size_t   heap_sz;                    /* beyond the arena */
} dmg_chainnet_info_t;
void dmg_chainnet_info( dmg_chainnet_t const * net, dmg_chainnet_info_t * out );
uint32_t dmg_chainnet_conn_cnt( dmg_chainnet_t const * net );
/* Blocks between what a sync has taken and its goal; 0: none is under way, or its goal is not known yet. */
uint64_t dmg_chainnet_behind( dmg_chainnet_t const * net );

typedef struct {
  dmg_net_peer_t peer; uint32_t conn; bool is_outbound, is_link, has_status; int validator;   /* core's peer index or -1 */
  uint64_t rtt_us, height, final_view; uint16_t roles; char addr[ DMG_CHAINNET_ADDR_SZ_MAX ], agent[ 64 ];
} dmg_chainnet_peer_t;
/* Connections, up to max; returns how many there are. */
size_t dmg_chainnet_peers( dmg_chainnet_t const * net, dmg_chainnet_peer_t * out, size_t max );

#endif
