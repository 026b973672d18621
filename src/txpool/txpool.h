/* txpool: transactions that wait for a block, and what became of those that did.

     raw --> ticket --> admit_check --> signatures, elsewhere --> admit_finish --> queued (a nonce is missing)
                          |  |                                         |              |  the gap closes
                          |  +--> known: its status                    |              v
                          +--> rejected{reason}            rejected <--+           pooled --> build --> a block
                                                                                      ^                  |
     queued, pooled --> replaced{by} | expired{at} | dropped{reason}                  +-- on_retract     v on_block
                                                                                            included --> on_final

   A pure data structure: time, height, price and state arrive as arguments, nothing is asked of the system.

   Order    R4.1, cheapest first: size, form, chain, expiry, known id, gas limit, calls, account and keys, nonce,
            energy, fee and sponsor, gas lines, quotas, signatures; each step has reasons of its own
   Lanes    0..1023 are sequences, a window head..head+64; 65,535 is unordered, expiry at most 480 blocks ahead
   Replace  the same lane and nonce at a price (fee maximum per gas) at least 10 % higher
   Full     a queued transaction goes first, then the newest of who has most, if that is more than the
            newcomer has; else the newcomer is refused.  So no sender can push out another one's only one.
   Build    round-robin over payers (now: senders), by tip inside a payer, nonces in order inside a lane
   Safety   An id is known only once its signatures were verified (R4.1a): a failed copy leaves no trace, as ids
            leave signatures out and a bad copy must not shadow a good one.

   Memory   tables at _new; one heap block a transaction; both bounded by the configuration
   Threads  one at a time: the node holds a lock; tickets are made, and their signature jobs judged, outside it
   Failure  dmg_err_t only for memory and for what the state functions return; a refusal is an answer
   Bounds   dmg_txpool_cfg_t
   Spec     docs/spec/runtime.md R4.1-R4.4, interfaces.md F4.4, modules.md M1.3
   Not here executing, storing statuses over a restart, gossip */
#ifndef DMG_TXPOOL_TXPOOL_H
#define DMG_TXPOOL_TXPOOL_H

#include "crypto/sig.h"
#include "types/items.h"
#include "types/params.h"
#include "types/tx.h"

typedef struct dmg_txpool        dmg_txpool_t;
typedef struct dmg_txpool_entry  dmg_txpool_entry_t;
typedef struct dmg_txpool_ticket dmg_txpool_ticket_t;

#define DMG_TXPOOL_WINDOW       64      /* nonces above the lane's head (R4.1) */
#define DMG_TXPOOL_BUMP_PCT     10
#define DMG_TXPOOL_ATTEMPT_MAX  3       /* left out of that many built blocks: dropped */

/* ---- Reasons ---- */

/* X( NAME, "word of TxRejected (F4.1) or of the error it maps to", "what is wrong, and what would be right" ) */
#define DMG_TXPOOL_REASON_TABLE( X )                                                                                              \
  X( NONE,        "",          "" )                                                                                               \
  X( SIZE,        "size",      "more than 65,536 bytes" )                                                                         \
  X( FORM,        "form",      "not the canonical bytes of a transaction" )                                                       \
  X( CHAIN,       "chain",     "made for another chain" )                                                                         \
  X( EXPIRED,     "expired",   "the expiry height has passed" )                                                                   \
  X( TOO_FAR,     "expired",   "the expiry height is too far ahead" )                                                             \
  X( GAS,         "gas",       "the gas limit is outside what one transaction may ask" )                                          \
  X( MODULE,      "module",    "a call names a module that is absent or not active" )                                             \
  X( SCHEMA,      "schema",    "a call's id is unknown or its schema hash is not accepted" )                                      \
  X( ARGS,        "args",      "a call's arguments do not decode" )                                                               \
  X( SESSION,     "session",   "session keys are not active on this chain" )                                                      \
  X( UNSIGNED,    "signature", "unsigned items are not active on this chain" )                                                    \
  X( ACCOUNT,     "account",   "the account does not exist and no AccountInit that hashes to it is given" )                       \
  X( KEYS,        "signature", "the keys are not the account's, not active yet, or below the threshold" )                         \
  X( ROLE,        "signature", "a call does not accept the role that the signatures reach" )                                      \
  X( LANE,        "lane",      "no such lane: 0 to 1,023, or 65,535 with an expiry at most 480 blocks ahead" )                    \
  X( NONCE,       "nonce",     "the nonce lies outside the lane's window" )                                                       \
  X( SEEN,        "nonce",     "this unordered transaction ran already" )                                                         \
  X( ENERGY,      "energy",    "energy is not active on this chain: use EnergyThenFee with a maximum" )                           \
  X( SPONSOR,     "sponsor",   "sponsor pools are not active on this chain" )                                                     \
  X( FEE,         "fee",       "the maximum fee is below the reserve at today's price" )                                          \
  X( BALANCE,     "fee",       "the spendable balance does not cover the reserve and what waits already" )                        \
  X( GAS_LINE,    "gas",       "the gas limit is below the sum of the calls' gas lines" )                                         \
  X( UNDERPRICED, "fee",       "another transaction has this lane and nonce: the price must be at least 10 % higher" )            \
  X( SENDER_FULL, "pool",      "this sender has as many transactions waiting as one sender may" )                                 \
  X( FULL,        "pool",      "the pool is full" )                                                                               \
  X( SIGNATURE,   "signature", "a signature is not valid" )                                                                       \
  X( VOID,        "void",      "refused by the block's prologue: nothing charged, no nonce used" )

typedef enum {
#define DMG_TXPOOL_REASON_ENUM( name, word, text ) DMG_TXPOOL_##name,
  DMG_TXPOOL_REASON_TABLE( DMG_TXPOOL_REASON_ENUM )
#undef DMG_TXPOOL_REASON_ENUM
  DMG_TXPOOL_REASON_CNT
} dmg_txpool_reason_t;

/* Never NULL. */
char const * dmg_txpool_reason_name( unsigned reason );   /* "NONCE" */
char const * dmg_txpool_reason_word( unsigned reason );   /* "nonce" */
char const * dmg_txpool_reason_text( unsigned reason );

typedef struct {
  dmg_txpool_reason_t reason;
  uint64_t      have, want;    /* EXPIRED, TOO_FAR, GAS, NONCE, FEE, BALANCE, GAS_LINE, UNDERPRICED, SENDER_FULL, FULL: the two numbers */
  uint32_t      call;          /* MODULE, SCHEMA, ARGS, ROLE: index of the call */
  dmg_hash_t    want_schema;   /* SCHEMA: the current hash, zero if there is no such call */
  dmg_verdict_t form;          /* SIZE, FORM */
} dmg_txpool_why_t;

/* One sentence with the numbers into out[ cap ], ended by a zero: "the nonce lies outside the lane's window: 3, at least 5". */
void dmg_txpool_why_print( dmg_txpool_why_t const * why, char * out, size_t cap );
#define DMG_TXPOOL_WHY_TEXT_MAX 256

/* ---- What the node fills ---- */

typedef struct { uint8_t scheme, level, key_sz; uint8_t key[ DMG_AUTH_KEY_MAX ]; uint16_t weight; uint64_t active_from_ms; } dmg_txpool_auth_t;
typedef struct { bool is_user; uint16_t t_use, t_owner; uint32_t auth_cnt; dmg_txpool_auth_t auths[ DMG_AUTH_SLOT_MAX ]; } dmg_txpool_account_t;

typedef struct {
  dmg_txpool_reason_t reason;    /* NONE, MODULE, SCHEMA or ARGS */
  dmg_hash_t          want_schema;
  uint64_t            gas_line;
  uint16_t            auth;      /* bit 1 << dmg_role_t (codec/abi.h) */
} dmg_txpool_call_t;

/* Reads of the state after the head; local failures pass through to the caller of the pool. */
typedef struct {
  void * ctx;
  dmg_err_t (*account)   ( void * ctx, dmg_hash_t const * address, dmg_txpool_account_t * out );          /* NOT_FOUND: none */
  dmg_err_t (*lane)      ( void * ctx, dmg_hash_t const * address, uint16_t lane, uint64_t * out_next );  /* 0 if absent */
  dmg_err_t (*seen)      ( void * ctx, uint64_t expiry, dmg_hash_t const * id, bool * out_is_seen );
  dmg_err_t (*spendable) ( void * ctx, dmg_hash_t const * address, uint64_t * out_sparks );
  dmg_err_t (*check_call)( void * ctx, dmg_tx_call_t const * call, dmg_txpool_call_t * out );
} dmg_txpool_state_t;

typedef enum {
  DMG_TXPOOL_UNKNOWN, DMG_TXPOOL_QUEUED, DMG_TXPOOL_POOLED, DMG_TXPOOL_INCLUDED, DMG_TXPOOL_FINAL, DMG_TXPOOL_REPLACED, DMG_TXPOOL_EXPIRED_AT, DMG_TXPOOL_DROPPED
} dmg_txpool_kind_t;

typedef struct {
  dmg_txpool_kind_t   kind;
  uint8_t             receipt_status;   /* INCLUDED, FINAL: R4.8 */
  dmg_txpool_reason_t reason;           /* DROPPED */
  uint32_t            index;            /* INCLUDED, FINAL */
  uint64_t            height;           /* INCLUDED, FINAL; EXPIRED_AT: the expiry */
  dmg_hash_t          by;               /* REPLACED */
  uint64_t            since_ms;
} dmg_txpool_status_t;

typedef struct {
  dmg_hash_t chain;
  uint64_t   hash_seed;          /* of the tables: random in a node, fixed in a simulator; no result depends on it */
  uint32_t   cnt_max;            /* transactions waiting */
  size_t     bytes_max;          /* their memory */
  uint32_t   sender_cnt_max;     /* of one sender */
  size_t     sender_bytes_max;
  uint32_t   ticket_max;         /* between check and finish */
  uint32_t   status_max;         /* statuses remembered, >= 2 cnt_max */
  uint64_t   status_age_ms;
  bool       is_gas_line_checked;
  /* Told of each change of a status, from inside the call that made it; NULL: nobody.  Must not call the pool. */
  void *     watch_ctx;
  void     (*watch)( void * ctx, dmg_hash_t const * id, dmg_txpool_status_t const * status );
} dmg_txpool_cfg_t;

/* 100,000 transactions, 256 MiB; 2,048 and 8 MiB a sender; 8,192 tickets; 400,000 statuses for 7 days; gas lines unchecked. */
dmg_txpool_cfg_t dmg_txpool_cfg_default( dmg_hash_t const * chain );

typedef struct { uint64_t height, time_ms, price; dmg_params_t params; } dmg_txpool_head_t;   /* price: for block height + 1 */

/* NULL: the heap is out.  The pool is empty, its head height 0 with default params: follow with dmg_txpool_set_head. */
dmg_txpool_t * dmg_txpool_new ( dmg_txpool_cfg_t const * cfg );
/* No ticket and no ref may be out.  NULL: nothing. */
void           dmg_txpool_free( dmg_txpool_t * pool );
/* Head after start, a snapshot or a revert: expires, forgets inclusions above it, reads all lanes anew from state. */
DMG_MUST_USE dmg_err_t dmg_txpool_set_head( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_txpool_head_t const * head, uint64_t now_ms );

/* ---- Admission ---- */

typedef enum { DMG_TXPOOL_ADMIT_VERIFY, DMG_TXPOOL_ADMIT_OK, DMG_TXPOOL_ADMIT_KNOWN, DMG_TXPOOL_ADMIT_REJECTED } dmg_txpool_admit_t;

typedef struct {
  dmg_txpool_admit_t    kind;
  dmg_hash_t            id;       /* zero if rejected by size or form */
  dmg_txpool_status_t   status;   /* OK, KNOWN */
  dmg_txpool_why_t      why;      /* REJECTED */
} dmg_txpool_answer_t;

/* A transaction on its way in: raw decoded and copied, or why it is none.  scratch is reset.  Needs no lock.  NOMEM. */
DMG_MUST_USE dmg_err_t dmg_txpool_ticket_new( dmg_span_t raw, dmg_arena_t * scratch, dmg_txpool_ticket_t ** out_ticket );
#define DMG_TXPOOL_SCRATCH_MAX DMG_TX_DECODE_MEM_MAX
/* All steps but the signatures.  VERIFY: the ticket is out until finish or free.  Else it may be checked again later, or is
   freed.  FULL: ticket_max tickets are out; failures of state. */
DMG_MUST_USE dmg_err_t dmg_txpool_admit_check( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_txpool_ticket_t * ticket, uint64_t now_ms, dmg_txpool_answer_t * out );
/* The signatures of a transaction as jobs, 0..16, that point into it; out_jobs NULL: only how many. */
size_t dmg_txpool_sig_jobs( dmg_tx_t const * tx, dmg_sig_job_t * out_jobs );
/* The signatures to judge, 1..16, after VERIFY; the jobs point into the ticket.  out_jobs NULL: only how many.  Needs no lock. */
size_t dmg_txpool_ticket_jobs( dmg_txpool_ticket_t const * ticket, dmg_sig_job_t * out_jobs );
/* After VERIFY.  is_valid: all signatures are.  Judges anew what may have changed since, then OK, KNOWN or REJECTED, by the
   order of R4.1.  The ticket is no longer out, and still to be freed. */
DMG_MUST_USE dmg_err_t dmg_txpool_admit_finish( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_txpool_ticket_t * ticket, bool is_valid, uint64_t now_ms, dmg_txpool_answer_t * out );
/* NULL: not a transaction. */
dmg_hash_t const * dmg_txpool_ticket_sender( dmg_txpool_ticket_t const * ticket );
/* In any state of it; NULL: nothing. */
void dmg_txpool_ticket_free( dmg_txpool_t * pool, dmg_txpool_ticket_t * ticket );
/* All of it in one: tests, tools, a node that verifies under its lock. */
DMG_MUST_USE dmg_err_t dmg_txpool_admit( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_span_t raw, uint64_t now_ms, dmg_txpool_answer_t * out );

/* ---- Blocks ---- */

typedef struct {
  uint64_t gas_max;         /* sum of gas limits */
  uint64_t intrinsic_max;
  uint32_t tx_max;
  size_t   body_max;        /* bytes of the body */
  uint32_t unordered_max;
  dmg_hash_t const * taken;  /* ids in blocks above the head that the new one stands on, ascending: counted for nothing, what follows them is next */
  size_t   taken_cnt;
} dmg_txpool_limits_t;

/* As the head's params say; body_max is BODY_MAX. */
dmg_txpool_limits_t dmg_txpool_limits( dmg_txpool_head_t const * head );

typedef struct { dmg_tx_t * tx; dmg_txpool_entry_t * entry; } dmg_txpool_ref_t;   /* alive until released */

/* What the next block should hold, in block order, at most out_max; nothing leaves the pool.  A transaction whose
   maximum is below the reserve at today's price waits. */
size_t dmg_txpool_build( dmg_txpool_t * pool, dmg_txpool_limits_t const * limits, dmg_txpool_ref_t * out, size_t out_max );
void   dmg_txpool_release( dmg_txpool_t * pool, dmg_txpool_ref_t const * refs, size_t cnt );
/* The executor left these out of the block built from them: judged anew on state; dropped if refused or after
   DMG_TXPOOL_ATTEMPT_MAX times (reason VOID).  Before release, after on_block. */
DMG_MUST_USE dmg_err_t dmg_txpool_on_left_out( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_txpool_ref_t const * refs, size_t cnt, uint64_t now_ms );

typedef struct { dmg_hash_t id, sender; uint16_t lane; uint64_t nonce; uint8_t receipt_status; } dmg_txpool_included_t;   /* index = place in the list */

/* A block became the head: its transactions leave the pool (VOID ones as dropped), lanes move on, expired ones go. */
void dmg_txpool_on_block( dmg_txpool_t * pool, dmg_txpool_head_t const * head, dmg_txpool_included_t const * txs, size_t cnt, uint64_t now_ms );
void dmg_txpool_on_final( dmg_txpool_t * pool, dmg_hash_t const * ids, size_t cnt, uint64_t now_ms );
/* Blocks were lost, head and state are those before them: raws (signatures verified then) go back, lanes are read anew.
   What no longer passes is dropped with its reason. */
DMG_MUST_USE dmg_err_t dmg_txpool_on_retract( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_txpool_head_t const * head, dmg_span_t const * raws, size_t cnt, uint64_t now_ms );

/* ---- Questions ---- */

/* UNKNOWN if there is none (any more). */
void dmg_txpool_status( dmg_txpool_t const * pool, dmg_hash_t const * id, dmg_txpool_status_t * out );
/* The waiting transaction of that id; false if none.  Valid until the next call that changes the pool. */
bool dmg_txpool_get( dmg_txpool_t const * pool, dmg_hash_t const * id, dmg_tx_t const ** out_tx );
/* R4.2: the pool verified exactly these bytes, signatures included. */
bool dmg_txpool_is_verified( dmg_txpool_t const * pool, dmg_hash_t const * id, dmg_span_t raw );
/* Each waiting transaction, in no order, with its leaf in a body's tree (C2.5: H("dmg/body/tx/v1", raw)) and how long it has been here: for bodies
   that name transactions by short ids (N8.7).  A walk over a table of 48 bytes each; visit must not call the pool. */
typedef void (* dmg_txpool_visit_t)( void * ctx, dmg_hash_t const * leaf, dmg_span_t raw, uint64_t age_ms );
void dmg_txpool_each( dmg_txpool_t const * pool, uint64_t now_ms, dmg_txpool_visit_t visit, void * ctx );
/* Next nonce of a lane with the pool counted in; state_next from the state. */
uint64_t dmg_txpool_next_nonce( dmg_txpool_t const * pool, dmg_hash_t const * sender, uint16_t lane, uint64_t state_next );
/* Up to max ids of a sender's waiting transactions, lane by lane; returns how many. */
size_t dmg_txpool_of_sender( dmg_txpool_t const * pool, dmg_hash_t const * sender, dmg_hash_t * out_ids, size_t max );

typedef struct { uint32_t queued_cnt, pooled_cnt, sender_cnt, ticket_cnt, status_cnt; size_t bytes; uint64_t admitted, rejected, replaced, expired, dropped, evicted; } dmg_txpool_stats_t;
void dmg_txpool_stats( dmg_txpool_t const * pool, dmg_txpool_stats_t * out );

#endif
