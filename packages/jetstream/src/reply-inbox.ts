import { createInbox } from './nats-connection.ts';
import type { NatsConnectionLike, NatsSubscription } from './nats-connection.ts';

const ZERO = 0x30;

/** Who is told of what arrives. */
export interface ReplyListener {
  /** An answer to the publish with this token; NaN if the subject names none. */
  onReply(token: number, data: Uint8Array): void;
  /** The subscription was denied: nothing will arrive until `ensureOpen` is called again. */
  onInboxDenied(error: Error): void;
}

/** One subscription for all acknowledgements: the token of a publish is the last part of its reply subject. */
export class ReplyInbox {
  readonly #connection: NatsConnectionLike;
  readonly #listener: ReplyListener;
  /** What a token is appended to. */
  readonly prefix: string;
  #subscription: NatsSubscription | undefined;

  constructor(connection: NatsConnectionLike, listener: ReplyListener) {
    this.#connection = connection;
    this.#listener = listener;
    this.prefix = `${createInbox(connection)}.`;
  }

  /** A subscription outlives a reconnect; one that was denied is closed. */
  ensureOpen(): void {
    if (this.#subscription?.isClosed() === false) return;
    const start = this.prefix.length;
    this.#subscription = this.#connection.subscribe(`${this.prefix}*`, {
      callback: (error, message) => {
        if (error) this.#listener.onInboxDenied(error);
        else this.#listener.onReply(tokenOf(message.subject, start), message.data);
      },
    });
  }

  close(): void {
    if (!this.#connection.isClosed()) this.#subscription?.unsubscribe();
  }
}

/** The decimal number at the end of a reply subject; NaN if it is none. */
function tokenOf(subject: string, start: number): number {
  let token = 0;
  for (let i = start; i < subject.length; i += 1) {
    const digit = subject.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    token = token * 10 + digit;
  }
  return token;
}
