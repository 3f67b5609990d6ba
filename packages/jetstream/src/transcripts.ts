import { SpanledgerError, TRANSCRIPT_STREAM, TRANSCRIPT_SUBJECT, encodeToken } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';
import { requestApi } from './jetstream-api.ts';
import type { NatsConnectionLike } from './nats-connection.ts';
import { PullConsumer } from './pull-consumer.ts';

/** Whose transcripts. Each is a filter of the server; `''` is none. At least one must be given. */
export interface TranscriptFilter {
  readonly producer?: string;
  readonly taskId?: string;
  readonly sessionId?: string;
  readonly requestId?: string;
}

export interface TranscriptStreamOptions {
  /** Default `AUDIT_TRANSCRIPTS`. */
  readonly stream?: string;
  /** Ends the reading, without an error. */
  readonly signal?: AbortSignal;
}

/**
 * The messages of all these transcripts that are there now, for `readTranscript` of `@spanledger/protocol`.
 *
 * @throws SpanledgerError while iterating: `SPANLEDGER_STREAM`; `SPANLEDGER_OPTION` for an empty filter
 */
export async function* readTranscripts(
  connection: NatsConnectionLike,
  filter: TranscriptFilter,
  { stream = TRANSCRIPT_STREAM, signal = new AbortController().signal }: TranscriptStreamOptions = {},
): AsyncGenerator<LedgerRecord, void, void> {
  const filters = [subjectFilter(filter)];
  const toSeq = await lastSeq(connection, stream);
  const consumer = new PullConsumer(connection, { stream, filters, fromSeq: 1, since: undefined, toSeq, signal });
  for await (const batch of consumer.batches()) yield* batch;
}

/**
 * Erases these transcripts for good: a person's right. The ledger keeps their digests, and still verifies. What is written while this
 * runs may stay.
 *
 * @returns how many messages were erased.
 * @throws SpanledgerError `SPANLEDGER_STREAM` if they could not be; `SPANLEDGER_OPTION` for an empty filter
 */
export async function eraseTranscripts(
  connection: NatsConnectionLike,
  filter: TranscriptFilter,
  { stream = TRANSCRIPT_STREAM }: TranscriptStreamOptions = {},
): Promise<number> {
  const subject = subjectFilter(filter);
  try {
    const { purged } = (await requestApi(connection, `STREAM.PURGE.${stream}`, { filter: subject })) as {
      purged: number;
    };
    return purged;
  } catch (cause) {
    const message = `transcripts could not be erased from stream ${stream}: ${String(cause)}`;
    throw new SpanledgerError('SPANLEDGER_STREAM', message, { cause });
  }
}

function subjectFilter({ producer, taskId, sessionId, requestId }: TranscriptFilter): string {
  const ids = [producer, taskId, sessionId, requestId];
  // Everything there is, for a misspelt name: not from here.
  if (ids.every((id) => id === undefined)) {
    throw new SpanledgerError('SPANLEDGER_OPTION', 'producer, taskId, sessionId or requestId must be given');
  }
  const tokens = ids.map((id) => (id === undefined ? '*' : encodeToken(id)));
  return [TRANSCRIPT_SUBJECT, ...tokens, '>'].join('.');
}

async function lastSeq(connection: NatsConnectionLike, stream: string): Promise<number> {
  try {
    const { state } = (await requestApi(connection, `STREAM.INFO.${stream}`)) as { state: { last_seq: number } };
    return state.last_seq;
  } catch (cause) {
    throw new SpanledgerError('SPANLEDGER_STREAM', `stream ${stream} cannot be read: ${String(cause)}`, { cause });
  }
}
