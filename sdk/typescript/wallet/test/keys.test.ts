import * as c from "@demiurge/codec";
import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { hkdfModR } from "micro-key-producer/bls.js";
import { HDKey } from "micro-key-producer/slip10.js";
import { describe, expect, test } from "vitest";
import { random } from "../../codec/test/random.js";
import * as w from "../src/index.js";

test("SLIP-0010 agrees with another implementation", () => {
  const r = random();
  for (let i = 0; i < 20; i++) {
    const seed = r.bytes(16 + r.int(49));
    const path = `m${Array.from({ length: r.int(6) }, () => `/${r.int(2 ** 31)}'`).join("")}`;
    expect(w.slip10Ed25519(seed, path)).toEqual(HDKey.fromMasterSeed(seed).derive(path).privateKey);
  }
});

test.each(["", "44'/0'", "m/44/1'", "m/44'/", "m/-1'", "m/2147483648'", "m/1'x"])(
  'the path "%s" is refused',
  (path) => {
    expect(() => w.slip10Ed25519(new Uint8Array(32), path)).toThrow(c.CodecError);
  },
);

test("BLS KeyGen agrees with another implementation", () => {
  const r = random();
  for (let i = 0; i < 10; i++) {
    const ikm = r.bytes(32 + r.int(32));
    expect(w.blsKeyGen(ikm)).toEqual(hkdfModR(ikm));
  }
});

test("mnemonics are checked", () => {
  expect(w.seedFromMnemonic(w.DEV_MNEMONIC).length).toBe(64);
  expect(w.seedFromMnemonic(`  ${w.DEV_MNEMONIC.replaceAll(" ", "  ")}\n`)).toEqual(w.seedFromMnemonic(w.DEV_MNEMONIC));
  expect(() => w.seedFromMnemonic(w.DEV_MNEMONIC.replace("junk", "test"))).toThrow(c.CodecError);
  expect(() => w.seedFromMnemonic(w.DEV_MNEMONIC.replace("junk", "junkk"))).toThrow(c.CodecError);
  expect(w.newMnemonic(12).split(" ").length).toBe(12);
  expect(w.newMnemonic().split(" ").length).toBe(24);
  expect(w.newMnemonic()).not.toBe(w.newMnemonic());
});

test("the dev accounts differ and are those of the published mnemonic", () => {
  const all = [...w.DEV_NAMES, "node1" as const].map((n) => c.addressToText(w.devAccount(n).address));
  expect(new Set(all).size).toBe(11);
  expect(w.devAccount("node1").address).toEqual(w.accountFromSeed(w.seedFromMnemonic(w.DEV_MNEMONIC), 10).address);
});

describe("signatures", () => {
  const id = c.taggedHash("test", c.utf8("id"));
  const secret = new Uint8Array(32).fill(7);
  const signers = [
    w.ed25519Signer(secret),
    w.secp256k1Signer(secret),
    w.p256Signer(secret),
    w.blsSigner(w.blsKeyGen(secret)),
  ];
  test.each(signers.map((s) => [s.scheme, s] as const))(
    "%s verify over their id only, and no flipped bit does",
    async (_, s) => {
      const sig = await s.signId(id);
      expect(sig).toEqual(await s.signId(id));
      expect(w.verifySig(id, sig)).toBe(true);
      expect(w.verifySig(c.taggedHash("test", c.utf8("other")), sig)).toBe(false);
      const step = s.scheme === "Bls" ? 29 : 3;
      for (let i = 0; i < 8 * sig.sig.length; i += step) {
        const bad = sig.sig.slice();
        bad[i >> 3] = (bad[i >> 3] as number) ^ (1 << (i & 7));
        expect(w.verifySig(id, { ...sig, sig: bad })).toBe(false);
      }
      expect(w.verifySig(id, { ...sig, key: sig.key.map(() => 0) })).toBe(false);
      expect(w.verifySig(id, { ...sig, sig: sig.sig.slice(1) })).toBe(false);
    },
  );
  test("both low and high S are accepted (M1.2b)", async () => {
    const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const sig = await (signers[1] as w.Signer).signId(id);
    const s = BigInt(c.toHex(sig.sig.slice(32)));
    expect(s <= n / 2n).toBe(true);
    const high = c.concat(sig.sig.slice(0, 32), c.be(n - s, 32));
    expect(w.verifySig(id, { ...sig, sig: high } as c.Sig)).toBe(true);
  });
  test("Ed25519 takes what ZIP-215 takes: a small-order key with R = identity", () => {
    const identity = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0));
    const sig = c.concat(identity, new Uint8Array(32));
    expect(w.verifySig(id, { kind: "Ed25519", key: identity, sig })).toBe(true);
    expect(ed25519.verify(sig, id, identity, { zip215: false })).toBe(false);
  });
  const challenge = btoa(String.fromCharCode(...id))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
  const secret256 = new Uint8Array(32).fill(9);
  const assertion = (client: string | Uint8Array, auth: Uint8Array): c.Sig => {
    const client_data = typeof client === "string" ? c.utf8(client) : client;
    const sig = p256.sign(c.concat(auth, sha256(client_data)), secret256);
    return { kind: "WebAuthn", key: p256.getPublicKey(secret256), auth_data: auth, client_data, sig };
  };
  const present = c.concat(new Uint8Array(32), Uint8Array.of(1, 0, 0, 0, 0));
  const good = `{"type":"webauthn.get","challenge":"${challenge}"`;
  test.each([
    ["nothing more", `${good}}`],
    ["an origin", `${good},"origin":"https://demiurge.example","crossOrigin":false}`],
    ["a second challenge, which does not count", `${good},"challenge":"AAAA"}`],
    ["no JSON behind it", `${good},`],
    ["no UTF-8 behind it", c.concat(c.utf8(`${good},`), Uint8Array.of(0xff))],
  ])("a WebAuthn assertion with %s holds", (_, client) => {
    expect(w.verifySig(id, assertion(client, present))).toBe(true);
  });
  test.each([
    ["of another challenge", '{"type":"webauthn.get","challenge":"AAAA"}', present],
    ["of another type", good.replace("get", "create").concat("}"), present],
    ["with padding", `{"type":"webauthn.get","challenge":"${challenge}="}`, present],
    ["with a space", `${good.replace(",", ", ")}}`, present],
    ["in another order", `{"challenge":"${challenge}","type":"webauthn.get"}`, present],
    ["with an escape", `${good.replace("get", "\\u0067et")}}`, present],
    ["that ends behind the challenge", good, present],
    ["with neither comma nor brace", `${good} }`, present],
    ["that is no JSON", "not json", present],
    ["without presence", `${good}}`, new Uint8Array(37)],
    ["with auth data too short", `${good}}`, present.slice(0, 36)],
  ])("a WebAuthn assertion %s is refused", (_, client, auth) => {
    expect(w.verifySig(id, assertion(client, auth))).toBe(false);
  });
});

test("a signed transaction carries the account's keys only when asked", async () => {
  const alice = w.devAccount("alice");
  const body: c.Body = {
    version: 1,
    chain: c.ZERO_HASH,
    sender: alice.address,
    lane: 0,
    nonce: 0n,
    expiry: 1n,
    gas: 1n,
    fee: { kind: "EnergyOnly" },
    sponsor: null,
    calls: [c.system.note({ data: new Uint8Array() })],
    post: [],
  };
  const first = await w.signTransaction(body, alice, { withInit: true });
  const later = await w.signTransaction(body, alice, { withInit: false });
  expect(first.id).toEqual(later.id);
  expect(c.decodeTransaction(first.bytes).auth).toMatchObject({ kind: "Keys", init: { salt: 0n } });
  expect(c.decodeTransaction(later.bytes).auth).toMatchObject({ kind: "Keys", init: null });
});
