/* Invariants (C12.4): I1 finals agree, I2 never Z and F of one view, I3 one notarized hash a view, I7 a skip has its Zs, I8 in node.c, I10 bounds, I13 fullness.
   A liar's weight counts for every certificate that honest votes leave possible, whether it sent its vote or not. */
#include "wan.h"
#include "judge.h"

#define HASH_MAX 6
typedef struct { dmg_hash_t hash; who_t who; } votes_t;
typedef struct seen { who_t null; votes_t n[ HASH_MAX ], f[ HASH_MAX ]; bool at_heal; } seen_t;

static uint64_t weigh( world_t const * w, uint32_t epoch, who_t who ) {
  epoch_t const * e = &w->epochs[ epoch ];
  for( uint8_t i = 0; i<w->node_cnt; i++ ) if( w->nodes[ i ].is_byz ) { int s = dmg_set_find( &e->set, w->nodes[ i ].key ); if( s>=0 ) who_add( &who, (uint32_t)s ); }
  uint64_t sum = 0;
  for( uint32_t i = 0; i<e->set.cnt; i++ ) if( who_has( &who, i ) ) sum += e->set.members[ i ].weight;
  return sum;
}

static bool is_quorum( world_t const * w, uint32_t epoch, who_t who ) { return !who_is_empty( &who ) && weigh( w, epoch, who )>=dmg_set_quorum( w->epochs[ epoch ].record.weight ); }

static seen_t * seen_at( world_t * w, uint32_t epoch, uint64_t view ) {
  if( epoch>=EPOCH_MAX || view>=VIEW_MAX ) return NULL;
  if( !w->seen[ epoch ] ) { w->seen[ epoch ] = calloc( VIEW_MAX, sizeof( seen_t ) ); DMG_ASSERT( w->seen[ epoch ] ); }
  if( view>w->seen_top ) w->seen_top = view;
  return &w->seen[ epoch ][ view ];
}

static votes_t * votes_of( votes_t * v, dmg_hash_t const * hash ) {
  for( unsigned i = 0; i<HASH_MAX; i++ ) if( who_is_empty( &v[ i ].who ) || dmg_hash_eq( &v[ i ].hash, hash ) ) { v[ i ].hash = *hash; return &v[ i ]; }
  return &v[ HASH_MAX-1 ];
}

/* I7: each view that a block skips has its Z under just_root, before any honest vote for it. */
static void check_just( world_t * w, node_t const * n, uint32_t epoch, simblk_t * b ) {
  char why[ 128 ];
  if( b->is_just_seen ) return;
  just_verdict_t v = judge_just( sim_keys( w, epoch ), n->core, &b->h, &b->hash, why );
  if( v==JUST_FALSE ) fail( w, "I7: node %u votes for view %lu on %lu: %s", n->id, b->h.view, b->h.parent_view, why );
  b->is_just_seen = v!=JUST_UNKNOWN;
}

/* I7 by votes, and the parent's own certificate: what a block notarized by honest votes stands on. */
static void check_stand( world_t * w, node_t const * n, uint32_t epoch, simblk_t * b ) {
  dmg_header_t const * h = &b->h;
  dmg_cons_info_t at;
  dmg_cons_info( n->core, &at );
  /* The leader's own proposal shows itself once it is signed, all others' at once; but whose step went on beyond that view may have let go of it. */
  if( !b->is_just_seen && w->cfg.n>1 && at.cur<=h->view ) fail( w, "I7: view %lu can be notarized, and none of its voters holds its runs", h->view );
  for( uint64_t v = h->parent_view+1; v<h->view; v++ ) {
    seen_t * s = seen_at( w, epoch, v );
    if( s && !is_quorum( w, epoch, s->null ) ) fail( w, "I7: view %lu skips %lu, which cannot have been nullified", h->view, v );
  }
  if( !h->parent_view ) return;
  seen_t * p = seen_at( w, epoch, h->parent_view );
  if( !p ) return;
  votes_t * pv = votes_of( p->n, &h->parent_hash ), * pf = votes_of( p->f, &h->parent_hash );
  if( !is_quorum( w, epoch, pv->who ) && !is_quorum( w, epoch, pf->who ) ) fail( w, "I7: view %lu stands on a block of view %lu that cannot have been notarized", h->view, h->parent_view );
}

void check_signed( world_t * w, node_t const * n, uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t const * hash ) {
  seen_t * s = seen_at( w, epoch, view );
  uint32_t me = signer_of( w, n, epoch );
  if( kind==DMG_VOTE_NULLIFY ) w->stats[ ST_NULLIFIES ]++;
  trace( w, "node %u signs %s view %lu %02x%02x", n->id, kind==0 ? "NOTARIZE" : kind==1 ? "NULLIFY" : kind==2 ? "FINALIZE" : "PROPOSE", view, hash->b[ 0 ], hash->b[ 1 ] );
  if( w->twins ) twins_signed( w, n, kind, view );
  if( w->wan ) wan_signed( w, kind, view );
  if( !s || n->is_byz || kind>DMG_VOTE_FINALIZE ) return;
  if( me==UINT32_MAX ) { fail( w, "node %u votes in epoch %u without a seat", n->id, epoch ); return; }
  if( kind==DMG_VOTE_NULLIFY && w->strict_at && w->now>=w->strict_at ) {
    /* I12: long after heal only dead leaders lose their windows. */
    uint32_t leader = dmg_cons_leader( n->core, view );
    for( uint8_t i = 0; i<w->cfg.n; i++ )
      if( w->nodes[ i ].is_up && !w->nodes[ i ].is_byz && signer_of( w, &w->nodes[ i ], epoch )==leader ) fail( w, "I12: node %u nullifies view %lu of the live leader %u, %lu ms after heal", n->id, view, leader, ( w->now-w->heal_at )/1000 );
  }
  if( w->cfg.is_fork ) return;   /* nothing more is promised */
  bool was_n = false;
  votes_t * vn = NULL;
  if( kind==DMG_VOTE_NULLIFY ) who_add( &s->null, me );
  else {
    votes_t * v = votes_of( kind==DMG_VOTE_NOTARIZE ? s->n : s->f, hash );
    if( kind==DMG_VOTE_NOTARIZE ) { was_n = is_quorum( w, epoch, v->who ); vn = v; }
    who_add( &v->who, me );
  }
  bool has_f = false;
  for( unsigned i = 0; i<HASH_MAX; i++ ) has_f |= is_quorum( w, epoch, s->f[ i ].who );
  if( has_f && is_quorum( w, epoch, s->null ) ) fail( w, "I2: view %lu of epoch %u can be finalized and nullified", view, epoch );
  unsigned n_cnt = 0;
  for( unsigned i = 0; i<HASH_MAX; i++ ) n_cnt += is_quorum( w, epoch, s->n[ i ].who );
  if( n_cnt>1 ) fail( w, "I3: two blocks of view %lu of epoch %u can be notarized", view, epoch );
  if( !vn ) return;
  simblk_t * b = blk_get( w, hash );
  if( !b || !b->has_header ) return;
  check_just( w, n, epoch, b );
  if( !was_n && is_quorum( w, epoch, vn->who ) ) check_stand( w, n, epoch, b );
}

void check_commit( world_t * w, node_t const * n, simblk_t const * b ) {
  uint64_t h = b->h.height;
  if( w->cfg.is_fork && n->is_byz ) return;   /* heights are those of the honest */
  while( h>=w->finals_cap ) {
    uint64_t cap = w->finals_cap ? 2*w->finals_cap : 1024;
    w->finals = grow( w->finals, cap*sizeof *w->finals );
    memset( w->finals+w->finals_cap, 0, ( cap-w->finals_cap )*sizeof *w->finals );
    w->finals_cap = cap;
  }
  if( dmg_hash_is_zero( &w->finals[ h ] ) ) {
    w->finals[ h ] = b->hash;
    w->stats[ ST_BLOCKS ]++;
    if( h>w->finals_top ) w->finals_top = h;
  } else if( !n->is_byz && !dmg_hash_eq( &w->finals[ h ], &b->hash ) && w->cfg.is_fork ) w->is_forked = true;
  else if( !n->is_byz && !dmg_hash_eq( &w->finals[ h ], &b->hash ) ) fail( w, "I1: node %u finalizes another block at height %lu", n->id, h );
}

void check_exec( world_t * w, node_t const * n ) {
  if( n->is_byz || w->cfg.is_fork || rng_below( &w->exec, 8 ) ) return;
  dmg_cons_info_t info;
  dmg_cons_info( n->core, &info );
  uint32_t full = 0;
  for( uint32_t k = 0; k<4096; k++ ) for( simblk_t const * b = w->blocks[ k ]; b; b = b->next )
    full += b->is_full && b->st[ n->id ]&HAS_EXEC && !( b->st[ n->id ]&HAS_COMMIT ) && b->h.epoch==info.epoch && b->h.view>info.final_view;
  /* I13; one window more: a proposal may carry an F that this node only now holds. */
  if( full>(uint32_t)w->epochs[ info.epoch ].record.empty_lag+w->epochs[ info.epoch ].record.window ) fail( w, "I13: node %u holds %u full blocks beyond finality", n->id, full );
}

void check_core( world_t * w, node_t const * n ) {
  dmg_cons_info_t info;
  dmg_cons_info( n->core, &info );
  if( info.run_cnt>w->cfg.runs_max ) fail( w, "I10: node %u holds %u runs", n->id, info.run_cnt );
  if( info.run_cnt>w->stats[ ST_RUNS_MAX ] ) w->stats[ ST_RUNS_MAX ] = info.run_cnt;
  if( info.cur<=info.final_view ) fail( w, "node %u: cur %lu is not above the final view %lu", n->id, info.cur, info.final_view );
}

void check_heal_begins( world_t * w ) {
  for( uint32_t e = 0; e<EPOCH_MAX; e++ ) for( uint32_t v = 0; w->seen[ e ] && v<=w->seen_top; v++ ) w->seen[ e ][ v ].at_heal = !who_is_empty( &w->seen[ e ][ v ].null );
}
bool was_nullified( world_t const * w, uint32_t epoch, uint64_t view ) { return epoch<EPOCH_MAX && view<VIEW_MAX && w->seen[ epoch ] && w->seen[ epoch ][ view ].at_heal; }

/* I14: C17.1's bytes, of the validators alive on average: who leads more sends more.  A world without faults is calm once it has begun; any is ten seconds after it
   lives again, and may then send half as much again, for the windows of its dead. */
enum { CALM_AFTER_US = 5000000 };

void check_calm( world_t * w ) {
  bool is_calm = w->is_healing ? w->strict_at && w->now>=w->strict_at : !w->cfg.faults && w->cfg.byz<0 && !w->cfg.is_stalled && w->now>=CALM_AFTER_US;
  if( !is_calm || w->calm_at ) return;
  w->calm_at     = w->now;
  w->calm_height = w->finals_top;
  w->calm_nulls  = w->stats[ ST_NULLIFIES ];
  for( uint8_t i = 0; i<w->node_cnt; i++ ) w->nodes[ i ].tx_calm = 0;
}

void check_calm_ends( world_t * w ) {
  judge_calm_t c = { .blocks = w->finals_top-w->calm_height, .nulls = w->stats[ ST_NULLIFIES ]-w->calm_nulls, .may_have_dead = w->is_healing };
  char why[ 128 ];
  for( uint8_t i = 0; i<w->node_cnt; i++ ) if( w->nodes[ i ].is_up && !w->nodes[ i ].is_byz ) { c.cnt++; c.sent += w->nodes[ i ].tx_calm; }
  if( w->calm_at && !judge_calm( w->cfg.n, &c, why ) ) fail( w, "%s", why );
  w->calm_at = 0;
}

void check_free( world_t * w ) {
  for( uint32_t e = 0; e<EPOCH_MAX; e++ ) free( w->seen[ e ] );
  free( w->finals );
}
