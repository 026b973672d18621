/* full: whole nodes under one seed, in full mode (C12, N13.1).

     seed --> configuration, faults by time, streams of chance
     [ joint: chainnet + validator + chain + pool + runtime ] x n     production object code, of src/
            |                          |            `--- vfs_mem, kv_mem: a disk that survives kills, less what was not synced
            `--- port_mem: links       `--- clocks, randomness, BLS: full_os.c, by the linker's --wrap
     after every commit, signature, start: invariants (full_check.c); at the end C12.2's heal

   What the operating system gives a node (os.h) comes from the world here: a clock of its own with skew and drift, randomness of a stream.  Votes and commits are
   seen where they are made, in whichever life.

   Threads  one (the compiler of modules, in a process of its own, aside) */
#ifndef DMG_SIM_FULL_H
#define DMG_SIM_FULL_H

#include "node/chain_int.h"
#include "node/joint.h"
#include "network/port_mem.h"
#include "consensus/just.h"
#include "base/assert.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>

enum { FULL_VALIDATORS_MAX = 7, FULL_NODES_MAX = 9, FULL_FAULTS_MAX = 512, FULL_EPOCHS_MAX = 64, FULL_VIEWS_MAX = 1u<<14, FULL_ACCOUNTS = DMG_DEV_ACCOUNT_CNT, FULL_UNSYNCED_MAX = 24, FULL_FILES_MAX = 64, FULL_COPIES_MAX = 64, FULL_HEARD_MAX = 64 };
#define FULL_GENESIS_S 1764000000u

/* --- faults ----------------------------------------------------------------------------------------------- */

#define FULL_FAULT_TABLE( X ) \
  X( KILL )        /* a; x: 0 now, 1 at a disk step, 2 at a frame sent, y: how many later; starts again at until */ \
  X( RESTART_ALL ) /* all die at once, start again at until and a little later */ \
  X( PAUSE )       /* a does nothing until then */ \
  X( SLOW )        /* a's turns take x us each */ \
  X( HOLD )        /* nothing goes from a to b */ \
  X( PART )        /* nothing goes between the nodes of mask x and the others */ \
  X( CUT )         /* connections between a and b break, and dials fail */ \
  X( RESET )       /* connections between a and b break */ \
  X( TWICE )       /* a dials b beside what is there */ \
  X( LATE )        /* x of 1,000 of all that is sent is y us late */ \
  X( FAR )         /* a to b takes x us */ \
  X( RATE )        /* a reads x bytes a second */ \
  X( SKEW )        /* a's wall clock is x-5,000 ms off */ \
  X( DRIFT )       /* a's clocks run x-50,000 ppm fast */ \
  X( SYNC_ERROR )  /* a's disk fails at its y-th step from now: the process ends there */ \
  X( NO_SPACE )    /* the same, with FULL */ \
  X( FLIP )        /* a dies; a bit of a file (x: 0 vote log, 1 safety file, 2 block log) is wrong when it starts again at until */ \
  X( LOST )        /* a dies; its disk is empty when it starts again */ \
  X( GARBLE )      /* x of 1,000 of a's frames come broken: a liar from here on */ \
  X( WRONG_ROOT )  /* a's execution gives another root for one block in four: a liar from here on */ \
  X( WITHHOLD )    /* bodies that a has stay there: a liar until then */ \
  X( MISDIRECT )   /* a's y-th write from now to a file (x%3: as FLIP's) goes nowhere (x/3 = 0) or over another place of it, and is called done; a dies and starts again at until */ \
  X( BACKUP )      /* a dies and its disk is copied; at until it dies again and x (full_back_t) of it comes from the copy */ \
  X( EQUIVOCATE )  /* a's frames are those of a liar by x, bits of liar.h's B_: from here on */ \
  X( THIEF )       /* somebody else has a's node identity until then, x: and gets who dials it */

typedef enum {
#define FULL_FAULT_ENUM( name ) FF_##name,
  FULL_FAULT_TABLE( FULL_FAULT_ENUM )
#undef FULL_FAULT_ENUM
  FF_CNT
} full_kind_t;
extern char const * const full_fault_names[ FF_CNT ];

typedef struct { uint64_t at_us, until_us; uint8_t kind, a, b; uint64_t x, y; bool is_off; } full_fault_t;   /* is_off: left out, by shrinking */

#define FULL_MUTANT_TABLE( X ) \
  X( NONE ) \
  X( NO_WAL_SYNC )     /* the vote log is never synced (C6.1) */ \
  X( NO_LOG_SYNC )     /* the block log is never synced (S8.1) */ \
  X( NO_SAFETY_SYNC )  /* votes are signed before anything is synced: what a kill leaves does not know the last ones */ \
  X( FRESH_FILE )      /* who lost its disk gets a safety file as if it had never signed (C6.5) */ \
  X( DRAWN )           /* chance decides about a state root now and then */ \
  X( NO_COVER )        /* a proposal's runs need not reach its view (C2.4) */ \
  X( CHATTY )          /* what is sent is sent twice */ \
  X( NO_REFUSAL )      /* the safety file allows every vote (C6.4), and nobody waits at a start (C6.5) */ \
  X( QUORUM_SHORT )    /* half of the weight is enough (C1.1) */ \
  X( LINK_TRUSTED )    /* whose connection it is, his votes are: nobody verifies (C2.6) */
typedef enum {
#define FULL_MUTANT_ENUM( name ) FM_##name,
  FULL_MUTANT_TABLE( FULL_MUTANT_ENUM )
#undef FULL_MUTANT_ENUM
  FM_CNT
} full_mutant_t;
extern char const * const full_mutant_names[ FM_CNT ];

/* --- configuration ---------------------------------------------------------------------------------------- */

typedef struct {
  uint32_t n, followers;        /* validators, of even weight; nodes that join later */
  uint64_t chaos_us, heal_us;
  uint64_t epoch_blocks;        /* 0: one epoch */
  uint32_t tx_us;               /* a transfer each so many us on average */
  uint32_t fault_us;            /* a fault each so many us on average; 0: none */
  uint32_t kinds;               /* bit a full_kind_t */
  uint32_t delay_us, jitter_us;
  bool     is_real;             /* BLS; else tags of its algebra (fake_crypto.c) */
  uint8_t  mutant;
} full_cfg_t;

/* --- a node ----------------------------------------------------------------------------------------------- */

/* Every signature ever given by a key, by epoch and view. */
typedef struct { uint8_t flags; dmg_hash_t hash[ 4 ]; } full_signed_t;

/* What comes back from a copy: the vote log alone; the safety file alone; block log and store; all, on another host; all, where it was (I4 excepts it, C6.5). */
typedef enum { FULL_BACK_LOG, FULL_BACK_SAFETY, FULL_BACK_BLOCKS, FULL_BACK_MOVED, FULL_BACK_IMAGE, FULL_BACK_CNT } full_back_t;
typedef struct { char path[ 160 ]; uint8_t * p; uint64_t sz; } full_copy_t;

typedef struct {
  uint32_t         id, life;
  bool             is_validator, is_up, is_liar, is_impaired;   /* impaired: a disk fault took what it knew: may observe */
  bool             is_unread;                                   /* its block log holds damage that a later read may find: then its disk is replaced */
  bool             is_equivocator, may_double, is_stolen;       /* its weight counts for whatever others' votes leave possible; signs so itself; others may have closed its lines */
  uint32_t         lies;                                        /* B_.. */
  uint16_t         garble;
  char             dir[ 16 ];
  uint8_t          secret[ 32 ], key[ DMG_BLS_KEY_SZ ], seed[ 32 ], net_key[ 32 ];
  dmg_net_peer_t   peer;
  dmg_vfs_t *      vfs;
  dmg_kv_t *       kv;
  dmg_kv_snap_t *  kv_snaps[ FULL_UNSYNCED_MAX ];               /* [ 0 ]: as of the last durable write, then after each later one */
  uint32_t         kv_snap_cnt;
  dmg_net_port_t * port, * slot;                                /* slot: the port of this life or the last, for what is done to its links */
  dmg_chain_t *    chain;
  dmg_joint_t *    joint;
  uint64_t         wake_us, paused_us, busy_us, start_us;       /* the world's time; start 0: does not start by itself */
  uint32_t         slow_us;
  uint64_t         base_us, base_at;                            /* its clock: base + (now-base_at)(1+drift) */
  int64_t          drift_ppm, skew_ms;
  uint64_t         rng;
  bool             has_frames, has_wrong_root;
  uint64_t         frames_left;                                 /* then it dies, if has_frames */
  uint64_t         final_height;                                /* told by a commit, in any life since its disk was whole */
  full_signed_t *  votes[ FULL_EPOCHS_MAX ];
  uint64_t         turns, starts, refused;
  uint8_t          flip;                                        /* 1 + which file, at the next start */
  bool             is_lost, has_strayed, is_stray_lost;         /* strayed: in this life: a second lie of one disk is not promised to be borne */
  uint64_t         stray_left;                                  /* 0: none */
  int              stray_kind;
  struct { dmg_file_t * file; int kind; } files[ FULL_FILES_MAX ];
  full_copy_t      copies[ FULL_COPIES_MAX ];
  uint32_t         copy_cnt;
  dmg_kv_snap_t *  copy_kv;
  uint8_t          host;
  uint64_t         tx_calm;                                     /* I14 */
} full_node_t;

typedef struct { dmg_span_t raw; dmg_hash_t id; uint64_t sent_us, expiry; bool is_open; uint64_t nonce; } full_account_t;

/* What is final, by height. */
typedef struct { dmg_hash_t hash, root; dmg_header_t header; bool has_root; } full_final_t;

typedef struct { uint8_t * p; uint32_t sz; } full_heard_t;
typedef struct {
  dmg_net_port_t * port;                         /* NULL: nobody */
  full_node_t *    victim;
  uint64_t         dial_us, stream[ FULL_NODES_MAX ];
  bool             is_up[ FULL_NODES_MAX ];
  full_heard_t     heard[ FULL_HEARD_MAX ];
  uint32_t         heard_at;
} full_thief_t;

typedef struct {
  uint64_t faults, kills, starts, signs, commits, txs, txs_final, observers, refused, handovers, certs, heal_us, turns, lies, thefts, backups, evidence, justs, nulls;
} full_stats_t;

typedef struct {
  full_cfg_t       cfg;
  uint64_t         seed, now;
  uint64_t         chance, tx_chance, order, lies;   /* streams */
  dmg_mem_net_t *  net;
  full_node_t      nodes[ FULL_NODES_MAX ];
  uint32_t         node_cnt;
  full_node_t *    cur;                          /* whose code runs */
  full_fault_t     faults[ FULL_FAULTS_MAX ];
  uint32_t         fault_cnt, fault_at;
  dmg_arena_t *    arena, * scratch;
  dmg_span_t       genesis;
  dmg_hash_t       chain_id;
  full_account_t   accounts[ FULL_ACCOUNTS ];
  uint64_t         tx_us;
  dmg_hash_t       transfer_schema;
  uint8_t          transfer_fn;

  full_thief_t     thief;
  dmg_keys_t *     keys;                         /* of the epoch asked for last */
  uint64_t         calm_us, calm_height, calm_nulls;   /* I14; 0: not calm */

  dmg_chain_t *    model;                        /* fed block by block (I5, I6) */
  full_final_t *   finals;
  uint64_t         finals_cap, finals_top;
  struct { dmg_record_t record; dmg_set_t set; dmg_keys_t * keys; uint64_t tip; } light;   /* C10.3 */

  bool             is_healing;
  uint64_t         heal_us, heal_height, live_us, live_height;
  uint64_t         allowance_us, dead_us;
  uint64_t         digest;
  char             why[ 512 ];
  FILE *           trace;
  full_stats_t     stats;
} full_world_t;

extern full_world_t * full_w;   /* the one that runs */
extern bool full_is_lazy;        /* syncs do nothing (NO_SAFETY_SYNC) */

/* full_world.c */
bool     full_run   ( full_world_t * w, uint64_t seed, full_cfg_t const * cfg, full_fault_t const * faults, uint32_t fault_cnt, FILE * trace );   /* true: nothing broke; faults NULL: by the seed */
bool     full_setup ( void );                                          /* modules, accounts; once */
uint64_t full_wall_ms( full_node_t const * n );
uint64_t full_local_us( full_node_t const * n );
void     full_fail  ( char const * fmt, ... ) __attribute__(( format( printf, 1, 2 ) ));
void     full_trace ( char const * fmt, ... ) __attribute__(( format( printf, 1, 2 ) ));

/* full_node.c */
bool full_node_make ( full_world_t * w, full_node_t * n );            /* keys; before genesis */
void full_node_disk ( full_world_t * w, full_node_t * n, bool is_first ); /* an empty one; is_first: its safety file has signed nothing */
void full_node_start( full_world_t * w, full_node_t * n );
void full_node_kill ( full_world_t * w, full_node_t * n, char const * how );
void full_node_turn ( full_world_t * w, full_node_t * n );             /* all that is due */
void full_node_fini ( full_world_t * w, full_node_t * n );
void full_node_kv_is_durable( full_node_t * n );                      /* what the store holds now survives a kill */
bool full_node_votes( full_world_t * w, full_node_t * n );
void full_clock_set ( full_node_t * n, int64_t drift_ppm, int64_t skew_ms );
uint64_t full_global_us( full_node_t const * n, uint64_t local_us );
extern dmg_dev_account_t full_accounts[ DMG_DEV_KEY_CNT ];
extern dmg_dev_module_t  full_modules[ 2 ];
extern char              full_cache[ 64 ];

/* full_disk.c */
void full_disk_wrap   ( dmg_vfs_t * vfs );
void full_disk_flip   ( full_world_t * w, full_node_t * n, unsigned which );
void full_disk_copy   ( full_node_t * n );                            /* of one that is down */
void full_disk_restore( full_world_t * w, full_node_t * n, full_back_t what );
void full_disk_forget ( full_node_t * n );                            /* the copy */

/* full_liar.c */
void full_lie ( full_world_t * w, full_node_t * n, uint64_t const peers[ DMG_CHAINNET_PEER_MAX/64 ], dmg_span_t frame );
void full_lend( full_world_t * w, full_node_t * n, dmg_span_t frame );
void full_thief_begin( full_world_t * w, full_node_t * victim, bool has_dials );
void full_thief_end  ( full_world_t * w );
void full_thief_hear ( full_world_t * w, dmg_span_t frame );
void full_thief_turn ( full_world_t * w );
uint64_t full_thief_due( full_world_t const * w );
/* full_os.c: as dmg_chainnet_send, without liars. */
void full_send( dmg_chainnet_t * net, uint64_t const peers[ DMG_CHAINNET_PEER_MAX/64 ], dmg_span_t frame );

/* full_faults.c */
void full_faults_make ( full_world_t * w );
void full_fault_apply ( full_world_t * w, full_fault_t const * f, bool is_begin );
void full_faults_end  ( full_world_t * w );                           /* all of them, with everything they left */
void full_fault_print ( FILE * to, full_fault_t const * f );

/* full_check.c */
bool full_check_open ( full_world_t * w );                            /* the model and the light client */
void full_check_close( full_world_t * w );
void full_check_sign ( full_world_t * w, full_node_t * n, dmg_safety_vote_t const * vote );
void full_check_commit( full_world_t * w, full_node_t * n, dmg_signed_header_t const * sh, dmg_hash_t const * hash, dmg_hash_t const * root, dmg_span_t body, dmg_cert_t const * cert );
void full_check_start( full_world_t * w, full_node_t * n );
void full_check_turn ( full_world_t * w, full_node_t * n );
void full_check_end  ( full_world_t * w );
void full_check_evidence( full_world_t * w, full_node_t * n, dmg_span_t bytes );
void full_check_calm ( full_world_t * w, bool is_over );              /* I14: as often as one likes; over: calm ends */
/* The model's word on a transaction. */
bool full_is_final   ( full_world_t * w, dmg_hash_t const * id );

#endif
