/* A disk that fails, for one process by LD_PRELOAD (C15.1): the library that tests/e2e/disk.mjs puts under a validator.

   The file DISKFAIL names is read before each call that writes or syncs; it holds a line `NUMBER WHAT PART AFTER`.  Once AFTER calls of that kind on paths that
   contain PART went well, the next one fails:
     sync   fdatasync or fsync gives EIO once, and what was written to that file since its last sync is gone; later ones succeed, as on Linux (the "fsyncgate")
     full   write, pwrite and fallocate give ENOSPC from then on, whatever the path; the first one leaves half of its bytes
   `NUMBER PATH` is appended to DISKFAIL.fired when it does.  A new NUMBER arms anew.

   What is written past the C library (mmap, io_uring) or by two threads at once to one file is not put back; the node does neither. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FD_MAX = 4096, ORDER_SZ = 256 };

/* A write since the file's last sync: what was there before. */
typedef struct undo { struct undo * next; off_t off, old_sz; size_t sz; unsigned char bytes[]; } undo_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static undo_t *        undos[ FD_MAX ];
static unsigned        number, left;
static bool            is_armed, is_full;
static char            order[ PATH_MAX ], what[ 16 ], part[ 64 ], path_now[ PATH_MAX ];   /* order "": nothing fails here */

static ssize_t (*real_write)( int, void const *, size_t );
static ssize_t (*real_pwrite)( int, void const *, size_t, off_t );
static int     (*real_fdatasync)( int ), (*real_fsync)( int ), (*real_fallocate)( int, int, off_t, off_t ), (*real_close)( int );

static void child( void ) { order[ 0 ] = 0; }

/* Only this process: a child of it may be in a sandbox that allows none of the calls made here. */
__attribute__(( constructor )) static void find( void ) {
  char const * file = getenv( "DISKFAIL" );
  snprintf( order, sizeof order, "%s", file ? file : "" );
  unsetenv( "LD_PRELOAD" );
  pthread_atfork( NULL, NULL, child );
  *(void **)&real_write     = dlsym( RTLD_NEXT, "write" );
  *(void **)&real_pwrite    = dlsym( RTLD_NEXT, "pwrite" );
  *(void **)&real_fdatasync = dlsym( RTLD_NEXT, "fdatasync" );
  *(void **)&real_fsync     = dlsym( RTLD_NEXT, "fsync" );
  *(void **)&real_fallocate = dlsym( RTLD_NEXT, "fallocate" );
  *(void **)&real_close     = dlsym( RTLD_NEXT, "close" );
}

static void read_order( void ) {
  char text[ ORDER_SZ ], w[ 16 ], p[ 64 ];
  unsigned k, after;
  int fd = open( order, O_RDONLY|O_CLOEXEC );
  if( fd<0 ) return;
  ssize_t n = read( fd, text, sizeof text-1 );
  real_close( fd );
  text[ n>0 ? n : 0 ] = 0;
  if( sscanf( text, "%u %15s %63s %u", &k, w, p, &after )!=4 || k==number ) return;
  number   = k;
  left     = after;
  is_armed = true;
  memcpy( what, w, sizeof what );
  memcpy( part, p, sizeof part );
}

/* Of a regular file but the standard streams; its path is in path_now then. */
static bool is_file( int fd ) {
  char link[ 64 ];
  struct stat st;
  if( fd<=STDERR_FILENO || fd>=FD_MAX || fstat( fd, &st ) || !S_ISREG( st.st_mode ) ) return false;
  snprintf( link, sizeof link, "/proc/self/fd/%d", fd );
  ssize_t n = readlink( link, path_now, sizeof path_now-1 );
  path_now[ n>0 ? n : 0 ] = 0;
  return n>0;
}

/* Does the call on path_now fail? */
static bool is_due( char const * kind ) {
  read_order();
  if( !is_armed || strcmp( what, kind ) || !strstr( path_now, part ) ) return false;
  if( left ) { left--; return false; }
  is_armed = false;
  char fired[ PATH_MAX+8 ], line[ PATH_MAX+32 ];
  snprintf( fired, sizeof fired, "%s.fired", order );
  int fd = open( fired, O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC, 0600 );
  int n = snprintf( line, sizeof line, "%u %s\n", number, path_now );
  if( fd>=0 ) { if( real_write( fd, line, (size_t)n )!=n ) abort(); real_close( fd ); }
  return true;
}

static void forget( int fd ) {
  while( undos[ fd ] ) { undo_t * u = undos[ fd ]; undos[ fd ] = u->next; free( u ); }
}

static void put_back( int fd ) {
  for( undo_t * u = undos[ fd ]; u; u = u->next ) if( ( u->sz && real_pwrite( fd, u->bytes, u->sz, u->off )!=(ssize_t)u->sz ) || ftruncate( fd, u->old_sz ) ) abort();
  forget( fd );
}

static void remember( int fd, off_t off, size_t sz ) {
  struct stat st;
  if( fstat( fd, &st ) ) return;
  undo_t * u = malloc( sizeof *u+sz );
  if( !u ) abort();
  ssize_t n = pread( fd, u->bytes, sz, off );
  *u = (undo_t){ .next = undos[ fd ], .off = off, .old_sz = st.st_size, .sz = n>0 ? (size_t)n : 0 };
  undos[ fd ] = u;
}

/* Before sz bytes are written: how many of them may be; -1: none, the disk is full. */
static ssize_t room( int fd, off_t off, size_t sz ) {
  if( is_full ) return -1;
  if( is_due( "full" ) ) { is_full = true; sz /= 2; if( !sz ) return -1; }
  remember( fd, off, sz );
  return (ssize_t)sz;
}

static ssize_t no_space( void ) { errno = ENOSPC; return -1; }

/* Holds the lock if fd is such a file. */
static bool begin( int fd ) {
  if( !order[ 0 ] ) return false;
  pthread_mutex_lock( &lock );
  if( is_file( fd ) ) return true;
  pthread_mutex_unlock( &lock );
  return false;
}

ssize_t write( int fd, void const * p, size_t sz ) {
  if( !begin( fd ) ) return real_write( fd, p, sz );
  struct stat st;
  ssize_t n = room( fd, fcntl( fd, F_GETFL )&O_APPEND && !fstat( fd, &st ) ? st.st_size : lseek( fd, 0, SEEK_CUR ), sz );
  n = n<0 ? no_space() : real_write( fd, p, (size_t)n );
  pthread_mutex_unlock( &lock );
  return n;
}

ssize_t pwrite( int fd, void const * p, size_t sz, off_t off ) {
  if( !begin( fd ) ) return real_pwrite( fd, p, sz, off );
  ssize_t n = room( fd, off, sz );
  n = n<0 ? no_space() : real_pwrite( fd, p, (size_t)n, off );
  pthread_mutex_unlock( &lock );
  return n;
}

int fallocate( int fd, int mode, off_t off, off_t sz ) {
  if( !begin( fd ) ) return real_fallocate( fd, mode, off, sz );
  int rc = is_full ? (int)no_space() : real_fallocate( fd, mode, off, sz );
  pthread_mutex_unlock( &lock );
  return rc;
}

static int sync_by( int (*real)( int ), int fd ) {
  if( !begin( fd ) ) return real( fd );
  bool is_bad = is_due( "sync" );
  if( is_bad ) put_back( fd );
  else         forget( fd );
  int rc = real( fd );
  pthread_mutex_unlock( &lock );
  if( is_bad ) { errno = EIO; return -1; }
  return rc;
}
int fdatasync( int fd ) { return sync_by( real_fdatasync, fd ); }
int fsync( int fd )     { return sync_by( real_fsync, fd ); }

int close( int fd ) {
  if( order[ 0 ] && fd>=0 && fd<FD_MAX ) { pthread_mutex_lock( &lock ); forget( fd ); pthread_mutex_unlock( &lock ); }
  return real_close( fd );
}
