/* solo: consensus of one (C2.7): the lone validator proposes, notarizes and finalizes its own blocks.

     parent (header, its NOTARIZATION) + body + root after the parent
       --> header --header, body and the three votes synced--> cast: PROPOSE, NOTARIZATION, FINALIZATION --synced--> final

   The signatures are real BLS signatures over the real messages, so light clients check a dev chain as any
   other.  Kind, leader and epoch are 0; view = height; parent_view = height - 1.  The signer decides what may be
   signed; this is the one who asks.

   Threads  one at a time
   Failure  a refused vote is PERM, logged: the chain of one cannot go on, it has nobody else
   Not here when a block is made, what is in it, what is on disk (chain.h); the key (signer.h) */
#ifndef DMG_NODE_SOLO_H
#define DMG_NODE_SOLO_H

#include "node/signer.h"
#include "types/block.h"

typedef struct {
  dmg_signer_t *     signer;              /* borrowed */
  uint64_t           window_views;        /* L of C1.3 */
  dmg_safety_epoch_t epoch;
  uint64_t           reveal_window;       /* whose reveal is cached; UINT64_MAX: none */
  uint8_t            reveal[ DMG_BLS_SIG_SZ ];
} dmg_solo_t;

/* epoch: of epoch 0, whose anchor is the genesis. */
void dmg_solo_init( dmg_solo_t * solo, dmg_signer_t * signer, uint64_t window_views, dmg_safety_epoch_t epoch );

/* What a block says of its parent; the anchor has height 0, the genesis hash and no certificate. */
typedef struct { uint64_t height, time_ms; dmg_hash_t hash; dmg_cert_t notarization; } dmg_solo_parent_t;

/* C3.1: the reveal of the window that this height lies in. */
void dmg_solo_reveal( dmg_solo_t * solo, uint64_t height, uint8_t out[ DMG_BLS_SIG_SZ ] );

/* The header of the block on parent, but for its body. */
void dmg_solo_header( dmg_solo_t * solo, dmg_solo_parent_t const * parent, uint64_t time_ms, dmg_hash_t const * parent_state_root, dmg_header_t * out_header );

/* PROPOSE, NOTARIZE and FINALIZE of a block; one vote is a quorum, so the last two are certificates. */
typedef struct { uint8_t propose[ DMG_BLS_SIG_SZ ]; dmg_cert_t notarization, finalization; } dmg_solo_votes_t;
/* All three in one turn, with one sync of the safety file.  What they stand on is synced already (C6.1). */
DMG_MUST_USE dmg_err_t dmg_solo_cast( dmg_solo_t * solo, uint64_t height, dmg_hash_t const * hash, dmg_solo_votes_t * out_votes );
/* The NOTARIZATION of a final block again. */
DMG_MUST_USE dmg_err_t dmg_solo_notarization( dmg_solo_t * solo, uint64_t height, dmg_hash_t const * hash, dmg_cert_t * out_cert );

#endif
