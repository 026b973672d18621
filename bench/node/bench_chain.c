/* bench_chain: one run of the transfer benchmark inside the process: no HTTP, no JSON; prints one JSON line.

     bench_chain MIX DIR|- THREADS [CNT [CALL]]

     fund, open        setup, not measured
     submit            THREADS threads call tx_submit with CALL (100) transfers at once, as a
                       JSON-RPC batch does: decode, admission, verify, pool                     \  pace: by hand
     blocks            mine until the pool is empty: build, execute, root, store, sync          /

   DIR is made anew and must not exist; - keeps all in memory.  The difference to the figure over JSON-RPC is what HTTP and JSON
   cost.  Afterwards every receipt must be OK. */
#include "workload.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/os.h"
#include "cli/builtin.h"
#include "node/chain.h"
#include "runtime/compile_child.h"
#include "types/receipt.h"
#include "types/schema.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { THREAD_MAX = 64, CALL_MAX = 256, SETUP_GAS = 2000000, LIFETIME = 14000 };
#define SETUP_FEE_MAX 100000000ull        /* 1 CGT; what is left over is not taken */
#define SPARKS_EACH   ( 1000ull*100000000ull )

static _Noreturn void die( char const * what, dmg_err_t err, char const * why ) {
  fprintf( stderr, "bench_chain: %s: %s%s%s\n", what, dmg_err_text( err ), *why ? ": " : "", why );
  exit( 1 );
}

static double cpu_s( void ) {
  struct rusage u;
  getrusage( RUSAGE_SELF, &u );
  return (double)( u.ru_utime.tv_sec+u.ru_stime.tv_sec )+(double)( u.ru_utime.tv_usec+u.ru_stime.tv_usec )*1e-6;
}
static double wall_s( void ) { return (double)dmg_os_mono_ns()*1e-9; }

typedef struct { dmg_span_t * txs; uint32_t cnt, call_sz; atomic_uint next; dmg_query_t const * q; } job_t;

static void * submit_some( void * arg ) {
  job_t * job = arg;
  for(;;) {
    uint32_t i = atomic_fetch_add( &job->next, job->call_sz ), n = 0;
    if( i>=job->cnt ) return NULL;
    dmg_query_submit_t items[ CALL_MAX ];
    for( ; n<job->call_sz && i+n<job->cnt; n++ ) items[ n ] = (dmg_query_submit_t){ .raw = job->txs[ i+n ] };
    job->q->tx_submit( job->q->ctx, items, n );
    for( uint32_t k = 0; k<n; k++ ) if( items[ k ].err ) die( "tx_submit", items[ k ].err, items[ k ].why.text );
  }
}

/* All of the frames, in order but for the threads' race; a lane takes nonces up to 63 ahead, so the race does no harm. */
static void submit( dmg_query_t const * q, dmg_buf_t const * frames, uint32_t thread_cnt, uint32_t call_sz ) {
  job_t job = { .q = q, .call_sz = call_sz };
  dmg_span_t tx;
  for( size_t at = 0; dmg_workload_next( frames, &at, &tx ); ) job.cnt++;
  job.txs = calloc( job.cnt, sizeof *job.txs );
  if( !job.txs ) die( "memory", DMG_ERR_NOMEM, "" );
  uint32_t i = 0;
  for( size_t at = 0; dmg_workload_next( frames, &at, &job.txs[ i ] ); ) i++;
  pthread_t thread[ THREAD_MAX ];
  for( uint32_t t = 0; t<thread_cnt; t++ ) if( pthread_create( &thread[ t ], NULL, submit_some, &job ) ) die( "threads", DMG_ERR_NOMEM, "" );
  for( uint32_t t = 0; t<thread_cnt; t++ ) pthread_join( thread[ t ], NULL );
  free( job.txs );
}

static uint32_t mine_all( dmg_query_t const * q ) {
  for( uint32_t n = 0; ; n++ ) {
    dmg_query_chain_t c;
    dmg_at_block_t head;
    q->chain( q->ctx, &c );
    if( !c.pooled_cnt ) return n;
    if( n>10000 ) die( "mine", DMG_ERR_LIMIT, "the pool does not empty" );
    dmg_err_t err = q->dev->mine( q->ctx, 1, 1, &head );
    if( err ) die( "mine", err, "" );
  }
}

/* Schema hashes as the chain has them. */
static void schemas( dmg_query_t const * q, dmg_arena_t * arena, dmg_workload_t * wl ) {
  dmg_query_view_t view;
  dmg_span_t raw;
  dmg_abi_t const * abi;
  dmg_err_t err = q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view );
  if( err ) die( "view", err, "" );
  err = q->module_abi( q->ctx, &view, 2, arena, &raw );
  if( err ) die( "the interface of balances", err, "" );
  if( dmg_abi_decode( raw, arena, &abi ).kind!=DMG_VERDICT_GOOD ) die( "the interface of balances", DMG_ERR_CORRUPT, "" );
  dmg_abi_fn_t const * one = dmg_abi_call_named( abi, DMG_SPAN_STR( "transfer" ) ), * many = dmg_abi_call_named( abi, DMG_SPAN_STR( "transfer_many" ) );
  if( !one || !many || dmg_schema_hash( 2, one, &wl->schema_transfer ) || dmg_schema_hash( 2, many, &wl->schema_many ) ) die( "schemas", DMG_ERR_NOT_FOUND, "" );
  q->view_close( q->ctx, &view );
}

/* The gas limit a client would set for the first transfer. */
static uint64_t gas_of( dmg_query_t const * q, dmg_arena_t * arena, dmg_buf_t const * frames ) {
  dmg_span_t tx;
  dmg_query_preview_t p;
  dmg_query_why_t why = { .name = "" };
  size_t at = 0;
  if( !dmg_workload_next( frames, &at, &tx ) ) die( "preview", DMG_ERR_INVALID, "" );
  dmg_at_block_t at_block;
  dmg_err_t err = q->tx_preview( q->ctx, &tx, 1, false, arena, &p, &at_block, &why );
  if( err ) die( "preview", err, why.text );
  if( p.status ) die( "preview", DMG_ERR_INVALID, dmg_status_name( p.status ) );
  return p.gas_to_set;
}

static uint32_t check_receipts( dmg_query_t const * q, uint64_t from, uint64_t to ) {
  uint32_t cnt = 0;
  for( uint64_t h = from; h<=to; h++ ) {
    dmg_arena_t * arena = dmg_arena_new( (size_t)512<<20 );
    dmg_span_t * list;
    uint32_t n;
    dmg_err_t err = arena ? q->receipts( q->ctx, h, arena, &list, &n ) : DMG_ERR_NOMEM;
    if( err ) die( "receipts", err, "" );
    for( uint32_t i = 0; i<n; i++ ) {
      dmg_receipt_t * r;
      if( dmg_receipt_decode( list[ i ], arena, &r ).kind!=DMG_VERDICT_GOOD ) die( "receipt", DMG_ERR_CORRUPT, "" );
      if( dmg_hash_is_zero( &r->id ) ) continue;   /* system work */
      if( r->status!=DMG_STATUS_OK ) die( "a transfer failed", DMG_ERR_INVALID, dmg_status_name( r->status ) );
      cnt++;
    }
    dmg_arena_free( arena );
  }
  return cnt;
}

int main( int argc, char ** argv ) {
  if( argc>1 && !strcmp( argv[ 1 ], DMG_COMPILE_CHILD_VERB ) ) return dmg_compile_child_main( argc, argv );
  static dmg_workload_t wl;
  uint32_t mix = 0;
  if( argc<4 ) { fprintf( stderr, "usage: bench_chain uniform|hot20|hot100 DIR|- THREADS [CNT [CALL]]\n" ); return 2; }
  while( mix<DMG_WORKLOAD_MIX_CNT && strcmp( argv[ 1 ], dmg_workload_mix_name[ mix ] ) ) mix++;
  unsigned long thread_cnt = strtoul( argv[ 3 ], NULL, 10 ), cnt = argc>4 ? strtoul( argv[ 4 ], NULL, 10 ) : DMG_WORKLOAD_CNT;
  unsigned long call_sz = argc>5 ? strtoul( argv[ 5 ], NULL, 10 ) : 100;
  if( mix==DMG_WORKLOAD_MIX_CNT || thread_cnt<1 || thread_cnt>THREAD_MAX || cnt<1 || cnt>DMG_WORKLOAD_CNT || call_sz<1 || call_sz>CALL_MAX ) { fprintf( stderr, "bench_chain: no such mix, threads, count or call\n" ); return 2; }
  dmg_crypto_init( dmg_cpu_flags() );
  dmg_log_setup( 2, DMG_LOG_LEVEL_WARN, DMG_LOG_FORMAT_AUTO );

  char const * dir = strcmp( argv[ 2 ], "-" ) ? argv[ 2 ] : NULL;
  char cache[ 1024 ], why[ 512 ];
  dmg_dev_account_t dev[ DMG_DEV_KEY_CNT ];
  dmg_arena_t * arena = dmg_arena_new( (size_t)256<<20 );
  if( !arena ) die( "memory", DMG_ERR_NOMEM, "" );
  if( dir && !access( dir, F_OK ) ) die( dir, DMG_ERR_INVALID, "it stands already" );
  snprintf( cache, sizeof cache, "%.900s/.cache/demiurge/modules", getenv( "HOME" ) ? getenv( "HOME" ) : "/tmp" );

  dmg_err_t err = dmg_dev_accounts( dev );
  if( err ) die( "dev accounts", err, "" );
  /* As many transfers as there are fit into one block (the dev genesis for this benchmark). */
  dmg_dev_genesis_cfg_t gcfg = { .time_ms = dmg_os_wall_ms(), .name = "dev", .modules = dmg_builtin_modules, .module_cnt = dmg_builtin_module_cnt,
                                 .body_max = 3670016, .block_gas = 4000000000u, .block_intrinsic = 8000000000u };
  dmg_chain_cfg_t cfg = { .is_dev = true, .dev_accounts = dev, .modules = dmg_builtin_modules, .module_cnt = dmg_builtin_module_cnt, .data_dir = dir, .cache_dir = cache,
                          .is_durable = dir!=NULL, .pace = { .kind = DMG_PACE_MANUAL } };
  uint8_t key[ 96 ];
  dmg_chain_t * chain;
  dmg_dev_validator( cfg.validator_secret, key );
  err = dmg_dev_genesis( &gcfg, dev, arena, &cfg.genesis );
  if( err ) die( "genesis", err, "" );
  if( dir && ( err = dmg_os_mkdirs( dir ) ) ) die( dir, err, "" );
  err = dmg_chain_open( &cfg, &chain, why );
  if( err ) die( "open", err, why );
  err = dmg_chain_start( chain );
  if( err ) die( "start", err, "" );
  dmg_query_t const * q = dmg_chain_query( chain );

  dmg_query_chain_t c0, c1;
  q->chain( q->ctx, &c0 );
  dmg_workload_init( &wl );
  wl.chain   = c0.chain_id;
  wl.expiry  = c0.head.height+LIFETIME;
  wl.gas     = SETUP_GAS;
  wl.fee_max = SETUP_FEE_MAX;
  schemas( q, arena, &wl );
  dmg_workload_account_t alice = { .address = dev[ 0 ].address };
  memcpy( alice.secret, dev[ 0 ].secret, 32 );
  memcpy( alice.key, dev[ 0 ].key, 32 );
  dmg_buf_t frames = dmg_buf( (size_t)1<<28 );
  if( dmg_workload_fund( &wl, &alice, 0, SPARKS_EACH, &frames ) ) die( "fund", DMG_ERR_NOMEM, "" );
  submit( q, &frames, 1, CALL_MAX );
  mine_all( q );
  dmg_buf_clear( &frames );
  if( dmg_workload_open( &wl, &frames ) ) die( "open", DMG_ERR_NOMEM, "" );
  submit( q, &frames, 1, CALL_MAX );
  mine_all( q );

  uint64_t digest;
  dmg_buf_clear( &frames );
  if( dmg_workload_mix( &wl, (dmg_workload_mix_t)mix, 1, NULL, &frames ) ) die( "mix", DMG_ERR_NOMEM, "" );
  wl.gas = gas_of( q, arena, &frames );
  dmg_buf_clear( &frames );
  if( dmg_workload_mix( &wl, (dmg_workload_mix_t)mix, (uint32_t)cnt, &digest, &frames ) ) die( "mix", DMG_ERR_NOMEM, "" );

  q->chain( q->ctx, &c0 );
  double w0 = wall_s(), u0 = cpu_s();
  submit( q, &frames, (uint32_t)thread_cnt, (uint32_t)call_sz );
  double w1 = wall_s(), u1 = cpu_s();
  uint32_t blocks = mine_all( q );
  double w2 = wall_s(), u2 = cpu_s();
  q->chain( q->ctx, &c1 );

  uint32_t ok = check_receipts( q, c0.head.height+1, c1.head.height );
  if( ok!=cnt ) die( "receipts", DMG_ERR_INVALID, "not as many as transfers" );
  struct rusage u;
  getrusage( RUSAGE_SELF, &u );
  printf( "{\"digest\":\"%016" PRIx64 "\",\"cnt\":%lu,\"blocks\":%u,\"gas\":%" PRIu64 ",\"txBytes\":%zu,\"submit\":{\"wallS\":%.6f,\"cpuS\":%.6f},\"blocksMade\":{\"wallS\":%.6f,\"cpuS\":%.6f},\"peakBytes\":%ld}\n",
          digest, cnt, blocks, wl.gas, frames.sz/cnt-4, w1-w0, u1-u0, w2-w1, u2-u1, u.ru_maxrss*1024 );
  dmg_buf_fini( &frames );
  dmg_chain_stop( chain );
  dmg_chain_close( chain );
  dmg_arena_free( arena );
  return 0;
}
