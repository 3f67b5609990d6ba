import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, credsAuthenticator, nkeyAuthenticator } from '@nats-io/transport-node';
import type { Authenticator, NatsConnection, NodeConnectionOptions, TlsOptions } from '@nats-io/transport-node';
import { SpanledgerError, encodeToken } from '@spanledger/protocol';

const RETRY_MS = 1_000;
const CONNECT_TIMEOUT_MS = 5_000;

export interface ConnectNatsOptions {
  /** `nats://host:port`, one or several. */
  readonly servers: string | readonly string[];
  /** Shown by the server, and part of the default inbox prefix: the producer's name. Default `spanledger`. */
  readonly name?: string;
  /** Where acknowledgements arrive; an account needs to subscribe to nothing else. Default `_INBOX_<name>`. */
  readonly inboxPrefix?: string;
  /** Path of a `.creds` file; read again at every reconnect, so credentials can be rotated in place. */
  readonly credsFile?: string;
  /** Seed of an NKey (`SU…`). */
  readonly nkeySeed?: string;
  readonly token?: string;
  readonly user?: string;
  readonly pass?: string;
  readonly tls?: TlsOptions;
  /** Aborting gives up connecting; it does not close a connection. */
  readonly signal?: AbortSignal;
  /** Told of each failed attempt to connect for the first time. */
  readonly onRetry?: (error: unknown) => void;
}

/**
 * Opens a connection that never gives up: the first server may be down, gone for days, or refuse our credentials for a
 * while. A dead peer is noticed within 15 s. Like any connection it keeps the process alive, also while it is tried.
 *
 * @returns resolves when there is a connection, whenever that is.
 * @throws SpanledgerError `SPANLEDGER_SINK` when `signal` is aborted first; `SPANLEDGER_OPTION` when `credsFile` cannot be
 *   read or holds no credentials.
 */
export async function connectNats(options: ConnectNatsOptions): Promise<NatsConnection> {
  const { signal } = options;
  const settings = connectionSettings(options);
  while (!signal?.aborted) {
    try {
      return await connect(settings);
    } catch (error) {
      options.onRetry?.(error);
      await delay(RETRY_MS, undefined, { ...(signal && { signal }) }).catch(() => {});
    }
  }
  throw new SpanledgerError('SPANLEDGER_SINK', 'connecting to NATS was given up before a server was reached');
}

function connectionSettings(options: ConnectNatsOptions): NodeConnectionOptions {
  const { name = 'spanledger', servers, token, user, pass, tls } = options;
  const authenticator = authenticatorFor(options);
  return {
    servers: typeof servers === 'string' ? servers : [...servers],
    name,
    inboxPrefix: options.inboxPrefix ?? `_INBOX_${encodeToken(name)}`,
    timeout: CONNECT_TIMEOUT_MS,
    // The loop in `connectNats` takes the place of `waitOnFirstConnect`, which cannot be aborted.
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RETRY_MS,
    ignoreAuthErrorAbort: true,
    pingInterval: 5_000,
    maxPingOut: 2,
    ...(authenticator && { authenticator }),
    ...(token !== undefined && { token }),
    ...(user !== undefined && { user }),
    ...(pass !== undefined && { pass }),
    ...(tls && { tls }),
  };
}

function authenticatorFor({ credsFile, nkeySeed }: ConnectNatsOptions): Authenticator | undefined {
  if (credsFile !== undefined) return credsFileAuthenticator(credsFile);
  if (nkeySeed !== undefined) return nkeyAuthenticator(new TextEncoder().encode(nkeySeed));
  return undefined;
}

/**
 * Reads the file anew each time. While it is missing or half written, it answers with what was read last: an authenticator
 * that throws ends the connection for ever.
 */
function credsFileAuthenticator(path: string): Authenticator {
  let latest: Authenticator;
  try {
    latest = credsAuthenticator(readFileSync(path));
    latest('nonce');
  } catch (cause) {
    throw new SpanledgerError('SPANLEDGER_OPTION', `credsFile ${path} cannot be read, or holds no credentials`, {
      cause,
    });
  }
  return (nonce) => {
    try {
      const current = credsAuthenticator(readFileSync(path));
      const answer = current(nonce);
      latest = current;
      return answer;
    } catch {
      return latest(nonce); // Being replaced: the next attempt reads it.
    }
  };
}
