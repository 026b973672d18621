/* chain_votes: a data folder whose files do not belong together, or are damaged: either the chain goes on and signs nothing
   twice, or it says why not and leaves everything as it was (C6.4, C6.5). */
#include "node/test_chain_util.h"
#include "node/chain_int.h"
#include "base/log.h"

#include <fcntl.h>

static char dir[ 64 ];

static void sh( char const * fmt ) {
  char cmd[ 1024 ];
  size_t n = 0;
  /* Every % is the folder. */
  for( char const * p = fmt; *p; p++ ) {
    if( *p=='%' ) n += (size_t)snprintf( cmd+n, sizeof cmd-n, "%s", dir );
    else          cmd[ n++ ] = *p;
    assert_true( n<sizeof cmd-64 );
  }
  cmd[ n ] = 0;
  assert_int_equal( system( cmd ), 0 );
}

static void new_dir( void ) { snprintf( dir, sizeof dir, "/tmp/dmg-votes-XXXXXX" ); assert_non_null( mkdtemp( dir ) ); }

/* Mines n blocks on the folder; the head's hash afterwards. */
static dmg_hash_t mine( uint64_t n ) {
  dmg_chain_t * chain = open_chain( dir, DMG_PACE_MANUAL, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_query_chain_t info;
  dmg_at_block_t head;
  if( n ) assert_int_equal( q->dev->mine( q->ctx, n, 0, &head ), DMG_OK );
  q->chain( q->ctx, &info );
  close_chain( chain );
  return info.head.hash;
}

/* It does not open, and says so. */
static void refused( dmg_err_t want, char const * text ) {
  dmg_dev_genesis_cfg_t gcfg = { .time_ms = 1764000000000u, .name = "dev", .modules = modules, .module_cnt = 2 };
  dmg_chain_cfg_t cfg = { .modules = modules, .module_cnt = 2, .data_dir = dir, .cache_dir = cache_dir, .is_durable = true, .pace = { .kind = DMG_PACE_MANUAL }, .tree_sz_max = 64<<20 };
  uint8_t key[ 96 ];
  char why[ 512 ] = "";
  dmg_chain_t * chain;
  sh( "rm -rf %.before; cp -r % %.before; rm -rf %.before/db %.before/LOCK" );
  assert_int_equal( dmg_dev_genesis( &gcfg, accounts, arena, &cfg.genesis ), DMG_OK );
  dmg_dev_validator( cfg.validator_secret, key );
  dmg_err_t err = dmg_chain_open( &cfg, &chain, why );
  if( err!=want || !strstr( why, text ) ) fail_msg( "%s: %s, wanted %s", dmg_err_name( err ), why, text );
  sh( "rm -rf %.after; cp -r % %.after; rm -rf %.after/db %.after/LOCK" );
  if( want==DMG_ERR_VERSION ) sh( "diff -r %.before %.after" );
  else                        sh( "diff -r -x safety.bin %.before %.after" );   /* a start may have made its slots equal */
  sh( "rm -rf %.before %.after" );
}

static void flip( char const * name, uint64_t off ) {
  char path[ 128 ];
  uint8_t b;
  snprintf( path, sizeof path, "%s/%s", dir, name );
  int fd = open( path, O_RDWR );
  assert_true( fd>=0 );
  assert_int_equal( pread( fd, &b, 1, (off_t)off ), 1 );
  b ^= 0x10;
  assert_int_equal( pwrite( fd, &b, 1, (off_t)off ), 1 );
  close( fd );
}

/* The orders of C6.1, step by step: a kill of the process cannot show a sync that is missing. */
static dmg_chain_t * watched;
static uint64_t wal_syncs, signer_syncs, order_cnt[ DMG_CHAIN_STEP_CNT ];

static void order( dmg_chain_step_t step, uint64_t height, dmg_hash_t const * hash ) {
  dmg_wal_stats_t s;
  if( !watched ) return;
  dmg_wal_stats( watched->wal, &s );
  uint64_t signs = dmg_signer_syncs( watched->signer );
  order_cnt[ step ]++;
  switch( step ) {
  case DMG_CHAIN_STEP_BUILT:  wal_syncs = s.sync_cnt; signer_syncs = signs; break;
  case DMG_CHAIN_STEP_SAVED:  assert_int_equal( s.sync_cnt, wal_syncs+1 ); assert_int_equal( signs, signer_syncs ); break;
  case DMG_CHAIN_STEP_SIGNED: assert_int_equal( s.sync_cnt, wal_syncs+1 ); assert_int_equal( signs, signer_syncs+1 ); break;
  /* One of each a block. */
  default:                    assert_int_equal( s.sync_cnt, wal_syncs+1 ); assert_int_equal( signs, signer_syncs+1 ); break;
  }
}

static void test_saved_then_signed_then_written( void ** state ) {
  dmg_at_block_t head;
  new_dir();
  dmg_chain_t * chain = open_chain( dir, DMG_PACE_MANUAL, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  watched = chain;
  dmg_chain_hook = order;
  assert_int_equal( q->dev->mine( q->ctx, 6, 0, &head ), DMG_OK );
  dmg_chain_stop( chain );
  dmg_chain_hook = NULL;
  watched = NULL;
  for( int step = 0; step<DMG_CHAIN_STEP_CNT; step++ ) assert_true( order_cnt[ step ]>=6 );
  dmg_chain_close( chain );
  sh( "rm -rf %" );
}

static void test_a_lost_slot_is_rebuilt( void ** state ) {
  new_dir();
  dmg_hash_t head = mine( 3 );
  for( uint64_t slot = 0; slot<2; slot++ ) {
    flip( "safety.bin", slot*4096+200 );
    dmg_hash_t again = mine( 0 );
    assert_memory_equal( again.b, head.b, 32 );
    head = mine( 1 );
  }
  flip( "safety.bin", 200 );
  flip( "safety.bin", 4096+200 );
  refused( DMG_ERR_CORRUPT, "safety.bin and wal/ together do not say any more" );
  sh( "rm -rf %" );
}

static void test_a_corrupt_log_is_put_aside_and_the_file_decides( void ** state ) {
  new_dir();
  mine( 5 );
  flip( "wal/0000000000000000.wal", 40 );
  mine( 2 );
  sh( "test -f %/wal/0000000000000000.wal.bad -a -f %/wal/0000000000000000.wal" );
  /* The new log lacks what the file has, until the floor is above it: still the file decides. */
  flip( "wal/0000000000000000.wal", 40 );
  mine( 1 );
  flip( "wal/0000000000000000.wal", 40 );
  flip( "safety.bin", 200 );
  refused( DMG_ERR_CORRUPT, "a chain of one stops here" );
  sh( "rm -rf %" );
}

static void test_a_lost_log_is_no_harm_a_lost_file_is( void ** state ) {
  new_dir();
  mine( 3 );
  sh( "rm -r %/wal" );
  mine( 1 );
  sh( "mv %/safety.bin %/safety.away" );
  refused( DMG_ERR_CORRUPT, "safety.bin is missing" );
  sh( "mv %/safety.away %/safety.bin" );
  mine( 1 );
  sh( "rm -rf %" );
}

static void test_parts_of_a_backup_do_not_pass( void ** state ) {
  new_dir();
  mine( 3 );
  sh( "rm -rf %.old; cp -r % %.old" );
  mine( 2 );
  /* Votes of the past under blocks of today. */
  sh( "mkdir %.new && mv %/safety.bin %/wal %.new && cp -r %.old/safety.bin %.old/wal %" );
  refused( DMG_ERR_CORRUPT, "older than the blocks" );
  /* Blocks of the past under votes of today: what was signed above them must not be signed again. */
  sh( "rm -r %/safety.bin %/wal %/blocks %/db && mv %.new/safety.bin %.new/wal % && cp -r %.old/blocks %.old/db %" );
  refused( DMG_ERR_CORRUPT, "blocks come from a backup" );
  /* One block back: its proposal is still in the log, so it is finished again, the same. */
  sh( "rm -rf % && mv %.old %" );
  sh( "cp -r % %.old" );
  dmg_hash_t head = mine( 1 );
  sh( "rm -r %/blocks %/db && cp -r %.old/blocks %.old/db %" );
  dmg_hash_t again = mine( 0 );
  assert_memory_equal( again.b, head.b, 32 );
  sh( "rm -rf % %.old %.new" );
}

/* A block of this key above the tip that no vote is known for: another past of it signed that. */
static void test_a_block_that_the_votes_do_not_know_stops_the_chain( void ** state ) {
  new_dir();
  mine( 2 );
  for( uint64_t above = 1; above<=2; above++ ) {
    char path[ 128 ];
    dmg_kv_t * kv;
    dmg_block_log_t * log;
    uint64_t tip;
    dmg_hash_t hash, other = { { (uint8_t)above } };
    sh( "rm -rf %.old; cp -r % %.old" );
    snprintf( path, sizeof path, "%s/db", dir );
    assert_int_equal( dmg_kv_rocks_open( &(dmg_kv_rocks_cfg_t){ .dir = path, .is_universal = true }, &kv, NULL ), DMG_OK );
    snprintf( path, sizeof path, "%s/blocks", dir );
    dmg_block_log_cfg_t cfg = { .dir = path };
    dmg_dev_genesis_cfg_t gcfg = { .time_ms = 1764000000000u, .name = "dev", .modules = modules, .module_cnt = 2 };
    dmg_span_t genesis;
    dmg_genesis_t * g;
    assert_int_equal( dmg_dev_genesis( &gcfg, accounts, arena, &genesis ), DMG_OK );
    assert_int_equal( dmg_genesis_decode( genesis, arena, &g ).kind, DMG_VERDICT_GOOD );
    cfg.genesis_hash = dmg_genesis_hash( genesis );
    assert_int_equal( dmg_block_log_open( &cfg, dmg_vfs_os(), kv, &log, NULL ), DMG_OK );
    assert_int_equal( dmg_block_log_tip( log, &tip, &hash ), DMG_OK );
    assert_int_equal( dmg_block_log_append_block( log, tip+above, &other, DMG_SPAN_STR( "header" ), DMG_SPAN_STR( "body" ) ), DMG_OK );
    assert_int_equal( dmg_block_log_sync( log ), DMG_OK );
    dmg_block_log_close( log );
    dmg_kv_close( kv );
    refused( DMG_ERR_CORRUPT, "know no vote for" );
    sh( "rm -rf % && mv %.old %" );
  }
  sh( "rm -rf %" );
}

/* Votes for the next block are saved, and what they were for is lost: it stops, it does not sign another. */
static void test_a_lost_proposal_stops_the_chain( void ** state ) {
  new_dir();
  mine( 2 );
  sh( "cp -r % %.old" );
  mine( 1 );
  sh( "rm -r %/blocks %/db %/wal && cp -r %.old/blocks %.old/db %.old/wal %" );
  refused( DMG_ERR_CORRUPT, "the block that was voted for last is lost" );
  sh( "rm -rf % %.old" );
}

/* An export comes back into its own folder: all up to the head counts as signed, and the chain goes on above it. */
static void test_the_chain_goes_on_after_an_import( void ** state ) {
  char path[ 128 ];
  dmg_safety_t before, after;
  dmg_safety_export_t x;
  dmg_open_why_t why;
  new_dir();
  mine( 3 );
  snprintf( path, sizeof path, "%s/safety.bin", dir );
  assert_int_equal( dmg_signer_file_read( dmg_vfs_os(), path, &before, &why ), DMG_OK );
  dmg_safety_export( &before, &x );
  assert_int_equal( dmg_signer_file_import( dmg_vfs_os(), path, &x, 1, 5, &after, &why ), DMG_OK );
  assert_int_equal( after.floor, before.marks[ DMG_VOTE_FINALIZE ].view );
  assert_int_equal( after.from_ms, 0 );
  mine( 2 );
  mine( 1 );
  /* From elsewhere, and further than this chain is. */
  x.marks[ DMG_VOTE_NOTARIZE ].view = 1000;
  assert_int_equal( dmg_signer_file_import( dmg_vfs_os(), path, &x, 1, 5, &after, &why ), DMG_OK );
  refused( DMG_ERR_CORRUPT, "blocks above the last one here were signed" );
  x.chain_id.b[ 0 ] ^= 1;
  assert_int_equal( dmg_signer_file_import( dmg_vfs_os(), path, &x, 1, 5, &after, &why ), DMG_ERR_CHAIN );
  flip( "safety.bin", 300 );
  assert_int_equal( dmg_signer_file_read( dmg_vfs_os(), path, &after, &why ), DMG_ERR_CORRUPT );
  sh( "rm -rf %" );
}

static void test_a_folder_without_a_record_of_votes_is_refused( void ** state ) {
  new_dir();
  mine( 1 );
  sh( "rm -r %/wal %/safety.bin && sed -i 's/store 2.0/store 1.0/' %/STORE" );
  refused( DMG_ERR_VERSION, "keeps no record of what its validator signed" );
  sh( "rm -rf %" );
}

/* dev_revert writes history anew: only where nobody else can have it. */
static void test_a_chain_in_memory_may_go_back( void ** state ) {
  dmg_chain_t * chain = open_chain( NULL, DMG_PACE_MANUAL, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_at_block_t head, again;
  uint32_t id;
  assert_int_equal( q->dev->mine( q->ctx, 2, 0, &head ), DMG_OK );
  assert_int_equal( q->dev->snapshot( q->ctx, &id ), DMG_OK );
  assert_int_equal( q->dev->mine( q->ctx, 1, 1000, &head ), DMG_OK );
  assert_int_equal( q->dev->revert( q->ctx, id ), DMG_OK );
  assert_int_equal( q->dev->mine( q->ctx, 1, 2000, &again ), DMG_OK );
  assert_int_equal( again.height, head.height );
  assert_memory_not_equal( again.hash.b, head.hash.b, 32 );
  close_chain( chain );
}

static int quiet_setup( void ** state ) {
  dmg_log_setup( -1, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT );
  return setup( state );
}

int main( int argc, char ** argv ) {
  if( argc>1 && !strcmp( argv[ 1 ], DMG_COMPILE_CHILD_VERB ) ) return dmg_compile_child_main( argc, argv );
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_saved_then_signed_then_written ),
    cmocka_unit_test( test_a_lost_slot_is_rebuilt ),
    cmocka_unit_test( test_a_corrupt_log_is_put_aside_and_the_file_decides ),
    cmocka_unit_test( test_a_lost_log_is_no_harm_a_lost_file_is ),
    cmocka_unit_test( test_parts_of_a_backup_do_not_pass ),
    cmocka_unit_test( test_a_block_that_the_votes_do_not_know_stops_the_chain ),
    cmocka_unit_test( test_a_lost_proposal_stops_the_chain ),
    cmocka_unit_test( test_the_chain_goes_on_after_an_import ),
    cmocka_unit_test( test_a_folder_without_a_record_of_votes_is_refused ),
    cmocka_unit_test( test_a_chain_in_memory_may_go_back ),
  };
  return cmocka_run_group_tests( tests, quiet_setup, teardown );
}
