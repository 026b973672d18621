/* netlab: hosts in network namespaces and a router in user space between them (N13.3), for tests on machines without `tc netem`.

     netlab [--prove] [--logs DIR] [--pcap FILE] [--seed N] TOPO.toml [-- COMMAND ARG ..]
     netlab in HOST COMMAND ARG ..       under a running one: runs COMMAND in a host's namespace
     netlab do 'LINK COMMAND'            under a running one: changes links, prints counters

   COMMAND runs where the router stands and ends the laboratory with its exit code; without one it lasts until SIGINT.
   Commands:  cut A|B   join A|B   link A|B key=value ..   heal   stat;   > instead of | is one way; A and B are names, city:NAME, *, with commas.
   Links:     delay_ms jitter_ms rate_mbit queue_ms loss duplicate reorder aqm (tail, codel) down
   File:      seed = 7;  [link] for all;  [[host]] name city rate_mbit run = [ "program", "arg" ];  [[between]] sides = "city:eu|city:us" and settings;
              [[at]] s = 10.0, do = "cut a|b,c"
   Programs find hosts' addresses in NETLAB_IP_<name>.  Absent: NAT. */
#include "lab.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static sig_atomic_t volatile is_stopped, has_child;
static void on_stop ( int sig ) { (void)sig; is_stopped = 1; }
static void on_child( int sig ) { (void)sig; has_child  = 1; }

static int usage( char const * what ) {
  fprintf( stderr, "netlab: %s\nnetlab [--prove] [--logs DIR] [--pcap FILE] [--seed N] TOPO.toml [-- COMMAND ARG ..]\nnetlab in HOST COMMAND ARG ..\nnetlab do 'cut a|b'\n", what );
  return 2;
}

static int main_in( int argc, char ** argv ) {
  char name[ 64 ];
  if( argc<4 ) return usage( "in wants a host and a command" );
  snprintf( name, sizeof name, "NETLAB_NS_%s", argv[ 2 ] );
  char const * path = getenv( name );
  int fd = path ? open( path, O_RDONLY|O_CLOEXEC ) : -1;
  if( fd<0 || setns( fd, CLONE_NEWNET ) ) { fprintf( stderr, "netlab: no host \"%s\" here: it is a command for programs that a netlab runs\n", argv[ 2 ] ); return 1; }
  /* Who started it may die of anything; what runs in a host does not outlive it. */
  prctl( PR_SET_PDEATHSIG, SIGKILL );
  execvp( argv[ 3 ], argv+3 );
  fprintf( stderr, "netlab: %s: %s\n", argv[ 3 ], strerror( errno ) );
  return 127;
}

/* ---- The control socket: one datagram a command, one back ---- */

static int control_open( struct sockaddr_un * a ) {
  char dir[] = "/tmp/netlab-XXXXXX";
  int fd = socket( AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0 );
  *a = (struct sockaddr_un){ .sun_family = AF_UNIX };
  if( fd<0 || !mkdtemp( dir ) ) return -1;
  snprintf( a->sun_path, sizeof a->sun_path, "%s/ctl", dir );
  if( bind( fd, (struct sockaddr *)a, sizeof *a ) ) { close( fd ); return -1; }
  setenv( "NETLAB_CTL", a->sun_path, 1 );
  return fd;
}

static void control_close( int fd, struct sockaddr_un const * a ) {
  char dir[ sizeof a->sun_path ];
  if( fd<0 ) return;
  close( fd );
  unlink( a->sun_path );
  snprintf( dir, sizeof dir, "%s", a->sun_path );
  *strrchr( dir, '/' ) = 0;
  rmdir( dir );
}

static void control_turn( lab_t * lab, int fd ) {
  char text[ COMMAND_MAX+1 ];
  struct sockaddr_un who;
  socklen_t sz = sizeof who;
  for( ssize_t n; ( n = recvfrom( fd, text, COMMAND_MAX, 0, (struct sockaddr *)&who, &sz ) )>=0; sz = sizeof who ) {
    dmg_buf_t out = dmg_buf( 60000 );
    text[ n ] = 0;
    bool is_ok = lab_do( lab, text, &out );
    if( is_ok ) fprintf( stderr, "netlab: %9.3f s  %s\n", (double)( dmg_os_mono_ns()-lab->start_ns )/1e9, text );
    dmg_buf_t answer = dmg_buf( 65000 );
    (void)!dmg_buf_printf( &answer, "%c%.*s", is_ok ? '0' : '1', DMG_SPAN_F( out ) );
    (void)!sendto( fd, answer.p, answer.sz, 0, (struct sockaddr *)&who, sz );
    dmg_buf_fini( &answer );
    dmg_buf_fini( &out );
  }
}

static int main_do( int argc, char ** argv ) {
  char const * path = getenv( "NETLAB_CTL" );
  struct sockaddr_un to = { .sun_family = AF_UNIX }, own = { .sun_family = AF_UNIX };
  static char answer[ 65536 ];
  if( argc!=3 ) return usage( "do wants one command, in quotes" );
  if( !path || strlen( path )+16>sizeof to.sun_path ) { fprintf( stderr, "netlab: no laboratory here: it is a command for programs that a netlab runs\n" ); return 1; }
  snprintf( to.sun_path, sizeof to.sun_path, "%s", path );
  /* A path to answer to, beside the router's: names of the kernel's own choice are those of one network namespace, and this may run in a host's. */
  snprintf( own.sun_path, sizeof own.sun_path, "%.*s.%d", (int)sizeof own.sun_path-16, path, (int)getpid() );
  int fd = socket( AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0 );
  struct timeval t = { .tv_sec = 5 };
  (void)setsockopt( fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t );
  if( fd<0 || bind( fd, (struct sockaddr *)&own, sizeof own ) || sendto( fd, argv[ 2 ], strlen( argv[ 2 ] ), 0, (struct sockaddr *)&to, sizeof to )<0 ) {
    fprintf( stderr, "netlab: %s: %s\n", path, strerror( errno ) );
    unlink( own.sun_path );
    return 1;
  }
  ssize_t n = recv( fd, answer, sizeof answer-1, 0 );
  close( fd );
  unlink( own.sun_path );
  if( n<1 ) { fprintf( stderr, "netlab: no answer within 5 s\n" ); return 1; }
  answer[ n ] = 0;
  fprintf( answer[ 0 ]=='0' ? stdout : stderr, "%s%s", answer[ 0 ]=='0' ? "" : "netlab: ", answer+1 );
  if( answer[ 0 ]!='0' ) fprintf( stderr, "\n" );
  return answer[ 0 ]!='0';
}

/* ---- The laboratory ---- */

/* Ends what still runs: asked first, made to after 10 s, while packets go on. */
static void end_all( lab_t * lab ) {
  uint64_t until = dmg_os_mono_ns()+10000000000u;
  bool is_killed = false;
  for( uint32_t i = 0; i<lab->host_cnt; i++ ) if( lab->host[ i ].pid>0 ) kill( lab->host[ i ].pid, SIGTERM );
  for( ;; ) {
    pid_t pid;
    while( ( pid = waitpid( -1, NULL, WNOHANG ) )>0 ) {}
    if( pid<0 ) return;
    if( !is_killed && dmg_os_mono_ns()>until ) {
      is_killed = true;
      for( uint32_t i = 0; i<lab->host_cnt; i++ ) if( lab->host[ i ].pid>0 ) kill( lab->host[ i ].pid, SIGKILL );
    }
    uint64_t due = lab_turn( lab, dmg_os_mono_ns() ), soon = dmg_os_mono_ns()+50000000;
    lab_wait( lab, due<soon ? due : soon, -1 );
  }
}

static int live( lab_t * lab, char ** command, char const * logs ) {
  struct sockaddr_un name;
  int control = control_open( &name ), code = 0;
  if( control<0 ) { fprintf( stderr, "netlab: the control socket in /tmp: %s\n", strerror( errno ) ); return 1; }
  for( uint32_t i = 0; i<lab->host_cnt; i++ ) {
    host_t * h = lab->host+i;
    char path[ 4096 ];
    int fd = -1;
    if( !h->run[ 0 ] ) continue;
    snprintf( path, sizeof path, "%s/%s.log", logs ? logs : "", h->name );
    if( logs && ( fd = open( path, O_CREAT|O_WRONLY|O_TRUNC|O_CLOEXEC, 0644 ) )<0 ) { fprintf( stderr, "netlab: %s: %s\n", path, strerror( errno ) ); code = 1; is_stopped = 1; break; }
    h->pid = lab_run( lab, h, h->run, fd );
    if( fd>=0 ) close( fd );
  }
  pid_t driver = *command && !is_stopped ? lab_run( lab, NULL, command, -1 ) : 0;
  while( !is_stopped ) {
    uint64_t due = lab_turn( lab, dmg_os_mono_ns() );
    control_turn( lab, control );
    if( has_child ) {
      int status;
      has_child = 0;
      for( pid_t pid; ( pid = waitpid( -1, &status, WNOHANG ) )>0; ) {
        if( pid==driver ) { code = WIFEXITED( status ) ? WEXITSTATUS( status ) : 128+WTERMSIG( status ); is_stopped = 1; }
        for( uint32_t i = 0; i<lab->host_cnt; i++ ) if( lab->host[ i ].pid==pid ) {
          lab->host[ i ].pid = 0;
          fprintf( stderr, "netlab: %s ended with %s %d\n", lab->host[ i ].name, WIFEXITED( status ) ? "code" : "signal", WIFEXITED( status ) ? WEXITSTATUS( status ) : WTERMSIG( status ) );
        }
      }
      continue;
    }
    lab_wait( lab, due, control );
  }
  if( driver>0 ) kill( driver, SIGTERM );
  end_all( lab );
  control_close( control, &name );
  return code;
}

int main( int argc, char ** argv ) {
  static lab_t lab;
  static char * none[] = { NULL };
  char const * topo = NULL, * logs = NULL, * pcap = NULL, * seed = NULL;
  char ** command = none;
  bool is_proof = false;
  if( argc>1 && !strcmp( argv[ 1 ], "in" ) ) return main_in( argc, argv );
  if( argc>1 && !strcmp( argv[ 1 ], "do" ) ) return main_do( argc, argv );
  for( int i = 1; i<argc; i++ ) {
    if( !strcmp( argv[ i ], "--" ) ) { command = argv+i+1; break; }
    char const ** value = !strcmp( argv[ i ], "--logs" ) ? &logs : !strcmp( argv[ i ], "--pcap" ) ? &pcap : !strcmp( argv[ i ], "--seed" ) ? &seed : NULL;
    if( !strcmp( argv[ i ], "--prove" ) ) is_proof = true;
    else if( value && i+1<argc ) *value = argv[ ++i ];
    else if( *argv[ i ]!='-' && !topo ) topo = argv[ i ];
    else return usage( argv[ i ] );
  }
  dmg_buf_t why = dmg_buf( 4096 ), text = dmg_buf( 1<<20 );
  int code = 1;
  if( !topo && !is_proof ) return usage( "no topology" );
  if( topo && dmg_os_file_read( topo, 1<<20, &text ) ) { fprintf( stderr, "netlab: %s cannot be read\n", topo ); return 1; }
  if( seed ) lab.seed = strtoull( seed, NULL, 10 );
  dmg_span_t own = is_proof ? DMG_SPAN_STR( "[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n" ) : dmg_buf_span( &text );
  if( !topo_read( &lab, is_proof ? "the proof's own" : topo, own, &why ) ) { fprintf( stderr, "netlab: %.*s\n", DMG_SPAN_F( why ) ); code = 2; goto out; }
  if( pcap ) {
    static uint32_t const head[ 6 ] = { 0xa1b2c3d4, 4u<<16|2, 0, 0, 65535, 101 };
    lab.pcap = fopen( pcap, "wbe" );
    if( !lab.pcap || fwrite( head, sizeof head, 1, lab.pcap )!=1 ) { fprintf( stderr, "netlab: %s: %s\n", pcap, strerror( errno ) ); goto out; }
  }
  sigset_t set;
  sigemptyset( &set );
  sigaddset( &set, SIGCHLD );
  sigaddset( &set, SIGINT );
  sigaddset( &set, SIGTERM );
  sigprocmask( SIG_BLOCK, &set, NULL );
  sigaction( SIGCHLD, &(struct sigaction){ .sa_handler = on_child }, NULL );
  sigaction( SIGINT,  &(struct sigaction){ .sa_handler = on_stop }, NULL );
  sigaction( SIGTERM, &(struct sigaction){ .sa_handler = on_stop }, NULL );
  if( !lab_open( &lab, &why ) ) { fprintf( stderr, "netlab: %.*s\n", DMG_SPAN_F( why ) ); goto out; }
  code = is_proof ? prove( &lab ) : live( &lab, command, logs );
out:
  lab_close( &lab );
  dmg_buf_fini( &why );
  dmg_buf_fini( &text );
  return code;
}
