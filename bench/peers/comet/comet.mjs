/* CometBFT as a fleet of the laboratory (tests/netlab/lab.mjs), built from its Go module by go.mod and go.sum here: `cometbft testnet`, each node
   with the kvstore application in its own process, as shipped but for addresses; or

     tuned    timeout_commit = 0s, skip_timeout_commit, timeout_propose = 500ms
     libp2p   tuned, and p2p.libp2p in the place of its own transport (QUIC)

   A transaction is key=value of as many bytes as asked; it is final when a NewBlock event of a node's WebSocket has it (one block is final at once).
   `test/loadtime`'s `load` is built too, for `loadtime()`: it sends each second's transactions at once, so the driver's own pace is what is compared. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { address, die, Fleet, Process, Stream } from "../../../tests/netlab/lab.mjs";
import { workload } from "../../lib/workload.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = fileURLToPath(new URL("../../../build/bench-peers", import.meta.url));
const RPC_PORT = 26657;
const P2P_PORT = 26656;
const MODULE = "github.com/cometbft/cometbft";

function build(name, pkg) {
  const binary = path.join(out, name);
  if (!existsSync(binary)) {
    mkdirSync(out, { recursive: true });
    execFileSync("nice", ["-n", "15", "go", "build", "-p", "2", "-trimpath", "-buildvcs=false", "-o", binary, `${MODULE}/${pkg}`], { cwd: here, stdio: ["ignore", "ignore", "inherit"] });
  }
  return binary;
}
/** The binary; about two minutes the first time. */
export const cometbft = () => build("cometbft", "cmd/cometbft");
export const loadtime = () => build("cometbft-load", "test/loadtime/cmd/load");
/* The module's version: the binary of v0.40.0 calls itself 0.39.0. */
const version = () => `CometBFT ${new RegExp(`${MODULE} (v[0-9.]+)`).exec(readFileSync(path.join(here, "go.mod"), "utf8"))?.[1] ?? die("go.mod names no CometBFT")}`;

const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/** The libp2p id of an Ed25519 key: base58 of the identity hash of its protobuf. */
function libp2pId(key) {
  let v = BigInt(`0x${Buffer.concat([Buffer.from("002408011220", "hex"), key]).toString("hex")}`);
  let text = "";
  for (; v > 0n; v /= 58n) text = BASE58[Number(v % 58n)] + text;
  return `1${text}`; /* of the leading zero byte */
}

function makeWith({ isTuned, isLibp2p }) {
  return (dir, n) => {
    const net = path.join(dir, "net");
    execFileSync(cometbft(), ["testnet", "--v", `${n}`, "--o", net, "--node-dir-prefix", "node", "--starting-ip-address", "10.1.1.1"], { stdio: ["ignore", "ignore", "inherit"] });
    const keys = Array.from({ length: n }, (_, i) => Buffer.from(JSON.parse(readFileSync(path.join(net, `node${i}`, "config/node_key.json"), "utf8")).priv_key.value, "base64").subarray(32));
    const ids = keys.map((k) => createHash("sha256").update(k).digest("hex").slice(0, 40));
    for (let i = 0; i < n; i++) {
      const others = keys.map((_, k) => k).filter((k) => k !== i);
      const set = (text, key, value) => (new RegExp(`^${key} = .*$`, "m").test(text) ? text.replace(new RegExp(`^${key} = .*$`, "m"), () => `${key} = ${value}`) : die(`config.toml has no ${key}`));
      const file = path.join(net, `node${i}`, "config/config.toml");
      let text = readFileSync(file, "utf8");
      text = set(text, "persistent_peers", `"${others.map((k) => `${ids[k]}@${address(k)}:${P2P_PORT}`).join(",")}"`);
      text = text.replace('laddr = "tcp://127.0.0.1:26657"', `laddr = "tcp://0.0.0.0:${RPC_PORT}"`);
      if (isTuned) for (const [k, v] of [["timeout_commit", '"0s"'], ["skip_timeout_commit", "true"], ["timeout_propose", '"500ms"']]) text = set(text, k, v);
      if (isLibp2p) {
        const peers = others.map((k) => `{ host = "${address(k)}:${P2P_PORT}", id = "${libp2pId(keys[k])}", persistent = true }`);
        text = text.replace(/(\[p2p\.libp2p\][^[]*?)enabled = false/, (_, before) => `${before}enabled = true`);
        if (!/enabled = true/.test(text)) die("config.toml has no p2p.libp2p");
        /* The key stands in what `testnet` writes, commented or not; ours goes right behind enabled. */
        text = text.replace(/^bootstrap_peers = .*$/m, "").replace(/enabled = true/, `enabled = true\nbootstrap_peers = [${peers.join(", ")}]`);
      }
      writeFileSync(file, text);
    }
  };
}

class Comet extends Fleet {
  constructor(dir, n) {
    const nodes = Array.from({ length: n }, (_, i) => {
      const home = path.join(dir, "net", `node${i}`);
      return new Process(i, home, dir, [cometbft(), "start", "--proxy_app", "kvstore", "--home", home, "--log_level", "error"]);
    });
    super(nodes, (i) => `http://${address(i)}:${RPC_PORT}/`);
  }
  heightOf = async (i) => Number((await this.call(i, "status")).sync_info.latest_block_height);
  async watch(i, onBlock) {
    const nodeOf = new Map();
    for (const x of this.nodes) nodeOf.set((await this.call(x.i, "status")).validator_info.address, x.i);
    return new Stream(`ws://${address(i)}:${RPC_PORT}/websocket`, {}, () => ({ jsonrpc: "2.0", id: 1, method: "subscribe", params: { query: "tm.event='NewBlock'" } }), (x, at) => {
      if (x.error) die(`subscribe: ${JSON.stringify(x.error)}`);
      const b = x.result?.data?.value?.block;
      if (b) onBlock({ height: Number(b.header.height), at, node: nodeOf.get(b.header.proposer_address), keys: (b.data.txs ?? []).map((t) => t.slice(0, 12)) });
    });
  }
  /** cnt transactions; the first 9 bytes name one, so 12 characters of its base64 do. */
  async prepare(cnt, sz) {
    this.txSz = sz;
    return workload("uniform", { cnt }).map((t, i) => {
      const key = `t${String(i).padStart(8, "0")}`;
      let seed = i;
      let value = "";
      for (; value.length < sz - key.length - 1; seed++) value += createHash("sha256").update(`value ${i} ${seed}`).digest("hex");
      const bytes = Buffer.from(`${key}=${value}`.slice(0, sz));
      return { ...t, tx: bytes.toString("base64"), key: bytes.subarray(0, 9).toString("base64") };
    });
  }
  async submit(i, t) {
    const r = await this.call(i, "broadcast_tx_sync", { tx: t.tx });
    return r.code === 0 ? t.key : die(`refused: ${JSON.stringify(r)}`);
  }
}

const kind = (label, how) =>
  class extends Comet {
    static label = label;
    static version = version;
    static make = makeWith(how);
  };
export const CometShipped = kind("comet, as shipped", {});
export const CometTuned = kind("comet, tuned", { isTuned: true });
export const CometLibp2p = kind("comet, tuned, libp2p", { isTuned: true, isLibp2p: true });
