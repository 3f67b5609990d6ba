import type { NatsConnectionLike } from './nats-connection.ts';
import { PublishHeaders } from './publish-headers.ts';
import type { PendingWrite } from './pending-write.ts';
import type { PublishSubject } from './publish-subject.ts';

/** The last step before the connection: one event as one publish. P1, P4 */
export class EventSender {
  readonly #subject: PublishSubject;
  readonly #headers: PublishHeaders;
  readonly #options: { reply: string; headers: PublishHeaders };
  #retries = 0;

  constructor(stream: string, subject: PublishSubject) {
    this.#subject = subject;
    this.#headers = new PublishHeaders(stream);
    this.#options = { reply: '', headers: this.#headers };
  }

  /** How many publishes were repetitions. */
  get retries(): number {
    return this.#retries;
  }

  /** @throws whatever the connection throws. */
  send(connection: NatsConnectionLike, write: PendingWrite, reply: string): void {
    if (write.publishes > 0) this.#retries += 1;
    write.publishes += 1;
    this.#headers.for(write.event, write.idSuffix);
    this.#options.reply = reply;
    connection.publish(this.#subject.of(write.event), write.event.bytes, this.#options);
  }
}
