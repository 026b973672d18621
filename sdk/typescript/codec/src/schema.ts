/**
 * Types of the interface language as values: the schema hash of a call (R2.3, R2.3a) and the codec of its arguments.
 *
 * A generated module (src/generated/) is one object of types built from `t`; ids, schema hashes and encoders follow from
 * it, and TypeScript infers the arguments. Names are the interface's own, unchanged.
 *
 *   export const balances = defineModule(2, "balances", {
 *     transfer: call(1, "Pay {amount} to {to}", { to: t.address, amount: t.amount, memo: t.bytes(64) }),
 *   });
 *   balances.transfer({ to, amount: 1n, memo: new Uint8Array() })    // -> Call of a transaction
 *   balances.transfer.schema                                         // -> Hash
 */
import { bcs } from "@mysten/bcs";
import {
  address,
  amount,
  bool,
  bytes,
  type Codec,
  decode,
  encode,
  fixed,
  hash,
  i8,
  i16,
  i32,
  i64,
  i128,
  list,
  names,
  option,
  str,
  struct,
  type Union,
  u8,
  u16,
  u32,
  u64,
  u128,
  union,
  unit,
} from "./bcs.js";
import { type Address, CodecError, compare, concat, type Hash } from "./bytes.js";
import { taggedHash } from "./hash.js";
import { Asset, type Call } from "./transaction.js";

/** A type: its BCS in a schema (R2.3a) and how its values are coded. */
export interface Type<T> {
  readonly schema: Uint8Array;
  readonly depth: number;
  readonly codec: Codec<T>;
}

const DEPTH_MAX = 8;
const text = str(0xffff_ffff);

function type<T>(
  tag: number,
  codec: Codec<T>,
  payload: Uint8Array = new Uint8Array(),
  inner: readonly number[] = [],
): Type<T> {
  const depth = 1 + Math.max(0, ...inner);
  if (depth > DEPTH_MAX) throw new CodecError(`a type nests at most ${DEPTH_MAX} deep`);
  return { schema: concat(Uint8Array.of(tag), payload), depth, codec };
}

const uleb = (n: number): Uint8Array => bcs.uleb128().serialize(n).toBytes();

type FieldTypes<S> = { readonly [K in keyof S]: Type<S[K]> };
type Entries = [string, Type<unknown>][];

const fieldsSchema = (entries: Entries): Uint8Array =>
  concat(uleb(entries.length), ...entries.flatMap(([name, f]) => [encode(text, name), f.schema]));

function fieldsCodec<S extends object>(name: string, fields: FieldTypes<S>): Codec<S> {
  const codecs = Object.fromEntries((Object.entries(fields) as Entries).map(([k, f]) => [k, f.codec]));
  return struct<S>(name, codecs as unknown as { readonly [K in keyof S]: Codec<S[K]> });
}

/** R2.2: sorted by key bytes, no key twice. */
function mapCodec<K, V>(k: Codec<K>, v: Codec<V>, max: number): Codec<ReadonlyMap<K, V>> {
  const pairs = list(struct<{ k: K; v: V }>("entry", { k, v }), max);
  const order = (rows: readonly { k: K; v: V }[]): { k: K; v: V }[] =>
    rows
      .map((r) => ({ r, b: encode(k, r.k) }))
      .sort((x, y) => compare(x.b, y.b))
      .map(({ r }) => r);
  return pairs.transform<ReadonlyMap<K, V>, ReadonlyMap<K, V>>({
    name: `map<${k.name}, ${v.name}, ${max}>`,
    input: (m) => order([...m].map(([key, value]) => ({ k: key, v: value }))),
    output: (rows) => {
      const raw = rows.map((r) => encode(k, r.k));
      if (raw.some((b, i) => i > 0 && compare(raw[i - 1] as Uint8Array, b) >= 0))
        throw new CodecError("map keys must ascend");
      return new Map(rows.map((r) => [r.k, r.v]));
    },
  });
}

/** A variant of an enum: its tag and, unless it has none, its payload. */
export interface Variant<T> {
  readonly tag: number;
  readonly type: Type<T> | null;
}

/** The types of R2.3a, in its order. */
export const t = {
  bool: type(0, bool),
  u8: type(1, u8),
  u16: type(2, u16),
  u32: type(3, u32),
  u64: type(4, u64),
  u128: type(5, u128),
  i8: type(6, i8),
  i16: type(7, i16),
  i32: type(8, i32),
  i64: type(9, i64),
  i128: type(10, i128),
  address: type<Address>(11, address),
  hash: type<Hash>(12, hash),
  amount: type(13, amount),
  asset: type<Asset>(14, Asset),
  fixed: (n: number): Type<Uint8Array> => type(15, fixed(n), encode(u32, n)),
  bytes: (max: number): Type<Uint8Array> => type(16, bytes(max), encode(u32, max)),
  str: (max: number): Type<string> => type(17, str(max), encode(u32, max)),
  list: <T>(of: Type<T>, max: number): Type<readonly T[]> =>
    type(18, list(of.codec, max), concat(of.schema, encode(u32, max)), [of.depth]),
  map: <K, V>(k: Type<K>, v: Type<V>, max: number): Type<ReadonlyMap<K, V>> =>
    type(19, mapCodec(k.codec, v.codec, max), concat(k.schema, v.schema, encode(u32, max)), [k.depth, v.depth]),
  option: <T>(of: Type<T>): Type<T | null> => type(20, option(of.codec), of.schema, [of.depth]),
  struct: <S extends object>(name: string, fields: FieldTypes<S>): Type<S> => {
    const entries = Object.entries(fields) as Entries;
    return type(
      21,
      fieldsCodec(name, fields),
      concat(encode(text, name), encode(bool, false), fieldsSchema(entries)),
      entries.map(([, f]) => f.depth),
    );
  },
  /** A closed enum; values are indexes into the variants in this order (R2.3a), `tag` is in the schema only. */
  enum: <M extends object>(name: string, variants: { readonly [K in keyof M]: Variant<M[K]> }): Type<Union<M>> => {
    const entries = Object.entries(variants) as [string, Variant<unknown>][];
    const codecs = Object.fromEntries(entries.map(([k, v]) => [k, v.type === null ? unit : v.type.codec]));
    return type(
      22,
      union<M>(name, codecs as unknown as { readonly [K in keyof M]: Codec<M[K]> }),
      concat(encode(text, name), encode(bool, false), variantsSchema(entries)),
      entries.map(([, v]) => v.type?.depth ?? 0),
    );
  },
  /** A closed enum of which no variant has a payload, as names. */
  names: <const N extends readonly string[]>(
    name: string,
    variants: N,
    tags: readonly number[] = variants.map((_, i) => i),
  ): Type<N[number]> =>
    type(
      22,
      names(name, variants),
      concat(
        encode(text, name),
        encode(bool, false),
        variantsSchema(variants.map((v, i) => [v, { tag: tags[i] as number, type: null }])),
      ),
    ),
} as const;

function variantsSchema(entries: readonly (readonly [string, Variant<unknown>])[]): Uint8Array {
  return concat(
    uleb(entries.length),
    ...entries.flatMap(([name, v]) => [
      encode(text, name),
      encode(u32, v.tag),
      v.type === null ? Uint8Array.of(0) : concat(Uint8Array.of(1), v.type.schema),
    ]),
  );
}

export interface CallType<A> {
  readonly id: number;
  readonly says: string;
  readonly args: FieldTypes<A>;
}

export function call<A extends object>(id: number, says: string, args: FieldTypes<A>): CallType<A> {
  return { id, says, args };
}

/** A call of a module: apply it to its arguments to get what a transaction carries. */
export interface CallEncoder<A> {
  (args: A): Call;
  readonly module: number;
  readonly id: number;
  /** `module.call`, as people and errors name it. */
  readonly fullName: string;
  readonly says: string;
  readonly schema: Hash;
  /** What `schema` hashes. */
  readonly schemaBytes: Uint8Array;
  encode(args: A): Uint8Array;
  decode(args: Uint8Array): A;
}

export type ModuleCalls<C> = { readonly [K in keyof C]: C[K] extends CallType<infer A> ? CallEncoder<A> : never };

export function schemaBytes(module: number, id: number, name: string, args: Entries, says: string): Uint8Array {
  return concat(encode(u16, module), encode(u16, id), encode(text, name), fieldsSchema(args), encode(text, says));
}

export const schemaHash = (bytes: Uint8Array): Hash => taggedHash("dmg/schema/v1", bytes);

function encoder<A extends object>(
  module: number,
  moduleName: string,
  name: string,
  { id, says, args }: CallType<A>,
): CallEncoder<A> {
  const raw = schemaBytes(module, id, name, Object.entries(args) as Entries, says);
  const schema = schemaHash(raw);
  const codec = fieldsCodec<A>(`${moduleName}.${name}`, args);
  const enc = (a: A): Uint8Array => encode(codec, a);
  return Object.assign((a: A): Call => ({ module, call: id, schema, args: enc(a) }), {
    module,
    id,
    fullName: `${moduleName}.${name}`,
    says,
    schema,
    schemaBytes: raw,
    encode: enc,
    decode: (b: Uint8Array): A => decode(codec, b),
  });
}

export function defineModule<C extends { readonly [name: string]: CallType<object> }>(
  module: number,
  name: string,
  calls: C,
): ModuleCalls<C> {
  const out: Record<string, unknown> = {};
  for (const [callName, c] of Object.entries(calls)) out[callName] = encoder(module, name, callName, c);
  return out as ModuleCalls<C>;
}
