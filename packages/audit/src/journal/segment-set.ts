import { SpanledgerError } from '@spanledger/protocol';
import type { ResolvedJournalOptions } from './journal-options.ts';
import { syncFolder } from './journal-files.ts';
import { Segment } from './segment.ts';

/**
 * The segments of one journal, in order; the last is written to. Removes whole ones: those of which everything is
 * acknowledged, after the retention, or, when there would be more than `maxBytes`, before it. I7: what is not acknowledged
 * is never removed; the next segment is refused instead.
 */
export class SegmentSet {
  readonly #folder: string;
  readonly #options: ResolvedJournalOptions;
  readonly #otherBytes: () => number;
  #segments: Segment[] = [];
  #active: Segment | undefined;
  #number = 0;
  #removing: Promise<void> = Promise.resolve();

  /** @param otherBytes what else counts towards `maxBytes`. */
  constructor(folder: string, options: ResolvedJournalOptions, otherBytes: () => number) {
    this.#folder = folder;
    this.#options = options;
    this.#otherBytes = otherBytes;
  }

  get active(): Segment | undefined {
    return this.#active;
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /** Once for every acknowledgement: without a function for each. */
  find(position: number): Segment | undefined {
    for (let i = this.#segments.length - 1; i >= 0; i -= 1) {
      if (this.#segments[i]!.has(position)) return this.#segments[i];
    }
    return undefined;
  }

  /** Whether `begin` would find room under `maxBytes`. */
  get canBegin(): boolean {
    return this.#inTheWay() !== undefined;
  }

  /**
   * Begins the next segment.
   *
   * @param mayExceed goes beyond `maxBytes` where there is no other room.
   * @throws SpanledgerError `SPANLEDGER_JOURNAL_FULL`, or what the file system answers.
   */
  begin(first: number, mayExceed = false): Segment {
    this.#makeRoom(mayExceed);
    // Also one that fails has its number: its file may be there, and not to be removed now.
    this.#number += 1;
    const segment = Segment.create(this.#folder, this.#number, first, this.#options.segmentBytes);
    this.#active = segment;
    this.#segments.push(segment);
    return segment;
  }

  /**
   * Moves what is not synced, acknowledged or not, into new segments. It is left out of the old ones once all of it is there.
   *
   * @param writeAll writes it once more.
   * @throws what `writeAll` throws: then the old segments are as they were, and nothing more is written to them.
   */
  moveUnsynced(writeAll: () => void): void {
    const old = this.#segments.slice();
    this.#active = undefined;
    try {
      writeAll();
    } catch (error) {
      this.#active = undefined;
      this.#remove(this.#segments.filter((segment) => !old.includes(segment)));
      throw error;
    }
    const acknowledged = old.filter(({ isSynced }) => !isSynced).flatMap((segment) => segment.cutUnsynced());
    for (const position of acknowledged) this.find(position)?.acknowledge(position);
    this.#removeEmpty();
  }

  /** Closes the files of segments that are full and on the disk. */
  closeSynced(): void {
    for (const segment of this.#segments) {
      if (segment === this.#active || !segment.isOpen || !segment.isSynced) continue;
      try {
        segment.close();
      } catch (error) {
        this.#options.onProblem(error);
      }
    }
  }

  /**
   * Removes what has been acknowledged for long enough, and everything before it as well: whoever reads what is left must not find
   * the beginning of a run whose end is gone, or it would be taken for abandoned.
   */
  retire(): void {
    const removable = new Set(this.#removable().filter(({ restedMs }) => restedMs >= this.#options.retentionMs));
    const kept = this.#segments.findIndex((segment) => !removable.has(segment));
    this.#remove(kept === -1 ? this.#segments : this.#segments.slice(0, kept));
  }

  saveAcknowledged(): void {
    for (const segment of this.#segments) segment.saveAcknowledged();
  }

  /**
   * Closes all files.
   *
   * @param isDurable everything is on the disk; if not, nothing is cut off or removed: it may be nowhere else.
   * @returns whether any segment is left.
   */
  async close(isDurable: boolean): Promise<boolean> {
    this.#active = undefined;
    for (const segment of this.#segments) segment.close(!isDurable);
    if (isDurable) {
      this.retire();
      this.#removeEmpty();
    }
    await this.#removing;
    return this.#segments.length > 0;
  }

  /**
   * Cuts off what was not used.
   *
   * @param isDurable as for `close`; if not, files are left as they are while they are written to.
   */
  closeNow(isDurable: boolean): void {
    if (!isDurable) return;
    try {
      for (const segment of this.#segments) segment.close();
    } catch (error) {
      this.#options.onProblem(error);
    }
  }

  /** What they had is written elsewhere, or nothing ever was in them. */
  #removeEmpty(): void {
    const empty = this.#segments.filter(({ first, extent }) => extent.last < first);
    this.#remove(empty.filter((segment) => segment !== this.#active));
  }

  #removable(): Segment[] {
    return this.#segments.filter(
      (segment) => segment !== this.#active && !segment.isOpen && segment.unacknowledged === 0,
    );
  }

  #makeRoom(mayExceed: boolean): void {
    const early = this.#inTheWay() ?? (mayExceed ? [] : undefined);
    if (early === undefined) {
      const message = `the journal holds ${this.#options.maxBytes} bytes that are not acknowledged`;
      throw new SpanledgerError('SPANLEDGER_JOURNAL_FULL', message);
    }
    this.#remove(early);
  }

  /** What has to be removed for one more segment; `undefined` if that would not do. */
  #inTheWay(): Segment[] | undefined {
    const { maxBytes, segmentBytes } = this.#options;
    let excess = this.bytes + this.#otherBytes() + segmentBytes - maxBytes;
    if (excess <= 0) return [];
    const early: Segment[] = [];
    for (const segment of this.#removable()) {
      if (excess <= 0) break;
      early.push(segment);
      excess -= segment.bytes;
    }
    return excess > 0 ? undefined : early;
  }

  /** One after the other. What cannot be removed stays for the next process to find. */
  #remove(segments: readonly Segment[]): void {
    if (segments.length === 0) return;
    this.#segments = this.#segments.filter((segment) => !segments.includes(segment));
    this.#removing = this.#removing
      .then(() => this.#removeFiles(segments))
      .catch((error: unknown) => this.#options.onProblem(error));
  }

  async #removeFiles(segments: readonly Segment[]): Promise<void> {
    for (const segment of segments) await segment.remove();
    await syncFolder(this.#folder);
  }
}
