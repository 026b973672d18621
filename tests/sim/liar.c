#include "liar.h"
#include "base/assert.h"

void liar_vote( liar_t const * l, uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t const * hash, uint16_t signer, uint8_t out[ LIAR_VOTE_SZ ] ) {
  static dmg_hash_t const zero;
  dmg_vote_t v = { .kind = kind, .epoch = epoch, .view = view, .hash = kind==DMG_VOTE_NULLIFY ? zero : *hash, .signer = signer };
  uint8_t msg[ DMG_VOTE_MSG_SZ ];
  dmg_vote_msg( (dmg_vote_kind_t)kind, &l->chain_id, epoch, view, &v.hash, msg );
  l->sign( l->ctx, DMG_SPAN( msg ), v.sig );
  out[ 0 ] = DMG_FRAME_VOTE;
  dmg_vote_encode( &v, out+1 );
}

void liar_vote_false( dmg_vote_t const * vote, uint8_t out[ LIAR_VOTE_SZ ] ) {
  dmg_vote_t v = *vote;
  v.sig[ 3 ] ^= 1;
  v.sig[ DMG_BLS_SIG_SZ+3 ] ^= 1;
  out[ 0 ] = DMG_FRAME_VOTE;
  dmg_vote_encode( &v, out+1 );
}

size_t liar_proposal( liar_t const * l, dmg_span_t frame, uint32_t lie, dmg_header_t const * parent, uint8_t * out, dmg_header_t * out_header, dmg_hash_t * out_hash ) {
  dmg_signed_header_t sh;
  dmg_header_t * h = &sh.header;
  if( dmg_signed_header_decode( dmg_span( frame.p+1, DMG_SIGNED_HEADER_SZ ), &sh ).kind ) return 0;
  memcpy( out, frame.p, frame.sz );
  size_t sz = frame.sz;
  if( lie==B_WRONG_ROOT ) h->parent_state_root.b[ 0 ] ^= 1;
  if( lie==B_DOUBLE )     h->time_ms++;
  if( lie==B_FAR )        h->height++;   /* a clause of C5.1 */
  if( lie==B_SKIP ) {
    dmg_body_t none = { 0 };
    if( !parent || !h->parent_view || h->kind!=DMG_BLOCK_NORMAL || parent->kind!=DMG_BLOCK_NORMAL ) return 0;
    h->height            = parent->height;
    h->parent_view       = parent->parent_view;
    h->parent_hash       = parent->parent_hash;
    h->parent_cert       = parent->parent_cert;
    h->parent_state_root = parent->parent_state_root;
    h->body_hash         = dmg_body_hash( &none );
    h->body_len          = DMG_BODY_EMPTY_SZ;
    memset( h->just_root.b, 0, sizeof h->just_root.b );
    out[ 1+DMG_SIGNED_HEADER_SZ+DMG_CERT_SZ ] = 0;   /* no runs */
    sz = 1+DMG_SIGNED_HEADER_SZ+DMG_CERT_SZ+1;
  }
  uint8_t msg[ DMG_VOTE_MSG_SZ ], raw[ DMG_BLS_SIG_RAW_SZ ];
  dmg_bls_sig_t point;
  *out_header = *h;
  *out_hash   = dmg_header_hash( h );
  dmg_vote_msg( DMG_VOTE_PROPOSE, &l->chain_id, h->epoch, h->view, out_hash, msg );
  l->sign( l->ctx, DMG_SPAN( msg ), raw );
  bool ok = l->crypto->sig_load_raw( raw, &point );
  DMG_ASSERT( ok );
  l->crypto->sig_store( &point, sh.sig );
  dmg_signed_header_encode( &sh, out+1 );
  return sz;
}
