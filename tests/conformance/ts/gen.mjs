/* Writes tests/conformance/vectors/*.json from the TypeScript implementation, the independent second one: nothing here was
   taken from the C code.  Run: `npm run vectors`.  `gen.mjs --check` compares with the committed files instead.

   Shape, the same in every file, one vector a line:

     {"format":"demiurge-vectors/1","vectors":[
     {"name":"..","kind":"..", <flat fields: hex as 0x.., u64 as decimal strings>, "input":{..}}
     ]}

   `name` is unique in its file, `kind` says which flat fields are there (README.md beside the files), `input` is the value in
   the specification's field names: numbers up to 32 bits, wider ones as decimal strings, bytes as 0x hex, enums as
   {"kind": variant, ..fields or "value"}. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as c from "@demiurge/codec";
import * as v from "@demiurge/verify";
import * as w from "@demiurge/wallet";
import { p256 } from "@noble/curves/nist.js";
import { sha256 } from "@noble/hashes/sha2.js";

const dir = join(dirname(fileURLToPath(import.meta.url)), "..", "vectors");
const hex = c.toHex;
const seq = (n, from = 0) => Uint8Array.from({ length: n }, (_, i) => (from + i) & 255);
const fill = (n, b) => new Uint8Array(n).fill(b);
const text = (s) => new TextEncoder().encode(s);
/** A readable stand-in for a hash: any 32 bytes. */
const h = (name) => c.taggedHash("test", text(name));

function plain(x) {
  if (x === null || typeof x === "number" || typeof x === "string" || typeof x === "boolean") return x;
  if (typeof x === "bigint") return x.toString();
  if (x instanceof Uint8Array) return hex(x);
  if (Array.isArray(x)) return x.map(plain);
  return Object.fromEntries(Object.entries(x).map(([k, y]) => [k, plain(y)]));
}

const files = {};
function file(name, vectors) {
  const names = new Set(vectors.map((x) => x.name));
  if (names.size !== vectors.length) throw new Error(`${name}: a name occurs twice`);
  files[`${name}.json`] =
    `{"format":"demiurge-vectors/1","vectors":[\n${vectors.map((x) => JSON.stringify(plain(x))).join(",\n")}\n]}\n`;
}

/* ---- hash ---- */

file("hash", [
  ...["", "abc", "a".repeat(64), "b".repeat(65)].map((m) => ({
    name: `tagged_${m.length}_bytes`,
    kind: "tagged_hash",
    tag: "dmg/state/node/v1",
    data: text(m),
    hash: c.taggedHash("dmg/state/node/v1", text(m)),
  })),
  ...[0, 1, 2, 3, 4, 5, 7, 8, 9].map((n) => {
    const leaves = Array.from({ length: n }, (_, i) => h(`leaf ${i}`));
    return {
      name: `merkle_${n}_leaves`,
      kind: "merkle",
      node_tag: "dmg/body/node/v1",
      leaves,
      root: c.merkleRoot("dmg/body/node/v1", leaves),
    };
  }),
]);

/* ---- keys, accounts, addresses ---- */

const devSeed = w.seedFromMnemonic(w.DEV_MNEMONIC);
const addressVector = (name, init, extra = {}) => {
  const address = c.accountAddress(init);
  return {
    name,
    kind: "account_init",
    bcs: c.encode(c.AccountInit, init),
    address,
    text: c.addressToText(address),
    ...extra,
    input: init,
  };
};
const alice = w.devAccount("alice");
const bob = w.devAccount("bob");
const carol = w.devAccount("carol");
const dave = w.devAccount("dave");
const secret = (name) => sha256(text(`demiurge vector key ${name}`));
const secp = w.secp256k1Signer(secret("secp256k1"));
const p256Signer = w.p256Signer(secret("p256"));
const passkeySecret = secret("webauthn");
const passkey = p256.getPublicKey(passkeySecret, true);
const blsSecret = w.blsKeyGen(secret("bls"));
const bls = w.blsSigner(blsSecret);
const webauthnSigner = {
  scheme: "WebAuthn",
  publicKey: passkey,
  signId: async (id) => {
    const challenge = Buffer.from(id).toString("base64url");
    const client_data = text(
      `{"type":"webauthn.get","challenge":"${challenge}","origin":"http://localhost:7369","crossOrigin":false}`,
    );
    const auth_data = c.concat(sha256(text("localhost")), Uint8Array.of(0x05), fill(4, 0));
    const sig = p256.sign(c.concat(auth_data, sha256(client_data)), passkeySecret, { lowS: false });
    return { kind: "WebAuthn", key: passkey, auth_data, client_data, sig };
  },
};
const multi = {
  init: {
    auths: [
      { scheme: 0, key: alice.signers[0].publicKey, level: 2, weight: 2 },
      { scheme: 1, key: secp.publicKey, level: 1, weight: 1 },
      { scheme: 3, key: passkey, level: 2, weight: 1 },
    ],
    t_use: 1,
    t_owner: 3,
    salt: 7n,
  },
};
multi.address = c.accountAddress(multi.init);
multi.signers = [alice.signers[0], webauthnSigner];

file("addresses", [
  ...[...w.DEV_NAMES, "node1"].map((name, a) =>
    addressVector(`dev_${name}`, w.devAccount(name).init, {
      path: w.ed25519Path(a),
      secret: w.slip10Ed25519(devSeed, w.ed25519Path(a)),
      public: w.devAccount(name).signers[0].publicKey,
    }),
  ),
  addressVector("plain_secp256k1", c.plainAccountInit("Secp256k1", secp.publicKey)),
  addressVector("plain_p256", c.plainAccountInit("P256", p256Signer.publicKey)),
  addressVector("plain_webauthn", c.plainAccountInit("WebAuthn", passkey)),
  addressVector("plain_bls", c.plainAccountInit("Bls", bls.publicKey)),
  addressVector("three_keys_salt_7", multi.init),
  { name: "dev_seed", kind: "mnemonic", mnemonic: w.DEV_MNEMONIC, seed: devSeed },
  ...[
    [0, 0n],
    [2, 0n],
    [2, 1n],
    [2, 6n],
    [0x0201, 2n ** 64n - 1n],
  ].map(([module, seed]) => {
    const address = c.moduleAddress(module, seed);
    return {
      name: `module_${module}_seed_${seed}`,
      kind: "module_address",
      module,
      seed,
      address,
      text: c.addressToText(address),
    };
  }),
  {
    name: "zero_upper_case",
    kind: "address_text",
    text: c.addressToText(c.asAddress(fill(32, 0))).toUpperCase(),
    address: fill(32, 0),
  },
  { name: "ones", kind: "address_text", text: c.addressToText(c.asAddress(fill(32, 255))), address: fill(32, 255) },
  ...badAddresses(),
]);

function badAddresses() {
  const good = c.addressToText(alice.address);
  return [
    ["mixed_case", good.slice(0, 10) + good.slice(10).toUpperCase(), "mixed case"],
    ["wrong_checksum", good.slice(0, -1) + (good.endsWith("q") ? "p" : "q"), "checksum"],
    ["bech32_not_m", bech32Of("dmg", alice.address), "bech32 instead of bech32m"],
    ["other_prefix", bech32mOf("dmgz", alice.address), "prefix"],
    ["31_bytes", bech32mOf("dmg", alice.address.slice(0, 31)), "31 bytes"],
    ["33_bytes", bech32mOf("dmg", fill(33, 1)), "33 bytes"],
    ["empty", "", "empty"],
    [
      "spare_bits",
      bech32mWords("dmg", [...words(alice.address).slice(0, -1), words(alice.address).at(-1) | 1]),
      "the four spare bits are not zero",
    ],
    ["blank_before", ` ${good}`, "a blank"],
  ].map(([name, bad, reason]) => ({ name: `bad_${name}`, kind: "address_text_bad", text: bad, reason }));
}

/* ---- a plain bech32 of its own, as the library makes no wrong ones ---- */

function words(bytes) {
  const out = [];
  let acc = 0;
  let bits = 0;
  for (const b of bytes) {
    acc = ((acc << 8) | b) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out.push((acc >> bits) & 31);
    }
  }
  if (bits > 0) out.push((acc << (5 - bits)) & 31);
  return out;
}
function bech32Raw(hrp, data, constant) {
  const gen = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
  const poly = (values) => {
    let chk = 1;
    for (const x of values) {
      const top = chk >>> 25;
      chk = ((chk & 0x1ffffff) << 5) ^ x;
      gen.forEach((g, i) => {
        if ((top >> i) & 1) chk ^= g;
      });
    }
    return chk;
  };
  const ex = [...hrp].map((ch) => ch.charCodeAt(0));
  const expanded = [...ex.map((x) => x >> 5), 0, ...ex.map((x) => x & 31)];
  const mod = poly([...expanded, ...data, 0, 0, 0, 0, 0, 0]) ^ constant;
  const check = Array.from({ length: 6 }, (_, i) => (mod >> (5 * (5 - i))) & 31);
  return `${hrp}1${[...data, ...check].map((x) => "qpzry9x8gf2tvdw0s3jn54khce6mua7l"[x]).join("")}`;
}
function bech32Of(hrp, bytes) {
  return bech32Raw(hrp, words(bytes), 1);
}
function bech32mOf(hrp, bytes) {
  return bech32mWords(hrp, words(bytes));
}
function bech32mWords(hrp, data) {
  return bech32Raw(hrp, data, 0x2bc830a3);
}

/* ---- calls ---- */

const { balances, system } = c;
const payments = [
  { to: bob.address, amount: 1n },
  { to: carol.address, amount: 2n ** 63n - 1n },
];
const callInputs = [
  [balances.transfer, "plain", { to: bob.address, amount: 100_000_000n, memo: new Uint8Array() }],
  [balances.transfer, "memo_64", { to: bob.address, amount: 2n ** 63n - 1n, memo: seq(64) }],
  [balances.transfer_all, "plain", { to: bob.address }],
  [balances.transfer_many, "two", { payments }],
  [balances.transfer_many, "none", { payments: [] }],
  [
    balances.transfer_many,
    "max_200",
    { payments: Array.from({ length: 200 }, (_, i) => ({ to: bob.address, amount: BigInt(i + 1) })) },
  ],
  [balances.burn, "plain", { amount: 1n }],
  [balances.claim_vested, "plain", {}],
  [
    system.add_auth,
    "secp256k1",
    { key: { scheme: 1, key: secp.publicKey }, proof: seq(64), level: 1, weight: 2, label: "phone" },
  ],
  [system.rotate, "bls", { slot: 15, key: { scheme: 4, key: bls.publicKey }, proof: seq(48) }],
  [system.remove_auth, "plain", { slot: 0 }],
  [system.set_thresholds, "plain", { use: 1, owner: 0xfffe }],
  [
    system.msig_propose,
    "two_calls",
    { calls: [balances.burn({ amount: 5n }), system.note({ data: seq(3) })], level: 2 },
  ],
  [system.msig_approve, "plain", { id: 0xfffffffe }],
  [system.msig_cancel, "plain", { id: 1 }],
  [system.close_account, "plain", { to: bob.address }],
  [system.note, "empty", { data: new Uint8Array() }],
  [system.note, "max_64", { data: seq(64, 1) }],
];
/* Calls of modules only (M0.15 `^`): no transaction makes them, but they have schema hashes. */
const inner = c.defineModule(2, "balances", {
  hold: c.call(200, "", { reason: c.t.u8, id: c.t.hash, amount: c.t.amount }),
  release: c.call(201, "", { account: c.t.address, reason: c.t.u8, id: c.t.hash, amount: c.t.amount }),
  seize: c.call(202, "", { account: c.t.address, reason: c.t.u8, id: c.t.hash, to: c.t.address, amount: c.t.amount }),
  pool_pay: c.call(203, "", { to: c.t.address, amount: c.t.amount }),
  burn_from: c.call(204, "", { cause: c.t.u8, amount: c.t.amount }),
});
const schemas = [system, balances, inner]
  .flatMap((m) => Object.values(m))
  .map((e) => ({
    name: e.fullName,
    kind: "schema",
    module: e.module,
    call: e.id,
    says: e.says,
    bcs: e.schemaBytes,
    schema: e.schema,
  }));
/* Every type of R2.3a once, in a call that no module has. */
const t = c.t;
const everyType = c.defineModule(0x0201, "vector", {
  every_type: c.call(7, "", {
    a: t.bool,
    b: t.u8,
    c: t.u16,
    d: t.u32,
    e: t.u64,
    f: t.u128,
    g: t.i8,
    h: t.i16,
    i: t.i32,
    j: t.i64,
    k: t.i128,
    l: t.address,
    m: t.hash,
    n: t.amount,
    o: t.asset,
    p: t.fixed(5),
    q: t.bytes(6),
    r: t.str(70),
    s: t.list(t.u16, 3),
    t: t.map(t.u16, t.str(4), 5),
    u: t.option(t.u32),
    v: t.struct("Pair", { x: t.u8, y: t.list(t.option(t.bool), 2) }),
    w: t.enum("Choice", { None: { tag: 3, type: null }, Some: { tag: 9, type: t.u64 } }),
    x: t.names("Role", ["Member", "Officer"]),
  }),
}).every_type;
const everyArgs = {
  a: true,
  b: 255,
  c: 0x1234,
  d: 0xdeadbeef,
  e: 2n ** 64n - 1n,
  f: 2n ** 128n - 2n,
  g: -128,
  h: -2,
  i: -(2 ** 31),
  j: -(2n ** 63n),
  k: -1n,
  l: alice.address,
  m: h("m"),
  n: 2n ** 63n - 1n,
  o: { kind: "Item", value: h("item") },
  p: seq(5),
  q: seq(6),
  r: "Grüße \u{1f600}",
  s: [1, 2, 3],
  t: new Map([
    [0x0201, "b"],
    [0x0102, "a"],
  ]),
  u: null,
  v: { x: 1, y: [true, null] },
  w: { kind: "Some", value: 5n },
  x: "Officer",
};
file("calls", [
  ...schemas,
  {
    name: "vector.every_type",
    kind: "schema",
    module: everyType.module,
    call: everyType.id,
    says: "",
    bcs: everyType.schemaBytes,
    schema: everyType.schema,
  },
  ...callInputs.map(([e, name, input]) => ({
    name: `${e.fullName}/${name}`,
    kind: "args",
    module: e.module,
    call: e.id,
    bcs: e.encode(input),
    input,
  })),
  {
    name: "vector.every_type/args",
    kind: "args",
    module: everyType.module,
    call: everyType.id,
    bcs: everyType.encode(everyArgs),
    input: { ...everyArgs, t: [...everyArgs.t] },
  },
]);

/* ---- transactions ---- */

const chain = h("chain");
const transfer = balances.transfer({ to: bob.address, amount: 100_000_000n, memo: new Uint8Array() });
const base = {
  version: 1,
  chain,
  sender: alice.address,
  lane: 0,
  nonce: 0n,
  expiry: 480n,
  gas: 120_000n,
  fee: { kind: "EnergyThenFee", max: 1_000_000n, tip: 0n },
  sponsor: null,
  calls: [transfer],
  post: [],
};
const cgt = { kind: "Cgt" };
const posts = [
  { kind: "SpendsMax", account: alice.address, asset: cgt, amount: 100_000_001n },
  { kind: "ReceivesMin", account: bob.address, asset: { kind: "Currency", value: h("gold") }, amount: 1n },
  { kind: "Owns", account: alice.address, asset: { kind: "Item", value: h("item") } },
  { kind: "OwnsNot", account: bob.address, asset: { kind: "Share", value: h("share") } },
  { kind: "Value", key: c.balancesItems.free.key(bob.address), value_hash: h("vh") },
  { kind: "Result", call: 0, result_hash: c.resultHash(new Uint8Array()) },
  { kind: "EnergyMax", value: 5n },
  { kind: "FeeMax", value: 1_000_000n },
  { kind: "Outcome", value: h("outcome") },
];
async function signed(name, body, account, withInit = false) {
  const s = await w.signTransaction({ ...body, sender: account.address }, account, { withInit });
  return txVector(name, s.tx);
}
function txVector(name, tx) {
  return {
    name,
    kind: "transaction",
    bcs: c.encode(c.Transaction, tx),
    body: c.encode(c.Body, tx.body),
    id: c.transactionId(tx.body),
    input: tx,
  };
}
const of = (signer) => w.plainAccount(signer);
const webauthnAccount = { init: c.plainAccountInit("WebAuthn", passkey), signers: [webauthnSigner] };
webauthnAccount.address = c.accountAddress(webauthnAccount.init);
const transactions = [
  await signed("ed25519_transfer", base, alice),
  await signed("ed25519_first_with_init", base, alice, true),
  await signed("secp256k1", base, of(secp), true),
  await signed("p256", base, of(p256Signer), true),
  await signed("webauthn", base, webauthnAccount, true),
  await signed("bls", base, of(bls), true),
  await signed("three_keys_two_sigs", base, multi, true),
  await signed("energy_only", { ...base, fee: { kind: "EnergyOnly" } }, alice),
  await signed(
    "tip_and_sponsor",
    { ...base, fee: { kind: "EnergyThenFee", max: 2n ** 64n - 1n, tip: 3n }, sponsor: dave.address },
    alice,
  ),
  await signed(
    "unordered_lane",
    { ...base, lane: 65_535, nonce: 2n ** 64n - 1n, expiry: 2n ** 64n - 1n, gas: 50_000_000n },
    alice,
  ),
  await signed("two_calls", { ...base, calls: [transfer, system.note({ data: text("hello") })] }, alice),
  await signed(
    "calls_32",
    { ...base, calls: Array.from({ length: 32 }, (_, i) => system.note({ data: Uint8Array.of(i) })) },
    alice,
  ),
  await signed("post_all", { ...base, post: posts }, alice),
  ...(await Promise.all(posts.map((p) => signed(`post_${p.kind}`, { ...base, post: [p] }, alice)))),
  await signed("post_32", { ...base, post: Array.from({ length: 32 }, () => posts[6]) }, alice),
  txVector("session", {
    body: { ...base, lane: 512 + 3 },
    auth: { kind: "Session", grant: 3, sig: await alice.signers[0].signId(c.transactionId({ ...base, lane: 515 })) },
  }),
  txVector("unsigned", { body: base, auth: { kind: "Unsigned" } }),
  txVector("args_empty_unknown_module", {
    body: { ...base, calls: [{ module: 65_535, call: 65_535, schema: h("s"), args: new Uint8Array() }] },
    auth: { kind: "Unsigned" },
  }),
  largest(65_536, "size_65536"),
];
/** A transaction of exactly `size` bytes. */
function largest(size, name) {
  const make = (n) => ({
    body: { ...base, calls: [{ module: 1, call: 8, schema: h("s"), args: fill(n, 7) }] },
    auth: { kind: "Unsigned" },
  });
  const over = c.encode(c.Transaction, make(60_000)).length - 60_000;
  return txVector(name, make(size - over));
}
file("transactions", transactions);

/* ---- receipts, events, mountain ranges ---- */

const event = (n) => ({ module: 2, event: n, data: seq(n) });
const receipt = {
  id: h("tx"),
  status: "OK",
  call: 255,
  module: 0,
  code: 0,
  gas_used: 41_000n,
  gas_billed: 110_000n,
  payer: alice.address,
  energy: 0n,
  fee: 187_000n,
  tip: 5n,
  held: 850_000n,
  returned: 0n,
  results: [new Uint8Array()],
  events: [event(1)],
};
const failed = {
  ...receipt,
  status: "FAULT",
  call: 1,
  module: 2,
  code: 7,
  results: [],
  events: [
    { module: 1, event: 256, data: alice.address },
    { module: 1, event: 260, data: Uint8Array.of(1) },
  ],
};
const voided = {
  ...receipt,
  id: h("void"),
  status: "VOID",
  gas_used: 0n,
  gas_billed: 0n,
  payer: c.asAddress(fill(32, 0)),
  fee: 0n,
  tip: 0n,
  held: 0n,
  results: [],
  events: [],
};
const systemReceipt = { ...voided, id: c.ZERO_HASH, status: "OK", events: [event(0), event(300)] };
const receiptVector = (name, r) => ({
  name,
  kind: "receipt",
  bcs: c.encode(c.Receipt, r),
  leaf: c.taggedHash("dmg/receipt/v1", c.encode(c.Receipt, r)),
  input: r,
});
const eventLeaf = { height: 9n, tx: 3, idx: 1, event: event(4) };
const mmrs = [];
let mmr = c.MMR_EMPTY;
for (let i = 0; i <= 16; i++) {
  mmrs.push({
    name: `mmr_${i}`,
    kind: "mmr",
    bcs: c.encode(c.Mmr, mmr),
    root: c.mmrRoot(mmr),
    next_leaf: h(`leaf ${i}`),
    input: mmr,
  });
  mmr = c.mmrAppend(mmr, h(`leaf ${i}`));
}
const rootVector = (name, list) => ({
  name,
  kind: "receipts_root",
  receipts: list.map((r) => c.encode(c.Receipt, r)),
  root: c.receiptsRoot(list),
});
file("receipts", [
  receiptVector("ok", receipt),
  receiptVector("fault", failed),
  receiptVector("void", voided),
  receiptVector("system_work", systemReceipt),
  ...["TRAP", "NO_GAS", "NO_STACK", "HOST", "POSTCONDITION", "NO_CONSENT", "DEPOSIT"].map((status) =>
    receiptVector(`status_${status}`, { ...failed, status }),
  ),
  receiptVector("results_32", { ...receipt, results: Array.from({ length: 32 }, (_, i) => seq(i)), events: [] }),
  receiptVector("result_8192", { ...receipt, results: [fill(8192, 3)] }),
  receiptVector("events_256", { ...receipt, events: Array.from({ length: 256 }, (_, i) => event(i & 3)) }),
  rootVector("root_0", []),
  rootVector("root_1", [receipt]),
  rootVector("root_4_with_system", [receipt, failed, voided, systemReceipt]),
  rootVector("root_3", [receipt, failed, voided]),
  ...mmrs,
  { name: "event", kind: "event", bcs: c.encode(c.Event, event(5)), input: event(5) },
  {
    name: "event_leaf",
    kind: "event_leaf",
    bcs: c.encode(c.EventLeaf, eventLeaf),
    hash: c.eventLeafHash(eventLeaf),
    input: eventLeaf,
  },
  {
    name: "receipts_leaf",
    kind: "receipts_leaf",
    height: 9n,
    receipts_root: h("root"),
    hash: c.receiptsLeafHash(9n, h("root")),
  },
  { name: "result_hash", kind: "result_hash", data: seq(8), hash: c.resultHash(seq(8)) },
]);

/* ---- headers, bodies, votes: a solo chain of three blocks, signed by node1 of the dev genesis (M16.7) ---- */

const nodeSecret = w.blsKeyGen(c.taggedHash("dmg/dev/bls/v1", text("node1")));
const nodeKey = w.blsSigner(nodeSecret).publicKey;
const vote = (kind, view, hash) => w.blsSign(nodeSecret, c.voteMessage(kind, genesis, 0, view, hash), v.BLS_DST_VOTE);
const L = 4n;
const genesisValue = {
  version: 1,
  name: "vectors",
  kind: 2,
  time_ms: 1_700_000_000_000n,
  first: null,
  root: null,
  instr_version: 1,
  host_api: 1,
  params: [{ module: 1, key: 1, value: Uint8Array.of(1, 2) }],
  modules: [
    { id: 1, code: c.codeHash(text("placeholder system")), config: [] },
    { id: 2, code: c.codeHash(text("placeholder balances")), config: [seq(3)] },
  ],
  validators: [
    {
      account: w.devAccount("node1").address,
      key: nodeKey,
      pop: fill(48, 0),
      peer: seq(38),
      bond: 100_000_000_000_000n,
      bucket: 5,
    },
  ],
};
const genesis = c.genesisHash(genesisValue);
const bodies = [
  { attendance: [], evidence: [], transactions: [] },
  { attendance: [], evidence: [], transactions: [c.encode(c.Transaction, transactions[0].input)] },
  { attendance: [], evidence: [], transactions: transactions.slice(0, 3).map((x) => c.encode(c.Transaction, x.input)) },
];
const chainVectors = [];
let parent = { hash: genesis, view: 0n, cert: c.CERT_ZERO };
for (const [i, body] of bodies.entries()) {
  const view = BigInt(i + 1);
  const header = {
    version: 1,
    kind: 0,
    leader: 0,
    epoch: 0,
    view,
    height: view,
    parent_hash: parent.hash,
    parent_view: parent.view,
    parent_cert: parent.cert,
    just_root: c.ZERO_HASH,
    body_hash: c.bodyHash(body),
    body_len: c.encode(c.BlockBody, body).length,
    parent_state_root: h(`state ${i}`),
    next_epoch_root: c.ZERO_HASH,
    time_ms: genesisValue.time_ms + 250n * view,
    reveal: w.blsSign(nodeSecret, c.revealMessage(genesis, 0, (view - 1n) / L), v.BLS_DST_REVEAL),
  };
  const hash = c.blockHash(header);
  const signedHeader = { header, sig: vote("PROPOSE", view, hash) };
  const cert = (kind, certKind) => ({
    kind: certKind,
    epoch: 0,
    view,
    hash,
    bitmap: c.concat(Uint8Array.of(1), fill(15, 0)),
    sig: vote(kind, view, hash),
  });
  chainVectors.push(
    { name: `header_${view}`, kind: "header", bcs: c.encode(c.Header, header), hash, input: header },
    {
      name: `signed_header_${view}`,
      kind: "signed_header",
      chain: genesis,
      key: nodeKey,
      bcs: c.encode(c.SignedHeader, signedHeader),
      hash,
    },
    {
      name: `body_${view}`,
      kind: "body",
      bcs: c.encode(c.BlockBody, body),
      body_hash: c.bodyHash(body),
      body_len: c.encode(c.BlockBody, body).length,
    },
  );
  for (const [kind, n] of [
    ["NOTARIZE", 0],
    ["FINALIZE", 2],
  ])
    chainVectors.push(
      {
        name: `vote_${view}_${kind}`,
        kind: "vote",
        message: c.voteMessage(kind, genesis, 0, view, hash),
        key: nodeKey,
        sig: vote(kind, view, hash),
        dst: v.BLS_DST_VOTE,
      },
      {
        name: `cert_${view}_${kind}`,
        kind: "cert",
        chain: genesis,
        key: nodeKey,
        bcs: c.encode(c.Cert, cert(kind, n)),
        input: cert(kind, n),
      },
    );
  parent = { hash, view, cert: cert("NOTARIZE", 0) };
}
file("headers", [
  { name: "genesis", kind: "genesis", bcs: c.encode(c.Genesis, genesisValue), hash: genesis, input: genesisValue },
  {
    name: "node1_bls_key",
    kind: "bls_keygen",
    ikm: c.taggedHash("dmg/dev/bls/v1", text("node1")),
    secret: nodeSecret,
    key: nodeKey,
  },
  ...chainVectors,
  {
    name: "vote_nullify",
    kind: "vote",
    message: c.voteMessage("NULLIFY", genesis, 0, 9n, c.ZERO_HASH),
    key: nodeKey,
    sig: vote("NULLIFY", 9n, c.ZERO_HASH),
    dst: v.BLS_DST_VOTE,
  },
  {
    name: "set_of_one",
    kind: "set",
    bcs: c.encode(c.ValidatorSet, [{ key: nodeKey, weight: 5n }]),
    hash: c.setHash([{ key: nodeKey, weight: 5n }]),
  },
  { name: "beacon_0", kind: "beacon", genesis, beacon: c.beaconFirst(genesis) },
  {
    name: "beacon_1",
    kind: "beacon_next",
    before: c.beaconFirst(genesis),
    reveal: seq(48),
    beacon: c.beaconNext(c.beaconFirst(genesis), seq(48)),
  },
  { name: "seed_0", kind: "seed", genesis, seed: c.seedFirst(genesis) },
]);

/* ---- storage keys and values ---- */

const deposit = { payer: alice.address, amount: 850_000n };
const zeroDeposit = { payer: c.asAddress(fill(32, 0)), amount: 0n };
const S = c.systemItems;
const B = c.balancesItems;
const id32 = h("id");
const account = { kind: 0, kill_epoch: 0n, auth_epoch: 0, t_use: 1, t_owner: 1, created_ms: 1_700_000_000_250n };
const items = [
  ["system.account", S.account, [alice.address], deposit, account],
  [
    "system.auth",
    S.auth,
    [alice.address, 15],
    deposit,
    { scheme: 0, key: alice.signers[0].publicKey, level: 2, weight: 1, label: "", active_from_ms: 0n },
  ],
  ["system.lane_0", S.lane, [alice.address, 0], zeroDeposit, 1n],
  ["system.lane_1023", S.lane, [alice.address, 1023], deposit, 2n ** 64n - 1n],
  ["system.seen", S.seen, [0x0102030405060708n, id32], null, {}],
  ["system.param", S.param, [1, 0x0203], null, { value: seq(8), next: { value: seq(64), epoch: 9 } }],
  [
    "system.module",
    S.module,
    [2],
    null,
    {
      name: "balances",
      version: { major: 0, minor: 1, patch: 0 },
      code_hash: h("code"),
      abi_hash: h("abi"),
      storage_version: 1,
      status: 0,
      activated_at: 0n,
      prev: null,
      deps: [{ module: 1, version: { major: 0, minor: 1, patch: 0 } }],
      trap_ppm: 0,
    },
  ],
  [
    "system.msig",
    S.msig,
    [alice.address, 7],
    deposit,
    {
      calls: [{ module: 2, call: 4, schema: balances.burn.schema, args: balances.burn.encode({ amount: 5n }) }],
      approvals: 5,
      level: 2,
      auth_epoch: 1,
      kill_epoch: 2n,
      until_ms: 3n,
    },
  ],
  ["system.code", S.code, [id32], zeroDeposit, seq(9)],
  [
    "system.pledge",
    S.pledge,
    [alice.address, 8, { kind: "Item", value: h("item") }, id32],
    deposit,
    { amount: 1n, min: { asset: { kind: "Cgt" }, amount: 9n }, until_ms: 4n, kill_epoch: 0n },
  ],
  ["system.vm", S.vm, [], null, { instr_version: 1, host_api: 1, next_bundle: 1 }],
  ["system.msig_seq", S.msig_seq, [alice.address], deposit, 3n],
  ["system.schema", S.schema, [2, 1], null, [balances.transfer.schema]],
  ["system.topic", S.topic, [1, c.asHash(c.concat(c.be(2, 2), fill(30, 0)))], null, c.mmrAppend(c.MMR_EMPTY, id32)],
  ["system.beacon", S.beacon, [4096n + 7n], null, id32],
  [
    "system.block",
    S.block,
    [],
    null,
    { height: 7n, time_ms: 1_700_000_001_750n, price: 1_700_000n, receipts_root: h("receipts"), tx_cnt: 3 },
  ],
  ["system.receipts", S.receipts, [], null, c.MMR_EMPTY],
  ["balances.free", B.free, [alice.address], deposit, 100_000_000_000_000n],
  ["balances.free_genesis", B.free, [bob.address], zeroDeposit, 100_000_000_000_000n],
  ["balances.held", B.held, [alice.address], null, 850_000n],
  ["balances.hold", B.hold, [alice.address, 0, c.ZERO_HASH], null, 850_000n],
  ["balances.lock", B.lock, [alice.address, 7], null, { amount: 5n, until_ms: 2n ** 64n - 1n }],
  [
    "balances.vesting",
    B.vesting,
    [alice.address, 0x01020304],
    null,
    {
      total: 9n,
      claimed: 1n,
      linear: true,
      steps: [
        { at_ms: 31_536_000_000n, bps: 2500 },
        { at_ms: 63_072_000_000n, bps: 10_000 },
      ],
    },
  ],
  [
    "balances.bucket",
    B.bucket,
    [5],
    null,
    { pool: c.moduleAddress(2, 6n), paid: 1n, schedule: [{ at_ms: 0n, total: 130_000_000_000_000_000n }] },
  ],
  ["balances.burned", B.burned, [0], null, 1n],
];
const K = c.key;
file("storage", [
  ...items.map(([name, it, fields, dep, value]) => {
    const key = it.key(...fields);
    const stored = it.encode({ schema: 1, deposit: dep, value });
    return {
      name,
      kind: "stored",
      key,
      value: stored,
      path: v.statePath(key),
      value_hash: v.valueHash(stored),
      input: { key: fields, schema: 1, deposit: dep, value },
    };
  }),
  ...[
    ["bool", "true", K.bool(true)],
    ["u8", "255", K.uint(255, 8)],
    ["u64", "1", K.uint(1, 64)],
    ["u128", `${2n ** 127n}`, K.uint(2n ** 127n, 128)],
    ["i8", "-128", K.int(-128, 8)],
    ["i16", "-1", K.int(-1, 16)],
    ["i32", "0", K.int(0, 32)],
    ["i64", "-1", K.int(-1n, 64)],
    ["i64", "1", K.int(1n, 64)],
    ["enum", "7", K.tag(7)],
    ["str", "alice", K.str("alice")],
    ["str", "", K.str("")],
    ["str", "a".repeat(64), K.str("a".repeat(64))],
    ["asset", "Cgt", K.asset({ kind: "Cgt" })],
    ["asset", "Lp", K.asset({ kind: "Lp", value: id32 })],
  ].map(([type, value, bytes]) => ({
    name: `key_field_${type}_${value}`.slice(0, 40),
    kind: "key_field",
    type,
    text: value,
    bytes,
  })),
]);

/* ---- proofs ---- */

const utf = text;
const k1 = c.fromHex("0x00020001616c696365");
const k2 = c.fromHex("0x00020001626f62");
const k3 = c.fromHex("0x000500016974656d3132");
const three = [
  [k1, c.fromHex("0x012a00000000000000")],
  [k2, c.fromHex("0x010700000000000000")],
  [k3, c.fromHex("0x0173776f7264")],
];
const proofs = [];
function single(name, pairs, key) {
  const tree = new v.NaiveTree(pairs);
  const value = pairs.find(([k]) => c.equal(k, key))?.[1] ?? null;
  proofs.push({ name, kind: "single", root: tree.root(), key, value, proof: tree.single(key) });
}
function stream(name, pairs, keys, intervals = []) {
  const tree = new v.NaiveTree(pairs);
  const query = [...keys.map(v.keyInterval), ...intervals].sort((a, b) => c.compare(a.lo, b.lo));
  proofs.push({
    name,
    kind: "stream",
    root: tree.root(),
    query,
    answer: tree.within(query),
    proof: tree.stream(query),
  });
}
single("spec_k1", three, k1);
single("spec_absent_empty_slot", three, c.fromHex("0x000200017832"));
single("spec_k2", three, k2);
single("spec_k3", three, k3);
single("empty_tree_absent", [], k1);
single("one_key_present", three.slice(0, 1), k1);
single("one_key_absent_other_leaf", three.slice(0, 1), k2);
for (let n = 0, found = new Set(); found.size < 2; n++) {
  const key = c.concat(c.be(2, 2), c.be(1, 2), utf(`x${n}`));
  const kind = new v.NaiveTree(three).single(key)[1];
  if (found.has(kind)) continue;
  found.add(kind);
  single(`absent_kind_${kind}`, three, key);
}
const many = Array.from({ length: 200 }, (_, i) => [
  c.storageKey(2, 1, h(`account ${i}`)),
  c.concat(Uint8Array.of(1), c.le(i + 1, 8)),
]);
for (const i of [0, 1, 17, 199]) single(`of_200_key_${i}`, many, many[i][0]);
for (const i of [0, 1, 2]) single(`of_200_absent_${i}`, many, c.storageKey(2, 1, h(`nobody ${i}`)));
stream("spec_stream_k1_k2", three, [k1, k2]);
stream("stream_all", three, [], [{ lo: fill(32, 0), hi: fill(32, 255) }]);
stream("stream_empty_tree", [], [k1]);
stream("stream_nothing_asked", three, []);
stream(
  "stream_of_200_ten_keys",
  many,
  many.slice(5, 15).map(([k]) => k),
);
stream("stream_of_200_with_absent", many, [
  ...many.slice(5, 8).map(([k]) => k),
  c.storageKey(2, 1, h("nobody 0")),
  c.storageKey(2, 1, h("nobody 1")),
]);
stream(
  "stream_of_200_ranges",
  many,
  [],
  [
    { lo: fill(32, 0x10), hi: fill(32, 0x2f) },
    { lo: fill(32, 0x80), hi: fill(32, 0x80) },
    { lo: fill(32, 0xf0), hi: fill(32, 0xff) },
  ],
);
file("proofs", [
  ...three.map(([key, value], i) => ({
    name: `k${i + 1}`,
    kind: "leaf",
    key,
    value,
    path: v.statePath(key),
    value_hash: v.valueHash(value),
    leaf: v.stateLeaf(v.statePath(key), v.valueHash(value)),
  })),
  ...[0, 1, 2, 3].map((n) => ({
    name: `root_of_${n}`,
    kind: "root",
    keys: three.slice(0, n).map(([k]) => k),
    values: three.slice(0, n).map(([, x]) => x),
    root: new v.NaiveTree(three.slice(0, n)).root(),
  })),
  {
    name: "root_of_200",
    kind: "root",
    keys: many.map(([k]) => k),
    values: many.map(([, x]) => x),
    root: new v.NaiveTree(many).root(),
  },
  ...proofs,
]);

/* ---- proofs that must not verify ---- */

const threeTree = new v.NaiveTree(three);
const root3 = threeTree.root();
const entryOf = (k, x) => ({ path: v.statePath(k), vh: v.valueHash(x) });
const badSingle = (name, reason, proof, { root = root3, key = k1, value = three[0][1] } = {}) => ({
  name,
  kind: "single",
  reason,
  root,
  key,
  value,
  proof,
});
const p1 = threeTree.single(k1);
const leaf1 = v.stateLeaf(v.statePath(k1), v.valueHash(three[0][1]));
const flip = (bytes, bit) => {
  const b = bytes.slice();
  b[bit >> 3] ^= 1 << (bit & 7);
  return b;
};
const two = new v.NaiveTree(three.slice(0, 2));
const q12 = [v.keyInterval(k1), v.keyInterval(k2)].sort((x, y) => c.compare(x.lo, y.lo));
const a12 = two.within(q12);
/** A stream from its parts. */
const streamOf = (ops, hashes = [], others = []) => {
  const packed = new Uint8Array(Math.ceil(ops.length / 4));
  ops.forEach((o, i) => {
    packed[i >> 2] |= o << (2 * (i & 3));
  });
  return c.concat(
    Uint8Array.of(1, 16),
    c.le(ops.length, 4),
    c.le(hashes.length, 4),
    c.le(others.length, 4),
    packed,
    ...hashes,
    ...others.flatMap((e) => [e.path, e.vh]),
  );
};
const leafOf = (e) => v.stateLeaf(e.path, e.vh);
const badStream = (name, reason, proof, { root = two.root(), query = q12, answer = a12 } = {}) => ({
  name,
  kind: "stream",
  reason,
  root,
  query,
  answer,
  proof,
});
const everything = [{ lo: fill(32, 0), hi: fill(32, 255) }];
file("proof_bad", [
  ...Array.from({ length: 8 * p1.length }, (_, i) => badSingle(`single_bit_${i}`, "a flipped bit", flip(p1, i))),
  badSingle("single_other_value", "another value", p1, { value: three[1][1] }),
  badSingle("single_other_key", "another key", p1, { key: k2 }),
  badSingle("single_other_root", "another root", p1, { root: two.root() }),
  badSingle("single_absence_by_presence", "proves presence", p1, { value: null }),
  badSingle("single_presence_by_absence", "proves absence", threeTree.single(c.fromHex("0x000200017832")), {
    key: c.fromHex("0x000200017832"),
  }),
  badSingle("single_empty", "no bytes", new Uint8Array()),
  badSingle("single_cut", "cut", p1.slice(0, -1)),
  badSingle("single_trailing", "trailing byte", c.concat(p1, Uint8Array.of(0))),
  badSingle("single_depth_257", "depth over 256", c.concat(Uint8Array.of(1, 1), c.le(257, 2), fill(33, 0)), {
    value: null,
  }),
  badSingle("single_zero_sibling", "a sibling of zeros", c.concat(Uint8Array.of(1, 0, 1, 0, 1), fill(32, 0)), {
    root: v.pathBit(v.statePath(k1), 0) === 0 ? v.stateNode(leaf1, c.ZERO_HASH) : v.stateNode(c.ZERO_HASH, leaf1),
  }),
  badSingle("single_lowest_sibling_empty", "bit 0 clear", Uint8Array.of(1, 0, 1, 0, 0), {
    root: v.pathBit(v.statePath(k1), 0) === 0 ? v.stateNode(leaf1, c.ZERO_HASH) : v.stateNode(c.ZERO_HASH, leaf1),
  }),
  badSingle(
    "single_own_leaf_as_other",
    "kind 2 with path' = path",
    c.concat(Uint8Array.of(1, 2, 0, 0), v.statePath(k1), v.valueHash(three[0][1])),
    { root: leaf1, value: null },
  ),
  badSingle(
    "single_other_leaf_elsewhere",
    "kind 2 with other first bits",
    c.concat(Uint8Array.of(1, 2), p1.slice(2, 5), v.statePath(k1), v.valueHash(three[0][1]), p1.slice(5)),
    { key: k2, value: null },
  ),
  ...Array.from({ length: 8 * two.stream(q12).length }, (_, i) =>
    badStream(`stream_bit_${i}`, "a flipped bit", flip(two.stream(q12), i)),
  ),
  badStream("stream_answer_dropped", "lists do not end together", two.stream(q12), { answer: a12.slice(0, 1) }),
  badStream("stream_answer_added", "lists do not end together", two.stream(q12), {
    answer: [...a12, entryOf(k3, three[2][1])],
  }),
  badStream("stream_answer_swapped", "out of order", two.stream(q12), { answer: [a12[1], a12[0]] }),
  badStream("stream_answer_as_other", "an other inside the query", streamOf([3, 3, 2, 2, 0], [], [a12[1]]), {
    answer: [a12[0]],
  }),
  badStream("stream_hash_inside_query", "a hash hides part of the query", streamOf([3, 3, 2, 1, 0], [leafOf(a12[1])]), {
    answer: [a12[0]],
  }),
  badStream("stream_opened_outside_query", "a leaf outside the query", streamOf([3, 3, 2, 2, 0], [], [a12[1]]), {
    answer: [a12[0]],
    query: [q12[0]],
  }),
  badStream("stream_branch_over_one", "a branch over one leaf", streamOf([3, 2, 0]), {
    root: v.stateNode(leafOf(a12[0]), c.ZERO_HASH),
    query: everything,
    answer: [a12[0]],
  }),
  badStream("stream_branch_over_none", "a branch over two empty halves", streamOf([3, 0, 0]), {
    root: v.stateNode(c.ZERO_HASH, c.ZERO_HASH),
    query: everything,
    answer: [],
  }),
  badStream("stream_cut", "cut", two.stream(q12).slice(0, -1)),
  badStream("stream_trailing", "trailing byte", c.concat(two.stream(q12), Uint8Array.of(0))),
  badStream("stream_huge_counts", "counts past the end", c.concat(Uint8Array.of(1, 16), fill(12, 255), fill(100, 0))),
  badStream("stream_too_deep", "257 branches", streamOf([...new Array(300).fill(3), 0]), {
    query: [{ lo: fill(32, 0), hi: fill(32, 0) }],
    answer: [],
  }),
]);

/* ---- bytes that no decoder may take ---- */

const good = transactions[0];
const goodBytes = c.encode(c.Transaction, good.input);
const at = (needle, from = 0) => {
  const i = Buffer.from(goodBytes).indexOf(Buffer.from(needle), from);
  if (i < 0) throw new Error("not found");
  return i;
};
const edit = (f) => {
  const b = [...goodBytes];
  f(b);
  return Uint8Array.from(b);
};
const bodySize = c.encode(c.Body, good.input.body).length;
const bodyFixed = 1 + 32 + 32 + 2 + 8 + 8 + 8; /* the fee tag follows */
const callsAt = bodyFixed + 1 + 16 + 1;
const argsLenAt = callsAt + 1 + 2 + 2 + 32;
const postAt = bodySize - 1;
const raw = (codec, value) => c.encode(codec, value);
const auth = good.input.auth;
const bad = (name, of, layer, reason, bytes) => ({ name, kind: of, layer, reason, bcs: bytes });
const many17 = await Promise.all(
  Array.from({ length: 17 }, (_, i) => w.ed25519Signer(secret(`many ${i}`)).signId(good.input.body.chain)),
);
const sig = (s) => c.concat(Uint8Array.of(0), s.key, s.sig);
file("decode_bad", [
  bad("tx_empty", "transaction", "bcs", "no bytes", new Uint8Array()),
  bad("tx_cut_last_byte", "transaction", "bcs", "cut", goodBytes.slice(0, -1)),
  bad("tx_cut_half", "transaction", "bcs", "cut", goodBytes.slice(0, goodBytes.length >> 1)),
  bad("tx_trailing_byte", "transaction", "bcs", "trailing byte", c.concat(goodBytes, Uint8Array.of(0))),
  bad(
    "tx_fee_variant_2",
    "transaction",
    "bcs",
    "unknown fee variant",
    edit((b) => {
      b[bodyFixed] = 2;
    }),
  ),
  bad(
    "tx_fee_variant_not_minimal",
    "transaction",
    "bcs",
    "variant 1 as 81 00",
    edit((b) => b.splice(bodyFixed, 1, 0x81, 0x00)),
  ),
  bad(
    "tx_sponsor_option_2",
    "transaction",
    "bcs",
    "option tag 2",
    edit((b) => {
      b[bodyFixed + 17] = 2;
    }),
  ),
  bad(
    "tx_calls_none",
    "transaction",
    "bcs",
    "no call",
    c.concat(goodBytes.slice(0, callsAt), Uint8Array.of(0, 0), goodBytes.slice(bodySize)),
  ),
  bad(
    "tx_calls_33",
    "transaction",
    "bcs",
    "33 calls",
    c.concat(
      goodBytes.slice(0, callsAt),
      Uint8Array.of(33),
      ...Array.from({ length: 33 }, () => goodBytes.slice(callsAt + 1, postAt)),
      goodBytes.slice(postAt),
    ),
  ),
  bad(
    "tx_calls_count_not_minimal",
    "transaction",
    "bcs",
    "count 1 as 81 00",
    edit((b) => b.splice(callsAt, 1, 0x81, 0x00)),
  ),
  bad(
    "tx_args_length_not_minimal",
    "transaction",
    "bcs",
    "padded length",
    edit((b) => b.splice(argsLenAt, 1, b[argsLenAt] | 0x80, 0x00)),
  ),
  bad(
    "tx_args_length_5_byte_overflow",
    "transaction",
    "bcs",
    "ULEB128 over 32 bits",
    edit((b) => b.splice(argsLenAt, 1, 0xff, 0xff, 0xff, 0xff, 0x1f)),
  ),
  bad(
    "tx_args_length_10_bytes",
    "transaction",
    "bcs",
    "ULEB128 over 32 bits",
    edit((b) => b.splice(argsLenAt, 1, ...fill(9, 0xff), 0x01)),
  ),
  bad(
    "tx_args_length_past_end",
    "transaction",
    "bcs",
    "length past the end",
    edit((b) => b.splice(argsLenAt, 1, 0xff, 0x7f)),
  ),
  bad(
    "tx_post_33",
    "transaction",
    "bcs",
    "33 post-conditions",
    c.concat(
      goodBytes.slice(0, postAt),
      Uint8Array.of(33),
      ...Array.from({ length: 33 }, () => raw(c.Post, posts[6])),
      goodBytes.slice(bodySize),
    ),
  ),
  bad(
    "tx_post_variant_9",
    "transaction",
    "bcs",
    "unknown post-condition",
    c.concat(goodBytes.slice(0, postAt), Uint8Array.of(1, 9), goodBytes.slice(bodySize)),
  ),
  bad(
    "tx_post_asset_5",
    "transaction",
    "bcs",
    "unknown asset kind",
    c.concat(
      goodBytes.slice(0, postAt),
      Uint8Array.of(1, 2),
      alice.address,
      Uint8Array.of(5),
      id32,
      goodBytes.slice(bodySize),
    ),
  ),
  bad(
    "tx_post_key_129",
    "transaction",
    "bcs",
    "129 bytes of key",
    c.concat(
      goodBytes.slice(0, postAt),
      Uint8Array.of(1, 4, 0x81, 0x01),
      fill(129, 1),
      id32,
      goodBytes.slice(bodySize),
    ),
  ),
  bad(
    "tx_auth_variant_3",
    "transaction",
    "bcs",
    "unknown auth",
    c.concat(goodBytes.slice(0, bodySize), Uint8Array.of(3)),
  ),
  bad(
    "tx_init_option_2",
    "transaction",
    "bcs",
    "option tag 2",
    edit((b) => {
      b[bodySize + 1] = 2;
    }),
  ),
  bad(
    "tx_sigs_none",
    "transaction",
    "bcs",
    "no signature",
    c.concat(goodBytes.slice(0, bodySize), Uint8Array.of(0, 0, 0)),
  ),
  bad(
    "tx_sigs_17",
    "transaction",
    "bcs",
    "17 signatures",
    c.concat(goodBytes.slice(0, bodySize), Uint8Array.of(0, 0, 17), ...many17.map(sig)),
  ),
  bad(
    "tx_sig_scheme_5",
    "transaction",
    "bcs",
    "unknown scheme",
    c.concat(goodBytes.slice(0, bodySize), Uint8Array.of(0, 0, 1, 5), auth.sigs[0].key, auth.sigs[0].sig),
  ),
  bad(
    "tx_webauthn_auth_data_257",
    "transaction",
    "bcs",
    "257 bytes of auth_data",
    c.concat(
      goodBytes.slice(0, bodySize),
      Uint8Array.of(0, 0, 1, 3),
      passkey,
      Uint8Array.of(0x81, 0x02),
      fill(257, 0),
      Uint8Array.of(0),
      fill(64, 1),
    ),
  ),
  bad(
    "tx_webauthn_client_data_1025",
    "transaction",
    "bcs",
    "1,025 bytes of client_data",
    c.concat(
      goodBytes.slice(0, bodySize),
      Uint8Array.of(0, 0, 1, 3),
      passkey,
      Uint8Array.of(0x81, 0x08),
      fill(1025, 0),
      fill(64, 1),
    ),
  ),
  bad(
    "tx_init_auths_none",
    "transaction",
    "bcs",
    "AccountInit without a key",
    c.concat(
      goodBytes.slice(0, bodySize),
      Uint8Array.of(0, 1, 0, 1, 0, 1, 0),
      fill(8, 0),
      Uint8Array.of(1),
      sig(auth.sigs[0]),
    ),
  ),
  bad(
    "tx_init_auths_17",
    "transaction",
    "bcs",
    "AccountInit with 17 keys",
    c.concat(
      goodBytes.slice(0, bodySize),
      Uint8Array.of(0, 1, 17),
      ...Array.from({ length: 17 }, (_, i) => raw(c.InitAuth, { scheme: 0, key: fill(32, i), level: 2, weight: 1 })),
      Uint8Array.of(1, 0, 1, 0),
      fill(8, 0),
      Uint8Array.of(1),
      sig(auth.sigs[0]),
    ),
  ),
  bad(
    "tx_init_key_97",
    "transaction",
    "bcs",
    "a key of 97 bytes",
    c.concat(
      goodBytes.slice(0, bodySize),
      Uint8Array.of(0, 1, 1, 0, 97),
      fill(97, 1),
      Uint8Array.of(2, 1, 0, 1, 0, 1, 0),
      fill(8, 0),
      Uint8Array.of(1),
      sig(auth.sigs[0]),
    ),
  ),
  bad(
    "tx_version_0",
    "transaction",
    "form",
    "version 0",
    edit((b) => {
      b[0] = 0;
    }),
  ),
  bad(
    "tx_version_2",
    "transaction",
    "form",
    "version 2",
    edit((b) => {
      b[0] = 2;
    }),
  ),
  bad(
    "tx_key_twice",
    "transaction",
    "form",
    "a key signs twice",
    raw(c.Transaction, { ...good.input, auth: { ...auth, sigs: [auth.sigs[0], auth.sigs[0]] } }),
  ),
  { ...bad("tx_size_65537", "transaction", "form", "65,537 bytes", raw(c.Transaction, largest(65_537, "x").input)) },
  bad(
    "receipt_status_10",
    "receipt",
    "bcs",
    "unknown status",
    (() => {
      const b = raw(c.Receipt, receipt);
      b[32] = 10;
      return b;
    })(),
  ),
  bad("receipt_trailing", "receipt", "bcs", "trailing byte", c.concat(raw(c.Receipt, receipt), Uint8Array.of(0))),
  bad(
    "receipt_results_33",
    "receipt",
    "bcs",
    "33 results",
    c.concat(raw(c.Receipt, { ...voided }).slice(0, -2), Uint8Array.of(33), fill(33, 0), Uint8Array.of(0)),
  ),
  bad(
    "receipt_result_8193",
    "receipt",
    "bcs",
    "a result of 8,193 bytes",
    c.concat(raw(c.Receipt, { ...voided }).slice(0, -2), Uint8Array.of(1, 0x81, 0x40), fill(8193, 0), Uint8Array.of(0)),
  ),
  bad(
    "receipt_events_257",
    "receipt",
    "bcs",
    "257 events",
    c.concat(raw(c.Receipt, { ...voided }).slice(0, -1), Uint8Array.of(0x81, 0x02), fill(257 * 5, 0)),
  ),
  bad("mmr_peaks_missing", "mmr", "form", "3 leaves have 2 peaks", c.concat(c.le(3, 8), Uint8Array.of(1), id32)),
  bad(
    "mmr_peaks_65",
    "mmr",
    "bcs",
    "65 peaks",
    c.concat(fill(8, 255), Uint8Array.of(65), ...Array.from({ length: 65 }, () => id32)),
  ),
  bad("header_cut", "header", "bcs", "361 bytes", chainVectors[0].bcs.slice(0, -1)),
  bad("header_trailing", "header", "bcs", "363 bytes", c.concat(chainVectors[0].bcs, Uint8Array.of(0))),
  bad(
    "header_kind_3",
    "header",
    "form",
    "unknown kind",
    (() => {
      const b = chainVectors[0].bcs.slice();
      b[2] = 3;
      return b;
    })(),
  ),
  bad(
    "header_cert_kind_1",
    "header",
    "form",
    "unknown certificate kind",
    (() => {
      const b = chainVectors[0].bcs.slice();
      b[65] = 1;
      return b;
    })(),
  ),
  bad(
    "transfer_amount_2_63",
    "args 2.1",
    "bcs",
    "an amount above 2^63 - 1",
    c.concat(bob.address, c.le(2n ** 63n, 8), Uint8Array.of(0)),
  ),
  bad(
    "transfer_memo_65",
    "args 2.1",
    "bcs",
    "a memo of 65 bytes",
    c.concat(bob.address, c.le(1, 8), Uint8Array.of(65), fill(65, 1)),
  ),
  bad(
    "transfer_many_201",
    "args 2.3",
    "bcs",
    "201 payments",
    c.concat(Uint8Array.of(0xc9, 0x01), ...Array.from({ length: 201 }, () => c.concat(bob.address, c.le(1, 8)))),
  ),
  bad("note_trailing", "args 1.8", "bcs", "trailing byte", Uint8Array.of(0, 0)),
]);
at(auth.sigs[0].key);

/* ---- write or compare ---- */

const check = process.argv.includes("--check");
let differs = 0;
if (!check) mkdirSync(dir, { recursive: true });
for (const [name, content] of Object.entries(files)) {
  const path = join(dir, name);
  if (check) {
    if (readFileSync(path, "utf8") !== content) {
      console.error(`${name} differs from what this implementation makes`);
      differs++;
    }
  } else {
    writeFileSync(path, content);
    console.log(`${name}: ${content.split("\n").length - 3} vectors, ${content.length} bytes`);
  }
}
if (differs > 0) process.exit(1);
