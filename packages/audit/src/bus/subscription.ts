import { SpanledgerError } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import type { BusEvent, BusEventItem, BusItem } from './bus-event.ts';
import type { ResolvedSubscription } from './bus-options.ts';
import { passes } from './event-filter.ts';
import type { EventKind } from './event-filter.ts';
import { SubscriberBuffer } from './subscriber-buffer.ts';

/**
 * One listener of one task. Its items are taken once: by one `for await` loop, or by `forEach`. It ends after the task's
 * terminal event, by `close`, by leaving the loop, or with the bus.
 */
export interface Subscription extends AsyncIterableIterator<BusItem> {
  /**
   * Waits for the next item, without a deadline. What was waiting when the task ended can still be taken.
   *
   * @throws SpanledgerError `SPANLEDGER_BUS_FULL`, as a rejection, if 1,024 calls of it are waiting already
   */
  next(): Promise<IteratorResult<BusItem, undefined>>;
  return(): Promise<IteratorResult<BusItem, undefined>>;
  /**
   * Calls `listener` with one item after the other, never inside of `publish`, and waits for its promise before the next
   * one. What it throws is its own fault: it is logged, once, and the next item comes. Resolves at the end; never rejects.
   */
  forEach(listener: (item: BusItem) => unknown): Promise<void>;
  /** Events that this subscriber has missed so far. */
  dropped(): number;
  /** Ends it at once; what was not taken yet is gone. Doing it again does nothing. */
  close(): void;
}

/** Items that a listener is called with before other listeners have their turn. */
const BATCH_MAX = 64;
/** I7: calls of `next` that may wait at once, of one subscription. */
const WAITING_MAX = 1_024;
const DONE = { done: true, value: undefined } as const;

/** The bus's side of a subscription, and behind `Subscription` the listener's. */
export class Subscriber implements Subscription {
  readonly #options: ResolvedSubscription;
  readonly #buffer: SubscriberBuffer;
  readonly #leave: (subscriber: Subscriber) => void;
  /** Calls of `next` without an item yet, oldest first. While there are any, the buffer is empty. */
  readonly #waiting: ((result: IteratorResult<BusItem, undefined>) => void)[] = [];
  #ended = false;
  #closed = false;
  #complained = false;

  constructor(options: ResolvedSubscription, leave: (subscriber: Subscriber) => void) {
    this.#options = options;
    this.#buffer = new SubscriberBuffer(options.buffer);
    this.#leave = leave;
  }

  wants(event: BusEvent, kind: EventKind): boolean {
    return passes(event, kind, this.#options);
  }

  /** @returns whether it was taken; else it is counted as dropped */
  offer(item: BusEventItem): boolean {
    const taken = this.#buffer.offer(item);
    this.#serve();
    return taken;
  }

  /** The terminal event: never dropped. */
  force(item: BusEventItem): void {
    this.#buffer.force(item);
    this.#serve();
  }

  /** Counts an event that the listener will not see. */
  miss(): void {
    this.#buffer.drop();
    this.#serve();
  }

  /** Nothing more comes; what waits can still be taken. */
  end(): void {
    this.#ended = true;
    for (const resolve of this.#waiting.splice(0)) resolve(DONE);
  }

  get ended(): boolean {
    return this.#ended;
  }

  next(): Promise<IteratorResult<BusItem, undefined>> {
    const value = this.#buffer.take();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#ended) return Promise.resolve(DONE);
    if (this.#waiting.length >= WAITING_MAX) {
      const message = `${WAITING_MAX} calls of next() are waiting for an item of this subscription already`;
      return Promise.reject(new SpanledgerError('SPANLEDGER_BUS_FULL', message));
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<BusItem, undefined>> {
    this.close();
    return Promise.resolve(DONE);
  }

  async forEach(listener: (item: BusItem) => unknown): Promise<void> {
    for (;;) {
      const next = await this.next();
      // It may have been closed since the item was taken.
      if (next.done || this.#closed) return;
      await this.#handOver(next.value, listener);
    }
  }

  dropped(): number {
    return this.#buffer.dropped;
  }

  close(): void {
    this.#closed = true;
    this.#buffer.clear();
    if (this.#ended) return;
    this.end();
    this.#leave(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * What came together is handed over together: a promise for each would cost more than the rest. Not without end, because
   * a listener may publish to its own task, and others want their turn.
   */
  async #handOver(first: BusItem, listener: (item: BusItem) => unknown): Promise<void> {
    let item: BusItem | undefined = first;
    for (let left = BATCH_MAX; item !== undefined; left -= 1) {
      try {
        const answer = listener(item);
        if (isThenable(answer)) await answer;
      } catch (error) {
        this.#complain(error);
      }
      if (left === 1) return;
      item = this.#buffer.take();
    }
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const value = this.#buffer.take();
      if (value === undefined) return;
      this.#waiting.shift()?.({ done: false, value });
    }
  }

  #complain(error: unknown): void {
    if (this.#complained) return;
    this.#complained = true;
    log.warn('a listener of the event bus has thrown; it goes on getting events:', error);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
