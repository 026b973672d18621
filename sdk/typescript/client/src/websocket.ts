/**
 * JSON-RPC over one WebSocket, with streams that resume (F5).
 *
 *   request  -> {id}         answer <- {id}
 *   sub_open -> {topic, ..}  sub_item, sub_retract, sub_gap, sub_stop <-
 *
 * A subscription is a cursor into the node's log. When the socket breaks, it is opened again after a pause and every
 * subscription goes on from the cursor of its last item taken; a consumer slower than `queueMax` items is treated the same
 * way, so memory stays bounded and nothing is lost. Requests in flight when the socket breaks fail with TransportError.
 *
 * Node 20 has no WebSocket client of its own: pass a constructor, for example of the package `ws`.
 */
import { RpcError, TransportError } from "./errors.js";
import type { Json, JsonObject } from "./json.js";
import { type RequestOptions, sleep, type Transport, unwrap } from "./transport.js";

/** The part of the browsers' WebSocket that is used here; `ws` has it too. */
export interface WebSocketLike {
  send(data: string): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
}
export type WebSocketConstructor = new (url: string, protocols: string) => WebSocketLike;

export interface WebSocketOptions {
  readonly WebSocket?: WebSocketConstructor;
  readonly timeoutMs?: number;
  readonly queueMax?: number;
  /** Longest pause before the socket is opened again. */
  readonly reconnectMaxMs?: number;
}

export const SUBPROTOCOL = "demiurge.v1";

interface Waiting {
  resolve(value: Json): void;
  reject(error: Error): void;
}

/** One life of a subscription on one socket. */
interface Feed {
  readonly queue: JsonObject[];
  state: "live" | "lost";
  /** Of the newest item in the queue. */
  seq: bigint | null;
  wake(): void;
}

export function webSocket(url: string, options: WebSocketOptions = {}): Required<Transport> {
  const { timeoutMs = 15_000, queueMax = 4096, reconnectMaxMs = 10_000 } = options;
  const Ctor = options.WebSocket ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
  if (Ctor === undefined) throw new TransportError("this platform has no WebSocket: pass one as options.WebSocket");

  let socket: Promise<WebSocketLike> | null = null;
  /** The socket of `socket`; what an older one still says is not heard. */
  let current: WebSocketLike | null = null;
  let open: WebSocketLike | null = null;
  let isClosed = false;
  let lastId = 0;
  const waiting = new Map<number, Waiting>();
  const feeds = new Map<string, Feed>();
  /* A node may send items before its answer to sub_open, which names their subscription: they are kept while one is open. */
  const early = new Map<string, JsonObject[]>();
  let opening = 0;
  let earlyCount = 0;

  function lose(s: WebSocketLike, error: Error): void {
    if (current !== s) return;
    current = null;
    open = null;
    socket = null;
    for (const w of waiting.values()) w.reject(error);
    waiting.clear();
    for (const f of feeds.values()) {
      f.state = "lost";
      f.wake();
    }
    feeds.clear();
    forget();
  }

  function forget(): void {
    early.clear();
    earlyCount = 0;
  }

  function connect(): Promise<WebSocketLike> {
    if (isClosed) return Promise.reject(new TransportError("the transport is closed"));
    socket ??= new Promise<WebSocketLike>((resolve, reject) => {
      const s = new (Ctor as WebSocketConstructor)(url, SUBPROTOCOL);
      current = s;
      const timer = setTimeout(() => s.close(), timeoutMs);
      s.onopen = () => {
        clearTimeout(timer);
        if (current === s) open = s;
        resolve(s);
      };
      const end = (why: string) => (event: { readonly code?: number; readonly reason?: string }) => {
        clearTimeout(timer);
        const error = new TransportError(
          `${url} ${why}${event.code === undefined ? "" : ` (${event.code} ${event.reason ?? ""})`}`,
        );
        reject(error);
        lose(s, error);
      };
      s.onclose = end("closed the connection");
      s.onerror = end("cannot be reached");
      s.onmessage = (event: { readonly data: unknown }) => {
        if (current === s) receive(s, event.data);
      };
    });
    return socket;
  }

  function receive(s: WebSocketLike, data: unknown): void {
    let message: Json;
    try {
      message = JSON.parse(typeof data === "string" ? data : String(data)) as Json;
    } catch {
      s.close(1002, "not JSON");
      return;
    }
    for (const one of Array.isArray(message) ? (message as readonly Json[]) : [message]) {
      if (typeof one !== "object" || one === null || Array.isArray(one)) continue;
      const { id, method, params } = one as JsonObject;
      if (typeof method === "string") notify(method, params);
      else if (typeof id === "number") {
        const w = waiting.get(id);
        waiting.delete(id);
        try {
          w?.resolve(unwrap(one, id));
        } catch (e) {
          w?.reject(e as Error);
        }
      }
    }
  }

  function notify(method: string, params: Json | undefined): void {
    if (typeof params !== "object" || params === null || Array.isArray(params)) return;
    const p = params as JsonObject;
    const id = String(p["subscription"]);
    const feed = feeds.get(id);
    if (feed === undefined) {
      if (opening > 0 && earlyCount < queueMax) {
        earlyCount++;
        early.set(id, [...(early.get(id) ?? []), { ...p, method }]);
      }
      return;
    }
    take(id, feed, method, p);
  }

  function take(id: string, feed: Feed, method: string, p: JsonObject): void {
    const seq =
      method === "sub_item" && typeof p["seq"] === "string" && /^\d{1,20}$/.test(p["seq"]) ? BigInt(p["seq"]) : null;
    const isGap = seq !== null && feed.seq !== null && seq > feed.seq + 1n && p["skipped"] === undefined;
    if (isGap || feed.queue.length >= queueMax) {
      /* The consumer is too slow, or an item was lost (F5.3): let the stream go and come back with the cursor. */
      feeds.delete(id);
      feed.state = "lost";
      void send("sub_close", { subscription: p["subscription"] ?? null }, undefined).catch(() => {});
    } else {
      /* What is pruned is not to be had again: the next item counts as the first. */
      feed.seq = method === "sub_gap" ? null : (seq ?? feed.seq);
      feed.queue.push({ ...p, method });
    }
    feed.wake();
  }

  /* `first` sees the answer before any later message is handled. */
  async function send(
    method: string,
    params: JsonObject,
    signal: AbortSignal | undefined,
    first: (result: Json) => void = () => {},
  ): Promise<Json> {
    signal?.throwIfAborted();
    const s = await connect();
    const id = ++lastId;
    return await new Promise<Json>((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        waiting.delete(id);
      };
      const abort = (): void => {
        done();
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        done();
        reject(new TransportError(`${url} gave no answer to ${method} in ${timeoutMs} ms`));
      }, timeoutMs);
      signal?.addEventListener("abort", abort, { once: true });
      waiting.set(id, {
        resolve: (v) => {
          done();
          first(v);
          resolve(v);
        },
        reject: (e) => {
          done();
          reject(e);
        },
      });
      try {
        s.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
      } catch (e) {
        done();
        reject(new TransportError(`${url}: cannot send`, null, { cause: e }));
      }
    });
  }

  async function* subscribe(params: JsonObject, { signal }: RequestOptions = {}): AsyncGenerator<JsonObject> {
    let cursor: Json | undefined = params["cursor"];
    let pause = 100;
    for (;;) {
      let wake: () => void = () => {};
      const feed: Feed = { queue: [], state: "live", seq: null, wake: () => wake() };
      let id = "";
      let raw: Json | undefined;
      opening++;
      try {
        await send("sub_open", cursor === undefined ? params : { ...params, cursor }, signal, (opened) => {
          const { subscription, cursor: start } = opened as JsonObject;
          raw = subscription;
          id = String(subscription);
          feeds.set(id, feed);
          for (const held of early.get(id) ?? []) take(id, feed, String(held["method"]), held);
          /* Where a stream starts is a cursor too, so that a break before the first item loses nothing. */
          cursor ??= start;
        });
      } catch (e) {
        signal?.throwIfAborted();
        if (isClosed || !(e instanceof TransportError || (e instanceof RpcError && e.isRetryable))) throw e;
        await sleep(pause, signal);
        pause = Math.min(2 * pause, reconnectMaxMs);
        continue;
      } finally {
        opening--;
        if (opening === 0) forget();
      }
      pause = 100;
      const abort = (): void => feed.wake();
      signal?.addEventListener("abort", abort);
      try {
        for (;;) {
          signal?.throwIfAborted();
          const item = feed.queue.shift();
          if (item !== undefined) {
            if (item["method"] === "sub_stop" && item["reason"] !== "slow" && item["reason"] !== "drain") {
              if (item["reason"] !== "closed")
                throw new TransportError(`the node ended the stream: ${String(item["reason"])}`);
              return;
            }
            if (item["cursor"] !== undefined) cursor = item["cursor"];
            if (item["method"] === "sub_stop") break;
            yield item;
            continue;
          }
          if (feed.state !== "live") break;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (isClosed) return;
      } finally {
        signal?.removeEventListener("abort", abort);
        if (feeds.get(id) === feed) {
          feeds.delete(id);
          void send("sub_close", { subscription: raw ?? null }, undefined).catch(() => {});
        }
      }
      await sleep(pause, signal);
    }
  }

  return {
    request: (method, params, { signal } = {}) => send(method, params, signal),
    subscribe,
    close() {
      isClosed = true;
      const s = open;
      if (s === null) void socket?.then((late) => late.close(1000)).catch(() => {});
      else {
        lose(s, new TransportError("the transport is closed"));
        s.close(1000);
      }
    },
  };
}
