import type { BusEventItem, BusItem } from './bus-event.ts';

/** Where one event or more are missing. */
const HOLE = Symbol('hole');
/** Places that were taken from are given back when there are more of them than this, and than the rest. */
const SPARE_MAX = 64;

/**
 * What waits for one subscriber, in order. I7: at most `max` events, one terminal event over that, and between two of
 * them at most one mark for what is missing there. When it is full, what comes is dropped: what the subscriber has
 * not seen yet stays what it was.
 */
export class SubscriberBuffer {
  readonly #max: number;
  #places: (BusEventItem | typeof HOLE | undefined)[] = [];
  #first = 0;
  #events = 0;
  #dropped = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** All that was dropped since the beginning. */
  get dropped(): number {
    return this.#dropped;
  }

  /** @returns whether there was room; else it is counted as dropped */
  offer(item: BusEventItem): boolean {
    if (this.#events >= this.#max) {
      this.drop();
      return false;
    }
    this.force(item);
    return true;
  }

  /** Takes it, room or not. For the one event after which nothing comes. */
  force(item: BusEventItem): void {
    this.#places.push(item);
    this.#events += 1;
  }

  /** Counts one event that is not there, and marks the place. */
  drop(): void {
    this.#dropped += 1;
    const last = this.#places.length > this.#first ? this.#places.at(-1) : undefined;
    if (last !== HOLE) this.#places.push(HOLE);
  }

  /** The oldest item; a mark becomes the count as it is now. */
  take(): BusItem | undefined {
    const item = this.#places[this.#first];
    if (item === undefined) return undefined;
    this.#places[this.#first] = undefined;
    this.#first += 1;
    this.#giveBack();
    if (item === HOLE) return Object.freeze({ type: 'lagged', dropped: this.#dropped });
    this.#events -= 1;
    return item;
  }

  clear(): void {
    this.#places = [];
    this.#first = 0;
    this.#events = 0;
  }

  #giveBack(): void {
    if (this.#first === this.#places.length) {
      this.#places.length = 0;
      this.#first = 0;
    } else if (this.#first > SPARE_MAX && this.#first * 2 > this.#places.length) {
      this.#places = this.#places.slice(this.#first);
      this.#first = 0;
    }
  }
}
