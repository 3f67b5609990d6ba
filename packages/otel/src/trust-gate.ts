import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { logger } from './diagnostics.ts';

/** `verified`: the caller is who it says it is (mTLS, JWT, a signature). */
export type TrustVerdict = boolean | 'verified';

/**
 * Whether to believe the workflow headers of a carrier. A function decides at once and by itself: a promise, any other
 * value, or a throw is `false`.
 *
 * @param request the HTTP/1 request that the headers belong to; `undefined` for messages, HTTP/2 and what does not come
 * through a Node HTTP server.
 * @param carrier the headers object, or the message's headers.
 */
export type TrustInbound = boolean | ((request: IncomingMessage | undefined, carrier: unknown) => TrustVerdict);

/** Node publishes here, with the same headers object that everybody extracts from, before anybody extracts. */
const REQUEST_START = 'http.server.request.start';

const requests = new WeakMap<object, IncomingMessage>();

function remember(message: unknown): void {
  const { request } = message as { request: IncomingMessage };
  requests.set(request.headers, request);
}

/** Remembers which request each headers object belongs to. @returns the function that stops it. */
export function watchRequests(): () => void {
  // Each caller has a listener of its own: stopping one must not stop another's.
  const listener = (message: unknown) => remember(message);
  subscribe(REQUEST_START, listener);
  return () => void unsubscribe(REQUEST_START, listener);
}

/** I5: never throws; a gate that does not answer trusts nobody. */
export function judgeCarrier(trust: TrustInbound, carrier: unknown): TrustVerdict {
  if (typeof trust === 'boolean') return trust;
  try {
    const verdict: unknown = trust(isObject(carrier) ? requests.get(carrier) : undefined, carrier);
    if (typeof verdict === 'boolean' || verdict === 'verified') return verdict;
    logger.error('trustInbound must return true, false or "verified" at once; its headers are not trusted');
    // A gate written as an async function that rejects must not become an unhandled rejection.
    if (verdict instanceof Promise) verdict.catch(() => undefined);
  } catch (error) {
    logger.error('trustInbound threw; its headers are not trusted:', error);
  }
  return false;
}

export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
