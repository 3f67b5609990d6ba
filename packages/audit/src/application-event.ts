import { LEDGER_EVENTS, isEventName } from '@spanledger/protocol';

const RESERVED: ReadonlySet<string> = new Set(LEDGER_EVENTS);

/**
 * Whether an application may give an event this name. What the ledger says of itself only the ledger says: readers
 * believe an `audit_loss` of its producer, so a span attribute must not be able to excuse a deletion (I6, I9).
 */
export function isApplicationEvent(name: unknown): name is string {
  return isEventName(name) && !RESERVED.has(name);
}

/** What was given as a name, for messages. */
export function quoted(name: unknown): string {
  return typeof name === 'string' ? JSON.stringify(name.slice(0, 200)) : typeof name;
}
