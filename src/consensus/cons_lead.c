/* Proposing (C4.2): reveal, base, pace, body, header, SAVE. */
#include "consensus/cons_int.h"

void on_reveal( cons_t * c, uint8_t const sig[ DMG_BLS_SIG_SZ ] ) {
  memcpy( c->reveal, sig, DMG_BLS_SIG_SZ );
  c->has_reveal = true;
}

/* T' = T (3/2)^max(0, lag-8), at most 10 s and a third of the cap. */
static uint64_t pace_us( cons_t const * c ) {
  uint64_t lag = lag_of( c );
  return backoff( (uint64_t)c->rec.pace_ms*1000, lag>8 ? lag-8 : 0, dmg_min_u64( 10000000u, (uint64_t)c->rec.cap_ms*1000/3 ) );
}

/* The header on the highest base; body_hash and body_len are the caller's. */
static void propose( cons_t * c, parent_t const * p, dmg_hash_t const * body_hash, uint32_t body_len ) {
  static dmg_hash_t const zero;
  bool is_closing = c->base_view>0 && p->kind!=DMG_BLOCK_NORMAL;
  uint64_t height = is_closing ? c->rec.last_height : c->base_view ? p->height+1 : c->rec.first_height;
  dmg_signed_header_t sh = { .header = { .version = DMG_BLOCK_VERSION, .leader = (uint16_t)c->me, .epoch = c->rec.epoch, .view = c->cur, .height = height, .parent_hash = c->base_hash,
    .parent_view = c->base_view, .parent_cert = c->base_cert, .body_hash = *body_hash, .body_len = body_len, .parent_state_root = p->root,
    .time_ms = dmg_max_u64( c->wall_ms, p->time_ms+1 ) } };
  dmg_header_t * h = &sh.header;
  h->kind = is_closing ? DMG_BLOCK_CLOSING : height==c->rec.last_height ? DMG_BLOCK_BOUNDARY : DMG_BLOCK_NORMAL;
  h->next_epoch_root = is_closing ? p->header->next_epoch_root : h->kind==DMG_BLOCK_BOUNDARY ? dmg_record_hash( &c->next_rec ) : zero;
  memcpy( h->reveal, c->reveal, DMG_BLS_SIG_SZ );

  /* C2.4: the cover, greedy and so canonical; the longest prefix that fits travels along. */
  dmg_merkle_t tree;
  dmg_merkle_init( &tree );
  uint8_t * runs = c->draft+DMG_PROPOSAL_HEAD_MAX;
  size_t   runs_sz = 0;
  uint32_t run_cnt = 0;
  bool     is_prefix = false;
  for( uint64_t v = c->base_view+1; v<c->cur; ) {
    held_run_t * hr = run_at( c, v );
    if( !hr ) break;   /* only mutants come here */
    uint8_t b[ DMG_RUN_SZ_MAX ];
    size_t  sz = dmg_run_encode( &hr->run, b );
    dmg_hash_t leaf = dmg_run_leaf( dmg_span( b, sz ) );
    dmg_merkle_add( &tree, DMG_TAG_JUST_NODE, &leaf );
    is_prefix |= runs_sz+sz>c->prefix_sz;
    if( !is_prefix ) { memcpy( runs+runs_sz, b, sz ); runs_sz += sz; run_cnt++; }
    v = dmg_run_last( &hr->run )+1;
  }
  h->just_root = dmg_merkle_end( &tree, DMG_TAG_JUST_NODE );

  uint8_t frame[ DMG_PROPOSAL_HEAD_MAX ];
  size_t  head_sz = dmg_proposal_head( &sh, &c->fin, run_cnt, frame );
  uint8_t * bytes = runs-head_sz;
  memcpy( bytes, frame, head_sz );
  dmg_hash_t hash = dmg_header_hash( h );
  view_t * s = view_get( c, c->cur );
  DMG_ASSERT( s );
  if( !take_proposal( c, dmg_span( bytes, head_sz+runs_sz ), true ) ) return;
  blk_t * b = blk_find( c, h->view, &hash );
  if( !b ) return;
  if( is_prefix ) just_own( c, h, &hash );
  b->has_just = true;   /* they are what we hold */
  /* PROPOSE and NOTARIZE share one sync: what we built is valid, on a root of our own; CHECK only asks for the root after it. */
  if( !s->own[ DMG_VOTE_PROPOSE ] ) cast_vote( c, s, DMG_VOTE_PROPOSE, &hash );
  if( b->body!=BODY_INVALID ) b->body = BODY_VALID;
  judge_view( c, h->view );
}

/* A body belongs to the parent it was built on: an N that comes meanwhile raises the base of the same view, and a body built below it would be one that we sign,
   and others find invalid. */
static bool is_building( cons_t const * c ) { return c->build_view==c->cur && dmg_hash_eq( &c->build_parent, &c->base_hash ); }

void lead( cons_t * c ) {
  c->propose_at_us = NEVER;
  if( !can_vote( c ) || dmg_schedule_leader( &c->schedule, window_of( c, c->cur ) )!=(uint32_t)c->me ) return;
  view_t * s = view_touch( c, c->cur );
  if( !s || s->own[ DMG_VOTE_PROPOSE ] || s->own[ DMG_VOTE_NULLIFY ] || is_building( c ) ) return;
  uint64_t k = window_of( c, c->cur );
  if( c->reveal_window!=k+1 ) {
    dmg_hash_t zero = { 0 };
    c->reveal_window = k+1;
    c->has_reveal    = false;
    c->reveal_id     = ask_signature( c, DMG_CONS_SIGN_REVEAL, k, &zero );
  }
  parent_t p;
  if( !c->has_reveal || !parent_of( c, c->base_view, &c->base_hash, &p ) || !p.has_root ) return;
  /* Earliest: parent's time + T' on the wall, but at most T' after entering. */
  uint64_t t = pace_us( c ), from_wall = c->now_us;
  if( p.time_ms+t/1000>c->wall_ms ) from_wall += ( p.time_ms+t/1000-c->wall_ms )*1000;
  c->propose_at_us = dmg_min_u64( c->entered_us+t, from_wall );
  if( c->now_us<c->propose_at_us ) return;
  c->propose_at_us = NEVER;
  bool is_closing = c->base_view>0 && p.kind!=DMG_BLOCK_NORMAL;
  uint64_t height = c->base_view ? p.height+1 : c->rec.first_height;
  if( is_closing ) {
    dmg_hash_t body = p.kind==DMG_BLOCK_BOUNDARY ? c->base_hash : p.header->body_hash;
    c->build_view   = c->cur;
    c->build_parent = c->base_hash;
    propose( c, &p, &body, 0 );
    return;
  }
  if( height==c->rec.last_height && !c->has_next ) return;
  dmg_cons_action_t * a = action( c, DMG_CONS_BUILD );
  c->build_view        = c->cur;
  c->build_parent      = c->base_hash;
  c->build_id          = c->next_id++;
  a->build.id          = c->build_id;
  a->build.view        = c->cur;
  a->build.height      = height;
  a->build.parent      = c->base_hash;
  a->build.parent_view = c->base_view;
  a->build.is_empty    = c->cur-c->v_fin>c->rec.empty_lag;   /* C4.10 */
}

void on_built( cons_t * c, dmg_cons_event_t const * ev ) {
  if( ev->built.id!=c->build_id || !is_building( c ) || !can_vote( c ) || !ev->built.is_ok ) return;
  c->build_id = 0;
  view_t * s = view_touch( c, c->cur );
  parent_t p;
  if( !s || s->own[ DMG_VOTE_PROPOSE ] || s->own[ DMG_VOTE_NULLIFY ] ) return;
  if( !parent_of( c, c->base_view, &c->base_hash, &p ) || !p.has_root ) return;
  propose( c, &p, &ev->built.body_hash, ev->built.body_len );
}
