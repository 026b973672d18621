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

static void byz_vote( world_t * w, node_t * b, node_t * to, uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t const * hash ) {
  uint32_t me = epoch<EPOCH_MAX && w->epochs[ epoch ].is_known ? signer_of( w, b, epoch ) : UINT32_MAX;
  if( me==UINT32_MAX || !view ) return;
  dmg_hash_t zero = { 0 };
  if( kind==DMG_VOTE_NULLIFY ) hash = &zero;
  dmg_vote_t v = { .kind = kind, .epoch = epoch, .view = view, .hash = *hash, .signer = (uint16_t)me };
  uint8_t msg[ DMG_VOTE_MSG_SZ ], frame[ 1+DMG_VOTE_WIRE_SZ ] = { DMG_FRAME_VOTE };
  dmg_vote_msg( (dmg_vote_kind_t)kind, &w->chain_id, epoch, view, hash, msg );
  sim_sign( w, b, DMG_BLS_VOTE, DMG_SPAN( msg ), v.sig );
  dmg_vote_encode( &v, frame+1 );
  net_send( w, b, to, DMG_SPAN( frame ), 0 );
}

static void byz_proposal( world_t * w, node_t * from, node_t * to, dmg_span_t frame, uint32_t modes ) {
  uint8_t * f = malloc( frame.sz );
  memcpy( f, frame.p, frame.sz );
  dmg_signed_header_t sh;
  if( !dmg_signed_header_decode( dmg_span( f+1, DMG_SIGNED_HEADER_SZ ), &sh ).kind ) {
    if( modes&B_WRONG_ROOT ) sh.header.parent_state_root.b[ 0 ] ^= 1;
    if( modes&B_DOUBLE )     sh.header.time_ms++;
    if( modes&B_FAR )        sh.header.height++;   /* a clause of C5.1 */
    uint8_t msg[ DMG_VOTE_MSG_SZ ], raw[ DMG_BLS_SIG_RAW_SZ ];
    dmg_hash_t hash = dmg_header_hash( &sh.header );
    dmg_vote_msg( DMG_VOTE_PROPOSE, &w->chain_id, sh.header.epoch, sh.header.view, &hash, msg );
    sim_sign( w, from, DMG_BLS_VOTE, DMG_SPAN( msg ), raw );
    dmg_bls_sig_t point;
    bool ok = w->crypto->sig_load_raw( raw, &point );
    DMG_ASSERT( ok );
    w->crypto->sig_store( &point, sh.sig );
    dmg_signed_header_encode( &sh, f+1 );
    net_send( w, from, to, dmg_span( f, frame.sz ), 0 );
    if( modes&B_LEND ) byz_vote( w, from, to, DMG_VOTE_NOTARIZE, sh.header.epoch, sh.header.view, &hash );
  }
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
      byz_proposal( w, from, to, frame, ( lie&-lie )|( m&B_LEND ) );
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
      uint8_t f[ 1+DMG_VOTE_WIRE_SZ ] = { DMG_FRAME_VOTE };
      v.sig[ 3 ] ^= 1; v.sig[ DMG_BLS_SIG_SZ+3 ] ^= 1;
      dmg_vote_encode( &v, f+1 );
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
