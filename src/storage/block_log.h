/* block_log: blocks, receipts and finality in append-only segments (S9).

     append_block (any fork) -> sync -> vote
     append_receipts, append_final -> sync -> state commit with index() -> forget()

     blocks/<16 hex>.blk   256 MiB, preallocated
        0  8 "DMGBLK01"   8  4 format 1   12 32 genesis hash   44  8 number   52  8 salt   60  4 crc32c of 0..59
     record, 8-byte aligned
        0  4 "DBR1"   4  1 kind: 1 block, 2 receipts, 3 final, 4 runs   5  1 codec: 0 raw, 1 zstd   6  2 part   8  8 height   16 32 block hash
       48  4 stored length   52  4 raw length <= 4 MiB   56  8 durable: bytes of this file synced before this record was written
       64  4 crc32c of salt, 0..63, payload   68 .. payload, zero padded
     BLOCK     signed header and body
     RECEIPTS  count u32, offsets u32 (from the start of this blob), then the items, cut into parts of 4 MiB; the last part is shorter
     FINAL     parent hash 32, certificate if held
     columns   bidx height -> hash 32, BLOCK seg u64 off u64, FINAL seg off, parts u32, RECEIPTS seg off each     (all BE)
               bhash hash -> height, seg, off      tidx tx id -> height, index      meta block_pos -> seg, off: open scans from there

   A bad record at or past the largest `durable` of any valid one of the last segment is a torn tail, cut at
   open.  Any other bad record is corruption: it is counted, what it held is absent, the rest is served.

   Memory   what is not yet in the columns is mapped in RAM: at most 65,536 blocks above the final tip
   Threads  one thread appends, syncs, forgets, prunes, rewinds; any thread reads
   Failure  FULL: bounds above the final tip, no vote then; NOT_FOUND; CORRUPT a record that was good is
            bad; at open CHAIN, VERSION, CORRUPT with a text.  After a failed write or sync (which on the
            operating system never returns, S8.6) every later append and sync returns that failure
   Bounds   a block 4 MiB, receipts 3,072 parts
   Spec     docs/spec/storage.md S8.1, S8.5, S9 */
#ifndef DMG_STORAGE_BLOCK_LOG_H
#define DMG_STORAGE_BLOCK_LOG_H

#include "base/arena.h"
#include "crypto/hash.h"
#include "storage/kv.h"
#include "storage/vfs.h"

enum {
  DMG_BLOCK_LOG_RAW_MAX   = 4*1024*1024,
  DMG_BLOCK_LOG_PARTS_MAX = 3072,
  DMG_BLOCK_LOG_LIVE_MAX  = 65536,
  DMG_BLOCK_LOG_SEGMENT_SZ = 256*1024*1024
};

typedef struct dmg_block_log dmg_block_log_t;

typedef struct {
  char const * dir;
  dmg_hash_t   genesis_hash;
  uint64_t     segment_sz;      /* 0: 256 MiB */
  uint64_t     live_sz_max;     /* bytes above the final tip; 0: 256 MiB */
} dmg_block_log_cfg_t;

/* Opens or makes the log in cfg.dir, cuts a torn tail, maps what the columns of kv do not have yet.
   vfs and kv are borrowed until close. */
DMG_MUST_USE dmg_err_t dmg_block_log_open( dmg_block_log_cfg_t const * cfg, dmg_vfs_t * vfs, dmg_kv_t * kv, dmg_block_log_t ** out_log, dmg_open_why_t * out_why );
void dmg_block_log_close( dmg_block_log_t * log );   /* without a sync; NULL: nothing */

/* ---- Writing ---- */

/* Signed header and body of a block on any fork.  Repeated: no effect.  LIMIT above 4 MiB; FULL. */
DMG_MUST_USE dmg_err_t dmg_block_log_append_block( dmg_block_log_t * log, uint64_t height, dmg_hash_t const * hash, dmg_span_t header, dmg_span_t body );
/* Items in BCS, one a transaction; once a block, after its BLOCK (NOT_FOUND), repeated: no effect. */
DMG_MUST_USE dmg_err_t dmg_block_log_append_receipts( dmg_block_log_t * log, dmg_hash_t const * hash, dmg_span_t const * items, uint32_t cnt );
/* hash is final.  Heights ascend by one (INVALID); the BLOCK is there (NOT_FOUND); cert may be empty. */
DMG_MUST_USE dmg_err_t dmg_block_log_append_final( dmg_block_log_t * log, dmg_hash_t const * hash, dmg_hash_t const * parent, dmg_span_t cert );
/* All appended survives a power cut. */
DMG_MUST_USE dmg_err_t dmg_block_log_sync( dmg_block_log_t * log );

/* The column entries of a final block for dmg_state_finalize; tx_ids in order of the body.  They live in arena. */
DMG_MUST_USE dmg_err_t dmg_block_log_index( dmg_block_log_t * log, dmg_hash_t const * hash, dmg_hash_t const * tx_ids, uint32_t tx_cnt, dmg_arena_t * arena,
                                            dmg_kv_op_t ** out_ops, size_t * out_cnt );
/* The columns have everything up to height (the state's head): the map drops it, and forks at or below it. */
void dmg_block_log_forget( dmg_block_log_t * log, uint64_t height );

/* Unlinks segments that lie wholly below height.  The columns' floors are the caller's. */
DMG_MUST_USE dmg_err_t dmg_block_log_prune( dmg_block_log_t * log, uint64_t height );

/* dev_revert: kv was restored to height; every block above is forgotten and the final tip is height
   again.  Records stay where they are, as restored columns point at them; so this is for logs in RAM,
   a restart would find them again.  NOT_FOUND if kv does not stand at height. */
DMG_MUST_USE dmg_err_t dmg_block_log_rewind( dmg_block_log_t * log, uint64_t height );

/* ---- Reading ---- */

/* The highest final block; NOT_FOUND before the first. */
DMG_MUST_USE dmg_err_t dmg_block_log_tip( dmg_block_log_t * log, uint64_t * out_height, dmg_hash_t * out_hash );
/* Signed header and body as appended; out_buf is appended to.  out_height may be NULL. */
DMG_MUST_USE dmg_err_t dmg_block_log_block( dmg_block_log_t * log, dmg_hash_t const * hash, dmg_buf_t * out_buf, uint64_t * out_height );
/* The first sz bytes of that, without the rest: at most one block of zstd's, 128 KiB, is unpacked for them.  The record's checksum wants all of it and is not looked
   at: a header is held against its hash by who reads it.  CORRUPT: shorter, or it does not unpack. */
DMG_MUST_USE dmg_err_t dmg_block_log_head( dmg_block_log_t * log, dmg_hash_t const * hash, uint8_t * out, size_t sz );
/* Height of a block, final or not. */
DMG_MUST_USE dmg_err_t dmg_block_log_height( dmg_block_log_t * log, dmg_hash_t const * hash, uint64_t * out_height );
/* The lowest height whose block is still here; 1 unless pruned. */
uint64_t dmg_block_log_oldest( dmg_block_log_t * log );
/* Hash of the final block at height. */
DMG_MUST_USE dmg_err_t dmg_block_log_hash( dmg_block_log_t * log, uint64_t height, dmg_hash_t * out_hash );
/* Parent and certificate (appended to out_cert) of the final block at height. */
DMG_MUST_USE dmg_err_t dmg_block_log_final( dmg_block_log_t * log, uint64_t height, dmg_hash_t * out_hash, dmg_hash_t * out_parent, dmg_buf_t * out_cert );
/* All receipt items of a block, in arena. */
DMG_MUST_USE dmg_err_t dmg_block_log_receipts( dmg_block_log_t * log, dmg_hash_t const * hash, dmg_arena_t * arena, dmg_span_t ** out_items, uint32_t * out_cnt );
/* Receipt item `index` of a block; NOT_FOUND also for an index past the last. */
DMG_MUST_USE dmg_err_t dmg_block_log_receipt( dmg_block_log_t * log, dmg_hash_t const * hash, uint32_t index, dmg_buf_t * out_buf );
/* Where a final transaction is; NOT_FOUND until its block's index is committed. */
DMG_MUST_USE dmg_err_t dmg_block_log_tx( dmg_block_log_t * log, dmg_hash_t const * tx_id, uint64_t * out_height, uint32_t * out_index );

/* Each block above the final tip in order of arrival, after a restart. */
typedef void (*dmg_block_log_each_fn_t)( void * ctx, uint64_t height, dmg_hash_t const * hash );
void dmg_block_log_each_live( dmg_block_log_t * log, dmg_block_log_each_fn_t each, void * ctx );

typedef struct { uint64_t segment_cnt, sz, cut_sz, bad_cnt, live_cnt, live_sz; } dmg_block_log_stats_t;   /* cut_sz, bad_cnt: found at open */
void dmg_block_log_stats( dmg_block_log_t * log, dmg_block_log_stats_t * out );

#endif
