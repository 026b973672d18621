/* sync_bar: how far a node is that catches up, on stderr (F1.9).

     terminal   one line in place: a bar, height and goal, blocks a second, time left
     plain      the same as a line each 5 s; a pipe or file gets this by itself
     json       {"progress":{..}} once a second

   Only a node that is more than a few blocks behind shows it: a follower is always one behind. */
#ifndef DMG_CLI_SYNC_BAR_H
#define DMG_CLI_SYNC_BAR_H

#include "base/bytes.h"

enum { DMG_SYNC_BAR_SZ = 160, DMG_SYNC_BEHIND = 8 };

typedef struct { uint64_t height, goal; double rate; } dmg_sync_at_t;   /* goal 0: not known yet */

/* The line without its end; width: characters of the bar, 0 none. */
void dmg_sync_bar_text( dmg_sync_at_t const * at, unsigned width, char out[ DMG_SYNC_BAR_SZ ] );

typedef enum { DMG_SYNC_BAR_NONE, DMG_SYNC_BAR_LINE, DMG_SYNC_BAR_PLAIN, DMG_SYNC_BAR_JSON } dmg_sync_how_t;
typedef struct { dmg_sync_how_t how; bool is_shown; uint64_t said_ms; } dmg_sync_bar_t;

/* Called a few times a second; is_syncing as the node says.  true: out is to be written to stderr as it stands. */
bool dmg_sync_bar( dmg_sync_bar_t * bar, bool is_syncing, dmg_sync_at_t const * at, uint64_t now_ms, char out[ DMG_SYNC_BAR_SZ+16 ] );

#endif
