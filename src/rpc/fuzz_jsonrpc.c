/* Any bytes get none or one whole JSON answer within its bound, by HTTP and by a WebSocket with streams; views are closed. */
#include "base/assert.h"
#include "rpc/json.h"
#include "rpc/jsonrpc.h"
#include "rpc/test_rpc_fake.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );

static int ws_send( void * ctx, uint64_t ws, dmg_span_t text ) { return text.sz&1; }

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  static fake_t fake;
  static dmg_rpc_t * rpc;
  static dmg_json_t * json;
  static dmg_query_events_t node;
  static uint64_t ws;
  if( !rpc ) {
    fake_init( &fake );
    rpc  = dmg_rpc_new( &fake.query, NULL );
    json = dmg_json_new();
    node = dmg_rpc_events( rpc );
    dmg_rpc_ws_set( rpc, &(dmg_rpc_ws_t){ .send = ws_send } );
  }
  fake.head = 7;
  ws++;
  for( int i = 0; i<2; i++ ) {
    dmg_buf_t out = dmg_buf( DMG_RPC_ANSWER_MAX );
    bool has = fake_ask( rpc, dmg_span( data, sz ), i ? ws : 0, &out );
    dmg_jv_t root;
    char why[ 160 ];
    DMG_ASSERT( has==( out.sz>0 ) && out.sz<=DMG_RPC_ANSWER_MAX );
    DMG_ASSERT( !has || dmg_json_parse( json, dmg_buf_span( &out ), &root, why ) || dmg_json_is_past_limit( json ) );
    DMG_ASSERT( !fake.open_views );
    dmg_buf_fini( &out );
  }
  dmg_at_block_t at = fake_at( &fake, fake.head+1 );
  dmg_rpc_ws_room( rpc, ws );
  node.on_block( node.ctx, &at, 8000, 1 );
  node.on_tx( node.ctx, &at.hash, &(dmg_query_tx_status_t){ .state = DMG_TX_POOLED } );
  dmg_rpc_ws_room( rpc, ws );
  dmg_rpc_ws_gone( rpc, ws );
  return 0;
}
