import { SpanledgerError } from '@spanledger/protocol';
import type { SealedEvent } from '@spanledger/protocol';

const BYTES_MAX = 64 * 1024 * 1024;

/**
 * What was written and is not yet on the disk: to be written again if a sync fails, and to be read until then. I7: at most 64 MiB
 * of event bytes.
 */
export class UnsyncedEvents {
  #events: SealedEvent[] = [];
  #first = 1;
  #bytes = 0;

  get count(): number {
    return this.#events.length;
  }

  /** @throws SpanledgerError `SPANLEDGER_JOURNAL_FULL` if there is no room. */
  check(event: SealedEvent): void {
    if (this.#bytes + event.bytes.length <= BYTES_MAX) return;
    throw new SpanledgerError('SPANLEDGER_JOURNAL_FULL', `the disk has not synced the last ${BYTES_MAX} bytes`);
  }

  add(event: SealedEvent): void {
    this.#events.push(event);
    this.#bytes += event.bytes.length;
  }

  dropThrough(position: number): void {
    const dropped = this.#events.splice(0, position - this.#first + 1);
    this.#first += dropped.length;
    for (const event of dropped) this.#bytes -= event.bytes.length;
  }

  /** In order, as long as the next one is here when it is come to. */
  *entries(from = this.#first, to = Number.POSITIVE_INFINITY): Iterable<[position: number, event: SealedEvent]> {
    for (let position = Math.max(from, this.#first); position <= to; position += 1) {
      const event = this.#events[position - this.#first];
      if (event === undefined) return;
      yield [position, event];
    }
  }
}
