/* demiurge dev: a chain in one command (F2). */
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"
#include "cli/builtin.h"
#include "cli/serve.h"
#include "crypto/bech32.h"
#include "crypto/kdf.h"
#include "types/params.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool ready( void * ctx, dmg_buf_t * out_reasons ) { return dmg_chain_is_ready( ctx, out_reasons ); }
static dmg_err_t metrics( void * ctx, dmg_buf_t * out )  { return dmg_chain_metrics( ctx, out ); }

static uint64_t size_opt( dmg_cli_t * cli, char const * name, int * code ) {
  char const * v = dmg_cli_opt( cli, name );
  char * end;
  if( !v ) return 0;
  uint64_t n = *v>='0' && *v<='9' ? strtoul( v, &end, 10 ) : 0;
  if( !n || *end || n>INT64_MAX ) *code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s wants a number from 1, not %s", name, v );
  return n;
}

/* Writes the genesis of a new data folder unless another process was faster: two that start at once must agree on one
   chain before either takes the folder's lock, which names it. */
static dmg_err_t genesis_put( char const * path, dmg_span_t bytes ) {
  char mine[ 2100 ];
  snprintf( mine, sizeof mine, "%s.%d", path, (int)getpid() );
  DMG_TRY( dmg_os_file_replace( mine, bytes, 0600 ) );
  int rc = link( mine, path ), e = errno;
  unlink( mine );
  if( rc && e!=EEXIST ) return e==EACCES || e==EPERM || e==EROFS ? DMG_ERR_PERM : DMG_ERR_IO;
  char dir[ 2100 ];
  snprintf( dir, sizeof dir, "%s", path );
  *strrchr( dir, '/' ) = 0;
  dmg_os_dir_sync( dir );
  return DMG_OK;
}

static int data_fail( dmg_cli_t * cli, char const * path, dmg_err_t err ) {
  bool is_no_dir = err==DMG_ERR_EXISTS || err==DMG_ERR_NOT_FOUND;
  return dmg_cli_fail( cli, err==DMG_ERR_PERM || is_no_dir ? DMG_EXIT_USAGE : DMG_EXIT_INTERNAL, "Storage", "%s: %s; --data names a folder that this user can write%s", path,
                       is_no_dir ? "it, or a part of its path, is not a folder" : dmg_err_text( err ), err==DMG_ERR_FULL ? " and whose disk has room" : "" );
}

/* F2.2: a seeded chain begins at a time of its own, so seed and calls fix every hash. */
#define SEED_TIME_MS 1767225600000ull   /* 2026-01-01, and one ms a seed */

/* height: where it goes on, 0 for a new chain. */
static void print_ready( dmg_cli_t const * cli, dmg_config_t const * config, uint16_t port, dmg_hash_t const * chain_id, uint64_t height, dmg_dev_account_t const * accounts, uint32_t account_cnt, uint64_t took_ns ) {
  uint32_t key_cnt = dmg_dev_key_cnt( account_cnt );
  char id[ 65 ], address[ DMG_ADDRESS_TEXT_SZ+1 ];
  dmg_hex_encode( chain_id->b, 32, id );
  char const * host = dmg_config_text( config, DMG_CONFIG_RPC_ADDRESS );
  char bracketed[ 64 ], secret[ 65 ];
  if( strchr( host, ':' ) ) { snprintf( bracketed, sizeof bracketed, "[%.60s]", host ); host = bracketed; }   /* IPv6 in a URL */
  if( cli->out!=DMG_CLI_TEXT ) {
    printf( "{\"rpc\":\"http://%s:%u/rpc\",\"ws\":\"ws://%s:%u/ws\",\"chainId\":\"0x%s\",\"mnemonic\":\"%s\",\"accounts\":[", host, port, host, port, id, DMG_DEV_MNEMONIC );
    for( uint32_t a = 0; a<key_cnt; a++ ) {
      if( a==DMG_DEV_NODE1 || !dmg_dev_account_is_there( a, account_cnt ) ) continue;
      dmg_address_text( &accounts[ a ].address, address );
      dmg_hex_encode( accounts[ a ].secret, 32, secret );
      printf( "%s{\"name\":\"%s\",\"address\":\"%s\",\"secret\":\"0x%s\"}", a ? "," : "", accounts[ a ].name, address, secret );
    }
    printf( "]}\n" );
  } else {
    char const * data = dmg_config_text( config, DMG_CONFIG_STORAGE_PATH );
    char goes_on[ 48 ] = "";
    if( height ) snprintf( goes_on, sizeof goes_on, ", goes on at block %lu", (unsigned long)height );
    printf( "\ndemiurge dev: ready in %lu ms\n\n  JSON-RPC   http://%s:%u/rpc\n  WebSocket  ws://%s:%u/ws\n  chain      demiurge:%.32s  (%s%s)\n  accounts   1,000,000 CGT each%s, one published mnemonic, for this chain only:\n",
            (unsigned long)( took_ns/1000000u ), host, port, host, port, id, *data ? data : "in memory, gone when it stops", goes_on, *goes_on ? " at block 0" : "" );
    for( uint32_t a = 0; a<key_cnt; a++ ) {
      if( a==DMG_DEV_NODE1 || !dmg_dev_account_is_there( a, account_cnt ) ) continue;
      dmg_address_text( &accounts[ a ].address, address );
      printf( "             %-6s %s\n", accounts[ a ].name, address );
    }
    char flag[ 1200 ] = "";
    if( port!=7369 ) snprintf( flag, sizeof flag, " --rpc http://%.1000s:%u/rpc", host, port );
    printf( "\n  try        demiurge transfer bob 12.5 --from alice%s\n             demiurge balance bob --proof%s\n  stop       Ctrl-C\n\n", flag, flag );
  }
  fflush( stdout );
}

static int dev( dmg_cli_t * cli ) {
  static dmg_config_t config;
  static dmg_dev_account_t accounts[ DMG_DEV_KEY_MAX ];
  uint64_t began_ns = dmg_os_mono_ns();
  char why[ 512 ], cache[ 2048 ];
  int code = dmg_cli_serve_settings( cli, &config );
  if( code ) return code;
  dmg_cli_serve_log( cli, &config );

  dmg_chain_cfg_t cfg = { .is_dev = true, .dev_accounts = accounts, .modules = dmg_builtin_modules, .module_cnt = dmg_builtin_module_cnt };
  bool is_pace = dmg_config_pace( dmg_config_text( &config, DMG_CONFIG_DEV_BLOCKS ), &cfg.pace );
  DMG_ASSERT( is_pace );   /* settings refused anything else */
  dmg_dev_genesis_cfg_t gcfg = { .name = "dev", .modules = dmg_builtin_modules, .module_cnt = dmg_builtin_module_cnt };
  gcfg.body_max        = size_opt( cli, "--body-max", &code );
  gcfg.block_gas       = size_opt( cli, "--block-gas", &code );
  gcfg.block_intrinsic = gcfg.block_gas ? 2*gcfg.block_gas : 0;
  uint64_t seed = size_opt( cli, "--seed", &code ), account_cnt = size_opt( cli, "--accounts", &code );
  if( code ) return code;
  if( seed>UINT32_MAX ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--seed is 1 to 4294967295" );
  if( account_cnt>DMG_DEV_ACCOUNT_MAX ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--accounts is 1 to %d", DMG_DEV_ACCOUNT_MAX );
  gcfg.account_cnt = account_cnt ? (uint32_t)account_cnt : DMG_DEV_ACCOUNT_CNT;

  char const * data = dmg_config_text( &config, DMG_CONFIG_STORAGE_PATH );
  uint8_t key[ 96 ];
  dmg_span_t genesis;
  dmg_err_t err = dmg_dev_accounts_n( DMG_DEV_KEY_MAX, accounts );
  if( err ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "the dev accounts: %s", dmg_err_text( err ) );
  dmg_dev_validator( cfg.validator_secret, key );

  /* A data folder keeps its genesis: the same chain goes on, whatever modules this binary carries. */
  char genesis_path[ 2048 ];
  dmg_buf_t file = { 0 };
  gcfg.time_ms = seed ? SEED_TIME_MS+seed : dmg_os_wall_ms();
  if( *data ) {
    snprintf( genesis_path, sizeof genesis_path, "%.1900s/genesis.bin", data );
    err = dmg_os_mkdirs( data );
    if( err ) return data_fail( cli, data, err );
    err = dmg_os_file_read( genesis_path, DMG_GENESIS_SZ_MAX, &file );
    if( err && err!=DMG_ERR_NOT_FOUND ) return data_fail( cli, genesis_path, err );
    /* Of another process that makes it at this moment there may be a part; and of a chain that lost its genesis the store says which it was. */
    static char const * const parts[] = { "genesis.bin*", "LOCK", "STORE", "blocks", "db", "wal", "safety.bin", NULL };
    if( err && ( code = dmg_cli_serve_new_dir( cli, data, "chain", parts ) ) ) return code;
    if( !err && ( gcfg.body_max || gcfg.block_gas || seed || account_cnt ) ) DMG_LOG_WARN( "flags_ignored", "%s holds a chain: --body-max, --block-gas, --seed and --accounts are of a new one", data );
  }
  if( !*data || err==DMG_ERR_NOT_FOUND ) {
    err = dmg_dev_genesis( &gcfg, accounts, cli->arena, &genesis );
    if( err==DMG_ERR_INVALID )
      return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--body-max is %lu to %lu, --block-gas %lu to %lu", (unsigned long)dmg_param_desc[ DMG_PARAM_BODY_MAX ].lo, (unsigned long)DMG_DEV_BODY_MAX,
                           (unsigned long)dmg_param_desc[ DMG_PARAM_BLOCK_GAS ].lo, (unsigned long)dmg_param_desc[ DMG_PARAM_BLOCK_GAS ].hi_dev );
    if( err ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "the genesis: %s", dmg_err_text( err ) );
    if( *data ) {
      err = genesis_put( genesis_path, genesis );
      if( !err ) err = dmg_os_file_read( genesis_path, DMG_GENESIS_SZ_MAX, &file );
      if( err ) return data_fail( cli, genesis_path, err );
    }
  }
  if( *data ) {
    /* Whose accounts, says the genesis that is there. */
    dmg_genesis_t * known;
    genesis = dmg_buf_span( &file );
    bool is_known = dmg_genesis_decode( genesis, cli->arena, &known ).kind==DMG_VERDICT_GOOD;
    if( is_known && known->kind!=DMG_GENESIS_DEV ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s is of a chain of several validators, not of a dev chain: `demiurge node run --data %s` runs a node of it", genesis_path, data );
    if( is_known && dmg_dev_genesis_account_cnt( known ) ) gcfg.account_cnt = dmg_dev_genesis_account_cnt( known );
  }
  cfg.dev_account_cnt = gcfg.account_cnt;
  cfg.is_seeded       = seed && !*data;

  cfg.genesis = genesis;
  dmg_cli_serve_chain_cfg( &config, cache, &cfg );
  dmg_cli_serve_block_signals();

  dmg_chain_t * chain = NULL;
  dmg_cli_serve_t serve = { 0 };
  err = dmg_chain_open( &cfg, &chain, why );
  dmg_wipe( cfg.validator_secret, sizeof cfg.validator_secret );
  if( err ) { code = dmg_cli_serve_not_opened( cli, err, why ); goto out; }
  if(( code = dmg_cli_serve_rpc( cli, &config, chain, &serve ) )) goto out;
  dmg_query_chain_t info;
  dmg_chain_query( chain )->chain( chain, &info );   /* once it starts it makes blocks */
  err = dmg_chain_start( chain );
  if( err ) { code = dmg_cli_fail( cli, DMG_EXIT_INTERNAL, dmg_err_name( err ), "the chain does not start: %s", dmg_err_text( err ) ); goto out; }
  if(( code = dmg_cli_serve_http( cli, &config, &serve, chain, ready, metrics ) )) goto out;
  print_ready( cli, &config, dmg_http_server_port( serve.server ), &info.chain_id, info.head.height, accounts, gcfg.account_cnt, dmg_os_mono_ns()-began_ns );
  if(( code = dmg_cli_serve_ready( cli ) )) goto out;
  (void)dmg_cli_serve_wait( 0 );
  DMG_LOG_INFO( "stopping", "asked to" );
out:
  if( chain ) dmg_chain_stop( chain );
  dmg_cli_serve_close( &serve );
  dmg_cli_serve_free( &serve );
  dmg_chain_close( chain );
  dmg_buf_fini( &file );
  return code;
}

dmg_cli_cmd_t const dmg_cmds_dev[] = {
  { "dev", "", 0, 0, "a local chain of one validator, with ten funded accounts",
    "  Everything is in memory and gone when it stops, unless --data names a folder.", dev, 0,
    { { "--port", "N", "TCP port of JSON-RPC (default 7369; 0: any)" }, { "--blocks", "MODE", "auto (default): at once when there is something to do; manual: only by dev_mine; 250ms: that pace" },
      { "--data", "DIR", "keep the chain in this folder (RocksDB, synced each block)" }, { "--threads", "N", "threads that read and answer requests" },
      { "--seed", "N", "a chain whose hashes repeat: with --blocks manual the same calls give the same blocks" }, { "--accounts", "N", "how many funded accounts a new chain has, 1 to 200 (default 10: alice .. judy; then dev11 ..)" },
      { "--ready-fd", "N", "write one byte to this descriptor when ready" }, { "--log", "LEVEL", "error, warn, info or debug" },
      { "--body-max", "BYTES", "a new chain's largest block body (benchmarks)" }, { "--block-gas", "GAS", "a new chain's gas a block (benchmarks)" } } },
  { 0 }
};
