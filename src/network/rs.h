/* rs: Reed-Solomon over bytes: k data shards of one size become n, any k of which give the data again (N8.8).

     data 0 .. k-1  --encode-->  parity k .. n-1           any k of 0 .. n-1  --decode-->  data 0 .. k-1

   GF(2^8) with x^8 + x^4 + x^3 + x^2 + 1 (0x11d).  The matrix is the identity above a Cauchy part: row i >= k has 1/(i xor j) at
   column j, so each square part of it has an inverse.

   Memory   a dmg_rs_t holds all tables, 160 KiB, no allocation; shards lie one behind another in caller memory
   Threads  a dmg_rs_t is one thread's
   Failure  none: k of n always suffice; what shards hold is not judged, who has the sender's word re-encodes and compares
   Bounds   k 1..64, n k+1..128
   Spec     docs/spec/network.md N8.8; rs_isal.c: Intel ISA-L, test_rs.c holds it against a table of its own */
#ifndef DMG_NETWORK_RS_H
#define DMG_NETWORK_RS_H

#include "base/bytes.h"

#define DMG_RS_K_MAX 64
#define DMG_RS_N_MAX 128

typedef struct {
  uint32_t k, n;
  uint8_t  matrix[ DMG_RS_N_MAX*DMG_RS_K_MAX ];
  uint8_t  tables[ 32*DMG_RS_K_MAX*( DMG_RS_N_MAX-DMG_RS_K_MAX ) ];   /* k (n-k) <= 64*64 */
  uint8_t  square[ DMG_RS_K_MAX*DMG_RS_K_MAX ], inverse[ DMG_RS_K_MAX*DMG_RS_K_MAX ], rows[ DMG_RS_K_MAX*DMG_RS_K_MAX ];
  bool     is_ready;                                                   /* tables are of the parity rows, not of a decode */
} dmg_rs_t;

/* Cheap when k and n are those of the last time. */
void dmg_rs_init  ( dmg_rs_t * rs, uint32_t k, uint32_t n );
/* data[ k*shard_sz ] --> parity[ (n-k)*shard_sz ]. */
void dmg_rs_encode( dmg_rs_t * rs, size_t shard_sz, uint8_t const * data, uint8_t * parity );
/* k shards of these different indexes, one behind another in any order --> data[ k*shard_sz ], which is not shards. */
void dmg_rs_decode( dmg_rs_t * rs, size_t shard_sz, uint8_t const * idx, uint8_t const * shards, uint8_t * data );

#endif
