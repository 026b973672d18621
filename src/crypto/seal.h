/* seal: secrets at rest under a passphrase, and the two primitives of encrypted channels.

     passphrase --Argon2id--> key --XChaCha20-Poly1305--> sealed bytes                      (F1.7)

     sealed   0 "DMGSEAL1"   8 memory KiB u32   12 passes u32   16 salt[16]   32 nonce[24]
             56 ciphertext, as long as the secret   .. tag[16]          integers little-endian

   The tag covers the 56 header bytes and the caller's context too, so neither the costs nor what the
   secret is for can be changed unnoticed.

   Memory    Argon2id takes the given memory from the heap and gives it back
   Threads   every function is pure; a seal takes about a second of one thread at default costs
   Failure   see each function; a wrong passphrase and altered bytes are the same: PERM
   Bounds    64 MiB..1 GiB and 1..16 passes are accepted from a file, so that a hostile one cannot take the machine
   Not here  files, their modes and randomness: the caller's */
#ifndef DMG_CRYPTO_SEAL_H
#define DMG_CRYPTO_SEAL_H

#include "base/bytes.h"

#define DMG_SEAL_HEADER_SZ    (56)
#define DMG_SEAL_OVERHEAD_SZ  ( DMG_SEAL_HEADER_SZ+16 )
#define DMG_SEAL_RANDOM_SZ    (16+24)
#define DMG_SEAL_SECRET_MAX   (4096)

typedef struct { uint32_t mem_kib; uint32_t passes; } dmg_seal_cost_t;

/* 256 MiB, 3 passes (libsodium's "moderate"). */
#define DMG_SEAL_COST_DEFAULT  ( (dmg_seal_cost_t){ .mem_kib = 262144, .passes = 3 } )
/* The least that is accepted; for tests. */
#define DMG_SEAL_COST_MIN      ( (dmg_seal_cost_t){ .mem_kib = 65536, .passes = 1 } )

/* random40: fresh random bytes, never used twice (salt and nonce).  context: what the secret is
   for, up to 256 bytes, given again to open.  out has secret.sz + DMG_SEAL_OVERHEAD_SZ bytes.
   LIMIT: secret or context longer than the maximum; INVALID: costs out of bounds;
   NOMEM: Argon2id's memory. */
DMG_MUST_USE dmg_err_t dmg_seal( dmg_span_t pass, dmg_span_t context, dmg_seal_cost_t cost, uint8_t const random40[ DMG_SEAL_RANDOM_SZ ],
                                 dmg_span_t secret, uint8_t * out );
/* out has sealed.sz - DMG_SEAL_OVERHEAD_SZ bytes (at most DMG_SEAL_SECRET_MAX).  INVALID: not a
   sealed secret, or costs out of bounds; PERM: wrong passphrase or context, or altered, and out
   holds zeros; NOMEM. */
DMG_MUST_USE dmg_err_t dmg_seal_open( dmg_span_t pass, dmg_span_t context, dmg_span_t sealed, uint8_t * out );

/* Argon2id 1.3, one lane.  INVALID: mem_kib < 8 or passes < 1; NOMEM. */
DMG_MUST_USE dmg_err_t dmg_argon2id( dmg_span_t pass, uint8_t const salt[16], dmg_seal_cost_t cost, uint8_t * out, size_t out_sz );

/* XChaCha20-Poly1305 (libsodium): out has plain.sz+16 bytes. */
void dmg_xchacha_seal( uint8_t const key[32], uint8_t const nonce[24], dmg_span_t aad, dmg_span_t plain, uint8_t * out );
/* out has sealed.sz-16 bytes; false: not authentic, out holds zeros. */
bool dmg_xchacha_open( uint8_t const key[32], uint8_t const nonce[24], dmg_span_t aad, dmg_span_t sealed, uint8_t * out );

/* ChaCha20-Poly1305 of RFC 8439 (OpenSSL), shapes as above. */
void dmg_chacha_seal( uint8_t const key[32], uint8_t const nonce[12], dmg_span_t aad, dmg_span_t plain, uint8_t * out );
bool dmg_chacha_open( uint8_t const key[32], uint8_t const nonce[12], dmg_span_t aad, dmg_span_t sealed, uint8_t * out );

/* X25519 of RFC 7748 (OpenSSL). */
void dmg_x25519_public( uint8_t const secret[32], uint8_t out_key[32] );
/* False: the peer's key is of small order (the shared secret would be all zero). */
bool dmg_x25519_shared( uint8_t const secret[32], uint8_t const peer_key[32], uint8_t out_shared[32] );

#endif
