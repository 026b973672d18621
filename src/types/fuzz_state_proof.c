/* Any bytes as a proof: the verifier ends, and says GOOD only for a root that it folded itself. */
#include "types/state_proof.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  if( sz<33 ) return 0;
  dmg_hash_t path = dmg_hash_load( data ), root = { { 0 } };
  unsigned mode = data[ 32 ];
  dmg_span_t proof = dmg_span( data+33, sz-33 );
  dmg_hash_t vh = dmg_state_value_hash( dmg_hash_span( &path ) );
  if( mode%3==0 ) {
    (void)dmg_state_proof_check_path( &root, &path, mode&4 ? &vh : NULL, proof );
  } else if( mode%3==1 ) {
    dmg_state_range_t q = { path, path };
    dmg_state_answer_t a = { path, vh };
    memset( q.hi.b+mode%32, 0xff, 32-mode%32 );
    (void)dmg_state_proof_check_stream( &root, &q, 1, &a, mode&4 ? 1 : 0, proof );
  } else {
    /* The leaf of a lone key is its root: only the four bytes of depth 0 may show it. */
    dmg_hash_t lone = dmg_state_leaf( &path, &vh );
    dmg_state_proof_bad_t bad = dmg_state_proof_check_path( &lone, &path, &vh, proof );
    DMG_ASSERT( ( bad==DMG_STATE_PROOF_GOOD )==dmg_span_eq( proof, dmg_span( "\1\0\0\0", 4 ) ) );
    DMG_ASSERT( dmg_state_proof_check_path( &lone, &path, NULL, proof )!=DMG_STATE_PROOF_GOOD );
  }
  return 0;
}
