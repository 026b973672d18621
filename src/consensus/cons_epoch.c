/* The end of an epoch and the next instance (C7). */
#include "consensus/cons_int.h"

/* C7.4: silence in e from the moment the handover is held. */
static void finish( cons_t * c, dmg_header_t const * h, dmg_cert_t const * fin ) {
  c->handover_sz   = dmg_handover_encode( h, fin, &c->next_rec, &c->set, &c->next_set, c->handover );
  c->is_done       = true;
  c->boundary_hash = h->kind==DMG_BLOCK_BOUNDARY ? fin->hash : h->body_hash;
  if( c->out ) record( c, DMG_CONS_REC_EPOCH, dmg_span( c->handover, c->handover_sz ), NULL );   /* before the first vote in e+1 (C6.2) */
  dmg_cons_action_t * a = action( c, DMG_CONS_DONE );
  if( a ) { a->done.handover = dmg_span( c->handover, c->handover_sz ); a->done.boundary = c->boundary_hash; }
  dmg_peers_t up = peers_up( c );
  send_frame( c, &up, DMG_FRAME_HANDOVER, dmg_span( c->handover, c->handover_sz ), dmg_span( NULL, 0 ), 0 );
  try_next_epoch( c );
}

void on_final_block( cons_t * c ) {
  if( c->is_done || !c->v_fin ) return;
  blk_t * b = blk_find( c, c->v_fin, &c->fin.hash );
  if( !b ) { if( c->v_fin!=c->base_view ) fetch( c, c->v_fin, &c->fin.hash, c->fin.bitmap ); return; }
  c->fin_height = b->sh.header.height;
  if( b->sh.header.kind!=DMG_BLOCK_NORMAL && c->has_next && c->fin.kind==DMG_VOTE_FINALIZE ) finish( c, &b->sh.header, &c->fin );
}

bool take_handover( cons_t * c, dmg_span_t bytes ) {
  dmg_handover_t h;
  dmg_verdict_t v = dmg_handover_decode( bytes, &h );
  if( v.kind ) {
    /* Who does not know the version stops (C7.4): a newer record cannot be read, so nothing in it can be believed. */
    if( v.kind==DMG_VERDICT_BAD && !strcmp( v.field, "record.version" ) ) alarm_text( c, "a handover of a version that this release does not know", 0, NULL, NULL );
    return false;
  }
  if( h.header.epoch!=c->rec.epoch || c->is_done ) return true;   /* of another epoch: no fault */
  dmg_hash_t hash = dmg_header_hash( &h.header ), next = dmg_record_hash( &h.record );
  dmg_set_t set;
  if( h.header.kind==DMG_BLOCK_NORMAL || h.fin.kind!=DMG_VOTE_FINALIZE || h.fin.view!=h.header.view || !dmg_hash_eq( &h.fin.hash, &hash ) ) return false;
  if( !dmg_hash_eq( &h.header.next_epoch_root, &next ) || h.record.epoch!=c->rec.epoch+1 || dmg_handover_set( &h, &c->set, &set ).kind ) return false;
  if( !dmg_cert_verify( &c->keys, &h.fin ) ) return false;
  if( set.cnt>c->n_max ) { alarm_text( c, "a set larger than this node was configured for", 0, NULL, NULL ); return true; }
  c->next_rec = h.record;
  c->next_set = set;
  c->has_next = true;
  if( h.fin.view>c->v_fin ) (void)take_cert( c, &h.fin, true );
  if( c->is_done || c->rec.epoch!=h.header.epoch ) return true;   /* the certificate finished it, and may have led on */
  finish( c, &h.header, &h.fin );
  return true;
}

void send_handover( cons_t * c, uint16_t peer ) {
  peer_t * p = &c->peers[ peer ];
  if( !c->handover_sz || ( p->handover_us && c->now_us<p->handover_us+RESEND_US ) ) return;   /* C4.9: at most once a second a peer */
  p->handover_us = c->now_us;
  dmg_peers_t one = { 0 };
  one.w[ peer/64 ] |= (uint64_t)1<<( peer%64 );
  send_frame( c, &one, DMG_FRAME_HANDOVER, dmg_span( c->handover, c->handover_sz ), dmg_span( NULL, 0 ), 0 );
}

/* View 1 of e+1 once B is executed: its header and the root after it are what the anchor is. */
void try_next_epoch( cons_t * c ) {
  if( !c->is_done || !c->out ) return;
  blk_t * b = NULL;
  for( uint32_t i = 0; i<EXTRA_CNT && !b; i++ ) if( c->extra[ i ].is_used && dmg_hash_eq( &c->extra[ i ].hash, &c->boundary_hash ) ) b = &c->extra[ i ];
  for( uint32_t i = 0; i<DMG_CONS_RING && !b; i++ ) for( unsigned k = 0; k<2; k++ ) {
    blk_t * x = &c->ring[ i ].blk[ k ];
    if( c->ring[ i ].view && x->is_used && dmg_hash_eq( &x->hash, &c->boundary_hash ) ) b = x;
  }
  if( !b ) {
    uint8_t all[ DMG_BITMAP_SZ ];
    memset( all, 0xff, sizeof all );
    fetch( c, 0, &c->boundary_hash, all );   /* the view of B is not known from a closing header */
    return;
  }
  /* A header that came before its parent's was not judged, and its view is closed now. */
  if( !b->has_root ) { want_state( c, b ); return; }
  c->anchor = (dmg_cons_anchor_t){ .hash = b->hash, .height = b->sh.header.height, .time_ms = b->sh.header.time_ms, .root = b->root };
  c->rec      = c->next_rec;
  c->set      = c->next_set;
  c->has_next = false;
  bool is_loaded = dmg_keys_init( &c->keys, c->cfg.crypto, &c->cfg.chain_id, c->rec.epoch, &c->set );
  if( !is_loaded ) {
    /* Keys enter a set only with a proof of possession (M15.7), so they load; a chain that says otherwise is not ours to follow. */
    alarm_text( c, "a key of the next set does not load", 0, NULL, NULL );
    observe( c, "the next set cannot be loaded" );
    c->me = -1;
    return;
  }
  dmg_schedule_init( &c->schedule, &c->rec.seed, &c->set );
  reset_epoch( c );
  if( c->is_waiting && c->cfg.is_fresh ) raise_from( c, c->anchor.time_ms );   /* the F that was heard */
  observe_by_time( c );   /* who listened may vote again */
  for( uint32_t i = 0; i<DMG_CONS_PEER_MAX; i++ ) c->peers[ i ].has_hello = false;
  if( c->later_cnt ) { replay( c, c->later, c->later_cnt ); c->later_cnt = 0; }
  if( !c->is_waiting ) begin_votes( c );
  dmg_peers_t up = peers_up( c );
  send_hello( c, &up );
  early_replay( c );
}
