#include "runtime/code_cache.h"
#include "base/log.h"
#include "base/os.h"
#include "runtime/compile_child.h"
#include "runtime/wasm_instr.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_SZ = 40, PATH_SZ = 2600 };
static char const magic[ 9 ] = "DMGCODE1";

/* A sum that the store does not have yet; is_gone: the file was evicted, so its entry goes. */
typedef struct { dmg_hash_t name, sum; bool is_gone; } note_t;

struct dmg_code_cache {
  dmg_code_cache_cfg_t cfg;
  char                 dir[ 2048 ];
  pthread_mutex_t      lock;      /* held, notes */
  struct { dmg_hash_t name; uint32_t cnt; } held[ DMG_CODE_CACHE_HELD_MAX ];
  uint32_t             held_cnt;
  note_t               notes[ DMG_CODE_CACHE_NOTE_MAX ];
  uint32_t             note_cnt;
};

dmg_err_t dmg_code_cache_open( dmg_code_cache_cfg_t const * cfg, dmg_code_cache_t ** out_cache ) {
  dmg_code_cache_t * cache = calloc( 1, sizeof *cache );
  if( !cache ) return DMG_ERR_NOMEM;
  cache->cfg = *cfg;
  if( !cache->cfg.sz_max ) cache->cfg.sz_max = DMG_CODE_CACHE_SZ_MAX;
  pthread_mutex_init( &cache->lock, NULL );
  if( cfg->dir ) {
    if( (size_t)snprintf( cache->dir, sizeof cache->dir, "%s", cfg->dir )>=sizeof cache->dir ) { free( cache ); return DMG_ERR_LIMIT; }
    dmg_err_t err = dmg_os_mkdirs( cache->dir );
    if( err ) { free( cache ); return err; }
  }
  *out_cache = cache;
  return DMG_OK;
}

void dmg_code_cache_close( dmg_code_cache_t * cache ) {
  if( !cache ) return;
  pthread_mutex_destroy( &cache->lock );
  free( cache );
}

static dmg_hash_t name_of( dmg_code_cache_t const * cache, dmg_hash_t const * code_hash, uint32_t instr_version ) {
  uint8_t version[ 2 ];
  dmg_sha256_t sha;
  dmg_hash_t engine = dmg_vm_engine_key( cache->cfg.vm );
  dmg_store_u16le( version, (uint16_t)instr_version );
  dmg_h_init( &sha, DMG_TAG_ARTIFACT );
  dmg_sha256_update( &sha, dmg_hash_span( code_hash ) );
  dmg_sha256_update( &sha, DMG_SPAN( version ) );
  dmg_sha256_update( &sha, dmg_hash_span( &engine ) );
  return dmg_sha256_final( &sha );
}

static void path_of( dmg_code_cache_t const * cache, dmg_hash_t const * name, char out[ PATH_SZ ] ) {
  char hex[ 65 ];
  dmg_hex_encode( name->b, 32, hex );
  snprintf( out, PATH_SZ, "%s/%s.dmgc", cache->dir, hex );
}

/* ---- Sums ---- */

enum { META_KEY_SZ = 41 };
static dmg_span_t meta_key( dmg_hash_t const * name, uint8_t out[ META_KEY_SZ ] ) {
  memcpy( out, "artifact:", 9 );
  memcpy( out+9, name->b, 32 );
  return dmg_span( out, META_KEY_SZ );
}

/* The newest word on a name; under lock.  A full list forgets: such an artifact is compiled again. */
static void note( dmg_code_cache_t * cache, dmg_hash_t const * name, dmg_hash_t const * sum ) {
  uint32_t i = 0;
  if( !cache->cfg.store ) return;
  while( i<cache->note_cnt && !dmg_hash_eq( &cache->notes[ i ].name, name ) ) i++;
  if( i==DMG_CODE_CACHE_NOTE_MAX ) return;
  if( i==cache->note_cnt ) cache->note_cnt++;
  cache->notes[ i ] = (note_t){ .name = *name, .sum = sum ? *sum : (dmg_hash_t){ { 0 } }, .is_gone = !sum };
}

/* By what was noted, else by the store: OK, this is the sum of that artifact; CORRUPT, it is another; NOT_FOUND, this store has none. */
static dmg_err_t sum_check( dmg_code_cache_t * cache, dmg_hash_t const * name, dmg_hash_t const * sum ) {
  uint8_t key[ META_KEY_SZ ];
  dmg_kv_val_t val;
  bool is_noted = false;
  dmg_err_t err = DMG_ERR_NOT_FOUND;
  if( !cache->cfg.store ) return DMG_OK;
  pthread_mutex_lock( &cache->lock );
  for( uint32_t i = 0; i<cache->note_cnt && !is_noted; i++ ) {
    if( !dmg_hash_eq( &cache->notes[ i ].name, name ) ) continue;
    is_noted = true;
    if( !cache->notes[ i ].is_gone ) err = dmg_hash_eq( &cache->notes[ i ].sum, sum ) ? DMG_OK : DMG_ERR_CORRUPT;
  }
  pthread_mutex_unlock( &cache->lock );
  if( is_noted || dmg_kv_get( cache->cfg.store, DMG_KV_META, NULL, meta_key( name, key ), &val ) ) return err;
  err = dmg_span_eq( val.v, dmg_hash_span( sum ) ) ? DMG_OK : DMG_ERR_CORRUPT;
  dmg_kv_val_release( &val );
  return err;
}

dmg_err_t dmg_code_cache_sync( dmg_code_cache_t * cache ) {
  dmg_err_t err = DMG_OK;
  pthread_mutex_lock( &cache->lock );
  for( uint32_t i = 0; i<cache->note_cnt && !err; i++ ) {
    uint8_t key[ META_KEY_SZ ];
    note_t const * n = &cache->notes[ i ];
    dmg_kv_op_t op = { .cf = DMG_KV_META, .is_delete = n->is_gone, .key = meta_key( &n->name, key ), .value = n->is_gone ? (dmg_span_t){ 0 } : dmg_hash_span( &n->sum ) };
    err = dmg_kv_write( cache->cfg.store, &op, 1, false );   /* not durable: what a power cut takes is compiled again */
  }
  if( !err ) cache->note_cnt = 0;
  pthread_mutex_unlock( &cache->lock );
  return err;
}

/* ---- Held artifacts; under lock ---- */

static bool is_held( dmg_code_cache_t const * cache, char const * file ) {
  for( uint32_t i = 0; i<cache->held_cnt; i++ ) {
    char path[ PATH_SZ ];
    path_of( cache, &cache->held[ i ].name, path );
    if( !strcmp( path, file ) ) return true;
  }
  return false;
}

static void hold( dmg_code_cache_t * cache, dmg_hash_t const * name ) {
  pthread_mutex_lock( &cache->lock );
  uint32_t i = 0;
  while( i<cache->held_cnt && !dmg_hash_eq( &cache->held[ i ].name, name ) ) i++;
  if( i<DMG_CODE_CACHE_HELD_MAX ) {
    if( i==cache->held_cnt ) { cache->held[ i ].name = *name; cache->held[ i ].cnt = 0; cache->held_cnt++; }
    cache->held[ i ].cnt++;
  }
  pthread_mutex_unlock( &cache->lock );
}

void dmg_code_cache_drop( dmg_code_cache_t * cache, dmg_hash_t const * code_hash, uint32_t instr_version ) {
  dmg_hash_t name = name_of( cache, code_hash, instr_version );
  pthread_mutex_lock( &cache->lock );
  for( uint32_t i = 0; i<cache->held_cnt; i++ ) {
    if( !dmg_hash_eq( &cache->held[ i ].name, &name ) ) continue;
    if( !--cache->held[ i ].cnt ) cache->held[ i ] = cache->held[ --cache->held_cnt ];
    break;
  }
  pthread_mutex_unlock( &cache->lock );
}

/* ---- Files ---- */

/* NOT_FOUND also for a damaged file: it is made anew. */
static dmg_err_t load( dmg_code_cache_t * cache, dmg_hash_t const * name, char const * path, dmg_vm_code_t ** out_code ) {
  dmg_buf_t buf;
  dmg_err_t err = dmg_os_file_read( path, HEADER_SZ+(size_t)DMG_VM_ARTIFACT_SZ_MAX, &buf );
  if( err ) return DMG_ERR_NOT_FOUND;
  dmg_span_t artifact = dmg_span( buf.p+HEADER_SZ, buf.sz>HEADER_SZ ? buf.sz-HEADER_SZ : 0 );
  err = DMG_ERR_CORRUPT;
  if( artifact.sz && !memcmp( buf.p, magic, 8 ) ) {
    dmg_hash_t sum = dmg_sha256( artifact );
    /* R1.7: machine code runs with all our rights, so nothing loads whose bytes we did not write. */
    if( !memcmp( sum.b, buf.p+8, 32 ) ) err = sum_check( cache, name, &sum );
    if( !err ) err = dmg_vm_load_bytes( cache->cfg.vm, artifact, out_code );
  }
  dmg_buf_fini( &buf );
  if( !err ) { (void)!utimensat( AT_FDCWD, path, NULL, 0 ); return DMG_OK; }   /* used just now; only the order of eviction depends on it */
  if( err!=DMG_ERR_NOT_FOUND ) DMG_LOG_WARN( "artifact_damaged", "%s is not a good artifact, compiling again", path );
  return DMG_ERR_NOT_FOUND;
}

/* Removes the longest unused files until the folder fits; those of held codes stay. */
static void evict( dmg_code_cache_t * cache ) {
  for(;;) {
    DIR * d = opendir( cache->dir );
    uint64_t total = 0;
    char oldest[ PATH_SZ ] = "", stem[ 65 ] = "";
    struct timespec least = { 0 };
    for( struct dirent * e; d && ( e = readdir( d ) ); ) {
      char path[ PATH_SZ ];
      struct stat st;
      size_t n = strlen( e->d_name );
      if( n<5 || strcmp( e->d_name+n-5, ".dmgc" ) ) continue;
      snprintf( path, sizeof path, "%s/%s", cache->dir, e->d_name );
      if( stat( path, &st ) ) continue;
      total += (uint64_t)st.st_size;
      bool is_older = !*oldest || st.st_mtim.tv_sec<least.tv_sec || ( st.st_mtim.tv_sec==least.tv_sec && st.st_mtim.tv_nsec<least.tv_nsec );
      if( !is_older || is_held( cache, path ) ) continue;
      least = st.st_mtim;
      memcpy( oldest, path, sizeof oldest );
      snprintf( stem, sizeof stem, "%.64s", e->d_name );
    }
    if( d ) closedir( d );
    if( total<=cache->cfg.sz_max || !*oldest || unlink( oldest ) ) return;
    dmg_hash_t name;
    if( !dmg_hex_decode( stem, 64, name.b, 32 ) ) note( cache, &name, NULL );
  }
}

static void store( dmg_code_cache_t * cache, dmg_hash_t const * name, char const * path, dmg_span_t artifact ) {
  dmg_buf_t file = dmg_buf( HEADER_SZ+(size_t)DMG_VM_ARTIFACT_SZ_MAX );
  dmg_hash_t sum = dmg_sha256( artifact );
  dmg_err_t err = dmg_buf_append( &file, magic, 8 );
  if( !err ) err = dmg_buf_append( &file, sum.b, 32 );
  if( !err ) err = dmg_buf_append( &file, artifact.p, artifact.sz );
  if( !err ) err = dmg_os_file_replace( path, dmg_buf_span( &file ), 0600 );
  dmg_buf_fini( &file );
  if( err ) DMG_LOG_WARN( "artifact_not_kept", "%s: %s; it is compiled again at the next start", path, dmg_err_text( err ) );
  if( err ) return;
  pthread_mutex_lock( &cache->lock );
  note( cache, name, &sum );
  evict( cache );
  pthread_mutex_unlock( &cache->lock );
}

dmg_err_t dmg_code_cache_get( dmg_code_cache_t * cache, dmg_hash_t const * code_hash, dmg_span_t file, uint32_t instr_version, dmg_vm_code_t ** out_code ) {
  char path[ PATH_SZ ] = "";
  dmg_hash_t name = name_of( cache, code_hash, instr_version );
  if( cache->cfg.dir ) {
    path_of( cache, &name, path );
    if( !load( cache, &name, path, out_code ) ) { hold( cache, &name ); return DMG_OK; }
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
    if( !err ) hold( cache, &name );
    if( !err && cache->cfg.dir ) store( cache, &name, path, dmg_buf_span( &artifact ) );
  }
  dmg_buf_fini( &instrumented );
  dmg_buf_fini( &artifact );
  return err;
}
