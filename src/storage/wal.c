#include "storage/wal.h"
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEAD = 32, SMALL = 4096, WINDOW = 64*1024, ZERO_AHEAD = 256*1024, BIG = 64*1024, NAME_HEX = 16, PATH_SZ = 4096 };

/* The highest place a segment's records speak of: what the floor must reach before it may go. */
typedef struct { uint32_t epoch; uint64_t view; } place_t;
typedef struct { uint64_t number; place_t top; } seg_t;

struct dmg_wal {
  dmg_vfs_t *  vfs;
  char *       dir;
  uint64_t     segment_sz;
  seg_t *      seg;
  size_t       seg_cnt, seg_cap;
  dmg_file_t * file;                 /* of the last segment */
  uint64_t     end;                  /* of its records */
  uint64_t     synced_sz, zeroed_sz; /* of it: bytes synced; bytes that were written before, so that a sync has no metadata to write */
  uint64_t     seq;                  /* of the next record */
  bool         has_floor;
  place_t      floor;                /* the last one synced */
  uint64_t     floor_seg;            /* the segment that holds it */
  bool         has_floor_new;        /* appended, not synced yet */
  place_t      floor_new;
  dmg_err_t    broken;               /* of a failed write or sync */
  uint64_t     rec_cnt, cut_sz, sync_cnt;
};

static bool is_at_or_below( place_t a, place_t b ) { return a.epoch!=b.epoch ? a.epoch<b.epoch : a.view<=b.view; }

/* ---- Form of the payloads ---- */

/* The view that a record speaks of; false: not the form of its type.  A handover belongs to the first view of its epoch. */
static bool payload_view( dmg_wal_type_t type, uint32_t epoch, dmg_span_t p, uint64_t * out_view ) {
  uint8_t k;
  switch( type ) {
  case DMG_WAL_VOTE:
    if( p.sz!=DMG_WAL_VOTE_SZ || p.p[0]>DMG_VOTE_PROPOSE || ( p.p[0]==DMG_VOTE_NULLIFY && !dmg_is_zero( p.p+9, 32 ) ) ) return false;
    return ( *out_view = dmg_load_u64le( p.p+1 ) )>0;
  case DMG_WAL_PROPOSAL:
    if( p.sz<DMG_WAL_PROPOSAL_MIN || dmg_load_u32le( p.p+5 )!=epoch ) return false;
    return ( *out_view = dmg_load_u64le( p.p+9 ) )>0;
  case DMG_WAL_CERT:
    if( p.sz!=DMG_CERT_SZ || ( p.p[0]!=DMG_VOTE_NOTARIZE && p.p[0]!=DMG_VOTE_FINALIZE ) || dmg_load_u32le( p.p+1 )!=epoch ) return false;
    return ( *out_view = dmg_load_u64le( p.p+5 ) )>0;
  case DMG_WAL_NULL_RUN:
    if( p.sz<61+16 || dmg_load_u32le( p.p )!=epoch || !( k = p.p[12] ) || k>64 || p.sz!=61+16*(size_t)k ) return false;
    *out_view = dmg_load_u64le( p.p+4 );
    return *out_view>0 && !__builtin_add_overflow( *out_view, (uint64_t)k-1, out_view );
  case DMG_WAL_FLOOR:
    *out_view = 0;   /* it binds nothing itself */
    return p.sz==DMG_WAL_FLOOR_SZ && p.p[48]==DMG_VOTE_FINALIZE;
  case DMG_WAL_EPOCH:
    *out_view = 1;
    return p.sz>=DMG_WAL_EPOCH_MIN;
  }
  return false;
}

dmg_wal_vote_t dmg_wal_vote( dmg_wal_rec_t const * rec ) {
  DMG_ASSERT( rec->type==DMG_WAL_VOTE );
  return (dmg_wal_vote_t){ .kind = (dmg_vote_kind_t)rec->payload.p[0], .view = dmg_load_u64le( rec->payload.p+1 ), .hash = dmg_hash_load( rec->payload.p+9 ) };
}

dmg_wal_floor_t dmg_wal_floor( dmg_wal_rec_t const * rec ) {
  DMG_ASSERT( rec->type==DMG_WAL_FLOOR );
  uint8_t const * p = rec->payload.p;
  dmg_wal_floor_t f = { .epoch = rec->epoch, .view = dmg_load_u64le( p ), .height = dmg_load_u64le( p+8 ), .hash = dmg_hash_load( p+16 ) };
  bool is_good = dmg_cert_decode( dmg_span( p+48, DMG_CERT_SZ ), &f.finalization ).kind==DMG_VERDICT_GOOD;
  DMG_ASSERT( is_good );   /* payload_view looked at its kind, all else is free */
  return f;
}

/* ---- Reading ---- */

/* A file through a window; bytes stay until the next call. */
typedef struct { dmg_file_t * file; uint64_t file_sz, off; dmg_buf_t buf; } reader_t;

/* sz bytes at off into *out_p; *out_sz less only at the end of the file. */
static dmg_err_t rd_at( reader_t * rd, uint64_t off, size_t sz, uint8_t const ** out_p, size_t * out_sz ) {
  if( off>rd->file_sz ) off = rd->file_sz;
  if( sz>rd->file_sz-off ) sz = (size_t)( rd->file_sz-off );
  if( off<rd->off || off+sz>rd->off+rd->buf.sz ) {
    size_t want = sz>WINDOW ? sz : WINDOW, got;
    uint8_t * p;
    dmg_buf_clear( &rd->buf );
    DMG_TRY( dmg_buf_grow( &rd->buf, want, &p ) );
    rd->buf.sz = 0;
    DMG_TRY( dmg_file_pread( rd->file, p, want, off, &got ) );
    rd->off    = off;
    rd->buf.sz = got;
    if( got<sz ) return DMG_ERR_IO;   /* the file shrank under us */
  }
  *out_p  = rd->buf.p ? rd->buf.p+( off-rd->off ) : NULL;
  *out_sz = sz;
  return DMG_OK;
}

static uint64_t rec_sz( uint64_t payload_sz ) { return ( HEAD+payload_sz+7u )&~(uint64_t)7u; }

typedef struct { dmg_wal_rec_t rec; uint64_t durable, view, sz; } found_t;

/* The record at off, whatever its seq.  NOT_FOUND: no valid one. */
static dmg_err_t rec_at( reader_t * rd, uint64_t off, found_t * out ) {
  uint8_t const * h;
  size_t got;
  DMG_TRY( rd_at( rd, off, HEAD, &h, &got ) );
  if( got<HEAD ) return DMG_ERR_NOT_FOUND;
  DMG_ASSERT( h );
  uint32_t len = dmg_load_u32le( h );
  if( len>DMG_WAL_PAYLOAD_MAX || !h[28] || h[28]>DMG_WAL_EPOCH || h[29] || h[30] || h[31] ) return DMG_ERR_NOT_FOUND;
  uint64_t sz = rec_sz( len );
  DMG_TRY( rd_at( rd, off, (size_t)sz, &h, &got ) );
  if( got<HEAD+len ) return DMG_ERR_NOT_FOUND;
  DMG_ASSERT( h );
  found_t f = { .rec = { .seq = dmg_load_u64le( h+8 ), .epoch = dmg_load_u32le( h+24 ), .type = (dmg_wal_type_t)h[28], .payload = dmg_span( h+HEAD, len ) }, .durable = dmg_load_u64le( h+16 ), .sz = sz };
  if( dmg_crc32c( 0, dmg_span( h+8, HEAD-8+len ) )!=dmg_load_u32le( h+4 ) || !dmg_is_zero( h+HEAD+len, got-HEAD-len ) ) return DMG_ERR_NOT_FOUND;
  if( !payload_view( f.rec.type, f.rec.epoch, f.rec.payload, &f.view ) ) return DMG_ERR_NOT_FOUND;
  *out = f;
  return DMG_OK;
}

static void seg_path( char const * dir, uint64_t number, char const * suffix, char out[ PATH_SZ ] ) {
  int n = snprintf( out, PATH_SZ, "%s/%016" PRIx64 ".wal%s", dir, number, suffix );
  DMG_ASSERT( n>0 && n<PATH_SZ );
}

static dmg_err_t reader_open( dmg_wal_t * wal, uint64_t number, reader_t * out ) {
  char path[ PATH_SZ ];
  seg_path( wal->dir, number, "", path );
  reader_t rd = { .buf = dmg_buf( HEAD+DMG_WAL_PAYLOAD_MAX+8 ) };
  DMG_TRY( dmg_vfs_open( wal->vfs, path, false, &rd.file ) );
  dmg_err_t err = dmg_file_size( rd.file, &rd.file_sz );
  if( err ) { dmg_file_close( rd.file ); return err; }
  *out = rd;
  return DMG_OK;
}

static void reader_close( reader_t * rd ) {
  dmg_file_close( rd->file );
  dmg_buf_fini( &rd->buf );
}

/* Are all bytes from off to the end of the file zero? */
static dmg_err_t is_rest_zero( reader_t * rd, uint64_t off, bool * out ) {
  *out = true;
  while( off<rd->file_sz && *out ) {
    uint8_t const * p;
    size_t got;
    DMG_TRY( rd_at( rd, off, WINDOW, &p, &got ) );
    *out = dmg_is_zero( p, got );
    off += got;
  }
  return DMG_OK;
}

/* There is no good record at `from`.  Does one behind it show that there was, as it calls more than `from` synced, or as it is
   one that belongs at or before it?  Its seq tells it from foreign bytes in a payload; seq is the one that should stand at
   `from`, NULL where the log begins there and nobody knows. */
static dmg_err_t is_synced_past( reader_t * rd, uint64_t from, uint64_t const * seq, bool * out ) {
  *out = false;
  for( uint64_t off = from+8; off+HEAD<=rd->file_sz && !*out; off += 8 ) {
    uint8_t const * h;
    size_t got;
    found_t f;
    DMG_TRY( rd_at( rd, off, HEAD, &h, &got ) );
    int64_t ahead = seq ? (int64_t)( dmg_load_u64le( h+8 )-*seq ) : 1;
    if( ahead>(int64_t)( ( off-from )/HEAD ) || ahead<-( (int64_t)1<<32 ) ) continue;   /* a record takes HEAD bytes at least */
    if( ahead>0 && dmg_load_u64le( h+16 )<=from ) continue;
    dmg_err_t err = rec_at( rd, off, &f );
    if( err!=DMG_ERR_NOT_FOUND ) { DMG_TRY( err ); *out = true; }
  }
  return DMG_OK;
}

/* ---- Open ---- */

static dmg_err_t seg_add( dmg_wal_t * wal, uint64_t number ) {
  if( wal->seg_cnt==wal->seg_cap ) {
    size_t cap = wal->seg_cap ? 2*wal->seg_cap : 8;
    void * q = realloc( wal->seg, cap*sizeof *wal->seg );
    if( !q ) return DMG_ERR_NOMEM;
    wal->seg     = q;
    wal->seg_cap = cap;
  }
  wal->seg[ wal->seg_cnt++ ] = (seg_t){ .number = number };
  return DMG_OK;
}

static void note( dmg_wal_t * wal, dmg_wal_rec_t const * rec, uint64_t view ) {
  place_t at = { rec->epoch, view };
  seg_t * seg = wal->seg+wal->seg_cnt-1;
  if( rec->type==DMG_WAL_FLOOR ) {
    wal->floor_new     = (place_t){ rec->epoch, dmg_load_u64le( rec->payload.p ) };
    wal->has_floor_new = true;
  } else if( is_at_or_below( seg->top, at ) ) seg->top = at;
}

static void floor_take( dmg_wal_t * wal ) {
  if( !wal->has_floor_new ) return;
  wal->has_floor     = true;
  wal->has_floor_new = false;
  wal->floor         = wal->floor_new;
  wal->floor_seg     = wal->seg[ wal->seg_cnt-1 ].number;
}

static dmg_err_t corrupt( dmg_wal_t const * wal, uint64_t number, uint64_t off, char const * what, dmg_open_why_t * out_why ) {
  return dmg_open_why( out_why, DMG_ERR_CORRUPT, "%s/%016" PRIx64 ".wal at byte %" PRIu64 ": %s, though it was synced: the disk lost or changed it", wal->dir, number, off, what );
}

/* Checks the segment added last.  C6.3: only the last of all may end torn. */
static dmg_err_t scan( dmg_wal_t * wal, bool is_last, dmg_open_why_t * out_why ) {
  reader_t rd;
  uint64_t number = wal->seg[ wal->seg_cnt-1 ].number, off = 0;
  DMG_TRY( reader_open( wal, number, &rd ) );
  dmg_err_t err;
  found_t f;
  bool is_first = wal->seg_cnt==1, is_misplaced = false;
  while( !( err = rec_at( &rd, off, &f ) ) ) {
    if( is_first && !off ) wal->seq = f.rec.seq;   /* where the log begins is nobody's business */
    if( f.rec.seq!=wal->seq || f.durable>off ) { is_misplaced = true; err = DMG_ERR_NOT_FOUND; break; }
    note( wal, &f.rec, f.view );
    wal->seq++;
    wal->rec_cnt++;
    off += f.sz;
  }
  if( off>rd.file_sz ) off = rd.file_sz;           /* the last record's padding may be cut short */
  /* A file is never used twice and a cut is synced, so no crash leaves a good record in a wrong place. */
  bool is_zero = true, is_synced = is_misplaced;
  if( err==DMG_ERR_NOT_FOUND ) err = is_rest_zero( &rd, off, &is_zero );
  if( !err && !is_zero && !is_synced && is_last ) {
    err = is_synced_past( &rd, off, is_first && !off ? NULL : &wal->seq, &is_synced );
  }
  if( !err && ( is_synced || ( !is_last && !is_zero ) ) ) err = corrupt( wal, number, off, is_misplaced ? "a record that belongs elsewhere" : "no good record", out_why );
  if( !err && !is_last && !off ) err = corrupt( wal, number, 0, "no record at all", out_why );
  if( !err && is_last ) {
    wal->end       = ( off+7u )&~(uint64_t)7u;
    wal->zeroed_sz = rd.file_sz;
    if( !is_zero ) {
      wal->cut_sz    = rd.file_sz-off;
      wal->zeroed_sz = off;
      DMG_LOG_WARN( "wal_cut", "%s/%016" PRIx64 ".wal: a torn tail from byte %" PRIu64 " on cut", wal->dir, number, off );
      err = dmg_file_truncate( rd.file, off );
    }
    /* What was read is on disk from here on, and nothing old behind the end can come back. */
    if( !err ) err = dmg_file_sync( rd.file );
    wal->synced_sz = wal->end;
  }
  if( err || !is_last ) dmg_file_close( rd.file );
  else                  wal->file = rd.file;
  dmg_buf_fini( &rd.buf );
  if( !err ) floor_take( wal );
  return err;
}

/* A new last segment.  Everything before is synced. */
static dmg_err_t seg_new( dmg_wal_t * wal, uint64_t number ) {
  char path[ PATH_SZ ];
  dmg_file_t * file;
  seg_path( wal->dir, number, "", path );
  DMG_TRY( dmg_vfs_open( wal->vfs, path, true, &file ) );
  dmg_err_t err = dmg_vfs_dir_sync( wal->vfs, wal->dir );
  if( !err ) err = seg_add( wal, number );
  if( err ) { dmg_file_close( file ); return err; }
  dmg_file_close( wal->file );
  wal->file = file;
  wal->end = wal->synced_sz = wal->zeroed_sz = 0;
  return DMG_OK;
}

typedef struct { uint64_t * number; size_t cnt, cap; dmg_err_t err; } names_t;

static void each_name( void * ctx, char const * name ) {
  names_t * n = ctx;
  uint64_t v = 0;
  size_t i = 0;
  for( ; i<NAME_HEX; i++ ) {
    char c = name[ i ];
    if( ( c<'0' || c>'9' ) && ( c<'a' || c>'f' ) ) return;
    v = v<<4|(uint64_t)( c<='9' ? c-'0' : c-'a'+10 );
  }
  if( strcmp( name+i, ".wal" ) ) return;
  if( n->cnt==n->cap ) {
    size_t cap = n->cap ? 2*n->cap : 64;
    void * q = realloc( n->number, cap*sizeof *n->number );
    if( !q ) { n->err = DMG_ERR_NOMEM; return; }
    n->number = q;
    n->cap    = cap;
  }
  n->number[ n->cnt++ ] = v;
}

static int number_cmp( void const * a, void const * b ) { uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b; return ( x>y )-( x<y ); }

/* The segments there are, ascending. */
static dmg_err_t names_of( dmg_vfs_t * vfs, char const * dir, names_t * out ) {
  *out = (names_t){ 0 };
  dmg_err_t err = dmg_vfs_list( vfs, dir, each_name, out );
  if( !err ) err = out->err;
  if( err ) { free( out->number ); return err; }
  if( out->cnt ) qsort( out->number, out->cnt, sizeof *out->number, number_cmp );
  return DMG_OK;
}

static dmg_err_t open_all( dmg_wal_t * wal, dmg_open_why_t * out_why ) {
  names_t names;
  DMG_TRY( dmg_vfs_mkdirs( wal->vfs, wal->dir ) );
  DMG_TRY( names_of( wal->vfs, wal->dir, &names ) );
  dmg_err_t err = DMG_OK;
  for( size_t i = 0; i<names.cnt && !err; i++ ) {
    if( i && names.number[ i ]!=names.number[ i-1 ]+1 ) err = corrupt( wal, names.number[ i-1 ]+1, 0, "the segment is missing", out_why );
    if( !err ) err = seg_add( wal, names.number[ i ] );
    if( !err ) err = scan( wal, i+1==names.cnt, out_why );
  }
  if( !err && !names.cnt ) err = seg_new( wal, 0 );
  free( names.number );
  return err;
}

dmg_err_t dmg_wal_open( dmg_wal_cfg_t const * cfg, dmg_vfs_t * vfs, dmg_wal_t ** out_wal, dmg_open_why_t * out_why ) {
  if( out_why ) out_why->text[0] = 0;
  dmg_wal_t * wal = calloc( 1, sizeof *wal );
  if( !wal ) return DMG_ERR_NOMEM;
  wal->vfs        = vfs;
  wal->segment_sz = cfg->segment_sz ? cfg->segment_sz : DMG_WAL_SEGMENT_SZ;
  wal->seq        = cfg->secret>>1;   /* far from the end of u64 */
  wal->dir        = strdup( cfg->dir );
  dmg_err_t err = wal->dir ? open_all( wal, out_why ) : DMG_ERR_NOMEM;
  if( err ) {
    if( out_why && !out_why->text[0] ) dmg_open_why( out_why, err, "%s: %s", cfg->dir, dmg_err_text( err ) );
    dmg_wal_close( wal );
    return err;
  }
  *out_wal = wal;
  return DMG_OK;
}

void dmg_wal_close( dmg_wal_t * wal ) {
  if( !wal ) return;
  dmg_file_close( wal->file );
  free( wal->seg );
  free( wal->dir );
  free( wal );
}

dmg_err_t dmg_wal_set_aside( dmg_wal_cfg_t const * cfg, dmg_vfs_t * vfs ) {
  names_t names;
  DMG_TRY( names_of( vfs, cfg->dir, &names ) );
  dmg_err_t err = DMG_OK;
  for( size_t i = 0; i<names.cnt && !err; i++ ) {
    char from[ PATH_SZ ], to[ PATH_SZ ];
    seg_path( cfg->dir, names.number[ i ], "", from );
    seg_path( cfg->dir, names.number[ i ], ".bad", to );
    err = dmg_vfs_rename( vfs, from, to );
  }
  if( !err ) err = dmg_vfs_dir_sync( vfs, cfg->dir );
  free( names.number );
  return err;
}

dmg_err_t dmg_wal_replay( dmg_wal_t * wal, dmg_wal_each_fn_t each, void * ctx ) {
  for( size_t i = 0; i<wal->seg_cnt; i++ ) {
    reader_t rd;
    DMG_TRY( reader_open( wal, wal->seg[ i ].number, &rd ) );
    bool is_last = i+1==wal->seg_cnt;
    dmg_err_t err = DMG_OK;
    for( uint64_t off = 0; !err && ( !is_last || off<wal->end ); ) {
      found_t f;
      err = rec_at( &rd, off, &f );
      if( err==DMG_ERR_NOT_FOUND && !is_last ) { err = DMG_OK; break; }   /* open saw that only zeros follow */
      if( err==DMG_ERR_NOT_FOUND ) err = DMG_ERR_CORRUPT;                 /* it was good at open */
      if( !err ) { off += f.sz; err = each( ctx, &f.rec ); }
    }
    reader_close( &rd );
    DMG_TRY( err );
  }
  return DMG_OK;
}

/* ---- Writing ---- */

static dmg_err_t broken( dmg_wal_t * wal, dmg_err_t err ) { return wal->broken = err; }

/* Bytes written ahead of the records, so that a sync of small ones writes them alone: a file that grows, or whose room was
   only reserved, costs a second write to the file system's own log. */
static dmg_err_t zero_ahead( dmg_wal_t * wal, uint64_t sz ) {
  static uint8_t const zero[ SMALL ];
  if( wal->end+sz<=wal->zeroed_sz || sz>BIG ) return DMG_OK;
  uint64_t to = wal->end+sz+ZERO_AHEAD;
  if( to>wal->segment_sz ) to = wal->segment_sz;
  for( uint64_t at = wal->zeroed_sz; at<to; at = wal->zeroed_sz ) {
    size_t n = to-at<SMALL ? (size_t)( to-at ) : SMALL;
    DMG_TRY( dmg_file_pwrite( wal->file, zero, n, at ) );
    wal->zeroed_sz += n;
  }
  return DMG_OK;
}

static dmg_err_t write_parts( dmg_wal_t * wal, uint8_t const head[ HEAD ], dmg_span_t const * parts, uint32_t part_cnt, uint64_t len ) {
  uint8_t small[ SMALL ];
  if( HEAD+len<=sizeof small ) {
    size_t n = HEAD;
    memcpy( small, head, HEAD );
    for( uint32_t i = 0; i<part_cnt; n += parts[ i++ ].sz ) if( parts[ i ].sz ) memcpy( small+n, parts[ i ].p, parts[ i ].sz );
    return dmg_file_pwrite( wal->file, small, n, wal->end );
  }
  uint64_t at = wal->end+HEAD;
  DMG_TRY( dmg_file_pwrite( wal->file, head, HEAD, wal->end ) );
  for( uint32_t i = 0; i<part_cnt; at += parts[ i++ ].sz ) if( parts[ i ].sz ) DMG_TRY( dmg_file_pwrite( wal->file, parts[ i ].p, parts[ i ].sz, at ) );
  return DMG_OK;
}

dmg_err_t dmg_wal_append( dmg_wal_t * wal, dmg_wal_type_t type, uint32_t epoch, dmg_span_t const * parts, uint32_t part_cnt ) {
  if( wal->broken ) return wal->broken;
  uint64_t len = 0, view = 0;
  for( uint32_t i = 0; i<part_cnt; i++ ) len += parts[ i ].sz;
  uint64_t sz = rec_sz( len );
  if( len>DMG_WAL_PAYLOAD_MAX || sz>wal->segment_sz ) return DMG_ERR_LIMIT;
  /* All fields that place a record lie in its first 512 bytes, and only a proposal is longer than its first part. */
  DMG_ASSERT( part_cnt>=1 );
  dmg_span_t form = dmg_span( parts[ 0 ].p, parts[ 0 ].sz );
  if( type==DMG_WAL_PROPOSAL ) { DMG_ASSERT( form.sz>=17 ); form.sz = (size_t)len; }
  else                         DMG_ASSERT( part_cnt==1 );
  bool is_formed = payload_view( type, epoch, form, &view );
  DMG_ASSERT( is_formed );

  if( wal->end && wal->end+sz>wal->segment_sz ) {
    /* C6.3: a new segment starts only once the last is synced. */
    DMG_TRY( dmg_wal_sync( wal ) );
    dmg_err_t err = seg_new( wal, wal->seg[ wal->seg_cnt-1 ].number+1 );
    if( err ) return broken( wal, err );
  }
  dmg_err_t err = zero_ahead( wal, sz );
  if( err ) return broken( wal, err );
  uint8_t h[ HEAD ] = { 0 };
  dmg_store_u32le( h, (uint32_t)len );
  dmg_store_u64le( h+8, wal->seq );
  dmg_store_u64le( h+16, wal->synced_sz );
  dmg_store_u32le( h+24, epoch );
  h[28] = (uint8_t)type;
  uint32_t crc = dmg_crc32c( 0, dmg_span( h+8, HEAD-8 ) );
  for( uint32_t i = 0; i<part_cnt; i++ ) crc = dmg_crc32c( crc, parts[ i ] );
  dmg_store_u32le( h+4, crc );
  err = write_parts( wal, h, parts, part_cnt, len );
  if( err ) return broken( wal, err );
  dmg_wal_rec_t rec = { .epoch = epoch, .type = type, .payload = parts[ 0 ] };
  note( wal, &rec, view );
  wal->seq++;
  wal->end += sz;
  if( wal->end>wal->zeroed_sz ) wal->zeroed_sz = wal->end;
  return DMG_OK;
}

dmg_err_t dmg_wal_append_vote( dmg_wal_t * wal, uint32_t epoch, dmg_vote_kind_t kind, uint64_t view, dmg_hash_t const * hash ) {
  uint8_t p[ DMG_WAL_VOTE_SZ ] = { (uint8_t)kind };
  dmg_store_u64le( p+1, view );
  memcpy( p+9, hash->b, 32 );
  dmg_span_t part = DMG_SPAN( p );
  return dmg_wal_append( wal, DMG_WAL_VOTE, epoch, &part, 1 );
}

dmg_err_t dmg_wal_append_floor( dmg_wal_t * wal, uint32_t epoch, uint64_t view, uint64_t height, dmg_hash_t const * hash, dmg_cert_t const * finalization ) {
  uint8_t p[ DMG_WAL_FLOOR_SZ ];
  dmg_store_u64le( p, view );
  dmg_store_u64le( p+8, height );
  memcpy( p+16, hash->b, 32 );
  dmg_cert_encode( finalization, p+48 );
  dmg_span_t part = DMG_SPAN( p );
  return dmg_wal_append( wal, DMG_WAL_FLOOR, epoch, &part, 1 );
}

dmg_err_t dmg_wal_sync( dmg_wal_t * wal ) {
  if( wal->broken ) return wal->broken;
  if( wal->end!=wal->synced_sz ) {
    dmg_err_t err = dmg_file_sync( wal->file );
    if( err ) return broken( wal, err );
    wal->synced_sz = wal->end;
    wal->sync_cnt++;
  }
  floor_take( wal );
  return DMG_OK;
}

dmg_err_t dmg_wal_prune( dmg_wal_t * wal ) {
  if( wal->broken ) return wal->broken;
  while( wal->seg_cnt>1 && wal->has_floor && wal->floor_seg>wal->seg[0].number && is_at_or_below( wal->seg[0].top, wal->floor ) ) {
    char path[ PATH_SZ ];
    seg_path( wal->dir, wal->seg[0].number, "", path );
    dmg_err_t err = dmg_vfs_unlink( wal->vfs, path );
    /* One at a time: a later one gone and an earlier one back would be a hole. */
    if( !err ) err = dmg_vfs_dir_sync( wal->vfs, wal->dir );
    if( err ) return broken( wal, err );
    memmove( wal->seg, wal->seg+1, ( --wal->seg_cnt )*sizeof *wal->seg );
  }
  return DMG_OK;
}

void dmg_wal_stats( dmg_wal_t const * wal, dmg_wal_stats_t * out ) {
  *out = (dmg_wal_stats_t){ .segment_cnt = wal->seg_cnt, .rec_cnt = wal->rec_cnt, .cut_sz = wal->cut_sz, .sync_cnt = wal->sync_cnt };
}
