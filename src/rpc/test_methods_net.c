/* net_*: what the operator sees, what others see, a chain without a network. */
#include "rpc/jsonrpc.h"
#include "rpc/test_rpc_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static fake_t      fake;
static dmg_rpc_t * rpc;
static char        text[ 65536 ], dialled[ 176 ];
static dmg_rpc_from_t const stranger = { .who = { .key = { 10 } } }, us = { .who = { .is_free = true } };

static void net_info( void * ctx, dmg_query_net_info_t * out ) {
  (void)ctx;
  *out = (dmg_query_net_info_t){ .peer = "12D3Koo", .addr = "/ip4/1.2.3.4/tcp/7370/p2p/12D3Koo", .is_voting = true, .conn_cnt = 5, .in_cnt = 2, .link_cnt = 3, .relayed_cnt = 1, .final_p50_ms = 184, .final_p99_ms = 300,
                                 .is_syncing = true, .height = 7, .goal = 1000, .rate = 12.6 };
}
static size_t net_peers( void * ctx, dmg_query_peer_t * out, size_t max ) {
  (void)ctx;
  assert_true( max>=2 );
  out[ 0 ] = (dmg_query_peer_t){ .peer = "A", .addr = "/ip4/1.1.1.1/tcp/1", .agent = "x\"y", .is_outbound = true, .is_link = true, .validator = 0, .rtt_us = 1500, .height = 9 };
  out[ 1 ] = (dmg_query_peer_t){ .peer = "B", .addr = "/ip4/2.2.2.2/tcp/2", .validator = -1 };
  return 2;
}
static dmg_err_t net_dial( void * ctx, char const * addr, dmg_query_why_t * why ) {
  (void)ctx;
  snprintf( dialled, sizeof dialled, "%s", addr );
  if( !strcmp( addr, "full" ) ) { snprintf( why->text, sizeof why->text, "eight wait" ); return DMG_ERR_FULL; }
  if( *addr!='/' ) { snprintf( why->text, sizeof why->text, "no address" ); return DMG_ERR_INVALID; }
  return DMG_OK;
}
static size_t net_dials( void * ctx, dmg_query_dial_t * out, size_t max ) {
  (void)ctx;
  assert_true( max>=2 );
  out[ 0 ] = (dmg_query_dial_t){ .peer = "A", .addr = "/ip4/1.1.1.1/tcp/1/p2p/A", .state = DMG_QUERY_CONNECTED };
  out[ 1 ] = (dmg_query_dial_t){ .peer = "B", .addr = "/ip4/2.2.2.2/tcp/2/p2p/B", .state = DMG_QUERY_UNREACHED, .why = "refused", .fail_cnt = 3 };
  return 2;
}
static dmg_err_t net_scores( void * ctx, dmg_buf_t * out ) { (void)ctx; return dmg_buf_printf( out, "A 1.500\nnonsense\nB -20.000\ncut" ); }
static dmg_query_net_t const net = { .info = net_info, .peers = net_peers, .dial = net_dial, .dials = net_dials, .scores = net_scores };

static char * ask( dmg_rpc_from_t const * from, char const * method, char const * params ) {
  char body[ 1024 ];
  dmg_buf_t out = dmg_buf( sizeof text-1 );
  dmg_rpc_bill_t bill = { 0 };
  snprintf( body, sizeof body, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":%s,\"id\":1}", method, params );
  assert_true( dmg_rpc_handle( rpc, dmg_span_cstr( body ), from, &out, &bill ) );
  memcpy( text, out.p, out.sz );
  text[ out.sz ] = 0;
  dmg_buf_fini( &out );
  return text;
}
static void has( char const * part ) { if( !strstr( text, part ) ) fail_msg( "no %s in %.2000s", part, text ); }

static int setup( void ** state ) {
  (void)state;
  fake_init( &fake );
  fake.query.net = &net;
  rpc = dmg_rpc_new( &fake.query, NULL );
  return !rpc;
}
static int teardown( void ** state ) {
  (void)state;
  dmg_rpc_free( rpc );
  fake_fini( &fake );
  return 0;
}

static void test_the_operator_sees_peers_others_their_number( void ** state ) {
  (void)state;
  ask( &us, "net_peers", "{}" );
  has( "\"inbound\":2,\"outbound\":3,\"items\":[{\"peerId\":\"A\",\"address\":\"/ip4/1.1.1.1/tcp/1\",\"agent\":\"x\\\"y\",\"isOutbound\":true,\"isLink\":true,\"validator\":0,\"rttUs\":\"1500\",\"height\":\"9\"}," );
  has( "\"validator\":null,\"rttUs\":null,\"height\":null}]" );
  ask( &stranger, "net_peers", "{}" );
  has( "\"inbound\":2,\"outbound\":3,\"items\":null" );
  assert_null( strstr( text, "1.1.1.1" ) );
  ask( &stranger, "net_info", "{}" );
  has( "\"connections\":5,\"links\":3,\"relayed\":1,\"finalP50Ms\":184,\"finalP99Ms\":300" );
  ask( &stranger, "net_sync", "{}" );
  has( "{\"height\":\"7\",\"isSyncing\":true,\"target\":\"1000\",\"rate\":13}" );
}

static void test_dial_and_scores_are_the_operators( void ** state ) {
  (void)state;
  dialled[ 0 ] = 0;
  ask( &stranger, "net_dial", "{\"address\":\"/ip4/9.9.9.9/tcp/1/p2p/A\"}" );
  has( "\"code\":-32014" );
  has( "\"scope\":\"net\"" );
  assert_string_equal( dialled, "" );
  ask( &stranger, "net_scores", "{}" );
  has( "\"code\":-32014" );
  ask( &us, "net_dial", "{\"address\":\"/ip4/9.9.9.9/tcp/1/p2p/A\"}" );
  has( "\"result\":true" );
  assert_string_equal( dialled, "/ip4/9.9.9.9/tcp/1/p2p/A" );
  ask( &us, "net_dial", "{\"address\":\"nowhere\"}" );
  has( "\"code\":-32000,\"message\":\"no address\"" );
  ask( &us, "net_dial", "{\"address\":\"full\"}" );
  has( "\"code\":-32002,\"message\":\"eight wait\"" );
  ask( &us, "net_dial", "{\"address\":\"/ip4/9.9.9.9\\u0000/tcp/1\"}" );
  has( "\"code\":-32602" );
  ask( &stranger, "net_dials", "{}" );
  has( "\"code\":-32014" );
  ask( &us, "net_dials", "{}" );
  has( "{\"items\":[{\"peerId\":\"A\",\"address\":\"/ip4/1.1.1.1/tcp/1/p2p/A\",\"state\":\"connected\",\"why\":null,\"failures\":0},"
       "{\"peerId\":\"B\",\"address\":\"/ip4/2.2.2.2/tcp/2/p2p/B\",\"state\":\"unreached\",\"why\":\"refused\",\"failures\":3}]}" );
  ask( &us, "net_scores", "{}" );
  has( "{\"items\":[{\"peerId\":\"A\",\"score\":\"1.500\"},{\"peerId\":\"B\",\"score\":\"-20.000\"}]}" );
}

static void test_a_chain_of_one_has_no_network( void ** state ) {
  (void)state;
  fake.query.net = NULL;
  ask( &us, "net_info", "{}" );
  has( "\"peerId\":null,\"address\":null" );
  ask( &us, "net_peers", "{}" );
  has( "{\"inbound\":0,\"outbound\":0,\"items\":[]}" );
  ask( &us, "net_sync", "{}" );
  has( "\"isSyncing\":false,\"target\":null,\"rate\":0" );
  ask( &us, "net_dial", "{\"address\":\"/ip4/9.9.9.9/tcp/1/p2p/A\"}" );
  has( "\"code\":-32002" );
  ask( &us, "net_dials", "{}" );
  has( "\"code\":-32002,\"message\":\"this node runs a chain of one" );
  ask( &us, "net_scores", "{}" );
  has( "\"code\":-32002" );
}

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test_setup_teardown( test_the_operator_sees_peers_others_their_number, setup, teardown ),
    cmocka_unit_test_setup_teardown( test_dial_and_scores_are_the_operators, setup, teardown ), cmocka_unit_test_setup_teardown( test_a_chain_of_one_has_no_network, setup, teardown ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
