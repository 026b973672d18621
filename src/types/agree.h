/* agree: what validators send each other and keep, as consensus C2.2, C9.1 and network N8.2 draw it.

     vote, wire 143  0 kind u8 {0 NOTARIZE 1 NULLIFY 2 FINALIZE}   1 epoch u32   5 view u64   13 hash[32] (NULLIFY: zero)
                    45 signer u16   47 sig[96] uncompressed                        stored 95: 47 sig[48], kind 3 PROPOSE too
     NullRun 61+16k  0 epoch u32   4 first u64   12 ULEB k 1..64   13 bitmap[16] x k   .. sig[48]
     set             list 1..128 of { key[96], weight u64 } ascending by key; the index is the signer and its bitmap bit
     EpochRecord 116 0 version u16   2 epoch u32   6 first_height u64   14 last_height u64   22 set_hash[32]   54 seed[32]   86 W u64
                    94 n u16   96 T u16   98 L u8   99 Delta u16   101 cap_ms u32   105 E u8   106 body_max u32   110 body_soft u32   114 skew_ms u16
     bundle          base Cert[109] (zero: the anchor)   list<NullRun>
     proposal        signed header[410]   FINALIZATION[109] (zero: none)   list<NullRun>
     handover        header[362]   Cert[109]   EpochRecord[116]   enum { 0 same set, 1 change, 2 set }
     leaves          leaf count u32 1..65,535   list<1..64> { NullRun, path }: some of just_root's, in order (N9.1 `runs`)
     evidence        enum { 0 Pair { side, side }, 1 BadHeader { side, header[362], option header[362], list<=2 { NullRun, path } } }
                     side: enum { 0 stored vote, 1 Cert, 2 { NullRun, view u64 } }
     frame           u8 { 0 hello 1 vote 2 certificate 3 proposal 4 evidence 5 want 6 relayed 7 bundle 8 handover }   its bytes

   Here are form and hashes.  Whether a certificate weighs enough and verifies is consensus/just.h's business.

   Memory    plain values; lists of runs are read one by one from their span, nothing is allocated
   Failure   verdicts; encoders write into caller memory of the size named here
   Bounds    frames up to DMG_FRAME_SZ_MAX, lists of runs up to DMG_RUNS_SZ_MAX bytes
   Spec      docs/spec/consensus.md C2.2-C2.5, C9.1 */
#ifndef DMG_TYPES_AGREE_H
#define DMG_TYPES_AGREE_H

#include "types/block.h"
#include "types/merkle.h"

#define DMG_SET_MAX           128
#define DMG_VOTE_WIRE_SZ      143
#define DMG_VOTE_STORED_SZ    95
#define DMG_RUN_VIEWS_MAX     64
#define DMG_RUN_SZ( k )       ( 61u+16u*( k ) )
#define DMG_RUN_SZ_MAX        DMG_RUN_SZ( DMG_RUN_VIEWS_MAX )
#define DMG_RUNS_SZ_MAX       ( 56u<<10 )
#define DMG_RECORD_SZ         116
#define DMG_HANDOVER_HEAD_SZ  ( DMG_HEADER_SZ+DMG_CERT_SZ+DMG_RECORD_SZ )
#define DMG_SET_CHANGE_MAX    256
#define DMG_HANDOVER_SZ_MAX   ( DMG_HANDOVER_HEAD_SZ+1+2+104*DMG_SET_CHANGE_MAX )
#define DMG_FRAME_SZ_MAX      ( 64u<<10 )
#define DMG_EVIDENCE_SZ_MAX   4096
#define DMG_HELLO_SZ          28
#define DMG_WANT_VIEWS_MAX    64

/* --- votes ---------------------------------------------------------------------------------------------- */

typedef struct { uint8_t kind; uint32_t epoch; uint64_t view; dmg_hash_t hash; uint16_t signer; uint8_t sig[ DMG_BLS_SIG_RAW_SZ ]; } dmg_vote_t;         /* wire */
typedef struct { uint8_t kind; uint32_t epoch; uint64_t view; dmg_hash_t hash; uint16_t signer; uint8_t sig[ DMG_BLS_SIG_SZ ]; } dmg_vote_stored_t;

void          dmg_vote_encode( dmg_vote_t const * vote, uint8_t out[ DMG_VOTE_WIRE_SZ ] );
/* Exact length, kind 0..2, view > 0, NULLIFY's hash zero, signer < 128. */
dmg_verdict_t dmg_vote_decode( dmg_span_t bytes, dmg_vote_t * out );
void          dmg_vote_stored_encode( dmg_vote_stored_t const * vote, uint8_t out[ DMG_VOTE_STORED_SZ ] );
dmg_verdict_t dmg_vote_stored_decode( dmg_span_t bytes, dmg_vote_stored_t * out );   /* kinds 0..3 */

/* --- runs of nullifications ------------------------------------------------------------------------------ */

/* NULLIFICATION of views first .. first+cnt-1, one bitmap a view, one aggregate signature. */
typedef struct { uint32_t epoch; uint64_t first; uint32_t cnt; uint8_t bitmaps[ DMG_RUN_VIEWS_MAX ][ DMG_BITMAP_SZ ]; uint8_t sig[ DMG_BLS_SIG_SZ ]; } dmg_run_t;

static inline uint64_t dmg_run_last( dmg_run_t const * run ) { return run->first+run->cnt-1; }
/* Writes DMG_RUN_SZ( run->cnt ) bytes and returns that. */
size_t        dmg_run_encode( dmg_run_t const * run, uint8_t out[ DMG_RUN_SZ_MAX ] );
dmg_verdict_t dmg_run_decode( dmg_span_t bytes, dmg_run_t * out );
/* One run from a sticky reader; rd->bad tells. */
void          dmg_run_read( dmg_bcs_rd_t * rd, dmg_run_t * out );
/* H("dmg/just/leaf/v1", run's bytes). */
dmg_hash_t    dmg_run_leaf( dmg_span_t run );

/* A checked list of runs inside other bytes: first, then dmg_runs_next until false. */
typedef struct { dmg_span_t bytes; uint32_t cnt; } dmg_runs_t;   /* bytes: the runs, without the list's length */
/* The next run, and in out_raw (may be NULL) its bytes; false at the end. */
bool          dmg_runs_next( dmg_runs_t * runs, dmg_run_t * out, dmg_span_t * out_raw );

/* Leaves of a just_root with their paths, in order from the first asked for: an answer of N9.1 `runs`. */
#define DMG_LEAVES_MAX     64
#define DMG_LEAVES_HEAD_SZ 5
#define DMG_LEAVES_SZ_MAX  ( 64u<<10 )
typedef struct { dmg_span_t bytes; uint32_t cnt, leaf_cnt; } dmg_leaves_t;   /* bytes: without the head; leaf_cnt: of the whole list, as the sender says */
dmg_verdict_t dmg_leaves_decode( dmg_span_t bytes, dmg_leaves_t * out );
bool          dmg_leaves_next  ( dmg_leaves_t * leaves, dmg_run_t * out_run, dmg_span_t * out_raw, dmg_merkle_path_t * out_path );   /* each may be NULL but out_run; false at the end */
/* Each is the place first, first+1, .. of leaf_cnt under root.  A false leaf_cnt can pass: only the whole list decides (C2.4). */
bool          dmg_leaves_verify( dmg_leaves_t const * leaves, uint32_t first, dmg_hash_t const * root );
/* The head; cnt times a run and dmg_merkle_path_write follow. */
void          dmg_leaves_head  ( uint32_t leaf_cnt, uint32_t cnt, dmg_bcs_wr_t * wr );

/* --- sets and epochs ------------------------------------------------------------------------------------- */

typedef struct { uint8_t key[ DMG_BLS_KEY_SZ ]; uint64_t weight; } dmg_member_t;
typedef struct { dmg_member_t members[ DMG_SET_MAX ]; uint32_t cnt; } dmg_set_t;

#define DMG_SET_SZ_MAX ( 2+104*DMG_SET_MAX )
size_t        dmg_set_encode( dmg_set_t const * set, uint8_t out[ DMG_SET_SZ_MAX ] );
/* Ascending, weights > 0 with a sum in u64. */
dmg_verdict_t dmg_set_decode( dmg_span_t bytes, dmg_set_t * out );
dmg_hash_t    dmg_set_hash( dmg_set_t const * set );
uint64_t      dmg_set_weight( dmg_set_t const * set );
/* C1.1: floor( 2 W / 3 ) + 1. */
uint64_t      dmg_set_quorum( uint64_t total );
/* Index of the key, or -1. */
int           dmg_set_find( dmg_set_t const * set, uint8_t const key[ DMG_BLS_KEY_SZ ] );

typedef struct {
  uint16_t   version;
  uint32_t   epoch;
  uint64_t   first_height, last_height;
  dmg_hash_t set_hash, seed;
  uint64_t   weight;               /* W */
  uint16_t   n, pace_ms;           /* T */
  uint8_t    window;               /* L, views */
  uint16_t   delta_ms;
  uint32_t   cap_ms;
  uint8_t    empty_lag;            /* E, views */
  uint32_t   body_max, body_soft;
  uint16_t   skew_ms;
} dmg_record_t;

#define DMG_RECORD_VERSION 1
void          dmg_record_encode( dmg_record_t const * record, uint8_t out[ DMG_RECORD_SZ ] );
/* Version 1 and the bounds of C1.3: one that this release cannot run is refused by name ("version"). */
dmg_verdict_t dmg_record_decode( dmg_span_t bytes, dmg_record_t * out );
/* H("dmg/epoch/v1", record): next_epoch_root of the boundary block before it. */
dmg_hash_t    dmg_record_hash( dmg_record_t const * record );

/* --- frames ---------------------------------------------------------------------------------------------- */

typedef enum { DMG_FRAME_HELLO, DMG_FRAME_VOTE, DMG_FRAME_CERT, DMG_FRAME_PROPOSAL, DMG_FRAME_EVIDENCE, DMG_FRAME_WANT, DMG_FRAME_RELAYED, DMG_FRAME_BUNDLE, DMG_FRAME_HANDOVER,
               DMG_FRAME_CNT } dmg_frame_kind_t;

typedef struct { uint32_t epoch; uint64_t cur, final_view, height; } dmg_hello_t;
typedef struct { uint64_t views[ DMG_WANT_VIEWS_MAX ]; uint32_t cnt; uint8_t kinds; } dmg_want_t;   /* kinds: bit per dmg_vote_kind_t; PROPOSE: the proposal */

void          dmg_hello_encode( dmg_hello_t const * hello, uint8_t out[ DMG_HELLO_SZ ] );
dmg_verdict_t dmg_hello_decode( dmg_span_t bytes, dmg_hello_t * out );
#define DMG_WANT_SZ_MAX ( 1+8*DMG_WANT_VIEWS_MAX+1 )
size_t        dmg_want_encode( dmg_want_t const * want, uint8_t out[ DMG_WANT_SZ_MAX ] );
dmg_verdict_t dmg_want_decode( dmg_span_t bytes, dmg_want_t * out );   /* views strictly ascending, kinds 1..15 */

typedef struct { dmg_cert_t base; dmg_runs_t runs; } dmg_bundle_t;
dmg_verdict_t dmg_bundle_decode( dmg_span_t bytes, dmg_bundle_t * out );
/* Head of a bundle; the runs' bytes follow.  Returns its size, at most DMG_BUNDLE_HEAD_MAX. */
#define DMG_BUNDLE_HEAD_MAX ( DMG_CERT_SZ+2 )
size_t        dmg_bundle_head( dmg_cert_t const * base, uint32_t run_cnt, uint8_t out[ DMG_BUNDLE_HEAD_MAX ] );

typedef struct { dmg_signed_header_t header; dmg_hash_t hash; dmg_cert_t fin; dmg_runs_t runs; } dmg_proposal_t;
dmg_verdict_t dmg_proposal_decode( dmg_span_t bytes, dmg_proposal_t * out );   /* hash: block hash of the header */
#define DMG_PROPOSAL_HEAD_MAX ( DMG_SIGNED_HEADER_SZ+DMG_CERT_SZ+2 )
size_t        dmg_proposal_head( dmg_signed_header_t const * header, dmg_cert_t const * fin, uint32_t run_cnt, uint8_t out[ DMG_PROPOSAL_HEAD_MAX ] );

typedef struct { dmg_header_t header; dmg_cert_t fin; dmg_record_t record; uint8_t set_kind; dmg_span_t set; } dmg_handover_t;   /* set: the change's or set's BCS */
dmg_verdict_t dmg_handover_decode( dmg_span_t bytes, dmg_handover_t * out );
/* With next set equal to prev: 587+1 bytes, else the shorter of change and set.  Returns the size. */
size_t        dmg_handover_encode( dmg_header_t const * header, dmg_cert_t const * fin, dmg_record_t const * record, dmg_set_t const * prev, dmg_set_t const * next,
                                   uint8_t out[ DMG_HANDOVER_SZ_MAX ] );
/* The set that the handover names, from the set before it; BAD if it does not apply. */
dmg_verdict_t dmg_handover_set( dmg_handover_t const * handover, dmg_set_t const * prev, dmg_set_t * out );

/* --- evidence -------------------------------------------------------------------------------------------- */

typedef enum { DMG_SIDE_VOTE, DMG_SIDE_CERT, DMG_SIDE_RUN, DMG_SIDE_CNT } dmg_side_kind_t;
typedef struct { uint8_t kind; dmg_vote_stored_t vote; dmg_cert_t cert; dmg_run_t run; uint64_t run_view; } dmg_side_t;
typedef struct { dmg_run_t run; dmg_hash_t leaf; dmg_merkle_path_t path; } dmg_opening_t;
typedef struct {
  uint8_t       kind;   /* 0 Pair, 1 BadHeader */
  dmg_side_t    a, b;   /* BadHeader: a */
  dmg_header_t  header, parent;
  dmg_hash_t    header_hash, parent_hash;   /* of the bytes */
  bool          has_parent;
  uint32_t      opening_cnt;
  dmg_opening_t openings[ 2 ];
} dmg_evidence_t;

/* What a side speaks of. */
uint32_t   dmg_side_epoch( dmg_side_t const * side );
uint64_t   dmg_side_view ( dmg_side_t const * side );
uint8_t    dmg_side_vote_kind( dmg_side_t const * side );
dmg_hash_t dmg_side_hash ( dmg_side_t const * side );

dmg_verdict_t dmg_evidence_decode( dmg_span_t bytes, dmg_evidence_t * out );
/* 0 if it does not fit into cap bytes. */
size_t        dmg_evidence_encode( dmg_evidence_t const * ev, uint8_t * out, size_t cap );

#endif
