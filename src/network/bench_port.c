/* bench_port: the port between two processes on loopback (N14 B1, B2, B3, B5). One line a figure.

     client  notify cons, bulk --> server    votes come back on a notify stream of the server's own */
#include "network/port_libp2p.h"
#include "base/assert.h"
#include "base/os.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONS, BULK, BULK4, PROTO_CNT, VOTE_SZ = 143, FRAME_SZ = 65536, SAMPLES_MAX = 200000 };

static dmg_net_proto_t const protos[ PROTO_CNT ] = {
  [ CONS ]  = { .id = "/dmg/00000000/cons/1", .cls = DMG_NET_CLS_CONSENSUS, .is_notify = true, .in_max = 2, .out_max = 2, .frame_max = 64<<10, .queue_max = 512<<10, .first_ms = 5000, .next_ms = 10000 },
  [ BULK ]  = { .id = "/dmg/00000000/bulk/1", .cls = DMG_NET_CLS_BULK, .is_notify = true, .in_max = 2, .out_max = 2, .frame_max = 64<<10, .queue_max = 1<<20, .first_ms = 5000, .next_ms = 10000 },
  /* The same without the courtesy of N2.2: what it is worth. */
  [ BULK4 ] = { .id = "/dmg/00000000/rude/1", .cls = DMG_NET_CLS_CONSENSUS, .is_notify = true, .in_max = 2, .out_max = 2, .frame_max = 64<<10, .queue_max = 1<<20, .first_ms = 5000, .next_ms = 10000 },
};

static dmg_net_port_t * open_port( uint8_t seed, char const * const * listen, size_t listen_cnt ) {
  dmg_libp2p_cfg_t cfg;
  dmg_libp2p_cfg_init( &cfg );
  memset( cfg.seed, seed, sizeof cfg.seed );
  cfg.agent = cfg.version = "bench";
  cfg.listen     = listen;
  cfg.listen_cnt = listen_cnt;
  cfg.protos     = protos;
  cfg.proto_cnt  = PROTO_CNT;
  cfg.is_private = cfg.has_quic = true;
  cfg.peer_conns_max = cfg.vip_conns_max = 4;
  cfg.accepts_per_s = 0;                        /* no gate: how fast is it */
  dmg_net_port_t * port = NULL;
  char why[ 256 ];
  if( dmg_libp2p_open( &cfg, &port, why ) ) { fprintf( stderr, "bench_port: %s\n", why ); exit( 1 ); }
  return port;
}

static double cpu_s( void ) {
  struct rusage r;
  getrusage( RUSAGE_SELF, &r );
  return (double)( r.ru_utime.tv_sec+r.ru_stime.tv_sec )+(double)( r.ru_utime.tv_usec+r.ru_stime.tv_usec )*1e-6;
}

static void wait_events( dmg_net_port_t * port, int ms ) {
  struct pollfd fds[ 2 ] = { { .fd = dmg_net_fd( port, true ), .events = POLLIN }, { .fd = dmg_net_fd( port, false ), .events = POLLIN } };
  poll( fds, 2, ms );
}

/* --- Server: votes go back, bulk is counted by nobody --- */

enum { CONNS_MAX = 1<<16 };
static uint64_t back[ CONNS_MAX ];

static void serve( int pipe_fd ) {
  dmg_net_port_t * port = open_port( 1, (char const *[]){ "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1" }, 2 );
  int told = 0;
  for(;;) {
    dmg_net_ev_t evs[ 64 ];
    size_t n = 0;
    for( int urgent=1; urgent>=0; urgent-- ) {
      size_t cnt = dmg_net_poll( port, urgent, evs, 64 );
      n += cnt;
      for( size_t i=0; i<cnt; i++ ) {
        dmg_net_ev_t * ev = &evs[ i ];
        if( ev->kind==DMG_NET_LISTENING && told++<2 ) {
          char line[ 256 ] = { 0 };
          memcpy( line, ev->addr.p, ev->addr.sz<255 ? ev->addr.sz : 255 );
          if( write( pipe_fd, line, sizeof line )!=sizeof line ) exit( 1 );
        }
        if( ev->kind==DMG_NET_NOTIFY_UP && !ev->code ) {
          (void)!dmg_net_notify_answer( port, ev->id, 0 );
          if( ev->proto==CONS ) (void)!dmg_net_notify_open( port, ev->conn, CONS, DMG_SPAN_STR( "back" ), &back[ ev->conn%CONNS_MAX ] );
        }
        if( ev->kind==DMG_NET_NOTIFY && ev->proto==CONS ) (void)!dmg_net_notify_send( port, back[ ev->conn%CONNS_MAX ], 1, 0, ev->data );
        dmg_net_release( port, ev );
      }
    }
    if( !n ) wait_events( port, 1000 );
  }
}

/* --- Client --- */

static dmg_net_port_t * port;
static dmg_net_peer_t   server;
static char             addrs[ 2 ][ 256 ];        /* TCP, QUIC */
static uint32_t         conn_up;
static uint64_t         votes, downs, rtts, poll_ns, polled;

static size_t pump( int wait_ms ) {
  size_t n = 0;
  for( int urgent=1; urgent>=0; urgent-- ) {
    dmg_net_ev_t evs[ 64 ];
    uint64_t t = dmg_os_mono_ns();
    size_t cnt = dmg_net_poll( port, urgent, evs, 64 );
    for( size_t i=0; i<cnt; i++ ) {
      dmg_net_ev_t * ev = &evs[ i ];
      if( ev->kind==DMG_NET_CONN_UP ) conn_up = ev->conn;
      if( ev->kind==DMG_NET_CONN_DOWN || ev->kind==DMG_NET_DIAL_FAILED ) downs++;
      if( ev->kind==DMG_NET_RTT ) rtts++;
      if( ev->kind==DMG_NET_NOTIFY_UP && !ev->code ) (void)!dmg_net_notify_answer( port, ev->id, 0 );
      if( ev->kind==DMG_NET_NOTIFY ) votes++;
      dmg_net_release( port, ev );
    }
    if( cnt ) { poll_ns += dmg_os_mono_ns()-t; polled += cnt; }
    n += cnt;
  }
  if( !n && wait_ms ) wait_events( port, wait_ms );
  return n;
}

#define AWAIT( cond ) do { uint64_t end_ = dmg_os_mono_ns()+30000000000u; while( !(cond) ) { pump( 20 ); \
    if( dmg_os_mono_ns()>end_ ) { fprintf( stderr, "bench_port: waited in vain for %s\n", #cond ); exit( 1 ); } } } while( 0 )

static uint32_t dial( int is_quic ) {
  uint32_t conn = 0;
  conn_up = 0;
  DMG_ASSERT( !dmg_net_dial( port, &server, (char const *[]){ addrs[ is_quic ] }, 1, true, &conn ) );
  AWAIT( conn_up==conn );
  return conn;
}

static uint64_t open_notify( uint32_t conn, uint16_t proto ) {
  uint64_t id = 0;
  DMG_ASSERT( !dmg_net_notify_open( port, conn, proto, DMG_SPAN_STR( "hello" ), &id ) );
  return id;
}

static void bulk_fill( uint64_t id, uint64_t * sent, double rate, uint64_t begin ) {
  static uint8_t frame[ FRAME_SZ ];
  while( rate<=0 || (double)*sent<rate*(double)( dmg_os_mono_ns()-begin )/1e9 ) {
    if( dmg_net_notify_send( port, id, 1, 0, DMG_SPAN( frame ) ) ) return;
    *sent += FRAME_SZ;
  }
}

static int by_value( void const * a, void const * b ) { uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b; return ( x>y )-( x<y ); }

static void figure( char const * name, uint64_t * ns, size_t n ) {
  qsort( ns, n, sizeof *ns, by_value );
  printf( "%-58s n %6zu  p50 %7.1f us  p99 %8.1f us  max %8.1f us\n", name, n, (double)ns[ n/2 ]/1e3, (double)ns[ n*99/100 ]/1e3, (double)ns[ n-1 ]/1e3 );
}

static uint64_t samples[ SAMPLES_MAX ];

/* Votes there and back, one at a time, for secs, with bulk beside them (id 0: none). */
static void round_trips( char const * name, uint64_t cons, uint64_t bulk, double rate, double secs ) {
  uint8_t vote[ VOTE_SZ ] = { 0 };
  uint64_t begin = dmg_os_mono_ns(), end = begin+(uint64_t)( secs*1e9 ), sent = 0;
  size_t n = 0;
  while( dmg_os_mono_ns()<end && n<SAMPLES_MAX ) {
    if( bulk ) bulk_fill( bulk, &sent, rate, begin );
    uint64_t t = dmg_os_mono_ns(), want = votes+1;
    if( dmg_net_notify_send( port, cons, 1, 0, DMG_SPAN( vote ) ) ) break;
    while( votes<want ) { pump( 5 ); if( bulk ) bulk_fill( bulk, &sent, rate, begin ); if( dmg_os_mono_ns()-t>5000000000u ) { printf( "%s: a vote was lost\n", name ); return; } }
    samples[ n++ ] = dmg_os_mono_ns()-t;
    /* Votes are rare: a millisecond between two, but on an idle link. */
    if( bulk ) for( uint64_t next=dmg_os_mono_ns()+1000000; dmg_os_mono_ns()<next; ) { pump( 1 ); bulk_fill( bulk, &sent, rate, begin ); }
  }
  char line[ 128 ];
  if( bulk ) snprintf( line, sizeof line, "%s bulk_mib_s=%.0f", name, (double)sent/1048576/secs );
  else       snprintf( line, sizeof line, "%s", name );
  figure( line, samples, n );
}

int main( int argc, char ** argv ) {
  double secs = argc>1 ? strtod( argv[ 1 ], NULL ) : 3;
  int fds[ 2 ];
  if( pipe( fds ) ) return 1;
  pid_t child = fork();
  if( child<0 ) return 1;
  if( !child ) { close( fds[ 0 ] ); serve( fds[ 1 ] ); }
  for( int i=0; i<2; i++ ) {
    char line[ 256 ];
    if( read( fds[ 0 ], line, sizeof line )!=sizeof line ) return 1;
    memcpy( addrs[ strstr( line, "quic" )!=NULL ], line, sizeof line );
  }
  port = open_port( 1, NULL, 0 );
  server = port->self;
  dmg_net_free( port );
  port = open_port( 2, NULL, 0 );

  for( int quic=0; quic<2; quic++ ) {
    char const * via = quic ? "quic" : "tcp";
    char name[ 96 ];
    /* B2, one after another. */
    uint64_t begin = dmg_os_mono_ns(), n = 0;
    double cpu = cpu_s();
    while( dmg_os_mono_ns()-begin<(uint64_t)( secs*0.5e9 ) ) {
      uint64_t down = downs, rtt = rtts;
      uint32_t conn = dial( quic );
      AWAIT( rtts>rtt );
      (void)!dmg_net_close( port, conn, DMG_NET_WHY_APP );
      AWAIT( downs>down );
      n++;
    }
    printf( "port/connect via=%s %*s %7.0f /s  cpu %.2f ms each\n", via, quic ? 35 : 36, "", (double)n*1e9/(double)( dmg_os_mono_ns()-begin ), ( cpu_s()-cpu )*1e3/(double)n );

    uint32_t conn = dial( quic ), other = 0;
    uint64_t cons = open_notify( conn, CONS ), bulk, rude;
    for( uint64_t end=dmg_os_mono_ns()+300000000; dmg_os_mono_ns()<end; ) pump( 5 );
    /* B3 */
    snprintf( name, sizeof name, "port/vote_round_trip via=%s", via );
    round_trips( name, cons, 0, 0, secs );
    /* B5: votes as fast as they go, as many in flight as the queue has room for. */
    uint8_t vote[ VOTE_SZ ] = { 0 };
    uint64_t first = votes, asked = 0;
    poll_ns = polled = 0;
    begin = dmg_os_mono_ns();
    while( dmg_os_mono_ns()-begin<(uint64_t)( secs*1e9 ) ) {
      for( int i=0; i<64 && asked-( votes-first )<1500; i++ ) asked += !dmg_net_notify_send( port, cons, 1, 0, DMG_SPAN( vote ) );
      pump( 0 );
    }
    printf( "port/vote_rate via=%s %*s %7.0f /s there and back  poll+release %.0f ns an event\n", via, quic ? 33 : 34, "", (double)( votes-first )*1e9/(double)( dmg_os_mono_ns()-begin ),
            (double)poll_ns/(double)( polled ? polled : 1 ) );
    AWAIT( votes-first==asked );
    /* B1: on the same connection, polite and rude; unlimited and at 100 MiB/s. */
    bulk = open_notify( conn, BULK );
    for( int shaped=0; shaped<2; shaped++ ) {
      snprintf( name, sizeof name, "port/vote_under_bulk via=%s bulk=same%s", via, shaped ? " shaped" : "" );
      round_trips( name, cons, bulk, shaped ? 100.0*1048576 : 0, secs );
    }
    (void)!dmg_net_cancel( port, bulk );
    rude = open_notify( conn, BULK4 );
    snprintf( name, sizeof name, "port/vote_under_bulk via=%s bulk=same_class", via );
    round_trips( name, cons, rude, 100.0*1048576, secs );
    (void)!dmg_net_cancel( port, rude );
    other = dial( 0 );
    bulk = open_notify( other, BULK );
    for( int shaped=0; shaped<2; shaped++ ) {
      snprintf( name, sizeof name, "port/vote_under_bulk via=%s bulk=second_tcp%s", via, shaped ? " shaped" : "" );
      round_trips( name, cons, bulk, shaped ? 100.0*1048576 : 0, secs );
    }
    (void)!dmg_net_close( port, other, DMG_NET_WHY_APP );
    /* B3: bulk alone; all but the 4 MiB that queues and windows hold have been taken by the server's C. */
    bulk = open_notify( conn, BULK );
    uint64_t sent = 0, total = (uint64_t)( secs*256 )<<20;
    begin = dmg_os_mono_ns();
    cpu = cpu_s();
    static uint8_t frame[ FRAME_SZ ];
    while( sent<total ) {
      if( !dmg_net_notify_send( port, bulk, 1, 0, DMG_SPAN( frame ) ) ) sent += FRAME_SZ;
      else pump( 5 );
    }
    printf( "port/bulk via=%s %*s %7.0f MiB/s  cpu %.2f s a GiB\n", via, quic ? 38 : 39, "", (double)sent/1048576*1e9/(double)( dmg_os_mono_ns()-begin ), ( cpu_s()-cpu )*1073741824/(double)sent );
    uint64_t down = downs;
    (void)!dmg_net_close( port, conn, DMG_NET_WHY_APP );
    AWAIT( downs>down );
    fflush( stdout );
  }
  dmg_net_free( port );
  kill( child, SIGKILL );
  waitpid( child, NULL, 0 );
  return 0;
}
