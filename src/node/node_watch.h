/* node_watch: how soon blocks become final here, and how many a second.

     each final block --> dmg_watch_block     each look --> dmg_watch_height --> dmg_watch_get

   Threads  one
   Memory   flat
   Bounds   the last WATCH_BLOCKS blocks of the last minute, the last 8 s of heights
   Not here clocks: time is an argument */
#ifndef DMG_NODE_NODE_WATCH_H
#define DMG_NODE_NODE_WATCH_H

#include "base/bytes.h"

enum { DMG_WATCH_BLOCKS = 256, DMG_WATCH_STEPS = 8 };

typedef struct {
  struct { uint64_t us; uint32_t ms; } blocks[ DMG_WATCH_BLOCKS ];
  uint32_t block_cnt;                      /* ever */
  struct { uint64_t us, height; } steps[ DMG_WATCH_STEPS ];
  uint32_t step_cnt;                       /* ever */
} dmg_watch_t;

/* A block became final here; age_ms: since its header's time.  One that was fetched long after says nothing of finality: above a minute it is left out. */
void dmg_watch_block ( dmg_watch_t * watch, uint64_t now_us, uint64_t age_ms );
/* Kept once a second. */
void dmg_watch_height( dmg_watch_t * watch, uint64_t now_us, uint64_t height );
/* Medians of the last minute, at least 1; 0: no block in it. */
typedef struct { uint32_t p50_ms, p99_ms; double rate; } dmg_watch_seen_t;
dmg_watch_seen_t dmg_watch_get( dmg_watch_t const * watch, uint64_t now_us, uint64_t height );

#endif
