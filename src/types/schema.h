/* schema: the hashes of an interface: what a transaction signs for each call, what the registry keeps.

     call of an Abi --dmg_schema_write--> BCS --H("dmg/schema/v1")--> schema hash (R2.3)
     section dm:abi                       BCS --H("dmg/abi/v1")----> abi hash    (R2.2)

   Memory   one call's bytes on the heap while it is hashed
   Failure  dmg_schema_hash: DMG_ERR_NOMEM
   Bounds   those of codec/abi.h
   Spec     docs/spec/runtime.md R2.2, R2.3, R2.3a */
#ifndef DMG_TYPES_SCHEMA_H
#define DMG_TYPES_SCHEMA_H

#include "codec/abi.h"
#include "crypto/hash.h"

/* Of a call (or a query) of that module: module id, call id, name, arguments with expanded types, says. */
DMG_MUST_USE dmg_err_t dmg_schema_hash( uint16_t module, dmg_abi_fn_t const * call, dmg_hash_t * out );

/* Of the bytes of section dm:abi. */
dmg_hash_t dmg_abi_hash( dmg_span_t raw );

#endif
