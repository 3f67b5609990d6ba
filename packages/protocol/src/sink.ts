import type { SealedEvent } from './seal.ts';
import type { SealedTranscript } from './sealed-transcript.ts';

/**
 * What became of one write. An expected failure is an outcome; a rejected promise is a bug in the sink.
 *
 * - `stored`: it is where the sink promises to keep it. `streamSeq` where the sink numbers what it stores; `duplicate` if it
 *   was there already, under the number given.
 * - `refused`: this event will never be stored (too large, denied); the next one may well be.
 * - `failed`: it may or may not have been stored, and the sink has given up: closed, or its medium is gone.
 */
export type WriteOutcome =
  | { readonly status: 'stored'; readonly streamSeq?: number; readonly duplicate?: true }
  | { readonly status: 'refused'; readonly error: Error }
  | { readonly status: 'failed'; readonly error: Error };

/**
 * What will have become of a write: a promise, or whatever else can be awaited. A sink that writes many events a second may spare
 * itself a promise for each.
 */
export interface PendingOutcome {
  then(settled: (outcome: WriteOutcome) => void, failed: (error: unknown) => void): unknown;
}

/** What is known of an event besides the event. */
export interface WriteOptions {
  /**
   * It may have been written before: a replay, or a look whether it is still there. That it is stored already is then
   * no surprise; otherwise a sink may take it for somebody else's doing, and store it once more.
   */
  readonly again?: boolean;
}

/** How a sink is doing. */
export interface SinkStatus {
  /** Why nothing is being stored at the moment; `undefined` while nothing is known to be wrong. */
  readonly problem: Error | undefined;
  /** Writes that were tried again, since the sink was made. */
  readonly retries: number;
}

/**
 * Where sealed events go.
 *
 * Writes are started in ledger order and may be in flight together; a sink keeps the order of
 * each run where its medium allows it, retries what can be retried by itself, and always with the same bytes.
 */
export interface AuditSink {
  /** For messages and metrics: `jetstream`, `file`, … */
  readonly name: string;

  /** Writes one event. Never throws and never rejects; after `close` it answers `failed`. */
  writeEvent(event: SealedEvent, options?: WriteOptions): PendingOutcome;

  /**
   * Writes all chunks of a transcript: `stored` when all of them are. Never throws and never rejects; after `close` it answers
   * `failed`. Of one that is not `stored` some chunks may be there; written again, it is complete. Absent where the sink does not take
   * transcripts, or was not told to.
   */
  writeTranscript?(transcript: SealedTranscript, options?: WriteOptions): Promise<WriteOutcome>;

  /** For health, metrics and `audit_export_status`. A sink that fails write by write has nothing to add, and leaves it out. */
  status?(): SinkStatus;

  /**
   * The listener is called each time the medium is back after an interruption in which it may have lost what it had stored
   * (a server that crashed, a cluster without a leader): for those who still have the events. It is called before the
   * first write after the interruption is answered, and may write. At most one listener.
   */
  onResume?(listener: () => void): void;

  /**
   * Waits until everything written has an outcome, then lets go of the medium. Idempotent.
   *
   * @param deadlineMs how long to wait, in milliseconds from now; what is still open then is answered `failed`.
   */
  close(deadlineMs?: number): Promise<void>;
}
