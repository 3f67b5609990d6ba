/** One stored event as a reader receives it, from a stream, a file or a journal. */
export interface LedgerRecord {
  /** The event's bytes as stored: what is hashed (I2). */
  readonly bytes: Uint8Array;
  /** Position in its stream or file, from 1, ascending. A cursor. */
  readonly streamSeq: number;
  /** The NATS subject, where there is one. */
  readonly subject?: string;
  /** When the server stored it, in milliseconds since 1970, where that is known. */
  readonly storedAtMs?: number;
}

/** Records that can be had as many at a time as there are: a promise for each is a fifth of verifying it. */
export interface BatchedRecords extends AsyncIterable<LedgerRecord> {
  batches(): AsyncIterable<readonly LedgerRecord[]>;
  [Symbol.asyncIterator](): AsyncGenerator<LedgerRecord, void, void>;
}
