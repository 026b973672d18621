#include "rpc/http_client.h"

#include "dmgn_http.h"

#include <stdio.h>

static dmg_err_t call( char const * url, char const * method, dmg_span_t body, uint32_t timeout_ms, int * out_status, dmg_buf_t * out, char out_why[256] ) {
  dmgn_http_hdr_t hdrs[] = { { { "content-type", 12 }, { "application/json", 16 } } };
  dmgn_answer_t answer = { 0 };
  char err[ 200 ] = "";
  int rc = dmgn_http_call( url, method, hdrs, body.sz ? 1 : 0, body.p, body.sz, timeout_ms, out->max-out->sz, &answer, err, sizeof err );
  if( rc ) snprintf( out_why, 256, "%.60s: %.180s", url, err );
  switch( rc ) {
  case DMGN_HTTP_OK:      break;
  case DMGN_HTTP_TIMEOUT: return DMG_ERR_TIMEOUT;
  case DMGN_HTTP_URL:     return DMG_ERR_INVALID;
  case DMGN_HTTP_PROTO:   return DMG_ERR_IO;
  default:                return DMG_ERR_UNAVAILABLE;
  }
  *out_status = answer.status;
  dmg_err_t e = dmg_buf_append( out, answer.body, answer.body_sz );
  dmgn_answer_free( &answer );
  if( e ) snprintf( out_why, 256, "%.60s: the answer is too long", url );
  return e;
}

dmg_err_t dmg_http_post_json( char const * url, dmg_span_t body, uint32_t timeout_ms, int * out_status, dmg_buf_t * out, char out_why[256] ) {
  return call( url, "POST", body, timeout_ms, out_status, out, out_why );
}

dmg_err_t dmg_http_get( char const * url, uint32_t timeout_ms, int * out_status, dmg_buf_t * out, char out_why[256] ) {
  return call( url, "GET", dmg_span( NULL, 0 ), timeout_ms, out_status, out, out_why );
}
