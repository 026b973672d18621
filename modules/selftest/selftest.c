/* selftest: a module that does nothing but use what dmic generates.  Interface: selftest.dmi. */
#include "selftest_abi.h"

static dm_fault_t on_echo( echo_in_t const * in, all_t * out ) { *out = in->all; return 0; }

static dm_fault_t on_rebuild( rebuild_in_t const * in, dm_list_t * out ) {
  static uint8_t buf[ 4096 ];
  dm_list_t list = in->long_, map = in->map;
  inner_t v;
  u16_hash_map_100_entry_t e;
  uint32_t n = 0;
  while( inner_next( &list, &v ) ) inner_push( out, buf, sizeof buf, &v );
  while( u16_hash_map_100_entry_next( &map, &e ) ) n += e.k;
  v = (inner_t){ .a = (uint8_t)n };
  if( out->cnt<400 ) inner_push( out, buf, sizeof buf, &v );
  return 0;
}

static dm_fault_t on_store( store_in_t const * in, all_opt_t * out ) {
  static uint8_t raw[ THINGS_RAW_SZ ];
  if( things_has( in->k0, &in->k1, &in->k2, in->k3, in->k4, in->k5, &in->k6 ) ) {
    things_del( in->k0, &in->k1, &in->k2, in->k3, in->k4, in->k5, &in->k6 );
    return 0;
  }
  things_put( in->k0, &in->k1, &in->k2, in->k3, in->k4, in->k5, &in->k6, &in->all );
  out->has = things_get( in->k0, &in->k1, &in->k2, in->k3, in->k4, in->k5, &in->k6, raw, &out->v );
  return 0;
}

static dm_fault_t on_link( link_in_t const * in )     { walk_put( &in->who, in->n, &in->name, &in->ext ); return 0; }
static dm_fault_t on_unlink( unlink_in_t const * in ) { walk_del( &in->who, in->n, &in->name ); return 0; }

static dm_fault_t on_visit( visit_in_t const * in, u32_list_100_t * out ) {
  static uint8_t buf[ 3*WALK_SCAN_SZ ];
  dm_scan_t s;
  walk_key_t key;
  ext_t ext;
  if( in->n.has ) walk_scan2( &s, buf, sizeof buf, in->step, &in->who, in->n.v );
  else            walk_scan1( &s, buf, sizeof buf, in->step, &in->who );
  while( walk_next( &s, &key, &ext ) ) {
    if( !dm_hash_eq( &key.k0, &in->who ) || out->n==100 ) dm_trap();
    out->v[ out->n++ ] = ext.x;
  }
  return 0;
}

static dm_fault_t on_add( add_in_t const * in, uint64_t * out ) {
  DM_TRY( count_add( in->key, in->delta ) );
  if( !total_try_add( in->delta, 1000 ) ) return fault_limit_reached( total_get() );
  *out = count_get( in->key );
  return 0;
}

static dm_fault_t on_sadden( sadden_in_t const * in ) {
  char why[ 41 ];
  inner_t v = { .a = 7, .b = { .n = 2, .v = { 1, 2 } } };
  memcpy( why, in->why.b, in->why.n );
  why[ in->why.n ] = 0;
  return fault_sad( why, &v );
}

static dm_fault_t on_see( see_in_t const * in ) {
  inner_t v = { .a = 1 };
  dm_bytes_8_t name = { .n = 2, .b = "hi" };
  dm_asset_t asset = { .kind = DM_ITEM, .id = dm_sha256( "x", 1 ) };
  dm_fixed_5_t fixed = { "12345" };
  u32_opt_t opt = { true, 9 };
  emit_seen( dm_actor(), &asset.id, &v, &name, &asset, in->n, 77, &fixed, &opt );
  return 0;
}

static dm_fault_t on_pay( pay_in_t const * in, uint64_t * out ) {
  dm_bytes_64_t memo = { .n = 0 };
  DM_TRY( balances_transfer( DM_AS_SELF( 5 ), &in->to, in->amount, &memo ) );
  return balances_transfer_all( DM_AS_ACTOR, &in->to, out );
}

static dm_fault_t on_free( free_in_t const * in, uint64_t * out ) {
  balances_balance_t b = { 0 };
  DM_TRY( balances_get( &in->who, &b ) );
  *out = b.free;
  return 0;
}

static void push( u64_opt_list_4_t * l, bool has, uint64_t v ) { l->v[ l->n++ ] = (u64_opt_t){ has, has ? v : 0 }; }

static dm_fault_t on_math( math_in_t const * in, u64_opt_list_4_t * out ) {
  uint64_t r = 0;
  bool ok;
  ok = dm_add( in->a, in->b, &r );               push( out, ok, r );
  ok = dm_sub( in->a, in->b, &r );               push( out, ok, r );
  ok = in->c && dm_mul_div_floor( in->a, in->b, in->c, &r ); push( out, ok, r );
  ok = in->c && dm_mul_div_ceil ( in->a, in->b, in->c, &r ); push( out, ok, r );
  return 0;
}

static dm_fault_t on_wide( wide_in_t const * in, u128_list_8_t * out ) {
  dm_u128_t a = in->a, b = in->b;
  dm_i128_t x = (dm_i128_t)a, y = (dm_i128_t)b;
  uint32_t n = in->n&127;
  out->v[ out->n++ ] = a*b;
  out->v[ out->n++ ] = b ? a/b : 0;
  out->v[ out->n++ ] = b ? a%b : 0;
  bool is_over = y==-1 && a==(dm_u128_t)1<<127;   /* the one quotient that does not fit */
  out->v[ out->n++ ] = b && !is_over ? (dm_u128_t)( x/y ) : 0;
  out->v[ out->n++ ] = b && !is_over ? (dm_u128_t)( x%y ) : 0;
  out->v[ out->n++ ] = a<<n;
  out->v[ out->n++ ] = a>>n;
  out->v[ out->n++ ] = (dm_u128_t)( x>>n );
  return 0;
}

static dm_fault_t on_inner( inner_in_t const * in, inner_opt_t * out ) {
  out->has = single_get( &out->v );
  if( in->v.has ) single_put( &in->v.v ); else single_del();
  return 0;
}

static dm_fault_t on_draw( draw_in_t const * in, uint64_t * out ) {
  *out = sizeof Motto+MaxName+in->x;
  return 0;
}

DM_MODULE( selftest, .echo = on_echo, .rebuild = on_rebuild, .store = on_store, .link = on_link, .unlink = on_unlink, .visit = on_visit, .add = on_add, .sadden = on_sadden, .see = on_see,
           .pay = on_pay, .math = on_math, .wide = on_wide, .inner = on_inner, .free = on_free, .draw = on_draw )
