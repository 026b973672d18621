/** From a body to a signed transaction. */
import { type Body, encodeTransaction, type Hash, type Sig, type Transaction, transactionId } from "@demiurge/codec";
import type { Account } from "./keys.js";

export interface SignedTransaction {
  readonly id: Hash;
  readonly tx: Transaction;
  readonly bytes: Uint8Array;
}

/** `withInit`: the account's first transaction carries its authenticators (M1.2). */
export async function signTransaction(
  body: Body,
  account: Account,
  { withInit }: { withInit: boolean },
): Promise<SignedTransaction> {
  const id = transactionId(body);
  const sigs: Sig[] = [];
  for (const s of account.signers) sigs.push(await s.signId(id));
  const tx: Transaction = { body, auth: { kind: "Keys", init: withInit ? account.init : null, sigs } };
  return { id, tx, bytes: encodeTransaction(tx) };
}
