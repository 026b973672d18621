/* query: what rpc asks of the node, as function tables that node/ fills.

     http worker -- rpc (parse, limits, dispatch, print) -- dmg_query_t --> node (chain, state, pool)

   rpc knows no chain, store or pool; node knows no JSON.  Bytes cross in their canonical form
   (BCS, fixed layouts) and rpc decodes them with types/.

   Memory   spans in results live in the arena of the request, or as long as the view that gave them
   Threads  every function may be called by several HTTP workers at once; none blocks longer than a
            mutex of the chain is held (one block's commit at most), but dev_* and preview
   Failure  dmg_err_t; the text of a refusal stands in dmg_query_why_t (what was wrong, where, what
            would be right) */
#ifndef DMG_RPC_QUERY_H
#define DMG_RPC_QUERY_H

#include "base/arena.h"
#include "crypto/hash.h"
#include "types/agree.h"

/* Reason of a refusal in words; always zero-terminated. */
typedef struct { char text[ 256 ]; char const * name; } dmg_query_why_t;   /* name: the field's error name (F4.1), "" if none */

/* F0.4 */
typedef enum { DMG_AT_HEAD, DMG_AT_FINAL, DMG_AT_PENDING, DMG_AT_HEIGHT, DMG_AT_HASH } dmg_at_kind_t;
typedef struct { dmg_at_kind_t kind; uint64_t height; dmg_hash_t hash; } dmg_at_t;

typedef struct { uint64_t height; dmg_hash_t hash; bool is_final; } dmg_at_block_t;

typedef struct {
  dmg_hash_t     chain_id;          /* = genesis hash */
  char           name[ 33 ];
  uint8_t        kind;              /* 0 main 1 test 2 dev */
  uint64_t       genesis_ms;
  dmg_at_block_t head, final;
  uint64_t       head_ms, final_ms; /* their times */
  uint64_t       oldest_height;     /* of blocks kept */
  uint64_t       price;             /* micro-sparks per gas for the next block */
  uint64_t       tx_cnt;            /* transactions in blocks since start of the process */
  uint32_t       pooled_cnt;
  uint8_t        validator_key[ 96 ];   /* of a chain of one; else the first of genesis */
  uint32_t       epoch;             /* of the block above the head */
  bool           is_supply_broken;  /* dev_setBalance made or took coins (F2.5) */
} dmg_query_chain_t;

/* One block as stored. */
typedef struct {
  dmg_at_block_t at;
  dmg_span_t     signed_header;     /* 410 bytes; empty at height 0 */
  dmg_span_t     body;              /* BCS */
  dmg_span_t     finality;          /* Cert of 109 bytes, empty if not final */
} dmg_query_block_t;

typedef enum { DMG_TX_UNKNOWN, DMG_TX_QUEUED, DMG_TX_POOLED, DMG_TX_INCLUDED, DMG_TX_FINAL, DMG_TX_REPLACED, DMG_TX_EXPIRED, DMG_TX_DROPPED } dmg_tx_state_t;

typedef struct {
  dmg_tx_state_t state;
  uint64_t       height;            /* INCLUDED, FINAL; EXPIRED: at */
  uint32_t       index;
  uint8_t        receipt_status;    /* R4.8; INCLUDED, FINAL */
  dmg_hash_t     by;                /* REPLACED */
  char           reason[ 64 ];      /* DROPPED */
} dmg_query_tx_status_t;

/* One transaction on its way into the pool. */
typedef struct {
  dmg_span_t            raw;
  dmg_err_t             err;        /* OK: id and status; a known id answers its status.  INVALID: refused, why says; FULL: pool full, why says */
  dmg_hash_t            id;
  dmg_query_tx_status_t status;
  dmg_query_why_t       why;
  bool                  is_known;   /* OK, but nothing new */
  bool                  is_false;   /* INVALID whatever the state: size, form, chain, signature */
} dmg_query_submit_t;

/* A pinned state. */
typedef struct { dmg_at_block_t at; void * handle; } dmg_query_view_t;

/* What an account holds (M2.2); locked: the largest live lock. */
typedef struct { dmg_at_block_t at; uint64_t free, held, locked, spendable; } dmg_query_holding_t;

enum { DMG_QUERY_LINK_MAX = 64 };

/* A proof of one key (F0.5): header of the block whose parent_state_root is the root of view->at.  A block that a descendant made
   final has no certificate of its own: links are the headers from its child up to the first that has one. */
typedef struct {
  uint64_t   height;                /* of the proven state */
  dmg_span_t header;                /* 362 bytes, of height+1 */
  dmg_span_t tree;                  /* S12 single */
  dmg_span_t finality;              /* Cert of the last link, without any of the header: 109 bytes; empty: none within DMG_QUERY_LINK_MAX blocks yet */
  dmg_span_t links[ DMG_QUERY_LINK_MAX ];   /* 362 bytes each, every one the child of the one before */
  uint32_t   link_cnt;
} dmg_query_proof_t;

/* What one account's holding of one asset (BCS, R2.2b) did, the bill left out. */
typedef struct { dmg_hash_t account; dmg_span_t asset; uint64_t out, in; } dmg_query_flow_t;

enum { DMG_QUERY_STACK_MAX = 16 };

typedef struct {
  uint8_t    status;                /* R4.8 */
  uint64_t   gas_used;              /* execution gas the calls, prologue and epilogue took */
  uint64_t   gas_to_set;            /* used x 1.2: a limit that leaves room */
  uint64_t   fee_at_set;            /* sparks reserved for that limit, tip included */
  uint64_t   intrinsic;
  uint64_t   price;
  dmg_span_t receipt;               /* BCS */
  dmg_hash_t outcome;               /* R6.1 */
  dmg_query_flow_t * flows;
  uint32_t   flow_cnt;
  dmg_query_why_t why;              /* unless OK: what went wrong */
} dmg_query_preview_t;

typedef enum { DMG_PACE_AUTO, DMG_PACE_MS, DMG_PACE_MANUAL } dmg_pace_kind_t;
typedef struct { dmg_pace_kind_t kind; uint32_t pace_ms; } dmg_pace_t;

typedef struct dmg_query_dev dmg_query_dev_t;
typedef struct dmg_query_net dmg_query_net_t;

typedef struct {
  void * ctx;
  void      (*chain)      ( void * ctx, dmg_query_chain_t * out );
  /* NOT_FOUND, PRUNED */
  dmg_err_t (*block)      ( void * ctx, dmg_at_t const * at, dmg_arena_t *, dmg_query_block_t * out );
  /* Record and set of an epoch; NOT_FOUND: not known here.  last_height 2^64-1: it does not end. */
  dmg_err_t (*epoch)      ( void * ctx, uint32_t epoch, dmg_record_t * out_record, dmg_set_t * out_set );
  /* The BCS receipts of a block, ascending by index; NOT_FOUND */
  dmg_err_t (*receipts)   ( void * ctx, uint64_t height, dmg_arena_t *, dmg_span_t ** out_receipts, uint32_t * out_cnt );
  /* A transaction in a block by id: its bytes, receipt and place; NOT_FOUND.  A pooled one has receipt.sz 0. */
  dmg_err_t (*tx)         ( void * ctx, dmg_hash_t const * id, dmg_arena_t *, dmg_span_t * out_raw, dmg_span_t * out_receipt, dmg_query_tx_status_t * out_status );
  /* A failure to read it is no answer: a wallet told "unknown" would sign again what may be in a block. */
  dmg_err_t (*tx_status)  ( void * ctx, dmg_hash_t const * id, dmg_query_tx_status_t * out );
  /* Any number at once, admitted in their order, their signatures verified together (R4.2); fills all but raw.  The
     caller's thread does the work, 12 to 110 us a signature: not one that others' reads wait for. */
  void      (*tx_submit)  ( void * ctx, dmg_query_submit_t * items, size_t cnt );
  /* Runs 1..DMG_QUERY_STACK_MAX transactions on the head, each on what those before it leave, without their effects.  Signatures and
     nonces are not looked at, gas limit, fee and balance for it only if is_billed.  out has cnt places; out_at: the head.  INVALID: one
     would be VOID, why says. */
  dmg_err_t (*tx_preview) ( void * ctx, dmg_span_t const * raws, uint32_t cnt, bool is_billed, dmg_arena_t *, dmg_query_preview_t * out, dmg_at_block_t * out_at, dmg_query_why_t * why );
  /* Next nonce of a lane, pool counted in. */
  dmg_err_t (*nonce)      ( void * ctx, dmg_hash_t const * account, uint16_t lane, uint64_t * out_state, uint64_t * out_next );

  /* In the state after a block; errors as view_open.  No view is needed, and at the head often no look at the state. */
  dmg_err_t (*holding)    ( void * ctx, dmg_at_t const * at, dmg_hash_t const * account, dmg_arena_t *, dmg_query_holding_t * out );
  /* NOT_FOUND: no such block; PRUNED; AGAIN: not executed yet.  Every opened view is closed. */
  dmg_err_t (*view_open)  ( void * ctx, dmg_at_t const * at, dmg_query_view_t * out );
  dmg_err_t (*view_get)   ( void * ctx, dmg_query_view_t const *, dmg_span_t key, dmg_arena_t *, dmg_span_t * out_value );   /* V, schema byte first; NOT_FOUND */
  /* Keys under a prefix above `after`, at most max, with their values. */
  dmg_err_t (*view_list)  ( void * ctx, dmg_query_view_t const *, dmg_span_t prefix, dmg_span_t after, uint32_t max, dmg_arena_t *, dmg_span_t * out_keys, dmg_span_t * out_values, uint32_t * out_cnt );
  dmg_err_t (*view_prove) ( void * ctx, dmg_query_view_t const *, dmg_span_t key, dmg_arena_t *, dmg_query_proof_t * out );   /* AGAIN: no child yet */
  /* A module's query by its ids, arguments and result in BCS; INVALID: fault or bad arguments, why says; NOT_FOUND: no such module or query. */
  dmg_err_t (*module_query)( void * ctx, dmg_query_view_t const *, uint16_t module, uint16_t query, dmg_span_t args, dmg_arena_t *, dmg_span_t * out_result, dmg_query_why_t * why );
  /* Canonical ABI bytes (dm:abi) of an active module; NOT_FOUND. */
  dmg_err_t (*module_abi) ( void * ctx, dmg_query_view_t const *, uint16_t module, dmg_arena_t *, dmg_span_t * out_abi );
  /* Ids of the active modules, ascending. */
  dmg_err_t (*modules)    ( void * ctx, dmg_query_view_t const *, uint16_t * out_ids, uint32_t max, uint32_t * out_cnt );
  void      (*view_close) ( void * ctx, dmg_query_view_t * );

  /* Blocks by which making them is behind: 0 unless one takes longer than a block's time (F3.2).  May be NULL. */
  uint32_t  (*lag)        ( void * ctx );

  dmg_query_dev_t const * dev;      /* NULL: not a dev chain; dev_* is then MethodDisabled */
  dmg_query_net_t const * net;      /* NULL: a chain of one, without a network */
} dmg_query_t;

/* ---- The network of a node among others; each with ctx of its own ---- */

typedef struct {
  char     peer[ 64 ];              /* our id, as text */
  char     addr[ 160 ];             /* where we listen, with the id; "": nowhere */
  bool     is_voting;
  uint32_t conn_cnt, in_cnt, link_cnt, relayed_cnt;   /* of links: pairs of validators, direct and by others (N8.4) */
  uint32_t final_p50_ms, final_p99_ms;   /* from a block's time to its being final here, of the last minute; 0: none */
  bool     is_syncing;
  uint64_t height, goal;            /* goal: of a sync, 0 not known */
  double   rate;                    /* blocks a second, of the last seconds */
} dmg_query_net_info_t;

typedef struct {
  char     peer[ 64 ], addr[ 160 ], agent[ 64 ];
  bool     is_outbound, is_link;
  int      validator;               /* the core's peer index, -1 none */
  uint64_t rtt_us, height;          /* 0: not known yet */
} dmg_query_peer_t;

/* Of a peer that the node was told to be connected with. */
typedef enum { DMG_QUERY_DIALLING, DMG_QUERY_CONNECTED, DMG_QUERY_WAS_CONNECTED, DMG_QUERY_UNREACHED } dmg_query_reach_t;   /* was: when it was asked for */
typedef struct {
  char     peer[ 64 ], addr[ 160 ], why[ 256 ];   /* why: of the last failure since it was connected; "": none */
  dmg_query_reach_t state;
  uint32_t fail_cnt;                /* since it was connected */
} dmg_query_dial_t;

struct dmg_query_net {
  void * ctx;
  void      (*info)  ( void * ctx, dmg_query_net_info_t * out );
  size_t    (*peers) ( void * ctx, dmg_query_peer_t * out, size_t max );            /* how many there are */
  dmg_err_t (*dial)  ( void * ctx, char const * addr, dmg_query_why_t * why );      /* asked for, not there yet; INVALID, FULL: why says */
  size_t    (*dials) ( void * ctx, dmg_query_dial_t * out, size_t max );            /* how many there are */
  dmg_err_t (*scores)( void * ctx, dmg_buf_t * out );                               /* lines "PEER SCORE"; waits up to a second */
};

/* F2.5; only on a genesis of kind dev started by `demiurge dev`. */
struct dmg_query_dev {
  dmg_err_t (*mine)         ( void * ctx, uint32_t blocks, uint64_t step_ms, dmg_at_block_t * out_head );
  dmg_err_t (*set_pace)     ( void * ctx, dmg_pace_t pace );
  dmg_err_t (*increase_time)( void * ctx, uint64_t ms );                 /* forward only */
  dmg_err_t (*set_time)     ( void * ctx, uint64_t time_ms );            /* INVALID: not after the head's */
  dmg_err_t (*snapshot)     ( void * ctx, uint32_t * out_id );           /* LIMIT: 64 held */
  dmg_err_t (*revert)       ( void * ctx, uint32_t id );                 /* NOT_FOUND; later snapshots vanish */
  dmg_err_t (*set_balance)  ( void * ctx, dmg_hash_t const * account, uint64_t sparks );
  dmg_err_t (*faucet)       ( void * ctx, dmg_hash_t const * account, uint64_t sparks, dmg_hash_t * out_tx_id );
  uint32_t  (*account_cnt)  ( void * ctx );
  void      (*account)      ( void * ctx, uint32_t idx, char const ** out_name, dmg_hash_t * out_address );
};

/* Fans out what happened.  Called by the node without any lock of its own: a receiver may ask back. */
typedef struct {
  void * ctx;
  /* A block became the head; is_final when it is final (solo: at once). */
  void (*on_block)( void * ctx, dmg_at_block_t const * at, uint64_t time_ms, uint32_t tx_cnt );
  void (*on_tx)   ( void * ctx, dmg_hash_t const * id, dmg_query_tx_status_t const * status );
} dmg_query_events_t;

#endif
