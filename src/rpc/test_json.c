/* json: what the reader refuses, what comes back exactly, what the writer does at its bound. */
#include "base/test_rnd.h"
#include "rpc/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static dmg_json_t * json;
static int setup( void ** state ) { json = dmg_json_new(); return !json; }
static int teardown( void ** state ) { dmg_json_free( json ); return 0; }

static dmg_jv_t parse( char const * text ) {
  dmg_jv_t root = { 0 };
  char why[ 160 ];
  if( !dmg_json_parse( json, dmg_span_cstr( text ), &root, why ) ) fail_msg( "%s: %s", text, why );
  return root;
}

static void test_text_that_is_not_strict_json_is_refused( void ** state ) {
  char const * bad[] = { "", " ", "{", "[", "\"", "nul", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "[1,]", "[,1]", "{\"a\":01}", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\xff", "{} x", "\"a\nb\"", "NaN", "Infinity",
    "-", "+1", "1.", ".5", "0x1", "1e", "'a'", "{a:1}", "[1 2]", "{\"a\" 1}", "// x\n1", "\xef\xbb\xbf{}", "\"\\x\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"" };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    dmg_jv_t root;
    char why[ 160 ] = "";
    if( dmg_json_parse( json, dmg_span_cstr( bad[ i ] ), &root, why ) ) fail_msg( "took %s", bad[ i ] );
    assert_non_null( strstr( why, " at byte " ) );
    assert_false( dmg_json_is_past_limit( json ) );
  }
  dmg_jv_t root;
  char why[ 160 ];
  assert_false( dmg_json_parse( json, DMG_SPAN_STR( "\"a\0b\"" ), &root, why ) );
}

static bool nested( uint32_t depth ) {
  char text[ 200 ];
  memset( text, '[', depth );
  memset( text+depth, ']', depth );
  dmg_jv_t root;
  char why[ 160 ];
  return dmg_json_parse( json, dmg_span( text, 2*depth ), &root, why );
}

static bool listed( uint32_t cnt ) {
  char * text = malloc( 2*cnt+2 );
  size_t n = 0;
  text[ n++ ] = '[';
  for( uint32_t i = 0; i<cnt; i++ ) { if( i ) text[ n++ ] = ','; text[ n++ ] = '1'; }
  text[ n++ ] = ']';
  dmg_jv_t root;
  char why[ 160 ];
  bool ok = dmg_json_parse( json, dmg_span( text, n ), &root, why );
  free( text );
  return ok;
}

/* F0.2 depth 32, F3.5 tokens 20,000. */
static void test_depth_and_tokens_end_at_their_limits( void ** state ) {
  assert_true( nested( DMG_JSON_DEPTH_MAX ) );
  assert_false( nested( DMG_JSON_DEPTH_MAX+1 ) );
  assert_true( dmg_json_is_past_limit( json ) );
  assert_true( listed( DMG_JSON_NODES_MAX-1 ) );
  assert_false( dmg_json_is_past_limit( json ) );
  assert_false( listed( DMG_JSON_NODES_MAX ) );
  assert_true( dmg_json_is_past_limit( json ) );
}

/* What a node may answer in 8 MiB has more values than a request may. */
static void test_a_reader_of_answers_takes_more( void ** state ) {
  dmg_json_t * of_requests = json;
  json = dmg_json_new_answer();
  assert_true( listed( DMG_JSON_ANSWER_NODES_MAX-1 ) );
  assert_false( listed( DMG_JSON_ANSWER_NODES_MAX ) );
  assert_true( dmg_json_is_past_limit( json ) );
  dmg_json_free( json );
  json = of_requests;
}

static void test_numbers_are_read_exactly_or_not_at_all( void ** state ) {
  static struct { char const * text; bool is_good; uint64_t v; } const u64[] = {
    { "\"0\"", true, 0 }, { "\"9007199254740993\"", true, 9007199254740993u }, { "\"18446744073709551615\"", true, UINT64_MAX }, { "\"18446744073709551616\"", false, 0 }, { "\"99999999999999999999\"", false, 0 },
    { "\"184467440737095516150\"", false, 0 }, { "\"\"", false, 0 }, { "\"00\"", false, 0 }, { "\"01\"", false, 0 }, { "\"-1\"", false, 0 }, { "\"+1\"", false, 0 }, { "\" 1\"", false, 0 }, { "\"1 \"", false, 0 }, { "\"1.0\"", false, 0 },
    { "\"0x1\"", false, 0 }, { "1", false, 0 }, { "null", false, 0 }, { "[]", false, 0 } };
  for( size_t i = 0; i<sizeof u64/sizeof *u64; i++ ) {
    uint64_t v = 77;
    bool is_good = dmg_jv_u64( parse( u64[ i ].text ), &v );
    if( is_good!=u64[ i ].is_good || v!=( is_good ? u64[ i ].v : 77 ) ) fail_msg( "%s gave %d %lu", u64[ i ].text, is_good, (unsigned long)v );
  }
  static struct { char const * text; bool is_good; uint32_t v; } const u32[] = { { "0", true, 0 }, { "4294967295", true, UINT32_MAX }, { "4294967296", false, 0 }, { "-0", false, 0 }, { "-1", false, 0 }, { "1.0", false, 0 }, { "1e2", false, 0 },
    { "\"1\"", false, 0 }, { "true", false, 0 } };
  for( size_t i = 0; i<sizeof u32/sizeof *u32; i++ ) {
    uint32_t v = 77;
    bool is_good = dmg_jv_u32( parse( u32[ i ].text ), &v );
    if( is_good!=u32[ i ].is_good || v!=( is_good ? u32[ i ].v : 77 ) ) fail_msg( "%s gave %d %u", u32[ i ].text, is_good, v );
  }
}

static void test_hex_wants_0x_whole_bytes_and_room( void ** state ) {
  uint8_t out[ 2 ];
  size_t sz = 9;
  char const * bad[] = { "\"\"", "\"0\"", "\"x\"", "\"0x0\"", "\"00\"", "\"0X00\"", "\"0x0g\"", "\"0x000102\"", "0", "null" };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) if( dmg_jv_hex( parse( bad[ i ] ), out, sizeof out, &sz ) ) fail_msg( "took %s", bad[ i ] );
  assert_int_equal( sz, 9 );
  assert_true( dmg_jv_hex( parse( "\"0x\"" ), out, sizeof out, &sz ) );
  assert_int_equal( sz, 0 );
  assert_true( dmg_jv_hex( parse( "\"0xaBcD\"" ), out, sizeof out, &sz ) );
  assert_int_equal( sz, 2 );
  assert_memory_equal( out, "\xab\xcd", 2 );
  dmg_hash_t h;
  char text[ 80 ];
  for( size_t n = 31; n<=33; n++ ) {
    snprintf( text, sizeof text, "\"0x%0*d\"", (int)( 2*n ), 0 );
    assert_int_equal( dmg_jv_hash( parse( text ), &h ), n==32 );
  }
}

static void test_containers_are_walked_member_by_member( void ** state ) {
  dmg_jv_t root = parse( "{\"a\":[1,[2,{\"x\":3}],4],\"b\":{},\"\":null,\"c\":\"d\"}" );
  assert_int_equal( dmg_jv_cnt( root ), 4 );
  char order[ 16 ] = "";
  for( dmg_jv_t k = dmg_jv_first( root ); !dmg_jv_is_absent( k ); k = dmg_jv_next( root, k ) ) snprintf( order+strlen( order ), sizeof order-strlen( order ), "%.*s,", DMG_SPAN_F( dmg_jv_text( k ) ) );
  assert_string_equal( order, "a,b,,c," );
  dmg_jv_t a = dmg_jv_get( root, "a" );
  uint32_t cnt = 0;
  for( dmg_jv_t e = dmg_jv_first( a ); !dmg_jv_is_absent( e ); e = dmg_jv_next( a, e ) ) cnt++;
  assert_int_equal( cnt, 3 );
  assert_true( dmg_jv_is_absent( dmg_jv_first( dmg_jv_get( root, "b" ) ) ) );
  assert_int_equal( dmg_jv_type( dmg_jv_get( root, "" ) ), DMG_JSON_NULL );
  assert_true( dmg_jv_is_absent( dmg_jv_get( root, "d" ) ) );       /* a value, not a key */
  assert_true( dmg_jv_is_absent( dmg_jv_get( a, "a" ) ) );          /* no object */
  assert_true( dmg_jv_eq_str( dmg_jv_get( root, "c" ), "d" ) );
  assert_false( dmg_jv_eq_str( dmg_jv_get( root, "c" ), "de" ) );
  static char const * const names[] = { "d", "c", "", "aa", "a" };
  dmg_jv_t m[ 5 ];
  assert_int_equal( dmg_jv_members( root, names, 5, m ), 1 );       /* b */
  assert_true( dmg_jv_is_absent( m[ 0 ] ) && dmg_jv_is_absent( m[ 3 ] ) );
  assert_true( dmg_jv_eq_str( m[ 1 ], "d" ) );
  assert_int_equal( dmg_jv_type( m[ 2 ] ), DMG_JSON_NULL );
  assert_int_equal( dmg_jv_cnt( m[ 4 ] ), 3 );
  assert_int_equal( dmg_jv_members( root, names, 0, m ), 4 );
  assert_int_equal( dmg_jv_members( dmg_jv_get( root, "b" ), names, 5, m ), 0 );
  assert_true( dmg_jv_is_absent( m[ 4 ] ) );
}

static void test_strings_come_unescaped_and_go_escaped( void ** state ) {
  dmg_jv_t v = parse( "\"\\u0041\\n\\\"\\\\\\/\\u00fc\\ud83d\\ude00\\u0000\"" );
  assert_true( dmg_span_eq( dmg_jv_text( v ), DMG_SPAN_STR( "A\n\"\\/\xc3\xbc\xf0\x9f\x98\x80\0" ) ) );
  dmg_buf_t buf = dmg_buf( 200 );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_value( &w, v );
  assert_true( dmg_span_eq( dmg_buf_span( &buf ), DMG_SPAN_STR( "\"A\\u000a\\\"\\\\/\xc3\xbc\xf0\x9f\x98\x80\\u0000\"" ) ) );
  dmg_buf_clear( &buf );
  w = dmg_jw( &buf );
  dmg_jw_str( &w, DMG_SPAN_STR( "ab\xff" ) );
  assert_true( dmg_span_eq( dmg_buf_span( &buf ), DMG_SPAN_STR( "\"\xef\xbf\xbd\"" ) ) );
  dmg_buf_fini( &buf );
}

static void write_all( dmg_jw_t * w ) {
  dmg_jw_open( w, '{' );
  dmg_jw_ku64( w, "a", UINT64_MAX );
  dmg_jw_knum( w, "b", UINT32_MAX );
  dmg_jw_key( w, "c" );
  dmg_jw_open( w, '[' );
  dmg_jw_bool( w, true );
  dmg_jw_null( w );
  dmg_jw_hex( w, DMG_SPAN_STR( "\x01\xff" ) );
  dmg_jw_hex( w, dmg_span( NULL, 0 ) );
  dmg_jw_open( w, '[' );
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, ']' );
  dmg_jw_kcstr( w, "d", "e" );
  dmg_jw_close( w, '}' );
}

/* Every byte at every place of short texts, beside a writer that looks at one byte at a time. */
static void test_every_byte_is_escaped_or_not( void ** state ) {
  for( size_t sz = 0; sz<=19; sz++ )
    for( size_t at = 0; at<sz || !at; at++ )
      for( unsigned c = 0; c<256; c++ ) {
        uint8_t text[ 20 ];
        char want[ 64 ] = "[\"";
        memset( text, 'a'+(int)sz, sizeof text );
        if( sz ) text[ at ] = (uint8_t)c;
        if( sz && c>=0x80 ) snprintf( want+strlen( want ), sizeof want-strlen( want ), "\xef\xbf\xbd" );
        else for( size_t i = 0; i<sz; i++ ) {
          size_t n = strlen( want );
          snprintf( want+n, sizeof want-n, text[ i ]<0x20 ? "\\u%04x" : text[ i ]=='"' || text[ i ]=='\\' ? "\\%c" : "%c", text[ i ] );
        }
        snprintf( want+strlen( want ), sizeof want-strlen( want ), "\",\"x\"" );
        dmg_buf_t buf = dmg_buf( 1000 );
        dmg_jw_t w = dmg_jw( &buf );
        dmg_jw_open( &w, '[' );
        dmg_jw_str( &w, dmg_span( sz ? text : NULL, sz ) );
        dmg_jw_cstr( &w, "x" );
        assert_false( w.is_full );
        assert_int_equal( buf.sz, strlen( want ) );
        assert_memory_equal( buf.p, want, buf.sz );
        dmg_buf_fini( &buf );
      }
}

static void test_the_writer_stops_at_its_bound_and_never_past_it( void ** state ) {
  static char const want[] = "{\"a\":\"18446744073709551615\",\"b\":4294967295,\"c\":[true,null,\"0x01ff\",\"0x\",[]],\"d\":\"e\"}";
  for( size_t max = 0; max<sizeof want+3; max++ ) {
    dmg_buf_t buf = dmg_buf( max );
    dmg_jw_t w = dmg_jw( &buf );
    write_all( &w );
    assert_true( buf.sz<=max );
    if( max<sizeof want-1 ) assert_true( w.is_full );
    if( !w.is_full ) assert_true( dmg_span_eq( dmg_buf_span( &buf ), DMG_SPAN_STR( want ) ) );
    if( max>=sizeof want ) assert_false( w.is_full );
    dmg_buf_fini( &buf );
  }
}

/* What is taken prints to text that is taken again and prints the same. */
static void test_random_texts_round_trip_or_are_refused( void ** state ) {
  static char const * const seed_text[] = { "{\"jsonrpc\":\"2.0\",\"method\":\"state_get\",\"params\":{\"key\":\"0x00\",\"at\":{\"height\":\"7\"}},\"id\":1}", "[1,-0.5e+7,\"\\ud83d\\ude00\\u0000\",[[]],{\"a\":{\"b\":null}},true,false]", "\"\xc3\xbc\"" };
  seed_any();
  dmg_buf_t one = dmg_buf( 4096 ), two = dmg_buf( 4096 );
  uint32_t taken = 0;
  for( int round = 0; round<20000; round++ ) {
    uint8_t text[ 128 ];
    char const * from = seed_text[ round%3 ];
    size_t sz = strlen( from );
    memcpy( text, from, sz );
    for( int m = 0; m<round/3%4; m++ ) {
      uint64_t r = rnd();
      size_t at = ( r>>33 )%sz;
      if( r>>20&1 ) text[ at ] = (uint8_t)( r>>24 );
      else if( sz>1 ) { memmove( text+at, text+at+1, sz-at-1 ); sz--; }
    }
    uint8_t * copy = malloc( sz );            /* of exact size: ASan sees a read past its end */
    memcpy( copy, text, sz );
    dmg_jv_t root;
    char why[ 160 ];
    bool is_good = dmg_json_parse( json, dmg_span( copy, sz ), &root, why );
    free( copy );
    if( !is_good ) continue;
    taken++;
    dmg_buf_clear( &one );
    dmg_jw_t w = dmg_jw( &one );
    dmg_jw_value( &w, root );
    assert_false( w.is_full );
    if( !dmg_json_parse( json, dmg_buf_span( &one ), &root, why ) ) fail_msg( "printed what it does not take: %.*s: %s", DMG_SPAN_F( one ), why );
    dmg_buf_clear( &two );
    w = dmg_jw( &two );
    dmg_jw_value( &w, root );
    assert_true( dmg_span_eq( dmg_buf_span( &one ), dmg_buf_span( &two ) ) );
  }
  assert_true( taken>5000 );
  dmg_buf_fini( &one );
  dmg_buf_fini( &two );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_text_that_is_not_strict_json_is_refused ),
    cmocka_unit_test( test_depth_and_tokens_end_at_their_limits ), cmocka_unit_test( test_a_reader_of_answers_takes_more ),
    cmocka_unit_test( test_numbers_are_read_exactly_or_not_at_all ),
    cmocka_unit_test( test_hex_wants_0x_whole_bytes_and_room ),
    cmocka_unit_test( test_containers_are_walked_member_by_member ),
    cmocka_unit_test( test_strings_come_unescaped_and_go_escaped ),
    cmocka_unit_test( test_every_byte_is_escaped_or_not ), cmocka_unit_test( test_the_writer_stops_at_its_bound_and_never_past_it ),
    cmocka_unit_test( test_random_texts_round_trip_or_are_refused ),
  };
  return cmocka_run_group_tests( tests, setup, teardown );
}
