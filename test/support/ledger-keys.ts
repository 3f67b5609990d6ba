import type { AuditEvent } from '@spanledger/protocol';

/** How many events have a key, made of these fields, that an event before them has. */
export function collisions(events: readonly AuditEvent[], fields: readonly (keyof AuditEvent)[]): number {
  const keys = new Set(events.map((event) => JSON.stringify(fields.map((field) => event[field]))));
  return events.length - keys.size;
}
