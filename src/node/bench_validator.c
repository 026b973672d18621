/* How long a driver keeps a frame waiting while blocks of 160 M gas are executed (S7.3), on the real clock: four whole nodes in one
   process, links without delay, their jobs inline and in threads of their own.  A block with transactions takes EXEC_MS: what 160 M gas
   take at 1 ns each (R1.6).  It sleeps them, as if each node had a machine of its own.

     bench_validator [seconds 20]     validator/frame jobs=inline|threads  wait_p50_us, p99, max: from a frame's coming until its driver has
                                      seen it and sent what follows;  blocks: final meanwhile, heavy of them with transactions
                                     validator/sync group=1|64  blocks_per_s of a follower on disk that catches up (S8.8) */
#include "node/test_validator_util.h"

#include "runtime/exec.h"

enum { SAMPLES = 1<<20, EXEC_MS = 160 };

/* By the linker's --wrap. */
dmg_err_t __real_dmg_runtime_exec_block( dmg_runtime_t * runtime, dmg_view_t * view, dmg_block_ctx_t const * block, dmg_tx_t * const * txs, size_t tx_cnt, uint32_t flags, dmg_arena_t * arena, dmg_exec_out_t * out );
dmg_err_t __wrap_dmg_runtime_exec_block( dmg_runtime_t * runtime, dmg_view_t * view, dmg_block_ctx_t const * block, dmg_tx_t * const * txs, size_t tx_cnt, uint32_t flags, dmg_arena_t * arena, dmg_exec_out_t * out );
dmg_err_t __wrap_dmg_runtime_exec_block( dmg_runtime_t * runtime, dmg_view_t * view, dmg_block_ctx_t const * block, dmg_tx_t * const * txs, size_t tx_cnt, uint32_t flags, dmg_arena_t * a, dmg_exec_out_t * out ) {
  if( tx_cnt ) dmg_os_sleep_ns( (uint64_t)EXEC_MS*1000000u );
  return __real_dmg_runtime_exec_block( runtime, view, block, txs, tx_cnt, flags, a, out );
}

static uint64_t * waits;
static uint32_t wait_cnt;

static int by_size( void const * a, void const * b ) { uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b; return x<y ? -1 : x>y; }

static uint64_t began_ns;
static void clock_on( void ) { w.now = 1000000+( dmg_os_mono_ns()-began_ns )/1000; }

/* What is due of a node, then its turn. */
static void serve( peer_t * p ) {
  uint64_t due[ 64 ];
  uint32_t cnt = 0;
  for( size_t i = 0; i<w.cnt && cnt<64; ) {
    if( w.parcels[ i ].to!=p->id || w.parcels[ i ].at>w.now ) { i++; continue; }
    parcel_t q = w.parcels[ i ];
    memmove( &w.parcels[ i ], &w.parcels[ i+1 ], ( w.cnt-i-1 )*sizeof q );
    w.cnt--;
    if( q.kind==TO_FRAME ) due[ cnt++ ] = q.at;
    deliver( &q );
    dmg_buf_fini( &q.data );
  }
  if( p->wake_us>w.now && !dmg_jobs_cnt( p->v->jobs ) ) return;
  assert_int_equal( dmg_validator_turn( p->v, w.now, wall(), &p->wake_us ), DMG_OK );
  dmg_buf_t txs = dmg_buf( DMG_CHAIN_OUTBOX_SZ_MAX );
  dmg_validator_take_txs( p->v, &txs );   /* each pool was given all */
  dmg_buf_fini( &txs );
  clock_on();
  for( uint32_t i = 0; i<cnt && wait_cnt<SAMPLES; i++ ) waits[ wait_cnt++ ] = w.now-due[ i ];
}

/* The machine's disk, for the time of a run. */
static void give_folder( peer_t * p, bool has_key ) {
  dmg_vfs_t * vfs = dmg_vfs_os();
  snprintf( p->dir, sizeof p->dir, "/tmp/dmg-several-XXXXXX" );
  assert_non_null( mkdtemp( p->dir ) );
  if( has_key ) init_key( p, vfs );
  dmg_vfs_free( vfs );
}

static void end_folders( void ) {
  char cmd[ 128 ];
  end_world();
  for( uint32_t i = 0; i<w.n; i++ ) {
    snprintf( cmd, sizeof cmd, "rm -rf %s", w.p[ i ].dir );
    assert_int_equal( system( cmd ), 0 );
  }
}

static void run( bool is_threaded, uint64_t seconds ) {
  uint64_t nonce = 0;
  make_world( 4, 1, 0 );
  for( uint32_t i = 0; i<4; i++ ) give_folder( &w.p[ i ], true );
  w.is_threaded = is_threaded;
  w.is_quick    = true;
  began_ns = dmg_os_mono_ns();
  clock_on();
  start_all();
  wait_cnt = 0;
  uint64_t end = w.now+seconds*1000000u, next = w.now+3000000;
  while( w.now<end ) {
    clock_on();
    if( w.now>=next ) {
      /* One for each block, to all pools. */
      dmg_hash_t id, to = { { 50 } };
      dmg_query_submit_t item = { .raw = transfer( w.p[ 0 ].chain, &accounts[ nonce%10 ], &to, 1, nonce/10, &id ) };
      for( uint32_t n = 0; n<4; n++ ) { dmg_query_submit_t one = { .raw = item.raw }; dmg_chain_submit( w.p[ n ].chain, &one, 1, true ); }
      nonce++;
      next = w.now+200000;
    }
    for( uint32_t n = 0; n<4; n++ ) { clock_on(); serve( &w.p[ n ] ); }
    if( is_threaded ) dmg_os_sleep_ns( 50000 );
  }
  dmg_chain_t const * c = w.p[ 0 ].chain;
  uint64_t heavy = c->tx_cnt, blocks = c->block_cnt;
  for( uint32_t n = 0; n<4; n++ ) stop_node( &w.p[ n ] );
  qsort( waits, wait_cnt, sizeof *waits, by_size );
  printf( "validator/frame jobs=%s blocks=%lu heavy=%lu frames=%u wait_p50_us=%lu p99=%lu max=%lu\n", is_threaded ? "threads" : "inline", (unsigned long)blocks, (unsigned long)heavy, wait_cnt,
          (unsigned long)waits[ wait_cnt/2 ], (unsigned long)waits[ wait_cnt-wait_cnt/100-1 ], (unsigned long)waits[ wait_cnt-1 ] );
  end_folders();
}

/* A follower on disk that is given the chain as sync gives it, as fast as it takes it; each block with its FINALIZATION: committed by itself. */
static void sync_all( bool is_grouped, uint64_t height ) {
  make_world( 1, 2, 0 );
  give_folder( &w.p[ 0 ], true );
  start_node( &w.p[ 0 ] );
  run_to( height, 3600 );
  dmg_query_t const * q = dmg_chain_query( w.p[ 0 ].chain );
  peer_t * p = &w.p[ 1 ];
  w.n   = 2;
  p->id = 1;
  p->is_durable = true;
  give_folder( p, false );
  w.is_threaded = true;
  start_node( p );
  uint64_t given = 0, base = w.now, began = dmg_os_mono_ns();
  while( p->v->head.height<height ) {
    w.now = base+( dmg_os_mono_ns()-began )/1000;
    for( ; given<height && given<p->v->head.height+64; given++ ) {
      dmg_query_block_t b;
      dmg_signed_header_t sh;
      dmg_cert_t cert;
      assert_int_equal( q->block( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = given+1 }, arena, &b ), DMG_OK );
      assert_int_equal( dmg_signed_header_decode( b.signed_header, &sh ).kind, DMG_VERDICT_GOOD );
      assert_int_equal( dmg_cert_decode( b.finality, &cert ).kind, DMG_VERDICT_GOOD );
      assert_int_equal( dmg_validator_sync( p->v, &sh, &b.at.hash, b.body, is_grouped && given+1<height ? NULL : &cert ), DMG_OK );
      dmg_arena_reset( arena );
    }
    assert_int_equal( dmg_validator_turn( p->v, w.now, wall(), &p->wake_us ), DMG_OK );
    dmg_os_sleep_ns( 20000 );
  }
  double s = (double)( dmg_os_mono_ns()-began )/1e9;
  printf( "validator/sync group=%s blocks=%lu blocks_per_s=%.0f\n", is_grouped ? "64" : "1", (unsigned long)height, (double)height/s );
  end_folders();
}

static uint64_t seconds = 20;
static void * bench( void * arg ) {
  waits = malloc( SAMPLES*sizeof *waits );
  if( !waits || setup( NULL ) ) return (void *)1;
  sync_all( false, 600 );
  sync_all( true, 600 );
  run( false, seconds );
  run( true, seconds );
  teardown( NULL );
  free( waits );
  return NULL;
}

int main( int argc, char ** argv ) {
  if( argc>1 && strcmp( argv[ 1 ], DMG_COMPILE_CHILD_VERB ) ) seconds = strtoul( argv[ 1 ], NULL, 10 );
  return in_deep_thread( bench, argc, argv );
}
