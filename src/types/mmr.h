/* mmr: a Merkle mountain range, the append-only log of R4.15.

     BCS { count u64, peaks list<hash, 64> }, tallest peak first: one peak for each set bit of count

       count 7:   P2 (4 leaves)  P1 (2)  P0 (1)     append merges equal heights, as binary counting carries

     node = H("dmg/mmr/node/v1", l | r)      root = H("dmg/mmr/root/v1", count u64 | peaks), never stored

   Used by topics (System item 12) and by the receipts log (item 15).

   Memory   a plain value of 2 KiB */
#ifndef DMG_TYPES_MMR_H
#define DMG_TYPES_MMR_H

#include "codec/bcs.h"
#include "crypto/hash.h"

#define DMG_MMR_PEAK_MAX 64
#define DMG_MMR_BCS_MAX  ( 8+1+32*DMG_MMR_PEAK_MAX )

typedef struct { uint64_t count; dmg_hash_t peaks[ DMG_MMR_PEAK_MAX ]; } dmg_mmr_t;   /* the first popcount( count ) peaks are live */

/* Zeroed memory is the empty range; this one names it. */
static inline void dmg_mmr_init( dmg_mmr_t * mmr ) { mmr->count = 0; }
static inline uint32_t dmg_mmr_peak_cnt( dmg_mmr_t const * mmr ) { return (uint32_t)__builtin_popcountll( mmr->count ); }
/* Appends a leaf (already hashed); returns its position, from 0.  Asserts that count can grow. */
uint64_t   dmg_mmr_append( dmg_mmr_t * mmr, dmg_hash_t const * leaf );
dmg_hash_t dmg_mmr_root  ( dmg_mmr_t const * mmr );

/* Sticky; a peak count that does not fit count is LENGTH. */
void   dmg_mmr_read ( dmg_bcs_rd_t * rd, dmg_mmr_t * out );
void   dmg_mmr_write( dmg_bcs_wr_t * wr, dmg_mmr_t const * mmr );

#endif
