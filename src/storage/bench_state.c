/* bench_state: the state at size.  One line a figure, what it varies in the name (S17, smaller).

     bench_state [keys=1000000] [updates=10000] [blocks=50] [backend=memory|rocksdb|both]

   Values are 100 incompressible bytes, updates uniform over the keys; the root is asked for and the
   block committed (durable on RocksDB) each block.  Blind runs: the old values are read at the commit only. */
#include "storage/state.h"
#include "types/state_proof.h"
#include "base/assert.h"
#include "base/cpu.h"
#include "base/os.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { VALUE_SZ = 100 };

static uint64_t mix( uint64_t z ) { return dmg_rnd_u64( &z ); }
static dmg_hash_t hash_of( uint64_t i ) { return dmg_sha256( dmg_span( &i, 8 ) ); }

typedef struct { uint8_t key[ 8 ]; uint8_t value[ VALUE_SZ ]; } cell_t;

static int cmp( void const * a, void const * b ) { return dmg_span_cmp( ( (dmg_write_t const *)a )->key, ( (dmg_write_t const *)b )->key ); }
static int cmp_u64( void const * a, void const * b ) { uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b; return ( x>y )-( x<y ); }

static size_t fill( cell_t * c, dmg_write_t * w, uint64_t const * ids, size_t cnt, uint64_t salt ) {
  for( size_t i=0; i<cnt; i++ ) {
    dmg_store_u64be( c[ i ].key, ids[ i ] );
    for( size_t j=0; j<VALUE_SZ; j+=8 ) { uint64_t r = mix( salt+ids[ i ]*16+j ); memcpy( c[ i ].value+j, &r, VALUE_SZ-j<8 ? VALUE_SZ-j : 8 ); }
    w[ i ] = (dmg_write_t){ .key = DMG_SPAN( c[ i ].key ), .value = DMG_SPAN( c[ i ].value ) };
  }
  qsort( w, cnt, sizeof *w, cmp );
  size_t n = 0;
  for( size_t i=0; i<cnt; i++ ) if( !n || cmp( w+n-1, w+i ) ) w[ n++ ] = w[ i ];
  return n;
}

static double ms( uint64_t ns ) { return (double)ns/1e6; }
static long rss_kib( void ) { struct rusage u; getrusage( RUSAGE_SELF, &u ); return u.ru_maxrss; }

#define OK( call ) do { dmg_err_t e_ = ( call ); if( e_ ) { fprintf( stderr, "%s: %s\n", #call, dmg_err_name( e_ ) ); exit( 1 ); } } while(0)

static void run( char const * backend, uint64_t keys, size_t updates, size_t blocks ) {
  dmg_kv_t * kv;
  dmg_state_t * s;
  char dir[ 64 ] = "/tmp/dmg_bench_XXXXXX";
  bool is_rocks = !strcmp( backend, "rocksdb" );
  dmg_open_why_t why;
  if( is_rocks ) {
    DMG_ASSERT( mkdtemp( dir ) );
    dmg_kv_rocks_cfg_t cfg = { .dir = dir, .is_universal = true, .cache_sz = 256u<<20 };
    OK( dmg_kv_rocks_open( &cfg, &kv, &why ) );
  } else OK( dmg_kv_mem_open( (uint64_t)16<<30, &kv ) );
  dmg_state_cfg_t cfg = { .genesis_hash = { { 1 } }, .is_durable = is_rocks };
  OK( dmg_state_open( &cfg, kv, &s, &why ) );

  size_t batch = 100000, room = updates>batch ? updates : batch;
  cell_t * c = malloc( room*sizeof *c );
  dmg_write_t * w = malloc( room*sizeof *w );
  uint64_t * ids = malloc( room*sizeof *ids ), h = 0;
  uint64_t * t_apply = calloc( blocks, 8 ), * t_root = calloc( blocks, 8 ), * t_commit = calloc( blocks, 8 );
  DMG_ASSERT( c && w && ids && t_apply && t_root && t_commit );
  dmg_hash_t parent = hash_of( 0 ), root;
  OK( dmg_state_genesis( s, &parent, NULL, 0, &root ) );
  uint64_t start = dmg_os_mono_ns();
  for( uint64_t at=0; at<keys; ) {
    size_t n = keys-at<batch ? (size_t)( keys-at ) : batch;
    for( size_t i=0; i<n; i++ ) ids[ i ] = mix( at+i );
    n = fill( c, w, ids, n, 1 );
    dmg_hash_t b = hash_of( ++h );
    OK( dmg_state_apply( s, &parent, &b, h, w, n, NULL, 0 ) );
    OK( dmg_state_finalize( s, &b, NULL, 0 ) );
    parent = b;
    at += batch;
  }
  char name[ 128 ];
  snprintf( name, sizeof name, "keys=%lu backend=%s", (unsigned long)keys, backend );
  printf( "state/preload %s %.0f keys/s\n", name, (double)keys*1e9/(double)( dmg_os_mono_ns()-start ) );

  start = dmg_os_mono_ns();
  for( size_t b=0; b<blocks; b++ ) {
    for( size_t i=0; i<updates; i++ ) ids[ i ] = mix( mix( b*updates+i+77 )%keys );
    size_t n = fill( c, w, ids, updates, 2+b );
    dmg_hash_t hash = hash_of( ++h );
    uint64_t t0 = dmg_os_mono_ns();
    OK( dmg_state_apply( s, &parent, &hash, h, w, n, NULL, 0 ) );
    uint64_t t1 = dmg_os_mono_ns();
    OK( dmg_state_root( s, &hash, &root ) );
    uint64_t t2 = dmg_os_mono_ns();
    OK( dmg_state_finalize( s, &hash, NULL, 0 ) );
    uint64_t t3 = dmg_os_mono_ns();
    t_apply[ b ] = t1-t0; t_root[ b ] = t2-t1; t_commit[ b ] = t3-t2;
    parent = hash;
  }
  uint64_t sum = 0;
  for( size_t b=0; b<blocks; b++ ) sum += t_apply[ b ]+t_root[ b ]+t_commit[ b ];
  qsort( t_apply, blocks, 8, cmp_u64 ); qsort( t_root, blocks, 8, cmp_u64 ); qsort( t_commit, blocks, 8, cmp_u64 );
  size_t p99 = blocks*99/100;
  printf( "state/apply %s updates=%zu p50 %.2f ms p99 %.2f ms\n", name, updates, ms( t_apply[ blocks/2 ] ), ms( t_apply[ p99 ] ) );
  printf( "state/root %s updates=%zu p50 %.2f ms p99 %.2f ms\n", name, updates, ms( t_root[ blocks/2 ] ), ms( t_root[ p99 ] ) );
  printf( "state/commit %s updates=%zu p50 %.2f ms p99 %.2f ms\n", name, updates, ms( t_commit[ blocks/2 ] ), ms( t_commit[ p99 ] ) );
  printf( "state/updates %s updates=%zu %.0f updates/s\n", name, updates, (double)( blocks*updates )*1e9/(double)sum );

  dmg_arena_t * arena = dmg_arena_new( 1u<<24 );
  dmg_buf_t proof = dmg_buf( DMG_STATE_SINGLE_SZ_MAX );
  enum { N = 20000 };
  uint64_t sz = 0;
  start = dmg_os_mono_ns();
  for( uint64_t i=0; i<N; i++ ) {
    uint8_t key[ 8 ];
    bool is_present;
    dmg_span_t value;
    dmg_store_u64be( key, mix( mix( i )%keys ) );
    dmg_buf_clear( &proof );
    OK( dmg_state_prove( s, &parent, DMG_SPAN( key ), arena, &proof, &is_present, &value ) );
    sz += proof.sz;
    dmg_arena_reset( arena );
  }
  printf( "state/prove %s at=head %.0f proofs/s mean %.0f bytes\n", name, N*1e9/(double)( dmg_os_mono_ns()-start ), (double)sz/N );
  dmg_hash_t old = hash_of( h-( blocks>20 ? 20 : blocks-1 ) );
  start = dmg_os_mono_ns();
  for( uint64_t i=0; i<N/20; i++ ) {
    uint8_t key[ 8 ];
    bool is_present;
    dmg_span_t value;
    dmg_store_u64be( key, mix( mix( i )%keys ) );
    dmg_buf_clear( &proof );
    OK( dmg_state_prove( s, &old, DMG_SPAN( key ), arena, &proof, &is_present, &value ) );
    dmg_arena_reset( arena );
  }
  printf( "state/prove %s at=head-20 %.0f proofs/s\n", name, N/20*1e9/(double)( dmg_os_mono_ns()-start ) );
  dmg_view_t * v;
  OK( dmg_state_view( s, &parent, &v ) );
  start = dmg_os_mono_ns();
  for( uint64_t i=0; i<N; i++ ) {
    uint8_t key[ 8 ];
    dmg_span_t value;
    dmg_store_u64be( key, mix( mix( i+5 )%keys ) );
    OK( dmg_view_get( v, DMG_SPAN( key ), arena, &value ) );
    dmg_arena_reset( arena );
  }
  printf( "state/get %s %.2f us\n", name, (double)( dmg_os_mono_ns()-start )/1e3/N );
  dmg_view_close( v );
  dmg_state_stats_t st;
  dmg_state_stats( s, &st );
  printf( "state/tree %s %.1f bytes/key, peak rss %ld MiB, ring %lu blocks %lu MiB\n", name, (double)st.tree_sz/(double)st.key_cnt, rss_kib()/1024, (unsigned long)st.ring_cnt, (unsigned long)( st.ring_sz>>20 ) );
  dmg_state_close( s );
  start = dmg_os_mono_ns();
  OK( dmg_state_open( &cfg, kv, &s, &why ) );
  printf( "state/open %s %.0f ms\n", name, ms( dmg_os_mono_ns()-start ) );
  dmg_state_close( s );
  dmg_kv_close( kv );
  dmg_buf_fini( &proof );
  dmg_arena_free( arena );
  free( c ); free( w ); free( ids ); free( t_apply ); free( t_root ); free( t_commit );
  if( is_rocks ) {
    char cmd[ 128 ];
    snprintf( cmd, sizeof cmd, "rm -rf '%s'", dir );
    if( system( cmd ) ) exit( 1 );
  }
}

int main( int argc, char ** argv ) {
  uint64_t keys = 1000000;
  size_t updates = 10000, blocks = 50;
  char const * backend = "both";
  for( int i=1; i<argc; i++ ) {
    if( !strncmp( argv[ i ], "keys=", 5 ) )          keys    = strtoull( argv[ i ]+5, NULL, 10 );
    else if( !strncmp( argv[ i ], "updates=", 8 ) )  updates = strtoull( argv[ i ]+8, NULL, 10 );
    else if( !strncmp( argv[ i ], "blocks=", 7 ) )   blocks  = strtoull( argv[ i ]+7, NULL, 10 );
    else if( !strncmp( argv[ i ], "backend=", 8 ) )  backend = argv[ i ]+8;
    else { fprintf( stderr, "bench_state [keys=N] [updates=N] [blocks=N] [backend=memory|rocksdb|both]; unknown: %s\n", argv[ i ] ); return 2; }
  }
  if( !keys || !updates || blocks<2 ) { fprintf( stderr, "keys and updates from 1, blocks from 2\n" ); return 2; }
  dmg_crypto_init( dmg_cpu_flags() );
  printf( "kernel %s\n", dmg_sha256_kernel_name() );
  if( strcmp( backend, "rocksdb" ) ) run( "memory", keys, updates, blocks );
  if( strcmp( backend, "memory" ) )  run( "rocksdb", keys, updates, blocks );
  return 0;
}
