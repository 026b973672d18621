/* Builds geth from its Go module (go.mod, go.sum here) into build/bench-peers and starts `geth --dev` with the accounts of the
   workload funded. In memory, no disk. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { hex, START } from "../../lib/eth.mjs";
import { batches, JsonRpc } from "../../lib/jsonrpc.mjs";
import { freePort, Server } from "../../lib/server.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = fileURLToPath(new URL("../../../build/bench-peers", import.meta.url));
const binary = path.join(out, "geth");
export const CHAIN = 1337n;

/** The binary; about 3.5 minutes the first time. Two jobs and nice 15: others may be working. */
export function geth() {
  if (!existsSync(binary)) {
    mkdirSync(out, { recursive: true });
    const args = [
      "-n",
      "15",
      "go",
      "build",
      "-p",
      "2",
      "-trimpath",
      "-buildvcs=false",
      "-o",
      binary,
      "github.com/ethereum/go-ethereum/cmd/geth",
    ];
    execFileSync("nice", args, { cwd: here, stdio: ["ignore", "ignore", "inherit"] });
  }
  return binary;
}

export function gethVersion() {
  const m = /^Version: (.*)$/m.exec(execFileSync(geth(), ["version"], { encoding: "utf8" }));
  return `geth ${m?.[1] ?? "?"}`;
}

/** geth --dev on 127.0.0.1, no peers; period in seconds. */
export async function startGeth({ period = 1, cpus = null, env = {} } = {}) {
  const port = await freePort();
  const scratch = mkdtempSync(path.join(os.tmpdir(), "dmg-bench-geth-"));
  const flags = {
    "dev.period": period,
    "dev.gaslimit": 1_000_000_000,
    "miner.gaslimit": 1_000_000_000,
    "miner.gasprice": 1,
    "txpool.accountslots": 1024,
    "txpool.accountqueue": 1024,
    "txpool.globalslots": 65_536,
    "txpool.globalqueue": 65_536,
    "http.addr": "127.0.0.1",
    "http.port": port,
    "http.api": "eth,net,web3,txpool",
    "rpc.batch-request-limit": 1000,
    maxpeers: 0,
    port: 0,
    ipcpath: path.join(scratch, "geth.ipc"),
    keystore: path.join(scratch, "keystore"),
    verbosity: 2,
  };
  const args = [
    "--dev",
    "--http",
    "--nodiscover",
    "--nat",
    "none",
    ...Object.entries(flags).map(([k, v]) => `--${k}=${v}`),
  ];
  const server = new Server(geth(), args, { cpus, env, cwd: scratch });
  const rpc = new JsonRpc(`http://127.0.0.1:${port}/`);
  const stop = async () => {
    rpc.close();
    await server.stop();
    rmSync(scratch, { recursive: true, force: true });
  };
  try {
    await server.ready(() => rpc.call("eth_chainId", []), 60_000);
    return { server, rpc, port, stop, url: `http://127.0.0.1:${port}/` };
  } catch (e) {
    await stop();
    throw e;
  }
}

/** START wei to each account from the developer's, whose key the node holds. */
export async function fund(rpc, who) {
  const [dev] = await rpc.call("eth_accounts", []);
  const payments = who.map((a, i) => [
    { from: dev, nonce: hex(i), to: a.address, value: hex(START), gas: hex(21_000) },
  ]);
  await rpc.sendBatches(batches("eth_sendTransaction", payments), { connections: 1 });
  for (let i = 0; i < 600; i++) {
    const n = await rpc.call("eth_getTransactionCount", [dev, "latest"]);
    if (Number(n) >= who.length) return;
    await sleep(50);
  }
  throw new Error("geth did not fund the accounts in 30 s");
}
