/* submit_pool: requests that take milliseconds of CPU, away from the HTTP workers that reads wait for (F3.1, R4.2).

     HTTP worker --> add --> queue --> a thread takes one, and with it small ones that wait --> rpc (jsonrpc.h) --> done( job, answer )
                      |
                      +--> FULL: the caller answers "overloaded"

   Requests are taken in order of arrival.  One of JOIN_SZ_MAX bytes and more, about 50 transfers, goes alone; smaller ones go
   together up to that size, so that transactions sent one by one cost what those of a batch cost: no thread waits for
   company, it takes what has come while the others worked.

   Safety   A bad signature makes all that are verified with it be verified once more, singly (sig.h).  So a sender of bad ones
            makes others pay at most their share of one equation more, whatever he sends, and only those that joined his
            request: a full batch of one request shares its equation with nobody else's.
   Threads  add from any; done is called on the pool's own
   Bounds   queue: bytes and requests by cfg; a request waits at most for those before it
   Not here HTTP and WebSockets (http_server.h), the check of transactions (the node) */
#ifndef DMG_RPC_SUBMIT_POOL_H
#define DMG_RPC_SUBMIT_POOL_H

#include "rpc/jsonrpc.h"

typedef struct dmg_submit_pool dmg_submit_pool_t;

/* A request in the caller's memory until done; body and from are set by the caller. */
typedef struct dmg_submit_job { struct dmg_submit_job * next; dmg_rpc_request_t req; } dmg_submit_job_t;

typedef struct {
  uint32_t    threads;          /* 1..64 */
  size_t      queue_sz_max;     /* bytes of bodies that wait */
  uint32_t    queue_cnt_max;
  dmg_rpc_t * rpc;
  void *      ctx;
  void      (*done)( void * ctx, dmg_submit_job_t * job );   /* the answer is in job->req.out; job is the caller's again */
} dmg_submit_pool_cfg_t;

#define DMG_SUBMIT_JOIN_SZ_MAX ( (size_t)32<<10 )

/* NULL: no memory or no threads. */
dmg_submit_pool_t * dmg_submit_pool_new( dmg_submit_pool_cfg_t const * cfg );
/* FULL: not taken, the queue is full or the pool is stopping. */
DMG_MUST_USE dmg_err_t dmg_submit_pool_add( dmg_submit_pool_t * pool, dmg_submit_job_t * job );
/* Takes no more, finishes what waits, joins the threads.  Further calls of add are FULL. */
void dmg_submit_pool_stop( dmg_submit_pool_t * pool );
void dmg_submit_pool_free( dmg_submit_pool_t * pool );   /* stopped; nobody adds any more.  NULL: nothing */

typedef struct { uint32_t waiting_cnt; uint64_t taken, joined, refused; } dmg_submit_pool_stats_t;   /* joined: of the taken, those that shared a call */
void dmg_submit_pool_stats( dmg_submit_pool_t * pool, dmg_submit_pool_stats_t * out );

#endif
