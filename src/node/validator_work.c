/* What the driver has done beside its own thread (S7.3): blocks executed, built, committed, one job after the other.

     pend, build, sync, goal --> dmg_val_work --> job: CHECK ATTACH BUILD COMMIT DROP KEEP --> dmg_val_take --> VERDICT BUILT, head, final

   A job has all it reads in itself, or it is the chain's; what it found stands in it until the driver takes it. */
#include "node/validator_int.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"

#include <stdio.h>
#include <stdlib.h>

#define BUSY_US      100000u                /* before what was full is tried again */
#define GROUP_US     100000u                /* S8.8: of a sync .. */
#define GROUP_IDLE_US 20000u                /* .. and when nothing more of it has come */
#define GROUP_SZ_MAX ( (size_t)1<<20 )      /* of bodies: a commit does not keep the next block waiting for long */
#define RUN_AHEAD    4                      /* blocks of a sync given to jobs before what they stand on came back */
#define FULL_MAX     12                     /* blocks of it with transactions: with those given ahead fewer than may be beyond finality anyway (C4.10, S7.4) */
#define JOBS_SPARE   16                     /* of DMG_JOBS_MAX, for all but KEEP */

typedef enum { JOB_CHECK, JOB_ATTACH, JOB_BUILD, JOB_COMMIT, JOB_DROP, JOB_KEEP } kind_t;

typedef struct { dmg_header_t header; dmg_hash_t hash, root; dmg_chain_attended_t attended; uint8_t sig[ DMG_BLS_SIG_SZ ]; bool has_cert; dmg_cert_t cert; } final_t;

typedef struct {
  dmg_job_t           job;      /* first */
  kind_t              kind;
  dmg_chain_t *       chain;
  atomic_int *        failed;
  vblk_t *            b;        /* CHECK, ATTACH: the driver's; it stays while is_running */
  dmg_signed_header_t sh;       /* CHECK, ATTACH; BUILD: the draft */
  dmg_hash_t          hash;     /* CHECK, ATTACH, DROP */
  dmg_span_t          body;     /* CHECK: in b */
  dmg_chain_block_t * x;        /* ATTACH, DROP: in, the job's; BUILD: out */
  bool                is_empty; /* BUILD, with the next four */
  dmg_attendance_t    atts[ DMG_BODY_ATT_MAX ];
  uint32_t            att_cnt;
  uint64_t            id, wall_ms;
  final_t *           finals;   /* COMMIT */
  uint32_t            final_cnt;
  uint8_t             key[ 16 ];/* KEEP */
  uint32_t            key_sz;
  dmg_buf_t           bytes;
  /* What came of it. */
  dmg_verdict_t       judged;   /* CHECK */
  dmg_err_t           err;
  dmg_hash_t          root;     /* CHECK, ATTACH, with the next */
  dmg_chain_attended_t attended;
  val_head_t          head;     /* COMMIT: record, next_record */
} work_t;

/* ---- The jobs' side ---- */

static void run_check( work_t * w ) {
  dmg_chain_block_t * x;
  w->judged = dmg_chain_block_check( w->chain, &w->sh, &w->hash, w->body, false, &x );
  if( w->judged.kind ) return;
  w->root     = x->root;
  w->attended = x->attended;
}

static void run_attach( work_t * w ) {
  w->err = dmg_chain_block_find( w->chain, &w->hash ) ? DMG_ERR_AGAIN : dmg_chain_block_attach( w->chain, w->x, &w->sh, &w->hash );
  if( w->err ) dmg_chain_block_drop( w->chain, w->x );
  else         { w->root = w->x->root; w->attended = w->x->attended; }
  w->x = NULL;
}

static void run_build( work_t * w ) {
  dmg_chain_parent_t parent;
  dmg_header_t * draft = &w->sh.header;
  w->err = dmg_chain_parent( w->chain, &draft->parent_hash, &parent );
  if( w->err ) return;
  /* The header's time, as the core sets it in the step of BUILT with this same clock (C4.2). */
  draft->time_ms = w->wall_ms>parent.time_ms ? w->wall_ms : parent.time_ms+1;
  w->err = dmg_chain_block_build( w->chain, draft, w->is_empty, w->atts, w->att_cnt, &w->x );
}

static void run_commit( work_t * w ) {
  dmg_chain_t * chain = w->chain;
  dmg_chain_final_t finals[ GROUP_MAX ];
  dmg_chain_made_t  made[ GROUP_MAX ];
  for( uint32_t i = 0; i<w->final_cnt; i++ ) {
    dmg_chain_block_t * x = dmg_chain_block_find( chain, &w->finals[ i ].hash );
    DMG_ASSERT( x );   /* the driver knows what is in the tree */
    pthread_mutex_lock( &chain->lock );   /* readers may look at it */
    memcpy( x->sh.sig, w->finals[ i ].sig, sizeof x->sh.sig );
    pthread_mutex_unlock( &chain->lock );
    finals[ i ] = (dmg_chain_final_t){ .block = x, .cert = w->finals[ i ].has_cert ? &w->finals[ i ].cert : NULL };
  }
  w->err = dmg_chain_commit( chain, finals, w->final_cnt, made );
  w->head.record          = chain->record;
  w->head.next_record     = chain->next_record;
  w->head.has_next_record = chain->has_next_record;
  if( w->err ) return;
  /* Without a lock: the receivers may ask back. */
  pthread_mutex_unlock( &chain->writing );
  dmg_chain_flush_events( chain );
  for( uint32_t i = 0; i<w->final_cnt; i++ ) if( chain->events.on_block ) chain->events.on_block( chain->events.ctx, &made[ i ].at, made[ i ].time_ms, made[ i ].tx_cnt );
  pthread_mutex_lock( &chain->lock );
  chain->last_block_ns = dmg_os_mono_ns();
  pthread_mutex_unlock( &chain->lock );
  pthread_mutex_lock( &chain->writing );
}

static void run_drop( work_t * w ) {
  dmg_chain_block_drop( w->chain, w->x ? w->x : dmg_chain_block_find( w->chain, &w->hash ) );
  w->x = NULL;
}

static void run_keep( work_t * w ) {
  dmg_kv_op_t op = { .cf = DMG_KV_META, .key = dmg_span( w->key, w->key_sz ), .value = dmg_buf_span( &w->bytes ) };
  w->err = dmg_kv_write( w->chain->kv, &op, 1, w->chain->cfg.is_durable );
}

static void run( dmg_job_t * job ) {
  work_t * w = (work_t *)job;
  pthread_mutex_lock( &w->chain->writing );
  switch( w->kind ) {
  case JOB_CHECK:  run_check ( w ); break;
  case JOB_ATTACH: run_attach( w ); break;
  case JOB_BUILD:  run_build ( w ); break;
  case JOB_COMMIT: run_commit( w ); break;
  case JOB_DROP:   run_drop  ( w ); break;
  case JOB_KEEP:   run_keep  ( w ); break;
  }
  if( w->err && ( w->kind==JOB_COMMIT || w->kind==JOB_KEEP ) ) atomic_store( w->failed, (int)w->err );
  pthread_mutex_unlock( &w->chain->writing );
}

/* ---- The driver's side ---- */

static work_t * work_new( val_t * v, kind_t kind ) {
  work_t * w = calloc( 1, sizeof *w );
  if( !w ) { dmg_val_halt( v, DMG_ERR_NOMEM, "a job" ); return NULL; }
  w->job.run = run;
  w->kind    = kind;
  w->chain   = v->chain;
  w->failed  = &v->failed;
  return w;
}

static void work_free( work_t * w ) {
  dmg_buf_fini( &w->bytes );
  free( w->finals );
  free( w );
}

static void post( val_t * v, work_t * w ) {
  if( w->b ) w->b->is_running = true;
  if( w->kind!=JOB_KEEP ) v->busy_cnt++;
  dmg_err_t err = dmg_jobs_post( v->jobs, &w->job, v->now_us );
  DMG_ASSERT( !err );   /* few at a time, KEEP leaves room */
}

static void post_block( val_t * v, vblk_t * b ) {
  work_t * w = work_new( v, b->built ? JOB_ATTACH : JOB_CHECK );
  if( !w ) return;
  w->b    = b;
  w->sh   = b->sh;
  w->hash = b->hash;
  w->body = dmg_val_body_of( b );
  w->x    = b->built;
  b->built = NULL;
  post( v, w );
}

/* A block that is not in the tree. */
void dmg_val_discard( val_t * v, dmg_chain_block_t * x ) {
  if( !x ) return;
  if( !v->jobs ) {   /* the driver is closed */
    pthread_mutex_lock( &v->chain->writing );
    dmg_chain_block_drop( v->chain, x );
    pthread_mutex_unlock( &v->chain->writing );
    return;
  }
  work_t * w = work_new( v, JOB_DROP );
  if( !w ) return;
  w->x = x;
  post( v, w );
}

bool dmg_val_drop( val_t * v, vblk_t * b ) {
  work_t * w = dmg_jobs_cnt( v->jobs )<DMG_JOBS_MAX-JOBS_SPARE ? work_new( v, JOB_DROP ) : NULL;
  if( !w ) return false;
  w->hash = b->hash;
  b->is_executed = false;
  v->dropped++;
  post( v, w );
  return true;
}

dmg_err_t dmg_val_keep( val_t * v, dmg_span_t key, dmg_span_t bytes ) {
  if( v->broken ) return v->broken;
  if( dmg_jobs_cnt( v->jobs )>=DMG_JOBS_MAX-JOBS_SPARE ) return DMG_ERR_FULL;
  work_t * w = work_new( v, JOB_KEEP );
  if( !w ) return DMG_ERR_NOMEM;
  DMG_ASSERT( key.sz<=sizeof w->key );
  memcpy( w->key, key.p, key.sz );
  w->key_sz = (uint32_t)key.sz;
  w->bytes  = dmg_buf( bytes.sz+1 );
  dmg_err_t err = dmg_buf_append( &w->bytes, bytes.p, bytes.sz );
  if( err ) { work_free( w ); return err; }
  post( v, w );
  return DMG_OK;
}

/* ---- What came back ---- */

/* Architecture: every node's state after a final block is the same.  Ours is not: nothing here can mend it. */
static void diverged( val_t * v, uint64_t height, dmg_hash_t const * our_root, dmg_hash_t const * their_root ) {
  char ours[ 65 ], theirs[ 65 ];
  dmg_hex_encode( our_root->b, 32, ours );
  dmg_hex_encode( their_root->b, 32, theirs );
  DMG_LOG_ERROR( "state_diverged", "height=%lu: the state after it has root %s here, %s in the final block above it; this node stops and votes no more", (unsigned long)height, ours, theirs );
  dmg_val_halt( v, DMG_ERR_CORRUPT, "a state that is not the others'" );
}

static void done_check( val_t * v, work_t * w ) {
  vblk_t * b = w->b;
  DMG_ASSERT( b );
  unsigned long height = (unsigned long)b->sh.header.height;
  switch( w->judged.kind ) {
  case DMG_VERDICT_GOOD:
    b->is_executed = true;
    b->root        = w->root;
    b->attended    = w->attended;
    break;
  case DMG_VERDICT_BAD: {
    char text[ DMG_VERDICT_TEXT_MAX ];
    dmg_verdict_print( &w->judged, text, sizeof text );
    DMG_LOG_WARN( "block_refused", "height=%lu view=%lu: %s", height, (unsigned long)b->sh.header.view, text );
    b->is_bad = true;
    break;
  }
  case DMG_VERDICT_LOCAL:
    /* NOT_FOUND: given behind its parent, whose own job had to be put off. */
    if( !dmg_val_is_passing( w->judged.err ) && !( w->judged.err==DMG_ERR_NOT_FOUND && b->is_sync ) ) { dmg_val_halt( v, w->judged.err, "executing a block" ); break; }
    DMG_LOG_WARN( "block_waits", "height=%lu: %s", height, dmg_err_text( w->judged.err ) );
    b->wait_us = v->now_us+BUSY_US;
    break;
  }
}

static void done_attach( val_t * v, work_t * w ) {
  vblk_t * b = w->b;
  DMG_ASSERT( b );
  if( !w->err ) { b->is_executed = true; b->root = w->root; b->attended = w->attended; return; }
  v->built_again++;   /* its body is there: it is executed as others' are */
  if( !dmg_val_is_passing( w->err ) ) dmg_val_halt( v, w->err, "executing an own block" );
}

static void done_build( val_t * v, work_t * w ) {
  if( w->err && w->err!=DMG_ERR_NOT_FOUND && !dmg_val_is_passing( w->err ) ) { dmg_val_halt( v, w->err, "building a block" ); return; }
  if( w->err && w->err!=DMG_ERR_NOT_FOUND ) DMG_LOG_WARN( "block_not_built", "height=%lu: %s", (unsigned long)w->sh.header.height, dmg_err_text( w->err ) );
  if( w->id!=v->build.id ) { dmg_val_discard( v, w->x ); w->x = NULL; return; }   /* the view passed, and we lead another */
  dmg_cons_event_t ev = { .kind = DMG_CONS_BUILT, .wall_ms = w->wall_ms, .built = { .id = w->id, .is_ok = !w->err } };
  if( !w->err ) {
    ev.built.body_hash = w->x->sh.header.body_hash;
    ev.built.body_len  = w->x->sh.header.body_len;
  }
  v->built = w->x;
  w->x     = NULL;
  dmg_val_queue_put( v, &ev, NULL );
}

static void done_commit( val_t * v, work_t * w ) {
  if( w->err ) { dmg_val_halt( v, w->err, "committing a block" ); return; }
  final_t const * last = &w->finals[ w->final_cnt-1 ];
  for( uint32_t i = 0; i<w->final_cnt; i++ ) {
    final_t const * f = &w->finals[ i ];
    v->finals[ v->final_at ].hash = f->hash;
    v->finals[ v->final_at ].root = f->root;
    v->final_at = ( v->final_at+1 )%FINALS_CNT;
    if( v->has_goal && dmg_hash_eq( &f->hash, &v->goal.hash ) ) v->has_goal = v->is_syncing = false;
    if( !f->has_cert ) continue;
    v->fin        = f->cert;
    v->fin_height = f->header.height;
  }
  w->head.height  = last->header.height;
  w->head.time_ms = last->header.time_ms;
  w->head.hash    = last->hash;
  w->head.attended = last->attended;
  w->head.root    = last->root;
  v->head         = w->head;
  v->group_us     = 0;
  v->tip          = (dmg_hash_t){ { 0 } };   /* told anew */
  dmg_val_blocks_pruned( v );
  for( uint32_t i = 0; i<v->pend_cnt; ) if( !dmg_val_answer( v, i ) ) i++;
  dmg_val_wal_prune( v );
  for( uint32_t i = 0; i<w->final_cnt; i++ )
    if( w->finals[ i ].has_cert ) v->net->final( v->net->ctx, &w->finals[ i ].header, &w->finals[ i ].cert, v->info.signer>=0 && dmg_cons_leader( v->core, v->info.cur )==(uint32_t)v->info.signer );
}

static void done( val_t * v, work_t * w ) {
  if( w->b ) w->b->is_running = false;
  if( w->kind!=JOB_KEEP ) v->busy_cnt--;
  switch( w->kind ) {
  case JOB_CHECK:  done_check ( v, w ); break;
  case JOB_ATTACH: done_attach( v, w ); break;
  case JOB_BUILD:  done_build ( v, w ); break;
  case JOB_COMMIT: done_commit( v, w ); break;
  case JOB_DROP:   break;
  case JOB_KEEP:   if( w->err ) dmg_val_halt( v, w->err, "storing a handover" ); break;
  }
  DMG_ASSERT( !w->x );
  work_free( w );
}

void dmg_val_take( val_t * v ) {
  for( dmg_job_t * job; !v->broken && ( job = dmg_jobs_take( v->jobs, v->now_us ) ); ) done( v, (work_t *)job );
}

/* ---- What is to be done ---- */

static void post_build( val_t * v, dmg_chain_attended_t const * attended ) {
  work_t * w;
  v->has_build = false;
  dmg_val_discard( v, v->built );   /* of a view that passed */
  v->built = NULL;
  /* Full: it could not be kept and saved as a proposal. */
  if( v->block_cnt>=DMG_VALIDATOR_BLOCK_MAX-GROUP_MAX || !( w = work_new( v, JOB_BUILD ) ) ) {
    dmg_cons_event_t ev = { .kind = DMG_CONS_BUILT, .built = { .id = v->build.id } };
    dmg_val_queue_put( v, &ev, NULL );
    return;
  }
  w->sh.header = (dmg_header_t){ .version = DMG_BLOCK_VERSION, .leader = (uint16_t)v->info.signer, .epoch = v->info.epoch, .view = v->build.view, .height = v->build.height, .parent_hash = v->build.parent,
                                 .parent_view = v->build.parent_view };
  memcpy( w->sh.header.reveal, v->reveal, sizeof w->sh.header.reveal );
  w->id       = v->build.id;
  w->is_empty = v->build.is_empty;
  w->wall_ms  = v->wall_ms;
  if( !w->is_empty ) w->att_cnt = dmg_cons_attendance( v->core, v->build.view, &v->build.parent, v->build.parent_view, dmg_chain_attended_view( attended, &w->sh.header ), w->atts );   /* C8.2 */
  post( v, w );
}

/* BUILD stands on a block that the core knows the state of, so it was executed; its overlay may have gone since. */
static bool try_build( val_t * v ) {
  dmg_hash_t root;
  if( !v->has_build ) return false;
  if( v->build.view<v->info.cur ) { v->has_build = false; return false; }   /* nobody waits for it */
  bool is_head = dmg_hash_eq( &v->build.parent, &v->head.hash );
  vblk_t * p = is_head ? NULL : dmg_val_blk_find( v, &v->build.parent );
  if( p && !p->is_executed && !dmg_val_root_of( v, &p->hash, &root ) ) {
    p = dmg_val_pursue( v, p );
    if( p ) post_block( v, p );
    return p!=NULL;
  }
  post_build( v, p ? &p->attended : &v->head.attended );
  return true;
}

/* An own block whose PROPOSE was signed in an earlier life and not logged: the signer gives the same again. */
static bool is_signed( val_t * v, vblk_t * b ) {
  if( !dmg_is_zero( b->sh.sig, sizeof b->sh.sig ) ) return true;
  dmg_val_ask( v, b, DMG_VALIDATOR_HEADER );   /* the others have it, as they made it final */
  return false;
}

static dmg_cert_t const * cert_of( val_t const * v, dmg_hash_t const * hash ) {
  if( v->has_goal && dmg_hash_eq( hash, &v->goal.hash ) ) return &v->goal;
  for( uint32_t i = 0; i<v->sync_cnt; i++ ) {
    synced_t const * s = &v->sync[ ( v->sync_at+i )%DMG_VALIDATOR_SYNC_MAX ];
    if( s->has_fin && dmg_hash_eq( hash, &s->hash ) ) return &s->fin;
  }
  return NULL;
}

/* Commits from the head's child up towards this executed block, which is final; false: nothing can be done now. */
static bool post_commit( val_t * v, vblk_t * top ) {
  uint64_t head = v->head.height;
  if( top->sh.header.height<=head ) return false;
  /* The lowest GROUP_MAX of the way down from it. */
  vblk_t * path[ GROUP_MAX ];
  for( vblk_t * b = top; ; ) {
    uint64_t up = b->sh.header.height-head-1;
    DMG_ASSERT( b->is_executed );   /* so its parent is */
    if( up<GROUP_MAX ) path[ up ] = b;
    if( !up ) break;
    b = dmg_val_blk_find( v, &b->sh.header.parent_hash );
    DMG_ASSERT( b );
  }
  uint64_t cnt = dmg_min_u64( top->sh.header.height-head, GROUP_MAX );
  work_t * w = work_new( v, JOB_COMMIT );
  if( !w ) return false;
  DMG_ASSERT( cnt );
  w->finals = calloc( cnt, sizeof *w->finals );
  if( !w->finals ) { work_free( w ); dmg_val_halt( v, DMG_ERR_NOMEM, "a job" ); return false; }
  dmg_hash_t const * root = &v->head.root, * parent = &v->head.hash;
  size_t sz = 0;
  for( uint64_t i = 0; i<cnt && ( sz+=path[ i ]->body_sz, !i || sz<=GROUP_SZ_MAX ) && is_signed( v, path[ i ] ); i++ ) {
    vblk_t * b = path[ i ];
    dmg_header_t const * h = &b->sh.header;
    if( !dmg_hash_eq( &h->parent_hash, parent ) ) { dmg_val_halt( v, DMG_ERR_CORRUPT, "a final block does not stand on the final blocks here (C9.5)" ); break; }
    if( !dmg_hash_eq( &h->parent_state_root, root ) ) { diverged( v, h->height-1, root, &h->parent_state_root ); break; }
    /* C10.2: another chain, however well signed by those who once had weight. */
    if( v->wanted.is_set && h->epoch>v->wanted.epoch ) { dmg_val_halt( v, DMG_ERR_CHAIN, "the chain that peers have final does not hold the checkpoint; if that is right, they are of another chain: check net.peers" ); break; }
    if( v->wanted.is_set && dmg_hash_eq( &b->hash, &v->wanted.hash ) ) { v->wanted.is_set = false; v->met_height = h->height; DMG_LOG_INFO( "checkpoint", "height=%lu: it is there", (unsigned long)h->height ); }
    final_t * f = &w->finals[ w->final_cnt++ ];
    dmg_cert_t const * cert = cert_of( v, &b->hash );
    *f = (final_t){ .header = *h, .hash = b->hash, .root = b->root, .attended = b->attended, .has_cert = cert!=NULL };
    memcpy( f->sig, b->sh.sig, sizeof f->sig );
    if( cert ) f->cert = *cert;
    root   = &b->root;
    parent = &b->hash;
  }
  if( v->broken || !w->final_cnt ) { work_free( w ); return false; }
  post( v, w );
  return true;
}

/* One step towards the goal; false: nothing can be done now. */
static bool try_goal( val_t * v ) {
  if( !v->has_goal ) return false;
  uint64_t head = v->head.height;
  vblk_t * t = dmg_val_blk_find( v, &v->goal.hash );
  if( dmg_hash_eq( &v->goal.hash, &v->head.hash ) || ( t && t->has_header && t->sh.header.height<=head && t->sh.header.kind!=DMG_BLOCK_CLOSING ) ) { v->has_goal = v->is_syncing = false; return false; }
  if( !t && !( t = dmg_val_blk_need( v, &v->goal.hash ) ) ) return false;
  if( !t->has_header ) { dmg_val_ask( v, t, DMG_VALIDATOR_HEADER ); return false; }
  bool is_closing = t->sh.header.kind==DMG_BLOCK_CLOSING;   /* C4.6: ancestors are final with it */
  if( is_closing && ( dmg_hash_eq( &t->sh.header.body_hash, &v->head.hash ) || t->sh.header.height<head ) ) { v->has_goal = false; return false; }
  if( t->sh.header.height>head+DMG_VALIDATOR_GAP_MAX && ( !v->is_syncing || v->now_us>v->sync_us+ASK_US ) ) {
    v->is_syncing = true;
    v->sync_us    = v->now_us;
    v->net->sync_to( v->net->ctx, &v->goal );
  }
  vblk_t * b = is_closing ? dmg_val_blk_need( v, &t->sh.header.body_hash ) : t;
  if( !b ) return false;
  if( b->is_executed ) return post_commit( v, b );
  if( b->is_bad ) { dmg_val_halt( v, DMG_ERR_CORRUPT, "a block that is final is invalid by this node's judgement" ); return false; }
  if( b->has_header && b->sh.header.height<=head ) { dmg_val_halt( v, DMG_ERR_CORRUPT, "a final block does not stand on the final blocks here (C9.5)" ); return false; }
  b = dmg_val_pursue( v, b );
  if( b ) post_block( v, b );
  return b!=NULL;
}

/* ---- Sync ---- */

static synced_t * sync_at( val_t * v, uint32_t i ) { return &v->sync[ ( v->sync_at+i )%DMG_VALIDATOR_SYNC_MAX ]; }

dmg_err_t dmg_validator_sync( val_t * v, dmg_signed_header_t const * header, dmg_hash_t const * hash, dmg_span_t body, dmg_cert_t const * fin ) {
  dmg_header_t const * h = &header->header;
  if( v->broken ) return v->broken;
  if( v->sync_cnt==DMG_VALIDATOR_SYNC_MAX ) return DMG_ERR_FULL;
  synced_t s = { .hash = *hash, .height = h->height, .is_closing = h->kind==DMG_BLOCK_CLOSING, .has_fin = fin!=NULL };
  if( fin ) s.fin = *fin;
  if( !s.is_closing && h->height>v->head.height ) {
    bool follows = dmg_hash_eq( &h->parent_hash, &v->head.hash );
    for( uint32_t i = 0; i<v->sync_cnt && !follows; i++ ) follows = !sync_at( v, i )->is_bad && dmg_hash_eq( &h->parent_hash, &sync_at( v, i )->hash );
    vblk_t * b = follows ? dmg_val_blk_need( v, hash ) : NULL;
    if( follows && !b ) return DMG_ERR_FULL;
    s.is_bad = !follows;
    if( b ) {
      dmg_val_blk_header( v, b, h, dmg_is_zero( b->sh.sig, sizeof b->sh.sig ) ? header->sig : b->sh.sig );   /* the hash leaves it out, and sync does not verify it */
      if( body.sz>DMG_BODY_EMPTY_SZ ) (void)dmg_val_blk_body( v, b, body, false );   /* not kept: asked for by hash */
      b->is_sync = true;
    }
  }
  *sync_at( v, v->sync_cnt++ ) = s;
  return DMG_OK;
}

/* What is committed, or was before, in the order it came. */
static void sync_tell( val_t * v ) {
  while( v->sync_cnt ) {
    synced_t const s = *sync_at( v, 0 );
    if( !s.is_bad && s.height>v->head.height ) return;
    v->sync_at = ( v->sync_at+1 )%DMG_VALIDATOR_SYNC_MAX;
    v->sync_cnt--;
    if( s.is_bad ) { DMG_LOG_ERROR( "sync_stopped", "height=%lu: it does not follow from the blocks here", (unsigned long)s.height ); v->sync_cnt = 0; }
    v->net->synced( v->net->ctx, s.height, !s.is_bad );
  }
}

/* Executes up to RUN_AHEAD blocks ahead of what came back, and commits them in groups (S8.8). */
static bool try_sync( val_t * v ) {
  vblk_t * top = NULL, * next = NULL;
  uint32_t ready = 0, full = 0;
  size_t   sz = 0;
  bool     is_last = false;
  sync_tell( v );
  for( uint32_t i = 0; i<v->sync_cnt && !next; i++ ) {
    synced_t const * s = sync_at( v, i );
    if( s->is_closing || s->height<=v->head.height ) continue;
    if( s->is_bad ) break;
    vblk_t * b = dmg_val_blk_find( v, &s->hash );
    DMG_ASSERT( b );   /* above the head: nobody prunes it */
    if( b->is_bad ) { dmg_val_halt( v, DMG_ERR_CORRUPT, "a block that is final is invalid by this node's judgement" ); return false; }
    if( b->is_running ) continue;
    if( !b->is_executed ) { next = b; break; }
    if( !top || top->sh.header.height<b->sh.header.height ) top = b;
    ready++;
    full   += b->sh.header.body_len>DMG_BODY_EMPTY_SZ;
    sz     += b->body_sz;
    is_last = is_last || s->has_fin;
  }
  if( top && !v->group_us ) v->group_us = v->now_us;
  uint64_t waits = top ? v->now_us-v->group_us : 0;
  if( v->busy_cnt ) {
    /* Jobs run in order, and what stands on a final block is not dropped: it may be given before its parent came back. */
    vblk_t const * p = next ? dmg_val_blk_find( v, &next->sh.header.parent_hash ) : NULL;
    bool is_next = dmg_jobs_cnt( v->jobs )<RUN_AHEAD && p && p->is_sync && ( p->is_running || p->is_executed ) && ( next->body || next->built || next->sh.header.body_len<=DMG_BODY_EMPTY_SZ ) && v->now_us>=next->wait_us;
    if( is_next ) post_block( v, next );
    return is_next;
  }
  if( top && ( is_last || ready>=GROUP_MAX || full>=FULL_MAX || sz>=GROUP_SZ_MAX || waits>=GROUP_US || ( !next && waits>=GROUP_IDLE_US ) ) ) return post_commit( v, top );
  if( !next || !( next = dmg_val_pursue( v, next ) ) ) return false;
  post_block( v, next );
  return true;
}

/* ---- Altogether ---- */

void dmg_val_work( val_t * v ) {
  for( uint32_t i = 0; i<v->pend_cnt; ) if( !dmg_val_answer( v, i ) ) i++;
  if( !v->busy_cnt && v->is_sweep_due ) dmg_val_blocks_sweep( v );
  for( uint32_t i = 0; i<v->pend_cnt && !v->busy_cnt && !v->broken; i++ ) {
    vblk_t * b = dmg_val_blk_find( v, &v->pend[ i ].hash );
    b = b ? dmg_val_pursue( v, b ) : NULL;
    if( b ) post_block( v, b );
  }
  if( !v->busy_cnt && !v->broken ) (void)try_build( v );
  if( v->sync_cnt ) while( !v->broken && try_sync( v ) ) {}
  if( !v->busy_cnt && !v->broken ) (void)try_goal( v );
}

uint64_t dmg_val_wake_us( val_t const * v ) {
  uint64_t at = dmg_jobs_wake_us( v->jobs );
  if( v->group_us && !v->busy_cnt && v->now_us<v->group_us+GROUP_US ) at = dmg_min_u64( at, v->group_us+( v->now_us<v->group_us+GROUP_IDLE_US ? GROUP_IDLE_US : GROUP_US ) );
  if( v->pend_cnt || v->has_goal || v->sync_cnt || v->has_build || v->is_sweep_due ) at = dmg_min_u64( at, v->now_us+POLL_US );
  return at;
}

/* ---- Start and stop ---- */

dmg_err_t dmg_val_jobs_open( val_t * v ) {
  dmg_chain_t const * chain = v->chain;
  v->head = (val_head_t){ .height = chain->head.block.height, .time_ms = chain->head.block.time_ms, .hash = chain->head.block.hash, .root = chain->head.root, .attended = chain->head.attended,
                          .record = chain->record, .next_record = chain->next_record, .has_next_record = chain->has_next_record };
  dmg_jobs_cfg_t cfg = { .is_threaded = v->cfg.is_threaded, .name = "dmg-chain", .stack_sz = DMG_VM_THREAD_STACK_SZ+( 4u<<20 ), .lag_us = v->cfg.lag_us, .on_done = v->cfg.on_done, .ctx = v->cfg.on_done_ctx };
  return dmg_jobs_new( &cfg, &v->jobs );
}

void dmg_val_jobs_close( val_t * v ) {
  if( !v->jobs ) return;
  dmg_jobs_stop( v->jobs );
  pthread_mutex_lock( &v->chain->writing );
  for( dmg_job_t * job; ( job = dmg_jobs_take( v->jobs, v->now_us ) ); ) {
    work_t * w = (work_t *)job;
    if( w->b ) w->b->is_running = false;
    dmg_chain_block_drop( v->chain, w->x );   /* not in the tree: of a BUILD that nobody took, or not begun */
    work_free( w );
  }
  pthread_mutex_unlock( &v->chain->writing );
  dmg_jobs_free( v->jobs );
  v->jobs = NULL;
}
