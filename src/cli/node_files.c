#include "cli/node_files.h"
#include "base/assert.h"
#include "base/os.h"
#include "crypto/kdf.h"
#include "node/signer.h"
#include "rpc/http_client.h"

#include <stdio.h>
#include <stdlib.h>

dmg_err_t dmg_node_key_put( char const * dir, char const * name, uint8_t const secret[ 32 ] ) {
  char path[ DMG_NODE_PATH_SZ ], hex[ 66 ];
  snprintf( path, sizeof path, "%.2000s/%s", dir, name );
  dmg_hex_encode( secret, 32, hex );
  hex[ 64 ] = '\n';
  dmg_err_t err = dmg_os_file_replace( path, dmg_span( hex, 65 ), 0600 );
  dmg_wipe( hex, sizeof hex );
  return err;
}

dmg_err_t dmg_node_key_get( char const * dir, char const * name, uint8_t out[ 32 ] ) {
  char path[ DMG_NODE_PATH_SZ ];
  dmg_buf_t buf = { 0 };
  snprintf( path, sizeof path, "%.2000s/%s", dir, name );
  DMG_TRY( dmg_os_file_read( path, 128, &buf ) );
  dmg_err_t err = buf.sz>=64 && ( buf.sz==64 || ( buf.sz==65 && buf.p[ 64 ]=='\n' ) ) ? dmg_hex_decode( (char const *)buf.p, 64, out, 32 ) : DMG_ERR_INVALID;
  dmg_wipe( buf.p, buf.sz );
  dmg_buf_fini( &buf );
  return err;
}

void dmg_node_new_bls( uint8_t out[ 32 ] ) {
  uint8_t ikm[ 32 ];
  dmg_os_random( ikm, sizeof ikm );
  bool is_good = dmg_bls_keygen( DMG_SPAN( ikm ), out );
  DMG_ASSERT( is_good );
  dmg_wipe( ikm, sizeof ikm );
}

dmg_err_t dmg_node_safety_put( char const * dir, dmg_hash_t const * chain_id, uint8_t const secret[ 32 ], uint64_t from_ms ) {
  char path[ DMG_NODE_PATH_SZ ];
  snprintf( path, sizeof path, "%.2000s/safety.bin", dir );
  dmg_signer_cfg_t cfg = { .vfs = dmg_vfs_os(), .path = path, .chain_id = *chain_id, .is_durable = true };
  memcpy( cfg.secret, secret, 32 );
  dmg_signer_host( cfg.host );
  dmg_err_t err = dmg_signer_init( &cfg, from_ms );
  dmg_wipe( cfg.secret, sizeof cfg.secret );
  dmg_vfs_free( cfg.vfs );
  return err;
}

int dmg_node_files_fail( dmg_cli_t * cli, char const * dir, dmg_err_t err ) {
  char const * right = err==DMG_ERR_PERM ? "; this user must be able to read and write the folder, and its disk must not be mounted read-only" : err==DMG_ERR_FULL ? "; free some space there" : "";
  return dmg_cli_fail( cli, err==DMG_ERR_EXISTS || err==DMG_ERR_PERM ? DMG_EXIT_USAGE : DMG_EXIT_INTERNAL, "Storage", "%s: %s%s", dir, dmg_err_text( err ), right );
}

int dmg_node_genesis_get( dmg_cli_t * cli, char const * path, dmg_buf_t * out_bytes, dmg_genesis_t ** out ) {
  dmg_err_t err = dmg_os_file_read( path, DMG_GENESIS_SZ_MAX, out_bytes );
  if( err ) return dmg_cli_fail( cli, err==DMG_ERR_NOT_FOUND ? DMG_EXIT_NOT_FOUND : DMG_EXIT_USAGE, dmg_err_name( err ), "%s: %s", path, dmg_err_text( err ) );
  dmg_verdict_t v = dmg_genesis_decode( dmg_buf_span( out_bytes ), cli->arena, out );
  if( !v.kind ) v = dmg_genesis_check( *out );
  if( !v.kind ) return DMG_EXIT_OK;
  char text[ DMG_VERDICT_TEXT_MAX ];
  dmg_verdict_print( &v, text, sizeof text );
  dmg_buf_fini( out_bytes );
  return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s is no genesis: %s", path, text );
}

/* ---- its metrics ---- */

/* A number of a metrics page; false: it has none of that name. */
static bool metric_text( dmg_buf_t const * page, char const * name, char text[ 32 ] ) {
  size_t n = strlen( name );
  for( size_t at = 0; at+n+1<page->sz; ) {
    uint8_t const * line = page->p+at, * end = memchr( line, '\n', page->sz-at );
    size_t sz = end ? (size_t)( end-line ) : page->sz-at;
    if( sz>n && !memcmp( line, name, n ) && line[ n ]==' ' ) {
      snprintf( text, 32, "%.*s", (int)( sz-n-1<31 ? sz-n-1 : 31 ), (char const *)line+n+1 );
      return true;
    }
    at += sz+1;
  }
  return false;
}

static bool metric( dmg_buf_t const * page, char const * name, uint64_t * out ) {
  char text[ 32 ];
  if( !metric_text( page, name, text ) ) return false;
  *out = strtoull( text, NULL, 10 );
  return true;
}

static double metric_s( dmg_buf_t const * page, char const * name ) {
  char text[ 32 ];
  return metric_text( page, name, text ) ? strtod( text, NULL ) : 0;
}

dmg_err_t dmg_node_status_get( char const * rpc_url, uint32_t timeout_ms, dmg_node_status_t * out, char why[256] ) {
  char url[ 1100 ];
  int http;
  dmg_buf_t page = dmg_buf( 1<<20 );
  snprintf( url, sizeof url, "%.1000s", rpc_url );
  char * tail = strstr( url, "/rpc" );
  if( tail ) *tail = 0;
  snprintf( url+strlen( url ), sizeof url-strlen( url ), "/metrics" );
  dmg_err_t err = dmg_http_get( url, timeout_ms, &http, &page, why );
  if( !err && ( http!=200 || !metric( &page, "demiurge_net_links", &out->links ) || !metric( &page, "demiurge_chain_height{kind=\"final\"}", &out->height ) ) ) {
    snprintf( why, 256, "%.150s is not of a node among others; `demiurge status` asks any node", url );
    err = DMG_ERR_UNSUPPORTED;
  }
  if( !err && ( !metric( &page, "demiurge_net_connections", &out->conns ) || !metric( &page, "demiurge_consensus_view{kind=\"current\"}", &out->view ) || !metric( &page, "demiurge_consensus_epoch", &out->epoch ) ||
                !metric( &page, "demiurge_consensus_voting", &out->is_voting ) || !metric( &page, "demiurge_consensus_lag_windows", &out->lag ) ) ) err = DMG_ERR_UNSUPPORTED;
  out->final_s = err ? 0 : metric_s( &page, "demiurge_finality_seconds{quantile=\"0.5\"}" );
  out->time_s  = err ? 0 : metric_s( &page, "demiurge_chain_time_seconds{kind=\"final\"}" );
  out->rtt_s   = err ? 0 : metric_s( &page, "demiurge_net_rtt_seconds{quantile=\"0.5\"}" );
  dmg_buf_fini( &page );
  return err;
}

char const * dmg_node_ms_text( double s, unsigned digits, char out[ 24 ] ) {
  if( s>0 ) snprintf( out, 24, "%.*f ms", (int)digits, s*1000 );
  else      snprintf( out, 24, "-" );
  return out;
}
