/* interop_peer: one port for foreign peers to talk to (N12.1). Lines in, lines out.

     interop_peer SEED ADDR..     listens; prints "self PEER", "listen ADDR", then a line an event
     stdin: dial PEER ADDR | open CONN PROTO HELLO | send ID TEXT | ask CONN PROTO TEXT | publish TOPIC TEXT | quit

   It accepts hellos, answers a request by its bytes and then "end" with code 3, accepts gossip that begins with A. */
#include "base/os.h"
#include "network/port_libp2p.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static dmg_net_proto_t const protos[] = {
  { .id = "/dmg/00000000/cons/1", .cls = DMG_NET_CLS_CONSENSUS, .is_notify = true, .in_max = 2, .out_max = 2, .frame_max = 64<<10, .queue_max = 512<<10, .first_ms = 5000, .next_ms = 10000 },
  { .id = "/dmg/00000000/status/1", .cls = DMG_NET_CLS_BULK, .in_max = 2, .out_max = 2, .frame_max = 65<<10, .request_max = 65<<10, .queue_max = 1<<20, .first_ms = 5000, .next_ms = 10000 },
};

static dmg_net_port_t * port;

static void command( char * line ) {
  char * save = NULL, * verb = strtok_r( line, " \n", &save ), * a = strtok_r( NULL, " \n", &save ), * b = strtok_r( NULL, " \n", &save ), * c = strtok_r( NULL, "\n", &save );
  if( !verb ) return;
  uint64_t id = 0;
  uint32_t conn = 0;
  dmg_err_t err = DMG_ERR_INVALID;
  if( !strcmp( verb, "quit" ) ) exit( 0 );
  if( !strcmp( verb, "dial" ) && b ) {
    dmg_net_peer_t peer;
    err = dmg_libp2p_peer_parse( a, &peer );
    if( !err ) err = dmg_net_dial( port, &peer, (char const *[]){ b }, 1, false, &conn );
  }
  if( !strcmp( verb, "open" ) && c )    err = dmg_net_notify_open( port, (uint32_t)strtoul( a, NULL, 10 ), (uint16_t)strtoul( b, NULL, 10 ), dmg_span_cstr( c ), &id );
  if( !strcmp( verb, "send" ) && b )    err = dmg_net_notify_send( port, strtoull( a, NULL, 10 ), 1, 0, dmg_span_cstr( b ) );
  if( !strcmp( verb, "ask" ) && c )     err = dmg_net_request( port, (uint32_t)strtoul( a, NULL, 10 ), (uint16_t)strtoul( b, NULL, 10 ), dmg_span_cstr( c ), 5000, &id );
  if( !strcmp( verb, "publish" ) && b ) err = dmg_net_publish( port, a, dmg_span_cstr( b ) );
  printf( "did %s %s %llu\n", verb, dmg_err_name( err ), (unsigned long long)( id ? id : conn ) );
}

static void print_event( dmg_net_ev_t const * ev ) {
  char peer[ DMG_LIBP2P_TEXT_SZ ] = "-";
  if( ev->peer.sz && dmg_libp2p_peer_text( &ev->peer, peer ) ) peer[ 0 ] = '?';
  printf( "%s conn=%u proto=%u code=%u id=%llu peer=%s addr=%.*s data=", dmg_net_kind_name( ev->kind ), ev->conn, ev->proto, ev->code, (unsigned long long)ev->id, peer, (int)ev->addr.sz,
          ev->addr.sz ? (char const *)ev->addr.p : "" );
  for( size_t i=0; i<ev->data.sz && i<2000; i++ ) putchar( ev->data.p[ i ]=='\n' ? '|' : ev->data.p[ i ]<' ' || ev->data.p[ i ]>'~' ? '?' : ev->data.p[ i ] );
  putchar( '\n' );
}

int main( int argc, char ** argv ) {
  if( argc<2 ) { fprintf( stderr, "usage: interop_peer SEED ADDR..\n" ); return 2; }
  dmg_libp2p_cfg_t cfg;
  dmg_libp2p_cfg_init( &cfg );
  memset( cfg.seed, (int)strtoul( argv[ 1 ], NULL, 10 ), sizeof cfg.seed );
  cfg.agent = "demiurge/interop";
  cfg.version = "/dmg/00000000/1";
  cfg.listen = (char const * const *)argv+2;
  cfg.listen_cnt = (size_t)argc-2;
  cfg.protos = protos;
  cfg.proto_cnt = 2;
  cfg.gossip_id_prefix = DMG_SPAN_STR( "prefix" );
  cfg.is_private = cfg.has_quic = true;
  cfg.heartbeat_ms = 200;
  cfg.ping_ms = 1000;
  char why[ 256 ], text[ DMG_LIBP2P_TEXT_SZ ];
  if( dmg_libp2p_open( &cfg, &port, why ) ) { fprintf( stderr, "interop_peer: %s\n", why ); return 1; }
  setvbuf( stdout, NULL, _IOLBF, 0 );
  if( !dmg_libp2p_peer_text( &port->self, text ) ) printf( "self %s\n", text );
  dmg_net_topic_t topic = { .name = "block", .data_max = 100000, .weight = 0.5, .mesh_time_weight = 1.0/3600, .mesh_time_cap = 3600, .mesh_time_quantum_ms = 1000,
    .first_weight = 5, .first_decay = 0.99872, .first_cap = 100, .mesh_decay = 0.5, .mesh_cap = 10, .mesh_threshold = 1, .mesh_window_ms = 10,
    .mesh_activation_ms = 1000, .mesh_failure_decay = 0.5, .invalid_weight = -1000, .invalid_decay = 0.99872 };
  if( dmg_net_topic( port, &topic, true ) ) return 1;
  for(;;) {
    size_t n = 0;
    for( int urgent=1; urgent>=0; urgent-- ) {
      dmg_net_ev_t evs[ 64 ];
      size_t cnt = dmg_net_poll( port, urgent, evs, 64 );
      n += cnt;
      for( size_t i=0; i<cnt; i++ ) {
        dmg_net_ev_t * ev = &evs[ i ];
        print_event( ev );
        dmg_err_t err = DMG_OK;
        if( ev->kind==DMG_NET_NOTIFY_UP && !ev->code ) err = dmg_net_notify_answer( port, ev->id, 0 );
        if( ev->kind==DMG_NET_REQ ) {
          err = dmg_net_reply( port, ev->id, 0, ev->data, false );
          if( !err ) err = dmg_net_reply( port, ev->id, 3, DMG_SPAN_STR( "end" ), true );
        }
        if( ev->kind==DMG_NET_GOSSIP ) err = dmg_net_verdict( port, ev->id, ev->data.sz && ev->data.p[ 0 ]=='A' ? DMG_NET_ACCEPT : DMG_NET_IGNORE );
        if( err ) printf( "failed %s\n", dmg_err_name( err ) );
        dmg_net_release( port, ev );
      }
    }
    if( n ) continue;
    struct pollfd fds[ 3 ] = { { .fd = dmg_net_fd( port, true ), .events = POLLIN }, { .fd = dmg_net_fd( port, false ), .events = POLLIN }, { .fd = 0, .events = POLLIN } };
    poll( fds, 3, 1000 );
    if( fds[ 2 ].revents ) {
      static char line[ 70000 ];
      static size_t have;
      ssize_t got = read( 0, line+have, sizeof line-1-have );
      if( got<=0 ) break;
      have += (size_t)got;
      for( char * nl; ( nl = memchr( line, '\n', have ) ); ) {
        *nl = '\0';
        size_t used = (size_t)( nl-line )+1;
        command( line );
        memmove( line, line+used, have-used );
        have -= used;
      }
      if( have==sizeof line-1 ) have = 0;
    }
  }
  dmg_net_free( port );
  return 0;
}
