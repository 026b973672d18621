/* node_watch: how soon blocks become final here, and how many a second.

     each final block --> dmg_watch_block     catching up --> dmg_watch_behind     each look --> dmg_watch_height --> dmg_watch_get

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
  uint64_t behind_ms;                      /* wall time until which it did not follow */
} dmg_watch_t;

/* A block became final here, at wall_ms; time_ms: its header's.  Left out: what was proposed before the node followed, and what is older than a minute. */
void dmg_watch_block ( dmg_watch_t * watch, uint64_t now_us, uint64_t wall_ms, uint64_t time_ms );
/* The node does not follow yet, or again: what has been proposed until now it catches up with, which says nothing of finality. */
void dmg_watch_behind( dmg_watch_t * watch, uint64_t wall_ms );
/* Kept once a second. */
void dmg_watch_height( dmg_watch_t * watch, uint64_t now_us, uint64_t height );
/* Medians of the last minute, at least 1; 0: no block in it. */
typedef struct { uint32_t p50_ms, p99_ms; double rate; } dmg_watch_seen_t;
dmg_watch_seen_t dmg_watch_get( dmg_watch_t const * watch, uint64_t now_us, uint64_t height );

#endif
