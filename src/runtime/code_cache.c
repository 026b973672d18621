#include "runtime/code_cache.h"
#include "base/log.h"
#include "base/os.h"
#include "runtime/compile_child.h"
#include "runtime/wasm_instr.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_SZ = 40, PATH_SZ = 2600 };
static char const magic[ 9 ] = "DMGCODE1";

struct dmg_code_cache { dmg_code_cache_cfg_t cfg; char dir[ 2048 ]; };

dmg_err_t dmg_code_cache_open( dmg_code_cache_cfg_t const * cfg, dmg_code_cache_t ** out_cache ) {
  dmg_code_cache_t * cache = calloc( 1, sizeof *cache );
  if( !cache ) return DMG_ERR_NOMEM;
  cache->cfg = *cfg;
  if( cfg->dir ) {
    if( (size_t)snprintf( cache->dir, sizeof cache->dir, "%s", cfg->dir )>=sizeof cache->dir ) { free( cache ); return DMG_ERR_LIMIT; }
    dmg_err_t err = dmg_os_mkdirs( cache->dir );
    if( err ) { free( cache ); return err; }
  }
  *out_cache = cache;
  return DMG_OK;
}

void dmg_code_cache_close( dmg_code_cache_t * cache ) { free( cache ); }

static void path_of( dmg_code_cache_t const * cache, dmg_hash_t const * code_hash, uint32_t instr_version, char out[ PATH_SZ ] ) {
  uint8_t version[ 2 ];
  char hex[ 65 ];
  dmg_sha256_t sha;
  dmg_hash_t engine = dmg_vm_engine_key( cache->cfg.vm );
  dmg_store_u16le( version, (uint16_t)instr_version );
  dmg_h_init( &sha, DMG_TAG_ARTIFACT );
  dmg_sha256_update( &sha, dmg_hash_span( code_hash ) );
  dmg_sha256_update( &sha, DMG_SPAN( version ) );
  dmg_sha256_update( &sha, dmg_hash_span( &engine ) );
  dmg_hash_t name = dmg_sha256_final( &sha );
  dmg_hex_encode( name.b, 32, hex );
  snprintf( out, PATH_SZ, "%s/%s.dmgc", cache->dir, hex );
}

/* NOT_FOUND also for a damaged file: it is made anew. */
static dmg_err_t load( dmg_code_cache_t * cache, char const * path, dmg_vm_code_t ** out_code ) {
  dmg_buf_t buf;
  dmg_err_t err = dmg_os_file_read( path, HEADER_SZ+(size_t)DMG_VM_ARTIFACT_SZ_MAX, &buf );
  if( err ) return DMG_ERR_NOT_FOUND;
  dmg_span_t artifact = dmg_span( buf.p+HEADER_SZ, buf.sz>HEADER_SZ ? buf.sz-HEADER_SZ : 0 );
  err = DMG_ERR_CORRUPT;
  if( artifact.sz && !memcmp( buf.p, magic, 8 ) ) {
    dmg_hash_t sum = dmg_sha256( artifact );
    if( !memcmp( sum.b, buf.p+8, 32 ) ) err = dmg_vm_load_bytes( cache->cfg.vm, artifact, out_code );
  }
  dmg_buf_fini( &buf );
  if( !err ) { (void)!utimensat( AT_FDCWD, path, NULL, 0 ); return DMG_OK; }   /* used just now; only the order of eviction depends on it */
  DMG_LOG_WARN( "artifact_damaged", "%s is not a good artifact, compiling again", path );
  return DMG_ERR_NOT_FOUND;
}

/* Removes the longest unused files until the folder fits. */
static void evict( dmg_code_cache_t * cache ) {
  for(;;) {
    DIR * d = opendir( cache->dir );
    uint64_t total = 0;
    char oldest[ PATH_SZ ] = "";
    struct timespec least = { 0 };
    for( struct dirent * e; d && ( e = readdir( d ) ); ) {
      char path[ PATH_SZ ];
      struct stat st;
      size_t n = strlen( e->d_name );
      if( n<5 || strcmp( e->d_name+n-5, ".dmgc" ) ) continue;
      snprintf( path, sizeof path, "%s/%s", cache->dir, e->d_name );
      if( stat( path, &st ) ) continue;
      total += (uint64_t)st.st_size;
      if( !*oldest || st.st_mtim.tv_sec<least.tv_sec ) { least = st.st_mtim; memcpy( oldest, path, sizeof oldest ); }
    }
    if( d ) closedir( d );
    if( total<=DMG_CODE_CACHE_SZ_MAX || !*oldest || unlink( oldest ) ) return;
  }
}

static void store( dmg_code_cache_t * cache, char const * path, dmg_span_t artifact ) {
  dmg_buf_t file = dmg_buf( HEADER_SZ+(size_t)DMG_VM_ARTIFACT_SZ_MAX );
  dmg_hash_t sum = dmg_sha256( artifact );
  dmg_err_t err = dmg_buf_append( &file, magic, 8 );
  if( !err ) err = dmg_buf_append( &file, sum.b, 32 );
  if( !err ) err = dmg_buf_append( &file, artifact.p, artifact.sz );
  if( !err ) err = dmg_os_file_replace( path, dmg_buf_span( &file ), 0600 );
  dmg_buf_fini( &file );
  if( err ) DMG_LOG_WARN( "artifact_not_kept", "%s: %s; it is compiled again at the next start", path, dmg_err_text( err ) );
  else      evict( cache );
}

dmg_err_t dmg_code_cache_get( dmg_code_cache_t * cache, dmg_hash_t const * code_hash, dmg_span_t file, uint32_t instr_version, dmg_vm_code_t ** out_code ) {
  char path[ PATH_SZ ] = "";
  if( cache->cfg.dir ) {
    path_of( cache, code_hash, instr_version, path );
    if( !load( cache, path, out_code ) ) return DMG_OK;
  }
  dmg_buf_t instrumented = dmg_buf( DMG_WASM_INSTR_SZ_MAX ), artifact = dmg_buf( DMG_VM_ARTIFACT_SZ_MAX );
  dmg_wasm_report_t report;
  uint64_t began_ns = dmg_os_mono_ns();
  dmg_err_t err = dmg_wasm_instrument( file, instr_version, &report, &instrumented );
  if( !err && !report.is_ok ) err = DMG_ERR_INVALID;
  if( !err ) err = cache->cfg.is_inline ? dmg_vm_compile( cache->cfg.vm, dmg_buf_span( &instrumented ), &artifact ) : dmg_compile_in_child( dmg_buf_span( &instrumented ), &artifact );
  if( !err ) {
    DMG_LOG_INFO( "module_compiled", "wasm_bytes=%zu artifact_bytes=%zu ms=%lu", file.sz, artifact.sz, (unsigned long)( ( dmg_os_mono_ns()-began_ns )/1000000u ) );
    err = dmg_vm_load_bytes( cache->cfg.vm, dmg_buf_span( &artifact ), out_code );
    /* R1.7: what the compiler made and does not load is our failure, never a judgement on the module. */
    if( err && err!=DMG_ERR_NOMEM ) { DMG_LOG_ERROR( "artifact_refused", "what the compiler made does not load: %s", dmg_err_text( err ) ); err = DMG_ERR_UNAVAILABLE; }
    if( !err && cache->cfg.dir ) store( cache, path, dmg_buf_span( &artifact ) );
  }
  dmg_buf_fini( &instrumented );
  dmg_buf_fini( &artifact );
  return err;
}
