#include "storage/block_log.h"
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/os.h"

#include <zstd.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { KIND_BLOCK = 1, KIND_RECEIPTS, KIND_FINAL, KIND_RUNS };
enum { SEG_HEAD = 64, REC_HEAD = 68, FORMAT = 1, ZSTD_ABOVE = 512, ZSTD_LEVEL = 1, MAP_SIZE = 4096, STORED_MAX = DMG_BLOCK_LOG_RAW_MAX+64*1024, WINDOW = 1<<16 };

typedef struct { uint64_t seg, off; } pos_t;      /* off 0: none */

/* What a record's head says. */
typedef struct { uint8_t kind, codec; uint16_t part; uint64_t height, durable; dmg_hash_t hash; uint32_t stored_sz, raw_sz; } rec_t;

/* A block that the columns do not have yet. */
typedef struct entry {
  struct entry * map_next;
  struct entry * prev;                            /* list in order of arrival */
  struct entry * next;
  dmg_hash_t     hash;
  uint64_t       height;
  bool           is_final;
  uint32_t       raw_sz, part_cnt, part_cap;
  pos_t          block, final;
  pos_t *        part;                            /* RECEIPTS */
  bool           has_all_parts;
} entry_t;

typedef struct { uint64_t number, salt, sz, height_max; bool has_salt, has_height; } seg_t;   /* sz: bytes of records and head, of scanned ones */

struct dmg_block_log {
  dmg_vfs_t *     vfs;
  dmg_kv_t *      kv;
  char *          dir;
  dmg_hash_t      genesis_hash;
  uint64_t        segment_sz, live_sz_max;
  pthread_mutex_t lock;                           /* map, list, seg, tip; file of the last segment stays open */
  entry_t *       map[ MAP_SIZE ];
  entry_t *       first;
  entry_t *       last;
  seg_t *         seg;
  size_t          seg_cnt, seg_cap;
  dmg_file_t *    file;                           /* of seg[ seg_cnt-1 ] */
  uint64_t        synced_sz;                      /* of it */
  bool            has_tip;
  uint64_t        tip_height;
  dmg_hash_t      tip_hash;
  uint64_t        oldest;                         /* lowest height that is whole here */
  uint64_t        live_cnt, live_sz, cut_sz, bad_cnt;
  dmg_err_t       broken;                         /* of a failed write or sync */
  ZSTD_CCtx *     cctx;
  uint8_t *       out;                            /* a record being made: REC_HEAD + STORED_MAX */
  uint8_t *       raw;                            /* a part being gathered */
};

/* ---- The map of what the columns lack; under lock ---- */

static entry_t ** map_slot( dmg_block_log_t * log, dmg_hash_t const * hash ) { return log->map+( dmg_load_u64le( hash->b )^dmg_load_u64le( hash->b+16 ) )%MAP_SIZE; }

static entry_t * map_find( dmg_block_log_t * log, dmg_hash_t const * hash ) {
  for( entry_t * e = *map_slot( log, hash ); e; e=e->map_next ) if( dmg_hash_eq( &e->hash, hash ) ) return e;
  return NULL;
}

static entry_t * map_add( dmg_block_log_t * log, dmg_hash_t const * hash, uint64_t height ) {
  entry_t * e = calloc( 1, sizeof *e );
  if( !e ) return NULL;
  e->hash   = *hash;
  e->height = height;
  entry_t ** slot = map_slot( log, hash );
  e->map_next = *slot;
  *slot = e;
  e->prev = log->last;
  if( log->last ) log->last->next = e;
  else            log->first = e;
  log->last = e;
  log->live_cnt++;
  return e;
}

static void map_remove( dmg_block_log_t * log, entry_t * e ) {
  DMG_ASSERT( !e->next==( log->last==e ) );
  entry_t ** p = map_slot( log, &e->hash );
  while( *p!=e ) p = &( *p )->map_next;
  *p = e->map_next;
  if( e->prev ) e->prev->next = e->next;
  else          log->first = e->next;
  if( e->next ) e->next->prev = e->prev;
  else          log->last = e->prev;
  if( !e->is_final ) { log->live_cnt--; log->live_sz -= e->raw_sz; }
  free( e->part );
  free( e );
}

static dmg_err_t part_add( entry_t * e, pos_t pos ) {
  if( e->part_cnt==e->part_cap ) {
    uint32_t cap = e->part_cap ? 2*e->part_cap : 1;
    void * q = realloc( e->part, cap*sizeof *e->part );
    if( !q ) return DMG_ERR_NOMEM;
    e->part     = q;
    e->part_cap = cap;
  }
  e->part[ e->part_cnt++ ] = pos;
  return DMG_OK;
}

/* A record that is in the file now, into the map. */
static dmg_err_t map_record( dmg_block_log_t * log, rec_t const * r, pos_t pos ) {
  entry_t * e = map_find( log, &r->hash );
  if( r->kind==KIND_RUNS ) return DMG_OK;
  if( !e ) {
    /* Its BLOCK is lost or was forgotten: nobody can use the rest. */
    if( r->kind!=KIND_BLOCK ) return DMG_OK;
    e = map_add( log, &r->hash, r->height );
    if( !e ) return DMG_ERR_NOMEM;
    e->raw_sz     = r->raw_sz;
    log->live_sz += r->raw_sz;
  }
  switch( r->kind ) {
  case KIND_BLOCK:
    e->block = pos;
    break;
  case KIND_RECEIPTS:
    if( r->part==0 ) { e->part_cnt = 0; e->has_all_parts = false; }   /* an earlier try was cut off */
    if( e->has_all_parts || r->part!=e->part_cnt ) break;
    DMG_TRY( part_add( e, pos ) );
    e->has_all_parts = r->raw_sz<DMG_BLOCK_LOG_RAW_MAX;
    break;
  case KIND_FINAL:
    if( !e->is_final ) { e->is_final = true; log->live_cnt--; log->live_sz -= e->raw_sz; }
    e->final = pos;
    if( !log->has_tip || r->height>log->tip_height ) { log->has_tip = true; log->tip_height = r->height; log->tip_hash = r->hash; }
    break;
  default: break;
  }
  return DMG_OK;
}

/* ---- Segments ---- */

static void seg_path( dmg_block_log_t const * log, uint64_t number, char const * suffix, char out[ 4096 ] ) {
  int n = snprintf( out, 4096, "%s/%016" PRIx64 ".blk%s", log->dir, number, suffix );
  DMG_ASSERT( n>0 && n<4096 );
}

static seg_t * seg_find( dmg_block_log_t * log, uint64_t number ) {
  for( size_t i=log->seg_cnt; i--; ) if( log->seg[ i ].number==number ) return log->seg+i;
  return NULL;
}

static dmg_err_t seg_add( dmg_block_log_t * log, seg_t seg ) {
  if( log->seg_cnt==log->seg_cap ) {
    size_t cap = log->seg_cap ? 2*log->seg_cap : 16;
    void * q = realloc( log->seg, cap*sizeof *log->seg );
    if( !q ) return DMG_ERR_NOMEM;
    log->seg     = q;
    log->seg_cap = cap;
  }
  log->seg[ log->seg_cnt++ ] = seg;
  return DMG_OK;
}

static void seg_head( dmg_block_log_t const * log, uint64_t number, uint64_t salt, uint8_t out[ SEG_HEAD ] ) {
  memcpy( out, "DMGBLK01", 8 );
  dmg_store_u32le( out+8, FORMAT );
  memcpy( out+12, log->genesis_hash.b, 32 );
  dmg_store_u64le( out+44, number );
  dmg_store_u64le( out+52, salt );
  dmg_store_u32le( out+60, dmg_crc32c( 0, dmg_span( out, 60 ) ) );
}

static dmg_err_t seg_head_read( dmg_block_log_t const * log, dmg_file_t * file, uint64_t number, uint64_t * out_salt, dmg_open_why_t * out_why ) {
  uint8_t h[ SEG_HEAD ];
  size_t got;
  DMG_TRY( dmg_file_pread( file, h, sizeof h, 0, &got ) );
  if( got!=SEG_HEAD || memcmp( h, "DMGBLK", 6 ) || dmg_crc32c( 0, dmg_span( h, 60 ) )!=dmg_load_u32le( h+60 ) || dmg_load_u64le( h+44 )!=number )
    return dmg_open_why( out_why, DMG_ERR_CORRUPT, "%s/%016" PRIx64 ".blk has no good header; " DMG_STORE_REPAIR, log->dir, number );
  if( memcmp( h+6, "01", 2 ) || dmg_load_u32le( h+8 )!=FORMAT )
    return dmg_open_why( out_why, DMG_ERR_VERSION, "%s/%016" PRIx64 ".blk has format %.2s.%u, this program reads 01.%u; use a newer demiurge", log->dir, number, (char const *)h+6, dmg_load_u32le( h+8 ), FORMAT );
  if( memcmp( h+12, log->genesis_hash.b, 32 ) ) {
    char has[ 65 ], runs[ 65 ];
    dmg_hex_encode( h+12, 32, has );
    dmg_hex_encode( log->genesis_hash.b, 32, runs );
    return dmg_open_why( out_why, DMG_ERR_CHAIN, "%s belongs to genesis %s, this node runs %s; set storage.path", log->dir, has, runs );
  }
  *out_salt = dmg_load_u64le( h+52 );
  return DMG_OK;
}

/* A new last segment: written and synced beside, renamed, its name synced (S8.6). */
static dmg_err_t seg_new( dmg_block_log_t * log, uint64_t number ) {
  char path[ 4096 ], tmp[ 4096 ];
  seg_path( log, number, "", path );
  seg_path( log, number, ".new", tmp );
  uint8_t h[ SEG_HEAD ];
  uint64_t salt;
  dmg_os_random( &salt, sizeof salt );
  seg_head( log, number, salt, h );
  dmg_file_t * file;
  DMG_TRY( dmg_vfs_open( log->vfs, tmp, true, &file ) );
  dmg_err_t err = dmg_file_allocate( file, log->segment_sz );
  if( !err ) err = dmg_file_pwrite( file, h, sizeof h, 0 );
  if( !err ) err = dmg_file_sync( file );
  if( !err ) err = dmg_vfs_rename( log->vfs, tmp, path );
  if( !err ) err = dmg_vfs_dir_sync( log->vfs, log->dir );
  if( err ) { dmg_file_close( file ); return err; }
  pthread_mutex_lock( &log->lock );
  err = seg_add( log, (seg_t){ .number = number, .salt = salt, .has_salt = true, .has_height = true, .sz = SEG_HEAD } );
  dmg_file_t * old = log->file;
  if( !err ) { log->file = file; log->synced_sz = SEG_HEAD; }
  pthread_mutex_unlock( &log->lock );
  dmg_file_close( err ? file : old );
  return err;
}

/* ---- Records ---- */

static uint64_t rec_sz( uint32_t stored_sz ) { return ( (uint64_t)REC_HEAD+stored_sz+7u )&~(uint64_t)7u; }

static uint32_t rec_crc( uint64_t salt, uint8_t const * head, dmg_span_t payload ) {
  uint8_t s[ 8 ];
  dmg_store_u64le( s, salt );
  return dmg_crc32c( dmg_crc32c( dmg_crc32c( 0, DMG_SPAN( s ) ), dmg_span( head, 64 ) ), payload );
}

/* Form only; the checksum comes with the payload. */
static bool rec_head_parse( uint8_t const * h, rec_t * r ) {
  if( memcmp( h, "DBR1", 4 ) ) return false;
  *r = (rec_t){ .kind = h[4], .codec = h[5], .part = dmg_load_u16le( h+6 ), .height = dmg_load_u64le( h+8 ), .hash = dmg_hash_load( h+16 ),
                .stored_sz = dmg_load_u32le( h+48 ), .raw_sz = dmg_load_u32le( h+52 ), .durable = dmg_load_u64le( h+56 ) };
  return r->kind>=KIND_BLOCK && r->kind<=KIND_RUNS && r->codec<=1 && r->raw_sz<=DMG_BLOCK_LOG_RAW_MAX && r->stored_sz<=STORED_MAX && ( r->codec || r->stored_sz==r->raw_sz );
}

/* One record with its stored payload into buf (cleared first).  NOT_FOUND: no valid record there. */
static dmg_err_t rec_read( dmg_file_t * file, uint64_t salt, uint64_t off, rec_t * out_rec, dmg_buf_t * buf ) {
  uint8_t h[ REC_HEAD ];
  size_t got;
  DMG_TRY( dmg_file_pread( file, h, sizeof h, off, &got ) );
  rec_t r;
  if( got!=REC_HEAD || !rec_head_parse( h, &r ) ) return DMG_ERR_NOT_FOUND;
  dmg_buf_clear( buf );
  uint8_t * p = h;
  if( r.stored_sz ) {
    DMG_TRY( dmg_buf_grow( buf, r.stored_sz, &p ) );
    DMG_TRY( dmg_file_pread( file, p, r.stored_sz, off+REC_HEAD, &got ) );
    if( got!=r.stored_sz ) return DMG_ERR_NOT_FOUND;
  }
  if( rec_crc( salt, h, dmg_buf_span( buf ) )!=dmg_load_u32le( h+64 ) ) return DMG_ERR_NOT_FOUND;
  *out_rec = r;
  return DMG_OK;
}

/* The first sz bytes of a record's raw payload.  NOT_FOUND: no such record there. */
static dmg_err_t rec_read_head( dmg_file_t * file, uint64_t off, rec_t * out_rec, uint8_t * out, size_t sz ) {
  uint8_t h[ REC_HEAD ], stored[ 16*1024 ];
  size_t got;
  DMG_TRY( dmg_file_pread( file, h, sizeof h, off, &got ) );
  if( got!=REC_HEAD || !rec_head_parse( h, out_rec ) || out_rec->raw_sz<sz ) return DMG_ERR_NOT_FOUND;
  off += REC_HEAD;
  if( !out_rec->codec ) {
    DMG_TRY( dmg_file_pread( file, out, sz, off, &got ) );
    return got==sz ? DMG_OK : DMG_ERR_NOT_FOUND;
  }
  ZSTD_DCtx * d = ZSTD_createDCtx();
  if( !d ) return DMG_ERR_NOMEM;
  dmg_err_t err = DMG_OK;
  ZSTD_outBuffer to = { out, sz, 0 };
  for( uint64_t at = 0; !err && to.pos<sz && at<out_rec->stored_sz; at += sizeof stored ) {
    size_t want = out_rec->stored_sz-at<sizeof stored ? (size_t)( out_rec->stored_sz-at ) : sizeof stored;
    err = dmg_file_pread( file, stored, want, off+at, &got );
    if( !err && got!=want ) err = DMG_ERR_NOT_FOUND;
    for( ZSTD_inBuffer from = { stored, got, 0 }; !err && from.pos<from.size && to.pos<sz; ) if( ZSTD_isError( ZSTD_decompressStream( d, &to, &from ) ) ) err = DMG_ERR_NOT_FOUND;
  }
  ZSTD_freeDCtx( d );
  return err ? err : to.pos==sz ? DMG_OK : DMG_ERR_NOT_FOUND;
}

/* Appends the raw payload to out. */
static dmg_err_t rec_unpack( rec_t const * r, dmg_span_t stored, dmg_buf_t * out ) {
  if( !r->codec ) return dmg_buf_append( out, stored.p, stored.sz );
  size_t before = out->sz;
  uint8_t * p;
  DMG_TRY( dmg_buf_grow( out, r->raw_sz ? r->raw_sz : 1, &p ) );
  size_t n = ZSTD_decompress( p, r->raw_sz, stored.p, stored.sz );
  out->sz = before+r->raw_sz;
  if( !ZSTD_isError( n ) && n==r->raw_sz ) return DMG_OK;
  out->sz = before;
  return DMG_ERR_CORRUPT;
}

/* Writes a record to the last segment, a new one if it does not fit. */
static dmg_err_t append( dmg_block_log_t * log, uint8_t kind, uint16_t part, uint64_t height, dmg_hash_t const * hash, dmg_span_t raw ) {
  DMG_ASSERT( raw.sz<=DMG_BLOCK_LOG_RAW_MAX );
  if( log->broken ) return log->broken;
  uint8_t * h = log->out;
  uint8_t codec = 0;
  size_t stored_sz = raw.sz;
  if( raw.sz>ZSTD_ABOVE ) {
    size_t n = ZSTD_compressCCtx( log->cctx, h+REC_HEAD, STORED_MAX, raw.p, raw.sz, ZSTD_LEVEL );
    if( !ZSTD_isError( n ) && n<raw.sz ) { codec = 1; stored_sz = n; }
  }
  if( !codec && raw.sz ) memcpy( h+REC_HEAD, raw.p, raw.sz );
  uint64_t sz = rec_sz( (uint32_t)stored_sz );
  memset( h+REC_HEAD+stored_sz, 0, sz-REC_HEAD-stored_sz );

  dmg_err_t err = DMG_OK;
  if( log->seg[ log->seg_cnt-1 ].sz>SEG_HEAD && log->seg[ log->seg_cnt-1 ].sz+sz>log->segment_sz ) {
    /* S9.4: the old one is whole before the new one exists. */
    err = dmg_file_sync( log->file );
    if( !err ) err = seg_new( log, log->seg[ log->seg_cnt-1 ].number+1 );
    if( err ) return log->broken = err;
  }
  seg_t * seg = log->seg+log->seg_cnt-1;
  rec_t r = { .kind = kind, .codec = codec, .part = part, .height = height, .hash = *hash, .stored_sz = (uint32_t)stored_sz, .raw_sz = (uint32_t)raw.sz, .durable = log->synced_sz };
  memcpy( h, "DBR1", 4 );
  h[4] = kind;
  h[5] = codec;
  dmg_store_u16le( h+6, part );
  dmg_store_u64le( h+8, height );
  memcpy( h+16, hash->b, 32 );
  dmg_store_u32le( h+48, r.stored_sz );
  dmg_store_u32le( h+52, r.raw_sz );
  dmg_store_u64le( h+56, r.durable );
  dmg_store_u32le( h+64, rec_crc( seg->salt, h, dmg_span( h+REC_HEAD, stored_sz ) ) );
  err = dmg_file_pwrite( log->file, h, sz, seg->sz );
  if( err ) return log->broken = err;
  pos_t pos = { seg->number, seg->sz };
  pthread_mutex_lock( &log->lock );
  seg->sz += sz;
  if( height>seg->height_max ) seg->height_max = height;
  err = map_record( log, &r, pos );
  pthread_mutex_unlock( &log->lock );
  return err;
}

/* ---- Open: scan ---- */

typedef struct { uint64_t * number; size_t cnt, cap; dmg_err_t err; char stale[ 256 ]; } names_t;

static void each_name( void * ctx, char const * name ) {
  names_t * n = ctx;
  uint64_t v = 0;
  size_t i = 0;
  for( ; i<16; i++ ) {
    char c = name[ i ];
    if( ( c<'0' || c>'9' ) && ( c<'a' || c>'f' ) ) return;
    v = v<<4|(uint64_t)( c<='9' ? c-'0' : c-'a'+10 );
  }
  if( !strcmp( name+i, ".blk.new" ) ) { snprintf( n->stale, sizeof n->stale, "%s", name ); return; }
  if( strcmp( name+i, ".blk" ) ) return;
  if( n->cnt==n->cap ) {
    n->cap = n->cap ? 2*n->cap : 64;
    void * q = realloc( n->number, n->cap*sizeof *n->number );
    if( !q ) { n->err = DMG_ERR_NOMEM; return; }
    n->number = q;
  }
  n->number[ n->cnt++ ] = v;
}

static int number_cmp( void const * a, void const * b ) { uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b; return ( x>y )-( x<y ); }

/* The next place at or after off, in 8-byte steps, where a valid record stands; file_sz if none. */
static dmg_err_t next_good( dmg_file_t * file, uint64_t salt, uint64_t off, uint64_t file_sz, rec_t * out_rec, dmg_buf_t * buf, uint64_t * out_off ) {
  uint8_t * win = malloc( WINDOW );
  if( !win ) return DMG_ERR_NOMEM;
  dmg_err_t err = DMG_OK;
  while( off<file_sz && !err ) {
    size_t got;
    if(( err = dmg_file_pread( file, win, WINDOW, off, &got ) ) || got<4 ) break;
    size_t i = 0;
    for( ; i+4<=got; i+=8 ) {
      if( memcmp( win+i, "DBR1", 4 ) ) continue;
      err = rec_read( file, salt, off+i, out_rec, buf );
      if( !err ) { *out_off = off+i; free( win ); return DMG_OK; }
      if( err!=DMG_ERR_NOT_FOUND ) break;
      err = DMG_OK;
    }
    off += i;
  }
  free( win );
  if( err ) return err;
  *out_off = file_sz;
  return DMG_OK;
}

/* S9.3.  is_last: a torn tail may end it, else every byte was synced. */
static dmg_err_t scan( dmg_block_log_t * log, uint64_t number, bool is_last, dmg_file_t ** out_file, dmg_open_why_t * out_why ) {
  char path[ 4096 ];
  seg_path( log, number, "", path );
  dmg_file_t * file;
  DMG_TRY( dmg_vfs_open( log->vfs, path, false, &file ) );
  seg_t seg = { .number = number, .has_salt = true, .has_height = true };
  uint64_t file_sz = 0;
  dmg_buf_t buf = dmg_buf( STORED_MAX );
  dmg_err_t err = seg_head_read( log, file, number, &seg.salt, out_why );
  if( !err ) err = dmg_file_size( file, &file_sz );

  /* First pass: where the valid records are and what was synced for sure. */
  uint64_t durable = SEG_HEAD, end = SEG_HEAD;
  for( uint64_t off=SEG_HEAD; !err && off<file_sz; ) {
    rec_t r;
    uint64_t at;
    if(( err = next_good( file, seg.salt, off, file_sz, &r, &buf, &at ) ) || at==file_sz ) break;
    if( r.durable>durable ) durable = r.durable;
    off = at+rec_sz( r.stored_sz );
  }
  if( !is_last ) durable = file_sz;
  /* Second pass: take them in order; the first bad place at or past durable ends it. */
  for( uint64_t off=SEG_HEAD; !err && off<file_sz; ) {
    rec_t r;
    uint64_t at;
    if(( err = next_good( file, seg.salt, off, file_sz, &r, &buf, &at ) )) break;
    if( at!=off ) {
      if( off>=durable ) break;
      if( at==file_sz && !is_last ) {
        /* The unwritten end of an older segment is no hole. */
        uint8_t * rest = malloc( WINDOW );
        bool is_hole = false;
        if( !rest ) { err = DMG_ERR_NOMEM; break; }
        for( uint64_t o=off; o<file_sz && !err && !is_hole; o+=WINDOW ) {
          size_t got;
          err = dmg_file_pread( file, rest, WINDOW, o, &got );
          if( !err ) is_hole = !dmg_is_zero( rest, got );
        }
        free( rest );
        log->bad_cnt += is_hole;
        break;
      }
      log->bad_cnt++;
      DMG_LOG_ERROR( "block_record_bad", "%s bytes %" PRIu64 "..%" PRIu64 " hold no good record though they were synced; what they held must be fetched again", path, off, at );
      if( at==file_sz ) { end = durable; break; }
    }
    err = map_record( log, &r, (pos_t){ number, at } );
    if( r.height>seg.height_max ) seg.height_max = r.height;
    off = end = at+rec_sz( r.stored_sz );
  }
  dmg_buf_fini( &buf );
  if( end>file_sz ) end = file_sz;               /* the last record's padding may be cut short */
  seg.sz = ( end+7u )&~(uint64_t)7u;
  if( !err && is_last && seg.sz!=file_sz ) {
    if( file_sz>seg.sz ) {
      log->cut_sz += file_sz-seg.sz;
      DMG_LOG_WARN( "block_log_cut", "%s: %" PRIu64 " bytes of a torn tail cut", path, file_sz-seg.sz );
    }
    /* Nothing old may stand behind the end, it would look like a record after the next crash. */
    err = dmg_file_truncate( file, seg.sz );
  }
  if( !err && is_last ) err = dmg_file_allocate( file, log->segment_sz );
  if( !err && is_last ) err = dmg_file_sync( file );
  if( !err ) err = seg_add( log, seg );
  if( err ) { dmg_file_close( file ); return err; }
  if( is_last ) { *out_file = file; log->synced_sz = seg.sz; }
  else          dmg_file_close( file );
  return DMG_OK;
}

/* From the first segment: 1 if it is the very first, else its first BLOCK's height. */
static dmg_err_t oldest_find( dmg_block_log_t * log ) {
  uint64_t oldest = 1;
  seg_t const * seg = log->seg;
  if( seg->number ) {
    char path[ 4096 ];
    seg_path( log, seg->number, "", path );
    dmg_file_t * file;
    DMG_TRY( dmg_vfs_open( log->vfs, path, false, &file ) );
    uint64_t file_sz = 0, salt = 0, at;
    dmg_buf_t buf = dmg_buf( STORED_MAX );
    rec_t r = { 0 };
    dmg_err_t err = seg_head_read( log, file, seg->number, &salt, NULL );
    if( !err ) err = dmg_file_size( file, &file_sz );
    oldest = log->has_tip ? log->tip_height+1 : 1;          /* no BLOCK in it: all that is here comes later */
    for( uint64_t off=SEG_HEAD; !err && off<file_sz; off = at+rec_sz( r.stored_sz ) ) {
      err = next_good( file, salt, off, file_sz, &r, &buf, &at );
      if( err || at==file_sz ) break;
      if( r.kind==KIND_BLOCK ) { oldest = r.height; break; }
    }
    dmg_buf_fini( &buf );
    dmg_file_close( file );
    if( err ) return err;
  }
  pthread_mutex_lock( &log->lock );
  log->oldest = oldest;
  pthread_mutex_unlock( &log->lock );
  return DMG_OK;
}

static dmg_err_t kv_fixed( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_span_t key, uint8_t * out, size_t sz ) {
  dmg_kv_val_t v;
  DMG_TRY( dmg_kv_get( kv, cf, NULL, key, &v ) );
  bool fits = v.v.sz==sz;
  if( fits ) memcpy( out, v.v.p, sz );
  dmg_kv_val_release( &v );
  return fits ? DMG_OK : DMG_ERR_CORRUPT;
}

/* S8.5: the state must not be ahead of its blocks. */
static dmg_err_t head_check( dmg_block_log_t * log, dmg_open_why_t * out_why ) {
  uint8_t b[ 24 ];
  dmg_hash_t head;
  if( kv_fixed( log->kv, DMG_KV_META, DMG_SPAN_STR( "hash" ), head.b, 32 ) || kv_fixed( log->kv, DMG_KV_BHASH, dmg_hash_span( &head ), b, 24 ) ) return DMG_OK;
  uint64_t height = dmg_load_u64be( b ), number = dmg_load_u64be( b+8 ), salt;
  seg_t const * seg = seg_find( log, number );
  char path[ 4096 ];
  seg_path( log, number, "", path );
  dmg_buf_t buf = dmg_buf( STORED_MAX );
  dmg_file_t * file = NULL;
  rec_t r;
  dmg_err_t err = seg ? dmg_vfs_open( log->vfs, path, false, &file ) : DMG_ERR_NOT_FOUND;
  if( !err ) err = seg_head_read( log, file, number, &salt, out_why );
  if( !err ) err = rec_read( file, salt, dmg_load_u64be( b+16 ), &r, &buf );
  if( !err && !dmg_hash_eq( &r.hash, &head ) ) err = DMG_ERR_NOT_FOUND;
  dmg_file_close( file );
  dmg_buf_fini( &buf );
  if( err!=DMG_ERR_NOT_FOUND ) return err;
  return dmg_open_why( out_why, DMG_ERR_CORRUPT, "the state is at height %" PRIu64 " but %s lacks that block: blocks are missing; " DMG_STORE_REPAIR, height, log->dir );
}

static dmg_err_t open_all( dmg_block_log_t * log, dmg_open_why_t * out_why ) {
  DMG_TRY( dmg_vfs_mkdirs( log->vfs, log->dir ) );
  names_t names = { 0 };
  dmg_err_t err = dmg_vfs_list( log->vfs, log->dir, each_name, &names );
  if( !err ) err = names.err;
  if( !err && names.stale[0] ) {
    char path[ 4096+256 ];
    snprintf( path, sizeof path, "%s/%s", log->dir, names.stale );
    err = dmg_vfs_unlink( log->vfs, path );
    if( !err ) err = dmg_vfs_dir_sync( log->vfs, log->dir );
  }
  if( names.cnt ) qsort( names.number, names.cnt, sizeof *names.number, number_cmp );
  uint8_t b[ 16 ];
  uint64_t from = 0;
  dmg_hash_t head;
  if( !err && !kv_fixed( log->kv, DMG_KV_META, DMG_SPAN_STR( "block_pos" ), b, 16 ) ) from = dmg_load_u64be( b );
  if( !err && !kv_fixed( log->kv, DMG_KV_META, DMG_SPAN_STR( "height" ), b, 8 ) && !kv_fixed( log->kv, DMG_KV_META, DMG_SPAN_STR( "hash" ), head.b, 32 ) ) {
    /* Genesis (height 0) is not final by a record of ours, and the head may lie in a segment that need not be scanned. */
    log->has_tip    = true;
    log->tip_height = dmg_load_u64be( b );
    log->tip_hash   = head;
  }
  for( size_t i=0; i<names.cnt && !err; i++ ) {
    if( i && names.number[ i ]!=names.number[ i-1 ]+1 ) { err = dmg_open_why( out_why, DMG_ERR_CORRUPT, "%s lacks segment %016" PRIx64 "; " DMG_STORE_REPAIR, log->dir, names.number[ i-1 ]+1 ); break; }
    if( names.number[ i ]<from && i+1<names.cnt ) err = seg_add( log, (seg_t){ .number = names.number[ i ] } );
    else                                          err = scan( log, names.number[ i ], i+1==names.cnt, &log->file, out_why );
  }
  if( !err && names.cnt && from>names.number[ names.cnt-1 ] )
    err = dmg_open_why( out_why, DMG_ERR_CORRUPT, "%s ends with segment %016" PRIx64 " but the state was committed with %016" PRIx64 ": blocks are missing; " DMG_STORE_REPAIR, log->dir, names.number[ names.cnt-1 ], from );
  if( !err && !names.cnt ) err = seg_new( log, from );
  if( !err ) err = head_check( log, out_why );
  if( !err ) err = oldest_find( log );
  free( names.number );
  return err;
}

dmg_err_t dmg_block_log_open( dmg_block_log_cfg_t const * cfg, dmg_vfs_t * vfs, dmg_kv_t * kv, dmg_block_log_t ** out_log, dmg_open_why_t * out_why ) {
  if( out_why ) out_why->text[0] = 0;
  dmg_block_log_t * log = calloc( 1, sizeof *log );
  if( !log ) return DMG_ERR_NOMEM;
  pthread_mutex_init( &log->lock, NULL );
  log->vfs          = vfs;
  log->kv           = kv;
  log->genesis_hash = cfg->genesis_hash;
  log->segment_sz   = cfg->segment_sz ? cfg->segment_sz : DMG_BLOCK_LOG_SEGMENT_SZ;
  log->live_sz_max  = cfg->live_sz_max ? cfg->live_sz_max : 256u<<20;
  log->dir          = strdup( cfg->dir );
  dmg_err_t err = log->dir ? open_all( log, out_why ) : DMG_ERR_NOMEM;
  if( err ) {
    if( out_why && !out_why->text[0] ) dmg_open_why( out_why, err, "%s: %s", cfg->dir, dmg_err_text( err ) );
    dmg_block_log_close( log );
    return err;
  }
  uint8_t b[ 8 ];
  if( !kv_fixed( kv, DMG_KV_META, DMG_SPAN_STR( "height" ), b, 8 ) ) dmg_block_log_forget( log, dmg_load_u64be( b ) );
  *out_log = log;
  return DMG_OK;
}

void dmg_block_log_close( dmg_block_log_t * log ) {
  if( !log ) return;
  while( log->last ) map_remove( log, log->last );
  dmg_file_close( log->file );
  ZSTD_freeCCtx( log->cctx );
  free( log->out );
  free( log->raw );
  free( log->seg );
  free( log->dir );
  pthread_mutex_destroy( &log->lock );
  free( log );
}

/* ---- Writing ---- */

/* What writing needs, 8 MiB, comes with the first write: a log that is only read stays small. */
static dmg_err_t writer_ready( dmg_block_log_t * log ) {
  if( !log->cctx ) log->cctx = ZSTD_createCCtx();
  if( !log->out )  log->out  = malloc( rec_sz( STORED_MAX ) );
  if( !log->raw )  log->raw  = malloc( DMG_BLOCK_LOG_RAW_MAX );
  return log->cctx && log->out && log->raw ? DMG_OK : DMG_ERR_NOMEM;
}

dmg_err_t dmg_block_log_append_block( dmg_block_log_t * log, uint64_t height, dmg_hash_t const * hash, dmg_span_t header, dmg_span_t body ) {
  if( header.sz>DMG_BLOCK_LOG_RAW_MAX || body.sz>DMG_BLOCK_LOG_RAW_MAX-header.sz ) return DMG_ERR_LIMIT;
  size_t sz = header.sz+body.sz;
  if( map_find( log, hash ) ) return DMG_OK;     /* only this thread changes the map */
  if( log->live_cnt>=DMG_BLOCK_LOG_LIVE_MAX || log->live_sz+sz>log->live_sz_max ) return DMG_ERR_FULL;
  DMG_TRY( writer_ready( log ) );
  if( header.sz ) memcpy( log->raw, header.p, header.sz );
  if( body.sz )   memcpy( log->raw+header.sz, body.p, body.sz );
  return append( log, KIND_BLOCK, 0, height, hash, dmg_span( log->raw, sz ) );
}

/* The blob of receipts as a stream, cut into parts. */
typedef struct { dmg_block_log_t * log; entry_t * e; size_t sz; uint16_t part; } parts_t;

static dmg_err_t parts_flush( parts_t * p ) {
  if( p->part==DMG_BLOCK_LOG_PARTS_MAX ) return DMG_ERR_LIMIT;
  DMG_TRY( append( p->log, KIND_RECEIPTS, p->part++, p->e->height, &p->e->hash, dmg_span( p->log->raw, p->sz ) ) );
  p->sz = 0;
  return DMG_OK;
}
static dmg_err_t parts_add( parts_t * p, dmg_span_t bytes ) {
  while( bytes.sz ) {
    size_t n = DMG_BLOCK_LOG_RAW_MAX-p->sz<bytes.sz ? DMG_BLOCK_LOG_RAW_MAX-p->sz : bytes.sz;
    memcpy( p->log->raw+p->sz, bytes.p, n );
    p->sz   += n;
    bytes.p += n;
    bytes.sz -= n;
    if( p->sz==DMG_BLOCK_LOG_RAW_MAX ) DMG_TRY( parts_flush( p ) );
  }
  return DMG_OK;
}

dmg_err_t dmg_block_log_append_receipts( dmg_block_log_t * log, dmg_hash_t const * hash, dmg_span_t const * items, uint32_t cnt ) {
  entry_t * e = map_find( log, hash );
  if( !e ) return DMG_ERR_NOT_FOUND;
  if( e->has_all_parts ) return DMG_OK;
  uint64_t off = 4+4*(uint64_t)cnt;
  if( off>DMG_BLOCK_LOG_RAW_MAX ) return DMG_ERR_LIMIT;
  uint64_t sum = off;
  for( uint32_t i=0; i<cnt; i++ ) sum += items[ i ].sz;
  if( sum>=(uint64_t)DMG_BLOCK_LOG_PARTS_MAX*DMG_BLOCK_LOG_RAW_MAX || sum>UINT32_MAX ) return DMG_ERR_LIMIT;
  DMG_TRY( writer_ready( log ) );
  parts_t p = { .log = log, .e = e };
  uint8_t b[ 4 ];
  dmg_store_u32le( b, cnt );
  DMG_TRY( parts_add( &p, DMG_SPAN( b ) ) );
  for( uint32_t i=0; i<cnt; i++ ) {
    dmg_store_u32le( b, (uint32_t)off );
    DMG_TRY( parts_add( &p, DMG_SPAN( b ) ) );
    off += items[ i ].sz;
  }
  for( uint32_t i=0; i<cnt; i++ ) DMG_TRY( parts_add( &p, items[ i ] ) );
  /* The last part is the one that is not full, empty if it must be. */
  return parts_flush( &p );
}

dmg_err_t dmg_block_log_append_final( dmg_block_log_t * log, dmg_hash_t const * hash, dmg_hash_t const * parent, dmg_span_t cert ) {
  uint8_t raw[ 32+512 ];
  if( cert.sz>512 ) return DMG_ERR_LIMIT;
  entry_t * e = map_find( log, hash );
  if( !e ) return log->has_tip && dmg_hash_eq( hash, &log->tip_hash ) ? DMG_OK : DMG_ERR_NOT_FOUND;
  if( e->is_final ) return DMG_OK;
  if( log->has_tip && e->height!=log->tip_height+1 ) return DMG_ERR_INVALID;
  DMG_TRY( writer_ready( log ) );
  memcpy( raw, parent->b, 32 );
  if( cert.sz ) memcpy( raw+32, cert.p, cert.sz );
  return append( log, KIND_FINAL, 0, e->height, hash, dmg_span( raw, 32+cert.sz ) );
}

dmg_err_t dmg_block_log_sync( dmg_block_log_t * log ) {
  if( log->broken ) return log->broken;
  uint64_t sz = log->seg[ log->seg_cnt-1 ].sz;
  if( sz==log->synced_sz ) return DMG_OK;
  dmg_err_t err = dmg_file_sync( log->file );
  if( err ) return log->broken = err;
  log->synced_sz = sz;
  return DMG_OK;
}

static void put_pos( uint8_t * p, pos_t pos ) { dmg_store_u64be( p, pos.seg ); dmg_store_u64be( p+8, pos.off ); }
static pos_t get_pos( uint8_t const * p ) { return (pos_t){ dmg_load_u64be( p ), dmg_load_u64be( p+8 ) }; }
enum { BIDX_HEAD = 32+16+16+4, BHASH_SZ = 24, TIDX_SZ = 16 };

dmg_err_t dmg_block_log_index( dmg_block_log_t * log, dmg_hash_t const * hash, dmg_hash_t const * tx_ids, uint32_t tx_cnt, dmg_arena_t * arena, dmg_kv_op_t ** out_ops, size_t * out_cnt ) {
  entry_t * e = map_find( log, hash );
  if( !e ) return DMG_ERR_NOT_FOUND;
  DMG_ASSERT( e->is_final && e->block.off );
  dmg_kv_op_t * op = dmg_arena_alloc( arena, ( (size_t)tx_cnt+3 )*sizeof *op );
  size_t bidx_sz = BIDX_HEAD+16*(size_t)e->part_cnt, sz = 8+bidx_sz+BHASH_SZ+16+32+TIDX_SZ*(size_t)tx_cnt;
  uint8_t * p = dmg_arena_alloc( arena, sz );
  if( !op || !p ) return DMG_ERR_NOMEM;
  size_t n = 0;
  dmg_store_u64be( p, e->height );
  uint8_t * height = p;
  p += 8;
  op[ n++ ] = (dmg_kv_op_t){ .cf = DMG_KV_BIDX, .key = dmg_span( height, 8 ), .value = dmg_span( p, bidx_sz ) };
  memcpy( p, e->hash.b, 32 );
  put_pos( p+32, e->block );
  put_pos( p+48, e->final );
  dmg_store_u32be( p+64, e->part_cnt );
  for( uint32_t i=0; i<e->part_cnt; i++ ) put_pos( p+BIDX_HEAD+(size_t)16*i, e->part[ i ] );
  p += bidx_sz;
  memcpy( p, hash->b, 32 );
  op[ n++ ] = (dmg_kv_op_t){ .cf = DMG_KV_BHASH, .key = dmg_span( p, 32 ), .value = dmg_span( p+32, BHASH_SZ ) };
  dmg_store_u64be( p+32, e->height );
  put_pos( p+40, e->block );
  p += 32+BHASH_SZ;
  /* S8.5: open scans from the first segment that holds something a restart still needs. */
  uint64_t seg = log->seg[ log->seg_cnt-1 ].number;
  for( entry_t * x=log->first; x; x=x->next ) if( x->height>e->height && x->block.seg<seg ) seg = x->block.seg;
  put_pos( p, (pos_t){ seg, 0 } );
  op[ n++ ] = (dmg_kv_op_t){ .cf = DMG_KV_META, .key = DMG_SPAN_STR( "block_pos" ), .value = dmg_span( p, 16 ) };
  p += 16;
  for( uint32_t i=0; i<tx_cnt; i++, p+=TIDX_SZ ) {
    dmg_store_u64be( p, e->height );
    dmg_store_u64be( p+8, i );
    op[ n++ ] = (dmg_kv_op_t){ .cf = DMG_KV_TIDX, .key = dmg_hash_span( tx_ids+i ), .value = dmg_span( p, TIDX_SZ ) };
  }
  *out_ops = op;
  *out_cnt = n;
  return DMG_OK;
}

void dmg_block_log_forget( dmg_block_log_t * log, uint64_t height ) {
  pthread_mutex_lock( &log->lock );
  for( entry_t * e=log->first, * next; e; e=next ) {
    next = e->next;
    if( e->height<=height ) map_remove( log, e );
  }
  pthread_mutex_unlock( &log->lock );
}

/* ---- Reading ---- */

/* What is read of a record: all of it, as stored; or the first head_sz bytes, unpacked. */
typedef struct { dmg_buf_t * stored; uint8_t * head; size_t head_sz; } want_t;

static dmg_err_t want_read( dmg_file_t * file, uint64_t salt, uint64_t off, rec_t * out_rec, want_t const * w ) {
  return w->stored ? rec_read( file, salt, off, out_rec, w->stored ) : rec_read_head( file, off, out_rec, w->head, w->head_sz );
}

/* A record by place: the last segment's file is open, others are opened for the call. */
static dmg_err_t record_at( dmg_block_log_t * log, pos_t pos, uint8_t kind, dmg_hash_t const * hash, rec_t * out_rec, want_t const * want ) {
  pthread_mutex_lock( &log->lock );
  seg_t * seg = seg_find( log, pos.seg );
  bool is_there = seg, is_last = seg && seg==log->seg+log->seg_cnt-1;
  uint64_t salt = seg ? seg->salt : 0;
  bool has_salt = seg && seg->has_salt;
  dmg_err_t err = DMG_ERR_NOT_FOUND;
  /* Held while reading: a rotation closes the file, a cut changes it. */
  if( is_last ) err = want_read( log->file, salt, pos.off, out_rec, want );
  pthread_mutex_unlock( &log->lock );
  if( !is_there ) return DMG_ERR_PRUNED;
  if( !is_last ) {
    char path[ 4096 ];
    seg_path( log, pos.seg, "", path );
    dmg_file_t * file;
    err = dmg_vfs_open( log->vfs, path, false, &file );
    if( err ) return err==DMG_ERR_NOT_FOUND ? DMG_ERR_PRUNED : err;
    if( !has_salt ) err = seg_head_read( log, file, pos.seg, &salt, NULL );
    if( !err ) err = want_read( file, salt, pos.off, out_rec, want );
    dmg_file_close( file );
  }
  if( !err && ( out_rec->kind!=kind || !dmg_hash_eq( &out_rec->hash, hash ) ) ) err = DMG_ERR_NOT_FOUND;
  if( err!=DMG_ERR_NOT_FOUND ) return err;
  DMG_LOG_ERROR( "block_record_bad", "%s/%016" PRIx64 ".blk at %" PRIu64 " was good and is not any more", log->dir, pos.seg, pos.off );
  return DMG_ERR_CORRUPT;
}

static dmg_err_t payload_at( dmg_block_log_t * log, pos_t pos, uint8_t kind, dmg_hash_t const * hash, dmg_buf_t * out ) {
  dmg_buf_t stored = dmg_buf( STORED_MAX );
  rec_t r;
  dmg_err_t err = record_at( log, pos, kind, hash, &r, &(want_t){ .stored = &stored } );
  if( !err ) err = rec_unpack( &r, dmg_buf_span( &stored ), out );
  dmg_buf_fini( &stored );
  return err;
}

dmg_err_t dmg_block_log_tip( dmg_block_log_t * log, uint64_t * out_height, dmg_hash_t * out_hash ) {
  pthread_mutex_lock( &log->lock );
  bool has = log->has_tip;
  if( has ) { *out_height = log->tip_height; *out_hash = log->tip_hash; }
  pthread_mutex_unlock( &log->lock );
  return has ? DMG_OK : DMG_ERR_NOT_FOUND;
}

static dmg_err_t block_pos( dmg_block_log_t * log, dmg_hash_t const * hash, pos_t * out_pos, uint64_t * out_height ) {
  pthread_mutex_lock( &log->lock );
  entry_t * e = map_find( log, hash );
  if( e ) { *out_pos = e->block; *out_height = e->height; }
  pthread_mutex_unlock( &log->lock );
  if( e ) return DMG_OK;
  uint8_t b[ BHASH_SZ ];
  DMG_TRY( kv_fixed( log->kv, DMG_KV_BHASH, dmg_hash_span( hash ), b, sizeof b ) );
  *out_height = dmg_load_u64be( b );
  *out_pos    = get_pos( b+8 );
  return DMG_OK;
}

dmg_err_t dmg_block_log_block( dmg_block_log_t * log, dmg_hash_t const * hash, dmg_buf_t * out_buf, uint64_t * out_height ) {
  pos_t pos;
  uint64_t height;
  DMG_TRY( block_pos( log, hash, &pos, &height ) );
  DMG_TRY( payload_at( log, pos, KIND_BLOCK, hash, out_buf ) );
  if( out_height ) *out_height = height;
  return DMG_OK;
}

dmg_err_t dmg_block_log_head( dmg_block_log_t * log, dmg_hash_t const * hash, uint8_t * out, size_t sz ) {
  pos_t pos;
  uint64_t height;
  rec_t r;
  DMG_TRY( block_pos( log, hash, &pos, &height ) );
  return record_at( log, pos, KIND_BLOCK, hash, &r, &(want_t){ .head = out, .head_sz = sz } );
}

dmg_err_t dmg_block_log_height( dmg_block_log_t * log, dmg_hash_t const * hash, uint64_t * out_height ) {
  pthread_mutex_lock( &log->lock );
  entry_t * e = map_find( log, hash );
  uint64_t height = e ? e->height : 0;
  pthread_mutex_unlock( &log->lock );
  if( !e ) {
    uint8_t b[ BHASH_SZ ];
    DMG_TRY( kv_fixed( log->kv, DMG_KV_BHASH, dmg_hash_span( hash ), b, sizeof b ) );
    height = dmg_load_u64be( b );
  }
  *out_height = height;
  return DMG_OK;
}

uint64_t dmg_block_log_oldest( dmg_block_log_t * log ) {
  pthread_mutex_lock( &log->lock );
  uint64_t oldest = log->oldest;
  pthread_mutex_unlock( &log->lock );
  return oldest;
}

/* The places of a final block, from the map or column bidx. */
typedef struct { dmg_hash_t hash; pos_t final; uint32_t part_cnt; pos_t part[ DMG_BLOCK_LOG_PARTS_MAX ]; } places_t;

static void places_of( entry_t const * e, places_t * out ) {
  out->hash     = e->hash;
  out->final    = e->final;
  out->part_cnt = e->has_all_parts ? e->part_cnt : 0;
  if( out->part_cnt ) memcpy( out->part, e->part, out->part_cnt*sizeof *out->part );
}

static dmg_err_t places_at( dmg_block_log_t * log, uint64_t height, places_t * out ) {
  pthread_mutex_lock( &log->lock );
  entry_t * e = log->first;
  while( e && !( e->is_final && e->height==height ) ) e = e->next;
  if( e ) places_of( e, out );
  pthread_mutex_unlock( &log->lock );
  if( e ) return DMG_OK;
  uint8_t key[ 8 ];
  dmg_store_u64be( key, height );
  dmg_kv_val_t v;
  DMG_TRY( dmg_kv_get( log->kv, DMG_KV_BIDX, NULL, DMG_SPAN( key ), &v ) );
  uint32_t n = v.v.sz>=BIDX_HEAD ? dmg_load_u32be( v.v.p+64 ) : UINT32_MAX;
  dmg_err_t err = n<=DMG_BLOCK_LOG_PARTS_MAX && v.v.sz==BIDX_HEAD+16*(size_t)n ? DMG_OK : DMG_ERR_CORRUPT;
  if( !err ) {
    out->hash     = dmg_hash_load( v.v.p );
    out->final    = get_pos( v.v.p+48 );
    out->part_cnt = n;
    for( uint32_t i=0; i<n; i++ ) out->part[ i ] = get_pos( v.v.p+BIDX_HEAD+(size_t)16*i );
  }
  dmg_kv_val_release( &v );
  return err;
}

static dmg_err_t places_by_hash( dmg_block_log_t * log, dmg_hash_t const * hash, places_t * out ) {
  pthread_mutex_lock( &log->lock );
  entry_t * e = map_find( log, hash );
  if( e ) places_of( e, out );
  pthread_mutex_unlock( &log->lock );
  if( e ) return DMG_OK;
  uint8_t b[ BHASH_SZ ];
  DMG_TRY( kv_fixed( log->kv, DMG_KV_BHASH, dmg_hash_span( hash ), b, sizeof b ) );
  DMG_TRY( places_at( log, dmg_load_u64be( b ), out ) );
  return dmg_hash_eq( &out->hash, hash ) ? DMG_OK : DMG_ERR_CORRUPT;
}

dmg_err_t dmg_block_log_hash( dmg_block_log_t * log, uint64_t height, dmg_hash_t * out_hash ) {
  places_t * p = malloc( sizeof *p );
  if( !p ) return DMG_ERR_NOMEM;
  dmg_err_t err = places_at( log, height, p );
  if( !err ) *out_hash = p->hash;
  free( p );
  return err;
}

dmg_err_t dmg_block_log_final( dmg_block_log_t * log, uint64_t height, dmg_hash_t * out_hash, dmg_hash_t * out_parent, dmg_buf_t * out_cert ) {
  places_t * p = malloc( sizeof *p );
  if( !p ) return DMG_ERR_NOMEM;
  dmg_buf_t raw = dmg_buf( 1024 );
  dmg_err_t err = places_at( log, height, p );
  if( !err ) err = payload_at( log, p->final, KIND_FINAL, &p->hash, &raw );
  if( !err && raw.sz<32 ) err = DMG_ERR_CORRUPT;
  if( !err && raw.sz>32 ) err = dmg_buf_append( out_cert, raw.p+32, raw.sz-32 );
  if( !err ) { *out_hash = p->hash; *out_parent = dmg_hash_load( raw.p ); }
  dmg_buf_fini( &raw );
  free( p );
  return err;
}

/* Part 0 of the receipts into first; count checked against its length. */
static dmg_err_t receipts_first( dmg_block_log_t * log, dmg_hash_t const * hash, places_t * p, dmg_buf_t * first, uint32_t * out_cnt ) {
  DMG_TRY( places_by_hash( log, hash, p ) );
  if( !p->part_cnt ) return DMG_ERR_NOT_FOUND;
  DMG_TRY( payload_at( log, p->part[0], KIND_RECEIPTS, hash, first ) );
  if( first->sz<4 ) return DMG_ERR_CORRUPT;
  *out_cnt = dmg_load_u32le( first->p );
  return 4+4*(uint64_t)*out_cnt<=first->sz ? DMG_OK : DMG_ERR_CORRUPT;
}

dmg_err_t dmg_block_log_receipts( dmg_block_log_t * log, dmg_hash_t const * hash, dmg_arena_t * arena, dmg_span_t ** out_items, uint32_t * out_cnt ) {
  places_t * p = malloc( sizeof *p );
  if( !p ) return DMG_ERR_NOMEM;
  dmg_buf_t blob = dmg_buf( (size_t)DMG_BLOCK_LOG_PARTS_MAX*DMG_BLOCK_LOG_RAW_MAX );
  uint32_t cnt = 0;
  dmg_err_t err = receipts_first( log, hash, p, &blob, &cnt );
  for( uint32_t k=1; !err && k<p->part_cnt; k++ ) err = payload_at( log, p->part[ k ], KIND_RECEIPTS, hash, &blob );
  free( p );
  dmg_span_t * item = err ? NULL : DMG_ARENA_NEW( arena, dmg_span_t, cnt ? cnt : 1 );
  dmg_span_t copy = err ? dmg_span( NULL, 0 ) : dmg_arena_dup( arena, dmg_buf_span( &blob ) );
  dmg_buf_fini( &blob );
  if( err ) return err;
  if( !item || !copy.p ) return DMG_ERR_NOMEM;
  for( uint32_t i=0; i<cnt; i++ ) {
    uint64_t lo = dmg_load_u32le( copy.p+4+4*(size_t)i ), hi = i+1<cnt ? dmg_load_u32le( copy.p+8+4*(size_t)i ) : copy.sz;
    if( lo>hi || hi>copy.sz || lo<4+4*(uint64_t)cnt ) return DMG_ERR_CORRUPT;
    item[ i ] = dmg_span( copy.p+lo, hi-lo );
  }
  *out_items = item;
  *out_cnt   = cnt;
  return DMG_OK;
}

dmg_err_t dmg_block_log_receipt( dmg_block_log_t * log, dmg_hash_t const * hash, uint32_t index, dmg_buf_t * out_buf ) {
  places_t * p = malloc( sizeof *p );
  if( !p ) return DMG_ERR_NOMEM;
  dmg_buf_t part = dmg_buf( DMG_BLOCK_LOG_RAW_MAX );
  uint32_t cnt = 0;
  size_t before = out_buf->sz;
  dmg_err_t err = receipts_first( log, hash, p, &part, &cnt );
  if( !err && index>=cnt ) err = DMG_ERR_NOT_FOUND;
  if( !err ) {
    uint64_t lo = dmg_load_u32le( part.p+4+4*(size_t)index );
    uint64_t hi = index+1<cnt ? dmg_load_u32le( part.p+8+4*(size_t)index ) : UINT64_MAX;
    if( lo>hi || lo<4+4*(uint64_t)cnt ) err = DMG_ERR_CORRUPT;
    uint32_t at = 0;                              /* the part that is in memory */
    for( uint32_t k=(uint32_t)( lo/DMG_BLOCK_LOG_RAW_MAX ); !err && k<p->part_cnt && (uint64_t)k*DMG_BLOCK_LOG_RAW_MAX<hi; k++ ) {
      if( k!=at ) { dmg_buf_clear( &part ); err = payload_at( log, p->part[ k ], KIND_RECEIPTS, hash, &part ); at = k; }
      if( err ) break;
      uint64_t base = (uint64_t)k*DMG_BLOCK_LOG_RAW_MAX, a = lo>base ? lo-base : 0, b = hi-base<part.sz ? hi-base : part.sz;
      if( a>part.sz ) err = DMG_ERR_CORRUPT;
      else if( a<b ) err = dmg_buf_append( out_buf, part.p+a, b-a );
    }
    if( !err && hi!=UINT64_MAX && out_buf->sz-before!=hi-lo ) err = DMG_ERR_CORRUPT;
  }
  if( err ) out_buf->sz = before;
  dmg_buf_fini( &part );
  free( p );
  return err;
}

dmg_err_t dmg_block_log_tx( dmg_block_log_t * log, dmg_hash_t const * tx_id, uint64_t * out_height, uint32_t * out_index ) {
  uint8_t b[ TIDX_SZ ];
  DMG_TRY( kv_fixed( log->kv, DMG_KV_TIDX, dmg_hash_span( tx_id ), b, sizeof b ) );
  *out_height = dmg_load_u64be( b );
  *out_index  = (uint32_t)dmg_load_u64be( b+8 );
  return DMG_OK;
}

void dmg_block_log_each_live( dmg_block_log_t * log, dmg_block_log_each_fn_t each, void * ctx ) {
  for( entry_t * e=log->first; e; e=e->next ) if( !e->is_final && e->block.off && ( !log->has_tip || e->height>log->tip_height ) ) each( ctx, e->height, &e->hash );
}

void dmg_block_log_stats( dmg_block_log_t * log, dmg_block_log_stats_t * out ) {
  pthread_mutex_lock( &log->lock );
  *out = (dmg_block_log_stats_t){ .segment_cnt = log->seg_cnt, .cut_sz = log->cut_sz, .bad_cnt = log->bad_cnt, .live_cnt = log->live_cnt, .live_sz = log->live_sz };
  for( size_t i=0; i<log->seg_cnt; i++ ) out->sz += log->seg[ i ].sz ? log->seg[ i ].sz : log->segment_sz;
  pthread_mutex_unlock( &log->lock );
}

/* ---- Prune and rewind ---- */

/* The greatest height in a segment that was not scanned at open: heads only. */
static dmg_err_t seg_height( dmg_block_log_t * log, seg_t * seg ) {
  if( seg->has_height ) return DMG_OK;
  char path[ 4096 ];
  seg_path( log, seg->number, "", path );
  dmg_file_t * file;
  DMG_TRY( dmg_vfs_open( log->vfs, path, false, &file ) );
  uint64_t file_sz = 0, salt = 0, max = 0;
  dmg_buf_t buf = dmg_buf( STORED_MAX );
  dmg_err_t err = seg_head_read( log, file, seg->number, &salt, NULL );
  if( !err ) err = dmg_file_size( file, &file_sz );
  for( uint64_t off=SEG_HEAD; !err && off<file_sz; ) {
    uint8_t h[ REC_HEAD ];
    size_t got;
    rec_t r;
    err = dmg_file_pread( file, h, sizeof h, off, &got );
    if( err ) break;
    if( got!=REC_HEAD || !rec_head_parse( h, &r ) ) {
      uint64_t at;
      err = next_good( file, salt, off, file_sz, &r, &buf, &at );
      if( err || at==file_sz ) break;
      off = at;
    }
    if( r.height>max ) max = r.height;
    off += rec_sz( r.stored_sz );
  }
  dmg_buf_fini( &buf );
  dmg_file_close( file );
  if( err ) return err;
  pthread_mutex_lock( &log->lock );
  seg->height_max = max;
  seg->has_height = true;
  pthread_mutex_unlock( &log->lock );
  return DMG_OK;
}

static dmg_err_t seg_drop( dmg_block_log_t * log, size_t i ) {
  char path[ 4096 ];
  seg_path( log, log->seg[ i ].number, "", path );
  pthread_mutex_lock( &log->lock );
  memmove( log->seg+i, log->seg+i+1, ( log->seg_cnt-i-1 )*sizeof *log->seg );
  log->seg_cnt--;
  pthread_mutex_unlock( &log->lock );
  return dmg_vfs_unlink( log->vfs, path );
}

dmg_err_t dmg_block_log_prune( dmg_block_log_t * log, uint64_t height ) {
  bool has_dropped = false;
  while( log->seg_cnt>1 ) {
    DMG_TRY( seg_height( log, log->seg ) );
    if( log->seg[0].height_max>=height ) break;
    uint64_t number = log->seg[0].number;
    bool is_needed = false;
    for( entry_t * e=log->first; e && !is_needed; e=e->next ) is_needed = e->block.seg==number;
    if( is_needed ) break;
    DMG_TRY( seg_drop( log, 0 ) );
    has_dropped = true;
  }
  if( !has_dropped ) return DMG_OK;
  DMG_TRY( oldest_find( log ) );
  return dmg_vfs_dir_sync( log->vfs, log->dir );
}

dmg_err_t dmg_block_log_rewind( dmg_block_log_t * log, uint64_t height ) {
  uint8_t b[ 8 ];
  dmg_hash_t hash;
  DMG_TRY( kv_fixed( log->kv, DMG_KV_META, DMG_SPAN_STR( "height" ), b, 8 ) );
  DMG_TRY( kv_fixed( log->kv, DMG_KV_META, DMG_SPAN_STR( "hash" ), hash.b, 32 ) );
  if( dmg_load_u64be( b )!=height ) return DMG_ERR_NOT_FOUND;
  pthread_mutex_lock( &log->lock );
  while( log->last ) map_remove( log, log->last );
  log->has_tip    = true;
  log->tip_height = height;
  log->tip_hash   = hash;
  pthread_mutex_unlock( &log->lock );
  return DMG_OK;
}
