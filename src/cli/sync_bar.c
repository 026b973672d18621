#include "cli/sync_bar.h"

#include <stdio.h>

enum { WIDTH = 30, PLAIN_MS = 5000, JSON_MS = 1000, LINE_MS = 250 };

static void left_text( uint64_t s, char out[ 32 ] ) {
  if( s<90 )        snprintf( out, 32, "%lu s left", (unsigned long)s );
  else if( s<5400 ) snprintf( out, 32, "%lu min left", (unsigned long)( ( s+30 )/60 ) );
  else              snprintf( out, 32, "%lu h %lu min left", (unsigned long)( s/3600 ), (unsigned long)( s%3600/60 ) );
}

/* Seconds to the goal; UINT64_MAX: that cannot be said. */
static uint64_t left_s( dmg_sync_at_t const * at ) { return at->rate<0.5 || at->goal<at->height ? UINT64_MAX : (uint64_t)( (double)( at->goal-at->height )/at->rate+0.999 ); }

void dmg_sync_bar_text( dmg_sync_at_t const * at, unsigned width, char out[ DMG_SYNC_BAR_SZ ] ) {
  char bar[ 64 ] = "", left[ 32 ] = "time left unknown";
  if( !at->goal ) { snprintf( out, DMG_SYNC_BAR_SZ, "syncing: height %lu, asking peers for headers", (unsigned long)at->height ); return; }
  if( width ) {
    unsigned full = at->height>=at->goal ? width : (unsigned)( (double)at->height/(double)at->goal*width );
    snprintf( bar, sizeof bar, " [%.*s%.*s]", (int)full, "##############################", (int)( width-full ), ".............................." );
  }
  if( left_s( at )<UINT64_MAX ) left_text( left_s( at ), left );
  snprintf( out, DMG_SYNC_BAR_SZ, "syncing:%s height %lu of %lu, %.0f blocks/s, %s", bar, (unsigned long)at->height, (unsigned long)at->goal, at->rate, left );
}

bool dmg_sync_bar( dmg_sync_bar_t * bar, bool is_syncing, dmg_sync_at_t const * at, uint64_t now_ms, char out[ DMG_SYNC_BAR_SZ+16 ] ) {
  char text[ DMG_SYNC_BAR_SZ ];
  /* One block at a time is a follower's daily bread. */
  bool is_behind = is_syncing && ( bar->is_shown ? !at->goal || at->goal>at->height : at->goal>at->height+DMG_SYNC_BEHIND );
  if( bar->how==DMG_SYNC_BAR_NONE || ( !is_behind && !bar->is_shown ) ) return false;
  if( !is_behind ) {
    bar->is_shown = false;
    bar->said_ms  = 0;
    if( bar->how==DMG_SYNC_BAR_JSON ) snprintf( out, DMG_SYNC_BAR_SZ+16, "{\"progress\":{\"what\":\"sync\",\"state\":\"done\",\"height\":\"%lu\"}}\n", (unsigned long)at->height );
    else snprintf( out, DMG_SYNC_BAR_SZ+16, "%ssynced: height %lu\n", bar->how==DMG_SYNC_BAR_LINE ? "\r\033[K" : "", (unsigned long)at->height );
    return true;
  }
  uint64_t every = bar->how==DMG_SYNC_BAR_LINE ? LINE_MS : bar->how==DMG_SYNC_BAR_JSON ? JSON_MS : PLAIN_MS;
  if( bar->is_shown && now_ms<bar->said_ms+every ) return false;
  bar->is_shown = true;
  bar->said_ms  = now_ms;
  if( bar->how==DMG_SYNC_BAR_JSON ) {
    uint64_t s = left_s( at );
    int n = snprintf( out, DMG_SYNC_BAR_SZ+16, "{\"progress\":{\"what\":\"sync\",\"state\":\"running\",\"height\":\"%lu\",\"target\":\"%lu\",\"rate\":%.0f", (unsigned long)at->height, (unsigned long)at->goal, at->rate );
    snprintf( out+n, DMG_SYNC_BAR_SZ+16-(size_t)n, s<UINT64_MAX ? ",\"leftMs\":\"%lu\"}}\n" : "}}\n", (unsigned long)( s*1000 ) );
    return true;
  }
  dmg_sync_bar_text( at, bar->how==DMG_SYNC_BAR_LINE ? WIDTH : 0, text );
  /* The log writes to the same terminal: its next line begins where the bar does. */
  if( bar->how==DMG_SYNC_BAR_LINE ) snprintf( out, DMG_SYNC_BAR_SZ+16, "\r\033[K%s\r", text );
  else                              snprintf( out, DMG_SYNC_BAR_SZ+16, "%s\n", text );
  return true;
}
