/** Verification of one authenticator (M1.2b), as the chain does it. For the wallet's own checks and for tests. */
import { equal, type Hash, type Sig, utf8 } from "@demiurge/codec";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { base64urlnopad } from "@scure/base";
import { BLS_DST_TX } from "./keys.js";

/** Ed25519 by ZIP-215, ECDSA with either S. Never throws: a malformed key or signature is false. */
export function verifySig(id: Hash, sig: Sig): boolean {
  try {
    switch (sig.kind) {
      case "Ed25519":
        return ed25519.verify(sig.sig, id, sig.key, { zip215: true });
      case "Secp256k1":
        return secp256k1.verify(sig.sig, id, sig.key, { lowS: false });
      case "P256":
        return p256.verify(sig.sig, id, sig.key, { lowS: false });
      case "WebAuthn":
        return (
          isAssertion(id, sig.auth_data, sig.client_data) &&
          p256.verify(sig.sig, join(sig.auth_data, sha256(sig.client_data)), sig.key, { lowS: false })
        );
      case "Bls":
        return bls12_381.shortSignatures.verify(sig.sig, bls12_381.shortSignatures.hash(id, BLS_DST_TX), sig.key);
    }
  } catch {
    return false;
  }
}

/**
 * The user was present (UP, bit 0 of the flags), and the client data begins, byte for byte, with the type `webauthn.get` and
 * the id as challenge, then `,` or `}`. What follows is the authenticator's.
 */
function isAssertion(id: Hash, authData: Uint8Array, clientData: Uint8Array): boolean {
  if (authData.length < 37 || ((authData[32] as number) & 1) === 0) return false;
  const head = utf8(`{"type":"webauthn.get","challenge":"${base64urlnopad.encode(id)}"`);
  const next = clientData[head.length];
  return equal(clientData.subarray(0, head.length), head) && (next === 0x2c || next === 0x7d);
}

const join = (a: Uint8Array, b: Uint8Array): Uint8Array => Uint8Array.of(...a, ...b);
