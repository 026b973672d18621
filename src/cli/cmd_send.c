/* transfer, send, call: one call, signed and sent. */
#include "cli/draft.h"
#include "crypto/bech32.h"

#include <stdio.h>

static int transfer( dmg_cli_t * cli ) {
  dmg_cli_chain_t chain;
  dmg_hash_t to;
  uint64_t amount;
  char to_text[ DMG_ADDRESS_TEXT_SZ+1 ], amount_text[ DMG_CLI_AMOUNT_SZ ];
  char const * memo = dmg_cli_opt( cli, "--memo" );
  dmg_tx_call_t call;
  dmg_cli_draft_t draft;
  int code = dmg_cli_amount( cli, "AMOUNT", cli->arg[ 1 ], 1, &amount );
  if( code ) return code;
  if( memo && strlen( memo )>64 ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a memo has at most 64 bytes, this one %zu", strlen( memo ) );
  code = dmg_cli_chain( cli, &chain );
  if( !code ) code = dmg_cli_account( cli, cli->arg[ 0 ], &to );
  if( code ) return code;
  dmg_address_text( &to, to_text );
  dmg_cli_amount_text( amount, amount_text );
  /* By name, so that an interface of other arguments is refused and not read otherwise. */
  dmg_span_t args = dmg_cli_text( cli, "{\"to\":\"%s\",\"amount\":\"%lu\",\"memo\":\"0x%s\"}", to_text, (unsigned long)amount, dmg_cli_hex_of( cli, dmg_span( memo, memo ? strlen( memo ) : 0 ) ) );
  if(( code = dmg_cli_make_call( cli, "balances", "transfer", (char const *)args.p, &call, NULL ) )) return code;
  bool is_name = strncmp( cli->arg[ 0 ], "dmg1", 4 ) && strncmp( cli->arg[ 0 ], "DMG1", 4 );
  dmg_span_t what = is_name ? dmg_cli_text( cli, "Pay %s to %s (%s)", amount_text, cli->arg[ 0 ], to_text ) : dmg_cli_text( cli, "Pay %s to %s", amount_text, to_text );
  if(( code = dmg_cli_draft( cli, &chain, &call, 1, (char const *)what.p, &draft ) )) return code;
  return dmg_cli_draft_send( cli, &draft );
}

static int call( dmg_cli_t * cli ) {
  dmg_cli_chain_t chain;
  dmg_tx_call_t one;
  dmg_cli_draft_t draft;
  char const * says;
  int code = dmg_cli_chain( cli, &chain );
  if( !code ) code = dmg_cli_make_call( cli, cli->arg[ 0 ], cli->arg[ 1 ], cli->arg_cnt>2 ? cli->arg[ 2 ] : NULL, &one, &says );
  if( !code ) code = dmg_cli_draft( cli, &chain, &one, 1, says, &draft );
  return code ? code : dmg_cli_draft_send( cli, &draft );
}

#define TO_AMOUNT "  TO      dmg1.., a key of yours, or alice .. judy on a dev chain\n  AMOUNT  CGT with up to 8 decimals: 12.5, or in sparks: 1250000000sparks"
#define MEMO { "--memo", "TEXT", "at most 64 bytes" }

dmg_cli_cmd_t const dmg_cmds_send[] = {
  { "transfer", "TO AMOUNT", 2, 2, "pay CGT to an account, wait until it is final", TO_AMOUNT, transfer, DMG_CLI_TX|DMG_CLI_PROVES, { MEMO } },
  { "send", "TO AMOUNT", 2, 2, "the same as transfer", TO_AMOUNT, transfer, DMG_CLI_TX|DMG_CLI_PROVES, { MEMO } },
  { "call", "MODULE CALL [ARGS]", 2, 3, "make any call of a module",
    "  ARGS  JSON by the module's interface, an object by name or an array in order:\n"
    "        '{\"amount\":\"100000000\"}'; or 0x hex of their BCS; @FILE or - reads either\n        (names of your keys stand for addresses; `demiurge rpc tx_schema` tells what a call takes)",
    call, DMG_CLI_TX|DMG_CLI_PROVES, {{ 0 }} },
  { 0 }
};
