/* state_proof: the commitment to the state, and the judge of proofs against its root.

     path = H(key, K)   vh = H(value, V)   leaf = H(leaf, path || vh)   node = H(node, left || right)
     keys under a prefix of d bits: none 32 zero bytes; one its leaf; more the node of the halves (S1.3)

     single  0 1 version 1   1 1 kind: 0 present, 1 absent (empty slot), 2 absent (other leaf)   2 2 depth 0..256
             4 ceil(depth/8) bitmap, lowest bit first: the i-th sibling counted up from the terminal is not empty
             .. kind 2: path' 32, vh' 32   .. non-empty siblings 32 each, bottom up
     stream  0 1 version 1   1 1 kind 16   2 4 ops   6 4 hashes   10 4 others   14 ceil(ops/4) ops of 2 bits,
             lowest first   .. hashes 32 each   .. others {path' 32, vh' 32}
             ops in pre-order: 0 EMPTY, 1 HASH, 2 LEAF, 3 BRANCH

   Memory   nothing is allocated; all arguments are borrowed for the call
   Threads  pure
   Failure  a verdict; GOOD only if the root commits exactly to what is claimed.  Bytes are canonical:
            any other bytes for the same claim are refused
   Bounds   depth 256; a stream 1 MiB, 1,024 ranges, 65,536 answers (LIMIT); recursion 256 deep
   Spec     docs/spec/storage.md S1, S12; the TypeScript and Rust verifiers share its vectors */
#ifndef DMG_TYPES_STATE_PROOF_H
#define DMG_TYPES_STATE_PROOF_H

#include "crypto/hash.h"

enum {
  DMG_STATE_DEPTH_MAX        = 256,
  DMG_STATE_SINGLE_SZ_MAX    = 4+32+64+32*256,
  DMG_STATE_STREAM_SZ_MAX    = 1024*1024,
  DMG_STATE_STREAM_RANGES_MAX  = 1024,
  DMG_STATE_STREAM_ANSWERS_MAX = 65536
};

typedef enum {
  DMG_STATE_PROOF_GOOD,
  DMG_STATE_PROOF_LENGTH,    /* cut or trailing bytes */
  DMG_STATE_PROOF_VERSION,   /* unknown version or kind */
  DMG_STATE_PROOF_DEPTH,     /* above 256 */
  DMG_STATE_PROOF_SPARE,     /* spare bits are set */
  DMG_STATE_PROOF_FORM,      /* not canonical: zero sibling, empty lowest sibling, branch over a lone leaf, lists do not end together */
  DMG_STATE_PROOF_CLAIM,     /* it proves something else: present for absent, a leaf at the wrong place, an answer missing or extra */
  DMG_STATE_PROOF_ROOT,      /* it folds to another root */
  DMG_STATE_PROOF_LIMIT,     /* a bound above */
  DMG_STATE_PROOF_CNT
} dmg_state_proof_bad_t;

/* The middle of a sentence: "the proof " .. ; never NULL. */
char const * dmg_state_proof_text( dmg_state_proof_bad_t bad );

dmg_hash_t dmg_state_path      ( dmg_span_t key );     /* of K: 4..128 bytes, not checked here */
dmg_hash_t dmg_state_value_hash( dmg_span_t value );   /* of V: schema byte and BCS */
dmg_hash_t dmg_state_leaf      ( dmg_hash_t const * path, dmg_hash_t const * vh );
dmg_hash_t dmg_state_node      ( dmg_hash_t const * left, dmg_hash_t const * right );

/* Bit i of a path, 0 decides at the root: bit 7 - i mod 8 of byte i/8; i < 256. */
static inline unsigned dmg_state_bit( dmg_hash_t const * path, unsigned i ) { return ( path->b[ i>>3 ]>>( 7u-( i&7u ) ) )&1u; }
/* The number of leading bits that two paths share, 0..256. */
unsigned dmg_state_shared_bits( dmg_hash_t const * a, dmg_hash_t const * b );

/* Does proof show that root holds (K, V) of this path and value hash; vh NULL: that it holds no such key? */
dmg_state_proof_bad_t dmg_state_proof_check_path( dmg_hash_t const * root, dmg_hash_t const * path, dmg_hash_t const * vh, dmg_span_t proof );
/* The same for K and V; value NULL: K is absent. */
dmg_state_proof_bad_t dmg_state_proof_check( dmg_hash_t const * root, dmg_span_t key, dmg_span_t const * value, dmg_span_t proof );

typedef struct { dmg_hash_t lo, hi; } dmg_state_range_t;      /* closed interval of paths; a key: lo = hi */
typedef struct { dmg_hash_t path, vh; } dmg_state_answer_t;

/* Does the stream show that the keys of root within the ranges (sorted, disjoint; else CLAIM) are
   exactly the answers (ascending by path)? */
dmg_state_proof_bad_t dmg_state_proof_check_stream( dmg_hash_t const * root, dmg_state_range_t const * ranges, size_t range_cnt,
                                                    dmg_state_answer_t const * answers, size_t answer_cnt, dmg_span_t proof );

#endif
