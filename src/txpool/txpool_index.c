#include "txpool/txpool_int.h"

#include <stdlib.h>

/* The finalizer of MurmurHash3: a bijection, so with a secret seed nobody can aim at a bucket. */
uint64_t dmg_txpool_mix( uint64_t x ) {
  x ^= x>>33; x *= 0xff51afd7ed558ccdull;
  x ^= x>>33; x *= 0xc4ceb9fe1a85ec53ull;
  return x^x>>33;
}

/* --- entries ------------------------------------------------------------------------------------------ */

static size_t pad( size_t sz ) { return ( sz+15 )&~(size_t)15; }

/* The same bytes in the copy of raw. */
static dmg_span_t moved( dmg_span_t s, dmg_span_t from, uint8_t * to ) {
  if( !s.sz ) return dmg_span( NULL, 0 );
  DMG_ASSERT( s.p>=from.p && s.sz<=from.sz && (size_t)( s.p-from.p )<=from.sz-s.sz );
  return dmg_span( to+( s.p-from.p ), s.sz );
}

entry_t * dmg_txpool_entry_new( dmg_tx_t const * tx ) {
  size_t calls = pad( sizeof( entry_t ) ), posts = calls+pad( tx->call_cnt*sizeof *tx->calls ), sigs = posts+pad( tx->post_cnt*sizeof *tx->posts );
  size_t init  = sigs+pad( tx->sig_cnt*sizeof *tx->sigs ), raw = init+( tx->init ? pad( sizeof *tx->init ) : 0 ), sz = raw+tx->raw.sz;
  uint8_t * mem = malloc( sz );
  if( !mem ) return NULL;
  entry_t * e = (entry_t *)(void *)mem;
  memset( e, 0, sizeof *e );
  e->mem_sz    = sz;
  e->ref_cnt   = 1;
  e->record    = NONE;
  e->intrinsic = dmg_tx_intrinsic_gas( tx, tx->raw.sz );
  e->tx        = *tx;
  memcpy( mem+raw, tx->raw.p, tx->raw.sz );
  e->tx.raw   = dmg_span( mem+raw, tx->raw.sz );
  e->leaf     = dmg_h( DMG_TAG_BODY_TX, e->tx.raw );
  e->tx.body  = moved( tx->body, tx->raw, mem+raw );
  e->tx.calls = (dmg_tx_call_t *)(void *)( mem+calls );
  e->tx.posts = (dmg_tx_post_t *)(void *)( mem+posts );
  e->tx.sigs  = (dmg_tx_sig_t *)(void *)( mem+sigs );
  for( uint32_t i = 0; i<tx->call_cnt; i++ ) { e->tx.calls[ i ] = tx->calls[ i ]; e->tx.calls[ i ].args = moved( tx->calls[ i ].args, tx->raw, mem+raw ); }
  for( uint32_t i = 0; i<tx->post_cnt; i++ ) { e->tx.posts[ i ] = tx->posts[ i ]; e->tx.posts[ i ].key  = moved( tx->posts[ i ].key,  tx->raw, mem+raw ); }
  for( uint32_t i = 0; i<tx->sig_cnt; i++ ) {
    dmg_tx_sig_t const * s = &tx->sigs[ i ];
    e->tx.sigs[ i ] = (dmg_tx_sig_t){ .scheme = s->scheme, .key = moved( s->key, tx->raw, mem+raw ), .sig = moved( s->sig, tx->raw, mem+raw ),
                                      .auth_data = moved( s->auth_data, tx->raw, mem+raw ), .client_data = moved( s->client_data, tx->raw, mem+raw ) };
  }
  if( tx->init ) {
    dmg_account_init_t * in = (dmg_account_init_t *)(void *)( mem+init );
    *in = *tx->init;
    for( uint32_t i = 0; i<in->auth_cnt; i++ ) in->auths[ i ].key = moved( in->auths[ i ].key, tx->raw, mem+raw );
    e->tx.init = in;
  }
  return e;
}

void dmg_txpool_entry_unref( entry_t * e ) {
  DMG_ASSERT( e->ref_cnt );
  if( --e->ref_cnt ) return;
  DMG_ASSERT( !e->is_in );
  free( e );
}

/* --- senders ------------------------------------------------------------------------------------------ */

static sender_t ** sender_head( dmg_txpool_t const * pool, dmg_hash_t const * address ) {
  return &pool->sender_heads[ dmg_txpool_mix( dmg_load_u64le( address->b )^pool->cfg.hash_seed )&pool->sender_mask ];
}

sender_t * dmg_txpool_sender_find( dmg_txpool_t const * pool, dmg_hash_t const * address ) {
  sender_t * s = *sender_head( pool, address );
  while( s && !dmg_hash_eq( &s->address, address ) ) s = s->hash_next;
  return s;
}

static void cnt_link( dmg_txpool_t * pool, sender_t * s ) {
  s->cnt_prev = NULL;
  s->cnt_next = pool->by_cnt[ s->cnt ];
  if( s->cnt_next ) s->cnt_next->cnt_prev = s;
  pool->by_cnt[ s->cnt ] = s;
  if( s->cnt>pool->by_cnt_hi ) pool->by_cnt_hi = s->cnt;
}

static void cnt_unlink( dmg_txpool_t * pool, sender_t * s ) {
  if( s->cnt_prev ) s->cnt_prev->cnt_next = s->cnt_next; else pool->by_cnt[ s->cnt ] = s->cnt_next;
  if( s->cnt_next ) s->cnt_next->cnt_prev = s->cnt_prev;
  while( pool->by_cnt_hi && !pool->by_cnt[ pool->by_cnt_hi ] ) pool->by_cnt_hi--;
}

static sender_t * sender_new( dmg_txpool_t * pool, dmg_hash_t const * address ) {
  sender_t * s = calloc( 1, sizeof *s );
  if( !s ) return NULL;
  s->address = *address;
  sender_t ** head = sender_head( pool, address );
  s->hash_next = *head;
  *head = s;
  if( pool->ring ) {   /* last in the order: just before the one who is next */
    s->ring_next = pool->ring;
    s->ring_prev = pool->ring->ring_prev;
    s->ring_prev->ring_next = s->ring_next->ring_prev = s;
  } else pool->ring = s->ring_next = s->ring_prev = s;
  cnt_link( pool, s );
  pool->stats.sender_cnt++;
  pool->stats.bytes += sizeof *s;
  return s;
}

static void sender_drop( dmg_txpool_t * pool, sender_t * s ) {
  DMG_ASSERT( !s->cnt && !s->lanes && !s->reserve && !s->bytes );
  cnt_unlink( pool, s );
  if( s->ring_next==s ) pool->ring = NULL;
  else {
    if( pool->ring==s ) pool->ring = s->ring_next;
    s->ring_prev->ring_next = s->ring_next;
    s->ring_next->ring_prev = s->ring_prev;
  }
  sender_t ** at = sender_head( pool, &s->address );
  while( *at!=s ) at = &( *at )->hash_next;
  *at = s->hash_next;
  pool->stats.sender_cnt--;
  pool->stats.bytes -= sizeof *s;
  free( s->account );
  free( s );
}

/* --- lanes -------------------------------------------------------------------------------------------- */

static lane_t ** lane_head( dmg_txpool_t const * pool, dmg_hash_t const * address, uint16_t no ) {
  return &pool->lane_heads[ dmg_txpool_mix( dmg_load_u64le( address->b+8 )^pool->cfg.hash_seed^( (uint64_t)no<<40 ) )&pool->lane_mask ];
}

lane_t * dmg_txpool_lane_find( dmg_txpool_t const * pool, sender_t const * s, uint16_t no ) {
  if( !s ) return NULL;
  lane_t * l = *lane_head( pool, &s->address, no );
  while( l && ( l->sender!=s || l->no!=no ) ) l = l->hash_next;
  return l;
}

entry_t * dmg_txpool_lane_at( lane_t const * lane, uint64_t nonce ) {
  if( !lane || lane->no==DMG_TX_LANE_UNORDERED ) return NULL;
  /* New ones mostly come at the end. */
  entry_t * e = lane->last;
  while( e && e->tx.nonce>nonce ) e = e->lane_prev;
  return e && e->tx.nonce==nonce ? e : NULL;
}

static lane_t * lane_new( dmg_txpool_t * pool, sender_t * s, uint16_t no, uint64_t head ) {
  lane_t * l = calloc( 1, sizeof *l );
  if( !l ) return NULL;
  l->sender = s;
  l->no     = no;
  l->head   = head;
  lane_t ** h = lane_head( pool, &s->address, no );
  l->hash_next = *h;
  *h = l;
  l->next = s->lanes;
  if( s->lanes ) s->lanes->prev = l;
  s->lanes = l;
  pool->stats.bytes += sizeof *l;
  return l;
}

static void lane_drop( dmg_txpool_t * pool, lane_t * l ) {
  DMG_ASSERT( !l->first );
  lane_t ** at = lane_head( pool, &l->sender->address, l->no );
  while( *at!=l ) at = &( *at )->hash_next;
  *at = l->hash_next;
  if( l->prev ) l->prev->next = l->next; else l->sender->lanes = l->next;
  if( l->next ) l->next->prev = l->prev;
  pool->stats.bytes -= sizeof *l;
  free( l );
}

/* --- queued or pooled --------------------------------------------------------------------------------- */

static void queued_link( dmg_txpool_t * pool, entry_t * e ) {
  e->is_queued   = true;
  e->queued_prev = pool->queued_last;
  e->queued_next = NULL;
  if( pool->queued_last ) pool->queued_last->queued_next = e; else pool->queued_first = e;
  pool->queued_last = e;
  pool->stats.queued_cnt++;
}

static void queued_unlink( dmg_txpool_t * pool, entry_t * e ) {
  if( !e->is_queued ) return;
  if( e->queued_prev ) e->queued_prev->queued_next = e->queued_next; else pool->queued_first = e->queued_next;
  if( e->queued_next ) e->queued_next->queued_prev = e->queued_prev; else pool->queued_last  = e->queued_prev;
  e->is_queued = false;
  pool->stats.queued_cnt--;
}

/* An entry is pooled while all nonces from the lane's head up to it are here.  One that replaces its neighbour of
   the same nonce, which goes next, stands as that one does. */
static bool is_pooled( lane_t const * lane, entry_t const * e ) {
  if( lane->no==DMG_TX_LANE_UNORDERED || e->tx.nonce==lane->head ) return true;
  entry_t const * p = e->lane_prev;
  return p && !p->is_queued && e->tx.nonce-p->tx.nonce<=1;
}

/* From e on each takes the status that fits.  What stands behind one that keeps its own keeps it, too: pooled ones are a
   run from the head, so whatever moves the head changes the first.  Entries below the head are on their way out. */
static void lane_file( dmg_txpool_t * pool, lane_t * lane, entry_t * e, uint64_t now_ms ) {
  for( ; e; e = e->lane_next ) {
    if( lane->no!=DMG_TX_LANE_UNORDERED && e->tx.nonce<lane->head ) continue;
    bool is_queued = !is_pooled( lane, e );
    dmg_txpool_kind_t kind = is_queued ? DMG_TXPOOL_QUEUED : DMG_TXPOOL_POOLED;
    if( pool->records[ e->record ].kind==kind ) return;
    if( is_queued && !e->is_queued ) queued_link( pool, e );
    if( !is_queued ) queued_unlink( pool, e );
    dmg_txpool_record_set( pool, e->record, (change_t){ .kind = kind }, now_ms );
  }
}

entry_t * dmg_txpool_entry_after( entry_t const * e ) {
  entry_t * n = e->lane_next;
  return n && !n->is_queued ? n : NULL;
}

/* --- in and out --------------------------------------------------------------------------------------- */

static void lane_link( lane_t * l, entry_t * e ) {
  entry_t * before = l->last;
  if( l->no!=DMG_TX_LANE_UNORDERED ) while( before && before->tx.nonce>e->tx.nonce ) before = before->lane_prev;
  e->lane_prev = before;
  e->lane_next = before ? before->lane_next : l->first;
  if( e->lane_prev ) e->lane_prev->lane_next = e; else l->first = e;
  if( e->lane_next ) e->lane_next->lane_prev = e; else l->last  = e;
}

static void lane_unlink( lane_t * l, entry_t * e ) {
  if( e->lane_prev ) e->lane_prev->lane_next = e->lane_next; else l->first = e->lane_next;
  if( e->lane_next ) e->lane_next->lane_prev = e->lane_prev; else l->last  = e->lane_prev;
}

dmg_err_t dmg_txpool_entry_in( dmg_txpool_t * pool, entry_t * e, uint64_t head, uint64_t now_ms ) {
  DMG_ASSERT( !e->is_in && pool->cnt<=pool->cfg.cnt_max );   /* one more only for the moment of a replacement */
  sender_t * s = dmg_txpool_sender_find( pool, &e->tx.sender );
  bool is_new = !s;
  if( is_new && !( s = sender_new( pool, &e->tx.sender ) ) ) return DMG_ERR_NOMEM;
  lane_t * l = dmg_txpool_lane_find( pool, s, e->tx.lane );
  if( !l && !( l = lane_new( pool, s, e->tx.lane, head ) ) ) {
    if( is_new ) sender_drop( pool, s );
    return DMG_ERR_NOMEM;
  }
  e->sender = s;
  e->lane   = l;
  e->seq    = pool->seq++;
  e->is_in  = true;
  lane_link( l, e );
  entry_t ** wheel = &pool->wheel[ e->tx.expiry&( WHEEL_SZ-1 ) ];
  e->expiry_prev = NULL;
  e->expiry_next = *wheel;
  if( *wheel ) ( *wheel )->expiry_prev = e;
  *wheel = e;
  cnt_unlink( pool, s );
  s->cnt++;
  cnt_link( pool, s );
  s->bytes          += e->mem_sz;
  s->reserve        += e->reserve;
  pool->stats.bytes += e->mem_sz;
  e->live = pool->cnt++;
  pool->live[ e->live ] = (live_t){ .leaf = e->leaf, .in_ms = now_ms, .entry = e };
  e->record = dmg_txpool_record_make( pool, &e->tx.id );
  pool->records[ e->record ].entry = e;
  pool->stats.admitted++;
  lane_file( pool, l, e, now_ms );
  return DMG_OK;
}

void dmg_txpool_entry_out( dmg_txpool_t * pool, entry_t * e, change_t change, uint64_t now_ms ) {
  DMG_ASSERT( e->is_in && pool->records[ e->record ].entry==e );
  sender_t * s = e->sender;
  lane_t *   l = e->lane;
  entry_t *  after = e->lane_next;
  queued_unlink( pool, e );
  lane_unlink( l, e );
  if( e->expiry_prev ) e->expiry_prev->expiry_next = e->expiry_next; else pool->wheel[ e->tx.expiry&( WHEEL_SZ-1 ) ] = e->expiry_next;
  if( e->expiry_next ) e->expiry_next->expiry_prev = e->expiry_prev;
  cnt_unlink( pool, s );
  s->cnt--;
  cnt_link( pool, s );
  s->bytes          -= e->mem_sz;
  s->reserve        -= e->reserve;
  pool->stats.bytes -= e->mem_sz;
  pool->live[ e->live ] = pool->live[ --pool->cnt ];
  pool->live[ e->live ].entry->live = e->live;
  pool->records[ e->record ].entry = NULL;
  dmg_txpool_record_set( pool, e->record, change, now_ms );
  e->is_in  = false;
  e->sender = NULL;
  e->lane   = NULL;
  if( l->first ) lane_file( pool, l, after, now_ms );
  else           lane_drop( pool, l );
  if( !s->cnt ) sender_drop( pool, s );
  dmg_txpool_entry_unref( e );
}

void dmg_txpool_lane_move( dmg_txpool_t * pool, lane_t * lane, uint64_t head, uint64_t now_ms ) {
  DMG_ASSERT( lane->no!=DMG_TX_LANE_UNORDERED );
  lane->head = head;
  entry_t * first = lane->first;
  while( first && first->tx.nonce<head ) {
    entry_t * next = first->lane_next;   /* NULL: the lane goes with its last entry */
    dmg_txpool_entry_out( pool, first, (change_t){ .kind = DMG_TXPOOL_DROPPED, .reason = DMG_TXPOOL_NONCE }, now_ms );
    first = next;
  }
  if( first ) lane_file( pool, lane, first, now_ms );
}
