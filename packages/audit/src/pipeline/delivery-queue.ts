import { ROOT_CONTEXT, context } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import type { AuditSink, SealedEvent, WriteOutcome } from '@spanledger/protocol';

/** Writes in flight at once. Enough to keep a server a few milliseconds away busy at 100,000 events a second. */
const IN_FLIGHT_MAX = 4096;

/** Writes started in one turn of the event loop, so that a burst does not keep the application waiting (I5). */
const STARTS_PER_TURN = 256;

interface Waiter {
  readonly lastTicket: number;
  remaining: number;
  readonly done: () => void;
}

/**
 * From sealed to stored: holds events in order, and starts their writes in a later turn than the hook that made them, with
 * up to `IN_FLIGHT_MAX` in flight. It has no bound of its own: whoever pushes looks at `bytes` first (I7).
 */
export class DeliveryQueue {
  /** Of all events without an outcome, waiting and in flight. */
  bytes = 0;
  events = 0;
  readonly #sink: AuditSink;
  readonly #onOutcome: (event: SealedEvent, outcome: WriteOutcome) => void;
  #waiting: SealedEvent[] = [];
  #next = 0;
  #inFlight = 0;
  #scheduled = false;
  #lastTicket = 0;
  readonly #waiters = new Set<Waiter>();
  // I8: our own traffic is not traced; and no request's context is kept alive by the queue.
  readonly #untraced = suppressTracing(ROOT_CONTEXT);

  constructor(sink: AuditSink, onOutcome: (event: SealedEvent, outcome: WriteOutcome) => void) {
    this.#sink = sink;
    this.#onOutcome = onOutcome;
  }

  push(event: SealedEvent): void {
    this.#waiting.push(event);
    this.bytes += event.bytes.length;
    this.events += 1;
    this.#schedule();
  }

  /** Waits until what has been pushed so far has its outcomes. @returns false if the deadline came first. */
  settled(deadlineMs: number): Promise<boolean> {
    if (this.events === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        lastTicket: this.#lastTicket + this.#waiting.length - this.#next,
        remaining: this.events,
        done: () => finish(true),
      };
      // Referenced on purpose: the caller waits for it, and it never outlives the wait.
      const timer = setTimeout(() => finish(false), deadlineMs);
      const finish = (inTime: boolean): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        resolve(inTime);
      };
      this.#waiters.add(waiter);
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#next === this.#waiting.length || this.#inFlight >= IN_FLIGHT_MAX) return;
    this.#scheduled = true;
    setImmediate(this.#pump);
  }

  readonly #pump = (): void => {
    this.#scheduled = false;
    context.with(this.#untraced, () => {
      for (let starts = 0; starts < STARTS_PER_TURN && this.#inFlight < IN_FLIGHT_MAX; starts += 1) {
        const event = this.#waiting[this.#next];
        if (event === undefined) break;
        this.#next += 1;
        this.#write(event);
      }
    });
    this.#forgetStarted();
    this.#schedule();
  };

  #write(event: SealedEvent): void {
    const ticket = (this.#lastTicket += 1);
    this.#inFlight += 1;
    // A sink must not throw or reject; one that does has failed this event, and no other.
    const failed = (error: unknown): void => this.#settle(event, ticket, failure(error));
    try {
      this.#sink.writeEvent(event).then((outcome) => this.#settle(event, ticket, outcome), failed);
    } catch (error) {
      failed(error);
    }
  }

  #settle(event: SealedEvent, ticket: number, outcome: WriteOutcome): void {
    this.#inFlight -= 1;
    this.events -= 1;
    this.bytes -= event.bytes.length;
    this.#onOutcome(event, outcome);
    for (const waiter of this.#waiters) {
      if (ticket > waiter.lastTicket) continue;
      waiter.remaining -= 1;
      if (waiter.remaining === 0) waiter.done();
    }
    this.#schedule();
  }

  /** Gives back the started half of the array: amortised, every event is moved at most twice. */
  #forgetStarted(): void {
    if (this.#next === this.#waiting.length) this.#waiting = [];
    else if (this.#next > STARTS_PER_TURN && this.#next * 2 > this.#waiting.length) this.#waiting.splice(0, this.#next);
    else return;
    this.#next = 0;
  }
}

function failure(error: unknown): WriteOutcome {
  return { status: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
}
