/* dev_genesis: the published accounts are the ones an independent implementation derives (tests/conformance/vectors), the
   genesis is the same bytes for the same input, and values that no chain could run are refused. */
#include "node/dev_genesis.h"
#include "crypto/bech32.h"
#include "types/address.h"
#include "types/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct { char const * name, * text; } const pinned[ DMG_DEV_KEY_CNT ] = {
  { "alice", "dmg1km557djcuchxft0q266vxqs8jzvkra9qnmd5kckld6h86jhuzyrqs6lff0" },
  { "bob", "dmg1pmp33887tg9rkgwh4nf4yjk62q9e86kldcc24vq6r96negzlvfcsg0ghz2" },
  { "carol", "dmg10rrxwmxknwezpcnp8lkzcuusne5k6azpjkud050utzpycfqxqt9q9ms6xs" },
  { "dave", "dmg1hynr99a73845kguljg7aglqta9ew37gtwrp5lpm93snn6zzcldhq4zsh0t" },
  { "erin", "dmg1xhut646vhjtfm0lj5xpre3jjygal90a276qff9n8q7u9x2w0fausl0x5jp" },
  { "frank", "dmg1nsuw7rzyd4h3lvw2kqvhs56mdafu7numhk28uwa40wrswa2tgmrq4ru28s" },
  { "grace", "dmg18cyyhpmdyxqkj2p3e0s7lfhr9vla4wzhgv4jfj45uw8nt4u0lpess26d6k" },
  { "heidi", "dmg1jyqfjnvgn9d3k6klmfw3rug5qt67f2rmm480k77j88s45pvjyeyshkvpdf" },
  { "ivan", "dmg1fcq0z0padyey8l8y83a47uqdjmt22mqw2qxu0k6ag4n27v5ecrwsupa4pe" },
  { "judy", "dmg1g9cxnun3vrdce0tekg9j4r4823fmnj6w9ehn6mtgsz2cff8mqyrqnx2rle" },
  { "node1", "dmg16qfx3yq4tkuvnfz4djmxhy8ehsldskm3r8rsj80v5w8dme266vwspdw972" },
};

static uint8_t const code[ 2 ][ 4 ] = { "one", "two" };   /* a genesis names code by hash, it does not run here */
static dmg_dev_module_t const modules[ 2 ] = { { .id = 1, .code = { code[ 0 ], 4 } }, { .id = 2, .code = { code[ 1 ], 4 } } };

static void test_accounts_are_the_published_ones( void ** state ) {
  dmg_dev_account_t accounts[ DMG_DEV_KEY_CNT ];
  char text[ DMG_ADDRESS_TEXT_SZ+1 ];
  assert_int_equal( dmg_dev_accounts( accounts ), DMG_OK );
  for( uint32_t i = 0; i<DMG_DEV_KEY_CNT; i++ ) {
    dmg_address_text( &accounts[ i ].address, text );
    assert_string_equal( accounts[ i ].name, pinned[ i ].name );
    assert_string_equal( text, pinned[ i ].text );
  }
}

static void test_validator_is_the_published_one( void ** state ) {
  uint8_t secret[ 32 ], key[ 96 ], want[ 96 ];
  char const * hex = "98e6fe63dd13c6cac19a1e6e2ae2f1dd527eb6d1374b0a3ddca816b0742457f9b6bb350fefd5acdce02b2ef38dcc68b412546ad471388f65f0b01eee3d41f4066193591fdc91bc5163fd0ca037e8b81075abc538063e2e322c5f01c196f4402a";
  dmg_dev_validator( secret, key );
  assert_int_equal( dmg_hex_decode( hex, 192, want, 96 ), DMG_OK );
  assert_memory_equal( key, want, 96 );
}

static dmg_err_t make( dmg_dev_genesis_cfg_t cfg, dmg_arena_t * arena, dmg_span_t * out ) {
  dmg_dev_account_t accounts[ DMG_DEV_KEY_MAX ];
  cfg.name       = "dev";
  cfg.modules    = modules;
  cfg.module_cnt = 2;
  assert_int_equal( dmg_dev_accounts_n( DMG_DEV_KEY_MAX, accounts ), DMG_OK );
  return dmg_dev_genesis( &cfg, accounts, arena, out );
}

static void test_genesis_is_good_and_repeatable( void ** state ) {
  dmg_arena_t * arena = dmg_arena_new( 8<<20 );
  dmg_span_t a, b, c;
  dmg_genesis_t * g;
  assert_int_equal( make( (dmg_dev_genesis_cfg_t){ .time_ms = 1000 }, arena, &a ), DMG_OK );
  assert_int_equal( make( (dmg_dev_genesis_cfg_t){ .time_ms = 1000 }, arena, &b ), DMG_OK );
  assert_int_equal( make( (dmg_dev_genesis_cfg_t){ .time_ms = 1001 }, arena, &c ), DMG_OK );
  assert_true( dmg_span_eq( a, b ) );
  assert_false( dmg_span_eq( a, c ) );
  assert_int_equal( dmg_genesis_decode( a, arena, &g ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( dmg_genesis_check( g ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( g->kind, DMG_GENESIS_DEV );
  assert_int_equal( g->validator_cnt, 1 );
  assert_int_equal( g->param_cnt, 0 );
  dmg_arena_free( arena );
}

static void test_fewer_and_more_accounts( void ** state ) {
  uint32_t const cnt[] = { 1, 9, 10, 11, DMG_DEV_ACCOUNT_MAX };
  for( size_t i = 0; i<sizeof cnt/sizeof *cnt; i++ ) {
    dmg_arena_t * arena = dmg_arena_new( 8<<20 );
    dmg_span_t a;
    dmg_genesis_t * g;
    uint32_t there = 0;
    assert_int_equal( make( (dmg_dev_genesis_cfg_t){ .time_ms = 1000, .account_cnt = cnt[ i ] }, arena, &a ), DMG_OK );
    assert_int_equal( dmg_genesis_decode( a, arena, &g ).kind, DMG_VERDICT_GOOD );
    assert_int_equal( dmg_genesis_check( g ).kind, DMG_VERDICT_GOOD );
    assert_int_equal( dmg_dev_genesis_account_cnt( g ), cnt[ i ] );
    for( uint32_t k = 0; k<dmg_dev_key_cnt( cnt[ i ] ); k++ ) there += dmg_dev_account_is_there( k, cnt[ i ] );
    assert_int_equal( there, cnt[ i ]+1 );
    if( cnt[ i ]==10 ) {
      dmg_span_t b;
      assert_int_equal( make( (dmg_dev_genesis_cfg_t){ .time_ms = 1000 }, arena, &b ), DMG_OK );
      assert_true( dmg_span_eq( a, b ) );
    }
    dmg_arena_free( arena );
  }
  dmg_arena_t * arena = dmg_arena_new( 8<<20 );
  dmg_span_t a;
  assert_int_equal( make( (dmg_dev_genesis_cfg_t){ .account_cnt = DMG_DEV_ACCOUNT_MAX+1 }, arena, &a ), DMG_ERR_INVALID );
  dmg_arena_free( arena );
}

static void test_raised_limits_stay_in_their_bounds( void ** state ) {
  dmg_arena_t * arena = dmg_arena_new( 16<<20 );
  dmg_span_t a = { 0 };
  dmg_genesis_t * g;
  uint64_t lo = dmg_param_desc[ DMG_PARAM_BODY_MAX ].lo, gas_hi = dmg_param_desc[ DMG_PARAM_BLOCK_GAS ].hi_dev;
  assert_int_equal( make( (dmg_dev_genesis_cfg_t){ .time_ms = 1000, .body_max = lo, .block_gas = gas_hi, .block_intrinsic = 2*gas_hi }, arena, &a ), DMG_OK );
  assert_int_equal( dmg_genesis_decode( a, arena, &g ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( dmg_genesis_check( g ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( g->param_cnt, 3 );
  assert_int_equal( make( (dmg_dev_genesis_cfg_t){ .body_max = DMG_DEV_BODY_MAX }, arena, &a ), DMG_OK );
  /* The block log takes 4 MiB of header and body. */
  assert_int_equal( make( (dmg_dev_genesis_cfg_t){ .body_max = DMG_DEV_BODY_MAX+1 }, arena, &a ), DMG_ERR_INVALID );
  assert_int_equal( make( (dmg_dev_genesis_cfg_t){ .body_max = lo-1 }, arena, &a ), DMG_ERR_INVALID );
  assert_int_equal( make( (dmg_dev_genesis_cfg_t){ .block_gas = gas_hi+1 }, arena, &a ), DMG_ERR_INVALID );
  dmg_arena_free( arena );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_accounts_are_the_published_ones ),
    cmocka_unit_test( test_validator_is_the_published_one ),
    cmocka_unit_test( test_genesis_is_good_and_repeatable ),
    cmocka_unit_test( test_fewer_and_more_accounts ),
    cmocka_unit_test( test_raised_limits_stay_in_their_bounds ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
