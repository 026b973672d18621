#include "storage/kv.h"
#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>

/* The trait's own half: bounds, order and handle counts, so that every backend refuses the same. */

dmg_err_t (dmg_open_why)( dmg_open_why_t * out, dmg_err_t err, char const * fmt, ... ) {
  if( out ) {
    va_list ap;
    va_start( ap, fmt );
    vsnprintf( out->text, sizeof out->text, fmt, ap );
    va_end( ap );
  }
  return err;
}

char const * dmg_kv_cf_name( dmg_kv_cf_t cf ) {
  static char const * const name[] = {
#define DMG_KV_CF_TEXT( id, text ) text,
    DMG_KV_CF_TABLE( DMG_KV_CF_TEXT )
#undef DMG_KV_CF_TEXT
  };
  DMG_ASSERT( (unsigned)cf<DMG_KV_CF_CNT );
  return name[ cf ];
}

static dmg_err_t take( uint32_t * cnt, uint32_t max ) {
  if( __atomic_add_fetch( cnt, 1, __ATOMIC_RELAXED )<=max ) return DMG_OK;
  __atomic_sub_fetch( cnt, 1, __ATOMIC_RELAXED );
  return DMG_ERR_LIMIT;
}
static void give( uint32_t * cnt ) { DMG_ASSERT( __atomic_fetch_sub( cnt, 1, __ATOMIC_RELAXED )>0 ); }

dmg_err_t dmg_kv_get( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t key, dmg_kv_val_t * out_val ) {
  DMG_ASSERT( (unsigned)cf<DMG_KV_CF_CNT );
  if( key.sz>DMG_KV_KEY_MAX ) return DMG_ERR_LIMIT;
  return kv->vt->get( kv, cf, snap, key, out_val );
}

dmg_err_t dmg_kv_get_many( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t const * keys, size_t key_cnt, dmg_kv_val_t * out_vals, bool * out_found ) {
  DMG_ASSERT( (unsigned)cf<DMG_KV_CF_CNT );
  for( size_t i=0; i<key_cnt; i++ ) if( keys[ i ].sz>DMG_KV_KEY_MAX ) return DMG_ERR_LIMIT;
  return kv->vt->get_many( kv, cf, snap, keys, key_cnt, out_vals, out_found );
}

dmg_err_t dmg_kv_write( dmg_kv_t * kv, dmg_kv_op_t const * ops, size_t op_cnt, bool is_durable ) {
  if( op_cnt>DMG_KV_OPS_MAX ) return DMG_ERR_LIMIT;
  size_t sz = 0;
  for( size_t i=0; i<op_cnt; i++ ) {
    DMG_ASSERT( (unsigned)ops[ i ].cf<DMG_KV_CF_CNT );
    size_t value_sz = ops[ i ].is_delete ? 0 : ops[ i ].value.sz;
    if( ops[ i ].key.sz>DMG_KV_KEY_MAX || value_sz>DMG_KV_VALUE_MAX ) return DMG_ERR_LIMIT;
    sz += ops[ i ].key.sz+value_sz;
    if( sz>DMG_KV_WRITE_SZ_MAX ) return DMG_ERR_LIMIT;
  }
  return kv->vt->write( kv, ops, op_cnt, is_durable );
}

/* A caller's run of operations on its way to a backend. */
typedef struct { dmg_kv_next_fn_t next; void * ctx; bool has_last; size_t last_sz; uint8_t last[ DMG_KV_KEY_MAX ]; } run_t;

static dmg_err_t next_checked( void * ctx, dmg_kv_op_t * out_op ) {
  run_t * run = ctx;
  dmg_kv_op_t op = { 0 };
  DMG_TRY( run->next( run->ctx, &op ) );
  if( op.key.sz>DMG_KV_KEY_MAX || ( !op.is_delete && op.value.sz>DMG_KV_VALUE_MAX ) ) return DMG_ERR_LIMIT;
  if( run->has_last && dmg_span_cmp( dmg_span( run->last, run->last_sz ), op.key )>=0 ) return DMG_ERR_INVALID;
  if( op.key.sz ) memcpy( run->last, op.key.p, op.key.sz );
  run->last_sz  = op.key.sz;
  run->has_last = true;
  *out_op = op;
  return DMG_OK;
}

dmg_err_t dmg_kv_bulk_apply( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_next_fn_t next, void * ctx ) {
  DMG_ASSERT( (unsigned)cf<DMG_KV_CF_CNT );
  run_t run = { .next = next, .ctx = ctx };
  return kv->vt->bulk_apply( kv, cf, next_checked, &run );
}

dmg_err_t dmg_kv_iter_open( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t lo, dmg_span_t hi, bool is_reverse, dmg_kv_iter_t ** out_it ) {
  DMG_ASSERT( (unsigned)cf<DMG_KV_CF_CNT );
  if( lo.sz>DMG_KV_KEY_MAX+1 || hi.sz>DMG_KV_KEY_MAX+1 ) return DMG_ERR_LIMIT;
  DMG_TRY( take( &kv->iter_cnt, DMG_KV_ITERS_MAX ) );
  dmg_err_t err = kv->vt->iter_open( kv, cf, snap, lo, hi, is_reverse, out_it );
  if( err ) give( &kv->iter_cnt );
  else      ( *out_it )->kv = kv;
  return err;
}

dmg_err_t dmg_kv_iter_next( dmg_kv_iter_t * it, dmg_span_t * out_key, dmg_span_t * out_value ) {
  return it->kv->vt->iter_next( it, out_key, out_value );
}

void dmg_kv_iter_move( dmg_kv_iter_t * it, dmg_span_t lo, dmg_span_t hi ) {
  DMG_ASSERT( lo.sz<=DMG_KV_KEY_MAX+1 && hi.sz<=DMG_KV_KEY_MAX+1 );
  it->kv->vt->iter_move( it, lo, hi );
}

void dmg_kv_iter_close( dmg_kv_iter_t * it ) {
  if( !it ) return;
  dmg_kv_t * kv = it->kv;
  kv->vt->iter_close( it );
  give( &kv->iter_cnt );
}

dmg_err_t dmg_kv_snap_open( dmg_kv_t * kv, dmg_kv_snap_t ** out_snap ) {
  DMG_TRY( take( &kv->snap_cnt, DMG_KV_SNAPS_MAX ) );
  dmg_err_t err = kv->vt->snap_open( kv, out_snap );
  if( err ) give( &kv->snap_cnt );
  return err;
}

void dmg_kv_snap_close( dmg_kv_t * kv, dmg_kv_snap_t * snap ) {
  if( !snap ) return;
  kv->vt->snap_close( kv, snap );
  give( &kv->snap_cnt );
}

dmg_err_t dmg_kv_restore( dmg_kv_t * kv, dmg_kv_snap_t * snap ) { return kv->vt->restore( kv, snap ); }
void dmg_kv_stats( dmg_kv_t * kv, dmg_kv_stats_t * out ) { *out = (dmg_kv_stats_t){ 0 }; kv->vt->stats( kv, out ); }

void dmg_kv_close( dmg_kv_t * kv ) {
  if( !kv ) return;
  DMG_ASSERT( !kv->iter_cnt );
  DMG_ASSERT( !kv->snap_cnt );
  kv->vt->close( kv );
}
