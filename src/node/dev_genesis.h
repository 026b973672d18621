/* dev_genesis: the accounts, the validator and the genesis of `demiurge dev` (M16.6, M16.7).

     mnemonic "test test .. junk" --m/44'/1'/a'/0'/0'--> alice .. judy (a = 0..9), node1 (a = 10), dev11 .. dev200: 1,000,000 CGT each
     H("dmg/dev/bls/v1", "node1") --KeyGen--> node1's BLS key

   Everybody knows these keys: they sign only on a chain whose genesis is of kind dev (F1.7).  A genesis of kind test with several
   validators is made the same way, of keys that its maker draws.

   Failure  NOMEM; LIMIT of the arena; INVALID a raised limit is out of its bounds */
#ifndef DMG_NODE_DEV_GENESIS_H
#define DMG_NODE_DEV_GENESIS_H

#include "base/arena.h"
#include "storage/block_log.h"
#include "types/block.h"
#include "types/genesis.h"

#define DMG_DEV_MNEMONIC "test test test test test test test test test test test junk"

/* A block with its header must fit the block log. */
#define DMG_DEV_BODY_MAX ( (uint64_t)DMG_BLOCK_LOG_RAW_MAX-DMG_SIGNED_HEADER_SZ )

/* An account's index is a of its path; ACCOUNT_CNT are there unless a genesis asks for fewer or more, node1 always. */
enum { DMG_DEV_ACCOUNT_CNT = 10, DMG_DEV_NODE1 = 10, DMG_DEV_KEY_CNT = 11, DMG_DEV_ACCOUNT_MAX = 200, DMG_DEV_KEY_MAX = DMG_DEV_ACCOUNT_MAX+1 };

typedef struct { char name[ 12 ]; uint8_t secret[ 32 ], key[ 32 ]; dmg_hash_t address; } dmg_dev_account_t;

/* alice .. judy, then node1.  About 3 ms. */
DMG_MUST_USE dmg_err_t dmg_dev_accounts( dmg_dev_account_t out[ DMG_DEV_KEY_CNT ] );
/* The same and dev11 ..: key_cnt of them, at most DMG_DEV_KEY_MAX. */
DMG_MUST_USE dmg_err_t dmg_dev_accounts_n( uint32_t key_cnt, dmg_dev_account_t * out );
/* Those of another mnemonic (unchecked). */
DMG_MUST_USE dmg_err_t dmg_dev_accounts_of( dmg_span_t mnemonic, uint32_t key_cnt, dmg_dev_account_t * out );
/* Is the account of this index there when there are account_cnt besides node1? */
static inline bool dmg_dev_account_is_there( uint32_t idx, uint32_t account_cnt ) { return idx==DMG_DEV_NODE1 || ( idx<DMG_DEV_NODE1 ? idx<account_cnt : idx<=account_cnt ); }
/* How many keys lie below the last that is there. */
static inline uint32_t dmg_dev_key_cnt( uint32_t account_cnt ) { return account_cnt<DMG_DEV_ACCOUNT_CNT ? DMG_DEV_KEY_CNT : account_cnt+1; }
/* node1's BLS secret and key. */
void dmg_dev_validator( uint8_t out_secret[ 32 ], uint8_t out_key[ 96 ] );

typedef struct { uint16_t id; dmg_span_t code; } dmg_dev_module_t;   /* a module's .wasm */

/* peer: its libp2p peer id; bond in sparks. */
typedef struct { dmg_hash_t account; uint8_t secret[ 32 ]; dmg_span_t peer; uint64_t bond; } dmg_dev_member_t;

typedef struct {
  uint64_t                 time_ms;        /* genesis time */
  char const *             name;           /* "dev" */
  dmg_dev_module_t const * modules;        /* ascending by id; System and Balances at least */
  uint32_t                 module_cnt;
  dmg_dev_member_t const * members;        /* validators of a genesis of kind test, ascending by account; NULL: node1's of kind dev */
  uint32_t                 member_cnt;
  uint64_t                 epoch_blocks, pace_ms;   /* 0: the default */
  uint32_t                 account_cnt;    /* besides node1; 0: DMG_DEV_ACCOUNT_CNT; at most DMG_DEV_ACCOUNT_MAX */
  uint64_t                 body_max, block_gas, block_intrinsic, price_target;   /* 0: the default; raised for benchmarks up to
                                             hi_dev of types/params.h, body_max up to DMG_DEV_BODY_MAX */
} dmg_dev_genesis_cfg_t;

/* The genesis as bytes (its hash is the chain id) in arena; dmg_dev_key_cnt accounts. */
DMG_MUST_USE dmg_err_t dmg_dev_genesis( dmg_dev_genesis_cfg_t const * cfg, dmg_dev_account_t const * accounts, dmg_arena_t * arena, dmg_span_t * out_bytes );
/* How many accounts besides node1 a dev genesis has; 0: it is none. */
uint32_t dmg_dev_genesis_account_cnt( dmg_genesis_t const * genesis );

#endif
