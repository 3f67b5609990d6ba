import type { SealedEvent, WriteOutcome } from '@spanledger/protocol';
import type { SentEvent } from './run-heads.ts';

/** A journal's side of a delivery: it is told what becomes of what it brought. */
export interface DeliveryFeed {
  /** The sink has it, or never will. */
  done(position: number): void;
  /** The sink gave up on it, and may take it later. */
  failed(delivery: Delivery): void;
}

/** A sealed event on its way to the sink. */
export interface Delivery {
  readonly event: SealedEvent;
  /** What brought it, and is told what becomes of it; `undefined` if the event is nowhere but in memory. */
  readonly feed: DeliveryFeed | undefined;
  /** Its place in the feed's journal; 0 without one. */
  readonly position: number;
  /** It may have been given to a sink before. */
  readonly again: boolean;
  /** A sink has stored it before, and may have lost it since. */
  readonly wasStored: boolean;
  /** Its place in its run; set by the queue the first time, unless the run has been there before. */
  sent: SentEvent | undefined;
  /** Set by the queue: its place in the order in which writes began, from 1. */
  ticket: number;
  /** Set by the queue: the first answer of the sink, which counts. */
  outcome: WriteOutcome | undefined;
}
