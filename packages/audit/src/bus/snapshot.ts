import { toFields } from '../json-value.ts';
import type { BusEvent, BusEventItem } from './bus-event.ts';

/** I7: a buffer full of the largest copies is 256 × about 512 KiB, held once for all subscribers of the task. */
const COPY_LIMITS = { stringMax: 65_536, itemsMax: 1_024, depthMax: 16, totalMax: 262_144 };

/**
 * The one copy that all subscribers share, by the rules by which the ledger makes values into JSON. It shares nothing with
 * what was published, and nobody can change it: what any one of them does is invisible to the others.
 *
 * @param name as it was checked: read again, a getter could say what is no name, and end a line in a browser's stream.
 */
export function snapshot(event: BusEvent, name: string, terminal: boolean): BusEventItem {
  const { fields, ...envelope } = event;
  // I6: on accounts of their own, so that no content, however large, costs the event its name, ids and number.
  const copy = toFields(envelope, COPY_LIMITS) ?? {};
  copy['event'] = name;
  const content = toFields(fields, COPY_LIMITS);
  if (content !== undefined) copy['fields'] = content;
  // By hand, because the copy is ours and the walk over it ends: it is a tree of plain objects and arrays.
  freeze(copy);
  return Object.freeze({ type: 'event', event: copy as unknown as BusEvent, ...(terminal && { terminal }) });
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const member of Object.values(value)) freeze(member);
  Object.freeze(value);
}
