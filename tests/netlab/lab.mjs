/* What programs that drive validators in the laboratory share: a topology, processes in its hosts, the router's counters, a fleet of our nodes.

     inLab() --> netlab TOPO -- netlab in w node SCRIPT --inside DIR ..      the driver is host w, next to every node (no delay, not counted)
                   n1 .. nN   validators, 10.1.<i>.1, delay and jitter between any two
                   w          the driver: JSON-RPC and streams over its own links

   A fleet (Demiurge here, Comet in bench/peers/comet) is a Fleet with heightOf(i), watch(i, onBlock), prepare(cnt, sz), submit(i, tx). */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";
import { batches, JsonRpc } from "../../bench/lib/jsonrpc.mjs";
import { busySeconds, cpuSeconds, machine } from "../../bench/lib/measure.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const bin = path.resolve(root, process.env.DMG_BENCH_BUILD ?? "build/dev");
export const netlab = path.join(bin, "netlab");
export const demiurge = path.join(bin, "demiurge");
const benchLoad = path.join(bin, "bench/bench_load");

export const now = () => performance.now();
export const wallMs = (at) => performance.timeOrigin + at;
export const die = (text) => {
  throw new Error(text);
};
export const quantile = (xs, q) => (xs.length ? [...xs].sort((a, b) => a - b)[Math.min(xs.length - 1, Math.floor(xs.length * q))] : Number.NaN);
export const address = (i) => `10.1.${i + 1}.1`;
const nodeName = (i) => `n${i + 1}`;

/** Waits for f; the seconds it took. */
export async function until(what, seconds, f, everyMs = 50) {
  const began = Date.now();
  while (Date.now() - began < seconds * 1000) {
    if (await f()) return (Date.now() - began) / 1000;
    await sleep(everyMs);
  }
  return die(`not within ${seconds} s: ${what}`);
}

/** Makes a folder, lets make(dir) fill it, runs script inside a laboratory of n nodes and host w; true: it ended well. The folder stays if it did not, or if keep names one. */
export function inLab({ script, n, delay = 0, jitter = delay > 0 ? 1 : 0, keep = null, make, args = [] }) {
  const dir = keep ?? mkdtempSync(path.join(process.env.DMG_LAB_DIR ?? tmpdir(), "netlab-run-"));
  mkdirSync(dir, { recursive: true });
  make(dir);
  let topo = `seed = 1\n[link]\ndelay_ms = ${delay}\njitter_ms = ${jitter}\n`;
  for (let i = 0; i < n; i++) topo += `[[host]]\nname = "${nodeName(i)}"\ncity = "x"\n`;
  topo += `[[host]]\nname = "w"\ncity = "x"\n[[between]]\nsides = "w|*"\ndelay_ms = 0\njitter_ms = 0\n`;
  writeFileSync(path.join(dir, "topo.toml"), topo);
  const run = spawnSync(netlab, [path.join(dir, "topo.toml"), "--", netlab, "in", "w", process.execPath, script, "--inside", dir, ...args.map(String)], {
    stdio: ["ignore", "inherit", "pipe"],
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  writeFileSync(path.join(dir, "netlab.log"), run.stderr ?? "");
  const isGood = run.status === 0;
  if (!isGood) console.error(`${run.stderr}\n${dir} is kept`);
  else if (!keep) rmSync(dir, { recursive: true, force: true });
  return isGood;
}

/** Changes links, or prints counters, of the laboratory around this program. */
export const lab = (text) => execFileSync(netlab, ["do", text], { encoding: "utf8" });

/** Bytes that nodes sent to other nodes, with IP and TCP headers, as the router counted them. */
function wireBytes() {
  let sum = 0;
  for (const line of lab("stat").trim().split("\n")) {
    const x = JSON.parse(line);
    if (x.from?.startsWith("n") && x.to?.startsWith("n")) sum += x.bytes;
  }
  return sum;
}

/** What passes until the function it gives is called: seconds, CPU seconds of the nodes, bytes between them, how busy the machine's cores are in percent. */
export function meter(nodes) {
  const read = () => ({ at: now(), cpu: nodes.reduce((sum, x) => sum + x.cpu(), 0), wire: wireBytes(), busy: busySeconds().busy });
  const a = read();
  return () => {
    const b = read();
    const seconds = (b.at - a.at) / 1000;
    return { seconds, cpu: b.cpu - a.cpu, wire: b.wire - a.wire, busy: (100 * (b.busy - a.busy)) / seconds / machine().cores };
  };
}

const diskBytes = (dir) => {
  let sum = 0;
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    const p = path.join(dir, e.name);
    try {
      sum += e.isDirectory() ? diskBytes(p) : statSync(p).blocks * 512;
    } catch {} /* a file of the database that is just gone */
  }
  return sum;
};

/** A process in a host of the laboratory. */
export class Process {
  #cpuBefore = 0;
  constructor(i, dir, logDir, argv) {
    Object.assign(this, { i, dir, argv, name: nodeName(i) });
    this.logFile = path.join(logDir, `${this.name}.log`);
    this.log = openSync(this.logFile, "a");
  }
  start() {
    this.child = spawn(netlab, ["in", this.name, ...this.argv], { stdio: ["ignore", this.log, this.log] });
    this.isAsked = false;
    const child = this.child;
    this.ended = new Promise((resolve) =>
      child.once("exit", (code, signal) => {
        if (!this.isAsked) console.error(`${this.name} ended by itself: ${signal ?? code}; ${readFileSync(this.logFile, "utf8").slice(-2000)}`);
        resolve(signal ?? code);
      }),
    );
  }
  get isUp() {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }
  signal(name) {
    if (name !== "SIGCONT" && name !== "SIGSTOP") this.isAsked = true;
    this.child.kill(name);
  }
  async kill(name) {
    this.#cpuBefore = this.cpu();
    this.signal(name);
    return await this.ended;
  }
  /** User and system seconds, of earlier processes in this place too. */
  cpu() {
    try {
      return this.#cpuBefore + cpuSeconds(this.child.pid);
    } catch {
      return this.#cpuBefore;
    }
  }
  /** Resident bytes, open descriptors, bytes on disk. */
  sample() {
    const rss = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.child.pid}/status`, "latin1"))?.[1] ?? 0) * 1024;
    return { rss, fds: readdirSync(`/proc/${this.child.pid}/fd`).length, disk: diskBytes(this.dir) };
  }
}

/** Ends what still runs, asked first, so that logs are whole. */
async function endAll(nodes) {
  for (const x of nodes) if (x.isUp) x.signal("SIGTERM");
  for (const x of nodes) if (x.child) await Promise.race([x.ended, sleep(10000).then(() => x.isUp && x.kill("SIGKILL"))]);
}

/** Whole JSON-RPC notifications and answers of a WebSocket, each with the time at which it came. Opens again when lost, until closed. */
export class Stream {
  #isClosed = false;
  opened = 0;
  constructor(url, headers, hello, onMessage) {
    const open = () => {
      if (this.#isClosed) return;
      this.socket = new WebSocket(url, { headers, perMessageDeflate: false, maxPayload: 1 << 28 });
      this.socket.on("open", () => ++this.opened && this.socket.send(JSON.stringify(hello())));
      this.socket.on("message", (data) => onMessage(JSON.parse(data), now()));
      this.socket.on("error", () => {});
      this.socket.on("close", () => setTimeout(open, 200));
    };
    open();
  }
  close() {
    this.#isClosed = true;
    this.socket.terminate();
  }
}

/** Nodes of one kind and their JSON-RPC. */
export class Fleet {
  constructor(nodes, url, options = {}) {
    this.nodes = nodes;
    this.rpcs = nodes.map((x) => new JsonRpc(url(x.i), { connections: 16, timeoutMs: 5000, ...options }));
  }
  call = (i, method, params = {}) => this.rpcs[i].call(method, params);
  /** Final heights; -1: no answer. */
  heights = (list = this.nodes) => Promise.all(list.map((x) => this.heightOf(x.i).catch(() => -1)));
  async ready() {
    await until("the first blocks", 60, async () => (await this.heights()).every((h) => h >= 3));
  }
  async close() {
    for (const r of this.rpcs) r.close();
    await endAll(this.nodes);
  }
}

/* ---- Our nodes ---- */

const RPC_PORT = 7381;
const P2P_PORT = 7481;
const LOCAL = { Host: "localhost" }; /* a node answers to loopback's names only */
const [HEADER_LEADER, HEADER_VIEW, HEADER_HEIGHT] = [3, 9, 17]; /* C2 */
const GAS_SETUP = 2_000_000n;
const FEE_MAX = 100_000_000n;
const LIFETIME = 14_000n; /* blocks that a transfer stays valid */
const START = 1000n * 100_000_000n; /* sparks an account begins with */

/** Frames of bench_load, as they come. */
async function* frames(stream) {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = rest.length ? Buffer.concat([rest, chunk]) : chunk;
    let at = 0;
    while (rest.length - at >= 4) {
      const sz = rest.readUInt32LE(at);
      if (rest.length - at - 4 < sz) break;
      yield `0x${rest.toString("hex", at + 4, at + 4 + sz)}`;
      at += 4 + sz;
    }
    rest = rest.subarray(at);
  }
  if (rest.length) die("bench_load ended in the middle of a transaction");
}

const urlOf = (i, p = "rpc", scheme = "http") => `${scheme}://${address(i)}:${RPC_PORT + i}/${p}`;

export class Demiurge extends Fleet {
  static label = "demiurge";
  static version = () => execFileSync(demiurge, ["--version"], { encoding: "utf8" }).split("\n")[0].trim();
  static make(dir, n) {
    execFileSync(demiurge, ["testnet", "--validators", `${n}`, "--dir", path.join(dir, "net"), "--port", `${RPC_PORT}`, "--p2p-port", `${P2P_PORT}`, "--init-only", "-q"], { stdio: ["ignore", "ignore", "inherit"] });
    for (let i = 0; i < n; i++) {
      const file = path.join(dir, "net", `node-${i + 1}`, "config.toml");
      const text = readFileSync(file, "utf8");
      writeFileSync(
        file,
        text
          .replaceAll(/\/ip4\/127\.0\.0\.1\/tcp\/(\d+)/g, (_, p) => `/ip4/${address(Number(p) - P2P_PORT)}/tcp/${p}`)
          .replace("[rpc]\n", '[rpc]\naddress = "0.0.0.0"\nunits_per_second = 0\n'),
      );
    }
  }
  constructor(dir, n) {
    const nodes = Array.from({ length: n }, (_, i) => {
      const home = path.join(dir, "net", `node-${i + 1}`);
      return new Process(i, home, dir, [demiurge, "node", "run", "--config", path.join(home, "config.toml"), "--log", process.env.DMG_LAB_LOG ?? "info"]);
    });
    super(nodes, urlOf, { headers: LOCAL });
    this.dir = path.join(dir, "net");
  }
  heightOf = async (i) => Number((await this.call(i, "chain_head")).final.height);
  /** Blocks from .. to of a node, without a hole. */
  async blocks(i, from, to, body) {
    const list = [];
    for (let h = from; h <= to; h += 100) {
      const count = Math.min(100, to - h + 1);
      const { items } = await this.call(i, "chain_blocks", { from: `${h}`, count, body });
      if (items.length !== count) die(`${this.nodes[i].name} has ${items.length} of the ${count} blocks from ${h}`);
      list.push(...items);
    }
    return list;
  }
  /** Seconds until each of the nodes has two more blocks than any had. */
  async allGoOn(list = this.nodes, seconds = 30) {
    const goal = Math.max(...(await this.heights(list))) + 2;
    return await until(`all at height ${goal}`, seconds, async () => (await this.heights(list)).every((h) => h >= goal));
  }
  metrics = (i) =>
    new Promise((resolve, reject) => {
      const req = http.get(urlOf(i, "metrics"), { headers: LOCAL, timeout: 5000 }, (res) => {
        const parts = [];
        res.on("data", (c) => parts.push(c)).on("end", () => resolve(Buffer.concat(parts).toString())).on("error", reject);
      });
      req.on("error", reject).on("timeout", () => req.destroy(new Error("no metrics for 5 s")));
    });
  /** Which node leads by a leader's index of a header. */
  async leaders() {
    const list = [];
    for (const x of this.nodes) {
      list[Number(/^demiurge_consensus_validator (-?\d+)$/m.exec(await this.metrics(x.i))?.[1] ?? die(`${x.name} does not say which validator it is`))] = x.i;
    }
    return list;
  }
  async watch(i, onBlock) {
    const leaders = await this.leaders();
    let cursor;
    let last = 0;
    const stream = new Stream(
      urlOf(i, "ws", "ws"),
      LOCAL,
      () => ({ jsonrpc: "2.0", id: 1, method: "sub_open", params: { topic: "blocks", filter: { body: "ids" }, ...(cursor ? { cursor } : {}) } }), /* a new connection goes on behind the last block */
      (x, at) => {
        if (x.error) die(`sub_open: ${x.error.message}`);
        const b = x.params?.item;
        if (!b) return;
        const height = Number(b.at.height);
        if (last) stream.holes += height - last - 1;
        [cursor, last] = [x.params.cursor, height];
        const header = Buffer.from(b.signedHeader.slice(2, 2 + 2 * HEADER_HEIGHT), "hex");
        onBlock({ height, hash: b.at.hash, at, timeMs: Number(b.timeMs), view: Number(header.readBigUInt64LE(HEADER_VIEW)), node: leaders[header.readUInt16LE(HEADER_LEADER)], keys: b.ids });
      },
    );
    stream.holes = 0;
    return stream;
  }
  async untilFinal(i, ids) {
    for (let at = 0; at < ids.length; at += 100)
      await until("the first transactions are final", 60, async () => {
        const { items } = await this.call(i, "tx_status", { ids: ids.slice(at, at + 100) });
        return items.every((x) => x.status.kind === "final");
      });
  }
  /** Funds 500 accounts from alice, lets each open itself; then what `transfers` needs. sz: bytes of a transfer, null: as they are. */
  async setUp(sz = null) {
    const schema = async (module, call) => (await this.call(0, "tx_schema", { module, call })).schema;
    const [one, many, note] = [await schema("balances", "transfer"), await schema("balances", "transfer_many"), await schema("system", "note")];
    const env = { ...process.env, DMG_BENCH_WORDS: path.join(this.dir, "mnemonic") };
    const { chainId, head } = await this.call(0, "chain_info");
    const alice = readFileSync(path.join(this.dir, "accounts"), "utf8").split("\n")[0].split(" ")[2];
    const { next } = (await this.call(0, "tx_nonces", { account: alice, lanes: [0] })).lanes[0];
    const common = (gas) => [chainId, BigInt(head.height) + LIFETIME, one, many, gas, FEE_MAX];
    const load = (args) => frames(spawn(benchLoad, args.map(String), { env, stdio: ["ignore", "pipe", "ignore"] }).stdout);
    for (const [what, more] of [["fund", [next, START]], ["open", []]]) {
      const txs = [];
      for await (const tx of load([what, ...common(GAS_SETUP), ...more])) txs.push({ tx });
      const sent = await this.rpcs[0].sendBatches(batches("tx_submit", txs), { connections: 1 });
      await this.untilFinal(0, sent.map((x) => x.id));
    }
    this.accounts = execFileSync(benchLoad, ["addresses"], { encoding: "utf8" }).trim().split("\n");
    const padded = sz ? [sz, note] : [];
    let sample;
    for await (const tx of load(["uniform", ...common(GAS_SETUP), 1, ...padded])) sample = tx;
    this.txSz = sample.length / 2 - 1;
    const { gas, status } = await this.call(0, "tx_estimate", { tx: sample });
    if (status !== "OK") die(`a transfer would end as ${status}`);
    this.transfers = (cnt) => load(["uniform", ...common(gas), cnt, ...padded]);
  }
  /** cnt signed transfers; tx.from: its sender, whose transfers go in order. */
  async prepare(cnt, sz) {
    await this.setUp(sz);
    const { workload } = await import("../../bench/lib/workload.mjs");
    const list = workload("uniform", { cnt });
    let i = 0;
    for await (const tx of this.transfers(cnt)) list[i++].tx = tx;
    return list;
  }
  /** The key under which the transfer comes in a block; throws if it is refused. */
  submit = async (i, t) => (await this.call(i, "tx_submit", { tx: t.tx })).id;
}
