import { SpanledgerError } from '@spanledger/protocol';

/** Takes a canonical host, as `canonicalHost` and `hostOfUrl` give it. */
export type HostMatcher = (host: string) => boolean;

/** What would end or alter the host part of a URL, or what a URL parser silently drops. */
const NOT_A_HOST = /[\s/?#@\\%<>^|]/;

/**
 * One spelling for one host: lower case, punycode, dotted IPv4, IPv6 compressed and in brackets (given with or without
 * them). A trailing dot is kept, because `orchestrator.svc.` is looked up elsewhere than `orchestrator.svc`.
 *
 * @returns `undefined` for anything that is not a host and nothing else (a port, a user, a path).
 */
export function canonicalHost(raw: unknown): string | undefined {
  if (typeof raw !== 'string' || raw.length === 0 || raw.length > 1024 || NOT_A_HOST.test(raw)) return undefined;
  const text = raw.includes(':') && !raw.startsWith('[') ? `[${raw}]` : raw;
  // `[::1]:80` loses its default port in parsing, so the text must end where the host does.
  if (text.startsWith('[') && !text.endsWith(']')) return undefined;
  return parseUrl(`http://${text}/`)?.hostname;
}

/** @returns the host that a request to this URL goes to: never what is before an `@`, and without a port. */
export function hostOfUrl(url: unknown): string | undefined {
  return canonicalHost(parseUrl(url)?.hostname);
}

/** @returns `undefined` for what is not an absolute URL. */
export function parseUrl(url: unknown, base?: URL): URL | undefined {
  if (typeof url !== 'string' && !(url instanceof URL)) return undefined;
  try {
    return new URL(url, base);
  } catch {
    return undefined;
  }
}

/**
 * `orchestrator.svc` matches that host alone; `*.agents.internal` its subdomains of any depth, not `agents.internal`
 * itself. Case and ports do not count.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION` for what is neither (a URL, a port, a bare `*`, a wildcard elsewhere).
 */
export function matchHosts(patterns: readonly string[]): HostMatcher {
  const exact = new Set<string>();
  const suffixes: string[] = [];
  for (const pattern of patterns) {
    const wildcard = typeof pattern === 'string' && pattern.startsWith('*.');
    const host = canonicalHost(wildcard ? pattern.slice(2) : pattern);
    if (host === undefined || host.includes('*') || (wildcard && !isName(host))) throw invalidPattern(pattern);
    if (wildcard) suffixes.push(`.${host}`);
    else exact.add(host);
  }
  return (host) => exact.has(host) || suffixes.some((suffix) => host.endsWith(suffix) && isName(host));
}

/** An address has no subdomains: `*.0.0.1` must not be a way to write `127.0.0.1`. */
function isName(host: string): boolean {
  return !host.startsWith('[') && !host.startsWith('.') && !/(^|\.)\d+\.?$/.test(host);
}

function invalidPattern(pattern: unknown): SpanledgerError {
  return new SpanledgerError(
    'SPANLEDGER_OPTION',
    `outbound.allowedHosts: ${JSON.stringify(pattern)} is not a host: write "orchestrator.svc" for one host or ` +
      '"*.agents.internal" for its subdomains, without scheme, port or path',
  );
}
