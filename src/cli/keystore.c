#include "cli/keystore.h"
#include "base/assert.h"
#include "base/os.h"
#include "crypto/bech32.h"
#include "crypto/kdf.h"
#include "crypto/seal.h"
#include "crypto/sig.h"
#include "node/dev_genesis.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { FILE_SZ_MAX = 16384, DIR_SZ = 3000, WHY_SZ = 4500 };

static bool name_is_good( char const * name ) {
  size_t n = strlen( name );
  for( size_t i = 0; i<n; i++ ) if( !( ( name[ i ]>='a' && name[ i ]<='z' ) || ( name[ i ]>='0' && name[ i ]<='9' ) || name[ i ]=='-' || name[ i ]=='_' ) ) return false;
  return n && n<=DMG_CLI_NAME_MAX;
}

/* $DEMIURGE_KEYS, else ~/.config/demiurge/keys. */
static bool keys_dir( char out[ DIR_SZ ] ) {
  char const * dir = getenv( "DEMIURGE_KEYS" ), * home = getenv( "HOME" );
  if( dir && *dir ) return (size_t)snprintf( out, DIR_SZ, "%s", dir )<DIR_SZ;
  if( !home || !*home ) return false;
  return (size_t)snprintf( out, DIR_SZ, "%s/.config/demiurge/keys", home )<DIR_SZ;
}

/* What keeps the folder from being read or written, from errno of the attempt. */
static void dir_why( char const * dir, char const * how, int e, char out[ WHY_SZ ] ) {
  struct stat st;
  char who[ 96 ] = "";
  if( e==EACCES && !stat( dir, &st ) ) snprintf( who, sizeof who, " (it belongs to user %u with mode %03o, this is user %u)", (unsigned)st.st_uid, (unsigned)st.st_mode&0777u, (unsigned)geteuid() );
  snprintf( out, WHY_SZ, "the folder of keys %s cannot be %s: %s%s; DEMIURGE_KEYS names another", dir, how, strerror( e ), who );
}

/* A link to what is gone, as of a disk that is not mounted: it must not pass for a folder that nobody has made yet. */
static bool is_lost_link( char const * dir ) {
  struct stat st;
  return !lstat( dir, &st ) && stat( dir, &st ) && errno==ENOENT;
}

static int no_place( dmg_cli_t * cli ) { return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "neither HOME nor DEMIURGE_KEYS says where keys are" ); }

static int key_path( dmg_cli_t * cli, char const * name, char out[ 4096 ] ) {
  char dir[ DIR_SZ ];
  if( !name_is_good( name ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a key's name is 1 to %d of a-z 0-9 - _, not \"%.40s\"", DMG_CLI_NAME_MAX, name );
  if( !keys_dir( dir ) ) return no_place( cli );
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

/* sealed: of a key; init: of an account. */
typedef struct { dmg_hash_t address; bool is_key; uint8_t scheme, key[ 33 ], sealed[ 32+DMG_SEAL_OVERHEAD_SZ ]; uint8_t init[ DMG_ACCOUNT_INIT_BCS_MAX ]; size_t init_sz; } key_file_t;

static bool get_hex( dmg_jv_t root, char const * name, uint8_t * out, size_t max, size_t * out_sz ) {
  dmg_jv_t v = dmg_jv_get( root, name );
  return !dmg_jv_is_absent( v ) && dmg_jv_hex( v, out, max, out_sz );
}

/* NOT_FOUND, CORRUPT (neither a key nor an account), IO .. */
static dmg_err_t key_read( char const * path, key_file_t * out ) {
  *out = (key_file_t){ 0 };
  dmg_buf_t buf;
  DMG_TRY( dmg_os_file_read( path, FILE_SZ_MAX, &buf ) );
  dmg_json_t * json = dmg_json_new();
  dmg_jv_t root;
  char why[ 160 ];
  size_t sz = 0;
  uint32_t version;
  bool is_good = json && dmg_json_parse( json, dmg_buf_span( &buf ), &root, why ) && dmg_jv_type( root )==DMG_JSON_OBJECT;
  if( is_good ) {
    dmg_jv_t address = dmg_jv_get( root, "address" ), scheme = dmg_jv_get( root, "scheme" ), v = dmg_jv_get( root, "version" );
    is_good = !dmg_jv_is_absent( v ) && dmg_jv_u32( v, &version ) && version==1 && !dmg_jv_is_absent( address ) && !dmg_address_parse( dmg_jv_text( address ), &out->address, NULL );
    out->is_key = !dmg_jv_is_absent( scheme );
    out->scheme = DMG_SIG_SCHEME_CNT;
    for( uint8_t s = 0; is_good && out->is_key && s<=DMG_SIG_P256; s++ ) if( dmg_jv_eq_str( scheme, dmg_scheme_name( s ) ) ) out->scheme = s;
    if( out->is_key ) is_good = is_good && out->scheme<DMG_SIG_SCHEME_CNT && get_hex( root, "key", out->key, sizeof out->key, &sz ) && sz==dmg_sig_key_sz( out->scheme )
                                && get_hex( root, "sealed", out->sealed, sizeof out->sealed, &sz ) && sz==sizeof out->sealed;
    else {
      dmg_account_init_t init;
      is_good = is_good && get_hex( root, "init", out->init, sizeof out->init, &out->init_sz ) && dmg_account_init_decode( dmg_span( out->init, out->init_sz ), &init ).kind==DMG_VERDICT_GOOD;
      if( is_good ) { dmg_hash_t a = dmg_address_of( &init ); is_good = dmg_hash_eq( &a, &out->address ); }
    }
  }
  dmg_json_free( json );
  dmg_buf_fini( &buf );
  return is_good ? DMG_OK : DMG_ERR_CORRUPT;
}

/* false: nothing there, or too long; an empty line is a line. */
bool dmg_cli_read_line( int fd, char out[ DMG_CLI_PASS_MAX ] ) {
  size_t n = 0;
  for(;;) {
    char c;
    ssize_t got = read( fd, &c, 1 );
    if( got<0 && errno==EINTR ) continue;
    if( got<0 || ( !got && !n ) || ( got && c!='\n' && n+1>=DMG_CLI_PASS_MAX ) ) { dmg_wipe( out, DMG_CLI_PASS_MAX ); return false; }
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
static int passphrase( dmg_cli_t * cli, char const * prompt, char out[ DMG_CLI_PASS_MAX ] ) {
  char const * fd_text = getenv( "DEMIURGE_PASSPHRASE_FD" );
  if( fd_text && *fd_text ) {
    char * end;
    long fd = strtol( fd_text, &end, 10 );
    if( *end || fd<0 || fd>1023 || !dmg_cli_read_line( (int)fd, out ) ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "DEMIURGE_PASSPHRASE_FD=%s gives no passphrase", fd_text );
    return DMG_EXIT_OK;
  }
  if( !dmg_os_is_tty( 0 ) ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "a passphrase is needed: run on a terminal, or set DEMIURGE_PASSPHRASE_FD to a descriptor that gives it" );
  struct termios off;
  if( tcgetattr( 0, &echo_on ) ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "the terminal cannot be asked without an echo" );
  off = echo_on;
  off.c_lflag &= ~(tcflag_t)ECHO;
  signal( SIGINT, echo_back );
  signal( SIGTERM, echo_back );
  tcsetattr( 0, TCSAFLUSH, &off );
  fprintf( stderr, "%s: ", prompt );   /* only now: who answers at once must not be echoed */
  bool is_good = dmg_cli_read_line( 0, out );
  tcsetattr( 0, TCSAFLUSH, &echo_on );
  signal( SIGTERM, SIG_DFL );
  dmg_cli_interruptible( cli );
  fputc( '\n', stderr );
  return is_good ? DMG_EXIT_OK : dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "no passphrase, or one of more than %d bytes", DMG_CLI_PASS_MAX-1 );
}

bool dmg_cli_key_public( unsigned scheme, uint8_t const secret[ 32 ], dmg_cli_key_t * out ) {
  *out = (dmg_cli_key_t){ .scheme = (uint8_t)scheme };
  if( scheme==DMG_SIG_ED25519 )   { dmg_ed25519_public( secret, out->key ); return true; }
  if( scheme==DMG_SIG_SECP256K1 ) return dmg_secp256k1_public( secret, out->key );
  return dmg_p256_public( secret, out->key );
}

void dmg_cli_sign( dmg_cli_signer_t const * signer, dmg_hash_t const * msg, uint8_t out_sig[ 64 ] ) {
  bool is_good = true;
  if( signer->pub.scheme==DMG_SIG_ED25519 )        dmg_ed25519_sign( signer->secret, dmg_hash_span( msg ), out_sig );
  else if( signer->pub.scheme==DMG_SIG_SECP256K1 ) is_good = dmg_secp256k1_sign( signer->secret, dmg_hash_span( msg ), out_sig );
  else                                             is_good = dmg_p256_sign( signer->secret, dmg_hash_span( msg ), out_sig );
  DMG_ASSERT( is_good );
}

/* NOT_FOUND: there is no such file.  All else is told in why: CORRUPT, PERM or IO. */
static dmg_err_t find( char const * name, key_file_t * out, char why[ WHY_SZ ] ) {
  char dir[ DIR_SZ ], path[ 4096 ];
  if( !name_is_good( name ) || !keys_dir( dir ) ) return DMG_ERR_NOT_FOUND;
  snprintf( path, sizeof path, "%s/%s.json", dir, name );
  int fd = open( path, O_RDONLY|O_CLOEXEC ), e = fd<0 ? errno : 0;
  if( fd>=0 ) close( fd );
  if( e==ENOENT && !is_lost_link( dir ) ) return DMG_ERR_NOT_FOUND;
  if( e==EACCES && !access( dir, X_OK ) )          { snprintf( why, WHY_SZ, "%s cannot be read: %s", path, strerror( e ) ); return DMG_ERR_PERM; }
  if( e )                                          { dir_why( dir, "read", e, why ); return e==EACCES ? DMG_ERR_PERM : DMG_ERR_IO; }
  dmg_err_t err = key_read( path, out );
  if( err ) snprintf( why, WHY_SZ, "%s: %s", path, err==DMG_ERR_CORRUPT ? "not a key file" : dmg_err_text( err ) );
  return err;
}

static void dev_key( dmg_dev_account_t const * dev, dmg_cli_key_t * out ) {
  *out = (dmg_cli_key_t){ .scheme = DMG_SIG_ED25519, .address = dev->address, .is_dev = true };
  snprintf( out->name, sizeof out->name, "%s", dev->name );
  memcpy( out->key, dev->key, 32 );
}

static void file_key( char const * name, key_file_t const * file, dmg_cli_key_t * out ) {
  *out = (dmg_cli_key_t){ .scheme = file->scheme, .address = file->address };
  snprintf( out->name, sizeof out->name, "%s", name );
  memcpy( out->key, file->key, sizeof out->key );
}

/* As find; a dev chain's account, where there is no file of that name. */
static dmg_err_t named( dmg_cli_t * cli, char const * name, dmg_cli_named_t * out, char why[ WHY_SZ ] ) {
  key_file_t file;
  dmg_dev_account_t dev;
  *out = (dmg_cli_named_t){ 0 };
  dmg_err_t err = find( name, &file, why );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  if( !err ) {
    out->address = file.address;
    out->has_key = file.is_key;
    if( file.is_key ) file_key( name, &file, &out->key );
    else {
      dmg_span_t bytes = dmg_arena_dup( cli->arena, dmg_span( file.init, file.init_sz ) );
      out->has_init = bytes.p && dmg_account_init_decode( bytes, &out->init ).kind==DMG_VERDICT_GOOD;
    }
  } else {
    if( !is_dev_name( name, &dev ) ) return DMG_ERR_NOT_FOUND;
    out->address = dev.address;
    out->is_dev  = out->has_key = true;
    dev_key( &dev, &out->key );
  }
  /* A plain key brings its account's keys; after a rotation the account has them already. */
  if( out->has_key ) {
    dmg_span_t key = dmg_arena_dup( cli->arena, dmg_cli_key_span( &out->key ) );
    dmg_account_init_t init = dmg_account_init_plain( out->key.scheme, key );
    dmg_hash_t plain = dmg_address_of( &init );
    out->has_init = key.p && dmg_hash_eq( &plain, &out->address );
    if( out->has_init ) out->init = init;
  }
  return DMG_OK;
}

bool dmg_cli_named_good( dmg_cli_t * cli, char const * name, dmg_cli_named_t * out, char const ** out_why ) {
  char why[ WHY_SZ ];
  dmg_err_t err = named( cli, name, out, why );
  if( err && out_why ) *out_why = err==DMG_ERR_NOT_FOUND ? dmg_err_text( err ) : dmg_cli_dup( cli, dmg_span_cstr( why ) );
  return !err;
}

/* The name may be in what cannot be read: neither "no such name" nor a dev chain's account of that name would be true. */
bool dmg_cli_named( dmg_cli_t * cli, char const * name, dmg_cli_named_t * out ) {
  char why[ WHY_SZ ];
  dmg_err_t err = named( cli, name, out, why );
  if( err && err!=DMG_ERR_NOT_FOUND ) exit( dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s", why ) );
  return !err;
}

/* One of the dev chain, whatever its file is called; NULL: it is not. */
static char const * dev_name_of( dmg_cli_key_t const * key ) {
  static dmg_dev_account_t dev[ DMG_DEV_KEY_CNT ];
  if( key->scheme!=DMG_SIG_ED25519 || dmg_dev_accounts( dev ) ) return NULL;
  for( uint32_t i = 0; i<DMG_DEV_KEY_CNT; i++ ) if( !memcmp( dev[ i ].key, key->key, 32 ) ) return dev[ i ].name;
  return NULL;
}

int dmg_cli_key_find( dmg_cli_t * cli, char const * name, bool is_dev_chain, dmg_cli_key_t * out ) {
  char path[ 4096 ], why[ WHY_SZ ];
  key_file_t file;
  dmg_dev_account_t dev;
  int code = key_path( cli, name, path );
  if( code ) return code;
  dmg_err_t err = find( name, &file, why );
  if( err==DMG_ERR_NOT_FOUND ) {
    if( !is_dev_name( name, &dev ) ) return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "there is no key %s; `demiurge key list` shows yours, `demiurge key new %s` makes it", name, name );
    if( !is_dev_chain ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyDenied", "%s is a key of the dev chain that everybody knows; it signs only for a genesis of kind dev", name );
    dev_key( &dev, out );
    return DMG_EXIT_OK;
  }
  if( err ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s", why );
  if( !file.is_key ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s is an account of several keys: --key names those that sign", name );
  file_key( name, &file, out );
  char const * dev_name = is_dev_chain ? NULL : dev_name_of( out );
  return dev_name ? dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyDenied", "%s is %s's key of the dev chain, which everybody knows; it signs only for a genesis of kind dev", name, dev_name ) : DMG_EXIT_OK;
}

int dmg_cli_unlock( dmg_cli_t * cli, dmg_cli_key_t const * key, dmg_cli_signer_t * out ) {
  char path[ 4096 ], why[ WHY_SZ ], pass[ DMG_CLI_PASS_MAX ], address[ DMG_ADDRESS_TEXT_SZ+1 ];
  key_file_t file;
  dmg_dev_account_t dev;
  out->pub = *key;
  if( key->is_dev ) {
    bool is_known = is_dev_name( key->name, &dev );
    DMG_ASSERT( is_known );
    memcpy( out->secret, dev.secret, 32 );
    return DMG_EXIT_OK;
  }
  int code = key_path( cli, key->name, path );
  if( code ) return code;
  dmg_err_t err = find( key->name, &file, why );
  if( err ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s", err==DMG_ERR_NOT_FOUND ? dmg_err_text( err ) : why );
  char prompt[ 64 ];
  snprintf( prompt, sizeof prompt, "Passphrase of key %s", key->name );
  if(( code = passphrase( cli, prompt, pass ) )) return code;
  dmg_address_text( &file.address, address );
  err = dmg_seal_open( dmg_span_cstr( pass ), dmg_span_cstr( address ), dmg_span( file.sealed, sizeof file.sealed ), out->secret );
  dmg_wipe( pass, sizeof pass );
  if( err==DMG_ERR_PERM ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "wrong passphrase, or %s was altered", path );
  if( err ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s: %s", path, dmg_err_text( err ) );
  /* The public key stands beside the seal, unprotected. */
  dmg_cli_key_t is;
  if( !dmg_cli_key_public( file.scheme, out->secret, &is ) || file.scheme!=key->scheme || memcmp( is.key, key->key, sizeof is.key ) ) {
    dmg_cli_signer_wipe( out );
    return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s was altered: its key is not of its secret", path );
  }
  return DMG_EXIT_OK;
}

void dmg_cli_signer_wipe( dmg_cli_signer_t * signer ) { dmg_wipe( signer, sizeof *signer ); }

static int write_new( dmg_cli_t * cli, char const * name, char path[ 4096 ] ) {
  char dir[ DIR_SZ ], why[ WHY_SZ ];
  struct stat st;
  int code = key_path( cli, name, path );
  if( code ) return code;
  /* Whatever stands there, readable or not, is never written over. */
  if( !lstat( path, &st ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Exists", "there is a key or account %s already: %s", name, path );
  int e = errno;
  bool has_dir = keys_dir( dir );
  DMG_ASSERT( has_dir );   /* key_path saw to it */
  if( e==ENOENT && !is_lost_link( dir ) ) {
    dmg_err_t err = dmg_os_mkdirs( dir );
    if( err ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "the folder of keys %s cannot be made: %s; DEMIURGE_KEYS names another", dir, dmg_err_text( err ) );
    e = access( dir, W_OK|X_OK ) ? errno : 0;
  }
  if( !e ) return DMG_EXIT_OK;
  dir_why( dir, "written", e, why );
  return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s", why );
}

static int finish( dmg_cli_t * cli, char const * path, dmg_jw_t * w ) {
  dmg_err_t err = w->is_full ? DMG_ERR_LIMIT : dmg_os_file_replace( path, dmg_buf_span( w->buf ), 0600 );
  dmg_buf_fini( w->buf );
  return err ? dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "%s: %s", path, dmg_err_text( err ) ) : DMG_EXIT_OK;
}

int dmg_cli_key_write( dmg_cli_t * cli, char const * name, unsigned scheme, uint8_t const secret[ 32 ], dmg_hash_t const * at, dmg_cli_key_t * out ) {
  char path[ 4096 ], pass[ DMG_CLI_PASS_MAX ], again[ DMG_CLI_PASS_MAX ], address[ DMG_ADDRESS_TEXT_SZ+1 ];
  uint8_t random40[ DMG_SEAL_RANDOM_SZ ], sealed[ 32+DMG_SEAL_OVERHEAD_SZ ];
  int code = write_new( cli, name, path );
  if( code ) return code;
  if(( code = passphrase( cli, "New passphrase", pass ) )) return code;
  if( !*pass ) return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "an empty passphrase protects nothing; nothing was written" );
  char const * fd_text = getenv( "DEMIURGE_PASSPHRASE_FD" );
  if( !fd_text || !*fd_text ) {
    code = passphrase( cli, "The same again", again );
    if( !code && strcmp( pass, again ) ) code = dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "the two passphrases differ, nothing was written" );
    dmg_wipe( again, sizeof again );
    if( code ) { dmg_wipe( pass, sizeof pass ); return code; }
  }
  bool is_good = dmg_cli_key_public( scheme, secret, out );
  DMG_ASSERT( is_good );   /* what made the secret saw to it */
  snprintf( out->name, sizeof out->name, "%s", name );
  dmg_account_init_t init = dmg_account_init_plain( scheme, dmg_cli_key_span( out ) );
  out->address = at ? *at : dmg_address_of( &init );
  dmg_address_text( &out->address, address );
  dmg_os_random( random40, sizeof random40 );
  dmg_err_t err = dmg_seal( dmg_span_cstr( pass ), dmg_span_cstr( address ), DMG_SEAL_COST_DEFAULT, random40, dmg_span( secret, 32 ), sealed );
  dmg_wipe( pass, sizeof pass );
  if( err ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "sealing: %s", dmg_err_text( err ) );
  dmg_buf_t buf = dmg_buf( FILE_SZ_MAX );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_open( &w, '{' );
  dmg_jw_knum ( &w, "version", 1 );
  dmg_jw_kcstr( &w, "scheme", dmg_scheme_name( scheme ) );
  dmg_jw_kcstr( &w, "address", address );
  dmg_jw_khex ( &w, "key", dmg_cli_key_span( out ) );
  dmg_jw_khex ( &w, "sealed", dmg_span( sealed, sizeof sealed ) );
  dmg_jw_close( &w, '}' );
  return finish( cli, path, &w );
}

int dmg_cli_account_write( dmg_cli_t * cli, char const * name, dmg_account_init_t const * init, dmg_hash_t * out_address ) {
  char path[ 4096 ], address[ DMG_ADDRESS_TEXT_SZ+1 ];
  uint8_t bytes[ DMG_ACCOUNT_INIT_BCS_MAX ];
  int code = write_new( cli, name, path );
  if( code ) return code;
  dmg_bcs_wr_t bcs = dmg_bcs_wr( bytes, sizeof bytes );
  dmg_account_init_write( &bcs, init );
  DMG_ASSERT( !bcs.is_full );
  *out_address = dmg_address_of( init );
  dmg_address_text( out_address, address );
  dmg_buf_t buf = dmg_buf( FILE_SZ_MAX );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_open( &w, '{' );
  dmg_jw_knum ( &w, "version", 1 );
  dmg_jw_kcstr( &w, "address", address );
  dmg_jw_khex ( &w, "init", dmg_bcs_wr_span( &bcs ) );
  dmg_jw_close( &w, '}' );
  return finish( cli, path, &w );
}

int dmg_cli_key_replace( dmg_cli_t * cli, char const * name, char const * next, char out_old[ DMG_CLI_NAME_MAX+1 ] ) {
  char path[ 4096 ], next_path[ 4096 ], old_path[ 4096 ], dir[ DIR_SZ ];
  int code = key_path( cli, name, path );
  if( !code ) code = key_path( cli, next, next_path );
  if( code ) return code;
  /* The old one first: at no moment is a key without a file, and none is written over. */
  int rc = -1;
  for( unsigned i = 1; i<100 && rc; i++ ) {
    snprintf( out_old, DMG_CLI_NAME_MAX+1, "%.24s-old%u", name, i%100 );
    if(( code = key_path( cli, out_old, old_path ) )) return code;
    rc = link( path, old_path );
    if( rc && errno!=EEXIST ) break;
  }
  if( rc || rename( next_path, path ) ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "%s: %s; the new key is in %s", path, strerror( errno ), next_path );
  if( keys_dir( dir ) ) dmg_os_dir_sync( dir );
  return DMG_EXIT_OK;
}

int dmg_cli_key_remove( dmg_cli_t * cli, char const * name ) {
  char dir[ DIR_SZ ], path[ 4096 ], why[ WHY_SZ ];
  int code = key_path( cli, name, path );
  if( code ) return code;
  bool has_dir = keys_dir( dir );
  DMG_ASSERT( has_dir );   /* key_path saw to it */
  if( unlink( path ) ) {
    int e = errno;
    if( e==ENOENT ) return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "%s is gone already", path );
    dir_why( dir, "written", e, why );
    return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s", why );
  }
  dmg_os_dir_sync( dir );
  return DMG_EXIT_OK;
}

void dmg_cli_key_drop( dmg_cli_t * cli, char const * name ) {
  char dir[ DIR_SZ ], path[ 4096 ];
  if( !name_is_good( name ) || !keys_dir( dir ) ) return;
  snprintf( path, sizeof path, "%s/%s.json", dir, name );
  unlink( path );
}

int dmg_cli_scheme( dmg_cli_t * cli, char const * text, unsigned * out ) {
  for( unsigned s = 0; s<=DMG_SIG_P256; s++ ) if( !text || !strcasecmp( dmg_sig_scheme_text( s ), text ) ) { *out = s; return DMG_EXIT_OK; }
  return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a key of this keystore is of ed25519, secp256k1 or p256, not of %.40s", text );
}

int dmg_cli_key_secret( dmg_cli_t * cli, unsigned scheme, char const * words, uint32_t index, uint8_t out[ 32 ] ) {
  uint8_t seed[ DMG_BIP39_SEED_SZ ], key[ 33 ];
  if( scheme==DMG_SIG_P256 ) {
    do dmg_os_random( out, 32 ); while( !dmg_p256_public( out, key ) );
    return DMG_EXIT_OK;
  }
  dmg_err_t err = dmg_bip39_seed( dmg_span_cstr( words ), dmg_span( NULL, 0 ), seed );
  if( !err ) err = scheme==DMG_SIG_ED25519 ? dmg_key_derive_ed25519( dmg_span( seed, sizeof seed ), DMG_KEY_COIN_TEST, index, out ) : dmg_key_derive_secp256k1( dmg_span( seed, sizeof seed ), DMG_KEY_COIN_TEST, index, out );
  dmg_wipe( seed, sizeof seed );
  return err ? dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "deriving the key: %s", dmg_err_text( err ) ) : DMG_EXIT_OK;
}

static int name_cmp( void const * a, void const * b ) { return strcmp( a, b ); }

/* false: the folder is there and cannot be read, told in why. */
static bool names_of( dmg_cli_name_t * out, size_t max, size_t * out_cnt, char why[ WHY_SZ ] ) {
  char dir[ DIR_SZ ];
  *out_cnt = 0;
  if( !keys_dir( dir ) ) return true;
  DIR * d = opendir( dir );
  int e = d ? 0 : errno;
  if( e==ENOENT && !is_lost_link( dir ) ) return true;
  if( d ) {
    errno = 0;
    for( struct dirent * at; *out_cnt<max && ( at = readdir( d ) ); ) {
      size_t n = strlen( at->d_name );
      if( n<=5 || n-5>DMG_CLI_NAME_MAX || strcmp( at->d_name+n-5, ".json" ) ) continue;
      snprintf( out[ *out_cnt ].name, sizeof out[ *out_cnt ].name, "%.*s", (int)( n-5 ), at->d_name );
      if( name_is_good( out[ *out_cnt ].name ) ) ++*out_cnt;
    }
    e = errno;
    closedir( d );
  }
  if( e ) { dir_why( dir, "read", e, why ); *out_cnt = 0; return false; }
  qsort( out, *out_cnt, sizeof *out, name_cmp );
  return true;
}

int dmg_cli_key_list( dmg_cli_t * cli, dmg_cli_name_t * out, size_t max, size_t * out_cnt ) {
  char dir[ DIR_SZ ], why[ WHY_SZ ];
  if( !keys_dir( dir ) ) return no_place( cli );
  return names_of( out, max, out_cnt, why ) ? DMG_EXIT_OK : dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s", why );
}

void dmg_cli_key_names( void (* offer)( char const * name ) ) {
  static dmg_cli_name_t names[ 1024 ];
  char why[ WHY_SZ ];
  size_t cnt;
  (void)names_of( names, 1024, &cnt, why );   /* at a completion nobody reads why */
  for( size_t i = 0; i<cnt; i++ ) offer( names[ i ].name );
  dmg_dev_account_t dev[ DMG_DEV_KEY_CNT ];
  if( !dmg_dev_accounts( dev ) ) for( uint32_t i = 0; i<DMG_DEV_ACCOUNT_CNT; i++ ) offer( dev[ i ].name );
}

char const * dmg_cli_name_of( dmg_cli_t * cli, dmg_hash_t const * address, bool is_dev_chain ) {
  enum { FILE_MAX = 1024 };
  static dmg_cli_name_t names[ FILE_MAX ];
  static dmg_hash_t addresses[ FILE_MAX ];
  static dmg_dev_account_t dev[ DMG_DEV_KEY_CNT ];
  static size_t cnt = SIZE_MAX;
  static uint32_t dev_cnt;
  if( cnt==SIZE_MAX ) {   /* once: a preview asks for thousands */
    char why[ WHY_SZ ];
    if( !names_of( names, FILE_MAX, &cnt, why ) ) dmg_cli_say( cli, "accounts are shown without your names of them: %s", why );
    for( size_t i = 0; i<cnt; i++ ) {
      dmg_cli_named_t known;
      if( dmg_cli_named_good( cli, names[ i ].name, &known, NULL ) && !known.is_dev ) addresses[ i ] = known.address;
      else names[ i ].name[ 0 ] = 0;   /* a file that is none */
    }
    if( !dmg_dev_accounts( dev ) ) dev_cnt = DMG_DEV_KEY_CNT;
  }
  for( size_t i = 0; i<cnt; i++ ) if( *names[ i ].name && dmg_hash_eq( &addresses[ i ], address ) ) return names[ i ].name;
  for( uint32_t i = 0; i<dev_cnt && is_dev_chain; i++ ) if( dmg_hash_eq( &dev[ i ].address, address ) ) return dev[ i ].name;
  return NULL;
}
