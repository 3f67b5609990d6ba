import { timerMs } from '@spanledger/protocol';
import type { AuditSink, WriteOutcome } from '@spanledger/protocol';
import { checkedOutcome, failedOutcome } from '../sinks/answer-of.ts';
import type { Delivery } from './delivery.ts';
import { RunHeads } from './run-heads.ts';
import { untraced } from '../untraced.ts';

/**
 * Writes in flight at once. Enough to keep a server ten milliseconds away busy at 100,000 events a second; each is some objects
 * more that every collection of the young ones copies.
 */
const IN_FLIGHT_MAX = 1024;

/** Writes started in one turn of the event loop, so that a burst does not keep the application waiting (I5). */
const STARTS_PER_TURN = 96;

/** Whoever waits for room is woken when the queue is emptier than this. */
const ROOM_BELOW = 3 / 4;

const AGAIN = { again: true };

interface Waiter {
  readonly lastTicket: number;
  remaining: number;
  readonly done: () => void;
}

/**
 * From memory to the sink: holds events in order, and starts their writes in a later turn than the hook that made them, with
 * up to `IN_FLIGHT_MAX` in flight. I7: it does not enforce its bound; whoever pushes asks `hasRoom` first.
 */
export class DeliveryQueue {
  /** Of all events without an outcome, waiting and in flight. */
  bytes = 0;
  events = 0;
  /** How far each run has come. */
  readonly heads = new RunHeads();
  readonly #sink: AuditSink;
  readonly #bytesMax: number;
  readonly #onOutcome: (delivery: Delivery, outcome: WriteOutcome) => void;
  #waiting: Delivery[] = [];
  #next = 0;
  #inFlight = 0;
  #scheduled = false;
  #lastTicket = 0;
  /** Those that the sink has answered, and whose outcome is still to be told. */
  #answered: Delivery[] = [];
  readonly #waiters = new Set<Waiter>();
  #roomWaiters: (() => void)[] = [];
  #progressAtMs = 0;

  constructor(sink: AuditSink, bytesMax: number, onOutcome: (delivery: Delivery, outcome: WriteOutcome) => void) {
    this.#sink = sink;
    this.#bytesMax = bytesMax;
    this.#onOutcome = onOutcome;
  }

  get hasRoom(): boolean {
    return this.bytes < this.#bytesMax;
  }

  /** For how long nothing had an outcome while something waited for one, in milliseconds. */
  get stalledMs(): number {
    return this.#inFlight === 0 ? 0 : performance.now() - this.#progressAtMs;
  }

  push(delivery: Delivery): void {
    if (!delivery.wasStored) delivery.sent ??= this.heads.sent(delivery.event);
    this.#waiting.push(delivery);
    this.bytes += delivery.event.bytes.length;
    this.events += 1;
    this.#schedule();
  }

  /** Waits until there is room. For those who can; the application's events cannot. */
  async whenRoom(): Promise<void> {
    while (!this.hasRoom) await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
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
      const timer = setTimeout(() => finish(false), timerMs(deadlineMs));
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
    if (this.#inFlight === 0) this.#progressAtMs = performance.now();
    untraced(() => {
      for (let starts = 0; starts < STARTS_PER_TURN && this.#inFlight < IN_FLIGHT_MAX; starts += 1) {
        const delivery = this.#waiting[this.#next];
        if (delivery === undefined) break;
        this.#next += 1;
        this.#write(delivery);
      }
    });
    this.#forgetStarted();
    this.#schedule();
  };

  #write(delivery: Delivery): void {
    this.#lastTicket += 1;
    delivery.ticket = this.#lastTicket;
    this.#inFlight += 1;
    // A sink must not throw or reject; one that does has failed this event, and no other.
    const failed = (error: unknown): void => this.#answer(delivery, failedOutcome(error));
    try {
      const written = this.#sink.writeEvent(delivery.event, delivery.again ? AGAIN : undefined);
      written.then((outcome) => this.#answer(delivery, checkedOutcome(outcome)), failed);
    } catch (error) {
      failed(error);
    }
  }

  #answer(delivery: Delivery, outcome: WriteOutcome): void {
    // Not everything that can be awaited answers once, as a promise does.
    if (delivery.outcome !== undefined) return;
    delivery.outcome = outcome;
    if (this.#answered.push(delivery) === 1) queueMicrotask(this.settleAnswered);
  }

  /** Tells outcomes, once for all that is answered in one go: to change the context for each costs more than to settle it. */
  readonly settleAnswered = (): void => {
    const answered = this.#answered;
    if (answered.length === 0) return;
    this.#answered = [];
    this.#progressAtMs = performance.now();
    // I8: a sink may answer in any context, such as that of its connection, and of the request that opened it.
    untraced(() => {
      for (const delivery of answered) this.#settle(delivery, delivery.outcome!);
    });
    this.#wakeForRoom();
    this.#schedule();
  };

  #settle(delivery: Delivery, outcome: WriteOutcome): void {
    this.#inFlight -= 1;
    this.events -= 1;
    this.bytes -= delivery.event.bytes.length;
    // What is in a journal and failed is tried again: until then nothing after it is named.
    const isTriedAgain = outcome.status === 'failed' && delivery.feed !== undefined;
    if (delivery.sent !== undefined && !isTriedAgain) this.heads.settled(delivery.sent, outcome.status === 'stored');
    this.#tell(delivery, outcome);
    for (const waiter of this.#waiters) {
      if (delivery.ticket > waiter.lastTicket) continue;
      waiter.remaining -= 1;
      if (waiter.remaining === 0) waiter.done();
    }
  }

  /** I5: what somebody who waits for an outcome throws is uncaught, but costs nobody else theirs. */
  #tell(delivery: Delivery, outcome: WriteOutcome): void {
    try {
      this.#onOutcome(delivery, outcome);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #wakeForRoom(): void {
    if (this.#roomWaiters.length === 0 || this.bytes > this.#bytesMax * ROOM_BELOW) return;
    for (const resolve of this.#roomWaiters.splice(0)) resolve();
  }

  /** Gives back the started half of the array: amortised, every event is moved at most twice. */
  #forgetStarted(): void {
    if (this.#next === this.#waiting.length) this.#waiting = [];
    else if (this.#next > STARTS_PER_TURN && this.#next * 2 > this.#waiting.length) this.#waiting.splice(0, this.#next);
    else return;
    this.#next = 0;
  }
}
