import type { IncomingMessage } from 'node:http';
import { SpanledgerError } from '@spanledger/protocol';
import { busId } from '../bus-options.ts';
import type { EventFilter } from '../event-filter.ts';

/** Whom a client is, and what it wants. */
export interface ClientRequest {
  readonly taskId: string;
  readonly filter: EventFilter;
  /** What it has had last, by its own word. */
  readonly lastEventId: string | undefined;
}

/**
 * What a request asks for: the task that its route names, the filters of its query, and where the client had come to
 * (`EventSource` says so in a header; a page that was loaded anew can in the query).
 *
 * @throws SpanledgerError `SPANLEDGER_VALUE`
 */
export function readRequest(request: IncomingMessage, taskId: unknown): ClientRequest {
  const query = new URLSearchParams(queryOf(request.url ?? ''));
  const header = request.headers['last-event-id'];
  const lastEventId = typeof header === 'string' && header !== '' ? header : single(query, 'last_event_id');
  return {
    taskId: busId('the id of the task', taskId),
    lastEventId: lastEventId === '' ? undefined : lastEventId,
    filter: {
      sessionId: optionalId(query, 'session_id'),
      clientRequestId: optionalId(query, 'client_request_id'),
      chunks: flag(query, 'chunks'),
    },
  };
}

function queryOf(url: string): string {
  const at = url.indexOf('?');
  return at < 0 ? '' : url.slice(at + 1);
}

function single(query: URLSearchParams, name: string): string | undefined {
  const values = query.getAll(name);
  if (values.length > 1) throw new SpanledgerError('SPANLEDGER_VALUE', `${name} is given ${values.length} times`);
  return values[0];
}

function optionalId(query: URLSearchParams, name: string): string | undefined {
  const value = single(query, name);
  return value === undefined ? undefined : busId(name, value);
}

function flag(query: URLSearchParams, name: string): boolean {
  const value = single(query, name) ?? '0';
  if (['1', 'true'].includes(value)) return true;
  if (['0', 'false'].includes(value)) return false;
  throw new SpanledgerError('SPANLEDGER_VALUE', `${name} must be 1 or 0`);
}
