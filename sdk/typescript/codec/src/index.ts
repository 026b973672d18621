/** Demiurge wire formats, from the specification: see each file's head. */
export * from "./address.js";
export * from "./bcs.js";
export * from "./bytes.js";
export * from "./generated/balances.js";
export * from "./generated/system.js";
export * from "./genesis.js";
export * from "./hash.js";
export * from "./header.js";
export * from "./receipt.js";
export * from "./schema.js";
export * from "./storage.js";
export * from "./transaction.js";
