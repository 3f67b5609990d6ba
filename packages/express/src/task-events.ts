import type { IncomingMessage, ServerResponse } from 'node:http';
import { createTaskEvents } from '@spanledger/audit/bus';
import type { TaskEventsOptions } from '@spanledger/audit/bus';

/** A handler for `app.get`, which can be closed. */
export interface TaskEventsHandler {
  (request: IncomingMessage & { readonly params: Readonly<Record<string, unknown>> }, response: ServerResponse): void;
  /** Ends all responses; who comes later is answered 503. The bus stays open. */
  close(): void;
}

/**
 * Handler that sends the events of a task to browsers, as Server-Sent Events: `app.get('/events/:taskId', mayRead, taskEvents({ bus }))`.
 * The route needs a parameter `taskId`, and something before it that decides who may read: the ids of tasks are no secrets.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION`, when it is made
 */
export function taskEvents(options: TaskEventsOptions): TaskEventsHandler {
  const { handle, close } = createTaskEvents(options);
  const handler = (request: Parameters<TaskEventsHandler>[0], response: ServerResponse): void =>
    handle(request, response, request.params['taskId']);
  return Object.assign(handler, { close });
}
