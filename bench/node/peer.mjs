/* Our node in three forms, as peers of the same benchmark:

     demiurge       `demiurge dev --data`: JSON-RPC, pool, blocks, state root, RocksDB, fsync before a block is final
     demiurge-mem   the same in memory, as anvil and geth --dev are
     demiurge-lib   in process and in memory, no HTTP and JSON, as LiteSVM is (bench_chain)

   Binaries from $DMG_BENCH_BUILD (default build/dev). */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { batches, JsonRpc } from "../lib/jsonrpc.mjs";
import { firstLine, Stretch, wallSeconds } from "../lib/measure.mjs";
import { freePort, Server } from "../lib/server.mjs";
import { ACCOUNTS, deltas, digest, TRANSFERS, workload } from "../lib/workload.mjs";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const build = path.resolve(root, process.env.DMG_BENCH_BUILD ?? "build/dev");
export const demiurgeBinary = path.join(build, "demiurge");
export const tool = (name) => path.join(build, "bench", name);
export const isBuilt = () =>
  [demiurgeBinary, tool("bench_load"), tool("bench_chain"), tool("bench_constant")].every((f) => existsSync(f));
export const buildFolder = build;

const SETUP = { gas: 2_000_000n, feeMax: 100_000_000n };
const START = 1000n * 100_000_000n; // sparks an account begins with
const LIFETIME = 14_000n; // blocks; in `auto` there may be hundreds a second
const CONNECTIONS = Number(process.env.DMG_BENCH_CONNECTIONS ?? 4);
const BATCH = Number(process.env.DMG_BENCH_BATCH ?? 100); // transfers a request
const PACE = process.env.DMG_BENCH_PACE ?? "auto"; // of blocks: the node's default
const PACE_TEXT = PACE === "auto" ? "a block at once, under load up to 50 ms after the last" : `a block every ${PACE}`;

/** The scratch folder lies on the disk of the build, not on a /tmp that may be memory. */
export const scratch = () => mkdtempSync(path.join(build, "bench-data-"));

/** `demiurge dev` on a free port; a block may hold all 10,000 transfers. */
export async function startNode({ dir = null, blocks = "auto", cpus = null, threads = null } = {}) {
  const port = await freePort();
  const args = [
    "dev",
    "--port",
    port,
    "--blocks",
    blocks,
    "--log",
    "error",
    "--body-max",
    3_670_016,
    "--block-gas",
    4_000_000_000,
  ];
  if (threads !== null) args.push("--threads", threads);
  if (dir !== null) args.push("--data", dir);
  const server = new Server(demiurgeBinary, args.map(String), { cpus });
  const rpc = new JsonRpc(`http://127.0.0.1:${port}/rpc`, { connections: CONNECTIONS });
  const stop = async () => {
    rpc.close();
    await server.stop();
  };
  try {
    const info = await server.ready(() => rpc.call("chain_info", {}));
    return { server, rpc, port, info, stop };
  } catch (e) {
    await stop();
    throw e;
  }
}

/** Signed transactions of bench_load as hex. */
async function signed(what, args) {
  const { stdout, stderr } = await run(tool("bench_load"), [what, ...args].map(String), {
    encoding: "buffer",
    maxBuffer: 1 << 28,
  });
  const list = [];
  for (let at = 0; at < stdout.length; ) {
    const n = stdout.readUInt32LE(at);
    list.push(`0x${stdout.toString("hex", at + 4, at + 4 + n)}`);
    at += 4 + n;
  }
  return { list, digest: stderr.toString().trim() };
}

/** Waits until these ids are final and nothing is pooled. */
async function untilFinal(rpc, ids, timeoutS = 120) {
  const end = wallSeconds() + timeoutS;
  for (const sample = ids.slice(-100); ; ) {
    const { items } = await rpc.call("tx_status", { ids: sample });
    if (items.every((i) => i.status.kind === "final") && (await rpc.call("tx_pool", {})).total === 0) return;
    const lost = items.find((i) => ["dropped", "expired", "replaced", "rejected"].includes(i.status.kind));
    if (lost) throw new Error(`${lost.id} is ${JSON.stringify(lost.status)}`);
    if (wallSeconds() > end) throw new Error(`not final after ${timeoutS} s: ${JSON.stringify(items[0])}`);
    await sleep(2);
  }
}

/** Funds the 500 accounts from alice and lets each send its first transaction, which brings its keys. */
export async function setUp(rpc, info) {
  const schema = async (call) => (await rpc.call("tx_schema", { module: "balances", call })).schema;
  const [one, many] = [await schema("transfer"), await schema("transfer_many")];
  const head = BigInt((await rpc.call("chain_head", {})).head.height);
  const addresses = execFileSync(tool("bench_load"), ["addresses"], { encoding: "utf8" }).trim().split("\n");
  const alice = (await rpc.call("dev_accounts", {})).items[0].address;
  const nonce = (await rpc.call("tx_nonces", { account: alice, lanes: [0] })).lanes[0].next;
  const common = (gas, feeMax) => [info.chainId, head + LIFETIME, one, many, gas, feeMax];
  for (const [what, more] of [
    ["fund", [nonce, START]],
    ["open", []],
  ]) {
    const { list } = await signed(what, [...common(SETUP.gas, SETUP.feeMax), ...more]);
    const sent = await rpc.sendBatches(
      batches(
        "tx_submit",
        list.map((tx) => ({ tx })),
      ),
      { connections: 1 },
    );
    await untilFinal(
      rpc,
      sent.map((s) => s.id),
    );
  }
  return { addresses, common };
}

const CROWD_TXS = 60; // at once: of one sender's lane 64 may wait
const CROWD_SPARKS = 50_000_000n; // each; a million of them are half of what alice has

/** Alice pays cnt accounts that nobody has the keys of, 200 in a transaction. */
export async function fundCrowd(rpc, info, cnt, say = () => {}) {
  const schema = async (call) => (await rpc.call("tx_schema", { module: "balances", call })).schema;
  const [one, many] = [await schema("transfer"), await schema("transfer_many")];
  const alice = (await rpc.call("dev_accounts", {})).items[0].address;
  let nonce = Number((await rpc.call("tx_nonces", { account: alice, lanes: [0] })).lanes[0].next);
  for (let first = 0; first < cnt; first += CROWD_TXS * 200) {
    const n = Math.min(CROWD_TXS * 200, cnt - first);
    const head = BigInt((await rpc.call("chain_head", {})).head.height);
    const { list } = await signed("fund", [
      info.chainId,
      head + LIFETIME,
      one,
      many,
      SETUP.gas,
      SETUP.feeMax,
      nonce,
      CROWD_SPARKS,
      first,
      n,
    ]);
    const sent = await rpc.sendBatches(
      batches(
        "tx_submit",
        list.map((tx) => ({ tx })),
      ),
      { connections: 1 },
    );
    await untilFinal(
      rpc,
      sent.map((s) => s.id),
    );
    nonce += list.length;
    if (first % 240_000 === 0) say(`crowd: ${first + n} of ${cnt} accounts`);
  }
}

/** cnt of the first `of` accounts of the crowd, drawn without repetition, the same each time. */
export function crowdAddresses(of, cnt) {
  const all = execFileSync(tool("bench_load"), ["addresses", "0", String(of)], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  })
    .trim()
    .split("\n");
  let seed = 0x44454d49n;
  for (let i = 0; i < cnt; i++) {
    seed = BigInt.asUintN(64, seed * 6364136223846793005n + 1442695040888963407n);
    const j = i + Number((seed >> 33n) % BigInt(all.length - i));
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all.slice(0, cnt);
}

async function overRpc(mix, dir, blocks) {
  const list = workload(mix);
  const { server, rpc, info, stop } = await startNode({
    dir,
    blocks,
    threads: process.env.DMG_BENCH_RPC_THREADS ?? null,
  });
  try {
    const { addresses, common } = await setUp(rpc, info);
    const balances = async () =>
      (
        await rpc.many(
          "balances_get",
          addresses.map((account) => ({ account })),
        )
      ).map((b) => BigInt(b.free));
    const before = await balances();
    /* The limit a client sets, by one estimate; the fee that could come of it is far below the maximum. */
    const sample = await signed(mix, [...common(SETUP.gas, SETUP.feeMax), 1]);
    const { gas } = await rpc.call("tx_estimate", { tx: sample.list[0] });
    const txs = await signed(mix, [...common(gas, SETUP.feeMax), list.length]);
    if (txs.digest !== digest(list)) throw new Error(`bench_load drew other transfers: ${txs.digest}`);
    const bodies = batches(
      "tx_submit",
      txs.list.map((tx) => ({ tx })),
      { size: BATCH },
    );
    const head0 = Number((await rpc.call("chain_head", {})).head.height);

    const stretch = new Stretch(server);
    const sent = await rpc.sendBatches(bodies, { connections: CONNECTIONS });
    stretch.mark("RPC, decode, verify, pool; blocks meanwhile");
    await untilFinal(
      rpc,
      sent.map((s) => s.id),
    );
    stretch.mark("the rest until all are final");
    const figures = stretch.end();

    const asks = [];
    for (let i = 0; i < ids.length; i += 100) asks.push({ ids: ids.slice(i, i + 100) });
    const statuses = (await rpc.many("tx_status", asks, { size: 10 })).flatMap((a) => a.items);
    const bad = statuses.find((s) => s.status.kind !== "final" || s.status.ok !== true);
    if (bad || statuses.length !== list.length) throw new Error(`not all succeeded: ${JSON.stringify(bad)}`);
    const after = await balances();
    const sends = new Array(ACCOUNTS).fill(0n);
    for (const { from } of list) sends[from]++;
    deltas(list).forEach((d, i) => {
      const fee = before[i] + d - after[i];
      if (fee < 0n || fee > SETUP.feeMax * sends[i] || (sends[i] > 0n && fee === 0n))
        throw new Error(`account ${i}: fee ${fee} for ${sends[i]} transfers`);
    });
    const blockCount = Number((await rpc.call("chain_head", {})).head.height) - head0;
    return { digest: digest(list), cnt: list.length, note: `${blockCount} blocks`, ...figures };
  } finally {
    await stop();
  }
}

async function inProcess(mix, threads, callSize) {
  const args = ["--pdeathsig", "KILL", "--", tool("bench_chain"), mix, "-", threads, TRANSFERS, callSize].map(String);
  const { stdout } = await run("setpriv", args, { timeout: 300_000, killSignal: "SIGKILL" });
  const r = JSON.parse(stdout);
  return {
    digest: r.digest,
    cnt: r.cnt,
    wallS: r.submit.wallS + r.blocksMade.wallS,
    cpuS: r.submit.cpuS + r.blocksMade.cpuS,
    peakBytes: r.peakBytes,
    note: `${r.blocks} blocks, ${threads} threads submit ${callSize} a call`,
    phases: { "decode, verify, pool": r.submit, "build, execute, root, commit": r.blocksMade },
  };
}

const text = () => firstLine(demiurgeBinary, ["--version"]);
const withScratch = async (f) => {
  const dir = scratch();
  try {
    return await f(path.join(dir, "chain"));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

export const node = {
  name: "demiurge",
  get text() {
    return `${text()}, JSON-RPC, RocksDB`;
  },
  differs: `Ed25519; ${PACE_TEXT}, state root and fsync each block, blocks signed by the one validator; a transfer runs as metered WASM`,
  async prepare() {},
  run: (mix) => withScratch((dir) => overRpc(mix, dir, PACE)),
};

export const nodeMemory = {
  name: "demiurge-mem",
  get text() {
    return `${text()}, JSON-RPC, in memory`;
  },
  differs: "as demiurge, but nothing on disk, as anvil and geth --dev",
  async prepare() {},
  run: (mix) => overRpc(mix, null, PACE),
};

const cores = os.availableParallelism();
export const nodeLibrary = {
  name: "demiurge-lib",
  get text() {
    return `${text()}, in process, in memory`;
  },
  differs: `as LiteSVM: no HTTP, no JSON, no disk; still pool, blocks, state root, validator's signature; ${cores} threads submit 100 a call, as a JSON-RPC batch does, then one block is made`,
  async prepare() {},
  run: (mix) => inProcess(mix, cores, 100),
};

export const nodeLibrary1 = {
  name: "demiurge-lib-1",
  get text() {
    return `${text()}, in process, in memory, one thread`;
  },
  differs: "as demiurge-lib with one thread that submits one transfer a call, as LiteSVM takes them",
  async prepare() {},
  run: (mix) => inProcess(mix, 1, 1),
};
