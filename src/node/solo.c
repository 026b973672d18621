#include "node/solo.h"
#include "base/assert.h"
#include "base/log.h"

void dmg_solo_init( dmg_solo_t * solo, dmg_signer_t * signer, uint64_t window_views, dmg_safety_epoch_t epoch ) {
  DMG_ASSERT( window_views>0 );
  *solo = (dmg_solo_t){ .signer = signer, .window_views = window_views, .epoch = epoch, .reveal_window = UINT64_MAX };
}

/* C1.2: window k = (view-1)/L; solo has view = height. */
static uint64_t window_of( dmg_solo_t const * solo, uint64_t height ) { DMG_ASSERT( height>0 ); return ( height-1 )/solo->window_views; }

void dmg_solo_reveal( dmg_solo_t * solo, uint64_t height, uint8_t out[ DMG_BLS_SIG_SZ ] ) {
  uint64_t window = window_of( solo, height );
  if( solo->reveal_window!=window ) {
    dmg_signer_reveal( solo->signer, 0, window, solo->reveal );
    solo->reveal_window = window;
  }
  memcpy( out, solo->reveal, DMG_BLS_SIG_SZ );
}

void dmg_solo_header( dmg_solo_t * solo, dmg_solo_parent_t const * parent, uint64_t time_ms, dmg_hash_t const * parent_state_root, dmg_header_t * out_header ) {
  DMG_ASSERT( time_ms>parent->time_ms );   /* C5.1 */
  uint64_t height = parent->height+1;
  *out_header = (dmg_header_t){ .version = DMG_BLOCK_VERSION, .kind = DMG_BLOCK_NORMAL, .view = height, .height = height, .parent_hash = parent->hash, .parent_view = parent->height,
                                .parent_cert = parent->notarization, .parent_state_root = *parent_state_root, .time_ms = time_ms };
  dmg_solo_reveal( solo, height, out_header->reveal );
}

static dmg_err_t cast( dmg_solo_t * solo, uint64_t height, dmg_hash_t const * hash, dmg_vote_kind_t const * kinds, uint32_t cnt, dmg_signer_answer_t * out ) {
  dmg_safety_vote_t votes[ 3 ];
  DMG_ASSERT( cnt<=3 );
  for( uint32_t i = 0; i<cnt; i++ ) votes[ i ] = (dmg_safety_vote_t){ .kind = kinds[ i ], .epoch = 0, .view = height, .hash = *hash };
  DMG_TRY( dmg_signer_sign( solo->signer, votes, cnt, &solo->epoch, out ) );
  for( uint32_t i = 0; i<cnt; i++ ) {
    if( !out[ i ].answer ) continue;
    DMG_LOG_ERROR( "vote_refused", "height=%lu kind=%d: the safety file does not allow it: %s", (unsigned long)height, (int)kinds[ i ], dmg_safety_answer_text( out[ i ].answer ) );
    return DMG_ERR_PERM;
  }
  return DMG_OK;
}

static dmg_cert_t cert_of( dmg_vote_kind_t kind, uint64_t height, dmg_hash_t const * hash, dmg_signer_answer_t const * a ) {
  dmg_cert_t c = { .kind = (uint8_t)kind, .view = height, .hash = *hash, .bitmap = { 1 } };
  memcpy( c.sig, a->sig, DMG_BLS_SIG_SZ );
  return c;
}

dmg_err_t dmg_solo_cast( dmg_solo_t * solo, uint64_t height, dmg_hash_t const * hash, dmg_solo_votes_t * out_votes ) {
  dmg_vote_kind_t const kinds[ 3 ] = { DMG_VOTE_PROPOSE, DMG_VOTE_NOTARIZE, DMG_VOTE_FINALIZE };
  dmg_signer_answer_t a[ 3 ];
  DMG_TRY( cast( solo, height, hash, kinds, 3, a ) );
  memcpy( out_votes->propose, a[ 0 ].sig, DMG_BLS_SIG_SZ );
  out_votes->notarization = cert_of( DMG_VOTE_NOTARIZE, height, hash, a+1 );
  out_votes->finalization = cert_of( DMG_VOTE_FINALIZE, height, hash, a+2 );
  return DMG_OK;
}

dmg_err_t dmg_solo_notarization( dmg_solo_t * solo, uint64_t height, dmg_hash_t const * hash, dmg_cert_t * out_cert ) {
  dmg_vote_kind_t const kind = DMG_VOTE_NOTARIZE;
  dmg_signer_answer_t a;
  DMG_TRY( cast( solo, height, hash, &kind, 1, &a ) );
  *out_cert = cert_of( kind, height, hash, &a );
  return DMG_OK;
}
