/* Accounts and signed transfers of the two Ethereum peers: 21,000 gas, type 2, secp256k1. */
import { sha256 } from "@noble/hashes/sha2.js";
import { addr, Transaction } from "micro-eth-signer";
import { ACCOUNTS, deltas, secretOf, workload } from "./workload.mjs";

export const START = 10n ** 20n; // wei an account begins with
const hex = (v) => `0x${v.toString(16)}`;

export const accounts = () =>
  Array.from({ length: ACCOUNTS }, (_, i) => {
    const secret = secretOf(i, sha256);
    return { secret, address: addr.fromPrivateKey(secret) };
  });

/** The mix's transfers, signed, as hex; nonces from 0 in order. */
export function signed(who, mix, chainId) {
  const nonce = new Array(ACCOUNTS).fill(0n);
  return workload(mix).map(({ from, to, amount }) =>
    Transaction.prepare({
      type: "eip1559",
      chainId,
      nonce: nonce[from]++,
      to: who[to].address,
      value: amount,
      gasLimit: 21_000n,
      maxFeePerGas: 100n * 10n ** 9n,
      maxPriorityFeePerGas: 10n ** 9n,
    })
      .signBy(who[from].secret, false)
      .toHex(),
  );
}

/** Every nonce used and every account's holding right but for the fees paid, or throws. */
export async function checkHoldings(rpc, who, mix) {
  const list = workload(mix);
  const sent = new Array(ACCOUNTS).fill(0);
  for (const { from } of list) sent[from]++;
  const nonces = await rpc.many(
    "eth_getTransactionCount",
    who.map((a) => [a.address, "latest"]),
  );
  nonces.forEach((n, i) => {
    if (Number(n) !== sent[i]) throw new Error(`account ${i} sent ${Number(n)}, not ${sent[i]}`);
  });
  const balances = await rpc.many(
    "eth_getBalance",
    who.map((a) => [a.address, "latest"]),
  );
  const feeMax = 21_000n * 100n * 10n ** 9n;
  deltas(list).forEach((d, i) => {
    const fee = START + d - BigInt(balances[i]);
    if (fee < 0n || fee > feeMax * BigInt(sent[i])) throw new Error(`account ${i} holds ${BigInt(balances[i])}`);
  });
}

export { hex };
