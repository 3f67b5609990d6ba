import { createTaskEvents } from '@spanledger/audit/bus';
import type { TaskEvents, TaskEventsOptions } from '@spanledger/audit/bus';
import type { FastifyReply, FastifyRequest } from 'fastify';

type Handle = Parameters<TaskEvents['handle']>;
/** Of any application: one with `http2: true` has types of its own. */
type AnyRequest = Pick<FastifyRequest, 'params'> & { readonly raw: Handle[0] };
type AnyReply = Pick<FastifyReply, 'getHeaders'> & { readonly raw: Handle[1]; hijack(): unknown };

/** A handler for `app.get`, which can be closed. */
export interface TaskEventsHandler {
  (request: AnyRequest, reply: AnyReply): void;
  /** Ends all responses; who comes later is answered 503. The bus stays open. */
  close(): void;
}

/**
 * Handler that sends the events of a task to browsers, as Server-Sent Events:
 * `app.get('/events/:taskId', { preHandler: mayRead }, taskEvents({ bus }))`. The route needs a parameter `taskId`, and something
 * before it that decides who may read: the ids of tasks are no secrets.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION`, when it is made
 */
export function taskEvents(options: TaskEventsOptions): TaskEventsHandler {
  const { handle, close } = createTaskEvents(options);
  const handler = (request: AnyRequest, reply: AnyReply): void => {
    const { taskId } = request.params as { readonly taskId?: unknown };
    // The response is written by hand, and has the headers that hooks have set, for instance those of CORS.
    reply.hijack();
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) reply.raw.setHeader(name, value);
    }
    handle(request.raw, reply.raw, taskId);
  };
  return Object.assign(handler, { close });
}
