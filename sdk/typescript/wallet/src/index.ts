/** Demiurge keys: mnemonics, derivation, accounts and signatures. */
export * from "./keys.js";
export * from "./sign.js";
export * from "./slip10.js";
export * from "./verify.js";
