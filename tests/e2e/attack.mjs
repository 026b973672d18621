/* Hostile peers against four validators (N11), black box: what any peer on the network can do, then what a validator can do that turns on the others.

     node tests/e2e/attack.mjs DEMIURGE [--long] [--only NAME,..] [--seed N]

   While each attack runs, and the same time before it without one, blocks are counted: they go on, and hardly more views are lost; and somebody honest pays by one node and sees it final at another,
   as quickly as a person would want. After it every node is within 64 MiB of its memory at the start, has its lines to the others, has let go of every connection, stream and descriptor,
   and its metrics say why the attacker was shut out. --long: ten times the attackers and the time.
   Attacks of N11.1 that are not here: QUIC, records and addresses to hoard, private dials, Noise by RSA; absent.md. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createClient, http } from "@demiurge/client";
import { balances } from "@demiurge/codec";
import { accountFromSeed, devAccount, seedFromMnemonic, signTransaction } from "@demiurge/wallet";
import { connect, dial, FLAG, protocolOf, uv } from "./peer.mjs";

const args = process.argv.slice(2), demiurge = resolve(args[0] ?? "build/dev/demiurge");
const option = (name) => { const i = args.indexOf(name); return i < 0 ? undefined : args[i + 1]; };
const isLong = args.includes("--long"), only = option("--only")?.split(","), scale = isLong ? 10 : 1;
let seed = Number(option("--seed") ?? Date.now() % 1e9);
const random = (n) => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return (seed >>> 8) % n; };
const junk = (n) => Buffer.from(Array.from({ length: n }, () => random(256)));
console.log(`seed ${seed}`);

const dir = mkdtempSync(join(tmpdir(), "dmg-attack.")), port = 10000 + (process.pid * 7) % 20000, p2p = port + 100;
const sleep = (ms) => new Promise((yes) => setTimeout(yes, ms));
const quiet = (promise) => promise.catch(() => null);
const child = spawn(demiurge, ["testnet", "--validators", "4", "--dir", dir, "--port", String(port), "--p2p-port", String(p2p), "-o", "json"], { stdio: ["ignore", "pipe", "inherit"] });
let ended = false, ready = "";
child.once("exit", () => { ended = true; });
for await (const chunk of child.stdout) { ready += chunk; if (ready.includes("\n")) break; }
const nodes = JSON.parse(ready).nodes.map((n, i) => ({ name: `node ${i + 1}`, pid: n.pid, rpc: n.rpc, p2p: p2p + i, isAlive: true }));
const config = readFileSync(join(dir, "node-1/config.toml"), "utf8");
const genesis = Buffer.from(/checkpoint = "0:0x([0-9a-f]{64})"/.exec(config)[1], "hex");
const identityOf = (i) => Buffer.from(readFileSync(join(dir, `node-${i}/node.key`), "utf8").trim(), "hex");
const id = (name) => protocolOf(genesis, name);

/* ---- what the nodes say of themselves */

async function metricsOf(node) {
  const m = {}, got = await quiet(fetch(node.rpc.replace("/rpc", "/metrics"), { signal: AbortSignal.timeout(10000) }));
  must(got, "a node does not answer:", node.name);
  for (const l of (await got.text()).split("\n")) { const at = l.lastIndexOf(" "); if (at > 0 && l[0] !== "#") m[l.slice(0, at)] = Number(l.slice(at + 1)); }
  m.rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.pid}/status`, "utf8"))[1]) / 1024;
  m.fds = readdirSync(`/proc/${node.pid}/fd`).length;
  m.height = m['demiurge_chain_height{kind="final"}'];
  m.view = m['demiurge_consensus_view{kind="final"}'];
  return m;
}
const alive = () => nodes.filter((n) => n.isAlive);
const look = async () => new Map(await Promise.all(alive().map(async (n) => [n, await metricsOf(n)])));
const HELD = ["dmg_p2p_conns", "dmg_p2p_streams", "fds"];

let passed = 0;
const must = (fact, what, seen = "") => { if (!fact) throw new Error(`${what} ${typeof seen === "string" ? seen : JSON.stringify(seen)}`); };

/** Blocks and lost views a second, the slowest node's. */
async function pace(before, since) {
  const now = await look(), s = (Date.now() - since) / 1000;
  return { now, s, blocks: Math.min(...alive().map((n) => now.get(n).height - before.get(n).height)), lost: Math.max(...alive().map((n) => now.get(n).view - before.get(n).view - (now.get(n).height - before.get(n).height))) };
}
let first, calm;
async function measureCalm(seconds) { const before = await look(), since = Date.now(); await sleep(seconds * 1000); calm = await pace(before, since); }
const why = (m, key) => Object.entries(m).filter(([k]) => k.startsWith(key)).reduce((sum, [, v]) => sum + v, 0);

/** Somebody honest: pays through one node, and sees it final at another; one payment after the other, to the end. */
const payer = { isOver: false, paid: 0, slowest: 0, since: 0, error: null };
async function pay() {
  const me = accountFromSeed(seedFromMnemonic(readFileSync(join(dir, "mnemonic"), "utf8"))), you = devAccount("bob").address;
  const clientOf = new Map(nodes.map((n) => [n, createClient({ transport: http(n.rpc) })])), { chain } = await clientOf.get(nodes[0]).info();
  let nonce = await clientOf.get(nodes[0]).nonce(me.address);
  while (!payer.isOver) {
    const [at, seenBy] = [alive()[random(alive().length)], alive()[random(alive().length)]].map((n) => clientOf.get(n));
    const { head } = await at.head();
    const body = { version: 1, chain, sender: me.address, lane: 0, nonce: nonce++, expiry: head.height + 400n, gas: 200_000n, fee: { kind: "EnergyThenFee", max: 10_000_000n, tip: 0n }, sponsor: null,
      calls: [balances.transfer({ to: you, amount: 1n, memo: new Uint8Array() })], post: [] };
    const tx = await signTransaction(body, me, { withInit: body.nonce === 0n });
    payer.since = Date.now();
    await at.submit(tx.bytes);
    while ((await seenBy.status(tx.id)).kind !== "final") { must(Date.now() < payer.since + 20000, "a payment is not final after 20 s"); await sleep(50); }
    payer.slowest = Math.max(payer.slowest, Date.now() - payer.since);
    payer.paid++;
    payer.since = 0;
    await sleep(150);
  }
}
/** A payment that a leader's time-out or two pass over is final after 3 s; nobody waits longer for an attacker. */
const PAID_MS = 5000;

/** run: the attack; told: which metrics must say so, each of them on one node at least. */
async function attack(name, told, run) {
  if (only && !only.includes(name)) return;
  const before = await look(), since = Date.now(), paid = payer.paid;
  payer.slowest = 0;
  const note = await run();
  await sleep(Math.max(0, since + 2500 - Date.now()));
  const p = await pace(before, since);
  must(!ended, `${name}: the network is gone`);
  must(p.blocks >= Math.max(1, (calm.blocks / calm.s) * p.s / 4), `${name}: blocks do not go on:`, `${p.blocks} in ${p.s.toFixed(1)} s; without attack ${calm.blocks} in ${calm.s.toFixed(1)} s`);
  /* A busy machine loses a window of four views now and then. Without node 4 a window is lost by one chance in four, which tells nothing: then only what blocks and payments show. */
  must(!nodes[3].isAlive || p.lost <= 8 + (calm.lost / calm.s) * p.s * 1.5, `${name}: views are lost:`, `${p.lost} in ${p.s.toFixed(1)} s; without attack ${calm.lost} in ${calm.s.toFixed(1)} s`);
  must(!payer.error, `${name}: an honest payment:`, payer.error?.message);
  const slowest = Math.max(payer.slowest, payer.since && Date.now() - payer.since);
  must(payer.paid > paid && slowest <= PAID_MS, `${name}: honest payments:`, `${payer.paid - paid} final in ${p.s.toFixed(1)} s, the slowest after ${slowest} ms`);
  const payments = `${payer.paid - paid} payments, ${slowest} ms at most`;
  let most = 0, rss = 0;
  const check = (now) => {
    for (const n of alive()) { rss = Math.max(rss, now.get(n).rss - first.get(n).rss); most = Math.max(most, now.get(n).rss); }
    must(rss <= 64, `${name}: memory grew by`, `${rss.toFixed(0)} MiB`);
  };
  check(p.now);
  /* A time-out of ours, and of the library's below it, is 8 to 20 s. */
  let now, left = "";
  for (let end = Date.now() + 30000; ; await sleep(250)) {
    now = await look();
    left = alive().flatMap((n) => [...(now.get(n).demiurge_net_links === alive().length - 1 ? [] : [`${n.name} has ${now.get(n).demiurge_net_links} lines to the others`]), ...HELD.filter((k) => now.get(n)[k] > before.get(n)[k] + (k === "fds" ? 3 : k === "dmg_p2p_streams" ? 6 : 0)).map((k) => `${n.name} ${k} ${before.get(n)[k]} -> ${now.get(n)[k]}`)]).join(", ");
    if (!left || Date.now() > end) break;
  }
  must(!left, `${name}: left afterwards:`, left);
  check(now);
  const sums = {};
  for (const n of alive()) for (const [k, v] of Object.entries(now.get(n))) if (/^demiurge_net_(closed|refused|bad|dropped)_total/.test(k) && v > before.get(n)[k]) sums[k.slice(13)] = (sums[k.slice(13)] ?? 0) + v - before.get(n)[k];
  for (const key of told) must(alive().some((n) => key.split("|").some((k) => why(now.get(n), k) > why(before.get(n), k))), `${name}: no node says`, `${key}; ${JSON.stringify(sums)}`);
  for (const n of alive()) must(now.get(n).dmg_p2p_panics_total === 0, `${name}: a panic in`, n.name);
  passed++;
  console.log(`ok   ${name.padEnd(10)} ${p.s.toFixed(1)} s, ${p.blocks} blocks, ${p.lost} views lost, ${payments}, memory ${rss >= 0 ? "+" : ""}${rss.toFixed(0)} MiB of ${most.toFixed(0)}; ${Object.entries(sums).map(([k, v]) => `${k.replace(/_total\{\w+="(\w+)"\}/, " $1")} ${v}`).join(", ") || "nothing to tell"}${typeof note === "string" ? `; ${note}` : ""}`);
}

/* ---- attackers */

const targets = () => alive().slice(0, 2);
/* Not from 127.0.0.1: validators live there, and their addresses pass the gate (N6.1). */
let from = 0;
const away = () => `127.${1 + (from >> 8) % 250}.${from++ % 256}.9`;
const each = async (cnt, wide, run) => { let next = 0, done = 0; await Promise.all(Array.from({ length: wide }, async () => { while (next < cnt) { const i = next++; if (await run(i, targets()[i % 2])) done++; } })); return done; };

const status = () => { const b = Buffer.alloc(215); genesis.copy(b); genesis.copy(b, 56); return b; };
const polite = { [id("status")]: async (s) => { await s.write(Buffer.concat([Buffer.from([0]), uv(215), status()])); await s.fin(); }, "/ipfs/ping/1.0.0": async (s) => { for (;;) await s.write(await s.read(32, 1 << 30)); }, "/meshsub/1.1.0": async (s) => { for (;;) await s.read(1, 1 << 30); } };
/* A validator's streams: the hello is accepted, what follows is read and forgotten. */
for (const name of ["cons", "body", "shred", "txfwd"]) polite[id(name)] = async (s) => { await s.read(37); await s.write(Buffer.from([0])); for (;;) await s.read(1, 1 << 30); };
/** A peer that passes for one of ours. */
const guest = (node, opts = {}) => dial({ port: node.p2p, localAddress: away(), serve: polite, ...opts });
const hello = Buffer.concat([genesis, Buffer.alloc(4)]);
async function within(ms, promise) { return (await Promise.race([promise, sleep(ms).then(() => null)])) !== null; }

const LIMIT = 'demiurge_net_closed_total{why="limit"}', IO = 'demiurge_net_closed_total{why="io"}', CORE = 'demiurge_net_closed_total{why="core"}', FALSE = 'demiurge_net_closed_total{why="false_data"}', PING = 'demiurge_net_closed_total{why="ping"}', REFUSED = "demiurge_net_refused_total", KIND = 'demiurge_net_refused_total{why="kind"}';
const HANDSHAKE = "libp2p_swarm_connections_incoming_error_total", BAD = 'demiurge_net_bad_total{kind="frame"}', DROPPED = 'demiurge_net_dropped_total{kind="frame"}', BATCH = 'demiurge_net_bad_total{kind="batch"}';

/** They ask and do not read, from the first attack of an outsider to the last: an answer waits in a bounded queue and is given up, two pings that nobody answers end the connection. */
async function deafPeers() {
  const peers = [], head = Buffer.from(await headHash(), "hex");
  await each(60, 20, async (_, node) => { const p = await quiet(guest(node, { isDeaf: true })); if (p) { p.socket.pause(); peers.push(p); } return p; });
  const asking = (async () => { for (let k = 0; k < 60; k++) { for (const p of peers) { quiet(p.ask(id("headers"), Buffer.concat([head, Buffer.from([0, 2])]))); quiet(p.ask(id("peerinfo"), Buffer.alloc(0))); } await sleep(50); } })();
  return { peers, asking };
}
async function deaf({ peers, asking }) {
  await attack("deaf", [], async () => {
    await asking;
    const ended = async () => { let cnt = 0; for (const n of targets()) { const m = await metricsOf(n); for (const k of [PING, LIMIT]) cnt += m[k] - first.get(n)[k]; } return cnt; };
    for (const end = Date.now() + 50000; await ended() < peers.length; await sleep(250)) must(Date.now() < end, "deaf: they are still served:", `${await ended()} of ${peers.length}`);
    for (const p of peers) p.socket.resume();
    must(await within(5000, Promise.all(peers.map((p) => p.closed))), "deaf: still open");
    return `${peers.length} deaf peers`;
  });
}
async function outsiders() {
  const deafs = only && !only.includes("deaf") ? null : await deafPeers();
  /* Half open: 1,000 that say nothing or say it slowly, 100 that say what makes no sense; each is let go of after 8 s. */
  await attack("silent", [REFUSED, HANDSHAKE], async () => {
    const conns = [];
    const senseless = each(100 * scale, 100, async (i, node) => {
      const c = connect(node.p2p, away());
      if (!await c.up) return false;
      c.socket.write(i % 3 === 0 ? junk(200) : i % 3 === 1 ? Buffer.concat([Buffer.from("\x13/multistream/1.0.0\n\x07/noise\n"), junk(200)]) : Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f]), junk(4096)]));
      const isShut = await within(12000, c.closed);
      c.socket.destroy();
      must(isShut, "silent: one that speaks no libp2p is still open");
      return true;
    });
    for (let i = 0; i < 1000 * scale; i++) { conns.push(connect(targets()[i % 2].p2p, away())); if (i % 100 === 99) await sleep(20); }
    const begin = "\x13/multistream/1.0.0\n\x07/noise\n";
    const drip = setInterval(() => { for (let i = 0; i < conns.length; i += 3) { const c = conns[i]; c.at = (c.at ?? 0) + 1; if (c.at <= begin.length && !c.socket.destroyed) c.socket.write(begin[c.at - 1]); } }, 400);
    const all = await within(16000, Promise.all(conns.map((c) => c.closed)));
    clearInterval(drip);
    for (const c of conns) c.socket.destroy();
    must(all, "silent: connections are still open");
    return `and ${await senseless} without sense`;
  });
  await attack("identity", [HANDSHAKE], async () => { must(await each(20 * scale, 10, async (_, node) => { try { const p = await guest(node, { bad: "identity" }); p.socket.destroy(); return true; } catch { return false; } }) === 0, "identity: a false signature passed"); });
  await attack("after", [IO], async () => {
    const shut = await each(100 * scale, 20, async (i, node) => {
      const p = await quiet(guest(node));
      if (!p) return false;
      if (i % 2) { const b = junk(2000); b[0] = 1 + random(255); await p.raw(b); } else p.socket.write(Buffer.concat([Buffer.from([0x10, 0]), junk(4096)]));   // a version that is none; what no key sealed
      const isShut = await within(5000, p.closed);
      p.socket.destroy();
      must(isShut, "after: still open");
      return true;
    });
    return `${shut} shut out`;
  });
  await attack("muxer", [LIMIT], async () => {
    const how = [
      (p) => p.frame(0, FLAG.syn, 1, 0xffffffff),                                                                     // a frame of 4 GiB
      async (p) => { for (let i = 0; i < 300; i++) await p.frame(1, FLAG.syn, 2 * i + 1, 0); },                       // 300 streams at once
      async (p) => { for (let i = 0; i < 2000; i++) { await p.frame(1, FLAG.syn, 2 * i + 1, 0); await p.frame(0, FLAG.rst, 2 * i + 1, 0); } },   // opened and reset
      (p) => p.frame(0, FLAG.syn, 1, 300000, junk(300000)),                                                            // more than the credit
      async (p) => { await p.open(id("status")); for (let i = 0; i < 1000; i++) await p.frame(1, 0, 1, 0xffffffff); },                          // credit beyond any count
    ];
    const shut = how.map(() => 0);
    await each(5 * 6 * scale, 15, async (i, node) => {
      const p = await quiet(guest(node));
      if (!p) return false;
      await quiet(how[i % 5](p));
      if (await within(2000, p.closed)) shut[i % 5]++;
      p.socket.destroy();
      return true;
    });
    must(shut[0] && shut[1] && shut[2] && shut[3], "muxer: not shut out:", shut);
    return `shut out ${shut.join(" ")}`;
  });
  /* Frames that never end: what a connection's bytes cost before any stream counts them. */
  await attack("hold", [LIMIT], async () => {
    const peers = [], body = Buffer.alloc(127000, 7), spread = new Map(targets().map((n) => [n, 0]));
    await each(360, 40, async (i, node) => {
      const p = await quiet(guest(node));
      if (!p) return false;
      peers.push(p);
      await p.frame(0, 0, 99, i % 4 ? 128000 : 1 << 20, body);
      return true;
    });
    await sleep(1500);
    for (const n of targets()) spread.set(n, (await metricsOf(n)).rss - first.get(n).rss);
    for (const p of peers) p.socket.destroy();
    must(Math.max(...spread.values()) <= 64, "hold: memory grew by", [...spread.values()]);
    return `${peers.length} held up to ${Math.max(...spread.values()).toFixed(0)} MiB`;
  });
  await attack("oversize", [LIMIT, "dmg_p2p_refused_streams_total"], async () => {
    const shut = await each(20 * scale, 10, async (i, node) => {
      const p = await quiet(guest(node));
      if (!p) return false;
      for (let k = 0; k < 3 && !p.isDown; k++) {
        const s = await quiet(p.open(id(["cons", "status", "bodies", "body"][(i + k) % 4])));
        if (s) await quiet(s.write(Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), junk(60000)])));
        await s?.ended(2000);
      }
      const isShut = await within(3000, p.closed);
      p.socket.destroy();
      must(isShut, "oversize: still open after three");
      return true;
    });
    return `${shut} shut out`;
  });
  await attack("churn", [], async () => {
    const up = await each(500 * scale, 40, async (i, node) => {
      const p = await quiet(guest(node));
      if (!p) return false;
      if (i % 2) quiet(p.open(id(i % 4 === 1 ? "cons" : "status")));
      if (i % 3 === 0) await sleep(5);
      await p.end();
      return true;
    });
    must(up > 100, "churn: hardly any got in:", up);
    return `${up} came and went`;
  });
  await attack("sybils", [KIND], async () => {
    const peers = [];
    await each(1000, 50, async (_, node) => { const p = await quiet(guest(node)); if (p) peers.push(p); return p; });
    await sleep(1000);
    const held = peers.filter((p) => !p.isDown).length;
    const seen = (await metricsOf(targets()[0])).dmg_p2p_conns;
    for (const p of peers) p.socket.destroy();
    must(held > 100 && seen <= 192 + 16, "sybils: connections held", [held, seen]);
    return `${held} of 1000 were let in, by two nodes`;
  });
  await attack("gossip", [BATCH, "dmg_p2p_gossip_in_total"], async () => {
    const field = (n, b) => Buffer.concat([Buffer.from([(n << 3) | 2]), uv(b.length), b]);
    const topics = ["tx", "final", "foreign"].map((t) => Buffer.from(id(t)));
    const rpc = (b) => Buffer.concat([uv(b.length), b]);
    const subscribe = rpc(Buffer.concat(topics.map((t) => field(1, Buffer.concat([Buffer.from([8, 1]), field(2, t)])))));
    const sent = await each(8, 8, async (_, node) => {
      const p = await quiet(guest(node));
      if (!p) return false;
      const s = await quiet(p.open("/meshsub/1.1.0"));
      if (s) {
        await quiet(s.write(subscribe));
        await sleep(300);
        for (let k = 0; k < 2000 * scale && !p.isDown; k++) { await quiet(s.write(rpc(field(2, Buffer.concat([field(2, junk(50 + random(500))), field(4, topics[k % 3])]))))); if (k % 100 === 99) await sleep(100); }
        await quiet(s.write(Buffer.concat([uv(8 << 20), junk(60000)])));   // an RPC of 8 MiB
      }
      await sleep(300);
      p.socket.destroy();
      return true;
    });
    return `${sent} spammers`;
  });
  if (deafs) await deaf(deafs);
}
async function headHash() {
  const r = await (await fetch(nodes[0].rpc, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "chain_head", params: {} }) })).json();
  return /"hash":"0x([0-9a-f]{64})"/.exec(JSON.stringify(r))[1];
}

/* ---- a validator turns */

const number = (b, view, at) => { b.writeBigUInt64LE(view, at); return b; };
function vote(signer, view, kind = 0) { const b = Buffer.alloc(144); b[0] = 1; b[1] = kind; number(b, BigInt(view), 6); junk(32).copy(b, 14); b.writeUInt16LE(signer, 46); junk(96).copy(b, 48); return b; }
function cert(view) { const b = Buffer.alloc(110); b[0] = 2; number(b, BigInt(view), 6); junk(32).copy(b, 14); b[46] = 7; junk(48).copy(b, 62); return b; }

async function insider() {
  const liar = nodes[3], signer = (await metricsOf(liar)).demiurge_consensus_validator, key = identityOf(4);
  process.kill(liar.pid, "SIGKILL");
  liar.isAlive = false;
  await sleep(1500);
  await measureCalm(5 * Math.min(scale, 3));
  console.log(`     without node 4: ${calm.blocks} blocks, ${calm.lost} views lost in ${calm.s.toFixed(1)} s`);
  /** A stream cons/1 to each of these, again and again as it is shut, for a time; make: the next frame. */
  const turn = (to, ms, perTurn, make, opts = {}) => each(to.length, to.length, async (i) => {
    const node = to[i];
    for (const end = Date.now() + ms; Date.now() < end; await sleep(200)) {
      const p = await quiet(guest(node, { seed: key, ...opts }));
      while (p && !p.isDown && Date.now() < end) {
        const s = await quiet(p.open(id("cons")));
        if (!s) break;
        await quiet(s.frame(hello));
        if (opts.isDeaf) p.socket.pause();
        while (!p.isDown && !s.inbox.ended && Date.now() < end) {
          const view = (await metricsOf(node))['demiurge_consensus_view{kind="current"}'];
          for (let k = 0; k < perTurn && !p.isDown; k++) await quiet(within(500, s.frame(make(k, view))));
          await sleep(50);
        }
      }
      p?.socket.destroy();
    }
    return true;
  });
  const ms = 2500 * scale;
  const [first, second, third] = alive();
  await attack("far", [DROPPED], () => turn([first, second], ms, 20, (k, view) => vote(signer, [BigInt(view) + 1000n + BigInt(random(1e6)), (1n << 64n) - 1n, BigInt(view) + 17n, 1n << 63n][k % 4], k % 2)));
  await attack("mute", [], () => turn([first, second], ms, 1, () => cert(1), { isDeaf: true }));
  await attack("large", [LIMIT], () => turn([first, second], ms, 1, () => junk(70000)));
  /* Who is caught at a lie is shut out for a minute (N8.2): each to one that has not caught it yet. */
  await attack("votes", [CORE], () => turn([first], ms, 20, (k, view) => vote(signer, view + (k % 3), k % 3)));
  await attack("certs", [CORE], () => turn([second], ms, 20, (k, view) => cert(view + (k % 4))));
  await attack("frames", [BAD, FALSE], () => turn([third], ms, 5, (k, view) => [Buffer.concat([Buffer.from([9 + random(200)]), junk(100)]), junk(1 + random(3000)), vote((signer + 1) % 4, view), vote(signer, view).subarray(0, 100), Buffer.alloc(0)][k % 5]));
}

let code = 0;
try {
  for (let end = Date.now() + 20000; ; await sleep(200)) { const now = await look(); if (alive().every((n) => now.get(n).demiurge_net_links === 3 && now.get(n).demiurge_consensus_voting === 1)) break; must(Date.now() < end, "the network does not come up"); }
  await measureCalm(4 * Math.min(scale, 3));
  first = await look();
  console.log(`     without attack: ${calm.blocks} blocks, ${calm.lost} views lost in ${calm.s.toFixed(1)} s`);
  const paying = pay().catch((e) => { payer.error = e; });
  await outsiders();
  await insider();
  payer.isOver = true;
  await paying;
  must(!payer.error, "an honest payment:", payer.error?.message);
  const now = await look();
  const sums = {};
  for (const m of now.values()) for (const [k, v] of Object.entries(m)) if (/^demiurge_net_(closed|refused|bad|dropped)_total/.test(k) && v) sums[k.slice(13)] = (sums[k.slice(13)] ?? 0) + v;
  console.log(`all good: ${passed} attacks; ${JSON.stringify(sums)}`);
} catch (e) {
  console.error(`FAILED: ${e.stack}`);
  for (let i = 1; i <= 4; i++) try { console.error(`--- node ${i}\n${readFileSync(join(dir, `node-${i}/log`), "utf8").split("\n").slice(-8).join("\n")}`); } catch { /* it wrote none */ }
  code = 1;
} finally {
  if (!ended) { const gone = new Promise((yes) => child.once("exit", yes)); child.kill("SIGTERM"); await Promise.race([gone, sleep(10000)]); }
  rmSync(dir, { recursive: true, force: true });
  process.exit(code);
}
