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

static dmg_cli_cmd_t const * const table[] = { dmg_cmds_dev, dmg_cmds_tx, dmg_cmds_read, dmg_cmds_key, dmg_cmds_config, dmg_cmds_node, dmg_cmds_signer };

static struct { char const * name, * value, * text; } const global_opt[] = {
  { "--rpc", "URL", "the node (default http://127.0.0.1:7369/rpc)" },
  { "-o", "text|json", "what stdout carries" },
  { "--timeout", "SECONDS", "of one request, and of waiting for finality (default 30)" },
  { "--yes", NULL, "do not ask before signing" },
  { "-q", NULL, "no talk on stderr" },
  { "-v", NULL, "more talk" },
  { "--help", NULL, "help of a command" } };

char const * dmg_cli_opt( dmg_cli_t const * cli, char const * name ) {
  for( uint32_t i = 0; i<DMG_CLI_OPT_MAX && cli->cmd->opt[ i ].name; i++ ) if( !strcmp( cli->cmd->opt[ i ].name, name ) ) return cli->opt_value[ i ];
  DMG_ASSERT( !"an option that the command does not declare" );
  return NULL;
}

/* What a node or file says may hold escape sequences: none reaches the terminal. */
static void make_plain( char * text ) {
  for( ; *text; text++ ) if( ( (uint8_t)*text<0x20 && *text!='\n' ) || *text==0x7f ) *text = '?';
}

int (dmg_cli_fail)( dmg_cli_t const * cli, int code, char const * name, char const * fmt, ... ) {
  char text[ 16384 ];
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( text, sizeof text, fmt, ap );
  va_end( ap );
  if( !cli->is_json ) { make_plain( text ); fprintf( stderr, "demiurge: %s\n", text ); return code; }
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

int dmg_cli_call( dmg_cli_t * cli, char const * method, dmg_span_t params, dmg_jv_t * out_result ) {
  char why[ 256 ], json_why[ 160 ];
  int status;
  /* Only now: commands that ask no node must work with a broken configuration too. */
  int code = cli->rpc_url ? DMG_EXIT_OK : dmg_cli_config_rpc( cli );
  if( code ) return code;
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
    return dmg_cli_fail( cli, exit_of_code( strtol( number, NULL, 10 ) ), name_text, "%.*s", (int)message.sz, (char const *)message.p );
  }
  *out_result = dmg_cli_get( root, "result" );
  return DMG_EXIT_OK;
}

static void print_value( FILE * to, dmg_buf_t * buf, dmg_jv_t v ) {
  dmg_jw_t w;
  buf->sz = 0;
  w = dmg_jw( buf );
  switch( dmg_jv_type( v ) ) {
  case DMG_JSON_NULL:   fputs( "null", to ); return;
  case DMG_JSON_FALSE:  fputs( "false", to ); return;
  case DMG_JSON_TRUE:   fputs( "true", to ); return;
  case DMG_JSON_NUMBER: fwrite( dmg_jv_text( v ).p, 1, dmg_jv_text( v ).sz, to ); return;
  case DMG_JSON_STRING: dmg_jw_str( &w, dmg_jv_text( v ) ); fwrite( buf->p, 1, buf->sz, to ); return;
  case DMG_JSON_ARRAY: case DMG_JSON_OBJECT: break;
  }
  bool is_object = dmg_jv_type( v )==DMG_JSON_OBJECT, is_first = true;
  fputc( is_object ? '{' : '[', to );
  for( dmg_jv_t e = dmg_jv_first( v ); !dmg_jv_is_absent( e ); e = dmg_jv_next( v, e ) ) {
    if( !is_first ) fputc( ',', to );
    is_first = false;
    print_value( to, buf, e );
    if( is_object ) { fputc( ':', to ); print_value( to, buf, dmg_jv_member( e ) ); }
  }
  fputc( is_object ? '}' : ']', to );
}

void dmg_cli_print_answer( dmg_cli_t const * cli, dmg_jv_t v ) {
  dmg_buf_t buf = dmg_buf( 16<<20 );
  print_value( stdout, &buf, v );
  putchar( '\n' );
  dmg_buf_fini( &buf );
}

int dmg_cli_confirm( dmg_cli_t const * cli, char const * question ) {
  if( cli->is_yes ) return DMG_EXIT_OK;
  if( !dmg_os_is_tty( 0 ) ) return dmg_cli_fail( cli, DMG_EXIT_CONFIRM, "ConfirmationNeeded", "this needs a confirmation: add --yes" );
  char text[ 1024 ];
  snprintf( text, sizeof text, "%s", question );
  make_plain( text );
  fprintf( stderr, "%s [y/N] ", text );
  char line[ 16 ];
  if( fgets( line, sizeof line, stdin ) && ( line[ 0 ]=='y' || line[ 0 ]=='Y' ) ) return DMG_EXIT_OK;
  return dmg_cli_fail( cli, DMG_EXIT_CONFIRM, "NotConfirmed", "not confirmed, nothing was sent" );
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

/* ---- Help, completion ---- */

static int help( char const * only ) {
  bool is_noun = false;
  if( !only ) {
    printf( "demiurge %s: a blockchain for creators and gamers\n\nusage: demiurge COMMAND [ARGS] [FLAGS]\n\n", DMG_VERSION );
    for( size_t t = 0; t<sizeof table/sizeof *table; t++ )
      for( dmg_cli_cmd_t const * c = table[ t ]; c->name; c++ ) {
        char left[ 64 ];
        snprintf( left, sizeof left, "%s %s", c->name, c->args );
        printf( "  %-34s %s\n", left, c->text );
      }
    printf( "  %-34s %s\n  %-34s %s\n\nflags of every command:\n", "help [COMMAND]", "this list, or the help of one command", "completion bash|zsh|fish", "a completion script for your shell" );
  }
  size_t only_sz = only ? strlen( only ) : 0;
  for( size_t t = 0; only && t<sizeof table/sizeof *table; t++ )
    for( dmg_cli_cmd_t const * c = table[ t ]; c->name; c++ ) {
      /* A noun alone: its verbs. */
      if( !strncmp( c->name, only, only_sz ) && c->name[ only_sz ]==' ' ) {
        char left[ 64 ];
        snprintf( left, sizeof left, "%s %s", c->name, c->args );
        printf( "  %-34s %s\n", left, c->text );
        is_noun = true;
      }
      if( strcmp( c->name, only ) ) continue;
      printf( "demiurge %s %s\n\n  %s\n", c->name, c->args, c->text );
      if( c->more ) printf( "%s\n", c->more );
      if( c->opt[ 0 ].name ) printf( "\nflags:\n" );
      for( uint32_t i = 0; i<DMG_CLI_OPT_MAX && c->opt[ i ].name; i++ ) {
        char left[ 64 ];
        snprintf( left, sizeof left, "%s %s", c->opt[ i ].name, c->opt[ i ].value ? c->opt[ i ].value : "" );
        printf( "  %-26s %s\n", left, c->opt[ i ].text );
      }
      printf( "\nflags of every command:\n" );
    }
  if( is_noun ) printf( "\nflags of every command:\n" );
  for( size_t i = 0; i<sizeof global_opt/sizeof *global_opt; i++ ) {
    char left[ 64 ];
    snprintf( left, sizeof left, "%s %s", global_opt[ i ].name, global_opt[ i ].value ? global_opt[ i ].value : "" );
    printf( "  %-26s %s\n", left, global_opt[ i ].text );
  }
  if( !only ) printf( "\nexit codes: 0 done, 1 internal, 2 usage, 3 refused by the chain, 4 node unavailable, 5 not found, 6 timeout, 7 key locked or denied, 8 confirmation needed\n" );
  return DMG_EXIT_OK;
}

/* For single quotes of fish. */
static void fish_quote( char const * text, char out[ 200 ] ) {
  size_t n = 0;
  for( ; *text && n<197; text++ ) {
    if( *text=='\'' || *text=='\\' ) out[ n++ ] = '\\';
    out[ n++ ] = *text;
  }
  out[ n ] = 0;
}

static int completion( char const * shell ) {
  bool is_fish = !strcmp( shell, "fish" );
  if( !is_fish && strcmp( shell, "bash" ) && strcmp( shell, "zsh" ) ) { fprintf( stderr, "demiurge: completion of bash, zsh or fish, not of %s\n", shell ); return DMG_EXIT_USAGE; }
  if( !is_fish ) {
    if( !strcmp( shell, "zsh" ) ) printf( "autoload -U +X bashcompinit && bashcompinit\n" );
    printf( "_demiurge() {\n  local cur=${COMP_WORDS[COMP_CWORD]} line=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\" words=\n  case \"$line\" in\n" );
  }
  for( size_t t = 0; t<sizeof table/sizeof *table; t++ )
    for( dmg_cli_cmd_t const * c = table[ t ]; c->name; c++ ) {
      char const * space = strchr( c->name, ' ' );
      if( is_fish ) {
        char text[ 200 ];
        fish_quote( c->text, text );
        int noun = space ? (int)( space-c->name ) : (int)strlen( c->name );
        printf( "complete -c demiurge -n __fish_use_subcommand -a '%.*s' -d '%s'\n", noun, c->name, space ? "" : text );
        if( space ) printf( "complete -c demiurge -n '__fish_seen_subcommand_from %.*s' -a '%s' -d '%s'\n", noun, c->name, space+1, text );
        continue;
      }
      printf( "    \"%s\"*) words=\"", c->name );
      for( uint32_t i = 0; i<DMG_CLI_OPT_MAX && c->opt[ i ].name; i++ ) printf( "%s ", c->opt[ i ].name );
      for( size_t i = 0; i<sizeof global_opt/sizeof *global_opt; i++ ) printf( "%s ", global_opt[ i ].name );
      printf( "\" ;;\n" );
    }
  if( is_fish ) return DMG_EXIT_OK;
  /* Second words of two-word commands, then first words. */
  for( size_t t = 0; t<sizeof table/sizeof *table; t++ )
    for( dmg_cli_cmd_t const * c = table[ t ]; c->name; c++ ) {
      char const * space = strchr( c->name, ' ' );
      if( space ) printf( "    \"%.*s\") words=\"$words %s\" ;;&\n", (int)( space-c->name ), c->name, space+1 );
    }
  printf( "    \"\") words=\"help completion" );
  for( size_t t = 0; t<sizeof table/sizeof *table; t++ )
    for( dmg_cli_cmd_t const * c = table[ t ]; c->name; c++ ) printf( " %.*s", (int)strcspn( c->name, " " ), c->name );
  printf( "\" ;;\n  esac\n  COMPREPLY=( $(compgen -W \"$words\" -- \"$cur\") )\n}\ncomplete -F _demiurge demiurge\n" );
  return DMG_EXIT_OK;
}

/* ---- Parsing ---- */

static dmg_cli_cmd_t const * find( int argc, char ** argv, int * out_used ) {
  char two[ 128 ] = "";
  if( argc>2 ) snprintf( two, sizeof two, "%s %s", argv[ 1 ], argv[ 2 ] );
  for( size_t t = 0; t<sizeof table/sizeof *table; t++ )
    for( dmg_cli_cmd_t const * c = table[ t ]; c->name; c++ )
      if( !strcmp( c->name, two ) ) { *out_used = 3; return c; }
  for( size_t t = 0; t<sizeof table/sizeof *table; t++ )
    for( dmg_cli_cmd_t const * c = table[ t ]; c->name; c++ )
      if( !strcmp( c->name, argv[ 1 ] ) ) { *out_used = 2; return c; }
  return NULL;
}

static bool is_noun( char const * word ) {
  size_t n = strlen( word );
  for( size_t t = 0; t<sizeof table/sizeof *table; t++ )
    for( dmg_cli_cmd_t const * c = table[ t ]; c->name; c++ ) if( !strncmp( c->name, word, n ) && c->name[ n ]==' ' ) return true;
  return false;
}

static int unknown_command( dmg_cli_t const * cli, char ** argv ) {
  char const * best = NULL;
  unsigned least = 3;
  size_t noun = strlen( argv[ 1 ] );
  for( size_t t = 0; t<sizeof table/sizeof *table; t++ )
    for( dmg_cli_cmd_t const * c = table[ t ]; c->name; c++ ) {
      unsigned d = dmg_edit_distance( argv[ 1 ], c->name );
      if( d<least ) { least = d; best = c->name; }
    }
  if( is_noun( argv[ 1 ] ) ) {
    char verbs[ 256 ] = "";
    for( size_t t = 0; t<sizeof table/sizeof *table; t++ )
      for( dmg_cli_cmd_t const * c = table[ t ]; c->name; c++ ) {
        size_t n = strlen( verbs );
        if( !strncmp( c->name, argv[ 1 ], noun ) && c->name[ noun ]==' ' ) snprintf( verbs+n, sizeof verbs-n, " %s", c->name+noun+1 );
      }
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s needs a verb:%s", argv[ 1 ], verbs );
  }
  if( best ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "there is no command %s; did you mean %s?", argv[ 1 ], best );
  return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "there is no command %.100s; `demiurge help` lists them", argv[ 1 ] );
}

/* true: argv[ *i ] was an option of every command. */
static bool global_option( dmg_cli_t * cli, int argc, char ** argv, int * i, int * out_code ) {
  char const * a = argv[ *i ], * v = NULL;
  *out_code = DMG_EXIT_OK;
  if( !strcmp( a, "--yes" ) || !strcmp( a, "-y" ) ) { cli->is_yes = true; return true; }
  if( !strcmp( a, "-q" ) )                          { cli->is_quiet = true; return true; }
  if( !strcmp( a, "-v" ) )                          { cli->is_verbose = true; return true; }
  if( strcmp( a, "--rpc" ) && strcmp( a, "-o" ) && strcmp( a, "--timeout" ) ) return false;
  if( *i+1<argc ) v = argv[ ++*i ];
  if( !v ) { *out_code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s wants a value", a ); return true; }
  if( !strcmp( a, "--rpc" ) ) cli->rpc_url = v;
  else if( !strcmp( a, "-o" ) ) {
    cli->is_json = !strcmp( v, "json" );
    if( !cli->is_json && strcmp( v, "text" ) ) *out_code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "-o is text or json, not %s", v );
  } else {
    char * end;
    unsigned long s = strtoul( v, &end, 10 );
    if( *end || !s || s>3600 ) *out_code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--timeout wants 1 to 3600 seconds, not %s", v );
    cli->timeout_ms = (uint32_t)s*1000;
  }
  return true;
}

static int parse( dmg_cli_t * cli, int argc, char ** argv, int from ) {
  dmg_cli_cmd_t const * cmd = cli->cmd;
  bool is_raw = false;
  for( int i = from; i<argc; i++ ) {
    char const * a = argv[ i ];
    int code;
    if( !is_raw && !strcmp( a, "--" ) ) { is_raw = true; continue; }
    if( !is_raw && a[ 0 ]=='-' && a[ 1 ] ) {
      if( global_option( cli, argc, argv, &i, &code ) ) { if( code ) return code; continue; }
      uint32_t o = 0;
      while( o<DMG_CLI_OPT_MAX && cmd->opt[ o ].name && strcmp( cmd->opt[ o ].name, a ) ) o++;
      if( o==DMG_CLI_OPT_MAX || !cmd->opt[ o ].name ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s has no flag %s; `demiurge help %s` lists them", cmd->name, a, cmd->name );
      if( !cmd->opt[ o ].value ) { cli->opt_value[ o ] = ""; continue; }
      if( i+1>=argc ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s wants %s", a, cmd->opt[ o ].value );
      cli->opt_value[ o ] = argv[ ++i ];
      continue;
    }
    if( cli->arg_cnt>=cmd->arg_max ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "too many arguments; usage: demiurge %s %s", cmd->name, cmd->args );
    cli->arg[ cli->arg_cnt++ ] = a;
  }
  if( cli->arg_cnt<cmd->arg_min ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "usage: demiurge %s %s", cmd->name, cmd->args );
  return DMG_EXIT_OK;
}

int main( int argc, char ** argv ) {
  /* R1.7: the compiler runs in this binary, re-executed; nothing else may happen before. */
  if( argc>1 && !strcmp( argv[ 1 ], DMG_COMPILE_CHILD_VERB ) ) return dmg_compile_child_main( argc, argv );
  signal( SIGPIPE, SIG_IGN );
  dmg_crypto_init( dmg_cpu_flags() );

  bool wants_help = argc<2 || !strcmp( argv[ 1 ], "help" ) || !strcmp( argv[ 1 ], "--help" ) || !strcmp( argv[ 1 ], "-h" );
  if( wants_help && argc<=2 ) { help( NULL ); return argc<2 ? DMG_EXIT_USAGE : DMG_EXIT_OK; }
  if( !strcmp( argv[ 1 ], "--version" ) ) { printf( "demiurge %s\n", DMG_VERSION ); return DMG_EXIT_OK; }
  if( !strcmp( argv[ 1 ], "completion" ) ) return completion( argc>2 ? argv[ 2 ] : "bash" );
  if( wants_help ) { argc--; argv++; }

  int used;
  dmg_cli_t cli = { .timeout_ms = 30000, .cmd = find( argc, argv, &used ), .answer = dmg_buf( 16<<20 ) };
  the_cli = &cli;
  /* Known before anything can fail, so that every failure has the form that was asked for. */
  for( int i = 1; i+1<argc; i++ ) if( !strcmp( argv[ i ], "-o" ) && !strcmp( argv[ i+1 ], "json" ) ) cli.is_json = true;
  for( int i = 2; i<argc; i++ ) if( !strcmp( argv[ i ], "--help" ) || !strcmp( argv[ i ], "-h" ) ) wants_help = true;
  if( !cli.cmd && wants_help && ( is_noun( argv[ 1 ] ) || !strcmp( argv[ 1 ], "help" ) || !strcmp( argv[ 1 ], "completion" ) ) ) return help( is_noun( argv[ 1 ] ) ? argv[ 1 ] : NULL );
  if( !cli.cmd ) return unknown_command( &cli, argv );
  if( wants_help ) return help( cli.cmd->name );

  cli.arena = dmg_arena_new( 256<<20 );
  cli.json  = dmg_json_new();
  if( !cli.arena || !cli.json ) return dmg_cli_fail( &cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" );
  int code = parse( &cli, argc, argv, used );
  dmg_log_setup( 2, cli.is_verbose ? DMG_LOG_LEVEL_DEBUG : DMG_LOG_LEVEL_WARN, DMG_LOG_FORMAT_AUTO );
  if( !code ) code = cli.cmd->run( &cli );
  if( fflush( stdout ) ) code = DMG_EXIT_INTERNAL;
  dmg_buf_fini( &cli.answer );
  dmg_json_free( cli.json );
  dmg_arena_free( cli.arena );
  return code;
}
