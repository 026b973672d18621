#include "node/node.h"
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

enum { PEERS_SHOWN = 128, STOP_MS = 1000 };
#define SHOW_US 200000u   /* what others may look at is this old at most */

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
  uint64_t              shown_us;
  pthread_mutex_t       lock;           /* of what is shown */
  dmg_node_info_t       info;
  dmg_node_peer_t       peers[ PEERS_SHOWN ];
  size_t                peer_cnt;
  dmg_chainnet_info_t   net_info;
};

static uint64_t now_us( void ) { return dmg_os_mono_ns()/1000; }

/* ---- The thread ---- */

static void show( dmg_node_t * n, uint64_t now ) {
  if( now<n->shown_us+SHOW_US ) return;
  n->shown_us = now;
  static _Thread_local dmg_chainnet_peer_t peers[ PEERS_SHOWN ];
  size_t cnt = dmg_chainnet_peers( dmg_joint_net( n->j ), peers, PEERS_SHOWN );
  pthread_mutex_lock( &n->lock );
  dmg_validator_info( dmg_joint_validator( n->j ), &n->info.validator );
  dmg_chainnet_info( dmg_joint_net( n->j ), &n->net_info );
  n->info.conn_cnt   = n->net_info.conn_cnt;
  n->info.link_cnt   = n->net_info.link_cnt;
  n->info.is_syncing = n->net_info.is_syncing;
  n->info.sync_goal  = n->net_info.sync_goal;
  n->peer_cnt = cnt;
  for( size_t i = 0; i<cnt && i<PEERS_SHOWN; i++ ) {
    dmg_node_peer_t * p = &n->peers[ i ];
    *p = (dmg_node_peer_t){ .is_outbound = peers[ i ].is_outbound, .is_link = peers[ i ].is_link, .validator = peers[ i ].validator, .rtt_us = peers[ i ].rtt_us, .height = peers[ i ].height };
    if( dmg_libp2p_peer_text( &peers[ i ].peer, p->peer ) ) p->peer[ 0 ] = 0;
    snprintf( p->addr, sizeof p->addr, "%s", peers[ i ].addr );
    snprintf( p->agent, sizeof p->agent, "%s", peers[ i ].agent );
  }
  pthread_mutex_unlock( &n->lock );
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
    for( unsigned i = 0; i<64 && dmg_joint_take( n->j, now_us() ); i++ ) {}
    err = dmg_joint_turn( n->j, now_us(), dmg_os_wall_ms(), &wake );
    if( err ) break;
    show( n, now_us() );
    wait_for( n, wake );
  }
  if( err ) { DMG_LOG_ERROR( "node_ended", "%s", dmg_err_text( err ) ); if( n->cfg.on_end ) n->cfg.on_end( n->cfg.ctx, err ); }
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
  for( size_t i = 0; i<cfg.listen_cnt; i++ ) cfg.has_quic = cfg.has_quic || strstr( cfg.listen[ i ], "/quic" );
  dmg_err_t err = dmg_libp2p_open( &cfg, &n->port, why );
  dmg_wipe( cfg.seed, sizeof cfg.seed );
  if( err ) snprintf( out_why, 512, "the network does not open: %s", *why ? why : dmg_err_text( err ) );
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

/* "/ip4/1.2.3.4/tcp/7370/p2p/12D3Koo..". */
static dmg_err_t add_peer( dmg_node_t * n, char const * text, char out_why[512] ) {
  dmg_net_peer_t peer;
  char addr[ DMG_NODE_ADDR_SZ ];
  char const * id = strstr( text, "/p2p/" );
  dmg_err_t err = id && strlen( text )<sizeof addr && !dmg_libp2p_peer_parse( id+5, &peer ) ? DMG_OK : DMG_ERR_INVALID;
  if( !err ) {
    snprintf( addr, sizeof addr, "%.*s", (int)( id-text ), text );
    /* Ourselves: configurations of a network may name all its nodes. */
    if( peer.sz==n->port->self.sz && !memcmp( peer.b, n->port->self.b, peer.sz ) ) return DMG_OK;
    char const * one[ 1 ] = { addr };
    err = dmg_chainnet_add_peer( dmg_joint_net( n->j ), &peer, one, 1 );
  }
  if( err ) snprintf( out_why, 512, "%.200s is no address of a peer: /ip4/ADDRESS/tcp/PORT/p2p/PEER_ID is one", text );
  return err;
}

static dmg_err_t open_node( dmg_node_t * n, char out_why[512] ) {
  DMG_TRY( open_port( n, out_why ) );
  DMG_TRY( await_listening( n, out_why ) );
  dmg_joint_cfg_t cfg = { .chain = n->chain, .port = n->port, .on_txs = on_txs, .on_txs_ctx = n };
  memcpy( cfg.seed, n->cfg.seed, sizeof cfg.seed );
  dmg_os_random( cfg.secret, sizeof cfg.secret );
  dmg_err_t err = dmg_joint_open( &cfg, now_us(), dmg_os_wall_ms(), &n->j, out_why );
  dmg_wipe( cfg.seed, sizeof cfg.seed );
  DMG_TRY( err );
  for( size_t i = 0; i<n->cfg.peer_cnt; i++ ) DMG_TRY( add_peer( n, n->cfg.peers[ i ], out_why ) );
  snprintf( out_why, 512, "the network does not start" );
  return dmg_joint_start( n->j, now_us() );
}

dmg_err_t dmg_node_start( dmg_node_cfg_t const * cfg, dmg_node_t ** out_node, char out_why[512] ) {
  dmg_node_t * n = calloc( 1, sizeof *n );
  snprintf( out_why, 512, "out of memory" );
  if( !n ) return DMG_ERR_NOMEM;
  n->cfg     = *cfg;
  n->chain   = cfg->chain;
  n->wake_fd = eventfd( 0, EFD_CLOEXEC|EFD_NONBLOCK );
  pthread_mutex_init( &n->lock, NULL );
  dmg_err_t err = n->wake_fd<0 ? DMG_ERR_IO : open_node( n, out_why );
  dmg_wipe( n->cfg.seed, sizeof n->cfg.seed );
  if( !err ) {
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
  dmg_joint_close( n->j );
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

size_t dmg_node_peers( dmg_node_t * n, dmg_node_peer_t * out, size_t max ) {
  pthread_mutex_lock( &n->lock );
  size_t cnt = n->peer_cnt;
  for( size_t i = 0; i<cnt && i<max && i<PEERS_SHOWN; i++ ) out[ i ] = n->peers[ i ];
  pthread_mutex_unlock( &n->lock );
  return cnt;
}

dmg_err_t dmg_node_metrics( dmg_node_t * n, dmg_buf_t * out ) {
  pthread_mutex_lock( &n->lock );
  dmg_node_info_t i = n->info;
  dmg_chainnet_info_t net = n->net_info;
  pthread_mutex_unlock( &n->lock );
  dmg_cons_info_t const * c = &i.validator.cons;
  return dmg_buf_printf( out,
    "# TYPE demiurge_net_connections gauge\ndemiurge_net_connections %u\n# TYPE demiurge_net_links gauge\ndemiurge_net_links %u\n"
    "# TYPE demiurge_net_frames_total counter\ndemiurge_net_frames_total{dir=\"in\"} %lu\ndemiurge_net_frames_total{dir=\"out\"} %lu\n"
    "# TYPE demiurge_net_transactions_total counter\ndemiurge_net_transactions_total{dir=\"in\"} %lu\ndemiurge_net_transactions_total{dir=\"out\"} %lu\n"
    "# TYPE demiurge_consensus_epoch gauge\ndemiurge_consensus_epoch %u\n# TYPE demiurge_consensus_view gauge\ndemiurge_consensus_view{kind=\"current\"} %lu\ndemiurge_consensus_view{kind=\"final\"} %lu\n"
    "# TYPE demiurge_consensus_lag_windows gauge\ndemiurge_consensus_lag_windows %lu\n# TYPE demiurge_consensus_votes_total counter\ndemiurge_consensus_votes_total %lu\n"
    "# TYPE demiurge_consensus_alarms_total counter\ndemiurge_consensus_alarms_total %lu\n# TYPE demiurge_consensus_voting gauge\ndemiurge_consensus_voting %d\n"
    "# TYPE demiurge_consensus_validator gauge\ndemiurge_consensus_validator %d\n",
    i.conn_cnt, i.link_cnt, (unsigned long)net.frames_in, (unsigned long)net.frames_out, (unsigned long)net.txs_in, (unsigned long)net.txs_out, c->epoch, (unsigned long)c->cur, (unsigned long)c->final_view,
    (unsigned long)c->lag, (unsigned long)i.validator.signs, (unsigned long)i.validator.alarms, c->signer>=0 && !c->is_observer && !c->is_waiting, (int)c->signer );
}

dmg_err_t dmg_node_peer_id( uint8_t const seed[ 32 ], dmg_buf_t * out_bytes, char out_text[ 64 ] ) {
  uint8_t key[ 32 ];
  dmg_net_peer_t peer;
  dmg_ed25519_public( seed, key );
  DMG_TRY( dmg_libp2p_peer_of_key( key, &peer ) );
  DMG_TRY( dmg_libp2p_peer_text( &peer, out_text ) );
  return dmg_buf_append( out_bytes, peer.b, peer.sz );
}
