import { SpanledgerError, within } from '@spanledger/protocol';
import type { AttemptKey, AttemptRecord, AttemptStore, StoredAttempt } from '@spanledger/protocol';
import { SharedConnection } from './connection-source.ts';
import type { ConnectionSource } from './connection-source.ts';
import { JetStreamApiError } from './jetstream-api.ts';
import { BucketMissingError, KvBucket } from './kv-bucket.ts';
import { encodeKey } from './kv-key.ts';
import { deniedRequest } from './nats-connection.ts';
import type { NatsConnectionLike } from './nats-connection.ts';

const BUCKET = 'WORKFLOW_ATTEMPTS';
const DAY_MS = 86_400_000;
const TTL_MS = 30 * DAY_MS;
const TTL_MAX_MS = 3_650 * DAY_MS;
const DEADLINE_MS = 5_000;
const BUCKET_NAME = /^[A-Za-z0-9_-]{1,128}$/;

export interface JetStreamAttemptStoreOptions {
  /** Made where it is missing and may be made; an existing one is never changed. Default `WORKFLOW_ATTEMPTS`. */
  readonly bucket?: string;
  /**
   * How long a step is remembered after its latest attempt, of a bucket that is made here. Milliseconds; default 2,592,000,000
   * (30 days); 1,000 to 10 years. Longer than an execution may stand still: what is forgotten is counted from 1 again.
   */
  readonly ttlMs?: number;
  /** Copies in a cluster, 1 to 5, of a bucket that is made here. Default 1: for development only. */
  readonly replicas?: number;
  /** How long each question waits for its answer, connecting included. An attempt asks two. Milliseconds; default 5,000. */
  readonly deadlineMs?: number;
  /** What happens to a step while there is no answer. Default `error`. */
  readonly onUnavailable?: AttemptStore['onUnavailable'];
}

/**
 * Counts attempts in a JetStream key-value bucket, so that they survive the process, and are counted together by all that share it.
 * A function is called when the first step asks, and again if what it opened is closed; `close` closes it.
 *
 * @param connection of `@nats-io/transport-node` 3 or of `nats` 2.29, or a promise of one, which stays the caller's to close; or a
 * function that opens one.
 * @throws SpanledgerError `SPANLEDGER_OPTION`. The store's methods reject with `SPANLEDGER_ATTEMPTS`.
 */
export function jetStreamAttemptStore(
  connection: ConnectionSource,
  options: JetStreamAttemptStoreOptions = {},
): AttemptStore {
  return new JetStreamAttemptStore(connection, options);
}

class JetStreamAttemptStore implements AttemptStore {
  readonly name: string;
  readonly onUnavailable: 'error' | 'memory';
  readonly #bucket: KvBucket;
  readonly #connection: SharedConnection;
  readonly #deadlineMs: number;

  constructor(connection: ConnectionSource, options: JetStreamAttemptStoreOptions) {
    const bucket = bucketName(options.bucket ?? BUCKET);
    this.name = `the JetStream bucket ${bucket}`;
    this.onUnavailable = policy(options.onUnavailable ?? 'error');
    this.#bucket = new KvBucket({
      bucket,
      ttlMs: integer('ttlMs', options.ttlMs ?? TTL_MS, 1_000, TTL_MAX_MS),
      replicas: integer('replicas', options.replicas ?? 1, 1, 5),
    });
    this.#deadlineMs = integer('deadlineMs', options.deadlineMs ?? DEADLINE_MS, 1, 2 ** 31 - 1);
    this.#connection = new SharedConnection(connection);
  }

  read(key: AttemptKey): Promise<StoredAttempt> {
    return this.#ask(async (connection, leftMs) => {
      const { value, revision } = await this.#bucket.get(connection, keyOf(key), leftMs);
      return value === undefined ? { revision } : { record: parseRecord(value), revision };
    });
  }

  write(key: AttemptKey, record: AttemptRecord, revision: number): Promise<number | undefined> {
    const { epoch, startedEventId } = record;
    const value: RecordValue = { epoch, ...(startedEventId !== undefined && { started_event_id: startedEventId }) };
    const bytes = Buffer.from(JSON.stringify(value));
    return this.#ask((connection, leftMs) => this.#bucket.put(connection, keyOf(key), bytes, revision, leftMs));
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #ask<T>(question: (connection: NatsConnectionLike, leftMs: () => number) => Promise<T>): Promise<T> {
    const endAtMs = performance.now() + this.#deadlineMs;
    try {
      const opening = this.#connection.get();
      if (!(await within(opening, this.#deadlineMs))) throw new Error('no server was reached');
      return await question(await opening, () => Math.max(1, endAtMs - performance.now()));
    } catch (cause) {
      throw new SpanledgerError(
        'SPANLEDGER_ATTEMPTS',
        `${this.name} cannot be used: ${reasonOf(cause, this.#deadlineMs)}`,
        {
          cause,
        },
      );
    }
  }
}

function keyOf({ executionId, stepId }: AttemptKey): string {
  return encodeKey(executionId, stepId);
}

/** As it is in the bucket. */
interface RecordValue {
  readonly epoch: number;
  readonly started_event_id?: string;
}

/** What the bucket holds, anybody may have written: whoever asked checks it. The bucket itself can be used all the same. */
function parseRecord(value: Uint8Array): AttemptRecord {
  const parsed = parseJson(value) as RecordValue | null;
  return {
    epoch: parsed?.epoch as number,
    ...(parsed?.started_event_id && { startedEventId: parsed.started_event_id }),
  };
}

function parseJson(value: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(value));
  } catch {
    return null;
  }
}

function reasonOf(cause: unknown, deadlineMs: number): string {
  const denied = deniedRequest(cause);
  const missing = cause instanceof BucketMissingError ? `${cause.message}: ` : '';
  if (denied !== undefined) return `${missing}the account has no permission to ${denied.operation} ${denied.subject}`;
  const error = cause instanceof BucketMissingError ? cause.cause : cause;
  if (error instanceof JetStreamApiError) return `${missing}JetStream says: ${error.message}`;
  const text = error instanceof Error ? error.message : String(error);
  if (/time-?out/i.test(text)) return `${missing}no answer within ${deadlineMs} ms`;
  return `${missing}${text}`;
}

function bucketName(name: string): string {
  if (typeof name === 'string' && BUCKET_NAME.test(name)) return name;
  throw wrong('bucket must be 1 to 128 letters, digits, _ and -', name);
}

function policy(value: unknown): 'error' | 'memory' {
  if (value === 'error' || value === 'memory') return value;
  throw wrong("onUnavailable must be 'error' or 'memory'", value);
}

function integer(name: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw wrong(`${name} must be a whole number from ${min} to ${max}`, value);
}

function wrong(rule: string, value: unknown): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_OPTION', `${rule}, got ${JSON.stringify(value) ?? 'nothing'}`);
}
