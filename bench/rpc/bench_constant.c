/* bench_constant: the HTTP library of the node answering every POST with the same bytes: the ceiling for JSON-RPC reads.

     bench_constant PORT BODY_BYTES

   Same library, threads (one) and answer headers as the node's /rpc; no parsing, no lookup.  On 127.0.0.1 only.  Ends on
   SIGTERM or SIGINT, or by itself after an hour. */
#include "dmgn_http.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { uint8_t * p; size_t sz; } body_t;

static dmgn_http_hdr_t hdr( char const * name, char const * value ) { return (dmgn_http_hdr_t){ { name, strlen( name ) }, { value, strlen( value ) } }; }

static void on_request( void * user, dmgn_req_t * req ) {
  body_t const * body = user;
  dmgn_http_hdr_t hdrs[] = { hdr( "content-type", "application/json" ), hdr( "cache-control", "no-store" ), hdr( "x-content-type-options", "nosniff" ) };
  (void)dmgn_http_reply( req, 200, hdrs, sizeof hdrs/sizeof *hdrs, body->p, body->sz );
}

int main( int argc, char ** argv ) {
  char err[ 256 ];
  char * end1, * end2;
  if( argc!=3 ) { fprintf( stderr, "usage: bench_constant PORT BODY_BYTES\n" ); return 2; }
  unsigned long port = strtoul( argv[ 1 ], &end1, 10 ), sz = strtoul( argv[ 2 ], &end2, 10 );
  if( *end1 || *end2 || port>65535 || sz<2 || sz>1048576 ) { fprintf( stderr, "bench_constant: a port, and 2 to 1048576 bytes\n" ); return 2; }
  body_t body = { .p = malloc( sz ), .sz = sz };
  if( !body.p ) return 1;
  memset( body.p, ' ', sz );
  body.p[ 0 ] = '{';
  body.p[ sz-1 ] = '}';

  sigset_t set;
  int signo;
  sigemptyset( &set );
  sigaddset( &set, SIGINT );
  sigaddset( &set, SIGTERM );
  sigaddset( &set, SIGALRM );
  pthread_sigmask( SIG_BLOCK, &set, NULL );
  alarm( 3600 );
  dmgn_http_cfg_t cfg = { .addr = "127.0.0.1", .port = (uint16_t)port, .unix_fd = -1, .threads = 1, .user = &body, .on_request = on_request };
  dmgn_http_t * http = dmgn_http_start( &cfg, err, sizeof err );
  if( !http ) { fprintf( stderr, "bench_constant: %s\n", err ); free( body.p ); return 1; }
  printf( "%u\n", dmgn_http_port( http ) );
  fflush( stdout );
  while( sigwait( &set, &signo ) ) {}
  dmgn_http_free( http );
  free( body.p );
  return 0;
}
