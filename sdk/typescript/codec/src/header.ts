/**
 * Blocks as consensus sees them (C2.2, C2.5).
 *
 *   header 362   0 version u16  2 kind u8  3 leader u16  5 epoch u32  9 view u64  17 height u64  25 parent_hash[32]
 *               57 parent_view u64  65 parent_cert Cert[109]  174 just_root[32]  206 body_hash[32]  238 body_len u32
 *              242 parent_state_root[32]  274 next_epoch_root[32]  306 time_ms u64  314 reveal[48]
 *   Cert 109     0 kind u8  1 epoch u32  5 view u64  13 hash[32]  45 bitmap[16]  61 sig[48]
 *
 * All fields are of fixed size, so the BCS of these structs is the drawn layout.
 */
import { bytes, type Codec, decode, encode, fixed, hash, type Infer, list, struct, u8, u16, u32, u64 } from "./bcs.js";
import { CodecError, type Hash, isZero, le } from "./bytes.js";
import { merkleRoot, taggedHash } from "./hash.js";
import { TX_SIZE_MAX } from "./transaction.js";

export const HEADER_SIZE = 362;
export const CERT_SIZE = 109;
export const HEADER_KINDS = ["normal", "boundary", "closing"] as const;
export const VOTE_KINDS = ["NOTARIZE", "NULLIFY", "FINALIZE", "PROPOSE"] as const;
export type VoteKind = (typeof VOTE_KINDS)[number];

export const CERT_NOTARIZATION = 0;
export const CERT_FINALIZATION = 2;

export const Cert = struct("Cert", { kind: u8, epoch: u32, view: u64, hash, bitmap: fixed(16), sig: fixed(48) });
export type Cert = Infer<typeof Cert>;

/** The certificate of a parent that is the anchor: all zero. */
export const CERT_ZERO: Cert = decode(Cert, new Uint8Array(CERT_SIZE));

export const Header = struct("Header", {
  version: u16,
  kind: u8,
  leader: u16,
  epoch: u32,
  view: u64,
  height: u64,
  parent_hash: hash,
  parent_view: u64,
  parent_cert: Cert,
  just_root: hash,
  body_hash: hash,
  body_len: u32,
  parent_state_root: hash,
  next_epoch_root: hash,
  time_ms: u64,
  reveal: fixed(48),
});
export type Header = Infer<typeof Header>;

/** `sig` is the leader's PROPOSE over the block hash. */
export const SignedHeader: Codec<{ header: Header; sig: Uint8Array }> = struct("SignedHeader", {
  header: Header,
  sig: fixed(48),
});
export type SignedHeader = Infer<typeof SignedHeader>;

export function decodeHeader(raw: Uint8Array): Header {
  const h = decode(Header, raw);
  checkHeader(h);
  return h;
}

export function decodeSignedHeader(raw: Uint8Array): SignedHeader {
  const h = decode(SignedHeader, raw);
  checkHeader(h.header);
  return h;
}

/* C2.2: unknown versions and kinds are refused. */
function checkHeader(h: Header): void {
  if (h.version !== 1) throw new CodecError(`header version ${h.version}, known is 1`);
  if (HEADER_KINDS[h.kind] === undefined) throw new CodecError(`header kind ${h.kind}`);
  checkCertKind(h.parent_cert);
}

export function checkCertKind(c: Cert): void {
  if (c.kind !== CERT_NOTARIZATION && c.kind !== CERT_FINALIZATION) throw new CodecError(`certificate kind ${c.kind}`);
}

export const isZeroCert = (c: Cert): boolean => isZero(encode(Cert, c));

export function blockHash(header: Header): Hash {
  return taggedHash("dmg/block/v1", encode(Header, header));
}

/** The 77 bytes that a validator signs (C2.2). */
export function voteMessage(kind: VoteKind, chain: Hash, epoch: number, view: bigint, voted: Hash): Uint8Array {
  return encode(Vote, { kind: VOTE_KINDS.indexOf(kind), chain, epoch, view, hash: voted });
}
const Vote = struct("Vote", { kind: u8, chain: hash, epoch: u32, view: u64, hash });

/** C3.1: what a leader signs for the beacon, the same in all headers of a window. */
export const revealMessage = (chain: Hash, epoch: number, window: bigint): Uint8Array =>
  encode(struct("Reveal", { chain: hash, epoch: u32, window: u64 }), { chain, epoch, window });

export const Attendance = struct("Attendance", { view: u64, kind: u8, bitmap: fixed(16), sig: fixed(48) });
export type Attendance = Infer<typeof Attendance>;

/** No evidence format exists yet (C9.1), so that list is empty. A transaction stands as its BCS behind its length. */
export const BODY_TXS_MAX = 10_000;
export const BlockBody = struct("BlockBody", {
  attendance: list(Attendance, 8),
  evidence: list(bytes(0), 0),
  transactions: list(bytes(TX_SIZE_MAX), BODY_TXS_MAX),
});
export type BlockBody = Infer<typeof BlockBody>;

/** C2.5. `body_len` is the length of the body's BCS; the empty body is three zero bytes. */
export function bodyHash(body: BlockBody): Hash {
  const att = taggedHash("dmg/body/att/v1", encode(list(Attendance, 8), body.attendance));
  const ev = taggedHash("dmg/body/ev/v1", encode(list(bytes(0), 0), body.evidence));
  const txs = merkleRoot(
    "dmg/body/node/v1",
    body.transactions.map((t) => taggedHash("dmg/body/tx/v1", t)),
  );
  return taggedHash("dmg/body/v1", att, ev, txs);
}

export const ValidatorSet = list(struct("Validator", { key: fixed(96), weight: u64 }), 128, 1);
export type ValidatorSet = Infer<typeof ValidatorSet>;
export const setHash = (set: ValidatorSet): Hash => taggedHash("dmg/set/v1", encode(ValidatorSet, set));

/** M1.5: b(0) and the next value. */
export const beaconFirst = (genesis: Hash): Hash => taggedHash("dmg/rand/beacon/v1", genesis);
export const beaconNext = (before: Hash, reveal: Uint8Array): Hash => taggedHash("dmg/rand/beacon/v1", before, reveal);
/** C3.2. */
export const seedFirst = (genesis: Hash): Hash => taggedHash("dmg/epoch/seed/v1", genesis, le(0, 4));
