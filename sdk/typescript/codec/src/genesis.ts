/** Genesis (M16.6): its hash is the chain id. */
import { address, bytes, encode, fixed, hash, type Infer, list, option, str, struct, u8, u16, u64 } from "./bcs.js";
import type { Hash } from "./bytes.js";
import { taggedHash } from "./hash.js";

export const Genesis = struct("Genesis", {
  version: u16,
  name: str(32),
  kind: u8,
  time_ms: u64,
  first: option(hash),
  root: option(address),
  instr_version: u16,
  host_api: u16,
  params: list(struct("GenesisParam", { module: u16, key: u16, value: bytes(64) }), 0xffff),
  modules: list(struct("GenesisModule", { id: u16, code: hash, config: list(bytes(32_768), 0xffff) }), 0xffff),
  validators: list(
    struct("GenesisValidator", {
      account: address,
      key: fixed(96),
      pop: fixed(48),
      peer: bytes(64),
      bond: u64,
      bucket: u8,
    }),
    128,
  ),
});
export type Genesis = Infer<typeof Genesis>;
export const GENESIS_KINDS = ["main", "test", "dev"] as const;

export const genesisHash = (g: Genesis): Hash => taggedHash("dmg/genesis/v1", encode(Genesis, g));
/** M16.6, of a module's file. */
export const codeHash = (file: Uint8Array): Hash => taggedHash("dmg/code/v1", file);
