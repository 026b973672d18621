/* txfwd/1: a validator's own users' transactions straight to the next two leaders (N9.2). */
#include "network/chainnet_int.h"

enum { LEADERS = 2, LOOK_AHEAD = 256, RATE = 256u<<10 };

/* Ids of batches that came this way: nothing forwards them, a verdict only tells of their sender. */
static uint64_t const first_id = UINT64_MAX-DMG_CHAINNET_PEER_MAX+1;

void fwd_batch( net_t * n, dmg_span_t batch, uint32_t cnt ) {
  set_t const * s = set_of( n, n->epoch );
  int found[ LEADERS ];
  unsigned found_cnt = 0;
  if( !s || n->self<0 ) return;
  for( uint64_t view = n->cur ? n->cur : 1, end = view+LOOK_AHEAD; view<end && found_cnt<LEADERS; view++ ) {
    int idx = n->chain->leader( n->chain->ctx, n->epoch, view ), m = idx>=0 && (uint32_t)idx<s->cnt ? s->members[ idx ] : -1;
    if( m<0 || m==n->self || ( found_cnt && found[ 0 ]==m ) ) continue;
    found[ found_cnt++ ] = m;
    member_t * to = &n->members[ m ];
    stream_t const * st = &to->side_out[ DMG_CHAINNET_TXFWD-DMG_CHAINNET_BODY ];
    if( !to->is_direct || st->state==STREAM_NONE || !bucket_take( &to->fwd_out, n->now_us, batch.sz, (uint64_t)10*RATE, RATE ) ) continue;   /* gossip brings it */
    if( dmg_net_notify_send( n->port, st->id, 0, 0, batch )==DMG_OK ) n->stat.txs_forwarded += cnt;
  }
}

heard_t const * fwd_heard( net_t * n, dmg_span_t batch, uint64_t id ) {
  dmg_hash_t h = dmg_sha256( batch );
  for( uint32_t i = 0; i<HEARD_MAX; i++ ) if( n->heard[ i ].is_judged && n->now_us<n->heard[ i ].us+HEARD_US && dmg_hash_eq( &n->heard[ i ].hash, &h ) ) return &n->heard[ i ];
  n->heard[ n->heard_at ] = (heard_t){ .hash = h, .id = id, .us = n->now_us };
  n->heard_at = ( n->heard_at+1 )%HEARD_MAX;
  return NULL;
}

bool fwd_frame( net_t * n, int member, dmg_span_t f, dmg_chainnet_out_t * out ) {
  member_t * m = &n->members[ member ];
  uint32_t cnt;
  if( !bucket_take( &m->fwd_in, n->now_us, f.sz, (uint64_t)10*RATE, (uint64_t)2*RATE ) ) { n->stat.frames_dropped++; return false; }
  if( dmg_wire_txs_decode( f, n->txs, &cnt ).kind ) { n->stat.batches_bad++; frame_bad( n, m ); return false; }
  if( fwd_heard( n, f, first_id+(uint64_t)member ) ) return false;
  n->stat.txs_in += cnt;
  out->kind   = DMG_CHAINNET_TXS;
  out->id     = first_id+(uint64_t)member;
  out->txs    = n->txs;
  out->tx_cnt = cnt;
  return true;
}

bool fwd_verdict( net_t * n, uint64_t id, dmg_net_verdict_t v ) {
  for( uint32_t k = 1; k<=HEARD_MAX; k++ ) {
    heard_t * h = &n->heard[ ( n->heard_at+HEARD_MAX-k )%HEARD_MAX ];   /* the newest of this id */
    if( h->id!=id || h->is_judged ) continue;
    h->verdict   = (uint8_t)v;
    h->is_judged = true;
    break;
  }
  if( id<first_id ) return false;
  member_t * m = &n->members[ id-first_id ];
  if( v==DMG_NET_REJECT && m->is_used ) { n->stat.batches_bad++; frame_bad( n, m ); }
  return true;
}
