/* node_files: what `node init` and `testnet` put into a node's data folder, and `node run` reads there.

     genesis.bin   node.key (Ed25519 seed, hex)   validator.key (BLS secret, hex)   safety.bin (C6.4)

   and what a running node tells of itself by its metrics. */
#ifndef DMG_CLI_NODE_FILES_H
#define DMG_CLI_NODE_FILES_H

#include "cli/cli.h"
#include "types/genesis.h"

#define DMG_NODE_PATH_SZ 2200

DMG_MUST_USE dmg_err_t dmg_node_key_put( char const * dir, char const * name, uint8_t const secret[ 32 ] );
/* NOT_FOUND, PERM, IO; INVALID: no 64 hex digits. */
DMG_MUST_USE dmg_err_t dmg_node_key_get( char const * dir, char const * name, uint8_t out[ 32 ] );
void dmg_node_new_bls( uint8_t out[ 32 ] );
/* A safety file for a validator's key; from_ms: C6.5. */
DMG_MUST_USE dmg_err_t dmg_node_safety_put( char const * dir, dmg_hash_t const * chain_id, uint8_t const secret[ 32 ], uint64_t from_ms );
/* A genesis that holds; the caller owns out_bytes, which out points into.  An exit code, told. */
int dmg_node_genesis_get( dmg_cli_t * cli, char const * path, dmg_buf_t * out_bytes, dmg_genesis_t ** out );
/* The exit code of a file or folder that cannot be read or written, told. */
int dmg_node_files_fail( dmg_cli_t * cli, char const * path, dmg_err_t err );

/* 0: not known; time_s: of the highest final block, since 1970. */
typedef struct { uint64_t height, conns, links, view, epoch, is_voting, lag; double final_s, rtt_s, time_s; } dmg_node_status_t;
/* Asks /metrics of the node whose JSON-RPC is at rpc_url; UNSUPPORTED: something answers that is no node among others. */
DMG_MUST_USE dmg_err_t dmg_node_status_get( char const * rpc_url, uint32_t timeout_ms, dmg_node_status_t * out, char why[ 256 ] );
/* "184 ms"; "-": not known. */
char const * dmg_node_ms_text( double s, unsigned digits, char out[ 24 ] );

#endif
