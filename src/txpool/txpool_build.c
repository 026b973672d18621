#include "txpool/txpool_int.h"
#include "types/block.h"

#include <stdlib.h>

/* So many that do not fit in a row, and the block counts as full. */
#define MISFIT_MAX 128

dmg_txpool_limits_t dmg_txpool_limits( dmg_txpool_head_t const * head ) {
  uint64_t const * v = head->params.v;
  return (dmg_txpool_limits_t){ .gas_max = v[ DMG_PARAM_BLOCK_GAS ], .intrinsic_max = v[ DMG_PARAM_BLOCK_INTRINSIC ], .tx_max = (uint32_t)v[ DMG_PARAM_BLOCK_TXS ],
                                .body_max = (size_t)v[ DMG_PARAM_BODY_MAX ], .unordered_max = (uint32_t)v[ DMG_PARAM_UNORDERED_BLOCK ] };
}

/* --- one payer's candidates: a heap by tip, then by arrival --------------------------------------------
   A lane has at most one candidate, its next nonce; each of the unordered lane is one.  Taking one makes room
   for its follower, so a payer's heap never grows past what it began with. */
typedef struct { entry_t ** at; uint32_t cnt; } heap_t;

static bool is_before( entry_t const * a, entry_t const * b ) { return a->tx.tip!=b->tx.tip ? a->tx.tip>b->tx.tip : a->seq<b->seq; }

static void heap_sift( heap_t * h, uint32_t i ) {
  for( ;; ) {
    uint32_t best = i, l = 2*i+1, r = 2*i+2;
    if( l<h->cnt && is_before( h->at[ l ], h->at[ best ] ) ) best = l;
    if( r<h->cnt && is_before( h->at[ r ], h->at[ best ] ) ) best = r;
    if( best==i ) return;
    entry_t * t = h->at[ i ];
    h->at[ i ]    = h->at[ best ];
    h->at[ best ] = t;
    i = best;
  }
}

static heap_t heap_of( sender_t const * s, entry_t ** room ) {
  heap_t h = { .at = room };
  for( lane_t const * l = s->lanes; l; l = l->next ) {
    if( l->no==DMG_TX_LANE_UNORDERED ) { for( entry_t * e = l->first; e; e = e->lane_next ) h.at[ h.cnt++ ] = e; }
    else if( !l->first->is_queued ) h.at[ h.cnt++ ] = l->first;
  }
  for( uint32_t i = h.cnt/2; i--; ) heap_sift( &h, i );
  return h;
}

/* The best goes; its follower in the lane, if any, takes its place. */
static void heap_step( heap_t * h, bool with_follower ) {
  entry_t * e = h->at[ 0 ];
  entry_t * n = with_follower && e->tx.lane!=DMG_TX_LANE_UNORDERED ? dmg_txpool_entry_after( e ) : NULL;
  if( n ) h->at[ 0 ] = n;
  else    h->at[ 0 ] = h->at[ --h->cnt ];
  heap_sift( h, 0 );
}

/* --- the block ---------------------------------------------------------------------------------------- */

typedef struct { uint64_t gas, intrinsic; uint32_t cnt, unordered; size_t bytes; } sums_t;

static bool fits( dmg_txpool_limits_t const * max, sums_t const * sum, entry_t const * e ) {
  return e->tx.gas<=max->gas_max-sum->gas && e->intrinsic<=max->intrinsic_max-sum->intrinsic
      && ( e->tx.lane!=DMG_TX_LANE_UNORDERED || sum->unordered<max->unordered_max )
      && dmg_body_sz( sum->cnt+1, sum->bytes+dmg_body_tx_sz( e->tx.raw.sz ) )<=max->body_max;
}

static void take( sums_t * sum, entry_t * e, dmg_txpool_ref_t * out ) {
  sum->gas       += e->tx.gas;
  sum->intrinsic += e->intrinsic;
  sum->bytes     += dmg_body_tx_sz( e->tx.raw.sz );
  sum->unordered += e->tx.lane==DMG_TX_LANE_UNORDERED;
  e->ref_cnt++;
  out[ sum->cnt++ ] = (dmg_txpool_ref_t){ .tx = &e->tx, .entry = e };
}

static bool is_payable( dmg_txpool_t const * pool, entry_t const * e ) {
  return dmg_txpool_reserve( e->intrinsic+e->tx.gas, pool->head.price, e->tx.tip )<=e->tx.fee_max;
}

static int id_cmp( void const * a, void const * b ) { return memcmp( a, b, sizeof( dmg_hash_t ) ); }
static bool is_taken( dmg_txpool_limits_t const * max, entry_t const * e ) { return max->taken_cnt && bsearch( &e->tx.id, max->taken, max->taken_cnt, sizeof *max->taken, id_cmp ); }

/* One turn of a payer: its best candidate that fits.  false: it has none left. */
static bool turn( dmg_txpool_t const * pool, dmg_txpool_limits_t const * max, heap_t * h, sums_t * sum, uint32_t * misfits, dmg_txpool_ref_t * out ) {
  while( h->cnt && *misfits<MISFIT_MAX ) {
    entry_t * e = h->at[ 0 ];
    if( is_taken( max, e ) ) { heap_step( h, true ); continue; }
    bool is_wanted = is_payable( pool, e );
    if( is_wanted && fits( max, sum, e ) ) {
      take( sum, e, out );
      *misfits = 0;
      heap_step( h, true );
      return h->cnt>0;
    }
    if( is_wanted ) ( *misfits )++;
    heap_step( h, false );   /* what follows it in the lane must wait, too */
  }
  return false;
}

size_t dmg_txpool_build( dmg_txpool_t * pool, dmg_txpool_limits_t const * limits, dmg_txpool_ref_t * out, size_t out_max ) {
  dmg_txpool_limits_t max = *limits;
  if( out_max<max.tx_max )         max.tx_max = (uint32_t)out_max;
  if( max.tx_max>DMG_BODY_TX_MAX ) max.tx_max = DMG_BODY_TX_MAX;
  uint32_t senders = pool->stats.sender_cnt, active = 0, misfits = 0;
  if( !senders || !max.tx_max ) return 0;
  /* One heap a payer met in the first round; no more payers are met than the block holds plus what did not fit. */
  uint32_t heap_max = senders<max.tx_max+MISFIT_MAX ? senders : max.tx_max+MISFIT_MAX;
  heap_t * heaps = malloc( heap_max*sizeof *heaps );
  if( !heaps ) return 0;   /* an empty block now, the next one later */
  sums_t     sum  = { 0 };
  entry_t ** room = pool->heap;
  sender_t * s    = pool->ring;
  for( uint32_t i = 0; i<senders && active<heap_max && sum.cnt<max.tx_max && misfits<MISFIT_MAX; i++, s = s->ring_next ) {
    heap_t h = heap_of( s, room );
    room += h.cnt;
    if( turn( pool, &max, &h, &sum, &misfits, out ) ) heaps[ active++ ] = h;
  }
  /* Who was not met this time begins the next block; were all met, the order moves on by one. */
  pool->ring = s==pool->ring ? s->ring_next : s;
  while( active && sum.cnt<max.tx_max && misfits<MISFIT_MAX ) {
    uint32_t left = 0;
    for( uint32_t i = 0; i<active && sum.cnt<max.tx_max && misfits<MISFIT_MAX; i++ )
      if( turn( pool, &max, &heaps[ i ], &sum, &misfits, out ) ) heaps[ left++ ] = heaps[ i ];
    active = left;
  }
  free( heaps );
  return sum.cnt;
}

void dmg_txpool_release( dmg_txpool_t * pool, dmg_txpool_ref_t const * refs, size_t cnt ) {
  for( size_t i = 0; i<cnt; i++ ) dmg_txpool_entry_unref( refs[ i ].entry );
}

dmg_err_t dmg_txpool_on_left_out( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_txpool_ref_t const * refs, size_t cnt, uint64_t now_ms ) {
  for( size_t i = 0; i<cnt; i++ ) {
    entry_t * e = refs[ i ].entry;
    if( !e->is_in ) continue;
    dmg_txpool_why_t why = { 0 };
    learnt_t learnt;
    if( dmg_txpool_judge_early( pool, &e->tx, &why ) ) DMG_TRY( dmg_txpool_judge( pool, state, e, &learnt, &why ) );
    if( !why.reason && ++e->attempt_cnt>=DMG_TXPOOL_ATTEMPT_MAX ) why.reason = DMG_TXPOOL_VOID;
    if( why.reason ) dmg_txpool_entry_out( pool, e, (change_t){ .kind = DMG_TXPOOL_DROPPED, .reason = why.reason }, now_ms );
  }
  return DMG_OK;
}
