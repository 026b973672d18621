#include "storage/vfs.h"
#include "base/assert.h"
#include "base/num.h"

#include <pthread.h>
#include <stdlib.h>

/* Files in RAM.  A node's bytes are what the program sees; `synced` is what a power cut leaves for
   sure.  Names are pairs (path, node) in two lists: what the program sees, what was synced. */

enum { SECTOR = 512, NAMES_MAX = 4096 };

typedef struct { uint8_t * now; uint64_t now_sz, now_cap; uint8_t * synced; uint64_t synced_sz, synced_cap, dirty_lo, dirty_hi; uint32_t ref; } node_t;   /* dirty: where the two may differ, sizes aside */
typedef struct { char * path; node_t * node; } name_t;
typedef struct { name_t at[ NAMES_MAX ]; uint32_t cnt; } names_t;

typedef struct {
  dmg_vfs_t       vfs;
  uint64_t        sz, sz_max, step, off_at, fail_at;   /* step: atomic */
  dmg_err_t       fail_err;
  bool            has_failed;
  uint32_t        open_cnt;
  names_t         now, synced;
  pthread_mutex_t lock;             /* readers in other threads, which open and close, too, against the one that writes */
} mem_t;

typedef struct { dmg_file_t file; node_t * node; } mem_file_t;

static mem_t * mem_of( dmg_vfs_t * vfs ) { return (mem_t *)vfs; }
static node_t * node_of( dmg_file_t * f ) { return ( (mem_file_t *)f )->node; }

static void node_give( mem_t * m, node_t * n ) {
  if( --n->ref ) return;
  m->sz -= n->now_cap;
  free( n->now );
  free( n->synced );
  free( n );
}

static name_t * names_find( names_t * l, char const * path ) {
  for( uint32_t i=0; i<l->cnt; i++ ) if( !strcmp( l->at[ i ].path, path ) ) return l->at+i;
  return NULL;
}
static void names_remove( mem_t * m, names_t * l, name_t * n ) {
  free( n->path );
  node_give( m, n->node );
  *n = l->at[ --l->cnt ];
}
static void names_set( mem_t * m, names_t * l, char const * path, node_t * node ) {
  node->ref++;
  name_t * n = names_find( l, path );
  if( n ) { node_give( m, n->node ); n->node = node; return; }
  DMG_ASSERT( l->cnt<NAMES_MAX );
  l->at[ l->cnt++ ] = (name_t){ .path = strdup( path ), .node = node };
}
static bool is_in( char const * path, char const * dir ) {
  size_t n = strlen( dir );
  return !strncmp( path, dir, n ) && path[ n ]=='/' && !strchr( path+n+1, '/' );
}

/* One step; STOPPED once the machine is off. */
static dmg_err_t step( mem_t * m ) {
  uint64_t s = __atomic_fetch_add( &m->step, 1, __ATOMIC_RELAXED );
  if( s>=m->off_at ) { m->has_failed = true; return DMG_ERR_STOPPED; }
  if( s!=m->fail_at ) return DMG_OK;
  m->has_failed = true;
  return m->fail_err;
}
static bool is_off( mem_t * m ) { return __atomic_load_n( &m->step, __ATOMIC_RELAXED )>m->off_at; }

static dmg_err_t open_locked( mem_t * m, char const * path, bool is_new, mem_file_t * f ) {
  if( is_off( m ) ) return DMG_ERR_STOPPED;
  name_t * n = names_find( &m->now, path );
  if( is_new && n ) return DMG_ERR_EXISTS;
  if( !is_new && !n ) return DMG_ERR_NOT_FOUND;
  if( is_new ) {
    DMG_TRY( step( m ) );
    node_t * node = calloc( 1, sizeof *node );
    if( !node ) return DMG_ERR_NOMEM;
    names_set( m, &m->now, path, node );
    n = names_find( &m->now, path );
  }
  f->node = n->node;
  f->node->ref++;
  m->open_cnt++;
  return DMG_OK;
}

static dmg_err_t mem_open( dmg_vfs_t * vfs, char const * path, bool is_new, dmg_file_t ** out_file ) {
  mem_t * m = mem_of( vfs );
  mem_file_t * f = calloc( 1, sizeof *f );
  if( !f ) return DMG_ERR_NOMEM;
  f->file.vfs = vfs;
  pthread_mutex_lock( &m->lock );
  dmg_err_t err = open_locked( m, path, is_new, f );
  pthread_mutex_unlock( &m->lock );
  if( err ) { free( f ); return err; }
  *out_file = &f->file;
  return DMG_OK;
}

static dmg_err_t mem_size( dmg_file_t * file, uint64_t * out_sz ) {
  mem_t * m = mem_of( file->vfs );
  pthread_mutex_lock( &m->lock );
  *out_sz = node_of( file )->now_sz;
  pthread_mutex_unlock( &m->lock );
  return DMG_OK;
}

static dmg_err_t mem_pread( dmg_file_t * file, void * p, size_t sz, uint64_t off, size_t * out_sz ) {
  mem_t * m = mem_of( file->vfs );
  pthread_mutex_lock( &m->lock );
  node_t * n = node_of( file );
  size_t got = off>=n->now_sz ? 0 : n->now_sz-off<sz ? (size_t)( n->now_sz-off ) : sz;
  if( got ) memcpy( p, n->now+off, got );
  pthread_mutex_unlock( &m->lock );
  *out_sz = got;
  return DMG_OK;
}

static dmg_err_t node_room( mem_t * m, node_t * n, uint64_t sz ) {
  if( sz<=n->now_cap ) return DMG_OK;
  uint64_t cap = n->now_cap ? n->now_cap : 4096;
  while( cap<sz ) cap *= 2;
  if( m->sz-n->now_cap+cap>m->sz_max ) return DMG_ERR_FULL;
  uint8_t * q = realloc( n->now, cap );
  if( !q ) return DMG_ERR_NOMEM;
  m->sz     += cap-n->now_cap;
  n->now     = q;
  n->now_cap = cap;
  return DMG_OK;
}

static void node_dirty( node_t * n, uint64_t lo, uint64_t hi ) {
  if( n->dirty_lo>=n->dirty_hi ) { n->dirty_lo = lo; n->dirty_hi = hi; return; }
  if( lo<n->dirty_lo ) n->dirty_lo = lo;
  if( hi>n->dirty_hi ) n->dirty_hi = hi;
}

static dmg_err_t mem_pwrite( dmg_file_t * file, void const * p, size_t sz, uint64_t off ) {
  mem_t * m = mem_of( file->vfs );
  node_t * n = node_of( file );
  DMG_TRY( step( m ) );
  pthread_mutex_lock( &m->lock );
  dmg_err_t err = node_room( m, n, off+sz );
  if( !err ) {
    if( off>n->now_sz ) memset( n->now+n->now_sz, 0, off-n->now_sz );
    memcpy( n->now+off, p, sz );
    node_dirty( n, off>n->now_sz ? n->now_sz : off, off+sz );
    if( off+sz>n->now_sz ) n->now_sz = off+sz;
  }
  pthread_mutex_unlock( &m->lock );
  return err;
}

static dmg_err_t mem_allocate( dmg_file_t * file, uint64_t sz ) { return step( mem_of( file->vfs ) ); }

static dmg_err_t mem_truncate( dmg_file_t * file, uint64_t sz ) {
  mem_t * m = mem_of( file->vfs );
  node_t * n = node_of( file );
  DMG_TRY( step( m ) );
  pthread_mutex_lock( &m->lock );
  dmg_err_t err = node_room( m, n, sz );
  if( !err && sz>n->now_sz ) memset( n->now+n->now_sz, 0, sz-n->now_sz );
  if( !err && sz!=n->now_sz ) node_dirty( n, sz<n->now_sz ? sz : n->now_sz, sz<n->now_sz ? n->now_sz : sz );
  if( !err ) n->now_sz = sz;
  pthread_mutex_unlock( &m->lock );
  return err;
}

static bool has_crash_model( mem_t * m ) { return m->off_at!=UINT64_MAX; }

static dmg_err_t mem_sync( dmg_file_t * file ) {
  mem_t * m = mem_of( file->vfs );
  node_t * n = node_of( file );
  DMG_TRY( step( m ) );
  if( !has_crash_model( m ) ) return DMG_OK;     /* the development chain: nothing to survive */
  if( n->now_sz>n->synced_cap || !n->synced ) {
    uint64_t cap = n->now_cap ? n->now_cap : 1;
    uint8_t * q = realloc( n->synced, cap );
    if( !q ) return DMG_ERR_NOMEM;
    n->synced     = q;
    n->synced_cap = cap;
  }
  uint64_t hi = n->dirty_hi<n->now_sz ? n->dirty_hi : n->now_sz;
  if( n->dirty_lo<hi ) memcpy( n->synced+n->dirty_lo, n->now+n->dirty_lo, hi-n->dirty_lo );
  n->dirty_lo  = n->dirty_hi = 0;
  n->synced_sz = n->now_sz;
  return DMG_OK;
}

static void mem_close( dmg_file_t * file ) {
  mem_t * m = mem_of( file->vfs );
  pthread_mutex_lock( &m->lock );
  m->open_cnt--;
  node_give( m, node_of( file ) );
  pthread_mutex_unlock( &m->lock );
  free( file );
}

static dmg_err_t mem_rename( dmg_vfs_t * vfs, char const * from, char const * to ) {
  mem_t * m = mem_of( vfs );
  pthread_mutex_lock( &m->lock );
  dmg_err_t err = step( m );
  name_t * n = err ? NULL : names_find( &m->now, from );
  if( n ) {
    names_set( m, &m->now, to, n->node );
    names_remove( m, &m->now, names_find( &m->now, from ) );
  }
  pthread_mutex_unlock( &m->lock );
  return err ? err : n ? DMG_OK : DMG_ERR_NOT_FOUND;
}
static dmg_err_t mem_unlink( dmg_vfs_t * vfs, char const * path ) {
  mem_t * m = mem_of( vfs );
  pthread_mutex_lock( &m->lock );
  dmg_err_t err = step( m );
  name_t * n = err ? NULL : names_find( &m->now, path );
  if( n ) names_remove( m, &m->now, n );
  pthread_mutex_unlock( &m->lock );
  return err;
}
static dmg_err_t mem_mkdirs( dmg_vfs_t * vfs, char const * path ) { return is_off( mem_of( vfs ) ) ? DMG_ERR_STOPPED : DMG_OK; }

static dmg_err_t mem_dir_sync( dmg_vfs_t * vfs, char const * dir ) {
  mem_t * m = mem_of( vfs );
  pthread_mutex_lock( &m->lock );
  dmg_err_t err = step( m );
  for( uint32_t i=0; i<m->synced.cnt && !err; ) {
    name_t * n = m->synced.at+i;
    if( is_in( n->path, dir ) && !names_find( &m->now, n->path ) ) names_remove( m, &m->synced, n );
    else i++;
  }
  for( uint32_t i=0; i<m->now.cnt && !err; i++ ) if( is_in( m->now.at[ i ].path, dir ) ) names_set( m, &m->synced, m->now.at[ i ].path, m->now.at[ i ].node );
  pthread_mutex_unlock( &m->lock );
  return err;
}

static dmg_err_t mem_list( dmg_vfs_t * vfs, char const * dir, void (*each)( void * ctx, char const * name ), void * ctx ) {
  mem_t * m = mem_of( vfs );
  if( is_off( m ) ) return DMG_ERR_STOPPED;
  size_t n = strlen( dir );
  for( uint32_t i=0; i<m->now.cnt; i++ ) if( is_in( m->now.at[ i ].path, dir ) ) each( ctx, m->now.at[ i ].path+n+1 );
  return DMG_OK;
}

static void names_clear( mem_t * m, names_t * l ) { while( l->cnt ) names_remove( m, l, l->at+l->cnt-1 ); }

static void mem_free( dmg_vfs_t * vfs ) {
  mem_t * m = mem_of( vfs );
  DMG_ASSERT( !m->open_cnt );
  names_clear( m, &m->now );
  names_clear( m, &m->synced );
  pthread_mutex_destroy( &m->lock );
  free( m );
}

dmg_err_t dmg_vfs_mem( uint64_t sz_max, dmg_vfs_t ** out_vfs ) {
  static dmg_vfs_vt_t const vt = { .open = mem_open, .size = mem_size, .pread = mem_pread, .pwrite = mem_pwrite, .allocate = mem_allocate, .truncate = mem_truncate,
    .sync = mem_sync, .close = mem_close, .rename = mem_rename, .unlink = mem_unlink, .mkdirs = mem_mkdirs, .dir_sync = mem_dir_sync, .list = mem_list, .free = mem_free };
  mem_t * m = calloc( 1, sizeof *m );
  if( !m ) return DMG_ERR_NOMEM;
  m->vfs.vt = &vt;
  m->sz_max = sz_max;
  m->off_at = m->fail_at = UINT64_MAX;
  pthread_mutex_init( &m->lock, NULL );
  *out_vfs = &m->vfs;
  return DMG_OK;
}

/* ---- For tests ---- */

uint64_t dmg_vfs_mem_steps( dmg_vfs_t * vfs ) { return mem_of( vfs )->step; }
void dmg_vfs_mem_off_at( dmg_vfs_t * vfs, uint64_t at ) { mem_of( vfs )->off_at = at; }
bool dmg_vfs_mem_is_off( dmg_vfs_t * vfs ) { return mem_of( vfs )->has_failed; }
void dmg_vfs_mem_fail_at( dmg_vfs_t * vfs, uint64_t at, dmg_err_t err ) { mem_of( vfs )->fail_at = at; mem_of( vfs )->fail_err = err; }

void dmg_vfs_mem_crash( dmg_vfs_t * vfs, uint64_t seed ) {
  mem_t * m = mem_of( vfs );
  DMG_ASSERT( !m->open_cnt );
  /* Names: each change since the last dir_sync happened or not. */
  for( uint32_t i=0; i<m->now.cnt; i++ ) {
    name_t * n = names_find( &m->synced, m->now.at[ i ].path );
    if( ( !n || n->node!=m->now.at[ i ].node ) && dmg_rnd_u64( &seed )%2 ) names_set( m, &m->synced, m->now.at[ i ].path, m->now.at[ i ].node );
  }
  for( uint32_t i=0; i<m->synced.cnt; ) {
    name_t * n = m->synced.at+i;
    if( !names_find( &m->now, n->path ) && dmg_rnd_u64( &seed )%2 ) names_remove( m, &m->synced, n );
    else i++;
  }
  names_clear( m, &m->now );
  for( uint32_t i=0; i<m->synced.cnt; i++ ) {
    node_t * n = m->synced.at[ i ].node;
    names_set( m, &m->now, m->synced.at[ i ].path, n );
    /* Bytes: each sector is new, old, or of both halves; the size old, new or between. */
    if( n->now_sz!=n->synced_sz || ( n->now_sz && memcmp( n->now, n->synced, n->now_sz ) ) ) {
      uint64_t lo = n->now_sz<n->synced_sz ? n->now_sz : n->synced_sz, hi = n->now_sz<n->synced_sz ? n->synced_sz : n->now_sz;
      uint64_t sz = dmg_rnd_u64( &seed )%3==0 ? lo : dmg_rnd_u64( &seed )%2 ? hi : lo+dmg_rnd_u64( &seed )%( hi-lo+1 );
      uint8_t * q = calloc( 1, sz ? sz : 1 );
      DMG_ASSERT( q );
      uint64_t mode = dmg_rnd_u64( &seed )%3;            /* mostly new, mostly old, mixed */
      for( uint64_t s=0; s<sz; s+=SECTOR ) {
        uint64_t end = s+SECTOR<sz ? s+SECTOR : sz, r = dmg_rnd_u64( &seed )%8;
        uint64_t cut = r==0 ? s+dmg_rnd_u64( &seed )%( end-s+1 ) : ( mode==0 ? r>1 : mode==1 ? r>6 : r>3 ) ? end : s;   /* new up to here, old after */
        for( uint64_t i2=s; i2<end; i2++ ) q[ i2 ] = i2<cut ? ( i2<n->now_sz ? n->now[ i2 ] : 0 ) : ( i2<n->synced_sz ? n->synced[ i2 ] : 0 );
      }
      m->sz -= n->now_cap;
      free( n->now );
      n->now = q;
      n->now_sz = n->now_cap = sz;
      if( !sz ) n->now_cap = 1;
      m->sz += n->now_cap;
    }
    uint8_t * q = realloc( n->synced, n->now_sz ? n->now_sz : 1 );
    DMG_ASSERT( q );
    if( n->now_sz ) memcpy( q, n->now, n->now_sz );
    n->synced    = q;
    n->synced_sz = n->synced_cap = n->now_sz;
    n->dirty_lo  = n->dirty_hi = 0;
  }
  m->step   = 0;
  m->off_at = UINT64_MAX-1;                      /* the crash model stays on */
  m->fail_at = UINT64_MAX;
  m->has_failed = false;
}

bool dmg_vfs_mem_flip( dmg_vfs_t * vfs, char const * path, uint64_t bit ) {
  name_t * n = names_find( &mem_of( vfs )->now, path );
  if( !n || bit/8>=n->node->now_sz ) return false;
  n->node->now[ bit/8 ] ^= (uint8_t)( 1u<<( bit%8 ) );
  node_dirty( n->node, bit/8, bit/8+1 );
  return true;
}
