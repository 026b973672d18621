/* What state.c, overlay.c, view.c and prove.c share.

     map: block -> overlay      live: parent pointers up to NULL, the committed head
     ring: the last final overlays, oldest first, each with the old values it replaced
     base: the block before ring[ 0 ] (the head if the ring is empty), the oldest that can be read
     cursor: the block at which the tree stands, NULL the committed head

   Locks   tree_lock (taken first): the tree, cursor's moves, ops and undo of overlays
           lock: map, list, ring, head, base, snap, gaps, counters; links between overlays
           An overlay's keys, values, table never change; its old values are set before it enters
           the ring.  Whoever holds a reference may read them without a lock. */
#ifndef DMG_STORAGE_STATE_INT_H
#define DMG_STORAGE_STATE_INT_H

#include "storage/state.h"
#include "storage/tree_int.h"

#include <pthread.h>

enum { STATE_MAP_SIZE = 4096 };

typedef struct { dmg_span_t key, value, old_value; bool is_delete; } dmg_entry_t;   /* old_value.p NULL: was absent */

typedef struct dmg_overlay dmg_overlay_t;
typedef struct dmg_gaps    dmg_gaps_t;     /* gaps_int.h */
struct dmg_overlay {
  uint32_t        ref;                   /* atomic: the state, views */
  uint32_t        cnt;
  dmg_hash_t      block, parent_block, root;
  uint64_t        height;
  dmg_overlay_t * parent;                /* NULL: the committed head */
  dmg_overlay_t * map_next;
  dmg_overlay_t * prev;                  /* list of live overlays, parents before children */
  dmg_overlay_t * next;
  bool            has_root, is_final, is_kept;
  dmg_entry_t *   entry;                 /* in key order */
  dmg_tree_op_t * op;                    /* in path order */
  uint32_t *      entry_of;              /* op index -> entry index */
  uint32_t *      table;                 /* open addressing by path: op index + 1 */
  uint32_t        table_mask;
  dmg_read_t *    read;
  size_t          read_cnt;
  dmg_tree_undo_t undo;
  uint8_t *       old_mem;
  size_t          sz;                    /* bytes of all this */
};

typedef struct { dmg_kv_snap_t * snap; uint32_t ref; } dmg_snap_ref_t;   /* guarded by state.lock */

struct dmg_state {
  dmg_kv_t *       kv;
  dmg_state_cfg_t  cfg;
  bool             is_grouped;   /* commits are not synced: a later one is */
  uint64_t         secret;
  pthread_rwlock_t tree_lock;
  pthread_mutex_t  lock;
  dmg_tree_t *     tree;
  dmg_overlay_t *  cursor;
  bool             has_head;
  uint64_t         height;
  dmg_hash_t       block, root;
  dmg_hash_t       base_block, base_root;
  dmg_overlay_t *  map[ STATE_MAP_SIZE ];
  dmg_overlay_t *  first;
  dmg_overlay_t *  last;
  dmg_overlay_t *  ring[ DMG_STATE_RING ];
  uint32_t         ring_cnt;
  dmg_snap_ref_t * snap;                 /* of the committed store as it is, or NULL */
  dmg_gaps_t *     gaps;                 /* of one block, the highest that was viewed, or NULL */
  uint64_t         overlay_cnt, overlay_sz, ring_sz, read_check_failures;
  uint32_t         view_cnt;
  uint32_t         snapshot_cnt;
};

typedef struct { dmg_overlay_t * overlay; bool is_undo; } dmg_layer_t;

struct dmg_view {
  dmg_state_t *    state;
  uint64_t         height;
  dmg_hash_t       block;
  dmg_layer_t *    layer;                /* the first that knows a key decides */
  uint32_t         layer_cnt, iter_cnt;
  dmg_snap_ref_t * snap;
  dmg_gaps_t *     gaps;                 /* NULL: no memory */
  dmg_read_t *     read;
  uint32_t *       read_table;
  size_t           read_cnt, read_cap;
};

/* overlay.c: asserts S3.3's bounds; NOMEM. */
dmg_err_t dmg_overlay_new( dmg_state_t * state, dmg_write_t const * writes, size_t cnt, dmg_overlay_t ** out_overlay );
void dmg_overlay_release( dmg_overlay_t * overlay );   /* NULL: nothing */
static inline dmg_overlay_t * dmg_overlay_take( dmg_overlay_t * o ) { __atomic_add_fetch( &o->ref, 1, __ATOMIC_RELAXED ); return o; }
/* Index of the first entry, from `from` on, that is not below key. */
uint32_t dmg_overlay_lower( dmg_overlay_t const * overlay, uint32_t from, dmg_span_t key );
/* The entry of path, or NULL. */
dmg_entry_t const * dmg_overlay_find( dmg_overlay_t const * overlay, uint64_t secret, dmg_hash_t const * path );

/* The stored form of a value in column state: format u8, ULEB128 length of K, K, vh if V > 64 bytes, V. */
enum { DMG_STORED_VH_MIN = 65 };
typedef struct { dmg_span_t key, value; uint8_t const * vh; /* NULL: not stored */ } dmg_stored_t;
size_t    dmg_stored_sz   ( size_t key_sz, size_t value_sz );
size_t    dmg_stored_write( dmg_span_t key, dmg_span_t value, uint8_t * out );
dmg_err_t dmg_stored_parse( dmg_span_t bytes, dmg_stored_t * out );   /* CORRUPT */

/* state.c: the overlay of a block, live or in the ring; under lock. */
dmg_overlay_t * dmg_state_find( dmg_state_t * state, dmg_hash_t const * block );

/* view.c: what the view's layers and the store say of a path: out_val is released by the caller
   (borrowed values have no pin).  NOT_FOUND.  out_is_stored: it came from the store. */
dmg_err_t dmg_view_find( dmg_view_t * view, dmg_hash_t const * path, dmg_kv_val_t * out_val, dmg_stored_t * out, bool * out_is_stored );

#endif
