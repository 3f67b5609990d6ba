import { SpanKind } from '@opentelemetry/api';
import type { DataRule } from './designation-rule.ts';

export interface HttpRuleOptions {
  /** Also requests that this service makes, as `http_client_request`. Default `false`. */
  readonly client?: boolean;
}

/** The attribute that makes a span an HTTP request: by the stable semantic conventions, and by the old ones. */
const METHOD_KEYS = ['http.request.method', 'http.method'];

const COMMON_FIELDS = {
  method: METHOD_KEYS,
  status_code: ['http.response.status_code', 'http.status_code'],
  protocol_version: ['network.protocol.version', 'http.flavor'],
};

/**
 * HTTP requests served, as `http_request`, with method, scheme, route, status code and protocol version.
 *
 * Never the path, which holds customers' ids, the query or the client's address: of the URL only the route, which a
 * framework's instrumentation puts on the span. Requests made (`client`) have no route: their host and port are recorded.
 */
export function http(options: HttpRuleOptions = {}): DataRule[] {
  const server = requestRules(SpanKind.SERVER, 'http_request', {
    ...COMMON_FIELDS,
    scheme: ['url.scheme', 'http.scheme'],
    route: 'http.route',
  });
  if (!options.client) return server;
  const client = requestRules(SpanKind.CLIENT, 'http_client_request', {
    ...COMMON_FIELDS,
    host: ['server.address', 'net.peer.name'],
    port: ['server.port', 'net.peer.port'],
  });
  return [...server, ...client];
}

function requestRules(kind: SpanKind, event: string, fields: Record<string, string | string[]>): DataRule[] {
  return METHOD_KEYS.map((key) => ({ when: { kind, attributes: { [key]: true } }, event, fields }));
}
