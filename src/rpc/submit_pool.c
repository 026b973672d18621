#include "rpc/submit_pool.h"
#include "base/assert.h"
#include "base/os.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREAD_MAX = 64 };

struct dmg_submit_pool {
  dmg_submit_pool_cfg_t   cfg;
  pthread_mutex_t         lock;       /* of all below */
  pthread_cond_t          wake;
  dmg_submit_job_t *      first, ** last;
  size_t                  queue_sz;
  bool                    is_stopping;
  uint32_t                thread_cnt, name_cnt;
  pthread_t               thread[ THREAD_MAX ];
  dmg_submit_pool_stats_t stats;
};

/* With the lock, something waits: takes the first and what may join it. */
static size_t take( dmg_submit_pool_t * pool, dmg_submit_job_t ** out ) {
  size_t cnt = 0, sz = 0;
  for( ; pool->first && cnt<DMG_RPC_JOIN_MAX; cnt++ ) {
    dmg_submit_job_t * job = pool->first;
    if( cnt && sz+job->req.body.sz>DMG_SUBMIT_JOIN_SZ_MAX ) break;
    sz         += job->req.body.sz;
    out[ cnt ]  = job;
    pool->first = job->next;
    if( !pool->first ) pool->last = &pool->first;
  }
  pool->queue_sz          -= sz;
  pool->stats.waiting_cnt -= (uint32_t)cnt;
  pool->stats.taken       += cnt;
  if( cnt>1 ) pool->stats.joined += cnt;
  return cnt;
}

static void * work( void * arg ) {
  dmg_submit_pool_t * pool = arg;
  dmg_submit_job_t * jobs[ DMG_RPC_JOIN_MAX ];
  dmg_rpc_request_t  reqs[ DMG_RPC_JOIN_MAX ];
  char name[ 16 ];
  pthread_mutex_lock( &pool->lock );
  snprintf( name, sizeof name, "dmg-submit-%u", pool->name_cnt++ );
  dmg_os_thread_name( name );
  for(;;) {
    while( !pool->first && !pool->is_stopping ) pthread_cond_wait( &pool->wake, &pool->lock );
    if( !pool->first ) break;
    size_t cnt = take( pool, jobs );
    pthread_mutex_unlock( &pool->lock );
    for( size_t i = 0; i<cnt; i++ ) reqs[ i ] = jobs[ i ]->req;
    dmg_rpc_handle_many( pool->cfg.rpc, reqs, cnt );
    for( size_t i = 0; i<cnt; i++ ) {
      jobs[ i ]->req = reqs[ i ];
      pool->cfg.done( pool->cfg.ctx, jobs[ i ] );
    }
    pthread_mutex_lock( &pool->lock );
  }
  pthread_mutex_unlock( &pool->lock );
  return NULL;
}

dmg_submit_pool_t * dmg_submit_pool_new( dmg_submit_pool_cfg_t const * cfg ) {
  DMG_ASSERT( cfg->threads && cfg->threads<=THREAD_MAX && cfg->queue_cnt_max );
  dmg_submit_pool_t * pool = calloc( 1, sizeof *pool );
  if( !pool ) return NULL;
  pool->cfg  = *cfg;
  pool->last = &pool->first;
  pthread_mutex_init( &pool->lock, NULL );
  pthread_cond_init( &pool->wake, NULL );
  pthread_attr_t attr;
  pthread_attr_init( &attr );
  pthread_attr_setstacksize( &attr, 8u<<20 );   /* a body may hold any call, as on the HTTP workers (http_server.c) */
  while( pool->thread_cnt<cfg->threads && !pthread_create( &pool->thread[ pool->thread_cnt ], &attr, work, pool ) ) pool->thread_cnt++;
  pthread_attr_destroy( &attr );
  if( pool->thread_cnt==cfg->threads ) return pool;
  dmg_submit_pool_stop( pool );
  dmg_submit_pool_free( pool );
  return NULL;
}

dmg_err_t dmg_submit_pool_add( dmg_submit_pool_t * pool, dmg_submit_job_t * job ) {
  job->next = NULL;
  pthread_mutex_lock( &pool->lock );
  /* Subtract, do not add: the sum could wrap. */
  bool is_taken = !pool->is_stopping && pool->stats.waiting_cnt<pool->cfg.queue_cnt_max && job->req.body.sz<=pool->cfg.queue_sz_max-pool->queue_sz;
  if( is_taken ) {
    *pool->last      = job;
    pool->last       = &job->next;
    pool->queue_sz  += job->req.body.sz;
    pool->stats.waiting_cnt++;
    pthread_cond_signal( &pool->wake );
  } else pool->stats.refused++;
  pthread_mutex_unlock( &pool->lock );
  return is_taken ? DMG_OK : DMG_ERR_FULL;
}

void dmg_submit_pool_stop( dmg_submit_pool_t * pool ) {
  pthread_mutex_lock( &pool->lock );
  pool->is_stopping = true;
  pthread_cond_broadcast( &pool->wake );
  pthread_mutex_unlock( &pool->lock );
  for( uint32_t i = 0; i<pool->thread_cnt; i++ ) pthread_join( pool->thread[ i ], NULL );
  pool->thread_cnt = 0;
}

void dmg_submit_pool_free( dmg_submit_pool_t * pool ) {
  if( !pool ) return;
  DMG_ASSERT( !pool->thread_cnt && !pool->first );
  pthread_cond_destroy( &pool->wake );
  pthread_mutex_destroy( &pool->lock );
  free( pool );
}

void dmg_submit_pool_stats( dmg_submit_pool_t * pool, dmg_submit_pool_stats_t * out ) {
  pthread_mutex_lock( &pool->lock );
  *out = pool->stats;
  pthread_mutex_unlock( &pool->lock );
}
