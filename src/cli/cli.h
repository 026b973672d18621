/* cli: the command line `demiurge NOUN [VERB] [ARGS] [FLAGS]` (interfaces part 1).

     argv --> one table of commands and flags --> run( cli ) --> exit code
                    |--> help, man pages, bash/zsh/fish completion (cmd_help.c)

   stdout carries data only, stderr all talk (F1.3).  An answer leaves by dmg_cli_print, in the form that -o and
   --fields ask for (output.c).  With -o json a command prints one document, or on failure nothing on stdout and
   {"error": {..}} on stderr.

   Ctrl-C ends a command at once with 130, and says what was submitted already (dmg_cli_submitted).

   Failure  an exit code of F1.4 */
#ifndef DMG_CLI_CLI_H
#define DMG_CLI_CLI_H

#include "base/arena.h"
#include "crypto/hash.h"
#include "rpc/json.h"
#include "types/asset.h"

typedef enum {
  DMG_EXIT_OK = 0, DMG_EXIT_INTERNAL = 1, DMG_EXIT_USAGE = 2, DMG_EXIT_REFUSED = 3, DMG_EXIT_UNAVAILABLE = 4, DMG_EXIT_NOT_FOUND = 5,
  DMG_EXIT_TIMEOUT = 6, DMG_EXIT_KEY = 7, DMG_EXIT_CONFIRM = 8, DMG_EXIT_PARTIAL = 9, DMG_EXIT_INTERRUPTED = 130
} dmg_exit_t;

enum { DMG_CLI_ARG_MAX = 100, DMG_CLI_OPT_MAX = 14 };

/* Which flags beside those of every command: bits of dmg_cli_cmd_t.takes. */
enum {
  DMG_CLI_FROM = 1,    /* --from and --key: who signs */
  DMG_CLI_SENDS = 2,   /* a transaction is built: --dry-run and its fields */
  DMG_CLI_WAITS = 4,   /* --wait, --progress */
  DMG_CLI_AT = 8,
  DMG_CLI_PROVES = 16,
  DMG_CLI_FOLLOWS = 32,/* --progress alone */
  DMG_CLI_PLACES = 64  /* --lane, --nonce */
};
#define DMG_CLI_TX ( DMG_CLI_FROM|DMG_CLI_SENDS|DMG_CLI_WAITS|DMG_CLI_PLACES )

/* X( NAME, "--flag", "VALUE" or NULL for a switch, bits of takes or 0 for every command, "text" ) */
#define DMG_CLI_FLAG_TABLE( X )                                                                                                                                   \
  X( FROM,     "--from",     "ACCOUNT",  DMG_CLI_FROM,  "who signs and pays: a key or account of yours, alice .. judy on a dev chain, or dmg1.. (DEMIURGE_FROM)" ) \
  X( KEY,      "--key",      "NAME,..",  DMG_CLI_FROM,  "the keys that sign, where they are not the one named by --from" )                                        \
  X( DRY_RUN,  "--dry-run",  NULL,       DMG_CLI_SENDS, "show what would be signed and what it would do; sign and send nothing" )                                  \
  X( LANE,     "--lane",     "N",        DMG_CLI_PLACES, "nonce lane 0 .. 1023 (default 0)" )                                                                      \
  X( NONCE,    "--nonce",    "N",        DMG_CLI_PLACES, "the nonce (default: the lane's next)" )                                                                  \
  X( GAS,      "--gas",      "N",        DMG_CLI_SENDS, "gas limit (default: the node's estimate)" )                                                              \
  X( FEE_MAX,  "--fee-max",  "AMOUNT",   DMG_CLI_SENDS, "the most it may cost (default: twice what its gas limit costs now)" )                                                \
  X( TIP,      "--tip",      "AMOUNT",   DMG_CLI_SENDS, "for the validator, within --fee-max" )                                                                   \
  X( EXPIRES,  "--expires",  "BLOCKS",   DMG_CLI_SENDS, "how many blocks it may wait (default 480)" )                                                             \
  X( WAIT,     "--wait",     "none|pooled|included|final", DMG_CLI_WAITS, "when the command returns (default final)" )                                            \
  X( AT,       "--at",       "BLOCK",    DMG_CLI_AT,    "head (default), final, a height or a hash" )                                                             \
  X( PROOF,    "--proof",    NULL,       DMG_CLI_PROVES, "reads: fetch a Merkle proof and the block's certificate, and check both here; sends: wait for the next block, too, which proves it" )                                \
  X( PROGRESS, "--progress", "auto|plain|json|none", DMG_CLI_WAITS|DMG_CLI_FOLLOWS, "how waiting is shown on stderr (auto: a line on a terminal)" )               \
  X( NETWORK,  "--network",  "NAME",     0, "dev, or a chain as demiurge:<32 hex>; a node of another is refused (client.network)" )                               \
  X( RPC,      "--rpc",      "URL",      0, "the node (client.rpc; default http://127.0.0.1:7369/rpc)" )                                                          \
  X( OUT,      "-o",         "text|json|jsonl|csv", 0, "what stdout carries" )                                                                                    \
  X( FIELDS,   "--fields",   "A,B.C",    0, "only these members of the answer, or of each of its items" )                                                         \
  X( TIMEOUT,  "--timeout",  "SECONDS",  0, "of one request, and of waiting (default 30)" )                                                                       \
  X( CONFIG,   "--config",   "FILE",     0, "settings" )                                                                                                          \
  X( YES,      "--yes",      NULL,       0, "do not ask before signing or removing" )                                                                                         \
  X( QUIET,    "-q",         NULL,       0, "no talk on stderr" )                                                                                                 \
  X( VERBOSE,  "-v",         NULL,       0, "more talk" )                                                                                                         \
  X( HELP,     "--help",     NULL,       0, "help of a command" )

typedef enum {
#define DMG_CLI_FLAG_ENUM( name, flag, value, takes, text ) DMG_CLI_FLAG_##name,
  DMG_CLI_FLAG_TABLE( DMG_CLI_FLAG_ENUM )
#undef DMG_CLI_FLAG_ENUM
  DMG_CLI_FLAG_CNT
} dmg_cli_flag_t;

typedef struct { char const * name, * value; uint32_t takes; char const * text; } dmg_cli_flag_desc_t;
extern dmg_cli_flag_desc_t const dmg_cli_flags[ DMG_CLI_FLAG_CNT ];

typedef struct dmg_cli dmg_cli_t;

/* value NULL: a switch. */
typedef struct { char const * name, * value, * text; } dmg_cli_opt_t;

typedef struct {
  char const *  name;                     /* "transfer", "key new" */
  char const *  args;                     /* "TO AMOUNT", "[BLOCK]", "ID.."; the words also say what completion offers */
  uint32_t      arg_min, arg_max;
  char const *  text;                     /* one line */
  char const *  more;                     /* further help, or NULL */
  int        (* run)( dmg_cli_t * cli );
  uint32_t      takes;
  dmg_cli_opt_t opt[ DMG_CLI_OPT_MAX ];   /* its own; ends at name NULL */
} dmg_cli_cmd_t;

/* All commands: tables that end at name NULL, the list at NULL. */
extern dmg_cli_cmd_t const * const dmg_cli_table[];
/* Does the command take the flag? */
static inline bool dmg_cli_has( dmg_cli_cmd_t const * cmd, dmg_cli_flag_t flag ) { return !dmg_cli_flags[ flag ].takes || dmg_cli_flags[ flag ].takes&cmd->takes; }

typedef enum { DMG_CLI_TEXT, DMG_CLI_JSON, DMG_CLI_JSONL, DMG_CLI_CSV } dmg_cli_out_t;

struct dmg_cli {
  dmg_cli_cmd_t const * cmd;
  char const *  arg[ DMG_CLI_ARG_MAX ];
  uint32_t      arg_cnt;
  char const *  opt_value[ DMG_CLI_OPT_MAX ];   /* by index in cmd->opt; "" for a set switch, NULL: not given */
  char const *  flag[ DMG_CLI_FLAG_CNT ];       /* the same */
  char const *  rpc_url;                  /* from --rpc or the configuration, at the first call */
  char const *  network;                  /* "" any; known after the first call */
  bool          is_network_good;          /* the node was asked and is on it */
  dmg_cli_out_t out;
  bool          is_json;                  /* errors are JSON: -o json or jsonl */
  bool          is_quiet, is_yes, is_verbose;
  uint32_t      timeout_ms;
  dmg_arena_t * arena;
  dmg_json_t *  json;                     /* reader of the last answer */
  dmg_json_t *  own;                      /* reader of what dmg_cli_print_json is given */
  dmg_buf_t     answer;
};

/* The value of an option of this command, NULL if it is not given. */
char const * dmg_cli_opt( dmg_cli_t const * cli, char const * name );
/* A decimal number of a flag or argument; false: it is none, or above max. */
bool dmg_cli_number( char const * text, uint64_t max, uint64_t * out );

/* "demiurge: text" on stderr, or the JSON error; returns code. */
__attribute__(( format( printf, 4, 5 ) ))
int dmg_cli_fail( dmg_cli_t const * cli, int code, char const * name, char const * fmt, ... );
#ifdef __clang_analyzer__   /* it does not see across files what comes back */
#define dmg_cli_fail( cli, code, ... )  ( (void)dmg_cli_fail( cli, code, __VA_ARGS__ ), code )
#endif
/* Talk on stderr, unless -q. */
__attribute__(( format( printf, 2, 3 ) ))
void dmg_cli_say( dmg_cli_t const * cli, char const * fmt, ... );
/* Control characters become '?': what a node or a file says may hold escape sequences, and none reaches the terminal. */
void dmg_cli_plain( char * text );

/* One JSON-RPC call; params is a JSON object or array.  0 and *out_result, valid until the next call; else an
   exit code, with the error told already. */
int dmg_cli_call( dmg_cli_t * cli, char const * method, dmg_span_t params, dmg_jv_t * out_result );
/* The same, but what the node refuses is not told: code, name and message go to out. */
typedef struct { int code; char name[ 64 ], message[ 512 ]; } dmg_cli_refusal_t;
int dmg_cli_try( dmg_cli_t * cli, char const * method, dmg_span_t params, dmg_jv_t * out_result, dmg_cli_refusal_t * out );
/* Why nobody answers, as every command says it; the exit code. */
int dmg_cli_no_node( dmg_cli_t const * cli, dmg_err_t err, char const * why );
/* A line for each peer that the node was told of and does not reach, with why (cmd_net.c); has_none: of no peer at all, too, that it was told of none. */
int dmg_cli_unreached( dmg_cli_t * cli, bool has_none, char const * indent );
/* A code of F4.1 as an exit code. */
int dmg_cli_exit_of( int64_t code );
/* printf into the arena. */
__attribute__(( format( printf, 2, 3 ) ))
dmg_span_t dmg_cli_text( dmg_cli_t * cli, char const * fmt, ... );
char const * dmg_cli_dup( dmg_cli_t * cli, dmg_span_t text );   /* terminated, in the arena */
/* text as a JSON string with its quotes, in the arena. */
char const * dmg_cli_quote( dmg_cli_t * cli, char const * text );
/* Lower-case hex without 0x, in the arena. */
char const * dmg_cli_hex_of( dmg_cli_t * cli, dmg_span_t bytes );
/* 0x hex of an argument; false: it is none. */
bool dmg_cli_unhex( dmg_cli_t * cli, char const * text, dmg_span_t * out );
/* text is 0x and 2 sz hex digits. */
bool dmg_cli_hex_exact( char const * text, uint8_t * out, size_t sz );
/* An argument or the file it names: "-" is standard input, @PATH a file.  0 or an exit code, told already. */
int  dmg_cli_slurp( dmg_cli_t * cli, char const * arg, dmg_span_t * out );

/* ---- Output (output.c) ---- */

/* Is the answer wanted as data: not -o text, or with --fields?  Else the command words it itself. */
bool dmg_cli_is_data( dmg_cli_t const * cli );
/* Prints an answer: json as it stands, jsonl a line an item, csv a header and a row an item, text with --fields tabs between.
   Items are the elements of the member "items" or of an array, else the answer itself.  0, or USAGE: a field that none has. */
int dmg_cli_print( dmg_cli_t * cli, dmg_jv_t v );
/* USAGE unless each of --fields begins with one of members (a NULL ends them): for an answer that costs something to get. */
int dmg_cli_check_fields( dmg_cli_t const * cli, char const * const * members );
/* The same of a document of our own, JSON that is good. */
int dmg_cli_print_json( dmg_cli_t * cli, dmg_span_t json );
/* Rows of a stream: the header of csv once, then a row each; a row may lack a field that --fields names. */
int dmg_cli_print_row( dmg_cli_t * cli, dmg_jv_t row, bool is_first );

/* Where a wait stands (F1.9): a line on a terminal, on a change (plain), one a second (json), or nothing. */
void dmg_cli_progress( dmg_cli_t const * cli, char const * what, char const * state, uint64_t elapsed_ms, uint64_t timeout_ms );
void dmg_cli_progress_end( dmg_cli_t const * cli );

/* Shows what (may be NULL) on stderr and asks on a terminal; --yes answers.  0: go on; DMG_EXIT_CONFIRM otherwise, told already.  Where
   nobody is asked, -q and the forms whose errors are JSON leave what away. */
int dmg_cli_confirm( dmg_cli_t const * cli, char const * what, char const * question );
/* F1.5: a line from the terminal, NULL: there is none to ask. */
char const * dmg_cli_ask( dmg_cli_t * cli, char const * what );

/* From here on Ctrl-C says that this id may be on the chain. */
void dmg_cli_submitted( dmg_cli_t const * cli, char const * id_hex );
/* From here on it says at which cursor a stream goes on. */
void dmg_cli_resumes( dmg_cli_t const * cli, char const * cursor );
/* Installs the handler. */
void dmg_cli_interruptible( dmg_cli_t const * cli );

/* ---- Words ---- */

/* An account: dmg1.., a name of the keystore, or one of the dev chain.  0, or an exit code, told already. */
int dmg_cli_account( dmg_cli_t * cli, char const * text, dmg_hash_t * out );
/* A block: head, final, a height or a hash, as the JSON of F0.4.  0, or an exit code, told already. */
int dmg_cli_at( dmg_cli_t * cli, char const * text, dmg_span_t * out );
/* ",\"at\":.." of --at, or nothing. */
int dmg_cli_at_flag( dmg_cli_t * cli, dmg_span_t * out );
/* "12.5" CGT, or "12sparks", of argument or flag `what`, at least `least` sparks; else USAGE, told. */
int dmg_cli_amount( dmg_cli_t const * cli, char const * what, char const * text, uint64_t least, uint64_t * out_sparks );
/* "12.5 CGT" */
#define DMG_CLI_AMOUNT_SZ DMG_AMOUNT_TEXT_SZ
static inline void dmg_cli_amount_text( uint64_t sparks, char out[ DMG_CLI_AMOUNT_SZ ] ) { dmg_amount_text( sparks, out ); }

/* Members of an answer; a missing or other one ends the command of dmg_cli_use with UNAVAILABLE ("the node's answer lacks .."). */
void       dmg_cli_use ( dmg_cli_t const * cli );
uint64_t   dmg_cli_u64 ( dmg_jv_t object, char const * key );
dmg_span_t dmg_cli_str ( dmg_jv_t object, char const * key );
dmg_hash_t dmg_cli_hash( dmg_jv_t object, char const * key );
dmg_span_t dmg_cli_hex ( dmg_cli_t * cli, dmg_jv_t object, char const * key );   /* empty for null */
dmg_jv_t   dmg_cli_get ( dmg_jv_t object, char const * key );

/* ---- Help (cmd_help.c) ---- */

/* help [--man] [--man-dir DIR] [COMMAND], completion SHELL, and what the completion scripts ask. */
int dmg_cli_help( dmg_cli_t const * cli, int argc, char ** argv );
int dmg_cli_completion( dmg_cli_t const * cli, char const * shell );
int dmg_cli_complete( int argc, char ** argv );
bool dmg_cli_is_noun( char const * word );
/* USAGE, with the command that word is nearest to. */
int dmg_cli_no_command( dmg_cli_t const * cli, char const * word );

extern dmg_cli_cmd_t const dmg_cmds_dev[], dmg_cmds_key[], dmg_cmds_send[], dmg_cmds_tx[], dmg_cmds_account[], dmg_cmds_read[], dmg_cmds_sub[], dmg_cmds_config[], dmg_cmds_doctor[], dmg_cmds_node[], dmg_cmds_testnet[], dmg_cmds_net[], dmg_cmds_signer[];

#endif
