/* http_client: one blocking HTTP request, for the command line.

   Bounds   the answer by what out may still take
   Failure  UNAVAILABLE nobody answers there, TIMEOUT, INVALID the URL, IO a broken or too long answer;
            out_why says what and where */
#ifndef DMG_RPC_HTTP_CLIENT_H
#define DMG_RPC_HTTP_CLIENT_H

#include "base/bytes.h"

/* POST of JSON.  *out_status is the HTTP status; the body is appended to out. */
DMG_MUST_USE dmg_err_t dmg_http_post_json( char const * url, dmg_span_t body, uint32_t timeout_ms, int * out_status, dmg_buf_t * out, char out_why[256] );
DMG_MUST_USE dmg_err_t dmg_http_get( char const * url, uint32_t timeout_ms, int * out_status, dmg_buf_t * out, char out_why[256] );

#endif
