/* A world of test_chainnet_util.h's nodes over ports in memory: one seed, a virtual clock. */
#ifndef DMG_NETWORK_TEST_CHAINNET_MEM_H
#define DMG_NETWORK_TEST_CHAINNET_MEM_H

#include "network/port_mem.h"
#include "network/test_chainnet_util.h"

enum { NODES_MAX = 24 };

static dmg_mem_net_t *      world;
static dmg_chainnet_setup_t setup;
static node_t               nodes[ NODES_MAX ];
static unsigned             node_cnt, member_cnt = VALIDATORS;   /* members: of the set that nodes begin with */
static store_t *            store;

/* --- the rig ---------------------------------------------------------------------------------------------- */

static void begin( uint64_t seed, uint32_t blocks, uint32_t big_sz ) {
  printf( "seed %llu\n", (unsigned long long)seed );
  members_make();
  dmg_chainnet_setup( &test_genesis, 0, &setup );
  world    = dmg_mem_net_new( seed );
  node_cnt = 0;
  store    = store_new( seed, blocks, big_sz );
  dmg_mem_net_faults( world, &(dmg_mem_faults_t){ .delay_us = 5000, .jitter_us = 3000 } );
}

static void end( void ) {
  for( unsigned i = 0; i<node_cnt; i++ ) node_end( &nodes[ i ] );
  dmg_mem_net_free( world );
  store_free( store );
}

static node_t * node_add( int index, bool is_follower ) {
  uint8_t seed[ 32 ], key[ 32 ];
  if( index>=0 ) memcpy( seed, seeds[ index ], 32 );
  else memset( seed, (int)( 100+node_cnt ), 32 );
  dmg_ed25519_public( seed, key );
  node_t * nd = &nodes[ node_cnt++ ];
  node_begin( nd, index, seed, dmg_mem_port_open( world, key, setup.protos, DMG_CHAINNET_PROTO_CNT ), store, is_follower, dmg_mem_net_now( world ) );
  if( index>=0 ) assert_int_equal( dmg_chainnet_set_members( nd->net, 0, members, member_cnt, dmg_mem_net_now( world ) ), DMG_OK );
  dmg_chainnet_set_view( nd->net, 0, 1, 0, 4 );
  return nd;
}

static void know( node_t * a, node_t * b ) { assert_int_equal( dmg_chainnet_add_peer( a->net, &b->port->self, (char const *[]){ "/mem" }, 1 ), DMG_OK ); }

static void run_to( uint64_t until ) {
  for( ;; ) {
    uint64_t now = dmg_mem_net_now( world ), next = UINT64_MAX;
    bool is_busy = false;
    for( unsigned i = 0; i<node_cnt; i++ ) {
      if( !nodes[ i ].net || nodes[ i ].is_stalled ) continue;
      node_hello( &nodes[ i ], now );
      while( node_step( &nodes[ i ], now ) ) is_busy = true;
      uint64_t wake = dmg_chainnet_wake_us( nodes[ i ].net );
      if( wake<next ) next = wake;
      if( nodes[ i ].index>=0 && !nodes[ i ].is_idle && nodes[ i ].hello_us<next ) next = nodes[ i ].hello_us;
    }
    if( dmg_mem_net_due( world )<next ) next = dmg_mem_net_due( world );
    if( is_busy && next<=now ) continue;
    if( next<=now ) next = now+100;
    if( next>until ) break;
    dmg_mem_net_advance( world, next );
  }
  dmg_mem_net_advance( world, until );
  for( unsigned i = 0; i<node_cnt; i++ ) if( nodes[ i ].net && !nodes[ i ].is_stalled ) while( node_step( &nodes[ i ], until ) ) {}
}

static void run( uint64_t ms ) { run_to( dmg_mem_net_now( world )+ms*1000 ); }

#define RUN_UNTIL( cond, ms ) do { \
    uint64_t end_ = dmg_mem_net_now( world )+(uint64_t)( ms )*1000; \
    while( !( cond ) ) { if( dmg_mem_net_now( world )>=end_ ) fail_msg( "waited in vain for %s", #cond ); run( 20 ); } \
  } while( 0 )

/* n validators that know each other, but for the one that a test plays itself: it has no net.  by_hand -1: none. */
static void validators_but( unsigned n, int by_hand ) {
  for( int i = 0; i<(int)n; i++ ) if( i!=by_hand ) node_add( i, false ); else nodes[ node_cnt++ ] = (node_t){ .index = i };
  for( unsigned i = 0; i<n; i++ ) for( unsigned k = 0; k<n; k++ ) if( i!=k && nodes[ i ].net && nodes[ k ].net ) know( &nodes[ i ], &nodes[ k ] );
}

static inline void validators( unsigned n ) { validators_but( n, -1 ); }

static unsigned links_of( node_t * nd ) {
  unsigned cnt = 0;
  for( unsigned i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) cnt += nd->is_up[ i ];
  return cnt;
}

static inline bool is_mesh( unsigned n ) {
  for( unsigned i = 0; i<n; i++ ) if( nodes[ i ].net && ( links_of( &nodes[ i ] )!=n-1 || info_of( &nodes[ i ] ).link_cnt!=n-1 ) ) return false;
  return true;
}

static inline void send_all( node_t * nd, dmg_span_t frame ) {
  uint64_t all[ 4 ];
  all_peers( all );
  dmg_chainnet_send( nd->net, all, frame );
}

#endif
