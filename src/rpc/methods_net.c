/* net_*: the network of a node among others.  Who is connected, dialling and scores are the operator's: a caller on the node's own host, not behind a proxy
   (F3.4), as there are no tokens yet; others get counts. */
#include "rpc/method.h"
#include "rpc/put.h"

#include <stdio.h>

enum { PEERS_MAX = 128, DIALS_MAX = 128, SCORES_SZ_MAX = 256<<10 };

static void put_null( dmg_jw_t * w, char const * key ) { dmg_jw_key( w, key ); dmg_jw_null( w ); }
/* 0 is "not known". */
static void put_known_num( dmg_jw_t * w, char const * key, uint32_t v ) { if( v ) dmg_jw_knum( w, key, v ); else put_null( w, key ); }
static void put_known_u64( dmg_jw_t * w, char const * key, uint64_t v ) { if( v ) dmg_jw_ku64( w, key, v ); else put_null( w, key ); }

static bool is_operator( dmg_rpc_call_t * call ) {
  if( call->who.is_free ) return true;
  dmg_rpc_fail( call, DMG_RPC_UNAUTHORIZED, NULL, "%s is for the operator: call it from the node's own host (%s)", call->method->name, "loopback, not through a proxy" );
  dmg_rpc_fail_data( call, "\"scope\":\"net\"" );
  return false;
}

static bool has_net( dmg_rpc_call_t * call ) {
  return call->query->net ? true : dmg_rpc_fail( call, DMG_RPC_UNAVAILABLE, NULL, "this node runs a chain of one and has no network" );
}

bool dmg_rpc_do_net_info( dmg_rpc_call_t * call ) {
  dmg_query_net_t const * net = call->query->net;
  dmg_query_net_info_t i = { 0 };
  dmg_jw_t * w = call->out;
  if( net ) net->info( net->ctx, &i );
  dmg_jw_open( w, '{' );
  if( net )      dmg_jw_kcstr( w, "peerId", i.peer );  else put_null( w, "peerId" );
  if( *i.addr )  dmg_jw_kcstr( w, "address", i.addr ); else put_null( w, "address" );
  dmg_jw_kbool( w, "isVoting", i.is_voting );
  dmg_jw_knum ( w, "connections", i.conn_cnt );
  dmg_jw_knum ( w, "links", i.link_cnt );
  dmg_jw_knum ( w, "relayed", i.relayed_cnt );
  put_known_num( w, "finalP50Ms", i.final_p50_ms );
  put_known_num( w, "finalP99Ms", i.final_p99_ms );
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_net_peers( dmg_rpc_call_t * call ) {
  dmg_query_net_t const * net = call->query->net;
  dmg_query_net_info_t i = { 0 };
  dmg_jw_t * w = call->out;
  dmg_query_peer_t * peers = NULL;
  size_t cnt = 0;
  if( net ) net->info( net->ctx, &i );
  if( net && call->who.is_free ) {
    peers = DMG_ARENA_NEW( call->arena, dmg_query_peer_t, PEERS_MAX );
    if( !peers ) return dmg_rpc_fail_err( call, DMG_ERR_NOMEM, "peers" );
    cnt = net->peers( net->ctx, peers, PEERS_MAX );
  }
  dmg_jw_open( w, '{' );
  dmg_jw_knum( w, "inbound", i.in_cnt );
  dmg_jw_knum( w, "outbound", i.conn_cnt-i.in_cnt );
  if( !call->who.is_free ) put_null( w, "items" );
  else {
    dmg_jw_key( w, "items" );
    dmg_jw_open( w, '[' );
    for( size_t k = 0; k<cnt && k<PEERS_MAX; k++ ) {
      dmg_query_peer_t const * p = &peers[ k ];
      dmg_jw_open( w, '{' );
      dmg_jw_kcstr( w, "peerId", p->peer );
      dmg_jw_kcstr( w, "address", p->addr );
      dmg_jw_kcstr( w, "agent", p->agent );
      dmg_jw_kbool( w, "isOutbound", p->is_outbound );
      dmg_jw_kbool( w, "isLink", p->is_link );
      if( p->validator>=0 ) dmg_jw_knum( w, "validator", (uint32_t)p->validator ); else put_null( w, "validator" );
      put_known_u64( w, "rttUs", p->rtt_us );
      put_known_u64( w, "height", p->height );
      dmg_jw_close( w, '}' );
    }
    dmg_jw_close( w, ']' );
  }
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_net_sync( dmg_rpc_call_t * call ) {
  dmg_query_net_t const * net = call->query->net;
  dmg_query_net_info_t i = { 0 };
  dmg_jw_t * w = call->out;
  if( net ) net->info( net->ctx, &i );
  else {
    dmg_query_chain_t c;
    call->query->chain( call->query->ctx, &c );
    i.height = c.final.height;
  }
  dmg_jw_open( w, '{' );
  dmg_jw_ku64 ( w, "height", i.height );
  dmg_jw_kbool( w, "isSyncing", i.is_syncing );
  put_known_u64( w, "target", i.goal );
  dmg_jw_knum ( w, "rate", (uint32_t)( i.rate+0.5 ) );
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_net_dial( dmg_rpc_call_t * call ) {
  dmg_query_net_t const * net = call->query->net;
  dmg_query_why_t why = { 0 };
  dmg_span_t text = call->arg[ 0 ].bytes;
  char addr[ 161 ];
  if( !is_operator( call ) || !has_net( call ) ) return false;
  if( text.sz>160 || memchr( text.p, 0, text.sz ) ) return dmg_rpc_fail_param( call, "address", "/ip4/ADDRESS/tcp/PORT/p2p/PEER_ID" );
  snprintf( addr, sizeof addr, "%.*s", DMG_SPAN_F( text ) );
  dmg_err_t err = net->dial( net->ctx, addr, &why );
  if( err==DMG_ERR_INVALID ) return dmg_rpc_fail( call, DMG_RPC_INVALID_INPUT, NULL, "%s", why.text );
  if( err ) return dmg_rpc_fail( call, DMG_RPC_UNAVAILABLE, NULL, "%s", *why.text ? why.text : dmg_err_text( err ) );
  dmg_jw_bool( call->out, true );
  return true;
}

bool dmg_rpc_do_net_dials( dmg_rpc_call_t * call ) {
  static char const * const states[] = { [ DMG_QUERY_DIALLING ] = "dialling", [ DMG_QUERY_CONNECTED ] = "connected", [ DMG_QUERY_WAS_CONNECTED ] = "wasConnected", [ DMG_QUERY_UNREACHED ] = "unreached" };
  dmg_query_net_t const * net = call->query->net;
  dmg_jw_t * w = call->out;
  if( !is_operator( call ) || !has_net( call ) ) return false;
  dmg_query_dial_t * dials = DMG_ARENA_NEW( call->arena, dmg_query_dial_t, DIALS_MAX );
  if( !dials ) return dmg_rpc_fail_err( call, DMG_ERR_NOMEM, "dials" );
  size_t cnt = net->dials( net->ctx, dials, DIALS_MAX );
  dmg_jw_open( w, '{' );
  dmg_jw_key( w, "items" );
  dmg_jw_open( w, '[' );
  for( size_t k = 0; k<cnt && k<DIALS_MAX; k++ ) {
    dmg_query_dial_t const * d = &dials[ k ];
    dmg_jw_open( w, '{' );
    dmg_jw_kcstr( w, "peerId", d->peer );
    dmg_jw_kcstr( w, "address", d->addr );
    dmg_jw_kcstr( w, "state", states[ d->state ] );
    if( *d->why ) dmg_jw_kcstr( w, "why", d->why ); else put_null( w, "why" );
    dmg_jw_knum( w, "failures", d->fail_cnt );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_net_scores( dmg_rpc_call_t * call ) {
  dmg_query_net_t const * net = call->query->net;
  dmg_jw_t * w = call->out;
  if( !is_operator( call ) || !has_net( call ) ) return false;
  dmg_buf_t text = dmg_buf( SCORES_SZ_MAX );
  dmg_err_t err = net->scores( net->ctx, &text );
  if( err ) { dmg_buf_fini( &text ); return dmg_rpc_fail_err( call, err, "scores" ); }
  dmg_jw_open( w, '{' );
  dmg_jw_key( w, "items" );
  dmg_jw_open( w, '[' );
  for( size_t at = 0, cnt = 0; at<text.sz && cnt<DMG_RPC_ITEMS_MAX; ) {
    uint8_t const * line = text.p+at, * end = memchr( line, '\n', text.sz-at );
    if( !end ) break;                               /* cut: the last one is not whole */
    uint8_t const * gap = memchr( line, ' ', (size_t)( end-line ) );
    at += (size_t)( end-line )+1;
    if( !gap ) continue;
    dmg_jw_open( w, '{' );
    dmg_jw_key( w, "peerId" );
    dmg_jw_str( w, dmg_span( line, (size_t)( gap-line ) ) );
    dmg_jw_key( w, "score" );
    dmg_jw_str( w, dmg_span( gap+1, (size_t)( end-gap-1 ) ) );
    dmg_jw_close( w, '}' );
    cnt++;
  }
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, '}' );
  dmg_buf_fini( &text );
  return true;
}
