/* sig: Ed25519, BLS12-381 and Keccak-256 for the node, by the crates
   ed25519-zebra, blst and sha3.

     key, message, signature --> verify        --> true | false
     n of them + seed        --> verify_batch  --> bitmap, same bits as n singles
     compressed point        --> load (curve, subgroup, not identity) --> *_t
     *_t, *_t, ..            --> sum, verify   --> *_t, true | false

   Memory    Nothing is kept and nothing is handed out: every result goes
             to caller memory, no argument is retained.  Batches allocate
             and free inside the call (about 1 KiB a signature).
   Threads   All functions are pure; any thread, no thread is started.
   Failure   A malformed key, signature or secret gives false and leaves
             out_ untouched, it is a verdict and never an error.  A bug
             or a lack of memory inside aborts the process: it must not
             turn into a verdict on a block.
   Secrets   Sign and keygen run in constant time (as their crates do) and
             wipe their copies.
   Spec      Ed25519 is ZIP 215: cofactored equation, non-canonical A and
             R and small-order points accepted, s < l demanded.  BLS is
             draft-irtf-cfrg-bls-signature, minimal-signature-size:
             signatures in G1, keys in G2, ZCash encodings, RFC 9380
             hashing BLS12381G1_XMD:SHA-256_SSWU_RO_ under the caller's
             DST.  A proof of possession is a signature under another DST.
   Not here  Message layouts, DSTs, thresholds: the caller's. */
#ifndef DMGN_SIG_H
#define DMGN_SIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Ed25519 ---- */

/* dmgn_ed25519_public: the public key of a 32-byte secret seed (RFC 8032). */
void dmgn_ed25519_public( uint8_t const seed[32], uint8_t out_key[32] );

/* dmgn_ed25519_sign: the deterministic signature of RFC 8032. */
void dmgn_ed25519_sign( uint8_t const seed[32], uint8_t const * msg, size_t msg_sz, uint8_t out_sig[64] );

/* dmgn_ed25519_verify: true iff the signature is valid by ZIP 215.
   msg may be NULL when msg_sz is 0. */
bool dmgn_ed25519_verify( uint8_t const key[32], uint8_t const * msg, size_t msg_sz, uint8_t const sig[64] );

typedef struct {
  uint8_t const * key;     /* 32 bytes */
  uint8_t const * sig;     /* 64 bytes */
  uint8_t const * msg;
  size_t          msg_sz;
} dmgn_ed25519_item_t;

/* dmgn_ed25519_verify_batch: bit i (byte i/8, bit i%8) of out_ok is what
   dmgn_ed25519_verify says of item i; the spare bits of the last byte are
   zero.  out_ok has (item_cnt+7)/8 bytes.  Returns the number of valid
   items.  Any item_cnt, 0 too.

   Works in chunks of up to 128, all of one size; a chunk with a bad item is
   verified again one by one.  Per signature, on the reference machine: 12 us
   if all are valid, 33 in a chunk that has a bad one, against 28 for a single
   (without AVX-512 IFMA: 16, 46 and 33).

   The coefficients come from a stream cipher keyed by the hash of seed
   and all items; two calls with the same arguments do the same work.
   Soundness (2^-128 a batch) needs no secret seed, since the hash binds
   the items, but give 32 random bytes where there are some. */
size_t dmgn_ed25519_verify_batch( dmgn_ed25519_item_t const * items, size_t item_cnt, uint8_t const seed[32], uint8_t * out_ok );

/* ---- Keccak-256 (the padding of Ethereum, not FIPS 202's SHA3-256) ---- */

void dmgn_keccak256( uint8_t const * data, size_t data_sz, uint8_t out_hash[32] );

/* ---- BLS12-381 ---- */

#define DMGN_BLS_SECRET_SZ   (32)
#define DMGN_BLS_KEY_SZ      (96)   /* compressed G2 */
#define DMGN_BLS_SIG_SZ      (48)   /* compressed G1 */
#define DMGN_BLS_SIG_RAW_SZ  (96)   /* uncompressed G1 */

/* A point that has passed the checks, in blst's inner form.  Only load,
   sum, public and sign make one; copying the struct is fine, writing its
   bytes, storing them on disk or sending them is not. */
typedef struct { uint64_t opaque[24]; } dmgn_bls_key_t;
typedef struct { uint64_t opaque[12]; } dmgn_bls_sig_t;

/* dmgn_bls_keygen: the secret key of key material ikm (>= 32 bytes, else
   false) and optional key info, KeyGen of the draft (salt
   "BLS-SIG-KEYGEN-SALT-" hashed once, as in draft 4 and later).
   out_secret is big-endian, 0 < x < r. */
bool dmgn_bls_keygen( uint8_t const * ikm, size_t ikm_sz, uint8_t const * info, size_t info_sz, uint8_t out_secret[32] );

/* dmgn_bls_public: the public key.  False: secret is 0 or >= r. */
bool dmgn_bls_public( uint8_t const secret[32], dmgn_bls_key_t * out_key );

/* dmgn_bls_sign: sign msg under dst (1..255 bytes).  False: bad secret or dst. */
bool dmgn_bls_sign( uint8_t const secret[32], uint8_t const * dst, size_t dst_sz, uint8_t const * msg, size_t msg_sz, dmgn_bls_sig_t * out_sig );

/* dmgn_bls_key_load, _sig_load, _sig_load_raw: decode and check: canonical
   encoding, on the curve, in the subgroup, not the identity.  False
   otherwise.  Costs about 120, 80 and 30 us: load a key once, keep it. */
bool dmgn_bls_key_load( uint8_t const bytes[96], dmgn_bls_key_t * out_key );
bool dmgn_bls_sig_load( uint8_t const bytes[48], dmgn_bls_sig_t * out_sig );
bool dmgn_bls_sig_load_raw( uint8_t const bytes[96], dmgn_bls_sig_t * out_sig );

/* dmgn_bls_sig_load_part: a summand of dmgn_bls_sig_sum, which tests the sum
   for all of them: on the curve, the subgroup not tested.  Nothing else may
   take it.  About 1 us. */
bool dmgn_bls_sig_load_part( uint8_t const bytes[96], dmgn_bls_sig_t * out_sig );

/* dmgn_bls_key_store, _sig_store, _sig_store_raw: the one encoding. */
void dmgn_bls_key_store( dmgn_bls_key_t const * key, uint8_t out_bytes[96] );
void dmgn_bls_sig_store( dmgn_bls_sig_t const * sig, uint8_t out_bytes[48] );
void dmgn_bls_sig_store_raw( dmgn_bls_sig_t const * sig, uint8_t out_bytes[96] );

/* dmgn_bls_key_sum, _sig_sum: the sum of cnt points, given by pointer.
   False: cnt is 0, or the sum is the identity or outside the subgroup, which
   no check would accept. */
bool dmgn_bls_key_sum( dmgn_bls_key_t const * const * keys, size_t cnt, dmgn_bls_key_t * out_sum );
bool dmgn_bls_sig_sum( dmgn_bls_sig_t const * const * sigs, size_t cnt, dmgn_bls_sig_t * out_sum );

/* dmgn_bls_verify: one signature by one key, or an aggregate of one
   message by the sum of its signers' keys. */
bool dmgn_bls_verify( dmgn_bls_key_t const * key, uint8_t const * dst, size_t dst_sz, uint8_t const * msg, size_t msg_sz,
                      dmgn_bls_sig_t const * sig );

/* dmgn_bls_verify_same: aggregate of the signatures of cnt keys on one
   message (FastAggregateVerify).  Sound only for keys whose possession was
   proven.  False also when cnt is 0 or the keys' sum is the identity. */
bool dmgn_bls_verify_same( dmgn_bls_key_t const * const * keys, size_t cnt, uint8_t const * dst, size_t dst_sz,
                           uint8_t const * msg, size_t msg_sz, dmgn_bls_sig_t const * sig );

typedef struct {
  dmgn_bls_key_t const * key;
  uint8_t const *        msg;
  size_t                 msg_sz;
} dmgn_bls_item_t;

/* dmgn_bls_verify_distinct: aggregate of cnt (key, message) pairs under one
   dst (AggregateVerify).  Equal messages are allowed, as keys are proven.
   Says that all signed, not which signature was bad. */
bool dmgn_bls_verify_distinct( dmgn_bls_item_t const * items, size_t cnt, uint8_t const * dst, size_t dst_sz,
                               dmgn_bls_sig_t const * sig );

typedef struct {
  dmgn_bls_key_t const * key;
  uint8_t const *        msg;
  size_t                 msg_sz;
  dmgn_bls_sig_t const * sig;
} dmgn_bls_signed_t;

/* dmgn_bls_verify_many: true iff every one of cnt signatures is valid by
   itself (cnt pairings and one exponentiation instead of 2 cnt and cnt).
   Coefficients of 64 bits come from the hash of seed and all items: a
   false accept has probability 2^-64.  Cnt 0 is true. */
bool dmgn_bls_verify_many( dmgn_bls_signed_t const * items, size_t cnt, uint8_t const * dst, size_t dst_sz, uint8_t const seed[32] );

#ifdef __cplusplus
}
#endif
#endif
