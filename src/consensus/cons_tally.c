/* Votes to certificates: one slot per (signer, view, kind), one aggregate at q, suspects (C2.6); attendance (C8.2). */
#include "consensus/cons_int.h"

static void vote_msg( cons_t const * c, uint8_t kind, uint64_t view, dmg_hash_t const * hash, uint8_t out[ DMG_VOTE_MSG_SZ ] ) {
  dmg_vote_msg( (dmg_vote_kind_t)kind, &c->cfg.chain_id, c->rec.epoch, view, hash, out );
}

/* C2.6: who sent an invalid vote is a suspect for the epoch; after three the link closes for 10 min, never longer. */
static void suspect( cons_t * c, slot_t * slot, uint32_t signer ) {
  slot->state = SLOT_EMPTY;
  c->votes_bad++;
  if( c->suspect[ signer ]<UINT8_MAX ) c->suspect[ signer ]++;
  if( c->suspect[ signer ]%SUSPECT_MAX || c->peer_of[ signer ]<0 ) return;
  peer_t * p = &c->peers[ c->peer_of[ signer ] ];
  p->closed_until_us = c->now_us+CLOSE_US;
  dmg_cons_action_t * a = action( c, DMG_CONS_CLOSE );
  if( !a ) return;
  a->close.peer   = (uint16_t)c->peer_of[ signer ];
  a->close.for_us = CLOSE_US;
}

bool slot_verify( cons_t * c, view_t * s, uint8_t kind, uint32_t signer ) {
  slot_t * slot = slot_of( c, s, kind, signer );
  if( slot->state!=SLOT_HELD ) return slot->state==SLOT_GOOD;
  dmg_bls_sig_t sig;
  uint8_t msg[ DMG_VOTE_MSG_SZ ];
  dmg_bls_key_t const * key = &c->keys.points[ signer ];
  vote_msg( c, kind, s->view, &slot->hash, msg );
  if( c->cfg.crypto->sig_load_raw( slot->sig, &sig ) && c->cfg.crypto->verify_same( &key, 1, DMG_BLS_VOTE, DMG_SPAN( msg ), &sig ) ) { slot->state = SLOT_GOOD; return true; }
  suspect( c, slot, signer );
  return false;
}

/* The sum of cnt votes over one message; false: it does not verify.  C2.6: the subgroup is tested once, of the sum; votes found good together stay together,
   as all that are good are counted each time. */
static bool aggregate( cons_t * c, view_t * s, uint8_t kind, uint8_t const * who, uint32_t cnt, dmg_bls_sig_t * out ) {
  dmg_bls_sig_t         sigs[ DMG_SET_MAX ];
  dmg_bls_sig_t const * sp[ DMG_SET_MAX ] = { NULL };
  dmg_bls_key_t const * kp[ DMG_SET_MAX ] = { NULL };
  uint8_t msg[ DMG_VOTE_MSG_SZ ];
  bool is_all_good = true;
  DMG_ASSERT( cnt && cnt<=DMG_SET_MAX );
  for( uint32_t i = 0; i<cnt; i++ ) {
    slot_t * slot = slot_of( c, s, kind, who[ i ] );
    if( !c->cfg.crypto->sig_load_part( slot->sig, &sigs[ i ] ) ) return false;
    is_all_good &= slot->state==SLOT_GOOD;
    sp[ i ] = &sigs[ i ];
    kp[ i ] = &c->keys.points[ who[ i ] ];
  }
  if( !c->cfg.crypto->sig_sum( sp, cnt, out ) ) return false;
  if( is_all_good ) return true;
  vote_msg( c, kind, s->view, &slot_of( c, s, kind, who[ 0 ] )->hash, msg );
  if( !c->cfg.crypto->verify_same( kp, cnt, DMG_BLS_VOTE, DMG_SPAN( msg ), out ) ) return false;
  for( uint32_t i = 0; i<cnt; i++ ) slot_of( c, s, kind, who[ i ] )->state = SLOT_GOOD;
  return true;
}

/* C2.6: bisect only on failure.  Marks the good, clears the bad. */
static void bisect( cons_t * c, view_t * s, uint8_t kind, uint8_t const * who, uint32_t cnt ) {
  dmg_bls_sig_t sum;
  if( cnt==1 ) { (void)slot_verify( c, s, kind, who[ 0 ] ); return; }
  if( aggregate( c, s, kind, who, cnt, &sum ) ) return;
  bisect( c, s, kind, who, cnt/2 );
  bisect( c, s, kind, who+cnt/2, cnt-cnt/2 );
}

/* Voters of the hash into who[]; returns their weight.  Suspects only once verified. */
static uint64_t collect( cons_t const * c, view_t const * s, uint8_t kind, dmg_hash_t const * hash, bool is_sure, uint8_t who[ DMG_SET_MAX ], uint32_t * out_cnt ) {
  uint64_t w = 0;
  *out_cnt = 0;
  for( uint32_t i = 0; i<c->keys.n; i++ ) {
    slot_t const * slot = slot_of( c, s, kind, i );
    if( slot->state==SLOT_EMPTY || !dmg_hash_eq( &slot->hash, hash ) ) continue;
    if( is_sure && slot->state!=SLOT_GOOD && c->suspect[ i ] ) continue;
    who[ ( *out_cnt )++ ] = (uint8_t)i;
    w += c->keys.weights[ i ];
  }
  return w;
}

static void certify( cons_t * c, view_t * s, uint8_t kind, dmg_hash_t const * hash, uint8_t const * who, uint32_t cnt, dmg_bls_sig_t const * sum ) {
  uint64_t view = s->view;
  if( kind==DMG_VOTE_NULLIFY ) {
    dmg_run_t run = { .epoch = c->rec.epoch, .first = view, .cnt = 1 };
    for( uint32_t i = 0; i<cnt; i++ ) bit_set( run.bitmaps[ 0 ], who[ i ] );
    c->cfg.crypto->sig_store( sum, run.sig );
    take_run( c, &run, true );
    detect_null( c, &run );
    advance( c );
    return;
  }
  dmg_cert_t cert = { .kind = kind, .epoch = c->rec.epoch, .view = view, .hash = *hash };
  for( uint32_t i = 0; i<cnt; i++ ) bit_set( cert.bitmap, who[ i ] );
  c->cfg.crypto->sig_store( sum, cert.sig );
  take_cert( c, &cert, true );
}

static void tally_try( cons_t * c, view_t * s, uint8_t kind, dmg_hash_t const * hash ) {
  if( s->view<=c->v_fin ) return;
  if( kind==DMG_VOTE_NOTARIZE ? s->has_n : kind==DMG_VOTE_FINALIZE ? s->has_f : has_null( c, s->view ) ) return;
  uint8_t  who[ DMG_SET_MAX ];
  uint32_t cnt;
  uint64_t q = quorum( c );
  dmg_bls_sig_t sum;
  /* Each round clears at least one bad vote, so n rounds end it. */
  for( uint32_t round = 0; round<=c->keys.n; round++ ) {
    if( collect( c, s, kind, hash, true, who, &cnt )<q ) {
      /* q is missed without the suspects: check theirs singly. */
      if( collect( c, s, kind, hash, false, who, &cnt )<q ) return;
      for( uint32_t i = 0; i<cnt; i++ ) if( c->suspect[ who[ i ] ] ) (void)slot_verify( c, s, kind, who[ i ] );
      if( collect( c, s, kind, hash, true, who, &cnt )<q ) return;
    }
    if( aggregate( c, s, kind, who, cnt, &sum ) ) { certify( c, s, kind, hash, who, cnt, &sum ); return; }
    bisect( c, s, kind, who, cnt );
  }
}

void tally_vote( cons_t * c, view_t * s, uint8_t kind, uint32_t signer, dmg_hash_t const * hash, uint8_t const sig[ DMG_BLS_SIG_RAW_SZ ] ) {
  slot_t * slot = slot_of( c, s, kind, signer );
  if( slot->state!=SLOT_EMPTY && !dmg_hash_eq( &slot->hash, hash ) ) { detect_vote( c, s, kind, signer, hash, sig ); return; }
  if( slot->state!=SLOT_EMPTY ) {
    /* The same vote with another signature: the first may be the bad one of a link that garbled it. */
    if( slot->state==SLOT_GOOD || !memcmp( slot->sig, sig, DMG_BLS_SIG_RAW_SZ ) || slot_verify( c, s, kind, signer ) ) return;
  }
  slot->hash  = *hash;
  memcpy( slot->sig, sig, DMG_BLS_SIG_RAW_SZ );
  slot->state = (int32_t)signer==c->me ? SLOT_GOOD : SLOT_HELD;
  detect_vote( c, s, kind, signer, hash, sig );
  if( slot->state==SLOT_EMPTY ) return;
  dmg_hash_t h = *hash;   /* the caller's may stand in the ring, which may move */
  tally_try( c, s, kind, &h );
}

/* --- attendance ----------------------------------------------------------------------------------------- */

uint32_t dmg_cons_attendance( dmg_cons_t * c, uint64_t view, dmg_hash_t const * parent, uint64_t parent_view, uint64_t last_view, dmg_attendance_t out[ DMG_BODY_ATT_MAX ] ) {
  /* The views on this chain, newest first: those between two of its blocks were skipped. */
  uint64_t from = last_view+1, to = view>8 ? view-8 : 0;
  if( c->ring_hi>=DMG_CONS_RING && from+DMG_CONS_RING<=c->ring_hi ) from = c->ring_hi-DMG_CONS_RING+1;
  uint32_t cnt = 0;
  for( uint64_t v = from; v<=to && cnt<DMG_BODY_ATT_MAX; v++ ) {
    view_t * s = view_get( c, v );
    if( !s ) continue;
    dmg_hash_t block = *parent, zero = { 0 };
    uint64_t at = parent_view;
    for( blk_t * b; at>v && ( b = blk_find( c, at, &block ) ); ) { block = b->sh.header.parent_hash; at = b->sh.header.parent_view; }
    if( at>v ) continue;   /* the chain is not held that far */
    uint8_t kind = at==v ? DMG_VOTE_NOTARIZE : DMG_VOTE_NULLIFY;
    uint8_t who[ DMG_SET_MAX ], good[ DMG_SET_MAX ];
    uint32_t who_cnt, good_cnt = 0;
    dmg_hash_t const * hash = at==v ? &block : &zero;
    (void)collect( c, s, kind, hash, false, who, &who_cnt );
    dmg_bls_sig_t sum;
    /* Late votes were never checked: in bulk, singly only if that fails. */
    if( who_cnt && !aggregate( c, s, kind, who, who_cnt, &sum ) ) bisect( c, s, kind, who, who_cnt );
    for( uint32_t i = 0; i<who_cnt; i++ ) if( slot_of( c, s, kind, who[ i ] )->state==SLOT_GOOD ) good[ good_cnt++ ] = who[ i ];
    if( !good_cnt || !aggregate( c, s, kind, good, good_cnt, &sum ) ) continue;
    dmg_attendance_t * a = &out[ cnt++ ];
    *a = (dmg_attendance_t){ .view = v, .kind = kind };
    for( uint32_t i = 0; i<good_cnt; i++ ) bit_set( a->bitmap, good[ i ] );
    c->cfg.crypto->sig_store( &sum, a->sig );
  }
  return cnt;
}
