/* dmgn_conf.h from C: the picture of the header, and an error. */
#include "dmgn_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define BYTES( s ) (uint8_t const *)(s), sizeof( s )-1

static void test_items_are_as_the_header_draws_them( void ** state ) {
  (void)state;
  dmgn_conf_t * conf = NULL;
  dmgn_conf_err_t err;
  assert_int_equal( dmgn_conf_parse( BYTES( "[rpc]\nport = 7369\nhosts = [ \"a\", \"b\\u0000\" ]\n[[peer]]\nid = 1\n" ), &conf, &err ), 0 );
  size_t cnt;
  dmgn_conf_item_t const * item = dmgn_conf_items( conf, &cnt );
  struct { char const * path; uint32_t type; char const * text; size_t text_sz; uint32_t cnt, line, col; } const want[] = {
    { "rpc",          DMGN_CONF_TABLE,   "",     0, 2, 1, 1 },
    { "rpc.port",     DMGN_CONF_INTEGER, "7369", 4, 0, 2, 8 },
    { "rpc.hosts",    DMGN_CONF_ARRAY,   "",     0, 2, 3, 9 },
    { "rpc.hosts[0]", DMGN_CONF_STRING,  "a",    1, 0, 3, 11 },
    { "rpc.hosts[1]", DMGN_CONF_STRING,  "b\0",  2, 0, 3, 16 },
    { "peer",         DMGN_CONF_ARRAY,   "",     0, 1, 4, 1 },
    { "peer[0]",      DMGN_CONF_TABLE,   "",     0, 1, 4, 1 },
    { "peer[0].id",   DMGN_CONF_INTEGER, "1",    1, 0, 5, 6 },
  };
  assert_int_equal( cnt, sizeof want/sizeof *want );
  for( size_t i = 0; i<cnt; i++ ) {
    assert_string_equal( item[ i ].path, want[ i ].path );
    assert_int_equal( item[ i ].path_sz, strlen( want[ i ].path ) );
    assert_int_equal( item[ i ].type, want[ i ].type );
    assert_int_equal( item[ i ].text_sz, want[ i ].text_sz );
    assert_memory_equal( item[ i ].text, want[ i ].text, want[ i ].text_sz+1 );
    assert_int_equal( item[ i ].cnt, want[ i ].cnt );
    assert_int_equal( item[ i ].line, want[ i ].line );
    assert_int_equal( item[ i ].col, want[ i ].col );
  }
  dmgn_conf_free( conf );
  dmgn_conf_free( NULL );
}

static void test_error_has_line_column_and_leaves_the_output( void ** state ) {
  (void)state;
  dmgn_conf_t * conf = (dmgn_conf_t *)state;
  dmgn_conf_err_t err;
  assert_int_equal( dmgn_conf_parse( BYTES( "a = 1\nb = ?\n" ), &conf, &err ), -1 );
  assert_ptr_equal( conf, state );
  assert_int_equal( err.line, 2 );
  assert_int_equal( err.col, 5 );
  assert_in_range( strnlen( err.text, sizeof err.text ), 5, sizeof err.text-1 );
  assert_int_equal( dmgn_conf_parse( NULL, 0, &conf, &err ), 0 );
  size_t cnt;
  dmgn_conf_items( conf, &cnt );
  assert_int_equal( cnt, 0 );
  dmgn_conf_free( conf );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_items_are_as_the_header_draws_them ),
    cmocka_unit_test( test_error_has_line_column_and_leaves_the_output ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
