import { isBusOnlyEvent } from '@spanledger/protocol';
import type { BusEventItem, BusItem } from '../bus-event.ts';
import { passes } from '../event-filter.ts';
import type { EventFilter } from '../event-filter.ts';
import type { Subscription } from '../subscription.ts';
import type { EventClient, StartingPlace } from './event-client.ts';
import { EventRing } from './event-ring.ts';
import type { RingEntry } from './event-ring.ts';
import { cursorOf, eventText } from './sse-text.ts';

/** What a channel tells the hub. */
export interface ChannelOwner {
  /** Something is in the ring that its clients are to have, soon. */
  onPushed(channel: TaskChannel): void;
  /** Nothing more comes from the bus. */
  onEnd(channel: TaskChannel): void;
  /** So many bytes are more, or less, in its ring. */
  onBytes(difference: number): void;
}

const HOLE = { text: '', bytes: 0, event: {}, kind: { terminal: false, chunk: false } };

/**
 * One task that has clients, or has just had some: one subscription of the bus, the last events, and who is to have them.
 * All clients share the events, as text; each has a filter of its own.
 */
export class TaskChannel {
  readonly taskId: string;
  readonly ring = new EventRing();
  readonly clients = new Set<EventClient>();
  /** `finished`: the terminal event is in the ring. `closed`: the bus was closed before that. */
  state: 'live' | 'finished' | 'closed' = 'live';
  readonly #owner: ChannelOwner;
  readonly #eventsMax: number;
  readonly #subscription: Subscription;
  #missing = 0;
  /** No client has asked for chunks: they would only take the place of events. */
  #chunks = false;

  constructor(taskId: string, subscription: Subscription, eventsMax: number, owner: ChannelOwner) {
    this.taskId = taskId;
    this.#subscription = subscription;
    this.#eventsMax = eventsMax;
    this.#owner = owner;
    void subscription.forEach((item) => this.#onItem(item)).then(() => this.#onEnd());
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
    return this.state === 'finished' && !this.#hasFor(filter, place.position) ? undefined : place;
  }

  add(client: EventClient, filter: EventFilter): void {
    this.#chunks ||= filter.chunks;
    this.clients.add(client);
  }

  /** Lets each client have what it can take now, and ends those that have had all. */
  pump(): void {
    for (const client of this.clients) {
      client.pump();
      this.endIfDone(client);
    }
  }

  endIfDone(client: EventClient): void {
    if (this.state === 'finished' && client.isUpToDate) client.end();
  }

  /** Takes the oldest event out, for all. */
  forgetOldest(): void {
    const position = this.ring.first;
    const entry = this.ring.shift();
    if (entry === undefined) return;
    this.#owner.onBytes(-entry.bytes);
    for (const client of this.clients) client.passOver(position, entry);
  }

  /** Leaves the bus, and forgets everything. */
  close(): void {
    this.#subscription.close();
    this.#owner.onBytes(-this.ring.bytes);
    while (this.ring.shift() !== undefined);
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
    if (kind.terminal) this.state = 'finished';
  }

  #push(entry: RingEntry): void {
    // Who can take it has it before it goes.
    if (this.ring.size >= this.#eventsMax) this.pump();
    this.ring.push(entry);
    this.#owner.onBytes(entry.bytes);
    if (this.ring.size > this.#eventsMax) this.forgetOldest();
    this.#owner.onPushed(this);
  }

  #onEnd(): void {
    if (this.state === 'live') this.state = 'closed';
    this.#owner.onEnd(this);
  }

  #hasFor(filter: EventFilter, from: number): boolean {
    for (let position = from; position < this.ring.end; position += 1) {
      const entry = this.ring.get(position);
      if (entry !== undefined && (entry.missing > 0 || passes(entry.event, entry.kind, filter))) return true;
    }
    return false;
  }
}
