import { passes } from '../event-filter.ts';
import type { EventFilter } from '../event-filter.ts';
import type { EventRing, RingEntry } from './event-ring.ts';
import { HEARTBEAT, connectedText, laggedText } from './sse-text.ts';

/** Where a client's text goes: an HTTP response. */
export interface Outlet {
  /** @returns whether it takes more now; if not, `EventClient.resume` is to be called when it does. */
  write(text: string): boolean;
  /** Nothing more comes. */
  end(): void;
  /** Nothing more comes, neither of this nor of anything else. */
  close(): void;
  /** Breaks it off, and what it has not sent yet with it. */
  destroy(): void;
}

/** Where in the ring a client begins. */
export interface StartingPlace {
  readonly position: number;
  readonly notice: Notice | undefined;
}

/**
 * What a client is told before the next event: that it is `connected`, that there is a `gap` and nobody knows of how many
 * events, or how far it has `lagged`.
 */
type Notice = 'connected' | 'gap' | 'lagged';

/** UTF-16 units that are written together: about what a socket holds before it says that it is full. */
const WRITE_MAX = 16_384;

/**
 * One client: a place in the ring of its task, and nothing of its own that could grow (I7). A slow one is overtaken by the
 * end of the ring, and is told how much it has missed.
 */
export class EventClient {
  /** In the ring, of the entry that it gets next. */
  #position: number;
  #missed = 0;
  #notice: Notice | undefined;
  #blocked = false;
  #ended = false;
  readonly #filter: EventFilter;
  readonly #ring: EventRing;
  readonly #outlet: Outlet;

  constructor(ring: EventRing, filter: EventFilter, outlet: Outlet, { position, notice }: StartingPlace) {
    this.#ring = ring;
    this.#filter = filter;
    this.#outlet = outlet;
    this.#position = position;
    this.#notice = notice;
  }

  /** Sends what there is, as long as the outlet takes it; and ends where that was all for ever. */
  pump(): void {
    while (!this.#blocked && !this.#ended && !this.#isUpToDate) {
      const text = this.#nextText();
      if (text !== '') this.#blocked = !this.#outlet.write(text);
    }
    if (this.#ring.isFinished && this.#isUpToDate) this.end();
  }

  /** The outlet takes more again. */
  resume(): void {
    this.#blocked = false;
    this.pump();
  }

  /** An entry is gone from the ring, whether the client has had it or not. */
  passOver(position: number, entry: RingEntry): void {
    if (position < this.#position) return;
    this.#position = position + 1;
    if (entry.missing > 0) this.#miss(entry.missing);
    else if (passes(entry.event, entry.kind, this.#filter)) this.#miss(1);
  }

  heartbeat(): void {
    if (!this.#blocked && !this.#ended) this.#blocked = !this.#outlet.write(HEARTBEAT);
  }

  /** Nothing more comes. Doing it again does nothing; but one that was ended, and does not take the last of it, can be destroyed. */
  end(how: 'end' | 'close' | 'destroy' = 'end'): void {
    if (this.#ended && how !== 'destroy') return;
    this.#ended = true;
    this.#outlet[how]();
  }

  get #isUpToDate(): boolean {
    return this.#notice === undefined && this.#position >= this.#ring.end;
  }

  #nextText(): string {
    let text = '';
    while (text.length < WRITE_MAX && !this.#isUpToDate) text += this.#nextPart();
    return text;
  }

  #nextPart(): string {
    if (this.#notice !== undefined) return this.#takeNotice(this.#notice);
    const entry = this.#ring.get(this.#position);
    this.#position += 1;
    if (entry === undefined) return '';
    if (entry.missing > 0) this.#miss(entry.missing);
    return entry.missing === 0 && passes(entry.event, entry.kind, this.#filter) ? entry.text : '';
  }

  #takeNotice(notice: Notice): string {
    this.#notice = undefined;
    const id = this.#ring.idAt(this.#position - 1);
    if (notice === 'connected') return connectedText(id);
    return laggedText(id, notice === 'gap' ? undefined : this.#missed);
  }

  #miss(count: number): void {
    this.#missed += count;
    if (this.#notice !== 'gap') this.#notice = 'lagged';
  }
}
