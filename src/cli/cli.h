/* cli: the command line `demiurge NOUN [VERB] [ARGS] [FLAGS]` (interfaces part 1).

     argv --> one table of commands and options --> run( cli ) --> exit code
                    |--> help, bash/zsh/fish completion

   stdout carries data only, stderr all talk (F1.3).  With -o json a command prints one document, or on
   failure nothing on stdout and {"error": {..}} on stderr.

   Failure  an exit code of F1.4 */
#ifndef DMG_CLI_CLI_H
#define DMG_CLI_CLI_H

#include "base/arena.h"
#include "crypto/hash.h"
#include "rpc/json.h"

typedef enum {
  DMG_EXIT_OK = 0, DMG_EXIT_INTERNAL = 1, DMG_EXIT_USAGE = 2, DMG_EXIT_REFUSED = 3, DMG_EXIT_UNAVAILABLE = 4, DMG_EXIT_NOT_FOUND = 5,
  DMG_EXIT_TIMEOUT = 6, DMG_EXIT_KEY = 7, DMG_EXIT_CONFIRM = 8, DMG_EXIT_PARTIAL = 9, DMG_EXIT_INTERRUPTED = 130
} dmg_exit_t;

enum { DMG_CLI_ARG_MAX = 8, DMG_CLI_OPT_MAX = 12 };

typedef struct dmg_cli dmg_cli_t;

/* value NULL: a switch. */
typedef struct { char const * name, * value, * text; } dmg_cli_opt_t;

typedef struct {
  char const *  name;                     /* "transfer", "key new" */
  char const *  args;                     /* "TO AMOUNT", "[ACCOUNT]" */
  uint32_t      arg_min, arg_max;
  char const *  text;                     /* one line */
  char const *  more;                     /* further help, or NULL */
  int        (* run)( dmg_cli_t * cli );
  dmg_cli_opt_t opt[ DMG_CLI_OPT_MAX ];   /* ends at name NULL */
} dmg_cli_cmd_t;

struct dmg_cli {
  dmg_cli_cmd_t const * cmd;
  char const *  arg[ DMG_CLI_ARG_MAX ];
  uint32_t      arg_cnt;
  char const *  opt_value[ DMG_CLI_OPT_MAX ];   /* by index in cmd->opt; "" for a set switch, NULL: not given */
  char const *  rpc_url;                  /* --rpc, else client.rpc of the configuration (DEMIURGE_CLIENT_RPC over file over default) */
  bool          is_json;                  /* -o json */
  bool          is_quiet, is_yes, is_verbose;
  uint32_t      timeout_ms;
  dmg_arena_t * arena;
  dmg_json_t *  json;                     /* reader of the last answer */
  dmg_buf_t     answer;
};

/* The value of an option of this command, NULL if it is not given. */
char const * dmg_cli_opt( dmg_cli_t const * cli, char const * name );

/* "demiurge: text" on stderr, or the JSON error; returns code. */
__attribute__(( format( printf, 4, 5 ) ))
int dmg_cli_fail( dmg_cli_t const * cli, int code, char const * name, char const * fmt, ... );
#ifdef __clang_analyzer__   /* it does not see across files what comes back */
#define dmg_cli_fail( cli, code, ... )  ( (void)dmg_cli_fail( cli, code, __VA_ARGS__ ), code )
#endif
/* Talk on stderr, unless -q. */
__attribute__(( format( printf, 2, 3 ) ))
void dmg_cli_say( dmg_cli_t const * cli, char const * fmt, ... );

/* One JSON-RPC call; params is a JSON object or array.  0 and *out_result, valid until the next call; else an
   exit code, with the error told already. */
int dmg_cli_call( dmg_cli_t * cli, char const * method, dmg_span_t params, dmg_jv_t * out_result );
/* printf into the arena. */
__attribute__(( format( printf, 2, 3 ) ))
dmg_span_t dmg_cli_text( dmg_cli_t * cli, char const * fmt, ... );
/* text as a JSON string with its quotes, in the arena. */
char const * dmg_cli_quote( dmg_cli_t * cli, char const * text );
/* Prints the result of the last call as it came. */
void dmg_cli_print_answer( dmg_cli_t const * cli, dmg_jv_t v );

/* Asks on a terminal; --yes answers.  0: go on; DMG_EXIT_CONFIRM otherwise, told already. */
int dmg_cli_confirm( dmg_cli_t const * cli, char const * question );

/* An account: dmg1.., a name of the keystore, or one of the ten of the dev chain.  0, or an exit code, told already. */
int dmg_cli_account( dmg_cli_t * cli, char const * text, dmg_hash_t * out );
/* "12.5" CGT, or "12sparks".  false: not an amount. */
bool dmg_cli_amount_parse( char const * text, uint64_t * out_sparks );
/* "12.5 CGT" */
#define DMG_CLI_AMOUNT_SZ 40
void dmg_cli_amount_text( uint64_t sparks, char out[ DMG_CLI_AMOUNT_SZ ] );

/* Members of an answer; a missing or other one is an internal error that ends the command ("the node's answer lacks .."). */
uint64_t   dmg_cli_u64 ( dmg_jv_t object, char const * key );
dmg_span_t dmg_cli_str ( dmg_jv_t object, char const * key );
dmg_hash_t dmg_cli_hash( dmg_jv_t object, char const * key );
dmg_span_t dmg_cli_hex ( dmg_cli_t * cli, dmg_jv_t object, char const * key );   /* empty for null */
dmg_jv_t   dmg_cli_get ( dmg_jv_t object, char const * key );

extern dmg_cli_cmd_t const dmg_cmds_dev[], dmg_cmds_key[], dmg_cmds_tx[], dmg_cmds_read[], dmg_cmds_config[], dmg_cmds_node[], dmg_cmds_signer[];

#endif
