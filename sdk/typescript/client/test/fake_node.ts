/**
 * A node for the client's tests: a solo chain in memory over real HTTP and WebSocket. It checks what a node checks of a
 * transaction's form, signatures and nonce, pays transfers, and proves its state. It is no model of execution: fees are 0.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import * as c from "@demiurge/codec";
import * as v from "@demiurge/verify";
import * as w from "@demiurge/wallet";
import { type WebSocket, WebSocketServer } from "ws";

type Params = { readonly [key: string]: unknown };
interface Made {
  readonly header: c.Header;
  readonly hash: c.Hash;
  readonly cert: Uint8Array;
  readonly state: ReadonlyMap<string, Uint8Array>;
  readonly txs: readonly Uint8Array[];
}
interface Done {
  readonly height: bigint;
  readonly index: number;
  readonly calls: readonly c.Call[];
  readonly receipt: c.Receipt;
}

export class Refusal extends Error {
  constructor(
    readonly code: number,
    message: string,
    readonly data: Params = {},
  ) {
    super(message);
  }
}

const secret = w.blsKeyGen(new Uint8Array(32).fill(3));
const key = w.blsSigner(secret).publicKey;

export class FakeNode {
  readonly chain = c.taggedHash("test", c.utf8("fake chain"));
  readonly validatorKey = key;
  readonly blocks: Made[] = [];
  readonly state = new Map<string, Uint8Array>();
  readonly done = new Map<string, Done>();
  readonly requests: string[] = [];
  /** Runs before a method; may throw a Refusal, return "drop" to break the connection, or "busy" for a 429. */
  intercept: (method: string, count: number) => undefined | "drop" | "busy" = () => undefined;
  /** Changes an answer on its way out. */
  tamper: (method: string, result: Params) => Params = (_, r) => r;
  /** Stands in the place of every item's number. */
  seq: string | undefined;
  readonly #subs = new Map<string, { readonly socket: WebSocket; readonly topic: string; next: number }>();
  #subCount = 0;
  readonly #server = createServer((q, s) => void this.#http(q, s));
  readonly #ws = new WebSocketServer({ server: this.#server, path: "/ws" });
  readonly #sockets = new Set<WebSocket>();

  async start(): Promise<void> {
    this.#ws.on("connection", (socket) => this.#connected(socket));
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }
  async stop(): Promise<void> {
    this.cut();
    this.#ws.close();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }
  get rpc(): string {
    return `http://127.0.0.1:${this.port}/rpc`;
  }
  get ws(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }
  /** Breaks every WebSocket without a goodbye. */
  cut(): void {
    for (const s of this.#sockets) s.terminate();
  }

  fund(account: c.Address, amount: bigint): void {
    const { free } = c.balancesItems;
    const zero = c.asAddress(new Uint8Array(32));
    if (amount === 0n) this.state.delete(c.toHex(free.key(account)));
    else
      this.state.set(
        c.toHex(free.key(account)),
        free.encode({ schema: 1, deposit: { payer: zero, amount: 0n }, value: amount }),
      );
  }
  #free(account: c.Address): bigint {
    const raw = this.state.get(c.toHex(c.balancesItems.free.key(account)));
    return raw === undefined ? 0n : c.balancesItems.free.decode(raw).value;
  }

  mine(txs: readonly Uint8Array[] = []): void {
    const before = this.blocks.at(-1);
    const height = BigInt(this.blocks.length + 1);
    const root = (state: ReadonlyMap<string, Uint8Array>): c.Hash =>
      c.asHash(new v.NaiveTree([...state].map(([k, x]) => [c.fromHex(k), x])).root());
    const header: c.Header = {
      version: 1,
      kind: 0,
      leader: 0,
      epoch: 0,
      view: height,
      height,
      parent_hash: before?.hash ?? this.chain,
      parent_view: height - 1n,
      parent_cert: c.CERT_ZERO,
      just_root: c.ZERO_HASH,
      body_hash: c.bodyHash({ attendance: [], evidence: [], transactions: txs }),
      body_len: 3,
      parent_state_root: root(before?.state ?? new Map()),
      next_epoch_root: c.ZERO_HASH,
      time_ms: height,
      reveal: new Uint8Array(48),
    };
    const hash = c.blockHash(header);
    const sig = w.blsSign(secret, c.voteMessage("FINALIZE", this.chain, 0, height, hash), v.BLS_DST_VOTE);
    const cert = c.encode(c.Cert, {
      kind: 2,
      epoch: 0,
      view: height,
      hash,
      bitmap: Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 1 : 0)),
      sig,
    });
    txs.forEach((t, index) => {
      this.#execute(c.decodeTransaction(t), height, index);
    });
    this.blocks.push({ header, hash, cert, state: new Map(this.state), txs });
    this.#publish();
  }

  #execute(tx: c.Transaction, height: bigint, index: number): void {
    const { body } = tx;
    let status: c.Status = "OK";
    for (const call of body.calls) {
      if (!c.equal(call.schema, c.balances.transfer.schema)) continue;
      const { to, amount } = c.balances.transfer.decode(call.args);
      if (this.#free(body.sender) < amount) status = "FAULT";
      else {
        this.fund(body.sender, this.#free(body.sender) - amount);
        this.fund(to, this.#free(to) + amount);
      }
    }
    const { account, lane } = c.systemItems;
    const mine = { payer: body.sender, amount: 0n };
    this.state.set(
      c.toHex(account.key(body.sender)),
      account.encode({
        schema: 1,
        deposit: mine,
        value: { kind: 0, kill_epoch: 0n, auth_epoch: 0, t_use: 1, t_owner: 1, created_ms: height },
      }),
    );
    this.state.set(
      c.toHex(lane.key(body.sender, body.lane)),
      lane.encode({ schema: 1, deposit: mine, value: body.nonce + 1n }),
    );
    const id = c.transactionId(body);
    this.done.set(c.toHex(id), {
      height,
      index,
      calls: body.calls,
      receipt: {
        id,
        status,
        call: status === "OK" ? 255 : 0,
        module: status === "OK" ? 0 : 2,
        code: status === "OK" ? 0 : 7,
        gas_used: 1n,
        gas_billed: 1n,
        payer: body.sender,
        energy: 0n,
        fee: 0n,
        tip: 0n,
        held: 0n,
        returned: 0n,
        results: [],
        events: [],
      },
    });
  }

  #at(block: Made): Params {
    return { height: block.header.height.toString(), hash: c.toHex(block.hash), isFinal: true };
  }
  #head(): Made {
    return this.blocks.at(-1) as Made;
  }
  #status(id: string): Params {
    const d = this.done.get(id);
    if (d === undefined) return { kind: "unknown" };
    const ok = d.receipt.status === "OK";
    return {
      kind: "final",
      height: d.height.toString(),
      index: d.index,
      ok,
      ...(ok ? {} : { error: d.receipt.status }),
    };
  }

  /** How many of the next stream items get lost on the way. */
  losing = 0;
  /** Stream items go out before the answer to sub_open. */
  isEager = false;

  handle(method: string, p: Params, socket: WebSocket | null): Params {
    switch (method) {
      case "chain_info":
        return {
          chainId: c.toHex(this.chain),
          name: "fake",
          kind: "dev",
          validatorKey: c.toHex(key),
          head: this.#at(this.#head()),
          final: this.#at(this.#head()),
          price: "0",
          extra: "is ignored",
        };
      case "chain_head":
        return { head: this.#at(this.#head()), final: this.#at(this.#head()) };
      case "state_get": {
        const block = p["proof"] === undefined ? this.#head() : (this.blocks.at(-2) as Made);
        const k = p["key"] as string;
        const value = block.state.get(k) ?? null;
        const child = this.blocks[Number(block.header.height)];
        const tree = new v.NaiveTree([...block.state].map(([x, y]) => [c.fromHex(x), y]));
        const proof =
          child === undefined || p["proof"] === undefined
            ? {}
            : {
                proof: {
                  height: block.header.height.toString(),
                  header: c.toHex(c.encode(c.Header, child.header)),
                  tree: c.toHex(tree.single(c.fromHex(k))),
                  finality: c.toHex(child.cert),
                },
              };
        return { value: value === null ? null : c.toHex(value), at: this.#at(block), ...proof };
      }
      case "tx_nonces": {
        const raw = this.state.get(c.toHex(c.systemItems.lane.key(c.addressFromText(p["account"] as string), 0)));
        return {
          lanes: [{ lane: 0, next: raw === undefined ? "0" : c.systemItems.lane.decode(raw).value.toString() }],
        };
      }
      case "tx_estimate":
        c.decodeTransaction(c.fromHex(p["tx"] as string));
        return { status: "OK", gas: "50000", energy: "0", fee: "1000" };
      case "tx_submit": {
        const raw = c.fromHex(p["tx"] as string);
        const tx = c.decodeTransaction(raw);
        const id = c.transactionId(tx.body);
        if (!this.done.has(c.toHex(id))) {
          this.#admit(tx, id);
          this.mine([raw]);
          this.mine();
        }
        return { id: c.toHex(id), status: this.#status(c.toHex(id)) };
      }
      case "tx_status":
        return { items: (p["ids"] as readonly string[]).map((id) => ({ id, status: this.#status(id) })) };
      case "tx_receipt": {
        const d = this.done.get(p["id"] as string);
        if (d === undefined) throw new Refusal(-32001, "no such transaction");
        return {
          receipt: c.toHex(c.encode(c.Receipt, d.receipt)),
          at: this.#at(this.blocks[Number(d.height) - 1] as Made),
          index: d.index,
          calls: d.calls.map((x) => ({
            module: x.module,
            call: x.call,
            ...(x.module === 2 ? { moduleName: "balances", name: "transfer", args: { memo: "0x" } } : {}),
            data: c.toHex(x.args),
          })),
          events: [
            { module: 2, event: 1, moduleName: "balances", name: "Transferred", fields: { amount: "1" }, data: "0x01" },
          ],
        };
      }
      case "sub_open": {
        if (socket === null) throw new Refusal(-32000, "streams need a WebSocket");
        const id = `s${++this.#subCount}`;
        const next = p["cursor"] === undefined ? this.blocks.length : Number(p["cursor"]);
        this.#subs.set(id, { socket, topic: p["topic"] as string, next });
        if (this.isEager) this.#publish();
        else setImmediate(() => this.#publish());
        return { subscription: id, seq: String(next), cursor: String(next), retainedFrom: "0" };
      }
      case "sub_close":
        this.#subs.delete(p["subscription"] as string);
        return {};
      default:
        throw new Refusal(-32601, `no method ${method}`);
    }
  }

  #admit(tx: c.Transaction, id: c.Hash): void {
    if (!c.equal(tx.body.chain, this.chain)) throw new Refusal(-32003, "another chain", { reason: "chain" });
    if (tx.auth.kind !== "Keys" || !tx.auth.sigs.every((s: c.Sig) => w.verifySig(id, s)))
      throw new Refusal(-32003, "a signature does not verify", { reason: "signature" });
    const known = this.state.has(c.toHex(c.systemItems.account.key(tx.body.sender)));
    if (known === (tx.auth.init !== null))
      throw new Refusal(-32003, "the first transaction brings the keys", { reason: "signature" });
    const raw = this.state.get(c.toHex(c.systemItems.lane.key(tx.body.sender, tx.body.lane)));
    const next = raw === undefined ? 0n : c.systemItems.lane.decode(raw).value;
    if (tx.body.nonce !== next)
      throw new Refusal(-32003, `nonce ${tx.body.nonce}, next is ${next}`, { reason: "nonce" });
  }

  #publish(): void {
    for (const [id, s] of this.#subs) {
      if (s.topic !== "heads" || s.socket.readyState !== s.socket.OPEN) continue;
      for (; s.next < this.blocks.length; s.next++) {
        const b = this.blocks[s.next] as Made;
        if (this.losing > 0) {
          this.losing--;
          continue;
        }
        s.socket.send(
          JSON.stringify({
            jsonrpc: "2.0",
            method: "sub_item",
            params: {
              subscription: id,
              seq: this.seq ?? String(s.next),
              cursor: String(s.next + 1),
              at: this.#at(b),
              state: "final",
              item: { height: b.header.height.toString(), hash: c.toHex(b.hash) },
            },
          }),
        );
      }
    }
  }

  #answer(
    one: { readonly id: number; readonly method: string; readonly params: Params },
    socket: WebSocket | null,
  ): object | "drop" | "busy" {
    this.requests.push(one.method);
    try {
      const instead = this.intercept(one.method, this.requests.filter((m) => m === one.method).length);
      if (instead !== undefined) return instead;
      return {
        jsonrpc: "2.0",
        id: one.id,
        result: this.tamper(one.method, this.handle(one.method, one.params, socket)),
      };
    } catch (e) {
      const r = e instanceof Refusal ? e : new Refusal(-32603, String(e));
      return { jsonrpc: "2.0", id: one.id, error: { code: r.code, message: r.message, data: r.data } };
    }
  }

  async #http(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    const body = JSON.parse(new TextDecoder().decode(c.concat(...chunks)));
    const answers = (Array.isArray(body) ? body : [body]).map((one) => this.#answer(one, null));
    if (answers.includes("drop")) {
      request.socket.destroy();
      return;
    }
    if (answers.includes("busy")) {
      response.writeHead(429, { "content-type": "application/problem+json", "retry-after": "1" });
      response.end(JSON.stringify({ status: 429, name: "LimitExceeded", detail: "too much", retryAfterMs: 1 }));
      return;
    }
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(Array.isArray(body) ? answers.reverse() : answers[0]));
  }

  #connected(socket: WebSocket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("message", (data) => {
      const answer = this.#answer(JSON.parse(String(data)), socket);
      if (answer === "drop") socket.terminate();
      else socket.send(JSON.stringify(answer));
    });
  }
}
