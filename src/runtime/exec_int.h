/* exec_int: the parts of the executor, for its own files.

     exec.c       runtime, workers, blocks          registry.c  codes and active modules
     prologue.c   authority, nonce, reserve         host.c      frames and the dm1 functions
     epilogue.c   deposits, bill, consent, posts    topics.c    events, receipts, block end
     native.c     native items by name              account_close.c  genesis_state.c  preview.c

   A dmg_exec_t is one block, preview or query in the making; x->tx is the transaction (or system
   work) that runs now. */
#ifndef DMG_RUNTIME_EXEC_INT_H
#define DMG_RUNTIME_EXEC_INT_H

#include "codec/abi.h"
#include "runtime/exec.h"
#include "runtime/tx_overlay.h"
#include "types/items.h"
#include "types/merkle.h"
#include "types/params.h"

#include <pthread.h>

/* ---- Prices (R1.9, R1.10), in gas ---- */

enum {
  DMG_GAS_TICKS      = 4,         /* ticks a gas */
  DMG_GAS_HOST       = 60,        /* each host function, first */
  DMG_GAS_GET        = 4000, DMG_GAS_GET_B = 1,
  DMG_GAS_PUT        = 4000, DMG_GAS_PUT_B = 4,
  DMG_GAS_DEL        = 3000,
  DMG_GAS_SCAN       = 4000, DMG_GAS_SCAN_ENTRY = 2000, DMG_GAS_SCAN_B = 1,
  DMG_GAS_CTR_GET    = 4000,
  DMG_GAS_CTR_ADD    = 3000,
  DMG_GAS_EMIT       = 600, DMG_GAS_EMIT_B = 2, DMG_GAS_TOPIC = 4000, DMG_GAS_TOPIC_NEW = 8000,
  DMG_GAS_CALL       = 1200,
  DMG_GAS_FAULT      = 200, DMG_GAS_FAULT_B = 1,
  DMG_GAS_AUTH       = 300,
  DMG_GAS_BEACON     = 4000,
  DMG_GAS_SHA256     = 150, DMG_GAS_SHA256_B = 1,
  DMG_GAS_KECCAK     = 300, DMG_GAS_KECCAK_B = 5,
  DMG_GAS_BLAKE2B    = 200, DMG_GAS_BLAKE2B_B = 2,
  DMG_GAS_VERIFY_B   = 1,
  DMG_GAS_RESULT_B   = 2          /* results of top calls (R4.8) */
};

/* R1.10 */
enum {
  DMG_DM_ABSENT = -1, DMG_DM_BOUND = -2, DMG_DM_REENTRANT = -3, DMG_DM_DEPTH = -4, DMG_DM_NO_MODULE = -5, DMG_DM_PAUSED = -6, DMG_DM_MIGRATING = -7,
  DMG_DM_ROLE = -8, DMG_DM_SMALL_BUFFER = -9, DMG_DM_NO_PLEDGE = -10, DMG_DM_LIMIT = -11, DMG_DM_FAULT = -256
};

enum {
  DMG_EXEC_READ_MAX     = 2048,
  DMG_EXEC_WRITE_MAX    = 1024,
  DMG_EXEC_WRITE_SZ_MAX = 262144,
  DMG_EXEC_EVENT_SZ_MAX = 65536,
  DMG_EXEC_DEPTH_MAX    = 8,
  DMG_EXEC_SCAN_MAX     = 64,
  DMG_EXEC_SCAN_SZ_MAX  = 8192,
  DMG_EXEC_TOPIC_MAX    = 5,        /* of one event: its module and 4 accounts (M0.17) */
  DMG_EXEC_OWN_MAX      = 64,       /* module accounts that acted in one transaction */
  DMG_CODE_CNT_MAX      = 256,
  DMG_READER_MAX        = 16
};

/* ---- Registry ---- */

/* A code with its interface, immutable once published but for the two counts.  It stays while a worker's set names it;
   when the table is full, the one unused longest goes. */
typedef struct {
  dmg_hash_t        hash;
  uint16_t          instr_version;
  uint32_t          idx;            /* in rt->codes */
  uint32_t          pin_cnt;        /* sets that name it; under rt->lock, as is used */
  uint64_t          used;
  dmg_arena_t *     arena;
  dmg_span_t        abi_raw;
  dmg_hash_t        abi_hash;
  dmg_abi_t const * abi;
  dmg_ov_item_t *   items;          /* beside abi->items */
  dmg_vm_code_t *   vm;
} dmg_mod_code_t;

typedef struct { uint16_t id; uint8_t status; dmg_hash_t self; dmg_mod_code_t const * code; } dmg_mod_t;
typedef struct { dmg_mod_t mods[ DMG_GENESIS_MODULE_MAX ]; uint32_t cnt; } dmg_mod_set_t;   /* ascending by id */

/* What one thread runs with: instances and memory. */
typedef struct {
  bool            is_busy;
  dmg_vm_inst_t * insts[ DMG_CODE_CNT_MAX ][ 2 ];   /* for calls and hooks; for queries */
  dmg_mod_set_t   set;
  dmg_arena_t *   tx_arena;
  dmg_ov_t        ov;
  dmg_buf_t       buf;                              /* for encoding a receipt */
  struct dmg_exec_event * events;                   /* DMG_RECEIPT_EVENT_MAX of them */
} dmg_worker_t;

struct dmg_runtime {
  dmg_runtime_cfg_t cfg;
  pthread_mutex_t   lock;           /* codes, their pins, workers' is_busy */
  pthread_mutex_t   compile_lock;   /* one compilation at a time */
  pthread_cond_t    reader_free;
  dmg_mod_code_t *  codes[ DMG_CODE_CNT_MAX ];
  uint32_t          code_cnt;
  uint64_t          use_seq;
  dmg_worker_t *    main;
  dmg_worker_t *    readers[ DMG_READER_MAX ];
  uint32_t          reader_cnt;
};

/* The code of hash, loading it from file (or, with file.p NULL, from nothing but what is loaded: NOT_FOUND); pinned, so it
   goes into the worker's set at once.  INVALID with out_why: the checker, the ABI or the native items refuse it.  FULL:
   DMG_CODE_CNT_MAX codes are in use. */
DMG_MUST_USE dmg_err_t dmg_reg_code( dmg_runtime_t * rt, dmg_hash_t const * hash, dmg_span_t file, uint16_t instr_version, dmg_mod_code_t const ** out_code, dmg_exec_why_t * out_why );
/* The active modules of the state under bs, pinned; out_set is empty before. */
DMG_MUST_USE dmg_err_t dmg_reg_set( dmg_runtime_t * rt, dmg_block_set_t * bs, dmg_mod_set_t * out_set );
/* Empties the set and lets its codes go; under rt->lock. */
void dmg_reg_set_drop( dmg_runtime_t * rt, dmg_mod_set_t * set );
/* Instances of all modules of the worker's set, for calls and for queries: before a transaction runs, never on its path (R1.8). */
DMG_MUST_USE dmg_err_t dmg_reg_insts( dmg_worker_t * w );
dmg_vm_inst_t * dmg_reg_inst( dmg_worker_t const * w, dmg_mod_code_t const * code, bool is_query );
void dmg_reg_code_free( dmg_runtime_t * rt, dmg_mod_code_t * code );
dmg_mod_t const * dmg_reg_find( dmg_mod_set_t const * set, uint16_t module );

/* ---- Execution ---- */

typedef struct dmg_exec  dmg_exec_t;
typedef struct dmg_frame dmg_frame_t;

typedef struct dmg_exec_event {
  dmg_event_t ev;
  dmg_hash_t  actor;
  dmg_hash_t  topics[ DMG_EXEC_TOPIC_MAX ];   /* [0]: module */
  uint32_t    topic_cnt;
  bool        is_native;
} dmg_exec_event_t;

/* One transaction, hook or system step while it runs. */
typedef struct {
  dmg_tx_t const * tx;              /* NULL: system work */
  uint32_t         index;           /* of its receipt */
  dmg_hash_t       id, sender;
  dmg_role_t       role;
  uint16_t         slots;           /* bits of the authenticators that signed */
  bool             is_unlimited;    /* genesis: no R1.10 limits */
  int64_t          ticks;           /* left */
  int32_t          stack;           /* slots left */
  uint16_t         call_idx;
  uint32_t         read_cnt, write_cnt, write_sz;
  dmg_exec_event_t * events;
  uint32_t         event_cnt, event_sz;
  struct { dmg_hash_t account; uint16_t module; } own[ DMG_EXEC_OWN_MAX ];
  uint32_t         own_cnt;
  uint8_t          ran[ DMG_GENESIS_MODULE_MAX/8 ];   /* bit i: a call or hook of x->set->mods[ i ] ran */
  dmg_hash_t       payer;           /* of `deposit payer` */
  dmg_span_t       results[ DMG_TX_CALL_MAX ];
  uint32_t         result_cnt;
  uint8_t          status, call;
  uint16_t         module;
  uint32_t         code;
  uint64_t         intrinsic, reserve, used, billed, fee, tip, held, returned;
  uint64_t         void_have, void_want;   /* VOID for FEE, BALANCE: sparks there are, and the least that would do */
  uint64_t         exec_billed;     /* billed without the intrinsic part */
  uint64_t         mid_held;        /* held by the prologue */
  bool             is_account_new;
  bool             is_closed;       /* close_account ran: what is left goes to close_to */
  uint8_t          close_state;     /* why that cannot be: Locked's state */
  dmg_hash_t       close_to;
  dmg_flow_t *     flows;           /* by the epilogue */
  size_t           flow_cnt;
} dmg_exec_run_t;

struct dmg_exec {
  dmg_runtime_t *         rt;
  dmg_worker_t *          w;
  dmg_mod_set_t const *   set;
  dmg_block_ctx_t const * ctx;
  dmg_arena_t *           arena;    /* results; the block set */
  dmg_block_set_t         bs;
  dmg_ov_t *              ov;       /* of the worker */
  dmg_arena_t *           tx_arena; /* of the worker */
  dmg_params_t            params;
  uint64_t                price;    /* micro-sparks per gas */
  uint32_t                unordered_cnt;
  bool                    is_lockless;   /* no entry under Balances' lock in the state or the block */
  dmg_preview_opts_t const * opts;  /* NULL but in previews */
  dmg_exec_run_t          tx;
  dmg_err_t               err;      /* local failure met inside a host function */
  dmg_exec_out_t *        out;      /* sums */
  uint64_t                fee_gas;  /* billed execution gas paid by fee (R5.9) */
};

/* Loads params, price and modules of the state under view. */
DMG_MUST_USE dmg_err_t dmg_exec_open( dmg_exec_t * x, dmg_runtime_t * rt, dmg_worker_t * w, dmg_view_t * view, dmg_block_ctx_t const * ctx, dmg_arena_t * arena );
/* Begins a transaction or system step on a fresh overlay. */
void dmg_exec_begin( dmg_exec_t * x, dmg_tx_t const * tx, uint32_t index );
/* prologue, calls, epilogue; x->tx holds what came of it and the overlay its effects, unless VOID (then reset). */
DMG_MUST_USE dmg_err_t dmg_exec_tx( dmg_exec_t * x );
/* A hook of a module as a system step, without deposits: x->tx tells how it ended (of a FAULT results[ 0 ] is the payload). */
DMG_MUST_USE dmg_err_t dmg_exec_hook( dmg_exec_t * x, dmg_mod_t const * mod, dmg_hook_t hook, dmg_span_t args, uint64_t gas, uint64_t * out_used );

/* prologue.c: DMG_VOID_NONE or the reason. */
DMG_MUST_USE dmg_err_t dmg_prologue( dmg_exec_t * x, dmg_void_t * out_reason );
/* Module active, schema accepted, arguments decode; *out_fn the call. */
DMG_MUST_USE dmg_err_t dmg_call_check( dmg_exec_t * x, uint16_t module, uint16_t call, dmg_hash_t const * schema, dmg_span_t args,
                                       dmg_mod_t const ** out_mod, dmg_abi_fn_t const ** out_fn, dmg_void_t * out_reason );

/* epilogue.c.  After the prologue: what the calls start from. */
DMG_MUST_USE dmg_err_t dmg_epilogue_arm( dmg_exec_t * x );
/* After the calls (status OK) or their failure (overlay already at calls_mark). */
DMG_MUST_USE dmg_err_t dmg_epilogue( dmg_exec_t * x, size_t calls_mark );
/* The entry's record goes (has_rec false), its amount back to who paid. */
DMG_MUST_USE dmg_err_t dmg_deposit_return( dmg_exec_t * x, dmg_ov_entry_t * e );
/* R6.1: H("dmg/outcome/v1", BCS { status enum, flows list { account[32], asset, out u64, in u64 }, results list bytes }). */
DMG_MUST_USE dmg_err_t dmg_outcome_hash( dmg_exec_t * x, dmg_hash_t * out );
/* Fee of a reserve or bill: ceil( gas price / 10^6 ). */
uint64_t dmg_fee_of( uint64_t gas, uint64_t price );

/* ---- account_close.c: the native half of close_account, inside the epilogue ---- */

/* Before the bill: if the calls closed the account, its entries go; *out_gas is what that costs. */
DMG_MUST_USE dmg_err_t dmg_close_begin( dmg_exec_t * x, uint64_t * out_gas );
/* After the bill, with x->tx.is_closed: Free goes to x->tx.close_to.  *out_ok false: something is held, locked or vests. */
DMG_MUST_USE dmg_err_t dmg_close_end( dmg_exec_t * x, bool * out_ok );
/* After the calls were dropped for that with status FAULT, code DMG_CLOSE_FAULT: where and what, for the receipt. */
DMG_MUST_USE dmg_err_t dmg_close_refuse( dmg_exec_t * x );
enum { DMG_CLOSE_FAULT = 12 };   /* Locked { state u8 {0 held, 1 locked, vesting, leader}, by u16 } (M0.13) */

/* ---- host.c ---- */

typedef struct {
  dmg_mod_t const *    mod;
  uint8_t              kind;        /* 0 call 1 query 2 hook (R1.12) */
  dmg_abi_fn_t const * fn;
  dmg_span_t           args;        /* checked */
  dmg_role_t           role;
  uint16_t             caller;      /* module, 0: the transaction */
  dmg_hash_t           actor;
} dmg_frame_spec_t;

typedef enum { DMG_FRAME_OK, DMG_FRAME_FAULT, DMG_FRAME_FAIL } dmg_frame_end_t;

struct dmg_frame {
  dmg_exec_t *      x;
  dmg_frame_t *     up;
  dmg_frame_spec_t  spec;
  dmg_vm_inst_t *   inst;
  uint32_t          depth;
  bool              is_read_only;
  dmg_span_t        fault;          /* payload given by fault() */
  dmg_span_t        callee_fault;
};

typedef struct {
  dmg_frame_end_t end;
  uint32_t        fault;
  dmg_span_t      out;              /* OK: result, until the instance runs again; FAULT: payload in the tx arena */
} dmg_frame_res_t;

/* Runs one entry of a module with what x->tx.ticks and .stack hold.  FAULT and FAIL have rolled back its
   writes and events.  FAIL: x->tx.status, module, code are set and the transaction ends.  A local
   failure is returned. */
DMG_MUST_USE dmg_err_t dmg_frame_run( dmg_exec_t * x, dmg_frame_t * up, dmg_frame_spec_t const * spec, dmg_frame_res_t * out );
/* Table for dmg_vm_inst_new. */
extern dmg_vm_host_fn const dmg_host_table[ DMG_DM1_CNT ];
/* Notes that an account of module acts; false: more than DMG_EXEC_OWN_MAX. */
bool dmg_own_add( dmg_exec_t * x, dmg_hash_t const * account, uint16_t module );

/* ---- topics.c ---- */

/* Appends a native event to the transaction (data copied). */
DMG_MUST_USE dmg_err_t dmg_event_native( dmg_exec_t * x, bool is_first, uint16_t module, uint16_t event, dmg_span_t data );
/* An event's topics by its ABI: the module and each address field in `topic`. */
void dmg_event_topics( dmg_mod_t const * mod, dmg_abi_event_t const * abi, dmg_exec_event_t * event );
/* Drops topics of accounts that are strangers (R4.15); needs the overlay as the calls left it.  *out_new: how many of
   what is left are not in the state. */
DMG_MUST_USE dmg_err_t dmg_events_judge( dmg_exec_t * x, uint32_t * out_new );
/* Receipt of x->tx in x->arena; overlay, topics and sums go into the block. */
DMG_MUST_USE dmg_err_t dmg_exec_commit( dmg_exec_t * x, dmg_span_t * out_receipt );
/* The transaction's receipt, encoded into x->arena, without committing. */
DMG_MUST_USE dmg_err_t dmg_exec_receipt( dmg_exec_t * x, dmg_span_t * out_receipt );
/* Fees, price, Seen, beacon, receipts log, block item; the system receipt. */
DMG_MUST_USE dmg_err_t dmg_block_end( dmg_exec_t * x, dmg_span_t const * receipts, size_t receipt_cnt );

/* ---- native.c: native items in the block, and their entries in the transaction's overlay ---- */

extern dmg_ov_item_t const dmg_native_item[ DMG_ITEM_CNT ];

/* The BCS of an item's value in the block set; absent: p NULL, which every dmg_item_*_get takes for CORRUPT. */
DMG_MUST_USE dmg_err_t dmg_nat_get( dmg_block_set_t * bs, dmg_item_t item, uint8_t const * key, size_t key_sz, dmg_span_t * out_bcs );
DMG_MUST_USE dmg_err_t dmg_nat_free( dmg_exec_t * x, dmg_hash_t const * account, dmg_ov_entry_t ** out );
DMG_MUST_USE dmg_err_t dmg_nat_entry( dmg_exec_t * x, dmg_item_t item, uint8_t const * key, size_t key_sz, dmg_ov_entry_t ** out );
/* Adds to a counter; CORRUPT if it would pass 2^63-1. */
DMG_MUST_USE dmg_err_t dmg_nat_credit( dmg_exec_t * x, dmg_ov_entry_t * entry, uint64_t amount );
DMG_MUST_USE dmg_err_t dmg_nat_debit ( dmg_exec_t * x, dmg_ov_entry_t * entry, uint64_t amount );   /* CORRUPT below 0 */
/* Free minus what locks keep (M2.2, bonded 0). */
DMG_MUST_USE dmg_err_t dmg_nat_spendable( dmg_exec_t * x, dmg_hash_t const * account, uint64_t * out );
/* Free to Held and Hold(account, storage, zero).  *out_ok false: too little to spend, nothing done. */
DMG_MUST_USE dmg_err_t dmg_nat_pay   ( dmg_exec_t * x, dmg_hash_t const * account, uint64_t amount, bool * out_ok );
DMG_MUST_USE dmg_err_t dmg_nat_return( dmg_exec_t * x, dmg_hash_t const * account, uint64_t amount );

/* ---- exec.c ---- */

/* A reader, waiting for one; NOMEM. */
DMG_MUST_USE dmg_err_t dmg_worker_take( dmg_runtime_t * rt, dmg_worker_t ** out_w );
/* The one that runs blocks and genesis; it is not busy (asserted). */
dmg_worker_t *         dmg_worker_main( dmg_runtime_t * rt );
/* Either kind; its set and its transaction arena are empty afterwards. */
void                   dmg_worker_give( dmg_runtime_t * rt, dmg_worker_t * w );
__attribute__(( format( printf, 2, 3 ) ))
void dmg_why( dmg_exec_why_t * why, char const * fmt, ... );   /* why may be NULL */

#endif
