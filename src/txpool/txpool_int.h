/* txpool_int: the pool's own structures.

     ids      hash table id -> record (a status), the record of a waiting transaction points to its entry
     senders  hash table address -> sender, all of them in one ring (the order of build) and in lists by how many they have
     lanes    hash table (sender, lane) -> lane, its entries in nonce order; a sender's lanes in a list
     expiry   a wheel of lists by expiry height
     queued   one list, oldest first: who goes first when the pool is full
     live     an array of all entries in no order, for those who look for many at once
     aged     records that wait for nothing, oldest change first: who is forgotten first */
#ifndef DMG_TXPOOL_TXPOOL_INT_H
#define DMG_TXPOOL_TXPOOL_INT_H

#include "txpool/txpool.h"
#include "base/assert.h"
#include "base/num.h"

/* Above the largest expiry window (params.h), so a list holds one height. */
#define WHEEL_SZ 16384u
_Static_assert( ( WHEEL_SZ&( WHEEL_SZ-1 ) )==0, "a power of two" );
#define NONE UINT32_MAX

typedef struct dmg_txpool_sender sender_t;
typedef struct dmg_txpool_lane   lane_t;
typedef struct dmg_txpool_entry  entry_t;

typedef struct {
  dmg_hash_t id, by;
  uint64_t   height, since_ms;
  uint32_t   index;
  uint8_t    kind, reason, receipt_status;
  bool       is_aged;
  entry_t *  entry;                  /* QUEUED, POOLED */
  uint32_t   hash_next;
  uint32_t   age_prev, age_next;     /* age_next also links free ones */
} record_t;

struct dmg_txpool_entry {
  dmg_tx_t   tx;                     /* with all it points to in this block of memory */
  size_t     mem_sz;
  uint32_t   ref_cnt, attempt_cnt;
  bool       is_in, is_queued;
  uint64_t   seq;                    /* order of arrival */
  uint64_t   intrinsic, reserve;     /* reserve at the price of its admission */
  sender_t * sender;
  lane_t *   lane;
  uint32_t   record;
  uint32_t   live;                   /* place in pool->live */
  dmg_hash_t leaf;                   /* C2.5 */
  entry_t *  lane_prev, * lane_next;
  entry_t *  expiry_prev, * expiry_next;
  entry_t *  queued_prev, * queued_next;
};

struct dmg_txpool_lane {
  sender_t * sender;
  uint16_t   no;
  uint64_t   head;                   /* next nonce in the state; unused in the unordered lane */
  entry_t *  first, * last;
  lane_t *   hash_next;
  lane_t *   prev, * next;           /* of the sender */
};

struct dmg_txpool_sender {
  dmg_hash_t address;
  uint32_t   cnt;
  size_t     bytes;
  uint64_t   reserve;                /* sum over its entries */
  lane_t *   lanes;
  sender_t * hash_next;
  sender_t * ring_prev, * ring_next;
  sender_t * cnt_prev, * cnt_next;   /* senders with the same cnt */
  /* What state said under the head of that generation. */
  uint64_t   account_at, spendable_at;   /* generation; 0: not asked */
  uint64_t   spendable;
  dmg_txpool_account_t * account;        /* NULL: none in state; holds auth_cnt authenticators, no more */
};

/* What a check learnt from the state, so that finish need not ask again under the same head. */
typedef struct { uint64_t generation, lane_head, spendable; bool is_by_init; } learnt_t;   /* is_by_init: its keys are those of a first transaction in the pool */

struct dmg_txpool_ticket {
  entry_t *        entry;            /* NULL: not a transaction, why says */
  learnt_t         learnt;
  dmg_txpool_why_t why;
  bool             is_out;           /* between check and finish: counted */
};

typedef struct { dmg_hash_t leaf; uint64_t in_ms; entry_t * entry; } live_t;

struct dmg_txpool {
  dmg_txpool_cfg_t  cfg;
  dmg_txpool_head_t head;
  uint64_t          generation;      /* changes with each head, from 1 */
  dmg_arena_t *     scratch;         /* of one decode */
  dmg_txpool_stats_t stats;
  uint64_t          seq;
  uint32_t          cnt;

  record_t *  records;  uint32_t * id_heads;  uint32_t id_mask, record_free, record_used, aged_first, aged_last;
  sender_t ** sender_heads;  uint32_t sender_mask;  sender_t * ring;   /* ring: who is next in build */
  lane_t **   lane_heads;    uint32_t lane_mask;
  sender_t ** by_cnt;        uint32_t by_cnt_hi;                       /* by_cnt[ n ]: senders with n entries */
  entry_t *   wheel[ WHEEL_SZ ];
  entry_t *   queued_first, * queued_last;
  live_t *    live;                                                    /* cnt of them */
  entry_t **  heap;                                                    /* build's room: cnt_max places */
};

/* txpool_status.c */
uint32_t   dmg_txpool_record_find( dmg_txpool_t const * pool, dmg_hash_t const * id );   /* NONE */
/* Finds or makes; makes room by forgetting the oldest that waits for nothing. */
uint32_t   dmg_txpool_record_make( dmg_txpool_t * pool, dmg_hash_t const * id );
/* New status; tells the watcher; files the record where it belongs.  index, height, by, reason by kind. */
typedef struct { dmg_txpool_kind_t kind; dmg_txpool_reason_t reason; uint8_t receipt_status; uint32_t index; uint64_t height; dmg_hash_t const * by; } change_t;
void       dmg_txpool_record_set ( dmg_txpool_t * pool, uint32_t record, change_t change, uint64_t now_ms );
void       dmg_txpool_record_status( record_t const * r, dmg_txpool_status_t * out );
void       dmg_txpool_age( dmg_txpool_t * pool, uint64_t now_ms );
void       dmg_txpool_forget_above( dmg_txpool_t * pool, uint64_t height );   /* inclusions in blocks that never were */

/* txpool_index.c */
uint64_t   dmg_txpool_mix( uint64_t x );
sender_t * dmg_txpool_sender_find( dmg_txpool_t const * pool, dmg_hash_t const * address );
lane_t *   dmg_txpool_lane_find( dmg_txpool_t const * pool, sender_t const * sender, uint16_t no );
entry_t *  dmg_txpool_lane_at( lane_t const * lane, uint64_t nonce );
/* A copy of tx with all it points to; NULL: no memory. */
entry_t *  dmg_txpool_entry_new( dmg_tx_t const * tx );
void       dmg_txpool_entry_unref( entry_t * entry );
/* Into all lists, status QUEUED or POOLED; takes over the caller's ref.  lane_head as in state, if the lane is new.  NOMEM: untouched. */
DMG_MUST_USE dmg_err_t dmg_txpool_entry_in( dmg_txpool_t * pool, entry_t * entry, uint64_t lane_head, uint64_t now_ms );
/* Out of all lists with that last status; what follows it in its lane is queued.  The pool's ref goes. */
void       dmg_txpool_entry_out( dmg_txpool_t * pool, entry_t * entry, change_t change, uint64_t now_ms );
/* The lane's head rose or fell: entries below it are dropped, the others filed anew. */
void       dmg_txpool_lane_move( dmg_txpool_t * pool, lane_t * lane, uint64_t head, uint64_t now_ms );
/* The next one in its lane that could follow in the same block; NULL. */
entry_t *  dmg_txpool_entry_after( entry_t const * entry );

/* txpool_judge.c: false or a reason: why says. */
bool dmg_txpool_judge_early( dmg_txpool_t const * pool, dmg_tx_t const * tx, dmg_txpool_why_t * why );   /* chain, expiry */
/* Gas limit to gas lines; sets entry->reserve and learnt. */
DMG_MUST_USE dmg_err_t dmg_txpool_judge( dmg_txpool_t * pool, dmg_txpool_state_t const * state, entry_t * entry, learnt_t * learnt, dmg_txpool_why_t * why );
/* Under the same head: only what others of the sender, come in since, can have changed.  Asks no state. */
void dmg_txpool_judge_again( dmg_txpool_t const * pool, entry_t const * entry, learnt_t const * learnt, dmg_txpool_why_t * why );
/* Replacement and quotas; *out_replaced goes out when this one comes in.  With is_final makes room by evicting. */
bool dmg_txpool_judge_room( dmg_txpool_t * pool, entry_t const * entry, learnt_t const * learnt, bool is_final, uint64_t now_ms, entry_t ** out_replaced, dmg_txpool_why_t * why );
uint64_t dmg_txpool_reserve( uint64_t gas, uint64_t price, uint64_t tip );   /* UINT64_MAX: too large to be payable */

#endif
