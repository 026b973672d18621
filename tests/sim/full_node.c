/* One node of the world: keys, disk, lives, turns. */
#include "full.h"
#include "crypto/sig.h"

enum { TAKES_MAX = 64 };

uint64_t full_local_us( full_node_t const * n ) { return n->base_us+(uint64_t)( (dmg_i128_t)( full_w->now-n->base_at )*( 1000000+n->drift_ppm )/1000000 ); }
uint64_t full_global_us( full_node_t const * n, uint64_t local_us ) {
  if( local_us<=n->base_us || local_us==UINT64_MAX ) return local_us==UINT64_MAX ? local_us : n->base_at;
  return n->base_at+(uint64_t)( (dmg_i128_t)( local_us-n->base_us )*1000000/( 1000000+n->drift_ppm ) )+1;
}
/* Who has no clock of its own has the world's. */
uint64_t full_wall_ms( full_node_t const * n ) { return (uint64_t)( (int64_t)FULL_GENESIS_S*1000+(int64_t)( ( n ? full_local_us( n ) : full_w->now )/1000 )+( n ? n->skew_ms : 0 ) ); }
void full_clock_set( full_node_t * n, int64_t drift_ppm, int64_t skew_ms ) {
  n->base_us   = full_local_us( n );
  n->base_at   = full_w->now;
  n->drift_ppm = drift_ppm;
  n->skew_ms   = skew_ms;
}

bool full_node_make( full_world_t * w, full_node_t * n ) {
  uint8_t ikm[ 32 ] = { 9, (uint8_t)( 1+n->id ) };
  dmg_bls_key_t key;
  snprintf( n->dir, sizeof n->dir, "/n%u", n->id );
  n->rng = w->seed*31+n->id;
  for( unsigned i = 0; i<32; i++ ) n->seed[ i ] = (uint8_t)( 17+n->id*7+i );
  dmg_ed25519_public( n->seed, n->net_key );
  dmg_wire_peer_of_key( n->net_key, &n->peer );
  if( !n->is_validator ) return true;
  if( !dmg_bls_keygen( DMG_SPAN( ikm ), n->secret ) || !dmg_bls_public( n->secret, &key ) ) return false;
  dmg_bls_key_store( &key, n->key );
  return true;
}

/* ---- Disk ---- */

/* The store keeps what was durable, and of what came after it as much as chance wants, in its order (S8.8). */
static dmg_err_t (* mem_write)( dmg_kv_t *, dmg_kv_op_t const *, size_t, bool );

static void kv_forget( full_node_t * n ) { while( n->kv_snap_cnt ) dmg_kv_snap_close( n->kv, n->kv_snaps[ --n->kv_snap_cnt ] ); }

static void kv_keep( full_node_t * n ) {
  dmg_err_t err = dmg_kv_snap_open( n->kv, &n->kv_snaps[ n->kv_snap_cnt ] );
  DMG_ASSERT( !err );
  n->kv_snap_cnt++;
}

static dmg_err_t kv_write( dmg_kv_t * kv, dmg_kv_op_t const * ops, size_t op_cnt, bool is_durable ) {
  full_node_t * n = full_w->nodes;
  while( n->kv!=kv ) n++;
  dmg_err_t err = dmg_vfs_mem_is_off( n->vfs ) ? DMG_ERR_STOPPED : mem_write( kv, ops, op_cnt, is_durable );
  if( err ) return err;
  if( is_durable || n->kv_snap_cnt==FULL_UNSYNCED_MAX ) kv_forget( n );
  kv_keep( n );
  return DMG_OK;
}

void full_node_kv_is_durable( full_node_t * n ) {
  kv_forget( n );
  kv_keep( n );
}

static void kv_crash( full_world_t * w, full_node_t * n ) {
  dmg_err_t err = n->kv_snap_cnt ? dmg_kv_restore( n->kv, n->kv_snaps[ dmg_rnd_u64( &w->chance )%n->kv_snap_cnt ] ) : DMG_OK;
  DMG_ASSERT( !err );
  full_node_kv_is_durable( n );
}

void full_node_disk( full_world_t * w, full_node_t * n, bool is_first ) {
  static dmg_kv_vt_t kv_vt;
  if( n->kv ) { full_disk_forget( n ); kv_forget( n ); }
  dmg_vfs_free( n->vfs );
  dmg_kv_close( n->kv );
  n->vfs = NULL;
  n->kv  = NULL;
  dmg_err_t err = dmg_vfs_mem( (uint64_t)1<<30, &n->vfs );
  if( !err ) err = dmg_kv_mem_open( (uint64_t)1<<30, &n->kv );
  DMG_ASSERT( !err );
  full_disk_wrap( n->vfs );
  if( !mem_write ) { kv_vt = *n->kv->vt; mem_write = kv_vt.write; kv_vt.write = kv_write; }
  n->kv->vt = &kv_vt;
  kv_keep( n );
  dmg_vfs_mem_off_at( n->vfs, UINT64_MAX-1 );
  n->final_height = 0;
  n->is_unread    = false;
  if( !n->is_validator || !is_first ) return;
  /* As a tool that makes a genesis does: a key that has signed nothing (C6.5). */
  char path[ 64 ];
  snprintf( path, sizeof path, "%s/safety.bin", n->dir );
  dmg_signer_cfg_t cfg = { .vfs = n->vfs, .path = path, .chain_id = w->chain_id, .is_durable = true };
  memcpy( cfg.secret, n->secret, 32 );
  dmg_signer_host( cfg.host );
  err = dmg_signer_init( &cfg, 0 );
  DMG_ASSERT( !err );
}

/* ---- Lives ---- */

static bool is_dead( void * ctx ) {
  full_node_t * n = ctx;
  if( dmg_vfs_mem_is_off( n->vfs ) ) return true;   /* S8.6: the process ended there */
  if( n->has_frames ) {
    if( !n->frames_left ) return true;
    if( !--n->frames_left ) { dmg_vfs_mem_off_at( n->vfs, dmg_vfs_mem_steps( n->vfs ) ); return true; }   /* between two commands the process ends: the disk sees no more of it either */
  }
  return false;
}

static void on_txs( void * ctx ) { full_node_t * n = ctx; if( n->wake_us>full_w->now ) n->wake_us = full_w->now; }

/* What an operator does with a node that refuses to start: a new disk.  What the old one knew is gone, so it observes (C6.5). */
static void replace_disk( full_world_t * w, full_node_t * n ) {
  n->is_impaired = true;
  full_node_disk( w, n, w->cfg.mutant==FM_FRESH_FILE );
}

static dmg_err_t open_all( full_world_t * w, full_node_t * n, char why[512] ) {
  dmg_chain_cfg_t cfg = { .genesis = w->genesis, .modules = full_modules, .module_cnt = 2, .data_dir = n->dir, .vfs = n->vfs, .kv = n->kv, .cache_dir = full_cache, .is_several = true, .is_durable = true, .tree_sz_max = 16<<20 };
  memcpy( cfg.validator_secret, n->secret, 32 );
  DMG_TRY( dmg_chain_open( &cfg, &n->chain, why ) );
  dmg_chainnet_setup_t setup;
  dmg_chainnet_setup( &w->chain_id, 0, &setup );
  n->port = n->slot = dmg_mem_port_open( w->net, n->net_key, setup.protos, DMG_CHAINNET_PROTO_CNT );
  dmg_mem_die( n->port, is_dead, n );
  /* S7.3: jobs seen at once, or late, with frames in between. */
  dmg_joint_cfg_t jcfg = { .chain = n->chain, .port = n->port, .is_wait_off = w->cfg.mutant==FM_NO_REFUSAL, .on_txs = on_txs, .on_txs_ctx = n, .lag_us = dmg_rnd_u64( &n->rng )%2 ? dmg_rnd_u64( &n->rng )%100000 : 0 };
  memcpy( jcfg.seed, n->seed, 32 );
  for( unsigned i = 0; i<32; i++ ) jcfg.secret[ i ] = (uint8_t)dmg_rnd_u64( &n->rng );
  DMG_TRY( dmg_joint_open( &jcfg, full_local_us( n ), full_wall_ms( n ), &n->joint, why ) );
  for( uint32_t i = 0; i<w->node_cnt; i++ ) {
    char addr[ 16 ];
    char const * one[ 1 ] = { addr };
    snprintf( addr, sizeof addr, "/mem/%u", i );
    if( i!=n->id ) DMG_TRY( dmg_chainnet_add_peer( dmg_joint_net( n->joint ), &w->nodes[ i ].peer, one, 1 ) );
  }
  snprintf( why, 512, "the network does not start" );
  return dmg_joint_start( n->joint, full_local_us( n ) );
}

static void close_all( full_node_t * n ) {
  dmg_joint_close( n->joint );
  dmg_chain_close( n->chain );
  dmg_net_free( n->port );
  n->joint = NULL;
  n->chain = NULL;
  n->port  = NULL;
}

void full_node_start( full_world_t * w, full_node_t * n ) {
  char why[ 512 ] = "";
  DMG_ASSERT( !n->is_up );
  n->start_us   = 0;
  n->has_frames = false;
  if( n->is_lost ) replace_disk( w, n );
  if( n->flip && !n->has_strayed ) { full_disk_flip( w, n, n->flip-1u ); n->is_impaired = true; }
  bool was_lost = n->is_lost;
  n->flip    = 0;
  n->is_lost = n->has_strayed = false;
  n->stray_left = 0;
  w->cur = n;
  dmg_err_t err = open_all( w, n, why );
  if( err && n->is_impaired && ( err==DMG_ERR_CORRUPT || err==DMG_ERR_CHAIN || err==DMG_ERR_VERSION ) ) {
    full_trace( "node %u refuses to start: %s: %s", n->id, dmg_err_name( err ), why );
    n->refused++;
    w->stats.refused++;
    close_all( n );
    replace_disk( w, n );
    was_lost = true;
    err = open_all( w, n, why );
  }
  w->cur = NULL;
  if( err ) { full_fail( "node %u does not start: %s: %s", n->id, dmg_err_name( err ), why ); close_all( n ); return; }
  n->is_up   = true;
  n->wake_us = w->now;
  n->busy_us = 0;
  n->starts++;
  w->stats.starts++;
  if( n->garble ) dmg_mem_garble( n->port, n->garble );
  full_trace( "node %u starts at height %lu%s%s", n->id, (unsigned long)n->chain->head.block.height, was_lost ? ", of an empty disk" : "", full_node_votes( w, n ) || !n->is_validator ? "" : ", observing" );
  full_check_start( w, n );
}

void full_node_kill( full_world_t * w, full_node_t * n, char const * how ) {
  if( !n->is_up ) return;
  full_trace( "node %u dies (%s) at height %lu", n->id, how, (unsigned long)n->chain->head.block.height );
  n->is_up = false;
  n->life++;
  w->stats.kills++;
  dmg_vfs_mem_off_at( n->vfs, 0 );
  n->has_frames  = true;
  n->frames_left = 0;
  w->cur = n;
  close_all( n );
  w->cur = NULL;
  dmg_vfs_mem_crash( n->vfs, dmg_rnd_u64( &w->chance ) );
  kv_crash( w, n );
}

void full_node_fini( full_world_t * w, full_node_t * n ) {
  w->cur = n;
  close_all( n );
  w->cur   = NULL;
  n->is_up = false;
  if( n->kv ) { full_disk_forget( n ); kv_forget( n ); }
  dmg_vfs_free( n->vfs );
  dmg_kv_close( n->kv );
  for( uint32_t e = 0; e<FULL_EPOCHS_MAX; e++ ) free( n->votes[ e ] );
}

bool full_node_votes( full_world_t * w, full_node_t * n ) {
  dmg_validator_info_t i;
  if( !n->is_validator || !n->is_up ) return false;
  dmg_validator_info( dmg_joint_validator( n->joint ), &i );
  return !i.cons.is_observer;
}

/* ---- Turns ---- */

static bool is_off( full_node_t * n ) { return dmg_vfs_mem_is_off( n->vfs ) || ( n->has_frames && !n->frames_left ); }

void full_node_turn( full_world_t * w, full_node_t * n ) {
  unsigned took = 0;
  uint64_t wake = 0;
  w->cur = n;
  while( took<TAKES_MAX && !is_off( n ) && dmg_joint_take( n->joint, full_local_us( n ) ) ) took++;
  dmg_err_t err = is_off( n ) ? DMG_ERR_STOPPED : took || n->wake_us<=w->now ? dmg_joint_turn( n->joint, full_local_us( n ), full_wall_ms( n ), &wake ) : DMG_OK;
  if( !err && took==TAKES_MAX ) wake = 0;
  if( !err && ( took || n->wake_us<=w->now ) ) n->wake_us = dmg_max_u64( w->now, full_global_us( n, wake ) );
  n->turns++;
  w->stats.turns++;
  w->cur = NULL;
  if( n->slow_us ) n->busy_us = w->now+n->slow_us/2+dmg_rnd_u64( &w->chance )%n->slow_us;
  if( err || is_off( n ) ) {
    /* A write or sync that failed ends the process (S8.6), as it does a node that disagrees with what is final. */
    bool is_disk = is_off( n ) || err==DMG_ERR_IO || err==DMG_ERR_FULL || err==DMG_ERR_STOPPED;
    bool is_own  = n->is_liar && err==DMG_ERR_CORRUPT;
    /* A damaged block that it has to read and does not refetch (absent.md): it stops, and its operator gives it a new disk. */
    bool is_hurt = n->is_impaired && err==DMG_ERR_CORRUPT;
    if( !is_disk && !is_own && !is_hurt ) full_fail( "node %u ends: %s", n->id, dmg_err_name( err ) );
    full_node_kill( w, n, is_disk ? "in the middle" : is_own ? "its state is not the others'" : "it reads what is damaged" );
    n->is_lost = n->is_lost || ( is_hurt && !is_own );
    if( is_hurt && !is_disk ) w->stats.refused++;
    if( !n->start_us && ( is_hurt || ( !w->is_healing && is_disk ) ) ) n->start_us = w->now+100000+dmg_rnd_u64( &w->chance )%3000000;
    return;
  }
  full_check_turn( w, n );
}
