/* os: clocks, randomness, files with their fsync rules, threads' names.

   The only door to the operating system for code above base; consensus, codec, types, crypto,
   txpool and network's machines do not include it (tools/layers.txt).

   Failure  DMG_ERR_IO and friends; errno's text is logged once here.  A failed fsync is final for
            the process (S8.6): dmg_os_fsync logs and exits, it never returns a failure. */
#ifndef DMG_BASE_OS_H
#define DMG_BASE_OS_H

#include "base/bytes.h"

uint64_t dmg_os_wall_ms( void );    /* Unix time */
uint64_t dmg_os_mono_ns( void );    /* never goes back */
uint64_t dmg_os_thread_cpu_ns( void ); /* CPU time of the calling thread */
void     dmg_os_sleep_ns( uint64_t ns );
/* Cryptographic randomness; asserts that the kernel gave it. */
void     dmg_os_random( void * out, size_t sz );
bool     dmg_os_is_tty( int fd );

/* Whole writes, EINTR and short writes handled. */
DMG_MUST_USE dmg_err_t dmg_os_write_all ( int fd, void const * p, size_t sz );
DMG_MUST_USE dmg_err_t dmg_os_pwrite_all( int fd, void const * p, size_t sz, uint64_t off );
/* Up to sz bytes at off; *out_sz less than sz only at the end of the file. */
DMG_MUST_USE dmg_err_t dmg_os_pread     ( int fd, void * p, size_t sz, uint64_t off, size_t * out_sz );
/* What to do about a write or sync that failed with this errno, to stand behind what was said of it; "": nothing better than errno's text. */
char const * dmg_os_disk_remedy( int e );
/* fdatasync, final on failure. */
void dmg_os_fsync( int fd, char const * path );

/* A whole file of at most max bytes; NOT_FOUND, PERM, LIMIT (larger), IO.  The caller owns out_buf. */
DMG_MUST_USE dmg_err_t dmg_os_file_read( char const * path, size_t max, dmg_buf_t * out_buf );
/* Write beside, sync, rename, sync the directory: after a crash the old file or the new one. */
DMG_MUST_USE dmg_err_t dmg_os_file_replace( char const * path, dmg_span_t bytes, unsigned mode );
/* Makes the directory and its parents, mode 0700; fine if it stands already. */
DMG_MUST_USE dmg_err_t dmg_os_mkdirs( char const * path );
void dmg_os_dir_sync( char const * path );
/* A name in the directory that is none of those before the final NULL, nor a file system's own lost+found; false: there is none, or no directory.  A name ending in * stands for all that
   begin so. */
bool dmg_os_dir_has_other( char const * path, char const * const * names, char out_name[ 256 ] );

void     dmg_os_thread_name( char const * name );   /* at most 15 characters */
uint32_t dmg_os_core_cnt( void );                   /* cores this process may run on, 1..64 */

#endif
