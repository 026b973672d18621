/* sub: order of answer and items, cursors, full sockets, reverts, drain.  The sockets are lists of texts. */
#include "base/os.h"
#include "base/test_rnd.h"
#include "rpc/json.h"
#include "rpc/jsonrpc.h"
#include "rpc/test_rpc_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { WIRE_MAX = 4096 };

/* What went out on socket 1, in order, answers too; it takes `room` more texts, then it is full. */
static struct { char * text[ WIRE_MAX ]; uint32_t cnt, read, room; bool was_full; uint64_t last_ws; } wire;

static fake_t             fake;
static dmg_rpc_t *        rpc;
static dmg_query_events_t node;

static void wire_put( dmg_span_t text ) {
  assert_true( wire.cnt<WIRE_MAX );
  wire.text[ wire.cnt++ ] = strndup( (char const *)text.p, text.sz );
}

static int ws_send( void * ctx, uint64_t ws, dmg_span_t text ) {
  wire.last_ws = ws;
  if( !wire.room ) { wire.was_full = true; return 1; }
  wire.room--;
  wire_put( text );
  return 0;
}

static int setup( void ** state ) {
  memset( &wire, 0, sizeof wire );
  wire.room = UINT32_MAX;
  fake_init( &fake );
  rpc = dmg_rpc_new( &fake.query, NULL );
  if( !rpc ) return 1;
  dmg_rpc_ws_set( rpc, &(dmg_rpc_ws_t){ .send = ws_send } );
  node = dmg_rpc_events( rpc );
  return 0;
}
static int teardown( void ** state ) {
  dmg_rpc_free( rpc );
  fake_fini( &fake );
  for( uint32_t i = 0; i<wire.cnt; i++ ) free( wire.text[ i ] );
  return 0;
}

/* A message on a socket, handled as the server does: the answer is queued, then there is room. */
__attribute__(( format( printf, 3, 4 ) ))
static char const * say( uint64_t ws, char const * method, char const * fmt, ... ) {
  static char body[ 16384 ];
  char params[ 8192 ];
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( params, sizeof params, fmt, ap );
  va_end( ap );
  snprintf( body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method, params );
  dmg_buf_t out = dmg_buf( DMG_RPC_ANSWER_MAX );
  uint32_t before = wire.cnt;
  assert_true( fake_ask( rpc, dmg_span_cstr( body ), ws, &out ) );
  /* F5.1: nothing of a new stream may come before its answer; sub_stop comes before the answer of sub_close. */
  for( uint32_t i = before; i<wire.cnt; i++ ) if( !strstr( wire.text[ i ], "sub_stop" ) ) fail_msg( "before the answer: %s", wire.text[ i ] );
  wire_put( dmg_buf_span( &out ) );
  char const * answer = wire.text[ wire.cnt-1 ];
  dmg_buf_fini( &out );
  dmg_rpc_ws_room( rpc, ws );
  return answer;
}

static char const * next( void ) { return wire.read<wire.cnt ? wire.text[ wire.read++ ] : ""; }
static void assert_quiet( void ) { if( wire.read<wire.cnt ) fail_msg( "unexpected: %s", wire.text[ wire.read ] ); }
static char const * assert_has( char const * text, char const * part ) {
  if( !strstr( text, part ) ) fail_msg( "no %s in %s", part, text );
  return text;
}

static void block( uint64_t height ) {
  fake.head = height;
  dmg_at_block_t at = fake_at( &fake, height );
  node.on_block( node.ctx, &at, 1000*height, 3 );
}

static void tx_now( uint8_t id, dmg_query_tx_status_t status ) {
  dmg_hash_t h = fake_id( id );
  fake_set_tx( &fake, h, status );
  node.on_tx( node.ctx, &h, &status );
}

/* The value of a string member, by text. */
static char const * member( char const * text, char const * name ) {
  static char out[ 4 ][ 128 ], key[ 64 ];
  static int turn;
  char * to = out[ turn++&3 ];
  snprintf( key, sizeof key, "\"%s\":\"", name );
  char const * at = strstr( text, key );
  if( !at ) fail_msg( "no %s in %s", name, text );
  at += strlen( key );
  snprintf( to, 128, "%.*s", (int)strcspn( at, "\"" ), at );
  return to;
}

static void test_what_cannot_be_a_stream_is_refused( void ** state ) {
  static char const * const bad[] = { "[]", "[\"head\"]", "[\"\"]", "[7]", "[\"tx\"]", "[\"tx\",{}]", "[\"tx\",{\"ids\":[]}]", "[\"tx\",{\"ids\":7}]", "[\"tx\",{\"ids\":[\"0x00\"]}]", "[\"tx\",{\"ids\":[],\"more\":1}]", "[\"heads\",{\"ids\":[]}]",
    "[\"heads\",null,\"soon\"]", "[\"heads\",null,null,\"\"]", "[\"heads\",null,null,7]" };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) assert_has( say( 1, "sub_open", "%s", bad[ i ] ), "\"code\":-32602" );
  assert_has( say( 1, "sub_list", "[]" ), "\"items\":[]" );
  assert_has( say( 1, "sub_close", "[\"1\"]" ), "\"code\":-32001" );
}

static void test_heads_come_one_by_one_after_the_answer( void ** state ) {
  char const * a = say( 1, "sub_open", "[\"heads\"]" );
  assert_has( a, "\"subscription\":\"1\",\"seq\":\"7\",\"cursor\":\"" );
  assert_has( a, "\"retainedFrom\":\"1\"" );
  next();
  assert_quiet();
  block( 8 );
  block( 9 );
  a = assert_has( next(), "\"method\":\"sub_item\",\"params\":{\"subscription\":\"1\",\"seq\":\"8\"" );
  assert_has( a, "\"state\":\"final\"" );
  assert_has( a, "\"item\":{\"height\":\"8\",\"hash\":\"0x08" );
  assert_has( a, "\"timeMs\":\"8000\",\"txCount\":3}" );
  assert_null( strstr( a, "skipped" ) );
  assert_has( next(), "\"seq\":\"9\"" );
  assert_quiet();
}

/* A block between the look at the head and the link, or while the answer is under way. */
static void test_a_block_during_sub_open_is_not_lost( void ** state ) {
  dmg_buf_t out = dmg_buf( DMG_RPC_ANSWER_MAX );
  assert_true( fake_ask( rpc, DMG_SPAN_STR( "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub_open\",\"params\":[\"heads\"]}" ), 1, &out ) );
  block( 8 );
  assert_int_equal( wire.cnt, 0 );                     /* the answer is not out yet */
  dmg_buf_fini( &out );
  dmg_rpc_ws_room( rpc, 1 );
  assert_has( next(), "\"seq\":\"8\"" );
  assert_quiet();
}

static void test_a_cursor_goes_on_and_says_what_it_skipped( void ** state ) {
  char const * at7 = member( say( 1, "sub_open", "[\"heads\"]" ), "cursor" );
  assert_int_equal( strlen( at7 ), 71 );
  block( 8 );
  next();
  char const * at8 = member( next(), "cursor" );
  assert_string_not_equal( at7, at8 );

  /* At once, on any socket and even where the node has told no block yet. */
  dmg_rpc_free( rpc );
  rpc = dmg_rpc_new( &fake.query, NULL );
  dmg_rpc_ws_set( rpc, &(dmg_rpc_ws_t){ .send = ws_send } );
  node = dmg_rpc_events( rpc );
  fake.head = 12;
  fake.txs_a_block = 2;
  assert_has( say( 2, "sub_open", "[\"heads\",null,null,\"%s\"]", at8 ), "\"seq\":\"8\"" );
  next();
  char const * a = assert_has( next(), "\"seq\":\"12\"" );
  assert_has( a, "\"skipped\":\"3\"" );
  assert_has( a, "\"timeMs\":\"12000\",\"txCount\":2" );
  assert_quiet();
  block( 13 );
  assert_null( strstr( next(), "skipped" ) );

  /* Of the head itself: nothing to tell; of the future (this node lags): no block twice. */
  char const * at13 = member( say( 3, "sub_open", "[\"heads\"]" ), "cursor" );
  say( 4, "sub_open", "[\"heads\",null,null,\"%s\"]", at13 );
  wire.read = wire.cnt;
  dmg_rpc_ws_gone( rpc, 2 );
  dmg_rpc_ws_gone( rpc, 3 );
  block( 14 );
  assert_has( next(), "\"seq\":\"14\"" );
  assert_quiet();
}

static void test_a_cursor_past_the_head_waits_for_it( void ** state ) {
  fake.head = 20;
  char const * at20 = member( say( 1, "sub_open", "[\"heads\"]" ), "cursor" );
  dmg_rpc_ws_gone( rpc, 1 );
  fake.head = 7;
  say( 1, "sub_open", "[\"heads\",null,null,\"%s\"]", at20 );
  wire.read = wire.cnt;
  for( uint64_t h = 8; h<=20; h++ ) block( h );
  assert_quiet();
  block( 21 );
  assert_has( next(), "\"seq\":\"21\"" );
}

static void test_a_gap_is_told_before_what_follows_it( void ** state ) {
  fake.head = 3;
  char const * at3 = member( say( 1, "sub_open", "[\"heads\"]" ), "cursor" );
  dmg_rpc_ws_gone( rpc, 1 );
  fake.head   = 30;
  fake.oldest = 20;
  assert_has( say( 1, "sub_open", "[\"heads\",null,null,\"%s\"]", at3 ), "\"retainedFrom\":\"20\"" );
  wire.read = wire.cnt-2;
  assert_has( next(), "\"method\":\"sub_gap\",\"params\":{\"subscription\":\"2\",\"from\":\"4\",\"to\":\"19\",\"reason\":\"pruned\"}" );
  char const * a = assert_has( next(), "\"seq\":\"30\"" );
  assert_has( a, "\"skipped\":\"10\"" );
  assert_quiet();
  /* 19 is pruned, but nothing after it: no gap. */
  fake.head = 19;
  char const * at19 = member( say( 2, "sub_open", "[\"heads\"]" ), "cursor" );
  fake.head = 30;
  say( 3, "sub_open", "[\"heads\",null,null,\"%s\"]", at19 );
  assert_null( strstr( wire.text[ wire.cnt-1 ], "sub_gap" ) );
  assert_has( wire.text[ wire.cnt-1 ], "\"skipped\":\"10\"" );
}

static void test_a_full_socket_gets_gap_and_item_once_there_is_room( void ** state ) {
  fake.head = 3;
  char const * at3 = member( say( 1, "sub_open", "[\"heads\"]" ), "cursor" );
  fake.head   = 30;
  fake.oldest = 20;
  wire.room   = 0;
  say( 2, "sub_open", "[\"heads\",null,null,\"%s\"]", at3 );
  wire.read = wire.cnt;
  wire.room = 1;
  dmg_rpc_ws_room( rpc, 2 );
  assert_has( next(), "sub_gap" );
  assert_quiet();
  wire.room = 9;
  dmg_rpc_ws_room( rpc, 2 );
  assert_has( next(), "\"skipped\":\"10\"" );
  dmg_rpc_ws_room( rpc, 2 );
  assert_quiet();
}

static void test_a_cursor_of_another_topic_or_malformed_is_refused( void ** state ) {
  char const * heads = member( say( 1, "sub_open", "[\"heads\"]" ), "cursor" );
  char const * tx    = member( say( 1, "sub_open", "[\"tx\",{\"ids\":[\"0x%064d\"]}]", 0 ), "cursor" );
  assert_has( say( 1, "sub_open", "[\"heads\",null,null,\"%s\"]", tx ), "\"path\":\"cursor\"" );
  assert_has( say( 1, "sub_open", "[\"tx\",{\"ids\":[\"0x%064d\"]},null,\"%s\"]", 0, heads ), "\"path\":\"cursor\"" );
  assert_has( say( 1, "sub_open", "[\"heads\",null,null,\"%s=\"]", heads ), "\"path\":\"cursor\"" );
  assert_has( say( 1, "sub_open", "[\"heads\",null,null,\"%.70s\"]", heads ), "\"path\":\"cursor\"" );
  /* One text a cursor: in every place only the right character stands (seq and height of heads are the same number). */
  uint32_t good = 0;
  for( size_t at = 0; at<71; at++ )
    for( char const * c = "A1b-_+/= "; *c; c++ ) {
      char bad[ 72 ];
      memcpy( bad, heads, 72 );
      if( bad[ at ]==*c ) continue;
      bad[ at ] = *c;
      good += !strstr( say( 2, "sub_open", "[\"heads\",null,null,\"%s\"]", bad ), "\"path\":\"cursor\"" );
    }
  assert_int_equal( good, 0 );
}

/* Bytes of a cursor, drawn: version 1, SHA-256("heads"), seq, height, position. */
static void test_the_bytes_of_a_cursor_are_pinned( void ** state ) {
  assert_string_equal( member( say( 1, "sub_open", "[\"heads\"]" ), "cursor" ), "AVwLwkI8GvGM0BcqTR-EwBryWj7jxczSF-jopIkk_kFOBwAAAAAAAAAHAAAAAAAAAAAAAAA" );
}

static void test_a_full_socket_skips_heads_and_says_how_many( void ** state ) {
  say( 1, "sub_open", "[\"heads\"]" );
  next();
  wire.room = 1;
  for( uint64_t h = 8; h<=12; h++ ) block( h );
  assert_has( next(), "\"seq\":\"8\"" );
  assert_quiet();
  wire.room = 9;
  block( 13 );                                          /* room is used only when it is announced: order */
  assert_quiet();
  dmg_rpc_ws_room( rpc, 1 );
  char const * a = assert_has( next(), "\"seq\":\"13\"" );
  assert_has( a, "\"skipped\":\"4\"" );
  block( 14 );
  assert_null( strstr( next(), "skipped" ) );
  assert_quiet();
}

static void test_dev_revert_tells_heights_again( void ** state ) {
  say( 1, "sub_open", "[\"heads\"]" );
  next();
  block( 8 );
  block( 9 );
  next();
  next();
  fake.fork = 1;
  fake.head = 7;
  block( 8 );
  char const * a = assert_has( next(), "\"seq\":\"8\"" );
  assert_has( a, "000002\",\"isFinal\"" );
  block( 9 );
  assert_has( next(), "\"seq\":\"9\"" );
  /* A stream opened between revert and next block starts at the node's head. */
  fake.head = 8;
  assert_has( say( 2, "sub_open", "[\"heads\"]" ), "\"seq\":\"8\"" );
  next();
  assert_quiet();
}

static void test_tx_tells_now_and_each_change( void ** state ) {
  fake_set_tx( &fake, fake_id( 2 ), (dmg_query_tx_status_t){ .state = DMG_TX_POOLED } );
  dmg_hash_t a = fake_id( 2 ), b = fake_id( 3 );
  char ha[ 65 ], hb[ 65 ];
  dmg_hex_encode( a.b, 32, ha );
  dmg_hex_encode( b.b, 32, hb );
  assert_has( say( 1, "sub_open", "[\"tx\",{\"ids\":[\"0x%s\",\"0x%s\"]}]", ha, hb ), "\"seq\":\"0\"" );
  next();
  char const * item = assert_has( next(), "\"seq\":\"1\"" );          /* b is unknown: nothing to tell */
  assert_has( item, "\"state\":\"pooled\",\"item\":{\"id\":\"0x0202" );
  assert_has( item, "\"status\":{\"kind\":\"pooled\"}" );
  assert_has( item, "\"at\":{\"height\":\"7\"" );
  assert_quiet();
  tx_now( 9, (dmg_query_tx_status_t){ .state = DMG_TX_POOLED } );     /* nobody's */
  tx_now( 2, (dmg_query_tx_status_t){ .state = DMG_TX_POOLED } );     /* told already */
  tx_now( 2, (dmg_query_tx_status_t){ .state = DMG_TX_INCLUDED, .height = 8 } );   /* F5.4: not with finality final */
  assert_quiet();
  tx_now( 2, (dmg_query_tx_status_t){ .state = DMG_TX_FINAL, .height = 8, .index = 1 } );
  item = assert_has( next(), "\"seq\":\"2\"" );
  assert_has( item, "\"status\":{\"kind\":\"final\",\"height\":\"8\",\"index\":1,\"ok\":true}" );
  tx_now( 3, (dmg_query_tx_status_t){ .state = DMG_TX_DROPPED, .reason = "void" } );
  assert_has( next(), "\"reason\":\"void\"" );
  assert_quiet();
}

static void test_finality_head_tells_inclusion_too( void ** state ) {
  say( 1, "sub_open", "[\"tx\",{\"ids\":[\"0x%064d\"]},\"head\"]", 0 );
  next();
  tx_now( 0, (dmg_query_tx_status_t){ .state = DMG_TX_INCLUDED, .height = 8 } );
  assert_has( next(), "\"state\":\"included\"" );
  tx_now( 0, (dmg_query_tx_status_t){ .state = DMG_TX_FINAL, .height = 8 } );
  assert_has( next(), "\"state\":\"final\"" );
  assert_quiet();
}

/* An event from before what sub_open was told: the newest stands. */
static void test_an_old_event_does_not_turn_a_status_back( void ** state ) {
  fake_set_tx( &fake, fake_id( 2 ), (dmg_query_tx_status_t){ .state = DMG_TX_FINAL, .height = 7 } );
  dmg_hash_t a = fake_id( 2 );
  char ha[ 65 ];
  dmg_hex_encode( a.b, 32, ha );
  say( 1, "sub_open", "[\"tx\",{\"ids\":[\"0x%s\"]}]", ha );
  next();
  assert_has( next(), "\"state\":\"final\"" );
  node.on_tx( node.ctx, &a, &(dmg_query_tx_status_t){ .state = DMG_TX_POOLED } );
  assert_quiet();
  /* But what the node says now is told, also backwards (dev_revert, a lost block). */
  tx_now( 2, (dmg_query_tx_status_t){ .state = DMG_TX_POOLED } );
  assert_has( next(), "\"state\":\"pooled\"" );
}

static void test_a_full_socket_gets_the_newest_status_of_each_id( void ** state ) {
  say( 1, "sub_open", "[\"tx\",{\"ids\":[\"0x%064d\",\"0x%064d\"]}]", 0, 1 );
  next();
  dmg_hash_t other = { { 0 } };
  other.b[ 31 ] = 1;
  wire.room = 0;
  tx_now( 0, (dmg_query_tx_status_t){ .state = DMG_TX_POOLED } );
  tx_now( 0, (dmg_query_tx_status_t){ .state = DMG_TX_FINAL, .height = 8 } );
  fake_set_tx( &fake, other, (dmg_query_tx_status_t){ .state = DMG_TX_EXPIRED, .height = 9 } );
  node.on_tx( node.ctx, &other, &(dmg_query_tx_status_t){ .state = DMG_TX_EXPIRED, .height = 9 } );
  assert_quiet();
  wire.room = 1;
  dmg_rpc_ws_room( rpc, 1 );
  assert_has( next(), "\"seq\":\"1\"" );
  assert_quiet();
  wire.room = 9;
  dmg_rpc_ws_room( rpc, 1 );
  char const * last = assert_has( next(), "\"seq\":\"2\"" );
  assert_quiet();
  assert_true( ( strstr( last, "expired" )!=NULL )!=( strstr( wire.text[ wire.read-2 ], "expired" )!=NULL ) );
  assert_null( strstr( wire.text[ wire.read-1 ], "pooled" ) );
  assert_null( strstr( wire.text[ wire.read-2 ], "pooled" ) );
}

static void test_a_tx_cursor_carries_seq_on( void ** state ) {
  fake_set_tx( &fake, fake_id( 0 ), (dmg_query_tx_status_t){ .state = DMG_TX_POOLED } );
  say( 1, "sub_open", "[\"tx\",{\"ids\":[\"0x%064d\"]}]", 0 );
  next();
  char const * at1 = member( next(), "cursor" );
  assert_has( say( 2, "sub_open", "[\"tx\",{\"ids\":[\"0x%064d\"]},null,\"%s\"]", 0, at1 ), "\"seq\":\"1\"" );
  next();
  assert_has( next(), "\"seq\":\"2\"" );
}

static void test_closing_stops_the_stream_and_says_so_first( void ** state ) {
  say( 1, "sub_open", "[\"heads\"]" );
  say( 2, "sub_open", "[\"heads\"]" );
  say( 1, "sub_open", "[\"tx\",{\"ids\":[\"0x%064d\"]}]", 0 );
  wire.read = wire.cnt;
  assert_has( say( 2, "sub_close", "[\"1\"]" ), "\"code\":-32001" );   /* another socket's */
  wire.read = wire.cnt;
  assert_has( say( 1, "sub_close", "{\"subscription\":\"1\"}" ), "\"result\":true" );
  char const * a = assert_has( next(), "\"method\":\"sub_stop\",\"params\":{\"subscription\":\"1\",\"reason\":\"closed\",\"cursor\":\"" );
  assert_string_equal( member( a, "cursor" ), member( wire.text[ 0 ], "cursor" ) );
  next();
  assert_has( say( 1, "sub_close", "[\"1\"]" ), "\"code\":-32001" );
  assert_has( say( 1, "sub_list", "[]" ), "\"items\":[{\"subscription\":\"3\",\"topic\":\"tx\"}]" );
  wire.read = wire.cnt;
  block( 8 );
  assert_has( next(), "\"subscription\":\"2\"" );
  assert_quiet();
  dmg_rpc_ws_gone( rpc, 2 );
  dmg_rpc_ws_gone( rpc, 2 );
  dmg_rpc_ws_gone( rpc, 77 );
  block( 9 );
  assert_quiet();
}

static void test_streams_are_bounded_a_socket_and_in_all( void ** state ) {
  for( unsigned i = 0; i<DMG_RPC_SUB_PER_WS_MAX; i++ ) assert_has( say( 1, "sub_open", "[\"heads\"]" ), "\"result\"" );
  assert_has( say( 1, "sub_open", "[\"heads\"]" ), "\"code\":-32005" );
  assert_has( say( 2, "sub_open", "[\"heads\"]" ), "\"result\"" );
  say( 1, "sub_close", "[\"1\"]" );
  assert_has( say( 1, "sub_open", "[\"heads\"]" ), "\"result\"" );
  char ids[ 101*70 ];
  size_t n = 0;
  for( unsigned i = 0; i<=DMG_RPC_SUB_ID_MAX; i++ ) {
    n += (size_t)snprintf( ids+n, sizeof ids-n, "%s\"0x%064u\"", i ? "," : "", i );
    if( i+1==DMG_RPC_SUB_ID_MAX ) assert_has( say( 3, "sub_open", "[\"tx\",{\"ids\":[%s]}]", ids ), "\"result\"" );
  }
  assert_has( say( 3, "sub_open", "[\"tx\",{\"ids\":[%s]}]", ids ), "\"path\":\"filter.ids\"" );
  /* Table full. */
  dmg_buf_t out = dmg_buf( DMG_RPC_ANSWER_MAX );
  uint32_t good = 0;
  for( uint64_t ws = 100; ws<100+DMG_RPC_SUB_MAX/DMG_RPC_SUB_PER_WS_MAX; ws++ )
    for( unsigned i = 0; i<DMG_RPC_SUB_PER_WS_MAX; i++ ) {
      dmg_buf_clear( &out );
      fake_ask( rpc, DMG_SPAN_STR( "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub_open\",\"params\":[\"heads\"]}" ), ws, &out );
      dmg_rpc_ws_room( rpc, ws );
      good += memmem( out.p, out.sz, "result", 6 )!=NULL;
    }
  dmg_buf_fini( &out );
  assert_int_equal( good, DMG_RPC_SUB_MAX-DMG_RPC_SUB_PER_WS_MAX-2 );
  wire.room = 0;
  block( 8 );
  assert_true( wire.was_full );
}

static void test_drain_stops_every_stream_and_refuses_new_ones( void ** state ) {
  say( 1, "sub_open", "[\"heads\"]" );
  say( 5, "sub_open", "[\"tx\",{\"ids\":[\"0x%064d\"]}]", 0 );
  block( 8 );
  wire.read = wire.cnt;
  dmg_rpc_drain( rpc );
  char const * a = next(), * b = next();
  assert_has( a, "\"reason\":\"drain\",\"cursor\":\"" );
  assert_has( b, "\"reason\":\"drain\",\"cursor\":\"" );
  assert_true( ( strstr( a, "\"subscription\":\"1\"" )!=NULL )!=( strstr( b, "\"subscription\":\"1\"" )!=NULL ) );
  block( 9 );
  assert_quiet();
  assert_has( say( 1, "sub_open", "[\"heads\"]" ), "\"code\":-32002" );
  dmg_rpc_drain( rpc );
  dmg_rpc_ws_gone( rpc, 1 );
  /* The stopped stream's cursor goes on elsewhere. */
  char const * cursor = member( strstr( a, "\"subscription\":\"1\"" ) ? a : b, "cursor" );
  fake.head = 9;
  dmg_rpc_free( rpc );
  rpc = dmg_rpc_new( &fake.query, NULL );
  dmg_rpc_ws_set( rpc, &(dmg_rpc_ws_t){ .send = ws_send } );
  say( 1, "sub_open", "[\"heads\",null,null,\"%s\"]", cursor );
  assert_has( wire.text[ wire.cnt-1 ], "\"seq\":\"9\"" );
  assert_null( strstr( wire.text[ wire.cnt-1 ], "skipped" ) );
}

typedef struct { uint64_t id, seq; bool is_tx, is_closed; char state[ 16 ]; } known_t;

/* Reads what went out: seq of each stream rises by one and what was skipped, and nothing comes of a closed one. */
static void read_items( known_t * known, uint32_t cnt ) {
  while( wire.read<wire.cnt ) {
    char const * item = next();
    if( !strstr( item, "sub_item" ) && !strstr( item, "sub_stop" ) ) continue;
    uint64_t id = strtoull( member( item, "subscription" ), NULL, 10 );
    uint32_t k = 0;
    while( k<cnt && known[ k ].id!=id ) k++;
    assert_true( k<cnt && !known[ k ].is_closed );
    if( strstr( item, "sub_stop" ) ) { known[ k ].is_closed = true; continue; }
    uint64_t seq = strtoull( member( item, "seq" ), NULL, 10 ), skipped = strstr( item, "skipped" ) ? strtoull( member( item, "skipped" ), NULL, 10 ) : 0;
    assert_int_equal( seq, known[ k ].seq+1+skipped );
    known[ k ].seq = seq;
    snprintf( known[ k ].state, sizeof known[ k ].state, "%s", member( item, "state" ) );
  }
  for( uint32_t i = 0; i<wire.cnt; i++ ) free( wire.text[ i ] );
  wire.cnt = wire.read = 0;
}

/* Opens, closes, blocks, statuses and full sockets at random; in the end everybody knows the newest. */
static void test_random_streams_keep_their_order( void ** state ) {
  static known_t known[ 400 ];
  uint64_t head = 7;
  uint32_t cnt = 0;
  seed_any();
  for( int step = 0; step<2000; step++ ) {
    uint32_t r = (uint32_t)( rnd()>>33 ), pick = ( r>>8 )%( cnt ? cnt : 1 );
    switch( r%8 ) {
    case 0: {
      bool is_tx = r>>8&1;
      char const * a = is_tx ? say( 1, "sub_open", "[\"tx\",{\"ids\":[\"0x%064d\",\"0x%064d\"]}]", 0, 1 ) : say( 1, "sub_open", "[\"heads\"]" );
      if( cnt<400 && !strstr( a, "error" ) ) known[ cnt++ ] = (known_t){ .id = strtoull( member( a, "subscription" ), NULL, 10 ), .seq = strtoull( member( a, "seq" ), NULL, 10 ), .is_tx = is_tx };
      break;
    }
    case 1:
      if( !cnt || known[ pick ].is_closed ) break;
      say( 1, "sub_close", "[\"%lu\"]", (unsigned long)known[ pick ].id );
      read_items( known, cnt );
      known[ pick ].is_closed = true;                  /* sub_stop is lost on a full socket */
      break;
    case 2: case 3: block( ++head ); break;
    case 4: case 5: tx_now( 0, (dmg_query_tx_status_t){ .state = r>>8&1 ? DMG_TX_POOLED : DMG_TX_QUEUED } ); break;
    case 6: wire.room = ( r>>8 )%4; break;
    default: wire.room = r>>8&1 ? UINT32_MAX : 2; dmg_rpc_ws_room( rpc, 1 );
    }
    if( wire.cnt>WIRE_MAX/2 ) read_items( known, cnt );
  }
  wire.room = UINT32_MAX;
  dmg_rpc_ws_room( rpc, 1 );
  read_items( known, cnt );
  dmg_query_tx_status_t now;
  dmg_hash_t zero = { { 0 } };
  fake_q_tx_status( &fake, &zero, &now );
  uint32_t open_cnt = 0;
  for( uint32_t k = 0; k<cnt; k++ ) {
    if( known[ k ].is_closed ) continue;
    open_cnt++;
    if( !known[ k ].is_tx ) assert_int_equal( known[ k ].seq, head );
    else assert_string_equal( known[ k ].state, now.state==DMG_TX_POOLED ? "pooled" : "queued" );
  }
  assert_true( open_cnt>0 );
}

#define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )

int main( void ) {
  struct CMUnitTest const tests[] = {
    T( test_what_cannot_be_a_stream_is_refused ),
    T( test_heads_come_one_by_one_after_the_answer ),
    T( test_a_block_during_sub_open_is_not_lost ),
    T( test_a_cursor_goes_on_and_says_what_it_skipped ),
    T( test_a_cursor_past_the_head_waits_for_it ),
    T( test_a_gap_is_told_before_what_follows_it ),
    T( test_a_full_socket_gets_gap_and_item_once_there_is_room ),
    T( test_a_cursor_of_another_topic_or_malformed_is_refused ),
    T( test_the_bytes_of_a_cursor_are_pinned ),
    T( test_a_full_socket_skips_heads_and_says_how_many ),
    T( test_dev_revert_tells_heights_again ),
    T( test_tx_tells_now_and_each_change ),
    T( test_finality_head_tells_inclusion_too ),
    T( test_an_old_event_does_not_turn_a_status_back ),
    T( test_a_full_socket_gets_the_newest_status_of_each_id ),
    T( test_a_tx_cursor_carries_seq_on ),
    T( test_closing_stops_the_stream_and_says_so_first ),
    T( test_streams_are_bounded_a_socket_and_in_all ),
    T( test_drain_stops_every_stream_and_refuses_new_ones ),
    T( test_random_streams_keep_their_order ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
