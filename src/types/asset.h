/* asset: what an amount is an amount of (R2.2b, D5).

     BCS  enum { 0 Cgt {}, 1 Currency [32], 2 Item [32], 3 Share [32], 4 Lp [32] }
     key  33 bytes: tag u8 | id[32], zero for Cgt

   Share names a vault item, Lp a pool; 1 CGT = 100,000,000 sparks. */
#ifndef DMG_TYPES_ASSET_H
#define DMG_TYPES_ASSET_H

#include "codec/abi.h"
#include "crypto/hash.h"

typedef enum { DMG_ASSET_CGT, DMG_ASSET_CURRENCY, DMG_ASSET_ITEM, DMG_ASSET_SHARE, DMG_ASSET_LP } dmg_asset_kind_t;
_Static_assert( DMG_ASSET_LP+1==DMG_ASSET_CNT, "a kind a tag of codec/abi.h" );
/* "Cgt", ..; "unknown" outside. */
char const * dmg_asset_kind_name( unsigned kind );

typedef struct { uint8_t kind; dmg_hash_t id; } dmg_asset_t;   /* kind: dmg_asset_kind_t; id zero for CGT */

#define DMG_ASSET_BCS_MAX  33
#define DMG_ASSET_KEY_SZ   33
#define DMG_SPARKS_PER_CGT 100000000ull
/* DMG_AMOUNT_MAX, the largest `amount` (M0.5): codec/abi.h. */
/* Supply at genesis, never more: 13,000,000,000 CGT. */
#define DMG_SUPPLY_SPARKS  1300000000000000000ull

/* "12.5 CGT": for people. */
enum { DMG_AMOUNT_TEXT_SZ = 40 };
void dmg_amount_text( uint64_t sparks, char out[ DMG_AMOUNT_TEXT_SZ ] );

void dmg_asset_read ( dmg_bcs_rd_t * rd, dmg_asset_t * out );   /* sticky, as all of codec/bcs.h */
void dmg_asset_write( dmg_bcs_wr_t * wr, dmg_asset_t const * asset );
void dmg_asset_key  ( dmg_asset_t const * asset, uint8_t out[ DMG_ASSET_KEY_SZ ] );

#endif
