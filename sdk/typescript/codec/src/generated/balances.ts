/* Module balances 0.1.0: the calls that a transaction can make. Made by `dmic gen --ts`, do not edit. */
import type { Address } from "../bytes.js";
import { call, defineModule, t } from "../schema.js";

export interface BalancesPayment {
  readonly to: Address;
  readonly amount: bigint;
}
const Payment = t.struct<BalancesPayment>("Payment", { to: t.address, amount: t.amount });

/** The ledger of 13,000,000,000 CGT.  There is no mint: what is burned is gone for ever.
 * Rules M2.1-M2.8.  Amounts are sparks.  Faults 1..16 are the common ones of every module (M0.13). */
export const balances = defineModule(2, "balances", {
  transfer: call(1, "Pay {amount} to {to}", { to: t.address, amount: t.amount, memo: t.bytes(64) }),
  transfer_all: call(2, "Pay everything to {to}", { to: t.address }),
  transfer_many: call(3, "Pay {payments}", { payments: t.list(Payment, 200) }),
  burn: call(4, "Burn {amount}", { amount: t.amount }),
  /** What the schedules released so far, minus what was claimed. */
  claim_vested: call(5, "Claim what has vested", {}),
});
