/* kdf: from words or secrets to keys.

     entropy <--> mnemonic (BIP-39, English) --PBKDF2-HMAC-SHA512, 2048--> seed 64
     seed --SLIP-0010 Ed25519, m/44'/c'/a'/0'/0'--> Ed25519 secret                       (F10.7)
     seed --BIP-32 secp256k1, m/44'/c'/a'/0/0-----> secp256k1 secret
     secret, salt, info --HKDF-SHA256--> keys

   Memory    the caller's; intermediate secrets are wiped
   Threads   every function is pure
   Failure   DMG_ERR_INVALID for what a user typed wrong, with a reason; NOMEM from the libraries
   Not here  randomness (an argument: generate from dmg_os_random's bytes), sealing (seal.h) */
#ifndef DMG_CRYPTO_KDF_H
#define DMG_CRYPTO_KDF_H

#include "base/bytes.h"

/* RFC 5869.  out_sz 1..8,160. */
DMG_MUST_USE dmg_err_t dmg_hkdf_sha256( dmg_span_t salt, dmg_span_t ikm, dmg_span_t info, uint8_t * out, size_t out_sz );
DMG_MUST_USE dmg_err_t dmg_pbkdf2_sha512( dmg_span_t pass, dmg_span_t salt, uint32_t rounds, uint8_t * out, size_t out_sz );
/* RFC 2104 with SHA-256 and SHA-512. */
void dmg_hmac_sha256( dmg_span_t key, dmg_span_t msg, uint8_t out[32] );
void dmg_hmac_sha512( dmg_span_t key, dmg_span_t msg, uint8_t out[64] );

/* ---- BIP-39, English ---- */

#define DMG_BIP39_WORD_MAX  (24)
#define DMG_BIP39_TEXT_MAX  ( DMG_BIP39_WORD_MAX*9 )   /* 24 words of 8 letters, blanks, final zero */
#define DMG_BIP39_SEED_SZ   (64)

/* The mnemonic of 16, 20, 24, 28 or 32 bytes of entropy (else INVALID): 12 to 24 words. */
DMG_MUST_USE dmg_err_t dmg_bip39_generate( dmg_span_t entropy, char out[ DMG_BIP39_TEXT_MAX ] );

/* Reads what a user typed: upper case, and any blanks around and between words, are forgiven; words
   outside the list, other counts than 12 15 18 21 24 and a wrong checksum are INVALID.  out_text (may be NULL) gets the
   canonical form.  On INVALID *out_why continues "the mnemonic ", *out_word is the number of the
   first unknown word, from 1, or 0; both may be NULL. */
DMG_MUST_USE dmg_err_t dmg_bip39_check( dmg_span_t text, char out_text[ DMG_BIP39_TEXT_MAX ], char const ** out_why, size_t * out_word );

/* The seed of a mnemonic (checked and made canonical first, INVALID if it is none) and a passphrase.
   The passphrase is up to 256 bytes of ASCII (INVALID otherwise): BIP-39 wants NFKD, and of other text we do not know
   whether it is. */
DMG_MUST_USE dmg_err_t dmg_bip39_seed( dmg_span_t mnemonic, dmg_span_t passphrase, uint8_t out_seed[ DMG_BIP39_SEED_SZ ] );

/* ---- Derivation ---- */

#define DMG_KEY_COIN_TEST  (1u)          /* 1' on test and dev networks (F10.7) */
#define DMG_HARDENED       (0x80000000u)

/* SLIP-0010 for Ed25519: index_cnt hardened indexes (each without DMG_HARDENED is INVALID; 0..16 of
   them); seed 16..64 bytes.  out_chain may be NULL. */
DMG_MUST_USE dmg_err_t dmg_slip10_ed25519( dmg_span_t seed, uint32_t const * indexes, size_t index_cnt, uint8_t out_secret[32], uint8_t out_chain[32] );
/* BIP-32 for secp256k1, private derivation, hardened or not.  out_chain may be NULL. */
DMG_MUST_USE dmg_err_t dmg_bip32_secp256k1( dmg_span_t seed, uint32_t const * indexes, size_t index_cnt, uint8_t out_secret[32], uint8_t out_chain[32] );

/* m/44'/coin'/account'/0'/0' for Ed25519: how wallets and the dev chain derive accounts.  coin and
   account below 2^31. */
DMG_MUST_USE dmg_err_t dmg_key_derive_ed25519( dmg_span_t seed, uint32_t coin, uint32_t account, uint8_t out_secret[32] );
/* m/44'/coin'/account'/0/0 for secp256k1. */
DMG_MUST_USE dmg_err_t dmg_key_derive_secp256k1( dmg_span_t seed, uint32_t coin, uint32_t account, uint8_t out_secret[32] );

/* Overwrites secrets in a way the compiler keeps. */
void dmg_wipe( void * p, size_t sz );
/* Equal bytes, in time that depends on sz alone. */
bool dmg_ct_eq( void const * a, void const * b, size_t sz );

#endif
