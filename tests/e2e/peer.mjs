/* A libp2p peer that may misbehave: multistream, Noise XX, yamux on TCP, each layer open to whoever wants to break it. It keeps no promise that its user does not keep.

     const peer = await dial({ port, seed })              authenticated, yamux agreed
     const s = await peer.open("/dmg/../cons/1")          s.write( bytes ), s.frame( bytes ), await s.read( n, ms ), s.fin()
     peer.ask( protocol, bytes )                          a question whose answer nobody reads
     peer.frame( type, flags, stream, n, data )           a frame of yamux
     peer.raw( bytes )                                    plaintext below Noise, where yamux's frames belong
     peer.closed                                          a promise: ms after which the other side closed

   It answers yamux's pings, gives credit (unless isDeaf), and to streams of the other side what opts.serve has for their protocol, else "na". */
import { createCipheriv, createDecipheriv, createHash, createHmac, createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const sha = (b) => createHash("sha256").update(b).digest();
const hmac = (k, b) => createHmac("sha256", k).update(b).digest();
const rawKey = (key) => Buffer.from(key.export({ format: "jwk" }).x, "base64url");
const x25519 = (raw) => createPublicKey({ key: { kty: "OKP", crv: "X25519", x: raw.toString("base64url") }, format: "jwk" });
const ed25519 = (seed) => createPrivateKey({ key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]), format: "der", type: "pkcs8" });

export function uv(n) {
  const out = [];
  for (; n >= 0x80; n = Math.floor(n / 128)) out.push((n % 128) | 0x80);
  return Buffer.from([...out, n]);
}
const line = (text) => Buffer.concat([uv(text.length + 1), Buffer.from(`${text}\n`)]);
/** A length-delimited field of protobuf. */
export const field = (n, b) => Buffer.concat([Buffer.from([(n << 3) | 2]), uv(b.length), b]);
/** "/dmg/<net8>/<name>/1" (N4.1). */
export function protocolOf(genesis, name, fork = 0) {
  const tag = sha(Buffer.from("dmg/net/id/v1")), f = Buffer.alloc(4);
  f.writeUInt32LE(fork);
  return `/dmg/${sha(Buffer.concat([tag, tag, genesis, f])).subarray(0, 4).toString("hex")}/${name}/1`;
}

class Cipher {
  constructor(key) { this.key = key; this.n = 0; }
  nonce() { const b = Buffer.alloc(12); b.writeUInt32LE(this.n++, 4); return b; }
  seal(text, ad = Buffer.alloc(0)) {
    const c = createCipheriv("chacha20-poly1305", this.key, this.nonce(), { authTagLength: 16 });
    c.setAAD(ad, { plaintextLength: text.length });
    return Buffer.concat([c.update(text), c.final(), c.getAuthTag()]);
  }
  open(box, ad = Buffer.alloc(0)) {
    const c = createDecipheriv("chacha20-poly1305", this.key, this.nonce(), { authTagLength: 16 });
    c.setAAD(ad, { plaintextLength: box.length - 16 });
    c.setAuthTag(box.subarray(box.length - 16));
    return Buffer.concat([c.update(box.subarray(0, box.length - 16)), c.final()]);
  }
}

/** Bytes of a socket as they come, and promises for some of them. */
class Inbox {
  constructor() { this.parts = []; this.size = 0; this.wants = []; this.ended = null; }
  push(b) { this.parts.push(b); this.size += b.length; this.serve(); }
  end(why) { this.ended ??= why; this.serve(); }
  serve() {
    while (this.wants.length && this.size >= this.wants[0].n) {
      if (this.parts.length > 1) this.parts = [Buffer.concat(this.parts)];
      const { n, yes } = this.wants.shift(), all = this.parts[0] ?? Buffer.alloc(0);
      this.parts = n < all.length ? [all.subarray(n)] : [];
      this.size -= n;
      yes(all.subarray(0, n));
    }
    if (this.ended) for (const w of this.wants.splice(0)) w.no(new Error(this.ended));
  }
  take(n, ms = 8000) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { this.wants = this.wants.filter((w) => w.yes !== yes); reject(new Error("nothing came")); }, ms);
      const yes = (b) => { clearTimeout(timer); resolve(b); };
      this.wants.push({ n, yes, no: (e) => { clearTimeout(timer); reject(e); } });
      this.serve();
    });
  }
}

/** A TCP connection whose end is a promise; never an unhandled error. */
export function connect(port, localAddress) {
  const socket = net.connect({ port, host: "127.0.0.1", ...(localAddress ? { localAddress } : {}) });
  const inbox = new Inbox(), begin = Date.now();
  socket.setNoDelay(true);
  socket.on("data", (b) => inbox.push(b));
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", () => { inbox.end("closed"); resolve(Date.now() - begin); }));
  const up = new Promise((resolve) => { socket.once("connect", () => resolve(true)); socket.once("close", () => resolve(false)); });
  return { socket, inbox, closed, up };
}

async function negotiate(inbox, write, protocol) {
  write(Buffer.concat([line("/multistream/1.0.0"), line(protocol)]));
  for (const want of ["/multistream/1.0.0", protocol]) {
    let n = 0;
    for (let shift = 0, b = 128; b & 128; shift += 7) { b = (await inbox.take(1))[0]; n |= (b & 127) << shift; }
    const got = (await inbox.take(n)).toString("latin1");
    if (got !== `${want}\n`) throw new Error(`${protocol}: ${got.trim()}`);
  }
}

/** Noise_XX_25519_ChaChaPoly_SHA256 of libp2p: us the initiator. bad "identity": its signature is another's. */
async function noise({ inbox, socket }, identity, bad) {
  let ck = Buffer.from("Noise_XX_25519_ChaChaPoly_SHA256"), h = ck, k = null;   // of 32 bytes: no hash of it
  const mix = (b) => { h = sha(Buffer.concat([h, b])); };
  const mixKey = (secret) => {
    const t = hmac(ck, secret), a = hmac(t, Buffer.from([1])), b = hmac(t, Buffer.concat([a, Buffer.from([2])]));
    ck = a;
    k = new Cipher(b);
  };
  const send = (b) => socket.write(Buffer.concat([Buffer.from([b.length >> 8, b.length & 255]), b]));
  const e = generateKeyPairSync("x25519"), s = generateKeyPairSync("x25519");
  const ePub = rawKey(e.publicKey), sPub = rawKey(s.publicKey);
  const dh = (priv, pub) => diffieHellman({ privateKey: priv, publicKey: x25519(pub) });
  const sealed = (b) => { const c = k.seal(b, h); mix(c); return c; };
  const opened = (b) => { const p = k.open(b, h); mix(b); return p; };
  for (const b of [Buffer.alloc(0), ePub, Buffer.alloc(0)]) mix(b);   // prologue, e, payload
  send(ePub);
  const len = (await inbox.take(2)).readUInt16BE(), msg = await inbox.take(len);
  const re = msg.subarray(0, 32);
  mix(re); mixKey(dh(e.privateKey, re));
  const rs = opened(msg.subarray(32, 80));
  mixKey(dh(e.privateKey, rs));
  opened(msg.subarray(80));
  const pub = Buffer.concat([Buffer.from([8, 1, 18, 32]), rawKey(createPublicKey(identity))]);
  const sig = sign(null, Buffer.concat([Buffer.from("noise-libp2p-static-key:"), sPub]), identity);
  if (bad === "identity") sig[5] ^= 1;
  const c1 = sealed(sPub);
  mixKey(dh(s.privateKey, re));
  const c2 = sealed(Buffer.concat([field(1, pub), field(2, sig)]));
  send(Buffer.concat([c1, c2]));
  const t = hmac(ck, Buffer.alloc(0)), a = hmac(t, Buffer.from([1])), b = hmac(t, Buffer.concat([a, Buffer.from([2])]));
  return { out: new Cipher(a), in: new Cipher(b) };
}

const WINDOW = 256 << 10;
export const TYPE = { data: 0, window: 1, ping: 2, away: 3 };
export const FLAG = { syn: 1, ack: 2, fin: 4, rst: 8 };

class Stream {
  constructor(peer, id, isTheirs = false) { this.peer = peer; this.id = id; this.inbox = new Inbox(); this.isTheirs = isTheirs; this.credit = WINDOW; this.waits = []; this.taken = 0; }
  /** As far as the other side gives credit. */
  async write(bytes) {
    for (let at = 0; at < bytes.length;) {
      while (this.credit <= 0) { if (this.inbox.ended || this.peer.isDown) throw new Error(this.inbox.ended ?? "closed"); await new Promise((yes) => this.waits.push(yes)); }
      const n = Math.min(16384, this.credit, bytes.length - at);
      this.credit -= n;
      await this.peer.frame(TYPE.data, 0, this.id, n, bytes.subarray(at, at + n));
      at += n;
    }
  }
  frame(bytes) { return this.write(Buffer.concat([uv(bytes.length), bytes])); }
  read(n, ms) { return this.inbox.take(n, ms); }
  fin() { return this.peer.frame(TYPE.data, FLAG.fin, this.id, 0); }
  /** Until the other side ends or resets it. */
  async ended(ms = 8000) { const end = Date.now() + ms; while (!this.inbox.ended) { if (Date.now() > end) return null; await sleep(10); } return this.inbox.ended; }
  wake() { for (const yes of this.waits.splice(0)) yes(); }
}

class Peer {
  constructor(conn, keys, opts) {
    Object.assign(this, conn);
    this.keys = keys; this.isDeaf = opts.isDeaf ?? false; this.serve = opts.serve ?? {}; this.streams = new Map(); this.next = 1; this.isDown = false;
    this.plain = new Inbox();
    this.closed.then(() => { this.isDown = true; this.plain.end("closed"); for (const s of this.streams.values()) { s.inbox.end("closed"); s.wake(); } });
    this.unseal();
  }
  async unseal() {
    try {
      for (;;) this.plain.push(this.keys.in.open(await this.inbox.take((await this.inbox.take(2, 1 << 30)).readUInt16BE(), 1 << 30)));
    } catch (e) { this.plain.end(e.message); this.socket.destroy(); }
  }
  /** Plaintext of any length in Noise's frames; waits while the socket is full. */
  async raw(bytes) {
    for (let at = 0; at < bytes.length || at === 0; at += 16384) {
      if (this.isDown) return;
      const box = this.keys.out.seal(bytes.subarray(at, at + 16384));
      if (!this.socket.write(Buffer.concat([Buffer.from([box.length >> 8, box.length & 255]), box]))) await Promise.race([new Promise((yes) => this.socket.once("drain", yes)), this.closed]);
    }
  }
  frame(type, flags, id, n, data = Buffer.alloc(0)) {
    const b = Buffer.alloc(12);
    b[1] = type; b.writeUInt16BE(flags, 2); b.writeUInt32BE(id, 4); b.writeUInt32BE(n, 8);
    return this.raw(Buffer.concat([b, data]));
  }
  async run() {
    try {
      for (;;) {
        const b = await this.plain.take(12, 1 << 30), type = b[1], flags = b.readUInt16BE(2), id = b.readUInt32BE(4), n = b.readUInt32BE(8);
        const data = type === TYPE.data && n ? await this.plain.take(n, 1 << 30) : Buffer.alloc(0);
        if (type === TYPE.ping && flags & FLAG.syn) { this.frame(TYPE.ping, FLAG.ack, 0, n); continue; }
        if (type === TYPE.away) continue;
        let s = this.streams.get(id);
        if (flags & FLAG.syn && !s) { s = new Stream(this, id, true); this.streams.set(id, s); this.frame(TYPE.window, FLAG.ack, id, 0); this.answer(s); }
        if (!s) continue;
        if (type === TYPE.window) { s.credit += n; s.wake(); }
        if (data.length) {
          s.inbox.push(data);
          s.taken += data.length;
          if (!this.isDeaf && s.taken >= WINDOW / 2) { this.frame(TYPE.window, 0, id, s.taken); s.taken = 0; }
        }
        if (flags & (FLAG.fin | FLAG.rst)) { s.inbox.end(flags & FLAG.rst ? "reset" : "ended"); s.wake(); if (flags & FLAG.rst || s.isTheirs) this.streams.delete(id); }
      }
    } catch { /* the connection is gone: closed tells */ }
  }
  async answer(s) {
    try {
      await s.write(line("/multistream/1.0.0"));
      await s.read(20);
      for (;;) {
        const n = (await s.read(1))[0], name = (await s.read(n)).toString("latin1").trim(), serve = this.serve[name];
        await s.write(line(serve ? name : "na"));
        if (serve) return await serve(s);
      }
    } catch { /* it gave up */ }
  }
  /** A stream of a protocol; syn alone if protocol is null. */
  async open(protocol) {
    const s = new Stream(this, this.next);
    this.next += 2;
    this.streams.set(s.id, s);
    await this.frame(TYPE.window, FLAG.syn, s.id, 0);
    if (protocol) await negotiate(s.inbox, (b) => s.write(b), protocol);
    return s;
  }
  /** A question on a stream of its own, in one go: nothing of the answer need be read. */
  async ask(protocol, bytes) {
    const s = await this.open(null);
    await s.write(Buffer.concat([line("/multistream/1.0.0"), line(protocol), uv(bytes.length), bytes]));
    await s.fin();
  }
  end() { this.socket.destroy(); return this.closed; }
}

/** A peer with this identity (random if there is none). Throws if it is not let in. */
export async function dial({ port, seed = randomBytes(32), bad, localAddress, ...opts }) {
  const conn = connect(port, localAddress);
  try {
    if (!await conn.up) throw new Error("refused");
    await negotiate(conn.inbox, (b) => conn.socket.write(b), "/noise");
    const keys = await noise(conn, ed25519(seed), bad);
    const peer = new Peer(conn, keys, opts);
    await negotiate(peer.plain, (b) => peer.raw(b), "/yamux/1.0.0");
    peer.run();
    return peer;
  } catch (e) { conn.socket.destroy(); throw e; }
}
