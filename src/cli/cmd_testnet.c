/* testnet: several validators on this machine, in one command. */
#include "base/os.h"
#include "cli/builtin.h"
#include "cli/node_files.h"
#include "cli/serve.h"
#include "crypto/bech32.h"
#include "crypto/kdf.h"
#include "node/dev_genesis.h"
#include "node/epochs.h"
#include "node/node.h"
#include "types/agree.h"
#include "types/genesis.h"
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

enum { NODES_MAX = 16, TEST_EPOCH_BLOCKS = 14400 };

typedef struct {
  uint8_t  seed[ 32 ];
  char     dir[ DMG_NODE_PATH_SZ ], peer[ 64 ], rpc[ 64 ];
  uint16_t port, p2p;    /* as its configuration says */
  dmg_buf_t peer_bytes;
  pid_t    pid;
  int      ended;        /* wait status of a process that is gone */
  bool     is_down, has_status;
  dmg_node_status_t status;
} member_t;

typedef struct { uint32_t cnt; uint64_t port, p2p, epoch_blocks; char const * dir; member_t m[ NODES_MAX ]; dmg_dev_member_t keys[ NODES_MAX ]; } net_t;

static void node_dir( net_t const * t, uint32_t i, char out[ DMG_NODE_PATH_SZ ] ) { snprintf( out, DMG_NODE_PATH_SZ, "%.2000s/node-%u", t->dir, i+1 ); }

static int by_account( void const * a, void const * b ) { return memcmp( ( (dmg_dev_member_t const *)a )->account.b, ( (dmg_dev_member_t const *)b )->account.b, 32 ); }

/* checkpoint: the genesis, as whoever made all of these knows which chain they are of however long they stood still (C10.2). */
static dmg_err_t config_put( net_t const * t, uint32_t i, dmg_hash_t const * chain_id ) {
  char path[ DMG_NODE_PATH_SZ ], checkpoint[ 65 ];
  dmg_buf_t text = dmg_buf( 65536 );
  dmg_hex_encode( chain_id->b, 32, checkpoint );
  dmg_err_t err = dmg_buf_printf( &text, "[storage]\npath = \".\"\ntree_bytes = \"1GiB\"\n\n[rpc]\nport = %lu\n\n[net]\nlisten = \"/ip4/127.0.0.1/tcp/%lu\"\nprivate = true\npeers = \"", (unsigned long)( t->port+i ),
                                  (unsigned long)( t->p2p+i ) );
  for( uint32_t k = 0, n = 0; k<t->cnt && !err; k++ ) if( k!=i ) err = dmg_buf_printf( &text, "%s/ip4/127.0.0.1/tcp/%lu/p2p/%s", n++ ? "," : "", (unsigned long)( t->p2p+k ), t->m[ k ].peer );
  if( !err ) err = dmg_buf_printf( &text, "\"\n\n[node]\ncheckpoint = \"0:0x%s\"\n\n[log]\nformat = \"text\"\n\n[client]\nrpc = \"http://127.0.0.1:%lu/rpc\"\n", checkpoint, (unsigned long)( t->port+i ) );
  snprintf( path, sizeof path, "%.2000s/config.toml", t->m[ i ].dir );
  if( !err ) err = dmg_os_file_replace( path, dmg_buf_span( &text ), 0600 );
  dmg_buf_fini( &text );
  return err;
}

static dmg_err_t accounts_put( net_t const * t, char const * words, dmg_dev_account_t const * accounts ) {
  char path[ DMG_NODE_PATH_SZ ], address[ DMG_ADDRESS_TEXT_SZ+1 ];
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
  char words[ DMG_BIP39_TEXT_MAX ], path[ DMG_NODE_PATH_SZ ];
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
    dmg_node_new_bls( t->keys[ i ].secret );
    node_dir( t, i, m->dir );
    DMG_TRY( dmg_os_mkdirs( m->dir ) );
    DMG_TRY( dmg_node_key_put( m->dir, "node.key", m->seed ) );
    DMG_TRY( dmg_node_key_put( m->dir, "validator.key", t->keys[ i ].secret ) );
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
    DMG_TRY( dmg_node_safety_put( t->m[ i ].dir, &chain_id, t->keys[ i ].secret, 0 ) );
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
  char path[ DMG_NODE_PATH_SZ ];
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
  char path[ DMG_NODE_PATH_SZ ];
  dmg_buf_t bytes = { 0 };
  dmg_genesis_t * g;
  snprintf( path, sizeof path, "%.2000s/genesis.bin", t->dir );
  int code = dmg_node_genesis_get( cli, path, &bytes, &g );
  if( code ) return code;
  code = same( cli, t, "--validators", t->cnt, wanted->cnt );
  if( !code ) code = same( cli, t, "--epoch-blocks", dmg_genesis_param( g, DMG_PARAM_EPOCH_BLOCKS ), wanted->epoch_blocks );
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
    char how[ DMG_NODE_PATH_SZ+64 ];
    if( is_new ) snprintf( how, sizeof how, "%s names where the nodes' count up from", k ? "--p2p-port" : "--port" );
    else         snprintf( how, sizeof how, "is this network running already? Else change %s in %.2000s/config.toml", k ? "net.listen (and net.peers of the others)" : "rpc.port", t->m[ i ].dir );
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Listen", "port %u, %s of node-%u, is in use; %s", port, k ? "for peers" : "JSON-RPC", i+1, how );
  }
  return DMG_EXIT_OK;
}

static bool spawn( member_t * m ) {
  char config[ DMG_NODE_PATH_SZ ], log[ DMG_NODE_PATH_SZ ];
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
  if( m->has_status ) printf( "%8lu %6lu %5lu %8s %9s", (unsigned long)m->status.height, (unsigned long)m->status.view, (unsigned long)m->status.conns, dmg_node_ms_text( m->status.final_s, 0, final ), dmg_node_ms_text( m->status.rtt_s, 2, rtt ) );
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
    m->has_status = !dmg_node_status_get( m->rpc, 500, &m->status, why );
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
  char path[ DMG_NODE_PATH_SZ ], tail[ 512 ];
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
  char path[ DMG_NODE_PATH_SZ ];
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
  if( err || !realpath( t.dir, whole ) ) return dmg_node_files_fail( cli, t.dir, err ? err : DMG_ERR_IO );
  t.dir = whole;
  if( is_new ) {
    err = make( cli, &t );
    for( uint32_t i = 0; i<t.cnt; i++ ) { dmg_wipe( t.m[ i ].seed, 32 ); dmg_wipe( t.keys[ i ].secret, 32 ); dmg_buf_fini( &t.m[ i ].peer_bytes ); }
    if( err ) return dmg_node_files_fail( cli, t.dir, err );
  }
  if(( code = look( cli, &t ) )) return code;
  if( !is_new && ( code = check_flags( cli, &t, &wanted ) ) ) return code;
  if( !is_run ) { print_network( cli, &t ); return DMG_EXIT_OK; }
  if( !is_new && ( code = check_ports( cli, &t, false ) ) ) return code;
  return run_all( cli, &t );
}

dmg_cli_cmd_t const dmg_cmds_testnet[] = {
  { "testnet", "", 0, 0, "several validators on this machine, in one command", "  A new folder gets a genesis, keys and configurations; one that is there goes on. Each node is a process with a log of its own.", testnet, 0,
    { { "--validators", "N", "how many, 1 to 16 (default 4)" }, { "--dir", "DIR", "where they live (default ./testnet)" }, { "--port", "N", "JSON-RPC of the first, the others count up (default 7381)" },
      { "--p2p-port", "N", "peers' port of the first (default 7481)" }, { "--epoch-blocks", "N", "blocks an epoch (default 14400)" }, { "--init-only", NULL, "make the folder, start nothing" },
      { "--ready-fd", "N", "write one byte to this descriptor when all have a block" } } },
  { 0 }
};
