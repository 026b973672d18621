/* Evidence seen while voting (C9.1, C9.5): each vote and certificate against the first seen for its view. */
#include "consensus/cons_int.h"
#include "consensus/evidence.h"

/* Whom a side speaks for, if it holds. */
static void side_bits( dmg_side_t const * s, uint8_t out[ DMG_BITMAP_SZ ] ) {
  memset( out, 0, DMG_BITMAP_SZ );
  if( s->kind==DMG_SIDE_CERT )     memcpy( out, s->cert.bitmap, DMG_BITMAP_SZ );
  else if( s->kind==DMG_SIDE_RUN ) memcpy( out, s->run.bitmaps[ s->run_view-s->run.first ], DMG_BITMAP_SZ );
  else if( s->vote.signer<DMG_SET_MAX ) bit_set( out, s->vote.signer );
}

/* Does it accuse anybody who was not told of in this epoch?  One proof is all that a validator can be slashed for (C8), so n of them bound what is kept, and what others can
   have us verify. */
static bool is_news( cons_t const * c, dmg_evidence_t const * e ) {
  uint8_t a[ DMG_BITMAP_SZ ], b[ DMG_BITMAP_SZ ];
  bool is_any = false;
  side_bits( &e->a, a );
  if( !e->kind ) side_bits( &e->b, b );
  for( unsigned i = 0; i<DMG_BITMAP_SZ; i++ ) is_any |= ( a[ i ]&( e->kind ? 0xff : b[ i ] )&~c->accused[ i ] )!=0;
  return is_any;
}

static void note( cons_t * c, uint8_t const accused[ DMG_BITMAP_SZ ] ) { for( unsigned i = 0; i<DMG_BITMAP_SZ; i++ ) c->accused[ i ] |= accused[ i ]; }

static void tell( cons_t * c, dmg_evidence_t const * e ) {
  if( !c->out || DMG_EVIDENCE_SZ_MAX>FRAMES_SZ-c->frames_sz || !is_news( c, e ) ) return;
  uint8_t * p = c->frames+c->frames_sz, a[ DMG_BITMAP_SZ ], b[ DMG_BITMAP_SZ ];
  size_t sz = dmg_evidence_encode( e, p, DMG_EVIDENCE_SZ_MAX );
  dmg_cons_action_t * act = sz ? action( c, DMG_CONS_EVIDENCE ) : NULL;
  if( !act ) return;
  c->frames_sz += sz;
  act->evidence.bytes = dmg_span( p, sz );
  side_bits( &e->a, a );
  if( !e->kind ) { side_bits( &e->b, b ); for( unsigned i = 0; i<DMG_BITMAP_SZ; i++ ) a[ i ] &= b[ i ]; }
  note( c, a );
}

/* What others say against validators: judged before it goes anywhere, as it is kept on disk. */
static dmg_verdict_t weigh( cons_t * c, dmg_evidence_t const * e, dmg_span_t bytes, uint8_t out_accused[ DMG_BITMAP_SZ ] ) {
  /* Of another epoch, of nobody new, or by a clause that is not decidable here yet: no fault of the sender's. */
  if( dmg_side_epoch( &e->a )!=c->rec.epoch )                                  return dmg_verdict_local( DMG_ERR_NOT_FOUND );
  if( !is_news( c, e ) )                                                       return dmg_verdict_local( DMG_ERR_EXISTS );
  if( e->kind && e->header.kind==DMG_BLOCK_BOUNDARY && !c->has_next )          return dmg_verdict_local( DMG_ERR_AGAIN );
  dmg_hash_t next = dmg_record_hash( &c->next_rec );
  dmg_evidence_epoch_t ep = { .keys = &c->keys, .schedule = &c->schedule, .record = &c->rec, .next_root = c->has_next ? &next : NULL, .anchor = c->anchor };
  return dmg_evidence_judge( bytes, &ep, out_accused );
}

dmg_verdict_t dmg_cons_take_evidence( dmg_cons_t * c, dmg_span_t bytes ) {
  dmg_evidence_t e;
  uint8_t accused[ DMG_BITMAP_SZ ];
  dmg_verdict_t v = dmg_evidence_decode( bytes, &e );
  if( !v.kind ) v = weigh( c, &e, bytes, accused );
  if( !v.kind ) note( c, accused );
  return v;
}

bool take_evidence( cons_t * c, uint16_t peer, dmg_span_t bytes ) {
  dmg_evidence_t e;
  uint8_t accused[ DMG_BITMAP_SZ ];
  if( dmg_evidence_decode( bytes, &e ).kind ) return false;
  dmg_verdict_t v = weigh( c, &e, bytes, accused );
  if( v.kind==DMG_VERDICT_LOCAL ) { c->drops++; return true; }
  if( v.kind ) { peer_lied( c, peer ); return true; }
  dmg_cons_action_t * a = action( c, DMG_CONS_EVIDENCE );
  if( !a ) return true;
  a->evidence.bytes = bytes;
  note( c, accused );
  return true;
}

static bool side_of( cons_t * c, uint8_t kind, uint64_t view, uint32_t signer, dmg_hash_t const * hash, uint8_t const raw[ DMG_BLS_SIG_RAW_SZ ], dmg_side_t * out ) {
  dmg_bls_sig_t sig;
  if( !c->cfg.crypto->sig_load_raw( raw, &sig ) ) return false;
  out->kind = DMG_SIDE_VOTE;
  out->vote = (dmg_vote_stored_t){ .kind = kind, .epoch = c->rec.epoch, .view = view, .hash = *hash, .signer = (uint16_t)signer };
  c->cfg.crypto->sig_store( &sig, out->vote.sig );
  return dmg_vote_stored_verify( &c->keys, &out->vote );
}

/* The slot's vote against another: both must verify singly before anyone is accused. */
static void pair( cons_t * c, view_t * s, uint8_t slot_kind, uint32_t signer, uint8_t kind, dmg_hash_t const * hash, uint8_t const raw[ DMG_BLS_SIG_RAW_SZ ] ) {
  if( bit_get( s->accused, signer ) ) return;
  dmg_evidence_t e = { 0 };
  slot_t const * slot = slot_of( c, s, slot_kind, signer );
  if( !slot_verify( c, s, slot_kind, signer ) || !side_of( c, slot_kind, s->view, signer, &slot->hash, slot->sig, &e.a ) ) return;
  bit_set( s->accused, signer );   /* once a view, also when the second is a lie: two checks a signer and view bound the work */
  if( !side_of( c, kind, s->view, signer, hash, raw, &e.b ) ) return;
  tell( c, &e );
}

void detect_vote( cons_t * c, view_t * s, uint8_t kind, uint32_t signer, dmg_hash_t const * hash, uint8_t const sig[ DMG_BLS_SIG_RAW_SZ ] ) {
  slot_t const * n = slot_of( c, s, DMG_VOTE_NOTARIZE, signer ), * z = slot_of( c, s, DMG_VOTE_NULLIFY, signer ), * f = slot_of( c, s, DMG_VOTE_FINALIZE, signer );
  if( kind==DMG_VOTE_NOTARIZE && n->state && !dmg_hash_eq( &n->hash, hash ) ) pair( c, s, DMG_VOTE_NOTARIZE, signer, kind, hash, sig );   /* E1 */
  if( kind==DMG_VOTE_FINALIZE && f->state && !dmg_hash_eq( &f->hash, hash ) ) pair( c, s, DMG_VOTE_FINALIZE, signer, kind, hash, sig );   /* E3 */
  if( kind==DMG_VOTE_NOTARIZE && f->state && !dmg_hash_eq( &f->hash, hash ) ) pair( c, s, DMG_VOTE_FINALIZE, signer, kind, hash, sig );   /* E3 */
  if( kind==DMG_VOTE_FINALIZE && n->state && !dmg_hash_eq( &n->hash, hash ) ) pair( c, s, DMG_VOTE_NOTARIZE, signer, kind, hash, sig );   /* E3 */
  if( kind==DMG_VOTE_FINALIZE && z->state ) pair( c, s, DMG_VOTE_NULLIFY,  signer, kind, hash, sig );                                      /* E2 */
  if( kind==DMG_VOTE_NULLIFY  && f->state ) pair( c, s, DMG_VOTE_FINALIZE, signer, kind, hash, sig );                                      /* E2 */
  if( kind!=DMG_VOTE_NOTARIZE ) return;
  for( unsigned i = 0; i<2; i++ ) if( s->blk[ i ].is_used && s->blk[ i ].stat==STAT_BAD && dmg_hash_eq( &s->blk[ i ].hash, hash ) ) detect_header( c, s );
}

/* Two certificates, or one and what is held: the signers common to both. */
static void pair_sides( cons_t * c, dmg_side_t const * a, dmg_side_t const * b ) {
  dmg_evidence_t e = { .a = *a, .b = *b };
  tell( c, &e );
}

static bool null_side( cons_t * c, uint64_t view, dmg_side_t * out ) {
  held_run_t * h = run_at( c, view );
  if( !h ) return false;
  out->kind     = DMG_SIDE_RUN;
  out->run      = h->run;
  out->run_view = view;
  return true;
}

void detect_cert( cons_t * c, view_t * s, dmg_cert_t const * cert ) {
  dmg_side_t a = { .kind = DMG_SIDE_CERT, .cert = *cert }, b = { .kind = DMG_SIDE_CERT };
  if( s->has_n && !dmg_hash_eq( &s->n.hash, &cert->hash ) ) { b.cert = s->n; pair_sides( c, &a, &b ); }
  if( s->has_f && !dmg_hash_eq( &s->f.hash, &cert->hash ) ) { b.cert = s->f; pair_sides( c, &a, &b ); }
  if( cert->kind==DMG_VOTE_FINALIZE && null_side( c, cert->view, &b ) ) { alarm_text( c, "a view finalized and nullified", cert->view, &cert->hash, NULL ); pair_sides( c, &a, &b ); }
  /* Single votes of the view against the signers in the certificate. */
  for( uint32_t i = 0; i<c->keys.n; i++ ) {
    if( !bit_get( cert->bitmap, i ) || bit_get( s->accused, i ) ) continue;
    for( uint8_t kind = 0; kind<3; kind++ ) {
      slot_t const * slot = slot_of( c, s, kind, i );
      bool differ = !dmg_hash_eq( &slot->hash, &cert->hash );
      bool is_conflict = cert->kind==DMG_VOTE_FINALIZE ? kind==DMG_VOTE_NULLIFY || differ : kind!=DMG_VOTE_NULLIFY && differ;
      if( slot->state==SLOT_EMPTY || !is_conflict || !slot_verify( c, s, kind, i ) ) continue;
      if( !side_of( c, kind, s->view, i, &slot->hash, slot->sig, &b ) ) continue;
      bit_set( s->accused, i );
      pair_sides( c, &a, &b );
      break;
    }
  }
}

/* A run against FINALIZE votes held, singly or as F. */
void detect_null( cons_t * c, dmg_run_t const * run ) {
  for( uint32_t e = 0; e<run->cnt; e++ ) {
    view_t * s = view_get( c, run->first+e );
    if( !s ) continue;
    dmg_side_t a = { .kind = DMG_SIDE_RUN, .run = *run, .run_view = s->view }, b = { .kind = DMG_SIDE_CERT, .cert = s->f };
    if( s->has_f ) { alarm_text( c, "a view finalized and nullified", s->view, &s->f.hash, NULL ); pair_sides( c, &a, &b ); }
    for( uint32_t i = 0; i<c->keys.n; i++ ) {
      slot_t const * slot = slot_of( c, s, DMG_VOTE_FINALIZE, i );
      if( slot->state==SLOT_EMPTY || !bit_get( run->bitmaps[ e ], i ) || bit_get( s->accused, i ) || !slot_verify( c, s, DMG_VOTE_FINALIZE, i ) ) continue;
      if( !side_of( c, DMG_VOTE_FINALIZE, s->view, i, &slot->hash, slot->sig, &b ) ) continue;
      bit_set( s->accused, i );
      pair_sides( c, &a, &b );
    }
  }
}

static dmg_side_t propose_side( cons_t * c, blk_t const * b ) {
  dmg_side_t s = { .kind = DMG_SIDE_VOTE, .vote = { .kind = DMG_VOTE_PROPOSE, .epoch = c->rec.epoch, .view = b->sh.header.view, .hash = b->hash, .signer = b->sh.header.leader } };
  memcpy( s.vote.sig, b->sh.sig, DMG_BLS_SIG_SZ );
  return s;
}

/* --- E5 by runs (C2.4): a false cover shows in the first leaf, the last, or two neighbours; a false run in itself --- */

/* Leaf i of the runs, with its path. */
static void open_leaf( cons_t * c, dmg_runs_t runs, uint32_t i, dmg_evidence_t * e ) {
  dmg_opening_t * o = &e->openings[ e->opening_cnt++ ];
  dmg_hash_t * hashes = (dmg_hash_t *)(void *)c->scratch;   /* of 727 leaves at most: 77 bytes a run */
  dmg_run_t  run;
  dmg_span_t raw;
  uint32_t cnt = 0;
  while( dmg_runs_next( &runs, &run, &raw ) ) {
    hashes[ cnt ] = dmg_run_leaf( raw );
    if( cnt==i ) { o->run = run; o->leaf = hashes[ cnt ]; }
    cnt++;
  }
  dmg_merkle_path( DMG_TAG_JUST_NODE, hashes, cnt, i, &o->path );
}

/* false: nothing that we hold shows it. */
static bool open_cover( cons_t * c, blk_t const * b, dmg_evidence_t * e ) {
  dmg_header_t const * h = &b->sh.header;
  if( ( h->view!=h->parent_view+1 )==dmg_hash_is_zero( &h->just_root ) ) return true;   /* the header alone does */
  prop_t * p = prop_find( c, h->view, &b->hash );
  dmg_proposal_t d;
  if( !p || dmg_proposal_decode( dmg_span( p->bytes, p->sz ), &d ).kind || d.runs.cnt>( DMG_RUNS_SZ_MAX/DMG_RUN_SZ( 1 ) ) ) return false;
  dmg_cover_t cover = dmg_cover( h->parent_view, h->view );
  dmg_run_t  run;
  dmg_span_t raw;
  uint32_t i = 0;
  for( dmg_runs_t at = d.runs; dmg_runs_next( &at, &run, &raw ); i++ ) {
    if( !dmg_cover_add( &cover, run.first, dmg_run_last( &run ) ) ) {
      bool is_alone = !i || dmg_run_last( &run )<=h->parent_view || dmg_run_last( &run )>=h->view;
      if( !is_alone ) open_leaf( c, d.runs, i-1, e );
      open_leaf( c, d.runs, i, e );
      return true;
    }
    dmg_hash_t leaf = dmg_run_leaf( raw );
    if( !run_was_seen( c, &leaf ) && !dmg_run_verify( &c->keys, &run ) ) { open_leaf( c, d.runs, i, e ); return true; }
  }
  if( i && !dmg_cover_end( &cover ) ) { open_leaf( c, d.runs, i-1, e ); return true; }
  return false;   /* among leaves that a proposal does not hold: it was fetched, and is not kept once it is false */
}

/* E4: two headers of one leader and view.  E5: a NOTARIZE of a header with a false clause. */
void detect_header( cons_t * c, view_t * s ) {
  blk_t * x = &s->blk[ 0 ], * y = &s->blk[ 1 ];
  if( x->is_used && y->is_used && !s->is_e4_told ) {
    dmg_side_t a = propose_side( c, x ), b = propose_side( c, y );
    s->is_e4_told = true;
    if( (int32_t)x->sh.header.leader!=c->me ) pair_sides( c, &a, &b );
  }
  for( unsigned k = 0; k<2; k++ ) {
    blk_t * b = &s->blk[ k ];
    if( !b->is_used || b->stat!=STAT_BAD ) continue;
    dmg_evidence_t e;
    bool is_open = false;
    for( uint32_t i = 0; i<c->keys.n; i++ ) {
      slot_t const * slot = slot_of( c, s, DMG_VOTE_NOTARIZE, i );
      if( slot->state==SLOT_EMPTY || !dmg_hash_eq( &slot->hash, &b->hash ) || bit_get( s->accused, i ) || !slot_verify( c, s, DMG_VOTE_NOTARIZE, i ) ) continue;
      if( !is_open ) {
        e = (dmg_evidence_t){ .kind = 1, .header = b->sh.header };
        if( b->is_cover_bad && !open_cover( c, b, &e ) ) break;
        is_open = true;
      }
      if( !side_of( c, DMG_VOTE_NOTARIZE, s->view, i, &slot->hash, slot->sig, &e.a ) ) continue;
      blk_t * p = b->sh.header.parent_view && !b->is_cover_bad ? blk_find( c, b->sh.header.parent_view, &b->sh.header.parent_hash ) : NULL;
      if( p ) { e.has_parent = true; e.parent = p->sh.header; }
      bit_set( s->accused, i );
      tell( c, &e );
    }
  }
}
