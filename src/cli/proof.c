#include "cli/proof.h"
#include "crypto/bls.h"
#include "types/block.h"
#include "types/state_proof.h"

#include <stdio.h>

enum { LINK_MAX = 64 };

static bool fail( char out_why[256], char const * text ) { snprintf( out_why, 256, "%s", text ); return false; }

bool dmg_cli_proof_check( dmg_cli_t * cli, dmg_jv_t answer, dmg_cli_trust_t const * trust, uint64_t * out_height, dmg_span_t * out_value, char out_why[256] ) {
  dmg_jv_t   proof  = dmg_cli_get( answer, "proof" );
  dmg_span_t key    = dmg_cli_hex( cli, answer, "key" ), value = dmg_cli_hex( cli, answer, "value" );
  dmg_span_t header = dmg_cli_hex( cli, proof, "header" ), tree = dmg_cli_hex( cli, proof, "tree" ), finality = dmg_cli_hex( cli, proof, "finality" );
  uint64_t   height = dmg_cli_u64( proof, "height" );
  dmg_jv_t   links = dmg_jv_get( proof, "links" );
  dmg_header_t h, last;
  dmg_cert_t cert;

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
  uint8_t one[ DMG_BITMAP_SZ ] = { 1 }, msg[ DMG_VOTE_MSG_SZ ];
  if( memcmp( cert.bitmap, one, sizeof one ) ) return fail( out_why, "the certificate is not signed by the one validator" );
  dmg_vote_msg( DMG_VOTE_FINALIZE, &trust->chain, cert.epoch, cert.view, &cert.hash, msg );
  if( !dmg_bls_verify_bytes( dmg_span( trust->validator_key, 96 ), DMG_BLS_VOTE, dmg_span( msg, sizeof msg ), dmg_span( cert.sig, sizeof cert.sig ) ) )
    return fail( out_why, "the certificate's signature does not hold" );

  *out_height = height;
  *out_value  = value;
  return true;
}
