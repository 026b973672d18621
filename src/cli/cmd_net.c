/* node peers, net peers, dial, scores: the network of a running node, asked over its JSON-RPC. */
#include "base/os.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_null( dmg_jv_t v ) { return dmg_jv_type( v )==DMG_JSON_NULL; }

/* The tail tells ids apart: all begin alike. */
static dmg_span_t tail_of( dmg_span_t id ) { return id.sz>12 ? dmg_span( id.p+id.sz-12, 12 ) : id; }

/* Without its peer id. */
static dmg_span_t plain( dmg_span_t addr ) {
  uint8_t const * id = addr.sz ? memmem( addr.p, addr.sz, "/p2p/", 5 ) : NULL;
  return id ? dmg_span( addr.p, (size_t)( id-addr.p ) ) : addr;
}

int dmg_cli_unreached( dmg_cli_t * cli, bool has_none, char const * indent ) {
  dmg_jv_t r;
  dmg_cli_refusal_t refusal;
  /* A stranger to the node, or one of an older version: there is nothing to add. */
  int code = dmg_cli_try( cli, "net_dials", DMG_SPAN_STR( "{}" ), &r, &refusal );
  if( code ) return refusal.code ? DMG_EXIT_OK : code;
  dmg_jv_t items = dmg_cli_get( r, "items" );
  for( dmg_jv_t p = dmg_jv_first( items ); !dmg_jv_is_absent( p ); p = dmg_jv_next( items, p ) ) {
    if( is_null( dmg_cli_get( p, "why" ) ) ) continue;
    printf( "%snot reached: ..%.*s (failures %.*s, it is dialled again): %.*s\n", indent, DMG_SPAN_F( tail_of( dmg_cli_str( p, "peerId" ) ) ), DMG_SPAN_F( dmg_jv_text( dmg_cli_get( p, "failures" ) ) ), DMG_SPAN_F( dmg_cli_str( p, "why" ) ) );
  }
  if( has_none && dmg_jv_is_absent( dmg_jv_first( items ) ) ) printf( "%sit was told of none: --peers or net.peers of `demiurge node run`, or `demiurge net dial ADDRESS`\n", indent );
  return DMG_EXIT_OK;
}

static int peers( dmg_cli_t * cli ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "net_peers", DMG_SPAN_STR( "{}" ), &r );
  if( code ) return code;
  dmg_jv_t items = dmg_cli_get( r, "items" );
  if( is_null( items ) && !cli->flag[ DMG_CLI_FLAG_FIELDS ] && cli->out!=DMG_CLI_JSON )
    return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "Unauthorized", "the node tells who its peers are on its own host only; elsewhere `-o json` gives their number" );
  bool has_none = dmg_jv_is_absent( dmg_jv_first( items ) );
  if( has_none ) {
    dmg_jv_t i;
    if(( code = dmg_cli_call( cli, "net_info", DMG_SPAN_STR( "{}" ), &i ) )) return code;
    if( is_null( dmg_cli_get( i, "peerId" ) ) ) return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "%s runs a chain of one and has no network", cli->rpc_url );
    if(( code = dmg_cli_call( cli, "net_peers", DMG_SPAN_STR( "{}" ), &r ) )) return code;
    items    = dmg_cli_get( r, "items" );
    has_none = dmg_jv_is_absent( dmg_jv_first( items ) );
  }
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print( cli, r );
  if( has_none ) { printf( "no peer is connected\n" ); return dmg_cli_unreached( cli, true, "" ); }
  printf( "%-13s %-8s %-4s %9s %9s  %-32s %s\n", "peer", "kind", "dial", "rtt", "height", "address", "agent" );
  for( dmg_jv_t p = dmg_jv_first( items ); !dmg_jv_is_absent( p ); p = dmg_jv_next( items, p ) ) {
    dmg_span_t id = dmg_cli_str( p, "peerId" ), addr = dmg_cli_str( p, "address" ), agent = dmg_cli_str( p, "agent" );
    char rtt[ 24 ] = "", height[ 24 ] = "";
    if( !is_null( dmg_cli_get( p, "rttUs" ) ) )  snprintf( rtt, sizeof rtt, "%.1f ms", (double)dmg_cli_u64( p, "rttUs" )/1000 );
    if( !is_null( dmg_cli_get( p, "height" ) ) ) snprintf( height, sizeof height, "%lu", (unsigned long)dmg_cli_u64( p, "height" ) );
    bool is_link = dmg_jv_type( dmg_cli_get( p, "isLink" ) )==DMG_JSON_TRUE, is_out = dmg_jv_type( dmg_cli_get( p, "isOutbound" ) )==DMG_JSON_TRUE;
    char const * kind = is_link ? "line" : is_null( dmg_cli_get( p, "validator" ) ) ? "peer" : "validator";
    printf( "..%-11.*s %-8s %-4s %9s %9s  %-32.*s %.*s\n", DMG_SPAN_F( tail_of( id ) ), kind, is_out ? "out" : "in", rtt, height, DMG_SPAN_F( plain( addr ) ), DMG_SPAN_F( agent ) );
  }
  return dmg_cli_unreached( cli, false, "" );
}

/* Of the node's answer to method, the item of that peer; absent: none. */
static int item_of( dmg_cli_t * cli, char const * method, dmg_span_t id, dmg_jv_t * out ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, method, DMG_SPAN_STR( "{}" ), &r );
  if( code ) return code;
  dmg_jv_t items = dmg_cli_get( r, "items" ), p = dmg_jv_first( items );
  while( !dmg_jv_is_absent( p ) && !dmg_span_eq( dmg_cli_str( p, "peerId" ), id ) ) p = dmg_jv_next( items, p );
  *out = p;
  return DMG_EXIT_OK;
}

static int dialled( dmg_cli_t * cli, dmg_span_t id, bool was_up ) {
  dmg_jv_t p;
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"peerId\":\"%.*s\",\"wasConnected\":%s}", DMG_SPAN_F( id ), was_up ? "true" : "false" ) );
  if( !was_up ) { printf( "connected with %.*s\n", DMG_SPAN_F( id ) ); return DMG_EXIT_OK; }
  int code = item_of( cli, "net_peers", id, &p );
  if( code ) return code;
  printf( "connected already with %.*s", DMG_SPAN_F( id ) );
  if( !dmg_jv_is_absent( p ) ) printf( ", at %.*s, dialled by %s", DMG_SPAN_F( plain( dmg_cli_str( p, "address" ) ) ), dmg_jv_type( dmg_cli_get( p, "isOutbound" ) )==DMG_JSON_TRUE ? "us" : "them" );
  printf( "; the address given was not tried\n" );
  return DMG_EXIT_OK;
}

static int dial( dmg_cli_t * cli ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "net_dial", dmg_cli_text( cli, "{\"address\":%s}", dmg_cli_quote( cli, cli->arg[ 0 ] ) ), &r );
  if( code ) return code;
  char const * text = strstr( cli->arg[ 0 ], "/p2p/" );
  dmg_span_t id = dmg_span_cstr( text ? text+5 : "" );
  char why[ 300 ] = "no answer yet";
  for( uint64_t end = dmg_os_mono_ns()+(uint64_t)cli->timeout_ms*1000000; dmg_os_mono_ns()<end; dmg_os_sleep_ns( 50000000 ) ) {
    dmg_jv_t p;
    if(( code = item_of( cli, "net_dials", id, &p ) )) return code;
    if( dmg_jv_is_absent( p ) ) continue;
    dmg_span_t state = dmg_cli_str( p, "state" );
    if( !is_null( dmg_cli_get( p, "why" ) ) ) snprintf( why, sizeof why, "%.*s", DMG_SPAN_F( dmg_cli_str( p, "why" ) ) );
    if( dmg_span_eq( state, DMG_SPAN_STR( "connected" ) ) )    return dialled( cli, id, false );
    if( dmg_span_eq( state, DMG_SPAN_STR( "wasConnected" ) ) ) return dialled( cli, id, true );
    if( dmg_span_eq( state, DMG_SPAN_STR( "unreached" ) ) )    return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unreached", "not connected: %s; the node goes on trying", why );
  }
  return dmg_cli_fail( cli, DMG_EXIT_TIMEOUT, "Timeout", "not connected within %u s: %s; the node goes on trying", cli->timeout_ms/1000, why );
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

#define PEERS_MORE "  kind: line, a validator's whose votes go over it; validator; peer. Below them: peers that it was told of and does not reach, with why. Who they are is told on the node's own host only."
#define DIAL_MORE "  ADDRESS: /ip4/HOST/tcp/PORT/p2p/PEER_ID, as `node run` tells it. Ends once the peer has agreed on the chain, or with why not, at latest after --timeout." \
                  " The node keeps the peer until it ends; on its own host only."

dmg_cli_cmd_t const dmg_cmds_net[] = {
  { "node peers", "", 0, 0, "the connections of a running node", PEERS_MORE, peers, 0, {{ 0 }} },
  { "net peers", "", 0, 0, "the connections of a running node", PEERS_MORE, peers, 0, {{ 0 }} },
  { "net dial", "ADDRESS", 1, 1, "connect a running node to a peer", DIAL_MORE, dial, 0, {{ 0 }} },
  { "net scores", "", 0, 0, "what a running node thinks of its peers in gossip", "  Below -500 a peer gets no gossip from us, below -2500 it is not heard. On the node's own host only.", scores, 0, {{ 0 }} },
  { 0 }
};
