/* proof: judging a node's proven answer without believing the node (F0.5).

     key, value --tree proof--> root = header.parent_state_root --block hash, links--> FINALIZATION by a quorum of the set

   Trust  a chain id and its validators: of a genesis, or one that the user names, or the published one of dev chains.  The set of genesis is that of every epoch in this release (docs/spec/absent.md, C7.2).
          Where only a key is trusted the chain is the one that the proof claims: the certificate's signature is over its id, so nobody else made it */
#ifndef DMG_CLI_PROOF_H
#define DMG_CLI_PROOF_H

#include "cli/cli.h"
#include "types/agree.h"

typedef struct { dmg_hash_t chain; bool has_chain; dmg_set_t set; } dmg_cli_trust_t;

/* answer: {key, value, proof {chain, height, header, tree, finality, links?}}.  true: value (null: none) stands under key in the state
   after *out_height of *out_chain, and that is final.  false: out_why says which step failed. */
bool dmg_cli_proof_check( dmg_cli_t * cli, dmg_jv_t answer, dmg_cli_trust_t const * trust, dmg_hash_t * out_chain, uint64_t * out_height, dmg_span_t * out_value, char out_why[256] );

#endif
