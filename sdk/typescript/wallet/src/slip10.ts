/**
 * SLIP-0010 for Ed25519: hardened derivation only.
 *
 *   I = HMAC-SHA512("ed25519 seed", seed)            key = I[0..32], chain code = I[32..64]
 *   I = HMAC-SHA512(chain code, 0 ‖ key ‖ index BE)  for each step, index + 2^31
 */
import { be, CodecError, concat, utf8 } from "@demiurge/codec";
import { hmac } from "@noble/hashes/hmac.js";
import { sha512 } from "@noble/hashes/sha2.js";

export function slip10Ed25519(seed: Uint8Array, path: string): Uint8Array {
  if (!/^m(\/\d{1,10}')*$/.test(path))
    throw new CodecError(`an Ed25519 path has hardened steps only, like m/44'/1'/0': got "${path}"`);
  let i = hmac(sha512, utf8("ed25519 seed"), seed);
  for (const step of path.split("/").slice(1)) {
    const index = Number(step.slice(0, -1));
    if (index >= 2 ** 31) throw new CodecError(`path step ${step} is not below 2^31`);
    i = hmac(sha512, i.slice(32), concat(Uint8Array.of(0), i.slice(0, 32), be(index + 2 ** 31, 4)));
  }
  return i.slice(0, 32);
}
