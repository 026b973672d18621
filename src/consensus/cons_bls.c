/* The table of C12.1 over the real BLS. */
#include "consensus/cons.h"

dmg_cons_crypto_t const dmg_cons_bls = {
  .key_load = dmg_bls_key_load, .key_sum = dmg_bls_key_sum, .sig_load = dmg_bls_sig_load, .sig_load_raw = dmg_bls_sig_load_raw, .sig_load_part = dmg_bls_sig_load_part, .sig_store = dmg_bls_sig_store,
  .sig_sum = dmg_bls_sig_sum, .verify_same = dmg_bls_verify_same, .verify_distinct = dmg_bls_verify_distinct };
