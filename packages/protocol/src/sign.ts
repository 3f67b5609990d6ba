import { canonicalBytes } from './canonical.ts';
import { SIGNATURE_PROFILE } from './signature.ts';
import { parseId } from './workflow-values.ts';

/** Signs events with one private key. Injected, because this package runs where `node:crypto` does not. */
export interface EventSigner {
  /** Names the key, in `kid`: 1 to 128 visible ASCII characters. */
  readonly kid: string;
  /**
   * @returns the Ed25519 signature, 64 bytes, in this turn (I1).
   * @throws whatever keeps it from signing. The event is lost then, and never published without a signature.
   */
  sign(bytes: Uint8Array): Uint8Array;
}

/** The text of an event, or why there is none. */
export type SignOutcome = { readonly text: string } | { readonly cause: unknown };

const SIGNATURE_BYTES = 64;

/**
 * Appends `kid`, `sigp` and `sig` to the JSON text of an event.
 *
 * What is signed is made of that text and not of what the text was made of, so it is what a reader will parse.
 *
 * @throws TypeError or Error for a text that has no canonical form: that is not the signer's failure.
 */
export function signText(text: string, signer: EventSigner): SignOutcome {
  const kid = readKid(signer);
  if (typeof kid !== 'string') return kid;
  const unsigned = appended(appended(text, 'kid', kid), 'sigp', SIGNATURE_PROFILE);
  const covered = canonicalBytes(JSON.parse(unsigned) as object);
  try {
    return { text: appended(unsigned, 'sig', signatureOf(signer.sign(covered))) };
  } catch (cause) {
    return { cause };
  }
}

function readKid(signer: EventSigner): string | { readonly cause: unknown } {
  try {
    const { kid } = signer;
    if (typeof kid === 'string' && parseId(kid) === kid) return kid;
    throw new TypeError(`a key id must be 1 to 128 visible ASCII characters, got ${JSON.stringify(kid) ?? 'nothing'}`);
  } catch (cause) {
    return { cause };
  }
}

function signatureOf(signature: unknown): string {
  if (signature instanceof Uint8Array && signature.length === SIGNATURE_BYTES) {
    return btoa(String.fromCharCode(...signature));
  }
  // A promise that nobody waits for must not end the process when it is rejected.
  Promise.resolve(signature).catch(() => {});
  throw new TypeError(`a signer must return ${SIGNATURE_BYTES} bytes, and at once`);
}

/** One more member, as the last one. */
function appended(text: string, name: string, value: string): string {
  return `${text.slice(0, -1)},"${name}":${JSON.stringify(value)}}`;
}
