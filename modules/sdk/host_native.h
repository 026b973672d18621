/* host_native: the host API dm1 over a plain map, to run a module's C natively under sanitizers.

     test --dmn_run( kind, id, args )--> environment and arguments to dm_in --> dm_entry --> dm1_* --> map
          <-- end, fault and payload, result, events ----------------------------------------------+
   It judges as the node does: arguments, keys, values, events, faults and results are held against
   the module's ABI, a breach is a trap.  A fault or trap rolls the run's writes back.

   Memory    everything here is static or on the heap of this file; dmn_close frees it
   Threads   one
   Failure   a wrong use by the test aborts with a message
   Bounds    DMN_EVENT_MAX events a run; no gas, no limits of a transaction
   Not here  gas, deposits, consent, topics: the executor's, tested with the .wasm */
#ifndef HOST_NATIVE_H
#define HOST_NATIVE_H

#include "codec/abi.h"
#include "crypto/hash.h"
#include "dm.h"

#define DMN_EVENT_MAX 256u

typedef enum { DMN_OK, DMN_FAULT, DMN_TRAP } dmn_end_t;
typedef struct { uint16_t id; uint8_t data[ 8192 ]; uint32_t data_n; } dmn_event_t;
typedef struct {
  dmn_end_t   end;
  uint32_t    fault;                     /* of DMN_FAULT */
  uint8_t     data[ 65536 ]; uint32_t data_n;   /* result, or the fault's payload */
  dmn_event_t events[ DMN_EVENT_MAX ]; uint32_t event_cnt;
  char const * why;                      /* of DMN_TRAP */
} dmn_result_t;

/* The module's ABI (BCS); starts with an empty state and a zeroed environment of module and chain. */
void dmn_open( dmg_span_t abi );
void dmn_close( void );
/* The environment of the next runs; kind is dmn_run's. */
extern dm_env_t dmn_env;
/* One run.  The result is this file's and good until the next run. */
dmn_result_t const * dmn_run( uint32_t kind, uint32_t id, void const * args, uint32_t args_n );

/* What every call and query of another module gets from now on: a result's bytes, or a code < 0 and its payload. */
void dmn_answer( int32_t code, void const * data, uint32_t data_n );

/* The state itself: raw key fields; value without schema byte. */
uint64_t dmn_counter( uint32_t item, void const * key, uint32_t key_n );
void     dmn_counter_set( uint32_t item, void const * key, uint32_t key_n, uint64_t value );
bool     dmn_value( uint32_t item, void const * key, uint32_t key_n, void * out, uint32_t * inout_n );
void     dmn_value_set( uint32_t item, void const * key, uint32_t key_n, void const * value, uint32_t value_n );
void     dmn_forget( uint32_t item, void const * key, uint32_t key_n );
void     dmn_schema_set( uint32_t item, void const * key, uint32_t key_n, uint8_t schema );   /* as if another version had written it */
uint64_t dmn_counter_sum( uint32_t item );   /* over all keys */
uint32_t dmn_entry_cnt( void );
dmg_hash_t dmn_state_hash( void );           /* of all entries */
/* Address of a pool of that module (M0.9). */
dm_address_t dmn_pool( uint16_t module, uint64_t seed );

#endif
