/* I9 (C9.3): with more than W/3 Byzantine and two finalized chains, what honest nodes store convicts more than W/3, and nobody honest.

     logs, headers, runs, certificates of the honest --> sides by view --> each pair that is one of E1 to E3 --> dmg_evidence_judge --> the convicted */
#include "sim.h"

typedef struct { dmg_side_t * at; uint32_t cnt, cap; bool is_bare; } sides_t;

static uint8_t const * bits_of( dmg_side_t const * s ) { return s->kind==DMG_SIDE_CERT ? s->cert.bitmap : s->run.bitmaps[ s->run_view-s->run.first ]; }

static void put( sides_t * all, dmg_side_t const * s ) {
  dmg_hash_t hash = dmg_side_hash( s );
  if( all->is_bare && dmg_side_vote_kind( s )!=DMG_VOTE_FINALIZE ) return;
  for( uint32_t i = 0; i<all->cnt; i++ ) {
    dmg_side_t const * o = &all->at[ i ];
    dmg_hash_t other = dmg_side_hash( o );
    if( o->kind==s->kind && dmg_side_view( o )==dmg_side_view( s ) && dmg_side_vote_kind( o )==dmg_side_vote_kind( s ) && dmg_hash_eq( &other, &hash ) && !memcmp( bits_of( o ), bits_of( s ), DMG_BITMAP_SZ ) ) return;
  }
  if( all->cnt==all->cap ) { all->cap = all->cap ? 2*all->cap : 64; all->at = grow( all->at, all->cap*sizeof *all->at ); }
  all->at[ all->cnt++ ] = *s;
}

static void put_cert( sides_t * all, dmg_cert_t const * c ) { if( c->view ) put( all, &(dmg_side_t){ .kind = DMG_SIDE_CERT, .cert = *c } ); }
static void put_run ( sides_t * all, dmg_run_t const * r ) { for( uint32_t e = 0; e<r->cnt; e++ ) put( all, &(dmg_side_t){ .kind = DMG_SIDE_RUN, .run = *r, .run_view = r->first+e } ); }
static void put_proposal( sides_t * all, dmg_span_t bytes ) {
  dmg_proposal_t p;
  dmg_run_t run;
  if( dmg_proposal_decode( bytes, &p ).kind ) return;
  put_cert( all, &p.fin );
  put_cert( all, &p.header.header.parent_cert );
  for( dmg_runs_t at = p.runs; dmg_runs_next( &at, &run, NULL ); ) put_run( all, &run );
}

static void collect( world_t * w, node_t const * n, sides_t * all ) {
  dmg_cert_t cert;
  dmg_run_t run;
  put_cert( all, &n->final_cert );
  for( uint32_t i = 0; i<n->wal_cnt; i++ ) {
    rec_t const * r = &n->wal[ i ];
    dmg_span_t p = dmg_span( r->p, r->sz );
    if( r->kind==DMG_CONS_REC_CERT && !dmg_cert_decode( p, &cert ).kind ) put_cert( all, &cert );
    if( r->kind==DMG_CONS_REC_FLOOR && !dmg_cert_decode( dmg_span( p.p+48, p.sz-48 ), &cert ).kind ) put_cert( all, &cert );
    if( r->kind==DMG_CONS_REC_RUN && !dmg_run_decode( p, &run ).kind ) put_run( all, &run );
    if( r->kind==DMG_CONS_REC_PROPOSAL ) put_proposal( all, p );
  }
  for( uint32_t k = 0; k<4096; k++ ) for( simblk_t const * b = w->blocks[ k ]; b; b = b->next ) if( b->st[ n->id ]&HAS_HEADER && b->proposal_sz ) put_proposal( all, dmg_span( b->proposal, b->proposal_sz ) );
}

static bool is_conflict( dmg_side_t const * a, dmg_side_t const * b ) {
  uint8_t x = dmg_side_vote_kind( a ), y = dmg_side_vote_kind( b );
  dmg_hash_t hx = dmg_side_hash( a ), hy = dmg_side_hash( b );
  if( ( x==DMG_VOTE_NULLIFY )!=( y==DMG_VOTE_NULLIFY ) ) return x==DMG_VOTE_FINALIZE || y==DMG_VOTE_FINALIZE;
  return x!=DMG_VOTE_NULLIFY && !dmg_hash_eq( &hx, &hy );
}

static uint64_t weigh( world_t const * w, uint8_t const bits[ DMG_BITMAP_SZ ], bool * out_has_honest ) {
  dmg_set_t const * set = &w->epochs[ 0 ].set;
  uint64_t sum = 0;
  for( uint32_t i = 0; i<set->cnt; i++ ) {
    if( !( bits[ i/8 ]>>( i%8 )&1 ) ) continue;
    sum += set->members[ i ].weight;
    for( uint8_t k = 0; k<w->node_cnt; k++ ) *out_has_honest |= !w->nodes[ k ].is_byz && signer_of( w, &w->nodes[ k ], 0 )==i;
  }
  return sum;
}

void fork_judge( world_t * w ) {
  sides_t all = { .is_bare = w->cfg.is_bare };
  static dmg_schedule_t sch;
  uint8_t guilty[ DMG_BITMAP_SZ ] = { 0 }, bytes[ DMG_EVIDENCE_SZ_MAX ];
  bool has_honest = false;
  if( !w->is_forked ) return;
  for( uint8_t i = 0; i<w->node_cnt; i++ ) if( !w->nodes[ i ].is_byz ) collect( w, &w->nodes[ i ], &all );
  dmg_schedule_init( &sch, &w->epochs[ 0 ].record.seed, &w->epochs[ 0 ].set );
  dmg_evidence_epoch_t ep = { .keys = sim_keys( w, 0 ), .schedule = &sch, .record = &w->epochs[ 0 ].record, .anchor = w->epochs[ 0 ].anchor };
  for( uint32_t i = 0; i<all.cnt; i++ ) for( uint32_t k = i+1; k<all.cnt; k++ ) {
    uint8_t accused[ DMG_BITMAP_SZ ];
    if( dmg_side_view( &all.at[ i ] )!=dmg_side_view( &all.at[ k ] ) || !is_conflict( &all.at[ i ], &all.at[ k ] ) ) continue;
    dmg_evidence_t e = { .a = all.at[ i ], .b = all.at[ k ] };
    size_t sz = dmg_evidence_encode( &e, bytes, sizeof bytes );
    if( sz && !dmg_evidence_judge( dmg_span( bytes, sz ), &ep, accused ).kind ) for( unsigned j = 0; j<DMG_BITMAP_SZ; j++ ) guilty[ j ] |= accused[ j ];
  }
  uint64_t sum = weigh( w, guilty, &has_honest ), total = w->epochs[ 0 ].record.weight;
  if( has_honest ) fail( w, "I9: stored objects convict an honest validator" );
  if( 3*sum<=total ) fail( w, "I9: a fork, and stored objects convict %lu of %lu", sum, total );
  w->stats[ ST_FORKS ]++;
  w->stats[ ST_TOLD ] += 3*weigh( w, w->told, &has_honest )>total;
  trace( w, "FORK: %u stored objects convict %lu of %lu, what the honest told each other %lu", all.cnt, sum, total, weigh( w, w->told, &has_honest ) );
  free( all.at );
}
