/* put: canonical bytes as JSON, the same wherever they appear (F0.2). */
#ifndef DMG_RPC_PUT_H
#define DMG_RPC_PUT_H

#include "rpc/json.h"
#include "rpc/query.h"
#include "types/block.h"
#include "types/items.h"
#include "types/receipt.h"
#include "types/tx.h"

/* An address as text; a member of that name. */
void dmg_put_address ( dmg_jw_t * out, dmg_hash_t const * address );
void dmg_put_kaddress( dmg_jw_t * out, char const * key, dmg_hash_t const * address );
/* {"kind":"Cgt"}, {"kind":"Item","value":"0x.."}: the form of arguments (abi_json.h). */
void dmg_put_asset   ( dmg_jw_t * out, dmg_asset_t const * asset );
void dmg_put_header  ( dmg_jw_t * out, dmg_header_t const * header );
void dmg_put_receipt ( dmg_jw_t * out, dmg_receipt_t const * receipt );
void dmg_put_tx      ( dmg_jw_t * out, dmg_tx_t const * tx );
/* A module's registry entry: members id, name, version, codeHash, abiHash, storageVersion, status. */
void dmg_put_module  ( dmg_jw_t * out, uint16_t id, dmg_item_module_t const * module );
/* F4.4: {kind, ..}. */
void dmg_put_status  ( dmg_jw_t * out, dmg_query_tx_status_t const * status );
/* "unknown", "pooled", .. */
char const * dmg_tx_state_name( dmg_tx_state_t state );

#endif
