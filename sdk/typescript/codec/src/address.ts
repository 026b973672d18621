/** Addresses as text (M1.2a): bech32m, human-readable part `dmg`, the 32 bytes, no version: 62 characters. */
import { bech32m } from "@scure/base";
import { type Address, asAddress, CodecError } from "./bytes.js";

export const ADDRESS_HRP = "dmg";

export function addressToText(address: Address): string {
  return bech32m.encode(ADDRESS_HRP, bech32m.toWords(address));
}

/** Upper case is accepted, mixed case is not. */
export function addressFromText(text: string): Address {
  try {
    const { prefix, words } = bech32m.decode(text as `${string}1${string}`, 90);
    if (prefix !== ADDRESS_HRP) throw new CodecError(`the prefix is "${prefix}", not "${ADDRESS_HRP}"`);
    return asAddress(bech32m.fromWords(words));
  } catch (e) {
    throw new CodecError(`"${text.slice(0, 100)}" is not an address: ${e instanceof Error ? e.message : String(e)}`);
  }
}
