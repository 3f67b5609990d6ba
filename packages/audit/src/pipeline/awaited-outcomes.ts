import { SpanledgerError, eventId } from '@spanledger/protocol';
import type { SealedEvent, WriteOutcome } from '@spanledger/protocol';

/** Those who wait for the outcome of an event, by its id. I7: as many as there are events without an outcome, at most. */
export class AwaitedOutcomes {
  readonly #byId = new Map<string, (outcome: WriteOutcome) => void>();

  add(id: string, settled: (outcome: WriteOutcome) => void): void {
    this.#byId.set(id, settled);
  }

  /** Nobody waits any more. */
  forget(id: string): void {
    this.#byId.delete(id);
  }

  tell(event: SealedEvent, outcome: WriteOutcome): void {
    if (this.#byId.size === 0) return;
    const id = eventId(event);
    const settled = this.#byId.get(id);
    this.#byId.delete(id);
    settled?.(outcome);
  }

  /** The pipeline was shut down: no outcome will come. */
  end(): void {
    const message = 'the pipeline was shut down before the event was stored';
    const error = new SpanledgerError('SPANLEDGER_SINK_CLOSED', message);
    for (const settled of this.#byId.values()) settled({ status: 'failed', error });
    this.#byId.clear();
  }
}
