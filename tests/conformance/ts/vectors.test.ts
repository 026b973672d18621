/* Reads tests/conformance/vectors/*.json back: every byte string decodes, encodes to itself and means what `input` says. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as c from "@demiurge/codec";
import * as v from "@demiurge/verify";
import * as w from "@demiurge/wallet";
import { describe, expect, test } from "vitest";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
interface Vector {
  readonly name: string;
  readonly kind: string;
  readonly [field: string]: Json;
}

const dir = join(dirname(fileURLToPath(import.meta.url)), "..", "vectors");
const load = (name: string): readonly Vector[] => {
  const file = JSON.parse(readFileSync(join(dir, `${name}.json`), "utf8")) as {
    format: string;
    vectors: readonly Vector[];
  };
  expect(file.format).toBe("demiurge-vectors/1");
  return file.vectors;
};
const of = (file: string, ...kinds: string[]): readonly (readonly [string, Vector])[] =>
  load(file)
    .filter((x) => kinds.includes(x.kind))
    .map((x) => [x.name, x] as const);
const bin = (x: Json | undefined): Uint8Array => c.fromHex(x as string);
const bins = (x: Json | undefined): Uint8Array[] => (x as readonly string[]).map((y) => c.fromHex(y));

function plain(x: unknown): Json {
  if (x === null || typeof x === "number" || typeof x === "string" || typeof x === "boolean") return x;
  if (typeof x === "bigint") return x.toString();
  if (x instanceof Uint8Array) return c.toHex(x);
  if (x instanceof Map) return [...x].map(plain);
  if (Array.isArray(x)) return x.map(plain);
  return Object.fromEntries(Object.entries(x as object).map(([k, y]) => [k, plain(y)]));
}

/** Decodes strictly, compares with `input`, encodes again. */
function roundTrip<T>(codec: c.Codec<T>, x: Vector): T {
  const value = c.decode(codec, bin(x["bcs"]));
  if (x["input"] !== undefined) expect(plain(value)).toEqual(x["input"]);
  expect(c.toHex(c.encode(codec, value))).toBe(x["bcs"]);
  return value;
}

test("every file is read by this test", () => {
  const known = [
    "addresses",
    "agree",
    "calls",
    "decode_bad",
    "hash",
    "headers",
    "proof_bad",
    "proofs",
    "receipts",
    "storage",
    "transactions",
  ];
  expect(
    readdirSync(dir)
      .filter((f) => f.endsWith(".json"))
      .sort(),
  ).toEqual(known.map((k) => `${k}.json`));
});

describe("hash", () => {
  test.each(of("hash", "tagged_hash"))("%s", (_, x) => {
    expect(c.toHex(c.taggedHash(x["tag"] as string, bin(x["data"])))).toBe(x["hash"]);
  });
  test.each(of("hash", "merkle"))("%s", (_, x) => {
    expect(c.toHex(c.merkleRoot(x["node_tag"] as string, bins(x["leaves"]).map(c.asHash)))).toBe(x["root"]);
  });
});

/**
 * What validators send each other (C2.2, C9.1, N8.2): no client needs it, so the types stand here and not in the SDK. Roots, seeds and
 * cycles of the file are agree.mjs's own computation, which `npm run check` repeats.
 */
describe("agree", () => {
  const vote = (signature: number) =>
    c.struct("Vote", { kind: c.u8, epoch: c.u32, view: c.u64, hash: c.hash, signer: c.u16, sig: c.fixed(signature) });
  const NullRun = c.struct("NullRun", {
    epoch: c.u32,
    first: c.u64,
    bitmaps: c.list(c.fixed(16), 64, 1),
    sig: c.fixed(48),
  });
  const runs = c.list(NullRun, 1024);
  const EpochRecord = c.struct("EpochRecord", {
    version: c.u16,
    epoch: c.u32,
    first_height: c.u64,
    last_height: c.u64,
    set_hash: c.hash,
    seed: c.hash,
    weight: c.u64,
    n: c.u16,
    pace_ms: c.u16,
    window: c.u8,
    delta_ms: c.u16,
    cap_ms: c.u32,
    empty_lag: c.u8,
    body_max: c.u32,
    body_soft: c.u32,
    skew_ms: c.u16,
  });
  const Handover = c.struct("Handover", {
    header: c.Header,
    fin: c.Cert,
    record: EpochRecord,
    next: c.union("NextSet", {
      Same: c.unit,
      Change: c.list(c.struct("Change", { key: c.fixed(96), weight: c.u64 }), 256),
      Set: c.ValidatorSet,
    }),
  });
  const Side = c.union("Side", {
    Vote: c.struct("VoteSide", { vote: vote(48) }),
    Cert: c.struct("CertSide", { cert: c.Cert }),
    Run: c.struct("RunSide", { run: NullRun, view: c.u64 }),
  });
  const Path = c.list(c.struct("Step", { is_left: c.bool, sibling: c.hash }), 16);
  const Evidence = c.union("Evidence", {
    Pair: c.struct("Pair", { a: Side, b: Side }),
    BadHeader: c.struct("BadHeader", {
      side: Side,
      header: c.Header,
      parent: c.option(c.Header),
      openings: c.list(c.struct("Opening", { run: NullRun, path: Path }), 2),
    }),
  });
  const readers: { readonly [kind: string]: (x: Vector) => void } = {
    vote_wire: (x) => void roundTrip(vote(96), x),
    vote_stored: (x) => void roundTrip(vote(48), x),
    hello: (x) => void roundTrip(c.struct("Hello", { epoch: c.u32, cur: c.u64, final_view: c.u64, height: c.u64 }), x),
    want: (x) => void roundTrip(c.struct("Want", { views: c.list(c.u64, 64), kinds: c.u8 }), x),
    bundle: (x) => void roundTrip(c.struct("Bundle", { base: c.Cert, runs }), x),
    evidence: (x) => void roundTrip(Evidence, x),
    run: (x) =>
      expect(c.toHex(c.taggedHash("dmg/just/leaf/v1", c.encode(NullRun, roundTrip(NullRun, x))))).toBe(x["hash"]),
    set: (x) => expect(c.toHex(c.setHash(roundTrip(c.ValidatorSet, x)))).toBe(x["hash"]),
    record: (x) =>
      expect(c.toHex(c.taggedHash("dmg/epoch/v1", c.encode(EpochRecord, roundTrip(EpochRecord, x))))).toBe(x["hash"]),
    proposal: (x) => {
      const p = roundTrip(c.struct("Proposal", { header: c.SignedHeader, fin: c.Cert, runs }), x);
      expect(c.toHex(c.blockHash(p.header.header))).toBe(x["hash"]);
    },
    handover: (x) => {
      const h = roundTrip(Handover, x);
      const next = new Map(c.decode(c.ValidatorSet, bin(x["prev"])).map((m) => [c.toHex(m.key), m] as const));
      if (h.next.kind === "Set") next.clear();
      for (const m of h.next.kind === "Same" ? [] : h.next.value)
        if (m.weight === 0n) next.delete(c.toHex(m.key));
        else next.set(c.toHex(m.key), m);
      const set = [...next].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, m]) => m);
      expect(c.toHex(c.encode(c.ValidatorSet, set))).toBe(x["next"]);
      const root = c.taggedHash("dmg/epoch/v1", c.encode(EpochRecord, h.record));
      expect(c.toHex(root)).toBe(c.toHex(h.header.next_epoch_root));
    },
    just_root: (x) =>
      expect(c.toHex(c.merkleRoot("dmg/just/node/v1", bins(x["leaves"]).map(c.asHash)))).toBe(x["root"]),
    seed_next: (x) => {
      const epoch = c.encode(c.u32, x["epoch"] as number);
      expect(c.toHex(c.taggedHash("dmg/epoch/seed/v1", bin(x["beacon"]), epoch))).toBe(x["seed"]);
    },
    cycle: () => {},
  };
  test.each(load("agree").map((x) => [x.name, x] as const))("%s", (_, x) => {
    const read = readers[x.kind];
    if (read === undefined) throw new Error(`unknown kind ${x.kind}`);
    expect(x["input"] === undefined).toBe(x["bcs"] === undefined);
    read(x);
  });
});

describe("addresses", () => {
  test.each(of("addresses", "account_init"))("%s", (_, x) => {
    const init = roundTrip(c.AccountInit, x);
    expect(c.toHex(c.accountAddress(init))).toBe(x["address"]);
    expect(c.addressToText(c.accountAddress(init))).toBe(x["text"]);
    if (x["path"] !== undefined) {
      const secret = w.slip10Ed25519(w.seedFromMnemonic(w.DEV_MNEMONIC), x["path"] as string);
      expect(c.toHex(secret)).toBe(x["secret"]);
      expect(c.toHex(w.ed25519Signer(secret).publicKey)).toBe(x["public"]);
    }
  });
  test.each(of("addresses", "account_init", "module_address", "address_text"))("%s as text", (_, x) => {
    expect(c.toHex(c.addressFromText(x["text"] as string))).toBe(x["address"]);
  });
  test.each(of("addresses", "address_text_bad"))("%s is refused", (_, x) => {
    expect(() => c.addressFromText(x["text"] as string)).toThrow(c.CodecError);
  });
});

const calls = new Map(
  [...Object.values(c.balances), ...Object.values(c.system)].map((e) => [
    `${e.module}.${e.id}`,
    e as c.CallEncoder<object>,
  ]),
);

describe("calls", () => {
  test.each(of("calls", "schema"))("%s", (_, x) => {
    expect(c.toHex(c.schemaHash(bin(x["bcs"])))).toBe(x["schema"]);
    const e = calls.get(`${x["module"]}.${x["call"]}`);
    if (e !== undefined) expect([c.toHex(e.schema), e.fullName, e.says]).toEqual([x["schema"], x.name, x["says"]]);
  });
  test.each(of("calls", "args").filter(([n]) => !n.startsWith("vector")))("%s", (_, x) => {
    const e = calls.get(`${x["module"]}.${x["call"]}`) as c.CallEncoder<object>;
    const args = e.decode(bin(x["bcs"]));
    expect(plain(args)).toEqual(x["input"]);
    expect(c.toHex(e.encode(args))).toBe(x["bcs"]);
  });
});

describe("transactions", () => {
  test.each(of("transactions", "transaction"))("%s", (_, x) => {
    const tx = roundTrip(c.Transaction, x);
    expect(c.toHex(c.encodeTransaction(c.decodeTransaction(bin(x["bcs"]))))).toBe(x["bcs"]);
    expect(c.toHex(c.encode(c.Body, tx.body))).toBe(x["body"]);
    expect(c.toHex(c.transactionId(tx.body))).toBe(x["id"]);
    const sigs = tx.auth.kind === "Keys" ? tx.auth.sigs : tx.auth.kind === "Session" ? [tx.auth.sig] : [];
    for (const s of sigs) {
      expect(w.verifySig(c.transactionId(tx.body), s)).toBe(true);
      expect(w.verifySig(c.taggedHash("other"), s)).toBe(false);
    }
    if (tx.auth.kind === "Keys" && tx.auth.init !== null)
      expect(c.accountAddress(tx.auth.init)).toEqual(tx.body.sender);
  });
});

describe("receipts", () => {
  test.each(of("receipts", "receipt"))("%s", (_, x) => {
    expect(c.toHex(c.taggedHash("dmg/receipt/v1", c.encode(c.Receipt, roundTrip(c.Receipt, x))))).toBe(x["leaf"]);
  });
  test.each(of("receipts", "receipts_root"))("%s", (_, x) => {
    expect(c.toHex(c.receiptsRoot(bins(x["receipts"]).map((b) => c.decode(c.Receipt, b))))).toBe(x["root"]);
  });
  test("mountain ranges grow from one vector to the next", () => {
    const all = of("receipts", "mmr");
    for (const [i, [, x]] of all.entries()) {
      const mmr = roundTrip(c.Mmr, x);
      expect(c.toHex(c.mmrRoot(mmr))).toBe(x["root"]);
      const next = all[i + 1];
      if (next !== undefined)
        expect(c.toHex(c.encode(c.Mmr, c.mmrAppend(mmr, c.asHash(bin(x["next_leaf"])))))).toBe(next[1]["bcs"]);
    }
  });
  test("leaves", () => {
    for (const [, x] of of("receipts", "event")) roundTrip(c.Event, x);
    for (const [, x] of of("receipts", "event_leaf"))
      expect(c.toHex(c.eventLeafHash(roundTrip(c.EventLeaf, x)))).toBe(x["hash"]);
    for (const [, x] of of("receipts", "receipts_leaf"))
      expect(c.toHex(c.receiptsLeafHash(BigInt(x["height"] as string), c.asHash(bin(x["receipts_root"]))))).toBe(
        x["hash"],
      );
    for (const [, x] of of("receipts", "result_hash")) expect(c.toHex(c.resultHash(bin(x["data"])))).toBe(x["hash"]);
  });
});

describe("headers", () => {
  const solo = (x: Vector): readonly v.Validator[] => [{ key: bin(x["key"]), weight: 1n }];
  test.each(of("headers", "header"))("%s", (_, x) => {
    const h = c.decodeHeader(bin(x["bcs"]));
    expect(bin(x["bcs"]).length).toBe(c.HEADER_SIZE);
    expect(plain(h)).toEqual(x["input"]);
    expect(c.toHex(c.blockHash(roundTrip(c.Header, x)))).toBe(x["hash"]);
  });
  test.each(of("headers", "signed_header"))("%s", (_, x) => {
    const s = c.decodeSignedHeader(bin(x["bcs"]));
    const chain = c.asHash(bin(x["chain"]));
    expect(v.verifySignedHeader(chain, solo(x), s)).toEqual({ ok: true });
    expect(v.verifySignedHeader(c.ZERO_HASH, solo(x), s).ok).toBe(false);
    expect(v.verifySignedHeader(chain, solo(x), { ...s, header: { ...s.header, height: 99n } }).ok).toBe(false);
  });
  test.each(of("headers", "cert"))("%s", (_, x) => {
    const cert = roundTrip(c.Cert, x);
    const chain = c.asHash(bin(x["chain"]));
    expect(bin(x["bcs"]).length).toBe(c.CERT_SIZE);
    expect(v.verifyCert(chain, solo(x), cert)).toEqual({ ok: true });
    expect(v.verifyCert(chain, solo(x), { ...cert, kind: 2 - cert.kind }).ok).toBe(false);
    expect(v.verifyCert(chain, solo(x), { ...cert, view: cert.view + 1n }).ok).toBe(false);
    expect(v.verifyCert(chain, solo(x), { ...cert, bitmap: new Uint8Array(16) }).ok).toBe(false);
    expect(v.verifyCert(chain, solo(x), { ...cert, bitmap: Uint8Array.from({ length: 16 }, () => 3) }).ok).toBe(false);
    expect(v.verifyCert(chain, [...solo(x), ...solo(x), ...solo(x)], cert).ok).toBe(false);
  });
  test.each(of("headers", "body"))("%s", (_, x) => {
    const body = roundTrip(c.BlockBody, x);
    expect(c.toHex(c.bodyHash(body))).toBe(x["body_hash"]);
    expect(bin(x["bcs"]).length).toBe(x["body_len"]);
  });
  test.each(of("headers", "vote"))("%s", (_, x) => {
    expect(bin(x["message"]).length).toBe(77);
    expect(v.blsVerify(bin(x["key"]), bin(x["message"]), bin(x["sig"]), x["dst"] as string)).toBe(true);
    expect(v.blsVerify(bin(x["key"]), bin(x["message"]), bin(x["sig"]), w.BLS_DST_TX)).toBe(false);
  });
  test("a parent's certificate is over its hash", () => {
    const headers = of("headers", "header").map(([, x]) => c.decodeHeader(bin(x["bcs"])));
    expect(c.isZeroCert((headers[0] as c.Header).parent_cert)).toBe(true);
    for (let i = 1; i < headers.length; i++) {
      const [before, h] = [headers[i - 1] as c.Header, headers[i] as c.Header];
      expect(h.parent_hash).toEqual(c.blockHash(before));
      expect(h.parent_cert.hash).toEqual(c.blockHash(before));
    }
  });
  test("genesis, keys, sets, beacons", () => {
    for (const [, x] of of("headers", "genesis"))
      expect(c.toHex(c.genesisHash(roundTrip(c.Genesis, x)))).toBe(x["hash"]);
    for (const [, x] of of("headers", "bls_keygen")) {
      expect(c.toHex(w.blsKeyGen(bin(x["ikm"])))).toBe(x["secret"]);
      expect(c.toHex(w.blsSigner(bin(x["secret"])).publicKey)).toBe(x["key"]);
    }
    for (const [, x] of of("headers", "set")) expect(c.toHex(c.setHash(roundTrip(c.ValidatorSet, x)))).toBe(x["hash"]);
    for (const [, x] of of("headers", "beacon"))
      expect(c.toHex(c.beaconFirst(c.asHash(bin(x["genesis"]))))).toBe(x["beacon"]);
    for (const [, x] of of("headers", "beacon_next"))
      expect(c.toHex(c.beaconNext(c.asHash(bin(x["before"])), bin(x["reveal"])))).toBe(x["beacon"]);
    for (const [, x] of of("headers", "seed"))
      expect(c.toHex(c.seedFirst(c.asHash(bin(x["genesis"]))))).toBe(x["seed"]);
  });
});

describe("storage", () => {
  const items = new Map<string, c.Item<readonly never[], unknown>>(
    [...Object.values(c.systemItems), ...Object.values(c.balancesItems)].map((i) => [
      `${i.module}.${i.item}`,
      i as unknown as c.Item<readonly never[], unknown>,
    ]),
  );
  test.each(of("storage", "stored"))("%s", (_, x) => {
    const key = bin(x["key"]);
    const it = items.get(
      `${(key[0] as number) * 256 + (key[1] as number)}.${(key[2] as number) * 256 + (key[3] as number)}`,
    );
    if (it === undefined) throw new Error("unknown item");
    const stored = it.decode(bin(x["value"]));
    const input = x["input"] as { readonly schema: number; readonly deposit: Json; readonly value: Json };
    expect(plain(stored)).toEqual({ schema: input.schema, deposit: input.deposit, value: input.value });
    expect(c.toHex(it.encode(stored))).toBe(x["value"]);
    expect(c.toHex(v.statePath(key))).toBe(x["path"]);
    expect(c.toHex(v.valueHash(bin(x["value"])))).toBe(x["value_hash"]);
  });
});

describe("proofs", () => {
  const query = (x: Json | undefined): v.Interval[] =>
    (x as readonly { lo: string; hi: string }[]).map((q) => ({ lo: bin(q.lo), hi: bin(q.hi) }));
  const answer = (x: Json | undefined): v.Entry[] =>
    (x as readonly { path: string; vh: string }[]).map((e) => ({ path: bin(e.path), vh: bin(e.vh) }));
  test.each(of("proofs", "root"))("%s", (_, x) => {
    const keys = bins(x["keys"]);
    const values = bins(x["values"]);
    expect(c.toHex(new v.NaiveTree(keys.map((k, i) => [k, values[i] as Uint8Array] as const)).root())).toBe(x["root"]);
  });
  test.each(of("proofs", "single"))("%s", (_, x) => {
    const value = x["value"] === null ? null : bin(x["value"]);
    expect(v.verifyProof(bin(x["root"]), bin(x["key"]), value, bin(x["proof"]))).toEqual({ ok: true });
  });
  test.each(of("proofs", "stream"))("%s", (_, x) => {
    expect(v.verifyStream(bin(x["root"]), query(x["query"]), answer(x["answer"]), bin(x["proof"]))).toEqual({
      ok: true,
    });
  });
});

test("no bad proof verifies", () => {
  for (const x of load("proof_bad")) {
    const query = (x["query"] ?? []) as readonly { lo: string; hi: string }[];
    const answer = (x["answer"] ?? []) as readonly { path: string; vh: string }[];
    const verdict =
      x.kind === "single"
        ? v.verifyProof(bin(x["root"]), bin(x["key"]), x["value"] === null ? null : bin(x["value"]), bin(x["proof"]))
        : v.verifyStream(
            bin(x["root"]),
            query.map((q) => ({ lo: bin(q.lo), hi: bin(q.hi) })),
            answer.map((e) => ({ path: bin(e.path), vh: bin(e.vh) })),
            bin(x["proof"]),
          );
    expect(verdict.ok, x.name).toBe(false);
  }
});

describe("decode_bad", () => {
  const mmr = (b: Uint8Array): void => c.mmrCheck(c.decode(c.Mmr, b));
  const decoders: { readonly [kind: string]: (b: Uint8Array) => unknown } = {
    transaction: c.decodeTransaction,
    receipt: (b) => c.decode(c.Receipt, b),
    mmr,
    header: c.decodeHeader,
    "args 2.1": c.balances.transfer.decode,
    "args 2.3": c.balances.transfer_many.decode,
    "args 1.8": c.system.note.decode,
  };
  const plainCodec: { readonly [kind: string]: (b: Uint8Array) => unknown } = {
    transaction: (b) => c.decode(c.Transaction, b),
    mmr: (b) => c.decode(c.Mmr, b),
    header: (b) => c.decode(c.Header, b),
  };
  test.each(load("decode_bad").map((x) => [x.name, x] as const))("%s is refused", (_, x) => {
    expect(() => (decoders[x.kind] as (b: Uint8Array) => unknown)(bin(x["bcs"]))).toThrow(c.CodecError);
    /* What the form check refuses is canonical BCS. */
    if (x["layer"] === "form")
      expect(() => (plainCodec[x.kind] as (b: Uint8Array) => unknown)(bin(x["bcs"]))).not.toThrow();
  });
});
