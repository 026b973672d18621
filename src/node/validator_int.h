/* validator_int: the state of one driver.

     validator.c        turn, actions of the core, start, questions of others
     validator_block.c  blocks above the head: what is known of them, what is missing
     validator_work.c   jobs: execution, building, commit; sync

   The chain's tree, head, state and block log are the jobs' (jobs.h).  The driver knows of them what it gave to jobs and what came
   back: vblk_t.is_executed and root, head, record.  So it never waits for a job, and looks at nothing that a job changes. */
#ifndef DMG_NODE_VALIDATOR_INT_H
#define DMG_NODE_VALIDATOR_INT_H

#include "node/chain_int.h"
#include "node/jobs.h"
#include "node/validator.h"
#include "consensus/just.h"

enum { QUEUE_MAX = 1024, SIGN_MAX = 256, PEND_MAX = 256, BUCKET_CNT = 4096, FINALS_CNT = 64, GROUP_MAX = 64 };
#define ASK_US   1000000u    /* before a header or body is asked for again */
#define POLL_US  100000u     /* while something is missing */
#define CHECKPOINT_AGE_MS ( (uint64_t)9*86400000u )   /* C10.2 */
#define STALE_US 5000000u    /* how long the core has to follow the head into the next epoch */

/* A block known by hash above the head. */
typedef struct vblk {
  struct vblk *       next;
  dmg_hash_t          hash;
  dmg_signed_header_t sh;
  uint8_t *           body;
  uint32_t            body_sz;
  bool                has_header, is_bad;
  bool                is_pushed;    /* the network was given it to tell others */
  bool                is_got;       /* the core asked for its header */
  bool                is_executed;  /* in the chain's tree; root: of the state after it */
  bool                is_running;   /* a job executes it */
  bool                is_sync;      /* known to be final by sync */
  dmg_hash_t          root;
  dmg_chain_attended_t attended;    /* with root */
  dmg_chain_block_t * built;        /* own: executed when it was built, not in the tree yet */
  uint64_t            wait_us;      /* not tried again before: something was full */
  uint64_t            ask_us;       /* when it was last asked for; 0: not yet */
  uint64_t            born_us;
} vblk_t;

/* own: bytes of the event, freed behind it. */
typedef struct { dmg_cons_event_t ev; uint8_t * own; } queued_t;

/* The committed head and what hangs on it, as of the last commit that came back. */
typedef struct {
  uint64_t     height, time_ms;
  dmg_hash_t   hash, root;
  dmg_chain_attended_t attended;
  dmg_record_t record, next_record;
  bool         has_next_record;
} val_head_t;

/* Given by sync, in order; a closing header has no block of its own. */
typedef struct { dmg_hash_t hash; uint64_t height; bool is_closing, is_bad, has_fin; dmg_cert_t fin; } synced_t;

struct dmg_validator {
  dmg_validator_cfg_t         cfg;
  dmg_chain_t *               chain;
  dmg_jobs_t *                jobs;
  uint32_t                    busy_cnt;   /* jobs on the tree, posted and not taken */
  val_head_t                  head;
  struct { dmg_hash_t hash, root; } finals[ FINALS_CNT ];   /* the last committed */
  uint32_t                    final_at;
  dmg_validator_net_t const * net;
  dmg_arena_t *               arena;      /* the core's */
  dmg_cons_t *                core;
  dmg_cons_out_t *            out;
  dmg_cons_info_t             info;       /* after the last step */
  uint64_t                    now_us, wall_ms, timer_us;
  dmg_err_t                   broken;     /* why it stopped */
  atomic_int                  failed;     /* what a job's write or sync failed with: known before the job comes back */
  queued_t                    queue[ QUEUE_MAX ];
  uint32_t                    queue_at, queue_cnt;

  uint64_t                    save_seq, saved_seq;
  struct { uint64_t id; dmg_safety_vote_t vote; } signs[ SIGN_MAX ];
  uint32_t                    sign_cnt;
  dmg_safety_epoch_t          safety_epoch;
  uint8_t                     reveal[ DMG_BLS_SIG_SZ ];   /* the last one given */

  bool                        has_build;
  struct { uint64_t id, view, height; dmg_hash_t parent; uint64_t parent_view; bool is_empty; } build;
  dmg_chain_block_t *         built;      /* not proposed yet */

  vblk_t *                    blocks[ BUCKET_CNT ];
  uint32_t                    block_cnt;
  size_t                      body_sz;
  struct { dmg_hash_t hash; uint8_t * bytes; uint32_t sz; } early[ DMG_VALIDATOR_EARLY_MAX ];
  uint32_t                    early_at;
  struct { uint64_t view; dmg_hash_t hash; } pend[ PEND_MAX ];   /* a VERDICT is owed */
  uint32_t                    pend_cnt;
  dmg_cert_t                  goal;
  bool                        has_goal, is_syncing;
  dmg_hash_t                  tip;        /* what readers were told is the head */
  bool                        is_sweep_due;   /* a view was left since overlays were looked through (C5.3) */
  uint64_t                    sync_us;
  synced_t                    sync[ DMG_VALIDATOR_SYNC_MAX ];
  uint32_t                    sync_at, sync_cnt;
  uint64_t                    group_us;   /* since when executed blocks of a sync wait for their commit; 0: none does */
  dmg_cert_t                  fin;        /* the highest FINALIZATION of a committed block; zero: none */
  uint64_t                    fin_height; /* of that block */
  dmg_checkpoint_t            wanted;     /* C10.2: not met yet; no vote before */
  uint64_t                    met_height; /* where it was met: the core begins to vote once that is committed; 0: it votes, or waits */
  uint32_t                    epoch_known;/* the newest epoch whose set is known here */
  uint64_t                    stale_us;   /* since when the head is in a later epoch than the core; 0: it is not */
  uint32_t                    floor_epoch;
  uint64_t                    floor_view;      /* the last floor in the vote log */
  dmg_record_t                told;       /* record of e+1 that the core was told */
  dmg_keys_t *                keys;       /* of keys_epoch */
  bool                        has_keys;
  struct { bool is_up; uint8_t key[ DMG_BLS_KEY_SZ ]; } links[ DMG_CONS_PEER_MAX ];
  uint64_t                    saves, sign_total, alarms, evidence, built_again, dropped;
};
typedef struct dmg_validator val_t;

/* validator.c */
void dmg_val_queue_put( val_t * v, dmg_cons_event_t const * ev, uint8_t * own );
void dmg_val_halt( val_t * v, dmg_err_t err, char const * what );   /* once */
void dmg_val_got_header( val_t * v, dmg_signed_header_t const * sh );   /* GOT for the core */

void dmg_val_wal_prune( val_t * v );

/* validator_block.c */
vblk_t * dmg_val_blk_find( val_t * v, dmg_hash_t const * hash );
vblk_t * dmg_val_blk_need( val_t * v, dmg_hash_t const * hash );   /* NULL: too many, or no memory */
void     dmg_val_blk_header( val_t * v, vblk_t * b, dmg_header_t const * h, uint8_t const sig[ DMG_BLS_SIG_SZ ] );
bool     dmg_val_blk_body( val_t * v, vblk_t * b, dmg_span_t body, bool is_own );   /* false: not kept */
dmg_span_t dmg_val_body_of( vblk_t const * b );
void     dmg_val_blocks_pruned( val_t * v );   /* after a commit */
void     dmg_val_blocks_free( val_t * v );
void     dmg_val_blocks_sweep( val_t * v );    /* C5.3 */
void     dmg_val_show( val_t * v );            /* F0.4 */
bool     dmg_val_root_of( val_t * v, dmg_hash_t const * hash, dmg_hash_t * out );
void     dmg_val_ask( val_t * v, vblk_t * b, dmg_validator_what_t what );
vblk_t * dmg_val_pursue( val_t * v, vblk_t * b );   /* down from b to the block to execute next; NULL: asked for what it lacks, or nothing to do */
bool     dmg_val_answer( val_t * v, uint32_t i );   /* VERDICT for pend[ i ] if it is known; false: still open */
void     dmg_val_on_check( val_t * v, dmg_header_t const * header, dmg_hash_t const * hash, uint8_t const sig[ DMG_BLS_SIG_SZ ] );
bool     dmg_val_keys_of( val_t * v, uint32_t epoch );
bool     dmg_val_is_passing( dmg_err_t err );       /* full tables and memory: a local failure is never a verdict on the block (C5.3) */

/* validator_work.c */
DMG_MUST_USE dmg_err_t dmg_val_jobs_open( val_t * v );
void     dmg_val_jobs_close( val_t * v );
void     dmg_val_take( val_t * v );           /* what jobs have done */
void     dmg_val_work( val_t * v );           /* gives the jobs something to do, if they have nothing */
bool     dmg_val_drop( val_t * v, vblk_t * b );   /* its overlay; false: not now */
void     dmg_val_discard( val_t * v, dmg_chain_block_t * x );   /* a block that is not in the tree; NULL: nothing */
uint64_t dmg_val_wake_us( val_t const * v );  /* when to look again though nothing came */
DMG_MUST_USE dmg_err_t dmg_val_keep( val_t * v, dmg_span_t key, dmg_span_t bytes );   /* into column meta.  FULL */

#endif
