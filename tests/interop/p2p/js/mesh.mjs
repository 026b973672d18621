/**
 * mesh.mjs INTEROP_NODE INTEROP_GO: one gossip mesh of 12 on topic tx of a chain at genesis (N12.1): 4 of ours (interop_node: the node's network machines), 4 of
 * js-libp2p, 4 of go-libp2p, of gossipsub 1.1, 1.2 and 1.3. No two of a kind are neighbours, so that nothing comes from one to another but through foreign hands.
 *
 *   a line     each must pass on what comes from one side, or the other side has nothing
 *   a ring of twelve with chords: each message comes to a peer up to four times and is given to it once
 *   a liar     (js) at two of ours: what it sends falsely goes no further, and costs it its place; the others go on
 *
 * All ids on the wire (IDONTWANT) are those that js and go compute from the bytes by N7.2. Exit 0 if all of it holds.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { gossipsub } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";

const WAIT_MS = 30_000;
const COUNT = 12;
const KINDS = ["ours", "js", "go"];
/** By place; ours speak all of them. 1.3 is go's and ours. */
const VERSIONS = { 1: "1.2", 2: "1.3", 4: "1.1", 5: "1.2", 7: "1.2", 8: "1.1", 10: "1.2", 11: "1.3" };
/** A batch of one transaction of this size: N7.2 announces what is above 1 KiB by IDONTWANT. */
const SIZES = [3000, 100, 60_000, 1500];
const ANNOUNCED_MIN = 1500;

const [node, go] = process.argv.slice(2);
if (go === undefined) {
  console.error("usage: mesh.mjs INTEROP_NODE INTEROP_GO");
  process.exit(2);
}
const peers = [];
function fail(what) {
  console.error(`mixed mesh: ${what}`);
  process.exit(1);
}
setTimeout(() => fail("the whole check took more than two minutes"), 120_000).unref();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(what, cond) {
  for (const end = Date.now() + WAIT_MS; !(await cond()); await sleep(20)) if (Date.now() > end) fail(`waited in vain for ${typeof what === "string" ? what : what()}`);
}

// ---- the chain's names and ids, from the rules ----

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const tagged = (tag, ...parts) => sha256(sha256(tag), sha256(tag), ...parts);
const GENESIS_FORK = Buffer.concat([Buffer.alloc(32, 0x42), Buffer.alloc(4)]);
const NET8 = tagged("dmg/net/id/v1", GENESIS_FORK).toString("hex", 0, 4);
const TOPIC = `/dmg/${NET8}/tx/1`;
const STATUS = `/dmg/${NET8}/status/1`;

function uv(value) {
  const out = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) out.push((value % 128) | 0x80);
  return Uint8Array.of(...out, value);
}
const idOf = (topic, data) => tagged("dmg/net/gossip/v1", uv(topic.length), topic, data).subarray(0, 20);

const batchOf = (tx) => Buffer.concat([uv(1), uv(tx.length), tx]);
const txOf = (name, size) => Buffer.from(name.padEnd(size));
const nameOf = (tx) => tx.toString("latin1").split(" ", 1)[0];

/** The transactions of a batch: list<1..512> of bytes<65536>, each length in its shortest form; null: it is none. */
function batch(data) {
  let at = 0;
  const number = () => {
    for (let value = 0, shift = 0; shift < 21; shift += 7) {
      const byte = data[at++];
      if (byte === undefined || (byte === 0 && shift > 0)) return -1;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return -1;
  };
  const count = number();
  if (count < 1 || count > 512) return null;
  const txs = [];
  for (let i = 0; i < count; i++) {
    const size = number();
    if (size < 1 || size > 65_536 || at + size > data.length) return null;
    txs.push(Buffer.from(data.subarray(at, at + size)));
    at += size;
  }
  return at === data.length ? txs : null;
}
const isBad = (txs) => txs === null || txs.some((tx) => tx[0] === "X".charCodeAt(0));

// ---- peers: lines in, lines out (interop_node.c, mesh.go) ----

class Peer {
  constructor(place) {
    Object.assign(this, { place, kind: KINDS[place % 3], name: `${KINDS[place % 3]}-${place}` });
    Object.assign(this, { seen: new Map(), ids: new Map(), told: new Map(), protos: new Map(), bad: 0, asked: new Set(), links: new Set(), report: [], reports: 0 });
  }

  line(text) {
    if (process.env.VERBOSE) console.log(`  ${this.name} < ${text.slice(0, 200)}`);
    const [verb, a, b] = text.split(" ");
    if (verb === "self") this.id = a;
    else if (verb === "listen") this.addr = a;
    else if (verb === "tx") {
      this.seen.set(b, (this.seen.get(b) ?? 0) + 1);
      if (a !== "-") this.ids.set(b, a);
    } else if (verb === "id") this.told.set(a, (this.told.get(a) ?? new Set()).add(b));
    else if (verb === "proto") this.protos.set(a, b);
    else if (verb === "status") this.asked.add(a);
    else if (verb === "bad" && this.kind !== "ours") this.bad++;
    else if (verb === "failed") fail(`${this.name} says: ${text}`);
    else if (verb === "done") this.reports++;
    else this.report.push([verb, a, b, text]);
  }

  /** Lines of its report that begin with a word. */
  async ask(word) {
    this.report = [];
    const before = this.reports;
    this.say("report");
    await until(`a report of ${this.name}`, () => this.reports > before);
    return this.report.filter(([verb]) => verb === word);
  }
  async mesh() {
    return new Set((await this.ask("mesh")).map(([, , id]) => id));
  }
}

class Child extends Peer {
  constructor(place, program, ...args) {
    super(place);
    this.child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.child.on("exit", (code) => fail(`${this.name} ended with ${code}`));
    process.on("exit", () => this.child.kill("SIGKILL"));
    createInterface({ input: this.child.stdout }).on("line", (line) => this.line(line));
  }
  say(words) {
    this.child.stdin.write(`${words}\n`);
  }
}

class Js extends Peer {
  async start(version) {
    this.libp2p = await createLibp2p({
      start: false,
      addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: {
        identify: identify(),
        pubsub: gossipsub({ globalSignaturePolicy: "StrictNoSign", emitSelf: false, msgIdFn: (message) => idOf(message.topic, message.data) }),
      },
    });
    const pubsub = this.libp2p.services.pubsub;
    pubsub.protocols = pubsub.protocols.filter((one) => one <= `/meshsub/${version}.0`);
    // What others put on the wire.
    const idontwant = pubsub.handleIdontwant.bind(pubsub);
    pubsub.handleIdontwant = (from, list) => {
      for (const { messageIDs } of list) for (const id of messageIDs) this.line(`id ${from} ${Buffer.from(id).toString("hex")}`);
      return idontwant(from, list);
    };
    pubsub.addEventListener("gossipsub:message", ({ detail }) => {
      for (const tx of batch(detail.msg.data) ?? []) this.line(`tx ${idOf(detail.msg.topic, detail.msg.data).toString("hex")} ${nameOf(tx)}`);
    });
    await this.libp2p.start();
    await this.libp2p.handle(STATUS, (stream) => this.status(stream));
    pubsub.subscribe(TOPIC);
    this.pubsub = pubsub;
    this.line(`self ${this.libp2p.peerId}`);
    this.line(`listen ${this.libp2p.getMultiaddrs()[0].toString().replace(/\/p2p\/.*/, "")}`);
    return this;
  }
  judges() {
    this.pubsub.topicValidators.set(TOPIC, (from, message) => {
      if (!isBad(batch(message.data))) return "accept";
      this.line(`bad ${from}`);
      return "reject";
    });
    return this;
  }
  /** We, too, are at genesis: the answer is the question. */
  async status(stream) {
    const parts = [];
    for await (const part of stream) parts.push(part.subarray());
    const question = Buffer.concat(parts);
    if (question.length !== 217 || question.compare(GENESIS_FORK, 0, 36, 2, 38) !== 0) fail(`${this.name} was asked status by ${question.length} bytes`);
    stream.send(Buffer.concat([Uint8Array.of(0), question]));
    await stream.close();
    this.asked.add("one");
  }
  say(words) {
    const [verb, a, b] = words.split(" ");
    const work = async () => {
      if (verb === "dial") await this.libp2p.dial(multiaddr(`${b}/p2p/${a}`));
      if (verb === "tx") await this.publish(batchOf(txOf(a, Number(b))));
      if (verb !== "report") return;
      for (const id of this.pubsub.getMeshPeers(TOPIC)) this.line(`mesh ${TOPIC} ${id}`);
      for (const [id, stream] of this.pubsub.streamsOutbound) this.line(`proto ${id} ${stream.protocol}`);
      this.line("done");
    };
    work().catch((error) => fail(`${this.name}: ${words}: ${error.message}`));
  }
  publish(data) {
    return this.pubsub.publish(TOPIC, data);
  }
}

// ---- links ----

async function link(pairs) {
  for (const [from, to] of pairs) {
    from.links.add(to);
    to.links.add(from);
    from.say(`dial ${to.id} ${to.addr}`);
  }
  for (const peer of peers) {
    let have = new Set();
    await until(
      () => `${peer.name}'s mesh: it has ${[...have].map((id) => peers.find((one) => one.id === id)?.name)} of ${[...peer.links].map((one) => one.name)}`,
      async () => {
        have = await peer.mesh();
        return [...peer.links].every((one) => have.has(one.id));
      },
    );
  }
}

const published = new Map(); // name -> { size, from }
/** Each peer publishes one of each size; all eleven others get it. */
async function round(word, sizes) {
  for (const size of sizes) {
    for (const peer of peers) {
      const name = `${word}-${size}-of-${peer.name}`;
      published.set(name, { size, from: peer });
      peer.say(`tx ${name} ${size}`);
    }
    for (const peer of peers) {
      const missing = () => [...published].filter(([name, { from }]) => from !== peer && !peer.seen.has(name)).map(([name]) => name);
      await until(
        () => `${missing()} at ${peer.name}`,
        () => missing().length === 0,
      );
    }
  }
}
/** Once, and nothing else. */
function once(extra) {
  for (const peer of peers) {
    for (const [name, times] of peer.seen) {
      if (times !== 1) fail(`${peer.name} was given ${name} ${times} times`);
      if (published.get(name)?.from === peer || (!published.has(name) && !extra.includes(name))) fail(`${peer.name} was given ${name}`);
    }
    for (const name of extra) if (!peer.seen.has(name)) fail(`${peer.name} was not given ${name}`);
  }
}

// ---- the twelve ----

for (let place = 0; place < COUNT; place++) {
  const kind = KINDS[place % 3];
  if (kind === "ours") peers.push(new Child(place, node, String(100 + place)));
  else if (kind === "go") peers.push(new Child(place, go, "mesh", VERSIONS[place], NET8));
  else peers.push((await new Js(place).start(VERSIONS[place])).judges());
}
await until("addresses", () => peers.every((peer) => peer.addr !== undefined));
const at = (place) => peers[place % COUNT];
const ours = peers.filter((peer) => peer.kind === "ours");

await link(peers.slice(1).map((peer, i) => [at(i), peer]));
await round("line", SIZES);
console.log("a line of 12: what each publishes comes to all");

// The chords are dialled the other way round: each kind has dialled each.
await link([[at(COUNT - 1), at(0)], ...peers.map((peer) => [at(peer.place + 4), peer])]);
await round("ring", SIZES);
await round("again", [1500, 3000]);
await sleep(500);
once([]);
console.log(`a ring with chords: ${published.size} messages, each once at each of the eleven others`);

// Versions as each side has agreed on them.
for (const peer of peers.filter((one) => one.kind !== "ours")) {
  await peer.ask("mesh");
  for (const other of peer.links) {
    const [mine, theirs] = [VERSIONS[peer.place], VERSIONS[other.place] ?? "1.3"];
    const want = `/meshsub/${[mine, theirs].sort()[0]}.0`;
    if (peer.protos.get(other.id) !== want) fail(`${peer.name} speaks ${peer.protos.get(other.id)} with ${other.name}, not ${want}`);
  }
}
for (const peer of ours) {
  const want = {};
  for (const other of peer.links) want[VERSIONS[other.place]] = (want[VERSIONS[other.place]] ?? 0) + 1;
  const text = (await peer.ask("metric")).map(([, , , line]) => line).join("\n");
  for (const version of ["1.1", "1.2", "1.3"]) {
    const have = Number(new RegExp(`v${version.replace(".", "_")}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
    if (have !== (want[version] ?? 0)) fail(`${peer.name} has ${have} peers of ${version}, not ${want[version] ?? 0}:\n${text}`);
  }
}
console.log("gossipsub 1.1, 1.2 and 1.3 in one mesh");

// Ids: one a message, whoever computes it, and the same in what each kind says of it on the wire.
const ids = new Map();
for (const peer of peers)
  for (const [name, id] of peer.ids) {
    if (ids.get(id) !== undefined && ids.get(id) !== name) fail(`${name} and ${ids.get(id)} have one id`);
    if ([...ids].some(([other, of]) => of === name && other !== id)) fail(`${name} has two ids`);
    ids.set(id, name);
  }
if (ids.size !== published.size) fail(`${ids.size} ids of ${published.size} messages`);
const saidBy = { ours: new Set(), js: new Set(), go: new Set() };
for (const peer of peers)
  for (const [from, told] of peer.told) {
    const teller = peers.find((one) => one.id === from);
    for (const id of told) {
      if (!ids.has(id)) fail(`${teller.name} told ${peer.name} of an id that is none: ${id}`);
      saidBy[teller.kind].add(ids.get(id));
    }
  }
// On the line who is told may be one that does not write it down (ours), or speaks 1.1.
for (const kind of KINDS) for (const [name, { size }] of published) if (size >= ANNOUNCED_MIN && !name.startsWith("line") && !saidBy[kind].has(name)) fail(`none of ${kind} told the id of ${name}`);
console.log(`ids equal: ${KINDS.map((kind) => `${saidBy[kind].size} told by ${kind}`).join(", ")}`);

for (const peer of peers.filter((one) => one.kind === "js")) if (peer.asked.size === 0) fail(`${peer.name} was not asked its status`);
for (const peer of peers.filter((one) => one.kind === "go")) for (const other of peer.links) if (other.kind === "ours" && !peer.asked.has(other.id)) fail(`${other.name} has not asked ${peer.name} its status`);

// ---- a liar, at two of ours ----

const liar = await new Js(COUNT + 1).start("1.2");
const near = [at(0), at(6)];
for (const peer of near) {
  await liar.libp2p.dial(multiaddr(`${peer.addr}/p2p/${peer.id}`));
  await until(`the liar in the mesh of ${peer.name}`, async () => (await peer.mesh()).has(liar.id));
}
await until("the liar's mesh", () => near.every((peer) => liar.pubsub.getMeshPeers(TOPIC).includes(peer.id)));
await liar.publish(batchOf(txOf("honest-word", 2000)));
await until("a true batch of the liar", () => peers.every((peer) => peer.seen.has("honest-word")));
const scoreOf = async (peer, id) => Number((await peer.ask("score")).find(([, one]) => one === id)?.[2]);
const badOf = async (peer) => Number((await peer.ask("bad"))[0][1]);
for (let i = 0; i < 10; i++) {
  // By turns no batch (a byte too many), and a batch whose transaction can never have been right.
  await liar.publish(i % 2 === 0 ? Buffer.concat([batchOf(txOf(`false-${i}`, 2000)), Buffer.of(0)]) : batchOf(txOf(`X-${i}`, 2000)));
  await sleep(50);
}
for (const peer of near) {
  await until(
    () => `the liar's fall at ${peer.name}`,
    async () => (await scoreOf(peer, liar.id)) < -2500 && !(await peer.mesh()).has(liar.id),
  );
  const [bad, score] = [await badOf(peer), await scoreOf(peer, liar.id)];
  // The fifth takes it to the graylist's threshold; on a busy machine it falls before the sixth is judged.
  if (bad < 5) fail(`${peer.name} counts ${bad} false batches`);
  console.log(`the liar at ${peer.name}: ${bad} false batches, score ${score}`);
}
// Below the graylist's threshold (N7.4) its true word is not heard either, though it is still sent.
const { recipients } = await liar.publish(batchOf(txOf("late-word", 2000)));
if (!near.every((peer) => recipients.some((one) => one.toString() === peer.id))) fail("the liar's late word was not sent");
await round("after", [1500, 100]);
await sleep(1000);
once(["honest-word"]);
for (const peer of peers) {
  if (!near.includes(peer) && (peer.kind === "ours" ? await badOf(peer) : peer.bad) !== 0) fail(`a lie came to ${peer.name}`);
  if (peer.kind !== "ours") continue;
  const have = await peer.mesh();
  for (const other of peer.links) {
    if (!have.has(other.id)) fail(`${other.name} is no longer in the mesh of ${peer.name}`);
    if (!((await scoreOf(peer, other.id)) >= 0)) fail(`${other.name}, who is honest, has a score of ${await scoreOf(peer, other.id)} at ${peer.name}`);
  }
}
console.log("the liar is not heard, its lies went no further, and the mesh goes on");

console.log("mixed mesh of 12: all of it holds");
process.exit(0);
