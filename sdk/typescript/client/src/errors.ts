/**
 * Errors by name (F0.6, F4.1). Whatever a node refuses is an `RpcError`; its `name` is the same word as in the CLI, in REST
 * and in the documentation.
 */
import { ERRORS } from "./generated/rpc.js";
import type { Json, JsonObject } from "./json.js";

export type ErrorName = (typeof ERRORS)[number][1];

export class RpcError extends Error {
  /** The table's name for the code; `data.name`, if the node gives one, is in `detail`. */
  override readonly name: ErrorName | "Unknown";
  readonly code: number;
  readonly data: JsonObject;
  /** The finest name that the node gave: `drc369.NotAuthorized`, or the table's. */
  readonly detail: string;
  /** Of TxRejected: signature, chain, expired, nonce, lane, energy, fee, sponsor, session, size, pool. */
  readonly reason: string | null;
  readonly isRetryable: boolean;
  readonly retryAfterMs: number | null;

  constructor(code: number, message: string, data: Json | undefined) {
    super(message);
    const row = ERRORS.find(([c]) => c === code);
    this.code = code;
    this.name = row?.[1] ?? "Unknown";
    this.data = typeof data === "object" && data !== null && !Array.isArray(data) ? (data as JsonObject) : {};
    const given = this.data["name"];
    this.detail = typeof given === "string" ? given : this.name;
    const { reason } = this.data;
    this.reason = typeof reason === "string" ? reason : null;
    this.isRetryable = row?.[2] ?? false;
    const after = this.data["retryAfterMs"];
    this.retryAfterMs = after === undefined || after === null || !Number.isFinite(Number(after)) ? null : Number(after);
  }
}

/** No answer: the connection failed, ended, or the server spoke something else than JSON-RPC. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  constructor(
    message: string,
    readonly status: number | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A transaction ended otherwise than in a successful receipt. */
export class TxFailed extends Error {
  override readonly name = "TxFailed";
}

/** An answer came with a proof that does not verify: the node is wrong or lies. */
export class ProofInvalid extends Error {
  override readonly name = "ProofInvalid";
}
