/* tx, address: form, bounds, names of what is wrong, memory.  Bytes against the other implementation: tests/conformance. */
#include "types/tx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static uint8_t const key_a[ 33 ] = { 1 }, key_b[ 33 ] = { 2 }, sig_z[ 64 ];

typedef struct { dmg_tx_t tx; dmg_tx_call_t calls[ 33 ]; dmg_tx_post_t posts[ 33 ]; dmg_tx_sig_t sigs[ 17 ]; dmg_account_init_t init; } made_t;

static void made_new( made_t * m ) {
  memset( m, 0, sizeof *m );
  m->tx = (dmg_tx_t){ .version = 1, .fee_kind = DMG_FEE_ENERGY_THEN_FEE, .nonce = 7, .expiry = 100, .gas = 20000, .fee_max = 9, .tip = 1,
                      .calls = m->calls, .call_cnt = 1, .posts = m->posts, .sigs = m->sigs, .sig_cnt = 1 };
  m->calls[ 0 ] = (dmg_tx_call_t){ .module = 2, .call = 1, .args = DMG_SPAN_STR( "args" ) };
  for( unsigned i = 0; i<17; i++ ) m->sigs[ i ] = (dmg_tx_sig_t){ .scheme = DMG_SIG_ED25519, .key = dmg_span( key_a, 32 ), .sig = DMG_SPAN( sig_z ) };
}

static dmg_buf_t made_bytes( made_t const * m ) {
  dmg_buf_t buf = dmg_buf( DMG_TX_SZ_MAX );
  assert_int_equal( dmg_tx_encode( &m->tx, &buf ), DMG_OK );
  return buf;
}

static dmg_verdict_t judge( dmg_span_t raw ) {
  dmg_arena_t * arena = dmg_arena_new( DMG_TX_DECODE_MEM_MAX );
  dmg_tx_t *    tx    = NULL;
  /* A copy of exact size: ASan sees a read past its end. */
  uint8_t *     copy  = malloc( raw.sz ? raw.sz : 1 );
  if( raw.sz ) memcpy( copy, raw.p, raw.sz );
  dmg_verdict_t v = dmg_tx_decode( dmg_span( copy, raw.sz ), arena, &tx );
  assert_int_equal( !tx, v.kind!=DMG_VERDICT_GOOD );
  free( copy );
  dmg_arena_free( arena );
  return v;
}

static void test_decode_names_the_field_it_is_cut_in( void ** state ) {
  made_t m;
  made_new( &m );
  m.tx.has_sponsor = true;
  dmg_buf_t b = made_bytes( &m );
  static struct { size_t sz; char const * field; } const at[] = {
    { 0, "version" }, { 1, "chain" }, { 32, "chain" }, { 33, "sender" }, { 65, "lane" }, { 67, "nonce" }, { 75, "expiry" }, { 83, "gas" }, { 91, "fee" },
    { 92, "fee.max" }, { 100, "fee.tip" }, { 108, "sponsor" }, { 109, "sponsor" }, { 141, "calls" }, { 142, "calls.module" }, { 144, "calls.call" },
    { 146, "calls.schema" }, { 178, "calls.args" }, { 182, "calls.args" }, { 183, "post" }, { 184, "auth" }, { 185, "auth.init" }, { 186, "sigs" },
    { 187, "sigs.scheme" }, { 188, "sigs.key" }, { 220, "sigs.sig" }, { 283, "sigs.sig" } };
  assert_int_equal( b.sz, 284 );
  for( size_t i = 0; i<sizeof at/sizeof *at; i++ ) {
    dmg_verdict_t v = judge( dmg_span( b.p, at[ i ].sz ) );
    assert_int_equal( v.kind, DMG_VERDICT_BAD );
    assert_string_equal( v.field, at[ i ].field );
    assert_true( v.off<=at[ i ].sz );
  }
  assert_int_equal( judge( dmg_buf_span( &b ) ).kind, DMG_VERDICT_GOOD );
  dmg_buf_fini( &b );
}

static void test_decode_refuses_each_cut_and_a_tail( void ** state ) {
  made_t m;
  made_new( &m );
  dmg_buf_t b = made_bytes( &m );
  for( size_t sz = 0; sz<b.sz; sz++ ) assert_int_equal( judge( dmg_span( b.p, sz ) ).kind, DMG_VERDICT_BAD );
  assert_int_equal( dmg_buf_append( &b, "", 1 ), DMG_OK );
  dmg_verdict_t v = judge( dmg_buf_span( &b ) );
  assert_string_equal( v.field, "end" );
  assert_string_equal( v.text, "trailing bytes" );
  assert_int_equal( v.off, b.sz-1 );
  dmg_buf_fini( &b );
}

static void test_decode_refuses_more_than_65536_bytes( void ** state ) {
  made_t m;
  made_new( &m );
  uint8_t * args = calloc( 1, DMG_TX_SZ_MAX );
  m.calls[ 0 ].args = dmg_span( args, DMG_TX_SZ_MAX-247-3 );
  dmg_buf_t b = made_bytes( &m ), over = dmg_buf( DMG_TX_SZ_MAX+1 );
  assert_int_equal( b.sz, DMG_TX_SZ_MAX );
  assert_int_equal( judge( dmg_buf_span( &b ) ).kind, DMG_VERDICT_GOOD );
  m.calls[ 0 ].args.sz++;
  assert_int_equal( dmg_tx_encode( &m.tx, &over ), DMG_ERR_INVALID );
  assert_int_equal( over.sz, 0 );
  /* The same bytes made by hand: one byte more of args. */
  assert_int_equal( dmg_buf_append( &over, b.p, b.sz ), DMG_OK );
  assert_int_equal( dmg_buf_append( &over, "", 1 ), DMG_OK );
  assert_string_equal( judge( dmg_buf_span( &over ) ).field, "size" );
  free( args );
  dmg_buf_fini( &b );
  dmg_buf_fini( &over );
}

static void test_encode_refuses_what_no_decoder_takes( void ** state ) {
  made_t m;
  dmg_buf_t b = dmg_buf( DMG_TX_SZ_MAX );
#define REFUSED( change ) do { made_new( &m ); change; assert_int_equal( dmg_tx_encode( &m.tx, &b ), DMG_ERR_INVALID ); assert_int_equal( b.sz, 0 ); } while(0)
  REFUSED( m.tx.version = 2 );
  REFUSED( m.tx.fee_kind = 2 );
  REFUSED( m.tx.call_cnt = 0 );
  REFUSED( m.tx.call_cnt = 33 );
  REFUSED( m.tx.post_cnt = 33 );
  REFUSED( m.tx.post_cnt = 1; m.posts[ 0 ].kind = DMG_POST_KIND_CNT );
  REFUSED( m.tx.auth = 3 );
  REFUSED( m.tx.sig_cnt = 0 );
  REFUSED( m.tx.sig_cnt = 17 );
  REFUSED( m.tx.sig_cnt = 2 );   /* the same key */
  REFUSED( m.tx.auth = DMG_TX_AUTH_UNSIGNED );
  REFUSED( m.sigs[ 0 ].scheme = DMG_SIG_SCHEME_CNT );
  REFUSED( m.sigs[ 0 ].key.sz = 33 );
  REFUSED( m.sigs[ 0 ].sig.sz = 63 );
  REFUSED( m.tx.init = &m.init );
#undef REFUSED
  made_new( &m );
  dmg_buf_t small = dmg_buf( 100 );
  assert_int_equal( dmg_tx_encode( &m.tx, &small ), DMG_ERR_LIMIT );
  assert_int_equal( small.sz, 0 );
  dmg_buf_fini( &small );
  dmg_buf_fini( &b );
}

static void test_decode_refuses_a_key_twice_across_schemes( void ** state ) {
  made_t m;
  made_new( &m );
  m.tx.sig_cnt = 2;
  m.sigs[ 0 ] = (dmg_tx_sig_t){ .scheme = DMG_SIG_P256, .key = dmg_span( key_a, 33 ), .sig = DMG_SPAN( sig_z ) };
  m.sigs[ 1 ] = (dmg_tx_sig_t){ .scheme = DMG_SIG_WEBAUTHN, .key = dmg_span( key_b, 33 ), .sig = DMG_SPAN( sig_z ) };
  dmg_buf_t b = made_bytes( &m );
  assert_int_equal( judge( dmg_buf_span( &b ) ).kind, DMG_VERDICT_GOOD );
  /* The second key begins after the body, auth, init, count, one P-256 signature and a scheme tag. */
  uint8_t * second = b.p+b.sz-64-2-33;
  assert_memory_equal( second, key_b, 33 );
  memcpy( second, key_a, 33 );
  dmg_verdict_t v = judge( dmg_buf_span( &b ) );
  assert_int_equal( v.kind, DMG_VERDICT_BAD );
  assert_string_equal( v.field, "sigs.key" );
  assert_int_equal( v.idx, 1 );
  char text[ DMG_VERDICT_TEXT_MAX ];
  dmg_verdict_print( &v, text, sizeof text );
  assert_memory_equal( text, "sigs[1].key: a key that occurs twice", 36 );
  dmg_buf_fini( &b );
}

static void test_decode_takes_the_largest_counts_within_its_memory( void ** state ) {
  made_t m;
  made_new( &m );
  uint8_t keys[ 16 ][ 32 ] = { { 0 } };
  for( unsigned i = 0; i<16; i++ ) { keys[ i ][ 0 ] = (uint8_t)i; m.sigs[ i ].key = dmg_span( keys[ i ], 32 ); }
  for( unsigned i = 0; i<32; i++ ) { m.calls[ i ] = m.calls[ 0 ]; m.posts[ i ].kind = DMG_POST_FEE_MAX; }
  m.tx.sig_cnt = 16; m.tx.call_cnt = 32; m.tx.post_cnt = 32;
  m.init = dmg_account_init_plain( DMG_SIG_ED25519, dmg_span( key_a, 32 ) );
  m.tx.init = &m.init;
  dmg_buf_t b = made_bytes( &m );
  dmg_arena_t * arena = dmg_arena_new( DMG_TX_DECODE_MEM_MAX );
  dmg_tx_t * tx = NULL;
  assert_int_equal( dmg_tx_decode( dmg_buf_span( &b ), arena, &tx ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( tx->call_cnt, 32 );
  assert_non_null( tx->init );
  assert_true( tx->raw.p==b.p && tx->calls[ 31 ].args.p>b.p && tx->calls[ 31 ].args.p<b.p+b.sz );
  dmg_arena_free( arena );
  /* With less memory it is this node that fails, not the transaction. */
  for( size_t sz = 0; sz<DMG_TX_DECODE_MEM_MAX-200; sz += 512 ) {
    arena = dmg_arena_new( sz );
    dmg_verdict_t v = dmg_tx_decode( dmg_buf_span( &b ), arena, &tx );
    assert_int_equal( v.kind, DMG_VERDICT_LOCAL );
    assert_int_equal( v.err, DMG_ERR_NOMEM );
    dmg_arena_free( arena );
  }
  dmg_buf_fini( &b );
}

/* Every single-byte change either is refused or is another transaction that encodes to exactly those bytes. */
static void test_decode_has_one_encoding_a_value( void ** state ) {
  made_t m;
  made_new( &m );
  m.tx.post_cnt = 2;
  m.posts[ 0 ] = (dmg_tx_post_t){ .kind = DMG_POST_VALUE, .key = DMG_SPAN_STR( "key" ) };
  m.posts[ 1 ] = (dmg_tx_post_t){ .kind = DMG_POST_SPENDS_MAX, .asset = { .kind = DMG_ASSET_ITEM }, .amount = 5 };
  m.init    = dmg_account_init_plain( DMG_SIG_ED25519, dmg_span( key_a, 32 ) );
  m.tx.init = &m.init;
  dmg_buf_t b = made_bytes( &m ), again = dmg_buf( DMG_TX_SZ_MAX );
  unsigned good = 0, bad = 0;
  for( size_t i = 0; i<b.sz; i++ ) for( unsigned bit = 0; bit<8; bit++ ) {
    b.p[ i ] ^= (uint8_t)( 1u<<bit );
    dmg_arena_t * arena = dmg_arena_new( DMG_TX_DECODE_MEM_MAX );
    dmg_tx_t * tx = NULL;
    if( dmg_tx_decode( dmg_buf_span( &b ), arena, &tx ).kind ) bad++;
    else {
      good++;
      dmg_buf_clear( &again );
      assert_int_equal( dmg_tx_encode( tx, &again ), DMG_OK );
      assert_true( dmg_span_eq( dmg_buf_span( &again ), dmg_buf_span( &b ) ) );
    }
    dmg_arena_free( arena );
    b.p[ i ] ^= (uint8_t)( 1u<<bit );
  }
  assert_true( good>1000 && bad>50 );
  dmg_buf_fini( &b );
  dmg_buf_fini( &again );
}

static void test_gas_follows_bytes_and_schemes( void ** state ) {
  made_t m;
  made_new( &m );
  assert_int_equal( dmg_tx_intrinsic_gas( &m.tx, 250 ), 6000+8*250+32000 );
  assert_int_equal( dmg_tx_frame_gas( &m.tx ), 8000 );
  m.tx.sig_cnt = 5;
  for( unsigned i = 0; i<5; i++ ) m.sigs[ i ].scheme = (uint8_t)i;
  m.tx.has_sponsor = true;
  assert_int_equal( dmg_tx_intrinsic_gas( &m.tx, 0 ), 6000+32000+50000+115000+115000+1100000 );
  assert_int_equal( dmg_tx_frame_gas( &m.tx ), 16000 );
  m.tx.auth = DMG_TX_AUTH_SESSION; m.tx.sig_cnt = 1; m.tx.has_sponsor = false;
  assert_int_equal( dmg_tx_frame_gas( &m.tx ), 12000 );
  assert_true( dmg_tx_lane_is_valid( 0 ) && dmg_tx_lane_is_valid( 1023 ) && dmg_tx_lane_is_valid( 65535 ) );
  assert_true( !dmg_tx_lane_is_valid( 1024 ) && !dmg_tx_lane_is_valid( 65534 ) );
}

static void test_account_init_check_refuses_each_rule( void ** state ) {
  uint8_t keys[ 17 ][ 32 ];
  memset( keys, 0, sizeof keys );
  dmg_account_init_t a;
#define TWO() do {                                                                                      \
    a = dmg_account_init_plain( DMG_SIG_ED25519, dmg_span( keys[ 0 ], 32 ) );                           \
    keys[ 1 ][ 0 ] = 1;                                                                                 \
    a.auths[ 1 ] = (dmg_auth_init_t){ .scheme = DMG_SIG_ED25519, .level = DMG_LEVEL_USE, .weight = 2, .key = dmg_span( keys[ 1 ], 32 ) }; \
    a.auth_cnt = 2;                                                                                     \
    a.t_use = 3;                                                                                        \
  } while(0)
#define REFUSED( field_, change ) do { TWO(); change; dmg_verdict_t v = dmg_account_init_check( &a ); assert_int_equal( v.kind, DMG_VERDICT_BAD ); assert_string_equal( v.field, field_ ); } while(0)
  TWO();
  assert_int_equal( dmg_account_init_check( &a ).kind, DMG_VERDICT_GOOD );
  REFUSED( "auths",        a.auth_cnt = 0 );
  REFUSED( "auths",        a.auth_cnt = 17 );
  REFUSED( "auths.scheme", a.auths[ 1 ].scheme = 5 );
  REFUSED( "auths.key",    a.auths[ 1 ].key.sz = 31 );
  REFUSED( "auths.key",    a.auths[ 1 ].key = a.auths[ 0 ].key );
  REFUSED( "auths.level",  a.auths[ 1 ].level = 0 );
  REFUSED( "auths.level",  a.auths[ 1 ].level = 3 );
  REFUSED( "auths.weight", a.auths[ 1 ].weight = 0 );
  REFUSED( "t_use",        a.t_use = 0 );
  REFUSED( "t_use",        a.t_use = 4 );
  REFUSED( "t_owner",      a.t_owner = 0 );
  REFUSED( "t_owner",      a.t_owner = 2 );   /* the second key is no owner */
#undef REFUSED
  TWO();
  dmg_hash_t one = dmg_address_of( &a );
  a.salt = 1;
  dmg_hash_t two = dmg_address_of( &a );
  assert_false( dmg_hash_eq( &one, &two ) );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_decode_names_the_field_it_is_cut_in ),
    cmocka_unit_test( test_decode_refuses_each_cut_and_a_tail ),
    cmocka_unit_test( test_decode_refuses_more_than_65536_bytes ),
    cmocka_unit_test( test_encode_refuses_what_no_decoder_takes ),
    cmocka_unit_test( test_decode_refuses_a_key_twice_across_schemes ),
    cmocka_unit_test( test_decode_takes_the_largest_counts_within_its_memory ),
    cmocka_unit_test( test_decode_has_one_encoding_a_value ),
    cmocka_unit_test( test_gas_follows_bytes_and_schemes ),
    cmocka_unit_test( test_account_init_check_refuses_each_rule ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
