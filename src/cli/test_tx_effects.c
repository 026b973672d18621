/* tx_effects: which questions are asked of a node, what its answers become, and which answers are not believed.  The node is one of our own:
   dmg_cli_try and dmg_cli_call are below. */
#include "cli/tx_effects.h"
#include "crypto/bech32.h"
#include "types/receipt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static dmg_cli_t cli;
static char estimate[ 4096 ], preview[ 1<<20 ];
static uint32_t asked_estimate, asked_preview;
static bool is_refused;
static char const * last;   /* the transaction of the last question, in hex */

int dmg_cli_exit_of( int64_t code ) { return DMG_EXIT_INTERNAL; }

int dmg_cli_try( dmg_cli_t * c, char const * method, dmg_span_t params, dmg_jv_t * out_result, dmg_cli_refusal_t * out ) {
  char why[ 160 ];
  bool is_estimate = !strcmp( method, "tx_estimate" );
  *out = (dmg_cli_refusal_t){ 0 };
  if( !is_estimate && strcmp( method, "tx_preview" ) ) { *out = (dmg_cli_refusal_t){ DMG_EXIT_NOT_FOUND, "NotFound", "no such module" }; return out->code; }
  asked_estimate += is_estimate;
  asked_preview  += !is_estimate;
  last = dmg_cli_dup( c, params );
  if( is_refused ) { *out = (dmg_cli_refusal_t){ DMG_EXIT_REFUSED, "TxRejected", "the maximum fee is below the reserve" }; return out->code; }
  assert_true( dmg_json_parse( c->json, dmg_span_cstr( is_estimate ? estimate : preview ), out_result, why ) );
  return DMG_EXIT_OK;
}
int dmg_cli_call( dmg_cli_t * c, char const * method, dmg_span_t params, dmg_jv_t * out_result ) {
  dmg_cli_refusal_t refusal;
  int code = dmg_cli_try( c, method, params, out_result, &refusal );
  return code;
}

static dmg_hash_t id_of( uint8_t b ) { dmg_hash_t h; memset( h.b, b, 32 ); return h; }
static char const * address_of( uint8_t b ) {
  static char text[ 4 ][ DMG_ADDRESS_TEXT_SZ+1 ];
  dmg_hash_t h = id_of( b );
  dmg_address_text( &h, text[ b%4 ] );
  return text[ b%4 ];
}

static char const * receipt_of( unsigned status, uint64_t fee, uint64_t tip ) {
  dmg_receipt_t r = { .status = (uint8_t)status, .call = status ? 0 : DMG_RECEIPT_CALL_NONE, .module = status ? 2 : 0, .code = status ? 3 : 0, .fee = fee, .tip = tip, .held = 850000, .returned = 7 };
  dmg_buf_t buf = dmg_buf( 4096 );
  assert_int_equal( dmg_receipt_encode( &r, &buf ), DMG_OK );
  char const * hex = dmg_cli_hex_of( &cli, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return hex;
}

static void answer( char const * diff, char const * receipt_hex ) {
  snprintf( preview, sizeof preview, "{\"status\":\"OK\",\"error\":{\"name\":\"x\",\"text\":\"call 0: no\"},\"diff\":[%s],\"gas\":\"120\",\"gasUsed\":\"100\",\"energy\":\"0\",\"fee\":\"5\",\"receipt\":\"0x%s\"}", diff, receipt_hex );
}
static void answer_estimate( unsigned status, char const * gas, char const * price ) {
  snprintf( estimate, sizeof estimate, "{\"status\":\"%s\",\"error\":\"call 0: no\",\"gas\":\"%s\",\"gasUsed\":\"1\",\"intrinsic\":\"1\",\"price\":\"%s\",\"fee\":\"1\",\"receipt\":\"0x%s\"}",
            dmg_status_name( status ), gas, price, receipt_of( status, 0, 0 ) );
}

static dmg_tx_t tx_of( dmg_tx_call_t * call, dmg_tx_sig_t * sig, uint64_t gas, uint64_t fee_max, uint64_t tip ) {
  static uint8_t const zero[ 64 ];
  *call = (dmg_tx_call_t){ .module = 1, .call = 2 };
  *sig  = (dmg_tx_sig_t){ .key = dmg_span( zero, 32 ), .sig = dmg_span( zero, 64 ) };
  return (dmg_tx_t){ .version = DMG_TX_VERSION, .fee_kind = DMG_FEE_ENERGY_THEN_FEE, .auth = DMG_TX_AUTH_KEYS, .gas = gas, .fee_max = fee_max, .tip = tip, .calls = call, .call_cnt = 1, .sigs = sig, .sig_cnt = 1 };
}

static int effects_of( uint64_t gas, dmg_cli_effects_t * out, dmg_cli_refusal_t * out_refusal ) {
  dmg_tx_call_t call;
  dmg_tx_sig_t sig;
  dmg_tx_t tx = tx_of( &call, &sig, gas, 9, 0 );
  return dmg_cli_tx_effects( &cli, &tx, out, out_refusal );
}
static int effects( dmg_cli_effects_t * out, dmg_cli_refusal_t * out_refusal ) { return effects_of( 7, out, out_refusal ); }

static int setup( void ** state ) {
  setenv( "DEMIURGE_KEYS", "/nonexistent", 1 );
  cli = (dmg_cli_t){ .arena = dmg_arena_new( 64<<20 ), .json = dmg_json_new_answer(), .own = dmg_json_new_answer() };
  asked_estimate = asked_preview = 0;
  is_refused = false;
  dmg_cli_use( &cli );
  return !cli.arena;
}
static int teardown( void ** state ) {
  dmg_json_free( cli.json );
  dmg_json_free( cli.own );
  dmg_arena_free( cli.arena );
  return 0;
}

/* R5.1, R5.9 by hand: 6,000 + 8 a byte + 32,000 a signature of Ed25519. */
static uint64_t reserve( dmg_tx_t const * tx, uint64_t price ) {
  dmg_buf_t buf = dmg_buf( DMG_TX_SZ_MAX );
  assert_int_equal( dmg_tx_encode( tx, &buf ), DMG_OK );
  uint64_t intrinsic = 6000+8*buf.sz+32000;
  dmg_buf_fini( &buf );
  return ( ( intrinsic+tx->gas )*price+999999 )/1000000+tx->tip;
}

static void test_only_what_is_not_set_is_priced( void ** state ) {
  dmg_tx_call_t call;
  dmg_tx_sig_t sig;
  answer_estimate( DMG_STATUS_OK, "5000", "1700001" );
  dmg_tx_t tx = tx_of( &call, &sig, 0, 0, 3 );
  assert_int_equal( dmg_cli_tx_price( &cli, &tx ), DMG_EXIT_OK );
  assert_int_equal( tx.gas, 5000 );
  assert_int_equal( tx.fee_max, 2*reserve( &tx, 1700001 ) );
  tx = tx_of( &call, &sig, 7, 0, 0 );                    /* a limit of one's own: its fee, not the estimate's */
  assert_int_equal( dmg_cli_tx_price( &cli, &tx ), DMG_EXIT_OK );
  assert_int_equal( tx.gas, 7 );
  assert_int_equal( tx.fee_max, 2*reserve( &tx, 1700001 ) );
  tx = tx_of( &call, &sig, 0, 9, 0 );
  assert_int_equal( dmg_cli_tx_price( &cli, &tx ), DMG_EXIT_OK );
  assert_int_equal( tx.gas, 5000 );
  assert_int_equal( tx.fee_max, 9 );
  assert_int_equal( asked_estimate, 3 );
  tx = tx_of( &call, &sig, 7, 9, 0 );
  assert_int_equal( dmg_cli_tx_price( &cli, &tx ), DMG_EXIT_OK );
  assert_int_equal( asked_estimate, 3 );                 /* nothing to ask */
  assert_int_equal( tx.gas, 7 );
  assert_int_equal( tx.fee_max, 9 );
}

static void test_a_price_past_all_there_is_is_refused( void ** state ) {
  dmg_tx_call_t call;
  dmg_tx_sig_t sig;
  char price[ 32 ];
  dmg_tx_t tx = tx_of( &call, &sig, 1000000, 0, 0 );
  /* The last price whose doubled reserve is an amount, and the next. */
  uint64_t const unit = reserve( &tx, 1000000 ), last_good = (uint64_t)( (dmg_u128_t)( INT64_MAX/2 )*1000000/unit );
  snprintf( price, sizeof price, "%lu", (unsigned long)last_good );
  answer_estimate( DMG_STATUS_OK, "1", price );
  assert_int_equal( dmg_cli_tx_price( &cli, &tx ), DMG_EXIT_OK );
  assert_true( tx.fee_max<=INT64_MAX && tx.fee_max>INT64_MAX-4 );
  tx.fee_max = 0;
  snprintf( price, sizeof price, "%lu", (unsigned long)last_good+1 );
  answer_estimate( DMG_STATUS_OK, "1", price );
  assert_int_equal( dmg_cli_tx_price( &cli, &tx ), DMG_EXIT_REFUSED );
  answer_estimate( DMG_STATUS_OK, "1", "18446744073709551615" );
  assert_int_equal( dmg_cli_tx_price( &cli, &tx ), DMG_EXIT_REFUSED );
  answer_estimate( DMG_STATUS_FAULT, "1", "1" );
  assert_int_equal( dmg_cli_tx_price( &cli, &tx ), DMG_EXIT_REFUSED );
  assert_int_equal( tx.fee_max, 0 );
}

#define CHANGE( who, asset, out, in ) "{\"account\":\"%s\",\"asset\":" asset ",\"out\":\"" out "\",\"in\":\"" in "\"}"
#define ID6 "0x0606060606060606060606060606060606060606060606060606060606060606"

static void test_effects_are_shown_and_told( void ** state ) {
  dmg_cli_effects_t e;
  dmg_cli_refusal_t refusal;
  dmg_hash_t sender = id_of( 2 );
  char diff[ 2048 ], want[ 4096 ];
  snprintf( diff, sizeof diff, CHANGE( 1, "{\"kind\":\"Cgt\"}", "0", "150000000" ) "," CHANGE( 2, "{\"kind\":\"Cgt\"}", "18446744073709551615", "0" ) "," CHANGE( 2, "{\"kind\":\"Currency\",\"value\":\"" ID6 "\"}", "5", "7" ) ","
            CHANGE( 3, "{\"kind\":\"Lp\",\"value\":\"" ID6 "\"}", "0", "1" ), address_of( 1 ), address_of( 2 ), address_of( 2 ), address_of( 3 ) );
  answer( diff, receipt_of( DMG_STATUS_OK, 40, 2 ) );
  assert_int_equal( effects( &e, &refusal ), DMG_EXIT_OK );
  assert_non_null( strstr( last, "{\"tx\":\"0x01" ) );   /* version 1 */
  assert_int_equal( e.diff_cnt, 4 );
  assert_int_equal( e.fee, 42 );                         /* the bill, not the fee of the limit that the node would set */
  assert_int_equal( e.gas_used, 100 );
  assert_int_equal( e.gas_to_set, 120 );

  dmg_buf_t text = dmg_buf( 1<<16 );
  dmg_cli_effects_text( &cli, &e, &sender, false, &text );
  snprintf( want, sizeof want, "\n  diff -184467440737.09551615 CGT  %s\n  diff -5 +7 of currency " ID6 "  %s\n  diff +1.5 CGT  %s\n  diff +1 of pool " ID6 "  %s"
            "\n  hold 0.0085 CGT as deposit for what it stores\n  back 0.00000007 CGT of deposits for what it deletes", address_of( 2 ), address_of( 2 ), address_of( 1 ), address_of( 3 ) );
  assert_string_equal( dmg_cli_dup( &cli, dmg_buf_span( &text ) ), want );
  dmg_buf_clear( &text );
  dmg_jw_t w = dmg_jw( &text );
  dmg_jw_open( &w, '{' );
  dmg_cli_effects_json( &cli, &e, &w );
  dmg_jw_close( &w, '}' );
  snprintf( want, sizeof want, "{\"status\":\"OK\",\"gasUsed\":\"100\",\"energy\":\"0\",\"fee\":\"42\",\"held\":\"850000\",\"returned\":\"7\",\"diff\":[%s],\"events\":[]}", diff );   /* as the node said it */
  assert_string_equal( dmg_cli_dup( &cli, dmg_buf_span( &text ) ), want );
  dmg_buf_fini( &text );
}

static void test_names_of_a_dev_chain_are_for_a_dev_chain( void ** state ) {
  static char const alice[] = "dmg1km557djcuchxft0q266vxqs8jzvkra9qnmd5kckld6h86jhuzyrqs6lff0";
  dmg_cli_effects_t e;
  dmg_cli_refusal_t refusal;
  char diff[ 512 ];
  snprintf( diff, sizeof diff, CHANGE( 1, "{\"kind\":\"Cgt\"}", "1", "0" ), alice );
  answer( diff, receipt_of( DMG_STATUS_OK, 0, 0 ) );
  assert_int_equal( effects( &e, &refusal ), DMG_EXIT_OK );
  for( int is_dev = 0; is_dev<2; is_dev++ ) {
    dmg_buf_t text = dmg_buf( 1<<16 );
    dmg_cli_effects_text( &cli, &e, &e.diff[ 0 ].account, is_dev, &text );
    assert_int_equal( !!memmem( text.p, text.sz, "  alice (", 9 ), is_dev );
    assert_non_null( memmem( text.p, text.sz, alice, sizeof alice-1 ) );
    dmg_buf_fini( &text );
  }
}

static void test_nothing_moves( void ** state ) {
  dmg_cli_effects_t e;
  dmg_cli_refusal_t refusal;
  dmg_hash_t sender = id_of( 2 );
  answer( "", receipt_of( DMG_STATUS_OK, 0, 0 ) );
  assert_int_equal( effects( &e, &refusal ), DMG_EXIT_OK );
  dmg_buf_t text = dmg_buf( 1<<16 );
  dmg_cli_effects_text( &cli, &e, &sender, false, &text );
  assert_memory_equal( text.p, "\n  diff nothing moves but the fee\n  hold", 39 );
  dmg_buf_fini( &text );
}

static void test_what_would_fail_is_a_refusal( void ** state ) {
  dmg_cli_effects_t e;
  dmg_cli_refusal_t refusal;
  answer( "", receipt_of( DMG_STATUS_FAULT, 0, 0 ) );
  assert_int_equal( effects( &e, &refusal ), DMG_EXIT_REFUSED );
  assert_int_equal( refusal.code, DMG_EXIT_REFUSED );
  assert_string_equal( refusal.name, "ChainRefused" );   /* this node has no interface of module 2 that would name fault 3 */
  assert_string_equal( refusal.message, "it would end as FAULT: call 0: no" );
  is_refused = true;
  assert_int_equal( effects( &e, &refusal ), DMG_EXIT_REFUSED );
  assert_string_equal( refusal.name, "TxRejected" );
}

/* Asked again with all the gas there is; where that fails, too, no limit would do. */
static void test_too_little_gas_says_how_much_would_do( void ** state ) {
  dmg_cli_effects_t e;
  dmg_cli_refusal_t refusal;
  answer( "", receipt_of( DMG_STATUS_NO_GAS, 0, 0 ) );
  answer_estimate( DMG_STATUS_OK, "51822", "1" );
  assert_int_equal( effects_of( 100, &e, &refusal ), DMG_EXIT_REFUSED );
  assert_string_equal( refusal.message, "it would end as NO_GAS: call 0: no; its gas limit is 100, and 51822 would do" );
  answer_estimate( DMG_STATUS_FAULT, "51822", "1" );
  assert_int_equal( effects_of( 100, &e, &refusal ), DMG_EXIT_REFUSED );
  assert_string_equal( refusal.message, "it would end as NO_GAS: call 0: no" );
}

/* A node that answers out of contract is no refusal: nothing is known of the transaction. */
static void test_what_is_no_diff_is_not_shown( void ** state ) {
  static char const cgt[] = "{\"kind\":\"Cgt\"}";
  static struct { char const * account, * asset; } const bad[] = { { "dmg1qq", cgt }, { NULL, "{\"kind\":\"Gold\"}" }, { NULL, "{\"kind\":\"Item\"}" }, { NULL, "{}" }, { NULL, "7" }, { NULL, "{\"kind\":\"Item\",\"value\":\"0x06\"}" } };
  dmg_cli_effects_t e;
  dmg_cli_refusal_t refusal;
  char diff[ 512 ];
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    snprintf( diff, sizeof diff, "{\"account\":\"%s\",\"asset\":%s,\"out\":\"1\",\"in\":\"0\"}", bad[ i ].account ? bad[ i ].account : address_of( 1 ), bad[ i ].asset );
    answer( diff, receipt_of( DMG_STATUS_OK, 0, 0 ) );
    assert_int_equal( effects( &e, &refusal ), DMG_EXIT_UNAVAILABLE );
    assert_int_equal( refusal.code, 0 );
  }
  answer( "", "00" );
  assert_int_equal( effects( &e, &refusal ), DMG_EXIT_UNAVAILABLE );
  answer( "", receipt_of( DMG_STATUS_OK, UINT64_MAX, 1 ) );
  assert_int_equal( effects( &e, &refusal ), DMG_EXIT_UNAVAILABLE );
  /* 2,048 changes, and one more. */
  for( uint32_t cnt = DMG_CLI_CHANGE_MAX; cnt<=DMG_CLI_CHANGE_MAX+1; cnt++ ) {
    dmg_buf_t list = dmg_buf( sizeof preview );
    for( uint32_t i = 0; i<cnt; i++ ) assert_false( dmg_buf_printf( &list, "%s" CHANGE( 1, "{\"kind\":\"Cgt\"}", "1", "0" ), i ? "," : "", address_of( 1 ) ) );
    answer( dmg_cli_dup( &cli, dmg_buf_span( &list ) ), receipt_of( DMG_STATUS_OK, 0, 0 ) );
    assert_int_equal( effects( &e, &refusal ), cnt>DMG_CLI_CHANGE_MAX ? DMG_EXIT_UNAVAILABLE : DMG_EXIT_OK );
    dmg_buf_fini( &list );
  }
}

int main( void ) {
#define T( f ) cmocka_unit_test_setup_teardown( f, setup, teardown )
  struct CMUnitTest const tests[] = { T( test_only_what_is_not_set_is_priced ), T( test_a_price_past_all_there_is_is_refused ), T( test_effects_are_shown_and_told ), T( test_names_of_a_dev_chain_are_for_a_dev_chain ),
                                      T( test_nothing_moves ), T( test_what_would_fail_is_a_refusal ), T( test_too_little_gas_says_how_much_would_do ), T( test_what_is_no_diff_is_not_shown ) };
  dmg_crypto_init( 0 );
  return cmocka_run_group_tests( tests, NULL, NULL );
}
