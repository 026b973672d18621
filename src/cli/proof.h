/* proof: judging a node's proven answer without believing the node (F0.5).

     key, value --tree proof--> root = header.parent_state_root --block hash, links--> FINALIZATION by the validator's key

   Trust  the chain id and the validator's BLS key; for a dev chain the key is the published one, elsewhere the
          user names it */
#ifndef DMG_CLI_PROOF_H
#define DMG_CLI_PROOF_H

#include "cli/cli.h"

typedef struct { dmg_hash_t chain; uint8_t validator_key[ 96 ]; } dmg_cli_trust_t;

/* answer: {key, value, proof {height, header, tree, finality, links?}}.  true: value (null: none) stands under key in the state
   after *out_height, and that is final.  false: out_why says which step failed. */
bool dmg_cli_proof_check( dmg_cli_t * cli, dmg_jv_t answer, dmg_cli_trust_t const * trust, uint64_t * out_height, dmg_span_t * out_value, char out_why[256] );

#endif
