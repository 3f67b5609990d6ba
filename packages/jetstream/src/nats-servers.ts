import { SpanledgerError } from '@spanledger/protocol';

/** Servers without credentials in them, and the credentials that were. */
export interface NatsServers {
  readonly servers: readonly string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** One of them was `tls://`: a connection without TLS is refused. */
  readonly tls?: object;
}

/**
 * Reads `nats://[user:pass@ | token@]host[:port]`, one or several, or `tls://…`. nats.js itself ignores all but host and port.
 *
 * @param source name of the option or variable, for the message; its value is not in it, since it may hold a password.
 * @throws SpanledgerError `SPANLEDGER_OPTION`
 */
export function parseNatsServers(given: readonly string[], source: string): NatsServers {
  const urls = given.map((server) => parseServer(server, source));
  const first = urls.find(({ username }) => username !== '');
  const servers = urls.map(({ host }) => host);
  const tls = urls.some(({ protocol }) => protocol === 'tls:') ? { tls: {} } : {};
  if (servers.length === 0) throw new SpanledgerError('SPANLEDGER_OPTION', `${source} names no server`);
  if (first === undefined) return { servers, ...tls };
  const [username, password] = [decode(first.username, source), decode(first.password, source)];
  return { servers, ...tls, ...(password === '' ? { token: username } : { user: username, pass: password }) };
}

function parseServer(server: string, source: string): URL {
  const text = /^[a-z]+:\/\//i.test(server) ? server : `nats://${server}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && url.host !== '' && (url.protocol === 'nats:' || url.protocol === 'tls:')) return url;
  throw unusable(source);
}

function decode(text: string, source: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw unusable(source);
  }
}

function unusable(source: string): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_OPTION', `${source} must be nats://host:port, one or several`);
}
