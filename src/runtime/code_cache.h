/* code_cache: compiled modules on disk, so that a start compiles nothing (R1.7).

     get( code hash, author's bytes, instr_version )
       file DIR/<name>.dmgc there, its artifact has the SHA-256 that the store names --> load
       else instrument --> compile child --> write, sync, rename; sum noted --> load
     sync: noted sums --> column meta of the store, "artifact:" name [32] -> SHA-256 [32]

     name  H("dmg/artifact/v1", code hash | instr_version u16 | engine key)
     file  0 "DMGCODE1"  8 SHA-256 of the artifact  40 artifact           mode 0600

   The engine key covers engine version, CPU features and settings, so a stale artifact has another name; a damaged one
   is compiled again.  Machine code runs with all our rights: with a store, a file alone, whatever it says of itself, loads
   nothing.  A chain in memory has no store that outlives it; there the file's own sum counts.

   Memory   codes handed out are the caller's (dmg_vm_code_free)
   Threads  any; sync is for the thread that writes the store
   Failure  INVALID: checker or instrumenter refuse the bytes; UNAVAILABLE: the compiler failed here (local);
            a cache that cannot be written only costs time, it is logged
   Bounds   DMG_CODE_CACHE_SZ_MAX on disk, the longest unused files go first, but not those of codes that are held;
            sums of at most DMG_CODE_CACHE_NOTE_MAX artifacts wait for sync, further ones are compiled again */
#ifndef DMG_RUNTIME_CODE_CACHE_H
#define DMG_RUNTIME_CODE_CACHE_H

#include "runtime/exec.h"
#include "storage/kv.h"

#define DMG_CODE_CACHE_SZ_MAX   ( (uint64_t)2<<30 )
#define DMG_CODE_CACHE_NOTE_MAX 512u
#define DMG_CODE_CACHE_HELD_MAX 512u

typedef struct {
  dmg_vm_t *   vm;          /* borrowed */
  char const * dir;         /* made if it is missing; NULL: nothing is kept on disk */
  bool         is_inline;   /* compile in this process: tests whose binary has no child verb */
  dmg_kv_t *   store;       /* borrowed; where the sums of artifacts stand.  NULL: a chain in memory */
  uint64_t     sz_max;      /* on disk; 0: DMG_CODE_CACHE_SZ_MAX */
} dmg_code_cache_cfg_t;

DMG_MUST_USE dmg_err_t dmg_code_cache_open ( dmg_code_cache_cfg_t const * cfg, dmg_code_cache_t ** out_cache );
void                   dmg_code_cache_close( dmg_code_cache_t * cache );   /* NULL: nothing */

/* file: the author's bytes, whose code hash is code_hash.  Its artifact is held (stays on disk) until dropped as often. */
DMG_MUST_USE dmg_err_t dmg_code_cache_get( dmg_code_cache_t * cache, dmg_hash_t const * code_hash, dmg_span_t file, uint32_t instr_version, dmg_vm_code_t ** out_code );
void dmg_code_cache_drop( dmg_code_cache_t * cache, dmg_hash_t const * code_hash, uint32_t instr_version );
/* What is new about artifacts into the store; what the store fails with. */
DMG_MUST_USE dmg_err_t dmg_code_cache_sync( dmg_code_cache_t * cache );

#endif
