/* tx: building, signing, sending, following and replacing transactions, step by step. */
#include "base/os.h"
#include "cli/draft.h"
#include "crypto/bech32.h"

#include <stdio.h>
#include <stdlib.h>

static int id_of( dmg_cli_t * cli, char const * a, char const ** out_hex ) {
  dmg_hash_t id;
  if( !dmg_cli_hex_exact( a, id.b, 32 ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a transaction id is 0x and 64 hex digits, not \"%.80s\"", a );
  *out_hex = dmg_cli_hex_of( cli, dmg_hash_span( &id ) );   /* in lower case */
  return DMG_EXIT_OK;
}

/* BYTES: 0x hex, @FILE or -. */
static int bytes_of( dmg_cli_t * cli, char const * arg, dmg_tx_t ** out ) {
  dmg_span_t text, raw;
  int code = dmg_cli_slurp( cli, arg, &text );
  if( code ) return code;
  while( text.sz && ( text.p[ text.sz-1 ]=='\n' || text.p[ text.sz-1 ]==' ' ) ) text.sz--;
  if( !dmg_cli_unhex( cli, dmg_cli_dup( cli, text ), &raw ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a transaction is 0x hex of its bytes, or @FILE or - with them" );
  dmg_verdict_t v = dmg_tx_decode( raw, cli->arena, out );
  if( v.kind==DMG_VERDICT_GOOD ) return DMG_EXIT_OK;
  char why[ DMG_VERDICT_TEXT_MAX ];
  dmg_verdict_print( &v, why, sizeof why );
  return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "not a transaction: %s", why );
}

/* ---- Reading ---- */

static int tx_receipt( dmg_cli_t * cli ) {
  char const * hex;
  int code = id_of( cli, cli->arg[ 0 ], &hex );
  return code ? code : dmg_cli_receipt( cli, hex, false );
}

static int tx_watch( dmg_cli_t * cli ) {
  char const * hex, * until = cli->flag[ DMG_CLI_FLAG_WAIT ] ? cli->flag[ DMG_CLI_FLAG_WAIT ] : "final";
  int code = id_of( cli, cli->arg[ 0 ], &hex );
  if( code ) return code;
  if( strcmp( until, "none" ) ) dmg_cli_submitted( cli, hex );
  if( strcmp( until, "none" ) && ( code = dmg_cli_wait( cli, hex, until ) ) ) return code;
  if( strcmp( until, "none" ) && strcmp( until, "pooled" ) ) return dmg_cli_receipt( cli, hex, true );
  return DMG_EXIT_OK;
}

static int tx_show( dmg_cli_t * cli ) {
  char const * hex;
  dmg_jv_t r;
  int code = id_of( cli, cli->arg[ 0 ], &hex );
  if( !code ) code = dmg_cli_call( cli, "tx_get", dmg_cli_text( cli, "{\"id\":\"0x%s\"}", hex ), &r );
  return code ? code : dmg_cli_print( cli, r );
}

static int tx_status( dmg_cli_t * cli ) {
  dmg_buf_t list = dmg_buf( 65536 );
  dmg_jv_t r;
  int code = DMG_EXIT_OK;
  for( uint32_t i = 0; i<cli->arg_cnt && !code; i++ ) {
    char const * hex;
    code = id_of( cli, cli->arg[ i ], &hex );
    if( !code && dmg_buf_printf( &list, "%s\"0x%s\"", i ? "," : "", hex ) ) code = dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" );
  }
  if( !code ) code = dmg_cli_call( cli, "tx_status", dmg_cli_text( cli, "{\"ids\":[%.*s]}", DMG_SPAN_F( list ) ), &r );
  dmg_buf_fini( &list );
  if( code ) return code;
  return dmg_cli_print( cli, cli->arg_cnt>1 ? r : dmg_jv_first( dmg_cli_get( r, "items" ) ) );
}

/* ---- Building ---- */

/* MODULE CALL [ARGS], or --calls with a list of {module, call, args}. */
static int tx_build( dmg_cli_t * cli ) {
  dmg_cli_chain_t chain;
  dmg_tx_call_t calls[ DMG_TX_CALL_MAX ];
  dmg_cli_draft_t draft;
  uint32_t cnt = 0;
  char const * file = dmg_cli_opt( cli, "--calls" ), * says = NULL;
  if( !file == ( cli->arg_cnt<2 ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "either MODULE CALL [ARGS], or --calls @FILE with a list of {\"module\", \"call\", \"args\"}" );
  int code = dmg_cli_chain( cli, &chain );
  if( code ) return code;
  if( !file ) {
    code = dmg_cli_make_call( cli, cli->arg[ 0 ], cli->arg[ 1 ], cli->arg_cnt>2 ? cli->arg[ 2 ] : NULL, &calls[ cnt++ ], &says );
  } else {
    dmg_span_t text;
    dmg_jv_t list;
    char why[ 160 ];
    dmg_json_t * json = dmg_json_new();   /* cli->own reads each call's arguments meanwhile */
    if( !json ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" );
    code = dmg_cli_slurp( cli, file, &text );
    if( !code && !dmg_json_parse( json, text, &list, why ) ) code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "--calls is no JSON: %s", why );
    if( !code && ( dmg_jv_type( list )!=DMG_JSON_ARRAY || !dmg_jv_cnt( list ) || dmg_jv_cnt( list )>DMG_TX_CALL_MAX ) ) code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "--calls is a list of 1 to %d calls", DMG_TX_CALL_MAX );
    for( dmg_jv_t e = code ? (dmg_jv_t){ 0 } : dmg_jv_first( list ); !dmg_jv_is_absent( e ) && !code; e = dmg_jv_next( list, e ) ) {
      dmg_jv_t module = dmg_jv_get( e, "module" ), name = dmg_jv_get( e, "call" ), args = dmg_jv_get( e, "args" );
      bool is_good = dmg_jv_type( e )==DMG_JSON_OBJECT && !dmg_jv_is_absent( module ) && dmg_jv_type( module )==DMG_JSON_STRING && !dmg_jv_is_absent( name ) && dmg_jv_type( name )==DMG_JSON_STRING
                     && dmg_jv_cnt( e )==( dmg_jv_is_absent( args ) ? 2u : 3u );
      if( !is_good ) { code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "call %u wants {\"module\": name, \"call\": name, \"args\": ..} and no other member", cnt ); break; }
      char const * args_text = NULL, * one;
      if( !dmg_jv_is_absent( args ) ) {
        dmg_buf_t buf = dmg_buf( 1<<20 );
        dmg_jw_t w = dmg_jw( &buf );
        dmg_jw_value( &w, args );
        /* A string is hex of BCS, as on the command line. */
        args_text = dmg_cli_dup( cli, dmg_jv_type( args )==DMG_JSON_STRING ? dmg_jv_text( args ) : dmg_buf_span( &buf ) );
        dmg_buf_fini( &buf );
      }
      code = dmg_cli_make_call( cli, dmg_cli_dup( cli, dmg_jv_text( module ) ), dmg_cli_dup( cli, dmg_jv_text( name ) ), args_text, &calls[ cnt++ ], &one );
      if( !code ) says = says ? (char const *)dmg_cli_text( cli, "%s; %s", says, one ? one : "" ).p : one;
    }
    dmg_json_free( json );
  }
  if( !code ) code = dmg_cli_draft( cli, &chain, calls, cnt, says ? says : "", &draft );
  return code ? code : dmg_cli_draft_print( cli, &draft );
}

/* What a decoded transaction does, a line a call; lines of effects may follow. */
static void put_words( dmg_cli_t * cli, dmg_tx_t const * tx, bool is_offline, dmg_buf_t * out ) {
  char sender[ DMG_ADDRESS_TEXT_SZ+1 ], most[ DMG_CLI_AMOUNT_SZ ];
  for( uint32_t i = 0; i<tx->call_cnt; i++ ) {
    char const * says = is_offline ? NULL : dmg_cli_says( cli, &tx->calls[ i ] );
    if( says ) (void)!dmg_buf_printf( out, "%s\n", says );
    else       (void)!dmg_buf_printf( out, "UNKNOWN CALL: module %u call %u schema 0x%s args 0x%s\n", tx->calls[ i ].module, tx->calls[ i ].call, dmg_cli_hex_of( cli, dmg_hash_span( &tx->calls[ i ].schema ) ), dmg_cli_hex_of( cli, tx->calls[ i ].args ) );
  }
  dmg_address_text( &tx->sender, sender );
  dmg_cli_amount_text( tx->fee_max, most );
  (void)!dmg_buf_printf( out, "  from %s, lane %u nonce %lu\n  chain 0x%s\n  fee  at most %s; gas %lu; expires at height %lu", sender, tx->lane, (unsigned long)tx->nonce, dmg_cli_hex_of( cli, dmg_hash_span( &tx->chain ) ), most,
                         (unsigned long)tx->gas, (unsigned long)tx->expiry );
}

/* For the terminal. */
static char const * plain( dmg_cli_t * cli, dmg_buf_t * out ) {
  char * text = (char *)(uintptr_t)dmg_cli_dup( cli, dmg_buf_span( out ) );
  dmg_cli_plain( text );
  dmg_buf_fini( out );
  return text;
}

/* F1.5: what is signed, and unless is_offline what it would do.  That it would fail now hinders nobody: it may lack signatures, funds or its turn yet. */
static int shown( dmg_cli_t * cli, dmg_tx_t const * tx, bool is_offline, bool is_dev, char const ** out ) {
  dmg_cli_effects_t effects;
  dmg_cli_refusal_t refusal = { 0 };
  dmg_buf_t buf = dmg_buf( 16<<20 );
  int code = is_offline ? DMG_EXIT_OK : dmg_cli_tx_effects( cli, tx, &effects, &refusal );
  if( code && !refusal.code ) return code;
  put_words( cli, tx, is_offline, &buf );
  if( code ) (void)!dmg_buf_printf( &buf, "\n  now  %s: %s", refusal.name, refusal.message );
  else if( !is_offline ) {
    char fee[ DMG_CLI_AMOUNT_SZ ];
    dmg_cli_amount_text( effects.fee, fee );
    dmg_cli_effects_text( cli, &effects, &tx->sender, is_dev, &buf );
    (void)!dmg_buf_printf( &buf, "\n  cost %s now", fee );
  }
  *out = plain( cli, &buf );
  return DMG_EXIT_OK;
}

/* Whether a key is one of the sender's; offline only a first transaction tells. */
static int check_of_account( dmg_cli_t * cli, dmg_tx_t const * tx, dmg_cli_key_t const * key, bool is_offline ) {
  char account[ DMG_ADDRESS_TEXT_SZ+1 ];
  bool has = false;
  dmg_address_text( &tx->sender, account );
  if( tx->init ) for( uint32_t i = 0; i<tx->init->auth_cnt; i++ ) has |= dmg_span_eq( tx->init->auths[ i ].key, dmg_cli_key_span( key ) );
  else if( is_offline ) { dmg_cli_say( cli, "%s is none of the keys that this transaction was made for; if it is no key of %s the transaction is refused", key->name, account ); return DMG_EXIT_OK; }
  else {
    dmg_jv_t r;
    int code = dmg_cli_call( cli, "account_get", dmg_cli_text( cli, "{\"account\":\"%s\"}", account ), &r );
    if( code ) return code;
    dmg_jv_t auths = dmg_cli_get( r, "auths" );
    for( dmg_jv_t e = dmg_jv_first( auths ); !dmg_jv_is_absent( e ); e = dmg_jv_next( auths, e ) ) has |= dmg_span_eq( dmg_cli_hex( cli, e, "key" ), dmg_cli_key_span( key ) );
  }
  return has ? DMG_EXIT_OK : dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "%s is no key of %s, whose transaction this is: its signature would have it refused for good", key->name, account );
}

static int tx_sign( dmg_cli_t * cli ) {
  dmg_tx_t * tx;
  dmg_cli_chain_t chain = { .is_dev = false };
  dmg_cli_key_t keys[ DMG_TX_SIG_MAX ];
  dmg_tx_sig_t sigs[ DMG_TX_SIG_MAX ];
  uint8_t mem[ DMG_TX_SIG_MAX ][ 64 ];
  uint32_t cnt = 0;
  bool is_offline = dmg_cli_opt( cli, "--offline" );
  char const * names = cli->flag[ DMG_CLI_FLAG_KEY ];
  if( !names ) names = cli->flag[ DMG_CLI_FLAG_FROM ];
  if( !names ) names = getenv( "DEMIURGE_FROM" );
  if( !names || !*names ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "whose keys sign? --key NAME, or several with commas between" );
  int code = bytes_of( cli, cli->arg[ 0 ], &tx );
  if( code ) return code;
  if( tx->auth!=DMG_TX_AUTH_KEYS ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the transaction is not one that keys sign" );
  if( !is_offline ) {
    if(( code = dmg_cli_chain( cli, &chain ) )) return code;
    if( !dmg_hash_eq( &chain.id, &tx->chain ) ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "TxRejected", "the transaction is of another chain than the node; --offline signs without a node" );
  }
  memcpy( sigs, tx->sigs, tx->sig_cnt*sizeof *sigs );
  for( char const * p = names; *p; ) {
    size_t n = strcspn( p, "," );
    if( cnt==DMG_TX_SIG_MAX ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "at most %d keys sign", DMG_TX_SIG_MAX );
    if(( code = dmg_cli_key_find( cli, dmg_cli_dup( cli, dmg_span( p, n ) ), chain.is_dev, &keys[ cnt++ ] ) )) return code;
    p += n+( p[ n ]==',' );
  }
  char const * what;
  if(( code = shown( cli, tx, is_offline, chain.is_dev, &what ) )) return code;
  if(( code = dmg_cli_confirm( cli, what, "Sign?" ) )) return code;
  uint32_t sig_cnt = tx->sig_cnt;
  for( uint32_t k = 0; k<cnt; k++ ) {
    dmg_cli_signer_t signer;
    uint32_t i = 0;
    while( i<sig_cnt && !dmg_span_eq( sigs[ i ].key, dmg_cli_key_span( &keys[ k ] ) ) ) i++;
    /* A place of its own for a key it was not made for: of the account's it may be any (VOID_KEYS otherwise). */
    if( i==sig_cnt && ( code = check_of_account( cli, tx, &keys[ k ], is_offline ) ) ) return code;
    if( i==DMG_TX_SIG_MAX ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "at most %d keys sign", DMG_TX_SIG_MAX );
    if( i==sig_cnt ) sig_cnt++;
    if(( code = dmg_cli_unlock( cli, &keys[ k ], &signer ) )) return code;
    dmg_cli_sign( &signer, &tx->id, mem[ k ] );
    dmg_cli_signer_wipe( &signer );
    sigs[ i ] = (dmg_tx_sig_t){ .scheme = keys[ k ].scheme, .key = dmg_cli_key_span( &keys[ k ] ), .sig = dmg_span( mem[ k ], 64 ) };
  }
  dmg_tx_t signed_tx = *tx;
  signed_tx.sigs    = sigs;
  signed_tx.sig_cnt = sig_cnt;
  dmg_buf_t buf = dmg_buf( DMG_TX_SZ_MAX );
  if( dmg_tx_encode( &signed_tx, &buf ) ) { dmg_buf_fini( &buf ); return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "with these signatures the transaction passes 65,536 bytes" ); }
  char const * hex = dmg_cli_hex_of( cli, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  uint32_t missing = 0;
  for( uint32_t i = 0; i<sig_cnt; i++ ) missing += dmg_is_zero( sigs[ i ].sig.p, sigs[ i ].sig.sz );
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"id\":\"0x%s\",\"tx\":\"0x%s\",\"signatures\":%u,\"missing\":%u}", dmg_cli_hex_of( cli, dmg_hash_span( &tx->id ) ), hex, sig_cnt, missing ) );
  if( missing ) dmg_cli_say( cli, "%u of %u signatures are missing yet", missing, sig_cnt );
  printf( "0x%s\n", hex );
  return DMG_EXIT_OK;
}

static int tx_preview( dmg_cli_t * cli ) {
  dmg_tx_t * tx;
  dmg_cli_chain_t chain;
  dmg_cli_effects_t e;
  dmg_cli_refusal_t refusal = { 0 };
  char cost[ DMG_CLI_AMOUNT_SZ ], most[ DMG_CLI_AMOUNT_SZ ];
  int code = bytes_of( cli, cli->arg[ 0 ], &tx );
  if( !code ) code = dmg_cli_chain( cli, &chain );
  if( code ) return code;
  /* One without gas or fee maximum is asked about with those that it would get. */
  dmg_tx_t priced = *tx;
  if(( code = dmg_cli_tx_price( cli, &priced ) )) return code;
  bool is_priced = priced.gas!=tx->gas || priced.fee_max!=tx->fee_max;
  code = dmg_cli_tx_effects( cli, &priced, &e, &refusal );
  if( code ) return refusal.code ? dmg_cli_fail( cli, code, refusal.name, "%s", refusal.message ) : code;
  dmg_buf_t buf = dmg_buf( 16<<20 );
  if( dmg_cli_is_data( cli ) ) {
    dmg_jw_t w = dmg_jw( &buf );
    dmg_jw_open( &w, '{' );
    dmg_jw_khash( &w, "id", &tx->id );
    dmg_jw_ku64 ( &w, "gas", priced.gas );
    dmg_jw_ku64 ( &w, "gasToSet", e.gas_to_set );
    dmg_jw_ku64 ( &w, "feeMax", priced.fee_max );
    dmg_cli_effects_json( cli, &e, &w );
    dmg_jw_close( &w, '}' );
    code = dmg_cli_print_json( cli, dmg_buf_span( &buf ) );
    dmg_buf_fini( &buf );
    return code;
  }
  put_words( cli, tx, false, &buf );
  dmg_cli_effects_text( cli, &e, &tx->sender, chain.is_dev, &buf );
  dmg_cli_amount_text( e.fee, cost );
  dmg_cli_amount_text( priced.fee_max, most );
  (void)!dmg_buf_printf( &buf, "\n  ends OK\n  gas  %lu used, %lu to set\n  cost %s now", (unsigned long)e.gas_used, (unsigned long)e.gas_to_set, cost );
  if( is_priced ) (void)!dmg_buf_printf( &buf, ", with a limit of %lu gas and at most %s, which it does not set", (unsigned long)priced.gas, most );
  printf( "%s\n", plain( cli, &buf ) );
  return DMG_EXIT_OK;
}

/* ---- Sending ---- */

typedef struct { char const * id; dmg_cli_refusal_t refusal; } outcome_t;

static void submit_one( dmg_cli_t * cli, dmg_span_t text, outcome_t * out ) {
  dmg_jv_t r;
  while( text.sz && ( text.p[ text.sz-1 ]=='\n' || text.p[ text.sz-1 ]==' ' ) ) text.sz--;
  int code = dmg_cli_try( cli, "tx_submit", dmg_cli_text( cli, "{\"tx\":%s}", dmg_cli_quote( cli, dmg_cli_dup( cli, text ) ) ), &r, &out->refusal );
  out->id = NULL;
  /* A failure of the connection was told already; each that it hit is said to have failed. */
  if( code && !out->refusal.code ) { out->refusal.code = code; snprintf( out->refusal.name, sizeof out->refusal.name, "Unavailable" ); snprintf( out->refusal.message, sizeof out->refusal.message, "the node did not answer" ); }
  if( code ) return;
  dmg_hash_t id = dmg_cli_hash( r, "id" );
  out->id = dmg_cli_hex_of( cli, dmg_hash_span( &id ) );
  dmg_cli_submitted( cli, out->id );
}

/* One or many: arguments, or lines of a file.  Each stands alone; 9 if some were taken and some not. */
static int tx_submit( dmg_cli_t * cli ) {
  enum { BATCH_MAX = 10000 };
  uint32_t cnt = 0, bad = 0;
  char const * until = cli->flag[ DMG_CLI_FLAG_WAIT ] ? cli->flag[ DMG_CLI_FLAG_WAIT ] : "none";
  outcome_t * o = DMG_ARENA_NEW( cli->arena, outcome_t, BATCH_MAX );
  if( !o ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" );
  for( uint32_t i = 0; i<cli->arg_cnt; i++ ) {
    dmg_span_t text;
    int code = dmg_cli_slurp( cli, cli->arg[ i ], &text );
    if( code ) return code;
    while( text.sz ) {
      uint8_t const * nl = memchr( text.p, '\n', text.sz );
      dmg_span_t one = dmg_span( text.p, nl ? (size_t)( nl-text.p ) : text.sz );
      text = nl ? dmg_span( nl+1, text.sz-one.sz-1 ) : dmg_span( NULL, 0 );
      if( !one.sz ) continue;
      if( cnt==BATCH_MAX ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "at most %d transactions in a batch", BATCH_MAX );
      submit_one( cli, one, &o[ cnt ] );
      bad += !o[ cnt++ ].id;
    }
  }
  if( !cnt ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "nothing to submit" );
  if( cnt==1 && bad ) return dmg_cli_fail( cli, o[ 0 ].refusal.code, o[ 0 ].refusal.name, "%s", o[ 0 ].refusal.message );
  for( uint32_t i = 0; i<cnt && strcmp( until, "none" ); i++ ) { int code = o[ i ].id ? dmg_cli_wait( cli, o[ i ].id, until ) : DMG_EXIT_OK; if( code ) return code; }

  dmg_buf_t buf = dmg_buf( 16<<20 );
  dmg_jw_t w = dmg_jw( &buf );
  if( cnt>1 ) { dmg_jw_open( &w, '{' ); dmg_jw_key( &w, "items" ); dmg_jw_open( &w, '[' ); }
  for( uint32_t i = 0; i<cnt; i++ ) {
    dmg_jw_open( &w, '{' );
    dmg_jw_key( &w, "id" );
    if( o[ i ].id ) dmg_jw_raw( &w, dmg_cli_text( cli, "\"0x%s\"", o[ i ].id ) ); else dmg_jw_null( &w );
    if( cnt>1 ) {
      dmg_jw_key( &w, "error" );
      if( o[ i ].id ) dmg_jw_null( &w );
      else { dmg_jw_open( &w, '{' ); dmg_jw_kcstr( &w, "name", o[ i ].refusal.name ); dmg_jw_kcstr( &w, "message", o[ i ].refusal.message ); dmg_jw_close( &w, '}' ); }
    }
    dmg_jw_close( &w, '}' );
    if( !dmg_cli_is_data( cli ) && o[ i ].id ) printf( "0x%s\n", o[ i ].id );
    if( !dmg_cli_is_data( cli ) && !o[ i ].id ) dmg_cli_say( cli, "%u: %s: %s", i+1, o[ i ].refusal.name, o[ i ].refusal.message );
  }
  if( cnt>1 ) { dmg_jw_close( &w, ']' ); dmg_jw_close( &w, '}' ); }
  /* F1.3: of a batch that failed in part the document says which; of one that failed whole there is none. */
  int code = dmg_cli_is_data( cli ) && bad<cnt ? dmg_cli_print_json( cli, dmg_buf_span( &buf ) ) : DMG_EXIT_OK;
  dmg_buf_fini( &buf );
  if( code || !bad ) return code;
  if( bad==cnt ) return dmg_cli_fail( cli, o[ 0 ].refusal.code, o[ 0 ].refusal.name, "all %u were refused; the first: %s", cnt, o[ 0 ].refusal.message );
  return dmg_cli_fail( cli, DMG_EXIT_PARTIAL, "PartFailed", "%u of %u were refused", bad, cnt );
}

/* ---- Replacing (F4.4) ---- */

/* Whose it is, if --from does not say: the key or account of that address. */
static void find_owner( dmg_cli_t * cli, dmg_hash_t const * sender ) {
  char const * env = getenv( "DEMIURGE_FROM" );
  if( !cli->flag[ DMG_CLI_FLAG_FROM ] && !( env && *env ) ) cli->flag[ DMG_CLI_FLAG_FROM ] = dmg_cli_name_of( cli, sender, true );
}

static int replace( dmg_cli_t * cli, bool is_cancel ) {
  dmg_cli_chain_t chain;
  dmg_cli_draft_t draft;
  dmg_tx_t * old;
  dmg_tx_call_t note;
  char const * hex;
  char state[ 32 ];
  dmg_jv_t r;
  int code = id_of( cli, cli->arg[ 0 ], &hex );
  if( !code ) code = dmg_cli_chain( cli, &chain );
  if( !code ) code = dmg_cli_call( cli, "tx_status", dmg_cli_text( cli, "{\"ids\":[\"0x%s\"]}", hex ), &r );
  if( code ) return code;
  dmg_span_t kind = dmg_cli_str( dmg_cli_get( dmg_jv_first( dmg_cli_get( r, "items" ) ), "status" ), "kind" ), raw;
  snprintf( state, sizeof state, "%.*s", DMG_SPAN_F( kind ) );
  if( !strcmp( state, "unknown" ) ) return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "the node knows no transaction 0x%s", hex );
  if( strcmp( state, "pooled" ) && strcmp( state, "queued" ) ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "TxRejected", "0x%s is %s: only what still waits can be replaced", hex, state );
  if(( code = dmg_cli_call( cli, "tx_get", dmg_cli_text( cli, "{\"id\":\"0x%s\"}", hex ), &r ) )) return code;
  raw = dmg_cli_hex( cli, r, "tx" );
  if( dmg_tx_decode( raw, cli->arena, &old ).kind!=DMG_VERDICT_GOOD ) return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "the node's transaction does not decode" );
  if( old->lane==DMG_TX_LANE_UNORDERED ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "TxRejected", "an unordered transaction has no place that another could take; it expires at height %lu", (unsigned long)old->expiry );
  find_owner( cli, &old->sender );
  if( is_cancel ) {
    if(( code = dmg_cli_make_call( cli, "system", "note", "{\"data\":\"0x\"}", &note, NULL ) )) return code;
    code = dmg_cli_draft_replace( cli, &chain, old, &note, 1, dmg_cli_dup( cli, dmg_cli_text( cli, "Replace 0x%s by a note that does nothing", hex ) ), &draft );
  } else {
    dmg_buf_t words = dmg_buf( 1<<20 );
    (void)!dmg_buf_printf( &words, "Send 0x%s again at a higher price:\n", hex );
    put_words( cli, old, false, &words );
    code = dmg_cli_draft_replace( cli, &chain, old, old->calls, old->call_cnt, plain( cli, &words ), &draft );
  }
  return code ? code : dmg_cli_draft_send( cli, &draft );
}
static int tx_bump  ( dmg_cli_t * cli ) { return replace( cli, false ); }
static int tx_cancel( dmg_cli_t * cli ) { return replace( cli, true ); }

#define BYTES "  BYTES  0x hex, or @FILE or - with it"

dmg_cli_cmd_t const dmg_cmds_tx[] = {
  { "tx build", "[MODULE CALL] [ARGS]", 0, 3, "make a transaction, unsigned, and print its bytes",
    "  ARGS  as of `demiurge call`.  Several calls that happen together or not at all:\n        --calls '[{\"module\":\"balances\",\"call\":\"burn\",\"args\":{\"amount\":\"1\"}}, ..]'",
    tx_build, DMG_CLI_FROM|DMG_CLI_SENDS|DMG_CLI_PLACES, { { "--calls", "JSON", "a list of {module, call, args}, or @FILE or - with it" } } },
  { "tx sign", "BYTES", 1, 1, "show a transaction, sign it and print its bytes", BYTES "\n  Signs with --key, or the key of --from; other signatures in it stay.", tx_sign, DMG_CLI_FROM,
    { { "--offline", NULL, "ask no node: calls are shown as bytes, keys of a dev chain do not sign" } } },
  { "tx preview", "BYTES", 1, 1, "what a transaction would do and cost now; signatures and nonce are not looked at",
    BYTES "\n  Exit code 3 and why, if it would fail or not get into a block.", tx_preview, 0, {{ 0 }} },
  { "tx submit", "BYTES..", 1, DMG_CLI_ARG_MAX, "submit signed transactions; exit code 9 if some were refused", "  BYTES  0x hex, or @FILE or - with one a line", tx_submit, DMG_CLI_WAITS, {{ 0 }} },
  { "tx watch", "ID", 1, 1, "wait until a transaction is final", NULL, tx_watch, DMG_CLI_WAITS|DMG_CLI_PROVES, {{ 0 }} },
  { "tx bump", "ID", 1, 1, "send a waiting transaction again, at a price at least 10 % higher", "  The same calls, lane and nonce; whichever gets into a block, the other never will.", tx_bump, DMG_CLI_FROM|DMG_CLI_SENDS|DMG_CLI_WAITS, {{ 0 }} },
  { "tx cancel", "ID", 1, 1, "put an empty note in the place of a waiting transaction", "  It pays for the note only; once the transaction is in a block it is too late.", tx_cancel, DMG_CLI_FROM|DMG_CLI_SENDS|DMG_CLI_WAITS, {{ 0 }} },
  { "tx receipt", "ID", 1, 1, "what a transaction cost and did", NULL, tx_receipt, 0, {{ 0 }} },
  { "tx show", "ID", 1, 1, "a transaction as JSON", NULL, tx_show, 0, {{ 0 }} },
  { "tx status", "ID..", 1, DMG_CLI_ARG_MAX, "where transactions stand, as JSON", NULL, tx_status, 0, {{ 0 }} },
  { 0 }
};
