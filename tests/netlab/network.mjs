#!/usr/bin/env node
/* Validators as real processes in network namespaces behind netlab (consensus C15.1): agreement, block interval and finality under delays and faults.

     tests/netlab/network.mjs [--validators 4] [--delays 0,25,75] [--seconds 20] [--faults] [--bin build/dev] [--keep DIR]

   --delays   ms each way between any two, one run each: interval and proposed-to-final of `sub heads` at every node
   --faults   one more run at 25 ms: loss, kill -9, SIGSTOP, partitions, a one-way cut, a node cut off, a rolling restart; after each all must
              be final again within 30 s
   At the end of each run all nodes must have the same block at every height.  Exit code 1 if one of these does not hold.
   The driver runs inside the laboratory, where each node's JSON-RPC is on its own loopback. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = fileURLToPath(import.meta.url);
const { values: opt } = parseArgs({
  options: {
    validators: { type: "string", default: "4" },
    delays: { type: "string", default: "0,25,75" },
    seconds: { type: "string", default: "20" },
    faults: { type: "boolean", default: false },
    bin: { type: "string", default: path.join(path.dirname(here), "../../build/dev") },
    keep: { type: "string" },
    inside: { type: "string" },
  },
});
const n = Number(opt.validators);
const bin = path.resolve(opt.bin);
const netlab = path.join(bin, "netlab");
const demiurge = path.join(bin, "demiurge");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const port = (i) => 7381 + i;
const rpc = (i) => `http://127.0.0.1:${port(i)}/rpc`;
const die = (text) => {
  throw new Error(text);
};

/* ---- Outside: a chain, a topology, the laboratory around this program ---- */

function outside(delay, isFaulty) {
  const dir = opt.keep ? path.join(path.resolve(opt.keep), `${isFaulty ? "faults" : delay}`) : mkdtempSync(path.join(tmpdir(), "network-"));
  mkdirSync(dir, { recursive: true });
  execFileSync(demiurge, ["testnet", "--validators", `${n}`, "--dir", path.join(dir, "net"), "--init-only", "-q"], { stdio: ["ignore", "ignore", "inherit"] });
  let topo = `seed = 1\n[link]\ndelay_ms = ${delay}\njitter_ms = ${delay > 0 ? 1 : 0}\n`;
  for (let i = 0; i < n; i++) {
    topo += `[[host]]\nname = "n${i + 1}"\ncity = "x"\n`;
    const file = path.join(dir, "net", `node-${i + 1}`, "config.toml");
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replaceAll(/\/ip4\/127\.0\.0\.1\/tcp\/(\d+)/g, (_, p) => `/ip4/10.1.${Number(p) - 7480}.1/tcp/${p}`));
  }
  writeFileSync(path.join(dir, "topo.toml"), topo);
  const args = ["--inside", dir, "--validators", `${n}`, "--seconds", opt.seconds, "--bin", bin, "--delays", `${delay}`, ...(isFaulty ? ["--faults"] : [])];
  const run = spawnSync(netlab, [path.join(dir, "topo.toml"), "--", process.execPath, here, ...args], { stdio: ["ignore", "inherit", "pipe"], encoding: "utf8" });
  writeFileSync(path.join(dir, "netlab.log"), run.stderr ?? "");
  if (run.status !== 0) console.error(run.stderr, `\n${dir} is kept`);
  else if (!opt.keep) rmSync(dir, { recursive: true, force: true });
  return run.status === 0;
}

/* ---- Inside ---- */

class Node {
  constructor(i, dir) {
    this.i = i;
    this.name = `n${i + 1}`;
    this.dir = path.join(dir, "net", `node-${i + 1}`);
    this.heads = [];
    this.log = openSync(path.join(dir, `${this.name}.log`), "a");
  }
  start() {
    this.child = spawn(netlab, ["in", this.name, demiurge, "node", "run", "--config", path.join(this.dir, "config.toml")], { stdio: ["ignore", this.log, this.log] });
    this.ended = new Promise((resolve) => this.child.once("exit", (code, signal) => resolve(signal ?? code)));
    this.child.once("exit", (code, signal) => {
      if (!this.isAsked) console.error(`${this.name} ended by itself: ${signal ?? code}; see its log`);
    });
    this.isAsked = false;
  }
  signal(name) {
    this.isAsked = true;
    this.child.kill(name);
  }
  async kill(name) {
    this.signal(name);
    return await this.ended;
  }
  ask(...args) {
    const r = spawnSync(netlab, ["in", this.name, demiurge, ...args, "--rpc", rpc(this.i), "-o", "json", "-q"], { encoding: "utf8", timeout: 10000 });
    return r.status === 0 ? JSON.parse(r.stdout) : null;
  }
  height() {
    return Number(this.ask("rpc", "chain_head")?.final.height ?? -1);
  }
  /** Final heads with the time at which they came, for as long as the laboratory stands. */
  listen() {
    this.sub = spawn(netlab, ["in", this.name, demiurge, "sub", "heads", "--rpc", rpc(this.i), "-o", "jsonl", "-q"], { stdio: ["ignore", "pipe", "ignore"] });
    createInterface({ input: this.sub.stdout }).on("line", (line) => {
      const x = JSON.parse(line);
      const item = x.item ?? x;
      if (item.height !== undefined) this.heads.push({ height: Number(item.height), timeMs: Number(item.timeMs), at: Date.now() });
    });
  }
}

const quantile = (xs, q) => [...xs].sort((a, b) => a - b)[Math.min(xs.length - 1, Math.floor(xs.length * q))];
const lab = (text) => execFileSync(netlab, ["do", text], { encoding: "utf8" });

async function until(what, seconds, f) {
  const began = Date.now();
  while (Date.now() - began < seconds * 1000) {
    if (await f()) return (Date.now() - began) / 1000;
    await sleep(100);
  }
  return die(`not within ${seconds} s: ${what}`);
}

/** All are above what the highest is now: each of them commits again. */
async function allGoOn(nodes) {
  const goal = Math.max(...nodes.map((x) => x.height())) + 2;
  return await until(`all at height ${goal}`, 30, () => nodes.every((x) => x.height() >= goal));
}

async function agree(nodes) {
  await allGoOn(nodes);
  const top = Math.min(...nodes.map((x) => x.height()));
  for (let from = 1; from <= top; from += 100) {
    const seen = nodes.map((x) => {
      const list = [];
      for (let h = from; h <= Math.min(top, from + 99); h += 9) list.push(x.ask("rpc", "chain_block", `{"at":{"height":"${h}"},"body":"none"}`)?.at.hash ?? die(`${x.name} has no block ${h}`));
      return list.join();
    });
    if (new Set(seen).size !== 1) die(`two blocks of one height between ${from} and ${from + 99}`);
  }
  return top;
}

async function faults(nodes) {
  const say = (what, seconds) => console.log(`| ${what.padEnd(72)} | ${seconds.toFixed(1).padStart(6)} |`);
  console.log("\n| fault, then healed                                                       | s until all commit |\n| --- | --- |");
  const during = async (what, start, ms, end) => {
    await start();
    await sleep(ms);
    await end();
    say(what, await allGoOn(nodes));
  };
  await during("5 % loss for 10 s", () => lab("link *|* loss=0.05"), 10000, () => lab("link *|* loss=0"));
  await during("kill -9 of one, started 5 s later", () => nodes[1].kill("SIGKILL"), 5000, () => nodes[1].start());
  await during("SIGSTOP of one for 8 s", () => nodes[2].signal("SIGSTOP"), 8000, () => nodes[2].signal("SIGCONT"));
  const before = Math.max(...nodes.map((x) => x.height()));
  await during("two parts without a quorum for 10 s", () => lab(`cut ${nodes.filter((_, i) => i % 2).map((x) => x.name)}|${nodes.filter((_, i) => !(i % 2)).map((x) => x.name)}`), 10000, () => {
    const after = Math.max(...nodes.map((x) => x.height()));
    if (after > before + 4) die(`finality went on without a quorum, from ${before} to ${after}`);
    lab("heal");
  });
  await during("one way of one link cut for 8 s", () => lab("cut n1>n2"), 8000, () => lab("heal"));
  await during("one cut off for 8 s", () => lab("cut n4|n1,n2,n3"), 8000, () => lab("heal"));
  const began = Date.now();
  for (const x of nodes) {
    if ((await x.kill("SIGTERM")) !== 0) die(`${x.name} did not stop cleanly`);
    x.start();
    await allGoOn(nodes);
  }
  say("each restarted in turn: all of it", (Date.now() - began) / 1000);
  for (const x of nodes) await x.kill("SIGKILL");
  for (const x of nodes) x.start();
  say("kill -9 of all, started again", await allGoOn(nodes));
}

async function inside(dir) {
  const nodes = Array.from({ length: n }, (_, i) => new Node(i, dir));
  let code = 0;
  try {
    for (const x of nodes) x.start();
    await until("the first blocks", 30, () => nodes.every((x) => x.height() >= 3));
    if (opt.faults) await faults(nodes);
    else {
      for (const x of nodes) x.listen();
      await sleep(2000 + 1000 * Number(opt.seconds));
      const late = nodes.flatMap((x) => x.heads.slice(2).map((h) => h.at - h.timeMs));
      const gaps = nodes[0].heads.slice(3).map((h, k) => (h.timeMs - nodes[0].heads[k + 2].timeMs) / (h.height - nodes[0].heads[k + 2].height));
      if (late.length < 10) die("no heads came");
      const row = [opt.delays, gaps.length, quantile(gaps, 0.5), quantile(gaps, 0.99), quantile(late, 0.5), quantile(late, 0.99)];
      console.log(`| ${row.map((x) => (typeof x === "number" ? Math.round(x) : x)).join(" | ")} |`);
    }
    const top = await agree(nodes);
    if (opt.faults) console.log(`\nall ${n} have the same blocks up to ${top}`);
  } catch (e) {
    console.error(e.message);
    code = 1;
  }
  for (const x of nodes) x.sub?.kill("SIGKILL");
  for (const x of nodes) if (x.child.exitCode === null && x.child.signalCode === null) await x.kill("SIGTERM");
  process.exit(code);
}

if (opt.inside) await inside(opt.inside);
else {
  let isGood = true;
  if (opt.delays) {
    console.log(`${n} validators\n\n| ms each way | blocks | interval p50, ms | p99 | proposed to final p50, ms | p99 |\n| --- | --- | --- | --- | --- | --- |`);
    for (const d of opt.delays.split(",")) isGood = outside(Number(d), false) && isGood;
  }
  if (opt.faults) isGood = outside(25, true) && isGood;
  process.exit(isGood ? 0 : 1);
}
