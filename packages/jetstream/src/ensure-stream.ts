import { SpanledgerError } from '@spanledger/protocol';
import { JetStreamApiError, STREAM_NAME_IN_USE, STREAM_NOT_FOUND, requestApi, serverAtLeast } from './jetstream-api.ts';
import type { NatsConnectionLike } from './nats-connection.ts';
import { compareConfig, streamConfig } from './stream-config.ts';
import type { StreamConfig, StreamDifference, StreamOptions } from './stream-config.ts';

/**
 * What is known of the stream.
 *
 * - `created`: it was not there, and now is.
 * - `found`: it is there; `differences` is empty when it is as it should be. It was not changed.
 * - `missing`: it is not there.
 * - `unknown`: we may not ask, JetStream is off or does not answer, or the stream cannot be created; see `reason`.
 */
export type StreamState =
  | { readonly status: 'created' | 'found' | 'missing'; readonly differences: readonly StreamDifference[] }
  | { readonly status: 'unknown'; readonly differences: readonly StreamDifference[]; readonly reason: string };

/** Looks at the stream. Never throws, never changes anything. */
export async function checkStream(connection: NatsConnectionLike, options: StreamOptions = {}): Promise<StreamState> {
  const expected = streamConfig(options, { compression: serverAtLeast(connection, 2, 10) });
  try {
    const { config } = (await requestApi(connection, `STREAM.INFO.${expected.name}`)) as { config: StreamConfig };
    return { status: 'found', differences: compareConfig(expected, config) };
  } catch (error) {
    if (hasCode(error, STREAM_NOT_FOUND)) return { status: 'missing', differences: [] };
    return unknownBecause(error);
  }
}

/**
 * Creates the stream, append-only, unless it is there; an existing one is checked and never changed. Never throws: a
 * producer needs no permission on the JetStream API, and goes on with what it is told here.
 */
export async function ensureStream(connection: NatsConnectionLike, options: StreamOptions = {}): Promise<StreamState> {
  const state = await checkStream(connection, options);
  if (state.status !== 'missing') return state;
  const config = streamConfig(options, { compression: serverAtLeast(connection, 2, 10) });
  try {
    await requestApi(connection, `STREAM.CREATE.${config.name}`, config);
    return { status: 'created', differences: [] };
  } catch (error) {
    // Another process was faster, with other options.
    return hasCode(error, STREAM_NAME_IN_USE) ? checkStream(connection, options) : unknownBecause(error);
  }
}

/**
 * For those who cannot go on without: throws unless the stream is there and has no difference of severity `error`.
 *
 * @throws SpanledgerError `SPANLEDGER_STREAM`
 */
export function requireStream(state: StreamState): void {
  const errors = state.differences.filter(({ severity }) => severity === 'error');
  if (state.status === 'unknown') fail(`its state is unknown: ${state.reason}`);
  if (state.status === 'missing') fail('it does not exist');
  if (errors.length > 0) fail(`it is configured differently: ${errors.map(describe).join('; ')}`);
}

function fail(reason: string): never {
  throw new SpanledgerError('SPANLEDGER_STREAM', `the audit stream cannot be relied on: ${reason}`);
}

function describe({ setting, expected, actual }: StreamDifference): string {
  return `${setting} is ${JSON.stringify(actual)} and should be ${JSON.stringify(expected)}`;
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.errCode === code;
}

function unknownBecause(error: unknown): StreamState {
  const reason = error instanceof Error ? error.message : String(error);
  return { status: 'unknown', differences: [], reason };
}
