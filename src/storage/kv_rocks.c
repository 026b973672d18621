#include "storage/kv.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"

#include <rocksdb/c.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* RocksDB 7.8 through its C API: a column family a column (S5.2).

   S8.6: a failed write or sync may have lost pages that the kernel will not report again, and the
   memtable may already hold what the log does not.  Such a failure is final: one line, _exit.  Only
   opening and reading return errors. */

enum { SST_SZ_MAX = 256*1024*1024, DICT_SZ = 16*1024 };

typedef struct {
  dmg_kv_t                         kv;
  char *                           dir;
  rocksdb_t *                      db;
  rocksdb_options_t *              opt_db;
  rocksdb_options_t *              opt[ DMG_KV_CF_CNT ];
  rocksdb_column_family_handle_t * cf[ DMG_KV_CF_CNT ];
  rocksdb_cache_t *                cache;
  rocksdb_block_based_table_options_t * table;
  rocksdb_ratelimiter_t *          rate;
  rocksdb_universal_compaction_options_t * universal;
  rocksdb_readoptions_t *          read;      /* of the newest */
  rocksdb_writeoptions_t *         write, * write_sync;
  uint32_t                         sst_seq;
} rocks_t;

struct dmg_kv_snap { rocksdb_snapshot_t const * snap; rocksdb_readoptions_t * read; };

typedef struct {
  dmg_kv_iter_t           it;
  rocksdb_iterator_t *    rocks;
  rocksdb_readoptions_t * read;
  dmg_kv_cf_t             cf;
  bool                    is_reverse, has_snap, is_started, is_done;
  size_t                  lo_sz, hi_sz;
  uint8_t                 lo[ DMG_KV_KEY_MAX+1 ], hi[ DMG_KV_KEY_MAX+1 ];   /* RocksDB keeps pointers to them */
} rocks_iter_t;

static rocks_t * rocks_of( dmg_kv_t * kv ) { return (rocks_t *)kv; }

/* ---- Failures ---- */

static dmg_err_t err_of( char const * text ) {
  if( strstr( text, "Corruption" ) )                                             return DMG_ERR_CORRUPT;
  if( strstr( text, "lock" ) && ( strstr( text, "temporarily unavailable" ) || strstr( text, "lock hold" ) || strstr( text, "No locks available" ) ) ) return DMG_ERR_LOCKED;
  if( strstr( text, "Permission denied" ) || strstr( text, "Read-only file" ) )  return DMG_ERR_PERM;
  if( strstr( text, "No space" ) || strstr( text, "NoSpace" ) )                  return DMG_ERR_FULL;
  if( strstr( text, "Column families not opened" ) )                             return DMG_ERR_VERSION;
  return DMG_ERR_IO;
}

/* A read that failed: logged here, once. */
static dmg_err_t read_failed( rocks_t * r, char * text ) {
  dmg_err_t err = err_of( text );
  DMG_LOG_ERROR( "store_read_failed", "%s: %s%s", r->dir, text, err==DMG_ERR_CORRUPT ? "; " DMG_STORE_REPAIR : "" );
  free( text );
  return err;
}

/* RocksDB tells errno by its text only. */
static int errno_of( char const * text ) {
  static int const known[] = { ENOSPC, EDQUOT, EIO, EROFS };
  for( size_t i = 0; i<sizeof known/sizeof *known; i++ ) if( strstr( text, strerror( known[ i ] ) ) ) return known[ i ];
  return 0;
}

static _Noreturn void write_failed( rocks_t * r, char const * what, char const * text ) {
  DMG_LOG_ERROR( "store_write_failed", "%s: %s: %s; stopping at once, the data on disk decides at the next start%s", r->dir, what, text, dmg_os_disk_remedy( errno_of( text ) ) );
  _exit( 1 );
}

/* ---- Reading ---- */

static void unpin( void * pin ) { rocksdb_pinnableslice_destroy( pin ); }

static dmg_kv_val_t val_of( rocksdb_pinnableslice_t * p ) {
  size_t sz;
  char const * v = rocksdb_pinnableslice_value( p, &sz );
  return (dmg_kv_val_t){ .v = dmg_span( v, sz ), .pin = p, .unpin = unpin };
}

static dmg_err_t rocks_get( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t key, dmg_kv_val_t * out_val ) {
  rocks_t * r = rocks_of( kv );
  char * text = NULL;
  rocksdb_pinnableslice_t * p = rocksdb_get_pinned_cf( r->db, snap ? snap->read : r->read, r->cf[ cf ], (char const *)key.p, key.sz, &text );
  if( text ) { if( p ) rocksdb_pinnableslice_destroy( p ); return read_failed( r, text ); }
  if( !p ) return DMG_ERR_NOT_FOUND;
  *out_val = val_of( p );
  return DMG_OK;
}

static dmg_err_t rocks_get_many( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t const * keys, size_t key_cnt, dmg_kv_val_t * out_vals, bool * out_found ) {
  enum { BATCH = 64 };
  rocks_t * r = rocks_of( kv );
  dmg_err_t err = DMG_OK;
  size_t done = 0;
  while( done<key_cnt && !err ) {
    char const * k[ BATCH ];
    size_t sz[ BATCH ], n = key_cnt-done<BATCH ? key_cnt-done : BATCH;
    rocksdb_pinnableslice_t * v[ BATCH ] = { 0 };
    char * text[ BATCH ] = { 0 };
    bool is_sorted = true;
    for( size_t i=0; i<n; i++ ) {
      k[ i ]  = (char const *)keys[ done+i ].p;
      sz[ i ] = keys[ done+i ].sz;
      is_sorted = is_sorted && ( !i || dmg_span_cmp( keys[ done+i-1 ], keys[ done+i ] )<0 );
    }
    rocksdb_batched_multi_get_cf( r->db, snap ? snap->read : r->read, r->cf[ cf ], n, k, sz, v, text, is_sorted );
    for( size_t i=0; i<n; i++ ) {
      out_found[ done+i ] = v[ i ] && !text[ i ];
      out_vals[ done+i ]  = out_found[ done+i ] ? val_of( v[ i ] ) : (dmg_kv_val_t){ 0 };
      if( !text[ i ] ) continue;
      if( v[ i ] ) rocksdb_pinnableslice_destroy( v[ i ] );
      if( err ) free( text[ i ] );
      else      err = read_failed( r, text[ i ] );
    }
    done += n;
  }
  if( err ) for( size_t i=0; i<done; i++ ) if( out_found[ i ] ) dmg_kv_val_release( out_vals+i );
  return err;
}

static rocksdb_readoptions_t * read_new( void ) {
  rocksdb_readoptions_t * o = rocksdb_readoptions_create();
  rocksdb_readoptions_set_verify_checksums( o, 1 );
  return o;
}

static void rocks_iter_move( dmg_kv_iter_t * base, dmg_span_t lo, dmg_span_t hi ) {
  rocks_iter_t * it = (rocks_iter_t *)base;
  rocks_t * r = rocks_of( base->kv );
  if( it->rocks ) {
    DMG_ASSERT( it->has_snap );               /* else it would see what was written since */
    rocksdb_iter_destroy( it->rocks );
  }
  it->lo_sz = lo.sz;
  it->hi_sz = hi.sz;
  if( lo.sz ) memcpy( it->lo, lo.p, lo.sz );
  if( hi.sz ) memcpy( it->hi, hi.p, hi.sz );
  it->is_started = false;
  it->is_done    = hi.sz && dmg_span_cmp( lo, hi )>=0;
  rocksdb_readoptions_set_iterate_lower_bound( it->read, lo.sz ? (char const *)it->lo : NULL, it->lo_sz );
  rocksdb_readoptions_set_iterate_upper_bound( it->read, hi.sz ? (char const *)it->hi : NULL, it->hi_sz );
  it->rocks = rocksdb_create_iterator_cf( r->db, it->read, r->cf[ it->cf ] );
}

static dmg_err_t rocks_iter_open( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t lo, dmg_span_t hi, bool is_reverse, dmg_kv_iter_t ** out_it ) {
  rocks_iter_t * it = calloc( 1, sizeof *it );
  if( !it ) return DMG_ERR_NOMEM;
  it->it.kv      = kv;
  it->cf         = cf;
  it->is_reverse = is_reverse;
  it->has_snap   = snap;
  it->read       = read_new();
  if( snap ) rocksdb_readoptions_set_snapshot( it->read, snap->snap );
  rocks_iter_move( &it->it, lo, hi );
  *out_it = &it->it;
  return DMG_OK;
}

static void step( rocks_iter_t * it ) {
  if( it->is_started ) {
    if( it->is_reverse ) rocksdb_iter_prev( it->rocks );
    else                 rocksdb_iter_next( it->rocks );
  } else if( it->is_reverse ) {
    /* With an upper bound the last key is the last below it. */
    rocksdb_iter_seek_to_last( it->rocks );
  } else if( it->lo_sz ) {
    rocksdb_iter_seek( it->rocks, (char const *)it->lo, it->lo_sz );
  } else {
    rocksdb_iter_seek_to_first( it->rocks );
  }
  it->is_started = true;
}

/* Tombstones, what lies under them, what is newer than the snapshot: RocksDB counts it by thread. */
static uint64_t walked_of( rocksdb_perfcontext_t * perf ) {
  return rocksdb_perfcontext_metric( perf, rocksdb_internal_key_skipped_count )+rocksdb_perfcontext_metric( perf, rocksdb_internal_delete_skipped_count )
        +rocksdb_perfcontext_metric( perf, rocksdb_internal_recent_skipped_count );
}

static void step_counting( rocks_iter_t * it ) {
  rocksdb_set_perf_level( rocksdb_enable_count );
  rocksdb_perfcontext_t * perf = rocksdb_perfcontext_create();
  uint64_t before = walked_of( perf );
  step( it );
  it->it.walked = walked_of( perf )-before;
  rocksdb_perfcontext_destroy( perf );
  rocksdb_set_perf_level( rocksdb_disable );
}

static dmg_err_t rocks_iter_next( dmg_kv_iter_t * base, dmg_span_t * out_key, dmg_span_t * out_value ) {
  rocks_iter_t * it = (rocks_iter_t *)base;
  base->walked = 0;
  if( it->is_done ) return DMG_ERR_NOT_FOUND;
  if( it->cf==DMG_KV_ORD ) step_counting( it );
  else                     step( it );
  if( !rocksdb_iter_valid( it->rocks ) ) {
    char * text = NULL;
    rocksdb_iter_get_error( it->rocks, &text );
    it->is_done = true;
    return text ? read_failed( rocks_of( base->kv ), text ) : DMG_ERR_NOT_FOUND;
  }
  size_t sz;
  char const * p = rocksdb_iter_key( it->rocks, &sz );
  *out_key = dmg_span( p, sz );
  if( out_value ) {
    p = rocksdb_iter_value( it->rocks, &sz );
    *out_value = dmg_span( p, sz );
  }
  return DMG_OK;
}

static void rocks_iter_close( dmg_kv_iter_t * base ) {
  rocks_iter_t * it = (rocks_iter_t *)base;
  rocksdb_iter_destroy( it->rocks );
  rocksdb_readoptions_destroy( it->read );
  free( it );
}

static dmg_err_t rocks_snap_open( dmg_kv_t * kv, dmg_kv_snap_t ** out_snap ) {
  dmg_kv_snap_t * s = malloc( sizeof *s );
  if( !s ) return DMG_ERR_NOMEM;
  s->snap = rocksdb_create_snapshot( rocks_of( kv )->db );
  s->read = read_new();
  rocksdb_readoptions_set_snapshot( s->read, s->snap );
  *out_snap = s;
  return DMG_OK;
}
static void rocks_snap_close( dmg_kv_t * kv, dmg_kv_snap_t * s ) {
  rocksdb_readoptions_destroy( s->read );
  rocksdb_release_snapshot( rocks_of( kv )->db, s->snap );
  free( s );
}

/* ---- Writing ---- */

static dmg_err_t rocks_write( dmg_kv_t * kv, dmg_kv_op_t const * ops, size_t op_cnt, bool is_durable ) {
  rocks_t * r = rocks_of( kv );
  rocksdb_writebatch_t * b = rocksdb_writebatch_create();
  for( size_t i=0; i<op_cnt; i++ ) {
    dmg_kv_op_t const * o = ops+i;
    if( o->is_delete ) rocksdb_writebatch_delete_cf( b, r->cf[ o->cf ], (char const *)o->key.p, o->key.sz );
    else               rocksdb_writebatch_put_cf( b, r->cf[ o->cf ], (char const *)o->key.p, o->key.sz, (char const *)o->value.p, o->value.sz );
  }
  char * text = NULL;
  rocksdb_write( r->db, is_durable ? r->write_sync : r->write, b, &text );
  rocksdb_writebatch_destroy( b );
  if( text ) write_failed( r, "write", text );
  return DMG_OK;
}

/* Sorted files of at most SST_SZ_MAX beside the database, then all ingested in one step. */
static dmg_err_t rocks_bulk_apply( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_next_fn_t next, void * ctx ) {
  rocks_t * r = rocks_of( kv );
  char ** file = NULL;
  size_t file_cnt = 0, sz = 0;
  rocksdb_envoptions_t * env = rocksdb_envoptions_create();
  rocksdb_sstfilewriter_t * w = NULL;
  char * text = NULL;
  dmg_err_t err;
  for( ;; ) {
    dmg_kv_op_t op;
    err = next( ctx, &op );
    if( err==DMG_ERR_NOT_FOUND ) { err = DMG_OK; break; }
    if( err ) break;
    if( w && sz>=SST_SZ_MAX ) {
      rocksdb_sstfilewriter_finish( w, &text );
      rocksdb_sstfilewriter_destroy( w );
      w = NULL;
      if( text ) break;
    }
    if( !w ) {
      char ** f = realloc( file, ( file_cnt+1 )*sizeof *file );
      if( !f ) { err = DMG_ERR_NOMEM; break; }
      file = f;
      if( asprintf( &file[ file_cnt ], "%s/bulk-%u.sst", r->dir, r->sst_seq++ )<0 ) { err = DMG_ERR_NOMEM; break; }
      w = rocksdb_sstfilewriter_create( env, r->opt[ cf ] );
      rocksdb_sstfilewriter_open( w, file[ file_cnt++ ], &text );
      sz = 0;
      if( text ) break;
    }
    if( op.is_delete ) rocksdb_sstfilewriter_delete( w, (char const *)op.key.p, op.key.sz, &text );
    else               rocksdb_sstfilewriter_put( w, (char const *)op.key.p, op.key.sz, (char const *)op.value.p, op.value.sz, &text );
    if( text ) break;
    sz += op.key.sz+op.value.sz;
  }
  if( w && !err && !text ) rocksdb_sstfilewriter_finish( w, &text );
  if( w ) rocksdb_sstfilewriter_destroy( w );
  if( !err && !text && file_cnt ) {
    rocksdb_ingestexternalfileoptions_t * o = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files( o, 1 );
    rocksdb_ingest_external_file_cf( r->db, r->cf[ cf ], (char const * const *)file, file_cnt, o, &text );
    rocksdb_ingestexternalfileoptions_destroy( o );
  }
  if( text ) write_failed( r, "bulk load", text );
  for( size_t i=0; i<file_cnt; i++ ) { unlink( file[ i ] ); free( file[ i ] ); }
  free( file );
  rocksdb_envoptions_destroy( env );
  return err;
}

static dmg_err_t rocks_restore( dmg_kv_t * kv, dmg_kv_snap_t * snap ) { return DMG_ERR_UNSUPPORTED; }

static void rocks_stats( dmg_kv_t * kv, dmg_kv_stats_t * out ) {
  rocks_t * r = rocks_of( kv );
  out->mem_sz = rocksdb_cache_get_usage( r->cache );
  for( int cf=0; cf<DMG_KV_CF_CNT; cf++ ) {
    uint64_t v = 0;
    if( !rocksdb_property_int_cf( r->db, r->cf[ cf ], "rocksdb.size-all-mem-tables", &v ) )  out->mem_sz += v;
    if( !rocksdb_property_int_cf( r->db, r->cf[ cf ], "rocksdb.estimate-num-keys", &v ) )    out->keys[ cf ] = v;
    if( !rocksdb_property_int_cf( r->db, r->cf[ cf ], "rocksdb.total-sst-files-size", &v ) ) out->bytes += v;
  }
}

/* ---- Life ---- */

static void rocks_close( dmg_kv_t * kv ) {
  rocks_t * r = rocks_of( kv );
  for( int i=0; i<DMG_KV_CF_CNT; i++ ) if( r->cf[ i ] ) rocksdb_column_family_handle_destroy( r->cf[ i ] );
  if( r->db ) rocksdb_close( r->db );
  for( int i=0; i<DMG_KV_CF_CNT; i++ ) if( r->opt[ i ] ) rocksdb_options_destroy( r->opt[ i ] );
  if( r->opt_db )     rocksdb_options_destroy( r->opt_db );
  if( r->table )      rocksdb_block_based_options_destroy( r->table );
  if( r->cache )      rocksdb_cache_destroy( r->cache );
  if( r->rate )       rocksdb_ratelimiter_destroy( r->rate );
  if( r->universal )  rocksdb_universal_compaction_options_destroy( r->universal );
  if( r->read )       rocksdb_readoptions_destroy( r->read );
  if( r->write )      rocksdb_writeoptions_destroy( r->write );
  if( r->write_sync ) rocksdb_writeoptions_destroy( r->write_sync );
  free( r->dir );
  free( r );
}

static dmg_kv_vt_t const rocks_vt = {
  .name = "rocksdb", .get = rocks_get, .get_many = rocks_get_many, .write = rocks_write, .bulk_apply = rocks_bulk_apply,
  .iter_open = rocks_iter_open, .iter_move = rocks_iter_move, .iter_next = rocks_iter_next, .iter_close = rocks_iter_close,
  .snap_open = rocks_snap_open, .snap_close = rocks_snap_close, .restore = rocks_restore,
  .stats = rocks_stats, .close = rocks_close
};

static rocksdb_options_t * with_string( rocksdb_options_t * base, char const * options, char ** text ) {
  rocksdb_options_t * o = rocksdb_options_create();
  rocksdb_get_options_from_string( base, options, o, text );
  rocksdb_options_destroy( base );
  return o;
}

static void options_new( rocks_t * r, dmg_kv_rocks_cfg_t const * cfg, char ** text ) {
  uint64_t cache_sz = cfg->cache_sz ? cfg->cache_sz : 64u<<20;
  r->cache = rocksdb_cache_create_lru( cache_sz );
  r->table = rocksdb_block_based_options_create();
  rocksdb_block_based_options_set_block_cache( r->table, r->cache );
  rocksdb_block_based_options_set_block_size( r->table, 4096 );
  rocksdb_block_based_options_set_format_version( r->table, 5 );
  rocksdb_block_based_options_set_checksum( r->table, 1 );        /* CRC32C; the C API has no name for it */
  rocksdb_block_based_options_set_cache_index_and_filter_blocks( r->table, 1 );
  rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache( r->table, 1 );
  rocksdb_block_based_options_set_filter_policy( r->table, rocksdb_filterpolicy_create_bloom_full( 10 ) );

  rocksdb_options_t * o = rocksdb_options_create();
  rocksdb_options_set_create_if_missing( o, 1 );
  rocksdb_options_set_create_missing_column_families( o, 1 );
  rocksdb_options_set_paranoid_checks( o, 1 );
  rocksdb_options_set_wal_recovery_mode( o, rocksdb_point_in_time_recovery );
  rocksdb_options_set_max_background_jobs( o, cfg->jobs ? cfg->jobs : 2 );
  rocksdb_options_set_info_log_level( o, 2 );                       /* warnings */
  rocksdb_options_set_keep_log_file_num( o, 4 );
  rocksdb_options_set_max_log_file_size( o, 16u<<20 );
  rocksdb_options_set_max_total_wal_size( o, 512u<<20 );
  rocksdb_options_set_bytes_per_sync( o, 1u<<20 );
  rocksdb_options_set_use_fsync( o, 0 );                            /* fdatasync */
  if( cfg->io_sz_s ) {
    r->rate = rocksdb_ratelimiter_create( (int64_t)cfg->io_sz_s, 100000, 10 );
    rocksdb_options_set_ratelimiter( o, r->rate );
  }
  /* No setter in the C API.  No background retry of a failed write: S8.6. */
  r->opt_db = with_string( o, "max_bgerror_resume_count=0;track_and_verify_wals_in_manifest=true", text );

  r->universal = rocksdb_universal_compaction_options_create();
  for( int cf=0; cf<DMG_KV_CF_CNT && !*text; cf++ ) {
    o = rocksdb_options_create_copy( r->opt_db );
    bool is_hot = cf==DMG_KV_STATE;
    rocksdb_options_set_block_based_table_factory( o, r->table );
    rocksdb_options_set_compression( o, rocksdb_lz4_compression );
    rocksdb_options_set_bottommost_compression( o, rocksdb_zstd_compression );
    rocksdb_options_set_bottommost_compression_options( o, -14, 3, 0, DICT_SZ, 1 );
    rocksdb_options_set_bottommost_compression_options_zstd_max_train_bytes( o, 100*DICT_SZ, 1 );
    rocksdb_options_set_write_buffer_size( o, ( is_hot ? 64u : 16u )<<20 );
    rocksdb_options_set_max_write_buffer_number( o, is_hot ? 4 : 2 );
    if( is_hot && cfg->is_universal ) {
      rocksdb_options_set_compaction_style( o, rocksdb_universal_compaction );
      rocksdb_options_set_universal_compaction_options( o, r->universal );
    } else {
      rocksdb_options_set_level_compaction_dynamic_level_bytes( o, 1 );
    }
    if( cf==DMG_KV_ORD ) {
      /* Iterators walk this column's tombstones: a file with half of 1,024 entries in a row deleted goes down at once.  What was
         moved to an empty bottom as it is, tombstones and all, waits there for a day. */
      o = with_string( o, "periodic_compaction_seconds=86400", text );
      rocksdb_options_add_compact_on_deletion_collector_factory( o, 1024, 512 );
    }
    r->opt[ cf ] = o;
  }
}

static dmg_err_t perm_check( char const * dir, dmg_open_why_t * out_why ) {
  if( !access( dir, R_OK|W_OK|X_OK ) ) return DMG_OK;
  if( errno!=EACCES && errno!=EROFS ) return DMG_OK;               /* RocksDB will say it better */
  if( errno==EROFS ) return dmg_open_why( out_why, DMG_ERR_PERM, "%s is on a file system that is mounted read-only; mount it writable or name another folder", dir );
  struct stat st;
  if( stat( dir, &st ) ) return dmg_open_why( out_why, DMG_ERR_PERM, "%s cannot be entered; its owner must allow this user", dir );
  return dmg_open_why( out_why, DMG_ERR_PERM, "%s belongs to user %u with mode %03o, this is user %u; read, write and search are needed (mode 0700 of the same user)", dir,
              (unsigned)st.st_uid, (unsigned)st.st_mode&0777u, (unsigned)geteuid() );
}

/* Asked first: RocksDB takes a disk that fills while it opens for a bug of its own and aborts.  A new store stands beside a new block
   log, whose first segment takes 256 MiB at once. */
static dmg_err_t space_check( char const * dir, dmg_open_why_t * out_why ) {
  enum { NEW_MIB = 320, OPEN_MIB = 16 };
  char current[ 4200 ];
  struct statvfs fs;
  snprintf( current, sizeof current, "%.4000s/CURRENT", dir );
  bool is_new = access( current, F_OK );
  unsigned need = is_new ? NEW_MIB : OPEN_MIB;
  if( statvfs( dir, &fs ) ) return DMG_OK;                         /* RocksDB will say it better */
  uint64_t has = ( (uint64_t)fs.f_bavail*fs.f_frsize )>>20;
  if( has>=need ) return DMG_OK;
  return dmg_open_why( out_why, DMG_ERR_FULL, "the disk of %s has %lu MiB left, and %s needs %u MiB; free some space there or name another folder", dir, (unsigned long)has, is_new ? "a new store" : "opening the store", need );
}

dmg_err_t dmg_kv_rocks_open( dmg_kv_rocks_cfg_t const * cfg, dmg_kv_t ** out_kv, dmg_open_why_t * out_why ) {
  if( out_why ) out_why->text[0] = 0;
  dmg_err_t err = dmg_os_mkdirs( cfg->dir );
  if( err ) return dmg_open_why( out_why, err, "%s cannot be made: %s", cfg->dir, dmg_err_text( err ) );
  DMG_TRY( perm_check( cfg->dir, out_why ) );
  DMG_TRY( space_check( cfg->dir, out_why ) );
  rocks_t * r = calloc( 1, sizeof *r );
  if( !r ) return DMG_ERR_NOMEM;
  r->kv.vt = &rocks_vt;
  r->dir   = strdup( cfg->dir );
  char * text = NULL;
  options_new( r, cfg, &text );
  if( !text ) {
    char const * name[ DMG_KV_CF_CNT+1 ];
    rocksdb_options_t const * opt[ DMG_KV_CF_CNT+1 ];
    rocksdb_column_family_handle_t * cf[ DMG_KV_CF_CNT+1 ];
    for( int i=0; i<DMG_KV_CF_CNT; i++ ) { name[ i ] = dmg_kv_cf_name( (dmg_kv_cf_t)i ); opt[ i ] = r->opt[ i ]; }
    name[ DMG_KV_CF_CNT ] = "default";                              /* RocksDB insists on it; it stays empty */
    opt[ DMG_KV_CF_CNT ]  = r->opt_db;
    r->db = rocksdb_open_column_families( r->opt_db, r->dir, DMG_KV_CF_CNT+1, name, opt, cf, &text );
    if( r->db && !text ) {
      memcpy( r->cf, cf, sizeof r->cf );
      rocksdb_column_family_handle_destroy( cf[ DMG_KV_CF_CNT ] );
    }
  }
  if( text ) {
    err = err_of( text );
    char const * right = err==DMG_ERR_LOCKED  ? "another process uses it; stop that first"
                       : err==DMG_ERR_CORRUPT ? DMG_STORE_REPAIR
                       : err==DMG_ERR_VERSION ? "it has columns this program does not know; use a newer demiurge"
                       : err==DMG_ERR_FULL    ? "free some disk space"
                       : err==DMG_ERR_PERM    ? "this user must be able to read and write there"
                       : errno_of( text )==EIO ? "the disk or what connects it fails: the kernel's log (dmesg) says how; mend it and start again"
                       : "the operating system refuses it: look at that path, at its disk (df) and at the kernel's log (dmesg)";
    dmg_open_why( out_why, err, "%s: %.300s; %s", cfg->dir, text, right );
    free( text );
    rocks_close( &r->kv );
    return err;
  }
  r->read       = read_new();
  r->write      = rocksdb_writeoptions_create();
  r->write_sync = rocksdb_writeoptions_create();
  rocksdb_writeoptions_set_sync( r->write_sync, 1 );
  *out_kv = &r->kv;
  return DMG_OK;
}
