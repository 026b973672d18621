#include "cli/cli.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/os.h"
#include "crypto/hash.h"
#include "runtime/compile_child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

dmg_cli_cmd_t const * const dmg_cli_table[] = { dmg_cmds_dev, dmg_cmds_send, dmg_cmds_tx, dmg_cmds_read, dmg_cmds_sub, dmg_cmds_account, dmg_cmds_key, dmg_cmds_config, dmg_cmds_doctor, dmg_cmds_node, dmg_cmds_testnet, dmg_cmds_net, dmg_cmds_signer, NULL };

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
  if( argv[ 1 ][ 0 ]=='-' ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "the command comes before its flags: demiurge COMMAND [ARGS] %.60s ..", argv[ 1 ] );
  return dmg_cli_no_command( cli, argv[ 1 ] );
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

/* What other programs call flags of ours that are short. */
static struct { char const * other, * ours; } const renamed[] = { { "--json", "-o json" }, { "--output", "-o" }, { "--format", "-o" }, { "--quiet", "-q" }, { "--verbose", "-v" }, { "--version", "demiurge --version" } };

/* How far a flag is from what was typed; its beginning (--thresh, --data-dir) is as near as one letter. */
static unsigned distance( char const * typed, char const * flag ) {
  size_t n = strlen( typed ), m = strlen( flag ), least = n<m ? n : m;
  return least>=5 && !strncmp( typed, flag, least ) ? 1 : dmg_edit_distance( typed, flag );
}

static int unknown_flag( dmg_cli_t const * cli, char const * a ) {
  dmg_cli_cmd_t const * cmd = cli->cmd;
  char name[ 32 ];
  char const * value, * best = NULL;
  unsigned least = 3;
  split( a, name, &value );
  /* Two letters (-q, -5) are near to everything. */
  for( unsigned f = 0; f<DMG_CLI_FLAG_CNT && name[ 2 ]; f++ ) {
    unsigned d = dmg_cli_has( cmd, (dmg_cli_flag_t)f ) ? distance( name, dmg_cli_flags[ f ].name ) : least;
    if( d<least ) { least = d; best = dmg_cli_flags[ f ].name; }
  }
  for( uint32_t o = 0; o<DMG_CLI_OPT_MAX && cmd->opt[ o ].name && name[ 2 ]; o++ ) {
    unsigned d = distance( name, cmd->opt[ o ].name );
    if( d<least ) { least = d; best = cmd->opt[ o ].name; }
  }
  for( size_t i = 0; i<sizeof renamed/sizeof *renamed; i++ ) if( !strcmp( name, renamed[ i ].other ) ) best = renamed[ i ].ours;
  if( best ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s has no flag %.60s; did you mean %s?", cmd->name, a, best );
  return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s has no flag %.60s; `demiurge help %s` lists them", cmd->name, a, cmd->name );
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
  /* Where the first argument is an account it is the one that signs. */
  bool is_named = !strncmp( cmd->args, "NAME", 4 ) || !strncmp( cmd->args, "ACCOUNT", 7 );
  if( cmd->takes&DMG_CLI_FROM && !is_named && !cli->flag[ DMG_CLI_FLAG_FROM ] && !( env && *env ) && cmd->takes&DMG_CLI_SENDS ) {
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
    /* A negative number is an argument, which the command refuses by its name; no flag looks like it. */
    if( !is_raw && a[ 0 ]=='-' && a[ 1 ] && !( a[ 1 ]>='0' && a[ 1 ]<='9' && cli->arg_cnt<cmd->arg_max ) ) {
      if( !option( cli, argc, argv, &i, &code ) ) return unknown_flag( cli, a );
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
  dmg_cli_use( &cli );
  look_for_out( &cli, argc, argv );
  if( argc<2 ) { dmg_cli_help( &cli, 0, NULL ); return DMG_EXIT_USAGE; }
  char const * first = argv[ 1 ];
  if( !strcmp( first, "--version" ) || !strcmp( first, "-V" ) ) { printf( "demiurge %s\n", DMG_VERSION ); return DMG_EXIT_OK; }
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
  cli.json  = dmg_json_new_answer();
  cli.own   = dmg_json_new_answer();
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
