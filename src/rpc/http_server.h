/* http_server: JSON-RPC over HTTP and WebSocket, health and metrics (F3).

     POST /rpc      JSON-RPC            GET /health  it serves      GET /metrics  Prometheus text
     GET  /ws       WebSocket           GET /ready   200, or 503 with reasons

     421  Host is neither loopback nor listed (DNS rebinding, F3.6)
     403  Origin is neither the page's own server nor listed: /rpc and /ws answer no foreign page.  A listed one gets
          CORS headers, never credentials
     429  the client has no unit left (F3.4): not read.  Every answer of /rpc says what it cost and, to who is counted, what is left
     404, 405, 415, 426  path, method, Content-Type, no upgrade; the rest native/include/dmgn_http.h refuses

   Memory    a WebSocket holds up to ws_out_max unsent bytes and one answer; while that answer waits its messages are not read
   Threads   callbacks run on native/http's workers, which read and answer; bodies with tx_submit go to a pool of their own
             (submit_pool.h), so that reads do not wait for signatures; start, drain and stop on one thread
   Failure   start: INVALID with out_why (address in use, not allowed), NOMEM
   Bounds    F3.5: 4,096 connections, 64 an address, body 1 MiB, WebSocket message 256 KiB; a connection that takes no byte
             for 30 s is cut (F5.6: nothing reaches it, so it sees no close code).  16 MiB and 4,096 bodies wait for the pool at
             most; one more is answered "overloaded" */
#ifndef DMG_RPC_HTTP_SERVER_H
#define DMG_RPC_HTTP_SERVER_H

#include "rpc/jsonrpc.h"

typedef struct {
  char const *   address;                 /* "127.0.0.1" */
  uint16_t       port;                    /* 0: any */
  uint32_t       threads;                 /* HTTP workers; 0: as many as cores */
  char const * const * hosts;             /* further names that Host may carry, without port; ends with NULL; may be NULL */
  dmg_rpc_t *    rpc;
  void *         ctx;
  /* false: not ready, a JSON array of reasons is in out_reasons. */
  bool         (*is_ready)( void * ctx, dmg_buf_t * out_reasons );
  dmg_err_t    (*metrics) ( void * ctx, dmg_buf_t * out );   /* appends Prometheus text */
  char const * const * origins;           /* "https://hub.example" as browsers send it, or "*"; ends with NULL; may be NULL: none */
  bool           is_behind_proxy;         /* loopback is not the operator but a proxy: it is counted (F3.4) */
  uint32_t       submit_threads;          /* that check submitted transactions; 0: as many as cores */
  uint32_t       submit_waiting_max;      /* bodies; 0: 4,096 */
  uint32_t       ws_out_max;              /* 0: 16 MiB; smaller than DMG_RPC_ANSWER_MAX closes a socket that asks for more */
} dmg_http_server_cfg_t;

typedef struct dmg_http_server dmg_http_server_t;

/* cfg is copied, what it points to is borrowed until stop. */
DMG_MUST_USE dmg_err_t dmg_http_server_start( dmg_http_server_cfg_t const * cfg, dmg_http_server_t ** out_server, char out_why[256] );
uint16_t dmg_http_server_port( dmg_http_server_t const * server );
/* F3.8: /ready is 503, streams get sub_stop, WebSockets close by 1001, no new connections.  Calls in flight finish. */
void dmg_http_server_drain( dmg_http_server_t * server );
/* Drains, waits for WebSockets (2 s) and calls in flight (10 s), joins the threads.  NULL: nothing. */
void dmg_http_server_stop( dmg_http_server_t * server );

#endif
