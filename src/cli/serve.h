/* serve: what every command that runs a node does alike: settings, the log, JSON-RPC, waiting for the signal that ends it. */
#ifndef DMG_CLI_SERVE_H
#define DMG_CLI_SERVE_H

#include "cli/cmd_config.h"
#include "node/chain.h"
#include "rpc/http_server.h"

/* Flags of the command over environment, file and defaults: those it has of --port --data --blocks --threads --log --listen --peers.  An exit code, told already. */
int  dmg_cli_serve_settings( dmg_cli_t * cli, dmg_config_t * out );
void dmg_cli_serve_log( dmg_cli_t const * cli, dmg_config_t const * config );
/* SIGINT, SIGTERM and SIGHUP wait for dmg_cli_serve_wait, in the thread that calls it; before any thread is made. */
void dmg_cli_serve_block_signals( void );
/* How the chain opens, from the settings; genesis, keys and kind are the caller's. */
void dmg_cli_serve_chain_cfg( dmg_config_t const * config, char cache_dir[ 2048 ], dmg_chain_cfg_t * io_cfg );
/* The exit code of a chain that does not open, told. */
int  dmg_cli_serve_not_opened( dmg_cli_t const * cli, dmg_err_t err, char const * why );
/* Before a folder is made somebody's: it holds nothing but what these names say (dmg_os_dir_has_other), so nobody's files get a chain's among them.  what: of which there is none in it. */
int  dmg_cli_serve_new_dir( dmg_cli_t const * cli, char const * dir, char const * what, char const * const * names );

typedef struct { dmg_rpc_t * rpc; dmg_http_server_t * server; } dmg_cli_serve_t;
/* The chain's events go to rpc; before the chain starts. */
int  dmg_cli_serve_rpc ( dmg_cli_t * cli, dmg_config_t const * config, dmg_chain_t * chain, dmg_cli_serve_t * out );
int  dmg_cli_serve_http( dmg_cli_t * cli, dmg_config_t const * config, dmg_cli_serve_t * serve, void * ctx, bool (* is_ready)( void *, dmg_buf_t * ), dmg_err_t (* metrics)( void *, dmg_buf_t * ) );
/* --ready-fd: one byte. */
int  dmg_cli_serve_ready( dmg_cli_t * cli );
/* Up to ms (0: for ever) for a signal; true: one came, and a second one does not wait for a clean end. */
bool dmg_cli_serve_wait( uint32_t ms );
/* No more requests; then whatever tells rpc of blocks is stopped; then rpc goes. */
void dmg_cli_serve_close( dmg_cli_serve_t * serve );
void dmg_cli_serve_free ( dmg_cli_serve_t * serve );

#endif
