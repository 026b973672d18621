/**
 * check.mjs INTEROP_PEER: js-libp2p against our port over TCP (N12.1): connect both ways, identify, ping, a request with our
 * framing, notify both ways, hostile bytes, one gossip mesh. Exit 0 if all of it holds.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { gossipsub } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import { noise } from "@libp2p/noise";
import { peerIdFromString } from "@libp2p/peer-id";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";

const CONS = "/dmg/00000000/cons/1";
const STATUS = "/dmg/00000000/status/1";
const WAIT_MS = 15_000;

const binary = process.argv[2];
if (binary === undefined) {
  console.error("usage: check.mjs INTEROP_PEER");
  process.exit(2);
}

function fail(what) {
  console.error(`js-libp2p: ${what}`);
  process.exit(1);
}
setTimeout(() => fail("the whole check took more than a minute"), 60_000).unref();

const bytes = (text) => new TextEncoder().encode(text);
const text = (list) => new TextDecoder().decode(list);

function uv(value) {
  const out = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) out.push((value % 128) | 0x80);
  out.push(value);
  return out;
}
const frame = (body) => Uint8Array.from([...uv(body.length), ...body]);

/** All frames of bytes, each behind `head` bytes of its own. */
function frames(all, head) {
  const out = [];
  for (let at = 0; at < all.length; ) {
    const code = head ? all[at++] : 0;
    let sz = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = all[at++];
      sz += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    if (at + sz > all.length) fail("a frame is cut");
    out.push({ code, body: text(all.subarray(at, at + sz)) });
    at += sz;
  }
  return out;
}

async function whole(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part.subarray());
  return Uint8Array.from(Buffer.concat(parts));
}

// ---- our peer: lines in, lines out ----

const child = spawn(binary, ["5", "/ip4/127.0.0.1/tcp/0"], { stdio: ["pipe", "pipe", "inherit"] });
process.on("exit", () => child.kill("SIGKILL"));
const lines = [];
const waiting = [];
createInterface({ input: child.stdout }).on("line", (line) => {
  if (process.env.VERBOSE) console.log(`  < ${line}`);
  lines.push(line);
  for (const one of [...waiting]) one();
});

/** The first line that matches and has not been taken. */
function line(pattern) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => fail(`no line ${pattern} from our peer`), WAIT_MS);
    const look = () => {
      const at = lines.findIndex((one) => pattern.test(one));
      if (at < 0) return;
      clearTimeout(timer);
      waiting.splice(waiting.indexOf(look), 1);
      resolve(lines.splice(at, 1)[0].match(pattern));
    };
    waiting.push(look);
    look();
  });
}
const say = (words) => child.stdin.write(`${words}\n`);

async function until(what, cond) {
  for (const end = Date.now() + WAIT_MS; !(await cond()); ) {
    if (Date.now() > end) fail(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// ---- js-libp2p ----

const [, self] = await line(/^self (\S+)/);
const [, listen] = await line(/^LISTENING .*addr=(\S+)/);

const msgId = (topic, data) =>
  createHash("sha256").update("prefix").update(Uint8Array.from(uv(topic.length))).update(topic).update(data).digest().subarray(0, 20);
const node = await createLibp2p({
  addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: {
    identify: identify(),
    ping: ping(),
    pubsub: gossipsub({
      globalSignaturePolicy: "StrictNoSign",
      allowPublishToZeroTopicPeers: true,
      emitSelf: false,
      msgIdFn: (message) => msgId(message.topic, message.data),
    }),
  },
});
const notified = [];
await node.handle(CONS, async (stream) => {
  stream.send(Uint8Array.of(0));
  const parts = [];
  try {
    for await (const part of stream) parts.push(part.subarray());
  } catch {
    // It ends with its connection.
  }
  notified.push(...frames(Uint8Array.from(Buffer.concat(parts)), false).map((one) => one.body));
});
const gossip = [];
node.services.pubsub.addEventListener("message", (event) => gossip.push(text(event.detail.data)));
node.services.pubsub.subscribe("block");

const connection = await node.dial(multiaddr(`${listen}/p2p/${self}`));
const [, conn] = await line(/^CONN_UP conn=(\d+) .*code=1 /);
console.log("connected: js -> ours, noise and yamux over TCP");

await until("identify by js", async () => {
  const peer = await node.peerStore.get(peerIdFromString(self));
  return peer.protocols.includes(CONS) && peer.protocols.includes("/meshsub/1.1.0") && peer.protocols.includes("/ipfs/ping/1.0.0");
});
const [, told] = await line(/^IDENTIFIED .*data=(.*)$/);
if (!told.includes(`protocol ${CONS}|`) || !told.includes("agent ")) fail(`identify told ours: ${told}`);
console.log("identified both ways");

const rtt = await node.services.ping.ping(peerIdFromString(self));
await line(/^RTT /);
console.log(`pinged both ways (${rtt} ms)`);

{
  const stream = await connection.newStream(STATUS);
  const question = "status of js ".repeat(20);
  stream.send(frame(bytes(question)));
  const answer = whole(stream);
  await stream.close();
  const got = frames(await answer, true);
  if (JSON.stringify(got) !== JSON.stringify([{ code: 0, body: question }, { code: 3, body: "end" }])) fail(`answer ${JSON.stringify(got)}`);
  await line(/^REQ .*data=status of js/);
  console.log("request answered in chunks");
}
{
  const stream = await connection.newStream(CONS);
  stream.send(frame(bytes("hello of js")));
  const answer = await stream[Symbol.asyncIterator]().next();
  if (answer.value.subarray()[0] !== 0) fail("the hello was not accepted");
  for (let i = 0; i < 100; i++) stream.send(frame(bytes(`vote ${i}`)));
  await line(/^NOTIFY_UP .*code=0 .*data=hello of js/);
  await line(/^NOTIFY .*data=vote 99$/);
  await stream.close();
  await line(/^NOTIFY_DOWN .*code=0 /);
  console.log("notify js -> ours");
}
{
  say(`open ${conn} 0 hello of ours`);
  const [, id] = await line(/^did open OK (\d+)/);
  await line(new RegExp(`^NOTIFY_UP .*code=1 id=${id} `));
  for (let i = 0; i < 100; i++) say(`send ${id} vote-${i}`);
  await line(/^did send OK/);
  await until("100 lines", () => lines.filter((one) => one.startsWith("did send")).length >= 99);
  await new Promise((resolve) => setTimeout(resolve, 200));
  console.log("notify ours -> js, accepted");
}
{
  // Two bytes too many behind a request, and a length not in shortest form: reset, and no event.
  const stream = await connection.newStream(STATUS);
  stream.send(Uint8Array.from([...frame(bytes("x")), 1, 2]));
  await stream.close();
  const answer = await whole(stream).catch(() => "reset");
  if (answer !== "reset" && answer.length > 0) fail("an answer to a request with bytes behind it");
  if (lines.some((one) => /^REQ .*data=x$/.test(one))) fail("ours took a request with bytes behind it");
  console.log("senseless request refused");
}
{
  await until("our peer in js's topic", () => node.services.pubsub.getSubscribers("block").some((peer) => peer.toString() === self));
  await until("a mesh", () => node.services.pubsub.getMeshPeers("block").includes(self));
  await node.services.pubsub.publish("block", bytes("A of js"));
  const [, topic] = await line(/^GOSSIP .*addr=(\S+) data=A of js$/);
  if (topic !== "block") fail(`topic ${topic}`);
  for (let i = 0; i < 20; i++) say(`publish block A-of-ours-${i}`);
  await until("20 messages of ours", () => gossip.length >= 20);
  if (new Set(gossip).size !== 20) fail("a message came twice or not at all");
  // 20: a send queue holds 48 messages, more at once are dropped (N7.5).
  // 2 KiB: js tells IDONTWANT by its id; the same id here means that nothing comes back.
  await node.services.pubsub.publish("block", bytes(`A${"x".repeat(2000)}`));
  await line(/^GOSSIP .*data=Axxx/);
  console.log("gossip both ways in one mesh");
}
await connection.close();
await line(/^CONN_DOWN /);

// ---- the other way ----
say(`dial ${node.peerId} ${node.getMultiaddrs()[0].toString().replace(/\/p2p\/.*/, "")}`);
const [, dialled] = await line(/^did dial OK (\d+)/);
await line(new RegExp(`^CONN_UP conn=${dialled} .*code=0 `));
await line(new RegExp(`^IDENTIFIED conn=${dialled} `));
say(`open ${dialled} 0 hello again`);
await line(/^NOTIFY_UP .*code=1 /);
console.log("connected: ours -> js");
say("quit");
await node.stop();
// What js had been told over the first stream of ours came whole and in order, after its hello.
const first = notified.slice(0, 101);
if (first[0] !== "hello of ours" || first[100] !== "vote-99") fail(`js was told ${first.length} frames, ${first[0]} .. ${first.at(-1)}`);
console.log("js-libp2p: all of it holds");
process.exit(0);
