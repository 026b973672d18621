/* kv: the key-value trait under the state, one function table, several backends (S4).

     state.c  block_log.c --> dmg_kv_t --> kv_mem.c | kv_rocks.c
     column              key -> value                                    (heights and indexes u64 BE)
     state               path -> format u8 (bit 0: vh present), ULEB128 length of K, K, vh if V > 64 bytes, V
     ord                 K -> empty: the keys in byte order
     undo_v undo_n twig  history and flush (later steps)
     bidx bhash tidx     block indexes (block_log.h)
     shadow              writes of a module in rehearsal (later)
     meta                name -> value: what store this is and where it stands

   Memory   get pins: a dmg_kv_val_t borrows until dmg_kv_val_release; iterators lend key and value
            until their next step
   Threads  one thread writes (write, bulk_apply, restore, close), any thread reads; an
            iterator or snapshot handle is used by one thread at a time
   Failure  LIMIT over a bound below; FULL when a memory backend's bound is reached; IO and CORRUPT
            from a disk.  A failed durable write is final for the process (S8.6): the backend logs
            and exits, so that no one retries over lost pages
   Bounds   key <= 128 bytes, value <= 528 KiB, a write <= 4,194,304 operations or 256 MiB, 256
            iterators, 64 snapshots
   Spec     docs/spec/storage.md S4, S5; test_kv.c is the suite that every backend passes unchanged */
#ifndef DMG_STORAGE_KV_H
#define DMG_STORAGE_KV_H

#include "base/bytes.h"

enum {
  DMG_KV_KEY_MAX      = 128,
  DMG_KV_VALUE_MAX    = 528*1024,
  DMG_KV_OPS_MAX      = 4194304,
  DMG_KV_WRITE_SZ_MAX = 256*1024*1024,
  DMG_KV_ITERS_MAX    = 256,
  DMG_KV_SNAPS_MAX    = 64
};

#define DMG_KV_CF_TABLE( X ) \
  X( STATE, "state" ) X( ORD, "ord" ) X( UNDO_V, "undo_v" ) X( UNDO_N, "undo_n" ) X( TWIG, "twig" ) \
  X( BIDX, "bidx" ) X( BHASH, "bhash" ) X( TIDX, "tidx" ) X( SHADOW, "shadow" ) X( META, "meta" )

typedef enum {
#define DMG_KV_CF_ENUM( name, text ) DMG_KV_##name,
  DMG_KV_CF_TABLE( DMG_KV_CF_ENUM )
#undef DMG_KV_CF_ENUM
  DMG_KV_CF_CNT
} dmg_kv_cf_t;

/* "state", "ord", .. */
char const * dmg_kv_cf_name( dmg_kv_cf_t cf );

typedef struct dmg_kv      dmg_kv_t;
typedef struct dmg_kv_snap dmg_kv_snap_t;   /* frozen view of all columns */
typedef struct dmg_kv_iter dmg_kv_iter_t;

/* A pinned value. */
typedef struct { dmg_span_t v; void * pin; void (*unpin)( void * pin ); } dmg_kv_val_t;
static inline void dmg_kv_val_release( dmg_kv_val_t * val ) { if( val->unpin ) val->unpin( val->pin ); *val = (dmg_kv_val_t){ 0 }; }

typedef struct { dmg_kv_cf_t cf; bool is_delete; dmg_span_t key, value; } dmg_kv_op_t;

/* Next of an ascending run of puts and deletes; NOT_FOUND at the end.  A backend gets a run that kv.c checks
   as it goes: a failure of next is the run's. */
typedef dmg_err_t (*dmg_kv_next_fn_t)( void * ctx, dmg_kv_op_t * out_op );

/* mem_sz: bytes of memory that hold tables to be written, and blocks read.  keys may be an estimate. */
typedef struct { uint64_t bytes, mem_sz, keys[ DMG_KV_CF_CNT ]; } dmg_kv_stats_t;

typedef struct {
  char const * name;
  dmg_err_t (*get)       ( dmg_kv_t *, dmg_kv_cf_t, dmg_kv_snap_t *, dmg_span_t key, dmg_kv_val_t * );
  dmg_err_t (*get_many)  ( dmg_kv_t *, dmg_kv_cf_t, dmg_kv_snap_t *, dmg_span_t const * keys, size_t key_cnt, dmg_kv_val_t *, bool * found );
  dmg_err_t (*write)     ( dmg_kv_t *, dmg_kv_op_t const * ops, size_t op_cnt, bool is_durable );
  dmg_err_t (*bulk_apply)( dmg_kv_t *, dmg_kv_cf_t, dmg_kv_next_fn_t, void * ctx );
  dmg_err_t (*iter_open) ( dmg_kv_t *, dmg_kv_cf_t, dmg_kv_snap_t *, dmg_span_t lo, dmg_span_t hi, bool is_reverse, dmg_kv_iter_t ** );
  void      (*iter_move) ( dmg_kv_iter_t *, dmg_span_t lo, dmg_span_t hi );
  dmg_err_t (*iter_next) ( dmg_kv_iter_t *, dmg_span_t * key, dmg_span_t * value );
  void      (*iter_close)( dmg_kv_iter_t * );
  dmg_err_t (*snap_open) ( dmg_kv_t *, dmg_kv_snap_t ** );
  void      (*snap_close)( dmg_kv_t *, dmg_kv_snap_t * );
  dmg_err_t (*restore)   ( dmg_kv_t *, dmg_kv_snap_t * );
  void      (*stats)     ( dmg_kv_t *, dmg_kv_stats_t * );
  void      (*close)     ( dmg_kv_t * );
} dmg_kv_vt_t;

/* First member of every backend's own struct. */
struct dmg_kv      { dmg_kv_vt_t const * vt; uint32_t iter_cnt, snap_cnt; /* atomic: open handles */ };
struct dmg_kv_iter { dmg_kv_t * kv; uint64_t walked; /* by the last step: entries that are gone (column ord; 0 where a backend keeps none) */ };

/* The value of key in a column, as of snap (NULL: newest).  NOT_FOUND if absent.  Release out_val. */
DMG_MUST_USE dmg_err_t dmg_kv_get( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t key, dmg_kv_val_t * out_val );

/* Several at once: out_found[ i ] tells whether out_vals[ i ] is set (release those).  On failure
   nothing is pinned. */
DMG_MUST_USE dmg_err_t dmg_kv_get_many( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t const * keys, size_t key_cnt,
                                        dmg_kv_val_t * out_vals, bool * out_found );

/* Puts and deletes over all columns, in order, all or nothing; a key may come twice, the last
   wins.  is_durable: on return it survives a power cut (with everything written before). */
DMG_MUST_USE dmg_err_t dmg_kv_write( dmg_kv_t * kv, dmg_kv_op_t const * ops, size_t op_cnt, bool is_durable );

/* Strictly ascending puts and deletes of one column from next, atomic, unbounded.  INVALID if they
   do not ascend; what next returns other than OK and NOT_FOUND is forwarded, nothing is changed. */
DMG_MUST_USE dmg_err_t dmg_kv_bulk_apply( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_next_fn_t next, void * ctx );

/* [lo, hi) in byte order; hi empty: to the end.  Reversed it starts at the greatest key below hi.  A bound
   may be one byte longer than a key.
   An iterator sees the store as of its opening. */
DMG_MUST_USE dmg_err_t dmg_kv_iter_open( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t lo, dmg_span_t hi, bool is_reverse,
                                         dmg_kv_iter_t ** out_it );
/* NOT_FOUND at the end (and again after it).  key and value live until the next call; value may be NULL. */
DMG_MUST_USE dmg_err_t dmg_kv_iter_next( dmg_kv_iter_t * it, dmg_span_t * out_key, dmg_span_t * out_value );
/* As opened anew over [lo, hi), which cannot fail.  Only with a snapshot. */
void dmg_kv_iter_move( dmg_kv_iter_t * it, dmg_span_t lo, dmg_span_t hi );
void dmg_kv_iter_close( dmg_kv_iter_t * it );   /* NULL: nothing */

DMG_MUST_USE dmg_err_t dmg_kv_snap_open( dmg_kv_t * kv, dmg_kv_snap_t ** out_snap );
void dmg_kv_snap_close( dmg_kv_t * kv, dmg_kv_snap_t * snap );   /* NULL: nothing */

/* Makes the newest store equal to snap (dev_revert); snap stays open.  UNSUPPORTED but in memory. */
DMG_MUST_USE dmg_err_t dmg_kv_restore( dmg_kv_t * kv, dmg_kv_snap_t * snap );

void dmg_kv_stats( dmg_kv_t * kv, dmg_kv_stats_t * out );
/* Every iterator and snapshot is closed before (asserted).  NULL: nothing. */
void dmg_kv_close( dmg_kv_t * kv );

/* Memory backend (S5.1): a copy-on-write B-tree a column; snapshots and restore are free.
   bytes_max bounds keys, values and nodes; a write that would pass it fails with FULL as a whole. */
DMG_MUST_USE dmg_err_t dmg_kv_mem_open( uint64_t bytes_max, dmg_kv_t ** out_kv );

/* For an operator whose store is damaged. */
#define DMG_STORE_REPAIR "move blocks, db, wal and STORE out of its folder and start again: a node among others then syncs anew (keys and safety.bin stay); a chain of one needs a copy"

typedef struct { char text[ 512 ]; } dmg_open_why_t;   /* what was wrong, where, what would be right; "" when all went well */
/* Writes the sentence, cut to fit (out NULL: nowhere), and returns err. */
__attribute__(( format( printf, 3, 4 ) ))
dmg_err_t dmg_open_why( dmg_open_why_t * out, dmg_err_t err, char const * fmt, ... );
#ifdef __clang_analyzer__   /* it does not see across files that err comes back */
#define dmg_open_why( out, err, ... )  ( (void)dmg_open_why( out, err, __VA_ARGS__ ), err )
#endif

typedef struct {
  char const * dir;          /* of RocksDB itself; made if it is missing */
  uint64_t     cache_sz;     /* block cache, bytes; 0: 64 MiB */
  int          jobs;         /* background threads; 0: 2 */
  uint64_t     io_sz_s;      /* background bytes written a second; 0: no limit */
  bool         is_universal; /* compaction of `state`: universal, else levelled */
} dmg_kv_rocks_cfg_t;

/* RocksDB backend (S5.2), a column family a column.  LOCKED, PERM, CORRUPT, FULL, IO with out_why
   (may be NULL). */
DMG_MUST_USE dmg_err_t dmg_kv_rocks_open( dmg_kv_rocks_cfg_t const * cfg, dmg_kv_t ** out_kv, dmg_open_why_t * out_why );

#endif
