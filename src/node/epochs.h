/* epochs: who agrees in an epoch and by which numbers, from genesis on (C7.1).

     genesis --> set and record of epoch 0
     record of e, beacon after height first(e) + len(e)/8 --> record of e+1, same set (sets by stake come with Staking)

   Failure  pure
   Spec     docs/spec/consensus.md C2.2, C3.2, C7 */
#ifndef DMG_NODE_EPOCHS_H
#define DMG_NODE_EPOCHS_H

#include "types/agree.h"
#include "types/genesis.h"
#include "types/params.h"

/* The set of genesis ascending by key, each of the weight of its bond in whole CGT, at least 1; out_index[ i ]: which of the
   genesis's validators member i is.  At most DMG_SET_MAX (genesis.h has no more). */
void dmg_epoch_set( dmg_genesis_t const * genesis, dmg_set_t * out_set, uint8_t out_index[ DMG_SET_MAX ] );
/* A parameter as genesis sets it. */
uint64_t     dmg_genesis_param( dmg_genesis_t const * genesis, dmg_param_t param );
dmg_record_t dmg_epoch_first( dmg_genesis_t const * genesis, dmg_hash_t const * chain_id, dmg_set_t const * set );
/* C3.2: the height whose beacon seeds the next epoch. */
uint64_t     dmg_epoch_seed_height( dmg_record_t const * record );
dmg_record_t dmg_epoch_next( dmg_record_t const * record, dmg_set_t const * set, dmg_hash_t const * beacon );

#endif
