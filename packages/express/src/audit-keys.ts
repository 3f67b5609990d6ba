import type { IncomingMessage } from 'node:http';
import { keysRoute } from '@spanledger/audit';
import type { KeysRouteOptions } from '@spanledger/audit';
import type { Middleware } from './spanledger.ts';

/**
 * Middleware that answers `GET /.well-known/forge-audit-keys` with the public keys that the service's audit events can be verified
 * with, and passes on everything else: `app.use(auditKeys())`, on the application and not on a router.
 *
 * The answer is 404 where nothing is signed.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION`, when it is made
 */
export function auditKeys(options?: KeysRouteOptions): Middleware {
  const { path, answer } = keysRoute(options);
  return (request, response, next) => {
    if (!isRead(request) || pathOf(request) !== path || response.headersSent) return next();
    const { statusCode, headers, body } = answer();
    response.statusCode = statusCode;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.setHeader('Content-Length', Buffer.byteLength(body));
    response.end(request.method === 'HEAD' ? undefined : body);
  };
}

function isRead({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** Express takes off what the middleware is mounted at. */
function pathOf(request: IncomingMessage & { readonly originalUrl?: string }): string | undefined {
  return (request.originalUrl ?? request.url)?.split('?', 1)[0];
}
