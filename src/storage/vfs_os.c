#include "storage/vfs.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct { dmg_file_t file; int fd; char path[]; } os_file_t;

static os_file_t * os_of( dmg_file_t * f ) { return (os_file_t *)f; }

/* S8.6: pages may be lost already, so nobody gets to try again. */
static _Noreturn void fatal( char const * what, char const * path, int e ) {
  DMG_LOG_ERROR( "file_write_failed", "%s %s: %s; stopping at once, the data on disk decides at the next start%s", what, path, strerror( e ), dmg_os_disk_remedy( e ) );
  _exit( 1 );
}

static dmg_err_t read_failed( char const * what, char const * path ) {
  int e = errno;
  if( e==ENOENT ) return DMG_ERR_NOT_FOUND;
  if( e==EEXIST ) return DMG_ERR_EXISTS;
  DMG_LOG_ERROR( "file_failed", "%s %s: %s", what, path, strerror( e ) );
  return e==EACCES || e==EPERM || e==EROFS ? DMG_ERR_PERM : e==ENOSPC || e==EDQUOT ? DMG_ERR_FULL : e==ENOMEM ? DMG_ERR_NOMEM : DMG_ERR_IO;
}

static dmg_err_t os_open( dmg_vfs_t * vfs, char const * path, bool is_new, dmg_file_t ** out_file ) {
  size_t sz = strlen( path )+1;
  os_file_t * f = malloc( sizeof *f+sz );
  if( !f ) return DMG_ERR_NOMEM;
  f->file.vfs = vfs;
  memcpy( f->path, path, sz );
  f->fd = open( path, is_new ? O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC : O_RDWR|O_CLOEXEC, 0600 );
  if( f->fd<0 ) { dmg_err_t err = read_failed( "open", path ); free( f ); return err; }
  *out_file = &f->file;
  return DMG_OK;
}

static dmg_err_t os_size( dmg_file_t * file, uint64_t * out_sz ) {
  struct stat st;
  if( fstat( os_of( file )->fd, &st ) ) return read_failed( "stat", os_of( file )->path );
  *out_sz = (uint64_t)st.st_size;
  return DMG_OK;
}

static dmg_err_t os_pread( dmg_file_t * file, void * p, size_t sz, uint64_t off, size_t * out_sz ) {
  dmg_err_t err = dmg_os_pread( os_of( file )->fd, p, sz, off, out_sz );
  return err ? read_failed( "read", os_of( file )->path ) : DMG_OK;
}

static dmg_err_t os_pwrite( dmg_file_t * file, void const * p, size_t sz, uint64_t off ) {
  dmg_err_t err = dmg_os_pwrite_all( os_of( file )->fd, p, sz, off );
  if( err ) fatal( "write", os_of( file )->path, errno );
  return DMG_OK;
}

static dmg_err_t os_allocate( dmg_file_t * file, uint64_t sz ) {
  int rc;
  do rc = fallocate( os_of( file )->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)sz );
  while( rc && errno==EINTR );
  if( !rc || errno==EOPNOTSUPP || errno==ENOSYS ) return DMG_OK;    /* a file system without it: later writes may find the disk full */
  fatal( "allocate", os_of( file )->path, errno );
}

static dmg_err_t os_truncate( dmg_file_t * file, uint64_t sz ) {
  if( ftruncate( os_of( file )->fd, (off_t)sz ) ) fatal( "truncate", os_of( file )->path, errno );
  return DMG_OK;
}

static dmg_err_t os_sync( dmg_file_t * file ) { dmg_os_fsync( os_of( file )->fd, os_of( file )->path ); return DMG_OK; }

static void os_close( dmg_file_t * file ) {
  close( os_of( file )->fd );
  free( file );
}

static dmg_err_t os_rename( dmg_vfs_t * vfs, char const * from, char const * to ) {
  if( rename( from, to ) ) fatal( "rename", from, errno );
  return DMG_OK;
}
static dmg_err_t os_unlink( dmg_vfs_t * vfs, char const * path ) {
  if( unlink( path ) && errno!=ENOENT ) return read_failed( "unlink", path );
  return DMG_OK;
}
static dmg_err_t os_mkdirs( dmg_vfs_t * vfs, char const * path )   { return dmg_os_mkdirs( path ); }
static dmg_err_t os_dir_sync( dmg_vfs_t * vfs, char const * path ) { dmg_os_dir_sync( path ); return DMG_OK; }

static dmg_err_t os_list( dmg_vfs_t * vfs, char const * dir, void (*each)( void * ctx, char const * name ), void * ctx ) {
  DIR * d = opendir( dir );
  if( !d ) return read_failed( "open folder", dir );
  struct dirent * e;
  for( errno=0; ( e = readdir( d ) ); errno=0 ) if( strcmp( e->d_name, "." ) && strcmp( e->d_name, ".." ) ) each( ctx, e->d_name );
  dmg_err_t err = errno ? read_failed( "read folder", dir ) : DMG_OK;
  closedir( d );
  return err;
}
static void os_free( dmg_vfs_t * vfs ) {}

dmg_vfs_t * dmg_vfs_os( void ) {
  static dmg_vfs_vt_t const vt = { .open = os_open, .size = os_size, .pread = os_pread, .pwrite = os_pwrite, .allocate = os_allocate, .truncate = os_truncate,
    .sync = os_sync, .close = os_close, .rename = os_rename, .unlink = os_unlink, .mkdirs = os_mkdirs, .dir_sync = os_dir_sync, .list = os_list, .free = os_free };
  static dmg_vfs_t vfs = { .vt = &vt };
  return &vfs;
}
