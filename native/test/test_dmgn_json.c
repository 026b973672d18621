/* dmgn_json.h from C: the picture of the header, errors, reuse. */
#include "dmgn_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define BYTES( s ) (uint8_t const *)(s), sizeof( s )-1

static void test_nodes_are_as_the_header_draws_them( void ** state ) {
  (void)state;
  dmgn_json_t * json = dmgn_json_new();
  dmgn_json_err_t err;
  assert_int_equal( dmgn_json_parse( json, BYTES( "{\"a\":[1,\"x\\u0000\"]}" ), 8, 100, &err ), DMGN_JSON_OK );
  assert_int_equal( err.code, DMGN_JSON_OK );
  size_t cnt, sz;
  dmgn_json_node_t const * n = dmgn_json_nodes( json, &cnt );
  uint8_t const * text = dmgn_json_text( json, &sz );
  struct { uint32_t type, cnt, next, at; char const * text; uint32_t sz; } const want[] = {
    { DMGN_JSON_OBJECT, 1, 5, 0, "", 0 },
    { DMGN_JSON_STRING, 0, 2, 1, "a", 1 },
    { DMGN_JSON_ARRAY,  2, 5, 5, "", 0 },
    { DMGN_JSON_NUMBER, 0, 4, 6, "1", 1 },
    { DMGN_JSON_STRING, 0, 5, 8, "x\0", 2 },
  };
  assert_int_equal( cnt, sizeof want/sizeof *want );
  for( size_t i = 0; i<cnt; i++ ) {
    assert_int_equal( n[ i ].type, want[ i ].type );
    assert_int_equal( n[ i ].cnt, want[ i ].cnt );
    assert_int_equal( n[ i ].next, want[ i ].next );
    assert_int_equal( n[ i ].at, want[ i ].at );
    assert_int_equal( n[ i ].sz, want[ i ].sz );
    assert_true( n[ i ].off+n[ i ].sz<=sz );
    assert_memory_equal( text+n[ i ].off, want[ i ].text, n[ i ].sz );
  }
  dmgn_json_free( json );
  dmgn_json_free( NULL );
}

static void test_errors_say_what_and_where( void ** state ) {
  (void)state;
  struct { char const * text; size_t sz; int code; size_t at; } const table[] = {
    { "", 0, DMGN_JSON_ERR_EOF, 0 },
    { "[1,]", 4, DMGN_JSON_ERR_SYNTAX, 3 },
    { "\"\xff\"", 3, DMGN_JSON_ERR_UTF8, 1 },
    { "{\"a\":1,\"a\":2}", 13, DMGN_JSON_ERR_DUPLICATE, 7 },
    { "1 2", 3, DMGN_JSON_ERR_TRAILING, 2 },
    { "[[[[]]]]", 8, DMGN_JSON_ERR_DEPTH, 3 },
    { "[1,2,3,4,5,6]", 13, DMGN_JSON_ERR_NODES, 9 },
    { "1\0", 2, DMGN_JSON_ERR_TRAILING, 1 },
  };
  dmgn_json_t * json = dmgn_json_new();
  for( size_t i = 0; i<sizeof table/sizeof *table; i++ ) {
    dmgn_json_err_t err;
    assert_int_equal( dmgn_json_parse( json, (uint8_t const *)table[ i ].text, table[ i ].sz, 3, 5, &err ), table[ i ].code );
    assert_int_equal( err.code, table[ i ].code );
    assert_int_equal( err.at, table[ i ].at );
    assert_in_range( strnlen( err.text, sizeof err.text ), 5, sizeof err.text-1 );
    size_t cnt, sz;
    dmgn_json_nodes( json, &cnt );
    dmgn_json_text( json, &sz );
    assert_int_equal( cnt, 0 );
    assert_int_equal( sz, 0 );
    /* still usable */
    assert_int_equal( dmgn_json_parse( json, BYTES( "9007199254740993" ), 3, 5, NULL ), DMGN_JSON_OK );
    assert_memory_equal( dmgn_json_text( json, &sz ), "9007199254740993", 16 );
  }
  assert_int_equal( dmgn_json_parse( json, NULL, 0, 3, 5, NULL ), DMGN_JSON_ERR_EOF );
  dmgn_json_free( json );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_nodes_are_as_the_header_draws_them ),
    cmocka_unit_test( test_errors_say_what_and_where ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
