/* solo: consensus of one (C2.7): the lone validator proposes, notarizes and finalizes its own blocks.

     parent (header, its NOTARIZATION) + body + root after the parent
       --> signed header (PROPOSE) --body synced--> NOTARIZATION --> FINALIZATION --synced--> final

   The signatures are real BLS signatures over the real messages, so light clients check a dev chain as any
   other.  Kind, leader and epoch are 0; view = height; parent_view = height - 1.

   Threads  pure but for the key it holds; one at a time
   Not here when a block is made, what is in it, what is on disk (chain.h) */
#ifndef DMG_NODE_SOLO_H
#define DMG_NODE_SOLO_H

#include "types/block.h"

typedef struct {
  dmg_hash_t chain_id;
  uint8_t    secret[ 32 ];
  uint64_t   window_views;                /* L of C1.3 */
  uint64_t   reveal_window;               /* whose reveal is cached; UINT64_MAX: none */
  uint8_t    reveal[ DMG_BLS_SIG_SZ ];
} dmg_solo_t;

void dmg_solo_init( dmg_solo_t * solo, dmg_hash_t const * chain_id, uint8_t const secret[ 32 ], uint64_t window_views );
void dmg_solo_fini( dmg_solo_t * solo );  /* wipes the key */

/* What a block says of its parent; the anchor has height 0, the genesis hash and no certificate. */
typedef struct { uint64_t height, time_ms; dmg_hash_t hash; dmg_cert_t notarization; } dmg_solo_parent_t;

/* C5.4: is the block at this height the first of its leader's window?  Then the beacon takes its reveal. */
bool dmg_solo_is_window_first( dmg_solo_t const * solo, uint64_t height );
/* C3.1: the reveal of the window that this height lies in. */
void dmg_solo_reveal( dmg_solo_t * solo, uint64_t height, uint8_t out[ DMG_BLS_SIG_SZ ] );

/* The block on parent, PROPOSE signed. */
void dmg_solo_propose( dmg_solo_t * solo, dmg_solo_parent_t const * parent, uint64_t time_ms, dmg_hash_t const * body_hash, uint32_t body_len,
                       dmg_hash_t const * parent_state_root, dmg_signed_header_t * out_header, dmg_hash_t * out_hash );
/* NOTARIZE or FINALIZE of a block, as the certificate that it is (one vote is a quorum). */
void dmg_solo_certify( dmg_solo_t * solo, dmg_vote_kind_t kind, uint64_t height, dmg_hash_t const * hash, dmg_cert_t * out_cert );

#endif
