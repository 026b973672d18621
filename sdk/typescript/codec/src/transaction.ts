/**
 * The signed transaction (R4.13) and the first authenticators of an account (M1.2a).
 *
 *   Transaction = BCS { body, auth }      at most 65,536 bytes
 *   id          = H("dmg/tx/v1", BCS(body)), which is also what every signature signs
 *
 * Field names are the specification's. Not here: making signatures (@demiurge/wallet).
 */
import {
  address,
  bytes,
  type Codec,
  decode,
  encode,
  fixed,
  hash,
  type Infer,
  list,
  option,
  struct,
  u8,
  u16,
  u32,
  u64,
  union,
  unit,
} from "./bcs.js";
import { type Address, asAddress, CodecError, type Hash, toHex } from "./bytes.js";
import { taggedHash } from "./hash.js";

export const TX_SIZE_MAX = 65_536;
export const TX_CALLS_MAX = 32;
/** The unordered lane (M1.3): any nonce, expiry at most 480 blocks ahead. */
export const LANE_UNORDERED = 65_535;

/** R2.2b. */
export const Asset = union("Asset", { Cgt: unit, Currency: hash, Item: hash, Share: hash, Lp: hash });
export type Asset = Infer<typeof Asset>;

export const Fee = union("Fee", { EnergyOnly: unit, EnergyThenFee: struct("EnergyThenFee", { max: u64, tip: u64 }) });
export type Fee = Infer<typeof Fee>;

/** `args` is the BCS of the parameters as a struct; `schema` binds it to the call's meaning (R2.3). */
export const Call = struct("Call", { module: u16, call: u16, schema: hash, args: bytes(TX_SIZE_MAX) });
export type Call = Infer<typeof Call>;

const Flow = struct("Flow", { account: address, asset: Asset, amount: u64 });
const Holding = struct("Holding", { account: address, asset: Asset });

/** Bounds on the outcome (R4.9): one that fails reverts the calls. */
export const Post = union("Post", {
  SpendsMax: Flow,
  ReceivesMin: Flow,
  Owns: Holding,
  OwnsNot: Holding,
  Value: struct("Value", { key: bytes(128), value_hash: hash }),
  Result: struct("Result", { call: u8, result_hash: hash }),
  EnergyMax: u64,
  FeeMax: u64,
  Outcome: hash,
});
export type Post = Infer<typeof Post>;

export const Body = struct("Body", {
  version: u8,
  chain: hash,
  sender: address,
  lane: u16,
  nonce: u64,
  expiry: u64,
  gas: u64,
  fee: Fee,
  sponsor: option(address),
  calls: list(Call, TX_CALLS_MAX, 1),
  post: list(Post, 32),
});
export type Body = Infer<typeof Body>;

/** Scheme numbers are the variants' indexes. A WebAuthn key is a P-256 key. */
export const Sig = union("Sig", {
  Ed25519: struct("Ed25519", { key: fixed(32), sig: fixed(64) }),
  Secp256k1: struct("Secp256k1", { key: fixed(33), sig: fixed(64) }),
  P256: struct("P256", { key: fixed(33), sig: fixed(64) }),
  WebAuthn: struct("WebAuthn", { key: fixed(33), auth_data: bytes(256), client_data: bytes(1024), sig: fixed(64) }),
  Bls: struct("Bls", { key: fixed(96), sig: fixed(48) }),
});
export type Sig = Infer<typeof Sig>;

export const SCHEMES = ["Ed25519", "Secp256k1", "P256", "WebAuthn", "Bls"] as const;
export type Scheme = (typeof SCHEMES)[number];

export const InitAuth = struct("InitAuth", { scheme: u8, key: bytes(96), level: u8, weight: u16 });
export type InitAuth = Infer<typeof InitAuth>;

export const AccountInit = struct("AccountInit", { auths: list(InitAuth, 16, 1), t_use: u16, t_owner: u16, salt: u64 });
export type AccountInit = Infer<typeof AccountInit>;

export const Auth = union("Auth", {
  Keys: struct("Keys", { init: option(AccountInit), sigs: list(Sig, 16, 1) }),
  Session: struct("Session", { grant: u32, sig: Sig }),
  Unsigned: unit,
});
export type Auth = Infer<typeof Auth>;

export const Transaction: Codec<{ body: Body; auth: Auth }> = struct("Transaction", { body: Body, auth: Auth });
export type Transaction = Infer<typeof Transaction>;

/** H("dmg/tx/v1", BCS(body)). */
export function transactionId(body: Body): Hash {
  return taggedHash("dmg/tx/v1", encode(Body, body));
}

/** Encodes and checks the form that every node checks without state: version, size, no key twice, AccountInit. */
export function encodeTransaction(tx: Transaction): Uint8Array {
  checkForm(tx);
  const out = encode(Transaction, tx);
  if (out.length > TX_SIZE_MAX)
    throw new CodecError(`a transaction has at most ${TX_SIZE_MAX} bytes, this has ${out.length}`);
  return out;
}

export function decodeTransaction(bytes: Uint8Array): Transaction {
  if (bytes.length > TX_SIZE_MAX)
    throw new CodecError(`a transaction has at most ${TX_SIZE_MAX} bytes, this has ${bytes.length}`);
  const tx = decode(Transaction, bytes);
  checkForm(tx);
  return tx;
}

function checkForm(tx: Transaction): void {
  if (tx.body.version !== 1) throw new CodecError(`transaction version ${tx.body.version}, known is 1`);
  if (tx.auth.kind === "Keys") {
    const keys = new Set(tx.auth.sigs.map((s) => toHex(s.key)));
    if (keys.size !== tx.auth.sigs.length) throw new CodecError("a key signs twice");
    if (tx.auth.init !== null) checkAccountInit(tx.auth.init);
  }
}

const keySizes = [32, 33, 33, 33, 96];

/** M1.2a: what an AccountInit must fulfil before any state is looked at. */
export function checkAccountInit(init: AccountInit): void {
  const seen = new Set<string>();
  let all = 0;
  let owners = 0;
  for (const a of init.auths) {
    if (keySizes[a.scheme] === undefined) throw new CodecError(`unknown signature scheme ${a.scheme}`);
    if (a.key.length !== keySizes[a.scheme])
      throw new CodecError(`a ${SCHEMES[a.scheme]} key has ${keySizes[a.scheme]} bytes, got ${a.key.length}`);
    if (a.level !== 1 && a.level !== 2) throw new CodecError(`level ${a.level}, known are 1 use and 2 owner`);
    if (a.weight < 1) throw new CodecError("a weight is at least 1");
    seen.add(toHex(a.key));
    all += a.weight;
    if (a.level === 2) owners += a.weight;
  }
  if (seen.size !== init.auths.length) throw new CodecError("equal keys");
  if (init.t_use < 1 || init.t_owner < 1 || init.t_use > all || init.t_owner > owners)
    throw new CodecError("unreachable threshold");
}

/** M1.2a: the address that these first authenticators hash to. */
export function accountAddress(init: AccountInit): Address {
  checkAccountInit(init);
  return asAddress(taggedHash("dmg/addr/v1", encode(AccountInit, init)));
}

/** One key of level owner and weight 1, thresholds 1 and 1, salt 0. */
export function plainAccountInit(scheme: Scheme, key: Uint8Array): AccountInit {
  return { auths: [{ scheme: SCHEMES.indexOf(scheme), key, level: 2, weight: 1 }], t_use: 1, t_owner: 1, salt: 0n };
}

/** M0.9: the address of a module's account; seed 0 is the module's own. */
export function moduleAddress(module: number, seed: bigint): Address {
  return asAddress(taggedHash("dmg/module/v1", encode(u16, module), encode(u64, seed)));
}
