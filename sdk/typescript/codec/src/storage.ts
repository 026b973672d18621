/**
 * Storage keys and stored values (R2.2, R2.2b, R5.8, S3).
 *
 *   K = module u16 BE ‖ item u16 BE ‖ key fields, big-endian of fixed width: byte order is key order
 *   V = schema byte ‖ [payer[32] ‖ deposit amount u64] ‖ BCS(value)
 *
 * The deposit record stands in items declared `deposit payer` or `deposit module` only.
 */

import {
  address,
  amount,
  bool,
  bytes,
  type Codec,
  decode,
  encode,
  hash,
  type Infer,
  list,
  option,
  str,
  struct,
  u8,
  u16,
  u32,
  u64,
} from "./bcs.js";
import { type Address, asAddress, be, CodecError, concat, type Hash, utf8 } from "./bytes.js";
import { Mmr } from "./receipt.js";
import { Asset } from "./transaction.js";

export const KEY_SIZE_MAX = 128;
export const VALUE_SIZE_MAX = 524_288;

/** Key fields (R2.2b). */
export const key = {
  bool: (v: boolean): Uint8Array => Uint8Array.of(v ? 1 : 0),
  uint: (v: bigint | number, bits: 8 | 16 | 32 | 64 | 128): Uint8Array => be(v, bits / 8),
  /** The sign bit is flipped, so that negative numbers sort first. */
  int: (v: bigint | number, bits: 8 | 16 | 32 | 64 | 128): Uint8Array =>
    be(BigInt(v) + (1n << BigInt(bits - 1)), bits / 8),
  raw: (v: Uint8Array): Uint8Array => v,
  /** An enum as its u32 tag. */
  tag: (v: number): Uint8Array => be(v, 4),
  str: (v: string): Uint8Array => {
    const b = utf8(v);
    if (b.length > 64) throw new CodecError(`text in a key has at most 64 bytes, this has ${b.length}`);
    return concat(Uint8Array.of(b.length), b);
  },
  /** tag u8 ‖ id[32]; CGT has a zero id. */
  asset: (v: Asset): Uint8Array => (v.kind === "Cgt" ? new Uint8Array(33) : encode(Asset, v)),
};

export function storageKey(module: number, item: number, ...fields: readonly Uint8Array[]): Uint8Array {
  const k = concat(be(module, 2), be(item, 2), ...fields);
  if (k.length > KEY_SIZE_MAX)
    throw new CodecError(`a storage key has at most ${KEY_SIZE_MAX} bytes, this has ${k.length}`);
  return k;
}

export interface Deposit {
  readonly payer: Address;
  readonly amount: bigint;
}

/** A decoded stored value; `deposit` is null in items without a record. */
export interface Stored<T> {
  readonly schema: number;
  readonly deposit: Deposit | null;
  readonly value: T;
}

/** One storage item: how its keys are made and its values read. */
export interface Item<K extends readonly unknown[], T> {
  readonly module: number;
  readonly item: number;
  readonly hasDeposit: boolean;
  key(...fields: K): Uint8Array;
  encode(stored: Stored<T>): Uint8Array;
  decode(raw: Uint8Array): Stored<T>;
}

const RECORD = 40;

function item<K extends readonly unknown[], T>(
  module: number,
  number: number,
  hasDeposit: boolean,
  fields: (...f: K) => readonly Uint8Array[],
  value: Codec<T>,
): Item<K, T> {
  return {
    module,
    item: number,
    hasDeposit,
    key: (...f) => storageKey(module, number, ...fields(...f)),
    encode: ({ schema, deposit, value: v }) => {
      if ((deposit !== null) !== hasDeposit)
        throw new CodecError(`item ${module}.${number} ${hasDeposit ? "has a" : "has no"} deposit record`);
      if (schema < 1) throw new CodecError("schema bytes count from 1");
      const record = deposit === null ? new Uint8Array() : concat(deposit.payer, encode(u64, deposit.amount));
      return concat(encode(u8, schema), record, encode(value, v));
    },
    decode: (raw) => {
      const at = 1 + (hasDeposit ? RECORD : 0);
      const schema = raw[0] ?? 0;
      if (raw.length < at || schema < 1)
        throw new CodecError(`item ${module}.${number}: value cut or without schema byte`);
      const deposit = hasDeposit
        ? { payer: asAddress(raw.slice(1, 33)), amount: decode(u64, raw.slice(33, 41)) }
        : null;
      return { schema, deposit, value: decode(value, raw.slice(at)) };
    },
  };
}

const version = { major: u16, minor: u16, patch: u16 };
const ModuleVersion = struct("ModuleVersion", version);

const MsigCall = struct("MsigCall", { module: u16, call: u16, schema: hash, args: bytes(4096) });
const Money = struct("Money", { asset: Asset, amount });

/** System's items (M1.9 and its rest in part F). Those of bundles come with the registry. */
export const systemItems = {
  account: item(
    1,
    1,
    true,
    (a: Address) => [a],
    struct("Account", { kind: u8, kill_epoch: u64, auth_epoch: u32, t_use: u16, t_owner: u16, created_ms: u64 }),
  ),
  auth: item(
    1,
    2,
    true,
    (a: Address, slot: number) => [a, key.uint(slot, 8)],
    struct("AuthEntry", { scheme: u8, key: bytes(96), level: u8, weight: u16, label: str(32), active_from_ms: u64 }),
  ),
  lane: item(1, 3, true, (a: Address, lane: number) => [a, key.uint(lane, 16)], u64),
  seen: item(
    1,
    4,
    false,
    (bucket: bigint, id: Hash) => [key.uint(bucket, 64), id],
    struct<Record<never, never>>("Seen", {}),
  ),
  msig: item(
    1,
    5,
    true,
    (a: Address, id: number) => [a, key.uint(id, 32)],
    struct("Msig", {
      calls: list(MsigCall, 4),
      approvals: u16,
      level: u8,
      auth_epoch: u32,
      kill_epoch: u64,
      until_ms: u64,
    }),
  ),
  param: item(
    1,
    6,
    false,
    (module: number, param: number) => [key.uint(module, 16), key.uint(param, 16)],
    struct("Param", { value: bytes(64), next: option(struct("NextParam", { value: bytes(64), epoch: u32 })) }),
  ),
  module: item(
    1,
    7,
    false,
    (module: number) => [key.uint(module, 16)],
    struct("ModuleEntry", {
      name: str(32),
      version: ModuleVersion,
      code_hash: hash,
      abi_hash: hash,
      storage_version: u8,
      status: u8,
      activated_at: u64,
      prev: option(hash),
      deps: list(struct("Dependency", { module: u16, version: ModuleVersion }), 16),
      trap_ppm: u32,
    }),
  ),
  code: item(1, 8, true, (code: Hash) => [code], bytes(262_144)),
  schema: item(
    1,
    9,
    false,
    (module: number, call: number) => [key.uint(module, 16), key.uint(call, 16)],
    list(hash, 8),
  ),
  topic: item(1, 12, false, (kind: number, id: Hash) => [key.uint(kind, 8), id], Mmr),
  beacon: item(1, 13, false, (height: bigint) => [key.uint(height % 4096n, 16)], hash),
  block: item(
    1,
    14,
    false,
    () => [],
    struct("BlockRecord", { height: u64, time_ms: u64, price: u64, receipts_root: hash, tx_cnt: u32 }),
  ),
  receipts: item(1, 15, false, () => [], Mmr),
  pledge: item(
    1,
    16,
    true,
    (a: Address, module: number, asset: Asset, ref: Hash) => [a, key.uint(module, 16), key.asset(asset), ref],
    struct("Pledge", { amount: u64, min: option(Money), until_ms: u64, kill_epoch: u64 }),
  ),
  vm: item(1, 19, false, () => [], struct("Vm", { instr_version: u16, host_api: u16, next_bundle: u32 })),
  msig_seq: item(1, 22, true, (a: Address) => [a], u64),
} as const;

/** M2.1's order. */
export const HOLD_REASONS = [
  "storage",
  "activation",
  "bid",
  "name",
  "proposal",
  "sponsor",
  "dispute",
  "bundle",
] as const;
/** M2.3's order. */
export const BUCKETS = ["pleroma", "archon", "treasury", "reserve", "team", "offering"] as const;

/** Balances' items (M2.8). Counters are u64; one at 0 is absent. */
export const balancesItems = {
  free: item(2, 1, true, (a: Address) => [a], u64),
  held: item(2, 2, false, (a: Address) => [a], u64),
  hold: item(2, 3, false, (a: Address, reason: number, id: Hash) => [a, key.uint(reason, 8), id], u64),
  lock: item(
    2,
    4,
    false,
    (a: Address, reason: number) => [a, key.uint(reason, 8)],
    struct("Lock", { amount, until_ms: u64 }),
  ),
  vesting: item(
    2,
    5,
    false,
    (a: Address, n: number) => [a, key.uint(n, 32)],
    struct("Vesting", {
      total: amount,
      claimed: amount,
      linear: bool,
      steps: list(struct("Step", { at_ms: u64, bps: u16 }), 8),
    }),
  ),
  bucket: item(
    2,
    6,
    false,
    (bucket: number) => [key.uint(bucket, 8)],
    struct("Bucket", {
      pool: address,
      paid: amount,
      schedule: list(struct("Release", { at_ms: u64, total: amount }), 16),
    }),
  ),
  burned: item(2, 7, false, (cause: number) => [key.uint(cause, 8)], u64),
} as const;

export type AccountRecord = StoredOf<typeof systemItems.account>;
export type AuthRecord = StoredOf<typeof systemItems.auth>;
export type BlockRecord = StoredOf<typeof systemItems.block>;
type StoredOf<I> = I extends Item<infer _K, infer T> ? T : never;
export type ModuleVersion = Infer<typeof ModuleVersion>;
