/* sub_int: what sub.c and sub_log.c share.

     sub.c      heads, tx: told at once by whoever brings the news, newest first
     sub_log.c  blocks, events, account: a position in the chain, told by a thread of their own, so that neither the chain's nor
                an HTTP worker reads blocks for them (F5.2)

   Everything is under subs->lock. */
#ifndef DMG_RPC_SUB_INT_H
#define DMG_RPC_SUB_INT_H

#include "rpc/rpc_int.h"

enum { CURSOR_SZ = 53, CURSOR_TEXT_SZ = 71, SOCK_BUCKET_CNT = 1024, ID_BUCKET_BITS = 14, SUB_LOG_MAX = 4096, SUB_ACCOUNT_MAX = 512 };

typedef enum { TOPIC_HEADS = DMG_RPC_TOPIC__HEADS, TOPIC_TX = DMG_RPC_TOPIC__TX, TOPIC_BLOCKS = DMG_RPC_TOPIC__BLOCKS, TOPIC_EVENTS = DMG_RPC_TOPIC__EVENTS, TOPIC_ACCOUNT = DMG_RPC_TOPIC__ACCOUNT, TOPIC_CNT } topic_t;

typedef struct sub  sub_t;
typedef struct sock sock_t;

/* What was told of a transaction; enough to see whether something changed. */
typedef struct { uint8_t state, receipt_status; uint32_t index; uint64_t height; } told_t;

/* One id of a `tx` stream, in the bucket of its id. */
typedef struct watch {
  struct watch * next, ** at;               /* *at is this one */
  sub_t *        sub;
  dmg_hash_t     id;
  told_t         told;
  bool           is_dirty;                  /* to be told when there is room */
} watch_t;

struct sub {
  sub_t *    next;                          /* of its socket */
  sub_t *    next_head, ** at_head;         /* HEADS: of all sockets */
  sub_t *    next_log, * prev_log;          /* BLOCKS, EVENTS, ACCOUNT: a ring, whose turn it is first */
  sock_t *   sock;
  uint64_t   id, seq;                       /* seq UINT64_MAX: none yet, the next is 0 */
  uint64_t   gap_to;                        /* HEADS: sub_gap up to here comes first; 0: none */
  topic_t    topic;
  dmg_hash_t topic_hash;                    /* of its cursors */
  bool       is_behind;                     /* has something to tell that was not sent */
  bool       is_final_only;                 /* F5.4 */
  bool       is_fresh;                      /* its answer is not out yet */
  bool       is_ready;                      /* log: its answer is out, and its socket has room */
  bool       is_by_module;                  /* EVENTS */
  uint16_t   module;
  uint64_t   body;                          /* BLOCKS: DMG_RPC_BODY_LEVEL__* */
  dmg_hash_t account;                       /* EVENTS, ACCOUNT */
  dmg_hash_t told;                          /* ACCOUNT: hash of what was told last */
  uint64_t   next_height;                   /* log: the first block not told whole */
  uint32_t   next_item;                     /* EVENTS: its first event not told */
  uint32_t   watch_cnt;
  watch_t    watch[];
};

struct sock { sock_t * next; uint64_t ws; sub_t * subs; uint32_t cnt; dmg_cost_who_t who; };

typedef struct { dmg_at_block_t at; uint64_t time_ms; uint32_t tx_cnt; } head_t;

struct dmg_rpc_sub {
  pthread_mutex_t lock;
  sock_t *        socks[ SOCK_BUCKET_CNT ];
  sub_t *         heads;
  watch_t *       watches[ 1<<ID_BUCKET_BITS ];
  uint64_t        secret;                   /* odd: clients choose ids, not buckets */
  uint64_t        next_id;
  uint32_t        cnt;
  atomic_uint     behind_cnt;
  bool            is_draining;
  bool            is_owed;                  /* some stream waits because its client is deep in debt */
  head_t          head;                     /* newest known; height 0: none yet */
  uint64_t        event_height;             /* of the last on_block */

  sub_t *         logs;                     /* the ring; NULL: empty */
  uint32_t        log_cnt, account_cnt;
  pthread_t       pump;
  bool            has_pump, is_stopping;
  pthread_cond_t  wake;                     /* of the pump */
  uint64_t        log_height;               /* blocks up to here can be told */
  uint64_t        revert_cnt;               /* dev_revert: what was read before is of another chain */
};

static inline bool dmg_sub_is_log( sub_t const * s ) { return s->topic>=TOPIC_BLOCKS; }

sock_t ** dmg_sub_sock_at   ( dmg_rpc_sub_t * subs, uint64_t ws );
void      dmg_sub_set_behind( dmg_rpc_sub_t * subs, sub_t * s, bool is_behind );
void      dmg_sub_cursor    ( sub_t const * s, uint64_t seq, uint64_t height, uint32_t position, char out[ CURSOR_TEXT_SZ+1 ] );

/* Unlinks and frees. */
void      dmg_sub_end       ( dmg_rpc_sub_t * subs, sub_t * s );

/* sub_log.c.  The first two before s is linked, and without the lock. */
bool dmg_sub_log_filter( dmg_rpc_call_t * call, sub_t * s, dmg_jv_t body, dmg_jv_t module, dmg_jv_t account );
/* Where s begins: after the cursor, else after the head. */
bool dmg_sub_log_begin ( dmg_rpc_call_t * call, sub_t * s, bool has_cursor, uint64_t height, uint32_t position );
bool dmg_sub_log_start ( dmg_rpc_call_t * call, sub_t * s );   /* room, and the pump runs */
void dmg_sub_log_link  ( dmg_rpc_sub_t * subs, sub_t * s );
void dmg_sub_log_unlink( dmg_rpc_sub_t * subs, sub_t * s );
void dmg_sub_log_block ( dmg_rpc_sub_t * subs, dmg_at_block_t const * at, bool is_back );
void dmg_sub_log_wake  ( dmg_rpc_sub_t * subs );
void dmg_sub_log_stop  ( dmg_rpc_sub_t * subs );               /* without the lock; joins the pump */

#endif
