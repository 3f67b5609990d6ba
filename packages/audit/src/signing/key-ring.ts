import path from 'node:path';
import { SpanledgerError, readJwks } from '@spanledger/protocol';
import type { EventSigner, Jwk, Jwks } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import { KeyFile } from './key-file.ts';
import { readPrivateKey } from './private-key.ts';
import { signingKey } from './signing-key.ts';
import type { SigningKey } from './signing-key.ts';

/** Keys that this process has signed with and does no more; those before them are forgotten. */
const RETIRED_MAX = 32;
const KEY_FILE_CHECK_MS = 5_000;
/**
 * How long what a retired key signs is still valid: replicas take a new key from their file one after the other (a mounted secret takes
 * minutes), and readers pin the set of any one of them (I9). It costs nothing: whoever has the key can write an earlier time anyway.
 */
const GRACE_MS = 600_000;

/** Signs, and knows the public keys that its signatures can be verified with. */
export interface SigningKeys extends EventSigner {
  /** The active key and those before it. Called at each request of the JWKS route. */
  jwks(): Jwks;
  /** The pipeline is shut down. */
  close?(): void;
}

/** A private Ed25519 key, as PEM or the base64 of its PKCS#8 DER. */
export interface KeyText {
  readonly key: string;
  /** 1 to 128 visible ASCII characters. Default: the RFC 7638 thumbprint of the key. */
  readonly kid?: string | undefined;
}

export interface KeyRingOptions extends Partial<KeyText> {
  /** What `key` is called in messages, which never hold it. Default: option `key`. */
  readonly keySource?: string | undefined;
  /**
   * A file with the key, instead of `key`. When it gets another one, that signs from then on; its `kid` is its thumbprint, because `kid`
   * names the first one.
   */
  readonly keyFile?: string | undefined;
  /** How often to look at the file, in milliseconds. Default 5,000; 10 to 3,600,000. */
  readonly keyFileCheckMs?: number | undefined;
  /** Keys of earlier processes, to be served with those of this one. */
  readonly publicKeys?: Jwks | undefined;
}

/** One key that signs, and the public keys that readers need, of which there may be many. */
export interface KeyRing extends SigningKeys {
  /**
   * Signs with this key from now on. The one before stays in the JWKS, with an `exp` in ten minutes: other replicas rotate a
   * little later.
   *
   * @returns its `kid`.
   * @throws SpanledgerError `SPANLEDGER_KEY`, and then nothing is changed: for a key that is none, or another key's `kid`
   */
  rotate(key: KeyText): string;
  close(): void;
}

/**
 * Loads a signing key.
 *
 * @throws SpanledgerError `SPANLEDGER_KEY` or `SPANLEDGER_OPTION`
 */
export function createKeyRing(options: KeyRingOptions): KeyRing {
  const { key, keySource = 'option `key`', kid, keyFile, publicKeys } = options;
  const intervalMs = checkInterval(options.keyFileCheckMs ?? KEY_FILE_CHECK_MS);
  if ((key === undefined) === (keyFile === undefined)) {
    throw new SpanledgerError('SPANLEDGER_OPTION', 'a key ring needs one of `key` and `keyFile`');
  }
  // Checked, so that what is served can be read.
  if (publicKeys !== undefined) readJwks(publicKeys);
  const others = publicKeys?.keys ?? [];
  if (keyFile === undefined) return new Ring(signingKey(readPrivateKey(key ?? '', keySource), kid), others);
  const file = new KeyFile(path.resolve(keyFile));
  const ring = new Ring(signingKey(readPrivateKey(file.read(), keyFile), kid), others, () => file.close());
  file.watch(intervalMs, (text) => ring.add(signingKey(readPrivateKey(text, keyFile))));
  return ring;
}

class Ring implements KeyRing {
  #active: SigningKey;
  /** By `kid`, those of earlier processes first, then oldest first. I7: at most `RETIRED_MAX` are added. */
  readonly #retired = new Map<string, Jwk>();
  readonly #close: () => void;
  #added = 0;
  /** Clocks are set back. */
  #lastSignedMs = 0;

  constructor(active: SigningKey, others: readonly Jwk[], close: () => void = () => {}) {
    for (const jwk of others) this.#retired.set(jwk.kid, jwk);
    this.#refuseOther(active);
    this.#retired.delete(active.kid);
    this.#active = active;
    this.#close = close;
  }

  get kid(): string {
    return this.#active.kid;
  }

  sign(bytes: Uint8Array): Uint8Array {
    this.#lastSignedMs = Math.max(this.#lastSignedMs, Date.now());
    return this.#active.sign(bytes);
  }

  jwks(): Jwks {
    return { keys: [this.#active.jwk, ...[...this.#retired.values()].reverse()] };
  }

  rotate({ key, kid }: KeyText): string {
    this.add(signingKey(readPrivateKey(key, 'given to rotate'), kid));
    return this.kid;
  }

  close(): void {
    this.#close();
  }

  /** The same key again changes nothing. */
  add(next: SigningKey): void {
    const { jwk } = this.#active;
    if (next.jwk.x === jwk.x) return;
    this.#refuseOther(next);
    this.#retired.delete(next.kid);
    const exp = Math.ceil((Math.max(this.#lastSignedMs, Date.now()) + GRACE_MS) / 1_000);
    // No `nbf` for the next one: what happened before now, and is sealed only now, is signed by it.
    this.#retired.set(jwk.kid, Object.freeze({ ...jwk, exp }));
    this.#active = next;
    this.#forgetOldest();
    log.info(`events are signed with the key ${next.kid} from now on, no more with ${jwk.kid}`);
  }

  /** Under one `kid` there is one key for ever, or nothing that was signed before would verify. */
  #refuseOther({ kid, jwk: { x } }: SigningKey): void {
    const known = this.#retired.get(kid) ?? (this.#active?.kid === kid ? this.#active.jwk : undefined);
    if (known === undefined || known.x === x) return;
    throw new SpanledgerError('SPANLEDGER_KEY', `the kid ${kid} is another key's: give the new key one of its own`);
  }

  #forgetOldest(): void {
    this.#added += 1;
    if (this.#added <= RETIRED_MAX) return;
    const [oldest = ''] = this.#retired.keys();
    this.#retired.delete(oldest);
    log.warn(`more than ${RETIRED_MAX} keys were rotated, so ${oldest} is no longer served`);
  }
}

function checkInterval(value: number): number {
  if (Number.isSafeInteger(value) && value >= 10 && value <= 3_600_000) return value;
  throw new SpanledgerError('SPANLEDGER_OPTION', `keyFileCheckMs must be from 10 to 3600000, got ${value}`);
}
