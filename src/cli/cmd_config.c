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

/* F1.6: networks known by name, below the file and above the defaults. */
static struct { char const * name, * rpc; } const preset[] = { { "dev", "http://127.0.0.1:7369/rpc" } };

int dmg_cli_config_rpc( dmg_cli_t * cli ) {
  static dmg_config_t config;   /* lives as long as the command */
  char const * rpc = cli->flag[ DMG_CLI_FLAG_RPC ], * network = cli->flag[ DMG_CLI_FLAG_NETWORK ];
  /* Both flags given: nothing is left for a file to say, so a broken one is no matter. */
  if( rpc && network ) config = (dmg_config_t){ 0 };
  else {
    int code = dmg_cli_config_load( cli, cli->flag[ DMG_CLI_FLAG_CONFIG ], &config );
    if( code ) return code;
  }
  if( rpc ) {
    dmg_buf_t why = dmg_buf( 4096 );
    bool is_bad = dmg_config_set( &config, DMG_CONFIG_CLIENT_RPC, rpc, "--rpc", &why );
    int code = is_bad ? dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "%.*s", (int)( why.sz ? why.sz-1 : 0 ), (char const *)why.p ) : DMG_EXIT_OK;
    dmg_buf_fini( &why );
    if( code ) return code;
  }
  if( !network ) network = dmg_config_text( &config, DMG_CONFIG_CLIENT_NETWORK );
  if( !rpc )     rpc     = dmg_config_text( &config, DMG_CONFIG_CLIENT_RPC );
  for( size_t p = 0; p<sizeof preset/sizeof *preset; p++ ) {
    if( strcmp( preset[ p ].name, network ) ) continue;
    if( !cli->flag[ DMG_CLI_FLAG_RPC ] && !strcmp( config.v[ DMG_CONFIG_CLIENT_RPC ].origin, "default" ) ) rpc = preset[ p ].rpc;
  }
  if( !dmg_config_network( network ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--network: there is no network %.60s: it is dev, or a chain as demiurge: and 32 hex digits", network );
  cli->rpc_url = rpc;
  cli->network = network;
  return DMG_EXIT_OK;
}

static int config_check( dmg_cli_t * cli ) {
  static dmg_config_t config;
  int code = dmg_cli_config_load( cli, cli->arg_cnt ? cli->arg[ 0 ] : cli->flag[ DMG_CLI_FLAG_CONFIG ], &config );
  if( code ) return code;
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"file\":%s,\"valid\":true}", *config.file ? dmg_cli_quote( cli, config.file ) : "null" ) );
  printf( "%s: good\n", *config.file ? config.file : "no configuration file" );
  return DMG_EXIT_OK;
}

static int config_show( dmg_cli_t * cli ) {
  static dmg_config_t config;
  bool with_origin = dmg_cli_opt( cli, "--origin" );
  int code = dmg_cli_config_load( cli, cli->arg_cnt ? cli->arg[ 0 ] : cli->flag[ DMG_CLI_FLAG_CONFIG ], &config );
  if( code ) return code;
  dmg_buf_t buf = dmg_buf( 1<<20 );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_open( &w, '{' );
  for( size_t k = 0; k<DMG_CONFIG_CNT; k++ ) {
    dmg_config_desc_t const * d = &dmg_config_desc[ k ];
    bool is_bare = d->form==DMG_CONFIG_UINT || d->form==DMG_CONFIG_BOOL;
    char value[ DMG_CONFIG_VALUE_MAX+2 ];
    snprintf( value, sizeof value, is_bare ? "%s" : "\"%s\"", config.v[ k ].text );
    dmg_jw_key( &w, d->path );
    dmg_jw_open( &w, '{' );
    dmg_jw_kcstr( &w, "value", config.v[ k ].text );
    dmg_jw_kcstr( &w, "origin", config.v[ k ].origin );
    dmg_jw_close( &w, '}' );
    if( !dmg_cli_is_data( cli ) ) printf( "%-20s = %-28s # %s\n", d->path, value, with_origin ? config.v[ k ].origin : d->text );
  }
  dmg_jw_close( &w, '}' );
  if( dmg_cli_is_data( cli ) ) code = dmg_cli_print_json( cli, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return code;
}

dmg_cli_cmd_t const dmg_cmds_config[] = {
  { "config check", "[FILE]", 0, 1, "say what is wrong with a configuration file", NULL, config_check, 0, {{ 0 }} },
  { "config show", "[FILE]", 0, 1, "every setting; --origin: where each comes from", NULL, config_show, 0, { { "--origin", NULL, "where each value comes from" } } },
  { 0 }
};
