/* node: a node among others: chain, agreement and network in one thread.

     libp2p port --> chainnet --> validator --> chain          JSON-RPC reads and submits beside it (chain.h)

   Threads  start, stop: one; info, peers, dial, scores, metrics: any; the node's own thread does the rest
   Failure  start: the reason is in out_why.  A failure that ends the node: on_end is called, once, on the node's thread
   Spec     docs/spec/network.md, docs/spec/consensus.md */
#ifndef DMG_NODE_NODE_H
#define DMG_NODE_NODE_H

#include "node/validator.h"

#define DMG_NODE_ADDR_SZ 160   /* a multiaddress with its peer id and the final zero */

typedef struct {
  dmg_chain_t *        chain;            /* opened with is_several; events set; not started */
  uint8_t              seed[ 32 ];       /* Ed25519 node identity (N5.7) */
  char const * const * listen;           /* multiaddresses */
  size_t               listen_cnt;
  char const * const * peers;            /* "/ip4/../tcp/7370/p2p/12D3Koo..": who is dialled */
  size_t               peer_cnt;
  char const * const * external;         /* where others reach us, if not where we listen */
  size_t               external_cnt;
  char const *         peer_file;        /* who else there is, kept over restarts; NULL: nowhere */
  uint32_t             uplink_mbit;      /* of the line; class 4 gets half of it (N2.3); 0: no limit */
  bool                 is_private;       /* N10.1: no limits by address, so that many nodes of one machine connect */
  void              (* on_end )( void * ctx, dmg_err_t err );
  void *               ctx;
} dmg_node_cfg_t;

typedef struct dmg_node dmg_node_t;

DMG_MUST_USE dmg_err_t dmg_node_start( dmg_node_cfg_t const * cfg, dmg_node_t ** out_node, char out_why[512] );
/* Says good-bye to its links, ends the thread; the chain stays open. */
void dmg_node_stop( dmg_node_t * node );   /* NULL: nothing */
/* Writes the peer file when it is due, each ten minutes; from the thread that stops the node, now and then. */
void dmg_node_keep( dmg_node_t * node );

typedef struct {
  dmg_validator_info_t validator;
  uint32_t conn_cnt, in_cnt, link_cnt, relayed_cnt;
  bool     is_syncing;
  uint64_t sync_goal;
  uint32_t final_p50_ms, final_p99_ms; /* node_watch.h; 0: none in the last minute */
  double   rate;                       /* blocks a second */
  char     peer[ 64 ];                 /* our id */
  char     addr[ DMG_NODE_ADDR_SZ ];   /* the first we listen at, with our peer id; "" before that is known */
} dmg_node_info_t;
void dmg_node_info( dmg_node_t * node, dmg_node_info_t * out );
/* Up to max; returns how many there are. */
size_t dmg_node_peers( dmg_node_t * node, dmg_query_peer_t * out, size_t max );
/* "/ip4/1.2.3.4/tcp/7370/p2p/12D3Koo..": dialled now, and again as long as the node runs.  INVALID: no such address; FULL: eight wait already, or DMG_REACH_MAX are dialled.
   out_why says so. */
DMG_MUST_USE dmg_err_t dmg_node_dial( dmg_node_t * node, char const * addr, char out_why[256] );
/* Whom it was told to be connected with, and how that stands: up to max; returns how many there are. */
size_t dmg_node_dials( dmg_node_t * node, dmg_query_dial_t * out, size_t max );
/* Lines "PEER SCORE"; waits for the network's thread up to a second. */
DMG_MUST_USE dmg_err_t dmg_node_scores( dmg_node_t * node, dmg_buf_t * out );
/* Appends Prometheus text. */
DMG_MUST_USE dmg_err_t dmg_node_metrics( dmg_node_t * node, dmg_buf_t * out );

/* The peer id of a node identity, as bytes for a genesis and as text ("12D3Koo.."). */
DMG_MUST_USE dmg_err_t dmg_node_peer_id( uint8_t const seed[ 32 ], dmg_buf_t * out_bytes, char out_text[ 64 ] );

#endif
