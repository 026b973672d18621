/* vm: what Wasmtime's own C API lacks.

   The engine is used through <wasm.h> and <wasmtime.h>, which lie beside
   this header; libdmg_native exports all of their functions.  Here are
   the settings and calls that only Wasmtime's Rust side has.

     wasm_config_new() -> wasmtime_config_*_set(), dmgn_vm_config_*()
       -> dmgn_vm_engine_new() -> wasm_engine_t, used as always

   Threads   As wasmtime.h: a config belongs to one thread, an engine to all.
   Failure   Only dmgn_vm_engine_new fails.
   Not here  Which values the node sets: runtime/vm_wasmtime.c (R1.2). */
#ifndef DMGN_VM_H
#define DMGN_VM_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <wasm.h>
#include <wasmtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* dmgn_vm_config_backtrace_off: collect no backtrace when wasm traps
   (wasm_backtrace_max_frames = None).  A trap then costs microseconds less,
   and its cost does not grow with the depth of the stack. */
void dmgn_vm_config_backtrace_off( wasm_config_t * config );

/* dmgn_vm_config_address_map_set: whether artifacts carry the map from
   native addresses to wasm offsets (default true); only backtraces read it. */
void dmgn_vm_config_address_map_set( wasm_config_t * config, bool is_on );

/* dmgn_vm_config_table_lazy_init_set: whether function tables are filled on
   first use of an element (default true) or at instantiation. */
void dmgn_vm_config_table_lazy_init_set( wasm_config_t * config, bool is_on );

/* WebAssembly proposals by name.  Mutable globals belong to the MVP as it
   is used today; all else is a choice. */
#define DMGN_VM_MUTABLE_GLOBAL    (1u<<0)
#define DMGN_VM_SIGN_EXTENSION    (1u<<1)
#define DMGN_VM_BULK_MEMORY       (1u<<2)
#define DMGN_VM_FLOATS            (1u<<3)
#define DMGN_VM_SATURATING_FLOAT  (1u<<4)
#define DMGN_VM_MULTI_VALUE       (1u<<5)
#define DMGN_VM_REFERENCE_TYPES   (1u<<6)
#define DMGN_VM_EXTENDED_CONST    (1u<<7)
#define DMGN_VM_SIMD              (1u<<8)

/* dmgn_vm_config_proposals: switch on exactly the proposals in mask and off
   every other that this version of the engine knows, also those of later
   versions: an engine update never widens what is accepted.  Overrides
   earlier wasmtime_config_wasm_*_set calls, is overridden by later ones. */
void dmgn_vm_config_proposals( wasm_config_t * config, uint32_t mask );

/* dmgn_vm_engine_new: wasm_engine_new_with_config without its abort: NULL
   and a message in err (terminated, cut to err_sz) when the settings
   contradict each other or the memory pool cannot be reserved.  Takes the
   config in both cases. */
wasm_engine_t * dmgn_vm_engine_new( wasm_config_t * config, char * err, size_t err_sz );

/* dmgn_vm_engine_key: 32 bytes that change whenever an artifact made by
   this engine might not load in another one: version, target, CPU features
   in use, settings.  For the key of a cache of artifacts (R1.7). */
void dmgn_vm_engine_key( wasm_engine_t const * engine, uint8_t out_key[32] );

/* dmgn_vm_version: the engine's version, "48.0.8"; static storage. */
char const * dmgn_vm_version( void );

#ifdef __cplusplus
}
#endif
#endif
