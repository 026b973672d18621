/* bench_jsonrpc: nanoseconds a request, from body to answer bytes, one core, over a node that is a table: what JSON-RPC
   itself costs beside chain and socket.

     jsonrpc/dispatch method=state_get batch=1  1234 ns (min .. max ..)

   One peer in the same run: reading the body and nothing else. */
#include "base/os.h"
#include "rpc/json.h"
#include "rpc/jsonrpc.h"
#include "rpc/test_rpc_fake.h"

enum { ROUNDS = 7, TIMES = 20000 };

static int cmp( void const * a, void const * b ) {
  double x = *(double const *)a, y = *(double const *)b;
  return ( x>y )-( x<y );
}

static void line( char const * what, double * ns ) {
  qsort( ns, ROUNDS, sizeof *ns, cmp );
  printf( "jsonrpc/%s  %.0f ns (min %.0f max %.0f)\n", what, ns[ ROUNDS/2 ], ns[ 0 ], ns[ ROUNDS-1 ] );
}

static void bench( dmg_rpc_t * rpc, dmg_json_t * json, char const * what, char const * request, uint32_t batch ) {
  double ns[ ROUNDS ];
  char name[ 80 ];
  dmg_buf_t body = dmg_buf( 1<<20 ), out = dmg_buf( DMG_RPC_ANSWER_MAX );
  dmg_err_t err = DMG_OK;
  if( batch>1 ) err = dmg_buf_printf( &body, "[" );
  for( uint32_t i = 0; i<batch && !err; i++ ) err = dmg_buf_printf( &body, "%s%s", i ? "," : "", request );
  if( batch>1 && !err ) err = dmg_buf_printf( &body, "]" );
  if( err ) abort();
  for( int r = 0; r<ROUNDS; r++ ) {
    uint64_t began = dmg_os_mono_ns();
    for( uint32_t i = 0; i<TIMES/batch; i++ ) {
      dmg_buf_clear( &out );
      if( !fake_ask( rpc, dmg_buf_span( &body ), 0, &out ) || memmem( out.p, out.sz, "\"error\"", 7 ) ) abort();
    }
    ns[ r ] = (double)( dmg_os_mono_ns()-began )/TIMES;
  }
  snprintf( name, sizeof name, "dispatch method=%s batch=%u", what, batch );
  line( name, ns );
  for( int r = 0; r<ROUNDS; r++ ) {
    uint64_t began = dmg_os_mono_ns();
    for( uint32_t i = 0; i<TIMES/batch; i++ ) {
      dmg_jv_t root;
      char why[ 160 ];
      if( !dmg_json_parse( json, dmg_buf_span( &body ), &root, why ) ) abort();
    }
    ns[ r ] = (double)( dmg_os_mono_ns()-began )/TIMES;
  }
  snprintf( name, sizeof name, "read method=%s batch=%u", what, batch );
  line( name, ns );
  dmg_buf_fini( &body );
  dmg_buf_fini( &out );
}

static int ws_send( void * ctx, uint64_t ws, dmg_span_t text ) { return 0; }

/* One block to many streams. */
static void bench_heads( dmg_rpc_t * rpc, uint32_t cnt ) {
  double ns[ ROUNDS ];
  dmg_query_events_t node = dmg_rpc_events( rpc );
  dmg_rpc_ws_set( rpc, &(dmg_rpc_ws_t){ .send = ws_send } );
  for( uint32_t i = 0; i<cnt; i++ ) {
    dmg_buf_t out = dmg_buf( DMG_RPC_ANSWER_MAX );
    if( !fake_ask( rpc, DMG_SPAN_STR( "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub_open\",\"params\":{\"topic\":\"heads\"}}" ), 1+i/64, &out ) ) abort();
    dmg_rpc_ws_room( rpc, 1+i/64 );
    dmg_buf_fini( &out );
  }
  uint64_t height = 7;
  for( int r = 0; r<ROUNDS; r++ ) {
    uint64_t began = dmg_os_mono_ns();
    for( int i = 0; i<20; i++ ) {
      dmg_at_block_t at = { .height = ++height, .is_final = true };
      node.on_block( node.ctx, &at, 1000*height, 0 );
    }
    ns[ r ] = (double)( dmg_os_mono_ns()-began )/20/cnt;
  }
  char name[ 80 ];
  snprintf( name, sizeof name, "stream topic=heads streams=%u", cnt );
  line( name, ns );
}

int main( void ) {
  static fake_t fake;
  fake_init( &fake );
  dmg_rpc_t *  rpc  = dmg_rpc_new( &fake.query, NULL );
  dmg_json_t * json = dmg_json_new();
  if( !rpc || !json ) return 1;
  char const * head = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"chain_head\",\"params\":{}}";
  char const * get  = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"state_get\",\"params\":{\"key\":\"0x0001000e\"}}";
  bench( rpc, json, "chain_head", head, 1 );
  bench( rpc, json, "chain_head", head, 100 );
  bench( rpc, json, "state_get", get, 1 );
  bench( rpc, json, "state_get", get, 100 );
  bench_heads( rpc, 1024 );
  dmg_json_free( json );
  dmg_rpc_free( rpc );
  fake_fini( &fake );
  return 0;
}
