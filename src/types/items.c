#include "types/items.h"
#include "base/assert.h"

#include <stdio.h>

dmg_item_desc_t const dmg_item_desc[ DMG_ITEM_CNT ] = {
#define DESC( name_, module_, item_, kind_, has_deposit_, text_ ) \
  [ DMG_ITEM_##name_ ] = { .module = module_, .item = item_, .kind = kind_, .has_deposit = has_deposit_, .schema = 1, .name = text_ },
  DMG_ITEM_TABLE( DESC )
#undef DESC
};

dmg_item_desc_t const * dmg_item_find( uint16_t module, uint16_t item ) {
  for( unsigned i = 0; i<DMG_ITEM_CNT; i++ )
    if( dmg_item_desc[ i ].module==module && dmg_item_desc[ i ].item==item ) return &dmg_item_desc[ i ];
  return NULL;
}

void dmg_key_print( dmg_span_t key, char * out, size_t cap ) {
  if( key.sz<4 ) { snprintf( out, cap, "key of %zu bytes", key.sz ); return; }
  uint16_t module = dmg_load_u16be( key.p ), item = dmg_load_u16be( key.p+2 );
  dmg_item_desc_t const * d = dmg_item_find( module, item );
  char fields[ 2*DMG_KEY_MAX+1 ];
  size_t sz = key.sz-4<DMG_KEY_MAX ? key.sz-4 : DMG_KEY_MAX;
  dmg_hex_encode( key.p+4, sz, fields );
  if( d ) snprintf( out, cap, "%s.%s[%s]", module==DMG_MODULE_SYSTEM ? "system" : "balances", d->name, fields );
  else    snprintf( out, cap, "%u.%u[%s]", module, item, fields );
}

/* --- V ------------------------------------------------------------------------------------------------

     0 schema u8    1 payer[32]    33 amount u64    41 BCS value      with a deposit record
     0 schema u8    1 BCS value                                       without                             */

dmg_err_t dmg_value_parse( dmg_span_t v, bool has_deposit, uint8_t * out_schema, dmg_deposit_rec_t * out_deposit, dmg_span_t * out_bcs ) {
  size_t head = dmg_value_sz( has_deposit, 0 );
  if( v.sz<head || !v.p[ 0 ] ) return DMG_ERR_CORRUPT;   /* storage_version is 1..255 */
  dmg_deposit_rec_t d = { 0 };
  if( has_deposit ) {
    d.payer  = dmg_hash_load( v.p+1 );
    d.amount = dmg_load_u64le( v.p+33 );
  }
  *out_schema = v.p[ 0 ];
  if( out_deposit ) *out_deposit = d;
  *out_bcs = dmg_span( v.p+head, v.sz-head );
  return DMG_OK;
}

dmg_err_t dmg_value_bcs( dmg_item_t item, dmg_span_t v, dmg_span_t * out_bcs ) {
  uint8_t schema;
  return dmg_value_parse( v, dmg_item_desc[ item ].has_deposit, &schema, NULL, out_bcs );
}

size_t dmg_value_build( bool has_deposit, uint8_t schema, dmg_deposit_rec_t const * deposit, dmg_span_t bcs, uint8_t * out ) {
  DMG_ASSERT( schema );
  size_t head = dmg_value_sz( has_deposit, 0 );
  if( bcs.sz && bcs.p!=out+head ) memmove( out+head, bcs.p, bcs.sz );
  out[ 0 ] = schema;
  if( has_deposit ) {
    dmg_deposit_rec_t d = deposit ? *deposit : (dmg_deposit_rec_t){ 0 };
    memcpy( out+1, d.payer.b, 32 );
    dmg_store_u64le( out+33, d.amount );
  }
  return head+bcs.sz;
}

dmg_err_t dmg_counter_parse( dmg_span_t v, bool has_deposit, dmg_deposit_rec_t * out_deposit, uint64_t * out ) {
  if( !v.sz ) {
    if( out_deposit ) *out_deposit = (dmg_deposit_rec_t){ 0 };
    *out = 0;
    return DMG_OK;
  }
  uint8_t    schema;
  dmg_span_t bcs;
  if( v.sz!=dmg_value_sz( has_deposit, DMG_COUNTER_SZ ) ) return DMG_ERR_CORRUPT;
  DMG_TRY( dmg_value_parse( v, has_deposit, &schema, out_deposit, &bcs ) );
  *out = dmg_load_u64le( bcs.p );
  return DMG_OK;
}

size_t dmg_counter_build( bool has_deposit, uint8_t schema, dmg_deposit_rec_t const * deposit, uint64_t value, uint8_t out[ DMG_COUNTER_V_MAX ] ) {
  uint8_t bcs[ DMG_COUNTER_SZ ];
  dmg_store_u64le( bcs, value );
  return dmg_value_build( has_deposit, schema, deposit, DMG_SPAN( bcs ), out );
}

/* --- K ------------------------------------------------------------------------------------------------ */

static uint8_t * k_u8  ( uint8_t * p, uint8_t v )            { *p = v; return p+1; }
static uint8_t * k_u16 ( uint8_t * p, uint16_t v )           { dmg_store_u16be( p, v ); return p+2; }
static uint8_t * k_u32 ( uint8_t * p, uint32_t v )           { dmg_store_u32be( p, v ); return p+4; }
static uint8_t * k_u64 ( uint8_t * p, uint64_t v )           { dmg_store_u64be( p, v ); return p+8; }
static uint8_t * k_hash( uint8_t * p, dmg_hash_t const * h ) { memcpy( p, h->b, 32 ); return p+32; }
static uint8_t * k_asset( uint8_t * p, dmg_asset_t const * a ) { dmg_asset_key( a, p ); return p+DMG_ASSET_KEY_SZ; }
static uint8_t * k_item( uint8_t * p, dmg_item_t i )         { return k_u16( k_u16( p, dmg_item_desc[ i ].module ), dmg_item_desc[ i ].item ); }

size_t dmg_key_prefix( uint16_t module, uint16_t item, uint8_t * out ) { return (size_t)( k_u16( k_u16( out, module ), item )-out ); }

#define KEY( item, expr ) do { uint8_t * p = k_item( out, DMG_ITEM_##item ); p = ( expr ); return (size_t)( p-out ); } while(0)
size_t dmg_key_account ( dmg_hash_t const * account, uint8_t * out )                { KEY( ACCOUNT, k_hash( p, account ) ); }
size_t dmg_key_auth    ( dmg_hash_t const * account, uint8_t slot, uint8_t * out )  { KEY( AUTH, k_u8( k_hash( p, account ), slot ) ); }
size_t dmg_key_lane    ( dmg_hash_t const * account, uint16_t lane, uint8_t * out ) { KEY( LANE, k_u16( k_hash( p, account ), lane ) ); }
size_t dmg_key_seen    ( uint64_t bucket, dmg_hash_t const * id, uint8_t * out )    { KEY( SEEN, k_hash( k_u64( p, bucket ), id ) ); }
size_t dmg_key_msig    ( dmg_hash_t const * account, uint32_t id, uint8_t * out )   { KEY( MSIG, k_u32( k_hash( p, account ), id ) ); }
size_t dmg_key_param   ( uint16_t module, uint16_t key, uint8_t * out )             { KEY( PARAM, k_u16( k_u16( p, module ), key ) ); }
size_t dmg_key_module  ( uint16_t module, uint8_t * out )                           { KEY( MODULE, k_u16( p, module ) ); }
size_t dmg_key_code    ( dmg_hash_t const * code, uint8_t * out )                   { KEY( CODE, k_hash( p, code ) ); }
size_t dmg_key_schema  ( uint16_t module, uint16_t call, uint8_t * out )            { KEY( SCHEMA, k_u16( k_u16( p, module ), call ) ); }
size_t dmg_key_topic   ( uint8_t kind, dmg_hash_t const * id, uint8_t * out )       { KEY( TOPIC, k_hash( k_u8( p, kind ), id ) ); }
size_t dmg_key_beacon  ( uint64_t height, uint8_t * out )                           { KEY( BEACON, k_u16( p, (uint16_t)( height%DMG_BEACON_RING ) ) ); }
size_t dmg_key_block   ( uint8_t * out )                                            { KEY( BLOCK, p ); }
size_t dmg_key_receipts( uint8_t * out )                                            { KEY( RECEIPTS, p ); }
size_t dmg_key_msig_seq( dmg_hash_t const * account, uint8_t * out )                { KEY( MSIG_SEQ, k_hash( p, account ) ); }
size_t dmg_key_vm      ( uint8_t * out )                                            { KEY( VM, p ); }
size_t dmg_key_free    ( dmg_hash_t const * account, uint8_t * out )                { KEY( FREE, k_hash( p, account ) ); }
size_t dmg_key_held    ( dmg_hash_t const * account, uint8_t * out )                { KEY( HELD, k_hash( p, account ) ); }
size_t dmg_key_hold    ( dmg_hash_t const * account, uint8_t reason, dmg_hash_t const * id, uint8_t * out ) { KEY( HOLD, k_hash( k_u8( k_hash( p, account ), reason ), id ) ); }
size_t dmg_key_lock    ( dmg_hash_t const * account, uint8_t reason, uint8_t * out ) { KEY( LOCK, k_u8( k_hash( p, account ), reason ) ); }
size_t dmg_key_vesting ( dmg_hash_t const * account, uint32_t n, uint8_t * out )    { KEY( VESTING, k_u32( k_hash( p, account ), n ) ); }
size_t dmg_key_bucket  ( uint8_t bucket, uint8_t * out )                            { KEY( BUCKET, k_u8( p, bucket ) ); }
size_t dmg_key_burned  ( uint8_t cause, uint8_t * out )                             { KEY( BURNED, k_u8( p, cause ) ); }
size_t dmg_key_pledge( dmg_hash_t const * account, uint16_t module, dmg_asset_t const * asset, dmg_hash_t const * ref, uint8_t * out ) {
  KEY( PLEDGE, k_hash( k_asset( k_u16( k_hash( p, account ), module ), asset ), ref ) );
}
#undef KEY

dmg_hash_t dmg_topic_module_id( uint16_t module ) {
  dmg_hash_t id = { 0 };
  dmg_store_u16be( id.b, module );
  return id;
}
