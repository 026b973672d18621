/**
 * The state tree: root, proofs and their verification, in plain TypeScript (S1, S12).
 *
 *   path = H(key, K)   vh = H(value, V)   leaf = H(leaf, path ‖ vh)   node = H(node, left ‖ right)
 *   prefix without keys: 32 zero bytes; with one: its leaf, at whatever depth; with more: node of its halves
 *
 * A proof is bytes from outside: the verifiers return a verdict and never throw on them.
 */
import { compare, equal, type Hash, isZero, taggedHash, ZERO_HASH } from "@demiurge/codec";

export const PROOF_SIZE_MAX = 1_048_576;

export const statePath = (key: Uint8Array): Hash => taggedHash("dmg/state/key/v1", key);
export const valueHash = (value: Uint8Array): Hash => taggedHash("dmg/state/value/v1", value);
export const stateLeaf = (path: Uint8Array, vh: Uint8Array): Hash => taggedHash("dmg/state/leaf/v1", path, vh);
export const stateNode = (left: Uint8Array, right: Uint8Array): Hash => taggedHash("dmg/state/node/v1", left, right);

/** S1.2: bit 0 decides at the root; bit i is bit 7 - i mod 8 of byte i/8. */
export const pathBit = (path: Uint8Array, i: number): number => ((path[i >> 3] as number) >> (7 - (i & 7))) & 1;

export interface Entry {
  readonly path: Uint8Array;
  readonly vh: Uint8Array;
}

/** The root over a set of entries: the naive recursion of S1.3, for tests and small sets. */
export function stateRoot(entries: readonly Entry[], depth = 0): Hash {
  if (entries.length === 0) return ZERO_HASH;
  if (entries.length === 1) return stateLeaf((entries[0] as Entry).path, (entries[0] as Entry).vh);
  const half = (bit: number): Hash =>
    stateRoot(
      entries.filter((e) => pathBit(e.path, depth) === bit),
      depth + 1,
    );
  return stateNode(half(0), half(1));
}

/** The first reason why a proof was refused. */
export type Verdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };
const good: Verdict = { ok: true };
const bad = (reason: string): Verdict => ({ ok: false, reason });

/** Does `path` begin with the first `depth` bits of `other`? */
function samePrefix(path: Uint8Array, other: Uint8Array, depth: number): boolean {
  for (let i = 0; i < depth; i++) if (pathBit(path, i) !== pathBit(other, i)) return false;
  return true;
}

/**
 * S12.1: does `proof` show that under `root` the key holds `value`, or nothing if `value` is null?
 *
 *   0 1 version 1   1 1 kind 0 present, 1 absent (empty slot), 2 absent (other leaf)   2 2 depth
 *   4 bitmap ceil(depth/8), bit i = i-th sibling from the terminal up is not empty   .. kind 2: path', vh'   .. siblings
 */
export function verifyProof(root: Uint8Array, key: Uint8Array, value: Uint8Array | null, proof: Uint8Array): Verdict {
  const [version, kind, lo, hi] = proof;
  if (lo === undefined || hi === undefined) return bad("cut");
  if (version !== 1) return bad("unknown version");
  if (kind !== 0 && kind !== 1 && kind !== 2) return bad("unknown kind");
  if ((kind === 0) !== (value !== null)) return bad(kind === 0 ? "proves presence" : "proves absence");
  const depth = lo | (hi << 8);
  if (depth > 256) return bad("depth over 256");
  const path = statePath(key);

  const bitmapSize = (depth + 7) >> 3;
  let at = 4 + bitmapSize;
  const bitmap = proof.subarray(4, at);
  if (bitmap.length !== bitmapSize) return bad("cut");
  const isSet = (i: number): boolean => (((bitmap[i >> 3] as number) >> (i & 7)) & 1) === 1;
  for (let i = depth; i < 8 * bitmapSize; i++) if (isSet(i)) return bad("a spare bit is set");
  if (depth > 0 && !isSet(0)) return bad("the lowest sibling is empty");

  let node: Uint8Array = ZERO_HASH;
  if (value !== null) node = stateLeaf(path, valueHash(value));
  if (kind === 2) {
    const other = proof.subarray(at, at + 64);
    if (other.length !== 64) return bad("cut");
    at += 64;
    const otherPath = other.subarray(0, 32);
    if (equal(otherPath, path)) return bad("the other leaf is the key's own");
    if (!samePrefix(path, otherPath, depth)) return bad("the other leaf lies elsewhere");
    node = stateLeaf(otherPath, other.subarray(32));
  }

  for (let i = 0; i < depth; i++) {
    let sibling: Uint8Array = ZERO_HASH;
    if (isSet(i)) {
      sibling = proof.subarray(at, at + 32);
      if (sibling.length !== 32) return bad("cut");
      if (isZero(sibling)) return bad("an empty sibling is given as bytes");
      at += 32;
    }
    node = pathBit(path, depth - 1 - i) === 0 ? stateNode(node, sibling) : stateNode(sibling, node);
  }
  if (at !== proof.length) return bad("trailing bytes");
  return equal(node, root) ? good : bad("another root");
}

/** A closed interval of paths; a single key is an interval of one. */
export interface Interval {
  readonly lo: Uint8Array;
  readonly hi: Uint8Array;
}

export const keyInterval = (key: Uint8Array): Interval => ({ lo: statePath(key), hi: statePath(key) });

/**
 * S12.2: does `proof` show that `answer` is exactly what the tree holds within `query`?
 * Query: sorted, disjoint. Answer: in path order, each inside the query.
 */
export function verifyStream(
  root: Uint8Array,
  query: readonly Interval[],
  answer: readonly Entry[],
  proof: Uint8Array,
): Verdict {
  if (proof.length > PROOF_SIZE_MAX || query.length > 1024 || answer.length > 65_536) return bad("over a limit");
  if (proof.length < 14) return bad("cut");
  if (proof[0] !== 1 || proof[1] !== 16) return bad("unknown version or kind");
  for (const [i, q] of query.entries()) {
    const before = query[i - 1];
    if (q.lo.length !== 32 || q.hi.length !== 32 || compare(q.lo, q.hi) > 0) return bad("bad query");
    if (before !== undefined && compare(before.hi, q.lo) >= 0) return bad("bad query");
  }

  const view = new DataView(proof.buffer, proof.byteOffset, proof.byteLength);
  const opCount = view.getUint32(2, true);
  const hashCount = view.getUint32(6, true);
  const otherCount = view.getUint32(10, true);
  const opsSize = Math.ceil(opCount / 4);
  const hashesAt = 14 + opsSize;
  const othersAt = hashesAt + 32 * hashCount;
  if (proof.length !== othersAt + 64 * otherCount) return bad("wrong length");
  const opAt = (i: number): number => ((proof[14 + (i >> 2)] as number) >> (2 * (i & 3))) & 3;
  for (let i = opCount; i < 4 * opsSize; i++) if (opAt(i) !== 0) return bad("a spare bit is set");

  let op = 0;
  let hashes = 0;
  let others = 0;
  let answers = 0;
  let reason: string | null = null;
  const fail = (why: string): Hash => {
    reason ??= why;
    return ZERO_HASH;
  };

  const EMPTY = 0;
  const HASH = 1;
  const LEAF = 2;

  const within = (path: Uint8Array): boolean => query.some((q) => compare(q.lo, path) <= 0 && compare(path, q.hi) <= 0);
  /** Does the query meet the paths that begin with the first `depth` bits of `prefix` (the other bits are 0)? */
  const touches = (prefix: Uint8Array, depth: number): boolean => {
    const last = Uint8Array.from(prefix);
    for (let i = depth; i < 256; i++) last[i >> 3] = (last[i >> 3] as number) | (1 << (7 - (i & 7)));
    return query.some((q) => compare(q.lo, last) <= 0 && compare(prefix, q.hi) <= 0);
  };

  /* The kind that BRANCH must know: over these two it would contradict the shortcut of S1.3. */
  const walk = (prefix: Uint8Array, depth: number): { hash: Hash; kind: number } => {
    if (reason !== null) return { hash: ZERO_HASH, kind: EMPTY };
    if (op >= opCount) return { hash: fail("ops end early"), kind: EMPTY };
    const kind = opAt(op++);
    if (kind === EMPTY) return { hash: ZERO_HASH, kind };
    const reached = touches(prefix, depth);
    if (kind === HASH) {
      if (reached) return { hash: fail("a hash hides part of the query"), kind };
      if (hashes >= hashCount) return { hash: fail("hashes end early"), kind };
      const at = hashesAt + 32 * hashes++;
      const h = proof.slice(at, at + 32) as Hash;
      return isZero(h) ? { hash: fail("an empty subtree is given as bytes"), kind } : { hash: h, kind };
    }
    if (!reached) return { hash: fail("opened outside the query"), kind };
    if (kind === LEAF) {
      const next = answer[answers];
      if (next !== undefined && samePrefix(next.path, prefix, depth)) {
        answers++;
        if (!within(next.path)) return { hash: fail("an answer lies outside the query"), kind };
        return { hash: stateLeaf(next.path, next.vh), kind };
      }
      if (others >= otherCount) return { hash: fail("others end early"), kind };
      const at = othersAt + 64 * others++;
      const path = proof.subarray(at, at + 32);
      if (!samePrefix(path, prefix, depth)) return { hash: fail("an other leaf lies elsewhere"), kind };
      if (within(path)) return { hash: fail("a leaf inside the query is kept from the answer"), kind };
      return { hash: stateLeaf(path, proof.subarray(at + 32, at + 64)), kind };
    }
    if (depth >= 256) return { hash: fail("a branch below a whole path"), kind };
    const left = walk(prefix, depth + 1);
    const rightPrefix = Uint8Array.from(prefix);
    rightPrefix[depth >> 3] = (rightPrefix[depth >> 3] as number) | (1 << (7 - (depth & 7)));
    const right = walk(rightPrefix, depth + 1);
    const pair = new Set([left.kind, right.kind]);
    if (pair.has(EMPTY) && !pair.has(HASH) && !pair.has(3))
      return { hash: fail("a branch over one key or none"), kind };
    return { hash: stateNode(left.hash, right.hash), kind };
  };

  const top = walk(new Uint8Array(32), 0);
  if (reason !== null) return bad(reason);
  if (op !== opCount || hashes !== hashCount || others !== otherCount || answers !== answer.length)
    return bad("lists do not end together");
  return equal(top.hash, root) ? good : bad("another root");
}
