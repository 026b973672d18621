/* vm: the only door to the WASM engine.

     author's bytes --wasm_check--> --wasm_instr--> instrumented --compile--> artifact      (a child process does it, compile_child.h)
     artifact file --load--> code (immutable, shared) --inst_new--> instance (one thread at a time)
     write dm_in --> run( kind, id, in_sz, ticks, slots ) --> end, status; output copied out; memory back to its first image

   A host function sees the frame of its run, the instance's memory and its arguments; it charges by dmg_vm_charge
   and stops the run by returning non-zero.  Metering is our instrumenter's (R1.6): the engine knows nothing of it.

   Memory    an instance owns one linear memory of 1..16 pages that never moves; pointers into it are good until inst_free
   Threads   vm and code: any thread at once; an instance: one at a time (a nested run enters another instance)
   Stack     a chain of nested runs shares one budget of slots, at most 128 B of engine stack each: 2 MiB for
             DMG_VM_SLOTS_MAX.  Run on a thread with a stack of DMG_VM_THREAD_STACK_SZ bytes or more
   Signals   the engine turns SIGSEGV, SIGBUS, SIGFPE and SIGILL in its code into ends of a run; its handlers are put in
             place by the first dmg_vm_open and must stay.  cmocka replaces them at the start of each test: call
             dmg_vm_signals_restore in its body
   Failure   what a module does is a dmg_vm_end_t, never an error.  An engine error in a run (its own stack overflow
             included) is a bug: it asserts, it is never a judgement on a block (R1.6)
   Spec      docs/spec/runtime.md R1.1, R1.2, R1.6, R1.8 */
#ifndef DMG_RUNTIME_VM_H
#define DMG_RUNTIME_VM_H

#include "base/bytes.h"
#include "crypto/hash.h"
#include "runtime/dm1.h"

#define DMG_VM_SLOTS_MAX         16384       /* stack slots of a transaction, nested calls included (R1.6) */
#define DMG_VM_PAGE_SZ           65536u
#define DMG_VM_PAGES_MAX         16u
#define DMG_VM_ARTIFACT_SZ_MAX   ( 64u<<20 ) /* bytes of one compiled artifact */
#define DMG_VM_WASM_STACK_SZ     ( 2u<<20 )  /* engine's own limit, never reached while slots hold */
#define DMG_VM_THREAD_STACK_SZ   ( 4u<<20 )

typedef struct dmg_vm      dmg_vm_t;         /* the engine: settings, compiler; one a process is enough */
typedef struct dmg_vm_code dmg_vm_code_t;    /* compiled module */
typedef struct dmg_vm_inst dmg_vm_inst_t;    /* its memory, globals and host table */

/* The linear memory as a host function sees it: offsets below sz are good. */
typedef struct { uint8_t * base; uint32_t sz; } dmg_vm_mem_t;

/* How a run ended.
     NO_GAS     ticks_left < 0, whatever else happened
     HOST_STOP  else a host function returned non-zero: host_code is what it returned
     NO_STACK   else it trapped with slots_left < 0
     TRAP       else it trapped: unreachable, bounds, division, a bad indirect call; or its output reaches out of memory
     DONE       dm_entry returned: status, out_sz hold its two halves and dmg_vm_out the bytes */
typedef enum { DMG_VM_DONE, DMG_VM_TRAP, DMG_VM_NO_GAS, DMG_VM_NO_STACK, DMG_VM_HOST_STOP } dmg_vm_end_t;

/* kind and id go to dm_entry (R1.12: 0 call, 1 query, 2 hook); in_sz: bytes that stand at dm_in; ticks >= 0: 4 a gas;
   slots: DMG_VM_SLOTS_MAX or what the caller's instance has left; frame: handed to host functions. */
typedef struct { uint32_t kind, id, in_sz; int64_t ticks; int32_t slots; void * frame; } dmg_vm_entry_t;

/* status, out_sz are 0 unless DONE.  ticks_left, slots_left as the globals stood at the end, whatever the end. */
typedef struct { dmg_vm_end_t end; uint32_t status, out_sz, host_code; int64_t ticks_left; int32_t slots_left; } dmg_vm_result_t;

/* One host function.  args[ k ] is parameter k: an i32 zero-extended, an i64 as it is.  The low 32 bits of *out_ret
   become the i32 result (0 when left alone).  Returning non-zero stops the run. */
typedef int ( * dmg_vm_host_fn )( void * frame, dmg_vm_mem_t mem, uint64_t const * args, uint64_t * out_ret );

typedef struct {
  bool is_bounds_checked;   /* compare at each access instead of a 4 GiB reservation with a guard; forced under sanitizers */
} dmg_vm_cfg_t;

/* cfg NULL: all defaults.  Where the system refuses the reservation, accesses are compared instead (R1.2, local).
   NOMEM, UNSUPPORTED (the engine refuses its settings; logged). */
DMG_MUST_USE dmg_err_t dmg_vm_open( dmg_vm_cfg_t const * cfg, dmg_vm_t ** out_vm );
/* After every code and instance of it; NULL: nothing. */
void dmg_vm_close( dmg_vm_t * vm );
/* Puts the engine's signal handlers back after something else replaced them; nothing under sanitizers. */
void dmg_vm_signals_restore( void );
/* Changes when an artifact of this engine might not load in another: version, CPU features, settings (R1.7). */
dmg_hash_t dmg_vm_engine_key( dmg_vm_t const * vm );

/* Native code for an instrumented module; in the compile child only.  The buffer's max bounds the artifact.
   INVALID: the engine refuses what our checker took (a bug of ours, or of the engine: logged), NOMEM, LIMIT. */
DMG_MUST_USE dmg_err_t dmg_vm_compile( dmg_vm_t * vm, dmg_span_t instrumented, dmg_buf_t * out_artifact );

/* Maps an artifact file whose bytes have the SHA-256 *key.  The file must not change while mapped.
   NOT_FOUND, PERM, IO, CORRUPT (other hash), VERSION (of another engine), NOMEM. */
DMG_MUST_USE dmg_err_t dmg_vm_load( dmg_vm_t * vm, char const * path, dmg_hash_t const * key, dmg_vm_code_t ** out_code );
/* The same from bytes this process made itself (no hash to check); they may go afterwards. */
DMG_MUST_USE dmg_err_t dmg_vm_load_bytes( dmg_vm_t * vm, dmg_span_t artifact, dmg_vm_code_t ** out_code );
/* After every instance of it; NULL: nothing. */
void dmg_vm_code_free( dmg_vm_code_t * code );

/* table: DMG_DM1_CNT functions in the order of DMG_DM1_TABLE, borrowed for the life of the instance; every function
   the module imports must be there (asserted).  NOMEM, INVALID (not an instrumented DM-1 module; logged). */
DMG_MUST_USE dmg_err_t dmg_vm_inst_new( dmg_vm_code_t * code, dmg_vm_host_fn const * table, dmg_vm_inst_t ** out_inst );
/* Not while it runs; NULL: nothing. */
void dmg_vm_inst_free( dmg_vm_inst_t * inst );

/* Its memory; between runs it holds the first image.  The caller writes environment and arguments at dm_in before a
   run (and must run or call dmg_vm_reset after it has). */
dmg_vm_mem_t dmg_vm_mem( dmg_vm_inst_t const * inst );
uint32_t     dmg_vm_in_off ( dmg_vm_inst_t const * inst );   /* values of the exported globals dm_in, dm_out: inside memory */
uint32_t     dmg_vm_out_off( dmg_vm_inst_t const * inst );
bool         dmg_vm_is_busy( dmg_vm_inst_t const * inst );   /* a run of it is on the stack: REENTRANT (R1.8) */

/* Runs dm_entry.  Asserts: not busy, ticks >= 0, 0 <= slots <= DMG_VM_SLOTS_MAX.  Whatever the end, memory is then
   back to its first image. */
dmg_vm_result_t dmg_vm_run( dmg_vm_inst_t * inst, dmg_vm_entry_t const * entry );
/* The output of the last run that was DONE (out_sz bytes), until the next run or inst_free. */
dmg_span_t dmg_vm_out( dmg_vm_inst_t const * inst );
/* Memory back to its first image without a run. */
void dmg_vm_reset( dmg_vm_inst_t * inst );

/* For host functions, while inst runs: take ticks >= 0; false: out of gas, return non-zero at once (the run ends
   NO_GAS).  What is left, for a nested run; after it charge what that run used. */
bool    dmg_vm_charge( dmg_vm_inst_t * inst, int64_t ticks );
int64_t dmg_vm_ticks ( dmg_vm_inst_t const * inst );
int32_t dmg_vm_slots ( dmg_vm_inst_t const * inst );

#endif
