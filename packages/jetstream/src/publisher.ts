import { SpanledgerError } from '@spanledger/protocol';
import type { SealedEvent, WriteOutcome } from '@spanledger/protocol';
import type { Alarms } from './alarms.ts';
import { createInbox, deniedSubject } from './nats-connection.ts';
import type { NatsConnectionLike, NatsMessage, NatsSubscription } from './nats-connection.ts';
import { PubAckReader } from './pub-ack.ts';
import { PublishHeaders } from './publish-headers.ts';
import { PublishQueue } from './publish-queue.ts';
import type { Entry } from './publish-queue.ts';

const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 5_000;
/** I7: how many events on denied subjects wait for a permission; what comes after them is refused. */
const PARKED_MAX = 1_024;
/** A permission that is given by reloading the server's configuration comes without a reconnect. In publish timeouts. */
const PARKED_RETRY_TIMEOUTS = 12;
/** How often the watchdog looks within one publish timeout. */
const TICKS_PER_TIMEOUT = 4;
const ZERO = 0x30;
/** Tokens of visible ASCII, no wildcards. Anything else the server drops without an answer, or ends the connection. */
const SUBJECT = /^(?:[!-)+,\-/-=?-~]+\.)*[!-)+,\-/-=?-~]+$/;
/** The server's limit for a whole control line is 4,096 bytes; a longer one ends the connection and all that is in flight. */
const SUBJECT_MAX_BYTES = 2_048;

export interface PublisherOptions {
  readonly stream: string;
  /** One subject for everything; `undefined`: each event's own. */
  readonly subject: string | undefined;
  readonly windowMax: number;
  readonly publishTimeoutMs: number;
  readonly alarms: Alarms;
}

/**
 * Publishes sealed events to one stream: pipelined, acknowledged on one shared reply inbox, for ever.
 *
 * P1 An event is always published with the same id and bytes, so that a repetition is a duplicate for the server.
 * P2 Events are published in writing order. After any doubt they are published again in order from the oldest one
 *    without an answer, and that one alone until something is stored: a stream that refuses for a while and then
 *    accepts again does not mix a run up.
 * P3 Only an acknowledgement by our stream is `stored`. A time-out says nothing: the event may be stored.
 * P4 No timer and no subscription per event: one watchdog for the window, one callback for all acknowledgements.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #queue = new PublishQueue();
  readonly #acks: PubAckReader;
  readonly #headers: PublishHeaders;
  readonly #publishOptions: { reply: string; headers: PublishHeaders };
  #connection: NatsConnectionLike | undefined;
  #connected = false;
  #inbox = '';
  #subscription: NatsSubscription | undefined;
  #window: number;
  #backoffMs = BACKOFF_MIN_MS;
  #backoffTimer: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #watchedToken = -1;
  #watchedTicks = 0;
  #parked: Entry[] = [];
  #parkedTicks = 0;
  #parkedMax = PARKED_MAX;
  #stopped: SpanledgerError | undefined;
  /** The last subject seen, which is mostly the next one. */
  #validSubject = '';
  #idleWaiters: (() => void)[] = [];

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#window = options.windowMax;
    this.#acks = new PubAckReader(options.stream);
    this.#headers = new PublishHeaders(options.stream);
    this.#publishOptions = { reply: '', headers: this.#headers };
  }

  write(event: SealedEvent): Promise<WriteOutcome> {
    if (this.#stopped) return Promise.resolve({ status: 'failed', error: this.#stopped });
    const subject = this.#subjectOf(event);
    if (subject !== this.#validSubject) {
      if (!isPublishable(subject)) return Promise.resolve(refused(`${subject.slice(0, 100)} is not a subject`));
      this.#validSubject = subject;
    }
    return new Promise((answer) => {
      this.#queue.push({ event, answer });
      this.#pump();
    });
  }

  /** Starts publishing on this connection. Once. */
  attach(connection: NatsConnectionLike): void {
    this.#connection = connection;
    this.#connected = connection.info !== undefined;
    this.#inbox = `${createInbox(connection)}.`;
    void this.#follow(connection);
    void connection.closed().then((cause) => {
      this.fail(new SpanledgerError('SPANLEDGER_SINK', 'the NATS connection was closed', { cause }));
    });
    const tickMs = Math.max(1, this.#options.publishTimeoutMs / TICKS_PER_TIMEOUT);
    this.#watchdog = setInterval(() => this.#tick(), tickMs).unref();
    this.#subscribe();
    this.#pump();
  }

  /** Takes nothing more, and does not wait for permissions any longer. What was taken is still published. */
  stop(error: SpanledgerError): void {
    this.#stopped ??= error;
    this.#parkedMax = 0;
    for (const entry of this.#parked.splice(0)) this.#answerDenied(entry);
    this.#checkIdle();
  }

  /** Takes nothing more, and answers `failed` to everything without an outcome. */
  fail(error: SpanledgerError): void {
    this.#stopped ??= error;
    this.#connected = false;
    for (const entry of [...this.#parked.splice(0), ...this.#queue.removeWhere(() => true)]) {
      entry.answer({ status: 'failed', error });
    }
    this.#checkIdle();
  }

  /** Waits until everything taken has an outcome. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
      this.#checkIdle();
    });
  }

  /** Lets go of the connection and of all timers. */
  release(): void {
    this.#connected = false;
    clearInterval(this.#watchdog);
    clearTimeout(this.#backoffTimer);
    if (this.#connection?.isClosed() === false) this.#subscription?.unsubscribe();
    this.#connection = undefined;
  }

  #pump(): void {
    while (this.#connected && this.#backoffTimer === undefined) {
      const token = this.#queue.advance(this.#window);
      if (token < 0) return;
      this.#publish(token);
    }
  }

  /** P1, P4 */
  #publish(token: number): void {
    const { event } = this.#queue.get(token)!;
    this.#headers.for(event);
    this.#publishOptions.reply = this.#inbox + token;
    try {
      this.#connection!.publish(this.#subjectOf(event), event.bytes, this.#publishOptions);
    } catch (cause) {
      if (this.#connection!.isClosed() || this.#connection!.isDraining()) this.#connected = false;
      else this.#refuse(token, `it cannot be published: ${String(cause)}`, cause);
    }
  }

  #onReply(error: Error | null, message: NatsMessage): void {
    if (error)
      return this.#options.alarms.raise('SPANLEDGER_STREAM', `no acknowledgement can be received: ${error.message}`);
    const token = tokenOf(message.subject, this.#inbox.length);
    if (this.#queue.get(token) === undefined) return;
    const ack = this.#acks.read(message.data);
    if (ack.status === 'retry') return this.#doubt(ack.reason);
    if (ack.status === 'refused') this.#refuse(token, ack.reason);
    else {
      this.#queue.remove(token)!.answer(ack);
      if (this.#window === 1) this.#trust();
      this.#checkIdle();
    }
    this.#pump();
  }

  #refuse(token: number, reason: string, cause?: unknown): void {
    this.#queue.remove(token)?.answer(refused(reason, cause));
    this.#checkIdle();
  }

  /** P2: pauses, then starts again from the oldest event without an answer. */
  #doubt(reason: string): void {
    const { stream, alarms } = this.#options;
    alarms.raise('SPANLEDGER_STREAM', `stream ${stream} does not store events: ${reason}; trying again for ever`);
    if (this.#backoffTimer !== undefined) return;
    this.#window = 1;
    this.#backoffTimer = setTimeout(() => {
      this.#backoffTimer = undefined;
      this.#queue.goBack();
      this.#restart();
    }, this.#backoffMs).unref();
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MAX_MS);
  }

  /** Something is stored: the doubt is over. */
  #trust(): void {
    this.#window = this.#options.windowMax;
    this.#backoffMs = BACKOFF_MIN_MS;
    this.#options.alarms.reset();
  }

  #tick(): void {
    this.#tickWindow();
    this.#parkedTicks = this.#parked.length > 0 ? this.#parkedTicks + 1 : 0;
    if (this.#connected && this.#parkedTicks >= PARKED_RETRY_TIMEOUTS * TICKS_PER_TIMEOUT) this.#retryParked();
  }

  /** P4: has the oldest event in flight been the oldest for a whole timeout? */
  #tickWindow(): void {
    const token = this.#connected && this.#queue.inFlight ? this.#queue.base : -1;
    this.#watchedTicks = token === this.#watchedToken ? this.#watchedTicks + 1 : 0;
    this.#watchedToken = token;
    if (token < 0 || this.#watchedTicks < TICKS_PER_TIMEOUT) return;
    this.#watchedTicks = 0;
    this.#doubt(`no acknowledgement within ${this.#options.publishTimeoutMs} ms`);
  }

  async #follow(connection: NatsConnectionLike): Promise<void> {
    for await (const status of connection.status()) {
      if (this.#connection === undefined) return;
      if (status.type === 'disconnect') this.#connected = false;
      else if (status.type === 'reconnect') this.#onReconnect();
      else if (status.type === 'error') this.#onDenied(deniedSubject(status));
    }
  }

  #onReconnect(): void {
    clearTimeout(this.#backoffTimer);
    this.#backoffTimer = undefined;
    this.#backoffMs = BACKOFF_MIN_MS;
    this.#connected = true;
    this.#options.alarms.reset();
    this.#retryParked();
  }

  /** P2: the parked ones are the oldest of their runs. New tokens, so that no earlier answer counts for another event. */
  #retryParked(): void {
    this.#parkedTicks = 0;
    this.#window = 1;
    this.#queue.requeue(this.#parked.splice(0));
    this.#restart();
  }

  /** A denied publish is never acknowledged. The events of its subject are parked; the others go on. */
  #onDenied(denied: { operation: string; subject: string } | undefined): void {
    if (denied?.operation !== 'publish') return;
    const entries = this.#queue.removeWhere((event) => this.#subjectOf(event) === denied.subject);
    if (entries.length === 0) return;
    this.#options.alarms.raise('SPANLEDGER_REFUSED', `publishing on ${denied.subject} is not permitted`);
    for (const entry of entries) {
      if (this.#parked.length < this.#parkedMax) this.#parked.push(entry);
      else this.#answerDenied(entry);
    }
    this.#checkIdle();
    this.#pump();
  }

  #answerDenied(entry: Entry): void {
    entry.answer(refused(`publishing on ${this.#subjectOf(entry.event)} is not permitted`));
  }

  /** A subscription that was denied is closed. */
  #restart(): void {
    if (this.#subscription?.isClosed()) this.#subscribe();
    this.#pump();
  }

  #subscribe(): void {
    this.#subscription = this.#connection!.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => this.#onReply(error, message),
    });
  }

  #subjectOf(event: SealedEvent): string {
    return this.#options.subject ?? event.subject;
  }

  #checkIdle(): void {
    if (this.#idleWaiters.length === 0 || this.#queue.size > 0 || this.#parked.length > 0) return;
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }
}

/** The decimal number at the end of a reply subject; NaN if it is none. */
function tokenOf(subject: string, start: number): number {
  let token = 0;
  for (let i = start; i < subject.length; i += 1) token = token * 10 + (subject.charCodeAt(i) - ZERO);
  return token;
}

function isPublishable(subject: string): boolean {
  return subject.length <= SUBJECT_MAX_BYTES && SUBJECT.test(subject);
}

function refused(reason: string, cause?: unknown): WriteOutcome {
  const error = new SpanledgerError('SPANLEDGER_REFUSED', `the event was refused: ${reason}`, { cause });
  return { status: 'refused', error };
}
