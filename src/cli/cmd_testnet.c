/* node init, run, status: a node among others.  testnet: several of them on this machine, in one command. */
#include "cli/builtin.h"
#include "cli/serve.h"
#include "cli/sync_bar.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"
#include "crypto/bech32.h"
#include "crypto/kdf.h"
#include "node/epochs.h"
#include "node/node.h"
#include "node/signer.h"
#include "rpc/http_client.h"
#include "types/agree.h"
#include "types/items.h"
#include "types/params.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NODES_MAX = 16, PATH_SZ = 2200, TEST_EPOCH_BLOCKS = 14400 };

/* ---- Files of a node's data folder: genesis.bin, node.key (Ed25519 seed), validator.key (BLS secret), safety.bin ---- */

static dmg_err_t key_put( char const * dir, char const * name, uint8_t const secret[ 32 ] ) {
  char path[ PATH_SZ ], hex[ 66 ];
  snprintf( path, sizeof path, "%.2000s/%s", dir, name );
  dmg_hex_encode( secret, 32, hex );
  hex[ 64 ] = '\n';
  dmg_err_t err = dmg_os_file_replace( path, dmg_span( hex, 65 ), 0600 );
  dmg_wipe( hex, sizeof hex );
  return err;
}

static dmg_err_t key_get( char const * dir, char const * name, uint8_t out[ 32 ] ) {
  char path[ PATH_SZ ];
  dmg_buf_t buf = { 0 };
  snprintf( path, sizeof path, "%.2000s/%s", dir, name );
  DMG_TRY( dmg_os_file_read( path, 128, &buf ) );
  dmg_err_t err = buf.sz>=64 && ( buf.sz==64 || ( buf.sz==65 && buf.p[ 64 ]=='\n' ) ) ? dmg_hex_decode( (char const *)buf.p, 64, out, 32 ) : DMG_ERR_INVALID;
  dmg_wipe( buf.p, buf.sz );
  dmg_buf_fini( &buf );
  return err;
}

static void new_bls( uint8_t out[ 32 ] ) {
  uint8_t ikm[ 32 ];
  dmg_os_random( ikm, sizeof ikm );
  bool is_good = dmg_bls_keygen( DMG_SPAN( ikm ), out );
  DMG_ASSERT( is_good );
  dmg_wipe( ikm, sizeof ikm );
}

static dmg_err_t safety_put( char const * dir, dmg_hash_t const * chain_id, uint8_t const secret[ 32 ], uint64_t from_ms ) {
  char path[ PATH_SZ ];
  snprintf( path, sizeof path, "%.2000s/safety.bin", dir );
  dmg_signer_cfg_t cfg = { .vfs = dmg_vfs_os(), .path = path, .chain_id = *chain_id, .is_durable = true };
  memcpy( cfg.secret, secret, 32 );
  dmg_signer_host( cfg.host );
  dmg_err_t err = dmg_signer_init( &cfg, from_ms );
  dmg_wipe( cfg.secret, sizeof cfg.secret );
  dmg_vfs_free( cfg.vfs );
  return err;
}

static int files_fail( dmg_cli_t * cli, char const * dir, dmg_err_t err ) {
  char const * right = err==DMG_ERR_PERM ? "; this user must be able to read and write the folder, and its disk must not be mounted read-only" : err==DMG_ERR_FULL ? "; free some space there" : "";
  return dmg_cli_fail( cli, err==DMG_ERR_EXISTS || err==DMG_ERR_PERM ? DMG_EXIT_USAGE : DMG_EXIT_INTERNAL, "Storage", "%s: %s%s", dir, dmg_err_text( err ), right );
}

/* ---- node init ---- */

static int node_init( dmg_cli_t * cli ) {
  char const * dir = dmg_cli_opt( cli, "--data" ), * genesis_path = dmg_cli_opt( cli, "--genesis" );
  char path[ PATH_SZ ], peer[ 64 ], chain[ 65 ];
  uint8_t seed[ 32 ], secret[ 32 ];
  dmg_buf_t bytes = { 0 }, id = dmg_buf( 64 );
  dmg_genesis_t * genesis;
  if( !dir || !genesis_path ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "node init wants --data DIR, the folder to make, and --genesis FILE, the chain's" );
  dmg_err_t err = dmg_os_file_read( genesis_path, DMG_GENESIS_SZ_MAX, &bytes );
  if( err ) return dmg_cli_fail( cli, err==DMG_ERR_NOT_FOUND ? DMG_EXIT_NOT_FOUND : DMG_EXIT_USAGE, dmg_err_name( err ), "%s: %s", genesis_path, dmg_err_text( err ) );
  dmg_verdict_t v = dmg_genesis_decode( dmg_buf_span( &bytes ), cli->arena, &genesis );
  if( !v.kind ) v = dmg_genesis_check( genesis );
  if( v.kind ) {
    char text[ DMG_VERDICT_TEXT_MAX ];
    dmg_verdict_print( &v, text, sizeof text );
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s is no genesis: %s", genesis_path, text );
  }
  dmg_hash_t chain_id = dmg_genesis_hash( dmg_buf_span( &bytes ) );
  snprintf( path, sizeof path, "%.2000s/genesis.bin", dir );
  if( !access( path, F_OK ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s holds a node already", dir );
  static char const * const own[] = { "config.toml", NULL };
  int code = dmg_cli_serve_new_dir( cli, dir, "node", own );
  if( code ) return code;
  dmg_os_random( seed, sizeof seed );
  err = dmg_os_mkdirs( dir );
  if( !err ) err = key_put( dir, "node.key", seed );
  if( !err ) err = dmg_node_peer_id( seed, &id, peer );
  char const * bls = dmg_cli_opt( cli, "--validator" );
  char hex[ 193 ] = "";
  if( !err && bls ) {
    dmg_bls_key_t key;
    uint8_t key_bytes[ 96 ];
    new_bls( secret );
    bool is_good = dmg_bls_public( secret, &key );
    DMG_ASSERT( is_good );
    dmg_bls_key_store( &key, key_bytes );
    dmg_hex_encode( key_bytes, 96, hex );
    err = key_put( dir, "validator.key", secret );
    /* C6.5: what may have been signed by this key elsewhere is older than now. */
    if( !err ) err = safety_put( dir, &chain_id, secret, dmg_os_wall_ms() );
    dmg_wipe( secret, sizeof secret );
  }
  /* Last: with it the folder is a node's. */
  if( !err ) err = dmg_os_file_replace( path, dmg_buf_span( &bytes ), 0600 );
  dmg_wipe( seed, sizeof seed );
  dmg_buf_fini( &bytes );
  dmg_buf_fini( &id );
  if( err ) return files_fail( cli, dir, err );
  dmg_hex_encode( chain_id.b, 32, chain );
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"data\":%s,\"chainId\":\"0x%s\",\"peerId\":\"%s\",\"validatorKey\":%s%s%s}", dmg_cli_quote( cli, dir ), chain, peer, bls ? "\"0x" : "null", hex, bls ? "\"" : "" ) );
  printf( "node       %s\nchain      demiurge:%.32s\npeer id    %s\n", dir, chain, peer );
  if( bls ) printf( "validator  0x%s\n", hex );
  printf( "\nrun it     demiurge node run --data %s --peers ADDRESS/p2p/ID\n", dir );
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
  else printf( "\ndemiurge node: running as %s\n\n  JSON-RPC  http://%s:%u/rpc\n  peers     %s\n  chain     demiurge:%.32s, at height %lu\n  stop      Ctrl-C\n\n", is_validator ? "a validator" : "a follower", host, port,
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
  char why[ 512 ], cache[ 2048 ], path[ PATH_SZ ], listen[ DMG_CONFIG_VALUE_MAX ], peers[ DMG_CONFIG_VALUE_MAX ], external[ DMG_CONFIG_VALUE_MAX ], peer_file[ PATH_SZ ];
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
  if( err ) return files_fail( cli, path, err );

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
  err = key_get( dir, "node.key", ncfg.seed );
  if( err ) { code = dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyLocked", "%s/node.key: %s", dir, dmg_err_text( err ) ); goto out; }
  err = key_get( dir, "validator.key", cfg.validator_secret );
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

/* A number of a metrics page; false: it has none of that name. */
static bool metric_text( dmg_buf_t const * page, char const * name, char text[ 32 ] ) {
  size_t n = strlen( name );
  for( size_t at = 0; at+n+1<page->sz; ) {
    uint8_t const * line = page->p+at, * end = memchr( line, '\n', page->sz-at );
    size_t sz = end ? (size_t)( end-line ) : page->sz-at;
    if( sz>n && !memcmp( line, name, n ) && line[ n ]==' ' ) {
      snprintf( text, 32, "%.*s", (int)( sz-n-1<31 ? sz-n-1 : 31 ), (char const *)line+n+1 );
      return true;
    }
    at += sz+1;
  }
  return false;
}

static bool metric( dmg_buf_t const * page, char const * name, uint64_t * out ) {
  char text[ 32 ];
  if( !metric_text( page, name, text ) ) return false;
  *out = strtoull( text, NULL, 10 );
  return true;
}

static double metric_s( dmg_buf_t const * page, char const * name ) {
  char text[ 32 ];
  return metric_text( page, name, text ) ? strtod( text, NULL ) : 0;
}

typedef struct { uint64_t height, conns, links, view, epoch, is_voting, lag; double final_s, rtt_s, time_s; } status_t;   /* 0: not known; time_s: the block's, since 1970 */

/* UNSUPPORTED: something answers that is no node among others. */
static dmg_err_t status_get( char const * rpc_url, uint32_t timeout_ms, status_t * out, char why[256] ) {
  char url[ 1100 ];
  int http;
  dmg_buf_t page = dmg_buf( 1<<20 );
  snprintf( url, sizeof url, "%.1000s", rpc_url );
  char * tail = strstr( url, "/rpc" );
  if( tail ) *tail = 0;
  snprintf( url+strlen( url ), sizeof url-strlen( url ), "/metrics" );
  dmg_err_t err = dmg_http_get( url, timeout_ms, &http, &page, why );
  if( !err && ( http!=200 || !metric( &page, "demiurge_net_links", &out->links ) || !metric( &page, "demiurge_chain_height{kind=\"final\"}", &out->height ) ) ) {
    snprintf( why, 256, "%.150s is not of a node among others; `demiurge status` asks any node", url );
    err = DMG_ERR_UNSUPPORTED;
  }
  if( !err && ( !metric( &page, "demiurge_net_connections", &out->conns ) || !metric( &page, "demiurge_consensus_view{kind=\"current\"}", &out->view ) || !metric( &page, "demiurge_consensus_epoch", &out->epoch ) ||
                !metric( &page, "demiurge_consensus_voting", &out->is_voting ) || !metric( &page, "demiurge_consensus_lag_windows", &out->lag ) ) ) err = DMG_ERR_UNSUPPORTED;
  out->final_s = err ? 0 : metric_s( &page, "demiurge_finality_seconds{quantile=\"0.5\"}" );
  out->time_s  = err ? 0 : metric_s( &page, "demiurge_chain_time_seconds{kind=\"final\"}" );
  out->rtt_s   = err ? 0 : metric_s( &page, "demiurge_net_rtt_seconds{quantile=\"0.5\"}" );
  dmg_buf_fini( &page );
  return err;
}

/* "184 ms"; "-": not known. */
static char const * ms_text( double s, unsigned digits, char out[ 24 ] ) {
  if( s>0 ) snprintf( out, 24, "%.*f ms", (int)digits, s*1000 );
  else      snprintf( out, 24, "-" );
  return out;
}

/* A validator that lacks a quorum runs, has peers and votes; that nothing becomes final is what shows. */
static void print_height( status_t const * s ) {
  double age = s->time_s>0 ? (double)dmg_os_wall_ms()/1e3-s->time_s : 0;
  printf( "height       %lu, final", (unsigned long)s->height );
  if( age>=10 ) printf( "; nothing since, for %.0f s", age );
  printf( "\n" );
}

static int node_status( dmg_cli_t * cli ) {
  status_t s;
  char why[ 256 ] = "";
  int code = dmg_cli_config_rpc( cli );
  if( code ) return code;
  dmg_err_t err = status_get( cli->rpc_url, cli->timeout_ms, &s, why );
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
  if( s.final_s>0 ) printf( "finality     %s, the median of the last minute\n", ms_text( s.final_s, 0, final ) );
  return dmg_cli_unreached( cli, !s.conns, "             " );
}

/* ---- testnet ---- */

typedef struct {
  uint8_t  seed[ 32 ];
  char     dir[ PATH_SZ ], peer[ 64 ], rpc[ 64 ];
  uint16_t port, p2p;    /* as its configuration says */
  dmg_buf_t peer_bytes;
  pid_t    pid;
  int      ended;        /* wait status of a process that is gone */
  bool     is_down, has_status;
  status_t status;
} member_t;

typedef struct { uint32_t cnt; uint64_t port, p2p, epoch_blocks; char const * dir; member_t m[ NODES_MAX ]; dmg_dev_member_t keys[ NODES_MAX ]; } net_t;

static void node_dir( net_t const * t, uint32_t i, char out[ PATH_SZ ] ) { snprintf( out, PATH_SZ, "%.2000s/node-%u", t->dir, i+1 ); }

static int by_account( void const * a, void const * b ) { return memcmp( ( (dmg_dev_member_t const *)a )->account.b, ( (dmg_dev_member_t const *)b )->account.b, 32 ); }

/* checkpoint: the genesis, as whoever made all of these knows which chain they are of however long they stood still (C10.2). */
static dmg_err_t config_put( net_t const * t, uint32_t i, dmg_hash_t const * chain_id ) {
  char path[ PATH_SZ ], checkpoint[ 65 ];
  dmg_buf_t text = dmg_buf( 65536 );
  dmg_hex_encode( chain_id->b, 32, checkpoint );
  dmg_err_t err = dmg_buf_printf( &text, "[storage]\npath = \"%s\"\ntree_bytes = \"1GiB\"\n\n[rpc]\nport = %lu\n\n[net]\nlisten = \"/ip4/127.0.0.1/tcp/%lu\"\nprivate = true\npeers = \"", t->m[ i ].dir,
                                  (unsigned long)( t->port+i ), (unsigned long)( t->p2p+i ) );
  for( uint32_t k = 0, n = 0; k<t->cnt && !err; k++ ) if( k!=i ) err = dmg_buf_printf( &text, "%s/ip4/127.0.0.1/tcp/%lu/p2p/%s", n++ ? "," : "", (unsigned long)( t->p2p+k ), t->m[ k ].peer );
  if( !err ) err = dmg_buf_printf( &text, "\"\n\n[node]\ncheckpoint = \"0:0x%s\"\n\n[log]\nformat = \"text\"\n\n[client]\nrpc = \"http://127.0.0.1:%lu/rpc\"\n", checkpoint, (unsigned long)( t->port+i ) );
  snprintf( path, sizeof path, "%.2000s/config.toml", t->m[ i ].dir );
  if( !err ) err = dmg_os_file_replace( path, dmg_buf_span( &text ), 0600 );
  dmg_buf_fini( &text );
  return err;
}

static dmg_err_t accounts_put( net_t const * t, char const * words, dmg_dev_account_t const * accounts ) {
  char path[ PATH_SZ ], address[ DMG_ADDRESS_TEXT_SZ+1 ];
  dmg_buf_t text = dmg_buf( 65536 );
  dmg_err_t err = dmg_buf_printf( &text, "%s\n", words );
  snprintf( path, sizeof path, "%.2000s/mnemonic", t->dir );
  if( !err ) err = dmg_os_file_replace( path, dmg_buf_span( &text ), 0600 );
  dmg_buf_clear( &text );
  for( uint32_t a = 0; a<DMG_DEV_ACCOUNT_CNT && !err; a++ ) {
    dmg_address_text( &accounts[ a ].address, address );
    err = dmg_buf_printf( &text, "%u %s %s\n", a, accounts[ a ].name, address );
  }
  snprintf( path, sizeof path, "%.2000s/accounts", t->dir );
  if( !err ) err = dmg_os_file_replace( path, dmg_buf_span( &text ), 0600 );
  dmg_wipe( text.p, text.sz );
  dmg_buf_fini( &text );
  return err;
}

static dmg_err_t make( dmg_cli_t * cli, net_t * t ) {
  /* A genesis names no account twice, so a set above eleven brings accounts; node1's is there in any case. */
  static dmg_dev_account_t accounts[ NODES_MAX ];
  uint32_t account_cnt = t->cnt>DMG_DEV_KEY_CNT ? t->cnt-1 : DMG_DEV_ACCOUNT_CNT;
  char words[ DMG_BIP39_TEXT_MAX ], path[ PATH_SZ ];
  uint8_t entropy[ 32 ];
  dmg_span_t genesis;
  dmg_os_random( entropy, sizeof entropy );
  DMG_TRY( dmg_bip39_generate( DMG_SPAN( entropy ), words ) );
  DMG_TRY( dmg_dev_accounts_of( dmg_span_cstr( words ), dmg_dev_key_cnt( account_cnt ), accounts ) );
  for( uint32_t i = 0; i<t->cnt; i++ ) {
    member_t * m = &t->m[ i ];
    dmg_os_random( m->seed, sizeof m->seed );
    m->peer_bytes = dmg_buf( 64 );
    DMG_TRY( dmg_node_peer_id( m->seed, &m->peer_bytes, m->peer ) );
    /* A validator's account gets its tips; there is no stake to bond yet (weights are equal). */
    t->keys[ i ] = (dmg_dev_member_t){ .account = accounts[ i ].address, .peer = dmg_buf_span( &m->peer_bytes ), .bond = 1000000ull*DMG_SPARKS_PER_CGT };
    new_bls( t->keys[ i ].secret );
    node_dir( t, i, m->dir );
    DMG_TRY( dmg_os_mkdirs( m->dir ) );
    DMG_TRY( key_put( m->dir, "node.key", m->seed ) );
    DMG_TRY( key_put( m->dir, "validator.key", t->keys[ i ].secret ) );
  }
  dmg_dev_member_t sorted[ NODES_MAX ];
  memcpy( sorted, t->keys, sizeof sorted );
  qsort( sorted, t->cnt, sizeof *sorted, by_account );
  dmg_dev_genesis_cfg_t gcfg = { .name = "testnet", .time_ms = dmg_os_wall_ms(), .modules = dmg_builtin_modules, .module_cnt = dmg_builtin_module_cnt, .members = sorted, .member_cnt = t->cnt, .epoch_blocks = t->epoch_blocks,
                                 .account_cnt = account_cnt };
  DMG_TRY( dmg_dev_genesis( &gcfg, accounts, cli->arena, &genesis ) );
  dmg_wipe( sorted, sizeof sorted );
  dmg_hash_t chain_id = dmg_genesis_hash( genesis );
  for( uint32_t i = 0; i<t->cnt; i++ ) {
    /* These keys are new with the genesis: nothing can have been signed (C6.5). */
    DMG_TRY( safety_put( t->m[ i ].dir, &chain_id, t->keys[ i ].secret, 0 ) );
    DMG_TRY( config_put( t, i, &chain_id ) );
    snprintf( path, sizeof path, "%.2000s/genesis.bin", t->m[ i ].dir );
    DMG_TRY( dmg_os_file_replace( path, genesis, 0600 ) );
  }
  DMG_TRY( accounts_put( t, words, accounts ) );
  dmg_wipe( words, sizeof words );
  /* Last: with it the folder is a whole network. */
  snprintf( path, sizeof path, "%.2000s/genesis.bin", t->dir );
  return dmg_os_file_replace( path, genesis, 0600 );
}

/* Of "/ip4/127.0.0.1/tcp/7481"; 0: it has none. */
static uint16_t tcp_port( char const * listen ) {
  char const * p = strstr( listen, "/tcp/" );
  return p ? (uint16_t)strtoul( p+5, NULL, 10 ) : 0;
}

/* A folder that holds a network: how many nodes, and where each answers. */
static int look( dmg_cli_t * cli, net_t * t ) {
  static dmg_config_t config;
  char path[ PATH_SZ ];
  for( t->cnt = 0; t->cnt<NODES_MAX; t->cnt++ ) {
    member_t * m = &t->m[ t->cnt ];
    node_dir( t, t->cnt, m->dir );
    snprintf( path, sizeof path, "%.2000s/config.toml", m->dir );
    if( access( path, R_OK ) ) break;
    int code = dmg_cli_config_load( cli, path, &config );
    if( code ) return code;
    m->port = (uint16_t)dmg_config_uint( &config, DMG_CONFIG_RPC_PORT );
    m->p2p  = tcp_port( dmg_config_text( &config, DMG_CONFIG_NET_LISTEN ) );
    snprintf( m->rpc, sizeof m->rpc, "http://127.0.0.1:%u/rpc", m->port );
  }
  return t->cnt ? DMG_EXIT_OK : dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s holds no network whose nodes have a config.toml", t->dir );
}

/* The flags that a network is made by, of one that is there. */
static int same( dmg_cli_t * cli, net_t const * t, char const * flag, uint64_t has, uint64_t wanted ) {
  if( !dmg_cli_opt( cli, flag ) || has==wanted ) return DMG_EXIT_OK;
  return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s holds a network that was made with %s %lu, not %lu: leave the flag out, or make another one with --dir", t->dir, flag, (unsigned long)has, (unsigned long)wanted );
}

static int check_flags( dmg_cli_t * cli, net_t const * t, net_t const * wanted ) {
  char path[ PATH_SZ ];
  dmg_buf_t bytes = { 0 };
  dmg_genesis_t * g;
  snprintf( path, sizeof path, "%.2000s/genesis.bin", t->dir );
  dmg_err_t err = dmg_os_file_read( path, DMG_GENESIS_SZ_MAX, &bytes );
  if( err ) return files_fail( cli, path, err );
  bool is_good = !dmg_genesis_decode( dmg_buf_span( &bytes ), cli->arena, &g ).kind;
  uint64_t epoch_blocks = is_good ? dmg_genesis_param( g, DMG_PARAM_EPOCH_BLOCKS ) : 0;
  int code = is_good ? same( cli, t, "--validators", t->cnt, wanted->cnt ) : dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s is no genesis", path );
  if( !code ) code = same( cli, t, "--epoch-blocks", epoch_blocks, wanted->epoch_blocks );
  if( !code ) code = same( cli, t, "--port", t->m[ 0 ].port, wanted->port );
  if( !code ) code = same( cli, t, "--p2p-port", t->m[ 0 ].p2p, wanted->p2p );
  dmg_buf_fini( &bytes );
  return code;
}

/* Does anybody listen there?  Without SO_REUSEPORT, which libp2p sets: with it two processes would share the port. */
static bool is_taken( uint16_t port ) {
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons( port ), .sin_addr.s_addr = htonl( INADDR_LOOPBACK ) };
  int fd = socket( AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0 ), one = 1;
  bool is_bad = fd>=0 && ( setsockopt( fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one ) || bind( fd, (struct sockaddr const *)&at, sizeof at ) ) && errno==EADDRINUSE;
  if( fd>=0 ) close( fd );
  return is_bad;
}

static int check_ports( dmg_cli_t * cli, net_t const * t, bool is_new ) {
  for( uint32_t i = 0; i<t->cnt; i++ ) for( unsigned k = 0; k<2; k++ ) {
    uint16_t port = k ? t->m[ i ].p2p : t->m[ i ].port;
    if( !port || !is_taken( port ) ) continue;
    char how[ PATH_SZ+64 ];
    if( is_new ) snprintf( how, sizeof how, "%s names where the nodes' count up from", k ? "--p2p-port" : "--port" );
    else         snprintf( how, sizeof how, "is this network running already? Else change %s in %.2000s/config.toml", k ? "net.listen (and net.peers of the others)" : "rpc.port", t->m[ i ].dir );
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Listen", "port %u, %s of node-%u, is in use; %s", port, k ? "for peers" : "JSON-RPC", i+1, how );
  }
  return DMG_EXIT_OK;
}

static bool spawn( member_t * m ) {
  char config[ PATH_SZ ], log[ PATH_SZ ];
  snprintf( config, sizeof config, "%.2000s/config.toml", m->dir );
  snprintf( log, sizeof log, "%.2000s/log", m->dir );
  m->pid = fork();
  if( m->pid ) return m->pid>0;
  sigset_t none;
  sigemptyset( &none );
  sigprocmask( SIG_SETMASK, &none, NULL );
  prctl( PR_SET_PDEATHSIG, SIGTERM );
  setpgid( 0, 0 );   /* Ctrl-C is ours to pass on */
  if( !freopen( log, "a", stderr ) || !freopen( "/dev/null", "w", stdout ) || !freopen( "/dev/null", "r", stdin ) ) _exit( 127 );
  execl( "/proc/self/exe", "demiurge", "node", "run", "--config", config, (char *)NULL );
  _exit( 127 );
}

/* "node-3": figures of the moment, or what became of it. */
static void table_row( member_t const * m, uint32_t i, bool is_ready, char const * clear ) {
  char state[ 64 ], final[ 24 ], rtt[ 24 ], pid[ 16 ] = "-";
  if( !m->is_down ) snprintf( pid, sizeof pid, "%d", (int)m->pid );
  if( m->has_status )     snprintf( state, sizeof state, "%s%s", m->status.is_voting ? "votes" : "listens", m->is_down ? ", started by hand" : "" );
  else if( !m->is_down )  snprintf( state, sizeof state, "%s", is_ready ? "does not answer" : "starting" );
  else                    snprintf( state, sizeof state, WIFSIGNALED( m->ended ) ? "ended by signal %d, see its log" : "ended with code %d, see its log", WIFSIGNALED( m->ended ) ? WTERMSIG( m->ended ) : WEXITSTATUS( m->ended ) );
  printf( "%snode-%-2u %-28s %8s ", clear, i+1, m->rpc, pid );
  /* Medians: from a block's time to its being final there, of the last minute; of the pings to its peers. */
  if( m->has_status ) printf( "%8lu %6lu %5lu %8s %9s", (unsigned long)m->status.height, (unsigned long)m->status.view, (unsigned long)m->status.conns, ms_text( m->status.final_s, 0, final ), ms_text( m->status.rtt_s, 2, rtt ) );
  else                printf( "%8s %6s %5s %8s %9s", "-", "-", "-", "-", "-" );
  printf( "  %s\n", state );
}

static void table( net_t const * t, bool is_again ) {
  static bool is_tty;
  if( !is_again ) is_tty = dmg_os_is_tty( 1 );
  if( is_again && is_tty ) printf( "\033[%uA", t->cnt+2 );
  char const * clear = is_tty ? "\033[K" : "";
  printf( "%s%-7s %-28s %8s %8s %6s %5s %8s %9s  %s\n", clear, "node", "JSON-RPC", "pid", "height", "view", "peers", "final", "rtt", "state" );
  uint32_t there = 0, quorum = (uint32_t)dmg_set_quorum( t->cnt );   /* all weigh the same */
  for( uint32_t i = 0; i<t->cnt; i++ ) {
    table_row( &t->m[ i ], i, is_again, clear );
    there += t->m[ i ].has_status;
  }
  if( there<quorum ) printf( "%sno quorum: %u of %u validators are there, %u are needed; until then nothing becomes final\n", clear, there, t->cnt, quorum );
  else if( is_tty )  printf( "%s\n", clear );
  fflush( stdout );
}

static void ask_all( net_t * t ) {
  char why[ 256 ];
  for( uint32_t i = 0; i<t->cnt; i++ ) {
    member_t * m = &t->m[ i ];
    int ended;
    if( !m->is_down && waitpid( m->pid, &ended, WNOHANG )==m->pid ) { m->is_down = true; m->ended = ended; }
    /* One that was started again by hand answers at the same place. */
    m->has_status = !status_get( m->rpc, 500, &m->status, why );
  }
}

static void print_network( dmg_cli_t const * cli, net_t const * t ) {
  if( cli->out!=DMG_CLI_TEXT ) {
    printf( "{\"dir\":\"%s\",\"mnemonic\":\"%s/mnemonic\",\"nodes\":[", t->dir, t->dir );
    for( uint32_t i = 0; i<t->cnt; i++ ) printf( "%s{\"rpc\":\"%s\",\"pid\":%d,\"data\":\"%s\"}", i ? "," : "", t->m[ i ].rpc, (int)t->m[ i ].pid, t->m[ i ].dir );
    printf( "]}\n" );
  } else printf( "\ndemiurge testnet: %u validators in %s\n\n  accounts  %s/accounts, 1,000,000 CGT each; their words: %s/mnemonic\n            demiurge key import me --index 0 < %s/mnemonic\n"
                 "  try       demiurge transfer dmg1.. 12.5 --from me --rpc %s\n  stop      Ctrl-C\n\n", t->cnt, t->dir, t->dir, t->dir, t->dir, t->m[ 0 ].rpc );
  fflush( stdout );
}

static void end_all( net_t * t ) {
  for( uint32_t i = 0; i<t->cnt; i++ ) if( t->m[ i ].pid>0 && !t->m[ i ].is_down ) kill( t->m[ i ].pid, SIGTERM );
  for( uint64_t end = dmg_os_mono_ns()+10000000000u; dmg_os_mono_ns()<end; dmg_os_sleep_ns( 20000000 ) ) {
    bool is_left = false;
    for( uint32_t i = 0; i<t->cnt; i++ ) {
      member_t * m = &t->m[ i ];
      if( m->pid>0 && !m->is_down && waitpid( m->pid, &m->ended, WNOHANG )==m->pid ) m->is_down = true;
      is_left = is_left || ( m->pid>0 && !m->is_down );
    }
    if( !is_left ) return;
  }
  for( uint32_t i = 0; i<t->cnt; i++ ) if( t->m[ i ].pid>0 && !t->m[ i ].is_down ) { kill( t->m[ i ].pid, SIGKILL ); (void)waitpid( t->m[ i ].pid, NULL, 0 ); }
}

static uint64_t number_opt( dmg_cli_t * cli, char const * name, uint64_t def, uint64_t lo, uint64_t hi, int * code ) {
  char const * v = dmg_cli_opt( cli, name );
  uint64_t n = def;
  if( v && ( !dmg_cli_number( v, hi, &n ) || n<lo ) && !*code ) *code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s wants a number from %lu to %lu, not %s", name, (unsigned long)lo, (unsigned long)hi, v );
  return n;
}

/* What a node said last, which is why it ended; "" if that cannot be read. */
static void last_words( member_t const * m, char out[ 512 ] ) {
  char path[ PATH_SZ ], tail[ 512 ];
  snprintf( path, sizeof path, "%.2000s/log", m->dir );
  out[ 0 ] = 0;
  FILE * f = fopen( path, "r" );
  if( !f ) return;
  if( fseek( f, -(long)sizeof tail+1, SEEK_END ) && fseek( f, 0, SEEK_SET ) ) { fclose( f ); return; }   /* shorter than that */
  size_t n = fread( tail, 1, sizeof tail-1, f );
  fclose( f );
  while( n && tail[ n-1 ]=='\n' ) n--;
  tail[ n ] = 0;
  char const * line = strrchr( tail, '\n' );
  line = line ? line+1 : tail;
  if( !strncmp( line, "demiurge: ", 10 ) ) line += 10;
  snprintf( out, 512, "%s", line );
}

static int run_all( dmg_cli_t * cli, net_t * t ) {
  dmg_cli_serve_block_signals();
  for( uint32_t i = 0; i<t->cnt; i++ ) if( !spawn( &t->m[ i ] ) ) { end_all( t ); return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "node %u does not start: %s", i+1, strerror( errno ) ); }
  sigset_t set;
  sigemptyset( &set );
  sigaddset( &set, SIGINT );
  sigaddset( &set, SIGTERM );
  sigaddset( &set, SIGHUP );
  int code = DMG_EXIT_OK;
  bool is_ready = false, has_table = false;
  for( uint64_t rounds = 0;; rounds++ ) {
    struct timespec second = { .tv_nsec = is_ready ? 999000000 : 100000000 };
    if( sigtimedwait( &set, NULL, &second )>0 ) break;
    ask_all( t );
    uint32_t down_cnt = 0, down = 0, waits = t->cnt;
    for( uint32_t i = t->cnt; i--; ) {
      if( t->m[ i ].is_down ) { down_cnt++; down = i; }
      if( !t->m[ i ].has_status || !t->m[ i ].status.height ) waits = i;
    }
    if( is_ready ? down_cnt==t->cnt : down_cnt ) {
      char why[ 512 ];
      last_words( &t->m[ down ], why );
      code = dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", is_ready ? "all nodes ended; the last line of %s/log: %s" : "a node ended at its start, so the others are stopped; the last line of %s/log: %s", t->m[ down ].dir, why );
      break;
    }
    bool is_all = waits==t->cnt;
    if( !is_all && !is_ready && rounds%100==99 ) dmg_cli_say( cli, "waiting for node-%u (%s); its log: %s/log", waits+1, t->m[ waits ].has_status ? "no block yet" : "it does not answer yet", t->m[ waits ].dir );
    if( is_all && !is_ready ) {
      is_ready = true;
      print_network( cli, t );
      if(( code = dmg_cli_serve_ready( cli ) )) break;
    }
    /* A table that moves on a terminal; a new one every 10 s elsewhere. */
    if( is_ready && cli->out==DMG_CLI_TEXT && !cli->is_quiet && ( dmg_os_is_tty( 1 ) || rounds%10==0 ) ) { table( t, has_table ); has_table = true; }
  }
  dmg_cli_say( cli, "demiurge testnet: stopping" );
  end_all( t );
  return code;
}

static int testnet( dmg_cli_t * cli ) {
  static net_t t;
  static char whole[ PATH_MAX ];
  char path[ PATH_SZ ];
  int code = DMG_EXIT_OK;
  static net_t wanted;
  wanted = (net_t){ .cnt = (uint32_t)number_opt( cli, "--validators", 4, 1, NODES_MAX, &code ), .port = number_opt( cli, "--port", 7381, 1024, 65000, &code ),
                   .p2p = number_opt( cli, "--p2p-port", 7481, 1024, 65000, &code ), .epoch_blocks = number_opt( cli, "--epoch-blocks", TEST_EPOCH_BLOCKS, 240, 345600, &code ) };
  if( code ) return code;
  t = wanted;
  for( uint32_t i = 0; i<t.cnt; i++ ) { t.m[ i ].port = (uint16_t)( t.port+i ); t.m[ i ].p2p = (uint16_t)( t.p2p+i ); }
  t.dir = dmg_cli_opt( cli, "--dir" ) ? dmg_cli_opt( cli, "--dir" ) : "testnet";
  snprintf( path, sizeof path, "%.2000s/genesis.bin", t.dir );
  bool is_new = access( path, F_OK ), is_run = !dmg_cli_opt( cli, "--init-only" );
  /* Before anything is written. */
  static char const * const nothing[] = { NULL };
  if( is_new && ( code = dmg_cli_serve_new_dir( cli, t.dir, "network", nothing ) ) ) return code;
  if( is_new && is_run && ( code = check_ports( cli, &t, true ) ) ) return code;
  /* Configurations name their folder: from wherever a node is started. */
  dmg_err_t err = dmg_os_mkdirs( t.dir );
  if( err || !realpath( t.dir, whole ) ) return files_fail( cli, t.dir, err ? err : DMG_ERR_IO );
  t.dir = whole;
  if( is_new ) {
    err = make( cli, &t );
    for( uint32_t i = 0; i<t.cnt; i++ ) { dmg_wipe( t.m[ i ].seed, 32 ); dmg_wipe( t.keys[ i ].secret, 32 ); dmg_buf_fini( &t.m[ i ].peer_bytes ); }
    if( err ) return files_fail( cli, t.dir, err );
  }
  if(( code = look( cli, &t ) )) return code;
  if( !is_new && ( code = check_flags( cli, &t, &wanted ) ) ) return code;
  if( !is_run ) { print_network( cli, &t ); return DMG_EXIT_OK; }
  if( !is_new && ( code = check_ports( cli, &t, false ) ) ) return code;
  return run_all( cli, &t );
}

dmg_cli_cmd_t const dmg_cmds_testnet[] = {
  { "node init", "", 0, 0, "make the data folder of a node: its identity and the chain's genesis", "  Without --validator it follows: it checks and serves blocks, and votes on none.", node_init, 0,
    { { "--data", "DIR", "the folder to make" }, { "--genesis", "FILE", "the chain's genesis, a genesis.bin" }, { "--validator", NULL, "make a validator's key, too; it votes where a genesis names it" } } },
  { "node run", "", 0, 0, "run a node among others", "  Of a chain of kind test or main; `demiurge dev` runs a chain of one.", node_run, DMG_CLI_FOLLOWS,
    { { "--data", "DIR", "its folder" }, { "--port", "N", "TCP port of JSON-RPC (default 7369; 0: any)" }, { "--listen", "ADDR,..", "multiaddresses to listen at (default /ip4/127.0.0.1/tcp/7370)" },
      { "--peers", "ADDR,..", "peers to dial: /ip4/ADDRESS/tcp/PORT/p2p/ID" }, { "--threads", "N", "threads that read and answer requests" }, { "--ready-fd", "N", "write one byte to this descriptor when ready" },
      { "--checkpoint", "EPOCH:HASH", "a block that the chain must hold, from somebody you trust; wanted when the last one here is over 9 days old" },
      { "--log", "LEVEL", "error, warn, info or debug" } } },
  { "node status", "", 0, 0, "where a node stands: height, view, peers", NULL, node_status, 0, {{ 0 }} },
  { "testnet", "", 0, 0, "several validators on this machine, in one command", "  A new folder gets a genesis, keys and configurations; one that is there goes on. Each node is a process with a log of its own.", testnet, 0,
    { { "--validators", "N", "how many, 1 to 16 (default 4)" }, { "--dir", "DIR", "where they live (default ./testnet)" }, { "--port", "N", "JSON-RPC of the first, the others count up (default 7381)" },
      { "--p2p-port", "N", "peers' port of the first (default 7481)" }, { "--epoch-blocks", "N", "blocks an epoch (default 14400)" }, { "--init-only", NULL, "make the folder, start nothing" },
      { "--ready-fd", "N", "write one byte to this descriptor when all have a block" } } },
  { 0 }
};
