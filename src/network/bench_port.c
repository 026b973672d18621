/* bench_port: the port between two processes on loopback (N14 B1, B2, B3, B5): medians and quartiles of interleaved rounds, a line a figure.

     bench_port [ROUNDS [MIB [LIBRARY]]]     5 rounds, 1,024 MiB of bulk; LIBRARY: native/p2p/examples/library.rs, run in turn with ours
     bench_port --serve IP, --to IP [ROUNDS [MIB]]     B1 alone over a line between two hosts (bench/line): 3 rounds, 48 MiB

     client  notify cons, bulk --> server    votes come back on a notify stream of the server's own, one more for each MIB of bulk; flood: small frames back, as fast as they go */
#include "network/port_libp2p.h"
#include "base/assert.h"
#include "base/os.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONS, BULK, BULK4, FLOOD, PROTO_CNT, VOTE_SZ = 143, FRAME_SZ = 65536, SAMPLES_MAX = 200000, ROUNDS_MAX = 31, LINE_PORT = 7370 };

static dmg_net_proto_t const protos[ PROTO_CNT ] = {
  [ CONS ]  = { .id = "/dmg/00000000/cons/1", .cls = DMG_NET_CLS_CONSENSUS, .is_notify = true, .in_max = 2, .out_max = 2, .frame_max = 64<<10, .queue_max = 512<<10, .first_ms = 5000, .next_ms = 10000 },
  [ BULK ]  = { .id = "/dmg/00000000/bulk/1", .cls = DMG_NET_CLS_BULK, .is_notify = true, .in_max = 2, .out_max = 2, .frame_max = 64<<10, .queue_max = 1<<20, .first_ms = 5000, .next_ms = 10000 },
  /* The same without the courtesy of N2.2: what it is worth. */
  [ BULK4 ] = { .id = "/dmg/00000000/rude/1", .cls = DMG_NET_CLS_CONSENSUS, .is_notify = true, .in_max = 2, .out_max = 2, .frame_max = 64<<10, .queue_max = 1<<20, .first_ms = 5000, .next_ms = 10000 },
  /* Small frames, of which many wait: a drained ring shows what its reader can do. */
  [ FLOOD ] = { .id = "/dmg/00000000/flood/1", .cls = DMG_NET_CLS_BULK, .is_notify = true, .in_max = 2, .out_max = 2, .frame_max = 64<<10, .queue_max = 8<<20, .first_ms = 5000, .next_ms = 10000 },
};

static uint64_t bulk_per_s;                      /* N2.3, of ports that are opened now; 0: no limit */

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
  cfg.bulk_per_s    = bulk_per_s;
  cfg.accepts_per_s = 0;                        /* no gate: how fast is it */
  dmg_net_port_t * port = NULL;
  char why[ 256 ];
  if( dmg_libp2p_open( &cfg, &port, why ) ) { fprintf( stderr, "bench_port: %s\n", why ); exit( 1 ); }
  return port;
}

static pid_t child;

/* Of both processes. */
static double cpu_s( void ) {
  double sum = 0;
  for( int i=0; i<2; i++ ) {
    clockid_t clock;
    struct timespec t = { 0 };
    if( clock_getcpuclockid( i ? child : 0, &clock ) || clock_gettime( clock, &t ) ) { fprintf( stderr, "bench_port: no CPU time of the server\n" ); exit( 1 ); }
    sum += (double)t.tv_sec+(double)t.tv_nsec*1e-9;
  }
  return sum;
}

static void wait_events( dmg_net_port_t * port, int ms ) {
  struct pollfd fds[ 2 ] = { { .fd = dmg_net_fd( port, true ), .events = POLLIN }, { .fd = dmg_net_fd( port, false ), .events = POLLIN } };
  poll( fds, 2, ms );
}

/* --- Server --- */

enum { CONNS_MAX = 1<<16 };
static uint64_t back[ CONNS_MAX ], bulk_total = 1ull<<30;

/* Where it listens goes to the pipe; -1: nowhere. */
static void serve( int pipe_fd, char const * const listen[ 2 ] ) {
  uint64_t flood = 0, got = 0;
  uint32_t last = 0;             /* whose cons/1 is told of bulk, on whatever connection that comes */
  static uint8_t vote[ VOTE_SZ ];
  dmg_net_port_t * port = open_port( 1, listen, 2 );
  int told = 0;
  for(;;) {
    dmg_net_ev_t evs[ 64 ];
    size_t n = 0;
    for( int urgent=1; urgent>=0; urgent-- ) {
      size_t cnt = dmg_net_poll( port, urgent, evs, 64 );
      n += cnt;
      for( size_t i=0; i<cnt; i++ ) {
        dmg_net_ev_t * ev = &evs[ i ];
        if( ev->kind==DMG_NET_LISTENING && pipe_fd>=0 && told++<2 ) {
          char line[ 256 ] = { 0 };
          memcpy( line, ev->addr.p, ev->addr.sz<255 ? ev->addr.sz : 255 );
          if( write( pipe_fd, line, sizeof line )!=sizeof line ) exit( 1 );
        }
        if( ev->kind==DMG_NET_NOTIFY_UP && !ev->code ) {
          (void)!dmg_net_notify_answer( port, ev->id, 0 );
          if( ev->proto==CONS ) { (void)!dmg_net_notify_open( port, ev->conn, CONS, DMG_SPAN_STR( "back" ), &back[ ev->conn%CONNS_MAX ] ); last = ev->conn; }
          if( ev->proto==BULK || ev->proto==BULK4 ) got = 0;
          if( ev->proto==FLOOD ) (void)!dmg_net_notify_open( port, ev->conn, FLOOD, DMG_SPAN_STR( "back" ), &flood );
        }
        if( ev->kind==DMG_NET_NOTIFY_DOWN && ev->proto==FLOOD && flood ) { (void)!dmg_net_cancel( port, flood ); flood = 0; }
        if( ev->kind==DMG_NET_NOTIFY && ( ev->proto==BULK || ev->proto==BULK4 ) && got<bulk_total && ( got += ev->data.sz )>=bulk_total ) (void)!dmg_net_notify_send( port, back[ last%CONNS_MAX ], 1, 0, DMG_SPAN( vote ) );
        if( ev->kind==DMG_NET_NOTIFY && ev->proto==CONS ) (void)!dmg_net_notify_send( port, back[ ev->conn%CONNS_MAX ], 1, 0, ev->data );
        dmg_net_release( port, ev );
      }
    }
    bool is_full = !flood;
    for( unsigned i=0; i<256 && !is_full; i++ ) is_full = dmg_net_notify_send( port, flood, 1, 0, DMG_SPAN( vote ) )!=DMG_OK;
    if( !n && is_full ) wait_events( port, 1000 );
  }
}

/* --- Client --- */

static dmg_net_port_t * port;
static dmg_net_peer_t   server;
static char             addrs[ 2 ][ 256 ];        /* TCP, QUIC */
static uint32_t         conn_up;
static uint64_t         votes, floods, downs, rtts, poll_ns, polled;
static uint64_t         samples[ SAMPLES_MAX ];
static size_t           sample_cnt;               /* of votes that tell when they were sent */

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
      if( ev->kind==DMG_NET_NOTIFY ) *( ev->proto==FLOOD ? &floods : &votes ) += 1;
      if( ev->kind==DMG_NET_NOTIFY && ev->proto==CONS && ev->data.sz==VOTE_SZ ) {
        uint64_t at = dmg_load_u64le( ev->data.p );
        if( at && sample_cnt<SAMPLES_MAX ) samples[ sample_cnt++ ] = dmg_os_mono_ns()-at;
      }
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

static void bulk_fill( uint64_t id, uint64_t * sent, uint64_t total, double rate, uint64_t begin ) {
  static uint8_t frame[ FRAME_SZ ];
  while( *sent<total && ( rate<=0 || (double)*sent<rate*(double)( dmg_os_mono_ns()-begin )/1e9 ) ) {
    if( dmg_net_notify_send( port, id, 1, 0, DMG_SPAN( frame ) ) ) return;
    *sent += FRAME_SZ;
  }
}

/* --- Figures --- */

typedef struct { char name[ 96 ]; char const * unit; double v[ ROUNDS_MAX ]; unsigned cnt; } figure_t;
static figure_t figures[ 128 ];
static unsigned figure_cnt;

static void record( char const * unit, double value, char const * name ) {
  unsigned i = 0;
  while( i<figure_cnt && ( strcmp( figures[ i ].name, name ) || strcmp( figures[ i ].unit, unit ) ) ) i++;
  if( i==figure_cnt ) {
    DMG_ASSERT( figure_cnt<sizeof figures/sizeof *figures );
    figure_t * f = &figures[ figure_cnt++ ];
    snprintf( f->name, sizeof f->name, "%s", name );
    f->unit = unit;
  }
  if( figures[ i ].cnt<ROUNDS_MAX ) figures[ i ].v[ figures[ i ].cnt++ ] = value;
}

static int by_double( void const * a, void const * b ) { double x = *(double const *)a, y = *(double const *)b; return ( x>y )-( x<y ); }
static int by_value( void const * a, void const * b ) { uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b; return ( x>y )-( x<y ); }

static void print_figures( void ) {
  for( unsigned i=0; i<figure_cnt; i++ ) {
    figure_t * f = &figures[ i ];
    qsort( f->v, f->cnt, sizeof *f->v, by_double );
    printf( "%-62s %12.2f %-9s quartiles %.2f to %.2f, of %u\n", f->name, f->v[ f->cnt/2 ], f->unit, f->v[ f->cnt/4 ], f->v[ f->cnt*3/4 ], f->cnt );
  }
}

static void record_samples( char const * name, size_t n ) {
  qsort( samples, n, sizeof *samples, by_value );
  record( "us p50", (double)samples[ n/2 ]/1e3, name );
  record( "us p99", (double)samples[ n*99/100 ]/1e3, name );
  record( "us max", (double)samples[ n-1 ]/1e3, name );
}

/* Votes there and back, one at a time: for secs on an idle link, else while total bytes of bulk go beside them, at most at rate. */
static void round_trips( char const * name, uint64_t cons, uint64_t bulk, double rate, double secs, uint64_t total ) {
  uint8_t vote[ VOTE_SZ ] = { 0 };
  uint64_t begin = dmg_os_mono_ns(), end = begin+(uint64_t)( secs*1e9 ), sent = 0;
  size_t n = 0;
  while( n<SAMPLES_MAX && ( bulk ? sent<total : dmg_os_mono_ns()<end ) ) {
    if( bulk ) bulk_fill( bulk, &sent, total, rate, begin );
    uint64_t t = dmg_os_mono_ns(), want = votes+1;
    DMG_ASSERT( !dmg_net_notify_send( port, cons, 1, 0, DMG_SPAN( vote ) ) );
    while( votes<want ) { pump( 5 ); if( bulk ) bulk_fill( bulk, &sent, total, rate, begin ); if( dmg_os_mono_ns()-t>5000000000u ) { fprintf( stderr, "%s: a vote was lost\n", name ); exit( 1 ); } }
    samples[ n++ ] = dmg_os_mono_ns()-t;
    /* Votes are rare: a millisecond between two, but on an idle link. */
    if( bulk ) for( uint64_t next=dmg_os_mono_ns()+1000000; dmg_os_mono_ns()<next; ) { pump( 1 ); bulk_fill( bulk, &sent, total, rate, begin ); }
  }
  double took = (double)( dmg_os_mono_ns()-begin )/1e9;
  record_samples( name, n );
  if( bulk ) record( "MiB/s", (double)sent/1048576/took, name );
}

/* The last votes may be bulk's end: wait until nothing comes. */
static void settle( void ) { for( uint64_t end=dmg_os_mono_ns()+100000000; dmg_os_mono_ns()<end; ) if( pump( 5 ) ) end = dmg_os_mono_ns()+100000000; }

static void connects( bool quic, double secs, char const * via ) {
  char name[ 96 ];
  uint64_t begin = dmg_os_mono_ns(), n = 0;
  while( dmg_os_mono_ns()-begin<(uint64_t)( secs*1e9 ) ) {
    uint64_t down = downs, rtt = rtts;
    uint32_t conn = dial( quic );
    AWAIT( rtts>rtt );
    (void)!dmg_net_close( port, conn, DMG_NET_WHY_APP );
    AWAIT( downs>down );
    n++;
  }
  snprintf( name, sizeof name, "port/connect via=%s", via );
  record( "/s", (double)n*1e9/(double)( dmg_os_mono_ns()-begin ), name );
}

/* B5: small frames of the server as fast as the port takes them in; then a ring that was left to fill for 100 ms, its first 16,384 frames. */
static void ring( uint32_t conn, double secs, char const * via ) {
  char name[ 96 ];
  uint64_t id = open_notify( conn, FLOOD ), first = 0, begin;
  AWAIT( floods>100 );
  poll_ns = polled = 0;
  first = floods;
  begin = dmg_os_mono_ns();
  while( dmg_os_mono_ns()-begin<(uint64_t)( secs*1e9 ) ) pump( 1 );
  snprintf( name, sizeof name, "port/events via=%s", via );
  record( "/s", (double)( floods-first )*1e9/(double)( dmg_os_mono_ns()-begin ), name );
  record( "ns C", (double)poll_ns/(double)( polled ? polled : 1 ), name );
  snprintf( name, sizeof name, "port/events_drained via=%s", via );
  for( int i=0; i<10; i++ ) {
    dmg_os_sleep_ns( 100000000 );
    first = floods;
    begin = dmg_os_mono_ns();
    while( floods-first<16384 ) pump( 1 );
    record( "/s", (double)( floods-first )*1e9/(double)( dmg_os_mono_ns()-begin ), name );
  }
  (void)!dmg_net_cancel( port, id );
  settle();
}

/* B3: the library's own transports, without anything of ours above or below. */
static double library_bulk( char const * program, char const * via ) {
  char command[ 512 ], name[ 96 ];
  double mib_s = 0, cpu = 0;
  snprintf( command, sizeof command, "'%s' %s %lu", program, via, (unsigned long)( bulk_total>>20 ) );
  FILE * f = popen( command, "r" );
  if( !f || fscanf( f, "%lf %lf", &mib_s, &cpu )!=2 || pclose( f ) ) { fprintf( stderr, "bench_port: %s failed\n", command ); exit( 1 ); }
  snprintf( name, sizeof name, "library/bulk via=%s", via );
  record( "MiB/s", mib_s, name );
  record( "cpu s/GiB", cpu, name );
  return mib_s;
}

static void one_round( bool quic, char const * library ) {
  char const * via = quic ? "quic" : "tcp";
  char name[ 96 ];
  connects( quic, 1, via );
  uint32_t conn = dial( quic );
  uint64_t cons = open_notify( conn, CONS ), bulk;
  settle();
  snprintf( name, sizeof name, "port/vote_round_trip via=%s", via );
  round_trips( name, cons, 0, 0, 2, 0 );
  ring( conn, 2, via );
  /* B1: bulk on the same connection, as it is and without the courtesy of N2.2; on a second one of TCP (N2.3); as fast as it goes and at 100 MiB/s. */
  for( int where=0; where<3; where++ ) for( int shaped=0; shaped<2; shaped++ ) {
    if( where==1 && !shaped ) continue;              /* class 1 drops what is too much, so that there is no end to how fast it goes */
    static char const * const places[] = { "same", "same_class", "second_tcp" };
    uint32_t on = where==2 ? dial( 0 ) : conn;
    bulk = open_notify( on, where==1 ? BULK4 : BULK );
    snprintf( name, sizeof name, "port/vote_under_bulk via=%s bulk=%s%s", via, places[ where ], shaped ? " shaped" : "" );
    round_trips( name, cons, bulk, shaped ? 100.0*1048576 : 0, 0, shaped ? bulk_total/4 : bulk_total );
    (void)!dmg_net_cancel( port, bulk );
    if( where==2 ) { uint64_t down = downs; (void)!dmg_net_close( port, on, DMG_NET_WHY_APP ); AWAIT( downs>down ); }
    settle();
  }
  /* B3: until the server's C has all of it. */
  bulk = open_notify( conn, BULK );
  settle();
  uint64_t sent = 0, want = votes+1, begin = dmg_os_mono_ns();
  double cpu = cpu_s();
  while( votes<want ) { bulk_fill( bulk, &sent, bulk_total, 0, begin ); pump( 5 ); }
  double took = (double)( dmg_os_mono_ns()-begin )/1e9;
  snprintf( name, sizeof name, "port/bulk via=%s", via );
  double mib_s = (double)sent/1048576/took;
  record( "MiB/s", mib_s, name );
  record( "cpu s/GiB", ( cpu_s()-cpu )*1073741824/(double)sent, name );
  uint64_t down = downs;
  (void)!dmg_net_close( port, conn, DMG_NET_WHY_APP );
  AWAIT( downs>down );
  if( library ) {
    snprintf( name, sizeof name, "port/bulk via=%s beside=library", via );
    record( "times", mib_s/library_bulk( library, via ), name );
  }
}

/* B1 over a line: a vote each 5 ms, whatever is on its way, for secs, or while total bytes go beside them. */
static void votes_on_line( char const * name, uint64_t cons, uint64_t bulk, double secs, uint64_t total ) {
  uint8_t vote[ VOTE_SZ ] = { 0 };
  uint64_t begin = dmg_os_mono_ns(), end = begin+(uint64_t)( secs*1e9 ), next = begin, sent = 0, cnt = 0, was = votes;
  sample_cnt = 0;
  for( uint64_t t; t = dmg_os_mono_ns(), bulk ? sent<total : t<end; ) {
    if( bulk ) bulk_fill( bulk, &sent, total, 0, begin );
    if( t>=next ) {
      dmg_store_u64le( vote, t );
      DMG_ASSERT( !dmg_net_notify_send( port, cons, 1, 0, DMG_SPAN( vote ) ) );
      cnt++;
      next += 5000000;
    }
    pump( 1 );
  }
  double took = (double)( dmg_os_mono_ns()-begin )/1e9;
  AWAIT( votes-was>=cnt );
  record_samples( name, sample_cnt );
  if( bulk ) record( "MiB/s", (double)sent/1048576/took, name );
}

static void open_client( void ) {
  port = open_port( 1, NULL, 0 );
  server = port->self;
  dmg_net_free( port );
  port = open_port( 2, NULL, 0 );
}

/* As fast as it goes, or half of a line of 100 Mbit/s. */
static void line_round( bool quic, bool is_half ) {
  char const * via = quic ? "quic" : "tcp";
  char name[ 96 ];
  bulk_per_s = is_half ? 100000000/8/2 : 0;
  open_client();
  uint32_t conn = dial( quic );
  uint64_t cons = open_notify( conn, CONS );
  settle();
  if( !is_half ) {
    snprintf( name, sizeof name, "line/vote_round_trip via=%s", via );
    votes_on_line( name, cons, 0, 3, 0 );
  }
  for( int where=0; where<2; where++ ) {
    uint32_t on = where ? dial( 0 ) : conn;
    uint64_t bulk = open_notify( on, BULK );
    settle();
    snprintf( name, sizeof name, "line/vote_under_bulk via=%s bulk=%s%s", via, where ? "second_tcp" : "same", is_half ? " half" : "" );
    votes_on_line( name, cons, bulk, 0, is_half ? bulk_total/2 : bulk_total );
    (void)!dmg_net_cancel( port, bulk );
    if( where ) { uint64_t down = downs; (void)!dmg_net_close( port, on, DMG_NET_WHY_APP ); AWAIT( downs>down ); }
    dmg_os_sleep_ns( 500000000 );                    /* what the queues hold runs out */
    settle();
  }
  dmg_net_free( port );
}

/* The two ends of a line. */
static int line( bool is_server, char const * ip, int argc, char ** argv ) {
  snprintf( addrs[ 0 ], sizeof addrs[ 0 ], "/ip4/%s/tcp/%d", ip, LINE_PORT );
  snprintf( addrs[ 1 ], sizeof addrs[ 1 ], "/ip4/%s/udp/%d/quic-v1", ip, LINE_PORT );
  if( is_server ) serve( -1, (char const *[]){ addrs[ 0 ], addrs[ 1 ] } );
  unsigned rounds = argc>0 ? (unsigned)strtoul( argv[ 0 ], NULL, 10 ) : 3;
  bulk_total = ( argc>1 ? strtoull( argv[ 1 ], NULL, 10 ) : 48 )<<20;
  if( !rounds || rounds>ROUNDS_MAX || !bulk_total ) return 2;
  dmg_os_sleep_ns( 500000000 );                      /* the server begins beside us */
  for( unsigned r=0; r<rounds; r++ ) for( int quic=0; quic<2; quic++ ) for( int is_half=0; is_half<2; is_half++ ) line_round( quic, is_half );
  print_figures();
  return 0;
}

int main( int argc, char ** argv ) {
  if( argc>2 && ( !strcmp( argv[ 1 ], "--serve" ) || !strcmp( argv[ 1 ], "--to" ) ) ) return line( argv[ 1 ][ 2 ]=='s', argv[ 2 ], argc-3, argv+3 );
  unsigned rounds = argc>1 ? (unsigned)strtoul( argv[ 1 ], NULL, 10 ) : 5;
  if( argc>2 ) bulk_total = strtoull( argv[ 2 ], NULL, 10 )<<20;
  if( !rounds || rounds>ROUNDS_MAX || !bulk_total ) { fprintf( stderr, "usage: bench_port [ROUNDS [MIB [LIBRARY]]], bench_port --serve IP, bench_port --to IP [ROUNDS [MIB]], up to %d rounds\n", ROUNDS_MAX ); return 2; }
  int fds[ 2 ];
  if( pipe( fds ) ) return 1;
  child = fork();
  if( child<0 ) return 1;
  if( !child ) { close( fds[ 0 ] ); serve( fds[ 1 ], (char const *[]){ "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1" } ); }
  for( int i=0; i<2; i++ ) {
    char line[ 256 ];
    if( read( fds[ 0 ], line, sizeof line )!=sizeof line ) return 1;
    memcpy( addrs[ strstr( line, "quic" )!=NULL ], line, sizeof line );
  }
  open_client();
  for( unsigned r=0; r<rounds; r++ ) for( int quic=0; quic<2; quic++ ) one_round( quic, argc>3 ? argv[ 3 ] : NULL );
  print_figures();
  dmg_net_free( port );
  kill( child, SIGKILL );
  waitpid( child, NULL, 0 );
  return 0;
}
