/* What a disk does to a node: a write that goes elsewhere or nowhere and is called done, a bit that flips, an older copy put back. */
#include "full.h"

enum { PATH_MAX_ = 256 };

static char const * const sub[ 3 ] = { "", "/wal", "/blocks" };   /* of the node's folder */

/* 0 vote log, 1 safety file, 2 block log; -1: another */
static int kind_of( char const * path ) { return strstr( path, "/wal/" ) ? 0 : strstr( path, "/safety.bin" ) ? 1 : strstr( path, "/blocks/" ) ? 2 : -1; }

/* ---- Writes that stray ---- */

static full_node_t * owner( dmg_vfs_t * vfs ) {
  full_node_t * n = full_w->nodes;
  while( n->vfs!=vfs ) n++;
  return n;
}

static dmg_vfs_vt_t real;

static dmg_err_t stray_open( dmg_vfs_t * vfs, char const * path, bool is_new, dmg_file_t ** out_file ) {
  dmg_err_t err = real.open( vfs, path, is_new, out_file );
  if( err ) return err;
  full_node_t * n = owner( vfs );
  for( unsigned i = 0; i<FULL_FILES_MAX; i++ ) if( !n->files[ i ].file ) { n->files[ i ].file = *out_file; n->files[ i ].kind = kind_of( path ); return DMG_OK; }
  DMG_ASSERT( !"more files open than FULL_FILES_MAX" );
  return DMG_OK;
}

static void stray_close( dmg_file_t * f ) {
  full_node_t * n = owner( f->vfs );
  for( unsigned i = 0; i<FULL_FILES_MAX; i++ ) if( n->files[ i ].file==f ) n->files[ i ].file = NULL;
  real.close( f );
}

static dmg_err_t stray_pwrite( dmg_file_t * f, void const * p, size_t sz, uint64_t off ) {
  full_node_t * n = owner( f->vfs );
  unsigned i = 0;
  while( i<FULL_FILES_MAX && n->files[ i ].file!=f ) i++;
  if( !n->stray_left || i==FULL_FILES_MAX || n->files[ i ].kind!=n->stray_kind || --n->stray_left ) return real.pwrite( f, p, sz, off );
  n->is_impaired = n->has_strayed = true;
  n->is_unread  |= n->stray_kind==2;
  uint64_t size = 0, to;
  if( real.size( f, &size ) || n->is_stray_lost || size<sz+512 ) { full_trace( "node %u: %zu bytes at %lu of file %d are lost", n->id, sz, (unsigned long)off, n->stray_kind ); return DMG_OK; }
  /* By sectors, as a disk's head would: over what is there. */
  do to = dmg_rnd_u64( &full_w->chance )%( ( size-sz )/512+1 )*512; while( to==off );
  full_trace( "node %u: %zu bytes for %lu of file %d land at %lu", n->id, sz, (unsigned long)off, n->stray_kind, (unsigned long)to );
  return real.pwrite( f, p, sz, to );
}

static dmg_err_t lazy_sync( dmg_file_t * f ) { return full_is_lazy ? DMG_OK : real.sync( f ); }

void full_disk_wrap( dmg_vfs_t * vfs ) {
  static dmg_vfs_vt_t vt;
  if( !real.sync ) {
    real = vt = *vfs->vt;
    vt.sync   = lazy_sync;
    vt.open   = stray_open;
    vt.close  = stray_close;
    vt.pwrite = stray_pwrite;
  }
  vfs->vt = &vt;
}

/* ---- A bit ---- */

typedef struct { char name[ 128 ]; } last_name_t;
static void each_name( void * ctx, char const * name ) {
  last_name_t * l = ctx;
  if( strcmp( name, l->name )>0 ) snprintf( l->name, sizeof l->name, "%s", name );
}

void full_disk_flip( full_world_t * w, full_node_t * n, unsigned which ) {
  char path[ PATH_MAX_ ];
  last_name_t last = { "" };
  dmg_file_t * f;
  uint64_t sz = 0;
  snprintf( path, sizeof path, "%s/%s", n->dir, which==0 ? "wal" : "blocks" );
  if( which!=1 && ( dmg_vfs_list( n->vfs, path, each_name, &last ) || !last.name[ 0 ] ) ) return;
  if( which==1 ) snprintf( path, sizeof path, "%s/safety.bin", n->dir );
  else           snprintf( path, sizeof path, "%s/%s/%.120s", n->dir, which==0 ? "wal" : "blocks", last.name );
  if( dmg_vfs_open( n->vfs, path, false, &f ) ) return;
  dmg_err_t err = dmg_file_size( f, &sz );
  dmg_file_close( f );
  if( err || !sz ) return;
  /* Half of them near the end, where the last votes and blocks are. */
  uint64_t bits = dmg_rnd_u64( &w->chance )%2 && sz>3000 ? 8*3000 : 8*sz, bit = 8*sz-1-dmg_rnd_u64( &w->chance )%bits;
  full_trace( "node %u: bit %lu of %s is wrong", n->id, (unsigned long)bit, path );
  if( dmg_vfs_mem_flip( n->vfs, path, bit ) ) n->is_unread |= which==2;
}

/* ---- A copy, put back ---- */

typedef struct { full_node_t * n; char const * dir; } list_t;

static void keep( void * ctx, char const * name ) {
  list_t * l = ctx;
  full_node_t * n = l->n;
  dmg_file_t * f;
  uint64_t sz = 0;
  DMG_ASSERT( n->copy_cnt<FULL_COPIES_MAX );
  full_copy_t * c = &n->copies[ n->copy_cnt ];
  snprintf( c->path, sizeof c->path, "%s/%.100s", l->dir, name );
  dmg_err_t err = dmg_vfs_open( n->vfs, c->path, false, &f );
  if( !err ) err = dmg_file_size( f, &sz );
  size_t got = 0;
  c->p = malloc( sz+1 );
  DMG_ASSERT( !err && c->p );
  err = dmg_file_pread( f, c->p, sz, 0, &got );
  DMG_ASSERT( !err && got==sz );
  c->sz = sz;
  dmg_file_close( f );
  n->copy_cnt++;
}

void full_disk_forget( full_node_t * n ) {
  while( n->copy_cnt ) free( n->copies[ --n->copy_cnt ].p );
  if( n->copy_kv ) dmg_kv_snap_close( n->kv, n->copy_kv );
  n->copy_kv = NULL;
}

void full_disk_copy( full_node_t * n ) {
  char dir[ PATH_MAX_ ];
  DMG_ASSERT( !n->is_up );
  full_disk_forget( n );
  for( unsigned i = 0; i<3; i++ ) {
    snprintf( dir, sizeof dir, "%s%s", n->dir, sub[ i ] );
    dmg_err_t err = dmg_vfs_list( n->vfs, dir, keep, &(list_t){ n, dir } );
    DMG_ASSERT( !err );
  }
  dmg_err_t err = dmg_kv_snap_open( n->kv, &n->copy_kv );
  DMG_ASSERT( !err );
}

typedef struct { char path[ FULL_COPIES_MAX ][ PATH_MAX_ ]; uint32_t cnt; char const * dir; } gone_t;
static void each_gone( void * ctx, char const * name ) {
  gone_t * g = ctx;
  DMG_ASSERT( g->cnt<FULL_COPIES_MAX );
  snprintf( g->path[ g->cnt++ ], PATH_MAX_, "%s/%.100s", g->dir, name );
}

/* parts: bit a kind of file; 3: the store, too. */
static void put_back( full_node_t * n, unsigned parts ) {
  for( unsigned i = 0; i<3; i++ ) {
    char dir[ PATH_MAX_ ];
    static gone_t g;
    g = (gone_t){ .dir = dir };
    snprintf( dir, sizeof dir, "%s%s", n->dir, sub[ i ] );
    dmg_err_t err = dmg_vfs_list( n->vfs, dir, each_gone, &g );
    for( uint32_t k = 0; k<g.cnt && !err; k++ ) { int kind = kind_of( g.path[ k ] ); if( kind>=0 && parts>>kind&1 ) err = dmg_vfs_unlink( n->vfs, g.path[ k ] ); }
    for( uint32_t k = 0; k<n->copy_cnt && !err; k++ ) {
      full_copy_t const * c = &n->copies[ k ];
      int kind = kind_of( c->path );
      dmg_file_t * f;
      size_t len = strlen( dir );
      if( kind<0 || !( parts>>kind&1 ) || strncmp( c->path, dir, len ) || strchr( c->path+len+1, '/' ) ) continue;
      err = dmg_vfs_open( n->vfs, c->path, true, &f );
      if( err ) break;
      if( c->sz ) err = real.pwrite( f, c->p, c->sz, 0 );
      if( !err ) err = real.sync( f );
      dmg_file_close( f );
    }
    if( !err ) err = dmg_vfs_dir_sync( n->vfs, dir );
    DMG_ASSERT( !err );
  }
}

/* C6.4, C6.5 say of each what must happen; what is of a moment goes together but for FULL_BACK_LOG and FULL_BACK_SAFETY, one file each, which C6.4's table bears. */
void full_disk_restore( full_world_t * w, full_node_t * n, full_back_t what ) {
  static uint8_t const parts[ FULL_BACK_CNT ] = { [ FULL_BACK_LOG ] = 1, [ FULL_BACK_SAFETY ] = 2, [ FULL_BACK_BLOCKS ] = 4|8, [ FULL_BACK_MOVED ] = 15, [ FULL_BACK_IMAGE ] = 15 };
  DMG_ASSERT( !n->is_up );
  if( !n->copy_kv ) return;   /* the disk was lost meanwhile */
  full_trace( "node %u: backup %u is put back", n->id, (unsigned)what );
  put_back( n, parts[ what ] );
  if( parts[ what ]&8 ) {
    dmg_err_t err = dmg_kv_restore( n->kv, n->copy_kv );
    DMG_ASSERT( !err );
    full_node_kv_is_durable( n );
    n->final_height = 0;   /* I8 holds from here on */
  }
  if( what!=FULL_BACK_SAFETY ) n->is_impaired = true;   /* the log knows all that the file forgot: it votes */
  if( what==FULL_BACK_MOVED )  n->host++;
  if( what==FULL_BACK_IMAGE )  n->may_double = true;
  full_disk_forget( n );
  w->stats.backups++;
}
