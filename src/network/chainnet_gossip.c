/* Topics tx, final and evidence (N7, N9.2); block: chainnet_block.c. */
#include "network/chainnet_int.h"

enum { BATCH_US = 10000, VERDICT_US = 4500000, EVIDENCE_PER_10S = 10 };

static void verdict( net_t * n, uint64_t id, dmg_net_verdict_t v ) {
  (void)!dmg_net_verdict( n->port, id, v );   /* too late: the port has ignored it */
}

/* --- transactions ----------------------------------------------------------------------------------------- */

/* The batch leaves as list<bytes>; batch[] holds its elements behind room for the count. */
static dmg_err_t batch_flush( net_t * n ) {
  if( !n->batch_cnt ) return DMG_OK;
  uint8_t head[ 2 ];
  size_t head_sz = 1;
  head[ 0 ] = (uint8_t)n->batch_cnt;
  if( n->batch_cnt>=0x80 ) {
    head[ 0 ] = (uint8_t)( n->batch_cnt | 0x80 );
    head[ 1 ] = (uint8_t)( n->batch_cnt>>7 );
    head_sz = 2;
  }
  uint8_t * p = n->batch+2-head_sz;
  memcpy( p, head, head_sz );
  if( !n->is_batch_fwd ) fwd_batch( n, dmg_span( p, head_sz+n->batch_sz ), n->batch_cnt );
  n->is_batch_fwd = true;                          /* a batch that waits for gossip's room is not sent to them again */
  dmg_err_t err = dmg_net_publish( n->port, n->topic_tx, dmg_span( p, head_sz+n->batch_sz ) );
  if( err==DMG_ERR_FULL ) {
    n->batch_us = n->now_us+BATCH_US;
    net_wake( n, n->batch_us );
    return err;
  }
  if( !err ) n->stat.txs_out += n->batch_cnt;
  n->batch_cnt = 0;
  n->batch_sz  = 0;
  n->is_batch_fwd = false;
  return DMG_OK;
}

dmg_err_t dmg_chainnet_send_tx( dmg_chainnet_t * n, dmg_span_t raw, uint64_t now_us ) {
  if( now_us>n->now_us ) n->now_us = now_us;
  if( !raw.sz || raw.sz>65536 ) return DMG_ERR_LIMIT;
  size_t sz = dmg_wire_tx_sz( raw.sz );
  bool is_full = n->batch_cnt && ( 2+n->batch_sz+sz>DMG_WIRE_TX_BATCH_SZ || n->batch_cnt==DMG_WIRE_TX_BATCH_MAX );
  if( is_full ) {
    /* Nobody there yet: what waits stays the oldest, the pool keeps all of it. */
    if( !n->tx_peers ) return DMG_ERR_FULL;
    DMG_TRY( batch_flush( n ) );
  }
  if( !n->batch_cnt ) n->batch_us = n->now_us+BATCH_US;
  uint8_t * p = n->batch+2+n->batch_sz;
  size_t len = raw.sz;
  while( len>=0x80 ) { *p++ = (uint8_t)( len | 0x80 ); len >>= 7; }
  *p++ = (uint8_t)len;
  memcpy( p, raw.p, raw.sz );
  n->batch_sz += sz;
  n->batch_cnt++;
  net_wake( n, n->batch_us );
  return DMG_OK;
}

static bool on_txs( net_t * n, dmg_net_ev_t const * ev, dmg_chainnet_out_t * out ) {
  uint32_t cnt;
  if( dmg_wire_txs_decode( ev->data, n->txs, &cnt ).kind ) {
    n->stat.batches_bad++;
    verdict( n, ev->id, DMG_NET_REJECT );          /* N1.4: the bytes prove it */
    return false;
  }
  heard_t const * heard = fwd_heard( n, ev->data, ev->id );
  if( heard ) { verdict( n, ev->id, (dmg_net_verdict_t)heard->verdict ); return false; }
  if( n->batch_wait_cnt==DMG_CHAINNET_BATCH_MAX || n->is_stopping ) { verdict( n, ev->id, DMG_NET_IGNORE ); return false; }
  n->batches[ n->batch_wait_cnt++ ] = (batch_t){ .id = ev->id, .us = n->now_us };
  net_wake( n, n->now_us+VERDICT_US );
  n->stat.txs_in += cnt;
  out->kind   = DMG_CHAINNET_TXS;
  out->id     = ev->id;
  out->txs    = n->txs;
  out->tx_cnt = cnt;
  return true;
}

void dmg_chainnet_verdict( dmg_chainnet_t * n, uint64_t id, dmg_net_verdict_t v ) {
  if( fwd_verdict( n, id, v ) ) return;
  for( uint32_t i = 0; i<n->batch_wait_cnt; i++ ) {
    if( n->batches[ i ].id!=id ) continue;
    n->batches[ i ] = n->batches[ --n->batch_wait_cnt ];
    if( v==DMG_NET_REJECT ) n->stat.batches_bad++;
    verdict( n, id, v );
    return;
  }
}

/* --- final ------------------------------------------------------------------------------------------------ */

static bool is_newer( net_t const * n, uint32_t epoch, uint64_t view ) { return epoch>n->best_epoch || ( epoch==n->best_epoch && view>n->best_view ); }

static void on_final( net_t * n, dmg_net_ev_t const * ev ) {
  dmg_wire_final_t f;
  if( dmg_wire_final_decode( ev->data, &f ).kind ) { n->stat.finals_bad++; verdict( n, ev->id, DMG_NET_REJECT ); return; }
  /* N7.1: the first valid one a view; a hundred different bitmaps must not flood. */
  if( !is_newer( n, f.fin.epoch, f.fin.view ) ) { n->stat.finals_late++; verdict( n, ev->id, DMG_NET_IGNORE ); return; }
  dmg_verdict_t v = n->chain->judge_final( n->chain->ctx, &f.fin );
  if( v.kind==DMG_VERDICT_BAD ) n->stat.finals_bad++;
  verdict( n, ev->id, v.kind==DMG_VERDICT_GOOD ? DMG_NET_ACCEPT : v.kind==DMG_VERDICT_BAD ? DMG_NET_REJECT : DMG_NET_IGNORE );
  if( v.kind ) return;
  n->best_epoch = f.fin.epoch;
  n->best_view  = f.fin.view;
  n->stat.finals_in++;
  if( n->cfg.is_follower ) sync_goal( n, &f.fin, f.header.height );
}

static void final_publish( net_t * n ) {
  n->final_us = 0;
  if( !is_newer( n, n->final_epoch, n->final_wait_view ) ) return;   /* heard meanwhile */
  if( dmg_net_publish( n->port, n->topic_final, DMG_SPAN( n->final_wait ) )!=DMG_OK ) return;
  n->best_epoch = n->final_epoch;
  n->best_view  = n->final_wait_view;
}

void dmg_chainnet_send_final( dmg_chainnet_t * n, dmg_header_t const * header, dmg_cert_t const * fin, bool is_first, uint64_t now_us ) {
  if( now_us>n->now_us ) n->now_us = now_us;
  if( !is_newer( n, fin->epoch, fin->view ) || n->is_stopping ) return;
  /* One waits at most: the newest. */
  dmg_wire_final_encode( header, fin, n->final_wait );
  n->final_epoch     = fin->epoch;
  n->final_wait_view = fin->view;
  n->final_us        = n->now_us+50000+net_rand( n )%100001;
  if( is_first ) final_publish( n );
  else net_wake( n, n->final_us );
}

/* --- evidence --------------------------------------------------------------------------------------------- */

static void on_evidence( net_t * n, dmg_net_ev_t const * ev ) {
  dmg_evidence_t e;                                /* only whether it is one matters here */
  dmg_verdict_t v = dmg_evidence_decode( ev->data, &e );
  /* The longest costs 30 ms (C11.2): 3 % of a core, whoever sends how many. */
  if( !v.kind && !bucket_take( &n->evidence, n->now_us, 1, EVIDENCE_PER_10S, EVIDENCE_PER_10S ) ) v = dmg_verdict_local( DMG_ERR_LIMIT );
  else if( !v.kind ) {
    v = n->chain->take_evidence( n->chain->ctx, ev->data );
    if( v.kind==DMG_VERDICT_LOCAL ) n->evidence.level += SEC;   /* nothing was verified: who is convicted cannot fill it with more of the same */
  }
  if( v.kind==DMG_VERDICT_GOOD )     n->stat.evidence_in++;
  else if( v.kind==DMG_VERDICT_BAD ) n->stat.evidence_bad++;
  else                               n->stat.evidence_late++;
  verdict( n, ev->id, v.kind==DMG_VERDICT_GOOD ? DMG_NET_ACCEPT : v.kind==DMG_VERDICT_BAD ? DMG_NET_REJECT : DMG_NET_IGNORE );
}

void dmg_chainnet_send_evidence( dmg_chainnet_t * n, dmg_span_t evidence ) {
  if( !n->is_started || n->is_stopping ) return;
  (void)!dmg_net_publish( n->port, n->topic_evidence, evidence );   /* the node keeps it, and who else saw it sends it, too */
}

/* --- events ----------------------------------------------------------------------------------------------- */

static void topic_set( net_t * n, conn_t * c, bool is_on ) {
  n->tx_peers    += is_on;
  n->tx_peers    -= c->has_tx_topic;
  c->has_tx_topic = is_on;
}

/* The library tells of who joins and who leaves, not of who goes with its connection; and of who joins once, not for each of its connections. */
void gossip_conn_up( net_t * n, int conn ) {
  conn_t * c = &n->conns[ conn ];
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX && !c->has_tx_topic; i++ ) if( n->conns[ i ].is_used && n->conns[ i ].has_tx_topic && dmg_net_peer_eq( &n->conns[ i ].peer, &c->peer ) ) topic_set( n, c, true );
}

void gossip_conn_down( net_t * n, int conn ) { topic_set( n, &n->conns[ conn ], false ); }

bool gossip_event( net_t * n, dmg_net_ev_t const * ev, dmg_chainnet_out_t * out ) {
  bool is_tx = dmg_span_eq( ev->addr, dmg_span_cstr( n->topic_tx ) );
  if( ev->kind==DMG_NET_TOPIC_PEERS ) {
    for( int i = 0; i<DMG_CHAINNET_CONN_MAX && is_tx; i++ ) if( n->conns[ i ].is_used && dmg_net_peer_eq( &n->conns[ i ].peer, &ev->peer ) ) topic_set( n, &n->conns[ i ], ev->code );
    if( n->batch_cnt ) net_wake( n, n->batch_us );
    return false;
  }
  if( is_tx ) return on_txs( n, ev, out );
  if( dmg_span_eq( ev->addr, dmg_span_cstr( n->topic_final ) ) ) on_final( n, ev );
  else if( dmg_span_eq( ev->addr, dmg_span_cstr( n->topic_evidence ) ) ) on_evidence( n, ev );
  else if( dmg_span_eq( ev->addr, dmg_span_cstr( n->topic_block ) ) ) verdict( n, ev->id, block_heard( n, ev->data ) );
  else verdict( n, ev->id, DMG_NET_IGNORE );
  return false;
}

void gossip_tick( net_t * n ) {
  if( n->batch_cnt && n->tx_peers ) {
    if( n->batch_us<=n->now_us ) (void)!batch_flush( n );   /* FULL: it has set its next time */
    else                         net_wake( n, n->batch_us );
  }
  if( n->final_us && n->final_us<=n->now_us ) final_publish( n );
  if( n->final_us ) net_wake( n, n->final_us );
  block_tick( n );
  /* What the node has not judged in time the port ignores by itself. */
  for( uint32_t i = 0; i<n->batch_wait_cnt; ) {
    if( n->now_us-n->batches[ i ].us<VERDICT_US ) { net_wake( n, n->batches[ i++ ].us+VERDICT_US ); continue; }
    n->batches[ i ] = n->batches[ --n->batch_wait_cnt ];
  }
}
