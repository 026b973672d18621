/* JSON-RPC reads over HTTP/1.1 with 64 keep-alive connections (F15.2): the server on core 0, wrk on the others.

     constant    the node's HTTP library answering constant bytes: the ceiling, to one body and to 500 in turn
     chain_head  balances_get                    our node, 500 funded accounts in turn
     balances_get, crowd on disk                 our node on RocksDB with 1,000,000 accounts, 200,000 of them in a drawn order: more than its caches hold
     eth_blockNumber  eth_getBalance             geth --dev, the same accounts' number, GOMAXPROCS=1

   One round starts each server anew, warms it up and measures. Before that each body (of a crowd's the first 1,000) is asked once and
   must give a result. The crowd's folder is made in the first round. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { accounts } from "../lib/eth.mjs";
import { JsonRpc } from "../lib/jsonrpc.mjs";
import { wallSeconds } from "../lib/measure.mjs";
import { freePort, Server } from "../lib/server.mjs";
import { ACCOUNTS } from "../lib/workload.mjs";
import { crowdAddresses, fundCrowd, scratch, setUp, startNode, tool } from "../node/peer.mjs";
import { fund, startGeth } from "../peers/geth/geth.mjs";

const run = promisify(execFile);
const scripts = fileURLToPath(new URL(".", import.meta.url));
const CONNECTIONS = 64;
const SERVER_CPU = "0";

const loadCpus = () => {
  const n = os.availableParallelism();
  if (n < 2) throw new Error("this benchmark wants 2 cores: one for the server, one for the load");
  return n === 2 ? "1" : `1-${n - 1}`;
};
const wrkThreads = () => Math.min(4, os.availableParallelism() - 1);

async function wrk(url, file, seconds, script) {
  const args = [
    "-c",
    loadCpus(),
    "wrk",
    "-t",
    wrkThreads(),
    "-c",
    CONNECTIONS,
    "-d",
    `${seconds}s`,
    "--timeout",
    "10s",
    "-s",
    script,
    url,
    "--",
    file,
  ];
  const { stdout } = await run("setpriv", ["--pdeathsig", "KILL", "--", "taskset", ...args.map(String)], {
    timeout: (seconds + 30) * 1000,
    cwd: scripts,
  });
  const line = /^RESULT (.*)$/m.exec(stdout);
  if (line === null) throw new Error(`wrk said:\n${stdout}`);
  const r = JSON.parse(line[1]);
  if (r.errors || r.status) throw new Error(`wrk saw ${r.errors} broken and ${r.status} refused requests`);
  return r;
}

const body = (method, params) => JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });

/** Measures one list of bodies against a running server. */
async function measure(server, url, bodies, { seconds, warm, folder, isChecked = true }) {
  const file = path.join(folder, "bodies");
  writeFileSync(file, `${bodies.join("\n")}\n`);
  let answerBytes = 0;
  if (isChecked) {
    const rpc = new JsonRpc(url);
    for (const b of bodies.slice(0, 1000)) {
      const { body: answer } = await rpc.post(Buffer.from(b));
      const { result } = JSON.parse(answer);
      if (result === undefined) throw new Error(`${b} gave ${answer}`);
      answerBytes = Math.max(answerBytes, answer.length);
    }
    rpc.close();
  }
  const script = bodies.length === 1 ? "fixed.lua" : "cycle.lua";
  await wrk(url, file, warm, script);
  const [c0, w0] = [server.cpu(), wallSeconds()];
  const r = await wrk(url, file, seconds, script);
  const cpuS = server.cpu() - c0;
  return {
    perS: (r.requests * 1e6) / r.us,
    cpuUs: (cpuS * 1e6) / r.requests,
    /* Near 1: the server is the limit. Well below: the load is, and the figure is a lower bound. */
    serverShare: cpuS / (wallSeconds() - w0),
    p50Us: r.p50Us,
    p99Us: r.p99Us,
    answerBytes,
  };
}

export const rpcPeers = {
  async demiurge(options) {
    const { server, rpc, info, port, stop } = await startNode({ cpus: SERVER_CPU });
    try {
      const { addresses } = await setUp(rpc, info);
      const url = `http://127.0.0.1:${port}/rpc`;
      return {
        chain_head: await measure(server, url, [body("chain_head", {})], options),
        balances_get: await measure(
          server,
          url,
          addresses.map((account) => body("balances_get", { account })),
          options,
        ),
      };
    } finally {
      await stop();
    }
  },

  async crowd(options) {
    const { crowd, say } = options;
    if (crowd.dir === null) {
      const dir = scratch();
      crowd.drop = () => rmSync(dir, { recursive: true, force: true });
      const { rpc, info, stop } = await startNode({ dir });
      try {
        await fundCrowd(rpc, info, crowd.cnt, say);
      } finally {
        await stop();
      }
      crowd.dir = dir;
      crowd.addresses = crowdAddresses(crowd.cnt, Math.min(crowd.cnt, 200_000));
    }
    const { server, port, stop } = await startNode({ cpus: SERVER_CPU, dir: crowd.dir });
    try {
      const url = `http://127.0.0.1:${port}/rpc`;
      const bodies = crowd.addresses.map((account) => body("balances_get", { account }));
      return { [`balances_get, ${crowd.cnt.toLocaleString("en")} on disk`]: await measure(server, url, bodies, options) };
    } finally {
      await stop();
    }
  },

  async constant(options) {
    const port = await freePort();
    const server = new Server(tool("bench_constant"), [String(port), String(options.answerBytes ?? 300)], {
      cpus: SERVER_CPU,
    });
    const url = `http://127.0.0.1:${port}/rpc`;
    const probe = new JsonRpc(url);
    try {
      await server.ready(() => probe.post(Buffer.from("{}")));
      const unchecked = { ...options, isChecked: false };
      const many = Array.from({ length: ACCOUNTS }, (_, i) => body("balances_get", { account: "x".repeat(62), i }));
      return {
        constant: await measure(server, url, [body("chain_head", {})], unchecked),
        "constant, 500 bodies": await measure(server, url, many, unchecked),
      };
    } finally {
      probe.close();
      await server.stop();
    }
  },

  async geth(options) {
    const who = accounts();
    const { server, rpc, url, stop } = await startGeth({ period: 1, cpus: SERVER_CPU, env: { GOMAXPROCS: "1" } });
    try {
      await fund(rpc, who);
      return {
        eth_blockNumber: await measure(server, url, [body("eth_blockNumber", [])], options),
        eth_getBalance: await measure(
          server,
          url,
          who.map((a) => body("eth_getBalance", [a.address, "latest"])),
          options,
        ),
      };
    } finally {
      await stop();
    }
  },
};

/** rounds x every server; { name: [figures of each round] }. */
export async function benchRpc({
  rounds = 5,
  seconds = 10,
  warm = 3,
  crowdCnt = 1_000_000,
  peers = Object.keys(rpcPeers),
  say = () => {},
} = {}) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "dmg-bench-rpc-"));
  const results = {};
  const skipped = {};
  let answerBytes = null;
  const crowd = { cnt: crowdCnt, dir: null, addresses: [], drop: () => {} };
  try {
    for (let round = 1; round <= rounds; round++)
      for (const peer of peers) {
        if (skipped[peer]) continue;
        try {
          const figures = await rpcPeers[peer]({
            seconds,
            warm: round === 1 ? Math.max(warm, 5) : warm,
            folder,
            crowd,
            say,
            ...(answerBytes === null ? {} : { answerBytes }),
          });
          for (const [name, f] of Object.entries(figures)) {
            results[name] ??= [];
            results[name].push(f);
            if (name === "chain_head") answerBytes = f.answerBytes;
            say(
              `round ${round}  ${name.padEnd(16)} ${Math.round(f.perS)}/s  ${f.cpuUs.toFixed(2)} us CPU  server ${(100 * f.serverShare).toFixed(0)} % of its core`,
            );
          }
        } catch (e) {
          if (results[peer] === undefined && round === 1) skipped[peer] = e.message.split("\n")[0];
          else throw e;
          say(`SKIP ${peer}: ${e.message}`);
        }
      }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    crowd.drop();
  }
  return { results, skipped };
}
