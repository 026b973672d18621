/* keystore: keys of this user, sealed under a passphrase, one file each (F1.7).

     ~/.config/demiurge/keys/NAME.json, mode 0600:
     {"version":1,"scheme":"Ed25519","address":"dmg1..","key":"0x..","sealed":"0x.."}      sealed: crypto/seal.h over the secret, context = the address text

   Secrets come from a prompt or a file descriptor, never from the command line.  The ten accounts of a dev chain
   are known by name without a file; they sign only for a genesis of kind dev.

   Failure  exit codes, told already: NOT_FOUND, KEY (wrong passphrase), USAGE */
#ifndef DMG_CLI_KEYSTORE_H
#define DMG_CLI_KEYSTORE_H

#include "cli/cli.h"

enum { DMG_CLI_NAME_MAX = 32 };

typedef struct { char name[ DMG_CLI_NAME_MAX+1 ]; uint8_t secret[ 32 ], key[ 32 ]; dmg_hash_t address; bool is_dev; } dmg_cli_signer_t;

/* Unlocks the key of that name; dev names only if is_dev_chain. */
int  dmg_cli_signer( dmg_cli_t * cli, char const * name, bool is_dev_chain, dmg_cli_signer_t * out );
void dmg_cli_signer_wipe( dmg_cli_signer_t * signer );
/* Address of a key in the keystore or of a dev account, without unlocking; false: no such name. */
bool dmg_cli_name_address( dmg_cli_t * cli, char const * name, dmg_hash_t * out, bool * out_is_dev );

#endif
