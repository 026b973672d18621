/* code_cache: compiled modules on disk, so that a start compiles nothing (R1.7).

     get( code hash, author's bytes, instr_version )
       file DIR/<H("dmg/artifact/v1", code hash | instr_version u16 | engine key)>.dmgc there --check SHA-256--> load
       else instrument --> compile child --> write, sync, rename --> load

     file  0 "DMGCODE1"  8 SHA-256 of the artifact  40 artifact           mode 0600

   The engine key covers engine version, CPU features and settings, so a stale artifact has another name; a damaged one
   is compiled again.

   Memory   codes handed out are the caller's (dmg_vm_code_free)
   Threads  any
   Failure  INVALID: checker or instrumenter refuse the bytes; UNAVAILABLE: the compiler failed here (local);
            a cache that cannot be written only costs time, it is logged
   Bounds   DMG_CODE_CACHE_SZ_MAX on disk, the longest unused files go first */
#ifndef DMG_RUNTIME_CODE_CACHE_H
#define DMG_RUNTIME_CODE_CACHE_H

#include "runtime/exec.h"

#define DMG_CODE_CACHE_SZ_MAX ( (uint64_t)2<<30 )

typedef struct {
  dmg_vm_t *   vm;          /* borrowed */
  char const * dir;         /* made if it is missing; NULL: nothing is kept on disk */
  bool         is_inline;   /* compile in this process: tests whose binary has no child verb */
} dmg_code_cache_cfg_t;

DMG_MUST_USE dmg_err_t dmg_code_cache_open ( dmg_code_cache_cfg_t const * cfg, dmg_code_cache_t ** out_cache );
void                   dmg_code_cache_close( dmg_code_cache_t * cache );   /* NULL: nothing */

/* file: the author's bytes, whose code hash is code_hash. */
DMG_MUST_USE dmg_err_t dmg_code_cache_get( dmg_code_cache_t * cache, dmg_hash_t const * code_hash, dmg_span_t file, uint32_t instr_version, dmg_vm_code_t ** out_code );

#endif
