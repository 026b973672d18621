/* draft: a transaction from what a user says to what the chain answers.

     MODULE CALL ARGS --the module's interface--> calls --nonce, price, effects--> draft --show, ask--> sign --> submit --> wait --> receipt

   What is signed binds the interface that is shown: the schema hash is computed here over the names, types and the `says`
   line, so a node cannot pass one call off as another.

   Memory   all in the command's arena
   Failure  exit codes, told already */
#ifndef DMG_CLI_DRAFT_H
#define DMG_CLI_DRAFT_H

#include "cli/keystore.h"
#include "cli/tx_effects.h"
#include "codec/abi.h"
#include "types/receipt.h"

typedef struct { dmg_hash_t id; bool is_dev; uint64_t head; } dmg_cli_chain_t;
int dmg_cli_chain( dmg_cli_t * cli, dmg_cli_chain_t * out );

/* ---- Names ---- */

/* The account that a name of the user's keystore stands for, or one of the dev chain, if the node's chain is of kind dev (F1.7): elsewhere
   KEY, told.  NOT_FOUND: there is no such name, and nothing is told.  All that takes an account's name looks here. */
int dmg_cli_find( dmg_cli_t * cli, char const * name, dmg_cli_named_t * out );

/* ---- Interfaces ---- */

/* Of a module by name or number. */
int dmg_cli_abi( dmg_cli_t * cli, char const * module, dmg_abi_t const ** out );
/* The same by number, of those asked for before or from the node; NULL: it cannot be had, and nothing is told. */
dmg_abi_t const * dmg_cli_abi_of( dmg_cli_t * cli, uint16_t module );
/* Arguments as BCS from "0x..", JSON (an object by name or an array in order), @FILE or - with either; NULL: none. */
int dmg_cli_args( dmg_cli_t * cli, dmg_abi_t const * abi, dmg_abi_fn_t const * fn, char const * text, dmg_span_t * out );
/* A call with its schema hash; what may be NULL. */
int dmg_cli_make_call( dmg_cli_t * cli, char const * module, char const * name, char const * args, dmg_tx_call_t * out, char const ** out_says );
/* A module's query: its result and the block it was asked at, both as JSON in the arena. */
int dmg_cli_query( dmg_cli_t * cli, char const * module, char const * name, char const * args, dmg_span_t * out_result, dmg_span_t * out_at );
/* One value of a type as JSON text in the arena. */
dmg_span_t dmg_cli_value_json( dmg_cli_t * cli, dmg_type_t const * type, dmg_span_t bcs );
/* "balances.transfer to dmg1.., amount 12.5 CGT, memo 0x": a call, or an event of a receipt, by the module's interface; its numbers and bytes where none fits. */
void dmg_cli_call_text ( dmg_cli_t * cli, dmg_tx_call_t const * call, dmg_buf_t * out );
void dmg_cli_event_text( dmg_cli_t * cli, dmg_event_t const * event, dmg_buf_t * out );
/* The call in its own words, arguments filled in; NULL: no module of this chain has it. */
char const * dmg_cli_says( dmg_cli_t * cli, dmg_tx_call_t const * call );

/* ---- Drafts ---- */

typedef struct {
  dmg_tx_t           tx;
  dmg_tx_call_t      calls[ DMG_TX_CALL_MAX ];
  dmg_tx_sig_t       sigs[ DMG_TX_SIG_MAX ];
  uint8_t            sig_mem[ DMG_TX_SIG_MAX ][ 64 ];
  dmg_cli_key_t      keys[ DMG_TX_SIG_MAX ];
  dmg_account_init_t init;
  char const *       from;              /* as the user named it */
  char const *       what;              /* what it does, in words */
  dmg_span_t         raw;               /* unsigned before dmg_cli_draft_run */
  bool               is_dev;            /* of a dev chain */
  dmg_cli_effects_t  effects;           /* as billed, by the node */
} dmg_cli_draft_t;

/* The transaction that --from, --key and the other flags want around these calls, priced and previewed.  REFUSED: it would fail. */
int dmg_cli_draft( dmg_cli_t * cli, dmg_cli_chain_t const * chain, dmg_tx_call_t const * calls, uint32_t call_cnt, char const * what, dmg_cli_draft_t * out );
/* The same, but in the place of another that waits: lane and nonce as they are, and a price at least 10 % higher (F4.4). */
int dmg_cli_draft_replace( dmg_cli_t * cli, dmg_cli_chain_t const * chain, dmg_tx_t const * old, dmg_tx_call_t const * calls, uint32_t call_cnt, char const * what, dmg_cli_draft_t * out );
/* {id, tx, gas, diff, ..} of a draft on stdout; text: its bytes. */
int dmg_cli_draft_print( dmg_cli_t * cli, dmg_cli_draft_t const * draft );
/* Shows, asks, signs, sends, waits as --wait says and prints the receipt; --yes shows and asks nothing; --dry-run: shows. */
int dmg_cli_draft_send( dmg_cli_t * cli, dmg_cli_draft_t * draft );
/* The same without printing: *out_id, and the answer of tx_receipt if it was waited for (else absent). */
int dmg_cli_draft_run( dmg_cli_t * cli, dmg_cli_draft_t * draft, char const ** out_id, dmg_jv_t * out_receipt );

/* Waits until a transaction is as far as `until`; refused, expired, replaced are REFUSED, time over is TIMEOUT. */
int dmg_cli_wait( dmg_cli_t * cli, char const * id_hex, char const * until );
/* The receipt.  is_result: it tells whether the command succeeded, so REFUSED unless it is OK, and then no document (F1.3). */
int dmg_cli_receipt( dmg_cli_t * cli, char const * id_hex, bool is_result );

/* Events of a receipt as JSON: [{module, event, fields}]. */
dmg_span_t dmg_cli_events_json( dmg_cli_t * cli, dmg_span_t receipt );

#endif
