/**
 * A node as an object: the methods of F4.2 that exist, typed, the streams `heads`, `blocks`, `events` and `tx`, and sending.
 *
 *   const chain = createClient({ transport: http("http://127.0.0.1:7369/rpc") });
 *   await chain.balance(address);                       // what the node says
 *   await chain.provenBalance(address, trust);          // what the validators signed
 *   const { id, receipt } = await chain.send(account, [balances.transfer({ to, amount, memo })]);
 *
 * Unproven answers are the node's word; `provenState` and `provenBalance` throw ProofInvalid unless the proof holds. A call
 * that the node does not know under this schema hash is named before anything is signed away: `SchemaMismatch`.
 */
import {
  type Address,
  addressToText,
  BlockBody,
  type Body,
  balancesItems,
  type Call,
  decode,
  decodeSignedHeader,
  decodeTransaction,
  encodeTransaction,
  equal,
  type Fee,
  type Hash,
  type Item,
  type Post,
  Receipt,
  type Scheme,
  type Sig,
  type SignedHeader,
  type Stored,
  systemItems,
  type Transaction,
  toHex,
} from "@demiurge/codec";
import type { StateProof, Trust } from "@demiurge/verify";
import { type Account, type SignedTransaction, signTransaction } from "@demiurge/wallet";
import {
  type At,
  type AtQuery,
  type ChainInfo,
  type Estimate,
  readAt,
  readInfo,
  readState,
  readStatus,
  type StateAnswer,
  type TxStatus,
} from "./answers.js";
import { ProofInvalid, RpcError, TransportError, TxFailed } from "./errors.js";
import type { At as AtParam, Methods, Streams } from "./generated/rpc.js";
import { Answer, type Json, type JsonObject } from "./json.js";
import { type RequestOptions, sleep, type Transport } from "./transport.js";

export interface ClientOptions {
  readonly transport: Transport;
}

export interface SendOptions extends RequestOptions {
  readonly lane?: number;
  readonly nonce?: bigint;
  /** Blocks until the transaction may no longer be included. */
  readonly lifetime?: number;
  readonly gas?: bigint;
  /** Default: fee up to twice the estimate, no tip. */
  readonly fee?: Fee;
  readonly post?: readonly Post[];
  readonly waitMs?: number;
}

export interface Sent {
  readonly id: Hash;
  readonly status: TxStatus;
  readonly receipt: Receipt;
}

export interface Block {
  readonly at: At;
  readonly signed: SignedHeader;
  readonly body: BlockBody | null;
  readonly finality: Uint8Array | null;
}

export interface StreamItem<T> {
  readonly seq: bigint;
  readonly cursor: string;
  readonly state: string;
  readonly at: At | null;
  readonly item: T;
}

export interface Head {
  readonly height: bigint;
  readonly hash: Hash;
}

/** What a transaction asked for; names and arguments by the module's interface, null where it has none of them. */
export interface NamedCall {
  readonly module: number;
  readonly call: number;
  readonly moduleName: string | null;
  readonly name: string | null;
  readonly args: JsonObject | null;
  readonly data: Uint8Array;
}

/** What a module recorded, likewise. */
export interface NamedEvent {
  readonly module: number;
  readonly event: number;
  readonly moduleName: string | null;
  readonly name: string | null;
  readonly fields: JsonObject | null;
  readonly data: Uint8Array;
}

export interface EventItem extends NamedEvent {
  /** Index of the receipt in its block, and of the event in the receipt. */
  readonly tx: number;
  readonly idx: number;
}

const readEvent = (a: Answer): NamedEvent => ({
  module: a.get("module").u32(),
  event: a.get("event").u32(),
  moduleName: a.get("moduleName").optional((x) => x.text()),
  name: a.get("name").optional((x) => x.text()),
  fields: a.get("fields").optional((x) => x.object()),
  data: a.get("data").bytes(),
});

/** Absent is 0. */
const freeOf = (value: Uint8Array | null): bigint => (value === null ? 0n : balancesItems.free.decode(value).value);

export type Client = ReturnType<typeof createClient>;

/** The interface of the node, from its IDL. */
export type Method = keyof Methods;
export type Params<M extends Method> = Methods[M]["params"];
export type Result<M extends Method> = Methods[M]["result"];

const LIFETIME = 480;
/* R4.1: the most that a transaction may ask for; what an estimate runs under. */
const GAS_MAX = 50_000_000n;
const FEE_ANY: Fee = { kind: "EnergyThenFee", max: 0n, tip: 0n };

const atParam = (at: AtQuery): AtParam =>
  typeof at === "string" ? at : "height" in at ? { height: at.height.toString() } : { hash: toHex(at.hash) };

export function createClient({ transport }: ClientOptions) {
  /* Method and parameters are held against the interface at compile time, the answer when it is read. */
  const ask = async <M extends Method>(method: M, params: Params<M>, o: RequestOptions = {}): Promise<Answer> =>
    new Answer(await transport.request(method, params as JsonObject, o), method);

  /* The chain id never changes under a client, so it is asked for once. */
  let chainId: Promise<Hash> | null = null;
  const chain = (o: RequestOptions): Promise<Hash> => {
    chainId ??= info(o).then((i) => i.chain);
    chainId.catch(() => {
      chainId = null;
    });
    return chainId;
  };

  async function info(o: RequestOptions = {}): Promise<ChainInfo> {
    return readInfo(await ask("chain_info", {}, o));
  }

  async function head(o: RequestOptions = {}): Promise<{ readonly head: At; readonly final: At }> {
    const a = await ask("chain_head", {}, o);
    return { head: readAt(a.get("head")), final: readAt(a.get("final")) };
  }

  async function header(
    at: AtQuery = "final",
    o: RequestOptions = {},
  ): Promise<{ readonly at: At; readonly signed: SignedHeader; readonly finality: Uint8Array | null }> {
    const a = await ask("chain_header", { at: atParam(at) }, o);
    return {
      at: readAt(a.get("at")),
      signed: decodeSignedHeader(a.get("signedHeader").bytes()),
      finality: a.get("finality").optional((x) => x.bytes()),
    };
  }

  async function block(at: AtQuery = "final", o: RequestOptions = {}): Promise<Block> {
    const a = await ask("chain_block", { at: atParam(at), body: "full" }, o);
    return {
      at: readAt(a.get("at")),
      signed: decodeSignedHeader(a.get("signedHeader").bytes()),
      body: a.get("body").optional((x) => decode(BlockBody, x.bytes())),
      finality: a.get("finality").optional((x) => x.bytes()),
    };
  }

  async function state(
    key: Uint8Array,
    { at = "head", proof, ...o }: RequestOptions & { readonly at?: AtQuery; readonly proof?: "tree" | "full" } = {},
  ): Promise<StateAnswer> {
    const asked = proof === undefined ? { at: atParam(at) } : { at: atParam(at === "head" ? "final" : at), proof };
    return readState(await ask("state_get", { key: toHex(key), ...asked }, o));
  }

  /** The stored bytes under a key, proven final against `trust`. */
  async function provenState(
    key: Uint8Array,
    trust: Trust,
    o: RequestOptions & { readonly at?: AtQuery } = {},
  ): Promise<StateAnswer & { readonly proof: StateProof }> {
    const { value, at, proof } = await state(key, { at: "final", ...o, proof: "full" });
    if (proof === null) throw new ProofInvalid("the node gave no proof");
    /* Loaded with the first proof: BLS is most of what a page would otherwise carry. */
    const { verifyState } = await import("@demiurge/verify");
    const verdict = verifyState(trust, key, value, proof, at.hash);
    if (!verdict.ok) throw new ProofInvalid(`the node's proof does not hold: ${verdict.reason}`);
    if (proof.height !== at.height) throw new ProofInvalid("the node's proof is of another height than its answer");
    if (typeof o.at === "object" && !("hash" in o.at ? equal(o.at.hash, at.hash) : o.at.height === at.height))
      throw new ProofInvalid("the node's proof is of another block than the one asked for");
    return { value, at, proof };
  }

  async function stored<K extends readonly unknown[], T>(
    item: Item<K, T>,
    key: K,
    o: RequestOptions & { readonly at?: AtQuery } = {},
  ): Promise<Stored<T> | null> {
    const { value } = await state(item.key(...key), o);
    return value === null ? null : item.decode(value);
  }

  async function balance(account: Address, o: RequestOptions & { readonly at?: AtQuery } = {}): Promise<bigint> {
    return freeOf((await state(balancesItems.free.key(account), o)).value);
  }

  async function provenBalance(
    account: Address,
    trust: Trust,
    o: RequestOptions = {},
  ): Promise<{ readonly free: bigint; readonly at: At }> {
    const { value, at } = await provenState(balancesItems.free.key(account), trust, o);
    return { free: freeOf(value), at };
  }

  async function nonce(account: Address, lane = 0, o: RequestOptions = {}): Promise<bigint> {
    const a = await ask("tx_nonces", { account: addressToText(account), lanes: [lane] }, o);
    const found = a.get("lanes").list((x) => ({ lane: x.get("lane").u32(), next: x.get("next").u64() }));
    return found.find((x) => x.lane === lane)?.next ?? 0n;
  }

  async function submit(
    tx: Uint8Array,
    o: RequestOptions = {},
  ): Promise<{ readonly id: Hash; readonly status: TxStatus }> {
    const a = await ask("tx_submit", { tx: toHex(tx) }, o);
    return { id: a.get("id").hash(), status: readStatus(a.get("status")) };
  }

  async function status(id: Hash, o: RequestOptions = {}): Promise<TxStatus> {
    const a = await ask("tx_status", { ids: [toHex(id)] }, o);
    return a.get("items").list((x) => readStatus(x.get("status")))[0] ?? { kind: "unknown" };
  }

  async function transaction(
    id: Hash,
    o: RequestOptions = {},
  ): Promise<{ readonly tx: Transaction; readonly status: TxStatus; readonly receipt: Receipt | null }> {
    const a = await ask("tx_get", { id: toHex(id) }, o);
    return {
      tx: decodeTransaction(a.get("tx").bytes()),
      status: readStatus(a.get("status")),
      receipt: a.get("receipt").optional((x) => decode(Receipt, x.bytes())),
    };
  }

  async function receipt(
    id: Hash,
    o: RequestOptions = {},
  ): Promise<{
    readonly receipt: Receipt;
    readonly at: At;
    readonly index: number;
    readonly calls: readonly NamedCall[];
    readonly events: readonly NamedEvent[];
  }> {
    const a = await ask("tx_receipt", { id: toHex(id) }, o);
    return {
      receipt: decode(Receipt, a.get("receipt").bytes()),
      at: readAt(a.get("at")),
      index: a.get("index").u32(),
      calls: a.get("calls").list((c) => ({
        module: c.get("module").u32(),
        call: c.get("call").u32(),
        moduleName: c.get("moduleName").optional((x) => x.text()),
        name: c.get("name").optional((x) => x.text()),
        args: c.get("args").optional((x) => x.object()),
        data: c.get("data").bytes(),
      })),
      events: a.get("events").list(readEvent),
    };
  }

  async function estimate(tx: Uint8Array, o: RequestOptions = {}): Promise<Estimate> {
    const a = await ask("tx_estimate", { tx: toHex(tx) }, o);
    return {
      gas: a.get("gas").u64(),
      energy: a.get("energy").optional((x) => x.u64()) ?? 0n,
      fee: a.get("fee").u64(),
      status: a.get("status").text(),
      error: a.get("error").optional((x) => x.text()),
    };
  }

  /** Is this the account's first transaction, which must bring its authenticators? */
  const isNew = async (account: Address, o: RequestOptions): Promise<boolean> =>
    (await state(systemItems.account.key(account), o)).value === null;

  /** A body ready to sign: nonce, expiry, gas and fee filled in from the chain. */
  async function prepare(
    account: Account,
    calls: readonly Call[],
    options: SendOptions = {},
  ): Promise<{ readonly body: Body; readonly withInit: boolean }> {
    const { signal, lane = 0, lifetime = LIFETIME, post = [] } = options;
    const o = { signal };
    const [id, { head: tip }, next, withInit] = await Promise.all([
      chain(o),
      head(o),
      options.nonce ?? nonce(account.address, lane, o),
      isNew(account.address, o),
    ]);
    const draft: Body = {
      version: 1,
      chain: id,
      sender: account.address,
      lane,
      nonce: next,
      expiry: tip.height + BigInt(lifetime),
      gas: options.gas ?? GAS_MAX,
      fee: options.fee ?? FEE_ANY,
      sponsor: null,
      calls,
      post,
    };
    if (options.gas !== undefined && options.fee !== undefined) return { body: draft, withInit };
    const sigs = account.signers.map((s) => placeholder(s.scheme, s.publicKey));
    const tx: Transaction = { body: draft, auth: { kind: "Keys", init: withInit ? account.init : null, sigs } };
    const e = await estimate(encodeTransaction(tx), o);
    if (e.status !== "OK")
      throw new TxFailed(`the transaction would end as ${e.status}${e.error === null ? "" : `: ${e.error}`}`);
    const gas = options.gas ?? e.gas;
    return {
      body: { ...draft, gas, fee: options.fee ?? { kind: "EnergyThenFee", max: 2n * e.fee, tip: 0n } },
      withInit,
    };
  }

  /** Builds, signs, submits and waits until the transaction is final. Throws TxFailed unless its receipt is OK. */
  async function send(account: Account, calls: readonly Call[], options: SendOptions = {}): Promise<Sent> {
    const { body, withInit } = await prepare(account, calls, options);
    const signed = await signTransaction(body, account, { withInit });
    await submitOnce(signed, options);
    return await wait(signed.id, options);
  }

  /* An id is what is signed, so sending the same bytes again is harmless: a known id answers its status. */
  async function submitOnce(signed: SignedTransaction, { signal }: RequestOptions): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await submit(signed.bytes, { signal });
        return;
      } catch (e) {
        signal?.throwIfAborted();
        if (attempt >= 3 || !(e instanceof TransportError || (e instanceof RpcError && e.isRetryable))) throw e;
        await sleep(200 * 2 ** attempt, signal);
      }
    }
  }

  async function wait(
    id: Hash,
    { signal, waitMs = 60_000 }: RequestOptions & { readonly waitMs?: number } = {},
  ): Promise<Sent> {
    const end = Date.now() + waitMs;
    for (let pause = 20; ; pause = Math.min(2 * pause, 250)) {
      const now = await status(id, { signal });
      if (now.kind === "final") {
        const r = await receipt(id, { signal });
        if (r.receipt.status !== "OK")
          throw new TxFailed(
            `${toHex(id)} ended as ${r.receipt.status}, module ${r.receipt.module}, code ${r.receipt.code}`,
          );
        return { id, status: now, receipt: r.receipt };
      }
      if (now.kind === "dropped" || now.kind === "rejected")
        throw new TxFailed(`${toHex(id)} was ${now.kind}: ${now.reason}`);
      if (now.kind === "expired") throw new TxFailed(`${toHex(id)} expired at height ${now.at}`);
      if (now.kind === "replaced") throw new TxFailed(`${toHex(id)} was replaced by ${toHex(now.by)}`);
      if (Date.now() > end) throw new TxFailed(`${toHex(id)} is ${now.kind} after ${waitMs} ms`);
      await sleep(pause, signal);
    }
  }

  async function* stream<T>(
    topic: keyof Streams,
    filter: JsonObject | null,
    read: (a: Answer) => T,
    o: StreamOptions,
  ): AsyncGenerator<StreamItem<T>> {
    if (transport.subscribe === undefined) throw new TransportError("this transport has no streams: use webSocket");
    const params = {
      topic,
      ...(filter === null ? {} : { filter }),
      ...(o.finality === undefined ? {} : { finality: o.finality }),
      ...(o.cursor === undefined ? {} : { cursor: o.cursor }),
    };
    for await (const p of transport.subscribe(params, { signal: o.signal })) {
      if (p["method"] !== "sub_item") continue;
      const a = new Answer(p, topic);
      yield {
        seq: a.get("seq").u64(),
        cursor: a.get("cursor").text(),
        state: a.get("state").optional((x) => x.text()) ?? "final",
        at: a.get("at").optional(readAt),
        item: read(a.get("item")),
      };
    }
  }

  const heads = (o: StreamOptions = {}): AsyncGenerator<StreamItem<Head>> =>
    stream("heads", null, (a) => ({ height: a.get("height").u64(), hash: a.get("hash").hash() }), o);

  /** Every block, from the one after the cursor on, or after the head; without their transactions' bytes. */
  const blocks = (o: StreamOptions = {}): AsyncGenerator<StreamItem<Head & { readonly ids: readonly Hash[] }>> =>
    stream(
      "blocks",
      null,
      (a) => ({
        height: a.get("at").get("height").u64(),
        hash: a.get("at").get("hash").hash(),
        ids: a.get("ids").list((x) => x.hash()),
      }),
      o,
    );

  /** Every event of a module, or that names an account in its topics; `seq` is its position in the topic's MMR. */
  const events = (
    of: { readonly module: string | number } | { readonly account: Address | string },
    o: StreamOptions = {},
  ): AsyncGenerator<StreamItem<EventItem>> =>
    stream(
      "events",
      "module" in of
        ? { module: of.module }
        : { account: typeof of.account === "string" ? of.account : addressToText(of.account) },
      (a) => ({
        tx: a.get("tx").u32(),
        idx: a.get("idx").u32(),
        ...readEvent(a),
      }),
      o,
    );

  const txs = (
    ids: readonly Hash[],
    o: StreamOptions = {},
  ): AsyncGenerator<StreamItem<{ readonly id: Hash; readonly status: TxStatus }>> =>
    stream("tx", { ids: ids.map(toHex) }, (a) => ({ id: a.get("id").hash(), status: readStatus(a.get("status")) }), o);

  const dev = {
    mine: async (blocks = 1, stepMs: bigint | null = null, o: RequestOptions = {}): Promise<void> => {
      await ask("dev_mine", { blocks, ...(stepMs === null ? {} : { stepMs: stepMs.toString() }) }, o);
    },
    setBlocks: async (mode: string, o: RequestOptions = {}): Promise<void> => {
      await ask("dev_setBlocks", { mode }, o);
    },
    increaseTime: async (ms: bigint, o: RequestOptions = {}): Promise<void> => {
      await ask("dev_increaseTime", { ms: ms.toString() }, o);
    },
    setTime: async (ms: bigint, o: RequestOptions = {}): Promise<void> => {
      await ask("dev_setTime", { timeMs: ms.toString() }, o);
    },
    snapshot: async (o: RequestOptions = {}): Promise<number> => (await ask("dev_snapshot", {}, o)).get("id").u32(),
    revert: async (id: number, o: RequestOptions = {}): Promise<void> => {
      await ask("dev_revert", { id }, o);
    },
    setBalance: async (account: Address, amount: bigint, o: RequestOptions = {}): Promise<void> => {
      await ask("dev_setBalance", { account: addressToText(account), amount: amount.toString() }, o);
    },
    faucet: async (account: Address, amount: bigint, o: RequestOptions = {}): Promise<Hash> =>
      (await ask("dev_faucet", { account: addressToText(account), amount: amount.toString() }, o)).get("id").hash(),
    accounts: async (
      o: RequestOptions = {},
    ): Promise<readonly { readonly name: string; readonly address: Address }[]> =>
      (await ask("dev_accounts", {}, o))
        .get("items")
        .list((x) => ({ name: x.get("name").text(), address: x.get("address").address() })),
  };

  return {
    /** Any method of the interface, for what has no function here. The result is as the node sent it, unread. */
    call: async <M extends Method>(method: M, params: Params<M>, o: RequestOptions = {}): Promise<Result<M>> =>
      (await transport.request(method, params as JsonObject, o)) as Result<M>,
    /** A method that this version does not know. */
    request: (method: string, params: JsonObject = {}, o: RequestOptions = {}): Promise<Json> =>
      transport.request(method, params, o),
    info,
    head,
    header,
    block,
    state,
    provenState,
    stored,
    balance,
    provenBalance,
    nonce,
    submit,
    status,
    transaction,
    receipt,
    estimate,
    prepare,
    send,
    wait,
    heads,
    blocks,
    events,
    txs,
    dev,
    account: async (ref: Address | string, o: RequestOptions = {}): Promise<JsonObject> =>
      (await ask("account_get", { account: typeof ref === "string" ? ref : addressToText(ref) }, o)).object(),
    balances: async (ref: Address | string, o: RequestOptions = {}): Promise<JsonObject> =>
      (await ask("balances_get", { account: typeof ref === "string" ? ref : addressToText(ref) }, o)).object(),
    close: (): void => transport.close(),
  };
}

export interface StreamOptions extends RequestOptions {
  readonly finality?: "head" | "final";
  readonly cursor?: string;
}

/** A signature of the right size, for estimates: previews look at no signature. */
function placeholder(scheme: Scheme, key: Uint8Array): Sig {
  const zero = (n: number): Uint8Array => new Uint8Array(n);
  switch (scheme) {
    case "Bls":
      return { kind: scheme, key, sig: zero(48) };
    case "WebAuthn":
      return { kind: scheme, key, auth_data: zero(64), client_data: zero(256), sig: zero(64) };
    default:
      return { kind: scheme, key, sig: zero(64) };
  }
}
