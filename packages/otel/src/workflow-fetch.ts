import { context } from '@opentelemetry/api';
import { parseUrl } from './allowed-hosts.ts';
import { injectWorkflowHeaders } from './inject-headers.ts';
import { withoutInjection } from './outbound.ts';

/** As in the Fetch standard. */
const REDIRECTS_MAX = 20;
const REDIRECT_STATUS = new Set([301, 302, 303, 307, 308]);
const BODY_HEADERS = ['content-encoding', 'content-language', 'content-length', 'content-location', 'content-type'];
const SECRET_HEADERS = ['authorization', 'cookie', 'host', 'proxy-authorization'];

/** One request in a chain of redirects. */
interface Hop {
  readonly url: URL;
  readonly init: RequestInit & { readonly method: string; readonly headers: Headers };
}

/**
 * `fetch` that carries workflow identity and judges every redirect anew: workflow headers go to allowed hosts and are
 * taken off for all others, while `fetch` forwards custom headers to wherever it is sent. Otherwise redirects follow the
 * rules of `fetch`, at most 20. A body that cannot be sent twice (a stream, a `Request` with a body) fails at any redirect
 * but a 303. `integrity` is checked on every response, so it does not go with redirects.
 *
 * Headers are written once, with HTTP instrumentation or without; see `injectWorkflowHeaders`.
 *
 * @throws TypeError as `fetch` does.
 */
export async function workflowFetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const mode = init.redirect ?? (input instanceof Request ? input.redirect : 'follow');
  let hop = firstHop(input, init);
  // The first request is made from the caller's own input, so that all that a `Request` can hold is kept.
  let response = await send(input, hop, mode);
  if (mode !== 'follow') return response;
  for (let redirects = 0; ; redirects += 1) {
    const location = REDIRECT_STATUS.has(response.status) ? response.headers.get('location') : null;
    if (location === null) return redirects === 0 ? response : markRedirected(response);
    await response.body?.cancel();
    if (redirects === REDIRECTS_MAX) throw failure('redirect count exceeded');
    hop = nextHop(hop, response.status, location);
    response = await send(hop.url, hop, mode);
  }
}

function firstHop(input: string | URL | Request, init: RequestInit): Hop {
  const request = input instanceof Request ? input : undefined;
  return {
    url: new URL(input instanceof Request ? input.url : input),
    init: {
      ...(request && { signal: request.signal }),
      ...init,
      method: init.method ?? request?.method ?? 'GET',
      headers: new Headers(init.headers ?? request?.headers),
      body: init.body ?? request?.body ?? null,
    },
  };
}

function send(
  input: string | URL | Request,
  { url, init }: Hop,
  mode: Required<RequestInit>['redirect'],
): Promise<Response> {
  injectWorkflowHeaders(url, init.headers);
  const { body, ...rest } = init;
  // A `Request` brings its body itself.
  const ownBody = input instanceof Request && body === input.body;
  const redirect = mode === 'follow' ? 'manual' : mode;
  return context.with(withoutInjection(context.active()), () =>
    fetch(input, { ...rest, ...(ownBody ? {} : { body: body ?? null }), redirect }),
  );
}

/** @throws TypeError for a redirect that `fetch` does not follow either. */
function nextHop({ url, init }: Hop, status: number, location: string): Hop {
  // Header bytes come as Latin-1; a location that is not ASCII is UTF-8.
  const target = parseUrl(Buffer.from(location, 'latin1').toString(), url);
  if (target === undefined) throw failure('invalid redirect URL');
  if (target.protocol !== 'http:' && target.protocol !== 'https:') throw failure('URL scheme must be a HTTP(S) scheme');
  const headers = new Headers(init.headers);
  if (target.origin !== url.origin) for (const name of SECRET_HEADERS) headers.delete(name);
  if (status !== 303 && !isReplayable(init.body)) throw failure('the body is a stream, which cannot be sent again');
  if (!becomesGet(status, init.method.toUpperCase())) return { url: target, init: { ...init, headers } };
  for (const name of BODY_HEADERS) headers.delete(name);
  return { url: target, init: { ...init, headers, method: 'GET', body: null } };
}

function becomesGet(status: number, method: string): boolean {
  if (status === 303) return method !== 'GET' && method !== 'HEAD';
  return (status === 301 || status === 302) && method === 'POST';
}

function isReplayable(body: RequestInit['body']): boolean {
  return !(
    body instanceof ReadableStream ||
    (typeof body === 'object' && body !== null && Symbol.asyncIterator in body)
  );
}

/** We followed it, so the response itself does not know. */
function markRedirected(response: Response): Response {
  return Object.defineProperty(response, 'redirected', { value: true });
}

function failure(reason: string): TypeError {
  return new TypeError('fetch failed', { cause: new Error(reason) });
}
