import { isBusOnlyEvent } from '@spanledger/protocol';
import type { BusEventItem, BusItem } from '../bus-event.ts';
import { passes } from '../event-filter.ts';
import type { EventFilter } from '../event-filter.ts';
import type { Subscription } from '../subscription.ts';
import type { EventClient, StartingPlace } from './event-client.ts';
import { EventRing } from './event-ring.ts';
import type { RingEntry } from './event-ring.ts';
import type { HubClock } from './hub-clock.ts';
import type { ResolvedTaskEvents } from './sse-options.ts';
import { cursorOf, eventText } from './sse-text.ts';

/** What a channel shares with all others, and whom it tells of itself. */
export interface ChannelOwner {
  readonly options: ResolvedTaskEvents;
  readonly clock: HubClock;
  readonly memory: { bytes: number };
  /** Something is in the ring that its clients are to have, soon. */
  onPushed(channel: TaskChannel): void;
  /** Nothing more comes from the bus. */
  onEnd(channel: TaskChannel): void;
  onLeft(channel: TaskChannel, client: EventClient): void;
}

const HOLE = { text: '', bytes: 0, event: {}, kind: { terminal: false, chunk: false } };

/**
 * One task that has clients, or has just had some: one subscription of the bus, the last events, and who is to have them.
 * All clients share the events, as text; each has a filter of its own.
 */
export class TaskChannel {
  readonly taskId: string;
  readonly ring: EventRing;
  readonly clients = new Set<EventClient>();
  readonly #owner: ChannelOwner;
  readonly #subscription: Subscription;
  #missing = 0;
  #isToPump = false;
  /** No client has asked for chunks: they would only take the place of events. */
  #chunks = false;

  constructor(taskId: string, subscription: Subscription, owner: ChannelOwner) {
    this.taskId = taskId;
    this.ring = new EventRing(owner.memory);
    this.#subscription = subscription;
    this.#owner = owner;
    void subscription.forEach((item) => this.#onItem(item)).then(() => owner.onEnd(this));
  }

  /**
   * Where a client goes on. One that comes for the first time hears what happens from now on; one that has heard something hears what
   * follows that, and where that is not known any more, that something is missing, and all that there is.
   *
   * @returns `undefined` if the task is finished, and the client has had all of it.
   */
  placeFor(filter: EventFilter, lastEventId: string | undefined): StartingPlace | undefined {
    if (lastEventId === undefined) return { position: this.ring.end, notice: 'connected' };
    const known = this.ring.find(lastEventId);
    if (known === undefined) return { position: this.ring.first, notice: 'gap' };
    const place = { position: known + 1, notice: undefined };
    return this.ring.isFinished && !this.#hasFor(filter, place.position) ? undefined : place;
  }

  add(client: EventClient, filter: EventFilter): void {
    this.#chunks ||= filter.chunks;
    this.clients.add(client);
  }

  /** Doing it again does nothing. */
  remove(client: EventClient): void {
    if (this.clients.delete(client)) this.#owner.onLeft(this, client);
  }

  /** Lets each client have what it can take now. */
  pump(): void {
    for (const client of this.clients) client.pump();
  }

  /** The same in a later turn, once, however much comes until then. */
  pumpSoon(): void {
    if (this.#isToPump) return;
    this.#isToPump = true;
    this.#owner.clock.soon(() => {
      this.#isToPump = false;
      this.pump();
    });
  }

  /** Takes the oldest event out, for all. */
  forgetOldest(): void {
    const position = this.ring.first;
    const entry = this.ring.shift();
    if (entry === undefined) return;
    for (const client of this.clients) client.passOver(position, entry);
  }

  /** Sends what is taken now, leaves the bus, and forgets everything. */
  close(farewell: 'close' | 'destroy'): void {
    this.pump();
    this.#subscription.close();
    while (this.ring.shift() !== undefined);
    for (const client of this.clients) {
      this.remove(client);
      client.end(farewell);
    }
  }

  #onItem(item: BusItem): void {
    if (item.type === 'event') return this.#onEvent(item);
    const missing = item.dropped - this.#missing;
    this.#missing = item.dropped;
    if (missing > 0) this.#push({ ...HOLE, id: this.ring.idAt(this.ring.end), missing });
  }

  #onEvent({ event, terminal }: BusEventItem): void {
    const kind = { terminal: terminal === true, chunk: isBusOnlyEvent(event.event) };
    if (kind.chunk && !this.#chunks) return;
    const id = cursorOf(event) ?? this.ring.idAt(this.ring.end);
    const text = eventText(id, event);
    const { session_id, client_request_id } = event;
    this.#push({
      id,
      text,
      bytes: Buffer.byteLength(text),
      event: { session_id, client_request_id },
      kind,
      missing: 0,
    });
    // Not before it is in the ring: who is up to date and can expect nothing more is sent away.
    if (kind.terminal) this.ring.isFinished = true;
  }

  #push(entry: RingEntry): void {
    if (this.ring.size >= this.#owner.options.eventsMax) {
      // Who can take it has it before it goes.
      this.pump();
      this.forgetOldest();
    }
    this.ring.push(entry);
    this.#owner.onPushed(this);
  }

  #hasFor(filter: EventFilter, from: number): boolean {
    for (let position = from; position < this.ring.end; position += 1) {
      const entry = this.ring.get(position);
      if (entry !== undefined && (entry.missing > 0 || passes(entry.event, entry.kind, filter))) return true;
    }
    return false;
  }
}
