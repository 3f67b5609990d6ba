import { closeSync, rmSync } from 'node:fs';
import path from 'node:path';
import { SpanledgerError } from '@spanledger/protocol';
import type { ResolvedJournalOptions } from './journal-options.ts';
import { segmentPath, syncFolder } from './journal-files.ts';
import { SPARE_NAME, createSegmentFile, dropSpare, prepareSpare, takeSpare } from './segment-file.ts';
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
  #spareFd: number | undefined;
  #background: Promise<void> = Promise.resolve();
  #isPreparing = false;
  #isClosing = false;

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
    const spare = this.#spareFd === undefined && !this.#isPreparing ? 0 : this.#options.segmentBytes;
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, spare);
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
    return this.#spareFd !== undefined || this.#inTheWay() !== undefined;
  }

  /**
   * Begins the next segment.
   *
   * @param mayExceed goes beyond `maxBytes` where there is no other room.
   * @throws SpanledgerError `SPANLEDGER_JOURNAL_FULL`, or what the file system answers.
   */
  begin(first: number, mayExceed = false): Segment {
    const { segmentBytes } = this.#options;
    const number = this.#number + 1;
    let fd = this.#spareFd;
    if (fd === undefined) {
      this.#makeRoom(mayExceed);
      fd = createSegmentFile(this.#folder, number, segmentBytes);
    } else {
      takeSpare(this.#folder, number);
      this.#spareFd = undefined;
    }
    this.#number = number;
    this.#active = this.#newSegment(number, fd, first);
    this.#segments.push(this.#active);
    this.#prepareSpare();
    return this.#active;
  }

  #newSegment(number: number, fd: number, first: number): Segment {
    try {
      return new Segment(this.#folder, number, fd, first, this.#options.segmentBytes);
    } catch (error) {
      closeSync(fd);
      rmSync(segmentPath(this.#folder, number), { force: true });
      throw error;
    }
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
    this.#isClosing = true;
    await this.#background;
    this.#active = undefined;
    for (const segment of this.#segments) segment.close(!isDurable);
    if (isDurable) {
      this.retire();
      this.#removeEmpty();
    }
    await this.#background;
    if (this.#spareFd !== undefined) await dropSpare(this.#folder, this.#spareFd);
    this.#spareFd = undefined;
    return this.#segments.length > 0;
  }

  /**
   * Gives back what was allocated in advance.
   *
   * @param isDurable as for `close`; if not, files are left as they are while they are written to.
   */
  closeNow(isDurable: boolean): void {
    this.#isClosing = true;
    try {
      if (isDurable) for (const segment of this.#segments) segment.close();
      rmSync(path.join(this.#folder, SPARE_NAME), { force: true });
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

  #makeRoom(mayExceed = false): void {
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
    const early: Segment[] = [];
    for (const segment of this.#removable()) {
      if (excess <= 0) break;
      early.push(segment);
      excess -= segment.bytes;
    }
    return excess > 0 ? undefined : early;
  }

  #remove(segments: readonly Segment[]): void {
    if (segments.length === 0) return;
    this.#segments = this.#segments.filter((segment) => !segments.includes(segment));
    this.#inBackground(async () => {
      for (const segment of segments) await segment.remove();
      await syncFolder(this.#folder);
    });
  }

  #prepareSpare(): void {
    if (this.#isPreparing || this.#spareFd !== undefined) return;
    try {
      this.#makeRoom();
    } catch {
      return; // There may be room when it is needed, and then it is made.
    }
    this.#isPreparing = true;
    this.#inBackground(async () => {
      try {
        this.#spareFd = await prepareSpare(this.#folder, this.#options.segmentBytes, () => !this.#isClosing);
      } finally {
        this.#isPreparing = false;
      }
    });
  }

  /** One after the other. What fails here is tried again by the next of its kind, or fails where somebody is told. */
  #inBackground(task: () => Promise<void>): void {
    this.#background = this.#background.then(task).catch((error: unknown) => this.#options.onProblem(error));
  }
}
