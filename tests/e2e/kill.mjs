/* kill -9 under load, again and again, on RocksDB: after each restart nothing that was final is lost or has moved, and
   the chain goes on.

     node tests/e2e/kill.mjs DEMIURGE [ROUNDS, default 10] [SEED]

   Each round a chain on the same data folder takes transfers from ten senders as fast as they are taken; after a
   random 30 to 400 ms it is killed. What `tx_status` called final is remembered and asked again after the restart. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, http } from "@demiurge/client";
import { balances, toHex } from "@demiurge/codec";
import { devAccount, signTransaction } from "@demiurge/wallet";

const [demiurge, roundsText = "10", seedText = String(Date.now() % 1e9)] = process.argv.slice(2);
const rounds = Number(roundsText);
let seed = Number(seedText);
const random = () => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return (seed >>> 8) / 2 ** 24; };
console.log(`seed ${seedText}`);

const dir = mkdtempSync(join(tmpdir(), "dmg-kill-"));
const names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];
const senders = names.map((name) => devAccount(name));
const final = new Map();      // id -> height
let child = null;

/** Resolves once the chain answers. */
async function start() {
  child = spawn(demiurge, ["dev", "--data", dir, "--port", "0", "-o", "json", "--log", "warn"], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  let text = "";
  for await (const chunk of child.stdout) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  if (!text.includes("\n")) throw new Error(`the node stopped at start, code ${await exited}`);
  return createClient({ transport: http(JSON.parse(text).rpc) });
}
async function kill() {
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exited;
}
const must = (fact, what) => { if (!fact) throw new Error(`not so: ${what}`); };

/** Keeps the pool busy until the node is gone. */
async function load(chain, stop) {
  const { chain: id } = await chain.info();
  const fee = { kind: "EnergyThenFee", max: 10_000_000n, tip: 0n };
  await Promise.all(senders.map(async (from, s) => {
    try {
      while (!stop.now) {
        const { head } = await chain.head();
        let nonce = await chain.nonce(from.address);
        const sent = [];
        for (let i = 0; i < 8; i++, nonce++) {
          const to = senders[(s + 1 + Math.floor(random() * 9)) % 10];
          const call = balances.transfer({ to: to.address, amount: 1n + BigInt(Math.floor(random() * 1000)), memo: new Uint8Array() });
          const body = { version: 1, chain: id, sender: from.address, lane: 0, nonce, expiry: head.height + 400n, gas: 200_000n, fee, sponsor: null, calls: [call], post: [] };
          const tx = await signTransaction(body, from, { withInit: false });
          await chain.submit(tx.bytes);
          sent.push(tx.id);
        }
        for (const txId of sent) {
          const status = await chain.status(txId);
          if (status.kind === "final") final.set(toHex(txId), status.height);
        }
      }
    } catch (e) {
      /* The node was killed in the middle of a call; anything it refused is a fault of this test. */
      if (e.name !== "TransportError" && e.name !== "TypeError") stop.error ??= e;
    }
  }));
}

try {
  let head = 0n;
  for (let round = 0; round <= rounds; round++) {
    const chain = await start();
    const now = (await chain.head()).head.height;
    must(now >= head, `head ${now} is not below ${head}, which was final`);
    let asked = 0;
    for (const [id, height] of [...final].slice(-200)) {
      const status = await chain.status(Uint8Array.from(Buffer.from(id.slice(2), "hex")));
      must(status.kind === "final" && status.height === height, `${id} is final at ${height}: ${status.kind} ${status.height ?? ""}`);
      asked++;
    }
    if (round === rounds) {
      console.log(`${rounds} kills: head ${now}, ${final.size} transactions seen final, none lost`);
      await kill();
      break;
    }
    const stop = { now: false, error: null };
    const busy = load(chain, stop);
    await new Promise((resolve) => setTimeout(resolve, 30 + random() * 370));
    must(child.exitCode === null, `the node runs under load (it stopped by itself, code ${child.exitCode})`);
    const before = (await chain.head()).head.height;
    stop.now = true;
    await kill();
    await busy;
    if (stop.error) throw stop.error;
    head = before;
    if (round % 20 === 0) console.log(`round ${round}: head ${before}, ${final.size} final so far, ${asked} asked again`);
  }
} finally {
  if (child?.exitCode === null && child?.signalCode === null) await kill();
  rmSync(dir, { recursive: true, force: true });
}
