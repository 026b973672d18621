/**
 * A prover over a set held in memory: the plain recursion of S1.3, for tests, vectors and small committed sets.
 * Quadratic in the worst case; not what a node uses.
 */
import { compare, concat, equal, le } from "@demiurge/codec";
import { type Entry, type Interval, pathBit, statePath, stateRoot, valueHash } from "./state.js";

export class NaiveTree {
  readonly #entries: readonly Entry[];

  /** `pairs`: (K, V), each K once. */
  constructor(pairs: readonly (readonly [key: Uint8Array, value: Uint8Array])[]) {
    this.#entries = pairs
      .map(([k, v]) => ({ path: statePath(k), vh: valueHash(v) }))
      .sort((a, b) => compare(a.path, b.path));
  }

  root(): Uint8Array {
    return stateRoot(this.#entries);
  }

  /** What the tree holds within the query: the answer that `stream` proves. */
  within(query: readonly Interval[]): Entry[] {
    return this.#entries.filter((e) => query.some((q) => compare(q.lo, e.path) <= 0 && compare(e.path, q.hi) <= 0));
  }

  /** The single form (S12.1) for a key, present or not. */
  single(key: Uint8Array): Uint8Array {
    const path = statePath(key);
    const siblings: Uint8Array[] = [];
    let here = this.#entries;
    let depth = 0;
    while (here.length > 1) {
      const bit = pathBit(path, depth);
      siblings.push(
        stateRoot(
          here.filter((e) => pathBit(e.path, depth) !== bit),
          depth + 1,
        ),
      );
      here = here.filter((e) => pathBit(e.path, depth) === bit);
      depth++;
    }
    const found = here[0];
    const kind = found === undefined ? 1 : equal(found.path, path) ? 0 : 2;
    siblings.reverse();
    const bitmap = new Uint8Array((depth + 7) >> 3);
    siblings.forEach((s, i) => {
      if (s.some((b) => b !== 0)) bitmap[i >> 3] = (bitmap[i >> 3] as number) | (1 << (i & 7));
    });
    const other = kind === 2 && found !== undefined ? [found.path, found.vh] : [];
    return concat(
      Uint8Array.of(1, kind),
      le(depth, 2),
      bitmap,
      ...other,
      ...siblings.filter((s) => s.some((b) => b !== 0)),
    );
  }

  /** The stream form (S12.2) for a query. */
  stream(query: readonly Interval[]): Uint8Array {
    const ops: number[] = [];
    const hashes: Uint8Array[] = [];
    const others: Entry[] = [];
    const inside = (path: Uint8Array): boolean =>
      query.some((q) => compare(q.lo, path) <= 0 && compare(path, q.hi) <= 0);
    const walk = (here: readonly Entry[], prefix: Uint8Array, depth: number): void => {
      const first = here[0];
      if (first === undefined) {
        ops.push(0);
        return;
      }
      const last = Uint8Array.from(prefix);
      for (let i = depth; i < 256; i++) last[i >> 3] = (last[i >> 3] as number) | (1 << (7 - (i & 7)));
      if (!query.some((q) => compare(q.lo, last) <= 0 && compare(prefix, q.hi) <= 0)) {
        ops.push(1);
        hashes.push(stateRoot(here, depth));
      } else if (here.length === 1) {
        ops.push(2);
        if (!inside(first.path)) others.push(first);
      } else {
        ops.push(3);
        const right = Uint8Array.from(prefix);
        right[depth >> 3] = (right[depth >> 3] as number) | (1 << (7 - (depth & 7)));
        walk(
          here.filter((e) => pathBit(e.path, depth) === 0),
          prefix,
          depth + 1,
        );
        walk(
          here.filter((e) => pathBit(e.path, depth) === 1),
          right,
          depth + 1,
        );
      }
    };
    walk(this.#entries, new Uint8Array(32), 0);
    const packed = new Uint8Array(Math.ceil(ops.length / 4));
    ops.forEach((o, i) => {
      packed[i >> 2] = (packed[i >> 2] as number) | (o << (2 * (i & 3)));
    });
    return concat(
      Uint8Array.of(1, 16),
      le(ops.length, 4),
      le(hashes.length, 4),
      le(others.length, 4),
      packed,
      ...hashes,
      ...others.flatMap((e) => [e.path, e.vh]),
    );
  }
}
