#include "node/epochs.h"
#include "base/assert.h"
#include "consensus/schedule.h"
#include "types/address.h"
#include "types/asset.h"

void dmg_epoch_set( dmg_genesis_t const * g, dmg_set_t * out_set, uint8_t out_index[ DMG_SET_MAX ] ) {
  DMG_ASSERT( g->validator_cnt<=DMG_SET_MAX );
  *out_set = (dmg_set_t){ 0 };
  for( uint32_t i = 0; i<g->validator_cnt; i++ ) {
    uint32_t at = out_set->cnt++;
    for( ; at && memcmp( out_set->members[ at-1 ].key, g->validators[ i ].key, DMG_BLS_KEY_SZ )>0; at-- ) {
      out_set->members[ at ] = out_set->members[ at-1 ];
      out_index[ at ]        = out_index[ at-1 ];
    }
    uint64_t cgt = g->validators[ i ].bond/DMG_SPARKS_PER_CGT;
    memcpy( out_set->members[ at ].key, g->validators[ i ].key, DMG_BLS_KEY_SZ );
    out_set->members[ at ].weight = cgt ? cgt : 1;
    out_index[ at ] = (uint8_t)i;
  }
}

uint64_t dmg_genesis_param( dmg_genesis_t const * genesis, dmg_param_t param ) {
  uint64_t value = dmg_param_desc[ param ].def;
  for( uint32_t i = 0; i<genesis->param_cnt; i++ ) {
    dmg_genesis_param_t const * g = &genesis->params[ i ];
    if( g->module==dmg_param_desc[ param ].module && g->key==dmg_param_desc[ param ].key ) (void)dmg_param_parse( param, g->value, genesis->kind==DMG_GENESIS_DEV, &value );   /* judged by dmg_genesis_check */
  }
  return value;
}

dmg_record_t dmg_epoch_first( dmg_genesis_t const * g, dmg_hash_t const * chain_id, dmg_set_t const * set ) {
  return (dmg_record_t){
    .version = DMG_RECORD_VERSION, .epoch = 0, .first_height = 1, .last_height = dmg_genesis_param( g, DMG_PARAM_EPOCH_BLOCKS ), .set_hash = dmg_set_hash( set ), .seed = dmg_epoch_seed( chain_id, 0 ),
    .weight = dmg_set_weight( set ), .n = (uint16_t)set->cnt, .pace_ms = (uint16_t)dmg_genesis_param( g, DMG_PARAM_PACE_MS ), .window = (uint8_t)dmg_genesis_param( g, DMG_PARAM_WINDOW_VIEWS ),
    .delta_ms = (uint16_t)dmg_genesis_param( g, DMG_PARAM_DELTA_MS ), .cap_ms = (uint32_t)dmg_genesis_param( g, DMG_PARAM_BACKOFF_CAP_MS ), .empty_lag = (uint8_t)dmg_genesis_param( g, DMG_PARAM_EMPTY_LAG ),
    .body_max = (uint32_t)dmg_genesis_param( g, DMG_PARAM_BODY_MAX ), .body_soft = (uint32_t)dmg_genesis_param( g, DMG_PARAM_BODY_SOFT ), .skew_ms = (uint16_t)dmg_genesis_param( g, DMG_PARAM_SKEW_MS ) };
}

uint64_t dmg_epoch_seed_height( dmg_record_t const * r ) { return r->first_height+( r->last_height-r->first_height+1 )/8; }

dmg_record_t dmg_epoch_next( dmg_record_t const * record, dmg_set_t const * set, dmg_hash_t const * beacon ) {
  dmg_record_t r = *record;
  uint64_t len = record->last_height-record->first_height+1;
  r.epoch++;
  r.first_height = record->last_height+1;
  r.last_height  = record->last_height+len;
  r.seed         = dmg_epoch_seed( beacon, r.epoch );
  r.set_hash     = dmg_set_hash( set );
  r.weight       = dmg_set_weight( set );
  r.n            = (uint16_t)set->cnt;
  return r;
}
