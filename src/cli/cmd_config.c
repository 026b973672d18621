#include "cli/cmd_config.h"

#include <stdio.h>

int dmg_cli_config_load( dmg_cli_t * cli, char const * path, dmg_config_t * out ) {
  dmg_buf_t why = dmg_buf( 65536 );
  dmg_err_t err = dmg_config_load( path, out, &why );
  int code = DMG_EXIT_OK;
  if( err ) code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidConfig", "the configuration is refused:\n%.*s", (int)( why.sz ? why.sz-1 : 0 ), (char const *)why.p );
  dmg_buf_fini( &why );
  return code;
}

int dmg_cli_config_rpc( dmg_cli_t * cli ) {
  static dmg_config_t config;   /* lives as long as the command */
  int code = dmg_cli_config_load( cli, NULL, &config );
  if( !code ) cli->rpc_url = dmg_config_text( &config, DMG_CONFIG_CLIENT_RPC );
  return code;
}

static int config_check( dmg_cli_t * cli ) {
  static dmg_config_t config;
  int code = dmg_cli_config_load( cli, cli->arg_cnt ? cli->arg[ 0 ] : NULL, &config );
  if( code ) return code;
  if( cli->is_json ) printf( "{\"file\":%s,\"valid\":true}\n", *config.file ? dmg_cli_quote( cli, config.file ) : "null" );
  else               printf( "%s: good\n", *config.file ? config.file : "no configuration file" );
  return DMG_EXIT_OK;
}

static int config_show( dmg_cli_t * cli ) {
  static dmg_config_t config;
  bool with_origin = dmg_cli_opt( cli, "--origin" );
  int code = dmg_cli_config_load( cli, cli->arg_cnt ? cli->arg[ 0 ] : NULL, &config );
  if( code ) return code;
  for( size_t k = 0; k<DMG_CONFIG_CNT; k++ ) {
    dmg_config_desc_t const * d = &dmg_config_desc[ k ];
    bool is_bare = d->form==DMG_CONFIG_UINT || d->form==DMG_CONFIG_BOOL;
    char value[ DMG_CONFIG_VALUE_MAX+2 ];
    snprintf( value, sizeof value, is_bare ? "%s" : "\"%s\"", config.v[ k ].text );
    if( cli->is_json ) printf( "%s\"%s\":{\"value\":%s,\"origin\":%s}", k ? "," : "{", d->path, dmg_cli_quote( cli, config.v[ k ].text ), dmg_cli_quote( cli, config.v[ k ].origin ) );
    else if( with_origin ) printf( "%-20s = %-28s # %s\n", d->path, value, config.v[ k ].origin );
    else                   printf( "%-20s = %-28s # %s\n", d->path, value, d->text );
  }
  if( cli->is_json ) printf( "}\n" );
  return DMG_EXIT_OK;
}

dmg_cli_cmd_t const dmg_cmds_config[] = {
  { "config check", "[FILE]", 0, 1, "say what is wrong with a configuration file", NULL, config_check, {{ 0 }} },
  { "config show", "[FILE]", 0, 1, "every setting; --origin: where each comes from", NULL, config_show, { { "--origin", NULL, "where each value comes from" } } },
  { 0 }
};
