/* sim: whole validators under one seed, in message mode (C12, N13.1).

     seed --> streams (one a subsystem) --> configuration, faults, delays
     queue by time, then sequence --> driver --> dmg_cons_step --> actions --> driver: disk, signer, links, execution
     after every event: invariants (check.c)

   The core is the production object code of src/consensus.  The driver is a model of the node: a log whose unsynced tail is lost in a kill, a safety
   file (the production rules of consensus/safety.h), a block store, a stub execution (root = H(parent root, block)), headers and bodies fetched over the same links. */
#ifndef DMG_SIM_H
#define DMG_SIM_H

#include "consensus/cons.h"
#include "consensus/evidence.h"
#include "consensus/just.h"
#include "consensus/safety.h"
#include "consensus/schedule.h"
#include "liar.h"
#include "base/assert.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>

#define NODE_MAX   130        /* validators and twins; what grows with it is allocated by the number there is */
#define VIEW_MAX   16384      /* views an epoch that the checkers remember */
#define EPOCH_MAX  64

/* --- random streams --------------------------------------------------------------------------------------- */

typedef struct { uint64_t s; } rng_t;
uint64_t rng_next( rng_t * r );
static inline uint64_t rng_below( rng_t * r, uint64_t n ) { return n ? rng_next( r )%n : 0; }
static inline bool     rng_is( rng_t * r, uint32_t ppm ) { return rng_next( r )%1000000<ppm; }
static inline uint64_t rng_in( rng_t * r, uint64_t lo, uint64_t hi ) { return lo+rng_below( r, hi-lo+1 ); }

/* --- sets of nodes or of signers ---------------------------------------------------------------------------- */

typedef struct { uint64_t w[ ( NODE_MAX+63 )/64 ]; } who_t;
static inline bool who_has  ( who_t const * x, uint32_t i ) { return x->w[ i/64 ]>>( i%64 )&1; }
static inline void who_add  ( who_t * x, uint32_t i ) { x->w[ i/64 ] |= (uint64_t)1<<( i%64 ); }
static inline void who_drop ( who_t * x, uint32_t i ) { x->w[ i/64 ] &= ~( (uint64_t)1<<( i%64 ) ); }
static inline bool who_is_empty( who_t const * x ) { return !( x->w[ 0 ]|x->w[ 1 ]|x->w[ 2 ] ); }

/* --- queue ------------------------------------------------------------------------------------------------ */

typedef enum { EV_FRAME, EV_TICK, EV_SAVED, EV_SIGNED, EV_VERDICT, EV_FORGOTTEN, EV_BUILT, EV_GOT, EV_LINK, EV_START, EV_FAULT, EV_POLL, EV_WAKE, EV_EPOCH, EV_UP, EV_HEAL } ev_kind_t;
typedef struct {
  uint64_t  at, seq;
  uint8_t   kind, from, to;
  uint32_t  life;             /* of node `to`; a dead life's events are dropped */
  uint64_t  a, b;
  dmg_hash_t hash;
  uint8_t * data;
  uint32_t  sz;
} ev_t;

/* --- blocks: one table for all; what each node has of them is flags ---------------------------------------- */

enum { HAS_HEADER = 1, HAS_BODY = 2, HAS_EXEC = 4, HAS_COMMIT = 8, HAS_SYNC = 16, IS_PENDING = 32, IS_WANTED = 64, IS_RUNNING = 128 };
typedef struct blk {
  dmg_hash_t   hash;
  dmg_header_t h;
  uint8_t *    proposal;
  uint32_t     proposal_sz;
  dmg_hash_t   root, beacon;      /* after it, once some node executed it */
  uint64_t     last_att;          /* highest view recorded up to it in its epoch */
  bool         has_header, has_root, is_just_seen, is_full;   /* is_just_seen: its runs were judged, with the first honest vote whose voter shows them */
  struct blk * next;
  uint8_t *    st;                /* [ node_cnt ], behind the block as asked_us */
  uint64_t     asked_us[];        /* [ node_cnt ] */
} simblk_t;
typedef struct body { dmg_hash_t hash; uint32_t len; uint8_t * bytes; who_t has; bool is_valid; struct body * next; } simbody_t;

typedef struct { uint8_t kind; uint32_t epoch; uint8_t * p; uint32_t sz; dmg_hash_t block; } rec_t;

/* Every signature ever given, by epoch and view: what I4 is checked against, beside the safety file that gave it. */
typedef struct { uint8_t flags; dmg_hash_t hash[ 4 ]; } signed_t;

typedef struct {
  uint8_t    id, key_id;          /* a twin shares the key of another */
  bool       is_up, is_byz, is_twin;
  uint32_t   life;
  dmg_cons_t * core;
  dmg_arena_t * arena;
  uint8_t    key[ DMG_BLS_KEY_SZ ];
  dmg_bls_key_t secret;
  uint8_t    real_secret[ 32 ];

  /* disk */
  rec_t *    wal;
  uint32_t   wal_cnt, wal_cap, wal_durable;
  uint64_t   saved_seq;
  dmg_safety_t safety;            /* the file: a slot at a time is whole */
  signed_t * votes[ EPOCH_MAX ];  /* [ VIEW_MAX ] */
  uint64_t   marks[ EPOCH_MAX ][ 3 ];
  uint64_t   final_height;        /* durable */
  uint32_t   epoch;               /* running */
  bool       is_observer;

  /* clocks */
  uint64_t   mono_us, mono_at;    /* local = mono_us + (now-mono_at) * (1+drift) */
  int64_t    drift_ppm, skew_ms;
  uint32_t   slow;                /* CPU factor */
  uint64_t   timer_us;            /* local */
  uint64_t   busy_until;
  dmg_cert_t pend_commit;
  bool       has_commit, is_polling, has_timer;
  dmg_cert_t final_cert;
  struct blk * pend[ 64 ];
  uint32_t   pend_cnt;
  uint64_t   paused_until;
  ev_t *     inbox;               /* of a process that is stopped or busy, in order */
  uint32_t   inbox_cnt, inbox_cap;
  uint64_t   tx_bytes, tx_at_us, tx_peak;
  uint64_t   tx_calm;             /* sent since the calm began: frames of consensus, bodies and what is asked for apart */
  uint64_t   cpu_ns;              /* in the core, if the world is timed */
} node_t;

typedef struct { uint64_t cut_until; uint32_t drop_ppm, dup_ppm; uint64_t base_us, jitter_us; } link_t;

typedef struct {
  dmg_record_t record;
  dmg_set_t    set;
  dmg_cons_anchor_t anchor;
  bool         is_known, has_anchor;
  uint8_t *    handover;          /* that ended it, once an honest node has one: what `epochs` serves */
  uint32_t     handover_sz;
} epoch_t;

typedef struct {
  uint8_t  n;                     /* validators */
  int8_t   byz;                   /* index of the first liar, or -1 */
  uint8_t  byz_cnt;               /* liars: byz, byz+1, ..; 0: one, or as many as run twice */
  uint8_t  twin_cnt;              /* liars that run twice, the first of them; the random faults know one */
  bool     has_rests;             /* each epoch another validator rests: sets change */
  uint8_t  window;                /* views; 0: 4 */
  uint16_t pace_ms, delta_ms;     /* T, 0: 250; Delta, 0: 200 */
  bool     is_even;               /* work takes the same time everywhere */
  bool     is_liar_kept;          /* heal leaves everybody alive, liars too */
  uint64_t weights[ NODE_MAX ];
  uint64_t chaos_us, heal_us;
  uint32_t epoch_len;             /* blocks; large: one epoch */
  uint32_t faults;                /* bits of fault_t */
  uint32_t byz_modes;
  uint32_t runs_max;
  uint32_t prefix_sz;             /* bytes of runs in a proposal; 0: 56 KiB */
  bool     is_stalled;            /* no proposal arrives before heal */
  uint8_t  mutant;
  bool     is_real;               /* BLS */
  bool     is_timed;              /* cpu_ns is measured: says nothing to the run */
  bool     is_fork;               /* liars weigh more than W/3: chains may part, and then I9 is what is left */
  bool     is_bare;               /* .. and what C9.4 needs is not kept: FINALIZATIONs alone; a mutant of storage */
} config_t;

enum { F_DROP = 1, F_DUP = 2, F_DELAY = 4, F_CUT = 8, F_ONEWAY = 16, F_RESET = 32, F_GARBAGE = 64, F_SKEW = 128, F_KILL = 256, F_PAUSE = 512, F_SLOW = 1024, F_RESTART_ALL = 2048, F_JUMP = 4096,
       F_STALE = 8192, F_BAD_EXEC = 16384, F_ALL = 32767 };

typedef struct {
  config_t cfg;
  dmg_cons_crypto_t const * crypto;
  uint64_t seed, now, seq, events;
  rng_t    net, clock, proc, byz, exec;
  ev_t *   heap;
  uint32_t heap_cnt, heap_cap;
  node_t * nodes;                 /* [ node_cnt ] */
  uint8_t  node_cnt;
  link_t ** links;                /* [ node_cnt ][ node_cnt ] */
  simblk_t * blocks[ 4096 ];
  simbody_t * bodies[ 4096 ];
  epoch_t  epochs[ EPOCH_MAX ];
  dmg_hash_t chain_id;
  bool     is_healing, is_quiet;  /* quiet: no trace */
  uint64_t heal_at, heal_height;
  uint64_t heal_ahead_us;         /* by how much the highest final block was dated ahead of clocks that were set right then */
  uint64_t strict_at;             /* from here on no window of a live leader may be nullified; 0: not yet */
  uint64_t calm_at, calm_height, calm_nulls;  /* since when nothing has been wrong, and what was final then; 0: not calm */
  dmg_cons_out_t * out;
  dmg_keys_t * keys[ EPOCH_MAX ];
  uint64_t digest;
  char     why[ 256 ];            /* first violation */
  /* votes seen, by epoch and view */
  struct seen * seen[ EPOCH_MAX ];
  uint64_t seen_top;              /* highest view in them */
  dmg_hash_t * finals;            /* height -> hash */
  uint64_t finals_cap, finals_top;
  FILE *   trace;
  FILE *   votes;                 /* where tests/model reads (votes.c), or NULL */
  uint64_t votes_epochs;
  ev_t     old[ 64 ];             /* frames to send again: stale views, stale epochs, duplicates */
  uint32_t old_at;
  bool     is_forked;             /* two honest nodes have different final blocks of one height */
  uint8_t  told[ DMG_BITMAP_SZ ]; /* whom the cores of the honest convicted by themselves */
  uint64_t stats[ 16 ];
  struct twins * twins;           /* a scripted run, or NULL */
  struct wan * wan;               /* regions and what is measured, or NULL */
} world_t;

enum { ST_STEPS, ST_FRAMES, ST_KILLS, ST_NULLIFIES, ST_EVIDENCE, ST_ALARMS, ST_BLOCKS, ST_EPOCHS, ST_SAVES, ST_OBSERVE, ST_FETCH, ST_RUNS_MAX, ST_HEAL_US, ST_LEAVES, ST_FORKS, ST_TOLD };

extern dmg_cons_crypto_t const sim_fake;
void     sim_fake_key ( uint32_t id, uint8_t out[ DMG_BLS_KEY_SZ ], dmg_bls_key_t * out_secret );
void     sim_fake_sign( dmg_bls_key_t const * secret, dmg_bls_use_t use, dmg_span_t msg, uint8_t out_raw[ DMG_BLS_SIG_RAW_SZ ] );

/* By the world's crypto: the fake one, or BLS (cfg.is_real). */
void     sim_key ( world_t const * w, uint32_t id, node_t * n );
void     sim_sign( world_t const * w, node_t const * n, dmg_bls_use_t use, dmg_span_t msg, uint8_t out_raw[ DMG_BLS_SIG_RAW_SZ ] );

/* world.c */
void     world_setup   ( world_t * w, uint64_t seed, config_t const * c );
void     world_teardown( world_t * w );
void     world_heal    ( world_t * w );              /* C12.2: faults end, exactly q of weight alive, chosen anew */
uint64_t world_heal_allowance( world_t * w );        /* beyond the 20 s of C12.2 */
bool     world_is_live ( world_t const * w );        /* every live honest node has a new final block */
uint64_t raised( uint64_t base, uint64_t steps, uint64_t cap );   /* C4.8: base (3/2)^steps */
void     world_digest  ( world_t * w );              /* mixes every node's state into w->digest */

/* engine.c */
void * grow( void * p, size_t sz );   /* realloc or the end: a simulator without memory has nothing to say */
void push( world_t * w, ev_t ev );
bool pop ( world_t * w, ev_t * out );
void fail( world_t * w, char const * fmt, ... ) __attribute__(( format( printf, 2, 3 ) ));
void trace( world_t * w, char const * fmt, ... ) __attribute__(( format( printf, 2, 3 ) ));

/* node.c */
void node_start( world_t * w, node_t * n );
void node_kill ( world_t * w, node_t * n );
void node_event( world_t * w, node_t * n, ev_t const * ev );
void node_wake ( world_t * w, node_t * n );   /* runs what waited, unless it must wait on */
uint64_t local_us( world_t const * w, node_t const * n );
uint64_t wall_ms ( world_t const * w, node_t const * n );
void     clock_set( world_t * w, node_t * n, int64_t drift_ppm, int64_t skew_ms );
simblk_t *  blk_new ( world_t * w, dmg_hash_t const * hash );   /* the one there is, or a new one */
simblk_t *  blk_get ( world_t * w, dmg_hash_t const * hash );
simbody_t * body_get( world_t * w, dmg_hash_t const * hash );
void     node_link( world_t * w, node_t * n, node_t const * peer, bool is_up );
uint32_t signer_of( world_t const * w, node_t const * n, uint32_t epoch );   /* UINT32_MAX: not in its set */
dmg_keys_t const * sim_keys( world_t * w, uint32_t epoch );

/* twins.c */
int  twins_main  ( int argc, char ** argv );
bool twins_reach ( world_t * w, node_t const * from, node_t const * to );
void twins_signed( world_t * w, node_t const * n, uint8_t kind, uint64_t view );

/* fork.c */
void fork_judge( world_t * w );

/* figures.c */
int  figures_main( int argc, char ** argv );

/* sim_main.c */
uint8_t mutant_of( char const * name );              /* DMG_MUTANT_CNT: unknown */

/* votes.c */
FILE * votes_open( char const * path );   /* or the end */
void votes_begin ( world_t * w );
void votes_saved ( world_t * w, node_t const * n, dmg_cons_action_t const * a );
void votes_synced( world_t * w, node_t const * n );
void votes_killed( world_t * w, node_t const * n );
void votes_signed( world_t * w, node_t const * n, uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t const * hash );
void votes_final ( world_t * w, node_t const * n );

/* net.c */
void net_deliver( world_t * w, uint8_t from, node_t * to, dmg_span_t frame, uint64_t at );
void net_send( world_t * w, node_t * from, node_t * to, dmg_span_t frame, uint64_t extra_us );
void faults_start( world_t * w );
void fault_event( world_t * w );
void byz_send( world_t * w, node_t * from, node_t * to, dmg_span_t frame );
void byz_saw( world_t * w, node_t * byz, node_t const * from, dmg_span_t frame );

/* check.c */
void check_signed( world_t * w, node_t const * n, uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t const * hash );
void check_commit( world_t * w, node_t const * n, simblk_t const * b );
void check_exec  ( world_t * w, node_t const * n );
void check_core  ( world_t * w, node_t const * n );
void check_free  ( world_t * w );
bool was_nullified( world_t const * w, uint32_t epoch, uint64_t view );   /* by anyone honest, when heal began */
void check_heal_begins( world_t * w );
void check_calm( world_t * w );      /* I14: as often as one likes; calm begins once the faults are far enough behind */
void check_calm_ends( world_t * w );

#endif
