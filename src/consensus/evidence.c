#include "consensus/evidence.h"

/* Signers a side speaks for; false: it does not verify.  A Cert or run needs no quorum to convict, only its signature. */
static bool side_signers( dmg_side_t const * s, dmg_keys_t const * k, uint8_t out[ DMG_BITMAP_SZ ] ) {
  memset( out, 0, DMG_BITMAP_SZ );
  if( s->kind==DMG_SIDE_VOTE ) {
    if( !dmg_vote_stored_verify( k, &s->vote ) ) return false;
    out[ s->vote.signer/8 ] |= (uint8_t)( 1u<<s->vote.signer%8 );
    return true;
  }
  if( s->kind==DMG_SIDE_CERT ) {
    if( !dmg_aggregate_verify( k, s->cert.kind, s->cert.view, &s->cert.hash, s->cert.bitmap, s->cert.sig ) ) return false;
    memcpy( out, s->cert.bitmap, DMG_BITMAP_SZ );
    return true;
  }
  if( !dmg_run_verify( k, &s->run ) ) return false;
  memcpy( out, s->run.bitmaps[ s->run_view-s->run.first ], DMG_BITMAP_SZ );
  return true;
}

static bool is_pair( uint8_t a, uint8_t b, bool hashes_differ ) {
  if( a==DMG_VOTE_NULLIFY  && b==DMG_VOTE_FINALIZE ) return true;                       /* E2 */
  if( !hashes_differ ) return false;
  return ( a==DMG_VOTE_NOTARIZE && b==DMG_VOTE_NOTARIZE )                                /* E1 */
      || ( a==DMG_VOTE_FINALIZE && ( b==DMG_VOTE_FINALIZE || b==DMG_VOTE_NOTARIZE ) )   /* E3 */
      || ( a==DMG_VOTE_PROPOSE  && b==DMG_VOTE_PROPOSE );                                /* E4 */
}

/* Two places of a tree are neighbours: below the node where they part, the left path is always rightmost, the right one leftmost (C2.4).
   Levels are counted from the root, as an odd node rises without a step. */
static bool are_neighbours( dmg_merkle_path_t const * l, dmg_merkle_path_t const * r ) {
  uint32_t i = 0;
  while( i<l->cnt && i<r->cnt && l->steps[ l->cnt-1-i ].is_left==r->steps[ r->cnt-1-i ].is_left ) i++;
  if( i>=l->cnt || i>=r->cnt || l->steps[ l->cnt-1-i ].is_left || !r->steps[ r->cnt-1-i ].is_left ) return false;
  for( uint32_t j = i+1; j<l->cnt; j++ ) if( !l->steps[ l->cnt-1-j ].is_left ) return false;
  for( uint32_t j = i+1; j<r->cnt; j++ ) if( r->steps[ r->cnt-1-j ].is_left )  return false;
  return true;
}
static bool is_first( dmg_merkle_path_t const * p ) { for( uint32_t i = 0; i<p->cnt; i++ ) if( p->steps[ i ].is_left ) return false; return true; }
static bool is_last ( dmg_merkle_path_t const * p ) { for( uint32_t i = 0; i<p->cnt; i++ ) if( !p->steps[ i ].is_left ) return false; return true; }

static bool is_opened( dmg_opening_t const * o, dmg_hash_t const * root ) {
  dmg_hash_t got = dmg_merkle_climb( DMG_TAG_JUST_NODE, &o->leaf, &o->path );
  return dmg_hash_eq( &got, root );
}

/* A false cover shows in the first leaf, the last leaf, or two neighbours; a false run in itself. */
static bool cover_is_false( dmg_evidence_t const * e, dmg_keys_t const * k ) {
  dmg_header_t const * h = &e->header;
  bool has_gap = h->view!=h->parent_view+1;
  if( has_gap==dmg_hash_is_zero( &h->just_root ) ) return true;   /* runs where none belong, or none where some do */
  for( uint32_t i = 0; i<e->opening_cnt; i++ ) if( !is_opened( &e->openings[ i ], &h->just_root ) ) return false;
  if( e->opening_cnt==2 ) {
    dmg_opening_t const * l = &e->openings[ 0 ], * r = &e->openings[ 1 ];
    if( !are_neighbours( &l->path, &r->path ) ) return false;
    return r->run.first<=l->run.first || dmg_run_last( &r->run )<=dmg_run_last( &l->run ) || r->run.first>dmg_run_last( &l->run )+1;
  }
  if( !e->opening_cnt ) return false;
  dmg_opening_t const * o = &e->openings[ 0 ];
  uint64_t last = dmg_run_last( &o->run );
  if( is_first( &o->path ) && o->run.first>h->parent_view+1 ) return true;
  if( is_last ( &o->path ) && last!=h->view-1 ) return true;
  if( last<=h->parent_view || last>=h->view ) return true;
  return !dmg_run_verify( k, &o->run );
}

static bool reveal_is_good( dmg_header_t const * h, dmg_evidence_epoch_t * ep ) {
  uint8_t msg[ DMG_REVEAL_MSG_SZ ];
  dmg_bls_sig_t sig;
  dmg_keys_t const * k = ep->keys;
  dmg_reveal_msg( &k->chain_id, h->epoch, ( h->view-1 )/ep->record->window, msg );
  dmg_bls_key_t const * key = &k->points[ h->leader ];
  return k->crypto->sig_load( h->reveal, &sig ) && k->crypto->verify_same( &key, 1, DMG_BLS_REVEAL, DMG_SPAN( msg ), &sig );
}

/* Any clause of C5.1 that header and parent decide is false.  parent_state_root never is one. */
static bool header_is_false( dmg_evidence_t const * e, dmg_evidence_epoch_t * ep ) {
  dmg_header_t const * h = &e->header;
  dmg_keys_t const * k = ep->keys;
  if( h->epoch!=k->epoch || !h->view ) return true;
  if( h->leader>=k->n || h->leader!=dmg_schedule_leader( ep->schedule, ( h->view-1 )/ep->record->window ) ) return true;
  if( h->parent_view>=h->view || h->body_len>ep->record->body_max || !reveal_is_good( h, ep ) ) return true;
  bool is_anchored = h->parent_view==0;
  if( is_anchored!=dmg_cert_is_zero( &h->parent_cert ) || is_anchored!=dmg_hash_eq( &h->parent_hash, &ep->anchor.hash ) ) return true;
  if( !is_anchored && ( h->parent_cert.view!=h->parent_view || !dmg_hash_eq( &h->parent_cert.hash, &h->parent_hash ) || !dmg_cert_verify( k, &h->parent_cert ) ) ) return true;
  if( cover_is_false( e, k ) ) return true;
  /* The parent: given and the one named, or the anchor. */
  bool has_parent = e->has_parent && !is_anchored && dmg_hash_eq( &e->parent_hash, &h->parent_hash );
  if( !is_anchored && !has_parent ) return false;
  dmg_header_t const * p = &e->parent;
  if( h->time_ms<=( is_anchored ? ep->anchor.time_ms : p->time_ms ) ) return true;
  if( !is_anchored && p->kind!=DMG_BLOCK_NORMAL ) {
    dmg_hash_t const * b = p->kind==DMG_BLOCK_BOUNDARY ? &h->parent_hash : &p->body_hash;
    return h->kind!=DMG_BLOCK_CLOSING || h->height!=ep->record->last_height || h->body_len || !dmg_hash_eq( &h->body_hash, b ) || !dmg_hash_eq( &h->next_epoch_root, &p->next_epoch_root );
  }
  if( h->kind==DMG_BLOCK_CLOSING || h->height!=( is_anchored ? ep->record->first_height : p->height+1 ) ) return true;
  bool is_last_height = h->height==ep->record->last_height;
  if( ( h->kind==DMG_BLOCK_BOUNDARY )!=is_last_height ) return true;
  if( !is_last_height ) return !dmg_hash_is_zero( &h->next_epoch_root );
  return ep->next_root && !dmg_hash_eq( &h->next_epoch_root, ep->next_root );
}

dmg_verdict_t dmg_evidence_judge( dmg_span_t bytes, dmg_evidence_epoch_t * ep, uint8_t out_accused[ DMG_BITMAP_SZ ] ) {
  dmg_evidence_t e;
  dmg_verdict_t v = dmg_evidence_decode( bytes, &e );
  if( v.kind ) return v;
  uint8_t a[ DMG_BITMAP_SZ ], b[ DMG_BITMAP_SZ ];
  if( dmg_side_epoch( &e.a )!=ep->keys->epoch ) return dmg_verdict_bad( "side", "of another epoch", 0 );
  dmg_hash_t ha = dmg_side_hash( &e.a );
  if( e.kind==1 ) {
    /* E5: a NOTARIZE of a header with a false clause. */
    if( dmg_side_vote_kind( &e.a )!=DMG_VOTE_NOTARIZE || dmg_side_view( &e.a )!=e.header.view || !dmg_hash_eq( &ha, &e.header_hash ) ) return dmg_verdict_bad( "side", "no NOTARIZE of the header", 0 );
    if( !header_is_false( &e, ep ) )              return dmg_verdict_bad( "header", "not shown to be false", 0 );
    if( !side_signers( &e.a, ep->keys, a ) )      return dmg_verdict_bad( "side", "a signature that does not hold", 0 );
    memcpy( out_accused, a, DMG_BITMAP_SZ );
    return dmg_verdict_good();
  }
  dmg_hash_t hb = dmg_side_hash( &e.b );
  uint8_t ka = dmg_side_vote_kind( &e.a ), kb = dmg_side_vote_kind( &e.b );
  bool differ = !dmg_hash_eq( &ha, &hb );
  if( dmg_side_epoch( &e.b )!=ep->keys->epoch || dmg_side_view( &e.a )!=dmg_side_view( &e.b ) ) return dmg_verdict_bad( "side", "of another epoch or view", 0 );
  if( !is_pair( ka, kb, differ ) && !is_pair( kb, ka, differ ) )                                  return dmg_verdict_bad( "side", "two votes that may both be cast", 0 );
  if( !side_signers( &e.a, ep->keys, a ) || !side_signers( &e.b, ep->keys, b ) )                  return dmg_verdict_bad( "side", "a signature that does not hold", 0 );
  bool is_any = false;
  for( unsigned i = 0; i<DMG_BITMAP_SZ; i++ ) { a[ i ] &= b[ i ]; is_any |= a[ i ]!=0; }
  if( !is_any ) return dmg_verdict_bad( "side", "no common signer", 0 );
  memcpy( out_accused, a, DMG_BITMAP_SZ );
  return dmg_verdict_good();
}
