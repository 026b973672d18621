/* Any bytes as a stored value (with round trip) and as a block segment: opening ends, what is served has a good checksum. */
#include "storage/block_log.h"
#include "storage/state_int.h"
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/log.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );

static void stored( dmg_span_t in ) {
  dmg_stored_t s;
  if( dmg_stored_parse( in, &s ) ) return;
  size_t n = dmg_stored_sz( s.key.sz, s.value.sz );
  uint8_t * out = malloc( n );
  DMG_ASSERT( out && n==in.sz );
  DMG_ASSERT( dmg_stored_write( s.key, s.value, out )==n );
  /* The hash stands in the bytes as it was written; all else is one form. */
  size_t vh_off = s.vh ? (size_t)( s.vh-in.p ) : n;
  DMG_ASSERT( !memcmp( out, in.p, vh_off ) );
  if( s.vh ) DMG_ASSERT( !memcmp( out+vh_off+32, in.p+vh_off+32, n-vh_off-32 ) );
  free( out );
}

static void each( void * ctx, uint64_t height, dmg_hash_t const * hash ) {
  dmg_buf_t buf = dmg_buf( DMG_BLOCK_LOG_RAW_MAX );
  (void)dmg_block_log_block( ctx, hash, &buf, NULL );
  dmg_buf_clear( &buf );
  (void)dmg_block_log_receipt( ctx, hash, 0, &buf );
  dmg_buf_fini( &buf );
}

/* data: a salt, then records whose checksums are made good, so that the fuzzer gets past them. */
static void segment( dmg_span_t in ) {
  uint8_t head[ 64 ] = "DMGBLK01";
  dmg_store_u32le( head+8, 1 );
  dmg_store_u64le( head+52, 7 );
  dmg_store_u32le( head+60, dmg_crc32c( 0, dmg_span( head, 60 ) ) );
  uint8_t * body = malloc( in.sz+1 );
  DMG_ASSERT( body );
  memcpy( body, in.p, in.sz );
  for( size_t off=0; off+68<=in.sz; ) {
    uint32_t stored_sz = dmg_load_u32le( body+off+48 )&0xfff;
    if( body[ off ]&1 ) {
      memcpy( body+off, "DBR1", 4 );
      dmg_store_u32le( body+off+48, stored_sz );
      if( stored_sz<=in.sz-off-68 )
        dmg_store_u32le( body+off+64, dmg_crc32c( dmg_crc32c( dmg_crc32c( 0, dmg_span( head+52, 8 ) ), dmg_span( body+off, 64 ) ), dmg_span( body+off+68, stored_sz ) ) );
    }
    off += ( 68u+stored_sz+7u )&~7u;
  }
  dmg_vfs_t * vfs;
  dmg_kv_t * kv;
  dmg_file_t * f;
  dmg_block_log_t * log = NULL;
  DMG_ASSERT( !dmg_vfs_mem( 1u<<26, &vfs ) && !dmg_kv_mem_open( 1u<<20, &kv ) );
  DMG_ASSERT( !dmg_vfs_open( vfs, "b/0000000000000000.blk", true, &f ) );
  DMG_ASSERT( !dmg_file_pwrite( f, head, 64, 0 ) && !dmg_file_pwrite( f, body, in.sz, 64 ) );
  dmg_file_close( f );
  dmg_block_log_cfg_t cfg = { .dir = "b" };
  if( !dmg_block_log_open( &cfg, vfs, kv, &log, NULL ) ) {
    dmg_block_log_each_live( log, each, log );
    uint64_t tip;
    dmg_hash_t hash, parent;
    if( !dmg_block_log_tip( log, &tip, &hash ) ) {
      each( log, tip, &hash );
      dmg_buf_t cert = dmg_buf( 1024 );
      (void)dmg_block_log_final( log, tip, &hash, &parent, &cert );
      dmg_buf_fini( &cert );
    }
    dmg_block_log_close( log );
    /* What the first open kept, the second keeps too. */
    DMG_ASSERT( !dmg_block_log_open( &cfg, vfs, kv, &log, NULL ) );
    dmg_block_log_stats_t stats;
    dmg_block_log_stats( log, &stats );
    DMG_ASSERT( !stats.cut_sz );
    dmg_block_log_close( log );
  }
  dmg_kv_close( kv );
  dmg_vfs_free( vfs );
  free( body );
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  static bool is_quiet;
  if( !is_quiet ) { dmg_log_setup( -1, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT ); is_quiet = true; }
  if( !sz ) return 0;
  dmg_span_t in = dmg_span( data+1, sz-1 );
  if( data[0]&1 ) stored( in );
  else            segment( in );
  return 0;
}
