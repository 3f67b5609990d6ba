import { setImmediate as nextTurn } from 'node:timers/promises';
import { SpanledgerError } from '@spanledger/protocol';
import type { SealedEvent } from '@spanledger/protocol';
import { FrameEncoder } from './frame.ts';
import { GroupCommit } from './group-commit.ts';
import { readIfExists } from './journal-files.ts';
import type { ResolvedJournalOptions } from './journal-options.ts';
import type { AppendOutcome, JournalStats, OnLost } from './journal.ts';
import { EVENTS_PER_TURN, inTurns, readRun } from './journaled-event.ts';
import type { JournaledEvent } from './journaled-event.ts';
import { positionsOf, uncovered } from './replay-plan.ts';
import { Saver } from './saver.ts';
import { scanSegment } from './scan-segment.ts';
import type { FrameRun } from './scan-segment.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { SegmentSet } from './segment-set.ts';
import type { Segment } from './segment.ts';
import { UnsyncedEvents } from './unsynced-events.ts';

const RETIRE_MS_MAX = 30_000;
const RETIRE_MS_MIN = 50;
const DISK_FULL = new Set(['ENOSPC', 'EDQUOT']);
/** After a failure, before it is tried again: a full disk must not cost every hook a file, or a write that waits for the disk. */
const TRY_AGAIN_MS = 100;
/** For so long nobody is told that there is room, though it is tried. */
const RETRY_FULL_MS = 1_000;
/** Of most events. */
const ROOM_BYTES = 128 * 1024;

/**
 * The way of an event into the segments: frame, write, sync.
 *
 * I7: at most 64 MiB are kept in memory until they are synced, at most `maxBytes` on the disk; what is more is refused.
 * A sync that failed is not tried again on the same file, whose pages the operating system may have dropped: what it
 * should have made durable is written again, from memory, into a new segment.
 */
export class JournalWriter {
  readonly #options: ResolvedJournalOptions;
  readonly #encoder = new FrameEncoder();
  readonly #unsynced = new UnsyncedEvents();
  readonly #segments: SegmentSet;
  readonly #commit = new GroupCommit((upTo) => this.#sync(upTo));
  readonly #retiring: NodeJS.Timeout;
  readonly #acknowledgements: Saver;
  #position = 0;
  #refused = 0;
  /** A sync failed, and what it left is not yet written again. */
  #isBroken = false;
  #failure: { readonly error: unknown; readonly atMs: number } | undefined;
  #closed = false;

  constructor(folder: string, options: ResolvedJournalOptions, otherBytes: () => number) {
    this.#options = options;
    this.#segments = new SegmentSet(folder, options, otherBytes);
    this.#acknowledgements = new Saver(() => this.#segments.saveAcknowledged(), options.onProblem);
    const retireMs = Math.min(Math.max(options.retentionMs / 10, RETIRE_MS_MIN), RETIRE_MS_MAX);
    this.#retiring = setInterval(() => this.#segments.retire(), retireMs).unref();
  }

  get position(): number {
    return this.#position;
  }

  get stats(): JournalStats {
    const waiting = this.#segments.all.filter(({ unacknowledged }) => unacknowledged > 0);
    return {
      bytes: this.#segments.bytes,
      unacknowledged: waiting.reduce((sum, { unacknowledged }) => sum + unacknowledged, 0),
      oldestAgeMs: waiting[0] === undefined ? 0 : performance.now() - waiting[0].waitingSinceMs,
      notDurable: this.#unsynced.count,
      refused: this.#refused,
    };
  }

  get hasRoom(): boolean {
    if (this.#closed || this.#isBroken || this.#hasFailedLately(RETRY_FULL_MS)) return false;
    return this.#segments.active?.fits(ROOM_BYTES) === true || this.#segments.canBegin;
  }

  append(event: SealedEvent): AppendOutcome {
    try {
      if (this.#closed) throw new SpanledgerError('SPANLEDGER_JOURNAL', 'the journal is closed');
      if (this.#isBroken) throw this.#failure?.error;
      this.#unsynced.check(event);
      this.#write(event, this.#position + 1);
    } catch (error) {
      // Not when it is only repeated: the pause before the next try would never end under load.
      const isNew = error !== this.#failure?.error;
      if (isNew && isDiskFull(error)) this.#failure = { error, atMs: performance.now() };
      this.#refused += 1;
      return { status: 'refused', error: refusal(error) };
    }
    this.#position += 1;
    this.#unsynced.add(event);
    this.#commit.wrote(this.#position);
    return { status: 'written', position: this.#position };
  }

  whenDurable(position: number): Promise<void> {
    return this.#commit.whenDurable(position);
  }

  acknowledge(position: number): void {
    this.#segments.find(position)?.acknowledge(position);
    if (!this.#closed) this.#acknowledgements.soon();
  }

  async *read(after: number, onLost?: OnLost): AsyncGenerator<JournaledEvent, void, void> {
    const end = this.#position;
    let next = after + 1;
    while (next <= end) {
      const from = next;
      const segment = this.#segments.all.find(({ first, synced }) => synced.last >= Math.max(from, first));
      if (segment === undefined) {
        for (const journaled of this.#readUnsynced(from, end)) {
          yield journaled;
          next = journaled.position + 1;
          if (next % EVENTS_PER_TURN === 0) await nextTurn();
        }
        // The rest has been removed.
        if (next === from) return;
      } else {
        const to = Math.min(segment.synced.last, end);
        yield* inTurns(await this.#readSegment(segment, from, to, onLost));
        next = to + 1;
      }
    }
  }

  /** Idempotence is the caller's. */
  async close(): Promise<{ readonly isDurable: boolean; readonly isEmpty: boolean }> {
    this.#closed = true;
    clearInterval(this.#retiring);
    const isDurable = await this.#commit.close();
    this.#acknowledgements.now();
    return { isDurable, isEmpty: !(await this.#segments.close(isDurable)) };
  }

  /** What is not synced yet, the kernel writes. */
  closeNow(): void {
    this.#closed = true;
    clearInterval(this.#retiring);
    this.#acknowledgements.now();
    this.#segments.closeNow(this.#unsynced.count === 0);
  }

  #write(event: SealedEvent, position: number): void {
    const length = this.#encoder.encode(event, position);
    if (length > this.#options.segmentBytes - SEGMENT_HEADER_BYTES) {
      throw new SpanledgerError('SPANLEDGER_JOURNAL', `an event of ${length} bytes does not fit into a segment`);
    }
    if (!this.#isBroken && this.#wasFullLately) throw this.#failure?.error;
    const { active } = this.#segments;
    const segment = active?.fits(length) ? active : this.#begin(position);
    try {
      segment.write(this.#encoder.buffer, length);
    } catch (error) {
      if (isDiskFull(error)) throw error;
      this.#options.onProblem(error);
      this.#begin(position).write(this.#encoder.buffer, length);
    }
  }

  #begin(first: number): Segment {
    if (!this.#isBroken && this.#hasFailedLately(TRY_AGAIN_MS)) throw this.#failure?.error;
    try {
      // I7: what is written again is at most what is kept in memory, and gives back as much. Waiting for room it would hold up
      // the acknowledgements that make room.
      const segment = this.#segments.begin(first, this.#isBroken);
      this.#failure = undefined;
      return segment;
    } catch (error) {
      this.#failure = { error, atMs: performance.now() };
      throw error;
    }
  }

  get #wasFullLately(): boolean {
    return this.#hasFailedLately(TRY_AGAIN_MS) && isDiskFull(this.#failure?.error);
  }

  #hasFailedLately(withinMs: number): boolean {
    return this.#failure !== undefined && performance.now() - this.#failure.atMs < withinMs;
  }

  async #sync(upTo: number): Promise<void> {
    if (this.#isBroken) this.#writeAgain();
    const open = this.#segments.all.filter(({ isOpen, isSynced }) => isOpen && !isSynced);
    const extents = open.map(({ extent }) => extent);
    try {
      for (const segment of open) await segment.sync();
    } catch (error) {
      this.#options.onProblem(error);
      this.#writeAgain();
      throw error;
    }
    open.forEach((segment, i) => segment.markSynced(extents[i]!));
    this.#unsynced.dropThrough(upTo);
    this.#segments.closeSynced();
  }

  /** I3: the same positions. @throws if it cannot be done now; the next sync begins with it. */
  #writeAgain(): void {
    this.#isBroken = true;
    try {
      this.#segments.moveUnsynced(() => {
        for (const [position, event] of this.#unsynced.entries()) this.#write(event, position);
      });
      this.#isBroken = false;
    } catch (error) {
      this.#failure = { error, atMs: performance.now() };
      throw error;
    }
  }

  #isAcknowledged(position: number): boolean {
    return this.#segments.find(position)?.isAcknowledged(position) ?? false;
  }

  /** From memory: of what is not synced the file system need not have what was written. */
  *#readUnsynced(from: number, to: number): Iterable<JournaledEvent> {
    for (const [position, event] of this.#unsynced.entries(from, to)) {
      yield { position, event, acknowledged: this.#isAcknowledged(position) };
    }
  }

  /** @param to must be synced. */
  async #readSegment(
    segment: Segment,
    from: number,
    to: number,
    onLost: OnLost | undefined,
  ): Promise<Iterable<JournaledEvent>> {
    const { end } = segment.synced;
    // Where it has been removed meanwhile, all of it was acknowledged.
    const bytes = (await readIfExists(segment.path)) ?? Buffer.alloc(0);
    const { runs, bad } = scanSegment(bytes.subarray(0, end));
    for (const { offset } of bad) {
      const message = `the journal is damaged: ${segment.path} at byte ${offset}`;
      this.#options.onProblem(new SpanledgerError('SPANLEDGER_JOURNAL', message));
    }
    const missing = uncovered({ from: Math.max(from, segment.first), to }, runs);
    const lost = missing.flatMap(positionsOf).filter((position) => !segment.isAcknowledged(position));
    if (lost.length > 0) onLost?.(lost);
    return readRuns(bytes, runs, segment, from, to);
  }
}

function* readRuns(
  bytes: Buffer,
  runs: readonly FrameRun[],
  segment: Segment,
  from: number,
  to: number,
): Iterable<JournaledEvent> {
  const isAcknowledged = (position: number): boolean => segment.isAcknowledged(position);
  for (const run of runs) {
    const [first, last] = [Math.max(from, run.from), Math.min(to, run.to)];
    if (first > last) continue;
    yield* readRun({ segment: bytes, run, from: first, to: last, isScanned: true, isAcknowledged });
  }
}

function isDiskFull(error: unknown): boolean {
  return DISK_FULL.has((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

function refusal(error: unknown): SpanledgerError {
  if (error instanceof SpanledgerError) return error;
  if (isDiskFull(error)) {
    return new SpanledgerError('SPANLEDGER_JOURNAL_FULL', 'the disk of the journal is full', { cause: error });
  }
  return new SpanledgerError('SPANLEDGER_JOURNAL', 'an event could not be written to the journal', { cause: error });
}
