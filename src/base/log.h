/* log: one line an event, text on a terminal, JSON lines otherwise (F13.2).

     DMG_LOG_INFO( "block_final", "height=%lu txs=%u", h, n )
     text   12:30:01.250 INFO  block_final height=7 txs=3
     JSON   {"time_ms":1764000000250,"level":"info","event":"block_final","text":"height=7 txs=3"}

   An event name is stable: [a-z0-9_].  Keys, tokens and passwords never enter a line.

   Threads  any
   Bounds   a line is cut at 4 KiB; a call site writes at most 20 lines a second, what it held back
            is counted in its next line ("held=17") */
#ifndef DMG_BASE_LOG_H
#define DMG_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { DMG_LOG_LEVEL_ERROR, DMG_LOG_LEVEL_WARN, DMG_LOG_LEVEL_INFO, DMG_LOG_LEVEL_DEBUG } dmg_log_level_t;
typedef enum { DMG_LOG_FORMAT_AUTO, DMG_LOG_FORMAT_TEXT, DMG_LOG_FORMAT_JSON } dmg_log_format_t;

/* One a call site, static. */
typedef struct { uint64_t second; uint32_t cnt, held; } dmg_log_site_t;

/* Before the first thread starts.  fd is borrowed (2 at first), level WARN at first. */
void dmg_log_setup( int fd, dmg_log_level_t level, dmg_log_format_t format );
bool dmg_log_wants( dmg_log_level_t level );
__attribute__(( format( printf, 4, 5 ) ))
void dmg_log_write( dmg_log_site_t * site, dmg_log_level_t level, char const * event, char const * fmt, ... );

#define DMG_LOG_AT( level, event, ... ) do {                                                      \
    static dmg_log_site_t dmg_log_site_;                                                          \
    if( dmg_log_wants( level ) ) dmg_log_write( &dmg_log_site_, level, event, __VA_ARGS__ );      \
  } while(0)
#define DMG_LOG_ERROR( event, ... ) DMG_LOG_AT( DMG_LOG_LEVEL_ERROR, event, __VA_ARGS__ )
#define DMG_LOG_WARN( event, ... )  DMG_LOG_AT( DMG_LOG_LEVEL_WARN,  event, __VA_ARGS__ )
#define DMG_LOG_INFO( event, ... )  DMG_LOG_AT( DMG_LOG_LEVEL_INFO,  event, __VA_ARGS__ )
#define DMG_LOG_DEBUG( event, ... ) DMG_LOG_AT( DMG_LOG_LEVEL_DEBUG, event, __VA_ARGS__ )

#endif
