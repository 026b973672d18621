/* The transfers that every peer is given: who pays whom, how much, in which order.

     seed, mix --> splitmix64 --> { from, to, amount } x cnt         from, to: account numbers 0 .. accounts-1

   node/workload.c draws the same numbers; `digest` is what both print, so a difference is seen.

     uniform   payer and payee drawn from all accounts
     hot20     one transfer in five goes to account 0, the rest as uniform
     hot100    every transfer goes to account 0

   Nobody pays itself. Amounts are 1, 2, 3, .. smallest units, so no two transfers are equal. */

export const MIXES = ["uniform", "hot20", "hot100"];
export const MIX_TEXT = { uniform: "uniform", hot20: "20 % to one account", hot100: "all to one account" };
export const ACCOUNTS = 500;
export const TRANSFERS = 10_000;
export const SEED = 0x44454d49n;

const M64 = (1n << 64n) - 1n;

export function splitmix64(seed) {
  let state = seed & M64;
  return () => {
    state = (state + 0x9e3779b97f4a7c15n) & M64;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & M64;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & M64;
    return z ^ (z >> 31n);
  };
}

export function workload(mix, { cnt = TRANSFERS, accounts = ACCOUNTS, seed = SEED } = {}) {
  const at = MIXES.indexOf(mix);
  if (at < 0) throw new Error(`no mix ${mix}; there are ${MIXES.join(", ")}`);
  const next = splitmix64(seed + BigInt(at));
  const below = (n) => Number(next() % BigInt(n));
  const list = new Array(cnt);
  for (let i = 0; i < cnt; i++) {
    const isHot = mix === "hot100" || (mix === "hot20" && below(5) === 0);
    let from;
    let to = 0;
    if (isHot) from = 1 + below(accounts - 1);
    else {
      from = below(accounts);
      to = below(accounts - 1);
      if (to >= from) to++;
    }
    list[i] = { from, to, amount: BigInt(i + 1) };
  }
  return list;
}

/** FNV-1a over from and to as u32 little-endian, 16 hex digits. */
export function digest(list) {
  let h = 0xcbf29ce484222325n;
  const put = (v) => {
    for (let s = 0; s < 32; s += 8) h = ((h ^ BigInt((v >>> s) & 0xff)) * 0x100000001b3n) & M64;
  };
  for (const { from, to } of list) {
    put(from);
    put(to);
  }
  return h.toString(16).padStart(16, "0");
}

/** Net change of each account's holding when all transfers succeed, without fees. */
export function deltas(list, accounts = ACCOUNTS) {
  const d = new Array(accounts).fill(0n);
  for (const { from, to, amount } of list) {
    d[from] -= amount;
    d[to] += amount;
  }
  return d;
}

/** The 32 secret bytes of account idx, the same for every peer. */
export function secretOf(idx, sha256) {
  return sha256(new TextEncoder().encode(`demiurge bench account ${idx}`));
}
