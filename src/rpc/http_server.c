#include "rpc/http_server.h"
#include "base/assert.h"
#include "base/os.h"
#include "rpc/submit_pool.h"

#include "dmgn_http.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { WS_OUT_MAX = 16<<20, SEND_MS = 30000, DRAIN_STEP_NS = 2000000, DRAIN_STEPS = 1000, SOCK_BUCKET_CNT = 1024 };

/* F3.5: what waits for the submit pool; half a second of work. */
enum { SUBMIT_QUEUE_SZ_MAX = 16<<20, SUBMIT_QUEUE_CNT_MAX = 4096 };

/* An open WebSocket.  is_busy: a message of it is with the submit pool; what happens to it meanwhile is noted, and done after. */
typedef struct sock { struct sock * next; uint64_t ws; dmg_cost_who_t who; dmg_buf_t held; bool is_busy, is_gone, has_room; } sock_t;   /* held: an answer that found it full; p NULL: none */

/* A body with the submit pool: of a request, or of a WebSocket (req NULL), then its bytes follow. */
typedef struct { dmg_submit_job_t job; dmgn_req_t * req; dmgn_http_span_t cors; } slow_t;

struct dmg_http_server {
  dmg_http_server_cfg_t  cfg;
  dmgn_http_t * _Atomic  http;
  dmg_submit_pool_t *    pool;
  pthread_mutex_t        lock;        /* of socks; and held around start, see wait_for_start */
  sock_t *               socks[ SOCK_BUCKET_CNT ];   /* by ws */
  uint32_t               sock_cnt;
  atomic_uint            held_cnt;
  atomic_bool            is_draining;
};

/* --- Requests --- */

static bool is( dmgn_http_span_t s, char const * text )       { return s.ptr && s.sz==strlen( text ) && !memcmp( s.ptr, text, s.sz ); }
static bool is_any_case( dmgn_http_span_t s, char const * text ) { return s.ptr && s.sz==strlen( text ) && !strncasecmp( s.ptr, text, s.sz ); }

static dmgn_http_hdr_t hdr( char const * name, char const * value ) { return (dmgn_http_hdr_t){ { name, strlen( name ) }, { value, strlen( value ) } }; }

/* Headers of one answer: F3.4's. */
typedef struct { char cost[ 16 ], policy[ 48 ], left[ 64 ], retry[ 16 ]; dmgn_http_hdr_t hdr[ 4 ]; size_t cnt; } bill_hdrs_t;

static void bill_hdrs( dmg_http_server_t const * s, dmg_rpc_bill_t const * bill, bill_hdrs_t * out ) {
  dmg_cost_cfg_t const * cfg = dmg_rpc_cost_cfg( s->cfg.rpc );
  out->cnt = 0;
  char * end = out->cost+sizeof out->cost, * cost = dmg_digits( bill->units, end );
  out->hdr[ out->cnt++ ] = (dmgn_http_hdr_t){ { "demiurge-cost", 13 }, { cost, (size_t)( end-cost ) } };
  if( bill->is_counted ) {
    /* q units in any w seconds; r are left, and in t seconds all are there again. */
    snprintf( out->policy, sizeof out->policy, "\"anonymous\";q=%u;w=%u", cfg->burst, ( cfg->burst+cfg->rate-1 )/cfg->rate );
    snprintf( out->left, sizeof out->left, "\"anonymous\";r=%u;t=%u", bill->left.left, bill->left.full_s );
    out->hdr[ out->cnt++ ] = hdr( "ratelimit-policy", out->policy );
    out->hdr[ out->cnt++ ] = hdr( "ratelimit", out->left );
  }
  if( bill->retry_ms ) {
    snprintf( out->retry, sizeof out->retry, "%u", ( bill->retry_ms-1 )/1000+1 );
    out->hdr[ out->cnt++ ] = hdr( "retry-after", out->retry );
  }
}

/* type NULL: no body.  more: headers of this answer's own, at most 4. */
static void reply_with( dmgn_req_t * req, int status, char const * type, dmg_span_t body, dmgn_http_hdr_t const * more, size_t more_cnt, dmgn_http_span_t cors ) {
  dmgn_http_hdr_t hdrs[ 10 ] = { hdr( "cache-control", "no-store" ), hdr( "x-content-type-options", "nosniff" ) };
  size_t n = 2;
  if( type ) hdrs[ n++ ] = hdr( "content-type", type );
  for( size_t i = 0; i<more_cnt; i++ ) hdrs[ n++ ] = more[ i ];
  if( cors.sz ) {
    hdrs[ n++ ] = hdr( "vary", "origin" );
    hdrs[ n++ ] = (dmgn_http_hdr_t){ { "access-control-allow-origin", 27 }, cors };
    hdrs[ n++ ] = hdr( "access-control-expose-headers", "demiurge-cost, ratelimit, ratelimit-policy, retry-after" );
  }
  /* The peer may be gone: nobody is left to tell. */
  (void)dmgn_http_reply( req, status, hdrs, n, body.p, body.sz );
}

static void reply( dmgn_req_t * req, int status, char const * type, dmg_span_t body, dmgn_http_hdr_t more, dmgn_http_span_t cors ) { reply_with( req, status, type, body, &more, more.name.sz ? 1 : 0, cors ); }

static void reply_json( dmgn_req_t * req, int status, dmg_span_t body ) { reply( req, status, "application/json", body, (dmgn_http_hdr_t){ 0 }, (dmgn_http_span_t){ 0 } ); }

/* RFC 9457: {type, title, status, detail, name}. */
static void problem( dmgn_req_t * req, int status, char const * name, char const * detail, dmgn_http_hdr_t more, dmgn_http_span_t cors ) {
  char text[ 512 ];
  int n = snprintf( text, sizeof text, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\",\"name\":\"%s\"}\n", name, status, detail, name );
  DMG_ASSERT( n>0 && (size_t)n<sizeof text );
  reply( req, status, "application/problem+json", dmg_span( text, (size_t)n ), more, cors );
}

static void refuse( dmgn_req_t * req, int status, char const * name, char const * detail ) { problem( req, status, name, detail, (dmgn_http_hdr_t){ 0 }, (dmgn_http_span_t){ 0 } ); }
static void refuse_method( dmgn_req_t * req, char const * allow, char const * detail ) { problem( req, 405, "MethodNotAllowed", detail, hdr( "allow", allow ), (dmgn_http_span_t){ 0 } ); }

/* Host is name [":" digits]; [::1] keeps its brackets.  Anything else: absent. */
static dmgn_http_span_t host_name( dmgn_http_span_t host ) {
  if( !host.ptr ) return host;
  size_t n = 0;
  if( host.sz && host.ptr[ 0 ]=='[' ) {
    while( n<host.sz && host.ptr[ n ]!=']' ) n++;
    n = n<host.sz ? n+1 : n;
  } else while( n<host.sz && host.ptr[ n ]!=':' ) n++;
  if( n<host.sz && host.ptr[ n ]!=':' ) return (dmgn_http_span_t){ 0 };
  for( size_t i = n+1; i<host.sz; i++ ) if( host.ptr[ i ]<'0' || host.ptr[ i ]>'9' ) return (dmgn_http_span_t){ 0 };
  return (dmgn_http_span_t){ host.ptr, n };
}

static bool host_is_ours( dmg_http_server_t const * s, dmgn_req_t const * req ) {
  if( dmgn_req_is_unix( req ) ) return true;
  dmgn_http_span_t name = host_name( dmgn_req_host( req ) );
  if( is_any_case( name, "localhost" ) || is( name, "[::1]" ) ) return true;
  if( name.ptr && name.sz>=8 && !memcmp( name.ptr, "127.", 4 ) ) {
    /* Digits and dots are no name that a DNS server could answer for. */
    bool is_number = true;
    for( size_t i = 0; i<name.sz && is_number; i++ ) is_number = name.ptr[ i ]=='.' || ( name.ptr[ i ]>='0' && name.ptr[ i ]<='9' );
    if( is_number ) return true;
  }
  for( char const * const * h = s->cfg.hosts; h && *h; h++ ) if( is_any_case( name, *h ) ) return true;
  return false;
}

typedef enum { ORIGIN_OWN, ORIGIN_LISTED, ORIGIN_FOREIGN } origin_t;

/* F3.6: browsers send Origin with every request of a page elsewhere; a program sends none. */
static origin_t origin_of( dmg_http_server_t const * s, dmgn_req_t const * req, dmgn_http_span_t * out_origin ) {
  static char const * const scheme[] = { "http://", "https://" };
  dmgn_http_span_t origin = dmgn_req_header( req, "origin", 6 ), host = dmgn_req_host( req );
  *out_origin = origin;
  if( !origin.ptr ) return ORIGIN_OWN;
  for( size_t i = 0; i<2; i++ ) {
    size_t n = strlen( scheme[ i ] );
    if( host.sz && origin.sz==n+host.sz && !memcmp( origin.ptr, scheme[ i ], n ) && !strncasecmp( origin.ptr+n, host.ptr, host.sz ) ) return ORIGIN_OWN;
  }
  for( char const * const * o = s->cfg.origins; o && *o; o++ ) if( !strcmp( *o, "*" ) || is( origin, *o ) ) return ORIGIN_LISTED;
  return ORIGIN_FOREIGN;
}

static dmg_cost_who_t who_of( dmg_http_server_t const * s, dmgn_req_t const * req ) {
  uint8_t addr[ 16 ];
  uint16_t port;
  dmgn_req_peer( req, addr, &port );
  return dmg_cost_who( addr, dmgn_req_is_unix( req ), s->cfg.is_behind_proxy );
}

static bool type_is_json( dmgn_req_t const * req ) {
  dmgn_http_span_t type = dmgn_req_header( req, "content-type", 12 );
  static char const want[] = "application/json";
  size_t n = sizeof want-1;
  return type.ptr && type.sz>=n && !strncasecmp( type.ptr, want, n ) && ( type.sz==n || type.ptr[ n ]==';' || type.ptr[ n ]==' ' );
}

/* F4.1: 200 whenever a JSON-RPC body answers, 204 when only notifications came. */
static void reply_rpc( dmg_http_server_t * s, dmgn_req_t * req, dmg_rpc_request_t * r, dmgn_http_span_t cors ) {
  bill_hdrs_t more;
  bill_hdrs( s, &r->bill, &more );
  reply_with( req, r->out.sz ? 200 : 204, r->out.sz ? "application/json" : NULL, dmg_buf_span( &r->out ), more.hdr, more.cnt, cors );
  dmg_buf_fini( &r->out );
}

/* On the worker itself. */
static void handle( dmg_http_server_t * s, dmg_rpc_request_t * r ) {
  if( r->is_overload ) dmg_rpc_handle_many( s->cfg.rpc, r, 1 );
  else                 (void)dmg_rpc_handle( s->cfg.rpc, r->body, &r->from, &r->out, &r->bill );
}

/* F4.1: 429 or 503, as the request was not read. */
static void refuse_unread( dmg_http_server_t const * s, dmgn_req_t * req, dmg_cost_verdict_t verdict, dmg_rpc_bill_t const * bill, dmgn_http_span_t cors ) {
  dmg_cost_cfg_t const * cfg = dmg_rpc_cost_cfg( s->cfg.rpc );
  char text[ 320 ];
  bill_hdrs_t more;
  int status = verdict==DMG_COST_OF_ALL ? 503 : 429;
  int n = status==503 ? snprintf( text, sizeof text, "{\"type\":\"about:blank\",\"title\":\"Unavailable\",\"status\":503,\"detail\":\"all clients together ask for more than this node serves\",\"name\":\"Unavailable\","
                                  "\"reason\":\"overloaded\",\"retryAfterMs\":%u}\n", bill->retry_ms )
                      : snprintf( text, sizeof text, "{\"type\":\"about:blank\",\"title\":\"LimitExceeded\",\"status\":429,\"detail\":\"%u units a second, up to %u; rpc_limits tells prices\",\"name\":\"LimitExceeded\","
                                  "\"limit\":%u,\"cost\":1,\"retryAfterMs\":%u}\n", cfg->rate, cfg->burst, cfg->burst, bill->retry_ms );
  DMG_ASSERT( n>0 && (size_t)n<sizeof text );
  bill_hdrs( s, bill, &more );
  reply_with( req, status, "application/problem+json", dmg_span( text, (size_t)n ), more.hdr, more.cnt, cors );
}

static void on_rpc( dmg_http_server_t * s, dmgn_req_t * req ) {
  dmgn_http_span_t origin, cors = { 0 };
  origin_t kind = origin_of( s, req, &origin );
  if( kind==ORIGIN_FOREIGN ) { refuse( req, 403, "ForeignOrigin", "pages of this origin may not use this node, only those of its own host; a proxy of yours can let others" ); return; }
  if( kind==ORIGIN_LISTED ) cors = origin;
  dmgn_http_span_t method = dmgn_req_method( req );
  if( is( method, "OPTIONS" ) && kind==ORIGIN_LISTED ) {
    dmgn_http_hdr_t hdrs[] = { hdr( "access-control-allow-methods", "POST" ), hdr( "access-control-allow-headers", "content-type" ), hdr( "access-control-max-age", "600" ),
                               hdr( "vary", "origin" ), { { "access-control-allow-origin", 27 }, cors } };
    (void)dmgn_http_reply( req, 204, hdrs, sizeof hdrs/sizeof *hdrs, NULL, 0 );
    return;
  }
  if( !is( method, "POST" ) ) { refuse_method( req, "POST", "JSON-RPC is POST with Content-Type: application/json" ); return; }
  if( !type_is_json( req ) )  { problem( req, 415, "UnsupportedMediaType", "Content-Type must be application/json", (dmgn_http_hdr_t){ 0 }, cors ); return; }
  dmg_rpc_from_t from = { .who = who_of( s, req ) };
  dmg_rpc_bill_t bill;
  dmg_cost_verdict_t verdict = dmg_rpc_admit( s->cfg.rpc, &from, &bill );
  if( verdict ) { refuse_unread( s, req, verdict, &bill, cors ); return; }
  dmgn_http_span_t body = dmgn_req_body( req );
  dmg_rpc_request_t r = { .body = dmg_span( body.ptr, body.sz ), .from = from, .bill = bill, .out = dmg_buf( DMG_RPC_ANSWER_MAX ) };
  if( dmg_rpc_is_slow( r.body ) ) {
    slow_t * slow = malloc( sizeof *slow );
    if( slow ) *slow = (slow_t){ .job = { .req = r }, .req = req, .cors = cors };
    if( slow && !dmg_submit_pool_add( s->pool, &slow->job ) ) return;
    free( slow );
    r.is_overload = true;
  }
  handle( s, &r );
  reply_rpc( s, req, &r, cors );
}

static void on_ready( dmg_http_server_t * s, dmgn_req_t * req ) {
  dmg_buf_t out = dmg_buf( 1<<16 );
  if( atomic_load( &s->is_draining ) )              reply_json( req, 503, DMG_SPAN_STR( "[\"draining\"]\n" ) );
  else if( s->cfg.is_ready( s->cfg.ctx, &out ) )    reply_json( req, 200, DMG_SPAN_STR( "{\"ready\":true}\n" ) );
  else                                              reply_json( req, 503, dmg_buf_span( &out ) );
  dmg_buf_fini( &out );
}

static void on_metrics( dmg_http_server_t * s, dmgn_req_t * req ) {
  dmg_buf_t out = dmg_buf( 1<<20 );
  dmgn_http_stat_t stat;
  dmgn_http_stat( s->http, &stat );
  dmg_err_t err = dmg_buf_printf( &out, "# TYPE demiurge_http_connections gauge\ndemiurge_http_connections %u\n# TYPE demiurge_http_websockets gauge\ndemiurge_http_websockets %u\n"
                                  "# TYPE demiurge_http_requests_total counter\ndemiurge_http_requests_total %lu\n# TYPE demiurge_http_refused_total counter\n"
                                  "demiurge_http_refused_total{what=\"connection\"} %lu\ndemiurge_http_refused_total{what=\"request\"} %lu\n",
                                  stat.conns, stat.websockets, (unsigned long)stat.requests, (unsigned long)stat.refused_conns, (unsigned long)stat.refused_requests );
  dmg_submit_pool_stats_t pool;
  dmg_submit_pool_stats( s->pool, &pool );
  if( !err ) err = dmg_buf_printf( &out, "# TYPE demiurge_rpc_submit_waiting gauge\ndemiurge_rpc_submit_waiting %u\n# TYPE demiurge_rpc_submit_total counter\n"
                                   "demiurge_rpc_submit_total{what=\"taken\"} %lu\ndemiurge_rpc_submit_total{what=\"joined\"} %lu\ndemiurge_rpc_submit_total{what=\"refused\"} %lu\n",
                                   pool.waiting_cnt, (unsigned long)pool.taken, (unsigned long)pool.joined, (unsigned long)pool.refused );
  if( !err ) err = dmg_rpc_metrics( s->cfg.rpc, &out );
  if( !err ) err = s->cfg.metrics( s->cfg.ctx, &out );
  if( err ) refuse( req, 503, "Unavailable", "out of memory, try again later" );
  else      reply( req, 200, "text/plain; version=0.0.4; charset=utf-8", dmg_buf_span( &out ), (dmgn_http_hdr_t){ 0 }, (dmgn_http_span_t){ 0 } );
  dmg_buf_fini( &out );
}

/* Callbacks may come before dmgn_http_start has returned; start holds the lock meanwhile.  What comes after a first wait on
   the same WebSocket, and what the node says to it, sees s->http. */
static void wait_for_start( dmg_http_server_t * s ) {
  pthread_mutex_lock( &s->lock );
  pthread_mutex_unlock( &s->lock );
}

static void on_request( void * user, dmgn_req_t * req ) {
  dmg_http_server_t * s = user;
  dmgn_http_span_t path = dmgn_req_path( req );
  if( !host_is_ours( s, req ) ) { refuse( req, 421, "MisdirectedRequest", "Host must be a loopback name or address" ); return; }
  if( is( path, "/rpc" ) )      { on_rpc( s, req ); return; }
  if( is( path, "/ws" ) )       { refuse( req, 426, "UpgradeRequired", "/ws speaks WebSocket only" ); return; }
  bool is_health = is( path, "/health" ), is_ready = is( path, "/ready" ), is_metrics = is( path, "/metrics" );
  if( !is_health && !is_ready && !is_metrics )   refuse( req, 404, "NotFound", "there are /rpc /ws /health /ready /metrics" );
  else if( !is( dmgn_req_method( req ), "GET" ) ) refuse_method( req, "GET", "only GET here" );
  else if( is_health )                           reply_json( req, 200, DMG_SPAN_STR( "{\"ok\":true}\n" ) );
  else if( is_ready )                            on_ready( s, req );
  else { wait_for_start( s ); on_metrics( s, req ); }
}

/* --- WebSockets --- */

static int on_ws_open( void * user, uint64_t ws, dmgn_req_t * req ) {
  dmg_http_server_t * s = user;
  dmgn_http_span_t origin;
  wait_for_start( s );
  if( !host_is_ours( s, req ) )                         return 421;
  if( !is( dmgn_req_path( req ), "/ws" ) )              return 404;
  if( origin_of( s, req, &origin )==ORIGIN_FOREIGN )    return 403;
  if( atomic_load( &s->is_draining ) )                  return 503;
  sock_t * sock = calloc( 1, sizeof *sock );
  if( !sock ) return 503;
  sock->ws  = ws;
  sock->who = who_of( s, req );
  pthread_mutex_lock( &s->lock );
  sock_t ** at = &s->socks[ ws%SOCK_BUCKET_CNT ];
  sock->next = *at;
  *at        = sock;
  s->sock_cnt++;
  pthread_mutex_unlock( &s->lock );
  return 0;
}

static int ws_send( void * ctx, uint64_t ws, dmg_span_t text ) {
  int rc = dmgn_ws_send( ( (dmg_http_server_t *)ctx )->http, ws, 1, text.p, text.sz );
  return rc==DMGN_HTTP_OK ? 0 : rc==DMGN_HTTP_FULL ? 1 : -1;
}

static void ws_close( dmg_http_server_t * s, uint64_t ws, int code, char const * reason ) { (void)dmgn_ws_close( s->http, ws, code, reason ); }

/* Under the lock; NULL at the end: not open. */
static sock_t ** sock_at( dmg_http_server_t * s, uint64_t ws ) {
  sock_t ** at = &s->socks[ ws%SOCK_BUCKET_CNT ];
  while( *at && ( *at )->ws!=ws ) at = &( *at )->next;
  return at;
}

/* Swaps a socket's held answer with *answer: puts one away, or takes it back into an empty buffer. */
static void swap_held( dmg_http_server_t * s, uint64_t ws, dmg_buf_t * answer ) {
  pthread_mutex_lock( &s->lock );
  sock_t * sock = *sock_at( s, ws );
  DMG_ASSERT( sock && !sock->held.p!=!answer->p );
  if( answer->p ) atomic_fetch_add( &s->held_cnt, 1 );
  else            atomic_fetch_sub( &s->held_cnt, 1 );
  dmg_buf_t was = sock->held;
  sock->held = *answer;
  *answer    = was;
  pthread_mutex_unlock( &s->lock );
}

static bool has_held( dmg_http_server_t * s, uint64_t ws ) {
  if( !atomic_load( &s->held_cnt ) ) return false;
  pthread_mutex_lock( &s->lock );
  sock_t * sock = *sock_at( s, ws );
  bool is_held = sock && sock->held.p;
  pthread_mutex_unlock( &s->lock );
  return is_held;
}

/* true: sent, and what the socket's streams have to tell after it.  false: the socket is full.  An answer, unlike a stream,
   cannot be looked up again later: it is kept, and the socket is not read until it has gone (ws_calls_max is 1). */
static bool answer( dmg_http_server_t * s, uint64_t ws, dmg_buf_t * text ) {
  int rc = dmgn_ws_send( s->http, ws, 1, text->p, text->sz );
  if( rc==DMGN_HTTP_FULL ) { swap_held( s, ws, text ); return false; }
  if( rc==DMGN_HTTP_INVALID ) ws_close( s, ws, 1009, "the answer passes the limit of this server" );
  dmg_rpc_ws_room( s->cfg.rpc, ws );
  return true;
}

static void room( dmg_http_server_t * s, uint64_t ws ) {
  if( !has_held( s, ws ) ) { dmg_rpc_ws_room( s->cfg.rpc, ws ); return; }
  dmg_buf_t text = { 0 };
  swap_held( s, ws, &text );
  if( answer( s, ws, &text ) ) (void)dmgn_ws_done( s->http, ws, 1 );
  dmg_buf_fini( &text );
}

/* Under the lock, which is given back: the socket's last. */
static void gone( dmg_http_server_t * s, sock_t ** at ) {
  sock_t * sock = *at;
  *at = sock->next;
  s->sock_cnt--;
  if( sock->held.p ) atomic_fetch_sub( &s->held_cnt, 1 );
  pthread_mutex_unlock( &s->lock );
  dmg_buf_fini( &sock->held );
  dmg_rpc_ws_gone( s->cfg.rpc, sock->ws );
  free( sock );
}

static void set_busy( dmg_http_server_t * s, uint64_t ws, bool is_busy ) {
  pthread_mutex_lock( &s->lock );
  ( *sock_at( s, ws ) )->is_busy = is_busy;
  pthread_mutex_unlock( &s->lock );
}

/* What rpc wants one after the other for one socket (jsonrpc.h) came while the pool had it. */
static void end_busy( dmg_http_server_t * s, uint64_t ws ) {
  for(;;) {
    pthread_mutex_lock( &s->lock );
    sock_t ** at = sock_at( s, ws ), * sock = *at;
    if( sock->is_gone ) { gone( s, at ); return; }
    bool has_room = sock->has_room;
    sock->has_room = false;
    sock->is_busy  = has_room;
    pthread_mutex_unlock( &s->lock );
    if( !has_room ) return;
    room( s, ws );
  }
}

/* The answer, and what the socket's streams have to tell; false: it waits for room. */
static bool finish_ws( dmg_http_server_t * s, uint64_t ws, dmg_buf_t * out ) {
  bool is_done = true;
  if( out->sz ) is_done = answer( s, ws, out );
  else dmg_rpc_ws_room( s->cfg.rpc, ws );
  dmg_buf_fini( out );
  return is_done;
}

static void on_slow_done( void * ctx, dmg_submit_job_t * job ) {
  dmg_http_server_t * s = ctx;
  slow_t * slow = (slow_t *)(void *)job;
  if( slow->req ) reply_rpc( s, slow->req, &job->req, slow->cors );
  else {
    if( finish_ws( s, job->req.from.ws, &job->req.out ) ) (void)dmgn_ws_done( s->http, job->req.from.ws, 1 );
    end_busy( s, job->req.from.ws );
  }
  free( slow );
}

static int on_ws_msg( void * user, uint64_t ws, int is_text, uint8_t const * bytes, size_t bytes_sz ) {
  dmg_http_server_t * s = user;
  if( !is_text ) { ws_close( s, ws, 1003, "JSON-RPC is text" ); return 0; }
  dmg_rpc_request_t r = { .body = dmg_span( bytes, bytes_sz ), .from = { .ws = ws }, .out = dmg_buf( DMG_RPC_ANSWER_MAX ) };
  pthread_mutex_lock( &s->lock );
  sock_t * sock = *sock_at( s, ws );
  DMG_ASSERT( sock );
  r.from.who = sock->who;
  pthread_mutex_unlock( &s->lock );
  /* Read in any case, so that each call gets its refusal under its id; who goes on into debt as deep as it gets is cut off (F5.6). */
  (void)dmg_rpc_admit( s->cfg.rpc, &r.from, &r.bill );
  if( r.bill.is_counted && r.bill.left.is_spent ) { ws_close( s, ws, 4429, "limit" ); return 0; }
  if( dmg_rpc_is_slow( r.body ) ) {
    slow_t * slow = malloc( sizeof *slow+bytes_sz );
    if( slow ) {
      memcpy( slow+1, bytes, bytes_sz );
      *slow = (slow_t){ .job = { .req = r } };
      slow->job.req.body = dmg_span( (uint8_t *)( slow+1 ), bytes_sz );
      set_busy( s, ws, true );
      if( !dmg_submit_pool_add( s->pool, &slow->job ) ) return 1;   /* held until dmgn_ws_done */
      set_busy( s, ws, false );
    }
    free( slow );
    r.is_overload = true;
  }
  handle( s, &r );
  return finish_ws( s, ws, &r.out ) ? 0 : 1;
}

static void on_ws_room( void * user, uint64_t ws ) {
  dmg_http_server_t * s = user;
  pthread_mutex_lock( &s->lock );
  sock_t * sock = *sock_at( s, ws );
  bool is_busy = sock && sock->is_busy;
  if( is_busy ) sock->has_room = true;
  pthread_mutex_unlock( &s->lock );
  if( !is_busy ) room( s, ws );
}

static void on_ws_close( void * user, uint64_t ws, int code ) {
  dmg_http_server_t * s = user;
  pthread_mutex_lock( &s->lock );
  sock_t ** at = sock_at( s, ws );
  DMG_ASSERT( *at );
  if( !( *at )->is_busy ) { gone( s, at ); return; }
  ( *at )->is_gone = true;
  pthread_mutex_unlock( &s->lock );
}

/* --- Start and stop --- */

dmg_err_t dmg_http_server_start( dmg_http_server_cfg_t const * cfg, dmg_http_server_t ** out_server, char out_why[256] ) {
  dmg_http_server_t * s = calloc( 1, sizeof *s );
  if( !s ) { snprintf( out_why, 256, "out of memory" ); return DMG_ERR_NOMEM; }
  s->cfg = *cfg;
  uint32_t cores = dmg_os_core_cnt();
  dmg_submit_pool_cfg_t pool = { .threads = cfg->submit_threads ? cfg->submit_threads : cores, .queue_sz_max = SUBMIT_QUEUE_SZ_MAX, .queue_cnt_max = cfg->submit_waiting_max ? cfg->submit_waiting_max : SUBMIT_QUEUE_CNT_MAX,
                                 .rpc = cfg->rpc, .ctx = s, .done = on_slow_done };
  s->pool = dmg_submit_pool_new( &pool );
  if( !s->pool ) { free( s ); snprintf( out_why, 256, "out of memory or threads" ); return DMG_ERR_NOMEM; }
  dmgn_http_cfg_t native = {
    .addr = cfg->address, .port = cfg->port, .unix_fd = -1, .threads = cfg->threads ? cfg->threads : cores, .thread_name = "dmg-rpc-",
    .thread_stack_bytes = 8u<<20,   /* queries run WASM on these threads (runtime/vm.h) */
    .send_ms = SEND_MS, .ws_out_bytes_max = cfg->ws_out_max ? cfg->ws_out_max : WS_OUT_MAX, .ws_calls_max = 1, .ws_protocol = "demiurge.v1", .user = s,
    .on_request = on_request, .on_ws_open = on_ws_open, .on_ws_msg = on_ws_msg, .on_ws_room = on_ws_room, .on_ws_close = on_ws_close };
  pthread_mutex_init( &s->lock, NULL );
  pthread_mutex_lock( &s->lock );
  s->http = dmgn_http_start( &native, out_why, 256 );
  if( s->http ) dmg_rpc_ws_set( cfg->rpc, &(dmg_rpc_ws_t){ .ctx = s, .send = ws_send } );
  pthread_mutex_unlock( &s->lock );
  if( !s->http ) {
    dmg_submit_pool_stop( s->pool );
    dmg_submit_pool_free( s->pool );
    pthread_mutex_destroy( &s->lock );
    free( s );
    return DMG_ERR_INVALID;
  }
  *out_server = s;
  return DMG_OK;
}

uint16_t dmg_http_server_port( dmg_http_server_t const * server ) { return dmgn_http_port( server->http ); }

void dmg_http_server_drain( dmg_http_server_t * server ) {
  if( atomic_exchange( &server->is_draining, true ) ) return;
  dmgn_http_drain( server->http );
  dmg_rpc_drain( server->cfg.rpc );
  pthread_mutex_lock( &server->lock );
  for( size_t i = 0; i<SOCK_BUCKET_CNT; i++ ) for( sock_t * sock = server->socks[ i ]; sock; sock = sock->next ) ws_close( server, sock->ws, 1001, "drain" );
  pthread_mutex_unlock( &server->lock );
}

void dmg_http_server_stop( dmg_http_server_t * server ) {
  if( !server ) return;
  dmgn_http_stat_t stat;
  dmg_http_server_drain( server );
  /* dmgn_http_free closes what is left at once: sub_stop, queued before, might not get out. */
  for( uint32_t i = 0; i<DRAIN_STEPS; i++ ) {
    dmgn_http_stat( server->http, &stat );
    if( !stat.websockets ) break;
    dmg_os_sleep_ns( DRAIN_STEP_NS );
  }
  /* Before the server goes, to which the pool's answers go; what comes in between is answered as overload. */
  dmg_submit_pool_stop( server->pool );
  dmgn_http_free( server->http );
  DMG_ASSERT( !server->sock_cnt && !server->held_cnt );
  dmg_submit_pool_free( server->pool );
  pthread_mutex_destroy( &server->lock );
  free( server );
}
