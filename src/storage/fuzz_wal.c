/* fuzz_wal: any bytes as the segments of a vote log: the reader says torn or corrupt, never more; what it keeps it keeps, and a
   log written from what it read reads the same. */
#include "storage/wal.h"
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/log.h"

#include <stdlib.h>

typedef struct { dmg_wal_t * to; uint64_t cnt; uint32_t crc; } copy_t;

static dmg_err_t copy( void * ctx, dmg_wal_rec_t const * rec ) {
  copy_t * c = ctx;
  uint8_t head[ 5 ] = { (uint8_t)rec->type };
  dmg_store_u32le( head+1, rec->epoch );
  c->crc = dmg_crc32c( dmg_crc32c( c->crc, DMG_SPAN( head ) ), rec->payload );
  c->cnt++;
  return c->to ? dmg_wal_append( c->to, rec->type, rec->epoch, &rec->payload, 1 ) : DMG_OK;
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );

/* The first byte says where the second segment begins; records get good checksums where an odd byte asks for it. */
int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  static bool is_quiet;
  if( !is_quiet ) { dmg_log_setup( -1, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT ); is_quiet = true; }
  if( sz<2 ) return 0;
  size_t cut = ( data[0]*( sz-1 )/255 )&~(size_t)7u;
  uint8_t * p = malloc( sz );
  DMG_ASSERT( p );
  memcpy( p, data+1, --sz );
  uint64_t seq = 5;
  for( size_t off = 0; off+32<=sz; ) {
    uint32_t len = dmg_load_u32le( p+off )&0x3ff;
    if( ( p[ off+29 ]&1 ) && len<=sz-off-32 ) {
      dmg_store_u32le( p+off, len );
      memset( p+off+29, 0, 3 );
      if( !( p[ off+15 ]&1 ) ) dmg_store_u64le( p+off+8, seq++ );
      dmg_store_u32le( p+off+4, dmg_crc32c( 0, dmg_span( p+off+8, 24+len ) ) );
    }
    off += ( 32u+len+7u )&~7u;
  }
  dmg_vfs_t * vfs;
  dmg_file_t * f;
  dmg_wal_t * wal, * again;
  DMG_ASSERT( !dmg_vfs_mem( 1u<<26, &vfs ) );
  DMG_ASSERT( !dmg_vfs_open( vfs, "w/0000000000000000.wal", true, &f ) && ( !cut || !dmg_file_pwrite( f, p, cut, 0 ) ) );
  dmg_file_close( f );
  if( cut<sz ) {
    DMG_ASSERT( !dmg_vfs_open( vfs, "w/0000000000000001.wal", true, &f ) && !dmg_file_pwrite( f, p+cut, sz-cut, 0 ) );
    dmg_file_close( f );
  }
  dmg_wal_cfg_t cfg = { .dir = "w" }, other = { .dir = "v" };
  dmg_open_why_t why;
  dmg_err_t err = dmg_wal_open( &cfg, vfs, &wal, &why );
  DMG_ASSERT( !err || ( err==DMG_ERR_CORRUPT && why.text[0] ) );
  if( !err ) {
    copy_t a = { 0 }, b = { 0 }, c = { 0 };
    DMG_ASSERT( !dmg_wal_open( &other, vfs, &again, NULL ) );
    a.to = again;
    DMG_ASSERT( !dmg_wal_replay( wal, copy, &a ) && !dmg_wal_sync( again ) && !dmg_wal_replay( again, copy, &b ) );
    DMG_ASSERT( a.cnt==b.cnt && a.crc==b.crc );
    dmg_wal_close( again );
    DMG_ASSERT( !dmg_wal_prune( wal ) );
    dmg_wal_close( wal );
    DMG_ASSERT( !dmg_wal_open( &other, vfs, &again, NULL ) && !dmg_wal_replay( again, copy, &c ) );
    DMG_ASSERT( a.cnt==c.cnt && a.crc==c.crc );
    dmg_wal_close( again );
    DMG_ASSERT( !dmg_wal_open( &cfg, vfs, &wal, NULL ) );
    dmg_wal_stats_t s;
    dmg_wal_stats( wal, &s );
    DMG_ASSERT( !s.cut_sz );
    dmg_wal_close( wal );
  }
  dmg_vfs_free( vfs );
  free( p );
  return 0;
}
