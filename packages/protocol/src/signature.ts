import { canonicalBytes } from './canonical.ts';
import type { AuditEvent } from './envelope.ts';
import { asReceived } from './forge-form.ts';

/** `sigp` of every signature: Ed25519 over the RFC 8785 canonical JSON of the event without `sig`. */
export const SIGNATURE_PROFILE = 'jcs-1';

/** 64 bytes in standard base64; the last digit of the 86 has four bits that must be 0. */
const SIGNATURE = /^[A-Za-z0-9+/]{85}[AQgw]==$/;

/** What an event says of its signature. */
export interface EventSignature {
  readonly kid: string;
  readonly sigp: string;
  /** The 64 bytes; `undefined` if `sig` is not the standard base64 of so many, written in the one canonical way. */
  readonly bytes: Uint8Array | undefined;
}

/**
 * What the signature of an event covers: all of it but `sig`; so also `kid`, `sigp` and `prev_hash`.
 *
 * @param event as `parseEvent` gave it, in either form of the envelope, or as `JSON.parse` did.
 * @returns `undefined` for what has no canonical form (lone surrogates, nested too deep): no signature of it can be valid.
 */
export function signedBytes(event: object): Uint8Array | undefined {
  const { sig: _, ...covered } = asReceived(event) as { readonly sig?: unknown };
  try {
    return canonicalBytes(covered);
  } catch {
    return undefined;
  }
}

/** @returns `undefined` if the event has none of `kid`, `sigp` and `sig`. One that has some of them is signed, if badly. */
export function readSignature({
  kid,
  sigp,
  sig,
}: Pick<AuditEvent, 'kid' | 'sigp' | 'sig'>): EventSignature | undefined {
  if (kid === undefined && sigp === undefined && sig === undefined) return undefined;
  return { kid: textOf(kid), sigp: textOf(sigp), bytes: decodeSignature(sig) };
}

function decodeSignature(sig: unknown): Uint8Array | undefined {
  if (typeof sig !== 'string' || !SIGNATURE.test(sig)) return undefined;
  return Uint8Array.from(atob(sig), (character) => character.charCodeAt(0));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
