#include "node/joint.h"
#include "node/chain_int.h"
#include "base/log.h"
#include "crypto/kdf.h"

#include <stdio.h>
#include <stdlib.h>

enum { SYNC_TOLD = 8 };

struct dmg_joint {
  dmg_chain_t *        chain;
  dmg_chainnet_chain_t asked;
  dmg_validator_net_t  wants;
  dmg_arena_t *        arena;
  dmg_chainnet_t *     net;
  dmg_validator_t *    v;
  dmg_buf_t            txs;
  size_t               txs_at;   /* what of them the network has taken */
  void              (* on_reach )( void * ctx, dmg_net_peer_t const * peer, bool is_up, char const * why );
  void *               on_reach_ctx;
  uint64_t             now_us;   /* of the call at work */
  uint32_t             sync_cnt; /* blocks of the catching up at work */
};

/* ---- What the driver wants of the network ---- */

static void w_send ( void * ctx, dmg_peers_t const * peers, dmg_span_t frame ) { dmg_chainnet_send( ( (dmg_joint_t *)ctx )->net, peers->w, frame ); }
static void w_close( void * ctx, uint16_t peer, uint64_t for_us ) { dmg_chainnet_close( ( (dmg_joint_t *)ctx )->net, peer, for_us, ( (dmg_joint_t *)ctx )->now_us ); }
static void w_push ( void * ctx, uint32_t epoch, uint64_t view, dmg_hash_t const * body_hash, dmg_span_t body ) {
  dmg_err_t err = dmg_chainnet_push_body( ( (dmg_joint_t *)ctx )->net, epoch, view, body_hash, body );
  if( err ) DMG_LOG_WARN( "body_not_sent", "view=%lu: %s; others fetch it", (unsigned long)view, dmg_err_text( err ) );
}
static void w_block( void * ctx, dmg_span_t header, bool is_ours ) { dmg_chainnet_send_block( ( (dmg_joint_t *)ctx )->net, header, is_ours, ( (dmg_joint_t *)ctx )->now_us ); }
static void w_fetch( void * ctx, dmg_validator_what_t what, dmg_hash_t const * block, dmg_header_t const * header, dmg_peers_t const * peers ) {
  dmg_fetch_t f = { .what = what==DMG_VALIDATOR_BODY ? DMG_FETCH_BODY : DMG_FETCH_HEADER, .hash = *block };
  if( header ) { f.body_hash = header->body_hash; f.body_len = header->body_len; f.epoch = header->epoch; f.view = header->view; }
  /* EXISTS: it is on its way; FULL: the driver asks again. */
  (void)!dmg_chainnet_fetch( ( (dmg_joint_t *)ctx )->net, &f, peers ? peers->w : NULL, ( (dmg_joint_t *)ctx )->now_us );
}
static void w_runs ( void * ctx, dmg_hash_t const * block, dmg_hash_t const * root, uint32_t first, uint32_t count, dmg_peers_t const * peers ) {
  dmg_fetch_t f = { .what = DMG_FETCH_RUNS, .hash = *block, .root = *root, .first = first, .count = count };
  (void)!dmg_chainnet_fetch( ( (dmg_joint_t *)ctx )->net, &f, peers->w, ( (dmg_joint_t *)ctx )->now_us );
}
static void w_sync ( void * ctx, dmg_cert_t const * fin ) { dmg_chainnet_sync_to( ( (dmg_joint_t *)ctx )->net, fin, ( (dmg_joint_t *)ctx )->now_us ); }
static void w_synced( void * ctx, uint64_t height, bool is_ok ) { dmg_chainnet_sync_taken( ( (dmg_joint_t *)ctx )->net, height, is_ok ); }
static void w_final( void * ctx, dmg_header_t const * header, dmg_cert_t const * fin, bool is_first ) { dmg_chainnet_send_final( ( (dmg_joint_t *)ctx )->net, header, fin, is_first, ( (dmg_joint_t *)ctx )->now_us ); }
static void w_evidence( void * ctx, dmg_span_t bytes ) { dmg_chainnet_send_evidence( ( (dmg_joint_t *)ctx )->net, bytes ); }
static void w_view ( void * ctx, uint32_t epoch, uint64_t cur, uint64_t final_view, uint32_t window ) { dmg_chainnet_set_view( ( (dmg_joint_t *)ctx )->net, epoch, cur, final_view, window ); }

/* Peer ids stand in the genesis, signed with the proof of possession (M15.7). */
static void w_members( void * ctx, uint32_t epoch, dmg_set_t const * set ) {
  dmg_joint_t * j = ctx;
  dmg_chainnet_member_t m[ DMG_SET_MAX ] = { 0 };
  for( uint32_t i = 0; i<set->cnt; i++ ) {
    memcpy( m[ i ].key, set->members[ i ].key, sizeof m[ i ].key );
    m[ i ].weight = set->members[ i ].weight;
    for( uint32_t k = 0; k<j->chain->genesis->validator_cnt; k++ ) {
      dmg_genesis_validator_t const * v = &j->chain->genesis->validators[ k ];
      if( memcmp( v->key, m[ i ].key, sizeof v->key ) || v->peer.sz>DMG_NET_PEER_SZ ) continue;
      m[ i ].peer.sz = (uint8_t)v->peer.sz;
      memcpy( m[ i ].peer.b, v->peer.p, v->peer.sz );
    }
  }
  dmg_err_t err = dmg_chainnet_set_members( j->net, epoch, m, set->cnt, j->now_us );
  if( err ) DMG_LOG_ERROR( "members", "epoch=%u: %s", epoch, dmg_err_text( err ) );
}

/* ---- What peers ask ---- */

static void a_head( void * ctx, dmg_chainnet_head_t * out ) {
  dmg_joint_t * j = ctx;
  dmg_validator_info_t i;
  dmg_validator_info( j->v, &i );
  *out = (dmg_chainnet_head_t){ .epoch = i.fin.view ? i.fin.epoch : 0, .epoch_known = i.epoch_known, .final_view = i.fin.view, .height = i.fin_height, .hash = i.fin.view ? i.fin.hash : j->chain->chain_id, .fin = i.fin,
                                .roles = (uint16_t)( DMG_ROLE_BODIES|( i.cons.signer>=0 && !i.cons.is_observer ? DMG_ROLE_VALIDATOR : 0 ) ), .first_body = dmg_block_log_oldest( j->chain->log ), .first_state = i.fin_height,
                                .tip_height = i.height, .tip_hash = i.hash };
}
static dmg_err_t a_header  ( void * ctx, dmg_hash_t const * block, uint8_t out[ DMG_SIGNED_HEADER_SZ ] ) { return dmg_validator_header( ( (dmg_joint_t *)ctx )->v, block, out ); }
static dmg_err_t a_body    ( void * ctx, dmg_hash_t const * block, dmg_buf_t * out ) { return dmg_validator_body( ( (dmg_joint_t *)ctx )->v, block, out ); }
static dmg_err_t a_proposal( void * ctx, uint32_t epoch, uint64_t view, dmg_hash_t const * block, dmg_buf_t * out ) { return dmg_validator_proposal( ( (dmg_joint_t *)ctx )->v, block, out ); }
static dmg_err_t a_runs    ( void * ctx, dmg_hash_t const * block, uint32_t first, uint32_t count, dmg_buf_t * out ) { return dmg_validator_runs( ( (dmg_joint_t *)ctx )->v, block, first, count, out ); }
static dmg_err_t a_handover( void * ctx, uint32_t epoch, dmg_buf_t * out ) { return dmg_validator_handover( ( (dmg_joint_t *)ctx )->v, epoch, out ); }
static dmg_verdict_t a_judge( void * ctx, dmg_cert_t const * cert ) { return dmg_validator_judge_final( ( (dmg_joint_t *)ctx )->v, cert ); }
static dmg_verdict_t a_header_judge( void * ctx, dmg_signed_header_t const * header, dmg_hash_t const * hash ) { return dmg_validator_judge_header( ( (dmg_joint_t *)ctx )->v, header, hash ); }
static dmg_verdict_t a_take ( void * ctx, dmg_span_t handover ) { return dmg_validator_take_handover( ( (dmg_joint_t *)ctx )->v, handover ); }
static dmg_verdict_t a_evidence( void * ctx, dmg_span_t bytes ) { return dmg_validator_take_evidence( ( (dmg_joint_t *)ctx )->v, bytes ); }
static int a_leader( void * ctx, uint32_t epoch, uint64_t view ) { return dmg_validator_leader( ( (dmg_joint_t *)ctx )->v, epoch, view ); }
static bool a_seed( void * ctx, uint32_t epoch, dmg_hash_t * out ) { return dmg_validator_seed( ( (dmg_joint_t *)ctx )->v, epoch, out ); }
static void a_each_tx( void * ctx, void (*visit)( void * arg, dmg_hash_t const * leaf, dmg_span_t raw, uint64_t age_ms ), void * arg ) { dmg_chain_each_tx( ( (dmg_joint_t *)ctx )->chain, visit, arg ); }
static dmg_err_t a_tx( void * ctx, dmg_hash_t const * id, dmg_buf_t * out ) { return dmg_chain_tx( ( (dmg_joint_t *)ctx )->chain, id, out ); }

/* ---- What comes in ---- */

static void on_sync( dmg_joint_t * j, dmg_chainnet_out_t const * o ) {
  dmg_signed_header_t sh;
  dmg_err_t err = dmg_signed_header_decode( o->header, &sh ).kind ? DMG_ERR_INVALID : dmg_validator_sync( j->v, &sh, &o->hash, o->bytes, o->is_last ? &o->fin : NULL );
  j->sync_cnt++;
  if( !err ) return;   /* w_synced tells */
  DMG_LOG_ERROR( "sync_stopped", "height=%lu: %s", (unsigned long)o->height, dmg_err_text( err ) );
  dmg_chainnet_sync_taken( j->net, o->height, false );
}

static void on_out( dmg_joint_t * j, dmg_chainnet_out_t const * o ) {
  switch( o->kind ) {
  case DMG_CHAINNET_LINK:
    DMG_LOG_INFO( "link", "peer=%u %s", o->peer, o->is_up ? "up" : "down" );
    dmg_validator_link( j->v, o->peer, o->is_up, o->key );
    break;
  case DMG_CHAINNET_FRAME:  dmg_validator_frame( j->v, o->peer, o->bytes ); break;
  case DMG_CHAINNET_PUSHED: dmg_validator_pushed( j->v, &o->head.body_hash, o->bytes ); break;
  case DMG_CHAINNET_GOT:
    if( o->what==DMG_FETCH_RUNS ) dmg_validator_got_runs( j->v, &o->hash, o->first, o->bytes );
    else dmg_validator_got( j->v, o->what==DMG_FETCH_BODY ? DMG_VALIDATOR_BODY : DMG_VALIDATOR_HEADER, &o->hash, o->bytes );
    break;
  case DMG_CHAINNET_TXS: {
    dmg_err_t err = dmg_validator_txs( j->v, o->txs, o->tx_cnt );
    dmg_chainnet_verdict( j->net, o->id, err==DMG_ERR_INVALID ? DMG_NET_REJECT : err ? DMG_NET_IGNORE : DMG_NET_ACCEPT );
    break;
  }
  case DMG_CHAINNET_SYNC:     on_sync( j, o ); break;
  case DMG_CHAINNET_REACH:    if( j->on_reach ) j->on_reach( j->on_reach_ctx, &o->who, o->is_up, o->text ); break;
  case DMG_CHAINNET_SYNCED:
    /* A follower has each block this way. */
    if( j->sync_cnt>SYNC_TOLD ) DMG_LOG_INFO( "synced", "height=%lu blocks=%u", (unsigned long)o->height, j->sync_cnt );
    else                        DMG_LOG_DEBUG( "synced", "height=%lu blocks=%u", (unsigned long)o->height, j->sync_cnt );
    j->sync_cnt = 0;
    break;
  case DMG_CHAINNET_SYNC_BAD: DMG_LOG_ERROR( "sync_bad", "%s", o->text ); break;
  default: break;
  }
}

/* FULL: nobody is there yet, or the port is busy.  The rest waits for a later turn, as a follower never leads: what others do not hear of from it no block holds. */
static void send_txs( dmg_joint_t * j ) {
  for( ;; ) {
    if( j->txs_at==j->txs.sz ) {
      j->txs_at = 0;
      dmg_validator_take_txs( j->v, &j->txs );
      if( !j->txs.sz ) return;
    }
    dmg_span_t raw = dmg_span( j->txs.p+j->txs_at+4, dmg_load_u32le( j->txs.p+j->txs_at ) );
    if( dmg_chainnet_send_tx( j->net, raw, j->now_us )==DMG_ERR_FULL ) return;
    j->txs_at += 4+raw.sz;
  }
}

/* ---- Calls ---- */

bool dmg_joint_take( dmg_joint_t * j, uint64_t now_us ) {
  dmg_chainnet_out_t out;
  j->now_us = now_us;
  if( !dmg_chainnet_next( j->net, now_us, &out ) ) return false;
  on_out( j, &out );
  return true;
}

dmg_err_t dmg_joint_turn( dmg_joint_t * j, uint64_t now_us, uint64_t wall_ms, uint64_t * out_wake_us ) {
  uint64_t wake;
  j->now_us = now_us;
  DMG_TRY( dmg_validator_turn( j->v, now_us, wall_ms, &wake ) );
  send_txs( j );
  uint64_t net = dmg_chainnet_wake_us( j->net );
  *out_wake_us = net<wake ? net : wake;
  return DMG_OK;
}

dmg_err_t dmg_joint_start( dmg_joint_t * j, uint64_t now_us ) { j->now_us = now_us; return dmg_chainnet_start( j->net, now_us ); }

dmg_err_t dmg_joint_open( dmg_joint_cfg_t const * cfg, uint64_t now_us, uint64_t wall_ms, dmg_joint_t ** out, char out_why[512] ) {
  dmg_joint_t * j = calloc( 1, sizeof *j );
  snprintf( out_why, 512, "out of memory" );
  if( !j ) return DMG_ERR_NOMEM;
  dmg_chain_t * chain = j->chain = cfg->chain;
  j->now_us = now_us;
  j->on_reach     = cfg->on_reach;
  j->on_reach_ctx = cfg->on_txs_ctx;
  j->txs    = dmg_buf( DMG_CHAIN_OUTBOX_SZ_MAX );
  j->wants  = (dmg_validator_net_t){ .ctx = j, .send = w_send, .close = w_close, .push_body = w_push, .block = w_block, .fetch = w_fetch, .fetch_runs = w_runs,
                                 .sync_to = w_sync, .synced = w_synced, .final = w_final, .evidence = w_evidence, .members = w_members, .view = w_view };
  j->asked  = (dmg_chainnet_chain_t){ .ctx = j, .head = a_head, .header = a_header, .body = a_body, .proposal = a_proposal, .runs = a_runs, .handover = a_handover, .judge_final = a_judge, .judge_header = a_header_judge, .take_handover = a_take,
                                  .take_evidence = a_evidence, .leader = a_leader, .seed = a_seed, .each_tx = a_each_tx, .tx = a_tx };
  dmg_chainnet_cfg_t ncfg = { .port = cfg->port, .chain = &j->asked, .genesis = chain->chain_id, .wall_ms = wall_ms, .is_private = cfg->is_private, .agent = "demiurge/" DMG_VERSION, .body_max = chain->record.body_max, .is_follower = chain->signer==NULL };
  memcpy( ncfg.seed, cfg->seed, sizeof ncfg.seed );
  memcpy( ncfg.secret, cfg->secret, sizeof ncfg.secret );
  dmg_validator_cfg_t vcfg = { .chain = chain, .net = &j->wants, .is_wait_off = cfg->is_wait_off, .on_txs = cfg->on_txs, .on_txs_ctx = cfg->on_txs_ctx,
                               .is_threaded = cfg->is_threaded, .lag_us = cfg->lag_us, .on_done = cfg->on_done, .on_done_ctx = cfg->on_txs_ctx };
  j->arena = dmg_arena_new( (size_t)64<<20 );
  j->net   = j->arena ? dmg_chainnet_new( j->arena, &ncfg ) : NULL;
  dmg_wipe( ncfg.seed, sizeof ncfg.seed );
  dmg_err_t err = j->net ? dmg_validator_open( &vcfg, now_us, wall_ms, &j->v, out_why ) : DMG_ERR_NOMEM;
  if( err ) { dmg_joint_close( j ); return err; }
  *out = j;
  return DMG_OK;
}

void dmg_joint_close( dmg_joint_t * j ) {
  if( !j ) return;
  dmg_validator_close( j->v );
  if( j->net ) dmg_chainnet_fini( j->net );
  dmg_arena_free( j->arena );
  dmg_buf_fini( &j->txs );
  free( j );
}

dmg_chainnet_t *  dmg_joint_net      ( dmg_joint_t * j ) { return j->net; }
dmg_validator_t * dmg_joint_validator( dmg_joint_t * j ) { return j->v; }
