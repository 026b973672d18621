/* bls_int: signing under any DST, for the published vectors in test_bls.c only. */
#ifndef DMG_CRYPTO_BLS_INT_H
#define DMG_CRYPTO_BLS_INT_H

#include "crypto/bls.h"

bool dmg_bls_sign_dst  ( uint8_t const secret[32], dmg_span_t dst, dmg_span_t msg, dmg_bls_sig_t * out_sig );
bool dmg_bls_verify_dst( dmg_bls_key_t const * key, dmg_span_t dst, dmg_span_t msg, dmg_bls_sig_t const * sig );

#endif
