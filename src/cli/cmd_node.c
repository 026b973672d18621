/* node init, run, status: a node among others. */
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"
#include "cli/builtin.h"
#include "cli/node_files.h"
#include "cli/serve.h"
#include "cli/sync_bar.h"
#include "crypto/kdf.h"
#include "node/node.h"
#include "types/genesis.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- node init ---- */

static int node_init( dmg_cli_t * cli ) {
  char const * dir = dmg_cli_opt( cli, "--data" ), * genesis_path = dmg_cli_opt( cli, "--genesis" );
  char path[ DMG_NODE_PATH_SZ ], peer[ 64 ], chain[ 65 ];
  uint8_t seed[ 32 ], secret[ 32 ];
  dmg_buf_t bytes = { 0 }, id = dmg_buf( 64 );
  dmg_genesis_t * genesis;
  if( !dir || !genesis_path ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "node init wants --data DIR, the folder to make, and --genesis FILE, the chain's" );
  int code = dmg_node_genesis_get( cli, genesis_path, &bytes, &genesis );
  if( code ) return code;
  dmg_hash_t chain_id = dmg_genesis_hash( dmg_buf_span( &bytes ) );
  snprintf( path, sizeof path, "%.2000s/genesis.bin", dir );
  if( !access( path, F_OK ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s holds a node already", dir );
  static char const * const own[] = { "config.toml", NULL };
  if(( code = dmg_cli_serve_new_dir( cli, dir, "node", own ) )) return code;
  dmg_os_random( seed, sizeof seed );
  dmg_err_t err = dmg_os_mkdirs( dir );
  if( !err ) err = dmg_node_key_put( dir, "node.key", seed );
  if( !err ) err = dmg_node_peer_id( seed, &id, peer );
  char const * bls = dmg_cli_opt( cli, "--validator" );
  char hex[ 193 ] = "";
  if( !err && bls ) {
    dmg_bls_key_t key;
    uint8_t key_bytes[ 96 ];
    dmg_node_new_bls( secret );
    bool is_good = dmg_bls_public( secret, &key );
    DMG_ASSERT( is_good );
    dmg_bls_key_store( &key, key_bytes );
    dmg_hex_encode( key_bytes, 96, hex );
    err = dmg_node_key_put( dir, "validator.key", secret );
    /* C6.5: what may have been signed by this key elsewhere is older than now. */
    if( !err ) err = dmg_node_safety_put( dir, &chain_id, secret, dmg_os_wall_ms() );
    dmg_wipe( secret, sizeof secret );
  }
  /* Last: with it the folder is a node's. */
  if( !err ) err = dmg_os_file_replace( path, dmg_buf_span( &bytes ), 0600 );
  dmg_wipe( seed, sizeof seed );
  dmg_buf_fini( &bytes );
  dmg_buf_fini( &id );
  if( err ) return dmg_node_files_fail( cli, dir, err );
  dmg_hex_encode( chain_id.b, 32, chain );
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"data\":%s,\"chainId\":\"0x%s\",\"peerId\":\"%s\",\"validatorKey\":%s%s%s}", dmg_cli_quote( cli, dir ), chain, peer, bls ? "\"0x" : "null", hex, bls ? "\"" : "" ) );
  printf( "node       %s\nchain      demiurge:%.32s\npeer id    %s\n", dir, chain, peer );
  if( bls ) printf( "validator  0x%s\n", hex );
  printf( "\nrun it     demiurge node run --data %s --peers ADDRESS/p2p/ID\n           ADDRESS/p2p/ID: of a node of this chain, as `node run` tells it there under listens\n", dir );
  return DMG_EXIT_OK;
}

/* ---- node run ---- */

typedef struct { dmg_chain_t * chain; dmg_node_t * node; dmg_err_t ended; } running_t;

static bool is_ready( void * ctx, dmg_buf_t * out_reasons ) { return dmg_chain_is_ready( ( (running_t *)ctx )->chain, out_reasons ); }
static dmg_err_t metrics( void * ctx, dmg_buf_t * out ) {
  running_t * r = ctx;
  DMG_TRY( dmg_chain_metrics( r->chain, out ) );
  return dmg_node_metrics( r->node, out );
}

/* On the node's thread: the command ends as if asked to. */
static void on_end( void * ctx, dmg_err_t err ) {
  ( (running_t *)ctx )->ended = err;
  kill( getpid(), SIGTERM );
}

/* Words between commas, in place; how many, at most max. */
static size_t split( char * text, char const ** out, size_t max ) {
  size_t cnt = 0;
  while( *text && cnt<max ) {
    size_t n = strcspn( text, DMG_CONFIG_LIST_GAPS );
    bool is_last = !text[ n ];
    if( n ) out[ cnt++ ] = text;
    text[ n ] = 0;
    text += n+!is_last;
  }
  return cnt;
}

static void print_running( dmg_cli_t const * cli, dmg_config_t const * config, uint16_t port, running_t * r, bool is_validator ) {
  dmg_query_chain_t info;
  dmg_node_info_t node;
  char id[ 65 ];
  char const * host = dmg_config_text( config, DMG_CONFIG_RPC_ADDRESS );
  dmg_chain_query( r->chain )->chain( r->chain, &info );
  dmg_node_info( r->node, &node );
  dmg_hex_encode( info.chain_id.b, 32, id );
  if( cli->out!=DMG_CLI_TEXT ) printf( "{\"rpc\":\"http://%s:%u/rpc\",\"p2p\":\"%s\",\"chainId\":\"0x%s\",\"height\":\"%lu\",\"isValidator\":%s}\n", host, port, node.addr, id, (unsigned long)info.head.height, is_validator ? "true" : "false" );
  else printf( "\ndemiurge node: running as %s\n\n  JSON-RPC  http://%s:%u/rpc\n  listens   %s\n  chain     demiurge:%.32s, at height %lu\n  stop      Ctrl-C\n\n", is_validator ? "a validator" : "a follower", host, port,
               *node.addr ? node.addr : "(not listening)", id, (unsigned long)info.head.height );
  fflush( stdout );
}

/* Until a signal comes; meanwhile stderr shows how far a node that is behind has come. */
static void wait_and_show( dmg_cli_t const * cli, dmg_node_t * node ) {
  char const * how = cli->flag[ DMG_CLI_FLAG_PROGRESS ];
  char out[ DMG_SYNC_BAR_SZ+16 ];
  dmg_sync_bar_t bar = { .how = dmg_os_is_tty( 2 ) ? DMG_SYNC_BAR_LINE : DMG_SYNC_BAR_PLAIN };
  if( how && !strcmp( how, "plain" ) ) bar.how = DMG_SYNC_BAR_PLAIN;
  if( how && !strcmp( how, "json" ) )  bar.how = DMG_SYNC_BAR_JSON;
  if( cli->is_quiet || ( how && !strcmp( how, "none" ) ) ) bar.how = DMG_SYNC_BAR_NONE;
  while( !dmg_cli_serve_wait( 250 ) ) {
    dmg_node_info_t i;
    dmg_node_info( node, &i );
    dmg_sync_at_t at = { .height = i.validator.height, .goal = i.sync_goal, .rate = i.rate };
    dmg_node_keep( node );
    if( dmg_sync_bar( &bar, i.is_syncing, &at, dmg_os_mono_ns()/1000000, out ) ) fputs( out, stderr );
  }
}

static int node_run( dmg_cli_t * cli ) {
  static dmg_config_t config;
  char why[ 512 ], cache[ 2048 ], path[ DMG_NODE_PATH_SZ ], listen[ DMG_CONFIG_VALUE_MAX ], peers[ DMG_CONFIG_VALUE_MAX ], external[ DMG_CONFIG_VALUE_MAX ], peer_file[ DMG_NODE_PATH_SZ ];
  char const * listens[ DMG_CONFIG_LISTEN_MAX ], * peer_list[ DMG_CONFIG_PEERS_MAX ], * externals[ DMG_CONFIG_EXTERNAL_MAX ];
  dmg_buf_t genesis = { 0 };
  int code = dmg_cli_serve_settings( cli, &config );
  if( code ) return code;
  dmg_cli_serve_log( cli, &config );
  char const * dir = dmg_config_text( &config, DMG_CONFIG_STORAGE_PATH );
  if( !*dir ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "node run wants --data DIR, a folder of `demiurge node init` or `demiurge testnet`" );
  snprintf( path, sizeof path, "%.2000s/genesis.bin", dir );
  dmg_err_t err = dmg_os_file_read( path, DMG_GENESIS_SZ_MAX, &genesis );
  if( err==DMG_ERR_NOT_FOUND ) return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "%s holds no node: `demiurge node init --data %s --genesis FILE` makes one", dir, dir );
  if( err ) return dmg_node_files_fail( cli, path, err );

  dmg_chain_cfg_t cfg = { .genesis = dmg_buf_span( &genesis ), .modules = dmg_builtin_modules, .module_cnt = dmg_builtin_module_cnt, .is_several = true };
  dmg_node_cfg_t  ncfg = { .listen = listens, .peers = peer_list, .external = externals, .peer_file = peer_file, .is_private = true, .on_end = on_end };
  running_t       r = { 0 };
  dmg_cli_serve_t serve = { 0 };
  snprintf( listen, sizeof listen, "%s", dmg_config_text( &config, DMG_CONFIG_NET_LISTEN ) );
  snprintf( peers, sizeof peers, "%s", dmg_config_text( &config, DMG_CONFIG_NET_PEERS ) );
  snprintf( external, sizeof external, "%s", dmg_config_text( &config, DMG_CONFIG_NET_EXTERNAL ) );
  snprintf( peer_file, sizeof peer_file, "%.2000s/peers.bin", dir );
  ncfg.external_cnt = split( external, externals, DMG_CONFIG_EXTERNAL_MAX );
  ncfg.uplink_mbit  = (uint32_t)dmg_config_uint( &config, DMG_CONFIG_NET_UPLINK );
  ncfg.listen_cnt = split( listen, listens, DMG_CONFIG_LISTEN_MAX );
  ncfg.peer_cnt   = split( peers, peer_list, DMG_CONFIG_PEERS_MAX );
  dmg_genesis_t * g;
  bool is_genesis = !dmg_genesis_decode( cfg.genesis, cli->arena, &g ).kind;
  if( is_genesis && g->kind==DMG_GENESIS_DEV ) { code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s is of a chain of one: `demiurge dev --data %s` runs it", path, dir ); goto out; }
  if( is_genesis && g->kind==DMG_GENESIS_MAIN ) ncfg.is_private = dmg_config_bool( &config, DMG_CONFIG_NET_PRIVATE );
  dmg_cli_serve_chain_cfg( &config, cache, &cfg );
  (void)dmg_config_checkpoint( dmg_config_text( &config, DMG_CONFIG_NODE_CHECKPOINT ), &cfg.checkpoint );   /* dmg_config_set checked it */
  err = dmg_node_key_get( dir, "node.key", ncfg.seed );
  if( err ) { code = dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s/node.key: %s", dir, dmg_err_text( err ) ); goto out; }
  err = dmg_node_key_get( dir, "validator.key", cfg.validator_secret );
  if( err && err!=DMG_ERR_NOT_FOUND ) { code = dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s/validator.key: %s", dir, dmg_err_text( err ) ); goto out; }
  bool is_validator = !err;
  dmg_cli_serve_block_signals();
  err = dmg_chain_open( &cfg, &r.chain, why );
  if( err ) { code = dmg_cli_serve_not_opened( cli, err, why ); goto out; }
  if(( code = dmg_cli_serve_rpc( cli, &config, r.chain, &serve ) )) goto out;
  ncfg.chain = r.chain;
  ncfg.ctx   = &r;
  err = dmg_node_start( &ncfg, &r.node, why );
  if( err ) { code = dmg_cli_fail( cli, err==DMG_ERR_INVALID || err==DMG_ERR_UNAVAILABLE ? DMG_EXIT_USAGE : DMG_EXIT_INTERNAL, dmg_err_name( err ), "%s", why ); goto out; }
  if(( code = dmg_cli_serve_http( cli, &config, &serve, &r, is_ready, metrics ) )) goto out;
  print_running( cli, &config, dmg_http_server_port( serve.server ), &r, is_validator );
  if(( code = dmg_cli_serve_ready( cli ) )) goto out;
  wait_and_show( cli, r.node );
  if( r.ended ) code = dmg_cli_fail( cli, DMG_EXIT_INTERNAL, dmg_err_name( r.ended ), "the node stopped: %s; see the log", dmg_err_text( r.ended ) );
  else          DMG_LOG_INFO( "stopping", "asked to" );
out:
  dmg_wipe( cfg.validator_secret, sizeof cfg.validator_secret );
  dmg_wipe( ncfg.seed, sizeof ncfg.seed );
  /* Readers first: what they ask lives in chain and node.  Then the node, which tells rpc of its blocks. */
  dmg_cli_serve_close( &serve );
  dmg_node_stop( r.node );
  dmg_cli_serve_free( &serve );
  dmg_chain_close( r.chain );
  dmg_buf_fini( &genesis );
  return code;
}

/* ---- node status ---- */

/* A validator that lacks a quorum runs, has peers and votes; that nothing becomes final is what shows. */
static void print_height( dmg_node_status_t const * s ) {
  double age = s->time_s>0 ? (double)dmg_os_wall_ms()/1e3-s->time_s : 0;
  printf( "height       %lu, final", (unsigned long)s->height );
  if( age>=10 ) printf( "; nothing since, for %.0f s", age );
  printf( "\n" );
}

static int node_status( dmg_cli_t * cli ) {
  dmg_node_status_t s;
  char why[ 256 ] = "";
  int code = dmg_cli_config_rpc( cli );
  if( code ) return code;
  dmg_err_t err = dmg_node_status_get( cli->rpc_url, cli->timeout_ms, &s, why );
  if( err==DMG_ERR_UNSUPPORTED ) return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "%s", why );
  if( err ) return dmg_cli_no_node( cli, err, why );
  if( dmg_cli_is_data( cli ) )
    return dmg_cli_print_json( cli, dmg_cli_text( cli,
      "{\"height\":\"%lu\",\"epoch\":%lu,\"view\":\"%lu\",\"lagWindows\":%lu,\"isVoting\":%s,\"connections\":%lu,\"validatorLinks\":%lu,\"finalP50Ms\":%.0f,\"finalAtMs\":\"%.0f\"}",
      (unsigned long)s.height, (unsigned long)s.epoch, (unsigned long)s.view, (unsigned long)s.lag, s.is_voting ? "true" : "false", (unsigned long)s.conns, (unsigned long)s.links, s.final_s*1000, s.time_s*1000 ) );
  /* Links are of validators among themselves: a follower has none, and no view of its own. */
  print_height( &s );
  if( !s.is_voting && !s.links ) { printf( "votes        no, it follows\npeers        %lu\n", (unsigned long)s.conns ); return dmg_cli_unreached( cli, !s.conns, "             " ); }
  printf( "epoch, view  %lu, %lu (%lu windows above the final one)\nvotes        %s\npeers        %lu, of them validators %lu\n", (unsigned long)s.epoch, (unsigned long)s.view,
          (unsigned long)s.lag, s.is_voting ? "yes" : "no", (unsigned long)s.conns, (unsigned long)s.links );
  char final[ 24 ];
  if( s.final_s>0 ) printf( "finality     %s, the median of the last minute\n", dmg_node_ms_text( s.final_s, 0, final ) );
  return dmg_cli_unreached( cli, !s.conns, "             " );
}

dmg_cli_cmd_t const dmg_cmds_node[] = {
  { "node init", "", 0, 0, "make the data folder of a node: its identity and the chain's genesis", "  Without --validator it follows: it checks and serves blocks, and votes on none.", node_init, 0,
    { { "--data", "DIR", "the folder to make" }, { "--genesis", "FILE", "the chain's genesis, a genesis.bin" }, { "--validator", NULL, "make a validator's key, too; it votes where a genesis names it" } } },
  { "node run", "", 0, 0, "run a node among others", "  Of a chain of kind test or main; `demiurge dev` runs a chain of one.", node_run, DMG_CLI_FOLLOWS,
    { { "--data", "DIR", "its folder" }, { "--port", "N", "TCP port of JSON-RPC (default 7369; 0: any)" }, { "--listen", "ADDR,..", "multiaddresses to listen at (default /ip4/127.0.0.1/tcp/7370)" },
      { "--peers", "ADDR,..", "peers to dial: /ip4/ADDRESS/tcp/PORT/p2p/ID" }, { "--threads", "N", "threads that read and answer requests" }, { "--ready-fd", "N", "write one byte to this descriptor when ready" },
      { "--checkpoint", "EPOCH:HASH", "a block that the chain must hold, from somebody you trust; wanted when the last one here is over 9 days old" },
      { "--log", "LEVEL", "error, warn, info or debug" } } },
  { "node status", "", 0, 0, "where a node stands: height, view, peers", NULL, node_status, 0, {{ 0 }} },
  { 0 }
};
