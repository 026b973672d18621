#include "node/jobs.h"
#include "base/assert.h"
#include "base/os.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct { dmg_job_t * first, ** last; } list_t;

struct dmg_jobs {
  dmg_jobs_cfg_t  cfg;
  uint32_t        cnt;          /* the loop's */
  list_t          todo, done;   /* threaded: under lock */
  pthread_mutex_t lock;
  pthread_cond_t  wake;
  pthread_t       thread;
  bool            is_running, is_stopping;
};

static void list_init( list_t * l ) { l->first = NULL; l->last = &l->first; }

static void put( list_t * l, dmg_job_t * job ) {
  job->next = NULL;
  *l->last  = job;
  l->last   = &job->next;
}

static dmg_job_t * get( list_t * l ) {
  dmg_job_t * job = l->first;
  if( job && !( l->first = job->next ) ) l->last = &l->first;
  return job;
}

static void * jobs_thread( void * arg ) {
  dmg_jobs_t * j = arg;
  dmg_os_thread_name( j->cfg.name );
  pthread_mutex_lock( &j->lock );
  for( ;; ) {
    while( !j->is_stopping && !j->todo.first ) pthread_cond_wait( &j->wake, &j->lock );
    if( j->is_stopping ) break;
    dmg_job_t * job = get( &j->todo );
    pthread_mutex_unlock( &j->lock );
    job->run( job );
    job->is_run = true;
    pthread_mutex_lock( &j->lock );
    put( &j->done, job );
    pthread_mutex_unlock( &j->lock );
    if( j->cfg.on_done ) j->cfg.on_done( j->cfg.ctx );
    pthread_mutex_lock( &j->lock );
  }
  pthread_mutex_unlock( &j->lock );
  return NULL;
}

dmg_err_t dmg_jobs_new( dmg_jobs_cfg_t const * cfg, dmg_jobs_t ** out ) {
  dmg_jobs_t * j = calloc( 1, sizeof *j );
  if( !j ) return DMG_ERR_NOMEM;
  j->cfg = *cfg;
  list_init( &j->todo );
  list_init( &j->done );
  pthread_mutex_init( &j->lock, NULL );
  pthread_cond_init( &j->wake, NULL );
  if( cfg->is_threaded ) {
    pthread_attr_t attr;
    pthread_attr_init( &attr );
    pthread_attr_setstacksize( &attr, cfg->stack_sz );
    j->is_running = !pthread_create( &j->thread, &attr, jobs_thread, j );
    pthread_attr_destroy( &attr );
    if( !j->is_running ) { dmg_jobs_free( j ); return DMG_ERR_NOMEM; }
  }
  *out = j;
  return DMG_OK;
}

dmg_err_t dmg_jobs_post( dmg_jobs_t * j, dmg_job_t * job, uint64_t now_us ) {
  DMG_ASSERT( !j->is_stopping );
  if( j->cnt==DMG_JOBS_MAX ) return DMG_ERR_FULL;
  j->cnt++;
  job->is_run = false;
  if( !j->cfg.is_threaded ) {
    job->run( job );
    job->is_run   = true;
    job->ready_us = now_us+j->cfg.lag_us;
    put( &j->done, job );
    return DMG_OK;
  }
  pthread_mutex_lock( &j->lock );
  put( &j->todo, job );
  pthread_cond_signal( &j->wake );
  pthread_mutex_unlock( &j->lock );
  return DMG_OK;
}

dmg_job_t * dmg_jobs_take( dmg_jobs_t * j, uint64_t now_us ) {
  dmg_job_t * job = NULL;
  pthread_mutex_lock( &j->lock );
  if( j->cfg.is_threaded || j->is_stopping || ( j->done.first && j->done.first->ready_us<=now_us ) ) job = get( &j->done );
  if( !job && j->is_stopping ) job = get( &j->todo );
  pthread_mutex_unlock( &j->lock );
  if( job ) j->cnt--;
  return job;
}

uint64_t dmg_jobs_wake_us( dmg_jobs_t const * j ) { return j->cfg.is_threaded || !j->done.first ? UINT64_MAX : j->done.first->ready_us; }

uint32_t dmg_jobs_cnt( dmg_jobs_t const * j ) { return j->cnt; }

void dmg_jobs_stop( dmg_jobs_t * j ) {
  pthread_mutex_lock( &j->lock );
  j->is_stopping = true;
  pthread_cond_signal( &j->wake );
  pthread_mutex_unlock( &j->lock );
  if( j->is_running ) pthread_join( j->thread, NULL );
  j->is_running = false;
}

void dmg_jobs_free( dmg_jobs_t * j ) {
  if( !j ) return;
  DMG_ASSERT( !j->is_running && !j->cnt );
  pthread_cond_destroy( &j->wake );
  pthread_mutex_destroy( &j->lock );
  free( j );
}
