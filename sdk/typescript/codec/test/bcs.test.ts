import { bcs } from "@mysten/bcs";
import { describe, expect, test } from "vitest";
import * as c from "../src/index.js";
import { random } from "./random.js";

const hex = c.toHex;
const of = (...b: number[]): Uint8Array => Uint8Array.from(b);

describe("strict decoding", () => {
  const List = c.list(c.u8, 300);
  const refused: readonly (readonly [string, () => unknown])[] = [
    ["a trailing byte", () => c.decode(c.u8, of(1, 0))],
    ["no byte", () => c.decode(c.u8, of())],
    ["a bool of 2", () => c.decode(c.bool, of(2))],
    ["a length of 0 in two bytes", () => c.decode(List, of(0x80, 0))],
    ["a length of 1 in two bytes", () => c.decode(List, of(0x81, 0, 7))],
    ["a length past the end", () => c.decode(List, of(3, 1, 2))],
    ["a length over the maximum", () => c.decode(List, Uint8Array.from([0xad, 2, ...new Array(301).fill(0)]))],
    ["a length over 32 bits", () => c.decode(List, of(0x81, 0x80, 0x80, 0x80, 0x10, 7))],
    ["a length without end", () => c.decode(List, of(...new Array(40).fill(0xff)))],
    ["an option tag of 2", () => c.decode(c.option(c.u8), of(2, 1))],
    ["a present option without value", () => c.decode(c.option(c.u8), of(1))],
    ["an unknown variant", () => c.decode(c.Asset, of(5, ...new Array(32).fill(0)))],
    ["a variant in two bytes", () => c.decode(c.Asset, of(0x80, 0))],
    ["ill-formed UTF-8", () => c.decode(c.str(8), of(2, 0xc3, 0x28))],
    ["a surrogate in UTF-8", () => c.decode(c.str(8), of(3, 0xed, 0xa0, 0x80))],
    ["an overlong UTF-8 form", () => c.decode(c.str(8), of(2, 0xc0, 0x80))],
    ["an amount of 2^63", () => c.decode(c.amount, of(0, 0, 0, 0, 0, 0, 0, 0x80))],
    ["map keys out of order", () => c.decode(c.t.map(c.t.u8, c.t.u8, 4).codec, of(2, 2, 0, 1, 0))],
    ["a map key twice", () => c.decode(c.t.map(c.t.u8, c.t.u8, 4).codec, of(2, 1, 0, 1, 0))],
  ];
  test.each(refused)("%s is refused", (_, decode) => {
    expect(decode).toThrow(c.CodecError);
  });

  test("a decoder never looks past the end of a view", () => {
    const whole = of(2, 1, 2);
    expect(() => c.decode(List, whole.subarray(0, 2))).toThrow(c.CodecError);
    expect(c.decode(List, whole.subarray(0, 3))).toEqual([1, 2]);
  });

  test("each cut and each extension of a transaction is refused", () => {
    const tx = sample(random());
    const bytes = c.encodeTransaction(tx);
    for (let n = 0; n < bytes.length; n++) expect(() => c.decodeTransaction(bytes.slice(0, n))).toThrow(c.CodecError);
    expect(() => c.decodeTransaction(c.concat(bytes, of(0)))).toThrow(c.CodecError);
  });
});

describe("encoding refuses what does not fit", () => {
  const bad: readonly (readonly [string, () => Uint8Array])[] = [
    ["u8 256", () => c.encode(c.u8, 256)],
    ["u8 -1", () => c.encode(c.u8, -1)],
    ["u8 1.5", () => c.encode(c.u8, 1.5)],
    ["u8 NaN", () => c.encode(c.u8, Number.NaN)],
    ["u32 2^32", () => c.encode(c.u32, 2 ** 32)],
    ["u64 2^64", () => c.encode(c.u64, 1n << 64n)],
    ["u64 -1", () => c.encode(c.u64, -1n)],
    ["i8 128", () => c.encode(c.i8, 128)],
    ["i64 2^63", () => c.encode(c.i64, 1n << 63n)],
    ["amount 2^63", () => c.encode(c.amount, 1n << 63n)],
    ["31 bytes of hash", () => c.encode(c.hash, new Uint8Array(31) as c.Hash)],
    ["65 bytes of 64", () => c.encode(c.bytes(64), new Uint8Array(65))],
    ["text of 3 bytes in 2", () => c.encode(c.str(2), "€")],
    ["a lone surrogate", () => c.encode(c.str(9), "\ud800")],
    ["no item of at least one", () => c.encode(c.list(c.u8, 4, 1), [])],
    ["an unknown variant", () => c.encode(c.Asset, { kind: "Gold" } as unknown as c.Asset)],
    [
      "an amount inside a call",
      () => c.balances.transfer({ to: c.asAddress(new Uint8Array(32)), amount: -1n, memo: of() }).args,
    ],
  ];
  test.each(bad)("%s", (_, f) => {
    expect(f).toThrow(c.CodecError);
  });
});

test("integers at their bounds, both ways", () => {
  const both = <T>(codec: c.Codec<T>, value: T, bytes: string): void => {
    expect(hex(c.encode(codec, value))).toBe(bytes);
    expect(c.decode(codec, c.fromHex(bytes))).toEqual(value);
  };
  both(c.u64, (1n << 64n) - 1n, "0xffffffffffffffff");
  both(c.u128, (1n << 128n) - 1n, `0x${"ff".repeat(16)}`);
  both(c.i8, -128, "0x80");
  both(c.i16, -2, "0xfeff");
  both(c.i32, 2 ** 31 - 1, "0xffffff7f");
  both(c.i64, -(1n << 63n), "0x0000000000000080");
  both(c.i128, -1n, `0x${"ff".repeat(16)}`);
  both(c.amount, (1n << 63n) - 1n, "0xffffffffffffff7f");
  both(c.str(9), "Grüße", "0x074772c3bcc39f65");
});

/* The same shapes said in the library's own words: our combinators must not differ from plain BCS. */
test("agrees with @mysten/bcs on a struct of everything", () => {
  const theirs = bcs.struct("S", {
    a: bcs.u8(),
    b: bcs.u64(),
    c: bcs.option(bcs.u16()),
    d: bcs.vector(bcs.struct("T", { x: bcs.bool(), y: bcs.byteVector() })),
    e: bcs.string(),
    f: bcs.enum("E", { A: null, B: bcs.u32() }),
  });
  const ours = c.struct("S", {
    a: c.u8,
    b: c.u64,
    c: c.option(c.u16),
    d: c.list(c.struct("T", { x: c.bool, y: c.bytes(9) }), 9),
    e: c.str(9),
    f: c.union("E", { A: c.unit, B: c.u32 }),
  });
  const r = random();
  for (let i = 0; i < 300; i++) {
    const v = {
      a: r.int(256),
      b: r.u64(),
      c: r.int(2) ? r.int(65536) : null,
      e: "x".repeat(r.int(9)),
      d: Array.from({ length: r.int(9) }, () => ({ x: r.int(2) === 1, y: r.bytes(r.int(9)) })),
    };
    const n = r.int(2) ? r.int(2 ** 32) : null;
    const mine = c.encode(ours, { ...v, f: n === null ? { kind: "A" } : { kind: "B", value: n } });
    expect(hex(mine)).toBe(hex(theirs.serialize({ ...v, f: n === null ? { A: null } : { B: n } }).toBytes()));
    expect(c.decode(ours, mine)).toEqual({ ...v, f: n === null ? { kind: "A" } : { kind: "B", value: n } });
  }
});

type Random = ReturnType<typeof random>;

function sample(r: Random): c.Transaction {
  const hash = (): c.Hash => c.asHash(r.bytes(32));
  const address = (): c.Address => c.asAddress(r.bytes(32));
  const asset = (): c.Asset =>
    r.int(2) ? { kind: "Cgt" } : { kind: r.pick(["Currency", "Item", "Share", "Lp"] as const), value: hash() };
  const posts: readonly (() => c.Post)[] = [
    () => ({
      kind: r.pick(["SpendsMax", "ReceivesMin"] as const),
      account: address(),
      asset: asset(),
      amount: r.u64(),
    }),
    () => ({ kind: r.pick(["Owns", "OwnsNot"] as const), account: address(), asset: asset() }),
    () => ({ kind: "Value", key: r.bytes(r.int(129)), value_hash: hash() }),
    () => ({ kind: "Result", call: r.int(256), result_hash: hash() }),
    () => ({ kind: r.pick(["EnergyMax", "FeeMax"] as const), value: r.u64() }),
    () => ({ kind: "Outcome", value: hash() }),
  ];
  const sig = (): c.Sig => {
    const kind = r.pick(c.SCHEMES);
    if (kind === "Bls") return { kind, key: r.bytes(96), sig: r.bytes(48) };
    if (kind === "WebAuthn")
      return {
        kind,
        key: r.bytes(33),
        auth_data: r.bytes(r.int(257)),
        client_data: r.bytes(r.int(1025)),
        sig: r.bytes(64),
      };
    return { kind, key: r.bytes(kind === "Ed25519" ? 32 : 33), sig: r.bytes(64) };
  };
  const init = (): c.AccountInit => {
    const auths = Array.from({ length: 1 + r.int(16) }, (_, i): c.InitAuth => {
      const scheme = r.int(5);
      const key = r.bytes([32, 33, 33, 33, 96][scheme] as number);
      return { scheme, key, level: i === 0 ? 2 : 1 + r.int(2), weight: 1 + r.int(65535) };
    });
    const sum = (all: readonly c.InitAuth[]): number =>
      Math.min(
        65535,
        all.reduce((n, x) => n + x.weight, 0),
      );
    const t_owner = 1 + r.int(sum(auths.filter((x) => x.level === 2)));
    return { auths, t_use: 1 + r.int(sum(auths)), t_owner, salt: r.u64() };
  };
  return {
    body: {
      version: 1,
      chain: hash(),
      sender: address(),
      lane: r.int(65536),
      nonce: r.u64(),
      expiry: r.u64(),
      gas: r.u64(),
      fee: r.int(2) ? { kind: "EnergyOnly" } : { kind: "EnergyThenFee", max: r.u64(), tip: r.u64() },
      sponsor: r.int(2) ? null : address(),
      calls: Array.from({ length: 1 + r.int(32) }, () => ({
        module: r.int(65536),
        call: r.int(65536),
        schema: hash(),
        args: r.bytes(r.int(40)),
      })),
      post: Array.from({ length: r.int(33) }, () => r.pick(posts)()),
    },
    auth: r.pick<() => c.Auth>([
      () => ({ kind: "Keys", init: r.int(2) ? null : init(), sigs: Array.from({ length: 1 + r.int(16) }, sig) }),
      () => ({ kind: "Session", grant: r.int(2 ** 32), sig: sig() }),
      () => ({ kind: "Unsigned" }),
    ])(),
  };
}

test("random transactions come back as they were, and no flipped bit gives the same value", () => {
  const r = random();
  for (let i = 0; i < 200; i++) {
    const tx = sample(r);
    const bytes = c.encodeTransaction(tx);
    expect(c.decodeTransaction(bytes)).toEqual(tx);
    const flipped = bytes.slice();
    const at = r.int(8 * bytes.length);
    flipped[at >> 3] = (flipped[at >> 3] as number) ^ (1 << (at & 7));
    try {
      expect(c.decodeTransaction(flipped)).not.toEqual(tx);
    } catch (e) {
      expect(e).toBeInstanceOf(c.CodecError);
    }
  }
});

describe("accounts", () => {
  const key = new Uint8Array(32).fill(1);
  const sig = new Uint8Array(64);
  const plain = c.plainAccountInit("Ed25519", key);
  const auth = plain.auths[0] as c.InitAuth;
  const other = { ...auth, key: new Uint8Array(32).fill(2) };
  test.each<readonly [string, c.AccountInit]>([
    ["equal keys", { ...plain, auths: [auth, auth] }],
    ["an unknown scheme", { ...plain, auths: [{ ...auth, scheme: 5 }] }],
    ["a key of wrong size", { ...plain, auths: [{ ...auth, key: new Uint8Array(33) }] }],
    ["level 0", { ...plain, auths: [{ ...auth, level: 0 }] }],
    ["level 3", { ...plain, auths: [{ ...auth, level: 3 }] }],
    ["weight 0", { ...plain, auths: [{ ...auth, weight: 0 }] }],
    [
      "an owner threshold that use keys would have to meet",
      { ...plain, auths: [auth, { ...other, level: 1 }], t_owner: 2 },
    ],
    ["an unreachable use threshold", { ...plain, t_use: 2 }],
    ["threshold 0", { ...plain, t_use: 0 }],
  ])("%s is refused", (_, init) => {
    expect(() => c.accountAddress(init)).toThrow(c.CodecError);
    const tx: c.Transaction = {
      ...sample(random()),
      auth: { kind: "Keys", init, sigs: [{ kind: "Ed25519", key, sig }] },
    };
    expect(() => c.encodeTransaction(tx)).toThrow(c.CodecError);
    expect(() => c.decodeTransaction(c.encode(c.Transaction, tx))).toThrow(c.CodecError);
    const good: c.Transaction = { ...tx, auth: { kind: "Keys", init: plain, sigs: [{ kind: "Ed25519", key, sig }] } };
    expect(c.decodeTransaction(c.encodeTransaction(good))).toEqual(good);
  });
  test("text of an address has 62 characters and comes back, upper case too", () => {
    const r = random();
    for (let i = 0; i < 100; i++) {
      const a = c.asAddress(r.bytes(32));
      const text = c.addressToText(a);
      expect(text.length).toBe(62);
      expect(text.startsWith("dmg1")).toBe(true);
      expect(c.addressFromText(text)).toEqual(a);
      expect(c.addressFromText(text.toUpperCase())).toEqual(a);
      const at = 4 + r.int(58);
      const wrong = text.slice(0, at) + (text[at] === "q" ? "p" : "q") + text.slice(at + 1);
      expect(() => c.addressFromText(wrong)).toThrow(c.CodecError);
    }
  });
});

test.each([
  ["version 0", { version: 0 }],
  ["version 2", { version: 2 }],
  ["an unknown kind", { kind: 3 }],
])("a header of %s is refused", (_, wrong) => {
  const zero = c.decode(c.Header, new Uint8Array(c.HEADER_SIZE));
  const raw = (h: c.Header): Uint8Array => c.encode(c.Header, h);
  const signed = (h: c.Header): Uint8Array => c.encode(c.SignedHeader, { header: h, sig: new Uint8Array(48) });
  const good = { ...zero, version: 1 };
  expect(c.decodeHeader(raw(good))).toEqual(good);
  expect(c.decodeSignedHeader(signed(good)).header).toEqual(good);
  expect(() => c.decodeHeader(raw({ ...good, ...wrong }))).toThrow(c.CodecError);
  expect(() => c.decodeSignedHeader(signed({ ...good, ...wrong }))).toThrow(c.CodecError);
});

describe("storage keys", () => {
  test("byte order is key order", () => {
    const r = random();
    const ints = Array.from({ length: 50 }, () => BigInt.asIntN(64, r.u64())).sort((a, b) => (a < b ? -1 : 1));
    const keys = ints.map((i) => c.storageKey(1, 1, c.key.int(i, 64)));
    expect([...keys].sort(c.compare)).toEqual(keys);
  });
  test("a key over 128 bytes, text over 64, a number out of range are refused", () => {
    expect(() => c.storageKey(1, 1, new Uint8Array(125))).toThrow(c.CodecError);
    expect(c.storageKey(1, 1, new Uint8Array(124)).length).toBe(128);
    expect(() => c.key.str("a".repeat(65))).toThrow(c.CodecError);
    expect(() => c.key.uint(256, 8)).toThrow(c.CodecError);
    expect(() => c.key.int(128, 8)).toThrow(c.CodecError);
    expect(() => c.key.int(-129, 8)).toThrow(c.CodecError);
  });
  test("a first payment to an address stores 85 bytes (R5.8)", () => {
    const a = c.asAddress(new Uint8Array(32));
    const value = c.balancesItems.free.encode({ schema: 1, deposit: { payer: a, amount: 850_000n }, value: 1n });
    expect(c.balancesItems.free.key(a).length + value.length).toBe(85);
  });
  test("values without schema byte, with a record where none belongs, or cut are refused", () => {
    const { free, held } = c.balancesItems;
    expect(() => held.decode(new Uint8Array())).toThrow(c.CodecError);
    expect(() => held.decode(new Uint8Array(9))).toThrow(c.CodecError);
    expect(() => free.decode(Uint8Array.of(1, ...new Array(47).fill(0)))).toThrow(c.CodecError);
    expect(() => free.encode({ schema: 1, deposit: null, value: 1n })).toThrow(c.CodecError);
    expect(() =>
      held.encode({ schema: 1, deposit: { payer: c.asAddress(new Uint8Array(32)), amount: 0n }, value: 1n }),
    ).toThrow(c.CodecError);
  });
});

describe("schemas", () => {
  const make = (says: string, name = "x"): c.Hash =>
    c.defineModule(9, "m", { call: c.call(1, says, { [name]: c.t.u8 }) }).call.schema;
  test("names and texts are part of the hash", () => {
    expect(make("a")).toEqual(make("a"));
    expect(make("a")).not.toEqual(make("b"));
    expect(make("a")).not.toEqual(make("a", "y"));
  });
  test("types nest 8 deep, not 9", () => {
    const o = c.t.option;
    const eight = o(o(o(o(o(o(o(c.t.u8)))))));
    expect(eight.depth).toBe(8);
    expect(() => o(eight)).toThrow(c.CodecError);
  });
  test("maps sort by the bytes of their keys", () => {
    const m = c.t.map(c.t.u16, c.t.u8, 9).codec;
    expect(
      hex(
        c.encode(
          m,
          new Map([
            [1, 1],
            [256, 2],
          ]),
        ),
      ),
    ).toBe("0x020001020100" + "01");
  });
});

test("tagged hashes are double-tagged SHA-256 (S1.1)", async () => {
  const { createHash } = await import("node:crypto");
  const sha = (b: Uint8Array): Uint8Array => createHash("sha256").update(b).digest();
  const tag = sha(c.utf8("dmg/tx/v1"));
  expect(hex(c.taggedHash("dmg/tx/v1", of(1, 2)))).toBe(hex(Uint8Array.from(sha(c.concat(tag, tag, of(1, 2))))));
});
