/* base: arenas, buffers, hex, checked numbers, error table. */
#include "base/arena.h"
#include "base/num.h"
#include "base/os.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void test_arena_refuses_past_its_max( void ** state ) {
  dmg_arena_t * a = dmg_arena_new( 1024 );
  assert_non_null( dmg_arena_alloc( a, 500 ) );
  assert_null( dmg_arena_alloc( a, 1025 ) );
  assert_null( dmg_arena_alloc( a, SIZE_MAX ) );
  assert_null( dmg_arena_calloc( a, SIZE_MAX/2, 3 ) );
  assert_int_equal( dmg_arena_used( a ), 512 );
  assert_non_null( dmg_arena_alloc( a, 505 ) );
  assert_null( dmg_arena_alloc( a, 1 ) );
  dmg_arena_reset( a );
  assert_non_null( dmg_arena_alloc( a, 1024 ) );
  dmg_arena_free( a );
}

static void test_arena_pieces_are_apart_and_aligned( void ** state ) {
  dmg_arena_t * a = dmg_arena_new( (size_t)8<<20 );
  uint8_t * p[ 100 ];
  for( int round = 0; round<3; round++ ) {
    for( int i = 0; i<100; i++ ) {
      size_t sz = (size_t)( i*i*7+1 );
      p[ i ] = dmg_arena_alloc( a, sz );
      assert_non_null( p[ i ] );
      assert_int_equal( (uintptr_t)p[ i ]%16, 0 );
      memset( p[ i ], i, sz );
    }
    for( int i = 0; i<100; i++ ) for( size_t k = 0; k<(size_t)( i*i*7+1 ); k++ ) assert_int_equal( p[ i ][ k ], i );
    dmg_arena_reset( a );
  }
  dmg_arena_free( a );
}

static void test_buf_keeps_its_bytes_when_full( void ** state ) {
  dmg_buf_t b = dmg_buf( 10 );
  assert_int_equal( dmg_buf_append( &b, "12345678", 8 ), DMG_OK );
  assert_int_equal( dmg_buf_append( &b, "abc", 3 ), DMG_ERR_LIMIT );
  assert_int_equal( b.sz, 8 );
  assert_int_equal( dmg_buf_printf( &b, "%d", 7 ), DMG_OK );
  assert_memory_equal( b.p, "123456787", 9 );
  dmg_buf_fini( &b );
}

static void test_hex_refuses_odd_and_foreign_digits( void ** state ) {
  uint8_t out[ 2 ] = { 9, 9 };
  assert_int_equal( dmg_hex_decode( "012", 3, out, 2 ), DMG_ERR_INVALID );
  assert_int_equal( dmg_hex_decode( "01g2", 4, out, 2 ), DMG_ERR_INVALID );
  assert_int_equal( out[ 0 ], 9 );
  assert_int_equal( dmg_hex_decode( "aB09", 4, out, 2 ), DMG_OK );
  assert_int_equal( out[ 0 ], 0xab );
  char text[ 5 ];
  /* Every pair of characters. */
  for( unsigned i = 0; i<65536; i++ ) {
    char pair[ 3 ] = { (char)( i>>8 ), (char)i };
    uint8_t byte = 0x5a;
    bool is_hex = isxdigit( (uint8_t)pair[ 0 ] ) && isxdigit( (uint8_t)pair[ 1 ] );
    assert_int_equal( dmg_hex_decode( pair, 2, &byte, 1 ), is_hex ? DMG_OK : DMG_ERR_INVALID );
    assert_int_equal( byte, is_hex ? strtoul( pair, NULL, 16 ) : 0x5a );
  }
  for( unsigned b = 0; b<256; b++ ) {
    char want[ 3 ], got[ 3 ];
    snprintf( want, sizeof want, "%02x", b );
    dmg_hex_encode( &(uint8_t){ (uint8_t)b }, 1, got );
    assert_string_equal( got, want );
  }
  static uint64_t const num[] = { 0, 9, 10, 4294967295u, 10000000000000000000u, UINT64_MAX };
  for( size_t i = 0; i<sizeof num/sizeof *num; i++ ) {
    char want[ 24 ], room[ 21 ] = "", * p = dmg_digits( num[ i ], room+20 );
    snprintf( want, sizeof want, "%lu", (unsigned long)num[ i ] );
    assert_string_equal( p, want );
  }
  dmg_hex_encode( out, 2, text );
  assert_string_equal( text, "ab09" );
}

static void test_num_tells_what_does_not_fit( void ** state ) {
  uint64_t r = 5;
  assert_false( dmg_add_u64( UINT64_MAX, 1, &r ) );
  assert_false( dmg_sub_u64( 1, 2, &r ) );
  assert_false( dmg_mul_u64( (uint64_t)1<<32, (uint64_t)1<<32, &r ) );
  assert_false( dmg_mul_div_floor( UINT64_MAX, 2, 1, &r ) );
  assert_int_equal( r, 5 );
  assert_true( dmg_mul_div_floor( UINT64_MAX, UINT64_MAX, UINT64_MAX, &r ) );
  assert_true( r==UINT64_MAX );
  assert_true( dmg_mul_div_ceil( 7, 3, 2, &r ) );
  assert_int_equal( r, 11 );
}

static void test_file_replace_and_read_round_trip( void ** state ) {
  char dir[] = "/tmp/dmg-base-XXXXXX", path[ 64 ];
  assert_non_null( mkdtemp( dir ) );
  snprintf( path, sizeof path, "%s/a/b", dir );
  assert_int_equal( dmg_os_mkdirs( path ), DMG_OK );
  snprintf( path, sizeof path, "%s/a/b/f", dir );
  dmg_buf_t b;
  assert_int_equal( dmg_os_file_read( path, 100, &b ), DMG_ERR_NOT_FOUND );
  assert_int_equal( dmg_os_file_replace( path, DMG_SPAN_STR( "hello" ), 0600 ), DMG_OK );
  assert_int_equal( dmg_os_file_read( path, 4, &b ), DMG_ERR_LIMIT );
  assert_int_equal( dmg_os_file_read( path, 5, &b ), DMG_OK );
  assert_memory_equal( b.p, "hello", 5 );
  dmg_buf_fini( &b );
  unlink( path );
  snprintf( path, sizeof path, "%s/a/b", dir ); rmdir( path );
  snprintf( path, sizeof path, "%s/a", dir );   rmdir( path );
  rmdir( dir );
}

static void test_a_folder_of_others_is_told( void ** state ) {
  char dir[] = "/tmp/dmg_base_XXXXXX", path[ 64 ], name[ 256 ] = "";
  char const * none[] = { NULL }, * own[] = { "config.toml", "genesis.bin*", NULL };
  assert_non_null( mkdtemp( dir ) );
  assert_false( dmg_os_dir_has_other( "/nonexistent", none, name ) );
  assert_false( dmg_os_dir_has_other( dir, none, name ) );
  snprintf( path, sizeof path, "%s/lost+found", dir );      /* a file system's own */
  assert_int_equal( dmg_os_mkdirs( path ), DMG_OK );
  snprintf( path, sizeof path, "%s/genesis.bin.17", dir );
  assert_int_equal( dmg_os_file_replace( path, DMG_SPAN_STR( "x" ), 0600 ), DMG_OK );
  assert_false( dmg_os_dir_has_other( dir, own, name ) );
  assert_true( dmg_os_dir_has_other( dir, none, name ) );
  assert_string_equal( name, "genesis.bin.17" );
  unlink( path );
  snprintf( path, sizeof path, "%s/config.toml2", dir );    /* begins like one, and is none */
  assert_int_equal( dmg_os_file_replace( path, DMG_SPAN_STR( "x" ), 0600 ), DMG_OK );
  assert_true( dmg_os_dir_has_other( dir, own, name ) );
  assert_string_equal( name, "config.toml2" );
  unlink( path );
  snprintf( path, sizeof path, "%s/lost+found", dir );
  rmdir( path );
  rmdir( dir );
}

static void test_err_names_cover_the_table_and_beyond( void ** state ) {
  for( unsigned e = 0; e<DMG_ERR_CNT; e++ ) { assert_non_null( dmg_err_name( (dmg_err_t)e ) ); assert_non_null( dmg_err_text( (dmg_err_t)e ) ); }
  assert_string_equal( dmg_err_name( (dmg_err_t)DMG_ERR_CNT ), "UNKNOWN" );
  assert_string_equal( dmg_err_name( DMG_ERR_NOT_FOUND ), "NOT_FOUND" );
}

static void test_edit_distance( void ** state ) {
  char b[ 66 ];
  memset( b, 'x', 65 );
  b[ 65 ] = 0;
  assert_int_equal( dmg_edit_distance( "x", b ), UINT_MAX );
  b[ 64 ] = 0;
  assert_int_equal( dmg_edit_distance( "x", b ), 63 );
  assert_int_equal( dmg_edit_distance( "prot", "port" ), 2 );
  assert_int_equal( dmg_edit_distance( "kitten", "sitting" ), 3 );
  assert_int_equal( dmg_edit_distance( "", "abc" ), 3 );
  assert_int_equal( dmg_edit_distance( "abc", "" ), 3 );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_edit_distance ),
    cmocka_unit_test( test_arena_refuses_past_its_max ),
    cmocka_unit_test( test_arena_pieces_are_apart_and_aligned ),
    cmocka_unit_test( test_buf_keeps_its_bytes_when_full ),
    cmocka_unit_test( test_hex_refuses_odd_and_foreign_digits ),
    cmocka_unit_test( test_num_tells_what_does_not_fit ),
    cmocka_unit_test( test_file_replace_and_read_round_trip ),
    cmocka_unit_test( test_a_folder_of_others_is_told ),
    cmocka_unit_test( test_err_names_cover_the_table_and_beyond ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
