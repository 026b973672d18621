/* bls: BLS12-381 signatures, minimal-signature-size: signatures in G1, keys in G2 (C2.1).

     bytes --> load (encoding, curve, subgroup, not identity) --> dmg_bls_key_t, dmg_bls_sig_t
     points --> sum, verify --> points, true | false

   A signature is bound to its use by the domain separation tag "DMG-V1-<use>-" || suite, so a vote
   can never pass as a proof of possession.

   Memory    no allocation that outlives a call; points are plain values, but their inner form is
             only for this process: store and send bytes
   Threads   every function is pure
   Failure   malformed bytes give false, a verdict; out_ stays untouched
   Safety    dmg_bls_verify_same is sound only for keys whose possession was proven (use POP over the
             message of M15.7)
   Spec      docs/spec/consensus.md C2.1; draft-irtf-cfrg-bls-signature; RFC 9380 */
#ifndef DMG_CRYPTO_BLS_H
#define DMG_CRYPTO_BLS_H

#include "base/bytes.h"

#define DMG_BLS_SECRET_SZ   (32)
#define DMG_BLS_KEY_SZ      (96)   /* compressed G2 */
#define DMG_BLS_SIG_SZ      (48)   /* compressed G1 */
#define DMG_BLS_SIG_RAW_SZ  (96)   /* uncompressed G1, on validator links */

/* X( name ): use DMG_BLS_<name>, DST "DMG-V1-<name>-BLS12381G1_XMD:SHA-256_SSWU_RO_". */
#define DMG_BLS_USE_TABLE( X )  X( VOTE ) X( REVEAL ) X( POP ) X( BINDING ) X( TX )

typedef enum {
#define DMG_BLS_ENUM( name ) DMG_BLS_##name,
  DMG_BLS_USE_TABLE( DMG_BLS_ENUM )
#undef DMG_BLS_ENUM
  DMG_BLS_USE_CNT
} dmg_bls_use_t;

/* The DST's ASCII bytes. */
dmg_span_t dmg_bls_dst( dmg_bls_use_t use );

/* Checked points, valid by construction: only load, sum and public make them. */
typedef struct { uint64_t opaque[24]; } dmg_bls_key_t;
typedef struct { uint64_t opaque[12]; } dmg_bls_sig_t;

/* IETF KeyGen of ikm (>= 32 bytes, else false), no key info; out_secret is big-endian. */
bool dmg_bls_keygen( dmg_span_t ikm, uint8_t out_secret[32] );
/* False: secret is 0 or not below the order. */
bool dmg_bls_public( uint8_t const secret[32], dmg_bls_key_t * out_key );
bool dmg_bls_sign  ( uint8_t const secret[32], dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t * out_sig );

/* Decode and check.  A key costs about 100 us: load it once and keep it. */
bool dmg_bls_key_load    ( uint8_t const bytes[96], dmg_bls_key_t * out_key );
bool dmg_bls_sig_load    ( uint8_t const bytes[48], dmg_bls_sig_t * out_sig );
bool dmg_bls_sig_load_raw( uint8_t const bytes[96], dmg_bls_sig_t * out_sig );
/* A summand of dmg_bls_sig_sum, which tests the sum for all of them: on the curve, its own subgroup not tested.  Nothing else may take it. */
bool dmg_bls_sig_load_part( uint8_t const bytes[96], dmg_bls_sig_t * out_sig );
void dmg_bls_key_store    ( dmg_bls_key_t const * key, uint8_t out_bytes[96] );
void dmg_bls_sig_store    ( dmg_bls_sig_t const * sig, uint8_t out_bytes[48] );
void dmg_bls_sig_store_raw( dmg_bls_sig_t const * sig, uint8_t out_bytes[96] );

/* Sums of cnt points.  False: cnt is 0, or the sum is the identity or outside the subgroup. */
bool dmg_bls_key_sum( dmg_bls_key_t const * const * keys, size_t cnt, dmg_bls_key_t * out_sum );
bool dmg_bls_sig_sum( dmg_bls_sig_t const * const * sigs, size_t cnt, dmg_bls_sig_t * out_sum );

/* One signature by one key (or by the sum of keys, for an aggregate over one message). */
bool dmg_bls_verify( dmg_bls_key_t const * key, dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t const * sig );
/* The aggregate of cnt keys over one message: a Cert (C2.3). */
bool dmg_bls_verify_same( dmg_bls_key_t const * const * keys, size_t cnt, dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t const * sig );

typedef struct { dmg_bls_key_t const * key; dmg_span_t msg; } dmg_bls_item_t;

/* The aggregate over several (key, message) pairs: a run of nullifications (C2.3).  Cnt 0: false. */
bool dmg_bls_verify_distinct( dmg_bls_item_t const * items, size_t cnt, dmg_bls_use_t use, dmg_bls_sig_t const * sig );

/* Load and verify in one: for single signatures by keys seen once (use TX, POP, BINDING). */
bool dmg_bls_verify_bytes( dmg_span_t key, dmg_bls_use_t use, dmg_span_t msg, dmg_span_t sig );

#endif
