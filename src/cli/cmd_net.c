/* node peers, net peers, dial, scores: the network of a running node, asked over its JSON-RPC. */
#include "base/os.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_null( dmg_jv_t v ) { return dmg_jv_type( v )==DMG_JSON_NULL; }

static int peers( dmg_cli_t * cli ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "net_peers", DMG_SPAN_STR( "{}" ), &r );
  if( code ) return code;
  dmg_jv_t items = dmg_cli_get( r, "items" );
  if( is_null( items ) && !cli->flag[ DMG_CLI_FLAG_FIELDS ] && cli->out!=DMG_CLI_JSON )
    return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "Unauthorized", "the node tells who its peers are on its own host only; elsewhere `-o json` gives their number" );
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print( cli, r );
  printf( "%-13s %-8s %-4s %9s %9s  %-32s %s\n", "peer", "kind", "dial", "rtt", "height", "address", "agent" );
  for( dmg_jv_t p = dmg_jv_first( items ); !dmg_jv_is_absent( p ); p = dmg_jv_next( items, p ) ) {
    dmg_span_t id = dmg_cli_str( p, "peerId" ), addr = dmg_cli_str( p, "address" ), agent = dmg_cli_str( p, "agent" );
    char rtt[ 24 ] = "", height[ 24 ] = "";
    if( !is_null( dmg_cli_get( p, "rttUs" ) ) )  snprintf( rtt, sizeof rtt, "%.1f ms", (double)dmg_cli_u64( p, "rttUs" )/1000 );
    if( !is_null( dmg_cli_get( p, "height" ) ) ) snprintf( height, sizeof height, "%lu", (unsigned long)dmg_cli_u64( p, "height" ) );
    bool is_link = dmg_jv_type( dmg_cli_get( p, "isLink" ) )==DMG_JSON_TRUE, is_out = dmg_jv_type( dmg_cli_get( p, "isOutbound" ) )==DMG_JSON_TRUE;
    char const * kind = is_link ? "line" : is_null( dmg_cli_get( p, "validator" ) ) ? "peer" : "validator";
    /* The tail tells ids apart: all begin alike. */
    size_t skip = id.sz>12 ? id.sz-12 : 0;
    uint8_t const * tail = addr.sz ? memmem( addr.p, addr.sz, "/p2p/", 5 ) : NULL;
    if( tail ) addr.sz = (size_t)( tail-addr.p );
    printf( "..%-11.*s %-8s %-4s %9s %9s  %-32.*s %.*s\n", (int)( id.sz-skip ), (char const *)id.p+skip, kind, is_out ? "out" : "in", rtt, height, DMG_SPAN_F( addr ), DMG_SPAN_F( agent ) );
  }
  return DMG_EXIT_OK;
}

/* Is a peer among the node's connections? */
static int is_there( dmg_cli_t * cli, dmg_span_t id, bool * out ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "net_peers", DMG_SPAN_STR( "{}" ), &r );
  if( code ) return code;
  dmg_jv_t items = dmg_cli_get( r, "items" );
  *out = false;
  if( is_null( items ) ) return DMG_EXIT_OK;
  for( dmg_jv_t p = dmg_jv_first( items ); !dmg_jv_is_absent( p ); p = dmg_jv_next( items, p ) ) *out = *out || dmg_span_eq( dmg_cli_str( p, "peerId" ), id );
  return DMG_EXIT_OK;
}

static int dial( dmg_cli_t * cli ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "net_dial", dmg_cli_text( cli, "{\"address\":%s}", dmg_cli_quote( cli, cli->arg[ 0 ] ) ), &r );
  if( code ) return code;
  char const * id = strstr( cli->arg[ 0 ], "/p2p/" );
  bool is_up = false;
  for( uint64_t end = dmg_os_mono_ns()+(uint64_t)cli->timeout_ms*1000000; id && !is_up && dmg_os_mono_ns()<end; ) {
    if(( code = is_there( cli, dmg_span_cstr( id+5 ), &is_up ) )) return code;
    if( !is_up ) dmg_os_sleep_ns( 100000000 );
  }
  if( !is_up ) return dmg_cli_fail( cli, DMG_EXIT_TIMEOUT, "Timeout", "no connection within %u s; the node goes on trying", cli->timeout_ms/1000 );
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"peerId\":%s}", dmg_cli_quote( cli, id+5 ) ) );
  printf( "connected with %s\n", id+5 );
  return DMG_EXIT_OK;
}

static int scores( dmg_cli_t * cli ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "net_scores", DMG_SPAN_STR( "{}" ), &r );
  if( code ) return code;
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print( cli, r );
  dmg_jv_t items = dmg_cli_get( r, "items" );
  for( dmg_jv_t p = dmg_jv_first( items ); !dmg_jv_is_absent( p ); p = dmg_jv_next( items, p ) ) printf( "%.*s %12.*s\n", DMG_SPAN_F( dmg_cli_str( p, "peerId" ) ), DMG_SPAN_F( dmg_cli_str( p, "score" ) ) );
  return DMG_EXIT_OK;
}

#define PEERS_MORE "  kind: line, a validator's whose votes go over it; validator; peer. Who they are is told on the node's own host only."

dmg_cli_cmd_t const dmg_cmds_net[] = {
  { "node peers", "", 0, 0, "the connections of a running node", PEERS_MORE, peers, 0, {{ 0 }} },
  { "net peers", "", 0, 0, "the connections of a running node", PEERS_MORE, peers, 0, {{ 0 }} },
  { "net dial", "ADDRESS", 1, 1, "connect a running node to a peer", "  ADDRESS: /ip4/HOST/tcp/PORT/p2p/PEER_ID, as `node run` tells it. The node keeps the peer until it ends; on its own host only.", dial, 0, {{ 0 }} },
  { "net scores", "", 0, 0, "what a running node thinks of its peers in gossip", "  Below -500 a peer gets no gossip from us, below -2500 it is not heard. On the node's own host only.", scores, 0, {{ 0 }} },
  { 0 }
};
