/* balance, account, block, chain, query, proof, rpc: reading, and checking what was read. */
#include "base/os.h"
#include "cli/cli.h"
#include "cli/draft.h"
#include "cli/node_files.h"
#include "cli/proof.h"
#include "crypto/bech32.h"
#include "node/dev_genesis.h"
#include "node/epochs.h"
#include "types/items.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int dmg_cli_account( dmg_cli_t * cli, char const * text, dmg_hash_t * out ) {
  char const * why = "is none";
  dmg_cli_named_t named;
  if( !strncmp( text, "demiurge:", 9 ) ) {
    /* CAIP-10 (F0.3): an account of a chain, which must be this one. */
    dmg_jv_t r;
    int code = dmg_cli_call( cli, "chain_info", DMG_SPAN_STR( "{}" ), &r );
    if( code ) return code;
    dmg_span_t chain = dmg_cli_str( r, "caip2" );
    if( strncmp( text, (char const *)chain.p, chain.sz ) || text[ chain.sz ]!=':' ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the account is of another chain; the node is on %.*s", DMG_SPAN_F( chain ) );
    text += chain.sz+1;
  }
  if( !strncmp( text, "dmg1", 4 ) || !strncmp( text, "DMG1", 4 ) ) {
    if( !dmg_address_parse( dmg_span_cstr( text ), out, &why ) ) return DMG_EXIT_OK;
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the address %s", why );
  }
  int code = dmg_cli_find( cli, text, &named );
  if( !code ) *out = named.address;
  if( code!=DMG_EXIT_NOT_FOUND ) return code;
  return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "\"%.60s\" is no address (dmg1..), no key of yours and no account of the dev chain", text );
}

int dmg_cli_at( dmg_cli_t * cli, char const * text, dmg_span_t * out ) {
  size_t n = strlen( text ), digits = strspn( text, "0123456789" );
  if( !strcmp( text, "head" ) || !strcmp( text, "final" ) ) *out = dmg_cli_text( cli, "\"%s\"", text );
  else if( n && digits==n && n<=20 ) *out = dmg_cli_text( cli, "{\"height\":\"%s\"}", text );
  else if( n==66 && !strncmp( text, "0x", 2 ) && strspn( text+2, "0123456789abcdefABCDEF" )==64 ) *out = dmg_cli_text( cli, "{\"hash\":\"%s\"}", text );
  else return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a block is head, final, a height or a hash, not \"%.80s\"", text );
  return DMG_EXIT_OK;
}

int dmg_cli_at_flag( dmg_cli_t * cli, dmg_span_t * out ) {
  char const * text = cli->flag[ DMG_CLI_FLAG_AT ];
  dmg_span_t at;
  *out = dmg_span( "", 0 );
  int code = text ? dmg_cli_at( cli, text, &at ) : DMG_EXIT_OK;
  if( text && !code ) *out = dmg_cli_text( cli, ",\"at\":%.*s", DMG_SPAN_F( at ) );
  return code;
}

/* The chain and its validators, of a genesis. */
static int trust_genesis( dmg_cli_t * cli, char const * path, dmg_cli_trust_t * out ) {
  dmg_buf_t bytes = { 0 };
  dmg_genesis_t * g;
  uint8_t index[ DMG_SET_MAX ];
  int code = dmg_node_genesis_get( cli, path, &bytes, &g );
  if( code ) return code;
  out->has_chain = true;
  out->chain     = dmg_genesis_hash( dmg_buf_span( &bytes ) );
  dmg_epoch_set( g, &out->set, index );
  dmg_buf_fini( &bytes );
  return DMG_EXIT_OK;
}

#define WHOM "--genesis FILE, the genesis.bin of the chain (a network of `demiurge testnet` has it in its folder), or --validator-key 0x.., of its one validator"

/* Whom to trust, by flags alone: the validators of a genesis, or one by its key. Everybody has the key of dev chains, so what it signs proves something to those only who ask for it by name. */
static int trust_of( dmg_cli_t * cli, char const * key, dmg_cli_trust_t * out ) {
  char const * chain = dmg_cli_opt( cli, "--chain" ), * genesis = dmg_cli_opt( cli, "--genesis" );
  *out = (dmg_cli_trust_t){ .has_chain = chain };
  if( genesis && ( key || chain ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--genesis names chain and validators: leave --chain and --validator-key out" );
  if( genesis ) return trust_genesis( cli, genesis, out );
  if( !key ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "say whom to trust: " WHOM "; of a dev chain: --validator-key dev" );
  out->set = (dmg_set_t){ .cnt = 1, .members[ 0 ].weight = 1 };
  uint8_t secret[ 32 ], * of_one = out->set.members[ 0 ].key;
  if( chain && !dmg_cli_hex_exact( chain, out->chain.b, 32 ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--chain is 0x and 64 hex digits" );
  if( !strcmp( key, "dev" ) ) dmg_dev_validator( secret, of_one );
  else if( !dmg_cli_hex_exact( key, of_one, DMG_BLS_KEY_SZ ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--validator-key is 0x and 192 hex digits, or dev" );
  return DMG_EXIT_OK;
}

/* The same for an answer of the node at hand.  Its chain is the one meant unless another is named; only where nothing at all is, its word that this is a dev chain is taken. */
static int trust_of_node( dmg_cli_t * cli, dmg_cli_trust_t * out ) {
  dmg_jv_t r;
  char const * key = dmg_cli_opt( cli, "--validator-key" );
  bool is_named = key || dmg_cli_opt( cli, "--genesis" ) || dmg_cli_opt( cli, "--chain" );
  int code = is_named ? trust_of( cli, key, out ) : DMG_EXIT_OK;
  if( code || ( is_named && out->has_chain ) ) return code;
  if(( code = dmg_cli_call( cli, "chain_info", DMG_SPAN_STR( "{}" ), &r ) )) return code;
  if( !is_named ) {
    if( !dmg_span_eq( dmg_cli_str( r, "kind" ), DMG_SPAN_STR( "dev" ) ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "this is no dev chain, so say whom to trust: " WHOM );
    if(( code = trust_of( cli, strncmp( cli->network, "demiurge:", 9 ) ? "dev" : NULL, out ) )) return code;
  }
  out->chain     = dmg_cli_hash( r, "chainId" );
  out->has_chain = true;
  return DMG_EXIT_OK;
}

static char const * trusted_text( dmg_cli_trust_t const * trust ) {
  uint8_t secret[ 32 ], dev[ DMG_BLS_KEY_SZ ];
  dmg_dev_validator( secret, dev );
  return trust->set.cnt>1 ? "a quorum of the validators" : memcmp( trust->set.members[ 0 ].key, dev, sizeof dev ) ? "the validator" : "the validator of dev chains (everybody has its key)";
}

/* Whether a proven key and value are the account's free balance, and as much as the answer tells. */
static bool is_free_told( dmg_jv_t answer, dmg_span_t key, dmg_hash_t const * account, dmg_span_t value ) {
  uint8_t of[ DMG_KEY_MAX ];
  uint64_t proven = 0, told;
  return dmg_span_eq( key, dmg_span( of, dmg_key_free( account, of ) ) ) && ( !value.sz || !dmg_counter_parse( value, true, NULL, &proven ) ) && dmg_jv_u64( dmg_jv_get( answer, "free" ), &told ) && proven==told;
}

/* The same of a file, which may name the account, too: the proven key holds it. */
static bool is_balance_told( dmg_jv_t answer, dmg_span_t key, dmg_span_t value, dmg_hash_t * out_account ) {
  dmg_jv_t address = dmg_jv_get( answer, "address" );
  dmg_hash_t told;
  char const * why;
  if( key.sz<sizeof out_account->b ) return false;
  memcpy( out_account->b, key.p+key.sz-sizeof out_account->b, sizeof out_account->b );
  bool is_same = dmg_jv_is_absent( address ) || ( dmg_jv_type( address )==DMG_JSON_STRING && !dmg_address_parse( dmg_jv_text( address ), &told, &why ) && dmg_hash_eq( &told, out_account ) );
  return is_same && is_free_told( answer, key, out_account, value );
}

static int balance( dmg_cli_t * cli ) {
  dmg_hash_t account;
  char text[ DMG_ADDRESS_TEXT_SZ+1 ], amount[ 4 ][ DMG_CLI_AMOUNT_SZ ];
  bool is_proven = cli->flag[ DMG_CLI_FLAG_PROOF ];
  dmg_cli_trust_t trust;
  dmg_span_t at;
  dmg_jv_t r;
  int code = dmg_cli_account( cli, cli->arg[ 0 ], &account );
  if( !code ) code = dmg_cli_at_flag( cli, &at );
  if( code ) return code;
  if( is_proven && ( code = trust_of_node( cli, &trust ) ) ) return code;
  dmg_address_text( &account, text );
  if(( code = dmg_cli_call( cli, "balances_get", dmg_cli_text( cli, "{\"account\":\"%s\"%.*s%s}", text, DMG_SPAN_F( at ), is_proven ? ",\"proof\":\"full\"" : "" ), &r ) )) return code;
  uint64_t height = 0;
  if( is_proven ) {
    char why[ 256 ];
    dmg_span_t value;
    dmg_hash_t chain;
    if( !dmg_cli_proof_check( cli, r, &trust, &chain, &height, &value, why ) ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "ProofInvalid", "the node's proof is refused: %s", why );
    /* A good proof of another key proves nothing here. */
    if( !is_free_told( r, dmg_cli_hex( cli, r, "key" ), &account, value ) ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "ProofInvalid", "the node's proof is of something else than the balance it tells" );
  }
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print( cli, r );
  dmg_cli_amount_text( dmg_cli_u64( r, "free" ), amount[ 0 ] );
  dmg_cli_amount_text( dmg_cli_u64( r, "held" ), amount[ 1 ] );
  dmg_cli_amount_text( dmg_cli_u64( r, "locked" ), amount[ 2 ] );
  dmg_cli_amount_text( dmg_cli_u64( r, "spendable" ), amount[ 3 ] );
  printf( "account    %s\nfree       %s\nheld       %s\nlocked     %s\nspendable  %s\n", text, amount[ 0 ], amount[ 1 ], amount[ 2 ], amount[ 3 ] );
  if( is_proven ) printf( "proof      free is proven in the state after block %lu, which block %lu commits and %s finalized\n", (unsigned long)height, (unsigned long)height+1, trusted_text( &trust ) );
  return DMG_EXIT_OK;
}

/* Reads {key, value, proof} from a file, "-" for standard input: what `balance --proof -o json` or state_get printed. */
static int proof_verify( dmg_cli_t * cli ) {
  dmg_cli_trust_t trust;
  dmg_buf_t file = dmg_buf( 1<<20 );
  dmg_jv_t r;
  char why[ 256 ], json_why[ 160 ];
  uint64_t height;
  dmg_span_t value;
  dmg_hash_t chain;
  int code = trust_of( cli, dmg_cli_opt( cli, "--validator-key" ), &trust );
  if( code ) return code;
  char const * path = strcmp( cli->arg[ 0 ], "-" ) ? cli->arg[ 0 ] : "/dev/stdin";
  dmg_err_t err = dmg_os_file_read( path, file.max, &file );
  if( err ) return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "%s: %s", path, dmg_err_text( err ) );
  bool is_object = dmg_json_parse( cli->json, dmg_buf_span( &file ), &r, json_why ) && dmg_jv_type( r )==DMG_JSON_OBJECT;
  if( !is_object || dmg_jv_is_absent( dmg_jv_get( r, "proof" ) ) || dmg_jv_is_absent( dmg_jv_get( r, "key" ) ) ) {
    dmg_buf_fini( &file );
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "%s holds no {key, value, proof}; `demiurge balance ACCOUNT --proof -o json` makes one", path );
  }
  bool is_good = dmg_cli_proof_check( cli, r, &trust, &chain, &height, &value, why );
  dmg_buf_fini( &file );
  if( !is_good ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "ProofInvalid", "refused: %s", why );
  /* A balance's answer tells an amount beside what is proven; a person reads that. */
  bool is_free = !dmg_jv_is_absent( dmg_jv_get( r, "free" ) );
  dmg_span_t key = dmg_cli_hex( cli, r, "key" );
  dmg_hash_t account;
  if( is_free && !is_balance_told( r, key, value, &account ) ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "ProofInvalid", "refused: it proves something else than the balance it tells" );
  char name[ 128 ], id[ 65 ], amount[ DMG_CLI_AMOUNT_SZ ];
  dmg_key_print( key, name, sizeof name );
  dmg_hex_encode( chain.b, 32, id );
  if( dmg_cli_is_data( cli ) )
    return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"valid\":true,\"chain\":\"0x%s\",\"key\":\"0x%s\",\"height\":\"%lu\",\"present\":%s}", id, dmg_cli_hex_of( cli, key ), (unsigned long)height, value.sz ? "true" : "false" ) );
  char what[ 256 ], address[ DMG_ADDRESS_TEXT_SZ+1 ];
  if( is_free ) {
    dmg_address_text( &account, address );
    dmg_cli_amount_text( dmg_cli_u64( r, "free" ), amount );
    snprintf( what, sizeof what, "%s has %s free", address, amount );
  } else snprintf( what, sizeof what, "%s %s", name, value.sz ? "has this value" : "is absent" );
  printf( "valid: %s in the final state after block %lu of demiurge:%.32s, by the word of %s\n", what, (unsigned long)height, id, trusted_text( &trust ) );
  return DMG_EXIT_OK;
}

static int show( dmg_cli_t * cli, char const * method, dmg_span_t params ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, method, params, &r );
  if( code ) return code;
  return dmg_cli_print( cli, r );
}

static int block_show( dmg_cli_t * cli ) {
  dmg_span_t at = DMG_SPAN_STR( "\"final\"" );
  int code = cli->arg_cnt ? dmg_cli_at( cli, cli->arg[ 0 ], &at ) : DMG_EXIT_OK;
  if( code ) return code;
  bool is_full = dmg_cli_opt( cli, "--full" );
  return show( cli, "chain_block", dmg_cli_text( cli, "{\"at\":%.*s,\"body\":\"%s\"}", DMG_SPAN_F( at ), is_full ? "full" : "ids" ) );
}

static int status( dmg_cli_t * cli ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "chain_info", DMG_SPAN_STR( "{}" ), &r );
  if( code ) return code;
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print( cli, r );
  dmg_span_t name = dmg_cli_str( r, "name" ), kind = dmg_cli_str( r, "kind" ), id = dmg_cli_str( r, "caip2" );
  printf( "chain   %.*s (%.*s) %.*s\nhead    %lu\nfinal   %lu\nprice   %lu micro-sparks per gas\n", DMG_SPAN_F( name ), DMG_SPAN_F( kind ), DMG_SPAN_F( id ),
          (unsigned long)dmg_cli_u64( dmg_cli_get( r, "head" ), "height" ), (unsigned long)dmg_cli_u64( dmg_cli_get( r, "final" ), "height" ), (unsigned long)dmg_cli_u64( r, "price" ) );
  dmg_jv_t broken = dmg_jv_get( r, "isSupplyBroken" );
  if( !dmg_jv_is_absent( broken ) && dmg_jv_type( broken )==DMG_JSON_TRUE ) printf( "supply  broken: dev_setBalance made or took coins\n" );
  dmg_jv_t modules = dmg_cli_get( r, "modules" );
  for( dmg_jv_t e = dmg_jv_first( modules ); !dmg_jv_is_absent( e ); e = dmg_jv_next( modules, e ) ) {
    dmg_span_t m = dmg_cli_str( e, "name" ), v = dmg_cli_str( e, "version" ), s = dmg_cli_str( e, "status" );
    printf( "module  %.*s %.*s (%.*s)\n", DMG_SPAN_F( m ), DMG_SPAN_F( v ), DMG_SPAN_F( s ) );
  }
  return DMG_EXIT_OK;
}

static int query( dmg_cli_t * cli ) {
  dmg_span_t result, at;
  int code = dmg_cli_query( cli, cli->arg[ 0 ], cli->arg[ 1 ], cli->arg_cnt>2 ? cli->arg[ 2 ] : NULL, &result, &at );
  if( code ) return code;
  return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"at\":%.*s,\"result\":%.*s}", DMG_SPAN_F( at ), DMG_SPAN_F( result ) ) );
}

static int rpc( dmg_cli_t * cli ) {
  dmg_span_t params = cli->arg_cnt>1 ? dmg_span_cstr( cli->arg[ 1 ] ) : DMG_SPAN_STR( "{}" );
  char why[ 160 ];
  dmg_jv_t v;
  /* Here, as it becomes a part of the request's text. */
  if( !dmg_json_parse( cli->own, params, &v, why ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "PARAMS is no JSON: %s", why );
  if( dmg_jv_type( v )!=DMG_JSON_OBJECT && dmg_jv_type( v )!=DMG_JSON_ARRAY ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "PARAMS is a JSON object or array" );
  return show( cli, cli->arg[ 0 ], params );
}

#define TRUST { "--genesis", "FILE", "chain and validators to trust: the chain's genesis.bin" }, { "--validator-key", "0x..", "the one validator to trust; dev: that of dev chains, whose key everybody has" }, \
  { "--chain", "0x..", "the chain id to trust" }

dmg_cli_cmd_t const dmg_cmds_read[] = {
  { "balance", "ACCOUNT", 1, 1, "balances of an account; --proof checks them against a block header", NULL, balance, DMG_CLI_AT|DMG_CLI_PROVES, { TRUST } },
  { "block show", "[BLOCK]", 0, 1, "a block as JSON: head, final (default), a height or a hash", NULL, block_show, 0, { { "--full", NULL, "with its transactions' bytes" } } },
  { "status", "", 0, 0, "the chain a node is on, its head and modules", NULL, status, 0, {{ 0 }} },
  { "query", "MODULE QUERY [ARGS]", 2, 3, "ask a module; the answer as JSON by its interface", "  ARGS  JSON, an object by name or an array in order; or 0x hex of their BCS; @FILE or - reads either", query, DMG_CLI_AT, {{ 0 }} },
  { "proof verify", "FILE", 1, 1, "check a proven answer without asking any node", "  FILE  what `demiurge balance ACCOUNT --proof -o json` printed; - for standard input", proof_verify, 0, { TRUST } },
  { "rpc", "METHOD [PARAMS]", 1, 2, "any JSON-RPC method; PARAMS is JSON", NULL, rpc, 0, {{ 0 }} },
  { 0 }
};
