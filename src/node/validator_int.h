/* validator_int: the state of one driver.

     validator.c        turn, actions of the core, start, questions of others
     validator_block.c  blocks above the head: what is known of them, what is missing, execution, commit, sync */
#ifndef DMG_NODE_VALIDATOR_INT_H
#define DMG_NODE_VALIDATOR_INT_H

#include "node/chain_int.h"
#include "node/validator.h"
#include "consensus/just.h"

enum { QUEUE_MAX = 1024, SIGN_MAX = 256, PEND_MAX = 256, BUCKET_CNT = 4096 };
#define ASK_US   1000000u    /* before a header or body is asked for again */
#define POLL_US  100000u     /* while something is missing */
#define STALE_US 5000000u    /* how long the core has to follow the head into the next epoch */

/* A block known by hash above the head.  Once executed its body is the chain's. */
typedef struct vblk {
  struct vblk *       next;
  dmg_hash_t          hash;
  dmg_signed_header_t sh;
  uint8_t *           body;
  uint32_t            body_sz;
  bool                has_header, is_bad, is_pushed;
  bool                is_got;       /* the core asked for its header */
  uint64_t            ask_us;       /* when it was last asked for; 0: not yet */
  uint64_t            born_us;
} vblk_t;

/* own: bytes of the event, freed behind it. */
typedef struct { dmg_cons_event_t ev; uint8_t * own; } queued_t;

struct dmg_validator {
  dmg_validator_cfg_t         cfg;
  dmg_chain_t *               chain;
  dmg_validator_net_t const * net;
  dmg_arena_t *               arena;      /* the core's */
  dmg_cons_t *                core;
  dmg_cons_out_t *            out;
  dmg_cons_info_t             info;       /* after the last step */
  uint64_t                    now_us, wall_ms, timer_us;
  dmg_err_t                   broken;     /* why it stopped */
  queued_t                    queue[ QUEUE_MAX ];
  uint32_t                    queue_at, queue_cnt;

  uint64_t                    save_seq, saved_seq;
  struct { uint64_t id; dmg_safety_vote_t vote; } signs[ SIGN_MAX ];
  uint32_t                    sign_cnt;
  dmg_safety_epoch_t          safety_epoch;
  uint32_t                    reveal_epoch;
  uint64_t                    reveal_window;   /* UINT64_MAX: none */
  uint8_t                     reveal[ DMG_BLS_SIG_SZ ];

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
  uint64_t                    sync_us;
  dmg_cert_t                  fin;        /* the highest FINALIZATION of a committed block; zero: none */
  uint64_t                    fin_height; /* of that block */
  uint32_t                    epoch_known;/* the newest epoch whose set is known here */
  uint64_t                    stale_us;   /* since when the head is in a later epoch than the core; 0: it is not */
  uint32_t                    floor_epoch;
  uint64_t                    floor_view;      /* the last floor in the vote log */
  dmg_chain_made_t            made[ 2 ];  /* committed, not told yet */
  uint32_t                    made_cnt;
  dmg_record_t                told;       /* record of e+1 that the core was told */
  dmg_keys_t *                keys;       /* of keys_epoch */
  bool                        has_keys;
  struct { bool is_up; uint8_t key[ DMG_BLS_KEY_SZ ]; } links[ DMG_CONS_PEER_MAX ];
  uint64_t                    saves, sign_total, alarms, evidence, built_again;
};
typedef struct dmg_validator val_t;

/* validator.c */
void dmg_val_queue_put( val_t * v, dmg_cons_event_t const * ev, uint8_t * own );
void dmg_val_halt( val_t * v, dmg_err_t err, char const * what );   /* once */
void dmg_val_got_header( val_t * v, dmg_signed_header_t const * sh );   /* GOT for the core */

/* validator_block.c */
vblk_t * dmg_val_blk_find( val_t * v, dmg_hash_t const * hash );
vblk_t * dmg_val_blk_need( val_t * v, dmg_hash_t const * hash );   /* NULL: too many, or no memory */
void     dmg_val_blk_header( val_t * v, vblk_t * b, dmg_header_t const * h, uint8_t const sig[ DMG_BLS_SIG_SZ ] );
void     dmg_val_blk_body( val_t * v, vblk_t * b, dmg_span_t body );
void     dmg_val_blocks_free( val_t * v );
void     dmg_val_on_check( val_t * v, dmg_header_t const * header, dmg_hash_t const * hash, uint8_t const sig[ DMG_BLS_SIG_SZ ] );
bool     dmg_val_work( val_t * v );           /* one piece; false: nothing can be done now */
bool     dmg_val_is_waiting( val_t const * v );
bool     dmg_val_keys_of( val_t * v, uint32_t epoch );

#endif
