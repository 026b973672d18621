/* abi_json: the forms of F0.2 one by one, what is refused and how it is named, and random values there and back. */
#include "base/test_rnd.h"
#include "rpc/abi_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static dmg_json_t * json;
static dmg_arena_t * arena;

static int setup( void ** state ) { json = dmg_json_new(); arena = dmg_arena_new( 64u<<20 ); return !json || !arena; }
static int teardown( void ** state ) { dmg_json_free( json ); dmg_arena_free( arena ); return 0; }

static dmg_type_t * type( dmg_type_t t ) {
  dmg_type_t * p = DMG_ARENA_NEW( arena, dmg_type_t, 1 );
  *p = t;
  assert_true( dmg_type_measure( p ) );
  return p;
}
static dmg_type_t * prim( dmg_type_kind_t k ) { return type( (dmg_type_t){ .kind = k } ); }
static dmg_type_t * sized( dmg_type_kind_t k, uint32_t n ) { return type( (dmg_type_t){ .kind = k, .n = n } ); }
static dmg_type_t * list( dmg_type_t const * e, uint32_t n ) { return type( (dmg_type_t){ .kind = DMG_TYPE_LIST, .elem = e, .n = n } ); }
static dmg_type_t * map( dmg_type_t const * k, dmg_type_t const * v, uint32_t n ) { return type( (dmg_type_t){ .kind = DMG_TYPE_MAP, .elem = k, .val = v, .n = n } ); }
static dmg_type_t * option( dmg_type_t const * e ) { return type( (dmg_type_t){ .kind = DMG_TYPE_OPTION, .elem = e } ); }
#define STRUCT( open, ... ) strct( open, sizeof( (dmg_field_t[]){ __VA_ARGS__ } )/sizeof( dmg_field_t ), (dmg_field_t[]){ __VA_ARGS__ } )
static dmg_type_t * strct( bool is_open, uint32_t n, dmg_field_t const * f ) {
  dmg_field_t * copy = DMG_ARENA_NEW( arena, dmg_field_t, n );
  memcpy( copy, f, n*sizeof *f );
  return type( (dmg_type_t){ .kind = DMG_TYPE_STRUCT, .name = DMG_SPAN_STR( "S" ), .is_open = is_open, .fields = copy, .field_cnt = n } );
}
static dmg_type_t * enm( bool is_open ) {
  dmg_variant_t * v = DMG_ARENA_NEW( arena, dmg_variant_t, 2 );
  v[ 0 ] = (dmg_variant_t){ .name = DMG_SPAN_STR( "A" ) };
  v[ 1 ] = (dmg_variant_t){ .name = DMG_SPAN_STR( "B" ), .tag = 7, .type = is_open ? NULL : prim( DMG_TYPE_U16 ) };
  return type( (dmg_type_t){ .kind = DMG_TYPE_ENUM, .name = DMG_SPAN_STR( "E" ), .is_open = is_open, .variants = v, .variant_cnt = 2 } );
}

static dmg_jv_t parse( char const * text ) {
  dmg_jv_t root = { 0 };
  char why[ 160 ];
  if( !dmg_json_parse( json, dmg_span_cstr( text ), &root, why ) ) fail_msg( "%s: %s", text, why );
  return root;
}

static dmg_abi_json_bad_t bad;

/* text is read as exactly these bytes, which print as text again. */
static void good( dmg_type_t const * t, char const * text, char const * want_hex ) {
  uint8_t mem[ 1024 ];
  char hex[ 2049 ];
  dmg_bcs_wr_t w = dmg_bcs_wr( mem, sizeof mem );
  if( !dmg_abi_json_read( t, parse( text ), "v", &dmg_abi_json_plain, &w, &bad ) ) fail_msg( "%s: %s wants %s, got %s", text, bad.path, bad.expected, bad.got );
  dmg_span_t bcs = dmg_bcs_wr_span( &w );
  dmg_hex_encode( bcs.p, bcs.sz, hex );
  assert_string_equal( hex, want_hex );
  assert_int_equal( dmg_type_validate( t, bcs, NULL ), DMG_BCS_GOOD );
  dmg_buf_t buf = dmg_buf( 4096 );
  dmg_jw_t out = dmg_jw( &buf );
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_abi_json_print( t, &rd, &out );
  assert_int_equal( dmg_bcs_rd_end( &rd ), DMG_BCS_GOOD );
  char again[ 4096 ];
  snprintf( again, sizeof again, "%.*s", DMG_SPAN_F( buf ) );
  assert_string_equal( again, text );
  dmg_buf_fini( &buf );
}

static void refused( dmg_type_t const * t, char const * text, char const * path, char const * expected, char const * got ) {
  uint8_t mem[ 1024 ];
  dmg_bcs_wr_t w = dmg_bcs_wr( mem, sizeof mem );
  memset( &bad, 0, sizeof bad );
  if( dmg_abi_json_read( t, parse( text ), "v", &dmg_abi_json_plain, &w, &bad ) ) fail_msg( "took %s", text );
  if( strcmp( bad.path, path ) || !strstr( bad.expected, expected ) || strcmp( bad.got, got ) ) fail_msg( "%s: \"%s\" wants \"%s\", got \"%s\"", text, bad.path, bad.expected, bad.got );
}

static void test_numbers_at_their_bounds( void ** state ) {
  good( prim( DMG_TYPE_U8 ), "255", "ff" );
  refused( prim( DMG_TYPE_U8 ), "256", "v", "u8, a number", "256" );
  refused( prim( DMG_TYPE_U8 ), "-1", "v", "u8", "-1" );
  refused( prim( DMG_TYPE_U8 ), "1.0", "v", "u8", "1.0" );
  refused( prim( DMG_TYPE_U8 ), "1e1", "v", "u8", "1e1" );
  refused( prim( DMG_TYPE_U8 ), "\"7\"", "v", "u8", "\"7\"" );
  good( prim( DMG_TYPE_I8 ), "-128", "80" );
  good( prim( DMG_TYPE_I8 ), "127", "7f" );
  refused( prim( DMG_TYPE_I8 ), "-129", "v", "i8", "-129" );
  refused( prim( DMG_TYPE_I8 ), "128", "v", "i8", "128" );
  refused( prim( DMG_TYPE_I8 ), "-0", "v", "i8", "-0" );
  good( prim( DMG_TYPE_I32 ), "-2147483648", "00000080" );
  good( prim( DMG_TYPE_U32 ), "4294967295", "ffffffff" );
  refused( prim( DMG_TYPE_U32 ), "4294967296", "v", "u32", "4294967296" );
  good( prim( DMG_TYPE_U64 ), "\"18446744073709551615\"", "ffffffffffffffff" );
  refused( prim( DMG_TYPE_U64 ), "\"18446744073709551616\"", "v", "u64, a decimal string", "\"18446744073709551616\"" );
  refused( prim( DMG_TYPE_U64 ), "7", "v", "u64, a decimal string", "7" );
  refused( prim( DMG_TYPE_U64 ), "\"07\"", "v", "u64", "\"07\"" );
  refused( prim( DMG_TYPE_U64 ), "\"\"", "v", "u64", "\"\"" );
  refused( prim( DMG_TYPE_U64 ), "\"+7\"", "v", "u64", "\"+7\"" );
  refused( prim( DMG_TYPE_U64 ), "\"7 \"", "v", "u64", "\"7 \"" );
  good( prim( DMG_TYPE_AMOUNT ), "\"9223372036854775807\"", "ffffffffffffff7f" );
  refused( prim( DMG_TYPE_AMOUNT ), "\"9223372036854775808\"", "v", "amount in sparks, at most 9223372036854775807", "\"9223372036854775808\"" );
  good( prim( DMG_TYPE_I64 ), "\"-9223372036854775808\"", "0000000000000080" );
  refused( prim( DMG_TYPE_I64 ), "\"-9223372036854775809\"", "v", "i64", "\"-9223372036854775809\"" );
  good( prim( DMG_TYPE_U128 ), "\"340282366920938463463374607431768211455\"", "ffffffffffffffffffffffffffffffff" );
  refused( prim( DMG_TYPE_U128 ), "\"340282366920938463463374607431768211456\"", "v", "u128", "\"340282366920938463463374607431768211456\"" );
  good( prim( DMG_TYPE_I128 ), "\"-170141183460469231731687303715884105728\"", "00000000000000000000000000000080" );
  refused( prim( DMG_TYPE_I128 ), "\"170141183460469231731687303715884105728\"", "v", "i128", "\"170141183460469231731687303715884105728\"" );
}

static void test_bytes_text_and_accounts( void ** state ) {
  char const * address = "\"dmg1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0ssqdc3c\"";
  good( prim( DMG_TYPE_ADDRESS ), address, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" );
  refused( prim( DMG_TYPE_ADDRESS ), "\"dmg1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0ssqdc3d\"", "v", "an account", "\"dmg1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0ssqdc\"" );
  good( sized( DMG_TYPE_FIXED, 3 ), "\"0x0102ff\"", "0102ff" );
  refused( sized( DMG_TYPE_FIXED, 3 ), "\"0x0102\"", "v", "0x hex of 3 bytes", "\"0x0102\"" );
  refused( sized( DMG_TYPE_FIXED, 3 ), "\"0x0102fg\"", "v", "0x hex of 3 bytes", "\"0x0102fg\"" );
  refused( sized( DMG_TYPE_FIXED, 3 ), "\"0102ff\"", "v", "0x hex", "\"0102ff\"" );
  good( sized( DMG_TYPE_BYTES, 2 ), "\"0x\"", "00" );
  good( sized( DMG_TYPE_BYTES, 2 ), "\"0xabcd\"", "02abcd" );
  refused( sized( DMG_TYPE_BYTES, 2 ), "\"0xabcdef\"", "v", "at most 2 bytes", "\"0xabcdef\"" );
  good( sized( DMG_TYPE_STR, 3 ), "\"\xc3\xbc!\"", "03c3bc21" );
  refused( sized( DMG_TYPE_STR, 3 ), "\"abcd\"", "v", "at most 3 bytes", "\"abcd\"" );
  refused( prim( DMG_TYPE_BOOL ), "1", "v", "true or false", "1" );
  good( prim( DMG_TYPE_BOOL ), "true", "01" );
  good( prim( DMG_TYPE_ASSET ), "{\"kind\":\"Cgt\"}", "00" );
  refused( prim( DMG_TYPE_ASSET ), "{\"kind\":\"Cgt\",\"value\":\"0x00\"}", "v", "no value", "\"0x00\"" );
  refused( prim( DMG_TYPE_ASSET ), "{\"kind\":\"Item\"}", "v.value", "0x hex of 32 bytes", "nothing" );
  refused( prim( DMG_TYPE_ASSET ), "{\"kind\":\"cgt\"}", "v.kind", "Cgt, Currency", "\"cgt\"" );
}

static void test_containers( void ** state ) {
  dmg_type_t * s = STRUCT( false, { DMG_SPAN_STR( "a" ), prim( DMG_TYPE_U8 ) }, { DMG_SPAN_STR( "b" ), option( prim( DMG_TYPE_U8 ) ) } );
  good( s, "{\"a\":1,\"b\":2}", "010102" );
  good( s, "{\"a\":1,\"b\":null}", "0100" );
  refused( s, "{\"b\":2}", "v.a", "u8", "nothing" );
  refused( s, "{\"a\":1,\"c\":2}", "v.c", "one of a, b", "2" );
  refused( s, "[1]", "v", "S, an object", "an array of 1" );
  dmg_type_t * l = list( s, 2 );
  good( l, "[{\"a\":1,\"b\":null},{\"a\":2,\"b\":null}]", "0201000200" );
  refused( l, "[{\"a\":1},{\"a\":\"2\"}]", "v[1].a", "u8", "\"2\"" );
  refused( l, "[{},{},{}]", "v", "an array of at most 2", "an array of 3" );
  dmg_type_t * m = map( prim( DMG_TYPE_U16 ), prim( DMG_TYPE_BOOL ), 2 );
  good( m, "[[256,true],[1,false]]", "02000101010000" );
  refused( m, "[[1,false],[256,true]]", "v[1]", "ascending", "256" );
  refused( m, "[[1,false],[1,true]]", "v[1]", "each once", "1" );
  refused( m, "[[1]]", "v[0]", "[key, value]", "an array of 1" );
  good( enm( false ), "{\"kind\":\"A\"}", "00" );
  good( enm( false ), "{\"kind\":\"B\",\"value\":7}", "010700" );
  refused( enm( false ), "{\"kind\":\"B\"}", "v.value", "u16", "nothing" );
  refused( enm( false ), "{\"kind\":\"A\",\"value\":7}", "v", "no value", "7" );
  refused( enm( false ), "{\"kind\":\"C\"}", "v.kind", "one of A, B", "\"C\"" );
  refused( enm( false ), "{\"kind\":\"A\",\"x\":7}", "v", "no other member", "an object" );
  good( enm( true ), "{\"kind\":\"Unknown\",\"tag\":300}", "ac02" );
  refused( enm( true ), "{\"kind\":\"Unknown\",\"tag\":1}", "v", "n from 2", "an object" );
}

/* R2.2: the shortest tail. */
static void test_later_fields_may_be_left_out( void ** state ) {
  dmg_type_t * later = STRUCT( false, { DMG_SPAN_STR( "x" ), prim( DMG_TYPE_U16 ) }, { DMG_SPAN_STR( "y" ), option( prim( DMG_TYPE_U8 ) ) } );
  dmg_type_t * s = STRUCT( true, { DMG_SPAN_STR( "a" ), prim( DMG_TYPE_U8 ) }, { { 0 }, later } );
  good( s, "{\"a\":1}", "0100" );
  good( s, "{\"a\":1,\"x\":5}", "01020500" );
  good( s, "{\"a\":1,\"x\":0,\"y\":9}", "010400000109" );
  refused( s, "{\"a\":1,\"z\":0}", "v.z", "one of a", "0" );
  uint8_t mem[ 16 ];
  dmg_bcs_wr_t w = dmg_bcs_wr( mem, sizeof mem );
  assert_true( dmg_abi_json_read( s, parse( "{\"a\":1,\"x\":0,\"y\":null}" ), "v", &dmg_abi_json_plain, &w, &bad ) );
  assert_int_equal( w.p-mem, 2 );
}

static void test_arguments_by_name_or_by_place( void ** state ) {
  dmg_type_t * s = STRUCT( false, { DMG_SPAN_STR( "to" ), prim( DMG_TYPE_U8 ) }, { DMG_SPAN_STR( "memo" ), option( prim( DMG_TYPE_U8 ) ) } );
  struct { char const * text; size_t sz; char const * path; } const t[] = {
    { "{\"to\":1}", 2, NULL }, { "[1]", 2, NULL }, { "[1,2]", 3, NULL }, { "[]", 0, "to" }, { "[1,2,3]", 0, "[2]" }, { "[\"1\"]", 0, "to" }, { "7", 0, "" }, { "{\"to\":1,\"x\":1}", 0, "x" } };
  for( size_t i = 0; i<sizeof t/sizeof *t; i++ ) {
    uint8_t mem[ 8 ];
    dmg_bcs_wr_t w = dmg_bcs_wr( mem, sizeof mem );
    bool is_good = dmg_abi_json_args( s, parse( t[ i ].text ), &dmg_abi_json_plain, &w, &bad );
    if( is_good!=!t[ i ].path || ( is_good && (size_t)( w.p-mem )!=t[ i ].sz ) || ( !is_good && strcmp( bad.path, t[ i ].path ) ) ) fail_msg( "%s: %d %s", t[ i ].text, is_good, bad.path );
  }
  uint8_t one[ 1 ];
  dmg_bcs_wr_t small = dmg_bcs_wr( one, sizeof one );
  assert_false( dmg_abi_json_args( s, parse( "[1,2]" ), &dmg_abi_json_plain, &small, &bad ) );
  assert_string_equal( bad.expected, "a value that fits here" );
}

/* A valid value of the type, biased to edges. */
static void any( dmg_type_t const * t, dmg_bcs_wr_t * w ) {
  uint8_t b[ 32 ];
  for( size_t i = 0; i<sizeof b; i++ ) b[ i ] = rnd()%3 ? (uint8_t)rnd() : rnd()%2 ? 0 : 0xff;
  switch( t->kind ) {
  case DMG_TYPE_BOOL: dmg_bcs_wr_bool( w, rnd()&1 ); return;
  case DMG_TYPE_AMOUNT: b[ 7 ] &= 0x7f; dmg_bcs_wr_fixed( w, b, 8 ); return;
  case DMG_TYPE_ASSET: { uint32_t k = (uint32_t)( rnd()%DMG_ASSET_CNT ); dmg_bcs_wr_uleb( w, k ); if( k ) dmg_bcs_wr_fixed( w, b, 32 ); return; }
  case DMG_TYPE_BYTES: dmg_bcs_wr_bytes( w, dmg_span( b, rnd()%( ( t->n<32 ? t->n : 32 )+1 ) ) ); return;
  case DMG_TYPE_STR:   for( size_t i = 0; i<32; i++ ) b[ i ] &= 0x7f; dmg_bcs_wr_bytes( w, dmg_span( b, rnd()%( ( t->n<32 ? t->n : 32 )+1 ) ) ); return;
  case DMG_TYPE_LIST: {
    uint32_t n = (uint32_t)( rnd()%4 );
    if( n>t->n ) n = t->n;
    dmg_bcs_wr_uleb( w, n );
    for( uint32_t i = 0; i<n; i++ ) any( t->elem, w );
    return;
  }
  case DMG_TYPE_OPTION: { bool is = rnd()&1; dmg_bcs_wr_bool( w, is ); if( is ) any( t->elem, w ); return; }
  case DMG_TYPE_STRUCT: for( uint32_t i = 0; i<t->field_cnt; i++ ) any( t->fields[ i ].type, w ); return;
  case DMG_TYPE_ENUM:  { uint32_t k = (uint32_t)( rnd()%t->variant_cnt ); dmg_bcs_wr_uleb( w, k ); if( t->variants[ k ].type ) any( t->variants[ k ].type, w ); return; }
  default: for( uint64_t i = 0; i<t->sz_min; i++ ) dmg_bcs_wr_u8( w, b[ i%32 ] );
  }
}

/* Half a character would make the whole message no text. */
static void test_a_refusal_cuts_words_of_the_client_at_whole_characters( void ** state ) {
  dmg_type_t const * u64 = prim( DMG_TYPE_U64 ), * s = STRUCT( false, { DMG_SPAN_STR( "x" ), u64 } );
  char wide[ 4*80+1 ] = "", text[ 400 ];
  for( int i = 0; i<80; i++ ) memcpy( wide+4*i, "\xf0\x9f\x98\x80", 5 );
  for( int lead = 0; lead<4; lead++ ) {
    uint8_t mem[ 64 ];
    dmg_bcs_wr_t w = dmg_bcs_wr( mem, sizeof mem );
    snprintf( text, sizeof text, "\"%.*s%s\"", lead, "aaa", wide );
    assert_false( dmg_abi_json_read( u64, parse( text ), "v", &dmg_abi_json_plain, &w, &bad ) );
    assert_in_range( strlen( bad.got ), 2+57, 2+60 );
    assert_true( dmg_utf8_is_valid( dmg_span_cstr( bad.got ) ) );
    snprintf( text, sizeof text, "{\"%.*s%s\":1}", lead, "aaa", wide );
    assert_false( dmg_abi_json_read( s, parse( text ), "v", &dmg_abi_json_plain, &w, &bad ) );
    assert_in_range( strlen( bad.path ), sizeof bad.path-4, sizeof bad.path-1 );
    assert_true( dmg_utf8_is_valid( dmg_span_cstr( bad.path ) ) );
  }
}

static void test_random_values_come_back( void ** state ) {
  dmg_type_t const * leaf[] = { prim( DMG_TYPE_BOOL ), prim( DMG_TYPE_U8 ), prim( DMG_TYPE_I16 ), prim( DMG_TYPE_I32 ), prim( DMG_TYPE_U64 ), prim( DMG_TYPE_I64 ), prim( DMG_TYPE_U128 ), prim( DMG_TYPE_I128 ),
    prim( DMG_TYPE_AMOUNT ), prim( DMG_TYPE_ADDRESS ), prim( DMG_TYPE_HASH ), prim( DMG_TYPE_ASSET ), sized( DMG_TYPE_FIXED, 5 ), sized( DMG_TYPE_BYTES, 20 ), sized( DMG_TYPE_STR, 20 ), enm( false ) };
  enum { LEAVES = sizeof leaf/sizeof *leaf };
  dmg_buf_t text = dmg_buf( 65536 );
  for( int round = 0; round<5000; round++ ) {
    dmg_field_t f[ 3 ] = { { DMG_SPAN_STR( "a" ), leaf[ rnd()%LEAVES ] }, { DMG_SPAN_STR( "b" ), list( leaf[ rnd()%LEAVES ], 3 ) }, { DMG_SPAN_STR( "c" ), option( leaf[ rnd()%LEAVES ] ) } };
    dmg_type_t * t = list( strct( false, 3, f ), 3 );
    uint8_t mem[ 4096 ], again[ 4096 ];
    dmg_bcs_wr_t w = dmg_bcs_wr( mem, sizeof mem ), v = dmg_bcs_wr( again, sizeof again );
    any( t, &w );
    assert_false( w.is_full );
    dmg_span_t bcs = dmg_bcs_wr_span( &w );
    assert_int_equal( dmg_type_validate( t, bcs, NULL ), DMG_BCS_GOOD );
    dmg_buf_clear( &text );
    dmg_jw_t out = dmg_jw( &text );
    dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
    dmg_abi_json_print( t, &rd, &out );
    dmg_jv_t root;
    char why[ 160 ];
    if( !dmg_json_parse( json, dmg_buf_span( &text ), &root, why ) ) fail_msg( "%s: %.*s", why, DMG_SPAN_F( text ) );
    if( !dmg_abi_json_read( t, root, "v", &dmg_abi_json_plain, &v, &bad ) ) fail_msg( "%s: %s, %s", bad.path, bad.expected, bad.got );
    assert_true( dmg_span_eq( bcs, dmg_bcs_wr_span( &v ) ) );
  }
  dmg_buf_fini( &text );
}

int main( void ) {
  seed_any();
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_numbers_at_their_bounds ), cmocka_unit_test( test_bytes_text_and_accounts ), cmocka_unit_test( test_containers ),
    cmocka_unit_test( test_later_fields_may_be_left_out ), cmocka_unit_test( test_arguments_by_name_or_by_place ),
    cmocka_unit_test( test_a_refusal_cuts_words_of_the_client_at_whole_characters ), cmocka_unit_test( test_random_values_come_back ) };
  return cmocka_run_group_tests( tests, setup, teardown );
}
