/** The answers of the node's methods, as types and their readers from JSON. */
import type { Hash } from "@demiurge/codec";
import type { StateProof } from "@demiurge/verify";
import { type Answer, BadAnswer } from "./json.js";

/** F0.4: of which block an answer speaks. */
export interface At {
  readonly height: bigint;
  readonly hash: Hash;
  readonly isFinal: boolean;
}

/** F0.4: which block is asked for. */
export type AtQuery = "final" | "head" | { readonly height: bigint } | { readonly hash: Hash };

export interface ChainInfo {
  readonly chain: Hash;
  readonly name: string;
  readonly kind: "main" | "test" | "dev";
  /** The key of a solo chain's validator (C2.7). As a node tells it, it is no better than the node: see `Trust`. */
  readonly validatorKey: Uint8Array | null;
  readonly head: At;
  readonly final: At;
  /** Micro-sparks per gas in the next block (R5.2). */
  readonly price: bigint | null;
}

/** F4.4. */
export type TxStatus =
  | { readonly kind: "unknown" | "queued" | "pooled" | "retracted" }
  | {
      readonly kind: "included" | "final";
      readonly height: bigint;
      readonly index: number;
      readonly ok: boolean;
      readonly error: string | null;
    }
  | { readonly kind: "replaced"; readonly by: Hash }
  | { readonly kind: "expired"; readonly at: bigint }
  | { readonly kind: "dropped" | "rejected"; readonly reason: string };

export interface StateAnswer {
  readonly value: Uint8Array | null;
  readonly at: At;
  readonly proof: StateProof | null;
}

export interface Estimate {
  /** The gas limit to set (used x 1.2, R6.1). */
  readonly gas: bigint;
  readonly energy: bigint;
  /** The whole fee for that limit. */
  readonly fee: bigint;
  /** How the run ended, `OK` if well. */
  readonly status: string;
  readonly error: string | null;
}

export const readAt = (a: Answer): At => ({
  height: a.get("height").u64(),
  hash: a.get("hash").hash(),
  isFinal: a.get("isFinal").bool(),
});

export function readInfo(a: Answer): ChainInfo {
  const kind = a.get("kind").text();
  if (kind !== "main" && kind !== "test" && kind !== "dev") throw new BadAnswer("$.kind", "main, test or dev", kind);
  return {
    chain: a.get("chainId").hash(),
    name: a.get("name").text(),
    kind,
    validatorKey: a.get("validatorKey").optional((x) => x.bytes()),
    head: readAt(a.get("head")),
    final: readAt(a.get("final")),
    price: a.get("price").optional((x) => x.u64()),
  };
}

export function readStatus(a: Answer): TxStatus {
  const kind = a.get("kind").text();
  switch (kind) {
    case "unknown":
    case "queued":
    case "pooled":
    case "retracted":
      return { kind };
    case "included":
    case "final":
      return {
        kind,
        height: a.get("height").u64(),
        index: a.get("index").optional((x) => x.u32()) ?? 0,
        ok: a.get("ok").bool(),
        error: a.get("error").optional((x) => x.text()),
      };
    case "replaced":
      return { kind, by: a.get("by").hash() };
    case "expired":
      return { kind, at: a.get("at").u64() };
    case "dropped":
    case "rejected":
      return { kind, reason: a.get("reason").text() };
    default:
      throw new BadAnswer(`${a.path}.kind`, "a status of F4.4", kind);
  }
}

export const readProof = (a: Answer): StateProof => ({
  height: a.get("height").u64(),
  header: a.get("header").bytes(),
  tree: a.get("tree").bytes(),
  finality: a.get("finality").optional((x) => x.bytes()),
  links: a.get("links").optional((x) => x.list((link) => link.bytes())) ?? [],
});

export const readState = (a: Answer): StateAnswer => ({
  value: a.get("value").optional((x) => x.bytes()),
  at: readAt(a.get("at")),
  proof: a.get("proof").optional(readProof),
});
