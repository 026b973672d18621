/* bip39_int: the word list, in alphabetical order. */
#ifndef DMG_CRYPTO_BIP39_INT_H
#define DMG_CRYPTO_BIP39_INT_H

extern char const dmg_bip39_words[2048][9];

#endif
