/* holding: what an account holds in a state: Free, Held and its locks (M2.2).

   Failure  CORRUPT: an entry does not parse; what reading a state may fail with */
#ifndef DMG_NODE_HOLDING_H
#define DMG_NODE_HOLDING_H

#include "storage/state.h"
#include "types/items.h"

/* locks: all, live or not. */
typedef struct { uint64_t free, held; uint32_t lock_cnt; dmg_item_lock_t locks[ DMG_BALANCES_LOCK_MAX ]; } dmg_holding_t;

DMG_MUST_USE dmg_err_t dmg_holding_read( dmg_view_t * view, dmg_arena_t * arena, dmg_hash_t const * account, dmg_holding_t * out );

/* M0.6, M2.2: the largest lock that is live at now_ms, the time of the block that is asked about. */
uint64_t dmg_holding_locked( dmg_holding_t const * holding, uint64_t now_ms );
/* Free less that; nothing is bonded before staking. */
static inline uint64_t dmg_spendable( uint64_t free, uint64_t locked ) { return free>locked ? free-locked : 0; }

#endif
