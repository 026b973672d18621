/* key: making, restoring, listing, using and removing keys of the keystore. */
#include "base/os.h"
#include "cli/keystore.h"
#include "crypto/bech32.h"
#include "crypto/kdf.h"

#include <stdio.h>
#include <stdlib.h>

enum { LIST_MAX = 1024 };

static int show( dmg_cli_t * cli, dmg_cli_key_t const * key ) {
  char address[ DMG_ADDRESS_TEXT_SZ+1 ];
  dmg_address_text( &key->address, address );
  if( dmg_cli_is_data( cli ) )
    return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"name\":\"%s\",\"address\":\"%s\",\"scheme\":\"%s\",\"key\":\"0x%s\"}", key->name, address, dmg_scheme_name( key->scheme ), dmg_cli_hex_of( cli, dmg_cli_key_span( key ) ) ) );
  printf( "%s  %s\n", key->name, address );
  return DMG_EXIT_OK;
}

/* Before a key is written: a field that show() has not would keep its words from being shown. */
static int check_fields( dmg_cli_t const * cli ) {
  static char const * const members[] = { "name", "address", "scheme", "key", NULL };
  return dmg_cli_check_fields( cli, members );
}

static int scheme_and_index( dmg_cli_t * cli, unsigned * out_scheme, uint32_t * out_index ) {
  char const * text = dmg_cli_opt( cli, "--index" );
  uint64_t index = 0;
  if( text && !dmg_cli_number( text, DMG_HARDENED-1, &index ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--index is 0 to %u, not %s", DMG_HARDENED-1, text );
  *out_index = (uint32_t)index;
  return dmg_cli_scheme( cli, dmg_cli_opt( cli, "--scheme" ), out_scheme );
}

/* F1.7: a key of one's own comes before a dev chain's account of that name. */
static bool is_of_dev( dmg_cli_t * cli, char const * name ) { dmg_cli_named_t named; return dmg_cli_named_good( cli, name, &named, NULL ) && named.is_dev; }
static void say_instead( dmg_cli_t const * cli, char const * name ) { dmg_cli_say( cli, "%s is a dev chain's account, too; from now on the name means this key, there as well", name ); }

static int key_new( dmg_cli_t * cli ) {
  uint8_t entropy[ 16 ], secret[ 32 ];
  char words[ DMG_BIP39_TEXT_MAX ];
  dmg_cli_key_t key;
  unsigned scheme;
  uint32_t index;
  int code = check_fields( cli );
  if( !code ) code = scheme_and_index( cli, &scheme, &index );
  if( code ) return code;
  bool is_second = is_of_dev( cli, cli->arg[ 0 ] );
  dmg_os_random( entropy, sizeof entropy );
  if( dmg_bip39_generate( DMG_SPAN( entropy ), words ) ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "no mnemonic" );
  code = dmg_cli_key_secret( cli, scheme, words, index, secret );
  if( !code ) code = dmg_cli_key_write( cli, cli->arg[ 0 ], scheme, secret, NULL, &key );
  if( !code ) code = show( cli, &key );
  if( !code && is_second ) say_instead( cli, key.name );
  if( !code && scheme!=DMG_SIG_P256 ) fprintf( stderr, "\nWrite these words down; they restore the key on any machine and are not shown again:\n\n  %s\n\n", words );
  if( !code && scheme==DMG_SIG_P256 ) fprintf( stderr, "\nA P-256 key has no words: keep a copy of its file, or of what `demiurge key export %s` prints.\n", key.name );
  dmg_wipe( words, sizeof words );
  dmg_wipe( entropy, sizeof entropy );
  dmg_wipe( secret, sizeof secret );
  return code;
}

/* 0x hex of a secret, as `key export` prints it. */
static int secret_of( dmg_cli_t * cli, unsigned scheme, char const * line, uint8_t out[ 32 ] ) {
  uint8_t key[ 33 ];
  bool is_good = dmg_cli_hex_exact( line, out, 32 );
  if( is_good && scheme==DMG_SIG_SECP256K1 ) is_good = dmg_secp256k1_public( out, key );
  if( is_good && scheme==DMG_SIG_P256 )      is_good = dmg_p256_public( out, key );
  return is_good ? DMG_EXIT_OK : dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "a secret is 0x and 64 hex digits, not zero and below the order of %s", dmg_sig_scheme_text( scheme ) );
}

static int key_import( dmg_cli_t * cli ) {
  char line[ DMG_CLI_PASS_MAX ], words[ DMG_BIP39_TEXT_MAX ] = "";
  uint8_t secret[ 32 ];
  char const * why = NULL;
  size_t word = 0;
  dmg_cli_key_t key;
  unsigned scheme;
  uint32_t index;
  bool is_secret = dmg_cli_opt( cli, "--secret" );
  int code = check_fields( cli );
  if( !code ) code = scheme_and_index( cli, &scheme, &index );
  if( code ) return code;
  bool is_second = is_of_dev( cli, cli->arg[ 0 ] );
  if( scheme==DMG_SIG_P256 && !is_secret ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a P-256 key has no words; --secret reads what `demiurge key export` printed" );
  if( dmg_os_is_tty( 0 ) ) fprintf( stderr, is_secret ? "The secret: " : "The words: " );
  if( !dmg_cli_read_line( 0, line ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", is_secret ? "no secret on standard input" : "no mnemonic on standard input" );
  if( is_secret ) code = secret_of( cli, scheme, line, secret );
  else if( dmg_bip39_check( dmg_span_cstr( line ), words, &why, &word ) )
    code = word ? dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the mnemonic %s (word %zu)", why, word ) : dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the mnemonic %s", why );
  else code = dmg_cli_key_secret( cli, scheme, words, index, secret );
  if( !code ) code = dmg_cli_key_write( cli, cli->arg[ 0 ], scheme, secret, NULL, &key );
  if( !code ) code = show( cli, &key );
  if( !code && is_second ) say_instead( cli, key.name );
  dmg_wipe( line, sizeof line );
  dmg_wipe( words, sizeof words );
  dmg_wipe( secret, sizeof secret );
  return code;
}

static int key_list( dmg_cli_t * cli ) {
  static dmg_cli_name_t names[ LIST_MAX ];
  size_t cnt;
  int code = dmg_cli_key_list( cli, names, LIST_MAX, &cnt );
  if( code ) return code;
  dmg_buf_t buf = dmg_buf( 4<<20 );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_open( &w, '{' );
  dmg_jw_key( &w, "items" );
  dmg_jw_open( &w, '[' );
  for( size_t i = 0; i<cnt; i++ ) {
    dmg_cli_named_t named;
    char const * why = "";
    char text[ DMG_ADDRESS_TEXT_SZ+1 ] = "";
    bool is_good = dmg_cli_named_good( cli, names[ i ].name, &named, &why ) && !named.is_dev;
    char const * scheme = !is_good ? "unreadable" : named.has_key ? dmg_scheme_name( named.key.scheme ) : "account";
    if( is_good ) dmg_address_text( &named.address, text );
    if( !dmg_cli_is_data( cli ) ) { printf( "%-16s %-10s %s\n", names[ i ].name, scheme, is_good ? text : why ); continue; }
    dmg_jw_open( &w, '{' );
    dmg_jw_kcstr( &w, "name", names[ i ].name );
    dmg_jw_kcstr( &w, "scheme", scheme );
    dmg_jw_key( &w, "address" );
    if( is_good ) dmg_jw_cstr( &w, text ); else dmg_jw_null( &w );
    dmg_jw_key( &w, "key" );
    if( is_good && named.has_key ) dmg_jw_hex( &w, dmg_cli_key_span( &named.key ) ); else dmg_jw_null( &w );
    dmg_jw_close( &w, '}' );
  }
  dmg_jw_close( &w, ']' );
  dmg_jw_close( &w, '}' );
  if( dmg_cli_is_data( cli ) ) code = dmg_cli_print_json( cli, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  if( !cnt && !dmg_cli_is_data( cli ) ) dmg_cli_say( cli, "no keys yet; `demiurge key new NAME` makes one (a dev chain knows alice .. judy by name)" );
  return code;
}

static int key_export( dmg_cli_t * cli ) {
  dmg_cli_key_t key;
  dmg_cli_signer_t signer;
  char hex[ 65 ];
  int code = dmg_cli_key_find( cli, cli->arg[ 0 ], true, &key );
  if( code ) return code;
  if(( code = dmg_cli_confirm( cli, NULL, "Print the secret key in clear?" ) )) return code;
  if(( code = dmg_cli_unlock( cli, &key, &signer ) )) return code;
  dmg_hex_encode( signer.secret, 32, hex );
  if( dmg_cli_is_data( cli ) ) code = dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"name\":\"%s\",\"scheme\":\"%s\",\"secret\":\"0x%s\"}", key.name, dmg_scheme_name( key.scheme ), hex ) );
  else printf( "0x%s\n", hex );
  dmg_wipe( hex, sizeof hex );
  dmg_cli_signer_wipe( &signer );
  return code;
}

/* What goes with the file, and what brings it back. */
static char const * loss_text( dmg_cli_t * cli, char const * name, dmg_cli_named_t const * named ) {
  char address[ DMG_ADDRESS_TEXT_SZ+1 ];
  dmg_address_text( &named->address, address );
  if( !named->has_key )
    return dmg_cli_dup( cli, dmg_cli_text( cli, "Remove account %s (%s) of several keys: its file holds no secret, and the account stays on its chains.\nWhile it has made no transaction there, only this file knows of which keys and thresholds it is;"
                                                " `demiurge multisig create` with the same ones, in the same order, makes the file again.", name, address ) );
  bool has_words = named->key.scheme!=DMG_SIG_P256;
  char const * again = has_words ? "words or secret" : "the secret", * rotated = named->has_init ? "" : "\nThe account was given this key by a rotation: a restored key signs for it by --from its address and --key.";
  return dmg_cli_dup( cli, dmg_cli_text( cli, "Remove key %s (%s) from this machine. What its account holds can then be reached only by whoever has\n%swhat `demiurge key export %s` prints or a copy of the file:"
                                              " `demiurge key import` restores the key from %s, a copy goes back to its place.%s", name, address, has_words ? "its words, " : "", name, again, rotated ) );
}

static int key_remove( dmg_cli_t * cli ) {
  static dmg_cli_name_t names[ LIST_MAX ];
  dmg_cli_named_t named;
  char const * name = cli->arg[ 0 ], * address = "null";
  char text[ DMG_ADDRESS_TEXT_SZ+1 ];
  size_t cnt;
  bool is_there = false;
  static char const * const members[] = { "name", "address", NULL };
  int code = dmg_cli_check_fields( cli, members );
  if( !code ) code = dmg_cli_key_list( cli, names, LIST_MAX, &cnt );
  if( code ) return code;
  for( size_t i = 0; i<cnt; i++ ) is_there = is_there || !strcmp( names[ i ].name, name );
  char const * why = "";
  bool is_good = dmg_cli_named_good( cli, name, &named, &why );
  if( !is_there && is_good ) return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "%s is an account of the dev chain and has no file that could be removed", name );
  if( !is_there )            return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "there is no key or account %s; `demiurge key list` shows yours", name );
  char const * loss = is_good ? loss_text( cli, name, &named ) : dmg_cli_dup( cli, dmg_cli_text( cli, "Remove %s, unread (%s): what is in its file is lost.", name, why ) );
  if(( code = dmg_cli_confirm( cli, loss, "Remove it?" ) )) return code;
  if(( code = dmg_cli_key_remove( cli, name ) )) return code;
  if( is_good ) { dmg_address_text( &named.address, text ); address = dmg_cli_quote( cli, text ); }
  if( dmg_cli_is_data( cli ) ) code = dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"name\":\"%s\",\"address\":%s}", name, address ) );
  else                         printf( "removed %s\n", name );
  if( is_of_dev( cli, name ) ) dmg_cli_say( cli, "from now on %s means the dev chain's account", name );
  return code;
}

static int key_sign( dmg_cli_t * cli ) {
  dmg_cli_key_t key;
  dmg_cli_signer_t signer;
  uint8_t sig[ 64 ];
  int code = dmg_cli_key_find( cli, cli->arg[ 0 ], true, &key );
  if( !code ) code = dmg_cli_unlock( cli, &key, &signer );
  if( code ) return code;
  /* Messages have a tag of their own, so no message is ever a transaction. */
  dmg_hash_t h = dmg_h( DMG_TAG_MESSAGE, dmg_span_cstr( cli->arg[ 1 ] ) );
  dmg_cli_sign( &signer, &h, sig );
  dmg_cli_signer_wipe( &signer );
  char const * hex = dmg_cli_hex_of( cli, dmg_span( sig, 64 ) );
  if( dmg_cli_is_data( cli ) )
    return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"scheme\":\"%s\",\"key\":\"0x%s\",\"signature\":\"0x%s\"}", dmg_scheme_name( key.scheme ), dmg_cli_hex_of( cli, dmg_cli_key_span( &key ) ), hex ) );
  printf( "0x%s\n", hex );
  return DMG_EXIT_OK;
}

#define SCHEME { "--scheme", "ed25519|secp256k1|p256", "kind of signature (default ed25519)" }
#define INDEX  { "--index", "N", "which account of the words (default 0): m/44'/1'/N'/0'/0', of secp256k1 m/44'/1'/N'/0/0" }

dmg_cli_cmd_t const dmg_cmds_key[] = {
  { "key new", "NAME", 1, 1, "make a key and show its words once", "  The key is sealed under a passphrase in ~/.config/demiurge/keys (DEMIURGE_KEYS names another place).", key_new, 0, { SCHEME, INDEX } },
  { "key import", "NAME", 1, 1, "restore a key from its words, read from standard input", NULL, key_import, 0, { SCHEME, INDEX, { "--secret", NULL, "read 0x hex of the secret itself, not words" } } },
  { "key list", "", 0, 0, "the keys and accounts of this user", NULL, key_list, 0, {{ 0 }} },
  { "key remove", "NAME", 1, 1, "remove a key or account from this machine", "  Says what is lost and asks first; --yes answers. The words, or a backup, bring a key back by `demiurge key import`.", key_remove, 0, {{ 0 }} },
  { "key export", "NAME", 1, 1, "print a secret key in clear", NULL, key_export, 0, {{ 0 }} },
  { "key sign", "NAME MESSAGE", 2, 2, "sign a message (never a transaction: the tag differs)", NULL, key_sign, 0, {{ 0 }} },
  { 0 }
};
