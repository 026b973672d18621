/* config: flag over environment over file over default, and each mistake told with its place and what would be right. */
#include "node/config.h"
#include "base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/dmg-config-XXXXXX";
static dmg_config_t config;

static dmg_err_t load( char const * text, dmg_buf_t * why ) {
  assert_int_equal( dmg_os_file_replace( path, dmg_span_cstr( text ), 0600 ), DMG_OK );
  *why = dmg_buf( 65536 );
  dmg_err_t err = dmg_config_load( path, &config, why );
  assert_int_equal( dmg_buf_append( why, "", 1 ), DMG_OK );
  return err;
}

static void refused( char const * text, char const * says ) {
  dmg_buf_t why;
  assert_int_equal( load( text, &why ), DMG_ERR_INVALID );
  if( !strstr( (char const *)why.p, says ) ) fail_msg( "\"%s\" is not told: %s", says, (char const *)why.p );
  dmg_buf_fini( &why );
}

static void accepted( char const * text ) {
  dmg_buf_t why;
  if( load( text, &why ) ) fail_msg( "%s", (char const *)why.p );
  dmg_buf_fini( &why );
}

static void test_mistakes_are_told_with_place_and_remedy( void ** state ) {
  refused( "[rpc]\nprot = 1\n", ":2:8: unknown key rpc.prot; the nearest known one is rpc.port" );
  refused( "[rcp]\nport = 1\n", "unknown key rcp" );
  refused( "port = 1\n", "unknown key port" );
  refused( "[rpc]\nport = 65536\n", ":2: rpc.port wants a number from 0 to 65535, got \"65536\"" );
  refused( "[rpc]\nport = -1\n", "rpc.port wants" );
  refused( "[rpc]\nport = [ 1 ]\n", "rpc.port is one value" );
  refused( "[rpc.port]\nx = 1\n", "rpc.port is one value" );
  refused( "[storage]\nfsync = \"yes\"\n", "true or false" );
  refused( "[storage]\ntree_bytes = \"1MiB\"\n", "storage.tree_bytes wants a size" );
  refused( "[storage]\ntree_bytes = \"99999999TiB\"\n", "storage.tree_bytes wants a size" );
  refused( "[dev]\nblocks = \"5ms\"\n", "auto, manual or a pace" );
  refused( "[dev]\nblocks = \"-250ms\"\n", "auto, manual or a pace" );
  refused( "[log]\nlevel = \"loud\"\n", "error, warn, info or debug" );
  refused( "[net]\npeers = \"/ip4/999.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN\"\n",
           ":2: net.peers wants /ip4/ADDRESS/tcp/PORT/p2p/PEER_ID, got \"/ip4/999.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN\": \"999.0.0.1\" is no IPv4 address" );
  refused( "[net]\nlisten = \"/ip4/127.0.0.1/tcp/0, /ip4/127.0.0.1/tcp/99999\"\n", "net.listen wants /ip4/ADDRESS/tcp/PORT or /ip4/ADDRESS/udp/PORT/quic-v1, got \"/ip4/127.0.0.1/tcp/99999\": \"99999\" is no port" );
  refused( "[net]\nexternal = \"1.2.3.4\"\n", "net.external wants" );
  refused( "[net]\nexternal = \"/ip4/1.2.3.4/tcp/1,/ip4/1.2.3.4/tcp/2,/ip4/1.2.3.4/tcp/3,/ip4/1.2.3.4/tcp/4,/ip4/1.2.3.4/tcp/5\"\n", "net.external wants at most 4 addresses, got \"/ip4/1.2.3.4/tcp/5\": it is one more" );
  accepted( "[net]\nlisten = \",/ip4/127.0.0.1/tcp/0, \"\npeers = \"\"\n" );
  refused( "[rpc]\naddress = \"localhost\"\n", ":2: rpc.address wants an IPv4 or IPv6 address" );
  refused( "[client]\nrpc = \"127.0.0.1:7369\"\n", ":2: client.rpc wants a URL like http://127.0.0.1:7369/rpc, got \"127.0.0.1:7369\"" );
  refused( "[client]\nnetwork = \"demiurge:12\"\n", ":2: client.network wants dev, or a chain as demiurge: and 32 hex digits, got \"demiurge:12\"" );
  accepted( "[client]\nnetwork = \"demiurge:0123456789abcdef0123456789abcdef\"\n" );
  accepted( "[client]\nrpc = \"https://node.example/rpc\"\n[rpc]\naddress = \"::1\"\n" );
  refused( "[rpc\n", "not TOML" );
  refused( "[rpc]\nport = 1\nport = 2\n", "not TOML" );
  refused( "[rpc]\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = 1\n", "nearest known one is " );
  /* All of them at once, not the first only. */
  refused( "[rpc]\nprot = 1\nthreads = 65\n", "unknown key rpc.prot" );
  refused( "[rpc]\nprot = 1\nthreads = 65\n", "rpc.threads wants" );
}

static void test_sources_go_over_each_other( void ** state ) {
  dmg_buf_t why;
  accepted( "" );
  assert_int_equal( dmg_config_uint( &config, DMG_CONFIG_RPC_PORT ), 7369 );
  assert_string_equal( config.v[ DMG_CONFIG_RPC_PORT ].origin, "default" );
  accepted( "[rpc]\nport = 80\n[storage]\nfsync = false\ntree_bytes = \"8589934592\"\n[dev]\nblocks = \"250ms\"\n" );
  assert_int_equal( dmg_config_uint( &config, DMG_CONFIG_RPC_PORT ), 80 );
  assert_non_null( strstr( config.v[ DMG_CONFIG_RPC_PORT ].origin, ":2" ) );
  assert_false( dmg_config_bool( &config, DMG_CONFIG_STORAGE_FSYNC ) );
  assert_int_equal( dmg_config_uint( &config, DMG_CONFIG_STORAGE_TREE ), 8589934592u );
  setenv( "DEMIURGE_RPC_PORT", "81", 1 );
  accepted( "[rpc]\nport = 80\n" );
  assert_int_equal( dmg_config_uint( &config, DMG_CONFIG_RPC_PORT ), 81 );
  assert_string_equal( config.v[ DMG_CONFIG_RPC_PORT ].origin, "DEMIURGE_RPC_PORT" );
  why = dmg_buf( 1024 );
  assert_int_equal( dmg_config_set( &config, DMG_CONFIG_RPC_PORT, "82", "--port", &why ), DMG_OK );
  assert_int_equal( dmg_config_uint( &config, DMG_CONFIG_RPC_PORT ), 82 );
  /* What is refused changes nothing. */
  assert_int_equal( dmg_config_set( &config, DMG_CONFIG_RPC_PORT, "x", "--port", &why ), DMG_ERR_INVALID );
  assert_int_equal( dmg_config_uint( &config, DMG_CONFIG_RPC_PORT ), 82 );
  dmg_buf_fini( &why );
  setenv( "DEMIURGE_RPC_PORT", "many", 1 );
  refused( "", "DEMIURGE_RPC_PORT: rpc.port wants" );
  unsetenv( "DEMIURGE_RPC_PORT" );
}

static void test_a_named_file_must_be_there( void ** state ) {
  dmg_buf_t why = dmg_buf( 1024 );
  assert_int_equal( dmg_config_load( "/nonexistent/x.toml", &config, &why ), DMG_ERR_INVALID );
  assert_true( why.sz>0 );
  dmg_buf_fini( &why );
}

/* Of a file, from where it is; of a flag or the environment, from where we are. */
static void test_a_relative_folder_is_the_files( void ** state ) {
  static char const * const of[][ 2 ] = { { ".", "/tmp" }, { "data/x", "/tmp/data/x" }, { "/var/data", "/var/data" }, { "", "" } };
  for( size_t i = 0; i<sizeof of/sizeof *of; i++ ) {
    char text[ 64 ];
    snprintf( text, sizeof text, "[storage]\npath = \"%s\"\n", of[ i ][ 0 ] );
    accepted( text );
    assert_string_equal( dmg_config_text( &config, DMG_CONFIG_STORAGE_PATH ), of[ i ][ 1 ] );
  }
  /* Right under the root, as in a container. */
  if( !geteuid() ) {
    char const * at = "/dmg-test-config.toml";
    dmg_buf_t why = dmg_buf( 65536 );
    assert_int_equal( dmg_os_file_replace( at, DMG_SPAN_STR( "[storage]\npath = \".\"\n" ), 0600 ), DMG_OK );
    assert_int_equal( dmg_config_load( at, &config, &why ), DMG_OK );
    unlink( at );
    assert_string_equal( dmg_config_text( &config, DMG_CONFIG_STORAGE_PATH ), "/" );
    dmg_buf_fini( &why );
  }
  setenv( "DEMIURGE_STORAGE_PATH", "data", 1 );
  accepted( "[storage]\npath = \"x\"\n" );
  assert_string_equal( dmg_config_text( &config, DMG_CONFIG_STORAGE_PATH ), "data" );
  unsetenv( "DEMIURGE_STORAGE_PATH" );
}

static int setup( void ** state )    { int fd = mkstemp( path ); return fd<0 || close( fd ); }
static int teardown( void ** state ) { return unlink( path ); }

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_mistakes_are_told_with_place_and_remedy ),
    cmocka_unit_test( test_sources_go_over_each_other ),
    cmocka_unit_test( test_a_named_file_must_be_there ),
    cmocka_unit_test( test_a_relative_folder_is_the_files ),
  };
  return cmocka_run_group_tests( tests, setup, teardown );
}
