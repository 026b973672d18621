/* tx_overlay: what a block, and inside it one transaction, has read and written so far.

     view of the parent  <-- block set (raw V by K, read and written)  <-- transaction overlay (parsed entries)
                             grows by commits in block order               marks and rollback; commit or drop

   A block set keeps raw values: schema byte, deposit record, body, as the state holds them.  A
   transaction sees an entry without its record:

     V of an item with a record   schema u8 | payer[32] | amount u64 | body          (R5.8)
     V of an item without         schema u8 | body
     body of a counter            u64; a counter at 0 is absent

   An entry has four states side by side: base (as the transaction found it), mid (after its
   prologue), cur (now), and the record that stands in the state.  The deposit is judged on mid
   against cur, so a record never changes while modules run.

   Each entry notes how it was looked at (value, length, sum, bounds of a counter).  Notes survive
   rollback: control flow has seen what they say (R4.6).  Nobody uses them yet but tests; they are
   what a parallel executor checks at commit.

   Memory   all in the arenas given; spans live until those are reset
   Threads  one at a time
   Failure  NOMEM, LIMIT (arena), what the view fails with, CORRUPT for a stored value that does not
            parse.  After a failure the overlay is only good for dropping
   Bounds   set by the callers (R1.10, R4.4) */
#ifndef DMG_RUNTIME_TX_OVERLAY_H
#define DMG_RUNTIME_TX_OVERLAY_H

#include "base/arena.h"
#include "storage/state.h"

/* ---- Keys of ordered items that were written ---- */

/* A treap over one level (block set or transaction), the hash of the key as priority: its form depends on the set of keys
   alone.  A scan merges it with the level below and must not walk over what was deleted again and again, as nobody pays
   for that: so each deleted key learns, once, that the next key below stands here too (which never changes while the
   level lives), and a stretch of such keys is left in one step.  A stop is a key where a scan has to look. */
typedef struct dmg_ord dmg_ord_t;
struct dmg_ord {
  dmg_span_t  key;
  uint64_t    hash;
  void *      entry;
  dmg_ord_t * left, * right;
  bool        is_present;      /* now */
  bool        is_below;        /* present in the level below */
  bool        is_next_known;   /* the next key of the level below after this one stands in the treap */
  bool        has_stop;        /* of the subtree: a key that is present, or below with its next one unknown */
};

/* ---- Block set ---- */

typedef struct {
  dmg_span_t       key;
  uint64_t         hash;
  dmg_span_t       base;         /* V in the view; p NULL: absent */
  dmg_span_t       cur;          /* V now; p NULL: absent */
  size_t           cur_cap;      /* room at cur.p if it is our own memory, else 0 */
  dmg_ord_t *      ord;          /* of an ordered item that was written, else NULL */
} dmg_bs_entry_t;

typedef struct {
  dmg_view_t *      view;        /* NULL: an empty state (genesis) */
  dmg_arena_t *     arena;
  uint64_t          seed;
  dmg_bs_entry_t ** slots;
  size_t            slot_cnt, entry_cnt;
  dmg_ord_t *       ord;         /* treap; below it the view */
} dmg_block_set_t;

/* arena is borrowed and holds all values until the caller resets it. */
DMG_MUST_USE dmg_err_t dmg_bs_init( dmg_block_set_t * bs, dmg_view_t * view, dmg_arena_t * arena, uint64_t seed );
/* V of key, p NULL if absent; until the next put of that key. */
DMG_MUST_USE dmg_err_t dmg_bs_get ( dmg_block_set_t * bs, dmg_span_t key, dmg_span_t * out_value );
/* value.p NULL deletes.  is_ordered: the key belongs to an ordered item and must be found by scans.
   value may point into the old value of the same key. */
DMG_MUST_USE dmg_err_t dmg_bs_put ( dmg_block_set_t * bs, dmg_span_t key, dmg_span_t value, bool is_ordered );
/* What differs from the view, ascending by key; spans into the set. */
DMG_MUST_USE dmg_err_t dmg_bs_writes( dmg_block_set_t * bs, dmg_arena_t * arena, dmg_write_t ** out_writes, size_t * out_cnt );

/* Keys under prefix after `after` (empty: from the start), ascending, that are present; only ordered
   items.  The set may be written while a scan is open.  A key costs O( log of the keys written ) and at
   most two steps or one new iterator of the view, besides what is learned once about each deleted key. */
typedef struct {
  size_t  prefix_sz, last_sz, peek_sz;
  bool    is_started;            /* last is set: only keys above it */
  bool    has_peek;              /* peek is the least key below above last */
  bool    is_stale;              /* the level below stands before last: it must be sought anew */
  bool    is_below_end;
  uint8_t prefix[ DMG_STATE_KEY_MAX ], last[ DMG_STATE_KEY_MAX ], peek[ DMG_STATE_KEY_MAX ];
} dmg_ord_scan_t;
typedef struct { dmg_block_set_t * bs; dmg_iter_t * it; dmg_ord_scan_t at; } dmg_bs_scan_t;
DMG_MUST_USE dmg_err_t dmg_bs_scan_open ( dmg_block_set_t * bs, dmg_span_t prefix, dmg_span_t after, dmg_bs_scan_t * out_scan );
/* The key lives until the next call; NOT_FOUND at the end. */
DMG_MUST_USE dmg_err_t dmg_bs_scan_next ( dmg_bs_scan_t * scan, dmg_span_t * out_key );
void                   dmg_bs_scan_close( dmg_bs_scan_t * scan );

/* ---- Transaction overlay ---- */

/* How the values of an item are laid out. */
typedef struct {
  uint16_t     module, item;
  bool         is_counter, is_ordered, has_record;
  uint8_t      deposit;          /* dmg_deposit_t */
  bool         holds_cgt;        /* counter of CGT whose owner is the key (R4.10) */
  uint8_t      schema;           /* byte that new values get */
  void const * abi;              /* dmg_abi_item_t, NULL for native code's own tables */
} dmg_ov_item_t;

typedef struct { bool is_present; uint8_t schema; uint64_t ctr; dmg_span_t body; } dmg_ov_val_t;   /* body: not of counters */
typedef struct { uint8_t payer[ 32 ]; uint64_t amount; } dmg_ov_rec_t;

enum { DMG_OV_READ = 1, DMG_OV_LEN = 2, DMG_OV_SUM = 4, DMG_OV_BOUND = 8 };

typedef struct {
  dmg_span_t            key;
  uint64_t              hash;
  dmg_ov_item_t const * item;
  dmg_ov_val_t          base, mid, cur;
  dmg_ord_t *           ord;                           /* of an ordered item that was written, else NULL */
  bool                  has_rec, is_rec_new;           /* is_rec_new: differs from the one in the state */
  dmg_ov_rec_t          rec;                           /* in the state; then what prologue and epilogue give it */
  bool                  mid_has_rec, mid_is_rec_new;   /* as the prologue left them */
  dmg_ov_rec_t          mid_rec;
  uint8_t               seen;      /* DMG_OV_READ .. */
  int64_t               lo, hi;    /* BOUND: lowest and highest running sum of own deltas */
} dmg_ov_entry_t;

typedef struct { dmg_ov_entry_t * entry; dmg_ov_val_t old; } dmg_ov_undo_t;

typedef struct {
  dmg_block_set_t * bs;
  dmg_arena_t *     arena;         /* of the transaction */
  dmg_ov_entry_t ** slots;
  size_t            slot_cnt;      /* a power of two */
  dmg_ov_entry_t ** list;          /* all entries, in order of first touch */
  size_t            entry_cnt, list_cap;
  dmg_ov_undo_t *   undo;
  size_t            undo_cnt, undo_cap;
  dmg_ord_t *       ord;           /* treap; below it the block set */
} dmg_ov_t;

/* Heap for the tables; arena and set are given per transaction by reset. */
DMG_MUST_USE dmg_err_t dmg_ov_init ( dmg_ov_t * ov );
void                   dmg_ov_fini ( dmg_ov_t * ov );
/* Forgets all.  The arena is not reset here. */
void                   dmg_ov_reset( dmg_ov_t * ov, dmg_block_set_t * bs, dmg_arena_t * arena );

/* The entry of key, loaded on first touch. */
DMG_MUST_USE dmg_err_t dmg_ov_entry( dmg_ov_t * ov, dmg_span_t key, dmg_ov_item_t const * item, dmg_ov_entry_t ** out_entry );
/* cur = val; body is copied into the arena. */
DMG_MUST_USE dmg_err_t dmg_ov_set    ( dmg_ov_t * ov, dmg_ov_entry_t * entry, uint8_t schema, dmg_span_t body );
DMG_MUST_USE dmg_err_t dmg_ov_delete ( dmg_ov_t * ov, dmg_ov_entry_t * entry );
DMG_MUST_USE dmg_err_t dmg_ov_set_ctr( dmg_ov_t * ov, dmg_ov_entry_t * entry, uint64_t ctr );
/* Notes a bounded add that was tried (R4.6 BOUND). */
void dmg_ov_note_bound( dmg_ov_entry_t * entry, int64_t delta );

static inline size_t dmg_ov_mark( dmg_ov_t const * ov ) { return ov->undo_cnt; }
void dmg_ov_rollback( dmg_ov_t * ov, size_t mark );
/* The prologue is over: mid = cur for every entry, records too.  Later entries get mid = base. */
void dmg_ov_settle( dmg_ov_t * ov );
/* Records back to what the prologue left; values are rollback's. */
void dmg_ov_records_back( dmg_ov_t * ov );
/* The entry of key if it was touched, else NULL. */
dmg_ov_entry_t * dmg_ov_find( dmg_ov_t const * ov, dmg_span_t key );

/* Bytes of V for val under the entry's item: 0 if absent. */
size_t dmg_ov_value_sz( dmg_ov_item_t const * item, dmg_ov_val_t const * val );
/* V as commit would write it now, in arena; p NULL if absent. */
DMG_MUST_USE dmg_err_t dmg_ov_raw( dmg_ov_entry_t const * entry, dmg_arena_t * arena, dmg_span_t * out_value );
/* Entries whose cur differs from base (or whose record is new) go into the block set. */
DMG_MUST_USE dmg_err_t dmg_ov_commit( dmg_ov_t * ov );

/* Present entries of an ordered item under prefix after `after` (both with module and item), ascending. */
typedef struct { dmg_ov_t * ov; dmg_ov_item_t const * item; dmg_bs_scan_t bs; dmg_ord_scan_t at; } dmg_ov_scan_t;
DMG_MUST_USE dmg_err_t dmg_ov_scan_open ( dmg_ov_t * ov, dmg_ov_item_t const * item, dmg_span_t prefix, dmg_span_t after, dmg_ov_scan_t * out_scan );
DMG_MUST_USE dmg_err_t dmg_ov_scan_next ( dmg_ov_scan_t * scan, dmg_ov_entry_t ** out_entry );   /* NOT_FOUND at the end */
void                   dmg_ov_scan_close( dmg_ov_scan_t * scan );

#endif
