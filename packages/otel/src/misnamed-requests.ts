import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { WORKFLOW_FIELDS } from '@spanledger/protocol';
import { hostOfUrl, parseUrl } from './allowed-hosts.ts';
import type { HostMatcher } from './allowed-hosts.ts';

/** Published by undici, and so by `fetch`, for each request and each redirect hop; the instrumentation injects inside it. */
const REQUEST_CREATE = 'undici:request:create';

/** What we need of undici's request. `headers` is a flat list of names and values; one string in undici 5. */
interface UndiciRequest {
  readonly origin?: unknown;
  readonly path?: unknown;
  headers?: unknown;
}

/** Guards against requests whose span names another host than the one they go to. */
export interface MisnamedRequestGuard {
  /** Whether the request now being created is one. */
  readonly active: boolean;
  close(): void;
}

/**
 * undici instrumentation names a span after `new URL(path, origin)`. For `http://evil.example//listed.host/`, and a redirect can
 * lead anywhere, that is `listed.host`, in `server.address` and in `url.full`, while the request goes to `evil.example`.
 *
 * We may be told of such a request before the instrumentation or after it, depending on who subscribed first: before, the
 * propagator is told to write nothing; after, what it wrote is taken out again, before a byte is sent.
 */
export function guardMisnamedRequests(allows: HostMatcher): MisnamedRequestGuard {
  let active = false;
  const listener = (message: unknown) => {
    const { request } = message as { request: UndiciRequest };
    if (!isMisnamed(request, allows)) return;
    active = true;
    queueMicrotask(() => (active = false)); // publishing is synchronous: by then the request is created
    request.headers = withoutWorkflowHeaders(request.headers);
  };
  subscribe(REQUEST_CREATE, listener);
  return {
    get active() {
      return active;
    },
    close: () => void unsubscribe(REQUEST_CREATE, listener),
  };
}

function isMisnamed({ origin, path }: UndiciRequest, allows: HostMatcher): boolean {
  const base = parseUrl(origin);
  const host = hostOfUrl(base);
  if (base === undefined || host === undefined) return true;
  return !allows(host) && hostOfUrl(parseUrl(path, base)) !== host;
}

const NAMES = new Set(WORKFLOW_FIELDS.map(({ header }) => header.toLowerCase()));

function withoutWorkflowHeaders(headers: unknown): unknown {
  if (typeof headers === 'string') {
    return headers
      .split('\r\n')
      .filter((line) => !NAMES.has(line.slice(0, Math.max(0, line.indexOf(':'))).toLowerCase()))
      .join('\r\n');
  }
  if (!Array.isArray(headers)) return headers;
  return headers.filter((_, i) => !NAMES.has(String(headers[i - (i % 2)]).toLowerCase()));
}
