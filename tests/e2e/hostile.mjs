/* Bad input of every kind against a running chain: each gets a clear answer, the process stays alive, its memory stays
   bounded, and blocks go on.

     node tests/e2e/hostile.mjs DEMIURGE [SEED] */
import { readFileSync } from "node:fs";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, http } from "@demiurge/client";
import { balances, toHex } from "@demiurge/codec";
import { devAccount, signTransaction } from "@demiurge/wallet";
import { seeded, start } from "./lib.mjs";

const [demiurge, seed] = process.argv.slice(2);
const below = seeded(seed);
const node = await start(demiurge, ["dev", "--port", "0", "--log", "warn"]);
const url = node.ready.rpc;
const { hostname, port } = new URL(url);
const chain = createClient({ transport: http(url) });
const rssMiB = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.child.pid}/status`, "utf8"))[1]) / 1024;

let passed = 0;
const must = (fact, name, seen) => {
  if (node.ended) throw new Error(`${name}: the node is gone: ${JSON.stringify(node.ended)}`);
  if (!fact) throw new Error(`${name}: ${typeof seen === "string" ? seen.slice(0, 400) : JSON.stringify(seen)}`);
  passed++;
  console.log(`ok   ${name}`);
};

/** Sends bytes, returns all that comes back until the peer closes or ms pass. */
const raw = (bytes, ms = 1500) => new Promise((resolve) => {
  let text = "";
  const s = net.connect(Number(port), hostname);
  const end = () => { clearTimeout(timer); s.destroy(); resolve(text); };
  const timer = setTimeout(end, ms);
  s.on("connect", () => s.write(bytes));
  s.on("data", (d) => { text += d.toString("latin1"); if (text.length > 1 << 20) end(); });
  s.on("error", end);
  s.on("close", end);
});
const post = async (body, headers = {}) => {
  const r = await fetch(url, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });
  const text = await r.text();
  let json = null;
  try { json = JSON.parse(text); } catch { /* not JSON: the check says so */ }
  return { status: r.status, text, json };
};
const call = (method, params) => post(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
const headNow = async () => (await chain.head()).head.height;
const status = (text) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
const head = `Host: ${hostname}:${port}\r\n`;

try {
  await call("chain_info", {});
  const rssBefore = rssMiB(), firstHead = await headNow();

  /* ---- HTTP */
  for (const [name, bytes] of [
    ["no HTTP at all", "\x00\x01\x02 garbage\r\n\r\n"],
    ["a request line without version", "GET /\r\n\r\n"],
    ["a header without colon", `GET /health HTTP/1.1\r\n${head}nonsense\r\n\r\n`],
    ["a NUL in a header", `GET /health HTTP/1.1\r\n${head}x: a\0b\r\n\r\n`],
    ["two lengths", `POST /rpc HTTP/1.1\r\n${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
    ["a negative length", `POST /rpc HTTP/1.1\r\n${head}Content-Length: -1\r\n\r\n`],
    ["a bad chunk", `POST /rpc HTTP/1.1\r\n${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`],
    ["a header of 200 KiB", `GET /health HTTP/1.1\r\n${head}x: ${"a".repeat(200 << 10)}\r\n\r\n`],
    ["2,000 headers", `GET /health HTTP/1.1\r\n${head}${"x: 1\r\n".repeat(2000)}\r\n`],
    ["a foreign Host", "GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n"],
    ["an unknown path", `GET /nothing HTTP/1.1\r\n${head}\r\n`],
    ["GET of /rpc", `GET /rpc HTTP/1.1\r\n${head}\r\n`],
  ]) {
    const text = await raw(bytes);
    const code = status(text);
    must((code >= 400 && code < 500) || code === 501 || text === "", name, text);
  }
  const big = await post(`{"x":"${"a".repeat((1 << 20) + 1)}"}`).catch((e) => ({ status: 413, text: String(e) }));
  must(big.status === 413, "a body of 1 MiB + 1", big.text);

  /* ---- JSON, JSON-RPC */
  for (const [name, body] of [
    ["an empty body", ""], ["half a document", '{"jsonrpc":"2.0"'], ["a trailing byte", '{"jsonrpc":"2.0","id":1,"method":"chain_head"}x'],
    ["a duplicate key", '{"jsonrpc":"2.0","id":1,"id":2,"method":"chain_head"}'], ["invalid UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ["depth 10,000", "[".repeat(10000) + "]".repeat(10000)], ["depth in params", `{"jsonrpc":"2.0","id":1,"method":"chain_head","params":${'{"a":'.repeat(100)}1${"}".repeat(100)}}`],
    ["500,000 values", `[${"1,".repeat(500000)}1]`], ["an empty batch", "[]"], ["a number", "7"], ["NaN", "NaN"],
  ]) {
    const r = await post(body);
    must(r.json && (r.json.error?.message || Array.isArray(r.json)), `JSON: ${name}`, r.text);
  }
  const batch = await post(JSON.stringify(Array.from({ length: 5000 }, (_, i) => ({ jsonrpc: "2.0", id: i, method: "chain_head" }))));
  must(batch.json?.error?.message, "a batch of 5,000", batch.text);
  for (const [name, method, params] of [
    ["an unknown method", "no_such", {}], ["a missing parameter", "balances_get", {}], ["an unknown parameter", "chain_head", { x: 1 }],
    ["an address with a bad checksum", "balances_get", { account: "dmg1km557djcuchxft0q266vxqs8jzvkra9qnmd5kckld6h86jhuzyrqs6lff1" }],
    ["odd hex", "tx_submit", { tx: "0x123" }], ["no hex", "tx_submit", { tx: "0xzz" }], ["a number for a string", "tx_submit", { tx: 5 }],
    ["a height past the end", "chain_block", { at: { height: "18446744073709551615" } }], ["a height with a sign", "chain_block", { at: { height: "-1" } }],
    ["an unknown hash", "chain_block", { at: { hash: `0x${"7".repeat(64)}` } }],
  ]) {
    const r = await call(method, params);
    must(r.json?.error?.message && typeof r.json.error.code === "number", `JSON-RPC: ${name}`, r.text);
  }

  /* ---- transactions */
  const alice = devAccount("alice"), bob = devAccount("bob");
  const { chain: id } = await chain.info();
  const make = async (change = {}, from = alice) => {
    const { head: h } = await chain.head();
    const body = { version: 1, chain: id, sender: from.address, lane: 0, nonce: await chain.nonce(from.address), expiry: h.height + 400n, gas: 200_000n,
      fee: { kind: "EnergyThenFee", max: 10_000_000n, tip: 0n }, sponsor: null, calls: [balances.transfer({ to: bob.address, amount: 1n, memo: new Uint8Array() })], post: [], ...change };
    return (await signTransaction(body, from, { withInit: false })).bytes;
  };
  const submit = (bytes) => call("tx_submit", { tx: toHex(bytes) });
  const good = await make();
  const flipped = Uint8Array.from(good); flipped[flipped.length - 1] ^= 1;
  const { head: h } = await chain.head();
  for (const [name, bytes] of [
    ["a flipped signature", flipped], ["a trailing byte", Uint8Array.from([...good, 0])], ["half of it", good.slice(0, good.length >> 1)], ["nothing", new Uint8Array()],
    ["65,537 bytes", new Uint8Array(65537)], ["expired", await make({ expiry: h.height > 0n ? h.height - 1n : 0n })], ["expiring too late", await make({ expiry: h.height + 10_000_000n })],
    ["zero gas", await make({ gas: 0n })], ["too much gas", await make({ gas: 1n << 62n })], ["an old chain", await make({ chain: new Uint8Array(32) })],
    ["a nonce far ahead", await make({ nonce: 100000n })], ["no fee", await make({ fee: { kind: "EnergyThenFee", max: 0n, tip: 0n } })],
    ["a tip nobody has", await make({ fee: { kind: "EnergyThenFee", max: 1n << 61n, tip: 1n << 60n } })],
  ]) {
    const r = await submit(bytes);
    must(r.json?.error?.message, `transaction: ${name}`, r.text);
  }
  /* Random damage: an answer each time; what decodes is refused by name or is the good one itself. */
  for (let i = 0; i < 1500; i++) {
    const b = Uint8Array.from(good);
    for (let k = 1 + below(3); k--;) b[below(b.length)] = below(256);
    const r = await submit(b.slice(0, below(10) ? b.length : below(b.length)));
    if (!r.json || (!r.json.error?.message && !r.json.result)) throw new Error(`random damage ${i}: ${r.text}`);
  }
  must(true, "1,500 randomly damaged transactions");
  must((await submit(await make())).json?.result, "a good one still goes through");

  /* ---- connections */
  const idle = await Promise.all(Array.from({ length: 200 }, () => new Promise((resolve) => { const s = net.connect(Number(port), hostname); s.on("error", () => {}); s.on("connect", () => resolve(s)); })));
  must((await call("chain_head", {})).json?.result, "200 idle connections do not shut others out");
  const slow = await Promise.all(Array.from({ length: 50 }, () => new Promise((resolve) => {
    const s = net.connect(Number(port), hostname); s.on("error", () => {}); s.on("connect", () => { s.write(`POST /rpc HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`); resolve(s); });
  })));
  for (let i = 0; i < 5; i++) { for (const s of slow) s.write(" "); await sleep(50); }
  must((await call("chain_head", {})).json?.result, "50 clients that send a byte at a time do not either");
  for (const s of [...idle, ...slow]) s.destroy();

  const upgrade = `GET /ws HTTP/1.1\r\n${head}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: demiurge.v1\r\n\r\n`;
  for (const [name, frame] of [
    ["an unmasked frame", Buffer.from([0x81, 0x02, 0x7b, 0x7d])], ["a reserved opcode", Buffer.from([0x83, 0x80, 0, 0, 0, 0])], ["a frame of 2^62 bytes", Buffer.from([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
    ["noise", Buffer.from(Array.from({ length: 4096 }, () => below(256)))],
  ]) {
    const text = await raw(Buffer.concat([Buffer.from(upgrade), frame]), 800);
    must(status(text) === 101, `WebSocket: ${name}`, text);
  }
  must(status(await raw(`GET /ws HTTP/1.1\r\n${head}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)) >= 400, "WebSocket: an upgrade without a key");
  /* Whoever reads nothing of its answers is cut, or at least costs nothing. */
  const deaf = net.connect(Number(port), hostname);
  deaf.on("error", () => {});
  deaf.pause();
  const request = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "rpc.discover" });
  for (let i = 0; i < 2000 && !deaf.destroyed; i++) deaf.write(`POST /rpc HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: ${request.length}\r\n\r\n${request}`);
  await sleep(500);
  must((await call("chain_head", {})).json?.result, "a client that reads no answers");
  deaf.destroy();

  /* ---- what is left */
  await sleep(1200);
  const lastHead = await headNow(), rssAfter = rssMiB();
  must(lastHead > firstHead, `the head moved, ${firstHead} to ${lastHead}`);
  must(rssAfter - rssBefore < 160, `memory grew from ${rssBefore.toFixed(0)} to ${rssAfter.toFixed(0)} MiB`, `from ${rssBefore} to ${rssAfter} MiB`);
  await Promise.race([node.kill("SIGTERM"), sleep(5000)]);
  if (node.ended?.code !== 0) throw new Error(`it did not stop cleanly: ${JSON.stringify(node.ended)}`);
  console.log(`${passed} passed, 0 failed`);
} finally {
  await node.kill();
}
process.exit(0);
