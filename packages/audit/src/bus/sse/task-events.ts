import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { SpanledgerError } from '@spanledger/protocol';
import type { ErrorCode } from '@spanledger/protocol';
import { log } from '../../diagnostics.ts';
import { EventHub } from './event-hub.ts';
import { isGone, openOutlet, whenGone, writeHead } from './response-outlet.ts';
import type { HttpResponse } from './response-outlet.ts';
import { resolveTaskEvents } from './sse-options.ts';
import type { TaskEventsOptions } from './sse-options.ts';
import { readRequest } from './sse-request.ts';

/** The events of tasks as Server-Sent Events, for one route of an HTTP server. */
export interface TaskEvents {
  /**
   * Answers a GET or HEAD request for the events of a task, and any other with 405. Never throws: what is wrong is an answer, as JSON with the
   * `code`.
   *
   * @param taskId as the route has it; a string of 1 to 256 UTF-16 units, or the answer is 400.
   */
  readonly handle: (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
    taskId: unknown,
  ) => void;
  /** Ends all responses; who comes later is answered 503. The bus stays open. Doing it again does nothing. */
  readonly close: () => void;
}

// Not from `node:http`, which this must not load: tracing has to be there first.
const PHRASES: Record<number, string> = {
  400: 'Bad Request',
  404: 'Not Found',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};
const STATUS_OF: Partial<Record<ErrorCode, number>> = {
  SPANLEDGER_VALUE: 400,
  SPANLEDGER_UNKNOWN_TASK: 404,
  SPANLEDGER_BUS_CLOSED: 503,
  SPANLEDGER_BUS_FULL: 503,
};
const RETRY_AFTER_SECONDS = 5;

/**
 * The route of the Express and Fastify handlers, and for `node:http`.
 *
 * Who may see a task's events is not asked here: put that before it. The ids of tasks are no secrets.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION`
 */
export function createTaskEvents(options: TaskEventsOptions): TaskEvents {
  const resolved = resolveTaskEvents(options);
  const hub = new EventHub(resolved);
  return {
    handle(request, response, taskId) {
      try {
        serve(hub, resolved.retryMs, request as IncomingMessage, response as HttpResponse, taskId);
      } catch (error) {
        refuse(response as HttpResponse, error);
      }
    },
    close: () => hub.close(),
  };
}

function serve(
  hub: EventHub,
  retryMs: number,
  request: IncomingMessage,
  response: HttpResponse,
  taskId: unknown,
): void {
  if (isGone(request, response)) return;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { Allow: 'GET, HEAD', 'Cache-Control': 'no-store' }).end();
    return;
  }
  const asked = readRequest(request, taskId);
  if (request.method === 'HEAD') {
    hub.check(asked);
    writeHead(response);
    response.end();
    return;
  }
  const client = hub.connect(asked, () => openOutlet(response, retryMs));
  if (client === undefined) {
    // Of all answers the one that `EventSource` takes for: do not come back.
    response.writeHead(204, { 'Cache-Control': 'no-store' }).end();
    return;
  }
  response.on('drain', () => client.resume());
  whenGone(request, response, () => client.leave());
}

function refuse(response: HttpResponse, error: unknown): void {
  const known = error instanceof SpanledgerError ? STATUS_OF[error.code] : undefined;
  if (known === undefined) log.error('the events of a task cannot be served:', error);
  if (response.headersSent) {
    if (!response.writableEnded) response.destroy();
    return;
  }
  const statusCode = known ?? 500;
  const { code, message } = known === undefined ? { message: 'the events cannot be had' } : (error as SpanledgerError);
  response.statusCode = statusCode;
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.setHeader('Cache-Control', 'no-store');
  if (statusCode === 503) response.setHeader('Retry-After', RETRY_AFTER_SECONDS);
  response.end(JSON.stringify({ statusCode, code, error: PHRASES[statusCode], message }));
}
