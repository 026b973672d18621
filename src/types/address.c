#include "types/address.h"
#include "types/fields_int.h"
#include "base/assert.h"

char const * dmg_scheme_name( unsigned scheme ) {
  static char const * const name[ DMG_SIG_SCHEME_CNT ] = { "Ed25519", "Secp256k1", "P256", "WebAuthn", "Bls" };
  return scheme<DMG_SIG_SCHEME_CNT ? name[ scheme ] : "unknown";
}

uint64_t dmg_scheme_gas( unsigned scheme ) {
  static uint32_t const gas[ DMG_SIG_SCHEME_CNT ] = { 32000, 50000, 115000, 115000, 1100000 };
  return scheme<DMG_SIG_SCHEME_CNT ? gas[ scheme ] : 0;
}

void dmg_account_init_read( dmg_bcs_rd_t * rd, dmg_account_init_t * out ) {
  memset( out, 0, sizeof *out );
  out->auth_cnt = dmg_bcs_rd_len( rd, 1, DMG_AUTH_SLOT_MAX );
  for( uint32_t i = 0; i<out->auth_cnt && !rd->bad; i++ ) {
    dmg_auth_init_t * a = &out->auths[ i ];
    a->scheme = dmg_bcs_rd_u8( rd );
    a->key    = dmg_bcs_rd_bytes( rd, DMG_AUTH_KEY_MAX );
    a->level  = dmg_bcs_rd_u8( rd );
    a->weight = dmg_bcs_rd_u16( rd );
  }
  out->t_use   = dmg_bcs_rd_u16( rd );
  out->t_owner = dmg_bcs_rd_u16( rd );
  out->salt    = dmg_bcs_rd_u64( rd );
}

void dmg_account_init_write( dmg_bcs_wr_t * wr, dmg_account_init_t const * init ) {
  DMG_ASSERT( init->auth_cnt<=DMG_AUTH_SLOT_MAX );
  dmg_bcs_wr_uleb( wr, init->auth_cnt );
  for( uint32_t i = 0; i<init->auth_cnt; i++ ) {
    dmg_auth_init_t const * a = &init->auths[ i ];
    dmg_bcs_wr_u8   ( wr, a->scheme );
    dmg_bcs_wr_bytes( wr, a->key );
    dmg_bcs_wr_u8   ( wr, a->level );
    dmg_bcs_wr_u16  ( wr, a->weight );
  }
  dmg_bcs_wr_u16( wr, init->t_use );
  dmg_bcs_wr_u16( wr, init->t_owner );
  dmg_bcs_wr_u64( wr, init->salt );
}

dmg_verdict_t dmg_account_init_check( dmg_account_init_t const * init ) {
  if( !init->auth_cnt || init->auth_cnt>DMG_AUTH_SLOT_MAX ) return dmg_verdict_bad( "auths", "1 to 16 authenticators are needed", 0 );
  uint32_t all = 0, owners = 0;
  for( uint32_t i = 0; i<init->auth_cnt; i++ ) {
    dmg_auth_init_t const * a = &init->auths[ i ];
    if( a->scheme>=DMG_SIG_SCHEME_CNT )                          return dmg_verdict_bad_at( "auths.scheme", i, "an unknown scheme", 0 );
    if( a->key.sz!=dmg_sig_key_sz( a->scheme ) )          return dmg_verdict_bad_at( "auths.key", i, "not the size of the scheme's keys", 0 );
    if( a->level!=DMG_LEVEL_USE && a->level!=DMG_LEVEL_OWNER ) return dmg_verdict_bad_at( "auths.level", i, "neither 1 (use) nor 2 (owner)", 0 );
    if( !a->weight )                                         return dmg_verdict_bad_at( "auths.weight", i, "0, at least 1 is needed", 0 );
    for( uint32_t k = 0; k<i; k++ )
      if( dmg_span_eq( init->auths[ k ].key, a->key ) )      return dmg_verdict_bad_at( "auths.key", i, "a key that occurs twice", 0 );
    all += a->weight;
    if( a->level==DMG_LEVEL_OWNER ) owners += a->weight;
  }
  if( !init->t_use   || init->t_use>all )      return dmg_verdict_bad( "t_use", "not between 1 and the sum of all weights", 0 );
  if( !init->t_owner || init->t_owner>owners ) return dmg_verdict_bad( "t_owner", "not between 1 and the sum of the owner weights", 0 );
  return dmg_verdict_good();
}

dmg_verdict_t dmg_account_init_decode( dmg_span_t bytes, dmg_account_init_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t  f = { 0 }, * at = &f;
  dmg_account_init_t init;
  F( "init", dmg_account_init_read( rd, &init ) );
  dmg_verdict_t v = dmg_fields_end( rd, at );
  if( !v.kind ) v = dmg_account_init_check( &init );
  if( !v.kind ) *out = init;
  return v;
}

dmg_account_init_t dmg_account_init_plain( unsigned scheme, dmg_span_t key ) {
  DMG_ASSERT( scheme<DMG_SIG_SCHEME_CNT && key.sz==dmg_sig_key_sz( scheme ) );
  return (dmg_account_init_t){ .auths = { { .scheme = (uint8_t)scheme, .level = DMG_LEVEL_OWNER, .weight = 1, .key = key } }, .auth_cnt = 1, .t_use = 1, .t_owner = 1 };
}

dmg_hash_t dmg_address_of( dmg_account_init_t const * init ) {
  uint8_t out[ DMG_ACCOUNT_INIT_BCS_MAX ];
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, sizeof out );
  dmg_account_init_write( &wr, init );
  DMG_ASSERT( !wr.is_full );
  return dmg_h( DMG_TAG_ADDR, dmg_bcs_wr_span( &wr ) );
}

dmg_hash_t dmg_module_address( uint16_t module, uint64_t seed ) {
  uint8_t msg[ 10 ];
  dmg_store_u16le( msg, module );
  dmg_store_u64le( msg+2, seed );
  return dmg_h( DMG_TAG_MODULE, DMG_SPAN( msg ) );
}
