/* http_server: real sockets on loopback, bytes by hand, over a fake node. */
#include "base/os.h"
#include "rpc/http_client.h"
#include "rpc/http_server.h"
#include "rpc/test_rpc_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 5000 };

static fake_t                fake;
static dmg_rpc_t *           rpc;
static dmg_query_events_t    node;
static dmg_http_server_t *   server;
static atomic_bool           is_node_ready;
static bool                  is_behind_proxy;   /* the test itself is then a counted client */
static char const * const    hosts[] = { "node.example", NULL }, * const origins[] = { "https://hub.example", NULL };

static bool ready( void * ctx, dmg_buf_t * out ) {
  if( !is_node_ready ) assert_int_equal( dmg_buf_printf( out, "[\"head is 9 s old\"]" ), DMG_OK );
  return is_node_ready;
}
static dmg_err_t metrics( void * ctx, dmg_buf_t * out ) { return dmg_buf_printf( out, "demiurge_height 7\n" ); }

static void start( uint32_t ws_out_max, uint32_t threads ) {
  char why[ 256 ];
  dmg_http_server_cfg_t cfg = { .address = "127.0.0.1", .threads = threads, .hosts = hosts, .origins = origins, .rpc = rpc, .is_ready = ready, .metrics = metrics, .ws_out_max = ws_out_max,
    .submit_threads = 1, .submit_waiting_max = 2, .is_behind_proxy = is_behind_proxy };
  if( dmg_http_server_start( &cfg, &server, why ) ) fail_msg( "%s", why );
}

static int setup( void ** state ) {
  fake_init( &fake );
  rpc = dmg_rpc_new( &fake.query, NULL );
  if( !rpc ) return 1;
  node = dmg_rpc_events( rpc );
  is_node_ready = true;
  is_behind_proxy = false;
  start( 0, 2 );
  return 0;
}
static int teardown( void ** state ) {
  dmg_http_server_stop( server );
  server = NULL;
  dmg_rpc_free( rpc );
  fake_fini( &fake );
  return 0;
}

/* --- A client by hand --- */

typedef struct { int fd; uint8_t buf[ 1<<20 ]; size_t sz; } conn_t;

/* rcvbuf 0: as large as the kernel likes. */
static int dial( int rcvbuf ) {
  int fd = socket( AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0 );
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons( dmg_http_server_port( server ) ), .sin_addr.s_addr = htonl( INADDR_LOOPBACK ) };
  if( rcvbuf ) setsockopt( fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf );
  assert_int_equal( connect( fd, (struct sockaddr *)&to, sizeof to ), 0 );
  return fd;
}

static conn_t * open_conn( void ) {
  conn_t * c = calloc( 1, sizeof *c );
  c->fd = dial( 0 );
  return c;
}
static void close_conn( conn_t * c ) { close( c->fd ); free( c ); }

static void put( conn_t * c, void const * p, size_t sz ) {
  /* A server that has refused may close before it has read all. */
  for( size_t at = 0; at<sz; ) {
    ssize_t n = send( c->fd, (uint8_t const *)p+at, sz-at, MSG_NOSIGNAL );
    if( n<0 && errno==EINTR ) continue;
    if( n<0 ) return;
    at += (size_t)n;
  }
}
static void put_text( conn_t * c, char const * text ) { put( c, text, strlen( text ) ); }

/* false: the end, or nothing for WAIT_MS. */
static bool fill( conn_t * c ) {
  struct pollfd p = { .fd = c->fd, .events = POLLIN };
  assert_true( c->sz<sizeof c->buf );
  if( poll( &p, 1, WAIT_MS )<=0 ) return false;
  ssize_t n = recv( c->fd, c->buf+c->sz, sizeof c->buf-c->sz, 0 );
  if( n<=0 ) return false;
  c->sz += (size_t)n;
  return true;
}
static void eat( conn_t * c, size_t sz ) { memmove( c->buf, c->buf+sz, c->sz-sz ); c->sz -= sz; }

typedef struct { int status; char head[ 2048 ], body[ 65536 ]; } answer_t;

/* One answer; status 0: the connection ended without one. */
static answer_t const * take( conn_t * c ) {
  static answer_t a;
  memset( &a, 0, sizeof a );
  uint8_t * end;
  while( !( end = memmem( c->buf, c->sz, "\r\n\r\n", 4 ) ) ) if( !fill( c ) ) return &a;
  size_t head_sz = (size_t)( end-c->buf )+4, body_sz = 0;
  assert_true( head_sz<sizeof a.head );
  memcpy( a.head, c->buf, head_sz );
  char const * length = strcasestr( a.head, "\ncontent-length:" );
  if( length ) body_sz = strtoul( length+16, NULL, 10 );
  assert_true( body_sz<sizeof a.body );
  while( c->sz<head_sz+body_sz ) if( !fill( c ) ) return &a;
  memcpy( a.body, c->buf+head_sz, body_sz );
  eat( c, head_sz+body_sz );
  a.status = (int)strtol( a.head+9, NULL, 10 );
  return &a;
}
static bool is_at_end( conn_t * c ) { while( fill( c ) ) {} return !c->sz; }

/* One request on a connection of its own. */
__attribute__(( format( printf, 1, 2 ) ))
static answer_t const * ask( char const * fmt, ... ) {
  static char text[ 70000 ];
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( text, sizeof text, fmt, ap );
  va_end( ap );
  conn_t * c = open_conn();
  put_text( c, text );
  answer_t const * a = take( c );
  close_conn( c );
  return a;
}

static char const * post( char const * headers, char const * body ) {
  static char text[ 4096 ];
  snprintf( text, sizeof text, "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s", headers, strlen( body ), body );
  return text;
}
#define HEAD "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"chain_head\"}"

#define STATUS( want, ... ) do { answer_t const * a_ = ask( __VA_ARGS__ ); if( a_->status!=( want ) ) fail_msg( "%s gave %d, not %d: %s", #__VA_ARGS__, a_->status, want, a_->body ); } while(0)

static void assert_has( char const * text, char const * part ) { if( !strcasestr( text, part ) ) fail_msg( "no %s in %s", part, text ); }

/* --- HTTP --- */

static void test_health_ready_and_metrics( void ** state ) {
  STATUS( 200, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" );
  STATUS( 200, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n" );
  is_node_ready = false;
  answer_t const * a = ask( "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n" );
  assert_int_equal( a->status, 503 );
  assert_string_equal( a->body, "[\"head is 9 s old\"]" );
  STATUS( 200, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" );
  STATUS( 200, "%s", post( "", HEAD ) );
  a = ask( "GET /metrics?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n" );
  assert_int_equal( a->status, 200 );
  assert_has( a->head, "content-type: text/plain; version=0.0.4" );
  assert_has( a->body, "demiurge_height 7\n" );
  assert_has( a->body, "demiurge_rpc_requests_total{method=\"chain_head\",code=\"ok\"} 1\n" );
  assert_has( a->body, "\ndemiurge_http_connections " );
}

static void test_path_method_and_type_are_exact( void ** state ) {
  answer_t const * a = ask( "GET /rpc HTTP/1.1\r\nHost: localhost\r\n\r\n" );
  assert_int_equal( a->status, 405 );
  assert_has( a->head, "allow: POST" );
  assert_has( a->head, "content-type: application/problem+json" );
  assert_has( a->body, "\"name\":\"MethodNotAllowed\"" );
  STATUS( 405, "OPTIONS /rpc HTTP/1.1\r\nHost: localhost\r\n\r\n" );
  STATUS( 405, "post /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" );
  STATUS( 405, "POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" );
  STATUS( 404, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" );
  STATUS( 404, "GET /RPC HTTP/1.1\r\nHost: localhost\r\n\r\n" );
  STATUS( 404, "GET /rpc/ HTTP/1.1\r\nHost: localhost\r\n\r\n" );
  STATUS( 404, "GET /health/../rpc HTTP/1.1\r\nHost: localhost\r\n\r\n" );
  STATUS( 426, "GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n" );
  static char const * const bad[] = { "", "Content-Type: text/plain\r\n", "Content-Type: application/jsonp\r\n", "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: x application/json\r\n" };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) STATUS( 415, "POST /rpc HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 2\r\n\r\n{}", bad[ i ] );
  static char const * const good[] = { "Content-Type: Application/JSON\r\n", "content-type: application/json; charset=utf-8\r\n", "content-type: application/json;charset=utf-8\r\n" };
  for( size_t i = 0; i<sizeof good/sizeof *good; i++ ) STATUS( 200, "POST /rpc HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 2\r\n\r\n{}", good[ i ] );
}

/* F3.6, DNS rebinding. */
static void test_a_foreign_host_is_misdirected( void ** state ) {
  static char const * const bad[] = { "evil.example", "localhost.evil.example", "evil.example:7369", "127.0.0.1.evil.example", "localhost@evil.example", "localhost:1:2", "localhost:x", "[::1]x", "[::1", "[::2]", "10.0.0.1", "127.x.0.1", "0.0.0.0" };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    answer_t const * a = ask( "GET /health HTTP/1.1\r\nHost: %s\r\n\r\n", bad[ i ] );
    if( a->status!=421 && a->status!=400 ) fail_msg( "Host %s gave %d", bad[ i ], a->status );
  }
  assert_int_equal( ask( "GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n" )->status, 421 );
  STATUS( 421, "GET /ws HTTP/1.1\r\nHost: evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" );
  static char const * const good[] = { "localhost", "LOCALHOST:7369", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:7369", "node.example", "Node.Example:443" };
  for( size_t i = 0; i<sizeof good/sizeof *good; i++ ) STATUS( 200, "GET /health HTTP/1.1\r\nHost: %s\r\n\r\n", good[ i ] );
}

#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void test_pages_of_foreign_origins_are_refused( void ** state ) {
  static char const * const bad[] = { "https://evil.example", "null", "http://localhost:9999", "http://localhost.evil.example", "localhost", "ftp://localhost", "https://hub.example:444", "HTTPS://hub.example", "" };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    char origin[ 100 ];
    snprintf( origin, sizeof origin, "Origin: %s\r\n", bad[ i ] );
    if( ask( "%s", post( origin, HEAD ) )->status!=403 ) fail_msg( "/rpc took %s", origin );
    if( ask( "GET /ws HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n", UPGRADE, origin )->status!=403 ) fail_msg( "/ws took %s", origin );
  }
  answer_t const * a = ask( "%s", post( "Origin: http://LocalHost\r\n", HEAD ) );
  assert_int_equal( a->status, 200 );
  assert_null( strcasestr( a->head, "access-control" ) );
  STATUS( 200, "POST /rpc HTTP/1.1\r\nHost: localhost:81\r\nOrigin: https://localhost:81\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" );
  STATUS( 101, "GET /ws HTTP/1.1\r\nHost: localhost\r\n" UPGRADE "Origin: http://localhost\r\n\r\n" );
  STATUS( 101, "GET /ws HTTP/1.1\r\nHost: localhost\r\n" UPGRADE "Origin: https://hub.example\r\n\r\n" );
  /* A listed one gets CORS, without credentials. */
  a = ask( "%s", post( "Origin: https://hub.example\r\n", HEAD ) );
  assert_int_equal( a->status, 200 );
  assert_has( a->head, "access-control-allow-origin: https://hub.example\r\n" );
  assert_has( a->head, "vary: origin" );
  assert_null( strcasestr( a->head, "credentials" ) );
  a = ask( "OPTIONS /rpc HTTP/1.1\r\nHost: localhost\r\nOrigin: https://hub.example\r\nAccess-Control-Request-Method: POST\r\n\r\n" );
  assert_int_equal( a->status, 204 );
  assert_has( a->head, "access-control-allow-methods: POST" );
  assert_has( a->head, "access-control-allow-headers: content-type" );
  STATUS( 403, "OPTIONS /rpc HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n" );
}

/* F4.1: 200 whenever a JSON-RPC body answers. */
static void test_json_rpc_answers_200_or_204( void ** state ) {
  answer_t const * a = ask( "%s", post( "", HEAD ) );
  assert_int_equal( a->status, 200 );
  assert_has( a->head, "content-type: application/json" );
  assert_has( a->head, "cache-control: no-store" );
  assert_has( a->body, "\"result\":{\"head\"" );
  a = ask( "%s", post( "", "[" ) );
  assert_int_equal( a->status, 200 );
  assert_has( a->body, "-32700" );
  a = ask( "%s", post( "", "" ) );
  assert_int_equal( a->status, 200 );
  assert_has( a->body, "-32700" );
  a = ask( "%s", post( "", "[{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\"}]" ) );
  assert_int_equal( a->status, 204 );
  assert_null( strcasestr( a->head, "\ncontent-type:" ) );
  assert_has( ask( "%s", post( "", "[]" ) )->body, "-32600" );
  assert_has( ask( "%s", post( "", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub_open\",\"params\":[\"heads\"]}" ) )->body, "need a WebSocket" );
}

static void test_connections_are_kept_and_pipelined( void ** state ) {
  conn_t * c = open_conn();
  for( int i = 0; i<3; i++ ) {
    put_text( c, post( "", HEAD ) );
    assert_int_equal( take( c )->status, 200 );
  }
  char id[ 100 ];
  for( int i = 0; i<20; i++ ) {
    snprintf( id, sizeof id, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"chain_head\"}", i );
    put_text( c, post( "", id ) );
  }
  for( int i = 0; i<20; i++ ) {
    snprintf( id, sizeof id, "\"id\":%d,", i );
    assert_has( take( c )->body, id );
  }
  /* Byte by byte. */
  char const * text = post( "", HEAD );
  for( size_t i = 0; text[ i ]; i++ ) put( c, text+i, 1 );
  assert_int_equal( take( c )->status, 200 );
  put_text( c, "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"jsonrpc\":\"2.0\"\r\n1f\r\n,\"id\":1,\"method\":\"chain_head\"} \r\n0\r\n\r\n" );
  assert_has( take( c )->body, "\"result\"" );
  assert_true( is_at_end( c ) );
  close_conn( c );
}

static void test_malformed_and_smuggled_requests_end_the_connection( void ** state ) {
  static struct { int status; char const * text; } const bad[] = {
    { 400, "GET /health HTTP/1.1\nHost: localhost\n\n" },
    { 400, "GET /health HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n" },
    { 400, "GET /health HTTP/1.1\r\n\r\n" },
    { 400, "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n" },
    { 400, "GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n" },
    { 400, "GET /health HTTP/1.1\r\nHost: localhost\r\nX : a\r\n\r\n" },
    { 400, "GARBAGE\r\n\r\n" },
    { 400, "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" },
    { 400, "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" },
    { 400, "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: +2\r\n\r\n{}" },
    { 501, "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip\r\n\r\n" },
    { 505, "GET /health HTTP/1.2\r\nHost: localhost\r\n\r\n" } };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    conn_t * c = open_conn();
    put_text( c, bad[ i ].text );
    answer_t const * a = take( c );
    if( a->status!=bad[ i ].status ) fail_msg( "%s gave %d", bad[ i ].text, a->status );
    assert_true( is_at_end( c ) );                     /* and nothing after it is taken for a request */
    close_conn( c );
  }
}

static void test_bodies_heads_and_targets_are_bounded( void ** state ) {
  conn_t * c = open_conn();
  static char big[ ( 1<<20 )+1 ];
  memset( big, ' ', sizeof big );
  char head[ 200 ];
  snprintf( head, sizeof head, "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", sizeof big );
  put_text( c, head );
  put( c, big, sizeof big );
  assert_int_equal( take( c )->status, 413 );
  close_conn( c );
  c = open_conn();
  put_text( c, "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n" );
  put( c, big, sizeof big );
  assert_int_equal( take( c )->status, 413 );
  close_conn( c );
  c = open_conn();
  snprintf( head, sizeof head, "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", sizeof big-1 );
  put_text( c, head );
  put( c, big, sizeof big-1 );
  assert_int_equal( take( c )->status, 200 );           /* a mebibyte of spaces is read, and is no JSON */
  close_conn( c );

  char target[ 8300 ];
  memset( target, 'a', sizeof target );
  target[ 0 ] = '/';
  target[ 8192 ] = 0;
  STATUS( 404, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target );
  target[ 8192 ] = 'a';
  target[ 8193 ] = 0;
  STATUS( 414, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target );

  static char many[ 20000 ];
  for( int cnt = 99; cnt<=100; cnt++ ) {                /* Host is the 100th */
    size_t n = 0;
    for( int i = 0; i<cnt; i++ ) n += (size_t)snprintf( many+n, sizeof many-n, "x-%d: y\r\n", i );
    STATUS( cnt==99 ? 200 : 431, "GET /health HTTP/1.1\r\nHost: localhost\r\n%s\r\n", many );
  }
  memset( many, 'x', 17000 );
  many[ 17000 ] = 0;
  STATUS( 431, "GET /health HTTP/1.1\r\nHost: localhost\r\nx: %s\r\n\r\n", many );
}

static void test_many_connections_are_served( void ** state ) {
  enum { CNT = 300 };
  static int fds[ CNT ];
  for( int i = 0; i<CNT; i++ ) fds[ i ] = dial( 0 );
  conn_t * c = calloc( 1, sizeof *c );
  for( int round = 0; round<2; round++ ) {
    char const * text = post( "", HEAD );
    for( int i = 0; i<CNT; i++ ) assert_int_equal( send( fds[ i ], text, strlen( text ), MSG_NOSIGNAL ), strlen( text ) );
    for( int i = 0; i<CNT; i++ ) {
      c->fd = fds[ i ];
      c->sz = 0;
      assert_int_equal( take( c )->status, 200 );
    }
  }
  for( int i = 0; i<CNT; i++ ) close( fds[ i ] );
  free( c );
}

/* --- WebSocket --- */

static void shake( conn_t * c ) {
  put_text( c, "GET /ws HTTP/1.1\r\nHost: localhost\r\n" UPGRADE "Sec-WebSocket-Protocol: other, demiurge.v1\r\n\r\n" );
  answer_t const * a = take( c );
  assert_int_equal( a->status, 101 );
  assert_has( a->head, "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" );
  assert_has( a->head, "sec-websocket-protocol: demiurge.v1" );
}
static conn_t * open_ws( void ) {
  conn_t * c = open_conn();
  shake( c );
  return c;
}

/* One masked frame; head: FIN and opcode. */
static void put_frame( conn_t * c, uint8_t head, void const * p, size_t sz ) {
  uint8_t * f = malloc( sz+14 );
  size_t n = 0;
  f[ n++ ] = head;
  if( sz<126 ) f[ n++ ] = (uint8_t)( 0x80|sz );
  else if( sz<65536 ) { f[ n++ ] = 0x80|126; dmg_store_u16be( f+n, (uint16_t)sz ); n += 2; }
  else { f[ n++ ] = 0x80|127; dmg_store_u64be( f+n, sz ); n += 8; }
  static uint8_t const mask[ 4 ] = { 1, 2, 3, 4 };
  memcpy( f+n, mask, 4 );
  n += 4;
  for( size_t i = 0; i<sz; i++ ) f[ n+i ] = ( (uint8_t const *)p )[ i ]^mask[ i%4 ];
  put( c, f, n+sz );
  free( f );
}
static void say( conn_t * c, char const * text ) { put_frame( c, 0x81, text, strlen( text ) ); }

/* The next frame that is no ping: opcode and text; -1: none came. */
static int hear( conn_t * c, char const ** out_text ) {
  static char text[ 1<<20 ];
  for(;;) {
    size_t n = 2, sz;
    while( c->sz<n ) if( !fill( c ) ) return -1;
    sz = c->buf[ 1 ];
    if( sz>=126 ) n += sz==126 ? 2 : 8;
    while( c->sz<n ) if( !fill( c ) ) return -1;
    if( sz==126 ) sz = dmg_load_u16be( c->buf+2 );
    else if( sz==127 ) sz = dmg_load_u64be( c->buf+2 );
    assert_true( sz<sizeof text && n+sz<=sizeof c->buf );
    while( c->sz<n+sz ) if( !fill( c ) ) return -1;
    int op = c->buf[ 0 ]&15;
    memcpy( text, c->buf+n, sz );
    text[ sz ] = 0;
    eat( c, n+sz );
    if( op==9 ) continue;
    *out_text = text;
    return op;
  }
}
static char const * hear_text( conn_t * c ) {
  char const * text = "";
  int op = hear( c, &text );
  if( op!=1 ) fail_msg( "wanted a text, got opcode %d", op );
  return text;
}
/* The close code; what comes before it is skipped. */
static int hear_close( conn_t * c ) {
  for( char const * text;; ) {
    int op = hear( c, &text );
    if( op==-1 ) return 0;
    if( op==8 ) return dmg_load_u16be( (uint8_t const *)text );
  }
}

static void test_calls_go_over_a_websocket( void ** state ) {
  conn_t * c = open_ws();
  say( c, HEAD );
  assert_has( hear_text( c ), "\"id\":1,\"result\":{\"head\"" );
  say( c, "{\"jsonrpc\":\"2.0\",\"method\":\"chain_head\"}" );                        /* a notification: nothing */
  say( c, "[{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"chain_head\"},7]" );
  char const * text = hear_text( c );
  assert_has( text, "\"id\":5" );
  assert_has( text, "-32600" );
  say( c, "{" );
  assert_has( hear_text( c ), "-32700" );
  put_frame( c, 0x01, "{\"jsonrpc\":\"2.0\",\"id\":6,", 24 );                           /* in fragments, a ping between */
  put_frame( c, 0x89, "hi", 2 );
  put_frame( c, 0x80, "\"method\":\"chain_head\"}", 22 );
  assert_int_equal( hear( c, &text ), 10 );
  assert_string_equal( text, "hi" );
  assert_has( hear_text( c ), "\"id\":6" );
  put_frame( c, 0x88, "\x03\xe8", 2 );
  assert_int_equal( hear_close( c ), 1000 );
  close_conn( c );
}

static void test_broken_messages_close_with_their_code( void ** state ) {
  conn_t * c = open_ws();
  put_frame( c, 0x82, HEAD, strlen( HEAD ) );
  assert_int_equal( hear_close( c ), 1003 );
  close_conn( c );

  c = open_ws();
  static char big[ ( 256<<10 )+1 ];
  memset( big, ' ', sizeof big );
  put_frame( c, 0x81, big, sizeof big-1 );
  assert_has( hear_text( c ), "-32700" );
  put_frame( c, 0x81, big, sizeof big );
  assert_int_equal( hear_close( c ), 1009 );
  close_conn( c );

  c = open_ws();
  put( c, "\x81\x02{}", 4 );                            /* not masked */
  assert_int_equal( hear_close( c ), 1002 );
  close_conn( c );

  c = open_ws();
  put_frame( c, 0x81, "\xff", 1 );
  assert_int_equal( hear_close( c ), 1007 );
  close_conn( c );

  c = open_ws();
  for( int i = 0; i<66; i++ ) put_frame( c, i ? 0x00 : 0x01, " ", 1 );
  assert_int_equal( hear_close( c ), 1008 );
  close_conn( c );
  STATUS( 404, "GET /rpc/ws HTTP/1.1\r\nHost: localhost\r\n" UPGRADE "\r\n" );
  STATUS( 426, "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" );
}

static void block( uint64_t height ) {
  pthread_mutex_lock( &fake.lock );
  fake.head = height;
  pthread_mutex_unlock( &fake.lock );
  dmg_at_block_t at = fake_at( &fake, height );
  node.on_block( node.ctx, &at, 1000*height, 0 );
}

static uint64_t number( char const * text, char const * name ) {
  char key[ 40 ];
  snprintf( key, sizeof key, "\"%s\":\"", name );
  char const * at = strstr( text, key );
  return at ? strtoull( at+strlen( key ), NULL, 10 ) : 0;
}

#define OPEN_HEADS "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub_open\",\"params\":{\"topic\":\"heads\"}}"

static void open_heads( conn_t * c ) {
  say( c, OPEN_HEADS );
  assert_has( hear_text( c ), "\"subscription\":" );
}

static void test_streams_of_heads_and_transactions( void ** state ) {
  conn_t * c = open_ws();
  fake_set_tx( &fake, fake_id( 2 ), (dmg_query_tx_status_t){ .state = DMG_TX_POOLED } );
  say( c, OPEN_HEADS );
  assert_has( hear_text( c ), "\"subscription\":\"1\",\"seq\":\"7\"" );
  say( c, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"sub_open\",\"params\":{\"topic\":\"tx\",\"filter\":{\"ids\":[\"0x0202020202020202020202020202020202020202020202020202020202020202\"]}}}" );
  assert_has( hear_text( c ), "\"id\":2,\"result\"" );  /* the answer first (F5.1) */
  assert_has( hear_text( c ), "\"status\":{\"kind\":\"pooled\"}" );
  block( 8 );
  assert_has( hear_text( c ), "\"seq\":\"8\"" );
  dmg_hash_t id = fake_id( 2 );
  node.on_tx( node.ctx, &id, &(dmg_query_tx_status_t){ .state = DMG_TX_FINAL, .height = 8 } );
  assert_has( hear_text( c ), "\"kind\":\"final\"" );
  say( c, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"sub_close\",\"params\":[\"1\"]}" );
  assert_has( hear_text( c ), "\"reason\":\"closed\"" );
  assert_has( hear_text( c ), "\"id\":3,\"result\":true" );
  block( 9 );
  say( c, HEAD );
  assert_has( hear_text( c ), "\"id\":1,\"result\"" );
  close_conn( c );
  block( 10 );                                          /* to nobody */
}

static void restart_with( dmg_rpc_limits_t const * limits, uint32_t ws_out_max, uint32_t threads ) {
  dmg_http_server_stop( server );
  dmg_rpc_free( rpc );                                  /* it has drained */
  rpc  = dmg_rpc_new( &fake.query, limits );
  node = dmg_rpc_events( rpc );
  start( ws_out_max, threads );
}

static void restart( uint32_t ws_out_max, uint32_t threads ) { restart_with( NULL, ws_out_max, threads ); }

/* A clock that stands still: nothing comes back. */
static uint64_t stopped( void * ctx ) { return 5000000000u; }

static void test_counted_clients_see_what_is_left( void ** state ) {
  dmg_rpc_limits_t limits = { .cost = { .rate = 10, .burst = 100 }, .now_ns = stopped, .cpu_ns = stopped };
  answer_t const * a = ask( "%s", post( "", HEAD ) );
  assert_has( a->head, "demiurge-cost: 1\r\n" );
  assert_null( strcasestr( a->head, "ratelimit" ) );      /* loopback is free */
  restart_with( &limits, 0, 1 );
  a = ask( "%s", post( "", HEAD ) );
  assert_null( strcasestr( a->head, "ratelimit" ) );
  is_behind_proxy = true;
  restart_with( &limits, 0, 1 );
  a = ask( "%s", post( "", HEAD ) );
  assert_int_equal( a->status, 200 );
  assert_has( a->head, "demiurge-cost: 1\r\n" );
  assert_has( a->head, "ratelimit-policy: \"anonymous\";q=100;w=10\r\n" );
  assert_has( a->head, "ratelimit: \"anonymous\";r=99;t=1\r\n" );
  assert_null( strcasestr( a->head, "retry-after" ) );
  a = ask( "%s", post( "", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"balances_supply\"}" ) );
  assert_has( a->head, "demiurge-cost: 40\r\n" );
  a = ask( "%s", post( "", "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"balances_supply\"},{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"balances_supply\"}]" ) );
  assert_int_equal( a->status, 200 );                   /* F4.1: it was read */
  assert_has( a->body, "\"name\":\"LimitExceeded\",\"limit\":100,\"cost\":40,\"retryAfterMs\":2100}" );
  assert_has( a->head, "retry-after: 3\r\n" );
  for( int i = 0; i<18; i++ ) ask( "%s", post( "", HEAD ) );
  a = ask( "%s", post( "Origin: https://hub.example\r\n", HEAD ) );
  assert_int_equal( a->status, 429 );
  assert_has( a->head, "application/problem+json" );
  assert_has( a->head, "retry-after: 1\r\n" );
  assert_has( a->head, "r=0;t=10\r\n" );
  assert_has( a->head, "access-control-expose-headers: demiurge-cost, ratelimit, ratelimit-policy, retry-after" );
  assert_has( a->body, "\"name\":\"LimitExceeded\",\"limit\":100,\"cost\":1,\"retryAfterMs\":100" );
  assert_int_equal( ask( "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" )->status, 200 );
}

/* Not this client's doing: it has units left. */
static void test_too_much_of_all_together_is_the_nodes_to_say( void ** state ) {
  dmg_rpc_limits_t limits = { .cost = { .rate = 10, .burst = 100, .all_rate = 50 }, .now_ns = stopped, .cpu_ns = stopped };
  is_behind_proxy = true;
  restart_with( &limits, 0, 1 );
  for( int i = 0; i<5; i++ ) assert_int_equal( ask( "%s", post( "", HEAD ) )->status, 200 );
  answer_t const * a = ask( "%s", post( "", HEAD ) );
  assert_int_equal( a->status, 503 );
  assert_has( a->head, "application/problem+json" );
  assert_has( a->head, "retry-after: 1\r\n" );
  assert_has( a->head, "r=95;" );
  assert_has( a->body, "\"name\":\"Unavailable\",\"reason\":\"overloaded\",\"retryAfterMs\":20}" );
}

static void test_a_socket_that_does_not_stop_asking_is_closed( void ** state ) {
  dmg_rpc_limits_t limits = { .cost = { .rate = 10, .burst = 20 }, .now_ns = stopped, .cpu_ns = stopped };
  is_behind_proxy = true;
  restart_with( &limits, 0, 1 );
  conn_t * c = open_ws();
  for( int i = 0; i<20; i++ ) { say( c, HEAD ); assert_has( hear_text( c ), "\"result\"" ); }
  say( c, HEAD );
  assert_has( hear_text( c ), "\"id\":1,\"error\":{\"code\":-32005" );   /* under its id, though nothing is left */
  for( int i = 0; i<30; i++ ) say( c, HEAD );
  assert_int_equal( hear_close( c ), 4429 );
  close_conn( c );
}

/* F5.2: what the kernel and the server do not buffer is skipped; the newest comes when there is room. */
static void test_a_slow_reader_skips_to_the_newest( void ** state ) {
  restart( 65536, 1 );
  conn_t * c = calloc( 1, sizeof *c );
  c->fd = dial( 16384 );
  shake( c );
  open_heads( c );
  enum { LAST = 40000 };
  for( uint64_t h = 8; h<=LAST; h++ ) block( h );
  uint64_t seq = 7, skipped_cnt = 0;
  while( seq<LAST ) {
    char const * text = hear_text( c );
    uint64_t skipped = number( text, "skipped" );
    assert_int_equal( number( text, "seq" ), seq+1+skipped );
    seq = number( text, "seq" );
    skipped_cnt += skipped;
  }
  assert_true( skipped_cnt>0 );
  close_conn( c );
}

/* An answer cannot be looked up again: a socket that is full is not read, and loses none. */
static void test_answers_wait_for_a_slow_reader( void ** state ) {
  restart( 300000, 2 );
  fake.big_sz = 100000;                                 /* 200 kB of hex each */
  conn_t * c = calloc( 1, sizeof *c );
  c->fd = dial( 16384 );
  shake( c );
  open_heads( c );
  enum { CNT = 60 };
  char text[ 120 ];
  for( int i = 0; i<CNT; i++ ) {
    snprintf( text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"state_get\",\"params\":[\"0x00020009\"]}", i );
    say( c, text );
    if( i%10==9 ) block( 8+(uint64_t)i/10 );
  }
  dmg_os_sleep_ns( 50000000 );
  uint64_t seq = 7;
  for( int i = 0; i<CNT; ) {
    char const * got = hear_text( c );
    if( strstr( got, "sub_item" ) ) { assert_true( number( got, "seq" )>seq ); seq = number( got, "seq" ); continue; }
    snprintf( text, sizeof text, "\"id\":%d,\"result\"", i++ );
    assert_has( got, text );
  }
  while( seq<13 ) seq = number( hear_text( c ), "seq" );
  close_conn( c );
  /* One that goes away with an answer held. */
  c = calloc( 1, sizeof *c );
  c->fd = dial( 16384 );
  shake( c );
  for( int i = 0; i<CNT; i++ ) say( c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"state_get\",\"params\":[\"0x00020009\"]}" );
  dmg_os_sleep_ns( 50000000 );
  close_conn( c );
}

static void test_an_answer_that_can_never_fit_closes_the_socket( void ** state ) {
  restart( 65536, 1 );
  fake.big_sz = 100000;
  conn_t * c = open_ws();
  say( c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"state_get\",\"params\":[\"0x00020009\"]}" );
  assert_int_equal( hear_close( c ), 1009 );
  close_conn( c );
}

static void test_many_sockets_hear_each_block( void ** state ) {
  enum { CNT = 100 };
  static conn_t * c[ CNT ];
  for( int i = 0; i<CNT; i++ ) { c[ i ] = open_ws(); say( c[ i ], OPEN_HEADS ); }
  for( int i = 0; i<CNT; i++ ) assert_has( hear_text( c[ i ] ), "\"subscription\":" );
  for( uint64_t h = 8; h<=12; h++ ) block( h );
  for( int i = 0; i<CNT; i++ ) for( uint64_t h = 8; h<=12; h++ ) assert_int_equal( number( hear_text( c[ i ] ), "seq" ), h );
  assert_has( ask( "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" )->body, "demiurge_rpc_subscriptions 100\n" );
  for( int i = 0; i<CNT; i++ ) close_conn( c[ i ] );
}

static void * blocks_thread( void * arg ) {
  for( uint64_t h = 8; h<2000; h++ ) {
    dmg_hash_t id = fake_id( (uint8_t)h );
    block( h );
    node.on_tx( node.ctx, &id, &(dmg_query_tx_status_t){ .state = DMG_TX_FINAL, .height = h } );
  }
  return NULL;
}

/* Events, calls and closing sockets at once. */
static void test_sockets_come_and_go_while_blocks_are_made( void ** state ) {
  pthread_t t;
  assert_int_equal( pthread_create( &t, NULL, blocks_thread, NULL ), 0 );
  for( int i = 0; i<60; i++ ) {
    conn_t * c = open_ws();
    say( c, OPEN_HEADS );
    say( c, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"sub_open\",\"params\":{\"topic\":\"tx\",\"filter\":{\"ids\":[\"0x0909090909090909090909090909090909090909090909090909090909090909\"]}}}" );
    if( i%3 ) hear_text( c );
    if( i%3==2 ) { put_frame( c, 0x88, "", 0 ); hear_close( c ); }
    close_conn( c );
  }
  pthread_join( t, NULL );
}

static void test_stop_tells_streams_and_closes_sockets( void ** state ) {
  conn_t * c = open_ws(), * idle = open_ws(), * kept = open_conn();
  open_heads( c );
  put_text( kept, post( "", HEAD ) );
  assert_int_equal( take( kept )->status, 200 );
  dmg_http_server_drain( server );
  assert_has( hear_text( c ), "\"reason\":\"drain\"" );
  assert_int_equal( hear_close( c ), 1001 );
  assert_int_equal( hear_close( idle ), 1001 );
  assert_true( is_at_end( kept ) );
  close_conn( c );
  close_conn( idle );
  close_conn( kept );
  uint64_t began = dmg_os_mono_ns();
  dmg_http_server_stop( server );
  assert_true( dmg_os_mono_ns()-began<1500000000u );
  server = NULL;
}

static void test_a_port_in_use_says_so( void ** state ) {
  char why[ 256 ] = "";
  dmg_http_server_t * other = NULL;
  dmg_http_server_cfg_t cfg = { .address = "127.0.0.1", .port = dmg_http_server_port( server ), .rpc = rpc, .is_ready = ready, .metrics = metrics };
  assert_int_equal( dmg_http_server_start( &cfg, &other, why ), DMG_ERR_INVALID );
  assert_null( other );
  assert_has( why, "cannot listen on 127.0.0.1" );
  /* A server that did not start took nothing from the one that runs. */
  conn_t * c = open_ws();
  open_heads( c );
  block( 8 );
  assert_has( hear_text( c ), "\"seq\":\"8\"" );
  close_conn( c );
}

/* --- Submitting --- */

#define SUBMIT( id, hex ) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"tx_submit\",\"params\":{\"tx\":\"" hex "\"}}"

static void wait_submits( unsigned calls ) {
  for( int i = 0; i<WAIT_MS && fake.submit_calls<calls; i++ ) dmg_os_sleep_ns( 1000000 );
  assert_int_equal( fake.submit_calls, calls );
}

/* One worker, one submit thread, which hangs: reads are answered, two bodies wait, the next are told so. */
static void test_reads_do_not_wait_for_submits( void ** state ) {
  restart( 0, 1 );
  conn_t * c[ 4 ], * ws = open_ws(), * full = open_ws();
  fake.submit_calls   = 0;
  fake.is_submit_held = true;
  for( int i = 0; i<4; i++ ) c[ i ] = open_conn();
  put_text( c[ 0 ], post( "", SUBMIT( "1", "0x0101" ) ) );
  wait_submits( 1 );
  put_text( c[ 1 ], post( "", SUBMIT( "2", "0x0102" ) ) );
  say( ws, SUBMIT( "3", "0x0103" ) );
  answer_t const * a;
  do a = ask( "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" ); while( !strstr( a->body, "demiurge_rpc_submit_waiting 2\n" ) );
  put_text( c[ 2 ], post( "", SUBMIT( "4", "0x0104" ) ) );
  a = take( c[ 2 ] );
  assert_int_equal( a->status, 200 );
  assert_has( a->body, "\"id\":4,\"error\":{\"code\":-32002" );
  assert_has( a->body, "overloaded" );
  say( full, "[" SUBMIT( "5", "0x0105" ) "]" );
  assert_has( hear_text( full ), "\"id\":5,\"error\":{\"code\":-32002" );
  say( full, HEAD );
  assert_has( hear_text( full ), "\"result\"" );
  put_text( c[ 3 ], post( "", HEAD ) );
  assert_has( take( c[ 3 ] )->body, "\"result\"" );
  fake.is_submit_held = false;
  assert_has( take( c[ 0 ] )->body, "\"id\":1,\"result\":{\"id\":\"0x0101" );
  assert_has( take( c[ 1 ] )->body, "\"id\":2,\"result\":{\"id\":\"0x0102" );
  assert_has( hear_text( ws ), "\"id\":3,\"result\":{\"id\":\"0x0103" );
  assert_int_equal( fake.submit_calls, 2 );             /* the two that waited went together */
  put_text( c[ 2 ], post( "", "{\"jsonrpc\":\"2.0\",\"method\":\"tx_submit\",\"params\":[\"0x01\"]}" ) );
  assert_int_equal( take( c[ 2 ] )->status, 204 );
  for( int i = 0; i<4; i++ ) close_conn( c[ i ] );
  close_conn( ws );
  close_conn( full );
}

/* What rpc wants one after the other for one socket: streams, room and the end of it come while its message is with the pool. */
static void test_a_socket_ends_or_streams_while_it_submits( void ** state ) {
  restart( 0, 1 );
  conn_t * gone = open_ws(), * c = open_ws();
  fake.is_submit_held = true;
  fake.submit_calls   = 0;
  open_heads( c );
  say( gone, "[" SUBMIT( "1", "0x0101" ) "," OPEN_HEADS "]" );   /* a stream on a socket that is no more */
  wait_submits( 1 );
  say( c, SUBMIT( "2", "0x0102" ) );
  say( c, HEAD );                                       /* comes after */
  block( 8 );
  assert_has( hear_text( c ), "\"seq\":\"8\"" );
  close_conn( gone );
  fake.is_submit_held = false;
  assert_has( hear_text( c ), "\"id\":2,\"result\"" );
  assert_has( hear_text( c ), "\"id\":1,\"result\":{\"head\"" );
  block( 9 );
  assert_has( hear_text( c ), "\"seq\":\"9\"" );
  answer_t const * a;
  for( int i = 0; i<WAIT_MS; i++ ) {
    a = ask( "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" );
    if( strstr( a->body, "demiurge_rpc_subscriptions 1\n" ) ) break;
    dmg_os_sleep_ns( 1000000 );
  }
  assert_has( a->body, "demiurge_rpc_subscriptions 1\n" );
  /* Stopping while bodies are with the pool: the request is answered, the socket is told of the drain. */
  conn_t * last = open_conn();
  fake.is_submit_held = true;
  fake.submit_calls   = 0;
  put_text( last, post( "", SUBMIT( "3", "0x0103" ) ) );
  wait_submits( 1 );
  say( c, SUBMIT( "4", "0x0104" ) );
  do a = ask( "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" ); while( !strstr( a->body, "demiurge_rpc_submit_waiting 1\n" ) );
  dmg_http_server_drain( server );
  assert_has( hear_text( c ), "\"reason\":\"drain\"" );
  assert_int_equal( hear_close( c ), 1001 );
  close_conn( c );
  fake.is_submit_held = false;
  dmg_http_server_stop( server );
  server = NULL;
  assert_has( take( last )->body, "\"id\":3,\"result\"" );
  close_conn( last );
}

/* --- http_client --- */

static void test_the_client_posts_gets_and_says_what_fails( void ** state ) {
  char url[ 80 ], why[ 256 ] = "";
  int status = 0;
  dmg_buf_t out = dmg_buf( 65536 );
  snprintf( url, sizeof url, "http://127.0.0.1:%u/rpc", dmg_http_server_port( server ) );
  assert_int_equal( dmg_http_post_json( url, DMG_SPAN_STR( HEAD ), 5000, &status, &out, why ), DMG_OK );
  assert_int_equal( status, 200 );
  assert_non_null( memmem( out.p, out.sz, "\"result\"", 8 ) );
  dmg_buf_clear( &out );
  assert_int_equal( dmg_http_get( url, 5000, &status, &out, why ), DMG_OK );
  assert_int_equal( status, 405 );
  dmg_buf_fini( &out );
  out = dmg_buf( 20 );
  assert_int_equal( dmg_http_post_json( url, DMG_SPAN_STR( HEAD ), 5000, &status, &out, why ), DMG_ERR_IO );
  assert_has( why, url );
  dmg_buf_fini( &out );
  out = dmg_buf( 65536 );
  assert_int_equal( dmg_http_get( "https://127.0.0.1/", 5000, &status, &out, why ), DMG_ERR_INVALID );
  assert_int_equal( dmg_http_get( "nonsense", 5000, &status, &out, why ), DMG_ERR_INVALID );
  uint16_t port = dmg_http_server_port( server );
  dmg_http_server_stop( server );
  server = NULL;
  snprintf( url, sizeof url, "http://127.0.0.1:%u/rpc", port );
  assert_int_equal( dmg_http_get( url, 5000, &status, &out, why ), DMG_ERR_UNAVAILABLE );
  dmg_buf_fini( &out );
}

#define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )

int main( void ) {
  struct CMUnitTest const tests[] = {
    T( test_health_ready_and_metrics ),
    T( test_path_method_and_type_are_exact ),
    T( test_a_foreign_host_is_misdirected ),
    T( test_pages_of_foreign_origins_are_refused ),
    T( test_json_rpc_answers_200_or_204 ),
    T( test_connections_are_kept_and_pipelined ),
    T( test_malformed_and_smuggled_requests_end_the_connection ),
    T( test_bodies_heads_and_targets_are_bounded ),
    T( test_many_connections_are_served ),
    T( test_calls_go_over_a_websocket ),
    T( test_broken_messages_close_with_their_code ),
    T( test_streams_of_heads_and_transactions ),
    T( test_counted_clients_see_what_is_left ), T( test_too_much_of_all_together_is_the_nodes_to_say ), T( test_a_socket_that_does_not_stop_asking_is_closed ), T( test_a_slow_reader_skips_to_the_newest ),
    T( test_answers_wait_for_a_slow_reader ),
    T( test_an_answer_that_can_never_fit_closes_the_socket ),
    T( test_many_sockets_hear_each_block ),
    T( test_sockets_come_and_go_while_blocks_are_made ),
    T( test_stop_tells_streams_and_closes_sockets ),
    T( test_a_port_in_use_says_so ),
    T( test_reads_do_not_wait_for_submits ),
    T( test_a_socket_ends_or_streams_while_it_submits ),
    T( test_the_client_posts_gets_and_says_what_fails ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
