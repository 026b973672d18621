/* chain: one node's chain: pool, blocks, execution, state, finality, joined.

     tx_submit --> pool --+
     clock, pace ---------+--> chain thread: build, execute, sign, store, commit --> final block     a chain of one (C2.7)
     dev_* ---------------+                                     |
     reads (any thread) <-- views, block store <----------------+--> events: on_block, on_tx
                            validator.h drives the same steps where several agree (is_several)

   A block is final once its FINALIZATION is on disk (with a data folder: synced, S8.1): body first, then the
   votes, then receipts and certificate, then the state.  A failed sync ends the process.

   Threads  open, start, stop, close: one thread.  The functions of dmg_chain_query: any thread
   Failure  open: the reason is in out_why, fit for a user: what, where, what would be right
   Memory   the chain owns what it opens; genesis and code files are copied
   Spec     docs/spec/consensus.md C2.7; storage.md S7, S8 */
#ifndef DMG_NODE_CHAIN_H
#define DMG_NODE_CHAIN_H

#include "node/dev_genesis.h"
#include "rpc/query.h"

typedef struct dmg_chain dmg_chain_t;

/* C10.2: a block of the chain that its operator has from somebody he trusts. */
typedef struct { bool is_set; uint32_t epoch; dmg_hash_t hash; } dmg_checkpoint_t;

typedef struct {
  dmg_span_t               genesis;         /* BCS, M16.6 */
  dmg_dev_module_t const * modules;         /* code files the genesis names by hash */
  uint32_t                 module_cnt;
  uint8_t                  validator_secret[ 32 ];   /* is_several: zeros for a follower */
  bool                     is_several;      /* consensus of several: a genesis of kind test or main, driven by validator.h; else of kind dev, one validator */
  char const *             data_dir;        /* NULL: all in memory */
  struct dmg_vfs *         vfs;             /* a simulated disk: data_dir's files are there and its store is kv; both borrowed, they outlive the chain.  NULL: the machine's */
  struct dmg_kv *          kv;
  char const *             cache_dir;       /* compiled modules */
  bool                     is_durable;      /* sync before final; needs data_dir */
  uint64_t                 tree_sz_max;     /* 0: the default */
  dmg_checkpoint_t         checkpoint;      /* is_several: what the final chain must hold; wanted of a node whose head is old */
  dmg_pace_t               pace;
  bool                     is_dev;          /* dev_* are served */
  dmg_dev_account_t const * dev_accounts;   /* dmg_dev_key_cnt( dev_account_cnt ), is_dev only; borrowed */
  uint32_t                 dev_account_cnt; /* besides node1; 0: DMG_DEV_ACCOUNT_CNT */
  bool                     is_seeded;       /* F2.2: nothing random: the same calls give the same hashes (manual, in memory) */
} dmg_chain_cfg_t;

/* Opens or makes the chain; with a data folder that holds one: the same head as before. */
DMG_MUST_USE dmg_err_t dmg_chain_open( dmg_chain_cfg_t const * cfg, dmg_chain_t ** out_chain, char out_why[512] );
/* Whom to tell; before start. */
void dmg_chain_events( dmg_chain_t * chain, dmg_query_events_t const * events );
/* Starts making blocks; of pace auto, one that goes on has made its first, so that the state it found is provable.  Before anybody can change the pace. */
DMG_MUST_USE dmg_err_t dmg_chain_start( dmg_chain_t * chain );
/* Finishes the block at work and stops making them.  Reads go on. */
void dmg_chain_stop( dmg_chain_t * chain );
void dmg_chain_close( dmg_chain_t * chain );   /* stopped, and nobody reads; NULL: nothing */

/* The tables for rpc; lives as long as the chain. */
dmg_query_t const * dmg_chain_query( dmg_chain_t * chain );
/* Prometheus text (F13.1). */
DMG_MUST_USE dmg_err_t dmg_chain_metrics( dmg_chain_t * chain, dmg_buf_t * out );
/* F3.8: head age under 5 s (unless blocks are made by hand); appends a JSON array of reasons otherwise. */
bool dmg_chain_is_ready( dmg_chain_t * chain, dmg_buf_t * out_reasons );

#endif
