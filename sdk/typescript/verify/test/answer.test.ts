import * as c from "@demiurge/codec";
import { blsKeyGen, blsSign, blsSigner } from "@demiurge/wallet";
import { describe, expect, test } from "vitest";
import * as v from "../src/index.js";

const chain = c.taggedHash("test", c.utf8("chain"));
const secret = blsKeyGen(new Uint8Array(32).fill(1));
const key = blsSigner(secret).publicKey;
const otherSecret = blsKeyGen(new Uint8Array(32).fill(2));
const trust = v.soloTrust(chain, key);
const alice = c.asAddress(c.taggedHash("test", c.utf8("alice")));
const nobody = c.asAddress(c.taggedHash("test", c.utf8("nobody")));

const free = (x: bigint): Uint8Array =>
  c.balancesItems.free.encode({ schema: 1, deposit: { payer: alice, amount: 850_000n }, value: x });
const K = c.balancesItems.free.key(alice);
const V = free(123n);
const others = Array.from({ length: 20 }, (_, i) => [c.storageKey(1, 1, c.be(i, 32)), Uint8Array.of(1, i)] as const);
const tree = new v.NaiveTree([[K, V], ...others]);

const header: c.Header = {
  version: 1,
  kind: 0,
  leader: 0,
  epoch: 0,
  view: 8n,
  height: 8n,
  parent_hash: c.taggedHash("test", c.utf8("parent")),
  parent_view: 7n,
  parent_cert: c.CERT_ZERO,
  just_root: c.ZERO_HASH,
  body_hash: c.ZERO_HASH,
  body_len: 3,
  parent_state_root: c.asHash(tree.root()),
  next_epoch_root: c.ZERO_HASH,
  time_ms: 1n,
  reveal: new Uint8Array(48),
};
const bitmap = Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 1 : 0));
function certify(
  h: c.Header,
  { kind = 2, by = secret, of = c.blockHash(h), on = chain, bits = bitmap, view = h.view, epoch = h.epoch } = {},
): Uint8Array {
  const sig = blsSign(by, c.voteMessage(kind === 2 ? "FINALIZE" : "NOTARIZE", on, epoch, view, of), v.BLS_DST_VOTE);
  return c.encode(c.Cert, { kind, epoch, view, hash: of, bitmap: bits, sig });
}
const proof: v.StateProof = {
  height: 7n,
  header: c.encode(c.Header, header),
  tree: tree.single(K),
  finality: certify(header),
};

describe("a proven balance", () => {
  test("verifies", () => {
    expect(v.verifyBalance(trust, alice, V, proof, header.parent_hash)).toEqual({ ok: true, free: 123n });
    expect(
      v.verifyBalance({ kind: "block", hash: c.blockHash(header) }, alice, V, { ...proof, finality: null }),
    ).toEqual({ ok: true, free: 123n });
  });
  test("of an account that has none is 0, proven too", () => {
    expect(
      v.verifyBalance(trust, nobody, null, { ...proof, tree: tree.single(c.balancesItems.free.key(nobody)) }),
    ).toEqual({ ok: true, free: 0n });
    expect(v.verifyBalance(trust, alice, null, proof).ok).toBe(false);
  });
  test("of one spark more does not", () => {
    expect(v.verifyBalance(trust, alice, free(124n), proof)).toEqual({ ok: false, reason: "another root" });
  });
  test("of another account does not", () => {
    expect(v.verifyBalance(trust, nobody, V, proof).ok).toBe(false);
  });
  test("a value that is no balance is refused although it is in the tree", () => {
    const odd = new v.NaiveTree([[K, Uint8Array.of(1, 2, 3)]]);
    const h = { ...header, parent_state_root: c.asHash(odd.root()) };
    expect(
      v.verifyBalance(trust, alice, Uint8Array.of(1, 2, 3), {
        height: 7n,
        header: c.encode(c.Header, h),
        tree: odd.single(K),
        finality: certify(h),
      }).ok,
    ).toBe(false);
  });
});

describe("a header that a descendant made final", () => {
  const child = { ...header, view: 9n, height: 9n, parent_view: 8n, parent_hash: c.blockHash(header) };
  const tip = { ...child, view: 11n, height: 10n, parent_view: 9n, parent_hash: c.blockHash(child) };
  const raw = (h: c.Header): Uint8Array => c.encode(c.Header, h);
  const linked = { ...proof, finality: certify(tip), links: [raw(child), raw(tip)] };
  const why = (p: Partial<v.StateProof>, t: v.Trust = trust): string => {
    const verdict = v.verifyState(t, K, V, { ...linked, ...p });
    return verdict.ok ? "verifies" : verdict.reason;
  };
  test("verifies by its links", () => {
    expect(why({})).toBe("verifies");
    expect(why({ finality: certify(child), links: [raw(child)] })).toBe("verifies");
  });
  test("does not by a certificate of any other", () => {
    expect(why({ finality: proof.finality })).toBe("the certificate is of another block");
    expect(why({ finality: certify(child) })).toBe("the certificate is of another block");
    expect(why({ links: [] })).toBe("the certificate is of another block");
    expect(why({ finality: certify(tip, { view: 10n }) })).toBe("the certificate is of another view");
    expect(why({ finality: certify(tip, { by: otherSecret }) })).toBe("the signature does not verify");
    expect(why({ finality: null })).toBe("no certificate: the header is not proven final");
  });
  test("does not by links that are no chain", () => {
    const text = "a link is not the child of the one before";
    expect(why({ links: [raw(tip)] })).toBe(text);
    expect(why({ links: [raw(tip), raw(child)] })).toBe(text);
    expect(why({ header: raw({ ...header, time_ms: 2n }) })).toBe(text);
    expect(why({ links: Array.from({ length: 65 }, () => raw(child)) })).toBe("too many links");
    for (const at of [0, 100, 361]) {
      const bent = raw(child);
      bent[at] = (bent[at] ?? 0) ^ 1;
      expect(why({ links: [bent, raw(tip)] })).not.toBe("verifies");
    }
  });
});

describe("a header that does not hold is refused", () => {
  const why = (p: Partial<v.StateProof>, t: v.Trust = trust, at: c.Hash | null = null): string => {
    const verdict = v.verifyState(t, K, V, { ...proof, ...p }, at);
    return verdict.ok ? "verifies" : verdict.reason;
  };
  test.each<readonly [string, () => string, string]>([
    ["no certificate", () => why({ finality: null }), "no certificate: the header is not proven final"],
    ["a NOTARIZATION", () => why({ finality: certify(header, { kind: 0 }) }), "the certificate is not a FINALIZATION"],
    ["another view's", () => why({ finality: certify(header, { view: 9n }) }), "the certificate is of another view"],
    ["another epoch's", () => why({ finality: certify(header, { epoch: 1 }) }), "the certificate is of another view"],
    ["another block's", () => why({ finality: certify(header, { of: chain }) }), "the certificate is of another block"],
    ["another key's", () => why({ finality: certify(header, { by: otherSecret }) }), "the signature does not verify"],
    ["another chain's", () => why({ finality: certify(header, { on: c.ZERO_HASH }) }), "the signature does not verify"],
    [
      "nobody's",
      () => why({ finality: certify(header, { bits: new Uint8Array(16) }) }),
      "signers weigh less than the quorum",
    ],
    [
      "a stranger's",
      () => why({ finality: certify(header, { bits: new Uint8Array(16).fill(255) }) }),
      "a signer that the set lacks",
    ],
    ["another height", () => why({ height: 8n }), "the header is of height 8, the state of 8"],
    [
      "another parent than the answer says",
      () => why({}, trust, chain),
      "the answer names another block for that height",
    ],
    ["another trusted block", () => why({}, { kind: "block", hash: chain }), "the header is not of the trusted block"],
    [
      "another epoch's set",
      () => why({}, { kind: "validators", chain, epoch: 1, set: [{ key, weight: 1n }] }),
      "the header is of epoch 0, the trusted set of 1",
    ],
    ["a header cut", () => why({ header: proof.header.slice(1) }), "not a Header"],
    ["a certificate cut", () => why({ finality: (proof.finality as Uint8Array).slice(1) }), "not a Cert"],
  ])("%s", (_, f, reason) => {
    expect(f()).toContain(reason);
  });
  test("each bit of the header", () => {
    for (let i = 0; i < 8 * proof.header.length; i++) {
      const h = proof.header.slice();
      h[i >> 3] = (h[i >> 3] as number) ^ (1 << (i & 7));
      expect(why({ header: h })).not.toBe("verifies");
    }
  });
  test("each byte of the certificate", () => {
    const cert = proof.finality as Uint8Array;
    for (let i = 0; i < cert.length; i++) {
      const x = cert.slice();
      x[i] = (x[i] as number) ^ 1;
      expect(why({ finality: x })).not.toBe("verifies");
    }
  });
});

test("certificates of several signers need two thirds and more", () => {
  const secrets = [1, 2, 3, 4].map((n) => blsKeyGen(new Uint8Array(32).fill(n)));
  const set = secrets.map((s) => ({ key: blsSigner(s).publicKey, weight: 1n }));
  expect(v.quorum(set)).toBe(3n);
  expect(v.quorum([{ key, weight: 1n }])).toBe(1n);
  expect(v.quorum([{ key, weight: 3n }])).toBe(3n);
});

test("points at infinity and junk never verify", () => {
  const message = new Uint8Array(77);
  const infinityG1 = Uint8Array.from({ length: 48 }, (_, i) => (i === 0 ? 0xc0 : 0));
  const infinityG2 = Uint8Array.from({ length: 96 }, (_, i) => (i === 0 ? 0xc0 : 0));
  expect(v.blsVerify(infinityG2, message, infinityG1, v.BLS_DST_VOTE)).toBe(false);
  expect(v.blsVerify(key, message, infinityG1, v.BLS_DST_VOTE)).toBe(false);
  expect(v.blsVerify(key, message, new Uint8Array(48), v.BLS_DST_VOTE)).toBe(false);
  expect(v.blsVerify(new Uint8Array(96), message, infinityG1, v.BLS_DST_VOTE)).toBe(false);
});
