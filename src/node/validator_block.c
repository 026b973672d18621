/* Blocks above the head: known by hash, their bodies, execution on the tree, commit. */
#include "node/validator_int.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t const empty_body[ DMG_BODY_EMPTY_SZ ];

/* ---- The table ---- */

static vblk_t ** bucket( val_t * v, dmg_hash_t const * hash ) { return &v->blocks[ dmg_load_u32le( hash->b )%BUCKET_CNT ]; }

vblk_t * dmg_val_blk_find( val_t * v, dmg_hash_t const * hash ) {
  vblk_t * b = *bucket( v, hash );
  while( b && !dmg_hash_eq( &b->hash, hash ) ) b = b->next;
  return b;
}

vblk_t * dmg_val_blk_need( val_t * v, dmg_hash_t const * hash ) {
  vblk_t * b = dmg_val_blk_find( v, hash );
  if( b || v->block_cnt==DMG_VALIDATOR_BLOCK_MAX || !( b = calloc( 1, sizeof *b ) ) ) return b;
  b->hash       = *hash;
  b->born_us    = v->now_us;
  b->next       = *bucket( v, hash );
  *bucket( v, hash ) = b;
  v->block_cnt++;
  return b;
}

static void body_free( val_t * v, vblk_t * b ) {
  v->body_sz -= b->body_sz;
  free( b->body );
  b->body    = NULL;
  b->body_sz = 0;
}

void dmg_val_blk_body( val_t * v, vblk_t * b, dmg_span_t body ) {
  if( b->body || body.sz>DMG_VALIDATOR_BODY_SZ_MAX-v->body_sz ) return;   /* full: it is asked for again once blocks are committed */
  b->body = malloc( body.sz );
  if( !b->body ) return;
  memcpy( b->body, body.p, body.sz );
  b->body_sz  = (uint32_t)body.sz;
  v->body_sz += body.sz;
}

void dmg_val_blk_header( val_t * v, vblk_t * b, dmg_header_t const * h, uint8_t const sig[ DMG_BLS_SIG_SZ ] ) {
  if( !b->has_header ) b->sh.header = *h;
  if( !dmg_is_zero( sig, DMG_BLS_SIG_SZ ) ) memcpy( b->sh.sig, sig, DMG_BLS_SIG_SZ );
  b->has_header = true;
  if( b->body || h->body_len<=DMG_BODY_EMPTY_SZ ) return;
  for( uint32_t i = 0; i<DMG_VALIDATOR_EARLY_MAX; i++ )
    if( v->early[ i ].bytes && dmg_hash_eq( &v->early[ i ].hash, &h->body_hash ) ) { dmg_val_blk_body( v, b, dmg_span( v->early[ i ].bytes, v->early[ i ].sz ) ); return; }
}

static void blk_remove( val_t * v, vblk_t ** at ) {
  vblk_t * b = *at;
  *at = b->next;
  body_free( v, b );
  free( b );
  v->block_cnt--;
}

/* After a commit: what lies at or below the head, and what was asked for in vain.  Closing headers stand at the height of the
   boundary block and are wanted until the next epoch has a block. */
static void blocks_prune( val_t * v ) {
  uint64_t height = v->chain->head.block.height;
  for( uint32_t i = 0; i<BUCKET_CNT; i++ )
    for( vblk_t ** at = &v->blocks[ i ]; *at; ) {
      vblk_t * b = *at;
      bool is_old = b->has_header ? b->sh.header.height<height || ( b->sh.header.height==height && b->sh.header.kind!=DMG_BLOCK_CLOSING ) : v->now_us>b->born_us+60000000u && !b->is_got;
      if( is_old ) blk_remove( v, at );
      else         at = &b->next;
    }
}

void dmg_val_blocks_free( val_t * v ) {
  for( uint32_t i = 0; i<BUCKET_CNT; i++ ) while( v->blocks[ i ] ) blk_remove( v, &v->blocks[ i ] );
  for( uint32_t i = 0; i<DMG_VALIDATOR_EARLY_MAX; i++ ) free( v->early[ i ].bytes );
}

void dmg_validator_pushed( val_t * v, dmg_hash_t const * body_hash, dmg_span_t body ) {
  uint32_t i = 0;
  while( i<DMG_VALIDATOR_EARLY_MAX && !( v->early[ i ].bytes && dmg_hash_eq( &v->early[ i ].hash, body_hash ) ) ) i++;
  if( i==DMG_VALIDATOR_EARLY_MAX ) {
    i = v->early_at;
    v->early_at = ( i+1 )%DMG_VALIDATOR_EARLY_MAX;
    free( v->early[ i ].bytes );
    v->early[ i ].bytes = malloc( body.sz );
    if( !v->early[ i ].bytes ) return;
    memcpy( v->early[ i ].bytes, body.p, body.sz );
    v->early[ i ].sz   = (uint32_t)body.sz;
    v->early[ i ].hash = *body_hash;
  }
  for( uint32_t k = 0; k<v->pend_cnt; k++ ) {
    vblk_t * b = dmg_val_blk_find( v, &v->pend[ k ].hash );
    if( b && b->has_header && dmg_hash_eq( &b->sh.header.body_hash, body_hash ) ) dmg_val_blk_body( v, b, body );
  }
}

/* ---- What is missing ---- */

/* The root of the state after a block that was executed: in the tree, or among the last final ones. */
static bool root_of( val_t * v, dmg_hash_t const * hash, dmg_hash_t * out ) {
  dmg_chain_block_t const * b = dmg_chain_block_find( v->chain, hash );
  if( b ) { *out = b->root; return true; }
  return !dmg_state_root( v->chain->state, hash, out );
}

static void ask( val_t * v, vblk_t * b, dmg_validator_what_t what ) {
  if( b->ask_us && v->now_us<b->ask_us+ASK_US ) return;
  b->ask_us = v->now_us;
  v->net->fetch( v->net->ctx, what, &b->hash, b->has_header ? &b->sh.header : NULL, NULL );
}

/* Down from b to the lowest block that is not executed: the one to run next, or NULL: asked for what it lacks, or nothing to do. */
static vblk_t * pursue( val_t * v, vblk_t * b ) {
  dmg_hash_t root;
  uint64_t   head = v->chain->head.block.height;
  while( b && !b->is_bad && !root_of( v, &b->hash, &root ) ) {
    if( !b->has_header ) { ask( v, b, DMG_VALIDATOR_HEADER ); return NULL; }
    dmg_header_t const * h = &b->sh.header;
    if( h->kind==DMG_BLOCK_CLOSING ) { b = dmg_val_blk_need( v, &h->body_hash ); continue; }
    if( h->height<=head || ( v->is_syncing && h->height>head+DMG_VALIDATOR_GAP_MAX ) ) return NULL;
    if( !root_of( v, &h->parent_hash, &root ) ) {
      vblk_t * p = dmg_val_blk_need( v, &h->parent_hash );
      if( p && p->is_bad ) b->is_bad = true;
      b = p;
      continue;
    }
    if( !b->body && h->body_len>DMG_BODY_EMPTY_SZ ) { ask( v, b, DMG_VALIDATOR_BODY ); return NULL; }
    return b;
  }
  return NULL;
}

/* PROPOSE of what others sent: the core verifies what it takes itself, but not the ancestors that we look for. */
static bool header_is_signed( val_t * v, dmg_signed_header_t const * sh, dmg_hash_t const * hash ) {
  dmg_header_t const * h = &sh->header;
  uint8_t msg[ DMG_VOTE_MSG_SZ ];
  dmg_bls_sig_t sig;
  if( !dmg_val_keys_of( v, h->epoch ) || h->leader>=v->keys->n ) return false;
  dmg_vote_msg( DMG_VOTE_PROPOSE, &v->chain->chain_id, h->epoch, h->view, hash, msg );
  return dmg_bls_sig_load( sh->sig, &sig ) && dmg_bls_verify( &v->keys->points[ h->leader ], DMG_BLS_VOTE, DMG_SPAN( msg ), &sig );
}

void dmg_validator_got( val_t * v, dmg_validator_what_t what, dmg_hash_t const * block, dmg_span_t bytes ) {
  vblk_t * b = dmg_val_blk_find( v, block );
  if( !b ) return;
  b->ask_us = 0;
  if( !bytes.p ) return;   /* asked for again at the next poll */
  if( what==DMG_VALIDATOR_BODY ) { dmg_val_blk_body( v, b, bytes ); return; }
  dmg_signed_header_t sh;
  if( dmg_signed_header_decode( bytes, &sh ).kind || !header_is_signed( v, &sh, block ) ) return;
  dmg_val_blk_header( v, b, &sh.header, sh.sig );
  if( b->is_got ) { b->is_got = false; dmg_val_got_header( v, &sh ); }
}

/* ---- Execution ---- */

static void verdict( val_t * v, uint32_t i, dmg_cons_verdict_t kind, dmg_hash_t const * root ) {
  dmg_cons_event_t ev = { .kind = DMG_CONS_VERDICT };
  ev.verdict.view     = v->pend[ i ].view;
  ev.verdict.hash     = v->pend[ i ].hash;
  ev.verdict.verdict  = (uint8_t)kind;
  ev.verdict.has_root = root!=NULL;
  if( root ) ev.verdict.root = *root;
  dmg_val_queue_put( v, &ev, NULL );
  v->pend[ i ] = v->pend[ --v->pend_cnt ];
}

/* VERDICT for pend[ i ] if it is known; false: still open. */
static bool answer( val_t * v, uint32_t i ) {
  dmg_hash_t root;
  vblk_t * b = dmg_val_blk_find( v, &v->pend[ i ].hash );
  if( root_of( v, &v->pend[ i ].hash, &root ) ) verdict( v, i, DMG_CONS_VALID, &root );
  else if( b && b->has_header && b->sh.header.kind==DMG_BLOCK_CLOSING && root_of( v, &b->sh.header.body_hash, &root ) ) verdict( v, i, DMG_CONS_VALID, &root );   /* C7.3 */
  else if( b && b->is_bad ) verdict( v, i, DMG_CONS_INVALID, NULL );
  else if( !b || ( b->has_header && b->sh.header.height<=v->chain->head.block.height ) ) v->pend[ i ] = v->pend[ --v->pend_cnt ];   /* a branch that lost */
  else return false;
  return true;
}

/* Full tables and memory: a local failure is never a verdict on the block (C5.3). */
static bool is_passing( dmg_err_t err ) { return err==DMG_ERR_NOMEM || err==DMG_ERR_FULL || err==DMG_ERR_LIMIT || err==DMG_ERR_AGAIN; }

static dmg_span_t body_of( vblk_t const * b ) { return b->body ? dmg_span( b->body, b->body_sz ) : DMG_SPAN( empty_body ); }

static void run( val_t * v, vblk_t * b ) {
  dmg_chain_block_t * x;
  dmg_verdict_t judged = dmg_chain_block_check( v->chain, &b->sh, &b->hash, body_of( b ), false, &x );
  if( judged.kind==DMG_VERDICT_BAD ) {
    char text[ DMG_VERDICT_TEXT_MAX ];
    dmg_verdict_print( &judged, text, sizeof text );
    DMG_LOG_WARN( "block_refused", "height=%lu view=%lu: %s", (unsigned long)b->sh.header.height, (unsigned long)b->sh.header.view, text );
    b->is_bad = true;
  } else if( judged.kind==DMG_VERDICT_LOCAL && !is_passing( judged.err ) ) dmg_val_halt( v, judged.err, "executing a block" );
  else if( judged.kind==DMG_VERDICT_LOCAL ) DMG_LOG_WARN( "block_waits", "height=%lu: %s", (unsigned long)b->sh.header.height, dmg_err_text( judged.err ) );
  else body_free( v, b );   /* the tree has it now */
}

/* What we built is executed already, if the header says what it was built for. */
static bool take_built( val_t * v, vblk_t * b ) {
  dmg_chain_block_t * x = v->built;
  if( !x ) return false;
  dmg_header_t const * h = &b->sh.header, * d = &x->sh.header;
  if( !dmg_hash_eq( &h->body_hash, &d->body_hash ) ) return false;
  v->built = NULL;
  bool is_same = h->epoch==d->epoch && h->view==d->view && h->parent_view==d->parent_view && h->height==d->height && h->time_ms==d->time_ms && h->leader==d->leader
              && dmg_hash_eq( &h->parent_hash, &d->parent_hash ) && !memcmp( h->reveal, d->reveal, sizeof h->reveal );
  dmg_err_t err = is_same && !dmg_chain_block_find( v->chain, &b->hash ) ? dmg_chain_block_attach( v->chain, x, &b->sh, &b->hash ) : DMG_ERR_AGAIN;
  if( err ) {
    v->built_again++;
    dmg_val_blk_body( v, b, x->body );
    dmg_chain_block_drop( v->chain, x );
  }
  if( err && !is_passing( err ) ) dmg_val_halt( v, err, "executing an own block" );
  return true;
}

void dmg_val_on_check( val_t * v, dmg_header_t const * header, dmg_hash_t const * hash, uint8_t const sig[ DMG_BLS_SIG_SZ ] ) {
  vblk_t * b = dmg_val_blk_need( v, hash );
  if( !b ) return;   /* full: the view passes without our vote */
  dmg_val_blk_header( v, b, header, sig );
  if( v->pend_cnt==PEND_MAX ) { v->pend_cnt--; memmove( v->pend, v->pend+1, v->pend_cnt*sizeof *v->pend ); }
  v->pend[ v->pend_cnt ].view = header->view;
  v->pend[ v->pend_cnt ].hash = *hash;
  v->pend_cnt++;
  if( v->built ) {
    pthread_mutex_lock( &v->chain->writing );
    (void)take_built( v, b );
    pthread_mutex_unlock( &v->chain->writing );
  }
}

static void do_build( val_t * v ) {
  dmg_chain_parent_t parent;
  v->has_build = false;
  dmg_chain_block_drop( v->chain, v->built );   /* of a view that passed */
  v->built = NULL;
  dmg_cons_event_t ev = { .kind = DMG_CONS_BUILT, .wall_ms = v->wall_ms, .built = { .id = v->build.id } };
  dmg_header_t draft = { .version = DMG_BLOCK_VERSION, .leader = (uint16_t)v->info.signer, .epoch = v->info.epoch, .view = v->build.view, .height = v->build.height, .parent_hash = v->build.parent,
                         .parent_view = v->build.parent_view };
  memcpy( draft.reveal, v->reveal, sizeof draft.reveal );
  dmg_err_t err = dmg_chain_parent( v->chain, &v->build.parent, &parent );
  /* The header's time, as the core sets it in the step of BUILT with this same clock (C4.2). */
  draft.time_ms = v->wall_ms>parent.time_ms ? v->wall_ms : parent.time_ms+1;
  dmg_attendance_t atts[ DMG_BODY_ATT_MAX ];
  uint32_t att_cnt = 0;
  if( !err && !v->build.is_empty ) att_cnt = dmg_cons_attendance( v->core, v->build.view, &v->build.parent, v->build.parent_view, dmg_chain_attended_view( &parent.attended, &draft ), atts );
  if( !err ) err = dmg_chain_block_build( v->chain, &draft, v->build.is_empty, atts, att_cnt, &v->built );
  if( err && err!=DMG_ERR_NOT_FOUND && !is_passing( err ) ) { dmg_val_halt( v, err, "building a block" ); return; }
  if( !err ) {
    ev.built.is_ok     = true;
    ev.built.body_hash = v->built->sh.header.body_hash;
    ev.built.body_len  = v->built->sh.header.body_len;
  }
  dmg_val_queue_put( v, &ev, NULL );
}

/* ---- Commit ---- */

/* Architecture: every node's state after a final block is the same.  Ours is not: nothing here can mend it. */
static void diverged( val_t * v, dmg_header_t const * child ) {
  char ours[ 65 ], theirs[ 65 ];
  dmg_hex_encode( v->chain->head.root.b, 32, ours );
  dmg_hex_encode( child->parent_state_root.b, 32, theirs );
  DMG_LOG_ERROR( "state_diverged", "height=%lu: the state after it has root %s here, %s in the final block above it; this node stops and votes no more", (unsigned long)v->chain->head.block.height, ours, theirs );
  dmg_val_halt( v, DMG_ERR_CORRUPT, "a state that is not the others'" );
}

static bool commit_one( val_t * v, dmg_chain_block_t * x, dmg_cert_t const * fin ) {
  dmg_chain_t * chain = v->chain;
  dmg_chain_made_t made;
  dmg_header_t header = x->sh.header;
  if( !dmg_hash_eq( &header.parent_state_root, &chain->head.root ) ) { diverged( v, &header ); return false; }
  dmg_err_t err = dmg_chain_block_commit( chain, x, fin, NULL, &made );
  if( err ) { dmg_val_halt( v, err, "committing a block" ); return false; }
  if( fin ) { v->fin = *fin; v->fin_height = header.height; }
  v->made[ v->made_cnt++ ] = made;
  blocks_prune( v );
  for( uint32_t i = 0; i<v->pend_cnt; ) if( !answer( v, i ) ) i++;
  /* The log's floor may be ahead of the state: what lies between is still needed. */
  bool is_behind = v->fin.epoch<v->floor_epoch || ( v->fin.epoch==v->floor_epoch && v->fin.view<v->floor_view );
  if( chain->wal && v->fin.view && !is_behind && ( err = dmg_wal_prune( chain->wal ) ) ) dmg_val_halt( v, err, "pruning the vote log" );
  if( fin ) v->net->final( v->net->ctx, &header, fin, v->info.signer>=0 && dmg_cons_leader( v->core, v->info.cur )==(uint32_t)v->info.signer );
  return true;
}

/* An own block whose PROPOSE was signed in an earlier life and not logged: the signer gives the same again. */
static bool is_signed( val_t * v, dmg_chain_block_t * x ) {
  if( !dmg_is_zero( x->sh.sig, sizeof x->sh.sig ) ) return true;
  vblk_t * b = dmg_val_blk_find( v, &x->hash );
  if( b && !dmg_is_zero( b->sh.sig, sizeof b->sh.sig ) ) { memcpy( x->sh.sig, b->sh.sig, sizeof x->sh.sig ); return true; }
  if( b ) ask( v, b, DMG_VALIDATOR_HEADER );   /* the others have it, as they made it final */
  return false;
}

/* One block towards the goal; false: nothing can be done now. */
static bool try_commit( val_t * v ) {
  dmg_chain_t * chain = v->chain;
  if( !v->has_goal ) return false;
  vblk_t * t = dmg_val_blk_find( v, &v->goal.hash );
  if( dmg_hash_eq( &v->goal.hash, &chain->head.block.hash ) || ( t && t->has_header && t->sh.header.height<=chain->head.block.height && t->sh.header.kind!=DMG_BLOCK_CLOSING ) ) { v->has_goal = v->is_syncing = false; return false; }
  if( !t && !( t = dmg_val_blk_need( v, &v->goal.hash ) ) ) return false;
  if( !t->has_header ) { ask( v, t, DMG_VALIDATOR_HEADER ); return false; }
  dmg_hash_t at = t->sh.header.kind==DMG_BLOCK_CLOSING ? t->sh.header.body_hash : t->hash;   /* C4.6: ancestors are final with it */
  if( t->sh.header.kind==DMG_BLOCK_CLOSING && dmg_hash_eq( &at, &chain->head.block.hash ) ) { v->has_goal = false; return false; }
  if( t->sh.header.height>chain->head.block.height+DMG_VALIDATOR_GAP_MAX && ( !v->is_syncing || v->now_us>v->sync_us+ASK_US ) ) {
    v->is_syncing = true;
    v->sync_us    = v->now_us;
    v->net->sync_to( v->net->ctx, &v->goal );
  }
  for( ;; ) {
    dmg_chain_block_t * x = dmg_chain_block_find( chain, &at );
    if( !x ) {
      vblk_t * b = dmg_val_blk_need( v, &at );
      if( b && b->is_bad ) { dmg_val_halt( v, DMG_ERR_CORRUPT, "a block that is final is invalid by this node's judgement" ); return false; }
      if( b && b->has_header && b->sh.header.height<=chain->head.block.height ) { dmg_val_halt( v, DMG_ERR_CORRUPT, "a final block does not stand on the final blocks here (C9.5)" ); return false; }
      b = b ? pursue( v, b ) : NULL;
      if( b ) run( v, b );
      return b!=NULL;
    }
    if( !dmg_hash_eq( &x->sh.header.parent_hash, &chain->head.block.hash ) ) { at = x->sh.header.parent_hash; continue; }
    return is_signed( v, x ) && commit_one( v, x, dmg_hash_eq( &x->hash, &v->goal.hash ) ? &v->goal : NULL );
  }
}

/* Without any lock: the receiver may ask back. */
static void tell( val_t * v ) {
  dmg_chain_t * chain = v->chain;
  if( !v->made_cnt ) return;
  dmg_chain_flush_events( chain );
  for( uint32_t i = 0; i<v->made_cnt; i++ ) if( chain->events.on_block ) chain->events.on_block( chain->events.ctx, &v->made[ i ].at, v->made[ i ].time_ms, v->made[ i ].tx_cnt );
  v->made_cnt = 0;
  pthread_mutex_lock( &chain->lock );
  chain->last_block_ns = dmg_os_mono_ns();
  pthread_mutex_unlock( &chain->lock );
}

bool dmg_val_work( val_t * v ) {
  bool is_done = false;
  pthread_mutex_lock( &v->chain->writing );
  for( uint32_t i = 0; i<v->pend_cnt && !is_done; ) {
    if( answer( v, i ) ) continue;
    vblk_t * b = dmg_val_blk_find( v, &v->pend[ i ].hash );
    b = b ? pursue( v, b ) : NULL;
    if( b ) { run( v, b ); is_done = true; }
    i++;
  }
  if( !is_done && v->has_build ) { do_build( v ); is_done = true; }
  if( !is_done ) is_done = try_commit( v );
  pthread_mutex_unlock( &v->chain->writing );
  tell( v );
  return is_done && !v->broken;
}

bool dmg_val_is_waiting( val_t const * v ) { return v->pend_cnt || v->has_goal; }

/* ---- Sync ---- */

dmg_err_t dmg_validator_sync( val_t * v, dmg_signed_header_t const * header, dmg_hash_t const * hash, dmg_span_t body, dmg_cert_t const * fin ) {
  dmg_chain_t * chain = v->chain;
  if( v->broken ) return v->broken;
  if( header->header.height<=chain->head.block.height ) return DMG_OK;
  if( !dmg_hash_eq( &header->header.parent_hash, &chain->head.block.hash ) ) return DMG_ERR_INVALID;
  pthread_mutex_lock( &chain->writing );
  dmg_chain_block_t * x = dmg_chain_block_find( chain, hash );
  if( !x && !dmg_hash_eq( &header->header.parent_state_root, &chain->head.root ) ) diverged( v, &header->header );
  else if( !x ) {
    dmg_verdict_t judged = dmg_chain_block_check( chain, header, hash, body, false, &x );
    if( judged.kind==DMG_VERDICT_BAD ) {
      char text[ DMG_VERDICT_TEXT_MAX ];
      dmg_verdict_print( &judged, text, sizeof text );
      DMG_LOG_ERROR( "sync_refused", "height=%lu: a block that is final: %s", (unsigned long)header->header.height, text );
      dmg_val_halt( v, DMG_ERR_CORRUPT, "a block that is final is invalid by this node's judgement" );
    } else if( judged.kind==DMG_VERDICT_LOCAL ) dmg_val_halt( v, judged.err, "executing a block" );
  }
  if( x && !v->broken ) {
    memcpy( x->sh.sig, header->sig, sizeof x->sh.sig );
    (void)commit_one( v, x, fin );
  }
  pthread_mutex_unlock( &chain->writing );
  tell( v );
  return v->broken;
}
