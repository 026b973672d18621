/* output: the forms of an answer (-o, --fields), progress, questions, Ctrl-C. */
#include "base/assert.h"
#include "base/os.h"
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COLUMN_MAX = 64 };

/* A column: the path of a member, "balances.free". */
typedef struct { dmg_span_t path[ COLUMN_MAX ]; uint32_t cnt; } columns_t;

bool dmg_cli_is_data( dmg_cli_t const * cli ) { return cli->out!=DMG_CLI_TEXT || cli->flag[ DMG_CLI_FLAG_FIELDS ]; }

static dmg_jv_t const absent = { NULL, 0 };

static dmg_jv_t member( dmg_jv_t v, dmg_span_t path ) {
  while( path.sz && !dmg_jv_is_absent( v ) ) {
    if( dmg_jv_type( v )!=DMG_JSON_OBJECT ) return absent;
    uint8_t const * dot = memchr( path.p, '.', path.sz );
    dmg_span_t head = dmg_span( path.p, dot ? (size_t)( dot-path.p ) : path.sz );
    dmg_jv_t found = absent;
    for( dmg_jv_t k = dmg_jv_first( v ); !dmg_jv_is_absent( k ) && dmg_jv_is_absent( found ); k = dmg_jv_next( v, k ) )
      if( dmg_span_eq( dmg_jv_text( k ), head ) ) found = dmg_jv_member( k );
    v    = found;
    path = dot ? dmg_span( dot+1, path.sz-head.sz-1 ) : dmg_span( NULL, 0 );
  }
  return v;
}

static bool add_column( columns_t * c, dmg_span_t path ) {
  for( uint32_t i = 0; i<c->cnt; i++ ) if( dmg_span_eq( c->path[ i ], path ) ) return true;
  if( c->cnt==COLUMN_MAX ) return false;
  c->path[ c->cnt++ ] = path;
  return true;
}

static int fields( dmg_cli_t const * cli, columns_t * out ) {
  for( char const * p = cli->flag[ DMG_CLI_FLAG_FIELDS ]; *p; ) {
    size_t n = strcspn( p, "," );
    if( !n || !add_column( out, dmg_span( p, n ) ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--fields wants 1 to %d names with commas between", COLUMN_MAX );
    p += n;
    if( *p==',' ) p++;
  }
  return out->cnt ? DMG_EXIT_OK : dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--fields wants names" );
}

static dmg_jv_t items_of( dmg_jv_t v ) {
  if( dmg_jv_type( v )==DMG_JSON_ARRAY ) return v;
  dmg_jv_t items = dmg_jv_get( v, "items" );
  return !dmg_jv_is_absent( items ) && dmg_jv_type( items )==DMG_JSON_ARRAY ? items : absent;
}

/* Transactions that this command sent: who is told of anything amiss afterwards is told of them. */
static char submitted[ 12000 ];

int dmg_cli_check_fields( dmg_cli_t const * cli, char const * const * members ) {
  columns_t c = { .cnt = 0 };
  int code = cli->flag[ DMG_CLI_FLAG_FIELDS ] ? fields( cli, &c ) : DMG_EXIT_OK;
  for( uint32_t i = 0; i<c.cnt && !code; i++ ) {
    char names[ 256 ] = "";
    bool is_there = false;
    uint8_t const * dot = memchr( c.path[ i ].p, '.', c.path[ i ].sz );
    dmg_span_t head = dmg_span( c.path[ i ].p, dot ? (size_t)( dot-c.path[ i ].p ) : c.path[ i ].sz );
    for( char const * const * m = members; *m; m++ ) {
      size_t n = strlen( names );
      snprintf( names+n, sizeof names-n, "%s%s", n ? ", " : "", *m );
      is_there = is_there || dmg_span_eq( head, dmg_span_cstr( *m ) );
    }
    if( !is_there ) code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "the answer will have no field %.*s, only %s; nothing was done", DMG_SPAN_F( c.path[ i ] ), names );
  }
  return code;
}

/* Every field is somewhere, or there is nothing at all. */
static int check_fields( dmg_cli_t const * cli, dmg_jv_t v, dmg_jv_t items, columns_t const * c ) {
  dmg_jv_t first = dmg_jv_is_absent( items ) ? v : dmg_jv_first( items );
  if( dmg_jv_is_absent( first ) ) return DMG_EXIT_OK;
  for( uint32_t i = 0; i<c->cnt; i++ ) {
    bool is_there = false;
    if( dmg_jv_is_absent( items ) ) is_there = !dmg_jv_is_absent( member( v, c->path[ i ] ) );
    else for( dmg_jv_t e = first; !dmg_jv_is_absent( e ) && !is_there; e = dmg_jv_next( items, e ) ) is_there = !dmg_jv_is_absent( member( e, c->path[ i ] ) );
    if( is_there ) continue;
    char names[ 1024 ] = "";
    if( dmg_jv_type( first )==DMG_JSON_OBJECT )
      for( dmg_jv_t k = dmg_jv_first( first ); !dmg_jv_is_absent( k ); k = dmg_jv_next( first, k ) ) {
        size_t n = strlen( names );
        snprintf( names+n, sizeof names-n, "%s%.*s", n ? ", " : "", DMG_SPAN_F( dmg_jv_text( k ) ) );
      }
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s%s%sthe answer has no field %.*s; it has %s", *submitted ? "sent was " : "", submitted, *submitted ? "; " : "", DMG_SPAN_F( c->path[ i ] ), *names ? names : "none" );
  }
  return DMG_EXIT_OK;
}

/* A name that is not ours, so it may need escapes. */
static void put_key( dmg_jw_t * w, dmg_span_t name ) {
  dmg_jw_str( w, name );
  if( !w->is_full && dmg_buf_append( w->buf, ":", 1 ) ) w->is_full = true;
  w->needs_comma = false;
}

static void put_selected( dmg_jw_t * w, dmg_jv_t row, columns_t const * c ) {
  dmg_jw_open( w, '{' );
  for( uint32_t i = 0; i<c->cnt; i++ ) {
    dmg_jv_t m = member( row, c->path[ i ] );
    put_key( w, c->path[ i ] );
    if( dmg_jv_is_absent( m ) ) dmg_jw_null( w );
    else                        dmg_jw_value( w, m );
  }
  dmg_jw_close( w, '}' );
}

static void cell( dmg_buf_t * buf, dmg_jv_t v, bool is_csv ) {
  dmg_buf_t own = dmg_buf( buf->max );
  dmg_span_t text = dmg_span( NULL, 0 );
  if( !dmg_jv_is_absent( v ) && dmg_jv_type( v )!=DMG_JSON_NULL ) {
    if( dmg_jv_type( v )==DMG_JSON_STRING || dmg_jv_type( v )==DMG_JSON_NUMBER ) text = dmg_jv_text( v );
    else {
      dmg_jw_t w = dmg_jw( &own );
      dmg_jw_value( &w, v );
      text = dmg_buf_span( &own );
    }
  }
  bool needs_quotes = false;
  for( size_t i = 0; i<text.sz; i++ ) needs_quotes |= text.p[ i ]=='"' || text.p[ i ]==',' || text.p[ i ]=='\n' || text.p[ i ]=='\r';
  /* A full buffer cuts; nothing a node may answer (16 MiB) fills 64. */
  if( is_csv && needs_quotes ) (void)!dmg_buf_append( buf, "\"", 1 );
  for( size_t i = 0; i<text.sz; i++ ) {
    char c = (char)text.p[ i ];
    if( is_csv && c=='"' ) (void)!dmg_buf_append( buf, "\"", 1 );
    if( !is_csv && ( (uint8_t)c<0x20 || c==0x7f ) ) c = '?';
    (void)!dmg_buf_append( buf, &c, 1 );
  }
  if( is_csv && needs_quotes ) (void)!dmg_buf_append( buf, "\"", 1 );
  dmg_buf_fini( &own );
}

static void row_cells( dmg_buf_t * buf, dmg_jv_t row, columns_t const * c, bool is_csv ) {
  if( !c->cnt ) cell( buf, row, is_csv );   /* a value alone */
  for( uint32_t i = 0; i<c->cnt; i++ ) {
    if( i ) (void)!dmg_buf_append( buf, is_csv ? "," : "\t", 1 );
    cell( buf, member( row, c->path[ i ] ), is_csv );
  }
  (void)!dmg_buf_append( buf, "\n", 1 );
}

static void header_cells( dmg_buf_t * buf, columns_t const * c ) {
  for( uint32_t i = 0; i<c->cnt; i++ ) {
    if( i ) (void)!dmg_buf_append( buf, ",", 1 );
    (void)!dmg_buf_append( buf, c->path[ i ].p, c->path[ i ].sz );
  }
  if( c->cnt ) (void)!dmg_buf_append( buf, "\n", 1 );
}

static void add_members( columns_t * c, dmg_jv_t row ) {
  if( dmg_jv_type( row )!=DMG_JSON_OBJECT ) return;
  for( dmg_jv_t k = dmg_jv_first( row ); !dmg_jv_is_absent( k ); k = dmg_jv_next( row, k ) ) add_column( c, dmg_jv_text( k ) );
}

static void put_document( dmg_jw_t * w, dmg_jv_t v, dmg_jv_t items, columns_t const * c ) {
  if( !c->cnt ) { dmg_jw_value( w, v ); return; }
  if( dmg_jv_is_absent( items ) ) { put_selected( w, v, c ); return; }
  bool is_list = dmg_jv_type( v )==DMG_JSON_ARRAY;
  if( !is_list ) dmg_jw_open( w, '{' );
  for( dmg_jv_t k = is_list ? v : dmg_jv_first( v ); !dmg_jv_is_absent( k ); k = is_list ? absent : dmg_jv_next( v, k ) ) {
    bool is_items = is_list || dmg_jv_member( k ).idx==items.idx;
    if( !is_list ) put_key( w, dmg_jv_text( k ) );
    if( !is_items ) { dmg_jw_value( w, dmg_jv_member( k ) ); continue; }
    dmg_jw_open( w, '[' );
    for( dmg_jv_t e = dmg_jv_first( items ); !dmg_jv_is_absent( e ); e = dmg_jv_next( items, e ) ) put_selected( w, e, c );
    dmg_jw_close( w, ']' );
  }
  if( !is_list ) dmg_jw_close( w, '}' );
}

static int print_rows( dmg_cli_t * cli, dmg_jv_t v, bool has_header, bool is_stream ) {
  columns_t c = { .cnt = 0 };
  dmg_jv_t items = items_of( v );
  int code = cli->flag[ DMG_CLI_FLAG_FIELDS ] ? fields( cli, &c ) : DMG_EXIT_OK;
  if( !code && c.cnt && !is_stream ) code = check_fields( cli, v, items, &c );
  if( code ) return code;
  dmg_buf_t buf = dmg_buf( 64<<20 );
  dmg_jw_t w = dmg_jw( &buf );
  bool is_lines = cli->out==DMG_CLI_JSONL, is_csv = cli->out==DMG_CLI_CSV, is_text = cli->out==DMG_CLI_TEXT && c.cnt;
  if( !is_lines && !is_csv && !is_text ) {
    put_document( &w, v, items, &c );
    (void)!dmg_buf_append( &buf, "\n", 1 );
  } else {
    dmg_jv_t first = dmg_jv_is_absent( items ) ? v : dmg_jv_first( items );
    if( is_csv && !c.cnt ) for( dmg_jv_t e = first; !dmg_jv_is_absent( e ); e = dmg_jv_is_absent( items ) ? absent : dmg_jv_next( items, e ) ) add_members( &c, e );
    if( is_csv && has_header ) header_cells( &buf, &c );
    for( dmg_jv_t e = first; !dmg_jv_is_absent( e ); e = dmg_jv_is_absent( items ) ? absent : dmg_jv_next( items, e ) ) {
      if( !is_lines ) { row_cells( &buf, e, &c, is_csv ); continue; }
      w = dmg_jw( &buf );
      if( c.cnt ) put_selected( &w, e, &c );
      else        dmg_jw_value( &w, e );
      (void)!dmg_buf_append( &buf, "\n", 1 );
    }
  }
  fwrite( buf.p, 1, buf.sz, stdout );
  dmg_buf_fini( &buf );
  return DMG_EXIT_OK;
}

int dmg_cli_print( dmg_cli_t * cli, dmg_jv_t v ) { return print_rows( cli, v, true, false ); }
int dmg_cli_print_row( dmg_cli_t * cli, dmg_jv_t row, bool is_first ) { return print_rows( cli, row, is_first, true ); }

int dmg_cli_print_json( dmg_cli_t * cli, dmg_span_t json ) {
  char why[ 160 ];
  dmg_jv_t v;
  bool is_good = dmg_json_parse( cli->own, json, &v, why );
  if( !is_good ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "a document of our own is no JSON: %s", why );
  return dmg_cli_print( cli, v );
}

/* ---- Progress ---- */

static bool has_line;          /* a line on the terminal that the next one replaces */
static char last_state[ 64 ];
static uint64_t last_json_ms;

void dmg_cli_progress( dmg_cli_t const * cli, char const * what, char const * state, uint64_t elapsed_ms, uint64_t timeout_ms ) {
  char const * how = cli->flag[ DMG_CLI_FLAG_PROGRESS ];
  if( cli->is_quiet || ( how && !strcmp( how, "none" ) ) ) return;
  bool is_auto = !how || !strcmp( how, "auto" );
  if( how && !strcmp( how, "json" ) ) {
    if( last_json_ms && elapsed_ms<last_json_ms+1000 ) return;
    last_json_ms = elapsed_ms ? elapsed_ms : 1;
    fprintf( stderr, "{\"progress\":{\"what\":\"%s\",\"state\":\"%s\",\"elapsedMs\":\"%lu\",\"timeoutMs\":\"%lu\"}}\n", what, state, (unsigned long)elapsed_ms, (unsigned long)timeout_ms );
    return;
  }
  if( is_auto ) {
    /* Only where it can be replaced, and not for what is over at once. */
    if( cli->out!=DMG_CLI_TEXT || !dmg_os_is_tty( 2 ) || elapsed_ms<200 ) return;
    fprintf( stderr, "\r\033[K%.18s.. is %s, %lu.%lu s of %lu s", what, state, (unsigned long)( elapsed_ms/1000 ), (unsigned long)( elapsed_ms/100%10 ), (unsigned long)( timeout_ms/1000 ) );
    has_line = true;
    return;
  }
  if( !strcmp( state, last_state ) ) return;
  snprintf( last_state, sizeof last_state, "%s", state );
  fprintf( stderr, "%s is %s\n", what, state );
}

void dmg_cli_progress_end( dmg_cli_t const * cli ) {
  if( has_line ) fprintf( stderr, "\r\033[K" );
  has_line = false;
}

/* ---- Questions ---- */

int dmg_cli_confirm( dmg_cli_t const * cli, char const * what, char const * question ) {
  bool is_asked = !cli->is_yes && dmg_os_is_tty( 0 );
  if( what && ( is_asked || ( !cli->is_json && !cli->is_quiet ) ) ) fprintf( stderr, "%s\n", what );
  if( cli->is_yes ) return DMG_EXIT_OK;
  if( !is_asked ) return dmg_cli_fail( cli, DMG_EXIT_CONFIRM, "ConfirmationNeeded", "this needs a confirmation: add --yes" );
  char line[ 16 ];
  fprintf( stderr, "%s [y/N] ", question );
  if( fgets( line, sizeof line, stdin ) && ( line[ 0 ]=='y' || line[ 0 ]=='Y' ) ) return DMG_EXIT_OK;
  return dmg_cli_fail( cli, DMG_EXIT_CONFIRM, "NotConfirmed", "not confirmed, nothing was %s", cli->cmd->takes&DMG_CLI_SENDS ? "sent" : "done" );
}

char const * dmg_cli_ask( dmg_cli_t * cli, char const * what ) {
  static char line[ 65536 ];
  if( cli->is_yes || !dmg_os_is_tty( 0 ) || !dmg_os_is_tty( 2 ) ) return NULL;
  for(;;) {
    fprintf( stderr, "%s: ", what );
    if( !fgets( line, sizeof line, stdin ) ) { fputc( '\n', stderr ); return NULL; }
    size_t n = strlen( line );
    while( n && ( line[ n-1 ]=='\n' || line[ n-1 ]==' ' ) ) n--;
    size_t lead = strspn( line, " " );
    if( n>lead ) return dmg_cli_dup( cli, dmg_span( line+lead, n-lead ) );
  }
}

/* ---- Ctrl-C ---- */

/* Written before, as a handler can only write; a change is made whole by the length. */
static char interrupted[ 16384 ];
static volatile sig_atomic_t interrupted_sz;
static char resumes[ 128 ];

static void on_signal( int signo ) {
  ssize_t n = write( 2, interrupted, (size_t)interrupted_sz );
  (void)n;
  _exit( DMG_EXIT_INTERRUPTED );
}

static void interrupted_text( dmg_cli_t const * cli ) {
  interrupted_sz = 0;
  int n;
  if( cli->is_json ) n = snprintf( interrupted, sizeof interrupted, "{\"error\":{\"name\":\"Interrupted\",\"message\":\"interrupted%s\",\"exitCode\":130,\"submitted\":[%s]%s%s%s}}\n",
                                   *submitted ? "; what was submitted may still become final" : "", submitted, *resumes ? ",\"cursor\":\"" : "", resumes, *resumes ? "\"" : "" );
  else if( *submitted ) n = snprintf( interrupted, sizeof interrupted, "\ndemiurge: interrupted; submitted, and may still become final (`demiurge tx watch ID`): %s\n", submitted );
  else n = snprintf( interrupted, sizeof interrupted, "\ndemiurge: interrupted%s%s\n", *resumes ? "; it goes on with --cursor " : "", resumes );
  interrupted_sz = n<(int)sizeof interrupted ? n : (int)sizeof interrupted-1;
}

void dmg_cli_submitted( dmg_cli_t const * cli, char const * id_hex ) {
  size_t n = strlen( submitted );
  DMG_ASSERT( strlen( id_hex )==64 );
  if( n+80<sizeof submitted ) snprintf( submitted+n, sizeof submitted-n, cli->is_json ? "%s\"0x%s\"" : "%s0x%s", n ? cli->is_json ? "," : " " : "", id_hex );
  interrupted_text( cli );
}

void dmg_cli_resumes( dmg_cli_t const * cli, char const * cursor ) {
  snprintf( resumes, sizeof resumes, "%s", cursor );
  interrupted_text( cli );
}

void dmg_cli_interruptible( dmg_cli_t const * cli ) {
  interrupted_text( cli );
  signal( SIGINT, on_signal );
}
