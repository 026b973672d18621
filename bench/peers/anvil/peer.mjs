/* anvil (npm @foundry-rs/anvil): revm behind JSON-RPC. The signed transfers go into its pool in batches, then one evm_mine puts all
   of them into one block. In memory; a state root each block. */
import { createRequire } from "node:module";
import os from "node:os";
import { accounts, checkHoldings, hex, START, signed } from "../../lib/eth.mjs";
import { batches, JsonRpc } from "../../lib/jsonrpc.mjs";
import { firstLine, Stretch } from "../../lib/measure.mjs";
import { freePort, Server } from "../../lib/server.mjs";
import { digest, MIXES, workload } from "../../lib/workload.mjs";

const arch = { x64: "amd64", arm64: "arm64" }[os.arch()];
export const anvilBinary = createRequire(import.meta.url).resolve(`@foundry-rs/anvil-linux-${arch}/bin/anvil`);
const CHAIN = 31337n;

const who = accounts();
const bodies = {};

export const anvil = {
  name: "anvil",
  text: firstLine(anvilBinary, ["--version"]).replace(" Version:", ""),
  differs:
    "secp256k1 with key recovery; one block made by hand, in memory, no consensus, no disk; a plain transfer of the EVM runs no code",
  async prepare(mixes = MIXES) {
    for (const mix of mixes)
      bodies[mix] ??= batches(
        "eth_sendRawTransaction",
        signed(who, mix, CHAIN).map((t) => [t]),
      );
  },
  async run(mix) {
    const list = workload(mix);
    const port = await freePort();
    const args = [
      "--no-mining",
      "--host",
      "127.0.0.1",
      "--port",
      port,
      "--chain-id",
      CHAIN,
      "--gas-limit",
      1_000_000_000,
      "--order",
      "fifo",
      "--accounts",
      1,
      "--quiet",
    ];
    const server = new Server(anvilBinary, args.map(String));
    const rpc = new JsonRpc(`http://127.0.0.1:${port}/`);
    try {
      await server.ready(() => rpc.call("eth_chainId", []));
      await rpc.many(
        "anvil_setBalance",
        who.map((a) => [a.address, hex(START)]),
      );
      const stretch = new Stretch(server);
      const ids = await rpc.sendBatches(bodies[mix]);
      stretch.mark("RPC, decode, verify, pool");
      await rpc.call("evm_mine", []);
      stretch.mark("execute, root, commit (evm_mine)");
      const figures = stretch.end();
      const block = await rpc.call("eth_getBlockByNumber", ["latest", false]);
      if (block.transactions.length !== ids.length)
        throw new Error(`the block has ${block.transactions.length} of ${ids.length}`);
      await checkHoldings(rpc, who, mix);
      return { digest: digest(list), cnt: list.length, ...figures };
    } finally {
      rpc.close();
      await server.stop();
    }
  },
};
