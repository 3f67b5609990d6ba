import { SpanledgerError } from '@spanledger/protocol';
import type { AuditSink, LedgerRecord } from '@spanledger/protocol';
import { closedOutcome } from './closed-outcome.ts';

export interface MemorySinkOptions {
  /** Default 100,000. What comes when it is full is refused: records are never dropped for newer ones. */
  readonly maxEvents?: number;
}

export interface MemorySink extends AuditSink {
  /** What has been stored, in order. Readable after `close` too. */
  readonly records: readonly LedgerRecord[];
}

/** Keeps events in memory: for tests, and for a first look. */
export function memorySink({ maxEvents = 100_000 }: MemorySinkOptions = {}): MemorySink {
  const records: LedgerRecord[] = [];
  let closed = false;
  return {
    name: 'memory',
    records,
    async writeEvent(event) {
      if (closed) return closedOutcome('memory');
      if (records.length >= maxEvents) {
        const error = new SpanledgerError('SPANLEDGER_SINK', `the memory sink is full: it holds ${maxEvents} events`);
        return { status: 'refused', error };
      }
      const streamSeq = records.length + 1;
      // I2: a copy, because a transport may use the event's memory again.
      records.push({ bytes: event.bytes.slice(), streamSeq, subject: event.subject, storedAtMs: Date.now() });
      return { status: 'stored', streamSeq };
    },
    async close() {
      closed = true;
    },
  };
}
