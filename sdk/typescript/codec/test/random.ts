/** A seeded generator for tests (splitmix64); the seed is printed and can be given by SEED=. */
export function random(): {
  readonly seed: bigint;
  int(below: number): number;
  bytes(n: number): Uint8Array;
  u64(): bigint;
  pick<T>(of: readonly T[]): T;
} {
  const seed = process.env["SEED"] === undefined ? BigInt(Date.now()) : BigInt(process.env["SEED"]);
  console.log(`SEED=${seed}`);
  let state = seed;
  const mask = (1n << 64n) - 1n;
  const u64 = (): bigint => {
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    return z ^ (z >> 31n);
  };
  const int = (below: number): number => Number(u64() % BigInt(below));
  return {
    seed,
    int,
    u64,
    bytes: (n) => Uint8Array.from({ length: n }, () => int(256)),
    pick: (of) => of[int(of.length)] as (typeof of)[number],
  };
}
