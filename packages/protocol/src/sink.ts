import type { SealedEvent } from './seal.ts';

/**
 * What became of one write. An expected failure is an outcome; a rejected promise is a bug in the sink.
 *
 * - `stored`: it is where the sink promises to keep it. `streamSeq` where the sink numbers what it stores.
 * - `refused`: this event will never be stored (too large, denied); the next one may well be.
 * - `failed`: it may or may not have been stored, and the sink has given up: closed, or its medium is gone.
 */
export type WriteOutcome =
  | { readonly status: 'stored'; readonly streamSeq?: number }
  | { readonly status: 'refused'; readonly error: Error }
  | { readonly status: 'failed'; readonly error: Error };

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
  writeEvent(event: SealedEvent): Promise<WriteOutcome>;

  /**
   * Waits until everything written has an outcome, then lets go of the medium. Idempotent.
   *
   * @param deadlineMs how long to wait, in milliseconds from now; what is still open then is answered `failed`.
   */
  close(deadlineMs?: number): Promise<void>;
}
