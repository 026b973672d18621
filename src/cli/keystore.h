/* keystore: keys of this user, sealed under a passphrase, and accounts he signs for, one file each (F1.7).

     ~/.config/demiurge/keys/NAME.json, mode 0600
     a key      {"version":1,"scheme":"Ed25519","address":"dmg1..","key":"0x..","sealed":"0x.."}   sealed: crypto/seal.h over the secret, context = the address text
     an account {"version":1,"address":"dmg1..","init":"0x.."}                                     init: BCS of its AccountInit (types/address.h); no secret

   The address of a key is the account it signs for: the plain account of the key, or, after a rotation, the one it was
   rotated into.  Secrets come from a prompt or a file descriptor, never from the command line.  The accounts of a dev
   chain are known by name without a file; their keys sign only for a genesis of kind dev.

   Failure  exit codes, told already: NOT_FOUND, KEY (wrong passphrase; a folder or file that cannot be read), USAGE */
#ifndef DMG_CLI_KEYSTORE_H
#define DMG_CLI_KEYSTORE_H

#include "cli/cli.h"
#include "types/address.h"

enum { DMG_CLI_NAME_MAX = 32, DMG_CLI_PASS_MAX = 1024 };

/* What is known of a key without its passphrase. */
typedef struct { char name[ DMG_CLI_NAME_MAX+1 ]; uint8_t scheme; uint8_t key[ 33 ]; dmg_hash_t address; bool is_dev; } dmg_cli_key_t;
static inline dmg_span_t dmg_cli_key_span( dmg_cli_key_t const * key ) { return dmg_span( key->key, dmg_sig_key_sz( key->scheme ) ); }

typedef struct { dmg_cli_key_t pub; uint8_t secret[ 32 ]; } dmg_cli_signer_t;

/* An account the user can name: of a key, of an account file, or of the dev chain. */
typedef struct { dmg_hash_t address; bool is_dev, has_init, has_key; dmg_account_init_t init; dmg_cli_key_t key; } dmg_cli_named_t;

/* Without unlocking; false: no such name.  init points into the arena.  Ends the command (KEY, told) if the folder or the file
   cannot be read or is none: what it would answer could be untrue. */
bool dmg_cli_named( dmg_cli_t * cli, char const * name, dmg_cli_named_t * out );
/* The same where a broken file is one among others: false of that, too, with why in the arena (out_why may be NULL). */
bool dmg_cli_named_good( dmg_cli_t * cli, char const * name, dmg_cli_named_t * out, char const ** out_why );
/* The key of that name, without unlocking; a dev key only if is_dev_chain. */
int  dmg_cli_key_find( dmg_cli_t * cli, char const * name, bool is_dev_chain, dmg_cli_key_t * out );
int  dmg_cli_unlock( dmg_cli_t * cli, dmg_cli_key_t const * key, dmg_cli_signer_t * out );
void dmg_cli_signer_wipe( dmg_cli_signer_t * signer );
/* By the key's scheme over a 32-byte hash. */
void dmg_cli_sign( dmg_cli_signer_t const * signer, dmg_hash_t const * msg, uint8_t out_sig[ 64 ] );

/* Seals a new key under a passphrase that is asked for.  address NULL: the key's plain account. */
int  dmg_cli_key_write( dmg_cli_t * cli, char const * name, unsigned scheme, uint8_t const secret[ 32 ], dmg_hash_t const * address, dmg_cli_key_t * out );
/* The public half of a secret, in out's scheme and key. */
bool dmg_cli_key_public( unsigned scheme, uint8_t const secret[ 32 ], dmg_cli_key_t * out );
/* Removes the file of a key that nobody needs. */
void dmg_cli_key_drop( dmg_cli_t * cli, char const * name );
/* Removes a file for the user, whatever is in it, for good: the folder is synced. */
int  dmg_cli_key_remove( dmg_cli_t * cli, char const * name );
int  dmg_cli_account_write( dmg_cli_t * cli, char const * name, dmg_account_init_t const * init, dmg_hash_t * out_address );
/* `next` takes the place of `name`, which goes on as *out_old. */
int  dmg_cli_key_replace( dmg_cli_t * cli, char const * name, char const * next, char out_old[ DMG_CLI_NAME_MAX+1 ] );

/* A key of a scheme from the words of a mnemonic (F10.7), or for P-256, which has no derivation, from randomness (words NULL). */
int  dmg_cli_key_secret( dmg_cli_t * cli, unsigned scheme, char const * words, uint32_t index, uint8_t out[ 32 ] );
/* --scheme's word: ed25519, secp256k1 or p256. */
int  dmg_cli_scheme( dmg_cli_t * cli, char const * text, unsigned * out );

/* Names of files, ascending; then those of the dev chain. */
void dmg_cli_key_names( void (* offer)( char const * name ) );
typedef struct { char name[ DMG_CLI_NAME_MAX+1 ]; } dmg_cli_name_t;
/* At most max names of files, ascending; none of a folder that is not there yet. */
int  dmg_cli_key_list( dmg_cli_t * cli, dmg_cli_name_t * out, size_t max, size_t * out_cnt );
/* What the user calls an account: the first file of that address, or on a dev chain one of its names; NULL: nothing. */
char const * dmg_cli_name_of( dmg_cli_t * cli, dmg_hash_t const * address, bool is_dev_chain );
/* A line from a descriptor, without its end. */
bool dmg_cli_read_line( int fd, char out[ DMG_CLI_PASS_MAX ] );

#endif
