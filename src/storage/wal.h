/* wal: the log of what this validator is about to vote, and why (C6.3).

     append the reasons, append the votes --> sync (SAVE) --> the safety file (SIGN) --> the network (SEND)
     open: every record checked, a torn tail cut --> replay --> the tally, before the first frame is taken

     wal/<16 hex>.wal   16 MiB segments without a header: records from byte 0, 8-byte aligned, then zeros
        0 len u32, of the payload   4 crc32c u32 of 8..   8 seq u64   16 durable u64: bytes of this segment synced before this
       24 epoch u32   28 type u8   29 zero[3]   32 payload, zero padded
     1 vote      kind u8, view u64, hash[32] (NULLIFY: zero)
     2 proposal  C2.2's, with a signature of zeros as long as there is none; behind it the body, body_len bytes
     3 Cert      109                           4 NullRun  61+16k
     5 floor     view u64, height u64, hash[32], FINALIZATION 109: all at or below this view is final and on disk
     6 epoch     the handover into this epoch

   seq counts the records of a log without a gap, over segments, from a number that nobody outside can guess: so no
   foreign bytes inside a payload can pose as a record.  A bad record of the last segment at or past the largest
   `durable` of any valid one is a torn tail, cut at open; a new segment starts only once the last is synced; so any other
   bad, missing or misplaced record is corruption, and the log as a whole cannot be trusted.

   Memory   one record and the list of segments (16 MiB each); nothing grows with the records
   Threads  one at a time
   Failure  CORRUPT at open, with a text; LIMIT a payload above the bound.  After a failed write or sync (which on the
            operating system never returns, S8.6) every later append and sync returns that failure
   Bounds   payload DMG_WAL_PAYLOAD_MAX
   Not here what to do about corruption: consensus/safety.h.  Spec  docs/spec/consensus.md C6.3 */
#ifndef DMG_STORAGE_WAL_H
#define DMG_STORAGE_WAL_H

#include "storage/kv.h"
#include "storage/vfs.h"
#include "types/block.h"

enum {
  DMG_WAL_SEGMENT_SZ  = 16*1024*1024,
  DMG_WAL_PAYLOAD_MAX = DMG_BODY_SZ_MAX+128*1024,
  DMG_WAL_VOTE_SZ     = 41,
  DMG_WAL_FLOOR_SZ    = 48+DMG_CERT_SZ,
  DMG_WAL_PROPOSAL_MIN = DMG_SIGNED_HEADER_SZ+DMG_CERT_SZ+1,   /* no runs */
  DMG_WAL_EPOCH_MIN   = 588                                    /* the same set */
};

typedef enum { DMG_WAL_VOTE = 1, DMG_WAL_PROPOSAL, DMG_WAL_CERT, DMG_WAL_NULL_RUN, DMG_WAL_FLOOR, DMG_WAL_EPOCH } dmg_wal_type_t;

typedef struct { uint64_t seq; uint32_t epoch; dmg_wal_type_t type; dmg_span_t payload; } dmg_wal_rec_t;

typedef struct dmg_wal dmg_wal_t;

typedef struct {
  char const * dir;
  uint64_t     segment_sz;   /* 0: 16 MiB */
  uint64_t     secret;       /* random: where a new log's seq begins */
} dmg_wal_cfg_t;

/* Opens or makes the log in cfg.dir, checks every record, cuts a torn tail (synced).  vfs is borrowed until close.
   CORRUPT: nothing was changed. */
DMG_MUST_USE dmg_err_t dmg_wal_open( dmg_wal_cfg_t const * cfg, dmg_vfs_t * vfs, dmg_wal_t ** out_wal, dmg_open_why_t * out_why );
void dmg_wal_close( dmg_wal_t * wal );   /* without a sync; NULL: nothing */
/* Renames the segments of a corrupt log to *.wal.bad, for a human to look at, so that open makes a new one. */
DMG_MUST_USE dmg_err_t dmg_wal_set_aside( dmg_wal_cfg_t const * cfg, dmg_vfs_t * vfs );

/* Each record kept, oldest first; payload lives until each returns.  A failure of each ends it. */
typedef dmg_err_t (*dmg_wal_each_fn_t)( void * ctx, dmg_wal_rec_t const * rec );
DMG_MUST_USE dmg_err_t dmg_wal_replay( dmg_wal_t * wal, dmg_wal_each_fn_t each, void * ctx );

/* A record whose payload is the parts, joined.  Its form is the caller's duty (asserted). */
DMG_MUST_USE dmg_err_t dmg_wal_append( dmg_wal_t * wal, dmg_wal_type_t type, uint32_t epoch, dmg_span_t const * parts, uint32_t part_cnt );
DMG_MUST_USE dmg_err_t dmg_wal_append_vote( dmg_wal_t * wal, uint32_t epoch, dmg_vote_kind_t kind, uint64_t view, dmg_hash_t const * hash );
DMG_MUST_USE dmg_err_t dmg_wal_append_floor( dmg_wal_t * wal, uint32_t epoch, uint64_t view, uint64_t height, dmg_hash_t const * hash, dmg_cert_t const * finalization );
/* All appended survives a power cut: then, and not before, the votes may be signed. */
DMG_MUST_USE dmg_err_t dmg_wal_sync( dmg_wal_t * wal );
/* Unlinks segments of which nothing is above the last floor synced; costs nothing if there is none. */
DMG_MUST_USE dmg_err_t dmg_wal_prune( dmg_wal_t * wal );

typedef struct { dmg_vote_kind_t kind; uint64_t view; dmg_hash_t hash; } dmg_wal_vote_t;
typedef struct { uint32_t epoch; uint64_t view, height; dmg_hash_t hash; dmg_cert_t finalization; } dmg_wal_floor_t;
/* Of a record of that type that replay gave. */
dmg_wal_vote_t  dmg_wal_vote ( dmg_wal_rec_t const * rec );
dmg_wal_floor_t dmg_wal_floor( dmg_wal_rec_t const * rec );

typedef struct { uint64_t segment_cnt, rec_cnt, cut_sz, sync_cnt; } dmg_wal_stats_t;   /* rec_cnt, cut_sz: found at open */
void dmg_wal_stats( dmg_wal_t const * wal, dmg_wal_stats_t * out );

#endif
