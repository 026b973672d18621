/* One run of one mix in LiteSVM, in a process of its own; prints one JSON line.

     10,000 signed legacy transactions as bytes --> sendLegacyTransaction --> decode, verify, execute, commit to the account map

   The bytes go straight to the native part (`inner`), as they would come from a wire: the package's own sendTransaction first
   encodes a JavaScript object again, which is not LiteSVM's work. --public measures that way instead.

     node child.mjs MIX [--public] [--no-verify] */
import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { getAddressDecoder, getBase58Encoder, getTransactionDecoder, lamports } from "@solana/kit";
import { FailedTransactionMetadata, LiteSVM } from "litesvm";
import { wallSeconds } from "../../lib/measure.mjs";
import { ACCOUNTS, deltas, digest, secretOf, workload } from "../../lib/workload.mjs";

const [mix, ...flags] = process.argv.slice(2);
const isPublic = flags.includes("--public");
const isVerified = !flags.includes("--no-verify");
const START = 10_000_000_000n; // lamports an account begins with
const FEE = 5_000n; // of one signature

const sha256 = (b) => createHash("sha256").update(b).digest();
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const accounts = Array.from({ length: ACCOUNTS }, (_, i) => {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, secretOf(i, sha256)]), format: "der", type: "pkcs8" });
  const pub = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  return { key, pub, address: getAddressDecoder().decode(pub) };
});

const svm = new LiteSVM().withSigverify(isVerified);
for (const a of accounts) svm.airdrop(a.address, lamports(START));

/* A legacy message by hand: header, keys, blockhash, one instruction of the system program. */
const blockhash = Buffer.from(getBase58Encoder().encode(svm.latestBlockhash()));
function transfer({ from, to, amount }) {
  const data = Buffer.alloc(12);
  data.writeUInt32LE(2, 0);
  data.writeBigUInt64LE(amount, 4);
  const message = Buffer.concat([
    Buffer.from([1, 0, 1, 3]),
    accounts[from].pub,
    accounts[to].pub,
    Buffer.alloc(32),
    blockhash,
    Buffer.from([1, 2, 2, 0, 1, data.length]),
    data,
  ]);
  return Buffer.concat([Buffer.from([1]), sign(null, message, accounts[from].key), message]);
}

const list = workload(mix);
const raw = list.map(transfer);
const decoder = getTransactionDecoder();
const send = isPublic
  ? (bytes) => svm.sendTransaction(decoder.decode(bytes))
  : (bytes) => svm.inner.sendLegacyTransaction(bytes);

/* A tampered signature must be refused, or nothing is verified and the figure is void. */
if (isVerified) {
  const bad = Buffer.from(raw[0]);
  bad[10] ^= 1;
  if (!(send(bad) instanceof FailedTransactionMetadata)) throw new Error("a bad signature passed");
}

let failed = 0;
const cpu0 = process.cpuUsage();
const wall0 = wallSeconds();
for (const bytes of raw) if (send(bytes) instanceof FailedTransactionMetadata) failed++;
const wallS = wallSeconds() - wall0;
const cpu = process.cpuUsage(cpu0);

if (failed) throw new Error(`${failed} of ${raw.length} transfers failed`);
const sent = new Array(ACCOUNTS).fill(0n);
for (const { from } of list) sent[from]++;
deltas(list).forEach((d, i) => {
  const want = START + d - FEE * sent[i];
  const have = svm.getBalance(accounts[i].address);
  if (have !== want) throw new Error(`account ${i} holds ${have}, not ${want}`);
});
console.log(
  JSON.stringify({
    digest: digest(list),
    cnt: raw.length,
    wallS,
    cpuS: (cpu.user + cpu.system) / 1e6,
    txBytes: raw[0].length,
  }),
);
