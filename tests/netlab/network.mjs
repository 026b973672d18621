#!/usr/bin/env node
/* Validators as real processes in network namespaces behind netlab (consensus C15.1): agreement, block interval and finality under delays and faults.

     tests/netlab/network.mjs [--validators 4] [--delays 0,25,75] [--seconds 20] [--faults] [--keep DIR]

   --delays   ms each way between any two, one run each: interval and proposed-to-final as streams of all nodes tell them, views that were skipped, CPU and bytes.
              NONE: no such run
   --faults   one more run at 25 ms: loss, kill -9 of one, of f, of the leader, SIGSTOP, partitions, a one-way cut, a node cut off, a pair cut with exactly a quorum alive, a rolling
              restart, kill -9 of all; after
              each all must be final again within 30 s
   At the end of each run all nodes must have the same block at every height.  Exit code 1 if one of these does not hold. */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Demiurge, die, inLab, lab, meter, now, quantile, until, wallMs } from "./lab.mjs";

const here = fileURLToPath(import.meta.url);
const { values: opt } = parseArgs({
  options: {
    validators: { type: "string", default: "4" },
    delays: { type: "string", default: "0,25,75" },
    seconds: { type: "string", default: "20" },
    faults: { type: "boolean", default: false },
    keep: { type: "string" },
    inside: { type: "string" },
  },
});
const n = Number(opt.validators);
const f = Math.floor((n - 1) / 3);

/** All nodes have the same block at each height; how many. */
async function agree(fleet) {
  await fleet.allGoOn();
  const top = Math.min(...(await fleet.heights()));
  const chains = await Promise.all(fleet.nodes.map((x) => fleet.blocks(x.i, 1, top, "none")));
  chains[0].forEach((b, k) => { if (chains.some((c) => c[k].at.hash !== b.at.hash)) die(`two blocks of height ${k + 1}`); });
  return top;
}

async function measure(fleet) {
  const seen = fleet.nodes.map(() => []);
  const streams = await Promise.all(fleet.nodes.map((x) => fleet.watch(x.i, (b) => seen[x.i].push(b))));
  await sleep(3000);
  const from = seen.map((l) => l.length);
  const taken = meter(fleet.nodes);
  await sleep(1000 * Number(opt.seconds));
  const { seconds, cpu, wire, busy } = taken();
  const lists = seen.map((l, i) => l.slice(from[i]));
  for (const s of streams) s.close();
  if (lists.some((l) => l.length < 10)) die(`only ${Math.min(...lists.map((l) => l.length))} blocks came in ${seconds.toFixed(0)} s`);
  const late = lists.flatMap((l) => l.map((b) => wallMs(b.at) - b.timeMs));
  const gaps = lists[0].slice(1).map((b, k) => b.timeMs - lists[0][k].timeMs);
  const views = lists[0].at(-1).view - lists[0][0].view;
  const skipped = views - (lists[0].length - 1);
  const row = [opt.delays, lists[0].length, quantile(gaps, 0.5), quantile(gaps, 0.99), quantile(late, 0.5), quantile(late, 0.99), `${((100 * skipped) / views).toFixed(1)}`, ((100 * cpu) / seconds / n).toFixed(1), (wire / lists[0].length / n / 1000).toFixed(1), busy];
  console.log(`| ${row.map((x) => (typeof x === "number" ? Math.round(x) : x)).join(" | ")} |`);
}

async function faults(fleet) {
  const { nodes } = fleet;
  const names = nodes.map((x) => x.name);
  const odd = names.filter((_, i) => i % 2).join(",");
  const even = names.filter((_, i) => !(i % 2)).join(",");
  const all = names.join(",");
  const say = (what, seconds) => console.log(`| ${what.padEnd(72)} | ${seconds.toFixed(1).padStart(6)} |`);
  console.log(`\n| ${n} validators at 25 ms: fault, then healed | s until all commit |\n| --- | --- |`);
  const during = async (what, start, ms, end) => {
    await start();
    await sleep(ms);
    await end();
    say(what, await fleet.allGoOn());
  };
  await during("5 % loss for 10 s", () => lab(`link ${all}|${all} loss=0.05`), 10000, () => lab(`link ${all}|${all} loss=0`));
  await during("kill -9 of one, started 5 s later", () => nodes[1].kill("SIGKILL"), 5000, () => nodes[1].start());
  if (f > 1) {
    const some = nodes.slice(1, 1 + f);
    await during(`kill -9 of ${f} at once, started 8 s later`, () => Promise.all(some.map((x) => x.kill("SIGKILL"))), 8000, () => { for (const x of some) x.start(); });
  }
  /* The leader goes as the first block of its window comes: three views are without one. */
  const times = [];
  let last = -1;
  let onLeader = () => {};
  const stream = await fleet.watch(0, (b) => {
    times.push(b.at);
    if (b.node !== last && last >= 0 && b.node !== 0) onLeader(b.node);
    last = b.node;
  });
  const gone = [];
  for (let k = 0; k < f; k++) {
    const victim = await new Promise((resolve) => { onLeader = (i) => { if (nodes[i].isUp) resolve(i); }; });
    onLeader = () => {};
    const at = now();
    await nodes[victim].kill("SIGKILL");
    gone.push(nodes[victim]);
    await sleep(10000);
    const seen = [at, ...times.filter((t) => t > at), now()];
    say(`the leader killed (-9), ${k + 1} down now: longest without a block`, Math.max(...seen.slice(1).map((t, i) => t - seen[i])) / 1000);
  }
  stream.close();
  for (const x of gone) x.start();
  say("all of them started again", await fleet.allGoOn());
  await during("SIGSTOP of one for 8 s", () => nodes[2].signal("SIGSTOP"), 8000, () => nodes[2].signal("SIGCONT"));
  const before = Math.max(...(await fleet.heights()));
  await during("two parts without a quorum for 10 s", () => lab(`cut ${odd}|${even}`), 10000, async () => {
    const after = Math.max(...(await fleet.heights()));
    if (after > before + 4) die(`finality went on without a quorum, from ${before} to ${after}`);
    lab("heal");
  });
  await during("one way of one link cut for 8 s", () => lab("cut n1>n2"), 8000, () => lab("heal"));
  await during("one cut off for 8 s", () => lab(`cut ${names.at(-1)}|${names.slice(0, -1)}`), 8000, () => lab("heal"));
  /* N8.4: exactly a quorum is alive and two of it have no link: their votes go by the others.  The cut is for good. */
  const dead = nodes.slice(n - f);
  const alive = nodes.slice(0, n - f);
  const relayed = async () => (await fleet.call(0, "net_info")).relayed;
  lab("cut n1|n2");
  await Promise.all(dead.map((x) => x.kill("SIGKILL")));
  await sleep(8000);
  const goal = Math.max(...(await fleet.heights(alive))) + 10;
  say("exactly a quorum alive, the link between two of it cut: ten blocks", await until("blocks with a cut pair", 30, async () => (await fleet.heights(alive)).every((h) => h >= goal)));
  if ((await relayed()) !== 1) die("n1 does not reach n2 through the others");
  for (const x of dead) x.start();
  say("the dead are back, the link still cut", await fleet.allGoOn());
  lab("heal");
  await until("the cut pair has its line again", 30, async () => (await relayed()) === 0);
  const began = now();
  for (const x of nodes) {
    if ((await x.kill("SIGTERM")) !== 0) die(`${x.name} did not stop cleanly`);
    x.start();
    await fleet.allGoOn();
  }
  say("each restarted in turn: all of it", (now() - began) / 1000);
  for (const x of nodes) await x.kill("SIGKILL");
  for (const x of nodes) x.start();
  say("kill -9 of all, started again", await fleet.allGoOn());
}

async function inside(dir) {
  const fleet = new Demiurge(dir, n);
  let code = 0;
  try {
    for (const x of fleet.nodes) x.start();
    await fleet.ready();
    if (opt.faults) await faults(fleet);
    else await measure(fleet);
    const top = await agree(fleet);
    if (opt.faults) console.log(`\nall ${n} have the same blocks up to ${top}`);
  } catch (e) {
    console.error(e.stack);
    code = 1;
  }
  await fleet.close();
  process.exit(code);
}

if (opt.inside) await inside(opt.inside);
else {
  const run = (delay, isFaulty) =>
    inLab({
      script: here, n, delay, make: (dir) => Demiurge.make(dir, n),
      keep: opt.keep ? path.join(path.resolve(opt.keep), isFaulty ? "faults" : `${delay}`) : null,
      args: ["--validators", n, "--seconds", opt.seconds, "--delays", delay, ...(isFaulty ? ["--faults"] : [])],
    });
  let isGood = n >= 4 && n <= 16 ? true : die("network: 4 to 16 validators");
  if (opt.delays !== "NONE") {
    console.log(`${n} validators\n\n| ms each way | blocks | interval p50, ms | p99 | proposed to final p50, ms | p99 | views skipped, % | CPU, % of a core each | KB sent a block each | both cores busy, % |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |`);
    for (const d of opt.delays.split(",")) isGood = run(Number(d), false) && isGood;
  }
  if (opt.faults) isGood = run(25, true) && isGood;
  process.exit(isGood ? 0 : 1);
}
