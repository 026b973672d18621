/* items: storage keys and values of native items, those the host itself reads (R2.2, R2.2b, R5.8, M1.9, M2.8).

     K = module u16 BE | item u16 BE | key fields, big-endian, fixed width                  4..128 bytes
     V = schema byte | deposit record, if the item has `deposit` | BCS value
         deposit record = payer[32] | amount u64        (counters too: then u64 last; else just u64)

   For each item:  dmg_key_<item>( fields.., out ) -> length of K
                   dmg_item_<item>_get( bcs, out )         dmg_item_<item>_put( item, out ) -> length
   get and put work on the BCS value alone; dmg_value_parse and dmg_value_build put schema byte and record
   around it.  The schema byte is the storage_version the value was written under: 1 for both modules here.

   Memory    decoded spans (labels, keys, code) point into the bytes; put writes into caller memory of the
             stated DMG_ITEM_*_MAX and asserts bounds: what we store was judged before
   Failure   get and parse: DMG_ERR_CORRUPT, as stored bytes come from our own disk; out untouched
   Spec      docs/spec/modules.md M1.9, M2.8; storage.md S3 */
#ifndef DMG_TYPES_ITEMS_H
#define DMG_TYPES_ITEMS_H

#include "codec/abi.h"
#include "types/address.h"
#include "types/asset.h"
#include "types/genesis.h"
#include "types/mmr.h"
#include "types/tx.h"

#define DMG_DEPOSIT_SZ   40
#define DMG_COUNTER_SZ   8

enum { DMG_MODULE_SYSTEM = 1, DMG_MODULE_BALANCES = 2 };

/* Kinds of item (dmg_item_kind_t) and dmg_semver_t: codec/abi.h. */

/* X( NAME, module, item, kind, has_deposit, "name" ), ascending. */
#define DMG_ITEM_TABLE( X )                                   \
  X( ACCOUNT,  1,  1, DMG_ITEM_MAP,     true,  "account"  )   \
  X( AUTH,     1,  2, DMG_ITEM_MAP,     true,  "auth"     )   \
  X( LANE,     1,  3, DMG_ITEM_MAP,     true,  "lane"     )   \
  X( SEEN,     1,  4, DMG_ITEM_ORDERED, false, "seen"     )   \
  X( MSIG,     1,  5, DMG_ITEM_MAP,     true,  "msig"     )   \
  X( PARAM,    1,  6, DMG_ITEM_MAP,     false, "param"    )   \
  X( MODULE,   1,  7, DMG_ITEM_MAP,     false, "module"   )   \
  X( CODE,     1,  8, DMG_ITEM_MAP,     true,  "code"     )   \
  X( SCHEMA,   1,  9, DMG_ITEM_MAP,     false, "schema"   )   \
  X( TOPIC,    1, 12, DMG_ITEM_MAP,     false, "topic"    )   \
  X( BEACON,   1, 13, DMG_ITEM_MAP,     false, "beacon"   )   \
  X( BLOCK,    1, 14, DMG_ITEM_VALUE,   false, "block"    )   \
  X( RECEIPTS, 1, 15, DMG_ITEM_VALUE,   false, "receipts" )   \
  X( PLEDGE,   1, 16, DMG_ITEM_MAP,     true,  "pledge"   )   \
  X( VM,       1, 19, DMG_ITEM_VALUE,   false, "vm"       )   \
  X( MSIG_SEQ, 1, 22, DMG_ITEM_COUNTER, true,  "msig_seq" )   \
  X( FREE,     2,  1, DMG_ITEM_COUNTER, true,  "free"     )   \
  X( HELD,     2,  2, DMG_ITEM_COUNTER, false, "held"     )   \
  X( HOLD,     2,  3, DMG_ITEM_COUNTER, false, "hold"     )   \
  X( LOCK,     2,  4, DMG_ITEM_ORDERED, false, "lock"     )   \
  X( VESTING,  2,  5, DMG_ITEM_MAP,     false, "vesting"  )   \
  X( BUCKET,   2,  6, DMG_ITEM_MAP,     false, "bucket"   )   \
  X( BURNED,   2,  7, DMG_ITEM_COUNTER, false, "burned"   )

typedef enum {
#define DMG_ITEM_ENUM( name, module, item, kind, has_deposit, text ) DMG_ITEM_##name,
  DMG_ITEM_TABLE( DMG_ITEM_ENUM )
#undef DMG_ITEM_ENUM
  DMG_ITEM_CNT
} dmg_item_t;

typedef struct { uint16_t module, item; uint8_t kind; bool has_deposit; uint8_t schema; char const * name; } dmg_item_desc_t;
extern dmg_item_desc_t const dmg_item_desc[ DMG_ITEM_CNT ];
/* The table's entry of a module and item number, or NULL. */
dmg_item_desc_t const * dmg_item_find( uint16_t module, uint16_t item );
/* "system.account[..]" of a key for logs and errors: module and item by number if the table lacks them. */
void dmg_key_print( dmg_span_t key, char * out, size_t cap );

/* --- V ----------------------------------------------------------------------------------------------- */

typedef struct { dmg_hash_t payer; uint64_t amount; } dmg_deposit_rec_t;   /* sparks; {zero, 0} from genesis */

/* Splits V; out_deposit may be NULL and is zeroed without has_deposit. */
DMG_MUST_USE dmg_err_t dmg_value_parse( dmg_span_t v, bool has_deposit, uint8_t * out_schema, dmg_deposit_rec_t * out_deposit, dmg_span_t * out_bcs );
/* The BCS in V of that native item. */
DMG_MUST_USE dmg_err_t dmg_value_bcs( dmg_item_t item, dmg_span_t v, dmg_span_t * out_bcs );
/* Length of V for a BCS value of bcs_sz bytes. */
static inline size_t dmg_value_sz( bool has_deposit, size_t bcs_sz ) { return 1+( has_deposit ? DMG_DEPOSIT_SZ : 0u )+bcs_sz; }
/* Writes V into out[ dmg_value_sz ]; deposit NULL: {zero, 0}.  bcs may stand in place, at its offset in out.
   Returns the length. */
size_t dmg_value_build( bool has_deposit, uint8_t schema, dmg_deposit_rec_t const * deposit, dmg_span_t bcs, uint8_t * out );
/* Counters: the u64; absent (an empty V) is 0. */
DMG_MUST_USE dmg_err_t dmg_counter_parse( dmg_span_t v, bool has_deposit, dmg_deposit_rec_t * out_deposit, uint64_t * out );
#define DMG_COUNTER_V_MAX ( 1+DMG_DEPOSIT_SZ+DMG_COUNTER_SZ )
size_t dmg_counter_build( bool has_deposit, uint8_t schema, dmg_deposit_rec_t const * deposit, uint64_t value, uint8_t out[ DMG_COUNTER_V_MAX ] );

/* --- K: each writes at most DMG_KEY_MAX bytes and returns the length ---------------------------------- */

/* The 4 bytes all keys of an item begin with. */
size_t dmg_key_prefix  ( uint16_t module, uint16_t item, uint8_t * out );
size_t dmg_key_account ( dmg_hash_t const * account, uint8_t * out );
size_t dmg_key_auth    ( dmg_hash_t const * account, uint8_t slot, uint8_t * out );
size_t dmg_key_lane    ( dmg_hash_t const * account, uint16_t lane, uint8_t * out );
size_t dmg_key_seen    ( uint64_t bucket, dmg_hash_t const * id, uint8_t * out );   /* bucket = expiry / 40 (M1.3) */
size_t dmg_key_msig    ( dmg_hash_t const * account, uint32_t id, uint8_t * out );
size_t dmg_key_param   ( uint16_t module, uint16_t key, uint8_t * out );
size_t dmg_key_module  ( uint16_t module, uint8_t * out );
size_t dmg_key_code    ( dmg_hash_t const * code, uint8_t * out );
size_t dmg_key_schema  ( uint16_t module, uint16_t call, uint8_t * out );
size_t dmg_key_topic   ( uint8_t kind, dmg_hash_t const * id, uint8_t * out );
size_t dmg_key_beacon  ( uint64_t height, uint8_t * out );                          /* ring of DMG_BEACON_RING */
size_t dmg_key_block   ( uint8_t * out );
size_t dmg_key_receipts( uint8_t * out );
size_t dmg_key_pledge  ( dmg_hash_t const * account, uint16_t module, dmg_asset_t const * asset, dmg_hash_t const * ref, uint8_t * out );
size_t dmg_key_vm      ( uint8_t * out );
size_t dmg_key_msig_seq( dmg_hash_t const * account, uint8_t * out );
size_t dmg_key_free    ( dmg_hash_t const * account, uint8_t * out );
size_t dmg_key_held    ( dmg_hash_t const * account, uint8_t * out );
size_t dmg_key_hold    ( dmg_hash_t const * account, uint8_t reason, dmg_hash_t const * id, uint8_t * out );
size_t dmg_key_lock    ( dmg_hash_t const * account, uint8_t reason, uint8_t * out );
size_t dmg_key_vesting ( dmg_hash_t const * account, uint32_t n, uint8_t * out );
size_t dmg_key_bucket  ( uint8_t bucket, uint8_t * out );
size_t dmg_key_burned  ( uint8_t cause, uint8_t * out );

#define DMG_SEEN_BUCKET_BLOCKS 40
#define DMG_BEACON_RING        4096

/* Topic kinds (R4.15). */
enum { DMG_TOPIC_MODULE = 1, DMG_TOPIC_ACCOUNT, DMG_TOPIC_GAME, DMG_TOPIC_ITEM, DMG_TOPIC_COLLECTION, DMG_TOPIC_KILL, DMG_TOPIC_SESSION };
/* Id of topic kind 1: module u16 BE, zero padded. */
dmg_hash_t dmg_topic_module_id( uint16_t module );

/* --- System ------------------------------------------------------------------------------------------- */

enum { DMG_ACCOUNT_USER, DMG_ACCOUNT_POOL, DMG_ACCOUNT_MODULE };   /* M1.1, in text order */

typedef struct { uint8_t kind; uint64_t kill_epoch; uint32_t auth_epoch; uint16_t t_use, t_owner; uint64_t created_ms; } dmg_item_account_t;
#define DMG_ITEM_ACCOUNT_MAX 25
DMG_MUST_USE dmg_err_t dmg_item_account_get( dmg_span_t bcs, dmg_item_account_t * out );
size_t dmg_item_account_put( dmg_item_account_t const * item, uint8_t * out );

#define DMG_AUTH_LABEL_MAX 32
typedef struct { uint8_t scheme; dmg_span_t key; uint8_t level; uint16_t weight; dmg_span_t label; uint64_t active_from_ms; } dmg_item_auth_t;
#define DMG_ITEM_AUTH_MAX ( 1+1+DMG_AUTH_KEY_MAX+1+2+1+DMG_AUTH_LABEL_MAX+8 )
DMG_MUST_USE dmg_err_t dmg_item_auth_get( dmg_span_t bcs, dmg_item_auth_t * out );
size_t dmg_item_auth_put( dmg_item_auth_t const * item, uint8_t * out );

/* Lane: next nonce; value items of one u64. */
#define DMG_ITEM_U64_MAX 8
DMG_MUST_USE dmg_err_t dmg_item_u64_get( dmg_span_t bcs, uint64_t * out );
size_t dmg_item_u64_put( uint64_t value, uint8_t * out );

/* Seen: {}, an empty BCS value; V is the schema byte alone. */

#define DMG_MSIG_CALL_MAX 4
#define DMG_MSIG_CALLS_SZ_MAX 4096
typedef struct {
  dmg_tx_call_t calls[ DMG_MSIG_CALL_MAX ]; uint32_t call_cnt;
  uint16_t approvals; uint8_t level; uint32_t auth_epoch; uint64_t kill_epoch, until_ms;
} dmg_item_msig_t;
#define DMG_ITEM_MSIG_MAX ( DMG_MSIG_CALLS_SZ_MAX+23 )
DMG_MUST_USE dmg_err_t dmg_item_msig_get( dmg_span_t bcs, dmg_item_msig_t * out );
size_t dmg_item_msig_put( dmg_item_msig_t const * item, uint8_t * out );

typedef struct { dmg_span_t value; bool has_next; dmg_span_t next; uint32_t next_epoch; } dmg_item_param_t;
#define DMG_ITEM_PARAM_MAX ( 2*( 1+DMG_PARAM_VALUE_MAX )+1+4 )
DMG_MUST_USE dmg_err_t dmg_item_param_get( dmg_span_t bcs, dmg_item_param_t * out );
size_t dmg_item_param_put( dmg_item_param_t const * item, uint8_t * out );

enum { DMG_MODULE_ACTIVE, DMG_MODULE_PAUSED, DMG_MODULE_MIGRATING, DMG_MODULE_STATUS_CNT };
#define DMG_MODULE_NAME_MAX 32
#define DMG_MODULE_DEP_MAX  16
typedef struct {
  dmg_span_t   name;
  dmg_semver_t version;
  dmg_hash_t   code, abi;
  uint8_t      storage_version, status;
  uint64_t     activated_at;              /* height */
  bool         has_prev;
  dmg_hash_t   prev;                      /* code hash */
  struct { uint16_t module; dmg_semver_t version; } deps[ DMG_MODULE_DEP_MAX ];
  uint32_t     dep_cnt;
  uint32_t     trap_ppm;
} dmg_item_module_t;
#define DMG_ITEM_MODULE_MAX ( 1+DMG_MODULE_NAME_MAX+6+32+32+1+1+8+33+1+8*DMG_MODULE_DEP_MAX+4 )
DMG_MUST_USE dmg_err_t dmg_item_module_get( dmg_span_t bcs, dmg_item_module_t * out );
size_t dmg_item_module_put( dmg_item_module_t const * item, uint8_t * out );

/* Code: bytes<262144>. */
#define DMG_CODE_SZ_MAX    262144
#define DMG_ITEM_CODE_MAX  ( 3+DMG_CODE_SZ_MAX )
DMG_MUST_USE dmg_err_t dmg_item_code_get( dmg_span_t bcs, dmg_span_t * out_code );
size_t dmg_item_code_put( dmg_span_t code, uint8_t * out );

/* Schema hashes a call accepts, the current one first (R2.3). */
#define DMG_SCHEMA_MAX 8
typedef struct { dmg_hash_t hashes[ DMG_SCHEMA_MAX ]; uint32_t cnt; } dmg_item_schema_t;
#define DMG_ITEM_SCHEMA_MAX ( 1+32*DMG_SCHEMA_MAX )
DMG_MUST_USE dmg_err_t dmg_item_schema_get( dmg_span_t bcs, dmg_item_schema_t * out );
size_t dmg_item_schema_put( dmg_item_schema_t const * item, uint8_t * out );

/* Topic and Receipts: an Mmr. */
DMG_MUST_USE dmg_err_t dmg_item_mmr_get( dmg_span_t bcs, dmg_mmr_t * out );
size_t dmg_item_mmr_put( dmg_mmr_t const * mmr, uint8_t * out );   /* DMG_MMR_BCS_MAX */

/* Beacon: a hash. */
DMG_MUST_USE dmg_err_t dmg_item_hash_get( dmg_span_t bcs, dmg_hash_t * out );
size_t dmg_item_hash_put( dmg_hash_t const * hash, uint8_t * out );

/* Written at each block's end; price in micro-sparks a gas, the one block height + 1 uses (R5.9). */
typedef struct { uint64_t height, time_ms, price; dmg_hash_t receipts_root; uint32_t tx_cnt; } dmg_item_block_t;
#define DMG_ITEM_BLOCK_MAX 60
DMG_MUST_USE dmg_err_t dmg_item_block_get( dmg_span_t bcs, dmg_item_block_t * out );
size_t dmg_item_block_put( dmg_item_block_t const * item, uint8_t * out );

typedef struct { uint64_t amount; bool has_min; dmg_asset_t min_asset; uint64_t min_amount, until_ms, kill_epoch; } dmg_item_pledge_t;
#define DMG_ITEM_PLEDGE_MAX ( 8+1+DMG_ASSET_BCS_MAX+8+8+8 )
DMG_MUST_USE dmg_err_t dmg_item_pledge_get( dmg_span_t bcs, dmg_item_pledge_t * out );
size_t dmg_item_pledge_put( dmg_item_pledge_t const * item, uint8_t * out );

typedef struct { uint16_t instr_version, host_api; uint32_t next_bundle; } dmg_item_vm_t;
#define DMG_ITEM_VM_MAX 8
DMG_MUST_USE dmg_err_t dmg_item_vm_get( dmg_span_t bcs, dmg_item_vm_t * out );
size_t dmg_item_vm_put( dmg_item_vm_t const * item, uint8_t * out );

/* --- Balances ----------------------------------------------------------------------------------------- */

/* Free, Held, Hold, Burned (and System's msig_seq) are counters: dmg_counter_*. */
enum { DMG_HOLD_STORAGE, DMG_HOLD_ACTIVATION, DMG_HOLD_BID, DMG_HOLD_NAME, DMG_HOLD_PROPOSAL, DMG_HOLD_SPONSOR, DMG_HOLD_DISPUTE, DMG_HOLD_BUNDLE };
enum { DMG_BUCKET_PLEROMA, DMG_BUCKET_ARCHON, DMG_BUCKET_TREASURY, DMG_BUCKET_RESERVE, DMG_BUCKET_TEAM, DMG_BUCKET_OFFERING, DMG_BUCKET_CNT };
enum { DMG_BURN_FEES = 0 };
#define DMG_BALANCES_LOCK_MAX 8   /* locks of one account */

typedef struct { uint64_t amount, until_ms; } dmg_item_lock_t;
#define DMG_ITEM_LOCK_MAX 16
DMG_MUST_USE dmg_err_t dmg_item_lock_get( dmg_span_t bcs, dmg_item_lock_t * out );
size_t dmg_item_lock_put( dmg_item_lock_t const * item, uint8_t * out );

#define DMG_VESTING_STEP_MAX 8
typedef struct {
  uint64_t total, claimed; bool is_linear;
  struct { uint64_t at_ms; uint16_t bps; } steps[ DMG_VESTING_STEP_MAX ]; uint32_t step_cnt;
} dmg_item_vesting_t;
#define DMG_ITEM_VESTING_MAX ( 8+8+1+1+10*DMG_VESTING_STEP_MAX )
DMG_MUST_USE dmg_err_t dmg_item_vesting_get( dmg_span_t bcs, dmg_item_vesting_t * out );
size_t dmg_item_vesting_put( dmg_item_vesting_t const * item, uint8_t * out );

#define DMG_BUCKET_STEP_MAX 16
typedef struct {
  dmg_hash_t pool; uint64_t paid;
  struct { uint64_t at_ms, total; } schedule[ DMG_BUCKET_STEP_MAX ]; uint32_t schedule_cnt;
} dmg_item_bucket_t;
#define DMG_ITEM_BUCKET_MAX ( 32+8+1+16*DMG_BUCKET_STEP_MAX )
DMG_MUST_USE dmg_err_t dmg_item_bucket_get( dmg_span_t bcs, dmg_item_bucket_t * out );
size_t dmg_item_bucket_put( dmg_item_bucket_t const * item, uint8_t * out );

#endif
