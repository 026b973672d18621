/* bench_txpool: ns a transaction for admission without signatures and state reads (constant answers), for
   building a block, and for taking a block out; and a signature beside them in the same run. */
#include "txpool/txpool.h"
#include "base/cpu.h"
#include "base/os.h"
#include "codec/abi.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5, TXS = 60000, BLOCK = 7500 };

static dmg_hash_t chain;
static uint8_t    keys[ TXS ][ 32 ];
static dmg_hash_t addresses[ TXS ];
static uint64_t   lanes_at;   /* every lane's next nonce */

static dmg_err_t st_account( void * ctx, dmg_hash_t const * a, dmg_txpool_account_t * out ) {
  *out = (dmg_txpool_account_t){ .is_user = true, .t_use = 1, .t_owner = 1, .auth_cnt = 1 };
  out->auths[ 0 ] = (dmg_txpool_auth_t){ .scheme = DMG_SIG_ED25519, .level = DMG_LEVEL_OWNER, .weight = 1, .key_sz = 32 };
  memcpy( out->auths[ 0 ].key, a->b, 32 );   /* here an address is its key */
  return DMG_OK;
}
static dmg_err_t st_lane( void * ctx, dmg_hash_t const * a, uint16_t lane, uint64_t * out )      { *out = lanes_at; return DMG_OK; }
static dmg_err_t st_seen( void * ctx, uint64_t expiry, dmg_hash_t const * id, bool * out )       { *out = false; return DMG_OK; }
static dmg_err_t st_spendable( void * ctx, dmg_hash_t const * a, uint64_t * out )                { *out = DMG_AMOUNT_MAX; return DMG_OK; }
static dmg_err_t st_call( void * ctx, dmg_tx_call_t const * call, dmg_txpool_call_t * out )      { *out = (dmg_txpool_call_t){ .auth = 1u<<DMG_ROLE_OWNER }; return DMG_OK; }
static dmg_txpool_state_t const state = { .account = st_account, .lane = st_lane, .seen = st_seen, .spendable = st_spendable, .check_call = st_call };

typedef struct { dmg_buf_t buf; size_t off[ TXS+1 ]; } load_t;

/* Transaction i is by sender i mod senders, on lane (i / senders) mod 16, so that nonces stay in the window. */
static void load_make( load_t * load, uint32_t senders ) {
  uint8_t args[ 40 ] = { 0 }, sig[ 64 ] = { 0 };
  load->buf = dmg_buf( (size_t)TXS*400 );
  for( uint32_t i = 0; i<TXS; i++ ) {
    uint32_t s = i%senders, n = i/senders;
    dmg_tx_call_t call = { .module = 2, .call = 1, .args = DMG_SPAN( args ) };
    dmg_tx_sig_t  one  = { .scheme = DMG_SIG_ED25519, .key = DMG_SPAN( keys[ s ] ), .sig = DMG_SPAN( sig ) };
    dmg_tx_t tx = { .version = 1, .chain = chain, .sender = addresses[ s ], .lane = (uint16_t)( n%16 ), .nonce = n/16, .expiry = 1000, .gas = 20000, .fee_kind = DMG_FEE_ENERGY_THEN_FEE,
                    .fee_max = 1000000, .tip = i%97, .calls = &call, .call_cnt = 1, .sigs = &one, .sig_cnt = 1 };
    load->off[ i ] = load->buf.sz;
    if( dmg_tx_encode( &tx, &load->buf ) ) abort();
  }
  load->off[ TXS ] = load->buf.sz;
}

static int cmp( void const * a, void const * b ) {
  double x = *(double const *)a, y = *(double const *)b;
  return ( x>y )-( x<y );
}

static void line( char const * what, uint32_t senders, double * ns ) {
  qsort( ns, ROUNDS, sizeof *ns, cmp );
  printf( "txpool/%s senders=%u txs=%u  %.0f ns a transaction (min %.0f max %.0f)\n", what, senders, (unsigned)TXS, ns[ ROUNDS/2 ], ns[ 0 ], ns[ ROUNDS-1 ] );
}

static void round_one( load_t const * load, double * admit, double * build, double * on_block ) {
  dmg_txpool_cfg_t cfg = dmg_txpool_cfg_default( &chain );
  cfg.hash_seed = 12345;
  dmg_txpool_t * pool = dmg_txpool_new( &cfg );
  dmg_txpool_head_t head = { .height = 1, .time_ms = 1, .price = 1700000 };
  dmg_params_default( &head.params );
  if( !pool || dmg_txpool_set_head( pool, &state, &head, 0 ) ) abort();
  dmg_arena_t * scratch = dmg_arena_new( DMG_TXPOOL_SCRATCH_MAX );
  if( !scratch ) abort();
  uint64_t t0 = dmg_os_mono_ns();
  for( uint32_t i = 0; i<TXS; i++ ) {
    dmg_txpool_answer_t a;
    dmg_txpool_ticket_t * t;
    if( dmg_txpool_ticket_new( dmg_span( load->buf.p+load->off[ i ], load->off[ i+1 ]-load->off[ i ] ), scratch, &t ) ) abort();
    if( dmg_txpool_admit_check( pool, &state, t, 0, &a ) || a.kind!=DMG_TXPOOL_ADMIT_VERIFY ) abort();
    if( dmg_txpool_admit_finish( pool, &state, t, true, 0, &a ) || a.kind!=DMG_TXPOOL_ADMIT_OK ) abort();
    dmg_txpool_ticket_free( pool, t );
  }
  *admit = (double)( dmg_os_mono_ns()-t0 )/TXS;
  dmg_arena_free( scratch );

  static dmg_txpool_ref_t      refs[ BLOCK ];
  static dmg_txpool_included_t in[ BLOCK ];
  dmg_txpool_limits_t limits = dmg_txpool_limits( &head );
  limits.body_max = (size_t)4<<20;
  limits.gas_max  = limits.intrinsic_max = UINT64_MAX/2;
  uint64_t build_ns = 0, block_ns = 0, cnt = 0;
  for( ;; ) {
    t0 = dmg_os_mono_ns();
    size_t n = dmg_txpool_build( pool, &limits, refs, BLOCK );
    build_ns += dmg_os_mono_ns()-t0;
    if( !n ) break;
    for( size_t i = 0; i<n; i++ ) in[ i ] = (dmg_txpool_included_t){ .id = refs[ i ].tx->id, .sender = refs[ i ].tx->sender, .lane = refs[ i ].tx->lane, .nonce = refs[ i ].tx->nonce };
    head.height++;
    t0 = dmg_os_mono_ns();
    dmg_txpool_on_block( pool, &head, in, n, 0 );
    dmg_txpool_release( pool, refs, n );
    block_ns += dmg_os_mono_ns()-t0;
    cnt += n;
  }
  if( cnt!=TXS ) abort();
  *build    = (double)build_ns/TXS;
  *on_block = (double)block_ns/TXS;
  dmg_txpool_free( pool );
}

int main( void ) {
  static load_t load;
  dmg_crypto_init( dmg_cpu_flags() );
  chain.b[ 0 ] = 1;
  for( uint32_t i = 0; i<TXS; i++ ) {
    uint8_t b[ 4 ];
    dmg_store_u32le( b, i );
    addresses[ i ] = dmg_sha256( DMG_SPAN( b ) );
    memcpy( keys[ i ], addresses[ i ].b, 32 );
  }
  static uint32_t const counts[] = { 60, 500, 60000 };
  for( size_t c = 0; c<sizeof counts/sizeof *counts; c++ ) {
    load_make( &load, counts[ c ] );
    double admit[ ROUNDS ], build[ ROUNDS ], on_block[ ROUNDS ];
    for( int r = 0; r<ROUNDS; r++ ) round_one( &load, &admit[ r ], &build[ r ], &on_block[ r ] );
    line( "admit", counts[ c ], admit );
    line( "build", counts[ c ], build );
    line( "on_block", counts[ c ], on_block );
    dmg_buf_fini( &load.buf );
  }
  /* The scale of it all: what one signature costs. */
  uint8_t secret[ 32 ] = { 7 }, key[ 32 ], sig[ 64 ];
  double ns[ ROUNDS ];
  dmg_ed25519_public( secret, key );
  dmg_ed25519_sign( secret, DMG_SPAN( key ), sig );
  for( int r = 0; r<ROUNDS; r++ ) {
    uint64_t t0 = dmg_os_mono_ns();
    for( int i = 0; i<200; i++ ) if( !dmg_ed25519_verify( key, DMG_SPAN( key ), sig ) ) abort();
    ns[ r ] = (double)( dmg_os_mono_ns()-t0 )/200;
  }
  qsort( ns, ROUNDS, sizeof *ns, cmp );
  printf( "txpool/ed25519_verify single  %.0f ns (min %.0f max %.0f)\n", ns[ ROUNDS/2 ], ns[ 0 ], ns[ ROUNDS-1 ] );
  return 0;
}
