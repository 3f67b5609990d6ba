import { parseEvent } from '@spanledger/protocol';
import type { SealedEvent } from '@spanledger/protocol';

/**
 * Why events are missing from the ledger: no room in memory, no room in the journal, the sink will not have it, the sink gave
 * up on it, the journal can no longer be read, the signer failed, the process died and no journal had them (they may be
 * stored all the same).
 */
export type LossReason =
  | 'queue_full'
  | 'journal_full'
  | 'refused'
  | 'failed'
  | 'journal_damaged'
  | 'signer'
  | 'not_journaled';

/** Consecutive numbers of one run whose events did not reach the sink, for one reason. */
export interface LossRange {
  readonly runId: string;
  firstSeq: number;
  /** The first one's `prev_hash`: what the event before it is held to. */
  prevHash: string;
  lastSeq: number;
  /** SHA-256 of the last one's bytes: the `prev_hash` of the event that follows, so that the chain can be bridged. */
  lastHash: string;
  readonly reason: LossReason;
}

/** Ranges not reported yet. Past it no numbers are given; see `full`. */
const OPEN_RANGES_MAX = 1024;

/**
 * Losses that have happened and are not yet in the ledger.
 *
 * I3, I7: while it is full, the pipeline seals nothing and only counts. What was numbered before that can still be added,
 * and is bounded by the queue it comes from.
 */
export class OpenLosses {
  /** In the order in which they opened. */
  readonly #ranges = new Set<LossRange>();
  /** The newest range of each run, which may still grow. */
  readonly #newest = new Map<string, LossRange>();
  /** Events that were refused before they had a number. */
  unnumbered = 0;

  get full(): boolean {
    return this.#ranges.size >= OPEN_RANGES_MAX;
  }

  get empty(): boolean {
    return this.#ranges.size === 0 && this.unnumbered === 0;
  }

  /** How many events. */
  get count(): number {
    let count = this.unnumbered;
    for (const { firstSeq, lastSeq } of this.#ranges) count += lastSeq - firstSeq + 1;
    return count;
  }

  add({ runId, seq, hash, bytes }: SealedEvent, reason: LossReason): void {
    const prevHash = this.#grows(runId, seq, reason) ? '' : (parseEvent(bytes)?.prev_hash ?? '');
    this.addRange({ runId, firstSeq: seq, prevHash, lastSeq: seq, lastHash: hash, reason });
  }

  /** Also puts back a range whose report was itself lost. Neighbours of one reason become one. */
  addRange(range: LossRange): void {
    const newest = this.#newest.get(range.runId);
    if (newest !== undefined && this.#grows(range.runId, range.firstSeq, range.reason)) {
      newest.lastSeq = range.lastSeq;
      newest.lastHash = range.lastHash;
    } else if (newest?.reason === range.reason && range.lastSeq + 1 === newest.firstSeq) {
      newest.firstSeq = range.firstSeq;
      newest.prevHash = range.prevHash;
    } else {
      this.#ranges.add(range);
      this.#newest.set(range.runId, range);
    }
  }

  /** Whether what begins at `seq` belongs at the end of the run's newest range. */
  #grows(runId: string, seq: number, reason: LossReason): boolean {
    const newest = this.#newest.get(runId);
    return newest?.reason === reason && newest.lastSeq + 1 === seq;
  }

  /** The range that opened first; it is no longer open. */
  take(): LossRange | undefined {
    for (const range of this.#ranges) {
      this.#ranges.delete(range);
      if (this.#newest.get(range.runId) === range) this.#newest.delete(range.runId);
      return range;
    }
    return undefined;
  }

  takeUnnumbered(): number {
    const count = this.unnumbered;
    this.unnumbered = 0;
    return count;
  }
}
