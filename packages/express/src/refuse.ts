import type { ServerResponse } from 'node:http';
import type { RequestRefusal } from '@spanledger/audit';

/**
 * Ends the response with 503, here and not by `next(error)`: whatever the application's error handler makes of errors, a refused
 * request is answered as such, and nothing of the application runs for it.
 */
export function refuse(response: ServerResponse, { retryAfterSeconds, error }: RequestRefusal): void {
  if (response.headersSent) {
    // Somebody before us has answered, and then gone on, or begun to: half an answer is better broken than made whole.
    if (!response.writableEnded) response.destroy();
    return;
  }
  const { code, message, statusCode } = error;
  response.statusCode = statusCode;
  response.setHeader('Retry-After', retryAfterSeconds);
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.end(JSON.stringify({ statusCode, code, error: 'Service Unavailable', message }));
}
