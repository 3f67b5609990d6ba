import { SpanledgerError } from '@spanledger/protocol';
import type { AuditSink, LedgerRecord, SealedEvent, SealedTranscript, WriteOutcome } from '@spanledger/protocol';
import { closedOutcome } from './closed-outcome.ts';

export interface MemorySinkOptions {
  /** Default 100,000. What comes when it is full is refused: records are never dropped for newer ones. */
  readonly maxEvents?: number;
  /** Of all transcripts together, in bytes. Default 0: it takes none. */
  readonly maxTranscriptBytes?: number;
}

export interface MemorySink extends AuditSink {
  /** What has been stored, in order. Readable after `close` too. */
  readonly records: readonly LedgerRecord[];
  /** The chunks of the transcripts that have been stored, in order. */
  readonly transcripts: readonly LedgerRecord[];
}

/** Keeps events in memory: for tests, and for a first look. */
export function memorySink({ maxEvents = 100_000, maxTranscriptBytes = 0 }: MemorySinkOptions = {}): MemorySink {
  const records: LedgerRecord[] = [];
  const transcripts: LedgerRecord[] = [];
  let transcriptBytes = 0;
  let closed = false;

  async function writeTranscript({ chunks }: SealedTranscript): Promise<WriteOutcome> {
    if (closed) return closedOutcome('memory');
    const size = chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
    // All of it or nothing.
    if (transcriptBytes + size > maxTranscriptBytes) {
      return full(`the memory sink is full: it holds ${maxTranscriptBytes} bytes of transcripts`);
    }
    transcriptBytes += size;
    for (const chunk of chunks) transcripts.push(toRecord(chunk, transcripts.length + 1));
    return { status: 'stored' };
  }

  return {
    name: 'memory',
    records,
    transcripts,
    async writeEvent(event) {
      if (closed) return closedOutcome('memory');
      if (records.length >= maxEvents) return full(`the memory sink is full: it holds ${maxEvents} events`);
      const streamSeq = records.length + 1;
      records.push(toRecord(event, streamSeq));
      return { status: 'stored', streamSeq };
    },
    ...(maxTranscriptBytes > 0 && { writeTranscript }),
    async close() {
      closed = true;
    },
  };
}

function toRecord({ bytes, subject }: SealedEvent, streamSeq: number): LedgerRecord {
  // I2: a copy, because a transport may use the event's memory again.
  return { bytes: bytes.slice(), streamSeq, subject, storedAtMs: Date.now() };
}

function full(message: string): WriteOutcome {
  return { status: 'refused', error: new SpanledgerError('SPANLEDGER_SINK_BACKPRESSURE', message) };
}
