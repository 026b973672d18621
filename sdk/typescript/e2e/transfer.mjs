/* The SDK against a running dev chain: create a key, fund it, transfer, wait for finality, prove the balance against the
   header, refuse a tampered proof; over HTTP and over WebSocket.

     node sdk/typescript/e2e/transfer.mjs [URL]          URL: of the node, default http://127.0.0.1:7369

   Needs `npm run build`. Prints one line a step; exits 1 at the first thing that is wrong. */

import { createClient, http, TxFailed, webSocket } from "@demiurge/client";
import {
  addressToText,
  Body,
  balances,
  balancesItems,
  decode,
  encodeTransaction,
  fromHex,
  Receipt,
  system,
  toHex,
  transactionId,
} from "@demiurge/codec";
import { soloTrust, verifyBalance } from "@demiurge/verify";
import {
  accountFromSeed,
  devAccount,
  newMnemonic,
  plainAccount,
  secp256k1Signer,
  seedFromMnemonic,
  signTransaction,
} from "@demiurge/wallet";
import { WebSocket } from "ws";

const url = (process.argv[2] ?? "http://127.0.0.1:7369").replace(/\/$/, "");
const chain = createClient({ transport: http(`${url}/rpc`) });
const ws = createClient({ transport: webSocket(`${url.replace(/^http/, "ws")}/ws`, { WebSocket }) });
const must = (fact, what) => {
  if (!fact) throw new Error(`not so: ${what}`);
  console.log(`ok  ${what}`);
};
/** A state is proven by the next block; in `auto` and `manual` it follows at once, at a pace within it. */
async function provenAbove(client, account, height, trust) {
  for (let i = 0; i < 200; i++) {
    const got = await client
      .provenBalance(account, trust)
      .catch((e) => (e.name === "ProofUnavailable" ? null : Promise.reject(e)));
    if (got !== null && got.at.height >= height) return got;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`no proof at or above height ${height}`);
}

const info = await chain.info();
must(info.kind === "dev", `chain ${info.name} is a dev chain, head ${info.head.height}`);
const trust = soloTrust(info.chain, info.validatorKey);

const alice = devAccount("alice");
const carol = accountFromSeed(seedFromMnemonic(newMnemonic()));
must((await chain.balance(alice.address)) > 0n, `alice ${addressToText(alice.address)} has CGT`);
must((await chain.balance(carol.address)) === 0n, `a new key: ${addressToText(carol.address)}`);

const funded = await chain.send(alice, [
  balances.transfer({ to: carol.address, amount: 500_000_000n, memo: new Uint8Array() }),
]);
must(
  funded.receipt.status === "OK",
  `5 CGT from alice, final at height ${funded.status.height}, fee ${funded.receipt.fee} sparks`,
);

const before = await chain.balance(alice.address);
const back = await chain.send(carol, [
  balances.transfer({ to: alice.address, amount: 100_000_000n, memo: new TextEncoder().encode("thanks") }),
  system.note({ data: new Uint8Array([1]) }),
]);
must(
  (await chain.balance(alice.address)) === before + 100_000_000n,
  "1 CGT back in the new account's first transaction, with its keys",
);
const expected =
  500_000_000n - 100_000_000n - back.receipt.fee - back.receipt.tip - back.receipt.held + back.receipt.returned;

const proven = await provenAbove(chain, carol.address, back.status.height, trust);
must(proven.free === expected, `proven balance ${proven.free} at height ${proven.at.height}: what the receipt leaves`);

const key = balancesItems.free.key(carol.address);
const { value, at, proof } = await chain.provenState(key, trust);
must(verifyBalance(trust, carol.address, value, proof, at.hash).ok, "the proof verifies by hand");
const child = { kind: "block", hash: (await chain.header({ height: proof.height + 1n })).at.hash };
must(
  verifyBalance(child, carol.address, value, { ...proof, finality: null }).ok,
  "and against the next block's hash alone",
);
let passed = 0;
for (let i = 0; i < 8 * proof.tree.length; i++) {
  const tree = proof.tree.slice();
  tree[i >> 3] ^= 1 << (i & 7);
  if (verifyBalance(child, carol.address, value, { ...proof, tree }).ok) passed++;
}
must(passed === 0, `each of ${8 * proof.tree.length} flipped bits of the tree proof is refused`);
for (const field of ["header", "finality"]) {
  const bad = proof[field].slice();
  bad[bad.length >> 1] ^= 1;
  must(
    !verifyBalance(trust, carol.address, value, { ...proof, [field]: bad }, at.hash).ok,
    `a tampered ${field} is refused`,
  );
}
must(!verifyBalance(trust, alice.address, value, proof, at.hash).ok, "another account's proof is refused");
const nobody = plainAccount(secp256k1Signer(crypto.getRandomValues(new Uint8Array(32))));
must((await chain.provenBalance(nobody.address, trust)).free === 0n, "absence is proven too");

const failed = await chain
  .send(carol, [balances.burn({ amount: 10n ** 15n })], {
    gas: 200_000n,
    fee: { kind: "EnergyThenFee", max: 10_000_000n, tip: 0n },
  })
  .catch((e) => e);
must(failed instanceof TxFailed, `more than it has: ${failed.message}`);

await chain.send(carol, [balances.transfer({ to: nobody.address, amount: 200_000_000n, memo: new Uint8Array() })]);
const spent = await ws.send(nobody, [balances.burn({ amount: 1n })]);
must(spent.receipt.status === "OK", "a secp256k1 account sends over WebSocket");
const got = await ws.transaction(spent.id);
must(toHex(got.receipt.id) === toHex(spent.id) && got.status.kind === "final", "tx_get has the same receipt");
const block = await ws.block({ height: spent.status.height });
must(block.body.transactions.length >= 1, "its block has it");
const raw = fromHex((await chain.call("tx_receipt", { id: toHex(spent.id) })).receipt);
must(decode(Receipt, raw).status === "OK", "tx_receipt is canonical BCS");

/* What the node builds and previews, held against this codec: the body decodes, its id is the signing hash, and the preview's
   bounds and outcome hold when the chain runs it. */
const calls = [
  {
    module: "balances",
    call: "transfer",
    args: { to: addressToText(nobody.address), amount: "7", memo: toHex(new TextEncoder().encode("built")) },
  },
];
const from = addressToText(alice.address);
const seen = await chain.call("tx_preview", { calls, from });
must(seen.status === "OK" && seen.says[0] === `Pay 7 to ${calls[0].args.to}`, `tx_preview says: ${seen.says[0]}`);
must(
  seen.diff.some((d) => d.account === from && d.out === "7") &&
    seen.diff.some((d) => d.account === calls[0].args.to && d.in === "7"),
  "and who gains and loses",
);
const post = [...seen.bounds, { kind: "Outcome", hash: seen.outcomeHash }];
const built = await chain.call("tx_build", { from, calls, options: { post } });
const body = decode(Body, fromHex(built.body));
must(toHex(transactionId(body)) === built.signingHash, "tx_build: canonical bytes, and their signing hash");
must(
  toHex(encodeTransaction({ body, auth: { kind: "Unsigned" } })).startsWith(built.body),
  "which this codec writes as well",
);
must(
  toHex(body.calls[0].args) ===
    toHex(balances.transfer({ to: nobody.address, amount: 7n, memo: new TextEncoder().encode("built") }).args),
  "arguments as the generated types encode them",
);
const signed = await signTransaction(body, alice, { withInit: built.isNew });
await chain.submit(signed.bytes);
must(
  (await chain.wait(signed.id)).receipt.status === "OK",
  "it runs within the preview's bounds, to the outcome foretold",
);
const other = await chain.call("tx_build", {
  from,
  calls: [{ ...calls[0], args: { ...calls[0].args, amount: "8" } }],
  options: { post, gas: "60000", maxFee: "1000000" },
});
const drifted = await signTransaction(decode(Body, fromHex(other.body)), alice, { withInit: false });
await chain.submit(drifted.bytes);
const reverted = await chain.wait(drifted.id).catch((e) => e);
must(
  reverted instanceof TxFailed && /POSTCONDITION/.test(reverted.message),
  "another amount under the same bounds is reverted",
);
const strict = await chain
  .call("tx_build", { from, calls: [{ ...calls[0], args: { ...calls[0].args, amount: 7 } }] })
  .catch((e) => e);
must(strict.data?.path === "calls[0].args.amount", `an argument of another form is named: ${strict.data?.path}`);
const stacked = await chain.call("tx_preview", { calls, from, stack: [toHex(signed.bytes), toHex(signed.bytes)] });
must(stacked.stack.length === 2, "a stack is run before it");

const heads = [];
setTimeout(() => void chain.send(alice, [system.note({ data: new Uint8Array() })]), 50);
for await (const h of ws.heads({ signal: AbortSignal.timeout(10_000) })) {
  heads.push(h.item.height);
  if (heads.length === 2) break;
}
must(heads[1] > heads[0], `heads by stream: ${heads.join(", ")}`);

/* Each payment to a new account, in order, without a gap, and again from a cursor in between. */
const eve = accountFromSeed(seedFromMnemonic(newMnemonic()));
const pay = (amount) => chain.send(alice, [balances.transfer({ to: eve.address, amount, memo: new Uint8Array() })]);
await pay(1_000_000n);
const seenEvents = [];
setTimeout(async () => {
  for (const amount of [2n, 3n, 4n]) await pay(amount);
}, 50);
for await (const e of ws.events({ account: eve.address }, { signal: AbortSignal.timeout(20_000) })) {
  if (e.item.name !== "Transferred") continue;
  seenEvents.push(e);
  if (seenEvents.length === 3) break;
}
must(seenEvents.map((e) => e.item.fields.amount).join() === "2,3,4", "events of an account: each payment, in order");
must(
  seenEvents.every((e, i) => i === 0 || e.seq === seenEvents[i - 1].seq + 1n),
  `without a gap: ${seenEvents.map((e) => e.seq).join(", ")}`,
);
for await (const e of ws.events(
  { account: eve.address },
  { cursor: seenEvents[0].cursor, signal: AbortSignal.timeout(20_000) },
)) {
  must(e.seq === seenEvents[1].seq && e.item.fields.amount === "3", "and again behind the first one's cursor");
  break;
}
const tip = (await chain.head()).head.height;
setTimeout(() => void pay(5n), 50);
const chainOf = [];
for await (const b of ws.blocks({ signal: AbortSignal.timeout(20_000) })) {
  chainOf.push(b);
  if (chainOf.length === 2) break;
}
must(
  chainOf[0].item.height > tip && chainOf[1].item.height === chainOf[0].item.height + 1n,
  `every block: ${chainOf.map((b) => b.item.height).join(", ")}`,
);
ws.close();
chain.close();
console.log("all good");
