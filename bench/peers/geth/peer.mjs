/* geth --dev --dev.period 1: the signed transfers go into its pool in batches; a block is made every second and may hold all.
   Measured until the last transfer is in a block. */
import { setTimeout as sleep } from "node:timers/promises";
import { accounts, checkHoldings, signed } from "../../lib/eth.mjs";
import { batches } from "../../lib/jsonrpc.mjs";
import { Stretch, wallSeconds } from "../../lib/measure.mjs";
import { digest, MIXES, workload } from "../../lib/workload.mjs";
import { CHAIN, fund, geth, gethVersion, startGeth } from "./geth.mjs";

const who = accounts();
const bodies = {};

/** Transactions in the blocks after `from`, up to the head. */
async function included(rpc, from) {
  const head = Number(await rpc.call("eth_blockNumber", []));
  const numbers = Array.from({ length: head - from }, (_, i) => [`0x${(from + 1 + i).toString(16)}`]);
  const counts = numbers.length ? await rpc.many("eth_getBlockTransactionCountByNumber", numbers) : [];
  return counts.reduce((sum, n) => sum + Number(n), 0);
}

export const gethDev = {
  name: "geth",
  get text() {
    return gethVersion();
  },
  differs:
    "secp256k1 with key recovery; a block every second: the wall time has up to 1 s of waiting in it; in memory, no disk; a plain transfer runs no code",
  async prepare(mixes = MIXES) {
    geth();
    for (const mix of mixes)
      bodies[mix] ??= batches(
        "eth_sendRawTransaction",
        signed(who, mix, CHAIN).map((t) => [t]),
      );
  },
  async run(mix) {
    const list = workload(mix);
    const { server, rpc, stop } = await startGeth({ period: 1 });
    try {
      await fund(rpc, who);
      const from = Number(await rpc.call("eth_blockNumber", []));
      const stretch = new Stretch(server);
      await rpc.sendBatches(bodies[mix]);
      stretch.mark("RPC, decode, verify, pool");
      const end = wallSeconds() + 60;
      while ((await included(rpc, from)) < list.length) {
        if (wallSeconds() > end)
          throw new Error(`only ${await included(rpc, from)} of ${list.length} in blocks after 60 s`);
        await sleep(10);
      }
      stretch.mark("the rest until all are in blocks");
      const figures = stretch.end();
      await checkHoldings(rpc, who, mix);
      return { digest: digest(list), cnt: list.length, ...figures };
    } finally {
      await stop();
    }
  },
};
