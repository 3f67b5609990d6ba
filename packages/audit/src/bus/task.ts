import type { BusEvent, BusEventItem } from './bus-event.ts';
import type { EventKind } from './event-filter.ts';
import { RunOrder } from './run-order.ts';
import { snapshot } from './snapshot.ts';
import type { Subscriber } from './subscription.ts';

/** How many subscribers got an event, and how many should have got it and did not. */
export interface PublishResult {
  readonly delivered: number;
  readonly dropped: number;
}

export const NOBODY: PublishResult = Object.freeze({ delivered: 0, dropped: 0 });

/** The subscribers of one task. It exists while there are any. */
export class Task {
  readonly subscribers = new Set<Subscriber>();
  readonly #order = new RunOrder();

  /**
   * Hands one event to all who want it. After the copy is made no code of others runs until all have it: so all of them
   * see one order, also when a getter in the event publishes too.
   */
  publish(event: BusEvent, name: string, kind: EventKind): PublishResult {
    const audience = [...this.subscribers].filter((subscriber) => subscriber.wants(event, kind));
    // Nobody will see it, so nobody needs a copy.
    if (audience.length === 0) return NOBODY;
    const item = snapshot(event, name, kind.terminal);
    const present = audience.filter((subscriber) => !subscriber.ended);
    const arrival = this.#order.arrival(item.event);
    // A terminal event is never dropped, not even when a late one has overtaken it.
    if (arrival === 'next' || kind.terminal) return deliver(present, item, kind.terminal);
    return arrival === 'copy' ? NOBODY : missedBy(present);
  }
}

function missedBy(subscribers: readonly Subscriber[]): PublishResult {
  for (const subscriber of subscribers) subscriber.miss();
  return { delivered: 0, dropped: subscribers.length };
}

function deliver(subscribers: readonly Subscriber[], item: BusEventItem, terminal: boolean): PublishResult {
  let delivered = 0;
  for (const subscriber of subscribers) {
    if (terminal) subscriber.force(item);
    if (terminal || subscriber.offer(item)) delivered += 1;
  }
  return { delivered, dropped: subscribers.length - delivered };
}
