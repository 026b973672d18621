/* safety_json: what a safety file says, as text that another signer imports; the form of EIP-3076.

     { "metadata": { "interchange_format": "demiurge-safety", "interchange_format_version": "1", "chain_id": "0x.." },
       "data": [ { "key": "0x..", "epoch": 3, "mode": "vote" | "observe", "from_ms": "0", "floor": "120",
                   "marks": { "notarize": { "view": "130", "hash": "0x.." }, "nullify": .., "finalize": .., "propose": .. } } ] }

   Marks say how far a key went, not what it signed: whoever imports them signs nothing at or below the highest.

   Failure  a text that says what is wrong and where
   Bounds   DMG_SAFETY_JSON_MAX entries */
#ifndef DMG_NODE_SAFETY_JSON_H
#define DMG_NODE_SAFETY_JSON_H

#include "consensus/safety.h"

enum { DMG_SAFETY_JSON_MAX = 16 };

DMG_MUST_USE dmg_err_t dmg_safety_json_print( dmg_safety_export_t const * in, dmg_buf_t * out );
/* INVALID with out_why: anything missing, unknown, twice or of another form; another chain_id than each entry's is not possible, there is one. */
DMG_MUST_USE dmg_err_t dmg_safety_json_parse( dmg_span_t text, dmg_safety_export_t out[ DMG_SAFETY_JSON_MAX ], uint32_t * out_cnt, char out_why[ 200 ] );

#endif
