import { SpanledgerError } from '@spanledger/protocol';

/**
 * Says what of a payload may be kept. It is given a copy of its own, plain JSON, and may change it in place; what it returns counts.
 * Synchronous: it runs inside the span hook (I1), and its time is the application's.
 */
export type RedactionPolicy = (payload: Record<string, unknown>) => Readonly<Record<string, unknown>>;

export interface RedactionOptions {
  /** Known shapes of secrets become `[REDACTED]`, in every text of every event. Default true. */
  readonly secrets?: boolean;
  /** What else is to go. It runs before the secrets are looked for. If it throws, the event loses its payload (I6), and is counted in `health().redaction`. */
  readonly policy?: RedactionPolicy | undefined;
  /**
   * At least 16 bytes, or a string of as many. With it a secret becomes `[REDACTED:<16 hex>]`, its HMAC-SHA-256: equal secrets can
   * be told to be equal, and only who has the key can try guesses.
   */
  readonly joinKey?: string | Uint8Array | undefined;
}

export interface ResolvedRedaction {
  readonly secrets: boolean;
  readonly policy: RedactionPolicy | undefined;
  readonly joinKey: Uint8Array | undefined;
}

const JOIN_KEY_MIN_BYTES = 16;

/** @throws SpanledgerError `SPANLEDGER_OPTION` */
export function resolveRedaction({ secrets = true, policy, joinKey }: RedactionOptions = {}): ResolvedRedaction {
  if (typeof secrets !== 'boolean') throw unusable('secrets must be true or false');
  if (policy !== undefined && typeof policy !== 'function') throw unusable('policy must be a function');
  return { secrets, policy, joinKey: joinKey === undefined ? undefined : keyBytes(joinKey) };
}

function keyBytes(joinKey: unknown): Uint8Array {
  const isKey = typeof joinKey === 'string' || joinKey instanceof Uint8Array;
  // A copy: the caller may wipe his own.
  const bytes = isKey ? Buffer.from(joinKey as string) : undefined;
  if (bytes !== undefined && bytes.length >= JOIN_KEY_MIN_BYTES) return bytes;
  throw unusable(`joinKey must be a string or Uint8Array of at least ${JOIN_KEY_MIN_BYTES} bytes`);
}

function unusable(problem: string): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_OPTION', `redaction.${problem}`);
}
