/* cons_int: the state of the core and what its files lend each other.

     cons.c        _new, step, own votes (decide, save, sign, send), the rules C4.3-C4.5
     cons_view.c   certificates held, bases, cur, the ring of open views (C4.1, C4.6, C11.1)
     cons_tally.c  votes to certificates, suspects, attendance (C2.6, C8.2)
     cons_judge.c  proposals: static judgement, runtime's verdict (C5)
     cons_lead.c   proposing (C4.2)
     cons_timer.c  time-outs, resends, standstill (C4.4, C4.7-C4.9)
     cons_work.c   runs on their way in: pairings in slices, lists by leaves (C11.2, C2.4)
     cons_peer.c   links, frames in (N8.2), bundles out
     cons_epoch.c  boundary, handover, next instance (C7)
     cons_detect.c evidence seen while voting (C9.1) */
#ifndef DMG_CONSENSUS_CONS_INT_H
#define DMG_CONSENSUS_CONS_INT_H

#include "consensus/cons.h"
#include "consensus/just.h"
#include "consensus/safety.h"
#include "consensus/schedule.h"
#include "base/assert.h"

#define RESEND_US       1000000u
#define STANDSTILL_US   2000000u
#define INACTIVE_US     6000000u
#define SUSPECT_MAX     3
#define CLOSE_US        600000000u
#define OWN_MAX         256
#define PROP_CNT        16
#define PROP_SAVES_MAX  4
#define PROP_SZ_MAX     ( DMG_PROPOSAL_HEAD_MAX+DMG_RUNS_SZ_MAX )
#define EXTRA_CNT       16
#define FETCH_CNT       8
#define SEEN_CNT        4096
#define WORK_CNT        16
#define WORK_UNITS      67    /* of a step: a run of 64 views (C2.3: it cannot be split), or 16 single ones: some 30 ms */
#define JUST_CNT        2
#define FRAMES_SZ       ( 1u<<20 )
#define EARLY_SZ        ( 256u<<10 )
#define EARLY_PEER_SZ   ( 64u<<10 )
#define EARLY_PEER_CNT  16
#define N_KEPT          64
#define NEVER           UINT64_MAX

/* C14.2: only the tests' own build of this folder can break a rule. */
#ifdef DMG_CONS_MUTANTS
#define MUTANT( c, name ) ( ( c )->cfg.mutant==DMG_MUTANT_##name )
#else
#define MUTANT( c, name ) ( (void)( c ), false )
#endif

typedef enum { SLOT_EMPTY, SLOT_HELD, SLOT_GOOD } slot_state_t;
typedef struct { dmg_hash_t hash; uint8_t sig[ DMG_BLS_SIG_RAW_SZ ]; uint8_t state; } slot_t;

typedef enum { STAT_NEW, STAT_GOOD, STAT_BAD } stat_t;
typedef enum { PREFIX_NONE, PREFIX_FALSE, PREFIX_GOOD } prefix_t;   /* FALSE: not even what came verifies */
typedef enum { BODY_NONE, BODY_VALID, BODY_INVALID } body_t;
typedef struct {
  dmg_hash_t          hash;
  dmg_signed_header_t sh;
  bool                is_used, has_just;   /* has_just: its runs verify as committed */
  bool                is_cover_bad;         /* they do not */
  bool                is_working;           /* not looked at to the end */
  uint8_t             prefix;               /* prefix_t: what came is not all */
  bool                is_judged;            /* its fault was acted on */
  uint8_t             stat, body;
  bool                is_asked;             /* CHECK is out */
  bool                has_root;
  dmg_hash_t          root;                 /* state after it */
} blk_t;

typedef struct {
  uint64_t   view;
  bool       own[ 4 ];
  dmg_hash_t own_hash[ 4 ];
  bool       has_n, has_f, is_n_logged;
  dmg_cert_t n, f;
  blk_t      blk[ 2 ];
  uint8_t    accused[ DMG_BITMAP_SZ ];
  bool       is_e4_told;
  slot_t *   slots;   /* [ 3 ][ n_max ] */
} view_t;

/* A run that is held; is_logged: in the WAL. */
typedef struct { dmg_run_t run; bool is_logged; } held_run_t;

typedef enum { OWN_FREE, OWN_SAVING, OWN_SIGNING } own_state_t;
typedef struct { uint64_t id, seq, view; dmg_hash_t hash; uint8_t kind, state; } own_t;

typedef struct {
  bool        is_up;
  uint8_t     key[ DMG_BLS_KEY_SZ ];
  int16_t     idx;                    /* in the running set, or -1 */
  bool        is_heard;               /* hello since the start (C6.5) */
  uint64_t    heard_us, bundle_us, handover_us, ask_us, closed_until_us;
  uint64_t    fill_us;                /* N8.3: tokens of resends */
  uint32_t    tokens_b, tokens_f;
  uint32_t    bad, lies;             /* lies: aggregates that do not verify */
  uint32_t    early_sz, early_cnt;
  bool        has_hello;
  dmg_hello_t hello;
} peer_t;

typedef struct { uint64_t view; dmg_hash_t hash; size_t sz; uint8_t * bytes; } prop_t;

/* Runs to verify; left: what is still to be looked at. */
typedef enum { WORK_FREE, WORK_BUNDLE, WORK_PROPOSAL, WORK_LEAVES } work_kind_t;
typedef struct { uint8_t kind; bool is_committed; uint16_t peer; uint64_t view, order; dmg_hash_t hash; dmg_runs_t left; uint8_t * bytes; } work_t;

/* The runs under a header, of those that are more than a proposal holds; view 0: none. */
typedef struct {
  uint64_t     view, parent_view;
  dmg_hash_t   hash, root;
  dmg_cover_t  cover;
  uint32_t     leaf_cnt, got, tail;   /* got: verified leaves; tail: those behind them that are not yet */
  bool         is_whole;
  uint64_t     asked_us;
  size_t       sz;
  uint8_t *    bytes;
  uint32_t *   offs;
  dmg_hash_t * levels;                /* leaves, and once whole the levels above them */
} just_t;

struct dmg_cons {
  dmg_cons_cfg_t cfg;
  dmg_record_t   rec, next_rec;
  dmg_set_t      set, next_set;
  bool           has_next;
  dmg_keys_t     keys;
  dmg_schedule_t schedule;
  int32_t        me;                  /* own index, or -1 */
  dmg_cons_anchor_t anchor;

  /* Clock of this step. */
  uint64_t now_us, wall_ms;
  bool     is_started, is_waiting, is_observer, is_done;
  uint64_t wait_until_us;
  uint64_t from_ms;                   /* C6.5 */

  /* C4.1 */
  uint64_t   cur, entered_us;
  uint64_t   base_view;
  dmg_hash_t base_hash;
  dmg_cert_t base_cert;
  bool       is_base_logged;
  /* C4.6 */
  uint64_t   v_fin, fin_us, fin_height;
  dmg_cert_t fin;
  bool       is_fin_logged;

  view_t   * ring;                    /* [ DMG_CONS_RING ], view v at v % DMG_CONS_RING */
  uint64_t   ring_hi;
  uint32_t   n_max;
  blk_t      extra[ EXTRA_CNT ];

  held_run_t * runs;                  /* pool */
  uint16_t   * order;                 /* run_cnt indexes, then free ones; first and last strictly ascending */
  uint32_t     run_cnt, runs_max, prefix_sz;
  bool         is_run_dropped, has_run_alarm;
  uint64_t     seen[ SEEN_CNT ];      /* of run leaves that verified */
  work_t       works[ WORK_CNT ];
  uint64_t     work_order;
  uint32_t     units;                 /* of pairings that this step may still do */
  just_t       justs[ JUST_CNT ];

  own_t    own[ OWN_MAX ];
  uint64_t next_id, next_seq, saved_seq;
  uint64_t marks[ 3 ];
  prop_t   props[ PROP_CNT ];

  /* C4.2 */
  uint64_t reveal_window;             /* +1 of the window whose reveal is held or asked for; 0: none */
  uint64_t reveal_id, build_id, build_view, propose_at_us;
  dmg_hash_t build_parent;
  bool     has_reveal;
  uint8_t  reveal[ DMG_BLS_SIG_SZ ];
  uint64_t reveal_seen;               /* +1 of the window whose reveal verified last, of whoever led it; 0: none */
  uint8_t  reveal_good[ DMG_BLS_SIG_SZ ];

  /* timers */
  bool     is_prop_fired, is_notar_fired;
  uint64_t prop_at_us, notar_at_us, resend_at_us, hello_at_us, still_at_us, future_at_us, timer_us;
  uint64_t still_attempt;

  peer_t   peers[ DMG_CONS_PEER_MAX ];
  dmg_peers_t up;
  int16_t  peer_of[ DMG_SET_MAX ];
  uint8_t  suspect[ DMG_SET_MAX ];
  uint8_t  accused[ DMG_BITMAP_SZ ];  /* in this epoch, by evidence that was told */
  struct { uint64_t view, at_us; dmg_hash_t hash; } fetches[ FETCH_CNT ];
  uint32_t fetch_at;

  /* C7.4 */
  uint8_t    handover[ DMG_HANDOVER_SZ_MAX ];
  size_t     handover_sz;             /* of the epoch before, or of this one once done */
  dmg_hash_t boundary_hash;           /* B's, once done */

  /* Frames of e+1 that came before we entered it: who enters first leads on, and may not lose its first view for it. */
  uint8_t * early;                    /* { peer u16, size u32, bytes }* */
  size_t    early_sz;

  /* Records of e+1 in a log that is replayed from e: the crash came behind the handover. */
  dmg_cons_record_t * later;
  uint32_t            later_cnt;

  /* outputs of this step */
  dmg_cons_out_t *    out;
  uint8_t *           frames;
  size_t              frames_sz;
  dmg_cons_record_t * records;
  uint32_t            record_cnt, records_max;
  uint8_t *           saves;
  size_t              saves_sz, saves_max, saves_props;   /* saves_props: proposals among them */
  uint8_t *           scratch;          /* runs of a bundle being written */
  uint8_t *           draft;            /* the proposal being written */

  uint64_t bad_frames, votes_bad, drops;
};
typedef struct dmg_cons cons_t;

static inline uint64_t window_of ( cons_t const * c, uint64_t view ) { return ( view-1 )/c->rec.window; }
static inline uint64_t window_end( cons_t const * c, uint64_t view ) { return ( window_of( c, view )+1 )*c->rec.window; }   /* its last view */
static inline bool     bit_get( uint8_t const * map, uint32_t i ) { return map[ i/8 ]>>( i%8 )&1; }
static inline void     bit_set( uint8_t * map, uint32_t i ) { map[ i/8 ] |= (uint8_t)( 1u<<i%8 ); }
/* C4.8: T, lag and back-off count windows from the highest F; no F at all is window 0. */
static inline uint64_t lag_of( cons_t const * c ) { return window_of( c, c->cur )-( c->v_fin ? window_of( c, c->v_fin ) : 0 ); }
static inline slot_t * slot_of( cons_t const * c, view_t const * s, uint8_t kind, uint32_t signer ) { return &s->slots[ (size_t)kind*c->n_max+signer ]; }
static inline uint64_t quorum( cons_t const * c ) { return MUTANT( c, QUORUM_SHORT ) ? c->keys.quorum-c->keys.weights[ 0 ] : c->keys.quorum; }

/* cons.c */
bool can_vote( cons_t const * c );
void cast_nullify( cons_t * c, uint64_t view );                                 /* C4.4's conditions on own votes inside */
void cast_vote( cons_t * c, view_t * s, uint8_t kind, dmg_hash_t const * hash ); /* decided: reasons and vote go to SAVE */
void try_finalize( cons_t * c, view_t * s );
void observe( cons_t * c, char const * reason );
void observe_by_time( cons_t * c );   /* C6.5, for the epoch that runs */
void raise_from( cons_t * c, uint64_t header_ms );
uint64_t ask_signature( cons_t * c, uint8_t kind, uint64_t view, dmg_hash_t const * hash );   /* at once: for a reveal; returns the id */
void record( cons_t * c, uint8_t kind, dmg_span_t payload, dmg_hash_t const * block );
dmg_cons_action_t * action( cons_t * c, uint8_t kind );
void alarm_text( cons_t * c, char const * text, uint64_t view, dmg_hash_t const * ours, dmg_hash_t const * theirs );
void reset_epoch( cons_t * c );
void replay( cons_t * c, dmg_cons_record_t const * records, uint32_t cnt );   /* nothing leaves */
void begin_votes( cons_t * c );   /* after a replay, once votes are allowed */

/* cons_view.c */
view_t * view_get  ( cons_t const * c, uint64_t view );   /* NULL: not in the ring */
view_t * view_touch( cons_t * c, uint64_t view );          /* moves the ring up to it; NULL: below */
blk_t *  blk_find  ( cons_t * c, uint64_t view, dmg_hash_t const * hash );
blk_t *  blk_keep  ( cons_t * c );                         /* room for a block outside the ring */
bool     take_cert ( cons_t * c, dmg_cert_t const * cert, bool is_trusted );   /* verified unless trusted; false: it does not hold */
void     take_run  ( cons_t * c, dmg_run_t const * run, bool is_trusted );      /* one that verified; trusted: our own, or of the log */
bool     run_is_useful( cons_t const * c, dmg_run_t const * run );
bool     has_null  ( cons_t const * c, uint64_t view );
bool     has_own_above( cons_t const * c, uint8_t kind, uint64_t view, uint8_t const bitmap[ DMG_BITMAP_SZ ] );
bool     run_has_own_above( cons_t const * c, dmg_run_t const * run );
void     advance   ( cons_t * c );                         /* C4.1: cur from what is held */
held_run_t * run_at( cons_t const * c, uint64_t view );    /* the held run that reaches farthest among those with first <= view; NULL if it ends before view */
void     cert_peers( cons_t const * c, uint8_t const bitmap[ DMG_BITMAP_SZ ], dmg_peers_t * out );   /* linked signers, else all linked */
void     fetch     ( cons_t * c, uint64_t view, dmg_hash_t const * hash, uint8_t const bitmap[ DMG_BITMAP_SZ ] );
void     need_base ( cons_t * c );

/* cons_tally.c */
void tally_vote( cons_t * c, view_t * s, uint8_t kind, uint32_t signer, dmg_hash_t const * hash, uint8_t const sig[ DMG_BLS_SIG_RAW_SZ ] );
bool slot_verify( cons_t * c, view_t * s, uint8_t kind, uint32_t signer );   /* once; a bad one is cleared and its sender suspected */

/* cons_judge.c */
bool take_proposal( cons_t * c, dmg_span_t bytes, bool is_own );   /* false: malformed or forged */
void judge_view   ( cons_t * c, uint64_t view );
void want_state   ( cons_t * c, blk_t * b );                           /* CHECK, unless it is asked for, known or invalid */
void on_verdict   ( cons_t * c, dmg_cons_event_t const * ev );
prop_t * prop_find( cons_t * c, uint64_t view, dmg_hash_t const * hash );
typedef struct { uint64_t height, time_ms; bool has_root; dmg_hash_t root; uint8_t kind; dmg_header_t const * header; } parent_t;
bool parent_of( cons_t * c, uint64_t parent_view, dmg_hash_t const * hash, parent_t * out );

/* cons_work.c */
void work_add  ( cons_t * c, work_t * w );   /* left: in the caller's bytes; copied if it waits */
void work_tick ( cons_t * c );
bool work_waits( cons_t const * c );
bool run_was_seen( cons_t const * c, dmg_hash_t const * leaf );   /* it verified, lately */
void just_want ( cons_t * c, blk_t const * b );
void just_own  ( cons_t * c, dmg_header_t const * h, dmg_hash_t const * hash );   /* of our own header, for those who ask */
void on_got_runs( cons_t * c, dmg_cons_event_t const * ev );

/* cons_lead.c */
void lead( cons_t * c );                                            /* C4.2, whatever step is next */
void on_built( cons_t * c, dmg_cons_event_t const * ev );
void on_reveal( cons_t * c, uint8_t const sig[ DMG_BLS_SIG_SZ ] );

/* cons_timer.c */
void timers_enter( cons_t * c );
void timers_deadlines( cons_t * c );
void timers_fire ( cons_t * c );
uint64_t timers_next( cons_t const * c );
void standstill( cons_t * c, dmg_peers_t const * peers );
uint64_t backoff( uint64_t base_us, uint64_t steps, uint64_t cap_us );   /* base x (3/2)^steps, at most cap */
bool is_inactive( cons_t const * c, uint32_t signer );

/* cons_peer.c */
void on_link( cons_t * c, dmg_cons_event_t const * ev );
void on_frame( cons_t * c, uint16_t peer, dmg_span_t frame );
void send_frame( cons_t * c, dmg_peers_t const * peers, uint8_t kind, dmg_span_t head, dmg_span_t rest, uint64_t seq );
void send_bundle( cons_t * c, dmg_peers_t const * peers, uint64_t peer_cur, bool is_again );   /* from the run that holds peer_cur, or what each said of itself */
void send_hello( cons_t * c, dmg_peers_t const * peers );
void send_cert( cons_t * c, dmg_peers_t const * peers, dmg_cert_t const * cert );
void send_own( cons_t * c, dmg_peers_t const * peers, view_t const * s, uint8_t kind );
dmg_peers_t peers_up( cons_t const * c );
dmg_peers_t peers_resend( cons_t * c, dmg_peers_t const * peers, size_t sz );   /* those whose bucket has room; takes from it */
void peer_bad( cons_t * c, uint16_t peer );
void peer_lied( cons_t * c, uint16_t peer );   /* an aggregate or a header's signature that cost a pairing and does not hold */
void map_peers( cons_t * c );
void early_replay( cons_t * c );

/* cons_epoch.c */
void on_final_block( cons_t * c );                                  /* after F: is its block the end of the epoch? */
bool take_handover( cons_t * c, dmg_span_t bytes );
void send_handover( cons_t * c, uint16_t peer );
void try_next_epoch( cons_t * c );

/* cons_detect.c */
void detect_vote  ( cons_t * c, view_t * s, uint8_t kind, uint32_t signer, dmg_hash_t const * hash, uint8_t const sig[ DMG_BLS_SIG_RAW_SZ ] );
void detect_cert  ( cons_t * c, view_t * s, dmg_cert_t const * cert );
void detect_null  ( cons_t * c, dmg_run_t const * run );
bool take_evidence( cons_t * c, uint16_t peer, dmg_span_t bytes );   /* false: malformed */
void detect_header( cons_t * c, view_t * s );

#endif
