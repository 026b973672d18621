/** Receipts and events (R4.14) and the Merkle mountain range of events (R4.15). */
import { address, bytes, encode, hash, type Infer, list, names, struct, u8, u16, u32, u64 } from "./bcs.js";
import { CodecError, type Hash } from "./bytes.js";
import { merkleRoot, taggedHash } from "./hash.js";

export const Event = struct("Event", { module: u16, event: u16, data: bytes(8192) });
export type Event = Infer<typeof Event>;

/** R4.8's order. */
export const Status = names("Status", [
  "OK",
  "FAULT",
  "TRAP",
  "NO_GAS",
  "NO_STACK",
  "HOST",
  "POSTCONDITION",
  "NO_CONSENT",
  "DEPOSIT",
  "VOID",
]);
export type Status = Infer<typeof Status>;

/** `call` is the first that failed, 255 if none; `payer` is zero if none. */
export const Receipt = struct("Receipt", {
  id: hash,
  status: Status,
  call: u8,
  module: u16,
  code: u32,
  gas_used: u64,
  gas_billed: u64,
  payer: address,
  energy: u64,
  fee: u64,
  tip: u64,
  held: u64,
  returned: u64,
  results: list(bytes(8192), 32),
  events: list(Event, 256),
});
export type Receipt = Infer<typeof Receipt>;

/** R4.14: in block order, then the receipt with id zero of the block's system work, if that emitted events. */
export function receiptsRoot(receipts: readonly Receipt[]): Hash {
  return merkleRoot(
    "dmg/receipt/node/v1",
    receipts.map((r) => taggedHash("dmg/receipt/v1", encode(Receipt, r))),
  );
}

/** The hash that post-condition `Result` names (R4.13). */
export const resultHash = (result: Uint8Array): Hash => taggedHash("dmg/result/v1", result);

/** The peaks of the full trees, tallest first: one for each bit set in `count`. */
export const Mmr = struct("Mmr", { count: u64, peaks: list(hash, 64) });
export type Mmr = Infer<typeof Mmr>;

export const MMR_EMPTY: Mmr = { count: 0n, peaks: [] };

export function mmrCheck(mmr: Mmr): void {
  let bits = 0;
  for (let c = mmr.count; c > 0n; c &= c - 1n) bits++;
  if (mmr.peaks.length !== bits)
    throw new CodecError(`${mmr.count} leaves have ${bits} peaks, not ${mmr.peaks.length}`);
}

export function mmrAppend(mmr: Mmr, leaf: Hash): Mmr {
  mmrCheck(mmr);
  const peaks = [...mmr.peaks];
  let node = leaf;
  /* Each trailing one bit of the old count is a tree of the height that `node` has by then. */
  for (let c = mmr.count; (c & 1n) === 1n; c >>= 1n) node = taggedHash("dmg/mmr/node/v1", peaks.pop() as Hash, node);
  return { count: mmr.count + 1n, peaks: [...peaks, node] };
}

/** H("dmg/mmr/root/v1", count u64 ‖ peaks); never stored. */
export function mmrRoot(mmr: Mmr): Hash {
  mmrCheck(mmr);
  return taggedHash("dmg/mmr/root/v1", encode(u64, mmr.count), ...mmr.peaks);
}

export const EventLeaf = struct("EventLeaf", { height: u64, tx: u32, idx: u16, event: Event });
export type EventLeaf = Infer<typeof EventLeaf>;

export const eventLeafHash = (leaf: EventLeaf): Hash => taggedHash("dmg/event/v1", encode(EventLeaf, leaf));

/** What System item 15 appends for each block: any later final header proves any receipt. */
export const receiptsLeafHash = (height: bigint, root: Hash): Hash =>
  taggedHash("dmg/receipts/v1", encode(u64, height), root);
