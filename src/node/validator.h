/* validator: one node's part in the agreement of several: carries out what the core (consensus/cons.h) decides.

     network --> link frame pushed got sync --> [ core: step ] --SAVE--> vote log --SIGN--> signer --SEND--> network
                                                    |  ^  `----CHECK BUILD--> chain: execute on the tree of overlays --VERDICT BUILT--> core
                        fetch push_body sync_to <---'  `--COMMIT--> chain: block log, state, head, pool

   A turn drains what is waiting: events of the core first, then one sync of the vote log for all SAVEs, one of the safety file for
   all votes (C6.1), due timers; then it gives the chain's jobs something to do, if they have nothing (S7.3: blocks executed, built,
   committed).  They run beside it, in a thread of theirs (is_threaded), so no vote waits for a block's execution or a commit's syncs;
   or inline, in the turn.  Time is an argument: a test runs four of these in one thread on a clock of its own.

   Memory   the core's (about 17 MiB at n = 4), known headers and bodies above the head
   Threads  one at a time, inline with the stack of vm.h; the chain's readers go on beside it; on_block of the chain's events comes from
            the jobs' thread; close waits for the job that runs
   Failure  a failed write or sync, a state that is not the others': final, returned by turn; nothing is voted or sent afterwards
   Bounds   DMG_VALIDATOR_*
   Spec     docs/spec/consensus.md C4-C7, docs/spec/storage.md S7, S8
   Not here connections, bodies on the wire, sync's protocol: whoever fills dmg_validator_net_t */
#ifndef DMG_NODE_VALIDATOR_H
#define DMG_NODE_VALIDATOR_H

#include "consensus/cons.h"
#include "node/chain.h"

#define DMG_VALIDATOR_BLOCK_MAX   65536                /* headers known above the head */
#define DMG_VALIDATOR_BODY_SZ_MAX ( (size_t)256<<20 )  /* their bodies, until they are final */
#define DMG_VALIDATOR_EARLY_MAX   256                  /* bodies that came before their header */
#define DMG_VALIDATOR_SYNC_MAX    128                  /* blocks of a sync taken and not committed */
#define DMG_VALIDATOR_GAP_MAX     16                   /* heights that are got block by block; more are synced */

typedef enum { DMG_VALIDATOR_HEADER, DMG_VALIDATOR_BODY } dmg_validator_what_t;

/* What it wants of the network; called inside the functions below, must not call back. */
typedef struct {
  void * ctx;
  void (*send)     ( void * ctx, dmg_peers_t const * peers, dmg_span_t frame );
  void (*close)    ( void * ctx, uint16_t peer, uint64_t for_us );
  /* An own proposal's body, not the empty one. */
  void (*push_body)( void * ctx, uint32_t epoch, uint64_t view, dmg_hash_t const * body_hash, dmg_span_t body );
  /* A proposal's signed header, for all: ours, behind push_body, or one that we vote for. */
  void (*block)    ( void * ctx, dmg_span_t header, bool is_ours );
  /* A signed header or a body by block hash, answered by dmg_validator_got.  peers: whom to ask first, NULL anybody. */
  void (*fetch)    ( void * ctx, dmg_validator_what_t what, dmg_hash_t const * block, dmg_header_t const * header, dmg_peers_t const * peers );
  /* Leaves first .. first+count-1 of a header's just_root, answered by dmg_validator_got_runs. */
  void (*fetch_runs)( void * ctx, dmg_hash_t const * block, dmg_hash_t const * root, uint32_t first, uint32_t count, dmg_peers_t const * peers );
  /* Bring the blocks from our head up to this final one by dmg_validator_sync; a lower one than asked for before: nothing. */
  void (*sync_to)  ( void * ctx, dmg_cert_t const * fin );
  /* Of dmg_validator_sync, in order: committed, or there already; false: it does not follow from our chain, and what came behind it is
     forgotten. */
  void (*synced)   ( void * ctx, uint64_t height, bool is_ok );
  /* A block was committed; is_first: we lead the next view. */
  void (*final)    ( void * ctx, dmg_header_t const * header, dmg_cert_t const * fin, bool is_first );
  /* Proof against a validator, found or got here, for all (C9.5); also while the vote log is replayed. */
  void (*evidence) ( void * ctx, dmg_span_t bytes );
  /* The set of an epoch, as soon as it is known. */
  void (*members)  ( void * ctx, uint32_t epoch, dmg_set_t const * set );
  void (*view)     ( void * ctx, uint32_t epoch, uint64_t cur, uint64_t final_view, uint32_t window );
} dmg_validator_net_t;

typedef struct {
  dmg_chain_t *               chain;      /* opened with is_several, not started; its functions that write are ours alone */
  dmg_validator_net_t const * net;        /* lives as long */
  bool                        is_wait_off;/* tests: no wait at the start (C6.5) */
  bool                        is_threaded;/* jobs in a thread; else inline .. */
  uint64_t                    lag_us;     /* .. and seen so much later: what a test sets to let frames come between */
  void                     (* on_done )( void * ctx );  /* a job is done: a turn soon; on the jobs' thread */
  void *                      on_done_ctx;
  void                     (* on_txs )( void * ctx );   /* users gave transactions: take them soon; any thread */
  void *                      on_txs_ctx;
} dmg_validator_cfg_t;

typedef struct dmg_validator dmg_validator_t;

/* Replays the vote log into the core (C6.3).  The reason is in out_why, fit for a user. */
DMG_MUST_USE dmg_err_t dmg_validator_open( dmg_validator_cfg_t const * cfg, uint64_t now_us, uint64_t wall_ms, dmg_validator_t ** out, char out_why[512] );
void dmg_validator_close( dmg_validator_t * v );   /* NULL: nothing */

/* Carries on; *out_wake_us: when to call again though nothing came (monotonic; now: there is more work).  After each failure the
   node must end. */
DMG_MUST_USE dmg_err_t dmg_validator_turn( dmg_validator_t * v, uint64_t now_us, uint64_t wall_ms, uint64_t * out_wake_us );

/* What came from the network; a turn follows.  now_us and wall_ms are those of the last turn. */
void dmg_validator_link  ( dmg_validator_t * v, uint16_t peer, bool is_up, uint8_t const key[ DMG_BLS_KEY_SZ ] );
void dmg_validator_frame ( dmg_validator_t * v, uint16_t peer, dmg_span_t frame );
/* A body that hashes to body_hash, its header known or not. */
void dmg_validator_pushed( dmg_validator_t * v, dmg_hash_t const * body_hash, dmg_span_t body );
/* bytes.p NULL: nobody had it.  HEADER: signed, it has the hash; BODY: it has the header's body_hash. */
void dmg_validator_got   ( dmg_validator_t * v, dmg_validator_what_t what, dmg_hash_t const * block, dmg_span_t bytes );
/* From first on; bytes.p NULL: nobody had them. */
void dmg_validator_got_runs( dmg_validator_t * v, dmg_hash_t const * block, uint32_t first, dmg_span_t bytes );
/* The child of our head or of the last one given, an ancestor of a final block or it (fin not NULL).  OK: net->synced will tell;
   FULL: DMG_VALIDATOR_SYNC_MAX are under way, nothing was taken. */
DMG_MUST_USE dmg_err_t dmg_validator_sync( dmg_validator_t * v, dmg_signed_header_t const * header, dmg_hash_t const * hash, dmg_span_t body, dmg_cert_t const * fin );

/* Transactions that users gave us since the last call, { size u32, bytes } each, for all others; any thread. */
void dmg_validator_take_txs( dmg_validator_t * v, dmg_buf_t * out );
/* Transactions from others into the pool (R4.1).  OK: at least one is new; EXISTS: nothing new, nobody is to blame; INVALID: one of them
   can never have been right (form, chain, signature). */
DMG_MUST_USE dmg_err_t dmg_validator_txs( dmg_validator_t * v, dmg_span_t const * txs, uint32_t cnt );

/* ---- For those who ask us; answered at once ---- */

DMG_MUST_USE dmg_err_t dmg_validator_header  ( dmg_validator_t * v, dmg_hash_t const * block, uint8_t out[ DMG_SIGNED_HEADER_SZ ] );   /* final or not; NOT_FOUND */
DMG_MUST_USE dmg_err_t dmg_validator_body    ( dmg_validator_t * v, dmg_hash_t const * block, dmg_buf_t * out );
DMG_MUST_USE dmg_err_t dmg_validator_proposal( dmg_validator_t * v, dmg_hash_t const * block, dmg_buf_t * out );                              /* of the newest few; NOT_FOUND */
DMG_MUST_USE dmg_err_t dmg_validator_runs    ( dmg_validator_t * v, dmg_hash_t const * block, uint32_t first, uint32_t count, dmg_buf_t * out );   /* NOT_FOUND: not more than a proposal holds, or not here */
DMG_MUST_USE dmg_err_t dmg_validator_handover( dmg_validator_t * v, uint32_t epoch, dmg_buf_t * out );                                /* the one that ends epoch */
/* A certificate by the set of its epoch; LOCAL: an epoch that is not known here. */
dmg_verdict_t dmg_validator_judge_final  ( dmg_validator_t * v, dmg_cert_t const * cert );
/* PROPOSE by the leader that the header names; LOCAL: as above. */
dmg_verdict_t dmg_validator_judge_header ( dmg_validator_t * v, dmg_signed_header_t const * header, dmg_hash_t const * hash );
dmg_verdict_t dmg_validator_take_handover( dmg_validator_t * v, dmg_span_t handover );
/* C9.5: GOOD: proven, the first against somebody in the running epoch, and kept; LOCAL: nobody new, or not to be judged here; BAD. */
dmg_verdict_t dmg_validator_take_evidence( dmg_validator_t * v, dmg_span_t bytes );
bool          dmg_validator_seed         ( dmg_validator_t * v, uint32_t epoch, dmg_hash_t * out );   /* of the epoch's record; false: not known */
int           dmg_validator_leader       ( dmg_validator_t * v, uint32_t epoch, uint64_t view );   /* index in the set; -1: not known */

typedef struct {
  dmg_cons_info_t cons;
  uint64_t        height, time_ms;        /* of the head, the highest committed block */
  uint32_t        epoch, epoch_known;     /* epoch: of the block above the head; epoch_known: the newest whose set is known */
  dmg_hash_t      hash, goal;             /* hash: of the head; goal: the highest final block we know of, committed or not */
  dmg_cert_t      fin;                    /* the highest FINALIZATION of a committed block, zero: none .. */
  uint64_t        fin_height;             /* .. and its height: the head's or a little below */
  uint64_t        saves, signs, alarms, evidence;
  uint64_t        built_again;            /* own blocks that had to be executed twice */
  uint64_t        dropped;                /* overlays of blocks that their view was left without (C5.3) */
  uint32_t        block_cnt;              /* known above the head */
} dmg_validator_info_t;
void dmg_validator_info( dmg_validator_t * v, dmg_validator_info_t * out );

#endif
