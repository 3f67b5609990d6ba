import type { IncomingMessage, ServerResponse } from 'node:http';
import { requestGate } from '@spanledger/audit';
import type { RequestGateOptions } from '@spanledger/audit';
import { serveRequest } from '@spanledger/otel';
import { refuse } from './refuse.ts';

/** Express 4 and 5, and whatever else calls middleware in this way. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/**
 * Middleware that gives every request its run and its workflow context: `app.use(spanledger())`, before the routes.
 *
 * It never throws, and passes every request on; with `failClosed`, only while the ledger accepts.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION`, when it is made
 */
export function spanledger(options?: RequestGateOptions): Middleware {
  const gate = requestGate(options);
  return (request, response, next) =>
    serveRequest(request, response, () => {
      const refusal = gate();
      if (refusal === undefined) next();
      else refuse(response, refusal);
    });
}
