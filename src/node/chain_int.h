/* chain_int: the state of one chain, shared by its files.

     chain_open.c   opening, what a crash left undone        chain_pool.c   submitting
     chain_block.c  blocks: built or checked, executed on    chain_query.c  reads
                    a tree above the head, committed         chain_dev.c    cheats
     chain.c        the head; the thread of a chain of one   chain_votes.c  vote log and safety file of a chain of one
     chain_attend.c who voted, as bodies record it; sets by epoch

   Locks, in this order
     readers   read: an open view, or a transaction being admitted; write: dev_revert, which needs all of them gone
     writing   who writes state and block log: the chain thread for a block (of several: a job, validator_work.c), dev_snapshot and dev_revert
     lock      pool, head, requests to the chain thread, dev fields; never held for long
     sending   events on their way to rpc, so that two threads cannot swap two statuses of one transaction
   Events are collected under `lock` and sent under `sending` alone: their receiver opens views and takes locks of its own. */
#ifndef DMG_NODE_CHAIN_INT_H
#define DMG_NODE_CHAIN_INT_H

#include "consensus/just.h"
#include "node/chain.h"
#include "node/epochs.h"
#include "node/head_cache.h"
#include "node/holding.h"
#include "node/solo.h"
#include "runtime/code_cache.h"
#include "runtime/exec.h"
#include "storage/block_log.h"
#include "storage/data_dir.h"
#include "storage/state.h"
#include "storage/wal.h"
#include "txpool/txpool.h"
#include "types/agree.h"
#include "types/params.h"

#include <pthread.h>
#include <stdatomic.h>

enum { DMG_CHAIN_SNAPSHOT_MAX = DMG_STATE_SNAPSHOTS_MAX, DMG_CHAIN_OVERRIDE_MAX = 64 };
#define DMG_CHAIN_ARENA_MAX     ( (size_t)1<<30 )    /* of one block: write set, receipts, transactions */
#define DMG_CHAIN_EVENTS_SZ_MAX ( (size_t)64<<20 )   /* events not sent yet */
#define DMG_CHAIN_CACHE_MAX     ( (uint32_t)1<<16 )  /* accounts of the head in head_cache */
#define DMG_CHAIN_OUTBOX_SZ_MAX ( (size_t)4<<20 )    /* transactions on their way to others */
#define DMG_CHAIN_MEM_LOG_MAX   ( (uint64_t)4<<30 )  /* block log of a chain in memory */
#define DMG_CHAIN_MEM_KV_MAX    ( (uint64_t)4<<30 )

/* Column meta, beside the state's own: the records of epochs (C2.2). */
#define DMG_CHAIN_META_EPOCH "epoch"
#define DMG_CHAIN_META_NEXT  "epoch.next"
#define DMG_CHAIN_META_ATTENDED "attended"   /* epoch u32, view u64: what the committed blocks recorded last */

/* C8.2: the last view that bodies up to a block recorded, and its epoch. */
typedef struct { uint32_t epoch; uint64_t view; } dmg_chain_attended_t;

/* A final block by height, for those who ask for its view. */
enum { DMG_CHAIN_RECENT_CNT = 64 };
typedef struct { uint64_t height, view; dmg_hash_t hash; } dmg_chain_recent_t;   /* height 0: none */

/* The committed head: what the pool judges by and a chain of one builds on. */
typedef struct {
  dmg_solo_parent_t block;                /* height, time, hash; NOTARIZATION: of a chain of one */
  dmg_hash_t        root;                 /* state after it */
  bool              is_empty;             /* no transactions in it */
  dmg_chain_attended_t attended;
  uint64_t          price;                /* of the next block */
  dmg_i128_t        supply_off;           /* sparks that dev_setBalance put in (or took out): 0 unless the supply's sum is broken */
} dmg_chain_head_t;

typedef struct { dmg_state_snap_t * state; dmg_chain_head_t head; bool is_used; } dmg_chain_snapshot_t;

/* A block executed on its parent: of the tree above the head once it is attached (S7.1). */
typedef struct dmg_chain_block dmg_chain_block_t;
struct dmg_chain_block {
  dmg_chain_block_t *     next;           /* of chain->blocks; a parent stands behind its children */
  dmg_arena_t *           arena;          /* holds all of it */
  dmg_signed_header_t     sh;             /* sig zero: not signed yet */
  dmg_hash_t              hash, root;     /* root: of the state after it */
  dmg_span_t              body;           /* BCS */
  dmg_exec_out_t          exec;
  dmg_view_t *            view;           /* of the parent; until it is attached */
  dmg_hash_t *            tx_ids;
  uint32_t *              by_id;          /* of several: indexes of tx_ids, ascending by id */
  dmg_txpool_included_t * included;
  dmg_txpool_ref_t *      refs, * left;   /* of a block that was built: what the pool gave for it; of that, what the executor left out */
  size_t                  ref_cnt, left_cnt;
  uint32_t                tx_cnt;
  dmg_i128_t              supply_off;     /* as in the head */
  dmg_chain_attended_t    attended;
  dmg_attendance_t *      atts;           /* recorded by its body (C8.2) */
  uint32_t                att_cnt;
  bool                    is_attached, is_full;   /* is_full: more than half of any limit: the rest of the pool may not have fitted */
  uint64_t                build_ns, exec_ns, vote_ns;   /* vote_ns: saving and casting the votes of a chain of one */
};

/* What was committed, for who is to be told. */
typedef struct { dmg_at_block_t at; uint64_t time_ms; uint32_t tx_cnt; bool is_full; } dmg_chain_made_t;

struct dmg_chain {
  dmg_chain_cfg_t     cfg;
  dmg_arena_t *       genesis_arena;
  dmg_genesis_t *     genesis;
  dmg_hash_t          chain_id;
  dmg_set_t           set;                /* validators of genesis, as agreement orders them */
  dmg_hash_t          leaders[ DMG_SET_MAX ];   /* accounts by index of the set: they get the tips */
  uint64_t            window_views;       /* L of C1.3 */
  dmg_record_t        record, next_record;   /* of the epoch of the block above the head, and of the one after it, once its seed is final; written under `writing` and lock */
  bool                has_next_record;
  dmg_keys_t *        keys;               /* dmg_chain_keys; under `writing` */
  bool                has_keys;
  dmg_chain_recent_t  recent[ DMG_CHAIN_RECENT_CNT ];   /* by height; under `writing` */
  dmg_solo_t          solo;
  dmg_vm_t *          vm;
  dmg_code_cache_t *  cache;
  dmg_runtime_t *     runtime;
  dmg_data_dir_t *    data_dir;
  dmg_kv_t *          kv;
  dmg_state_t *       state;
  dmg_vfs_t *         vfs;
  dmg_block_log_t *   log;
  dmg_wal_t *         wal;                /* with a data folder */
  dmg_signer_t *      signer;
  dmg_buf_t           unfinished;         /* at a start: signed header and body of a block that was voted for and is not final */
  dmg_hash_t          unfinished_hash;
  dmg_query_t         query;
  dmg_query_dev_t     query_dev;
  dmg_query_events_t  events;
  char                name[ 33 ];

  pthread_rwlock_t    readers;
  pthread_mutex_t     writing;
  dmg_chain_block_t * blocks;             /* executed, above the head; changed under `writing` and lock, as readers look at notarized ones */
  dmg_arena_t *       spare;              /* of the last block; under `writing` */
  pthread_mutex_t     sending;
  pthread_mutex_t     lock;
  pthread_cond_t      wake;               /* for the chain thread */
  pthread_cond_t      made;               /* dev_mine waits for its blocks */
  pthread_t           thread;
  bool                is_running, is_stopping;
  dmg_txpool_t *      pool;
  dmg_txpool_state_t  pool_state;
  dmg_view_t *        head_view;          /* what the pool judges by; used under lock only */
  dmg_call_checker_t * checker;           /* of head_view; NULL: not asked yet; under lock */
  dmg_arena_t *       pool_arena;         /* of one question of the pool */
  dmg_head_cache_t *  head_cache;         /* what head_view said of accounts; under lock */
  dmg_buf_t           pending;            /* events (pending_t) not sent yet */
  bool                has_work;           /* something pooled may fit into a block */
  dmg_buf_t           outbox;             /* { size u32, bytes }* admitted here and not sent yet; under lock */
  void             (* on_outbox )( void * ctx );   /* NULL: there is nobody else */
  void *              on_outbox_ctx;
  dmg_params_t        params;
  dmg_chain_head_t    head;
  dmg_hash_t          tip;                /* F0.4: of several the highest block of `blocks` that is notarized; the head: none is; under lock */
  dmg_pace_t          pace;
  uint64_t            last_block_ns;      /* monotonic */
  atomic_ulong        making_ns;          /* when the block in the making was begun; 0: none is */
  uint64_t            hold_ns;            /* pace auto: not sooner than this after the last block */
  uint64_t            mine_left;          /* blocks asked for by dev_mine */
  uint64_t            mine_step_ms;
  int64_t             clock_offset_ms;    /* dev: ahead of the wall clock */
  uint64_t            clock_min_ms;       /* manual: what dev_setTime said; the next block is not earlier */
  dmg_chain_snapshot_t snapshots[ DMG_CHAIN_SNAPSHOT_MAX ];
  struct { dmg_hash_t account; uint64_t sparks; } overrides[ DMG_CHAIN_OVERRIDE_MAX ];   /* dev_setBalance, for the next block */
  uint32_t            override_cnt;
  uint64_t            faucet_seq;         /* nonces of a seeded chain's faucet */
  uint64_t            override_seq, override_taken, override_done;   /* calls so far; those in the block at work; those in the state */
  uint64_t            tx_cnt, block_cnt;
  uint64_t            build_ns, exec_ns, commit_ns;   /* sums, for metrics */
};

/* For tests of recovery: called after each step of a block; NULL outside tests.  height and hash say of which.  Of a chain of one in this order. */
typedef enum { DMG_CHAIN_STEP_BUILT, DMG_CHAIN_STEP_SAVED, DMG_CHAIN_STEP_SIGNED, DMG_CHAIN_STEP_BODY, DMG_CHAIN_STEP_RECEIPTS, DMG_CHAIN_STEP_FINAL, DMG_CHAIN_STEP_SYNCED, DMG_CHAIN_STEP_STATE, DMG_CHAIN_STEP_CNT } dmg_chain_step_t;
extern void (* dmg_chain_hook)( dmg_chain_step_t step, uint64_t height, dmg_hash_t const * hash );
static inline void dmg_chain_step( dmg_chain_step_t step, uint64_t height, dmg_hash_t const * hash ) { if( dmg_chain_hook ) dmg_chain_hook( step, height, hash ); }

/* S8.6: a chain that cannot go on from what it has in memory stops at once; the next start reads what is on disk. */
_Noreturn void dmg_chain_fatal( char const * what, dmg_err_t err );
/* Pace auto: how long after a block of tx_cnt transactions the next one begins.  0.1 ms for each, at most 50 ms: a few
   transactions go into a block at once (F2.5), from 10,000/s on blocks grow and their fixed costs, some ms of CPU and their
   syncs, are shared by thousands.  is_full: the block took what a block may; no wait. */
uint64_t dmg_chain_hold_ns( uint32_t tx_cnt, bool is_full );
/* The chain's clock; in manual mode it stands still between blocks (F2.2). */
uint64_t dmg_chain_now_ms( dmg_chain_t * chain );
/* The same with `lock`. */
uint64_t dmg_chain_clock_ms( dmg_chain_t const * chain );
/* Takes head as the chain's: the pool's view, parameters, price; writes: its block's, on the head before, NULL: it is another
   chain or the first.  The pool is told by the caller.  With `lock`. */
DMG_MUST_USE dmg_err_t dmg_chain_adopt( dmg_chain_t * chain, dmg_chain_head_t const * head, dmg_exec_out_t const * writes );
/* The head in the pool's words.  With `lock`. */
dmg_txpool_head_t dmg_chain_pool_head( dmg_chain_t const * chain );
/* Closes the pool's view of the head: before a state under it goes.  With `lock`. */
void     dmg_chain_drop_view( dmg_chain_t * chain );
/* A pool over the adopted head; the one before is freed.  With `lock`, no ticket out. */
DMG_MUST_USE dmg_err_t dmg_chain_new_pool( dmg_chain_t * chain );
/* Sends the collected events.  Without any lock. */
void     dmg_chain_flush_events( dmg_chain_t * chain );

/* chain_block.c.  All under `writing`; failures are local ones, and final for the chain. */
/* The state that a block stands on: the head's or that of a block of the tree.  NOT_FOUND. */
typedef struct { uint64_t height, time_ms, price; dmg_hash_t root; dmg_i128_t supply_off; dmg_chain_attended_t attended; } dmg_chain_parent_t;
DMG_MUST_USE dmg_err_t dmg_chain_parent( dmg_chain_t * chain, dmg_hash_t const * hash, dmg_chain_parent_t * out );
dmg_chain_block_t *    dmg_chain_block_find( dmg_chain_t * chain, dmg_hash_t const * hash );   /* NULL: not in the tree */
/* A block from what waits in the pool, executed in the context of this header (epoch, view, leader, parent, height, time and
   reveal; the rest is not looked at) and not attached: its header is still to be made.  atts: what it records (C8.2), none if empty. */
DMG_MUST_USE dmg_err_t dmg_chain_block_build( dmg_chain_t * chain, dmg_header_t const * draft, bool is_empty, dmg_attendance_t const * atts, uint32_t att_cnt, dmg_chain_block_t ** out );
/* Executes a block that somebody made.  is_own: its transactions were admitted here.  BAD: the body breaks C5.2 or R4.3. */
DMG_MUST_USE dmg_verdict_t dmg_chain_block_check( dmg_chain_t * chain, dmg_signed_header_t const * sh, dmg_hash_t const * hash, dmg_span_t body, bool is_own, dmg_chain_block_t ** out );
/* Into the tree: an overlay, and the root after it (S7.2). */
DMG_MUST_USE dmg_err_t dmg_chain_block_attach( dmg_chain_t * chain, dmg_chain_block_t * block, dmg_signed_header_t const * sh, dmg_hash_t const * hash );
/* Gone, with its overlay and all that stand on it; NULL: nothing. */
void dmg_chain_block_drop( dmg_chain_t * chain, dmg_chain_block_t * block );
/* This block, if it is in the tree, is the head that readers see.  sig: its leader's, which an own one was attached without; NULL: as it is.
   Any thread, without a lock. */
void dmg_chain_set_tip( dmg_chain_t * chain, dmg_hash_t const * hash, uint8_t const sig[ DMG_BLS_SIG_SZ ] );
/* The block that readers see above the head, NULL: none; and among it and its ancestors above the head the one of a height, of a hash, with
   a transaction.  With `lock`; they live as long as it is held. */
dmg_chain_block_t const * dmg_chain_tip_block ( dmg_chain_t * chain );
dmg_chain_block_t const * dmg_chain_tip_height( dmg_chain_t * chain, uint64_t height );
dmg_chain_block_t const * dmg_chain_tip_hash  ( dmg_chain_t * chain, dmg_hash_t const * hash );
dmg_chain_block_t const * dmg_chain_tip_tx    ( dmg_chain_t * chain, dmg_hash_t const * id, uint32_t * out_index );
/* Blocks of the tree became final, the first a child of the head, each the child of the one before: to the block log with one sync
   (S8.1, S8.8), then the state with one, the head, the pool; branches that lost go, the blocks with them.
   cert: its FINALIZATION; NULL: a descendant's made it final.  A NOTARIZATION is a chain of one's. */
typedef struct { dmg_chain_block_t * block; dmg_cert_t const * cert, * notarization; } dmg_chain_final_t;
DMG_MUST_USE dmg_err_t dmg_chain_commit( dmg_chain_t * chain, dmg_chain_final_t const * finals, uint32_t cnt, dmg_chain_made_t * out_made );
/* The same for one. */
DMG_MUST_USE dmg_err_t dmg_chain_block_commit( dmg_chain_t * chain, dmg_chain_block_t * block, dmg_cert_t const * cert, dmg_cert_t const * notarization, dmg_chain_made_t * out );

/* chain_attend.c.  The set of an epoch, its points loaded; NULL: not known here, or no memory.  Under `writing`, good until the next call. */
dmg_keys_t const * dmg_chain_keys( dmg_chain_t * chain, uint32_t epoch );
/* The last view recorded before a child of a block with these. */
uint64_t dmg_chain_attended_view( dmg_chain_attended_t const * attended, dmg_header_t const * child );
/* C8.2 of a body over its parent's; out: what is recorded up to it. */
DMG_MUST_USE dmg_verdict_t dmg_chain_attend( dmg_chain_t * chain, dmg_header_t const * header, dmg_body_t const * body, dmg_chain_attended_t const * parent, dmg_chain_attended_t * out );
DMG_MUST_USE dmg_err_t dmg_chain_attended_put( dmg_chain_block_t const * block, dmg_arena_t * arena, dmg_kv_op_t * out_op );
DMG_MUST_USE dmg_err_t dmg_chain_attended_get( dmg_chain_t * chain, dmg_chain_attended_t * out );   /* of the committed head */
void dmg_chain_recent_put( dmg_chain_t * chain, dmg_chain_block_t const * block );                     /* a block that becomes final */
/* A block's signed header from the block log, without its body, held against the hash: CORRUPT, and out written, if it is not its. */
DMG_MUST_USE dmg_err_t dmg_chain_header_stored( dmg_chain_t * chain, dmg_hash_t const * hash, uint8_t out[ DMG_SIGNED_HEADER_SZ ] );

/* Free and Held of an account without a lock in the head's state, if head_cache knows.  With `lock`. */
bool     dmg_chain_known_holding( dmg_chain_t * chain, dmg_hash_t const * address, uint64_t * out_free, uint64_t * out_held );
/* The pool's answer in rpc's words. */
void     dmg_chain_status( dmg_txpool_status_t const * status, dmg_query_tx_status_t * out );

/* chain_votes.c.  Opens vote log and safety file, holds them against each other and the blocks (C6.4, C6.5): the block that was
   voted for and is not final goes into chain->unfinished.  CORRUPT: the chain must not go on. */
DMG_MUST_USE dmg_err_t dmg_chain_votes_open ( dmg_chain_t * chain, char out_why[512] );
/* SAVE of C6.1: header, body and the three votes for it, synced. */
DMG_MUST_USE dmg_err_t dmg_chain_votes_save ( dmg_chain_t * chain, dmg_header_t const * header, dmg_hash_t const * hash, dmg_span_t body );
/* The block is final on disk: the log's floor, with the next block's sync. */
DMG_MUST_USE dmg_err_t dmg_chain_votes_final( dmg_chain_t * chain, uint64_t height, dmg_hash_t const * hash, dmg_cert_t const * finalization );

/* chain_pool.c: tx_submit; is_foreign: others sent them. */
void dmg_chain_submit( dmg_chain_t * chain, dmg_query_submit_t * items, size_t cnt, bool is_foreign );
/* Those that wait in the pool, for bodies of others' (N8.7); with `lock`. */
void dmg_chain_each_tx( dmg_chain_t * chain, dmg_txpool_visit_t visit, void * arg );
DMG_MUST_USE dmg_err_t dmg_chain_tx( dmg_chain_t * chain, dmg_hash_t const * id, dmg_buf_t * out );   /* appends; NOT_FOUND */
/* chain.c: the votes of a chain of one for an attached block, and its commit. */
DMG_MUST_USE dmg_err_t dmg_chain_solo_finish( dmg_chain_t * chain, dmg_chain_block_t * block, dmg_chain_made_t * out );

void dmg_chain_pool_fill ( dmg_chain_t * chain );   /* chain_pool.c: what the pool asks, and tx_submit */
void dmg_chain_query_fill( dmg_chain_t * chain );   /* chain_query.c */
void dmg_chain_dev_fill  ( dmg_chain_t * chain );   /* chain_dev.c */

#endif
