/* tx: a transaction, its canonical bytes, id and intrinsic gas (R4.13, R5.1).

     raw = BCS { body, auth }, at most 65,536 bytes
     body  version u8 = 1 | chain[32] | sender[32] | lane u16 | nonce u64 | expiry u64 | gas u64
           | fee: enum { 0 EnergyOnly, 1 EnergyThenFee { max u64, tip u64 } }
           | sponsor: option [32]
           | calls: list 1..32 { module u16, call u16, schema[32], args bytes }
           | post:  list 0..32 Post
     auth  enum { 0 Keys { init: option AccountInit, sigs: list 1..16 Sig }, 1 Session { grant u32, sig Sig }, 2 Unsigned {} }
     Sig   enum { 0 Ed25519 { key[32], sig[64] }, 1 Secp256k1 { key[33], sig[64] }, 2 P256 { key[33], sig[64] },
                  3 WebAuthn { key[33], auth_data bytes<256>, client_data bytes<1024>, sig[64] }, 4 Bls { key[96], sig[48] } }
     Post  enum { 0 SpendsMax, 1 ReceivesMin { account, asset, amount u64 }, 2 Owns, 3 OwnsNot { account, asset },
                  4 Value { K bytes<128>, vh[32] }, 5 Result { call u8, hash[32] }, 6 EnergyMax u64, 7 FeeMax u64, 8 Outcome[32] }

     id = H("dmg/tx/v1", BCS(body)), also what is signed: signatures are not part of it

   Decoding judges the form alone: one encoding a value, bounds, a key once, a well-formed AccountInit.
   Chain id, expiry, lanes, gas limits, schemas, authority and signatures are judged elsewhere (R4.1, R4.3).

   Memory    a decoded tx lives in the arena and keeps spans into raw: raw must outlive it
   Failure   a verdict that names field and offset; LOCAL with DMG_ERR_NOMEM when the arena is full
   Bounds    a decode takes at most DMG_TX_DECODE_MEM_MAX bytes of the arena
   Spec      docs/spec/runtime.md R4.13, modules.md M1.2a-b */
#ifndef DMG_TYPES_TX_H
#define DMG_TYPES_TX_H

#include "base/arena.h"
#include "base/verdict.h"
#include "types/address.h"
#include "types/asset.h"

#define DMG_TX_SZ_MAX         65536
#define DMG_TX_VERSION        1
#define DMG_TX_CALL_MAX       32
#define DMG_TX_POST_MAX       32
#define DMG_TX_SIG_MAX        16
/* Lanes 0..1023 are sequences; 65,535 is unordered (M1.3). The lanes between are nobody's. */
#define DMG_TX_LANE_CNT       1024
#define DMG_TX_LANE_UNORDERED 65535

typedef enum { DMG_FEE_ENERGY_ONLY, DMG_FEE_ENERGY_THEN_FEE } dmg_fee_kind_t;
typedef enum { DMG_TX_AUTH_KEYS, DMG_TX_AUTH_SESSION, DMG_TX_AUTH_UNSIGNED } dmg_tx_auth_t;

typedef struct { uint16_t module, call; dmg_hash_t schema; dmg_span_t args; } dmg_tx_call_t;

typedef enum {
  DMG_POST_SPENDS_MAX, DMG_POST_RECEIVES_MIN, DMG_POST_OWNS, DMG_POST_OWNS_NOT, DMG_POST_VALUE, DMG_POST_RESULT,
  DMG_POST_ENERGY_MAX, DMG_POST_FEE_MAX, DMG_POST_OUTCOME, DMG_POST_KIND_CNT
} dmg_post_kind_t;

typedef struct {
  uint8_t     kind;      /* dmg_post_kind_t; which fields count: */
  uint8_t     call;      /* RESULT */
  dmg_hash_t  account;   /* SPENDS_MAX .. OWNS_NOT */
  dmg_asset_t asset;     /* SPENDS_MAX .. OWNS_NOT */
  uint64_t    amount;    /* SPENDS_MAX, RECEIVES_MIN, ENERGY_MAX, FEE_MAX */
  dmg_span_t  key;       /* VALUE: storage key K */
  dmg_hash_t  hash;      /* VALUE: H("dmg/state/value/v1", V), zero: absent; RESULT; OUTCOME */
} dmg_tx_post_t;

typedef struct {
  uint8_t    scheme;                  /* dmg_sig_scheme_t */
  dmg_span_t key, sig;                /* of the scheme's exact sizes */
  dmg_span_t auth_data, client_data;  /* WebAuthn; else empty */
} dmg_tx_sig_t;

typedef struct {
  dmg_span_t      raw, body;          /* body is a part of raw; both empty in a tx made by hand */
  dmg_hash_t      id;

  uint8_t         version;            /* 1 */
  uint8_t         fee_kind;           /* dmg_fee_kind_t */
  uint16_t        lane;
  dmg_hash_t      chain, sender;
  uint64_t        nonce, expiry, gas; /* expiry: last height that may hold it; gas: execution only */
  uint64_t        fee_max, tip;       /* sparks; fee_max includes the tip; 0, 0 for EnergyOnly */
  bool            has_sponsor;
  dmg_hash_t      sponsor;
  dmg_tx_call_t * calls;
  dmg_tx_post_t * posts;
  uint32_t        call_cnt, post_cnt;

  uint8_t         auth;               /* dmg_tx_auth_t */
  uint32_t        grant;              /* SESSION */
  dmg_account_init_t const * init;    /* KEYS: the first transaction's authenticators, or NULL */
  dmg_tx_sig_t *  sigs;               /* KEYS 1..16, SESSION 1, UNSIGNED 0 */
  uint32_t        sig_cnt;
} dmg_tx_t;

#define DMG_TX_DECODE_MEM_MAX ( sizeof( dmg_tx_t )+sizeof( dmg_account_init_t )+DMG_TX_CALL_MAX*sizeof( dmg_tx_call_t ) \
                               +DMG_TX_POST_MAX*sizeof( dmg_tx_post_t )+DMG_TX_SIG_MAX*sizeof( dmg_tx_sig_t )+(size_t)5*16 )

/* raw: the whole transaction.  *out only on GOOD. */
dmg_verdict_t dmg_tx_decode( dmg_span_t raw, dmg_arena_t * arena, dmg_tx_t ** out );

/* Canonical bytes from the fields (raw, body and id are not read), appended to buf.  INVALID: a count, size
   or enum that no decoder would take, or more than 65,536 bytes; else the buffer's failures. */
DMG_MUST_USE dmg_err_t dmg_tx_encode     ( dmg_tx_t const * tx, dmg_buf_t * buf );
DMG_MUST_USE dmg_err_t dmg_tx_body_encode( dmg_tx_t const * tx, dmg_buf_t * buf );
/* H("dmg/tx/v1", body bytes). */
dmg_hash_t dmg_tx_id( dmg_span_t body );

/* R5.1: 6,000 + 8 a byte of raw_sz + each signature's price. */
uint64_t dmg_tx_intrinsic_gas( dmg_tx_t const * tx, size_t raw_sz );
/* R5.1: prologue and epilogue, part of the execution gas: 8,000, + 4,000 each for a session, a sponsor,
   more than one signature. */
uint64_t dmg_tx_frame_gas( dmg_tx_t const * tx );
static inline bool dmg_tx_lane_is_valid( uint16_t lane ) { return lane<DMG_TX_LANE_CNT || lane==DMG_TX_LANE_UNORDERED; }

#endif
