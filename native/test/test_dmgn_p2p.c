/* dmgn_p2p.h from C: hosts of one process talk to each other on loopback. */
#include "dmgn_p2p.h"
#include "p2p_cfg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 10000

#define TCP  "/ip4/127.0.0.1/tcp/0"
#define QUIC "/ip4/127.0.0.1/udp/0/quic-v1"

/* ---- a host, what it is to do by itself, what it saw ---- */

enum { KINDS = DMGN_EV_STOPPED+1, IDS_MAX = 4096 };

typedef struct host host_t;
struct host {
  dmgn_p2p_t *   p2p;
  dmgn_p2p_cfg_t cfg;
  char           addr[ 256 ];
  uint32_t       conn;                       /* the last one that came up */
  uint32_t       pressed;                    /* the one a PRESSURE named */
  uint32_t       cnt[ KINDS ];
  dmgn_p2p_ev_t  last[ KINDS ];              /* without bytes */
  char           text[ KINDS ][ 128 ];       /* its data, cut */
  uint64_t       bytes;                      /* of NOTIFY and CHUNK */
  uint64_t       next_seq;                   /* frames that begin with a u64 in sequence */
  int            is_out_of_order;
  uint8_t        answer;                     /* to a hello */
  int            is_deaf;                    /* do not poll */
  uint64_t       ends[ IDS_MAX ];            /* last events of each id below that */
  void (* on_req)( host_t *, dmgn_p2p_ev_t const * );
  void (* on_room)( host_t * );
  int (* on_gossip)( dmgn_p2p_ev_t const * );
};

static dmgn_buf_t buf( char const * text ) { return (dmgn_buf_t){ (uint8_t const *)text, strlen( text ) }; }

static uint64_t now_ms( void ) {
  struct timespec t;
  clock_gettime( CLOCK_MONOTONIC, &t );
  return (uint64_t)t.tv_sec*1000 + (uint64_t)t.tv_nsec/1000000;
}

static void host_start( host_t * h, uint8_t seed, char const * listen ) {
  char const * addrs[ 1 ] = { listen };
  if( !h->cfg.agent ) p2p_cfg_init( &h->cfg, seed, addrs, listen ? 1 : 0 );
  h->cfg.listen     = addrs;
  h->cfg.listen_cnt = listen ? 1 : 0;
  char err[ 256 ] = "";
  h->p2p = dmgn_p2p_start( &h->cfg, err, sizeof err );
  if( !h->p2p ) fail_msg( "start: %s", err );
}

static void on_event( host_t * h, dmgn_p2p_ev_t * ev ) {
  assert_in_range( ev->kind, 0, KINDS-1 );
  h->cnt[ ev->kind ]++;
  h->last[ ev->kind ] = *ev;
  snprintf( h->text[ ev->kind ], sizeof h->text[ 0 ], "%.*s", (int)ev->data.n, ev->data.n ? (char const *)ev->data.p : "" );
  switch( ev->kind ) {
  case DMGN_EV_LISTENING: snprintf( h->addr, sizeof h->addr, "%.*s", (int)ev->addr.n, ev->addr.p ); break;
  case DMGN_EV_CONN_UP:   h->conn = ev->conn; break;
  case DMGN_EV_NOTIFY_UP: if( !ev->code ) dmgn_p2p_notify_answer( h->p2p, ev->id, h->answer ); break;
  case DMGN_EV_REQ:       if( h->on_req ) h->on_req( h, ev ); break;
  case DMGN_EV_PRESSURE:  if( ev->code ) h->pressed = ev->conn; break;
  case DMGN_EV_ROOM:      if( h->on_room ) h->on_room( h ); break;
  case DMGN_EV_GOSSIP:    if( h->on_gossip ) dmgn_p2p_verdict( h->p2p, ev->id, h->on_gossip( ev ) ); break;
  case DMGN_EV_NOTIFY_DOWN:
  case DMGN_EV_REQ_END:   if( ev->id<IDS_MAX ) h->ends[ ev->id ]++; break;
  case DMGN_EV_NOTIFY:
  case DMGN_EV_CHUNK:
    h->bytes += ev->data.n;
    if( ev->data.n==143 || ( ev->kind==DMGN_EV_CHUNK && ev->data.n>=8 ) ) {
      uint64_t seq;
      memcpy( &seq, ev->data.p, 8 );
      h->is_out_of_order |= seq!=h->next_seq;
      h->next_seq = seq+1;
    }
    break;
  default: break;
  }
}

static void pump_once( host_t * const * hosts, size_t host_cnt, int wait_ms ) {
  struct pollfd fds[ 16 ];
  size_t fd_cnt = 0;
  for( size_t i=0; i<host_cnt; i++ ) for( int urgent=1; urgent>=0; urgent-- ) {
    if( hosts[ i ]->is_deaf ) continue;
    dmgn_p2p_ev_t evs[ 64 ];
    size_t cnt = dmgn_p2p_poll( hosts[ i ]->p2p, urgent, evs, 64 );
    for( size_t k=0; k<cnt; k++ ) {
      on_event( hosts[ i ], &evs[ k ] );
      dmgn_p2p_release( &evs[ k ] );
    }
    if( cnt ) wait_ms = 0;
    fds[ fd_cnt++ ] = (struct pollfd){ .fd = dmgn_p2p_fd( hosts[ i ]->p2p, urgent ), .events = POLLIN };
  }
  poll( fds, fd_cnt, wait_ms );
}

#define PUMP_UNTIL( cond, ... ) do { \
    host_t * const hosts_[] = { __VA_ARGS__ }; \
    uint64_t end_ = now_ms()+WAIT_MS; \
    while( !(cond) ) { \
      if( now_ms()>end_ ) fail_msg( "line %d: waited in vain for %s", __LINE__, #cond ); \
      pump_once( hosts_, sizeof hosts_/sizeof *hosts_, 20 ); \
    } \
  } while( 0 )

#define PUMP_MS( ms, ... ) do { \
    host_t * const hosts_[] = { __VA_ARGS__ }; \
    for( uint64_t end_=now_ms()+(ms); now_ms()<end_; ) pump_once( hosts_, sizeof hosts_/sizeof *hosts_, 5 ); \
  } while( 0 )

static uint32_t dial( host_t * from, host_t * to, int is_bulk ) {
  PUMP_UNTIL( to->addr[ 0 ], to );
  dmgn_peer_t peer = dmgn_p2p_self( to->p2p );
  char const * addrs[ 1 ] = { to->addr };
  uint32_t conn = 0;
  assert_int_equal( dmgn_p2p_dial( from->p2p, &peer, addrs, 1, is_bulk, &conn ), DMGN_P2P_OK );
  return conn;
}

static void join( host_t * a, host_t * b ) {
  uint32_t up = b->cnt[ DMGN_EV_CONN_UP ];
  uint32_t conn = dial( a, b, 0 );
  PUMP_UNTIL( a->conn==conn && b->cnt[ DMGN_EV_CONN_UP ]>up, a, b );
}

static uint64_t notify_open( host_t * h, uint16_t proto ) {
  uint64_t id = 0;
  assert_int_equal( dmgn_p2p_notify_open( h->p2p, h->conn, proto, buf( "hello" ), &id ), DMGN_P2P_OK );
  return id;
}

static uint64_t metric( host_t * h, char const * name ) {
  static char text[ 262144 ];
  dmgn_p2p_text( h->p2p, DMGN_TEXT_METRICS, text, sizeof text );
  char line[ 128 ];
  snprintf( line, sizeof line, "\ndmg_p2p_%s ", name );
  char const * at = strstr( text, line );
  if( !at ) fail_msg( "no metric %s", name );
  return strtoull( at+strlen( line ), NULL, 10 );
}

static void host_end( host_t * h ) {
  dmgn_p2p_free( h->p2p );
  free( h );
}

static host_t * host_new( uint8_t seed, char const * listen ) {
  host_t * h = calloc( 1, sizeof *h );
  host_start( h, seed, listen );
  return h;
}

/* A host whose settings differ: change h->cfg, then host_start. */
static host_t * host_plan( uint8_t seed ) {
  host_t * h = calloc( 1, sizeof *h );
  p2p_cfg_init( &h->cfg, seed, NULL, 0 );
  return h;
}

/* ---- tests ---- */

static void refused( dmgn_p2p_cfg_t const * cfg, char const * what ) {
  char err[ 256 ] = "";
  assert_null( dmgn_p2p_start( cfg, err, sizeof err ) );
  if( !strstr( err, what ) ) fail_msg( "%s does not name %s", err, what );
}

static void test_start_says_what_is_wrong( void ** state ) {
  (void)state;
  char const * listen[ 1 ] = { "nonsense" };
  dmgn_p2p_cfg_t cfg, good;
  p2p_cfg_init( &good, 1, NULL, 0 );
  cfg = good; cfg.listen = listen; cfg.listen_cnt = 1;      refused( &cfg, "cfg.listen" );
  cfg = good; listen[ 0 ] = "/ip4/192.0.2.1/tcp/1"; cfg.listen = listen; cfg.listen_cnt = 1;
  refused( &cfg, "192.0.2.1" );
  cfg = good; cfg.limits.memory_max = 0;                    refused( &cfg, "cfg.limits.memory_max" );
  cfg = good; cfg.limits.mux_in.window = (4<<20)-1;         refused( &cfg, "cfg.limits.mux_in" );
  cfg = good; cfg.gossip.mesh_low = 20;                     refused( &cfg, "cfg.gossip" );
  cfg = good; cfg.gossip.behaviour_decay = 2;               refused( &cfg, "cfg.gossip" );
  dmgn_p2p_proto_t proto = p2p_protos[ 0 ];
  cfg = good; cfg.protos = &proto; cfg.proto_cnt = 1;
  proto.id = "no slash";                                    refused( &cfg, "cfg.protos" );
  proto = p2p_protos[ 0 ]; proto.cls = 5;                   refused( &cfg, "cfg.protos" );
  proto = p2p_protos[ 0 ]; proto.frame_max = 0;             refused( &cfg, "cfg.protos" );
}

static void test_peer_ids_as_text( void ** state ) {
  (void)state;
  uint8_t key[ 32 ] = { 0 };
  /* The point of order 1, and bytes that are no point. */
  key[ 0 ] = 1;
  dmgn_peer_t peer = dmgn_peer_of_key( key ), back;
  assert_int_equal( peer.len, 38 );
  assert_memory_equal( peer.b, "\x00\x24\x08\x01\x12\x20\x01", 7 );
  char text[ 64 ];
  assert_int_equal( dmgn_peer_text( &peer, text, sizeof text ), 52 );
  assert_memory_equal( text, "12D3KooW", 8 );
  assert_int_equal( dmgn_peer_text( &peer, text, 52 ), 0 );
  assert_int_equal( dmgn_peer_text( &peer, text, 53 ), 52 );
  assert_int_equal( dmgn_peer_parse( text, &back ), DMGN_P2P_OK );
  assert_memory_equal( &peer, &back, sizeof peer );
  assert_int_equal( dmgn_peer_parse( "12D3KooW", &back ), DMGN_P2P_ARG );
  assert_int_equal( dmgn_peer_parse( NULL, &back ), DMGN_P2P_ARG );
  memset( &back, 0, sizeof back );
  assert_int_equal( dmgn_peer_text( &back, text, sizeof text ), 0 );
}

/* A port of somebody else's, who shares it with whoever asks: libp2p would listen there, too. */
static void taken( int family, int kind ) {
  struct sockaddr_in  v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl( INADDR_LOOPBACK ) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  struct sockaddr * at = family==AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
  socklen_t sz = family==AF_INET ? sizeof v4 : sizeof v6;
  int fd = socket( family, kind, 0 ), one = 1;
  if( fd<0 || bind( fd, at, sz ) ) { if( fd>=0 ) close( fd ); assert_int_equal( family, AF_INET6 ); return; }   /* no IPv6 here */
  close( fd );
  fd = socket( family, kind, 0 );
  assert_false( setsockopt( fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one ) || bind( fd, at, sz ) || getsockname( fd, at, &sz ) || ( kind==SOCK_STREAM && listen( fd, 1 ) ) );
  char addr[ 64 ];
  snprintf( addr, sizeof addr, "%s/%s/%u%s", family==AF_INET ? "/ip4/127.0.0.1" : "/ip6/::1", kind==SOCK_STREAM ? "tcp" : "udp", ntohs( family==AF_INET ? v4.sin_port : v6.sin6_port ),
            kind==SOCK_STREAM ? "" : "/quic-v1" );
  char const * listens[ 2 ] = { addr, addr };
  dmgn_p2p_cfg_t cfg;
  p2p_cfg_init( &cfg, 1, NULL, 0 );
  cfg.listen     = listens;
  cfg.listen_cnt = kind==SOCK_STREAM ? 2 : 1;   /* our own listeners share a port of TCP, too */
  char says[ 160 ];
  snprintf( says, sizeof says, "cannot listen on %s: another process listens there already", addr );
  refused( &cfg, says );
  close( fd );
  char err[ 256 ] = "";
  dmgn_p2p_t * p2p = dmgn_p2p_start( &cfg, err, sizeof err );
  if( !p2p ) fail_msg( "%s is free: %s", addr, err );
  dmgn_p2p_free( p2p );
}

static void test_a_port_in_use_is_noticed( void ** state ) {
  (void)state;
  taken( AF_INET, SOCK_STREAM );
  taken( AF_INET, SOCK_DGRAM );
  taken( AF_INET6, SOCK_STREAM );
  taken( AF_INET6, SOCK_DGRAM );
}

static void connect_over( char const * listen, int is_quic ) {
  host_t * a = host_new( 1, listen ), * b = host_new( 2, listen );
  join( a, b );
  assert_int_equal( a->last[ DMGN_EV_CONN_UP ].code, is_quic ? 2 : 0 );
  assert_int_equal( b->last[ DMGN_EV_CONN_UP ].code, is_quic ? 3 : 1 );
  dmgn_peer_t peer = dmgn_p2p_self( b->p2p );
  assert_memory_equal( &a->last[ DMGN_EV_CONN_UP ].peer, &peer, sizeof peer );
  PUMP_UNTIL( a->cnt[ DMGN_EV_IDENTIFIED ] && b->cnt[ DMGN_EV_IDENTIFIED ] && a->cnt[ DMGN_EV_RTT ] && b->cnt[ DMGN_EV_SELF_ADDR ], a, b );
  assert_non_null( strstr( a->text[ DMGN_EV_IDENTIFIED ], "agent dmg-test\nversion /dmg/00000000/1\nlisten /ip4/127.0.0.1" ) );
  assert_int_equal( dmgn_p2p_close( a->p2p, a->conn, DMGN_WHY_APP+7 ), DMGN_P2P_OK );
  PUMP_UNTIL( a->cnt[ DMGN_EV_CONN_DOWN ] && b->cnt[ DMGN_EV_CONN_DOWN ], a, b );
  assert_int_equal( a->last[ DMGN_EV_CONN_DOWN ].code, DMGN_WHY_APP+7 );
  assert_int_equal( b->last[ DMGN_EV_CONN_DOWN ].code, DMGN_WHY_REMOTE );
  uint64_t id;
  assert_int_equal( dmgn_p2p_close( a->p2p, a->conn, 0 ), DMGN_P2P_GONE );
  assert_int_equal( dmgn_p2p_notify_open( a->p2p, a->conn, P_CONS, buf( "x" ), &id ), DMGN_P2P_GONE );
  host_end( a ); host_end( b );
}

static void test_tcp_connects_identifies_pings( void ** state )  { (void)state; connect_over( TCP, 0 ); }
static void test_quic_connects_identifies_pings( void ** state ) { (void)state; connect_over( QUIC, 1 ); }

static void test_a_dial_has_one_outcome( void ** state ) {
  (void)state;
  host_t * a = host_new( 1, NULL ), * b = host_new( 2, TCP );
  PUMP_UNTIL( b->addr[ 0 ], b );
  dmgn_peer_t other = dmgn_p2p_self( a->p2p ), right = dmgn_p2p_self( b->p2p );
  host_t * c = host_new( 3, NULL );
  other = dmgn_p2p_self( c->p2p );
  char const * addrs[ 2 ] = { b->addr, "/ip4/127.0.0.1/tcp/1" };
  uint32_t conn;
  /* Another peer than asked for answers. */
  assert_int_equal( dmgn_p2p_dial( a->p2p, &other, addrs, 1, 0, &conn ), DMGN_P2P_OK );
  PUMP_UNTIL( a->cnt[ DMGN_EV_DIAL_FAILED ]==1, a, b );
  assert_int_equal( a->last[ DMGN_EV_DIAL_FAILED ].conn, conn );
  assert_int_equal( a->cnt[ DMGN_EV_CONN_UP ], 0 );
  char cause[ 400 ], id[ 64 ];
  assert_true( dmgn_peer_text( &right, id, sizeof id )>0 );
  snprintf( cause, sizeof cause, "%s: another peer is there, %s", b->addr, id );
  assert_string_equal( a->text[ DMGN_EV_DIAL_FAILED ], cause );
  /* Nobody there. */
  assert_int_equal( dmgn_p2p_dial( a->p2p, &right, addrs+1, 1, 0, &conn ), DMGN_P2P_OK );
  PUMP_UNTIL( a->cnt[ DMGN_EV_DIAL_FAILED ]==2, a, b );
  assert_string_equal( a->text[ DMGN_EV_DIAL_FAILED ], "/ip4/127.0.0.1/tcp/1: refused, nobody listens there" );
  /* One of two. */
  assert_int_equal( dmgn_p2p_dial( a->p2p, &right, addrs, 2, 0, &conn ), DMGN_P2P_OK );
  PUMP_UNTIL( a->cnt[ DMGN_EV_CONN_UP ]==1, a, b );
  assert_int_equal( a->conn, conn );
  /* Arguments that are never right. */
  char const * bad[ 1 ] = { "/ip4/1.2.3.4" "/p2p/12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq" };
  dmgn_peer_t none = { 0 };
  assert_int_equal( dmgn_p2p_dial( a->p2p, &other, bad, 1, 0, &conn ), DMGN_P2P_ARG );
  assert_int_equal( dmgn_p2p_dial( a->p2p, &none, addrs, 1, 0, &conn ), DMGN_P2P_ARG );
  assert_int_equal( dmgn_p2p_dial( a->p2p, &right, addrs, 0, 0, &conn ), DMGN_P2P_ARG );
  bad[ 0 ] = "/nonsense";
  assert_int_equal( dmgn_p2p_dial( a->p2p, &right, bad, 1, 0, &conn ), DMGN_P2P_ARG );
  /* dials_max outstanding, then FULL, then room again. */
  char const * hole[ 1 ] = { "/ip4/192.0.2.1/tcp/1" };
  uint32_t full = 0, taken = 0;
  for( int i=0; i<20; i++ ) {
    dmgn_p2p_rc_t rc = dmgn_p2p_dial( a->p2p, &other, hole, 1, 1, &conn );
    full += rc==DMGN_P2P_FULL;
    taken += rc==DMGN_P2P_OK;
  }
  assert_int_equal( taken, 16 );
  assert_int_equal( full, 4 );
  host_end( a ); host_end( b ); host_end( c );
}

static void notify_over( char const * listen ) {
  host_t * a = host_new( 1, listen ), * b = host_new( 2, listen );
  join( a, b );
  uint64_t id = notify_open( a, P_CONS );
  PUMP_UNTIL( a->cnt[ DMGN_EV_NOTIFY_UP ] && b->cnt[ DMGN_EV_NOTIFY_UP ], a, b );
  assert_int_equal( a->last[ DMGN_EV_NOTIFY_UP ].code, 1 );
  assert_string_equal( b->text[ DMGN_EV_NOTIFY_UP ], "hello" );
  /* Sizes around each length's form, up to the limit. */
  static uint8_t frame[ 65537 ];
  size_t const sizes[] = { 0, 1, 127, 128, 16383, 16384, 65535, 65536 };
  for( size_t i=0; i<sizeof sizes/sizeof *sizes; i++ ) {
    uint32_t cnt = b->cnt[ DMGN_EV_NOTIFY ];
    assert_int_equal( dmgn_p2p_notify_send( a->p2p, id, 1, 0, (dmgn_buf_t){ frame, sizes[ i ] } ), DMGN_P2P_OK );
    PUMP_UNTIL( b->cnt[ DMGN_EV_NOTIFY ]==cnt+1, a, b );
    assert_int_equal( b->last[ DMGN_EV_NOTIFY ].data.n, sizes[ i ] );
  }
  assert_int_equal( dmgn_p2p_notify_send( a->p2p, id, 1, 0, (dmgn_buf_t){ frame, 65537 } ), DMGN_P2P_TOO_BIG );
  b->is_out_of_order = 0; b->next_seq = 0;
  uint32_t cnt = b->cnt[ DMGN_EV_NOTIFY ];
  for( uint64_t seq=0; seq<2000; seq++ ) {
    uint8_t vote[ 143 ] = { 0 };
    memcpy( vote, &seq, 8 );
    assert_int_equal( dmgn_p2p_notify_send( a->p2p, id, seq, 0, (dmgn_buf_t){ vote, sizeof vote } ), DMGN_P2P_OK );
    if( seq%500==499 ) PUMP_UNTIL( b->cnt[ DMGN_EV_NOTIFY ]==cnt+seq+1, a, b );
  }
  assert_false( b->is_out_of_order );
  assert_int_equal( dmgn_p2p_cancel( a->p2p, id ), DMGN_P2P_OK );
  PUMP_UNTIL( a->cnt[ DMGN_EV_NOTIFY_DOWN ] && b->cnt[ DMGN_EV_NOTIFY_DOWN ], a, b );
  assert_int_equal( a->last[ DMGN_EV_NOTIFY_DOWN ].code, DMGN_END_CANCELLED );
  assert_int_equal( dmgn_p2p_notify_send( a->p2p, id, 1, 0, buf( "x" ) ), DMGN_P2P_GONE );
  /* Refused by the answer. */
  b->answer = 9;
  notify_open( a, P_BODY );
  PUMP_UNTIL( a->cnt[ DMGN_EV_NOTIFY_DOWN ]==2 && b->cnt[ DMGN_EV_NOTIFY_DOWN ]==2, a, b );
  assert_int_equal( a->last[ DMGN_EV_NOTIFY_DOWN ].code, DMGN_END_REFUSED+9 );
  assert_int_equal( b->last[ DMGN_EV_NOTIFY_DOWN ].code, DMGN_END_REFUSED+9 );
  /* A request's protocol is no notify protocol, and there is none of that number. */
  uint64_t no;
  assert_int_equal( dmgn_p2p_notify_open( a->p2p, a->conn, P_STATUS, buf( "x" ), &no ), DMGN_P2P_ARG );
  assert_int_equal( dmgn_p2p_notify_open( a->p2p, a->conn, P_CNT, buf( "x" ), &no ), DMGN_P2P_ARG );
  assert_int_equal( dmgn_p2p_request( a->p2p, a->conn, P_CONS, buf( "x" ), 1000, &no ), DMGN_P2P_ARG );
  host_end( a ); host_end( b );
}

static void test_notify_over_tcp( void ** state )  { (void)state; notify_over( TCP ); }
static void test_notify_over_quic( void ** state ) { (void)state; notify_over( QUIC ); }

/* "n": n chunks of 64 KiB that begin with their number; "x": cancel; "-": no answer. */
static uint64_t  open_req;
static uint32_t  chunks_left;
static uint64_t  chunk_seq;
static uint8_t   chunk[ 65536 ];

static void reply_more( host_t * h ) {
  while( chunks_left ) {
    memcpy( chunk, &chunk_seq, 8 );
    dmgn_p2p_rc_t rc = dmgn_p2p_reply( h->p2p, open_req, 0, (dmgn_buf_t){ chunk, sizeof chunk }, chunks_left==1 );
    if( rc==DMGN_P2P_FULL ) return;
    assert_int_equal( rc, DMGN_P2P_OK );
    chunk_seq++;
    chunks_left--;
  }
}

static void on_req( host_t * h, dmgn_p2p_ev_t const * ev ) {
  char text[ 16 ] = "";
  memcpy( text, ev->data.p, ev->data.n<15 ? ev->data.n : 15 );
  open_req = ev->id;
  if( text[ 0 ]=='-' ) return;
  if( text[ 0 ]=='x' ) {
    dmgn_p2p_reply( h->p2p, ev->id, 0, buf( "first" ), 0 );
    return;
  }
  chunks_left = (uint32_t)strtoul( text, NULL, 10 );
  chunk_seq   = 0;
  reply_more( h );
}

static uint64_t ask( host_t * h, uint16_t proto, char const * text, uint32_t deadline_ms ) {
  uint64_t id = 0;
  assert_int_equal( dmgn_p2p_request( h->p2p, h->conn, proto, buf( text ), deadline_ms, &id ), DMGN_P2P_OK );
  return id;
}

static void request_over( char const * listen ) {
  host_t * a = host_plan( 1 ), * b = host_plan( 2 );
  dmgn_p2p_proto_t protos[ P_CNT+1 ];
  memcpy( protos, p2p_protos, sizeof p2p_protos );
  protos[ P_STATUS ].first_ms = 200;
  protos[ P_STATUS ].next_ms  = 200;
  protos[ P_CNT ] = protos[ P_STATUS ];
  protos[ P_CNT ].id = "/dmg/00000000/unknown/1";
  protos[ P_FETCH ].first_ms = protos[ P_FETCH ].next_ms = 500;
  a->cfg.protos = protos; a->cfg.proto_cnt = P_CNT+1;
  dmgn_p2p_proto_t later[ P_CNT ];                  /* the answerer gives up after the asker */
  memcpy( later, protos, sizeof later );
  later[ P_STATUS ].first_ms = 400;
  b->cfg.protos = later;
  host_start( a, 1, listen );
  host_start( b, 2, listen );
  b->on_req  = on_req;
  b->on_room = reply_more;
  join( a, b );
  uint64_t id = ask( a, P_FETCH, "100", 10000 );
  PUMP_UNTIL( a->cnt[ DMGN_EV_REQ_END ], a, b );
  assert_int_equal( a->last[ DMGN_EV_REQ_END ].code, DMGN_END_OK );
  assert_int_equal( a->last[ DMGN_EV_REQ_END ].id, id );
  assert_int_equal( a->cnt[ DMGN_EV_CHUNK ], 100 );
  assert_false( a->is_out_of_order );
  PUMP_UNTIL( b->cnt[ DMGN_EV_REQ_END ]==1, a, b );
  assert_int_equal( b->last[ DMGN_EV_REQ_END ].code, DMGN_END_OK );
  assert_int_equal( dmgn_p2p_reply( b->p2p, open_req, 0, buf( "late" ), 1 ), DMGN_P2P_GONE );

  /* No answer: the asker's time for a first chunk, or its deadline. */
  ask( a, P_STATUS, "-", 10000 );
  PUMP_UNTIL( a->cnt[ DMGN_EV_REQ_END ]==2, a, b );
  assert_int_equal( a->last[ DMGN_EV_REQ_END ].code, DMGN_END_TIMEOUT );
  ask( a, P_FETCH, "-", 50 );
  PUMP_UNTIL( a->cnt[ DMGN_EV_REQ_END ]==3, a, b );
  assert_int_equal( a->last[ DMGN_EV_REQ_END ].code, DMGN_END_TIMEOUT );

  /* The answerer gives up by itself: a question it forgets holds no stream. */
  PUMP_UNTIL( b->cnt[ DMGN_EV_REQ_END ]==3, a, b );
  assert_int_equal( b->last[ DMGN_EV_REQ_END ].code, DMGN_END_TIMEOUT );

  /* Half an answer, then the answerer cancels; the asker cancels; the connection goes. */
  uint32_t cnt = a->cnt[ DMGN_EV_CHUNK ];
  ask( a, P_FETCH, "x", 10000 );
  PUMP_UNTIL( a->cnt[ DMGN_EV_CHUNK ]==cnt+1, a, b );
  assert_int_equal( dmgn_p2p_cancel( b->p2p, open_req ), DMGN_P2P_OK );
  PUMP_UNTIL( a->cnt[ DMGN_EV_REQ_END ]==4, a, b );
  assert_int_equal( a->last[ DMGN_EV_REQ_END ].code, DMGN_END_RESET );
  id = ask( a, P_FETCH, "x", 10000 );
  PUMP_UNTIL( a->cnt[ DMGN_EV_CHUNK ]==cnt+2, a, b );
  dmgn_p2p_cancel( a->p2p, id );
  PUMP_UNTIL( a->cnt[ DMGN_EV_REQ_END ]==5, a, b );
  assert_int_equal( a->last[ DMGN_EV_REQ_END ].code, DMGN_END_CANCELLED );
  ask( a, P_CNT, "1", 10000 );
  PUMP_UNTIL( a->cnt[ DMGN_EV_REQ_END ]==6, a, b );
  assert_int_equal( a->last[ DMGN_EV_REQ_END ].code, DMGN_END_UNSUPPORTED );

  static char big[ 66562 ];
  memset( big, '1', sizeof big-1 );
  assert_int_equal( dmgn_p2p_request( a->p2p, a->conn, P_FETCH, buf( big ), 1000, &id ), DMGN_P2P_TOO_BIG );
  id = ask( a, P_FETCH, "x", 10000 );
  PUMP_UNTIL( a->cnt[ DMGN_EV_CHUNK ]==cnt+3, a, b );
  dmgn_p2p_close( b->p2p, b->conn, DMGN_WHY_APP );
  PUMP_UNTIL( a->cnt[ DMGN_EV_REQ_END ]==7 && a->cnt[ DMGN_EV_CONN_DOWN ], a, b );
  assert_int_not_equal( a->last[ DMGN_EV_REQ_END ].code, DMGN_END_OK );
  PUMP_MS( 20, a, b );
  for( uint64_t i=1; i<=id; i++ ) assert_true( a->ends[ i ]<=1 );
  assert_int_equal( a->cnt[ DMGN_EV_REQ_END ], 7 );
  host_end( a ); host_end( b );
}

static void test_request_over_tcp( void ** state )  { (void)state; request_over( TCP ); }
static void test_request_over_quic( void ** state ) { (void)state; request_over( QUIC ); }

static void test_every_id_has_one_end( void ** state ) {
  (void)state;
  host_t * a = host_new( 1, TCP ), * b = host_new( 2, TCP );
  join( a, b );
  /* More than out_max, half of them asked for while the connection goes down. */
  uint64_t ids[ 40 ];
  uint32_t cnt = 0;
  for( int i=0; i<40; i++ ) {
    uint16_t proto = (uint16_t)( i%2 ? P_FETCH : P_CONS );
    dmgn_p2p_rc_t rc = i%2 ? dmgn_p2p_request( a->p2p, a->conn, proto, buf( "-" ), 5000, &ids[ cnt ] )
                           : dmgn_p2p_notify_open( a->p2p, a->conn, proto, buf( "-" ), &ids[ cnt ] );
    if( rc==DMGN_P2P_OK ) cnt++;
    if( i==20 ) dmgn_p2p_close( a->p2p, a->conn, DMGN_WHY_APP );
  }
  assert_true( cnt>=20 );
  PUMP_UNTIL( a->cnt[ DMGN_EV_NOTIFY_DOWN ]+a->cnt[ DMGN_EV_REQ_END ]==cnt && a->cnt[ DMGN_EV_CONN_DOWN ], a, b );
  PUMP_MS( 50, a, b );
  for( uint32_t i=0; i<cnt; i++ ) assert_int_equal( a->ends[ ids[ i ] ], 1 );
  assert_int_equal( metric( a, "streams" ), 0 );
  PUMP_UNTIL( metric( b, "streams" )==0 && metric( b, "memory_bytes" )==0 && metric( a, "memory_bytes" )==0, a, b );
  host_end( a ); host_end( b );
}

static void test_a_deaf_peer_holds_little_and_loses_what_it_should( void ** state ) {
  (void)state;
  host_t * a = host_new( 1, TCP ), * b = host_plan( 2 );
  b->cfg.limits.common_bytes = 4<<20;
  b->cfg.limits.gossip_bytes = 1<<20;
  host_start( b, 2, TCP );
  join( a, b );
  uint64_t bulk = notify_open( a, P_BULK ), cons = notify_open( a, P_CONS );
  PUMP_UNTIL( a->cnt[ DMGN_EV_NOTIFY_UP ]==2 && b->cnt[ DMGN_EV_NOTIFY_UP ]==2, a, b );
  b->is_deaf = 1;
  static uint8_t frame[ 65536 ];
  uint64_t sent = 0, seq = 0;
  for( int i=0; i<300; i++ ) {
    while( dmgn_p2p_notify_send( a->p2p, bulk, 0, 0, (dmgn_buf_t){ frame, sizeof frame } )==DMGN_P2P_OK ) sent += sizeof frame;
    PUMP_MS( 1, a, b );
  }
  /* Class 4 waits: its ring lane, windows, queue; not one byte is lost. */
  assert_in_range( sent, 1<<20, 8<<20 );
  uint32_t rooms = a->cnt[ DMGN_EV_ROOM ];
  /* Class 1 goes on by itself, past the full bulk stream; b only does not listen. */
  for( ; seq<30000; seq++ ) {
    uint8_t vote[ 143 ] = { 0 };
    memcpy( vote, &seq, 8 );
    assert_int_equal( dmgn_p2p_notify_send( a->p2p, cons, seq, 0, (dmgn_buf_t){ vote, sizeof vote } ), DMGN_P2P_OK );
    if( seq%1000==0 ) PUMP_MS( 1, a, b );
  }
  assert_true( metric( a, "frames_dropped_total" )>1000 );
  assert_in_range( metric( b, "memory_bytes" ), 1<<20, 12<<20 );
  assert_in_range( metric( a, "memory_bytes" ), 1<<20, 4<<20 );
  uint32_t notify = b->cnt[ DMGN_EV_NOTIFY ];
  b->is_deaf = 0;
  uint64_t got = b->bytes;
  PUMP_UNTIL( b->bytes-got>=sent && metric( a, "memory_bytes" )==0, a, b );
  assert_true( b->cnt[ DMGN_EV_NOTIFY ]-notify<sent/sizeof frame+30000-1000 );
  /* The newest vote is among those that came. */
  PUMP_UNTIL( b->next_seq==seq, a, b );
  PUMP_UNTIL( a->cnt[ DMGN_EV_ROOM ]>rooms, a, b );
  host_end( a ); host_end( b );
}

static void test_streams_above_the_limit_end_the_connection( void ** state ) {
  (void)state;
  /* One too many of a protocol: refused; the second within offence_ms: closed. */
  host_t * a = host_plan( 1 ), * b = host_new( 2, TCP );
  dmgn_p2p_proto_t protos[ P_CNT ];
  memcpy( protos, p2p_protos, sizeof protos );
  for( size_t i=0; i<P_CNT; i++ ) protos[ i ].out_max = 200;
  a->cfg.protos = protos;
  a->cfg.limits.mux_out = (dmgn_p2p_mux_t){ 256, 64<<20, 1000 };
  host_start( a, 1, NULL );
  join( a, b );
  for( int i=0; i<3; i++ ) notify_open( a, P_BODY );
  PUMP_UNTIL( a->cnt[ DMGN_EV_NOTIFY_DOWN ]==1 && b->cnt[ DMGN_EV_NOTIFY_UP ]==2, a, b );
  assert_int_equal( b->cnt[ DMGN_EV_CONN_DOWN ], 0 );
  notify_open( a, P_BODY );
  PUMP_UNTIL( b->cnt[ DMGN_EV_CONN_DOWN ]==1 && a->cnt[ DMGN_EV_CONN_DOWN ]==1, a, b );
  assert_int_equal( b->last[ DMGN_EV_CONN_DOWN ].code, DMGN_WHY_LIMIT );
  /* More streams at once than the muxer has. */
  join( a, b );
  for( int i=0; i<100; i++ ) { uint64_t id; dmgn_p2p_notify_open( a->p2p, a->conn, (uint16_t)( i%4 ), buf( "x" ), &id ); }
  PUMP_UNTIL( b->cnt[ DMGN_EV_CONN_DOWN ]==2 && a->cnt[ DMGN_EV_CONN_DOWN ]==2, a, b );
  assert_int_equal( b->last[ DMGN_EV_CONN_DOWN ].code, DMGN_WHY_LIMIT );
  assert_true( metric( b, "closed_by_limit_total" )>=1 );
  /* Opened and closed faster than opens_per_s. */
  host_t * c = host_plan( 3 );
  c->cfg.limits.mux_in.opens_per_s = 20;
  host_start( c, 3, TCP );
  join( a, c );
  uint64_t end = now_ms()+WAIT_MS;
  while( !c->cnt[ DMGN_EV_CONN_DOWN ] && now_ms()<end ) {
    uint64_t id;
    if( dmgn_p2p_notify_open( a->p2p, a->conn, P_CONS, buf( "x" ), &id )==DMGN_P2P_OK ) {
      PUMP_UNTIL( c->cnt[ DMGN_EV_CONN_DOWN ] || a->cnt[ DMGN_EV_NOTIFY_UP ], a, c );
      a->cnt[ DMGN_EV_NOTIFY_UP ] = 0;
      dmgn_p2p_cancel( a->p2p, id );
    }
    PUMP_MS( 1, a, c );
  }
  assert_int_equal( c->last[ DMGN_EV_CONN_DOWN ].code, DMGN_WHY_LIMIT );
  assert_non_null( strstr( c->text[ DMGN_EV_CONN_DOWN ], "opened in a second" ) );
  host_end( a ); host_end( b ); host_end( c );
}

static void test_oversize_frames_end_their_stream( void ** state ) {
  (void)state;
  host_t * a = host_plan( 1 ), * b = host_new( 2, TCP );
  dmgn_p2p_proto_t protos[ P_CNT ];
  memcpy( protos, p2p_protos, sizeof protos );
  protos[ P_CONS ].frame_max = protos[ P_CONS ].queue_max = 1<<20;
  protos[ P_FETCH ].request_max = protos[ P_FETCH ].queue_max = 1<<20;
  a->cfg.protos = protos;
  host_start( a, 1, NULL );
  join( a, b );
  uint64_t id = notify_open( a, P_CONS );
  static uint8_t frame[ 65537 ];
  assert_int_equal( dmgn_p2p_notify_send( a->p2p, id, 1, 0, (dmgn_buf_t){ frame, sizeof frame } ), DMGN_P2P_OK );
  PUMP_UNTIL( b->cnt[ DMGN_EV_NOTIFY_DOWN ] && a->cnt[ DMGN_EV_NOTIFY_DOWN ], a, b );
  assert_int_equal( b->last[ DMGN_EV_NOTIFY_DOWN ].code, DMGN_END_TOO_BIG );
  assert_int_equal( a->last[ DMGN_EV_NOTIFY_DOWN ].code, DMGN_END_RESET );
  assert_int_equal( b->cnt[ DMGN_EV_NOTIFY ], 0 );
  static uint8_t big[ 100000 ];
  /* Again, and within offence_ms: the connection. */
  assert_int_equal( b->cnt[ DMGN_EV_CONN_DOWN ], 0 );
  id = notify_open( a, P_CONS );
  assert_int_equal( dmgn_p2p_notify_send( a->p2p, id, 1, 0, (dmgn_buf_t){ frame, sizeof frame } ), DMGN_P2P_OK );
  PUMP_UNTIL( b->cnt[ DMGN_EV_CONN_DOWN ]==1 && a->cnt[ DMGN_EV_CONN_DOWN ]==1, a, b );
  assert_int_equal( b->last[ DMGN_EV_CONN_DOWN ].code, DMGN_WHY_LIMIT );
  join( a, b );
  dmgn_p2p_request( a->p2p, a->conn, P_FETCH, (dmgn_buf_t){ big, sizeof big }, 5000, &id );
  PUMP_UNTIL( a->cnt[ DMGN_EV_REQ_END ], a, b );
  assert_int_equal( b->cnt[ DMGN_EV_REQ ], 0 );
  host_end( a ); host_end( b );
}

static void test_pressure_names_the_heaviest_and_stops_reading( void ** state ) {
  (void)state;
  host_t * a = host_new( 1, NULL ), * b = host_plan( 2 ), * c = host_new( 3, NULL );
  b->cfg.limits.memory_max = 1<<20;
  host_start( b, 2, TCP );
  join( c, b );
  uint64_t cons = notify_open( c, P_CONS );
  PUMP_UNTIL( b->cnt[ DMGN_EV_NOTIFY_UP ]==1, b, c );
  join( a, b );
  uint32_t heavy = b->conn;
  uint64_t bulk[ 2 ] = { notify_open( a, P_BULK ), notify_open( a, P_BODY ) };
  PUMP_UNTIL( a->cnt[ DMGN_EV_NOTIFY_UP ]==2, a, b, c );
  b->is_deaf = 1;
  static uint8_t frame[ 65536 ];
  for( int i=0; i<200; i++ ) {
    for( int k=0; k<2; k++ ) dmgn_p2p_notify_send( a->p2p, bulk[ k ], 0, 0, (dmgn_buf_t){ frame, sizeof frame } );
    PUMP_MS( 2, a, c );
  }
  /* What is counted goes past the bound by what is under way: a frame and a window a stream. */
  assert_in_range( metric( b, "memory_bytes" ), 1<<20, ( 1<<20 )+2*( 256<<10 )+4*sizeof frame+( 64<<10 ) );
  b->is_deaf = 0;
  PUMP_UNTIL( b->cnt[ DMGN_EV_PRESSURE ] && !b->last[ DMGN_EV_PRESSURE ].code && b->cnt[ DMGN_EV_PRESSURE ]>1, a, b, c );
  assert_int_equal( b->pressed, heavy );
  uint32_t cnt = b->cnt[ DMGN_EV_NOTIFY ];
  dmgn_p2p_notify_send( c->p2p, cons, 1, 0, buf( "vote" ) );
  PUMP_UNTIL( b->cnt[ DMGN_EV_NOTIFY ]>cnt, a, b, c );
  host_end( a ); host_end( b ); host_end( c );
}

static void test_any_arguments_get_an_answer( void ** state ) {
  (void)state;
  host_t * a = host_new( 1, TCP ), * b = host_new( 2, TCP );
  a->on_req = b->on_req = on_req;
  join( a, b );
  unsigned seed = (unsigned)now_ms();
  char const * given = getenv( "DMG_SEED" );
  if( given ) seed = (unsigned)strtoul( given, NULL, 10 );
  print_message( "DMG_SEED=%u\n", seed );
  static uint8_t bytes[ 70000 ];
  srandom( seed );
  for( int i=0; i<4000; i++ ) {
    host_t * h = random()%2 ? a : b;
    uint64_t id = (uint64_t)random()%50, out = 0;
    uint32_t conn = random()%3 ? h->conn : (uint32_t)random()%5;
    uint16_t proto = (uint16_t)( random()%( P_CNT+1 ) );
    size_t const sizes[] = { 0, 1, 100, 16384, 65536, 65537, 66560, 66561 };
    dmgn_buf_t some = { bytes, sizes[ random()%8 ] };
    dmgn_peer_t peer = dmgn_p2p_self( b->p2p );
    if( random()%4==0 ) peer.b[ random()%42 ] ^= (uint8_t)random();
    if( random()%4==0 ) peer.len = (uint8_t)random();
    dmgn_p2p_rc_t rc = DMGN_P2P_OK;
    switch( random()%13 ) {
    case 0:  rc = dmgn_p2p_notify_open( h->p2p, conn, proto, some, &out ); break;
    case 1:  rc = dmgn_p2p_request( h->p2p, conn, proto, some, (uint32_t)random()%200, &out ); break;
    case 2:
    case 3:
    case 4:  rc = dmgn_p2p_notify_send( h->p2p, id, (uint64_t)random()%5, (uint32_t)random()%3, some ); break;
    case 5:  rc = dmgn_p2p_notify_drop( h->p2p, id, (uint64_t)random()%6 ); break;
    case 6:  rc = dmgn_p2p_reply( h->p2p, id, (uint8_t)random(), some, random()%2 ); break;
    case 7:  rc = dmgn_p2p_cancel( h->p2p, id ); break;
    case 8:  rc = dmgn_p2p_notify_answer( h->p2p, id, (uint8_t)random() ); break;
    case 9:  rc = dmgn_p2p_verdict( h->p2p, id, (int)random()%5-1 ); break;
    case 10: rc = dmgn_p2p_score( h->p2p, &peer, (double)random() ); break;
    case 11: rc = dmgn_p2p_publish( h->p2p, random()%2 ? "block" : "", some ); break;
    default: rc = random()%40 ? dmgn_p2p_tag( h->p2p, &peer, (uint32_t)random()%8 ) : dmgn_p2p_close( h->p2p, conn, (uint16_t)random() ); break;
    }
    assert_in_range( -(int)rc, 0, 4 );
    if( i%20==0 ) PUMP_MS( 1, a, b );
    if( i%500==499 && a->cnt[ DMGN_EV_CONN_DOWN ] ) { a->cnt[ DMGN_EV_CONN_DOWN ] = 0; join( a, b ); }
  }
  PUMP_MS( 20, a, b );
  dmgn_p2p_stop( a->p2p, 100 );
  PUMP_UNTIL( a->cnt[ DMGN_EV_STOPPED ], a, b );
  PUMP_MS( 20, a, b );
  assert_int_equal( metric( a, "streams" ), 0 );
  for( size_t i=0; i<IDS_MAX; i++ ) assert_true( a->ends[ i ]<=1 && b->ends[ i ]<=1 );
  host_end( a ); host_end( b );
}

/* ---- the gate ---- */

static int raw_connect( char const * addr ) {
  unsigned port = 0;
  sscanf( addr, "/ip4/127.0.0.1/tcp/%u", &port );
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons( (uint16_t)port ), .sin_addr = { htonl( INADDR_LOOPBACK ) } };
  int fd = socket( AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0 );
  if( fd>=0 && connect( fd, (struct sockaddr const *)&to, sizeof to ) ) { close( fd ); fd = -1; }
  return fd;
}

static void test_a_thousand_silent_or_senseless_connections( void ** state ) {
  (void)state;
  host_t * b = host_plan( 2 ), * a = host_new( 1, NULL );
  b->cfg.limits.handshake_ms = 500;
  b->cfg.limits.accepts_per_s = b->cfg.limits.accepts_burst = 2000;
  host_start( b, 2, TCP );
  join( a, b );
  uint64_t id = notify_open( a, P_CONS );
  PUMP_UNTIL( a->cnt[ DMGN_EV_NOTIFY_UP ], a, b );
  int fds[ 1000 ];
  unsigned seed = (unsigned)now_ms();
  print_message( "seed %u\n", seed );
  for( int i=0; i<1000; i++ ) {
    fds[ i ] = raw_connect( b->addr );
    uint8_t junk[ 200 ];
    for( size_t k=0; k<sizeof junk; k++ ) { seed = seed*1664525u+1013904223u; junk[ k ] = (uint8_t)( seed>>24 ); }
    /* Some say nothing, some begin properly, some are senseless throughout. */
    char const * begin = "\x13/multistream/1.0.0\n\x07/noise\n";
    if( i%3==1 && fds[ i ]>=0 && send( fds[ i ], begin, strlen( begin ), MSG_NOSIGNAL )<0 ) { close( fds[ i ] ); fds[ i ] = -1; }
    if( i%3 && fds[ i ]>=0 && send( fds[ i ], junk, sizeof junk, MSG_NOSIGNAL )<0 ) { close( fds[ i ] ); fds[ i ] = -1; }
    if( i%50==0 ) {
      /* The honest peer is served meanwhile. */
      uint32_t cnt = b->cnt[ DMGN_EV_NOTIFY ];
      assert_int_equal( dmgn_p2p_notify_send( a->p2p, id, 1, 0, buf( "vote" ) ), DMGN_P2P_OK );
      PUMP_UNTIL( b->cnt[ DMGN_EV_NOTIFY ]==cnt+1, a, b );
    }
  }
  PUMP_UNTIL( b->cnt[ DMGN_EV_REFUSED ], a, b );
  assert_true( metric( b, "refused_conns_total" )>0 );
  PUMP_MS( 600, a, b );
  /* Every one of them has been let go of: a newcomer gets in. */
  for( int i=0; i<1000; i++ ) if( fds[ i ]>=0 ) {
    struct pollfd p = { .fd = fds[ i ], .events = POLLIN };
    if( poll( &p, 1, 1000 )!=1 ) fail_msg( "connection %d is still open", i );
    close( fds[ i ] );
  }
  host_t * c = host_new( 3, NULL );
  dial( c, b, 0 );
  PUMP_UNTIL( c->conn, a, b, c );
  PUMP_UNTIL( metric( b, "conns" )==2, a, b, c );
  host_end( a ); host_end( b ); host_end( c );
}

static void test_the_gate_counts_addresses_rates_and_peers( void ** state ) {
  (void)state;
  host_t * b = host_plan( 9 );
  b->cfg.limits.ip_conns_max = 3;
  host_start( b, 9, TCP );
  host_t * h[ 5 ];
  for( uint8_t i=0; i<5; i++ ) {
    h[ i ] = host_new( (uint8_t)( i+1 ), NULL );
    if( i==4 ) assert_int_equal( dmgn_p2p_pass( b->p2p, "127.0.0.1", 1 ), DMGN_P2P_OK );
    uint32_t conn = dial( h[ i ], b, 0 );
    PUMP_UNTIL( h[ i ]->conn==conn || h[ i ]->cnt[ DMGN_EV_DIAL_FAILED ] || h[ i ]->cnt[ DMGN_EV_CONN_DOWN ], h[ i ], b );
    if( i==3 ) {
      PUMP_UNTIL( b->cnt[ DMGN_EV_REFUSED ] && b->cnt[ DMGN_EV_CONN_UP ]==3, b );
      assert_int_equal( b->last[ DMGN_EV_REFUSED ].code, 7 );
    }
  }
  PUMP_UNTIL( b->cnt[ DMGN_EV_CONN_UP ]==4, b );
  assert_int_equal( dmgn_p2p_pass( b->p2p, "nonsense", 1 ), DMGN_P2P_ARG );
  /* Blocked: cut, and let in no more. */
  dmgn_peer_t peer = dmgn_p2p_self( h[ 0 ]->p2p );
  assert_int_equal( dmgn_p2p_tag( b->p2p, &peer, DMGN_TAG_BLOCKED ), DMGN_P2P_OK );
  PUMP_UNTIL( b->cnt[ DMGN_EV_CONN_DOWN ]==1 && h[ 0 ]->cnt[ DMGN_EV_CONN_DOWN ]==1, b, h[ 0 ] );
  assert_int_equal( b->last[ DMGN_EV_CONN_DOWN ].code, DMGN_WHY_BLOCKED );
  dial( h[ 0 ], b, 0 );
  PUMP_MS( 200, b, h[ 0 ] );
  assert_int_equal( metric( b, "conns" ), 3 );
  dmgn_p2p_tag( b->p2p, &peer, 0 );
  /* Connections of one peer: two, three when tagged. */
  dial( h[ 1 ], b, 1 );
  dial( h[ 1 ], b, 1 );
  PUMP_MS( 200, b, h[ 1 ] );
  assert_int_equal( metric( b, "conns" ), 4 );
  peer = dmgn_p2p_self( h[ 1 ]->p2p );
  dmgn_p2p_tag( b->p2p, &peer, DMGN_TAG_VALIDATOR );
  dmgn_peer_t self = dmgn_p2p_self( b->p2p );
  dmgn_p2p_tag( h[ 1 ]->p2p, &self, DMGN_TAG_VALIDATOR );
  assert_int_equal( b->last[ DMGN_EV_CONN_UP ].code, 1 );
  dial( h[ 1 ], b, 1 );
  PUMP_UNTIL( metric( b, "conns" )==5, b, h[ 1 ] );
  /* The tag came after the others: only this one has a validator's share. */
  PUMP_UNTIL( b->last[ DMGN_EV_CONN_UP ].code==5, b, h[ 1 ] );
  for( size_t i=0; i<5; i++ ) host_end( h[ i ] );
  host_end( b );
  /* Of one network a second. */
  b = host_plan( 9 );
  b->cfg.limits.net_accepts_per_s = 5;
  b->cfg.limits.net_accepts_burst = 20;
  host_start( b, 9, TCP );
  PUMP_UNTIL( b->addr[ 0 ], b );
  uint64_t begin = now_ms();
  for( int i=0; i<60; i++ ) { int fd = raw_connect( b->addr ); PUMP_MS( 1, b ); if( fd>=0 ) close( fd ); }
  PUMP_MS( 50, b );
  uint64_t most = 60-20-5*( ( now_ms()-begin )/1000+1 );
  assert_in_range( metric( b, "refused_conns_total" ), most, 40 );
  host_end( b );
}

static void test_churn_leaves_nothing( void ** state ) {
  (void)state;
  host_t * a = host_new( 1, NULL ), * b = host_plan( 2 );
  b->cfg.limits.accepts_per_s = 0;
  host_start( b, 2, TCP );
  int first = 0;
  for( int i=0; i<150; i++ ) {
    join( a, b );
    notify_open( a, P_CONS );
    if( i%2 ) PUMP_UNTIL( b->cnt[ DMGN_EV_NOTIFY_UP ], a, b );
    uint32_t down = a->cnt[ DMGN_EV_CONN_DOWN ];
    dmgn_p2p_close( i%3 ? a->p2p : b->p2p, i%3 ? a->conn : b->conn, DMGN_WHY_APP );
    PUMP_UNTIL( a->cnt[ DMGN_EV_CONN_DOWN ]==down+1 && b->cnt[ DMGN_EV_CONN_DOWN ]==(uint32_t)i+1, a, b );
    int fd_cnt = 0;
    DIR * dir = opendir( "/proc/self/fd" );
    while( readdir( dir ) ) fd_cnt++;
    closedir( dir );
    if( i==20 ) first = fd_cnt;
    if( i==149 ) assert_in_range( fd_cnt, 1, first+2 );
  }
  assert_int_equal( metric( a, "streams" ), 0 );
  PUMP_UNTIL( !metric( b, "streams" ) && !metric( b, "memory_bytes" ) && !metric( a, "memory_bytes" ), a, b );
  host_end( a ); host_end( b );
}

/* ---- gossip ---- */

static int by_letter( dmgn_p2p_ev_t const * ev ) {
  return ev->data.p[ 0 ]=='A' ? DMGN_ACCEPT : ev->data.p[ 0 ]=='R' ? DMGN_REJECT : DMGN_IGNORE;
}

static void test_gossip_goes_as_far_as_verdicts_let_it( void ** state ) {
  (void)state;
  host_t * h[ 3 ];
  dmgn_p2p_topic_t topic = p2p_topic( "block", 1000 );
  for( uint8_t i=0; i<3; i++ ) {
    h[ i ] = host_plan( (uint8_t)( i+1 ) );
    h[ i ]->cfg.gossip.heartbeat_ms = 100;
    host_start( h[ i ], (uint8_t)( i+1 ), TCP );
    h[ i ]->on_gossip = by_letter;
    assert_int_equal( dmgn_p2p_topic( h[ i ]->p2p, &topic, 1 ), DMGN_P2P_OK );
  }
  join( h[ 0 ], h[ 1 ] );
  join( h[ 2 ], h[ 1 ] );
  PUMP_UNTIL( h[ 0 ]->cnt[ DMGN_EV_TOPIC_PEERS ] && h[ 1 ]->cnt[ DMGN_EV_TOPIC_PEERS ]==2 && h[ 2 ]->cnt[ DMGN_EV_TOPIC_PEERS ], h[ 0 ], h[ 1 ], h[ 2 ] );
  PUMP_MS( 300, h[ 0 ], h[ 1 ], h[ 2 ] );
  char text[ 64 ];
  for( int i=0; i<60; i++ ) {
    snprintf( text, sizeof text, "%c %d", "AIR"[ i%3 ], i );
    /* A single reject is enough to fall below the graylist threshold: R only last. */
    if( i%3==2 ) continue;
    assert_int_equal( dmgn_p2p_publish( h[ 0 ]->p2p, "block", buf( text ) ), DMGN_P2P_OK );
    PUMP_MS( 2, h[ 0 ], h[ 1 ], h[ 2 ] );
  }
  PUMP_UNTIL( h[ 1 ]->cnt[ DMGN_EV_GOSSIP ]==40 && h[ 2 ]->cnt[ DMGN_EV_GOSSIP ]==20, h[ 0 ], h[ 1 ], h[ 2 ] );
  /* Above the topic's limit, and on a topic b is not in: neither is an event. */
  static char large[ 1002 ];
  memset( large, 'A', 1001 );
  dmgn_p2p_publish( h[ 0 ]->p2p, "block", buf( large ) );
  PUMP_MS( 100, h[ 0 ], h[ 1 ], h[ 2 ] );
  assert_int_equal( h[ 1 ]->cnt[ DMGN_EV_GOSSIP ], 40 );
  char scores[ 1024 ], mesh[ 1024 ];
  assert_true( dmgn_p2p_text( h[ 1 ]->p2p, DMGN_TEXT_MESH, mesh, sizeof mesh )>0 );
  assert_memory_equal( mesh, "block 12D3KooW", 14 );
  dmgn_p2p_publish( h[ 2 ]->p2p, "block", buf( "R" ) );
  PUMP_UNTIL( h[ 1 ]->cnt[ DMGN_EV_GOSSIP ]==41, h[ 0 ], h[ 1 ], h[ 2 ] );
  PUMP_MS( 300, h[ 0 ], h[ 1 ], h[ 2 ] );
  dmgn_peer_t peer = dmgn_p2p_self( h[ 2 ]->p2p );
  char name[ 64 ];
  dmgn_peer_text( &peer, name, sizeof name );
  dmgn_p2p_text( h[ 1 ]->p2p, DMGN_TEXT_SCORES, scores, sizeof scores );
  char const * at = strstr( scores, name );
  assert_non_null( at );
  assert_true( strtod( at+strlen( name ), NULL )<-400 );
  /* P5 lifts it again. */
  assert_int_equal( dmgn_p2p_score( h[ 1 ]->p2p, &peer, 2500 ), DMGN_P2P_OK );
  dmgn_p2p_text( h[ 1 ]->p2p, DMGN_TEXT_SCORES, scores, sizeof scores );
  assert_true( strtod( strstr( scores, name )+strlen( name ), NULL )>0 );
  assert_int_equal( dmgn_p2p_verdict( h[ 1 ]->p2p, 12345678, 3 ), DMGN_P2P_ARG );
  assert_int_equal( dmgn_p2p_topic( h[ 1 ]->p2p, &topic, 0 ), DMGN_P2P_OK );
  PUMP_UNTIL( h[ 0 ]->cnt[ DMGN_EV_TOPIC_PEERS ]==2 && !h[ 0 ]->last[ DMGN_EV_TOPIC_PEERS ].code, h[ 0 ], h[ 1 ], h[ 2 ] );
  for( size_t i=0; i<3; i++ ) host_end( h[ i ] );
}

/* ---- the end ---- */

static void stop_over( char const * listen ) {
  host_t * a = host_new( 1, listen ), * b = host_new( 2, listen );
  join( a, b );
  uint64_t id = notify_open( a, P_CONS );
  PUMP_UNTIL( a->cnt[ DMGN_EV_NOTIFY_UP ], a, b );
  uint32_t cnt = b->cnt[ DMGN_EV_NOTIFY ];
  for( uint64_t seq=0; seq<1000; seq++ ) {
    uint8_t vote[ 143 ] = { 0 };
    memcpy( vote, &seq, 8 );
    dmgn_p2p_notify_send( a->p2p, id, seq, 0, (dmgn_buf_t){ vote, sizeof vote } );
  }
  uint64_t begin = now_ms();
  assert_int_equal( dmgn_p2p_stop( a->p2p, 3000 ), DMGN_P2P_OK );
  assert_int_equal( dmgn_p2p_stop( a->p2p, 3000 ), DMGN_P2P_GONE );
  uint64_t no;
  assert_int_equal( dmgn_p2p_notify_open( a->p2p, a->conn, P_CONS, buf( "x" ), &no ), DMGN_P2P_GONE );
  PUMP_UNTIL( a->cnt[ DMGN_EV_STOPPED ] && b->cnt[ DMGN_EV_CONN_DOWN ], a, b );
  assert_true( now_ms()-begin<3000 );
  PUMP_MS( 20, a, b );
  assert_int_equal( a->cnt[ DMGN_EV_CONN_DOWN ], 1 );
  assert_int_equal( a->cnt[ DMGN_EV_NOTIFY_DOWN ], 1 );
  /* What was urgent has left first. */
  assert_int_equal( b->cnt[ DMGN_EV_NOTIFY ]-cnt, 1000 );
  host_end( a ); host_end( b );
}

static void test_stop_lets_votes_leave_tcp( void ** state )  { (void)state; stop_over( TCP ); }
static void test_stop_lets_votes_leave_quic( void ** state ) { (void)state; stop_over( QUIC ); }

static void test_free_cuts_and_keeps_events( void ** state ) {
  (void)state;
  host_t * a = host_new( 1, TCP ), * b = host_new( 2, TCP );
  join( a, b );
  uint64_t id = notify_open( a, P_CONS );
  PUMP_UNTIL( b->cnt[ DMGN_EV_NOTIFY_UP ], a, b );
  dmgn_p2p_notify_send( a->p2p, id, 1, 0, buf( "kept" ) );
  dmgn_p2p_ev_t ev;
  uint64_t end = now_ms()+WAIT_MS;
  while( !dmgn_p2p_poll( b->p2p, 1, &ev, 1 ) && now_ms()<end ) usleep( 1000 );
  assert_int_equal( ev.kind, DMGN_EV_NOTIFY );
  host_end( b );
  assert_memory_equal( ev.data.p, "kept", 4 );
  dmgn_p2p_release( &ev );
  assert_null( ev.own );
  dmgn_p2p_release( &ev );
  PUMP_UNTIL( a->cnt[ DMGN_EV_CONN_DOWN ], a );
  host_end( a );
  dmgn_p2p_free( NULL );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_start_says_what_is_wrong ),
    cmocka_unit_test( test_peer_ids_as_text ),
    cmocka_unit_test( test_a_port_in_use_is_noticed ),
    cmocka_unit_test( test_tcp_connects_identifies_pings ),
    cmocka_unit_test( test_quic_connects_identifies_pings ),
    cmocka_unit_test( test_a_dial_has_one_outcome ),
    cmocka_unit_test( test_notify_over_tcp ),
    cmocka_unit_test( test_notify_over_quic ),
    cmocka_unit_test( test_request_over_tcp ),
    cmocka_unit_test( test_request_over_quic ),
    cmocka_unit_test( test_every_id_has_one_end ),
    cmocka_unit_test( test_a_deaf_peer_holds_little_and_loses_what_it_should ),
    cmocka_unit_test( test_streams_above_the_limit_end_the_connection ),
    cmocka_unit_test( test_oversize_frames_end_their_stream ),
    cmocka_unit_test( test_pressure_names_the_heaviest_and_stops_reading ),
    cmocka_unit_test( test_any_arguments_get_an_answer ),
    cmocka_unit_test( test_a_thousand_silent_or_senseless_connections ),
    cmocka_unit_test( test_the_gate_counts_addresses_rates_and_peers ),
    cmocka_unit_test( test_churn_leaves_nothing ),
    cmocka_unit_test( test_gossip_goes_as_far_as_verdicts_let_it ),
    cmocka_unit_test( test_stop_lets_votes_leave_tcp ),
    cmocka_unit_test( test_stop_lets_votes_leave_quic ),
    cmocka_unit_test( test_free_cuts_and_keeps_events ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
