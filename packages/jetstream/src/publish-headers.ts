import { messageId } from '@spanledger/protocol';
import type { SealedEvent } from '@spanledger/protocol';

/**
 * The headers of a publish as one run of bytes. Both client generations ask a header object for nothing but
 * `encode()`, and at once, so one object serves every publish.
 */
export class PublishHeaders {
  readonly #tail: string;
  #text = '';

  constructor(stream: string) {
    this.#tail = `\r\nNats-Expected-Stream: ${stream}\r\n\r\n`;
  }

  /** @param suffix of the message id, where the event's own has been used by somebody else. */
  for(event: SealedEvent, suffix: string): this {
    this.#text = `NATS/1.0\r\nNats-Msg-Id: ${messageId(event)}${suffix}${this.#tail}`;
    return this;
  }

  encode(): Uint8Array {
    return Buffer.from(this.#text, 'latin1');
  }
}
