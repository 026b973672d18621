/* workload: the signed transactions of the transfer benchmark, for one chain.

     fund   alice pays every account               1 transaction a 200 accounts, nonces of alice
     open   every account's first transaction, which brings its keys: 1 spark to the next account, nonce 0
     mix    the transfers to measure                nonces 1, 2, .. of each sender, lane 0

   The accounts, and who pays whom, are those of ../lib/workload.mjs (same seed, same draws; both print a digest), so every
   peer does the same transfers.  Amounts are 1, 2, 3, .. sparks.

   Memory   bytes are appended to the caller's buffer as frames: u32 little-endian length, then the transaction
   Failure  dmg_err_t of the buffer and the encoder; keys and schema hashes are taken as given
   Threads  a load is read-only after _init */
#ifndef DMG_BENCH_WORKLOAD_H
#define DMG_BENCH_WORKLOAD_H

#include "base/bytes.h"
#include "crypto/hash.h"
#include "types/address.h"

enum { DMG_WORKLOAD_ACCOUNT_CNT = 500, DMG_WORKLOAD_CNT = 10000, DMG_WORKLOAD_PAYMENT_MAX = 200 };
#define DMG_WORKLOAD_SEED 0x44454d49ull

typedef enum { DMG_WORKLOAD_UNIFORM, DMG_WORKLOAD_HOT20, DMG_WORKLOAD_HOT100, DMG_WORKLOAD_MIX_CNT } dmg_workload_mix_t;
extern char const * const dmg_workload_mix_name[ DMG_WORKLOAD_MIX_CNT ];

typedef struct { uint8_t secret[ 32 ], key[ 32 ]; dmg_hash_t address; } dmg_workload_account_t;

typedef struct {
  dmg_hash_t         chain;
  dmg_hash_t         schema_transfer, schema_many;   /* of balances.transfer and balances.transfer_many */
  uint64_t           expiry;                         /* last height */
  uint64_t           gas;                            /* limit of one transfer */
  uint64_t           fee_max;                        /* sparks, of one transfer; fund allows 200 times as much */
  size_t             pad_sz;                         /* bytes of a transfer of a mix, made up by system.note calls behind it; 0: as long as it is */
  dmg_hash_t         schema_note;                    /* of system.note, if pad_sz */
  dmg_workload_account_t accounts[ DMG_WORKLOAD_ACCOUNT_CNT ];
} dmg_workload_t;

/* Derives the accounts; the caller fills the rest. */
void dmg_workload_init( dmg_workload_t * wl );

/* Account i of a crowd of any size, which only holds: nobody has its key. */
dmg_hash_t dmg_workload_crowd( uint32_t i );

/* payer pays all accounts of wl; or some of the crowd. */
DMG_MUST_USE dmg_err_t dmg_workload_fund ( dmg_workload_t const * wl, dmg_workload_account_t const * payer, uint64_t nonce, uint64_t sparks_each, dmg_buf_t * out );
DMG_MUST_USE dmg_err_t dmg_workload_fund_crowd( dmg_workload_t const * wl, dmg_workload_account_t const * payer, uint64_t nonce, uint64_t sparks_each, uint32_t first_idx, uint32_t cnt, dmg_buf_t * out );
DMG_MUST_USE dmg_err_t dmg_workload_open( dmg_workload_t const * wl, dmg_buf_t * out );
/* out_digest (may be NULL): FNV-1a of the draws, as workload.mjs has it. */
DMG_MUST_USE dmg_err_t dmg_workload_mix ( dmg_workload_t const * wl, dmg_workload_mix_t mix, uint32_t cnt, uint64_t * out_digest, dmg_buf_t * out );

/* Steps over frames: *at is 0 at first; false at the end. */
bool dmg_workload_next( dmg_buf_t const * frames, size_t * at, dmg_span_t * out_tx );

#endif
