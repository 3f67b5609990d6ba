import { within } from '@spanledger/protocol';
import type { AuditSink, SealedEvent, WriteOutcome } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import type { Journal } from '../journal/journal.ts';
import type { LossReason } from '../pipeline/open-losses.ts';
import type { Delivery } from './delivery.ts';
import { DeliveryQueue } from './delivery-queue.ts';
import { JournalFeed } from './journal-feed.ts';

/** Shedding starts when the queue is fuller than this, and ends when it is emptier than that. Between: no flapping. */
const SHED_ABOVE = 7 / 8;
const SHED_UNTIL = 3 / 4;

export interface OutboxOptions {
  readonly sink: AuditSink;
  readonly journal: Journal | undefined;
  /** Of events in memory. */
  readonly queueMaxBytes: number;
  readonly eventMaxBytes: number;
  /** Told how many events the journal has lost. @returns whether the report is kept. */
  readonly reportLost: (count: number) => boolean;
  readonly onOutcome: (delivery: Delivery, outcome: WriteOutcome) => void;
}

/**
 * Where an event waits from the moment it is sealed until the sink has it: in the journal, and in memory as far as that
 * goes; in memory alone where there is no journal, or the journal refuses it.
 */
export class Outbox {
  readonly queue: DeliveryQueue;
  readonly feed: JournalFeed | undefined;
  readonly #journal: Journal | undefined;
  readonly #bytesMax: number;
  readonly #eventMaxBytes: number;
  #shedding = false;
  #journalRefuses = false;

  constructor({ sink, journal, queueMaxBytes, eventMaxBytes, reportLost, onOutcome }: OutboxOptions) {
    this.queue = new DeliveryQueue(sink, queueMaxBytes, onOutcome);
    this.feed = journal && new JournalFeed(journal, this.queue, false, reportLost);
    this.#journal = journal;
    this.#bytesMax = queueMaxBytes;
    this.#eventMaxBytes = eventMaxBytes;
  }

  /** The journal took the last event that it was offered. */
  get journalHealthy(): boolean {
    return !this.#journalRefuses;
  }

  /** A new event would be kept. */
  get accepting(): boolean {
    if (this.#journal?.hasRoom) return true;
    return !this.#isFull() && this.feed?.isBehind !== true;
  }

  /** An event about other events would be kept: what is above the mark in memory is theirs. */
  get hasReserve(): boolean {
    if (this.#journal?.hasRoom) return true;
    return this.queue.bytes + this.#eventMaxBytes <= this.#bytesMax;
  }

  /**
   * Written to the journal before this returns (I1).
   *
   * @param fromReserve it is about other events.
   * @returns its position in the journal, 0 if it is kept in memory only; or why it is lost.
   */
  add(event: SealedEvent, fromReserve = false): number | LossReason {
    if (this.#journal === undefined) return this.#keepInMemory(event, fromReserve) ? 0 : 'queue_full';
    const outcome = this.#journal.append(event);
    if (outcome.status === 'written') {
      if (this.#journalRefuses) log.warn('the journal takes events again');
      this.#journalRefuses = false;
      this.feed!.appended(event, outcome.position);
      return outcome.position;
    }
    if (!this.#journalRefuses) log.error('the journal refuses events, which are kept in memory only:', outcome.error);
    this.#journalRefuses = true;
    // In memory it would overtake those that wait on the disk.
    return !this.feed!.isBehind && this.#keepInMemory(event, fromReserve) ? 0 : 'journal_full';
  }

  /** Waits until everything added so far has its outcome. @returns false if the deadline came first. */
  async settled(deadlineMs: number): Promise<boolean> {
    const endAtMs = performance.now() + deadlineMs;
    if (this.feed !== undefined && !(await within(this.feed.whenRead(), deadlineMs))) return false;
    return this.queue.settled(Math.max(0, endAtMs - performance.now()));
  }

  #keepInMemory(event: SealedEvent, fromReserve: boolean): boolean {
    if (!fromReserve && this.#isFull()) return false;
    this.queue.push({
      event,
      feed: undefined,
      position: 0,
      again: false,
      wasStored: false,
      sent: undefined,
      ticket: 0,
      outcome: undefined,
    });
    return true;
  }

  #isFull(): boolean {
    const { bytes, events } = this.queue;
    if (this.#shedding && bytes <= this.#bytesMax * SHED_UNTIL) {
      this.#shedding = false;
      log.warn('the queue has room again');
    } else if (!this.#shedding && bytes > this.#bytesMax * SHED_ABOVE) {
      this.#shedding = true;
      log.error(`the queue is full (${events} events): what follows is lost, and will be reported as audit_loss`);
    }
    return this.#shedding;
  }
}
