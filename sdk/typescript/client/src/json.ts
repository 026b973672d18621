/**
 * JSON as the node speaks it (F0.2): up to 32 bits numbers, wider integers decimal strings, bytes `0x` hex.
 *
 * Answers come from outside: a field that is missing or of another form gives `BadAnswer` with its path. Unknown fields are
 * ignored (F0.2).
 */
import { type Address, addressFromText, asHash, fromHex, type Hash, type Hex } from "@demiurge/codec";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** The node's answer is not what the interface says. */
export class BadAnswer extends Error {
  override readonly name = "BadAnswer";
  constructor(path: string, expected: string, got: unknown) {
    const text = got === undefined ? "nothing" : JSON.stringify(got);
    super(`answer at ${path}: expected ${expected}, got ${text.length > 120 ? `${text.slice(0, 120)}..` : text}`);
  }
}

/** A place in an answer: navigation with the path kept for the message. */
export class Answer {
  constructor(
    readonly value: Json | undefined,
    readonly path: string = "$",
  ) {}

  get(key: string): Answer {
    return new Answer(this.object()[key], `${this.path}.${key}`);
  }

  /** Missing or null. */
  get isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }

  optional<T>(read: (a: Answer) => T): T | null {
    return this.isAbsent ? null : read(this);
  }

  object(): JsonObject {
    const v = this.value;
    if (typeof v !== "object" || v === null || Array.isArray(v)) throw new BadAnswer(this.path, "an object", v);
    return v as JsonObject;
  }

  list<T>(read: (a: Answer) => T): T[] {
    const v = this.value;
    if (!Array.isArray(v)) throw new BadAnswer(this.path, "a list", v);
    return (v as readonly Json[]).map((x, i) => read(new Answer(x, `${this.path}[${i}]`)));
  }

  text(): string {
    if (typeof this.value !== "string") throw new BadAnswer(this.path, "text", this.value);
    return this.value;
  }

  bool(): boolean {
    if (typeof this.value !== "boolean") throw new BadAnswer(this.path, "true or false", this.value);
    return this.value;
  }

  u32(): number {
    const v = this.value;
    if (typeof v !== "number" || !Number.isInteger(v) || v < 0 || v > 0xffff_ffff)
      throw new BadAnswer(this.path, "a u32", v);
    return v;
  }

  u64(): bigint {
    const v = this.value;
    if (typeof v !== "string" || !/^(0|[1-9][0-9]{0,19})$/.test(v) || BigInt(v) >= 1n << 64n)
      throw new BadAnswer(this.path, "a u64 as decimal text", v);
    return BigInt(v);
  }

  bytes(): Uint8Array {
    try {
      return fromHex(this.text());
    } catch {
      throw new BadAnswer(this.path, "0x hex", this.value);
    }
  }

  hash(): Hash {
    const b = this.bytes();
    if (b.length !== 32) throw new BadAnswer(this.path, "32 bytes", this.value);
    return asHash(b);
  }

  address(): Address {
    try {
      return addressFromText(this.text());
    } catch {
      throw new BadAnswer(this.path, "an address", this.value);
    }
  }
}

export type { Hex };
