/* Text and envelope parsers on any bytes: no crash, and what is accepted comes back the same.
   The first byte picks the parser. */
#include "base/assert.h"
#include "crypto/bech32.h"
#include "crypto/bls.h"
#include "crypto/kdf.h"
#include "crypto/sig.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );

static void fuzz_address( dmg_span_t in ) {
  dmg_hash_t   address;
  char const * why = NULL;
  if( dmg_address_parse( in, &address, &why ) ) { DMG_ASSERT( why ); return; }
  char text[ DMG_ADDRESS_TEXT_SZ+1 ];
  dmg_address_text( &address, text );
  DMG_ASSERT( in.sz==DMG_ADDRESS_TEXT_SZ );
  for( size_t i=0; i<in.sz; i++ ) DMG_ASSERT( text[i]==(char)in.p[i] || text[i]-'a'+'A'==(char)in.p[i] );
}

static void fuzz_mnemonic( dmg_span_t in ) {
  char         once[ DMG_BIP39_TEXT_MAX ], twice[ DMG_BIP39_TEXT_MAX ];
  char const * why = NULL;
  size_t       word = 0;
  if( dmg_bip39_check( in, once, &why, &word ) ) { DMG_ASSERT( why ); return; }
  dmg_err_t err = dmg_bip39_check( dmg_span_cstr( once ), twice, NULL, NULL );
  DMG_ASSERT( !err && !memcmp( once, twice, strlen( once )+1 ) );
}

/* The challenge is what a lax reader would find, so the prefix is met at times. */
static void fuzz_webauthn( dmg_span_t in ) {
  uint8_t auth[37] = { [32] = 1 }, id[3] = { 0 };
  if( dmg_webauthn_envelope_ok( DMG_SPAN( auth ), in, DMG_SPAN( id ) ) ) DMG_ASSERT( in.sz>=41 && !memcmp( in.p+36, "AAAA\"", 5 ) );
  (void)dmg_webauthn_envelope_ok( in, in, in );
}

static void fuzz_signature( dmg_span_t in ) {
  if( in.sz<2 ) return;
  dmg_sig_scheme_t scheme = (dmg_sig_scheme_t)( in.p[0]%6 );
  size_t key_sz = in.p[1]<in.sz-2 ? in.p[1] : in.sz-2;
  dmg_span_t rest = dmg_span( in.p+2+key_sz, in.sz-2-key_sz );
  dmg_sig_t  sig  = { .sig = rest, .auth_data = rest, .client_data = rest };
  (void)dmg_sig_verify( scheme, dmg_span( in.p+2, key_sz ), DMG_SPAN_STR( "message" ), &sig );
}

static void fuzz_bls( dmg_span_t in ) {
  dmg_bls_key_t key;
  dmg_bls_sig_t sig;
  uint8_t       out[96];
  if( in.sz>=96 && dmg_bls_key_load( in.p, &key ) )     { dmg_bls_key_store( &key, out );     DMG_ASSERT( !memcmp( out, in.p, 96 ) ); }
  if( in.sz>=48 && dmg_bls_sig_load( in.p, &sig ) )     { dmg_bls_sig_store( &sig, out );     DMG_ASSERT( !memcmp( out, in.p, 48 ) ); }
  if( in.sz>=96 && dmg_bls_sig_load_raw( in.p, &sig ) ) { dmg_bls_sig_store_raw( &sig, out ); DMG_ASSERT( !memcmp( out, in.p, 96 ) ); }
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  static void (*const parser[])( dmg_span_t ) = { fuzz_address, fuzz_mnemonic, fuzz_webauthn, fuzz_signature, fuzz_bls };
  if( !sz ) return 0;
  parser[ data[0]%5 ]( dmg_span( data+1, sz-1 ) );
  return 0;
}
