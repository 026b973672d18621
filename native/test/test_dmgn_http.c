/* dmgn_http.h from C: the server and the client talk to each other. */
#include "dmgn_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 5000

/* What the callbacks saw, and the requests they kept for later. */
typedef struct {
  pthread_mutex_t mutex;
  pthread_cond_t  cond;
  dmgn_http_t *   http;
  dmgn_req_t *    parked;
  uint64_t        ws;
  int             opens, closes, code, rooms, threads, is_held;
  char            seen[ 256 ];
} fixture_t;

static int span_is( dmgn_http_span_t span, char const * text ) {
  return span.ptr && span.sz==strlen( text ) && !memcmp( span.ptr, text, span.sz );
}

static dmgn_http_span_t span( char const * text ) { return (dmgn_http_span_t){ .ptr = text, .sz = strlen( text ) }; }

static void reply_text( dmgn_req_t * req, int status, char const * text ) {
  dmgn_http_hdr_t hdr = { .name = span( "Content-Type" ), .value = span( "text/plain" ) };
  dmgn_http_reply( req, status, &hdr, 1, (uint8_t const *)text, strlen( text ) );
}

static void on_request( void * user, dmgn_req_t * req ) {
  fixture_t * f = user;
  if( span_is( dmgn_req_path( req ), "/park" ) ) {
    pthread_mutex_lock( &f->mutex );
    f->parked = req;
    pthread_cond_signal( &f->cond );
    pthread_mutex_unlock( &f->mutex );
    return;
  }
  if( span_is( dmgn_req_path( req ), "/bad" ) ) {
    dmgn_http_hdr_t hdr = { .name = span( "Bad Name" ), .value = span( "x" ) };
    dmgn_http_reply( req, 200, &hdr, 1, NULL, 0 );
    return;
  }
  uint8_t addr[ 16 ];
  uint16_t port;
  dmgn_req_peer( req, addr, &port );
  dmgn_http_span_t method = dmgn_req_method( req ), path = dmgn_req_path( req ), query = dmgn_req_query( req ),
                   body = dmgn_req_body( req ), token = dmgn_req_header( req, "x-TOKEN", 7 );
  size_t hdr_cnt = 0;
  while( dmgn_req_header_at( req, hdr_cnt ).name.ptr ) hdr_cnt++;
  char text[ 512 ];
  snprintf( text, sizeof text, "%.*s|%.*s|%.*s|%.*s|%.*s|%d|%d|%u|%zu", (int)method.sz, method.ptr, (int)path.sz, path.ptr, (int)query.sz,
            query.ptr ? query.ptr : "", (int)body.sz, body.sz ? body.ptr : "", (int)token.sz, token.ptr ? token.ptr : "", dmgn_req_version( req ),
            dmgn_req_is_unix( req ), addr[ 15 ], hdr_cnt );
  reply_text( req, 201, text );
}

static int on_ws_open( void * user, uint64_t ws, dmgn_req_t * req ) {
  fixture_t * f = user;
  if( !span_is( dmgn_req_path( req ), "/ws" ) ) return 404;
  pthread_mutex_lock( &f->mutex );
  f->ws = ws;
  f->opens++;
  pthread_cond_signal( &f->cond );
  pthread_mutex_unlock( &f->mutex );
  return 0;
}

static int on_ws_msg( void * user, uint64_t ws, int is_text, uint8_t const * bytes, size_t bytes_sz ) {
  fixture_t * f = user;
  pthread_mutex_lock( &f->mutex );
  snprintf( f->seen, sizeof f->seen, "%s:%.*s", is_text ? "text" : "binary", (int)bytes_sz, (char const *)bytes );
  pthread_cond_signal( &f->cond );
  int is_held = f->is_held;
  dmgn_http_t * http = f->http;
  pthread_mutex_unlock( &f->mutex );
  dmgn_ws_send( http, ws, is_text, bytes, bytes_sz );      /* from a callback, too */
  return is_held;
}

static void on_ws_room( void * user, uint64_t ws ) {
  (void)ws;
  fixture_t * f = user;
  pthread_mutex_lock( &f->mutex );
  f->rooms++;
  pthread_cond_signal( &f->cond );
  pthread_mutex_unlock( &f->mutex );
}

static void on_ws_close( void * user, uint64_t ws, int code ) {
  (void)ws;
  fixture_t * f = user;
  pthread_mutex_lock( &f->mutex );
  f->closes++;
  f->code = code;
  pthread_cond_signal( &f->cond );
  pthread_mutex_unlock( &f->mutex );
}

static void on_thread( void * user, uint32_t idx ) {
  fixture_t * f = user;
  pthread_mutex_lock( &f->mutex );
  f->threads |= 1<<idx;
  pthread_cond_signal( &f->cond );
  pthread_mutex_unlock( &f->mutex );
}

/* Waits until *what is at least min. */
static void await_cnt( fixture_t * f, int const * what, int min ) {
  struct timespec end;
  clock_gettime( CLOCK_REALTIME, &end );
  end.tv_sec += WAIT_MS/1000;
  pthread_mutex_lock( &f->mutex );
  int err = 0;
  while( *what<min && !err ) err = pthread_cond_timedwait( &f->cond, &f->mutex, &end );
  pthread_mutex_unlock( &f->mutex );
  assert_int_equal( err, 0 );
}

static dmgn_http_cfg_t config( fixture_t * f ) {
  return (dmgn_http_cfg_t){ .addr = "127.0.0.1", .unix_fd = -1, .threads = 2, .drain_ms = 300, .user = f, .on_request = on_request,
                            .on_ws_open = on_ws_open, .on_ws_msg = on_ws_msg, .on_ws_room = on_ws_room, .on_ws_close = on_ws_close,
                            .on_thread = on_thread };
}

static int setup( void ** state ) {
  fixture_t * f = calloc( 1, sizeof *f );
  pthread_mutex_init( &f->mutex, NULL );
  pthread_cond_init( &f->cond, NULL );
  dmgn_http_cfg_t cfg = config( f );
  char err[ 200 ] = "";
  pthread_mutex_lock( &f->mutex );           /* a callback may come before the handle is stored */
  f->http = dmgn_http_start( &cfg, err, sizeof err );
  pthread_mutex_unlock( &f->mutex );
  if( !f->http ) fprintf( stderr, "%s\n", err );
  *state = f;
  return !f->http;
}

static int teardown( void ** state ) {
  fixture_t * f = *state;
  dmgn_http_free( f->http );
  pthread_mutex_destroy( &f->mutex );
  pthread_cond_destroy( &f->cond );
  free( f );
  return 0;
}

static char const * url( fixture_t * f, char const * scheme, char const * path ) {
  static char text[ 128 ];
  snprintf( text, sizeof text, "%s://127.0.0.1:%u%s", scheme, dmgn_http_port( f->http ), path );
  return text;
}

static void test_start_says_why_it_cannot( void ** state ) {
  fixture_t * f = *state;
  struct { dmgn_http_cfg_t cfg; char const * why; } bad[] = {
    { config( f ), "TLS" }, { config( f ), "on_request" }, { config( f ), "where to listen" }, { config( f ), "address" }, { config( f ), "listen" },
  };
  bad[ 0 ].cfg.tls = (dmgn_tls_t const *)f;
  bad[ 1 ].cfg.on_request = NULL;
  bad[ 2 ].cfg.addr = NULL;
  bad[ 3 ].cfg.addr = "localhost";
  bad[ 4 ].cfg.port = dmgn_http_port( f->http );
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    char err[ 200 ] = "";
    assert_null( dmgn_http_start( &bad[ i ].cfg, err, sizeof err ) );
    if( !strstr( err, bad[ i ].why ) ) fail_msg( "%zu: %s", i, err );
    char tiny[ 4 ] = "???";
    assert_null( dmgn_http_start( &bad[ i ].cfg, tiny, sizeof tiny ) );
    assert_int_equal( strlen( tiny ), 3 );
  }
  dmgn_http_free( NULL );
}

static void test_call_carries_all_parts( void ** state ) {
  fixture_t * f = *state;
  dmgn_http_hdr_t hdr = { .name = span( "X-Token" ), .value = span( "abc" ) };
  dmgn_answer_t answer = { 0 };
  char err[ 200 ];
  assert_int_equal( dmgn_http_call( url( f, "http", "/rpc?q=1" ), "POST", &hdr, 1, (uint8_t const *)"body", 4, WAIT_MS, 1000, &answer, err, sizeof err ), DMGN_HTTP_OK );
  assert_int_equal( answer.status, 201 );
  char const want[] = "POST|/rpc|q=1|body|abc|11|0|1|3";
  assert_int_equal( answer.body_sz, sizeof want-1 );
  assert_memory_equal( answer.body, want, answer.body_sz );
  int found = 0;
  for( size_t i = 0; i<answer.hdr_cnt; i++ ) found += span_is( answer.hdrs[ i ].name, "content-type" ) && span_is( answer.hdrs[ i ].value, "text/plain" );
  assert_int_equal( found, 1 );
  dmgn_answer_free( &answer );
  dmgn_answer_free( &answer );
  assert_null( answer.body );
  assert_int_equal( dmgn_http_call( url( f, "http", "/bad" ), "GET", NULL, 0, NULL, 0, WAIT_MS, 1000, &answer, err, sizeof err ), DMGN_HTTP_OK );
  assert_int_equal( answer.status, 500 );
  dmgn_answer_free( &answer );
  await_cnt( f, &f->threads, 3 );
}

static void test_call_errors_are_kinds( void ** state ) {
  fixture_t * f = *state;
  dmgn_answer_t answer;
  char err[ 200 ];
  struct { char const * url; size_t body_max; int code; } const table[] = {
    { "https://127.0.0.1/", 10, DMGN_HTTP_URL },
    { "127.0.0.1", 10, DMGN_HTTP_URL },
    { "http://127.0.0.1:1/", 10, DMGN_HTTP_NET },
    { NULL, 3, DMGN_HTTP_PROTO },
  };
  for( size_t i = 0; i<sizeof table/sizeof *table; i++ ) {
    err[ 0 ] = 0;
    char const * to = table[ i ].url ? table[ i ].url : url( f, "http", "/" );
    assert_int_equal( dmgn_http_call( to, "GET", NULL, 0, NULL, 0, WAIT_MS, table[ i ].body_max, &answer, err, sizeof err ), table[ i ].code );
    assert_true( strlen( err )>5 );
  }
  assert_int_equal( dmgn_http_call( url( f, "http", "/park" ), "GET", NULL, 0, NULL, 0, 50, 10, &answer, err, sizeof err ), DMGN_HTTP_TIMEOUT );
  pthread_mutex_lock( &f->mutex );
  dmgn_req_t * req = f->parked;
  pthread_mutex_unlock( &f->mutex );
  assert_non_null( req );
  /* The client is gone: the server may see that before or after the answer, both end the request. */
  int code = dmgn_http_reply( req, 200, NULL, 0, NULL, 0 );
  assert_true( code==DMGN_HTTP_OK || code==DMGN_HTTP_GONE );
}

static void * late( void * arg ) {
  fixture_t * f = arg;
  pthread_mutex_lock( &f->mutex );
  while( !f->parked ) pthread_cond_wait( &f->cond, &f->mutex );
  dmgn_req_t * req = f->parked;
  pthread_mutex_unlock( &f->mutex );
  reply_text( req, 200, "late" );
  return NULL;
}

static void test_reply_may_come_from_another_thread( void ** state ) {
  fixture_t * f = *state;
  pthread_t thread;
  pthread_create( &thread, NULL, late, f );
  dmgn_answer_t answer;
  char err[ 200 ];
  assert_int_equal( dmgn_http_call( url( f, "http", "/park" ), "GET", NULL, 0, NULL, 0, WAIT_MS, 10, &answer, err, sizeof err ), DMGN_HTTP_OK );
  assert_memory_equal( answer.body, "late", 4 );
  dmgn_answer_free( &answer );
  pthread_join( thread, NULL );
}

static void test_request_outlives_the_server( void ** state ) {
  fixture_t * f = *state;
  dmgn_answer_t answer;
  char err[ 200 ];
  assert_int_equal( dmgn_http_call( url( f, "http", "/park" ), "PUT", NULL, 0, (uint8_t const *)"kept", 4, 50, 10, &answer, err, sizeof err ), DMGN_HTTP_TIMEOUT );
  dmgn_http_free( f->http );
  f->http = NULL;
  assert_true( span_is( dmgn_req_body( f->parked ), "kept" ) );
  assert_int_equal( dmgn_http_reply( f->parked, 200, NULL, 0, NULL, 0 ), DMGN_HTTP_GONE );
}

static void test_websocket_both_ways( void ** state ) {
  fixture_t * f = *state;
  char err[ 200 ] = "";
  assert_null( dmgn_wsc_open( url( f, "ws", "/other" ), NULL, 0, WAIT_MS, 1000, err, sizeof err ) );
  assert_non_null( strstr( err, "404" ) );
  assert_int_equal( f->closes, 0 );
  dmgn_wsc_t * wsc = dmgn_wsc_open( url( f, "ws", "/ws" ), NULL, 0, WAIT_MS, 1<<20, err, sizeof err );
  assert_non_null( wsc );
  int is_text;
  uint8_t const * bytes;
  size_t sz;
  for( int i = 0; i<100; i++ ) {
    assert_int_equal( dmgn_wsc_send( wsc, i%2, (uint8_t const *)"hello", 5, WAIT_MS ), DMGN_HTTP_OK );
    assert_int_equal( dmgn_wsc_recv( wsc, WAIT_MS, &is_text, &bytes, &sz ), DMGN_HTTP_OK );
    assert_int_equal( is_text, i%2 );
    assert_int_equal( sz, 5 );
    assert_memory_equal( bytes, "hello", 5 );
  }
  assert_int_equal( dmgn_wsc_recv( wsc, 20, &is_text, &bytes, &sz ), DMGN_HTTP_TIMEOUT );
  assert_int_equal( dmgn_wsc_send( wsc, 1, (uint8_t const *)"\xff", 1, WAIT_MS ), DMGN_HTTP_INVALID );

  dmgn_http_stat_t stat;
  dmgn_http_stat( f->http, &stat );
  assert_int_equal( stat.websockets, 1 );
  assert_in_range( stat.conns, 1, 2 );

  /* Full, then room. */
  static uint8_t big[ 100000 ];
  int sent = 0, code;
  await_cnt( f, &f->opens, 1 );              /* orders the read of ws after its write */
  while( (code = dmgn_ws_send( f->http, f->ws, 0, big, sizeof big ))==DMGN_HTTP_OK ) assert_true( ++sent<10000 );
  assert_int_equal( code, DMGN_HTTP_FULL );
  for( int i = 0; i<sent; i++ ) assert_int_equal( dmgn_wsc_recv( wsc, WAIT_MS, &is_text, &bytes, &sz ), DMGN_HTTP_OK );
  await_cnt( f, &f->rooms, 1 );

  assert_int_equal( dmgn_ws_close( f->http, f->ws, 999, NULL ), DMGN_HTTP_INVALID );
  assert_int_equal( dmgn_ws_close( f->http, f->ws, 4001, "bye" ), DMGN_HTTP_OK );
  assert_int_equal( dmgn_wsc_recv( wsc, WAIT_MS, &is_text, &bytes, &sz ), DMGN_HTTP_GONE );
  await_cnt( f, &f->closes, 1 );
  assert_int_equal( f->code, 4001 );
  assert_int_equal( dmgn_ws_send( f->http, f->ws, 0, big, 1 ), DMGN_HTTP_GONE );
  assert_int_equal( dmgn_ws_done( f->http, f->ws, 1 ), DMGN_HTTP_GONE );
  dmgn_wsc_close( wsc, WAIT_MS );
  dmgn_wsc_close( NULL, 0 );
}

static void test_free_ends_websockets_with_1001( void ** state ) {
  fixture_t * f = *state;
  char err[ 200 ] = "";
  dmgn_wsc_t * wsc = dmgn_wsc_open( url( f, "ws", "/ws" ), NULL, 0, WAIT_MS, 1000, err, sizeof err );
  assert_non_null( wsc );
  await_cnt( f, &f->opens, 1 );
  /* The client answers the close only while it is called: close it from here while the server stops. */
  dmgn_http_drain( f->http );
  dmgn_wsc_close( wsc, WAIT_MS );
  dmgn_http_free( f->http );
  f->http = NULL;
  assert_int_equal( f->closes, 1 );
}

static void test_unix_socket_is_taken_over( void ** state ) {
  fixture_t * f = *state;
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  snprintf( addr.sun_path, sizeof addr.sun_path, "/tmp/dmgn-http-%d.sock", (int)getpid() );
  unlink( addr.sun_path );
  int fd = socket( AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0 );
  assert_int_equal( bind( fd, (struct sockaddr *)&addr, sizeof addr ), 0 );
  assert_int_equal( listen( fd, 16 ), 0 );
  dmgn_http_cfg_t cfg = config( f );
  cfg.addr = NULL;
  cfg.unix_fd = fd;
  cfg.threads = 1;
  char err[ 200 ] = "";
  dmgn_http_t * http = dmgn_http_start( &cfg, err, sizeof err );
  assert_non_null( http );
  assert_int_equal( dmgn_http_port( http ), 0 );
  char to[ 128 ];
  snprintf( to, sizeof to, "http+unix://%%2Ftmp%%2Fdmgn-http-%d.sock/u", (int)getpid() );
  dmgn_answer_t answer;
  assert_int_equal( dmgn_http_call( to, "GET", NULL, 0, NULL, 0, WAIT_MS, 1000, &answer, err, sizeof err ), DMGN_HTTP_OK );
  char const want[] = "GET|/u||||11|1|0|1";
  assert_int_equal( answer.body_sz, sizeof want-1 );
  assert_memory_equal( answer.body, want, answer.body_sz );
  dmgn_answer_free( &answer );
  dmgn_http_free( http );
  unlink( addr.sun_path );
}

int main( void ) {
#define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_start_says_why_it_cannot ),
    T( test_call_carries_all_parts ),
    T( test_call_errors_are_kinds ),
    T( test_reply_may_come_from_another_thread ),
    T( test_request_outlives_the_server ),
    T( test_websocket_both_ways ),
    T( test_free_ends_websockets_with_1001 ),
    T( test_unix_socket_is_taken_over ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
