/* Two ports on real sockets talk through net_port.h. */
#include "network/port_libp2p.h"
#include "base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <poll.h>

enum { CONS, STATUS, PROTO_CNT };

static dmg_net_proto_t const protos[ PROTO_CNT ] = {
  [ CONS ]   = { .id = "/dmg/00000000/cons/1", .cls = DMG_NET_CLS_CONSENSUS, .is_notify = true, .in_max = 2, .out_max = 2, .frame_max = 64<<10, .queue_max = 512<<10,
                 .first_ms = 5000, .next_ms = 10000, .frames_per_s = 400, .frames_burst = 512 },
  [ STATUS ] = { .id = "/dmg/00000000/status/1", .cls = DMG_NET_CLS_BULK, .in_max = 2, .out_max = 2, .frame_max = 65<<10, .request_max = 65<<10, .queue_max = 1<<20,
                 .first_ms = 5000, .next_ms = 10000 },
};

typedef struct {
  dmg_net_port_t * port;
  uint32_t         cnt[ DMG_NET_EV_CNT ];
  dmg_net_ev_t     last[ DMG_NET_EV_CNT ];     /* without bytes */
  char             text[ DMG_NET_EV_CNT ][ 128 ], addr[ 128 ];
} side_t;

static void side_open( side_t * s, uint8_t seed, char const * listen, uint64_t bulk_per_s ) {
  dmg_libp2p_cfg_t cfg;
  dmg_libp2p_cfg_init( &cfg );
  memset( cfg.seed, seed, sizeof cfg.seed );
  cfg.agent            = "demiurge/test";
  cfg.version          = "/dmg/00000000/1";
  cfg.listen           = &listen;
  cfg.listen_cnt       = 1;
  cfg.protos           = protos;
  cfg.proto_cnt        = PROTO_CNT;
  cfg.gossip_id_prefix = DMG_SPAN_STR( "prefix" );
  cfg.is_private       = true;
  cfg.has_quic         = true;
  cfg.heartbeat_ms     = 100;
  cfg.bulk_per_s       = bulk_per_s;
  char why[ 256 ];
  *s = (side_t){ 0 };
  if( dmg_libp2p_open( &cfg, &s->port, why ) ) fail_msg( "open: %s", why );
  assert_int_equal( s->port->self.sz, 38 );
}

static void pump( side_t * sides[ 2 ], int wait_ms ) {
  struct pollfd fds[ 4 ];
  for( int i=0; i<4; i++ ) {
    side_t * s = sides[ i/2 ];
    bool is_urgent = i%2==0;
    dmg_net_ev_t evs[ 200 ];                   /* more than a poll gives at once */
    size_t n = dmg_net_poll( s->port, is_urgent, evs, 200 );
    if( n ) wait_ms = 0;
    for( size_t k=0; k<n; k++ ) {
      dmg_net_ev_t * ev = &evs[ k ];
      s->cnt[ ev->kind ]++;
      s->last[ ev->kind ] = *ev;
      snprintf( s->text[ ev->kind ], sizeof s->text[ 0 ], "%.*s", (int)ev->data.sz, ev->data.sz ? (char const *)ev->data.p : "" );
      if( ev->kind==DMG_NET_LISTENING ) snprintf( s->addr, sizeof s->addr, "%.*s", DMG_SPAN_F( ev->addr ) );
      if( ev->kind==DMG_NET_NOTIFY_UP && !ev->code ) assert_int_equal( dmg_net_notify_answer( s->port, ev->id, 0 ), DMG_OK );
      if( ev->kind==DMG_NET_REQ ) {
        assert_int_equal( dmg_net_reply( s->port, ev->id, 0, ev->data, false ), DMG_OK );
        assert_int_equal( dmg_net_reply( s->port, ev->id, 3, DMG_SPAN_STR( "end" ), true ), DMG_OK );
      }
      if( ev->kind==DMG_NET_GOSSIP ) assert_int_equal( dmg_net_verdict( s->port, ev->id, DMG_NET_ACCEPT ), DMG_OK );
      dmg_net_release( s->port, ev );
      dmg_net_release( s->port, ev );
      assert_null( ev->data.p );
    }
    fds[ i ] = (struct pollfd){ .fd = dmg_net_fd( s->port, is_urgent ), .events = POLLIN };
  }
  poll( fds, 4, wait_ms );
}

#define PUMP_UNTIL( cond ) do { \
    uint64_t end_ = dmg_os_mono_ns()+10000000000; \
    while( !(cond) ) { if( dmg_os_mono_ns()>end_ ) fail_msg( "waited in vain for %s", #cond ); pump( (side_t *[]){ &a, &b }, 20 ); } \
  } while( 0 )

static void talk_over( char const * listen ) {
  static side_t a, b;
  side_open( &a, 1, listen, 0 );
  side_open( &b, 2, listen, 512<<10 );
  dmg_net_topic_t topic = { .name = "block", .data_max = 1000, .weight = 0.5, .mesh_time_weight = 1.0/3600, .mesh_time_cap = 3600, .mesh_time_quantum_ms = 1000,
    .first_weight = 5, .first_decay = 0.99872, .first_cap = 100, .mesh_decay = 0.5, .mesh_cap = 10, .mesh_threshold = 1, .mesh_window_ms = 10,
    .mesh_activation_ms = 1000, .mesh_failure_decay = 0.5, .invalid_weight = -1000, .invalid_decay = 0.99872 };
  assert_int_equal( dmg_net_topic( a.port, &topic, true ), DMG_OK );
  assert_int_equal( dmg_net_topic( b.port, &topic, true ), DMG_OK );
  topic.invalid_weight = 1;
  assert_int_equal( dmg_net_topic( b.port, &topic, true ), DMG_ERR_INVALID );
  PUMP_UNTIL( b.addr[ 0 ] );

  uint32_t conn = 0;
  assert_int_equal( dmg_net_tag( b.port, &a.port->self, DMG_NET_TAG_VALIDATOR ), DMG_OK );
  assert_int_equal( dmg_net_dial( a.port, &b.port->self, (char const *[]){ b.addr }, 1, false, &conn ), DMG_OK );
  PUMP_UNTIL( a.cnt[ DMG_NET_CONN_UP ] && b.cnt[ DMG_NET_CONN_UP ] );
  assert_int_equal( a.last[ DMG_NET_CONN_UP ].conn, conn );
  assert_memory_equal( &b.last[ DMG_NET_CONN_UP ].peer, &a.port->self, sizeof a.port->self );

  uint64_t cons = 0, req = 0;
  assert_int_equal( dmg_net_notify_open( a.port, conn, CONS, DMG_SPAN_STR( "hello" ), &cons ), DMG_OK );
  assert_int_equal( dmg_net_notify_send( a.port, cons, 5, 0, DMG_SPAN_STR( "vote" ) ), DMG_OK );
  assert_int_equal( dmg_net_request( a.port, conn, STATUS, DMG_SPAN_STR( "status?" ), 5000, &req ), DMG_OK );
  PUMP_UNTIL( b.cnt[ DMG_NET_NOTIFY ]==1 && a.cnt[ DMG_NET_NOTIFY_UP ]==1 && a.cnt[ DMG_NET_REQ_END ]==1 );
  assert_string_equal( b.text[ DMG_NET_NOTIFY ], "vote" );
  assert_string_equal( b.text[ DMG_NET_REQ ], "status?" );
  assert_int_equal( a.cnt[ DMG_NET_CHUNK ], 2 );
  assert_int_equal( a.last[ DMG_NET_CHUNK ].code, 3 );
  assert_int_equal( a.last[ DMG_NET_CHUNK ].id, req );
  assert_int_equal( a.last[ DMG_NET_REQ_END ].code, DMG_NET_END_OK );
  static uint8_t large[ 66<<10 ];
  /* N2.3: the answers go at half a MiB a second, all of them but the first piece. */
  uint64_t begin = dmg_os_mono_ns();
  for( uint32_t i=0; i<4; i++ ) {
    assert_int_equal( dmg_net_request( a.port, conn, STATUS, dmg_span( large, 64<<10 ), 5000, &req ), DMG_OK );
    PUMP_UNTIL( a.cnt[ DMG_NET_REQ_END ]==2+i );
  }
  assert_int_equal( a.last[ DMG_NET_REQ_END ].code, DMG_NET_END_OK );
  assert_true( dmg_os_mono_ns()-begin>( 4*64-16 )*1000000000ull/512 );
  /* N8.2: above 400 a second frames wait, none is lost: 700 take the time of 188 beyond the burst. */
  begin = dmg_os_mono_ns();
  for( int i=0; i<700; i++ ) assert_int_equal( dmg_net_notify_send( a.port, cons, 6, 0, DMG_SPAN_STR( "vote" ) ), DMG_OK );
  PUMP_UNTIL( b.cnt[ DMG_NET_NOTIFY ]==701 );
  assert_true( dmg_os_mono_ns()-begin>350000000 );

  PUMP_UNTIL( a.cnt[ DMG_NET_TOPIC_PEERS ] && b.cnt[ DMG_NET_TOPIC_PEERS ] );
  uint64_t end = dmg_os_mono_ns()+10000000000;
  for( int i=0; !b.cnt[ DMG_NET_GOSSIP ] && dmg_os_mono_ns()<end; i++ ) {    /* until the mesh is there */
    char text[ 16 ];
    assert_int_equal( dmg_net_publish( a.port, "block", dmg_span( text, (size_t)snprintf( text, sizeof text, "block %d", i ) ) ), DMG_OK );
    pump( (side_t *[]){ &a, &b }, 20 );
  }
  assert_memory_equal( b.text[ DMG_NET_GOSSIP ], "block ", 6 );

  assert_int_equal( dmg_net_notify_send( a.port, cons, 5, 0, DMG_SPAN( large ) ), DMG_ERR_LIMIT );
  assert_int_equal( dmg_net_notify_open( a.port, 77, CONS, DMG_SPAN_STR( "x" ), &cons ), DMG_ERR_UNAVAILABLE );
  assert_int_equal( dmg_net_notify_open( a.port, conn, PROTO_CNT, DMG_SPAN_STR( "x" ), &cons ), DMG_ERR_INVALID );
  dmg_buf_t text = dmg_buf( 1<<20 );
  assert_int_equal( dmg_net_text( a.port, DMG_NET_TEXT_METRICS, &text ), DMG_OK );
  assert_memory_equal( text.p, "# TYPE dmg_p2p_conns_up_total counter\ndmg_p2p_conns_up_total 1\n", 63 );
  dmg_buf_fini( &text );

  assert_int_equal( dmg_net_stop( a.port, 3000 ), DMG_OK );
  PUMP_UNTIL( a.cnt[ DMG_NET_STOPPED ] && b.cnt[ DMG_NET_CONN_DOWN ] && b.cnt[ DMG_NET_NOTIFY_DOWN ] );
  pump( (side_t *[]){ &a, &b }, 0 );
  assert_int_equal( a.last[ DMG_NET_CONN_DOWN ].code, DMG_NET_WHY_STOP );
  assert_int_equal( a.cnt[ DMG_NET_NOTIFY_DOWN ], 1 );
  dmg_net_free( a.port );
  dmg_net_free( b.port );
}

static void test_two_ports_talk_over_tcp( void ** state )  { talk_over( "/ip4/127.0.0.1/tcp/0" ); }
static void test_two_ports_talk_over_quic( void ** state ) { talk_over( "/ip4/127.0.0.1/udp/0/quic-v1" ); }

static void test_open_says_what_is_wrong( void ** state ) {
  dmg_libp2p_cfg_t cfg;
  char why[ 256 ];
  dmg_net_port_t * port = NULL;
  dmg_libp2p_cfg_init( &cfg );
  cfg.conns_max = 0;
  assert_int_equal( dmg_libp2p_open( &cfg, &port, why ), DMG_ERR_INVALID );
  assert_non_null( strstr( why, "conns_max" ) );
  dmg_libp2p_cfg_init( &cfg );
  cfg.listen     = (char const *[]){ "/ip4/127.0.0.1" };
  cfg.listen_cnt = 1;
  assert_int_equal( dmg_libp2p_open( &cfg, &port, why ), DMG_ERR_INVALID );
  assert_non_null( strstr( why, "/ip4/127.0.0.1" ) );
  assert_null( port );
  dmg_net_free( NULL );
}

static void test_peer_ids( void ** state ) {
  uint8_t key[ 32 ] = { 1 };
  dmg_net_peer_t peer, back;
  char text[ DMG_LIBP2P_TEXT_SZ ];
  assert_int_equal( dmg_libp2p_peer_of_key( key, &peer ), DMG_OK );
  assert_int_equal( dmg_libp2p_peer_text( &peer, text ), DMG_OK );
  assert_int_equal( dmg_libp2p_peer_parse( text, &back ), DMG_OK );
  assert_memory_equal( &peer, &back, sizeof peer );
  key[ 0 ] = 2;                                  /* no point has y = 2 */
  assert_int_equal( dmg_libp2p_peer_of_key( key, &peer ), DMG_ERR_INVALID );
  assert_int_equal( dmg_libp2p_peer_parse( "not a peer", &back ), DMG_ERR_INVALID );
  peer = (dmg_net_peer_t){ 0 };
  assert_int_equal( dmg_libp2p_peer_text( &peer, text ), DMG_ERR_INVALID );
}

static void test_every_kind_has_a_name( void ** state ) {
  for( unsigned k=0; k<DMG_NET_EV_CNT; k++ ) assert_true( strlen( dmg_net_kind_name( (dmg_net_kind_t)k ) )>2 );
  assert_string_equal( dmg_net_kind_name( DMG_NET_STOPPED ), "STOPPED" );
  assert_string_equal( dmg_net_kind_name( DMG_NET_EV_CNT ), "?" );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_two_ports_talk_over_tcp ),
    cmocka_unit_test( test_two_ports_talk_over_quic ),
    cmocka_unit_test( test_open_says_what_is_wrong ),
    cmocka_unit_test( test_peer_ids ),
    cmocka_unit_test( test_every_kind_has_a_name ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
