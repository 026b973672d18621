/* Judging proposals (C5): what the header says, what the runtime says, and the NOTARIZE or NULLIFY that follows. */
#include "consensus/cons_int.h"

/* --- proposals kept as bytes ------------------------------------------------------------------------------ */

prop_t * prop_find( cons_t * c, uint64_t view, dmg_hash_t const * hash ) {
  for( unsigned i = 0; i<PROP_CNT; i++ ) if( c->props[ i ].view==view && c->props[ i ].sz && dmg_hash_eq( &c->props[ i ].hash, hash ) ) return &c->props[ i ];
  return NULL;
}

static void prop_keep( cons_t * c, uint64_t view, dmg_hash_t const * hash, dmg_span_t bytes ) {
  prop_t * best = prop_find( c, view, hash );
  if( !best ) best = &c->props[ 0 ];
  if( best->view!=view || !dmg_hash_eq( &best->hash, hash ) ) for( unsigned i = 1; i<PROP_CNT; i++ ) if( c->props[ i ].view<best->view ) best = &c->props[ i ];
  DMG_ASSERT( bytes.sz<=PROP_SZ_MAX );
  best->view = view;
  best->hash = *hash;
  best->sz   = bytes.sz;
  memcpy( best->bytes, bytes.p, bytes.sz );
}

/* --- C5.1 ------------------------------------------------------------------------------------------------- */

bool parent_of( cons_t * c, uint64_t parent_view, dmg_hash_t const * hash, parent_t * out ) {
  if( !parent_view ) {
    *out = (parent_t){ .height = c->anchor.height, .time_ms = c->anchor.time_ms, .has_root = true, .root = c->anchor.root };
    return dmg_hash_eq( hash, &c->anchor.hash );
  }
  blk_t * b = blk_find( c, parent_view, hash );
  if( !b ) return false;
  *out = (parent_t){ .height = b->sh.header.height, .time_ms = b->sh.header.time_ms, .has_root = b->has_root, .root = b->root, .kind = b->sh.header.kind, .header = &b->sh.header };
  return true;
}

/* One reveal a window (C3.1): a pairing for the first header, not for the three behind it. */
static bool reveal_verify( cons_t * c, dmg_header_t const * h ) {
  if( c->reveal_seen==window_of( c, h->view )+1 && !memcmp( h->reveal, c->reveal_good, DMG_BLS_SIG_SZ ) ) return true;
  uint8_t msg[ DMG_REVEAL_MSG_SZ ];
  dmg_bls_sig_t sig;
  dmg_bls_key_t const * key = &c->keys.points[ h->leader ];
  dmg_reveal_msg( &c->cfg.chain_id, h->epoch, window_of( c, h->view ), msg );
  if( !c->cfg.crypto->sig_load( h->reveal, &sig ) || !c->cfg.crypto->verify_same( &key, 1, DMG_BLS_REVEAL, DMG_SPAN( msg ), &sig ) ) return false;
  c->reveal_seen = window_of( c, h->view )+1;
  memcpy( c->reveal_good, h->reveal, DMG_BLS_SIG_SZ );
  return true;
}

static bool cert_eq( dmg_cert_t const * a, dmg_cert_t const * b ) {
  return a->kind==b->kind && a->epoch==b->epoch && a->view==b->view && dmg_hash_eq( &a->hash, &b->hash ) && !memcmp( a->bitmap, b->bitmap, DMG_BITMAP_SZ ) && !memcmp( a->sig, b->sig, DMG_BLS_SIG_SZ );
}

/* What the header alone shows: leader, epoch and PROPOSE were checked when it was taken. */
static bool header_is_sound( cons_t * c, dmg_header_t const * h ) {
  dmg_cert_t const * pc = &h->parent_cert;
  if( h->parent_view>=h->view ) return false;
  if( h->parent_view==0 ) {
    if( !dmg_cert_is_zero( pc ) || !dmg_hash_eq( &h->parent_hash, &c->anchor.hash ) ) return false;
  } else {
    if( pc->view!=h->parent_view || !dmg_hash_eq( &pc->hash, &h->parent_hash ) ) return false;
    view_t * s = view_get( c, pc->view );
    dmg_cert_t const * held = s && pc->kind==DMG_VOTE_NOTARIZE && s->has_n ? &s->n : s && pc->kind==DMG_VOTE_FINALIZE && s->has_f ? &s->f : &c->base_cert;
    if( !cert_eq( held, pc ) && !dmg_cert_verify( &c->keys, pc ) ) {
      if( !( MUTANT( c, QUORUM_SHORT ) && dmg_aggregate_verify( &c->keys, pc->kind, pc->view, &pc->hash, pc->bitmap, pc->sig ) ) ) return false;
    }
  }
  if( h->body_len>c->rec.body_max ) return false;
  return reveal_verify( c, h );
}

/* The clauses that need the parent and the records. */
static bool header_follows( cons_t * c, dmg_header_t const * h, parent_t const * p ) {
  if( h->time_ms<=p->time_ms ) return false;
  bool is_closing = h->parent_view>0 && p->kind!=DMG_BLOCK_NORMAL;
  if( is_closing ) {
    dmg_hash_t const * b = p->kind==DMG_BLOCK_BOUNDARY ? &h->parent_hash : &p->header->body_hash;
    return h->kind==DMG_BLOCK_CLOSING && h->height==c->rec.last_height && h->body_len==0 && dmg_hash_eq( &h->body_hash, b ) && dmg_hash_eq( &h->next_epoch_root, &p->header->next_epoch_root );
  }
  if( h->kind==DMG_BLOCK_CLOSING || h->height!=( h->parent_view ? p->height+1 : c->rec.first_height ) ) return false;
  bool is_last = h->height==c->rec.last_height;
  if( ( h->kind==DMG_BLOCK_BOUNDARY )!=is_last ) return false;
  if( !is_last ) return dmg_hash_is_zero( &h->next_epoch_root );
  dmg_hash_t next = dmg_record_hash( &c->next_rec );
  return dmg_hash_eq( &h->next_epoch_root, &next );
}

static void judge_static( cons_t * c, blk_t * b ) {
  dmg_header_t const * h = &b->sh.header;
  if( b->is_cover_bad || !header_is_sound( c, h ) ) { b->stat = STAT_BAD; return; }
  parent_t p;
  if( !parent_of( c, h->parent_view, &h->parent_hash, &p ) ) { fetch( c, h->parent_view, &h->parent_hash, h->parent_cert.bitmap ); return; }   /* a missing part: wait */
  if( h->height==c->rec.last_height && !c->has_next ) return;   /* the record of e+1 comes with our own execution */
  b->stat = header_follows( c, h, &p ) ? STAT_GOOD : STAT_BAD;
}

/* --- C5.3, C4.3 -------------------------------------------------------------------------------------------- */

/* C4.10: E views beyond finality only empty bodies. */
static bool is_too_full( cons_t const * c, dmg_header_t const * h ) {
  return h->view-dmg_min_u64( c->v_fin, h->view )>c->rec.empty_lag && h->body_len>DMG_BODY_EMPTY_SZ;
}

static void invalid( cons_t * c, view_t * s, blk_t * b ) {
  b->is_judged = true;
  detect_header( c, s );
  if( s->view==c->cur ) cast_nullify( c, s->view );
}

static void try_notarize( cons_t * c, view_t * s, blk_t * b ) {
  dmg_header_t const * h = &b->sh.header;
  if( !can_vote( c ) || s->view<=c->v_fin ) return;
  if( s->own[ DMG_VOTE_NOTARIZE ] && !( MUTANT( c, TWO_NOTARIZE ) && !dmg_hash_eq( &s->own_hash[ DMG_VOTE_NOTARIZE ], &b->hash ) ) ) return;
  /* C4.3: never against an own FINALIZE(v,h'); allowed after an own NULLIFY(v). */
  if( s->own[ DMG_VOTE_FINALIZE ] && !dmg_hash_eq( &s->own_hash[ DMG_VOTE_FINALIZE ], &b->hash ) ) return;
  if( s->view!=c->cur && !( s->has_n && dmg_hash_eq( &s->n.hash, &b->hash ) ) ) return;
  if( h->time_ms>c->wall_ms+c->rec.skew_ms ) {   /* a future time: wait */
    c->future_at_us = dmg_min_u64( c->future_at_us, c->now_us+( h->time_ms-c->wall_ms-c->rec.skew_ms )*1000 );
    return;
  }
  if( !prop_find( c, s->view, &b->hash ) ) return;   /* its reasons must be saved with the vote (C6.2) */
  cast_vote( c, s, DMG_VOTE_NOTARIZE, &b->hash );
}

void want_state( cons_t * c, blk_t * b ) {
  dmg_cons_action_t * a = !b->is_asked && b->body!=BODY_INVALID && !b->has_root ? action( c, DMG_CONS_CHECK ) : NULL;
  if( !a ) return;
  b->is_asked = true;
  a->check.header = b->sh.header;
  a->check.hash   = b->hash;
  memcpy( a->check.sig, b->sh.sig, sizeof a->check.sig );
}

static void take_runs( cons_t * c, blk_t * b, dmg_runs_t runs, bool is_trusted );

/* Its runs found no room, as a far view's: its leader does not send them again. */
static void take_runs_again( cons_t * c, blk_t * b ) {
  prop_t * p = prop_find( c, b->sh.header.view, &b->hash );
  dmg_proposal_t d;
  if( p && !dmg_proposal_decode( dmg_span( p->bytes, p->sz ), &d ).kind ) take_runs( c, b, d.runs, false );
}

static void judge( cons_t * c, view_t * s, blk_t * b ) {
  dmg_header_t const * h = &b->sh.header;
  /* What a quorum certified needs no judgement of ours to stand on: only its state is wanted, whatever is known of its parents. */
  bool is_certified = ( s->has_n && dmg_hash_eq( &s->n.hash, &b->hash ) ) || ( s->has_f && dmg_hash_eq( &s->f.hash, &b->hash ) );
  if( is_certified ) want_state( c, b );
  if( s->view<=c->v_fin ) return;
  if( b->stat==STAT_NEW ) judge_static( c, b );
  if( b->stat==STAT_NEW ) return;
  /* C4.10 is true or false at the moment it is judged: finality that comes later does not call the NULLIFY back. */
  if( b->stat==STAT_BAD || b->body==BODY_INVALID || is_too_full( c, h ) ) { invalid( c, s, b ); return; }
  parent_t p;
  if( !parent_of( c, h->parent_view, &h->parent_hash, &p ) ) { fetch( c, h->parent_view, &h->parent_hash, h->parent_cert.bitmap ); return; }
  if( h->kind==DMG_BLOCK_CLOSING ) {
    /* C7.3: no body; the state after it is the state after B. */
    b->body = BODY_VALID;
    if( p.has_root ) { b->has_root = true; b->root = p.root; }
  }
  blk_t * other = &s->blk[ b==&s->blk[ 0 ] ];
  /* Two headers of a view are kept, one body is executed, unless the other one is notarized. */
  bool is_second = other->is_used && ( other->is_asked || other->body!=BODY_NONE ) && !( s->has_n && dmg_hash_eq( &s->n.hash, &b->hash ) );
  if( !is_second ) want_state( c, b );
  if( !p.has_root ) return;   /* an unfinished execution: wait */
  if( !dmg_hash_eq( &h->parent_state_root, &p.root ) ) {
    if( !b->is_judged ) alarm_text( c, "a foreign state root", s->view, &p.root, &h->parent_state_root );   /* log both */
    invalid( c, s, b );
    return;
  }
  if( s->view==c->cur && !is_certified && !b->has_just && !b->prefix && !b->is_working && (int32_t)h->leader!=c->me ) take_runs_again( c, b );
  if( b->body==BODY_VALID && b->has_just ) try_notarize( c, s, b );
  if( b->prefix && !b->has_just && s->view==c->cur && !is_certified ) just_want( c, b );
}

void judge_view( cons_t * c, uint64_t view ) {
  view_t * s = view_get( c, view );
  for( unsigned i = 0; s && i<2; i++ ) if( s->blk[ i ].is_used ) judge( c, s, &s->blk[ i ] );
}

void on_verdict( cons_t * c, dmg_cons_event_t const * ev ) {
  blk_t * b = blk_find( c, ev->verdict.view, &ev->verdict.hash );
  if( !b ) return;
  b->is_asked = false;
  if( ev->verdict.verdict==DMG_CONS_WAIT ) return;   /* asked again when the view is judged next */
  b->body = ev->verdict.verdict==DMG_CONS_VALID ? BODY_VALID : BODY_INVALID;
  if( ev->verdict.has_root ) { b->has_root = true; b->root = ev->verdict.root; }
  uint64_t view = b->sh.header.view;
  judge_view( c, view );
  /* Its children waited for the root. */
  for( uint64_t v = dmg_max_u64( view+1, c->ring_hi>=DMG_CONS_RING ? c->ring_hi-DMG_CONS_RING+1 : 1 ); v<=c->ring_hi; v++ ) {
    view_t * s = view_get( c, v );
    for( unsigned i = 0; s && i<2; i++ ) if( s->blk[ i ].is_used && dmg_hash_eq( &s->blk[ i ].sh.header.parent_hash, &ev->verdict.hash ) ) judge( c, s, &s->blk[ i ] );
  }
  try_next_epoch( c );
}

/* --- taking a proposal ------------------------------------------------------------------------------------- */

/* C2.4: all runs here, canonical, under just_root, each valid: has_just.  A false one under a true root: is_cover_bad.  is_trusted: ours,
   or of our log. */
static void take_runs( cons_t * c, blk_t * b, dmg_runs_t runs, bool is_trusted ) {
  dmg_header_t const * h = &b->sh.header;
  dmg_cover_t  cover = dmg_cover( h->parent_view, h->view );
  dmg_merkle_t tree;
  dmg_run_t    run;
  dmg_span_t   raw;
  bool is_canonical = true;
  dmg_merkle_init( &tree );
  for( dmg_runs_t it = runs; dmg_runs_next( &it, &run, &raw ); ) {
    dmg_hash_t leaf = dmg_run_leaf( raw );
    dmg_merkle_add( &tree, DMG_TAG_JUST_NODE, &leaf );
    is_canonical &= dmg_cover_add( &cover, run.first, dmg_run_last( &run ) );
  }
  dmg_hash_t root = dmg_merkle_end( &tree, DMG_TAG_JUST_NODE );
  bool is_committed = dmg_hash_eq( &root, &h->just_root );
  is_canonical &= dmg_cover_end( &cover );
  if( MUTANT( c, SKIP_WITHOUT_Z ) ) is_canonical = true;
  if( is_trusted ) {
    for( dmg_runs_t it = runs; dmg_runs_next( &it, &run, &raw ); ) take_run( c, &run, true );
    b->has_just = is_committed && is_canonical;
    return;
  }
  if( is_committed && !is_canonical ) { b->is_cover_bad = true; b->stat = STAT_BAD; return; }
  work_t w = { .kind = WORK_PROPOSAL, .is_committed = is_committed, .view = h->view, .hash = b->hash, .left = runs };
  b->prefix = PREFIX_NONE;
  work_add( c, &w );
}

/* Others rest on it: the base's block, the final one, the boundary of an epoch that is over, what was fetched. */
static bool is_asked( cons_t const * c, dmg_hash_t const * hash ) {
  if( dmg_hash_eq( hash, &c->base_hash ) || dmg_hash_eq( hash, &c->fin.hash ) || ( c->is_done && dmg_hash_eq( hash, &c->boundary_hash ) ) ) return true;
  for( unsigned i = 0; i<FETCH_CNT; i++ ) if( dmg_hash_eq( &c->fetches[ i ].hash, hash ) ) return true;
  return false;
}

/* The header's certificates and runs are worth having even if its view is far or its block useless (C4.1). */
bool take_proposal( cons_t * c, dmg_span_t bytes, bool is_own ) {
  dmg_proposal_t p;
  if( dmg_proposal_decode( bytes, &p ).kind ) return false;
  dmg_header_t const * h = &p.header.header;
  if( h->epoch!=c->rec.epoch || !h->view ) return false;
  if( h->leader>=c->keys.n || h->leader!=dmg_schedule_leader( &c->schedule, window_of( c, h->view ) ) ) return false;
  bool is_wanted = is_asked( c, &p.hash );
  if( h->view<=c->v_fin && !is_wanted ) return true;   /* closed */
  blk_t * b = blk_find( c, h->view, &p.hash );
  if( b && ( b->has_just || b->is_cover_bad || b->is_working ) ) return true;
  if( !b && !is_own ) {
    uint8_t msg[ DMG_VOTE_MSG_SZ ];
    dmg_bls_sig_t sig;
    dmg_bls_key_t const * key = &c->keys.points[ h->leader ];
    dmg_vote_msg( DMG_VOTE_PROPOSE, &c->cfg.chain_id, h->epoch, h->view, &p.hash, msg );
    if( !c->cfg.crypto->sig_load( p.header.sig, &sig ) || !c->cfg.crypto->verify_same( &key, 1, DMG_BLS_VOTE, DMG_SPAN( msg ), &sig ) ) return false;
  }
  if( p.fin.view && !take_cert( c, &p.fin, is_own ) ) c->bad_frames++;
  /* A stolen certificate is no fault of the parent's; that the header carries a false one is judged by C5.1. */
  if( h->parent_view && h->parent_cert.view==h->parent_view ) (void)take_cert( c, &h->parent_cert, is_own );
  if( c->rec.epoch!=h->epoch ) return true;   /* its F ended the epoch */
  b = blk_find( c, h->view, &p.hash );        /* the ring may have moved */
  if( !b ) {
    view_t * s = h->view<=window_end( c, c->cur )+(uint64_t)2*c->rec.window ? view_touch( c, h->view ) : NULL;
    if( s ) for( unsigned i = 0; i<2 && !b; i++ ) if( !s->blk[ i ].is_used ) b = &s->blk[ i ];
    /* Two headers of a view are kept; a third, or one below the ring, only if others rest on it. */
    if( !b && is_wanted ) b = blk_keep( c );
    if( !b ) { c->drops++; return true; }
    *b = (blk_t){ .is_used = true, .hash = p.hash, .sh = p.header };
    prop_keep( c, h->view, &p.hash, bytes );
    if( s && s->blk[ 0 ].is_used && s->blk[ 1 ].is_used ) detect_header( c, s );
  }
  else if( b->prefix ) {
    /* Again, and with more of its runs than whoever sent it first gave us: the leader signs none of them. */
    prop_t const * had = prop_find( c, h->view, &p.hash );
    if( had && had->sz>=bytes.sz ) return true;
    prop_keep( c, h->view, &p.hash, bytes );
  }
  dmg_hash_t hash = b->hash;
  uint64_t   view = h->view;
  take_runs( c, b, p.runs, is_own );
  advance( c );
  b = blk_find( c, view, &hash );
  if( !b ) return true;
  view_t * s = view_get( c, view );
  if( s && ( b==&s->blk[ 0 ] || b==&s->blk[ 1 ] ) ) {
    if( view<=c->cur || s->has_n ) judge( c, s, b );
    else if( b->stat==STAT_NEW ) judge_static( c, b );
  } else want_state( c, b );   /* outside the ring: others rest on it */
  if( c->is_done && dmg_hash_eq( &hash, &c->boundary_hash ) ) { try_next_epoch( c ); return true; }
  /* Whoever waited for it as a parent. */
  judge_view( c, c->cur );
  if( view==c->v_fin ) on_final_block( c );
  return true;
}
