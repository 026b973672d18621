/**
 * Bytes, hex and the branded 32-byte values that the chain's formats are made of.
 *
 * A brand exists at compile time only: a `Hash` is a plain `Uint8Array` that has passed a length check, so it cannot be
 * swapped with an `Address` by mistake.
 */

declare const brand: unique symbol;
type Branded<Name extends string> = Uint8Array & { readonly [brand]: Name };

/** 32 bytes of tagged SHA-256, or a value of the same shape (chain id, schema hash, transaction id). */
export type Hash = Branded<"Hash">;
/** The 32 bytes of an account's address (M1.2). */
export type Address = Branded<"Address">;
/** `0x` and lower-case hex digits (F0.2). */
export type Hex = `0x${string}`;

/** A value that does not fit its format: wrong length, range, alphabet, or not the canonical encoding. */
export class CodecError extends Error {
  override readonly name = "CodecError";
}

const digits = "0123456789abcdef";

export function toHex(bytes: Uint8Array): Hex {
  let out = "";
  for (const b of bytes) out += digits.charAt(b >> 4) + digits.charAt(b & 15);
  return `0x${out}`;
}

/** Strict: `0x`, lower case, an even number of digits (F0.2). */
export function fromHex(text: string): Uint8Array {
  if (!/^0x([0-9a-f]{2})*$/.test(text))
    throw new CodecError(`hex must be 0x and pairs of lower-case digits, got "${text.slice(0, 80)}"`);
  const out = new Uint8Array((text.length - 2) / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 + 2 * i, 4 + 2 * i), 16);
  return out;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

/** Byte order: -1, 0, 1. A prefix sorts first. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const d = (a[i] as number) - (b[i] as number);
    if (d !== 0) return d < 0 ? -1 : 1;
  }
  return Math.sign(a.length - b.length);
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((b) => b === 0);
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function sized(bytes: Uint8Array, what: string): Uint8Array {
  if (bytes.length !== 32) throw new CodecError(`${what} has 32 bytes, got ${bytes.length}`);
  return bytes;
}

export const asHash = (bytes: Uint8Array): Hash => sized(bytes, "a hash") as Hash;
export const asAddress = (bytes: Uint8Array): Address => sized(bytes, "an address") as Address;

/** 32 zero bytes: the empty subtree, "absent", "no payer". */
export const ZERO_HASH: Hash = asHash(new Uint8Array(32));

function integer(value: bigint, bytes: number): bigint {
  if (value < 0n || value >= 1n << BigInt(8 * bytes))
    throw new CodecError(`${value} does not fit an unsigned integer of ${8 * bytes} bits`);
  return value;
}

/** Unsigned big-endian, as in storage keys. */
export function be(value: bigint | number, bytes: number): Uint8Array {
  let v = integer(BigInt(value), bytes);
  const out = new Uint8Array(bytes);
  for (let i = bytes - 1; i >= 0; i--, v >>= 8n) out[i] = Number(v & 255n);
  return out;
}

/** Unsigned little-endian, as in BCS and everywhere else. */
export function le(value: bigint | number, bytes: number): Uint8Array {
  return be(value, bytes).reverse();
}
