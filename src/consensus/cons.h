/* cons: one validator's side of agreement (Simplex-W), as a pure state machine.

     MSG LINK TICK WORK SAVED SIGNED VERDICT BUILT GOT GOT_RUNS EPOCH --> step() --> SAVE SIGN SEND CHECK BUILD FETCH TIMER COMMIT
                                                                            EVIDENCE ALARM CLOSE OBSERVE RAISE DONE
   It reads no clock, socket, disk or random source.  The driver (node/, tests/sim) feeds events and carries out the actions in order.  Equal states and events
   give equal actions (C11.1), so the simulator replays any run from its seed.

   A vote     decide -> SAVE{seq: its reasons and itself} -> SAVED{seq} -> SIGN{id} -> SIGNED{id, sig} -> own tally, SEND.  An unsaved vote cannot leave (C6.1).
   A block    proposal in -> static judgement (C5.1) -> CHECK{hash} -> the driver fetches the body, executes parents and it -> VERDICT{valid, root after it} -> NOTARIZE.
              The driver owns bodies, overlays and the chain below the newest views: CHECK and COMMIT name a block, its unknown ancestors are the driver's to get, by hash.
              Each CHECK is answered once, by WAIT where the driver forgets it: what was not answered is not asked again.
   An epoch   EPOCH tells record and set of e+1 once they are known; F of the boundary block or of a closing descendant -> DONE{handover}, silence in e; VERDICT for
              the boundary block -> view 1 of e+1 in the same object.

   Memory    all of it from the arena in _new: about n x 50 KiB + runs_max x 4.5 KiB + 2.5 MiB; spans in actions live until the next step
   Threads   one at a time
   Failure   none to return: a bad signature or stale view is a normal input, counted and dropped; a failed SAVE is the driver's to make final
   Bounds    DMG_CONS_ACTION_MAX actions a step; votes of DMG_CONS_RING views, certificates as C11.1 says
   Crypto    a table (C12.1): dmg_cons_bls over crypto/bls.h, or the simulator's keyed tags; verification runs inside step, of runs a slice
             of some 30 ms at most; what is left waits for the TICK that TIMER asks for (C11.2)
   Spec      docs/spec/consensus.md; the code cites its rule numbers
   Not here  disk (storage/wal.h), the safety file's rules (consensus/safety.h), bodies, sync below the newest views */
#ifndef DMG_CONSENSUS_CONS_H
#define DMG_CONSENSUS_CONS_H

#include "types/agree.h"

#define DMG_CONS_PEER_MAX    256
#define DMG_CONS_RING        128
#define DMG_CONS_ACTION_MAX  ( 4*DMG_SET_MAX+64 )
#define DMG_CONS_RUNS_MAX    4096   /* default of cfg.runs_max */

/* --- crypto ---------------------------------------------------------------------------------------------- */

/* The functions of crypto/bls.h that agreement needs, with their meaning. */
typedef struct {
  bool (*key_load)       ( uint8_t const bytes[ DMG_BLS_KEY_SZ ], dmg_bls_key_t * out );
  bool (*key_sum)        ( dmg_bls_key_t const * const * keys, size_t cnt, dmg_bls_key_t * out );
  bool (*sig_load)       ( uint8_t const bytes[ DMG_BLS_SIG_SZ ], dmg_bls_sig_t * out );
  bool (*sig_load_raw)   ( uint8_t const bytes[ DMG_BLS_SIG_RAW_SZ ], dmg_bls_sig_t * out );
  bool (*sig_load_part)  ( uint8_t const bytes[ DMG_BLS_SIG_RAW_SZ ], dmg_bls_sig_t * out );
  void (*sig_store)      ( dmg_bls_sig_t const * sig, uint8_t out[ DMG_BLS_SIG_SZ ] );
  bool (*sig_sum)        ( dmg_bls_sig_t const * const * sigs, size_t cnt, dmg_bls_sig_t * out );
  bool (*verify_same)    ( dmg_bls_key_t const * const * keys, size_t cnt, dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t const * sig );
  bool (*verify_distinct)( dmg_bls_item_t const * items, size_t cnt, dmg_bls_use_t use, dmg_bls_sig_t const * sig );
} dmg_cons_crypto_t;

extern dmg_cons_crypto_t const dmg_cons_bls;

/* --- configuration --------------------------------------------------------------------------------------- */

/* The block that an epoch stands on: genesis (hash = chain id, height 0) or the last boundary block. */
typedef struct { dmg_hash_t hash; uint64_t height, time_ms; dmg_hash_t root; } dmg_cons_anchor_t;

/* C14.2: rules to break, for the tests' own build of this folder only; 0 and without effect in every other. */
typedef enum { DMG_MUTANT_NONE, DMG_MUTANT_FINALIZE_AFTER_NULLIFY, DMG_MUTANT_NULLIFY_AFTER_FINALIZE, DMG_MUTANT_SKIP_WITHOUT_Z, DMG_MUTANT_TWO_NOTARIZE, DMG_MUTANT_QUORUM_SHORT,
               DMG_MUTANT_ENTER_ON_LONE_Z, DMG_MUTANT_FINALIZE_WITHOUT_N, DMG_MUTANT_INACTIVE_SELF, DMG_MUTANT_RESEND_ALL, DMG_MUTANT_CNT } dmg_cons_mutant_t;

typedef struct {
  dmg_cons_crypto_t const * crypto;
  dmg_hash_t                chain_id;
  uint8_t                   key[ DMG_BLS_KEY_SZ ];   /* own; not in the set: an observer */
  dmg_record_t              record;                   /* of the epoch to run */
  dmg_set_t const *         set;                      /* copied */
  dmg_cons_anchor_t         anchor;
  uint32_t                  runs_max;                 /* merged runs kept; 0: DMG_CONS_RUNS_MAX */
  uint32_t                  prefix_sz;                /* bytes of runs in an own proposal, at most and 0: DMG_RUNS_SZ_MAX; less is for tests */
  uint32_t                  n_max;                    /* largest set of any epoch to come; 0: DMG_SET_MAX */
  uint64_t                  marks[ 3 ];               /* highest own view by kind, from the safety file (C6.5), .. */
  uint32_t                  marks_epoch;              /* .. in this epoch: the record's, or the next one if the crash came behind the handover */
  bool                      is_observer;              /* never votes */
  uint64_t                  from_ms;                  /* C6.5, of the safety file: an epoch votes only if it began later than this + 2 skew; 0: any */
  bool                      is_fresh;                 /* C6.5: the file has signed nothing since from_ms was set, so that rises to the highest F heard */
  bool                      is_listening;             /* C6.5, a file new, imported or of another host: the start waits its whole time */
  bool                      is_wait_off;              /* solo and tests: no wait at the start */
  uint8_t                   mutant;
} dmg_cons_cfg_t;

/* WAL record types of C6.3 and their payloads: vote {kind u8, view u64, hash[32]}, proposal frame bytes, Cert, NullRun,
   floor {view u64, height u64, hash[32], Cert}, epoch {handover}. */
typedef enum { DMG_CONS_REC_VOTE = 1, DMG_CONS_REC_PROPOSAL, DMG_CONS_REC_CERT, DMG_CONS_REC_RUN, DMG_CONS_REC_FLOOR, DMG_CONS_REC_EPOCH } dmg_cons_rec_kind_t;
typedef struct { uint8_t kind; uint32_t epoch; dmg_span_t payload; dmg_hash_t block; } dmg_cons_record_t;   /* block: of a proposal, whose body is synced with it */
#define DMG_CONS_REC_VOTE_SZ  41
#define DMG_CONS_REC_FLOOR_SZ ( 48+DMG_CERT_SZ )

/* What the log gave back for this epoch, in order; its certificates were verified before they were written. */
typedef struct { dmg_cons_record_t const * records; uint32_t cnt; } dmg_cons_restored_t;

/* --- events ---------------------------------------------------------------------------------------------- */

typedef enum { DMG_CONS_MSG, DMG_CONS_LINK, DMG_CONS_TICK, DMG_CONS_WORK, DMG_CONS_SAVED, DMG_CONS_SIGNED, DMG_CONS_VERDICT, DMG_CONS_BUILT, DMG_CONS_GOT, DMG_CONS_GOT_RUNS, DMG_CONS_EPOCH } dmg_cons_event_kind_t;
typedef enum { DMG_CONS_VALID, DMG_CONS_INVALID, DMG_CONS_WAIT } dmg_cons_verdict_t;

typedef struct {
  uint8_t  kind;
  uint64_t now_us;    /* monotonic, never back */
  uint64_t wall_ms;
  union {
    struct { uint16_t peer; dmg_span_t frame; } msg;                       /* the link authenticated peer; frame: N8.2 without the length */
    struct { uint16_t peer; bool is_up; uint8_t const * key; } link;       /* key[96]: the peer's proven BLS key; NULL when down */
    uint64_t saved;                                                         /* seq: durable up to here */
    struct { uint64_t id; bool is_refused; uint8_t sig[ DMG_BLS_SIG_RAW_SZ ]; } sig;
    struct { uint64_t view; dmg_hash_t hash; uint8_t verdict; bool has_root; dmg_hash_t root; } verdict;   /* root: after the block; WAIT: try later */
    struct { uint64_t id; bool is_ok; dmg_hash_t body_hash; uint32_t body_len; } built;
    struct { dmg_span_t proposal; } got;                                    /* a header that FETCH asked for, as a proposal frame's bytes */
    struct { dmg_hash_t hash; uint32_t first; dmg_span_t bytes; } got_runs; /* dmg_leaves_t's bytes, from anybody */
    struct { dmg_record_t const * record; dmg_set_t const * set; } epoch;   /* of e+1 */
  };
} dmg_cons_event_t;

/* --- actions --------------------------------------------------------------------------------------------- */

typedef enum { DMG_CONS_SAVE, DMG_CONS_SIGN, DMG_CONS_SEND, DMG_CONS_CHECK, DMG_CONS_BUILD, DMG_CONS_FETCH, DMG_CONS_TIMER, DMG_CONS_COMMIT, DMG_CONS_EVIDENCE, DMG_CONS_ALARM,
               DMG_CONS_CLOSE, DMG_CONS_OBSERVE, DMG_CONS_RAISE, DMG_CONS_DONE } dmg_cons_action_kind_t;
typedef enum { DMG_CONS_FETCH_HEADER, DMG_CONS_FETCH_RUNS } dmg_cons_fetch_t;
#define DMG_CONS_SIGN_REVEAL 4   /* beside dmg_vote_kind_t in sign.kind; view is the window */

typedef struct { uint64_t w[ DMG_CONS_PEER_MAX/64 ]; } dmg_peers_t;
static inline bool dmg_peers_has( dmg_peers_t const * p, uint32_t i ) { return p->w[ i/64 ]>>( i%64 )&1; }

typedef struct {
  uint8_t kind;
  union {
    struct { uint64_t seq; dmg_cons_record_t const * records; uint32_t cnt; } save;                    /* write all, one sync, then SAVED{seq} */
    struct { uint64_t id, seq; uint8_t kind; uint32_t epoch; uint64_t view; dmg_hash_t hash; } sign;   /* seq is durable */
    struct { dmg_peers_t peers; dmg_span_t frame; uint64_t seq; } send;                                /* only when seq is durable: the driver asserts */
    struct { dmg_header_t header; dmg_hash_t hash; uint8_t sig[ DMG_BLS_SIG_SZ ]; } check;           /* sig: PROPOSE, verified; zero: our own, not signed yet */
    struct { uint64_t id, view, height; dmg_hash_t parent; uint64_t parent_view; bool is_empty; } build;
    /* HEADER: of a block (N9.1 `proposal`); RUNS: leaves first .. first+count-1 under root, the just_root of a block (N9.1 `runs`). */
    struct { uint8_t what; uint64_t view; dmg_hash_t hash, root; uint32_t first, count; dmg_peers_t peers; } fetch;
    struct { uint64_t at_us; } timer;                                                                   /* replaces the last; UINT64_MAX: none */
    struct { dmg_cert_t cert; } commit;                                                                 /* C4.6: cert.hash and its ancestors */
    struct { dmg_span_t bytes; } evidence;
    struct { char const * text; uint64_t view; dmg_hash_t ours, theirs; } alarm;
    struct { uint16_t peer; uint64_t for_us; } close;
    struct { char const * reason; } observe;                                                            /* from_ms is the event's wall_ms from here on */
    struct { uint64_t from_ms; } raise;                                                                  /* C6.5: the safety file's rises to this */
    struct { dmg_span_t handover; dmg_hash_t boundary; } done;
  };
} dmg_cons_action_t;

typedef struct { dmg_cons_action_t actions[ DMG_CONS_ACTION_MAX ]; uint32_t cnt; } dmg_cons_out_t;

/* --- the machine ----------------------------------------------------------------------------------------- */

typedef struct dmg_cons dmg_cons_t;

/* NULL: the arena is full, or cfg's record and set do not belong together (version, hash, weights, keys that do not load).
   restored may be NULL.  Records of the epoch after it are kept until that is entered; those of others are skipped. */
dmg_cons_t * dmg_cons_new ( dmg_arena_t * arena, dmg_cons_cfg_t const * cfg, dmg_cons_restored_t const * restored );
void         dmg_cons_step( dmg_cons_t * cons, dmg_cons_event_t const * event, dmg_cons_out_t * out );

/* C8.2: what a block at `view` on `parent` may record of views above last_view: up to 8, ascending, from the votes held now.  Returns how many. */
uint32_t     dmg_cons_attendance( dmg_cons_t * cons, uint64_t view, dmg_hash_t const * parent, uint64_t parent_view, uint64_t last_view, dmg_attendance_t out[ DMG_BODY_ATT_MAX ] );

/* For those who ask (N9.1 `proposal`): a signed header with its runs, or their prefix, of the newest seen; p NULL: not here.  Until the next step. */
dmg_span_t   dmg_cons_proposal( dmg_cons_t * cons, dmg_hash_t const * block );
/* N9.1 `runs`: up to count leaves from first on of a header whose runs did not fit into its proposal, as many as fit; bytes written, 0: not here. */
size_t       dmg_cons_runs( dmg_cons_t * cons, dmg_hash_t const * block, uint32_t first, uint32_t count, uint8_t out[ DMG_LEAVES_SZ_MAX ] );

typedef struct {
  uint32_t epoch;
  uint64_t cur, base_view, final_view, lag;
  uint64_t marks[ 3 ];    /* highest own view by kind */
  int32_t  signer;        /* -1: not in the set */
  bool     is_observer, is_waiting, is_done;
  uint64_t bad_frames, votes_bad, drops;
  uint32_t run_cnt;
  dmg_hash_t anchor;      /* hash of the block that the epoch stands on */
  dmg_hash_t base_hash;   /* of base_view; view 0: the anchor */
  bool     has_base_header, has_base_root;   /* of the highest base: what proposing and judging wait for */
} dmg_cons_info_t;
void         dmg_cons_info( dmg_cons_t const * cons, dmg_cons_info_t * out );
/* Hash over the state that steps depend on: equal histories give equal values (C12.1). */
uint64_t     dmg_cons_digest( dmg_cons_t const * cons );
/* Whether this block of the running epoch is notarized or final by a certificate held; true, too, where that is not told any more: views
   that are final, or below the ring. */
bool         dmg_cons_is_notarized( dmg_cons_t const * cons, uint64_t view, dmg_hash_t const * hash );
/* Evidence that no link brought (topic evidence, C9.5): GOOD if it convicts somebody of whom there was no proof in the running epoch; it is noted, so the next against the
   same is not GOOD.  LOCAL: another epoch, nobody new, or not decidable yet; BAD: malformed or not proven. */
dmg_verdict_t dmg_cons_take_evidence( dmg_cons_t * cons, dmg_span_t bytes );
/* Leader of a view of the running epoch (C3.3). */
uint32_t     dmg_cons_leader( dmg_cons_t * cons, uint64_t view );

#endif
