#!/usr/bin/env node
/* Consensus beside CometBFT in the same laboratory (C17.2), in one command:

     tests/netlab/compare.mjs [--validators 4] [--delays 0,25,75] [--runs 3] [--systems demiurge,comet,comet-tuned,comet-libp2p] [--rate 400] [--size 1024]
                              [--out build/bench-peers/consensus.md] [--quick] [--from A.json,B.json]

   --from runs nothing: the report of earlier ones, whose figures lie beside their reports.

   Each run, on a fresh chain, in a laboratory of its own, the systems in turn (A B C D A B ..):
     empty     8 s without transactions: time between blocks, CPU, bytes
     sparse    6 s with 8 transactions a second: submit to final of an idle chain
     load      12 s with --rate a second, spread evenly over all nodes: the same figures
     kill      the node that leads is killed (-9) just as a block of its comes, or as it has to propose: the longest time without a block in the next 10 s,
               and the time until a block of another

   A block is there when a stream of node 1 tells it (ours: `sub_open blocks`; Comet: NewBlock), to a program next to that node; a transaction is submitted when its
   request leaves.  Bytes are IP packets between validators as the router counts them, CPU is of the node's process.  The driver parses whole blocks of Comet's and
   ids of ours; the time is taken before it does. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { firstLine, loadAverage, machine, spread } from "../../bench/lib/measure.mjs";
import { splitmix64 } from "../../bench/lib/workload.mjs";
import { CometLibp2p, CometShipped, CometTuned } from "../../bench/peers/comet/comet.mjs";
import { bin, Demiurge, die, inLab, meter, now, quantile, until } from "./lab.mjs";

const here = fileURLToPath(import.meta.url);
const root = path.join(path.dirname(here), "../..");
const SYSTEMS = { demiurge: Demiurge, comet: CometShipped, "comet-tuned": CometTuned, "comet-libp2p": CometLibp2p };
const { values: opt } = parseArgs({
  options: {
    validators: { type: "string", default: "4" },
    delays: { type: "string", default: "0,25,75" },
    runs: { type: "string", default: "3" },
    systems: { type: "string", default: Object.keys(SYSTEMS).join(",") },
    rate: { type: "string", default: "400" },
    size: { type: "string", default: "1024" },
    out: { type: "string", default: path.join(root, "build/bench-peers/consensus.md") },
    quick: { type: "boolean", default: false },
    from: { type: "string" },
    inside: { type: "string" },
    system: { type: "string" },
  },
});
const n = Number(opt.validators);
const rate = Number(opt.rate);
const size = Number(opt.size);
const S = opt.quick ? { empty: 3, sparse: 2, load: 4, kill: 6 } : { empty: 8, sparse: 6, load: 12, kill: 10 };

/* ---- Inside: one run ---- */

async function inside(dir) {
  const fleet = new SYSTEMS[opt.system](dir, n);
  const blocks = [];
  const finalAt = new Map();
  let onEach = () => {};
  for (const x of fleet.nodes) x.start();
  await fleet.ready();
  const txs = await fleet.prepare(S.sparse * 8 + S.load * rate, size);
  const stream = await fleet.watch(0, (b) => {
    blocks.push({ height: b.height, at: b.at, node: b.node, cnt: b.keys.length });
    for (const k of b.keys) finalAt.set(k, b.at);
    onEach(b);
  });
  await until("the stream's first block", 10, () => blocks.length > 1);

  let next = 0;
  /** Blocks, CPU and bytes of a stretch during which f runs; half a second of quiet before it. */
  const stretch = async (f) => {
    await sleep(500);
    const b0 = blocks.length;
    const taken = meter(fleet.nodes);
    await f();
    const { seconds, cpu, wire, busy } = taken();
    const list = blocks.slice(b0);
    const gaps = list.slice(1).map((b, i) => (b.at - list[i].at) / (b.height - list[i].height));
    const cnt = list.length || die("no blocks came");
    return {
      blocks: cnt,
      gapP50: quantile(gaps, 0.5),
      gapP99: quantile(gaps, 0.99),
      cpuBlockMs: (1000 * cpu) / cnt / n,
      cpuShare: (100 * cpu) / seconds / n,
      kbBlock: wire / cnt / n / 1000,
      kbSecond: wire / seconds / n / 1000,
      busy,
    };
  };
  const draw = splitmix64(1n);
  /** Submits at a steady pace, each at any moment of its share of a second, so that a pace of blocks is met at all its phases; submit to answer and to final. */
  const paced = async (perSecond, seconds) => {
    const cnt = perSecond * seconds;
    const due = Array.from({ length: cnt }, (_, i) => (1000 * (i + Number(draw() >> 11n) / 2 ** 53)) / perSecond);
    const sent = [];
    const errors = [];
    const began = now();
    for (let i = 0; i < cnt; ) {
      for (const at = now() - began; i < cnt && due[i] <= at; i++) {
        const t = txs[next++];
        const at = now();
        sent.push(fleet.submit(t.from % n, t).then((key) => ({ key, at, answered: now() }), (e) => { errors.push(e.message); return null; }));
      }
      await sleep(2);
    }
    const late = now() - began - 1000 * seconds;
    const done = (await Promise.all(sent)).filter((x) => x);
    await until("all are final", 30, () => done.every((x) => finalAt.has(x.key))).catch((e) => errors.push(e.message));
    const good = done.filter((x) => finalAt.has(x.key));
    const ms = good.map((x) => finalAt.get(x.key) - x.at);
    return { sent: cnt, failed: cnt - good.length, why: errors[0], late, answerP50: quantile(done.map((x) => x.answered - x.at), 0.5), p50: quantile(ms, 0.5), p99: quantile(ms, 0.99) };
  };

  const result = { system: opt.system, delay: Number(opt.delays), txSz: fleet.txSz, setUpBlocks: blocks.length };
  result.empty = await stretch(() => sleep(1000 * S.empty));
  await sleep(500);
  result.sparse = await paced(8, S.sparse);
  let load;
  result.load = await stretch(async () => { load = await paced(rate, S.load); });
  Object.assign(result.load, { tx: load });
  await sleep(1500);

  /* Ours leads four views: killed as the first of them is final.  Comet's leaders take turns: the next one is who led the block of n before. */
  const turn = blocks.slice(-n).map((b) => b.node);
  const victim = await new Promise((resolve) => {
    let last = blocks.at(-1).node;
    onEach = (b) => {
      if (opt.system === "demiurge") {
        if (b.node !== last && b.node !== 0) resolve(b.node);
        last = b.node;
      } else {
        turn.push(b.node);
        const who = turn.at(-n);
        if (who !== 0) resolve(who);
      }
    };
  });
  onEach = () => {};
  const at = now();
  await fleet.nodes[victim].kill("SIGKILL");
  await sleep(1000 * S.kill);
  const after = blocks.filter((b) => b.at >= at);
  const times = [at, ...after.map((b) => b.at), now()];
  result.kill = { gap: Math.max(...times.slice(1).map((t, i) => t - times[i])), other: (after.find((b) => b.node !== victim)?.at ?? Number.POSITIVE_INFINITY) - at, blocks: after.length };
  stream.close();
  await fleet.close();
  writeFileSync(path.join(dir, "result.json"), JSON.stringify(result));
  process.exit(0);
}

/* ---- Outside: all runs, the report ---- */

function outside() {
  const names = opt.systems.split(",");
  for (const s of names) if (!SYSTEMS[s]) die(`no system ${s}; there are ${Object.keys(SYSTEMS).join(", ")}`);
  const delays = opt.delays.split(",").map(Number);
  const raw = { began: new Date().toISOString(), commits: [firstLine("git", ["-C", root, "rev-parse", "--short=12", "HEAD"])], argv: process.argv.slice(2), loads: [loadAverage()], got: [] };
  let isGood = true;
  if (opt.from) {
    const old = opt.from.split(",").map((f) => JSON.parse(readFileSync(f, "utf8")));
    Object.assign(raw, { began: old[0].began, commits: [...new Set(old.flatMap((x) => x.commits))], argv: ["--delays", [...new Set(old.flatMap((x) => x.got.map((r) => r.delay)))].join(",")], loads: old.flatMap((x) => x.loads), got: old.flatMap((x) => x.got) });
    delays.splice(0, delays.length, ...new Set(raw.got.map((r) => r.delay)));
  } else
    for (const delay of delays)
      for (let run = 0; run < (opt.quick ? 1 : Number(opt.runs)); run++)
        for (const name of names) {
          const keep = path.join(bin, `compare-${name}-${process.pid}`);
          const ok = inLab({
            script: here, n, delay, keep, make: (dir) => SYSTEMS[name].make(dir, n),
            args: ["--system", name, "--validators", n, "--delays", delay, "--rate", rate, "--size", size, ...(opt.quick ? ["--quick"] : [])],
          });
          raw.loads.push(loadAverage());
          if (!ok) { isGood = false; continue; }
          const r = JSON.parse(readFileSync(path.join(keep, "result.json"), "utf8"));
          rmSync(keep, { recursive: true, force: true });
          raw.got.push(r);
          console.error(`${new Date().toISOString().slice(11, 19)} ${delay} ms ${name}: ${r.empty.gapP50.toFixed(0)} ms a block, sparse ${r.sparse.p50.toFixed(0)}/${r.sparse.p99.toFixed(0)}, load ${r.load.tx.p50.toFixed(0)}/${r.load.tx.p99.toFixed(0)} (${r.load.tx.failed} failed ${r.load.tx.why ?? ""}), kill ${r.kill.gap.toFixed(0)}`);
        }
  const { got, loads } = raw;
  const began = raw.began;
  const runs = Math.max(...names.map((s) => got.filter((r) => r.system === s && r.delay === delays[0]).length));
  const cell = (list, f, digits = 0) => {
    if (!list.length) return "-";
    const s = spread(list.map(f));
    const t = (v) => (Number.isFinite(v) ? v.toFixed(digits) : "none");
    return s.runs > 1 ? `${t(s.median)} (${t(s.min)}-${t(s.max)})` : t(s.median);
  };
  const m = machine();
  const of = (name, delay) => got.filter((r) => r.system === name && r.delay === delay);
  const sz = got.find((r) => r.system === "demiurge")?.txSz;
  const lines = [
    `## Consensus beside CometBFT, ${began.slice(0, 10)}, commit ${raw.commits.join(", ")}`, "",
    `Machine: ${m.cpu}, ${m.cores} cores${m.isVirtual ? " (virtual)" : ""}, ${m.memoryGiB} GiB, Linux ${m.kernel}. ${n} validators of each, all on it, behind netlab with the same delays (jitter 1 ms where there is a delay).`,
    `Versions: ${[...new Set(names.map((s) => SYSTEMS[s].version()))].join("; ")}. Taken ${began.slice(0, 16).replace("T", " ")} UTC by \`./dev netlab compare ${process.argv.slice(2).join(" ")}\`, load average ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}, our own servers included.`,
    `${runs} runs each, interleaved, a fresh chain each; cells: median (worst and best of the runs). Load: ${rate} transactions a second to all nodes alike${sz ? `; ours: ${sz} bytes, a transfer between 500 accounts and notes that fill it up, each signed with Ed25519 and run as metered WASM; Comet's: ${size} bytes, key=value for its kvstore in memory, not signed` : ""}.`, "",
    "Times are what a client next to node 1 sees on its stream, ms.", "",
    "| ms each way | system | block interval p50, idle | p99 | submit to final p50, idle | p99 | interval p50, load | p99 | submit to final p50, load | p99 | lost | longest gap after kill -9 of the leader |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ...delays.flatMap((d) => names.map((s) => { const l = of(s, d); return `| ${[d, SYSTEMS[s].label, cell(l, (r) => r.empty.gapP50), cell(l, (r) => r.empty.gapP99), cell(l, (r) => r.sparse.p50), cell(l, (r) => r.sparse.p99), cell(l, (r) => r.load.gapP50), cell(l, (r) => r.load.gapP99), cell(l, (r) => r.load.tx.p50), cell(l, (r) => r.load.tx.p99), l.reduce((sum, r) => sum + r.load.tx.failed, 0), cell(l, (r) => r.kill.gap)].join(" | ")} |`; })), "",
    "What it takes, per validator: CPU of the process, bytes it sends to other validators (IP packets).", "",
    "| ms each way | system | idle: CPU ms a block | % of a core | KB a block | KB/s | load: CPU ms a block | % of a core | KB a block | KB/s | both cores busy, % |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ...delays.flatMap((d) => names.map((s) => { const l = of(s, d); return `| ${[d, SYSTEMS[s].label, cell(l, (r) => r.empty.cpuBlockMs, 1), cell(l, (r) => r.empty.cpuShare, 1), cell(l, (r) => r.empty.kbBlock, 1), cell(l, (r) => r.empty.kbSecond, 1), cell(l, (r) => r.load.cpuBlockMs, 1), cell(l, (r) => r.load.cpuShare, 1), cell(l, (r) => r.load.kbBlock), cell(l, (r) => r.load.kbSecond), cell(l, (r) => r.load.busy)].join(" | ")} |`; })), "",
  ];
  mkdirSync(path.dirname(path.resolve(opt.out)), { recursive: true });
  writeFileSync(opt.out, lines.join("\n"));
  writeFileSync(`${opt.out.replace(/\.md$/, "")}.json`, `${JSON.stringify(raw)}\n`);
  console.log(lines.join("\n"));
  process.exit(isGood ? 0 : 1);
}

if (opt.inside) await inside(opt.inside).catch((e) => { console.error(e.stack); process.exit(1); });
else outside();
