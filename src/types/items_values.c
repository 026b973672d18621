/* The BCS values of native items: get reads and judges, put writes what get would take. */
#include "types/items.h"
#include "base/assert.h"

/* The end of every get: one place decides what corrupt means. */
#define GET_END() do { if( dmg_bcs_rd_end( &rd ) ) return DMG_ERR_CORRUPT; *out = v; return DMG_OK; } while(0)
#define PUT_END() do { DMG_ASSERT( !wr.is_full ); return (size_t)( wr.p-wr.start ); } while(0)

static void fail_if( dmg_bcs_rd_t * rd, bool is_bad ) { if( is_bad ) dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ); }

/* --- System ------------------------------------------------------------------------------------------- */

dmg_err_t dmg_item_account_get( dmg_span_t bcs, dmg_item_account_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_item_account_t v;
  v.kind       = dmg_bcs_rd_u8 ( &rd );
  v.kill_epoch = dmg_bcs_rd_u64( &rd );
  v.auth_epoch = dmg_bcs_rd_u32( &rd );
  v.t_use      = dmg_bcs_rd_u16( &rd );
  v.t_owner    = dmg_bcs_rd_u16( &rd );
  v.created_ms = dmg_bcs_rd_u64( &rd );
  fail_if( &rd, v.kind>DMG_ACCOUNT_MODULE );
  GET_END();
}

size_t dmg_item_account_put( dmg_item_account_t const * item, uint8_t * out ) {
  DMG_ASSERT( item->kind<=DMG_ACCOUNT_MODULE );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_ITEM_ACCOUNT_MAX );
  dmg_bcs_wr_u8 ( &wr, item->kind );
  dmg_bcs_wr_u64( &wr, item->kill_epoch );
  dmg_bcs_wr_u32( &wr, item->auth_epoch );
  dmg_bcs_wr_u16( &wr, item->t_use );
  dmg_bcs_wr_u16( &wr, item->t_owner );
  dmg_bcs_wr_u64( &wr, item->created_ms );
  PUT_END();
}

dmg_err_t dmg_item_auth_get( dmg_span_t bcs, dmg_item_auth_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_item_auth_t v;
  v.scheme         = dmg_bcs_rd_u8( &rd );
  v.key            = dmg_bcs_rd_bytes( &rd, DMG_AUTH_KEY_MAX );
  v.level          = dmg_bcs_rd_u8( &rd );
  v.weight         = dmg_bcs_rd_u16( &rd );
  v.label          = dmg_bcs_rd_str( &rd, DMG_AUTH_LABEL_MAX );
  v.active_from_ms = dmg_bcs_rd_u64( &rd );
  fail_if( &rd, v.scheme>=DMG_SIG_SCHEME_CNT || v.key.sz!=dmg_sig_key_sz( v.scheme ) );
  fail_if( &rd, ( v.level!=DMG_LEVEL_USE && v.level!=DMG_LEVEL_OWNER ) || !v.weight );
  GET_END();
}

size_t dmg_item_auth_put( dmg_item_auth_t const * item, uint8_t * out ) {
  DMG_ASSERT( item->scheme<DMG_SIG_SCHEME_CNT && item->key.sz==dmg_sig_key_sz( item->scheme ) );
  DMG_ASSERT( ( item->level==DMG_LEVEL_USE || item->level==DMG_LEVEL_OWNER ) && item->weight );
  DMG_ASSERT( item->label.sz<=DMG_AUTH_LABEL_MAX && dmg_utf8_is_valid( item->label ) );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_ITEM_AUTH_MAX );
  dmg_bcs_wr_u8   ( &wr, item->scheme );
  dmg_bcs_wr_bytes( &wr, item->key );
  dmg_bcs_wr_u8   ( &wr, item->level );
  dmg_bcs_wr_u16  ( &wr, item->weight );
  dmg_bcs_wr_bytes( &wr, item->label );
  dmg_bcs_wr_u64  ( &wr, item->active_from_ms );
  PUT_END();
}

dmg_err_t dmg_item_u64_get( dmg_span_t bcs, uint64_t * out ) {
  if( bcs.sz!=8 ) return DMG_ERR_CORRUPT;
  *out = dmg_load_u64le( bcs.p );
  return DMG_OK;
}

size_t dmg_item_u64_put( uint64_t value, uint8_t * out ) { dmg_store_u64le( out, value ); return 8; }

dmg_err_t dmg_item_msig_get( dmg_span_t bcs, dmg_item_msig_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_item_msig_t v;
  memset( &v, 0, sizeof v );
  v.call_cnt = dmg_bcs_rd_len( &rd, 0, DMG_MSIG_CALL_MAX );
  for( uint32_t i = 0; i<v.call_cnt; i++ ) {
    v.calls[ i ].module = dmg_bcs_rd_u16( &rd );
    v.calls[ i ].call   = dmg_bcs_rd_u16( &rd );
    dmg_bcs_rd_copy( &rd, v.calls[ i ].schema.b, 32 );
    v.calls[ i ].args   = dmg_bcs_rd_bytes( &rd, DMG_MSIG_CALLS_SZ_MAX );
  }
  fail_if( &rd, dmg_bcs_rd_off( &rd )>DMG_MSIG_CALLS_SZ_MAX );
  v.approvals  = dmg_bcs_rd_u16( &rd );
  v.level      = dmg_bcs_rd_u8 ( &rd );
  v.auth_epoch = dmg_bcs_rd_u32( &rd );
  v.kill_epoch = dmg_bcs_rd_u64( &rd );
  v.until_ms   = dmg_bcs_rd_u64( &rd );
  fail_if( &rd, v.level!=DMG_LEVEL_USE && v.level!=DMG_LEVEL_OWNER );
  GET_END();
}

size_t dmg_item_msig_put( dmg_item_msig_t const * item, uint8_t * out ) {
  DMG_ASSERT( item->call_cnt<=DMG_MSIG_CALL_MAX && ( item->level==DMG_LEVEL_USE || item->level==DMG_LEVEL_OWNER ) );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_ITEM_MSIG_MAX );
  dmg_bcs_wr_uleb( &wr, item->call_cnt );
  for( uint32_t i = 0; i<item->call_cnt; i++ ) {
    dmg_bcs_wr_u16  ( &wr, item->calls[ i ].module );
    dmg_bcs_wr_u16  ( &wr, item->calls[ i ].call );
    dmg_bcs_wr_fixed( &wr, item->calls[ i ].schema.b, 32 );
    dmg_bcs_wr_bytes( &wr, item->calls[ i ].args );
  }
  DMG_ASSERT( wr.p-wr.start<=DMG_MSIG_CALLS_SZ_MAX );
  dmg_bcs_wr_u16( &wr, item->approvals );
  dmg_bcs_wr_u8 ( &wr, item->level );
  dmg_bcs_wr_u32( &wr, item->auth_epoch );
  dmg_bcs_wr_u64( &wr, item->kill_epoch );
  dmg_bcs_wr_u64( &wr, item->until_ms );
  PUT_END();
}

dmg_err_t dmg_item_param_get( dmg_span_t bcs, dmg_item_param_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_item_param_t v = { 0 };
  v.value    = dmg_bcs_rd_bytes ( &rd, DMG_PARAM_VALUE_MAX );
  v.has_next = dmg_bcs_rd_option( &rd );
  if( v.has_next ) {
    v.next       = dmg_bcs_rd_bytes( &rd, DMG_PARAM_VALUE_MAX );
    v.next_epoch = dmg_bcs_rd_u32( &rd );
  }
  GET_END();
}

size_t dmg_item_param_put( dmg_item_param_t const * item, uint8_t * out ) {
  DMG_ASSERT( item->value.sz<=DMG_PARAM_VALUE_MAX && item->next.sz<=DMG_PARAM_VALUE_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_ITEM_PARAM_MAX );
  dmg_bcs_wr_bytes( &wr, item->value );
  dmg_bcs_wr_bool ( &wr, item->has_next );
  if( item->has_next ) {
    dmg_bcs_wr_bytes( &wr, item->next );
    dmg_bcs_wr_u32  ( &wr, item->next_epoch );
  }
  PUT_END();
}

static dmg_semver_t read_semver( dmg_bcs_rd_t * rd ) {
  dmg_semver_t s;
  s.major = dmg_bcs_rd_u16( rd );
  s.minor = dmg_bcs_rd_u16( rd );
  s.patch = dmg_bcs_rd_u16( rd );
  return s;
}

static void write_semver( dmg_bcs_wr_t * wr, dmg_semver_t s ) {
  dmg_bcs_wr_u16( wr, s.major );
  dmg_bcs_wr_u16( wr, s.minor );
  dmg_bcs_wr_u16( wr, s.patch );
}

dmg_err_t dmg_item_module_get( dmg_span_t bcs, dmg_item_module_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_item_module_t v;
  memset( &v, 0, sizeof v );
  v.name            = dmg_bcs_rd_str( &rd, DMG_MODULE_NAME_MAX );
  v.version         = read_semver( &rd );
  dmg_bcs_rd_copy( &rd, v.code.b, 32 );
  dmg_bcs_rd_copy( &rd, v.abi.b, 32 );
  v.storage_version = dmg_bcs_rd_u8( &rd );
  v.status          = dmg_bcs_rd_u8( &rd );
  v.activated_at    = dmg_bcs_rd_u64( &rd );
  v.has_prev        = dmg_bcs_rd_option( &rd );
  if( v.has_prev ) dmg_bcs_rd_copy( &rd, v.prev.b, 32 );
  v.dep_cnt         = dmg_bcs_rd_len( &rd, 0, DMG_MODULE_DEP_MAX );
  for( uint32_t i = 0; i<v.dep_cnt; i++ ) {
    v.deps[ i ].module  = dmg_bcs_rd_u16( &rd );
    v.deps[ i ].version = read_semver( &rd );
  }
  v.trap_ppm        = dmg_bcs_rd_u32( &rd );
  fail_if( &rd, !v.storage_version || v.status>=DMG_MODULE_STATUS_CNT );
  GET_END();
}

size_t dmg_item_module_put( dmg_item_module_t const * item, uint8_t * out ) {
  DMG_ASSERT( item->name.sz<=DMG_MODULE_NAME_MAX && dmg_utf8_is_valid( item->name ) );
  DMG_ASSERT( item->storage_version && item->status<DMG_MODULE_STATUS_CNT && item->dep_cnt<=DMG_MODULE_DEP_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_ITEM_MODULE_MAX );
  dmg_bcs_wr_bytes( &wr, item->name );
  write_semver( &wr, item->version );
  dmg_bcs_wr_fixed( &wr, item->code.b, 32 );
  dmg_bcs_wr_fixed( &wr, item->abi.b, 32 );
  dmg_bcs_wr_u8   ( &wr, item->storage_version );
  dmg_bcs_wr_u8   ( &wr, item->status );
  dmg_bcs_wr_u64  ( &wr, item->activated_at );
  dmg_bcs_wr_bool ( &wr, item->has_prev );
  if( item->has_prev ) dmg_bcs_wr_fixed( &wr, item->prev.b, 32 );
  dmg_bcs_wr_uleb ( &wr, item->dep_cnt );
  for( uint32_t i = 0; i<item->dep_cnt; i++ ) {
    dmg_bcs_wr_u16( &wr, item->deps[ i ].module );
    write_semver( &wr, item->deps[ i ].version );
  }
  dmg_bcs_wr_u32( &wr, item->trap_ppm );
  PUT_END();
}

dmg_err_t dmg_item_code_get( dmg_span_t bcs, dmg_span_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_span_t v = dmg_bcs_rd_bytes( &rd, DMG_CODE_SZ_MAX );
  GET_END();
}

size_t dmg_item_code_put( dmg_span_t code, uint8_t * out ) {
  DMG_ASSERT( code.sz<=DMG_CODE_SZ_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, 3+code.sz );
  dmg_bcs_wr_bytes( &wr, code );
  PUT_END();
}

dmg_err_t dmg_item_schema_get( dmg_span_t bcs, dmg_item_schema_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_item_schema_t v;
  memset( &v, 0, sizeof v );
  v.cnt = dmg_bcs_rd_len( &rd, 0, DMG_SCHEMA_MAX );
  for( uint32_t i = 0; i<v.cnt; i++ ) dmg_bcs_rd_copy( &rd, v.hashes[ i ].b, 32 );
  GET_END();
}

size_t dmg_item_schema_put( dmg_item_schema_t const * item, uint8_t * out ) {
  DMG_ASSERT( item->cnt<=DMG_SCHEMA_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_ITEM_SCHEMA_MAX );
  dmg_bcs_wr_uleb ( &wr, item->cnt );
  dmg_bcs_wr_fixed( &wr, item->hashes, (size_t)32*item->cnt );
  PUT_END();
}

dmg_err_t dmg_item_mmr_get( dmg_span_t bcs, dmg_mmr_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_mmr_t v;
  dmg_mmr_read( &rd, &v );
  if( dmg_bcs_rd_end( &rd ) ) return DMG_ERR_CORRUPT;
  out->count = v.count;
  memcpy( out->peaks, v.peaks, (size_t)32*dmg_mmr_peak_cnt( &v ) );
  return DMG_OK;
}

size_t dmg_item_mmr_put( dmg_mmr_t const * mmr, uint8_t * out ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_MMR_BCS_MAX );
  dmg_mmr_write( &wr, mmr );
  PUT_END();
}

dmg_err_t dmg_item_hash_get( dmg_span_t bcs, dmg_hash_t * out ) {
  if( bcs.sz!=32 ) return DMG_ERR_CORRUPT;
  *out = dmg_hash_load( bcs.p );
  return DMG_OK;
}

size_t dmg_item_hash_put( dmg_hash_t const * hash, uint8_t * out ) { memcpy( out, hash->b, 32 ); return 32; }

dmg_err_t dmg_item_block_get( dmg_span_t bcs, dmg_item_block_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_item_block_t v;
  v.height  = dmg_bcs_rd_u64( &rd );
  v.time_ms = dmg_bcs_rd_u64( &rd );
  v.price   = dmg_bcs_rd_u64( &rd );
  dmg_bcs_rd_copy( &rd, v.receipts_root.b, 32 );
  v.tx_cnt  = dmg_bcs_rd_u32( &rd );
  GET_END();
}

size_t dmg_item_block_put( dmg_item_block_t const * item, uint8_t * out ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_ITEM_BLOCK_MAX );
  dmg_bcs_wr_u64  ( &wr, item->height );
  dmg_bcs_wr_u64  ( &wr, item->time_ms );
  dmg_bcs_wr_u64  ( &wr, item->price );
  dmg_bcs_wr_fixed( &wr, item->receipts_root.b, 32 );
  dmg_bcs_wr_u32  ( &wr, item->tx_cnt );
  PUT_END();
}

dmg_err_t dmg_item_pledge_get( dmg_span_t bcs, dmg_item_pledge_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_item_pledge_t v = { 0 };
  v.amount  = dmg_bcs_rd_u64   ( &rd );
  v.has_min = dmg_bcs_rd_option( &rd );
  if( v.has_min ) {
    dmg_asset_read( &rd, &v.min_asset );
    v.min_amount = dmg_bcs_rd_u64( &rd );
  }
  v.until_ms   = dmg_bcs_rd_u64( &rd );
  v.kill_epoch = dmg_bcs_rd_u64( &rd );
  fail_if( &rd, v.min_amount>DMG_AMOUNT_MAX );
  GET_END();
}

size_t dmg_item_pledge_put( dmg_item_pledge_t const * item, uint8_t * out ) {
  DMG_ASSERT( item->min_amount<=DMG_AMOUNT_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_ITEM_PLEDGE_MAX );
  dmg_bcs_wr_u64 ( &wr, item->amount );
  dmg_bcs_wr_bool( &wr, item->has_min );
  if( item->has_min ) {
    dmg_asset_write( &wr, &item->min_asset );
    dmg_bcs_wr_u64 ( &wr, item->min_amount );
  }
  dmg_bcs_wr_u64( &wr, item->until_ms );
  dmg_bcs_wr_u64( &wr, item->kill_epoch );
  PUT_END();
}

dmg_err_t dmg_item_vm_get( dmg_span_t bcs, dmg_item_vm_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_item_vm_t v;
  v.instr_version = dmg_bcs_rd_u16( &rd );
  v.host_api      = dmg_bcs_rd_u16( &rd );
  v.next_bundle   = dmg_bcs_rd_u32( &rd );
  GET_END();
}

size_t dmg_item_vm_put( dmg_item_vm_t const * item, uint8_t * out ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_ITEM_VM_MAX );
  dmg_bcs_wr_u16( &wr, item->instr_version );
  dmg_bcs_wr_u16( &wr, item->host_api );
  dmg_bcs_wr_u32( &wr, item->next_bundle );
  PUT_END();
}

/* --- Balances ----------------------------------------------------------------------------------------- */

dmg_err_t dmg_item_lock_get( dmg_span_t bcs, dmg_item_lock_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_item_lock_t v;
  v.amount   = dmg_bcs_rd_u64( &rd );
  v.until_ms = dmg_bcs_rd_u64( &rd );
  fail_if( &rd, v.amount>DMG_AMOUNT_MAX );
  GET_END();
}

size_t dmg_item_lock_put( dmg_item_lock_t const * item, uint8_t * out ) {
  DMG_ASSERT( item->amount<=DMG_AMOUNT_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_ITEM_LOCK_MAX );
  dmg_bcs_wr_u64( &wr, item->amount );
  dmg_bcs_wr_u64( &wr, item->until_ms );
  PUT_END();
}

dmg_err_t dmg_item_vesting_get( dmg_span_t bcs, dmg_item_vesting_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_item_vesting_t v;
  memset( &v, 0, sizeof v );
  v.total     = dmg_bcs_rd_u64( &rd );
  v.claimed   = dmg_bcs_rd_u64( &rd );
  v.is_linear = dmg_bcs_rd_bool( &rd );
  v.step_cnt  = dmg_bcs_rd_len( &rd, 0, DMG_VESTING_STEP_MAX );
  for( uint32_t i = 0; i<v.step_cnt; i++ ) {
    v.steps[ i ].at_ms = dmg_bcs_rd_u64( &rd );
    v.steps[ i ].bps   = dmg_bcs_rd_u16( &rd );
  }
  fail_if( &rd, v.total>DMG_AMOUNT_MAX || v.claimed>v.total );
  GET_END();
}

size_t dmg_item_vesting_put( dmg_item_vesting_t const * item, uint8_t * out ) {
  DMG_ASSERT( item->total<=DMG_AMOUNT_MAX && item->claimed<=item->total && item->step_cnt<=DMG_VESTING_STEP_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_ITEM_VESTING_MAX );
  dmg_bcs_wr_u64 ( &wr, item->total );
  dmg_bcs_wr_u64 ( &wr, item->claimed );
  dmg_bcs_wr_bool( &wr, item->is_linear );
  dmg_bcs_wr_uleb( &wr, item->step_cnt );
  for( uint32_t i = 0; i<item->step_cnt; i++ ) {
    dmg_bcs_wr_u64( &wr, item->steps[ i ].at_ms );
    dmg_bcs_wr_u16( &wr, item->steps[ i ].bps );
  }
  PUT_END();
}

dmg_err_t dmg_item_bucket_get( dmg_span_t bcs, dmg_item_bucket_t * out ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_item_bucket_t v;
  memset( &v, 0, sizeof v );
  dmg_bcs_rd_copy( &rd, v.pool.b, 32 );
  v.paid         = dmg_bcs_rd_u64( &rd );
  v.schedule_cnt = dmg_bcs_rd_len( &rd, 0, DMG_BUCKET_STEP_MAX );
  fail_if( &rd, v.paid>DMG_AMOUNT_MAX );
  for( uint32_t i = 0; i<v.schedule_cnt; i++ ) {
    v.schedule[ i ].at_ms = dmg_bcs_rd_u64( &rd );
    v.schedule[ i ].total = dmg_bcs_rd_u64( &rd );
    fail_if( &rd, v.schedule[ i ].total>DMG_AMOUNT_MAX );
  }
  GET_END();
}

size_t dmg_item_bucket_put( dmg_item_bucket_t const * item, uint8_t * out ) {
  DMG_ASSERT( item->paid<=DMG_AMOUNT_MAX && item->schedule_cnt<=DMG_BUCKET_STEP_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_ITEM_BUCKET_MAX );
  dmg_bcs_wr_fixed( &wr, item->pool.b, 32 );
  dmg_bcs_wr_u64  ( &wr, item->paid );
  dmg_bcs_wr_uleb ( &wr, item->schedule_cnt );
  for( uint32_t i = 0; i<item->schedule_cnt; i++ ) {
    DMG_ASSERT( item->schedule[ i ].total<=DMG_AMOUNT_MAX );
    dmg_bcs_wr_u64( &wr, item->schedule[ i ].at_ms );
    dmg_bcs_wr_u64( &wr, item->schedule[ i ].total );
  }
  PUT_END();
}
