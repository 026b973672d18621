/* Writes tests/conformance/vectors/agree.json: what validators exchange (consensus C2.2, C2.4, C3, C9.1; network N8.2), laid out byte by byte from the pages,
   with no code of the project but the file's shape (gen.mjs).  Run: `npm run vectors`; `agree.mjs --check` compares. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const path = join(dirname(fileURLToPath(import.meta.url)), "..", "vectors", "agree.json");
const sha = (...parts) => {
  const h = createHash("sha256");
  for (const p of parts) h.update(p);
  return h.digest();
};
const tagged = (tag, ...parts) => {
  const t = sha(Buffer.from(tag));
  return sha(t, t, ...parts);
};
const cat = (...parts) => Buffer.concat(parts);
const le = (x, n) => {
  const b = Buffer.alloc(n);
  for (let i = 0, v = BigInt(x); i < n; i++, v >>= 8n) b[i] = Number(v & 255n);
  return b;
};
const uleb = (x) => {
  const out = [];
  for (; x >= 128; x >>= 7) out.push((x & 127) | 128);
  return Buffer.from([...out, x]);
};
const fill = (n, from) => Buffer.from(Array.from({ length: n }, (_, i) => (from + 7 * i) & 255));
const hex = (b) => `0x${b.toString("hex")}`;
const hash = (name) => tagged("test", Buffer.from(name));

/* A value has its bytes and its `input` (../vectors/README.md). */
const num = (x, n) => ({ bytes: le(x, n), input: n > 4 ? String(x) : Number(x) });
const u8 = (x) => num(x, 1);
const u16 = (x) => num(x, 2);
const u32 = (x) => num(x, 4);
const u64 = (x) => num(x, 8);
const raw = (bytes) => ({ bytes, input: hex(bytes) });
const bool = (x) => ({ bytes: le(x ? 1 : 0, 1), input: x });
const none = { bytes: le(0, 1), input: null };
const list = (xs) => ({ bytes: cat(uleb(xs.length), ...xs.map((x) => x.bytes)), input: xs.map((x) => x.input) });
const struct = (fields) => ({
  bytes: cat(...Object.values(fields).map((f) => f.bytes)),
  input: Object.fromEntries(Object.entries(fields).map(([k, f]) => [k, f.input])),
});
const variant = (index, kind, fields = {}) => {
  const payload = struct(fields);
  return { bytes: cat(le(index, 1), payload.bytes), input: { kind, ...payload.input } };
};
const variantOf = (index, kind, value) => ({
  bytes: cat(le(index, 1), value.bytes),
  input: { kind, value: value.input },
});

const vote = (kind, epoch, view, h, signer, sig) =>
  struct({ kind: u8(kind), epoch: u32(epoch), view: u64(view), hash: raw(h), signer: u16(signer), sig: raw(sig) });
const zero = Buffer.alloc(32);
const bitmap = (...bits) => {
  const b = Buffer.alloc(16);
  for (const i of bits) b[i >> 3] |= 1 << (i & 7);
  return b;
};
const run = (epoch, first, maps, sig) =>
  struct({ epoch: u32(epoch), first: u64(first), bitmaps: list(maps.map(raw)), sig: raw(sig) });
const cert = (kind, epoch, view, h, map, sig) =>
  struct({ kind: u8(kind), epoch: u32(epoch), view: u64(view), hash: raw(h), bitmap: raw(map), sig: raw(sig) });
const set = (pairs) => list(pairs.map(([k, w]) => struct({ key: raw(fill(96, k)), weight: u64(w) })));
const header = (o) =>
  struct({
    version: u16(1),
    kind: u8(o.kind ?? 0),
    leader: u16(1),
    epoch: u32(0),
    view: u64(o.view),
    height: u64(o.height),
    parent_hash: raw(o.parent),
    parent_view: u64(o.parentView),
    parent_cert: o.cert,
    just_root: raw(o.just ?? zero),
    body_hash: raw(hash("body")),
    body_len: u32(3),
    parent_state_root: raw(hash("root")),
    next_epoch_root: raw(o.next ?? zero),
    time_ms: u64(1700000000000n),
    reveal: raw(fill(48, 9)),
  });
const record = (o) =>
  struct({
    version: u16(1),
    epoch: u32(o.epoch),
    first_height: u64(o.first),
    last_height: u64(o.last),
    set_hash: raw(o.set),
    seed: raw(o.seed),
    weight: u64(o.weight),
    n: u16(o.n),
    pace_ms: u16(250),
    window: u8(4),
    delta_ms: u16(200),
    cap_ms: u32(30000),
    empty_lag: u8(16),
    body_max: u32(1048576),
    body_soft: u32(131072),
    skew_ms: u16(500),
  });

/* C2.4: levels pairwise, an odd node rises. */
const fold = (leaves) => {
  let level = leaves;
  while (level.length > 1) {
    const up = [];
    for (let i = 0; i + 1 < level.length; i += 2) up.push(tagged("dmg/just/node/v1", level[i], level[i + 1]));
    if (level.length % 2) up.push(level[level.length - 1]);
    level = up;
  }
  return level[0] ?? zero;
};
const pathOf = (leaves, idx) => {
  const steps = [];
  let level = leaves;
  let i = idx;
  while (level.length > 1) {
    if (i % 2) steps.push(struct({ is_left: bool(true), sibling: raw(level[i - 1]) }));
    else if (i + 1 < level.length) steps.push(struct({ is_left: bool(false), sibling: raw(level[i + 1]) }));
    const up = [];
    for (let k = 0; k + 1 < level.length; k += 2) up.push(tagged("dmg/just/node/v1", level[k], level[k + 1]));
    if (level.length % 2) up.push(level[level.length - 1]);
    level = up;
    i >>= 1;
  }
  return steps;
};

/* C3.3. */
const cycle = (seed, c, weights) => {
  const total = weights.reduce((a, b) => a + b, 0n);
  const share = weights.map((w) => (4096n * w) / total);
  const rest = weights.map((w) => (4096n * w) % total);
  let left = 4096n - share.reduce((a, b) => a + b, 0n);
  const order = weights.map((_, i) => i).sort((a, b) => (rest[a] === rest[b] ? a - b : rest[a] > rest[b] ? -1 : 1));
  for (let i = 0; left > 0n; i++, left--) share[order[i]] += 1n;
  const out = weights.flatMap((_, i) => Array(Number(share[i])).fill(i));
  let word = 0;
  const next = () => {
    const h = tagged("dmg/shuffle/v1", seed, le(c, 4), le(word >> 3, 4));
    return h.readUInt32LE(4 * (word++ & 7));
  };
  for (let j = 4095; j >= 1; j--) {
    const bound = 2 ** 32 - (2 ** 32 % (j + 1));
    let x = next();
    while (x >= bound) x = next();
    const r = x % (j + 1);
    [out[j], out[r]] = [out[r], out[j]];
  }
  return Buffer.from(out);
};

const vectors = [];
const add = (name, type, value, more = {}) =>
  vectors.push({ name, kind: type, bcs: hex(value.bytes), ...more, input: value.input });

add("notarize", "vote_wire", vote(0, 7, 1234567890123n, hash("a"), 127, fill(96, 1)));
add("nullify", "vote_wire", vote(1, 0, 1n, zero, 0, fill(96, 2)));
add("finalize", "vote_stored", vote(2, 7, 55n, hash("a"), 3, fill(48, 3)));
add("propose", "vote_stored", vote(3, 7, 55n, hash("b"), 3, fill(48, 4)));
const r1 = run(0, 5, [bitmap(0, 1, 2)], fill(48, 5));
const r3 = run(0, 6, [bitmap(0, 1, 3), bitmap(1, 2, 3), bitmap(0, 2, 3)], fill(48, 6));
const r64 = run(
  9,
  2n ** 40n,
  Array.from({ length: 64 }, (_, i) => bitmap(i, 127)),
  fill(48, 7),
);
const leaf = (r) => tagged("dmg/just/leaf/v1", r.bytes);
for (const [n, r] of [
  ["1", r1],
  ["3", r3],
  ["64", r64],
])
  add(`run_${n}`, "run", r, { hash: hex(leaf(r)) });
const runs = [
  r1,
  r3,
  run(0, 9, [bitmap(0, 1, 2)], fill(48, 8)),
  run(0, 10, [bitmap(0, 1, 2)], fill(48, 9)),
  run(0, 11, [bitmap(0, 1, 2)], fill(48, 10)),
];
const leaves = runs.map(leaf);
vectors.push({ name: "just_root_5", kind: "just_root", leaves: leaves.map(hex), root: hex(fold(leaves)) });

const s4 = [
  [1, 10n],
  [2, 20n],
  [3, 30n],
  [4, 40n],
];
const s4b = [
  [1, 10n],
  [2, 25n],
  [5, 7n],
  [4, 40n],
].sort((a, b) => a[0] - b[0]);
const far = [
  [11, 1n],
  [12, 2n],
];
const setHash = (pairs) => tagged("dmg/set/v1", set(pairs).bytes);
add("set_4", "set", set(s4), { hash: hex(setHash(s4)) });
add("set_1", "set", set([[200, 1n]]), { hash: hex(setHash([[200, 1n]])) });
const rec = (pairs, n) =>
  record({
    epoch: 1,
    first: 14401,
    last: 28800,
    set: setHash(pairs),
    seed: hash("seed"),
    weight: pairs.reduce((a, p) => a + p[1], 0n),
    n,
  });
add("record", "record", rec(s4, 4), { hash: hex(tagged("dmg/epoch/v1", rec(s4, 4).bytes)) });

add("hello", "hello", struct({ epoch: u32(3), cur: u64(900), final_view: u64(899), height: u64(77777) }));
add("want", "want", struct({ views: list([5, 6, 2n ** 40n].map(u64)), kinds: u8(11) }));
const n4 = cert(0, 0, 4, hash("block 4"), bitmap(0, 1, 2), fill(48, 11));
add("bundle", "bundle", struct({ base: n4, runs: list(runs) }));
add(
  "bundle_of_the_anchor",
  "bundle",
  struct({
    base: cert(0, 0, 0, zero, bitmap(), Buffer.alloc(48)),
    runs: list([run(0, 1, [bitmap(0, 1, 2)], fill(48, 12))]),
  }),
);
const h12 = header({ view: 12, height: 5, parent: hash("block 4"), parentView: 4, cert: n4, just: fold(leaves) });
const blockHash = (h) => tagged("dmg/block/v1", h.bytes);
add(
  "proposal",
  "proposal",
  struct({
    header: struct({ header: h12, sig: raw(fill(48, 13)) }),
    fin: cert(2, 0, 4, hash("block 4"), bitmap(1, 2, 3), fill(48, 14)),
    runs: list(runs),
  }),
  { hash: hex(blockHash(h12)) },
);

for (const [name, next, named] of [
  ["same", s4, variant(0, "Same")],
  [
    "change",
    s4b,
    variantOf(
      1,
      "Change",
      set([
        [2, 25n],
        [3, 0n],
        [5, 7n],
      ]),
    ),
  ],
  ["set", far, variantOf(2, "Set", set(far))],
]) {
  const r = rec(next, next.length);
  const b = header({
    kind: 1,
    view: 20000,
    height: 14400,
    parent: hash("p"),
    parentView: 19999,
    cert: cert(0, 0, 19999, hash("p"), bitmap(0, 1, 2), fill(48, 1)),
    next: tagged("dmg/epoch/v1", r.bytes),
  });
  add(
    `handover_${name}`,
    "handover",
    struct({
      header: b,
      fin: cert(2, 0, 20000, blockHash(b), bitmap(0, 1, 2), fill(48, 2)),
      record: r,
      next: named,
    }),
    { prev: hex(set(s4).bytes), next: hex(set(next).bytes) },
  );
}

const voteSide = (...of) => variant(0, "Vote", { vote: vote(...of) });
const pair = (a, b) => variant(0, "Pair", { a, b });
add(
  "pair_of_votes",
  "evidence",
  pair(voteSide(0, 0, 6n, hash("a"), 2, fill(48, 15)), voteSide(0, 0, 6n, hash("b"), 2, fill(48, 15))),
);
add(
  "pair_of_cert_and_run",
  "evidence",
  pair(
    variant(2, "Run", { run: r3, view: u64(7) }),
    variant(1, "Cert", { cert: cert(2, 0, 7, hash("x"), bitmap(1, 2, 3), fill(48, 16)) }),
  ),
);
add(
  "bad_header",
  "evidence",
  variant(1, "BadHeader", {
    side: voteSide(0, 0, 12n, blockHash(h12), 2, fill(48, 17)),
    header: h12,
    parent: none,
    openings: list([1, 2].map((i) => struct({ run: runs[i], path: list(pathOf(leaves, i)) }))),
  }),
);

for (const [name, c, weights] of [
  ["equal", 0, [1n, 1n, 1n, 1n]],
  ["uneven", 5, [10n, 20n, 30n, 1n, 7n]],
  ["large", 2 ** 20, [2n ** 62n, 2n ** 61n, 2n ** 62n - 1n]],
]) {
  const seed = hash(`seed ${name}`);
  const all = cycle(seed, c, weights);
  vectors.push({
    name: `cycle_${name}`,
    kind: "cycle",
    seed: hex(seed),
    cycle: c,
    weights: hex(cat(...weights.map((w) => le(w, 8)))),
    leaders: hex(all.subarray(0, 64)),
    hash: hex(sha(all)),
  });
}
vectors.push({
  name: "seed_3",
  kind: "seed_next",
  beacon: hex(hash("beacon")),
  epoch: 3,
  seed: hex(tagged("dmg/epoch/seed/v1", hash("beacon"), le(3, 4))),
});

const content = `{"format":"demiurge-vectors/1","vectors":[\n${vectors.map((x) => JSON.stringify(x)).join(",\n")}\n]}\n`;
if (process.argv.includes("--check")) {
  if (readFileSync(path, "utf8") !== content) {
    console.error("agree.json differs from what this implementation makes");
    process.exit(1);
  }
} else {
  writeFileSync(path, content);
  console.log(`agree.json: ${vectors.length} vectors, ${content.length} bytes`);
}
