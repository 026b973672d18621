/* sha256_int: the function table behind hash.h, one entry a kernel (S2.1).

   Kernel files are compiled for their architecture only and carry their instruction set as a
   function attribute: no special compiler flags, and nothing outside runs such an instruction. */
#ifndef DMG_CRYPTO_SHA256_INT_H
#define DMG_CRYPTO_SHA256_INT_H

#include "crypto/hash.h"

typedef struct {
  char const * name;
  /* Compresses block_cnt blocks of 64 bytes into h. */
  void (*blocks)( uint32_t h[8], uint8_t const * p, size_t block_cnt );
  /* out[ 32 i .. ] = the hash of a 128-byte message that began with the block behind midstate mid
     and ends with msgs[ 64 i .. ], i < n.  out==msgs is allowed: a group of messages is read
     whole before its results are written. */
  void (*nodes)( uint32_t const mid[8], uint8_t const * msgs, size_t n, uint8_t * out );
} dmg_sha256_kernel_t;

extern dmg_sha256_kernel_t const dmg_sha256_portable;
#if defined(__x86_64__)
extern dmg_sha256_kernel_t const dmg_sha256_shani;
extern dmg_sha256_kernel_t const dmg_sha256_avx2;
#elif defined(__aarch64__)
extern dmg_sha256_kernel_t const dmg_sha256_armv8;
#endif

/* Kernel idx of those this build has and cpu_flags allows, best first, portable last; NULL past
   the end.  For the dispatcher, tests and benchmarks. */
dmg_sha256_kernel_t const * dmg_sha256_kernel( uint32_t cpu_flags, size_t idx );

/* tags_tab.c, generated. */
extern uint32_t const dmg_tag_midstate[ DMG_TAG_CNT ][8];
extern uint32_t const dmg_sha256_iv[8];
extern uint32_t const dmg_sha256_k[64];
/* K[t]+W[t] of the last block of any 128-byte message: 0x80, zeros, 1,024 bits. */
extern uint32_t const dmg_sha256_pad128_wk[64];

static inline void dmg_sha256_store( uint8_t * out, uint32_t const h[8] ) {
  for( size_t i=0; i<8; i++ ) dmg_store_u32be( out+4*i, h[i] );
}

#endif
