/* cmd_config: the client's settings, and the commands `config check` and `config show`. */
#ifndef DMG_CLI_CMD_CONFIG_H
#define DMG_CLI_CMD_CONFIG_H

#include "cli/cli.h"
#include "node/config.h"

/* Sets cli->rpc_url and cli->network from flags and configuration.  An exit code, told already. */
int dmg_cli_config_rpc ( dmg_cli_t * cli );
/* Loads with --config of the command, if it has one. */
int dmg_cli_config_load( dmg_cli_t * cli, char const * path, dmg_config_t * out );

#endif
