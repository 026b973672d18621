/* help: help, man pages and completion, all from the one table of commands and flags (F1.8).

     demiurge help [COMMAND]              text
     demiurge help --man [COMMAND]        a man page; --man-dir DIR writes all of them
     demiurge completion bash|zsh|fish    a script that asks `demiurge __complete WORD..` for what may stand at the last word

   What completion offers besides the table are names of keys (files of the keystore) and of modules, calls and queries
   (the cache that calls and queries leave behind): no node is ever asked. */
#include "base/os.h"
#include "cli/cache.h"
#include "cli/cli.h"
#include "cli/keystore.h"

#include <stdio.h>
#include <stdlib.h>

#define EACH( c ) for( dmg_cli_cmd_t const * const * t_ = dmg_cli_table; *t_; t_++ ) for( dmg_cli_cmd_t const * c = *t_; c->name; c++ )

static struct { int code; char const * text; } const exits[] = {
  { 0, "done" }, { 1, "internal" }, { 2, "usage" }, { 3, "refused by the chain, or a proof that does not hold" }, { 4, "network or node unavailable" }, { 5, "not found" }, { 6, "timeout" },
  { 7, "key locked or denied" }, { 8, "confirmation needed" }, { 9, "part of a batch failed" }, { 130, "interrupted" } };

static struct { char const * name, * text; } const environment[] = {
  { "DEMIURGE_FROM", "who signs, unless --from says" }, { "DEMIURGE_KEYS", "the folder of the keystore (default ~/.config/demiurge/keys)" },
  { "DEMIURGE_PASSPHRASE_FD", "a descriptor that gives passphrases, a line each, instead of a prompt" }, { "DEMIURGE_CONFIG", "the configuration file" },
  { "DEMIURGE_CLIENT_RPC, DEMIURGE_<SECTION>_<KEY>", "any setting of `demiurge config show`" }, { "NO_COLOR", "no colours, if set" } };

static dmg_cli_opt_t const extra[] = {
  { "help", "[--man | --man-dir DIR] [COMMAND]", "this list, the help or the man page of one command, or all man pages" },
  { "completion", "bash|zsh|fish", "a completion script for your shell" } };
enum { EXTRA_CNT = sizeof extra/sizeof *extra };

bool dmg_cli_is_noun( char const * word ) {
  size_t n = strlen( word );
  EACH( c ) if( !strncmp( c->name, word, n ) && c->name[ n ]==' ' ) return true;
  return false;
}

int dmg_cli_no_command( dmg_cli_t const * cli, char const * word ) {
  char const * best = NULL;
  unsigned least = 3;
  EACH( c ) {
    unsigned d = dmg_edit_distance( word, c->name );
    if( d<least ) { least = d; best = c->name; }
  }
  if( best ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "there is no command %.100s; did you mean %s?", word, best );
  return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "there is no command %.100s; `demiurge help` lists them", word );
}

static dmg_cli_cmd_t const * find( char const * name ) {
  EACH( c ) if( !strcmp( c->name, name ) ) return c;
  return NULL;
}

/* ---- Text ---- */

static void text_line( char const * a, char const * b, char const * text, int width ) {
  char left[ 200 ];
  snprintf( left, sizeof left, "%s%s%s", a, b && *b ? " " : "", b ? b : "" );
  if( strlen( left )>(size_t)width ) printf( "  %s\n  %*s %s\n", left, width, "", text );
  else                               printf( "  %-*s %s\n", width, left, text );
}

static void text_flags( dmg_cli_cmd_t const * cmd ) {
  for( unsigned f = 0; f<DMG_CLI_FLAG_CNT; f++ )
    if( cmd ? dmg_cli_flags[ f ].takes&cmd->takes : !dmg_cli_flags[ f ].takes ) text_line( dmg_cli_flags[ f ].name, dmg_cli_flags[ f ].value, dmg_cli_flags[ f ].text, 26 );
}

static void text_command( dmg_cli_cmd_t const * c ) {
  printf( "demiurge %s%s%s [FLAGS]\n\n  %s\n", c->name, *c->args ? " " : "", c->args, c->text );
  if( c->more ) printf( "%s\n", c->more );
  if( c->opt[ 0 ].name || c->takes ) printf( "\nflags:\n" );
  for( uint32_t i = 0; i<DMG_CLI_OPT_MAX && c->opt[ i ].name; i++ ) text_line( c->opt[ i ].name, c->opt[ i ].value, c->opt[ i ].text, 26 );
  text_flags( c );
}

static void text_main( void ) {
  printf( "demiurge %s: a blockchain for creators and gamers\n\nusage: demiurge COMMAND [ARGS] [FLAGS]\n\n", DMG_VERSION );
  EACH( c ) text_line( c->name, c->args, c->text, 34 );
  for( int i = 0; i<EXTRA_CNT; i++ ) text_line( extra[ i ].name, extra[ i ].value, extra[ i ].text, 34 );
}

/* ---- Man pages ---- */

/* Text for roff: backslashes and hyphens escaped, no line begins with a control character. */
static void roff( FILE * to, char const * text ) {
  bool is_start = true;
  for( ; *text; text++ ) {
    if( is_start && ( *text=='.' || *text=='\'' ) ) fputs( "\\&", to );
    is_start = *text=='\n';
    if( *text=='\\' ) fputs( "\\e", to );
    else if( *text=='-' ) fputs( "\\-", to );
    else fputc( *text, to );
  }
}

static void man_item( FILE * to, char const * a, char const * b, char const * text ) {
  fputs( ".TP\n\\fB", to );
  roff( to, a );
  fputs( "\\fR", to );
  if( b && *b ) { fputs( " \\fI", to ); roff( to, b ); fputs( "\\fR", to ); }
  fputc( '\n', to );
  roff( to, text );
  fputc( '\n', to );
}

static void man_flags( FILE * to, dmg_cli_cmd_t const * c ) {
  if( c ) {
    for( uint32_t i = 0; i<DMG_CLI_OPT_MAX && c->opt[ i ].name; i++ ) man_item( to, c->opt[ i ].name, c->opt[ i ].value, c->opt[ i ].text );
    for( unsigned f = 0; f<DMG_CLI_FLAG_CNT; f++ ) if( dmg_cli_flags[ f ].takes&c->takes ) man_item( to, dmg_cli_flags[ f ].name, dmg_cli_flags[ f ].value, dmg_cli_flags[ f ].text );
  }
  fputs( ".SS Of every command\n", to );
  for( unsigned f = 0; f<DMG_CLI_FLAG_CNT; f++ ) if( !dmg_cli_flags[ f ].takes ) man_item( to, dmg_cli_flags[ f ].name, dmg_cli_flags[ f ].value, dmg_cli_flags[ f ].text );
}

static void man_exits( FILE * to ) {
  fputs( ".SH EXIT STATUS\n", to );
  for( size_t i = 0; i<sizeof exits/sizeof *exits; i++ ) {
    char number[ 8 ];
    snprintf( number, sizeof number, "%d", exits[ i ].code );
    man_item( to, number, NULL, exits[ i ].text );
  }
}

static void man_head( FILE * to, char const * dashed, char const * text ) {
  fputs( ".TH ", to );
  for( char const * p = dashed; *p; p++ ) fputc( *p>='a' && *p<='z' ? *p-'a'+'A' : *p, to );
  fprintf( to, " 1 \"\" \"demiurge %s\" \"Demiurge\"\n.SH NAME\n", DMG_VERSION );
  roff( to, dashed );
  fputs( " \\- ", to );
  roff( to, text );
  fputs( "\n.SH SYNOPSIS\n.B demiurge\n", to );
}

static void dashed_name( dmg_cli_cmd_t const * c, char out[ 64 ] ) {
  snprintf( out, 64, "demiurge-%s", c->name );
  for( char * p = out; *p; p++ ) if( *p==' ' ) *p = '-';
}

static void man_command( FILE * to, dmg_cli_cmd_t const * c ) {
  char dashed[ 64 ];
  dashed_name( c, dashed );
  man_head( to, dashed, c->text );
  fprintf( to, ".B %s\n", c->name );
  if( *c->args ) { fputs( ".I ", to ); roff( to, c->args ); fputc( '\n', to ); }
  fputs( ".RI [ FLAGS ]\n.SH DESCRIPTION\n", to );
  roff( to, c->text );
  fputs( ".\n", to );
  if( c->more ) { fputs( ".PP\n.nf\n", to ); roff( to, c->more ); fputs( "\n.fi\n", to ); }
  fputs( ".SH OPTIONS\n", to );
  man_flags( to, c );
  man_exits( to );
  fputs( ".SH SEE ALSO\n.BR demiurge (1)\n", to );
}

static void man_main( FILE * to ) {
  man_head( to, "demiurge", "node and command line of the Demiurge chain" );
  fputs( ".I COMMAND\n.RI [ ARGS ]\n.RI [ FLAGS ]\n.SH DESCRIPTION\n", to );
  roff( to, "One binary: a chain for development, and every question and transaction to a node. Data goes to standard output, talk to standard error. With -o json a command prints one document, "
            "or on failure nothing and an error document on standard error." );
  fputs( "\n.SH COMMANDS\n", to );
  EACH( c ) man_item( to, c->name, c->args, c->text );
  for( int i = 0; i<EXTRA_CNT; i++ ) man_item( to, extra[ i ].name, extra[ i ].value, extra[ i ].text );
  fputs( ".SH OPTIONS\n", to );
  man_flags( to, NULL );
  man_exits( to );
  fputs( ".SH ENVIRONMENT\n", to );
  for( size_t i = 0; i<sizeof environment/sizeof *environment; i++ ) man_item( to, environment[ i ].name, NULL, environment[ i ].text );
  fputs( ".SH FILES\n", to );
  man_item( to, "~/.config/demiurge/config.toml", NULL, "settings, after flags and environment" );
  man_item( to, "~/.config/demiurge/keys/", NULL, "sealed keys and known accounts" );
  man_item( to, "~/.cache/demiurge/", NULL, "compiled modules and names for completion; may be removed" );
}

/* c NULL: the page of all. */
static int man_file( dmg_cli_t const * cli, char const * dir, dmg_cli_cmd_t const * c ) {
  char path[ 4096 ], dashed[ 64 ] = "demiurge";
  if( c ) dashed_name( c, dashed );
  snprintf( path, sizeof path, "%.3900s/%s.1", dir, dashed );
  FILE * to = fopen( path, "w" );
  if( !to ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "cannot write %s", path );
  if( c ) man_command( to, c );
  else    man_main( to );
  return fclose( to ) ? dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "cannot write %s", path ) : DMG_EXIT_OK;
}

static int man_dir( dmg_cli_t const * cli, char const * dir ) {
  if( dmg_os_mkdirs( dir ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "cannot make %s", dir );
  int code = man_file( cli, dir, NULL );
  EACH( c ) if( !code ) code = man_file( cli, dir, c );
  return code;
}

int dmg_cli_help( dmg_cli_t const * cli, int argc, char ** argv ) {
  char topic[ 128 ] = "";
  bool is_man = false;
  for( int i = 0; i<argc; i++ ) {
    if( !strcmp( argv[ i ], "--man" ) ) { is_man = true; continue; }
    if( !strcmp( argv[ i ], "--man-dir" ) ) return i+1<argc ? man_dir( cli, argv[ i+1 ] ) : dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--man-dir wants DIR" );
    if( argv[ i ][ 0 ]=='-' ) continue;
    size_t n = strlen( topic );
    snprintf( topic+n, sizeof topic-n, "%s%s", n ? " " : "", argv[ i ] );
  }
  dmg_cli_cmd_t const * c = find( topic );
  for( int i = 0; i<EXTRA_CNT && !is_man; i++ ) {
    if( strcmp( topic, extra[ i ].name ) ) continue;
    printf( "demiurge %s %s\n\n  %s\n", extra[ i ].name, extra[ i ].value, extra[ i ].text );
    if( !strcmp( topic, "completion" ) ) printf( "  bash, for this shell and, in ~/.bashrc, for each new one: source <(demiurge completion bash)\n" );
    return DMG_EXIT_OK;
  }
  bool is_ours = !*topic || !strcmp( topic, "help" ) || !strcmp( topic, "completion" );
  if( !c && !is_ours && !dmg_cli_is_noun( topic ) ) return dmg_cli_no_command( cli, topic );
  if( is_man ) {
    if( c ) man_command( stdout, c );
    else    man_main( stdout );
    return DMG_EXIT_OK;
  }
  if( c ) text_command( c );
  else if( is_ours ) text_main();
  else {
    size_t n = strlen( topic );
    EACH( v ) if( !strncmp( v->name, topic, n ) && v->name[ n ]==' ' ) text_line( v->name, v->args, v->text, 34 );
  }
  printf( "\nflags of every command:\n" );
  text_flags( NULL );
  if( is_ours ) {
    printf( "\nexit codes:" );
    for( size_t i = 0; i<sizeof exits/sizeof *exits; i++ ) printf( "%s %d %s", i ? "," : "", exits[ i ].code, exits[ i ].text );
    printf( "\n" );
  }
  return DMG_EXIT_OK;
}

/* ---- Completion ---- */

static char const * prefix;
static void offer( char const * word ) { if( !strncmp( word, prefix, strlen( prefix ) ) ) printf( "%s\n", word ); }
static void offer_n( char const * word, size_t n ) { if( n>=strlen( prefix ) && !strncmp( word, prefix, strlen( prefix ) ) ) printf( "%.*s\n", (int)n, word ); }

static void offer_choices( char const * choices ) {
  while( *choices ) {
    size_t n = strcspn( choices, "|" );
    offer_n( choices, n );
    choices += n+( choices[ n ]=='|' );
  }
}

/* The word of "TO AMOUNT" or "[BLOCK]" at a place, without brackets; the last one if it repeats. */
static bool arg_word( char const * args, uint32_t idx, char out[ 64 ] ) {
  for( uint32_t i = 0; *args; i++ ) {
    size_t n = strcspn( args, " " );
    bool repeats = n>2 && ( !strncmp( args+n-2, "..", 2 ) || ( n>3 && !strncmp( args+n-3, "..]", 3 ) ) );
    if( i==idx || repeats ) {
      size_t from = *args=='[', len = 0;
      for( ; from<n && args[ from ]!='.' && args[ from ]!=']' && len<63; from++ ) out[ len++ ] = args[ from ];
      out[ len ] = 0;
      return true;
    }
    args += n;
    args += strspn( args, " " );
  }
  return false;
}

static void offer_kind( char const * kind, char const * const * arg, uint32_t arg_cnt ) {
  if( strchr( kind, '|' ) ) offer_choices( kind );
  else if( !strcmp( kind, "TO" ) || !strncmp( kind, "ACCOUNT", 7 ) || !strncmp( kind, "NAME", 4 ) || !strncmp( kind, "KEY", 3 ) ) dmg_cli_key_names( offer );
  else if( !strcmp( kind, "MODULE" ) ) dmg_cli_cache_modules( offer );
  else if( !strcmp( kind, "CALL" )  && arg_cnt ) dmg_cli_cache_names( arg[ arg_cnt-1 ], "call", offer );
  else if( !strcmp( kind, "QUERY" ) && arg_cnt ) dmg_cli_cache_names( arg[ arg_cnt-1 ], "query", offer );
}

int dmg_cli_complete( int argc, char ** argv ) {
  char two[ 128 ], word[ 64 ];
  prefix = argc ? argv[ argc-1 ] : "";
  if( argc<=1 ) {
    char last[ 64 ] = "";
    EACH( c ) {
      /* Each noun once: its verbs stand together. */
      snprintf( word, sizeof word, "%.*s", (int)strcspn( c->name, " " ), c->name );
      if( strcmp( word, last ) ) offer( word );
      snprintf( last, sizeof last, "%s", word );
    }
    for( int i = 0; i<EXTRA_CNT; i++ ) offer( extra[ i ].name );
    return DMG_EXIT_OK;
  }
  if( !strcmp( argv[ 0 ], "completion" ) ) { if( argc==2 ) offer_choices( extra[ 1 ].value ); return DMG_EXIT_OK; }
  if( !strcmp( argv[ 0 ], "help" ) ) { argv++; argc--; return dmg_cli_complete( argc, argv ); }
  size_t noun = strlen( argv[ 0 ] );
  if( argc==2 && dmg_cli_is_noun( argv[ 0 ] ) ) EACH( c ) if( !strncmp( c->name, argv[ 0 ], noun ) && c->name[ noun ]==' ' ) offer( c->name+noun+1 );
  snprintf( two, sizeof two, "%s %s", argv[ 0 ], argv[ 1 ] );
  dmg_cli_cmd_t const * c = find( two );
  int at = 2;
  if( !c ) { c = find( argv[ 0 ] ); at = 1; }
  if( !c ) return DMG_EXIT_OK;

  /* Words before the last: which are arguments, and does the last one belong to an option? */
  char const * arg[ DMG_CLI_ARG_MAX ], * wants = NULL;
  uint32_t arg_cnt = 0;
  for( ; at<argc-1; at++ ) {
    if( wants ) { wants = NULL; continue; }
    if( argv[ at ][ 0 ]!='-' ) { if( arg_cnt<DMG_CLI_ARG_MAX ) arg[ arg_cnt++ ] = argv[ at ]; continue; }
    for( unsigned f = 0; f<DMG_CLI_FLAG_CNT; f++ ) if( !strcmp( dmg_cli_flags[ f ].name, argv[ at ] ) && dmg_cli_has( c, (dmg_cli_flag_t)f ) ) wants = dmg_cli_flags[ f ].value;
    for( uint32_t o = 0; o<DMG_CLI_OPT_MAX && c->opt[ o ].name; o++ ) if( !strcmp( c->opt[ o ].name, argv[ at ] ) ) wants = c->opt[ o ].value;
  }
  if( wants ) offer_kind( wants, arg, arg_cnt );
  else if( *prefix=='-' ) {
    for( uint32_t o = 0; o<DMG_CLI_OPT_MAX && c->opt[ o ].name; o++ ) offer( c->opt[ o ].name );
    for( unsigned f = 0; f<DMG_CLI_FLAG_CNT; f++ ) if( dmg_cli_has( c, (dmg_cli_flag_t)f ) ) offer( dmg_cli_flags[ f ].name );
  } else if( arg_word( c->args, arg_cnt, word ) ) offer_kind( word, arg, arg_cnt );
  return DMG_EXIT_OK;
}

int dmg_cli_completion( dmg_cli_t const * cli, char const * shell ) {
  static char const bash[] =
    "_demiurge() {\n"
    "  local IFS=$'\\n'\n"
    "  COMPREPLY=( $(\"${COMP_WORDS[0]}\" __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null) )\n"
    "}\n"
    "complete -o default -F _demiurge demiurge\n";
  if( !strcmp( shell, "bash" ) )      fputs( bash, stdout );
  else if( !strcmp( shell, "zsh" ) )  printf( "#compdef demiurge\nautoload -U +X bashcompinit && bashcompinit\n%s", bash );
  else if( !strcmp( shell, "fish" ) ) printf( "complete -c demiurge -f -a '(set -l w (commandline -opc) (commandline -ct); $w[1] __complete $w[2..-1] 2>/dev/null)'\n" );
  else return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "completion of bash, zsh or fish, not of %s", shell );
  return DMG_EXIT_OK;
}
