/* safety: what a validator's key may still sign (C6.4), as a value: rules, bytes, and what to do at a start.

     vote --> allowed by the view's entry, the floor, the epoch? --> entry and marks --> 4,096 bytes --> synced --> the signature leaves

   slot 4,096    0 "DMGSAFE1"   8 format u16   10 mode u8 {0 vote 1 observe}   11 zero[5]   16 chain_id[32]   48 key[96]   144 seq u64   152 epoch u32
               156 zero[4]   160 4 x {view u64, hash[32]} highest per kind   320 floor u64   328 host id[16]
               344 64 x {view u64, flags u8 (1<<kind), hash[32], propose_hash[8]} open views, ascending, unused zero   3480 from_ms u64   3488 zero
              4092 crc32c u32
   A file has two slots, written in turn: slot seq%2.  The newest valid one counts.

   Rules         PROPOSE    one header a view                                        (C4.2)
                 NOTARIZE   one hash a view, the one of an own FINALIZE              (C4.3)
                 NULLIFY    not after an own FINALIZE                                (C4.4)
                 FINALIZE   not after an own NULLIFY; the hash of an own NOTARIZE    (C4.5)
   The same vote again is always allowed.  Full: the lowest entry goes and floor = its view; nothing at or below the floor
   is signed.  A later epoch begins with nothing; an earlier one is over.

   Threads   pure
   Failure   verdicts
   Spec      docs/spec/consensus.md C4.2-5, C6.4, C6.5.  Not here: files and the key (node/signer.h) */
#ifndef DMG_CONSENSUS_SAFETY_H
#define DMG_CONSENSUS_SAFETY_H

#include "types/block.h"

#define DMG_SAFETY_SLOT_SZ   4096
#define DMG_SAFETY_OPEN_MAX  64
#define DMG_SAFETY_HOST_SZ   16
#define DMG_SAFETY_FORMAT    1
#define DMG_SAFETY_KIND_CNT  4

typedef struct { dmg_vote_kind_t kind; uint32_t epoch; uint64_t view; dmg_hash_t hash; } dmg_safety_vote_t;   /* NULLIFY: hash zero */

typedef struct { uint64_t view; dmg_hash_t hash; } dmg_safety_mark_t;
typedef struct { uint64_t view; uint8_t flags; dmg_hash_t hash; uint8_t propose_hash[ 8 ]; } dmg_safety_open_t;   /* hash: of NOTARIZE and FINALIZE */

typedef struct {
  bool              is_observer;
  dmg_hash_t        chain_id;
  uint8_t           key[ DMG_BLS_KEY_SZ ];
  uint64_t          seq;
  uint32_t          epoch;
  dmg_safety_mark_t marks[ DMG_SAFETY_KIND_CNT ];   /* by dmg_vote_kind_t; view 0: none yet */
  uint64_t          floor;
  uint8_t           host[ DMG_SAFETY_HOST_SZ ];
  dmg_safety_open_t open[ DMG_SAFETY_OPEN_MAX ];
  uint32_t          open_cnt;
  uint64_t          from_ms;
} dmg_safety_t;

/* A file that has signed nothing.  from_ms: 0 only where nothing can have been signed (genesis tools, solo); else the wall time. */
void dmg_safety_init( dmg_safety_t * safety, dmg_hash_t const * chain_id, uint8_t const key[ DMG_BLS_KEY_SZ ], uint8_t const host[ DMG_SAFETY_HOST_SZ ], uint64_t from_ms );

void          dmg_safety_encode( dmg_safety_t const * safety, uint8_t out[ DMG_SAFETY_SLOT_SZ ] );
/* Exact length; every field in its one form. */
dmg_verdict_t dmg_safety_decode( dmg_span_t slot, dmg_safety_t * out );

/* The valid slots of a file of two: of these chain and key, each in its place, the newer one in *out.  2 only if they follow one
   another: a file with a hole between its slots lost a write.  0: *out untouched. */
uint32_t dmg_safety_choose( dmg_span_t const slots[ 2 ], dmg_hash_t const * chain_id, uint8_t const key[ DMG_BLS_KEY_SZ ], dmg_safety_t * out );

/* ---- Signing ---- */

typedef enum { DMG_SAFETY_OK, DMG_SAFETY_OBSERVER, DMG_SAFETY_EPOCH, DMG_SAFETY_FROM, DMG_SAFETY_FLOOR, DMG_SAFETY_FULL, DMG_SAFETY_CONFLICT, DMG_SAFETY_FORM } dmg_safety_answer_t;
char const * dmg_safety_answer_text( dmg_safety_answer_t answer );

/* What is known of a vote's epoch: when its anchor was made, and the clock skew allowed (C6.5). */
typedef struct { uint64_t anchor_ms; uint64_t skew_ms; } dmg_safety_epoch_t;

/* May it be signed?  OK: it is taken down, *out_is_new says whether that changed anything.  Otherwise nothing changes. */
dmg_safety_answer_t dmg_safety_vote( dmg_safety_t * safety, dmg_safety_vote_t const * vote, dmg_safety_epoch_t const * epoch, bool * out_is_new );
/* C6.5: from here on a listener, until an epoch that begins after wall_ms. */
void dmg_safety_observe( dmg_safety_t * safety, uint64_t wall_ms );
/* C6.5: the clock was behind: from_ms rises to the time of the highest final header heard at a start, if it is not 0. */
void dmg_safety_raise_from( dmg_safety_t * safety, uint64_t header_ms );
/* Another's marks (an import, C6.5): everything at or below them counts as signed; marks never fall.  A file that has none
   yet takes the other's from_ms with them, but not if it observes; marks of nothing make it wall_ms.  false: another chain or key. */
typedef struct { dmg_hash_t chain_id; uint8_t key[ DMG_BLS_KEY_SZ ]; uint32_t epoch; uint64_t floor; dmg_safety_mark_t marks[ DMG_SAFETY_KIND_CNT ]; bool is_observer; uint64_t from_ms; } dmg_safety_export_t;
void dmg_safety_export( dmg_safety_t const * safety, dmg_safety_export_t * out );
bool dmg_safety_import( dmg_safety_t * safety, dmg_safety_export_t const * in, uint64_t wall_ms );

/* ---- A start: the vote log against the file (the table of C6.4) ---- */

typedef enum {
  DMG_SAFETY_START_VOTE,      /* as before; the log rebuilds a lost slot */
  DMG_SAFETY_START_FILE,      /* the file is complete: vote what it allows; alarm */
  DMG_SAFETY_START_OBSERVE
} dmg_safety_start_t;

/* is_log_good: it read without corruption.  is_covered: it has every vote of the file above its floor.  valid_slots 0..2. */
dmg_safety_start_t dmg_safety_start( bool is_log_good, bool is_covered, uint32_t valid_slots );

/* Fed with the log, record by record: does it have what the file has, and what does it have beyond? */
typedef struct {
  dmg_safety_t file;            /* as the slots gave it */
  dmg_safety_t merged;          /* with the log's votes taken down */
  uint8_t      seen[ DMG_SAFETY_OPEN_MAX ], seen_marks;
  uint32_t     floor_epoch;
  uint64_t     floor_view;
  bool         has_conflict;    /* the log and the file cannot both be ours */
} dmg_safety_merge_t;
void dmg_safety_merge_init ( dmg_safety_merge_t * merge, dmg_safety_t const * file );
void dmg_safety_merge_vote ( dmg_safety_merge_t * merge, dmg_safety_vote_t const * vote );
void dmg_safety_merge_floor( dmg_safety_merge_t * merge, uint32_t epoch, uint64_t view );
bool dmg_safety_merge_is_covered( dmg_safety_merge_t const * merge );

#endif
