/* tx_effects: what a transaction would do, asked of the node before anything is signed (F1.5).

     transaction --dmg_cli_tx_price (tx_estimate)--> gas and fee maximum, where nobody set them
                 --dmg_cli_tx_effects (tx_preview)--> assets that move, events, deposits, bill --> lines or JSON

   Two questions, because their answers differ.  tx_estimate runs with all the gas there is and bills nothing: it says what to set.
   tx_preview runs what would be signed, with its own gas and fee, and bills it; only then is seen

     - that the reserve (R5.9) is gone while the calls run: one who sends his last spark passes the first and fails the second, and
       `transfer_all` moves less;
     - that the gas limit is too low (NO_GAS), or the fee maximum or the balance (TxRejected: no block takes it);
     - what it costs: at least three quarters of the limit are billed, which for all the gas there is would be another sum;
     - that the bill empties the account, whose entry then gives its deposit back.

   Neither looks at signatures and nonces, and both act with the sender's owner role: keys that are too few show at submission.
   The assets that move are without the bill, which stands beside them.

   Memory   the command's arena
   Failure  exit codes, told already unless a refusal is filled */
#ifndef DMG_CLI_TX_EFFECTS_H
#define DMG_CLI_TX_EFFECTS_H

#include "cli/cli.h"
#include "types/asset.h"
#include "types/tx.h"

/* What one account's holding of an asset does. */
typedef struct { dmg_hash_t account; dmg_asset_t asset; uint64_t out, in; } dmg_cli_change_t;

enum { DMG_CLI_CHANGE_MAX = 2048 };

typedef struct {
  dmg_cli_change_t * diff;
  uint32_t           diff_cnt;
  uint64_t           gas_used, energy;
  uint64_t           gas_to_set;         /* used x 1.2 */
  uint64_t           fee;                /* the bill at the price of now, tip included; sparks */
  uint64_t           held, returned;     /* deposits, sparks */
  dmg_span_t         receipt;            /* BCS */
} dmg_cli_effects_t;

int dmg_cli_tx_encode( dmg_cli_t * cli, dmg_tx_t const * tx, dmg_span_t * out );
/* Gas and fee maximum of a transaction at 0 are filled in: what it uses x 1.2, and twice what the limit it then has costs now, tip included. */
int dmg_cli_tx_price( dmg_cli_t * cli, dmg_tx_t * tx );
/* REFUSED and the reason in out_refusal, not told: it would fail, or not get into a block.  Of too little gas or money it says how much there is and what
   would do. */
int dmg_cli_tx_effects( dmg_cli_t * cli, dmg_tx_t const * tx, dmg_cli_effects_t * out, dmg_cli_refusal_t * out_refusal );

/* "\n  diff -1 CGT  alice (dmg1..)" of each change, the sender's first; then events, energy, deposits.  Named are accounts of the keystore, and of
   the dev chain if is_dev. */
void dmg_cli_effects_text( dmg_cli_t * cli, dmg_cli_effects_t const * effects, dmg_hash_t const * sender, bool is_dev, dmg_buf_t * out );
/* Members status, gasUsed, energy, fee, held, returned, diff, events. */
void dmg_cli_effects_json( dmg_cli_t * cli, dmg_cli_effects_t const * effects, dmg_jw_t * w );

/* "balances.InsufficientBalance": the name of a fault (F0.6); "ChainRefused" of what has none. */
char const * dmg_cli_fault_name( dmg_cli_t * cli, unsigned status, uint16_t module, uint32_t code );

#endif
