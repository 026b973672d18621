/* test_exec_fake: a stand-in for the engine, so that the executor is tested without compiling WASM.

   It defines the functions of vm.h, the checker and the code cache by itself: included by one test
   program, these win over the library's.  A "code file" is "FAKE", an index into fake_entries and
   the ABI; a run calls that C function, which uses host functions like a guest would, by offsets
   into a memory of one page.  A stop leaves the function by longjmp, as a trap leaves a guest. */
#ifndef DMG_RUNTIME_TEST_EXEC_FAKE_H
#define DMG_RUNTIME_TEST_EXEC_FAKE_H

#include "base/assert.h"
#include "runtime/code_cache.h"
#include "runtime/vm.h"
#include "runtime/wasm_check.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>

#define FAKE_MEM_SZ  65536u
#define FAKE_IN      1024u
#define FAKE_OUT     40960u
#define FAKE_SCRATCH 20480u     /* where entries put keys and values */

typedef struct dmg_vm_inst fake_t;
typedef uint64_t (*fake_entry_t)( fake_t * f, uint32_t kind, uint32_t id, uint32_t in_sz );   /* status << 32 | out_sz, as dm_entry */

struct dmg_vm      { int unused; };
struct dmg_vm_code { uint32_t entry; atomic_uint inst_cnt; };
struct dmg_vm_inst {
  dmg_vm_code_t *        code;
  dmg_vm_host_fn const * table;
  uint8_t *              mem;
  int64_t                ticks;
  int32_t                slots;
  bool                   is_busy;
  void *                 frame;
  jmp_buf                leave;
  uint32_t               host_code;
  uint8_t                out[ 16384 ];
  uint32_t               out_sz;
};

static atomic_uint fake_code_cnt, fake_inst_cnt;   /* alive; instances ever made */

#define FAKE_ENTRY_MAX 8
static fake_entry_t fake_entries[ FAKE_ENTRY_MAX ];

enum { FAKE_LEFT_TRAP = 1, FAKE_LEFT_HOST, FAKE_LEFT_STACK };

/* ---- For entries ---- */

__attribute__(( unused )) static _Noreturn void fake_trap ( fake_t * f ) { longjmp( f->leave, FAKE_LEFT_TRAP ); }
__attribute__(( unused )) static _Noreturn void fake_stack( fake_t * f ) { f->slots = -1; longjmp( f->leave, FAKE_LEFT_STACK ); }
/* Guest work of so much gas. */
__attribute__(( unused )) static void
fake_burn( fake_t * f, uint64_t gas ) {
  f->ticks -= (int64_t)gas*4;
  if( f->ticks<0 ) longjmp( f->leave, FAKE_LEFT_TRAP );
}
static int32_t
fake_host( fake_t * f, dmg_dm1_t fn, uint64_t const * args ) {
  uint64_t ret = 0;
  int code = f->table[ fn ]( f->frame, (dmg_vm_mem_t){ f->mem, FAKE_MEM_SZ }, args, &ret );
  if( code ) { f->host_code = (uint32_t)code; longjmp( f->leave, FAKE_LEFT_HOST ); }
  return (int32_t)(uint32_t)ret;
}
#define HOST( f, fn, ... ) fake_host( ( f ), DMG_DM1_##fn, (uint64_t const[]){ __VA_ARGS__ } )
/* Bytes into the memory at off. */
__attribute__(( unused )) static uint32_t fake_put( fake_t * f, uint32_t off, void const * p, uint32_t sz ) { if( sz ) memcpy( f->mem+off, p, sz ); return off; }
__attribute__(( unused )) static uint64_t fake_done ( uint32_t out_sz ) { return out_sz; }
__attribute__(( unused )) static uint64_t fake_fault( uint32_t n )      { return (uint64_t)n<<32; }
__attribute__(( unused )) static uint8_t const * fake_env ( fake_t * f ) { return f->mem+FAKE_IN; }
__attribute__(( unused )) static uint8_t const * fake_args( fake_t * f ) { return f->mem+FAKE_IN+256; }

/* ---- vm.h ---- */

dmg_err_t dmg_vm_open( dmg_vm_cfg_t const * cfg, dmg_vm_t ** out_vm ) { *out_vm = calloc( 1, sizeof( **out_vm ) ); return *out_vm ? DMG_OK : DMG_ERR_NOMEM; }
void      dmg_vm_close( dmg_vm_t * vm ) { free( vm ); }
void      dmg_vm_code_free( dmg_vm_code_t * code ) {
  if( !code ) return;
  DMG_ASSERT( !code->inst_cnt );
  fake_code_cnt--;
  free( code );
}

dmg_err_t
dmg_vm_inst_new( dmg_vm_code_t * code, dmg_vm_host_fn const * table, dmg_vm_inst_t ** out_inst ) {
  fake_t * f = calloc( 1, sizeof( *f ) );
  f->mem   = calloc( 1, FAKE_MEM_SZ );
  f->code  = code;
  f->table = table;
  code->inst_cnt++;
  fake_inst_cnt++;
  *out_inst = f;
  return DMG_OK;
}
void
dmg_vm_inst_free( dmg_vm_inst_t * f ) {
  if( !f ) return;
  f->code->inst_cnt--;
  free( f->mem );
  free( f );
}
dmg_vm_mem_t dmg_vm_mem    ( dmg_vm_inst_t const * f ) { return (dmg_vm_mem_t){ f->mem, FAKE_MEM_SZ }; }
uint32_t     dmg_vm_in_off ( dmg_vm_inst_t const * f ) { return FAKE_IN; }
uint32_t     dmg_vm_out_off( dmg_vm_inst_t const * f ) { return FAKE_OUT; }
bool         dmg_vm_is_busy( dmg_vm_inst_t const * f ) { return f->is_busy; }
void         dmg_vm_reset  ( dmg_vm_inst_t * f ) { memset( f->mem, 0, FAKE_MEM_SZ ); }
dmg_span_t   dmg_vm_out    ( dmg_vm_inst_t const * f ) { return dmg_span( f->out, f->out_sz ); }
bool         dmg_vm_charge ( dmg_vm_inst_t * f, int64_t ticks ) { f->ticks -= ticks; return f->ticks>=0; }
int64_t      dmg_vm_ticks  ( dmg_vm_inst_t const * f ) { return f->ticks; }
int32_t      dmg_vm_slots  ( dmg_vm_inst_t const * f ) { return f->slots; }

dmg_vm_result_t
dmg_vm_run( dmg_vm_inst_t * f, dmg_vm_entry_t const * entry ) {
  DMG_ASSERT( !f->is_busy && entry->ticks>=0 && entry->slots>=0 && entry->slots<=DMG_VM_SLOTS_MAX );
  dmg_vm_result_t volatile r = { 0 };
  f->is_busy = true;
  f->frame   = entry->frame;
  f->ticks   = entry->ticks;
  f->slots   = entry->slots;
  f->out_sz  = 0;
  int left = setjmp( f->leave );
  if( !left ) {
    uint64_t res = fake_entries[ f->code->entry ]( f, entry->kind, entry->id, entry->in_sz );
    r.end    = DMG_VM_DONE;
    r.status = (uint32_t)( res>>32 );
    r.out_sz = (uint32_t)res;
    DMG_ASSERT( r.out_sz<=sizeof( f->out ) );
    memcpy( f->out, f->mem+FAKE_OUT, r.out_sz );
    f->out_sz = r.out_sz;
  } else if( f->ticks<0 )           r.end = DMG_VM_NO_GAS;
  else if( left==FAKE_LEFT_STACK )  r.end = DMG_VM_NO_STACK;
  else if( left==FAKE_LEFT_HOST )   { r.end = DMG_VM_HOST_STOP; r.host_code = f->host_code; }
  else                              r.end = DMG_VM_TRAP;
  r.ticks_left = f->ticks;
  r.slots_left = f->slots;
  memset( f->mem, 0, FAKE_MEM_SZ );
  f->is_busy = false;
  return r;
}

/* ---- Checker and cache ---- */

dmg_err_t
dmg_wasm_check( dmg_span_t file, dmg_wasm_report_t * out ) {
  *out = (dmg_wasm_report_t){ .is_ok = file.sz>5 && !memcmp( file.p, "FAKE", 4 ), .text = "not a fake" };
  if( out->is_ok ) {
    out->memory_pages = 1;
    out->dm_in        = FAKE_IN;
    out->dm_out       = FAKE_OUT;
    out->abi          = dmg_span( file.p+5, file.sz-5 );
  }
  return DMG_OK;
}

dmg_err_t
dmg_code_cache_get( dmg_code_cache_t * cache, dmg_hash_t const * code_hash, dmg_span_t file, uint32_t instr_version, dmg_vm_code_t ** out_code ) {
  dmg_vm_code_t * code = calloc( 1, sizeof( *code ) );
  code->entry = file.p[ 4 ];
  fake_code_cnt++;
  *out_code = code;
  return DMG_OK;
}
void      dmg_code_cache_drop( dmg_code_cache_t * cache, dmg_hash_t const * code_hash, uint32_t instr_version ) {}
dmg_err_t dmg_code_cache_sync( dmg_code_cache_t * cache ) { return DMG_OK; }

#endif
