/* http_client: one blocking HTTP request, and a blocking WebSocket, for the command line.

   Bounds   the answer by what out may still take; a message by DMG_WS_MSG_MAX
   Failure  UNAVAILABLE nobody answers there, or the connection is gone, TIMEOUT, INVALID the URL, IO a broken or too
            long answer; out_why says what and where */
#ifndef DMG_RPC_HTTP_CLIENT_H
#define DMG_RPC_HTTP_CLIENT_H

#include "base/bytes.h"

/* POST of JSON.  *out_status is the HTTP status; the body is appended to out. */
DMG_MUST_USE dmg_err_t dmg_http_post_json( char const * url, dmg_span_t body, uint32_t timeout_ms, int * out_status, dmg_buf_t * out, char out_why[256] );
DMG_MUST_USE dmg_err_t dmg_http_get( char const * url, uint32_t timeout_ms, int * out_status, dmg_buf_t * out, char out_why[256] );

/* A WebSocket of subprotocol demiurge.v1; texts only. */
enum { DMG_WS_MSG_MAX = 16<<20 };   /* an item may be 12 MiB (sub_log.c) */
typedef struct dmg_ws_client dmg_ws_client_t;
DMG_MUST_USE dmg_err_t dmg_ws_open( char const * url, uint32_t timeout_ms, dmg_ws_client_t ** out, char out_why[256] );
DMG_MUST_USE dmg_err_t dmg_ws_send( dmg_ws_client_t * ws, dmg_span_t text, uint32_t timeout_ms );
/* The next text, valid until the next call on ws; pings are answered meanwhile.  TIMEOUT: none yet. */
DMG_MUST_USE dmg_err_t dmg_ws_recv( dmg_ws_client_t * ws, uint32_t timeout_ms, dmg_span_t * out );
void dmg_ws_close( dmg_ws_client_t * ws );   /* NULL: nothing */

#endif
