import { EventSource } from 'eventsource';
import type { FetchLike } from 'eventsource';

/** One item of a stream, as a page gets it. */
export interface HeardEvent {
  /** The name of the event: `message` where it has none. */
  readonly name: string;
  readonly id: string;
  readonly data: { readonly [key: string]: unknown };
}

/** A page that listens: a real `EventSource`, and what it has heard. */
export class EventStream {
  readonly heard: HeardEvent[] = [];
  /** How often it was connected, or has tried in vain. */
  connects = 0;
  failures = 0;
  readonly #source: EventSource;

  constructor(url: string, names: readonly string[], fetch: FetchLike = globalThis.fetch) {
    this.#source = new EventSource(url, { fetch });
    const listen = (name: string): void =>
      this.#source.addEventListener(name, (event: MessageEvent) => {
        this.heard.push({ name, id: event.lastEventId, data: JSON.parse(String(event.data)) as HeardEvent['data'] });
      });
    for (const name of ['message', 'lagged', ...names]) listen(name);
    this.#source.addEventListener('open', () => (this.connects += 1));
    this.#source.addEventListener('error', () => (this.failures += 1));
  }

  get isOpen(): boolean {
    return this.#source.readyState === EventSource.OPEN;
  }

  /** It will not come back. */
  get isClosed(): boolean {
    return this.#source.readyState === EventSource.CLOSED;
  }

  close(): void {
    this.#source.close();
  }
}
