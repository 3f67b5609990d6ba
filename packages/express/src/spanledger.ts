import type { IncomingMessage, ServerResponse } from 'node:http';
import { serveRequest } from '@spanledger/otel';

/** Express 4 and 5, and whatever else calls middleware in this way. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/**
 * Middleware that gives every request its run and its workflow context: `app.use(spanledger())`, before the routes.
 *
 * It never throws, and passes every request on.
 */
export function spanledger(): Middleware {
  return (request, response, next) => serveRequest(request, response, next);
}
