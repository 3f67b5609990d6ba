import { AUDIT_STREAM, AUDIT_SUBJECT, SpanledgerError, encodeToken } from '@spanledger/protocol';
import type { BatchedRecords, LedgerRecord } from '@spanledger/protocol';
import { requestApi, serverAtLeast } from './jetstream-api.ts';
import { mergeBySeq } from './merge-by-seq.ts';
import type { NatsConnectionLike } from './nats-connection.ts';
import { PullConsumer } from './pull-consumer.ts';
import { matchesFilter } from './record-filter.ts';

type Records = AsyncGenerator<LedgerRecord, void, void>;
type Batches = AsyncGenerator<readonly LedgerRecord[], void, void>;

export interface ReadAuditOptions {
  /** Default `AUDIT_EVENTS`. */
  readonly stream?: string;
  /**
   * Only this execution, workflow or producer: filters of the server, so the rest of the stream costs nothing. `''` is none: a
   * producer's events of `execution: ''` are those of its processes, with its loss reports and checkpoints.
   */
  readonly execution?: string;
  readonly workflow?: string;
  readonly producer?: string;
  /**
   * Whether to look among the events of the flat subject `auditEvent` too. All of them are fetched and filtered here:
   * their number is what it costs. Default true.
   */
  readonly flat?: boolean;
  /** First stream sequence, from 1: the cursor. Default 1. */
  readonly fromSeq?: number;
  /** Only what was stored from this moment on. Not together with `fromSeq`. */
  readonly since?: Date;
  /** Goes on with what is stored from now on, over reconnects, until aborted. Default false: ends with what is there now. */
  readonly live?: boolean;
  /** Ends the reading, without an error. */
  readonly signal?: AbortSignal;
}

/**
 * Reads stored events in the order of their stream sequence, each once. I7: at most 2,000 records per consumer are held in memory.
 *
 * @throws SpanledgerError while iterating: `SPANLEDGER_STREAM` when the stream is not there or may not be read, or the
 * connection is closed; `SPANLEDGER_OPTION`.
 */
export function readAudit(connection: NatsConnectionLike, options: ReadAuditOptions = {}): BatchedRecords {
  return {
    batches: () => readBatches(connection, options),
    [Symbol.asyncIterator]: () => oneByOne(readBatches(connection, options), options.signal),
  };
}

async function* readBatches(connection: NatsConnectionLike, options: ReadAuditOptions): Batches {
  const { stream = AUDIT_STREAM, fromSeq = 1, since, live = false } = options;
  if (!Number.isSafeInteger(fromSeq) || fromSeq < 1 || (since && options.fromSeq !== undefined)) {
    throw new SpanledgerError('SPANLEDGER_OPTION', 'fromSeq must be an integer from 1, and not together with since');
  }
  const toSeq = live ? Infinity : await lastSeq(connection, stream);
  const signal = options.signal ?? new AbortController().signal;
  const lanes = lanesFor(connection, subjectFilters(options), live).map((filters) =>
    new PullConsumer(connection, { stream, filters, fromSeq, since, toSeq, signal }).batches(),
  );
  for await (const batch of lanes.length === 1
    ? lanes[0]!
    : inBatches(mergeBySeq(lanes.map((lane) => oneByOne(lane))))) {
    if (signal.aborted) return;
    yield batch.filter((record) => matchesFilter(record, options));
  }
}

async function* oneByOne(batches: Batches, signal?: AbortSignal): Records {
  for await (const batch of batches) {
    for (const record of batch) {
      if (signal?.aborted) return;
      yield record;
    }
  }
}

async function* inBatches(records: Records): Batches {
  for await (const record of records) yield [record];
}

/** @throws SpanledgerError `SPANLEDGER_STREAM` */
export async function lastSeq(connection: NatsConnectionLike, stream: string): Promise<number> {
  try {
    const { state } = (await requestApi(connection, `STREAM.INFO.${stream}`)) as { state: { last_seq: number } };
    return state.last_seq;
  } catch (cause) {
    throw new SpanledgerError('SPANLEDGER_STREAM', `stream ${stream} cannot be read: ${String(cause)}`, { cause });
  }
}

/** Empty: everything is asked for. */
function subjectFilters({ workflow, execution, producer, flat = true }: ReadAuditOptions): string[] {
  const tokens = [workflow, execution, producer];
  if (tokens.every((token) => token === undefined)) return flat ? [] : [`${AUDIT_SUBJECT}.>`];
  const encoded = tokens.map((token) => (token === undefined ? '*' : encodeToken(token)));
  const filter = [AUDIT_SUBJECT, ...encoded].join('.');
  return flat ? [filter, AUDIT_SUBJECT] : [filter];
}

/**
 * Which filters go together into one consumer. What is there already is read through one for each, and merged: for a single filter
 * the server looks subjects up, for several it goes through the messages. Waiting for new records makes a merge impossible; there it is
 * one consumer, which before nats-server 2.10 takes one filter only, or none.
 */
function lanesFor(connection: NatsConnectionLike, filters: string[], live: boolean): string[][] {
  if (filters.length < 2) return [filters];
  if (!live) return filters.map((filter) => [filter]);
  return serverAtLeast(connection, 2, 10) ? [filters] : [[]];
}
