#include "lab.h"
#include "base/assert.h"
#include "base/os.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet { uint64_t at, seq; packet_t * next; uint32_t to, sz; uint8_t bytes[ PACKET_MAX ]; };

/* The kernel's struct in6_ifreq, which no header of libc has. */
typedef struct { struct in6_addr addr; uint32_t prefix_len; int ifindex; } in6_ifreq_t;

void lab_address( host_t const * h, char out[ 16 ] ) { snprintf( out, 16, "10.%u.%u.1", ( h->city+1 )&255, h->idx&255 ); }

/* ---- Namespaces and devices ---- */

static bool failed( dmg_buf_t * why, char const * what ) { (void)!dmg_buf_printf( why, "%s: %s", what, strerror( errno ) ); return false; }

static bool write_text( char const * path, char const * text ) {
  int fd = open( path, O_WRONLY|O_CLOEXEC );
  bool is_ok = fd>=0 && write( fd, text, strlen( text ) )==(ssize_t)strlen( text );
  if( fd>=0 ) close( fd );
  return is_ok;
}

static bool user_namespace( dmg_buf_t * why ) {
  char map[ 64 ];
  uid_t uid = getuid();
  gid_t gid = getgid();
  if( unshare( CLONE_NEWUSER|CLONE_NEWNET ) ) return failed( why, "a user namespace (is kernel.unprivileged_userns_clone or user.max_user_namespaces 0?)" );
  snprintf( map, sizeof map, "0 %u 1\n", uid );
  if( !write_text( "/proc/self/setgroups", "deny" ) || !write_text( "/proc/self/uid_map", map ) ) return failed( why, "/proc/self/uid_map" );
  snprintf( map, sizeof map, "0 %u 1\n", gid );
  return write_text( "/proc/self/gid_map", map ) ? true : failed( why, "/proc/self/gid_map" );
}

static bool is_up( char const * name, int fd ) {
  struct ifreq r = { 0 };
  snprintf( r.ifr_name, sizeof r.ifr_name, "%s", name );
  if( ioctl( fd, SIOCGIFFLAGS, &r ) ) return false;
  r.ifr_flags |= IFF_UP;
  return !ioctl( fd, SIOCSIFFLAGS, &r );
}

/* In the namespace at hand: lo, and the device with both addresses. */
static bool device( host_t * h, dmg_buf_t * why ) {
  struct ifreq r = { .ifr_flags = IFF_TUN|IFF_NO_PI };
  bool is_ok = false;
  snprintf( r.ifr_name, sizeof r.ifr_name, "%s", "lab" );
  int s4 = socket( AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, 0 ), s6 = socket( AF_INET6, SOCK_DGRAM|SOCK_CLOEXEC, 0 );
  h->tun_fd = open( "/dev/net/tun", O_RDWR|O_NONBLOCK|O_CLOEXEC );
  if( h->tun_fd<0 ) { failed( why, "/dev/net/tun (it must be there and open to this user: mknod /dev/net/tun c 10 200; chmod 666 /dev/net/tun)" ); goto out; }
  if( ioctl( h->tun_fd, TUNSETIFF, &r ) ) { failed( why, "TUNSETIFF" ); goto out; }
  if( s4<0 || !is_up( "lo", s4 ) ) { failed( why, "lo" ); goto out; }
  struct sockaddr_in * a = (struct sockaddr_in *)&r.ifr_addr;
  r = (struct ifreq){ 0 };
  snprintf( r.ifr_name, sizeof r.ifr_name, "%s", "lab" );
  char text[ 16 ];
  lab_address( h, text );
  a->sin_family = AF_INET;
  inet_pton( AF_INET, text, &a->sin_addr );
  if( ioctl( s4, SIOCSIFADDR, &r ) ) { failed( why, "SIOCSIFADDR" ); goto out; }
  inet_pton( AF_INET, "255.0.0.0", &a->sin_addr );
  if( ioctl( s4, SIOCSIFNETMASK, &r ) ) { failed( why, "SIOCSIFNETMASK" ); goto out; }
  r.ifr_mtu = PACKET_MAX;
  if( ioctl( s4, SIOCSIFMTU, &r ) ) { failed( why, "SIOCSIFMTU" ); goto out; }
  if( !is_up( "lab", s4 ) ) { failed( why, "the device lab" ); goto out; }
  if( s6>=0 && !ioctl( s4, SIOCGIFINDEX, &r ) ) {   /* a kernel without IPv6 has a laboratory without it */
    in6_ifreq_t r6 = { .prefix_len = 16, .ifindex = r.ifr_ifindex };
    char text6[ 48 ];
    snprintf( text6, sizeof text6, "fd77::%x:%x:1", h->city+1, h->idx );
    inet_pton( AF_INET6, text6, &r6.addr );
    if( ioctl( s6, SIOCSIFADDR, &r6 ) ) { failed( why, "SIOCSIFADDR of IPv6" ); goto out; }
  }
  is_ok = true;
out:
  if( s4>=0 ) close( s4 );
  if( s6>=0 ) close( s6 );
  return is_ok;
}

bool lab_open( lab_t * lab, dmg_buf_t * why ) {
  for( uint32_t i = 0; i<lab->host_cnt; i++ ) lab->host[ i ].tun_fd = lab->host[ i ].ns_fd = -1;
  /* Before all others where this user may: a router that waits for a core is a delay of its own.  Its children are as others. */
  (void)sched_setscheduler( 0, SCHED_RR|SCHED_RESET_ON_FORK, &(struct sched_param){ .sched_priority = 1 } );
  if( !user_namespace( why ) ) return false;
  int home = open( "/proc/self/ns/net", O_RDONLY|O_CLOEXEC );
  if( home<0 ) return failed( why, "/proc/self/ns/net" );
  bool is_ok = true;
  for( uint32_t i = 0; i<lab->host_cnt && is_ok; i++ ) {
    host_t * h = lab->host+i;
    is_ok = !unshare( CLONE_NEWNET ) || failed( why, "a network namespace" );
    if( is_ok && ( h->ns_fd = open( "/proc/self/ns/net", O_RDONLY|O_CLOEXEC ) )<0 ) is_ok = failed( why, "/proc/self/ns/net" );
    is_ok = is_ok && device( h, why );
  }
  if( setns( home, CLONE_NEWNET ) ) is_ok = failed( why, "setns" );
  int s = socket( AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, 0 );
  if( s>=0 ) { (void)is_up( "lo", s ); close( s ); }
  close( home );
  lab->start_ns = dmg_os_mono_ns();
  return is_ok;
}

void lab_close( lab_t * lab ) {
  for( uint32_t i = 0; i<lab->host_cnt; i++ ) {
    host_t * h = lab->host+i;
    if( h->tun_fd>=0 ) close( h->tun_fd );
    if( h->ns_fd>=0 ) close( h->ns_fd );
    for( char ** a = h->run; *a; a++ ) free( *a );
  }
  for( uint32_t i = 0; i<lab->flight_cnt; i++ ) free( lab->heap[ i ] );
  for( packet_t * p = lab->free_list, * n; p; p = n ) { n = p->next; free( p ); }
  if( lab->pcap ) fclose( lab->pcap );
}

pid_t lab_run( lab_t const * lab, host_t const * host, char * const argv[], int log_fd ) {
  pid_t router = getpid(), pid = fork();
  if( pid ) return pid;
  sigset_t none;
  sigemptyset( &none );
  sigprocmask( SIG_SETMASK, &none, NULL );
  prctl( PR_SET_PDEATHSIG, SIGTERM );
  if( getppid()!=router ) _exit( 1 );
  if( host && setns( host->ns_fd, CLONE_NEWNET ) ) _exit( 126 );
  if( log_fd>=0 ) { dup2( log_fd, 1 ); dup2( log_fd, 2 ); }
  for( uint32_t i = 0; i<lab->host_cnt; i++ ) {
    char name[ 64 ], value[ 64 ];
    snprintf( name, sizeof name, "NETLAB_NS_%s", lab->host[ i ].name );
    snprintf( value, sizeof value, "/proc/%d/fd/%d", router, lab->host[ i ].ns_fd );
    setenv( name, value, 1 );
    snprintf( name, sizeof name, "NETLAB_IP_%s", lab->host[ i ].name );
    lab_address( lab->host+i, value );
    setenv( name, value, 1 );
  }
  execvp( argv[ 0 ], argv );
  fprintf( stderr, "netlab: %s: %s\n", argv[ 0 ], strerror( errno ) );
  _exit( 127 );
}

/* ---- Packets under way: a heap by arrival, then by order of sending ---- */

static bool is_before( packet_t const * a, packet_t const * b ) { return a->at!=b->at ? a->at<b->at : a->seq<b->seq; }

static void push( lab_t * lab, packet_t * p ) {
  uint32_t i = lab->flight_cnt++;
  for( ; i && is_before( p, lab->heap[ ( i-1 )/2 ] ); i = ( i-1 )/2 ) lab->heap[ i ] = lab->heap[ ( i-1 )/2 ];
  lab->heap[ i ] = p;
}

static packet_t * pop( lab_t * lab ) {
  packet_t * top = lab->heap[ 0 ], * last = lab->heap[ --lab->flight_cnt ];
  uint32_t i = 0, n = lab->flight_cnt;
  for( uint32_t k; ( k = 2*i+1 )<n; i = k ) {
    if( k+1<n && is_before( lab->heap[ k+1 ], lab->heap[ k ] ) ) k++;
    if( !is_before( lab->heap[ k ], last ) ) break;
    lab->heap[ i ] = lab->heap[ k ];
  }
  lab->heap[ i ] = last;
  return top;
}

static packet_t * packet_new( lab_t * lab ) {
  packet_t * p = lab->free_list;
  if( p ) lab->free_list = p->next;
  else    p = malloc( sizeof *p );
  DMG_ASSERT( p );
  return p;
}

/* Which host has the destination; -1: none (multicast, outside). */
static int host_of( lab_t const * lab, uint8_t const * p, uint32_t sz ) {
  uint32_t city, idx;
  if( sz>=20 && p[ 0 ]>>4==4 ) {
    if( p[ 16 ]!=10 || p[ 19 ]!=1 ) return -1;
    city = p[ 17 ]; idx = p[ 18 ];
  } else if( sz>=40 && p[ 0 ]>>4==6 ) {
    if( p[ 24 ]!=0xfd || p[ 25 ]!=0x77 ) return -1;
    city = p[ 34 ]<<8|p[ 35 ]; idx = p[ 36 ]<<8|p[ 37 ];
  } else return -1;
  for( uint32_t i = 0; i<lab->host_cnt; i++ ) if( lab->host[ i ].city+1==city && lab->host[ i ].idx==idx ) return (int)i;
  return -1;
}

static void take( lab_t * lab, uint32_t from, packet_t * p, uint64_t now ) {
  uint64_t out[ 2 ], up[ 2 ];
  int to = host_of( lab, p->bytes, p->sz );
  if( to<0 || (uint32_t)to==from ) { lab->stray_cnt++; goto drop; }
  if( !link_send( &lab->host[ from ].up, now, p->sz, up ) ) goto drop;
  unsigned n = link_send( &lab->link[ from ][ to ], up[ 0 ], p->sz, out );
  if( !n ) goto drop;
  if( lab->flight_cnt+n>FLIGHT_MAX ) { lab->overflow_cnt++; goto drop; }
  p->to  = (uint32_t)to;
  p->at  = out[ 0 ];
  p->seq = lab->seq++;
  push( lab, p );
  if( n==2 ) {
    packet_t * twin = packet_new( lab );
    *twin = *p;
    twin->at  = out[ 1 ];
    twin->seq = lab->seq++;
    push( lab, twin );
  }
  return;
drop:
  p->next = lab->free_list;
  lab->free_list = p;
}

/* pcap, link type RAW: each packet as it arrives. */
static void record( lab_t * lab, packet_t const * p, uint64_t now ) {
  uint64_t us = ( now-lab->start_ns )/1000;
  uint32_t head[ 4 ] = { (uint32_t)( us/1000000 ), (uint32_t)( us%1000000 ), p->sz, p->sz };
  fwrite( head, sizeof head, 1, lab->pcap );
  fwrite( p->bytes, p->sz, 1, lab->pcap );
}

uint64_t lab_turn( lab_t * lab, uint64_t now ) {
  for( uint32_t i = 0; i<lab->host_cnt; i++ )
    for( uint32_t k = 0; k<64; k++ ) {   /* then what is due comes first */
      packet_t * p = packet_new( lab );
      ssize_t n = read( lab->host[ i ].tun_fd, p->bytes, sizeof p->bytes );
      if( n<=0 ) { p->next = lab->free_list; lab->free_list = p; break; }
      p->sz = (uint32_t)n;
      take( lab, i, p, now );
    }
  while( lab->at_next<lab->at_cnt && lab->start_ns+lab->at[ lab->at_next ].at_ns<=now ) {
    dmg_buf_t text = dmg_buf( 1<<20 );
    DMG_ASSERT( lab_do( lab, lab->at[ lab->at_next ].text, &text ) );   /* tried when it was read */
    fprintf( stderr, "netlab: %9.3f s  %s\n", (double)( now-lab->start_ns )/1e9, lab->at[ lab->at_next ].text );
    dmg_buf_fini( &text );
    lab->at_next++;
  }
  while( lab->flight_cnt && lab->heap[ 0 ]->at<=now ) {
    packet_t * p = pop( lab );
    if( lab->pcap ) record( lab, p, now );
    (void)!write( lab->host[ p->to ].tun_fd, p->bytes, p->sz );   /* a full device is a packet lost, as on a wire */
    p->next = lab->free_list;
    lab->free_list = p;
  }
  uint64_t due = lab->flight_cnt ? lab->heap[ 0 ]->at : UINT64_MAX;
  if( lab->at_next<lab->at_cnt ) due = due<lab->start_ns+lab->at[ lab->at_next ].at_ns ? due : lab->start_ns+lab->at[ lab->at_next ].at_ns;
  return due;
}

void lab_wait( lab_t * lab, uint64_t due, int extra_fd ) {
  struct pollfd fd[ HOSTS_MAX+1 ];
  nfds_t n = 0;
  for( uint32_t i = 0; i<lab->host_cnt; i++ ) fd[ n++ ] = (struct pollfd){ .fd = lab->host[ i ].tun_fd, .events = POLLIN };
  if( extra_fd>=0 ) fd[ n++ ] = (struct pollfd){ .fd = extra_fd, .events = POLLIN };
  uint64_t now = dmg_os_mono_ns(), wait = due==UINT64_MAX ? 1000000000u : due>now ? due-now : 0;
  if( wait>1000000000u ) wait = 1000000000u;
  struct timespec ts = { .tv_sec = (time_t)( wait/1000000000u ), .tv_nsec = (long)( wait%1000000000u ) };
  sigset_t none;
  sigemptyset( &none );
  (void)ppoll( fd, n, &ts, &none );   /* signals come here and nowhere else */
}
