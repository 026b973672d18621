import * as c from "@demiurge/codec";
import { describe, expect, test } from "vitest";
import { random } from "../../codec/test/random.js";
import * as v from "../src/index.js";

const raw = (s: string): Uint8Array => c.fromHex(`0x${s}`);
/* S1, S12.4: copied from the specification. */
const K1 = raw("00020001616c696365");
const V1 = raw("012a00000000000000");
const K2 = raw("00020001626f62");
const V2 = raw("010700000000000000");
const K3 = raw("000500016974656d3132");
const V3 = raw("0173776f7264");
const ABSENT = raw("000200017832");
const ROOT1 = raw("9123c6b69d4f299de0a2790091569f0c7542af21ddf2406ed570b055d8df571f");
const ROOT2 = raw("1bd7cd704889e276e0c182c9e70cdd48b194475fd6cb6d88a3e4274214a946a3");
const ROOT3 = raw("eeb9b90d87e916b59d8d19b4f76527c755bac6370b60261c8c748f5fe09606af");
const PRESENT_PROOF = raw(
  "0100060011b1a3a89041eb4201fbd0711450f8eb70f0bd77aaef2edcf46c946e0470acd4f9653c9e7374c96557045ac7fdcd61b62025c0e567e0d9bc023b9cffdaade795fb",
);
const ABSENT_PROOF = raw(
  "01010300038ad9a7a0a7b27c4b347a8097dfbfb2747e357713713d1fe5f99928cb4c9f81c4653c9e7374c96557045ac7fdcd61b62025c0e567e0d9bc023b9cffdaade795fb",
);
const STREAM_PROOF = raw(
  "01100d0000000100000000000000efcc9c00b1a3a89041eb4201fbd0711450f8eb70f0bd77aaef2edcf46c946e0470acd4f9",
);

const pairs: readonly (readonly [Uint8Array, Uint8Array])[] = [
  [K1, V1],
  [K2, V2],
  [K3, V3],
];
const entry = (k: Uint8Array, x: Uint8Array): v.Entry => ({ path: v.statePath(k), vh: v.valueHash(x) });
const byPath = (a: v.Entry, b: v.Entry): number => c.compare(a.path, b.path);
const QUERY = [v.keyInterval(K1), v.keyInterval(K2)].sort((a, b) => c.compare(a.lo, b.lo));
const ANSWER = [entry(K1, V1), entry(K2, V2)].sort(byPath);
const hex = c.toHex;

function* flips(bytes: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < 8 * bytes.length; i++) {
    const out = bytes.slice();
    out[i >> 3] = (out[i >> 3] as number) ^ (1 << (i & 7));
    yield out;
  }
}

describe("the specification's vectors", () => {
  test("paths, value hashes, roots", () => {
    expect(hex(v.statePath(K1))).toBe("0x7c13c73cc997ba7f5b08bd2062624925979d253495f547fade6ce50674025c70");
    expect(hex(v.valueHash(V1))).toBe("0xd7e9c89a13a1cb4963a64e50cc48910271df8ea296666441c11842f041e641e9");
    expect(hex(v.statePath(K2))).toBe("0x1bdfe7d865524cb44aafed53cd5bd0a7f2c5bce06a298fea1c1a440c9d25b6d5");
    expect(hex(v.valueHash(V2))).toBe("0x89ea13c2c6904589d5ae5a60c55bf6642546bacc3fa3fc5065bc3e6f504559f9");
    expect(hex(v.statePath(K3))).toBe("0x7ba1b4091dcaaa3e691450dff30ca37f444694149618135f3806cca6d4b1e650");
    expect(hex(v.valueHash(V3))).toBe("0x3ab9061a9916fb8363ebf45143a71810e491772649e8da481d714cea98a71aa0");
    expect(new v.NaiveTree(pairs.slice(0, 1)).root()).toEqual(ROOT1);
    expect(new v.NaiveTree(pairs.slice(0, 2)).root()).toEqual(ROOT2);
    expect(new v.NaiveTree(pairs).root()).toEqual(ROOT3);
    expect(new v.NaiveTree([...pairs].reverse()).root()).toEqual(ROOT3);
    expect(new v.NaiveTree([]).root()).toEqual(c.ZERO_HASH);
  });
  test("proofs verify", () => {
    expect(v.verifyProof(ROOT3, K1, V1, PRESENT_PROOF)).toEqual({ ok: true });
    expect(v.verifyProof(ROOT3, ABSENT, null, ABSENT_PROOF)).toEqual({ ok: true });
    expect(v.verifyStream(ROOT3, QUERY, ANSWER, STREAM_PROOF)).toEqual({ ok: true });
  });
  test("the prover makes the same bytes", () => {
    const tree = new v.NaiveTree(pairs);
    expect(tree.single(K1)).toEqual(PRESENT_PROOF);
    expect(tree.single(ABSENT)).toEqual(ABSENT_PROOF);
    expect(tree.stream(QUERY)).toEqual(STREAM_PROOF);
  });
});

describe("nothing altered verifies", () => {
  test("each bit of each proof", () => {
    for (const p of flips(PRESENT_PROOF)) expect(v.verifyProof(ROOT3, K1, V1, p).ok).toBe(false);
    for (const p of flips(ABSENT_PROOF)) expect(v.verifyProof(ROOT3, ABSENT, null, p).ok).toBe(false);
    for (const p of flips(STREAM_PROOF)) expect(v.verifyStream(ROOT3, QUERY, ANSWER, p).ok).toBe(false);
  });
  test("each cut, and bytes behind", () => {
    for (let n = 0; n < PRESENT_PROOF.length; n++)
      expect(v.verifyProof(ROOT3, K1, V1, PRESENT_PROOF.slice(0, n)).ok).toBe(false);
    for (let n = 0; n < STREAM_PROOF.length; n++)
      expect(v.verifyStream(ROOT3, QUERY, ANSWER, STREAM_PROOF.slice(0, n)).ok).toBe(false);
    expect(v.verifyProof(ROOT3, K1, V1, c.concat(PRESENT_PROOF, Uint8Array.of(0))).ok).toBe(false);
    expect(v.verifyStream(ROOT3, QUERY, ANSWER, c.concat(STREAM_PROOF, Uint8Array.of(0))).ok).toBe(false);
  });
  test("each bit of root, key and value", () => {
    for (const r of flips(ROOT3)) expect(v.verifyProof(r, K1, V1, PRESENT_PROOF).ok).toBe(false);
    for (const k of flips(K1)) expect(v.verifyProof(ROOT3, k, V1, PRESENT_PROOF).ok).toBe(false);
    for (const x of flips(V1)) expect(v.verifyProof(ROOT3, K1, x, PRESENT_PROOF).ok).toBe(false);
  });
  test("presence is no absence and the reverse", () => {
    expect(v.verifyProof(ROOT3, K1, null, PRESENT_PROOF).ok).toBe(false);
    expect(v.verifyProof(ROOT3, ABSENT, V1, ABSENT_PROOF).ok).toBe(false);
    expect(v.verifyProof(ROOT3, K1, null, ABSENT_PROOF).ok).toBe(false);
  });
  test("a stream with an answer dropped, doubled, added, swapped or changed", () => {
    const [a, b] = ANSWER as [v.Entry, v.Entry];
    for (const answer of [[a], [b], [], [a, a, b], [b, a], [a, b, entry(K3, V3)], [a, { ...b, vh: a.vh }]])
      expect(v.verifyStream(ROOT3, QUERY, answer, STREAM_PROOF).ok).toBe(false);
  });
  test("a stream for another query", () => {
    const q3 = v.keyInterval(K3);
    const [q1, q2] = QUERY as [v.Interval, v.Interval];
    for (const query of [
      [q1],
      [q2],
      [],
      [q1, q1, q2],
      [q2, q1],
      [...QUERY, q3].sort((x, y) => c.compare(x.lo, y.lo)),
      [{ lo: q2.lo, hi: q1.lo }],
    ])
      expect(v.verifyStream(ROOT3, query, ANSWER, STREAM_PROOF).ok).toBe(false);
  });
});

describe("rules of the single form (S12.1)", () => {
  const one = new v.NaiveTree(pairs.slice(0, 1));
  test("absence by another leaf, which is not the key's own", () => {
    const proof = one.single(K2);
    expect(proof[1]).toBe(2);
    expect(v.verifyProof(ROOT1, K2, null, proof)).toEqual({ ok: true });
    expect(v.verifyProof(ROOT1, K1, null, proof)).toEqual({ ok: false, reason: "the other leaf is the key's own" });
  });
  test("the other leaf must lie on the key's path", () => {
    /* K1 and K3 share 5 bits, K2 none with them: K1's leaf cannot stand for K2's absence below depth 1. */
    const forged = PRESENT_PROOF.slice();
    forged[1] = 2;
    const proof = c.concat(forged.slice(0, 5), v.statePath(K1), v.valueHash(V1), forged.slice(5));
    expect(v.verifyProof(ROOT3, K2, null, proof)).toEqual({ ok: false, reason: "the other leaf lies elsewhere" });
  });
  test("depth 257, a zero sibling, an empty lowest sibling, a spare bit", () => {
    const deep = c.concat(Uint8Array.of(1, 1), c.le(257, 2), new Uint8Array(33));
    expect(v.verifyProof(ROOT3, K1, null, deep)).toEqual({ ok: false, reason: "depth over 256" });
    const zero = c.concat(Uint8Array.of(1, 0, 1, 0, 1), new Uint8Array(32));
    expect(v.verifyProof(ROOT3, K1, V1, zero)).toEqual({ ok: false, reason: "an empty sibling is given as bytes" });
    expect(v.verifyProof(ROOT3, K1, V1, Uint8Array.of(1, 0, 1, 0, 0))).toEqual({
      ok: false,
      reason: "the lowest sibling is empty",
    });
    expect(v.verifyProof(ROOT3, K1, V1, c.concat(Uint8Array.of(1, 0, 1, 0, 3), new Uint8Array(32).fill(1)))).toEqual({
      ok: false,
      reason: "a spare bit is set",
    });
  });
  test("a root that is one leaf pushed down by empty siblings is refused (shortcut)", () => {
    /* Without the rule on bit 0, leaf(K1) one level deeper would be a second proof of another root. */
    const node =
      v.pathBit(v.statePath(K1), 0) === 0 ? v.stateNode(ROOT1, c.ZERO_HASH) : v.stateNode(c.ZERO_HASH, ROOT1);
    expect(v.verifyProof(node, K1, V1, Uint8Array.of(1, 0, 1, 0, 0)).ok).toBe(false);
  });
});

describe("forged streams (S12.2)", () => {
  const tree = new v.NaiveTree(pairs.slice(0, 2));
  const [a, b] = ANSWER as [v.Entry, v.Entry];
  const [qa] = QUERY as [v.Interval, v.Interval];
  const make = (ops: readonly number[], hashes: readonly Uint8Array[], others: readonly v.Entry[]): Uint8Array => {
    const packed = new Uint8Array(Math.ceil(ops.length / 4));
    ops.forEach((o, i) => {
      packed[i >> 2] = (packed[i >> 2] as number) | (o << (2 * (i & 3)));
    });
    const counts = [ops.length, hashes.length, others.length].map((n) => c.le(n, 4));
    return c.concat(Uint8Array.of(1, 16), ...counts, packed, ...hashes, ...others.flatMap((e) => [e.path, e.vh]));
  };
  const leafOf = (e: v.Entry): Uint8Array => v.stateLeaf(e.path, e.vh);
  test("the tree has a branch over two leaves, beside an empty half", () => {
    expect(tree.stream(QUERY)).toEqual(make([3, 3, 2, 2, 0], [], []));
    expect(v.verifyStream(ROOT2, QUERY, ANSWER, make([3, 3, 2, 2, 0], [], []))).toEqual({ ok: true });
  });
  test("a leaf of the query cannot pass as an other", () => {
    const verdict = v.verifyStream(ROOT2, QUERY, [a], make([3, 3, 2, 2, 0], [], [b]));
    expect(verdict).toEqual({ ok: false, reason: "a leaf inside the query is kept from the answer" });
  });
  test("what the query does not reach stays closed", () => {
    expect(v.verifyStream(ROOT2, [qa], [a], make([3, 3, 2, 1, 0], [leafOf(b)], []))).toEqual({ ok: true });
    const opened = v.verifyStream(ROOT2, [qa], [a], make([3, 3, 2, 2, 0], [], [b]));
    expect(opened).toEqual({ ok: false, reason: "opened outside the query" });
  });
  test("what the query reaches cannot hide in a hash", () => {
    const verdict = v.verifyStream(ROOT2, QUERY, [a], make([3, 3, 2, 1, 0], [leafOf(b)], []));
    expect(verdict).toEqual({ ok: false, reason: "a hash hides part of the query" });
  });
  test("a branch over one leaf, or none, is refused under a root made for it", () => {
    const all = [{ lo: new Uint8Array(32), hi: new Uint8Array(32).fill(255) }];
    const left = v.pathBit(a.path, 0) === 0;
    const root = left ? v.stateNode(leafOf(a), c.ZERO_HASH) : v.stateNode(c.ZERO_HASH, leafOf(a));
    const one = v.verifyStream(root, all, [a], make(left ? [3, 2, 0] : [3, 0, 2], [], []));
    expect(one).toEqual({ ok: false, reason: "a branch over one key or none" });
    const none = v.verifyStream(v.stateNode(c.ZERO_HASH, c.ZERO_HASH), all, [], make([3, 0, 0], [], []));
    expect(none).toEqual({ ok: false, reason: "a branch over one key or none" });
  });
  test("an other leaf must lie where it stands", () => {
    const elsewhere = make([3, 3, 2, 2, 0], [], [{ path: a.path, vh: b.vh }]);
    expect(v.verifyStream(ROOT2, QUERY, [a], elsewhere)).toEqual({ ok: false, reason: "an other leaf lies elsewhere" });
  });
  test("257 branches end in a verdict", () => {
    const deep = make([...new Array(300).fill(3), 0], [], []);
    expect(v.verifyStream(ROOT2, [{ lo: new Uint8Array(32), hi: new Uint8Array(32) }], [], deep).ok).toBe(false);
  });
});

test("random trees: every proof verifies, and only for its key and value", () => {
  const r = random();
  for (let round = 0; round < 25; round++) {
    const n = r.int(60);
    const set = Array.from({ length: n }, (_, i) => [c.storageKey(2, 1, c.be(i, 8)), r.bytes(1 + r.int(40))] as const);
    const tree = new v.NaiveTree(set);
    const root = tree.root();
    for (const [k, x] of set) {
      expect(v.verifyProof(root, k, x, tree.single(k))).toEqual({ ok: true });
      expect(v.verifyProof(root, k, c.concat(x, Uint8Array.of(0)), tree.single(k)).ok).toBe(false);
      expect(v.verifyProof(root, k, null, tree.single(k)).ok).toBe(false);
    }
    for (let i = 0; i < 10; i++) {
      const absent = c.storageKey(2, 1, c.be(1000 + r.int(1000), 8));
      const proof = tree.single(absent);
      expect(v.verifyProof(root, absent, null, proof)).toEqual({ ok: true });
      expect(v.verifyProof(root, absent, Uint8Array.of(1), proof).ok).toBe(false);
    }
    /* Streams over random keys, present or not, and random ranges. */
    const points = Array.from({ length: 2 * r.int(6) }, () => r.bytes(32)).sort(c.compare);
    const ranges = Array.from({ length: points.length / 2 }, (_, i) => ({
      lo: points[2 * i] as Uint8Array,
      hi: points[2 * i + 1] as Uint8Array,
    }));
    const answer = tree.within(ranges);
    const stream = tree.stream(ranges);
    expect(v.verifyStream(root, ranges, answer, stream)).toEqual({ ok: true });
    if (answer.length > 0) {
      const drop = r.int(answer.length);
      expect(
        v.verifyStream(
          root,
          ranges,
          answer.filter((_, i) => i !== drop),
          stream,
        ).ok,
      ).toBe(false);
    }
    for (let i = 0; i < 100; i++) {
      const bad = stream.slice();
      const at = r.int(8 * bad.length);
      bad[at >> 3] = (bad[at >> 3] as number) ^ (1 << (at & 7));
      expect(v.verifyStream(root, ranges, answer, bad).ok).toBe(false);
    }
  }
});

test("random bytes never verify and never throw", () => {
  const r = random();
  for (let i = 0; i < 3000; i++) {
    const junk = r.bytes(r.int(200));
    if (junk.length > 0) junk[0] = 1;
    if (junk.length > 1) junk[1] = r.pick([0, 1, 2, 16]);
    expect(v.verifyProof(ROOT3, K1, V1, junk).ok).toBe(false);
    expect(v.verifyStream(ROOT3, QUERY, ANSWER, junk).ok).toBe(false);
  }
});

test("a stream that claims four billion operations is refused at once", () => {
  const huge = c.concat(Uint8Array.of(1, 16), new Uint8Array(12).fill(255), new Uint8Array(100));
  expect(v.verifyStream(ROOT3, QUERY, ANSWER, huge)).toEqual({ ok: false, reason: "wrong length" });
});
