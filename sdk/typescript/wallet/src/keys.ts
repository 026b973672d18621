/**
 * Keys and signers (M1.2b, F10.7).
 *
 *   mnemonic (BIP-39) -> seed -> Ed25519  SLIP-0010  m/44'/c'/a'/0'/0'
 *                             -> secp256k1, P-256  BIP-32, SLIP-0010 resp.: here secp256k1 only
 *
 * What is signed is always the 32-byte transaction id. ECDSA signs e = SHA-256(id), deterministic by RFC 6979, as
 * r ‖ s big-endian; either S verifies, these signers make low S.
 */
import {
  type AccountInit,
  type Address,
  accountAddress,
  CodecError,
  type Hash,
  plainAccountInit,
  type Scheme,
  type Sig,
} from "@demiurge/codec";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { HDKey } from "@scure/bip32";
import { generateMnemonic, mnemonicToSeedSync, validateMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { slip10Ed25519 } from "./slip10.js";

/** F10.7: one constant until a SLIP-0044 number is registered; 1' on test networks. */
export const COIN_TYPE = 1;
export const BLS_SUITE = "BLS12381G1_XMD:SHA-256_SSWU_RO_";
export const BLS_DST_TX = `DMG-V1-TX-${BLS_SUITE}`;

/** Signs transaction ids with one key. Asynchronous, as keys may live in hardware or in another process. */
export interface Signer {
  readonly scheme: Scheme;
  readonly publicKey: Uint8Array;
  signId(id: Hash): Promise<Sig>;
}

/** An account as the wallet knows it: its first authenticators, hence its address, and who signs for it. */
export interface Account {
  readonly address: Address;
  readonly init: AccountInit;
  readonly signers: readonly Signer[];
}

export function newMnemonic(words: 12 | 24 = 24): string {
  return generateMnemonic(wordlist, words === 24 ? 256 : 128);
}

export function seedFromMnemonic(mnemonic: string, passphrase = ""): Uint8Array {
  const normal = mnemonic.trim().split(/\s+/).join(" ");
  if (!validateMnemonic(normal, wordlist))
    throw new CodecError("not a BIP-39 mnemonic: unknown word or wrong checksum");
  return mnemonicToSeedSync(normal, passphrase);
}

export const ed25519Path = (account: number, coin = COIN_TYPE): string => `m/44'/${coin}'/${account}'/0'/0'`;
export const secp256k1Path = (account: number, coin = COIN_TYPE): string => `m/44'/${coin}'/${account}'/0/0`;

export function ed25519Signer(secret: Uint8Array): Signer {
  const key = ed25519.getPublicKey(secret);
  return {
    scheme: "Ed25519",
    publicKey: key,
    signId: async (id) => ({ kind: "Ed25519", key, sig: ed25519.sign(id, secret) }),
  };
}

export function secp256k1Signer(secret: Uint8Array): Signer {
  const key = secp256k1.getPublicKey(secret, true);
  return {
    scheme: "Secp256k1",
    publicKey: key,
    signId: async (id) => ({ kind: "Secp256k1", key, sig: secp256k1.sign(id, secret, { lowS: true }) }),
  };
}

export function p256Signer(secret: Uint8Array): Signer {
  const key = p256.getPublicKey(secret, true);
  return {
    scheme: "P256",
    publicKey: key,
    signId: async (id) => ({ kind: "P256", key, sig: p256.sign(id, secret, { lowS: true }) }),
  };
}

export function blsSigner(secret: Uint8Array): Signer {
  const key = bls12_381.shortSignatures.getPublicKey(secret).toBytes(true);
  return {
    scheme: "Bls",
    publicKey: key,
    signId: async (id) => ({ kind: "Bls", key, sig: blsSign(secret, id, BLS_DST_TX) }),
  };
}

/** A minimal-signature-size BLS signature: 48 bytes of G1. */
export function blsSign(secret: Uint8Array, message: Uint8Array, dst: string): Uint8Array {
  const bls = bls12_381.shortSignatures;
  return bls.sign(bls.hash(message, dst), secret).toBytes(true);
}

/** IETF BLS KeyGen, draft 4 and later with the salt H("BLS-SIG-KEYGEN-SALT-"). */
export function blsKeyGen(ikm: Uint8Array): Uint8Array {
  const { Fr } = bls12_381.fields;
  let salt = new TextEncoder().encode("BLS-SIG-KEYGEN-SALT-");
  for (;;) {
    salt = Uint8Array.from(sha256(salt));
    const okm = hkdf(sha256, Uint8Array.of(...ikm, 0), salt, Uint8Array.of(0, 48), 48);
    let n = 0n;
    for (const b of okm) n = (n << 8n) | BigInt(b);
    const sk = Fr.create(n);
    if (sk !== 0n) return Fr.toBytes(sk);
  }
}

/** A plain account: one key of owner level (M1.2a). */
export function plainAccount(signer: Signer): Account {
  const init = plainAccountInit(signer.scheme, signer.publicKey);
  return { init, address: accountAddress(init), signers: [signer] };
}

export function accountFromSeed(seed: Uint8Array, account = 0, coin = COIN_TYPE): Account {
  return plainAccount(ed25519Signer(slip10Ed25519(seed, ed25519Path(account, coin))));
}

export function secp256k1AccountFromSeed(seed: Uint8Array, account = 0, coin = COIN_TYPE): Account {
  const { privateKey } = HDKey.fromMasterSeed(seed).derive(secp256k1Path(account, coin));
  if (!privateKey) throw new CodecError("derivation gave no private key");
  return plainAccount(secp256k1Signer(privateKey));
}

/** M16.7: the mnemonic and the names of the dev chain's accounts; published, worth nothing elsewhere (F1.7). */
export const DEV_MNEMONIC = "test test test test test test test test test test test junk";
export const DEV_NAMES = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"] as const;
export type DevName = (typeof DEV_NAMES)[number] | "node1";

export function devAccount(name: DevName): Account {
  return accountFromSeed(seedFromMnemonic(DEV_MNEMONIC), name === "node1" ? 10 : DEV_NAMES.indexOf(name));
}
