/* abi_json: values of a module's interface between JSON and BCS, by their Type (F0.2).

     JSON --dmg_abi_json_read--> BCS        BCS --dmg_abi_json_print--> JSON

     bool true | u8 u16 u32 i8 i16 i32 number | u64 u128 i64 i128 amount "decimal string"
     address "dmg1.." | hash, bytes[n], bytes<n> "0x.." | str<n> "text" | list [..] | map [[key, value], ..], keys ascending
     T? value or null | struct {field: ..}, options and later fields may be left out
     enum {"kind": "Name", "value": ..}, asset {"kind": "Cgt"} or {"kind": "Item", "value": "0x.."}

   The shapes of dmic's JSON Schema: one form a value; unknown members, fractions, signs and leading zeros are refused.

   Memory   none of its own
   Failure  read: false, and out_bad names path, what was expected and what came (F4.1)
   Bounds   those of the type; BCS by wr's room */
#ifndef DMG_RPC_ABI_JSON_H
#define DMG_RPC_ABI_JSON_H

#include "codec/abi.h"
#include "rpc/json.h"

typedef struct { char path[ 200 ], expected[ 200 ], got[ 96 ]; } dmg_abi_json_bad_t;

/* An account as text; false: it is none.  What an address may look like beyond dmg1.. is the caller's. */
typedef struct { bool (* account)( void * ctx, dmg_span_t text, dmg_hash_t * out ); void * ctx; } dmg_abi_json_ref_t;
/* dmg1.. and nothing else. */
extern dmg_abi_json_ref_t const dmg_abi_json_plain;

/* Appends the BCS of one value.  name: what the path in out_bad begins with. */
bool dmg_abi_json_read ( dmg_type_t const * type, dmg_jv_t json, char const * name, dmg_abi_json_ref_t const * ref, dmg_bcs_wr_t * wr, dmg_abi_json_bad_t * out_bad );
/* Arguments: an object, or an array with them in order (F4.1). */
bool dmg_abi_json_args ( dmg_type_t const * args, dmg_jv_t json, dmg_abi_json_ref_t const * ref, dmg_bcs_wr_t * wr, dmg_abi_json_bad_t * out_bad );
/* Prints one value, which must be valid (dmg_type_validate): null where it is not. */
void dmg_abi_json_print( dmg_type_t const * type, dmg_bcs_rd_t * rd, dmg_jw_t * out );

/* "u64", "list<Payment, 200>": the type as the interface language writes it. */
void dmg_abi_json_type_text( dmg_type_t const * type, char * out, size_t cap );

#endif
