/* bench_save: what stands between a decision and its vote, and what a block leaves on disk (C17): SAVE (reasons and votes into the vote log, one sync), then SIGN (a slot of
   the safety file, one sync, BLS), on the node's own files in a folder of the disk given; and the bytes of an empty block in the block log, from two blocks' places.

     bench_save [FOLDER]      made and removed; in the current folder unless told */
#include "base/cpu.h"
#include "base/os.h"
#include "node/signer.h"
#include "storage/block_log.h"
#include "storage/wal.h"
#include "types/agree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TURNS = 500, WARM = 20 };

static void must( dmg_err_t err, char const * what ) {
  if( !err ) return;
  fprintf( stderr, "bench_save: %s: %s\n", what, dmg_err_name( err ) );
  exit( 1 );
}

static int cmp( void const * a, void const * b ) { uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b; return ( x>y )-( x<y ); }

static void line( char const * what, uint64_t * ns, size_t cnt ) {
  qsort( ns, cnt, sizeof *ns, cmp );
  printf( "save/%s  p50 %.2f p90 %.2f p99 %.2f max %.2f ms\n", what, (double)ns[ cnt/2 ]/1e6, (double)ns[ cnt*9/10 ]/1e6, (double)ns[ cnt*99/100 ]/1e6, (double)ns[ cnt-1 ]/1e6 );
}

static dmg_hash_t const chain_id = { { 1 } };

/* What one leader's or follower's turn saves: a header with its body, then the votes. */
static size_t proposal( uint64_t view, uint8_t * out, dmg_hash_t * out_hash ) {
  dmg_signed_header_t sh = { .header = { .version = DMG_BLOCK_VERSION, .view = view, .height = view, .parent_hash = { { (uint8_t)view } }, .body_len = DMG_BODY_EMPTY_SZ } };
  dmg_cert_t none = { 0 };
  *out_hash = dmg_header_hash( &sh.header );
  size_t sz = dmg_proposal_head( &sh, &none, 0, out );
  memset( out+sz, 0, DMG_BODY_EMPTY_SZ );
  return sz+DMG_BODY_EMPTY_SZ;
}

static void bench_turns( char const * dir ) {
  char wal_dir[ 512 ], safety[ 512 ];
  snprintf( wal_dir, sizeof wal_dir, "%s/wal", dir );
  snprintf( safety, sizeof safety, "%s/safety.bin", dir );
  dmg_vfs_t * vfs = dmg_vfs_os();
  dmg_wal_cfg_t wal_cfg = { .dir = wal_dir, .secret = 7 };
  dmg_signer_cfg_t cfg = { .vfs = vfs, .path = safety, .chain_id = chain_id, .secret = { [ 31 ] = 5 }, .is_durable = true };
  dmg_wal_t * wal;
  dmg_signer_t * signer;
  must( dmg_vfs_mkdirs( vfs, wal_dir ), "the folder" );
  must( dmg_wal_open( &wal_cfg, vfs, &wal, NULL ), "the vote log" );
  must( dmg_signer_init( &cfg, 0 ), "the safety file" );
  must( dmg_signer_open( &cfg, &signer, NULL ), "the safety file" );
  must( dmg_signer_begin( signer, dmg_signer_decide( signer, true ), 1 ), "a start" );
  dmg_safety_epoch_t epoch = { .anchor_ms = 1, .skew_ms = 500 };
  static uint64_t save[ 2*TURNS ], sign[ 2*TURNS ], both[ 2*TURNS ];
  size_t at = 0;
  for( uint64_t v = 1; v<=TURNS+WARM; v++ ) {
    uint8_t bytes[ DMG_PROPOSAL_HEAD_MAX+DMG_BODY_EMPTY_SZ ];
    dmg_hash_t hash;
    dmg_span_t prop = dmg_span( bytes, proposal( v, bytes, &hash ) );
    /* NOTARIZE with the block, then FINALIZE with N: two turns a view. */
    for( unsigned k = 0; k<2; k++ ) {
      dmg_vote_kind_t kind = k ? DMG_VOTE_FINALIZE : DMG_VOTE_NOTARIZE;
      uint8_t cert[ DMG_CERT_SZ ];
      dmg_cert_encode( &(dmg_cert_t){ .kind = DMG_VOTE_NOTARIZE, .view = v, .hash = hash, .bitmap = { 7 } }, cert );
      dmg_span_t reason = DMG_SPAN( cert );
      uint64_t t0 = dmg_os_mono_ns();
      must( k ? dmg_wal_append( wal, DMG_WAL_CERT, 0, &reason, 1 ) : dmg_wal_append( wal, DMG_WAL_PROPOSAL, 0, &prop, 1 ), "append" );
      must( dmg_wal_append_vote( wal, 0, kind, v, &hash ), "append" );
      must( dmg_wal_sync( wal ), "SAVE" );
      uint64_t t1 = dmg_os_mono_ns();
      dmg_safety_vote_t vote = { kind, 0, v, hash };
      dmg_signer_answer_t answer;
      must( dmg_signer_sign( signer, &vote, 1, &epoch, &answer ), "SIGN" );
      uint64_t t2 = dmg_os_mono_ns();
      if( answer.answer ) { fprintf( stderr, "bench_save: %s\n", dmg_safety_answer_text( answer.answer ) ); exit( 1 ); }
      if( v<=WARM ) continue;
      save[ at ] = t1-t0; sign[ at ] = t2-t1; both[ at++ ] = t2-t0;
    }
  }
  line( "save", save, at );
  line( "sign", sign, at );
  line( "save_and_sign", both, at );
  dmg_signer_close( signer );
  dmg_wal_close( wal );
  dmg_vfs_free( vfs );
}

/* From the place of one empty block's record to the next one's: BLOCK with one attendance in the body, RECEIPTS of no transaction, FINAL with its certificate. */
static void bench_bytes( void ) {
  dmg_vfs_t * vfs;
  dmg_kv_t *  kv;
  dmg_block_log_t * log;
  must( dmg_vfs_mem( 1u<<26, &vfs ), "memory" );
  dmg_vfs_mem_off_at( vfs, UINT64_MAX-1 );
  must( dmg_kv_mem_open( 1u<<24, &kv ), "memory" );
  dmg_block_log_cfg_t cfg = { .dir = "blocks", .genesis_hash = chain_id, .segment_sz = 1u<<20 };
  must( dmg_block_log_open( &cfg, vfs, kv, &log, NULL ), "the block log" );
  dmg_arena_t * arena = dmg_arena_new( 1u<<20 );
  uint64_t at[ 3 ];
  dmg_hash_t parent = chain_id;
  for( uint64_t h = 1; h<=3; h++ ) {
    dmg_attendance_t att = { .view = h, .kind = DMG_VOTE_NOTARIZE };
    dmg_body_t body = { .atts = &att, .att_cnt = 1 };
    dmg_buf_t bytes = dmg_buf( DMG_BODY_SZ_MAX );
    must( dmg_body_encode( &body, &bytes ), "a body" );
    dmg_signed_header_t sh = { .header = { .version = DMG_BLOCK_VERSION, .height = h, .view = h, .parent_hash = parent, .body_len = (uint32_t)dmg_buf_span( &bytes ).sz } };
    uint8_t header[ DMG_SIGNED_HEADER_SZ ], cert[ DMG_CERT_SZ ];
    dmg_hash_t hash = dmg_header_hash( &sh.header );
    dmg_signed_header_encode( &sh, header );
    /* Incompressible, as signatures and hashes are. */
    for( size_t i = 0; i<sizeof header; i++ ) header[ i ] = (uint8_t)( header[ i ]^dmg_h( DMG_TAG_BLOCK, dmg_span( header, i ) ).b[ i%32 ] );
    dmg_cert_encode( &(dmg_cert_t){ .kind = DMG_VOTE_FINALIZE, .view = h, .hash = hash }, cert );
    must( dmg_block_log_append_block( log, h, &hash, DMG_SPAN( header ), dmg_buf_span( &bytes ) ), "BLOCK" );
    must( dmg_block_log_append_receipts( log, &hash, NULL, 0 ), "RECEIPTS" );
    must( dmg_block_log_append_final( log, &hash, &parent, DMG_SPAN( cert ) ), "FINAL" );
    must( dmg_block_log_sync( log ), "sync" );
    dmg_kv_op_t * ops;
    size_t cnt;
    must( dmg_block_log_index( log, &hash, NULL, 0, arena, &ops, &cnt ), "index" );
    at[ h-1 ] = dmg_load_u64be( ops[ 0 ].value.p+40 );
    if( h==3 ) {
      size_t columns = 0;
      for( size_t i = 0; i<cnt; i++ ) columns += ops[ i ].key.sz+ops[ i ].value.sz;
      printf( "save/stored_empty_block  %lu bytes in the block log (the body has one attendance of 73), %zu in columns, before the store's compression\n", (unsigned long)( at[ 2 ]-at[ 1 ] ), columns );
    }
    parent = hash;
    dmg_buf_fini( &bytes );
  }
  dmg_arena_free( arena );
  dmg_block_log_close( log );
  dmg_kv_close( kv );
  dmg_vfs_free( vfs );
}

int main( int argc, char ** argv ) {
  char dir[ 256 ], command[ 300 ];
  snprintf( dir, sizeof dir, "%s/bench_save.XXXXXX", argc>1 ? argv[ 1 ] : "." );
  if( !mkdtemp( dir ) ) { perror( "bench_save: mkdtemp" ); return 1; }
  dmg_crypto_init( dmg_cpu_flags() );
  bench_turns( dir );
  snprintf( command, sizeof command, "rm -r '%s'", dir );
  if( system( command ) ) fprintf( stderr, "bench_save: %s stays\n", dir );
  bench_bytes();
  printf( "save/sizes  vote %u on the wire, %u stored, certificate %u, nullification %u, header %u signed, proposal %u without runs, handover %u without the set\n", (unsigned)DMG_VOTE_WIRE_SZ, (unsigned)DMG_VOTE_STORED_SZ,
          (unsigned)DMG_CERT_SZ, (unsigned)DMG_RUN_SZ( 1 ), (unsigned)DMG_SIGNED_HEADER_SZ, (unsigned)DMG_PROPOSAL_HEAD_MAX-1, (unsigned)DMG_WAL_EPOCH_MIN-1 );
  return 0;
}
