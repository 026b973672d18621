/* gaps: stretches without a key in the state after one block, as iterators found them.

   Deleted entries cost who passes them: tombstones of the store until they are compacted, entries of blocks above the store until
   those are final.  Gas cannot charge for them, since each node has others.  So each stretch is walked once and then leapt over:

     iterator finds no key in [a, b), a long way    add     [a ...................... b)
     another one, of any view of that block         next    a --------------------> b
     a child of the block puts K between            carry   [a ...... K)  [K\0 ..... b)
     a later one deletes K                          carry   [a ...................... b)

   What is remembered holds for one block, whose state never changes: no write spoils it, whoever shares it.  A child's is made
   from it and the child's write set.  It is a memory only: no answer depends on it, and when it is full, or there is no
   memory, it forgets.

   Bounds   A bound is a key or one byte longer: K\0 is the least after K, 129 times ff is above all.
            DMG_GAPS_MAX stretches, 1 MiB of bounds, taken when the first is added; one more empties it.  That costs walking once
            what is not compacted yet, for DMG_GAPS_MAX stretches that somebody paid for.  After DMG_GAPS_BLOCKS_MAX blocks it begins
            anew, too: much of it is compacted by then, and each known gap stops the iterators that come by
   Threads  add, next and carry from any thread; ref is guarded by state.lock
   Spec     docs/spec/storage.md S7.2 */
#ifndef DMG_STORAGE_GAPS_INT_H
#define DMG_STORAGE_GAPS_INT_H

#include "storage/state_int.h"

enum { DMG_GAPS_MAX = 4096, DMG_GAPS_MEM_SZ = 1<<20, DMG_GAPS_BLOCKS_MAX = 1024 };

typedef struct { uint8_t sz, b[ DMG_KV_KEY_MAX+1 ]; } dmg_bound_t;
static inline dmg_span_t  dmg_bound_span ( dmg_bound_t const * b ) { return dmg_span( b->b, b->sz ); }
static inline dmg_bound_t dmg_bound_of   ( dmg_span_t key )        { dmg_bound_t b = { .sz = (uint8_t)key.sz }; if( key.sz ) memcpy( b.b, key.p, key.sz ); return b; }
static inline dmg_bound_t dmg_bound_after( dmg_span_t key )        { dmg_bound_t b = dmg_bound_of( key ); b.b[ b.sz++ ] = 0; return b; }   /* of a key */

typedef struct dmg_gaps_tab dmg_gaps_tab_t;
struct dmg_gaps {
  uint32_t         ref;
  uint64_t         height, born;         /* born: of the ancestor that began with nothing */
  dmg_hash_t       block;
  pthread_mutex_t  lock;
  uint32_t         cnt;                  /* atomic */
  uint32_t         mem_sz;
  dmg_gaps_tab_t * tab;                  /* NULL until the first */
};

/* Empty, one reference; NULL: no memory. */
dmg_gaps_t * dmg_gaps_new( dmg_hash_t const * block, uint64_t height );
void dmg_gaps_release( dmg_gaps_t * gaps );   /* under state.lock; NULL: nothing */

/* There is no key in [lo, hi). */
void dmg_gaps_add( dmg_gaps_t * gaps, dmg_span_t lo, dmg_span_t hi );

/* Takes what is known to be empty off that side of [lo, hi) where the iterator stands (hi if reversed), and tells where the next
   known gap begins, the far side if none: who walks beyond that would walk known ones again, for each place before them. */
void dmg_gaps_next( dmg_gaps_t * gaps, bool is_reverse, dmg_bound_t * lo, dmg_bound_t * hi, dmg_bound_t * out_stop );

/* What is known of the child whose overlay is given, from what is known of its parent; NULL: no memory. */
dmg_gaps_t * dmg_gaps_carry( dmg_gaps_t * parent, dmg_overlay_t const * child );

#endif
