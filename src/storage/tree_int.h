/* tree: all leaves of the state in RAM, with the hashes above them (S6.1 - S6.4).

     level 0            root = heap[ 1 ]                children of i: 2i, 2i+1, in one cache line
     ..                 a kind a node: empty, one leaf (its hash is the leaf's, S1.3), branch
     level d            2^d buckets: sorted arrays of {path, leaf}, 2.5 .. 5 keys each; nodes inside
                        a bucket are rehashed when it changes
     a flooded bucket (> 31 keys) becomes a fan: 64 sub-buckets under a small heap, recursively

     update(ops sorted by path): merge into buckets -> hash their nodes, deepest first, several
     lanes at once -> climb the heap over the dirty nodes
     Above 5 x 2^d keys level d+1 is added: buckets split when touched, and 4,096 more an update.

   The ops of an update are its own undo: it notes each old leaf in them.  With the old heap nodes
   of levels 0 mod 4 (dmg_tree_undo_t) they make any recent root provable again.

   Memory   mmap and heap, counted against sz_max
   Threads  update, revert: one at a time, nobody else in the tree; get, root, prove: any number
   Failure  FULL: memory or sz_max; the tree is then unusable (every later call fails with FULL)
   Spec     docs/spec/storage.md S1.3, S6 */
#ifndef DMG_STORAGE_TREE_INT_H
#define DMG_STORAGE_TREE_INT_H

#include "types/state_proof.h"

typedef struct dmg_tree dmg_tree_t;

typedef struct {
  uint64_t sz_max;
  uint64_t key_hint;      /* keys expected soon: sets d */
  int      depth_fixed;   /* tests: d, never growing; -1: by size */
} dmg_tree_cfg_t;

typedef struct {
  dmg_hash_t path;
  dmg_hash_t leaf;        /* put: the new leaf */
  dmg_hash_t old_leaf;    /* set by update, if was_there */
  bool       is_delete;
  bool       was_there;   /* set by update */
} dmg_tree_op_t;

typedef enum { DMG_TREE_EMPTY, DMG_TREE_LEAF, DMG_TREE_BRANCH } dmg_tree_kind_t;

typedef struct { dmg_hash_t hash; uint32_t idx; uint8_t kind; } dmg_tree_old_t;

/* Heap nodes as they were before an update: levels 0, 4, 8 .. up to the d of then, one run of
   ascending idx a level. */
enum { DMG_TREE_LEVELS_MAX = 30 };
typedef struct {
  dmg_tree_old_t * node;
  uint32_t         node_cnt, node_cap;
  uint32_t         run_lo[ DMG_TREE_LEVELS_MAX/4+1 ], run_cnt[ DMG_TREE_LEVELS_MAX/4+1 ];
  unsigned         d;
} dmg_tree_undo_t;
void   dmg_tree_undo_fini( dmg_tree_undo_t * undo );
size_t dmg_tree_undo_sz  ( dmg_tree_undo_t const * undo );

DMG_MUST_USE dmg_err_t dmg_tree_new( dmg_tree_cfg_t const * cfg, dmg_tree_t ** out_tree );
void dmg_tree_free( dmg_tree_t * tree );   /* NULL: nothing */

/* Ascending by path, no path twice (asserted).  A delete of an absent path does nothing.  undo (may
   be NULL) is filled from empty. */
DMG_MUST_USE dmg_err_t dmg_tree_update( dmg_tree_t * tree, dmg_tree_op_t * ops, size_t cnt, dmg_tree_undo_t * undo );
/* Undoes the last update that was not undone yet, by its ops. */
DMG_MUST_USE dmg_err_t dmg_tree_revert( dmg_tree_t * tree, dmg_tree_op_t const * ops, size_t cnt );

dmg_hash_t dmg_tree_root   ( dmg_tree_t const * tree );
uint64_t   dmg_tree_key_cnt( dmg_tree_t const * tree );
uint64_t   dmg_tree_sz     ( dmg_tree_t const * tree );   /* bytes */
bool       dmg_tree_get    ( dmg_tree_t const * tree, dmg_hash_t const * path, dmg_hash_t * out_leaf );

/* One update back in time. */
typedef struct { dmg_tree_op_t const * ops; size_t cnt; dmg_tree_undo_t const * undo; } dmg_tree_past_t;

typedef struct {
  unsigned   depth;                /* of the terminal */
  bool       has_leaf;             /* the terminal: a leaf (of leaf_path), or an empty slot */
  dmg_hash_t leaf_path, leaf;
  dmg_hash_t sibling[ 256 ];       /* sibling[ i ] hangs at depth i+1, i < depth; zero if empty */
} dmg_tree_proof_t;

/* The way to path in the tree as it was before the updates past[ 0 .. past_cnt ) (oldest first);
   none: as it is. */
DMG_MUST_USE dmg_err_t dmg_tree_prove( dmg_tree_t const * tree, dmg_tree_past_t const * past, size_t past_cnt, dmg_hash_t const * path, dmg_tree_proof_t * out );
/* The root as it was then. */
DMG_MUST_USE dmg_err_t dmg_tree_root_before( dmg_tree_t const * tree, dmg_tree_past_t const * past, size_t past_cnt, dmg_hash_t * out_root );

/* out_order[ 0 .. cnt ): indexes of paths in ascending order.  paths are stride bytes apart.  NOMEM. */
DMG_MUST_USE dmg_err_t dmg_tree_sort( void const * paths, size_t stride, uint32_t cnt, uint32_t * out_order );

#endif
