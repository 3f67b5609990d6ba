import { randomUUID } from 'node:crypto';
import type { EventKind, FilteredEvent } from '../event-filter.ts';

/** What is kept of one event, or of a hole between two. */
export interface RingEntry {
  /** By which a client says that it has had it. */
  readonly id: string;
  /** As it is sent; empty for a hole. */
  readonly text: string;
  /** Of the text as UTF-8. */
  readonly bytes: number;
  readonly event: FilteredEvent;
  readonly kind: EventKind;
  /** Events that are missing here. */
  readonly missing: number;
}

/**
 * The last events of one task, in order. Every entry has a position, from 0, which it keeps; the oldest go first.
 *
 * I7: it does not enforce its bounds; whoever pushes takes out what is too much.
 */
export class EventRing {
  /** Of the oldest entry that is there; `end` where there is none. */
  first = 0;
  /** Of the entry that comes next. */
  end = 0;
  /** The terminal event is in it: nothing more comes. */
  isFinished = false;
  /** Of the texts of all rings, as UTF-8. */
  readonly #memory: { bytes: number };
  readonly #entries = new Map<number, RingEntry>();
  /** Of this ring: another one would count otherwise. */
  readonly #name = randomUUID();

  constructor(memory: { bytes: number }) {
    this.#memory = memory;
  }

  get size(): number {
    return this.end - this.first;
  }

  get(position: number): RingEntry | undefined {
    return this.#entries.get(position);
  }

  push(entry: RingEntry): void {
    this.#entries.set(this.end, entry);
    this.end += 1;
    this.#memory.bytes += entry.bytes;
  }

  /** Takes the oldest one out. */
  shift(): RingEntry | undefined {
    const entry = this.#entries.get(this.first);
    if (entry === undefined) return undefined;
    this.#entries.delete(this.first);
    this.first += 1;
    this.#memory.bytes -= entry.bytes;
    return entry;
  }

  /** Names a position, also one before the first. For what has no id of its own. */
  idAt(position: number): string {
    return `${this.#name}.${position}`;
  }

  /** The position that an id names, if what follows it is still there; of several entries with one id the newest. */
  find(id: string): number | undefined {
    if (id.startsWith(`${this.#name}.`)) {
      const position = Number(id.slice(this.#name.length + 1));
      // Whoever has had one id can write others: only what `idAt` writes is a place, and half a position is none.
      const isPlace = Number.isInteger(position) && id === this.idAt(position);
      return isPlace && position >= this.first - 1 && position < this.end ? position : undefined;
    }
    for (let position = this.end - 1; position >= this.first; position -= 1) {
      if (this.#entries.get(position)?.id === id) return position;
    }
    return undefined;
  }
}
