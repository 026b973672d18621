/* The laboratory measures itself (N13.3) before anything is measured in it. */
#include "lab.h"
#include "base/os.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PORT = 7000, PINGS = 1000, LOST_OF = 100000, FLOOD = 300000 };

typedef struct { uint64_t n, first_ns, last_ns, bytes; uint64_t worst_ns, p99_ns, p50_ns; } heard_t;

static void die( char const * what ) { fprintf( stderr, "netlab prove: %s: %s\n", what, strerror( errno ) ); _exit( 1 ); }

static int udp( host_t const * h, bool is_bound, host_t const * to ) {
  if( setns( h->ns_fd, CLONE_NEWNET ) ) die( "setns" );
  int fd = socket( AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, 0 ), room = 32<<20;
  if( fd<0 ) die( "socket" );
  (void)setsockopt( fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room );
  if( setsockopt( fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room ) ) die( "SO_RCVBUF" );
  struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons( PORT ) };
  char text[ 16 ];
  if( is_bound && bind( fd, (struct sockaddr *)&a, sizeof a ) ) die( "bind" );
  if( to ) { lab_address( to, text ); inet_pton( AF_INET, text, &a.sin_addr ); if( connect( fd, (struct sockaddr *)&a, sizeof a ) ) die( "connect" ); }
  return fd;
}

static int by_value( void const * a, void const * b ) { uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b; return x<y ? -1 : x>y; }

static void echo( host_t const * at ) {
  int fd = udp( at, true, NULL );
  struct sockaddr_in who;
  uint8_t buf[ 2048 ];
  for( ;; ) {
    socklen_t sz = sizeof who;
    ssize_t n = recvfrom( fd, buf, sizeof buf, 0, (struct sockaddr *)&who, &sz );
    if( n>0 ) (void)!sendto( fd, buf, (size_t)n, 0, (struct sockaddr *)&who, sz );
  }
}

static void ping( host_t const * at, host_t const * to, int out ) {
  static uint64_t rtt[ PINGS ];
  int fd = udp( at, false, to );
  heard_t r = { 0 };
  struct timeval t = { .tv_sec = 1 };
  setsockopt( fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t );
  for( int i = 0; i<PINGS; i++ ) {
    uint64_t t0 = dmg_os_mono_ns(), got = 0;
    (void)!send( fd, &t0, sizeof t0, 0 );
    if( recv( fd, &got, sizeof got, 0 )==sizeof got && got==t0 ) rtt[ r.n++ ] = dmg_os_mono_ns()-t0;
  }
  qsort( rtt, r.n, sizeof *rtt, by_value );
  if( r.n ) { r.p50_ns = rtt[ r.n/2 ]; r.p99_ns = rtt[ r.n*99/100 ]; r.worst_ns = rtt[ r.n-1 ]; }
  (void)!write( out, &r, sizeof r );
}

/* Counts what comes until half a second of silence. */
static void count( host_t const * at, int out ) {
  int fd = udp( at, true, NULL );
  heard_t r = { 0 };
  uint8_t buf[ 2048 ];
  struct timeval first = { .tv_sec = 20 }, then = { .tv_usec = 500000 };
  setsockopt( fd, SOL_SOCKET, SO_RCVTIMEO, &first, sizeof first );
  for( ssize_t n; ( n = recv( fd, buf, sizeof buf, 0 ) )>0; ) {
    r.last_ns = dmg_os_mono_ns();
    if( !r.n++ ) { r.first_ns = r.last_ns; setsockopt( fd, SOL_SOCKET, SO_RCVTIMEO, &then, sizeof then ); }
    else r.bytes += (uint64_t)n+28;   /* behind the first, so that bytes over time is the rate */
  }
  (void)!write( out, &r, sizeof r );
}

static void flood( host_t const * at, host_t const * to, uint32_t n, size_t sz, uint64_t gap_ns ) {
  static uint8_t buf[ 1472 ];
  int fd = udp( at, false, to );
  dmg_os_sleep_ns( 300000000 );
  uint64_t next = dmg_os_mono_ns();
  for( uint32_t i = 0; i<n; i++, next += gap_ns ) {
    while( gap_ns && dmg_os_mono_ns()<next ) dmg_os_sleep_ns( 200000 );   /* bursts of a fifth of a millisecond */
    (void)!send( fd, buf, sz, 0 );
  }
}

typedef enum { ROLE_ECHO, ROLE_PING, ROLE_COUNT, ROLE_FLOOD } role_t;
typedef struct { role_t role; uint32_t at, to, n; size_t sz; uint64_t gap_ns; } job_t;

static pid_t start( lab_t * lab, job_t const * j, int out ) {
  pid_t pid = fork();
  if( pid ) return pid;
  host_t const * at = lab->host+j->at, * to = lab->host+j->to;
  switch( j->role ) {
    case ROLE_ECHO:  echo( at ); break;
    case ROLE_PING:  ping( at, to, out ); break;
    case ROLE_COUNT: count( at, out ); break;
    case ROLE_FLOOD: flood( at, to, j->n, j->sz, j->gap_ns ); break;
  }
  _exit( 0 );
}

/* Runs both jobs; the first one's result (of PING, COUNT) ends the run. */
static heard_t run( lab_t * lab, job_t const * first, job_t const * second, uint64_t * out_cpu_ns ) {
  int pipe_fd[ 2 ];
  heard_t r = { 0 };
  if( pipe( pipe_fd ) ) return r;
  pid_t b = second->role==ROLE_ECHO ? start( lab, second, -1 ) : 0, a = start( lab, first, pipe_fd[ 1 ] );
  if( !b ) b = start( lab, second, -1 );
  close( pipe_fd[ 1 ] );
  uint64_t cpu = dmg_os_thread_cpu_ns();
  for( int status; waitpid( a, &status, WNOHANG )!=a; ) lab_wait( lab, lab_turn( lab, dmg_os_mono_ns() ), -1 );
  *out_cpu_ns = dmg_os_thread_cpu_ns()-cpu;
  (void)!read( pipe_fd[ 0 ], &r, sizeof r );
  close( pipe_fd[ 0 ] );
  kill( b, SIGKILL );
  waitpid( b, NULL, 0 );
  return r;
}

static int tell( char const * what, char const * unit, double got, double lo, double hi ) {
  bool is_ok = got>=lo && got<=hi;
  printf( "%-44s %12.3f %-10s %s\n", what, got, unit, is_ok ? "ok" : "VOID" );
  fflush( stdout );
  return !is_ok;
}

int prove( lab_t * lab ) {
  dmg_buf_t text = dmg_buf( 4096 );
  uint64_t cpu;
  int bad = 0;
#define DO( command ) do { if( !lab_do( lab, command, &text ) ) { fprintf( stderr, "netlab: %.*s\n", DMG_SPAN_F( text ) ); return 1; } } while( 0 )
  DO( "link a|b delay_ms=40" );
  heard_t r = run( lab, &(job_t){ .role = ROLE_PING, .at = 0, .to = 1 }, &(job_t){ .role = ROLE_ECHO, .at = 1 }, &cpu );
  bad += tell( "40 ms each way: answers of 1,000", "pings", (double)r.n, PINGS, PINGS );
  bad += tell( "  round trip, median", "ms", (double)r.p50_ns/1e6, 79, 81 );
  bad += tell( "  round trip, 99th percentile", "ms", (double)r.p99_ns/1e6, 79, 81 );
  printf( "  worst %.3f ms\n", (double)r.worst_ns/1e6 );
  DO( "link a|b delay_ms=0 rate_mbit=100" );
  r = run( lab, &(job_t){ .role = ROLE_COUNT, .at = 1 }, &(job_t){ .role = ROLE_FLOOD, .at = 0, .to = 1, .n = 40000, .sz = 1472, .gap_ns = 80000 }, &cpu );
  bad += tell( "100 Mbit/s, offered 150", "Mbit/s", r.n>1 ? (double)r.bytes*8e3/(double)( r.last_ns-r.first_ns ) : 0, 98, 102 );
  DO( "link a|b rate_mbit=0 loss=0.01" );
  r = run( lab, &(job_t){ .role = ROLE_COUNT, .at = 1 }, &(job_t){ .role = ROLE_FLOOD, .at = 0, .to = 1, .n = LOST_OF, .sz = 100, .gap_ns = 20000 }, &cpu );
  bad += tell( "1 % loss over 100,000 packets", "%", 100-100*(double)r.n/LOST_OF, 0.9, 1.1 );
  DO( "link a|b loss=0" );
  r = run( lab, &(job_t){ .role = ROLE_COUNT, .at = 1 }, &(job_t){ .role = ROLE_FLOOD, .at = 0, .to = 1, .n = FLOOD, .sz = 100 }, &cpu );
  bad += tell( "packets a second of the router's own CPU", "thousand", cpu ? (double)r.n*1e6/(double)cpu : 0, 100, 1e9 );
  dmg_buf_fini( &text );
  if( bad ) printf( "the laboratory does not keep its word here (is the machine busy?): what is measured in it is void\n" );
  return bad!=0;
}
