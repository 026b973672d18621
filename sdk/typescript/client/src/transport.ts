/**
 * Carrying JSON-RPC 2.0: one interface, HTTP here, WebSocket in websocket.ts.
 *
 * Every request takes an AbortSignal and has a time limit. Answers over `answerMax` bytes are refused while they arrive.
 */
import { RpcError, TransportError } from "./errors.js";
import type { Json, JsonObject } from "./json.js";

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface Transport {
  request(method: string, params: JsonObject, options?: RequestOptions): Promise<Json>;
  /** Absent where the carrier has no way back (HTTP). */
  subscribe?(params: JsonObject, options?: RequestOptions): AsyncIterable<JsonObject>;
  close(): void;
}

export interface HttpOptions {
  readonly fetch?: typeof globalThis.fetch;
  readonly timeoutMs?: number;
  /**
   * How often a request is sent again after a failure of the network or a retryable refusal. `dev_*` after a refusal only:
   * the node may have mined, moved its clock or paid already.
   */
  readonly retries?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly answerMax?: number;
}

const LIMIT_EXCEEDED = -32005;
/* F3.5 allows answers of 8 MiB, hex and batches included. */
const ANSWER_MAX = 8 * 1024 * 1024 + 65_536;

/** `url`: of the node's `/rpc`. */
export function http(
  url: string,
  options: HttpOptions = {},
): Transport & { batch(calls: readonly BatchCall[], o?: RequestOptions): Promise<BatchResult[]> } {
  const { fetch = globalThis.fetch, timeoutMs = 15_000, retries = 2, headers = {}, answerMax = ANSWER_MAX } = options;
  let lastId = 0;

  async function post(body: Json, signal: AbortSignal | undefined): Promise<Json> {
    const limit = AbortSignal.timeout(timeoutMs);
    let response: Response;
    try {
      response = await fetch(url, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      });
    } catch (e) {
      signal?.throwIfAborted();
      throw new TransportError(
        limit.aborted ? `${url} gave no answer in ${timeoutMs} ms` : `${url} cannot be reached`,
        null,
        { cause: e },
      );
    }
    const text = await bounded(response, answerMax, url);
    let answer: Json;
    try {
      answer = JSON.parse(text) as Json;
    } catch {
      throw new TransportError(
        `${url} answered HTTP ${response.status} and no JSON: ${text.slice(0, 200)}`,
        response.status,
      );
    }
    /* F4.1: a request that was not even read, for lack of units, has a problem document for an answer. */
    if (response.status === 429) {
      const problem = (typeof answer === "object" && answer !== null ? answer : {}) as JsonObject;
      throw new RpcError(LIMIT_EXCEEDED, String(problem["detail"] ?? "too many requests"), problem);
    }
    return answer;
  }

  async function once(method: string, params: JsonObject, signal: AbortSignal | undefined): Promise<Json> {
    const id = ++lastId;
    return unwrap(await post({ jsonrpc: "2.0", id, method, params }, signal), id);
  }

  return {
    async request(method, params, { signal } = {}) {
      for (let attempt = 0; ; attempt++) {
        try {
          return await once(method, params, signal);
        } catch (e) {
          signal?.throwIfAborted();
          const again =
            e instanceof RpcError
              ? e.isRetryable && e.name !== "Internal"
              : e instanceof TransportError && !method.startsWith("dev_");
          if (!again || attempt >= retries) throw e;
          const wanted = e instanceof RpcError ? e.retryAfterMs : null;
          await sleep(Math.min(wanted ?? 100 * 2 ** attempt, 10_000), signal);
        }
      }
    },
    async batch(calls, { signal } = {}) {
      const first = lastId + 1;
      lastId += calls.length;
      const answers = await post(
        calls.map(([method, params], i) => ({ jsonrpc: "2.0", id: first + i, method, params })),
        signal,
      );
      if (!Array.isArray(answers)) return [unwrap(answers, first) as never];
      const byId = new Map((answers as readonly Json[]).map((a) => [(a as JsonObject | null)?.["id"], a]));
      return calls.map((_, i) => {
        try {
          return { ok: true, result: unwrap(byId.get(first + i) ?? null, first + i) };
        } catch (e) {
          if (e instanceof RpcError) return { ok: false, error: e };
          throw e;
        }
      });
    },
    close: () => {},
  };
}

export type BatchCall = readonly [method: string, params: JsonObject];
export type BatchResult =
  | { readonly ok: true; readonly result: Json }
  | { readonly ok: false; readonly error: RpcError };

/** The result of a response object, or its error thrown. */
export function unwrap(answer: Json, id: number): Json {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer))
    throw new TransportError("the answer is no JSON-RPC response");
  const { error, result, id: got } = answer as JsonObject;
  if (typeof error === "object" && error !== null && !Array.isArray(error)) {
    const { code, message, data } = error as JsonObject;
    throw new RpcError(typeof code === "number" ? code : 0, typeof message === "string" ? message : "no message", data);
  }
  if (got !== id || result === undefined) throw new TransportError("the answer belongs to another request");
  return result;
}

async function bounded(response: Response, max: number, url: string): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let size = 0;
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      size += value.length;
      if (size > max) {
        await reader.cancel();
        throw new TransportError(`${url} answered more than ${max} bytes`, response.status);
      }
      text += decoder.decode(value, { stream: true });
    }
  } catch (e) {
    if (e instanceof TransportError) throw e;
    throw new TransportError(`${url} broke off its answer`, response.status, { cause: e });
  }
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
