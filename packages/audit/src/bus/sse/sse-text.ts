import type { BusEvent } from '../bus-event.ts';

/** What `EventSource` calls its own events, and what we call a hole: an audit event of that name comes as `message`. */
const TAKEN_NAMES: ReadonlySet<string> = new Set(['open', 'error', 'lagged']);

/** A comment: clients ignore it, and whatever is in between sees that the connection is alive. */
export const HEARTBEAT = ':\n\n';

export function retryText(retryMs: number): string {
  return `retry: ${retryMs}\n\n`;
}

/** One event of the stream. Its JSON has no line break, and its name and id have none either. */
export function eventText(id: string, event: BusEvent): string {
  const name = TAKEN_NAMES.has(event.event) ? '' : `event: ${event.event}\n`;
  return `id: ${id}\n${name}data: ${JSON.stringify(event)}\n\n`;
}

/**
 * The first of a client that says nothing of where it had come to: a place to come back to if it is cut off before it has heard anything.
 * With a dot in its name, no event can have that one.
 */
export function connectedText(id: string): string {
  return `id: ${id}\nevent: stream.connected\ndata: {}\n\n`;
}

/** @param dropped how many are missing since the client connected; `undefined` where nobody can know. */
export function laggedText(id: string, dropped: number | undefined): string {
  return `id: ${id}\nevent: lagged\ndata: ${JSON.stringify({ type: 'lagged', dropped })}\n\n`;
}

/** `<run_id>:<seq>`; `undefined` for what has no number, or an id that would not stay in its line. */
export function cursorOf({ run_id: runId, seq }: BusEvent): string | undefined {
  const id = `${runId}:${seq}`;
  return runId !== undefined && seq !== undefined && /^[!-~]+$/.test(id) ? id : undefined;
}
