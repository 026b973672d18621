/* A disk that fails under one of four validators (C15.1, S8.6): what was asked to be on disk and is not ends that node at once, before it votes on it.

     node tests/e2e/disk.mjs DEMIURGE [ROUNDS, default 6] [SEED]     beside DEMIURGE lies libdiskfail.so

   Each round node 4 runs on a disk that gives out somewhere: a sync of its vote log, safety file, blocks or database fails once and takes with it what it was to make
   durable, or no more bytes fit. Meanwhile somebody pays by node 1. Then: node 4 has ended by itself and said which file and why; the others went on;
   started again on a sound disk it votes within the time that a restart takes, holds the blocks that they hold, and nobody has a proof of two votes against it. */
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, http } from "@demiurge/client";
import { balances, toHex } from "@demiurge/codec";
import { accountFromSeed, devAccount, seedFromMnemonic, signTransaction } from "@demiurge/wallet";
import { seeded, start } from "./lib.mjs";

const [demiurgePath = "build/dev/demiurge", roundsText = "6", seed] = process.argv.slice(2);
const demiurge = resolve(demiurgePath), library = join(dirname(demiurge), "libdiskfail.so"), rounds = Number(roundsText), below = seeded(seed);
const must = (fact, what, seen = "") => { if (!fact) throw new Error(`not so: ${what} ${seen}`); };

const dir = mkdtempSync(join(tmpdir(), "dmg-disk.")), port = 10000 + (process.pid * 7) % 20000, order = join(dir, "order");
const init = await start(demiurge, ["testnet", "--validators", "4", "--dir", dir, "--port", String(port), "--p2p-port", String(port + 100), "--init-only"]);
const nodes = init.ready.nodes.map((n, i) => ({ ...n, name: `node ${i + 1}`, client: createClient({ transport: http(n.rpc) }) }));
const [one, , , four] = nodes;

/** Starts a node; what it says goes to its file `said`. */
function run(node, env = {}) {
  node.said = join(dir, `said-${nodes.indexOf(node) + 1}`);
  const fd = openSync(node.said, "w");
  node.ended = null;
  node.child = spawn(demiurge, ["node", "run", "--config", join(node.data, "config.toml")], { stdio: ["ignore", fd, fd], env: { ...process.env, ...env } });
  closeSync(fd);
  node.exit = new Promise((done) => node.child.once("exit", (code, signal) => { node.ended = { code, signal }; done(node.ended); }));
}

async function metricsOf(node) {
  try {
    const text = await (await fetch(node.rpc.replace("/rpc", "/metrics"), { signal: AbortSignal.timeout(2000) })).text();
    return Object.fromEntries(text.split("\n").filter((l) => l && l[0] !== "#").map((l) => [l.slice(0, l.lastIndexOf(" ")), Number(l.slice(l.lastIndexOf(" ") + 1))]));
  } catch { return null; }
}
const heightOf = async (node) => (await metricsOf(node))?.['demiurge_chain_height{kind="final"}'] ?? -1;

async function until(what, seconds, fact) {
  for (const end = Date.now() + seconds * 1000; !(await fact()); await sleep(100)) must(Date.now() < end, `${what} within ${seconds} s`);
}
/** Its height, asked for again while it is too busy to answer. */
async function told(node) {
  let height = -1;
  await until(`${node.name} tells its height`, 30, async () => { height = await heightOf(node); return height >= 0; });
  return height;
}
/** It votes, and what it votes on becomes final there. */
async function votes(node) {
  let from = null;
  await until(`${node.name} votes`, 120, async () => {
    must(!node.ended, `${node.name} runs:`, node.ended && readFileSync(node.said, "utf8"));
    const m = await metricsOf(node);
    if (m?.demiurge_consensus_voting !== 1) return false;
    from ??= { votes: m.demiurge_consensus_votes_total, height: m['demiurge_chain_height{kind="final"}'] };
    return m.demiurge_consensus_votes_total >= from.votes + 8 && m['demiurge_chain_height{kind="final"}'] >= from.height + 4;
  });
}

/** Somebody pays by node 1 as long as it lasts, so that there are bodies and states to store. */
const payer = { isOver: false, paid: 0 };
async function pay() {
  const me = accountFromSeed(seedFromMnemonic(readFileSync(join(dir, "mnemonic"), "utf8"))), to = devAccount("bob").address, { chain } = await one.client.info();
  for (let nonce = await one.client.nonce(me.address); !payer.isOver; nonce++) {
    const { head } = await one.client.head();
    const body = { version: 1, chain, sender: me.address, lane: 0, nonce, expiry: head.height + 400n, gas: 200_000n, fee: { kind: "EnergyThenFee", max: 10_000_000n, tip: 0n }, sponsor: null,
      calls: [balances.transfer({ to, amount: 1n, memo: new Uint8Array() })], post: [] };
    const tx = await signTransaction(body, me, { withInit: nonce === 0n });
    await one.client.submit(tx.bytes);
    while ((await one.client.status(tx.id)).kind !== "final") await sleep(50);
    payer.paid++;
  }
}

/* What gives out, and after how many calls at most. Database: written through to disk when its log is full or a block commits. */
const PLACES = [["sync", "/wal/", 40], ["sync", "/safety.bin", 40], ["sync", "/blocks/", 20], ["sync", "/db/", 10], ["full", "/wal/", 60], ["full", "/db/", 30]];

try {
  for (const n of nodes.slice(0, 3)) run(n);
  await until("three validators have blocks", 30, async () => (await Promise.all(nodes.slice(0, 3).map(heightOf))).every((h) => h > 0));
  const paying = pay();
  paying.catch(() => {});
  for (let round = 1; round <= rounds; round++) {
    const [what, part, most] = PLACES[(round - 1) % PLACES.length], after = below(most);
    rmSync(order, { force: true });
    run(four, { LD_PRELOAD: library, DISKFAIL: order });
    await votes(four);
    const was = await told(four);
    writeFileSync(order, `${round} ${what} ${part} ${after}\n`);
    const ended = await Promise.race([four.exit, sleep(120000)]);
    const said = readFileSync(four.said, "utf8"), fired = existsSync(`${order}.fired`) ? readFileSync(`${order}.fired`, "utf8").trim().split("\n").pop() : "";
    must(fired.startsWith(`${round} `), "the disk failed:", `${what} ${part}`);
    must(ended && ended.code === 1, "the node ended by itself with code 1:", `${JSON.stringify(ended)} ${said}`);
    const file = fired.slice(fired.indexOf(" ") + 1), why = what === "sync" ? "Input/output error" : "No space left on device";
    const line = said.split("\n").find((l) => l.includes(why));
    must(line?.includes(file) || line?.includes(part.replaceAll("/", "")), `its log names ${file} and "${why}":`, said);
    const then = await told(one);
    await until("the others go on", 30, async () => (await heightOf(one)) > then);
    run(four);
    await votes(four);
    const height = BigInt(await told(four)), hashes = await Promise.all([one, four].map(async (n) => toHex((await n.client.header({ height })).at.hash)));
    must(hashes[0] === hashes[1], `block ${height} is the same:`, hashes);
    must(Number(height) > was, "it is further than before");
    for (const n of nodes) must(!existsSync(join(n.data, "evidence")), `${n.name} has no proof against anybody`);
    console.log(`round ${round}: ${what} ${part.replaceAll("/", "")}, call ${after + 1}: ended at ${was}, votes again at ${height}`);
    four.child.kill("SIGTERM");
    must((await four.exit).code === 0, "it stops when asked to");
  }
  payer.isOver = true;
  await paying;
  must(payer.paid > rounds, "payments were final meanwhile:", payer.paid);
  console.log(`a failing disk under one of four validators: ${rounds} rounds, ${payer.paid} payments`);
} finally {
  for (const n of nodes) if (n.child && !n.ended) { n.child.kill("SIGKILL"); await n.exit; }
  rmSync(dir, { recursive: true, force: true });
}
