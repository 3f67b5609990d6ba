import type { BusEvent } from './bus-event.ts';

/** Which events of a task a listener wants; `undefined` is all. */
export interface EventFilter {
  readonly sessionId?: string | undefined;
  readonly clientRequestId?: string | undefined;
  readonly chunks: boolean;
}

export interface EventKind {
  readonly terminal: boolean;
  readonly chunk: boolean;
}

/** What of an event filters look at. */
export type FilteredEvent = Pick<BusEvent, 'session_id' | 'client_request_id'>;

/** A terminal event often belongs to no session, and still ends what the listener looks at. */
export function passes(event: FilteredEvent, kind: EventKind, filter: EventFilter): boolean {
  if (kind.chunk && !filter.chunks) return false;
  return (
    matches(filter.sessionId, event.session_id, kind.terminal) &&
    matches(filter.clientRequestId, event.client_request_id, kind.terminal)
  );
}

function matches(wanted: string | undefined, value: string | undefined, terminal: boolean): boolean {
  return wanted === undefined || value === wanted || (terminal && value === undefined);
}
