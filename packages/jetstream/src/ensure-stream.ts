import { setTimeout as delay } from 'node:timers/promises';
import { SpanledgerError } from '@spanledger/protocol';
import {
  JetStreamApiError,
  STREAM_NAME_IN_USE,
  STREAM_NOT_FOUND,
  SUBJECTS_OVERLAP,
  requestApi,
  serverAtLeast,
} from './jetstream-api.ts';
import type { NatsConnectionLike } from './nats-connection.ts';
import { compareConfig, streamConfig, transcriptStreamConfig } from './stream-config.ts';
import type { StreamConfig, StreamDifference, StreamOptions } from './stream-config.ts';

/** How long a stream that somebody else seems to be making is waited for, and how often it is looked for. */
const MAKING_LOOKS = 20;
const MAKING_PAUSE_MS = 50;

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
export function checkStream(connection: NatsConnectionLike, options: StreamOptions = {}): Promise<StreamState> {
  return check(connection, streamConfig(options, featuresOf(connection)));
}

/**
 * Creates the stream, append-only, unless it is there; an existing one is checked and never changed. Never throws: a
 * producer needs no permission on the JetStream API, and goes on with what it is told here.
 */
export function ensureStream(connection: NatsConnectionLike, options: StreamOptions = {}): Promise<StreamState> {
  return ensure(connection, streamConfig(options, featuresOf(connection)));
}

/** The same for the stream of transcripts, `AUDIT_TRANSCRIPTS`, from which can be erased. */
export function ensureTranscriptStream(
  connection: NatsConnectionLike,
  options: StreamOptions = {},
): Promise<StreamState> {
  return ensure(connection, transcriptStreamConfig(options, featuresOf(connection)));
}

/** Looks at the stream of transcripts. Never throws, never changes anything. */
export function checkTranscriptStream(
  connection: NatsConnectionLike,
  options: StreamOptions = {},
): Promise<StreamState> {
  return check(connection, transcriptStreamConfig(options, featuresOf(connection)));
}

async function check(connection: NatsConnectionLike, expected: StreamConfig): Promise<StreamState> {
  try {
    const { config } = (await requestApi(connection, `STREAM.INFO.${expected.name}`)) as { config: StreamConfig };
    return { status: 'found', differences: compareConfig(expected, config) };
  } catch (error) {
    if (hasCode(error, STREAM_NOT_FOUND)) return { status: 'missing', differences: [] };
    return unknownBecause(error);
  }
}

async function ensure(connection: NatsConnectionLike, config: StreamConfig): Promise<StreamState> {
  const state = await check(connection, config);
  if (state.status !== 'missing') return state;
  try {
    await requestApi(connection, `STREAM.CREATE.${config.name}`, config);
    return { status: 'created', differences: [] };
  } catch (error) {
    // Another process was faster, with other options.
    if (hasCode(error, STREAM_NAME_IN_USE)) return check(connection, config);
    const made = hasCode(error, SUBJECTS_OVERLAP) ? await whenMade(connection, config) : undefined;
    return made ?? unknownBecause(error);
  }
}

/** `undefined` if it is still missing: the subjects are those of another stream. */
async function whenMade(connection: NatsConnectionLike, config: StreamConfig): Promise<StreamState | undefined> {
  for (let look = 1; look <= MAKING_LOOKS; look += 1) {
    await delay(MAKING_PAUSE_MS);
    const state = await check(connection, config);
    if (state.status !== 'missing') return state;
  }
  return undefined;
}

function featuresOf(connection: NatsConnectionLike): { compression: boolean } {
  return { compression: serverAtLeast(connection, 2, 10) };
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
