/* Time from start to the first JSON-RPC answer: `demiurge dev` warm, with an empty cache of compiled modules, with a data folder;
   beside anvil. The probe asks every 2 ms. */
import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { JsonRpc } from "../lib/jsonrpc.mjs";
import { wallSeconds } from "../lib/measure.mjs";
import { freePort, Server } from "../lib/server.mjs";
import { anvilBinary } from "../peers/anvil/peer.mjs";
import { buildFolder, demiurgeBinary } from "./peer.mjs";

async function once(file, argsOf, urlPath, method, params, env) {
  const port = await freePort();
  const rpc = new JsonRpc(`http://127.0.0.1:${port}${urlPath}`);
  const began = wallSeconds();
  const server = new Server(file, argsOf(port).map(String), { env });
  try {
    for (;;) {
      try {
        await rpc.call(method, params);
        return { ms: 1000 * (wallSeconds() - began) };
      } catch (e) {
        if (!server.isRunning) throw new Error(`ended at its start: ${server.output}`);
        if (wallSeconds() - began > 60) throw e;
      }
      await sleep(2);
    }
  } finally {
    rpc.close();
    await server.stop();
  }
}

const ours = (more, env) =>
  once(demiurgeBinary, (port) => ["dev", "--port", port, "--log", "error", ...more], "/rpc", "chain_head", {}, env);

async function inFolder(f) {
  const dir = mkdtempSync(path.join(buildFolder, "bench-data-"));
  try {
    return await f(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const kinds = {
  "demiurge dev, warm": () => ours([], {}),
  "demiurge dev, modules not compiled yet": () => inFolder((dir) => ours([], { XDG_CACHE_HOME: dir })),
  "demiurge dev --data, new folder": () => inFolder((dir) => ours(["--data", path.join(dir, "chain")], {})),
  anvil: () =>
    once(anvilBinary, (port) => ["--host", "127.0.0.1", "--port", port, "--quiet"], "/", "eth_chainId", [], {}),
};

export async function benchReady({ rounds = 5, say = () => {} } = {}) {
  const results = {};
  await kinds["demiurge dev, warm"](); // fills the cache
  for (let round = 1; round <= rounds; round++)
    for (const [name, f] of Object.entries(kinds)) {
      results[name] ??= [];
      const { ms } = await f();
      results[name].push(ms);
      say(`round ${round}  ready  ${name.padEnd(40)} ${ms.toFixed(0)} ms`);
    }
  return results;
}
