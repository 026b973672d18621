/* vfs: all file calls of our own formats, so that tests can tear, lose and fail them (S16.3).

     block_log.c --> dmg_vfs_t --> the operating system (vfs_os.c) | files in RAM (vfs_mem.c)

   The RAM files keep what was synced apart from what was not: a simulated crash drops or tears any
   unsynced write and forgets unsynced names.  Without a crash they are the development chain's disk.

   Memory   handles are freed by close; the vfs by dmg_vfs_free
   Threads  any thread opens, reads (size, pread) and closes files that are there; all that changes files
            or names, and list, one thread at a time
   Failure  S8.6: on the operating system a failed write or sync is final for the process, one line
            and _exit; reading and opening return errors.  RAM files return every failure */
#ifndef DMG_STORAGE_VFS_H
#define DMG_STORAGE_VFS_H

#include "base/bytes.h"

typedef struct dmg_vfs  dmg_vfs_t;
typedef struct dmg_file dmg_file_t;

typedef struct {
  dmg_err_t (*open)    ( dmg_vfs_t *, char const * path, bool is_new, dmg_file_t ** );
  dmg_err_t (*size)    ( dmg_file_t *, uint64_t * out_sz );
  dmg_err_t (*pread)   ( dmg_file_t *, void * p, size_t sz, uint64_t off, size_t * out_sz );
  dmg_err_t (*pwrite)  ( dmg_file_t *, void const * p, size_t sz, uint64_t off );
  dmg_err_t (*allocate)( dmg_file_t *, uint64_t sz );
  dmg_err_t (*truncate)( dmg_file_t *, uint64_t sz );
  dmg_err_t (*sync)    ( dmg_file_t * );
  void      (*close)   ( dmg_file_t * );
  dmg_err_t (*rename)  ( dmg_vfs_t *, char const * from, char const * to );
  dmg_err_t (*unlink)  ( dmg_vfs_t *, char const * path );
  dmg_err_t (*mkdirs)  ( dmg_vfs_t *, char const * path );
  dmg_err_t (*dir_sync)( dmg_vfs_t *, char const * path );
  dmg_err_t (*list)    ( dmg_vfs_t *, char const * dir, void (*each)( void * ctx, char const * name ), void * ctx );
  void      (*free)    ( dmg_vfs_t * );
} dmg_vfs_vt_t;

struct dmg_vfs  { dmg_vfs_vt_t const * vt; };
struct dmg_file { dmg_vfs_t * vfs; };

/* is_new: it must not exist yet (EXISTS); else it must (NOT_FOUND).  Read and write. */
static inline DMG_MUST_USE dmg_err_t dmg_vfs_open( dmg_vfs_t * v, char const * path, bool is_new, dmg_file_t ** out_file ) { return v->vt->open( v, path, is_new, out_file ); }
static inline DMG_MUST_USE dmg_err_t dmg_file_size( dmg_file_t * f, uint64_t * out_sz ) { return f->vfs->vt->size( f, out_sz ); }
/* Less than sz bytes only at the end of the file. */
static inline DMG_MUST_USE dmg_err_t dmg_file_pread( dmg_file_t * f, void * p, size_t sz, uint64_t off, size_t * out_sz ) { return f->vfs->vt->pread( f, p, sz, off, out_sz ); }
static inline DMG_MUST_USE dmg_err_t dmg_file_pwrite( dmg_file_t * f, void const * p, size_t sz, uint64_t off ) { return f->vfs->vt->pwrite( f, p, sz, off ); }
/* Room on disk for sz bytes; the file's size does not change. */
static inline DMG_MUST_USE dmg_err_t dmg_file_allocate( dmg_file_t * f, uint64_t sz ) { return f->vfs->vt->allocate( f, sz ); }
static inline DMG_MUST_USE dmg_err_t dmg_file_truncate( dmg_file_t * f, uint64_t sz ) { return f->vfs->vt->truncate( f, sz ); }
/* All earlier writes to the file survive a power cut. */
static inline DMG_MUST_USE dmg_err_t dmg_file_sync( dmg_file_t * f ) { return f->vfs->vt->sync( f ); }
static inline void dmg_file_close( dmg_file_t * f ) { if( f ) f->vfs->vt->close( f ); }
static inline DMG_MUST_USE dmg_err_t dmg_vfs_rename( dmg_vfs_t * v, char const * from, char const * to ) { return v->vt->rename( v, from, to ); }
static inline DMG_MUST_USE dmg_err_t dmg_vfs_unlink( dmg_vfs_t * v, char const * path ) { return v->vt->unlink( v, path ); }
static inline DMG_MUST_USE dmg_err_t dmg_vfs_mkdirs( dmg_vfs_t * v, char const * path ) { return v->vt->mkdirs( v, path ); }
/* New, renamed and removed names in the directory survive a power cut. */
static inline DMG_MUST_USE dmg_err_t dmg_vfs_dir_sync( dmg_vfs_t * v, char const * path ) { return v->vt->dir_sync( v, path ); }
/* Each name in dir, in no order. */
static inline DMG_MUST_USE dmg_err_t dmg_vfs_list( dmg_vfs_t * v, char const * dir, void (*each)( void * ctx, char const * name ), void * ctx ) { return v->vt->list( v, dir, each, ctx ); }
static inline void dmg_vfs_free( dmg_vfs_t * v ) { if( v ) v->vt->free( v ); }

/* The operating system's files; static, freeing does nothing. */
dmg_vfs_t * dmg_vfs_os( void );

/* Files in RAM, at most sz_max bytes of them (FULL past it). */
DMG_MUST_USE dmg_err_t dmg_vfs_mem( uint64_t sz_max, dmg_vfs_t ** out_vfs );

/* For tests, on a vfs of dmg_vfs_mem.  Every write, allocate, truncate, sync, rename, unlink, dir_sync is a step. */
uint64_t dmg_vfs_mem_steps  ( dmg_vfs_t * vfs );
/* From step number `step` on (counted from 0) nothing happens any more and every call returns STOPPED: the machine is
   off.  The first call turns the crash model on (what is synced is copied); make it before anything is
   written, with UINT64_MAX-1 for "not yet". */
void     dmg_vfs_mem_off_at ( dmg_vfs_t * vfs, uint64_t step );
/* Did a step come to nothing for that, or for the one of dmg_vfs_mem_fail_at?  Until the next crash. */
bool     dmg_vfs_mem_is_off ( dmg_vfs_t * vfs );
/* Step number `step` fails with err and does nothing; later ones work again. */
void     dmg_vfs_mem_fail_at( dmg_vfs_t * vfs, uint64_t step, dmg_err_t err );
/* The machine comes up again: unsynced writes are kept, lost or torn at 512-byte sectors, unsynced
   names kept or lost, by seed.  All files are closed before. */
void     dmg_vfs_mem_crash  ( dmg_vfs_t * vfs, uint64_t seed );
/* Flips one bit of a file; false: no such file or byte. */
bool     dmg_vfs_mem_flip   ( dmg_vfs_t * vfs, char const * path, uint64_t bit );

#endif
