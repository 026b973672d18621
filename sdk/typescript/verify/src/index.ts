/** Demiurge proofs in plain TypeScript: state tree, headers, certificates. */
export * from "./answer.js";
export * from "./finality.js";
export * from "./naive.js";
export * from "./state.js";
