#include "rpc/http_client.h"

#include "dmgn_http.h"

#include <stdio.h>

static dmg_err_t err_of( int rc ) {
  switch( rc ) {
  case DMGN_HTTP_OK:      return DMG_OK;
  case DMGN_HTTP_TIMEOUT: return DMG_ERR_TIMEOUT;
  case DMGN_HTTP_URL:     return DMG_ERR_INVALID;
  case DMGN_HTTP_PROTO:   return DMG_ERR_IO;
  default:                return DMG_ERR_UNAVAILABLE;
  }
}

static dmg_err_t call( char const * url, char const * method, dmg_span_t body, uint32_t timeout_ms, int * out_status, dmg_buf_t * out, char out_why[256] ) {
  dmgn_http_hdr_t hdrs[] = { { { "content-type", 12 }, { "application/json", 16 } } };
  dmgn_answer_t answer = { 0 };
  char err[ 200 ] = "";
  int rc = dmgn_http_call( url, method, hdrs, body.sz ? 1 : 0, body.p, body.sz, timeout_ms, out->max-out->sz, &answer, err, sizeof err );
  if( rc ) snprintf( out_why, 256, "%.60s: %.180s", url, err );
  if( rc ) return err_of( rc );
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

/* The native handle under a type of our own. */
static dmgn_wsc_t * of( dmg_ws_client_t * ws ) { return (dmgn_wsc_t *)ws; }

dmg_err_t dmg_ws_open( char const * url, uint32_t timeout_ms, dmg_ws_client_t ** out, char out_why[256] ) {
  dmgn_http_hdr_t hdrs[] = { { { "sec-websocket-protocol", 22 }, { "demiurge.v1", 11 } } };
  char err[ 200 ] = "";
  dmgn_wsc_t * ws = dmgn_wsc_open( url, hdrs, 1, timeout_ms, DMG_WS_MSG_MAX, err, sizeof err );
  if( !ws ) { snprintf( out_why, 256, "%.60s: %.180s", url, err ); return DMG_ERR_UNAVAILABLE; }
  *out = (dmg_ws_client_t *)ws;
  return DMG_OK;
}

dmg_err_t dmg_ws_send( dmg_ws_client_t * ws, dmg_span_t text, uint32_t timeout_ms ) { return err_of( dmgn_wsc_send( of( ws ), 1, text.p, text.sz, timeout_ms ) ); }

dmg_err_t dmg_ws_recv( dmg_ws_client_t * ws, uint32_t timeout_ms, dmg_span_t * out ) {
  int is_text;
  uint8_t const * p;
  size_t sz;
  dmg_err_t err = err_of( dmgn_wsc_recv( of( ws ), timeout_ms, &is_text, &p, &sz ) );
  if( err ) return err;
  if( !is_text ) return DMG_ERR_IO;
  *out = dmg_span( p, sz );
  return DMG_OK;
}

void dmg_ws_close( dmg_ws_client_t * ws ) { dmgn_wsc_close( of( ws ), 1000 ); }
