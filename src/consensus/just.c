#include "consensus/just.h"
#include "base/assert.h"

bool dmg_keys_init( dmg_keys_t * k, dmg_cons_crypto_t const * crypto, dmg_hash_t const * chain_id, uint32_t epoch, dmg_set_t const * set ) {
  k->crypto   = crypto;
  k->chain_id = *chain_id;
  k->epoch    = epoch;
  k->n        = set->cnt;
  k->total    = dmg_set_weight( set );
  k->quorum   = dmg_set_quorum( k->total );
  for( uint32_t i = 0; i<set->cnt; i++ ) {
    k->weights[ i ] = set->members[ i ].weight;
    if( !crypto->key_load( set->members[ i ].key, &k->points[ i ] ) ) return false;
  }
  return true;
}

uint64_t dmg_keys_weigh( dmg_keys_t const * k, uint8_t const bitmap[ DMG_BITMAP_SZ ] ) {
  if( !dmg_bitmap_is_within( bitmap, k->n ) ) return 0;
  uint64_t w = 0;
  for( uint32_t i = 0; i<k->n; i++ ) if( bitmap[ i/8 ]>>( i%8 )&1 ) w += k->weights[ i ];
  return w;
}

static bool one_verify( dmg_keys_t const * k, uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t const * hash, uint16_t signer, dmg_bls_sig_t const * sig ) {
  if( epoch!=k->epoch || signer>=k->n ) return false;
  uint8_t msg[ DMG_VOTE_MSG_SZ ];
  dmg_vote_msg( (dmg_vote_kind_t)kind, &k->chain_id, epoch, view, hash, msg );
  dmg_bls_key_t const * key = &k->points[ signer ];
  return k->crypto->verify_same( &key, 1, DMG_BLS_VOTE, DMG_SPAN( msg ), sig );
}

bool dmg_vote_verify( dmg_keys_t const * k, dmg_vote_t const * v ) {
  dmg_bls_sig_t sig;
  return k->crypto->sig_load_raw( v->sig, &sig ) && one_verify( k, v->kind, v->epoch, v->view, &v->hash, v->signer, &sig );
}

bool dmg_vote_stored_verify( dmg_keys_t const * k, dmg_vote_stored_t const * v ) {
  dmg_bls_sig_t sig;
  return k->crypto->sig_load( v->sig, &sig ) && one_verify( k, v->kind, v->epoch, v->view, &v->hash, v->signer, &sig );
}

bool dmg_aggregate_verify( dmg_keys_t const * k, uint8_t kind, uint64_t view, dmg_hash_t const * hash, uint8_t const bitmap[ DMG_BITMAP_SZ ], uint8_t const sig[ DMG_BLS_SIG_SZ ] ) {
  dmg_bls_key_t const * keys[ DMG_SET_MAX ];
  dmg_bls_sig_t point;
  size_t cnt = 0;
  if( !dmg_bitmap_is_within( bitmap, k->n ) ) return false;
  for( uint32_t i = 0; i<k->n; i++ ) if( bitmap[ i/8 ]>>( i%8 )&1 ) keys[ cnt++ ] = &k->points[ i ];
  if( !cnt || !k->crypto->sig_load( sig, &point ) ) return false;
  uint8_t msg[ DMG_VOTE_MSG_SZ ];
  dmg_vote_msg( (dmg_vote_kind_t)kind, &k->chain_id, k->epoch, view, hash, msg );
  return k->crypto->verify_same( keys, cnt, DMG_BLS_VOTE, DMG_SPAN( msg ), &point );
}

bool dmg_cert_verify( dmg_keys_t const * k, dmg_cert_t const * c ) {
  return c->epoch==k->epoch && c->view && dmg_keys_weigh( k, c->bitmap )>=k->quorum && dmg_aggregate_verify( k, c->kind, c->view, &c->hash, c->bitmap, c->sig );
}

bool dmg_run_verify( dmg_keys_t const * k, dmg_run_t const * r ) {
  dmg_bls_item_t items[ DMG_RUN_VIEWS_MAX ];
  dmg_bls_key_t  sums[ DMG_RUN_VIEWS_MAX ];
  uint8_t        msgs[ DMG_RUN_VIEWS_MAX ][ DMG_VOTE_MSG_SZ ];
  dmg_bls_sig_t  sig;
  dmg_hash_t     zero = { 0 };
  if( r->epoch!=k->epoch || !k->crypto->sig_load( r->sig, &sig ) ) return false;
  for( uint32_t e = 0; e<r->cnt; e++ ) {
    /* Weighed before any point is added: what cannot hold costs nothing. */
    if( dmg_keys_weigh( k, r->bitmaps[ e ] )<k->quorum ) return false;
  }
  for( uint32_t e = 0; e<r->cnt; e++ ) {
    dmg_bls_key_t const * keys[ DMG_SET_MAX ];
    size_t cnt = 0;
    for( uint32_t i = 0; i<k->n; i++ ) if( r->bitmaps[ e ][ i/8 ]>>( i%8 )&1 ) keys[ cnt++ ] = &k->points[ i ];
    if( !k->crypto->key_sum( keys, cnt, &sums[ e ] ) ) return false;
    dmg_vote_msg( DMG_VOTE_NULLIFY, &k->chain_id, k->epoch, r->first+e, &zero, msgs[ e ] );
    items[ e ] = (dmg_bls_item_t){ .key = &sums[ e ], .msg = dmg_span( msgs[ e ], DMG_VOTE_MSG_SZ ) };
  }
  return k->crypto->verify_distinct( items, r->cnt, DMG_BLS_VOTE, &sig );
}

bool dmg_attendance_is_due( dmg_attendance_t const * a, uint64_t last_view, uint64_t block_view ) { return a->view>last_view && block_view>=8 && a->view<=block_view-8; }

bool dmg_attendance_verify( dmg_keys_t const * k, dmg_attendance_t const * a, dmg_hash_t const * block ) {
  return a->kind==( dmg_hash_is_zero( block ) ? DMG_VOTE_NULLIFY : DMG_VOTE_NOTARIZE ) && dmg_aggregate_verify( k, a->kind, a->view, block, a->bitmap, a->sig );
}

dmg_cover_t dmg_cover( uint64_t parent_view, uint64_t view ) { return (dmg_cover_t){ .parent_view = parent_view, .view = view, .last = parent_view }; }

bool dmg_cover_add( dmg_cover_t * c, uint64_t first, uint64_t last ) {
  /* first and last strictly ascending, the first's first <= parent_view+1, each last > parent_view, each first <= the previous last + 1, no run past view-1. */
  if( last<=c->last || last>=c->view || first>c->last+1 || ( c->cnt && first<=c->first ) ) return false;
  c->first = first;
  c->last  = last;
  c->cnt++;
  return true;
}

bool dmg_cover_end( dmg_cover_t const * c ) { return c->last==c->view-1; }
