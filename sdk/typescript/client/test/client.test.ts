import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as c from "@demiurge/codec";
import { soloTrust } from "@demiurge/verify";
import { devAccount } from "@demiurge/wallet";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import * as k from "../src/index.js";
import { FakeNode, Refusal } from "./fake_node.js";

const alice = devAccount("alice");
const bob = devAccount("bob");
let node: FakeNode;
let chain: k.Client;
const Ctor = WebSocket as unknown as k.WebSocketConstructor;

beforeEach(async () => {
  node = new FakeNode();
  await node.start();
  node.fund(alice.address, 1_000n);
  node.mine();
  node.mine();
  chain = k.createClient({ transport: k.http(node.rpc) });
});
afterEach(async () => {
  chain.close();
  await node.stop();
});

const pay = (amount: bigint): c.Call => c.balances.transfer({ to: bob.address, amount, memo: new Uint8Array() });
const fails = async (p: Promise<unknown>): Promise<Error> =>
  await p.then(
    () => {
      throw new Error("did not fail");
    },
    (e: unknown) => e as Error,
  );

describe("sending", () => {
  test("a first transfer brings the keys, the next does not, and both are proven", async () => {
    const trust = soloTrust(node.chain, node.validatorKey);
    const first = await chain.send(alice, [pay(10n)]);
    expect(first.receipt.status).toBe("OK");
    const second = await chain.send(alice, [pay(5n), c.system.note({ data: c.utf8("hi") })]);
    expect(second.id).not.toEqual(first.id);
    const done = await chain.receipt(second.id);
    expect(done.calls.map((x) => [x.moduleName, x.name, x.args])).toEqual([
      ["balances", "transfer", { memo: "0x" }],
      [null, null, null],
    ]);
    expect(done.events).toMatchObject([{ moduleName: "balances", name: "Transferred", fields: { amount: "1" } }]);
    expect(await chain.balance(bob.address)).toBe(15n);
    expect(await chain.provenBalance(bob.address, trust)).toMatchObject({ free: 15n });
    expect(await chain.provenBalance(alice.address, trust)).toMatchObject({ free: 985n });
    expect(await chain.nonce(alice.address)).toBe(2n);
    const raw = node.blocks.flatMap((b) => b.txs).map((t) => c.decodeTransaction(t));
    expect(raw.map((t) => t.auth.kind === "Keys" && t.auth.init !== null)).toEqual([true, false]);
    expect(raw[0]?.body).toMatchObject({
      gas: 50_000n,
      fee: { kind: "EnergyThenFee", max: 2_000n, tip: 0n },
      expiry: 482n,
      nonce: 0n,
    });
  });
  test("a failed call is TxFailed with status, module and code", async () => {
    const e = await fails(chain.send(alice, [pay(1_001n)]));
    expect(e).toBeInstanceOf(k.TxFailed);
    expect(e.message).toContain("FAULT, module 2, code 7");
  });
  test("a refused transaction is an RpcError by name", async () => {
    const e = (await fails(chain.send(alice, [pay(1n)], { nonce: 7n }))) as k.RpcError;
    expect([e.name, e.reason, e.code, e.isRetryable]).toEqual(["TxRejected", "nonce", -32003, false]);
  });
  test("an answer lost after submission does not send twice", async () => {
    node.intercept = (m, n) => {
      if (m !== "tx_submit" || n > 1) return undefined;
      const sent = node.handle;
      node.handle = (method, p, s) => {
        node.handle = sent;
        node.handle(method, p, s);
        throw new Refusal(-32002, "overloaded");
      };
      return undefined;
    };
    await chain.send(alice, [pay(10n)]);
    expect(node.requests.filter((m) => m === "tx_submit").length).toBe(2);
    expect(await chain.balance(bob.address)).toBe(10n);
  });
  test("it stops when told to", async () => {
    const stop = new AbortController();
    node.tamper = (m, r) => {
      if (m === "tx_status") {
        stop.abort(new Error("enough"));
        return { items: [{ id: "0x", status: { kind: "pooled" } }] };
      }
      return r;
    };
    expect((await fails(chain.send(alice, [pay(1n)], { signal: stop.signal }))).message).toBe("enough");
  });
  test.each([
    ["dropped", { kind: "dropped", reason: "void" }],
    ["expired", { kind: "expired", at: "9" }],
    ["replaced", { kind: "replaced", by: `0x${"00".repeat(32)}` }],
  ])("a transaction that is %s is TxFailed", async (word, status) => {
    node.tamper = (m, r) => (m === "tx_status" ? { items: [{ id: "0x", status }] } : r);
    const e = await fails(chain.send(alice, [pay(1n)]));
    expect(e).toBeInstanceOf(k.TxFailed);
    expect(e.message).toContain(word);
  });
});

describe("a lying node", () => {
  const proven = (): Promise<Error> =>
    fails(chain.provenBalance(alice.address, soloTrust(node.chain, node.validatorKey)));
  const lie = (f: (r: Record<string, unknown>, p: Record<string, unknown>) => Record<string, unknown>): void => {
    node.tamper = (m, r) => (m === "state_get" ? f({ ...r }, { ...(r["proof"] as object) }) : r);
  };
  test("about the value", async () => {
    lie((r) => ({
      ...r,
      value: c.toHex(
        c.balancesItems.free.encode({
          schema: 1,
          deposit: { payer: c.asAddress(new Uint8Array(32)), amount: 0n },
          value: 1_000_000n,
        }),
      ),
    }));
    expect(await proven()).toBeInstanceOf(k.ProofInvalid);
  });
  test("about absence", async () => {
    lie((r) => ({ ...r, value: null }));
    expect(await proven()).toBeInstanceOf(k.ProofInvalid);
  });
  test("without proof", async () => {
    lie((r) => ({ ...r, proof: null }));
    expect(await proven()).toBeInstanceOf(k.ProofInvalid);
  });
  test("without certificate", async () => {
    lie((r, p) => ({ ...r, proof: { ...p, finality: null } }));
    expect(await proven()).toBeInstanceOf(k.ProofInvalid);
  });
  test("with its own validator", async () => {
    const e = await fails(chain.provenBalance(alice.address, soloTrust(node.chain, alice.address)));
    expect(e).toBeInstanceOf(k.ProofInvalid);
  });
  test("about the height", async () => {
    lie((r, p) => ({ ...r, proof: { ...p, height: "2" } }));
    expect(await proven()).toBeInstanceOf(k.ProofInvalid);
  });
  test("about the block that was asked for", async () => {
    const trust = soloTrust(node.chain, node.validatorKey);
    const key = c.balancesItems.free.key(alice.address);
    const { hash } = node.blocks[0] as { hash: c.Hash };
    for (const at of [{ height: 1n }, { hash }])
      expect((await chain.provenState(key, trust, { at })).at.height).toBe(1n);
    node.mine();
    for (const at of [{ height: 1n }, { hash }])
      expect(await fails(chain.provenState(key, trust, { at }))).toBeInstanceOf(k.ProofInvalid);
  });
  test("about the form of its answer", async () => {
    lie((r) => ({ ...r, at: { height: 7, hash: "0x", isFinal: true } }));
    const e = await proven();
    expect(e).toBeInstanceOf(k.BadAnswer);
    expect(e.message).toContain("state_get.at.height");
  });
});

describe("http", () => {
  test("a broken connection and a retryable refusal are tried again, others are not", async () => {
    node.intercept = (m, n) => {
      if (m === "chain_head" && n === 1) return "drop";
      if (m === "chain_head" && n === 2) throw new Refusal(-32002, "syncing", { retryAfterMs: 1 });
      return undefined;
    };
    expect((await chain.head()).head.height).toBe(2n);
    expect(node.requests.filter((m) => m === "chain_head").length).toBe(3);
    const e = (await fails(chain.request("no_such"))) as k.RpcError;
    expect([e.name, node.requests.filter((m) => m === "no_such").length]).toEqual(["MethodNotFound", 1]);
  });
  test("what changes a dev chain each time is not sent again after a lost answer", async () => {
    node.intercept = (m) => (m.startsWith("dev_") ? "drop" : undefined);
    expect(await fails(chain.request("dev_mine", { blocks: 3 }))).toBeInstanceOf(k.TransportError);
    expect(node.requests.filter((m) => m === "dev_mine").length).toBe(1);
    node.intercept = (m, n) => {
      if (m === "dev_mine" && n === 2) throw new Refusal(-32002, "overloaded", { retryAfterMs: 1 });
      return undefined;
    };
    expect(((await fails(chain.request("dev_mine"))) as k.RpcError).name).toBe("MethodNotFound");
    expect(node.requests.filter((m) => m === "dev_mine").length).toBe(3);
  });
  test("a 429 is LimitExceeded: waited for, then told", async () => {
    node.intercept = (m, n) => (m === "chain_head" && n === 1 ? "busy" : undefined);
    expect((await chain.head()).head.height).toBe(2n);
    node.intercept = () => "busy";
    const e = (await fails(chain.head())) as k.RpcError;
    expect([e.name, e.retryAfterMs, e.isRetryable]).toEqual(["LimitExceeded", 1, true]);
  });
  test("a batch answers in its own order, errors beside results", async () => {
    const got = await k.http(node.rpc).batch([
      ["chain_head", {}],
      ["no_such", {}],
      ["chain_info", {}],
    ]);
    expect(got.map((x) => x.ok)).toEqual([true, false, true]);
  });
  test("no node", async () => {
    const t = k.http("http://127.0.0.1:9/rpc", { retries: 0 });
    expect(await fails(t.request("chain_head", {}))).toBeInstanceOf(k.TransportError);
  });
  test("an aborted request rejects with the reason", async () => {
    const t = k.http(node.rpc);
    expect((await fails(t.request("chain_head", {}, { signal: AbortSignal.abort(new Error("no")) }))).message).toBe(
      "no",
    );
  });
  test.each([
    ["no JSON", "<html>", 502],
    ["too much", "x".repeat(2000), 200],
    ["another id", '{"jsonrpc":"2.0","id":99,"result":1}', 200],
    ["a list", "[]", 200],
    ["ill-formed UTF-8", Buffer.from([0x22, 0xc3, 0x28, 0x22]), 200],
  ])("a server that answers %s", async (_, body, status) => {
    const server = createServer((_q, s) => {
      s.statusCode = status;
      s.end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const t = k.http(`http://127.0.0.1:${(server.address() as AddressInfo).port}/rpc`, { retries: 0, answerMax: 1000 });
    expect(await fails(t.request("chain_head", {}))).toBeInstanceOf(k.TransportError);
    server.close();
  });
  test("a server that never answers runs into the time limit", async () => {
    const server = createServer(() => {});
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const t = k.http(`http://127.0.0.1:${(server.address() as AddressInfo).port}/rpc`, { retries: 0, timeoutMs: 50 });
    expect((await fails(t.request("chain_head", {}))).message).toContain("no answer in 50 ms");
    server.closeAllConnections();
    server.close();
  });
});

describe("numbers in answers", () => {
  test.each(["01", "-1", "1.0", " 1", "", "18446744073709551616", "1e3"])('"%s" is no u64', (text) => {
    expect(() => new k.Answer(text).u64()).toThrow(k.BadAnswer);
  });
  test("a JSON number is no u64, and decimal text keeps all digits", () => {
    expect(() => new k.Answer(7).u64()).toThrow(k.BadAnswer);
    expect(new k.Answer("18446744073709551615").u64()).toBe((1n << 64n) - 1n);
    expect(new k.Answer("9007199254740993").u64()).toBe(9007199254740993n);
  });
});

describe("webSocket", () => {
  let ws: k.Client;
  beforeEach(() => {
    ws = k.createClient({ transport: k.webSocket(node.ws, { WebSocket: Ctor, reconnectMaxMs: 50 }) });
  });
  afterEach(() => ws.close());
  const take = async (
    n: number,
    stream: AsyncIterable<k.StreamItem<k.Head>>,
    each: (i: number) => void = () => {},
  ): Promise<bigint[]> => {
    const out: bigint[] = [];
    for await (const x of stream) {
      out.push(x.item.height);
      if (out.length === n) break;
      each(out.length);
    }
    return out;
  };

  test("calls answer out of order to whom they belong", async () => {
    const [a, b] = await Promise.all([ws.info(), ws.head()]);
    expect([a.name, b.head.height]).toEqual(["fake", 2n]);
    const e = (await fails(ws.request("no_such"))) as k.RpcError;
    expect(e.name).toBe("MethodNotFound");
  });
  test("sends a transfer", async () => {
    expect((await ws.send(alice, [pay(1n)])).receipt.status).toBe("OK");
  });
  test("heads come in order and the subscription is closed with the loop", async () => {
    setTimeout(() => node.mine(), 20);
    expect(await take(3, ws.heads(), () => node.mine())).toEqual([3n, 4n, 5n]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(node.requests).toContain("sub_close");
  });
  test("a stream survives cut sockets without loss or repetition", async () => {
    setTimeout(() => node.mine(), 20);
    const got = await take(30, ws.heads(), (i) => {
      if (i % 5 === 0) node.cut();
      node.mine();
      if (i % 7 === 0) node.cut();
    });
    expect(got).toEqual(Array.from({ length: 30 }, (_, i) => BigInt(3 + i)));
  });
  test("a slow consumer loses nothing although its queue is small", async () => {
    ws.close();
    ws = k.createClient({ transport: k.webSocket(node.ws, { WebSocket: Ctor, queueMax: 4 }) });
    setTimeout(() => {
      for (let i = 0; i < 40; i++) node.mine();
    }, 20);
    const got: bigint[] = [];
    for await (const x of ws.heads()) {
      got.push(x.item.height);
      if (got.length === 40) break;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(got).toEqual(Array.from({ length: 40 }, (_, i) => BigInt(3 + i)));
  });
  test("a socket that breaks before the first item loses none", async () => {
    setTimeout(() => {
      node.cut();
      node.mine();
      node.mine();
    }, 30);
    expect(await take(2, ws.heads())).toEqual([3n, 4n]);
  });
  test("a socket that breaks while a transaction is submitted does not lose it", async () => {
    node.intercept = (m, n) => (m === "tx_submit" && n === 1 ? "drop" : undefined);
    expect((await ws.send(alice, [pay(3n)])).receipt.status).toBe("OK");
    expect(await ws.balance(bob.address)).toBe(3n);
  });
  test("items that come before the answer to sub_open are not lost", async () => {
    node.isEager = true;
    const got: c.Hash[] = [];
    for await (const x of ws.heads({ cursor: "0" })) {
      got.push(x.item.hash);
      if (got.length === 2) break;
    }
    expect(got).toEqual(node.blocks.map((b) => b.hash));
  });
  test("an item that the node loses is asked for again", async () => {
    setTimeout(() => node.mine(), 20);
    const got = await take(10, ws.heads(), (i) => {
      if (i === 4) node.losing = 2;
      node.mine();
      if (i === 4) for (let n = 0; n < 4; n++) node.mine();
    });
    expect(got).toEqual(Array.from({ length: 10 }, (_, i) => BigInt(3 + i)));
  });
  test("a stream stops when told to, also while it waits", async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error("enough")), 30);
    expect((await fails(take(1, ws.heads({ signal: stop.signal })))).message).toBe("enough");
  });
  test("a request in flight fails when the socket breaks", async () => {
    node.intercept = (m) => (m === "chain_head" ? "drop" : undefined);
    expect(await fails(ws.head())).toBeInstanceOf(k.TransportError);
    node.intercept = () => undefined;
    expect((await ws.head()).head.height).toBe(2n);
  });
  test("what an old socket says late does not touch the new one", async () => {
    class Socket implements k.WebSocketLike {
      static readonly all: Socket[] = [];
      onopen: ((event: never) => void) | null = null;
      onclose: ((event: never) => void) | null = null;
      onerror: ((event: never) => void) | null = null;
      onmessage: ((event: never) => void) | null = null;
      constructor() {
        Socket.all.push(this);
      }
      send(): void {}
      close(): void {}
      fire(what: "onopen" | "onclose" | "onerror"): void {
        this[what]?.({} as never);
      }
    }
    const t = k.webSocket("ws://test", { WebSocket: Socket, timeoutMs: 200 });
    const first = fails(t.request("chain_head", {}));
    Socket.all[0]?.fire("onerror");
    expect(await first).toBeInstanceOf(k.TransportError);
    const second = fails(t.request("chain_head", {}));
    Socket.all[0]?.fire("onclose");
    Socket.all[1]?.fire("onopen");
    const third = fails(t.request("chain_head", {}));
    expect(Socket.all.length).toBe(2);
    await Promise.resolve();
    Socket.all[1]?.fire("onclose");
    for (const e of await Promise.all([second, third])) expect(e.message).toContain("closed the connection");
    t.close();
  });
  test.each(["", "one", "1.5", "-1"])('a stream whose seq is "%s" ends by an error of its form', async (seq) => {
    node.seq = seq;
    setTimeout(() => node.mine(), 20);
    const e = await fails(take(1, ws.heads()));
    expect(e).toBeInstanceOf(k.BadAnswer);
    expect(e.message).toContain("seq");
  });
  test("after close everything fails at once", async () => {
    ws.close();
    expect(await fails(ws.head())).toBeInstanceOf(k.TransportError);
    expect(await take(1, ws.heads()).catch((e: unknown) => e)).toBeInstanceOf(k.TransportError);
  });
  test("HTTP has no streams and says so", async () => {
    expect((await fails(take(1, chain.heads()))).message).toContain("use webSocket");
  });
});
