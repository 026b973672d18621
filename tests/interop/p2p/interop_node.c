/* interop_node: a follower's network machines on sockets, on a chain of genesis only: one of the peers of the mixed mesh (N12.1). Lines in, lines out; the peers of
   go and js speak the same.

     interop_node SEED           listens on a port of 127.0.0.1; prints "self PEER" and "listen ADDR"
     stdin   dial PEER ADDR | tx NAME SZ     a transaction "NAME .." of SZ bytes, by a batch of its own | report | quit
     stdout  tx - NAME           came by gossip, each time one is given to the node
             of report: bad N    batches that cost their sender; mesh TOPIC PEER; score PEER X; metric NAME ..; done

   The machine judges form; as the node's pool would, this refuses what begins with X ("can never have been right") and takes all else. */
#include "base/os.h"
#include "network/chainnet.h"
#include "network/port_libp2p.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static dmg_hash_t       genesis;
static dmg_net_port_t * port;
static dmg_chainnet_t * net;

static uint64_t now_us( void ) { return dmg_os_mono_ns()/1000; }

/* --- a chain that has only begun -------------------------------------------------------------------------- */

static void chain_head( void * ctx, dmg_chainnet_head_t * out ) { *out = (dmg_chainnet_head_t){ .hash = genesis, .roles = DMG_ROLE_BODIES }; }
static dmg_err_t chain_header( void * ctx, dmg_hash_t const * hash, uint8_t out[ DMG_SIGNED_HEADER_SZ ] ) { return DMG_ERR_NOT_FOUND; }
static dmg_err_t chain_object( void * ctx, dmg_hash_t const * hash, dmg_buf_t * out ) { return DMG_ERR_NOT_FOUND; }
static dmg_err_t chain_proposal( void * ctx, uint32_t epoch, uint64_t view, dmg_hash_t const * hash, dmg_buf_t * out ) { return DMG_ERR_NOT_FOUND; }
static dmg_err_t chain_runs( void * ctx, dmg_hash_t const * hash, uint32_t first, uint32_t count, dmg_buf_t * out ) { return DMG_ERR_NOT_FOUND; }
static dmg_err_t chain_handover( void * ctx, uint32_t epoch, dmg_buf_t * out ) { return DMG_ERR_NOT_FOUND; }
static dmg_verdict_t chain_judge_final( void * ctx, dmg_cert_t const * cert ) { return dmg_verdict_local( DMG_ERR_NOT_FOUND ); }
static dmg_verdict_t chain_judge_header( void * ctx, dmg_signed_header_t const * header, dmg_hash_t const * hash ) { return dmg_verdict_local( DMG_ERR_NOT_FOUND ); }
static dmg_verdict_t chain_take_evidence( void * ctx, dmg_span_t evidence ) { return dmg_verdict_local( DMG_ERR_NOT_FOUND ); }
static dmg_verdict_t chain_take_handover( void * ctx, dmg_span_t handover ) { return dmg_verdict_local( DMG_ERR_NOT_FOUND ); }
static int  chain_leader( void * ctx, uint32_t epoch, uint64_t view ) { return -1; }
static bool chain_seed( void * ctx, uint32_t epoch, dmg_hash_t * out ) { return false; }
static void chain_each_tx( void * ctx, void (*visit)( void * arg, dmg_hash_t const * leaf, dmg_span_t raw, uint64_t age_ms ), void * arg ) { }

static dmg_chainnet_chain_t const chain = { .head = chain_head, .header = chain_header, .body = chain_object, .proposal = chain_proposal, .runs = chain_runs, .handover = chain_handover,
  .judge_final = chain_judge_final, .take_handover = chain_take_handover, .take_evidence = chain_take_evidence, .judge_header = chain_judge_header, .leader = chain_leader, .seed = chain_seed, .each_tx = chain_each_tx, .tx = chain_object };

/* --- lines in --------------------------------------------------------------------------------------------- */

/* The lines of a text that hold what, each behind word. */
static void print_text( dmg_net_text_t text, char const * word, char const * what ) {
  dmg_buf_t buf = dmg_buf( 4u<<20 );
  dmg_err_t err = dmg_net_text( port, text, &buf );
  if( !err ) err = dmg_buf_append( &buf, "", 1 );
  if( err ) printf( "failed text %s\n", dmg_err_name( err ) );
  char * save = NULL;
  for( char * line = err ? NULL : strtok_r( (char *)buf.p, "\n", &save ); line; line = strtok_r( NULL, "\n", &save ) ) if( strstr( line, what ) ) printf( "%s %s\n", word, line );
  dmg_buf_fini( &buf );
}

static void report( void ) {
  dmg_chainnet_info_t info;
  dmg_chainnet_info( net, &info );
  printf( "bad %llu\n", (unsigned long long)info.batches_bad );
  print_text( DMG_NET_TEXT_MESH, "mesh", "/tx/" );
  print_text( DMG_NET_TEXT_SCORES, "score", "" );
  print_text( DMG_NET_TEXT_METRICS, "metric", "peers_per_protocol{" );
  puts( "done" );
}

static void command( char * line ) {
  char * save = NULL, * verb = strtok_r( line, " ", &save ), * a = strtok_r( NULL, " ", &save ), * b = strtok_r( NULL, " ", &save );
  if( !verb ) return;
  uint64_t now = now_us();
  dmg_err_t err = DMG_ERR_INVALID;
  if( !strcmp( verb, "quit" ) ) exit( 0 );
  if( !strcmp( verb, "report" ) ) { report(); err = DMG_OK; }
  if( !strcmp( verb, "dial" ) && b ) {
    dmg_net_peer_t peer;
    err = dmg_libp2p_peer_parse( a, &peer );
    bool is_up;
    if( !err ) err = dmg_chainnet_dial( net, &peer, b, now, &is_up );
  }
  if( !strcmp( verb, "tx" ) && b ) {
    static char raw[ 60000 ];
    size_t name_sz = strlen( a ), sz = strtoul( b, NULL, 10 );
    if( name_sz<sz && sz<=sizeof raw ) {
      memset( raw, ' ', sz );
      memcpy( raw, a, name_sz );
      err = dmg_chainnet_send_tx( net, dmg_span( raw, sz ), now );
    }
  }
  if( err ) printf( "failed %s %s\n", verb, dmg_err_name( err ) );
}

static bool read_lines( void ) {
  static char line[ 4096 ];
  static size_t have;
  ssize_t got = read( 0, line+have, sizeof line-have );
  if( got<=0 ) return false;
  have += (size_t)got;
  for( char * nl; ( nl = memchr( line, '\n', have ) ); ) {
    *nl = '\0';
    size_t used = (size_t)( nl-line )+1;
    command( line );
    memmove( line, line+used, have-used );
    have -= used;
  }
  return have<sizeof line;
}

/* --- what comes ------------------------------------------------------------------------------------------- */

static void on_txs( dmg_chainnet_out_t const * out ) {
  bool is_bad = false;
  for( uint32_t i = 0; i<out->tx_cnt; i++ ) is_bad = is_bad || ( out->txs[ i ].sz && out->txs[ i ].p[ 0 ]=='X' );
  for( uint32_t i = 0; i<out->tx_cnt && !is_bad; i++ ) {
    dmg_span_t tx = out->txs[ i ];
    size_t n = 0;
    while( n<tx.sz && tx.p[ n ]>' ' && tx.p[ n ]<='~' ) n++;
    printf( "tx - %.*s\n", (int)n, (char const *)tx.p );
  }
  dmg_chainnet_verdict( net, out->id, is_bad ? DMG_NET_REJECT : DMG_NET_ACCEPT );
}

/* Before the machine reads the port: from then on its events are the machine's. */
static void print_listen( void ) {
  for( bool is_told = false; !is_told; ) {
    dmg_net_ev_t ev;
    if( !dmg_net_poll( port, true, &ev, 1 ) ) {
      struct pollfd fd = { .fd = dmg_net_fd( port, true ), .events = POLLIN };
      poll( &fd, 1, 1000 );
      continue;
    }
    is_told = ev.kind==DMG_NET_LISTENING;
    if( is_told ) printf( "listen %.*s\n", DMG_SPAN_F( ev.addr ) );
    dmg_net_release( port, &ev );
  }
}

int main( int argc, char ** argv ) {
  if( argc!=2 ) { fprintf( stderr, "usage: interop_node SEED\n" ); return 2; }
  setvbuf( stdout, NULL, _IOLBF, 0 );
  memset( genesis.b, 0x42, sizeof genesis.b );
  dmg_chainnet_setup_t setup;
  dmg_chainnet_setup( &genesis, 0, &setup );
  dmg_libp2p_cfg_t cfg;
  dmg_libp2p_cfg_init( &cfg );
  memset( cfg.seed, (int)strtoul( argv[ 1 ], NULL, 10 ), sizeof cfg.seed );
  cfg.agent            = "demiurge/interop";
  cfg.version          = setup.version;
  cfg.listen           = (char const *[]){ "/ip4/127.0.0.1/tcp/0" };
  cfg.listen_cnt       = 1;
  cfg.protos           = setup.protos;
  cfg.proto_cnt        = DMG_CHAINNET_PROTO_CNT;
  cfg.gossip_id_prefix = DMG_SPAN( setup.gossip_prefix );
  cfg.is_private       = true;
  char why[ 256 ], text[ DMG_LIBP2P_TEXT_SZ ];
  if( dmg_libp2p_open( &cfg, &port, why ) ) { fprintf( stderr, "interop_node: %s\n", why ); return 1; }
  if( dmg_libp2p_peer_text( &port->self, text ) ) return 1;
  printf( "self %s\n", text );
  print_listen();

  dmg_chainnet_cfg_t net_cfg = { .port = port, .chain = &chain, .genesis = genesis, .is_private = true, .is_follower = true, .wall_ms = dmg_os_wall_ms(), .agent = "interop" };
  memcpy( net_cfg.seed, cfg.seed, sizeof net_cfg.seed );
  memcpy( net_cfg.secret, cfg.seed, sizeof net_cfg.secret );
  dmg_arena_t * arena = dmg_arena_new( 64u<<20 );
  net = arena ? dmg_chainnet_new( arena, &net_cfg ) : NULL;
  if( !net || dmg_chainnet_start( net, now_us() ) ) { fprintf( stderr, "interop_node: the machine does not start\n" ); return 1; }
  for(;;) {
    dmg_chainnet_out_t out;
    while( dmg_chainnet_next( net, now_us(), &out ) ) if( out.kind==DMG_CHAINNET_TXS ) on_txs( &out );
    uint64_t now = now_us(), wake = dmg_chainnet_wake_us( net );
    int ms = wake<=now ? 0 : wake-now>1000000 ? 1000 : (int)( ( wake-now )/1000+1 );
    struct pollfd fds[ 3 ] = { { .fd = dmg_net_fd( port, true ), .events = POLLIN }, { .fd = dmg_net_fd( port, false ), .events = POLLIN }, { .fd = 0, .events = POLLIN } };
    poll( fds, 3, ms );
    if( fds[ 2 ].revents && !read_lines() ) break;
  }
  dmg_chainnet_fini( net );
  dmg_net_free( port );
  dmg_arena_free( arena );
  return 0;
}
