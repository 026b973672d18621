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
const list = (xs) => cat(uleb(xs.length), ...xs);
const hash = (name) => tagged("test", Buffer.from(name));

const voteHead = (kind, epoch, view, h, signer) => cat(le(kind, 1), le(epoch, 4), le(view, 8), h, le(signer, 2));
const zero = Buffer.alloc(32);
const bitmap = (...bits) => {
  const b = Buffer.alloc(16);
  for (const i of bits) b[i >> 3] |= 1 << (i & 7);
  return b;
};
const run = (epoch, first, maps, sig) => cat(le(epoch, 4), le(first, 8), uleb(maps.length), ...maps, sig);
const cert = (kind, epoch, view, h, map, sig) => cat(le(kind, 1), le(epoch, 4), le(view, 8), h, map, sig);
const members = (pairs) => pairs.map(([k, w]) => cat(fill(96, k), le(w, 8)));
const set = (pairs) => list(members(pairs));
const header = (o) =>
  cat(
    le(1, 2),
    le(o.kind ?? 0, 1),
    le(o.leader ?? 1, 2),
    le(o.epoch ?? 0, 4),
    le(o.view, 8),
    le(o.height, 8),
    o.parent,
    le(o.parentView, 8),
    o.cert,
    o.just ?? zero,
    hash("body"),
    le(o.bodyLen ?? 3, 4),
    hash("root"),
    o.next ?? zero,
    le(o.time ?? 1700000000000n, 8),
    fill(48, 9),
  );
const record = (o) =>
  cat(
    le(1, 2),
    le(o.epoch, 4),
    le(o.first, 8),
    le(o.last, 8),
    o.set,
    o.seed,
    le(o.weight, 8),
    le(o.n, 2),
    le(250, 2),
    le(4, 1),
    le(200, 2),
    le(30000, 4),
    le(16, 1),
    le(1048576, 4),
    le(131072, 4),
    le(500, 2),
  );

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
    if (i % 2) steps.push(cat(le(1, 1), level[i - 1]));
    else if (i + 1 < level.length) steps.push(cat(le(0, 1), level[i + 1]));
    const up = [];
    for (let k = 0; k + 1 < level.length; k += 2) up.push(tagged("dmg/just/node/v1", level[k], level[k + 1]));
    if (level.length % 2) up.push(level[level.length - 1]);
    level = up;
    i >>= 1;
  }
  return list(steps);
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

const hex = (b) => `0x${b.toString("hex")}`;
const vectors = [];
const add = (name, type, bcs, more = {}) => vectors.push({ name, kind: type, bcs: hex(bcs), ...more });

add("notarize", "vote_wire", cat(voteHead(0, 7, 1234567890123n, hash("a"), 127), fill(96, 1)));
add("nullify", "vote_wire", cat(voteHead(1, 0, 1n, zero, 0), fill(96, 2)));
add("finalize", "vote_stored", cat(voteHead(2, 7, 55n, hash("a"), 3), fill(48, 3)));
add("propose", "vote_stored", cat(voteHead(3, 7, 55n, hash("b"), 3), fill(48, 4)));
const r1 = run(0, 5, [bitmap(0, 1, 2)], fill(48, 5));
const r3 = run(0, 6, [bitmap(0, 1, 3), bitmap(1, 2, 3), bitmap(0, 2, 3)], fill(48, 6));
const r64 = run(
  9,
  2n ** 40n,
  Array.from({ length: 64 }, (_, i) => bitmap(i, 127)),
  fill(48, 7),
);
const leaf = (r) => tagged("dmg/just/leaf/v1", r);
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
add("set_4", "set", set(s4), { hash: hex(tagged("dmg/set/v1", set(s4))) });
add("set_1", "set", set([[200, 1n]]), { hash: hex(tagged("dmg/set/v1", set([[200, 1n]]))) });
const rec = (pairs, n) =>
  record({
    epoch: 1,
    first: 14401,
    last: 28800,
    set: tagged("dmg/set/v1", set(pairs)),
    seed: hash("seed"),
    weight: pairs.reduce((a, p) => a + p[1], 0n),
    n,
  });
add("record", "record", rec(s4, 4), { hash: hex(tagged("dmg/epoch/v1", rec(s4, 4))) });

add("hello", "hello", cat(le(3, 4), le(900, 8), le(899, 8), le(77777, 8)));
add("want", "want", cat(list([le(5, 8), le(6, 8), le(2n ** 40n, 8)]), le(11, 1)));
const n4 = cert(0, 0, 4, hash("block 4"), bitmap(0, 1, 2), fill(48, 11));
add("bundle", "bundle", cat(n4, list(runs)));
add("bundle_of_the_anchor", "bundle", cat(Buffer.alloc(109), list([run(0, 1, [bitmap(0, 1, 2)], fill(48, 12))])));
const h12 = header({ view: 12, height: 5, parent: hash("block 4"), parentView: 4, cert: n4, just: fold(leaves) });
add(
  "proposal",
  "proposal",
  cat(h12, fill(48, 13), cert(2, 0, 4, hash("block 4"), bitmap(1, 2, 3), fill(48, 14)), list(runs)),
  { hash: hex(tagged("dmg/block/v1", h12)) },
);

for (const [name, next, variant, payload] of [
  ["same", s4, 0, Buffer.alloc(0)],
  [
    "change",
    s4b,
    1,
    list(
      members([
        [2, 25n],
        [3, 0n],
        [5, 7n],
      ]),
    ),
  ],
  ["set", far, 2, set(far)],
]) {
  const r = rec(next, next.length);
  const b = header({
    kind: 1,
    view: 20000,
    height: 14400,
    parent: hash("p"),
    parentView: 19999,
    cert: cert(0, 0, 19999, hash("p"), bitmap(0, 1, 2), fill(48, 1)),
    next: tagged("dmg/epoch/v1", r),
  });
  add(
    `handover_${name}`,
    "handover",
    cat(b, cert(2, 0, 20000, tagged("dmg/block/v1", b), bitmap(0, 1, 2), fill(48, 2)), r, le(variant, 1), payload),
    { prev: hex(set(s4)), next: hex(set(next)) },
  );
}

const v = (kind, h) => cat(le(0, 1), voteHead(kind, 0, 6n, h, 2), fill(48, 15));
add("pair_of_votes", "evidence", cat(le(0, 1), v(0, hash("a")), v(0, hash("b"))));
add(
  "pair_of_cert_and_run",
  "evidence",
  cat(le(0, 1), le(2, 1), r3, le(7, 8), le(1, 1), cert(2, 0, 7, hash("x"), bitmap(1, 2, 3), fill(48, 16))),
);
add(
  "bad_header",
  "evidence",
  cat(
    le(1, 1),
    le(0, 1),
    voteHead(0, 0, 12n, tagged("dmg/block/v1", h12), 2),
    fill(48, 17),
    h12,
    le(0, 1),
    list([0, 1].map((i) => cat(runs[i + 1], pathOf(leaves, i + 1)))),
  ),
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
