/* Links, faults, liars. */
#include "wan.h"

void net_deliver( world_t * w, uint8_t from, node_t * to, dmg_span_t frame, uint64_t at ) {
  ev_t ev = { .at = at, .kind = EV_FRAME, .from = from, .to = to->id, .life = to->life, .data = malloc( frame.sz ? frame.sz : 1 ), .sz = (uint32_t)frame.sz };
  if( frame.sz ) memcpy( ev.data, frame.p, frame.sz );
  push( w, ev );
}

void net_send( world_t * w, node_t * from, node_t * to, dmg_span_t frame, uint64_t extra_us ) {
  link_t * l = &w->links[ from->id ][ to->id ];
  if( !to->is_up || l->cut_until>w->now || ( w->twins && !twins_reach( w, from, to ) ) ) return;
  if( w->wan ) { wan_send( w, from, to, frame ); return; }
  if( w->cfg.is_stalled && !w->is_healing && frame.sz && frame.p[ 0 ]==DMG_FRAME_PROPOSAL ) return;
  if( l->drop_ppm && rng_is( &w->net, l->drop_ppm ) ) return;
  uint64_t d = l->base_us+rng_below( &w->net, l->jitter_us+1 );
  if( !w->is_healing && w->cfg.faults&F_DELAY && rng_is( &w->net, 30000 ) ) d += (uint64_t)10000<<rng_below( &w->net, 9 );   /* a heavy tail */
  net_deliver( w, from->id, to, frame, w->now+extra_us+d );
  if( l->dup_ppm && rng_is( &w->net, l->dup_ppm ) ) net_deliver( w, from->id, to, frame, w->now+extra_us+d+rng_below( &w->net, 200000 ) );
  if( w->cfg.faults&F_STALE && frame.sz<4096 && !w->is_healing && rng_is( &w->net, 20000 ) ) {
    ev_t * o = &w->old[ w->old_at++%64 ];
    free( o->data );
    *o = (ev_t){ .from = from->id, .data = malloc( frame.sz+1 ), .sz = (uint32_t)frame.sz };
    memcpy( o->data, frame.p, frame.sz );
  }
}

/* --- faults ------------------------------------------------------------------------------------------------- */

static void next_fault( world_t * w ) { push( w, (ev_t){ .at = w->now+rng_in( &w->proc, 20000, 1500000 ), .kind = EV_FAULT } ); }

void faults_start( world_t * w ) {
  config_t const * c = &w->cfg;
  for( uint8_t i = 0; i<w->node_cnt; i++ ) for( uint8_t j = 0; j<w->node_cnt; j++ ) {
    uint64_t base = rng_in( &w->net, 500, 70000 );
    w->links[ i ][ j ] = (link_t){ .base_us = base, .jitter_us = base/4+500, .drop_ppm = c->faults&F_DROP ? (uint32_t)rng_below( &w->net, 80000 ) : 0, .dup_ppm = c->faults&F_DUP ? 30000 : 0 };
  }
  if( c->faults ) next_fault( w );
}

static void cut( world_t * w, uint8_t i, uint8_t j, uint64_t us ) { if( i!=j ) w->links[ i ][ j ].cut_until = w->now+us; }

static void kill_for( world_t * w, node_t * n, uint64_t us ) {
  node_kill( w, n );
  push( w, (ev_t){ .at = w->now+us, .kind = EV_UP, .to = n->id } );
}

void fault_event( world_t * w ) {
  if( w->is_healing ) return;
  rng_t * r = &w->proc;
  next_fault( w );
  uint32_t bit;
  do bit = 1u<<rng_below( r, 15 ); while( !( w->cfg.faults&bit ) );
  node_t * n = &w->nodes[ rng_below( r, w->node_cnt ) ], * m = &w->nodes[ rng_below( r, w->node_cnt ) ];
  uint64_t us = rng_in( r, 50000, (uint64_t)400000<<rng_below( r, 5 ) );
  switch( bit ) {
    case F_CUT: {
      uint64_t side[ 3 ] = { w->node_cnt<32 ? rng_below( r, 1u<<w->node_cnt ) : rng_next( r ) };
      if( w->node_cnt>=32 ) { side[ 1 ] = rng_next( r ); side[ 2 ] = rng_next( r ); }
      trace( w, "FAULT partition %lx for %lu ms", side[ 0 ], us/1000 );
      for( uint8_t i = 0; i<w->node_cnt; i++ ) for( uint8_t j = 0; j<w->node_cnt; j++ ) if( ( side[ i/64 ]>>( i%64 )&1 )!=( side[ j/64 ]>>( j%64 )&1 ) ) cut( w, i, j, us );
      break;
    }
    case F_ONEWAY:
      trace( w, "FAULT one-way %u -> %u for %lu ms", n->id, m->id, us/1000 );
      cut( w, n->id, m->id, us );
      break;
    case F_RESET:
      if( n==m ) break;
      trace( w, "FAULT reset %u - %u", n->id, m->id );
      node_link( w, n, m, false ); node_link( w, m, n, false );
      push( w, (ev_t){ .at = w->now+5000, .kind = EV_LINK, .to = n->id, .from = m->id, .life = n->life, .a = 1, .b = m->life } );
      push( w, (ev_t){ .at = w->now+5000, .kind = EV_LINK, .to = m->id, .from = n->id, .life = m->life, .a = 1, .b = n->life } );
      break;
    case F_GARBAGE: {
      uint8_t junk[ 300 ];
      size_t sz = rng_below( r, sizeof junk );
      for( size_t i = 0; i<sz; i++ ) junk[ i ] = (uint8_t)rng_next( r );
      if( sz ) junk[ 0 ] = (uint8_t)rng_below( r, 10 );
      net_deliver( w, m->id, n, dmg_span( junk, sz ), w->now+1 );
      break;
    }
    case F_STALE: {
      ev_t * o = &w->old[ rng_below( r, 64 ) ];
      if( o->data && n->id!=o->from ) net_deliver( w, o->from, n, dmg_span( o->data, o->sz ), w->now+rng_below( r, 100000 ) );
      break;
    }
    case F_SKEW:  clock_set( w, n, (int64_t)rng_below( r, 100001 )-50000, (int64_t)rng_below( r, 10001 )-5000 ); trace( w, "FAULT clock of %u: skew %ld ms, drift %ld ppm", n->id, n->skew_ms, n->drift_ppm ); break;
    case F_JUMP:  clock_set( w, n, n->drift_ppm, n->skew_ms+(int64_t)rng_below( r, 4001 )-2000 ); break;
    case F_KILL:  if( n->is_up ) { trace( w, "FAULT kill %u for %lu ms", n->id, us/1000 ); kill_for( w, n, us ); } break;
    case F_PAUSE:
      us = rng_is( r, 50000 ) ? rng_in( r, 10000000, 60000000 ) : us;
      trace( w, "FAULT pause %u for %lu ms", n->id, us/1000 );
      n->paused_until = w->now+us;
      break;
    case F_SLOW:  n->slow = n->slow>1 ? 1 : 10; break;
    case F_RESTART_ALL:
      if( !rng_is( r, 200000 ) ) break;
      trace( w, "FAULT restart of all" );
      for( uint8_t i = 0; i<w->node_cnt; i++ ) if( w->nodes[ i ].is_up ) kill_for( w, &w->nodes[ i ], rng_in( r, 1000, 3000000 ) );
      break;
    default: break;
  }
}

/* --- liars (one key, below a third) ------------------------------------------------------------------------- */

typedef struct { world_t * w; node_t * n; } key_of_t;
static void liar_sign( void * ctx, dmg_span_t msg, uint8_t out_raw[ DMG_BLS_SIG_RAW_SZ ] ) { key_of_t * k = ctx; sim_sign( k->w, k->n, DMG_BLS_VOTE, msg, out_raw ); }

static void byz_vote( world_t * w, node_t * b, node_t * to, uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t const * hash ) {
  uint32_t me = epoch<EPOCH_MAX && w->epochs[ epoch ].is_known ? signer_of( w, b, epoch ) : UINT32_MAX;
  if( me==UINT32_MAX || !view ) return;
  uint8_t frame[ LIAR_VOTE_SZ ];
  liar_vote( &(liar_t){ w->crypto, w->chain_id, &(key_of_t){ w, b }, liar_sign }, kind, epoch, view, hash, (uint16_t)me, frame );
  net_send( w, b, to, DMG_SPAN( frame ), 0 );
}

static void byz_proposal( world_t * w, node_t * from, node_t * to, dmg_span_t frame, uint32_t lie ) {
  uint8_t * f = malloc( frame.sz );
  dmg_header_t h;
  dmg_hash_t hash;
  size_t sz = liar_proposal( &(liar_t){ w->crypto, w->chain_id, &(key_of_t){ w, from }, liar_sign }, frame, lie, NULL, f, &h, &hash );
  if( sz ) net_send( w, from, to, dmg_span( f, sz ), 0 );
  if( sz && w->cfg.byz_modes&B_LEND ) byz_vote( w, from, to, DMG_VOTE_NOTARIZE, h.epoch, h.view, &hash );
  free( f );
}

void byz_send( world_t * w, node_t * from, node_t * to, dmg_span_t frame ) {
  uint32_t m = w->is_healing ? 0 : w->cfg.byz_modes;
  rng_t * r = &w->byz;
  if( m&B_SELECTIVE && rng_is( r, 300000 ) ) return;
  uint64_t late = 0;
  if( frame.p[ 0 ]==DMG_FRAME_PROPOSAL ) {
    if( m&B_LATE && rng_is( r, 500000 ) ) late = rng_in( r, 430000, 460000 );
    uint32_t lie = m&( B_WRONG_ROOT|B_DOUBLE|B_FAR );
    if( lie && rng_is( r, 400000 ) ) {
      byz_proposal( w, from, to, frame, lie&-lie );
      if( rng_is( r, 500000 ) ) return;   /* some see only the other one */
    }
  }
  dmg_vote_t v;
  if( frame.p[ 0 ]==DMG_FRAME_VOTE && !dmg_vote_decode( dmg_span( frame.p+1, frame.sz-1 ), &v ).kind ) {
    if( m&B_NO_FINALIZE && v.kind==DMG_VOTE_FINALIZE ) return;
    if( m&B_NULLIFY && rng_is( r, 500000 ) ) byz_vote( w, from, to, DMG_VOTE_NULLIFY, v.epoch, v.view, &v.hash );
    if( m&B_DOUBLE && rng_is( r, 200000 ) )  { dmg_hash_t h = v.hash; h.b[ 0 ] ^= 1; byz_vote( w, from, to, (uint8_t)( rng_below( r, 2 )*2 ), v.epoch, v.view, &h ); }
    if( m&B_FAR && rng_is( r, 200000 ) )     byz_vote( w, from, to, v.kind, v.epoch, v.view+rng_below( r, 1u<<rng_below( r, 30 ) ), &v.hash );
    if( m&B_BAD_SIG && rng_is( r, 300000 ) ) {
      uint8_t f[ LIAR_VOTE_SZ ];
      liar_vote_false( &v, f );
      net_send( w, from, to, DMG_SPAN( f ), 0 );
      return;
    }
  }
  net_send( w, from, to, frame, late );
}

/* Votes lent to one node: whatever an honest one just voted, the liar votes too, to whom it likes. */
void byz_saw( world_t * w, node_t * b, node_t const * from, dmg_span_t frame ) {
  dmg_vote_t v;
  if( w->is_healing || !( w->cfg.byz_modes&B_LEND ) || from->is_byz || !frame.sz || frame.p[ 0 ]!=DMG_FRAME_VOTE || dmg_vote_decode( dmg_span( frame.p+1, frame.sz-1 ), &v ).kind ) return;
  if( rng_is( &w->byz, 400000 ) ) byz_vote( w, b, &w->nodes[ rng_below( &w->byz, w->node_cnt ) ], v.kind, v.epoch, v.view, &v.hash );
}
