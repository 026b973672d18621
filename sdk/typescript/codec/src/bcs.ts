/**
 * Strict BCS over @mysten/bcs.
 *
 * The library reads more than one encoding of a value: it ignores trailing bytes, takes any non-zero byte for `true` and
 * does not bound lists. `decode` therefore encodes what it read again and compares: whatever is not the one canonical
 * encoding is refused, by construction and for every type. Lists and byte strings check their maximum before they read.
 *
 * Values: u8..u32 are numbers, wider integers bigints, bytes `Uint8Array`, enums `{ kind, ... }`: the fields of a struct
 * payload stand beside `kind`, any other payload is `value`.
 */
import { BcsType, bcs } from "@mysten/bcs";
import { type Address, asAddress, asHash, CodecError, equal, type Hash } from "./bytes.js";

export type Codec<T> = BcsType<T, T>;

/** The type that a codec reads and writes. */
export type Infer<C> = C extends BcsType<infer T, infer _Input> ? T : never;

export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  try {
    return codec.serialize(value).toBytes();
  } catch (e) {
    if (e instanceof CodecError) throw e;
    throw new CodecError(`cannot encode ${codec.name}: ${e instanceof Error ? e.message : String(e)}`);
  }
}

export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  let value: T;
  let again: Uint8Array;
  try {
    /* A copy with its own buffer: the reader could otherwise look past the end of a view. */
    value = codec.parse(Uint8Array.from(bytes));
    again = codec.serialize(value).toBytes();
  } catch (e) {
    throw new CodecError(`not a ${codec.name}: ${e instanceof Error ? e.message : String(e)}`);
  }
  if (!equal(again, bytes))
    throw new CodecError(
      again.length < bytes.length && equal(again, bytes.subarray(0, again.length))
        ? `not a ${codec.name}: ${bytes.length - again.length} trailing bytes`
        : `not a ${codec.name}: not the canonical encoding`,
    );
  return value;
}

function whole(max: number) {
  return (v: number): void => {
    if (!Number.isInteger(v) || v < 0 || v > max) throw new CodecError(`${v} is not an integer in 0..${max}`);
  };
}

export const bool: Codec<boolean> = bcs.bool();
export const u8: Codec<number> = bcs.u8({ validate: whole(0xff) });
export const u16: Codec<number> = bcs.u16({ validate: whole(0xffff) });
export const u32: Codec<number> = bcs.u32({ validate: whole(0xffff_ffff) });

const big = (
  t: BcsType<string, string | number | bigint>,
  bits: bigint,
  signed: boolean,
  name: string,
): Codec<bigint> =>
  t.transform<bigint, bigint>({
    name,
    input: (v) => (v < 0n ? v + (1n << bits) : v),
    output: (s) => (signed && BigInt(s) >> (bits - 1n) === 1n ? BigInt(s) - (1n << bits) : BigInt(s)),
    validate: (v) => {
      const lo = signed ? -(1n << (bits - 1n)) : 0n;
      const hi = (1n << (signed ? bits - 1n : bits)) - 1n;
      if (typeof v !== "bigint" || v < lo || v > hi) throw new CodecError(`${v} is not an integer in ${lo}..${hi}`);
    },
  });

const small = (t: Codec<number>, bits: number, name: string): Codec<number> =>
  t.transform<number, number>({
    name,
    input: (v) => (v < 0 ? v + 2 ** bits : v),
    output: (v) => (v >= 2 ** (bits - 1) ? v - 2 ** bits : v),
    validate: (v) => {
      const half = 2 ** (bits - 1);
      if (!Number.isInteger(v) || v < -half || v >= half)
        throw new CodecError(`${v} is not an integer in ${-half}..${half - 1}`);
    },
  });

export const u64: Codec<bigint> = big(bcs.u64(), 64n, false, "u64");
export const u128: Codec<bigint> = big(bcs.u128(), 128n, false, "u128");
export const i8: Codec<number> = small(bcs.u8(), 8, "i8");
export const i16: Codec<number> = small(bcs.u16(), 16, "i16");
export const i32: Codec<number> = small(bcs.u32(), 32, "i32");
export const i64: Codec<bigint> = big(bcs.u64(), 64n, true, "i64");
export const i128: Codec<bigint> = big(bcs.u128(), 128n, true, "i128");

/** R2.2: u64 up to 2^63 - 1, refused above in both directions. */
export const amount: Codec<bigint> = u64.transform<bigint, bigint>({
  name: "amount",
  input: amountChecked,
  output: amountChecked,
});

function amountChecked(v: bigint): bigint {
  if (v > (1n << 63n) - 1n) throw new CodecError(`amount ${v} is above 2^63 - 1`);
  return v;
}

/** Exactly n bytes, no length. */
export function fixed(n: number): Codec<Uint8Array> {
  return new BcsType<Uint8Array>({
    name: `bytes[${n}]`,
    read: (r) => r.readBytes(n),
    write: (v, w) => {
      for (const b of v) w.write8(b);
    },
    serializedSize: () => n,
    validate: (v) => {
      if (!(v instanceof Uint8Array) || v.length !== n) throw new CodecError(`expected ${n} bytes, got ${v.length}`);
    },
  });
}

export const hash: Codec<Hash> = fixed(32).transform<Hash, Hash>({ name: "hash", output: asHash });
export const address: Codec<Address> = fixed(32).transform<Address, Address>({ name: "address", output: asAddress });

/** A byte string of at most `max` bytes. */
export function bytes(max: number): Codec<Uint8Array> {
  return new BcsType<Uint8Array>({
    name: `bytes<${max}>`,
    read: (r) => r.readBytes(bounded(r.readULEB(), max, "bytes")),
    write: (v, w) => {
      w.writeULEB(v.length);
      for (const b of v) w.write8(b);
    },
    validate: (v) => {
      if (!(v instanceof Uint8Array)) throw new CodecError("expected bytes");
      bounded(v.length, max, "bytes");
    },
  });
}

/** UTF-8 of at most `max` bytes; ill-formed UTF-8 and lone surrogates are refused. */
export function str(max: number): Codec<string> {
  return bytes(max).transform<string, string>({
    name: `str<${max}>`,
    input: (v) => new TextEncoder().encode(v),
    output: (b) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(b),
    validate: (v) => {
      if (typeof v !== "string" || /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(v))
        throw new CodecError("expected well-formed text");
    },
  });
}

export function list<T>(item: Codec<T>, max: number, min = 0): Codec<readonly T[]> {
  return new BcsType<readonly T[]>({
    name: `list<${item.name}, ${max}>`,
    read: (r) => {
      const n = bounded(r.readULEB(), max, "items", min);
      const out: T[] = [];
      for (let i = 0; i < n; i++) out.push(item.read(r));
      return out;
    },
    write: (v, w) => {
      w.writeULEB(v.length);
      for (const x of v) item.write(x, w);
    },
    validate: (v) => {
      bounded(v.length, max, "items", min);
      for (const x of v) item.validate(x);
    },
  });
}

export function option<T>(item: Codec<T>): Codec<T | null> {
  return new BcsType<T | null>({
    name: `option<${item.name}>`,
    read: (r) => {
      const tag = r.read8();
      if (tag > 1) throw new CodecError(`option tag ${tag}`);
      return tag === 0 ? null : item.read(r);
    },
    write: (v, w) => {
      w.write8(v === null ? 0 : 1);
      if (v !== null) item.write(v, w);
    },
    validate: (v) => {
      if (v !== null) item.validate(v);
    },
  });
}

/** Nothing: the payload of a variant without one. */
export const unit: Codec<null> = new BcsType<null>({ name: "unit", read: () => null, write: () => {} });

const structs = new WeakSet<object>();

export function struct<S extends object>(name: string, fields: { readonly [K in keyof S]: Codec<S[K]> }): Codec<S> {
  const entries = Object.entries(fields) as [keyof S & string, Codec<S[keyof S & string]>][];
  const codec = new BcsType<S>({
    name,
    read: (r) => {
      const out: Partial<S> = {};
      for (const [key, c] of entries) out[key] = c.read(r);
      return out as S;
    },
    write: (v, w) => {
      for (const [key, c] of entries) c.write(v[key], w);
    },
    validate: (v) => {
      if (typeof v !== "object" || v === null) throw new CodecError(`expected ${name}`);
      for (const [key, c] of entries) {
        try {
          c.validate(v[key]);
        } catch (e) {
          throw new CodecError(`${name}.${key}: ${e instanceof Error ? e.message : String(e)}`);
        }
      }
    },
  });
  structs.add(codec);
  return codec;
}

/** `{ kind: "A" }` of no payload, `{ kind: "B", ...fields }` of a struct, `{ kind: "C", value }` of anything else. */
export type Union<M> = {
  [K in keyof M & string]: M[K] extends null
    ? { readonly kind: K }
    : M[K] extends Uint8Array | bigint | number | string | boolean | readonly unknown[]
      ? { readonly kind: K; readonly value: M[K] }
      : { readonly kind: K } & M[K];
}[keyof M & string];

/** An enum: the variants in the order of their BCS index. */
export function union<M extends object>(
  name: string,
  variants: { readonly [K in keyof M]: Codec<M[K]> },
): Codec<Union<M>> {
  const entries = Object.entries(variants) as [string, Codec<unknown>][];
  const find = (v: { readonly kind: string }): [number, Codec<unknown>] => {
    const i = entries.findIndex(([key]) => key === v.kind);
    const entry = entries[i];
    if (entry === undefined) throw new CodecError(`${name} has no variant ${String(v.kind)}`);
    return [i, entry[1]];
  };
  const payload = (c: Codec<unknown>, v: { readonly kind: string; readonly value?: unknown }): unknown =>
    c === (unit as unknown) ? null : structs.has(c) ? v : v.value;
  const codec = new BcsType<{ readonly kind: string; readonly value?: unknown }>({
    name,
    read: (r) => {
      const i = r.readULEB();
      const entry = entries[i];
      if (entry === undefined) throw new CodecError(`${name} has no variant ${i}`);
      const [kind, c] = entry;
      const value = c.read(r);
      if (c === (unit as unknown)) return { kind };
      return structs.has(c) ? { kind, ...(value as object) } : { kind, value };
    },
    write: (v, w) => {
      const [i, c] = find(v);
      w.writeULEB(i);
      c.write(payload(c, v), w);
    },
    validate: (v) => {
      const [, c] = find(v);
      c.validate(payload(c, v));
    },
  });
  return codec as unknown as Codec<Union<M>>;
}

/** An enum without payloads, as its variant's name. */
export function names<const N extends readonly string[]>(name: string, variants: N): Codec<N[number]> {
  return new BcsType<N[number]>({
    name,
    read: (r) => {
      const i = r.readULEB();
      const v = variants[i];
      if (v === undefined) throw new CodecError(`${name} has no variant ${i}`);
      return v;
    },
    write: (v, w) => {
      w.writeULEB(variants.indexOf(v));
    },
    validate: (v) => {
      if (!variants.includes(v)) throw new CodecError(`${name} has no variant ${v}`);
    },
  });
}

function bounded(n: number, max: number, what: string, min = 0): number {
  if (n < min || n > max) throw new CodecError(`${n} ${what}, allowed are ${min}..${max}`);
  return n;
}
