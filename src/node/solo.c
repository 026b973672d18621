#include "node/solo.h"
#include "base/assert.h"
#include "crypto/bls.h"
#include "crypto/kdf.h"

void dmg_solo_init( dmg_solo_t * solo, dmg_hash_t const * chain_id, uint8_t const secret[ 32 ], uint64_t window_views ) {
  DMG_ASSERT( window_views>0 );
  *solo = (dmg_solo_t){ .chain_id = *chain_id, .window_views = window_views, .reveal_window = UINT64_MAX };
  memcpy( solo->secret, secret, 32 );
}

void dmg_solo_fini( dmg_solo_t * solo ) { dmg_wipe( solo, sizeof *solo ); }

/* C1.2: window k = (view-1)/L; solo has view = height. */
static uint64_t window_of( dmg_solo_t const * solo, uint64_t height ) { DMG_ASSERT( height>0 ); return ( height-1 )/solo->window_views; }

bool dmg_solo_is_window_first( dmg_solo_t const * solo, uint64_t height ) {
  return height==1 || window_of( solo, height )!=window_of( solo, height-1 );
}

static void sign( dmg_solo_t const * solo, dmg_bls_use_t use, dmg_span_t msg, uint8_t out[ DMG_BLS_SIG_SZ ] ) {
  dmg_bls_sig_t sig;
  bool is_good = dmg_bls_sign( solo->secret, use, msg, &sig );
  DMG_ASSERT( is_good );
  dmg_bls_sig_store( &sig, out );
}

void dmg_solo_reveal( dmg_solo_t * solo, uint64_t height, uint8_t out[ DMG_BLS_SIG_SZ ] ) {
  uint64_t window = window_of( solo, height );
  if( solo->reveal_window!=window ) {
    uint8_t msg[ DMG_REVEAL_MSG_SZ ];
    dmg_reveal_msg( &solo->chain_id, 0, window, msg );
    sign( solo, DMG_BLS_REVEAL, dmg_span( msg, sizeof msg ), solo->reveal );
    solo->reveal_window = window;
  }
  memcpy( out, solo->reveal, DMG_BLS_SIG_SZ );
}

void dmg_solo_propose( dmg_solo_t * solo, dmg_solo_parent_t const * parent, uint64_t time_ms, dmg_hash_t const * body_hash, uint32_t body_len,
                       dmg_hash_t const * parent_state_root, dmg_signed_header_t * out_header, dmg_hash_t * out_hash ) {
  DMG_ASSERT( time_ms>parent->time_ms );   /* C5.1 */
  uint64_t height = parent->height+1;
  dmg_header_t h = { .version = DMG_BLOCK_VERSION, .kind = DMG_BLOCK_NORMAL, .view = height, .height = height, .parent_hash = parent->hash, .parent_view = parent->height,
                     .parent_cert = parent->notarization, .body_hash = *body_hash, .body_len = body_len, .parent_state_root = *parent_state_root, .time_ms = time_ms };
  dmg_solo_reveal( solo, height, h.reveal );
  uint8_t msg[ DMG_VOTE_MSG_SZ ];
  *out_hash = dmg_header_hash( &h );
  dmg_vote_msg( DMG_VOTE_PROPOSE, &solo->chain_id, 0, height, out_hash, msg );
  out_header->header = h;
  sign( solo, DMG_BLS_VOTE, dmg_span( msg, sizeof msg ), out_header->sig );
}

void dmg_solo_certify( dmg_solo_t * solo, dmg_vote_kind_t kind, uint64_t height, dmg_hash_t const * hash, dmg_cert_t * out_cert ) {
  DMG_ASSERT( kind==DMG_VOTE_NOTARIZE || kind==DMG_VOTE_FINALIZE );
  uint8_t msg[ DMG_VOTE_MSG_SZ ];
  *out_cert = (dmg_cert_t){ .kind = (uint8_t)kind, .view = height, .hash = *hash, .bitmap = { 1 } };
  dmg_vote_msg( kind, &solo->chain_id, 0, height, hash, msg );
  sign( solo, DMG_BLS_VOTE, dmg_span( msg, sizeof msg ), out_cert->sig );
}
