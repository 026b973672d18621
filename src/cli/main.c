#include "cli/cli.h"
#include "base/assert.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/os.h"
#include "cli/cmd_config.h"
#include "crypto/hash.h"
#include "rpc/http_client.h"
#include "runtime/compile_child.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

dmg_cli_cmd_t const * const dmg_cli_table[] = { dmg_cmds_dev, dmg_cmds_send, dmg_cmds_tx, dmg_cmds_read, dmg_cmds_sub, dmg_cmds_account, dmg_cmds_key, dmg_cmds_config, dmg_cmds_node, dmg_cmds_signer, NULL };

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
    if( d>9 || v>( max-d )/10 ) return false;
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
  fprintf( stderr, "%.*s\n", (int)buf.sz, (char *)buf.p );
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
  char const * quoted = (char const *)dmg_cli_text( cli, "%.*s", (int)buf.sz, (char const *)buf.p ).p;
  dmg_buf_fini( &buf );
  return quoted;
}

/* F4.1's codes as exit codes. */
static int exit_of_code( int64_t code ) {
  switch( code ) {
  case -32003: case -32010: case -32011: return DMG_EXIT_REFUSED;
  case -32001:                           return DMG_EXIT_NOT_FOUND;
  case -32002: case -32013:              return DMG_EXIT_UNAVAILABLE;
  case -32015:                           return DMG_EXIT_TIMEOUT;
  case -32700: case -32600: case -32602: case -32000: case -32601: case -32004: return DMG_EXIT_USAGE;
  default:                               return DMG_EXIT_INTERNAL;
  }
}

char const * dmg_cli_dup( dmg_cli_t * cli, dmg_span_t text ) { return (char const *)dmg_cli_text( cli, "%.*s", (int)text.sz, (char const *)text.p ).p; }

char const * dmg_cli_hex_of( dmg_cli_t * cli, dmg_span_t bytes ) {
  char * hex = dmg_arena_alloc( cli->arena, 2*bytes.sz+1 );
  if( !hex ) exit( dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" ) );
  dmg_hex_encode( bytes.p, bytes.sz, hex );
  return hex;
}

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
  *out = dmg_cli_text( cli, "%.*s", (int)file.sz, (char const *)file.p );
  dmg_buf_fini( &file );
  return DMG_EXIT_OK;
}

static int request( dmg_cli_t * cli, char const * method, dmg_span_t params, dmg_jv_t * out_result, dmg_cli_refusal_t * out ) {
  char why[ 256 ], json_why[ 160 ];
  int status;
  dmg_span_t body = dmg_cli_text( cli, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":%s,\"params\":%.*s}", dmg_cli_quote( cli, method ), (int)params.sz, (char const *)params.p );
  dmg_buf_clear( &cli->answer );
  dmg_err_t err = dmg_http_post_json( cli->rpc_url, body, cli->timeout_ms, &status, &cli->answer, why );
  if( err==DMG_ERR_TIMEOUT ) return dmg_cli_fail( cli, DMG_EXIT_TIMEOUT, "Timeout", "%s", why );
  if( err==DMG_ERR_INVALID ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "%s", why );
  if( err ) return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "no node: %s (is `demiurge dev` running? --rpc names another)", why );
  dmg_jv_t root;
  if( !dmg_json_parse( cli->json, dmg_buf_span( &cli->answer ), &root, json_why ) || dmg_jv_type( root )!=DMG_JSON_OBJECT )
    return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "%s answered HTTP %d and no JSON-RPC: is this a Demiurge node?", cli->rpc_url, status );
  dmg_jv_t error = dmg_jv_get( root, "error" );
  if( !dmg_jv_is_absent( error ) && dmg_jv_type( error )==DMG_JSON_OBJECT ) {
    dmg_span_t number_text = dmg_jv_text( dmg_cli_get( error, "code" ) ), message = dmg_jv_text( dmg_cli_get( error, "message" ) );
    dmg_jv_t data = dmg_jv_get( error, "data" );
    dmg_span_t name = dmg_jv_is_absent( data ) ? DMG_SPAN_STR( "Internal" ) : dmg_cli_str( data, "name" );
    char number[ 16 ] = "", name_text[ 64 ];
    snprintf( number, sizeof number, "%.*s", (int)( number_text.sz<15 ? number_text.sz : 15 ), (char const *)number_text.p );
    snprintf( name_text, sizeof name_text, "%.*s", (int)( name.sz<63 ? name.sz : 63 ), (char const *)name.p );
    out->code = exit_of_code( strtol( number, NULL, 10 ) );
    snprintf( out->name, sizeof out->name, "%s", name_text );
    /* -32602 says where and what would be right (F4.1). */
    dmg_jv_t path = dmg_jv_is_absent( data ) ? (dmg_jv_t){ 0 } : dmg_jv_get( data, "path" );
    bool has_path = !dmg_jv_is_absent( path ) && dmg_jv_type( path )==DMG_JSON_STRING && dmg_jv_text( path ).sz<100;
    bool says_it = has_path && memmem( message.p, message.sz, dmg_jv_text( path ).p, dmg_jv_text( path ).sz );
    snprintf( out->message, sizeof out->message, "%.*s%s%.*s", (int)message.sz, (char const *)message.p, has_path && !says_it ? " at " : "",
              has_path && !says_it ? (int)dmg_jv_text( path ).sz : 0, has_path ? (char const *)dmg_jv_text( path ).p : "" );
    return out->code;
  }
  *out_result = dmg_cli_get( root, "result" );
  return DMG_EXIT_OK;
}

/* --network: the node is on that chain, or nothing is asked of it. */
static int check_network( dmg_cli_t * cli ) {
  dmg_cli_refusal_t refusal = { 0 };
  dmg_jv_t r;
  cli->is_network_good = true;
  if( !*cli->network ) return DMG_EXIT_OK;
  int code = request( cli, "chain_info", DMG_SPAN_STR( "{}" ), &r, &refusal );
  if( code ) return refusal.code ? dmg_cli_fail( cli, code, refusal.name, "%s", refusal.message ) : code;
  dmg_span_t is = dmg_cli_str( r, strncmp( cli->network, "demiurge:", 9 ) ? "kind" : "caip2" ), id = dmg_cli_str( r, "caip2" );
  if( dmg_span_eq( is, dmg_span_cstr( cli->network ) ) ) return DMG_EXIT_OK;
  return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "WrongNetwork", "%s is a node of %.*s, not of %s; nothing was done", cli->rpc_url, (int)id.sz, (char const *)id.p, cli->network );
}

int dmg_cli_try( dmg_cli_t * cli, char const * method, dmg_span_t params, dmg_jv_t * out_result, dmg_cli_refusal_t * out ) {
  out->code = DMG_EXIT_OK;
  /* Only now: commands that ask no node must work with a broken configuration too. */
  int code = cli->rpc_url ? DMG_EXIT_OK : dmg_cli_config_rpc( cli );
  if( !code && !cli->is_network_good ) code = check_network( cli );
  return code ? code : request( cli, method, params, out_result, out );
}

int dmg_cli_call( dmg_cli_t * cli, char const * method, dmg_span_t params, dmg_jv_t * out_result ) {
  dmg_cli_refusal_t refusal;
  int code = dmg_cli_try( cli, method, params, out_result, &refusal );
  return code && refusal.code ? dmg_cli_fail( cli, refusal.code, refusal.name, "%s", refusal.message ) : code;
}

bool dmg_cli_amount_parse( char const * text, uint64_t * out_sparks ) {
  uint64_t whole = 0, frac = 0, unit = 100000000u;
  char const * p = text;
  if( *p<'0' || *p>'9' ) return false;
  for( ; *p>='0' && *p<='9'; p++ ) {
    if( whole>( UINT64_MAX-9 )/10 ) return false;
    whole = whole*10+(uint64_t)( *p-'0' );
  }
  if( !strcmp( p, "sparks" ) ) { *out_sparks = whole; return whole<=INT64_MAX; }
  if( *p=='.' ) {
    if( p[ 1 ]<'0' || p[ 1 ]>'9' ) return false;
    for( p++; *p>='0' && *p<='9'; p++ ) {
      if( unit==1 ) return false;   /* a spark is the least */
      unit /= 10;
      frac += (uint64_t)( *p-'0' )*unit;
    }
  }
  if( *p || whole>(uint64_t)INT64_MAX/100000000u-1 ) return false;
  *out_sparks = whole*100000000u+frac;
  return true;
}

void dmg_cli_amount_text( uint64_t sparks, char out[ DMG_CLI_AMOUNT_SZ ] ) {
  char frac[ 16 ];
  snprintf( frac, sizeof frac, "%08lu", (unsigned long)( sparks%100000000u ) );
  size_t n = 8;
  while( n && frac[ n-1 ]=='0' ) n--;
  frac[ n ] = 0;
  snprintf( out, DMG_CLI_AMOUNT_SZ, "%lu%s%s CGT", (unsigned long)( sparks/100000000u ), n ? "." : "", frac );
}

/* A node that answers out of contract ends the command: nothing sensible can follow. */
static dmg_cli_t const * the_cli;
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

/* ---- Parsing ---- */

#define EACH( c ) for( dmg_cli_cmd_t const * const * t_ = dmg_cli_table; *t_; t_++ ) for( dmg_cli_cmd_t const * c = *t_; c->name; c++ )

static dmg_cli_cmd_t const * find( int argc, char ** argv, int * out_used ) {
  char two[ 128 ] = "";
  if( argc>2 ) snprintf( two, sizeof two, "%s %s", argv[ 1 ], argv[ 2 ] );
  EACH( c ) if( !strcmp( c->name, two ) ) { *out_used = 3; return c; }
  EACH( c ) if( !strcmp( c->name, argv[ 1 ] ) ) { *out_used = 2; return c; }
  return NULL;
}

static int unknown_command( dmg_cli_t const * cli, int argc, char ** argv ) {
  char const * best = NULL;
  unsigned least = 3;
  size_t noun = strlen( argv[ 1 ] );
  if( dmg_cli_is_noun( argv[ 1 ] ) ) {
    char verbs[ 256 ] = "";
    EACH( c ) {
      size_t n = strlen( verbs );
      if( !strncmp( c->name, argv[ 1 ], noun ) && c->name[ noun ]==' ' ) snprintf( verbs+n, sizeof verbs-n, " %s", c->name+noun+1 );
    }
    if( argc>2 && argv[ 2 ][ 0 ]!='-' ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s has no verb %.60s; it has:%s", argv[ 1 ], argv[ 2 ], verbs );
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s needs a verb:%s", argv[ 1 ], verbs );
  }
  EACH( c ) {
    unsigned d = dmg_edit_distance( argv[ 1 ], c->name );
    if( d<least ) { least = d; best = c->name; }
  }
  if( best ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "there is no command %s; did you mean %s?", argv[ 1 ], best );
  return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "there is no command %.100s; `demiurge help` lists them", argv[ 1 ] );
}

static bool one_of( char const * value, char const * choices ) {
  size_t n = strlen( value );
  for( char const * p = choices; n; p++ ) {
    size_t len = strcspn( p, "|" );
    if( len==n && !strncmp( p, value, n ) ) return true;
    p += len;
    if( !*p ) break;
  }
  return false;
}

/* "--flag" and "=value" apart; the value NULL if it is none. */
static void split( char const * a, char name[ 32 ], char const ** out_value ) {
  char const * eq = strncmp( a, "--", 2 ) ? NULL : strchr( a, '=' );
  size_t n = eq ? (size_t)( eq-a ) : strlen( a );
  snprintf( name, 32, "%.*s", (int)( n<31 ? n : 31 ), a );
  *out_value = eq ? eq+1 : NULL;
}

/* Is a an option? 1: taken, 0: none of these; *out_code. */
static bool option( dmg_cli_t * cli, int argc, char ** argv, int * i, int * out_code ) {
  char name[ 32 ];
  char const * value, ** to = NULL, * wants = NULL;
  split( argv[ *i ], name, &value );
  if( !strcmp( name, "-y" ) ) snprintf( name, sizeof name, "--yes" );
  for( unsigned f = 0; f<DMG_CLI_FLAG_CNT; f++ )
    if( !strcmp( dmg_cli_flags[ f ].name, name ) && dmg_cli_has( cli->cmd, (dmg_cli_flag_t)f ) ) { to = &cli->flag[ f ]; wants = dmg_cli_flags[ f ].value; }
  for( uint32_t o = 0; o<DMG_CLI_OPT_MAX && cli->cmd->opt[ o ].name; o++ )
    if( !strcmp( cli->cmd->opt[ o ].name, name ) ) { to = &cli->opt_value[ o ]; wants = cli->cmd->opt[ o ].value; }
  if( !to ) return false;
  if( !wants ) {
    if( value ) *out_code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s is a switch and takes no value", name );
    *to = "";
    return true;
  }
  if( !value ) {
    if( *i+1>=argc ) { *out_code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s wants %s", name, wants ); return true; }
    value = argv[ ++*i ];
  }
  if( strchr( wants, '|' ) && !one_of( value, wants ) ) *out_code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s is one of %s, not %.60s", name, wants, value );
  *to = value;
  return true;
}

/* Known before anything can fail, so that every failure has the form that was asked for. */
static void look_for_out( dmg_cli_t * cli, int argc, char ** argv ) {
  static char const * const out[] = { [ DMG_CLI_TEXT ] = "text", [ DMG_CLI_JSON ] = "json", [ DMG_CLI_JSONL ] = "jsonl", [ DMG_CLI_CSV ] = "csv" };
  for( int i = 1; i+1<argc && strcmp( argv[ i ], "--" ); i++ )
    for( unsigned o = 0; o<4 && !strcmp( argv[ i ], "-o" ); o++ ) if( !strcmp( argv[ i+1 ], out[ o ] ) ) cli->out = (dmg_cli_out_t)o;
  cli->is_json = cli->out==DMG_CLI_JSON || cli->out==DMG_CLI_JSONL;
}

/* For the shell: as it stands, or in single quotes. */
static void put_word( FILE * to, char const * word ) {
  if( *word && strspn( word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@,+" )==strlen( word ) ) { fprintf( to, " %s", word ); return; }
  fputs( " '", to );
  for( ; *word; word++ ) { if( *word=='\'' ) fputs( "'\\''", to ); else fputc( *word, to ); }
  fputc( '\'', to );
}

/* F1.5: what was asked, as the one line that needs no questions. */
static void say_command( dmg_cli_t const * cli ) {
  if( cli->is_quiet ) return;
  fprintf( stderr, "the same in one line:\n  demiurge %s", cli->cmd->name );
  for( uint32_t i = 0; i<cli->arg_cnt; i++ ) put_word( stderr, cli->arg[ i ] );
  for( uint32_t o = 0; o<DMG_CLI_OPT_MAX && cli->cmd->opt[ o ].name; o++ ) {
    if( !cli->opt_value[ o ] ) continue;
    put_word( stderr, cli->cmd->opt[ o ].name );
    if( cli->cmd->opt[ o ].value ) put_word( stderr, cli->opt_value[ o ] );
  }
  for( unsigned f = 0; f<DMG_CLI_FLAG_CNT; f++ ) {
    if( !cli->flag[ f ] ) continue;
    put_word( stderr, dmg_cli_flags[ f ].name );
    if( dmg_cli_flags[ f ].value ) put_word( stderr, cli->flag[ f ] );
  }
  fputc( '\n', stderr );
}

/* Asks for what is missing, on a terminal.  false: nobody to ask. */
static bool ask_missing( dmg_cli_t * cli ) {
  dmg_cli_cmd_t const * cmd = cli->cmd;
  bool has_asked = false;
  char const * env = getenv( "DEMIURGE_FROM" ), * word = cmd->args;
  for( uint32_t i = 0; i<cmd->arg_min; i++ ) {
    size_t n = strcspn( word, " " );
    char what[ 64 ];
    snprintf( what, sizeof what, "%.*s", (int)n, word );
    if( i>=cli->arg_cnt ) {
      char const * answer = dmg_cli_ask( cli, what );
      if( !answer ) return false;
      cli->arg[ cli->arg_cnt++ ] = answer;
      has_asked = true;
    }
    word += n;
    word += strspn( word, " " );
  }
  if( cmd->takes&DMG_CLI_FROM && !cli->flag[ DMG_CLI_FLAG_FROM ] && !( env && *env ) && cmd->takes&DMG_CLI_SENDS ) {
    cli->flag[ DMG_CLI_FLAG_FROM ] = dmg_cli_ask( cli, "--from, who signs" );
    has_asked |= cli->flag[ DMG_CLI_FLAG_FROM ]!=NULL;   /* if nobody is there, the command says what it lacks */
  }
  if( has_asked ) say_command( cli );
  return true;
}

static int parse( dmg_cli_t * cli, int argc, char ** argv, int from ) {
  dmg_cli_cmd_t const * cmd = cli->cmd;
  bool is_raw = false;
  uint64_t seconds = 30;
  for( int i = from; i<argc; i++ ) {
    char const * a = argv[ i ];
    int code = DMG_EXIT_OK;
    if( !is_raw && !strcmp( a, "--" ) ) { is_raw = true; continue; }
    if( !is_raw && a[ 0 ]=='-' && a[ 1 ] ) {
      if( !option( cli, argc, argv, &i, &code ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s has no flag %.60s; `demiurge help %s` lists them", cmd->name, a, cmd->name );
      if( code ) return code;
      continue;
    }
    if( cli->arg_cnt>=cmd->arg_max ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "too many arguments; usage: demiurge %s %s", cmd->name, cmd->args );
    cli->arg[ cli->arg_cnt++ ] = a;
  }
  if( cli->flag[ DMG_CLI_FLAG_TIMEOUT ] && ( !dmg_cli_number( cli->flag[ DMG_CLI_FLAG_TIMEOUT ], 3600, &seconds ) || !seconds ) )
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--timeout wants 1 to 3600 seconds, not %s", cli->flag[ DMG_CLI_FLAG_TIMEOUT ] );
  cli->timeout_ms = (uint32_t)seconds*1000;
  cli->is_yes     = cli->flag[ DMG_CLI_FLAG_YES ];
  cli->is_quiet   = cli->flag[ DMG_CLI_FLAG_QUIET ];
  cli->is_verbose = cli->flag[ DMG_CLI_FLAG_VERBOSE ];
  if( !ask_missing( cli ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "usage: demiurge %s %s", cmd->name, cmd->args );
  return DMG_EXIT_OK;
}

int main( int argc, char ** argv ) {
  /* R1.7: the compiler runs in this binary, re-executed; nothing else may happen before. */
  if( argc>1 && !strcmp( argv[ 1 ], DMG_COMPILE_CHILD_VERB ) ) return dmg_compile_child_main( argc, argv );
  signal( SIGPIPE, SIG_IGN );
  dmg_crypto_init( dmg_cpu_flags() );

  static dmg_cli_t cli;
  cli.timeout_ms = 30000;
  cli.answer     = dmg_buf( 16<<20 );
  the_cli        = &cli;
  look_for_out( &cli, argc, argv );
  if( argc<2 ) { dmg_cli_help( &cli, 0, NULL ); return DMG_EXIT_USAGE; }
  char const * first = argv[ 1 ];
  if( !strcmp( first, "--version" ) )  { printf( "demiurge %s\n", DMG_VERSION ); return DMG_EXIT_OK; }
  if( !strcmp( first, "completion" ) && !( argc>2 && !strcmp( argv[ 2 ], "--help" ) ) ) return dmg_cli_completion( &cli, argc>2 ? argv[ 2 ] : "bash" );
  if( !strcmp( first, "__complete" ) ) return dmg_cli_complete( argc-2, argv+2 );
  if( !strcmp( first, "help" ) || !strcmp( first, "--help" ) || !strcmp( first, "-h" ) ) return dmg_cli_help( &cli, argc-2, argv+2 );

  int used = argc;
  bool wants_help = false;
  cli.cmd = find( argc, argv, &used );
  for( int i = 2; i<argc && strcmp( argv[ i ], "--" ); i++ ) wants_help |= !strcmp( argv[ i ], "--help" ) || !strcmp( argv[ i ], "-h" );
  if( wants_help && ( cli.cmd || dmg_cli_is_noun( first ) || !strcmp( first, "completion" ) ) ) {
    char * topic = (char *)(uintptr_t)( cli.cmd ? cli.cmd->name : first );
    return dmg_cli_help( &cli, 1, &topic );
  }
  if( !cli.cmd ) return unknown_command( &cli, argc, argv );

  cli.arena = dmg_arena_new( 256<<20 );
  cli.json  = dmg_json_new();
  cli.own   = dmg_json_new();
  if( !cli.arena || !cli.json || !cli.own ) return dmg_cli_fail( &cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" );
  dmg_cli_interruptible( &cli );
  int code = parse( &cli, argc, argv, used );
  dmg_log_setup( 2, cli.is_verbose ? DMG_LOG_LEVEL_DEBUG : DMG_LOG_LEVEL_WARN, DMG_LOG_FORMAT_AUTO );
  if( !code ) code = cli.cmd->run( &cli );
  if( fflush( stdout ) ) code = DMG_EXIT_INTERNAL;
  dmg_buf_fini( &cli.answer );
  dmg_json_free( cli.json );
  dmg_json_free( cli.own );
  dmg_arena_free( cli.arena );
  return code;
}
