/* dmg_wasmi: an instrumented module in wasmi, an interpreter that shares no code with the product's engine.  For tests only.

     new( instrumented wasm ) --> run( kind, id, in_sz, g, s ) --> how it ended, g and s as they stand
                                     | dm1.* imports call host() with memory, arguments and g

   Memory   one linear memory an instance, not reset after a run; it does not move
   Threads  one at a time
   Failure  what a module does is an end; 3 is an end that no DM-1 module can have (a bug here or there) */
#ifndef DMG_WASMI_H
#define DMG_WASMI_H

#include <stddef.h>
#include <stdint.h>

typedef struct dmg_wasmi dmg_wasmi_t;

/* One call of an import: number of it in the module, arguments (i32 zero-extended).  The host may change g and ret. */
typedef struct { uint8_t * mem; size_t mem_sz; uint64_t const * args; size_t arg_cnt; uint32_t import; int32_t s; int64_t g; uint32_t ret; } dmg_wasmi_call_t;
/* Not 0 stops the run. */
typedef int (*dmg_wasmi_host_fn)( void * ctx, dmg_wasmi_call_t * call );

enum { DMG_WASMI_RETURNED = 0, DMG_WASMI_TRAPPED = 1, DMG_WASMI_STOPPED = 2, DMG_WASMI_BROKEN = 3 };
typedef struct { uint32_t end, host_code; int64_t ret, g; int32_t s; } dmg_wasmi_result_t;

/* NULL: wasmi refuses the bytes; err says why. */
dmg_wasmi_t * dmg_wasmi_new ( uint8_t const * wasm, size_t wasm_sz, dmg_wasmi_host_fn host, char * err, size_t err_sz );
void          dmg_wasmi_free( dmg_wasmi_t * w );   /* NULL: nothing */

/* Name of import i in `out` with a final zero; 0 if there is none. */
int      dmg_wasmi_import( dmg_wasmi_t const * w, uint32_t i, char * out, size_t out_sz );
uint8_t * dmg_wasmi_mem  ( dmg_wasmi_t * w, size_t * out_sz );
/* Value of an exported i32 global; 0 if there is none. */
uint32_t dmg_wasmi_global( dmg_wasmi_t * w, char const * name );
/* Calls the export dm:run. */
void     dmg_wasmi_run   ( dmg_wasmi_t * w, void * ctx, uint32_t kind, uint32_t id, uint32_t in_sz, int64_t g, int32_t s, dmg_wasmi_result_t * out );

#endif
