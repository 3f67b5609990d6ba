import { GENESIS_HASH } from './envelope.ts';
import type { AuditEvent } from './envelope.ts';
import { withoutForgeForm } from './forge-form.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads one event from bytes that nobody vouches for, in either form of the envelope; it comes in the one of this type.
 *
 * @returns the event, or `undefined` if the bytes are not a JSON object with the structural fields that a chain needs.
 * `prev_hash` is 64 characters and nothing more is known of it: only comparing it with a hash says whether it is one.
 * Optional fields are not checked (the JSON Schema does that), and the object must not be spread: a
 * `__proto__` key of the input is still an own property of it.
 */
export function parseEvent(bytes: Uint8Array): AuditEvent | undefined {
  let value: unknown;
  try {
    value = withoutForgeForm(JSON.parse(decoder.decode(bytes)));
  } catch {
    return undefined;
  }
  return isChained(value) ? value : undefined;
}

function isChained(value: unknown): value is AuditEvent {
  if (typeof value !== 'object' || value === null) return false;
  const event = value as Partial<Record<keyof AuditEvent, unknown>>;
  return (
    typeof event.ts === 'string' &&
    typeof event.event === 'string' &&
    typeof event.producer === 'string' &&
    typeof event.run_id === 'string' &&
    Number.isSafeInteger(event.seq) &&
    (event.seq as number) >= 1 &&
    typeof event.prev_hash === 'string' &&
    event.prev_hash.length === GENESIS_HASH.length
  );
}
