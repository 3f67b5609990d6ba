import path from 'node:path';
import type { JsonValue, SealedEvent } from '@spanledger/protocol';
import type { EventInput } from '../event-input.ts';
import { OpenLosses } from './open-losses.ts';
import type { LossRange, LossReason } from './open-losses.ts';

/** After a report that was itself lost: the first wait, and the longest, in milliseconds. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;
/** How often the last chance is taken while reports cannot be signed. */
const LAST_TRIES_MAX = 3;

/** Seals an event into the instance run and queues it; `undefined` if there is no room for it now. */
type Report = (input: EventInput) => SealedEvent | undefined;

/**
 * Turns losses into `audit_loss` events of the instance run, in the next turn of the event loop in which there is room for them.
 *
 * I3: a range stays open until its report is stored. A lost report gives its range back, is a loss itself, and is tried again after
 * a pause, one at a time, so that a sink which refuses everything is not flooded with news of it.
 */
export class LossReporter {
  readonly open = new OpenLosses();
  readonly #report: Report;
  readonly #inFlight = new WeakMap<SealedEvent, LossRange | number>();
  #retryInMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;
  #isReporting = false;
  #closed = false;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Reports what is open, while there is room; nothing while a pause lasts. */
  drain(): void {
    if (this.#closed || this.#retryInMs > 0) return;
    while (this.#reportOne());
  }

  /** In the next turn: what is lost together is one range, and one report. */
  drainSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.drain();
    });
  }

  /** An event was refused by the sink, or given up on. */
  lost(event: SealedEvent, reason: LossReason): void {
    const reported = this.#inFlight.get(event);
    if (typeof reported === 'number') this.open.unnumbered += reported;
    else if (reported !== undefined) this.open.addRange(reported);
    this.open.add(event, reason);
    if (reported !== undefined) this.#pause();
  }

  /**
   * An event has its number, and no signature. If it was a report, the next one is tried after a pause, so that a signer which
   * always fails does not use up a number in each turn.
   */
  unsigned(event: SealedEvent): void {
    this.open.add(event, 'signer');
    if (this.#isReporting) this.#pause();
    else this.drainSoon();
  }

  /** An event was stored. If it was a report, the way is free again. */
  stored(event: SealedEvent): void {
    if (this.#retryInMs === 0 || !this.#inFlight.has(event)) return;
    this.#endPause();
    this.drain();
  }

  /** Ends any pause and reports what is open now, or as much of it as there is room for: the last chance, at shutdown. */
  drainNow(): void {
    for (let tries = 1; tries <= LAST_TRIES_MAX; tries += 1) {
      this.#endPause();
      this.drain();
      if (this.#retryInMs === 0) return;
    }
  }

  /** Reports nothing more: what is lost from now on is not in the ledger. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #reportOne(): boolean {
    const range = this.open.take();
    if (range === undefined) return this.#reportUnnumbered();
    const event = this.#emit(lossFields(range));
    if (event === undefined) this.open.addRange(range);
    else this.#inFlight.set(event, range);
    return event !== undefined;
  }

  #reportUnnumbered(): boolean {
    const count = this.open.takeUnnumbered();
    if (count === 0) return false;
    const event = this.#emit({ reason: 'queue_full', count });
    if (event === undefined) this.open.unnumbered += count;
    else this.#inFlight.set(event, count);
    return event !== undefined;
  }

  #emit(fields: Record<string, JsonValue>): SealedEvent | undefined {
    this.#isReporting = true;
    try {
      return this.#report({ event: 'audit_loss', fields });
    } finally {
      this.#isReporting = false;
    }
  }

  #pause(): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#retryInMs = Math.min(this.#retryInMs * 2 || RETRY_MIN_MS, RETRY_MAX_MS);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // One to try: `drain` stays paused until it is stored.
      if (!this.#reportOne() && this.#timer === undefined) this.#retryInMs = 0;
    }, this.#retryInMs).unref();
  }

  #endPause(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#retryInMs = 0;
  }
}

/** What an `audit_loss` says of a range. */
export function lossFields({
  runId,
  firstSeq,
  prevHash,
  lastSeq,
  lastHash,
  reason,
}: LossRange): Record<string, JsonValue> {
  const count = lastSeq - firstSeq + 1;
  return {
    run_id: runId,
    first_seq: firstSeq,
    prev_hash: prevHash,
    last_seq: lastSeq,
    last_hash: lastHash,
    reason,
    count,
  };
}

/** What an `audit_loss` says of events that cannot be read any more, and whose numbers nothing shows. */
export function damageFields(folder: string, count: number): Record<string, JsonValue> {
  return { reason: 'journal_damaged', count, journal: path.basename(folder) };
}
