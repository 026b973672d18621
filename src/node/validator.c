#include "node/validator_int.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"
#include "types/items.h"

#include <stdio.h>
#include <stdlib.h>

void dmg_val_halt( val_t * v, dmg_err_t err, char const * what ) {
  if( v->broken ) return;
  v->broken = err;
  DMG_LOG_ERROR( "validator_stopped", "%s: %s", what, dmg_err_text( err ) );
}

/* ---- Events of the core ---- */

void dmg_val_queue_put( val_t * v, dmg_cons_event_t const * ev, uint8_t * own ) {
  DMG_ASSERT( v->queue_cnt<QUEUE_MAX );
  v->queue[ ( v->queue_at+v->queue_cnt++ )%QUEUE_MAX ] = (queued_t){ .ev = *ev, .own = own };
}

/* A header as the proposal that the core wants: it was certified, so its runs are not needed. */
void dmg_val_got_header( val_t * v, dmg_signed_header_t const * sh ) {
  static dmg_cert_t const none;
  uint8_t * bytes = malloc( DMG_PROPOSAL_HEAD_MAX );
  if( !bytes ) return;   /* asked again by its timers */
  dmg_cons_event_t ev = { .kind = DMG_CONS_GOT, .got = { .proposal = dmg_span( bytes, dmg_proposal_head( sh, &none, 0, bytes ) ) } };
  dmg_val_queue_put( v, &ev, bytes );
}

/* ---- Actions ---- */

/* Reasons before votes: a log that is cut has no vote without its block.  A proposal has its body behind it. */
static dmg_err_t save_proposal( val_t * v, dmg_cons_record_t const * r ) {
  static uint8_t const empty[ DMG_BODY_EMPTY_SZ ];
  dmg_proposal_t p;
  if( dmg_proposal_decode( r->payload, &p ).kind ) return DMG_ERR_CORRUPT;   /* the core made or took it */
  uint32_t len = p.header.header.body_len;
  dmg_buf_t buf = dmg_buf( DMG_BODY_SZ_MAX );
  dmg_span_t parts[ 2 ] = { r->payload, dmg_span( empty, len<=DMG_BODY_EMPTY_SZ ? len : 0 ) };
  dmg_err_t err = DMG_OK;
  if( len>DMG_BODY_EMPTY_SZ ) {
    err = dmg_validator_body( v, &p.hash, &buf );
    parts[ 1 ] = dmg_buf_span( &buf );
    if( !err && parts[ 1 ].sz!=len ) err = DMG_ERR_CORRUPT;
  }
  if( !err ) err = dmg_wal_append( v->chain->wal, DMG_WAL_PROPOSAL, r->epoch, parts, parts[ 1 ].sz ? 2 : 1 );
  dmg_buf_fini( &buf );
  return err;
}

static dmg_err_t save( val_t * v, dmg_cons_record_t const * r ) {
  if( r->kind==DMG_CONS_REC_PROPOSAL ) return save_proposal( v, r );
  if( r->kind==DMG_CONS_REC_FLOOR ) { v->floor_epoch = r->epoch; v->floor_view = dmg_load_u64le( r->payload.p ); }
  return dmg_wal_append( v->chain->wal, (dmg_wal_type_t)r->kind, r->epoch, &r->payload, 1 );
}

static void on_save( val_t * v, dmg_cons_action_t const * a ) {
  v->saves++;
  v->save_seq = a->save.seq;
  for( uint32_t i = 0; i<a->save.cnt && v->chain->wal && !v->broken; i++ ) {
    dmg_err_t err = save( v, &a->save.records[ i ] );
    if( err ) dmg_val_halt( v, err, "writing the vote log" );
  }
}

static void answer_sign( val_t * v, uint64_t id, bool is_refused, uint8_t const sig[ DMG_BLS_SIG_SZ ] ) {
  dmg_cons_event_t ev = { .kind = DMG_CONS_SIGNED, .sig = { .id = id, .is_refused = is_refused } };
  dmg_bls_sig_t point;
  if( !is_refused ) {
    bool is_good = dmg_bls_sig_load( sig, &point );
    DMG_ASSERT( is_good );
    dmg_bls_sig_store_raw( &point, ev.sig.sig );
  }
  dmg_val_queue_put( v, &ev, NULL );
}

static void on_sign( val_t * v, dmg_cons_action_t const * a ) {
  if( a->sign.kind==DMG_CONS_SIGN_REVEAL ) {
    dmg_signer_reveal( v->chain->signer, a->sign.epoch, a->sign.view, v->reveal );
    answer_sign( v, a->sign.id, false, v->reveal );
    return;
  }
  DMG_ASSERT( a->sign.seq<=v->saved_seq && v->sign_cnt<SIGN_MAX );   /* C6.1 */
  v->signs[ v->sign_cnt ].id   = a->sign.id;
  v->signs[ v->sign_cnt ].vote = (dmg_safety_vote_t){ .kind = (dmg_vote_kind_t)a->sign.kind, .epoch = a->sign.epoch, .view = a->sign.view, .hash = a->sign.hash };
  v->sign_cnt++;
}

/* All votes of a turn with one sync (C6.1). */
static void sign_all( val_t * v ) {
  dmg_safety_vote_t   votes[ SIGN_MAX ] = { { 0 } };
  dmg_signer_answer_t out[ SIGN_MAX ];
  uint32_t cnt = v->sign_cnt;
  v->sign_cnt = 0;
  DMG_ASSERT( cnt );
  for( uint32_t i = 0; i<cnt; i++ ) votes[ i ] = v->signs[ i ].vote;
  dmg_err_t err = dmg_signer_sign( v->chain->signer, votes, cnt, &v->safety_epoch, out );
  if( err ) { dmg_val_halt( v, err, "signing" ); return; }
  for( uint32_t i = 0; i<cnt; i++ ) {
    if( out[ i ].answer ) DMG_LOG_ERROR( "vote_refused", "epoch=%u view=%lu kind=%d: the safety file does not allow it: %s", votes[ i ].epoch, (unsigned long)votes[ i ].view, (int)votes[ i ].kind, dmg_safety_answer_text( out[ i ].answer ) );
    if( !out[ i ].answer && votes[ i ].kind==DMG_VOTE_PROPOSE ) {
      vblk_t * b = dmg_val_blk_find( v, &votes[ i ].hash );
      if( b ) memcpy( b->sh.sig, out[ i ].sig, sizeof b->sh.sig );
    }
    answer_sign( v, v->signs[ i ].id, out[ i ].answer, out[ i ].sig );
  }
  v->sign_total += cnt;
}

/* N7.3: who votes for another's block tells of it, too, if its leader does not. */
static void on_notarize( val_t * v, dmg_span_t frame ) {
  dmg_vote_t vote;
  vblk_t * b;
  if( dmg_vote_decode( dmg_span( frame.p+1, frame.sz-1 ), &vote ).kind || !( b = dmg_val_blk_find( v, &vote.hash ) ) || !b->has_header || b->is_pushed || (int32_t)b->sh.header.leader==v->info.signer ) return;
  b->is_pushed = true;
  uint8_t raw[ DMG_SIGNED_HEADER_SZ ];
  dmg_signed_header_encode( &b->sh, raw );
  v->net->block( v->net->ctx, DMG_SPAN( raw ), false );
}

static void on_send( val_t * v, dmg_cons_action_t const * a ) {
  DMG_ASSERT( a->send.seq<=v->saved_seq );   /* C6.1: nothing leaves before it is durable */
  dmg_span_t f = a->send.frame;
  dmg_proposal_t p;
  bool is_ours = false;
  if( f.p[ 0 ]==DMG_FRAME_PROPOSAL && !dmg_proposal_decode( dmg_span( f.p+1, f.sz-1 ), &p ).kind && (int32_t)p.header.header.leader==v->info.signer ) {
    vblk_t * b = dmg_val_blk_find( v, &p.hash );
    is_ours = b && !b->is_pushed && ( b->body || p.header.header.body_len<=DMG_BODY_EMPTY_SZ );
    if( is_ours ) b->is_pushed = true;
    if( is_ours && b->body ) v->net->push_body( v->net->ctx, p.header.header.epoch, p.header.header.view, &p.header.header.body_hash, dmg_val_body_of( b ) );
  }
  v->net->send( v->net->ctx, &a->send.peers, f );
  /* What all hear comes behind what validators wait for. */
  if( is_ours ) v->net->block( v->net->ctx, dmg_span( f.p+1, DMG_SIGNED_HEADER_SZ ), true );
  else if( f.p[ 0 ]==DMG_FRAME_VOTE && f.p[ 1 ]==DMG_VOTE_NOTARIZE ) on_notarize( v, f );
}

static void on_fetch( val_t * v, dmg_cons_action_t const * a ) {
  uint8_t bytes[ DMG_SIGNED_HEADER_SZ ];
  dmg_signed_header_t sh;
  vblk_t * b;
  if( a->fetch.what==DMG_CONS_FETCH_RUNS ) { v->net->fetch_runs( v->net->ctx, &a->fetch.hash, &a->fetch.root, a->fetch.first, a->fetch.count, &a->fetch.peers ); return; }
  if( !dmg_validator_header( v, &a->fetch.hash, bytes ) && !dmg_signed_header_decode( DMG_SPAN( bytes ), &sh ).kind ) { dmg_val_got_header( v, &sh ); return; }
  if( !( b = dmg_val_blk_need( v, &a->fetch.hash ) ) ) return;
  b->is_got = true;
  b->ask_us = v->now_us;
  v->net->fetch( v->net->ctx, DMG_VALIDATOR_HEADER, &a->fetch.hash, NULL, &a->fetch.peers );
}

/* C9.5: kept for whoever judges it. */
static void keep_evidence( val_t * v, dmg_span_t bytes ) {
  char path[ 2048 ], hex[ 65 ];
  dmg_hash_t h = dmg_sha256( bytes );
  v->evidence++;
  dmg_hex_encode( h.b, 32, hex );
  DMG_LOG_ERROR( "evidence", "%zu bytes against a validator, sha256 %s", bytes.sz, hex );
  if( !v->chain->cfg.data_dir || v->chain->cfg.vfs ) return;
  snprintf( path, sizeof path, "%.1900s/evidence", v->chain->cfg.data_dir );
  dmg_err_t err = dmg_os_mkdirs( path );
  snprintf( path, sizeof path, "%.1900s/evidence/%.32s.bin", v->chain->cfg.data_dir, hex );
  if( !err ) err = dmg_os_file_replace( path, bytes, 0600 );
  if( err ) DMG_LOG_WARN( "evidence_lost", "%s: %s", path, dmg_err_text( err ) );
}

static void on_evidence( val_t * v, dmg_span_t bytes ) {
  keep_evidence( v, bytes );
  v->net->evidence( v->net->ctx, bytes );
}

static void handover_key( uint32_t epoch, uint8_t key[ 12 ] ) {
  memcpy( key, "handover", 8 );
  for( unsigned i = 0; i<4; i++ ) key[ 8+i ] = (uint8_t)( epoch>>( 24-8*i ) );
}

/* C7.4, C10.1: whoever comes later asks for each. */
static dmg_err_t handover_put( val_t * v, uint32_t epoch, dmg_span_t bytes ) {
  uint8_t key[ 12 ];
  handover_key( epoch, key );
  return dmg_val_keep( v, DMG_SPAN( key ), bytes );
}

static void on_observe( val_t * v, char const * reason ) {
  DMG_LOG_ERROR( "observing", "%s: no vote from here on", reason );
  dmg_err_t err = v->chain->signer ? dmg_signer_observe( v->chain->signer, v->wall_ms ) : DMG_OK;
  if( err ) dmg_val_halt( v, err, "writing the safety file" );
}

static void act( val_t * v, dmg_cons_action_t const * a ) {
  switch( a->kind ) {
  case DMG_CONS_SAVE:     on_save( v, a ); break;
  case DMG_CONS_SIGN:     on_sign( v, a ); break;
  case DMG_CONS_SEND:     on_send( v, a ); break;
  case DMG_CONS_CHECK:    dmg_val_on_check( v, &a->check.header, &a->check.hash, a->check.sig ); break;
  case DMG_CONS_BUILD:
    v->has_build = true;
    v->build.id       = a->build.id;
    v->build.view     = a->build.view;
    v->build.height   = a->build.height;
    v->build.parent   = a->build.parent;
    v->build.is_empty = a->build.is_empty;
    v->build.parent_view = a->build.parent_view;
    break;
  case DMG_CONS_FETCH:    on_fetch( v, a ); break;
  case DMG_CONS_TIMER:    v->timer_us = a->timer.at_us; break;
  case DMG_CONS_COMMIT:   v->goal = a->commit.cert; v->has_goal = true; break;
  case DMG_CONS_EVIDENCE: on_evidence( v, a->evidence.bytes ); break;
  case DMG_CONS_ALARM: {
    char ours[ 65 ], theirs[ 65 ];
    v->alarms++;
    dmg_hex_encode( a->alarm.ours.b, 32, ours );
    dmg_hex_encode( a->alarm.theirs.b, 32, theirs );
    DMG_LOG_ERROR( "consensus_alarm", "%s: view=%lu ours=%s theirs=%s", a->alarm.text, (unsigned long)a->alarm.view, ours, theirs );
    break;
  }
  case DMG_CONS_CLOSE:    v->net->close( v->net->ctx, a->close.peer, a->close.for_us ); break;
  case DMG_CONS_OBSERVE:  on_observe( v, a->observe.reason ); break;
  case DMG_CONS_RAISE: {
    dmg_err_t err = v->chain->signer ? dmg_signer_raise_from( v->chain->signer, a->raise.from_ms ) : DMG_OK;
    if( err ) dmg_val_halt( v, err, "writing the safety file" );
    break;
  }
  case DMG_CONS_DONE: {
    dmg_err_t err = handover_put( v, v->info.epoch, a->done.handover );
    if( err ) dmg_val_halt( v, err, "storing a handover" );
    break;
  }
  default: DMG_ASSERT( !"an unknown action" );
  }
}

/* The log's floor may be ahead of the state: what lies between is still needed. */
void dmg_val_wal_prune( val_t * v ) {
  bool is_behind = v->fin.epoch<v->floor_epoch || ( v->fin.epoch==v->floor_epoch && v->fin.view<v->floor_view );
  dmg_err_t err = v->chain->wal && v->fin.view && !is_behind ? dmg_wal_prune( v->chain->wal ) : DMG_OK;
  if( err ) dmg_val_halt( v, err, "pruning the vote log" );
}

/* When the block that an epoch stands on was made. */
static dmg_err_t anchor_of( val_t * v, dmg_record_t const * record, dmg_cons_anchor_t * out ) {
  dmg_chain_t * chain = v->chain;
  val_head_t const * head = &v->head;
  uint64_t height = record->first_height-1;
  dmg_signed_header_t sh;
  dmg_hash_t hash;
  *out = (dmg_cons_anchor_t){ .hash = chain->chain_id, .height = height, .time_ms = chain->genesis->time_ms };
  if( head->height==height ) { *out = (dmg_cons_anchor_t){ .hash = head->hash, .height = height, .time_ms = head->time_ms, .root = head->root }; return DMG_OK; }
  uint8_t bytes[ DMG_SIGNED_HEADER_SZ ];
  DMG_TRY( dmg_block_log_hash( chain->log, height+1, &hash ) );
  DMG_TRY( dmg_validator_header( v, &hash, bytes ) );
  if( dmg_signed_header_decode( DMG_SPAN( bytes ), &sh ).kind ) return DMG_ERR_CORRUPT;
  out->root = sh.header.parent_state_root;
  if( !height ) return DMG_OK;
  out->hash = sh.header.parent_hash;
  DMG_TRY( dmg_validator_header( v, &out->hash, bytes ) );
  if( dmg_signed_header_decode( DMG_SPAN( bytes ), &sh ).kind ) return DMG_ERR_CORRUPT;
  out->time_ms = sh.header.time_ms;
  return DMG_OK;
}

/* After a step: what moved. */
static void look( val_t * v ) {
  dmg_cons_info_t was = v->info;
  dmg_cons_info( v->core, &v->info );
  if( was.epoch!=v->info.epoch ) {
    /* The anchor is executed, and maybe not committed yet. */
    vblk_t const * b = dmg_val_blk_find( v, &v->info.anchor );
    v->safety_epoch.anchor_ms = b ? b->sh.header.time_ms : v->head.time_ms;
    DMG_LOG_INFO( "epoch", "epoch=%u", v->info.epoch );
    v->net->members( v->net->ctx, v->info.epoch, &v->chain->set );
  }
  if( was.epoch!=v->info.epoch || was.cur!=v->info.cur ) v->is_sweep_due = true;
  if( was.epoch!=v->info.epoch || was.cur!=v->info.cur || was.final_view!=v->info.final_view ) v->net->view( v->net->ctx, v->info.epoch, v->info.cur, v->info.final_view, (uint32_t)v->chain->window_views );
}

static void step( val_t * v, dmg_cons_event_t * ev ) {
  if( v->broken ) return;
  ev->now_us = v->now_us;
  if( !ev->wall_ms ) ev->wall_ms = v->wall_ms;
  dmg_cons_step( v->core, ev, v->out );
  for( uint32_t i = 0; i<v->out->cnt && !v->broken; i++ ) act( v, &v->out->actions[ i ] );
  look( v );
}

/* ---- A turn ---- */

/* C7.1: record and set of e+1 once its seed is final. */
static void tell_epoch( val_t * v ) {
  dmg_chain_t const * c = v->chain;
  val_head_t const * h = &v->head;
  dmg_record_t const * next = h->record.epoch==v->info.epoch && h->has_next_record ? &h->next_record : h->record.epoch==v->info.epoch+1 ? &h->record : NULL;
  if( !next || v->told.epoch==next->epoch ) return;
  v->told = *next;
  dmg_cons_event_t ev = { .kind = DMG_CONS_EPOCH, .epoch = { .record = &v->told, .set = &c->set } };
  dmg_val_queue_put( v, &ev, NULL );
  v->net->members( v->net->ctx, next->epoch, &c->set );
}

static dmg_err_t core_open( val_t * v, char out_why[512] );

/* C10.2: keys that had weight long ago may be anybody's now, so who comes back late must be told by somebody which chain is the chain. */
static dmg_err_t checkpoint_open( val_t * v, char out_why[512] ) {
  dmg_chain_t * chain = v->chain;
  dmg_checkpoint_t const * c = &chain->cfg.checkpoint;
  uint64_t height;
  dmg_hash_t at;
  char hash[ 65 ];
  if( v->wall_ms<=v->head.time_ms+CHECKPOINT_AGE_MS ) return DMG_OK;
  dmg_hex_encode( v->head.hash.b, 32, hash );
  if( !c->is_set ) {
    snprintf( out_why, 512, "the last final block here, %lu, is %lu days old: too long ago to trust whoever says what came since. Give a recent block from a source you trust: --checkpoint EPOCH:0xHASH "
      "(node.checkpoint). If nobody made blocks since, ours will do: --checkpoint %u:0x%s", (unsigned long)v->head.height, (unsigned long)( ( v->wall_ms-v->head.time_ms )/86400000 ), v->head.record.epoch, hash );
    return DMG_ERR_INVALID;
  }
  if( dmg_hash_eq( &c->hash, &chain->chain_id ) || dmg_hash_eq( &c->hash, &v->head.hash ) ) return DMG_OK;
  if( !dmg_block_log_height( chain->log, &c->hash, &height ) && height<=v->head.height && !dmg_block_log_hash( chain->log, height, &at ) && dmg_hash_eq( &at, &c->hash ) ) return DMG_OK;
  if( c->epoch<v->head.record.epoch ) {
    snprintf( out_why, 512, "the checkpoint is of epoch %u, and the blocks here, of epoch %u already, do not hold it: either it or this folder is of another chain", c->epoch, v->head.record.epoch );
    return DMG_ERR_CHAIN;
  }
  v->wanted = *c;
  DMG_LOG_INFO( "checkpoint", "epoch=%u: no vote before the chain holds it", c->epoch );
  return DMG_OK;
}

static void drain( val_t * v ) {
  while( v->queue_cnt ) {
    queued_t q = v->queue[ v->queue_at ];
    v->queue_at = ( v->queue_at+1 )%QUEUE_MAX;
    v->queue_cnt--;
    step( v, &q.ev );
    free( q.own );
  }
}

static void sync_saves( val_t * v ) {
  dmg_err_t err = v->chain->wal && v->chain->cfg.is_durable ? dmg_wal_sync( v->chain->wal ) : DMG_OK;
  if( err ) { dmg_val_halt( v, err, "syncing the vote log" ); return; }
  v->saved_seq = v->save_seq;
  dmg_cons_event_t ev = { .kind = DMG_CONS_SAVED, .saved = v->saved_seq };
  dmg_val_queue_put( v, &ev, NULL );
}

/* The head came into a later epoch by sync, where nobody hands over to the core any more (C7.4: two epochs on): it starts anew in
   that one, from what the log has of it.  So does one that was not to vote before its checkpoint, once that is here (C10.2). */
static void follow_epoch( val_t * v ) {
  char why[ 512 ];
  bool is_later = v->head.record.epoch>v->info.epoch, is_met = v->met_height && v->head.height>=v->met_height;
  if( !is_later )          v->stale_us = 0;
  else if( !v->stale_us )  v->stale_us = v->now_us;
  if( !is_met && ( !is_later || v->now_us<v->stale_us+STALE_US ) ) return;
  if( is_later ) DMG_LOG_INFO( "epoch_followed", "from epoch %u to %u by sync", v->info.epoch, v->head.record.epoch );
  v->stale_us   = 0;
  v->met_height = 0;
  for( ; v->queue_cnt; v->queue_cnt-- ) { free( v->queue[ v->queue_at ].own ); v->queue_at = ( v->queue_at+1 )%QUEUE_MAX; }
  v->pend_cnt  = 0;
  v->has_build = false;
  v->build.id  = UINT64_MAX;   /* what is being built was the last core's wish */
  dmg_err_t err = core_open( v, why );
  if( err ) { dmg_val_halt( v, err, why ); return; }
  for( uint32_t i = 0; i<DMG_CONS_PEER_MAX; i++ ) if( v->links[ i ].is_up ) dmg_validator_link( v, (uint16_t)i, true, v->links[ i ].key );
}

dmg_err_t dmg_validator_turn( val_t * v, uint64_t now_us, uint64_t wall_ms, uint64_t * out_wake_us ) {
  if( now_us>v->now_us ) v->now_us = now_us;
  v->wall_ms = wall_ms;
  dmg_val_take( v );
  if( !v->broken ) follow_epoch( v );
  for( bool has_worked = false; !v->broken; ) {
    /* S8.6: nothing is voted or sent behind a write that failed, though its job is not back yet. */
    if( atomic_load( &v->failed ) ) { dmg_val_halt( v, (dmg_err_t)atomic_load( &v->failed ), "committing a block" ); break; }
    tell_epoch( v );
    if( v->queue_cnt )                         { drain( v ); continue; }
    if( v->save_seq!=v->saved_seq )            { sync_saves( v ); continue; }
    if( v->sign_cnt )                          { sign_all( v ); continue; }
    if( v->timer_us<=v->now_us ) {
      dmg_cons_event_t ev = { .kind = DMG_CONS_TICK };
      v->timer_us = v->now_us+1000;   /* the core tells a deadline only when it changes */
      step( v, &ev );
      continue;
    }
    if( has_worked ) break;
    dmg_val_work( v );
    has_worked = true;
  }
  if( !v->broken ) dmg_val_show( v );
  *out_wake_us = dmg_min_u64( v->timer_us, dmg_val_wake_us( v ) );
  return v->broken;
}

void dmg_validator_link( val_t * v, uint16_t peer, bool is_up, uint8_t const key[ DMG_BLS_KEY_SZ ] ) {
  DMG_ASSERT( peer<DMG_CONS_PEER_MAX );
  v->links[ peer ].is_up = is_up;
  if( is_up ) memcpy( v->links[ peer ].key, key, DMG_BLS_KEY_SZ );
  dmg_cons_event_t ev = { .kind = DMG_CONS_LINK, .link = { .peer = peer, .is_up = is_up, .key = is_up ? v->links[ peer ].key : NULL } };
  step( v, &ev );
}

void dmg_validator_frame( val_t * v, uint16_t peer, dmg_span_t frame ) {
  dmg_cons_event_t ev = { .kind = DMG_CONS_MSG, .msg = { .peer = peer, .frame = frame } };
  step( v, &ev );
}

void dmg_validator_take_txs( val_t * v, dmg_buf_t * out ) {
  pthread_mutex_lock( &v->chain->lock );
  dmg_buf_t was = *out;
  *out = v->chain->outbox;
  dmg_buf_clear( &was );
  was.max = out->max;
  v->chain->outbox = was;
  pthread_mutex_unlock( &v->chain->lock );
}

dmg_err_t dmg_validator_txs( val_t * v, dmg_span_t const * txs, uint32_t cnt ) {
  bool is_new = false, is_false = false;
  dmg_query_submit_t * items = calloc( cnt, sizeof *items );
  if( !items ) return DMG_ERR_NOMEM;
  for( uint32_t i = 0; i<cnt; i++ ) items[ i ].raw = txs[ i ];
  dmg_chain_submit( v->chain, items, cnt, true );
  for( uint32_t i = 0; i<cnt; i++ ) {
    is_new   = is_new || ( !items[ i ].err && !items[ i ].is_known );
    is_false = is_false || items[ i ].is_false;
  }
  free( items );
  return is_false ? DMG_ERR_INVALID : is_new ? DMG_OK : DMG_ERR_EXISTS;
}

/* ---- A start ---- */

typedef struct { val_t * v; dmg_arena_t * arena; dmg_cons_record_t * records; uint32_t cnt, max; } replay_t;

static dmg_err_t each_record( void * ctx, dmg_wal_rec_t const * rec ) {
  replay_t * r = ctx;
  dmg_span_t payload = rec->payload;
  dmg_hash_t block = { 0 };
  if( rec->type==DMG_WAL_FLOOR ) { r->v->floor_epoch = rec->epoch; r->v->floor_view = dmg_wal_floor( rec ).view; }
  if( rec->type==DMG_WAL_PROPOSAL ) {
    dmg_signed_header_t sh;
    if( dmg_signed_header_decode( dmg_span( payload.p, DMG_SIGNED_HEADER_SZ ), &sh ).kind ) return DMG_ERR_CORRUPT;
    uint32_t body_sz = sh.header.body_len<payload.sz-DMG_SIGNED_HEADER_SZ ? sh.header.body_len : 0;
    dmg_span_t body = dmg_span( payload.p+payload.sz-body_sz, body_sz );
    payload.sz -= body_sz;
    block = dmg_header_hash( &sh.header );
    /* What was voted for and is not final: its body is here, whoever else has lost it (C6.2). */
    vblk_t * b = sh.header.height>r->v->head.height ? dmg_val_blk_need( r->v, &block ) : NULL;
    if( b ) {
      dmg_val_blk_header( r->v, b, &sh.header, sh.sig );
      if( body_sz>DMG_BODY_EMPTY_SZ ) (void)dmg_val_blk_body( r->v, b, body, false );
    }
  }
  if( r->cnt==r->max ) {
    uint32_t max = r->max ? 2*r->max : 1024;
    dmg_cons_record_t * all = realloc( r->records, max*sizeof *all );
    if( !all ) return DMG_ERR_NOMEM;
    r->records = all;
    r->max     = max;
  }
  payload = dmg_arena_dup( r->arena, payload );
  if( !payload.p ) return DMG_ERR_LIMIT;
  r->records[ r->cnt++ ] = (dmg_cons_record_t){ .kind = (uint8_t)rec->type, .epoch = rec->epoch, .payload = payload, .block = block };
  return DMG_OK;
}

/* C6.3: the final height of the state with the certificate of its FINAL record is the other floor. */
static dmg_err_t put_floor( replay_t * r ) {
  static uint8_t floor[ DMG_CONS_REC_FLOOR_SZ ];
  dmg_cert_t const * fin = &r->v->fin;
  if( !fin->view ) return DMG_OK;
  dmg_store_u64le( floor, fin->view );
  dmg_store_u64le( floor+8, r->v->fin_height );
  memcpy( floor+16, fin->hash.b, 32 );
  dmg_cert_encode( fin, floor+48 );
  r->records = malloc( 1024*sizeof *r->records );
  if( !r->records ) return DMG_ERR_NOMEM;
  r->max = 1024;
  r->records[ r->cnt++ ] = (dmg_cons_record_t){ .kind = DMG_CONS_REC_FLOOR, .epoch = fin->epoch, .payload = DMG_SPAN( floor ) };
  return DMG_OK;
}

/* A block that became final by a descendant's FINALIZATION has none of its own: the nearest below the head. */
static dmg_err_t head_fin( val_t * v ) {
  dmg_hash_t hash, parent;
  dmg_buf_t buf = dmg_buf( 1024 );
  dmg_err_t err = DMG_OK;
  uint64_t height = v->head.height, low = height>64 ? height-64 : 0;
  for( ; height>low && !err && !v->fin.view; height-- ) {
    dmg_buf_clear( &buf );
    err = dmg_block_log_final( v->chain->log, height, &hash, &parent, &buf );
    if( err || !buf.sz ) continue;
    if( dmg_cert_decode( dmg_buf_span( &buf ), &v->fin ).kind ) err = DMG_ERR_CORRUPT;
    v->fin_height = height;
  }
  dmg_buf_fini( &buf );
  return err;
}

static dmg_err_t core_open( val_t * v, char out_why[512] ) {
  dmg_chain_t * chain = v->chain;
  replay_t r = { .v = v, .arena = dmg_arena_new( (size_t)256<<20 ) };
  dmg_cons_cfg_t cfg = { .crypto = &dmg_cons_bls, .chain_id = chain->chain_id, .record = v->head.record, .set = &chain->set, .n_max = chain->set.cnt, .is_wait_off = v->cfg.is_wait_off };
  snprintf( out_why, 512, "out of memory" );
  dmg_err_t err = r.arena ? DMG_OK : DMG_ERR_NOMEM;
  if( !err ) { snprintf( out_why, 512, "the block that the running epoch stands on does not read" ); err = anchor_of( v, &v->head.record, &cfg.anchor ); }
  v->safety_epoch = (dmg_safety_epoch_t){ .anchor_ms = cfg.anchor.time_ms, .skew_ms = v->head.record.skew_ms };
  if( !err ) { snprintf( out_why, 512, "the vote log does not read" ); err = put_floor( &r ); }
  if( !err && chain->wal ) err = dmg_wal_replay( chain->wal, each_record, &r );
  if( !err && chain->signer ) {
    dmg_safety_t const * s = dmg_signer_safety( chain->signer );
    memcpy( cfg.key, s->key, sizeof cfg.key );
    cfg.marks_epoch = s->epoch>v->head.record.epoch ? s->epoch : v->head.record.epoch;
    if( s->epoch==cfg.marks_epoch ) for( unsigned k = 0; k<3; k++ ) cfg.marks[ k ] = s->marks[ k ].view;
    /* C6.5: what the file does not allow in this epoch is not tried. */
    bool has_marks = s->floor>0;
    for( unsigned k = 0; k<DMG_SAFETY_KIND_CNT; k++ ) has_marks |= s->marks[ k ].view>0;
    cfg.from_ms      = s->from_ms;
    cfg.is_observer  = s->is_observer && !s->from_ms;
    cfg.is_fresh     = s->from_ms && ( s->is_observer || !has_marks );
    cfg.is_listening = cfg.is_fresh || dmg_signer_is_foreign( chain->signer );
    if( s->is_observer || ( s->from_ms && cfg.anchor.time_ms<=s->from_ms+2*(uint64_t)v->head.record.skew_ms ) )
      DMG_LOG_WARN( "observing", "the safety file allows no vote in epoch %u: it begins with what was signed before it was made", v->head.record.epoch );
  } else cfg.is_observer = true;
  if( v->wanted.is_set ) cfg.is_observer = true;
  if( !err ) {
    snprintf( out_why, 512, "the agreement does not start: out of memory, or set and record do not belong together" );
    dmg_arena_free( v->arena );
    v->arena = dmg_arena_new( (size_t)512<<20 );
    dmg_cons_restored_t restored = { .records = r.records, .cnt = r.cnt };
    v->core = v->arena ? dmg_cons_new( v->arena, &cfg, &restored ) : NULL;
    if( !v->core ) err = DMG_ERR_NOMEM;
  }
  free( r.records );
  dmg_arena_free( r.arena );
  if( err ) return err;
  v->timer_us = v->now_us;   /* the first step is a TICK */
  v->save_seq = v->saved_seq = 0;
  v->sign_cnt = 0;
  v->told     = (dmg_record_t){ 0 };
  dmg_cons_info( v->core, &v->info );
  v->net->members( v->net->ctx, v->info.epoch, &chain->set );
  v->net->view( v->net->ctx, v->info.epoch, v->info.cur, v->info.final_view, (uint32_t)chain->window_views );
  return DMG_OK;
}

dmg_err_t dmg_validator_open( dmg_validator_cfg_t const * cfg, uint64_t now_us, uint64_t wall_ms, dmg_validator_t ** out, char out_why[512] ) {
  DMG_ASSERT( cfg->chain->cfg.is_several && !cfg->chain->is_running );
  val_t * v = calloc( 1, sizeof *v );
  snprintf( out_why, 512, "out of memory" );
  if( !v ) return DMG_ERR_NOMEM;
  v->cfg   = *cfg;
  v->chain = cfg->chain;
  v->net   = cfg->net;
  v->now_us        = now_us;
  v->wall_ms       = wall_ms;
  v->chain->on_outbox     = cfg->on_txs;
  v->chain->on_outbox_ctx = cfg->on_txs_ctx;
  v->out   = malloc( sizeof *v->out );
  v->keys  = malloc( sizeof *v->keys );
  dmg_err_t err = v->out && v->keys ? DMG_OK : DMG_ERR_NOMEM;
  if( !err ) err = dmg_val_jobs_open( v );
  if( !err ) { snprintf( out_why, 512, "the certificate of the head does not read" ); err = head_fin( v ); }
  if( !err ) err = checkpoint_open( v, out_why );
  if( !err ) err = core_open( v, out_why );
  if( err ) { dmg_validator_close( v ); return err; }
  *out = v;
  return DMG_OK;
}

void dmg_validator_close( val_t * v ) {
  if( !v ) return;
  v->chain->on_outbox = NULL;
  dmg_val_jobs_close( v );
  dmg_val_discard( v, v->built );
  for( ; v->queue_cnt; v->queue_cnt-- ) { free( v->queue[ v->queue_at ].own ); v->queue_at = ( v->queue_at+1 )%QUEUE_MAX; }
  dmg_val_blocks_free( v );
  dmg_arena_free( v->arena );
  free( v->out );
  free( v->keys );
  free( v );
}

/* ---- What others ask ---- */

dmg_err_t dmg_validator_header( val_t * v, dmg_hash_t const * block, uint8_t out[ DMG_SIGNED_HEADER_SZ ] ) {
  vblk_t const * b = dmg_val_blk_find( v, block );
  if( b && b->has_header && !dmg_is_zero( b->sh.sig, sizeof b->sh.sig ) ) { dmg_signed_header_encode( &b->sh, out ); return DMG_OK; }
  return dmg_chain_header_stored( v->chain, block, out );
}

dmg_err_t dmg_validator_body( val_t * v, dmg_hash_t const * block, dmg_buf_t * out ) {
  vblk_t const * b = dmg_val_blk_find( v, block );
  if( b && b->body ) return dmg_buf_append( out, b->body, b->body_sz );
  dmg_buf_t buf = dmg_buf( DMG_BLOCK_LOG_RAW_MAX );
  dmg_err_t err = dmg_block_log_block( v->chain->log, block, &buf, NULL );
  if( !err && buf.sz<DMG_SIGNED_HEADER_SZ ) err = DMG_ERR_CORRUPT;
  if( !err ) err = dmg_buf_append( out, buf.p+DMG_SIGNED_HEADER_SZ, buf.sz-DMG_SIGNED_HEADER_SZ );
  dmg_buf_fini( &buf );
  return err;
}

dmg_err_t dmg_validator_proposal( val_t * v, dmg_hash_t const * block, dmg_buf_t * out ) {
  dmg_span_t p = dmg_cons_proposal( v->core, block );
  return p.p ? dmg_buf_append( out, p.p, p.sz ) : DMG_ERR_NOT_FOUND;
}

dmg_err_t dmg_validator_runs( val_t * v, dmg_hash_t const * block, uint32_t first, uint32_t count, dmg_buf_t * out ) {
  static _Thread_local uint8_t bytes[ DMG_LEAVES_SZ_MAX ];
  size_t sz = dmg_cons_runs( v->core, block, first, count, bytes );
  return sz ? dmg_buf_append( out, bytes, sz ) : DMG_ERR_NOT_FOUND;
}

void dmg_validator_got_runs( val_t * v, dmg_hash_t const * block, uint32_t first, dmg_span_t bytes ) {
  if( !bytes.p ) return;   /* asked again by the core's timers */
  dmg_cons_event_t ev = { .kind = DMG_CONS_GOT_RUNS, .got_runs = { .hash = *block, .first = first, .bytes = bytes } };
  step( v, &ev );
}

dmg_err_t dmg_validator_handover( val_t * v, uint32_t epoch, dmg_buf_t * out ) {
  uint8_t key[ 12 ];
  dmg_kv_val_t val;
  handover_key( epoch, key );
  DMG_TRY( dmg_kv_get( v->chain->kv, DMG_KV_META, NULL, DMG_SPAN( key ), &val ) );
  dmg_err_t err = dmg_buf_append( out, val.v.p, val.v.sz );
  dmg_kv_val_release( &val );
  return err;
}

/* Sets do not change before Staking, so each epoch's is the one of genesis. */
bool dmg_val_keys_of( val_t * v, uint32_t epoch ) {
  if( v->has_keys && v->keys->epoch==epoch ) return true;
  if( v->has_keys ) { v->keys->epoch = epoch; return true; }
  v->has_keys = dmg_keys_init( v->keys, &dmg_cons_bls, &v->chain->chain_id, epoch, &v->chain->set );
  return v->has_keys;
}

dmg_verdict_t dmg_validator_judge_final( val_t * v, dmg_cert_t const * cert ) {
  if( cert->kind!=DMG_VOTE_FINALIZE ) return dmg_verdict_bad( "cert", "no FINALIZATION", 0 );
  if( !dmg_val_keys_of( v, cert->epoch ) ) return dmg_verdict_local( DMG_ERR_NOMEM );
  return dmg_cert_verify( v->keys, cert ) ? dmg_verdict_good() : dmg_verdict_bad( "cert", "does not weigh enough or does not verify", 0 );
}

dmg_verdict_t dmg_validator_take_evidence( val_t * v, dmg_span_t bytes ) {
  dmg_verdict_t d = dmg_cons_take_evidence( v->core, bytes );
  if( !d.kind ) keep_evidence( v, bytes );
  return d;
}

dmg_verdict_t dmg_validator_take_handover( val_t * v, dmg_span_t bytes ) {
  dmg_handover_t h;
  dmg_set_t set;
  dmg_verdict_t d = dmg_handover_decode( bytes, &h );
  if( d.kind ) return d;
  dmg_hash_t hash = dmg_header_hash( &h.header ), next = dmg_record_hash( &h.record );
  if( h.header.kind==DMG_BLOCK_NORMAL || h.fin.epoch!=h.header.epoch || h.fin.view!=h.header.view || !dmg_hash_eq( &h.fin.hash, &hash ) || !dmg_hash_eq( &h.header.next_epoch_root, &next ) ||
      h.record.epoch!=h.header.epoch+1 || dmg_handover_set( &h, &v->chain->set, &set ).kind ) return dmg_verdict_bad( "handover", "its parts do not belong together", 0 );
  d = dmg_validator_judge_final( v, &h.fin );
  if( d.kind ) return d;
  dmg_hash_t mine = dmg_set_hash( &v->chain->set ), theirs = dmg_set_hash( &set );
  if( !dmg_hash_eq( &mine, &theirs ) ) return dmg_verdict_local( DMG_ERR_UNSUPPORTED );   /* sets change with Staking */
  dmg_err_t err = handover_put( v, h.header.epoch, bytes );
  if( !err && h.record.epoch>v->epoch_known ) v->epoch_known = h.record.epoch;
  return err ? dmg_verdict_local( err ) : dmg_verdict_good();
}

bool dmg_validator_seed( val_t * v, uint32_t epoch, dmg_hash_t * out ) {
  dmg_record_t const * r = v->head.record.epoch==epoch ? &v->head.record : v->head.has_next_record && v->head.next_record.epoch==epoch ? &v->head.next_record : v->told.epoch==epoch && epoch ? &v->told : NULL;
  if( r ) *out = r->seed;
  return r!=NULL;
}

int dmg_validator_leader( val_t * v, uint32_t epoch, uint64_t view ) { return epoch==v->info.epoch && view ? (int)dmg_cons_leader( v->core, view ) : -1; }

void dmg_validator_info( val_t * v, dmg_validator_info_t * out ) {
  uint32_t known = v->epoch_known>v->head.record.epoch ? v->epoch_known : v->head.record.epoch;
  *out = (dmg_validator_info_t){ .cons = v->info, .epoch = v->head.record.epoch, .epoch_known = known>v->info.epoch ? known : v->info.epoch, .fin = v->fin, .fin_height = v->fin_height,
                                 .saves = v->saves, .signs = v->sign_total, .alarms = v->alarms, .evidence = v->evidence, .built_again = v->built_again, .dropped = v->dropped, .block_cnt = v->block_cnt };
  out->height  = v->head.height;
  out->time_ms = v->head.time_ms;
  out->hash    = v->head.hash;
  out->goal    = v->has_goal ? v->goal.hash : out->hash;
}
