#!/usr/bin/env node
/* Validators under a steady load in the laboratory: memory, descriptors and disk while it runs, the history of a bank afterwards (C15.1).

     tests/netlab/soak.mjs [--validators 4] [--delay 25] [--rate 400] [--minutes 30] [--faults] [--quick] [--report FILE]

   Transfers between 500 accounts go over JSON-RPC to all nodes, each sender's to one; who gets no answer tries another, and what is not final 6 s after it was taken is
   submitted again elsewhere, as a wallet would.  Balances are read at random nodes, of the head and of the final block.  Every 5 s: resident memory, descriptors, disk.
     --faults   each minute one node is killed (-9) and started 5 s later, one cut off for 8 s, one stopped (SIGSTOP) for 5 s, all cut in two halves for 6 s, links lose 2 % for 8 s
     --quick    2 minutes
   Afterwards the driver reads all blocks of all nodes and all receipts, and checks (bank.mjs; twelve planted lies must be found first).  Without faults it also checks, from the
   samples behind a warm-up of a third: the last third's peak of memory is not above the second's by more than RSS_PER_HOUR (and noise), descriptors stay, disk grows as the load
   does.  Peaks, of 20 minutes and more, as the database fills a table of 64 MiB before it writes it, each 10 minutes at 400 a second: its share is told beside.
   Exit code 1 if one of these does not hold. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { splitmix64, workload } from "../../bench/lib/workload.mjs";
import { check, prove } from "./bank.mjs";
import { Demiurge, die, inLab, lab, now, quantile, until } from "./lab.mjs";

const here = fileURLToPath(import.meta.url);
const { values: opt } = parseArgs({
  options: {
    validators: { type: "string", default: "4" },
    delay: { type: "string", default: "25" },
    rate: { type: "string", default: "400" },
    minutes: { type: "string" },
    faults: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    seed: { type: "string", default: String(Date.now() % 1e9) },
    report: { type: "string" },
    keep: { type: "string" },
    inside: { type: "string" },
  },
});
const n = Number(opt.validators);
const rate = Number(opt.rate);
const seconds = Math.round(60 * Number(opt.minutes ?? (opt.quick ? 2 : 30)));
const MIB = 1 << 20;
const RSS_NOISE = 16 * MIB; /* of one node: what an allocator and a database's buffers do in any stretch */
const RSS_PER_HOUR = 32 * MIB;
const FDS_MORE = 16;
const FLAT_AFTER_S = 1200; /* until then tables and cache of the database fill */
const SAMPLE_MS = 5000;
const AGAIN_MS = 6000;
const mib = (bytes) => (bytes / MIB).toFixed(0);
const draw = splitmix64(BigInt(opt.seed));
const pick = (k) => Number(draw() % BigInt(k));

/** Slope of a line through points, by least squares. */
function slope(xs, ys) {
  const mx = xs.reduce((a, b) => a + b, 0) / xs.length;
  const my = ys.reduce((a, b) => a + b, 0) / ys.length;
  let num = 0;
  let den = 0;
  for (let i = 0; i < xs.length; i++) {
    num += (xs[i] - mx) * (ys[i] - my);
    den += (xs[i] - mx) ** 2;
  }
  return num / den;
}

class Load {
  sentAt;
  finalAt;
  accepted = new Map(); /* id -> index */
  idOf = new Map(); /* index -> id, of those that are not final */
  pending = new Map(); /* index -> { tx, node, at } */
  answers = [];
  refused = new Map();
  again = 0;
  elsewhere = 0;
  constructor(fleet, cnt) {
    this.fleet = fleet;
    this.cnt = cnt;
    this.list = workload("uniform", { cnt });
    this.sentAt = new Float64Array(cnt);
    this.finalAt = new Float64Array(cnt);
    this.downUntil = new Array(n).fill(0);
  }
  onBlock(b) {
    for (const id of b.keys) {
      const i = this.accepted.get(id);
      if (i === undefined) this.early ??= new Map();
      if (i === undefined) this.early.set(id, b.at);
      else this.#final(i, b.at);
    }
  }
  #final(i, at) {
    if (!this.finalAt[i]) this.finalAt[i] = at;
    this.pending.delete(i);
    this.idOf.delete(i);
  }
  async submit(i, tx, node) {
    if (this.finalAt[i]) return;
    const began = now();
    if (!this.sentAt[i]) this.sentAt[i] = began;
    this.pending.set(i, { tx, node, at: began });
    for (let k = 0; ; k++) {
      const to = (node + k) % n;
      if (this.downUntil[to] > now() && k < n) continue;
      try {
        const id = await this.fleet.submit(to, { tx });
        this.accepted.set(id, i);
        this.idOf.set(i, id);
        if (this.finalAt[i]) this.pending.delete(i); /* meanwhile, by an earlier submission */
        if (this.answers.length < 1e6) this.answers.push(now() - began);
        const at = this.early?.get(id);
        if (at !== undefined) { this.early.delete(id); this.#final(i, at); }
        if (k) this.elsewhere++;
        return;
      } catch (e) {
        if (/^tx_submit: /.test(e.message)) {
          /* The node said no: what for is counted; it is submitted again by sweep(). */
          const why = e.message.slice(0, 80);
          this.refused.set(why, (this.refused.get(why) ?? 0) + 1);
          return;
        }
        this.downUntil[to] = now() + 500;
        if (k >= n) return;
      }
    }
  }
  /** What is not final for long is submitted again, to another node. */
  async sweep() {
    const old = [...this.pending].filter(([, p]) => now() - p.at > AGAIN_MS).slice(0, 2000);
    for (let at = 0; at < old.length; at += 50)
      await Promise.all(old.slice(at, at + 50).map(([i, p]) => {
        if (this.finalAt[i]) return null;
        this.again++;
        return this.submit(i, p.tx, (p.node + 1) % n);
      }));
  }
  /** Where those that wait stand at a node, how many of each kind. */
  async stand(node) {
    const kinds = new Map();
    const ids = [...this.pending.keys()].map((i) => this.idOf.get(i)).filter((id) => id);
    for (let at = 0; at < ids.length; at += 100)
      for (const x of (await this.fleet.call(node, "tx_status", { ids: ids.slice(at, at + 100) })).items) kinds.set(x.status.kind, (kinds.get(x.status.kind) ?? 0) + 1);
    return [...kinds].map(([k, v]) => `${v} ${k}`).join(", ") || "of none an id is known";
  }
}

async function faults(fleet, isOver, log) {
  const names = fleet.nodes.map((x) => x.name);
  const others = (who) => names.filter((x) => x !== who).join(",");
  for (; !isOver(); ) {
    const one = () => fleet.nodes[1 + pick(n - 1)]; /* the driver's stream is node 1's */
    const wait = async (ms) => { for (const end = now() + ms; now() < end && !isOver(); ) await sleep(100); };
    const x = one();
    await wait(5000);
    if (isOver()) return;
    log(`kill -9 ${x.name}`);
    await x.kill("SIGKILL");
    await sleep(5000);
    x.start();
    await wait(8000);
    const y = one();
    log(`cut off ${y.name}`);
    lab(`cut ${y.name}|${others(y.name)}`);
    await sleep(8000);
    lab("heal");
    await wait(6000);
    const z = one();
    log(`stop ${z.name}`);
    z.signal("SIGSTOP");
    await sleep(5000);
    z.signal("SIGCONT");
    await wait(6000);
    log("two halves");
    lab(`cut ${names.filter((_, i) => i % 2)}|${names.filter((_, i) => !(i % 2))}`);
    await sleep(6000);
    lab("heal");
    await wait(6000);
    log("2 % loss");
    const all = names.join(",");
    lab(`link ${all}|${all} loss=0.02`);
    await sleep(8000);
    lab(`link ${all}|${all} loss=0`);
  }
}

/** Balances of all accounts at a height. */
const freeAt = async (fleet, i, height) => (await fleet.rpcs[i].many("balances_get", fleet.accounts.map((account) => ({ account, at: { height: `${height}` } })))).map((b) => BigInt(b.free));

/** All blocks of a node behind `from`, with the ids of their transactions, and what accounts have behind them. */
async function historyOf(fleet, i, from) {
  const top = await fleet.heightOf(i);
  const blocks = (await fleet.blocks(i, from + 1, top, "ids")).map((b) => ({ height: Number(b.at.height), hash: b.at.hash, ids: b.ids }));
  return { name: fleet.nodes[i].name, top, blocks, free: await freeAt(fleet, i, top) };
}

async function receiptsOf(fleet, i, ids, each) {
  for (let at = 0; at < ids.length; at += 1000) {
    const part = ids.slice(at, at + 1000);
    const list = await fleet.rpcs[i].many("tx_receipt", part.map((id) => ({ id })));
    list.forEach((r, k) => { each(part[k], { ok: r.fields.status === "OK", fee: BigInt(r.fields.fee) + BigInt(r.fields.tip) + BigInt(r.fields.held) - BigInt(r.fields.returned) }); });
  }
}

async function inside(dir) {
  const fleet = new Demiurge(dir, n);
  const say = (text) => console.log(text);
  let bad = 0;
  const fail = (text) => {
    bad++;
    console.log(`NOT SO: ${text}`);
  };
  for (const x of fleet.nodes) x.start();
  await fleet.ready();
  await fleet.setUp();
  const base = { height: await fleet.heightOf(0) };
  base.free = await freeAt(fleet, 0, base.height);

  const cnt = rate * seconds;
  const load = new Load(fleet, cnt);
  const gaps = [];
  let lastAt = 0;
  const stream = await fleet.watch(0, (b) => {
    if (lastAt) gaps.push(b.at - lastAt);
    lastAt = b.at;
    load.onBlock(b);
  });
  const began = now();
  let isOver = false;
  const samples = [];
  const reads = [];
  let readErrors = 0;
  let longest = 0;
  const log = (text) => say(`  ${((now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}`);

  const sampler = (async () => {
    for (let next = began; !isOver; next += SAMPLE_MS) {
      const at = (now() - began) / 1000;
      const nodes = await Promise.all(fleet.nodes.map(async (x) => { try { return { ...x.sample(), store: Number(/^demiurge_storage_memory_bytes (\d+)$/m.exec(await fleet.metrics(x.i))[1]) }; } catch { return null; } }));
      samples.push({ at, nodes, pending: load.pending.size });
      if (samples.length % 24 === 1 && nodes[0]) log(`${load.accepted.size} taken, ${load.pending.size} wait; rss ${nodes.map((x) => (x ? mib(x.rss) : "-")).join(" ")} MiB, fds ${nodes.map((x) => x?.fds ?? "-").join(" ")}, disk ${nodes.map((x) => (x ? mib(x.disk) : "-")).join(" ")} MiB`);
      await sleep(Math.max(0, next + SAMPLE_MS - now()));
    }
  })();
  let order = 0;
  const reader = (async () => {
    for (; !isOver; await sleep(100)) {
      const [node, account, at] = [pick(n), pick(fleet.accounts.length), pick(3) ? "final" : "head"];
      try {
        const r = await fleet.call(node, "balances_get", { account: fleet.accounts[account], at });
        reads.push({ node: fleet.nodes[node].name, account, height: Number(r.at.height), hash: r.at.hash, isFinal: r.at.isFinal, free: BigInt(r.free), order: order++ });
      } catch {
        readErrors++;
      }
    }
  })();
  const sweeper = (async () => {
    for (; !isOver; await sleep(1000)) await load.sweep();
  })();
  const fault = opt.faults ? faults(fleet, () => now() - began > 1000 * (seconds - 10), log) : Promise.resolve();

  /* A steady pace: what is due goes out, whatever has not been answered. */
  let i = 0;
  const inFlight = new Set();
  for await (const tx of fleet.transfers(cnt)) {
    const due = began + (1000 * i) / rate;
    while (now() < due) await sleep(due - now());
    longest = Math.max(longest, now() - due);
    const p = load.submit(i, tx, load.list[i].from % n).finally(() => inFlight.delete(p));
    inFlight.add(p);
    i++;
  }
  await fault;
  const loadS = (now() - began) / 1000;
  await Promise.all(inFlight);
  await until("all transfers are final", 120, () => load.pending.size === 0).catch(async (e) => fail(`${e.message}: ${load.pending.size} wait, at node 1: ${await load.stand(0)}`));
  await fleet.allGoOn().catch((e) => fail(e.message));
  isOver = true;
  await Promise.all([sampler, reader, sweeper]);
  stream.close();
  if (stream.holes) fail(`the stream of blocks left out ${stream.holes} blocks`);

  const late = [];
  for (let k = 0; k < cnt; k++) if (load.finalAt[k]) late.push(load.finalAt[k] - load.sentAt[k]);
  const q = (xs, f) => quantile(xs, f).toFixed(0);
  say(`\n${cnt} transfers of ${fleet.txSz} bytes in ${loadS.toFixed(0)} s to ${n} validators, ${opt.delay} ms each way${opt.faults ? ", with faults" : ""} (seed ${opt.seed})`);
  say(`submit to answer p50 ${q(load.answers, 0.5)}, p99 ${q(load.answers, 0.99)} ms; submit to final p50 ${q(late, 0.5)}, p99 ${q(late, 0.99)}, worst ${q(late, 1)} ms; between blocks p50 ${q(gaps, 0.5)}, p99 ${q(gaps, 0.99)}, worst ${q(gaps, 1)} ms`);
  say(`taken by another node than the sender's: ${load.elsewhere}; submitted again: ${load.again}; refused: ${[...load.refused].map(([k, v]) => `${v} x ${k}`).join("; ") || "none"}; reads without an answer: ${readErrors}; the stream opened ${stream.opened} times; the driver was late by at most ${longest.toFixed(0)} ms`);

  /* ---- flat? ---- */
  if (!opt.faults) {
    const good = samples.filter((s) => s.nodes.every((x) => x) && s.at > seconds / 3 && s.at < seconds);
    const at = good.map((s) => s.at);
    const span = at.at(-1) - at[0];
    const third2 = good.filter((s) => s.at < (2 * seconds) / 3);
    const third3 = good.filter((s) => s.at >= (2 * seconds) / 3);
    const half = good.filter((s) => s.at < at[0] + span / 2);
    const half2 = good.filter((s) => s.at >= at[0] + span / 2);
    say(`\n| node | rss, second third: peak, MiB | last third: peak | of them tables and cache of the database: peaks | descriptors | disk, bytes a transfer |\n| --- | --- | --- | --- | --- | --- |`);
    fleet.nodes.forEach((x, k) => {
      const of = (list, what) => list.map((s) => s.nodes[k][what]);
      const peak = (list, what) => Math.max(...of(list, what));
      const grown = peak(third3, "rss") - peak(third2, "rss");
      const fds = of(good, "fds");
      const diskOf = (list) => slope(list.map((s) => s.at), of(list, "disk"));
      const disk = diskOf(good);
      say(`| ${x.name} | ${mib(peak(third2, "rss"))} | ${mib(peak(third3, "rss"))} | ${mib(peak(third2, "store"))}, ${mib(peak(third3, "store"))} | ${Math.min(...fds)}-${Math.max(...fds)} | ${(disk / rate).toFixed(0)} |`);
      if (seconds >= FLAT_AFTER_S && grown > RSS_NOISE + (RSS_PER_HOUR * span) / 7200) fail(`${x.name}: memory's peak rose by ${mib(grown)} MiB in ${(span / 2).toFixed(0)} s`);
      if (Math.max(...fds) > fds[0] + FDS_MORE) fail(`${x.name}: ${Math.max(...fds)} descriptors, ${fds[0]} at warm-up`);
      if (span > 600 && diskOf(half2) > 1.25 * diskOf(half)) fail(`${x.name}: disk grows ever faster, ${(diskOf(half) / rate).toFixed(0)} then ${(diskOf(half2) / rate).toFixed(0)} bytes a transfer`);
    });
  }

  /* ---- a bank's history? ---- */
  const nodes = [];
  for (const x of fleet.nodes) nodes.push(await historyOf(fleet, x.i, base.height));
  const ids = nodes[0].blocks.flatMap((b) => b.ids);
  const receipts = new Map();
  await receiptsOf(fleet, 0, ids, (id, r) => receipts.set(id, r));
  const more = [];
  for (const x of fleet.nodes.slice(1)) await receiptsOf(fleet, x.i, ids.filter((_, k) => k % 40 === x.i), (id, r) => more.push({ name: x.name, id, ...r }));
  const history = { transfers: load.list, accepted: load.accepted, base, nodes, receipts, more, reads };
  const lies = prove(history);
  if (lies.missed.length) fail(`the checker takes lies for true: ${lies.missed.join("; ")}`);
  const r = check(history);
  for (const w of r.wrong) fail(w);
  const faulty = [...receipts.values()].filter((x) => !x.ok).length;
  say(`\nhistory: ${r.blocks} blocks alike on ${n} nodes, ${load.accepted.size} transfers taken, each final once (${faulty} without effect), ${r.reads} reads of balances as the replay has them (${r.forked} of blocks that did not become final), ${receipts.size} receipts by one node, ${more.length} by the others; ${lies.cnt} planted lies, ${lies.cnt - lies.missed.length} found`);
  if (load.accepted.size !== cnt) fail(`${cnt - load.accepted.size} transfers were never taken`);
  if (opt.report) writeFileSync(opt.report, JSON.stringify({ cnt, loadS, samples: samples.map((s) => ({ at: s.at, nodes: s.nodes })) }));
  await fleet.close();
  say(bad ? "\nsoak: FAILED" : "\nsoak: all of it holds");
  process.exit(bad ? 1 : 0);
}

if (opt.inside) await inside(opt.inside).catch((e) => { console.error(e.stack); process.exit(1); });
else {
  if (!(n >= 4 && n <= 16 && rate >= 1 && rate <= 5000 && seconds >= 30 && rate * seconds <= 1e6)) die("soak: 4 to 16 validators, 1 to 5,000 transfers a second, from half a minute to a million transfers");
  const args = ["--validators", n, "--delay", opt.delay, "--rate", rate, "--minutes", seconds / 60, "--seed", opt.seed, ...(opt.faults ? ["--faults"] : []), ...(opt.report ? ["--report", path.resolve(opt.report)] : [])];
  process.exit(inLab({ script: here, n, delay: Number(opt.delay), keep: opt.keep ? path.resolve(opt.keep) : null, make: (dir) => Demiurge.make(dir, n), args }) ? 0 : 1);
}
