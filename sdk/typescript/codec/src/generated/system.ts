/* Module system 0.1.0: the calls that a transaction can make. Made by `dmic gen --ts`, do not edit. */
import type { Hash } from "../bytes.js";
import { call, defineModule, t } from "../schema.js";

export interface SystemCall {
  readonly module: number;
  readonly call: number;
  readonly schema: Hash;
  readonly args: Uint8Array;
}
const Call = t.struct<SystemCall>("Call", { module: t.u16, call: t.u16, schema: t.hash, args: t.bytes(4096) });

export interface SystemKey {
  readonly scheme: number;
  readonly key: Uint8Array;
}
const Key = t.struct<SystemKey>("Key", { scheme: t.u8, key: t.bytes(96) });

/** Accounts with keys that can change, nonces for parallel sending, the records native code keeps.
 * Rules M1.1-M1.9.  Faults 1..16 are the common ones of every module (M0.13). */
export const system = defineModule(1, "system", {
  /** A further key.  proof is its signature over H("dmg/auth/pop/v1", chain ‖ account ‖ BCS(key)). */
  add_auth: call(1, "Add key {key} as {label}: level {level}, weight {weight}", {
    key: Key,
    proof: t.bytes(1348),
    level: t.u8,
    weight: t.u16,
    label: t.str(32),
  }),
  /** The key in a slot gives way to another; level, weight and label stay. */
  rotate: call(2, "Replace the key in slot {slot} by {key}", { slot: t.u8, key: Key, proof: t.bytes(1348) }),
  remove_auth: call(3, "Remove the key in slot {slot}", { slot: t.u8 }),
  set_thresholds: call(4, "Need weight {use} to use and weight {owner} to own this account", {
    use: t.u16,
    owner: t.u16,
  }),
  /** Calls for other authenticators to approve, at level 1 (use) or 2 (owner).  Open for 7 days. */
  msig_propose: call(5, "Propose {calls} at level {level}", { calls: t.list(Call, 4), level: t.u8 }),
  /** true: the threshold is reached, native code runs the calls in this same call. */
  msig_approve: call(6, "Approve proposal {id}", { id: t.u32 }),
  msig_cancel: call(7, "Cancel proposal {id}", { id: t.u32 }),
  /** Nothing: to replace a nonce. */
  note: call(8, "Note {data}", { data: t.bytes(64) }),
  /** Keys go, deposits return, nobody signs for this address again. */
  close_account: call(9, "Close this account for ever and pay what is left to {to}", { to: t.address }),
});
