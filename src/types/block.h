/* block: header, certificate, vote message and body, as consensus C2.2 and C2.5 draw them.

     header 362      0 version u16   2 kind u8 {0 normal 1 boundary 2 closing}   3 leader u16   5 epoch u32   9 view u64
                    17 height u64   25 parent_hash[32]   57 parent_view u64   65 parent_cert Cert[109]   174 just_root[32]
                   206 body_hash[32]   238 body_len u32   242 parent_state_root[32]   274 next_epoch_root[32]
                   306 time_ms u64   314 reveal[48]
     signed 410      header | sig[48]: PROPOSE over block_hash = H("dmg/block/v1", header)
     Cert 109        0 kind u8 {0 NOTARIZATION 2 FINALIZATION}   1 epoch u32   5 view u64   13 hash[32]   45 bitmap[16]   61 sig[48]
     vote message 77 0 kind u8 {0 NOTARIZE 1 NULLIFY 2 FINALIZE 3 PROPOSE}   1 chain[32]   33 epoch u32   37 view u64   45 hash[32]
     Attendance 73   0 view u64   8 kind u8 {0 NOTARIZE 1 NULLIFY}   9 bitmap[16]   25 sig[48]
     body            list<=8 Attendance | list<=4 Evidence | list<=10,000 transactions (bytes)

     body_hash = H("dmg/body/v1", A | V | X); A, V = H("dmg/body/att/v1", "dmg/body/ev/v1", the BCS list),
     X = merkle.h over the transactions' bytes, tags "dmg/body/tx/v1", "dmg/body/node/v1"; zero of none

   Here are form and hashes; who may sign what and when is consensus's business.  Evidence (C9.1) comes with
   consensus: a body that carries any is refused by name.

   Memory    headers are plain values; a decoded body lives in the arena with spans into the bytes
   Failure   verdicts; encoding a body: INVALID past a bound, else the buffer's failures
   Bounds    body up to DMG_BODY_SZ_MAX bytes (the parameter body_max is lower) */
#ifndef DMG_TYPES_BLOCK_H
#define DMG_TYPES_BLOCK_H

#include "base/arena.h"
#include "base/verdict.h"
#include "crypto/bls.h"
#include "crypto/hash.h"

#define DMG_HEADER_SZ        362
#define DMG_SIGNED_HEADER_SZ 410
#define DMG_CERT_SZ          109
#define DMG_VOTE_MSG_SZ      77
#define DMG_ATTENDANCE_SZ    73
#define DMG_BLOCK_VERSION    1
#define DMG_BITMAP_SZ        16
#define DMG_BODY_ATT_MAX     8
#define DMG_BODY_TX_MAX      10000
#define DMG_BODY_SZ_MAX      ( 4u<<20 )
/* Three empty lists. */
#define DMG_BODY_EMPTY_SZ    3

typedef enum { DMG_BLOCK_NORMAL, DMG_BLOCK_BOUNDARY, DMG_BLOCK_CLOSING, DMG_BLOCK_KIND_CNT } dmg_block_kind_t;
typedef enum { DMG_VOTE_NOTARIZE, DMG_VOTE_NULLIFY, DMG_VOTE_FINALIZE, DMG_VOTE_PROPOSE } dmg_vote_kind_t;

typedef struct {
  uint8_t    kind;   /* DMG_VOTE_NOTARIZE or DMG_VOTE_FINALIZE */
  uint32_t   epoch;
  uint64_t   view;
  dmg_hash_t hash;
  uint8_t    bitmap[ DMG_BITMAP_SZ ];   /* signer i: byte i/8, bit i%8 */
  uint8_t    sig[ DMG_BLS_SIG_SZ ];     /* aggregate over the vote message */
} dmg_cert_t;

typedef struct {
  uint16_t   version;
  uint8_t    kind;   /* dmg_block_kind_t */
  uint16_t   leader;
  uint32_t   epoch;
  uint64_t   view, height;
  dmg_hash_t parent_hash;
  uint64_t   parent_view;
  dmg_cert_t parent_cert;   /* all zero after the anchor */
  dmg_hash_t just_root, body_hash;
  uint32_t   body_len;
  dmg_hash_t parent_state_root, next_epoch_root;
  uint64_t   time_ms;
  uint8_t    reveal[ DMG_BLS_SIG_SZ ];
} dmg_header_t;

typedef struct { dmg_header_t header; uint8_t sig[ DMG_BLS_SIG_SZ ]; } dmg_signed_header_t;

typedef struct { uint64_t view; uint8_t kind; uint8_t bitmap[ DMG_BITMAP_SZ ]; uint8_t sig[ DMG_BLS_SIG_SZ ]; } dmg_attendance_t;

typedef struct {
  dmg_attendance_t * atts;
  dmg_span_t *       txs;    /* each transaction's whole BCS */
  uint32_t           att_cnt, tx_cnt;
} dmg_body_t;

void dmg_cert_encode  ( dmg_cert_t const * cert, uint8_t out[ DMG_CERT_SZ ] );
void dmg_header_encode( dmg_header_t const * header, uint8_t out[ DMG_HEADER_SZ ] );
void dmg_signed_header_encode( dmg_signed_header_t const * sh, uint8_t out[ DMG_SIGNED_HEADER_SZ ] );
/* Exact length, version 1, known kinds. */
dmg_verdict_t dmg_cert_decode  ( dmg_span_t bytes, dmg_cert_t * out );
dmg_verdict_t dmg_header_decode( dmg_span_t bytes, dmg_header_t * out );
dmg_verdict_t dmg_signed_header_decode( dmg_span_t bytes, dmg_signed_header_t * out );
/* C2.2: bits at and above n, the size of the epoch's set, are clear. */
bool dmg_bitmap_is_within( uint8_t const bitmap[ DMG_BITMAP_SZ ], uint32_t n );
/* All fields zero: no certificate. */
bool dmg_cert_is_zero( dmg_cert_t const * cert );

/* H("dmg/block/v1", header). */
dmg_hash_t dmg_header_hash( dmg_header_t const * header );
dmg_hash_t dmg_header_bytes_hash( dmg_span_t header );
/* The 77 bytes that votes and PROPOSE sign. */
void dmg_vote_msg( dmg_vote_kind_t kind, dmg_hash_t const * chain, uint32_t epoch, uint64_t view, dmg_hash_t const * hash, uint8_t out[ DMG_VOTE_MSG_SZ ] );
/* C3.1: what a leader's reveal signs, chain | epoch u32 | window u64. */
#define DMG_REVEAL_MSG_SZ 44
void dmg_reveal_msg( dmg_hash_t const * chain, uint32_t epoch, uint64_t window, uint8_t out[ DMG_REVEAL_MSG_SZ ] );
/* M1.5: b(0) from the genesis hash; b(h) from b(h-1) and the reveal of the first block of a window. */
dmg_hash_t dmg_beacon_first( dmg_hash_t const * genesis );
dmg_hash_t dmg_beacon_next ( dmg_hash_t const * prev, uint8_t const reveal[ DMG_BLS_SIG_SZ ] );

/* Body: the verdict's field names the list; transactions stay undecoded bytes. */
dmg_verdict_t dmg_body_decode( dmg_span_t bytes, dmg_arena_t * arena, dmg_body_t ** out );
DMG_MUST_USE dmg_err_t dmg_body_encode( dmg_body_t const * body, dmg_buf_t * buf );
/* body_hash of C2.5. */
dmg_hash_t dmg_body_hash( dmg_body_t const * body );
/* BCS length of a body without attendance: of tx_cnt transactions whose sizes, length prefixes included
   (dmg_body_tx_sz), sum to txs_sz.  For builders that fill up to body_max. */
size_t dmg_body_sz( uint32_t tx_cnt, size_t txs_sz );
size_t dmg_body_tx_sz( size_t raw_sz );

#endif
