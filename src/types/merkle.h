/* merkle: the tree of C2.4 over any two tags; an odd node rises unchanged.

     leaf = H(leaf tag, bytes)       node = H(node tag, left | right)

            root                     five leaves: e rises twice
           /    \
         abcd    e
        /    \
       ab    cd                      root of no leaves: 32 zero bytes; of one: the leaf

   Used for receipts_root ("dmg/receipt/v1", "dmg/receipt/node/v1"), the body's transactions and just_root.

   Memory   no allocation; path works in the caller's array and overwrites it
   Bounds   a path of a valid tree of up to 65,535 leaves has at most 16 steps (C2.4) */
#ifndef DMG_TYPES_MERKLE_H
#define DMG_TYPES_MERKLE_H

#include "codec/bcs.h"
#include "crypto/hash.h"

#define DMG_MERKLE_PATH_MAX 16
#define DMG_MERKLE_LEAF_MAX 65535

/* One level: is_left says that the sibling is the left input. */
typedef struct { uint8_t is_left; dmg_hash_t sibling; } dmg_merkle_step_t;
typedef struct { dmg_merkle_step_t steps[ DMG_MERKLE_PATH_MAX ]; uint32_t cnt; } dmg_merkle_path_t;   /* lowest level first */

/* Root over cnt leaves given as bytes; hashes leaf by leaf, keeps 32 hashes at most. */
dmg_hash_t dmg_merkle_root( dmg_tag_t leaf_tag, dmg_tag_t node_tag, dmg_span_t const * leaves, size_t cnt );

/* The same as a stream: init, add each leaf's hash, root. */
typedef struct { dmg_hash_t peaks[ 32 ]; uint64_t cnt; } dmg_merkle_t;
void       dmg_merkle_init( dmg_merkle_t * tree );
void       dmg_merkle_add ( dmg_merkle_t * tree, dmg_tag_t node_tag, dmg_hash_t const * leaf );   /* at most 2^32-1 */
dmg_hash_t dmg_merkle_end ( dmg_merkle_t const * tree, dmg_tag_t node_tag );

/* Path of leaf idx < cnt <= DMG_MERKLE_LEAF_MAX; hashes[] is overwritten. */
void dmg_merkle_path( dmg_tag_t node_tag, dmg_hash_t * hashes, size_t cnt, size_t idx, dmg_merkle_path_t * out );
/* Root that leaf and path lead to. */
dmg_hash_t dmg_merkle_climb( dmg_tag_t node_tag, dmg_hash_t const * leaf, dmg_merkle_path_t const * path );
/* true: leaf is the idx-th of cnt under root, and the path has exactly the form of that place. */
bool dmg_merkle_verify( dmg_tag_t node_tag, dmg_hash_t const * root, dmg_hash_t const * leaf, size_t idx, size_t cnt, dmg_merkle_path_t const * path );

/* BCS list<=16 of { is_left u8 0 or 1, sibling[32] }; sticky. */
void dmg_merkle_path_read ( dmg_bcs_rd_t * rd, dmg_merkle_path_t * out );
void dmg_merkle_path_write( dmg_bcs_wr_t * wr, dmg_merkle_path_t const * path );
#define DMG_MERKLE_PATH_BCS_MAX ( 1+33*DMG_MERKLE_PATH_MAX )

#endif
