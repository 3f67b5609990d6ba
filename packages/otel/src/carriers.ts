import type { TextMapGetter, TextMapSetter } from '@opentelemetry/api';

/** `Headers` or `Map`. */
interface HeaderMap {
  keys(): Iterable<unknown>;
  get(name: string): unknown;
  set(name: string, value: string): void;
  delete(name: string): void;
}

/** NATS message headers, as both generations of the client have them. Names are case-sensitive there. */
interface MessageHeaders extends HeaderMap {
  values(name: string): string[];
}

/**
 * Reads any carrier that we know: a plain object (Node's headers, MCP `_meta`; own properties only), `Headers`, a `Map`, and
 * NATS message headers. A repeated value comes as an array where the carrier keeps it apart. Anything else has no keys.
 */
export const carrierGetter: TextMapGetter<unknown> = {
  keys(carrier) {
    if (!isHeaderMap(carrier)) return isRecord(carrier) ? Object.keys(carrier) : [];
    return Array.from(carrier.keys()).filter((name) => typeof name === 'string');
  },
  get(carrier, name) {
    if (isMessageHeaders(carrier)) return carrier.values(name);
    if (isHeaderMap(carrier)) return carrier.get(name) as string | undefined;
    return isRecord(carrier) && Object.hasOwn(carrier, name) ? (carrier[name] as string) : undefined;
  },
};

/** Writes to the same carriers. It sets: what the carrier had under that name, in whatever case, is gone. */
export const carrierSetter: TextMapSetter<unknown> = {
  set(carrier, name, value) {
    deleteHeader(carrier, name);
    if (isHeaderMap(carrier)) carrier.set(name, value);
    else if (isRecord(carrier)) carrier[name] = value;
  },
};

/** Removes a header in whatever case it is written. */
export function deleteHeader(carrier: unknown, name: string): void {
  const lowerCase = name.toLowerCase();
  for (const key of carrierGetter.keys(carrier)) {
    if (key.toLowerCase() !== lowerCase) continue;
    if (isHeaderMap(carrier)) carrier.delete(key);
    else if (isRecord(carrier)) delete carrier[key];
  }
}

function isRecord(carrier: unknown): carrier is Record<string, unknown> {
  return typeof carrier === 'object' && carrier !== null;
}

/** By shape, because a process may hold several `Headers` classes. The values of headers and of JSON are never functions. */
function isHeaderMap(carrier: unknown): carrier is HeaderMap {
  if (!isRecord(carrier)) return false;
  return ['keys', 'get', 'set', 'delete'].every((method) => typeof carrier[method] === 'function');
}

/** `Headers` has a `values` as well, of another meaning; `hasError` only NATS has. */
function isMessageHeaders(carrier: unknown): carrier is MessageHeaders {
  return isHeaderMap(carrier) && 'hasError' in carrier && 'values' in carrier;
}
