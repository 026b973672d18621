/* just: whether certificates hold, and whether runs justify a skip (C2.3, C2.4).

     keys (a set with its points loaded)  +  Cert | NullRun | single vote  --> true, false
     cover: runs that skip (parent_view, view), in canonical form            just_root: the Merkle tree over them

   Memory   dmg_keys_t is 25 KiB and holds no pointers but the crypto table
   Spec     docs/spec/consensus.md C2.3, C2.4 */
#ifndef DMG_CONSENSUS_JUST_H
#define DMG_CONSENSUS_JUST_H

#include "consensus/cons.h"

typedef struct {
  dmg_cons_crypto_t const * crypto;
  dmg_hash_t                chain_id;
  uint32_t                  epoch, n;
  uint64_t                  total, quorum;
  uint64_t                  weights[ DMG_SET_MAX ];
  dmg_bls_key_t             points[ DMG_SET_MAX ];
} dmg_keys_t;

/* false: a key does not load. */
bool     dmg_keys_init  ( dmg_keys_t * keys, dmg_cons_crypto_t const * crypto, dmg_hash_t const * chain_id, uint32_t epoch, dmg_set_t const * set );
/* Weight of the bitmap's members; 0 if a bit at or above n is set. */
uint64_t dmg_keys_weigh ( dmg_keys_t const * keys, uint8_t const bitmap[ DMG_BITMAP_SZ ] );
/* One signature over the vote message by one signer, stored or wire form. */
bool     dmg_vote_verify       ( dmg_keys_t const * keys, dmg_vote_t const * vote );
bool     dmg_vote_stored_verify( dmg_keys_t const * keys, dmg_vote_stored_t const * vote );
/* The aggregate of all of bitmap over one vote message, any weight above none. */
bool     dmg_aggregate_verify  ( dmg_keys_t const * keys, uint8_t kind, uint64_t view, dmg_hash_t const * hash, uint8_t const bitmap[ DMG_BITMAP_SZ ], uint8_t const sig[ DMG_BLS_SIG_SZ ] );
/* C2.3: right epoch, view > 0, >= q, aggregate. */
bool     dmg_cert_verify( dmg_keys_t const * keys, dmg_cert_t const * cert );
bool     dmg_run_verify ( dmg_keys_t const * keys, dmg_run_t const * run );

/* C8.2, by place: above the last view recorded on its branch, at least 8 below the block that records it. */
bool     dmg_attendance_is_due( dmg_attendance_t const * att, uint64_t last_view, uint64_t block_view );
/* C8.2, by votes: of all that voted for the block of that view on this chain; zero hash: it was skipped, so NULLIFY. */
bool     dmg_attendance_verify( dmg_keys_t const * keys, dmg_attendance_t const * att, dmg_hash_t const * block );

/* C2.4's canonical cover, fed run by run in order. */
typedef struct { uint64_t parent_view, view, first, last; uint32_t cnt; } dmg_cover_t;
dmg_cover_t dmg_cover( uint64_t parent_view, uint64_t view );
bool        dmg_cover_add( dmg_cover_t * cover, uint64_t first, uint64_t last );   /* false: not canonical from here on */
bool        dmg_cover_end( dmg_cover_t const * cover );                              /* reaches view-1; none needed if view = parent_view+1 */

#endif
