#include "base/log.h"
#include "base/os.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_SZ = 4096, SITE_LINES_PER_SECOND_MAX = 20 };

static struct { int fd; dmg_log_level_t level; bool is_json; pthread_mutex_t lock; } logger =
  { .fd = 2, .level = DMG_LOG_LEVEL_WARN, .lock = PTHREAD_MUTEX_INITIALIZER };

void dmg_log_setup( int fd, dmg_log_level_t level, dmg_log_format_t format ) {
  logger.fd      = fd;
  logger.level   = level;
  logger.is_json = format==DMG_LOG_FORMAT_JSON || ( format==DMG_LOG_FORMAT_AUTO && !dmg_os_is_tty( fd ) );
}

bool dmg_log_wants( dmg_log_level_t level ) { return level<=logger.level; }

/* Text of one JSON string, or of one text line: control bytes never reach the terminal raw. */
static size_t put_escaped( char * out, size_t cap, char const * text, bool is_json ) {
  size_t n = 0;
  for( ; *text && n+7<cap; text++ ) {
    unsigned char c = (unsigned char)*text;
    if( is_json && ( c=='"' || c=='\\' ) ) { out[ n++ ] = '\\'; out[ n++ ] = (char)c; }
    else if( c<0x20 || c==0x7f )           n += (size_t)snprintf( out+n, cap-n, "\\u%04x", c );
    else                                   out[ n++ ] = (char)c;
  }
  return n;
}

void dmg_log_write( dmg_log_site_t * site, dmg_log_level_t level, char const * event, char const * fmt, ... ) {
  static char const * const name[] = { "error", "warn", "info", "debug" };
  static char const * const tag[]  = { "ERROR", "WARN ", "INFO ", "DEBUG" };
  uint64_t now_ms = dmg_os_wall_ms();
  char text[ LINE_MAX_SZ ], line[ 2*LINE_MAX_SZ+256 ];
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( text, sizeof text, fmt, ap );
  va_end( ap );

  pthread_mutex_lock( &logger.lock );
  if( site->second!=now_ms/1000 ) { site->second = now_ms/1000; site->cnt = 0; }
  if( ++site->cnt>SITE_LINES_PER_SECOND_MAX ) { site->held++; pthread_mutex_unlock( &logger.lock ); return; }
  uint32_t held = site->held;
  site->held = 0;

  size_t n = 0, cap = sizeof line-64;   /* 64: room for what follows the text */
  if( logger.is_json ) {
    n += (size_t)snprintf( line, cap, "{\"time_ms\":%lu,\"level\":\"%s\",\"event\":\"%s\",\"text\":\"", (unsigned long)now_ms, name[ level ], event );
    n += put_escaped( line+n, cap-n, text, true );
    line[ n++ ] = '"';
    if( held ) n += (size_t)snprintf( line+n, sizeof line-n, ",\"held\":%u", held );
    n += (size_t)snprintf( line+n, sizeof line-n, "}\n" );
  } else {
    uint64_t s = now_ms/1000;
    n += (size_t)snprintf( line, cap, "%02lu:%02lu:%02lu.%03lu %s %s ", (unsigned long)( s/3600%24 ), (unsigned long)( s/60%60 ), (unsigned long)( s%60 ),
                           (unsigned long)( now_ms%1000 ), tag[ level ], event );
    n += put_escaped( line+n, cap-n, text, false );
    if( held ) n += (size_t)snprintf( line+n, sizeof line-n, " held=%u", held );
    line[ n++ ] = '\n';
  }
  /* A log that cannot be written has nowhere to say so. */
  (void)!dmg_os_write_all( logger.fd, line, n );
  pthread_mutex_unlock( &logger.lock );
}
