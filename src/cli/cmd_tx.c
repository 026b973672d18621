/* transfer, call, tx: building, signing, sending and following transactions. */
#include "base/assert.h"
#include "base/os.h"
#include "cli/cli.h"
#include "cli/keystore.h"
#include "codec/abi.h"
#include "crypto/bech32.h"
#include "crypto/sig.h"
#include "types/asset.h"
#include "types/receipt.h"
#include "types/schema.h"
#include "types/tx.h"

#include <stdio.h>
#include <stdlib.h>

enum { LIFETIME_BLOCKS = 480 };

/* What all of a transaction but its calls needs from the chain. */
typedef struct { dmg_hash_t chain; bool is_dev; uint64_t head; } chain_t;

static int chain( dmg_cli_t * cli, chain_t * out ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "chain_info", DMG_SPAN_STR( "{}" ), &r );
  if( code ) return code;
  out->chain  = dmg_cli_hash( r, "chainId" );
  out->is_dev = dmg_span_eq( dmg_cli_str( r, "kind" ), DMG_SPAN_STR( "dev" ) );
  out->head   = dmg_cli_u64( dmg_cli_get( r, "head" ), "height" );
  return DMG_EXIT_OK;
}

/* The call's interface as the node tells it; what is signed is the hash computed here over the names, types and the
   `says` line shown to the user, so a node cannot pass one call off as another. */
static int find_call( dmg_cli_t * cli, char const * module, char const * name, uint16_t * out_module, dmg_abi_fn_t const ** out_fn, dmg_hash_t * out_schema ) {
  dmg_jv_t r;
  dmg_abi_t const * abi;
  int code = dmg_cli_call( cli, "state_dmi", dmg_cli_text( cli, "{\"module\":%s}", dmg_cli_quote( cli, module ) ), &r );
  if( code ) return code;
  dmg_span_t raw = dmg_cli_hex( cli, r, "abi" );
  if( dmg_abi_decode( raw, cli->arena, &abi ).kind!=DMG_VERDICT_GOOD ) return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "the node's interface of module %s does not decode", module );
  dmg_abi_fn_t const * fn = dmg_abi_call_named( abi, dmg_span_cstr( name ) );
  if( !fn ) return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "module %s has no call %s", module, name );
  if( dmg_schema_hash( abi->module, fn, out_schema ) ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" );
  *out_module = abi->module;
  *out_fn     = fn;
  return DMG_EXIT_OK;
}

static int encode( dmg_cli_t * cli, dmg_tx_t const * tx, dmg_span_t * out ) {
  dmg_buf_t buf = dmg_buf( DMG_TX_SZ_MAX );
  dmg_err_t err = dmg_tx_encode( tx, &buf );
  if( !err ) *out = dmg_arena_dup( cli->arena, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return err ? dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the transaction passes a limit (65,536 bytes, 32 calls)" ) : DMG_EXIT_OK;
}

static char * hex_of( dmg_cli_t * cli, dmg_span_t bytes ) {
  char * hex = dmg_arena_alloc( cli->arena, 2*bytes.sz+1 );
  if( !hex ) exit( dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" ) );
  dmg_hex_encode( bytes.p, bytes.sz, hex );
  return hex;
}

/* Polls until the transaction is final (or included), refused, or time is up. */
static int wait_for( dmg_cli_t * cli, char const * id_hex, char const * until ) {
  uint64_t end = dmg_os_mono_ns()+(uint64_t)cli->timeout_ms*1000000u, pause_ns = 5000000u;
  for(;;) {
    dmg_jv_t r;
    int code = dmg_cli_call( cli, "tx_status", dmg_cli_text( cli, "{\"ids\":[\"0x%s\"]}", id_hex ), &r );
    if( code ) return code;
    dmg_jv_t status = dmg_cli_get( dmg_jv_first( dmg_cli_get( r, "items" ) ), "status" );
    dmg_span_t kind = dmg_cli_str( status, "kind" );
    if( dmg_span_eq( kind, DMG_SPAN_STR( "final" ) ) || ( !strcmp( until, "included" ) && dmg_span_eq( kind, DMG_SPAN_STR( "included" ) ) ) ) return DMG_EXIT_OK;
    if( dmg_span_eq( kind, DMG_SPAN_STR( "dropped" ) ) ) {
      dmg_span_t reason = dmg_cli_str( status, "reason" );
      return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "TxRejected", "0x%s was dropped: %.*s", id_hex, (int)reason.sz, (char const *)reason.p );
    }
    if( dmg_span_eq( kind, DMG_SPAN_STR( "expired" ) ) )  return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "TxRejected", "0x%s expired before it got into a block", id_hex );
    if( dmg_span_eq( kind, DMG_SPAN_STR( "replaced" ) ) ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "TxRejected", "0x%s was replaced by another with the same nonce", id_hex );
    if( dmg_os_mono_ns()>end ) return dmg_cli_fail( cli, DMG_EXIT_TIMEOUT, "Timeout", "0x%s is %.*s after %u s; it may still become final: `demiurge tx watch 0x%s`", id_hex, (int)kind.sz, (char const *)kind.p, cli->timeout_ms/1000, id_hex );
    dmg_os_sleep_ns( pause_ns );
    if( pause_ns<100000000u ) pause_ns += pause_ns/2;
  }
}

/* Prints the receipt.  is_result: it tells whether the command succeeded, so REFUSED unless it is OK, and then no document (F1.3). */
static int show_receipt( dmg_cli_t * cli, char const * id_hex, bool is_result ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "tx_receipt", dmg_cli_text( cli, "{\"id\":\"0x%s\"}", id_hex ), &r );
  if( code ) return code;
  dmg_jv_t f = dmg_cli_get( r, "fields" );
  dmg_span_t status = dmg_cli_str( f, "status" );
  bool is_ok = !is_result || dmg_span_eq( status, DMG_SPAN_STR( "OK" ) );
  if( cli->is_json && is_ok ) dmg_cli_print_answer( cli, r );
  if( !cli->is_json ) {
    char fee[ DMG_CLI_AMOUNT_SZ ], held[ DMG_CLI_AMOUNT_SZ ];
    dmg_cli_amount_text( dmg_cli_u64( f, "fee" )+dmg_cli_u64( f, "tip" ), fee );
    dmg_cli_amount_text( dmg_cli_u64( f, "held" ), held );
    printf( "transaction  0x%s\nstatus       %.*s\nblock        %lu\nfee          %s\n", id_hex, (int)status.sz, (char const *)status.p, (unsigned long)dmg_cli_u64( dmg_cli_get( r, "at" ), "height" ), fee );
    if( dmg_cli_u64( f, "held" ) ) printf( "deposit      %s held for storage\n", held );
    printf( "gas          %lu used, %lu billed\n", (unsigned long)dmg_cli_u64( f, "gasUsed" ), (unsigned long)dmg_cli_u64( f, "gasBilled" ) );
  }
  if( is_ok ) return DMG_EXIT_OK;
  uint32_t module = 0, fault = 0;
  dmg_jv_u32( dmg_cli_get( f, "module" ), &module );
  dmg_jv_u32( dmg_cli_get( f, "code" ), &fault );
  return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "ChainRefused", "the transaction ended as %.*s (module %u, code %u); its fee was charged, its effects were dropped", (int)status.sz, (char const *)status.p, module, fault );
}

/* Estimates, shows, asks, signs, submits; the id of what was sent. */
static int sign_and_send( dmg_cli_t * cli, chain_t const * c, dmg_cli_signer_t const * signer, dmg_tx_call_t * calls, uint32_t call_cnt, char const * what, char ** out_id_hex ) {
  dmg_jv_t r;
  char sender[ DMG_ADDRESS_TEXT_SZ+1 ];
  int code;
  dmg_address_text( &signer->address, sender );
  if(( code = dmg_cli_call( cli, "account_get", dmg_cli_text( cli, "{\"account\":\"%s\"}", sender ), &r ) )) return code;
  bool exists = dmg_jv_type( dmg_cli_get( r, "exists" ) )==DMG_JSON_TRUE;
  if(( code = dmg_cli_call( cli, "tx_nonces", dmg_cli_text( cli, "{\"account\":\"%s\",\"lanes\":[0]}", sender ), &r ) )) return code;
  uint64_t nonce = dmg_cli_u64( dmg_jv_first( dmg_cli_get( r, "lanes" ) ), "next" );

  uint8_t sig_bytes[ 64 ] = { 0 };
  dmg_account_init_t init = dmg_account_init_plain( DMG_SIG_ED25519, dmg_span( signer->key, 32 ) );
  dmg_tx_sig_t sig = { .scheme = DMG_SIG_ED25519, .key = dmg_span( signer->key, 32 ), .sig = dmg_span( sig_bytes, 64 ) };
  dmg_tx_t tx = { .version = DMG_TX_VERSION, .chain = c->chain, .sender = signer->address, .lane = 0, .nonce = nonce, .expiry = c->head+LIFETIME_BLOCKS,
                  .fee_kind = DMG_FEE_ENERGY_THEN_FEE, .calls = calls, .call_cnt = call_cnt, .auth = DMG_TX_AUTH_KEYS, .init = exists ? NULL : &init, .sigs = &sig, .sig_cnt = 1 };
  dmg_span_t raw = { 0 };
  if(( code = encode( cli, &tx, &raw ) )) return code;
  if(( code = dmg_cli_call( cli, "tx_estimate", dmg_cli_text( cli, "{\"tx\":\"0x%s\"}", hex_of( cli, raw ) ), &r ) )) return code;
  if( !dmg_span_eq( dmg_cli_str( r, "status" ), DMG_SPAN_STR( "OK" ) ) ) {
    dmg_span_t why = dmg_cli_str( r, "error" ), status = dmg_cli_str( r, "status" );
    return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "ChainRefused", "it would end as %.*s: %.*s; nothing was sent", (int)status.sz, (char const *)status.p, (int)why.sz, (char const *)why.p );
  }
  uint64_t fee = dmg_cli_u64( r, "fee" );
  if( fee>DMG_AMOUNT_MAX/2 ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "ChainRefused", "the node estimates a fee of %lu sparks, more than there are; nothing was sent", (unsigned long)fee );
  tx.gas     = dmg_cli_u64( r, "gas" );
  tx.fee_max = 2*fee;

  char fee_text[ DMG_CLI_AMOUNT_SZ ], max_text[ DMG_CLI_AMOUNT_SZ ], question[ 768 ];
  dmg_cli_amount_text( fee, fee_text );
  dmg_cli_amount_text( tx.fee_max, max_text );
  snprintf( question, sizeof question, "%s\n  from %s (%s)\n  fee  about %s, at most %s; expires at height %lu\nSign and send?", what, signer->name, sender, fee_text, max_text, (unsigned long)tx.expiry );
  if(( code = dmg_cli_confirm( cli, question ) )) return code;

  dmg_buf_t body = dmg_buf( DMG_TX_SZ_MAX );
  if( dmg_tx_body_encode( &tx, &body ) ) { dmg_buf_fini( &body ); return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" ); }
  dmg_hash_t id = dmg_tx_id( dmg_buf_span( &body ) );
  dmg_buf_fini( &body );
  dmg_ed25519_sign( signer->secret, dmg_hash_span( &id ), sig_bytes );
  if(( code = encode( cli, &tx, &raw ) )) return code;

  *out_id_hex = hex_of( cli, dmg_hash_span( &id ) );
  return dmg_cli_call( cli, "tx_submit", dmg_cli_text( cli, "{\"tx\":\"0x%s\"}", hex_of( cli, raw ) ), &r );
}

static int send_calls( dmg_cli_t * cli, chain_t const * c, char const * from, dmg_tx_call_t * calls, uint32_t call_cnt, char const * what ) {
  dmg_cli_signer_t signer;
  char * id_hex = NULL;
  char const * until = dmg_cli_opt( cli, "--wait" );
  /* Before anything is sent. */
  if( until && strcmp( until, "none" ) && strcmp( until, "pooled" ) && strcmp( until, "included" ) && strcmp( until, "final" ) )
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--wait is none, pooled, included or final, not %s", until );
  int code = dmg_cli_signer( cli, from, c->is_dev, &signer );
  if( code ) return code;
  code = sign_and_send( cli, c, &signer, calls, call_cnt, what, &id_hex );
  dmg_cli_signer_wipe( &signer );
  if( code ) return code;
  if( until && ( !strcmp( until, "none" ) || !strcmp( until, "pooled" ) ) ) {
    if( cli->is_json ) printf( "{\"id\":\"0x%s\"}\n", id_hex );
    else               printf( "0x%s\n", id_hex );
    return DMG_EXIT_OK;
  }
  if(( code = wait_for( cli, id_hex, until ? until : "final" ) )) return code;
  return show_receipt( cli, id_hex, true );
}

static char const * sender_name( dmg_cli_t * cli ) {
  char const * from = dmg_cli_opt( cli, "--from" );
  if( !from ) from = getenv( "DEMIURGE_FROM" );
  return from && *from ? from : NULL;
}

static int transfer( dmg_cli_t * cli ) {
  chain_t c;
  dmg_hash_t to;
  uint64_t amount;
  char to_text[ DMG_ADDRESS_TEXT_SZ+1 ], amount_text[ DMG_CLI_AMOUNT_SZ ], what[ 256 ];
  char const * from = sender_name( cli ), * memo = dmg_cli_opt( cli, "--memo" );
  uint16_t module;
  dmg_abi_fn_t const * fn = NULL;
  dmg_hash_t schema;
  if( !from ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "who pays? --from NAME, a key of `demiurge key list`, or alice .. judy on a dev chain" );
  if( !dmg_cli_amount_parse( cli->arg[ 1 ], &amount ) || !amount ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "the amount is CGT with at most 8 decimals (12.5) or sparks (1250000000sparks), not \"%s\"", cli->arg[ 1 ] );
  if( memo && strlen( memo )>64 ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a memo has at most 64 bytes, this one %zu", strlen( memo ) );
  int code = dmg_cli_account( cli, cli->arg[ 0 ], &to );
  if( code ) return code;
  if(( code = chain( cli, &c ) )) return code;
  /* F1.7: everybody has the keys of alice .. judy; elsewhere money sent there is anybody's. */
  bool is_dev_name;
  dmg_hash_t named;
  if( !c.is_dev && dmg_cli_name_address( cli, cli->arg[ 0 ], &named, &is_dev_name ) && is_dev_name )
    return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyDenied", "%s is an account of the dev chain whose key everybody knows; this chain is not one", cli->arg[ 0 ] );
  if(( code = find_call( cli, "balances", "transfer", &module, &fn, &schema ) )) return code;
  DMG_ASSERT( fn );

  uint8_t mem[ 256 ];
  dmg_bcs_wr_t w = dmg_bcs_wr( mem, sizeof mem );
  dmg_bcs_wr_fixed( &w, to.b, 32 );
  dmg_bcs_wr_u64( &w, amount );
  dmg_bcs_wr_bytes( &w, dmg_span( memo, memo ? strlen( memo ) : 0 ) );
  dmg_span_t args = dmg_bcs_wr_span( &w );
  /* The interface this was written for, or an equal one: never sign bytes the chain would read otherwise. */
  if( dmg_type_validate( fn->args, args, NULL )!=DMG_BCS_GOOD ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "SchemaMismatch", "this chain's balances.transfer takes other arguments; a newer demiurge may know them" );
  dmg_address_text( &to, to_text );
  dmg_cli_amount_text( amount, amount_text );
  snprintf( what, sizeof what, "Pay %s to %s (%s)", amount_text, cli->arg[ 0 ], to_text );
  dmg_tx_call_t call = { .module = module, .call = fn->id, .schema = schema, .args = args };
  return send_calls( cli, &c, from, &call, 1, what );
}

/* Any call with its arguments as BCS: what the generic command can do before arguments have a JSON form. */
static int call_raw( dmg_cli_t * cli ) {
  chain_t c;
  uint16_t module;
  dmg_abi_fn_t const * fn = NULL;
  dmg_hash_t schema;
  char const * from = sender_name( cli );
  if( !from ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "who signs? --from NAME" );
  char const * hex = cli->arg_cnt>2 ? cli->arg[ 2 ] : "0x";
  size_t n = strlen( hex );
  uint8_t * args = dmg_arena_alloc( cli->arena, n/2+1 );
  if( n<2 || strncmp( hex, "0x", 2 ) || !args || dmg_hex_decode( hex+2, n-2, args, ( n-2 )/2 ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "arguments are 0x hex of their BCS" );
  int code = chain( cli, &c );
  if( code ) return code;
  if(( code = find_call( cli, cli->arg[ 0 ], cli->arg[ 1 ], &module, &fn, &schema ) )) return code;
  DMG_ASSERT( fn );
  size_t off = 0;
  dmg_bcs_bad_t bad = dmg_type_validate( fn->args, dmg_span( args, ( n-2 )/2 ), &off );
  if( bad!=DMG_BCS_GOOD ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the arguments of %s.%s do not decode: %s at byte %zu", cli->arg[ 0 ], cli->arg[ 1 ], dmg_bcs_bad_text( bad ), off );
  dmg_tx_call_t call = { .module = module, .call = fn->id, .schema = schema, .args = dmg_span( args, ( n-2 )/2 ) };
  char what[ 400 ];
  snprintf( what, sizeof what, "%s.%s: %.*s", cli->arg[ 0 ], cli->arg[ 1 ], (int)fn->says.sz, (char const *)fn->says.p );
  return send_calls( cli, &c, from, &call, 1, what );
}

static int id_arg( dmg_cli_t * cli, char const ** out_hex ) {
  dmg_hash_t id;
  char const * a = cli->arg[ 0 ];
  if( strlen( a )!=66 || strncmp( a, "0x", 2 ) || dmg_hex_decode( a+2, 64, id.b, 32 ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a transaction id is 0x and 64 hex digits, not \"%.80s\"", a );
  *out_hex = a+2;
  return DMG_EXIT_OK;
}

static int tx_receipt( dmg_cli_t * cli ) {
  char const * hex = NULL;
  int code = id_arg( cli, &hex );
  return code ? code : show_receipt( cli, hex, false );
}

static int tx_watch( dmg_cli_t * cli ) {
  char const * hex = NULL;
  int code = id_arg( cli, &hex );
  if( code ) return code;
  if(( code = wait_for( cli, hex, "final" ) )) return code;
  return show_receipt( cli, hex, true );
}

static int tx_simple( dmg_cli_t * cli, char const * method ) {
  char const * hex = NULL;
  dmg_jv_t r;
  int code = id_arg( cli, &hex );
  if( code ) return code;
  bool is_list = !strcmp( method, "tx_status" );
  if(( code = dmg_cli_call( cli, method, dmg_cli_text( cli, is_list ? "{\"ids\":[\"0x%s\"]}" : "{\"id\":\"0x%s\"}", hex ), &r ) )) return code;
  dmg_cli_print_answer( cli, is_list ? dmg_jv_first( dmg_cli_get( r, "items" ) ) : r );
  return DMG_EXIT_OK;
}
static int tx_show  ( dmg_cli_t * cli ) { return tx_simple( cli, "tx_get" ); }
static int tx_status( dmg_cli_t * cli ) { return tx_simple( cli, "tx_status" ); }

static int tx_submit( dmg_cli_t * cli ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "tx_submit", dmg_cli_text( cli, "{\"tx\":%s}", dmg_cli_quote( cli, cli->arg[ 0 ] ) ), &r );
  if( code ) return code;
  dmg_cli_print_answer( cli, r );
  return DMG_EXIT_OK;
}

#define FROM { "--from", "NAME", "whose key signs (DEMIURGE_FROM)" }
#define WAIT { "--wait", "WHEN", "none, pooled, included or final (default)" }

dmg_cli_cmd_t const dmg_cmds_tx[] = {
  { "transfer", "TO AMOUNT", 2, 2, "pay CGT to an account, wait until it is final",
    "  TO      dmg1.., a key of yours, or alice .. judy on a dev chain\n  AMOUNT  CGT with up to 8 decimals: 12.5, or in sparks: 1250000000sparks", transfer, { FROM, { "--memo", "TEXT", "at most 64 bytes" }, WAIT } },
  { "send", "TO AMOUNT", 2, 2, "the same as transfer", NULL, transfer, { FROM, { "--memo", "TEXT", "at most 64 bytes" }, WAIT } },
  { "call", "MODULE CALL [ARGS]", 2, 3, "make any call; ARGS is 0x hex of their BCS", NULL, call_raw, { FROM, WAIT } },
  { "tx receipt", "ID", 1, 1, "what a transaction cost and did", NULL, tx_receipt, {{ 0 }} },
  { "tx watch", "ID", 1, 1, "wait until a transaction is final", NULL, tx_watch, {{ 0 }} },
  { "tx show", "ID", 1, 1, "a transaction as JSON", NULL, tx_show, {{ 0 }} },
  { "tx status", "ID", 1, 1, "where a transaction stands, as JSON", NULL, tx_status, {{ 0 }} },
  { "tx submit", "BYTES", 1, 1, "submit a signed transaction given as 0x hex", NULL, tx_submit, {{ 0 }} },
  { 0 }
};
