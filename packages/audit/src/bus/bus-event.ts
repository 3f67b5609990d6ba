import type { AuditEvent } from '@spanledger/protocol';

/**
 * What is published: a sealed audit event as it is read, or a streaming chunk (`request.text_chunk`), which has no number
 * and is in no ledger. Its task is its `task_id`, else its `run_id`; one of the two is needed.
 */
export type BusEvent = Readonly<Partial<AuditEvent>> & { readonly event: string };

/** One event, as every subscriber gets it: the same frozen copy for all, made when it was published. */
export interface BusEventItem {
  readonly type: 'event';
  readonly event: BusEvent;
  /** It has ended its task: nothing comes after it. */
  readonly terminal?: true;
}

/** Stands where events are missing, because the subscriber did not keep up or an event had been overtaken. */
export interface SubscriberLagged {
  readonly type: 'lagged';
  /** All that this subscriber has missed so far: the count when the item is taken, not when the hole came to be. */
  readonly dropped: number;
}

export type BusItem = BusEventItem | SubscriberLagged;
