import { setTimeout as delay } from 'node:timers/promises';
import { AUDIT_STREAM, SpanledgerError, TRANSCRIPT_STREAM, timerMs } from '@spanledger/protocol';
import type { AuditSink, PendingOutcome, SealedEvent, SinkStatus, WriteOptions } from '@spanledger/protocol';
import { Alarms } from './alarms.ts';
import type { ConnectionSource } from './connection-source.ts';
import type { NatsConnectionLike } from './nats-connection.ts';
import { Publisher } from './publisher.ts';
import { withTranscripts } from './transcript-sink.ts';

const REOPEN_MS = 1_000;

/** Where transcripts go another way than events. */
export interface TranscriptSinkOptions extends Pick<JetStreamSinkOptions, 'stream' | 'onAlarm'> {
  /** Default: as that of events. */
  readonly connection?: ConnectionSource;
}

export interface JetStreamSinkOptions {
  /**
   * A connection of `@nats-io/transport-node` 3 or of `nats` 2.29, or a promise of one: NATS may be down. It stays the
   * caller's to close. A function is called at once, and again if what it opened is closed; `close` closes it.
   */
  readonly connection: ConnectionSource;
  /** The stream that must store the events. Default `AUDIT_EVENTS`. */
  readonly stream?: string;
  /** One subject for all events: `auditEvent` publishes flat. Default: each event's own. */
  readonly subject?: string;
  /** How many events may be published and not yet acknowledged. Default 512; from 1. */
  readonly windowMax?: number;
  /** Without an acknowledgement for this long, the window is published again. Milliseconds; default 5,000. */
  readonly publishTimeoutMs?: number;
  /** Told once per episode that events are not being stored, and why: `SPANLEDGER_STREAM`, `_REFUSED` or `_SINK` (no connection). */
  readonly onAlarm?: (error: SpanledgerError) => void;
  /**
   * Whether transcripts are taken, and the stream for them (`true`: `AUDIT_TRANSCRIPTS`). They have a publisher of their own, and with
   * a function as `connection` a connection of their own, so that large contents do not hold up events. Default `false`.
   */
  readonly transcripts?: boolean | TranscriptSinkOptions;
}

/**
 * A sink that publishes to JetStream, tries again for ever, and answers `stored` only when the stream has acknowledged.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION`
 */
export function jetStreamSink(options: JetStreamSinkOptions): AuditSink {
  const { transcripts = false, ...eventOptions } = options;
  const sink = new JetStreamSink(eventOptions);
  if (transcripts === false) return sink;
  const { subject: _, ...shared } = eventOptions;
  const own = transcripts === true ? {} : transcripts;
  return withTranscripts(sink, new JetStreamSink({ ...shared, ...own, stream: own.stream ?? TRANSCRIPT_STREAM }));
}

class JetStreamSink implements AuditSink {
  readonly name = 'jetstream';
  readonly #publisher: Publisher;
  readonly #abort = new AbortController();
  readonly #source: JetStreamSinkOptions['connection'];
  #connection: NatsConnectionLike | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: JetStreamSinkOptions) {
    const { connection } = options;
    this.#publisher = new Publisher({
      stream: options.stream ?? AUDIT_STREAM,
      subject: options.subject,
      windowMax: positiveInt('windowMax', options.windowMax ?? 512),
      publishTimeoutMs: positiveInt('publishTimeoutMs', options.publishTimeoutMs ?? 5_000),
      alarms: new Alarms(options.onAlarm ?? (() => {})),
      onClosed: (error) => void this.#onClosed(error),
    });
    this.#source = connection;
    void this.#open();
  }

  writeEvent(event: SealedEvent, options?: WriteOptions): PendingOutcome {
    return this.#publisher.write(event, options?.again === true);
  }

  status(): SinkStatus {
    return this.#publisher.status();
  }

  onResume(listener: () => void): void {
    this.#publisher.onResume(listener);
  }

  async close(deadlineMs?: number): Promise<void> {
    const closed = new SpanledgerError(
      'SPANLEDGER_SINK_CLOSED',
      'the JetStream sink was closed before the event was stored',
    );
    this.#publisher.stop(closed);
    // It can be tried again.
    this.#closing ??= this.#publisher
      .idle()
      .then(() => this.#release())
      .catch((error: unknown) => {
        this.#closing = undefined;
        throw error;
      });
    const fail = (): void => this.#publisher.fail(closed);
    const deadline = deadlineMs === undefined ? undefined : setTimeout(fail, timerMs(deadlineMs));
    try {
      await this.#closing;
    } finally {
      clearTimeout(deadline);
    }
  }

  get #owned(): boolean {
    return typeof this.#source === 'function';
  }

  async #open(): Promise<void> {
    const { signal } = this.#abort;
    try {
      const source = typeof this.#source === 'function' ? this.#source(signal) : this.#source;
      // One that is there is used at once.
      const connection = 'then' in source ? await source : source;
      if (!signal.aborted) {
        this.#connection = connection;
        this.#publisher.attach(connection);
      } else if (this.#owned) {
        await connection.close();
      }
    } catch (cause) {
      this.#publisher.fail(
        new SpanledgerError('SPANLEDGER_SINK', 'the NATS connection could not be opened', { cause }),
      );
    }
  }

  /** One that was opened here is opened again, whoever closed it; one that was given is its owner's affair. */
  async #onClosed(error: SpanledgerError): Promise<void> {
    if (!this.#owned) return this.#publisher.fail(error);
    await delay(REOPEN_MS, undefined, { signal: this.#abort.signal }).catch(() => {});
    if (!this.#abort.signal.aborted) await this.#open();
  }

  async #release(): Promise<void> {
    this.#abort.abort();
    this.#publisher.release();
    if (this.#owned) await this.#connection?.close();
  }
}

function positiveInt(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new SpanledgerError('SPANLEDGER_OPTION', `${name} must be an integer from 1, got ${String(value)}`);
}
