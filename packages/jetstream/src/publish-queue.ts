import type { SealedEvent } from '@spanledger/protocol';
import type { PendingWrite } from './pending-write.ts';

/**
 * The events that have no outcome yet, in writing order, and two cursors: below `base` everything has one, below `next`
 * everything is published. A token is an event's position since the beginning; it is never given to another event.
 *
 * A ring that doubles when it is full: bounded by what the caller keeps open.
 */
export class PublishQueue {
  #ring: (PendingWrite | undefined)[] = Array.from({ length: 1_024 });
  #base = 0;
  #next = 0;
  #end = 0;
  #size = 0;
  #onceFrom = 0;

  /** How many events have no outcome. */
  get size(): number {
    return this.#size;
  }

  /** Token of the oldest event without an outcome, if there is one. */
  get base(): number {
    return this.#base;
  }

  /** Whether something is published and not answered. */
  get inFlight(): boolean {
    return this.#base < this.#next;
  }

  push(write: PendingWrite): void {
    if (this.#end - this.#base === this.#ring.length) this.#grow();
    this.#ring[this.#end & (this.#ring.length - 1)] = write;
    this.#end += 1;
    this.#size += 1;
  }

  /** The write of a token; `undefined` if it has its outcome. */
  get(token: number): PendingWrite | undefined {
    if (!(token >= this.#base && token < this.#end)) return undefined;
    return this.#ring[token & (this.#ring.length - 1)];
  }

  /** Moves on to the next event to publish, unless `windowMax` are in flight. @returns its token, or -1. */
  advance(windowMax: number): number {
    while (this.#next < this.#end && this.#next - this.#base < windowMax) {
      const token = this.#next;
      this.#next += 1;
      if (this.get(token) !== undefined) return token;
    }
    return -1;
  }

  /** Whether this token was published exactly once, and has been answered: there is no second answer to come. */
  isSettled(token: number): boolean {
    return token >= this.#onceFrom && token < this.#next && this.get(token) === undefined;
  }

  /** Takes an event out: it has its outcome. */
  remove(token: number): PendingWrite | undefined {
    const write = this.get(token);
    if (write === undefined) return undefined;
    const mask = this.#ring.length - 1;
    this.#ring[token & mask] = undefined;
    this.#size -= 1;
    while (this.#base < this.#end && this.#ring[this.#base & mask] === undefined) this.#base += 1;
    if (this.#next < this.#base) this.#next = this.#base;
    return write;
  }

  /** Go-back-N: everything without an outcome is published again, in order. */
  goBack(): void {
    this.#onceFrom = Math.max(this.#onceFrom, this.#next);
    this.#next = this.#base;
  }

  /** Takes out what matches, in order. */
  removeWhere(matches: (event: SealedEvent) => boolean): PendingWrite[] {
    const writes: PendingWrite[] = [];
    this.#onceFrom = Math.max(this.#onceFrom, this.#next);
    for (let token = this.#base; token < this.#end; token += 1) {
      const write = this.get(token);
      if (write === undefined || !matches(write.event)) continue;
      this.remove(token);
      writes.push(write);
    }
    return writes;
  }

  /** Everything gets a new token, behind these: in order, and nothing of it is published. */
  requeue(first: readonly PendingWrite[]): void {
    for (const write of [...first, ...this.removeWhere(() => true)]) this.push(write);
  }

  #grow(): void {
    const old = this.#ring;
    const ring: (PendingWrite | undefined)[] = Array.from({ length: old.length * 2 });
    for (let token = this.#base; token < this.#end; token += 1) {
      ring[token & (ring.length - 1)] = old[token & (old.length - 1)];
    }
    this.#ring = ring;
  }
}
