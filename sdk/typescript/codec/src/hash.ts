/**
 * Tagged SHA-256 (S1.1) and the Merkle tree of consensus C2.4.
 *
 * H(tag, m) = SHA256( SHA256(tag) ‖ SHA256(tag) ‖ m ): every use of the hash on chain has a domain of its own.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { asHash, concat, type Hash, utf8, ZERO_HASH } from "./bytes.js";

const prefixes = new Map<string, Uint8Array>();

function prefix(tag: string): Uint8Array {
  let p = prefixes.get(tag);
  if (p === undefined) {
    const t = sha256(utf8(tag));
    p = concat(t, t);
    prefixes.set(tag, p);
  }
  return p;
}

export function taggedHash(tag: string, ...parts: readonly Uint8Array[]): Hash {
  return asHash(sha256(concat(prefix(tag), ...parts)));
}

/** C2.4: pairs from the left, an odd node rises unchanged, no leaf at all is 32 zero bytes. `leaves` are leaf hashes. */
export function merkleRoot(nodeTag: string, leaves: readonly Hash[]): Hash {
  let row = [...leaves];
  while (row.length > 1) {
    const next: Hash[] = [];
    for (let i = 0; i < row.length; i += 2) {
      const left = row[i] as Hash;
      const right = row[i + 1];
      next.push(right === undefined ? left : taggedHash(nodeTag, left, right));
    }
    row = next;
  }
  return row[0] ?? ZERO_HASH;
}
