import type { SealedEvent } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import type { OnLost } from '../journal/journal.ts';
import type { JournaledEvent } from '../journal/journaled-event.ts';
import type { Delivery, DeliveryFeed } from './delivery.ts';
import type { DeliveryQueue } from './delivery-queue.ts';
import type { SentEvent } from './run-heads.ts';

/** After events that the sink gave up on, before they are read and tried again: the first wait, and the longest. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;

/** Events that the sink gave up on, before no others are tried until these have been once more. */
const FAILED_MAX = 10_000;

/** Of the newest events, which need not be read back when all before them are on their way. */
const HELD_BYTES_MAX = 1024 * 1024;

/** What a feed needs of a journal, its own process's or a dead one's. */
export interface FeedSource {
  /** Position of the last event. */
  readonly position: number;
  read(after: number, onLost: OnLost): AsyncGenerator<JournaledEvent, void, void>;
  acknowledge(position: number): void;
  markDoubtful(isDoubtful: boolean): void;
}

/**
 * Brings the events of one journal to the delivery queue, in order and once each.
 *
 * An event that has just been journaled goes on from memory. When the queue is full, it and all that follow wait on the disk, and
 * are read back as there is room: memory stays flat in an outage of any length (I7), and order is kept.
 */
export class JournalFeed implements DeliveryFeed {
  readonly #source: FeedSource;
  readonly #queue: DeliveryQueue;
  readonly #reportLost: (count: number) => boolean;
  /** The first position that is not yet on its way. */
  #next = 1;
  /** Events up to here may have been given to a sink. */
  #givenThrough: number;
  /** In the queue. I7: as many as it holds. */
  readonly #sending = new Set<number>();
  /** Acknowledged events up to here are published once more. */
  #againThrough = 0;
  /** Of those that are published once more, how many are in the queue. */
  #sendingAgain = 0;
  /** Those that the sink gave up on: their places in their runs. I7: at most `FAILED_MAX`, and what was in the queue then. */
  readonly #failed = new Map<number, SentEvent | undefined>();
  /** What is read again when the time has come begins here. */
  #failedFrom = Number.POSITIVE_INFINITY;
  /** So many have failed that nothing is given to the sink until then. */
  #isStopped = false;
  #retryMs = RETRY_MIN_MS;
  #retryTimer: NodeJS.Timeout | undefined;
  #reading = false;
  /** While older events are read: the newest ones, without a gap, so that reading comes to an end under any load. */
  #held: { readonly event: SealedEvent; readonly position: number }[] = [];
  #heldBytes = 0;
  /** Counts rewinds: whoever reads stops, and starts again where it should. */
  #rewinds = 0;
  #closed = false;
  #waiters: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];

  /**
   * @param isInherited another process may have published any of it.
   * @param reportLost told how many events the journal has lost; it returns whether that is kept. If not, the next process is told.
   */
  constructor(
    source: FeedSource,
    queue: DeliveryQueue,
    isInherited = false,
    reportLost: (count: number) => boolean = () => false,
  ) {
    this.#source = source;
    this.#queue = queue;
    this.#reportLost = reportLost;
    this.#givenThrough = isInherited ? Number.POSITIVE_INFINITY : 0;
  }

  /** Events wait on the disk. */
  get isBehind(): boolean {
    return this.#reading || this.#isStopped;
  }

  /** The sink gave up on events, which will be tried again. */
  get hasFailed(): boolean {
    return this.#failedFrom !== Number.POSITIVE_INFINITY;
  }

  /** An event was journaled just now, at the next position. */
  appended(event: SealedEvent, position: number): void {
    // The next process reads it.
    if (this.#closed) return;
    if (!this.isBehind && this.#queue.hasRoom) {
      this.#next = position + 1;
      this.#push(event, position, false);
      return;
    }
    if (this.#heldBytes > HELD_BYTES_MAX) this.#dropHeld();
    this.#held.push({ event, position });
    this.#heldBytes += event.bytes.length;
    this.readOn();
  }

  /** Reads what is journaled and not yet on its way. */
  readOn(): void {
    if (this.isBehind || this.#closed) return;
    this.#reading = true;
    void this.#readAll();
  }

  /** Whether the sink still has what it had acknowledged is being found out. */
  doubt(isDoubtful: boolean): void {
    // While it gets everything again, that is known.
    if (this.#againThrough === 0) this.#source.markDoubtful(isDoubtful);
  }

  /** Publishes everything once more that is still in the journal, acknowledged or not. */
  readAgain(): void {
    this.#source.markDoubtful(true);
    this.#againThrough = this.#source.position;
    this.#sendingAgain = this.#sending.size;
    this.#rewind(1);
  }

  done(position: number): void {
    this.#sent(position);
    this.#source.acknowledge(position);
    this.#retryMs = RETRY_MIN_MS;
    this.#checkAgain();
    this.#checkWaiters();
  }

  failed({ position, sent }: Delivery): void {
    this.#sent(position);
    this.#failed.set(position, sent);
    if (this.#failed.size >= FAILED_MAX) this.#isStopped = true;
    this.#readAgainLater(position);
  }

  /** Waits until everything has been given to the sink once, or cannot be for now. */
  whenGiven(): Promise<void> {
    const { position } = this.#source;
    return this.#when(() => this.#next > position || this.hasFailed);
  }

  /** Waits until everything that is journaled now is on its way, or has its outcome. */
  whenRead(): Promise<void> {
    const { position } = this.#source;
    return this.#when(() => this.#next > position && !this.hasFailed);
  }

  /** Waits until everything has its outcome. */
  whenDone(): Promise<void> {
    return this.#when(() => !this.#reading && !this.hasFailed && this.#sending.size === 0);
  }

  /** Reads nothing more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
  }

  async #readAll(): Promise<void> {
    try {
      while (!this.#closed && !this.#isStopped && this.#next <= this.#source.position) {
        if (this.#next === this.#held[0]?.position) await this.#sendHeld();
        else await this.#readThrough(this.#source.position, this.#rewinds);
      }
      this.#checkAgain();
    } catch (error) {
      log.error('the journal could not be read, and is read again later:', error);
      // They are on the disk as well.
      this.#dropHeld();
      this.#readAgainLater(this.#next);
    }
    this.#reading = false;
    this.#checkWaiters();
  }

  async #readThrough(end: number, rewinds: number): Promise<void> {
    for await (const { position, event, acknowledged } of this.#source.read(this.#next - 1, (lost) =>
      this.#lost(lost),
    )) {
      // I7: read no further ahead than the queue has room for.
      if (!this.#queue.hasRoom) await this.#queue.whenRoom();
      if (this.#closed || this.#isStopped || rewinds !== this.#rewinds) return;
      if (position === this.#held[0]?.position) return;
      if (position < this.#next) continue;
      this.#next = position + 1;
      const isWanted = !acknowledged || position <= this.#againThrough;
      if (isWanted && !this.#sending.has(position)) this.#push(event, position, acknowledged);
      if (this.#waiters.length > 0) this.#checkWaiters();
    }
    // Those at the end may have been removed: they were acknowledged.
    this.#next = Math.max(this.#next, Math.min(end + 1, this.#held[0]?.position ?? Number.POSITIVE_INFINITY));
  }

  async #sendHeld(): Promise<void> {
    await this.#queue.whenRoom();
    // They may have been dropped meanwhile, for newer ones.
    if (this.#closed || this.#isStopped || this.#next !== this.#held[0]?.position) return;
    for (const { event, position } of this.#held) this.#push(event, position, false);
    this.#next = this.#held.at(-1)!.position + 1;
    this.#dropHeld();
  }

  #dropHeld(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }

  #lost(positions: readonly number[]): void {
    if (!this.#reportLost(positions.length)) return;
    for (const position of positions) this.#source.acknowledge(position);
  }

  #push(event: SealedEvent, position: number, wasStored: boolean): void {
    this.#sending.add(position);
    if (position <= this.#againThrough) this.#sendingAgain += 1;
    const sent = this.#failed.get(position);
    this.#failed.delete(position);
    this.#queue.push({
      event,
      feed: this,
      position,
      again: position <= this.#givenThrough,
      wasStored,
      sent,
      ticket: 0,
      outcome: undefined,
    });
    if (position > this.#givenThrough) this.#givenThrough = position;
  }

  #sent(position: number): void {
    if (this.#sending.delete(position) && position <= this.#againThrough) this.#sendingAgain -= 1;
  }

  /** Does the sink have everything again? */
  #checkAgain(): void {
    if (this.#againThrough === 0 || this.#sendingAgain > 0) return;
    if (this.#next <= this.#againThrough || this.hasFailed) return;
    this.#againThrough = 0;
    this.#source.markDoubtful(false);
  }

  #readAgainLater(position: number): void {
    this.#failedFrom = Math.min(this.#failedFrom, position);
    this.#checkWaiters();
    if (this.#closed) return;
    this.#retryTimer ??= setTimeout(() => this.#retry(), this.#retryMs).unref();
  }

  #retry(): void {
    this.#retryTimer = undefined;
    this.#isStopped = false;
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    const from = this.#failedFrom;
    this.#failedFrom = Number.POSITIVE_INFINITY;
    this.#rewind(from);
  }

  #rewind(position: number): void {
    this.#rewinds += 1;
    this.#next = Math.min(this.#next, position);
    this.readOn();
  }

  #when(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ isDone, resolve }));
  }

  #checkWaiters(): void {
    if (this.#waiters.length === 0) return;
    const done = this.#waiters.filter(({ isDone }) => isDone());
    this.#waiters = this.#waiters.filter((waiter) => !done.includes(waiter));
    for (const { resolve } of done) resolve();
  }
}
