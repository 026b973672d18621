/**
 * Answers with a proof (F0.5): from a value, through the state tree and a block header, to the validators who signed it.
 *
 *   value -> leaf -> tree -> parent_state_root of header h+1 -> block hash -> links -> FINALIZATION by the set
 *
 * A header carries the root after its parent, so the state after block h is proven by header h+1.  A block that a descendant
 * made final has no certificate of its own: links lead to the one that has.
 */
import {
  type Address,
  balancesItems,
  blockHash,
  CERT_FINALIZATION,
  Cert,
  decode,
  decodeHeader,
  equal,
  type Hash,
  type Header,
} from "@demiurge/codec";
import { type Validator, verifyCert } from "./finality.js";
import { type Verdict, verifyProof } from "./state.js";

/**
 * `height`: of the proven state; `header`: 362 bytes of block height + 1; `finality`: a certificate of 109 bytes, of the last of
 * `links`, without any of `header`; `links`: headers, each the child of the one before.
 */
export interface StateProof {
  readonly height: bigint;
  readonly header: Uint8Array;
  readonly tree: Uint8Array;
  readonly finality: Uint8Array | null;
  readonly links?: readonly Uint8Array[];
}

/** As many links as a proof may have (F0.5). */
const LINK_MAX = 64;

/**
 * What the verifier takes for true before it asks: the chain id and the validator set of the header's epoch, or the hash of
 * a block that it has verified otherwise.
 */
export type Trust =
  | { readonly kind: "validators"; readonly chain: Hash; readonly epoch: number; readonly set: readonly Validator[] }
  | { readonly kind: "block"; readonly hash: Hash };

/** The trust in a solo chain (C2.7): one key has all weight, in epoch 0, for ever. */
export const soloTrust = (chain: Hash, key: Uint8Array): Trust => ({
  kind: "validators",
  chain,
  epoch: 0,
  set: [{ key, weight: 1n }],
});

const bad = (reason: string): Verdict => ({ ok: false, reason });

/** Does the header belong to the trusted chain, and is it final? */
export function verifyHeader(
  trust: Trust,
  raw: Uint8Array,
  finality: Uint8Array | null,
  links: readonly Uint8Array[] = [],
): Verdict & { readonly header?: Header } {
  let header: Header;
  let chain: readonly Header[];
  let cert: Cert | null;
  if (links.length > LINK_MAX) return bad("too many links");
  try {
    header = decodeHeader(raw);
    chain = links.map((link) => decodeHeader(link));
    cert = finality === null ? null : decode(Cert, finality);
  } catch (e) {
    return bad(e instanceof Error ? e.message : String(e));
  }
  let hash = blockHash(header);
  if (trust.kind === "block")
    return equal(hash, trust.hash) ? { ok: true, header } : bad("the header is not of the trusted block");
  let last = header;
  for (const link of chain) {
    if (!equal(link.parent_hash, hash)) return bad("a link is not the child of the one before");
    hash = blockHash(link);
    last = link;
  }
  if (cert === null) return bad("no certificate: the header is not proven final");
  if (cert.kind !== CERT_FINALIZATION) return bad("the certificate is not a FINALIZATION");
  if (!equal(cert.hash, hash)) return bad("the certificate is of another block");
  if (cert.view !== last.view || cert.epoch !== last.epoch) return bad("the certificate is of another view");
  if (cert.epoch !== trust.epoch) return bad(`the header is of epoch ${last.epoch}, the trusted set of ${trust.epoch}`);
  const verdict = verifyCert(trust.chain, trust.set, cert);
  return verdict.ok ? { ok: true, header } : verdict;
}

/**
 * Does the chain's state after block `proof.height` hold `value` (stored bytes, null: nothing) under `key`?
 * `at`: the block hash that the answer names for that height, compared with the header's parent.
 */
export function verifyState(
  trust: Trust,
  key: Uint8Array,
  value: Uint8Array | null,
  proof: StateProof,
  at: Hash | null = null,
): Verdict {
  const { header, ...verdict } = verifyHeader(trust, proof.header, proof.finality, proof.links);
  if (!verdict.ok || header === undefined) return verdict;
  if (header.height !== proof.height + 1n)
    return bad(`the header is of height ${header.height}, the state of ${proof.height}`);
  if (at !== null && !equal(header.parent_hash, at)) return bad("the answer names another block for that height");
  return verifyProof(header.parent_state_root, key, value, proof.tree);
}

/** The free balance that `value`, the stored bytes of Balances' `free`, stands for; absent is 0. */
export function balanceOf(value: Uint8Array | null): bigint {
  return value === null ? 0n : balancesItems.free.decode(value).value;
}

/** `verifyState` of an account's free balance; the verified figure comes with the verdict. */
export function verifyBalance(
  trust: Trust,
  account: Address,
  value: Uint8Array | null,
  proof: StateProof,
  at: Hash | null = null,
): { readonly ok: true; readonly free: bigint } | { readonly ok: false; readonly reason: string } {
  const verdict = verifyState(trust, balancesItems.free.key(account), value, proof, at);
  if (!verdict.ok) return verdict;
  try {
    return { ok: true, free: balanceOf(value) };
  } catch (e) {
    return { ok: false, reason: e instanceof Error ? e.message : String(e) };
  }
}
