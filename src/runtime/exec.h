/* exec: runs blocks, transactions and read-only calls over a view of the state.

     view of the parent --+
     block context -------+--> exec_block --> write set (ascending), receipts, receipts_root
     decoded transactions +
                                 each transaction:
     prologue (native)  authority, nonce, reserve of the fee, entries of the account       else VOID
     calls (WASM)       over the transaction's overlay; a failure drops what they wrote
     epilogue (native)  deposits, bill, consent, post-conditions, native events
     commit             into the block's write set; topics; receipt
                                 then the block's end: fees, price, Seen, beacon, receipts Mmr

   A transaction is a function of (what it reads, its bytes): it works on an overlay of its own that
   notes what was read, and its effects enter the block in one step.  Blocks run serially; the same
   function can run ahead of its turn later without a change of any format.

   Signatures are not looked at here: they are judged without state, before (R4.2, R4.3).  Everything
   else that R4.3 calls stateless is judged by exec_block.

   Memory   results live in the caller's arena; spans of the view are copied
   Threads  genesis, prepare and exec_block: one at a time.  query, check_call, preview, abi: any
            number of threads beside them; at most readers_max of them run, further ones wait
   Failure  dmg_err_t only for local failures (memory, store, compiler).  What is wrong with a block is
            out->is_invalid, with a transaction its receipt, with a query its answer
   Bounds   R4.4, R1.10; 256 codes are kept loaded, those unused longest go
   Spec     docs/spec/runtime.md R1.9, R1.10, R1.12, R4.3-R4.15, R5; modules M1.9, M2.8, M16.6
   Not here signatures (crypto/sig.h), ordering and choice (txpool), state root (storage/state.h) */
#ifndef DMG_RUNTIME_EXEC_H
#define DMG_RUNTIME_EXEC_H

#include "base/arena.h"
#include "runtime/vm.h"
#include "storage/state.h"
#include "types/block.h"
#include "types/genesis.h"
#include "types/params.h"
#include "types/receipt.h"
#include "types/tx.h"

typedef struct dmg_runtime    dmg_runtime_t;
typedef struct dmg_code_cache dmg_code_cache_t;   /* code_cache.h */

typedef struct {
  dmg_vm_t *         vm;           /* borrowed until close */
  dmg_code_cache_t * cache;        /* borrowed until close; compiles what it does not hold */
  bool               is_dev;       /* dm1.log writes to our log */
  uint64_t           hash_seed;    /* of the overlays' tables: random in a node, fixed in a simulator; no result depends on it */
  uint32_t           readers_max;  /* queries and previews at once; 0: 4 */
} dmg_runtime_cfg_t;

/* NOMEM. */
DMG_MUST_USE dmg_err_t dmg_runtime_open ( dmg_runtime_cfg_t const * cfg, dmg_runtime_t ** out_rt );
void                   dmg_runtime_close( dmg_runtime_t * rt );   /* no call is running; NULL: nothing */

/* ---- Why something was refused ---- */

/* Why a transaction is VOID: the receipt's `code`.  X( name, number, "word of TxRejected (F4.1)", "text" ) */
#define DMG_VOID_TABLE( X )                                                                                      \
  X( NONE,      0,  "",          "" )                                                                            \
  X( SESSION,   1,  "session",   "session keys are not active on this chain" )                                   \
  X( UNSIGNED,  2,  "signature", "unsigned items are not active on this chain" )                                 \
  X( SPONSOR,   3,  "sponsor",   "sponsor pools are not active on this chain" )                                  \
  X( ENERGY,    4,  "energy",    "energy is not active on this chain: use EnergyThenFee with a maximum" )        \
  X( MODULE,    5,  "module",    "a call names a module that is absent or not active" )                          \
  X( SCHEMA,    6,  "schema",    "a call's id is unknown or its schema hash is not accepted" )                   \
  X( ARGS,      7,  "args",      "a call's arguments do not decode" )                                            \
  X( ACCOUNT,   8,  "account",   "the account does not exist and no AccountInit that hashes to it is given" )    \
  X( KEYS,      9,  "signature", "the keys are not the account's, not active yet, or below the threshold" )      \
  X( ROLE,      10, "signature", "a call does not accept the role that the signatures reach" )                   \
  X( LANE,      11, "lane",      "no such lane: 0 to 1,023, or 65,535 with an expiry at most 480 blocks ahead" ) \
  X( NONCE,     12, "nonce",     "the nonce is not the next one of its lane" )                                   \
  X( SEEN,      13, "nonce",     "this unordered transaction ran already" )                                      \
  X( UNORDERED, 14, "lane",      "the block holds 1,000 unordered transactions" )                                \
  X( FEE,       15, "fee",       "the maximum fee is below the reserve" )                                        \
  X( BALANCE,   16, "fee",       "the spendable balance is below the reserve and the deposits of the account" )

typedef enum {
#define DMG_VOID_ENUM( name, number, word, text ) DMG_VOID_##name = number,
  DMG_VOID_TABLE( DMG_VOID_ENUM )
#undef DMG_VOID_ENUM
} dmg_void_t;

char const * dmg_void_word( uint32_t reason );   /* never NULL */
char const * dmg_void_text( uint32_t reason );

/* What a host trap was about: the receipt's `code` with status HOST. */
typedef enum {
  DMG_HOST_POINTER = 1,   /* a span outside memory */
  DMG_HOST_ITEM,          /* undeclared item, or one of another kind */
  DMG_HOST_KEY,           /* key does not fit the item's key fields */
  DMG_HOST_VALUE,         /* value does not fit the item's type or maximum */
  DMG_HOST_READ_ONLY,     /* write, event or call in a query */
  DMG_HOST_EVENT,         /* undeclared event, or data that do not fit it */
  DMG_HOST_USE,           /* call or query that the ABI's use list does not name */
  DMG_HOST_ARGS,          /* arguments of a nested call do not decode */
  DMG_HOST_RESULT,        /* result, fault number or fault payload that the ABI does not have */
  DMG_HOST_PARAM          /* any other argument of a host function out of range */
} dmg_host_trap_t;

typedef struct { char text[ 256 ]; } dmg_exec_why_t;   /* what was wrong, where, what would be right */

/* ---- Genesis ---- */

/* Bytes of a code file by its hash; NULL p if absent. */
typedef struct { void * ctx; dmg_span_t (*get)( void * ctx, dmg_hash_t const * code_hash ); } dmg_code_files_t;

/* The state after init (M16.6) as ascending writes in arena.  INVALID with out_why: a module's file is
   missing, is refused by the checker, faults in init or check, or the sum is not the supply. */
DMG_MUST_USE dmg_err_t dmg_runtime_genesis( dmg_runtime_t * rt, dmg_genesis_t const * genesis, dmg_code_files_t const * files, dmg_arena_t * arena,
                                            dmg_write_t ** out_writes, size_t * out_cnt, dmg_exec_why_t * out_why );

/* Gets every active module of the view ready to run, for blocks and for one reader (compiles on a
   cold cache, makes instances); exec_block and the readers do it too before they run anything, so
   this only takes the wait away from them.  On the thread that writes the store, as the sums of new
   artifacts go there.  Also the place to learn that this
   node cannot run the state: UNSUPPORTED (instr_version, host API). */
DMG_MUST_USE dmg_err_t dmg_runtime_prepare( dmg_runtime_t * rt, dmg_view_t * view );

/* ---- Blocks ---- */

typedef struct {
  uint64_t   height;          /* >= 1 */
  uint64_t   time_ms;
  uint32_t   epoch;
  dmg_hash_t chain_id;
  dmg_hash_t leader;          /* account that gets the tips */
  bool       has_reveal;      /* first block of its leader window (C5.4) */
  uint8_t    reveal[ 48 ];
  /* For Staking (C5.4, C8.2), which is not there yet: dropped beside the beacon in topics.c. */
  uint64_t                 view;
  uint16_t                 leader_index;   /* in the epoch's set */
  dmg_attendance_t const * atts;
  uint32_t                 att_cnt;
} dmg_block_ctx_t;

typedef struct {
  uint32_t   index;           /* in the list given */
  dmg_hash_t id;
  uint8_t    status;          /* R4.8 */
  uint32_t   code;            /* dmg_void_t, fault number, dmg_host_trap_t, .. */
  uint64_t   gas_used;        /* execution: calls, prologue, epilogue */
  uint64_t   gas_billed;
  uint64_t   fee, tip;
  dmg_span_t receipt;         /* BCS of R4.14 */
} dmg_exec_tx_t;

typedef struct {
  bool            is_invalid;        /* R4.3: the block breaks a stateless rule; nothing else is set */
  dmg_exec_why_t  why;
  dmg_write_t *   writes;            /* ascending by key; only what differs from the parent */
  size_t          write_cnt;
  dmg_exec_tx_t * txs;               /* in block order */
  size_t          tx_cnt;
  dmg_span_t      system_receipt;    /* receipt with id zero that follows, empty if none (R4.14) */
  dmg_hash_t      receipts_root;
  dmg_hash_t      beacon;
  uint64_t        gas_used, gas_billed, gas_limits, intrinsic;   /* sums */
  uint64_t        fee_burned, fee_treasury, tips;
  uint64_t        price_next;        /* micro-sparks per gas for the next block */
} dmg_exec_out_t;

/* Parameters and price (micro-sparks per gas) of the block after the view's.  scratch takes what is read:
   a few KiB, free to reset afterwards. */
DMG_MUST_USE dmg_err_t dmg_runtime_params( dmg_view_t * view, dmg_arena_t * scratch, dmg_params_t * out_params, uint64_t * out_price );

enum { DMG_EXEC_BUILD = 1 };   /* leave out, instead: what would be VOID, what breaks a rule or passes a limit */

/* Executes txs (signatures verified) as one block on parent.  With DMG_EXEC_BUILD out->txs names the
   ones that are in the block; executing exactly those again without the flag gives the same result. */
DMG_MUST_USE dmg_err_t dmg_runtime_exec_block( dmg_runtime_t * rt, dmg_view_t * parent, dmg_block_ctx_t const * ctx, dmg_tx_t * const * txs, size_t tx_cnt,
                                               uint32_t flags, dmg_arena_t * arena, dmg_exec_out_t * out );

/* ---- Read-only ---- */

typedef enum { DMG_ANSWER_OK, DMG_ANSWER_FAULT, DMG_ANSWER_NO_MODULE, DMG_ANSWER_NO_QUERY, DMG_ANSWER_ARGS, DMG_ANSWER_FAILED } dmg_answer_kind_t;
typedef struct {
  dmg_answer_kind_t kind;
  uint32_t          fault;       /* FAULT: its number; FAILED: R4.8 status (TRAP, NO_GAS, NO_STACK, HOST) */
  dmg_span_t        value;       /* OK: the result's BCS; FAULT: the payload's; in arena */
  uint64_t          gas_used;
  dmg_exec_why_t    why;         /* unless OK */
} dmg_answer_t;

/* A module's query over a view, as if asked in block ctx (height, time of the view's own block for
   past state).  gas: at most this much execution gas. */
DMG_MUST_USE dmg_err_t dmg_runtime_query( dmg_runtime_t * rt, dmg_view_t * view, dmg_block_ctx_t const * ctx, uint16_t module, uint16_t query, dmg_span_t args, uint64_t gas,
                                          dmg_arena_t * arena, dmg_answer_t * out );

typedef struct {
  dmg_void_t     reason;         /* NONE: the call would pass; MODULE, SCHEMA, ARGS */
  dmg_hash_t     want;           /* SCHEMA: the current schema hash, zero if there is no such call */
  uint64_t       gas_line;       /* the ABI's `gas` of the call */
  uint16_t       auth;           /* bits by role (R2.2a) */
  dmg_exec_why_t why;
} dmg_call_check_t;

/* For admission: is the module active, the schema hash accepted, do the arguments decode (R4.1). */
DMG_MUST_USE dmg_err_t dmg_runtime_check_call( dmg_runtime_t * rt, dmg_view_t * view, uint16_t module, uint16_t call, dmg_hash_t const * schema, dmg_span_t args,
                                               dmg_call_check_t * out );
/* The same for many calls on one view, which stays open meanwhile: modules and schemas are read once.  One of the readers is
   taken until close; one thread at a time. */
typedef struct dmg_call_checker dmg_call_checker_t;
DMG_MUST_USE dmg_err_t dmg_runtime_checker_open( dmg_runtime_t * rt, dmg_view_t * view, dmg_call_checker_t ** out_checker );
DMG_MUST_USE dmg_err_t dmg_runtime_checker_check( dmg_call_checker_t * checker, uint16_t module, uint16_t call, dmg_hash_t const * schema, dmg_span_t args, dmg_call_check_t * out );
void dmg_runtime_checker_close( dmg_call_checker_t * checker );   /* NULL: nothing */

typedef struct {
  bool is_owner;        /* no key is needed: the sender acts with its owner role; those that are its still count as signers */
  bool is_any_nonce;    /* the nonce is not looked at */
  bool is_free;         /* fee maximum and balance are not looked at; nothing is reserved or billed */
} dmg_preview_opts_t;

/* What one account's holding of one asset did, bill excluded; BCS of an asset (R2.2b) in `asset`. */
typedef struct { dmg_hash_t account; dmg_span_t asset; uint64_t out, in; } dmg_flow_t;

typedef struct {
  dmg_exec_tx_t  tx;               /* the receipt it would get */
  dmg_void_t     reason;           /* VOID */
  dmg_exec_why_t why;              /* unless OK: one sentence */
  uint64_t       intrinsic;
  uint64_t       price;
  uint64_t       gas_to_set;       /* used x 1.2 */
  uint64_t       fee_at_set;       /* reserve for that limit at this price, tip included */
  dmg_flow_t *   flows;            /* ascending by (account, asset) */
  size_t         flow_cnt;
  dmg_hash_t     outcome;          /* R6.1 */
} dmg_preview_t;

/* The real prologue, calls and epilogue as the only transaction of block ctx on view; nothing is kept (R6.1). */
DMG_MUST_USE dmg_err_t dmg_runtime_preview( dmg_runtime_t * rt, dmg_view_t * view, dmg_block_ctx_t const * ctx, dmg_tx_t const * tx, dmg_preview_opts_t const * opts,
                                            dmg_arena_t * arena, dmg_preview_t * out );

enum { DMG_PREVIEW_STACK_MAX = 16 };
/* The same of up to DMG_PREVIEW_STACK_MAX, each on what those before it leave; out has tx_cnt places.  One that would be
   VOID changes nothing; the others still run. */
DMG_MUST_USE dmg_err_t dmg_runtime_preview_stack( dmg_runtime_t * rt, dmg_view_t * view, dmg_block_ctx_t const * ctx, dmg_tx_t * const * txs, size_t tx_cnt,
                                                  dmg_preview_opts_t const * opts, dmg_arena_t * arena, dmg_preview_t * out );

/* Canonical ABI bytes of an active module, in arena; NOT_FOUND. */
DMG_MUST_USE dmg_err_t dmg_runtime_abi( dmg_runtime_t * rt, dmg_view_t * view, uint16_t module, dmg_arena_t * arena, dmg_span_t * out_abi );
/* Ids of the active modules, ascending; LIMIT if there are more than max. */
DMG_MUST_USE dmg_err_t dmg_runtime_modules( dmg_runtime_t * rt, dmg_view_t * view, uint16_t * out_ids, uint32_t max, uint32_t * out_cnt );

#endif
