import type { PendingOutcome, SealedEvent, SinkStatus, SpanledgerError } from '@spanledger/protocol';
import type { Alarms } from './alarms.ts';
import type { NatsConnectionLike } from './nats-connection.ts';
import { refused } from './outcomes.ts';
import { PendingWrite } from './pending-write.ts';
import { PublishLoop } from './publish-loop.ts';
import { PublishSubject } from './publish-subject.ts';

export interface PublisherOptions {
  readonly stream: string;
  /** One subject for everything; `undefined`: each event's own. */
  readonly subject: string | undefined;
  readonly windowMax: number;
  readonly publishTimeoutMs: number;
  readonly alarms: Alarms;
  /** The connection was closed for good. Either `attach` another one, or `fail`. */
  readonly onClosed: (error: SpanledgerError) => void;
}

/** Takes events as long as it is not stopped, and owes each that it took an outcome. The rest is the loop's. */
export class Publisher {
  readonly #subject: PublishSubject;
  readonly #loop: PublishLoop;
  #stopped: SpanledgerError | undefined;
  #idleWaiters: (() => void)[] = [];

  constructor(options: PublisherOptions) {
    this.#subject = new PublishSubject(options.subject);
    this.#loop = new PublishLoop({ ...options, subject: this.#subject, onEmpty: () => this.#onIdle() });
  }

  /** Never throws. */
  write(event: SealedEvent, again: boolean): PendingOutcome {
    if (this.#stopped) return Promise.resolve({ status: 'failed', error: this.#stopped });
    const subject = this.#subject.of(event);
    if (!this.#subject.isPublishable(subject)) {
      return Promise.resolve(refused(`${subject.slice(0, 100)} is not a subject`));
    }
    const write = new PendingWrite(event, again);
    this.#loop.offer(write);
    return write;
  }

  status(): SinkStatus {
    return this.#loop.status;
  }

  /** See `AuditSink.onResume`. */
  onResume(listener: () => void): void {
    this.#loop.onResume(listener);
  }

  /** Publishes on this connection from now on. Another one only after `onClosed`. */
  attach(connection: NatsConnectionLike): void {
    this.#loop.attach(connection);
  }

  /** Takes nothing more, and does not wait for permissions any longer. What was taken is still published. */
  stop(error: SpanledgerError): void {
    this.#stopped ??= error;
    this.#loop.refuseParked();
  }

  /** Takes nothing more, and answers `failed` to everything without an outcome. */
  fail(error: SpanledgerError): void {
    this.#stopped ??= error;
    for (const write of this.#loop.takeAll(error)) write.answer({ status: 'failed', error });
    this.#onIdle();
  }

  /** Waits until everything taken has an outcome. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
      if (this.#loop.empty) this.#onIdle();
    });
  }

  /** Lets go of the connection and of all timers. */
  release(): void {
    this.#loop.release();
  }

  #onIdle(): void {
    if (this.#idleWaiters.length === 0) return;
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }
}
