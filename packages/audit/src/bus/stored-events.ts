import { REPORT_EVENTS, parseEvent } from '@spanledger/protocol';
import type { SealedEvent } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import type { EventBus } from './create-event-bus.ts';

const decoder = new TextDecoder();

/** What the ledger says of itself is in runs that nobody watches, or is for readers of the ledger. */
const REPORTS: ReadonlySet<string> = new Set(REPORT_EVENTS);

/** A sealed event begins `{"ts":"2026-01-01T00:00:00.000000Z","event":"…"`: every part of it before the name has one length. */
const NAME_MARK = Buffer.from('Z","event":"');
const NAME_MARK_AT = '{"ts":"2026-01-01T00:00:00.000000'.length;
const NAME_AT = NAME_MARK_AT + NAME_MARK.length;
const QUOTE = 0x22;

/**
 * From the ledger to the bus: what the sink has stored, and nothing else. So the order is audit first, then bus, and what was
 * refused or lost never gets here.
 *
 * I5: it costs next to nothing while nobody listens, and never throws.
 */
export class StoredEvents {
  readonly #bus: EventBus;
  #complained = false;

  constructor(bus: EventBus) {
    this.#bus = bus;
  }

  publish({ bytes }: SealedEvent): void {
    try {
      const name = nameIn(bytes);
      if (name !== undefined && (REPORTS.has(name) || !this.#bus.wants(name))) return;
      const event = parseEvent(bytes);
      if (event !== undefined && !REPORTS.has(event.event)) this.#bus.publish(event);
    } catch (error) {
      this.#complain(error);
    }
  }

  #complain(error: unknown): void {
    if (this.#complained) return;
    this.#complained = true;
    log.warn('the event bus has thrown; events are stored, and may be missing on it (reported once):', error);
  }
}

/** The event's name without parsing the event; `undefined` where it is not at its place. */
function nameIn(bytes: Uint8Array): string | undefined {
  for (let i = 0; i < NAME_MARK.length; i += 1) if (bytes[NAME_MARK_AT + i] !== NAME_MARK[i]) return undefined;
  const end = bytes.indexOf(QUOTE, NAME_AT);
  return end < 0 ? undefined : decoder.decode(bytes.subarray(NAME_AT, end));
}
