/* Blocks above the head: known by hash, their bodies, what is missing, what the core is told of them. */
#include "node/validator_int.h"
#include "base/assert.h"

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

bool dmg_val_blk_body( val_t * v, vblk_t * b, dmg_span_t body, bool is_own ) {
  if( b->body ) return true;
  if( !is_own && ( v->body_sz>DMG_VALIDATOR_BODY_SZ_MAX || body.sz>DMG_VALIDATOR_BODY_SZ_MAX-v->body_sz ) ) return false;   /* full: it is asked for again once blocks are committed */
  if( !body.sz || !( b->body = malloc( body.sz ) ) ) return !body.sz;
  memcpy( b->body, body.p, body.sz );
  b->body_sz  = (uint32_t)body.sz;
  v->body_sz += body.sz;
  return true;
}

dmg_span_t dmg_val_body_of( vblk_t const * b ) { return b->body ? dmg_span( b->body, b->body_sz ) : dmg_span( empty_body, b->sh.header.body_len<=DMG_BODY_EMPTY_SZ ? b->sh.header.body_len : 0 ); }

/* EARLY_MAX: not there. */
static uint32_t early_find( val_t const * v, dmg_hash_t const * body_hash ) {
  uint32_t i = 0;
  while( i<DMG_VALIDATOR_EARLY_MAX && !( v->early[ i ].bytes && dmg_hash_eq( &v->early[ i ].hash, body_hash ) ) ) i++;
  return i;
}

static void early_free( val_t * v, uint32_t i ) {
  free( v->early[ i ].bytes );
  v->early[ i ].bytes = NULL;
}

void dmg_val_blk_header( val_t * v, vblk_t * b, dmg_header_t const * h, uint8_t const sig[ DMG_BLS_SIG_SZ ] ) {
  if( !b->has_header ) b->sh.header = *h;
  if( !dmg_is_zero( sig, DMG_BLS_SIG_SZ ) ) memcpy( b->sh.sig, sig, DMG_BLS_SIG_SZ );
  b->has_header = true;
  if( b->body || h->body_len<=DMG_BODY_EMPTY_SZ ) return;
  uint32_t i = early_find( v, &h->body_hash );
  if( i<DMG_VALIDATOR_EARLY_MAX && dmg_val_blk_body( v, b, dmg_span( v->early[ i ].bytes, v->early[ i ].sz ), false ) ) early_free( v, i );
}

static void blk_remove( val_t * v, vblk_t ** at ) {
  vblk_t * b = *at;
  DMG_ASSERT( !b->is_running );
  *at = b->next;
  if( b->built ) dmg_val_discard( v, b->built );
  body_free( v, b );
  free( b );
  v->block_cnt--;
}

/* What lies at or below the head, and what was asked for in vain: whoever needs that asks again.  Closing headers stand at the height
   of the boundary block and are wanted until the next epoch has a block. */
static bool is_old( val_t const * v, vblk_t const * b ) {
  uint64_t height = v->head.height;
  if( b->is_running ) return false;
  if( !b->has_header ) return v->now_us>b->born_us+60000000u;
  return b->sh.header.height<height || ( b->sh.header.height==height && b->sh.header.kind!=DMG_BLOCK_CLOSING );
}

/* Branches that lost went from the chain's tree with the commit. */
static void forget_lost( val_t * v ) {
  for( bool is_again = true; is_again; ) {
    is_again = false;
    for( uint32_t i = 0; i<BUCKET_CNT; i++ )
      for( vblk_t * b = v->blocks[ i ]; b; b = b->next ) {
        if( !b->is_executed || dmg_hash_eq( &b->sh.header.parent_hash, &v->head.hash ) ) continue;
        vblk_t const * p = dmg_val_blk_find( v, &b->sh.header.parent_hash );
        if( p && p->is_executed ) continue;
        b->is_executed = false;
        is_again       = true;
      }
  }
}

void dmg_val_blocks_pruned( val_t * v ) {
  for( uint32_t i = 0; i<BUCKET_CNT; i++ )
    for( vblk_t ** at = &v->blocks[ i ]; *at; ) {
      if( is_old( v, *at ) ) blk_remove( v, at );
      else                   at = &( *at )->next;
    }
  forget_lost( v );
}

/* C5.3: a body that was not notarized when its view is left loses its overlay; should it be wanted after all, it is executed again. */
void dmg_val_blocks_sweep( val_t * v ) {
  v->is_sweep_due = false;
  for( uint32_t i = 0; i<BUCKET_CNT; i++ )
    for( vblk_t * b = v->blocks[ i ]; b; b = b->next ) {
      dmg_header_t const * h = &b->sh.header;
      if( !b->is_executed || b->is_sync || h->epoch!=v->info.epoch || h->view>=v->info.cur || dmg_cons_is_notarized( v->core, h->view, &b->hash ) ) continue;
      if( !dmg_val_drop( v, b ) ) { v->is_sweep_due = true; return; }
      forget_lost( v );
    }
}

void dmg_val_blocks_free( val_t * v ) {
  for( uint32_t i = 0; i<BUCKET_CNT; i++ ) while( v->blocks[ i ] ) blk_remove( v, &v->blocks[ i ] );
  for( uint32_t i = 0; i<DMG_VALIDATOR_EARLY_MAX; i++ ) free( v->early[ i ].bytes );
}

void dmg_validator_pushed( val_t * v, dmg_hash_t const * body_hash, dmg_span_t body ) {
  bool is_taken = false;
  for( uint32_t k = 0; k<v->pend_cnt; k++ ) {
    vblk_t * b = dmg_val_blk_find( v, &v->pend[ k ].hash );
    if( b && b->has_header && dmg_hash_eq( &b->sh.header.body_hash, body_hash ) ) is_taken |= dmg_val_blk_body( v, b, body, false );
  }
  if( is_taken || early_find( v, body_hash )<DMG_VALIDATOR_EARLY_MAX ) return;
  uint32_t i = v->early_at;
  v->early_at = ( i+1 )%DMG_VALIDATOR_EARLY_MAX;
  early_free( v, i );
  v->early[ i ].bytes = malloc( body.sz );
  if( !v->early[ i ].bytes ) return;
  memcpy( v->early[ i ].bytes, body.p, body.sz );
  v->early[ i ].sz   = (uint32_t)body.sz;
  v->early[ i ].hash = *body_hash;
}

/* F0.4: readers see the highest executed block of what the core would build on. */
void dmg_val_show( val_t * v ) {
  vblk_t const * b = dmg_val_blk_find( v, &v->info.base_hash );
  while( b && b->has_header && !b->is_executed ) b = dmg_val_blk_find( v, b->sh.header.kind==DMG_BLOCK_CLOSING ? &b->sh.header.body_hash : &b->sh.header.parent_hash );
  dmg_hash_t const * tip = b && b->is_executed ? &b->hash : &v->head.hash;
  if( dmg_hash_eq( tip, &v->tip ) ) return;
  v->tip = *tip;
  dmg_chain_set_tip( v->chain, tip, b && b->is_executed ? b->sh.sig : NULL );
}

/* ---- What is missing ---- */

/* The root of the state after a block that was executed: in the tree, or among the last final ones. */
bool dmg_val_root_of( val_t * v, dmg_hash_t const * hash, dmg_hash_t * out ) {
  if( dmg_hash_eq( hash, &v->head.hash ) ) { *out = v->head.root; return true; }
  vblk_t const * b = dmg_val_blk_find( v, hash );
  if( b && b->is_executed ) { *out = b->root; return true; }
  for( uint32_t i = 0; i<FINALS_CNT; i++ ) if( dmg_hash_eq( &v->finals[ i ].hash, hash ) ) { *out = v->finals[ i ].root; return true; }
  return false;
}

void dmg_val_ask( val_t * v, vblk_t * b, dmg_validator_what_t what ) {
  if( b->ask_us && v->now_us<b->ask_us+ASK_US ) return;
  b->ask_us = v->now_us;
  v->net->fetch( v->net->ctx, what, &b->hash, b->has_header ? &b->sh.header : NULL, NULL );
}

vblk_t * dmg_val_pursue( val_t * v, vblk_t * b ) {
  dmg_hash_t root;
  uint64_t   head = v->head.height;
  while( b && !b->is_bad && !b->is_running && !dmg_val_root_of( v, &b->hash, &root ) ) {
    if( !b->has_header ) { dmg_val_ask( v, b, DMG_VALIDATOR_HEADER ); return NULL; }
    dmg_header_t const * h = &b->sh.header;
    if( h->kind==DMG_BLOCK_CLOSING ) { b = dmg_val_blk_need( v, &h->body_hash ); continue; }
    if( h->height<=head || ( v->is_syncing && h->height>head+DMG_VALIDATOR_GAP_MAX ) ) return NULL;
    if( !dmg_val_root_of( v, &h->parent_hash, &root ) ) {
      vblk_t * p = dmg_val_blk_need( v, &h->parent_hash );
      if( p && p->is_bad ) b->is_bad = true;
      b = p;
      continue;
    }
    if( !b->body && !b->built && h->body_len>DMG_BODY_EMPTY_SZ ) { dmg_val_ask( v, b, DMG_VALIDATOR_BODY ); return NULL; }
    return v->now_us<b->wait_us ? NULL : b;
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

dmg_verdict_t dmg_validator_judge_header( val_t * v, dmg_signed_header_t const * sh, dmg_hash_t const * hash ) {
  vblk_t const * b = dmg_val_blk_find( v, hash );
  if( b && b->has_header && !b->is_sync && !memcmp( b->sh.sig, sh->sig, sizeof sh->sig ) ) return dmg_verdict_good();   /* the core verified it */
  if( !dmg_val_keys_of( v, sh->header.epoch ) ) return dmg_verdict_local( DMG_ERR_NOMEM );
  return header_is_signed( v, sh, hash ) ? dmg_verdict_good() : dmg_verdict_bad( "header.sig", "not its leader's", DMG_HEADER_SZ );
}

void dmg_validator_got( val_t * v, dmg_validator_what_t what, dmg_hash_t const * block, dmg_span_t bytes ) {
  vblk_t * b = dmg_val_blk_find( v, block );
  if( !b ) return;
  b->ask_us = 0;
  if( !bytes.p ) return;   /* asked for again at the next poll */
  if( what==DMG_VALIDATOR_BODY ) { (void)dmg_val_blk_body( v, b, bytes, false ); return; }
  dmg_signed_header_t sh;
  if( dmg_signed_header_decode( bytes, &sh ).kind || !header_is_signed( v, &sh, block ) ) return;
  dmg_val_blk_header( v, b, &sh.header, sh.sig );
  if( b->is_got ) { b->is_got = false; dmg_val_got_header( v, &sh ); }
}

/* ---- Verdicts ---- */

static void tell( val_t * v, uint64_t view, dmg_hash_t const * hash, dmg_cons_verdict_t kind, dmg_hash_t const * root ) {
  dmg_cons_event_t ev = { .kind = DMG_CONS_VERDICT };
  ev.verdict.view     = view;
  ev.verdict.hash     = *hash;
  ev.verdict.verdict  = (uint8_t)kind;
  ev.verdict.has_root = root!=NULL;
  if( root ) ev.verdict.root = *root;
  dmg_val_queue_put( v, &ev, NULL );
}

static void verdict( val_t * v, uint32_t i, dmg_cons_verdict_t kind, dmg_hash_t const * root ) {
  tell( v, v->pend[ i ].view, &v->pend[ i ].hash, kind, root );
  v->pend[ i ] = v->pend[ --v->pend_cnt ];
}

bool dmg_val_answer( val_t * v, uint32_t i ) {
  dmg_hash_t root;
  vblk_t * b = dmg_val_blk_find( v, &v->pend[ i ].hash );
  if( dmg_val_root_of( v, &v->pend[ i ].hash, &root ) ) verdict( v, i, DMG_CONS_VALID, &root );
  else if( b && b->has_header && b->sh.header.kind==DMG_BLOCK_CLOSING && dmg_val_root_of( v, &b->sh.header.body_hash, &root ) ) verdict( v, i, DMG_CONS_VALID, &root );   /* C7.3 */
  else if( b && b->is_bad ) verdict( v, i, DMG_CONS_INVALID, NULL );
  else if( !b || ( b->has_header && b->sh.header.height<=v->head.height ) ) v->pend[ i ] = v->pend[ --v->pend_cnt ];   /* a branch that lost */
  else return false;
  return true;
}

bool dmg_val_is_passing( dmg_err_t err ) { return err==DMG_ERR_NOMEM || err==DMG_ERR_FULL || err==DMG_ERR_LIMIT || err==DMG_ERR_AGAIN; }

/* What we built is executed already, if the header says what it was built for. */
static void take_built( val_t * v, vblk_t * b ) {
  dmg_chain_block_t * x = v->built;
  dmg_header_t const * h = &b->sh.header, * d = &x->sh.header;
  if( !dmg_hash_eq( &h->body_hash, &d->body_hash ) ) return;
  bool is_same = h->epoch==d->epoch && h->view==d->view && h->parent_view==d->parent_view && h->height==d->height && h->time_ms==d->time_ms && h->leader==d->leader
              && dmg_hash_eq( &h->parent_hash, &d->parent_hash ) && !memcmp( h->reveal, d->reveal, sizeof h->reveal );
  /* It is saved and sent from here. */
  if( h->body_len>DMG_BODY_EMPTY_SZ && !dmg_val_blk_body( v, b, x->body, true ) ) { dmg_val_halt( v, DMG_ERR_NOMEM, "keeping an own body" ); return; }
  if( !is_same || b->is_executed || b->is_running || b->built ) { v->built_again++; return; }   /* v->built goes with the next one */
  v->built = NULL;
  b->built = x;
}

void dmg_val_on_check( val_t * v, dmg_header_t const * header, dmg_hash_t const * hash, uint8_t const sig[ DMG_BLS_SIG_SZ ] ) {
  vblk_t * b = dmg_val_blk_need( v, hash );
  /* Full: no vote on it now.  The core asks again for what it still stands on, as long as it is told that nothing is known. */
  if( !b ) { tell( v, header->view, hash, DMG_CONS_WAIT, NULL ); return; }
  dmg_val_blk_header( v, b, header, sig );
  if( v->pend_cnt==PEND_MAX ) {
    tell( v, v->pend[ 0 ].view, &v->pend[ 0 ].hash, DMG_CONS_WAIT, NULL );
    v->pend_cnt--;
    memmove( v->pend, v->pend+1, v->pend_cnt*sizeof *v->pend );
  }
  v->pend[ v->pend_cnt ].view = header->view;
  v->pend[ v->pend_cnt ].hash = *hash;
  v->pend_cnt++;
  if( v->built ) take_built( v, b );
}
