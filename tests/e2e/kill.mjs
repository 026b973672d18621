/* kill -9 under load, again and again, on RocksDB: after each restart nothing that was final is lost or has moved, and
   the chain goes on.

     node tests/e2e/kill.mjs DEMIURGE [ROUNDS, default 10] [SEED]

   Each round a chain on the same data folder takes transfers from ten senders as fast as they are taken; after a
   random 30 to 400 ms it is killed. What `tx_status` called final is remembered and asked again after the restart. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, http } from "@demiurge/client";
import { balances, toHex } from "@demiurge/codec";
import { devAccount, signTransaction } from "@demiurge/wallet";
import { seeded, start } from "./lib.mjs";

const [demiurge, roundsText = "10", seed] = process.argv.slice(2);
const rounds = Number(roundsText);
const below = seeded(seed);

const dir = mkdtempSync(join(tmpdir(), "dmg-kill-"));
const names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];
const senders = names.map((name) => devAccount(name));
const final = new Map();      // id -> height
let node = null;

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
          const to = senders[(s + 1 + below(9)) % 10];
          const call = balances.transfer({ to: to.address, amount: 1n + BigInt(below(1000)), memo: new Uint8Array() });
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
    node = await start(demiurge, ["dev", "--data", dir, "--port", "0", "--log", "warn"]);
    const chain = createClient({ transport: http(node.ready.rpc) });
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
      await node.kill();
      break;
    }
    const stop = { now: false, error: null };
    const busy = load(chain, stop);
    await sleep(30 + below(370));
    must(!node.ended, `the node runs under load (it stopped by itself: ${JSON.stringify(node.ended)})`);
    const before = (await chain.head()).head.height;
    stop.now = true;
    await node.kill();
    await busy;
    if (stop.error) throw stop.error;
    head = before;
    if (round % 20 === 0) console.log(`round ${round}: head ${before}, ${final.size} final so far, ${asked} asked again`);
  }
} finally {
  await node?.kill();
  rmSync(dir, { recursive: true, force: true });
}
