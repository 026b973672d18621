#include "base/os.h"
#include "base/assert.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns( clockid_t id ) {
  struct timespec t;
  int rc = clock_gettime( id, &t );
  DMG_ASSERT( !rc );
  return (uint64_t)t.tv_sec*1000000000u+(uint64_t)t.tv_nsec;
}
uint64_t dmg_os_wall_ms( void ) { return clock_ns( CLOCK_REALTIME )/1000000u; }
uint64_t dmg_os_mono_ns( void ) { return clock_ns( CLOCK_MONOTONIC ); }
uint64_t dmg_os_thread_cpu_ns( void ) { return clock_ns( CLOCK_THREAD_CPUTIME_ID ); }

void dmg_os_sleep_ns( uint64_t ns ) {
  struct timespec t = { .tv_sec = (time_t)( ns/1000000000u ), .tv_nsec = (long)( ns%1000000000u ) };
  while( nanosleep( &t, &t ) && errno==EINTR ) {}
}

void dmg_os_random( void * out, size_t sz ) {
  uint8_t * p = out;
  while( sz ) {
    ssize_t n = getrandom( p, sz, 0 );
    if( n<0 && errno==EINTR ) continue;
    DMG_ASSERT( n>0 );
    p  += n;
    sz -= (size_t)n;
  }
}

bool dmg_os_is_tty( int fd ) { return isatty( fd )==1; }

static dmg_err_t err_of( int e ) {
  switch( e ) {
  case ENOENT: case ENOTDIR:          return DMG_ERR_NOT_FOUND;
  case EACCES: case EPERM: case EROFS:return DMG_ERR_PERM;
  case EEXIST:                        return DMG_ERR_EXISTS;
  case ENOSPC: case EDQUOT:           return DMG_ERR_FULL;
  case ENOMEM:                        return DMG_ERR_NOMEM;
  default:                            return DMG_ERR_IO;
  }
}

static dmg_err_t fail( char const * what, char const * path ) {
  int e = errno;
  dmg_err_t err = err_of( e );
  /* Absence is often an answer, not a fault: the caller says what it means. */
  if( err!=DMG_ERR_NOT_FOUND ) DMG_LOG_ERROR( "file_failed", "%s %s: %s", what, path, strerror( e ) );
  return err;
}

dmg_err_t dmg_os_write_all( int fd, void const * p, size_t sz ) {
  uint8_t const * b = p;
  while( sz ) {
    ssize_t n = write( fd, b, sz );
    if( n<0 && errno==EINTR ) continue;
    if( n<=0 ) return err_of( errno );
    b  += n;
    sz -= (size_t)n;
  }
  return DMG_OK;
}

dmg_err_t dmg_os_pwrite_all( int fd, void const * p, size_t sz, uint64_t off ) {
  uint8_t const * b = p;
  while( sz ) {
    ssize_t n = pwrite( fd, b, sz, (off_t)off );
    if( n<0 && errno==EINTR ) continue;
    if( n<=0 ) return err_of( errno );
    b   += n;
    off += (uint64_t)n;
    sz  -= (size_t)n;
  }
  return DMG_OK;
}

dmg_err_t dmg_os_pread( int fd, void * p, size_t sz, uint64_t off, size_t * out_sz ) {
  uint8_t * b = p;
  size_t got = 0;
  while( got<sz ) {
    ssize_t n = pread( fd, b+got, sz-got, (off_t)( off+got ) );
    if( n<0 && errno==EINTR ) continue;
    if( n<0 ) return err_of( errno );
    if( !n ) break;
    got += (size_t)n;
  }
  *out_sz = got;
  return DMG_OK;
}

char const * dmg_os_disk_remedy( int e ) {
  switch( e ) {
  case ENOSPC: case EDQUOT: return ": free some space there, then start again";
  case EIO:                 return ": the disk or what connects it fails, the kernel's log (dmesg) says how; mend or replace it before";
  case EROFS:               return ": it is mounted read-only, by the kernel itself after a fault of the disk; the kernel's log (dmesg) says why";
  default:                  return "";
  }
}

void dmg_os_fsync( int fd, char const * path ) {
  if( !fdatasync( fd ) ) return;
  /* S8.6: the kernel may have dropped the dirty pages, a second call could succeed without them. */
  DMG_LOG_ERROR( "fsync_failed", "%s: %s; stopping at once, the data on disk decides at the next start%s", path, strerror( errno ), dmg_os_disk_remedy( errno ) );
  _exit( 1 );
}

dmg_err_t dmg_os_file_read( char const * path, size_t max, dmg_buf_t * out_buf ) {
  int fd = open( path, O_RDONLY|O_CLOEXEC );
  if( fd<0 ) return fail( "open", path );
  dmg_buf_t buf = dmg_buf( max );
  dmg_err_t err = DMG_OK;
  for(;;) {
    uint8_t chunk[ 16384 ];
    ssize_t n = read( fd, chunk, sizeof chunk );
    if( n<0 && errno==EINTR ) continue;
    if( n<0 ) { err = fail( "read", path ); break; }
    if( !n ) break;
    if(( err = dmg_buf_append( &buf, chunk, (size_t)n ) )) break;
  }
  close( fd );
  if( err ) { dmg_buf_fini( &buf ); return err; }
  *out_buf = buf;
  return DMG_OK;
}

void dmg_os_dir_sync( char const * path ) {
  int fd = open( path, O_RDONLY|O_DIRECTORY|O_CLOEXEC );
  if( fd<0 || fsync( fd ) ) {
    DMG_LOG_ERROR( "fsync_failed", "directory %s: %s; stopping at once", path, strerror( errno ) );
    _exit( 1 );
  }
  close( fd );
}

static bool is_named( char const * name, char const * pattern ) {
  size_t n = strlen( pattern );
  return n && pattern[ n-1 ]=='*' ? !strncmp( name, pattern, n-1 ) : !strcmp( name, pattern );
}

bool dmg_os_dir_has_other( char const * path, char const * const * names, char out_name[ 256 ] ) {
  DIR * dir = opendir( path );
  if( !dir ) return false;
  bool is_other = false;
  for( struct dirent * e; !is_other && ( e = readdir( dir ) ); ) {
    is_other = strcmp( e->d_name, "." ) && strcmp( e->d_name, ".." ) && strcmp( e->d_name, "lost+found" );
    for( size_t i = 0; names[ i ] && is_other; i++ ) is_other = !is_named( e->d_name, names[ i ] );
    if( is_other ) snprintf( out_name, 256, "%s", e->d_name );
  }
  closedir( dir );
  return is_other;
}

dmg_err_t dmg_os_file_replace( char const * path, dmg_span_t bytes, unsigned mode ) {
  char tmp[ 4096 ], dir[ 4096 ];
  if( (size_t)snprintf( tmp, sizeof tmp, "%s.new", path )>=sizeof tmp ) return DMG_ERR_LIMIT;
  int fd = open( tmp, O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, mode );
  if( fd<0 ) return fail( "create", tmp );
  dmg_err_t err = dmg_os_write_all( fd, bytes.p, bytes.sz );
  if( err ) (void)fail( "write", tmp );   /* for its line: errno is still of the write */
  else      dmg_os_fsync( fd, tmp );
  close( fd );
  if( err ) { unlink( tmp ); return err; }
  if( rename( tmp, path ) ) { err = fail( "rename", path ); unlink( tmp ); return err; }
  snprintf( dir, sizeof dir, "%s", path );
  char * slash = strrchr( dir, '/' );
  if( !slash )           dmg_os_dir_sync( "." );
  else if( slash==dir )  dmg_os_dir_sync( "/" );
  else { *slash = 0;     dmg_os_dir_sync( dir ); }
  return DMG_OK;
}

dmg_err_t dmg_os_mkdirs( char const * path ) {
  char p[ 4096 ];
  if( (size_t)snprintf( p, sizeof p, "%s", path )>=sizeof p ) return DMG_ERR_LIMIT;
  for( char * s = p+1; ; s++ ) {
    if( *s && *s!='/' ) continue;
    char c = *s;
    *s = 0;
    if( mkdir( p, 0700 ) && errno!=EEXIST ) return fail( "make directory", p );
    *s = c;
    if( !c ) break;
  }
  struct stat st;
  if( stat( path, &st ) ) return fail( "stat", path );
  return S_ISDIR( st.st_mode ) ? DMG_OK : DMG_ERR_EXISTS;
}

void dmg_os_thread_name( char const * name ) { pthread_setname_np( pthread_self(), name ); }

uint32_t dmg_os_core_cnt( void ) {
  cpu_set_t set;
  int n = sched_getaffinity( 0, sizeof set, &set ) ? 1 : CPU_COUNT( &set );
  return n<1 ? 1 : n>64 ? 64 : (uint32_t)n;
}
