import { SpanledgerError } from '@spanledger/protocol';
import type { SinkStatus } from '@spanledger/protocol';
import { AckCheck } from './ack-check.ts';
import type { Alarms } from './alarms.ts';
import { ConnectionLink } from './connection-link.ts';
import type { LinkListener } from './connection-link.ts';
import { Doubt } from './doubt.ts';
import { EventSender } from './event-sender.ts';
import type { NatsConnectionLike } from './nats-connection.ts';
import { refused } from './outcomes.ts';
import { ParkedEvents } from './parked-events.ts';
import { PubAckReader } from './pub-ack.ts';
import { PublishQueue } from './publish-queue.ts';
import type { PendingWrite } from './pending-write.ts';
import type { PublishSubject } from './publish-subject.ts';
import { PublishWatchdog } from './publish-watchdog.ts';
import type { Watched } from './publish-watchdog.ts';
import { ReplyInbox } from './reply-inbox.ts';
import type { ReplyListener } from './reply-inbox.ts';

export interface PublishLoopOptions {
  readonly stream: string;
  readonly subject: PublishSubject;
  readonly windowMax: number;
  readonly publishTimeoutMs: number;
  readonly alarms: Alarms;
  /** Told when the last event has its outcome. */
  readonly onEmpty: () => void;
  /** The connection was closed for good. Either `attach` another one, or `takeAll`. */
  readonly onClosed: (error: SpanledgerError) => void;
}

/**
 * Publishes what is queued: pipelined, acknowledged on one shared reply inbox, for ever.
 * The way of an event: `offer` → queue → `#pump` → `#publish` → the stream → `onReply` → its outcome.
 *
 * P1 An event is always published with the same id and bytes, so that a repetition is a duplicate for the server.
 * P2 Events are published in writing order. After any doubt they are published again in order from the oldest one
 *    without an answer, and that one alone until something is stored: a stream that refuses for a while and then
 *    accepts again does not mix a run up.
 * P3 Only an acknowledgement by our stream is `stored`, and none that another contradicts. A time-out says nothing:
 *    the event may be stored.
 * P4 No timer and no subscription per event: one watchdog for the window, one callback for all acknowledgements.
 */
export class PublishLoop implements LinkListener, ReplyListener, Watched {
  readonly #options: PublishLoopOptions;
  readonly #queue = new PublishQueue();
  readonly #parked = new ParkedEvents();
  readonly #subject: PublishSubject;
  readonly #sender: EventSender;
  readonly #acks: PubAckReader;
  readonly #ackCheck = new AckCheck();
  readonly #doubt: Doubt;
  readonly #watchdog: PublishWatchdog;
  #link: ConnectionLink | undefined;
  #inbox: ReplyInbox | undefined;

  constructor(options: PublishLoopOptions) {
    const { stream, subject, windowMax, publishTimeoutMs } = options;
    this.#options = options;
    this.#subject = subject;
    this.#sender = new EventSender(stream, subject);
    this.#acks = new PubAckReader(stream);
    this.#doubt = new Doubt(windowMax, new SpanledgerError('SPANLEDGER_SINK', 'not connected to NATS yet'));
    this.#watchdog = new PublishWatchdog(publishTimeoutMs, this);
  }

  /** Whether everything has its outcome. */
  get empty(): boolean {
    return this.#queue.size === 0 && this.#parked.size === 0;
  }

  get status(): SinkStatus {
    return { problem: this.#doubt.problem ?? this.#parked.problem, retries: this.#sender.retries };
  }

  offer(write: PendingWrite): void {
    this.#queue.push(write);
    this.#pump();
  }

  /** See `AuditSink.onResume`. */
  onResume(listener: () => void): void {
    this.#doubt.onResume(listener);
  }

  /** Publishes on this connection from now on. Another one only after `onClosed`. */
  attach(connection: NatsConnectionLike): void {
    this.#link = new ConnectionLink(connection, this);
    this.#inbox = new ReplyInbox(connection, this);
    if (this.#link.up) this.onUp();
  }

  /** What waits for a permission is refused, now and from now on. */
  refuseParked(): void {
    this.#parked.giveUp();
    this.#tellIfEmpty();
  }

  /** Gives up, and hands out everything without an outcome. */
  takeAll(problem: SpanledgerError): PendingWrite[] {
    this.#doubt.open(problem, false);
    return [...this.#parked.takeOut(), ...this.#queue.removeWhere(() => true)];
  }

  /** Lets go of the connection and of all timers. */
  release(): void {
    this.#watchdog.stop();
    this.#doubt.hurry();
    this.#inbox?.close();
    this.#link?.release();
    this.#link = undefined;
  }

  #pump(): void {
    if (this.#link?.usable !== true) return;
    while (!this.#doubt.pausing && this.#link?.up) {
      const token = this.#queue.advance(this.#doubt.window);
      if (token < 0) return;
      this.#publish(token);
    }
  }

  #publish(token: number): void {
    const { connection } = this.#link!;
    try {
      this.#sender.send(connection, this.#queue.get(token)!, this.#inbox!.prefix + token);
    } catch (cause) {
      if (connection.isClosed() || connection.isDraining()) this.#link!.up = false;
      else this.#refuse(token, `it cannot be published: ${String(cause)}`, cause);
    }
  }

  onReply(token: number, data: Uint8Array): void {
    const write = this.#queue.get(token);
    if (write === undefined) {
      if (this.#queue.isSettled(token)) this.#contradicted('there were two answers to one publish');
      return;
    }
    const ack = this.#acks.read(data);
    if (ack.status === 'retry') return this.#doubtAbout(ack.reason, ack.full !== true);
    if (ack.status === 'refused') this.#refuse(token, ack.reason);
    else if (this.#ackCheck.isIdTaken(write, ack)) this.#useAnotherId(token);
    else if (this.#ackCheck.isBackwards(ack)) this.#publishAgain(token);
    else {
      this.#queue.remove(token);
      if (this.#doubt.problem !== undefined) this.#endDoubt();
      write.answer(ack);
      this.#tellIfEmpty();
    }
    this.#pump();
  }

  #refuse(token: number, reason: string, cause?: unknown): void {
    this.#queue.remove(token)?.answer(refused(reason, cause));
    this.#settle();
  }

  /** P3: what is stored under the event's id is not ours. */
  #useAnotherId(token: number): void {
    const write = this.#queue.remove(token)!;
    this.#queue.push(Object.assign(write, { publishes: 0, idSuffix: `:${crypto.randomUUID()}` }));
    this.#options.alarms.raise(
      'SPANLEDGER_STREAM',
      'an event was a duplicate when it was published for the first time: somebody uses our message ids',
    );
  }

  /** P3: if it is stored, the answer will be that it is a duplicate. */
  #publishAgain(token: number): void {
    this.#queue.push(this.#queue.remove(token)!);
    this.#contradicted('the numbers of stored messages went backwards');
  }

  /** What was acknowledged may never have been stored, or not be stored any more. */
  #contradicted(what: string): void {
    if (!this.#ackCheck.isNews()) return;
    const message = `acknowledgements contradict each other: ${what}; the stream lost messages, or somebody answers for it`;
    this.#doubt.open(this.#options.alarms.raise('SPANLEDGER_STREAM', message), true);
    this.#settle();
  }

  /** P2: pauses, then starts again from the oldest event without an answer. */
  #doubtAbout(reason: string, mayHaveLost: boolean): void {
    const { stream, alarms } = this.#options;
    const message = `stream ${stream} does not store events: ${reason}; trying again for ever`;
    this.#doubt.open(alarms.raise('SPANLEDGER_STREAM', message), mayHaveLost);
    this.#doubt.pause(() => {
      this.#queue.goBack();
      this.#restart();
    });
  }

  /** P2: the parked ones are the oldest of their runs. New tokens, so that no earlier answer counts for another event. */
  #retryAll(): void {
    this.#queue.requeue(this.#parked.takeOut());
    this.#restart();
  }

  #restart(): void {
    this.#ackCheck.restart();
    this.#inbox?.ensureOpen();
    this.#pump();
    this.#settle();
  }

  /** With nothing left to publish there is nothing to doubt. */
  #settle(): void {
    if (this.#queue.size > 0) return;
    if (this.#doubt.problem !== undefined && this.#link?.up && !this.#doubt.pausing) this.#endDoubt();
    this.#tellIfEmpty();
  }

  #endDoubt(): void {
    this.#link?.heard();
    this.#options.alarms.reset();
    this.#doubt.end();
  }

  #tellIfEmpty(): void {
    if (this.empty) this.#options.onEmpty();
  }

  // What the connection, the inbox and the watchdog tell.

  onUp(): void {
    this.#doubt.hurry();
    this.#options.alarms.reset();
    this.#retryAll();
  }

  onDown(): void {
    this.#doubt.open(new SpanledgerError('SPANLEDGER_SINK', 'the connection to NATS is lost'), true);
  }

  onClosed(cause: void | Error): void {
    this.onDown();
    this.#link = undefined;
    this.#options.onClosed(new SpanledgerError('SPANLEDGER_SINK', 'the NATS connection was closed', { cause }));
  }

  /** A denied publish is never acknowledged. The events of its subject are parked; the others go on. */
  onPublishDenied(subject: string): void {
    const writes = this.#queue.removeWhere((event) => this.#subject.of(event) === subject);
    if (writes.length === 0) return;
    const message = `publishing on ${subject} is not permitted`;
    this.#parked.park(writes, this.#options.alarms.raise('SPANLEDGER_REFUSED', message));
    this.#settle();
    this.#pump();
  }

  onInboxDenied(error: Error): void {
    const message = `no acknowledgement can be received: ${error.message}`;
    this.#doubt.open(this.#options.alarms.raise('SPANLEDGER_STREAM', message), false);
  }

  get parked(): number {
    return this.#parked.size;
  }

  onParkedLong(): void {
    if (!this.#link?.up) return;
    this.#doubt.open(this.#parked.problem!, false);
    this.#retryAll();
  }

  oldest(): number {
    const waiting = this.#link?.up ? this.#queue.inFlight && !this.#doubt.pausing : this.#queue.size > 0;
    return waiting ? this.#queue.base : -1;
  }

  onLate(): void {
    const { alarms, publishTimeoutMs } = this.#options;
    if (this.#link?.up) {
      this.#doubt.hurry(); // The timeout was pause enough.
      this.#doubtAbout(`no acknowledgement within ${publishTimeoutMs} ms`, true);
      this.#link.probe();
    } else {
      const { code, message } = this.#doubt.problem!;
      alarms.raise(code, message);
    }
  }
}
