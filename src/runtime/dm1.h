/* dm1: the list of host functions a module may import (host API "dm1", R1.9, R1.12).

     X( NAME, "name", "params" )    params: i is i32, I is i64; every function returns one i32

   The order below is the order of a host table (vm.h) and of the bit set in dmg_wasm_report_t.  It is not
   consensus data: modules import by name, results do not depend on it.  Names of R1.9 that this host does not
   offer yet are in DMG_DM1_LATER_TABLE: the checker refuses them by name.

   Spec  docs/spec/runtime.md R1.9, R1.12 */
#ifndef DMG_RUNTIME_DM1_H
#define DMG_RUNTIME_DM1_H

#define DMG_DM1_MODULE "dm1"

#define DMG_DM1_TABLE( X )                                                                                        \
  X( GET,          "get",          "iiiii"    )  /* item, key_p, key_n, out_p, out_n                          */ \
  X( PUT,          "put",          "iiiii"    )  /* item, key_p, key_n, value_p, value_n                      */ \
  X( DEL,          "del",          "iii"      )  /* item, key_p, key_n                                        */ \
  X( SCAN,         "scan",         "iiiiiiii" )  /* item, prefix_p, prefix_n, after_p, after_n, out_p, out_n, max */ \
  X( CTR_GET,      "ctr_get",      "iiii"     )  /* item, key_p, key_n, out_p                                 */ \
  X( CTR_ADD,      "ctr_add",      "iiiII"    )  /* item, key_p, key_n, delta, max                            */ \
  X( EMIT,         "emit",         "iii"      )  /* event, data_p, data_n                                     */ \
  X( CALL,         "call",         "iiiIiiii" )  /* module, call, flags, seed, args_p, args_n, out_p, out_n   */ \
  X( QUERY,        "query",        "iiiIiiii" )  /* module, query, flags, seed, args_p, args_n, out_p, out_n  */ \
  X( FAULT,        "fault",        "ii"       )  /* data_p, data_n                                            */ \
  X( CALLEE_FAULT, "callee_fault", "ii"       )  /* out_p, out_n                                              */ \
  X( LOG,          "log",          "ii"       )  /* data_p, data_n                                            */ \
  X( AUTH,         "auth",         "ii"       )  /* account_p, role                                           */ \
  X( SUB_ACCOUNT,  "sub_account",  "Ii"       )  /* seed, out_p                                               */ \
  X( VERIFY,       "verify",       "iiiiiii"  )  /* alg, key_p, key_n, msg_p, msg_n, sig_p, sig_n             */ \
  X( SHA256,       "sha256",       "iii"      )  /* in_p, in_n, out_p                                         */ \
  X( KECCAK256,    "keccak256",    "iii"      )  /* in_p, in_n, out_p                                         */ \
  X( BLAKE2B,      "blake2b",      "iii"      )  /* in_p, in_n, out_p                                         */ \
  X( BEACON,       "beacon",       "Ii"       )  /* height, out_p                                             */

#define DMG_DM1_LATER_TABLE( X )                                                                                  \
  X( "pledge" ) X( "defer" ) X( "seed" ) X( "evidence" ) X( "groth16" ) X( "groth16_batch" ) X( "stark" )         \
  X( "bls" ) X( "poseidon" ) X( "h2f" ) X( "jubjub" )

typedef enum {
#define DMG_DM1_ENUM( name, text, params ) DMG_DM1_##name,
  DMG_DM1_TABLE( DMG_DM1_ENUM )
#undef DMG_DM1_ENUM
  DMG_DM1_CNT
} dmg_dm1_t;

/* Most parameters of one function above. */
#define DMG_DM1_PARAM_MAX 8

#endif
