/* genesis: what a chain starts from (M16.6); its hash is the chain id.

     BCS { version u16 = 1, name str<32>, kind u8 {0 main 1 test 2 dev}, time_ms u64, first: option hash, root: option [32],
           instr_version u16, host_api u16,
           params     list { module u16, key u16, value bytes<64> }                    ascending by (module, key)
           modules    list { id u16, code[32], config list bytes<32768> }              ascending by id
           validators list { account[32], key[96], pop[48], peer bytes<64>, bond u64, bucket u8 } }
     hash      = H("dmg/genesis/v1", it)          code hash = H("dmg/code/v1", file bytes)

   It is no block: height 0, view 0; header 1 has parent_hash = this hash.

   Memory    a decoded genesis lives in the arena with spans into the bytes
   Failure   verdicts; encoding: INVALID past a bound, else the buffer's failures
   Bounds    below; DMG_GENESIS_SZ_MAX in all */
#ifndef DMG_TYPES_GENESIS_H
#define DMG_TYPES_GENESIS_H

#include "base/arena.h"
#include "base/verdict.h"
#include "crypto/hash.h"

#define DMG_GENESIS_VERSION       1
#define DMG_GENESIS_SZ_MAX        ( 64u<<20 )
#define DMG_GENESIS_NAME_MAX      32
#define DMG_GENESIS_PARAM_MAX     1024
#define DMG_GENESIS_MODULE_MAX    256
#define DMG_GENESIS_CONFIG_MAX    1024      /* parts a module */
#define DMG_GENESIS_CONFIG_SZ_MAX 32768     /* bytes a part */
#define DMG_GENESIS_VALIDATOR_MAX 128
#define DMG_GENESIS_PEER_MAX      64
#define DMG_PARAM_VALUE_MAX       64

typedef enum { DMG_GENESIS_MAIN, DMG_GENESIS_TEST, DMG_GENESIS_DEV, DMG_GENESIS_KIND_CNT } dmg_genesis_kind_t;

typedef struct { uint16_t module, key; dmg_span_t value; } dmg_genesis_param_t;
typedef struct { uint16_t id; dmg_hash_t code; dmg_span_t * config; uint32_t config_cnt; } dmg_genesis_module_t;
typedef struct { dmg_hash_t account; uint8_t key[ 96 ]; uint8_t pop[ 48 ]; dmg_span_t peer; uint64_t bond; uint8_t bucket; } dmg_genesis_validator_t;

typedef struct {
  uint16_t   version;
  dmg_span_t name;               /* UTF-8, not ended by a zero */
  uint8_t    kind;               /* dmg_genesis_kind_t */
  uint64_t   time_ms;
  bool       has_first, has_root;
  dmg_hash_t first, root;        /* first: the chain's first genesis hash after an operators' restart */
  uint16_t   instr_version, host_api;
  dmg_genesis_param_t *     params;
  dmg_genesis_module_t *    modules;
  dmg_genesis_validator_t * validators;
  uint32_t   param_cnt, module_cnt, validator_cnt;
} dmg_genesis_t;

/* "main", "test", "dev"; "unknown" outside. */
char const * dmg_genesis_kind_name( unsigned kind );

/* Form: bounds, ascending lists, known version and kind. */
dmg_verdict_t dmg_genesis_decode( dmg_span_t bytes, dmg_arena_t * arena, dmg_genesis_t ** out );
DMG_MUST_USE dmg_err_t dmg_genesis_encode( dmg_genesis_t const * genesis, dmg_buf_t * buf );
/* Sense, for files and hand-made ones alike: a name, a time, no root on main, params of the table within
   their bounds (params.h), System and Balances among the modules, validators apart.  The offset is 0.
   The supply is checked by the modules' hooks (M16.2). */
dmg_verdict_t dmg_genesis_check( dmg_genesis_t const * genesis );
dmg_hash_t dmg_genesis_hash( dmg_span_t bytes );
dmg_hash_t dmg_code_hash( dmg_span_t file );

#endif
