/* bench_exec: transfers a second through the executor, one thread, warm state, blocks of 10,000 transfers over 500 accounts.

     bench_exec MODULES_DIR [--blocks N] [--signed]

   What varies: mix = uniform | hot20 (one in five goes to one account) | one (all to one account); stage = exec (prologue, calls,
   epilogue, write set), and with --signed also decode and signature check, singly and in batches of 64, in front of it.  One line
   a figure: the median of the blocks, with the fastest and the slowest. */
#include "base/cpu.h"
#include "base/os.h"
#include "crypto/sig.h"
#include "runtime/code_cache.h"
#include "runtime/wasm_check.h"
#include "types/items.h"
#include "types/params.h"
#include "types/schema.h"

#include <stdio.h>
#include <stdlib.h>

enum { ACCOUNTS = 500, TXS = 10000, BLOCKS_MAX = 1000 };

typedef struct { uint8_t secret[ 32 ], key[ 32 ]; dmg_account_init_t init; dmg_hash_t address; uint64_t nonce; } account_t;
typedef enum { MIX_UNIFORM, MIX_HOT20, MIX_ONE, MIX_CNT } mix_t;
static char const * const mix_name[ MIX_CNT ] = { "uniform", "hot20", "one" };

static account_t        accounts[ ACCOUNTS ];
static dmg_hash_t       chain_id, head, transfer_schema;
static uint64_t         height, time_ms = 1764000000000;
static dmg_state_t *    state;
static dmg_runtime_t *  rt;
static dmg_arena_t *    block_arena, * tx_arena;
static dmg_span_t       raws[ TXS ];
static dmg_tx_t *       txs[ TXS ];
static uint64_t         rnd_state = 0x9e3779b97f4a7c15;

static uint64_t rnd( void ) { return dmg_rnd_u64( &rnd_state ); }

#define MUST( call ) do { dmg_err_t must_ = ( call ); if( must_ ) { fprintf( stderr, "%s: %s\n", #call, dmg_err_text( must_ ) ); exit( 1 ); } } while(0)

typedef struct { dmg_buf_t wasm[ 2 ]; dmg_hash_t hash[ 2 ]; } modules_t;
static dmg_span_t
module_file( void * ctx, dmg_hash_t const * hash ) {
  modules_t * m = ctx;
  for( unsigned i=0; i<2; i++ ) if( dmg_hash_eq( &m->hash[ i ], hash ) ) return dmg_buf_span( &m->wasm[ i ] );
  return (dmg_span_t){ 0 };
}

static void
modules_load( char const * dir, modules_t * m ) {
  static char const * const name[ 2 ] = { "system", "balances" };
  for( unsigned i=0; i<2; i++ ) {
    char path[ 1024 ];
    snprintf( path, sizeof( path ), "%s/%s.wasm", dir, name[ i ] );
    if( dmg_os_file_read( path, 1<<20, &m->wasm[ i ] ) ) { fprintf( stderr, "no %s: build the target modules\n", path ); exit( 1 ); }
    m->hash[ i ] = dmg_code_hash( dmg_buf_span( &m->wasm[ i ] ) );
  }
  dmg_wasm_report_t report;
  dmg_abi_t const * abi;
  MUST( dmg_wasm_check( dmg_buf_span( &m->wasm[ 1 ] ), &report ) );
  if( dmg_abi_decode( report.abi, tx_arena, &abi ).kind!=DMG_VERDICT_GOOD ) exit( 1 );
  MUST( dmg_schema_hash( 2, dmg_abi_call( abi, 1 ), &transfer_schema ) );
}

/* Balances' config: all in the offering bucket, 1,000,000 CGT to each account, at most 250 a part. */
static dmg_span_t
config_part( unsigned first, unsigned cnt ) {
  uint8_t *    p = dmg_arena_alloc( tx_arena, 32768 );
  dmg_bcs_wr_t w = dmg_bcs_wr( p, 32768 );
  dmg_bcs_wr_uleb( &w, first ? 0 : 6 );
  for( uint8_t i=0; i<6 && !first; i++ ) {
    dmg_bcs_wr_u8( &w, i );
    dmg_bcs_wr_u64( &w, i==5 ? DMG_SUPPLY_SPARKS : 0 );
    dmg_bcs_wr_uleb( &w, 0 );
  }
  dmg_bcs_wr_uleb( &w, cnt );
  for( unsigned i=first; i<first+cnt; i++ ) {
    dmg_bcs_wr_fixed( &w, accounts[ i ].address.b, 32 );
    dmg_bcs_wr_u8( &w, 5 );
    dmg_bcs_wr_u64( &w, 1000000*DMG_SPARKS_PER_CGT );
  }
  dmg_bcs_wr_uleb( &w, 0 );
  return dmg_bcs_wr_span( &w );
}

static void
genesis_make( modules_t * m ) {
  static uint8_t const no_config[ 1 ] = { 0 };
  uint8_t gas[ 3 ][ 8 ];
  dmg_store_u64le( gas[ 0 ], dmg_param_desc[ DMG_PARAM_BLOCK_GAS ].hi_dev );
  dmg_store_u64le( gas[ 1 ], dmg_param_desc[ DMG_PARAM_BLOCK_INTRINSIC ].hi_dev );
  dmg_store_u64le( gas[ 2 ], dmg_param_desc[ DMG_PARAM_PRICE_TARGET ].hi_dev );   /* the price stays at its floor */
  dmg_genesis_param_t  params[ 3 ] = { { 1, dmg_param_desc[ DMG_PARAM_BLOCK_GAS ].key, DMG_SPAN( gas[ 0 ] ) }, { 1, dmg_param_desc[ DMG_PARAM_BLOCK_INTRINSIC ].key, DMG_SPAN( gas[ 1 ] ) },
                                       { 1, dmg_param_desc[ DMG_PARAM_PRICE_TARGET ].key, DMG_SPAN( gas[ 2 ] ) } };
  dmg_span_t           system_config = DMG_SPAN( no_config ), config[ 2 ] = { config_part( 0, 250 ), config_part( 250, 250 ) };
  dmg_genesis_module_t gm[ 2 ] = { { .id = 1, .code = m->hash[ 0 ], .config = &system_config, .config_cnt = 1 }, { .id = 2, .code = m->hash[ 1 ], .config = config, .config_cnt = 2 } };
  dmg_genesis_validator_t validator = { .account = accounts[ 0 ].address, .bucket = 5 };
  dmg_genesis_t g = { .version = 1, .name = DMG_SPAN_STR( "bench" ), .kind = DMG_GENESIS_DEV, .time_ms = time_ms, .instr_version = 1, .host_api = 1, .params = params, .param_cnt = 3,
                      .modules = gm, .module_cnt = 2, .validators = &validator, .validator_cnt = 1 };
  dmg_buf_t buf = dmg_buf( DMG_GENESIS_SZ_MAX );
  MUST( dmg_genesis_encode( &g, &buf ) );
  chain_id = head = dmg_genesis_hash( dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  dmg_kv_t *       kv;
  dmg_state_cfg_t  cfg = { .genesis_hash = chain_id };
  dmg_code_files_t files = { m, module_file };
  dmg_write_t *    writes;
  size_t           cnt;
  dmg_exec_why_t   why;
  dmg_hash_t       root;
  MUST( dmg_kv_mem_open( (uint64_t)4<<30, &kv ) );
  MUST( dmg_state_open( &cfg, kv, &state, NULL ) );
  if( dmg_runtime_genesis( rt, &g, &files, block_arena, &writes, &cnt, &why ) ) { fprintf( stderr, "genesis: %s\n", why.text ); exit( 1 ); }
  MUST( dmg_state_genesis( state, &chain_id, writes, cnt, &root ) );
}

/* A signed transfer as bytes into tx_arena. */
static dmg_span_t
transfer( account_t * from, account_t const * to, bool is_first ) {
  uint8_t       args[ 41 ], no_sig[ 64 ] = { 0 };
  memcpy( args, to->address.b, 32 );
  dmg_store_u64le( args+32, 1+rnd()%1000 );
  args[ 40 ] = 0;   /* no memo */
  dmg_tx_call_t call = { .module = 2, .call = 1, .schema = transfer_schema, .args = DMG_SPAN( args ) };
  dmg_tx_sig_t  sig  = { .scheme = DMG_SIG_ED25519, .key = DMG_SPAN( from->key ), .sig = DMG_SPAN( no_sig ) };
  dmg_tx_t      tx   = { .version = 1, .fee_kind = DMG_FEE_ENERGY_THEN_FEE, .chain = chain_id, .sender = from->address, .nonce = from->nonce++, .expiry = height+1000, .gas = 60000,
                         .fee_max = DMG_SPARKS_PER_CGT, .calls = &call, .call_cnt = 1, .auth = DMG_TX_AUTH_KEYS, .init = is_first ? &from->init : NULL, .sigs = &sig, .sig_cnt = 1 };
  dmg_buf_t buf = dmg_buf( DMG_TX_SZ_MAX );
  MUST( dmg_tx_body_encode( &tx, &buf ) );
  dmg_hash_t id = dmg_tx_id( dmg_buf_span( &buf ) );
  dmg_ed25519_sign( from->secret, dmg_hash_span( &id ), no_sig );
  dmg_buf_clear( &buf );
  MUST( dmg_tx_encode( &tx, &buf ) );
  dmg_span_t raw = dmg_arena_dup( tx_arena, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return raw;
}

/* Nanoseconds of each stage for the block in raws. */
typedef struct { uint64_t decode, verify, exec; } times_t;

static bool
verify_all( size_t cnt, bool is_batch ) {
  static dmg_sig_job_t jobs[ TXS ];
  static uint8_t       ok[ TXS/8+1 ];
  uint8_t              seed[ 32 ] = { 1 };
  for( size_t i=0; i<cnt; i++ )
    jobs[ i ] = (dmg_sig_job_t){ .scheme = (dmg_sig_scheme_t)txs[ i ]->sigs[ 0 ].scheme, .key = txs[ i ]->sigs[ 0 ].key, .msg = dmg_hash_span( &txs[ i ]->id ), .sig = { .sig = txs[ i ]->sigs[ 0 ].sig } };
  if( is_batch ) return dmg_sig_verify_many( jobs, cnt, seed, ok )==cnt;
  for( size_t i=0; i<cnt; i++ ) if( !dmg_sig_verify( jobs[ i ].scheme, jobs[ i ].key, jobs[ i ].msg, &jobs[ i ].sig ) ) return false;
  return true;
}

static times_t
block_run( size_t cnt, unsigned verify /* 0 none 1 single 2 batch */ ) {
  times_t  t  = { 0 };
  uint64_t t0 = dmg_os_mono_ns();
  for( size_t i=0; i<cnt; i++ ) if( dmg_tx_decode( raws[ i ], tx_arena, &txs[ i ] ).kind!=DMG_VERDICT_GOOD ) exit( 1 );
  t.decode = dmg_os_mono_ns()-t0;
  if( verify ) {
    t0 = dmg_os_mono_ns();
    if( !verify_all( cnt, verify==2 ) ) { fprintf( stderr, "a signature does not hold\n" ); exit( 1 ); }
    t.verify = dmg_os_mono_ns()-t0;
  }
  dmg_view_t *    view;
  dmg_block_ctx_t ctx = { .height = height+1, .time_ms = time_ms += 250, .chain_id = chain_id, .leader = accounts[ 0 ].address };
  dmg_exec_out_t  out;
  MUST( dmg_state_view( state, &head, &view ) );
  t0 = dmg_os_mono_ns();
  MUST( dmg_runtime_exec_block( rt, view, &ctx, txs, cnt, 0, block_arena, &out ) );
  t.exec = dmg_os_mono_ns()-t0;
  if( out.is_invalid ) { fprintf( stderr, "block invalid: %s\n", out.why.text ); exit( 1 ); }
  for( size_t i=0; i<cnt; i++ ) if( out.txs[ i ].status ) { fprintf( stderr, "transaction %zu: %s %u\n", i, dmg_status_name( out.txs[ i ].status ), out.txs[ i ].code ); exit( 1 ); }
  dmg_hash_t block = dmg_h2( DMG_TAG_BLOCK, dmg_hash_span( &head ), dmg_hash_span( &out.receipts_root ) ), root;
  MUST( dmg_state_apply( state, &head, &block, height+1, out.writes, out.write_cnt, NULL, 0 ) );
  MUST( dmg_state_root( state, &block, &root ) );
  MUST( dmg_state_finalize( state, &block, NULL, 0 ) );
  dmg_view_close( view );
  head = block;
  height++;
  dmg_arena_reset( block_arena );
  dmg_arena_reset( tx_arena );
  return t;
}

static int cmp_u64( void const * a, void const * b ) { uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b; return ( x>y )-( x<y ); }

static void
report( char const * stage, mix_t mix, uint64_t * ns, unsigned cnt ) {
  qsort( ns, cnt, sizeof( *ns ), cmp_u64 );
  printf( "exec/transfer stage=%s mix=%s %.0f/s  %.2f us each (%.2f to %.2f, %u blocks of %u)\n", stage, mix_name[ mix ], 1e9*TXS/(double)ns[ cnt/2 ], (double)ns[ cnt/2 ]/1e3/TXS,
          (double)ns[ 0 ]/1e3/TXS, (double)ns[ cnt-1 ]/1e3/TXS, cnt, TXS );
}

static void
mix_run( mix_t mix, unsigned blocks, unsigned verify ) {
  static uint64_t exec[ BLOCKS_MAX ], all[ BLOCKS_MAX ];
  for( unsigned b=0; b<blocks; b++ ) {
    for( size_t i=0; i<TXS; i++ ) {
      account_t * to = mix==MIX_ONE || ( mix==MIX_HOT20 && rnd()%5==0 ) ? &accounts[ 7 ] : &accounts[ rnd()%ACCOUNTS ];
      raws[ i ] = transfer( &accounts[ i%ACCOUNTS ], to, false );
    }
    times_t t = block_run( TXS, verify );
    exec[ b ] = t.exec;
    all[ b ]  = t.decode+t.verify+t.exec;
  }
  if( verify ) report( verify==1 ? "signed-single" : "signed-batch", mix, all, blocks );
  else report( "exec", mix, exec, blocks );
}

int
main( int argc, char ** argv ) {
  unsigned blocks    = 10;
  bool     is_signed = false;
  for( int i=2; i<argc; i++ ) {
    if( !strcmp( argv[ i ], "--signed" ) ) is_signed = true;
    else if( !strcmp( argv[ i ], "--blocks" ) && i+1<argc ) blocks = (unsigned)dmg_min_u64( BLOCKS_MAX, dmg_max_u64( 1, strtoull( argv[ ++i ], NULL, 10 ) ) );
    else argc = 1;
  }
  if( argc<2 ) { fprintf( stderr, "usage: bench_exec MODULES_DIR [--blocks N] [--signed]\n" ); return 2; }
  dmg_crypto_init( dmg_cpu_flags() );
  block_arena = dmg_arena_new( (size_t)4<<30 );
  tx_arena    = dmg_arena_new( (size_t)1<<30 );
  for( unsigned i=0; i<ACCOUNTS; i++ ) {
    account_t * a = &accounts[ i ];
    dmg_store_u64le( a->secret, i+1 );
    dmg_ed25519_public( a->secret, a->key );
    a->init    = dmg_account_init_plain( DMG_SIG_ED25519, DMG_SPAN( a->key ) );
    a->address = dmg_address_of( &a->init );
  }
  modules_t            m = { .wasm = { dmg_buf( 1<<20 ), dmg_buf( 1<<20 ) } };
  dmg_vm_t *           vm;
  dmg_code_cache_t *   cache;
  modules_load( argv[ 1 ], &m );
  MUST( dmg_vm_open( NULL, &vm ) );
  dmg_code_cache_cfg_t ccfg = { .vm = vm, .is_inline = true };
  MUST( dmg_code_cache_open( &ccfg, &cache ) );
  dmg_runtime_cfg_t    rcfg = { .vm = vm, .cache = cache, .hash_seed = 42 };
  MUST( dmg_runtime_open( &rcfg, &rt ) );
  genesis_make( &m );
  dmg_arena_reset( block_arena );
  dmg_arena_reset( tx_arena );

  for( size_t i=0; i<ACCOUNTS; i++ ) raws[ i ] = transfer( &accounts[ i ], &accounts[ ( i+1 )%ACCOUNTS ], true );   /* accounts come to life */
  block_run( ACCOUNTS, 0 );
  for( mix_t mix=0; mix<MIX_CNT; mix++ ) {
    mix_run( mix, blocks, 0 );
    if( is_signed ) { mix_run( mix, blocks, 1 ); mix_run( mix, blocks, 2 ); }
  }
  return 0;
}
