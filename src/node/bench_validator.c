/* How long a driver keeps a frame waiting while full blocks are executed (S7.3), on the real clock: four whole nodes in one process,
   links without delay, their jobs inline and in threads of their own.

     bench_validator [seconds 20]     validator/frame jobs=inline|threads  wait_p50_us, p99, max: from a frame's coming until its driver has
                                      seen it and sent what follows */
#include "node/test_validator_util.h"

enum { SAMPLES = 1<<20, WAVE = 4000 };

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

static void run( bool is_threaded, uint64_t seconds ) {
  static uint64_t nonce[ DMG_DEV_KEY_CNT ];
  make_world( 4, 1, 0, true );
  memset( nonce, 0, sizeof nonce );
  w.is_threaded = is_threaded;
  w.is_quick    = true;
  began_ns = dmg_os_mono_ns();
  clock_on();
  for( uint32_t i = 0; i<4; i++ ) start_node( &w.p[ i ] );
  transfer_gas = 40000;
  wait_cnt = 0;
  uint64_t end = w.now+seconds*1000000u, next = w.now+4000000;
  while( w.now<end ) {
    clock_on();
    if( w.now>=next ) {
      /* A wave for about one block, to all pools. */
      dmg_hash_t id, to = { { 50 } };
      for( uint32_t k = 0; k<WAVE; k += 50 ) {
        dmg_query_submit_t items[ 50 ] = { 0 };
        for( uint32_t i = 0; i<50; i++ ) items[ i ].raw = transfer( w.p[ 0 ].chain, &accounts[ ( k+i )%10 ], &to, 1, nonce[ ( k+i )%10 ]++, &id );
        for( uint32_t n = 0; n<4; n++ ) { dmg_chain_submit( w.p[ n ].chain, items, 50, true ); for( uint32_t i = 0; i<50; i++ ) items[ i ] = (dmg_query_submit_t){ .raw = items[ i ].raw }; }
        dmg_arena_reset( arena );
        clock_on();
        for( uint32_t n = 0; n<4; n++ ) serve( &w.p[ n ] );
      }
      next = w.now+1000000;
    }
    for( uint32_t n = 0; n<4; n++ ) { clock_on(); serve( &w.p[ n ] ); }
    if( is_threaded ) dmg_os_sleep_ns( 50000 );
  }
  dmg_chain_t const * c = w.p[ 0 ].chain;
  uint64_t txs = c->tx_cnt, exec_ms = c->exec_ns/1000000, blocks = c->block_cnt;
  for( uint32_t n = 0; n<4; n++ ) stop_node( &w.p[ n ] );
  qsort( waits, wait_cnt, sizeof *waits, by_size );
  printf( "validator/frame jobs=%s blocks=%lu txs=%lu exec_ms=%lu frames=%u wait_p50_us=%lu p99=%lu max=%lu\n", is_threaded ? "threads" : "inline", (unsigned long)blocks, (unsigned long)txs, (unsigned long)exec_ms, wait_cnt, (unsigned long)waits[ wait_cnt/2 ], (unsigned long)waits[ wait_cnt-wait_cnt/100-1 ], (unsigned long)waits[ wait_cnt-1 ] );
  end_world();
}

static uint64_t seconds = 20;
static void * bench( void * arg ) {
  waits = malloc( SAMPLES*sizeof *waits );
  if( !waits || setup( NULL ) ) return (void *)1;
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
