import { SIGNATURE_PROFILE, readSignature, signedBytes } from '@spanledger/protocol';
import type { AuditEvent, VerificationKey } from '@spanledger/protocol';
import { isName } from './field-values.ts';
import type { Place, SignatureFinding } from './finding.ts';

export interface SignatureOptions {
  /** The keys that the reader has pinned: a URL that an event names is never asked for one. `readJwks` reads them. */
  readonly keys: readonly VerificationKey[];
  /** Whether this is the Ed25519 signature (64 bytes) of these bytes by the key. In Node: `crypto.verify`. */
  readonly verifySignature: (key: VerificationKey, bytes: Uint8Array, signature: Uint8Array) => boolean;
  /**
   * What must be signed: every event, or every checkpoint. Default: nothing in particular; but where a run has a signed event of a
   * kind, checkpoint or not, all of that kind must be.
   */
  readonly required?: 'event' | 'checkpoint';
}

type Cause = SignatureFinding['cause'];
export type SignedEvent = Pick<AuditEvent, 'event' | 'ts' | 'kid' | 'sigp' | 'sig'>;

/** Judges signatures, each on sight. */
export class SignatureCheck {
  readonly #keys: ReadonlyMap<string, VerificationKey>;
  readonly #options: SignatureOptions;
  #valid = 0;

  constructor(options: SignatureOptions) {
    this.#options = options;
    this.#keys = new Map(options.keys.map((key) => [key.kid, key]));
  }

  /** How many were good. */
  get valid(): number {
    return this.#valid;
  }

  /** @returns what is wrong with it as far as it is known on sight. */
  check(event: SignedEvent, place: Place): SignatureFinding | undefined {
    const signature = readSignature(event);
    const finding = (cause: Cause): SignatureFinding => ({
      cause,
      ...place,
      ...(isName(event.kid) && { kid: event.kid }),
    });
    if (signature === undefined) {
      return this.#isRequired(event) ? finding('signature_missing') : undefined;
    }
    const { kid, sigp, bytes } = signature;
    // Another scheme, or a part of one, must not be a way around this one.
    if (sigp !== SIGNATURE_PROFILE || bytes === undefined) return finding('signature_invalid');
    const key = this.#keys.get(kid);
    if (key === undefined) return finding('signature_unknown_key');
    if (!this.#isBy(key, event, bytes)) return finding('signature_invalid');
    if (!wasValid(key, event)) return finding('signature_expired_key');
    this.#valid += 1;
    return undefined;
  }

  #isRequired({ event }: SignedEvent): boolean {
    const { required } = this.#options;
    return required === 'event' || (required === 'checkpoint' && event === 'audit_checkpoint');
  }

  #isBy(key: VerificationKey, event: SignedEvent, signature: Uint8Array): boolean {
    const bytes = signedBytes(event);
    return bytes !== undefined && this.#options.verifySignature(key, bytes, signature);
  }
}

/** By the event's own clock: after an outage an event is stored long after it was signed. */
function wasValid({ notBefore = -Infinity, notAfter = Infinity }: VerificationKey, { ts }: SignedEvent): boolean {
  const atSeconds = Date.parse(ts) / 1_000;
  return atSeconds >= notBefore && atSeconds <= notAfter;
}

/** Whether it has anything of a signature. */
export function isSigned(event: SignedEvent): boolean {
  return readSignature(event) !== undefined;
}
