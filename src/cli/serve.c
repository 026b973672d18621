#include "cli/serve.h"
#include "base/log.h"
#include "base/os.h"
#include "cli/cache.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static bool declares( dmg_cli_cmd_t const * cmd, char const * name ) {
  for( uint32_t i = 0; i<DMG_CLI_OPT_MAX && cmd->opt[ i ].name; i++ ) if( !strcmp( cmd->opt[ i ].name, name ) ) return true;
  return false;
}

int dmg_cli_serve_settings( dmg_cli_t * cli, dmg_config_t * config ) {
  static struct { char const * flag; dmg_config_key_t key; } const flags[] = {
    { "--port", DMG_CONFIG_RPC_PORT }, { "--data", DMG_CONFIG_STORAGE_PATH }, { "--blocks", DMG_CONFIG_DEV_BLOCKS }, { "--threads", DMG_CONFIG_RPC_THREADS }, { "--log", DMG_CONFIG_LOG_LEVEL },
    { "--listen", DMG_CONFIG_NET_LISTEN }, { "--peers", DMG_CONFIG_NET_PEERS }, { "--checkpoint", DMG_CONFIG_NODE_CHECKPOINT } };
  int code = dmg_cli_config_load( cli, cli->flag[ DMG_CLI_FLAG_CONFIG ], config );
  dmg_buf_t why = dmg_buf( 4096 );
  for( size_t i = 0; i<sizeof flags/sizeof *flags && !code; i++ ) {
    char const * v = declares( cli->cmd, flags[ i ].flag ) ? dmg_cli_opt( cli, flags[ i ].flag ) : NULL;
    if( v && dmg_config_set( config, flags[ i ].key, v, flags[ i ].flag, &why ) ) code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%.*s", (int)( why.sz-1 ), (char const *)why.p );
  }
  dmg_buf_fini( &why );
  return code;
}

void dmg_cli_serve_log( dmg_cli_t const * cli, dmg_config_t const * config ) {
  static char const * const level[] = { "error", "warn", "info", "debug" };
  dmg_log_level_t log_level = DMG_LOG_LEVEL_INFO;
  for( unsigned l = 0; l<4; l++ ) if( !strcmp( level[ l ], dmg_config_text( config, DMG_CONFIG_LOG_LEVEL ) ) ) log_level = (dmg_log_level_t)l;
  char const * format = dmg_config_text( config, DMG_CONFIG_LOG_FORMAT );
  dmg_log_setup( 2, cli->is_verbose ? DMG_LOG_LEVEL_DEBUG : log_level, !strcmp( format, "json" ) ? DMG_LOG_FORMAT_JSON : !strcmp( format, "text" ) ? DMG_LOG_FORMAT_TEXT : DMG_LOG_FORMAT_AUTO );
}

static sigset_t ends( void ) {
  sigset_t set;
  sigemptyset( &set );
  sigaddset( &set, SIGINT );
  sigaddset( &set, SIGTERM );
  sigaddset( &set, SIGHUP );
  return set;
}

void dmg_cli_serve_block_signals( void ) {
  sigset_t set = ends();
  pthread_sigmask( SIG_BLOCK, &set, NULL );
}

bool dmg_cli_serve_wait( uint32_t ms ) {
  sigset_t set = ends();
  struct timespec t = { .tv_sec = ms/1000, .tv_nsec = (long)( ms%1000 )*1000000 };
  int signo = 0;
  if( ms ) {
    if( sigtimedwait( &set, NULL, &t )<0 ) return false;
  } else while( sigwait( &set, &signo ) ) {}
  pthread_sigmask( SIG_UNBLOCK, &set, NULL );
  return true;
}

void dmg_cli_serve_chain_cfg( dmg_config_t const * config, char cache_dir[ 2048 ], dmg_chain_cfg_t * cfg ) {
  char const * data = dmg_config_text( config, DMG_CONFIG_STORAGE_PATH );
  dmg_cli_cache_dir( "modules", cache_dir );
  cfg->cache_dir   = cache_dir;
  cfg->data_dir    = *data ? data : NULL;
  cfg->is_durable  = *data && dmg_config_bool( config, DMG_CONFIG_STORAGE_FSYNC );
  cfg->tree_sz_max = dmg_config_uint( config, DMG_CONFIG_STORAGE_TREE );
}

int dmg_cli_serve_not_opened( dmg_cli_t const * cli, dmg_err_t err, char const * why ) {
  bool is_users = err==DMG_ERR_INVALID || err==DMG_ERR_CHAIN || err==DMG_ERR_VERSION || err==DMG_ERR_LOCKED || err==DMG_ERR_PERM;
  return dmg_cli_fail( cli, is_users ? DMG_EXIT_USAGE : DMG_EXIT_INTERNAL, dmg_err_name( err ), "%s%s", why, err==DMG_ERR_LOCKED ? ", or name another folder: --data" : "" );
}

int dmg_cli_serve_new_dir( dmg_cli_t const * cli, char const * dir, char const * what, char const * const * names ) {
  char other[ 256 ];
  if( !dmg_os_dir_has_other( dir, names, other ) ) return DMG_EXIT_OK;
  dmg_cli_plain( other );
  return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s holds no %s but other files (%s): name an empty folder, or one that is not there yet", dir, what, other );
}

int dmg_cli_serve_rpc( dmg_cli_t * cli, dmg_config_t const * config, dmg_chain_t * chain, dmg_cli_serve_t * out ) {
  dmg_rpc_limits_t limits = dmg_config_rpc_limits( config );
  out->rpc = dmg_rpc_new( dmg_chain_query( chain ), &limits );
  if( !out->rpc ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" );
  dmg_query_events_t events = dmg_rpc_events( out->rpc );
  dmg_chain_events( chain, &events );
  return DMG_EXIT_OK;
}

int dmg_cli_serve_http( dmg_cli_t * cli, dmg_config_t const * config, dmg_cli_serve_t * serve, void * ctx, bool (* is_ready)( void *, dmg_buf_t * ), dmg_err_t (* metrics)( void *, dmg_buf_t * ) ) {
  char why[ 512 ];
  dmg_http_server_cfg_t cfg = { .address = dmg_config_text( config, DMG_CONFIG_RPC_ADDRESS ), .port = (uint16_t)dmg_config_uint( config, DMG_CONFIG_RPC_PORT ),
                                .threads = (uint32_t)dmg_config_uint( config, DMG_CONFIG_RPC_THREADS ), .submit_threads = (uint32_t)dmg_config_uint( config, DMG_CONFIG_RPC_SUBMIT ),
                                .is_behind_proxy = dmg_config_bool( config, DMG_CONFIG_RPC_PROXY ), .rpc = serve->rpc, .ctx = ctx, .is_ready = is_ready, .metrics = metrics };
  if( !dmg_http_server_start( &cfg, &serve->server, why ) ) return DMG_EXIT_OK;
  if( !strncmp( why, "cannot listen on ", 17 ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Listen", "%s; --port names another, 0 any", why );
  return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Listen", "cannot listen on %s port %u: %s", cfg.address, cfg.port, why );
}

int dmg_cli_serve_ready( dmg_cli_t * cli ) {
  char const * text = dmg_cli_opt( cli, "--ready-fd" );
  if( !text ) return DMG_EXIT_OK;
  char * end;
  long fd_long = strtol( text, &end, 10 );
  int  fd      = *end || fd_long<0 || fd_long>1023 ? -1 : (int)fd_long;
  if( fd<0 || dmg_os_write_all( fd, "\n", 1 ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--ready-fd %s is no open descriptor", text );
  close( fd );
  return DMG_EXIT_OK;
}

void dmg_cli_serve_close( dmg_cli_serve_t * serve ) {
  dmg_http_server_stop( serve->server );
  serve->server = NULL;
}

void dmg_cli_serve_free( dmg_cli_serve_t * serve ) { dmg_rpc_free( serve->rpc ); }
