/* items: records, counters, values out of bounds, key order.  Bytes against the other implementation: tests/conformance. */
#include "types/items.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

static void test_value_parse_refuses_short_and_schema_0( void ** state ) {
  uint8_t v[ 41 ] = { 1 };
  uint8_t    schema;
  dmg_span_t bcs;
  dmg_deposit_rec_t d;
  assert_int_equal( dmg_value_parse( dmg_span( v, 0 ), false, &schema, &d, &bcs ), DMG_ERR_CORRUPT );
  assert_int_equal( dmg_value_parse( dmg_span( v, 1 ), false, &schema, &d, &bcs ), DMG_OK );
  assert_int_equal( bcs.sz, 0 );
  assert_int_equal( dmg_value_parse( dmg_span( v, 40 ), true, &schema, &d, &bcs ), DMG_ERR_CORRUPT );
  assert_int_equal( dmg_value_parse( dmg_span( v, 41 ), true, &schema, &d, &bcs ), DMG_OK );
  v[ 0 ] = 0;
  assert_int_equal( dmg_value_parse( dmg_span( v, 41 ), true, &schema, &d, &bcs ), DMG_ERR_CORRUPT );
}

static void test_counter_keeps_record_before_its_number( void ** state ) {
  dmg_deposit_rec_t d = { .amount = 850000 }, back;
  memset( d.payer.b, 9, 32 );
  uint8_t v[ DMG_COUNTER_V_MAX ];
  uint64_t n;
  assert_int_equal( dmg_counter_build( true, 1, &d, 77, v ), 49 );
  assert_int_equal( v[ 1 ], 9 );
  assert_int_equal( dmg_load_u64le( v+33 ), 850000 );
  assert_int_equal( dmg_load_u64le( v+41 ), 77 );
  assert_int_equal( dmg_counter_parse( dmg_span( v, 49 ), true, &back, &n ), DMG_OK );
  assert_true( n==77 && back.amount==850000 && dmg_hash_eq( &back.payer, &d.payer ) );
  assert_int_equal( dmg_counter_parse( dmg_span( v, 48 ), true, &back, &n ), DMG_ERR_CORRUPT );
  assert_int_equal( dmg_counter_parse( dmg_span( v, 49 ), false, &back, &n ), DMG_ERR_CORRUPT );
  assert_int_equal( dmg_counter_parse( dmg_span( NULL, 0 ), true, &back, &n ), DMG_OK );
  assert_true( !n && !back.amount );
  /* Genesis: {zero, 0}. */
  assert_int_equal( dmg_counter_build( true, 1, NULL, 5, v ), 49 );
  assert_true( dmg_is_zero( v+1, 40 ) );
  assert_int_equal( dmg_counter_build( false, 1, NULL, 5, v ), 9 );
}

static void test_value_build_works_in_place( void ** state ) {
  uint8_t v[ 64 ] = { 0 };
  memcpy( v+41, "value", 5 );
  assert_int_equal( dmg_value_build( true, 3, NULL, dmg_span( v+41, 5 ), v ), 46 );
  assert_int_equal( v[ 0 ], 3 );
  assert_memory_equal( v+41, "value", 5 );
  /* From an overlapping place that is not its own. */
  memcpy( v+2, "other", 5 );
  assert_int_equal( dmg_value_build( true, 3, NULL, dmg_span( v+2, 5 ), v ), 46 );
  assert_memory_equal( v+41, "other", 5 );
}

static void test_get_refuses_values_out_of_bounds( void ** state ) {
  uint8_t b[ 4200 ] = { 0 };
  static uint8_t const key[ 32 ] = { 1 };
  size_t sz;
  dmg_item_account_t account = { .kind = 2 }, a2;
  sz = dmg_item_account_put( &account, b );
  assert_int_equal( sz, DMG_ITEM_ACCOUNT_MAX );
  assert_int_equal( dmg_item_account_get( dmg_span( b, sz ), &a2 ), DMG_OK );
  assert_int_equal( dmg_item_account_get( dmg_span( b, sz-1 ), &a2 ), DMG_ERR_CORRUPT );
  b[ 0 ] = 3;
  assert_int_equal( dmg_item_account_get( dmg_span( b, sz ), &a2 ), DMG_ERR_CORRUPT );

  dmg_item_auth_t auth = { .scheme = DMG_SIG_ED25519, .key = DMG_SPAN( key ), .level = 2, .weight = 1, .label = DMG_SPAN_STR( "x" ) }, auth2;
  sz = dmg_item_auth_put( &auth, b );
  assert_int_equal( dmg_item_auth_get( dmg_span( b, sz ), &auth2 ), DMG_OK );
  b[ 0 ] = DMG_SIG_P256;   /* 33 bytes of key */
  assert_int_equal( dmg_item_auth_get( dmg_span( b, sz ), &auth2 ), DMG_ERR_CORRUPT );
  b[ 0 ] = DMG_SIG_ED25519;
  b[ 34 ] = 3;             /* level */
  assert_int_equal( dmg_item_auth_get( dmg_span( b, sz ), &auth2 ), DMG_ERR_CORRUPT );

  dmg_item_lock_t lock = { .amount = DMG_AMOUNT_MAX }, lock2;
  sz = dmg_item_lock_put( &lock, b );
  assert_int_equal( dmg_item_lock_get( dmg_span( b, sz ), &lock2 ), DMG_OK );
  dmg_store_u64le( b, (uint64_t)DMG_AMOUNT_MAX+1 );
  assert_int_equal( dmg_item_lock_get( dmg_span( b, sz ), &lock2 ), DMG_ERR_CORRUPT );

  dmg_item_schema_t schema = { .cnt = 8 }, schema2;
  sz = dmg_item_schema_put( &schema, b );
  assert_int_equal( dmg_item_schema_get( dmg_span( b, sz ), &schema2 ), DMG_OK );
  b[ 0 ] = 9;
  assert_int_equal( dmg_item_schema_get( dmg_span( b, sz+32 ), &schema2 ), DMG_ERR_CORRUPT );

  dmg_item_module_t module = { .name = DMG_SPAN_STR( "m" ), .storage_version = 1 }, module2;
  sz = dmg_item_module_put( &module, b );
  assert_int_equal( dmg_item_module_get( dmg_span( b, sz ), &module2 ), DMG_OK );
  b[ 2+6+64 ] = 0;         /* storage_version */
  assert_int_equal( dmg_item_module_get( dmg_span( b, sz ), &module2 ), DMG_ERR_CORRUPT );

  /* The calls of a proposal: 4,096 bytes pass, 4,097 do not. */
  static uint8_t args[ 4100 ];
  dmg_item_msig_t msig = { .call_cnt = 1, .level = 2 }, msig2;
  msig.calls[ 0 ].args = dmg_span( args, 4096-1-36-2 );
  sz = dmg_item_msig_put( &msig, b );
  assert_int_equal( sz, DMG_ITEM_MSIG_MAX );
  assert_int_equal( dmg_item_msig_get( dmg_span( b, sz ), &msig2 ), DMG_OK );
  uint8_t longer[ sizeof b ] = { 0 };
  memcpy( longer, b, 39 );
  longer[ 37 ]++;                             /* ULEB: one more byte of args, zero as the others */
  memcpy( longer+sz+1-23, b+sz-23, 23 );
  assert_int_equal( dmg_item_msig_get( dmg_span( longer, sz+1 ), &msig2 ), DMG_ERR_CORRUPT );
}

static void test_keys_order_as_their_numbers_do( void ** state ) {
  uint8_t a[ DMG_KEY_MAX ], b[ DMG_KEY_MAX ];
  dmg_hash_t h = { 0 };
  size_t as = dmg_key_seen( 255, &h, a ), bs = dmg_key_seen( 256, &h, b );
  assert_true( dmg_span_cmp( dmg_span( a, as ), dmg_span( b, bs ) )<0 );
  as = dmg_key_lane( &h, 255, a ); bs = dmg_key_lane( &h, 256, b );
  assert_true( dmg_span_cmp( dmg_span( a, as ), dmg_span( b, bs ) )<0 );
  assert_int_equal( dmg_key_beacon( 4096+5, a ), dmg_key_beacon( 5, b ) );
  assert_memory_equal( a, b, 6 );
  assert_int_equal( dmg_key_block( a ), 4 );
  assert_int_equal( dmg_load_u32be( a ), 0x0001000e );
  uint16_t last = 0, last_module = 0;
  for( unsigned i = 0; i<DMG_ITEM_CNT; i++ ) {
    dmg_item_desc_t const * d = &dmg_item_desc[ i ];
    assert_true( d->module>last_module || ( d->module==last_module && d->item>last ) );
    last_module = d->module; last = d->item;
    assert_ptr_equal( dmg_item_find( d->module, d->item ), d );
  }
  assert_null( dmg_item_find( 2, 99 ) );
  char text[ 300 ];
  dmg_key_print( dmg_span( a, dmg_key_bucket( 5, a ) ), text, sizeof text );
  assert_string_equal( text, "balances.bucket[05]" );
  dmg_key_print( dmg_span( a, 2 ), text, sizeof text );
  assert_string_equal( text, "key of 2 bytes" );
}

/* R5.8: a first payment to an address costs its sender 85 bytes. */
static void test_free_entry_takes_85_bytes( void ** state ) {
  uint8_t k[ DMG_KEY_MAX ];
  dmg_hash_t h = { 0 };
  assert_int_equal( dmg_key_free( &h, k )+dmg_value_sz( true, DMG_COUNTER_SZ ), 85 );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_value_parse_refuses_short_and_schema_0 ),
    cmocka_unit_test( test_counter_keeps_record_before_its_number ),
    cmocka_unit_test( test_value_build_works_in_place ),
    cmocka_unit_test( test_get_refuses_values_out_of_bounds ),
    cmocka_unit_test( test_keys_order_as_their_numbers_do ),
    cmocka_unit_test( test_free_entry_takes_85_bytes ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
