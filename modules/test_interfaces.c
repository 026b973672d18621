/* The interfaces of the modules against the golden vectors of the second implementation: schema hashes, arguments, key fields;
   and pinned ABI hashes, so that no change of an interface passes unseen. */
#include "codec/abi.h"
#include "types/schema.h"

#include "balances_host.h"
#include "system_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define LINE_MAX_SZ ( 1u<<20 )

static char line[ LINE_MAX_SZ ];
static dmg_arena_t * arena;
static dmg_abi_t const * abis[ 3 ];   /* by module id */

/* The text of a flat field of the line, without quotes; false if it is not there. */
static bool field( char const * name, dmg_span_t * out ) {
  char want[ 64 ];
  snprintf( want, sizeof want, "\"%s\":", name );
  char const * p = strstr( line, want );
  if( !p ) return false;
  p += strlen( want );
  bool is_text = *p=='"';
  if( is_text ) p++;
  size_t n = strcspn( p, is_text ? "\"" : ",}" );
  *out = dmg_span( p, n );
  return true;
}
static bool is( char const * name, char const * value ) { dmg_span_t s; return field( name, &s ) && dmg_span_eq( s, dmg_span_cstr( value ) ); }
static uint16_t number( char const * name ) { dmg_span_t s; assert_true( field( name, &s ) ); return (uint16_t)strtoul( (char const *)s.p, NULL, 10 ); }
static dmg_span_t hex( char const * name ) {
  dmg_span_t s;
  assert_true( field( name, &s ) );
  assert_true( s.sz>=2 );
  size_t n = ( s.sz-2 )/2;
  uint8_t * out = dmg_arena_alloc( arena, n+1 );
  assert_non_null( out );
  assert_int_equal( dmg_hex_decode( (char const *)s.p+2, 2*n, out, n ), DMG_OK );
  return dmg_span( out, n );
}

static dmg_abi_t const * load( dmg_span_t raw, char const * hash_hex ) {
  dmg_abi_t const * abi;
  dmg_verdict_t v = dmg_abi_decode( raw, arena, &abi );
  assert_int_equal( v.kind, DMG_VERDICT_GOOD );
  static uint8_t again[ DMG_ABI_SZ_MAX ];
  dmg_bcs_wr_t w = dmg_bcs_wr( again, sizeof again );
  dmg_abi_write( abi, &w );
  assert_false( w.is_full );
  assert_true( dmg_span_eq( dmg_bcs_wr_span( &w ), raw ) );
  char text[ 65 ];
  dmg_hash_t h = dmg_abi_hash( raw );
  dmg_hex_encode( h.b, 32, text );
  assert_string_equal( text, hash_hex );
  return abi;
}

/* A change here is a change of the interface: it needs a reason in the commit. */
static void test_abi_hashes_are_pinned( void ** state ) {
  (void)load( dmg_span( dmg_system_abi, sizeof dmg_system_abi ), "4d3d1814d252af91f8d128b5f00512a445b82bac58b19d5acefd413b7e2a6256" );
  (void)load( dmg_span( dmg_balances_abi, sizeof dmg_balances_abi ), "e77566069164342e2560704a02e3430ed729236d29e9f32de385213a627ccf0b" );
}

static dmg_abi_fn_t const * call_of_line( void ) {
  uint16_t module = number( "module" );
  assert_in_range( module, 1, 2 );
  dmg_abi_fn_t const * fn = dmg_abi_call( abis[ module ], number( "call" ) );
  if( !fn ) fail_msg( "no such call: %.100s", line );
  return fn;
}

static uint32_t each_line( char const * file, bool (* one)( void ) ) {
  char path[ 256 ];
  uint32_t n = 0;
  snprintf( path, sizeof path, "tests/conformance/vectors/%s.json", file );
  FILE * f = fopen( path, "r" );
  if( !f ) fail_msg( "%s: run the tests from the root of the tree", path );
  while( fgets( line, sizeof line, f ) ) n += one();
  fclose( f );
  return n;
}

static bool one_schema( void ) {
  if( !is( "kind", "schema" ) || is( "module", "513" ) ) return false;   /* 513: made up, the compiler's test */
  static uint8_t buf[ DMG_SCHEMA_SZ_MAX ];
  dmg_abi_fn_t const * fn = call_of_line();
  dmg_bcs_wr_t w = dmg_bcs_wr( buf, sizeof buf );
  dmg_hash_t h;
  dmg_schema_write( number( "module" ), fn, &w );
  if( !dmg_span_eq( dmg_bcs_wr_span( &w ), hex( "bcs" ) ) ) fail_msg( "other bytes: %.100s", line );
  assert_int_equal( dmg_schema_hash( number( "module" ), fn, &h ), DMG_OK );
  if( !dmg_span_eq( dmg_hash_span( &h ), hex( "schema" ) ) ) fail_msg( "another hash: %.100s", line );
  return true;
}
static void test_schema_hashes_agree_with_vectors( void ** state ) { assert_true( each_line( "calls", one_schema )>=5 ); }

static bool one_args( void ) {
  if( !is( "kind", "args" ) || is( "module", "513" ) ) return false;
  if( dmg_type_validate( call_of_line()->args, hex( "bcs" ), NULL ) ) fail_msg( "refused: %.100s", line );
  /* One byte less or more is no value. */
  dmg_span_t s = hex( "bcs" );
  uint8_t more[ 65536 ];
  if( s.sz ) { assert_int_not_equal( dmg_type_validate( call_of_line()->args, dmg_span( s.p, s.sz-1 ), NULL ), DMG_BCS_GOOD ); memcpy( more, s.p, s.sz ); }
  more[ s.sz ] = 0;
  assert_int_equal( dmg_type_validate( call_of_line()->args, dmg_span( more, s.sz+1 ), NULL ), DMG_BCS_TRAILING );
  return true;
}
static void test_arguments_of_vectors_are_good( void ** state ) { assert_true( each_line( "calls", one_args )>=5 ); }

/* A key field by the name of its type: its bytes are a key, and stand for one value. */
static bool one_key_field( void ) {
  if( !is( "kind", "key_field" ) ) return false;
  static char const * const name[] = { "bool", "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "address", "hash", "amount", "asset" };
  dmg_type_t t = { .kind = DMG_TYPE_CNT };
  dmg_variant_t variants[ 8 ];
  for( size_t i = 0; i<sizeof name/sizeof *name; i++ ) if( is( "type", name[ i ] ) ) t.kind = (dmg_type_kind_t)i;
  if( is( "type", "str" ) ) { t.kind = DMG_TYPE_STR; t.n = 64; }
  if( is( "type", "enum" ) ) { t.kind = DMG_TYPE_ENUM; t.variants = variants; t.variant_cnt = 8; memset( variants, 0, sizeof variants ); }
  if( t.kind==DMG_TYPE_CNT ) fail_msg( "unknown type: %.100s", line );
  assert_true( dmg_type_measure( &t ) );
  dmg_type_t const * keys[ 1 ] = { &t };
  dmg_abi_item_t item = { .keys = keys, .key_cnt = 1, .kind = DMG_ITEM_MAP };
  assert_true( dmg_abi_item_measure( &item ) );
  dmg_span_t key = hex( "bytes" );
  uint8_t bcs[ 128 ], again[ 128 ];
  dmg_bcs_wr_t w = dmg_bcs_wr( bcs, sizeof bcs ), k = dmg_bcs_wr( again, sizeof again );
  if( !dmg_key_to_bcs( &item, key, &w ) ) fail_msg( "no key: %.100s", line );
  dmg_bcs_rd_t r = dmg_bcs_rd( dmg_bcs_wr_span( &w ) );
  assert_true( dmg_key_from_bcs( &item, &r, &k ) );
  assert_int_equal( dmg_bcs_rd_end( &r ), DMG_BCS_GOOD );
  assert_true( dmg_span_eq( dmg_bcs_wr_span( &k ), key ) );
  /* The number as the vector writes it. */
  dmg_span_t text;
  assert_true( field( "text", &text ) );
  dmg_span_t v = dmg_bcs_wr_span( &w );
  if( t.kind>=DMG_TYPE_U8 && t.kind<=DMG_TYPE_I64 && t.kind!=DMG_TYPE_U128 ) {
    int64_t have = 0;
    memcpy( &have, v.p, v.sz );
    if( t.kind>=DMG_TYPE_I8 && v.sz<8 && v.p[ v.sz-1 ]&0x80 ) have -= (int64_t)1<<( 8*v.sz );
    assert_int_equal( have, strtoll( (char const *)text.p, NULL, 10 ) );
  }
  return true;
}
static void test_key_fields_agree_with_vectors( void ** state ) { assert_true( each_line( "storage", one_key_field )>=10 ); }

static int setup( void ** state ) {
  arena = dmg_arena_new( 64u<<20 );
  if( !arena ) return 1;
  dmg_verdict_t v = dmg_abi_decode( dmg_span( dmg_system_abi, sizeof dmg_system_abi ), arena, &abis[ 1 ] );
  if( v.kind ) return 1;
  v = dmg_abi_decode( dmg_span( dmg_balances_abi, sizeof dmg_balances_abi ), arena, &abis[ 2 ] );
  return v.kind ? 1 : 0;
}
static int teardown( void ** state ) { dmg_arena_free( arena ); return 0; }

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_abi_hashes_are_pinned ), cmocka_unit_test( test_schema_hashes_agree_with_vectors ),
    cmocka_unit_test( test_arguments_of_vectors_are_good ), cmocka_unit_test( test_key_fields_agree_with_vectors ) };
  return cmocka_run_group_tests( tests, setup, teardown );
}
