import type { Notification } from './notification.ts';

/** What goes with each call. */
export interface NotificationDelivery {
  /** The same for each try of the same message, over restarts too; different for each different message. Visible ASCII. */
  readonly idempotencyKey: string;
  /** Of this id, from 1, ascending, with holes. A channel that is given a lower one than it has already has been overtaken. */
  readonly version: number;
  /** Aborted when nobody waits for the answer any more. The message may be given again. */
  readonly signal: AbortSignal;
}

/**
 * A channel. What it throws, or rejects with, means that the message may or may not have arrived: it is given again, under the same
 * idempotency key, unless it is a `NotificationError` that says that this is of no use.
 *
 * One call at a time.
 */
export interface Notifier {
  /** @returns what `edit` is given to find this message again: at most 1,000 characters. */
  post(message: Notification, delivery: NotificationDelivery): string | Promise<string>;

  /** Replaces the whole message. Left out by a channel that cannot: it is then posted a correction for each rewind. */
  edit?(reference: string, message: Notification, delivery: NotificationDelivery): void | Promise<void>;
}

export interface NotificationErrorOptions extends ErrorOptions {
  /** `false`: the same message will never be taken, and is dropped. The next state of the step is tried. Default true. */
  readonly retryable?: boolean;
  /** How long the channel wants to be left alone. */
  readonly retryInMs?: number;
}

/** Of a channel that knows more about its failure than that it failed. */
export class NotificationError extends Error {
  override readonly name = 'NotificationError';
  readonly retryable: boolean;
  readonly retryInMs: number | undefined;

  constructor(message: string, { retryable = true, retryInMs, ...options }: NotificationErrorOptions = {}) {
    super(message, options);
    this.retryable = retryable;
    this.retryInMs = retryInMs;
  }
}
