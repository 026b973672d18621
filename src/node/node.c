#include "node/node.h"
#include "node/node_watch.h"
#include "node/peer_addr.h"
#include "node/reach.h"
#include "node/chain_int.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"
#include "crypto/kdf.h"
#include "crypto/sig.h"
#include "network/port_libp2p.h"
#include "node/joint.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { PEERS_SHOWN = 128, STOP_MS = 1000, DIALS_MAX = 8, BEHIND_BLOCKS = 8 };
#define SHOW_US  200000u   /* what others may look at is this old at most */
#define STOOD_US 3000000u  /* without a turn: the machine slept, or the process was stopped */

struct dmg_node {
  dmg_node_cfg_t        cfg;
  dmg_chain_t *         chain;
  dmg_net_port_t *      port;
  dmg_chainnet_setup_t  setup;
  dmg_joint_t *         j;
  int                   wake_fd;
  pthread_t             thread;
  bool                  is_running;
  atomic_bool           is_stopping;
  uint64_t              shown_us, turn_us;
  dmg_watch_t           watch;
  dmg_query_net_t       query;          /* what rpc asks of us */
  dmg_query_events_t    told;           /* whom the chain told of blocks before us */
  pthread_mutex_t       lock;           /* of what is shown, and of what is asked for */
  dmg_node_info_t       info;
  dmg_buf_t             peer_file;      /* what is to be written, of kept_us */
  uint64_t              kept_us;
  char                  dials[ DIALS_MAX ][ DMG_NODE_ADDR_SZ ];
  uint32_t              dial_cnt;
  dmg_reach_t           reach;
  dmg_query_peer_t      peers[ PEERS_SHOWN ];
  size_t                peer_cnt;
  dmg_chainnet_info_t   net_info;
};

static uint64_t now_us( void ) { return dmg_os_mono_ns()/1000; }

/* ---- The thread ---- */

/* Between the chain and rpc, on the jobs' thread: a block is final here. */
static void on_block( void * ctx, dmg_at_block_t const * at, uint64_t time_ms, uint32_t tx_cnt ) {
  dmg_node_t * n = ctx;
  pthread_mutex_lock( &n->lock );
  dmg_watch_block( &n->watch, now_us(), dmg_os_wall_ms(), time_ms );
  pthread_mutex_unlock( &n->lock );
  if( n->told.on_block ) n->told.on_block( n->told.ctx, at, time_ms, tx_cnt );
}
static void on_tx( void * ctx, dmg_hash_t const * id, dmg_query_tx_status_t const * status ) {
  dmg_node_t * n = ctx;
  if( n->told.on_tx ) n->told.on_tx( n->told.ctx, id, status );
}

/* What becomes final while the node catches up was so long before.  A follower goes to each final block by a short sync. */
static void watch_behind( dmg_node_t * n, uint64_t now ) {
  bool is_behind = dmg_chainnet_behind( dmg_joint_net( n->j ) )>BEHIND_BLOCKS || now>n->turn_us+STOOD_US;
  n->turn_us = now;
  if( !is_behind ) return;
  pthread_mutex_lock( &n->lock );
  dmg_watch_behind( &n->watch, dmg_os_wall_ms() );
  pthread_mutex_unlock( &n->lock );
}

/* On the node's thread. */
static void on_reach( void * ctx, dmg_net_peer_t const * peer, bool is_up, char const * why ) {
  dmg_node_t * n = ctx;
  dmg_reach_peer_t seen = { 0 };
  bool is_told = false;
  pthread_mutex_lock( &n->lock );
  dmg_reach_peer_t * p = dmg_reach_find( &n->reach, peer );
  if( p ) { is_told = is_up ? dmg_reach_up( p ) : dmg_reach_down( p, why, now_us() ); seen = *p; }
  pthread_mutex_unlock( &n->lock );
  if( !is_told ) return;
  if( is_up ) DMG_LOG_INFO( "peer_reached", "%s", seen.addr );
  else        DMG_LOG_WARN( "peer_unreached", "%s: %s; failures=%u, it is dialled again", seen.addr, why, seen.fail_cnt );
}

static void show( dmg_node_t * n, uint64_t now ) {
  if( now<n->shown_us+SHOW_US && dmg_chainnet_conn_cnt( dmg_joint_net( n->j ) )==n->net_info.conn_cnt ) return;
  n->shown_us = now;
  static _Thread_local dmg_chainnet_peer_t peers[ PEERS_SHOWN ];
  size_t cnt = dmg_chainnet_peers( dmg_joint_net( n->j ), peers, PEERS_SHOWN );
  pthread_mutex_lock( &n->lock );
  dmg_validator_info( dmg_joint_validator( n->j ), &n->info.validator );
  dmg_chainnet_info( dmg_joint_net( n->j ), &n->net_info );
  n->info.conn_cnt   = n->net_info.conn_cnt;
  n->info.in_cnt     = n->net_info.in_cnt;
  n->info.link_cnt   = n->net_info.link_cnt;
  n->info.relayed_cnt = n->net_info.relayed_cnt;
  n->info.is_syncing = n->net_info.is_syncing;
  n->info.sync_goal  = n->net_info.sync_goal;
  dmg_watch_height( &n->watch, now, n->info.validator.height );
  dmg_watch_seen_t seen = dmg_watch_get( &n->watch, now, n->info.validator.height );
  n->info.final_p50_ms = seen.p50_ms;
  n->info.final_p99_ms = seen.p99_ms;
  n->info.rate         = seen.rate;
  n->peer_cnt = cnt;
  for( size_t i = 0; i<cnt && i<PEERS_SHOWN; i++ ) {
    dmg_query_peer_t * p = &n->peers[ i ];
    *p = (dmg_query_peer_t){ .is_outbound = peers[ i ].is_outbound, .is_link = peers[ i ].is_link, .validator = peers[ i ].validator, .rtt_us = peers[ i ].rtt_us, .height = peers[ i ].height };
    if( dmg_libp2p_peer_text( &peers[ i ].peer, p->peer ) ) p->peer[ 0 ] = 0;
    snprintf( p->addr, sizeof p->addr, "%s", peers[ i ].addr );
    snprintf( p->agent, sizeof p->agent, "%s", peers[ i ].agent );
  }
  pthread_mutex_unlock( &n->lock );
}

/* Within a turn, too: blocks that it has others execute are seen before it ends, and what they came from shall be. */
static void look( dmg_node_t * n ) {
  watch_behind( n, now_us() );
  show( n, now_us() );
}

static dmg_err_t add_peer( dmg_node_t * n, char const * text, bool is_asked, char out_why[512] );

/* What others asked for since the last look. */
static void take_dials( dmg_node_t * n ) {
  char dials[ DIALS_MAX ][ DMG_NODE_ADDR_SZ ], why[ 512 ];
  pthread_mutex_lock( &n->lock );
  uint32_t cnt = n->dial_cnt;
  memcpy( dials, n->dials, sizeof dials );
  n->dial_cnt = 0;
  pthread_mutex_unlock( &n->lock );
  for( uint32_t i = 0; i<cnt; i++ ) if( add_peer( n, dials[ i ], true, why ) ) DMG_LOG_WARN( "dial", "%s", why );
}

enum { PEER_FILE_SZ_MAX = 16<<20 };
#define KEEP_US       ( (uint64_t)600*1000000 )
#define KEEP_FIRST_US ( (uint64_t)20*1000000 )   /* a node that is killed early knows its peers again, too */

static void peers_read( dmg_node_t * n ) {
  dmg_buf_t file = { 0 };
  dmg_err_t err = n->cfg.peer_file ? dmg_os_file_read( n->cfg.peer_file, PEER_FILE_SZ_MAX, &file ) : DMG_ERR_NOT_FOUND;
  if( err==DMG_ERR_NOT_FOUND ) return;
  dmg_verdict_t v = err ? dmg_verdict_local( err ) : dmg_chainnet_peers_load( dmg_joint_net( n->j ), dmg_buf_span( &file ) );
  char text[ DMG_VERDICT_TEXT_MAX ];
  if( v.kind ) {
    dmg_verdict_print( &v, text, sizeof text );
    DMG_LOG_WARN( "peer_file", "%s is not read: %s; peers are asked again", n->cfg.peer_file, text );
  }
  dmg_buf_fini( &file );
}

/* On the node's thread: what the file should be; others write it, as this thread waits for no disk. */
static void peers_put( dmg_node_t * n ) {
  pthread_mutex_lock( &n->lock );
  n->peer_file.max = PEER_FILE_SZ_MAX;
  if( dmg_chainnet_peers_save( dmg_joint_net( n->j ), &n->peer_file ) ) dmg_buf_clear( &n->peer_file );
  pthread_mutex_unlock( &n->lock );
}
static void peers_show( dmg_node_t * n, uint64_t now ) {
  if( !n->kept_us ) n->kept_us = now+KEEP_FIRST_US-KEEP_US;
  if( !n->cfg.peer_file || now<n->kept_us+KEEP_US ) return;
  n->kept_us = now;
  peers_put( n );
}

void dmg_node_keep( dmg_node_t * n ) {
  dmg_buf_t file = dmg_buf( PEER_FILE_SZ_MAX );
  pthread_mutex_lock( &n->lock );
  dmg_buf_t t = n->peer_file;
  if( t.sz ) { n->peer_file = file; file = t; }
  pthread_mutex_unlock( &n->lock );
  dmg_err_t err = file.sz ? dmg_os_file_replace( n->cfg.peer_file, dmg_buf_span( &file ), 0600 ) : DMG_OK;
  if( err ) DMG_LOG_WARN( "peer_file", "%s is not written: %s", n->cfg.peer_file, dmg_err_text( err ) );
  dmg_buf_fini( &file );
}

static void wait_for( dmg_node_t * n, uint64_t wake ) {
  uint64_t now = now_us();
  if( wake>now+SHOW_US ) wake = now+SHOW_US;
  if( wake<=now ) return;
  struct pollfd fds[ 3 ] = { { .fd = dmg_net_fd( n->port, true ), .events = POLLIN }, { .fd = dmg_net_fd( n->port, false ), .events = POLLIN }, { .fd = n->wake_fd, .events = POLLIN } };
  uint64_t ns = ( wake-now )*1000;
  struct timespec t = { .tv_sec = (time_t)( ns/1000000000u ), .tv_nsec = (long)( ns%1000000000u ) };
  (void)ppoll( fds, 3, &t, NULL );
  if( fds[ 2 ].revents ) { uint64_t cnt; (void)!read( n->wake_fd, &cnt, sizeof cnt ); }
}

static void * node_thread( void * arg ) {
  dmg_node_t * n = arg;
  dmg_err_t err = DMG_OK;
  dmg_os_thread_name( "dmg-node" );
  while( !atomic_load( &n->is_stopping ) ) {
    uint64_t wake;
    /* A frame may change what is urgent, so the driver has a turn behind every 64. */
    for( unsigned i = 0; i<64 && dmg_joint_take( n->j, now_us() ); i++ ) look( n );
    err = dmg_joint_turn( n->j, now_us(), dmg_os_wall_ms(), &wake );
    if( err ) break;
    take_dials( n );
    peers_show( n, now_us() );
    look( n );
    wait_for( n, wake );
  }
  if( err ) { DMG_LOG_ERROR( "node_ended", "%s", dmg_err_text( err ) ); if( n->cfg.on_end ) n->cfg.on_end( n->cfg.ctx, err ); }
  if( n->cfg.peer_file ) peers_put( n );             /* while connections are there: two of them are anchors */
  /* Links leave; whatever else comes is not looked at any more. */
  uint64_t end = now_us()+(uint64_t)STOP_MS*1000;
  bool is_stopped = dmg_chainnet_stop( dmg_joint_net( n->j ), STOP_MS/2 )!=DMG_OK;
  while( !is_stopped && now_us()<end ) {
    dmg_chainnet_out_t out;
    while( dmg_chainnet_next( dmg_joint_net( n->j ), now_us(), &out ) ) is_stopped = is_stopped || out.kind==DMG_CHAINNET_STOPPED;
    if( !is_stopped ) dmg_os_sleep_ns( 2000000 );
  }
  return NULL;
}

/* ---- Start and stop ---- */

static void on_txs( void * ctx ) {
  uint64_t one = 1;
  (void)!write( ( (dmg_node_t *)ctx )->wake_fd, &one, sizeof one );
}

static dmg_err_t open_port( dmg_node_t * n, char out_why[512] ) {
  dmg_libp2p_cfg_t cfg;
  char why[ 256 ] = "";
  dmg_chainnet_setup( &n->chain->chain_id, 0, &n->setup );
  dmg_libp2p_cfg_init( &cfg );
  memcpy( cfg.seed, n->cfg.seed, 32 );
  cfg.agent            = "demiurge/" DMG_VERSION;
  cfg.version          = n->setup.version;
  cfg.listen           = n->cfg.listen;
  cfg.listen_cnt       = n->cfg.listen_cnt;
  cfg.protos           = n->setup.protos;
  cfg.proto_cnt        = DMG_CHAINNET_PROTO_CNT;
  cfg.gossip_id_prefix = DMG_SPAN( n->setup.gossip_prefix );
  cfg.is_private       = n->cfg.is_private;
  cfg.bulk_per_s       = (uint64_t)n->cfg.uplink_mbit*1000000/8/2;
  for( size_t i = 0; i<cfg.listen_cnt; i++ ) cfg.has_quic = cfg.has_quic || strstr( cfg.listen[ i ], "/quic" );
  dmg_err_t err = dmg_libp2p_open( &cfg, &n->port, why );
  dmg_wipe( cfg.seed, sizeof cfg.seed );
  if( err && !strncmp( why, "cannot listen", 13 ) ) snprintf( out_why, 512, "%s; --listen (net.listen) names another, port 0 any", why );
  else if( err ) snprintf( out_why, 512, "the network does not open: %s", *why ? why : dmg_err_text( err ) );
  return err;
}

/* The port tells where it listens, or why not, before anything else is read from it. */
static dmg_err_t await_listening( dmg_node_t * n, char out_why[512] ) {
  char self[ 64 ];
  DMG_TRY( dmg_libp2p_peer_text( &n->port->self, self ) );
  for( uint64_t end = now_us()+5000000; n->cfg.listen_cnt && now_us()<end; ) {
    dmg_net_ev_t ev;
    if( !dmg_net_poll( n->port, true, &ev, 1 ) ) { dmg_os_sleep_ns( 1000000 ); continue; }
    if( ev.kind!=DMG_NET_LISTENING ) { dmg_net_release( n->port, &ev ); continue; }
    bool is_bad = ev.code!=0;
    if( is_bad ) snprintf( out_why, 512, "cannot listen at %.*s: %.*s", (int)dmg_min_u64( ev.addr.sz, 160 ), (char const *)ev.addr.p, (int)dmg_min_u64( ev.data.sz, 200 ), (char const *)ev.data.p );
    else if( (size_t)snprintf( n->info.addr, sizeof n->info.addr, "%.*s/p2p/%s", DMG_SPAN_F( ev.addr ), self )>=sizeof n->info.addr ) n->info.addr[ 0 ] = 0;
    dmg_net_release( n->port, &ev );
    return is_bad ? DMG_ERR_UNAVAILABLE : DMG_OK;
  }
  if( !n->cfg.listen_cnt ) return DMG_OK;
  snprintf( out_why, 512, "the network does not say where it listens" );
  return DMG_ERR_TIMEOUT;
}

static dmg_err_t peer_addr( char const * text, dmg_peer_addr_t * out, char * out_why, size_t why_sz ) {
  char why[ DMG_PEER_ADDR_WHY_SZ ];
  if( strlen( text )<DMG_NODE_ADDR_SZ && dmg_peer_addr_read( text, DMG_PEER_ADDR_PEER, out, why ) ) return DMG_OK;
  if( strlen( text )>=DMG_NODE_ADDR_SZ ) snprintf( why, sizeof why, "it is longer than %d bytes", DMG_NODE_ADDR_SZ-1 );
  snprintf( out_why, why_sz, "%.110s is no address of a peer: %.90s; %s is one", text, why, dmg_peer_addr_form( DMG_PEER_ADDR_PEER ) );
  return DMG_ERR_INVALID;
}

static bool is_self( dmg_node_t const * n, dmg_net_peer_t const * peer ) { return peer->sz==n->port->self.sz && !memcmp( peer->b, n->port->self.b, peer->sz ); }

/* is_asked: by somebody who waits (dmg_node_dial), so that it is in reach already. */
static dmg_err_t add_peer( dmg_node_t * n, char const * text, bool is_asked, char out_why[512] ) {
  dmg_peer_addr_t a;
  DMG_TRY( peer_addr( text, &a, out_why, 512 ) );
  if( is_self( n, &a.peer ) ) return DMG_OK;   /* configurations of a network may name all its nodes */
  char const * one[ 1 ] = { a.plain };
  bool is_up = false;
  dmg_err_t err = is_asked ? dmg_chainnet_dial( dmg_joint_net( n->j ), &a.peer, a.plain, now_us(), &is_up ) : dmg_chainnet_add_peer( dmg_joint_net( n->j ), &a.peer, one, 1 );
  if( err==DMG_ERR_FULL ) snprintf( out_why, 512, "%.200s: a peer has at most %d addresses, and %d peers are dialled", text, DMG_CHAINNET_ADDR_MAX, DMG_CHAINNET_KNOWN_MAX );
  else if( err )          snprintf( out_why, 512, "%.200s: %s", text, dmg_err_text( err ) );
  pthread_mutex_lock( &n->lock );
  dmg_reach_peer_t * p = is_asked ? dmg_reach_find( &n->reach, &a.peer ) : dmg_reach_ask( &n->reach, &a.peer, text );
  if( p ) dmg_reach_taken( p, is_up );
  if( p && err ) (void)dmg_reach_down( p, out_why, now_us() );
  pthread_mutex_unlock( &n->lock );
  return err;
}

static dmg_err_t open_node( dmg_node_t * n, char out_why[512] ) {
  DMG_TRY( open_port( n, out_why ) );
  DMG_TRY( await_listening( n, out_why ) );
  dmg_joint_cfg_t cfg = { .chain = n->chain, .port = n->port, .is_private = n->cfg.is_private, .on_txs = on_txs, .on_txs_ctx = n, .is_threaded = true, .on_done = on_txs, .on_reach = on_reach };
  memcpy( cfg.seed, n->cfg.seed, sizeof cfg.seed );
  dmg_os_random( cfg.secret, sizeof cfg.secret );
  dmg_err_t err = dmg_joint_open( &cfg, now_us(), dmg_os_wall_ms(), &n->j, out_why );
  dmg_wipe( cfg.seed, sizeof cfg.seed );
  DMG_TRY( err );
  for( size_t i = 0; i<n->cfg.peer_cnt; i++ ) DMG_TRY( add_peer( n, n->cfg.peers[ i ], false, out_why ) );
  peers_read( n );
  for( size_t i = 0; i<n->cfg.external_cnt; i++ ) dmg_chainnet_listens( dmg_joint_net( n->j ), n->cfg.external[ i ], true );
  dmg_chainnet_listens( dmg_joint_net( n->j ), n->info.addr, false );
  dmg_chainnet_info_t info;
  dmg_chainnet_info( dmg_joint_net( n->j ), &info );
  if( !n->cfg.peer_cnt && !( info.new_cnt+info.tried_cnt ) ) DMG_LOG_WARN( "no_peers", "this node knows of nobody to connect with, and waits for others: --peers (net.peers) names some" );
  snprintf( out_why, 512, "the network does not start" );
  return dmg_joint_start( n->j, now_us() );
}

static void join_rpc( dmg_node_t * n );

dmg_err_t dmg_node_start( dmg_node_cfg_t const * cfg, dmg_node_t ** out_node, char out_why[512] ) {
  dmg_node_t * n = calloc( 1, sizeof *n );
  snprintf( out_why, 512, "out of memory" );
  if( !n ) return DMG_ERR_NOMEM;
  n->cfg     = *cfg;
  n->chain   = cfg->chain;
  n->wake_fd = eventfd( 0, EFD_CLOEXEC|EFD_NONBLOCK );
  n->turn_us = now_us();
  dmg_watch_behind( &n->watch, dmg_os_wall_ms() );
  pthread_mutex_init( &n->lock, NULL );
  dmg_err_t err = n->wake_fd<0 ? DMG_ERR_IO : open_node( n, out_why );
  dmg_wipe( n->cfg.seed, sizeof n->cfg.seed );
  if( !err ) err = dmg_libp2p_peer_text( &n->port->self, n->info.peer );
  if( !err ) {
    join_rpc( n );
    pthread_attr_t attr;
    pthread_attr_init( &attr );
    pthread_attr_setstacksize( &attr, DMG_VM_THREAD_STACK_SZ+( 4u<<20 ) );   /* vm.h: chains of nested runs need it */
    show( n, now_us() );
    err = pthread_create( &n->thread, &attr, node_thread, n ) ? DMG_ERR_NOMEM : DMG_OK;
    pthread_attr_destroy( &attr );
    n->is_running = !err;
  }
  if( err ) { dmg_node_stop( n ); return err; }
  *out_node = n;
  return DMG_OK;
}

void dmg_node_stop( dmg_node_t * n ) {
  if( !n ) return;
  atomic_store( &n->is_stopping, true );
  if( n->wake_fd>=0 ) on_txs( n );
  if( n->is_running ) pthread_join( n->thread, NULL );
  if( n->is_running ) dmg_node_keep( n );
  dmg_buf_fini( &n->peer_file );
  dmg_joint_close( n->j );   /* with it the jobs' thread ends, which tells of blocks */
  if( n->query.ctx ) { n->chain->query.net = NULL; dmg_chain_events( n->chain, &n->told ); }
  dmg_net_free( n->port );
  if( n->wake_fd>=0 ) close( n->wake_fd );
  pthread_mutex_destroy( &n->lock );
  free( n );
}

/* ---- To show ---- */

void dmg_node_info( dmg_node_t * n, dmg_node_info_t * out ) {
  pthread_mutex_lock( &n->lock );
  *out = n->info;
  pthread_mutex_unlock( &n->lock );
}

size_t dmg_node_peers( dmg_node_t * n, dmg_query_peer_t * out, size_t max ) {
  pthread_mutex_lock( &n->lock );
  size_t cnt = n->peer_cnt;
  for( size_t i = 0; i<cnt && i<max && i<PEERS_SHOWN; i++ ) out[ i ] = n->peers[ i ];
  pthread_mutex_unlock( &n->lock );
  return cnt;
}

dmg_err_t dmg_node_dial( dmg_node_t * n, char const * addr, char out_why[256] ) {
  dmg_peer_addr_t a;
  DMG_TRY( peer_addr( addr, &a, out_why, 256 ) );
  if( is_self( n, &a.peer ) ) { snprintf( out_why, 256, "%.160s is this node itself", addr ); return DMG_ERR_INVALID; }
  pthread_mutex_lock( &n->lock );
  bool is_busy = n->dial_cnt==DIALS_MAX, is_taken = !is_busy && dmg_reach_ask( &n->reach, &a.peer, addr );
  if( is_taken ) snprintf( n->dials[ n->dial_cnt++ ], DMG_NODE_ADDR_SZ, "%s", addr );
  pthread_mutex_unlock( &n->lock );
  if( is_busy )        snprintf( out_why, 256, "%d peers wait to be dialled already, try again in a second", DIALS_MAX );
  else if( !is_taken ) snprintf( out_why, 256, "%d peers are dialled already, there is no room for one more", DMG_REACH_MAX );
  on_txs( n );
  return is_taken ? DMG_OK : DMG_ERR_FULL;
}

size_t dmg_node_dials( dmg_node_t * n, dmg_query_dial_t * out, size_t max ) {
  static dmg_query_reach_t const states[] = { [ DMG_REACH_ASKED ] = DMG_QUERY_DIALLING, [ DMG_REACH_DIALLING ] = DMG_QUERY_DIALLING, [ DMG_REACH_UP ] = DMG_QUERY_CONNECTED,
                                              [ DMG_REACH_WAS_UP ] = DMG_QUERY_WAS_CONNECTED, [ DMG_REACH_DOWN ] = DMG_QUERY_UNREACHED };
  pthread_mutex_lock( &n->lock );
  size_t cnt = n->reach.cnt;
  for( size_t i = 0; i<cnt && i<max; i++ ) {
    dmg_reach_peer_t const * p = &n->reach.peers[ i ];
    out[ i ] = (dmg_query_dial_t){ .state = states[ p->state ], .fail_cnt = p->fail_cnt };
    if( dmg_libp2p_peer_text( &p->peer, out[ i ].peer ) ) out[ i ].peer[ 0 ] = 0;
    snprintf( out[ i ].addr, sizeof out[ i ].addr, "%s", p->addr );
    snprintf( out[ i ].why, sizeof out[ i ].why, "%s", p->why );
  }
  pthread_mutex_unlock( &n->lock );
  return cnt;
}

/* The adapter takes commands from any thread. */
dmg_err_t dmg_node_scores( dmg_node_t * n, dmg_buf_t * out ) { return dmg_net_text( n->port, DMG_NET_TEXT_SCORES, out ); }

/* ---- What rpc asks ---- */

static void q_info( void * ctx, dmg_query_net_info_t * out ) {
  dmg_node_info_t i;
  dmg_node_info( ctx, &i );
  dmg_cons_info_t const * c = &i.validator.cons;
  *out = (dmg_query_net_info_t){ .is_voting = c->signer>=0 && !c->is_observer && !c->is_waiting, .conn_cnt = i.conn_cnt, .in_cnt = i.in_cnt, .link_cnt = i.link_cnt, .relayed_cnt = i.relayed_cnt,
                                 .final_p50_ms = i.final_p50_ms, .final_p99_ms = i.final_p99_ms, .is_syncing = i.is_syncing, .height = i.validator.height, .goal = i.is_syncing ? i.sync_goal : 0, .rate = i.rate };
  memcpy( out->peer, i.peer, sizeof out->peer );
  memcpy( out->addr, i.addr, sizeof out->addr );
}

static size_t q_peers( void * ctx, dmg_query_peer_t * out, size_t max ) { return dmg_node_peers( ctx, out, max ); }

static dmg_err_t q_dial( void * ctx, char const * addr, dmg_query_why_t * why ) {
  char text[ 256 ];
  dmg_err_t err = dmg_node_dial( ctx, addr, text );
  if( err ) snprintf( why->text, sizeof why->text, "%s", text );
  return err;
}

static size_t q_dials( void * ctx, dmg_query_dial_t * out, size_t max ) { return dmg_node_dials( ctx, out, max ); }

static dmg_err_t q_scores( void * ctx, dmg_buf_t * out ) { return dmg_node_scores( ctx, out ); }

/* Before anybody reads, and before the first block. */
static void join_rpc( dmg_node_t * n ) {
  n->query = (dmg_query_net_t){ .ctx = n, .info = q_info, .peers = q_peers, .dial = q_dial, .dials = q_dials, .scores = q_scores };
  n->told  = n->chain->events;
  n->chain->query.net = &n->query;
  dmg_query_events_t events = { .ctx = n, .on_block = on_block, .on_tx = on_tx };
  dmg_chain_events( n->chain, &events );
}

static int by_us( void const * a, void const * b ) {
  uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b;
  return x<y ? -1 : x>y;
}

/* Round trips of the peers shown, ascending; how many.  Under lock. */
static size_t rtts( dmg_node_t const * n, uint64_t out[ PEERS_SHOWN ] ) {
  size_t cnt = 0;
  for( size_t i = 0; i<n->peer_cnt && i<PEERS_SHOWN; i++ ) if( n->peers[ i ].rtt_us ) out[ cnt++ ] = n->peers[ i ].rtt_us;
  qsort( out, cnt, sizeof *out, by_us );
  return cnt;
}

/* N8.5-N8.8, N9.2 */
static dmg_err_t bodies_metrics( dmg_chainnet_info_t const * net, dmg_buf_t * out ) {
  return dmg_buf_printf( out,
    "# TYPE demiurge_net_bodies_total counter\ndemiurge_net_bodies_total{dir=\"out\",form=\"full\"} %lu\ndemiurge_net_bodies_total{dir=\"out\",form=\"compact\"} %lu\ndemiurge_net_bodies_total{dir=\"out\",form=\"shreds\"} %lu\n"
    "demiurge_net_bodies_total{dir=\"in\",form=\"full\"} %lu\ndemiurge_net_bodies_total{dir=\"in\",form=\"compact\"} %lu\ndemiurge_net_bodies_total{dir=\"in\",form=\"shreds\"} %lu\n"
    "# TYPE demiurge_net_body_bytes_total counter\ndemiurge_net_body_bytes_total{dir=\"out\"} %lu\n# TYPE demiurge_net_bodies_rebuilt_total counter\ndemiurge_net_bodies_rebuilt_total %lu\n"
    "# TYPE demiurge_net_body_transactions_missing_total counter\ndemiurge_net_body_transactions_missing_total %lu\n# TYPE demiurge_net_body_collisions_total counter\ndemiurge_net_body_collisions_total %lu\n"
    "# TYPE demiurge_net_shards_total counter\ndemiurge_net_shards_total{kind=\"in\"} %lu\ndemiurge_net_shards_total{kind=\"relayed\"} %lu\ndemiurge_net_shards_total{kind=\"bad\"} %lu\n"
    "# TYPE demiurge_net_transactions_forwarded_total counter\ndemiurge_net_transactions_forwarded_total %lu\n"
    "# TYPE demiurge_net_blocks_total counter\ndemiurge_net_blocks_total{kind=\"in\"} %lu\ndemiurge_net_blocks_total{kind=\"out\"} %lu\ndemiurge_net_blocks_total{kind=\"late\"} %lu\n"
    "demiurge_net_blocks_total{kind=\"bad\"} %lu\ndemiurge_net_blocks_total{kind=\"used\"} %lu\n",
    (unsigned long)net->bodies_by_out[ DMG_WIRE_FULL ], (unsigned long)net->bodies_by_out[ DMG_WIRE_COMPACT ], (unsigned long)net->bodies_by_out[ DMG_WIRE_SHREDS ],
    (unsigned long)net->bodies_by_in[ DMG_WIRE_FULL ], (unsigned long)net->bodies_by_in[ DMG_WIRE_COMPACT ], (unsigned long)net->bodies_by_in[ DMG_WIRE_SHREDS ],
    (unsigned long)net->bodies_sz_out, (unsigned long)net->bodies_rebuilt, (unsigned long)net->txs_missing, (unsigned long)net->body_collisions,
    (unsigned long)net->shards_in, (unsigned long)net->shards_relayed, (unsigned long)net->shards_bad, (unsigned long)net->txs_forwarded,
    (unsigned long)net->blocks_in, (unsigned long)net->blocks_out, (unsigned long)net->blocks_late, (unsigned long)net->blocks_bad, (unsigned long)net->blocks_used );
}

/* Why connections ended or were not let in; then what the port counts itself, last, as its text ends with "# EOF". */
static dmg_err_t port_metrics( dmg_node_t * n, dmg_chainnet_info_t const * net, dmg_buf_t * out ) {
  DMG_TRY( dmg_buf_printf( out, "# TYPE demiurge_net_closed_total counter\n" ) );
  for( uint32_t i = 0; i<DMG_CHAINNET_CLOSED_CNT; i++ ) DMG_TRY( dmg_buf_printf( out, "demiurge_net_closed_total{why=\"%s\"} %lu\n", dmg_chainnet_closed_name( i ), (unsigned long)net->closed[ i ] ) );
  DMG_TRY( dmg_buf_printf( out, "# TYPE demiurge_net_refused_total counter\n" ) );
  for( uint32_t i = 0; i<DMG_CHAINNET_REFUSED_CNT; i++ ) DMG_TRY( dmg_buf_printf( out, "demiurge_net_refused_total{why=\"%s\"} %lu\n", dmg_chainnet_refused_name( i ), (unsigned long)net->refused[ i ] ) );
  DMG_TRY( dmg_buf_printf( out, "# TYPE demiurge_net_bad_total counter\ndemiurge_net_bad_total{kind=\"frame\"} %lu\ndemiurge_net_bad_total{kind=\"request\"} %lu\ndemiurge_net_bad_total{kind=\"batch\"} %lu\n"
                           "# TYPE demiurge_net_dropped_total counter\ndemiurge_net_dropped_total{kind=\"frame\"} %lu\n# TYPE demiurge_net_slowed_total counter\ndemiurge_net_slowed_total{kind=\"request\"} %lu\n",
                           (unsigned long)net->frames_bad, (unsigned long)net->requests_bad, (unsigned long)net->batches_bad, (unsigned long)net->frames_dropped, (unsigned long)net->requests_slow ) );
  return dmg_net_text( n->port, DMG_NET_TEXT_METRICS, out );   /* the adapter takes commands from any thread */
}

dmg_err_t dmg_node_metrics( dmg_node_t * n, dmg_buf_t * out ) {
  uint64_t us[ PEERS_SHOWN ] = { 0 };
  pthread_mutex_lock( &n->lock );
  dmg_node_info_t i = n->info;
  size_t us_cnt = rtts( n, us );
  dmg_chainnet_info_t net = n->net_info;
  pthread_mutex_unlock( &n->lock );
  dmg_cons_info_t const * c = &i.validator.cons;
  size_t middle = us_cnt ? ( us_cnt-1 )/2 : 0;
  DMG_TRY( bodies_metrics( &net, out ) );
  DMG_TRY( dmg_buf_printf( out,
    "# TYPE demiurge_net_connections gauge\ndemiurge_net_connections %u\n# TYPE demiurge_net_links gauge\ndemiurge_net_links %u\n"
    "# TYPE demiurge_net_relayed gauge\ndemiurge_net_relayed %u\n# TYPE demiurge_net_forwarded_total counter\ndemiurge_net_forwarded_total %lu\n"
    "# TYPE demiurge_finality_seconds summary\ndemiurge_finality_seconds{quantile=\"0.5\"} %u.%03u\ndemiurge_finality_seconds{quantile=\"0.99\"} %u.%03u\n"
    "# TYPE demiurge_net_rtt_seconds summary\ndemiurge_net_rtt_seconds{quantile=\"0.5\"} %.6f\ndemiurge_net_rtt_seconds{quantile=\"1\"} %.6f\n"
    "# TYPE demiurge_net_frames_total counter\ndemiurge_net_frames_total{dir=\"in\"} %lu\ndemiurge_net_frames_total{dir=\"out\"} %lu\n"
    "# TYPE demiurge_net_transactions_total counter\ndemiurge_net_transactions_total{dir=\"in\"} %lu\ndemiurge_net_transactions_total{dir=\"out\"} %lu\n"
    "# TYPE demiurge_consensus_epoch gauge\ndemiurge_consensus_epoch %u\n# TYPE demiurge_consensus_view gauge\ndemiurge_consensus_view{kind=\"current\"} %lu\ndemiurge_consensus_view{kind=\"final\"} %lu\n"
    "# TYPE demiurge_consensus_lag_windows gauge\ndemiurge_consensus_lag_windows %lu\n# TYPE demiurge_consensus_votes_total counter\ndemiurge_consensus_votes_total %lu\n"
    "# TYPE demiurge_consensus_alarms_total counter\ndemiurge_consensus_alarms_total %lu\n# TYPE demiurge_consensus_voting gauge\ndemiurge_consensus_voting %d\n"
    "# TYPE demiurge_consensus_validator gauge\ndemiurge_consensus_validator %d\n",
    i.conn_cnt, i.link_cnt, i.relayed_cnt, (unsigned long)net.frames_forwarded, i.final_p50_ms/1000, i.final_p50_ms%1000, i.final_p99_ms/1000, i.final_p99_ms%1000, us_cnt ? (double)us[ middle ]/1e6 : 0.0, us_cnt ? (double)us[ us_cnt-1 ]/1e6 : 0.0,
    (unsigned long)net.frames_in, (unsigned long)net.frames_out, (unsigned long)net.txs_in, (unsigned long)net.txs_out, c->epoch, (unsigned long)c->cur, (unsigned long)c->final_view,
    (unsigned long)c->lag, (unsigned long)i.validator.signs, (unsigned long)i.validator.alarms, c->signer>=0 && !c->is_observer && !c->is_waiting, (int)c->signer ) );
  return port_metrics( n, &net, out );
}

dmg_err_t dmg_node_peer_id( uint8_t const seed[ 32 ], dmg_buf_t * out_bytes, char out_text[ 64 ] ) {
  uint8_t key[ 32 ];
  dmg_net_peer_t peer;
  dmg_ed25519_public( seed, key );
  DMG_TRY( dmg_libp2p_peer_of_key( key, &peer ) );
  DMG_TRY( dmg_libp2p_peer_text( &peer, out_text ) );
  return dmg_buf_append( out_bytes, peer.b, peer.sz );
}
