#include "node/peer_addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

#define ID "/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"

static void good( char const * text, dmg_peer_addr_use_t use, char const * plain, unsigned peer_sz ) {
  dmg_peer_addr_t a;
  char why[ DMG_PEER_ADDR_WHY_SZ ];
  if( !dmg_peer_addr_read( text, use, &a, why ) ) fail_msg( "%s: %s", text, why );
  assert_string_equal( a.plain, plain );
  assert_int_equal( a.peer.sz, peer_sz );
}

static void bad( char const * text, dmg_peer_addr_use_t use, char const * says ) {
  dmg_peer_addr_t a;
  char why[ DMG_PEER_ADDR_WHY_SZ ];
  if( dmg_peer_addr_read( text, use, &a, why ) ) fail_msg( "%s is taken", text );
  if( !strstr( why, says ) ) fail_msg( "%s: %s does not say %s", text, why, says );
}

static void test_addresses_that_can_be_dialled( void ** state ) {
  good( "/ip4/192.0.2.1/tcp/7370" ID, DMG_PEER_ADDR_PEER, "/ip4/192.0.2.1/tcp/7370", 38 );
  good( "/ip6/2001:db8::1/udp/65535/quic-v1" ID, DMG_PEER_ADDR_PEER, "/ip6/2001:db8::1/udp/65535/quic-v1", 38 );
  good( "/dns4/example.org/tcp/1" ID, DMG_PEER_ADDR_PEER, "/dns4/example.org/tcp/1", 38 );
  bad( "/ip4/999.0.0.1/tcp/1" ID, DMG_PEER_ADDR_PEER, "\"999.0.0.1\" is no IPv4 address" );
  bad( "/ip6/1:2/tcp/1" ID, DMG_PEER_ADDR_PEER, "\"1:2\" is no IPv6 address" );
  bad( "/dns4/a_b/tcp/1" ID, DMG_PEER_ADDR_PEER, "\"a_b\" is no name" );
  bad( "/ip4/192.0.2.1/tcp/99999" ID, DMG_PEER_ADDR_PEER, "\"99999\" is no port from 1 to 65535" );
  bad( "/ip4/192.0.2.1/tcp/0" ID, DMG_PEER_ADDR_PEER, "\"0\" is no port" );
  bad( "/ip4/192.0.2.1/tcp/x" ID, DMG_PEER_ADDR_PEER, "\"x\" is no port" );
  bad( "/ip4/192.0.2.1/tcp" ID, DMG_PEER_ADDR_PEER, "is no port" );
  bad( "/ip4/192.0.2.1/sctp/1" ID, DMG_PEER_ADDR_PEER, "/tcp/PORT" );
  bad( "/ip4/192.0.2.1/udp/1" ID, DMG_PEER_ADDR_PEER, "it ends in" );
  bad( "/ip4/192.0.2.1/tcp/1/more" ID, DMG_PEER_ADDR_PEER, "it ends in" );
  bad( "/ip4/192.0.2.1/tcp/1/ws" ID, DMG_PEER_ADDR_PEER, "WebSocket" );
  bad( "192.0.2.1:7370", DMG_PEER_ADDR_PEER, "it begins with" );
  bad( "/onion/x/tcp/1" ID, DMG_PEER_ADDR_PEER, "it begins with" );
  bad( "", DMG_PEER_ADDR_PEER, "it begins with" );
  bad( "/", DMG_PEER_ADDR_PEER, "it begins with" );
  bad( ID, DMG_PEER_ADDR_PEER, "it begins with" );
  bad( "/ip4/192.0.2.1/tcp/7370", DMG_PEER_ADDR_PEER, "id is missing" );
  bad( "/ip4/192.0.2.1/tcp/7370/p2p/", DMG_PEER_ADDR_PEER, "\"\" is no peer id" );
  bad( "/ip4/192.0.2.1/tcp/7370" ID "x", DMG_PEER_ADDR_PEER, "is no peer id" );
  bad( "/ip4/192.0.2.1/tcp/7370/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", DMG_PEER_ADDR_PEER, "is no peer id" );   /* RSA */
  char text[ 400 ];
  snprintf( text, sizeof text, "/ip4/%0200u.0.0.1/tcp/1%s", 1, ID );
  bad( text, DMG_PEER_ADDR_PEER, "longer than" );
}

static void test_addresses_to_listen_at_and_to_tell( void ** state ) {
  good( "/ip4/0.0.0.0/tcp/0", DMG_PEER_ADDR_LISTEN, "/ip4/0.0.0.0/tcp/0", 0 );
  good( "/ip6/::/udp/0/quic-v1", DMG_PEER_ADDR_LISTEN, "/ip6/::/udp/0/quic-v1", 0 );
  good( "/ip4/127.0.0.1/tcp/7370" ID, DMG_PEER_ADDR_LISTEN, "/ip4/127.0.0.1/tcp/7370", 38 );
  bad( "/ip4/127.0.0.1/tcp/00", DMG_PEER_ADDR_LISTEN, "is no port" );
  bad( "/ip4/127.0.0.1/tcp/65536", DMG_PEER_ADDR_LISTEN, "is no port" );
  bad( "/dns4/example.org/tcp/1", DMG_PEER_ADDR_LISTEN, "not at a name" );
  good( "/dns4/example.org/tcp/1", DMG_PEER_ADDR_EXTERNAL, "/dns4/example.org/tcp/1", 0 );
  bad( "/ip4/192.0.2.1/tcp/0", DMG_PEER_ADDR_EXTERNAL, "is no port" );
  bad( "/ip4/192.0.2.1/tcp/1/p2p/x", DMG_PEER_ADDR_EXTERNAL, "is no peer id" );
}

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_addresses_that_can_be_dialled ), cmocka_unit_test( test_addresses_to_listen_at_and_to_tell ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
