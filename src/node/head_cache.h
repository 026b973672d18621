/* head_cache: what admission and readers asked of accounts in the head's state, kept from block to block.

     pool, reader asks --> find --hit--> answer                a transfer's admission asks of its sender the account, 16 places
                            |miss                              for keys, Free, Held, the locks, lane 0
                            +--> state --> put
     block --> on_block( its write set ): what it wrote is changed or forgotten

   It holds accounts that exist; a find after on_block says what the state after that block says (in debug builds the
   reader asks the state as well).

   Memory   cnt_max entries, made at _new; a heap block for each account's keys
   Threads  one at a time: under the chain's lock
   Failure  none: what finds no room is not kept */
#ifndef DMG_NODE_HEAD_CACHE_H
#define DMG_NODE_HEAD_CACHE_H

#include "storage/state.h"
#include "txpool/txpool.h"

typedef struct dmg_head_cache dmg_head_cache_t;

/* cnt_max: a power of two, 16 at least.  hash_seed: random; no answer depends on it.  NULL: no memory. */
dmg_head_cache_t * dmg_head_cache_new  ( uint32_t cnt_max, uint64_t hash_seed );
void               dmg_head_cache_free ( dmg_head_cache_t * cache );   /* NULL: nothing */
void               dmg_head_cache_clear( dmg_head_cache_t * cache );

/* The account and its keys; false: not known here. */
bool dmg_head_cache_account( dmg_head_cache_t const * cache, dmg_hash_t const * address, dmg_txpool_account_t * out );
/* Free and Held of an account without any lock; false: not known here. */
bool dmg_head_cache_holding( dmg_head_cache_t const * cache, dmg_hash_t const * address, uint64_t * out_free, uint64_t * out_held );
/* Next nonce of lane 0; false: not known here. */
bool dmg_head_cache_lane( dmg_head_cache_t const * cache, dmg_hash_t const * address, uint64_t * out_next );
/* As read from the head's state. */
void dmg_head_cache_put_account( dmg_head_cache_t * cache, dmg_hash_t const * address, dmg_txpool_account_t const * account );
/* It has no lock.  is_admission: else it takes no place of an account whose keys are known, so that whoever asks for balances
   does not slow down who sends. */
void dmg_head_cache_put_holding( dmg_head_cache_t * cache, dmg_hash_t const * address, uint64_t free, uint64_t held, bool is_admission );
void dmg_head_cache_put_lane   ( dmg_head_cache_t * cache, dmg_hash_t const * address, uint64_t next );
/* The write set of the block that becomes the head on the one before. */
void dmg_head_cache_on_block( dmg_head_cache_t * cache, dmg_write_t const * writes, size_t cnt );

#endif
