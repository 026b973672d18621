/* The WebAuthn envelope (M1.2b), without a JSON parser.

   W3C Web Authentication level 2 fixes the order of the first members of the client data and how
   they are written (5.8.1.1), so that a verifier may compare bytes (5.8.1.2):

     client_data   {"type":"webauthn.get","challenge":"<base64url>"  then  ,"origin":..  or }
     auth_data      0 rpIdHash[32]   32 flags u8 (bit 0 UP)   33 signCount u32 BE   37 extensions

   A second "challenge" member further on changes nothing: what counts is the first, at its one
   place, and the signature covers every byte. */
#include "crypto/sig.h"

static char const b64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Compares text with base64url( bytes ) without building it; text.sz must fit exactly. */
static bool b64url_eq( dmg_span_t text, dmg_span_t bytes ) {
  if( text.sz!=bytes.sz/3*4+( bytes.sz%3 ? bytes.sz%3+1 : 0 ) ) return false;
  for( size_t i=0; i<text.sz; i++ ) {
    size_t   bit = 6*i, at = bit/8;
    uint32_t two = (uint32_t)bytes.p[at]<<8 | ( at+1<bytes.sz ? bytes.p[at+1] : 0u );
    if( text.p[i]!=(uint8_t)b64url[ two>>( 10-bit%8 )&63 ] ) return false;
  }
  return true;
}

bool dmg_webauthn_envelope_ok( dmg_span_t auth_data, dmg_span_t client_data, dmg_span_t challenge ) {
  static char const head[] = "{\"type\":\"webauthn.get\",\"challenge\":\"";
  enum { HEAD_SZ = sizeof( head )-1, AUTH_MIN = 37, FLAGS = 32, UP = 1 };
  if( auth_data.sz<AUTH_MIN || !( auth_data.p[FLAGS]&UP ) ) return false;
  if( client_data.sz<=HEAD_SZ || memcmp( client_data.p, head, HEAD_SZ ) ) return false;

  dmg_span_t rest = dmg_span( client_data.p+HEAD_SZ, client_data.sz-HEAD_SZ );
  uint8_t const * quote = memchr( rest.p, '"', rest.sz );
  if( !quote ) return false;
  size_t text_sz = (size_t)( quote-rest.p );
  if( !b64url_eq( dmg_span( rest.p, text_sz ), challenge ) ) return false;
  if( text_sz+2>rest.sz ) return false;
  return quote[1]==',' || quote[1]=='}';
}

bool dmg_webauthn_verify( dmg_span_t key, dmg_span_t challenge, dmg_sig_t const * sig ) {
  if( !dmg_webauthn_envelope_ok( sig->auth_data, sig->client_data, challenge ) ) return false;
  /* e = SHA-256( auth_data || SHA-256( client_data ) ): the message of a P-256 signature. */
  dmg_hash_t   client = dmg_sha256( sig->client_data );
  dmg_sha256_t sha;
  dmg_sha256_init( &sha );
  dmg_sha256_update( &sha, sig->auth_data );
  dmg_sha256_update( &sha, dmg_hash_span( &client ) );
  dmg_hash_t e = dmg_sha256_final( &sha );
  return dmg_p256_verify_digest( key, &e, sig->sig );
}
