/**
 * Block signatures and certificates (C2.1-C2.3): BLS12-381, signatures in G1, keys in G2.
 *
 * Certificates come from outside: these functions return a verdict and do not throw on them.
 */
import {
  blockHash,
  CERT_FINALIZATION,
  CERT_NOTARIZATION,
  type Cert,
  type Hash,
  type SignedHeader,
  type VoteKind,
  voteMessage,
} from "@demiurge/codec";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import type { Verdict } from "./state.js";

const SUITE = "BLS12381G1_XMD:SHA-256_SSWU_RO_";
export const BLS_DST_VOTE = `DMG-V1-VOTE-${SUITE}`;
export const BLS_DST_REVEAL = `DMG-V1-REVEAL-${SUITE}`;

export interface Validator {
  readonly key: Uint8Array;
  readonly weight: bigint;
}

/** Points outside the subgroup, identity points and bytes that are no point give false. */
export function blsVerify(key: Uint8Array, message: Uint8Array, sig: Uint8Array, dst: string): boolean {
  const bls = bls12_381.shortSignatures;
  try {
    return bls.verify(sig, bls.hash(message, dst), key);
  } catch {
    return false;
  }
}

/** C1.1: q = floor(2W/3) + 1. */
export const quorum = (set: readonly Validator[]): bigint => (2n * set.reduce((w, v) => w + v.weight, 0n)) / 3n + 1n;

/** C2.3: signers of the set weigh at least q and their aggregate verifies over the vote for `cert.hash`. */
export function verifyCert(chain: Hash, set: readonly Validator[], cert: Cert): Verdict {
  const kind: VoteKind | null =
    cert.kind === CERT_NOTARIZATION ? "NOTARIZE" : cert.kind === CERT_FINALIZATION ? "FINALIZE" : null;
  if (kind === null) return { ok: false, reason: "unknown certificate kind" };
  const signers: Validator[] = [];
  for (let i = 0; i < 128; i++) {
    if (((cert.bitmap[i >> 3] as number) >> (i & 7)) % 2 === 0) continue;
    const v = set[i];
    if (v === undefined) return { ok: false, reason: "a signer that the set lacks" };
    signers.push(v);
  }
  if (signers.reduce((w, v) => w + v.weight, 0n) < quorum(set))
    return { ok: false, reason: "signers weigh less than the quorum" };
  const bls = bls12_381.shortSignatures;
  try {
    const key = bls.aggregatePublicKeys(signers.map((v) => bls12_381.G2.Point.fromBytes(v.key)));
    const message = voteMessage(kind, chain, cert.epoch, cert.view, cert.hash);
    if (!bls.verify(cert.sig, bls.hash(message, BLS_DST_VOTE), key))
      return { ok: false, reason: "the signature does not verify" };
  } catch {
    return { ok: false, reason: "a key or the signature is not a point" };
  }
  return { ok: true };
}

/** The leader's PROPOSE over the block hash. */
export function verifySignedHeader(chain: Hash, set: readonly Validator[], { header, sig }: SignedHeader): Verdict {
  const leader = set[header.leader];
  if (leader === undefined) return { ok: false, reason: "a leader that the set lacks" };
  return blsVerify(
    leader.key,
    voteMessage("PROPOSE", chain, header.epoch, header.view, blockHash(header)),
    sig,
    BLS_DST_VOTE,
  )
    ? { ok: true }
    : { ok: false, reason: "the signature does not verify" };
}
