#include "crypto/bls_int.h"

#include "base/assert.h"

#include "dmgn_sig.h"

/* Our points are the adapter's under another name. */
_Static_assert( sizeof( dmg_bls_key_t )==sizeof( dmgn_bls_key_t ) && _Alignof( dmg_bls_key_t )==_Alignof( dmgn_bls_key_t ), "key" );
_Static_assert( sizeof( dmg_bls_sig_t )==sizeof( dmgn_bls_sig_t ) && _Alignof( dmg_bls_sig_t )==_Alignof( dmgn_bls_sig_t ), "sig" );
_Static_assert( sizeof( dmg_bls_item_t )==sizeof( dmgn_bls_item_t ), "item" );
_Static_assert( offsetof( dmg_bls_item_t, msg.p )==offsetof( dmgn_bls_item_t, msg ), "item msg" );
_Static_assert( offsetof( dmg_bls_item_t, msg.sz )==offsetof( dmgn_bls_item_t, msg_sz ), "item msg_sz" );

#define KEY( k )   ( (dmgn_bls_key_t const *)(void const *)( k ) )
#define SIG( s )   ( (dmgn_bls_sig_t const *)(void const *)( s ) )
#define KEY_OUT( k ) ( (dmgn_bls_key_t *)(void *)( k ) )
#define SIG_OUT( s ) ( (dmgn_bls_sig_t *)(void *)( s ) )
#define KEYS( k )  ( (dmgn_bls_key_t const * const *)(void const *)( k ) )
#define SIGS( s )  ( (dmgn_bls_sig_t const * const *)(void const *)( s ) )

dmg_span_t dmg_bls_dst( dmg_bls_use_t use ) {
  static char const * const dst[ DMG_BLS_USE_CNT ] = {
#define DST( name ) [ DMG_BLS_##name ] = "DMG-V1-" #name "-BLS12381G1_XMD:SHA-256_SSWU_RO_",
    DMG_BLS_USE_TABLE( DST )
#undef DST
  };
  DMG_ASSERT( use<DMG_BLS_USE_CNT );
  return dmg_span_cstr( dst[use] );
}

bool dmg_bls_keygen( dmg_span_t ikm, uint8_t out_secret[32] ) { return dmgn_bls_keygen( ikm.p, ikm.sz, NULL, 0, out_secret ); }

bool dmg_bls_public( uint8_t const secret[32], dmg_bls_key_t * out_key ) { return dmgn_bls_public( secret, KEY_OUT( out_key ) ); }

bool dmg_bls_sign_dst( uint8_t const secret[32], dmg_span_t dst, dmg_span_t msg, dmg_bls_sig_t * out_sig ) {
  return dmgn_bls_sign( secret, dst.p, dst.sz, msg.p, msg.sz, SIG_OUT( out_sig ) );
}

bool dmg_bls_sign( uint8_t const secret[32], dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t * out_sig ) {
  return dmg_bls_sign_dst( secret, dmg_bls_dst( use ), msg, out_sig );
}

bool dmg_bls_key_load    ( uint8_t const bytes[96], dmg_bls_key_t * out_key ) { return dmgn_bls_key_load( bytes, KEY_OUT( out_key ) ); }
bool dmg_bls_sig_load    ( uint8_t const bytes[48], dmg_bls_sig_t * out_sig ) { return dmgn_bls_sig_load( bytes, SIG_OUT( out_sig ) ); }
bool dmg_bls_sig_load_raw( uint8_t const bytes[96], dmg_bls_sig_t * out_sig ) { return dmgn_bls_sig_load_raw( bytes, SIG_OUT( out_sig ) ); }
bool dmg_bls_sig_load_part( uint8_t const bytes[96], dmg_bls_sig_t * out_sig ) { return dmgn_bls_sig_load_part( bytes, SIG_OUT( out_sig ) ); }
void dmg_bls_key_store    ( dmg_bls_key_t const * key, uint8_t out_bytes[96] ) { dmgn_bls_key_store( KEY( key ), out_bytes ); }
void dmg_bls_sig_store    ( dmg_bls_sig_t const * sig, uint8_t out_bytes[48] ) { dmgn_bls_sig_store( SIG( sig ), out_bytes ); }
void dmg_bls_sig_store_raw( dmg_bls_sig_t const * sig, uint8_t out_bytes[96] ) { dmgn_bls_sig_store_raw( SIG( sig ), out_bytes ); }

bool dmg_bls_key_sum( dmg_bls_key_t const * const * keys, size_t cnt, dmg_bls_key_t * out_sum ) { return dmgn_bls_key_sum( KEYS( keys ), cnt, KEY_OUT( out_sum ) ); }
bool dmg_bls_sig_sum( dmg_bls_sig_t const * const * sigs, size_t cnt, dmg_bls_sig_t * out_sum ) { return dmgn_bls_sig_sum( SIGS( sigs ), cnt, SIG_OUT( out_sum ) ); }

bool dmg_bls_verify_dst( dmg_bls_key_t const * key, dmg_span_t dst, dmg_span_t msg, dmg_bls_sig_t const * sig ) {
  return dmgn_bls_verify( KEY( key ), dst.p, dst.sz, msg.p, msg.sz, SIG( sig ) );
}

bool dmg_bls_verify( dmg_bls_key_t const * key, dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t const * sig ) {
  return dmg_bls_verify_dst( key, dmg_bls_dst( use ), msg, sig );
}

bool dmg_bls_verify_same( dmg_bls_key_t const * const * keys, size_t cnt, dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t const * sig ) {
  dmg_span_t dst = dmg_bls_dst( use );
  return dmgn_bls_verify_same( KEYS( keys ), cnt, dst.p, dst.sz, msg.p, msg.sz, SIG( sig ) );
}

bool dmg_bls_verify_distinct( dmg_bls_item_t const * items, size_t cnt, dmg_bls_use_t use, dmg_bls_sig_t const * sig ) {
  dmg_span_t dst = dmg_bls_dst( use );
  return dmgn_bls_verify_distinct( (dmgn_bls_item_t const *)(void const *)items, cnt, dst.p, dst.sz, SIG( sig ) );
}

bool dmg_bls_verify_bytes( dmg_span_t key, dmg_bls_use_t use, dmg_span_t msg, dmg_span_t sig ) {
  dmg_bls_key_t k;
  dmg_bls_sig_t s;
  return key.sz==DMG_BLS_KEY_SZ && sig.sz==DMG_BLS_SIG_SZ && dmg_bls_sig_load( sig.p, &s ) && dmg_bls_key_load( key.p, &k )
      && dmg_bls_verify( &k, use, msg, &s );
}
