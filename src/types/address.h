/* address: who an account is before it exists, and how its address follows (M1.2, M1.2a, M2.8).

     AccountInit = BCS { auths list 1..16 { scheme u8, key bytes<96>, level u8, weight u16 },
                         t_use u16, t_owner u16, salt u64 }
     address     = H("dmg/addr/v1", AccountInit)            pools: H("dmg/module/v1", module u16 | seed u64)

   An address never changes when keys rotate.  Text form (bech32m "dmg1..", 62 characters): crypto/bech32.h.

   Memory    decoded keys point into the bytes they were read from
   Failure   verdicts; DMG_ERR_LIMIT, DMG_ERR_NOMEM of the buffer when encoding
   Bounds    16 authenticators; at most DMG_ACCOUNT_INIT_BCS_MAX bytes */
#ifndef DMG_TYPES_ADDRESS_H
#define DMG_TYPES_ADDRESS_H

#include "base/verdict.h"
#include "codec/bcs.h"
#include "crypto/sig.h"

#define DMG_AUTH_SLOT_MAX 16
#define DMG_AUTH_KEY_MAX  96

typedef enum { DMG_LEVEL_USE = 1, DMG_LEVEL_OWNER = 2 } dmg_level_t;

/* The scheme's name in R4.13: "Ed25519", "Secp256k1", "P256", "WebAuthn", "Bls"; "unknown" outside. */
char const * dmg_scheme_name( unsigned scheme );
/* Intrinsic gas of one signature (R5.1, M1.2b): 32,000 50,000 115,000 115,000 1,100,000; 0 for an unknown scheme. */
uint64_t dmg_scheme_gas( unsigned scheme );

typedef struct { uint8_t scheme; uint8_t level; uint16_t weight; dmg_span_t key; } dmg_auth_init_t;

typedef struct {
  dmg_auth_init_t auths[ DMG_AUTH_SLOT_MAX ];   /* slot = index */
  uint32_t        auth_cnt;
  uint16_t        t_use, t_owner;               /* thresholds of weight */
  uint64_t        salt;
} dmg_account_init_t;

#define DMG_ACCOUNT_INIT_BCS_MAX ( 1+DMG_AUTH_SLOT_MAX*( 1+1+DMG_AUTH_KEY_MAX+1+2 )+2+2+8 )

/* Form only, inside a larger reader; sticky.  Follow with dmg_account_init_check. */
void dmg_account_init_read ( dmg_bcs_rd_t * rd, dmg_account_init_t * out );
void dmg_account_init_write( dmg_bcs_wr_t * wr, dmg_account_init_t const * init );
/* M1.2a: 1..16 authenticators of known scheme with a key of its exact size, level 1 or 2, weight >= 1, no
   key twice (whatever its scheme), thresholds >= 1 and reachable: t_use by all weights (owner level counts
   for use too), t_owner by owner weights.  The verdict's offset is 0. */
dmg_verdict_t dmg_account_init_check( dmg_account_init_t const * init );
/* read, end, check. */
dmg_verdict_t dmg_account_init_decode( dmg_span_t bytes, dmg_account_init_t * out );

/* A plain key: owner level, weight 1, thresholds 1 and 1, salt 0.  key is borrowed. */
dmg_account_init_t dmg_account_init_plain( unsigned scheme, dmg_span_t key );

/* Address of a checked AccountInit. */
dmg_hash_t dmg_address_of( dmg_account_init_t const * init );
/* An account without owner: a module's own (seed 0) or its pool (M0.9, M2.8); bucket i is Balances' seed 1 + i. */
dmg_hash_t dmg_module_address( uint16_t module, uint64_t seed );

#endif
