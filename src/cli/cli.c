#include "cli/cli.h"
#include "base/assert.h"
#include "base/os.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

dmg_cli_flag_desc_t const dmg_cli_flags[ DMG_CLI_FLAG_CNT ] = {
#define DMG_CLI_FLAG_DESC( name, flag, value, takes, text ) { flag, value, takes, text },
  DMG_CLI_FLAG_TABLE( DMG_CLI_FLAG_DESC )
#undef DMG_CLI_FLAG_DESC
};

char const * dmg_cli_opt( dmg_cli_t const * cli, char const * name ) {
  for( uint32_t i = 0; i<DMG_CLI_OPT_MAX && cli->cmd->opt[ i ].name; i++ ) if( !strcmp( cli->cmd->opt[ i ].name, name ) ) return cli->opt_value[ i ];
  DMG_ASSERT( !"an option that the command does not declare" );
  return NULL;
}

void dmg_cli_plain( char * text ) {
  for( ; *text; text++ ) if( ( (uint8_t)*text<0x20 && *text!='\n' ) || *text==0x7f ) *text = '?';
}

bool dmg_cli_number( char const * text, uint64_t max, uint64_t * out ) {
  uint64_t v = 0;
  if( !*text ) return false;
  for( ; *text; text++ ) {
    uint64_t d = (uint64_t)( *text-'0' );
    if( d>9 || d>max || v>( max-d )/10 ) return false;
    v = v*10+d;
  }
  *out = v;
  return true;
}

int (dmg_cli_fail)( dmg_cli_t const * cli, int code, char const * name, char const * fmt, ... ) {
  char text[ 16384 ];
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( text, sizeof text, fmt, ap );
  va_end( ap );
  dmg_cli_progress_end( cli );
  if( !cli->is_json ) {
    char const * no_color = getenv( "NO_COLOR" ), * term = getenv( "TERM" );
    bool has_color = dmg_os_is_tty( 2 ) && !( no_color && *no_color ) && term && strcmp( term, "dumb" );
    dmg_cli_plain( text );
    fprintf( stderr, "%sdemiurge:%s %s\n", has_color ? "\033[31m" : "", has_color ? "\033[0m" : "", text );
    return code;
  }
  dmg_buf_t buf = dmg_buf( 8*sizeof text );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_open( &w, '{' );
  dmg_jw_key( &w, "error" );
  dmg_jw_open( &w, '{' );
  dmg_jw_kcstr( &w, "name", name );
  dmg_jw_kcstr( &w, "message", text );
  dmg_jw_knum( &w, "exitCode", (uint32_t)code );
  dmg_jw_close( &w, '}' );
  dmg_jw_close( &w, '}' );
  fprintf( stderr, "%.*s\n", DMG_SPAN_F( buf ) );
  dmg_buf_fini( &buf );
  return code;
}

void dmg_cli_say( dmg_cli_t const * cli, char const * fmt, ... ) {
  if( cli->is_quiet ) return;
  va_list ap;
  va_start( ap, fmt );
  vfprintf( stderr, fmt, ap );
  va_end( ap );
  fputc( '\n', stderr );
}

dmg_span_t dmg_cli_text( dmg_cli_t * cli, char const * fmt, ... ) {
  va_list ap;
  va_start( ap, fmt );
  int n = vsnprintf( NULL, 0, fmt, ap );
  va_end( ap );
  char * text = dmg_arena_alloc( cli->arena, (size_t)n+1 );
  DMG_ASSERT( n>=0 && text );
  va_start( ap, fmt );
  vsnprintf( text, (size_t)n+1, fmt, ap );
  va_end( ap );
  return dmg_span( text, (size_t)n );
}

char const * dmg_cli_quote( dmg_cli_t * cli, char const * text ) {
  dmg_buf_t buf = dmg_buf( 1<<20 );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_cstr( &w, text );
  if( w.is_full ) exit( dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "an argument is longer than this command can send" ) );
  char const * quoted = (char const *)dmg_cli_text( cli, "%.*s", DMG_SPAN_F( buf ) ).p;
  dmg_buf_fini( &buf );
  return quoted;
}

char const * dmg_cli_dup( dmg_cli_t * cli, dmg_span_t text ) { return (char const *)dmg_cli_text( cli, "%.*s", DMG_SPAN_F( text ) ).p; }

char const * dmg_cli_hex_of( dmg_cli_t * cli, dmg_span_t bytes ) {
  char * hex = dmg_arena_alloc( cli->arena, 2*bytes.sz+1 );
  if( !hex ) exit( dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" ) );
  dmg_hex_encode( bytes.p, bytes.sz, hex );
  return hex;
}

bool dmg_cli_hex_exact( char const * text, uint8_t * out, size_t sz ) { return !strncmp( text, "0x", 2 ) && !dmg_hex_decode( text+2, strlen( text+2 ), out, sz ); }

bool dmg_cli_unhex( dmg_cli_t * cli, char const * text, dmg_span_t * out ) {
  size_t n = strlen( text );
  uint8_t * p = dmg_arena_alloc( cli->arena, n/2+1 );
  if( n<2 || n%2 || strncmp( text, "0x", 2 ) || !p || dmg_hex_decode( text+2, n-2, p, ( n-2 )/2 ) ) return false;
  *out = dmg_span( p, ( n-2 )/2 );
  return true;
}

int dmg_cli_slurp( dmg_cli_t * cli, char const * arg, dmg_span_t * out ) {
  dmg_buf_t file = { 0 };
  if( strcmp( arg, "-" ) && *arg!='@' ) { *out = dmg_span_cstr( arg ); return DMG_EXIT_OK; }
  char const * path = *arg=='@' ? arg+1 : "/dev/stdin";
  dmg_err_t err = dmg_os_file_read( path, 16<<20, &file );
  if( err ) return dmg_cli_fail( cli, err==DMG_ERR_NOT_FOUND ? DMG_EXIT_NOT_FOUND : DMG_EXIT_USAGE, err==DMG_ERR_NOT_FOUND ? "NotFound" : "InvalidInput", "%s: %s", path, dmg_err_text( err ) );
  *out = dmg_cli_text( cli, "%.*s", DMG_SPAN_F( file ) );
  dmg_buf_fini( &file );
  return DMG_EXIT_OK;
}

/* "12.5" CGT, or "12sparks"; false: neither, or more than there is. */
static bool amount_parse( char const * text, uint64_t * out_sparks ) {
  uint64_t whole = 0, frac = 0, unit = DMG_SPARKS_PER_CGT;
  char const * p = text;
  if( *p<'0' || *p>'9' ) return false;
  for( ; *p>='0' && *p<='9'; p++ ) {
    if( whole>DMG_SUPPLY_SPARKS ) return false;
    whole = whole*10+(uint64_t)( *p-'0' );
  }
  if( !strcmp( p, "sparks" ) ) { *out_sparks = whole; return whole<=DMG_SUPPLY_SPARKS; }
  if( *p=='.' ) {
    if( p[ 1 ]<'0' || p[ 1 ]>'9' ) return false;
    for( p++; *p>='0' && *p<='9'; p++ ) {
      if( unit==1 ) return false;   /* a spark is the least */
      unit /= 10;
      frac += (uint64_t)( *p-'0' )*unit;
    }
  }
  if( *p || whole>DMG_SUPPLY_SPARKS/DMG_SPARKS_PER_CGT ) return false;
  *out_sparks = whole*DMG_SPARKS_PER_CGT+frac;
  return *out_sparks<=DMG_SUPPLY_SPARKS;
}

int dmg_cli_amount( dmg_cli_t const * cli, char const * what, char const * text, uint64_t least, uint64_t * out_sparks ) {
  uint64_t sparks;
  char from[ DMG_CLI_AMOUNT_SZ ], to[ DMG_CLI_AMOUNT_SZ ];
  if( amount_parse( text, &sparks ) && sparks>=least ) { *out_sparks = sparks; return DMG_EXIT_OK; }
  dmg_cli_amount_text( least, from );
  dmg_cli_amount_text( DMG_SUPPLY_SPARKS, to );
  return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s wants %s to %s, all there is, with at most 8 decimals (12.5), or in sparks (1250000000sparks), not \"%.80s\"", what, from, to, text );
}

/* A node that answers out of contract ends the command: nothing sensible can follow. */
static dmg_cli_t const * the_cli;
void dmg_cli_use( dmg_cli_t const * cli ) { the_cli = cli; }
static _Noreturn void lacks( char const * key ) {
  exit( dmg_cli_fail( the_cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "the node's answer lacks a good \"%s\": it may speak another version", key ) );
}
dmg_jv_t dmg_cli_get( dmg_jv_t object, char const * key ) {
  dmg_jv_t v = dmg_jv_get( object, key );
  if( dmg_jv_is_absent( v ) ) lacks( key );
  return v;
}
uint64_t dmg_cli_u64( dmg_jv_t object, char const * key ) {
  uint64_t out;
  if( !dmg_jv_u64( dmg_cli_get( object, key ), &out ) ) lacks( key );
  return out;
}
dmg_span_t dmg_cli_str( dmg_jv_t object, char const * key ) {
  dmg_jv_t v = dmg_cli_get( object, key );
  if( dmg_jv_type( v )!=DMG_JSON_STRING ) lacks( key );
  return dmg_jv_text( v );
}
dmg_hash_t dmg_cli_hash( dmg_jv_t object, char const * key ) {
  dmg_hash_t out;
  if( !dmg_jv_hash( dmg_cli_get( object, key ), &out ) ) lacks( key );
  return out;
}
dmg_span_t dmg_cli_hex( dmg_cli_t * cli, dmg_jv_t object, char const * key ) {
  dmg_jv_t v = dmg_cli_get( object, key );
  if( dmg_jv_type( v )==DMG_JSON_NULL ) return dmg_span( NULL, 0 );
  size_t max = dmg_jv_text( v ).sz/2+1, sz;
  uint8_t * p = dmg_arena_alloc( cli->arena, max );
  if( !p || !dmg_jv_hex( v, p, max, &sz ) ) lacks( key );
  return dmg_span( p, sz );
}
