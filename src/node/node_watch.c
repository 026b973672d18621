#include "node/node_watch.h"

#include <stdlib.h>

#define SECOND ( (uint64_t)1000000 )

void dmg_watch_behind( dmg_watch_t * w, uint64_t wall_ms ) { w->behind_ms = wall_ms; }

void dmg_watch_block( dmg_watch_t * w, uint64_t now_us, uint64_t wall_ms, uint64_t time_ms ) {
  uint64_t age_ms = wall_ms>time_ms ? wall_ms-time_ms : 0;
  if( time_ms<=w->behind_ms || age_ms>60000 ) return;
  w->blocks[ w->block_cnt%DMG_WATCH_BLOCKS ].us = now_us;
  w->blocks[ w->block_cnt%DMG_WATCH_BLOCKS ].ms = age_ms ? (uint32_t)age_ms : 1;
  w->block_cnt++;
}

void dmg_watch_height( dmg_watch_t * w, uint64_t now_us, uint64_t height ) {
  if( w->step_cnt && now_us<w->steps[ ( w->step_cnt-1 )%DMG_WATCH_STEPS ].us+SECOND ) return;
  w->steps[ w->step_cnt%DMG_WATCH_STEPS ].us     = now_us;
  w->steps[ w->step_cnt%DMG_WATCH_STEPS ].height = height;
  w->step_cnt++;
}

static int by_size( void const * a, void const * b ) {
  uint32_t x = *(uint32_t const *)a, y = *(uint32_t const *)b;
  return x<y ? -1 : x>y;
}

dmg_watch_seen_t dmg_watch_get( dmg_watch_t const * w, uint64_t now_us, uint64_t height ) {
  dmg_watch_seen_t out = { 0 };
  uint32_t ms[ DMG_WATCH_BLOCKS ], cnt = 0;
  for( uint32_t i = 0; i<DMG_WATCH_BLOCKS && i<w->block_cnt; i++ ) if( w->blocks[ i ].us+60*SECOND>now_us ) ms[ cnt++ ] = w->blocks[ i ].ms;
  if( cnt ) {
    qsort( ms, cnt, sizeof *ms, by_size );
    out.p50_ms = ms[ ( cnt-1 )/2 ];
    out.p99_ms = ms[ ( cnt-1 )*99/100 ];
  }
  /* Against the oldest step: eight seconds at most, less soon after the start. */
  uint32_t old = w->step_cnt<DMG_WATCH_STEPS ? 0 : w->step_cnt%DMG_WATCH_STEPS;
  if( w->step_cnt && now_us>w->steps[ old ].us+SECOND/4 && height>=w->steps[ old ].height )
    out.rate = (double)( height-w->steps[ old ].height )*(double)SECOND/(double)( now_us-w->steps[ old ].us );
  return out;
}
