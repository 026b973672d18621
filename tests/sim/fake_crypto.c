/* Keyed tags of BLS's sizes and BLS's algebra (C12.1): sig = key x h(msg) in six lanes of u64, so sums of keys verify sums of signatures, over one message
   or several.  Whoever knows the key can sign; the simulator's liars only use what their mode allows. */
#include "wan.h"

#define LANES 6

/* What the call would have taken with BLS, from bench_cons on the reference machine, rounded up: a pairing check of one message 720 us and 1.1 us a key, each further
   message 330 us, a raw point with its subgroup 30 us, a compressed one 60 us. */
uint64_t sim_price_ns;

static uint64_t mix64( uint64_t z ) { z = ( z^( z>>30 ) )*0xbf58476d1ce4e5b9u; z = ( z^( z>>27 ) )*0x94d049bb133111ebu; return z^( z>>31 ); }

static void hash_msg( dmg_bls_use_t use, dmg_span_t msg, uint64_t out[ LANES ] ) {
  uint64_t h = mix64( 0x5eed+(uint64_t)use*977+msg.sz );
  size_t i = 0;
  for( ; i+8<=msg.sz; i += 8 ) h = ( h^dmg_load_u64le( msg.p+i ) )*0x9e3779b97f4a7c15u, h ^= h>>32;
  for( ; i<msg.sz; i++ ) h = ( h^msg.p[ i ] )*0x9e3779b97f4a7c15u, h ^= h>>32;
  for( unsigned k = 0; k<LANES; k++ ) out[ k ] = mix64( h+k*0x632be59bd9b4e019u )|1;
}

static bool key_load( uint8_t const bytes[ DMG_BLS_KEY_SZ ], dmg_bls_key_t * out ) {
  memset( out, 0, sizeof *out );
  uint64_t h = 1;
  for( unsigned i = 0; i<DMG_BLS_KEY_SZ; i += 8 ) h = mix64( h^dmg_load_u64le( bytes+i ) );
  for( unsigned k = 0; k<LANES; k++ ) out->opaque[ k ] = mix64( h+k )|1;
  return !dmg_is_zero( bytes, DMG_BLS_KEY_SZ );
}

static bool key_sum( dmg_bls_key_t const * const * keys, size_t cnt, dmg_bls_key_t * out ) {
  dmg_bls_key_t s = { { 0 } };
  for( size_t i = 0; i<cnt; i++ ) for( unsigned k = 0; k<LANES; k++ ) s.opaque[ k ] += keys[ i ]->opaque[ k ];
  *out = s;
  return cnt>0;
}

static bool sig_load( uint8_t const bytes[ DMG_BLS_SIG_SZ ], dmg_bls_sig_t * out ) {
  if( dmg_is_zero( bytes, DMG_BLS_SIG_SZ ) ) return false;   /* identity */
  sim_price_ns += 60000;
  memset( out, 0, sizeof *out );
  memcpy( out->opaque, bytes, DMG_BLS_SIG_SZ );
  return true;
}

static bool sig_load_raw( uint8_t const bytes[ DMG_BLS_SIG_RAW_SZ ], dmg_bls_sig_t * out ) {
  /* "On the curve": the second half is the first's complement. */
  for( unsigned i = 0; i<DMG_BLS_SIG_SZ; i++ ) if( ( bytes[ i ]^bytes[ DMG_BLS_SIG_SZ+i ] )!=0xff ) return false;
  if( dmg_is_zero( bytes, DMG_BLS_SIG_SZ ) ) return false;
  memset( out, 0, sizeof *out );
  memcpy( out->opaque, bytes, DMG_BLS_SIG_SZ );
  sim_price_ns += 30000;
  return true;
}

static bool sig_load_part( uint8_t const bytes[ DMG_BLS_SIG_RAW_SZ ], dmg_bls_sig_t * out ) {
  if( !sig_load_raw( bytes, out ) ) return false;
  sim_price_ns -= 29000;
  return true;
}

static void sig_store( dmg_bls_sig_t const * sig, uint8_t out[ DMG_BLS_SIG_SZ ] ) { memcpy( out, sig->opaque, DMG_BLS_SIG_SZ ); }

static bool sig_sum( dmg_bls_sig_t const * const * sigs, size_t cnt, dmg_bls_sig_t * out ) {
  dmg_bls_sig_t s = { { 0 } };
  for( size_t i = 0; i<cnt; i++ ) for( unsigned k = 0; k<LANES; k++ ) s.opaque[ k ] += sigs[ i ]->opaque[ k ];
  *out = s;
  return cnt>0;
}

static bool verify_distinct( dmg_bls_item_t const * items, size_t cnt, dmg_bls_use_t use, dmg_bls_sig_t const * sig ) {
  uint64_t want[ LANES ] = { 0 }, h[ LANES ];
  sim_price_ns += 390000+330000*cnt;
  for( size_t i = 0; i<cnt; i++ ) {
    hash_msg( use, items[ i ].msg, h );
    for( unsigned k = 0; k<LANES; k++ ) want[ k ] += items[ i ].key->opaque[ k ]*h[ k ];
  }
  return cnt && !memcmp( want, sig->opaque, sizeof want );
}

static bool verify_same( dmg_bls_key_t const * const * keys, size_t cnt, dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t const * sig ) {
  sim_price_ns += 1100*cnt;
  dmg_bls_key_t sum;
  dmg_bls_item_t item = { .key = &sum, .msg = msg };
  return key_sum( keys, cnt, &sum ) && verify_distinct( &item, 1, use, sig );
}

dmg_cons_crypto_t const sim_fake = { key_load, key_sum, sig_load, sig_load_raw, sig_load_part, sig_store, sig_sum, verify_same, verify_distinct };

void sim_fake_key( uint32_t id, uint8_t out[ DMG_BLS_KEY_SZ ], dmg_bls_key_t * out_secret ) {
  memset( out, 0, DMG_BLS_KEY_SZ );
  out[ 0 ] = (uint8_t)( 0x80+id );   /* ascending: index = id */
  for( unsigned i = 1; i<DMG_BLS_KEY_SZ; i++ ) out[ i ] = (uint8_t)mix64( id*131+i );
  (void)key_load( out, out_secret );
}

void sim_fake_sign( dmg_bls_key_t const * secret, dmg_bls_use_t use, dmg_span_t msg, uint8_t out_raw[ DMG_BLS_SIG_RAW_SZ ] ) {
  uint64_t h[ LANES ];
  hash_msg( use, msg, h );
  for( unsigned k = 0; k<LANES; k++ ) h[ k ] *= secret->opaque[ k ];
  memcpy( out_raw, h, DMG_BLS_SIG_SZ );
  for( unsigned i = 0; i<DMG_BLS_SIG_SZ; i++ ) out_raw[ DMG_BLS_SIG_SZ+i ] = out_raw[ i ]^0xff;
}
