/* gas: nanoseconds a gas of the host functions (R1.9, R5.7): the real functions over a real state, called from C in the place
   of a guest, so without the engine's call (8 ns and 16 ticks, bench_gas_ops):

     gas/host <function, what varies>  <ns a call>  <gas it is charged>  <ratio>     above 1: charged less than it takes
     gas/tx   <what a transaction of such calls costs in all: prologue, epilogue, commit, root>

   1 gas is 1 ns of the reference machine.  Fastest of 7 transactions, each its own block (others may use the machine); keys are random ones of 60,000
   entries, another set each time.

   bench_gas_host [--rocks DIR]: state in RocksDB in a new folder, else in memory */
#pragma GCC diagnostic ignored "-Wunused-function"   /* of the helpers this program needs a part */
#include "runtime/test_exec_modules.h"

#include "base/cpu.h"
#include "base/os.h"
#include "crypto/bls.h"
#include "crypto/sig.h"

enum { ROUND_CNT = 7, ENTRIES = 60000, LIST = 4000, BIG = 400, BATCH = 900 };

typedef struct bench bench_t;
struct bench {
  char const * name;
  void (*one)( fake_t * f, bench_t const * b, uint32_t i );   /* one call (of a kind) */
  uint32_t     cnt;         /* calls a transaction, within R1.10 */
  uint64_t     a, b;        /* what varies */
  bool         is_whole;    /* gas/tx as well */
};

static uint64_t rnd_state = 0x9e3779b97f4a7c15u;
static uint64_t rnd( void ) { return dmg_rnd_u64( &rnd_state ); }

static bench_t const * now;
static uint64_t        call_ns, call_gas;
static uint32_t        fresh = 1000000;      /* keys never used before */

static uint64_t
g_bench( fake_t * f ) {
  int64_t  before = f->ticks;
  uint64_t t = dmg_os_mono_ns();
  for( uint32_t i=0; i<now->cnt; i++ ) now->one( f, now, i );
  call_ns  = dmg_os_mono_ns()-t;
  call_gas = (uint64_t)( before-f->ticks )/4;
  return ret_empty( f );
}

static uint32_t
key4( fake_t * f, uint32_t k ) {
  dmg_store_u32be( f->mem+FAKE_SCRATCH, k );
  return FAKE_SCRATCH;
}
static uint32_t
value_of( fake_t * f, uint32_t n ) {         /* schema byte and bytes<6000> of n bytes */
  uint8_t * p = f->mem+FAKE_SCRATCH+64;
  p[ 0 ] = 1;
  dmg_bcs_wr_t w = dmg_bcs_wr( p+1, 8 );
  dmg_bcs_wr_uleb( &w, n );
  uint32_t head = 1+(uint32_t)dmg_bcs_wr_span( &w ).sz;
  dmg_store_u64le( p+head, rnd() );           /* never what stands there already */
  return head+n;
}

static void o_get( fake_t * f, bench_t const * b, uint32_t i )     { HOST( f, GET, 1, key4( f, b->a ? ENTRIES+(uint32_t)( rnd()%BIG ) : (uint32_t)( rnd()%ENTRIES ) ), 4, FAKE_OUT, 8000 ); }
static void o_get_again( fake_t * f, bench_t const * b, uint32_t i ) { HOST( f, GET, 1, key4( f, 7 ), 4, FAKE_OUT, 8000 ); }
static void o_get_absent( fake_t * f, bench_t const * b, uint32_t i ) { HOST( f, GET, 1, key4( f, fresh++ ), 4, FAKE_OUT, 8000 ); }
static void o_put( fake_t * f, bench_t const * b, uint32_t i )     { uint32_t n = value_of( f, (uint32_t)b->a ); if( HOST( f, PUT, 1, key4( f, b->b ? (uint32_t)( rnd()%ENTRIES ) : fresh++ ), 4, FAKE_SCRATCH+64, n ) ) fake_trap( f ); }
static uint32_t del_next;
static void o_del( fake_t * f, bench_t const * b, uint32_t i )     { HOST( f, DEL, 1, key4( f, b->a ? fresh++ : del_next++ ), 4 ); }
static void o_ctr_get( fake_t * f, bench_t const * b, uint32_t i ) { HOST( f, CTR_GET, 2, key4( f, (uint32_t)( rnd()%ENTRIES ) ), 4, FAKE_OUT ); }
static void o_ctr_add( fake_t * f, bench_t const * b, uint32_t i ) { HOST( f, CTR_ADD, 2, key4( f, b->a ? fresh++ : (uint32_t)( rnd()%ENTRIES ) ), 4, 1, DMG_AMOUNT_MAX ); }
/* From a random place of the list: a entries. */
static void o_scan( fake_t * f, bench_t const * b, uint32_t i ) {
  dmg_store_u32be( f->mem+FAKE_SCRATCH, (uint32_t)( rnd()%( LIST-100 ) ) );
  if( HOST( f, SCAN, 3, FAKE_SCRATCH+8, 0, FAKE_SCRATCH, 4, FAKE_OUT, 8000, b->a )<0 ) fake_trap( f );
}
static void o_scan_none( fake_t * f, bench_t const * b, uint32_t i ) {
  f->mem[ FAKE_SCRATCH+8 ] = 0x77; f->mem[ FAKE_SCRATCH+9 ] = 0;
  if( HOST( f, SCAN, 3, FAKE_SCRATCH+8, 2, FAKE_SCRATCH, 0, FAKE_OUT, 8000, 64 ) ) fake_trap( f );
}
/* The first entry behind 250 that were deleted, in blocks before. */
static void o_scan_gone( fake_t * f, bench_t const * b, uint32_t i ) {
  if( i<250 ) { dmg_store_u32be( f->mem+FAKE_SCRATCH, i ); HOST( f, DEL, 3, FAKE_SCRATCH, 4 ); return; }
  if( HOST( f, SCAN, 3, FAKE_SCRATCH+8, 0, FAKE_SCRATCH, 0, FAKE_OUT, 8000, 1 )<0 ) fake_trap( f );
}
/* Every second entry deleted: none of the stretches is longer than one. */
static void o_scan_holes( fake_t * f, bench_t const * b, uint32_t i ) {
  if( i<250 ) { dmg_store_u32be( f->mem+FAKE_SCRATCH, 2*i ); HOST( f, DEL, 3, FAKE_SCRATCH, 4 ); return; }
  if( HOST( f, SCAN, 3, FAKE_SCRATCH+8, 0, FAKE_SCRATCH, 0, FAKE_OUT, 8000, 64 )<0 ) fake_trap( f );
}
static void o_emit( fake_t * f, bench_t const * b, uint32_t i )    { if( HOST( f, EMIT, 2, key4( f, i ), 4 ) ) fake_trap( f ); }
static void o_emit_topic( fake_t * f, bench_t const * b, uint32_t i ) {
  memcpy( f->mem+FAKE_SCRATCH, alice.address.b, 32 );
  dmg_bcs_wr_t w = dmg_bcs_wr( f->mem+FAKE_SCRATCH+32, 8 );
  dmg_bcs_wr_uleb( &w, (uint32_t)b->a );
  if( HOST( f, EMIT, 1, FAKE_SCRATCH, 32+dmg_bcs_wr_span( &w ).sz+b->a ) ) fake_trap( f );
}
static void o_call( fake_t * f, bench_t const * b, uint32_t i )    { f->mem[ FAKE_SCRATCH ] = 0; if( HOST( f, CALL, M_PEER, 1, 0, 0, FAKE_SCRATCH, 1, FAKE_OUT, 100 )<0 ) fake_trap( f ); }
static void o_query( fake_t * f, bench_t const * b, uint32_t i )   { if( HOST( f, QUERY, M_PEER, 1, 0, 0, FAKE_SCRATCH, 0, FAKE_OUT, 8100 )<0 ) fake_trap( f ); }
static void o_fault( fake_t * f, bench_t const * b, uint32_t i )   { HOST( f, FAULT, FAKE_SCRATCH, b->a ); }
static void o_log( fake_t * f, bench_t const * b, uint32_t i )     { HOST( f, LOG, FAKE_SCRATCH, b->a ); }
static void o_auth( fake_t * f, bench_t const * b, uint32_t i )    { memcpy( f->mem+FAKE_SCRATCH, alice.address.b, 32 ); HOST( f, AUTH, FAKE_SCRATCH, 1 ); }
static void o_sub( fake_t * f, bench_t const * b, uint32_t i )     { HOST( f, SUB_ACCOUNT, i, FAKE_SCRATCH ); }
static void o_beacon( fake_t * f, bench_t const * b, uint32_t i )  { HOST( f, BEACON, dmg_load_u64le( fake_env( f ) )-1-i%20, FAKE_SCRATCH ); }
static void o_sha256( fake_t * f, bench_t const * b, uint32_t i )  { HOST( f, SHA256, 0, b->a, FAKE_OUT ); }
static void o_keccak( fake_t * f, bench_t const * b, uint32_t i )  { HOST( f, KECCAK256, 0, b->a, FAKE_OUT ); }
static void o_blake( fake_t * f, bench_t const * b, uint32_t i )   { HOST( f, BLAKE2B, 0, b->a, FAKE_OUT ); }

/* Signatures that hold, so that nothing is refused early. */
static struct { uint8_t key[ 96 ], sig[ 512 ], msg[ 32 ]; size_t key_sz, sig_sz; } signer[ DMG_SIG_SCHEME_CNT ];
static void
signers_make( void ) {
  uint8_t secret[ 32 ];
  memset( secret, 0x11, 32 );
  for( unsigned s=0; s<DMG_SIG_SCHEME_CNT; s++ ) { memset( signer[ s ].msg, 7, 32 ); signer[ s ].sig_sz = 64; signer[ s ].key_sz = 33; }
  dmg_ed25519_public( secret, signer[ DMG_SIG_ED25519 ].key );
  signer[ DMG_SIG_ED25519 ].key_sz = 32;
  dmg_ed25519_sign( secret, DMG_SPAN( signer[ DMG_SIG_ED25519 ].msg ), signer[ DMG_SIG_ED25519 ].sig );
  if( !dmg_secp256k1_public( secret, signer[ DMG_SIG_SECP256K1 ].key ) || !dmg_secp256k1_sign( secret, DMG_SPAN( signer[ 1 ].msg ), signer[ DMG_SIG_SECP256K1 ].sig ) ) abort();
  if( !dmg_p256_public( secret, signer[ DMG_SIG_P256 ].key ) || !dmg_p256_sign( secret, DMG_SPAN( signer[ 2 ].msg ), signer[ DMG_SIG_P256 ].sig ) ) abort();
  dmg_bls_key_t key;
  dmg_bls_sig_t sig;
  if( !dmg_bls_public( secret, &key ) || !dmg_bls_sign( secret, DMG_BLS_TX, DMG_SPAN( signer[ DMG_SIG_BLS ].msg ), &sig ) ) abort();
  dmg_bls_key_store( &key, signer[ DMG_SIG_BLS ].key );
  dmg_bls_sig_store( &sig, signer[ DMG_SIG_BLS ].sig );
  signer[ DMG_SIG_BLS ].key_sz = 96;
  signer[ DMG_SIG_BLS ].sig_sz = 48;
}
static void o_verify( fake_t * f, bench_t const * b, uint32_t i ) {
  fake_put( f, FAKE_SCRATCH, signer[ b->a ].key, (uint32_t)signer[ b->a ].key_sz );
  fake_put( f, FAKE_SCRATCH+128, signer[ b->a ].msg, 32 );
  fake_put( f, FAKE_SCRATCH+256, signer[ b->a ].sig, (uint32_t)signer[ b->a ].sig_sz );
  if( HOST( f, VERIFY, b->a, FAKE_SCRATCH, signer[ b->a ].key_sz, FAKE_SCRATCH+128, 32, FAKE_SCRATCH+256, signer[ b->a ].sig_sz )!=1 ) fake_trap( f );
}

static bench_t const benches[] = {
  { "get, 10 B",                       o_get,        BATCH, 0, 0,    true  },
  { "get, 6,000 B",                    o_get,        BATCH, 1, 0,    false },
  { "get, the same again",             o_get_again,  BATCH, 0, 0,    false },
  { "get, absent",                     o_get_absent, BATCH, 0, 0,    false },
  { "put, new, 10 B",                  o_put,        BATCH, 10, 0,   true  },
  { "put, new, 200 B",                 o_put,        BATCH, 200, 0,  true  },
  { "put, new, 6,000 B",               o_put,        40, 5990, 0,    true  },
  { "put, over 10 B",                  o_put,        BATCH, 10, 1,   true  },
  { "del",                             o_del,        BATCH, 0, 0,    true  },
  { "del, absent",                     o_del,        BATCH, 1, 0,    false },
  { "ctr_get",                         o_ctr_get,    BATCH, 0, 0,    false },
  { "ctr_add",                         o_ctr_add,    BATCH, 0, 0,    true  },
  { "ctr_add, new",                    o_ctr_add,    BATCH, 1, 0,    true  },
  { "scan, nothing there",             o_scan_none,  BATCH, 0, 0,    false },
  { "scan, 1 entry",                   o_scan,       BATCH, 1, 0,    false },
  { "scan, 64 entries",                o_scan,       30, 64, 0,      false },
  { "scan, 1 behind 250 deleted in earlier blocks", o_scan_gone, BATCH, 0, 0, false },
  { "scan, 64 among deleted ones", o_scan_holes, 280, 0, 0, false },
  { "emit, 4 B",                       o_emit,       240, 0, 0,      true  },
  { "emit, 1 topic, 40 B",             o_emit_topic, 240, 8, 0,      true  },
  { "emit, 1 topic, 7,900 B",          o_emit_topic, 8, 7860, 0,     true  },
  { "call, of nothing (no engine)",    o_call,       BATCH, 0, 0,    false },
  { "query, of nothing (no engine)",   o_query,      BATCH, 0, 0,    false },
  { "fault, 0 B",                      o_fault,      BATCH, 0, 0,    false },
  { "fault, 8 KiB",                    o_fault,      100, 8192, 0,   false },
  { "log, 8 KiB, not printed",         o_log,        BATCH, 8192, 0, false },
  { "auth",                            o_auth,       BATCH, 0, 0,    false },
  { "sub_account",                     o_sub,        60, 0, 0,       false },
  { "beacon",                          o_beacon,     BATCH, 0, 0,    false },
  { "verify, Ed25519",                 o_verify,     100, DMG_SIG_ED25519, 0, false },
  { "verify, secp256k1",               o_verify,     100, DMG_SIG_SECP256K1, 0, false },
  { "verify, P-256",                   o_verify,     100, DMG_SIG_P256, 0, false },
  { "verify, BLS",                     o_verify,     20, DMG_SIG_BLS, 0, false },
  { "sha256, 0 B",                     o_sha256,     BATCH, 0, 0,    false },
  { "sha256, 60 KiB",                  o_sha256,     50, 61440, 0,   false },
  { "keccak256, 0 B",                  o_keccak,     BATCH, 0, 0,    false },
  { "keccak256, 60 KiB",               o_keccak,     50, 61440, 0,   false },
  { "blake2b, 0 B",                    o_blake,      BATCH, 0, 0,    false },
  { "blake2b, 60 KiB",                 o_blake,      50, 61440, 0,   false } };
#define BENCH_CNT ( sizeof( benches )/sizeof( *benches ) )

static char const * rocks_dir;
static dmg_kv_t *
rocks_open( void ) {
  dmg_kv_rocks_cfg_t cfg = { .dir = rocks_dir };
  dmg_open_why_t     why;
  dmg_kv_t *         kv;
  if( dmg_kv_rocks_open( &cfg, &kv, &why ) ) { fprintf( stderr, "%s\n", why.text ); exit( 1 ); }
  return kv;
}

static uint64_t nonce;
/* Runs fn as alice's only call; the time of its whole block. */
static uint64_t
run( chain_t * c, uint64_t (*fn)( fake_t * ), uint64_t * out_gas ) {
  dmg_arena_reset( c->txs );
  dmg_tx_t *      t    = tx_run( c, &alice, fn, (tx_opts_t){ .nonce = nonce++, .gas = 150000000, .fee_max = 2000*DMG_SPARKS_PER_CGT } );
  uint64_t        ns   = dmg_os_mono_ns();
  dmg_exec_out_t  out  = chain_block( c, &t, 1, 0 );
  ns = dmg_os_mono_ns()-ns;
  if( out.is_invalid || out.txs[ 0 ].status ) { fprintf( stderr, "%s: status %u code %u %s\n", now ? now->name : "fill", out.is_invalid ? 99 : out.txs[ 0 ].status, out.is_invalid ? 0 : out.txs[ 0 ].code, out.why.text ); exit( 1 ); }
  *out_gas = out.txs[ 0 ].gas_used;
  return ns;
}

static uint32_t fill_at, fill_kind;
static uint64_t
g_fill( fake_t * f ) {
  for( uint32_t i=0; i<BATCH; i++, fill_at++ ) {
    uint32_t n = value_of( f, 10 );
    if( fill_kind==0 ) HOST( f, PUT, 1, key4( f, fill_at ), 4, FAKE_SCRATCH+64, n );
    if( fill_kind==1 ) HOST( f, CTR_ADD, 2, key4( f, fill_at ), 4, 5, DMG_AMOUNT_MAX );
    if( fill_kind==2 ) HOST( f, PUT, 3, key4( f, fill_at ), 4, fake_put( f, FAKE_SCRATCH+64, "\1\7\0\0\0", 5 ), 5 );
    if( fill_kind==3 && i<40 ) HOST( f, PUT, 1, key4( f, ENTRIES+fill_at ), 4, FAKE_SCRATCH+64, value_of( f, 5990 ) );
    if( fill_kind==3 && i==40 ) break;
  }
  return ret_empty( f );
}

static int cmp_d( void const * a, void const * b ) { double x = *(double const *)a, y = *(double const *)b; return ( x>y )-( x<y ); }
static uint64_t g_nothing( fake_t * f ) { return ret_empty( f ); }

int
main( int argc, char ** argv ) {
  if( argc==3 && !strcmp( argv[ 1 ], "--rocks" ) ) { rocks_dir = argv[ 2 ]; test_kv_open = rocks_open; }
  else if( argc!=1 ) { fprintf( stderr, "usage: bench_gas_host [--rocks DIR]\n" ); return 2; }
  dmg_crypto_init( dmg_cpu_flags() );
  group_setup( NULL );
  signers_make();
  void * state;
  setup( &state );
  chain_t * c = state;
  c->is_checked = false;
  peer_fn       = ret_empty;
  peer_query_fn = ret_empty;
  uint64_t gas;
  for( fill_kind=0; fill_kind<4; fill_kind++ )
    for( fill_at=0; fill_at<( fill_kind<2 ? ENTRIES : fill_kind==2 ? LIST : BIG ); ) run( c, g_fill, &gas );
  double whole0[ ROUND_CNT ], worst = 0;
  for( int r=0; r<ROUND_CNT; r++ ) whole0[ r ] = (double)run( c, g_nothing, &gas );
  uint64_t gas0 = gas;
  qsort( whole0, ROUND_CNT, sizeof( *whole0 ), cmp_d );
  char const * worst_name = "";
  for( size_t i=0; i<BENCH_CNT; i++ ) {
    double ns[ ROUND_CNT ], whole[ ROUND_CNT ];
    now = &benches[ i ];
    for( int r=-1; r<ROUND_CNT; r++ ) {
      uint64_t w = run( c, g_bench, &gas );
      if( r<0 ) continue;
      ns[ r ]    = (double)call_ns/now->cnt;
      whole[ r ] = (double)w;
    }
    qsort( ns, ROUND_CNT, sizeof( *ns ), cmp_d );
    qsort( whole, ROUND_CNT, sizeof( *whole ), cmp_d );
    double one = (double)call_gas/now->cnt, ratio = ns[ 0 ]/one;
    printf( "gas/host %-46s %12.0f ns %12.0f gas  %6.3f\n", now->name, ns[ 0 ], one, ratio );
    if( ratio>worst ) { worst = ratio; worst_name = now->name; }
    if( now->is_whole )
      printf( "gas/tx   %-46s %12.0f ns %12.0f gas  %6.3f\n", now->name, ( whole[ 0 ]-whole0[ 0 ] )/now->cnt, (double)( gas-gas0 )/now->cnt,
              ( whole[ 0 ]-whole0[ 0 ] )/(double)( gas-gas0 ) );
  }
  printf( "gas/host worst: %.3f, %s\n", worst, worst_name );
  now = NULL;
  teardown( &state );
  return 0;
}
