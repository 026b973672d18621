/* Host functions against a model (R8.2): a stream of bytes becomes calls of dm1 by a guest in C over a fake engine, through
   nested calls, queries, faults and traps.

     well-formed calls   answer, output and gas must be the model's
     hostile ones        anywhere in memory or out of it: an answer or a host trap, and no byte of memory outside the
                         output changes
     afterwards          the block's writes hold exactly what the model holds, or nothing if the transaction failed */
#pragma GCC diagnostic ignored "-Wunused-function"   /* of the helpers this program needs a part */
#include "runtime/test_exec_modules.h"

#include "base/cpu.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t size );

enum { KEYS = 16, VAL_MAX = 300, OPS_MAX = 250, IN_OFF = FAKE_SCRATCH, OUT_OFF = FAKE_SCRATCH+8192 };

typedef struct { bool is_in; uint16_t n; uint8_t b[ VAL_MAX ]; } val_t;
typedef struct {
  val_t    vals[ 2 ][ KEYS ];    /* of probe, of peer */
  uint64_t ctrs[ KEYS ];
  bool     in_list[ KEYS*4 ];    /* key ( k/16, k%16 ) */
  uint32_t list[ KEYS*4 ];
  uint32_t events;
} world_t;

static chain_t *       chain;
static dmg_view_t *    view;
static world_t         base, w;
static uint8_t const * in;
static size_t          in_sz, in_off;
static unsigned        ops;

static void must( bool fact ) { if( !fact ) abort(); }
static uint32_t pick( uint32_t n ) { return ( in_off<in_sz ? in[ in_off++ ] : 0u )%n; }
static uint32_t pick32( void ) { uint32_t n = 0; for( unsigned i=0; i<4; i++ ) n = n<<8|pick( 256 ); return n; }

/* A call whose answer and gas are known. */
static int32_t
expect( fake_t * f, dmg_dm1_t fn, uint64_t const * args, uint64_t gas ) {
  int64_t before = f->ticks;
  int32_t r      = fake_host( f, fn, args );   /* out of gas leaves the guest here */
  must( (uint64_t)( before-f->ticks )==4*( gas+DMG_GAS_HOST ) );
  return r;
}
#define EXPECT( f, fn, gas, ... ) expect( ( f ), DMG_DM1_##fn, (uint64_t const[]){ __VA_ARGS__ }, ( gas ) )

static uint32_t put_key( fake_t * f, uint32_t k ) { dmg_store_u32be( f->mem+IN_OFF, k ); return IN_OFF; }
static uint32_t put_list_key( fake_t * f, uint32_t off, uint32_t k ) { dmg_store_u16be( f->mem+off, (uint16_t)( k/16 ) ); dmg_store_u16be( f->mem+off+2, (uint16_t)( k%16 ) ); return off; }
static size_t body_of( val_t const * v, uint8_t out[ VAL_MAX+4 ] ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, VAL_MAX+4 );
  dmg_bcs_wr_bytes( &wr, dmg_span( v->b, v->n ) );
  return dmg_bcs_wr_span( &wr ).sz;
}

/* ---- Well-formed calls ---- */

static void
op_get( fake_t * f, unsigned m ) {
  uint32_t k = pick( KEYS ), room = pick( 3 ) ? VAL_MAX+10 : pick( 100 );
  val_t *  v = &w.vals[ m ][ k ];
  uint8_t  body[ VAL_MAX+4 ];
  memset( f->mem+OUT_OFF, 0xee, VAL_MAX+10 );
  if( !v->is_in ) { must( EXPECT( f, GET, DMG_GAS_GET, 1, put_key( f, k ), 4, OUT_OFF, room )==DMG_DM_ABSENT ); return; }
  size_t n = body_of( v, body );
  must( EXPECT( f, GET, DMG_GAS_GET+1+40+n, 1, put_key( f, k ), 4, OUT_OFF, room )==(int32_t)( 1+n ) );
  for( size_t i=0; i<room; i++ ) must( f->mem[ OUT_OFF+i ]==( i>n ? 0xee : i ? body[ i-1 ] : 1 ) );
}
static void
op_put( fake_t * f, unsigned m ) {
  uint32_t k = pick( KEYS );
  val_t *  v = &w.vals[ m ][ k ];
  v->is_in = true;
  v->n     = (uint16_t)( pick( 4 ) ? pick( 20 ) : pick( 256 )+pick( 44 ) );
  memset( v->b, (int)pick( 256 ), v->n );
  f->mem[ IN_OFF+8 ] = 1;
  size_t n = 1+body_of( v, f->mem+IN_OFF+9 );
  must( !EXPECT( f, PUT, DMG_GAS_PUT+4*( n+40 ), 1, put_key( f, k ), 4, IN_OFF+8, n ) );
}
static void
op_del( fake_t * f, unsigned m ) {
  uint32_t k = pick( KEYS );
  bool     was = w.vals[ m ][ k ].is_in;
  w.vals[ m ][ k ].is_in = false;
  must( EXPECT( f, DEL, DMG_GAS_DEL, 1, put_key( f, k ), 4 )==( was ? 0 : DMG_DM_ABSENT ) );
}
static void
op_ctr( fake_t * f ) {
  static int64_t const  odd[] = { 0, 1, -1, 100, -100, INT64_MAX, INT64_MIN, (int64_t)1<<40 };
  static uint64_t const caps[] = { DMG_AMOUNT_MAX, 0, 50, 1000, (uint64_t)1<<41 };
  uint32_t k = pick( KEYS );
  if( !pick( 3 ) ) {
    must( EXPECT( f, CTR_GET, DMG_GAS_CTR_GET, 2, put_key( f, k ), 4, OUT_OFF )==8 );
    must( dmg_load_u64le( f->mem+OUT_OFF )==w.ctrs[ k ] );
    return;
  }
  int64_t    d   = odd[ pick( 8 ) ];
  uint64_t   max = caps[ pick( 5 ) ];
  dmg_i128_t sum = (dmg_i128_t)w.ctrs[ k ]+d;
  bool       fits = sum>=0 && sum<=(dmg_i128_t)max;
  must( EXPECT( f, CTR_ADD, DMG_GAS_CTR_ADD, 2, put_key( f, k ), 4, (uint64_t)d, max )==( fits ? 0 : DMG_DM_BOUND ) );
  if( fits ) w.ctrs[ k ] = (uint64_t)sum;
}
static void
op_list( fake_t * f ) {
  uint32_t k = pick( KEYS*4 );
  if( pick( 2 ) ) {
    bool was = w.in_list[ k ];
    w.in_list[ k ] = false;
    must( EXPECT( f, DEL, DMG_GAS_DEL, 3, put_list_key( f, IN_OFF, k ), 4 )==( was ? 0 : DMG_DM_ABSENT ) );
    return;
  }
  w.in_list[ k ] = true;
  w.list[ k ]    = pick( 256 );
  f->mem[ IN_OFF+8 ] = 1;
  dmg_store_u32le( f->mem+IN_OFF+9, w.list[ k ] );
  must( !EXPECT( f, PUT, DMG_GAS_PUT+4*45, 3, put_list_key( f, IN_OFF, k ), 4, IN_OFF+8, 5 ) );
}
static void
op_scan( fake_t * f ) {
  bool     is_group = pick( 2 ), has_after = pick( 2 );
  uint32_t group = pick( 5 ), after = pick( KEYS*4 ), max = pick( 8 ) ? pick( 70 ) : 1000, room = pick( 3 ) ? 1000 : pick( 60 );
  uint64_t gas = DMG_GAS_SCAN;
  uint8_t  want[ 1024 ];
  uint32_t at = 0, n = 0;
  int32_t  ret = -1;
  for( uint32_t k=is_group ? group*16 : 0; k<KEYS*4 && ( !is_group || k/16==group ) && n<( max<64 ? max : 64 ); k++ ) {
    if( !w.in_list[ k ] || ( has_after && k<=after ) ) continue;
    gas += DMG_GAS_SCAN_ENTRY;
    if( room-at<12 ) { if( !n ) ret = DMG_DM_SMALL_BUFFER; break; }
    gas += 12;
    want[ at ] = 4;
    dmg_store_u16be( want+at+1, (uint16_t)( k/16 ) );
    dmg_store_u16be( want+at+3, (uint16_t)( k%16 ) );
    dmg_store_u16le( want+at+5, 5 );
    want[ at+7 ] = 1;
    dmg_store_u32le( want+at+8, w.list[ k ] );
    at += 12;
    n++;
  }
  dmg_store_u16be( f->mem+IN_OFF, (uint16_t)group );
  put_list_key( f, IN_OFF+8, after );
  int32_t r = EXPECT( f, SCAN, gas, 3, IN_OFF, is_group ? 2 : 0, IN_OFF+8, has_after ? 4 : 0, OUT_OFF, room, max );
  must( r==( ret==DMG_DM_SMALL_BUFFER ? ret : (int32_t)at ) );
  if( r>0 ) must( !memcmp( f->mem+OUT_OFF, want, at ) );
}
static void
op_emit( fake_t * f ) {
  int32_t want = w.events==DMG_RECEIPT_EVENT_MAX ? DMG_DM_LIMIT : 0;
  /* its module is a topic of every event */
  must( EXPECT( f, EMIT, DMG_GAS_EMIT+2*4+DMG_GAS_TOPIC, 2, put_key( f, 9 ), 4 )==want );
  if( !want ) w.events++;
}
static void
op_pure( fake_t * f ) {
  uint32_t   off = pick( 200 ), n = pick( 256 );
  dmg_hash_t h;
  switch( pick( 4 ) ) {
  case 0:
    h = dmg_sha256( dmg_span( f->mem+off, n ) );
    must( EXPECT( f, SHA256, DMG_GAS_SHA256+n, off, n, OUT_OFF )==32 && !memcmp( f->mem+OUT_OFF, h.b, 32 ) );
    return;
  case 1:
    h = dmg_blake2b256( dmg_span( f->mem+off, n ) );
    must( EXPECT( f, BLAKE2B, DMG_GAS_BLAKE2B+2*n, off, n, OUT_OFF )==32 && !memcmp( f->mem+OUT_OFF, h.b, 32 ) );
    return;
  case 2:
    memcpy( f->mem+IN_OFF, pick( 2 ) ? alice.address.b : bob.address.b, 32 );
    n = pick( DMG_ROLE_CNT );
    must( EXPECT( f, AUTH, DMG_GAS_AUTH, IN_OFF, n )==( !memcmp( f->mem+IN_OFF, alice.address.b, 32 ) && n<=DMG_ROLE_USE ) );
    return;
  default:
    must( EXPECT( f, BEACON, DMG_GAS_BEACON, UINT64_MAX-n, OUT_OFF )==DMG_DM_ABSENT );
    return;
  }
}

/* ---- Hostile calls ---- */

/* Any function, any arguments: an answer, or the guest ends with a host trap (or without gas).  Whatever it was, memory
   changes only in a buffer that was given for output, and the model goes on only where no state can have changed. */
static void
op_hostile( fake_t * f ) {
  static dmg_dm1_t const safe[] = { DMG_DM1_GET, DMG_DM1_SCAN, DMG_DM1_CTR_GET, DMG_DM1_CALLEE_FAULT, DMG_DM1_LOG, DMG_DM1_AUTH, DMG_DM1_VERIFY, DMG_DM1_SHA256, DMG_DM1_KECCAK256, DMG_DM1_BLAKE2B, DMG_DM1_BEACON,
                                    DMG_DM1_PUT, DMG_DM1_DEL, DMG_DM1_EMIT, DMG_DM1_CTR_ADD };
  static struct { uint8_t p, n; } const out_arg[ DMG_DM1_CNT ] = { [ DMG_DM1_GET ] = { 3, 4 }, [ DMG_DM1_SCAN ] = { 5, 6 }, [ DMG_DM1_CTR_GET ] = { 3, 0xf8 }, [ DMG_DM1_CALLEE_FAULT ] = { 0, 1 },
    [ DMG_DM1_SHA256 ] = { 2, 0xff }, [ DMG_DM1_KECCAK256 ] = { 2, 0xff }, [ DMG_DM1_BLAKE2B ] = { 2, 0xff }, [ DMG_DM1_BEACON ] = { 1, 0xff } };
  static uint32_t const edges[] = { 0, 1, 4, 65535, 65536, 65532, 0xffffffffu, 0x80000000u, 0x7fffffffu, IN_OFF };
  static uint8_t before[ FAKE_MEM_SZ ];
  dmg_dm1_t fn = safe[ pick( sizeof( safe )/sizeof( *safe ) ) ];
  uint64_t  a[ DMG_DM1_PARAM_MAX ];
  for( unsigned i=0; i<DMG_DM1_PARAM_MAX; i++ ) a[ i ] = pick( 2 ) ? pick( 8 ) : pick( 3 ) ? edges[ pick( 10 ) ] : pick32();
  /* Writes only with a key or value that cannot fit, so that they never happen. */
  if( fn==DMG_DM1_PUT || fn==DMG_DM1_DEL || fn==DMG_DM1_CTR_ADD ) a[ 2 ] = a[ 2 ]==4 ? 5 : a[ 2 ];
  if( fn==DMG_DM1_PUT && a[ 0 ]==4 ) a[ 4 ] = 0;
  if( fn==DMG_DM1_DEL && a[ 0 ]==4 ) a[ 0 ] = 9;
  if( fn==DMG_DM1_EMIT ) a[ 0 ] = 3+a[ 0 ]%100;
  memcpy( before, f->mem, FAKE_MEM_SZ );
  uint64_t ret  = 0;
  int      code = f->table[ fn ]( f->frame, (dmg_vm_mem_t){ f->mem, FAKE_MEM_SZ }, a, &ret );
  uint64_t p = 0, n = 0;
  if( out_arg[ fn ].n && !code ) {
    p = (uint32_t)a[ out_arg[ fn ].p ];
    n = out_arg[ fn ].n==0xff ? 32 : out_arg[ fn ].n==0xf8 ? 8 : (uint32_t)a[ out_arg[ fn ].n ];
    must( p+n<=FAKE_MEM_SZ );                  /* an answer means that the buffer was good */
  }
  must( !memcmp( before, f->mem, p ) && !memcmp( before+p+n, f->mem+p+n, FAKE_MEM_SZ-p-n ) );
  must( !code || f->ticks<0 || ( code>=1 && code<=DMG_HOST_PARAM ) );
  if( code ) { f->host_code = (uint32_t)code; longjmp( f->leave, FAKE_LEFT_HOST ); }
}

/* ---- Guests ---- */

static uint64_t ret_fault( fake_t * f, uint32_t n, uint32_t payload ) {
  if( payload ) { dmg_store_u32le( f->mem+IN_OFF, 77 ); EXPECT( f, FAULT, DMG_GAS_FAULT+4, IN_OFF, 4 ); }
  return fake_fault( n );
}

/* probe.look, entered from peer while probe's call is on the stack: it sees what was written so far, and may not write. */
static uint64_t
g_look( fake_t * f ) {
  for( unsigned n=pick( 4 ); n; n-- ) op_get( f, 0 );
  if( !pick( 12 ) ) { HOST( f, DEL, 1, put_key( f, 0 ), 4 ); abort(); }   /* READ_ONLY leaves the guest */
  return ret_empty( f );
}
static uint64_t
g_peer( fake_t * f ) {
  for( unsigned n=pick( 10 ); n && ops++<OPS_MAX; n-- ) {
    switch( pick( 5 ) ) {
    case 0: op_get( f, 1 ); break;
    case 1: op_put( f, 1 ); break;
    case 2: op_del( f, 1 ); break;
    case 3: must( HOST( f, QUERY, M_PROBE, 1, 0, 0, IN_OFF, 0, OUT_OFF, 100 )==1 ); break;
    default: op_pure( f ); break;
    }
  }
  switch( pick( 8 ) ) {
  case 0: return ret_fault( f, 33, 1 );
  case 1: fake_trap( f );
  default: return ret_empty( f );
  }
}
static void
op_call( fake_t * f ) {
  static world_t saved[ 1 ];
  saved[ 0 ] = w;
  f->mem[ IN_OFF ] = 0;
  bool    has_room = pick( 6 );
  int32_t r = HOST( f, CALL, M_PEER, 1, pick( 2 ), 3, IN_OFF, 1, OUT_OFF, has_room ? 10 : 0 );   /* a trap inside ends this guest, too */
  must( r==1 || r==DMG_DM_FAULT-33 || ( !has_room && r==DMG_DM_SMALL_BUFFER ) );
  if( r==1 ) return;
  w = saved[ 0 ];                              /* it did not happen */
  if( r==DMG_DM_FAULT-33 ) must( EXPECT( f, CALLEE_FAULT, DMG_GAS_FAULT+4, OUT_OFF, 100 )==4 && dmg_load_u32le( f->mem+OUT_OFF )==77 );
}
static uint64_t
g_probe( fake_t * f ) {
  while( in_off<in_sz && ops++<OPS_MAX ) {
    switch( pick( 16 ) ) {
    case 0: case 1: op_get( f, 0 ); break;
    case 2: case 3: op_put( f, 0 ); break;
    case 4: op_del( f, 0 ); break;
    case 5: case 6: op_ctr( f ); break;
    case 7: case 8: op_list( f ); break;
    case 9: case 10: op_scan( f ); break;
    case 11: op_emit( f ); break;
    case 12: op_call( f ); break;
    case 13: op_hostile( f ); break;
    case 14: op_pure( f ); break;
    default:
      if( pick( 4 ) ) break;
      if( pick( 2 ) ) return ret_fault( f, 40, 0 );
      fake_trap( f );
    }
  }
  return ret_empty( f );
}

/* ---- The whole ---- */

/* Fills some of everything and makes it the base state; the model learns it by the same calls. */
static uint8_t const * fill_in;
static uint64_t
g_fill( fake_t * f ) {
  in = fill_in; in_sz = 600; in_off = 0;
  for( unsigned i=0; i<8; i++ )  op_put( f, 0 );
  for( unsigned i=0; i<20; i++ ) op_list( f );
  for( unsigned i=0; i<10; i++ ) op_ctr( f );
  return ret_empty( f );
}
static void
open_once( void ) {
  static uint8_t seed[ 600 ];
  void *         state;
  for( size_t i=0; i<sizeof( seed ); i++ ) seed[ i ] = (uint8_t)( ( i*2654435761u )>>13 );
  fill_in = seed;
  dmg_crypto_init( dmg_cpu_flags() );
  group_setup( NULL );
  setup( &state );
  chain         = state;
  peer_fn       = g_peer;
  query_fn      = g_look;
  alice_arrives( chain );
  must( chain_tx( chain, tx_run( chain, &alice, g_fill, (tx_opts_t){ .nonce = 1 } ) )->status==DMG_STATUS_OK );
  base        = w;
  base.events = 0;
  view        = chain_view( chain );
}

/* V of a key after the block: what it wrote, else what stood there. */
static dmg_span_t
after( dmg_exec_out_t const * out, uint8_t const * key, size_t key_sz ) {
  dmg_span_t v = { 0 };
  for( size_t i=0; i<out->write_cnt; i++ )
    if( dmg_span_eq( out->writes[ i ].key, dmg_span( key, key_sz ) ) ) return out->writes[ i ].is_delete ? v : out->writes[ i ].value;
  dmg_err_t err = dmg_view_get( view, dmg_span( key, key_sz ), chain->arena, &v );
  must( !err || err==DMG_ERR_NOT_FOUND );
  return err ? (dmg_span_t){ 0 } : v;
}
static void
check( dmg_exec_out_t const * out ) {
  uint8_t key[ 8 ], body[ VAL_MAX+4 ];
  for( unsigned m=0; m<2; m++ ) {
    for( uint32_t k=0; k<KEYS; k++ ) {
      dmg_store_u16be( key, m ? M_PEER : M_PROBE );
      dmg_store_u16be( key+2, 1 );
      dmg_store_u32be( key+4, k );
      dmg_span_t v = after( out, key, 8 );
      must( ( v.p!=NULL )==w.vals[ m ][ k ].is_in );
      if( v.p ) { size_t n = body_of( &w.vals[ m ][ k ], body ); must( v.sz==41+n && !memcmp( v.p+41, body, n ) ); }
      if( m ) continue;
      dmg_store_u16be( key+2, 2 );
      v = after( out, key, 8 );
      must( ( v.p ? dmg_load_u64le( v.p+41 ) : 0 )==w.ctrs[ k ] );
    }
  }
  dmg_store_u16be( key, M_PROBE );
  dmg_store_u16be( key+2, 3 );
  for( uint32_t k=0; k<KEYS*4; k++ ) {
    dmg_store_u16be( key+4, (uint16_t)( k/16 ) );
    dmg_store_u16be( key+6, (uint16_t)( k%16 ) );
    dmg_span_t v = after( out, key, 8 );
    must( ( v.p!=NULL )==w.in_list[ k ] );
    if( v.p ) must( dmg_load_u32le( v.p+41 )==w.list[ k ] );
  }
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t size ) {
  if( !chain ) open_once();
  if( size<2 ) return 0;
  uint64_t gas = data[ 0 ]%4 ? 40000000 : 20000+(uint64_t)data[ 1 ]*4000;
  in = data; in_sz = size; in_off = 2; ops = 0;
  w  = base;
  dmg_arena_reset( chain->txs );
  dmg_arena_reset( chain->arena );
  dmg_tx_t *      t   = tx_run( chain, &alice, g_probe, (tx_opts_t){ .nonce = 2, .gas = gas } );
  dmg_block_ctx_t ctx = chain_ctx( chain );
  dmg_exec_out_t  out;
  must( !dmg_runtime_exec_block( chain->rt, view, &ctx, &t, 1, 0, chain->arena, &out ) );
  must( !out.is_invalid && out.tx_cnt==1 );
  dmg_exec_tx_t const * r = &out.txs[ 0 ];
  must( r->status==DMG_STATUS_OK || r->status==DMG_STATUS_FAULT || r->status==DMG_STATUS_TRAP || r->status==DMG_STATUS_NO_GAS || r->status==DMG_STATUS_HOST );
  if( data[ 0 ]%4 ) must( r->status!=DMG_STATUS_NO_GAS );
  must( r->gas_used<=gas );
  if( r->status!=DMG_STATUS_OK ) w = base;     /* a failed transaction pays, never writes */
  check( &out );
  return 0;
}
