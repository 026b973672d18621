/* schedule: who leads which window, from an epoch's seed and set (C3.2, C3.3).

   A cycle is 4,096 windows; entry k mod 4096 of cycle k/4096 leads window k.  A cycle costs a shuffle of 4,096 entries (about
   0.1 ms), so the table keeps the last two it was asked for.

   Memory   8 KiB, no allocation */
#ifndef DMG_CONSENSUS_SCHEDULE_H
#define DMG_CONSENSUS_SCHEDULE_H

#include "types/agree.h"

#define DMG_CYCLE_WINDOWS 4096

typedef struct {
  dmg_hash_t seed;
  uint64_t   weights[ DMG_SET_MAX ], total;
  uint32_t   n;
  uint64_t   cycle[ 2 ];                            /* +1; 0: empty */
  uint8_t    leaders[ 2 ][ DMG_CYCLE_WINDOWS ];
} dmg_schedule_t;

/* seed(0) = H("dmg/epoch/seed/v1", genesis | u32 0); seed(e+1) = H(same, beacon after first_height(e) + len(e)/8 | u32 e+1). */
dmg_hash_t dmg_epoch_seed( dmg_hash_t const * genesis_or_beacon, uint32_t epoch );

void     dmg_schedule_init  ( dmg_schedule_t * schedule, dmg_hash_t const * seed, dmg_set_t const * set );
/* Leaders of a whole cycle. */
void     dmg_schedule_cycle ( dmg_schedule_t const * schedule, uint32_t cycle, uint8_t out[ DMG_CYCLE_WINDOWS ] );
/* Index of the leader of window k. */
uint32_t dmg_schedule_leader( dmg_schedule_t * schedule, uint64_t window );

#endif
