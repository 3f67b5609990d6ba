import type { NatsConnectionLike } from './nats-connection.ts';

const REQUEST_TIMEOUT_MS = 5_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const STREAM_NOT_FOUND = 10059;
export const STREAM_NAME_IN_USE = 10058;
/** Of another stream; or of this very one, while somebody else makes it: nats-server 2.9 looks at subjects before it looks at names. */
export const SUBJECTS_OVERLAP = 10065;
export const NO_MESSAGE_FOUND = 10037;
/** Servers have two for it: one that names the number it should have been, and one that does not. */
export const WRONG_LAST_SEQUENCE: ReadonlySet<number> = new Set([10071, 10164]);

/** JetStream understood a request and said no. Any other failure of a request means that nobody answered. */
export class JetStreamApiError extends Error {
  override readonly name = 'JetStreamApiError';
  readonly errCode: number;

  constructor(error: { description?: string; err_code?: number }) {
    super(`${error.description ?? 'unknown error'} (${error.err_code ?? 0})`);
    this.errCode = error.err_code ?? 0;
  }
}

/**
 * One request to the JetStream API. The few that are needed here are made directly: the JetStream module of one client
 * generation does not work on a connection of the other.
 *
 * @throws JetStreamApiError, or whatever the connection throws when there is no answer (no permission, no JetStream, down).
 */
export async function requestApi(
  connection: NatsConnectionLike,
  endpoint: string,
  body?: object,
  timeoutMs: number = REQUEST_TIMEOUT_MS,
): Promise<object> {
  const payload = body === undefined ? undefined : encoder.encode(JSON.stringify(body));
  const reply = await connection.request(`$JS.API.${endpoint}`, payload, { timeout: timeoutMs });
  return parseAnswer(reply.data);
}

/** @throws JetStreamApiError if it says no, and Error if it is no answer of JetStream's */
export function parseAnswer(data: Uint8Array): object {
  const value: unknown = JSON.parse(decoder.decode(data));
  if (typeof value !== 'object' || value === null) throw new Error('an answer that is not one of JetStream');
  const { error } = value as { error?: { description?: string; err_code?: number } };
  if (error) throw new JetStreamApiError(error);
  return value;
}

/** Whether the connected server is at least of this release; `false` while there is none. */
export function serverAtLeast(connection: NatsConnectionLike, major: number, minor: number): boolean {
  const [actualMajor = 0, actualMinor = 0] = (connection.info?.version ?? '').split('.').map(Number);
  return actualMajor > major || (actualMajor === major && actualMinor >= minor);
}
