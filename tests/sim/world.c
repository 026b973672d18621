/* A world from its seed, its heal, its end. */
#include "sim.h"

void world_setup( world_t * w, uint64_t seed, config_t const * c ) {
  memset( w, 0, sizeof *w );
  w->cfg   = *c;
  w->crypto = c->is_real ? &dmg_cons_bls : &sim_fake;
  w->seed  = seed;
  w->net.s = seed*5+1; w->clock.s = seed*5+2; w->proc.s = seed*5+3; w->byz.s = seed*5+4; w->exec.s = seed*5+5;
  w->out   = malloc( sizeof *w->out );
  DMG_ASSERT( w->out );
  w->node_cnt = (uint8_t)( c->n+c->twin_cnt );
  w->nodes    = calloc( w->node_cnt, sizeof *w->nodes );
  w->links    = calloc( w->node_cnt, sizeof *w->links+w->node_cnt*sizeof **w->links );
  DMG_ASSERT( w->nodes && w->links );
  for( uint8_t i = 0; i<w->node_cnt; i++ ) w->links[ i ] = (link_t *)( w->links+w->node_cnt )+(size_t)i*w->node_cnt;
  uint8_t byz_cnt = c->byz_cnt>c->twin_cnt ? c->byz_cnt : c->twin_cnt ? c->twin_cnt : 1;
  uint8_t s8[ 8 ];
  dmg_store_u64le( s8, seed );
  w->chain_id = dmg_sha256( DMG_SPAN( s8 ) );
  epoch_t * e = &w->epochs[ 0 ];
  for( uint8_t i = 0; i<w->node_cnt; i++ ) {
    node_t * n = &w->nodes[ i ];
    n->id = i;
    n->is_twin = i>=c->n;
    n->key_id  = n->is_twin ? (uint8_t)( c->byz+i-c->n ) : i;
    n->is_byz  = c->byz>=0 && n->key_id>=c->byz && n->key_id<c->byz+byz_cnt;
    n->slow    = 1;
    n->life    = 1;
    n->timer_us = UINT64_MAX;
    sim_key( w, n->key_id, n );
    uint8_t const host[ DMG_SAFETY_HOST_SZ ] = { 1 };
    dmg_safety_init( &n->safety, &w->chain_id, n->key, host, 0 );
    n->mono_us = rng_below( &w->clock, 1000000000 );
    if( n->is_twin ) continue;
    memcpy( e->set.members[ i ].key, n->key, DMG_BLS_KEY_SZ );
    e->set.members[ i ].weight = c->weights[ i ];
    e->set.cnt = c->n;
  }
  e->record = (dmg_record_t){ .version = DMG_RECORD_VERSION, .epoch = 0, .first_height = 1, .last_height = c->epoch_len, .set_hash = dmg_set_hash( &e->set ), .seed = dmg_epoch_seed( &w->chain_id, 0 ),
    .weight = dmg_set_weight( &e->set ), .n = c->n, .pace_ms = c->pace_ms ? c->pace_ms : 250,
    .window = c->window ? c->window : 4, .delta_ms = c->delta_ms ? c->delta_ms : 200, .cap_ms = 30000, .empty_lag = 16, .body_max = 1u<<20, .body_soft = 128u<<10, .skew_ms = 500 };
  e->anchor = (dmg_cons_anchor_t){ .hash = w->chain_id, .height = 0, .time_ms = 1700000000000u, .root = dmg_h( DMG_TAG_STATE_VALUE, DMG_SPAN( s8 ) ) };
  e->is_known = e->has_anchor = true;
  /* Genesis as a block that everybody executed. */
  simblk_t * g = blk_new( w, &w->chain_id );
  g->root   = e->anchor.root;
  g->beacon = dmg_beacon_first( &w->chain_id );
  g->has_root = g->has_header = true;
  for( uint8_t i = 0; i<w->node_cnt; i++ ) g->st[ i ] = HAS_HEADER|HAS_EXEC|HAS_COMMIT;
}

void world_teardown( world_t * w ) {
  ev_t ev;
  while( pop( w, &ev ) ) free( ev.data );
  for( uint8_t i = 0; i<w->node_cnt; i++ ) {
    node_t * n = &w->nodes[ i ];
    if( n->is_up ) dmg_arena_free( n->arena );
    for( uint32_t k = 0; k<n->wal_cnt; k++ ) free( n->wal[ k ].p );
    free( n->wal );
    for( uint32_t k = 0; k<n->inbox_cnt; k++ ) if( n->inbox[ k ].sz ) free( n->inbox[ k ].data );
    free( n->inbox );
    for( uint32_t e = 0; e<EPOCH_MAX; e++ ) free( n->votes[ e ] );
  }
  for( uint32_t i = 0; i<4096; i++ ) {
    for( simblk_t * b = w->blocks[ i ], * next; b; b = next ) { next = b->next; free( b->proposal ); free( b ); }
    for( simbody_t * b = w->bodies[ i ], * next; b; b = next ) { next = b->next; free( b->bytes ); free( b ); }
  }
  for( uint32_t e = 0; e<EPOCH_MAX; e++ ) { free( w->keys[ e ] ); free( w->epochs[ e ].handover ); }
  for( unsigned i = 0; i<64; i++ ) free( w->old[ i ].data );
  check_free( w );
  free( w->heap );
  free( w->links );
  free( w->nodes );
  free( w->out );
}

void world_heal( world_t * w ) {
  w->is_healing = true;
  w->heal_at    = w->now;
  trace( w, "HEAL" );
  uint32_t epoch = 0;
  for( uint8_t i = 0; i<w->node_cnt; i++ ) { node_t * n = &w->nodes[ i ]; if( !n->is_byz && n->epoch>epoch ) epoch = n->epoch; }
  epoch_t * e = &w->epochs[ epoch ];
  uint64_t left = 0, q = dmg_set_quorum( e->record.weight );
  bool alive[ NODE_MAX ] = { 0 };
  for( uint8_t i = 0; i<w->cfg.n; i++ ) if( !w->nodes[ i ].is_byz ) { uint32_t s = signer_of( w, &w->nodes[ i ], epoch ); alive[ i ] = true; if( s!=UINT32_MAX ) left += e->set.members[ s ].weight; }
  for( uint32_t tries = 0; tries<( w->cfg.n>10 ? 16u*w->cfg.n : 64 ); tries++ ) {
    uint8_t i = (uint8_t)rng_below( &w->proc, w->cfg.n );
    uint32_t s = signer_of( w, &w->nodes[ i ], epoch );
    if( !alive[ i ] || s==UINT32_MAX || left-e->set.members[ s ].weight<q ) continue;
    if( w->cfg.epoch_len<1u<<20 && w->cfg.has_rests ) continue;   /* sets change: who is dead now may be needed then */
    alive[ i ] = false;
    left -= e->set.members[ s ].weight;
  }
  if( w->cfg.is_liar_kept ) for( uint8_t i = 0; i<w->node_cnt; i++ ) alive[ i ] = true;
  for( uint8_t i = 0; i<w->node_cnt; i++ ) for( uint8_t j = 0; j<w->node_cnt; j++ ) {
    uint64_t base = rng_in( &w->net, 500, 60000 );
    w->links[ i ][ j ] = (link_t){ .base_us = base, .jitter_us = base/4+500 };
  }
  w->heal_height = w->finals_top;
  simblk_t const * top = w->finals_top ? blk_get( w, &w->finals[ w->finals_top ] ) : NULL;
  uint64_t wall_us = wall_ms( w, NULL )*1000;
  if( top && top->has_header && top->h.time_ms*1000>wall_us ) w->heal_ahead_us = top->h.time_ms*1000-wall_us;
  trace( w, "final blocks are %lu ms ahead of the clocks", w->heal_ahead_us/1000 );
  check_heal_begins( w );
  for( uint8_t i = 0; i<w->node_cnt; i++ ) {
    node_t * n = &w->nodes[ i ];
    n->paused_until = n->busy_until = 0;
    if( n->inbox_cnt ) push( w, (ev_t){ .at = w->now, .kind = EV_WAKE, .to = i, .life = n->life } );
    n->slow = 1;
    clock_set( w, n, 0, (int64_t)rng_below( &w->clock, 201 )-100 );
    if( !alive[ i ] ) { node_kill( w, n ); continue; }
    /* Twins' links lose frames and stay up: what was lost must come by the rules' own resends (C4.4, C4.9). */
    if( n->is_up && !w->twins ) for( uint8_t j = 0; j<w->node_cnt; j++ ) if( j!=i && alive[ j ] && w->nodes[ j ].is_up ) node_link( w, n, &w->nodes[ j ], true );
    if( !n->is_up ) push( w, (ev_t){ .at = w->now+rng_below( &w->proc, 100000 ), .kind = EV_UP, .to = i, .a = 1 } );
  }
}

uint64_t raised( uint64_t base, uint64_t steps, uint64_t cap ) { for( ; steps && base<cap; steps-- ) base += base/2; return base<cap ? base : cap; }

/* I12: 20 s; plus for each window met whose leader is dead, or which some node had nullified when heal began, its time-outs and T' at the back-off in force; plus what clocks
   that were set back have to catch up with (time_ms does not fall, C4.2, and what is ahead waits, C5.3), and as much again for the time-outs that rise meanwhile. */
uint64_t world_heal_allowance( world_t * w ) {
  uint64_t most = 0;
  for( uint8_t i = 0; i<w->cfg.n; i++ ) {
    node_t * n = &w->nodes[ i ];
    if( !n->is_up || n->is_byz ) continue;
    dmg_cons_info_t info;
    dmg_cons_info( n->core, &info );
    epoch_t * e = &w->epochs[ info.epoch ];
    uint64_t L = e->record.window, sum = 0;
    for( uint64_t k = info.final_view ? ( info.final_view-1 )/L : 0; k<=( info.cur-1 )/L; k++ ) {
      uint32_t leader = dmg_cons_leader( n->core, k*L+1 );
      bool is_dead = true, is_null = false;
      for( uint8_t j = 0; j<w->cfg.n; j++ ) if( w->nodes[ j ].is_up && !w->nodes[ j ].is_byz && signer_of( w, &w->nodes[ j ], info.epoch )==leader ) is_dead = false;
      for( uint64_t v = k*L+1; v<=( k+1 )*L; v++ ) is_null |= was_nullified( w, info.epoch, v );
      if( !is_dead && !is_null ) continue;
      uint64_t lag = k-( info.final_view ? ( info.final_view-1 )/L : 0 );
      sum += raised( 650000, lag>2 ? lag-2 : 0, 30000000 )+raised( 250000, lag>8 ? lag-8 : 0, 10000000 );
    }
    if( sum>most ) most = sum;
  }
  return most+2*w->heal_ahead_us;
}

bool world_is_live( world_t const * w ) {
  for( uint8_t i = 0; i<w->cfg.n; i++ ) {
    node_t const * n = &w->nodes[ i ];
    if( n->is_up && !n->is_byz && n->final_height<=w->heal_height ) return false;
  }
  return true;
}

void world_digest( world_t * w ) {
  uint64_t h = w->digest^w->now;
  for( uint8_t i = 0; i<w->node_cnt; i++ ) if( w->nodes[ i ].is_up ) h = ( h^dmg_cons_digest( w->nodes[ i ].core ) )*0x9e3779b97f4a7c15u, h ^= h>>31;
  w->digest = ( h^w->seq )*0x9e3779b97f4a7c15u;
}
