import { loggable } from '@spanledger/otel/internal';
import { SpanledgerError } from '@spanledger/protocol';
import type { EnvelopeForm, SealOptions, UnsignedEventError } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import type { SigningKeys } from './key-ring.ts';

/** What is signed, and by whom. */
export interface SigningOptions {
  /**
   * - `checkpoint`: `audit_checkpoint` events, which name the heads of all runs. They are written from timers and
   *   acknowledgements, never in a hook.
   * - `event`: each event, in the hook: about 40 µs.
   */
  readonly mode: 'checkpoint' | 'event';
  /** `createKeyRing`, or a signer of one's own. The pipeline owns it from now on, and closes it. */
  readonly keys: SigningKeys;
}

/** How signing is doing. */
export interface SigningHealth {
  readonly mode: SigningOptions['mode'];
  /** The active key; absent while the signer cannot even say that. */
  readonly kid?: string;
  /** The last event that was to be signed was. */
  readonly healthy: boolean;
  /** Why it was not. */
  readonly problem?: string;
}

/** Which events are signed, and whether that works. */
export class Signing {
  readonly #options: SigningOptions | undefined;
  readonly #unsigned: SealOptions;
  readonly #signed: SealOptions;
  /** Why the last event that was to be signed could not be. */
  problem: UnsignedEventError | undefined;

  constructor(options: SigningOptions | undefined, envelope: EnvelopeForm) {
    this.#options = options;
    this.#unsigned = { envelope };
    this.#signed = { envelope, signer: options?.keys };
  }

  /** With what an event of this name is sealed. */
  optionsFor(event: string): SealOptions {
    const isSigned = this.#options?.mode === 'event' || event === 'audit_checkpoint';
    return isSigned ? this.#signed : this.#unsigned;
  }

  /** An event was sealed with these options. */
  sealed(options: SealOptions): void {
    if (this.problem === undefined || options !== this.#signed) return;
    log.info('events are signed again');
    this.problem = undefined;
  }

  failed(error: UnsignedEventError): void {
    if (this.problem === undefined) log.error('an event could not be signed, and is lost (reported once):', error);
    this.problem = error;
  }

  /** New events are lost, because none can be signed. */
  get losesEvents(): boolean {
    return this.problem !== undefined && this.#options?.mode === 'event';
  }

  get health(): SigningHealth | undefined {
    if (this.#options === undefined) return undefined;
    const { mode } = this.#options;
    const kid = this.#kid();
    const { problem } = this;
    return {
      mode,
      ...(kid !== undefined && { kid }),
      healthy: problem === undefined,
      ...(problem && { problem: loggable(problem.message) }),
    };
  }

  #kid(): string | undefined {
    try {
      return this.#options?.keys.kid;
    } catch {
      return undefined;
    }
  }
}

/** @throws SpanledgerError `SPANLEDGER_OPTION` */
export function checkSigning(signing: SigningOptions | undefined): SigningOptions | undefined {
  if (signing === undefined) return undefined;
  const { mode, keys } = signing;
  if (mode !== 'checkpoint' && mode !== 'event') {
    throw new SpanledgerError(
      'SPANLEDGER_OPTION',
      `signing.mode must be 'checkpoint' or 'event', got ${JSON.stringify(mode)}`,
    );
  }
  if (typeof keys?.sign !== 'function' || typeof keys.jwks !== 'function') {
    throw new SpanledgerError('SPANLEDGER_OPTION', 'signing.keys must be a key ring: createKeyRing({ key }) makes one');
  }
  return { mode, keys };
}
