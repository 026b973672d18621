/* account, multisig: making accounts, changing their keys, and calls that several keys approve on chain (M1). */
#include "base/os.h"
#include "cli/draft.h"
#include "crypto/bech32.h"
#include "crypto/kdf.h"
#include "types/receipt.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int account_show( dmg_cli_t * cli ) {
  dmg_hash_t account;
  dmg_span_t at;
  char text[ DMG_ADDRESS_TEXT_SZ+1 ], amount[ DMG_CLI_AMOUNT_SZ ];
  dmg_jv_t r;
  int code = dmg_cli_account( cli, cli->arg[ 0 ], &account );
  if( !code ) code = dmg_cli_at_flag( cli, &at );
  if( code ) return code;
  dmg_address_text( &account, text );
  if(( code = dmg_cli_call( cli, "account_get", dmg_cli_text( cli, "{\"account\":\"%s\"%.*s}", text, DMG_SPAN_F( at ) ), &r ) )) return code;
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print( cli, r );
  dmg_cli_amount_text( dmg_cli_u64( dmg_cli_get( r, "balances" ), "free" ), amount );
  bool exists = dmg_jv_type( dmg_cli_get( r, "exists" ) )==DMG_JSON_TRUE;
  printf( "account  %s\nexists   %s\nfree     %s\nnonce    %lu (lane 0)\n", text, exists ? "yes" : "not yet: it can receive, its first transaction brings its keys", amount, (unsigned long)dmg_cli_u64( r, "nonce" ) );
  dmg_jv_t auths = dmg_cli_get( r, "auths" );
  for( dmg_jv_t e = dmg_jv_first( auths ); !dmg_jv_is_absent( e ); e = dmg_jv_next( auths, e ) ) {
    dmg_span_t scheme = dmg_cli_str( e, "scheme" ), key = dmg_cli_str( e, "key" ), level = dmg_cli_str( e, "level" );
    printf( "key      %.*s %.*s (%.*s)\n", DMG_SPAN_F( scheme ), DMG_SPAN_F( key ), DMG_SPAN_F( level ) );
  }
  return DMG_EXIT_OK;
}

/* The first transaction brings the keys: an empty note does. */
static int account_create( dmg_cli_t * cli ) {
  dmg_cli_chain_t chain;
  dmg_cli_named_t named;
  dmg_tx_call_t note;
  dmg_cli_draft_t draft;
  char text[ DMG_ADDRESS_TEXT_SZ+1 ];
  dmg_jv_t r;
  cli->flag[ DMG_CLI_FLAG_FROM ] = cli->arg[ 0 ];
  int code = dmg_cli_find( cli, cli->arg[ 0 ], &named );
  if( code==DMG_EXIT_NOT_FOUND ) return dmg_cli_fail( cli, code, "NotFound", "there is no key or account %s; `demiurge key new NAME` or `demiurge multisig create` makes one", cli->arg[ 0 ] );
  if( !code ) code = dmg_cli_chain( cli, &chain );
  if( code ) return code;
  dmg_address_text( &named.address, text );
  if(( code = dmg_cli_call( cli, "account_get", dmg_cli_text( cli, "{\"account\":\"%s\"}", text ), &r ) )) return code;
  if( dmg_jv_type( dmg_cli_get( r, "exists" ) )==DMG_JSON_TRUE ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "Exists", "account %s exists already", text );
  if(( code = dmg_cli_make_call( cli, "system", "note", "{\"data\":\"0x\"}", &note, NULL ) )) return code;
  if(( code = dmg_cli_draft( cli, &chain, &note, 1, dmg_cli_dup( cli, dmg_cli_text( cli, "Create account %s with its keys", text ) ), &draft ) )) return code;
  return dmg_cli_draft_send( cli, &draft );
}

/* ---- Rotating ---- */

/* The slot of a key among the account's. */
static int slot_find( dmg_cli_t * cli, char const * account, dmg_span_t key, uint32_t * out, bool * out_has ) {
  dmg_jv_t r;
  *out_has = false;
  int code = dmg_cli_call( cli, "account_get", dmg_cli_text( cli, "{\"account\":\"%s\"}", account ), &r );
  if( code ) return code;
  dmg_jv_t auths = dmg_cli_get( r, "auths" );
  for( dmg_jv_t e = dmg_jv_first( auths ); !dmg_jv_is_absent( e ) && !*out_has; e = dmg_jv_next( auths, e ) )
    *out_has = dmg_span_eq( dmg_cli_hex( cli, e, "key" ), key ) && dmg_jv_u32( dmg_cli_get( e, "slot" ), out );
  return DMG_EXIT_OK;
}
static int slot_of( dmg_cli_t * cli, char const * account, dmg_span_t key, uint32_t * out ) {
  bool has;
  int code = slot_find( cli, account, key, out, &has );
  return code || has ? code : dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "account %s has no such key; if it does not exist yet, `demiurge account create` makes it", account );
}

/* A key NAME-next is there.  Of a rotation whose end nobody saw: its transaction may still get into a block, and that key alone signs then. */
static int rotate_resume( dmg_cli_t * cli, char const * name, char const * next, dmg_cli_named_t const * named, dmg_cli_named_t const * left ) {
  char account[ DMG_ADDRESS_TEXT_SZ+1 ], old[ DMG_CLI_NAME_MAX+1 ];
  uint32_t slot;
  bool has;
  if( !left->has_key || !dmg_hash_eq( &left->address, &named->address ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "there is a key or account %s already, so the new key needs another name: --as NAME", next );
  dmg_address_text( &named->address, account );
  int code = slot_find( cli, account, dmg_cli_key_span( &left->key ), &slot, &has );
  if( code ) return code;
  if( !has )
    return dmg_cli_fail( cli, DMG_EXIT_CONFIRM, "Pending", "%s is of a rotation that was broken off, or waits to get into a block: the account has not that key yet. Once 480 blocks have passed and `demiurge account show %s` still has the old key alone, "
                         "`demiurge key remove %s` and rotate again; not before, as that key is the only one if it gets there", next, name, next );
  if(( code = dmg_cli_key_replace( cli, name, next, old ) )) return code;
  printf( "%s signs with the new key of the rotation before; the old one is %s\n", name, old );
  return DMG_EXIT_OK;
}

/* M1.3: the new key signs for itself, over this chain and account. */
static void possession( dmg_cli_chain_t const * chain, dmg_hash_t const * account, dmg_cli_signer_t const * signer, uint8_t out[ 64 ] ) {
  uint8_t mem[ 64+2+96 ];
  dmg_bcs_wr_t w = dmg_bcs_wr( mem, sizeof mem );
  dmg_bcs_wr_fixed( &w, chain->id.b, 32 );
  dmg_bcs_wr_fixed( &w, account->b, 32 );
  dmg_bcs_wr_u8( &w, signer->pub.scheme );
  dmg_bcs_wr_bytes( &w, dmg_cli_key_span( &signer->pub ) );
  dmg_hash_t msg = dmg_h( DMG_TAG_AUTH_POP, dmg_bcs_wr_span( &w ) );
  dmg_cli_sign( signer, &msg, out );
}

/* A new key for NAME's account: written first, so that it is never on chain without being on disk. */
static int account_rotate( dmg_cli_t * cli ) {
  dmg_cli_chain_t chain;
  dmg_cli_named_t named;
  dmg_cli_key_t key;
  dmg_cli_signer_t fresh = { 0 };
  dmg_cli_draft_t draft;
  dmg_tx_call_t call;
  dmg_jv_t r;
  unsigned scheme;
  uint32_t slot;
  uint8_t entropy[ 16 ], proof[ 64 ];
  char words[ DMG_BIP39_TEXT_MAX ], next[ DMG_CLI_NAME_MAX+1 ], old[ DMG_CLI_NAME_MAX+1 ], account[ DMG_ADDRESS_TEXT_SZ+1 ];
  char const * name = cli->arg[ 0 ], * as = dmg_cli_opt( cli, "--as" ), * says, * id;
  bool is_dry = cli->flag[ DMG_CLI_FLAG_DRY_RUN ];
  if( strlen( name )>24 ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a name of more than 24 letters leaves no room for that of the old key; --as names the new one" );
  if( !dmg_cli_named( cli, name, &named ) || !named.has_key ) return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "there is no key %s", name );
  if( named.is_dev && !as ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s is no file that a new key could take the place of; --as NAME names the new key", name );
  if( as ) snprintf( next, sizeof next, "%.32s", as );
  else     snprintf( next, sizeof next, "%s-next", name );
  dmg_cli_named_t left;
  if( !as && !is_dry && dmg_cli_named( cli, next, &left ) ) return rotate_resume( cli, name, next, &named, &left );
  cli->flag[ DMG_CLI_FLAG_FROM ] = name;
  int code = dmg_cli_scheme( cli, dmg_cli_opt( cli, "--scheme" ), &scheme );
  if( !code ) code = dmg_cli_chain( cli, &chain );
  if( !code ) code = dmg_cli_key_find( cli, name, chain.is_dev, &key );
  dmg_address_text( &named.address, account );
  if( !code ) code = slot_of( cli, account, dmg_cli_key_span( &key ), &slot );
  if( code ) return code;

  dmg_os_random( entropy, sizeof entropy );
  if( dmg_bip39_generate( DMG_SPAN( entropy ), words ) ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "no mnemonic" );
  code = dmg_cli_key_secret( cli, scheme, words, 0, fresh.secret );
  if( !code && is_dry ) code = dmg_cli_key_public( scheme, fresh.secret, &fresh.pub ) ? DMG_EXIT_OK : DMG_EXIT_INTERNAL;
  if( !code && !is_dry ) code = dmg_cli_key_write( cli, next, scheme, fresh.secret, &named.address, &fresh.pub );
  if( !code ) possession( &chain, &named.address, &fresh, proof );
  dmg_wipe( fresh.secret, sizeof fresh.secret );
  dmg_wipe( entropy, sizeof entropy );
  if( code ) goto out;
  dmg_span_t args = dmg_cli_text( cli, "{\"slot\":%u,\"key\":{\"scheme\":%u,\"key\":\"0x%s\"},\"proof\":\"0x%s\"}", slot, scheme, dmg_cli_hex_of( cli, dmg_cli_key_span( &fresh.pub ) ), dmg_cli_hex_of( cli, dmg_span( proof, 64 ) ) );
  code = dmg_cli_make_call( cli, "system", "rotate", (char const *)args.p, &call, &says );
  if( !code ) code = dmg_cli_draft( cli, &chain, &call, 1, says, &draft );
  if( is_dry ) { if( !code ) code = dmg_cli_draft_print( cli, &draft ); goto out; }
  bool is_sent = !code;
  if( !code ) code = dmg_cli_draft_run( cli, &draft, &id, &r );
  /* Refused before it was sent: the key is nobody's. */
  if( code==DMG_EXIT_CONFIRM || code==DMG_EXIT_KEY || code==DMG_EXIT_USAGE ) is_sent = false;
  if( !is_sent ) { dmg_cli_key_drop( cli, next ); goto out; }
  if( code ) { dmg_cli_say( cli, "the new key is %s; look with `demiurge account show %s` which of the two the account has", next, name ); goto out; }
  dmg_span_t status = dmg_cli_str( dmg_cli_get( r, "fields" ), "status" );
  if( !dmg_span_eq( status, DMG_SPAN_STR( "OK" ) ) ) {
    dmg_cli_key_drop( cli, next );
    code = dmg_cli_fail( cli, DMG_EXIT_REFUSED, "ChainRefused", "the transaction 0x%s ended as %.*s; the account keeps its key", id, DMG_SPAN_F( status ) );
    goto out;
  }
  if( !as && ( code = dmg_cli_key_replace( cli, name, next, old ) ) ) goto out;
  if( scheme!=DMG_SIG_P256 ) fprintf( stderr, "\nWrite these words down; they restore the new key and are not shown again:\n\n  %s\n\n", words );
  if( dmg_cli_is_data( cli ) )
    code = dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"id\":\"0x%s\",\"name\":\"%s\",\"old\":%s,\"scheme\":\"%s\",\"key\":\"0x%s\"}",
      id, as ? next : name, as ? "null" : dmg_cli_quote( cli, old ), dmg_scheme_name( scheme ), dmg_cli_hex_of( cli, dmg_cli_key_span( &fresh.pub ) ) ) );
  else printf( "%s signs with a new %s key%s%s\n", as ? next : name, dmg_scheme_name( scheme ), as ? "" : "; the old one is ", as ? "" : old );
out:
  dmg_wipe( words, sizeof words );
  return code;
}

/* ---- Several keys ---- */

/* A key of the keystore, one of the dev chain, or SCHEME:0x.. of somebody else. */
static int key_arg( dmg_cli_t * cli, char const * text, dmg_auth_init_t * out, bool * out_is_dev ) {
  char const * colon = strchr( text, ':' );
  *out        = (dmg_auth_init_t){ .level = DMG_LEVEL_OWNER, .weight = 1 };
  *out_is_dev = false;
  if( colon ) {
    unsigned scheme;
    int code = dmg_cli_scheme( cli, dmg_cli_dup( cli, dmg_span( text, (size_t)( colon-text ) ) ), &scheme );
    if( code ) return code;
    out->scheme = (uint8_t)scheme;
    if( !dmg_cli_unhex( cli, colon+1, &out->key ) || out->key.sz!=dmg_sig_key_sz( scheme ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a key of %s is 0x hex of %zu bytes", dmg_sig_scheme_text( scheme ), dmg_sig_key_sz( scheme ) );
    return DMG_EXIT_OK;
  }
  dmg_cli_named_t named;
  if( !dmg_cli_named( cli, text, &named ) ) return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "there is no key %.40s; others' keys go as SCHEME:0x..", text );
  if( !named.has_key ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s is an account of several keys, and an account is made of keys: name its keys one by one", text );
  out->scheme = named.key.scheme;
  out->key    = dmg_arena_dup( cli->arena, dmg_cli_key_span( &named.key ) );
  *out_is_dev = named.is_dev;
  return DMG_EXIT_OK;
}

/* Every key has the weight 1: a threshold counts keys. */
static int threshold( dmg_cli_t * cli, char const * flag, char const * what, uint32_t key_cnt, uint16_t * out ) {
  char const * text = dmg_cli_opt( cli, flag );
  uint64_t v = *out;
  if( text && ( !dmg_cli_number( text, key_cnt, &v ) || !v ) )
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s is how many of the %u keys named must sign to %s: 1 to %u, not %.20s", flag, key_cnt, what, key_cnt, text );
  *out = (uint16_t)v;
  return DMG_EXIT_OK;
}

/* The account's keys from the arguments behind its name, each once. */
static int keys_arg( dmg_cli_t * cli, dmg_account_init_t * init ) {
  char const * const * text = cli->arg+1;
  for( uint32_t i = 0; i<init->auth_cnt; i++ ) for( uint32_t k = 0; k<i; k++ )
    if( !strcmp( text[ k ], text[ i ] ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%.40s is named twice; each key of an account is another one", text[ i ] );
  char const * dev = NULL;
  for( uint32_t i = 0; i<init->auth_cnt; i++ ) {
    bool is_dev;
    int code = key_arg( cli, text[ i ], &init->auths[ i ], &is_dev );
    if( code ) return code;
    if( is_dev ) dev = text[ i ];
    for( uint32_t k = 0; k<i; k++ )
      if( dmg_span_eq( init->auths[ k ].key, init->auths[ i ].key ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%.40s and %.40s are the same key; each key of an account is another one", text[ k ], text[ i ] );
  }
  dmg_cli_chain_t chain;
  int code = dev ? dmg_cli_chain( cli, &chain ) : DMG_EXIT_OK;
  if( code || !dev || chain.is_dev ) return code;
  return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyDenied", "%s is a key of the dev chain, which everybody has: a name only for a genesis of kind dev; name keys of yours, or others' as SCHEME:0x..", dev );
}

static int multisig_create( dmg_cli_t * cli ) {
  dmg_account_init_t init = { .auth_cnt = cli->arg_cnt-1 };
  char const * salt = dmg_cli_opt( cli, "--salt" );
  dmg_hash_t address;
  char text[ DMG_ADDRESS_TEXT_SZ+1 ];
  if( init.auth_cnt>DMG_AUTH_SLOT_MAX ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "an account has 1 to %d keys, these are %u", DMG_AUTH_SLOT_MAX, init.auth_cnt );
  init.t_use = (uint16_t)init.auth_cnt;   /* all of them, unless less is said */
  int code = threshold( cli, "--threshold", "use the account", init.auth_cnt, &init.t_use );
  init.t_owner = init.t_use;
  if( !code ) code = threshold( cli, "--owner", "change its keys", init.auth_cnt, &init.t_owner );
  if( !code && salt && !dmg_cli_number( salt, UINT64_MAX, &init.salt ) ) code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--salt is a number from 0 to %lu, not %.40s", (unsigned long)UINT64_MAX, salt );
  if( !code ) code = keys_arg( cli, &init );
  if( code ) return code;
  dmg_verdict_t v = dmg_account_init_check( &init );
  if( v.kind!=DMG_VERDICT_GOOD ) {
    char why[ DMG_VERDICT_TEXT_MAX ];
    dmg_verdict_print( &v, why, sizeof why );
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "these keys make no account: %s", why );
  }
  if(( code = dmg_cli_account_write( cli, cli->arg[ 0 ], &init, &address ) )) return code;
  dmg_address_text( &address, text );
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"name\":\"%s\",\"address\":\"%s\",\"keys\":%u,\"use\":%u,\"owner\":%u}", cli->arg[ 0 ], text, init.auth_cnt, init.t_use, init.t_owner ) );
  printf( "%s  %s\n", cli->arg[ 0 ], text );
  dmg_cli_say( cli, "%u of %u keys use it, %u own it.  It can receive now; its first transaction, which it pays for, brings its keys.", init.t_use, init.auth_cnt, init.t_owner );
  return DMG_EXIT_OK;
}

/* An approval that had the calls run says "ready", and if they did not fail the proposal's deposit is back. */
static bool is_ready( dmg_receipt_t const * r ) { return r->result_cnt==1 && r->results[ 0 ].sz==1 && r->results[ 0 ].p[ 0 ]; }
static bool has_run ( dmg_receipt_t const * r ) { return is_ready( r ) && r->returned; }

/* REFUSED: with this approval they would run and fail; with the reason that they have as a transaction of their own, if they fail there, too. */
static int approve_check( dmg_cli_t * cli, dmg_cli_draft_t const * draft, dmg_tx_call_t * calls, uint32_t call_cnt ) {
  dmg_receipt_t * r;
  dmg_cli_effects_t effects;
  dmg_cli_refusal_t refusal = { 0 };
  if( dmg_receipt_decode( draft->effects.receipt, cli->arena, &r ).kind!=DMG_VERDICT_GOOD || !is_ready( r ) || has_run( r ) ) return DMG_EXIT_OK;
  dmg_tx_t own = draft->tx;
  own.calls    = calls;
  own.call_cnt = call_cnt;
  bool has_why = dmg_cli_tx_effects( cli, &own, &effects, &refusal ) && refusal.code;
  return dmg_cli_fail( cli, DMG_EXIT_REFUSED, has_why ? refusal.name : "ChainRefused", "with this approval the proposal's calls would run, and fail%s%s; nothing was sent, it stays as it is", has_why ? ": " : "", has_why ? refusal.message : "" );
}

/* Sends one call of System for the account of arg 0; approves: which approves these.  out_id NULL: a dry run; out_receipt NULL: not waited for. */
static int msig_send( dmg_cli_t * cli, dmg_cli_chain_t const * chain, char const * name, dmg_span_t args, char const * what, dmg_tx_call_t * approves, uint32_t approve_cnt, char const ** out_id, dmg_receipt_t ** out_receipt ) {
  dmg_tx_call_t call;
  dmg_cli_draft_t draft;
  dmg_jv_t r;
  cli->flag[ DMG_CLI_FLAG_FROM ] = cli->arg[ 0 ];
  *out_receipt = NULL;
  int code = dmg_cli_make_call( cli, "system", name, (char const *)args.p, &call, NULL );
  if( !code ) code = dmg_cli_draft( cli, chain, &call, 1, what, &draft );
  if( !code && approve_cnt ) code = approve_check( cli, &draft, approves, approve_cnt );
  if( code ) return code;
  if( cli->flag[ DMG_CLI_FLAG_DRY_RUN ] ) { *out_id = NULL; return dmg_cli_draft_print( cli, &draft ); }
  code = dmg_cli_draft_run( cli, &draft, out_id, &r );
  if( code || dmg_jv_is_absent( r ) ) return code;
  dmg_span_t status = dmg_cli_str( dmg_cli_get( r, "fields" ), "status" );
  if( !dmg_span_eq( status, DMG_SPAN_STR( "OK" ) ) ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "ChainRefused", "the transaction 0x%s ended as %.*s", *out_id, DMG_SPAN_F( status ) );
  if( dmg_receipt_decode( dmg_cli_hex( cli, r, "receipt" ), cli->arena, out_receipt ).kind!=DMG_VERDICT_GOOD ) return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "the node's receipt does not decode" );
  return DMG_EXIT_OK;
}

static int multisig_propose( dmg_cli_t * cli ) {
  dmg_cli_chain_t chain;
  dmg_tx_call_t inner;
  char const * says, * id, * level = dmg_cli_opt( cli, "--level" );
  dmg_receipt_t * r;
  int code = dmg_cli_chain( cli, &chain );
  if( !code ) code = dmg_cli_make_call( cli, cli->arg[ 1 ], cli->arg[ 2 ], cli->arg_cnt>3 ? cli->arg[ 3 ] : NULL, &inner, &says );
  if( code ) return code;
  dmg_span_t args = dmg_cli_text( cli, "{\"calls\":[{\"module\":%u,\"call\":%u,\"schema\":\"0x%s\",\"args\":\"0x%s\"}],\"level\":%u}", inner.module, inner.call, dmg_cli_hex_of( cli, dmg_hash_span( &inner.schema ) ),
                                  dmg_cli_hex_of( cli, inner.args ), level && !strcmp( level, "owner" ) ? DMG_LEVEL_OWNER : DMG_LEVEL_USE );
  code = msig_send( cli, &chain, "msig_propose", args, dmg_cli_dup( cli, dmg_cli_text( cli, "Propose for %s: %s", cli->arg[ 0 ], says ? says : "" ) ), NULL, 0, &id, &r );
  if( code || !id ) return code;
  char number[ 16 ] = "null";
  if( r && r->result_cnt && r->results[ 0 ].sz==4 ) snprintf( number, sizeof number, "%u", dmg_load_u32le( r->results[ 0 ].p ) );
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"id\":\"0x%s\",\"proposal\":%s}", id, number ) );
  if( r )        printf( "proposal %s\n", number );
  else           printf( "0x%s\n", id );
  return DMG_EXIT_OK;
}

/* One of the account's keys, and whether it approved; counts: at the proposal's level. */
typedef struct { char const * name, * scheme, * key; char address[ DMG_ADDRESS_TEXT_SZ+1 ]; uint32_t weight; bool has_approved, counts; } voter_t;

typedef struct {
  dmg_span_t   json;                     /* as the module tells it */
  char const * words;                    /* its calls */
  uint64_t     until_ms;
  uint32_t     approvals, level;         /* approvals: bit i of the key in slot i */
  voter_t      voter[ 16 ];
  uint32_t     voter_cnt, weight, needed;
  dmg_tx_call_t calls[ DMG_TX_CALL_MAX ];
  uint32_t     call_cnt;
} proposal_t;

static void proposal_words( dmg_cli_t * cli, dmg_jv_t calls, proposal_t * p ) {
  dmg_buf_t words = dmg_buf( 1<<20 );
  for( dmg_jv_t e = dmg_jv_first( calls ); !dmg_jv_is_absent( e ); e = dmg_jv_next( calls, e ) ) {
    uint32_t module = 0, call = 0;
    dmg_jv_u32( dmg_cli_get( e, "module" ), &module );
    dmg_jv_u32( dmg_cli_get( e, "call" ), &call );
    dmg_tx_call_t c = { .module = (uint16_t)module, .call = (uint16_t)call, .schema = dmg_cli_hash( e, "schema" ), .args = dmg_cli_hex( cli, e, "args" ) };
    if( p->call_cnt<DMG_TX_CALL_MAX ) p->calls[ p->call_cnt++ ] = c;
    char const * says = dmg_cli_says( cli, &c );
    if( says ) (void)!dmg_buf_printf( &words, "%s%s", words.sz ? "; " : "", says );
    else       (void)!dmg_buf_printf( &words, "%sUNKNOWN CALL: module %u call %u", words.sz ? "; " : "", module, call );
  }
  p->words = dmg_cli_dup( cli, dmg_buf_span( &words ) );
  dmg_cli_plain( (char *)(uintptr_t)p->words );
  dmg_buf_fini( &words );
}

/* The account's keys by slot: a key is told by the account that it alone would sign for. */
static int proposal_voters( dmg_cli_t * cli, char const * account, bool is_dev, proposal_t * p ) {
  dmg_span_t at;
  dmg_jv_t r;
  int code = dmg_cli_at_flag( cli, &at );
  if( !code ) code = dmg_cli_call( cli, "account_get", dmg_cli_text( cli, "{\"account\":\"%s\"%.*s}", account, DMG_SPAN_F( at ) ), &r );
  if( code ) return code;
  dmg_jv_u32( dmg_cli_get( dmg_cli_get( r, "thresholds" ), p->level==DMG_LEVEL_OWNER ? "owner" : "use" ), &p->needed );
  dmg_jv_t auths = dmg_cli_get( r, "auths" );
  for( dmg_jv_t e = dmg_jv_first( auths ); !dmg_jv_is_absent( e ) && p->voter_cnt<16; e = dmg_jv_next( auths, e ) ) {
    voter_t * v = &p->voter[ p->voter_cnt++ ];
    uint32_t slot = 0;
    unsigned scheme = 0;
    dmg_span_t name = dmg_cli_str( e, "scheme" );
    while( scheme<DMG_SIG_SCHEME_CNT && !dmg_span_eq( name, dmg_span_cstr( dmg_scheme_name( scheme ) ) ) ) scheme++;
    dmg_account_init_t init = dmg_account_init_plain( scheme, dmg_cli_hex( cli, e, "key" ) );
    if( scheme==DMG_SIG_SCHEME_CNT || init.auths[ 0 ].key.sz!=dmg_sig_key_sz( scheme ) || !dmg_jv_u32( dmg_cli_get( e, "slot" ), &slot ) || slot>15 || !dmg_jv_u32( dmg_cli_get( e, "weight" ), &v->weight ) )
      return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "the node's keys of %s are none: it may speak another version", account );
    dmg_hash_t address = dmg_address_of( &init );
    dmg_address_text( &address, v->address );
    v->name   = dmg_cli_name_of( cli, &address, is_dev );
    v->scheme = dmg_scheme_name( scheme );
    v->key    = dmg_cli_hex_of( cli, init.auths[ 0 ].key );
    v->has_approved = p->approvals>>slot&1;
    v->counts = p->level==DMG_LEVEL_USE || dmg_span_eq( dmg_cli_str( e, "level" ), DMG_SPAN_STR( "owner" ) );
    if( v->has_approved && v->counts ) p->weight += v->weight;
  }
  return DMG_EXIT_OK;
}

/* Proposal arg 1 of account arg 0, if it is open still. */
static int proposal_open( dmg_cli_t * cli, bool is_dev, proposal_t * out, bool * out_is_open ) {
  dmg_hash_t account;
  char text[ DMG_ADDRESS_TEXT_SZ+1 ], why[ 160 ];
  uint64_t number;
  dmg_span_t at;
  dmg_jv_t v;
  *out         = (proposal_t){ .words = "" };
  *out_is_open = false;
  if( !dmg_cli_number( cli->arg[ 1 ], UINT32_MAX, &number ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "PROPOSAL is a number, not %.40s", cli->arg[ 1 ] );
  int code = dmg_cli_account( cli, cli->arg[ 0 ], &account );
  if( code ) return code;
  dmg_address_text( &account, text );
  code = dmg_cli_query( cli, "system", "msig", (char const *)dmg_cli_text( cli, "{\"account\":\"%s\",\"id\":%lu}", text, (unsigned long)number ).p, &out->json, &at );
  if( code ) return code;
  *out_is_open = !dmg_span_eq( out->json, DMG_SPAN_STR( "null" ) );
  if( !*out_is_open ) return DMG_EXIT_OK;
  dmg_json_t * json = dmg_json_new();
  bool is_good = json && dmg_json_parse( json, out->json, &v, why );
  if( is_good ) {
    dmg_jv_u32( dmg_cli_get( v, "approvals" ), &out->approvals );
    dmg_jv_u32( dmg_cli_get( v, "level" ), &out->level );
    out->until_ms = dmg_cli_u64( v, "until_ms" );
    proposal_words( cli, dmg_cli_get( v, "calls" ), out );
  }
  dmg_json_free( json );
  return is_good ? proposal_voters( cli, text, is_dev, out ) : dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "the proposal is no JSON" );
}
static int proposal( dmg_cli_t * cli, bool is_dev, proposal_t * out ) {
  bool is_open;
  int code = proposal_open( cli, is_dev, out, &is_open );
  return code || is_open ? code : dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "%s has no open proposal %s", cli->arg[ 0 ], cli->arg[ 1 ] );
}

/* "1 of 2: alice (dmg1..)" */
static char const * approvals_text( dmg_cli_t * cli, proposal_t const * p ) {
  dmg_buf_t out = dmg_buf( 65536 );
  (void)!dmg_buf_printf( &out, "%u of %u", p->weight, p->needed );
  for( uint32_t i = 0, n = 0; i<p->voter_cnt; i++ ) {
    voter_t const * v = &p->voter[ i ];
    if( !v->has_approved ) continue;
    (void)!dmg_buf_printf( &out, "%s%s%s%s%s", n++ ? ", " : ": ", v->name ? v->name : "", v->name ? " (" : "", v->address, v->name ? ")" : "" );
    if( v->weight!=1 ) (void)!dmg_buf_printf( &out, " of weight %u", v->weight );
    if( !v->counts )   (void)!dmg_buf_printf( &out, ", whose key does not count here" );
  }
  char const * text = dmg_cli_dup( cli, dmg_buf_span( &out ) );
  dmg_buf_fini( &out );
  return text;
}

static int multisig_show( dmg_cli_t * cli ) {
  dmg_cli_chain_t chain;
  proposal_t p;
  char ends[ 32 ];
  int code = dmg_cli_chain( cli, &chain );
  if( !code ) code = proposal( cli, chain.is_dev, &p );
  if( code ) return code;
  if( dmg_cli_is_data( cli ) ) {
    dmg_buf_t buf = dmg_buf( 1<<20 );
    (void)!dmg_buf_printf( &buf, "%.*s,\"weight\":%u,\"needed\":%u,\"keys\":[", (int)p.json.sz-1, (char const *)p.json.p, p.weight, p.needed );   /* without its last brace */
    for( uint32_t i = 0; i<p.voter_cnt; i++ ) {
      voter_t const * v = &p.voter[ i ];
      (void)!dmg_buf_printf( &buf, "%s{\"address\":\"%s\",\"scheme\":\"%s\",\"key\":\"0x%s\",\"weight\":%u,\"counts\":%s,\"hasApproved\":%s}", i ? "," : "", v->address, v->scheme, v->key, v->weight, v->counts ? "true" : "false",
                             v->has_approved ? "true" : "false" );
    }
    (void)!dmg_buf_printf( &buf, "]}" );
    code = dmg_cli_print_json( cli, dmg_buf_span( &buf ) );
    dmg_buf_fini( &buf );
    return code;
  }
  time_t until = (time_t)( p.until_ms/1000 );
  struct tm tm;
  if( !gmtime_r( &until, &tm ) || !strftime( ends, sizeof ends, "%Y-%m-%d %H:%M UTC", &tm ) ) snprintf( ends, sizeof ends, "-" );
  printf( "%s\napproved  %s\n", p.words, approvals_text( cli, &p ) );
  for( uint32_t i = 0; i<p.voter_cnt; i++ ) {
    voter_t const * v = &p.voter[ i ];
    if( !v->has_approved && v->counts ) printf( "not yet   %s%s%s%s\n", v->name ? v->name : "", v->name ? " (" : "", v->address, v->name ? ")" : "" );
  }
  printf( "level     %s\nends      %s\n", p.level==DMG_LEVEL_OWNER ? "owner" : "use", ends );
  return DMG_EXIT_OK;
}

static int msig_vote( dmg_cli_t * cli, char const * call, char const * verb ) {
  dmg_cli_chain_t chain;
  proposal_t p;
  dmg_receipt_t * r;
  char const * id;
  bool is_open, is_approve = !strcmp( call, "msig_approve" );
  int code = dmg_cli_chain( cli, &chain );
  if( !code ) code = proposal( cli, chain.is_dev, &p );
  if( code ) return code;
  char const * what = dmg_cli_dup( cli, dmg_cli_text( cli, "%s proposal %s of %s: %s\n  approved %s", verb, cli->arg[ 1 ], cli->arg[ 0 ], p.words, approvals_text( cli, &p ) ) );
  code = msig_send( cli, &chain, call, dmg_cli_text( cli, "{\"id\":%s}", cli->arg[ 1 ] ), what, p.calls, is_approve ? p.call_cnt : 0, &id, &r );
  if( code || !id ) return code;
  if( is_approve && r && is_ready( r ) && !has_run( r ) )
    return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "ChainRefused", "approved by 0x%s, but its calls failed when they ran, and did nothing: proposal %s stays open, and the next approval tries again", id, cli->arg[ 1 ] );
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print_json( cli, dmg_cli_text( cli, is_approve && r ? "{\"id\":\"0x%s\",\"ready\":%s}" : "{\"id\":\"0x%s\"}", id, r && is_ready( r ) ? "true" : "false" ) );
  if( !r )                 printf( "0x%s\n", id );
  else if( !is_approve )   printf( "cancelled\n" );
  else if( is_ready( r ) ) printf( "approved, and done: its calls ran\n" );
  else if( ( code = proposal_open( cli, chain.is_dev, &p, &is_open ) ) ) return code;
  else if( is_open )       printf( "approved by %s; more keys are needed\n", approvals_text( cli, &p ) );
  else                     printf( "approved; it is open no more, another key ended it since\n" );
  return code;
}
static int multisig_approve( dmg_cli_t * cli ) { return msig_vote( cli, "msig_approve", "Approve" ); }
static int multisig_cancel ( dmg_cli_t * cli ) { return msig_vote( cli, "msig_cancel", "Cancel" ); }

dmg_cli_cmd_t const dmg_cmds_account[] = {
  { "account show", "ACCOUNT", 1, 1, "keys, thresholds, balances and nonce", NULL, account_show, DMG_CLI_AT, {{ 0 }} },
  { "account create", "NAME", 1, 1, "bring an account's keys on chain now, by an empty first transaction",
    "  Any first transaction does; the account must hold enough to pay for it.  Of an account of several keys --key names those that sign.", account_create, DMG_CLI_TX, {{ 0 }} },
  { "account rotate", "NAME", 1, 1, "give an account a new key in the place of key NAME; its address stays",
    "  The new key takes the name, the old one goes on as NAME-old1.  Asks for the new key's passphrase, then for the old one's.", account_rotate, DMG_CLI_FROM|DMG_CLI_SENDS|DMG_CLI_FOLLOWS,
    { { "--as", "NAME", "name the new key so, and leave the old file alone" }, { "--scheme", "ed25519|secp256k1|p256", "kind of the new key (default ed25519)" } } },
  { "multisig create", "NAME KEY..", 2, DMG_CLI_ARG_MAX, "an account of several keys: its address, and a file NAME that says so",
    "  KEY  a key of the keystore, or SCHEME:0x.. of somebody else, 1 to 16 of them; on a dev chain also alice to judy.  Nothing is sent, and no secret is needed.", multisig_create, 0,
    { { "--threshold", "N", "how many keys use it (default all)" }, { "--owner", "N", "how many own it: change its keys (default as --threshold)" }, { "--salt", "N", "another account of the same keys" } } },
  { "multisig propose", "ACCOUNT MODULE CALL [ARGS]", 3, 4, "put a call up for approval on chain, for 7 days", "  One of its keys is enough: --key names it.  ARGS as of `demiurge call`.", multisig_propose, DMG_CLI_TX,
    { { "--level", "use|owner", "whose threshold it needs (default use)" } } },
  { "multisig approve", "ACCOUNT PROPOSAL", 2, 2, "approve a proposal; at the threshold its calls run", "  --key names the keys that approve.", multisig_approve, DMG_CLI_TX, {{ 0 }} },
  { "multisig cancel", "ACCOUNT PROPOSAL", 2, 2, "take a proposal back", NULL, multisig_cancel, DMG_CLI_TX, {{ 0 }} },
  { "multisig show", "ACCOUNT PROPOSAL", 2, 2, "an open proposal: its calls in words, approvals, end", NULL, multisig_show, DMG_CLI_AT, {{ 0 }} },
  { 0 }
};
