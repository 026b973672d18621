#include "cli/proof.h"
#include "consensus/just.h"
#include "types/block.h"
#include "types/state_proof.h"

#include <stdio.h>

enum { LINK_MAX = 64 };

static bool fail( char out_why[256], char const * text ) { snprintf( out_why, 256, "%s", text ); return false; }

/* C2.3: a quorum of the set made the certificate. */
static bool cert_check( dmg_set_t const * set, dmg_hash_t const * chain, dmg_cert_t const * cert, char out_why[256] ) {
  static dmg_keys_t keys;   /* 25 KiB */
  if( !dmg_keys_init( &keys, &dmg_cons_bls, chain, cert->epoch, set ) ) return fail( out_why, "a validator's key is no point of its group" );
  uint64_t weight = dmg_keys_weigh( &keys, cert->bitmap );
  if( !weight ) return fail( out_why, "the certificate is not signed by the trusted validators" );
  if( weight<keys.quorum ) { snprintf( out_why, 256, "the certificate's signers weigh %lu of %lu, a quorum is %lu", (unsigned long)weight, (unsigned long)keys.total, (unsigned long)keys.quorum ); return false; }
  return dmg_cert_verify( &keys, cert ) || fail( out_why, "the certificate's signature does not hold" );
}

bool dmg_cli_proof_check( dmg_cli_t * cli, dmg_jv_t answer, dmg_cli_trust_t const * trust, dmg_hash_t * out_chain, uint64_t * out_height, dmg_span_t * out_value, char out_why[256] ) {
  dmg_jv_t   proof  = dmg_cli_get( answer, "proof" );
  dmg_span_t key    = dmg_cli_hex( cli, answer, "key" ), value = dmg_cli_hex( cli, answer, "value" );
  dmg_span_t header = dmg_cli_hex( cli, proof, "header" ), tree = dmg_cli_hex( cli, proof, "tree" ), finality = dmg_cli_hex( cli, proof, "finality" );
  uint64_t   height = dmg_cli_u64( proof, "height" );
  dmg_jv_t   links = dmg_jv_get( proof, "links" );
  dmg_header_t h, last;
  dmg_cert_t cert;

  dmg_hash_t chain = dmg_cli_hash( proof, "chain" );
  if( trust->has_chain && !dmg_hash_eq( &chain, &trust->chain ) ) {
    char is[ 65 ], wanted[ 65 ];
    dmg_hex_encode( chain.b, 32, is );
    dmg_hex_encode( trust->chain.b, 32, wanted );
    snprintf( out_why, 256, "it is of chain 0x%s, not of 0x%s", is, wanted );
    return false;
  }
  if( dmg_header_decode( header, &h ).kind!=DMG_VERDICT_GOOD ) return fail( out_why, "the header does not decode" );
  if( h.height!=height+1 ) return fail( out_why, "the header is not of the block after the proven state" );

  dmg_state_proof_bad_t bad = dmg_state_proof_check( &h.parent_state_root, key, value.sz ? &value : NULL, tree );
  if( bad!=DMG_STATE_PROOF_GOOD ) { snprintf( out_why, 256, "the Merkle proof does not hold: %s", dmg_state_proof_text( bad ) ); return false; }

  if( dmg_cert_decode( finality, &cert ).kind!=DMG_VERDICT_GOOD || cert.kind!=DMG_VOTE_FINALIZE ) return fail( out_why, "there is no finality certificate" );
  dmg_hash_t hash = dmg_header_hash( &h );
  last = h;
  /* F0.5: made final by a descendant, each link the child of the one before. */
  if( !dmg_jv_is_absent( links ) && dmg_jv_type( links )!=DMG_JSON_ARRAY ) return fail( out_why, "its links are no list" );
  uint32_t cnt = 0;
  for( dmg_jv_t e = dmg_jv_is_absent( links ) ? links : dmg_jv_first( links ); !dmg_jv_is_absent( e ); e = dmg_jv_next( links, e ) ) {
    uint8_t raw[ DMG_HEADER_SZ ];
    size_t sz;
    if( cnt++==LINK_MAX ) return fail( out_why, "it has too many links" );
    if( !dmg_jv_hex( e, raw, sizeof raw, &sz ) || dmg_header_decode( dmg_span( raw, sz ), &last ).kind!=DMG_VERDICT_GOOD ) return fail( out_why, "a link does not decode" );
    if( !dmg_hash_eq( &last.parent_hash, &hash ) ) return fail( out_why, "a link is not the child of the one before" );
    hash = dmg_header_hash( &last );
  }
  if( !dmg_hash_eq( &hash, &cert.hash ) || cert.view!=last.view || cert.epoch!=last.epoch ) return fail( out_why, "the certificate is of another block" );
  if( !cert_check( &trust->set, &chain, &cert, out_why ) ) return false;

  *out_chain  = chain;
  *out_height = height;
  *out_value  = value;
  return true;
}
