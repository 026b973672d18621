/* hash: SHA-256, plain and tagged, one message or many at once.

     H(tag, m) = SHA256( SHA256(tag) || SHA256(tag) || m )                       (S1.1)

     tag ---> midstate (tags_tab.c, committed) --+
                                                 +--> blocks of m --> pad --> 32 bytes
     the doubled tag is exactly one 64-byte block, so a tagged hash costs what a plain one does

   Every hash on chain is tagged; plain SHA-256 is for foreign formats (ECDSA digests, WebAuthn,
   the host function sha256) and for the trees' building blocks.

   Kernels   portable C (also wasm32), SHA-NI 4 and 1 lanes, AVX2 8 lanes, ARMv8 2 and 1 lanes;
             equal by test and by the self-test at start (S2.2)
   Memory    no allocation; a dmg_sha256_t is a plain value that may be copied to fork a stream
   Threads   all functions are pure; dmg_crypto_init may run in any thread at any time
   Failure   none; a kernel that fails its self-test is a bug and ends the process
   Bounds    messages up to 2^61-1 bytes
   Spec      docs/spec/storage.md S1, S2 */
#ifndef DMG_CRYPTO_HASH_H
#define DMG_CRYPTO_HASH_H

#include "base/bytes.h"
#include "crypto/tags.h"

typedef struct { uint8_t b[32]; } dmg_hash_t;

static inline bool dmg_hash_eq( dmg_hash_t const * a, dmg_hash_t const * b ) { return !memcmp( a->b, b->b, 32 ); }
static inline int  dmg_hash_cmp( dmg_hash_t const * a, dmg_hash_t const * b ) { return memcmp( a->b, b->b, 32 ); }
static inline bool dmg_hash_is_zero( dmg_hash_t const * a ) { return dmg_is_zero( a->b, 32 ); }
static inline dmg_span_t dmg_hash_span( dmg_hash_t const * a ) { return (dmg_span_t){ .p = a->b, .sz = 32 }; }
/* The hash whose 32 bytes stand at p. */
static inline dmg_hash_t dmg_hash_load( void const * p ) { dmg_hash_t h; memcpy( h.b, p, 32 ); return h; }

/* Picks the fastest kernels that cpu_flags (DMG_CPU_*, base/cpu.h) allows and tests them against
   the portable one.  Idempotent; before the first call the portable kernel serves, so results
   never depend on it. */
void dmg_crypto_init( uint32_t cpu_flags );
/* "portable", "sha-ni", "avx2", "armv8": for logs and doctor. */
char const * dmg_sha256_kernel_name( void );

/* Plain SHA-256 (FIPS 180-4) of one message. */
dmg_hash_t dmg_sha256( dmg_span_t msg );

/* A stream: init (or dmg_h_init), update any number of times, final once.  final leaves the
   stream undefined; init it again for the next message. */
typedef struct { uint32_t h[8]; uint64_t sz; uint8_t part[64]; } dmg_sha256_t;

void       dmg_sha256_init  ( dmg_sha256_t * sha );
void       dmg_sha256_update( dmg_sha256_t * sha, dmg_span_t bytes );
dmg_hash_t dmg_sha256_final ( dmg_sha256_t * sha );

/* H(tag, msg). */
dmg_hash_t dmg_h ( dmg_tag_t tag, dmg_span_t msg );
/* H(tag, a || b). */
dmg_hash_t dmg_h2( dmg_tag_t tag, dmg_span_t a, dmg_span_t b );
/* H(tag, left || right) of two hashes: a node or leaf of a tree. */
dmg_hash_t dmg_h_node( dmg_tag_t tag, dmg_hash_t const * left, dmg_hash_t const * right );
/* Starts H(tag, ..); goes on with dmg_sha256_update and _final. */
void       dmg_h_init( dmg_sha256_t * sha, dmg_tag_t tag );

/* out[i] = H(tag, pairs64[64 i .. 64 i + 63]) for i < n, several lanes at once; any n, 0 too.
   out may begin where pairs64 begins (a level of a tree folded in place), no other overlap. */
void dmg_h_nodes( dmg_tag_t tag, uint8_t const * pairs64, size_t n, dmg_hash_t * out );

/* Hashes of foreign formats, host functions for modules only (R1.9): Keccak-256 with Ethereum's
   padding, BLAKE2b with 32-byte output and no key.  The chain itself uses neither. */
dmg_hash_t dmg_keccak256 ( dmg_span_t msg );
dmg_hash_t dmg_blake2b256( dmg_span_t msg );

/* SipHash-2-4 of a message under a key: short ids of transactions on the wire (N8.7).  A keyed checksum, no hash of the chain. */
uint64_t dmg_siphash24( uint8_t const key[ 16 ], dmg_span_t msg );

#endif
