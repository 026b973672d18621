/* state: the newest state under one root, and the blocks on top of it that are not final yet.

     genesis/apply(parent, block, writes) --> overlay --> root(block)        forks: a tree of overlays
     view(block): overlay, its ancestors, key-value store                    on the committed height
     finalize(block): its ancestors and it go to the store, other forks are dropped

   A block's overlay is its write set, immutable.  The tree in RAM (tree_int.h) stands at one block, the
   cursor; asking for a root moves it.  The last DMG_STATE_RING blocks that became final stay
   readable and provable from their undo.

   Memory   spans from a view live until dmg_view_close and the reset of the arena they came from;
            write sets are copied by apply
   Threads  one thread, the writer, calls genesis, apply, root, finalize, group, snapshot, restore, close;
            any thread opens views, proves and asks for the head; a view or iterator is used by one
            thread at a time
   Failure  NOT_FOUND block unknown, or key absent; PRUNED older than what is kept; AGAIN root not
            known yet; FULL bounds of overlays, tree or store; CORRUPT the disk lied: stop, never vote;
            VERSION, CHAIN at open
   Bounds   keys 4..128 bytes, values 1..524,288; 1,048,576 writes and 128 MiB a block (asserted);
            65,536 overlays; 256 views, those of readers on at most 60 different committed heights, less 16 snapshots (kv.h counts both)
   Spec     docs/spec/storage.md S3, S6, S7, S8 (kv mode)
   Not here which bytes a key or value has (types/items.h), blocks (block_log.h), the proof's
            verifier (types/state_proof.h) */
#ifndef DMG_STORAGE_STATE_H
#define DMG_STORAGE_STATE_H

#include "base/arena.h"
#include "crypto/hash.h"
#include "storage/kv.h"

enum {
  DMG_STATE_KEY_MIN    = 4,
  DMG_STATE_KEY_MAX    = 128,
  DMG_STATE_VALUE_MAX  = 524288,
  DMG_STATE_WRITES_MAX = 1048576,
  DMG_STATE_WRITE_SZ_MAX = 128*1024*1024,
  DMG_STATE_OVERLAYS_MAX = 65536,
  DMG_STATE_VIEWS_MAX  = 256,
  DMG_STATE_SNAPSHOTS_MAX = 16,
  DMG_STATE_SNAPS_KEPT = 4,       /* of the store's, for the blocks to come */
  DMG_STATE_RING       = 128
};

typedef struct dmg_state      dmg_state_t;
typedef struct dmg_view       dmg_view_t;
typedef struct dmg_iter       dmg_iter_t;
typedef struct dmg_state_snap dmg_state_snap_t;

/* One change of a block.  value is V: schema byte, then BCS (S3.2); ignored for a delete. */
typedef struct { dmg_span_t key; dmg_span_t value; bool is_delete; } dmg_write_t;

/* What execution took from the store: checked against the tree before the root is told (S6.5). */
typedef struct { dmg_hash_t path; dmg_hash_t vh; bool is_absent; } dmg_read_t;

typedef struct {
  dmg_hash_t genesis_hash;    /* the chain id */
  uint64_t   tree_sz_max;     /* 0: 8 GiB */
  uint64_t   overlay_sz_max;  /* 0: 2 GiB */
  uint64_t   ring_sz_max;     /* 0: 256 MiB; undo of the last final blocks, the oldest go first */
  uint64_t   secret;          /* mixed into tables keyed by path (S6.2); 0: drawn from the system */
  uint32_t   gap_walk_min;    /* 0: 32; deleted entries in a row from which on iterators remember where there is no key.  Tests lower it */
  uint32_t   threads;         /* of the tree stage; one works whatever is asked (S6.3 allows any number, the root is the same) */
  bool       is_durable;      /* each commit is synced (S8.8 fsync = block) */
  bool       has_read_check;  /* views record what they took from the store */
} dmg_state_cfg_t;

/* Opens the state that kv holds and rebuilds the tree from it; an empty kv is prepared (format and
   genesis hash are written) and waits for dmg_state_genesis.  kv is borrowed until close.
   CHAIN, VERSION, CORRUPT (the tree does not give the stored root), FULL, NOMEM, with out_why (may be NULL). */
DMG_MUST_USE dmg_err_t dmg_state_open( dmg_state_cfg_t const * cfg, dmg_kv_t * kv, dmg_state_t ** out_state, dmg_open_why_t * out_why );
/* Views, iterators and snapshots are closed before (asserted).  NULL: nothing. */
void dmg_state_close( dmg_state_t * state );

/* Height 0, committed at once; writes strictly ascending by key, no deletes.  EXISTS if there is a state already. */
DMG_MUST_USE dmg_err_t dmg_state_genesis( dmg_state_t * state, dmg_hash_t const * block, dmg_write_t const * writes, size_t cnt, dmg_hash_t * out_root );

/* Adds block, a child of parent (the committed head or an overlay), with its write set: keys
   strictly ascending, deletes of absent keys allowed.  Repeated: no effect.  reads is what the
   execution took from the store (dmg_view_reads), or NULL.
   NOT_FOUND parent unknown; PRUNED parent final but not the head; FULL too many overlays. */
DMG_MUST_USE dmg_err_t dmg_state_apply( dmg_state_t * state, dmg_hash_t const * parent, dmg_hash_t const * block, uint64_t height,
                                        dmg_write_t const * writes, size_t cnt, dmg_read_t const * reads, size_t read_cnt );

/* Root after block (an overlay, the head or one of the last final blocks).  Callers must expect
   AGAIN (the tree stage may run beside them).  CORRUPT: a read of its execution differs from the tree. */
DMG_MUST_USE dmg_err_t dmg_state_root( dmg_state_t * state, dmg_hash_t const * block, dmg_hash_t * out_root );

/* Commits the not yet committed ancestors of block in height order, then block, each in one write
   (durable by cfg); extra_ops (block indexes) go into the write of block itself.  Overlays that do
   not descend from block are dropped.  The head again: no effect.  Asserts that block descends from the head. */
DMG_MUST_USE dmg_err_t dmg_state_finalize( dmg_state_t * state, dmg_hash_t const * block, dmg_kv_op_t const * extra_ops, size_t extra_cnt );

/* From here on finalize does not sync (true) or does so again: the next synced one makes all before it durable, too (S8.8).  Without
   cfg.is_durable: nothing. */
void dmg_state_group( dmg_state_t * state, bool is_on );

/* The committed head; outs may be NULL.  NOT_FOUND before genesis. */
DMG_MUST_USE dmg_err_t dmg_state_head( dmg_state_t * state, uint64_t * out_height, dmg_hash_t * out_block, dmg_hash_t * out_root );

/* Drops the overlay of block and all that descend from it (a builder's own try that nobody
   proposes).  NOT_FOUND; PRUNED if it is final. */
DMG_MUST_USE dmg_err_t dmg_state_drop( dmg_state_t * state, dmg_hash_t const * block );

typedef struct { uint64_t key_cnt, store_sz, store_mem_sz, tree_sz, overlay_cnt, overlay_sz, ring_cnt, ring_sz, view_cnt, read_check_failures; } dmg_state_stats_t;
void dmg_state_stats( dmg_state_t * state, dmg_state_stats_t * out );

/* ---- Reading ---- */

/* The state after block: an overlay, the head, or one of the last DMG_STATE_RING final blocks.
   It does not change while it is open, whatever becomes final or is dropped.
   NOT_FOUND; PRUNED is not told apart from it (the block log knows heights); FULL: too many views. */
DMG_MUST_USE dmg_err_t dmg_state_view( dmg_state_t * state, dmg_hash_t const * block, dmg_view_t ** out_view );
/* The same for who only asks: FULL, too, when it would take one of the last DMG_STATE_SNAPS_KEPT snapshots of the store, as a block
   that has none for its state ends the node. */
DMG_MUST_USE dmg_err_t dmg_state_view_read( dmg_state_t * state, dmg_hash_t const * block, dmg_view_t ** out_view );
void dmg_view_close( dmg_view_t * view );   /* its iterators are closed before; NULL: nothing */

/* V of key.  NOT_FOUND; LIMIT for a key no state can hold.  The value is borrowed from an overlay
   or copied into arena.  CORRUPT: the stored entry does not parse or holds another key. */
DMG_MUST_USE dmg_err_t dmg_view_get( dmg_view_t * view, dmg_span_t key, dmg_arena_t * arena, dmg_span_t * out_value );

/* Keys that begin with prefix (1..128 bytes; empty: all), in byte order or reversed, strictly after the key
   `after` in that direction (empty: from the start).  out_value NULL in dmg_iter_next skips the
   look-up of the value.  key and value live until the next call. */
DMG_MUST_USE dmg_err_t dmg_view_iter( dmg_view_t * view, dmg_span_t prefix, dmg_span_t after, bool is_reverse, dmg_iter_t ** out_it );
DMG_MUST_USE dmg_err_t dmg_iter_next( dmg_iter_t * it, dmg_span_t * out_key, dmg_span_t * out_value );   /* NOT_FOUND at the end */
void dmg_iter_close( dmg_iter_t * it );     /* NULL: nothing */

/* Each (path, value hash or absent) that gets and iterators of this view took from the store so
   far, for dmg_state_apply; lives until the next get or close.  Empty without cfg.has_read_check. */
void dmg_view_reads( dmg_view_t * view, dmg_read_t const ** out_reads, size_t * out_cnt );

/* ---- Proofs ---- */

/* Single proof (S12) of key against the root after block: the head or one of the last final blocks
   still held.  *out_is_present tells which; the value is copied into arena (empty when absent).
   proof is appended to.  NOT_FOUND block not final or no longer held; LIMIT key. */
DMG_MUST_USE dmg_err_t dmg_state_prove( dmg_state_t * state, dmg_hash_t const * block, dmg_span_t key, dmg_arena_t * arena,
                                        dmg_buf_t * out_proof, bool * out_is_present, dmg_span_t * out_value );

/* ---- Development chain (memory backend; UNSUPPORTED elsewhere) ---- */

/* Freezes the committed state (LIMIT: too many are frozen); restore brings it back: all overlays, later final blocks and the
   undo of earlier ones are forgotten.  Views are closed before restore (asserted); the snapshot stays usable. */
DMG_MUST_USE dmg_err_t dmg_state_snapshot( dmg_state_t * state, dmg_state_snap_t ** out_snap );
DMG_MUST_USE dmg_err_t dmg_state_restore ( dmg_state_t * state, dmg_state_snap_t * snap );
void dmg_state_snapshot_free( dmg_state_t * state, dmg_state_snap_t * snap );

#endif
