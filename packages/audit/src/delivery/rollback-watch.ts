import type { AuditSink, SealedEvent, WriteOutcome } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import { untraced } from '../untraced.ts';

/** What shows that a stream has lost its end. */
export interface Rollback {
  /** The number given last; 0 if this process has stored nothing before. */
  readonly lastStreamSeq: number;
  /** The number given now. */
  readonly streamSeq: number;
  /** The numbers went backwards. If not, the sink may only have forgotten that it had the event. */
  readonly isCertain: boolean;
}

interface RollbackWatchOptions {
  readonly sink: AuditSink;
  /** For how long acknowledged events are kept, in milliseconds: after that nothing could be done about it. */
  readonly retentionMs: number;
  /** Has all outcomes told that the sink has answered with so far. */
  readonly settle: () => void;
  /** Told that it may have lost what it had stored, at once, and when it turns out that it has not. */
  readonly onDoubt: (isDoubtful: boolean) => void;
  /** Told that the sink has lost what it had stored, or may have. */
  readonly onRollback: (rollback: Rollback) => void;
}

/**
 * Finds out whether the sink's stream has gone backwards: a server that lost power, or was restored from a backup, no longer
 * has what it had acknowledged. It needs no right to read, but a sink that numbers what it stores:
 *
 * - A new event gets a number that is not higher than one given before.
 * - After an interruption the event stored last is written once more. A stream that has it answers that it is a duplicate, and
 *   then it has all that came before it. One that stores it anew has lost it, or has forgotten its id since (a
 *   `duplicate_window` shorter than the retention): then too much is published rather than too little, and readers
 *   collapse it.
 */
export class RollbackWatch {
  readonly #options: RollbackWatchOptions;
  #lastStreamSeq = 0;
  #last: SealedEvent | undefined;
  #lastAtMs = 0;
  #probing = false;

  constructor(options: RollbackWatchOptions) {
    this.#options = options;
    options.sink.onResume?.(() => void this.#probe());
  }

  /** An event is in the sink. */
  stored(event: SealedEvent, { streamSeq, duplicate }: WriteOutcome & { status: 'stored' }): void {
    if (streamSeq === undefined) return;
    this.#last = event;
    this.#lastAtMs = performance.now();
    // A duplicate has the number that it was given the first time.
    if (!duplicate && streamSeq <= this.#lastStreamSeq) this.#rolledBack(streamSeq);
    else if (streamSeq > this.#lastStreamSeq) this.#lastStreamSeq = streamSeq;
  }

  /** Whether the sink has lost an event that it had stored; it has it again then. `undefined` if that cannot be known now. */
  async hasLost(event: SealedEvent): Promise<boolean | undefined> {
    const { sink } = this.#options;
    // One that is never interrupted, such as a file, would only have it twice.
    if (sink.onResume === undefined) return undefined;
    const outcome = await untraced(() => sink.writeEvent(event, { again: true }));
    if (outcome.status !== 'stored' || outcome.streamSeq === undefined) return undefined;
    if (outcome.duplicate) return false;
    this.#rolledBack(outcome.streamSeq);
    return true;
  }

  async #probe(): Promise<void> {
    // What was answered before the interruption, and only that, is what the sink may have lost.
    this.#options.settle();
    if (this.#probing || this.#last === undefined) return;
    if (performance.now() - this.#lastAtMs > this.#options.retentionMs) return;
    this.#probing = true;
    // Before anything that is stored from now on is acknowledged: that would make the look at the last event useless.
    this.#options.onDoubt(true);
    try {
      if ((await this.hasLost(this.#last)) === false) this.#options.onDoubt(false);
    } catch (error) {
      log.error('a sink must not reject:', error);
    } finally {
      this.#probing = false;
    }
  }

  #rolledBack(streamSeq: number): void {
    const lastStreamSeq = this.#lastStreamSeq;
    this.#lastStreamSeq = streamSeq;
    log.error(
      'the stream may have lost events that it had acknowledged: what the journals still have is published again',
    );
    this.#options.onRollback({ lastStreamSeq, streamSeq, isCertain: streamSeq <= lastStreamSeq });
  }
}
