import { SpanledgerError } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';
import { parseAckSubject } from './ack-subject.ts';
import type { DeliveryInfo } from './ack-subject.ts';
import { requestApi } from './jetstream-api.ts';
import { createInbox } from './nats-connection.ts';
import type { NatsConnectionLike, NatsMessage, NatsSubscription } from './nats-connection.ts';

/** Messages asked for at a time. I7: at most two such batches are held in memory. */
const BATCH = 1_000;
const EXPIRES_MS = 5_000;
const HEARTBEAT_MS = 1_000;
/** So many missed heartbeats: the consumer or the connection is gone. */
const SILENT_MAX = 3;
/** The server removes a consumer that nobody pulls from. */
const INACTIVE_MS = 30_000;
const NANOS_PER_MS = 1e6;
const NAME_DIGITS = 12;
/** Status codes of messages that are no records. */
const HEARTBEAT = 100;
const NO_MESSAGES = 404;
const TIMEOUT = 408;

const encoder = new TextEncoder();

export interface PullOptions {
  readonly stream: string;
  /** Subject filters, applied by the server; several need nats-server 2.10. Empty: everything. */
  readonly filters: readonly string[];
  /** First stream sequence to read, from 1. */
  readonly fromSeq: number;
  /** Only what was stored from this moment on. */
  readonly since: Date | undefined;
  /** Last stream sequence to read; `Infinity` waits for more. */
  readonly toSeq: number;
  readonly signal: AbortSignal;
}

/**
 * Reads a part of a stream in order, through consumers that keep no state on the server: whatever goes wrong (lost message, lost
 * connection, lost consumer), a new one starts behind the last message that was read.
 */
export class PullConsumer {
  readonly #connection: NatsConnectionLike;
  readonly #options: PullOptions;
  #name = '';
  #inbox = '';
  #subscription: NatsSubscription | undefined;
  #buffer: LedgerRecord[] = [];
  #nextSeq: number;
  #lastConsumerSeq = 0;
  /** Asked for and not delivered. */
  #outstanding = 0;
  /** Heartbeats that could have come since anything came. */
  #silent = 0;
  /** There is nothing more to come. */
  #ended = false;
  /** The current consumer cannot be trusted any more. */
  #broken = false;
  #wake = () => {};

  constructor(connection: NatsConnectionLike, options: PullOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#nextSeq = options.fromSeq;
  }

  /**
   * What has arrived, as it arrives: a promise for each record would cost as much as the record.
   *
   * @throws SpanledgerError `SPANLEDGER_STREAM` when the stream cannot be read at all, or the connection was closed.
   */
  async *batches(): AsyncGenerator<readonly LedgerRecord[], void, void> {
    const { signal } = this.#options;
    const wake = (): void => this.#wake();
    const watch = setInterval(() => {
      this.#silent += 1;
      wake();
    }, HEARTBEAT_MS);
    signal.addEventListener('abort', wake);
    try {
      await this.#begin();
      while (!signal.aborted) {
        if (this.#buffer.length > 0) {
          const batch = this.#buffer;
          this.#buffer = [];
          yield batch;
          continue;
        }
        if (this.#ended) return;
        if (this.#broken || this.#silent > SILENT_MAX) await this.#resume();
        else this.#pull();
        if (this.#buffer.length === 0 && !this.#ended) await this.#woken();
      }
    } finally {
      clearInterval(watch);
      signal.removeEventListener('abort', wake);
      this.#stop();
    }
  }

  async #begin(): Promise<void> {
    try {
      await this.#start();
    } catch (cause) {
      throw unreadable(this.#options.stream, cause);
    }
  }

  async #start(): Promise<void> {
    const { stream, filters, since, toSeq } = this.#options;
    if (this.#nextSeq > toSeq) {
      this.#ended = true;
      return;
    }
    // Short: it is in the reply subject of every message. Should two readers have the same one, both see that messages are missing.
    this.#name = `spanledger-${crypto.randomUUID().slice(-NAME_DIGITS)}`;
    const config = {
      name: this.#name,
      ack_policy: 'none',
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: INACTIVE_MS * NANOS_PER_MS,
      ...(since && this.#nextSeq === this.#options.fromSeq
        ? { deliver_policy: 'by_start_time', opt_start_time: since.toISOString() }
        : { deliver_policy: 'by_start_sequence', opt_start_seq: this.#nextSeq }),
      ...(filters.length === 1 && { filter_subject: filters[0] }),
      ...(filters.length > 1 && { filter_subjects: filters }),
    };
    const endpoint = `CONSUMER.CREATE.${stream}.${this.#name}`;
    const created = await requestApi(this.#connection, endpoint, { stream_name: stream, config });
    this.#lastConsumerSeq = 0;
    this.#outstanding = 0;
    this.#broken = false;
    this.#silent = 0;
    this.#ended = toSeq !== Infinity && (created as { num_pending?: number }).num_pending === 0;
    if (this.#ended) return;
    this.#inbox = createInbox(this.#connection);
    this.#subscription = this.#connection.subscribe(this.#inbox, {
      callback: (error, message) => this.#onMessage(error, message),
    });
    this.#pull();
  }

  /** Starts behind the last message read, as soon as that is possible. */
  async #resume(): Promise<void> {
    this.#stop();
    try {
      await this.#start();
    } catch (cause) {
      if (this.#connection.isClosed()) throw unreadable(this.#options.stream, cause);
      // Without an answer until then, the watch tries again.
      this.#broken = true;
    }
  }

  /** Keeps between one and two batches on their way or in the buffer, so that a slow reader is not run over. */
  #pull(): void {
    if (this.#ended || this.#broken || this.#outstanding + this.#buffer.length > BATCH) return;
    const request = { batch: BATCH, expires: EXPIRES_MS * NANOS_PER_MS, idle_heartbeat: HEARTBEAT_MS * NANOS_PER_MS };
    this.#outstanding += BATCH;
    try {
      const endpoint = `$JS.API.CONSUMER.MSG.NEXT.${this.#options.stream}.${this.#name}`;
      this.#connection.publish(endpoint, encoder.encode(JSON.stringify(request)), { reply: this.#inbox });
    } catch {
      this.#broken = true;
    }
  }

  #onMessage(error: Error | null, message: NatsMessage): void {
    this.#silent = 0;
    const delivery = error ? undefined : parseAckSubject(message.reply ?? '');
    if (error) this.#broken = true;
    else if (delivery) this.#onRecord(message, delivery);
    else this.#onStatus(message.headers?.code);
    this.#wake();
  }

  #onRecord({ subject, data: bytes }: NatsMessage, delivery: DeliveryInfo): void {
    const { streamSeq, consumerSeq, storedAtMs, pending } = delivery;
    if (this.#ended || this.#broken) return;
    if (consumerSeq !== this.#lastConsumerSeq + 1) {
      this.#broken = true;
      return;
    }
    this.#lastConsumerSeq = consumerSeq;
    this.#outstanding -= 1;
    this.#nextSeq = streamSeq + 1;
    const { toSeq } = this.#options;
    if (streamSeq <= toSeq) this.#buffer.push({ bytes, streamSeq, subject, storedAtMs });
    if (streamSeq >= toSeq || (pending === 0 && toSeq !== Infinity)) this.#ended = true;
    else this.#pull();
  }

  #onStatus(code: number | undefined): void {
    if (code === HEARTBEAT) {
      // Silence although more was announced: a new consumer knows whether that is so.
      if (this.#options.toSeq !== Infinity) this.#broken = true;
    } else if (code === TIMEOUT || code === NO_MESSAGES) {
      this.#outstanding = 0;
    } else {
      this.#broken = true;
    }
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #stop(): void {
    if (this.#subscription === undefined || this.#connection.isClosed()) return;
    this.#subscription.unsubscribe();
    this.#subscription = undefined;
    // A courtesy: the server removes it by itself after a while.
    void requestApi(this.#connection, `CONSUMER.DELETE.${this.#options.stream}.${this.#name}`).catch(() => {});
  }
}

function unreadable(stream: string, cause: unknown): SpanledgerError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SpanledgerError('SPANLEDGER_STREAM', `stream ${stream} cannot be read: ${reason}`, { cause });
}
