/* dm_host: the host API "dm1" as a module sees it (R1.9, R1.12).

   Names and types are those of the host's table; under the native build the same names are
   functions of host_native.c.  Use the typed wrappers of dm.h and of the generated header; this
   file is their ground.

     pointers are offsets into the module's memory; every result >= 0 is success (often a length), codes < 0 below
     key_*      the key fields only: module and item number are the host's business
     value_*    schema byte, then BCS; the deposit record between them never shows
     get        returns the value's length, copies min( length, out_n )
     scan       entries after `after` (empty: from the start) under prefix, ascending; returns bytes written, a
                whole number of entries: { key_n u8, key, value_n u16 LE, value } each; 0 at the end
     del        DM_E_ABSENT if there was nothing
     ctr_get    out: u64; returns 8; 0 in out if absent
     ctr_add    the sum must stay in 0..max, else DM_E_BOUND and nothing changes
     call       flags DM1_AS_ACTOR or DM1_AS_SELF (then seed names the own sub-account); returns the result's length
     auth       1 if that account signed in this role or a stronger one, else 0
     verify     1 if the signature holds, else 0; sig of WebAuthn: BCS { auth_data, client_data, sig[64] }
     beacon     height's beacon (32 bytes), DM_E_ABSENT outside the ring or in the future
   A bad pointer, undeclared item, wrong key or value, write in a query: the host ends the run. */
#ifndef DM_HOST_H
#define DM_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __wasm__
#define DM_IMPORT( name ) __attribute__(( import_module( "dm1" ), import_name( name ) ))
#else
#define DM_IMPORT( name )
#endif
typedef void const * dm_ptr_t;
typedef void *       dm_out_t;
typedef uint32_t     dm_len_t;

#define DM_E_ABSENT       (-1)
#define DM_E_BOUND        (-2)
#define DM_E_REENTRANT    (-3)
#define DM_E_DEPTH        (-4)
#define DM_E_NO_MODULE    (-5)
#define DM_E_PAUSED       (-6)
#define DM_E_MIGRATING    (-7)
#define DM_E_ROLE         (-8)
#define DM_E_SMALL_BUFFER (-9)
#define DM_E_NO_PLEDGE    (-10)
#define DM_E_LIMIT        (-11)
#define DM_E_FAULT        (-256)   /* -256 - n: fault n of the callee */

#define DM1_AS_ACTOR 0u
#define DM1_AS_SELF  1u

DM_IMPORT( "get" )          int32_t dm1_get( uint32_t item, dm_ptr_t key, dm_len_t key_n, dm_out_t out, dm_len_t out_n );
DM_IMPORT( "put" )          int32_t dm1_put( uint32_t item, dm_ptr_t key, dm_len_t key_n, dm_ptr_t value, dm_len_t value_n );
DM_IMPORT( "del" )          int32_t dm1_del( uint32_t item, dm_ptr_t key, dm_len_t key_n );
DM_IMPORT( "scan" )         int32_t dm1_scan( uint32_t item, dm_ptr_t prefix, dm_len_t prefix_n, dm_ptr_t after, dm_len_t after_n, dm_out_t out, dm_len_t out_n, uint32_t max );
DM_IMPORT( "ctr_get" )      int32_t dm1_ctr_get( uint32_t item, dm_ptr_t key, dm_len_t key_n, dm_out_t out );
DM_IMPORT( "ctr_add" )      int32_t dm1_ctr_add( uint32_t item, dm_ptr_t key, dm_len_t key_n, int64_t delta, uint64_t max );
DM_IMPORT( "emit" )         int32_t dm1_emit( uint32_t event, dm_ptr_t data, dm_len_t data_n );
DM_IMPORT( "call" )         int32_t dm1_call( uint32_t module, uint32_t id, uint32_t flags, uint64_t seed, dm_ptr_t args, dm_len_t args_n, dm_out_t out, dm_len_t out_n );
DM_IMPORT( "query" )        int32_t dm1_query( uint32_t module, uint32_t id, uint32_t flags, uint64_t seed, dm_ptr_t args, dm_len_t args_n, dm_out_t out, dm_len_t out_n );
DM_IMPORT( "fault" )        int32_t dm1_fault( dm_ptr_t data, dm_len_t data_n );
DM_IMPORT( "callee_fault" ) int32_t dm1_callee_fault( dm_out_t out, dm_len_t out_n );
DM_IMPORT( "log" )          int32_t dm1_log( dm_ptr_t data, dm_len_t data_n );
DM_IMPORT( "auth" )         int32_t dm1_auth( dm_ptr_t account, uint32_t role );
DM_IMPORT( "sub_account" )  int32_t dm1_sub_account( uint64_t seed, dm_out_t out );
DM_IMPORT( "verify" )       int32_t dm1_verify( uint32_t alg, dm_ptr_t key, dm_len_t key_n, dm_ptr_t msg, dm_len_t msg_n, dm_ptr_t sig, dm_len_t sig_n );
DM_IMPORT( "sha256" )       int32_t dm1_sha256( dm_ptr_t in, dm_len_t in_n, dm_out_t out );
DM_IMPORT( "keccak256" )    int32_t dm1_keccak256( dm_ptr_t in, dm_len_t in_n, dm_out_t out );
DM_IMPORT( "blake2b" )      int32_t dm1_blake2b( dm_ptr_t in, dm_len_t in_n, dm_out_t out );
DM_IMPORT( "beacon" )       int32_t dm1_beacon( uint64_t height, dm_out_t out );

#endif
