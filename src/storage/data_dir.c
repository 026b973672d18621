#include "storage/data_dir.h"
#include "base/os.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT_MAJOR = 2, FORMAT_MINOR = 0, PATH_MAX_SZ = 4096 };

struct dmg_data_dir { int lock_fd; };

/* e: errno of what was refused. */
static dmg_err_t no_access( char const * path, int e, dmg_open_why_t * out_why ) {
  struct stat st;
  if( e!=EACCES && e!=EPERM && e!=EROFS ) return dmg_open_why( out_why, e==ENOSPC || e==EDQUOT ? DMG_ERR_FULL : DMG_ERR_IO, "%.300s: %s%s", path, strerror( e ), dmg_os_disk_remedy( e ) );
  if( e==EROFS ) return dmg_open_why( out_why, DMG_ERR_PERM, "%.300s is on a file system that is mounted read-only; mount it writable or name another folder", path );
  if( stat( path, &st ) ) return dmg_open_why( out_why, DMG_ERR_PERM, "%.300s cannot be entered by user %u; its owner must allow it", path, (unsigned)geteuid() );
  return dmg_open_why( out_why, DMG_ERR_PERM, "%.300s belongs to user %u with mode %03o, this is user %u; the same user and mode 0700 are needed", path, (unsigned)st.st_uid,
              (unsigned)st.st_mode&0777u, (unsigned)geteuid() );
}

static dmg_err_t lock_take( char const * path, int * out_fd, dmg_open_why_t * out_why ) {
  char file[ PATH_MAX_SZ ];
  snprintf( file, sizeof file, "%s/LOCK", path );
  int fd = open( file, O_RDWR|O_CREAT|O_CLOEXEC, 0600 );
  if( fd<0 ) {
    int e = errno;
    return no_access( access( file, F_OK ) ? path : file, e, out_why );
  }
  if( flock( fd, LOCK_EX|LOCK_NB ) ) {
    char pid[ 24 ] = "";
    ssize_t n = pread( fd, pid, sizeof pid-1, 0 );
    pid[ n>0 ? n : 0 ] = 0;
    pid[ strcspn( pid, "\n" ) ] = 0;
    close( fd );
    return dmg_open_why( out_why, DMG_ERR_LOCKED, "%.300s is in use by process %s; stop that first", path, *pid ? pid : "(unknown)" );
  }
  char text[ 24 ];
  int n = snprintf( text, sizeof text, "%d\n", (int)getpid() );
  if( ftruncate( fd, 0 ) || pwrite( fd, text, (size_t)n, 0 )!=n ) {
    dmg_err_t err = no_access( file, errno, out_why );
    close( fd );
    return err;
  }
  *out_fd = fd;
  return DMG_OK;
}

static dmg_err_t store_check( char const * path, dmg_span_t text, char const * backend, char const * genesis_hex, dmg_open_why_t * out_why ) {
  char line[ 256 ], has_backend[ 32 ], has_genesis[ 65 ];
  static char const head[] = "demiurge-store ";
  unsigned long major = 0, minor = 0;
  char * at;
  int end = 0;
  snprintf( line, sizeof line, "%.*s", (int)( text.sz<sizeof line ? text.sz : sizeof line-1 ), (char const *)text.p );
  bool is_named = !strncmp( line, head, sizeof head-1 ) && isdigit( (unsigned char)line[ sizeof head-1 ] );
  if( is_named ) major = strtoul( line+sizeof head-1, &at, 10 );
  is_named = is_named && *at=='.' && isdigit( (unsigned char)at[ 1 ] );
  if( is_named ) minor = strtoul( at+1, &at, 10 );
  if( !is_named )
    return dmg_open_why( out_why, DMG_ERR_CORRUPT, "%.300s/STORE does not say what this folder is; set storage.path to an empty folder or restore the file", path );
  /* The rest of the line may look different in another format: the version comes first. */
  if( major!=FORMAT_MAJOR )
    return dmg_open_why( out_why, DMG_ERR_VERSION, "%.200s has format %lu.%lu, this program reads %u.%u; %s", path, major, minor, FORMAT_MAJOR, FORMAT_MINOR,
                major>FORMAT_MAJOR ? "use a newer demiurge or another storage.path" : "it keeps no record of what its validator signed, so it cannot go on safely: set storage.path to an empty folder" );
  if( sscanf( line, "demiurge-store %*u.%*u %31s %64[0-9a-f]%n", has_backend, has_genesis, &end )!=2 || strcmp( line+end, "\n" ) || strlen( has_genesis )!=64 )
    return dmg_open_why( out_why, DMG_ERR_CORRUPT, "%.300s/STORE is damaged; restore the file or set storage.path to an empty folder", path );
  if( strcmp( has_genesis, genesis_hex ) ) return dmg_open_why( out_why, DMG_ERR_CHAIN, "%.200s belongs to genesis %s, this node runs %s; set storage.path", path, has_genesis, genesis_hex );
  if( strcmp( has_backend, backend ) )
    return dmg_open_why( out_why, DMG_ERR_VERSION, "%.200s holds a store of backend %s (format %lu.%lu), storage.backend is %s; set it to %s", path, has_backend, major, minor, backend, has_backend );
  return DMG_OK;
}

dmg_err_t dmg_data_dir_open( char const * path, char const * backend, dmg_hash_t const * genesis_hash, dmg_data_dir_t ** out_dir, dmg_open_why_t * out_why ) {
  if( out_why ) out_why->text[0] = 0;
  if( strlen( path )>PATH_MAX_SZ-64 ) return dmg_open_why( out_why, DMG_ERR_LIMIT, "the path of the data folder is longer than %d bytes", PATH_MAX_SZ-64 );
  char file[ PATH_MAX_SZ ], hex[ 65 ];
  dmg_err_t err = dmg_os_mkdirs( path );
  if( err ) return dmg_open_why( out_why, err, "%.300s cannot be made: %s", path, err==DMG_ERR_EXISTS || err==DMG_ERR_NOT_FOUND ? "it, or a part of its path, is not a folder" : dmg_err_text( err ) );
  if( access( path, R_OK|W_OK|X_OK ) ) return no_access( path, errno, out_why );
  snprintf( file, sizeof file, "%s/STORE", path );
  dmg_hex_encode( genesis_hash->b, 32, hex );
  dmg_data_dir_t * dir = malloc( sizeof *dir );
  if( !dir ) return DMG_ERR_NOMEM;
  dir->lock_fd = -1;
  err = lock_take( path, &dir->lock_fd, out_why );
  if( err ) { free( dir ); return err; }

  dmg_buf_t text = { 0 };
  err = dmg_os_file_read( file, 4096, &text );
  if( !err ) err = store_check( path, dmg_buf_span( &text ), backend, hex, out_why );
  else if( err!=DMG_ERR_NOT_FOUND ) dmg_open_why( out_why, err, "%.300s: %s", file, dmg_err_text( err ) );
  else {
    /* A folder with a store but without its name is not ours to guess about. */
    char db[ PATH_MAX_SZ ];
    snprintf( db, sizeof db, "%s/db/CURRENT", path );
    if( !access( db, F_OK ) ) err = dmg_open_why( out_why, DMG_ERR_CORRUPT, "%.300s holds a store but no STORE file; restore the file or set storage.path to an empty folder", path );
    else {
      char line[ 160 ];
      int n = snprintf( line, sizeof line, "demiurge-store %u.%u %.31s %s\n", FORMAT_MAJOR, FORMAT_MINOR, backend, hex );
      err = dmg_os_file_replace( file, dmg_span( line, (size_t)n ), 0600 );
      if( err ) dmg_open_why( out_why, err, "%.300s cannot be written: %s", file, dmg_err_text( err ) );
    }
  }
  dmg_buf_fini( &text );
  if( err ) { dmg_data_dir_close( dir ); return err; }
  *out_dir = dir;
  return DMG_OK;
}

void dmg_data_dir_close( dmg_data_dir_t * dir ) {
  if( !dir ) return;
  close( dir->lock_fd );       /* the file stays, with a stale pid; the lock is what counts */
  free( dir );
}
