/* cache: what commands leave behind for completion, names of modules with their calls and queries (F1.8).

     $XDG_CACHE_HOME/demiurge (else ~/.cache/demiurge, else /tmp/demiurge-UID) /names/MODULE     a line each: "call transfer", "query get"

   Failure  none: what cannot be written is not offered */
#ifndef DMG_CLI_CACHE_H
#define DMG_CLI_CACHE_H

#include "codec/abi.h"

/* A folder of the cache. */
void dmg_cli_cache_dir( char const * sub, char out[ 2048 ] );
/* Remembers a module's names; writes only what is new. */
void dmg_cli_cache_abi( dmg_abi_t const * abi );
void dmg_cli_cache_modules( void (* offer)( char const * word ) );
void dmg_cli_cache_names( char const * module, char const * kind, void (* offer)( char const * word ) );

#endif
