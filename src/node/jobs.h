/* jobs: work that a loop has done beside itself, in order, by one thread; or inline, for a loop on a clock of its own.

     loop --> post --> queue --> thread: job->run --> done --> take --> loop
                                   `-- inline: run by post; taken lag_us later on the clock of take

   What run touches is the thread's from post to take.  The same code runs either way; inline the order of everything follows from
   the calls alone, so a test or a simulation replays from its seed.

   Memory   jobs are the caller's, from post until take gives them back
   Threads  post, take, stop, free: the loop's; run and on_done: the jobs' own (inline: the loop's, in post)
   Bounds   DMG_JOBS_MAX posted and not taken; more: FULL
   Stop     the running job ends, as nothing may be left half done; those that wait are not begun, take gives them back with is_run false */
#ifndef DMG_NODE_JOBS_H
#define DMG_NODE_JOBS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DMG_JOBS_MAX 64

typedef struct dmg_job dmg_job_t;
struct dmg_job {
  dmg_job_t * next;
  void     (* run)( dmg_job_t * job );
  uint64_t    ready_us;   /* inline: not taken before */
  bool        is_run;
};

typedef struct {
  bool         is_threaded;
  char const * name;        /* of the thread, at most 15 characters */
  size_t       stack_sz;
  uint64_t     lag_us;      /* inline */
  void      (* on_done)( void * ctx );   /* there is something to take; may be NULL */
  void *       ctx;
} dmg_jobs_cfg_t;

typedef struct dmg_jobs dmg_jobs_t;

DMG_MUST_USE dmg_err_t dmg_jobs_new ( dmg_jobs_cfg_t const * cfg, dmg_jobs_t ** out );   /* NOMEM: no memory, or no thread */
DMG_MUST_USE dmg_err_t dmg_jobs_post( dmg_jobs_t * jobs, dmg_job_t * job, uint64_t now_us );
/* The oldest that is done; NULL: none is. */
dmg_job_t * dmg_jobs_take( dmg_jobs_t * jobs, uint64_t now_us );
/* Inline: when take has something, UINT64_MAX: nothing was posted.  Threaded: UINT64_MAX, on_done says when. */
uint64_t    dmg_jobs_wake_us( dmg_jobs_t const * jobs );
uint32_t    dmg_jobs_cnt( dmg_jobs_t const * jobs );   /* posted and not taken */
/* Ends the thread; then take gives back all that was posted, whenever it is asked. */
void        dmg_jobs_stop( dmg_jobs_t * jobs );
void        dmg_jobs_free( dmg_jobs_t * jobs );        /* stopped, all taken; NULL: nothing */

#endif
