#include "cli/keystore.h"
#include "base/os.h"
#include "crypto/bech32.h"
#include "crypto/kdf.h"
#include "crypto/seal.h"
#include "crypto/sig.h"
#include "node/dev_genesis.h"
#include "types/address.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

enum { FILE_SZ_MAX = 8192, PASS_MAX = 1024 };

static bool name_is_good( char const * name ) {
  size_t n = strlen( name );
  for( size_t i = 0; i<n; i++ ) if( !( ( name[ i ]>='a' && name[ i ]<='z' ) || ( name[ i ]>='0' && name[ i ]<='9' ) || name[ i ]=='-' || name[ i ]=='_' ) ) return false;
  return n && n<=DMG_CLI_NAME_MAX;
}

/* $DEMIURGE_KEYS, else ~/.config/demiurge/keys. */
static bool keys_dir( char out[ 3000 ] ) {
  char const * dir = getenv( "DEMIURGE_KEYS" ), * home = getenv( "HOME" );
  if( dir && *dir ) return (size_t)snprintf( out, 3000, "%s", dir )<3000;
  if( !home || !*home ) return false;
  return (size_t)snprintf( out, 3000, "%s/.config/demiurge/keys", home )<3000;
}

static int key_path( dmg_cli_t * cli, char const * name, char out[ 4096 ] ) {
  char dir[ 3000 ];
  if( !name_is_good( name ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a key's name is 1 to %d of a-z 0-9 - _, not \"%.40s\"", DMG_CLI_NAME_MAX, name );
  if( !keys_dir( dir ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "neither HOME nor DEMIURGE_KEYS says where keys are" );
  snprintf( out, 4096, "%s/%s.json", dir, name );
  return DMG_EXIT_OK;
}

static bool is_dev_name( char const * name, dmg_dev_account_t * out ) {
  static dmg_dev_account_t accounts[ DMG_DEV_KEY_MAX ];
  static uint32_t cnt;
  /* Most names are none of these; the further ones only cost their time when they are meant. */
  if( !cnt && !dmg_dev_accounts( accounts ) ) cnt = DMG_DEV_KEY_CNT;
  if( cnt==DMG_DEV_KEY_CNT && !strncmp( name, "dev", 3 ) && !dmg_dev_accounts_n( DMG_DEV_KEY_MAX, accounts ) ) cnt = DMG_DEV_KEY_MAX;
  for( uint32_t i = 0; i<cnt; i++ ) if( !strcmp( accounts[ i ].name, name ) ) { *out = accounts[ i ]; return true; }
  return false;
}

typedef struct { dmg_hash_t address; uint8_t key[ 32 ]; uint8_t sealed[ 32+DMG_SEAL_OVERHEAD_SZ ]; } key_file_t;

/* NOT_FOUND, CORRUPT (not a key file), IO .. */
static dmg_err_t key_read( char const * path, key_file_t * out ) {
  dmg_buf_t buf;
  DMG_TRY( dmg_os_file_read( path, FILE_SZ_MAX, &buf ) );
  dmg_json_t * json = dmg_json_new();
  dmg_jv_t root;
  char why[ 160 ];
  size_t sz = 0;
  bool is_good = json && dmg_json_parse( json, dmg_buf_span( &buf ), &root, why ) && dmg_jv_type( root )==DMG_JSON_OBJECT;
  if( is_good ) {
    dmg_jv_t address = dmg_jv_get( root, "address" ), key = dmg_jv_get( root, "key" ), sealed = dmg_jv_get( root, "sealed" );
    is_good = !dmg_jv_is_absent( address ) && !dmg_jv_is_absent( key ) && !dmg_jv_is_absent( sealed )
              && !dmg_address_parse( dmg_jv_text( address ), &out->address, NULL )
              && dmg_jv_hex( key, out->key, sizeof out->key, &sz ) && sz==sizeof out->key
              && dmg_jv_hex( sealed, out->sealed, sizeof out->sealed, &sz ) && sz==sizeof out->sealed;
  }
  dmg_json_free( json );
  dmg_buf_fini( &buf );
  return is_good ? DMG_OK : DMG_ERR_CORRUPT;
}

/* A line from fd, without its end.  false: nothing there, or too long; an empty line is a line. */
static bool read_line( int fd, char out[ PASS_MAX ] ) {
  size_t n = 0;
  for(;;) {
    char c;
    ssize_t got = read( fd, &c, 1 );
    if( got<0 && errno==EINTR ) continue;
    if( got<0 || ( !got && !n ) || ( got && c!='\n' && n+1>=PASS_MAX ) ) { dmg_wipe( out, PASS_MAX ); return false; }
    if( !got || c=='\n' ) break;
    out[ n++ ] = c;
  }
  out[ n ] = 0;
  return true;
}

/* Ctrl-C at a prompt must not leave the terminal without echo. */
static struct termios echo_on;
static void echo_back( int signo ) {
  tcsetattr( 0, TCSANOW, &echo_on );
  _exit( DMG_EXIT_INTERRUPTED );
}

/* DEMIURGE_PASSPHRASE_FD names a descriptor; else a prompt with the echo off. */
static int passphrase( dmg_cli_t * cli, char const * prompt, char out[ PASS_MAX ] ) {
  char const * fd_text = getenv( "DEMIURGE_PASSPHRASE_FD" );
  if( fd_text && *fd_text ) {
    char * end;
    long fd = strtol( fd_text, &end, 10 );
    if( *end || fd<0 || fd>1023 || !read_line( (int)fd, out ) ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "DEMIURGE_PASSPHRASE_FD=%s gives no passphrase", fd_text );
    return DMG_EXIT_OK;
  }
  if( !dmg_os_is_tty( 0 ) ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "a passphrase is needed: run on a terminal, or set DEMIURGE_PASSPHRASE_FD to a descriptor that gives it" );
  struct termios off;
  fprintf( stderr, "%s: ", prompt );
  if( tcgetattr( 0, &echo_on ) ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "the terminal cannot be asked without an echo" );
  off = echo_on;
  off.c_lflag &= ~(tcflag_t)ECHO;
  signal( SIGINT, echo_back );
  signal( SIGTERM, echo_back );
  tcsetattr( 0, TCSAFLUSH, &off );
  bool is_good = read_line( 0, out );
  tcsetattr( 0, TCSAFLUSH, &echo_on );
  signal( SIGINT, SIG_DFL );
  signal( SIGTERM, SIG_DFL );
  fputc( '\n', stderr );
  return is_good ? DMG_EXIT_OK : dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "no passphrase, or one of more than %d bytes", PASS_MAX-1 );
}

bool dmg_cli_name_address( dmg_cli_t * cli, char const * name, dmg_hash_t * out, bool * out_is_dev ) {
  char dir[ 3000 ], path[ 4096 ];
  key_file_t file;
  dmg_dev_account_t dev;
  if( name_is_good( name ) && keys_dir( dir ) ) {
    snprintf( path, sizeof path, "%s/%s.json", dir, name );
    if( !key_read( path, &file ) ) { *out = file.address; *out_is_dev = false; return true; }
  }
  if( !is_dev_name( name, &dev ) ) return false;
  *out        = dev.address;
  *out_is_dev = true;
  return true;
}

int dmg_cli_signer( dmg_cli_t * cli, char const * name, bool is_dev_chain, dmg_cli_signer_t * out ) {
  char path[ 4096 ], pass[ PASS_MAX ], address[ DMG_ADDRESS_TEXT_SZ+1 ];
  key_file_t file;
  dmg_dev_account_t dev;
  int code = key_path( cli, name, path );
  if( code ) return code;
  dmg_err_t err = key_read( path, &file );
  if( err==DMG_ERR_NOT_FOUND ) {
    if( !is_dev_name( name, &dev ) ) return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "there is no key %s; `demiurge key list` shows yours, `demiurge key new %s` makes it", name, name );
    if( !is_dev_chain ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyDenied", "%s is a key of the dev chain that everybody knows; it signs only for a genesis of kind dev", name );
    snprintf( out->name, sizeof out->name, "%s", name );
    memcpy( out->secret, dev.secret, 32 );
    memcpy( out->key, dev.key, 32 );
    out->address = dev.address;
    out->is_dev  = true;
    return DMG_EXIT_OK;
  }
  if( err ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s: %s", path, err==DMG_ERR_CORRUPT ? "not a key file" : dmg_err_text( err ) );
  char prompt[ 64 ];
  snprintf( prompt, sizeof prompt, "Passphrase of key %s", name );
  if(( code = passphrase( cli, prompt, pass ) )) return code;
  dmg_address_text( &file.address, address );
  err = dmg_seal_open( dmg_span_cstr( pass ), dmg_span_cstr( address ), dmg_span( file.sealed, sizeof file.sealed ), out->secret );
  dmg_wipe( pass, sizeof pass );
  if( err==DMG_ERR_PERM ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "wrong passphrase, or %s was altered", path );
  if( err ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s: %s", path, dmg_err_text( err ) );
  snprintf( out->name, sizeof out->name, "%s", name );
  memcpy( out->key, file.key, 32 );
  out->address = file.address;
  out->is_dev  = false;
  return DMG_EXIT_OK;
}

void dmg_cli_signer_wipe( dmg_cli_signer_t * signer ) { dmg_wipe( signer, sizeof *signer ); }

static int key_write( dmg_cli_t * cli, char const * name, uint8_t const secret[ 32 ] ) {
  char path[ 4096 ], dir[ 3000 ], pass[ PASS_MAX ], again[ PASS_MAX ], address[ DMG_ADDRESS_TEXT_SZ+1 ];
  key_file_t file;
  uint8_t random40[ DMG_SEAL_RANDOM_SZ ];
  dmg_buf_t old;
  int code = key_path( cli, name, path );
  if( code ) return code;
  /* Whatever stands there, readable or not, is never written over. */
  dmg_err_t there = dmg_os_file_read( path, FILE_SZ_MAX, &old );
  if( !there ) dmg_buf_fini( &old );
  if( there!=DMG_ERR_NOT_FOUND ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Exists", "there is a key %s already: %s", name, path );
  if( !keys_dir( dir ) || dmg_os_mkdirs( dir ) ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "cannot make %s", dir );
  if(( code = passphrase( cli, "New passphrase", pass ) )) return code;
  if( !*pass ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "an empty passphrase protects nothing; nothing was written" );
  char const * fd_text = getenv( "DEMIURGE_PASSPHRASE_FD" );
  if( !fd_text || !*fd_text ) {
    code = passphrase( cli, "The same again", again );
    if( !code && strcmp( pass, again ) ) code = dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "the two passphrases differ, nothing was written" );
    dmg_wipe( again, sizeof again );
    if( code ) { dmg_wipe( pass, sizeof pass ); return code; }
  }
  dmg_ed25519_public( secret, file.key );
  dmg_account_init_t init = dmg_account_init_plain( DMG_SIG_ED25519, dmg_span( file.key, 32 ) );
  file.address = dmg_address_of( &init );
  dmg_address_text( &file.address, address );
  dmg_os_random( random40, sizeof random40 );
  dmg_err_t err = dmg_seal( dmg_span_cstr( pass ), dmg_span_cstr( address ), DMG_SEAL_COST_DEFAULT, random40, dmg_span( secret, 32 ), file.sealed );
  dmg_wipe( pass, sizeof pass );
  if( err ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "sealing: %s", dmg_err_text( err ) );
  dmg_buf_t buf = dmg_buf( FILE_SZ_MAX );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_open( &w, '{' );
  dmg_jw_knum ( &w, "version", 1 );
  dmg_jw_kcstr( &w, "scheme", "Ed25519" );
  dmg_jw_kcstr( &w, "address", address );
  dmg_jw_khex ( &w, "key", dmg_span( file.key, 32 ) );
  dmg_jw_khex ( &w, "sealed", dmg_span( file.sealed, sizeof file.sealed ) );
  dmg_jw_close( &w, '}' );
  err = w.is_full ? DMG_ERR_LIMIT : dmg_os_file_replace( path, dmg_buf_span( &buf ), 0600 );
  dmg_buf_fini( &buf );
  if( err ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "%s: %s", path, dmg_err_text( err ) );
  if( cli->is_json ) printf( "{\"name\":\"%s\",\"address\":\"%s\"}\n", name, address );
  else               printf( "%s  %s\n", name, address );
  return DMG_EXIT_OK;
}

static int from_mnemonic( dmg_cli_t * cli, char const * name, char const * words ) {
  uint8_t seed[ DMG_BIP39_SEED_SZ ], secret[ 32 ];
  if( dmg_bip39_seed( dmg_span_cstr( words ), dmg_span( NULL, 0 ), seed ) || dmg_key_derive_ed25519( dmg_span( seed, sizeof seed ), DMG_KEY_COIN_TEST, 0, secret ) )
    return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "deriving the key failed" );
  int code = key_write( cli, name, secret );
  dmg_wipe( seed, sizeof seed );
  dmg_wipe( secret, sizeof secret );
  return code;
}

static int key_new( dmg_cli_t * cli ) {
  uint8_t entropy[ 16 ];
  char words[ DMG_BIP39_TEXT_MAX ], path[ 4096 ];
  int code = key_path( cli, cli->arg[ 0 ], path );
  if( code ) return code;
  dmg_os_random( entropy, sizeof entropy );
  if( dmg_bip39_generate( DMG_SPAN( entropy ), words ) ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "no mnemonic" );
  code = from_mnemonic( cli, cli->arg[ 0 ], words );
  if( !code ) fprintf( stderr, "\nWrite these words down; they restore the key on any machine and are not shown again:\n\n  %s\n\n", words );
  dmg_wipe( words, sizeof words );
  dmg_wipe( entropy, sizeof entropy );
  return code;
}

static int key_import( dmg_cli_t * cli ) {
  char line[ PASS_MAX ], words[ DMG_BIP39_TEXT_MAX ];
  char const * why;
  size_t word;
  if( dmg_os_is_tty( 0 ) ) fprintf( stderr, "The words: " );
  if( !read_line( 0, line ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "no mnemonic on standard input" );
  if( dmg_bip39_check( dmg_span_cstr( line ), words, &why, &word ) ) {
    dmg_wipe( line, sizeof line );
    return word ? dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the mnemonic %s (word %zu)", why, word ) : dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the mnemonic %s", why );
  }
  dmg_wipe( line, sizeof line );
  int code = from_mnemonic( cli, cli->arg[ 0 ], words );
  dmg_wipe( words, sizeof words );
  return code;
}

static int name_cmp( void const * a, void const * b ) { return strcmp( a, b ); }

static int key_list( dmg_cli_t * cli ) {
  enum { LIST_MAX = 1024 };
  static char names[ LIST_MAX ][ DMG_CLI_NAME_MAX+1 ];
  char dir[ 3000 ];
  size_t cnt = 0;
  DIR * d = keys_dir( dir ) ? opendir( dir ) : NULL;
  for( struct dirent * e; d && ( e = readdir( d ) ) && cnt<LIST_MAX; ) {
    size_t n = strlen( e->d_name );
    if( n<=5 || n-5>DMG_CLI_NAME_MAX || strcmp( e->d_name+n-5, ".json" ) ) continue;
    memcpy( names[ cnt ], e->d_name, n-5 );
    names[ cnt ][ n-5 ] = 0;
    if( name_is_good( names[ cnt ] ) ) cnt++;
  }
  if( d ) closedir( d );
  qsort( names, cnt, sizeof *names, name_cmp );
  if( cli->is_json ) printf( "{\"items\":[" );
  for( size_t i = 0; i<cnt; i++ ) {
    dmg_hash_t address;
    bool is_dev;
    char text[ DMG_ADDRESS_TEXT_SZ+1 ] = "(not a key file)";
    if( dmg_cli_name_address( cli, names[ i ], &address, &is_dev ) && !is_dev ) dmg_address_text( &address, text );
    if( cli->is_json ) printf( "%s{\"name\":\"%s\",\"address\":\"%s\"}", i ? "," : "", names[ i ], text );
    else               printf( "%-16s %s\n", names[ i ], text );
  }
  if( cli->is_json ) printf( "]}\n" );
  else if( !cnt )    dmg_cli_say( cli, "no keys yet; `demiurge key new NAME` makes one (a dev chain knows alice .. judy by name)" );
  return DMG_EXIT_OK;
}

static int key_export( dmg_cli_t * cli ) {
  dmg_cli_signer_t signer;
  char hex[ 65 ];
  int code = dmg_cli_signer( cli, cli->arg[ 0 ], true, &signer );
  if( code ) return code;
  if(( code = dmg_cli_confirm( cli, "Print the secret key in clear?" ) )) { dmg_cli_signer_wipe( &signer ); return code; }
  dmg_hex_encode( signer.secret, 32, hex );
  if( cli->is_json ) printf( "{\"name\":\"%s\",\"scheme\":\"Ed25519\",\"secret\":\"0x%s\"}\n", signer.name, hex );
  else               printf( "0x%s\n", hex );
  dmg_wipe( hex, sizeof hex );
  dmg_cli_signer_wipe( &signer );
  return DMG_EXIT_OK;
}

static int key_sign( dmg_cli_t * cli ) {
  dmg_cli_signer_t signer;
  uint8_t sig[ 64 ];
  char hex[ 129 ], key_hex[ 65 ];
  int code = dmg_cli_signer( cli, cli->arg[ 0 ], true, &signer );
  if( code ) return code;
  /* Messages have a tag of their own, so no message is ever a transaction. */
  dmg_hash_t h = dmg_h( DMG_TAG_MESSAGE, dmg_span_cstr( cli->arg[ 1 ] ) );
  dmg_ed25519_sign( signer.secret, dmg_hash_span( &h ), sig );
  dmg_hex_encode( sig, 64, hex );
  dmg_hex_encode( signer.key, 32, key_hex );
  if( cli->is_json ) printf( "{\"key\":\"0x%s\",\"signature\":\"0x%s\"}\n", key_hex, hex );
  else               printf( "0x%s\n", hex );
  dmg_cli_signer_wipe( &signer );
  return DMG_EXIT_OK;
}

dmg_cli_cmd_t const dmg_cmds_key[] = {
  { "key new", "NAME", 1, 1, "make a key and show its words once", "  The key is sealed under a passphrase in ~/.config/demiurge/keys (DEMIURGE_KEYS names another place).", key_new, {{ 0 }} },
  { "key import", "NAME", 1, 1, "restore a key from its words, read from standard input", NULL, key_import, {{ 0 }} },
  { "key list", "", 0, 0, "the keys of this user", NULL, key_list, {{ 0 }} },
  { "key export", "NAME", 1, 1, "print a secret key in clear", NULL, key_export, {{ 0 }} },
  { "key sign", "NAME MESSAGE", 2, 2, "sign a message (never a transaction: the tag differs)", NULL, key_sign, {{ 0 }} },
  { 0 }
};
