import { statSync, truncateSync, utimesSync } from 'node:fs';
import { timerMs } from '@spanledger/protocol';
import { lockFolder } from './folder-lock.ts';
import type { FolderLock } from './folder-lock.ts';
import { inTurns, readRun } from './journaled-event.ts';
import type { JournaledEvent } from './journaled-event.ts';
import { acknowledgedPath, readIfExists, removeJournalFolder, segmentPath } from './journal-files.ts';
import type { ResolvedJournalOptions } from './journal-options.ts';
import { quarantine } from './quarantine.ts';
import { lostUnacknowledged, recover } from './recovery.ts';
import type { JournalDamage, RecoveredJournal, RecoveredSegment } from './recovery.ts';
import type { PositionRange } from './replay-plan.ts';
import { hasMark, setMark } from './marks.ts';
import { Saver } from './saver.ts';

/**
 * The journal of a dead process, in the hands of this one. It is removed when its end is reported, everything in it is
 * acknowledged, and the retention is over; not while it is read.
 */
export interface AdoptedJournal {
  readonly folder: string;
  /** Bytes on the disk; 0 when it has been removed. */
  readonly bytes: number;
  /** Events that can be read. */
  readonly events: number;
  readonly unacknowledged: number;
  /** How much of its retention is left, in milliseconds. */
  readonly remainingMs: number;
  readonly damages: readonly JournalDamage[];
  /** Positions of events that were accepted and cannot be read any more; not those that the sink has acknowledged, unless in doubt. */
  readonly lost: readonly PositionRange[];
  /**
   * What there was to say of its end, such as its open runs and what is lost, has been said: by an earlier adopter, or by this
   * one. So it is from the start where there is nothing to tell of.
   */
  readonly isReported: boolean;
  /** Its owner, or an earlier adopter, died in doubt: see `Journal.markDoubtful`. */
  readonly wasDoubtful: boolean;
  /** Every event that can be read, once, in order. One segment is in memory at a time. */
  read(): AsyncGenerator<JournaledEvent, void, void>;
  acknowledge(position: number): void;
  /**
   * Remembers for the next adopter, before it returns, that the end has been reported, or that there was nothing to report.
   * Without it the journal is never removed. Only once the report is in a journal or stored: a mark without a report would
   * hide the end for good. Survives a kill; a power cut may take the mark, and the
   * end is then reported once more. Never throws; a failure goes to `onProblem`, with the same effect. Idempotent.
   */
  markReported(): void;
  /** See `Journal.markDoubtful`. */
  markDoubtful(isDoubtful: boolean): void;
  /** Lets go of it; what is not acknowledged is left for the next process. Idempotent. */
  close(): Promise<void>;
  /** For the very end of a process: saves what was acknowledged. */
  closeNow(): void;
}

/**
 * @param onEnd told when it has been let go of, removed or not.
 * @throws SpanledgerError `SPANLEDGER_JOURNAL_LOCKED` if its owner lives, or another process has adopted it.
 */
export async function adoptJournal(
  folder: string,
  options: ResolvedJournalOptions,
  onEnd: (adopted: AdoptedJournal) => void,
): Promise<AdoptedJournal> {
  const lock = await lockFolder(folder);
  try {
    const recovered = await recover(folder);
    quarantine(folder, recovered.damages);
    giveBackTails(folder, recovered, options);
    return new DeadJournal(folder, lock, recovered, options, onEnd);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

class DeadJournal implements AdoptedJournal {
  readonly folder: string;
  readonly events: number;
  readonly damages: readonly JournalDamage[];
  readonly lost: readonly PositionRange[];
  readonly wasDoubtful: boolean;
  bytes: number;
  readonly #lock: FolderLock;
  readonly #recovered: RecoveredJournal;
  readonly #options: ResolvedJournalOptions;
  readonly #acknowledgements: Saver;
  readonly #changed = new Set<RecoveredSegment>();
  readonly #onEnd: (adopted: AdoptedJournal) => void;
  #unacknowledged = 0;
  #isReported: boolean;
  #readers = 0;
  #removing: NodeJS.Timeout | undefined;
  #ended: Promise<void> | undefined;

  constructor(
    folder: string,
    lock: FolderLock,
    recovered: RecoveredJournal,
    options: ResolvedJournalOptions,
    onEnd: (adopted: AdoptedJournal) => void,
  ) {
    this.folder = folder;
    this.#lock = lock;
    this.#recovered = recovered;
    this.#options = options;
    this.#acknowledgements = new Saver(() => this.#save(), options.onProblem);
    this.#onEnd = onEnd;
    this.damages = recovered.damages;
    this.wasDoubtful = hasMark(folder, 'doubtful');
    this.lost = this.wasDoubtful ? recovered.lost : lostUnacknowledged(recovered);
    this.bytes = [...recovered.segments.keys()].reduce((sum, number) => sum + sizeOf(segmentPath(folder, number)), 0);
    this.events = recovered.pieces.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    const tellsNothing = this.events === 0 && this.lost.length === 0 && this.damages.length === 0;
    this.#isReported = tellsNothing || hasMark(folder, 'reported');
    for (const { segment, from, to } of recovered.pieces) {
      for (let position = from; position <= to; position += 1) {
        if (!this.#segment(segment).acknowledged.has(position)) this.#unacknowledged += 1;
      }
    }
    this.#removeWhenDone();
  }

  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  get isReported(): boolean {
    return this.#isReported;
  }

  async *read(): AsyncGenerator<JournaledEvent, void, void> {
    this.#readers += 1;
    try {
      yield* this.#readPieces();
    } finally {
      this.#readers -= 1;
      this.#removeWhenDone();
    }
  }

  acknowledge(position: number): void {
    const piece = this.#recovered.pieces.find(({ from, to }) => position >= from && position <= to);
    if (piece === undefined || this.#ended !== undefined) return;
    const segment = this.#segment(piece.segment);
    if (!segment.acknowledged.add(position)) return;
    this.#unacknowledged -= 1;
    this.#changed.add(segment);
    this.#acknowledgements.soon();
    this.#removeWhenDone();
  }

  markReported(): void {
    if (this.#isReported) return;
    this.#isReported = true;
    // Not ours any more: another process may have it, or it is being removed.
    if (this.#ended !== undefined) return;
    try {
      setMark(this.folder, 'reported', true);
    } catch (error) {
      this.#options.onProblem(error);
    }
    this.#removeWhenDone();
  }

  markDoubtful(isDoubtful: boolean): void {
    if (this.#ended !== undefined) return;
    try {
      setMark(this.folder, 'doubtful', isDoubtful);
    } catch (error) {
      this.#options.onProblem(error);
    }
  }

  close(): Promise<void> {
    const isOver = this.#isDone() && this.remainingMs === 0;
    return (this.#ended ??= this.#end(isOver ? () => this.#remove() : async () => this.#acknowledgements.now()));
  }

  closeNow(): void {
    if (this.#ended === undefined) this.#acknowledgements.now();
  }

  async *#readPieces(): AsyncGenerator<JournaledEvent, void, void> {
    let number: number | undefined;
    let bytes: Buffer = Buffer.alloc(0);
    for (const { segment, run, from, to } of this.#recovered.pieces) {
      if (segment !== number) bytes = (await readIfExists(segmentPath(this.folder, segment))) ?? Buffer.alloc(0);
      number = segment;
      const { acknowledged } = this.#segment(segment);
      const isAcknowledged = (position: number): boolean => acknowledged.has(position);
      yield* inTurns(readRun({ segment: bytes, run, from, to, isScanned: false, isAcknowledged }));
    }
  }

  #segment(number: number): RecoveredSegment {
    return this.#recovered.segments.get(number)!;
  }

  #save(): void {
    for (const { number, acknowledged } of this.#changed) acknowledged.save(acknowledgedPath(this.folder, number));
    this.#changed.clear();
  }

  #isDone(): boolean {
    return this.#unacknowledged === 0 && this.#isReported && this.#readers === 0;
  }

  #removeWhenDone(): void {
    if (!this.#isDone() || this.#ended !== undefined) return;
    this.#acknowledgements.now();
    clearTimeout(this.#removing);
    const remainingMs = this.remainingMs;
    const next = (): void => {
      // A timer holds 24 days, and the file's clock is not the timer's.
      if (this.remainingMs > 0) this.#removeWhenDone();
      else if (this.#isDone()) this.#ended ??= this.#end(() => this.#remove());
    };
    this.#removing = setTimeout(next, timerMs(remainingMs)).unref();
  }

  async #remove(): Promise<void> {
    await removeJournalFolder(this.folder);
    this.bytes = 0;
  }

  get remainingMs(): number {
    return Math.max(0, this.#options.retentionMs - this.#restedMs());
  }

  /** By the wall clock, as files have no other; one that was set back keeps the journal for longer. */
  #restedMs(): number {
    const changed = [...this.#recovered.segments.keys()].flatMap((number) => [
      modifiedMs(segmentPath(this.folder, number)),
      modifiedMs(acknowledgedPath(this.folder, number)),
    ]);
    return changed.length === 0 ? Number.POSITIVE_INFINITY : Date.now() - Math.max(...changed);
  }

  async #end(last: () => Promise<void>): Promise<void> {
    this.#acknowledgements.cancel();
    clearTimeout(this.#removing);
    await last().catch((error: unknown) => this.#options.onProblem(error));
    await this.#lock.release();
    this.#onEnd(this);
  }
}

/**
 * What was never used. I7: a process that dies every second would otherwise have filled `maxBytes` with nothing
 * before the retention of the first is over. A damaged file stays as it was found.
 */
function giveBackTails(folder: string, { segments }: RecoveredJournal, { onProblem }: ResolvedJournalOptions): void {
  for (const { number, bytes, scan } of segments.values()) {
    if (scan.end === bytes || scan.bad.length > 0) continue;
    const file = segmentPath(folder, number);
    try {
      const { atime, mtime } = statSync(file);
      truncateSync(file, scan.end);
      // The retention is counted from it.
      utimesSync(file, atime, mtime);
    } catch (error) {
      onProblem(error);
    }
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** In whole milliseconds, as the clock has them: a file changed in this one would otherwise be of the future. */
function modifiedMs(file: string): number {
  return Math.floor(statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
}
