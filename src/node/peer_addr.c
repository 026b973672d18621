#include "node/peer_addr.h"
#include "network/maddr.h"
#include "network/port_libp2p.h"

#include <stdio.h>

char const * dmg_peer_addr_form( dmg_peer_addr_use_t use ) { return use==DMG_PEER_ADDR_PEER ? "/ip4/ADDRESS/tcp/PORT/p2p/PEER_ID" : "/ip4/ADDRESS/tcp/PORT or /ip4/ADDRESS/udp/PORT/quic-v1"; }

static bool is_maddr( char const * text ) { dmg_maddr_t a; return dmg_maddr_parse( text, &a ); }

/* Which part is wrong: each is tried in an address that is right else. */
static void why_not( char const * plain, char out_why[ DMG_PEER_ADDR_WHY_SZ ] ) {
  char proto[ 8 ] = "", host[ 100 ] = "", transport[ 8 ] = "", port[ 16 ] = "", probe[ 128 ];
  (void)sscanf( plain, "/%7[^/]/%99[^/]/%7[^/]/%15[^/]", proto, host, transport, port );
  bool is_ip4 = !strcmp( proto, "ip4" ), is_ip6 = !strcmp( proto, "ip6" ), is_name = !strncmp( proto, "dns", 3 ) && is_maddr( ( snprintf( probe, sizeof probe, "/%s/a/tcp/1", proto ), probe ) );
  if( *plain!='/' || !( is_ip4 || is_ip6 || is_name ) ) { snprintf( out_why, DMG_PEER_ADDR_WHY_SZ, "it begins with /ip4/ADDRESS, /ip6/ADDRESS or /dns4/NAME" ); return; }
  snprintf( probe, sizeof probe, "/%s/%s/tcp/1", proto, host );
  if( !is_maddr( probe ) ) { snprintf( out_why, DMG_PEER_ADDR_WHY_SZ, "\"%.60s\" is no %s", host, is_ip4 ? "IPv4 address" : is_ip6 ? "IPv6 address" : "name" ); return; }
  if( strcmp( transport, "tcp" ) && strcmp( transport, "udp" ) ) { snprintf( out_why, DMG_PEER_ADDR_WHY_SZ, "behind the host stands /tcp/PORT, or /udp/PORT/quic-v1" ); return; }
  snprintf( probe, sizeof probe, "/ip4/127.0.0.1/tcp/%s", port );
  if( !is_maddr( probe ) ) { snprintf( out_why, DMG_PEER_ADDR_WHY_SZ, "\"%s\" is no port from 1 to 65535", port ); return; }
  snprintf( out_why, DMG_PEER_ADDR_WHY_SZ, "it ends in /tcp/PORT, or /udp/PORT/quic-v1" );
}

bool dmg_peer_addr_read( char const * text, dmg_peer_addr_use_t use, dmg_peer_addr_t * out, char out_why[ DMG_PEER_ADDR_WHY_SZ ] ) {
  dmg_peer_addr_t a = { 0 };
  char tried[ sizeof a.plain ];
  uint8_t key[ 32 ];
  char const * id = strstr( text, "/p2p/" );
  size_t sz = id ? (size_t)( id-text ) : strlen( text );
  if( sz>=sizeof a.plain ) { snprintf( out_why, DMG_PEER_ADDR_WHY_SZ, "it is longer than %zu bytes", sizeof a.plain-1 ); return false; }
  memcpy( a.plain, text, sz );
  memcpy( tried, a.plain, sizeof tried );
  /* maddr knows addresses that can be dialled: to listen, port 0 is as good as 1. */
  char * any = strstr( tried, "/tcp/0" );
  if( !any ) any = strstr( tried, "/udp/0" );
  if( use==DMG_PEER_ADDR_LISTEN && any && ( !any[ 6 ] || any[ 6 ]=='/' ) ) any[ 5 ] = '1';
  if( !is_maddr( tried ) ) { why_not( tried, out_why ); return false; }
  if( sz>3 && !strcmp( a.plain+sz-3, "/ws" ) ) { snprintf( out_why, DMG_PEER_ADDR_WHY_SZ, "WebSocket (/ws) is not spoken between nodes yet" ); return false; }
  if( use==DMG_PEER_ADDR_LISTEN && !strncmp( a.plain, "/dns", 4 ) ) { snprintf( out_why, DMG_PEER_ADDR_WHY_SZ, "a node listens at an address, not at a name" ); return false; }
  if( !id && use==DMG_PEER_ADDR_PEER ) { snprintf( out_why, DMG_PEER_ADDR_WHY_SZ, "the peer's id is missing: /p2p/PEER_ID at its end" ); return false; }
  if( id && ( dmg_libp2p_peer_parse( id+5, &a.peer ) || !dmg_wire_peer_key( &a.peer, key ) ) ) { snprintf( out_why, DMG_PEER_ADDR_WHY_SZ, "\"%.60s\" is no peer id of a node (12D3Koo..)", id+5 ); return false; }
  *out = a;
  return true;
}
