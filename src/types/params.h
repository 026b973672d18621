/* params: the table of chain parameters (System item 6), their numbers, defaults and hard bounds.

     X( NAME, module, key, "text", default, lo, hi, hi_dev )

   A parameter is named by (module, key), key in table order per module and never reused.  Its value is
   BCS u64, 8 bytes.  Governance moves it inside [lo, hi] (M0.14); a dev genesis may set it up to hi_dev, so
   that benchmarks can raise block limits.  A chain whose genesis does not name a parameter has the default.
   instr_version and host_api are none: only a bundle changes them (D7, System item 19).

   The bounds of the block's gas keep a block under the caps of R4.4: 96 MB of events at 2 gas a byte.

   Spec  docs/spec/modules.md M0.14; where each value comes from stands beside it */
#ifndef DMG_TYPES_PARAMS_H
#define DMG_TYPES_PARAMS_H

#include "base/bytes.h"

#define DMG_PARAM_TABLE( X )                                                                                              \
  X( BLOCK_GAS,        1,  0, "block_gas",            160000000,  50000000, 190000000, 4000000000 ) /* R4.4: sum of gas limits */      \
  X( BLOCK_INTRINSIC,  1,  1, "block_intrinsic_gas",  400000000, 100000000, 400000000, 8000000000 ) /* R4.4 */                         \
  X( BLOCK_TXS,        1,  2, "block_txs",                10000,       100,     10000,      10000 ) /* R4.4, C2.2 */                   \
  X( BODY_MAX,         1,  3, "body_max",               1048576,    131072,   1048576,    4194304 ) /* C1.3: bytes, hard */            \
  X( BODY_SOFT,        1,  4, "body_soft",               131072,    131072,   1048576,    4194304 ) /* C1.3: bytes a builder aims at */ \
  X( PACE_MS,          1,  5, "pace_ms",                    250,       100,      2000,       2000 ) /* C1.3: T */                      \
  X( SKEW_MS,          1,  6, "skew_ms",                    500,       100,      2000,       2000 ) /* C1.3 */                         \
  X( WINDOW_VIEWS,     1,  7, "window_views",                 4,         1,         4,          4 ) /* C1.3: L */                      \
  X( TX_GAS,           1,  8, "tx_gas_max",            50000000,   1000000,  50000000, 1000000000 ) /* R4.1: limit of one transaction */ \
  X( EXPIRY_WINDOW,    1,  9, "expiry_window",            14400,       480,     14400,      14400 ) /* R4.1: blocks ahead */           \
  X( UNORDERED_WINDOW, 1, 10, "unordered_window",           480,        40,       480,        480 ) /* M1.3: blocks ahead, lane 65,535 */ \
  X( UNORDERED_BLOCK,  1, 11, "unordered_block_max",       1000,        10,      1000,      10000 ) /* M1.3: a block */                \
  X( DEPOSIT_PRICE,    1, 12, "deposit_price",            10000,      1000,   1000000,    1000000 ) /* M0.8: sparks a byte */          \
  X( PRICE_TARGET,     1, 13, "price_target_gas",      25200000,   1000000,  60000000, 2000000000 ) /* R5.9: T */                      \
  X( EPOCH_BLOCKS,     1, 14, "epoch_blocks",          86400,       240,    345600,     345600 ) /* C1.3 */                         \
  X( DELTA_MS,         1, 15, "delta_ms",                200,        50,      2000,       2000 ) /* C1.3: delay allowance */        \
  X( BACKOFF_CAP_MS,   1, 16, "backoff_cap_ms",        30000,      5000,    120000,     120000 ) /* C1.3 */                         \
  X( EMPTY_LAG,        1, 17, "empty_lag",                16,         8,        16,         16 ) /* C1.3: E, views */                \
  X( PRICE_FLOOR,      2,  0, "price_floor",            1700000,    170000,  17000000,   17000000 ) /* M2.5: micro-sparks a gas */

typedef enum {
#define DMG_PARAM_ENUM( name, module, key, text, def, lo, hi, hi_dev ) DMG_PARAM_##name,
  DMG_PARAM_TABLE( DMG_PARAM_ENUM )
#undef DMG_PARAM_ENUM
  DMG_PARAM_CNT
} dmg_param_t;

typedef struct { uint16_t module, key; char const * name; uint64_t def, lo, hi, hi_dev; } dmg_param_desc_t;
extern dmg_param_desc_t const dmg_param_desc[ DMG_PARAM_CNT ];

/* All values at one height: params.v[ DMG_PARAM_BLOCK_GAS ]. */
typedef struct { uint64_t v[ DMG_PARAM_CNT ]; } dmg_params_t;

void dmg_params_default( dmg_params_t * out );
/* false: the table has no such parameter. */
bool dmg_param_find( uint16_t module, uint16_t key, dmg_param_t * out );
/* false: not 8 bytes (the one form of a value), or outside [lo, hi] ([lo, hi_dev] with is_dev). */
bool dmg_param_parse( dmg_param_t param, dmg_span_t value, bool is_dev, uint64_t * out );

#endif
