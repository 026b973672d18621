#include "cli/tx_effects.h"
#include "base/num.h"
#include "cli/draft.h"
#include "crypto/bech32.h"
#include "rpc/put.h"
#include "types/receipt.h"

#include <stdio.h>

int dmg_cli_tx_encode( dmg_cli_t * cli, dmg_tx_t const * tx, dmg_span_t * out ) {
  dmg_buf_t buf = dmg_buf( DMG_TX_SZ_MAX );
  dmg_err_t err = dmg_tx_encode( tx, &buf );
  if( !err ) *out = dmg_arena_dup( cli->arena, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return err ? dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the transaction passes a limit (65,536 bytes, 32 calls)" ) : DMG_EXIT_OK;
}

char const * dmg_cli_fault_name( dmg_cli_t * cli, unsigned status, uint16_t module, uint32_t code ) {
  dmg_abi_t const * abi = status==DMG_STATUS_FAULT ? dmg_cli_abi_of( cli, module ) : NULL;
  dmg_abi_fault_t const * fault = abi && code<=UINT16_MAX ? dmg_abi_fault( abi, (uint16_t)code ) : NULL;
  return fault ? (char const *)dmg_cli_text( cli, "%.*s.%.*s", DMG_SPAN_F( abi->name ), DMG_SPAN_F( fault->name ) ).p : "ChainRefused";
}

/* ---- Asking ---- */

static int bad_answer( dmg_cli_t * cli, char const * what ) {
  return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "the node's %s: it may speak another version", what );
}

static void add( dmg_cli_refusal_t * out, dmg_span_t text ) {
  size_t n = strlen( out->message );
  snprintf( out->message+n, sizeof out->message-n, "%.*s", DMG_SPAN_F( text ) );
}

/* The sum of all amounts in a good value, at most DMG_AMOUNT_MAX. */
static void sum_amounts( dmg_type_t const * type, dmg_bcs_rd_t * rd, uint64_t * sum ) {
  if( type->kind==DMG_TYPE_AMOUNT ) {
    uint64_t more = dmg_bcs_rd_u64( rd );
    *sum = more>DMG_AMOUNT_MAX-*sum ? DMG_AMOUNT_MAX : *sum+more;
  } else if( type->kind==DMG_TYPE_LIST ) {
    uint32_t cnt = dmg_bcs_rd_len( rd, 0, type->n );
    for( uint32_t i = 0; i<cnt && !rd->bad; i++ ) sum_amounts( type->elem, rd, sum );
  } else if( type->kind==DMG_TYPE_STRUCT && !type->is_open ) {
    for( uint32_t i = 0; i<type->field_cnt; i++ ) sum_amounts( type->fields[ i ].type, rd, sum );
  } else dmg_type_read( type, rd );
}

/* What calls of module balances name as amounts: those that users make pay them. */
static uint64_t paid_by( dmg_cli_t * cli, dmg_tx_t const * tx ) {
  uint64_t sum = 0;
  for( uint32_t i = 0; i<tx->call_cnt; i++ ) {
    dmg_abi_t const * abi = dmg_cli_abi_of( cli, tx->calls[ i ].module );
    dmg_abi_fn_t const * fn = abi && dmg_span_eq( abi->name, DMG_SPAN_STR( "balances" ) ) ? dmg_abi_call( abi, tx->calls[ i ].call ) : NULL;
    dmg_bcs_rd_t rd = dmg_bcs_rd( tx->calls[ i ].args );
    if( fn && !dmg_type_validate( fn->args, tx->calls[ i ].args, NULL ) ) sum_amounts( fn->args, &rd, &sum );
  }
  return sum;
}

/* "; the account has 3 CGT to spend, which does not cover 12.5 CGT and a fee of up to 0.01 CGT" */
static void add_spendable( dmg_cli_t * cli, dmg_tx_t const * tx, dmg_cli_refusal_t * out ) {
  char address[ DMG_ADDRESS_TEXT_SZ+1 ], has[ DMG_CLI_AMOUNT_SZ ], pays[ DMG_CLI_AMOUNT_SZ ], most[ DMG_CLI_AMOUNT_SZ ];
  dmg_cli_refusal_t none;
  dmg_jv_t r;
  uint64_t sum = paid_by( cli, tx );
  dmg_address_text( &tx->sender, address );
  if( dmg_cli_try( cli, "balances_get", dmg_cli_text( cli, "{\"account\":\"%s\"}", address ), &r, &none ) ) return;
  dmg_cli_amount_text( dmg_cli_u64( r, "spendable" ), has );
  dmg_cli_amount_text( sum, pays );
  dmg_cli_amount_text( tx->fee_max, most );
  add( out, dmg_cli_text( cli, "; the account has %s to spend", has ) );
  if( sum ) add( out, dmg_cli_text( cli, ", which does not cover %s and ", pays ) );
  if( sum ) add( out, tx->fee_max ? dmg_cli_text( cli, "a fee of up to %s", most ) : DMG_SPAN_STR( "the fee" ) );
}

/* "; its gas limit is 100, and 51822 would do": if it ends well with all the gas there is. */
static void add_gas( dmg_cli_t * cli, dmg_tx_t const * tx, dmg_cli_refusal_t * out ) {
  dmg_tx_t probe = *tx;
  dmg_buf_t buf = dmg_buf( DMG_TX_SZ_MAX );
  dmg_cli_refusal_t none;
  dmg_jv_t r;
  probe.gas = 0;
  bool is_good = !dmg_tx_encode( &probe, &buf ) && !dmg_cli_try( cli, "tx_estimate", dmg_cli_text( cli, "{\"tx\":\"0x%s\"}", dmg_cli_hex_of( cli, dmg_buf_span( &buf ) ) ), &r, &none );
  dmg_buf_fini( &buf );
  if( is_good && dmg_span_eq( dmg_cli_str( r, "status" ), DMG_SPAN_STR( "OK" ) ) ) add( out, dmg_cli_text( cli, "; its gas limit is %lu, and %lu would do", (unsigned long)tx->gas, (unsigned long)dmg_cli_u64( r, "gas" ) ) );
}

/* It would not end well: its name and words, and how much would do. */
static int would_fail( dmg_cli_t * cli, dmg_tx_t const * tx, dmg_receipt_t const * r, char const * why, dmg_cli_refusal_t * out ) {
  out->code = DMG_EXIT_REFUSED;
  snprintf( out->name, sizeof out->name, "%s", dmg_cli_fault_name( cli, r->status, r->module, r->code ) );
  snprintf( out->message, sizeof out->message, "it would end as %s: %s", dmg_status_name( r->status ), why );
  if( r->status==DMG_STATUS_DEPOSIT || !strcmp( out->name, "balances.InsufficientBalance" ) ) add_spendable( cli, tx, out );
  if( r->status==DMG_STATUS_NO_GAS && tx->gas ) add_gas( cli, tx, out );
  return out->code;
}

int dmg_cli_tx_price( dmg_cli_t * cli, dmg_tx_t * tx ) {
  dmg_span_t raw;
  dmg_jv_t r;
  dmg_receipt_t * receipt;
  if( ( tx->gas && tx->fee_max ) || tx->fee_kind!=DMG_FEE_ENERGY_THEN_FEE ) return DMG_EXIT_OK;
  int code = dmg_cli_tx_encode( cli, tx, &raw );
  if( !code ) code = dmg_cli_call( cli, "tx_estimate", dmg_cli_text( cli, "{\"tx\":\"0x%s\"}", dmg_cli_hex_of( cli, raw ) ), &r );
  if( code ) return code;
  if( dmg_receipt_decode( dmg_cli_hex( cli, r, "receipt" ), cli->arena, &receipt ).kind!=DMG_VERDICT_GOOD ) return bad_answer( cli, "receipt does not decode" );
  uint64_t gas = dmg_cli_u64( r, "gas" ), price = dmg_cli_u64( r, "price" );
  if( receipt->status!=DMG_STATUS_OK ) {
    dmg_cli_refusal_t refusal;
    char const * why = dmg_cli_dup( cli, dmg_cli_str( r, "error" ) );   /* the interface that is asked for next takes the answer's place */
    would_fail( cli, tx, receipt, why, &refusal );
    return dmg_cli_fail( cli, refusal.code, refusal.name, "%s; nothing was sent", refusal.message );
  }
  if( !tx->gas ) tx->gas = gas;
  if( tx->fee_max ) return DMG_EXIT_OK;
  /* R5.9: reserve = ceil( (intrinsic + limit) p / 10^6 ) + tip; of the limit that is signed, not of the one that the node would set. */
  dmg_u128_t need = ( ( (dmg_u128_t)dmg_tx_intrinsic_gas( tx, raw.sz )+tx->gas )*price+999999 )/1000000+tx->tip;
  if( need>DMG_AMOUNT_MAX/2 ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "ChainRefused", "at %lu micro-sparks a gas it would cost more than there is; nothing was sent", (unsigned long)price );
  tx->fee_max = 2*(uint64_t)need;
  return DMG_EXIT_OK;
}

static bool read_asset( dmg_jv_t json, dmg_asset_t * out ) {
  dmg_jv_t name = dmg_jv_type( json )==DMG_JSON_OBJECT ? dmg_jv_get( json, "kind" ) : (dmg_jv_t){ 0 };
  *out = (dmg_asset_t){ 0 };
  if( dmg_jv_is_absent( name ) ) return false;
  while( out->kind<DMG_ASSET_CNT && !dmg_jv_eq_str( name, dmg_asset_kind_name( out->kind ) ) ) out->kind++;
  if( out->kind==DMG_ASSET_CNT ) return false;
  dmg_jv_t id = dmg_jv_get( json, "value" );
  return out->kind==DMG_ASSET_CGT || ( !dmg_jv_is_absent( id ) && dmg_jv_hash( id, &out->id ) );
}

static bool read_diff( dmg_cli_t * cli, dmg_jv_t list, dmg_cli_effects_t * out ) {
  if( dmg_jv_type( list )!=DMG_JSON_ARRAY || dmg_jv_cnt( list )>DMG_CLI_CHANGE_MAX ) return false;
  out->diff_cnt = 0;
  out->diff     = DMG_ARENA_NEW( cli->arena, dmg_cli_change_t, dmg_jv_cnt( list ) );
  if( !out->diff ) return false;
  for( dmg_jv_t e = dmg_jv_first( list ); !dmg_jv_is_absent( e ); e = dmg_jv_next( list, e ) ) {
    dmg_cli_change_t * c = &out->diff[ out->diff_cnt++ ];
    *c = (dmg_cli_change_t){ .out = dmg_cli_u64( e, "out" ), .in = dmg_cli_u64( e, "in" ) };
    if( dmg_address_parse( dmg_cli_str( e, "account" ), &c->account, NULL ) || !read_asset( dmg_cli_get( e, "asset" ), &c->asset ) ) return false;
  }
  return true;
}

int dmg_cli_tx_effects( dmg_cli_t * cli, dmg_tx_t const * tx, dmg_cli_effects_t * out, dmg_cli_refusal_t * out_refusal ) {
  dmg_span_t raw;
  dmg_jv_t r;
  dmg_receipt_t * receipt;
  *out = (dmg_cli_effects_t){ 0 };
  int code = dmg_cli_tx_encode( cli, tx, &raw );
  if( !code ) code = dmg_cli_try( cli, "tx_preview", dmg_cli_text( cli, "{\"tx\":\"0x%s\"}", dmg_cli_hex_of( cli, raw ) ), &r, out_refusal );
  if( code ) return code;
  out->receipt = dmg_cli_hex( cli, r, "receipt" );
  if( dmg_receipt_decode( out->receipt, cli->arena, &receipt ).kind!=DMG_VERDICT_GOOD ) return bad_answer( cli, "receipt does not decode" );
  if( receipt->status!=DMG_STATUS_OK ) return would_fail( cli, tx, receipt, dmg_cli_dup( cli, dmg_cli_str( dmg_cli_get( r, "error" ), "text" ) ), out_refusal );
  if( !read_diff( cli, dmg_cli_get( r, "diff" ), out ) ) return bad_answer( cli, "list of changes is not one" );
  out->gas_used   = dmg_cli_u64( r, "gasUsed" );
  out->gas_to_set = dmg_cli_u64( r, "gas" );
  out->energy     = dmg_cli_u64( r, "energy" );
  out->held       = receipt->held;
  out->returned   = receipt->returned;
  if( !dmg_add_u64( receipt->fee, receipt->tip, &out->fee ) ) return bad_answer( cli, "bill is more than there is" );
  return DMG_EXIT_OK;
}

/* ---- Showing ---- */

static void put_amount( dmg_buf_t * out, char sign, uint64_t amount, dmg_asset_t const * asset ) {
  char text[ DMG_CLI_AMOUNT_SZ ];
  dmg_cli_amount_text( amount, text );
  if( asset->kind==DMG_ASSET_CGT ) (void)!dmg_buf_printf( out, "%c%s", sign, text );
  else                             (void)!dmg_buf_printf( out, "%c%lu", sign, (unsigned long)amount );
}

static void put_change( dmg_cli_t * cli, dmg_cli_change_t const * c, bool is_dev, dmg_buf_t * out ) {
  static char const * const kind[] = { "", "of currency", "of item", "shares of", "of pool" };
  char address[ DMG_ADDRESS_TEXT_SZ+1 ];
  char const * name = dmg_cli_name_of( cli, &c->account, is_dev );
  dmg_address_text( &c->account, address );
  (void)!dmg_buf_printf( out, "\n  diff " );
  if( c->out ) put_amount( out, '-', c->out, &c->asset );
  if( c->out && c->in ) (void)!dmg_buf_append( out, " ", 1 );
  if( c->in ) put_amount( out, '+', c->in, &c->asset );
  if( c->asset.kind!=DMG_ASSET_CGT ) (void)!dmg_buf_printf( out, " %s 0x%s", kind[ c->asset.kind ], dmg_cli_hex_of( cli, dmg_hash_span( &c->asset.id ) ) );
  if( name ) (void)!dmg_buf_printf( out, "  %s (%s)", name, address );
  else       (void)!dmg_buf_printf( out, "  %s", address );
}

static void put_events( dmg_cli_t * cli, dmg_span_t raw, dmg_buf_t * out ) {
  dmg_receipt_t * r;
  if( dmg_receipt_decode( raw, cli->arena, &r ).kind!=DMG_VERDICT_GOOD ) return;   /* it was looked at before */
  for( uint32_t i = 0; i<r->event_cnt; i++ ) {
    (void)!dmg_buf_printf( out, "\n  does " );
    dmg_cli_event_text( cli, &r->events[ i ], out );
  }
}

void dmg_cli_effects_text( dmg_cli_t * cli, dmg_cli_effects_t const * e, dmg_hash_t const * sender, bool is_dev, dmg_buf_t * out ) {
  char amount[ DMG_CLI_AMOUNT_SZ ];
  for( int others = 0; others<2; others++ )
    for( uint32_t i = 0; i<e->diff_cnt; i++ ) if( dmg_hash_eq( &e->diff[ i ].account, sender )==!others ) put_change( cli, &e->diff[ i ], is_dev, out );
  if( !e->diff_cnt ) (void)!dmg_buf_printf( out, "\n  diff nothing moves but the fee" );
  put_events( cli, e->receipt, out );
  if( e->energy ) (void)!dmg_buf_printf( out, "\n  uses %lu energy", (unsigned long)e->energy );
  if( e->held ) {
    dmg_cli_amount_text( e->held, amount );
    (void)!dmg_buf_printf( out, "\n  hold %s as deposit for what it stores", amount );
  }
  if( e->returned ) {
    dmg_cli_amount_text( e->returned, amount );
    (void)!dmg_buf_printf( out, "\n  back %s of deposits for what it deletes", amount );
  }
}

void dmg_cli_effects_json( dmg_cli_t * cli, dmg_cli_effects_t const * e, dmg_jw_t * w ) {
  dmg_jw_kcstr( w, "status", "OK" );
  dmg_jw_ku64 ( w, "gasUsed", e->gas_used );
  dmg_jw_ku64 ( w, "energy", e->energy );
  dmg_jw_ku64 ( w, "fee", e->fee );
  dmg_jw_ku64 ( w, "held", e->held );
  dmg_jw_ku64 ( w, "returned", e->returned );
  dmg_jw_key( w, "diff" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<e->diff_cnt; i++ ) {
    dmg_cli_change_t const * c = &e->diff[ i ];
    dmg_jw_open( w, '{' );
    dmg_put_kaddress( w, "account", &c->account );
    dmg_jw_key( w, "asset" );
    dmg_put_asset( w, &c->asset );
    dmg_jw_ku64( w, "out", c->out );
    dmg_jw_ku64( w, "in", c->in );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_close( w, ']' );
  dmg_jw_key( w, "events" );
  dmg_jw_raw( w, dmg_cli_events_json( cli, e->receipt ) );
}
