/* bech32: an address as text, bech32m with prefix "dmg" (M1.2, BIP 350).

     32 bytes <--> "dmg1" + 52 data characters + 6 of checksum = 62 characters

   Upper case is accepted when the whole text is upper; mixed case is not.  There is no version
   symbol; the four spare bits of the last data character must be zero (one text a value).

   Memory    none allocated
   Failure   DMG_ERR_INVALID with a reason fit for a user's eyes; any input of any length */
#ifndef DMG_CRYPTO_BECH32_H
#define DMG_CRYPTO_BECH32_H

#include "crypto/hash.h"

#define DMG_ADDRESS_TEXT_SZ  (62)

/* Lower-case text and a final zero. */
void dmg_address_text( dmg_hash_t const * address, char out[ DMG_ADDRESS_TEXT_SZ+1 ] );

/* INVALID: *out_why (may be NULL) says what is wrong, a static string that continues "the address "
   ("is too short" and the like). */
DMG_MUST_USE dmg_err_t dmg_address_parse( dmg_span_t text, dmg_hash_t * out, char const ** out_why );

/* The general form, for other prefixes: hrp 1..16 lower-case ASCII letters; bytes 1..64.  text_cap
   counts the final zero; LIMIT if it is too small. */
DMG_MUST_USE dmg_err_t dmg_bech32m_encode( char const * hrp, dmg_span_t bytes, char * out_text, size_t text_cap );
/* Exactly out_sz bytes under exactly this hrp. */
DMG_MUST_USE dmg_err_t dmg_bech32m_decode( char const * hrp, dmg_span_t text, uint8_t * out, size_t out_sz, char const ** out_why );

#endif
